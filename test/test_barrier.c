/* Barriers: rounds, the one of each round, cancels before and after the end of a round. Turns are in test_turn.c. */
#include "trace.h"

#include <string.h>

static promise_barrier_t *b;

static void open_barrier(void) {
    setup();
    b = promise_barrier_new(loop, 3);
}

static void come(const char *name) { promise_unref(traced(promise_barrier_wait(b), name)); }

START_TEST(all_go_when_all_have_come_again_and_again) {
    for (int round = 0; round < 3; round++) {
        come("a");
        come("b");
        fakehost_drain(&host);
        trace_is("");
        ck_assert_uint_eq(promise_barrier_waiting(b), 2);
        come("c");
        come("d"); /* of the next round */
        ck_assert_uint_eq(promise_barrier_waiting(b), 1);
        fakehost_drain(&host);
        trace_is("a=1 b=0 c=0");
        come("e");
        come("f");
        fakehost_drain(&host);
        trace_is("d=1 e=0 f=0");
    }
}
END_TEST

START_TEST(K2_one_that_is_cancelled_has_not_come) {
    promise_t *p;

    come("a");
    p = promise_barrier_wait(b);
    promise_cancel(p);
    come("b");
    fakehost_drain(&host);
    trace_is("");
    come("c");
    fakehost_drain(&host);
    trace_is("a=1 b=0 c=0");
}
END_TEST

START_TEST(K6_another_is_the_one_when_that_was_cancelled) {
    promise_t *p = promise_barrier_wait(b);

    come("b");
    come("c");
    promise_cancel(p); /* the round has ended */
    fakehost_drain(&host);
    trace_is("b=1 c=0");
}
END_TEST

START_TEST(rounds_keep_apart) { /* two rounds end before anybody hears of them */
    for (int i = 0; i < 2; i++) {
        come("a");
        come("b");
        come("c");
    }
    fakehost_drain(&host);
    trace_is("a=1 b=0 c=0 a=1 b=0 c=0");
}
END_TEST

static void arrive(void *arg) {
    come(arg);
    come(arg);
}

START_TEST(who_is_being_cancelled_does_not_count) { /* in a stop that runs before its own */
    promise_resolver_t *resolver;
    promise_t *both[2], *p;

    both[0] = promise_new(loop, &resolver);
    promise_on_cancel(resolver, arrive, "x");
    both[1] = promise_barrier_wait(b);
    p = promise_all(loop, 2, both);
    promise_cancel(p);
    promise_abandon(resolver);
    fakehost_drain(&host);
    trace_is("");
    come("y");
    fakehost_drain(&host);
    trace_is("x=1 x=0 y=0");
}
END_TEST

START_TEST(for_one_it_is_always_open) {
    promise_barrier_t *one = promise_barrier_new(loop, 1);

    expect(promise_barrier_wait(one), "1");
    expect(promise_barrier_wait(one), "1");
    promise_barrier_free(one);
}
END_TEST

static promise_value_t worker(promise_value_t v, void *arg) {
    promise_value_t r = {0};

    (void)v;
    for (int phase = 0; phase < 3; phase++) {
        if (promise_await(promise_sleep(NULL, (uint64_t)(uintptr_t)arg * 3), &r) < 0) return r;
        trace("%d", (int)(uintptr_t)arg);
        if (promise_await(promise_barrier_wait(b), &r) < 0) return r;
        if (promise_as_int(r)) trace("|");
    }
    return promise_void();
}

START_TEST(coroutines_in_phases) {
    for (uintptr_t i = 1; i <= 3; i++) promise_unref(promise_async(loop, worker, (void *)i));
    fakehost_advance(&host, 100);
    trace_is("1 2 3 | 1 2 3 | 1 2 3 |");
}
END_TEST

static void wait_null(void *arg) { promise_unref(promise_barrier_wait(arg)); }

START_TEST(bad_input_is_refused) {
    promise_barrier_t *none = promise_barrier_new(loop, 0);

    expect(promise_barrier_wait(none), "!errno22");
    promise_barrier_free(none);
    test_assert_stops(wait_null, NULL, "promise_barrier_wait: the barrier is NULL");
}
END_TEST

START_TEST(freed_it_rejects_who_waits) {
    for (const char *name = "abcd"; *name; name++) come(name);
    promise_barrier_free(b); /* the first three have not heard of it */
    promise_barrier_free(NULL);
    fakehost_drain(&host);
    trace_is("d=!closed abcd=!closed bcd=!closed cd=!closed");
}
END_TEST

START_TEST(J5_the_loop_goes_in_each_state) {
    for (const char *name = "abcd"; *name; name++) come(name);
    promise_loop_free(loop);
    trace_is("abcd=1 bcd=0 cd=0 d=!canceled");
}
END_TEST

START_TEST(O2_out_of_memory) {
    size_t n = 0;

    do {
        promise_barrier_t *other;
        const char *outcome;
        test_alloc_fail_at(++n);
        other = promise_barrier_new(loop, 1);
        outcome = outcome_of(&host, promise_barrier_wait(other));
        ck_assert(!strcmp(outcome, "1") || !strcmp(outcome, "!errno12"));
        ck_assert_uint_eq(promise_barrier_waiting(other), 0);
        promise_barrier_free(other);
    } while (test_alloc_failed());
    test_alloc_fail_at(0);
    ck_assert_uint_gt(n, 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("barrier");
    TCase *t = tcase_create("barrier");

    tcase_add_checked_fixture(t, open_barrier, teardown);
    tcase_add_test(t, all_go_when_all_have_come_again_and_again);
    tcase_add_test(t, K2_one_that_is_cancelled_has_not_come);
    tcase_add_test(t, K6_another_is_the_one_when_that_was_cancelled);
    tcase_add_test(t, rounds_keep_apart);
    tcase_add_test(t, who_is_being_cancelled_does_not_count);
    tcase_add_test(t, for_one_it_is_always_open);
    tcase_add_test(t, coroutines_in_phases);
    tcase_add_test(t, bad_input_is_refused);
    tcase_add_test(t, freed_it_rejects_who_waits);
    tcase_add_test(t, J5_the_loop_goes_in_each_state);
    tcase_add_test(t, O2_out_of_memory);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
