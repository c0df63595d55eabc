/* Wait groups: counting, waiting, the end. Turns are in test_turn.c. */
#include "trace.h"

#include <string.h>

static promise_wait_group_t *g;

static void open_group(void) {
    setup();
    g = promise_wait_group_new(loop);
}

START_TEST(it_is_over_when_all_is_done) {
    promise_wait_group_add(g, 2);
    promise_wait_group_add(g, 1);
    ck_assert_uint_eq(promise_wait_group_count(g), 3);
    for (int i = 1; i <= 3; i++) promise_unref(promise_attach(promise_sleep(loop, 10), g, promise_wait_group_done));
    promise_unref(traced(promise_wait_group_wait(g), "a"));
    promise_unref(traced(promise_wait_group_wait(g), "b"));
    fakehost_advance(&host, 9);
    trace_is("");
    fakehost_advance(&host, 1);
    trace_is("a=- b=-");
    ck_assert_uint_eq(promise_wait_group_count(g), 0);
    expect(promise_wait_group_wait(g), "-");
}
END_TEST

START_TEST(what_is_added_later_does_not_concern_who_waited_before) {
    promise_wait_group_add(g, 1);
    promise_unref(traced(promise_wait_group_wait(g), "a"));
    promise_wait_group_done(g);
    promise_wait_group_add(g, 1);
    promise_unref(traced(promise_wait_group_wait(g), "b"));
    fakehost_drain(&host);
    trace_is("a=-");
    promise_wait_group_done(g);
    fakehost_drain(&host);
    trace_is("b=-");
}
END_TEST

START_TEST(K2_one_that_is_cancelled_leaves) {
    promise_t *p;

    promise_wait_group_add(g, 1);
    p = traced(promise_wait_group_wait(g), "p");
    promise_unref(traced(promise_wait_group_wait(g), "q"));
    promise_cancel(p);
    promise_wait_group_done(g);
    promise_cancel(promise_wait_group_wait(g)); /* its turn has come */
    fakehost_drain(&host);
    trace_is("p=!canceled q=-");
}
END_TEST

static promise_value_t task(promise_value_t v, void *arg) {
    promise_defer(promise_wait_group_done, g);
    (void)promise_await(promise_sleep(NULL, 5), NULL);
    trace("%s", (const char *)arg);
    return v;
}

START_TEST(in_coroutines) {
    promise_wait_group_add(g, 2);
    promise_unref(promise_async(loop, task, "a"));
    promise_cancel(promise_async(loop, task, "never")); /* before it has started: it has deferred nothing */
    promise_unref(promise_async(loop, task, "b"));
    expect(promise_wait_group_wait(g), "-");
    trace_is("a b");
}
END_TEST

static void done_too_often(void *arg) {
    (void)arg;
    promise_wait_group_add(g, 1);
    promise_wait_group_done(g);
    promise_wait_group_done(g);
}
static void add_too_much(void *arg) {
    (void)arg;
    promise_wait_group_add(g, SIZE_MAX);
    promise_wait_group_add(g, 1);
}
static void wait_null(void *arg) { promise_unref(promise_wait_group_wait(arg)); }

START_TEST(bad_input_is_refused) {
    test_assert_stops(done_too_often, NULL, "promise_wait_group_done: expected a wait group with something to be done");
    test_assert_stops(add_too_much, NULL, "promise_wait_group_add: more than SIZE_MAX");
    test_assert_stops(wait_null, NULL, "promise_wait_group_wait: the wait group is NULL");
}
END_TEST

START_TEST(freed_it_rejects_who_waits) {
    promise_wait_group_add(g, 1);
    promise_unref(traced(promise_wait_group_wait(g), "a"));
    promise_wait_group_free(g);
    promise_wait_group_free(NULL);
    fakehost_drain(&host);
    trace_is("a=!closed");
    promise_wait_group_done(g); /* who does not know */
}
END_TEST

START_TEST(J5_the_loop_goes_in_each_state) {
    promise_unref(traced(promise_wait_group_wait(g), "a"));
    promise_wait_group_add(g, 1);
    promise_unref(traced(promise_wait_group_wait(g), "b"));
    promise_unref(promise_attach(promise_sleep(loop, 10), g, promise_wait_group_done));
    promise_wait_group_add(g, 1); /* and nobody who does it */
    promise_loop_free(loop);
    trace_is("a=- b=!canceled");
}
END_TEST

START_TEST(O2_out_of_memory) {
    size_t n = 0;

    do {
        promise_wait_group_t *other;
        const char *outcome;
        test_alloc_fail_at(++n);
        other = promise_wait_group_new(loop);
        promise_wait_group_add(other, 1);
        promise_wait_group_done(other);
        ck_assert_uint_eq(promise_wait_group_count(other), 0);
        outcome = outcome_of(&host, promise_wait_group_wait(other));
        ck_assert(!strcmp(outcome, "-") || !strcmp(outcome, "!errno12"));
        promise_wait_group_free(other);
    } while (test_alloc_failed());
    test_alloc_fail_at(0);
    ck_assert_uint_gt(n, 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("wait_group");
    TCase *t = tcase_create("wait_group");

    tcase_add_checked_fixture(t, open_group, teardown);
    tcase_add_test(t, it_is_over_when_all_is_done);
    tcase_add_test(t, what_is_added_later_does_not_concern_who_waited_before);
    tcase_add_test(t, K2_one_that_is_cancelled_leaves);
    tcase_add_test(t, in_coroutines);
    tcase_add_test(t, bad_input_is_refused);
    tcase_add_test(t, freed_it_rejects_who_waits);
    tcase_add_test(t, J5_the_loop_goes_in_each_state);
    tcase_add_test(t, O2_out_of_memory);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
