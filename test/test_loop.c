/* The loop on libevent: running until something settles, until nothing is left, one turn (J3). */
#include "evloop.h"

#include <errno.h>
#include <promise.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void close_loop(void) {
    promise_loop_free(loop);
    if (base != NULL) event_base_free(base);
    ck_assert_uint_eq(test_alloc_live(), live);
}

static promise_value_t add_one(promise_value_t v, void *arg) {
    ++*(int *)arg;
    return promise_is(v, &promise_type_int) ? promise_int(promise_as_int(v) + 1) : promise_void();
}

static promise_value_t throw_oops(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_throw_errno(EIO, "oops");
}

/* What the hook for unhandled rejections was told. */
static struct {
    int calls;
    promise_value_t reason;
} told;

static void tell(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)p, (void)arg;
    ck_assert_int_eq(event, PROMISE_UNHANDLED);
    told.calls++;
    promise_value_set(&told.reason, reason);
}

/* ---- until a promise settles ---- */

START_TEST(J3_run_gives_the_outcome) {
    promise_value_t v = {0};
    int calls = 0;

    open_loop(_i);
    promise_t *p = promise_then(promise_sleep(loop, 1), add_one, &calls);
    ck_assert_int_eq(promise_loop_run(loop, promise_then(p, add_one, &calls), &v), 0);
    ck_assert(promise_is_void(v));
    p = promise_then(promise_from(loop, promise_int(4)), add_one, &calls);
    ck_assert_int_eq(promise_loop_run(loop, p, &v), 0);
    ck_assert_int_eq(promise_as_int(v), 5);
    ck_assert_int_eq(promise_loop_run(loop, promise_from(loop, promise_string("kept beyond the loop")), &v), 0);
    ck_assert_int_eq(calls, 3);
    promise_loop_free(loop);
    ck_assert_str_eq(promise_as_string(v), "kept beyond the loop");
    promise_value_clear(&v);
    loop = NULL;
    close_loop();
}
END_TEST

START_TEST(J3_run_gives_the_rejection) {
    promise_value_t v = {0};

    open_loop(_i);
    promise_loop_on_unhandled(loop, tell, NULL);
    ck_assert_int_eq(promise_loop_run(loop, promise_try(loop, throw_oops, NULL), &v), -1);
    ck_assert(promise_error_is(v, &promise_errno_errors, EIO));
    promise_value_clear(&v);
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    ck_assert_int_eq(told.calls, 0); /* who asks for the result, handles it */
    close_loop();
    ck_assert_int_eq(told.calls, 0);
}
END_TEST

/* Of a promise that had settled before, other jobs are left for later. */
START_TEST(J3_run_of_a_settled_one_returns_at_once) {
    promise_value_t v = {0};
    int calls = 0;

    open_loop(_i);
    promise_unref(promise_try(loop, add_one, &calls));
    ck_assert_int_eq(promise_loop_run(loop, promise_from(loop, promise_int(1)), &v), 0);
    ck_assert_int_eq(calls, 0);
    promise_value_clear(&v);
    close_loop();
    ck_assert_int_eq(calls, 1); /* J5: what is queued, runs */
}
END_TEST

START_TEST(J3_without_result_the_hook_is_told_of_a_rejection) {
    open_loop(_i);
    promise_loop_on_unhandled(loop, tell, NULL);
    ck_assert_int_eq(promise_loop_run(loop, promise_try(loop, add_one, &(int){0}), NULL), 0);
    ck_assert_int_eq(told.calls, 0);
    ck_assert_int_eq(promise_loop_run(loop, promise_try(loop, throw_oops, NULL), NULL), -1);
    promise_loop_run(loop, NULL, NULL);
    ck_assert_int_eq(told.calls, 1);
    ck_assert(promise_error_is(told.reason, &promise_errno_errors, EIO));
    ck_assert_int_eq(promise_loop_run(loop, promise_from(loop, throw_oops(promise_void(), NULL)), NULL), -1);
    promise_loop_free(loop); /* reports what no drain has reported */
    loop = NULL;
    ck_assert_int_eq(told.calls, 2);
    promise_value_clear(&told.reason);
    close_loop();
}
END_TEST

/* ---- nothing is left ---- */

static promise_value_t give(promise_value_t v, void *arg) {
    (void)v;
    return promise_adopt(arg);
}

START_TEST(J3_stalled_names_the_place) {
    promise_resolver_t *resolver;
    promise_value_t v = {0};
    char place[64];
    int calls = 0;

    open_loop(_i);
    snprintf(place, sizeof place, "test_loop.c:%d", __LINE__ + 1);
    promise_t *inner = promise_new(loop, &resolver);
    promise_t *p = promise_then(promise_try(loop, give, inner), add_one, &calls);
    p = promise_all_of(loop, promise_finally(p, add_one, &calls), NULL);
    ck_assert_int_eq(promise_loop_run(loop, promise_ref(p), &v), -1);
    ck_assert(promise_error_is(v, &promise_errors, PROMISE_ESTALLED));
    ck_assert_msg(strstr(promise_error_message(v), place), "%s is not in: %s", place, promise_error_message(v));

    ck_assert_int_eq(promise_set_name(p, "the answer"), 0);
    ck_assert_int_eq(promise_loop_run(loop, promise_ref(p), &v), -1);
    ck_assert_msg(strstr(promise_error_message(v), "\"the answer\""), "%s", promise_error_message(v));

    /* It is only that nothing was left: it goes on. */
    ck_assert_int_eq(calls, 0);
    promise_resolve(resolver, promise_int(1));
    ck_assert_int_eq(promise_loop_run(loop, p, &v), 0);
    ck_assert_int_eq(calls, 2);
    promise_value_clear(&v);
    close_loop();
}
END_TEST

START_TEST(J3_stalled_without_result_goes_to_the_hook) {
    promise_resolver_t *resolver;

    open_loop(_i);
    promise_loop_on_unhandled(loop, tell, NULL);
    ck_assert_int_eq(promise_loop_run(loop, promise_new(loop, &resolver), NULL), -1);
    ck_assert_int_eq(told.calls, 1);
    ck_assert(promise_error_is(told.reason, &promise_errors, PROMISE_ESTALLED));
    promise_value_clear(&told.reason);
    promise_abandon(resolver);
    promise_loop_free(loop);
    loop = NULL;
    ck_assert_int_eq(told.calls, 2);
    ck_assert(promise_error_is(told.reason, &promise_errors, PROMISE_EABANDONED));
    promise_value_clear(&told.reason);
    close_loop();
}
END_TEST

/* ---- broken off from outside ---- */

enum how { BREAK, EXIT, EXIT_LATER };

static promise_value_t break_off(promise_value_t v, void *arg) {
    struct timeval soon = {0, 1000};

    switch (*(enum how *)arg) {
    case BREAK: event_base_loopbreak(promise_loop_base(loop)); break;
    case EXIT: event_base_loopexit(promise_loop_base(loop), NULL); break;
    case EXIT_LATER: event_base_loopexit(promise_loop_base(loop), &soon); break;
    }
    return v;
}

START_TEST(J3_broken_off_and_going_on_afterwards) {
    enum how how = (enum how)(_i / 2);
    promise_value_t v = {0};
    promise_resolver_t *resolver;
    int calls = 0;

    open_loop(_i % 2);
    promise_t *p = promise_then(promise_new(loop, &resolver), add_one, &calls);
    promise_t *tick = promise_each(promise_ticks(loop, 1), 1, add_one, &calls); /* something is always left */
    promise_unref(promise_try(loop, break_off, &how));
    ck_assert_int_eq(promise_loop_run(loop, promise_ref(p), &v), -1);
    ck_assert(promise_error_is(v, &promise_errors, PROMISE_ESTOPPED));
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    promise_unref(promise_try(loop, break_off, &how));
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), -1);
    promise_resolve(resolver, promise_int(6));
    ck_assert_int_eq(promise_loop_run(loop, p, &v), 0);
    ck_assert_int_eq(promise_as_int(v), 7);
    promise_cancel(tick);
    close_loop();
}
END_TEST

/* The one that settles in the pass that is broken off, has settled. */
START_TEST(J3_settled_in_the_pass_that_was_broken_off) {
    enum how how = BREAK;
    promise_value_t v = {0};
    int calls = 0;

    open_loop(_i);
    promise_t *p = promise_then(promise_try(loop, break_off, &how), add_one, &calls);
    ck_assert_int_eq(promise_loop_run(loop, p, &v), 0);
    ck_assert_int_eq(calls, 1);
    close_loop();
}
END_TEST

static promise_value_t spin(promise_value_t v, void *arg) {
    ++*(int *)arg;
    return promise_adopt(promise_then(promise_from(NULL, v), spin, arg));
}

/* Broken off means that no job runs until the loop runs again, also when the hook is to be told. */
START_TEST(J3_broken_off_without_result_runs_nothing_more) {
    enum how how = BREAK;
    int turns = 0, seen;

    open_loop(_i);
    promise_loop_on_unhandled(loop, tell, NULL);
    promise_loop_set_budget(loop, 10);
    promise_t *p = promise_then(promise_try(loop, break_off, &how), spin, &turns);
    ck_assert_int_eq(promise_loop_run(loop, promise_ref(p), NULL), -1);
    ck_assert_int_le(turns, 10);
    seen = turns;
    ck_assert_int_eq(promise_loop_turn(loop), 1);
    ck_assert_int_gt(turns, seen);
    ck_assert_int_eq(told.calls, 1);
    ck_assert(promise_error_is(told.reason, &promise_errors, PROMISE_ESTOPPED));
    promise_value_clear(&told.reason);
    promise_cancel(p);
    close_loop();
    ck_assert_int_eq(told.calls, 1);
}
END_TEST

/* ---- until nothing is left; turn by turn; the main() in one line ---- */

START_TEST(J3_run_until_nothing_is_left) {
    promise_value_t v = {0};
    int calls = 0;

    open_loop(_i);
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    for (uint64_t ms = 0; ms < 5; ms++) promise_unref(promise_then(promise_sleep(loop, ms), add_one, &calls));
    promise_value_set(&v, promise_string("cleared by a run for nothing"));
    ck_assert_int_eq(promise_loop_run(loop, NULL, &v), 0);
    ck_assert_int_eq(calls, 5);
    ck_assert(promise_is_void(v));
    close_loop();
}
END_TEST

START_TEST(turn_does_not_wait_and_tells_whether_more_is_to_come) {
    int calls = 0;

    open_loop(_i);
    ck_assert_int_eq(promise_loop_turn(loop), 0);
    promise_t *p = promise_then(promise_sleep(loop, 3600000), add_one, &calls);
    ck_assert_int_eq(promise_loop_turn(loop), 1);
    promise_cancel(p);
    ck_assert_int_eq(promise_loop_turn(loop), 0); /* runs the cancel: then nothing is left */
    promise_loop_set_budget(loop, 2);
    for (int i = 0; i < 4; i++) promise_unref(promise_try(loop, add_one, &calls));
    ck_assert_int_eq(promise_loop_turn(loop), 1);
    ck_assert_int_eq(calls, 2); /* J1 */
    while (promise_loop_turn(loop)) {}
    ck_assert_int_eq(calls, 4);
    close_loop();
}
END_TEST

static promise_value_t sleep_first(promise_value_t v, void *arg) {
    (void)v;
    ck_assert_ptr_nonnull(promise_loop_current());
    return promise_adopt(promise_then(promise_sleep(NULL, 1), add_one, arg)); /* O6: NULL is the running loop */
}

START_TEST(promise_run_is_main_in_one_line) {
    int calls = 0;

    live = test_alloc_live();
    ck_assert_int_eq(promise_run(sleep_first, &calls), EXIT_SUCCESS);
    ck_assert_int_eq(calls, 1);
    ck_assert_int_eq(promise_run(throw_oops, NULL), EXIT_FAILURE);
    ck_assert_ptr_null(promise_loop_current());
    ck_assert_uint_eq(test_alloc_live(), live);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loop");
    TCase *run = tcase_create("run");

    tcase_add_loop_test(run, J3_run_gives_the_outcome, 0, 2);
    tcase_add_loop_test(run, J3_run_gives_the_rejection, 0, 2);
    tcase_add_loop_test(run, J3_run_of_a_settled_one_returns_at_once, 0, 2);
    tcase_add_loop_test(run, J3_without_result_the_hook_is_told_of_a_rejection, 0, 2);
    tcase_add_loop_test(run, J3_stalled_names_the_place, 0, 2);
    tcase_add_loop_test(run, J3_stalled_without_result_goes_to_the_hook, 0, 2);
    tcase_add_loop_test(run, J3_broken_off_and_going_on_afterwards, 0, 6);
    tcase_add_loop_test(run, J3_settled_in_the_pass_that_was_broken_off, 0, 2);
    tcase_add_loop_test(run, J3_broken_off_without_result_runs_nothing_more, 0, 2);
    tcase_add_loop_test(run, J3_run_until_nothing_is_left, 0, 2);
    tcase_add_loop_test(run, turn_does_not_wait_and_tells_whether_more_is_to_come, 0, 2);
    tcase_add_test(run, promise_run_is_main_in_one_line);
    suite_add_tcase(suite, run);
    return test_main(suite);
}
