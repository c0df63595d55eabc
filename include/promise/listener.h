/*
 * promise_listener_t: takes connections.
 *
 *     promise_listener_t *l = promise_listener_new(loop, "127.0.0.1", 7000);
 *     p = promise_each(promise_listener_accepted(l), 1000, handle, NULL);      // handle gets promise_as_stream(v)
 *
 * It accepts only while somebody asks: the others wait in the kernel's queue. A listener lives until promise_listener_close(),
 * or goes with its loop. What cannot be made (the port is in use) is a listener that rejects (O2): accept gives the
 * reason, and so does promise_listener_error(). A listener that is NULL stops the program.
 *
 * When descriptors or memory for a connection are used up (EMFILE, ENFILE, ENOBUFS, ENOMEM), who waits goes on waiting, and the
 * listener tries again after a while; until it can, promise_listener_error() tells.
 */
#ifndef PROMISE_LISTENER_H
#define PROMISE_LISTENER_H

#include <promise/address.h>
#include <promise/iterator.h>
#include <promise/stream.h>

PROMISE_BEGIN

typedef struct promise_listener promise_listener_t;

/* ---- make and close ---- */

/* Zero is the default. */
struct promise_listener_options {
    int backlog;         /* how many may wait in the kernel's queue; 0: SOMAXCONN */
    bool reuse_port;     /* SO_REUSEPORT: several listeners share the port */
    bool v6_only;        /* IPV6_V6ONLY; else an IPv6 address takes IPv4 connections too */
    uint64_t backoff_ms; /* how long to wait when descriptors are used up; 0: 100 */
    void *reserved[4];   /* zero */
};

/* On a numeric address; host NULL: on all, IPv6 and IPv4. Port 0: one that is free, see promise_listener_port(). */
PROMISE_API PROMISE_MUST_USE promise_listener_t *promise_listener_new(promise_loop_t *loop, const char *host, uint16_t port);
/* On any address, a Unix socket's too; options may be NULL. A Unix socket's file goes with the listener; one that was left
 * behind by a program that is gone is replaced. address NULL is a listener that rejects with EINVAL. */
PROMISE_API PROMISE_MUST_USE promise_listener_t *promise_listener_new_with(promise_loop_t *loop,
                                                                           const struct promise_address *address,
                                                                           const struct promise_listener_options *options);
/* Of a socket that listens already, from systemd or a parent: it is taken over, made non-blocking, and closed also when it
 * cannot be used: EBADF, ENOTSOCK, EINVAL when it does not listen. A Unix socket's file is not its own, and stays. options
 * for backoff_ms alone; may be NULL. */
PROMISE_API PROMISE_MUST_USE promise_listener_t *promise_listener_adopt(promise_loop_t *loop, int fd,
                                                                        const struct promise_listener_options *options);
/* No new ones, at once; those that wait for one get PROMISE_ECLOSED, iterators end. Streams that were accepted go on. The
 * listener is gone. NULL is fine. Takes a void *, for promise_attach(). */
PROMISE_API void promise_listener_close(void *listener);

/* ---- use ---- */

/* The next connection, as a stream value. Several may wait: they are served in the order of the calls. Cancelled, it
 * leaves the connection to the next one (K6). */
PROMISE_API PROMISE_MUST_USE promise_t *promise_listener_accept(promise_listener_t *listener);
/* All of them, call by call; the end when the listener is stopped or closed, which may be before the iterator is. */
PROMISE_API PROMISE_MUST_USE promise_iterator_t *promise_listener_accepted(promise_listener_t *listener);
/* The graceful end: no new ones, at once, and those that wait for one are told as by close; fulfilled when every stream that
 * was accepted is closed or gone, or after timeout_ms (0: at once; UINT64_MAX: no limit): then those that are left are
 * aborted. Fulfilled with the number of these, as int. Cancelled, it leaves the streams alone. The listener stays to be
 * closed; closing it before rejects with PROMISE_ECLOSED. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_listener_stop(promise_listener_t *listener, uint64_t timeout_ms);

/* ---- query ---- */

/* Where it listens, with the port that the kernel chose. 0, or -1 with errno when it does not listen (any more). */
PROMISE_API int promise_listener_address(const promise_listener_t *listener, struct promise_address *address);
/* The port; 0 when there is none. */
PROMISE_API uint16_t promise_listener_port(const promise_listener_t *listener);
/* Why it could not be made, or is broken, or cannot accept just now: a rejection, lent; void when all is well. */
PROMISE_API promise_value_t promise_listener_error(const promise_listener_t *listener);
/* How many streams were accepted and are not closed. */
PROMISE_API size_t promise_listener_connections(const promise_listener_t *listener);
/* The descriptor, borrowed, for socket options; -1 when it does not listen. */
PROMISE_API int promise_listener_fd(const promise_listener_t *listener);

PROMISE_END

#endif
