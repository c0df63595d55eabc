/* promise_retry: the policy, by a clock that stands still until it is told otherwise. */
#include "trace.h"

#include <math.h>
#include <string.h>

static struct source a;
static promise_t *retried; /* for handlers that cancel it */

/* Fails until the try whose number arg points to; notes number and time. */
static promise_value_t fail_until(promise_value_t v, void *arg) {
    int64_t n = promise_as_int(v);

    trace("%d@%d", (int)n, (int)host.now);
    return n < *(int *)arg ? promise_throw_value(promise_stringf("no%d", (int)n)) : promise_string("yes");
}

static int never = 1000;

static promise_value_t say_no(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return throw_text("no");
}

START_TEST(the_default_tries_three_times) {
    int three = 3;

    expect(promise_retry(loop, NULL, fail_until, &three), "yes");
    ck_assert_ptr_nonnull(strstr(trace_take(), " 3@"));
    expect(promise_retry(loop, NULL, fail_until, &never), "!no3"); /* the last rejection */
    trace_take();
    ck_assert_uint_eq(host.timers, 0);
}
END_TEST

START_TEST(no_jitter_waits_exactly) {
    const struct promise_retry_policy defaults = {.count = 5, .no_jitter = true};
    const struct promise_retry_policy own = {.count = 6, .delay_ms = 10, .factor = 3, .max_delay_ms = 200, .no_jitter = true};
    const struct promise_retry_policy flat = {.count = 4, .delay_ms = 7, .factor = 1, .no_jitter = true};
    const struct promise_retry_policy capped = {.count = 3, .delay_ms = 90, .max_delay_ms = 20, .no_jitter = true};

    expect(promise_retry(loop, &defaults, fail_until, &never), "!no5");
    trace_is("1@0 2@100 3@300 4@700 5@1500");
    host.now = 0;
    expect(promise_retry(loop, &own, fail_until, &never), "!no6");
    trace_is("1@0 2@10 3@40 4@130 5@330 6@530");
    host.now = 0;
    expect(promise_retry(loop, &flat, fail_until, &never), "!no4");
    trace_is("1@0 2@7 3@14 4@21");
    host.now = 0;
    expect(promise_retry(loop, &capped, fail_until, &never), "!no3");
    trace_is("1@0 2@20 3@40");
}
END_TEST

START_TEST(many_tries_stay_below_the_longest_wait) { /* factor^999 is more than a double holds */
    const struct promise_retry_policy many = {.count = 2000, .delay_ms = 1, .max_delay_ms = 50, .no_jitter = true};

    promise_unref(promise_catch(promise_retry(loop, &many, say_no, NULL), trace_word, "end"));
    while (fakehost_next_timer(&host)) {}
    trace_is("end");
    ck_assert_uint_eq(host.now, 1 + 2 + 4 + 8 + 16 + 32 + 50 * (1999 - 6));
}
END_TEST

START_TEST(full_jitter_is_drawn_from_0_to_the_longest) {
    const struct promise_retry_policy policy = {.count = 2, .delay_ms = 9};
    unsigned seen[10] = {0};

    for (int i = 0; i < 2000; i++) {
        uint64_t start = host.now;
        promise_unref(promise_catch(promise_retry(loop, &policy, fail_until, &never), trace_word, "end"));
        while (fakehost_next_timer(&host)) {}
        trace_take();
        ck_assert_uint_le(host.now - start, 9);
        seen[host.now - start]++;
        host.now++;
    }
    for (int i = 0; i < 10; i++) ck_assert_uint_gt(seen[i], 20); /* 100 or 200 expected */
}
END_TEST

START_TEST(a_factor_below_1_is_einval) {
    const double wrong[] = {0.99, -1, (double)NAN};

    for (int i = 0; i < 3; i++) {
        const struct promise_retry_policy policy = {.factor = wrong[i]};
        expect(promise_retry(loop, &policy, fail_until, &never), "!errno22");
    }
    trace_is("");
}
END_TEST

START_TEST(the_policy_is_copied) {
    struct promise_retry_policy policy = {.count = 2, .delay_ms = 5, .no_jitter = true};
    promise_t *p = promise_retry(loop, &policy, fail_until, &never);

    policy = (struct promise_retry_policy){.count = 100};
    expect(p, "!no2");
    trace_is("1@0 2@5");
}
END_TEST

START_TEST(one_try_is_enough) {
    const struct promise_retry_policy once = {.count = 1};
    int one = 1;

    expect(promise_retry(loop, &once, fail_until, &never), "!no1");
    expect(promise_retry(loop, &once, fail_until, &one), "yes");
    trace_is("1@0 1@0");
}
END_TEST

/* ---- which errors ---- */

static bool is_no1(promise_value_t reason, void *arg) {
    trace("%s?", shown(reason));
    return !strcmp(promise_error_message(reason), arg);
}

START_TEST(again_says_which_errors_are_worth_it) {
    const struct promise_retry_policy policy = {.count = 9, .no_jitter = true, .again = is_no1, .again_arg = "no1"};

    expect(promise_retry(loop, &policy, fail_until, &never), "!no2");
    trace_is("1@0 !no1? 2@100 !no2?");
}
END_TEST

static promise_value_t throw_canceled(promise_value_t v, void *arg) {
    promise_value_t e = promise_throw(&promise_errors, PROMISE_ECANCELED, "by somebody");

    trace("%d", (int)promise_as_int(v));
    return arg ? promise_wrap(e, &promise_errors, PROMISE_ECLOSED, "closed") : e;
}

START_TEST(never_after_ecanceled) { /* nor where it is the cause */
    const struct promise_retry_policy policy = {.count = 9, .again = is_no1, .again_arg = "no1"};

    expect(promise_retry(loop, &policy, throw_canceled, NULL), "!canceled");
    expect(promise_retry(loop, &policy, throw_canceled, "wrapped"), "!closed");
    trace_is("1 1");
}
END_TEST

/* ---- promises, cancel, teardown ---- */

static promise_value_t open_slow(promise_value_t v, void *arg) {
    (void)v;
    trace("%d", (int)promise_as_int(v));
    if (arg) promise_cancel(retried);
    return promise_adopt(promise_finally(source_open(NULL, &a, "a"), trace_slowly, "a"));
}

START_TEST(a_try_may_take_its_time) {
    promise_unref(traced(promise_retry(loop, NULL, open_slow, NULL), "p"));
    fakehost_drain(&host);
    source_reject(&a, "r");
    fakehost_advance(&host, 10);
    trace_is("1 a+ a-");
    fakehost_advance(&host, 100);
    source_resolve(&a, promise_int(7));
    fakehost_advance(&host, 10);
    trace_is("2 a+ a- p=7");
}
END_TEST

START_TEST(K1_a_cancel_reaches_the_try) {
    promise_t *p = traced(promise_retry(loop, NULL, open_slow, NULL), "p");

    fakehost_drain(&host);
    promise_cancel(p);
    while (fakehost_next_timer(&host)) {}
    trace_is("1 stop:a a+ a- p=!canceled");
}
END_TEST

START_TEST(K1_a_cancel_reaches_the_wait) {
    promise_t *p = traced(promise_retry(loop, NULL, fail_until, &never), "p");

    fakehost_drain(&host);
    ck_assert_uint_eq(host.timers, 1);
    promise_cancel(p);
    ck_assert_uint_eq(host.timers, 0);
    fakehost_drain(&host);
    trace_is("1@0 p=!canceled");
}
END_TEST

START_TEST(K3_a_try_cancels_its_retry) {
    promise_t *p = traced(promise_retry(loop, NULL, open_slow, "cancel"), "p");

    retried = promise_ref(p);
    promise_unref(p);
    while (fakehost_next_timer(&host)) {}
    trace_is("1 stop:a a+ a- p=!canceled");
}
END_TEST

static bool cancel_and_again(promise_value_t reason, void *arg) {
    (void)reason, (void)arg;
    promise_cancel(retried);
    return true;
}

START_TEST(K3_the_policy_cancels_its_retry) {
    const struct promise_retry_policy policy = {.again = cancel_and_again};
    promise_t *p = traced(promise_retry(loop, &policy, fail_until, &never), "p");

    retried = promise_ref(p);
    promise_unref(p);
    while (fakehost_next_timer(&host)) {}
    trace_is("1@0 p=!canceled");
}
END_TEST

START_TEST(J5_the_teardown_ends_it_in_the_middle) { /* of a wait, of a try, and before the first */
    promise_unref(traced(promise_retry(loop, NULL, fail_until, &never), "p"));
    fakehost_drain(&host);
    promise_loop_free(loop);
    trace_is("1@0 p=!canceled");
    setup();
    promise_unref(traced(promise_retry(loop, NULL, open_slow, NULL), "p"));
    fakehost_drain(&host);
    promise_loop_free(loop);
    trace_is("1 stop:a a+ p=!canceled");
    setup();
    promise_unref(traced(promise_retry(loop, NULL, fail_until, &never), "p"));
    promise_loop_free(loop);
    trace_is("1@0 p=!no1"); /* what it came to itself is not lost */
}
END_TEST

START_TEST(R1_many_tries_in_constant_memory) {
    const struct promise_retry_policy policy = {.count = UINT32_MAX, .delay_ms = 1, .factor = 1, .no_jitter = true};
    promise_t *p = promise_retry(loop, &policy, say_no, NULL);
    size_t live;

    fakehost_advance(&host, 1000);
    live = test_alloc_live();
    fakehost_advance(&host, test_scaled(100000));
    ck_assert_uint_eq(test_alloc_live(), live);
    promise_cancel(p);
}
END_TEST

START_TEST(without_a_clock_there_is_no_second_try) {
    struct fakehost clockless;
    promise_loop_t *other = fakehost_open_without_clock(&clockless);
    int one = 1;

    expect_on(&clockless, promise_retry(other, NULL, fail_until, &one), "yes");
    expect_on(&clockless, promise_retry(other, NULL, fail_until, &never), "!errno38");
    trace_is("1@0 1@0");
    fakehost_close(&clockless);
}
END_TEST

static void retry_nothing(void *arg) { promise_unref(promise_retry(loop, NULL, NULL, arg)); }

START_TEST(wrong_use_stops_the_program) {
    test_assert_stops(retry_nothing, NULL, "promise_retry: fn is NULL");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("retry");
    TCase *t = tcase_create("retry");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_default_tries_three_times);
    tcase_add_test(t, no_jitter_waits_exactly);
    tcase_add_test(t, many_tries_stay_below_the_longest_wait);
    tcase_add_test(t, full_jitter_is_drawn_from_0_to_the_longest);
    tcase_add_test(t, a_factor_below_1_is_einval);
    tcase_add_test(t, the_policy_is_copied);
    tcase_add_test(t, one_try_is_enough);
    tcase_add_test(t, again_says_which_errors_are_worth_it);
    tcase_add_test(t, never_after_ecanceled);
    tcase_add_test(t, a_try_may_take_its_time);
    tcase_add_test(t, K1_a_cancel_reaches_the_try);
    tcase_add_test(t, K1_a_cancel_reaches_the_wait);
    tcase_add_test(t, K3_a_try_cancels_its_retry);
    tcase_add_test(t, K3_the_policy_cancels_its_retry);
    tcase_add_test(t, J5_the_teardown_ends_it_in_the_middle);
    tcase_add_test(t, R1_many_tries_in_constant_memory);
    tcase_add_test(t, without_a_clock_there_is_no_second_try);
    tcase_add_test(t, wrong_use_stops_the_program);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
