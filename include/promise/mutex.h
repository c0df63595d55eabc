/*
 * promise_mutex_t: one at a time, among the tasks of one loop.
 *
 *     promise_mutex_t *m = promise_mutex_new(loop);
 *     p = promise_mutex_with(m, save, session);               // a chain: save has it until what it returns has settled
 *
 *     if (promise_await(promise_mutex_lock(m), &v) < 0) return v;      // a coroutine
 *     promise_defer(promise_mutex_unlock, m);
 *
 * Between two awaits of a coroutine, and in a handler, nothing else of the loop runs: a mutex is for what takes several
 * steps. It belongs to its loop's thread as promises do, and is no lock between threads.
 *
 * Those who wait get it in the order of the calls. A cancel takes them out of the queue (K2), and loses no lock (K6): until its
 * promise is fulfilled, a cancel of who was to get it gives it to the next. It is fulfilled in the same job that runs what
 * waits for it, a handler or an await, also behind timeout, attach and shield: no cancel comes between. So a mutex is held by
 * whose handler ran, or whose await gave 0; and one that nobody is left to hear of (promise_unref()) goes to the next.
 *
 * A mutex lives until promise_mutex_free(), or goes with its loop: after promise_loop_free() it must be neither used nor freed.
 * One for which there was no memory rejects with ENOMEM (O2). A mutex that is NULL stops the program.
 */
#ifndef PROMISE_MUTEX_H
#define PROMISE_MUTEX_H

#include <promise/coroutine.h>

PROMISE_BEGIN

typedef struct promise_mutex promise_mutex_t;

/* ---- make and free ---- */

PROMISE_API PROMISE_MUST_USE promise_mutex_t *promise_mutex_new(promise_loop_t *loop);
/* Those who wait for it get PROMISE_ECLOSED. Who holds it still unlocks it, once; then its memory goes. NULL is fine. Takes a
 * void *, so that promise_attach() takes it as it is. */
PROMISE_API void promise_mutex_free(void *m);

/* ---- use ---- */

/* Void, when it is yours. Asked for in a coroutine, it is that coroutine's, and only that may unlock it: to ask again before
 * that is an EDEADLK rejection. Asked for elsewhere, it is a chain's, and may be unlocked from wherever that leads. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_mutex_lock(promise_mutex_t *m);
/* The same without waiting: true when it was free, and is yours now. */
PROMISE_API PROMISE_MUST_USE bool promise_mutex_try_lock(promise_mutex_t *m);
/* Gives it to the next. Stops the program when it is not locked, when another coroutine holds it, or promise_mutex_with().
 * Takes a void *, so that promise_defer() and promise_attach() take it as it is. */
PROMISE_API void promise_mutex_unlock(void *m);
/* Calls fn(void, arg) when it has the mutex, and unlocks when what that gives has settled, on every path: rejected, cancelled,
 * out of memory. The promise gets the outcome of fn. A coroutine that holds m, and awaits this, waits for ever. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_mutex_with(promise_mutex_t *m, promise_fn *fn, void *arg);

/* ---- query ---- */

/* Does somebody have it? */
PROMISE_API bool promise_mutex_is_locked(const promise_mutex_t *m);

PROMISE_END

#endif
