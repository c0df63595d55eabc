/* What crosses threads: remotes and mailboxes (H1-H3, J3), with eight threads at once. */
#include "support.h"

#include <errno.h>
#include <event2/event.h>
#include <promise.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { THREADS = 8 };

static promise_loop_t *loop;
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
        workers[i].n = test_scaled(20000);
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
    for (size_t round = 0; round < test_scaled(1000); round++) {
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

    for (size_t round = 0; round < test_scaled(2000); round++) {
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
    size_t rounds = test_scaled(3000);

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

START_TEST(H2_after_the_loop_is_gone) {
    promise_resolver_t *resolver, *other;
    promise_remote_t *remote;
    promise_mailbox_t *m;

    open_loop();
    promise_t *p = promise_new(loop, &resolver), *q = promise_new(loop, &other);
    remote = promise_remote_new(resolver);
    m = promise_loop_mailbox(loop);
    ck_assert_int_eq(promise_post(m, drop, counted()), 0); /* on its way when the loop goes */
    promise_remote_resolve(promise_remote_new(other), counted());
    promise_loop_free(loop);
    ck_assert_uint_eq(atomic_load(&freed), 2);
    ck_assert(promise_is_canceled(promise_peek(p)));
    ck_assert(promise_is_canceled(promise_peek(q)));
    ck_assert_int_eq(promise_post(m, drop, counted()), -1);
    ck_assert_uint_eq(atomic_load(&freed), 3);
    promise_remote_resolve(remote, counted());
    ck_assert_uint_eq(atomic_load(&freed), 4);
    ck_assert(promise_is_canceled(promise_peek(p)));
    promise_unref(p);
    promise_unref(q);
    ck_assert_uint_gt(test_alloc_live(), live); /* the mailbox outlives the loop */
    promise_mailbox_unref(m);
    promise_mailbox_unref(NULL);
    ck_assert_uint_eq(test_alloc_live(), live);
}
END_TEST

/* ---- one thread: what the loop waits for ---- */

START_TEST(J3_the_loop_waits_for_remotes_and_mailboxes) {
    promise_resolver_t *resolver;
    promise_value_t v = {0};

    open_loop();
    ck_assert_int_eq(promise_loop_turn(loop), 0);
    promise_t *p = promise_new(loop, &resolver);
    promise_remote_t *remote = promise_remote_new(resolver);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(promise_loop_turn(loop), 1);
    promise_cancel(promise_then(promise_ref(p), drop, NULL));
    ck_assert_int_eq(promise_loop_turn(loop), 1); /* also for one that is of no use any more: its thread has it still */
    promise_remote_resolve(remote, promise_int(3));
    ck_assert_int_eq(promise_loop_run(loop, p, &v), 0);
    ck_assert_int_eq(promise_as_int(v), 3);
    ck_assert_int_eq(promise_loop_turn(loop), 0);

    promise_mailbox_t *m = promise_loop_mailbox(loop), *again = promise_loop_mailbox(loop);
    ck_assert_ptr_eq(m, again);
    promise_mailbox_unref(again);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(promise_loop_turn(loop), 1);
    promise_mailbox_unref(m);
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    ck_assert_int_eq(promise_loop_turn(loop), 0);

    m = promise_loop_mailbox(loop); /* once more, after it had gone to rest */
    ck_assert_int_eq(promise_loop_turn(loop), 1);
    promise_mailbox_unref(m);
    close_loop();
}
END_TEST

static int reported;
static void count_report(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)arg;
    ck_assert(promise_error_is(reason, &promise_errno_errors, EIO));
    reported++;
}
static promise_value_t rethrow(promise_value_t v, void *arg) {
    (void)arg;
    return promise_is_rejection(v) ? v : promise_throw_errno(EIO, "posted");
}

START_TEST(H2_outcomes) {
    promise_resolver_t *resolver;
    promise_mailbox_t *m;
    promise_value_t v = {0};

    open_loop();
    promise_loop_on_unhandled(loop, count_report, NULL);
    promise_t *p = promise_new(loop, &resolver);
    promise_remote_abandon(promise_remote_new(resolver));
    ck_assert_int_eq(promise_loop_run(loop, p, &v), -1);
    ck_assert(promise_error_is(v, &promise_errors, PROMISE_EABANDONED)); /* O5 */
    p = promise_new(loop, &resolver);
    promise_remote_reject(promise_remote_new(resolver), promise_int(5));
    ck_assert_int_eq(promise_loop_run(loop, p, &v), -1);
    ck_assert_int_eq(promise_as_int(promise_reason(v)), 5);
    p = promise_new(loop, &resolver); /* O5: the first of several counts */
    promise_remote_t *late = promise_remote_new(promise_resolver_ref(resolver));
    promise_remote_resolve(promise_remote_new(resolver), promise_int(6));
    promise_remote_resolve(late, counted());
    ck_assert_int_eq(promise_loop_run(loop, p, &v), 0);
    ck_assert_int_eq(promise_as_int(v), 6);
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    ck_assert_uint_eq(atomic_load(&freed), 1);

    m = promise_loop_mailbox(loop);
    ck_assert_int_eq(promise_post(m, rethrow, promise_string("value")), 0);
    ck_assert_int_eq(promise_post(m, rethrow, promise_throw_errno(EIO, "a rejection")), 0);
    ck_assert_int_eq(promise_post(m, drop, counted()), 0);
    promise_mailbox_unref(m);
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    ck_assert_int_eq(reported, 2); /* J7 */
    ck_assert_uint_eq(atomic_load(&freed), 2);
    close_loop();
}
END_TEST

/* ---- memory ---- */

/* libevent's memory fails too: its nth allocation from now on, or none. */
static size_t libevent_fails_at;
static bool libevent_failed;
static bool fails_now(void) {
    if (libevent_fails_at == 0 || --libevent_fails_at > 0) return false;
    libevent_failed = true;
    return true;
}
static void *libevent_malloc(size_t size) { return fails_now() ? NULL : malloc(size); }
static void *libevent_realloc(void *block, size_t size) { return fails_now() ? NULL : realloc(block, size); }

/* Ours or libevent's; tells whether the one before did fail. */
static bool fail_at(int of_libevent, size_t n) {
    bool failed = of_libevent ? libevent_failed : test_alloc_failed();

    libevent_failed = false;
    libevent_fails_at = of_libevent ? n : 0;
    test_alloc_fail_at(of_libevent ? 0 : n);
    return failed;
}

/* O2, V3: whichever allocation fails, ours or libevent's: the promise settles, the value is freed once, the loop ends. */
START_TEST(O2_a_remote_out_of_memory) {
    promise_value_t v = {0};
    size_t n = 0;
    bool failed;

    event_set_mem_functions(libevent_malloc, libevent_realloc, free);
    do {
        promise_resolver_t *resolver;
        open_loop();
        promise_t *p = promise_new(loop, &resolver);
        promise_value_t value = counted();
        fail_at(_i, ++n);
        promise_remote_t *remote = promise_remote_new(resolver);
        failed = fail_at(_i, 0);
        ck_assert_int_eq(promise_get_state(p), failed ? PROMISE_REJECTED : PROMISE_PENDING);
        promise_remote_resolve(remote, value);
        ck_assert_uint_eq(atomic_load(&freed), failed ? n : n - 1);
        ck_assert_int_eq(promise_loop_run(loop, p, &v), failed ? -1 : 0);
        ck_assert(!failed || promise_error_is(v, &promise_errno_errors, ENOMEM));
        promise_value_clear(&v);
        ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
        ck_assert_uint_eq(atomic_load(&freed), n);
        close_loop();
    } while (failed);
    ck_assert_uint_gt(n, 2);
}
END_TEST

START_TEST(O2_a_mailbox_out_of_memory) {
    promise_mailbox_t *m;
    size_t n = 0;

    event_set_mem_functions(libevent_malloc, libevent_realloc, free);
    do {
        open_loop();
        fail_at(_i, ++n);
        m = promise_loop_mailbox(loop);
        ck_assert_int_eq(fail_at(_i, 0), m == NULL);
        ck_assert_int_eq(promise_loop_turn(loop), m != NULL);
        promise_mailbox_unref(m);
        close_loop();
    } while (m == NULL);
    ck_assert_uint_gt(n, 1);
}
END_TEST

START_TEST(V3_a_post_out_of_memory) {
    promise_mailbox_t *m;

    open_loop();
    m = promise_loop_mailbox(loop);
    promise_value_t value = counted();
    test_alloc_fail_at(1);
    ck_assert_int_eq(promise_post(m, drop, value), -1);
    ck_assert_uint_eq(atomic_load(&freed), 1);
    promise_mailbox_unref(m);
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    close_loop();
}
END_TEST

/* ---- what is refused ---- */

static void cross_with_promise(void *arg) {
    promise_resolver_t *resolver;
    promise_unref(promise_new(loop, &resolver));
    promise_remote_resolve(promise_remote_new(resolver), promise_adopt(promise_from(loop, promise_pointer(arg))));
}
static void no_wake(void *data, bool again) { (void)data, (void)again; }
static void remote_on_hosted(void *arg) {
    static const struct promise_host host = {.size = sizeof host, .wake = no_wake};
    promise_resolver_t *resolver;
    promise_unref(promise_new(promise_loop_new_hosted(&host, arg), &resolver));
    promise_remote_abandon(promise_remote_new(resolver));
}
START_TEST(what_is_refused) {
    open_loop();
    test_assert_stops(cross_with_promise, NULL, "expected a value that may cross threads, got a promise");
    test_assert_stops(remote_on_hosted, NULL, "promise_remote_new: expected a loop of promise_loop_new");
    close_loop();
}
END_TEST

#ifdef PROMISE_DEBUG
static void cross_with_count(void *arg) {
    promise_mailbox_t *m = promise_loop_mailbox(loop);
    promise_value_t kept = {0};
    (void)arg;
    promise_value_set(&kept, promise_string("mine too"));
    promise_post(m, drop, kept);
}
static void *use_here(void *p) { return promise_ref(p); }
static void use_there(void *arg) {
    pthread_t thread;
    (void)arg;
    pthread_create(&thread, NULL, use_here, promise_sleep(loop, 1));
    pthread_join(thread, NULL);
}
START_TEST(H1_H3_debug_builds_check) {
    open_loop();
    test_assert_stops(cross_with_count, NULL, "promise_post: expected a value with one reference, got a string with 2"); /* H3 */
    test_assert_stops(use_there, NULL, "promise_ref: expected the thread of the loop, called on another");               /* H1 */
    close_loop();
}
END_TEST
#endif

int main(void) {
    Suite *suite = suite_create("remote");
    TCase *threads = tcase_create("threads"), *one = tcase_create("one");

    tcase_set_timeout(threads, 30);
    tcase_add_test(threads, H2_eight_threads_settle);
    tcase_add_test(threads, H2_no_wake_up_is_lost);
    tcase_add_test(threads, H2_eight_threads_post);
    tcase_add_test(threads, H2_the_last_of_eight_threads_lets_the_loop_end);
    tcase_add_test(threads, H2_the_loop_goes_while_eight_threads_use_it);
    tcase_add_test(threads, H2_the_loop_goes_with_the_last_remote);
    tcase_add_test(one, H2_after_the_loop_is_gone);
    tcase_add_test(one, J3_the_loop_waits_for_remotes_and_mailboxes);
    tcase_add_test(one, H2_outcomes);
    tcase_add_loop_test(one, O2_a_remote_out_of_memory, 0, 2);
    tcase_add_loop_test(one, O2_a_mailbox_out_of_memory, 0, 2);
    tcase_add_test(one, V3_a_post_out_of_memory);
    tcase_add_test(one, what_is_refused);
#ifdef PROMISE_DEBUG
    tcase_add_test(one, H1_H3_debug_builds_check);
#endif
    suite_add_tcase(suite, threads);
    suite_add_tcase(suite, one);
    return test_main(suite);
}
