/*
 * promise_wait_group_t: waits until all that was counted is done.
 *
 *     promise_wait_group_t *g = promise_wait_group_new(loop);
 *     promise_wait_group_add(g, 1);
 *     promise_unref(promise_attach(send_mail(loop, mail), g, promise_wait_group_done));
 *     p = promise_then(promise_wait_group_wait(g), all_sent, NULL);
 *
 * As Go's. It knows only a number: who fails is not heard of, and nothing is cancelled. Where it is about tasks, a group knows
 * more (<promise/group.h>).
 *
 * It lives until promise_wait_group_free(), or goes with its loop: after promise_loop_free() it must be neither used nor freed.
 * One for which there was no memory counts nothing, and rejects with ENOMEM (O2). One that is NULL stops the program.
 */
#ifndef PROMISE_WAIT_GROUP_H
#define PROMISE_WAIT_GROUP_H

#include <promise/promise.h>

PROMISE_BEGIN

typedef struct promise_wait_group promise_wait_group_t;

/* ---- make and free ---- */

PROMISE_API PROMISE_MUST_USE promise_wait_group_t *promise_wait_group_new(promise_loop_t *loop);
/* Those who wait get PROMISE_ECLOSED. What is counted may still be done; then its memory goes. NULL is fine. Takes a void *, so
 * that promise_attach() takes it as it is. */
PROMISE_API void promise_wait_group_free(void *g);

/* ---- use ---- */

/* So many more are to be done. More than SIZE_MAX stops the program. */
PROMISE_API void promise_wait_group_add(promise_wait_group_t *g, size_t n);
/* One is done. When none was left, the program stops. Takes a void *, so that promise_defer() and promise_attach() take it as
 * it is. */
PROMISE_API void promise_wait_group_done(void *g);
/* Void, when none is left: at once, when there are none. What is added later does not concern it. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_wait_group_wait(promise_wait_group_t *g);

/* ---- query ---- */

/* How many are left. */
PROMISE_API size_t promise_wait_group_count(const promise_wait_group_t *g);

PROMISE_END

#endif
