/* The core on a host of ten lines: waking, draining, the order of jobs, the budget (J1, J6, H1, O6). */
#include "hosted.h"

#include <pthread.h>

/* A host without a wake, or none, makes no loop. */
START_TEST(needs_a_wake) {
    static const struct promise_host none = {.size = sizeof none};

    ck_assert_ptr_null(promise_loop_new_hosted(NULL, NULL));
    ck_assert_ptr_null(promise_loop_new_hosted(&none, NULL));
}
END_TEST

START_TEST(wakes_once_before_a_drain) {
    ck_assert(!host.wanted && !promise_loop_has_jobs(loop));
    watch(promise_from(loop, promise_int(1)), "a");
    watch(promise_from(loop, promise_int(2)), "b");
    ck_assert_uint_eq(host.wakes, 1);
    ck_assert(promise_loop_has_jobs(loop));
    ck_assert(!hosted_drain());
    trace_is("a=1 b=2");
    ck_assert(!host.wanted && !promise_loop_has_jobs(loop));
    watch(promise_from(loop, promise_int(3)), "c");
    ck_assert_uint_eq(host.wakes, 2);
    hosted_run();
    trace_is("c=3");
}
END_TEST

/* A pending promise is no job: nothing wakes the host for it. */
START_TEST(pending_is_no_job) {
    struct source w;
    promise_t *p = promise_then(source_open(loop, &w, "w"), see, "a");

    ck_assert(!host.wanted && !promise_loop_has_jobs(loop));
    source_resolve(&w, promise_int(1));
    ck_assert(host.wanted && promise_loop_has_jobs(loop));
    trace_is(""); /* 2.2.4: not inside of resolve */
    hosted_run();
    trace_is("a=1");
    promise_unref(p);
}
END_TEST

START_TEST(a_drain_too_many_is_harmless) {
    ck_assert(!promise_loop_drain(loop));
    watch(promise_from(loop, promise_int(1)), "a");
    ck_assert(!promise_loop_drain(loop));
    ck_assert(!promise_loop_drain(loop));
    trace_is("a=1");
    host.wanted = false;
}
END_TEST

/* ---- order ---- */

static promise_value_t queue_two(promise_value_t v, void *arg) {
    see(v, arg);
    watch(promise_from(NULL, promise_string("late")), "x"); /* O6: NULL is the running loop */
    watch(promise_from(NULL, promise_string("late")), "y");
    return promise_void();
}

/* J1: first in, first out, and those that jobs queue run in the same drain. */
START_TEST(J1_fifo) {
    promise_unref(promise_then(promise_from(loop, promise_int(1)), queue_two, "a"));
    watch(promise_from(loop, promise_int(2)), "b");
    ck_assert(!hosted_drain());
    trace_is("a=1 b=2 x=late y=late");
}
END_TEST

static promise_value_t count(promise_value_t v, void *arg) {
    ++*(unsigned *)arg;
    return v;
}
static promise_t *chain(unsigned links, unsigned *counter) {
    promise_t *p = promise_from(loop, promise_void());

    while (links--) p = promise_then(p, count, counter);
    return p;
}

/* J1: a drain runs up to the budget, then says that there is more. */
START_TEST(J1_budget) {
    unsigned counter = 0;

    promise_loop_set_budget(loop, 10);
    promise_unref(chain(25, &counter));
    ck_assert(hosted_drain());
    ck_assert_uint_eq(counter, 10);
    ck_assert_uint_eq(host.again, 1);
    ck_assert(hosted_drain());
    ck_assert_uint_eq(counter, 20);
    ck_assert(!hosted_drain());
    ck_assert_uint_eq(counter, 25);
    ck_assert_uint_eq(host.again, 2);
    ck_assert(!host.wanted);
}
END_TEST

/* J1: 1,024 unless it is set, and 0 sets that again. Many children of one promise count as many. */
START_TEST(J1_default_budget) {
    unsigned counter = 0;

    for (int round = 0; round < 2; round++) {
        promise_t *p = promise_from(loop, promise_void());
        for (int i = 0; i < 2000; i++) promise_unref(promise_then(promise_ref(p), count, &counter));
        promise_unref(p);
        counter = 0;
        ck_assert(hosted_drain());
        ck_assert_uint_eq(counter, 1024);
        ck_assert(!hosted_drain());
        ck_assert_uint_eq(counter, 2000);
        promise_loop_set_budget(loop, 5);
        promise_loop_set_budget(loop, 0);
    }
}
END_TEST

/* The budget also holds for children that wait with one pending parent. */
START_TEST(J1_budget_of_siblings) {
    struct source w;
    unsigned counter = 0;
    promise_t *p = source_open(loop, &w, "w");

    promise_loop_set_budget(loop, 3);
    for (int i = 0; i < 8; i++) promise_unref(promise_then(promise_ref(p), count, &counter));
    promise_unref(p);
    source_resolve(&w, promise_void());
    ck_assert(hosted_drain());
    ck_assert_uint_eq(counter, 3);
    ck_assert(hosted_drain());
    ck_assert(!hosted_drain());
    ck_assert_uint_eq(counter, 8);
}
END_TEST

/* ---- NULL for the loop (O6) ---- */

static promise_value_t look_around(promise_value_t v, void *arg) {
    ck_assert_ptr_eq(promise_loop_current(), arg);
    return v;
}
START_TEST(O6_current) {
    ck_assert_ptr_null(promise_loop_current());
    promise_unref(promise_try(loop, look_around, loop));
    hosted_run();
    ck_assert_ptr_null(promise_loop_current());
}
END_TEST

static void without_loop(void *arg) {
    (void)arg;
    promise_unref(promise_from(NULL, promise_void()));
}
START_TEST(O6_null_outside_stops) { test_assert_stops(without_loop, NULL, "promise_from: loop is NULL outside of a handler"); }
END_TEST

static const struct promise_host *other_host(void);
static promise_value_t make_in_other(promise_value_t v, void *other) {
    promise_t *p = promise_from(other, promise_int(1));

    ck_assert_ptr_eq(promise_loop_of(p), other);
    promise_unref(p);
    promise_loop_drain(other); /* two loops: one may be drained inside of the other */
    ck_assert_ptr_eq(promise_loop_current(), loop);
    return v;
}
static void no_wake(void *data, bool again) { (void)data, (void)again; }
static const struct promise_host *other_host(void) {
    static const struct promise_host quiet = {.size = sizeof quiet, .wake = no_wake};
    return &quiet;
}
START_TEST(two_loops) {
    promise_loop_t *other = promise_loop_new_hosted(other_host(), NULL);

    promise_unref(promise_try(loop, make_in_other, other));
    hosted_run();
    promise_loop_free(other);
}
END_TEST

/* ---- misuse ---- */

static promise_value_t drain_again(promise_value_t v, void *arg) {
    (void)arg;
    promise_loop_drain(loop);
    return v;
}
static void nested_drain(void *arg) {
    (void)arg;
    promise_unref(promise_try(loop, drain_again, NULL));
    hosted_run();
}
static void drain_in_stop(void *arg) {
    (void)arg;
    promise_loop_drain(loop);
}
static void nested_in_stop(void *arg) {
    promise_resolver_t *r[2];
    promise_t *p[2] = {promise_new(loop, &r[0]), promise_new(loop, &r[1])};

    (void)arg;
    promise_on_cancel(r[0], drain_in_stop, NULL);
    promise_cancel(promise_all(loop, 2, p));
}
START_TEST(J6_nested_drain_stops) {
    test_assert_stops(nested_drain, NULL, "promise_loop_drain: called inside a handler");
    test_assert_stops(nested_in_stop, NULL, "promise_loop_drain: called inside a stop function");
}
END_TEST

static void *use_promise(void *p) {
    promise_unref(promise_then(p, see, "never"));
    return NULL;
}
static void *free_the_loop(void *arg) {
    promise_loop_free(loop);
    return arg;
}
static void on_another_thread(void *fn) {
    pthread_t thread;

    pthread_create(&thread, NULL, *(void *(**)(void *))fn, promise_from(loop, promise_void()));
    pthread_join(thread, NULL);
}
/* H1: debug builds check the thread; freeing the loop is checked always. */
START_TEST(H1_another_thread_stops) {
    void *(*fn)(void *) = free_the_loop;

    test_assert_stops(on_another_thread, &fn, "promise_loop_free: expected the thread of the loop, called on another");
#ifdef PROMISE_DEBUG
    fn = use_promise;
    test_assert_stops(on_another_thread, &fn, "promise_then: expected the thread of the loop, called on another");
#else
    (void)use_promise;
#endif
}
END_TEST

int main(void) {
    Suite *suite = suite_create("host");
    TCase *tcase = tcase_create("host");

    tcase_add_checked_fixture(tcase, hosted_start, hosted_end);
    tcase_add_test(tcase, needs_a_wake);
    tcase_add_test(tcase, wakes_once_before_a_drain);
    tcase_add_test(tcase, pending_is_no_job);
    tcase_add_test(tcase, a_drain_too_many_is_harmless);
    tcase_add_test(tcase, J1_fifo);
    tcase_add_test(tcase, J1_budget);
    tcase_add_test(tcase, J1_default_budget);
    tcase_add_test(tcase, J1_budget_of_siblings);
    tcase_add_test(tcase, O6_current);
    tcase_add_test(tcase, O6_null_outside_stops);
    tcase_add_test(tcase, two_loops);
    tcase_add_test(tcase, J6_nested_drain_stops);
    tcase_add_test(tcase, H1_another_thread_stops);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
