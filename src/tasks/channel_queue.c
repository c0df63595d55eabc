/* Who waits at a channel. */
#include "channel.h"

static bool is_case(const promise_t *p) { return promise__op(p) >= OP_CASE_SEND; }
static bool is_send(enum channel_op op) { return op == OP_SEND || op == OP_CASE_SEND; }
static struct ops *queue_of(promise_channel_t *ch, enum channel_op op) { return is_send(op) ? &ch->sends : &ch->receives; }

void promise__op_wait(promise_t *p, enum channel_op op, promise_channel_t *ch) {
    struct ops *ops = queue_of(ch, op);

    p->flags |= (uint32_t)op << MODE_SHIFT;
    p->channel = ch;
    p->next = NULL;
    p->before = ops->last;
    *(ops->last ? &ops->last->next : &ops->first) = p;
    ops->last = p;
}

void promise__op_leave(promise_t *p) {
    struct ops *ops;

    if (!p->channel) return;
    ops = queue_of(p->channel, promise__op(p));
    *(p->before ? &p->before->next : &ops->first) = p->next;
    *(p->next ? &p->next->before : &ops->last) = p->before;
    p->channel = NULL;
    if (promise__op(p) == OP_NEXT) ((struct channel_items *)p->item.as.pointer)->asked--;
}

/* Nobody can ever see what p, which has left its queue, would receive. */
static PROMISE_COLD void forget(promise_t *p) {
    if (!is_case(p)) {
        promise__settle(p, promise_void());
        return;
    }
    for (const promise_t *other = p->children->cases; other; other = other->prev)
        if (other->channel) return;
    promise__select_finish(p->children, promise_void());
}

/* Those that are being cancelled, and receives whose promise nobody has, want nothing. Skipping the latter here rather than
 * when their item comes back keeps it from going from one to the next by recursion (T2). */
promise_t *promise__op_first(struct ops *ops) {
    promise_t *p;

    while ((p = ops->first)) {
        const promise_t *owner = is_case(p) ? p->children : p;
        bool canceled = owner->flags & FLAG_LISTED;

        if (PROMISE_LIKELY(!canceled && (owner->refs || owner->children || is_send(promise__op(p))))) return p;
        promise__op_leave(p);
        if (!canceled) forget(p);
    }
    return NULL;
}

void promise__op_give(promise_t *op, promise_value_t item, uint64_t number) {
    promise_channel_t *ch = op->channel;

    promise__op_leave(op);
    if (is_case(op)) {
        promise__select_done(op, item, ch, number);
        return;
    }
    promise__item_hold(op, ch, number);
    promise__settle(op, item);
}

void promise__channel_tell(promise_t *sender) {
    if (!sender) return;
    if (is_case(sender)) promise__select_done(sender, promise_void(), NULL, 0);
    else promise__settle(sender, promise_void());
}

static void reject_send(promise_t *p, promise_value_t why) {
    promise_value_t v = p->item;

    promise__settle(p, why);
    promise__release(v);
}

void promise__ops_end(promise_channel_t *ch) {
    promise_value_t closed = promise_void();
    promise_t *p;

    while ((p = promise__op_first(&ch->receives))) {
        promise__op_leave(p);
        if (is_case(p)) promise__select_done(p, promise_end(), NULL, 0);
        else promise__settle(p, promise_end());
    }
    while ((p = promise__op_first(&ch->sends))) {
        promise__op_leave(p);
        if (is_case(p)) {
            promise__select_closed(p);
            continue;
        }
        if (promise_is_void(closed)) closed = promise__channel_closed("promise_send");
        reject_send(p, promise__copy(closed));
    }
    promise__release(closed);
}

void promise__channel_cancel(promise_t *p) {
    switch (promise__op(p)) {
    case OP_SELECT: promise__select_finish(p, promise__canceled()); break;
    case OP_SEND:
        promise__op_leave(p);
        reject_send(p, promise__canceled());
        break;
    default: promise__op_leave(p); promise__settle(p, promise__canceled());
    }
}
