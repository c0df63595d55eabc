/* Loops on threads: the graceful end and the sudden one (J5, K2, R15). */
#include "looping.h"

#include <errno.h>
#include <event2/event.h>

/* ---- the graceful end ---- */

static atomic_int began, stopped;
static promise_value_t short_work(promise_value_t v, void *arg) {
    (void)arg;
    atomic_fetch_add(&began, 1);
    return promise_adopt(promise_then(promise_sleep(NULL, (uint64_t)promise_as_int(v)), give, NULL));
}
static promise_value_t stop(promise_value_t v, void *arg) {
    ck_assert_ptr_eq(arg, &stopped);
    ck_assert_int_eq(promise_as_int(v), (int64_t)promise_loops_here(loops));
    atomic_fetch_add(&stopped, 1);
    return promise_adopt(promise_sleep(NULL, 1));
}

START_TEST(stop_waits_for_what_is_under_way) {
    promise_t *calls[20];
    promise_value_t v;

    open_loops(&(struct promise_loops_options){.threads = N, .stop = stop, .arg = &stopped});
    for (int i = 0; i < 20; i++) calls[i] = promise_loops_run(loop, loops, short_work, promise_int(i % 5));
    v = outcome(promise_loops_stop(loop, loops, UINT64_MAX));
    ck_assert_int_eq(promise_as_int(v), 0);
    ck_assert_int_eq(atomic_load(&stopped), N);
    ck_assert_int_eq(atomic_load(&began), 20);
    for (int i = 0; i < 20; i++) ck_assert(promise_is_void(outcome(calls[i])));
    ck_error(promise_loops_run(loop, loops, where, promise_void()), promise_errors, PROMISE_ECLOSED);
    ck_error(promise_loops_all(loop, loops, where, promise_void()), promise_errors, PROMISE_ECLOSED);
    v = outcome(promise_loops_stop(loop, loops, 0)); /* once more */
    ck_assert_int_eq(promise_as_int(v), 0);
    close_loops();
}
END_TEST

static promise_value_t hang_twice(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_finally(promise_sleep(NULL, 1000000), sleep_long, NULL));
}

/* What does not end by the deadline is cut off, and so is a stop that hangs. */
START_TEST(stop_has_a_deadline) {
    promise_t *a, *b, *p, *q;
    promise_value_t v;

    open_loops(&(struct promise_loops_options){.threads = N, .stop = _i ? hang_twice : NULL});
    a = promise_loops_run(loop, loops, sleep_long, counted());
    b = promise_loops_run(loop, loops, hang_twice, counted());
    p = promise_loops_stop(loop, loops, _i == 2 ? 0 : 5);
    q = promise_loops_stop(loop, loops, UINT64_MAX);
    v = outcome(p);
    ck_assert_int_eq(promise_as_int(v), 2);
    ck_assert_int_eq(promise_as_int(outcome(q)), 2);
    v = outcome(a);
    ck_assert(promise_is_canceled(v) || promise_error_is(v, &promise_errors, PROMISE_ECLOSED));
    v = outcome(b);
    ck_assert(promise_is_rejection(v));
    ck_assert_uint_eq(atomic_load(&freed), 2);
    close_loops();
}
END_TEST

static promise_value_t stop_fails(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_throw_errno(EIO, "stop");
}
static void count_report(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p;
    ck_assert(promise_error_is(reason, &promise_errno_errors, EIO));
    atomic_fetch_add((atomic_int *)arg, 1);
}
static promise_value_t set_hook(promise_value_t v, void *arg) {
    (void)arg;
    promise_loop_on_unhandled(promise_loop_current(), count_report, &stopped);
    return v;
}
/* J7 */
START_TEST(stop_that_fails_is_reported) {
    open_loops(&(struct promise_loops_options){.threads = N, .stop = stop_fails, .init = set_hook});
    ck_assert_int_eq(promise_as_int(outcome(promise_loops_stop(loop, loops, UINT64_MAX))), 0);
    ck_assert_int_eq(atomic_load(&stopped), N);
    close_loops();
}
END_TEST

/* The one who waits for the end is cancelled, or goes. */
START_TEST(J5_who_stops_goes) {
    promise_t *p;

    open_loops(&three);
    promise_unref(promise_loops_run(loop, loops, sleep_long, counted()));
    p = promise_loops_stop(loop, loops, _i == 2 ? UINT64_MAX : 1);
    if (_i == 0) promise_cancel(p);
    else {
        promise_loop_free(loop);
        loop = NULL;
        ck_assert(promise_is_canceled(promise_peek(p)));
        promise_unref(p);
    }
    close_loops();
    ck_assert_uint_eq(atomic_load(&freed), 1);
}
END_TEST

/* J3: who does not wait any more does not keep its loop going. */
START_TEST(K2_a_stop_is_cancelled) {
    open_loops(&(struct promise_loops_options){.threads = N, .stop = hang_twice});
    ck_error(promise_timeout(promise_loops_stop(loop, loops, UINT64_MAX), 1), promise_errors, PROMISE_ETIMEDOUT);
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    close_loops();
}
END_TEST

static promise_loops_t *callers;
static promise_value_t go_on(promise_value_t v, void *arg) {
    (void)arg;
    ck_assert_int_eq(promise_as_int(v), 7);
    return promise_void();
}
static promise_value_t end_if_closed(promise_value_t v, void *arg) {
    (void)arg;
    ck_assert_msg(promise_error_is(v, &promise_errors, PROMISE_ECLOSED), "%s", promise_error_message(v));
    return promise_end();
}
static promise_value_t call_once(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_then_catch(promise_loops_run(NULL, loops, give, promise_int(7)), go_on, end_if_closed, NULL));
}
static promise_value_t call_until_closed(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_repeat(NULL, call_once, NULL));
}
/* Without a deadline each call is either refused, or comes back. */
START_TEST(stop_amid_calls_of_others) {
    for (size_t round = 0; round < test_scaled(100); round++) {
        open_loops(&(struct promise_loops_options){.threads = 2});
        callers = promise_loops_new(&(struct promise_loops_options){.threads = 2});
        promise_t *p = promise_loops_all(loop, callers, call_until_closed, promise_void());
        for (size_t i = 0; i < round % 7; i++) outcome(promise_loops_run_on(loop, loops, 0, where, promise_void()));
        ck_assert_int_eq(promise_as_int(outcome(promise_loops_stop(loop, loops, UINT64_MAX))), 0);
        ck_assert(!promise_is_rejection(outcome(p)));
        promise_loops_free(callers);
        close_loops();
    }
}
END_TEST

static promise_value_t stop_all(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_loops_stop(NULL, loops, 1));
}
/* On one of their own threads: it is among what is cut off. */
START_TEST(J5_one_of_them_stops_all) {
    promise_value_t v;

    open_loops(&three);
    v = outcome(promise_loops_run(loop, loops, stop_all, promise_void()));
    ck_assert(promise_is_canceled(v));
    close_loops();
}
END_TEST

static atomic_int stops;
static promise_value_t stop_counted(promise_value_t v, void *arg) {
    (void)arg;
    ck_assert_int_ne(promise_as_int(v), 1);
    atomic_fetch_add(&stops, 1);
    return promise_void();
}
/* Where init has failed there is nothing to stop; elsewhere stop comes after it. */
START_TEST(stop_follows_init) {
    open_loops(&(struct promise_loops_options){.threads = N, .init = init_counted, .stop = stop_counted});
    if (_i) ck_error(promise_loops_ready(loop, loops), promise_errno_errors, EIO);
    ck_assert_int_eq(promise_as_int(outcome(promise_loops_stop(loop, loops, UINT64_MAX))), 0);
    ck_assert_int_eq(atomic_load(&inits), N);
    ck_assert_int_eq(atomic_load(&stops), N - 1);
    close_loops();
}
END_TEST

/* ---- the sudden end ---- */

/* J5, R15: at any moment of the calls that are under way. */
START_TEST(J5_free_at_any_moment) {
    enum { CALLS = 12 };
    promise_t *p[CALLS];

    for (size_t round = 0; round < test_scaled(100); round++) {
        atomic_store(&freed, 0);
        open_loops(&three);
        for (int i = 0; i < CALLS; i++)
            p[i] = promise_catch(promise_loops_run(loop, loops, i % 2 ? sleep_long : give, counted()), give, NULL);
        for (size_t i = 0; i < round % 5; i++) promise_loop_turn(loop);
        if (round % 3 == 1) promise_cancel(promise_loops_stop(loop, loops, 0));
        promise_loops_free(loops);
        loops = NULL;
        for (int i = 0; i < CALLS; i++) promise_cancel(p[i]);
        promise_loop_run(loop, NULL, NULL);
        close_loops();
        ck_assert_uint_eq(atomic_load(&freed), CALLS);
    }
}
END_TEST

static promise_value_t break_off(promise_value_t v, void *arg) {
    (void)arg;
    event_base_loopbreak(promise_loop_base(promise_loop_current()));
    return v;
}
static promise_value_t free_loop(promise_value_t v, void *arg) {
    (void)arg;
    promise_loop_free(promise_loop_current());
    return v;
}
/* Breaking a loop off does not end it; freeing it does: the others go on. */
START_TEST(a_loop_that_is_broken_off_or_freed) {
    open_loops(&three);
    ck_assert_int_eq(promise_as_int(outcome(promise_loops_run_on(loop, loops, 1, break_off, promise_int(1)))), 1);
    ck_assert_int_eq(promise_as_int(outcome(promise_loops_run_on(loop, loops, 1, where, promise_void()))), 1);
    ck_assert_int_eq(promise_as_int(outcome(promise_loops_run_on(loop, loops, 1, free_loop, promise_int(2)))), 2);
    ck_error(promise_loops_run_on(loop, loops, 1, where, promise_void()), promise_errors, PROMISE_ECLOSED);
    ck_assert_int_eq(promise_as_int(outcome(promise_loops_run_on(loop, loops, 2, where, promise_void()))), 2);
    for (int i = 0; i < 2 * N; i++)
        ck_assert_int_ne(promise_as_int(outcome(promise_loops_run(loop, loops, where, promise_void()))), 1);
    for (size_t i = 0; i < N; i += 2) outcome(promise_loops_run_on(loop, loops, i, free_loop, promise_void()));
    ck_error(promise_loops_run(loop, loops, where, promise_void()), promise_errors, PROMISE_ECLOSED);
    ck_assert_int_eq(promise_as_int(outcome(promise_loops_stop(loop, loops, UINT64_MAX))), 0);
    close_loops();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loops_end");
    TCase *threads = tcase_create("threads");

    tcase_set_timeout(threads, 60);
    tcase_add_loop_test(threads, stop_follows_init, 0, 2);
    tcase_add_test(threads, stop_waits_for_what_is_under_way);
    tcase_add_loop_test(threads, stop_has_a_deadline, 0, 3);
    tcase_add_test(threads, stop_that_fails_is_reported);
    tcase_add_loop_test(threads, J5_who_stops_goes, 0, 3);
    tcase_add_test(threads, K2_a_stop_is_cancelled);
    tcase_add_test(threads, stop_amid_calls_of_others);
    tcase_add_test(threads, J5_one_of_them_stops_all);
    tcase_add_test(threads, J5_free_at_any_moment);
    tcase_add_test(threads, a_loop_that_is_broken_off_or_freed);
    suite_add_tcase(suite, threads);
    return test_main(suite);
}
