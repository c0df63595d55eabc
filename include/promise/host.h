/*
 * The seam between the core and an event loop: what a host must do for it (ECMAScript's HostEnqueuePromiseJob, and a clock).
 * <promise/loop.h> is the host on libevent; this is for any other loop, and for tests.
 *
 *     static void wake(void *data, bool again) { ((struct my_loop *)data)->drain_wanted = true; }
 *     static const struct promise_host host = {.size = sizeof host, .wake = wake};
 *     promise_loop_t *loop = promise_loop_new_hosted(&host, &my_loop);
 *     // later, from my loop, never from inside wake:
 *     if (my_loop.drain_wanted) my_loop.drain_wanted = false, promise_loop_drain(loop);
 */
#ifndef PROMISE_HOST_H
#define PROMISE_HOST_H

#include <promise/promise.h>

PROMISE_BEGIN

struct promise_host {
    size_t size; /* sizeof(struct promise_host) */
    /* Call promise_loop_drain() soon, not from in here. again: the drain's budget ran out, so let I/O and timers have their
     * turn first. Must not fail. Not called a second time before the drain. */
    void (*wake)(void *data, bool again);
    /* Milliseconds on a monotonic clock, as of now. May be NULL, and so after and cancel_after, where there is no clock. */
    uint64_t (*now)(void *data);
    /* Calls fire(arg) once, in ms milliseconds or more, not from in here; a promise_loop_drain() is due afterwards as always.
     * Returns a handle for cancel_after, which is only used until fire is called, or NULL when out of memory. */
    void *(*after)(void *data, uint64_t ms, void (*fire)(void *arg), void *arg);
    void (*cancel_after)(void *data, void *timer);
    /* The loop is gone: nothing is called any more. May be NULL. */
    void (*gone)(void *data);
    /* The same as after, at a time of now(). May be NULL: then after is called. */
    void *(*at)(void *data, uint64_t ms, void (*fire)(void *arg), void *arg);
};

/* host is borrowed as long as the loop lives. NULL when out of memory, or when host or its wake is NULL. */
PROMISE_API PROMISE_MUST_USE promise_loop_t *promise_loop_new_hosted(const struct promise_host *host, void *data);
/* Runs jobs up to the budget. True when some are left: then wake has been called. Inside a handler it stops the program. */
PROMISE_API bool promise_loop_drain(promise_loop_t *loop);
/* Are jobs waiting for a drain? */
PROMISE_API bool promise_loop_has_jobs(const promise_loop_t *loop);

PROMISE_END

#endif
