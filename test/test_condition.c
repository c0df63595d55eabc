/* Conditions: who is woken, in which order, with the mutex in hand whatever comes. Turns are in test_turn.c. */
#include "trace.h"

#include <string.h>

static promise_mutex_t *m;
static promise_condition_t *c;
static int items;

static void open_condition(void) {
    setup();
    m = promise_mutex_new(loop);
    c = promise_condition_new(loop);
    items = 0;
}

/* A coroutine that takes an item when there is one. Its unlock would stop the program if it had not the mutex. */
static promise_value_t consume(promise_value_t v, void *arg) {
    promise_value_t r = {0};

    (void)v;
    if (promise_await(promise_mutex_lock(m), &r) < 0) return r;
    promise_defer(promise_mutex_unlock, m);
    while (!items) {
        if (promise_await(promise_condition_wait(c, m), &r) < 0) {
            trace("%s=%s", (const char *)arg, shown(r));
            return r;
        }
        trace("%s?", (const char *)arg);
    }
    items--;
    trace("%s!", (const char *)arg);
    return promise_void();
}

static promise_t *consumer(const char *name) { return promise_async(loop, consume, (void *)(uintptr_t)name); }

static void produce(int n) {
    items += n;
    if (n == 1) promise_condition_signal(c);
    else promise_condition_broadcast(c);
    fakehost_drain(&host);
}

START_TEST(who_waited_longest_is_woken) {
    promise_unref(consumer("a"));
    promise_unref(consumer("b"));
    promise_unref(consumer("c"));
    fakehost_drain(&host);
    ck_assert_uint_eq(promise_condition_waiting(c), 3);
    ck_assert(!promise_mutex_is_locked(m));
    produce(1);
    trace_is("a? a!");
    produce(1);
    trace_is("b? b!");
    produce(1);
    trace_is("c? c!");
    ck_assert_uint_eq(promise_condition_waiting(c), 0);
    promise_condition_signal(c); /* nobody: not remembered */
    promise_unref(consumer("d"));
    fakehost_drain(&host);
    trace_is("");
    produce(1);
    trace_is("d? d!");
}
END_TEST

START_TEST(broadcast_wakes_all_who_wait_now) {
    promise_t *d;

    promise_unref(consumer("a"));
    promise_unref(consumer("b"));
    d = consumer("d");
    fakehost_drain(&host);
    produce(2);
    trace_is("a? a! b? b! d?");
    ck_assert_uint_eq(promise_condition_waiting(c), 1);
    promise_cancel(d);
    fakehost_drain(&host);
    trace_is("d=!canceled");
    ck_assert(!promise_mutex_is_locked(m));
}
END_TEST

START_TEST(the_mutex_is_waited_for_in_its_queue) {
    promise_unref(consumer("a"));
    fakehost_drain(&host);
    ck_assert(promise_mutex_try_lock(m));
    promise_unref(promise_then(promise_mutex_with(m, trace_word, "first"), trace_word, "then"));
    produce(1);
    trace_is("");
    promise_mutex_unlock(m);
    fakehost_drain(&host);
    trace_is("first a? a! then");
}
END_TEST

START_TEST(K3_a_cancelled_wait_has_the_mutex_again) {
    promise_t *a = consumer("a");

    fakehost_drain(&host);
    ck_assert(promise_mutex_try_lock(m));
    promise_cancel(a);
    fakehost_drain(&host);
    ck_assert_uint_eq(promise_condition_waiting(c), 0); /* K2 */
    trace_is("");                                       /* not before it has the mutex */
    promise_mutex_unlock(m);
    fakehost_drain(&host);
    trace_is("a=!canceled");
    ck_assert(!promise_mutex_is_locked(m));
}
END_TEST

static promise_value_t wait_a_while(promise_value_t v, void *arg) {
    promise_value_t r = {0};

    (void)v, (void)arg;
    if (promise_await(promise_mutex_lock(m), &r) < 0) return r;
    promise_defer(promise_mutex_unlock, m);
    if (promise_await(promise_timeout(promise_condition_wait(c, m), 10), &r) < 0) return r;
    return promise_void();
}

START_TEST(K5_so_has_one_that_timed_out) {
    promise_t *p = promise_async(loop, wait_a_while, NULL);

    fakehost_drain(&host);
    promise_unref(promise_mutex_with(m, trace_slowly, "w"));
    fakehost_advance(&host, 5);
    expect(p, "!timedout");
    trace_is("w+ w-");
    ck_assert(!promise_mutex_is_locked(m));
}
END_TEST

/* Cancelled after each number of jobs after the signal: one of the two gets the item. */
START_TEST(K6_a_signal_that_comes_with_a_cancel_goes_to_the_next) {
    promise_loop_set_budget(loop, 1);
    for (int held = 0; held < 2; held++) {
        for (int at = 0; at < 14; at++) {
            promise_t *a = consumer("a"), *b = consumer("b");
            fakehost_drain(&host);
            if (held) ck_assert(promise_mutex_try_lock(m)); /* it has to wait for the mutex, too */
            items = 1;
            promise_condition_signal(c);
            for (int i = 0; i < at; i++) fakehost_drain_once(&host);
            promise_cancel(a);
            fakehost_drain(&host);
            if (held) promise_mutex_unlock(m);
            fakehost_drain(&host);
            ck_assert_int_eq(items, 0);
            promise_cancel(b);
            fakehost_drain(&host);
            ck_assert(!promise_mutex_is_locked(m));
            ck_assert_uint_eq(promise_condition_waiting(c), 0);
            trace_take();
        }
    }
}
END_TEST

START_TEST(K6_that_of_a_broadcast_needs_no_heir) {
    promise_t *a = consumer("a");

    promise_unref(consumer("b"));
    fakehost_drain(&host);
    items = 1;
    promise_condition_broadcast(c);
    promise_unref(consumer("late"));
    promise_cancel(a);
    fakehost_drain(&host);
    ck_assert_int_eq(items, 0);
    trace_take();
}
END_TEST

static promise_value_t wait_in_with(promise_value_t v, void *arg) {
    (void)v;
    return promise_adopt(promise_then(promise_condition_wait(c, m), trace_word, arg));
}

START_TEST(in_a_chain_by_with) {
    promise_t *p = promise_mutex_with(m, wait_in_with, "woken"), *q;

    fakehost_drain(&host);
    ck_assert(!promise_mutex_is_locked(m));
    q = promise_mutex_with(m, trace_slowly, "q");
    promise_condition_signal(c);
    fakehost_advance(&host, 20);
    trace_is("q+ q- woken");
    ck_assert(!promise_mutex_is_locked(m));
    promise_unref(p);
    promise_unref(q);
    p = promise_mutex_with(m, wait_in_with, "never");
    fakehost_drain(&host);
    promise_mutex_free(m); /* it cannot have it again, and does not give back what it has not */
    promise_condition_signal(c);
    expect(p, "!closed");
}
END_TEST

/* ---- refused ---- */

static void wait_unlocked(void *arg) {
    (void)arg;
    promise_unref(promise_condition_wait(c, m));
}
static promise_value_t wait_here(promise_value_t v, void *arg) {
    wait_unlocked(arg);
    return v;
}
static promise_value_t lock_and_stay(promise_value_t v, void *arg) {
    (void)arg;
    (void)promise_await(promise_mutex_lock(m), NULL);
    (void)promise_await(promise_sleep(NULL, 10), NULL);
    return v;
}
static void wait_with_anothers(void *arg) {
    promise_unref(promise_async(loop, lock_and_stay, arg));
    promise_unref(promise_async(loop, wait_here, arg));
    fakehost_drain(&host);
}
static void wait_null(void *arg) { promise_unref(promise_condition_wait(arg, m)); }
static void wait_without_mutex(void *arg) { promise_unref(promise_condition_wait(c, arg)); }
static void wait_on_another_loop(void *arg) {
    struct fakehost other;
    (void)arg;
    promise_unref(promise_condition_wait(c, promise_mutex_new(fakehost_open(&other))));
}
static void signal_null(void *arg) { promise_condition_signal(arg); }

START_TEST(without_the_mutex_it_is_refused) {
    test_assert_stops(wait_unlocked, NULL, "promise_condition_wait: expected a mutex that is locked, got one that is not");
    test_assert_stops(wait_with_anothers, NULL, "promise_condition_wait: expected the task that locked the mutex");
    test_assert_stops(wait_null, NULL, "promise_condition_wait: the condition is NULL");
    test_assert_stops(wait_without_mutex, NULL, "promise_condition_wait: the mutex is NULL");
    test_assert_stops(wait_on_another_loop, NULL, "expected a condition and a mutex of one loop, got those of two");
    test_assert_stops(signal_null, NULL, "promise_condition_signal: the condition is NULL");
}
END_TEST

/* ---- the end ---- */

START_TEST(freed_it_rejects_who_waits_with_the_mutex_in_hand) {
    promise_unref(consumer("a"));
    promise_unref(consumer("b"));
    promise_unref(consumer("c"));
    fakehost_drain(&host);
    promise_condition_signal(c); /* a is to go on, but has not heard of it */
    promise_condition_free(c);
    promise_condition_free(NULL);
    fakehost_drain(&host);
    trace_is("b=!closed c=!closed a=!closed");
    ck_assert(!promise_mutex_is_locked(m));
}
END_TEST

START_TEST(J5_the_loop_goes_in_each_state) {
    promise_t *p;

    promise_unref(consumer("a"));
    promise_unref(consumer("b"));
    fakehost_drain(&host);
    ck_assert(promise_mutex_try_lock(m));
    promise_condition_signal(c);
    fakehost_drain(&host); /* a waits for the mutex, b for a signal */
    p = promise_mutex_with(m, wait_in_with, "w");
    promise_loop_free(loop);
    trace_take(); /* what has been deferred unlocks what it has not: when the loop goes, that is no error */
    promise_unref(p);
}
END_TEST

static promise_value_t wait_when_gone(promise_value_t v, void *arg) {
    (void)arg;
    promise_unref(traced(promise_condition_wait(c, m), "c"));
    promise_unref(promise_condition_wait(promise_condition_new(loop), m));
    return v;
}

START_TEST(J5_nothing_new_when_the_loop_goes) {
    static struct source a;

    promise_unref(promise_catch(source_open(loop, &a, "a"), wait_when_gone, NULL));
    ck_assert(promise_mutex_try_lock(m));
    promise_loop_free(loop);
    trace_is("stop:a");
}
END_TEST

START_TEST(O2_out_of_memory) { /* whatever comes of it, the mutex is had */
    size_t n = 0;

    do {
        promise_condition_t *other;
        const char *outcome;
        promise_t *p;
        ck_assert(promise_mutex_try_lock(m));
        test_alloc_fail_at(++n);
        other = promise_condition_new(loop);
        p = promise_condition_wait(other, m);
        promise_condition_signal(other);
        promise_condition_broadcast(other);
        outcome = outcome_of(&host, p);
        ck_assert(!strcmp(outcome, "-") || !strcmp(outcome, "!errno12"));
        ck_assert_uint_eq(promise_condition_waiting(other), 0);
        promise_condition_free(other);
        promise_mutex_unlock(m);
    } while (test_alloc_failed());
    test_alloc_fail_at(0);
    ck_assert_uint_gt(n, 2);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("condition");
    TCase *t = tcase_create("condition");

    tcase_add_checked_fixture(t, open_condition, teardown);
    tcase_add_test(t, who_waited_longest_is_woken);
    tcase_add_test(t, broadcast_wakes_all_who_wait_now);
    tcase_add_test(t, the_mutex_is_waited_for_in_its_queue);
    tcase_add_test(t, K3_a_cancelled_wait_has_the_mutex_again);
    tcase_add_test(t, K5_so_has_one_that_timed_out);
    tcase_add_test(t, K6_a_signal_that_comes_with_a_cancel_goes_to_the_next);
    tcase_add_test(t, K6_that_of_a_broadcast_needs_no_heir);
    tcase_add_test(t, in_a_chain_by_with);
    tcase_add_test(t, without_the_mutex_it_is_refused);
    tcase_add_test(t, freed_it_rejects_who_waits_with_the_mutex_in_hand);
    tcase_add_test(t, J5_the_loop_goes_in_each_state);
    tcase_add_test(t, J5_nothing_new_when_the_loop_goes);
    tcase_add_test(t, O2_out_of_memory);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
