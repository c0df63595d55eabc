/* repeat and retry: loops of promises, written with them. Each turn returns the promise of the next, and the chain is
 * shortened. */
#include <promise/timer.h>

#include "core.h"

/* The promise that fn gave for a turn. One that waits for the loop itself is refused here (2.3.1), before there is a handler
 * on it: that one would run after the loop was rejected, when what it uses is freed. */
static promise_t *given(promise_value_t v) {
    promise_t *p = promise_from(NULL, v);

    if (!promise__is_cycle(promise__current->running, p)) return p;
    promise_unref(p);
    return promise_from(NULL, promise_throw_at(NULL, &promise_errors, PROMISE_ECYCLE, NULL));
}

/* ---- repeat ---- */

struct repeat {
    promise_fn *fn;
    void *arg;
    promise_value_t last; /* kept: what the turn before gave */
};

static promise_fn turn, turned;

static void repeat_free(void *arg) {
    struct repeat *r = arg;

    promise_value_clear(&r->last);
    promise__free(r);
}

static promise_value_t turn(promise_value_t v, void *arg) {
    struct repeat *r = arg;

    (void)v;
    v = promise__returned(r->fn(promise__mark(r->last, MARK_LENT), r->arg));
    if (promise__type(v) && promise__type(v)->then && !promise_is_rejection(v))
        return promise_adopt(promise_then(given(v), turned, r));
    if (promise_is_rejection(v)) return v;
    if (promise_is_end(v)) return r->last;
    promise_value_set(&r->last, v);
    return promise_adopt(promise_try(NULL, turn, r)); /* a job of its own: others have their turn */
}

static promise_value_t turned(promise_value_t v, void *arg) {
    struct repeat *r = arg;

    if (promise_is_end(v)) return r->last;
    if (promise__running_is_canceled(promise__current)) return promise__canceled();
    promise_value_set(&r->last, v);
    return turn(v, r);
}

promise_t *promise_repeat(promise_loop_t *loop, promise_fn *fn, void *arg) {
    struct repeat *r;

    if (!fn) promise__stop("promise_repeat: fn is NULL");
    loop = promise__loop_arg(loop, __func__);
    r = promise__malloc(sizeof *r);
    if (!r) return promise__settled(loop, promise__nomem());
    *r = (struct repeat){.fn = fn, .arg = arg};
    return promise_attach(promise_try(loop, turn, r), r, repeat_free);
}

/* ---- retry ---- */

struct retry {
    struct promise_retry_policy policy;
    promise_fn *fn;
    void *arg;
    unsigned tries;
    double delay; /* the most that the next wait may be, in ms */
    uint64_t random;
};

static promise_fn attempt, failed;

/* xorshift64* (S. Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016), as a number in 0 .. 1. */
static double draw(struct retry *r) {
    r->random ^= r->random >> 12;
    r->random ^= r->random << 25;
    r->random ^= r->random >> 27;
    return (double)(r->random * 0x2545F4914F6CDD1DULL >> 11) / 9007199254740992.0;
}

static promise_value_t attempt(promise_value_t v, void *arg) {
    struct retry *r = arg;

    (void)v;
    v = promise__returned(r->fn(promise_int(++r->tries), r->arg));
    return promise_adopt(promise_catch(given(v), failed, r));
}

static promise_value_t failed(promise_value_t v, void *arg) {
    struct retry *r = arg;
    double most = r->delay < (double)r->policy.max_delay_ms ? r->delay : (double)r->policy.max_delay_ms;
    uint64_t wait = (uint64_t)(r->policy.no_jitter ? most : most * draw(r) + 0.5);

    if (r->tries >= r->policy.count || promise_is_canceled(v)) return v;
    if (promise__running_is_canceled(promise__current)) return v;
    if (r->policy.again && !r->policy.again(v, r->policy.again_arg)) return v;
    r->delay *= r->policy.factor;
    return promise_adopt(promise_then(promise_sleep(NULL, wait), attempt, r));
}

static struct promise_retry_policy with_defaults(const struct promise_retry_policy *given) {
    struct promise_retry_policy policy = given ? *given : (struct promise_retry_policy){0};

    if (!policy.count) policy.count = 3;
    if (!policy.delay_ms) policy.delay_ms = 100;
    if (!policy.max_delay_ms) policy.max_delay_ms = 30000;
    if (policy.factor == 0) policy.factor = 2;
    return policy;
}

promise_t *promise_retry(promise_loop_t *loop, const struct promise_retry_policy *policy, promise_fn *fn, void *arg) {
    struct retry *r;

    if (!fn) promise__stop("promise_retry: fn is NULL");
    loop = promise__loop_arg(loop, __func__);
    r = promise__malloc(sizeof *r);
    if (!r) return promise__settled(loop, promise__nomem());
    *r = (struct retry){.policy = with_defaults(policy), .fn = fn, .arg = arg};
    r->delay = (double)r->policy.delay_ms;
    r->random = (uint64_t)(uintptr_t)r ^ (loop->host->now ? loop->host->now(loop->host_data) << 20 : 0) ^ 0x9E3779B97F4A7C15ULL;
    if (!(r->policy.factor >= 1)) {
        promise__free(r);
        return promise__settled(loop, promise__bad_argument(__func__, "policy->factor is less than 1"));
    }
    return promise_attach(promise_try(loop, attempt, r), r, promise__free);
}
