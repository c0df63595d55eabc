/*
 * promise_pool_t: threads that run blocking functions for promise_work() (<promise/work.h>), files and names.
 *
 *     const struct promise_pool_options options = {.name = "thumbs", .threads = 4, .queue_limit = 100};
 *     promise_pool_t *pool = promise_pool_new(&options);
 *     promise_t *p = promise_work(loop, pool, scale, picture);                               // <promise/work.h>
 *     ...
 *     promise_pool_free(pool);                        // after the loops that use it, or before: what waits is rejected
 *
 * Each pool has threads and a queue of its own: one that is full, or that waits for a slow server, holds up no other. Unlike
 * loops and promises, a pool belongs to no thread: any loop on any thread may use it. Threads start when there is work,
 * with the signals blocked that are not the thread's own fault, and leave when there was none for a while.
 *
 * There are three that are everybody's, made with the first use: for functions (promise_work() with NULL), for files, and for
 * names. They end with the program, and need not be freed. Where functions use a library that keeps something for each thread
 * and cleans up when the program exits, as OpenSSL does, promise_pool_shutdown() before that lets its threads end in time.
 *
 * A pool that is NULL stops the program, but where it stands for one of these.
 *
 * In a child of fork(2), which has none of its parent's threads, each pool is as new: what had been given to it stays with
 * the parent.
 */
#ifndef PROMISE_POOL_H
#define PROMISE_POOL_H

#include <promise/promise.h>

PROMISE_BEGIN

typedef struct promise_pool promise_pool_t;

/* Zero is the default. */
struct promise_pool_options {
    const char *name;   /* of its threads, as ps(1) and gdb show them: the first 15 bytes; also in errors. NULL: "promise" */
    size_t threads;     /* at most so many; 0: one for each processor of ours, 4 to 64; above 1,024: 1,024 */
    size_t queue_limit; /* how many may wait when each thread has one: the next is rejected with PROMISE_EFULL. 0: no limit */
    uint64_t idle_ms;   /* a thread leaves when it had nothing to do for so long; 0: 10,000; UINT64_MAX: never */
    size_t stack_size;  /* of its threads, in bytes, as far as the system allows; 0: the system's default */
    void *reserved[4];
};

/* ---- make and free ---- */

/* options are copied; NULL is the default. Never NULL: out of memory, it is a pool that rejects all work with ENOMEM. */
PROMISE_API PROMISE_MUST_USE promise_pool_t *promise_pool_new(const struct promise_pool_options *options);
/* Rejects what has not started with PROMISE_ECLOSED, waits for what runs, for as long as it takes, and frees the pool: nobody
 * may be about to give it work. To set a limit, close it first: what was abandoned then is not waited for. On a thread of
 * the pool itself it stops the program; nothing happens to those that are everybody's. NULL is fine. Takes a void *,
 * for promise_attach(). */
PROMISE_API void promise_pool_free(void *pool);

/* ---- act ---- */

/* From now on work is rejected with PROMISE_ECLOSED, and so is, at once, what has not started. The promise, on the loop given,
 * is fulfilled (void) when all that was running is done and the threads have ended. What still runs after timeout_ms (0: at
 * once; UINT64_MAX: no limit), or when the promise is cancelled, is abandoned: its promise is rejected with PROMISE_ECLOSED,
 * its result is dropped when it comes, and its thread then ends on its own. After the time the promise of the close rejects
 * with PROMISE_ETIMEDOUT, unlike that of what else can be closed: a thread cannot be stopped. The pool is to be freed after
 * all. EINVAL for those that are everybody's. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_pool_close(promise_loop_t *loop, promise_pool_t *pool, uint64_t timeout_ms);
/* Ends the threads of the pools that are everybody's, as by closing and freeing: waits up to timeout_ms (0: not at
 * all; UINT64_MAX: no limit) for what runs. They start again with the next work. The program's end does it without waiting.
 * Returns how many functions were abandoned. */
PROMISE_API size_t promise_pool_shutdown(uint64_t timeout_ms);

/* ---- query: on any thread, as of now ---- */

/* Those that are everybody's: for functions (threads: one for each processor, 4 to 64), for files (4), for names (16). */
PROMISE_API promise_pool_t *promise_pool_default(void);
PROMISE_API promise_pool_t *promise_pool_for_files(void);
PROMISE_API promise_pool_t *promise_pool_for_names(void);
/* Threads that there are, functions that run, and how many wait. */
PROMISE_API size_t promise_pool_threads(promise_pool_t *pool);
PROMISE_API size_t promise_pool_running(promise_pool_t *pool);
PROMISE_API size_t promise_pool_waiting(promise_pool_t *pool);

PROMISE_END

#endif
