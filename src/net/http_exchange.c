/*
 * One request and its response. A chain of steps, of which each returns the promise of the next:
 *
 *     attempt ─▶ a connection ─▶ connect ─▶ ask ─▶ the head ─▶ the body ─▶ the response
 *        ▲                                           │  ▲ │1xx
 *        └──── redirect, or a second try ◀───────────┘  └─┘
 *
 * Whatever ends the chain, a cancel too, promise__http_exchange_free() comes last, and lets go of the connection: one that may
 * still have something of this request on its way is closed.
 */
#include "http_exchange.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <promise/combine.h>
#include <promise/dns.h>
#include <promise/memory.h>
#include <promise/timer.h>

/* ---- errors ---- */

promise_value_t promise__http_error(const struct http_exchange *x, int code, const char *format, ...) {
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return promise_throw(&promise_http_errors, code, "%s %s: %s", x->method, x->url->text, text);
}

promise_value_t promise__http_closed(void) {
    return promise_throw(&promise_errors, PROMISE_ECLOSED, "the HTTP client was closed");
}

promise_value_t promise__http_late(const struct http_exchange *x, const char *what, uint64_t ms) {
    return promise__http_error(x, PROMISE_HTTP_ETIMEDOUT, "%s within %llu ms", what, (unsigned long long)ms);
}

static bool is_explained(const struct http_exchange *x, const char *said) {
    size_t method = strlen(x->method);

    return !strncmp(said, x->method, method) && said[method] == ' ' &&
           !strncmp(said + method + 1, x->url->text, strlen(x->url->text));
}

/* Our own errors get the request in front, what they came of stays their cause. Others are not about HTTP. */
promise_value_t promise__http_explain(promise_value_t v, void *exchange) {
    struct http_exchange *x = exchange;
    promise_value_t cause;
    const char *said = promise_error_message(v);
    int code = promise_error_code(v);

    if (!x->client) return promise__http_closed();
    if (promise_is_canceled(v)) return v;
    if (x->used && !promise_is_void(x->used->failure)) return x->used->failure;
    if (x->total_ms && promise_is_timeout(v)) return promise__http_late(x, "not done", x->total_ms);
    if (promise_error_domain(v) != &promise_http_errors || is_explained(x, said)) return v;
    cause = promise_error_cause(v);
    if (promise_is_void(cause)) return promise__http_error(x, code, "%s", said);
    return promise_wrap(cause, &promise_http_errors, code, "%s %s: %s: %s", x->method, x->url->text, said,
                        promise_error_message(cause));
}

/* ---- letting go ---- */

void promise__http_let_go(struct http_exchange *x, bool reusable) {
    struct http_conn *c = x->conn;

    x->conn = NULL;
    if (c) promise__http_conn_release(c, reusable);
}

void promise__http_drop_response(struct http_exchange *x) {
    promise__http_reader_free(x->reader);
    if (x->head) promise__http_message_unref(x->head);
    x->reader = NULL;
    x->head = NULL;
}

/* A connection that came together with a cancel has not been used. */
static void take_connection(struct http_exchange *x) {
    if (x->waiter.conn) x->conn = x->waiter.conn;
    x->waiter.conn = NULL;
}

void promise__http_exchange_free(void *exchange) {
    struct http_exchange *x = exchange;

    if (x->link) *x->link = x->next;
    if (x->next) x->next->link = x->link;
    promise_cancel(x->connecting);
    promise__http_drop_response(x);
    take_connection(x);
    promise__http_let_go(x, !x->used);
    promise__http_conn_unref(x->used);
    promise__http_url_free(x->url);
    promise__http_url_free(x->asked);
    promise_value_clear(&x->body);
    promise_iterator_close(x->stream);
    promise_memory_free(x);
}

/* ---- a connection ---- */

static promise_value_t not_in_time(promise_value_t v, void *arg) {
    struct http_exchange *x = arg;

    return promise_is_timeout(v) ? promise__http_late(x, "no connection", x->connect_ms) : v;
}

static promise_value_t not_connected(promise_value_t v, void *arg) {
    struct http_exchange *x = arg;
    bool is_dns = promise_error_domain(v) == &promise_dns_errors;

    if (promise_is_canceled(v) || promise_error_is(v, &promise_errno_errors, ENOMEM)) return v;
    if (promise_error_is(v, &promise_errors, PROMISE_ECLOSED) && !x->client) return v;
    return promise_wrap(v, &promise_http_errors, is_dns ? PROMISE_HTTP_ERESOLVE : PROMISE_HTTP_ECONNECT, "%s %s: %s", x->method,
                        x->url->text, promise_error_message(v));
}

static promise_value_t not_secured(promise_value_t v, void *arg) {
    struct http_exchange *x = arg;

    if (promise_is_canceled(v) || promise_error_is(v, &promise_errno_errors, ENOMEM)) return v;
    return promise_wrap(v, &promise_http_errors, PROMISE_HTTP_ESECURE, "%s %s: %s", x->method, x->url->text,
                        promise_error_message(v));
}

static promise_value_t secure(promise_value_t v, void *arg) {
    struct http_exchange *x = arg;
    promise_stream_t *plain = promise_as_stream(v);
    promise_t *p;

    if (!x->client) return promise__http_closed();
    p = x->client->options.secure(promise_stream_ref(plain), x->url->host, x->client->options.secure_arg);
    return promise_adopt(promise_catch(p, not_secured, x));
}

static promise_value_t connected(promise_value_t v, void *arg) {
    struct http_exchange *x = arg;

    promise_unref(x->connecting);
    x->connecting = NULL;
    if (!x->client) return promise__http_closed();
    x->conn->stream = promise_stream_ref(promise_as_stream(v));
    return promise_adopt(promise__http_ask(x));
}

static promise_t *connect_to(struct http_exchange *x) {
    const struct promise_http_client_options *options = &x->client->options;
    promise_t *p;

    if (x->url->secure && !options->secure)
        return promise_from(x->loop, promise__http_error(x, PROMISE_HTTP_ESECURE, "the client has no function for https"));
    p = promise_catch(promise_connect_with(x->loop, x->url->host, x->url->port, options->connect), not_connected, x);
    if (x->url->secure) p = promise_then(p, secure, x);
    p = promise_catch(promise_timeout(p, x->connect_ms), not_in_time, x);
    x->connecting = promise_ref(p);
    return promise_then(p, connected, x);
}

/* ---- one attempt ---- */

static promise_t *go_on(struct http_exchange *x) {
    take_connection(x);
    return x->conn->stream ? promise__http_ask(x) : connect_to(x);
}

static promise_value_t got_connection(promise_value_t v, void *arg) {
    struct http_exchange *x = arg;

    (void)v;
    return x->client ? promise_adopt(go_on(x)) : promise__http_closed();
}

promise_t *promise__http_attempt(struct http_exchange *x) {
    promise_t *p;

    promise__http_conn_unref(x->used);
    x->used = NULL;
    if (!x->client) return promise_from(x->loop, promise__http_closed());
    x->waiter.fresh = x->retried;
    p = promise__http_pool_get(&x->client->pool, x->url, &x->waiter);
    return p ? promise_then(p, got_connection, x) : go_on(x);
}
