/*
 * promise_barrier_t: where a number of tasks wait for each other, again and again.
 *
 *     promise_barrier_t *b = promise_barrier_new(loop, 3);
 *     ...
 *     if (promise_await(promise_barrier_wait(b), &v) < 0) return v;      // each of the three, at the end of each phase
 *     if (promise_as_int(v)) merge_results();                           // one of them
 *
 * One that is cancelled while it waits has not come: the others wait for another one (as in Python's asyncio; no barrier is
 * broken, as it would be in Java). When nobody else will come, cancel the others as well: a group does (<promise/group.h>).
 *
 * A barrier lives until promise_barrier_free(), or goes with its loop: after promise_loop_free() it must be neither used nor
 * freed. One for which there was no memory rejects with ENOMEM (O2). A barrier that is NULL stops the program.
 */
#ifndef PROMISE_BARRIER_H
#define PROMISE_BARRIER_H

#include <promise/coroutine.h>

PROMISE_BEGIN

typedef struct promise_barrier promise_barrier_t;

/* ---- make and free ---- */

/* For n tasks; 0 gives a barrier that rejects with EINVAL. */
PROMISE_API PROMISE_MUST_USE promise_barrier_t *promise_barrier_new(promise_loop_t *loop, size_t n);
/* Those who wait get PROMISE_ECLOSED. NULL is fine. Takes a void *, so that promise_attach() takes it as it is. */
PROMISE_API void promise_barrier_free(void *b);

/* ---- use ---- */

/* Fulfilled when n wait, for all of them: with the int 1 for the first who hears of it, with 0 for the others. Then the next
 * round begins. Who is cancelled after that is of this round all the same, and if it was to be the one, another is. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_barrier_wait(promise_barrier_t *b);

/* ---- query ---- */

/* How many wait. */
PROMISE_API size_t promise_barrier_waiting(const promise_barrier_t *b);

PROMISE_END

#endif
