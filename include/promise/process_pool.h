/*
 * promise_process_pool_t: functions of the program, run in processes beside it. They use all processors without sharing memory
 * with each other or with us, and when one crashes, only its call is lost.
 *
 *     static const struct promise_function functions[] = {{"hash", hash}, {NULL, NULL}};   // <promise/function.h>
 *     const struct promise_process_options options = {.functions = functions, .timeout_ms = 10000};
 *     promise_process_pool_t *pool = promise_process_pool_new(loop, &options);             // before threads are started
 *     promise_t *p = promise_then(promise_process_run(pool, "hash", page), got_hash, NULL);
 *
 * A pool has a process of its own, the starter, from which workers are forked when there is something to do, also to replace
 * others. Where that comes from is the choice of options.start:
 *
 *   PROMISE_PROCESS_FORK  it is forked by promise_process_pool_new(), while the program has one thread. Workers find memory as
 *                         it was then: tables that were loaded need not be loaded again.
 *   PROMISE_PROCESS_EXEC  it is the program, executed anew: for programs that have threads, or much that workers must not see.
 *                         main() begins with promise_process_worker(functions), which does not return in such a process.
 *
 * In a worker nothing is open but the three standard descriptors (input is the null device), no signal is blocked, ignored or
 * caught, and it leads a process group of its own: a Ctrl-C is for the program alone, and what a function has started is killed
 * when its worker ends. Workers end with the program, however that ends. A function may use anything, a loop of its own too;
 * but exit() in one runs, in the worker, what the program had registered by atexit(): _exit() does not.
 *
 * A call is rejected, and its worker replaced, when it crashes or exits (promise_exit_errors, naming the signal or the status),
 * or takes too long (PROMISE_ETIMEDOUT); one that is cancelled is killed (K2). A call that had not begun is given to another
 * worker. A pool that is NULL stops the program.
 */
#ifndef PROMISE_PROCESS_POOL_H
#define PROMISE_PROCESS_POOL_H

#include <promise/function.h>
#include <promise/promise.h>

PROMISE_BEGIN

typedef struct promise_process_pool promise_process_pool_t;

/* ---- make and free ---- */

enum promise_process_start { PROMISE_PROCESS_FORK, PROMISE_PROCESS_EXEC };

/* Zero is the default. What pointers lead to must live as long as the pool, but for the two texts, which are copied. */
struct promise_process_options {
    const struct promise_function *functions; /* needed, unless program is another one */
    const struct promise_domain *const *domains; /* of errors that functions give, for promise_error_unpack(); or NULL */
    const char *name;         /* for messages and as the processes' name; NULL: "process" */
    const char *program;      /* to be executed; NULL: our own */
    enum promise_process_start start;
    size_t workers;           /* at most so many; 0: as many as there are processors */
    size_t queue_limit;       /* calls that wait for a worker; more are PROMISE_EFULL. 0: no limit */
    uint64_t timeout_ms;      /* for each call, from when a worker has it; 0: none */
    size_t memory;            /* bytes that a worker may allocate beyond what it begins with; then malloc() fails. 0: no limit */
    unsigned cpu_seconds;     /* of processor time for each call, to half a second: then SIGXCPU. 0: no limit */
    size_t calls_per_worker;  /* after so many it is replaced; 0: never */
    size_t max_size;          /* bytes of an argument, of a result; more is EMSGSIZE. 0: 1 GiB */
    bool finish_canceled;     /* what runs when it is cancelled runs to its end, and is not killed; its result is dropped */
    void *reserved[4];
};

/* options NULL is an EINVAL rejection, as all that is wrong in them: of everything that is asked of the pool (O2). So is EBUSY
 * where start is PROMISE_PROCESS_FORK and the program has threads, or this is a coroutine, with its small stack. The pool
 * lives until promise_process_pool_free(), or goes with its loop: after promise_loop_free() it must be neither used nor freed.
 * One that has nothing to do does not keep the loop running. */
PROMISE_API PROMISE_MUST_USE promise_process_pool_t *promise_process_pool_new(promise_loop_t *loop,
                                                                              const struct promise_process_options *options);
/* No more calls: they are rejected with PROMISE_ECLOSED. Void, when those that there are have settled and all processes are
 * gone; what is left after timeout_ms (0: at once; UINT64_MAX: no limit) is killed, and rejected with PROMISE_ECLOSED: then it
 * is fulfilled as well. Cancelling the promise changes nothing. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_process_pool_close(promise_process_pool_t *pool, uint64_t timeout_ms);
/* Kills all that there is, rejects with PROMISE_ECLOSED, and waits until the processes are gone. NULL is fine. Takes a void *,
 * for promise_attach(). */
PROMISE_API void promise_process_pool_free(void *pool);

/* First in main(), where start is PROMISE_PROCESS_EXEC: does nothing in the program itself; in a process that a pool has
 * executed, it does what the pool asks for and ends the process with the pool. Programs that run as another user than they
 * were started by (set-user-ID) never take it for such a process. */
PROMISE_API void promise_process_worker(const struct promise_function *functions);

/* ---- use ---- */

/* Calls the function of that name, in a worker, with bytes (or a string, or void): bytes, or its rejection. In the order of
 * the calls. ENOENT when there is none of that name, EINVAL when name is NULL, or bytes anything else. Cancelling a call that
 * waits takes it out; the worker of one that runs is killed. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_process_run(promise_process_pool_t *pool, const char *name,
                                                            promise_value_t bytes);

/* ---- query ---- */

PROMISE_API size_t promise_process_pool_workers(const promise_process_pool_t *pool);  /* processes that are there */
PROMISE_API size_t promise_process_pool_running(const promise_process_pool_t *pool);  /* calls that workers have */
PROMISE_API size_t promise_process_pool_queued(const promise_process_pool_t *pool);   /* calls that wait */
PROMISE_API size_t promise_process_pool_restarts(const promise_process_pool_t *pool); /* workers that took another's place */

PROMISE_END

#endif
