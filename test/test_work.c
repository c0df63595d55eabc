/* promise_work: functions on threads, their values, their cancels, and the loop's end (H3, J3, J5, K1-K2, O2, R13). */
#include "pooling.h"

#include <errno.h>
#include <pthread.h>

static promise_value_t echo(promise_value_t v, void *arg) {
    ck_assert_ptr_null(arg);
    ck_assert_ptr_null(promise_loop_current());
    atomic_fetch_add(&calls, 1);
    return v;
}

/* ---- values ---- */

static promise_value_t in_list(promise_value_t v, void *arg) {
    const promise_value_t items[] = {v, promise_string("more")};

    (void)arg;
    return promise_list(2, items);
}
static promise_value_t refuse(promise_value_t v, void *arg) {
    (void)arg;
    return promise_throw_errno(EIO, "reading %s", promise_as_string(v));
}
static promise_value_t fail_with(promise_value_t v, void *arg) {
    (void)arg;
    return promise_throw_value(v);
}
static promise_value_t wrap(promise_value_t v, void *arg) {
    (void)arg;
    return promise_wrap(promise_throw_value(v), &promise_errno_errors, EINVAL, "wrapped");
}
static promise_value_t nothing(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}
static promise_value_t no_memory(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_out_of_memory();
}

START_TEST(H3_values_move_there_and_back) {
    promise_value_t v;

    open_all(NULL);
    ck_assert_int_eq(promise_as_int(run(promise_work(loop, pool, echo, promise_int(7)))), 7);
    ck_assert_str_eq(promise_as_string(run(promise_work(loop, pool, echo, promise_string("text")))), "text");
    ck_assert(promise_is_end(run(promise_work(loop, pool, echo, promise_end()))));
    v = run(promise_work(loop, pool, in_list, promise_string("one")));
    ck_assert_str_eq(promise_as_string(promise_list_get(v, 0)), "one");
    ck_assert_str_eq(promise_as_string(promise_list_get(v, 1)), "more");
    v = run(promise_work(loop, pool, refuse, promise_string("x")));
    ck_assert(promise_error_is(v, &promise_errno_errors, EIO));
    v = run(promise_work(loop, pool, fail_with, promise_string("reason")));
    ck_assert(promise_is_rejection(v));
    ck_assert_str_eq(promise_as_string(promise_reason(v)), "reason");
    v = run(promise_work(loop, pool, wrap, promise_string("cause")));
    ck_assert_str_eq(promise_error_message(promise_error_cause(v)), "cause");
    v = run(promise_work(loop, pool, no_memory, promise_string("x")));
    ck_assert(promise_error_is(v, &promise_errno_errors, ENOMEM));
    v = run(promise_work(loop, pool, echo, counted()));
    ck_assert_uint_eq(atomic_load(&freed), 0);
    v = run(promise_work(loop, pool, nothing, counted()));
    ck_assert(promise_is_void(v));
    ck_assert_uint_eq(atomic_load(&freed), 2);
    close_all();
}
END_TEST

/* ---- values that others have as well ---- */

static promise_value_t to_pool(promise_value_t v, void *arg) {
    (void)arg;
    return promise_adopt(promise_work(NULL, pool, echo, v));
}
static promise_value_t in_list_to_pool(promise_value_t v, void *arg) {
    (void)arg;
    return promise_adopt(promise_work(NULL, pool, echo, promise_list(1, &v)));
}

/* A handler's argument is its promise's as well, until the drain has ended: then it is moved, unless somebody still has it. */
START_TEST(H3_what_a_handler_got_goes_on) {
    promise_value_t kept = {0};

    open_all(NULL);
    promise_t *p = promise_work(loop, pool, echo, counted());
    for (int i = 0; i < 3; i++) p = promise_then(p, to_pool, NULL);
    p = promise_then(p, in_list_to_pool, NULL);
    ck_assert(promise_is(promise_list_get(run(p), 0), &promise_type_box));
    ck_assert_uint_eq(atomic_load(&calls), 5);
    ck_assert_uint_eq(atomic_load(&freed), 0);

    promise_value_set(&kept, promise_list_get(outcome, 0));
    ck_assert(promise_error_is(run(promise_then(promise_from(loop, kept), to_pool, NULL)), &promise_errno_errors, EBUSY));
    ck_assert(
        promise_error_is(run(promise_then(promise_from(loop, kept), in_list_to_pool, NULL)), &promise_errno_errors, EBUSY));
    ck_assert(promise_error_is(run(promise_work(loop, pool, echo, kept)), &promise_errno_errors, EBUSY));
    ck_assert_uint_eq(atomic_load(&calls), 5);
    promise_value_clear(&kept);
    ck_assert_uint_eq(atomic_load(&freed), 1);

    promise_value_set(&kept, promise_string("text")); /* that is copied */
    ck_assert_str_eq(promise_as_string(run(promise_work(loop, pool, echo, kept))), "text");
    ck_assert_str_eq(promise_as_string(run(promise_then(promise_from(loop, kept), to_pool, NULL))), "text");
    ck_assert_ptr_ne(promise_as_string(outcome), promise_as_string(kept));
    promise_value_clear(&kept);
    close_all();
}
END_TEST

static promise_value_t keeper;
static promise_value_t keep_it(promise_value_t v, void *arg) {
    (void)arg;
    promise_value_set(&keeper, v);
    return v;
}
START_TEST(H3_a_result_that_the_thread_keeps) {
    open_all(NULL);
    ck_assert(promise_error_is(run(promise_work(loop, pool, keep_it, counted())), &promise_errno_errors, EBUSY));
    promise_pool_free(pool);
    pool = NULL;
    promise_value_clear(&keeper); /* the thread is gone */
    ck_assert_uint_eq(atomic_load(&freed), 1);
    close_all();
}
END_TEST

static void quiet(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
}

static promise_t *under_way;
static promise_value_t to_pool_and(promise_value_t v, void *arg) {
    under_way = promise_work(NULL, pool, echo, v);
    if (*(int *)arg == 0) ck_assert_int_eq(promise_work_cancel(promise_ref(under_way)), 0);
    if (*(int *)arg == 1) promise_cancel(promise_ref(under_way));
    if (*(int *)arg == 2) promise_loop_free(loop);
    if (*(int *)arg == 3) {
        promise_pool_free(pool);
        pool = NULL;
    }
    return promise_void();
}

/* K2, J5: what is to happen to it meanwhile. */
START_TEST(K2_before_the_drain_has_ended) {
    open_all(NULL);
    promise_loop_on_unhandled(loop, quiet, NULL); /* it is seen later than it comes */
    promise_unref(promise_then(promise_from(loop, counted()), to_pool_and, &_i));
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    if (_i < 3) ck_assert(promise_is_canceled(promise_peek(under_way)));
    else ck_assert(promise_error_is(promise_peek(under_way), &promise_errors, PROMISE_ECLOSED));
    promise_unref(promise_catch(under_way, nothing, NULL));
    ck_assert_uint_eq(atomic_load(&calls), 0);
    if (_i == 2) loop = NULL;
    close_all();
    ck_assert_uint_eq(atomic_load(&freed), 1);
}
END_TEST

/* Many in one drain: the pool is roused for the first, and then for the others, which have all its threads. */
static atomic_size_t together;
static promise_value_t meet(promise_value_t v, void *arg) {
    (void)arg;
    atomic_fetch_add(&together, 1);
    while (atomic_load(&together) < 3) {}
    return v;
}
static promise_value_t meet_all(promise_value_t v, void *arg) {
    promise_t *p[3];

    (void)v, (void)arg;
    for (int i = 0; i < 3; i++) p[i] = promise_work(NULL, pool, meet, promise_void());
    return promise_adopt(promise_all(NULL, 3, p));
}
START_TEST(R22_all_threads_come) {
    open_all(&(struct promise_pool_options){.threads = 3});
    for (int i = 0; i < 100; i++) { /* first they start, then they are idle */
        atomic_store(&together, 0);
        ck_assert_uint_eq(promise_list_size(run(promise_try(loop, meet_all, NULL))), 3);
    }
    close_all();
}
END_TEST

START_TEST(V1_a_rejection_passes_by) {
    open_all(NULL);
    ck_assert(
        promise_error_is(run(promise_work(loop, pool, echo, promise_throw_errno(EIO, "before"))), &promise_errno_errors, EIO));
    ck_assert(promise_error_is(run(promise_work(loop, pool, echo, promise_out_of_memory())), &promise_errno_errors, ENOMEM));
    ck_assert_uint_eq(atomic_load(&calls), 0);
    close_all();
}
END_TEST

/* ---- order, and what the loop waits for ---- */

static promise_value_t next_number(promise_value_t v, void *arg) {
    (void)arg;
    return promise_int((int64_t)atomic_fetch_add(&calls, 1) - promise_as_int(v));
}
static promise_value_t expect_zero(promise_value_t v, void *arg) {
    (*(size_t *)arg)++;
    ck_assert_int_eq(promise_as_int(v), 0);
    return promise_void();
}

START_TEST(J3_first_come_first_served_and_the_loop_waits) {
    size_t settled = 0, n = test_scaled(10000);

    open_all(&(struct promise_pool_options){.threads = 1});
    for (size_t i = 0; i < n; i++)
        promise_unref(promise_then(promise_work(loop, pool, next_number, promise_int((int64_t)i)), expect_zero, &settled));
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    ck_assert_uint_eq(settled, n);
    ck_assert_int_eq(promise_loop_turn(loop), 0);
    ck_assert_uint_eq(promise_pool_threads(pool), 1);
    close_all();
}
END_TEST

static promise_value_t again(promise_value_t v, void *arg) {
    size_t *left = arg;

    (void)v;
    return --*left ? promise_adopt(promise_then(promise_work(NULL, pool, echo, promise_int(1)), again, arg)) : promise_int(5);
}

/* R22: each sleeps just when the other has something for it. */
START_TEST(R22_no_wake_up_is_lost) {
    size_t left = test_scaled(20000);

    open_all(&(struct promise_pool_options){.threads = 2});
    ck_assert_int_eq(promise_as_int(run(promise_try(loop, again, &left))), 5);
    close_all();
}
END_TEST

/* ---- cancel ---- */

START_TEST(K2_cancel_before_it_starts) {
    open_all(&(struct promise_pool_options){.threads = 1});
    promise_t *first = promise_work(loop, pool, block, promise_void());
    wait_for(&started);
    promise_t *p = promise_work(loop, pool, echo, counted()), *q = promise_work(loop, pool, echo, counted()),
              *r = promise_work(loop, pool, echo, counted());
    ck_assert_uint_eq(promise_pool_waiting(pool), 3);
    ck_assert_uint_eq(promise_pool_running(pool), 1);
    promise_cancel(promise_ref(q));
    ck_assert(promise_is_canceled(promise_peek(q)));
    ck_assert_uint_eq(atomic_load(&freed), 1);
    ck_assert_int_eq(promise_work_cancel(promise_ref(p)), 0);
    ck_assert_uint_eq(promise_pool_waiting(pool), 1);
    ck_assert_int_eq(promise_work_cancel(p), -1); /* settled */
    promise_unref(q);
    sem_post(&go);
    run(r);
    ck_assert_uint_eq(atomic_load(&calls), 2);
    promise_unref(first);
    ck_assert_int_eq(promise_work_cancel(NULL), -1);
    close_all();
}
END_TEST

static atomic_bool saw;
static promise_value_t until_canceled(promise_value_t v, void *arg) {
    (void)arg;
    ck_assert(!promise_work_canceled());
    sem_post(&started);
    wait_for(&go);
    atomic_store(&saw, promise_work_canceled());
    sem_post(&started);
    return v;
}

/* The loop does not wait for a function whose result nobody wants. */
START_TEST(K2_cancel_too_late) {
    open_all(&(struct promise_pool_options){.threads = 1});
    ck_assert(!promise_work_canceled());
    for (int i = 0; i < 2; i++) {
        promise_t *p = promise_work(loop, pool, until_canceled, counted());
        wait_for(&started);
        if (i) promise_cancel(promise_ref(p));
        else ck_assert_int_eq(promise_work_cancel(promise_ref(p)), -1);
        ck_assert(promise_is_canceled(promise_peek(p)));
        ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
        sem_post(&go);
        wait_for(&started);
        ck_assert(atomic_load(&saw));
        promise_unref(p);
    }
    promise_pool_free(pool);
    pool = NULL;
    ck_assert_uint_eq(atomic_load(&freed), 2);
    close_all();
}
END_TEST

/* The function has ended, but its work is still on its way home. */
START_TEST(K2_cancel_on_the_way_home) {
    open_all(&(struct promise_pool_options){.threads = 1});
    promise_t *p = promise_work(loop, pool, echo, counted());
    promise_pool_free(pool); /* waits for it, or refuses it */
    pool = NULL;
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    ck_assert_int_eq(promise_work_cancel(promise_ref(p)), -1);
    ck_assert(promise_is_canceled(promise_peek(p)));
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    ck_assert_uint_eq(atomic_load(&freed), 1);
    promise_unref(p);
    close_all();
}
END_TEST

START_TEST(K5_a_timeout_does_not_wait_for_the_function) {
    open_all(&(struct promise_pool_options){.threads = 1});
    promise_t *p = promise_timeout(promise_work(loop, pool, block, counted()), 1);
    ck_assert(promise_is_timeout(run(p)));
    sem_post(&go);
    close_all();
    ck_assert_uint_eq(atomic_load(&freed), 1);
}
END_TEST

/* ---- the loop's end ---- */

START_TEST(J5_the_loop_goes) {
    promise_t *p[3];

    open_all(&(struct promise_pool_options){.threads = 1});
    for (int i = 0; i < 3; i++) p[i] = promise_work(loop, pool, i == 0 ? echo : i == 1 ? block : echo, counted());
    wait_for(&started); /* one is on its way home, one runs, one waits */
    promise_loop_free(loop);
    for (int i = 0; i < 3; i++) ck_assert(promise_is_canceled(promise_peek(p[i])));
    for (int i = 0; i < 3; i++) promise_unref(p[i]);
    ck_assert_uint_eq(atomic_load(&freed), 2);
    sem_post(&go);
    promise_pool_free(pool);
    ck_assert_uint_eq(atomic_load(&freed), 3);
    ck_assert_uint_eq(atomic_load(&calls), 2);
    ck_assert_uint_eq(test_alloc_live(), live);
}
END_TEST

static promise_value_t more_work(promise_value_t v, void *arg) {
    promise_t **p = arg;

    (void)v;
    *p = promise_work(NULL, pool, echo, counted());
    return promise_void();
}

START_TEST(J5_new_work_is_refused) {
    promise_resolver_t *resolver;
    promise_t *p = NULL;

    open_all(NULL);
    promise_unref(promise_finally(promise_new(loop, &resolver), more_work, &p));
    promise_loop_free(loop);
    ck_assert_uint_eq(atomic_load(&freed), 1);
    ck_assert_ptr_nonnull(p);
    ck_assert(promise_is_canceled(promise_peek(p)));
    promise_unref(p);
    promise_abandon(resolver);
    loop = NULL;
    close_all();
}
END_TEST

/* ---- out of memory, and what is refused ---- */

START_TEST(O2_out_of_memory) {
    size_t n = 0, bytes = 0;
    bool failed;

    do {
        open_all(&(struct promise_pool_options){.threads = 1});
        promise_value_t v = counted();
        test_alloc_fail_at(++n);
        promise_t *p = promise_work(loop, pool, echo, v);
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        v = run(p);
        ck_assert(failed ? promise_error_is(v, &promise_errno_errors, ENOMEM) : promise_is(v, &promise_type_box));
        run(promise_from(loop, promise_void()));
        ck_assert_uint_eq(atomic_load(&freed), 1);
        close_all();
        bytes++;
    } while (failed);
    ck_assert_uint_gt(bytes, 2);
}
END_TEST

static void no_function(void *arg) {
    (void)arg;
    promise_unref(promise_work(loop, pool, NULL, promise_void()));
}
static void a_promise(void *arg) {
    (void)arg;
    promise_unref(promise_work(loop, pool, echo, promise_adopt(promise_sleep(loop, 1))));
}
static void no_work(void *arg) {
    (void)arg;
    (void)!promise_work_cancel(promise_sleep(loop, 1));
}
static promise_value_t make_promise(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_sleep(NULL, 1));
}
static void a_promise_there(void *arg) {
    (void)arg;
    run(promise_work(loop, pool, make_promise, promise_void()));
}

START_TEST(H1_what_stops_the_program) {
    open_all(NULL);
    test_assert_stops(no_function, NULL, "promise_work: fn is NULL");
    test_assert_stops(a_promise, NULL, "promise_work: expected a value that may cross threads, got a promise");
    test_assert_stops(no_work, NULL, "promise_work_cancel: expected a promise of promise_work");
    test_assert_stops(a_promise_there, NULL, "loop is NULL outside of a handler");
    close_all();
}
END_TEST

/* A box that a coroutine holds goes on to the next thread when it is moved; else there are two who have it. */
static promise_value_t pipeline(promise_value_t v, void *steps) {
    promise_value_t r = {0}, kept = {0}, why = {0};

    (void)v;
    if (promise_await(promise_work(NULL, pool, echo, counted()), &r) < 0) return r;
    for (; *(int *)steps; --*(int *)steps)
        if (promise_await(promise_work(NULL, pool, echo, promise_value_move(&r)), &r) < 0) return r;
    promise_value_set(&kept, promise_value_move(&r));
    if (promise_await(promise_work(NULL, pool, echo, promise_value_move(&kept)), &r) < 0) return r;
    ck_assert(promise_is_void(kept));
    ck_assert_ptr_eq(promise_as_box(r), &freed);
    ck_assert_int_eq(promise_await(promise_work(NULL, pool, echo, r), &why), -1);
    ck_assert(promise_error_is(why, &promise_errno_errors, EBUSY));
    promise_value_clear(&why);
    return r;
}

START_TEST(H3_what_a_coroutine_holds_is_moved) {
    int steps = 3;

    open_all(NULL);
    ck_assert_ptr_eq(promise_as_box(run(promise_async(loop, pipeline, &steps))), &freed);
    ck_assert_uint_eq(atomic_load(&calls), 5);
    ck_assert_uint_eq(atomic_load(&freed), 0);
    promise_value_clear(&outcome);
    ck_assert_uint_eq(atomic_load(&freed), 1);
    close_all();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("work");
    TCase *values = tcase_create("values"), *cancel = tcase_create("cancel"), *ends = tcase_create("ends");

    tcase_add_test(values, H3_values_move_there_and_back);
    tcase_add_test(values, H3_what_a_handler_got_goes_on);
    tcase_add_test(values, H3_a_result_that_the_thread_keeps);
    tcase_add_test(values, H3_what_a_coroutine_holds_is_moved);
    tcase_add_loop_test(values, K2_before_the_drain_has_ended, 0, 4);
    tcase_add_test(values, R22_all_threads_come);
    tcase_add_test(values, V1_a_rejection_passes_by);
    tcase_add_test(values, J3_first_come_first_served_and_the_loop_waits);
    tcase_add_test(values, R22_no_wake_up_is_lost);
    suite_add_tcase(suite, values);
    tcase_add_test(cancel, K2_cancel_before_it_starts);
    tcase_add_test(cancel, K2_cancel_too_late);
    tcase_add_test(cancel, K2_cancel_on_the_way_home);
    tcase_add_test(cancel, K5_a_timeout_does_not_wait_for_the_function);
    suite_add_tcase(suite, cancel);
    tcase_add_test(ends, J5_the_loop_goes);
    tcase_add_test(ends, J5_new_work_is_refused);
    tcase_add_test(ends, O2_out_of_memory);
    tcase_add_test(ends, H1_what_stops_the_program);
    suite_add_tcase(suite, ends);
    return test_main(suite);
}
