/* Semaphores: so many at a time, in order; units given back on each path. Turns are in test_turn.c. */
#include "trace.h"

#include <stdlib.h>
#include <string.h>

static promise_semaphore_t *s;

static void open_semaphore(void) {
    setup();
    s = promise_semaphore_new(loop, 2);
}

static promise_t *slowly(const char *name) { return promise_semaphore_with(s, trace_slowly, (void *)(uintptr_t)name); }

START_TEST(so_many_at_a_time_in_order) {
    promise_unref(slowly("a"));
    promise_unref(slowly("b"));
    promise_unref(slowly("c"));
    promise_unref(slowly("d"));
    promise_unref(slowly("e"));
    ck_assert_uint_eq(promise_semaphore_available(s), 0);
    ck_assert_uint_eq(promise_semaphore_waiting(s), 3);
    fakehost_advance(&host, 15);
    trace_is("a+ b+ a- c+ b- d+");
    fakehost_advance(&host, 100);
    trace_is("c- e+ d- e-");
    ck_assert_uint_eq(promise_semaphore_available(s), 2);
}
END_TEST

START_TEST(first_come_first_served_also_when_it_asks_for_more) {
    promise_t *p, *q, *r;

    ck_assert(promise_semaphore_try_acquire(s));
    p = traced(promise_semaphore_acquire_units(s, 2), "p");
    q = traced(promise_semaphore_acquire(s), "q");
    r = traced(promise_semaphore_acquire_units(s, 0), "r");
    ck_assert(!promise_semaphore_try_acquire(s)); /* there is one, but others wait */
    fakehost_drain(&host);
    trace_is("");
    promise_cancel(p); /* K2: those behind it fit */
    fakehost_drain(&host);
    trace_is("p=!canceled q=- r=-");
    promise_semaphore_release_units(s, 2);
    promise_unref(q);
    promise_unref(r);
    p = promise_semaphore_acquire_units(s, 5); /* not before there are new ones */
    promise_semaphore_release_units(s, 2);
    fakehost_drain(&host);
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    promise_semaphore_release(s);
    fakehost_drain(&host);
    ck_assert_int_eq(promise_get_state(p), PROMISE_FULFILLED);
    ck_assert_uint_eq(promise_semaphore_available(s), 0);
    promise_unref(p);
}
END_TEST

START_TEST(one_without_units_is_a_signal) { /* as in POSIX */
    promise_semaphore_t *none = promise_semaphore_new(loop, 0);
    promise_t *p = traced(promise_semaphore_acquire(none), "p");

    fakehost_drain(&host);
    trace_is("");
    promise_semaphore_release(none);
    promise_semaphore_release(none);
    fakehost_drain(&host);
    trace_is("p=-");
    ck_assert_uint_eq(promise_semaphore_available(none), 1);
    promise_unref(p);
    promise_semaphore_free(none);
}
END_TEST

START_TEST(K6_units_of_a_cancelled_one_go_to_the_next) {
    promise_t *p = promise_semaphore_acquire_units(s, 2), *q = traced(promise_semaphore_acquire(s), "q");

    promise_cancel(p);
    fakehost_drain(&host);
    trace_is("q=-");
    ck_assert_uint_eq(promise_semaphore_available(s), 1);
    promise_unref(q);
    promise_unref(promise_semaphore_acquire(s)); /* nobody hears of it */
    fakehost_drain(&host);
    ck_assert_uint_eq(promise_semaphore_available(s), 1);
}
END_TEST

START_TEST(K2_with_gives_its_unit_back_on_every_path) {
    promise_t *p = slowly("a"), *q = slowly("b"), *r = slowly("c");

    fakehost_drain(&host);
    promise_cancel(q); /* it runs: what it does is finished first */
    promise_cancel(r); /* it waits */
    fakehost_advance(&host, 100);
    trace_is("a+ b+ b- a-");
    ck_assert_uint_eq(promise_semaphore_available(s), 2);
    promise_unref(p);
}
END_TEST

static unsigned inside, most;

static promise_value_t leave(promise_value_t v, void *arg) {
    (void)arg;
    inside--;
    return v;
}

static promise_value_t enter(promise_value_t v, void *arg) {
    (void)v;
    if (++inside > most) most = inside;
    return promise_adopt(promise_finally(promise_sleep(NULL, 1 + (uintptr_t)arg % 7), leave, NULL));
}

START_TEST(a_limiter) { /* many tasks, all of them together */
    size_t n = test_scaled(20000);
    promise_semaphore_t *slots = promise_semaphore_new(loop, 10);
    promise_t **all = malloc(n * sizeof *all);

    for (size_t i = 0; i < n; i++) all[i] = promise_semaphore_with(slots, enter, (void *)i);
    promise_unref(promise_then(promise_all(loop, n, all), trace_word, "all"));
    fakehost_advance(&host, 10 * n);
    trace_is("all");
    ck_assert_uint_eq(most, n < 10 ? n : 10);
    ck_assert_uint_eq(inside, 0);
    free(all);
}
END_TEST

static promise_value_t task(promise_value_t v, void *arg) {
    promise_value_t r = {0};

    (void)v;
    if (promise_await(promise_semaphore_acquire(s), &r) < 0) return r;
    promise_defer(promise_semaphore_release, s);
    trace("%s+", (const char *)arg);
    if (promise_await(promise_sleep(NULL, 10), &r) < 0) return r;
    trace("%s-", (const char *)arg);
    return promise_void();
}

START_TEST(in_coroutines) {
    promise_t *p = promise_async(loop, task, "a");

    promise_unref(promise_async(loop, task, "b"));
    promise_unref(promise_async(loop, task, "c"));
    fakehost_drain(&host);
    promise_cancel(p);
    fakehost_advance(&host, 100);
    trace_is("a+ b+ c+ b- c-");
    ck_assert_uint_eq(promise_semaphore_available(s), 2);
}
END_TEST

static void release_too_many(void *arg) {
    (void)arg;
    promise_semaphore_release_units(s, SIZE_MAX);
}
static void acquire_null(void *arg) { promise_unref(promise_semaphore_acquire(arg)); }
static void with_null(void *arg) { promise_unref(promise_semaphore_with(s, NULL, arg)); }

START_TEST(bad_input_is_refused) {
    test_assert_stops(release_too_many, NULL, "promise_semaphore_release: more than SIZE_MAX units");
    test_assert_stops(acquire_null, NULL, "promise_semaphore_acquire: the semaphore is NULL");
    test_assert_stops(with_null, NULL, "promise_semaphore_with: fn is NULL");
}
END_TEST

START_TEST(freed_it_rejects_who_waits) {
    promise_unref(slowly("a"));
    ck_assert(promise_semaphore_try_acquire(s));
    fakehost_drain(&host);
    promise_unref(traced(slowly("b"), "b"));
    promise_unref(traced(promise_semaphore_acquire(s), "c"));
    promise_semaphore_free(s);
    promise_semaphore_free(NULL);
    fakehost_advance(&host, 100);
    trace_is("a+ c=!closed b=!closed a-");
    promise_semaphore_release(s); /* who has one does not know */
}
END_TEST

START_TEST(J5_the_loop_goes_in_each_state) {
    promise_unref(slowly("a"));
    ck_assert(promise_semaphore_try_acquire(s));
    fakehost_drain(&host);
    promise_unref(traced(slowly("b"), "b"));
    promise_unref(promise_async(loop, task, "t"));
    promise_loop_free(loop);
    trace_is("a+ a- b=!canceled");
}
END_TEST

START_TEST(O2_out_of_memory) {
    size_t n = 0;

    do {
        promise_semaphore_t *other;
        const char *outcome;
        test_alloc_fail_at(++n);
        other = promise_semaphore_new(loop, 2);
        outcome = outcome_of(&host, promise_semaphore_with(other, trace_word, "w"));
        ck_assert(!strcmp(outcome, "-") || !strcmp(outcome, "!errno12"));
        outcome = outcome_of(&host, promise_semaphore_acquire_units(other, 2));
        ck_assert(!strcmp(outcome, "-") || !strcmp(outcome, "!errno12"));
        if (!strcmp(outcome, "-")) promise_semaphore_release_units(other, 2);
        if (promise_semaphore_try_acquire(other)) promise_semaphore_release(other);
        ck_assert(promise_semaphore_available(other) == 2 || promise_semaphore_available(other) == 0);
        ck_assert_uint_eq(promise_semaphore_waiting(other), 0);
        promise_semaphore_free(other);
    } while (test_alloc_failed());
    test_alloc_fail_at(0);
    ck_assert_uint_gt(n, 2);
    trace_take();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("semaphore");
    TCase *t = tcase_create("semaphore");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, open_semaphore, teardown);
    tcase_add_test(t, so_many_at_a_time_in_order);
    tcase_add_test(t, first_come_first_served_also_when_it_asks_for_more);
    tcase_add_test(t, one_without_units_is_a_signal);
    tcase_add_test(t, K6_units_of_a_cancelled_one_go_to_the_next);
    tcase_add_test(t, K2_with_gives_its_unit_back_on_every_path);
    tcase_add_test(t, a_limiter);
    tcase_add_test(t, in_coroutines);
    tcase_add_test(t, bad_input_is_refused);
    tcase_add_test(t, freed_it_rejects_who_waits);
    tcase_add_test(t, J5_the_loop_goes_in_each_state);
    tcase_add_test(t, O2_out_of_memory);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
