/*
 * Channels from the inside. Whoever waits is a promise of KIND_CHANNEL, which is linked into the queue of its channel itself:
 *
 *     channel ─ receives: R1 ── R2 ── R3        each a promise that is pending, or a case: a slot of the slab that is
 *             ─ sends:    S1 ── S2              nobody's promise, and knows its select
 *             ─ returned: items that came back, oldest first: the receives that had them
 *             ─ ring:     items in the buffer
 *
 * While somebody waits to receive there is neither an item nor, but for cases of the very same select, a send. The number of
 * an item tells when it left the ring or its sender, so that what comes back finds its place.
 */
#ifndef PROMISE_SRC_TASKS_CHANNEL_H
#define PROMISE_SRC_TASKS_CHANNEL_H

#include <promise/channel.h>
#include <promise/source.h>

#include "../core.h"

enum channel_op { /* in FLAG_MODE */
                  OP_SEND,
                  OP_RECEIVE,
                  OP_NEXT, /* a receive for an iterator, which is item.as.pointer */
                  OP_SELECT,
                  OP_CASE_SEND,
                  OP_CASE_RECEIVE
};

struct ops { /* linked by next and before */
    promise_t *first, *last;
};

struct promise_channel {
    struct promise_source source;
    promise_loop_t *loop;
    promise_t *anchor; /* a reference of ours: the loop's memory stays as long as the channel */
    size_t refs;       /* the users' */
    size_t life; /* what keeps the memory: one for all refs, one for each item that nobody has seen, and for whoever works */
    bool closed;
    struct ops sends, receives;
    struct ops returned; /* settled slots, by number */
    size_t returned_count;
    uint64_t numbers;      /* the last one that was given */
    promise_value_t *ring; /* size slots, a power of two or 0 */
    size_t size, first, count, capacity;
    promise_channel_t *next_dead; /* in channel.c */
};

struct channel_items {          /* an iterator */
    promise_channel_t *channel; /* a reference */
    size_t asked;               /* its receives that wait */
};

struct selected { /* the object of what a select gives */
    size_t index;
    promise_value_t value;
};
extern const struct promise_type promise__selected_type;

promise_channel_t *promise__channel_arg(const promise_channel_t *ch, const char *function);
promise_value_t promise__channel_closed(const char *function); /* the rejection */
void promise__channel_free(promise_channel_t *ch);
static inline void promise__channel_drop_life(promise_channel_t *ch) {
    if (PROMISE_UNLIKELY(!--ch->life)) promise__channel_free(ch);
}

promise_value_t promise__channel_no_item(promise_value_t v, const char *function);
/* Why v cannot be sent, or void; v stays the caller's, also when it is the reason. */
static inline promise_value_t promise__channel_refuses(promise_value_t v, const char *function) {
    if (PROMISE_UNLIKELY(v.type & MARK_REJECTION || promise__must_unwrap(v) || promise_is_end(v)))
        return promise__channel_no_item(v, function);
    return promise_void();
}

/* ---- channel_queue.c: who waits ---- */

static inline enum channel_op promise__op(const promise_t *p) {
    return (enum channel_op)((p->flags & FLAG_MODE) >> MODE_SHIFT);
}
static inline bool promise__op_is_case(const promise_t *p) { return promise__op(p) >= OP_CASE_SEND; }
static inline bool promise__op_is_send(enum channel_op op) { return op == OP_SEND || op == OP_CASE_SEND; }
static inline struct ops *promise__ops(promise_channel_t *ch, enum channel_op op) {
    return promise__op_is_send(op) ? &ch->sends : &ch->receives;
}

/* p comes to the end of its queue. */
static inline void promise__op_wait(promise_t *p, enum channel_op op, promise_channel_t *ch) {
    struct ops *ops = promise__ops(ch, op);

    p->flags |= (uint32_t)op << MODE_SHIFT;
    p->channel = ch;
    p->next = NULL;
    p->before = ops->last;
    *(ops->last ? &ops->last->next : &ops->first) = p;
    ops->last = p;
}
/* p leaves its queue, if it is in one. */
static inline void promise__op_leave(promise_t *p) {
    struct ops *ops;

    if (!p->channel) return;
    ops = promise__ops(p->channel, promise__op(p));
    *(p->before ? &p->before->next : &ops->first) = p->next;
    *(p->next ? &p->next->before : &ops->last) = p->before;
    p->channel = NULL;
    if (promise__op(p) == OP_NEXT) ((struct channel_items *)p->item.as.pointer)->asked--;
}
promise_t *promise__op_search(struct ops *ops);
/* The first in the queue that still wants to; those before it leave. */
static inline promise_t *promise__op_first(struct ops *ops) {
    promise_t *p = ops->first;

    if (!p || ((p->refs || p->children) && !(promise__flags(p) & (FLAG_LISTED | FLAG_SETTLED)))) return p; /* the usual cases */
    return promise__op_search(ops);
}
/* All who wait: the receives get the end, the sends are rejected. */
void promise__ops_end(promise_channel_t *ch);

/* ---- channel_buffer.c: what is in it ---- */

int promise__ring_grow(promise_channel_t *ch); /* by half at least; -1 when out of memory */
void promise__ring_free(promise_channel_t *ch);
/* The first of those that came back. */
promise_value_t promise__returned_shift(promise_channel_t *ch, uint64_t *number);
void promise__channel_empty(promise_channel_t *ch); /* releases all that is in it */

/* ---- select.c ---- */

extern _Thread_local uint32_t promise__select_draws; /* the last random number: never 0 */

/* One of the cases, which has left its queue, is what its select does. channel NULL: value is not an item of one. */
void promise__select_done(promise_t *one, promise_value_t value, promise_channel_t *channel, uint64_t number);
void promise__select_closed(promise_t *one);                           /* the same for a send to a channel that was closed */
void promise__select_finish(promise_t *select, promise_value_t value); /* settles it, and lets go of all its cases */

#endif
