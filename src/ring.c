/* The elements of a combinator or a walk: letting go of them. */
#include "ring.h"

static inline void withdraw(promise_loop_t *loop, promise_t *e, promise__left_fn *left) {
    promise_t *owner = e->owner;
    void *slot = e->slot;

    if (e->flags & FLAG_LATE) promise__leave_ring(e); /* freed when its turn comes */
    else if (promise__withdraw(e)) return;
    else promise__element_free(loop, e);
    if (left) left(owner, slot);
}

void promise__ring_withdraw(promise_t *e, promise__left_fn *left) { withdraw(promise__loop(e), e, left); }

void promise__ring_release(promise_t *owner, promise__left_fn *left) {
    promise_loop_t *loop = promise__loop(owner);
    promise_t *e = owner->ring, *last = e ? e->ring_prev : NULL, *next;

    for (; e; e = next) {
        next = e == last ? NULL : e->ring_next;
        withdraw(loop, e, left);
    }
}
