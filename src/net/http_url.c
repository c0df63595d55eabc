/* URLs: taken apart by libevent's parser, made absolute and normal here. */
#include "http_url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <event2/http.h>

#include <promise/memory.h>

/* ---- characters ---- */

/* In no URL (RFC 3986, appendix A), but people write them. Control characters are refused. */
static bool is_escaped(unsigned char c) { return c == ' ' || c >= 127 || strchr("\"<>\\^`{|}", c) != NULL; }

/* Where the host and port end: 0 when text has none. Brackets are of an IPv6 address there, and nowhere else. */
static size_t end_of_authority(const char *text) {
    size_t scheme = strcspn(text, ":/?#"), begin = text[scheme] == ':' ? scheme + 1 : 0;

    return strncmp(text + begin, "//", 2) != 0 ? 0 : begin + 2 + strcspn(text + begin + 2, "/?#");
}

/* A copy with such characters escaped, up to the fragment; NULL: see wrong. */
static char *escape(const char *text, const char **wrong) {
    size_t size = strcspn(text, "#"), authority = end_of_authority(text);
    char *copy = promise_memory_alloc(3 * size + 1), *to = copy;

    *wrong = NULL;
    if (!copy) return NULL;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < ' ' || c == 127) {
            *wrong = "a control character";
            promise_memory_free(copy);
            return NULL;
        }
        if (is_escaped(c) || (i >= authority && (c == '[' || c == ']'))) to += snprintf(to, 4, "%%%02X", c);
        else *to++ = (char)c;
    }
    *to = 0;
    return copy;
}

/* ---- an absolute URL ---- */

static const char *reject(const struct evhttp_uri *uri) {
    const char *scheme = evhttp_uri_get_scheme(uri), *host = evhttp_uri_get_host(uri);

    if (!scheme || (strcasecmp(scheme, "http") != 0 && strcasecmp(scheme, "https") != 0))
        return "the scheme is not http or https";
    if (!host || !*host || !strcmp(host, "[]")) return "no host";
    if (*host != '[' && strchr(host, '%')) return "a character that no host has";
    if (evhttp_uri_get_userinfo(uri)) return "a user in front of the host";
    if (evhttp_uri_get_port(uri) == 0) return "port 0";
    return NULL;
}

static char *put(char **at, const char *text, size_t size) {
    char *begin = *at;

    memcpy(begin, text, size);
    begin[size] = 0;
    *at += size + 1;
    return begin;
}

static void lower(char *text) {
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z') *text = (char)(*text | 32);
}

static void put_host(struct http_url *url, char **at, const char *host) {
    size_t size = strlen(host);
    char *own = *host == '[' ? put(at, host + 1, size - 2) : put(at, host, size);

    lower(own);
    url->host = own;
}

static void put_authority(struct http_url *url, char **at, const char *host) {
    char *begin = *at;

    *at += sprintf(begin, "%s", host) + 1;
    lower(begin);
    if (url->port != (url->secure ? 443 : 80)) *at += sprintf(*at - 1, ":%u", url->port);
    url->authority = begin;
}

static void put_target(struct http_url *url, char **at, const struct evhttp_uri *uri) {
    const char *path = evhttp_uri_get_path(uri), *query = evhttp_uri_get_query(uri);

    url->target = *at;
    *at += sprintf(*at, "%s%s%s%s", path && *path ? "" : "/", path ? path : "", query ? "?" : "", query ? query : "") + 1;
}

static struct http_url *make(const struct evhttp_uri *uri, size_t size) {
    struct http_url *url = promise_memory_alloc(sizeof *url + 4 * (size + 16)); /* each part once, the whole once more */
    const char *host = evhttp_uri_get_host(uri);
    char *at;
    int port = evhttp_uri_get_port(uri);

    if (!url) return NULL;
    at = url->data;
    url->secure = !strcasecmp(evhttp_uri_get_scheme(uri), "https");
    url->port = (uint16_t)(port > 0 ? port : url->secure ? 443 : 80);
    put_host(url, &at, host);
    put_authority(url, &at, host);
    put_target(url, &at, uri);
    sprintf(at, "http%s://%s%s", url->secure ? "s" : "", url->authority, url->target);
    url->text = at;
    return url;
}

/* text has its characters escaped. */
static struct http_url *parse(const char *text, const char **wrong) {
    struct evhttp_uri *uri = evhttp_uri_parse_with_flags(text, 0);
    struct http_url *url = NULL;

    *wrong = uri ? reject(uri) : "no URL";
    if (uri && !*wrong) url = make(uri, strlen(text));
    if (uri) evhttp_uri_free(uri);
    return url;
}

struct http_url *promise__http_url_new(const char *text, const char **wrong) {
    char *escaped = escape(text, wrong);
    struct http_url *url = escaped ? parse(escaped, wrong) : NULL;

    promise_memory_free(escaped);
    return url;
}

void promise__http_url_free(struct http_url *url) { promise_memory_free(url); }

bool promise__http_url_same_origin(const struct http_url *a, const struct http_url *b) {
    return a->secure == b->secure && a->port == b->port && !strcmp(a->host, b->host);
}

/* ---- a relative one ---- */

static bool has_scheme(const char *text) {
    size_t size = strcspn(text, ":/?");

    return text[size] == ':' && size > 0;
}

/* RFC 3986, 5.2.4, in place: path begins with a slash and ends before '?'. */
static void remove_dots(char *path) {
    char *from = path, *to = path, *end = path + strcspn(path, "?");

    while (from < end) {
        size_t step = 1 + strcspn(from + 1, "/?"); /* with the slash in front */
        bool last = from + step == end;
        if (step == 3 && !memcmp(from, "/..", 3)) {
            while (to > path && *--to != '/') {}
            if (last) *to++ = '/';
        } else if (step == 2 && from[1] == '.') {
            if (last) *to++ = '/';
        } else {
            memmove(to, from, step);
            to += step;
        }
        from += step;
    }
    memmove(to, end, strlen(end) + 1);
}

/* How much of the base stands before text. */
static size_t kept_of(const struct http_url *base, const char *text) {
    size_t origin = strlen(base->text) - strlen(base->target), path = strcspn(base->target, "?");

    if (!strncmp(text, "//", 2)) return base->secure ? 6 : 5;
    if (*text == '/') return origin;
    if (*text == '?') return origin + path;
    if (!*text) return strlen(base->text);
    while (path > 0 && base->target[path - 1] != '/') path--;
    return origin + path;
}

struct http_url *promise__http_url_resolve(const struct http_url *base, const char *text, const char **wrong) {
    struct http_url *url = NULL;
    char *escaped, *whole, *path;
    size_t kept;

    escaped = escape(text, wrong);
    if (!escaped) return NULL;
    kept = has_scheme(escaped) ? 0 : kept_of(base, escaped);
    whole = promise_memory_alloc(kept + strlen(escaped) + 1);
    if (whole) {
        memcpy(whole, base->text, kept);
        strcpy(whole + kept, escaped);
        path = strstr(whole, "://");
        path = path ? path + 3 + strcspn(path + 3, "/?") : NULL;
        if (path && *path == '/') remove_dots(path);
        url = parse(whole, wrong);
        promise_memory_free(whole);
    }
    promise_memory_free(escaped);
    return url;
}
