/*
 * The client's connections: made, lent to one request at a time, and kept for the next one.
 *
 * Who needs one waits in the queue of its origin (scheme, host and port). A connection that is let go of, or closed, is for the
 * one that has waited longest among all that can be served then: nobody starves, neither behind others of its origin nor
 * behind other origins. An idle connection has a read pending: whatever that gives, be it the end, throws it out at once.
 */
#ifndef PROMISE_NET_HTTP_POOL_H
#define PROMISE_NET_HTTP_POOL_H

#include <promise/stream.h>

#include "http_url.h"

enum { HTTP_BUCKETS = 64 };

struct http_origin {
    struct http_origin *next;                       /* in its bucket */
    struct http_origin *next_asking, **asking_link; /* among those where somebody waits; link NULL: nobody does */
    struct http_waiter *first, **last;              /* who waits, in the order of their coming */
    struct http_conn *idle;                         /* the newest */
    size_t connections;                             /* all of them */
    uint32_t hash;
    uint16_t port;
    bool secure;
    char host[];
};

struct http_pool {
    promise_loop_t *loop;
    size_t max, max_per_origin;
    uint64_t idle_ms;
    struct http_origin *origins[HTTP_BUCKETS];
    struct http_origin *asking;
    struct http_conn *all;
    struct http_conn *oldest, *newest; /* of the idle ones */
    size_t connections, idle;
    uint64_t turns; /* so many have waited */
    bool serving;
};

struct http_conn {
    size_t refs;
    struct http_pool *pool;     /* NULL: thrown out */
    struct http_origin *origin; /* goes with it */
    struct http_conn *next, **link;
    struct http_conn *older, *newer; /* idle: in the pool */
    struct http_conn *below, *above; /* idle: in the origin */
    promise_stream_t *stream;        /* NULL: not connected yet */
    promise_t *watch;                /* idle: the read that is pending */
    promise_t *sending;              /* a request's body that is under way, or was */
    promise_value_t failure;         /* kept: why that could not be sent, if it was not the peer's fault */
    bool reused;                     /* it has served a request before */
    bool keep_alive;                 /* the response says that another request may follow */
    bool is_idle;
};

struct http_waiter {
    struct http_pool *pool;
    struct http_origin *origin; /* NULL: is in no queue */
    struct http_waiter *next, **link;
    promise_resolver_t *resolver;
    struct http_conn *conn; /* what it got; the caller's */
    uint64_t turn;
    bool fresh; /* wants a new connection */
};

void promise__http_pool_init(struct http_pool *pool, promise_loop_t *loop);
/* Those that wait are rejected, all connections are aborted. */
void promise__http_pool_close(struct http_pool *pool);

/* Void as soon as waiter has a connection for the URL, with or without a stream; NULL: it has got one at once. waiter->fresh is
 * to be set before. A cancel leaves the queue; a connection that is there already is the caller's all the same. */
promise_t *promise__http_pool_get(struct http_pool *pool, const struct http_url *url, struct http_waiter *waiter);
/* Gives the connection back, with the caller's reference: for the next one, or to be closed. */
void promise__http_conn_release(struct http_conn *conn, bool reusable);

struct http_conn *promise__http_conn_ref(struct http_conn *conn);
void promise__http_conn_unref(struct http_conn *conn); /* NULL is fine */

#endif
