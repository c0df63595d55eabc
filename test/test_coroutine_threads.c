/* Coroutines on several threads at once, each on a loop of its own (H1). */
#include "support.h"

#include <pthread.h>

/* A loop of its own, coroutines that await each other and timers, a generator, and half of them cancelled. */
static promise_value_t gives(promise_value_t v, void *arg) {
    (void)arg;
    for (int i = 0; i < 10; i++)
        if (promise_yield(promise_stringf("%d", i)) < 0) break;
    return v;
}
static promise_value_t counts(promise_value_t v, void *arg) {
    ++*(size_t *)arg;
    return v;
}
static promise_value_t works(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    (void)v;
    if (promise_await(promise_sleep(NULL, 1), &got) < 0) return got;
    if (promise_await(promise_each(promise_generator(NULL, gives, NULL), 2, counts, arg), &got) < 0) return got;
    promise_await(promise_async(NULL, counts, arg), &got);
    return got;
}
static void *thread_with_loop(void *arg) {
    promise_loop_t *own = promise_loop_new(NULL);
    size_t n = test_scaled(200);

    for (size_t i = 0; i < n; i++) {
        promise_t *p = promise_async(own, works, arg);
        if (i % 2) promise_cancel(p);
        else ck_assert_int_eq(promise_loop_run(own, p, NULL), 0);
    }
    promise_unref(promise_async(own, works, arg));
    promise_loop_turn(own);
    promise_loop_free(own);
    return NULL;
}
START_TEST(H1_a_loop_on_each_of_four_threads) {
    pthread_t threads[4];
    size_t count[4] = {0};

    for (size_t i = 0; i < 4; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, thread_with_loop, &count[i]), 0);
    for (size_t i = 0; i < 4; i++) ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < 4; i++) ck_assert_uint_eq(count[i], (test_scaled(200) + 1) / 2 * 11);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("coroutine_threads");
    TCase *threads = tcase_create("threads");

    tcase_add_test(threads, H1_a_loop_on_each_of_four_threads);
    suite_add_tcase(suite, threads);
    return test_main(suite);
}
