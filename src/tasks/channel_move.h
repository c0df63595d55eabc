/* How items move: the ways that each message takes, inline. */
#ifndef PROMISE_SRC_TASKS_CHANNEL_MOVE_H
#define PROMISE_SRC_TASKS_CHANNEL_MOVE_H

#include "channel.h"

/* ---- to whom waits ---- */

/* The item that p, settled or about to be, has is seen by nobody yet. */
static inline void promise__item_hold(promise_t *p, promise_channel_t *ch, uint64_t number) {
    p->number = number;
    p->channel = ch;
    p->flags |= FLAG_ITEM;
    ch->life++;
}

/* op, the first that waits to receive, gets the item, which is taken over. */
static inline void promise__op_give(promise_t *op, promise_value_t item, uint64_t number) {
    promise_channel_t *ch = op->channel;

    promise__op_leave(op);
    if (PROMISE_UNLIKELY(promise__op_is_case(op))) {
        promise__select_done(op, item, ch, number);
        return;
    }
    promise__item_hold(op, ch, number);
    promise__settle(op, item);
}

/* Its send is done; NULL is fine. */
static inline void promise__op_sent(promise_t *sender) {
    if (!sender) return;
    if (PROMISE_UNLIKELY(promise__op_is_case(sender))) promise__select_done(sender, promise_void(), NULL, 0);
    else promise__settle(sender, promise_void());
}

/* ---- the ring ---- */

enum { RING_KEPT = 1024 }; /* an empty one that is larger goes */

static inline int promise__ring_push(promise_channel_t *ch, promise_value_t v) {
    if (PROMISE_UNLIKELY(ch->count == ch->size) && promise__ring_grow(ch) < 0) return -1;
    ch->ring[(ch->first + ch->count++) & (ch->size - 1)] = v;
    return 0;
}

static inline promise_value_t promise__ring_shift(promise_channel_t *ch) {
    promise_value_t v = ch->ring[ch->first];

    ch->first = (ch->first + 1) & (ch->size - 1);
    if (!--ch->count && PROMISE_UNLIKELY(ch->size > RING_KEPT)) promise__ring_free(ch);
    return v;
}

/* ---- put and take ---- */

enum put { PUT, PUT_CLOSED, PUT_MUST_WAIT, PUT_NOMEM };

/* Sends v, taken over if it gives PUT, to whom waits or into the buffer. */
static inline enum put promise__channel_put(promise_channel_t *ch, promise_value_t v) {
    promise_t *op;

    if (PROMISE_UNLIKELY(ch->closed)) return PUT_CLOSED;
    if ((op = promise__op_first(&ch->receives))) {
        promise__op_give(op, v, ++ch->numbers);
        return PUT;
    }
    if (ch->count >= ch->capacity) return PUT_MUST_WAIT;
    return PROMISE_UNLIKELY(promise__ring_push(ch, v) < 0) ? PUT_NOMEM : PUT;
}

struct taken {
    promise_value_t item;
    uint64_t number;
    promise_t *sender; /* for promise__op_sent(), or NULL */
};

/* The first that waits to send, out of its queue and without its value, which is *v; or NULL. */
static inline promise_t *promise__send_take(promise_channel_t *ch, promise_value_t *v) {
    promise_t *op = promise__op_first(&ch->sends);

    if (!op) return NULL;
    promise__op_leave(op);
    *v = op->item;
    op->item = promise_void();
    return op;
}

/* The next item, or false. What was taken must find its place before the sender is told: that may run functions of the
 * user's, which free values. */
static inline bool promise__channel_take(promise_channel_t *ch, struct taken *taken) {
    promise_value_t next;

    taken->sender = NULL;
    if (PROMISE_UNLIKELY(ch->returned.first)) {
        taken->item = promise__returned_shift(ch, &taken->number);
        return true;
    }
    if (ch->count) {
        bool was_full = ch->count == ch->capacity;
        taken->item = promise__ring_shift(ch);
        if (was_full && (taken->sender = promise__send_take(ch, &next))) promise__ring_push(ch, next);
    } else if (!(taken->sender = promise__send_take(ch, &taken->item))) {
        return false;
    }
    taken->number = ++ch->numbers;
    return true;
}

#endif
