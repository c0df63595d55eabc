/* The elements of a combinator or a walk: letting go of them. */
#include "ring.h"

void promise__ring_withdraw(promise_t *e, promise__left_fn *left) {
    promise_t *owner = e->owner;
    struct walk_slot *slot = e->slot;

    if (e->flags & FLAG_LATE) promise__leave_ring(e); /* freed when its turn comes */
    else if (promise__withdraw(e)) return;
    else promise__element_free(promise__loop(e), e);
    if (left) left(owner, slot);
}

void promise__ring_release(promise_t *owner, promise__left_fn *left) {
    promise_t *e = owner->ring, *last = e ? e->ring_prev : NULL, *next;

    for (; e; e = next) {
        next = e == last ? NULL : e->ring_next;
        promise__ring_withdraw(e, left);
    }
}
