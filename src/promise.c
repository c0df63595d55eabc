/* Promises and resolvers: the public calls, thin over job.c and cancel.c. */
#include <promise/promise.h>

#include "core.h"

/* ---- checks ---- */

PROMISE_COLD void promise__misused(const promise_t *p, const char *function) {
    if (!p) promise__stop("%s: the promise is NULL", function);
    if (!(p->flags & FLAG_LIVE))
        promise__stop("%s: expected a promise, got one that is gone (was it consumed before?)", function);
    promise__stop("%s: expected a promise with a reference, got one that was consumed before (promise_ref it)", function);
}

PROMISE_COLD void promise__misused_resolver(const promise_t *p, const char *function) {
    if (!p) promise__stop("%s: the resolver is NULL", function);
    promise__stop("%s: expected a resolver, got one that was used before (promise_resolver_ref it)", function);
}

static void check_fn(promise_fn *fn, const char *function) {
    if (!fn) promise__stop("%s: fn is NULL", function);
}

/* ---- make ---- */

promise_t *promise_new_at(const char *where, promise_loop_t *loop, promise_resolver_t **resolver) {
    promise_t *p;
    bool nomem = false;

    if (!resolver) promise__stop("promise_new: resolver is NULL");
    loop = promise__loop_arg(loop, "promise_new");
    p = promise__slab_alloc(loop);
    if (PROMISE_UNLIKELY(!p)) {
        p = promise__slab_reserve(loop);
        nomem = true;
    }
    if (PROMISE_UNLIKELY(!p)) {
        loop->nomem->resolvers++;
        *resolver = (promise_resolver_t *)loop->nomem;
        return promise_ref(loop->nomem);
    }
    p->refs = 1;
    p->flags = FLAG_LIVE | FLAG_RESOLVERS | KIND_SOURCE;
    p->children = NULL;
    p->resolvers = 1;
    p->place = where;
    p->stop = NULL;
    *resolver = (promise_resolver_t *)p;
    if (PROMISE_UNLIKELY(nomem)) promise__doom(p);
    if (PROMISE_UNLIKELY(loop->dead)) promise__settle(p, promise__canceled());
    return p;
}

promise_t *promise_from(promise_loop_t *loop, promise_value_t v) {
    promise_t *p;

    loop = promise__loop_arg(loop, __func__);
    v = promise__take(v);
    if (!promise__must_unwrap(v)) return promise__settled(loop, v);
    if (promise__type(v) == &promise_type_promise) {
        if (promise__loop(v.as.pointer) != loop)
            promise__stop("promise_from: expected a promise of this loop, got one of another");
        return v.as.pointer;
    }
    p = promise__alloc(loop, KIND_REACTION);
    if (p) {
        promise__resolve(p, v);
        return p;
    }
    promise__release(v);
    return promise_ref(loop->nomem);
}

promise_t *promise_try(promise_loop_t *loop, promise_fn *fn, void *arg) {
    promise_t *p;

    check_fn(fn, __func__);
    loop = promise__loop_arg(loop, __func__);
    if (loop->dying) return promise__settled(loop, promise__canceled());
    p = promise__alloc(loop, KIND_REACTION);
    if (!p) return promise_ref(loop->nomem);
    p->fulfilled = fn;
    p->rejected = NULL;
    p->arg = arg;
    promise__run_late(p, NULL);
    return p;
}

/* ---- the producer's side ---- */

static bool is_open(const promise_t *p) {
    return promise__kind(p) == KIND_SOURCE && !(p->flags & (FLAG_SETTLED | FLAG_LISTED));
}

/* On the work list of cancels, and its work is done meanwhile: what stop is to use may be gone (K2). */
static void forget_stop(promise_t *p) {
    if (promise__kind(p) == KIND_SOURCE && !(p->flags & FLAG_SETTLED)) p->stop = NULL;
}

/* Lets go of one resolver; nobody is left who could settle a source without any. */
static void drop_resolver(promise_t *p) {
    if (--p->resolvers) return;
    if (p->flags & FLAG_SETTLED) promise__free_if_unused(p);
    else if (!is_open(p)) forget_stop(p);
    else
        promise__settle(p, promise_throw_at(p->place, &promise_errors, PROMISE_EABANDONED,
                                            "the last resolver of the promise made at %s was let go of",
                                            p->place ? p->place : "an unknown place"));
}

/* Counted down first: settling may free p. */
static void settle_by(promise_t *p, promise_value_t v, bool unwrap) {
    v = promise__take(v);
    if (!is_open(p)) {
        forget_stop(p);
        drop_resolver(p);
        promise__release(v);
        return;
    }
    p->resolvers--;
    if (unwrap && promise__must_unwrap(v)) {
        promise__unwrap(p, v);
        return;
    }
    if (!p->resolvers) p->flags &= ~(uint32_t)FLAG_RESOLVERS; /* freeing need not look */
    promise__settle(p, unwrap ? v : promise_throw_value(v));
}

void promise_resolve(promise_resolver_t *resolver, promise_value_t v) {
    settle_by(promise__check_resolver(resolver, __func__), v, true);
}
void promise_reject(promise_resolver_t *resolver, promise_value_t reason) {
    settle_by(promise__check_resolver(resolver, __func__), reason, false);
}
void promise_abandon(promise_resolver_t *resolver) { drop_resolver(promise__check_resolver(resolver, __func__)); }

promise_resolver_t *promise_resolver_ref(promise_resolver_t *resolver) {
    promise__check_resolver(resolver, __func__)->resolvers++;
    return resolver;
}

bool promise_resolver_is_pending(const promise_resolver_t *resolver) {
    return is_open(promise__check_resolver((promise_resolver_t *)(uintptr_t)resolver, __func__));
}

void promise_on_cancel(promise_resolver_t *resolver, void (*stop)(void *arg), void *arg) {
    promise_t *p = promise__check_resolver(resolver, __func__);

    if (promise__kind(p) != KIND_SOURCE || p->flags & FLAG_SETTLED) return;
    p->stop = stop;
    p->stop_arg = arg;
}

/* ---- the consumer's side ---- */

promise_t *promise__derive(promise_t *p, enum kind kind, promise_t **instead) {
    promise_loop_t *loop = promise__loop(p);
    promise_t *c = NULL;

    if (PROMISE_UNLIKELY(loop->dead)) *instead = p; /* settled for ever, and nothing runs */
    else if (PROMISE_UNLIKELY(!(c = promise__alloc(loop, kind)))) {
        *instead = promise_ref(loop->nomem);
        promise__drop_ref(p);
    }
    return c;
}

/* J5: new work does not run. Who waits for it must not take it for done: only a rejection passes by. */
static promise_value_t refuse(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise__canceled();
}

static PROMISE_NOINLINE promise_t *react_slow(promise_t *p, promise_fn *fulfilled, promise_fn *rejected, void *arg) {
    promise_t *instead, *c = promise__derive(p, KIND_REACTION, &instead);

    if (PROMISE_UNLIKELY(!c)) return instead;
    if (PROMISE_UNLIKELY(promise__loop(p)->dying)) {
        if (fulfilled) fulfilled = refuse;
        rejected = NULL;
    }
    c->fulfilled = fulfilled;
    c->rejected = rejected;
    c->arg = arg;
    promise__wait_for(c, p);
    return c;
}

/* The usual case by itself: p is pending, and there is a slot. */
static inline promise_t *react(promise_t *p, promise_fn *fulfilled, promise_fn *rejected, void *arg) {
    promise_loop_t *loop = promise__loop(p);
    promise_t *c;

    if (PROMISE_UNLIKELY(p->flags & FLAG_SETTLED || loop->dying || !promise__slab_has_free(loop)))
        return react_slow(p, fulfilled, rejected, arg);
    c = promise__slab_alloc(loop);
    p->refs--;
    p->flags |= FLAG_HANDLED;
    c->refs = 1;
    c->flags = FLAG_LIVE | KIND_REACTION;
    c->children = NULL;
    c->fulfilled = fulfilled;
    c->rejected = rejected;
    c->arg = arg;
    promise__append_child(p, c);
    return c;
}

promise_t *promise_then(promise_t *p, promise_fn *fn, void *arg) {
    promise__check(p, __func__);
    check_fn(fn, __func__);
    return react(p, fn, NULL, arg);
}

promise_t *promise_catch(promise_t *p, promise_fn *fn, void *arg) {
    promise__check(p, __func__);
    check_fn(fn, __func__);
    return react(p, NULL, fn, arg);
}

promise_t *promise_then_catch(promise_t *p, promise_fn *fulfilled, promise_fn *rejected, void *arg) {
    promise__check(p, __func__);
    return react(p, fulfilled, rejected, arg);
}

promise_t *promise_finally(promise_t *p, promise_fn *fn, void *arg) {
    promise_t *c, *instead;

    promise__check(p, __func__);
    check_fn(fn, __func__);
    if (promise__loop(p)->dying) return react_slow(p, refuse, NULL, NULL);
    c = promise__derive(p, KIND_FINALLY, &instead);
    if (!c) return instead;
    c->fulfilled = fn;
    c->arg = arg;
    promise__wait_for(c, p);
    return c;
}

promise_t *promise_shield(promise_t *p) {
    promise_t *c, *instead;

    promise__check(p, __func__);
    c = promise__derive(p, KIND_SHIELD, &instead);
    if (!c) return instead;
    promise__wait_for(c, p);
    return c;
}

promise_t *promise_attach(promise_t *p, void *object, void (*free_object)(void *object)) {
    promise_t *c;

    promise__check(p, __func__);
    if (!free_object) promise__stop("promise_attach: free_object is NULL");
    if (promise__loop(p)->dead) { /* settled for ever, and no drain will come */
        free_object(object);
        return p;
    }
    c = promise__alloc(promise__loop(p), KIND_ATTACH);
    if (!c) promise__stop("promise_attach: out of memory, and so is the reserve of %zu promises", (size_t)SLOTS_PER_PAGE);
    c->object = object;
    c->free_object = free_object;
    promise__wait_for(c, p);
    return c;
}

promise_value_t promise_adopt(promise_t *p) {
    promise__check(p, __func__);
    return (promise_value_t){(uintptr_t)&promise_type_promise, {.pointer = p}};
}

promise_t *promise_ref(promise_t *p) {
    promise__check(p, __func__);
    p->refs++;
    return p;
}

void promise_unref(promise_t *p) {
    if (!p) return;
    promise__check(p, __func__);
    promise__drop_ref(p);
}

/* ---- query ---- */

enum promise_state promise_get_state(const promise_t *p) {
    promise__check(p, __func__);
    if (!(p->flags & FLAG_SETTLED)) return PROMISE_PENDING;
    return promise_is_rejection(p->value) ? PROMISE_REJECTED : PROMISE_FULFILLED;
}

promise_value_t promise_peek(const promise_t *p) {
    promise__check(p, __func__);
    if (!(p->flags & FLAG_SETTLED)) return promise_void();
    promise__seen((promise_t *)(uintptr_t)p);
    return promise__mark(p->value, MARK_LENT);
}

promise_loop_t *promise_loop_of(const promise_t *p) {
    promise__check(p, __func__);
    return promise__loop(p);
}
