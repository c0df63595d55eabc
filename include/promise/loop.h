/*
 * promise_loop_t: the queue of jobs, on a libevent event_base.
 *
 *     promise_loop_t *loop = promise_loop_new(NULL);            // or on an event_base of your own
 *     int status = promise_loop_run(loop, work(loop), NULL);    // 0 fulfilled, -1 rejected
 *     promise_loop_free(loop);
 *
 * On a base of your own, your events go on working beside the promises, and plain event_base_dispatch(base) runs both. A
 * loop belongs to the thread that made it.
 *
 * Jobs are first in, first out. A drain runs jobs, also those queued by jobs, up to the budget, then gives libevent its turn
 * for I/O and timers, and continues (J1): an endless chain does not starve the rest.
 */
#ifndef PROMISE_LOOP_H
#define PROMISE_LOOP_H

#include <promise/promise.h>

struct event_base;

PROMISE_BEGIN

/* ---- make and free ---- */

/* On the caller's base, which must outlive the loop and stays the caller's, or on one of its own (NULL). Returns NULL when
 * out of memory, or of descriptors (errno is EMFILE or ENFILE; a base of its own takes four), as there is no loop yet to
 * reject on. */
PROMISE_API PROMISE_MUST_USE promise_loop_t *promise_loop_new(struct event_base *base);
/* Cancels what is pending, runs its handlers, frees all that is attached (J5). From then on new work comes back rejected with
 * PROMISE_ECANCELED, and its handlers do not run. Promises and resolvers that you still hold stay valid until you let go of
 * them. Inside a handler it takes effect after the drain. A base of the loop's own goes with it, and so must not be under
 * event_base_dispatch() then: promise_loop_run() and promise_loop_turn() run it. NULL is fine.
 *
 * Objects of the loop that are not counted go with it, and must then be neither used nor freed nor closed: locks, groups,
 * executors, process pools, children, fds, listeners, sockets for datagrams, resolvers of names, HTTP clients and servers. What
 * is counted (what has an _unref(): promises, channels, streams, files, mailboxes), resolvers, remotes and iterators are still
 * yours to let go of. Pools and loops of threads, and shared channels, are not the loop's. */
PROMISE_API void promise_loop_free(promise_loop_t *loop);

/* ---- run ---- */

/* Runs until p settles: 0 fulfilled, -1 rejected. Consumes p. *result is set to the outcome, kept: it must be zero or kept
 * before, and cleared later. With result NULL a rejection goes to the hook for unhandled ones. When nothing is left that
 * could settle p, -1 and PROMISE_ESTALLED, which names what it waits for: by its name, by the place where it was made, or as
 * the kind of object that it is (a group, a channel, the coroutine "writer"); when the base was broken off
 * (event_base_loopbreak), -1 and PROMISE_ESTOPPED: then p goes on when the loop runs again. p NULL runs until there is nothing
 * left to do: 0, or -1 when broken off. A loop that is freed meanwhile ends it. Inside a handler, a stop function or a callback
 * of the same base, or on another thread, it stops the program. */
PROMISE_API int promise_loop_run(promise_loop_t *loop, promise_t *p, promise_value_t *result);
/* One turn: what is ready now, without waiting. 1 when there is more to come, 0 when there is nothing left to do. */
PROMISE_API int promise_loop_turn(promise_loop_t *loop);
/* main() in one line: a loop, promise_try(fn, arg), run, free. EXIT_SUCCESS, or EXIT_FAILURE after a line on standard error. */
PROMISE_API int promise_run(promise_fn *fn, void *arg);

/* ---- set and query ---- */

/* How many jobs a drain runs before libevent has its turn; 0 is the default, 1024. */
PROMISE_API void promise_loop_set_budget(promise_loop_t *loop, unsigned jobs);

/* A rejection without a handler (J7): reported when the queue runs empty, or at the end of the first budget slice that began
 * after it, and again when it is handled after all. PROMISE_ECANCELED from a cancel or a teardown is never reported. */
enum promise_unhandled_event { PROMISE_UNHANDLED, PROMISE_HANDLED_LATE };
typedef void promise_unhandled_fn(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg);

/* Sets the hook; NULL sets the default, promise_unhandled_print. */
PROMISE_API void promise_loop_on_unhandled(promise_loop_t *loop, promise_unhandled_fn *hook, void *arg);
/* A line on standard error: domain, code, message, where it was thrown. */
PROMISE_API promise_unhandled_fn promise_unhandled_print;
/* The strict mode: the line, then abort(3). */
PROMISE_API promise_unhandled_fn promise_unhandled_abort;

/* The event_base; NULL for a loop of promise_loop_new_hosted(). */
PROMISE_API struct event_base *promise_loop_base(const promise_loop_t *loop);
/* The loop that is running the current handler, or NULL. */
PROMISE_API promise_loop_t *promise_loop_current(void);

PROMISE_END

#endif
