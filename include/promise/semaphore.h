/*
 * promise_semaphore_t: so many at a time, among the tasks of one loop: a limiter.
 *
 *     promise_semaphore_t *slots = promise_semaphore_new(loop, 10);
 *     for (size_t i = 0; i < n; i++) pages[i] = promise_semaphore_with(slots, fetch, urls[i]);    // ten at a time
 *     p = promise_all(loop, n, pages);                                                        // <promise/combine.h>
 *
 * First come, first served: one that asks for more than there is holds up those behind it. Cancels, freeing, errors, NULL
 * and the end of the loop, with which it goes, are as with a mutex (<promise/mutex.h>), but that nobody owns a unit: any task
 * may release what another has acquired.
 */
#ifndef PROMISE_SEMAPHORE_H
#define PROMISE_SEMAPHORE_H

#include <promise/promise.h>

PROMISE_BEGIN

typedef struct promise_semaphore promise_semaphore_t;

/* ---- make and free ---- */

/* With so many units to begin with, 0 too. */
PROMISE_API PROMISE_MUST_USE promise_semaphore_t *promise_semaphore_new(promise_loop_t *loop, size_t units);
/* Those who wait for units get PROMISE_ECLOSED. Who has some still releases them; then its memory goes. NULL is fine. Takes a
 * void *, so that promise_attach() takes it as it is. */
PROMISE_API void promise_semaphore_free(void *s);

/* ---- use ---- */

/* Void, when one unit is yours, or that many. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_semaphore_acquire(promise_semaphore_t *s);
PROMISE_API PROMISE_MUST_USE promise_t *promise_semaphore_acquire_units(promise_semaphore_t *s, size_t units);
/* One unit without waiting: true when it is yours now. */
PROMISE_API PROMISE_MUST_USE bool promise_semaphore_try_acquire(promise_semaphore_t *s);
/* One unit more, or that many: given back, or new ones. More than SIZE_MAX stops the program. The first takes a void *, so that
 * promise_defer() and promise_attach() take it as it is. */
PROMISE_API void promise_semaphore_release(void *s);
PROMISE_API void promise_semaphore_release_units(promise_semaphore_t *s, size_t units);
/* Calls fn(void, arg) when it has a unit, and releases it when what that gives has settled, on every path. The promise gets
 * the outcome of fn. The unit goes to the next before those who wait for the promise hear of it: so after a failure one more fn
 * may begin, before promise_all() cancels it. A group's limit (<promise/group.h>) has no such gap. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_semaphore_with(promise_semaphore_t *s, promise_fn *fn, void *arg);

/* ---- query ---- */

/* The units that are there, and the number of those who wait. */
PROMISE_API size_t promise_semaphore_available(const promise_semaphore_t *s);
PROMISE_API size_t promise_semaphore_waiting(const promise_semaphore_t *s);

PROMISE_END

#endif
