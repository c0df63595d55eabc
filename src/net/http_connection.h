/*
 * The server from the inside.
 *
 *     http_server.c      the server: its listener, all connections, the end
 *     http_connection.c  one connection: its states, its deadlines, its end
 *     http_request.c     heads and bodies come, the handler is called
 *     http_reply.c       what the handler gave goes out
 *     http_deadline.c    deadlines of many connections by one timer
 *     http_serve.c       promise_http_serve_file(), with http_condition.c, http_date.c, http_mime.c
 *
 * While a handler works, the next head is read already: that is how we hear that the client has left, and nothing that it
 * sends is lost (K6). So at most two promises of ours are under way in a connection: reading, and working.
 *
 *     SECURING ─▶ IDLE ─▶ RECEIVING ─▶ HANDLING ─▶ SENDING ─▶ DRAINING ─▶ IDLE
 *                  (body)   (body)                    │          │
 *                                                     ├──────────┴─▶ LINGERING ─▶ CLOSED
 *                                                     └─▶ CLOSING ─────────────▶ CLOSED
 */
#ifndef PROMISE_NET_HTTP_CONNECTION_H
#define PROMISE_NET_HTTP_CONNECTION_H

#include <promise/http_server.h>
#include <promise/source.h>

#include "http_date.h"
#include "http_deadline.h"
#include "http_message.h"

struct evbuffer_cb_entry;

enum http_state {
    HTTP_SECURING,  /* working: the handshake */
    HTTP_IDLE,      /* reading: the next head */
    HTTP_RECEIVING, /* working: the whole body */
    HTTP_HANDLING,  /* working: the handler; reading: the next head, unless the body is still to come */
    HTTP_SENDING,   /* working: the response; reading: as before */
    HTTP_DRAINING,  /* working: the rest of a body that the handler did not want */
    HTTP_LINGERING, /* working: what the client still sends is dropped until it has seen our last answer */
    HTTP_CLOSING,   /* working: the close */
    HTTP_CLOSED,
    HTTP_ANY
};

struct http_connection {
    struct http_deadline deadline;        /* first, so that one is the other */
    promise_http_server_t *server;        /* a reference of ours */
    struct http_connection *next, **link; /* among the server's, until it is closed */
    promise_stream_t *stream;             /* a reference of ours */
    struct evbuffer_cb_entry *watch;      /* sees what comes into the stream */
    promise_t *reading, *working;         /* references of ours; NULL: nothing is under way */
    promise_value_t request;              /* kept: the one that is answered; void between requests */
    promise_value_t head;                 /* kept: the next one, when it came meanwhile: bytes, or a rejection; or void */
    struct promise_address *peer;         /* once somebody has asked */
    size_t taken;                         /* bytes that reading has taken: shows whether a head was whole; or were dropped */
    size_t unsent;                        /* what waited to be sent when we looked last */
    uint32_t refs;                        /* one as long as it is open, one for each promise under way and each request */
    uint8_t state;                        /* enum http_state */
    uint8_t strikes;                      /* quarters of body_ms in which nothing moved */
    bool ended;                           /* the client's end has come */
    bool keep;                            /* another request may follow this one */
    bool rest;                            /* some of the request's body is still to come */
    bool asked;                           /* the body was asked for */
    bool spoiled;                         /* it will not: it was broken, or the handler gave it up */
};

struct promise_http_server {
    struct promise_source source;
    promise_loop_t *loop;
    promise_listener_t *listener;
    promise_fn *handler;
    void *arg;
    struct promise_http_server_options options; /* without zeros */
    char *name;                                 /* "Server: name\r\n", or "" */
    promise_value_t blank;                      /* kept: what ends a head */
    struct http_deadlines deadlines;
    struct http_connection *connections;
    size_t count;
    promise_t *accepting;    /* a reference of ours */
    struct event *again;     /* accepts again a while after it failed */
    struct event *deadline;  /* of the graceful end */
    struct http_stop *stops; /* those who wait for it */
    int64_t aborted;         /* connections that it had to abort */
    size_t refs;             /* one until it is closed, one for each connection, and for accepting */
    bool stopping, closed;
    time_t date_time; /* of date */
    char date[HTTP_DATE_SIZE];
};

/* ---- http_server.c ---- */

void promise__http_server_unref(promise_http_server_t *server);
void promise__http_server_left(promise_http_server_t *server); /* a connection is no more in the list */
const char *promise__http_server_date(promise_http_server_t *server);
void promise__http_server_report(promise_http_server_t *server, promise_value_t request, promise_value_t reason);

/* ---- http_connection.c ---- */

/* Takes the stream over. NULL when out of memory. */
struct http_connection *promise__http_connection_new(promise_http_server_t *server, promise_stream_t *stream);
void promise__http_connection_unref(struct http_connection *c);
/* Is it between two requests, with nothing of the next one there? */
bool promise__http_connection_is_idle(const struct http_connection *c);
/* At once: what is under way is cancelled. May be called in every state. */
void promise__http_connection_end(struct http_connection *c);
/* Does the kernel know that the connection is gone, though nobody reads from it? */
bool promise__http_connection_is_broken(const struct http_connection *c);
/* When all is sent; linger: and the client has had time to read it, though it is still sending itself. */
void promise__http_connection_close(struct http_connection *c, bool linger);
/* A deadline has passed. */
void promise__http_connection_expired(struct http_deadline *deadline, enum http_wait wait);
static inline void promise__http_connection_wait(struct http_connection *c, enum http_wait wait) {
    promise__http_wait(&c->server->deadlines, &c->deadline, wait);
}

/* Is the loop being freed? A chain that is begun then is not run (J5). promise__http_await() sees it where p itself is new;
 * where it has steps of its own, ask before. */
bool promise__http_loop_ends(promise_loop_t *loop);
/* Puts p, which it consumes, into c->reading or c->working: one of the two functions will be called with c, and first asks
 * promise__http_arrived(). False when that is not possible: then c is closed. */
bool promise__http_await(struct http_connection *c, promise_t **slot, promise_t *p, promise_fn *fulfilled,
                         promise_fn *rejected);
/* The promise in slot has come. False when nobody waits for it any more, as the connection is closed, or its state is not
 * this one: then c must not be looked at. HTTP_ANY: any but closed. */
bool promise__http_arrived(struct http_connection *c, promise_t **slot, enum http_state state);
/* Stops what is under way there: it will arrive in another state than it was made for. */
void promise__http_forget(struct http_connection *c, promise_t **slot);
/* Lets p, which it consumes, run, whatever comes of it. */
void promise__http_ignore(promise_t *p);

/* ---- http_request.c ---- */

/* Reads the next head, in the background. */
void promise__http_await_head(struct http_connection *c);
/* Reads what the handler has left of the body, and then goes on to the next request; or closes, if that is too much. */
void promise__http_drain(struct http_connection *c);
/* The request is done with: on to the next one. */
void promise__http_next_request(struct http_connection *c);

/* ---- http_reply.c ---- */

/* Answers the request with what the handler gave. */
void promise__http_reply(struct http_connection *c, promise_value_t outcome);
/* Answers with an error of the client's, and closes the connection: nobody knows where its next request begins. */
void promise__http_reply_error(struct http_connection *c, int status, const char *text);
/* "100 Continue" */
void promise__http_reply_continue(struct http_connection *c);

/* ---- http_serve.c ---- */

struct http_file { /* the context of a response whose body is in a file */
    int fd;        /* -1 once it is taken */
    uint64_t offset, size;
};
struct http_file *promise__http_message_file(const struct http_message *message); /* NULL where there is none */

#endif
