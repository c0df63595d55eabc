/*
 * promise_condition_t: waiting until another task has changed what a mutex guards.
 *
 *     if (promise_await(promise_mutex_lock(m), &v) < 0) return v;              // in a coroutine
 *     promise_defer(promise_mutex_unlock, m);
 *     while (!queue->first)
 *         if (promise_await(promise_condition_wait(c, m), &v) < 0) return v;
 *
 * As in POSIX: look at what you wait for again when the wait is over, others may have been quicker. And as there, whatever
 * comes of a wait, it has the mutex again: one that is cancelled leaves the queue at once, takes its turn at the mutex, and is
 * rejected then (K3), so that the unlock that is to follow is right; only when the mutex was freed, or the loop, is it not had.
 * A signal that comes together with a cancel goes to the next who waits (K6).
 *
 * A condition lives until promise_condition_free(), or goes with its loop: after promise_loop_free() it must be neither used
 * nor freed. One for which there was no memory rejects with ENOMEM (O2), with the mutex still locked. A condition that is NULL
 * stops the program.
 */
#ifndef PROMISE_CONDITION_H
#define PROMISE_CONDITION_H

#include <promise/mutex.h>

PROMISE_BEGIN

typedef struct promise_condition promise_condition_t;

/* ---- make and free ---- */

PROMISE_API PROMISE_MUST_USE promise_condition_t *promise_condition_new(promise_loop_t *loop);
/* Those who wait get PROMISE_ECLOSED, when they have their mutex again. NULL is fine. Takes a void *, so that promise_attach()
 * takes it as it is. */
PROMISE_API void promise_condition_free(void *c);

/* ---- use ---- */

/* Unlocks m, which the running task must hold, waits for a signal, and locks m again, for the same task: then it is void. Out
 * of memory it is rejected at once, and m stays locked. Of use inside of promise_mutex_with() too. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_condition_wait(promise_condition_t *c, promise_mutex_t *m);
/* Wakes the one who has waited longest, or all who wait now. Where nobody does, nothing is remembered. The mutex need not be
 * held. */
PROMISE_API void promise_condition_signal(promise_condition_t *c);
PROMISE_API void promise_condition_broadcast(promise_condition_t *c);

/* ---- query ---- */

/* How many wait for a signal. */
PROMISE_API size_t promise_condition_waiting(const promise_condition_t *c);

PROMISE_END

#endif
