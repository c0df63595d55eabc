/*
 * Select: a promise with a case for each channel, which waits there like a promise of its own. The first case that can be
 * done settles the select, and the others leave their queues. What it will give is made at the start, so that nothing is
 * lost for want of memory later.
 *
 * A case is a slot of the slab that is nobody's promise: settled, its index in refs, its select in children, linked by prev.
 */
#include <errno.h>
#include <stdio.h>

#include "channel_move.h"

/* ---- what it gives ---- */

static void selected_free(void *object) { promise__release(((struct selected *)object)->value); }

static size_t selected_print(const void *object, char *buffer, size_t size) {
    const struct selected *s = object;
    size_t n = (size_t)snprintf(buffer, size, "case %zu: ", s->index);

    return n + promise_print(s->value, n < size ? buffer + n : NULL, n < size ? size - n : 0);
}

const struct promise_type promise__selected_type = {
    .size = sizeof(struct promise_type), .name = "select", .free = selected_free, .print = selected_print};

static struct selected *selected_of(promise_value_t v, const char *function) {
    return promise__as_object_of(v, &promise__selected_type, function);
}

size_t promise_select_index(promise_value_t v) { return selected_of(v, __func__)->index; }
promise_value_t promise_select_value(promise_value_t v) { return promise__mark(selected_of(v, __func__)->value, MARK_LENT); }

static promise_value_t selected_new(void) {
    promise_value_t v;
    struct selected *s = promise__cell_new(&promise__selected_type, sizeof *s, &v);

    if (s) *s = (struct selected){0};
    return v;
}

/* Takes value over. */
static promise_value_t fill(promise_value_t selected, size_t index, promise_value_t value) {
    *(struct selected *)promise__object(selected) = (struct selected){index, value};
    return selected;
}

static promise_value_t closed(size_t index) {
    return promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "promise_select: the channel of case %zu is closed", index);
}

/* ---- done, after having waited ---- */

/* The values that were not sent are released last: that may run functions of the user's. */
static void finish(promise_t *s, promise_value_t value, promise_channel_t *ch, uint64_t number) {
    promise_loop_t *loop = promise__loop(s);
    promise_t *one, *cases = s->cases;

    for (one = cases; one; one = one->prev) promise__op_leave(one);
    if (ch) promise__item_hold(s, ch, number);
    promise__settle(s, value);
    while ((one = cases)) {
        promise_value_t unsent = one->item;
        cases = one->prev;
        promise__slab_release(loop, one);
        promise__release(unsent);
    }
}

void promise__select_done(promise_t *one, promise_value_t value, promise_channel_t *ch, uint64_t number) {
    promise_t *s = one->children;

    finish(s, fill(s->item, one->refs, value), ch, number);
}

void promise__select_finish(promise_t *s, promise_value_t value) {
    promise_value_t selected = s->item;

    finish(s, value, NULL, 0);
    promise__release(selected);
}

void promise__select_closed(promise_t *one) { promise__select_finish(one->children, closed(one->refs)); }

/* ---- done at once ---- */

static bool is_ready(const promise_case_t *c) {
    promise_channel_t *ch = c->channel;

    if (!ch) return false;
    if (ch->closed) return true;
    if (c->send) return ch->count < ch->capacity || promise__op_first(&ch->receives);
    return ch->returned.first || ch->count || promise__op_first(&ch->sends);
}

_Thread_local uint32_t promise__select_draws = 2463534242U;

/* Less than n, which is not 0; the same numbers in each run of a program. */
static size_t draw(size_t n) {
    uint32_t state = promise__select_draws;

    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    promise__select_draws = state;
    return state % n;
}

/* One of those that are ready, each as likely; n when none is. */
static size_t pick(size_t n, const promise_case_t *cases) {
    size_t ready = 0, i;

    for (i = 0; i < n; i++) ready += is_ready(&cases[i]);
    if (!ready) return n;
    ready = ready > 1 ? draw(ready) : 0;
    for (i = 0; !is_ready(&cases[i]) || ready--; i++) {}
    return i;
}

static void receive_now(promise_t *s, promise_value_t selected, size_t i, promise_channel_t *ch) {
    struct taken taken;

    s->flags |= FLAG_SETTLED;
    if (!promise__channel_take(ch, &taken)) { /* it is closed */
        s->value = fill(selected, i, promise_end());
        return;
    }
    s->value = fill(selected, i, taken.item);
    promise__item_hold(s, ch, taken.number);
    promise__op_sent(taken.sender);
}

static void send_now(promise_t *s, promise_value_t selected, size_t i, promise_channel_t *ch, promise_value_t v) {
    enum put put = promise__channel_put(ch, v);

    if (put == PUT) {
        promise__settle(s, fill(selected, i, promise_void()));
        return;
    }
    promise__settle(s, put == PUT_CLOSED ? closed(i) : promise__nomem());
    promise__release(selected);
    promise__release(v);
}

/* ---- the cases ---- */

/* Those from the first on, but one, are not needed. */
static void drop_values(size_t first, size_t n, const promise_case_t *cases, size_t but) {
    for (size_t i = first; i < n; i++)
        if (i != but) promise__release(promise__take(cases[i].value));
}

/* False when out of memory: then they are released. */
static bool wait_for_all(promise_t *s, size_t n, const promise_case_t *cases) {
    s->flags |= (uint32_t)OP_SELECT << MODE_SHIFT;
    s->cases = NULL;
    s->channel = NULL;
    for (size_t i = 0; i < n; i++) {
        promise_t *one = cases[i].channel ? promise__alloc(promise__loop(s), KIND_CHANNEL) : NULL;
        if (!one) {
            drop_values(i, cases[i].channel ? n : i + 1, cases, n);
            if (cases[i].channel) return false;
            continue;
        }
        one->refs = (uint32_t)i;
        one->flags |= FLAG_SETTLED;
        one->children = s;
        one->item = promise__take(cases[i].value);
        one->prev = s->cases;
        s->cases = one;
        promise__op_wait(one, cases[i].send ? OP_CASE_SEND : OP_CASE_RECEIVE, cases[i].channel);
    }
    return true;
}

/* The loop of the cases; *why is what is wrong with them, or void. */
static promise_loop_t *check_cases(size_t n, const promise_case_t *cases, promise_value_t *why) {
    promise_loop_t *loop = NULL;

    *why = promise_void();
    for (size_t i = 0; i < n; i++) {
        promise_channel_t *ch = cases[i].channel;
        promise_loop_t *its = promise_source_nomem_loop(ch);

        if (!ch) continue;
        if (its && promise_is_void(*why)) *why = promise__no_object(its);
        if (!its) its = promise__channel_arg(ch, "promise_select")->loop;
        if (loop && its != loop) promise__stop("promise_select: expected channels of one loop, number %zu is of another", i);
        loop = its;
        if (cases[i].send && promise_is_void(*why)) *why = promise__channel_refuses(cases[i].value, "promise_select");
    }
    if (!loop) loop = promise__loop_or_current(NULL, "promise_select");
    if (loop->dying) {
        promise__release(*why);
        *why = promise__canceled();
    }
    return loop;
}

static promise_t *select_of(promise_loop_t *loop, size_t n, const promise_case_t *cases) {
    promise_value_t selected = selected_new();
    promise_t *s = promise_is_rejection(selected) ? NULL : promise__alloc(loop, KIND_CHANNEL);
    size_t i;

    if (!s) {
        drop_values(0, n, cases, n);
        promise__release(selected);
        return promise__settled(loop, promise__nomem());
    }
    i = pick(n, cases);
    if (i == n) {
        s->item = selected;
        if (!wait_for_all(s, n, cases)) promise__select_finish(s, promise__nomem());
        return s;
    }
    if (cases[i].send) send_now(s, selected, i, cases[i].channel, promise__take(cases[i].value));
    else receive_now(s, selected, i, cases[i].channel);
    drop_values(0, n, cases, cases[i].send ? i : n);
    return s;
}

promise_t *promise_select(size_t n, const promise_case_t *cases) {
    promise_value_t why;
    promise_loop_t *loop;

    if (n && !cases) {
        loop = promise__loop_or_current(NULL, __func__);
        return promise__settled(loop, promise__bad_argument(__func__, "cases is NULL"));
    }
    if (n > UINT32_MAX) promise__stop("promise_select: expected up to %lu cases, got %zu", (unsigned long)UINT32_MAX, n);
    loop = check_cases(n, cases, &why);
    if (promise_is_void(why)) return select_of(loop, n, cases);
    drop_values(0, n, cases, n);
    return promise__settled(loop, why);
}
