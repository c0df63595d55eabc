/* One pool for many loops on many threads: random work, cancels, ends of loops and of the pool (H3, R13, R22, J5). */
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>

enum { LOOPS = 6 };

static promise_pool_t *pool;
static atomic_size_t made, freed, settled, closers;

static void count_free(void *arg) {
    (void)arg;
    atomic_fetch_add(&freed, 1);
}
static promise_value_t counted(void) {
    atomic_fetch_add(&made, 1);
    return promise_box(&freed, count_free);
}

struct user {
    pthread_t thread;
    uint64_t seed;
    size_t steps;
    promise_t *mine[32]; /* that are not settled, as far as we know */
};

static unsigned draw_of(struct user *u, unsigned n) {
    u->seed ^= u->seed << 13;
    u->seed ^= u->seed >> 7;
    u->seed ^= u->seed << 17;
    return (unsigned)(u->seed >> 33) % n;
}

static promise_value_t echo(promise_value_t v, void *arg) {
    (void)arg;
    return v;
}
static promise_value_t drop(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}
static promise_value_t another(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return counted();
}
static promise_value_t refuse(promise_value_t v, void *arg) {
    (void)arg;
    return promise_throw_value(v);
}
static promise_value_t linger(promise_value_t v, void *arg) {
    (void)arg;
    for (int i = 0; i < 1000 && !promise_work_canceled(); i++) {}
    return v;
}
static promise_value_t seen(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    atomic_fetch_add(&settled, 1);
    return promise_void();
}

static void let_go(struct user *u, promise_t **slot, bool cancel) {
    (void)u;
    if (!*slot) return;
    if (cancel) promise_cancel(*slot);
    else promise_unref(*slot);
    *slot = NULL;
}

static void step(promise_loop_t *l, struct user *u) {
    static promise_fn *const fns[] = {echo, drop, another, refuse, linger};
    promise_t **slot = &u->mine[draw_of(u, 32)];

    switch (draw_of(u, 8)) {
    case 0: promise_loop_turn(l); break;
    case 1: let_go(u, slot, true); break;
    case 2:
        if (*slot) (void)!promise_work_cancel(*slot);
        *slot = NULL;
        break;
    default:
        let_go(u, slot, false);
        *slot = promise_work(l, pool, fns[draw_of(u, 5)], counted());
        promise_unref(promise_then_catch(promise_ref(*slot), seen, seen, NULL));
    }
}

static void *use(void *arg) {
    struct user *u = arg;
    promise_loop_t *l = promise_loop_new(NULL);

    for (size_t i = 0; i < u->steps; i++) step(l, u);
    if (draw_of(u, 2)) ck_assert_int_eq(promise_loop_run(l, NULL, NULL), 0); /* R22: a lost wake-up hangs */
    for (int i = 0; i < 32; i++) let_go(u, &u->mine[i], false);
    promise_loop_free(l);
    return NULL;
}

static void start(struct user *users, uint64_t seed, size_t steps) {
    for (size_t i = 0; i < LOOPS; i++) {
        users[i] = (struct user){.seed = seed * 1000 + i + 1, .steps = steps};
        ck_assert_int_eq(pthread_create(&users[i].thread, NULL, use, &users[i]), 0);
    }
}
static void join(struct user *users) {
    for (size_t i = 0; i < LOOPS; i++) pthread_join(users[i].thread, NULL);
}

/* R13: no locks of the user's; each value is freed once, and nothing is left. */
static void share(uint64_t seed) {
    size_t live = test_alloc_live();
    struct user users[LOOPS];

    pool = promise_pool_new(&(struct promise_pool_options){.threads = 1 + seed % 4, .queue_limit = seed % 3 ? 0 : 20});
    start(users, seed, 2000);
    join(users);
    promise_pool_free(pool);
    ck_assert_uint_eq(atomic_load(&freed), atomic_load(&made));
    ck_assert_uint_eq(test_alloc_live(), live);
}
START_TEST(R13_many_loops_share_a_pool) { test_seeds(share, 20); }
END_TEST

/* The pool closes in the middle, sometimes by two at once, sometimes with what runs abandoned. */
static void *close_pool(void *arg) {
    promise_loop_t *l = promise_loop_new(NULL);
    promise_value_t v = {0};

    promise_loop_run(l, promise_pool_close(l, pool, *(uint64_t *)arg), &v);
    promise_value_clear(&v);
    promise_loop_free(l);
    atomic_fetch_add(&closers, 1);
    return NULL;
}

static void close_amid(uint64_t seed) {
    size_t live = test_alloc_live();
    struct user users[LOOPS];
    uint64_t deadlines[] = {seed % 3, seed % 2 ? UINT64_MAX : 0};
    pthread_t closing[2];

    pool = promise_pool_new(&(struct promise_pool_options){.threads = 2});
    start(users, seed, 300);
    while (atomic_load(&settled) < seed % 20) {}
    for (int i = 0; i < 2; i++) ck_assert_int_eq(pthread_create(&closing[i], NULL, close_pool, &deadlines[i]), 0);
    join(users);
    for (int i = 0; i < 2; i++) pthread_join(closing[i], NULL);
    promise_pool_free(pool);
    while (test_alloc_live() > live) {} /* those that were abandoned */
    ck_assert_uint_eq(atomic_load(&freed), atomic_load(&made));
}
START_TEST(J5_a_pool_closes_while_many_loops_use_it) { test_seeds(close_amid, 100); }
END_TEST

/* Idle threads leave at once: work comes just when the last one goes. */
static promise_value_t again(promise_value_t v, void *arg) {
    size_t *left = arg;

    (void)v;
    if (!--*left) return promise_void();
    return promise_adopt(promise_then(promise_work(NULL, pool, echo, promise_int(1)), again, left));
}
static void *chain(void *arg) {
    promise_loop_t *l = promise_loop_new(NULL);
    size_t left = test_scaled(2000);

    (void)arg;
    ck_assert_int_eq(promise_loop_run(l, promise_try(l, again, &left), NULL), 0);
    promise_loop_free(l);
    return NULL;
}
START_TEST(R22_work_comes_when_threads_leave) {
    pthread_t threads[2];

    pool = promise_pool_new(&(struct promise_pool_options){.threads = 1, .idle_ms = _i ? 1 : UINT64_MAX});
    for (int i = 0; i < 2; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, chain, NULL), 0);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    promise_pool_free(pool);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("pool_threads");
    TCase *all = tcase_create("threads");

    tcase_set_timeout(all, 60);
    tcase_add_test(all, R13_many_loops_share_a_pool);
    tcase_add_test(all, J5_a_pool_closes_while_many_loops_use_it);
    tcase_add_loop_test(all, R22_work_comes_when_threads_leave, 0, 2);
    suite_add_tcase(suite, all);
    return test_main(suite);
}
