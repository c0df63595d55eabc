/* Remotes and mailboxes seen from the loop's thread alone: what it waits for (J3), what comes of them, out of memory,
 * misuse. */
#include "support.h"

#include <errno.h>
#include <event2/event.h>
#include <promise.h>
#include <pthread.h>
#include <stdlib.h>

static size_t live, freed;

static void open_loop(void) {
    live = test_alloc_live();
    loop = promise_loop_new(NULL);
    ck_assert_ptr_nonnull(loop);
}

static void close_loop(void) {
    promise_loop_free(loop);
    ck_assert_uint_eq(test_alloc_live(), live);
}

static void count_free(void *arg) { ++*(size_t *)arg; }
static promise_value_t counted(void) { return promise_box(&freed, count_free); }

static promise_value_t drop(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}

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
    ck_assert_uint_eq(freed, 2);
    ck_assert(promise_is_canceled(promise_peek(p)));
    ck_assert(promise_is_canceled(promise_peek(q)));
    ck_assert_int_eq(promise_post(m, drop, counted()), -1);
    ck_assert_uint_eq(freed, 3);
    promise_remote_resolve(remote, counted());
    ck_assert_uint_eq(freed, 4);
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
    ck_assert_uint_eq(freed, 1);

    m = promise_loop_mailbox(loop);
    ck_assert_int_eq(promise_post(m, rethrow, promise_string("value")), 0);
    ck_assert_int_eq(promise_post(m, rethrow, promise_throw_errno(EIO, "a rejection")), 0);
    ck_assert_int_eq(promise_post(m, drop, counted()), 0);
    promise_mailbox_unref(m);
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    ck_assert_int_eq(reported, 2); /* J7 */
    ck_assert_uint_eq(freed, 2);
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
        ck_assert_uint_eq(freed, failed ? n : n - 1);
        ck_assert_int_eq(promise_loop_run(loop, p, &v), failed ? -1 : 0);
        ck_assert(!failed || promise_error_is(v, &promise_errno_errors, ENOMEM));
        promise_value_clear(&v);
        ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
        ck_assert_uint_eq(freed, n);
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
    ck_assert_uint_eq(freed, 1);
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
    test_assert_stops(cross_with_count, NULL,
                      "promise_post: expected a value with one reference, got a string with 2");           /* H3 */
    test_assert_stops(use_there, NULL, "promise_ref: expected the thread of the loop, called on another"); /* H1 */
    close_loop();
}
END_TEST
#endif

int main(void) {
    Suite *suite = suite_create("mailbox");
    TCase *one = tcase_create("one");

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
    suite_add_tcase(suite, one);
    return test_main(suite);
}
