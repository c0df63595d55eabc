/*
 * The engine: settling, waiting, and the queue of jobs. Nothing here recurses (T2): to settle is to queue, and the drain
 * takes one job after the other.
 */
#include "core.h"

/* ---- lists of children ---- */

void promise__unlink_child(promise_t *c) {
    promise_t *before = c->prev, *next = c->next;

    if (before == c) { /* the only one */
        promise__untag(next)->children = NULL;
    } else if (promise__is_tagged(next)) { /* the last one */
        promise__untag(next)->children->prev = before;
        before->next = next;
    } else if (promise__is_tagged(before->next)) { /* the first one: before is the last */
        promise__untag(before->next)->children = next;
        next->prev = before;
    } else {
        before->next = next;
        next->prev = before;
    }
}

void promise__move_children(promise_t *from, promise_t *to) {
    promise_t *first = from->children, *last = first->prev, *there = to->children;

    from->children = NULL;
    last->next = promise__tag(to);
    if (!there) {
        to->children = first;
        return;
    }
    first->prev = there->prev;
    there->prev->next = first;
    there->prev = last;
}

promise_t *promise__parent(const promise_t *c, int *steps) {
    while (!promise__is_tagged(c->next)) {
        if (!(*steps)--) return NULL;
        c = c->next;
    }
    return promise__untag(c->next);
}

/* ---- the queue ---- */

static void dequeue(promise_loop_t *loop) {
    loop->head = loop->head->next;
    if (!loop->head) loop->tail = &loop->head;
}

void promise__run_late(promise_t *p, promise_t *settled_parent) {
    p->prev = settled_parent;
    p->flags |= FLAG_LATE;
    promise__enqueue(promise__loop(p), p);
}

/* ---- life and death ---- */

void promise__look_if_unused(promise_t *p) {
    uint32_t flags = promise__flags(p);

    if (p->refs || flags & (FLAG_QUEUED | FLAG_LISTED)) return;
    if (flags & FLAG_RESOLVERS && p->resolvers) return;
    if (PROMISE_UNLIKELY(flags & FLAG_NAMED)) promise__name_forget(p);
    if (flags & FLAG_ITEM) promise__item_return(p);
    else promise__free_settled(promise__loop(p), p);
}

/* A promise may have been rejected with another one, and so on: the last references of such a chain go by a loop (V4). */
void promise__unref_by_value(promise_t *p) {
    static _Thread_local promise_t *dropped; /* settled, with one reference, linked by prev */
    static _Thread_local bool dropping;

    if (!(p->flags & FLAG_SETTLED) || p->refs > 1) {
        promise_unref(p);
        return;
    }
    p->prev = dropped;
    dropped = p;
    if (dropping) return;
    dropping = true;
    while ((p = dropped)) {
        dropped = p->prev;
        promise_unref(p);
    }
    dropping = false;
}

/* ---- settling ---- */

PROMISE_NOINLINE void promise__settle_alone(promise_t *p) {
    if (p->value.type & MARK_REJECTION && !(p->flags & FLAG_HANDLED)) promise__unhandled_add(promise__loop(p), p);
    else promise__free_if_unused(p);
}

promise_t *promise__settled(promise_loop_t *loop, promise_value_t v) {
    promise_t *p = promise__alloc(loop, KIND_ADOPT);

    if (!p) {
        promise__release(v);
        return promise_ref(loop->nomem);
    }
    p->flags |= FLAG_SETTLED;
    p->value = v;
    if (v.type & MARK_REJECTION) promise__unhandled_add(loop, p);
    return p;
}

/* Looks 64 steps up. */
bool promise__is_cycle(const promise_t *p, const promise_t *inner) {
    int steps = 64;

    while (inner && inner != p && promise__is_child(inner) && steps-- > 0) inner = promise__parent(inner, &steps);
    return inner == p;
}

/* A promise that nobody else can reach gives its children to the one it is to follow, and goes: that is how an endless chain
 * of returned promises stays in constant memory. */
static bool shorten(promise_t *p, promise_t *inner) {
    bool reachable = p->refs || (p->flags & FLAG_RESOLVERS && p->resolvers);

    if (reachable || p->flags & FLAG_CANCELED) return false;
    if (promise__kind(inner) == KIND_SHIELD) return false; /* a cancel from below has to wait for it (K3) */
    if (!(p->flags & FLAG_HANDLED) && (inner->refs > 1 || inner->flags & FLAG_HANDLED)) return false; /* J7: p's own */
    inner->refs--;
    if (p->flags & FLAG_HANDLED) promise__handled(inner);
    if (p->children) promise__move_children(p, inner);
    if (p->flags & FLAG_NAMED) promise__name_forget(p);
    promise__slab_release(promise__loop(p), p);
    return true;
}

/* p takes inner's outcome (2.3.2), and the caller's reference to it. */
static void follow(promise_t *p, promise_t *inner) {
    promise_loop_t *loop = promise__loop(p);

    if (promise__loop(inner) != loop)
        promise__stop("a promise was resolved with a promise of another loop: use promise_remote_t");
    if (promise__is_cycle(p, inner)) {
        promise__drop_ref(inner);
        promise__settle(p,
                        promise_throw_at(p->flags & FLAG_RESOLVERS ? p->place : NULL, &promise_errors, PROMISE_ECYCLE, NULL));
        return;
    }
    if (!(inner->flags & FLAG_SETTLED) && shorten(p, inner)) return;
    promise__set_kind(p, KIND_ADOPT);
    promise__wait_for(p, inner);
    /* K3: what is returned in a cancelled chain is cancelled at once, but for a shield. */
    if (PROMISE_UNLIKELY(p->flags & FLAG_CANCELED) && promise__is_child(p) && promise__kind(inner) != KIND_SHIELD) {
        promise__cancel_up(p);
        promise__cancel_all(loop);
    }
}

PROMISE_NOINLINE void promise__unwrap(promise_t *p, promise_value_t v) {
    if (promise__type(v) == &promise_type_promise) {
        follow(p, v.as.pointer);
        return;
    }
    if (!(p->flags & FLAG_RESOLVERS)) {
        p->flags |= FLAG_RESOLVERS;
        p->resolvers = 0;
        p->place = NULL;
    }
    p->value = v;
    promise__set_kind(p, KIND_THENABLE);
    if (p->flags & FLAG_CANCELED) p->flags |= FLAG_NO_INPUT; /* K3: it is not asked */
    promise__run_late(p, NULL);
}

/* ---- running ---- */

static inline void run_element(promise_loop_t *loop, promise_t *e, promise_value_t input) {
    if (!e->owner) promise__slab_release(loop, e);
    else if (promise__kind(e->owner) == KIND_AGGREGATE) promise__aggregate_element(loop, e, input);
    else if (promise__kind(e->owner) == KIND_WALK) promise__walk_element(e, input);
    else promise__group_element(e, input);
}

/* The input of c, pending and in no list, has come; the usual cases by themselves. */
static PROMISE_INLINE void run(promise_loop_t *loop, promise_t *c, promise_value_t input) {
    uint32_t kind = c->flags & (FLAG_KIND | FLAG_OVERRIDE);
    promise_fn *fn;

    if (PROMISE_UNLIKELY(kind != KIND_REACTION)) {
        if (kind == KIND_ELEMENT) run_element(loop, c, input);
        else if (kind == KIND_COROUTINE) promise__coroutine_run(loop, c, input);
        else promise__react(loop, c, input);
        return;
    }
    fn = input.type & MARK_REJECTION ? c->rejected : c->fulfilled;
    if (fn) {
        promise__resolve(c, promise__call(loop, c, fn, input, c->arg));
        return;
    }
    promise__pass_on(loop, c);
    promise__settle(c, promise__copy(input));
}

/* The same for c that waited for p, and p has an item of a channel. */
static PROMISE_NOINLINE void run_with_item(promise_loop_t *loop, promise_t *p, promise_t *c, bool alone) {
    promise__item_to(loop, p, c, alone);
    run(loop, c, p->value);
    promise__item_end(loop);
}

/* Does c give those below it what it gets, without a handler of the user's? */
static bool passes_on(const promise_t *c) {
    switch (promise__kind(c)) {
    case KIND_ADOPT:
    case KIND_SHIELD:
    case KIND_ATTACH:
    case KIND_TIMEOUT: return true;
    case KIND_FINALLY: return c->flags & FLAG_WAITING;
    case KIND_REACTION: return !c->fulfilled;
    default: return false;
    }
}

/* Runs the children of p, settled and in no queue, and gives the first of them that has passed the outcome on: in no queue
 * either, though it was just put at the end of it. */
static promise_t *run_children(promise_loop_t *loop, promise_t *p) {
    promise_t *next = NULL;

    while (p->children) {
        promise_t *c = promise__shift_child(p), **end = loop->tail;
        bool passes = passes_on(c);
        run(loop, c, p->value);
        if (!passes || next || *end != c || c->next) continue;
        *end = NULL;
        loop->tail = end;
        next = c;
    }
    p->flags &= ~(uint32_t)FLAG_QUEUED;
    promise__free_if_unused(p);
    return next;
}

void promise__settle_at_once(promise_loop_t *loop, promise_t *p, promise_value_t v) {
    p->value = v;
    p->flags |= FLAG_SETTLED | FLAG_QUEUED; /* so that it stays */
    while (p) p = run_children(loop, p);
}

/* p was queued as a job of its own, with a settled parent, or none. */
static void run_single(promise_loop_t *loop, promise_t *p) {
    promise_t *parent = p->prev;
    promise_value_t input = parent ? parent->value : promise_void();

    bool no_input = p->flags & FLAG_NO_INPUT;

    if (no_input) input = promise__canceled();
    p->flags &= ~(uint32_t)(FLAG_LATE | FLAG_NO_INPUT);
    if (PROMISE_UNLIKELY(parent && parent->flags & FLAG_ITEM && !no_input))
        run_with_item(loop, parent, p, parent->refs == 1 && !parent->children);
    else run(loop, p, input);
    if (parent) promise__drop_ref(parent);
}

/* All children of a settled promise have run. */
static void dequeue_settled(promise_loop_t *loop, promise_t *p) {
    uint32_t flags = promise__flags(p) & ~(uint32_t)FLAG_QUEUED;

    dequeue(loop);
    p->flags = flags;
    if (p->refs) return;
    if (PROMISE_LIKELY(!(flags & (FLAG_LISTED | FLAG_NAMED | FLAG_RESOLVERS | FLAG_ITEM)))) promise__free_settled(loop, p);
    else promise__look_if_unused(p);
}

/* A settled promise whose turn it is: its first child. */
static inline void run_child(promise_loop_t *loop, promise_t *p) {
    promise_t *c = promise__shift_child(p);

    if (PROMISE_UNLIKELY(p->flags & FLAG_ITEM)) run_with_item(loop, p, c, !p->refs && !p->children);
    else run(loop, c, p->value);
}

/* A coroutine that awaits what has settled goes on at once, and takes as much of the slice as a job does (J1). */
static void run_jobs(promise_loop_t *loop) {
    promise_t *p;

    while ((p = loop->head) && loop->at_once) {
        loop->at_once--;
        if (PROMISE_LIKELY(p->flags & FLAG_SETTLED)) {
            if (PROMISE_LIKELY(p->children != NULL)) run_child(loop, p);
            if (PROMISE_LIKELY(!p->children)) dequeue_settled(loop, p);
        } else {
            dequeue(loop);
            run_single(loop, p);
        }
    }
}

bool promise__drain(promise_loop_t *loop, unsigned budget) {
    promise_loop_t *outer = promise__current;

    promise__current = loop;
    loop->draining = loop->woken = true;
    loop->at_once = budget;
    if (loop->rejected.first) promise__unhandled_slice(loop);
    do {
        promise__cancel_all(loop);
        run_jobs(loop);
    } while (loop->cancels && loop->at_once);
    if (loop->rejected.first || loop->before.first) promise__unhandled_report(loop, !loop->head);
    loop->draining = false;
    loop->woken = loop->dying; /* the teardown drains by itself */
    promise__current = outer;
    return loop->head || loop->cancels || loop->rejected.first; /* the last ones: by the hook itself */
}

bool promise__running_is_canceled(const promise_loop_t *loop) { return loop->running && loop->running->flags & FLAG_CANCELED; }
