/* Mutexes: order, coroutines and chains, who may do what, freeing, memory. Cancels are in test_turn.c. */
#include "trace.h"

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

/* ---- memory ---- */

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
    tcase_add_test(t, O2_out_of_memory);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
