/* Read-write locks: who goes with whom, and in which order; who may unlock. Turns are in test_turn.c. */
#include "trace.h"

#include <string.h>

static promise_rwlock_t *lock;

static void open_lock(void) {
    setup();
    lock = promise_rwlock_new(loop);
}

static void reader(const char *name) { promise_unref(promise_rwlock_with_read(lock, trace_slowly, (void *)(uintptr_t)name)); }
static void writer(const char *name) { promise_unref(promise_rwlock_with_write(lock, trace_slowly, (void *)(uintptr_t)name)); }

START_TEST(readers_go_together_and_writers_alone) {
    reader("r1");
    reader("r2");
    writer("w1");
    reader("r3"); /* behind the writer: it does not starve */
    reader("r4");
    writer("w2");
    writer("w3");
    reader("r5");
    fakehost_drain(&host);
    trace_is("r1+ r2+");
    ck_assert_uint_eq(promise_rwlock_readers(lock), 2);
    ck_assert(!promise_rwlock_is_written(lock));
    fakehost_advance(&host, 10);
    trace_is("r1- r2- w1+");
    ck_assert_uint_eq(promise_rwlock_readers(lock), 0);
    ck_assert(promise_rwlock_is_written(lock));
    fakehost_advance(&host, 100);
    trace_is("w1- r3+ r4+ r3- r4- w2+ w2- w3+ w3- r5+ r5-");
    ck_assert(!promise_rwlock_is_written(lock));
    ck_assert_uint_eq(promise_rwlock_readers(lock), 0);
}
END_TEST

START_TEST(K2_a_writer_that_leaves_lets_those_behind_it_go) {
    promise_t *w;

    reader("r1");
    fakehost_drain(&host);
    w = promise_rwlock_write(lock);
    reader("r2");
    fakehost_drain(&host);
    trace_is("r1+");
    promise_cancel(w);
    fakehost_drain(&host);
    trace_is("r2+");
    fakehost_advance(&host, 100);
    trace_is("r1- r2-");
}
END_TEST

START_TEST(K6_a_writer_that_has_not_heard_of_it_lets_others_go) {
    promise_t *w = promise_rwlock_write(lock), *r = promise_rwlock_read(lock);

    promise_cancel(w);
    fakehost_drain(&host);
    ck_assert_int_eq(promise_get_state(r), PROMISE_FULFILLED);
    promise_unref(r);
    promise_rwlock_unlock(lock);
    r = promise_rwlock_read(lock);
    promise_cancel(r);
    fakehost_drain(&host);
    ck_assert(promise_rwlock_try_write(lock));
    promise_rwlock_unlock(lock);
}
END_TEST

START_TEST(try_does_not_wait_nor_overtake) {
    promise_t *w;

    ck_assert(promise_rwlock_try_read(lock));
    ck_assert(promise_rwlock_try_read(lock));
    ck_assert(!promise_rwlock_try_write(lock));
    w = promise_rwlock_write(lock);
    ck_assert(!promise_rwlock_try_read(lock)); /* the writer is before it */
    promise_rwlock_unlock(lock);
    promise_rwlock_unlock(lock);
    fakehost_drain(&host);
    ck_assert_int_eq(promise_get_state(w), PROMISE_FULFILLED);
    ck_assert(!promise_rwlock_try_read(lock));
    promise_rwlock_unlock(lock);
    promise_unref(w);
}
END_TEST

static promise_value_t write_then_ask(promise_value_t v, void *read) {
    promise_value_t r = {0};

    (void)v;
    if (promise_await(promise_rwlock_write(lock), &r) < 0) return r;
    promise_defer(promise_rwlock_unlock, lock);
    if (promise_await(read ? promise_rwlock_read(lock) : promise_rwlock_write(lock), &r) < 0) return r;
    return promise_void();
}

START_TEST(asked_for_by_the_coroutine_that_writes) {
    expect(promise_async(loop, write_then_ask, NULL), "!errno35"); /* EDEADLK */
    expect(promise_async(loop, write_then_ask, lock), "!errno35");
    ck_assert(promise_rwlock_try_write(lock));
    promise_rwlock_unlock(lock);
}
END_TEST

static promise_value_t coroutine_reader(promise_value_t v, void *arg) {
    promise_value_t r = {0};

    (void)v;
    if (promise_await(promise_rwlock_read(lock), &r) < 0) return r;
    promise_defer(promise_rwlock_unlock, lock);
    trace("%s+", (const char *)arg);
    if (promise_await(promise_sleep(NULL, 10), &r) < 0) return r;
    trace("%s-", (const char *)arg);
    return promise_void();
}

START_TEST(coroutines_read_together) {
    promise_t *p = promise_async(loop, coroutine_reader, "a");

    promise_unref(promise_async(loop, coroutine_reader, "b"));
    fakehost_drain(&host);
    writer("w");
    promise_cancel(p);
    fakehost_advance(&host, 100);
    trace_is("a+ b+ b- w+ w-");
}
END_TEST

/* ---- refused ---- */

static void unlock_none(void *arg) {
    (void)arg;
    promise_rwlock_unlock(lock);
}
static void unlock_untold(void *write) {
    promise_unref(write ? promise_rwlock_write(lock) : promise_rwlock_read(lock));
    promise_rwlock_unlock(lock);
}
static void unlock_with(void *write) {
    if (write) writer("w");
    else reader("r");
    fakehost_drain(&host);
    promise_rwlock_unlock(lock);
}
static void unlock_more_than_it_has(void *arg) {
    reader("r");
    fakehost_drain(&host);
    ck_assert(promise_rwlock_try_read(lock));
    promise_rwlock_unlock(lock);
    unlock_none(arg);
}
static promise_value_t write_and_stay(promise_value_t v, void *arg) {
    (void)arg;
    (void)promise_await(promise_rwlock_write(lock), NULL);
    (void)promise_await(promise_sleep(NULL, 10), NULL);
    return v;
}
static void unlock_anothers(void *arg) {
    promise_unref(promise_async(loop, write_and_stay, NULL));
    fakehost_drain(&host);
    unlock_none(arg);
}
static void read_null(void *arg) { promise_unref(promise_rwlock_read(arg)); }
static void with_read_null(void *arg) { promise_unref(promise_rwlock_with_read(lock, NULL, arg)); }
static void with_write_null(void *arg) { promise_unref(promise_rwlock_with_write(lock, NULL, arg)); }

START_TEST(from_the_wrong_task_it_is_refused) {
    test_assert_stops(unlock_none, NULL,
                      "promise_rwlock_unlock: expected an rwlock that was locked by hand, got one that is not");
    test_assert_stops(unlock_untold, NULL, "got one that the next holder has not heard of yet");
    test_assert_stops(unlock_untold, lock, "got one that the next holder has not heard of yet");
    test_assert_stops(unlock_with, NULL, "got one that a with function has, which unlocks it");
    test_assert_stops(unlock_with, lock, "got one of a with function, which unlocks it");
    test_assert_stops(unlock_more_than_it_has, NULL, "got one that a with function has, which unlocks it");
    test_assert_stops(unlock_anothers, NULL, "expected the task that locked the rwlock, a coroutine without a name, called by");
    test_assert_stops(read_null, NULL, "promise_rwlock_read: the rwlock is NULL");
    test_assert_stops(with_read_null, NULL, "promise_rwlock_with_read: fn is NULL");
    test_assert_stops(with_write_null, NULL, "promise_rwlock_with_write: fn is NULL");
}
END_TEST

/* ---- the end ---- */

START_TEST(freed_it_rejects_who_waits) {
    reader("r");
    fakehost_drain(&host);
    promise_unref(traced(promise_rwlock_write(lock), "w"));
    promise_unref(traced(promise_rwlock_read(lock), "q"));
    promise_rwlock_free(lock);
    promise_rwlock_free(NULL);
    fakehost_drain(&host);
    trace_is("r+ w=!closed q=!closed");
    fakehost_advance(&host, 10);
    trace_is("r-");
}
END_TEST

START_TEST(J5_the_loop_goes_in_each_state) {
    reader("r");
    fakehost_drain(&host);
    promise_unref(traced(promise_rwlock_write(lock), "w"));
    promise_unref(traced(promise_rwlock_read(lock), "q"));
    promise_loop_free(loop);
    trace_is("r+ w=!canceled r- q=!canceled");
}
END_TEST

START_TEST(O2_out_of_memory) {
    size_t n = 0;

    do {
        promise_rwlock_t *other;
        const char *outcome;
        test_alloc_fail_at(++n);
        other = promise_rwlock_new(loop);
        for (int i = 0; i < 4; i++) {
            outcome = outcome_of(&host, i == 0   ? promise_rwlock_with_read(other, trace_word, "w")
                                        : i == 1 ? promise_rwlock_with_write(other, trace_word, "w")
                                        : i == 2 ? promise_rwlock_read(other)
                                                 : promise_rwlock_write(other));
            ck_assert(!strcmp(outcome, "-") || !strcmp(outcome, "!errno12"));
            if (promise_rwlock_is_written(other) || promise_rwlock_readers(other)) promise_rwlock_unlock(other);
        }
        if (promise_rwlock_try_read(other)) promise_rwlock_unlock(other);
        if (promise_rwlock_try_write(other)) promise_rwlock_unlock(other);
        else promise_rwlock_unlock(other); /* of what is not there */
        promise_rwlock_free(other);
    } while (test_alloc_failed());
    test_alloc_fail_at(0);
    ck_assert_uint_gt(n, 2);
    trace_take();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("rwlock");
    TCase *t = tcase_create("rwlock");

    tcase_add_checked_fixture(t, open_lock, teardown);
    tcase_add_test(t, readers_go_together_and_writers_alone);
    tcase_add_test(t, K2_a_writer_that_leaves_lets_those_behind_it_go);
    tcase_add_test(t, K6_a_writer_that_has_not_heard_of_it_lets_others_go);
    tcase_add_test(t, try_does_not_wait_nor_overtake);
    tcase_add_test(t, asked_for_by_the_coroutine_that_writes);
    tcase_add_test(t, coroutines_read_together);
    tcase_add_test(t, from_the_wrong_task_it_is_refused);
    tcase_add_test(t, freed_it_rejects_who_waits);
    tcase_add_test(t, J5_the_loop_goes_in_each_state);
    tcase_add_test(t, O2_out_of_memory);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
