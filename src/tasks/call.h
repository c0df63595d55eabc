/* A function called on another loop, as promise_call and the loops of promise_loops_t share it. */
#ifndef PROMISE_SRC_TASKS_CALL_H
#define PROMISE_SRC_TASKS_CALL_H

#include <stdatomic.h>

#include <promise/remote.h>

#include "core.h"

/* Who wants to know how many are under way; it must outlive them. */
struct tally {
    atomic_size_t calls;               /* asked for, and neither done nor refused; any thread */
    size_t running;                    /* of these, begun: on the thread of the loop that is called */
    void (*idle)(struct tally *tally); /* there, when the last one of these is done; or NULL */
};

/* promise_call, with v an argument as V2 says, and loop one that was not freed; tally may be NULL. */
promise_t *promise__call_on(promise_loop_t *loop, promise_mailbox_t *mailbox, struct tally *tally, promise_fn *fn,
                            promise_value_t v, const char *function);

#endif
