/*
 * Conditions. A wait is a chain of what there is:
 *
 *     turn       at the condition: a signal's
 *     finally    takes the mutex again, whatever came, cancelled or not (K3)
 *     catch      cancelled after the signal: that goes to the next
 *     attach     frees what the wait knows
 *
 * When the mutex is had, the last three pass that on in one job: nothing comes between (K6).
 */
#include <promise/condition.h>

#include "tasks/mutex.h"

struct promise_condition {
    struct turns turns;
    size_t signals; /* that are being given out */
};

struct wait {
    promise_condition_t *condition;
    promise_mutex_t *mutex;
    uintptr_t owner;        /* the mutex's, then and afterwards */
    bool signalled, shared; /* it was told to go on; by a broadcast */
};

static bool take(struct turns *t, uintptr_t want) {
    promise_condition_t *c = (promise_condition_t *)t;
    struct wait *w = (struct wait *)want;

    if (!c->signals) return false;
    w->shared = c->signals == SIZE_MAX;
    w->signalled = true;
    if (!w->shared) c->signals--;
    return true;
}

static void give_out(promise_condition_t *c, size_t signals) {
    c->signals = signals;
    promise__turns_serve(&c->turns);
    c->signals = 0;
}

static void give(struct turns *t, uintptr_t want) {
    struct wait *w = (struct wait *)want;

    w->signalled = false;
    if (!w->shared) give_out((promise_condition_t *)t, 1);
}

static const struct turns_type type = {.name = "condition", .take = take, .give = give};

static promise_condition_t *check(const void *c, const char *function) { return promise__turns_check(c, &type, function); }

/* ---- make and free ---- */

promise_condition_t *promise_condition_new(promise_loop_t *loop) {
    return promise__turns_new(loop, &type, sizeof(promise_condition_t), __func__);
}

void promise_condition_free(void *c) { promise__turns_free(c, &type, __func__); }

/* ---- wait ---- */

static promise_value_t lock_again(promise_value_t v, void *arg) {
    const struct wait *w = arg;

    (void)v;
    return promise_adopt(promise__turn(&w->mutex->turns, w->owner));
}

static promise_value_t pass_signal_on(promise_value_t v, void *arg) {
    const struct wait *w = arg;

    if (w->signalled && !w->shared) give_out(w->condition, 1);
    return v;
}

static void wait_free(void *arg) {
    struct wait *w = arg;

    promise__turns_unref(&w->condition->turns);
    promise__turns_unref(&w->mutex->turns);
    promise__free(w);
}

static promise_t *wait_for(promise_condition_t *c, promise_mutex_t *m) {
    promise_loop_t *loop = c->turns.loop;
    struct wait *w;
    promise_t *p;

    if (loop->dying) return promise__settled(loop, promise__canceled());
    w = promise__malloc(sizeof *w);
    if (!w) return promise__settled(loop, promise__nomem());
    *w = (struct wait){.condition = c, .mutex = m, .owner = m->owner};
    promise__turns_ref(&c->turns);
    promise__turns_ref(&m->turns);
    p = promise_finally(promise__turn(&c->turns, (uintptr_t)w), lock_again, w);
    p = promise_attach(promise_catch(p, pass_signal_on, w), w, wait_free);
    promise__turn_end(&m->turns, m->owner);
    return p;
}

promise_t *promise_condition_wait(promise_condition_t *c, promise_mutex_t *m) {
    promise_t *refused = promise__turns_refuse(c);

    if (!refused) refused = promise__turns_refuse(m);
    if (refused) return refused;
    c = check(c, __func__);
    m = promise__mutex_check(m, __func__);
    if (c->turns.loop != m->turns.loop)
        promise__stop("promise_condition_wait: expected a condition and a mutex of one loop, got those of two");
    if (promise__mutex_is_mine(m, __func__) && !(m->owner & TURN_WITH))
        promise__turns_check_owner(&m->turns, m->owner, __func__);
    return wait_for(c, m);
}

/* ---- wake ---- */

static void wake(promise_condition_t *c, size_t signals, const char *function) {
    if (!promise_source_nomem_loop(c)) give_out(check(c, function), signals);
}

void promise_condition_signal(promise_condition_t *c) { wake(c, 1, __func__); }
void promise_condition_broadcast(promise_condition_t *c) { wake(c, SIZE_MAX, __func__); }

size_t promise_condition_waiting(const promise_condition_t *c) {
    return promise_source_nomem_loop(c) ? 0 : check(c, __func__)->turns.waiting.count;
}
