/*
 * promise_udp_t: datagrams that come and go.
 *
 *     promise_udp_t *udp = promise_udp_new(loop, NULL);
 *     p = promise_udp_send(udp, &server, promise_string("hello"));
 *     p = promise_timeout(promise_udp_receive(udp, 1500), 1000);      // promise_datagram_data(v), promise_datagram_from(v)
 *
 * A datagram comes as it was sent, or not at all, or twice, in any order: that is UDP. It receives only while somebody asks:
 * the others wait in the kernel's queue, as far as there is room.
 *
 * It lives until promise_udp_close(), or goes with its loop. What cannot be made is a promise_udp_t that rejects (O2):
 * every call gives the reason, and so does promise_udp_error(). One that is NULL stops the program.
 */
#ifndef PROMISE_DATAGRAM_H
#define PROMISE_DATAGRAM_H

#include <promise/address.h>
#include <promise/iterator.h>

PROMISE_BEGIN

typedef struct promise_udp promise_udp_t;

/* ---- make and close ---- */

/* On a local address: port 0 is one that is free. NULL: on all addresses, IPv6 and IPv4, and a port that is free, as "::" is
 * too. */
PROMISE_API PROMISE_MUST_USE promise_udp_t *promise_udp_new(promise_loop_t *loop, const struct promise_address *local);
/* Of a socket of yours, for what has to be set before it is bound: it is taken over, made non-blocking, and closed also when it
 * cannot be used: EBADF, ENOTSOCK, EINVAL when it is no UDP socket. */
PROMISE_API PROMISE_MUST_USE promise_udp_t *promise_udp_adopt(promise_loop_t *loop, int fd);
/* Datagrams that were not sent yet and those who wait for one get PROMISE_ECLOSED; iterators end. It is gone. NULL is fine.
 * Takes a void *, for promise_attach(). */
PROMISE_API void promise_udp_close(void *udp);

/* ---- use ---- */

/* From now on for this address only: send needs none, and what others send is not received. That nobody listens there (ICMP)
 * is an ECONNREFUSED rejection of the next call, or of the one that waits. 0, or -1 with errno, EINVAL for NULL. */
PROMISE_API int promise_udp_connect(promise_udp_t *udp, const struct promise_address *address);
/* Sends a string or bytes as one datagram, in the order of the calls. Void when it was given to the kernel. to NULL: whom it is
 * connected to; otherwise EDESTADDRREQ. Larger than the net takes: EMSGSIZE. Another type: EINVAL. Cancelled while it waits, it
 * is not sent. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_udp_send(promise_udp_t *udp, const struct promise_address *to,
                                                         promise_value_t data);
/* The next datagram, cut off after max bytes. Several may wait: they are served in the order of the calls. Cancelled, it leaves
 * the datagram to the next one (K6). max 0: EINVAL. For want of memory ENOMEM: then the datagram is lost. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_udp_receive(promise_udp_t *udp, size_t max);
/* All of them, call by call; the end when it is closed, which may be before the iterator is. */
PROMISE_API PROMISE_MUST_USE promise_iterator_t *promise_udp_received(promise_udp_t *udp, size_t max);

/* ---- a datagram that was received; it prints as "12 bytes from 127.0.0.1:7000" ---- */

PROMISE_API extern const struct promise_type promise_type_datagram;

/* What is in it: bytes, lent. None is a datagram too. */
PROMISE_API promise_value_t promise_datagram_data(promise_value_t datagram);
/* Who sent it, lent. */
PROMISE_API const struct promise_address *promise_datagram_from(promise_value_t datagram);
/* Was it cut off? */
PROMISE_API bool promise_datagram_truncated(promise_value_t datagram);

/* ---- query ---- */

/* Its own address, with the port that the kernel chose. 0, or -1 with errno when it could not be made. */
PROMISE_API int promise_udp_address(const promise_udp_t *udp, struct promise_address *address);
/* The port; 0 when there is none. */
PROMISE_API uint16_t promise_udp_port(const promise_udp_t *udp);
/* Why it could not be made: a rejection, lent; void when all is well. */
PROMISE_API promise_value_t promise_udp_error(const promise_udp_t *udp);
/* The descriptor, borrowed, for socket options such as broadcast and multicast; -1 when there is none. */
PROMISE_API int promise_udp_fd(const promise_udp_t *udp);

PROMISE_END

#endif
