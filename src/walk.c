/*
 * map, each, filter, reduce: a walk asks its iterator for one item after the other, and has up to limit of them in hand. Its
 * promise has a ring of elements: one on the item that was asked for, one on each promise that fn gave.
 */
#include <errno.h>

#include "ring.h"

enum mode { MAP, EACH, FILTER, REDUCE };

struct walk_slot { /* an item in hand; kept for the next one afterwards */
    struct walk_slot *next;
    promise_value_t item; /* lives until what fn gave for it has settled */
    size_t index;
};

struct walk {
    enum mode mode;
    promise_iterator_t *it;
    promise_fn *fn;
    void *arg;
    size_t limit, in_hand, count; /* count: items so far */
    bool asking, ended;           /* for an item; the iterator has */
    struct walk_slot *spare;
};

/* ---- deciding and finishing ---- */

static void drop_slot(struct walk *w, struct walk_slot *slot) {
    promise__release(slot->item);
    slot->next = w->spare;
    w->spare = slot;
    w->in_hand--;
}

/* A branch is not waited for. */
static void left(promise_t *p, void *slot) {
    if (slot) drop_slot(p->walk, slot);
    else p->walk->asking = false;
}

static void decide(promise_t *p, promise_value_t outcome) {
    promise_loop_t *loop = promise__loop(p);

    promise__release(p->result);
    p->result = outcome;
    p->flags |= FLAG_DECIDED;
    promise__ring_release(p, left);
    promise__cancel_all(loop);
}

/* filter puts the end, which no item can be, where an item was left out. */
static void compact(promise_value_t list) {
    struct list *l = promise__object(list);
    size_t kept = 0;

    for (size_t i = 0; i < l->size; i++)
        if (!promise_is_end(l->items[i])) l->items[kept++] = l->items[i];
    l->size = kept;
}

/* T5: settles p when the generator behind its iterator has left, as after a finally. Where something waits for p itself, in a
 * circle, which by way of combinators shows only in that the cancel came round, it does not. */
static void settle_after(promise_t *p, promise_t *leaving, promise_value_t result) {
    if (p->flags & FLAG_LISTED) { /* is to be cancelled */
        promise__release(result);
        result = promise__canceled();
    }
    if (p->flags & FLAG_LISTED || promise__is_cycle(p, leaving)) {
        promise__drop_ref(leaving);
        promise__settle(p, result);
        return;
    }
    promise__set_kind(p, KIND_FINALLY);
    p->flags |= FLAG_WAITING;
    p->saved = result;
    promise__wait_for(p, leaving);
}

static void finish(promise_t *p) {
    struct walk *w = p->walk;
    struct walk_slot *slot;
    promise_t *leaving = promise__iterator_leaving(w->it);
    promise_value_t result;

    if (w->mode == FILTER && !(p->flags & FLAG_DECIDED)) compact(p->result);
    p->flags |= FLAG_DECIDED;
    promise_iterator_close(w->it); /* which cancels p where its generator waits for p */
    result = p->result;
    while ((slot = w->spare)) {
        w->spare = slot->next;
        promise__free(slot);
    }
    promise__free(w);
    if (leaving) settle_after(p, leaving, result);
    else promise__resolve(p, result); /* reduce may have been given a promise to begin with */
}

/* Asks for the next item, or finishes. */
static void go_on(promise_t *p) {
    struct walk *w = p->walk;
    promise_t *next, *e;

    if (!(p->flags & FLAG_DECIDED) && !w->ended && !w->asking && !(w->limit && w->in_hand == w->limit)) {
        next = promise_next(w->it);
        e = promise__element_new(promise__loop(p), p, next);
        if (e) {
            e->slot = NULL;
            w->asking = true;
            return;
        }
        promise_cancel(next);
        decide(p, promise__nomem());
    }
    if (!p->ring && !w->in_hand && (w->ended || p->flags & FLAG_DECIDED)) finish(p);
}

void promise__walk_cancel(promise_t *p) {
    if (p->flags & FLAG_SETTLED) { /* meanwhile */
        promise__look_if_unused(p);
        return;
    }
    if (p->flags & FLAG_DECIDED) {
        promise__release(p->result);
        p->result = promise__canceled();
        return;
    }
    decide(p, promise__canceled());
    go_on(p);
}

/* ---- one item ---- */

static int put(promise_t *p, size_t index, promise_value_t v) {
    struct list *l = promise__object(p->result);

    while (l->size <= index)
        if (promise__list_add(l, promise_void()) < 0) {
            promise__release(v);
            return -1;
        }
    l->items[index] = v;
    return 0;
}

/* What fn gave for the item has settled with outcome, lent. */
static promise_value_t fold(promise_t *p, const struct walk_slot *slot, promise_value_t outcome) {
    switch (p->walk->mode) {
    case MAP: return put(p, slot->index, promise__copy(outcome)) < 0 ? promise__nomem() : promise_void();
    case FILTER:
        if (!promise_is(outcome, &promise_type_int))
            return promise_throw_at(NULL, &promise_errno_errors, EINVAL, "promise_filter: fn gave a %s, expected an int",
                                    promise_type_name(outcome));
        return put(p, slot->index, outcome.as.integer ? promise__copy(slot->item) : promise_end()) < 0 ? promise__nomem()
                                                                                                       : promise_void();
    case REDUCE:
        promise__release(p->result);
        p->result = promise__copy(outcome);
        return promise_void();
    default: return promise_void();
    }
}

static void item_done(promise_t *p, struct walk_slot *slot, promise_value_t outcome) {
    if (!(p->flags & FLAG_DECIDED)) {
        promise_value_t failure = promise_is_rejection(outcome) ? promise__copy(outcome) : fold(p, slot, outcome);
        if (promise_is_rejection(failure)) decide(p, failure);
    }
    drop_slot(p->walk, slot);
}

static struct walk_slot *slot_for(promise_t *p, promise_value_t item) {
    struct walk *w = p->walk;
    struct walk_slot *slot = w->spare;
    promise_value_t pair[2];

    if (slot) w->spare = slot->next;
    else if (!(slot = promise__malloc(sizeof *slot))) return NULL;
    slot->index = w->count++;
    slot->item = promise__copy(item);
    if (w->mode != REDUCE) return slot;
    pair[0] = promise__copy(p->result);
    pair[1] = slot->item;
    slot->item = promise_list(2, pair);
    if (!promise_is_rejection(slot->item)) return slot;
    promise__free(slot);
    return NULL;
}

/* fn gave a promise for the item, whose reference is ours: it is waited for. */
static void wait_for_given(promise_t *p, struct walk_slot *slot, promise_t *given) {
    promise_loop_t *loop = promise__loop(p);
    promise_t *e;

    if (promise__is_cycle(p, given)) {
        promise_value_t cycle = promise_throw_at(NULL, &promise_errors, PROMISE_ECYCLE, NULL);
        promise__drop_ref(given);
        item_done(p, slot, cycle);
        promise__release(cycle);
        return;
    }
    e = promise__element_new(promise__loop(p), p, given);
    if (!e) {
        promise_cancel(given);
        item_done(p, slot, promise__nomem());
        return;
    }
    e->slot = slot;
    if (!(p->flags & FLAG_DECIDED)) return;
    promise__ring_withdraw(e, left);
    promise__cancel_all(loop);
}

static void item_came(promise_t *p, promise_value_t item) {
    promise_loop_t *loop = promise__loop(p);
    struct walk *w = p->walk;
    struct walk_slot *slot = slot_for(p, item);
    promise_value_t v;

    if (!slot) {
        decide(p, promise__nomem());
        return;
    }
    w->in_hand++;
    v = promise__call(loop, p, w->fn, slot->item, w->arg);
    if (p->flags & FLAG_CANCELED && !(p->flags & FLAG_DECIDED)) decide(p, promise__canceled()); /* by fn itself */
    if (promise_is_rejection(v) || !promise__type(v) || !promise__type(v)->then) {
        item_done(p, slot, v);
        promise__release(v);
        return;
    }
    wait_for_given(p, slot, promise_from(loop, v));
}

static void asked_item(promise_t *p, promise_value_t input) {
    p->walk->asking = false;
    if (p->flags & FLAG_DECIDED) return;
    if (promise_is_rejection(input)) decide(p, promise__copy(input));
    else if (promise_is_end(input)) p->walk->ended = true;
    else item_came(p, input);
}

void promise__walk_element(promise_t *e, promise_value_t input) {
    promise_t *p = e->owner;
    struct walk_slot *slot = e->slot;

    promise__element_free(promise__loop(e), e);
    if (slot) item_done(p, slot, input);
    else asked_item(p, input);
    go_on(p);
}

/* ---- the public calls ---- */

/* Takes first, the result so far, over. */
static promise_t *walk(promise_iterator_t *it, enum mode mode, size_t limit, promise_value_t first, promise_fn *fn, void *arg,
                       const char *function) {
    promise_loop_t *loop;
    struct walk *w;
    promise_t *p;

    if (!it) promise__stop("%s: the iterator is NULL", function);
    if (!fn) promise__stop("%s: fn is NULL", function);
    loop = promise__iterator_loop(it);
    promise__check_thread(loop, function);
    w = promise__malloc(sizeof *w);
    p = w && !loop->dying && !promise_is_rejection(first) ? promise__alloc(loop, KIND_WALK) : NULL;
    if (!p) {
        promise_value_t why = promise_is_rejection(first) ? promise__copy(first) : promise__nomem();
        if (loop->dying) promise__release(why), why = promise__canceled();
        promise__release(first);
        promise__free(w);
        p = promise__settled(loop, why); /* before the iterator goes, which may be the last to hold a dead loop */
        promise_iterator_close(it);
        return p;
    }
    *w = (struct walk){.mode = mode, .it = it, .fn = fn, .arg = arg, .limit = limit};
    p->ring = NULL;
    p->walk = w;
    p->result = first;
    go_on(p);
    return p;
}

promise_t *promise_map(promise_iterator_t *it, size_t limit, promise_fn *fn, void *arg) {
    return walk(it, MAP, limit, promise_list(0, NULL), fn, arg, __func__);
}
promise_t *promise_each(promise_iterator_t *it, size_t limit, promise_fn *fn, void *arg) {
    return walk(it, EACH, limit, promise_void(), fn, arg, __func__);
}
promise_t *promise_filter(promise_iterator_t *it, size_t limit, promise_fn *fn, void *arg) {
    return walk(it, FILTER, limit, promise_list(0, NULL), fn, arg, __func__);
}
promise_t *promise_reduce(promise_iterator_t *it, promise_value_t initial, promise_fn *fn, void *arg) {
    return walk(it, REDUCE, 1, promise__take(initial), fn, arg, __func__);
}
