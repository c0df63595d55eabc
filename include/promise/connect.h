/*
 * Connecting: each gives the promise of a stream.
 *
 *     promise_t *p = promise_timeout(promise_connect_address(loop, &address), 5000);
 *     p = promise_then(p, connected, NULL);            // promise_as_stream(v), which lives as long as v
 *
 * A cancel closes the socket at once. Errors are errno's and name the address: "connect 127.0.0.1:81: Connection refused".
 * There is no limit of time but the system's: promise_timeout() sets one. TCP_NODELAY is set: small writes are sent at once.
 * Connecting to a host by its name is in <promise/connect_name.h>.
 */
#ifndef PROMISE_CONNECT_H
#define PROMISE_CONNECT_H

#include <promise/address.h>
#include <promise/stream.h>

PROMISE_BEGIN

/* To an address, of a Unix socket too: there it waits as long as the listener's queue is full. NULL, or no address: EINVAL. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_connect_address(promise_loop_t *loop, const struct promise_address *address);
/* The same from an address of one's own; port 0: any. local NULL: as promise_connect_address(). */
PROMISE_API PROMISE_MUST_USE promise_t *promise_connect_address_from(promise_loop_t *loop,
                                                                     const struct promise_address *address,
                                                                     const struct promise_address *local);
/* To the Unix socket at path, as promise_address_unix() takes it. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_connect_unix(promise_loop_t *loop, const char *path);

PROMISE_END

#endif
