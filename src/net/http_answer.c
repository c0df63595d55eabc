/* One request over a connection: it is sent, the response's head is read, then its body. */
#include <errno.h>
#include <string.h>

#include <promise/combine.h>
#include <promise/memory.h>
#include <promise/timer.h>

#include "http_exchange.h"

/* ---- the body of the response ---- */

/* The reader lets go of the connection: its arg. */
static void body_done(bool whole, void *conn) {
    struct http_conn *c = conn;

    promise__http_conn_release(c, whole && c->keep_alive);
}

/* The connection goes over to the reader. NULL when out of memory. */
static struct http_reader *start_reader(struct http_exchange *x, struct http_framing framing) {
    struct http_reader *r = promise__http_reader_new(x->conn->stream, framing, body_done, x->conn);

    if (r) x->conn = NULL;
    return r;
}

/* x->head is the response now. */
static promise_value_t give_response(struct http_exchange *x) {
    struct http_message *m = x->head;

    x->head = NULL;
    return promise__http_message_value(m);
}

static promise_value_t got_body(promise_value_t body, void *arg) {
    struct http_exchange *x = arg;

    promise_value_set(&x->head->body, body);
    return give_response(x);
}

static promise_value_t read_body(struct http_exchange *x, struct http_framing framing) {
    struct http_reader *r;

    x->head->url = promise__http_message_text(x->head, x->url->text, strlen(x->url->text));
    if (!x->head->url) return promise_out_of_memory();
    if (framing.kind == HTTP_EMPTY) {
        promise__http_let_go(x, x->conn->keep_alive);
        return give_response(x);
    }
    r = start_reader(x, framing);
    if (!r) return promise_out_of_memory();
    if (x->wants_stream) {
        x->head->reader = r;
        return give_response(x);
    }
    x->reader = r;
    return promise_adopt(promise_then(promise__http_reader_all(r, x->client->options.max_body), got_body, x));
}

/* ---- redirects ---- */

static promise_value_t follow(promise_value_t v, void *arg) {
    struct http_exchange *x = arg;

    if (promise_is_canceled(v)) return v;
    promise__http_drop_response(x);
    return promise_adopt(promise__http_attempt(x));
}

/* A small body is read, so that the connection can be used again; whatever happens to it, on we go. */
static promise_value_t redirect(struct http_exchange *x, struct http_framing framing) {
    promise_value_t v = promise__http_redirect(x, x->head);
    promise_t *p;

    if (promise_is_rejection(v)) return v;
    if (framing.kind == HTTP_LENGTH && framing.size > HTTP_MAX_DROPPED) framing.kind = HTTP_UNTIL_END;
    if (framing.kind == HTTP_EMPTY || framing.kind == HTTP_UNTIL_END) {
        promise__http_let_go(x, framing.kind == HTTP_EMPTY && x->conn->keep_alive);
        return follow(v, x);
    }
    x->reader = start_reader(x, framing);
    if (!x->reader) return promise_out_of_memory();
    p = promise_timeout(promise__http_reader_all(x->reader, HTTP_MAX_DROPPED), x->first_byte_ms);
    return promise_adopt(promise_then_catch(p, follow, follow, x));
}

/* ---- the head ---- */

static promise_t *await_head(struct http_exchange *x);

/* Nothing came on a connection that had been idle: the server was about to close it. Once more, if that does no harm (RFC
 * 9110, 9.2.2). */
static bool is_worth_another_try(const struct http_exchange *x) {
    static const char *const idempotent[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", NULL};
    const char *const *method = idempotent;

    if (!x->conn->reused || x->retried || x->was_streamed || x->interim) return false;
    while (*method && strcmp(*method, x->method) != 0) method++;
    return *method != NULL;
}

static promise_value_t try_again(struct http_exchange *x) {
    promise__http_let_go(x, false);
    x->retried = true;
    return promise_adopt(promise__http_attempt(x));
}

static promise_value_t parse(struct http_exchange *x, promise_value_t lines) {
    struct http_fault fault;
    size_t size;
    const char *head = promise_as_bytes(lines, &size);

    x->head = promise__http_parse_response(x->loop, head, size, &fault);
    if (x->head) return promise_void();
    if (!fault.what) return promise_out_of_memory();
    return promise__http_error(x, fault.status == 431 ? PROMISE_HTTP_ETOOLARGE : PROMISE_HTTP_EPROTOCOL,
                               "malformed response: %s", fault.what);
}

static promise_value_t got_interim(struct http_exchange *x) {
    if (++x->interim > HTTP_MAX_INTERIM)
        return promise__http_error(x, PROMISE_HTTP_EPROTOCOL, "more than %d responses that are not the one", HTTP_MAX_INTERIM);
    promise__http_message_unref(x->head);
    x->head = NULL;
    return promise_adopt(await_head(x));
}

static promise_value_t got_head(promise_value_t lines, void *arg) {
    struct http_exchange *x = arg;
    struct http_framing framing;
    promise_value_t v;

    if (!x->client) return promise__http_closed();
    if (promise_is_end(lines)) {
        if (is_worth_another_try(x)) return try_again(x);
        return promise__http_error(x, PROMISE_HTTP_ETRUNCATED, "the connection ended without a response");
    }
    v = parse(x, lines);
    if (promise_is_rejection(v)) return v;
    if (x->head->status < 200 && x->head->status != 101) return got_interim(x);
    framing = promise__http_framing(x->head, x->method);
    x->conn->keep_alive = x->head->keep_alive && framing.kind != HTTP_UNTIL_END && x->head->status >= 200 && !x->closes;
    return promise__http_is_redirect(x, x->head) ? redirect(x, framing) : read_body(x, framing);
}

/* Only a reset on which nothing came is like an end on which nothing came. */
static promise_value_t no_head(promise_value_t v, void *arg) {
    struct http_exchange *x = arg;
    bool is_reset = promise_error_is(v, &promise_errno_errors, ECONNRESET) || promise_error_is(v, &promise_errno_errors, EPIPE);

    if (!x->client || promise_is_canceled(v) || !x->conn->stream) return v;
    if (is_reset && !promise_stream_readable(x->conn->stream) && is_worth_another_try(x)) return try_again(x);
    return v;
}

static promise_value_t head_is_late(promise_value_t v, void *arg) {
    struct http_exchange *x = arg;

    return promise_is_timeout(v) ? promise__http_late(x, "no response", x->first_byte_ms) : v;
}

/* ---- a request that takes longer to be sent than one write ---- */

static promise_value_t too_late(promise_value_t v, void *arg) {
    struct http_exchange *x = arg;

    (void)v;
    return promise__http_late(x, "no response", x->first_byte_ms);
}

/* From now on the response has its time; also when the connection does not take the rest: the response may be there already. */
static promise_value_t was_sent(promise_value_t v, void *arg) {
    struct http_exchange *x = arg;

    (void)v;
    if (x->conn && !promise_is_void(x->conn->failure)) return x->conn->failure;
    return promise_adopt(promise_then(promise_sleep(x->loop, x->first_byte_ms), too_late, x));
}

static promise_t *await_head(struct http_exchange *x) {
    promise_t *p = promise__http_read_head(x->conn->stream, x->client->options.max_header), *sent;

    if (!x->conn->sending) {
        p = promise_catch(promise_timeout(p, x->first_byte_ms), head_is_late, x);
    } else {
        sent = promise_then(promise_ref(x->conn->sending), was_sent, x);
        p = promise_race_of(x->loop, p, sent, NULL);
    }
    return promise_then_catch(p, got_head, no_head, x);
}

/* ---- sending ---- */

/* What the user's own body did wrong breaks the request off; that the connection broke is seen where it is read. */
static promise_value_t not_sent(promise_value_t v, void *arg) {
    struct http_conn *c = arg;

    if (promise_is_canceled(v) || !c->stream || promise_stream_is_closed(c->stream)) return promise_void();
    promise_value_set(&c->failure, v);
    promise_stream_abort(c->stream);
    return promise_void();
}

static void unref_conn(void *conn) { promise__http_conn_unref(conn); }

promise_t *promise__http_ask(struct http_exchange *x) {
    struct http_conn *c = x->conn;
    struct http_buffer head;
    struct http_framing framing = promise__http_put_request(x, &head);
    promise_iterator_t *body = x->stream;
    promise_t *p;

    x->used = promise__http_conn_ref(c);
    x->stream = NULL;
    x->interim = 0;
    if (body) p = promise__http_send_stream(c->stream, &head, body, framing, "the request's body");
    else p = promise__http_send(c->stream, &head, x->body);
    if (promise_get_state(p) == PROMISE_FULFILLED) {
        promise_unref(p);
    } else {
        p = promise_catch(p, not_sent, c);
        c->sending = promise_attach(p, promise__http_conn_ref(c), unref_conn);
    }
    return await_head(x);
}
