/* Process pools that end, and calls that are cancelled, in each of their states; out of memory; bad arguments. */
#include "../src/tasks/process.h"

#include "working.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static promise_value_t count_closed(promise_value_t v, void *arg) {
    ck_assert(promise_error_is(v, &promise_errors, PROMISE_ECLOSED));
    ++*(int *)arg;
    return promise_void();
}

static promise_value_t take_any(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}

/* No child of ours is left, not even a zombie. */
static void children_are_gone(void) {
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}

/* ---- K2 ---- */

START_TEST(K2_a_call_that_waits_is_taken_out) {
    promise_t *first, *second;

    working_start(_i, POOL(.workers = 1));
    first = run("echo", "1");
    second = run("exit", "1");
    promise_cancel(second);
    ck_assert_uint_eq(promise_process_pool_queued(pool), 1);
    bytes_are(first, "1");
    run_out();
    ck_assert_uint_eq(promise_process_pool_restarts(pool), 0);
    working_end();
}
END_TEST

START_TEST(K2_a_call_that_runs_is_killed) {
    pid_t worker;
    promise_t *p;

    working_start(_i, POOL(.workers = 1));
    worker = working_pid();
    p = run("hang", "");
    working_until_running(1);
    promise_cancel(promise_ref(p));
    ck_assert_int_eq(promise_get_state(p), PROMISE_REJECTED);
    bytes_are(p, "!canceled");
    run_out();
    ck_assert(!is_running(worker));
    ck_assert_uint_eq(promise_process_pool_running(pool), 0);
    ck_assert_int_ne(working_pid(), worker);
    p = promise_timeout(run("hang", ""), 20);
    bytes_are(p, "!timed out after 20 ms");
    bytes_are(run("echo", "x"), "x");
    ck_assert_uint_eq(promise_process_pool_restarts(pool), 2);
    working_end();
}
END_TEST

/* Also one that is still being sent. */
START_TEST(K2_a_call_that_is_half_sent) {
    size_t size = 10000000;
    promise_t *p;

    working_start(_i, POOL(.workers = 1, .finish_canceled = true));
    p = promise_process_run(pool, "echo", promise_bytes_take(calloc(1, size), size));
    working_until_running(1);
    promise_cancel(p);
    bytes_are(run("echo", "x"), "x");
    ck_assert_uint_eq(promise_process_pool_restarts(pool), 1);
    working_end();
}
END_TEST

START_TEST(K2_it_may_be_asked_to_finish) {
    pid_t worker;
    promise_t *p;

    working_start(_i, POOL(.workers = 1, .finish_canceled = true));
    worker = working_pid();
    p = run("many", "3000000");
    working_until_running(1);
    promise_cancel(p);
    ck_assert_uint_eq(promise_process_pool_running(pool), 1);
    ck_assert_int_eq(working_pid(), worker);
    p = run("hang", "");
    working_until_running(1);
    promise_cancel(p);
    working_end(); /* which does not wait for that */
}
END_TEST

/* ---- close ---- */

START_TEST(closing_waits_for_what_there_is) {
    promise_t *all[4], *second;

    working_start(_i, POOL(.workers = 2));
    for (int i = 0; i < 4; i++) all[i] = run("echo", "x");
    second = promise_process_pool_close(pool, 60000);
    bytes_are(run("echo", "y"), "!process: the pool is closed");
    ck_assert_int_eq(promise_loop_run(loop, promise_process_pool_close(pool, UINT64_MAX), NULL), 0);
    ck_assert_int_eq(promise_loop_run(loop, second, NULL), 0);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(promise_get_state(all[i]), PROMISE_FULFILLED);
        promise_unref(all[i]);
    }
    ck_assert_uint_eq(promise_process_pool_workers(pool), 0);
    ck_assert_int_eq(pool->starter.pid, 0);
    children_are_gone();
    ck_assert_int_eq(promise_loop_run(loop, promise_process_pool_close(pool, 0), NULL), 0);
    run_out();
    working_end();
}
END_TEST

START_TEST(closing_ends_at_its_deadline) {
    int closed = 0;
    uint64_t start;

    working_start(_i, POOL(.workers = 2));
    for (int i = 0; i < 4; i++) promise_unref(promise_catch(run("hang", ""), count_closed, &closed));
    working_until_running(2);
    start = promise_now(loop);
    ck_assert_int_eq(promise_loop_run(loop, promise_process_pool_close(pool, 30), NULL), 0);
    ck_assert_uint_ge(promise_now(loop) - start, 30);
    ck_assert_int_eq(closed, 4);
    children_are_gone();
    working_end();
}
END_TEST

START_TEST(closing_at_once_and_unused) {
    int closed = 0;

    working_start(_i, POOL(.workers = 1));
    ck_assert_int_eq(promise_loop_run(loop, promise_process_pool_close(pool, 0), NULL), 0);
    promise_process_pool_free(pool);
    pool = promise_process_pool_new(loop, &POOL(.functions = working_functions, .start = (unsigned)_i));
    promise_unref(promise_catch(run("hang", ""), count_closed, &closed)); /* not started yet */
    ck_assert_int_eq(promise_loop_run(loop, promise_process_pool_close(pool, 0), NULL), 0);
    ck_assert_int_eq(closed, 1);
    working_end();
}
END_TEST

/* ---- free, and the loop: at each state ---- */

enum { UNUSED, ASKED, STARTING, RUNNING, KILLED, IDLE, CLOSING, STATES };

static void reach(int state) {
    if (state == UNUSED) return;
    if (state == IDLE) bytes_are(run("echo", "x"), "x");
    else
        for (int i = 0; i < 3; i++) promise_unref(promise_catch(run("hang", ""), take_any, NULL));
    if (state == STARTING)
        while (!pool->counts[WORKER_STARTING]) promise_loop_turn(loop);
    if (state >= RUNNING && state != IDLE) working_until_running(2);
    if (state == KILLED) kill(-pool->workers[0].pid, SIGKILL);
    if (state == CLOSING) promise_unref(promise_process_pool_close(pool, 60000));
}

START_TEST(freed_at_each_state) {
    working_start(_i / STATES, POOL(.workers = 2));
    reach(_i % STATES);
    promise_process_pool_free(pool);
    children_are_gone();
    run_out();
    children_end();
}
END_TEST

START_TEST(J5_the_loop_goes_at_each_state) {
    working_start(_i / STATES, POOL(.workers = 2));
    reach(_i % STATES);
    promise_loop_free(loop);
    children_end_without_loop();
}
END_TEST

static promise_value_t free_it(promise_value_t v, void *arg) {
    (void)arg;
    promise_process_pool_free(pool);
    return v;
}

START_TEST(T4_freed_in_a_handler_of_its_own) {
    working_start(_i, POOL(.workers = 2));
    promise_unref(promise_catch(run("hang", ""), take_any, NULL));
    bytes_are(promise_then(run("echo", "x"), free_it, NULL), "x");
    children_are_gone();
    children_end();
}
END_TEST

static promise_value_t run_again(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(run("echo", "too late"));
}

START_TEST(J5_used_while_the_loop_goes) {
    working_start(_i, POOL(.workers = 1));
    ck_assert_int_ge(promise_loop_run(loop, promise_then(run("echo", "x"), take_any, NULL), NULL), 0);
    promise_unref(promise_catch(run("hang", ""), run_again, NULL));
    promise_loop_free(loop);
    children_end_without_loop();
}
END_TEST

/* ---- out of memory ---- */

START_TEST(each_allocation_fails_once) {
    struct promise_process_options options = POOL(.functions = working_functions, .workers = 2, .timeout_ms = 60000);
    size_t n = 0;

    children_start(0);
    options.start = _i ? PROMISE_PROCESS_EXEC : PROMISE_PROCESS_FORK;
    do {
        promise_t *all[3];

        test_alloc_fail_at(++n);
        pool = promise_process_pool_new(loop, &options);
        all[0] = promise_catch(run("echo", "x"), take_any, NULL);
        all[1] = promise_catch(run("odd", "x"), take_any, NULL);
        all[2] = promise_catch(run("exit", "1"), take_any, NULL);
        promise_unref(promise_catch(promise_all(loop, 3, all), take_any, NULL));
        run_out();
        promise_unref(promise_catch(promise_process_pool_close(pool, 1000), take_any, NULL));
        run_out();
        promise_process_pool_free(pool);
    } while (test_alloc_failed());
    test_alloc_fail_at(0);
    children_end();
}
END_TEST

/* ---- bad arguments ---- */

START_TEST(bad_options) {
    const struct {
        struct promise_process_options options;
        const char *message;
    } table[] = {
        {POOL(.workers = 1), "!promise_process_pool_new: functions is NULL: Invalid argument"},
        {POOL(.functions = working_functions, .workers = 5000),
         "!promise_process_pool_new: workers is more than 4096: Invalid argument"},
        {POOL(.functions = working_functions, .start = (enum promise_process_start)7),
         "!promise_process_pool_new: start is not what it may be: Invalid argument"},
        {POOL(.functions = working_functions, .program = "/bin/true"),
         "!promise_process_pool_new: program is given, and start is PROMISE_PROCESS_FORK: Invalid argument"},
    };

    children_start(0);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        pool = promise_process_pool_new(loop, &table[i].options);
        bytes_are(run("echo", "x"), table[i].message);
        promise_process_pool_free(pool);
    }
    pool = promise_process_pool_new(loop, NULL);
    bytes_are(run("echo", "x"), "!promise_process_pool_new: options is NULL: Invalid argument");
    ck_assert_int_eq(promise_loop_run(loop, promise_process_pool_close(pool, 0), NULL), 0);
    ck_assert_uint_eq(promise_process_pool_workers(pool), 0);
    promise_process_pool_free(pool);
    promise_process_pool_free(NULL);
    children_end();
}
END_TEST

START_TEST(what_is_given_is_bytes) {
    working_start(0, POOL(.workers = 1));
    bytes_are(promise_process_run(pool, "echo", promise_int(3)),
              "!promise_process_run: expected bytes, got int: Invalid argument");
    bytes_are(promise_process_run(pool, "echo", promise_throw_errno(EIO, "read")), "!read: Input/output error");
    working_end();
}
END_TEST

static void run_on_null(void *arg) {
    (void)arg;
    promise_unref(promise_process_run(NULL, "echo", promise_void()));
}
static void close_null(void *arg) {
    (void)arg;
    promise_unref(promise_process_pool_close(NULL, 0));
}
static void workers_of_null(void *arg) {
    (void)arg;
    promise_process_pool_workers(NULL);
}
/* As in a program whose main() does not call promise_process_worker(): it must not start itself again and again. */
static void executed_and_unaware(void *arg) {
    (void)arg;
    setenv(PROCESS_MARK, "1", 1);
    promise_process_pool_free(promise_process_pool_new(loop, &POOL(.functions = working_functions)));
}

START_TEST(bugs_of_the_program_stop_it) {
    working_start(0, POOL(.workers = 1));
    test_assert_stops(run_on_null, NULL, "promise_process_run: the pool is NULL");
    bytes_are(promise_process_run(pool, NULL, promise_string("x")), "!promise_process_run: name is NULL: Invalid argument");
    test_assert_stops(close_null, NULL, "promise_process_pool_close: the pool is NULL");
    test_assert_stops(workers_of_null, NULL, "promise_process_pool_workers: the pool is NULL");
    test_assert_stops(executed_and_unaware, NULL, "main() is to call promise_process_worker() first");
    working_end();
}
END_TEST

/* A mark that is there without a pool does nothing. */
START_TEST(a_mark_alone_makes_no_worker) {
    setenv(PROCESS_MARK, "1", 1);
    promise_process_worker(working_functions);
    ck_assert_ptr_null(getenv(PROCESS_MARK));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("process_end");
    TCase *tcase = tcase_create("process_end");
    const TTest *const both[] = {K2_a_call_that_waits_is_taken_out, K2_a_call_that_runs_is_killed,
                                 K2_a_call_that_is_half_sent,       K2_it_may_be_asked_to_finish,
                                 closing_waits_for_what_there_is,   closing_ends_at_its_deadline,
                                 closing_at_once_and_unused,        T4_freed_in_a_handler_of_its_own,
                                 J5_used_while_the_loop_goes,       each_allocation_fails_once};

    promise_process_worker(working_functions);
    for (size_t i = 0; i < sizeof both / sizeof *both; i++) tcase_add_loop_test(tcase, both[i], 0, 2);
    tcase_add_loop_test(tcase, freed_at_each_state, 0, 2 * STATES);
    tcase_add_loop_test(tcase, J5_the_loop_goes_at_each_state, 0, 2 * STATES);
    tcase_add_test(tcase, bad_options);
    tcase_add_test(tcase, what_is_given_is_bytes);
    tcase_add_test(tcase, bugs_of_the_program_stop_it);
    tcase_add_test(tcase, a_mark_alone_makes_no_worker);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
