/* Channels between threads that have no loop, and loops (H2, H3). */
#include "sharing.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

static sem_t ready;
static void *take_all(void *arg) {
    promise_value_t v = {0};
    int64_t expected = 0;

    sem_post(&ready);
    while (promise_shared_receive_wait(arg, UINT64_MAX, &v) == 0 && !promise_is_end(v))
        ck_assert_int_eq(promise_as_int(promise_list_get(v, 0)), expected++);
    promise_value_clear(&v);
    promise_shared_channel_unref(arg);
    return (void *)(intptr_t)expected;
}

static promise_value_t send_next(promise_value_t v, void *arg) {
    int64_t *left = arg;

    (void)v;
    if (!*left) return promise_end();
    --*left;
    v = promise_int((int64_t)test_scaled(4000) - *left - 1);
    return promise_adopt(promise_shared_send(NULL, ch, promise_list(1, &v)));
}

/* From a loop to a thread that has none, by a channel that is mostly full, or has no room at all. */
START_TEST(H2_a_thread_receives) {
    int64_t n = (int64_t)test_scaled(4000), left = n;
    pthread_t thread;
    void *count;

    open_all((size_t)_i);
    sem_init(&ready, 0, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, take_all, promise_shared_channel_ref(ch)), 0);
    while (sem_wait(&ready) < 0) {}
    ck_assert_int_eq(promise_loop_run(loop, promise_repeat(loop, send_next, &left), NULL), 0);
    promise_shared_channel_close(ch);
    pthread_join(thread, &count);
    ck_assert_int_eq((intptr_t)count, n);
    close_all();
}
END_TEST

static void *send_all(void *arg) {
    promise_value_t why = {0};

    for (int64_t i = 0; i < (int64_t)test_scaled(4000); i++) {
        promise_value_t v = promise_int(i % 10);
        ck_assert_int_eq(promise_shared_send_wait(arg, promise_list(1, &v), UINT64_MAX, i % 2 ? &why : NULL), 0);
    }
    promise_shared_channel_close(arg);
    ck_assert_int_eq(promise_shared_send_wait(arg, counted(), 0, &why), -1);
    ck_assert(promise_error_is(why, &promise_errors, PROMISE_ECLOSED));
    promise_value_clear(&why);
    promise_shared_channel_unref(arg);
    return NULL;
}
static promise_value_t check_next(promise_value_t v, void *arg) {
    int64_t *seen = arg;

    ck_assert_int_eq(promise_as_int(promise_list_get(v, 0)), (*seen)++ % 10);
    return promise_void();
}
START_TEST(H2_a_thread_sends) {
    pthread_t thread;
    int64_t seen = 0;

    open_all((size_t)_i);
    ck_assert_int_eq(pthread_create(&thread, NULL, send_all, promise_shared_channel_ref(ch)), 0);
    promise_t *p = promise_each(promise_shared_channel_items(loop, ch), 3, check_next, &seen);
    ck_assert_int_eq(promise_loop_run(loop, p, NULL), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(seen, (int64_t)test_scaled(4000));
    ck_assert_uint_eq(freed, 1);
    close_all();
}
END_TEST

/* Boxes through two channels and the thread between them: each is moved on. */
static void *forward(void *arg) {
    promise_shared_channel_t *const *between = arg;
    promise_value_t v = {0};

    while (promise_shared_receive_wait(between[0], UINT64_MAX, &v) == 0 && !promise_is_end(v)) {
        ck_assert_int_eq(promise_shared_send_wait(between[1], promise_value_move(&v), UINT64_MAX, NULL), 0);
        ck_assert(promise_is_void(v));
    }
    promise_shared_channel_close(between[1]);
    return NULL;
}

START_TEST(H3_a_thread_forwards) {
    enum { MANY = 100 };
    promise_shared_channel_t *between[2];
    promise_value_t v = {0};
    pthread_t thread;
    size_t n = 0;

    open_all(MANY);
    freed = 0;
    between[0] = ch;
    between[1] = promise_shared_channel_new((size_t)_i);
    ck_assert_int_eq(pthread_create(&thread, NULL, forward, between), 0);
    for (int i = 0; i < MANY; i++) ck_assert_int_eq(promise_shared_send_wait(ch, counted(), UINT64_MAX, NULL), 0);
    promise_shared_channel_close(ch);
    while (promise_shared_receive_wait(between[1], UINT64_MAX, &v) == 0 && !promise_is_end(v)) {
        ck_assert_ptr_eq(promise_as_box(v), &freed);
        ck_assert_uint_eq(freed, n++); /* the one before went as this one came */
    }
    ck_assert_uint_eq(n, MANY);
    ck_assert_uint_eq(freed, MANY);
    pthread_join(thread, NULL);
    promise_shared_channel_unref(between[1]);
    close_all();
}
END_TEST

START_TEST(threads_time_out) {
    promise_value_t v = {0};

    open_all(1);
    for (unsigned ms = 0; ms < 2; ms++) {
        ck_assert_int_eq(promise_shared_receive_wait(ch, ms, &v), -1);
        ck_assert(promise_is_timeout(v));
    }
    ck_assert_int_eq(promise_shared_send_wait(ch, promise_int(1), 0, NULL), 0);
    for (unsigned ms = 0; ms < 2; ms++) {
        ck_assert_int_eq(promise_shared_send_wait(ch, counted(), ms, &v), -1);
        ck_assert(promise_is_timeout(v));
        ck_assert_uint_eq(freed, ms + 1); /* it is taken back */
    }
    ck_assert_int_eq(promise_shared_receive_wait(ch, 1, &v), 0);
    ck_assert_int_eq(promise_as_int(v), 1);
    ck_assert_int_eq(promise_shared_receive_wait(ch, 0, &v), -1);
    promise_shared_channel_close(ch);
    ck_assert_int_eq(promise_shared_receive_wait(ch, UINT64_MAX, &v), 0);
    ck_assert(promise_is_end(v));
    close_all();
}
END_TEST

static void *wait_for_item(void *arg) {
    promise_value_t v = {0};

    *(int *)arg = promise_shared_receive_wait(ch, UINT64_MAX, &v) == 0 && promise_is_end(v) ? 1 : -1;
    promise_value_clear(&v);
    return NULL;
}
static void *wait_for_room(void *arg) {
    promise_value_t v = {0};

    *(int *)arg = promise_shared_send_wait(ch, promise_int(2), UINT64_MAX, &v) < 0 &&
                  promise_error_is(v, &promise_errors, PROMISE_ECLOSED);
    promise_value_clear(&v);
    return NULL;
}
START_TEST(close_wakes_threads) {
    pthread_t threads[4];
    int ended[4] = {0};

    open_all((size_t)_i);
    if (_i) sent(1);
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, _i ? wait_for_room : wait_for_item, &ended[i]);
    promise_shared_channel_close(ch);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) ck_assert_int_eq(ended[i], 1);
    close_all();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("shared_threads");
    TCase *threads = tcase_create("threads");

    tcase_set_timeout(threads, 60);
    tcase_add_loop_test(threads, H2_a_thread_receives, 0, 4);
    tcase_add_loop_test(threads, H2_a_thread_sends, 0, 4);
    tcase_add_loop_test(threads, H3_a_thread_forwards, 0, 2);
    tcase_add_test(threads, threads_time_out);
    tcase_add_loop_test(threads, close_wakes_threads, 0, 2);
    suite_add_tcase(suite, threads);
    return test_main(suite);
}
