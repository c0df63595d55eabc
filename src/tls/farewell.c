/*
 * Taking leave: close_notify, after all that was written, and until the kernel has it.
 *
 * SSL_shutdown() sends it, and is asked again only when the socket was full: asked once more it would read. Where the
 * connection is a filter, close_notify is in the output of what is below, which has to be sent; and when that is TLS as well
 * and all is to be closed, it is told the same.
 */
#include "tls.h"

#include <errno.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <promise/memory.h>

struct tls_farewell {
    struct tls_farewell *next, **link;
    struct tls_connection *connection;
    promise_resolver_t *resolver;   /* while it waits */
    struct bufferevent *level;      /* how far down it has come */
    struct event *ready;            /* it can go on */
    struct evbuffer_cb_entry *sent; /* on the output below level, or NULL */
    bool closing;                   /* all levels, not only the topmost one */
    bool blocked;                   /* as the connection's, for the levels below */
};

enum progress { DONE, WAITS, FAILED };

/* ---- one level ---- */

/* Who closes does not mind that the peer has closed before; without TLS nobody would be told either. */
static bool is_gone(int error) { return error == EPIPE || error == ECONNRESET; }

static enum progress notify(struct tls_farewell *f, SSL *ssl, promise_value_t *why) {
    struct tls_connection *c = f->connection;
    bool *blocked = ssl == c->ssl ? &c->blocked : &f->blocked;
    int result, error;

    if (SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN && !*blocked) return DONE;
    ERR_clear_error();
    errno = 0;
    result = SSL_shutdown(ssl);
    error = errno;
    *blocked = result < 0;
    if (*blocked && SSL_get_error(ssl, result) == SSL_ERROR_WANT_WRITE) return WAITS;
    if (!*blocked || SSL_get_shutdown(c->ssl) & SSL_RECEIVED_SHUTDOWN || (f->closing && is_gone(error))) {
        ERR_clear_error();
        return DONE;
    }
    if (error && !ERR_peek_error()) *why = promise_throw_errno_at(NULL, error, "TLS with %s", c->name);
    else *why = promise__tls_complaint(PROMISE_TLS_EPROTOCOL, c->name);
    return FAILED;
}

/* ---- waiting ---- */

static void wait_no_more(struct tls_farewell *f) {
    if (f->ready) event_free(f->ready);
    if (f->sent) evbuffer_remove_cb_entry(bufferevent_get_output(bufferevent_get_underlying(f->level)), f->sent);
    f->ready = NULL;
    f->sent = NULL;
}

static void forget(struct tls_farewell *f) {
    wait_no_more(f);
    if (f->link) {
        *f->link = f->next;
        if (f->next) f->next->link = f->link;
    }
    promise_memory_free(f);
}

/* why is taken over; void fulfils. */
static void settle(struct tls_farewell *f, promise_value_t why) {
    promise_resolver_t *resolver = f->resolver;

    forget(f);
    promise_resolve(resolver, why);
}

static void stop(void *farewell) {
    struct tls_farewell *f = farewell;
    promise_resolver_t *resolver = f->resolver;

    forget(f);
    promise_abandon(resolver);
}

void promise__tls_farewells_end(struct tls_connection *c, promise_value_t why) {
    while (c->farewells) settle(c->farewells, why);
}

/* The output below is empty; not here, in the midst of what sends it. */
static void on_sent(struct evbuffer *output, const struct evbuffer_cb_info *info, void *farewell) {
    struct tls_farewell *f = farewell;

    (void)info;
    if (!evbuffer_get_length(output)) event_active(f->ready, EV_WRITE, 0);
}

static void on_ready(evutil_socket_t fd, short what, void *connection);

/* -1 when out of memory. */
static int wait_for(struct tls_farewell *f, int fd, struct evbuffer *output) {
    struct event_base *base = bufferevent_get_base(f->level);

    f->ready = event_new(base, fd, fd < 0 ? 0 : EV_WRITE, on_ready, f->connection);
    if (!f->ready) return -1;
    if (fd >= 0) return event_add(f->ready, NULL);
    f->sent = evbuffer_add_cb(output, on_sent, f);
    return f->sent ? 0 : -1;
}

static enum progress go_on(struct tls_farewell *f, promise_value_t *why) {
    wait_no_more(f);
    for (;;) {
        struct bufferevent *below = bufferevent_get_underlying(f->level);
        SSL *ssl = bufferevent_openssl_get_ssl(f->level);
        enum progress progress = DONE;
        bool waits;

        if (ssl && (f->closing || f->level == f->connection->bev)) progress = notify(f, ssl, why);
        if (progress == FAILED) return FAILED;
        waits = progress == WAITS || (below && evbuffer_get_length(bufferevent_get_output(below)));
        if (waits && wait_for(f, below ? -1 : bufferevent_getfd(f->level), below ? bufferevent_get_output(below) : NULL) < 0) {
            *why = promise_out_of_memory();
            return FAILED;
        }
        if (waits) return WAITS;
        if (!below) return DONE;
        f->level = below;
    }
}

/* All of them: what one has waited for is what the others wait for, and may close the stream. */
static void on_ready(evutil_socket_t fd, short what, void *connection) {
    struct tls_connection *c = connection;
    promise_loop_t *loop = c->loop;
    struct tls_farewell *f, *next;

    (void)fd, (void)what;
    promise_source_enter(loop);
    for (f = c->farewells; f; f = next) {
        promise_value_t why = promise_void();
        next = f->next;
        if (go_on(f, &why) != WAITS) settle(f, why);
    }
    promise_source_leave(loop);
}

/* Mostly the kernel takes it at once, and there is nothing to wait for. */
promise_t *promise__tls_finish(promise_stream_t *stream, bool closing, void *connection) {
    struct tls_connection *c = connection;
    struct tls_farewell *f;
    promise_value_t why = promise_void();
    enum progress progress = FAILED;
    promise_t *p;

    (void)stream;
    if (c->broken) return NULL;
    f = promise_memory_alloc(sizeof *f);
    if (!f) return promise_from(c->loop, promise_out_of_memory());
    *f = (struct tls_farewell){.connection = c, .level = c->bev, .closing = closing};
    progress = go_on(f, &why);
    if (progress != WAITS) {
        forget(f);
        return progress == DONE ? NULL : promise_from(c->loop, why);
    }
    p = promise_new(c->loop, &f->resolver);
    f->next = c->farewells;
    f->link = &c->farewells;
    if (f->next) f->next->link = &f->next;
    c->farewells = f;
    promise_on_cancel(f->resolver, stop, f);
    if (!promise_resolver_is_pending(f->resolver)) settle(f, promise_void());
    return p;
}
