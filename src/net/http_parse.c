/*
 * Heads of messages (RFC 9112), strictly: what two readers could understand in two ways is refused, so that nobody can smuggle
 * a request past a proxy in front of us.
 *
 * All lines are there when the parsing begins. They are copied into the message's block and cut up there:
 *
 *     struct http_message │ fields, one for each line │ head, with a NUL behind each name and value │ path, decoded
 */
#include <string.h>
#include <strings.h>

#include "http_message.h"

struct parser {
    struct http_message *m;
    char *at, *end; /* the lines that are left */
    char *path;     /* room for it */
    struct http_fault *fault;
};

static int fail(struct parser *p, int status, const char *what) {
    *p->fault = (struct http_fault){status, what};
    return -1;
}

/* ---- lines ---- */

static size_t count_lines(const char *head, size_t size) {
    size_t n = 1;

    if (!size) return n;
    for (const char *end = head + size; (head = memchr(head, '\n', (size_t)(end - head))); head++) n++;
    return n;
}

/* Cuts off the next line, which ends at a CR LF or where the head does. A CR or LF alone stays in it: no part of a line may
 * have one. */
static char *next_line(struct parser *p, char **end) {
    char *line = p->at, *cr = line;

    while ((cr = memchr(cr, '\r', (size_t)(p->end - cr))) && cr[1] != '\n') cr++; /* behind the last one is a NUL */
    *end = cr ? cr : p->end;
    p->at = cr ? cr + 2 : NULL;
    **end = 0;
    return line;
}

/* ---- the first line ---- */

/* "HTTP/1.1" and the like. */
static int parse_version(struct parser *p, const char *text) {
    if (strncmp(text, "HTTP/", 5) != 0 || text[5] < '0' || text[5] > '9' || text[6] != '.' || text[7] < '0' || text[7] > '9')
        return fail(p, 400, "no HTTP version");
    if (text[5] != '1') return fail(p, 505, "a version that is not HTTP/1");
    p->m->minor = text[7] == '0' ? 0 : 1; /* RFC 9110, 2.5: a later one is read as the last that we know */
    return 0;
}

static bool has_dot_dot(const char *path) {
    for (const char *step = path; step; step = strchr(step, '/')) {
        step += *step == '/';
        if (step[0] == '.' && step[1] == '.' && (step[2] == '/' || !step[2])) return true;
    }
    return false;
}

int promise__http_decode_path(const char *text, size_t size, char *path) {
    char *to = path;

    for (const char *end = text + size; text < end; text++) {
        int high, low;
        if (*text != '%') {
            *to++ = *text;
            continue;
        }
        if (end - text < 3 || (high = promise__http_hex_digit(text[1])) < 0 || (low = promise__http_hex_digit(text[2])) < 0)
            return -1;
        *to = (char)(high * 16 + low);
        if (!*to++) return -1;
        text += 2;
    }
    *to = 0;
    return has_dot_dot(path) ? -1 : 0;
}

/* Where the path of an absolute URL begins, or NULL. */
static const char *behind_host(const char *url) {
    size_t scheme = !strncasecmp(url, "http://", 7) ? 7 : !strncasecmp(url, "https://", 8) ? 8 : 0;
    size_t host = strcspn(url + scheme, "/?");

    return scheme && host ? url + scheme + host : NULL;
}

/* "/path?query", "http://host/path?query", "*" or "host:port" (RFC 9112, 3.2). */
static int parse_target(struct parser *p, const char *target) {
    const char *path = target;

    for (const char *c = target; *c; c++)
        if (*c <= ' ' || *c >= 127 || *c == '#') return fail(p, 400, "a character in the target that must not be there");
    p->m->target = target;
    p->m->path = p->path;
    *p->path = 0;
    if (!strcmp(p->m->method, "CONNECT")) return 0;
    if (!strcmp(target, "*") && !strcmp(p->m->method, "OPTIONS")) {
        memcpy(p->path, "*", 2);
        return 0;
    }
    if (*path != '/' && !(path = behind_host(path))) return fail(p, 400, "the target is no path");
    p->m->query = strchr(path, '?');
    if (p->m->query) p->m->query++;
    if (*path != '/') memcpy(p->path, "/", 2); /* http://host?query */
    else if (promise__http_decode_path(path, strcspn(path, "?"), p->path) != 0)
        return fail(p, 400, "a path that leads nowhere");
    return 0;
}

static int parse_request_line(struct parser *p) {
    char *end, *line = next_line(p, &end), *target, *version;

    if (memchr(line, 0, (size_t)(end - line))) return fail(p, 400, "a NUL in the request line");
    target = strchr(line, ' ');
    version = target ? strchr(target + 1, ' ') : NULL;
    if (!version) return fail(p, 400, "no request line");
    *target++ = *version++ = 0;
    if (!promise__http_is_token(line, strlen(line))) return fail(p, 400, "the method is no token");
    p->m->method = line;
    if (strlen(version) != 8) return fail(p, 400, "no HTTP version");
    if (parse_version(p, version) != 0) return -1;
    if (!*target) return fail(p, 400, "no target");
    return parse_target(p, target);
}

static int parse_status_line(struct parser *p) {
    char *end, *line = next_line(p, &end), *status = line + 9;

    if (end - line < 12) return fail(p, 400, "no status line");
    if (parse_version(p, line) != 0) return -1;
    if (line[8] != ' ') return fail(p, 400, "no status line");
    for (int i = 0; i < 3; i++) {
        if (status[i] < '0' || status[i] > '9') return fail(p, 400, "no status");
        p->m->status = p->m->status * 10 + (status[i] - '0');
    }
    if (p->m->status < 100 || (status[3] && status[3] != ' ')) return fail(p, 400, "no status");
    p->m->reason = status + 3 + (status[3] == ' ');
    if (!promise__http_is_value(status + 3, (size_t)(end - status - 3)))
        return fail(p, 400, "a control character in the reason");
    return 0;
}

/* ---- headers that frame the message ---- */

static int see_length(struct parser *p, const char *value) {
    if (p->m->has_length) return fail(p, 400, "several Content-Lengths");
    if (promise__http_number(value, &p->m->length) != 0) return fail(p, 400, "a Content-Length that is no number");
    p->m->has_length = true;
    return 0;
}

static int see_coding(struct parser *p, const char *value) {
    if (p->m->is_chunked) return fail(p, 400, "several Transfer-Encodings");
    if (strcasecmp(value, "chunked") != 0) return fail(p, 501, "a Transfer-Encoding other than chunked");
    if (!p->m->minor) return fail(p, 400, "a Transfer-Encoding in HTTP/1.0");
    p->m->is_chunked = true;
    return 0;
}

/* host[:port] (RFC 3986, 3.2.2): no user, no path. */
static int see_host(struct parser *p, const char *value, bool *seen) {
    if (*seen) return fail(p, 400, "several Hosts");
    *seen = true;
    for (; *value; value++)
        if (strchr(" \t/?#@\\<>\"^`{|}", *value) || (unsigned char)*value >= 128) return fail(p, 400, "a Host that is none");
    return 0;
}

static int see_fields(struct parser *p) {
    bool seen_host = false, wants_close = false, wants_more = false;
    int status = 0;

    for (size_t i = 0; i < p->m->count && status == 0; i++) {
        const struct http_field *f = &p->m->fields[i];
        if (!strcasecmp(f->name, "content-length")) status = see_length(p, f->value);
        else if (!strcasecmp(f->name, "transfer-encoding")) status = see_coding(p, f->value);
        else if (!strcasecmp(f->name, "host") && !p->m->status) status = see_host(p, f->value, &seen_host);
        else if (!strcasecmp(f->name, "connection")) {
            wants_close = wants_close || promise__http_list_has(f->value, "close");
            wants_more = wants_more || promise__http_list_has(f->value, "keep-alive");
        }
    }
    if (status != 0) return status;
    if (p->m->has_length && p->m->is_chunked) return fail(p, 400, "a Content-Length and a Transfer-Encoding");
    if (!p->m->status && p->m->minor && !seen_host) return fail(p, 400, "no Host");
    p->m->keep_alive = !wants_close && (p->m->minor || wants_more); /* RFC 9112, 9.3 */
    return 0;
}

/* ---- all of it ---- */

static int parse_fields(struct parser *p) {
    while (p->at) {
        char *end, *line = next_line(p, &end);
        const char *wrong = promise__http_parse_field(line, end, &p->m->fields[p->m->count]);
        if (wrong) return fail(p, 400, wrong);
        p->m->count++;
    }
    if (see_fields(p) != 0) return -1;
    return promise__http_message_join(p->m) == 0 ? 0 : fail(p, 0, NULL);
}

static struct http_message *parse(promise_loop_t *loop, const char *head, size_t size, bool is_request,
                                  struct http_fault *fault) {
    const char *cr = size ? memchr(head, '\r', size) : NULL;
    size_t fields = count_lines(head, size) - 1, first = cr ? (size_t)(cr - head) : size;
    struct parser p = {.fault = fault};

    *fault = (struct http_fault){0, NULL};
    if (fields > HTTP_MAX_FIELDS) {
        fail(&p, 431, "too many headers");
        return NULL;
    }
    p.m = promise__http_message_new(fields, size + 1 + (is_request ? first + 1 : 0));
    if (!p.m) return NULL;
    p.m->loop = loop;
    p.at = (char *)(p.m->own_fields + fields);
    p.end = p.at + size;
    p.path = p.end + 1;
    if (size) memcpy(p.at, head, size);
    *p.end = 0;
    if ((is_request ? parse_request_line(&p) : parse_status_line(&p)) == 0 && parse_fields(&p) == 0) return p.m;
    promise__http_message_unref(p.m);
    return NULL;
}

struct http_message *promise__http_parse_request(promise_loop_t *loop, const char *head, size_t size,
                                                 struct http_fault *fault) {
    while (size >= 2 && !memcmp(head, "\r\n", 2)) head += 2, size -= 2; /* RFC 9112, 2.2 */
    return parse(loop, head, size, true, fault);
}

struct http_message *promise__http_parse_response(promise_loop_t *loop, const char *head, size_t size,
                                                  struct http_fault *fault) {
    return parse(loop, head, size, false, fault);
}

struct http_framing promise__http_framing(const struct http_message *m, const char *request_method) {
    if (m->status && (!strcmp(request_method, "HEAD") || m->status < 200 || m->status == 204 || m->status == 304))
        return (struct http_framing){HTTP_EMPTY, 0};
    if (m->is_chunked) return (struct http_framing){HTTP_CHUNKED, 0};
    if (m->has_length) return (struct http_framing){m->length ? HTTP_LENGTH : HTTP_EMPTY, m->length};
    return (struct http_framing){m->status ? HTTP_UNTIL_END : HTTP_EMPTY, 0};
}
