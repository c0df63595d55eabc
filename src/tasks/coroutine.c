/* Coroutines: starting, awaiting, leaving. */
#include "tasks/coroutine.h"

#include <string.h>

#include "tasks/generator.h"

enum { ALIGNMENT = 64 };

/* ---- who is running ---- */

static promise_t *running(void) {
    promise_t *p = promise__current ? promise__current->running : NULL;

    return p && promise__kind(p) == KIND_COROUTINE ? p : NULL;
}

const void *promise__coroutine_current(void) { return running(); }

promise_t *promise__coroutine_arg(const char *function) {
    promise_t *p = running();

    if (PROMISE_UNLIKELY(!p))
        promise__stop("%s: expected a coroutine (promise_async, promise_then_async), called outside of one", function);
    return p;
}

bool promise_in_coroutine(void) { return running(); }

/* ---- on its stack ---- */

/* Each is out of the list before it runs: it may await, and defer more. */
static void run_deferred(promise_loop_t *loop, struct coroutine *co) {
    promise_t *slot;

    while ((slot = co->deferred)) {
        void (*fn)(void *arg) = slot->free_object;
        void *arg = slot->object;
        co->deferred = slot->next;
        promise__slab_release(loop, slot);
        fn(arg);
    }
}

static void body(void *arg) {
    struct coroutine *co = arg;
    promise_t *p = co->promise;
    promise_value_t result = promise__returned(p->fulfilled(promise__mark(co->input, MARK_LENT), p->arg));

    run_deferred(promise__loop(p), co);
    co->outcome = result;
    co->left = true;
    promise__context_leave(&co->context, co->drain);
}

/* ---- from the drain ---- */

/* Takes result over. */
static void settle(promise_t *p, promise_value_t result) {
    if (PROMISE_UNLIKELY(p->fulfilled == promise__generator_body)) result = promise__generator_left(p->arg, result);
    promise__resolve(p, result);
}

/* It gives its stack back before anything comes of its end. */
static PROMISE_NOINLINE void leave(promise_t *p, struct coroutine *co) {
    promise_value_t input = co->input, result = co->outcome;
    struct promise__stack stack = co->stack;

    promise__stack_give(&stack);
    promise__release(input);
    settle(p, result);
}

/* J5: when the loop goes it is as if each were cancelled. */
static PROMISE_INLINE void enter(promise_loop_t *loop, promise_t *p, struct coroutine *co, int status) {
    struct promise__context here = {0};

    if (PROMISE_UNLIKELY(loop->dying)) p->flags |= FLAG_CANCELED;
    co->drain = &here;
    loop->running = p;
    promise__context_bring(&here, &co->context, status);
    loop->running = NULL;
    promise__stack_check(&co->stack);
    if (co->left) leave(p, co);
}

/* Appends text to what is in the buffer, as far as there is room. */
static void append(char *buffer, size_t size, const char *text) {
    size_t used = strlen(buffer);

    while (*text && used + 1 < size) buffer[used++] = *text++;
    buffer[used] = 0;
}

/* Who overflowed its stack: called by a signal's handler. */
static void describe(void *arg, char *buffer, size_t size) {
    const char *name = promise__name_of(arg);

    if (!size) return;
    buffer[0] = 0;
    append(buffer, size, name ? "the coroutine \"" : "a coroutine without a name (promise_set_name)");
    if (!name) return;
    append(buffer, size, name);
    append(buffer, size, "\"");
}

static PROMISE_NOINLINE void start(promise_loop_t *loop, promise_t *p, promise_value_t input) {
    struct promise__stack stack;
    struct coroutine *co;
    uintptr_t top;

    if (promise__stack_take(&stack, p->stack_size, describe, p) < 0) {
        settle(p, promise__nomem());
        return;
    }
    top = ((uintptr_t)stack.base + stack.size - sizeof *co) & ~(uintptr_t)(ALIGNMENT - 1);
    co = (struct coroutine *)top;
    /* One by one: as a whole they would be read as vectors, and wait for the words that have just been written. */
    co->stack.base = stack.base;
    co->stack.size = stack.size;
    co->stack.slot = stack.slot;
    co->stack.canary = stack.canary;
    co->promise = p;
    co->input = promise__copy(input);
    co->deferred = NULL;
    co->shielded = co->left = false;
    p->coroutine = co;
    promise__context_make(&co->context, stack.base, top - (uintptr_t)stack.base, body, co);
    enter(loop, p, co, 0);
}

/* O4 */
static inline int hold(promise_value_t *v, promise_value_t outcome) {
    int status = outcome.type & MARK_REJECTION ? -1 : 0;

    if (PROMISE_LIKELY(v != NULL)) {
        promise_value_t old = *v;
        *v = promise__mark(outcome, MARK_HELD);
        outcome = old;
        if ((old.type & MARK_OWNER) == MARK_LENT) return status;
    }
    promise__release(outcome);
    return status;
}

/* Puts what comes where it is waited for, before the switch, so that nothing is left to do there after it. */
static inline int deliver(struct coroutine *co, promise_value_t outcome) {
    co->shielded = false;
    if (co->into != &co->outcome) return hold(co->into, outcome);
    co->outcome = outcome;
    return 0;
}

/* K3: a cancelled one gets nothing else, but from a shield. */
void promise__coroutine_run(promise_loop_t *loop, promise_t *p, promise_value_t input) {
    struct coroutine *co = p->coroutine;

    if (!co) {
        if (input.type & MARK_REJECTION) settle(p, promise__copy(input));
        else start(loop, p, input);
        return;
    }
    if (PROMISE_UNLIKELY(p->flags & FLAG_CANCELED) && !co->shielded) input = promise__canceled();
    enter(loop, p, co, deliver(co, promise__copy(input)));
}

bool promise__coroutine_is_shielded(const promise_t *p) { return p->coroutine && p->coroutine->shielded; }

/* ---- await ---- */

/* The outcome of q, settled, whose reference is the caller's. */
static inline promise_value_t outcome_of(promise_loop_t *loop, promise_t *q) {
    uint32_t others = FLAG_QUEUED | FLAG_LISTED | FLAG_NAMED | FLAG_RESOLVERS;
    promise_value_t v = q->value;

    promise__handled(q);
    promise__seen(q);
    if (q->refs == 1 && !(promise__flags(q) & others)) {
        promise__slab_release(loop, q);
        return v;
    }
    promise__retain(v);
    promise__drop_ref(q);
    return v;
}

promise_value_t promise__coroutine_pause(promise_loop_t *loop, promise_t *p) {
    struct coroutine *co = p->coroutine;

    loop->running = NULL;
    co->into = &co->outcome;
    promise__context_switch(&co->context, co->drain);
    return co->outcome;
}

static inline int suspend(promise_loop_t *loop, promise_t *p, promise_t *q, promise_value_t *v) {
    struct coroutine *co = p->coroutine;

    co->shielded = promise__kind(q) == KIND_SHIELD;
    co->into = v;
    loop->running = NULL;
    promise__wait_for(p, q);
    if (PROMISE_UNLIKELY(p->flags & FLAG_CANCELED) && !co->shielded) { /* K3: at once, and waited for */
        promise__cancel_up(p);
        promise__cancel_all(loop);
    }
    return promise__context_bring(&co->context, co->drain, 0);
}

static promise_value_t cycle(promise_t *q) {
    promise__drop_ref(q);
    return promise_throw_at(NULL, &promise_errors, PROMISE_ECYCLE, "a coroutine was to wait for itself");
}

/* Awaits q where that is a wait, or not what it gives. A function of its own, which promise_await() jumps to, and which ends by
 * jumping: the processor predicts where returns go, and after a switch each is predicted wrongly. */
static PROMISE_NOINLINE int await_slowly(promise_loop_t *loop, promise_t *p, promise_t *q, promise_value_t *v) {
    if (loop->canceling) promise__stop("promise_await: called inside a stop function (promise_on_cancel)");
    if (promise__is_releasing()) promise__stop("promise_await: called while a value is freed");
    if (promise__is_cycle(p, q)) return hold(v, cycle(q));
    if (promise__kind(q) == KIND_TURN && loop->at_once && !(p->flags & FLAG_CANCELED)) promise__turn_tell(q);
    if (!(q->flags & FLAG_SETTLED) || !loop->at_once) return suspend(loop, p, q, v);
    loop->at_once--;
    if (promise__kind(q) == KIND_SHIELD || !(p->flags & FLAG_CANCELED)) return hold(v, outcome_of(loop, q));
    promise__handled(q);
    promise__drop_ref(q); /* unseen: an item goes back to its channel (K6) */
    return hold(v, promise__canceled());
}

/* q has settled, and is no wait. */
static PROMISE_NOINLINE int await_settled(promise_loop_t *loop, promise_t *q, promise_value_t *v) {
    return hold(v, outcome_of(loop, q));
}

/* No value is counted, and q has no more to it than a value: the usual awaits, without a call, and so without registers to
 * keep.
 */
static inline bool is_plain(promise_value_t outcome, uint32_t flags, const promise_value_t *v) {
    uint32_t more = FLAG_QUEUED | FLAG_LISTED | FLAG_NAMED | FLAG_RESOLVERS | FLAG_REPORTED | FLAG_ITEM;

    return !(flags & more) && v && !promise__is_counted(*v) && !promise__is_counted(outcome);
}

int promise_await(promise_t *q, promise_value_t *v) {
    promise_t *p = promise__coroutine_arg(__func__);
    promise_loop_t *loop = promise__current;
    promise_value_t outcome;
    uint32_t flags;

    promise__check(q, __func__);
    if (PROMISE_UNLIKELY(promise__loop(q) != loop))
        promise__stop("promise_await: expected a promise of this loop, got one of another: use promise_remote_t");
    flags = q->flags;
    if (PROMISE_UNLIKELY(!(flags & FLAG_SETTLED) || !loop->at_once || p->flags & FLAG_CANCELED))
        return await_slowly(loop, p, q, v);
    loop->at_once--;
    outcome = q->value;
    if (!is_plain(outcome, flags, v)) return await_settled(loop, q, v);
    *v = promise__mark(outcome, MARK_HELD);
    if (!--q->refs) promise__slab_release(loop, q);
    else if (!(flags & FLAG_HANDLED)) q->flags = flags | FLAG_HANDLED;
    return outcome.type & MARK_REJECTION ? -1 : 0;
}

/* ---- the other public calls ---- */

static void coroutine_new(promise_t *p, const struct promise_coroutine_options *options, promise_fn *fn, void *arg) {
    p->fulfilled = fn;
    p->arg = arg;
    p->coroutine = NULL;
    p->stack_size = options ? options->stack_size : 0;
    if (options && options->name) (void)promise_set_name(p, options->name);
}

static promise_t *async(promise_loop_t *loop, const struct promise_coroutine_options *options, promise_fn *fn, void *arg,
                        const char *function) {
    promise_t *p;

    if (!fn) promise__stop("%s: fn is NULL", function);
    loop = promise__loop_arg(loop, function);
    if (loop->dying) return promise__settled(loop, promise__canceled());
    p = promise__alloc(loop, KIND_COROUTINE);
    if (!p) return promise_ref(loop->nomem);
    coroutine_new(p, options, fn, arg);
    promise__run_late(p, NULL);
    return p;
}

promise_t *promise_async(promise_loop_t *loop, promise_fn *fn, void *arg) { return async(loop, NULL, fn, arg, __func__); }
promise_t *promise_async_with(promise_loop_t *loop, const struct promise_coroutine_options *options, promise_fn *fn,
                              void *arg) {
    return async(loop, options, fn, arg, __func__);
}

static promise_t *then_async(promise_t *p, const struct promise_coroutine_options *options, promise_fn *fn, void *arg,
                             const char *function) {
    promise_t *c, *instead;

    promise__check(p, function);
    if (!fn) promise__stop("%s: fn is NULL", function);
    if (promise__loop(p)->dying) return promise_then(p, fn, arg); /* which refuses it (J5) */
    c = promise__derive(p, KIND_COROUTINE, &instead);
    if (!c) return instead;
    coroutine_new(c, options, fn, arg);
    promise__wait_for(c, p);
    return c;
}

promise_t *promise_then_async(promise_t *p, promise_fn *fn, void *arg) { return then_async(p, NULL, fn, arg, __func__); }
promise_t *promise_then_async_with(promise_t *p, const struct promise_coroutine_options *options, promise_fn *fn, void *arg) {
    return then_async(p, options, fn, arg, __func__);
}

void promise_defer(void (*fn)(void *arg), void *arg) {
    promise_t *p = promise__coroutine_arg(__func__), *slot;

    if (!fn) promise__stop("promise_defer: fn is NULL");
    slot = promise__alloc(promise__current, KIND_ATTACH);
    if (!slot) promise__stop("promise_defer: out of memory, and so is the reserve of %zu promises", (size_t)SLOTS_PER_PAGE);
    slot->flags |= FLAG_SETTLED; /* nobody's: it waits for nothing */
    slot->object = arg;
    slot->free_object = fn;
    slot->next = p->coroutine->deferred;
    p->coroutine->deferred = slot;
}
