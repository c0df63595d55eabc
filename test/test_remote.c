/* What crosses threads: remotes and mailboxes (H1-H3, J3), with eight threads at once. */
#include "support.h"

#include <event2/event.h>
#include <promise.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { THREADS = 8 };

static size_t live;

static void open_loop(void) {
    live = test_alloc_live();
    loop = promise_loop_new(NULL);
    ck_assert_ptr_nonnull(loop);
}

static void close_loop(void) {
    promise_loop_free(loop);
    ck_assert_uint_eq(test_alloc_live(), live);
}

/* A value that counts how often it is freed, from any thread. */
static atomic_size_t freed;
static void count_free(void *arg) {
    (void)arg;
    atomic_fetch_add(&freed, 1);
}
static promise_value_t counted(void) { return promise_box(&freed, count_free); }

struct worker {
    pthread_t thread;
    size_t number, n;
    promise_remote_t **remotes;
    promise_remote_t *remote;
    promise_mailbox_t *mailbox;
    sem_t go;
    int64_t next; /* the number that the loop's thread expects from it */
};

static struct worker workers[THREADS];

static void start(void *(*run)(void *arg)) {
    for (size_t i = 0; i < THREADS; i++) ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, run, &workers[i]), 0);
}
static void join(void) {
    for (size_t i = 0; i < THREADS; i++) ck_assert_int_eq(pthread_join(workers[i].thread, NULL), 0);
}

/* ---- settling ---- */

static promise_value_t expect_next(promise_value_t v, void *arg) {
    struct worker *w = arg;

    if (promise_is_rejection(v)) {
        ck_assert_int_eq(w->next % 3, 1);
        v = promise_list_get(promise_reason(v), 0);
    } else if (promise_is(v, &promise_type_list)) v = promise_list_get(v, 0);
    ck_assert_int_eq(promise_as_int(v), w->next);
    w->next++;
    return promise_void();
}

static void *settle_all(void *arg) {
    struct worker *w = arg;

    for (size_t k = 0; k < w->n; k++) {
        promise_value_t number = promise_int((int64_t)k);
        if (k % 3 == 0) promise_remote_resolve(w->remotes[k], number);
        if (k % 3 == 1) promise_remote_reject(w->remotes[k], promise_list(1, &number));
        if (k % 3 == 2) promise_remote_resolve(w->remotes[k], promise_list(1, &number));
    }
    return NULL;
}

/* H2: each settlement arrives, those of one thread in their order; and the run ends with the last of them (J3). */
START_TEST(H2_eight_threads_settle) {
    size_t n = test_scaled(100000);

    open_loop();
    for (size_t i = 0; i < THREADS; i++) {
        struct worker *w = &workers[i];
        w->n = n;
        w->remotes = malloc(n * sizeof(promise_remote_t *));
        for (size_t k = 0; k < n; k++) {
            promise_resolver_t *resolver;
            promise_unref(promise_then_catch(promise_new(loop, &resolver), expect_next, expect_next, w));
            w->remotes[k] = promise_remote_new(resolver);
        }
    }
    start(settle_all);
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    for (size_t i = 0; i < THREADS; i++) ck_assert_uint_eq((size_t)workers[i].next, n);
    join();
    for (size_t i = 0; i < THREADS; i++) free(workers[i].remotes);
    close_loop();
}
END_TEST

/* One settlement at a time for each thread, each to a loop that may just be going to sleep. */
static promise_value_t hand_out(promise_value_t v, void *arg) {
    struct worker *w = arg;
    promise_resolver_t *resolver;
    promise_t *p;

    if (!promise_is_void(v)) expect_next(v, w);
    if ((size_t)w->next == w->n) return promise_void();
    p = promise_then(promise_new(NULL, &resolver), hand_out, w);
    w->remote = promise_remote_new(resolver);
    sem_post(&w->go);
    return promise_adopt(p);
}

static void *settle_one_by_one(void *arg) {
    struct worker *w = arg;

    for (size_t k = 0; k < w->n; k++) {
        while (sem_wait(&w->go) < 0) {}
        promise_remote_resolve(w->remote, promise_int((int64_t)k));
    }
    return NULL;
}

START_TEST(H2_no_wake_up_is_lost) {
    open_loop();
    for (size_t i = 0; i < THREADS; i++) {
        workers[i].n = test_scaled(10000);
        sem_init(&workers[i].go, 0, 0);
        promise_unref(promise_try(loop, hand_out, &workers[i]));
    }
    start(settle_one_by_one);
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0); /* a lost one would hang */
    for (size_t i = 0; i < THREADS; i++) ck_assert_uint_eq((size_t)workers[i].next, workers[i].n);
    join();
    close_loop();
}
END_TEST

/* ---- posting ---- */

static promise_value_t posted(promise_value_t v, void *arg) {
    ck_assert_ptr_null(arg);
    ck_assert_ptr_eq(promise_loop_current(), loop);
    expect_next(promise_list_get(v, 1), &workers[promise_as_int(promise_list_get(v, 0))]);
    return promise_void();
}

static void *post_all(void *arg) {
    struct worker *w = arg;

    for (size_t k = 0; k < w->n; k++) {
        const promise_value_t v[] = {promise_int((int64_t)w->number), promise_int((int64_t)k)};
        ck_assert_int_eq(promise_post(w->mailbox, posted, promise_list(2, v)), 0);
    }
    promise_mailbox_unref(w->mailbox);
    return NULL;
}

/* Under plain dispatch this time: the loop ends when the last mailbox is let go of, and all that was posted has run. */
START_TEST(H2_eight_threads_post) {
    promise_mailbox_t *m;

    open_loop();
    m = promise_loop_mailbox(loop);
    for (size_t i = 0; i < THREADS; i++) {
        workers[i].number = i;
        workers[i].n = test_scaled(100000);
        workers[i].mailbox = promise_mailbox_ref(m);
    }
    promise_mailbox_unref(m);
    start(post_all);
    event_base_dispatch(promise_loop_base(loop));
    for (size_t i = 0; i < THREADS; i++) ck_assert_uint_eq((size_t)workers[i].next, workers[i].n);
    join();
    close_loop();
}
END_TEST

static void *ref_and_unref(void *arg) {
    struct worker *w = arg;

    for (size_t k = 0; k < w->n; k++) {
        promise_mailbox_t *m = promise_mailbox_ref(w->mailbox);
        promise_mailbox_unref(w->mailbox);
        w->mailbox = m;
    }
    promise_mailbox_unref(w->mailbox);
    return NULL;
}

START_TEST(H2_the_last_of_eight_threads_lets_the_loop_end) {
    for (size_t round = 0; round < test_scaled(300); round++) {
        open_loop();
        for (size_t i = 0; i < THREADS; i++) {
            workers[i].n = 20;
            workers[i].mailbox = promise_loop_mailbox(loop);
        }
        start(ref_and_unref);
        ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
        promise_loop_free(loop); /* while the last one may still be in its call */
        join();
        ck_assert_uint_eq(test_alloc_live(), live);
    }
}
END_TEST

/* ---- against the end of the loop ---- */

static promise_value_t drop(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}

static void *use_all(void *arg) {
    struct worker *w = arg;

    for (size_t k = 0; k < w->n; k++) {
        if (k % 3 == 0) promise_remote_resolve(w->remotes[k], counted());
        if (k % 3 == 1) promise_remote_reject(w->remotes[k], counted());
        if (k % 3 == 2) promise_remote_abandon(w->remotes[k]);
        promise_post(w->mailbox, drop, counted());
    }
    promise_mailbox_unref(w->mailbox);
    return NULL;
}

/* The loop is freed while all of them settle and post: each value is freed exactly once, whichever way it went. */
START_TEST(H2_the_loop_goes_while_eight_threads_use_it) {
    enum { EACH = 12 };
    promise_remote_t *remotes[THREADS][EACH];

    for (size_t round = 0; round < test_scaled(500); round++) {
        open_loop();
        atomic_store(&freed, 0);
        for (size_t i = 0; i < THREADS; i++) {
            workers[i].n = EACH;
            workers[i].remotes = remotes[i];
            workers[i].mailbox = promise_loop_mailbox(loop);
            for (size_t k = 0; k < EACH; k++) {
                promise_resolver_t *resolver;
                promise_unref(promise_catch(promise_new(loop, &resolver), drop, NULL));
                remotes[i][k] = promise_remote_new(resolver);
            }
        }
        start(use_all);
        for (size_t turns = 0; turns < round % 20; turns++) promise_loop_turn(loop);
        promise_loop_free(loop);
        join();
        ck_assert_uint_eq(atomic_load(&freed), THREADS * (EACH + EACH * 2 / 3));
        ck_assert_uint_eq(test_alloc_live(), live);
    }
}
END_TEST

/* The same with nothing but remotes, which hold the mailbox: the last use of one may meet its end. */
static pthread_barrier_t together;
static void *use_one(void *arg) {
    pthread_barrier_wait(&together);
    promise_remote_resolve(((struct worker *)arg)->remote, counted());
    return NULL;
}

START_TEST(H2_the_loop_goes_with_the_last_remote) {
    size_t rounds = test_scaled(1000);

    pthread_barrier_init(&together, NULL, THREADS + 1);
    for (size_t round = 1; round <= rounds; round++) {
        open_loop();
        for (size_t i = 0; i < THREADS; i++) {
            promise_resolver_t *resolver;
            promise_unref(promise_new(loop, &resolver));
            workers[i].remote = promise_remote_new(resolver);
        }
        start(use_one);
        pthread_barrier_wait(&together);
        for (size_t turns = 0; turns < round % 8; turns++) promise_loop_turn(loop);
        promise_loop_free(loop);
        join();
        ck_assert_uint_eq(atomic_load(&freed), THREADS * round);
        ck_assert_uint_eq(test_alloc_live(), live);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("remote");
    TCase *threads = tcase_create("threads");

    tcase_set_timeout(threads, 60);
    tcase_add_test(threads, H2_eight_threads_settle);
    tcase_add_test(threads, H2_no_wake_up_is_lost);
    tcase_add_test(threads, H2_eight_threads_post);
    tcase_add_test(threads, H2_the_last_of_eight_threads_lets_the_loop_end);
    tcase_add_test(threads, H2_the_loop_goes_while_eight_threads_use_it);
    tcase_add_test(threads, H2_the_loop_goes_with_the_last_remote);
    suite_add_tcase(suite, threads);
    return test_main(suite);
}
