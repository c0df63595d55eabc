/*
 * The HTTP server: a handler takes a request and gives a response, or the promise of one.
 *
 *     static promise_value_t hello(promise_value_t request, void *arg) {
 *         return promise_http_response(200, promise_stringf("you asked for %s\n", promise_http_path(request)));
 *     }
 *     promise_http_server_t *s = promise_http_server_new(loop, "127.0.0.1", 8080, hello, NULL, NULL);
 *     int status = promise_loop_run(loop, NULL, NULL);
 *
 * HTTP/1.0 and 1.1, with and without keep-alive; requests of one connection are answered one by one, in their order. A server
 * lives until promise_http_server_close(), or goes with its loop. One that cannot be made (the port is in use) takes no
 * connections: promise_listener_error(promise_http_server_listener(s)) tells why.
 */
#ifndef PROMISE_HTTP_SERVER_H
#define PROMISE_HTTP_SERVER_H

#include <promise/http.h>
#include <promise/listener.h>

PROMISE_BEGIN

typedef struct promise_http_server promise_http_server_t;

/* ---- make and close ---- */

/* Zero is the default; a time of UINT64_MAX is no limit. */
struct promise_http_server_options {
    size_t max_connections;    /* 0: 10,000; the others wait in the kernel's queue */
    size_t max_header;         /* bytes of a request's head; 0: 64 KiB; over it: 431 */
    size_t max_body;           /* bytes of a body; 0: 16 MiB, SIZE_MAX: any; over it: 413 */
    uint64_t header_ms;        /* for a whole head, from its first byte, and for a TLS handshake; 0: 30,000; then 408 */
    uint64_t body_ms;          /* without a byte of a body, either way; 0: 60,000; then 408, or the end */
    uint64_t idle_ms;          /* of a connection between requests; 0: 75,000 */
    uint64_t half_close_ms;    /* for the handler of a client that has ended its side, see below; 0: 1,000 */
    bool stream;               /* the handler is called with the head: promise_http_chunks() gives the body */
    const char *name;          /* in the Server header; NULL: "libpromise/VERSION"; "": no such header */
    promise_secure_fn *secure; /* https: promise_tls_secure */
    void *secure_arg;
    void (*report)(promise_value_t request, promise_value_t reason, void *arg); /* a handler failed; NULL: on standard error */
    void *report_arg;
    void *reserved[4];
};

/*
 * The handler gets a request, lent until what it gives has settled, and gives a response (promise_http_response() and its
 * kin), a string or bytes (200), void (204), or a promise of one. A rejection in promise_http_errors with a status as its
 * code (promise_throw(&promise_http_errors, 404, "no such page")) becomes that status, with its message. Any other, and a
 * value of another type, is 500 without the message, and a report. HEAD is answered like GET, without the body.
 *
 * When the client leaves, the handler's promise is cancelled: at once when its connection breaks; when it has ended its side,
 * which may be all that it does (`nc -N` and some programs close one half and wait for the answer), after half_close_ms.
 *
 * A body that is streamed (either way) and fails breaks the connection, so that nobody takes a part for the whole.
 *
 * host and port as for promise_listener_new(). options may be NULL; what they point to (but name, which is copied) must
 * outlive the server.
 */
PROMISE_API PROMISE_MUST_USE promise_http_server_t *promise_http_server_new(promise_loop_t *loop, const char *host,
                                                                            uint16_t port, promise_fn *handler, void *arg,
                                                                            const struct promise_http_server_options *options);
/* The same on a listener of yours, which is taken over. */
PROMISE_API PROMISE_MUST_USE promise_http_server_t *promise_http_server_on(promise_listener_t *listener, promise_fn *handler,
                                                                           void *arg,
                                                                           const struct promise_http_server_options *options);
/* The graceful end: no new connections, idle ones are closed, requests under way are answered (Connection: close); after
 * timeout_ms (0: at once; UINT64_MAX: no limit) the rest is aborted, and their handlers are cancelled. Fulfilled with the
 * number of those aborted, as int. The server stays to be closed. Cancelling it only stops waiting. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_http_server_stop(promise_http_server_t *server, uint64_t timeout_ms);
/* At once: connections are aborted, handlers' promises are cancelled. In a handler too. NULL is fine. Takes a void *, for
 * promise_attach(). */
PROMISE_API void promise_http_server_close(void *server);

/* ---- query ---- */

/* Its listener, lent: for its port and its error. NULL out of memory. */
PROMISE_API promise_listener_t *promise_http_server_listener(const promise_http_server_t *server);
/* Connections that are open. */
PROMISE_API size_t promise_http_server_connections(const promise_http_server_t *server);
/* The address of the client that a server's request came from, lent as long as the request lives; NULL where that is not
 * known. */
PROMISE_API const struct promise_address *promise_http_peer(promise_value_t request);

/* ---- files ---- */

/* A response with the file below folder for the request's path: for GET and HEAD; index.html for a folder (with a redirect to
 * the path that ends in a slash), the type by suffix, Last-Modified and ETag with their conditions (304, 412), one range of
 * bytes (206, 416), by sendfile where the connection is plain. Never leaves the folder: not by "..", and symbolic links below
 * it are not followed. Rejects with 404 or 403 of promise_http_errors, or with errno's; another method is a 405 response. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_http_serve_file(promise_value_t request, const char *folder);

PROMISE_END

#endif
