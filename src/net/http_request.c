/* Requests come: the head, the body, and then the handler's turn. */
#include "http_connection.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include <promise/memory.h>

#define BLANK "\r\n\r\n" /* as promise_http_server.blank */

enum { MOST_DRAINED = 256 << 10 }; /* of a body that the handler did not want, so that the connection can be used again */

static void start_request(struct http_connection *c);

/* ---- the client ends its side, or leaves ---- */

/* It may have closed one half only, and wait for the answer: so it gets what is under way, if that does not take long. */
static void client_ended(struct http_connection *c) {
    c->ended = true;
    if (promise__http_connection_is_broken(c)) promise__http_connection_end(c);
    else if (c->state == HTTP_IDLE) promise__http_connection_close(c, false);
    else if (c->state == HTTP_HANDLING) promise__http_connection_wait(c, HTTP_WAIT_LEAVE);
}

/* ---- heads ---- */

/* The end of the stream gives what came last: only the bytes that were taken tell whether the blank line was there. */
static promise_value_t got_head(promise_value_t v, void *arg) {
    struct http_connection *c = arg;
    bool idle = c->state == HTTP_IDLE;
    size_t size;

    if (!promise__http_arrived(c, &c->reading, HTTP_ANY)) return promise_void();
    if (promise_is_end(v)) {
        client_ended(c);
        return promise_void();
    }
    promise_as_bytes(v, &size);
    if (c->taken == strlen(BLANK)) { /* RFC 9112, 2.2: empty lines before a request are fine */
        promise__http_await_head(c);
        return promise_void();
    }
    if (c->taken >= size + strlen(BLANK)) promise_value_set(&c->head, v);
    else if (idle) promise__http_reply_error(c, 400, "the request ended early");
    else client_ended(c);
    if (idle && c->state == HTTP_IDLE) start_request(c);
    return promise_void();
}

static promise_value_t no_head(promise_value_t reason, void *arg) {
    struct http_connection *c = arg;

    if (!promise__http_arrived(c, &c->reading, HTTP_ANY)) return promise_void();
    if (c->state == HTTP_LINGERING || c->state == HTTP_CLOSING) return promise_void();
    if (promise_error_is(reason, &promise_errno_errors, EMSGSIZE)) {
        promise_value_set(&c->head, reason);
        if (c->state == HTTP_IDLE) start_request(c);
    } else promise__http_connection_end(c);
    return promise_void();
}

void promise__http_await_head(struct http_connection *c) {
    promise_http_server_t *server = c->server;

    if (c->reading || c->ended || !promise_is_void(c->head)) return;
    c->taken = 0;
    promise__http_await(c, &c->reading, promise_stream_read_until(c->stream, server->blank, server->options.max_header),
                        got_head, no_head);
}

void promise__http_next_request(struct http_connection *c) {
    promise_value_clear(&c->request);
    c->state = HTTP_IDLE;
    c->rest = c->spoiled = false;
    if (!promise_is_void(c->head)) start_request(c);
    else if (c->ended) promise__http_connection_close(c, false);
    else {
        promise__http_connection_wait(c, promise_stream_readable(c->stream) ? HTTP_WAIT_HEAD : HTTP_WAIT_IDLE);
        promise__http_await_head(c);
    }
}

/* ---- the handler ---- */

static promise_value_t call_handler(promise_value_t v, void *arg) {
    struct http_connection *c = arg;

    (void)v;
    return c->server->handler(c->request, c->server->arg);
}

static promise_value_t handled(promise_value_t outcome, void *arg) {
    struct http_connection *c = arg;

    if (!promise__http_arrived(c, &c->working, HTTP_HANDLING)) return promise_void();
    if (promise_is_canceled(outcome) && promise__http_loop_ends(c->server->loop)) promise__http_connection_end(c);
    else promise__http_reply(c, outcome);
    return promise_void();
}

static void handle(struct http_connection *c) {
    c->state = HTTP_HANDLING;
    c->strikes = 0;
    promise__http_connection_wait(c, c->rest ? HTTP_WAIT_BODY : HTTP_WAIT_NONE);
    if (!promise__http_await(c, &c->working, promise_try(c->server->loop, call_handler, c), handled, handled)) return;
    if (!c->rest) promise__http_await_head(c);
}

/* ---- bodies ---- */

static promise_value_t got_body(promise_value_t body, void *arg) {
    struct http_connection *c = arg;
    struct http_message *m;
    struct http_reader *reader;

    if (!promise__http_arrived(c, &c->working, HTTP_RECEIVING)) return promise_void();
    m = promise__http_message_of(c->request);
    reader = m->reader;
    m->reader = NULL;
    promise_value_set(&m->body, body);
    promise__http_reader_free(reader);
    handle(c);
    return promise_void();
}

static promise_value_t no_body(promise_value_t reason, void *arg) {
    struct http_connection *c = arg;

    if (!promise__http_arrived(c, &c->working, HTTP_RECEIVING)) return promise_void();
    if (promise_stream_is_closed(c->stream)) promise__http_connection_end(c);
    else if (promise_error_is(reason, &promise_http_errors, PROMISE_HTTP_ETOOLARGE))
        promise__http_reply_error(c, 413, promise_error_message(reason));
    else if (promise_error_is(reason, &promise_errno_errors, ENOMEM)) promise__http_reply_error(c, 500, NULL);
    else promise__http_reply_error(c, 400, promise_error_message(reason));
    return promise_void();
}

/* Called by the reader, when it has seen the end of the body, or is given up before. */
static void body_done(bool whole, void *arg) {
    struct http_connection *c = arg;

    if (whole) c->rest = false;
    else c->keep = false, c->spoiled = true;
    if (!whole || (c->state != HTTP_HANDLING && c->state != HTTP_SENDING)) return;
    if (c->deadline.wait == HTTP_WAIT_BODY && c->state == HTTP_HANDLING) promise__http_connection_wait(c, HTTP_WAIT_NONE);
    promise__http_await_head(c);
}

static bool expects_continue(const struct http_connection *c) {
    return promise__http_message_of(c->request)->minor && promise_http_header(c->request, "Expect");
}

/* The body is asked for: at first, and after each of its pieces. */
static void body_wanted(void *arg) {
    struct http_connection *c = arg;

    c->strikes = 0;
    if (c->asked || (c->state != HTTP_RECEIVING && c->state != HTTP_HANDLING)) return;
    c->asked = true;
    if (expects_continue(c)) promise__http_reply_continue(c);
}

static void release_message(void *m) { promise__http_message_unref(m); }

/* The message has the reader, which must be there until the promise has settled, also when nobody waits for it any more. */
static promise_t *read_all(struct http_connection *c, struct http_message *m) {
    m->refs++;
    return promise_attach(promise__http_reader_all(m->reader, c->server->options.max_body), m, release_message);
}

static void receive_body(struct http_connection *c, struct http_framing framing) {
    const struct promise_http_server_options *options = &c->server->options;
    struct http_message *m = promise__http_message_of(c->request);

    c->rest = true;
    c->strikes = 0;
    if (framing.kind == HTTP_LENGTH && framing.size > options->max_body) {
        promise__http_reply_error(c, 413, "the body is too large");
        return;
    }
    m->reader = promise__http_reader_new(c->stream, framing, body_done, c);
    if (promise__http_loop_ends(c->server->loop)) {
        promise__http_connection_end(c);
        return;
    }
    if (!m->reader) {
        promise__http_reply_error(c, 500, NULL);
        return;
    }
    c->asked = false;
    promise__http_reader_on_read(m->reader, body_wanted, c);
    if (options->stream) handle(c);
    else {
        c->state = HTTP_RECEIVING;
        promise__http_connection_wait(c, HTTP_WAIT_BODY);
        promise__http_await(c, &c->working, read_all(c, m), got_body, no_body);
    }
}

/* ---- the rest of a body that the handler did not read ---- */

static promise_value_t drained(promise_value_t v, void *arg);

void promise__http_drain(struct http_connection *c) {
    struct http_message *m = c->keep ? promise__http_message_of(c->request) : NULL; /* else there may be none */

    if (!m || !m->reader || (expects_continue(c) && !c->asked) || (c->state == HTTP_DRAINING && c->taken > MOST_DRAINED)) {
        promise__http_connection_close(c, true);
        return;
    }
    if (promise__http_loop_ends(c->server->loop)) {
        promise__http_connection_end(c);
        return;
    }
    if (c->state != HTTP_DRAINING) {
        c->state = HTTP_DRAINING;
        c->taken = 0;
        c->strikes = 0;
        promise__http_connection_wait(c, HTTP_WAIT_BODY);
    }
    promise__http_await(c, &c->working, promise__http_reader_next(m->reader), drained, drained);
}

static promise_value_t drained(promise_value_t v, void *arg) {
    struct http_connection *c = arg;
    size_t size;

    if (!promise__http_arrived(c, &c->working, HTTP_DRAINING)) return promise_void();
    if (promise_is(v, &promise_type_bytes)) {
        promise_as_bytes(v, &size);
        c->taken += size;
    }
    if (promise_is_rejection(v)) promise__http_connection_end(c);
    else if (promise_is_end(v) || !c->rest) promise__http_next_request(c);
    else promise__http_drain(c);
    return promise_void();
}

/* ---- requests ---- */

static void release_connection(void *c) { promise__http_connection_unref(c); }

/* A line that does not end is the target's, or one of the headers'. */
static int status_of_too_long(const struct http_connection *c) {
    struct bufferevent *bufferevent = promise_stream_bufferevent(c->stream);
    struct evbuffer_ptr end;

    if (!bufferevent) return 431;
    end = evbuffer_search(bufferevent_get_input(bufferevent), "\r\n", 2, NULL);
    return end.pos < 0 || (size_t)end.pos >= c->server->options.max_header ? 414 : 431;
}

/* The next head becomes the request. NULL: it was none, and that was answered. */
static struct http_message *take_head(struct http_connection *c) {
    promise_value_t head = c->head;
    struct http_message *m = NULL;
    struct http_fault fault;
    size_t size;
    const char *text;

    c->head = promise_void();
    c->keep = false;
    if (promise_is_rejection(head)) promise__http_reply_error(c, status_of_too_long(c), NULL);
    else {
        text = promise_as_bytes(head, &size);
        m = promise__http_parse_request(c->server->loop, text, size, &fault);
        if (!m) promise__http_reply_error(c, fault.status ? fault.status : 500, fault.what);
    }
    promise_value_clear(&head);
    if (!m) return NULL;
    m->context = c;
    m->context_free = release_connection;
    c->refs++;
    promise_value_set(&c->request, promise__http_message_value(m));
    return m;
}

static void start_request(struct http_connection *c) {
    struct http_message *m = take_head(c);
    struct http_framing framing;
    const char *expect;

    if (!m) return;
    framing = promise__http_framing(m, NULL);
    c->keep = m->keep_alive;
    expect = m->minor ? promise_http_header(c->request, "Expect") : NULL;
    if (expect && strcasecmp(expect, "100-continue") != 0) {
        c->rest = framing.kind != HTTP_EMPTY;
        promise__http_reply_error(c, 417, NULL);
    } else if (framing.kind == HTTP_EMPTY) handle(c);
    else receive_body(c, framing);
}

/* ---- who asks ---- */

const struct promise_address *promise_http_peer(promise_value_t request) {
    struct http_message *m = promise__http_message_of(request);
    struct promise_address address = {.size = sizeof address.storage};
    struct http_connection *c = m->context;

    if (m->context_free != release_connection) return NULL;
    if (c->peer) return c->peer;
    if (getpeername(promise_stream_fd(c->stream), (struct sockaddr *)&address.storage, &address.size) < 0) return NULL;
    c->peer = promise_memory_alloc(sizeof *c->peer);
    if (c->peer) *c->peer = address;
    return c->peer;
}
