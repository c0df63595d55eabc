/* What a handler gave becomes a response, and goes out. */
#include "http_connection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* A response, ready to be written; all borrowed. */
struct reply {
    int status;
    struct http_message *message; /* its headers; NULL: there is but a type */
    const char *type;             /* of a body without a message */
    promise_value_t body;         /* a whole one */
    promise_iterator_t *stream;   /* or one that comes, ours */
    struct http_file *file;       /* or one that is in a file */
    struct http_framing framing;
};

/* ---- what it was ---- */

static struct http_framing framing_of_size(uint64_t size) {
    return (struct http_framing){size ? HTTP_LENGTH : HTTP_EMPTY, size};
}

/* Of text or bytes. */
static void set_body(struct reply *r, promise_value_t body) {
    size_t size = 0;

    if (!promise_is_void(body)) promise_as_bytes(body, &size);
    r->body = body;
    r->framing = framing_of_size(size);
}

/* A message; also one that came from another server. False when its body was taken already. */
static bool set_message(struct reply *r, promise_value_t v) {
    struct http_message *m = promise__http_message_of(v);

    if (m->status < 200) return false;
    r->status = m->status;
    r->message = m;
    r->file = promise__http_message_file(m);
    if (r->file) r->framing = framing_of_size(r->file->size);
    else if (m->stream || m->reader) {
        uint64_t size = m->stream ? m->stream_size : m->has_length ? m->length : UINT64_MAX;
        r->framing = size == UINT64_MAX ? (struct http_framing){HTTP_CHUNKED, 0} : framing_of_size(size);
        r->stream = promise_http_chunks(v);
    } else if (m->taken) return false;
    else set_body(r, m->body);
    return true;
}

static void set_error(struct reply *r, int status, promise_value_t *text, const char *message) {
    const char *reason = promise__http_reason(status);

    promise_value_set(text, promise_stringf("%d %s%s%s\n", status, reason, message ? ": " : "", message ? message : ""));
    r->status = status;
    r->type = "text/plain; charset=utf-8";
    if (!promise_is_rejection(*text)) set_body(r, *text);
}

/* What a request that was not whole, or not HTTP, is answered with; 0: that is not why. */
static int status_of_body(const struct http_connection *c, promise_value_t reason) {
    if (!c->spoiled) return 0;
    if (promise_error_is(reason, &promise_http_errors, PROMISE_HTTP_ETOOLARGE)) return 413;
    if (promise_error_is(reason, &promise_http_errors, PROMISE_HTTP_ETRUNCATED)) return 400;
    return promise_error_is(reason, &promise_http_errors, PROMISE_HTTP_EPROTOCOL) ? 400 : 0;
}

/* A rejection: a status that the handler threw, or a failure, which is nobody else's business. *text is to be cleared. */
static void set_rejection(struct http_connection *c, struct reply *r, promise_value_t reason, promise_value_t *text) {
    int code = promise_error_code(reason);

    if (promise_error_domain(reason) == &promise_http_errors && code >= 400 && code <= 599) {
        const char *message = promise_error_message(reason);
        set_error(r, code, text, strcmp(message, promise__http_reason(code)) != 0 ? message : NULL);
        return;
    }
    if ((code = status_of_body(c, reason)) != 0) {
        set_error(r, code, text, promise_error_message(reason));
        return;
    }
    promise__http_server_report(c->server, c->request, reason);
    set_error(r, 500, text, NULL);
}

static void set_outcome(struct http_connection *c, struct reply *r, promise_value_t outcome, promise_value_t *text) {
    promise_value_t nonsense = promise_void();

    *r = (struct reply){.status = 200};
    if (promise_is_rejection(outcome)) set_rejection(c, r, outcome, text);
    else if (promise_is(outcome, &promise_type_string)) {
        r->type = "text/plain; charset=utf-8";
        set_body(r, outcome);
    } else if (promise_is(outcome, &promise_type_bytes)) {
        r->type = "application/octet-stream";
        set_body(r, outcome);
    } else if (promise_is_void(outcome)) r->status = 204;
    else if (!promise_is(outcome, &promise_type_http) || !set_message(r, outcome)) {
        promise_value_set(&nonsense, promise_throw_errno(EINVAL, "the handler gave %s, which is no response",
                                                         promise_is(outcome, &promise_type_http) ? "a message that was used"
                                                                                                 : promise_type_name(outcome)));
        set_rejection(c, r, nonsense, text);
        promise_value_clear(&nonsense);
    }
}

/* ---- the head ---- */

/* Those that frame a message that came from elsewhere were for that connection. */
static bool is_framing(const char *name) {
    static const char *const names[] = {"connection", "content-length",    "keep-alive", "te",
                                        "trailer",    "transfer-encoding", "upgrade"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0) return true;
    return false;
}

static bool has_field(const struct reply *r, const char *name) {
    for (size_t i = 0; r->message && i < r->message->count; i++)
        if (strcasecmp(r->message->fields[i].name, name) == 0) return true;
    return false;
}

static void put_fields(struct http_buffer *b, const struct reply *r) {
    for (size_t i = 0; r->message && i < r->message->count; i++) {
        const struct http_field *f = &r->message->fields[i];
        if (!is_framing(f->name)) promise__http_put_field(b, f->name, f->value);
    }
    if (r->type) promise__http_put_field(b, "Content-Type", r->type);
    if (r->type && r->status >= 400) promise__http_puts(b, "X-Content-Type-Options: nosniff\r\n");
}

static void put_head(struct http_connection *c, struct http_buffer *b, const struct reply *r) {
    bool has_body = r->status != 204 && r->status != 304;

    promise__http_put_status(b, r->status);
    if (!has_field(r, "Date")) {
        promise__http_puts(b, "Date: ");
        promise__http_puts(b, promise__http_server_date(c->server));
        promise__http_puts(b, "\r\n");
    }
    if (!has_field(r, "Server")) promise__http_puts(b, c->server->name);
    put_fields(b, r);
    if (has_body) promise__http_put_framing(b, r->framing);
    if (!c->keep) promise__http_puts(b, "Connection: close\r\n");
    else if (!promise__http_message_of(c->request)->minor) promise__http_puts(b, "Connection: keep-alive\r\n");
    promise__http_puts(b, "\r\n");
}

/* ---- on its way ---- */

static promise_value_t sent(promise_value_t v, void *arg) {
    struct http_connection *c = arg;

    (void)v;
    if (!promise__http_arrived(c, &c->working, HTTP_SENDING)) return promise_void();
    if (c->rest) promise__http_drain(c);
    else if (!c->keep) promise__http_connection_close(c, false);
    else promise__http_next_request(c);
    return promise_void();
}

/* The head is out: only a connection that breaks says that the rest will not come. It is reset, as for a body that lasts
 * until the end of the connection an orderly one would look whole. */
static promise_value_t not_sent(promise_value_t reason, void *arg) {
    static const struct linger reset = {1, 0};
    struct http_connection *c = arg;

    if (!promise__http_arrived(c, &c->working, HTTP_SENDING)) return promise_void();
    if (!promise_stream_is_closed(c->stream)) {
        promise__http_server_report(c->server, c->request, reason);
        (void)setsockopt(promise_stream_fd(c->stream), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    promise__http_connection_end(c);
    return promise_void();
}

static promise_t *send_file(struct http_connection *c, struct http_buffer *head, struct http_file *file) {
    promise_t *p = promise__http_send(c->stream, head, promise_void());
    int fd = file->fd;

    if (promise_get_state(p) == PROMISE_REJECTED) return p;
    promise__http_ignore(p); /* when it fails, so does the next one */
    file->fd = -1;
    return promise_stream_write_file(c->stream, fd, file->offset, (size_t)file->size);
}

static bool has_no_body(const struct http_connection *c, const struct reply *r) {
    if (r->status == 204 || r->status == 304 || r->framing.kind == HTTP_EMPTY) return true;
    return !promise_is_void(c->request) && strcmp(promise_http_method(c->request), "HEAD") == 0;
}

static promise_t *send_reply(struct http_connection *c, struct http_buffer *head, struct reply *r) {
    promise_iterator_t *stream = r->stream;

    r->stream = NULL;
    if (has_no_body(c, r) && !(stream && r->framing.kind == HTTP_EMPTY)) {
        promise_iterator_close(stream);
        return promise__http_send(c->stream, head, promise_void());
    }
    if (stream) return promise__http_send_stream(c->stream, head, stream, r->framing, "the response's body");
    if (r->file && r->file->fd >= 0) return send_file(c, head, r->file);
    return promise__http_send(c->stream, head, r->body);
}

static void start_sending(struct http_connection *c, struct reply *r) {
    struct http_buffer head;

    c->state = HTTP_SENDING;
    c->strikes = 0;
    c->unsent = 0;
    promise__http_buffer_init(&head);
    put_head(c, &head, r);
    promise__http_connection_wait(c, HTTP_WAIT_BODY);
    promise__http_await(c, &c->working, send_reply(c, &head, r), sent, not_sent);
}

void promise__http_reply(struct http_connection *c, promise_value_t outcome) {
    promise_value_t text = promise_void();
    struct reply r;

    set_outcome(c, &r, outcome, &text);
    if (c->state == HTTP_CLOSED) promise_iterator_close(r.stream); /* by the report */
    else {
        if (c->server->stopping || (r.message && !r.message->keep_alive)) c->keep = false;
        if (c->ended && promise_is_void(c->head)) c->keep = false;
        if (r.stream && r.framing.kind == HTTP_CHUNKED && !promise__http_message_of(c->request)->minor) {
            r.framing.kind = HTTP_UNTIL_END;
            c->keep = false;
        }
        start_sending(c, &r);
    }
    promise_value_clear(&text);
}

void promise__http_reply_error(struct http_connection *c, int status, const char *message) {
    promise_value_t text = promise_void();
    struct reply r = {0};

    promise__http_forget(c, &c->working);
    c->keep = false;
    c->rest = true; /* or what there is behind it: it is not looked at */
    set_error(&r, status, &text, message);
    start_sending(c, &r);
    promise_value_clear(&text);
}

void promise__http_reply_continue(struct http_connection *c) {
    if (promise_stream_readable(c->stream)) return; /* it did not wait */
    promise__http_ignore(promise_stream_write(c->stream, promise_string("HTTP/1.1 100 Continue\r\n\r\n")));
}
