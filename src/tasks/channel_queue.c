/* Who waits at a channel. */
#include "channel_move.h"

/* Nobody can ever see what p, which has left its queue, would receive. */
static PROMISE_COLD void forget(promise_t *p) {
    if (!promise__op_is_case(p)) {
        promise__settle(p, promise_void());
        return;
    }
    for (const promise_t *other = p->children->cases; other; other = other->prev)
        if (other->channel) return;
    promise__select_finish(p->children, promise_void());
}

/* Those that are being cancelled, and receives whose promise nobody has, want nothing. Skipping the latter here rather than
 * when their item comes back keeps it from going from one to the next by recursion (T2). */
promise_t *promise__op_search(struct ops *ops) {
    promise_t *p;

    while ((p = ops->first)) {
        const promise_t *owner = promise__op_is_case(p) ? p->children : p;
        bool canceled = owner->flags & FLAG_LISTED;

        if (PROMISE_LIKELY(!canceled && (owner->refs || owner->children || promise__op_is_send(promise__op(p))))) return p;
        promise__op_leave(p);
        if (!canceled) forget(p);
    }
    return NULL;
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
        if (promise__op_is_case(p)) promise__select_done(p, promise_end(), NULL, 0);
        else promise__settle(p, promise_end());
    }
    while ((p = promise__op_first(&ch->sends))) {
        promise__op_leave(p);
        if (promise__op_is_case(p)) {
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
