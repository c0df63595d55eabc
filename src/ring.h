/* The elements of an aggregate or a walk: its hands on the inputs, in a circle. */
#ifndef PROMISE_SRC_RING_H
#define PROMISE_SRC_RING_H

#include "core.h"

/* Takes a reference of input over; NULL: no memory. */
static inline promise_t *promise__element_new(promise_loop_t *loop, promise_t *owner, promise_t *input) {
    promise_t *e = promise__alloc(loop, KIND_ELEMENT), *first = owner->ring;

    if (PROMISE_UNLIKELY(!e)) return NULL;
    e->refs = 0;
    e->owner = owner;
    if (!first) {
        owner->ring = e->ring_next = e->ring_prev = e;
    } else {
        promise_t *last = first->ring_prev;
        e->ring_next = first;
        e->ring_prev = last;
        last->ring_next = first->ring_prev = e;
    }
    promise__wait_for(e, input);
    return e;
}

static inline void promise__leave_ring(promise_t *e) {
    promise_t *owner = e->owner, *next = e->ring_next, *prev = e->ring_prev;

    prev->ring_next = next;
    next->ring_prev = prev;
    if (owner->ring == e) owner->ring = next == e ? NULL : next;
    e->owner = NULL;
}

/* Out of the ring and gone. */
static inline void promise__element_free(promise_loop_t *loop, promise_t *e) {
    promise__leave_ring(e);
    promise__slab_release(loop, e);
}

/* T5: gives up a branch, unless it must be waited for; then left is not called. left may be NULL. */
typedef void promise__left_fn(promise_t *owner, void *slot);
void promise__ring_withdraw(promise_t *element, promise__left_fn *left);
void promise__ring_release(promise_t *owner, promise__left_fn *left); /* the same for all */

#endif
