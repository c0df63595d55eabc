/*
 * Items that nobody has seen (K6). A receive that is settled holds its item for its channel: when the promise goes without
 * anybody having seen that, the item goes back. Whatever passes a value by takes the item over from what it waited for; what
 * else gets it has seen it.
 */
#include "channel_move.h"

void promise__item_to(promise_loop_t *loop, promise_t *p, const promise_t *c, bool alone) {
    bool is_element = promise__kind(c) == KIND_ELEMENT, is_coroutine = promise__kind(c) == KIND_COROUTINE;

    /* Cancelled while it waited, c gets something else; then the item goes back with p. */
    if (c->flags & FLAG_OVERRIDE || (is_element && !c->owner)) return;
    if (is_coroutine && c->flags & FLAG_CANCELED && !promise__coroutine_is_shielded(c)) return;
    if (is_element || is_coroutine || !alone || (promise__kind(c) == KIND_REACTION && c->fulfilled)) {
        promise__item_seen(p);
        return;
    }
    p->flags &= ~(uint32_t)FLAG_ITEM;
    loop->item.channel = p->channel;
    loop->item.number = p->number;
}

void promise__item_end(promise_loop_t *loop) {
    promise_channel_t *ch = loop->item.channel;

    loop->item.channel = NULL;
    if (ch) promise__channel_drop_life(ch);
}

/* Where there are resolvers there is no room for it. */
void promise__item_pass(promise_loop_t *loop, promise_t *p) {
    if (p->flags & FLAG_RESOLVERS) return;
    p->number = loop->item.number;
    p->channel = loop->item.channel;
    p->flags |= FLAG_ITEM;
    loop->item.channel = NULL;
}

void promise__item_seen(promise_t *p) {
    p->flags &= ~(uint32_t)FLAG_ITEM;
    promise__channel_drop_life(p->channel);
}

/* By number; mostly it belongs at one of the ends. */
static void put_back(promise_channel_t *ch, promise_t *p) {
    promise_t *after = ch->returned.first, *before = NULL;

    if (after && after->number < p->number) {
        after = NULL;
        before = ch->returned.last;
        while (before->number > p->number) after = before, before = before->prev;
    }
    p->next = after;
    p->prev = before;
    *(before ? &before->next : &ch->returned.first) = p;
    *(after ? &after->prev : &ch->returned.last) = p;
    ch->returned_count++;
}

void promise__item_return(promise_t *p) {
    promise_channel_t *ch = p->channel;
    promise_loop_t *loop = promise__loop(p);
    promise_value_t item = p->value;
    uint64_t number = p->number;
    promise_t *op;

    p->flags &= ~(uint32_t)FLAG_ITEM;
    if (promise__type(item) == &promise__selected_type) {
        item = promise__copy(((struct selected *)promise__object(p->value))->value);
        promise__release(p->value);
        p->value = item;
    }
    if (!ch->refs || !ch->source.loop) { /* nobody can receive it any more */
        promise__slab_release(loop, p);
        promise__release(item);
    } else if ((op = promise__op_first(&ch->receives))) {
        promise__slab_release(loop, p);
        promise__op_give(op, item, number);
    } else {
        put_back(ch, p);
    }
    promise__channel_drop_life(ch);
}
