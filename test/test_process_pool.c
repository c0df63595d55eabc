/* Functions in other processes: what they are given, what they give, where they are; each in a worker of both kinds. */
#include "working.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- bytes ---- */

START_TEST(bytes_go_there_and_come_back) {
    working_start(_i, POOL(.workers = 1));
    bytes_are(run("echo", "what is said"), "what is said");
    bytes_are(run("reverse", "abc"), "cba");
    bytes_are(promise_process_run(pool, "reverse", promise_bytes("x\0y", 2)), "");
    bytes_are(promise_process_run(pool, "echo", promise_void()), "");
    bytes_are(run("nothing", "x"), "");
    bytes_are(run("loop", "by a loop of its own"), "by a loop of its own");
    ck_assert_uint_eq(promise_process_pool_workers(pool), 1);
    ck_assert_uint_eq(promise_process_pool_running(pool), 0);
    ck_assert_uint_eq(promise_process_pool_queued(pool), 0);
    ck_assert_uint_eq(promise_process_pool_restarts(pool), 0);
    working_end();
}
END_TEST

START_TEST(any_size_does) {
    static const size_t sizes[] = {0, 1, 4000, 4064, 4065, 65536, 300000, 3000001};
    promise_value_t v = {0};
    const char *got;
    size_t size;

    working_start(_i, POOL(.workers = 2));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *data = malloc(sizes[i] + 1);
        for (size_t at = 0; at < sizes[i]; at++) data[at] = (char)(at * 31 + at / 251);
        ck_assert_int_eq(promise_loop_run(loop, promise_process_run(pool, "reverse", promise_bytes(data, sizes[i])), &v), 0);
        got = promise_as_bytes(v, &size);
        ck_assert_uint_eq(size, sizes[i]);
        for (size_t at = 0; at < size; at++)
            if (got[size - 1 - at] != data[at]) ck_abort_msg("byte %zu of %zu", at, size);
        free(data);
    }
    promise_value_clear(&v);
    working_end();
}
END_TEST

START_TEST(a_hundred_million_bytes) {
    size_t size = test_scaled(100000000);
    promise_value_t v = {0};
    char text[32];

    working_start(_i, POOL(.workers = 1));
    snprintf(text, sizeof text, "%zu", size);
    ck_assert_int_eq(promise_loop_run(loop, run("many", text), &v), 0);
    ck_assert_int_eq(promise_loop_run(loop, promise_process_run(pool, "echo", v), &v), 0);
    promise_as_bytes(v, &size);
    ck_assert_uint_eq(size, strtoul(text, NULL, 10));
    promise_value_clear(&v);
    working_end();
}
END_TEST

START_TEST(what_is_too_large_is_refused) {
    working_start(_i, POOL(.workers = 1, .max_size = 1000));
    bytes_are(promise_process_run(pool, "nothing", promise_bytes_take(calloc(1, 1001), 1001)),
              "!nothing: 1001 bytes, at most 1000: Message too long");
    bytes_are(promise_process_run(pool, "nothing", promise_bytes_take(calloc(1, 1000), 1000)), "");
    bytes_are(run("many", "1001"), "!many: a result of 1001 bytes, at most 1000: Message too long");
    bytes_are(run("echo", "and it goes on"), "and it goes on");
    ck_assert_uint_eq(promise_process_pool_restarts(pool), 0);
    working_end();
}
END_TEST

/* ---- errors ---- */

START_TEST(errors_travel) {
    promise_value_t v = {0};

    working_start(_i, POOL(.workers = 1));
    ck_assert_int_eq(promise_loop_run(loop, run("fail", "2"), &v), -1);
    ck_assert_str_eq(promise_error_message(v), "what fails: No such file or directory");
    ck_assert(promise_error_is(v, &promise_errno_errors, ENOENT));
    ck_assert_ptr_nonnull(strstr(promise_error_where(v), "working.c:"));
    ck_assert_int_eq(promise_loop_run(loop, run("odd", "such"), &v), -1);
    ck_assert_str_eq(promise_error_message(v), "no \"such\"");
    ck_assert_ptr_eq(promise_error_domain(v), &working_errors);
    ck_assert_int_eq(promise_error_code(v), WORKING_ODD);
    ck_assert(promise_error_is(v, &promise_errno_errors, ENOENT));
    ck_assert_str_eq(promise_error_message(promise_error_cause(v)), "the file: No such file or directory");
    ck_assert_int_eq(promise_loop_run(loop, run("plain", "a text"), &v), -1);
    ck_assert_str_eq(promise_error_message(v), "a text");
    ck_assert_ptr_eq(promise_error_domain(v), &promise_value_errors);
    promise_value_clear(&v);
    bytes_are(run("an int", ""), "!an int: expected bytes, got int: Invalid argument");
    working_end();
}
END_TEST

START_TEST(a_name_that_is_not_there) {
    promise_value_t v = {0};
    char name[300];

    working_start(_i, POOL(.workers = 1));
    ck_assert_int_eq(promise_loop_run(loop, run("nope", "x"), &v), -1);
    ck_assert_str_eq(promise_error_message(v), "there is no function \"nope\"");
    ck_assert(promise_error_is(v, &promise_errno_errors, ENOENT));
    promise_value_clear(&v);
    memset(name, 'n', sizeof name);
    name[299] = 0;
    ck_assert_ptr_nonnull(strstr(bytes_of(run(name, "x")), "!there is no function \"nnn"));
    working_end();
}
END_TEST

/* ---- where a worker is ---- */

/* A worker has none of ours, nor of the other workers'. */
START_TEST(nothing_is_open_there) {
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    working_start(_i, POOL(.workers = 3));
    for (int i = 0; i < 2; i++) promise_unref(run("hang", ""));
    working_until_running(2);
    bytes_are(run("descriptors", ""), "4"); /* the standard ones, and its socket */
    promise_loop_free(loop);
    children_end_without_loop();
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static void caught(int signum) { (void)signum; }

START_TEST(signals_are_as_for_a_new_program) {
    sigset_t set;

    signal(SIGUSR1, caught);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    working_start(_i, POOL(.workers = 1));
    bytes_are(run("signals", ""), "leads, input ends: 1");
    working_end();
}
END_TEST

/* ---- many at a time ---- */

static promise_value_t note(promise_value_t v, void *arg) {
    char *order = arg;

    strncat(order, promise_as_bytes(v, NULL), 1);
    return promise_void();
}

START_TEST(calls_begin_in_their_order) {
    static const char *const letters[] = {"a", "b", "c", "d", "e", "f"};
    char order[8] = "";
    promise_t *all[6];

    working_start(_i, POOL(.workers = 1));
    for (int i = 0; i < 6; i++) all[i] = promise_then(run("echo", letters[i]), note, order);
    ck_assert_uint_eq(promise_process_pool_queued(pool), 6);
    ck_assert_int_eq(promise_loop_run(loop, promise_all(loop, 6, all), NULL), 0);
    ck_assert_str_eq(order, "abcdef");
    working_end();
}
END_TEST

START_TEST(workers_come_as_they_are_needed) {
    working_start(_i, POOL(.workers = 3));
    ck_assert_uint_eq(promise_process_pool_workers(pool), 0);
    bytes_are(run("echo", "x"), "x");
    bytes_are(run("echo", "x"), "x");
    ck_assert_uint_eq(promise_process_pool_workers(pool), 1);
    for (int i = 0; i < 5; i++) promise_unref(run("hang", ""));
    working_until_running(3);
    ck_assert_uint_eq(promise_process_pool_workers(pool), 3);
    ck_assert_uint_eq(promise_process_pool_queued(pool), 2);
    promise_loop_free(loop); /* J5: with all of that under way */
    children_end_without_loop();
}
END_TEST

START_TEST(a_full_queue_refuses) {
    working_start(_i, POOL(.workers = 1, .queue_limit = 2));
    for (int i = 0; i < 3; i++) promise_unref(run("hang", ""));
    bytes_are(run("echo", "x"), "!process: echo: 2 calls wait already");
    working_until_running(1);
    bytes_are(run("echo", "x"), "!process: echo: 2 calls wait already");
    promise_loop_free(loop);
    children_end_without_loop();
}
END_TEST

START_TEST(a_worker_is_replaced_after_its_calls) {
    pid_t first, second;

    working_start(_i, POOL(.workers = 1, .calls_per_worker = 2));
    first = working_pid();
    ck_assert_int_eq(working_pid(), first);
    second = working_pid();
    ck_assert_int_ne(second, first);
    ck_assert_int_eq(working_pid(), second);
    ck_assert_uint_eq(promise_process_pool_restarts(pool), 1);
    run_out();
    ck_assert_uint_eq(promise_process_pool_workers(pool), 0);
    ck_assert(!is_running(second));
    working_end();
}
END_TEST

START_TEST(as_many_as_there_are_processors) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    working_start(_i, POOL(0));
    for (long i = 0; i <= n; i++) promise_unref(run("hang", ""));
    working_until_running((size_t)n);
    ck_assert_uint_eq(promise_process_pool_queued(pool), 1);
    promise_loop_free(loop);
    children_end_without_loop();
}
END_TEST

/* J3: one that has nothing to do does not keep the loop. */
START_TEST(J3_an_idle_pool_lets_the_loop_end) {
    working_start(_i, POOL(.workers = 2));
    run_out();
    bytes_are(run("echo", "x"), "x");
    run_out();
    bytes_are(run("echo", "y"), "y");
    working_end();
}
END_TEST

/* ---- threads ---- */

static void *wait_for_end(void *arg) {
    char c;

    return read(*(int *)arg, &c, 1) == 0 ? NULL : arg;
}

START_TEST(with_threads_it_must_be_executed) {
    pthread_t thread;
    promise_value_t v = {0};
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_end, &fds[0]), 0);
    working_start(_i, POOL(.workers = 1));
    if (_i) bytes_are(run("echo", "x"), "x");
    else {
        ck_assert_int_eq(promise_loop_run(loop, run("echo", "x"), &v), -1);
        ck_assert(promise_error_is(v, &promise_errno_errors, EBUSY));
        promise_value_clear(&v);
        ck_assert_int_eq(promise_loop_run(loop, promise_process_pool_close(pool, 0), NULL), 0);
    }
    working_end();
    close(fds[1]);
    pthread_join(thread, NULL);
    close(fds[0]);
}
END_TEST

static promise_value_t in_coroutine(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    (void)v;
    pool = promise_process_pool_new(
        loop, &POOL(.functions = working_functions, .start = arg ? PROMISE_PROCESS_EXEC : PROMISE_PROCESS_FORK));
    promise_await(run("echo", "x"), &got);
    return got;
}

START_TEST(so_in_a_coroutine) {
    promise_value_t v = {0};
    int status;

    children_start(0);
    status = promise_loop_run(loop, promise_async(loop, in_coroutine, _i ? loop : NULL), &v);
    ck_assert_int_eq(status, _i - 1);
    if (!_i) ck_assert(promise_error_is(v, &promise_errno_errors, EBUSY));
    promise_value_clear(&v);
    working_end();
}
END_TEST

/* And with threads that came later, a worker is replaced all the same. */
START_TEST(threads_may_come_later) {
    pthread_t thread;
    int fds[2];

    working_start(_i, POOL(.workers = 1));
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_end, &fds[0]), 0);
    ck_assert_ptr_nonnull(strstr(bytes_of(run("die", "9")), "killed by SIGKILL"));
    bytes_are(run("echo", "x"), "x");
    ck_assert_uint_eq(promise_process_pool_restarts(pool), 1);
    close(fds[1]);
    pthread_join(thread, NULL);
    close(fds[0]);
    working_end();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("process_pool");
    TCase *tcase = tcase_create("process_pool");
    const TTest *const tests[] = {bytes_go_there_and_come_back,
                                  any_size_does,
                                  a_hundred_million_bytes,
                                  what_is_too_large_is_refused,
                                  errors_travel,
                                  a_name_that_is_not_there,
                                  nothing_is_open_there,
                                  signals_are_as_for_a_new_program,
                                  calls_begin_in_their_order,
                                  workers_come_as_they_are_needed,
                                  a_full_queue_refuses,
                                  a_worker_is_replaced_after_its_calls,
                                  as_many_as_there_are_processors,
                                  J3_an_idle_pool_lets_the_loop_end,
                                  with_threads_it_must_be_executed,
                                  so_in_a_coroutine,
                                  threads_may_come_later};

    promise_process_worker(working_functions);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) tcase_add_loop_test(tcase, tests[i], 0, 2);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
