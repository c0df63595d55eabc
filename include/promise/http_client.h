/*
 * The HTTP client: requests over a pool of connections.
 *
 *     promise_t *p = promise_http_get(loop, "http://www.example/");
 *     p = promise_then(p, got_page, NULL);             // promise_http_body(v), promise_http_header(v, "Content-Type")
 *
 * A client is for as many requests as you like, at a time and one after the other. Those that find no free connection wait for
 * one, in the order of the calls. A connection whose response was read to its end serves the next request; all others are
 * closed: at the end of a request, whatever ended it, nothing of it goes on.
 *
 * Every failure is one rejection in promise_http_errors, which begins with the method and the URL and has what it came of as
 * its cause. Only a request that is no good (EINVAL), a body_stream's own rejections, PROMISE_ECANCELED, PROMISE_ECLOSED and
 * ENOMEM come as they are; and what ends a streamed body, once the response is there, says nothing of the URL.
 */
#ifndef PROMISE_HTTP_CLIENT_H
#define PROMISE_HTTP_CLIENT_H

#include <promise/connect_name.h>
#include <promise/http.h>

PROMISE_BEGIN

typedef struct promise_http_client promise_http_client_t;

/* ---- make and close ---- */

/* Zero is the default. */
struct promise_http_client_options {
    size_t max_connections;          /* in all; 0: 256 */
    size_t max_connections_per_host; /* to one scheme, host and port; 0: 6 */
    size_t max_header;               /* bytes of a response's head; 0: 64 KiB */
    size_t max_body;                 /* bytes of a body that is not streamed; 0: 64 MiB */
    unsigned max_redirects;          /* 0: 10 */
    bool no_redirects;               /* give the 3xx response itself */
    uint64_t connect_ms;             /* name, connection and handshake; 0: 30,000 */
    uint64_t first_byte_ms;          /* from the request's end to that of the response's head; 0: 60,000 */
    uint64_t idle_ms;                /* how long a connection waits in the pool, and keeps the loop going; 0: 15,000 */
    uint64_t total_ms;               /* from the call until the promise has settled; 0: no limit */
    const char *user_agent;          /* NULL: "libpromise/VERSION" */
    const struct promise_connect_options *connect;
    promise_secure_fn *secure; /* for https: promise_tls_secure */
    void *secure_arg;
    void *reserved[4];
};

/* options may be NULL; what they point to (but user_agent, which is copied) must outlive the client. It lives until
 * promise_http_client_close(), or goes with its loop. */
PROMISE_API PROMISE_MUST_USE promise_http_client_t *promise_http_client_new(promise_loop_t *loop,
                                                                            const struct promise_http_client_options *options);
/* The loop's own, with the default options, which promise_http_get() and promise_http_post() use. */
PROMISE_API promise_http_client_t *promise_http_client_default(promise_loop_t *loop);
/* How a client's https is made secure, from now on. */
PROMISE_API void promise_http_client_secure(promise_http_client_t *client, promise_secure_fn *secure, void *secure_arg);
/* Requests that are under way, and bodies that are being read, reject with PROMISE_ECLOSED. NULL is fine. Takes a void *, for
 * promise_attach(). */
PROMISE_API void promise_http_client_close(void *client);

/* ---- requests ---- */

/* Zero is the default; set what you need by name. Nothing of it is needed after the call. */
struct promise_http_request {
    const char *method;              /* NULL: GET, or POST where there is a body */
    const char *url;                 /* http:// or https:// */
    const char *const *headers;      /* name, value, name, value, ..., NULL; or NULL */
    promise_value_t body;            /* a string or bytes, an argument as V2 says */
    promise_iterator_t *body_stream; /* instead: items are strings or bytes; consumed */
    uint64_t body_size;              /* of body_stream, or 0: not known, sent chunked */
    bool stream;                     /* the response settles with its head: promise_http_chunks() gives the body */
    bool no_redirects;
    uint64_t connect_ms, first_byte_ms, total_ms; /* 0: the client's */
    void *reserved[4];
};

/*
 * The response, of any status. Cancelling aborts the request on the wire.
 *
 * Host, User-Agent and Accept are added where they are not among the headers; those that frame the message are the library's:
 * Content-Length, Transfer-Encoding and Connection are an EINVAL rejection, but "Connection: close".
 *
 * Redirects: 301, 302 and 303 become GET (HEAD stays), without the body; 307 and 308 keep method and body (a streamed body
 * cannot be sent again: then the 3xx response is the result). Authorization and Cookie do not go to another origin; https does
 * not go on to http (PROMISE_HTTP_EREDIRECT).
 *
 * An idempotent request (GET, HEAD, OPTIONS, TRACE, PUT, DELETE) to which a connection of the pool ends or is reset without a
 * byte of a response is sent again once, over a new one.
 *
 * A body_stream that rejects, or is longer or shorter than body_size, breaks the request off; that, or EINVAL, is the
 * rejection. A response may come before the body is sent: the rest of it is still sent while the response is read, and then
 * no more.
 */
PROMISE_API PROMISE_MUST_USE promise_t *promise_http_client_request(promise_http_client_t *client,
                                                                    const struct promise_http_request *request);

/* With the loop's default client; they reject on a status of 400 and above, with that as the code, and the response as the
 * cause. A body that is a string goes as a form (application/x-www-form-urlencoded), bytes without a Content-Type. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_http_get(promise_loop_t *loop, const char *url);
PROMISE_API PROMISE_MUST_USE promise_t *promise_http_post(promise_loop_t *loop, const char *url, promise_value_t body);

/* ---- query ---- */

/* Connections: in use or on their way, and idle in the pool. */
PROMISE_API size_t promise_http_client_active(const promise_http_client_t *client);
PROMISE_API size_t promise_http_client_idle(const promise_http_client_t *client);

PROMISE_END

#endif
