/* A function called on another loop, as promise_call and the loops of promise_loops_t share it. */
#ifndef PROMISE_SRC_TASKS_CALL_H
#define PROMISE_SRC_TASKS_CALL_H

#include <stdatomic.h>

#include <promise/remote.h>

#include "core.h"

/* Who wants to know how many are under way; it must outlive them. */
#define TALLY_CLOSED (~(SIZE_MAX >> 1)) /* a bit of calls: no more are taken */

struct tally {
    atomic_size_t calls;               /* taken, and neither done nor refused; any thread */
    size_t running;                    /* of these, begun: on the thread of the loop that is called */
    void (*idle)(struct tally *tally); /* there, when the last one of these is done; or NULL */
};

static inline size_t promise__tally_count(const struct tally *tally) {
    return atomic_load_explicit(&tally->calls, memory_order_relaxed) & ~TALLY_CLOSED;
}
/* When no call is under way, none will be: in one step, so that none is taken and then cut off. */
static inline bool promise__tally_close_if_idle(struct tally *tally) {
    size_t none = 0;

    return atomic_compare_exchange_strong(&tally->calls, &none, TALLY_CLOSED) || none == TALLY_CLOSED;
}

/* promise_call, with v an argument as V2 says, and loop one that was not freed; tally may be NULL. */
promise_t *promise__call_on(promise_loop_t *loop, promise_mailbox_t *mailbox, struct tally *tally, promise_fn *fn,
                            promise_value_t v, const char *function);

#endif
