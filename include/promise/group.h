/*
 * promise_group_t: tasks that belong together, and do not outlive what started them ("structured concurrency").
 *
 *     promise_group_t *g = promise_group_new(loop);
 *     promise_group_add(g, load_user(loop));
 *     promise_group_try(g, load_orders, session);
 *     promise_group_async(g, watch_changes, session);        // a coroutine
 *     p = promise_attach(promise_group_wait(g), g, promise_group_free);
 *
 * At the first failure the others are cancelled, and waited for (T5), and the group fails with it. Cancelling what
 * promise_group_wait() gave, promise_group_cancel(), promise_group_free() and freeing the loop cancel them as well. Tasks that
 * others hold too (promise_ref()) are only let go of.
 *
 * Nothing is kept of a task that has ended well: a server may add one for each client, for ever. Tasks may add more of them.
 * For a fixed number whose values matter, there is promise_all() (<promise/combine.h>).
 *
 * A group lives until promise_group_free(), or goes with its loop: after promise_loop_free() it must be neither used nor freed.
 * One for which there was no memory takes no tasks, and rejects with ENOMEM (O2). A group that is NULL stops the program.
 */
#ifndef PROMISE_GROUP_H
#define PROMISE_GROUP_H

#include <promise/promise.h>

PROMISE_BEGIN

typedef struct promise_group promise_group_t;

/* ---- make and free ---- */

/* Zero is the default; set what you need by name, so that new fields do no harm. */
struct promise_group_options {
    size_t limit;      /* so many of promise_group_try() and promise_group_async() run at a time, others wait for their turn;
                          0: all */
    void *reserved[4]; /* zero */
};

PROMISE_API PROMISE_MUST_USE promise_group_t *promise_group_new(promise_loop_t *loop);
/* The same with options, which are copied; NULL: the default ones. */
PROMISE_API PROMISE_MUST_USE promise_group_t *promise_group_new_with(promise_loop_t *loop,
                                                                     const struct promise_group_options *options);
/* Cancels what still runs; who waits gets PROMISE_ECANCELED when that has ended, and only then the memory goes: a task may use
 * the group to its own end. A failure that nobody has waited for is reported as unhandled. Takes a void *, so that
 * promise_attach() and promise_defer() take it as it is. NULL is fine. */
PROMISE_API void promise_group_free(void *g);

/* ---- tasks: 0, or -1 when the group takes none any more (it has failed, was cancelled, or has ended) ---- */

/* A task that runs already. Consumes p in any case; on -1 it is cancelled. Its value is dropped, a rejection fails the group,
 * one by a cancel too. */
PROMISE_API int promise_group_add(promise_group_t *g, promise_t *p);
/* fn(void, arg), called from the drain as a handler; or as a coroutine. On -1 it is not called; and never, when the group fails
 * or ends before its turn. */
PROMISE_API int promise_group_try(promise_group_t *g, promise_fn *fn, void *arg);
PROMISE_API int promise_group_async(promise_group_t *g, promise_fn *fn, void *arg);

/* ---- wait and cancel ---- */

/* Void, when all tasks have ended, those too that were added meanwhile: at once when there are none. Or the first failure, when
 * all the others have ended as well. The group has ended then. Asked for again, it gives the same. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_group_wait(promise_group_t *g);
/* Cancels the tasks; who waits gets PROMISE_ECANCELED, unless the group had failed before. */
PROMISE_API void promise_group_cancel(promise_group_t *g);

/* ---- query ---- */

/* How many tasks have not ended. */
PROMISE_API size_t promise_group_size(const promise_group_t *g);

PROMISE_END

#endif
