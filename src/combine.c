/*
 * Combinators. An aggregate is a promise with a ring of elements, one waiting for each input. When the outcome is known it
 * is decided: the branches are withdrawn, and it settles when those that must be waited for are gone (T5).
 */
#include <promise/combine.h>

#include <errno.h>
#include <stdarg.h>

#include "ring.h"

enum mode { ALL, ALL_SETTLED, ANY, RACE, SOME };

static enum mode mode_of(const promise_t *p) { return (enum mode)((p->flags & FLAG_MODE) >> MODE_SHIFT); }
static struct list *list_in(promise_value_t v) { return promise__object(v); }

/* ---- deciding ---- */

static void settle_when_alone(promise_t *p) {
    if (!p->ring) promise__settle(p, p->result);
}

/* Takes outcome over. */
static inline void know(promise_t *p, promise_value_t outcome) {
    promise__release(p->result);
    p->result = outcome;
    p->flags |= FLAG_DECIDED;
}

/* The same while p is being built, where something else may have failed before: the first one counts. */
static PROMISE_COLD void fail(promise_t *p, promise_value_t outcome) {
    if (p->flags & FLAG_DECIDED) promise__release(outcome);
    else know(p, outcome);
}

static inline void conclude(promise_t *p) {
    promise_loop_t *loop = promise__loop(p);

    if (p->ring) promise__ring_release(p, NULL);
    settle_when_alone(p);
    promise__cancel_all(loop);
}

static void decide(promise_t *p, promise_value_t outcome) {
    know(p, outcome);
    conclude(p);
}

/* Decides with the list that was being filled, or what is made of it. */
static void decide_list(promise_t *p, promise_value_t (*make)(promise_value_t list)) {
    promise_value_t list = p->result;

    p->result = promise_void();
    decide(p, make ? make(list) : list);
}

void promise__aggregate_cancel(promise_t *p) {
    if (p->flags & FLAG_DECIDED) { /* known, but not settled: the cancel wins, and the branches are waited for as before */
        promise__release(p->result);
        p->result = promise__canceled();
        return;
    }
    decide(p, promise__canceled());
}

/* ---- an input has settled ---- */

/* SOME fills two lists: the values, and the reasons. */
static void some_element(promise_t *p, promise_value_t input) {
    bool rejected = promise_is_rejection(input);
    promise_value_t lists = promise__copy(p->result), list = promise_list_get(lists, rejected);

    p->left--;
    if (promise__list_add(list_in(list), promise__copy(promise_reason(input))) < 0) decide(p, promise__nomem());
    else if (!rejected && !--p->need) decide(p, promise__copy(promise_reason(promise__mark(list, 0))));
    else if (p->left < p->need) decide(p, promise__aggregate_error(promise__copy(promise__mark(list, 0))));
    promise__release(lists);
}

void promise__aggregate_element(promise_loop_t *loop, promise_t *e, promise_value_t input) {
    promise_t *p = e->owner;
    size_t index = e->index;
    bool rejected = promise_is_rejection(input);
    enum mode mode = mode_of(p);

    promise__element_free(loop, e);
    if (p->flags & FLAG_DECIDED) {
        settle_when_alone(p);
        return;
    }
    if (mode == SOME) {
        some_element(p, input);
        return;
    }
    if (mode == RACE || (mode == ALL && rejected) || (mode == ANY && !rejected)) {
        decide(p, promise__copy(input));
        return;
    }
    list_in(p->result)->items[index] = promise__copy(mode == ANY ? promise_reason(input) : input);
    if (!--p->left) decide_list(p, mode == ANY ? promise__aggregate_error : NULL);
}

/* ---- building ---- */

/* The two lists of SOME, as a list. */
static PROMISE_NOINLINE promise_value_t two_lists(void) {
    promise_value_t lists[2];

    lists[0] = promise_list(0, NULL);
    lists[1] = promise_list(0, NULL);
    if (!promise_is_rejection(lists[0]) && !promise_is_rejection(lists[1])) return promise_list(2, lists);
    promise__release(lists[0]);
    promise__release(lists[1]);
    return promise__nomem();
}

static inline promise_value_t first_result(enum mode mode, size_t n) {
    if (mode == RACE) return promise_void();
    return mode == SOME ? two_lists() : promise__list_of(n);
}

/* An aggregate of n inputs that are still to be added, or NULL when out of memory. */
static promise_t *begin(promise_loop_t *loop, enum mode mode, size_t n, size_t need) {
    promise_t *p = promise__alloc(loop, KIND_AGGREGATE);

    if (!p) return NULL;
    p->flags |= (uint32_t)mode << MODE_SHIFT;
    p->ring = NULL;
    p->left = (uint32_t)n;
    p->need = (uint32_t)need;
    p->result = first_result(mode, n);
    if (promise_is_rejection(p->result)) p->flags |= FLAG_DECIDED;
    else if (n > UINT32_MAX) fail(p, promise_throw_errno(EINVAL, "more than %lu promises", (unsigned long)UINT32_MAX));
    else if (need > n) fail(p, promise__aggregate_error(promise__list_of(0)));
    return p;
}

/* Input i, or its element, could not be made: p, where there is one, fails. */
static PROMISE_COLD void add_nothing(promise_t *p, size_t i, promise_t *input, const char *function) {
    if (input) promise_cancel(input);
    if (!p) return;
    fail(p, input ? promise__nomem()
                  : promise_throw_at(NULL, &promise_errno_errors, EINVAL, "%s: promise %zu is NULL", function, i));
}

static PROMISE_INLINE void add(promise_loop_t *loop, promise_t *p, size_t i, promise_t *input, const char *function) {
    promise_t *e = NULL;

    if (PROMISE_LIKELY(input != NULL)) {
        promise__check(input, function);
        if (PROMISE_UNLIKELY(promise__loop(input) != loop))
            promise__stop("%s: expected promises of one loop, number %zu is of another", function, i);
        if (PROMISE_LIKELY(p != NULL)) e = promise__element_new(loop, p, input);
    }
    if (PROMISE_LIKELY(e != NULL)) e->index = i;
    else add_nothing(p, i, input, function);
}

static promise_t *end(promise_loop_t *loop, promise_t *p) {
    if (!p) return promise_ref(loop->nomem);
    if (loop->dying) fail(p, promise__canceled());
    if (p->flags & FLAG_DECIDED) conclude(p);
    else if (mode_of(p) == SOME && !p->need) decide(p, promise__list_of(0));
    else if (!p->left && mode_of(p) != RACE) decide_list(p, mode_of(p) == ANY ? promise__aggregate_error : NULL);
    return p;
}

static promise_t *of_array(promise_loop_t *loop, enum mode mode, size_t need, size_t n, promise_t *const *promises,
                           const char *function) {
    promise_t *p;

    loop = promise__loop_arg(loop, function);
    if (n && !promises) return promise__settled(loop, promise__bad_argument(function, "promises is NULL"));
    p = begin(loop, mode, n, need);
    for (size_t i = 0; i < n; i++) add(loop, p, i, promises[i], function);
    return end(loop, p);
}

static promise_t *of_args(promise_loop_t *loop, enum mode mode, size_t need, va_list args, const char *function) {
    promise_t *p, *input;
    size_t n = 0;
    va_list count;

    loop = promise__loop_arg(loop, function);
    va_copy(count, args);
    while (va_arg(count, promise_t *)) n++;
    va_end(count);
    p = begin(loop, mode, n, need);
    for (size_t i = 0; (input = va_arg(args, promise_t *)); i++) add(loop, p, i, input, function);
    return end(loop, p);
}

static promise_t *of_entries(promise_loop_t *loop, enum mode mode, size_t n, const struct promise_entry *entries,
                             const char *function) {
    promise_t *p;

    loop = promise__loop_arg(loop, function);
    if (n && !entries) return promise__settled(loop, promise__bad_argument(function, "entries is NULL"));
    p = begin(loop, mode, n, 0);
    for (size_t i = 0; i < n; i++) {
        add(loop, p, i, entries[i].promise, function);
        if (!p || p->flags & FLAG_DECIDED) continue;
        if (!entries[i].name) fail(p, promise__bad_argument(function, "a name is NULL"));
        else if (promise__list_set_name(list_in(p->result), i, entries[i].name) < 0) fail(p, promise__nomem());
    }
    return end(loop, p);
}

/* ---- the public calls ---- */

promise_t *promise_all(promise_loop_t *loop, size_t n, promise_t *const *promises) {
    return of_array(loop, ALL, 0, n, promises, __func__);
}
promise_t *promise_all_settled(promise_loop_t *loop, size_t n, promise_t *const *promises) {
    return of_array(loop, ALL_SETTLED, 0, n, promises, __func__);
}
promise_t *promise_any(promise_loop_t *loop, size_t n, promise_t *const *promises) {
    return of_array(loop, ANY, 0, n, promises, __func__);
}
promise_t *promise_race(promise_loop_t *loop, size_t n, promise_t *const *promises) {
    return of_array(loop, RACE, 0, n, promises, __func__);
}
promise_t *promise_some(promise_loop_t *loop, size_t k, size_t n, promise_t *const *promises) {
    return of_array(loop, SOME, k, n, promises, __func__);
}

promise_t *promise_all_keyed(promise_loop_t *loop, size_t n, const struct promise_entry *entries) {
    return of_entries(loop, ALL, n, entries, __func__);
}
promise_t *promise_all_settled_keyed(promise_loop_t *loop, size_t n, const struct promise_entry *entries) {
    return of_entries(loop, ALL_SETTLED, n, entries, __func__);
}

#define DEFINE_OF(name, mode)                                                                                                  \
    promise_t *name(promise_loop_t *loop, ...) {                                                                               \
        va_list args;                                                                                                          \
        promise_t *p;                                                                                                          \
        va_start(args, loop);                                                                                                  \
        p = of_args(loop, mode, 0, args, #name);                                                                               \
        va_end(args);                                                                                                          \
        return p;                                                                                                              \
    }
DEFINE_OF(promise_all_of, ALL)
DEFINE_OF(promise_all_settled_of, ALL_SETTLED)
DEFINE_OF(promise_any_of, ANY)
DEFINE_OF(promise_race_of, RACE)

promise_t *promise_some_of(promise_loop_t *loop, size_t k, ...) {
    va_list args;
    promise_t *p;

    va_start(args, k);
    p = of_args(loop, SOME, k, args, __func__);
    va_end(args);
    return p;
}
