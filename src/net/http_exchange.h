/*
 * The client from the inside.
 *
 *     http_client.c    the client, its options, and the calls
 *     http_exchange.c  one request: errors, a connection, the end
 *     http_answer.c    over a connection: what is sent, and the response
 *     http_redirect.c  where a response sends us, and what goes there
 *     http_pool.c      the connections
 *     http_url.c       URLs
 */
#ifndef PROMISE_NET_HTTP_EXCHANGE_H
#define PROMISE_NET_HTTP_EXCHANGE_H

#include <promise/http_client.h>
#include <promise/source.h>

#include "http_message.h"
#include "http_pool.h"

enum {
    HTTP_MAX_INTERIM = 16,      /* 1xx responses before the one that counts */
    HTTP_MAX_DROPPED = 64 << 10 /* bytes of a redirect's body that are read to keep the connection */
};

struct promise_http_client {
    struct promise_source source;
    struct promise_http_client_options options; /* with the defaults filled in */
    struct http_pool pool;
    struct http_exchange *exchanges;
    bool closed; /* it is being closed: what that lets go of may ask for more */
    char user_agent[];
};

/* A request on its way, over redirects and a second try, until its promise has settled. */
struct http_exchange {
    promise_http_client_t *client; /* NULL: it was closed */
    struct http_exchange *next, **link;
    promise_loop_t *loop;
    struct http_waiter waiter;
    struct http_conn *conn;    /* ours until the reader has it, or it is given back */
    struct http_conn *used;    /* a reference to the last one */
    promise_t *connecting;     /* a reference, while it is under way */
    struct http_url *url;      /* now */
    struct http_url *asked;    /* what was asked for, when that is another one; else NULL */
    struct http_message *head; /* of the response whose body is read */
    struct http_reader *reader;
    const char *method;         /* static, or in data */
    const char *const *headers; /* in data: name, value, ..., NULL */
    promise_value_t body;       /* kept */
    promise_iterator_t *stream; /* the body instead, until it is being sent */
    uint64_t stream_size;       /* 0: not known */
    uint64_t connect_ms, first_byte_ms, total_ms;
    unsigned redirects, interim;
    bool was_streamed; /* the request's body was */
    bool wants_stream; /* of the response */
    bool no_redirects, retried;
    bool drops_body; /* a redirect said so: and what describes it */
    bool closes;     /* the connection, after the response */
    const char *data[];
};

/* The response's promise: from the beginning, or from where there is a connection, which is in x->conn. */
promise_t *promise__http_attempt(struct http_exchange *x);
promise_t *promise__http_ask(struct http_exchange *x);
/* Why it failed, in the client's words. */
promise_value_t promise__http_explain(promise_value_t v, void *exchange);
void promise__http_exchange_free(void *exchange);
/* Gives the connection back. */
void promise__http_let_go(struct http_exchange *x, bool reusable);
/* What is there of a response goes, and with it its connection. */
void promise__http_drop_response(struct http_exchange *x);

/* Does m send us elsewhere? */
bool promise__http_is_redirect(const struct http_exchange *x, const struct http_message *m);
/* Makes x the request for there: void, or a rejection. */
promise_value_t promise__http_redirect(struct http_exchange *x, const struct http_message *m);
/* The request's head, and how its body is framed. */
struct http_framing promise__http_put_request(struct http_exchange *x, struct http_buffer *head);

/* "GET http://host/: " and the words. */
promise_value_t promise__http_closed(void);
promise_value_t promise__http_late(const struct http_exchange *x, const char *what, uint64_t ms);
promise_value_t promise__http_error(const struct http_exchange *x, int code, const char *format, ...) PROMISE_FORMAT(3, 4);

#endif
