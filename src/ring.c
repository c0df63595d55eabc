/* The elements of a combinator or a walk: its hands on the inputs, in a circle. */
#include "core.h"

promise_t *promise__element_new(promise_t *owner, promise_t *input) {
    promise_t *e = promise__alloc(promise__loop(owner), KIND_ELEMENT);

    if (!e) return NULL;
    e->refs = 0;
    e->owner = owner;
    if (!owner->ring) owner->ring = e->ring_next = e->ring_prev = e;
    else {
        e->ring_next = owner->ring;
        e->ring_prev = owner->ring->ring_prev;
        e->ring_prev->ring_next = e->ring_next->ring_prev = e;
    }
    promise__wait_for(e, input);
    return e;
}

static void leave_ring(promise_t *e) {
    promise_t *owner = e->owner;

    e->ring_prev->ring_next = e->ring_next;
    e->ring_next->ring_prev = e->ring_prev;
    if (owner->ring == e) owner->ring = e->ring_next == e ? NULL : e->ring_next;
    e->owner = NULL;
}

void promise__element_free(promise_t *e) {
    leave_ring(e);
    promise__slab_release(promise__loop(e), e);
}

void promise__ring_withdraw(promise_t *e, promise__left_fn *left) {
    promise_t *owner = e->owner;
    struct walk_slot *slot = e->slot;

    if (e->flags & FLAG_LATE) leave_ring(e); /* freed when its turn comes */
    else if (promise__withdraw(e)) return;
    else promise__element_free(e);
    if (left) left(owner, slot);
}

void promise__ring_release(promise_t *owner, promise__left_fn *left) {
    promise_t *e = owner->ring, *last = e ? e->ring_prev : NULL, *next;

    for (; e; e = next) {
        next = e == last ? NULL : e->ring_next;
        promise__ring_withdraw(e, left);
    }
}
