/* Timers on libevent: all by one event, in order, as many as there are at a time, and what handlers do meanwhile. */
#include "evloop.h"

#include <errno.h>
#include <promise.h>
#include <stdlib.h>
#include <string.h>

static int count; /* of handlers that have run */

static void close_base(void) {
    promise_loop_free(loop);
    if (base) event_base_free(base);
    ck_assert_uint_eq(test_alloc_live(), live);
}

static promise_value_t word(promise_value_t v, void *arg) {
    char c = *(const char *)arg;

    count++;
    note(promise_is_rejection(v) ? (char)(c - 'a' + 'A') : c);
    return v;
}

static void sleep_for(uint64_t ms, const char *c) {
    promise_unref(promise_then_catch(promise_sleep(loop, ms), word, word, (void *)(uintptr_t)c));
}

static void sleep_until(uint64_t at, const char *c) {
    promise_unref(promise_then_catch(promise_sleep_until(loop, at), word, word, (void *)(uintptr_t)c));
}

/* Until all timers up to that many milliseconds are due. */
static void let_pass(uint64_t ms) {
    for (uint64_t end = promise_now(loop) + ms + 1; promise_now(loop) < end;) {}
}

static void run(void) { ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0); }

/* ---- order ---- */

static promise_value_t in_turn(promise_value_t v, void *arg) {
    ck_assert_int_eq(count++, (int)(intptr_t)arg);
    return v;
}

START_TEST(equal_ones_end_in_the_order_of_the_calls) {
    int n = (int)test_scaled(20000);
    uint64_t at;

    open_loop(_i);
    at = promise_now(loop) + 5;
    for (int i = 0; i < n; i++)
        promise_unref(promise_then(promise_sleep_until(loop, at), in_turn, (void *)(intptr_t)i));
    for (int i = 0; i < n; i++)
        promise_unref(promise_then(promise_sleep(loop, 50), in_turn, (void *)(intptr_t)(n + i)));
    run();
    ck_assert_int_eq(count, 2 * n);
    close_base();
}
END_TEST

/* In less than ten milliseconds: what is more comes in that order then. */
static bool make_in_any_order(void) {
    uint64_t now = promise_now(loop);

    sleep_for(60000, "x");
    sleep_until(now + 50, "d");
    sleep_for(15, "a");
    sleep_for(60, "e");
    sleep_until(now + 25, "b");
    sleep_for(40, "c");
    return promise_now(loop) < now + 10;
}

START_TEST(in_order_of_time_whatever_they_were_made_by) {
    open_loop(0);
    while (!make_in_any_order()) { /* on a busy machine */
        close_base();
        memset(log_text, 0, sizeof log_text);
        open_loop(0);
    }
    for (count = 0; count < 5;) promise_loop_turn(loop);
    ck_assert_str_eq(log_text, "abcde");
    close_base();
    ck_assert_str_eq(log_text, "abcdeX"); /* J5 */
}
END_TEST

START_TEST(times_that_have_passed_come_in_the_next_turn) { /* in the order of the calls: none is due before it was asked for */
    open_loop(0);
    let_pass(2);
    sleep_for(0, "a");
    sleep_until(0, "b");
    sleep_until(promise_now(loop) - 1, "c");
    sleep_for(0, "d");
    ck_assert_str_eq(log_text, "");
    run();
    ck_assert_str_eq(log_text, "abcd");
    close_base();
}
END_TEST

START_TEST(R24_none_is_early_on_the_clock_that_one_asks) {
    promise_value_t v = {0};

    open_loop(_i);
    for (uint64_t ms = 1; ms < 8; ms++) {
        uint64_t at = promise_now(loop) + ms;
        ck_assert_int_eq(promise_loop_run(loop, promise_sleep_until(loop, at), &v), 0);
        ck_assert_uint_ge(promise_now(loop), at);
    }
    close_base();
}
END_TEST

/* ---- J3: one event ---- */

static int events(void) { return event_base_get_num_events(promise_loop_base(loop), EVENT_BASE_COUNT_ADDED); }

START_TEST(J3_the_last_one_that_goes_lets_the_loop_end) {
    promise_t *p[3];

    open_loop(_i);
    ck_assert_int_eq(events(), 0);
    for (int i = 0; i < 3; i++) p[i] = promise_sleep(loop, 3600000 - 1000 * (uint64_t)(i % 2));
    ck_assert_int_eq(events(), 1);
    promise_cancel(p[1]); /* the first of them */
    promise_cancel(p[2]);
    ck_assert_int_eq(events(), 1);
    promise_cancel(p[0]);
    ck_assert_int_eq(events(), 0);
    run();
    close_base();
}
END_TEST

START_TEST(an_alarm_for_one_that_was_cancelled_rings_for_nobody) {
    open_loop(0);
    promise_t *p = promise_sleep(loop, 1);
    sleep_for(10, "a");
    promise_cancel(p);
    sleep_for(20, "b");
    run();
    ck_assert_str_eq(log_text, "ab");
    close_base();
}
END_TEST

/* ---- due together: collected first, run second ---- */

static promise_t *others[2];

static promise_value_t cancel_others(promise_value_t v, void *arg) {
    (void)word(v, arg);
    for (int i = 0; i < 2; i++) promise_cancel(others[i]);
    return promise_void();
}

START_TEST(K2_one_that_is_due_is_cancelled_by_one_before_it) {
    open_loop(_i);
    promise_unref(promise_then(promise_sleep(loop, 1), cancel_others, "a"));
    for (int i = 0; i < 2; i++)
        others[i] = promise_then_catch(promise_sleep(loop, i ? 2 : 1), word, word, i ? "c" : "b");
    sleep_for(3, "d");
    let_pass(3);
    run();
    ck_assert_str_eq(log_text, "aBCd");
    close_base();
}
END_TEST

static promise_value_t sleep_again(promise_value_t v, void *arg) {
    (void)word(v, arg);
    sleep_for(0, "c");
    sleep_until(0, "d");
    return promise_void();
}

START_TEST(those_made_meanwhile_come_later) {
    open_loop(0);
    promise_unref(promise_then(promise_sleep(loop, 1), sleep_again, "a"));
    sleep_for(2, "b");
    let_pass(2);
    run();
    ck_assert_str_eq(log_text, "abcd");
    close_base();
}
END_TEST

static promise_value_t free_loop(promise_value_t v, void *arg) {
    (void)word(v, arg);
    promise_loop_free(loop);
    return promise_void();
}

START_TEST(T4_J5_the_loop_is_freed_by_one_of_those_that_are_due) {
    open_loop(_i);
    promise_unref(promise_then(promise_sleep(loop, 1), free_loop, "a"));
    sleep_for(1, "b");
    sleep_for(3600000, "b");
    let_pass(1);
    run();
    ck_assert_str_eq(log_text, "aBB");
    loop = NULL;
    close_base();
}
END_TEST

/* ---- J1, R9: a budget of timers, then libevent has its turn ---- */

static int since_turn, most;
static struct event *turn;

static void turned(evutil_socket_t fd, short what, void *arg) {
    static const struct timeval now = {0, 0};

    (void)fd, (void)what, (void)arg;
    since_turn = 0;
    if (count) event_add(turn, &now);
}

static promise_value_t count_down(promise_value_t v, void *arg) {
    (void)arg;
    count--;
    if (++since_turn > most) most = since_turn;
    return v;
}

START_TEST(J1_many_that_are_due_starve_nothing) {
    static const struct timeval now = {0, 0};

    open_loop(1);
    promise_loop_set_budget(loop, 10);
    turn = evtimer_new(base, turned, NULL);
    event_add(turn, &now);
    for (count = 0; count < 1000; count++) promise_unref(promise_then(promise_sleep(loop, 1), count_down, NULL));
    let_pass(1);
    run();
    ck_assert_int_eq(count, 0);
    ck_assert_int_le(most, 20);
    event_free(turn);
    close_base();
}
END_TEST

static promise_value_t sleep_on(promise_value_t v, void *arg) {
    (void)count_down(v, arg);
    return count ? promise_adopt(promise_then(promise_sleep(NULL, 0), sleep_on, arg)) : v;
}

START_TEST(R9_sleeping_for_nothing_again_and_again_starves_nothing) {
    static const struct timeval now = {0, 0};

    open_loop(1);
    turn = evtimer_new(base, turned, NULL);
    count = 1000;
    event_add(turn, &now);
    promise_unref(promise_try(loop, sleep_on, NULL));
    run();
    ck_assert_int_eq(count, 0);
    ck_assert_int_le(most, 2);
    event_free(turn);
    close_base();
}
END_TEST

/* ---- out of memory ---- */

static void sleep_both(void) {
    promise_value_t v = {0};
    int status = promise_loop_run(loop, promise_all_of(loop, promise_sleep(loop, 1), promise_sleep_until(loop, 0), NULL), &v);

    if (status < 0) ck_assert(promise_error_is(v, &promise_errno_errors, ENOMEM));
    ck_assert(test_alloc_failed() || status == 0);
    promise_value_clear(&v);
}

START_TEST(O2_each_allocation_fails_once) {
    bool failed;
    size_t n = 0;

    do {
        open_loop(0);
        test_alloc_fail_at(++n);
        sleep_both();
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        close_base();
    } while (failed);
    ck_assert_uint_gt(n, 2);
}
END_TEST

/* libevent's own memory. */
static bool none_left;
static long blocks, until_none = -1;

static bool fails(void) { return none_left || (until_none >= 0 && until_none-- == 0); }
static void *event_malloc(size_t size) {
    if (fails()) return NULL;
    blocks++;
    return malloc(size);
}
static void *event_realloc(void *block, size_t size) {
    if (fails()) return NULL;
    blocks += !block;
    return realloc(block, size);
}
static void event_mem_free(void *block) {
    blocks -= block != NULL;
    free(block);
}

START_TEST(a_timer_comes_when_libevent_has_no_memory_for_it) {
    uint64_t at;

    event_set_mem_functions(event_malloc, event_realloc, event_mem_free);
    open_loop(_i);
    none_left = true;
    at = promise_now(loop) + 5;
    ck_assert_int_eq(promise_loop_run(loop, promise_sleep(loop, 5), NULL), 0);
    ck_assert_uint_ge(promise_now(loop), at);
    none_left = false;
    close_base();
    ck_assert_int_eq(blocks, 0);
}
END_TEST

START_TEST(O2_no_loop_when_libevent_has_no_memory) {
    bool failed = true;

    event_set_mem_functions(event_malloc, event_realloc, event_mem_free);
    for (long n = 0; failed; n++) {
        live = test_alloc_live();
        until_none = n;
        loop = promise_loop_new(NULL);
        failed = until_none < 0;
        until_none = -1;
        ck_assert(loop || failed);
        base = NULL;
        close_base();
        ck_assert_int_eq(blocks, 0);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("clock");
    TCase *t = tcase_create("clock");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, equal_ones_end_in_the_order_of_the_calls, 0, 2);
    tcase_add_test(t, in_order_of_time_whatever_they_were_made_by);
    tcase_add_test(t, times_that_have_passed_come_in_the_next_turn);
    tcase_add_loop_test(t, R24_none_is_early_on_the_clock_that_one_asks, 0, 2);
    tcase_add_loop_test(t, J3_the_last_one_that_goes_lets_the_loop_end, 0, 2);
    tcase_add_test(t, an_alarm_for_one_that_was_cancelled_rings_for_nobody);
    tcase_add_loop_test(t, K2_one_that_is_due_is_cancelled_by_one_before_it, 0, 2);
    tcase_add_test(t, those_made_meanwhile_come_later);
    tcase_add_loop_test(t, T4_J5_the_loop_is_freed_by_one_of_those_that_are_due, 0, 2);
    tcase_add_test(t, J1_many_that_are_due_starve_nothing);
    tcase_add_test(t, R9_sleeping_for_nothing_again_and_again_starves_nothing);
    tcase_add_test(t, O2_each_allocation_fails_once);
    tcase_add_loop_test(t, a_timer_comes_when_libevent_has_no_memory_for_it, 0, 2);
    tcase_add_test(t, O2_no_loop_when_libevent_has_no_memory);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
