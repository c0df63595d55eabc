/*
 * promise_loops_t: threads with a loop each, to use all processors: start them, give them work, stop them.
 *
 *     promise_loops_t *loops = promise_loops_new(&(struct promise_loops_options){.init = serve});   // one for each processor
 *     p = promise_loops_run(loop, loops, thumbnail, picture);          // on one of them; its outcome comes back to loop
 *     ...
 *     p = promise_loops_stop(loop, loops, 5000);                       // what is under way has five seconds
 *     promise_loops_free(loops);
 *
 * A loop there is like any other, and everything on it belongs to its thread (H1). What may cross, and how cancels and failures
 * do, is as promise_call() says, in <promise/remote.h>. Servers listen on each of them, with reuse_port: see docs/loops.md.
 *
 * Signals are blocked there, but those of faults: they are for the thread that called promise_loops_new(). Threads wait when
 * there is nothing to do. All functions but free may be called on any thread.
 *
 * Threads that cannot be started make loops that reject (O2): with the reason, EAGAIN for instance; promise_loops_error() tells
 * it. Loops that are NULL, out of memory, reject with ENOMEM.
 */
#ifndef PROMISE_LOOPS_H
#define PROMISE_LOOPS_H

#include <promise/remote.h>

PROMISE_BEGIN

typedef struct promise_loops promise_loops_t;

/* Zero is the default. */
struct promise_loops_options {
    size_t threads;    /* 0: one for each processor that we may use; at most 1,024 */
    const char *name;  /* the threads are NAME-0, NAME-1, …, as ps(1) and gdb show them: its first 10 bytes; NULL: "loop" */
    size_t stack_size; /* of the threads, in bytes, as far as the system allows; 0: the system's default */
    promise_fn *init;  /* on each loop, before all other work: gets its number, an int, and arg. See promise_loops_ready() */
    promise_fn *stop;  /* on each whose init has not failed, when promise_loops_stop() begins: gets the same, after what init
                          gave has settled; what it gives is waited for, and a rejection of it is reported there as unhandled */
    void *arg;         /* borrowed, and for all threads at once */
    void *reserved[4];
};

/* ---- make and free ---- */

/* options are copied; NULL is the default. Returns when the threads and their loops are there; init may be running by then,
 * and so is not to use the variable that this is assigned to. NULL when out of memory. */
PROMISE_API PROMISE_MUST_USE promise_loops_t *promise_loops_new(const struct promise_loops_options *options);
/* Ends the threads at once, each when the handler that runs has returned: what is pending on their loops is cancelled (J5),
 * and so are calls that have not come back; joins them. Nobody may be about to give them work; on one of them it stops the
 * program. NULL is fine. Takes a void *, for promise_attach(). */
PROMISE_API void promise_loops_free(void *loops);

/* ---- give them work: promises of loop; fn(v, NULL) runs on one of theirs, as by promise_call() ---- */

/* On the one that has the fewest of these under way, in turn among equals; one that a handler has freed is left out. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_loops_run(promise_loop_t *loop, promise_loops_t *loops, promise_fn *fn,
                                                          promise_value_t v);
/* On a certain one, counted from 0; EINVAL where there is none. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_loops_run_on(promise_loop_t *loop, promise_loops_t *loops, size_t number,
                                                             promise_fn *fn, promise_value_t v);
/* On each of them, with a copy of v for each. The list of what fn gave, in the order of the loops; the first rejection
 * rejects, and cancels the others. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_loops_all(promise_loop_t *loop, promise_loops_t *loops, promise_fn *fn,
                                                          promise_value_t v);
/* The same of what init gave; void where there is none. Until it is asked for, an init that failed is an unhandled rejection
 * of its loop. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_loops_ready(promise_loop_t *loop, promise_loops_t *loops);

/* ---- stop ---- */

/* The graceful end: new work is rejected with PROMISE_ECLOSED, stop runs on each loop, and a loop ends when that is done and
 * none of the above is under way (what comes by a mailbox does not count); or after timeout_ms (0: at once; UINT64_MAX: no
 * limit), as by promise_loops_free(). Fulfilled when all threads have ended, also after that time, with the number of calls
 * that were cut off, as int. Several may ask; the time is that of the first. A cancel only stops waiting. A call on one of
 * them that waits for this waits for itself, for as long. The loops are to be freed after all, which ends at once what has
 * not. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_loops_stop(promise_loop_t *loop, promise_loops_t *loops, uint64_t timeout_ms);

/* ---- query ---- */

/* How many there are; 0 when they could not be started. */
PROMISE_API size_t promise_loops_count(const promise_loops_t *loops);
/* Which of them runs on this thread; SIZE_MAX when none does. */
PROMISE_API size_t promise_loops_here(const promise_loops_t *loops);
/* The mailbox of one, borrowed until promise_loops_free(), or NULL where there is none. What is posted or called by it is
 * neither counted nor waited for by promise_loops_stop(). */
PROMISE_API promise_mailbox_t *promise_loops_mailbox(const promise_loops_t *loops, size_t number);
/* Why they could not be started: a rejection, fresh; void when all is well. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_loops_error(const promise_loops_t *loops);

PROMISE_END

#endif
