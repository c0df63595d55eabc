/* Groups: what becomes of the tasks at a failure, a cancel, a free, at the loop's end; limits; memory. */
#include "trace.h"

#include <string.h>

static promise_group_t *g;
static struct source a, b, d;

static void open_group(void) {
    setup();
    g = promise_group_new(loop);
}

static promise_t *cleanly(struct source *source, const char *name) { /* its end takes ten milliseconds */
    return promise_finally(source_open(loop, source, name), trace_slowly, (void *)(uintptr_t)name);
}

static promise_value_t reject_it(promise_value_t v, void *arg) {
    (void)v;
    return throw_text(arg);
}

/* ---- all goes well ---- */

START_TEST(it_waits_for_all) {
    promise_t *p;

    ck_assert_int_eq(promise_group_add(g, source_open(loop, &a, "a")), 0);
    ck_assert_int_eq(promise_group_try(g, trace_slowly, "b"), 0);
    ck_assert_int_eq(promise_group_async(g, trace_word, "c"), 0);
    ck_assert_int_eq(promise_group_add(g, promise_from(loop, promise_int(1))), 0);
    ck_assert_uint_eq(promise_group_size(g), 4);
    p = traced(promise_group_wait(g), "p");
    fakehost_advance(&host, 20);
    trace_is("b+ c b-");
    ck_assert_uint_eq(promise_group_size(g), 1);
    source_resolve(&a, promise_int(1));
    fakehost_drain(&host);
    trace_is("p=-");
    promise_unref(p);
    ck_assert_int_eq(promise_group_try(g, trace_word, "never"), -1); /* it has ended */
    ck_assert_int_eq(promise_group_async(g, trace_word, "never"), -1);
    ck_assert_int_eq(promise_group_add(g, source_open(loop, &a, "late")), -1);
    fakehost_drain(&host);
    trace_is("stop:late");
    expect(promise_group_wait(g), "-"); /* the same again */
    promise_group_free(g);
}
END_TEST

START_TEST(nothing_to_wait_for) {
    expect(promise_group_wait(g), "-");
    promise_group_free(g);
    g = promise_group_new_with(loop, NULL);
    promise_group_add(g, promise_from(loop, promise_int(1)));
    fakehost_drain(&host);
    ck_assert_uint_eq(promise_group_size(g), 0);
    expect(promise_group_wait(g), "-"); /* not before it is asked */
    promise_group_free(g);
    promise_group_free(NULL);
}
END_TEST

static promise_value_t add_more(promise_value_t v, void *arg) {
    uintptr_t left = (uintptr_t)arg;

    trace("%d", (int)left);
    if (left) ck_assert_int_eq(promise_group_async(g, add_more, (void *)(left - 1)), 0);
    if (left) ck_assert_int_eq(promise_group_try(g, add_more, NULL), 0);
    return v;
}

START_TEST(tasks_add_more_of_them) {
    promise_group_try(g, add_more, (void *)3);
    expect(promise_attach(promise_group_wait(g), g, promise_group_free), "-");
    trace_is("3 2 0 1 0 0 0");
}
END_TEST

START_TEST(several_may_wait) {
    promise_t *p, *q;

    promise_group_add(g, source_open(loop, &a, "a"));
    p = traced(promise_group_wait(g), "p");
    q = traced(promise_group_wait(g), "q");
    promise_cancel(p); /* K1: q still wants it */
    fakehost_drain(&host);
    trace_is("p=!canceled");
    source_resolve(&a, promise_void());
    fakehost_drain(&host);
    trace_is("q=-");
    promise_unref(q);
    promise_group_free(g);
}
END_TEST

START_TEST(K4_what_is_dropped_goes_on) {
    promise_group_add(g, source_open(loop, &a, "a"));
    promise_unref(promise_group_wait(g));
    fakehost_drain(&host);
    source_resolve(&a, promise_void());
    fakehost_drain(&host);
    expect(promise_group_wait(g), "-");
    promise_group_free(g);
}
END_TEST

/* ---- a failure ---- */

START_TEST(T5_the_first_failure_cancels_the_others_and_waits_for_them) {
    promise_t *p;

    promise_group_add(g, cleanly(&a, "a"));
    promise_group_add(g, cleanly(&b, "b"));
    promise_group_add(g, source_open(loop, &d, "d"));
    p = traced(promise_group_wait(g), "p");
    source_reject(&d, "first");
    fakehost_advance(&host, 5);
    trace_is("stop:a stop:b a+ b+");
    ck_assert_int_eq(promise_group_add(g, cleanly(&d, "late")), -1); /* waited for as well */
    ck_assert_int_eq(promise_group_try(g, trace_word, "never"), -1);
    fakehost_advance(&host, 7);
    trace_is("stop:late late+ a- b-");
    ck_assert_uint_eq(promise_group_size(g), 1);
    fakehost_advance(&host, 10);
    trace_is("late- p=!first");
    promise_unref(p);
    expect(promise_group_wait(g), "!first");
    promise_group_free(g);
}
END_TEST

START_TEST(it_fails_before_it_is_waited_for) {
    promise_group_add(g, cleanly(&a, "a"));
    promise_group_try(g, reject_it, "r");
    fakehost_advance(&host, 20);
    trace_is("stop:a a+ a-");
    ck_assert_uint_eq(host.unhandled, 0); /* it may still be asked for */
    expect(promise_group_wait(g), "!r");
    promise_group_free(g);
}
END_TEST

START_TEST(J7_a_failure_that_nobody_waits_for_is_reported) {
    promise_group_try(g, reject_it, "r");
    fakehost_drain(&host);
    promise_group_free(g);
    fakehost_drain(&host);
    ck_assert_uint_eq(host.unhandled, 1);
    g = promise_group_new(loop);
    promise_group_add(g, source_open(loop, &a, "a"));
    promise_group_free(g); /* a cancel is none */
    fakehost_drain(&host);
    ck_assert_uint_eq(host.unhandled, 1);
    trace_is("stop:a");
}
END_TEST

START_TEST(what_others_hold_is_only_let_go_of) {
    promise_t *held = source_open(loop, &a, "a");

    promise_group_add(g, promise_ref(held));
    promise_group_try(g, reject_it, "r");
    expect(promise_group_wait(g), "!r");
    source_resolve(&a, promise_int(5));
    expect(held, "5");
    promise_group_free(g);
}
END_TEST

/* ---- cancelling ---- */

START_TEST(K1_cancelling_the_wait_cancels_the_tasks) {
    promise_t *p;

    promise_group_add(g, cleanly(&a, "a"));
    p = promise_attach(promise_group_wait(g), g, promise_group_free);
    p = traced(promise_timeout(p, 30), "p");
    fakehost_advance(&host, 35);
    trace_is("stop:a a+");
    fakehost_advance(&host, 10);
    trace_is("a- p=!timedout");
    promise_unref(p);
}
END_TEST

START_TEST(cancelled_after_it_failed) {
    promise_t *p;

    promise_group_add(g, cleanly(&a, "a"));
    promise_group_try(g, reject_it, "r");
    p = traced(promise_group_wait(g), "p");
    fakehost_drain(&host);
    promise_cancel(p);
    fakehost_advance(&host, 100);
    trace_is("stop:a a+ a- p=!canceled");
    promise_group_free(g);
}
END_TEST

START_TEST(cancel_and_free) {
    promise_t *p;

    promise_group_add(g, cleanly(&a, "a"));
    p = traced(promise_group_wait(g), "p");
    promise_group_cancel(g);
    promise_group_cancel(g);
    ck_assert_int_eq(promise_group_try(g, trace_word, "never"), -1);
    promise_group_free(g); /* its memory goes when a has ended */
    fakehost_advance(&host, 100);
    trace_is("stop:a a+ a- p=!canceled");
    promise_unref(p);
    g = promise_group_new(loop);
    promise_group_cancel(g);
    expect(promise_group_wait(g), "!canceled");
    promise_group_cancel(g); /* it has ended */
    promise_group_free(g);
}
END_TEST

static promise_value_t free_the_group(promise_value_t v, void *arg) {
    promise_group_free(arg);
    ck_assert_int_eq(promise_group_try(arg, trace_word, "never"), -1);
    return v;
}

START_TEST(T4_freed_by_one_of_its_tasks) {
    promise_group_add(g, cleanly(&a, "a"));
    promise_group_try(g, free_the_group, g);
    promise_unref(traced(promise_group_wait(g), "p"));
    fakehost_advance(&host, 100);
    trace_is("stop:a a+ a- p=!canceled");
}
END_TEST

static promise_value_t wait_and_cleanup(promise_value_t v, void *arg) {
    promise_value_t r = {0};

    (void)v;
    (void)promise_await(promise_sleep(NULL, 50), &r);
    trace("%s=%s", (const char *)arg, shown(r));
    (void)promise_await(promise_shield(promise_sleep(NULL, 5)), NULL);
    trace("%s.", (const char *)arg);
    return r;
}

START_TEST(K3_coroutines_clean_up_first) {
    promise_group_async(g, wait_and_cleanup, "a");
    promise_group_async(g, wait_and_cleanup, "b");
    fakehost_drain(&host);
    promise_group_try(g, reject_it, "r");
    expect(promise_group_wait(g), "!r");
    trace_is("a=!canceled b=!canceled a. b.");
    promise_group_free(g);
}
END_TEST

/* ---- limits ---- */

static promise_value_t in_a_while(promise_value_t v, void *arg) {
    (void)v;
    trace("%s+", (const char *)arg);
    (void)promise_await(promise_sleep(NULL, 10), NULL);
    trace("%s-", (const char *)arg);
    return promise_void();
}

START_TEST(no_more_than_so_many_run_at_a_time) {
    static const struct promise_group_options two = {.limit = 2};
    promise_group_t *limited = promise_group_new_with(loop, &two);

    promise_group_try(limited, trace_slowly, "a");
    promise_group_async(limited, in_a_while, "b");
    promise_group_async(limited, in_a_while, "c");
    promise_group_try(limited, trace_slowly, "d");
    promise_group_add(limited, promise_try(loop, trace_slowly, "x")); /* runs already */
    ck_assert_uint_eq(promise_group_size(limited), 5);
    fakehost_advance(&host, 5);
    trace_is("a+ x+ b+");
    fakehost_advance(&host, 6);
    ck_assert_uint_eq(promise_group_size(limited), 2);
    trace_take();
    promise_group_try(limited, reject_it, "never");
    promise_group_free(limited);
    fakehost_advance(&host, 100);
    trace_is("c- d-");
    promise_group_free(g);
}
END_TEST

static promise_value_t reject_later(promise_value_t v, void *arg) {
    (void)v;
    return promise_adopt(promise_then(promise_sleep(NULL, 5), reject_it, arg));
}

static promise_value_t reject_in_a_while(promise_value_t v, void *arg) {
    (void)v;
    (void)promise_await(promise_sleep(NULL, 5), NULL);
    return throw_text(arg);
}

/* Whose turn has not come is not called any more: its place in the limit is given on when the group knows of the failure. */
START_TEST(nothing_that_waits_is_called_after_a_failure) {
    const struct promise_group_options options = {.limit = (size_t)_i / 4 + 1};
    promise_group_t *limited = promise_group_new_with(loop, &options);

    for (size_t i = 1; i < options.limit; i++) promise_group_async(limited, wait_and_cleanup, "held");
    if (_i % 4 == 0) promise_group_try(limited, reject_it, "r");
    if (_i % 4 == 1) promise_group_try(limited, reject_later, "r");
    if (_i % 4 == 2) promise_group_async(limited, reject_in_a_while, "r");
    if (_i % 4 == 3) promise_group_async(limited, reject_it, "r");
    promise_group_try(limited, trace_word, "never");
    promise_group_async(limited, trace_word, "never");
    promise_group_try(limited, trace_slowly, "never");
    if (_i % 2) fakehost_advance(&host, 7); /* before it is waited for */
    expect(promise_group_wait(limited), "!r");
    trace_is(options.limit > 1 ? "held=!canceled held." : "");
    promise_group_free(limited);
    promise_group_free(g);
}
END_TEST

/* ---- refused ---- */

static void add_null(void *arg) { promise_group_add(g, arg); }
static void try_null(void *arg) { promise_group_try(g, NULL, arg); }
static void async_null(void *arg) { promise_group_async(g, NULL, arg); }
static void wait_null(void *arg) { promise_unref(promise_group_wait(arg)); }
static void add_anothers(void *arg) {
    struct fakehost other;
    promise_group_add(g, promise_try(fakehost_open(&other), trace_word, arg));
}
static void free_twice(void *arg) {
    promise_group_add(g, source_open(loop, &a, arg));
    promise_group_free(g);
    promise_group_free(g);
}

START_TEST(bad_input_is_refused) {
    test_assert_stops(add_null, NULL, "promise_group_add: the promise is NULL");
    test_assert_stops(try_null, NULL, "promise_group_try: fn is NULL");
    test_assert_stops(async_null, NULL, "promise_group_async: fn is NULL");
    test_assert_stops(wait_null, NULL, "promise_group_wait: the group is NULL");
    test_assert_stops(add_anothers, "w", "expected a promise of the group's loop, got one of another");
    test_assert_stops(free_twice, "a", "promise_group_free: expected a group, got one that was freed");
    promise_group_free(g);
}
END_TEST

/* ---- the loop's end, memory ---- */

START_TEST(J5_the_loop_goes_in_each_state) {
    static const struct promise_group_options one = {.limit = 1};
    promise_group_t *limited = promise_group_new_with(loop, &one), *failed = promise_group_new(loop);

    promise_group_add(g, cleanly(&a, "a"));
    promise_unref(traced(promise_group_wait(g), "p"));
    promise_group_async(limited, in_a_while, "x");
    promise_group_async(limited, in_a_while, "never");
    promise_group_add(failed, cleanly(&b, "b"));
    promise_group_try(failed, reject_it, "r");
    fakehost_drain(&host);
    trace_is("x+ stop:b b+");
    promise_loop_free(loop); /* with all their memory, though nobody frees them */
    ck_assert_ptr_nonnull(strstr(trace_take(), "p=!canceled"));
}
END_TEST

static promise_value_t use_when_gone(promise_value_t v, void *arg) {
    (void)arg;
    ck_assert_int_eq(promise_group_try(g, trace_word, "never"), -1);
    ck_assert_int_eq(promise_group_add(g, source_open(loop, &b, "b")), -1);
    promise_group_free(promise_group_new(loop));
    ck_assert_int_eq(promise_group_async(promise_group_new(loop), trace_word, "never"), -1);
    promise_unref(promise_group_wait(promise_group_new(loop)));
    return v;
}

START_TEST(J5_nothing_new_when_the_loop_goes) {
    promise_group_add(g, promise_catch(source_open(loop, &a, "a"), use_when_gone, NULL));
    promise_loop_free(loop);
    ck_assert_ptr_nonnull(strstr(trace_take(), "stop:a"));
}
END_TEST

static promise_value_t next_client(promise_value_t v, void *arg) {
    size_t *left = arg;

    if (!--*left) return v;
    promise_group_try(g, next_client, arg);
    promise_group_async(g, see, "");
    trace_take();
    return v;
}

START_TEST(nothing_is_kept_of_what_has_ended) { /* a server's group */
    size_t left = test_scaled(100000), live = 0;
    promise_t *p;

    promise_group_add(g, source_open(loop, &a, "a"));
    for (int round = 0; round < 2; round++) {
        size_t n = left;
        if (round == 1) live = test_alloc_live();
        promise_group_try(g, next_client, &n);
        fakehost_drain(&host);
        ck_assert_uint_eq(promise_group_size(g), 1);
    }
    ck_assert_uint_le(test_alloc_live(), live);
    trace_take();
    p = promise_group_wait(g);
    source_resolve(&a, promise_void());
    expect(p, "-");
    promise_group_free(g);
}
END_TEST

START_TEST(O2_out_of_memory) {
    static const struct promise_group_options one = {.limit = 1};
    size_t n = 0;

    do {
        promise_group_t *other;
        const char *outcome;
        test_alloc_fail_at(++n);
        other = promise_group_new_with(loop, n % 2 ? &one : NULL);
        (void)promise_group_add(other, promise_try(loop, trace_word, "w"));
        (void)promise_group_try(other, trace_word, "w");
        (void)promise_group_async(other, trace_word, "w");
        outcome = outcome_of(&host, promise_group_wait(other));
        ck_assert(!strcmp(outcome, "-") || !strcmp(outcome, "!errno12"));
        ck_assert_uint_eq(promise_group_size(other), 0);
        promise_group_cancel(other);
        promise_group_free(other);
    } while (test_alloc_failed() || n < 12);
    test_alloc_fail_at(0);
    trace_take();
    promise_group_free(g);
}
END_TEST

/* Random groups of random tasks, cancelled, failed, freed: all end, nothing is left. */
static unsigned running;

static promise_value_t random_end(promise_value_t v, void *arg) {
    (void)arg;
    running--;
    return v;
}

static promise_value_t random_task(promise_value_t v, void *arg) {
    (void)v;
    running++;
    if (draw(12) == 0) return promise_adopt(promise_finally(promise_try(NULL, reject_it, "r"), random_end, NULL));
    if (draw(3) == 0) (void)promise_group_try(arg, random_task, arg);
    if (draw(6) == 0) (void)promise_group_async(arg, random_task, arg);
    return promise_adopt(promise_finally(promise_sleep(NULL, draw(5)), random_end, NULL));
}

static void random_run(uint64_t seed) {
    struct promise_group_options options = {.limit = seed % 3};
    promise_t *p = NULL;

    open_group();
    promise_group_free(g);
    promise_loop_set_budget(loop, 1 + draw(4));
    g = promise_group_new_with(loop, &options);
    for (int i = 0; i < 30; i++) {
        switch (draw(12)) {
        case 0: promise_group_cancel(g); break;
        case 1:
            if (!p) p = promise_group_wait(g);
            break;
        case 2:
            if (p && draw(4) == 0) promise_cancel(p), p = NULL;
            break;
        case 3: (void)promise_group_add(g, promise_sleep(loop, draw(9))); break;
        case 4: (void)promise_group_async(g, random_task, g); break;
        case 5: (void)promise_group_try(g, random_task, g); break;
        default: fakehost_drain_once(&host);
        }
        if (draw(5) == 0) fakehost_advance(&host, 1);
    }
    if (draw(3)) {
        if (!p) p = promise_group_wait(g);
        fakehost_advance(&host, 300);
        ck_assert_int_ne(promise_get_state(p), PROMISE_PENDING);
        ck_assert_uint_eq(running, 0);
        promise_group_free(g);
    }
    if (p) promise_unref(p);
    teardown();
    ck_assert_uint_eq(running, 0);
}

START_TEST(T5_random_groups_end) { test_seeds(random_run, 400); }
END_TEST

int main(void) {
    Suite *suite = suite_create("group");
    TCase *t = tcase_create("group");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, open_group, teardown);
    tcase_add_test(t, it_waits_for_all);
    tcase_add_test(t, nothing_to_wait_for);
    tcase_add_test(t, tasks_add_more_of_them);
    tcase_add_test(t, several_may_wait);
    tcase_add_test(t, K4_what_is_dropped_goes_on);
    tcase_add_test(t, T5_the_first_failure_cancels_the_others_and_waits_for_them);
    tcase_add_test(t, it_fails_before_it_is_waited_for);
    tcase_add_test(t, J7_a_failure_that_nobody_waits_for_is_reported);
    tcase_add_test(t, what_others_hold_is_only_let_go_of);
    tcase_add_test(t, K1_cancelling_the_wait_cancels_the_tasks);
    tcase_add_test(t, cancelled_after_it_failed);
    tcase_add_test(t, cancel_and_free);
    tcase_add_test(t, T4_freed_by_one_of_its_tasks);
    tcase_add_test(t, K3_coroutines_clean_up_first);
    tcase_add_test(t, no_more_than_so_many_run_at_a_time);
    tcase_add_loop_test(t, nothing_that_waits_is_called_after_a_failure, 0, 8);
    tcase_add_test(t, bad_input_is_refused);
    tcase_add_test(t, J5_the_loop_goes_in_each_state);
    tcase_add_test(t, J5_nothing_new_when_the_loop_goes);
    tcase_add_test(t, nothing_is_kept_of_what_has_ended);
    tcase_add_test(t, O2_out_of_memory);
    suite_add_tcase(suite, t);
    t = tcase_create("random");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, T5_random_groups_end);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
