/*
 * promise_executor_t: one interface in front of whatever runs functions: the loop itself, a pool of threads, a pool of
 * processes, or an engine of yours, which may have them run on other machines.
 *
 *     static const struct promise_function functions[] = {{"hash", hash}, {NULL, NULL}};   // <promise/function.h>
 *     promise_executor_t *ex = many ? promise_executor_threads(loop, NULL, functions) : promise_executor_loop(loop, functions);
 *     promise_executor_limit(ex, 16, 1000);
 *     promise_t *p = promise_then(promise_execute(ex, "hash", page), got_hash, NULL);
 *
 * Wherever it runs: a function has a name, is given bytes and gives bytes, or a rejection, with the same domain, code,
 * message and causes; ENOENT names a function that is not there. A call that waits is taken out when it is cancelled; one
 * that runs is stopped as far as the engine can: the process is killed, the thread is told, the loop finishes what it is in.
 * How many may run at a time is a limit of the executor's, in front of any engine; the others wait, in the order of the
 * calls. An executor that is NULL stops the program.
 */
#ifndef PROMISE_EXECUTOR_H
#define PROMISE_EXECUTOR_H

#include <promise/function.h>
#include <promise/pool.h>
#include <promise/process_pool.h>
#include <promise/promise.h>

PROMISE_BEGIN

typedef struct promise_executor promise_executor_t;

/* ---- engines ---- */

/* What an engine must do. Fields may be added at the end in later versions: size says how many this one has. */
struct promise_engine {
    size_t size; /* sizeof(struct promise_engine) */
    /* Has the function of that name run with bytes, which are lent, and gives the promise of what it gives: bytes, a string
     * or void, or a rejection. Cancelling that promise stops the work (K2). name is borrowed during the call. To give NULL,
     * here or below, stops the program. */
    promise_t *(*run)(void *data, promise_loop_t *loop, const char *name, promise_value_t bytes);
    /* promise_executor_close() waits for this, once all calls have settled. NULL: there is nothing to wait for. */
    promise_t *(*close)(void *data, promise_loop_t *loop);
    /* The executor is gone, and all that run() gave has settled. May be NULL. */
    void (*free)(void *data);
};

/* ---- make and free ---- */

/* Functions may be NULL: then each name is ENOENT. They, and pools, are borrowed as long as the executor lives. It lives until
 * promise_executor_free(), or goes with its loop: after promise_loop_free() it must be neither used nor freed. */

/* In the loop, one after the other, from jobs. Here alone a function may also give a promise, which is waited for. */
PROMISE_API PROMISE_MUST_USE promise_executor_t *promise_executor_loop(promise_loop_t *loop,
                                                                       const struct promise_function *functions);
/* On the threads of a pool; NULL: promise_pool_default(). Functions must not touch what others use, but as threads do. */
PROMISE_API PROMISE_MUST_USE promise_executor_t *promise_executor_threads(promise_loop_t *loop, promise_pool_t *pool,
                                                                          const struct promise_function *functions);
/* In worker processes, with the functions, and on the loop, of the pool. */
PROMISE_API PROMISE_MUST_USE promise_executor_t *promise_executor_processes(promise_process_pool_t *pool);
/* By an engine of yours, which is borrowed; data is given to each of its functions. */
PROMISE_API PROMISE_MUST_USE promise_executor_t *promise_executor_new(promise_loop_t *loop, const struct promise_engine *engine,
                                                                      void *data);

/* No more calls: they are rejected with PROMISE_ECLOSED. Void, when those that there are have settled; what is left after
 * timeout_ms (0: at once; UINT64_MAX: no limit) is cancelled, and rejected with PROMISE_ECLOSED: then it is fulfilled as well.
 * A pool that was given stays open. Cancelling the promise changes nothing. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_executor_close(promise_executor_t *executor, uint64_t timeout_ms);
/* Rejects with PROMISE_ECLOSED what waits and what runs, which is cancelled. NULL is fine. Takes a void *, for
 * promise_attach(). */
PROMISE_API void promise_executor_free(void *executor);

/* ---- act ---- */

/* At most in_flight calls run at a time, and queue_limit wait: the next one is rejected with PROMISE_EFULL. 0, as at first:
 * no limit. */
PROMISE_API void promise_executor_limit(promise_executor_t *executor, size_t in_flight, size_t queue_limit);
/* Calls the function of that name with bytes (or a string, or void): its bytes, or its rejection. EINVAL when name is NULL, or
 * bytes anything else; a rejection there is what comes back. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_execute(promise_executor_t *executor, const char *name, promise_value_t bytes);

/* ---- query ---- */

PROMISE_API size_t promise_executor_running(const promise_executor_t *executor); /* calls that the engine has */
PROMISE_API size_t promise_executor_queued(const promise_executor_t *executor);  /* calls that wait for it */

PROMISE_END

#endif
