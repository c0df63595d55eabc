/*
 * Depth (T2, V4) and endlessness (T2, T3): ten million links or turns in a stack of 96 KiB, memory constant where the
 * contracts say so. Under valgrind and the sanitizers there are fewer: see test_scaled().
 */
#include "hosted.h"

#include <pthread.h>

#define MILLION ((size_t)1000000)

/* Blocks that a loop may have more than before and still be said not to have grown. */
enum { SOME_BLOCKS = 8 };

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { STACK = 1024 * 1024 }; /* their frames are several times as large, and the number of links is smaller by 10 only */
#else
enum { STACK = 96 * 1024 };
#endif

static void *with_loop(void *fn) {
    hosted_start();
    (*(void (**)(void))fn)();
    hosted_end();
    return NULL;
}
static void in_small_stack(void (*fn)(void)) {
    pthread_attr_t attributes;
    pthread_t thread;

    ck_assert_int_eq(pthread_attr_init(&attributes), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&attributes, STACK), 0);
    ck_assert_int_eq(pthread_create(&thread, &attributes, with_loop, &fn), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(pthread_attr_destroy(&attributes), 0);
}

/* ---- T2: long chains ---- */

static size_t ran;
static promise_value_t count(promise_value_t v, void *arg) {
    ran++;
    return (void)arg, v;
}
static void count_free(void *arg) { ran++, (void)arg; }

/* n links below p, of several kinds where that is asked for. */
static promise_t *links(promise_t *p, size_t n, bool mixed) {
    for (size_t i = 0; i < n; i++) {
        if (!mixed) p = promise_then(p, count, NULL);
        else if (i % 4 == 0) p = promise_then_catch(p, count, count, NULL);
        else if (i % 4 == 1) p = promise_finally(p, count, NULL);
        else if (i % 4 == 2) p = promise_attach(p, &ran, count_free);
        else p = promise_catch(p, count, NULL);
    }
    return p;
}

static void settle_chain(void) {
    size_t n = test_scaled(10 * MILLION);
    struct source w;
    promise_t *p = links(source_open(loop, &w, "w"), n, false);

    source_resolve(&w, promise_int(1));
    hosted_run();
    ck_assert_uint_eq(ran, n);
    ck_assert_str_eq(state_of(p), "1");
    promise_unref(p);
}
static void settle_mixed_chain(void) {
    size_t n = test_scaled(4 * MILLION);
    struct source w;
    promise_t *p = links(source_open(loop, &w, "w"), n, true);

    source_resolve(&w, promise_throw_value(promise_string("x")));
    hosted_run();
    ck_assert_uint_eq(ran, n);
    promise_unref(p);
    trace_is("unhandled=!x");
}
static void drop_chain(void) {
    struct source w;

    promise_unref(links(source_open(loop, &w, "w"), test_scaled(10 * MILLION), false));
    source_resolve(&w, promise_throw_value(promise_int(1)));
    hosted_run();
    trace_is("unhandled=!1");
}
static void cancel_chain(void) {
    size_t n = test_scaled(4 * MILLION);
    struct source w;

    promise_cancel(links(source_open(loop, &w, "w"), n, true));
    trace_is("stop:w");
    hosted_run();
    ck_assert_uint_eq(ran, n);
}
static void free_chain(void) {
    size_t n = test_scaled(4 * MILLION);
    struct source w;

    promise_unref(links(source_open(loop, &w, "w"), n, true));
    hosted_free();
    trace_is("stop:w");
    ck_assert_uint_eq(ran, n);
}
/* Promises that were resolved with each other: the first with the second, and so on. */
static void adopted_chain(void) {
    struct source w;
    promise_t *p = source_open(loop, &w, "w"), *outer;
    promise_resolver_t *r;

    for (size_t n = test_scaled(4 * MILLION); n--; p = outer) {
        outer = promise_new(loop, &r);
        promise_resolve(r, promise_adopt(p));
    }
    hosted_run();
    if (ran) promise_cancel(p);
    else source_resolve(&w, promise_int(1));
    hosted_run();
    trace_is(ran ? "stop:w" : "");
    if (!ran) promise_unref(p);
    ran = 0;
}
/* Combinators in combinators. */
static void nested_combinators(void) {
    struct source w;
    promise_t *p = source_open(loop, &w, "w");

    for (size_t n = test_scaled(MILLION); n--;) p = n % 2 ? promise_all(loop, 1, &p) : promise_race(loop, 1, &p);
    promise_cancel(p);
    hosted_run();
    trace_is("stop:w");
}

START_TEST(T2_settle) { in_small_stack(settle_chain); }
END_TEST
START_TEST(T2_settle_mixed) { in_small_stack(settle_mixed_chain); }
END_TEST
START_TEST(T2_drop) { in_small_stack(drop_chain); }
END_TEST
START_TEST(T2_cancel) { in_small_stack(cancel_chain); }
END_TEST
START_TEST(T2_free) { in_small_stack(free_chain); }
END_TEST
START_TEST(T2_adopted) {
    in_small_stack(adopted_chain);
    ran = 1;
    in_small_stack(adopted_chain);
}
END_TEST
START_TEST(T2_nested_combinators) { in_small_stack(nested_combinators); }
END_TEST

/* ---- T2: endless loops, in constant memory ---- */

static size_t turns, most_live;
static promise_resolver_t *pending;

static void look_at_memory(void) {
    size_t live = test_alloc_live();
    if (live > most_live) most_live = live;
}
/* Settled at once, or from outside of the drain, turn about. */
static promise_value_t next_turn(promise_value_t v, void *arg) {
    promise_t *p;

    if (--turns == 0) return v;
    if (turns % 1024 == 0) look_at_memory();
    if (turns % 2) p = promise_from(NULL, v);
    else p = promise_new(NULL, &pending);
    return promise_adopt(promise_then(p, next_turn, arg));
}
static void run_turns(void) {
    do {
        promise_resolver_t *r = pending;
        pending = NULL;
        if (r) promise_resolve(r, promise_int(7));
        hosted_run();
    } while (pending);
}
static void start_turns(void) {
    turns = test_scaled(10 * MILLION);
    most_live = 0;
}

static void turns_settle(void) {
    size_t before = test_alloc_live();
    promise_t *p = promise_then(promise_from(loop, promise_int(7)), next_turn, NULL);

    start_turns();
    run_turns();
    ck_assert_uint_eq(turns, 0);
    ck_assert_uint_le(most_live, before + SOME_BLOCKS);
    ck_assert_str_eq(state_of(p), "7");
    promise_unref(p);
}
/* Also with a finally, a catch and something attached outside. */
static void turns_with_finally(void) {
    size_t before = test_alloc_live();
    promise_t *p = promise_finally(promise_then(promise_from(loop, promise_int(7)), next_turn, NULL), see, "finally");

    p = promise_attach(promise_catch(p, see, "never"), "data", trace_free);
    start_turns();
    run_turns();
    ck_assert_uint_le(most_live, before + SOME_BLOCKS);
    ck_assert_str_eq(state_of(p), "7");
    promise_unref(p);
    trace_is("finally=- free:data");
}
/* A loop in the finally of a chain, and one whose promise nobody holds. */
static promise_value_t begin_turns(promise_value_t v, void *arg) {
    (void)v;
    return promise_adopt(promise_then(promise_from(NULL, promise_int(7)), next_turn, arg));
}
static void turns_inside_finally(void) {
    size_t before = test_alloc_live();

    promise_unref(promise_finally(promise_from(loop, promise_int(1)), begin_turns, NULL));
    start_turns();
    run_turns();
    ck_assert_uint_eq(turns, 0);
    ck_assert_uint_le(most_live, before + SOME_BLOCKS);
}
/* Cancelled in the middle: the loop ends, and finally runs. */
static void turns_canceled(void) {
    promise_t *p = promise_finally(promise_then(promise_from(loop, promise_int(7)), next_turn, NULL), see, "finally");

    start_turns();
    for (size_t n = turns / 4; n--;) {
        promise_resolver_t *r = pending;
        pending = NULL;
        if (r) promise_resolve(r, promise_int(7));
        hosted_run();
    }
    promise_cancel(p);
    hosted_run();
    trace_is("finally=-");
    promise_abandon(pending);
    pending = NULL;
}

START_TEST(T2_turns) { in_small_stack(turns_settle); }
END_TEST
START_TEST(T2_turns_with_finally) { in_small_stack(turns_with_finally); }
END_TEST
START_TEST(T2_turns_inside_finally) { in_small_stack(turns_inside_finally); }
END_TEST
START_TEST(T2_turns_canceled) { in_small_stack(turns_canceled); }
END_TEST

/* ---- T3: nothing stays behind on the losers ---- */

static promise_t *race_against(promise_t *p, promise_t *long_lived, int kind) {
    promise_t *both[2] = {promise_ref(long_lived), p};

    switch (kind) {
    case 0: return promise_race(loop, 2, both);
    case 1: return promise_any(loop, 2, both);
    case 2: return promise_some(loop, 1, 2, both);
    default: promise_unref(both[1]); return promise_timeout(both[0], 1);
    }
}
/* In the order in which they were begun, and in the other; many at once, and one by one. */
static void races(void) {
    size_t before, n = test_scaled(MILLION);
    enum { AT_ONCE = 1000 };
    static struct source w[AT_ONCE];
    struct source long_work;
    promise_t *long_lived = source_open(loop, &long_work, "long");

    before = test_alloc_live();
    for (size_t i = 0; i < n; i += AT_ONCE) {
        for (int k = 0; k < AT_ONCE; k++) promise_unref(race_against(source_open(loop, &w[k], "w"), long_lived, k % 3));
        for (int k = 0; k < AT_ONCE; k++) source_resolve(&w[i / AT_ONCE % 2 ? k : AT_ONCE - 1 - k], promise_int(1));
        hosted_run();
        ck_assert_uint_le(test_alloc_live(), before + SOME_BLOCKS);
        ck_assert_str_eq(state_of(long_lived), "pending");
    }
    for (size_t i = 0; i < n / 100; i++) {
        promise_cancel(race_against(promise_from(loop, promise_int(1)), long_lived, (int)(i % 4)));
        hosted_run();
    }
    ck_assert_uint_le(test_alloc_live(), before + SOME_BLOCKS);
    watch(long_lived, "long");
    source_resolve(&long_work, promise_int(2));
    hosted_run();
    trace_is("long=2");
}
START_TEST(T3_races) { in_small_stack(races); }
END_TEST

/* ---- V4: values in values ---- */

static void error_chain(void) {
    promise_value_t v = promise_throw(&promise_errors, PROMISE_ECLOSED, NULL);

    for (size_t n = test_scaled(4 * MILLION); n--;) v = promise_wrap(v, &promise_errors, PROMISE_ESTALLED, NULL);
    ck_assert(promise_error_is(v, &promise_errors, PROMISE_ECLOSED));
    promise_value_clear(&v);
}
static void list_chain(void) {
    promise_value_t v = promise_list(0, NULL);

    for (size_t n = test_scaled(4 * MILLION); n--;) v = promise_list(1, &v);
    promise_value_clear(&v);
}
/* A promise of a list of a promise of ... */
static void list_of_promises_chain(void) {
    promise_value_t v = promise_int(1);

    for (size_t n = test_scaled(2 * MILLION); n--;) {
        v = promise_list(1, &v);
        v = promise_adopt(promise_from(loop, v));
    }
    promise_value_clear(&v);
}
/* Rejected with a promise, which was rejected with a promise, ... */
static void reason_chain(void) {
    promise_t *p = promise_from(loop, promise_int(1));

    for (size_t n = test_scaled(4 * MILLION); n--;) {
        promise_t *outer = promise_from(loop, promise_throw_value(promise_adopt(p)));
        promise_cancel(promise_ref(outer)); /* handled */
        p = outer;
    }
    hosted_run();
    promise_unref(p);
}
START_TEST(V4_errors) { in_small_stack(error_chain); }
END_TEST
START_TEST(V4_lists) { in_small_stack(list_chain); }
END_TEST
START_TEST(V4_lists_of_promises) { in_small_stack(list_of_promises_chain); }
END_TEST
START_TEST(V4_reasons) { in_small_stack(reason_chain); }
END_TEST

int main(void) {
    Suite *suite = suite_create("deep");
    TCase *tcase = tcase_create("deep");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, T2_settle);
    tcase_add_test(tcase, T2_settle_mixed);
    tcase_add_test(tcase, T2_drop);
    tcase_add_test(tcase, T2_cancel);
    tcase_add_test(tcase, T2_free);
    tcase_add_test(tcase, T2_adopted);
    tcase_add_test(tcase, T2_nested_combinators);
    tcase_add_test(tcase, T2_turns);
    tcase_add_test(tcase, T2_turns_with_finally);
    tcase_add_test(tcase, T2_turns_inside_finally);
    tcase_add_test(tcase, T2_turns_canceled);
    tcase_add_test(tcase, T3_races);
    tcase_add_test(tcase, V4_errors);
    tcase_add_test(tcase, V4_lists);
    tcase_add_test(tcase, V4_lists_of_promises);
    tcase_add_test(tcase, V4_reasons);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
