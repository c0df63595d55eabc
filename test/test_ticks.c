/* promise_ticks: numbers, without drift, and what becomes of those that nobody asked for. */
#include "trace.h"

static promise_iterator_t *it;

static void at(uint64_t ms) { fakehost_advance(&host, ms - host.now); }

static void ask(const char *name) {
    promise_unref(promise_then_catch(promise_next(it), see, see, (void *)name));
    fakehost_drain(&host);
}

START_TEST(the_nth_comes_at_n_periods) {
    static const char *const words[] = {"t=0", "t=1", "t=2", "t=3", "t=4", "t=5"};

    at(1000); /* counted from the call */
    it = promise_ticks(loop, 10);
    for (uint64_t n = 1; n <= 5; n++) {
        ask("t");
        at(1000 + 10 * n - 1);
        trace_is("");
        at(1000 + 10 * n);
        trace_is(words[n]);
    }
    promise_iterator_close(it);
}
END_TEST

START_TEST(they_do_not_drift) { /* each is asked for some time after the one before */
    it = promise_ticks(loop, 10);
    for (uint64_t n = 1; n <= 100; n++) {
        ask("t");
        at(10 * n);
        trace_take();
        at(10 * n + n % 10);
    }
    ask("t");
    at(1009);
    trace_is("");
    at(1010);
    trace_is("t=101");
    promise_iterator_close(it);
}
END_TEST

START_TEST(the_number_tells_which_were_left_out) {
    it = promise_ticks(loop, 10);
    at(57);
    ask("t");
    trace_is("t=5"); /* the last that was due */
    ask("t");
    trace_is("");
    at(60);
    trace_is("t=6");
    promise_iterator_close(it);
}
END_TEST

START_TEST(several_at_once_come_one_by_one) {
    it = promise_ticks(loop, 10);
    ask("a"), ask("b"), ask("c");
    at(19);
    trace_is("a=1");
    at(30);
    trace_is("b=2 c=3");
    promise_iterator_close(it);
}
END_TEST

START_TEST(K6_a_tick_that_was_cancelled_is_still_to_come) {
    promise_t *p;

    it = promise_ticks(loop, 10);
    p = promise_next(it);
    at(5);
    ck_assert_uint_eq(host.timers, 1);
    promise_cancel(p);
    ck_assert_uint_eq(host.timers, 0);
    ask("t");
    at(10);
    trace_is("t=1");
    promise_iterator_close(it);
}
END_TEST

START_TEST(close_frees_the_timer) {
    it = promise_ticks(loop, 10);
    ask("a"), ask("b");
    promise_iterator_close(it);
    ck_assert_uint_eq(host.timers, 0);
    fakehost_drain(&host);
    trace_is("b=!canceled a=!canceled");
}
END_TEST

START_TEST(wrong_ones_reject) { /* O2 */
    struct fakehost clockless;
    promise_loop_t *other = fakehost_open_without_clock(&clockless);

    it = promise_ticks(loop, 0);
    ask("t"), ask("t");
    trace_is("t=!errno22 t=end");
    promise_iterator_close(it);
    it = promise_ticks(other, 10);
    expect_on(&clockless, promise_next(it), "!errno38");
    promise_iterator_close(it);
    fakehost_close(&clockless);
    it = promise_ticks(loop, 10);
    host.no_timers = true;
    ask("t"), ask("t");
    trace_is("t=!errno12 t=end");
    promise_iterator_close(it);
}
END_TEST

static promise_value_t until_five(promise_value_t v, void *arg) {
    trace("%d@%d", (int)promise_as_int(v), (int)host.now);
    if (promise_as_int(v) >= 5) return throw_text("five");
    return promise_adopt(promise_sleep(NULL, *(uint64_t *)arg));
}

START_TEST(each_over_ticks) {
    uint64_t work = 3;

    expect(promise_each(promise_ticks(loop, 10), 1, until_five, &work), "!five");
    trace_is("1@10 2@20 3@30 4@40 5@50");
    ck_assert_uint_eq(host.timers, 0);
}
END_TEST

START_TEST(J5_the_teardown_ends_them) {
    it = promise_ticks(loop, 10);
    ask("t");
    promise_loop_free(loop);
    trace_is("t=!canceled");
    promise_iterator_close(it);
}
END_TEST

static promise_value_t until_three(promise_value_t v, void *arg) { /* on a busy machine one may be left out */
    int64_t *before = arg;

    ck_assert_int_gt(promise_as_int(v), *before);
    *before = promise_as_int(v);
    return *before < 3 ? v : throw_text("three");
}

START_TEST(on_a_real_loop) {
    promise_loop_t *real = promise_loop_new(NULL);
    promise_value_t outcome = {0};
    int64_t before = 0;

    ck_assert_int_eq(promise_loop_run(real, promise_each(promise_ticks(real, 10), 1, until_three, &before), &outcome), -1);
    ck_assert_str_eq(shown(outcome), "!three");
    promise_value_clear(&outcome);
    promise_loop_free(real);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ticks");
    TCase *t = tcase_create("ticks");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_nth_comes_at_n_periods);
    tcase_add_test(t, they_do_not_drift);
    tcase_add_test(t, the_number_tells_which_were_left_out);
    tcase_add_test(t, several_at_once_come_one_by_one);
    tcase_add_test(t, K6_a_tick_that_was_cancelled_is_still_to_come);
    tcase_add_test(t, close_frees_the_timer);
    tcase_add_test(t, wrong_ones_reject);
    tcase_add_test(t, each_over_ticks);
    tcase_add_test(t, J5_the_teardown_ends_them);
    tcase_add_test(t, on_a_real_loop);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
