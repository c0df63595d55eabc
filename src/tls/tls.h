/* libpromise-tls from the inside, as its sources share it. They use the public headers only. */
#ifndef PROMISE_SRC_TLS_TLS_H
#define PROMISE_SRC_TLS_TLS_H

#include <promise/tls.h>

#include <openssl/ssl.h>
#include <promise/source.h>

struct bufferevent;
struct evbuffer_cb_entry;

/* The sessions that a client may resume, the newest first. */
struct tls_session {
    struct tls_session *next, **link;
    SSL_SESSION *session;
    char name[]; /* "host:port" */
};

struct promise_tls {
    size_t refs;
    SSL_CTX *context;      /* NULL when there is an error */
    promise_value_t error; /* kept; or void */
    bool server, insecure;
    bool sessions_on;
    uint64_t handshake_ms;
    unsigned char *alpn; /* as it goes over the wire: each name after its length; or NULL */
    unsigned alpn_size;
    struct tls_session *sessions;
};

/* One secure stream, from promise_tls_secure() on. */
struct tls_connection {
    size_t refs; /* the handshake's, and the stream's */
    promise_tls_t *tls;
    promise_loop_t *loop;
    promise_stream_t *plain;        /* until the handshake begins */
    promise_resolver_t *resolver;   /* of the handshake, while it runs */
    SSL *ssl;                       /* NULL before the handshake, and when the stream is gone; the bufferevent counts it too */
    struct bufferevent *bev;        /* as long as there is an ssl */
    struct evbuffer_cb_entry *read; /* tells when the input is read */
    struct tls_farewell *farewells; /* under way */
    promise_value_t failure;        /* the last one, kept; or void */
    char *alpn;                     /* what both agreed on, or NULL */
    bool open;                      /* the handshake is over */
    bool broken;                    /* an error came: OpenSSL must not be asked for close_notify */
    bool blocked;                   /* close_notify is with OpenSSL, but not all of it with the kernel */
    char *host;                     /* whom to expect, or NULL; behind name */
    char name[];                    /* for messages and for sessions: "host:port", or the peer's address */
};

/* context.c */
promise_tls_t *promise__tls_default(promise_loop_t *loop); /* a reference to the loop's client */

/* session.c */
void promise__tls_sessions_clear(promise_tls_t *tls);
void promise__tls_session_resume(struct tls_connection *c);
bool promise__tls_session_keep(struct tls_connection *c, SSL_SESSION *session); /* true: it has taken session over */

/* secure.c */
void promise__tls_connection_unref(void *connection);
struct tls_connection *promise__tls_connection_of(SSL *ssl); /* or NULL */
void promise__tls_forget(SSL *ssl);                          /* its connection is gone */

/* stream.c */
promise_value_t promise__tls_stream(struct tls_connection *c); /* on c->bev, which it takes over */

/* farewell.c */
promise_t *promise__tls_finish(promise_stream_t *stream, bool closing, void *connection);
void promise__tls_farewells_end(struct tls_connection *c, promise_value_t why); /* why is kept, or lent */

/* error.c */
promise_value_t promise__tls_bad_argument(const char *function, const char *what);
/* For what OpenSSL has just complained of: takes all its complaints away. what names the thing; code: where it is none of the
 * kinds that it knows. */
promise_value_t promise__tls_complaint(int code, const char *what);
/* For what a bufferevent, and those under it, have to say about c. error: the errno that came with it. */
promise_value_t promise__tls_failure(struct tls_connection *c, struct bufferevent *bev, short what, int error);

#endif
