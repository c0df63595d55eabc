/* Mutexes, and the turns that all locks are made of: order, cancels at each moment, who may do what, freeing, memory. */
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

/* ---- order ---- */

START_TEST(first_come_first_served) {
    promise_unref(promise_mutex_with(m, trace_slowly, "a"));
    promise_unref(promise_mutex_with(m, trace_slowly, "b"));
    promise_unref(locked("c"));
    promise_unref(promise_mutex_with(m, trace_slowly, "d"));
    ck_assert(promise_mutex_is_locked(m));
    fakehost_advance(&host, 100);
    trace_is("a+ a- b+ b- c d+ d-");
    ck_assert(!promise_mutex_is_locked(m));
}
END_TEST

START_TEST(it_is_fulfilled_with_void_from_the_drain) { /* 2.2.4 */
    promise_t *p = promise_mutex_lock(m);

    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    fakehost_drain(&host);
    ck_assert_int_eq(promise_get_state(p), PROMISE_FULFILLED);
    ck_assert(promise_is_void(promise_peek(p)));
    promise_unref(p);
    promise_mutex_unlock(m);
    ck_assert(!promise_mutex_is_locked(m));
}
END_TEST

START_TEST(try_does_not_wait_nor_overtake) {
    promise_t *p;

    ck_assert(promise_mutex_try_lock(m));
    ck_assert(!promise_mutex_try_lock(m));
    p = locked("p");
    promise_mutex_unlock(m);
    ck_assert(!promise_mutex_try_lock(m)); /* p's, though it has not heard of it */
    fakehost_drain(&host);
    trace_is("p");
    ck_assert(promise_mutex_try_lock(m));
    promise_mutex_unlock(m);
    promise_unref(p);
}
END_TEST

static promise_value_t reject_it(promise_value_t v, void *arg) {
    (void)v;
    return throw_text(arg);
}

START_TEST(with_unlocks_on_every_path) {
    expect(promise_mutex_with(m, reject_it, "r"), "!r");
    ck_assert(!promise_mutex_is_locked(m));
    promise_cancel(promise_mutex_with(m, trace_word, "never"));
    fakehost_drain(&host);
    ck_assert(!promise_mutex_is_locked(m));
    expect(promise_timeout(promise_mutex_with(m, trace_slowly, "slow"), 5), "!timedout");
    ck_assert(!promise_mutex_is_locked(m));
    expect(promise_mutex_with(m, trace_word, "w"), "-");
    trace_is("slow+ slow- w");
}
END_TEST

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

/* ---- coroutines ---- */

static promise_value_t task(promise_value_t v, void *arg) {
    promise_value_t r = {0};

    (void)v;
    if (promise_await(promise_mutex_lock(m), &r) < 0) {
        trace("%s=%s", (char *)arg, shown(r));
        return r;
    }
    promise_defer(promise_mutex_unlock, m);
    trace("%s+", (char *)arg);
    if (promise_await(promise_sleep(NULL, 10), &r) < 0) return r;
    trace("%s-", (char *)arg);
    return promise_void();
}

START_TEST(coroutines_take_turns_with_chains) {
    promise_t *p, *q;

    promise_unref(promise_async(loop, task, "a"));
    p = promise_async(loop, task, "b");
    q = promise_async(loop, task, "c");
    fakehost_drain(&host);
    promise_unref(promise_mutex_with(m, trace_slowly, "d"));
    trace_is("a+");
    promise_cancel(p);
    fakehost_advance(&host, 15);
    trace_is("b=!canceled a- c+");
    promise_cancel(q); /* it holds it: what it has deferred unlocks */
    fakehost_advance(&host, 100);
    trace_is("d+ d-");
    ck_assert(!promise_mutex_is_locked(m));
}
END_TEST

static promise_value_t lock_at_once(promise_value_t v, void *arg) {
    promise_value_t r = {0};

    (void)v;
    for (int i = 0; i < 3; i++) {
        if (promise_await(promise_mutex_lock(m), &r) < 0) return r;
        trace("%d", i);
        promise_mutex_unlock(m);
    }
    trace("%s", (char *)arg);
    return promise_void();
}

START_TEST(one_that_is_free_is_no_wait) {
    promise_t *p = promise_async(loop, lock_at_once, "p"), *q = promise_try(loop, trace_word, "q");

    fakehost_drain(&host);
    trace_is("0 1 2 p q");
    promise_unref(p);
    promise_unref(q);
}
END_TEST

static promise_value_t lock_twice(promise_value_t v, void *arg) {
    promise_value_t r = {0};

    (void)v, (void)arg;
    if (promise_await(promise_mutex_lock(m), &r) < 0) return r;
    promise_defer(promise_mutex_unlock, m);
    if (promise_await(promise_mutex_lock(m), &r) < 0) return r;
    return promise_void();
}

START_TEST(asked_for_twice_by_one_coroutine) {
    expect(promise_async(loop, lock_twice, NULL), "!errno35"); /* EDEADLK */
    ck_assert(!promise_mutex_is_locked(m));
}
END_TEST

static promise_value_t cancel_and_lock(promise_value_t v, void *arg) {
    promise_value_t r = {0};

    (void)v, (void)arg;
    promise_cancel(promise_mutex_lock(m)); /* not had: no deadlock */
    if (promise_await(promise_timeout(promise_mutex_lock(m), 100), &r) < 0) return r;
    promise_mutex_unlock(m);
    return promise_int(1);
}

START_TEST(asked_for_again_after_a_cancel) { expect(promise_async(loop, cancel_and_lock, NULL), "1"); }
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

/* ---- refused ---- */

static void unlock_none(void *arg) {
    (void)arg;
    promise_mutex_unlock(m);
}
static void unlock_untold(void *arg) {
    (void)arg;
    promise_unref(promise_mutex_lock(m));
    promise_mutex_unlock(m);
}
static promise_value_t unlock_here(promise_value_t v, void *arg) {
    (void)arg;
    promise_mutex_unlock(m);
    return v;
}
static void unlock_in_with(void *arg) {
    (void)arg;
    promise_unref(promise_mutex_with(m, unlock_here, NULL));
    fakehost_drain(&host);
}
static promise_value_t lock_and_stay(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    (void)promise_await(promise_mutex_lock(m), NULL);
    (void)promise_await(promise_sleep(NULL, 10), NULL);
    return promise_void();
}
static void unlock_anothers(void *from_coroutine) {
    static const struct promise_coroutine_options ann = {.name = "ann"};

    promise_unref(promise_async_with(loop, &ann, lock_and_stay, NULL));
    fakehost_drain(&host);
    if (!from_coroutine) promise_mutex_unlock(m);
    promise_unref(promise_async(loop, unlock_here, NULL));
    fakehost_drain(&host);
}
static void unlock_null(void *arg) { promise_mutex_unlock(arg); }
static void unlock_a_semaphore(void *arg) {
    (void)arg;
    promise_mutex_unlock(promise_semaphore_new(loop, 1));
}
static void with_null(void *arg) {
    (void)arg;
    promise_unref(promise_mutex_with(m, NULL, NULL));
}
static void lock_null(void *arg) { promise_unref(promise_mutex_lock(arg)); }
static void free_twice(void *arg) {
    (void)arg;
    ck_assert(promise_mutex_try_lock(m));
    promise_mutex_free(m);
    promise_mutex_free(m);
}

START_TEST(from_the_wrong_task_it_is_refused) {
    test_assert_stops(unlock_none, NULL, "promise_mutex_unlock: expected a mutex that is locked, got one that is not");
    test_assert_stops(unlock_untold, NULL, "promise_mutex_unlock: expected a mutex that is locked, got one whose next holder");
    test_assert_stops(unlock_in_with, NULL, "got one of a with function, which unlocks it");
    test_assert_stops(unlock_anothers, NULL, "a coroutine \"ann\", called by a chain");
    test_assert_stops(unlock_anothers, &a, "a coroutine \"ann\", called by a coroutine without a name");
    test_assert_stops(unlock_null, NULL, "promise_mutex_unlock: the mutex is NULL");
    test_assert_stops(lock_null, NULL, "promise_mutex_lock: the mutex is NULL");
    test_assert_stops(unlock_a_semaphore, NULL, "promise_mutex_unlock: expected a mutex, got something else");
    test_assert_stops(with_null, NULL, "promise_mutex_with: fn is NULL");
    test_assert_stops(free_twice, NULL, "promise_mutex_free: expected a mutex, got one that was freed");
}
END_TEST

/* ---- the end ---- */

START_TEST(freed_it_rejects_who_waits) {
    promise_t *held = promise_then(promise_mutex_lock(m), keep, "held"), *p;

    fakehost_drain(&host);
    p = traced(promise_mutex_with(m, trace_word, "never"), "with");
    promise_unref(traced(promise_mutex_lock(m), "lock"));
    promise_mutex_free(m);
    fakehost_drain(&host);
    trace_is("held lock=!closed with=!closed");
    promise_mutex_unlock(m); /* who holds it does not know */
    promise_unref(held);
    promise_unref(p);
    promise_mutex_free(NULL);
}
END_TEST

START_TEST(freed_before_it_was_heard_of) {
    promise_unref(traced(promise_mutex_lock(m), "p"));
    promise_unref(traced(promise_mutex_lock(m), "q"));
    promise_mutex_free(m);
    fakehost_drain(&host);
    trace_is("q=!closed p=!closed");
}
END_TEST

START_TEST(freed_inside_of_with) { /* T4 */
    promise_t *p = promise_mutex_with(m, trace_slowly, "w");

    fakehost_drain(&host);
    promise_mutex_free(m);
    expect(p, "-");
    trace_is("w+ w-");
}
END_TEST

START_TEST(J5_the_loop_goes_in_each_state) {
    promise_t *held;

    promise_unref(traced(promise_mutex_with(m, trace_slowly, "w"), "w")); /* has it, and waits */
    fakehost_drain(&host);
    promise_unref(traced(promise_mutex_lock(m), "p")); /* waits */
    promise_unref(promise_async(loop, task, "t"));
    held = promise_mutex_lock(m);
    promise_loop_free(loop);
    trace_is("w+ t=!canceled p=!canceled w- w=!canceled");
    ck_assert_int_eq(promise_get_state(held), PROMISE_REJECTED);
    promise_unref(held);
}
END_TEST

static promise_value_t use_when_gone(promise_value_t v, void *arg) {
    (void)arg;
    ck_assert(!promise_mutex_try_lock(m));
    promise_unref(traced(promise_mutex_lock(m), "lock"));
    promise_unref(traced(promise_mutex_with(m, trace_word, "never"), "with"));
    promise_mutex_free(promise_mutex_new(loop));
    promise_unref(promise_mutex_lock(promise_mutex_new(loop)));
    return v;
}

START_TEST(J5_nothing_new_when_the_loop_goes) {
    promise_unref(promise_catch(source_open(loop, &a, "a"), use_when_gone, NULL));
    promise_loop_free(loop);
    trace_is("stop:a");
}
END_TEST

static promise_value_t free_the_loop(promise_value_t v, void *arg) {
    (void)arg;
    promise_loop_free(loop);
    return v;
}

START_TEST(J5_by_who_has_it) { /* T4 */
    promise_unref(promise_mutex_with(m, free_the_loop, NULL));
    promise_unref(traced(promise_mutex_lock(m), "p"));
    fakehost_drain(&host);
    trace_is("p=-");
}
END_TEST

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

/* ---- memory ---- */

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

START_TEST(O2_out_of_memory) {
    size_t n = 0;

    do {
        promise_mutex_t *other;
        promise_t *p;
        const char *outcome;
        test_alloc_fail_at(++n);
        other = promise_mutex_new(loop);
        p = promise_mutex_with(other, trace_word, "w");
        outcome = outcome_of(&host, p);
        ck_assert(!strcmp(outcome, "-") || !strcmp(outcome, "!errno12"));
        if (promise_mutex_try_lock(other)) promise_mutex_unlock(other);
        else promise_mutex_unlock(other); /* of what is not there: nothing */
        outcome = outcome_of(&host, promise_mutex_lock(other));
        ck_assert(!strcmp(outcome, "-") || !strcmp(outcome, "!errno12"));
        if (promise_mutex_is_locked(other)) promise_mutex_unlock(other);
        promise_mutex_free(other);
    } while (test_alloc_failed());
    test_alloc_fail_at(0);
    ck_assert_uint_gt(n, 2);
    trace_take();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("mutex");
    TCase *t = tcase_create("mutex");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, open_mutex, teardown);
    tcase_add_test(t, first_come_first_served);
    tcase_add_test(t, it_is_fulfilled_with_void_from_the_drain);
    tcase_add_test(t, try_does_not_wait_nor_overtake);
    tcase_add_test(t, with_unlocks_on_every_path);
    tcase_add_test(t, K2_one_that_is_cancelled_leaves_the_queue);
    tcase_add_test(t, K2_leaving_takes_no_longer_in_a_long_queue);
    tcase_add_test(t, K6_whose_turn_has_come_and_who_is_cancelled_gives_it_to_the_next);
    tcase_add_test(t, K6_no_cancel_comes_between_the_lock_and_the_handler);
    tcase_add_test(t, K6_with_is_exact_behind_combinators_too);
    tcase_add_test(t, K6_cancelled_after_each_job);
    tcase_add_test(t, K6_what_nobody_is_left_to_hear_of_goes_to_the_next);
    tcase_add_test(t, K5_a_timeout_leaves_the_queue);
    tcase_add_test(t, T5_who_loses_a_race_has_no_lock);
    tcase_add_test(t, coroutines_take_turns_with_chains);
    tcase_add_test(t, one_that_is_free_is_no_wait);
    tcase_add_test(t, asked_for_twice_by_one_coroutine);
    tcase_add_test(t, asked_for_again_after_a_cancel);
    tcase_add_test(t, from_the_wrong_task_it_is_refused);
    tcase_add_test(t, freed_it_rejects_who_waits);
    tcase_add_test(t, freed_before_it_was_heard_of);
    tcase_add_test(t, freed_inside_of_with);
    tcase_add_test(t, J5_the_loop_goes_in_each_state);
    tcase_add_test(t, J5_nothing_new_when_the_loop_goes);
    tcase_add_test(t, J5_by_who_has_it);
    tcase_add_test(t, a_deadlock_is_told);
    tcase_add_test(t, a_lock_is_its_promise_and_no_more);
    tcase_add_test(t, O2_out_of_memory);
    suite_add_tcase(suite, t);
    t = tcase_create("random");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, K6_random_cancels_lose_no_lock);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
