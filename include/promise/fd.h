/*
 * File descriptors: waiting until one can be read or written, of whatever kind, and whosever library's it is.
 *
 *     promise_t *p = promise_then(promise_readable(loop, PQsocket(connection)), consume_input, connection);
 *
 * An fd is ready when read(2) or write(2) would not block: there is data or room, the end, or an error, which they tell. A
 * file on a disk always is. What is ready at the call is so at once, without a turn of the event_base.
 *
 * All who wait for the same are woken together, in the order of the calls, each once (and each must be prepared to find that
 * one before it has taken what there was). The flags of an fd are left as they are: for reads that do not block, whoever owns
 * it sets O_NONBLOCK.
 *
 * An fd must not be closed while somebody waits for it: libevent is not told, and takes the next file of that number for it.
 * A promise_fd_t closes it in the right order.
 */
#ifndef PROMISE_FD_H
#define PROMISE_FD_H

#include <promise/promise.h>

PROMISE_BEGIN

/* ---- any fd ---- */

/* Void, when fd is ready for reading, or for writing. What cannot be waited for rejects: EBADF when it is not open. Cancelling
 * leaves nothing behind. On a loop that is not on libevent they reject with ENOSYS. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_readable(promise_loop_t *loop, int fd);
PROMISE_API PROMISE_MUST_USE promise_t *promise_writable(promise_loop_t *loop, int fd);

/* ---- an fd as an object: its end wakes those who wait ---- */

typedef struct promise_fd promise_fd_t;

/* Takes fd over, also when out of memory: it is closed with the object. Never NULL: one that is not open, or for which there
 * is no memory, gives an object that rejects with the reason. The object lives until promise_fd_close(), or goes with its
 * loop. */
PROMISE_API PROMISE_MUST_USE promise_fd_t *promise_fd_new(promise_loop_t *loop, int fd);
/* The same, but the fd stays yours: close it after the object. */
PROMISE_API PROMISE_MUST_USE promise_fd_t *promise_fd_borrow(promise_loop_t *loop, int fd);
/* Frees the object: who waits for it is rejected with PROMISE_ECLOSED; then the fd is closed if it was taken over, and with it
 * also the waits for its number by promise_readable() and promise_writable() are over. NULL is fine. Takes a void *, for
 * promise_attach(). */
PROMISE_API void promise_fd_close(void *f);

/* As above. They borrow f. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_fd_readable(promise_fd_t *f);
PROMISE_API PROMISE_MUST_USE promise_t *promise_fd_writable(promise_fd_t *f);

/* The fd; -1 when it was not open, or out of memory. */
PROMISE_API int promise_fd_number(const promise_fd_t *f);

PROMISE_END

#endif
