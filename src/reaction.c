/* What each kind of promise does when its input has come. */
#include "core.h"

static void react_finally(promise_loop_t *loop, promise_t *p, promise_value_t input) {
    promise_value_t v;
    promise_t *inner;

    if (p->flags & FLAG_WAITING) { /* input is the outcome of what the handler gave */
        v = p->saved;
        if (input.type & MARK_REJECTION) {
            promise__release(v);
            v = promise__copy(input);
        }
        promise__settle(p, v);
        return;
    }
    v = promise__call(loop, p, p->fulfilled, promise_void(), p->arg);
    if (v.type & MARK_REJECTION) {
        promise__settle(p, v);
        return;
    }
    if (!promise__type(v) || !promise__type(v)->then) {
        promise__release(v);
        promise__pass_on(loop, p);
        promise__settle(p, promise__copy(input));
        return;
    }
    inner = promise_from(loop, v);
    if (promise__is_cycle(p, inner)) {
        promise__drop_ref(inner);
        promise__settle(p, promise_throw_at(NULL, &promise_errors, PROMISE_ECYCLE, NULL));
        return;
    }
    p->saved = promise__copy(input);
    p->flags |= FLAG_WAITING;
    promise__wait_for(p, inner);
}

static void react_attach(promise_loop_t *loop, promise_t *p, promise_value_t input) {
    promise_value_t v = promise__copy(input);

    loop->running = p;
    p->free_object(p->object);
    loop->running = NULL;
    promise__pass_on(loop, p);
    promise__settle(p, v);
}

static void react_timeout(promise_loop_t *loop, promise_t *p, promise_value_t input) {
    promise_value_t v = input;

    if (p->flags & FLAG_DECIDED) v = p->flags & FLAG_CANCELED ? promise__canceled() : p->timeout_outcome;
    v = promise__copy(v);
    if (p->flags & FLAG_DECIDED) promise__release(p->timeout_outcome);
    promise__timer_stop(loop, p);
    promise__pass_on(loop, p);
    promise__settle(p, v);
}

/* p has been resolved, so resolvers that it still has come too late (2.3.3.3.3): beside these, the thenable gets the
 * resolver of another promise, which p follows. */
static void react_thenable(promise_loop_t *loop, promise_t *p, promise_value_t input) {
    promise_value_t v = p->value;
    promise_resolver_t *resolver = (promise_resolver_t *)p;

    if (input.type & MARK_REJECTION) { /* cancelled before it was asked */
        promise__settle(p, input);
        promise__release(v);
        return;
    }
    if (p->resolvers) {
        promise__resolve(p, promise_adopt(promise_new_at(p->place, loop, &resolver)));
    } else {
        promise__set_kind(p, KIND_SOURCE);
        p->stop = NULL;
        p->resolvers = 1;
    }
    promise__type(v)->then(promise__type(v)->free ? promise__object(v) : v.as.pointer, resolver);
    promise__release(v);
}

/* p was cancelled, but had to wait for its input. What finally waits for may still reject: no error is lost. */
static PROMISE_COLD promise_value_t override(promise_t *p, promise_value_t input) {
    p->flags &= ~(uint32_t)FLAG_OVERRIDE;
    return p->flags & FLAG_WAITING && input.type & MARK_REJECTION ? input : promise__canceled();
}

void promise__react(promise_loop_t *loop, promise_t *p, promise_value_t input) {
    if (PROMISE_UNLIKELY(p->flags & FLAG_OVERRIDE)) input = override(p, input);
    switch (promise__kind(p)) {
    case KIND_REACTION: {
        promise_fn *fn = input.type & MARK_REJECTION ? p->rejected : p->fulfilled;
        if (fn) {
            promise__resolve(p, promise__call(loop, p, fn, input, p->arg));
            break;
        }
        promise__pass_on(loop, p);
        promise__settle(p, promise__copy(input));
        break;
    }
    case KIND_ADOPT:
    case KIND_SHIELD:
        promise__pass_on(loop, p);
        promise__settle(p, promise__copy(input));
        break;
    case KIND_FINALLY: react_finally(loop, p, input); break;
    case KIND_ATTACH: react_attach(loop, p, input); break;
    case KIND_TIMEOUT: react_timeout(loop, p, input); break;
    case KIND_COROUTINE: promise__coroutine_run(loop, p, input); break;
    case KIND_TURN: promise__turn_run(loop, p, input); break;
    case KIND_THENABLE: react_thenable(loop, p, input); break;
    default: promise__stop("a promise of kind %d was run: this is a bug of libpromise", (int)promise__kind(p));
    }
}
