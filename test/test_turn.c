/* The turns that all locks are made of, by way of the mutex: cancels at each moment, and what they cost. */
#include "trace.h"

#include <stdlib.h>
#include <string.h>

static promise_mutex_t *m;
static struct source a;

static void open_mutex(void) {
    setup();
    m = promise_mutex_new(loop);
}

/* A handler that has the mutex: adds the word, and unlocks. */
static promise_value_t unlock(promise_value_t v, void *arg) {
    (void)v;
    trace("%s", (const char *)arg);
    promise_mutex_unlock(m);
    return promise_void();
}

/* The same, but gives void, and keeps it. */
static promise_value_t keep(promise_value_t v, void *arg) {
    (void)v;
    trace("%s", (const char *)arg);
    return promise_void();
}

static promise_t *locked(const char *name) { return promise_then(promise_mutex_lock(m), unlock, (void *)(uintptr_t)name); }

/* ---- cancels ---- */

START_TEST(K2_one_that_is_cancelled_leaves_the_queue) {
    promise_t *p, *q;

    ck_assert(promise_mutex_try_lock(m));
    p = traced(promise_mutex_lock(m), "p");
    q = locked("q");
    promise_cancel(p);
    fakehost_drain(&host);
    trace_is("p=!canceled");
    promise_mutex_unlock(m);
    fakehost_drain(&host);
    trace_is("q");
    promise_unref(q);
}
END_TEST

START_TEST(K2_leaving_takes_no_longer_in_a_long_queue) {
    size_t n = test_scaled(300000);
    promise_t **all = calloc(n, sizeof *all);

    ck_assert(promise_mutex_try_lock(m));
    for (size_t i = 0; i < n; i++) all[i] = promise_mutex_lock(m);
    for (size_t i = 0; i < n; i++) promise_cancel(all[i]); /* each from the front */
    for (size_t i = 0; i < n; i++) all[i] = promise_mutex_lock(m);
    for (size_t i = n; i > 0; i--) promise_cancel(all[i - 1]);
    promise_mutex_unlock(m);
    fakehost_drain(&host);
    ck_assert(!promise_mutex_is_locked(m));
    free(all);
}
END_TEST

START_TEST(K6_whose_turn_has_come_and_who_is_cancelled_gives_it_to_the_next) {
    promise_t *p = traced(promise_mutex_lock(m), "p"), *q = locked("q");

    promise_cancel(p); /* it was free: p's turn, but p has not heard of it */
    fakehost_drain(&host);
    trace_is("p=!canceled q");
    promise_unref(q);
    ck_assert(promise_mutex_try_lock(m));
    p = traced(promise_mutex_lock(m), "p");
    q = locked("q");
    promise_mutex_unlock(m);
    promise_cancel(p);
    fakehost_drain(&host);
    trace_is("p=!canceled q");
    promise_unref(q);
    ck_assert(!promise_mutex_is_locked(m));
}
END_TEST

/* A handler behind links that only pass on what they get. */
static promise_t *far_behind(void) {
    promise_t *p = promise_timeout(promise_mutex_lock(m), 100);

    p = promise_attach(promise_catch(p, see, "never"), "p", trace_free);
    p = promise_from(loop, promise_adopt(promise_then_catch(p, NULL, NULL, NULL)));
    return promise_then(promise_deadline(promise_shield(p), 100), keep, "kept");
}

static promise_value_t cancel_ref(promise_value_t v, void *p) {
    (void)v;
    trace("cancel");
    promise_cancel(promise_ref(p));
    return promise_void();
}

START_TEST(K6_no_cancel_comes_between_the_lock_and_the_handler) {
    promise_t *p, *q;

    ck_assert(promise_mutex_try_lock(m));
    p = far_behind();
    promise_mutex_unlock(m);
    q = promise_try(loop, cancel_ref, p); /* as soon as there are other jobs */
    fakehost_drain(&host);
    trace_is("free:p kept cancel");
    ck_assert(promise_mutex_is_locked(m));
    promise_unref(p);
    promise_unref(q);
    promise_mutex_unlock(m);
}
END_TEST

START_TEST(K6_with_is_exact_behind_combinators_too) {
    for (int at = 0; at < 12; at++) {
        promise_t *p, *other = source_open(loop, &a, "a");
        promise_loop_set_budget(loop, 1);
        ck_assert(promise_mutex_try_lock(m));
        p = promise_all_of(loop, promise_mutex_with(m, trace_word, "w"), promise_mutex_with(m, trace_word, "x"), other, NULL);
        promise_mutex_unlock(m);
        for (int i = 0; i < at; i++) fakehost_drain_once(&host);
        promise_cancel(p);
        fakehost_drain(&host);
        ck_assert(!promise_mutex_is_locked(m));
        trace_take();
    }
}
END_TEST

/* Cancelled after each number of jobs: it has run, or another has the mutex. */
START_TEST(K6_cancelled_after_each_job) {
    promise_loop_set_budget(loop, 1);
    for (int at = 0; at < 12; at++) {
        promise_t *p, *q;
        bool kept;
        ck_assert(promise_mutex_try_lock(m));
        p = far_behind();
        q = locked("q");
        promise_mutex_unlock(m);
        for (int i = 0; i < at; i++) fakehost_drain_once(&host);
        promise_cancel(p);
        fakehost_drain(&host);
        fakehost_advance(&host, 0);
        kept = strstr(trace_take(), "kept");
        if (!kept && promise_mutex_is_locked(m)) { /* the shield has it go on to its deadline: it is had, and not heard of */
            ck_assert_int_eq(promise_get_state(q), PROMISE_PENDING);
            promise_mutex_unlock(m);
            fakehost_drain(&host);
            promise_unref(q);
            trace_take();
            continue;
        }
        ck_assert_int_eq(promise_get_state(q), kept ? PROMISE_PENDING : PROMISE_FULFILLED);
        if (kept) promise_mutex_unlock(m);
        fakehost_drain(&host);
        ck_assert_int_eq(promise_get_state(q), PROMISE_FULFILLED);
        promise_unref(q);
        trace_take();
    }
}
END_TEST

START_TEST(K6_what_nobody_is_left_to_hear_of_goes_to_the_next) {
    promise_t *q;

    promise_unref(promise_mutex_lock(m));
    q = locked("q");
    fakehost_drain(&host);
    trace_is("q");
    promise_unref(q);
    ck_assert(!promise_mutex_is_locked(m));
}
END_TEST

START_TEST(K5_a_timeout_leaves_the_queue) {
    ck_assert(promise_mutex_try_lock(m));
    expect(promise_timeout(promise_mutex_lock(m), 10), "!timedout");
    promise_mutex_unlock(m);
    ck_assert(!promise_mutex_is_locked(m));
}
END_TEST

START_TEST(T5_who_loses_a_race_has_no_lock) {
    promise_t *p, *other;

    for (int i = 0; i < 2; i++) { /* the lock's turn has come in time, but second */
        other = source_open(loop, &a, "a");
        p = i ? promise_race_of(loop, other, promise_mutex_lock(m), NULL)
              : promise_race_of(loop, promise_mutex_lock(m), other, NULL);
        source_resolve(&a, promise_int(1));
        fakehost_drain(&host);
        if (promise_is_void(promise_peek(p))) promise_mutex_unlock(m); /* it won */
        promise_unref(p);
        fakehost_drain(&host);
        ck_assert(!promise_mutex_is_locked(m));
    }
}
END_TEST

/* ---- what else holds for all ---- */

START_TEST(a_deadlock_is_told) { /* J3 */
    promise_loop_t *real = promise_loop_new(NULL);
    promise_mutex_t *other = promise_mutex_new(real);
    promise_value_t v = {0};

    ck_assert(promise_mutex_try_lock(other));
    ck_assert_int_eq(promise_loop_run(real, promise_then(promise_mutex_lock(other), see, "never"), &v), -1);
    ck_assert_ptr_nonnull(strstr(promise_error_message(v), "it waits for its turn at a mutex"));
    promise_value_clear(&v);
    promise_loop_free(real);
}
END_TEST

START_TEST(a_lock_is_its_promise_and_no_more) {
    promise_t *p;

    promise_unref(promise_mutex_lock(m)); /* the page is there */
    fakehost_drain(&host);
    test_alloc_fail_from(1);
    for (int i = 0; i < 100; i++) {
        p = promise_mutex_lock(m);
        fakehost_drain(&host);
        promise_unref(p);
        p = promise_mutex_lock(m); /* waits */
        promise_mutex_unlock(m);
        fakehost_drain(&host);
        promise_unref(p);
        promise_mutex_unlock(m);
    }
    ck_assert(!test_alloc_failed());
    test_alloc_fail_at(0);
}
END_TEST

/* Random tasks that lock, wait, time out and are cancelled: there is one at most, and in the end nobody has it. */
static unsigned inside, entered;

static promise_value_t random_task(promise_value_t v, void *arg) {
    promise_value_t r = {0};

    (void)v, (void)arg;
    for (int i = 0; i < 3; i++) {
        promise_t *p = promise_mutex_lock(m);
        if (draw(3) == 0) p = promise_timeout(p, draw(6));
        if (draw(8) == 0) p = promise_shield(p);
        if (promise_await(p, &r) < 0) continue;
        ck_assert_uint_eq(inside++, 0);
        entered++;
        if (draw(2)) (void)promise_await(promise_sleep(NULL, draw(3)), NULL);
        ck_assert_uint_eq(inside--, 1);
        promise_mutex_unlock(m);
    }
    promise_value_clear(&r);
    return promise_void();
}

static promise_value_t random_leave(promise_value_t v, void *arg) {
    (void)arg;
    ck_assert_uint_eq(inside--, 1);
    return v;
}

static promise_value_t random_with(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    ck_assert_uint_eq(inside++, 0);
    entered++;
    return promise_adopt(promise_finally(promise_sleep(NULL, draw(3)), random_leave, NULL));
}

static void random_run(uint64_t seed) {
    enum { TASKS = 12 };
    promise_t *tasks[TASKS];

    (void)seed;
    open_mutex();
    promise_loop_set_budget(loop, 1 + draw(4));
    for (int i = 0; i < TASKS; i++)
        tasks[i] = draw(3) ? promise_async(loop, random_task, NULL) : promise_mutex_with(m, random_with, NULL);
    for (int i = 0; i < 60; i++) {
        unsigned n = draw(TASKS);
        if (draw(6) == 0 && tasks[n]) promise_cancel(tasks[n]), tasks[n] = NULL;
        if (draw(2)) fakehost_drain_once(&host);
        else if (draw(3) == 0) fakehost_advance(&host, 1);
    }
    if (draw(4)) {
        fakehost_advance(&host, 200);
        ck_assert(!promise_mutex_is_locked(m));
        promise_mutex_free(m);
    }
    for (int i = 0; i < TASKS; i++)
        if (tasks[i]) promise_unref(tasks[i]);
    teardown();
    ck_assert_uint_eq(inside, 0);
}

START_TEST(K6_random_cancels_lose_no_lock) {
    test_seeds(random_run, 400);
    ck_assert_uint_gt(entered, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("turn");
    TCase *t = tcase_create("turn");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, open_mutex, teardown);
    tcase_add_test(t, K2_one_that_is_cancelled_leaves_the_queue);
    tcase_add_test(t, K2_leaving_takes_no_longer_in_a_long_queue);
    tcase_add_test(t, K6_whose_turn_has_come_and_who_is_cancelled_gives_it_to_the_next);
    tcase_add_test(t, K6_no_cancel_comes_between_the_lock_and_the_handler);
    tcase_add_test(t, K6_with_is_exact_behind_combinators_too);
    tcase_add_test(t, K6_cancelled_after_each_job);
    tcase_add_test(t, K6_what_nobody_is_left_to_hear_of_goes_to_the_next);
    tcase_add_test(t, K5_a_timeout_leaves_the_queue);
    tcase_add_test(t, T5_who_loses_a_race_has_no_lock);
    tcase_add_test(t, a_deadlock_is_told);
    tcase_add_test(t, a_lock_is_its_promise_and_no_more);
    suite_add_tcase(suite, t);
    t = tcase_create("random");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, K6_random_cancels_lose_no_lock);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
