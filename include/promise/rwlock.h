/*
 * promise_rwlock_t: several readers, or one writer, among the tasks of one loop.
 *
 *     promise_rwlock_t *lock = promise_rwlock_new(loop);
 *     p = promise_rwlock_with_read(lock, print_config, config);
 *     q = promise_rwlock_with_write(lock, reload_config, config);
 *
 * First come, first served: a reader that comes after a writer that waits, waits too, so that no writer starves. Who reads and
 * asks for a write before the unlock waits for itself. Cancels, freeing, errors, NULL and the end of the loop, with which it
 * goes, are as with a mutex (<promise/mutex.h>).
 */
#ifndef PROMISE_RWLOCK_H
#define PROMISE_RWLOCK_H

#include <promise/promise.h>

PROMISE_BEGIN

typedef struct promise_rwlock promise_rwlock_t;

/* ---- make and free ---- */

PROMISE_API PROMISE_MUST_USE promise_rwlock_t *promise_rwlock_new(promise_loop_t *loop);
/* Those who wait for it get PROMISE_ECLOSED. Who holds it still unlocks it, once; then its memory goes. NULL is fine. Takes a
 * void *, so that promise_attach() takes it as it is. */
PROMISE_API void promise_rwlock_free(void *lock);

/* ---- use ---- */

/* Void, when no writer has it, and none waits. By the coroutine that writes: an EDEADLK rejection. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_rwlock_read(promise_rwlock_t *lock);
/* Void, when nobody has it. By the coroutine that writes: an EDEADLK rejection. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_rwlock_write(promise_rwlock_t *lock);
/* The same without waiting: true when it is yours now. */
PROMISE_API PROMISE_MUST_USE bool promise_rwlock_try_read(promise_rwlock_t *lock);
PROMISE_API PROMISE_MUST_USE bool promise_rwlock_try_write(promise_rwlock_t *lock);
/* Of a reader or of the writer. Stops the program when it is not locked, when another coroutine writes, or a with function has
 * it. Takes a void *, so that promise_defer() and promise_attach() take it as it is. */
PROMISE_API void promise_rwlock_unlock(void *lock);
/* Call fn(void, arg) when they have it, and unlock when what that gives has settled, on every path. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_rwlock_with_read(promise_rwlock_t *lock, promise_fn *fn, void *arg);
PROMISE_API PROMISE_MUST_USE promise_t *promise_rwlock_with_write(promise_rwlock_t *lock, promise_fn *fn, void *arg);

/* ---- query ---- */

/* How many have it for reading; and whether one has it for writing. */
PROMISE_API size_t promise_rwlock_readers(const promise_rwlock_t *lock);
PROMISE_API bool promise_rwlock_is_written(const promise_rwlock_t *lock);

PROMISE_END

#endif
