/*
 * promise_work: an ordinary blocking function, run on a thread of a pool.
 *
 *     static promise_value_t hash(promise_value_t v, void *arg) {     // on a thread of the pool: it has v to itself
 *         struct hash_job *j = hash_job_of(v);
 *         return sha256_file(j->path, j->sum) ? promise_throw_errno(errno, "%s", j->path) : v;
 *     }
 *     promise_t *p = promise_work(loop, NULL, hash, hash_job_value(job));
 *     p = promise_then(p, print, NULL);                               // on the loop's thread again
 *
 * The value is moved to the thread, and the result back (H3): between the two it belongs to the function alone, which must not
 * touch what others have, but as threads do. There are no promises and no loops there: the result is a value, or a rejection.
 *
 * The loop does not end while work is outstanding (J3). A loop that is freed meanwhile drops the results (J5); the functions
 * run to their ends all the same, and then release their values on their threads.
 */
#ifndef PROMISE_WORK_H
#define PROMISE_WORK_H

#include <promise/error.h>
#include <promise/pool.h>

PROMISE_BEGIN

/* Calls fn(v, NULL) on a thread of the pool (NULL: promise_pool_default()), first come, first served; the promise gets its
 * result, as from a handler. v is moved, when nobody else has it, nor what is in it. A value that others have too, as a
 * handler's argument, waits until the drain has ended, when most have let go of it; what somebody keeps is copied then, where
 * it is a string, bytes, a list, an error, and rejects with EBUSY where it is not. What a coroutine holds in a variable is
 * moved when it is given as promise_value_move(&v). The result crosses likewise. A rejection as v passes by, and fn is not
 * called.
 *
 * Rejections: PROMISE_EFULL when the queue of the pool has reached its limit, PROMISE_ECLOSED when the pool is closed, or was
 * before the function ended; errno's when no thread could be started.
 *
 * A cancel rejects at once. What has not started never will, and its value is released; what runs cannot be stopped from
 * outside: it may ask promise_work_canceled(), and its result is dropped, on its thread, when it comes. So there is nothing
 * to wait for: it uses but the value that was moved. promise_work_cancel() tells which of the two it was. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_work(promise_loop_t *loop, promise_pool_t *pool, promise_fn *fn,
                                                     promise_value_t v);

/* Cancels p, which promise_work() gave, and says whether that was in time: 0, fn was not called, and never will be; -1, too
 * late: it runs, or has run, or p is NULL. Consumes p, and cancels it in either case. A pending promise of anything else stops
 * the program. */
PROMISE_API int promise_work_cancel(promise_t *p);

/* In a function on a thread of a pool: is its result of no use any more (cancelled, timed out, its loop gone, its pool closed)?
 * To be asked now and then by those that take long. False elsewhere. */
PROMISE_API bool promise_work_canceled(void);

PROMISE_END

#endif
