/* A coroutine from the inside, at the top of its stack: one at rest touches no other page. */
#ifndef PROMISE_SRC_TASKS_COROUTINE_H
#define PROMISE_SRC_TASKS_COROUTINE_H

#include <promise/coroutine.h>

#include "core.h"
#include "tasks/context.h"
#include "tasks/stack.h"

/*
 * Its promise is of KIND_COROUTINE. It waits for its input as a `then` does; when that comes, it takes a stack, and runs: it is
 * loop->running until it switches back to the drain. Suspended, it is a child of what it awaits, as if that were its
 * input once more: so cancelling it, the walk up through it, and the loop's teardown are those of any promise.
 */
struct coroutine {
    struct promise__context context; /* where it goes on */
    struct promise__context *drain;  /* where the drain does; on the loop's stack, while it runs */
    struct promise__stack stack;
    promise_t *promise;
    promise_value_t input;   /* its argument: lent to it until it has left */
    promise_value_t outcome; /* of a pause; in the end, what it gave */
    promise_value_t *into;   /* suspended: where what it awaits is held (O4); &outcome of a pause */
    promise_t *deferred;     /* slots of the slab, last first, linked by next */
    bool shielded;           /* awaits a shield: no cancel reaches it (K3) */
    bool left;               /* its function has, and what was deferred */
};

/* The running coroutine's promise, for a function that is of use in one only. */
promise_t *promise__coroutine_arg(const char *function);

/* Gives p's turn away, which runs and waits for something, or is queued; what comes is ours. */
promise_value_t promise__coroutine_pause(promise_loop_t *loop, promise_t *p);

#endif
