/* sleep, timeout and deadline, by a clock that moves when it is told to; a few on a real loop. Ticks are in test_ticks.c. */
#include "trace.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

static struct source a;

static void at(uint64_t ms) { fakehost_advance(&host, ms - host.now); }

static promise_t *slow(void) { return promise_finally(source_open(loop, &a, "a"), trace_slowly, "a"); }

/* ---- sleep ---- */

START_TEST(sleep_is_not_early_and_in_order_of_time) {
    promise_unref(traced(promise_sleep(loop, 20), "20"));
    promise_unref(traced(promise_sleep(loop, 10), "10"));
    promise_unref(traced(promise_sleep(loop, 10), "10b"));
    promise_unref(traced(promise_sleep(loop, 0), "0"));
    fakehost_drain(&host);
    trace_is("");
    at(9);
    trace_is("0=-");
    at(10);
    trace_is("10=- 10b=-");
    at(19);
    trace_is("");
    at(20);
    trace_is("20=-");
}
END_TEST

START_TEST(K2_cancelling_a_sleep_frees_its_timer_at_once) {
    promise_t *p = traced(promise_sleep(loop, 10), "p");

    ck_assert_uint_eq(host.timers, 1);
    promise_cancel(p);
    ck_assert_uint_eq(host.timers, 0);
    fakehost_drain(&host);
    trace_is("p=!canceled");
}
END_TEST

START_TEST(K4_a_sleep_that_was_dropped_goes_on) {
    promise_unref(promise_sleep(loop, 10));
    promise_cancel(promise_shield(promise_sleep(loop, 10)));
    ck_assert_uint_eq(host.timers, 2);
    at(10);
    ck_assert_uint_eq(host.timers, 0);
}
END_TEST

START_TEST(very_long_sleeps_end_with_the_loop) { /* J5 */
    promise_unref(traced(promise_sleep(loop, UINT64_MAX), "p"));
    at(1000000);
    promise_loop_free(loop);
    trace_is("p=!canceled");
}
END_TEST

START_TEST(out_of_timers_is_enomem) { /* O2 */
    host.no_timers = true;
    expect(promise_sleep(loop, 10), "!errno12");
    expect(promise_timeout(slow(), 10), "!errno12");
    trace_is("stop:a a+ a-"); /* cancelled and waited for, as when it had come */
}
END_TEST

/* ---- K5: timeout ---- */

START_TEST(K5_it_withdraws_cancels_waits_and_rejects) { /* T5 */
    promise_unref(traced(promise_timeout(slow(), 30), "p"));
    at(29);
    trace_is("");
    at(30);
    trace_is("stop:a a+");
    at(39);
    trace_is("");
    at(40);
    trace_is("a- p=!timedout");
}
END_TEST

START_TEST(K5_when_the_input_settles_first_the_timer_is_gone) {
    promise_t *p = promise_timeout(source_open(loop, &a, "a"), 30), *q;

    ck_assert_uint_eq(host.timers, 1);
    source_resolve(&a, promise_string("text"));
    fakehost_drain(&host);
    ck_assert_uint_eq(host.timers, 0);
    expect(p, "text");
    q = promise_timeout(source_open(loop, &a, "a"), 30);
    source_reject(&a, "r");
    fakehost_drain(&host);
    ck_assert_uint_eq(host.timers, 0);
    expect(q, "!r");
}
END_TEST

START_TEST(K5_an_input_that_has_settled_wins) {
    promise_t *p = promise_timeout(promise_from(loop, promise_int(1)), 0), *q, *others[3];

    ck_assert_uint_eq(host.timers, 0); /* before the call */
    expect(p, "1");
    p = source_open(loop, &a, "a");
    for (int i = 0; i < 3; i++) others[i] = promise_timeout(promise_ref(p), 30);
    q = promise_timeout(p, 30);
    source_resolve(&a, promise_int(2));
    fakehost_jump(&host, 30); /* settled, but its jobs have not run when the timers fire */
    expect(q, "2");
    for (int i = 0; i < 3; i++) expect(others[i], "2");
}
END_TEST

START_TEST(K5_an_input_that_others_hold_is_only_let_go_of) {
    promise_t *held = slow();

    promise_unref(traced(promise_timeout(promise_ref(held), 30), "p"));
    at(30);
    trace_is("p=!timedout");
    source_resolve(&a, promise_int(5));
    expect(held, "5");
}
END_TEST

START_TEST(K5_a_cancel_frees_the_timer_at_once) {
    promise_t *p = traced(promise_timeout(source_open(loop, &a, "a"), 30), "p");

    promise_cancel(p);
    ck_assert_uint_eq(host.timers, 0);
    fakehost_drain(&host);
    trace_is("stop:a p=!canceled");
}
END_TEST

START_TEST(K5_also_when_the_input_takes_its_time) { /* and what was cancelled does not time out */
    promise_t *p = promise_attach(slow(), "a", trace_free);

    fakehost_drain(&host);
    p = traced(promise_timeout(p, 5), "p");
    promise_cancel(p);
    ck_assert_uint_eq(host.timers, 0);
    fakehost_drain(&host);
    ck_assert_uint_eq(host.timers, 1); /* that of a+ */
    at(100);
    trace_is("stop:a a+ a- free:a p=!canceled");
}
END_TEST

START_TEST(cancelled_while_the_finally_is_waited_for) {
    promise_t *p = traced(promise_timeout(slow(), 13), "p"); /* a+ from 5 to 15 */

    at(5);
    source_resolve(&a, promise_int(1));
    fakehost_drain(&host);
    promise_cancel(p);
    ck_assert_uint_eq(host.timers, 1);
    at(100);
    trace_is("a+ a- p=!canceled");
}
END_TEST

START_TEST(a_cancel_after_it_expired_wins) {
    promise_t *p = traced(promise_timeout(slow(), 30), "p");

    at(30);
    promise_cancel(p);
    at(100);
    trace_is("stop:a a+ a- p=!canceled");
    ck_assert_uint_eq(host.unhandled, 0);
}
END_TEST

START_TEST(K4_a_timeout_that_was_dropped_still_stops_the_work) { /* it is what the program asked for */
    promise_unref(promise_timeout(slow(), 30));
    at(100);
    trace_is("stop:a a+ a-");
}
END_TEST

START_TEST(the_shorter_of_two_wins) {
    expect(promise_timeout(promise_timeout(slow(), 10), 30), "!timedout");
    trace_is("stop:a a+ a-");
    ck_assert_uint_eq(host.now, 20);
    expect(promise_timeout(promise_timeout(slow(), 30), 10), "!timedout");
    trace_is("stop:a a+ a-");
    ck_assert_uint_eq(host.now, 40);
}
END_TEST

static promise_value_t check_message(promise_value_t v, void *arg) {
    (void)arg;
    ck_assert(promise_is_timeout(v));
    ck_assert_ptr_nonnull(strstr(promise_error_message(v), "30 ms"));
    return promise_void();
}

START_TEST(the_message_says_how_long) {
    expect(promise_catch(promise_timeout(source_open(loop, &a, "a"), 30), check_message, NULL), "-");
}
END_TEST

START_TEST(T3_many_timeouts_of_one_promise) { /* expired, settled and cancelled ones leave nothing behind */
    promise_t *held = source_open(loop, &a, "a");
    size_t n = test_scaled(300000), live;

    for (size_t i = 0; i < 1000; i++) promise_cancel(promise_timeout(promise_ref(held), 40));
    for (size_t i = 0; i < n; i++) promise_unref(promise_timeout(promise_ref(held), 30));
    at(30); /* would not end if each had to walk past those that came after it */
    ck_assert_uint_eq(host.unhandled, n);
    ck_assert_uint_eq(host.timers, 0);
    live = test_alloc_live();
    for (size_t i = 0; i < n; i++) {
        promise_unref(promise_timeout(promise_ref(held), 1));
        fakehost_advance(&host, 1);
    }
    ck_assert_uint_le(test_alloc_live(), live);
    source_resolve(&a, promise_void());
    promise_unref(held);
}
END_TEST

START_TEST(J5_the_teardown_frees_the_timers) {
    promise_unref(traced(promise_timeout(slow(), 30), "p"));
    promise_unref(traced(promise_timeout(promise_race(loop, 0, NULL), 30), "q"));
    promise_loop_free(loop);
    trace_is("stop:a a+ q=!canceled p=!canceled");
}
END_TEST

START_TEST(without_a_clock) {
    struct fakehost clockless;
    promise_loop_t *other = fakehost_open_without_clock(&clockless);

    expect_on(&clockless, promise_sleep(other, 1), "!errno38");
    expect_on(&clockless, promise_timeout(source_open(other, &a, "a"), 1), "!errno38");
    trace_is("stop:a");
    expect_on(&clockless, promise_timeout(promise_from(other, promise_int(1)), 1), "1");
    fakehost_close(&clockless);
}
END_TEST

/* ---- at a time of the clock ---- */

START_TEST(now_is_the_clock_of_the_host) {
    struct fakehost clockless;
    promise_loop_t *other = fakehost_open_without_clock(&clockless);

    at(17);
    ck_assert_uint_eq(promise_now(loop), 17);
    ck_assert_uint_eq(promise_now(other), 0);
    expect_on(&clockless, promise_sleep_until(other, 1), "!errno38");
    expect_on(&clockless, promise_deadline(source_open(other, &a, "a"), 1), "!errno38");
    trace_is("stop:a");
    fakehost_close(&clockless);
}
END_TEST

static void now_of_nothing(void *arg) {
    (void)arg;
    (void)promise_now(NULL);
}

START_TEST(O6_outside_of_a_handler_it_needs_a_loop) {
    test_assert_stops(now_of_nothing, NULL, "promise_now: loop is NULL");
}
END_TEST

START_TEST(sleep_until_is_not_early_and_comes_at_once_when_it_is_late) {
    at(100);
    promise_unref(traced(promise_sleep_until(loop, 120), "120"));
    promise_unref(traced(promise_sleep_until(loop, 110), "110"));
    promise_unref(traced(promise_sleep(loop, 10), "10"));
    promise_unref(traced(promise_sleep_until(loop, 100), "now"));
    promise_unref(traced(promise_sleep_until(loop, 3), "past"));
    fakehost_drain(&host);
    trace_is("");
    at(109);
    trace_is("now=- past=-");
    at(110);
    trace_is("110=- 10=-");
    at(120);
    trace_is("120=-");
    promise_cancel(promise_sleep_until(loop, UINT64_MAX)); /* K2 */
    ck_assert_uint_eq(host.timers, 0);
}
END_TEST

static void *at_next(void *data, uint64_t ms, void (*fire)(void *arg), void *arg) {
    (void)data, (void)fire, (void)arg;
    trace("at:%d", (int)ms);
    return NULL;
}

/* A host that was compiled before there was such a thing is not asked for it. */
START_TEST(a_host_may_know_times) {
    static struct promise_host knows, old;
    promise_loop_t *other;
    struct fakehost its;

    knows = *fakehost_functions;
    knows.at = at_next;
    knows.size = sizeof knows;
    other = fakehost_open_with(&its, &knows);
    expect_on(&its, promise_sleep_until(other, 20), "!errno12");
    expect_on(&its, promise_deadline(source_open(other, &a, "a"), 30), "!errno12");
    trace_is("at:20 at:30 stop:a");
    fakehost_close(&its);

    old = knows;
    old.size = offsetof(struct promise_host, at);
    other = fakehost_open_with(&its, &old);
    expect_on(&its, promise_sleep_until(other, 20), "-");
    ck_assert_uint_eq(its.now, 20);
    fakehost_close(&its);
}
END_TEST

/* ---- K5: deadline ---- */

START_TEST(K5_a_deadline_is_a_timeout_at_a_time) { /* T5 */
    at(10);
    promise_unref(traced(promise_deadline(slow(), 30), "p"));
    at(29);
    trace_is("");
    at(30);
    trace_is("stop:a a+");
    at(40);
    trace_is("a- p=!timedout");
    expect(promise_deadline(promise_from(loop, promise_int(1)), 0), "1"); /* what has settled wins */
    trace_messages = true;
    expect(promise_deadline(source_open(loop, &a, "a"), 50), "!the deadline has passed");
    trace_is("stop:a");
}
END_TEST

static promise_value_t next_step(promise_value_t v, void *arg) {
    (void)v;
    trace("step@%d", (int)host.now);
    return promise_adopt(promise_deadline(promise_sleep(NULL, 20), *(uint64_t *)arg));
}

START_TEST(K5_one_deadline_for_many_steps) {
    uint64_t deadline = 50;
    promise_t *p = promise_from(loop, promise_void());

    for (int i = 0; i < 4; i++) p = promise_then(p, next_step, &deadline);
    expect(p, "!timedout");
    trace_is("step@0 step@20 step@40");
    ck_assert_uint_eq(host.now, 50);
    expect(promise_then(promise_from(loop, promise_void()), next_step, &deadline), "!timedout"); /* it has passed */
    trace_is("step@50");
    ck_assert_uint_eq(host.now, 50);
}
END_TEST

START_TEST(J5_a_deadline_goes_with_the_loop) {
    promise_unref(traced(promise_deadline(source_open(loop, &a, "a"), 30), "p"));
    promise_unref(traced(promise_sleep_until(loop, 30), "q"));
    promise_loop_free(loop);
    trace_is("stop:a q=!canceled p=!canceled");
}
END_TEST

/* ---- on a real loop ---- */

static uint64_t now_us(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static promise_value_t sleep_after_work(promise_value_t v, void *arg) {
    uint64_t *start = arg, begin = now_us();

    (void)v;
    while (now_us() - begin < 15000) {} /* a long callback: the loop's cached time is old (R24) */
    *start = now_us();
    return promise_adopt(promise_sleep(NULL, 20));
}

START_TEST(R24_real_sleeps_are_never_early) {
    promise_loop_t *real = promise_loop_new(NULL);
    uint64_t start = now_us();

    ck_assert_int_eq(promise_loop_run(real, promise_sleep(real, 20), NULL), 0);
    ck_assert_uint_ge(now_us() - start, 20000);
    ck_assert_int_eq(promise_loop_run(real, promise_then(promise_sleep(real, 1), sleep_after_work, &start), NULL), 0);
    ck_assert_uint_ge(now_us() - start, 20000);
    promise_loop_free(real);
}
END_TEST

START_TEST(real_sleeps_and_timeouts_come_in_their_order) {
    promise_loop_t *real = promise_loop_new(NULL);
    promise_t *all[3];

    all[0] = traced(promise_timeout(promise_sleep(real, 0), 100000), "0");
    all[1] = traced(promise_timeout(source_open(real, &a, "a"), 50), "50");
    all[2] = traced(promise_sleep(real, 200), "200"); /* each made after those that come before it */

    ck_assert_int_eq(promise_loop_run(real, promise_all_settled(real, 3, all), NULL), 0);
    trace_is("0=- stop:a 50=!timedout 200=-");
    promise_unref(promise_sleep(real, 100000));
    promise_loop_free(real);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("timer");
    TCase *t = tcase_create("timer");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, sleep_is_not_early_and_in_order_of_time);
    tcase_add_test(t, K2_cancelling_a_sleep_frees_its_timer_at_once);
    tcase_add_test(t, K4_a_sleep_that_was_dropped_goes_on);
    tcase_add_test(t, very_long_sleeps_end_with_the_loop);
    tcase_add_test(t, out_of_timers_is_enomem);
    tcase_add_test(t, K5_it_withdraws_cancels_waits_and_rejects);
    tcase_add_test(t, K5_when_the_input_settles_first_the_timer_is_gone);
    tcase_add_test(t, K5_an_input_that_has_settled_wins);
    tcase_add_test(t, K5_an_input_that_others_hold_is_only_let_go_of);
    tcase_add_test(t, K5_a_cancel_frees_the_timer_at_once);
    tcase_add_test(t, K5_also_when_the_input_takes_its_time);
    tcase_add_test(t, cancelled_while_the_finally_is_waited_for);
    tcase_add_test(t, a_cancel_after_it_expired_wins);
    tcase_add_test(t, K4_a_timeout_that_was_dropped_still_stops_the_work);
    tcase_add_test(t, the_shorter_of_two_wins);
    tcase_add_test(t, the_message_says_how_long);
    tcase_add_test(t, T3_many_timeouts_of_one_promise);
    tcase_add_test(t, J5_the_teardown_frees_the_timers);
    tcase_add_test(t, without_a_clock);
    tcase_add_test(t, now_is_the_clock_of_the_host);
    tcase_add_test(t, O6_outside_of_a_handler_it_needs_a_loop);
    tcase_add_test(t, sleep_until_is_not_early_and_comes_at_once_when_it_is_late);
    tcase_add_test(t, a_host_may_know_times);
    tcase_add_test(t, K5_a_deadline_is_a_timeout_at_a_time);
    tcase_add_test(t, K5_one_deadline_for_many_steps);
    tcase_add_test(t, J5_a_deadline_goes_with_the_loop);
    tcase_add_test(t, R24_real_sleeps_are_never_early);
    tcase_add_test(t, real_sleeps_and_timeouts_come_in_their_order);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
