/*
 * What goes wrong in other processes, each with the one error that comes out, and with the next call as good as any: crashes,
 * exits, hangs, limits, garbage, processes that others kill, processes that cannot be started.
 */
#include "../src/tasks/process.h"

#include "working.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* It is as it was: with n workers that took another's place. */
static void goes_on(size_t n) {
    bytes_are(run("echo", "it goes on"), "it goes on");
    ck_assert_uint_eq(promise_process_pool_restarts(pool), n);
}

/* ---- ends ---- */

START_TEST(a_crash_takes_its_own_call_only) {
    promise_value_t v = {0};
    char text[8];

    working_start(_i, POOL(.workers = 1, .name = "hashing"));
    snprintf(text, sizeof text, "%d", SIGSEGV);
    ck_assert_int_eq(promise_loop_run(loop, run("die", text), &v), -1);
    ck_assert_str_eq(promise_error_message(v), "hashing worker 1: killed by SIGSEGV while it ran die");
    ck_assert(promise_error_is(v, &promise_exit_errors, 128 + SIGSEGV));
    goes_on(1);
    snprintf(text, sizeof text, "%d", SIGABRT);
    bytes_are(run("die", text), "!hashing worker 1: killed by SIGABRT while it ran die");
    ck_assert_int_eq(promise_loop_run(loop, run("exit", "3"), &v), -1);
    ck_assert_str_eq(promise_error_message(v), "hashing worker 1: exit status 3 while it ran exit");
    ck_assert(promise_error_is(v, &promise_exit_errors, 3));
    bytes_are(run("exit", "0"), "!hashing worker 1: exit status 0 while it ran exit");
    goes_on(4);
    promise_value_clear(&v);
    working_end();
}
END_TEST

START_TEST(others_do_not_notice) {
    promise_t *slow, *dead;

    working_start(_i, POOL(.workers = 2));
    slow = run("hang", "");
    dead = run("die", "9");
    bytes_are(dead, "!process worker 2: killed by SIGKILL while it ran die");
    ck_assert_int_eq(promise_get_state(slow), PROMISE_PENDING);
    promise_cancel(slow);
    working_end();
}
END_TEST

START_TEST(a_hang_is_killed_by_the_timeout) {
    promise_value_t v = {0};
    uint64_t start;

    working_start(_i, POOL(.workers = 1, .timeout_ms = 30));
    start = promise_now(loop);
    ck_assert_int_eq(promise_loop_run(loop, run("hang", ""), &v), -1);
    ck_assert_uint_ge(promise_now(loop) - start, 30);
    ck_assert_str_eq(promise_error_message(v), "process worker 1: hang timed out after 30 ms");
    ck_assert(promise_is_timeout(v));
    promise_value_clear(&v);
    run_out();
    ck_assert_uint_eq(promise_process_pool_workers(pool), 0);
    working_end();
}
END_TEST

START_TEST(what_it_started_ends_with_it) {
    pid_t child;

    working_start(_i, POOL(.workers = 1));
    child = (pid_t)strtol(bytes_of(run("child", "")), NULL, 10);
    ck_assert(is_running(child));
    bytes_are(run("exit", "1"), "!process worker 1: exit status 1 while it ran exit");
    while (is_running(child)) promise_loop_turn(loop);
    working_end();
}
END_TEST

/* ---- limits ---- */

/* The address sanitizer's malloc() would stop the process. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "allocator_may_return_null=1"; }

START_TEST(memory_ends_at_its_limit) {
    working_start(_i, POOL(.workers = 1, .memory = 64 << 20));
    bytes_are(run("allocate", "1000000"), "1");
    if (under_valgrind()) { /* which has the limits itself */
        working_end();
        return;
    }
    bytes_are(run("allocate", "100000000"), "!100000000 bytes: Cannot allocate memory");
    bytes_are(promise_process_run(pool, "nothing", promise_bytes_take(calloc(1, 100000000), 100000000)), "!out of memory");
    goes_on(0);
    working_end();
}
END_TEST

START_TEST(processor_time_ends_at_its_limit) {
    promise_value_t v = {0};

    working_start(_i, POOL(.workers = 1, .cpu_seconds = 1));
    bytes_are(run("echo", "x"), "x");
    ck_assert_int_eq(promise_loop_run(loop, run("spin", ""), &v), -1);
    ck_assert_str_eq(promise_error_message(v), "process worker 1: killed by SIGXCPU while it ran spin");
    promise_value_clear(&v);
    goes_on(1);
    working_end();
}
END_TEST

/* ---- what it sends ---- */

START_TEST(garbage_is_no_result) {
    promise_value_t v = {0};
    struct frame_head head = promise__frame_head(FRAME_VALUE, 1, UINT64_C(1) << 40, 0);

    working_start(_i, POOL(.workers = 1));
    ck_assert_int_eq(promise_loop_run(loop, run("garbage", "a line that was to go to a file, and is longer than a head"), &v),
                     -1);
    ck_assert_str_eq(promise_error_message(v), "process worker 1: what it sent as the result of garbage: Protocol error");
    ck_assert(promise_error_is(v, &promise_errno_errors, EPROTO));
    goes_on(1);
    ck_assert_int_eq(promise_loop_run(loop, promise_process_run(pool, "garbage", promise_bytes(&head, sizeof head)), &v), -1);
    ck_assert(promise_error_is(v, &promise_errno_errors, EMSGSIZE));
    head = promise__frame_head(FRAME_VALUE, 77, 0, 0); /* an answer to another call */
    ck_assert_int_eq(promise_loop_run(loop, promise_process_run(pool, "garbage", promise_bytes(&head, sizeof head)), &v), -1);
    ck_assert(promise_error_is(v, &promise_errno_errors, EPROTO));
    promise_value_clear(&v);
    bytes_are(run("garbage", "cut short"), "!process worker 1: what it sent as the result of garbage: Protocol error");
    goes_on(4);
    working_end();
}
END_TEST

/* As a crash in the middle of writing would leave it. */
START_TEST(half_an_answer_is_none) {
    struct frame_head head = promise__frame_head(FRAME_VALUE, 1, 100000, 0);

    working_start(_i, POOL(.workers = 1));
    bytes_are(promise_process_run(pool, "half", promise_bytes(&head, sizeof head)),
              "!process worker 1: killed by SIGKILL while it ran half");
    goes_on(1);
    working_end();
}
END_TEST

START_TEST(one_that_closes_its_connection_is_killed) {
    promise_t *p, *q;

    working_start(_i, POOL(.workers = 2));
    p = run("close", "");
    q = run("close and return", "a result that nobody gets");
    bytes_are(p, "!process worker 1 has closed its connection while it ran close: Broken pipe");
    bytes_are(q, "!process worker 2 has closed its connection while it ran close and return: Broken pipe");
    goes_on(1);
    working_end();
}
END_TEST

/* ---- killed by others ---- */

START_TEST(killed_while_it_was_idle) {
    pid_t worker;

    working_start(_i, POOL(.workers = 1));
    worker = working_pid();
    kill(worker, SIGKILL);
    while (is_running(worker)) {}
    goes_on(1); /* no call was lost */
    worker = working_pid();
    kill(worker, SIGKILL);
    goes_on(2); /* nor where it has not been seen yet: it had not read it */
    working_end();
}
END_TEST

static promise_value_t swallow(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}

START_TEST(killed_while_it_ran) {
    promise_t *p;
    pid_t worker;

    working_start(_i, POOL(.workers = 1));
    worker = working_pid();
    p = run("hang", "");
    promise_unref(promise_catch(promise_ref(p), swallow, NULL));
    while (promise_get_state(p) == PROMISE_PENDING) {
        promise_loop_turn(loop);
        if (promise_process_pool_running(pool)) kill(worker, SIGKILL); /* before or after it has begun: the next, too */
        if (promise_process_pool_restarts(pool)) promise_cancel(promise_ref(p));
    }
    ck_assert_int_eq(*bytes_of(p), '!');
    working_end();
}
END_TEST

static pid_t starter(void) { return pool->starter.pid; }

START_TEST(its_starter_is_killed) {
    promise_t *p;
    pid_t worker;

    working_start(_i, POOL(.workers = 2));
    worker = working_pid();
    kill(starter(), SIGKILL);
    while (is_running(worker)) {}
    bytes_are(run("echo", "x"), "x"); /* idle: nothing is lost, another one is started */
    p = run("hang", "");
    working_until_running(1);
    bytes_are(run("echo", "x"), "x");
    kill(starter(), SIGKILL);
    bytes_are(p, "!process: the process that starts its workers: killed by SIGKILL while it ran hang");
    bytes_are(run("echo", "x"), "x");
    working_end();
}
END_TEST

START_TEST(its_starter_is_stopped) {
    pid_t worker;

    working_start(_i, POOL(.workers = 1));
    worker = working_pid();
    kill(starter(), SIGSTOP);
    bytes_are(promise_timeout(run("hang", ""), 20), "!timed out after 20 ms");
    while (is_running(worker)) {}    /* we have killed it ourselves */
    promise_process_pool_free(pool); /* it is woken to end */
    children_end();
}
END_TEST

/* We are gone without a word: so are they, busy or not. */
START_TEST(they_end_with_the_program) {
    pid_t worker = 0, program;
    char text[32] = "";
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    program = fork();
    if (program == 0) {
        working_start(_i, POOL(.workers = 2));
        worker = working_pid();
        promise_unref(run("hang", ""));
        working_until_running(1);
        snprintf(text, sizeof text, "%d", (int)worker);
        if (write(fds[1], text, sizeof text) < 0) _exit(1);
        kill(getpid(), SIGKILL);
    }
    close(fds[1]);
    ck_assert_int_eq(read(fds[0], text, sizeof text), sizeof text);
    close(fds[0]);
    ck_assert_int_eq(waitpid(program, NULL, 0), program);
    worker = (pid_t)strtol(text, NULL, 10);
    ck_assert_int_gt(worker, 0);
    while (is_running(worker)) usleep(1000);
}
END_TEST

/* ---- what cannot be started ---- */

START_TEST(a_program_that_is_not_there) {
    promise_value_t v = {0};

    working_start(1, POOL(.workers = 2, .program = "/no/such/program"));
    ck_assert_int_eq(promise_loop_run(loop, run("echo", "x"), &v), -1);
    ck_assert_str_eq(promise_error_message(v), "process: start /no/such/program: No such file or directory");
    ck_assert(promise_error_is(v, &promise_errno_errors, ENOENT));
    promise_value_clear(&v);
    working_end();
}
END_TEST

START_TEST(a_program_that_is_no_worker) {
    promise_value_t v = {0};

    working_start(1, POOL(.workers = 1, .program = "/bin/false"));
    ck_assert_int_eq(promise_loop_run(loop, run("echo", "x"), &v), -1);
    ck_assert_ptr_nonnull(
        strstr(promise_error_message(v), "/bin/false: exit status 1, and was to call promise_process_worker()"));
    promise_value_clear(&v);
    working_end();
}
END_TEST

/* Each time later, so that the processor is not taken up by starting what does not start. */
START_TEST(starts_that_fail_come_later_and_later) {
    uint64_t start;

    working_start(1, POOL(.workers = 4, .program = "/bin/false"));
    start = promise_now(loop);
    for (int i = 0; i < 5; i++) ck_assert_int_eq(*bytes_of(run("echo", "x")), '!');
    ck_assert_uint_ge(promise_now(loop) - start, 10 + 20 + 40 + 80);
    ck_assert_uint_eq(pool->failures, 5);
    working_end();
}
END_TEST

START_TEST(no_more_descriptors) {
    struct rlimit limit;
    promise_value_t v = {0};

    working_start(_i, POOL(.workers = 1));
    getrlimit(RLIMIT_NOFILE, &limit);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){3, limit.rlim_max});
    ck_assert_int_eq(promise_loop_run(loop, run("echo", "x"), &v), -1);
    ck_assert(promise_error_is(v, &promise_errno_errors, under_valgrind() && !_i ? EBADF : EMFILE)); /* whose limits differ */
    promise_value_clear(&v);
    setrlimit(RLIMIT_NOFILE, &limit);
    goes_on(0);
    working_end();
}
END_TEST

/* As somebody who may have so many processes, this one among them: neither the starter, nor a worker. (Root may have any
 * number, and so becomes somebody else.) */
START_TEST(no_more_processes) {
    struct rlimit limit;

    getrlimit(RLIMIT_NPROC, &limit);
    ck_assert_int_eq(setrlimit(RLIMIT_NPROC, &(struct rlimit){_i ? 2 : 1, limit.rlim_max}), 0);
    if (getuid() == 0) ck_assert_int_eq(setuid(54322), 0);
    working_start(0, POOL(.workers = 1));
    for (int i = 0; i < 2; i++) {
        promise_value_t v = {0};
        ck_assert_int_eq(promise_loop_run(loop, run("echo", "x"), &v), -1);
        ck_assert_msg(promise_error_is(v, &promise_errno_errors, EAGAIN), "%s", promise_error_message(v));
        promise_value_clear(&v);
    }
    working_end();
    setrlimit(RLIMIT_NPROC, &(struct rlimit){limit.rlim_max, limit.rlim_max}); /* sanitizers look for leaks from another one */
}
END_TEST

int main(void) {
    Suite *suite = suite_create("process_fault");
    TCase *tcase = tcase_create("process_fault");
    const TTest *const both[] = {a_crash_takes_its_own_call_only,
                                 others_do_not_notice,
                                 a_hang_is_killed_by_the_timeout,
                                 what_it_started_ends_with_it,
                                 memory_ends_at_its_limit,
                                 garbage_is_no_result,
                                 half_an_answer_is_none,
                                 killed_while_it_was_idle,
                                 killed_while_it_ran,
                                 its_starter_is_killed,
                                 its_starter_is_stopped,
                                 they_end_with_the_program,
                                 no_more_descriptors};

    promise_process_worker(working_functions);
    for (size_t i = 0; i < sizeof both / sizeof *both; i++) tcase_add_loop_test(tcase, both[i], 0, 2);
    tcase_add_test(tcase, processor_time_ends_at_its_limit);
    tcase_add_test(tcase, one_that_closes_its_connection_is_killed);
    tcase_add_test(tcase, a_program_that_is_not_there);
    tcase_add_test(tcase, a_program_that_is_no_worker);
    tcase_add_test(tcase, starts_that_fail_come_later_and_later);
    tcase_add_loop_test(tcase, no_more_processes, 0, 2);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
