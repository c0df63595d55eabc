/* Channels: making and owning them, and the public calls. */
#include <errno.h>
#include <string.h>

#include "channel_move.h"

/* ---- the value ---- */

static void retain(void *object) { promise_channel_ref(object); }
static void release(void *object) { promise_channel_unref(object); }

const struct promise_type promise_type_channel = {
    .size = sizeof(struct promise_type), .name = "channel", .retain = retain, .release = release};

promise_value_t promise_channel_value(promise_channel_t *ch) {
    promise_loop_t *loop = promise_source_nomem_loop(ch);

    if (loop) return promise__no_object(loop);
    return ch ? promise_object(&promise_type_channel, ch) : promise__bad_argument(__func__, "ch is NULL");
}

promise_channel_t *promise_as_channel(promise_value_t v) { return promise__as_object_of(v, &promise_type_channel, __func__); }

/* ---- make, own ---- */

promise_channel_t *promise__channel_arg(const promise_channel_t *ch, const char *function) {
    if (PROMISE_UNLIKELY(!ch)) promise__stop("%s: the channel is NULL", function);
    if (PROMISE_UNLIKELY(!ch->refs)) promise__stop("%s: expected a channel, got one that is gone", function);
    promise__check_thread(ch->loop, function);
    return (promise_channel_t *)(uintptr_t)ch;
}

static void close_now(promise_channel_t *ch) {
    if (ch->closed) return;
    ch->closed = true;
    ch->life++; /* while values are released, which may let go of it */
    promise__ops_end(ch);
    promise__channel_drop_life(ch);
}

/* All that waited was cancelled; nobody will receive what is in it. */
static void loop_gone(struct promise_source *source) {
    promise_channel_t *ch = (promise_channel_t *)source;

    ch->life++;
    close_now(ch);
    promise__channel_empty(ch);
    promise__channel_drop_life(ch);
}

promise_channel_t *promise_channel_new(promise_loop_t *loop, size_t capacity) {
    promise_channel_t *ch;

    loop = promise__loop_arg(loop, __func__);
    ch = promise__malloc(sizeof *ch);
    if (!ch) return promise_source_nomem(loop);
    memset(ch, 0, sizeof *ch);
    if (promise_source_add(loop, &ch->source, loop_gone) < 0) {
        promise__free(ch);
        return promise_source_nomem(loop);
    }
    ch->loop = loop;
    ch->anchor = promise_ref(loop->nomem);
    ch->refs = ch->life = 1;
    ch->capacity = capacity;
    return ch;
}

promise_channel_t *promise_channel_ref(promise_channel_t *ch) {
    if (!promise_source_nomem_loop(ch)) promise__channel_arg(ch, __func__)->refs++;
    return ch;
}

void promise__channel_free(promise_channel_t *ch) {
    promise_t *anchor = ch->anchor;

    promise__free(ch);
    promise__drop_ref(anchor);
}

static void destroy(promise_channel_t *ch) {
    close_now(ch);
    promise__channel_empty(ch);
    promise_source_remove(&ch->source);
    promise__channel_drop_life(ch);
}

/* A channel may be in a channel, and so on: the last references of such a chain go by a loop (V4). */
void promise_channel_unref(void *arg) {
    promise_channel_t *ch = arg;
    static _Thread_local promise_channel_t *dead;
    static _Thread_local bool destroying;

    if (!ch || promise_source_nomem_loop(ch)) return;
    if (--promise__channel_arg(ch, __func__)->refs) return;
    ch->next_dead = dead;
    dead = ch;
    if (destroying) return;
    destroying = true;
    while ((ch = dead)) {
        dead = ch->next_dead;
        destroy(ch);
    }
    destroying = false;
}

/* ---- send ---- */

promise_value_t promise__channel_closed(const char *function) {
    return promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "%s: the channel is closed", function);
}

PROMISE_COLD promise_value_t promise__channel_no_item(promise_value_t v, const char *function) {
    if (promise_is_rejection(v)) return promise__copy(v);
    if (promise_is_end(v)) return promise__bad_argument(function, "the value is the end: close the channel instead");
    return promise__bad_argument(function, "the value is a promise or a thenable: wait for it first");
}

/* p, new, is settled with that, or waits to send v. */
static void settle_send(promise_channel_t *ch, promise_t *p, promise_value_t v, enum put put) {
    switch (put) {
    case PUT:
        p->flags |= FLAG_SETTLED;
        p->value = promise_void();
        break;
    case PUT_MUST_WAIT:
        p->item = v;
        promise__op_wait(p, OP_SEND, ch);
        break;
    default:
        promise__settle(p, put == PUT_CLOSED ? promise__channel_closed("promise_send") : promise__nomem());
        promise__release(v);
    }
}

/* Takes v over. */
static promise_t *send_value(promise_channel_t *ch, promise_value_t v) {
    promise_loop_t *loop = ch->loop;
    promise_value_t why = loop->dying ? promise__canceled() : promise__channel_refuses(v, "promise_send");
    promise_t *p;

    if (PROMISE_UNLIKELY(!promise_is_void(why))) {
        promise__release(v);
        return promise__settled(loop, why);
    }
    p = promise__alloc(loop, KIND_CHANNEL);
    if (PROMISE_UNLIKELY(!p)) {
        promise__release(v);
        return promise_ref(loop->nomem);
    }
    settle_send(ch, p, v, promise__channel_put(ch, v));
    return p;
}

promise_t *promise_send(promise_channel_t *ch, promise_value_t v) {
    promise_loop_t *loop = promise_source_nomem_loop(ch);

    if (PROMISE_LIKELY(!loop)) {
        ch = promise__channel_arg(ch, __func__);
        return send_value(ch, promise__take(v));
    }
    promise__release(promise__take(v));
    return promise__settled(loop, promise__no_object(loop));
}

bool promise_channel_try_send(promise_channel_t *ch, promise_value_t v) {
    promise_value_t why = promise_void();

    v = promise__take(v);
    if (!promise_source_nomem_loop(ch)) {
        why = promise__channel_refuses(v, __func__);
        if (promise_is_void(why) && promise__channel_put(promise__channel_arg(ch, __func__), v) == PUT) return true;
    }
    promise__release(why);
    promise__release(v);
    return false;
}

/* ---- receive ---- */

/* For an iterator, unless that is NULL. */
static promise_t *receive(promise_channel_t *ch, struct channel_items *items) {
    struct taken taken;
    promise_t *p;

    if (PROMISE_UNLIKELY(ch->loop->dying)) return promise__settled(ch->loop, promise__canceled());
    p = promise__alloc(ch->loop, KIND_CHANNEL);
    if (PROMISE_UNLIKELY(!p)) return promise_ref(ch->loop->nomem);
    if (promise__channel_take(ch, &taken)) {
        p->flags |= FLAG_SETTLED;
        p->value = taken.item;
        promise__item_hold(p, ch, taken.number);
        promise__op_sent(taken.sender);
    } else if (ch->closed) {
        p->flags |= FLAG_SETTLED;
        p->value = promise_end();
    } else {
        p->item.as.pointer = items;
        if (items) items->asked++;
        promise__op_wait(p, items ? OP_NEXT : OP_RECEIVE, ch);
    }
    return p;
}

promise_t *promise_receive(promise_channel_t *ch) {
    promise_loop_t *loop = promise_source_nomem_loop(ch);

    if (PROMISE_UNLIKELY(loop)) return promise__settled(loop, promise__no_object(loop));
    return receive(promise__channel_arg(ch, __func__), NULL);
}

bool promise_channel_try_receive(promise_channel_t *ch, promise_value_t *v) {
    struct taken taken = {.item = promise_end()};
    promise_value_t old;
    bool is_nomem = promise_source_nomem_loop(ch), got;

    if (!v) promise__stop("promise_channel_try_receive: v is NULL");
    got = !is_nomem && (promise__channel_take(promise__channel_arg(ch, __func__), &taken) || ch->closed);
    old = *v;
    *v = got ? promise__mark(taken.item, MARK_HELD) : promise_void();
    if ((old.type & MARK_OWNER) != MARK_LENT) promise__release(old);
    if (got) promise__op_sent(taken.sender);
    return got;
}

/* ---- its items ---- */

static promise_t *next_item(void *arg) {
    struct channel_items *items = arg;

    return receive(items->channel, items);
}

static void close_items(void *arg) {
    struct channel_items *items = arg;
    promise_t *p = items->asked ? items->channel->receives.first : NULL, *next;

    for (; p && items->asked; p = next) {
        next = p->next;
        if (promise__op(p) != OP_NEXT || p->item.as.pointer != items) continue;
        promise__op_leave(p);
        if (!(p->flags & FLAG_LISTED)) promise__settle(p, promise__canceled());
    }
    promise_channel_unref(items->channel);
    promise__free(items);
}

promise_iterator_t *promise_channel_items(promise_channel_t *ch) {
    static const struct promise_feeder feeder = {next_item, close_items};
    promise_loop_t *loop = promise_source_nomem_loop(ch);
    struct channel_items *items;

    if (loop) return promise_list_items(loop, promise__no_object(loop));
    loop = promise__channel_arg(ch, __func__)->loop;
    if (loop->dead) promise__stop("promise_channel_items: expected a channel, got one whose loop was freed");
    items = promise__malloc(sizeof *items);
    if (!items) return promise_list_items(loop, promise__nomem());
    *items = (struct channel_items){.channel = promise_channel_ref(ch)};
    return promise__iterator_fed(loop, &feeder, items);
}

/* ---- close, query ---- */

void promise_channel_close(void *ch) {
    if (ch && !promise_source_nomem_loop(ch)) close_now(promise__channel_arg(ch, __func__));
}

size_t promise_channel_size(const promise_channel_t *ch) {
    if (promise_source_nomem_loop(ch)) return 0;
    ch = promise__channel_arg(ch, __func__);
    return ch->count + ch->returned_count;
}

size_t promise_channel_capacity(const promise_channel_t *ch) {
    return promise_source_nomem_loop(ch) ? 0 : promise__channel_arg(ch, __func__)->capacity;
}

bool promise_channel_is_closed(const promise_channel_t *ch) {
    return promise_source_nomem_loop(ch) || promise__channel_arg(ch, __func__)->closed;
}
