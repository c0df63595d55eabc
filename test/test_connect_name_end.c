/* Connecting by name, broken off: cancelled and freed in each state, out of memory. Nothing of the attempts is left. */
#include "eyeballs.h"

#include <errno.h>

/* ---- cancelled, and the loop freed, in each state ---- */

static promise_t *resolving(void) {
    records("hold ::1", "hold 127.0.0.1");
    return to("host.test");
}
static promise_t *waiting_for_six(void) {
    promise_t *p;

    records("hold ::1", "127.0.0.1");
    p = to("host.test");
    nameserver_asked(ns, 2);
    some_turns();
    return p;
}
static promise_t *one_attempt(void) {
    promise_t *p;

    hangs(ONE);
    records("!nodata", "127.0.0.1");
    p = to("host.test");
    tried("127.0.0.1");
    return p;
}
static promise_t *several_attempts(void) {
    promise_t *p;

    hangs(ONE);
    hangs(TWO);
    records("fe80::1", "127.0.0.1 127.0.0.2 127.0.0.1");
    options.attempt_delay_ms = 1;
    p = to("host.test");
    tried("fe80::1 127.0.0.1 127.0.0.2 127.0.0.1");
    return p;
}
static promise_t *waiting_for_more(void) {
    promise_t *p;

    records("fe80::1", "hold 127.0.0.1");
    p = to("host.test");
    tried("fe80::1");
    some_turns();
    return p;
}
static promise_t *numeric(void) {
    hangs(ONE);
    return to("127.0.0.1");
}
static promise_t *(*const states[])(void) = {resolving,        waiting_for_six,  one_attempt,
                                             several_attempts, waiting_for_more, numeric};
enum { STATES = sizeof states / sizeof *states };

START_TEST(K2_cancelled) {
    size_t before, blocks;
    promise_t *p;

    open_all(_i % 2);
    ck_assert_int_eq(promise_loop_run(loop, promise_sleep(loop, 0), NULL), 0); /* the timers' own memory */
    blocks = test_alloc_live();
    before = open_descriptors();
    p = states[_i / 2]();
    trace_take();
    promise_cancel(traced(p, "p"));
    run_dry();
    trace_is("p=!canceled");
    ck_assert_uint_eq(open_descriptors(), before + filler_count);
    ck_assert_uint_eq(test_alloc_live(), blocks);
    close_all();
}
END_TEST

START_TEST(K2_sockets_are_closed_at_once) {
    size_t before;
    promise_t *p;

    open_all(0);
    before = open_descriptors();
    p = several_attempts();
    promise_cancel(p);
    ck_assert_uint_eq(open_descriptors(), before + filler_count);
    close_all();
}
END_TEST

START_TEST(J5_the_loop_is_freed) {
    open_all(_i % 2);
    promise_unref(states[_i / 2]());
    trace_take();
    close_all();
}
END_TEST

START_TEST(K5_a_timeout_stops_it) {
    open_all(_i % 2);
    is(promise_timeout(states[_i / 2](), 1), "!timedout");
    run_dry();
    trace_take();
    close_all();
}
END_TEST

static promise_value_t free_it(promise_value_t v, void *arg) {
    (void)arg;
    free_the_loop();
    return v;
}

START_TEST(J5_the_loop_is_freed_when_it_has_connected) {
    open_all(_i);
    accepts(ONE);
    records("hold ::1", "127.0.0.1");
    options.resolution_delay_ms = 1;
    promise_unref(promise_then(to("host.test"), free_it, NULL));
    promise_loop_run(loop, NULL, NULL);
    ck_assert_ptr_null(loop);
    trace_take();
    close_all();
}
END_TEST

/* ---- out of memory ---- */

START_TEST(O2_out_of_memory) { /* one allocation fails, or all from then on */
    bool failed = true;

    for (size_t n = 0; failed || n <= 1; n++) {
        promise_value_t v = {0};
        promise_t *p;
        open_all(0);
        accepts(TWO);
        records("fe80::1", "127.0.0.1 127.0.0.2");
        if (_i) test_alloc_fail_from(n);
        else test_alloc_fail_at(n);
        p = to("host.test");
        if (promise_loop_run(loop, p, &v) < 0)
            ck_assert_msg(promise_error_is(v, &promise_errno_errors, ENOMEM) ||
                              promise_error_is(v, &promise_errno_errors, EINVAL), /* of the first one */
                          "%zu: %s", n, shown(v));
        promise_value_clear(&v);
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        trace_take();
        close_all();
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("connect_name_end");
    TCase *t = tcase_create("connect_name_end");

    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, K2_cancelled, 0, 2 * STATES);
    tcase_add_test(t, K2_sockets_are_closed_at_once);
    tcase_add_loop_test(t, J5_the_loop_is_freed, 0, 2 * STATES);
    tcase_add_loop_test(t, K5_a_timeout_stops_it, 0, 2 * STATES);
    tcase_add_loop_test(t, J5_the_loop_is_freed_when_it_has_connected, 0, 2);
    tcase_add_loop_test(t, O2_out_of_memory, 0, 2);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
