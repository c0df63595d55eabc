/* Sleeping, timeouts, deadlines, ticks. */
#include <promise/timer.h>

#include <errno.h>
#include <stddef.h>

#include "core.h"

static bool has_clock(const promise_loop_t *loop) { return loop->host->now && loop->host->after && loop->host->cancel_after; }

static promise_value_t no_clock(const char *function) {
    return promise_throw_at(NULL, &promise_errno_errors, ENOSYS, "%s: the loop's host has no clock", function);
}

void promise__timer_stop(promise_loop_t *loop, promise_t *p) {
    if (p->timer) loop->host->cancel_after(loop->host_data, p->timer);
    p->timer = NULL;
}

uint64_t promise_now(promise_loop_t *loop) {
    loop = promise__loop_arg(loop, __func__);
    return loop->host->now ? loop->host->now(loop->host_data) : 0;
}

typedef void *start_fn(promise_loop_t *loop, uint64_t ms, void (*fire)(void *arg), void *arg);

static void *start_after(promise_loop_t *loop, uint64_t ms, void (*fire)(void *arg), void *arg) {
    return loop->host->after(loop->host_data, ms, fire, arg);
}

static void *start_at(promise_loop_t *loop, uint64_t ms, void (*fire)(void *arg), void *arg) {
    const struct promise_host *host = loop->host;
    uint64_t now;

    if (host->size > offsetof(struct promise_host, at) && host->at) return host->at(loop->host_data, ms, fire, arg);
    now = host->now(loop->host_data);
    return host->after(loop->host_data, ms > now ? ms - now : 0, fire, arg);
}

/* ---- sleep ---- */

static void wake_up(void *arg) {
    promise_t *p = arg;

    p->timer = NULL;
    promise__settle(p, promise_void());
}

static promise_t *sleep_by(promise_loop_t *loop, start_fn *start, uint64_t ms, const char *function) {
    promise_t *p;

    loop = promise__loop_arg(loop, function);
    if (loop->dying) return promise__settled(loop, promise__canceled());
    if (!has_clock(loop)) return promise__settled(loop, no_clock(function));
    p = promise__alloc(loop, KIND_SLEEP);
    if (!p) return promise_ref(loop->nomem);
    p->timer = start(loop, ms, wake_up, p);
    if (!p->timer) promise__settle(p, promise__nomem());
    return p;
}

promise_t *promise_sleep(promise_loop_t *loop, uint64_t ms) { return sleep_by(loop, start_after, ms, __func__); }
promise_t *promise_sleep_until(promise_loop_t *loop, uint64_t at_ms) { return sleep_by(loop, start_at, at_ms, __func__); }

/* ---- timeout and deadline ---- */

#define OF_A_DEADLINE UINT64_MAX /* as p->ms: of a deadline, which is no number of milliseconds */

/* The promise gives up its input, and is rejected with outcome when that has settled. */
static void give_up(promise_t *p, promise_value_t outcome) {
    promise_loop_t *loop = promise__loop(p);

    p->flags |= FLAG_DECIDED;
    p->timeout_outcome = outcome;
    if (!promise__withdraw(p)) promise__run_late(p, NULL);
    promise__cancel_all(loop);
}

static bool input_has_settled(const promise_t *p) {
    int steps = INT32_MAX;

    return p->flags & FLAG_LATE || promise__parent(p, &steps)->flags & FLAG_SETTLED;
}

static promise_value_t timed_out(const promise_t *p) {
    if (p->ms == OF_A_DEADLINE) return promise_throw_at(NULL, &promise_errors, PROMISE_ETIMEDOUT, "the deadline has passed");
    return promise_throw_at(NULL, &promise_errors, PROMISE_ETIMEDOUT, "timed out after %llu ms", (unsigned long long)p->ms);
}

static void expire(void *arg) {
    promise_t *p = arg;

    p->timer = NULL;
    /* What has settled and still has p below it is queued: where nothing is, there is no need to walk to it past all that
     * wait with p, which may be a million (T3). */
    if (promise__loop(p)->head && input_has_settled(p)) return;
    give_up(p, timed_out(p));
}

static promise_t *limit(promise_t *p, start_fn *start, uint64_t ms, const char *function) {
    promise_loop_t *loop;
    promise_t *c;

    promise__check(p, function);
    loop = promise__loop(p);
    if (loop->dead) return p;
    c = promise__alloc(loop, KIND_TIMEOUT);
    if (!c) {
        promise_cancel(p);
        return promise_ref(loop->nomem);
    }
    c->timer = NULL;
    c->ms = start == start_at ? OF_A_DEADLINE : ms;
    promise__wait_for(c, p);
    if (input_has_settled(c) || loop->dying) return c;
    if (has_clock(loop)) c->timer = start(loop, ms, expire, c);
    if (!c->timer) give_up(c, has_clock(loop) ? promise__nomem() : no_clock(function));
    return c;
}

promise_t *promise_timeout(promise_t *p, uint64_t ms) { return limit(p, start_after, ms, __func__); }
promise_t *promise_deadline(promise_t *p, uint64_t at_ms) { return limit(p, start_at, at_ms, __func__); }

/* ---- ticks ---- */

struct ticks {
    uint64_t ms, start;
    int64_t last; /* the number given last */
};

/* Counted here: a tick that was cancelled is still to come (K6). */
static promise_value_t number(promise_value_t v, void *arg) {
    struct ticks *t = arg;

    (void)v;
    return promise_int(++t->last);
}

static promise_value_t next_tick(promise_value_t v, void *arg) {
    struct ticks *t = arg;
    promise_loop_t *loop = promise__current;
    uint64_t now = promise_now(loop), passed = now - t->start, due = passed / t->ms, left = t->ms - passed % t->ms;

    (void)v;
    if (due > (uint64_t)t->last) return promise_int(t->last = (int64_t)due); /* late: the one that is due now */
    return promise_adopt(promise_then(promise_sleep_until(loop, now + left < now ? UINT64_MAX : now + left), number, t));
}

promise_iterator_t *promise_ticks(promise_loop_t *loop, uint64_t ms) {
    struct ticks *t;

    loop = promise__loop_arg(loop, __func__);
    if (!ms) return promise_list_items(loop, promise__bad_argument(__func__, "ms is 0"));
    if (!has_clock(loop)) return promise_list_items(loop, no_clock(__func__));
    t = promise__malloc(sizeof *t);
    if (!t) return promise_list_items(loop, promise__nomem());
    *t = (struct ticks){.ms = ms, .start = loop->host->now(loop->host_data)};
    return promise_iterator_attach(promise_pull(loop, next_tick, t), t, promise__free);
}
