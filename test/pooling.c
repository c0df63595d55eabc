#include "pooling.h"

promise_pool_t *pool;
atomic_size_t calls, freed;
sem_t started, go;
promise_value_t outcome;

void open_all(const struct promise_pool_options *options) {
    open_loop(0);
    pool = promise_pool_new(options);
    atomic_store(&calls, 0);
    atomic_store(&freed, 0);
    sem_init(&started, 0, 0);
    sem_init(&go, 0, 0);
}

void close_all(void) {
    promise_value_clear(&outcome);
    promise_loop_free(loop);
    promise_pool_free(pool);
    ck_assert_uint_eq(test_alloc_live(), live);
}

void wait_for(sem_t *s) {
    while (sem_wait(s) < 0) {}
}

static void count_free(void *arg) {
    (void)arg;
    atomic_fetch_add(&freed, 1);
}
promise_value_t counted(void) { return promise_box(&freed, count_free); }

promise_value_t run(promise_t *p) {
    promise_loop_run(loop, p, &outcome);
    return outcome;
}

promise_value_t block(promise_value_t v, void *arg) {
    (void)arg;
    sem_post(&started);
    wait_for(&go);
    atomic_fetch_add(&calls, 1);
    return v;
}
