/* What is in a channel: the ring, and what came back. */
#include <string.h>

#include "channel.h"

enum { FIRST_SIZE = 8, KEPT_SIZE = 1024 };

/* ---- the ring ---- */

static int ring_grow(promise_channel_t *ch) {
    size_t size = ch->size ? 2 * ch->size : FIRST_SIZE, to_end = ch->size - ch->first;
    promise_value_t *ring;

    if (size > SIZE_MAX / sizeof *ring) return -1;
    ring = promise__malloc(size * sizeof *ring);
    if (!ring) return -1;
    if (ch->size) {
        memcpy(ring, ch->ring + ch->first, to_end * sizeof *ring);
        memcpy(ring + to_end, ch->ring, ch->first * sizeof *ring);
    }
    promise__free(ch->ring);
    ch->ring = ring;
    ch->size = size;
    ch->first = 0;
    return 0;
}

static int ring_push(promise_channel_t *ch, promise_value_t v) {
    if (PROMISE_UNLIKELY(ch->count == ch->size) && ring_grow(ch) < 0) return -1;
    ch->ring[(ch->first + ch->count++) & (ch->size - 1)] = v;
    return 0;
}

static void ring_free(promise_channel_t *ch) {
    promise__free(ch->ring);
    ch->ring = NULL;
    ch->size = ch->first = 0;
}

/* An empty one that has been large goes. */
static promise_value_t ring_shift(promise_channel_t *ch) {
    promise_value_t v = ch->ring[ch->first];

    ch->first = (ch->first + 1) & (ch->size - 1);
    if (!--ch->count && PROMISE_UNLIKELY(ch->size > KEPT_SIZE)) ring_free(ch);
    return v;
}

/* ---- what came back ---- */

static promise_value_t shift_returned(promise_channel_t *ch, uint64_t *number) {
    promise_t *p = ch->returned.first;
    promise_value_t v = p->value;

    *number = p->number;
    ch->returned.first = p->next;
    *(p->next ? &p->next->prev : &ch->returned.last) = NULL;
    ch->returned_count--;
    promise__slab_release(ch->loop, p);
    return v;
}

/* ---- put and take ---- */

enum put promise__channel_put(promise_channel_t *ch, promise_value_t v) {
    promise_t *op;

    if (PROMISE_UNLIKELY(ch->closed)) return PUT_CLOSED;
    if ((op = promise__op_first(&ch->receives))) {
        promise__op_give(op, v, ++ch->numbers);
        return PUT;
    }
    if (ch->count >= ch->capacity) return PUT_MUST_WAIT;
    return PROMISE_UNLIKELY(ring_push(ch, v) < 0) ? PUT_NOMEM : PUT;
}

/* The first that waits to send, out of its queue and without its value, which is *v; or NULL. */
static promise_t *take_send(promise_channel_t *ch, promise_value_t *v) {
    promise_t *op = promise__op_first(&ch->sends);

    if (!op) return NULL;
    promise__op_leave(op);
    *v = op->item;
    op->item = promise_void();
    return op;
}

bool promise__channel_take(promise_channel_t *ch, struct taken *taken) {
    promise_value_t next;

    taken->sender = NULL;
    if (PROMISE_UNLIKELY(ch->returned.first)) {
        taken->item = shift_returned(ch, &taken->number);
        return true;
    }
    if (ch->count) {
        bool was_full = ch->count == ch->capacity;
        taken->item = ring_shift(ch);
        if (was_full && (taken->sender = take_send(ch, &next))) ring_push(ch, next);
    } else if (!(taken->sender = take_send(ch, &taken->item))) {
        return false;
    }
    taken->number = ++ch->numbers;
    return true;
}

void promise__channel_empty(promise_channel_t *ch) {
    uint64_t number;

    while (ch->returned.first) promise__release(shift_returned(ch, &number));
    while (ch->count) promise__release(ring_shift(ch));
    ring_free(ch);
}
