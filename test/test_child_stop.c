/*
 * Children that are stopped: by a cancel, by close, by the end of the loop, in each of their states; politely first, then not
 * (K2, J5). Each case runs twice: told of the end by a descriptor of the process, and by SIGCHLD.
 */
#include "../src/child.h"

#include "children.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUT .out = PROMISE_CHILD_PIPE

/* Gone, or a zombie of somebody else's. */
static void is_gone(pid_t pid) { ck_assert_msg(!is_running(pid), "%d is still there", (int)pid); }

/* Where somebody else has to bury them: soon. */
static void goes(pid_t pid) {
    while (is_running(pid)) ck_assert_int_eq(promise_loop_run(loop, promise_sleep(loop, 1), NULL), 0);
}

/* A child that has its traps when this returns. */
static promise_child_t *ready(const char *script, struct promise_child_options options) {
    promise_child_t *c;

    options.out = PROMISE_CHILD_PIPE;
    c = shell(script, options);
    line_is(promise_child_stdout(c), "ready");
    return c;
}

#define DEAF "trap '' TERM; echo ready; exec sleep 1000"

/* ---- K2: a cancel ---- */

START_TEST(K2_a_cancelled_wait_stops_it) {
    promise_child_t *c;

    children_start(_i);
    c = ready("trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done", OPTIONS(.kill_after_ms = UINT64_MAX));
    promise_cancel(promise_child_wait(c));
    line_is(promise_child_stdout(c), "bye");
    outcome_is(promise_child_wait(c), "exit status 7");
    promise_child_close(c);
    children_end();
}
END_TEST

START_TEST(K2_sigkill_when_the_time_is_over) {
    promise_child_t *c;
    uint64_t start;

    children_start(_i);
    c = ready(DEAF, OPTIONS(.kill_after_ms = 30));
    start = promise_now(loop);
    promise_cancel(promise_child_wait(c));
    outcome_is(promise_child_wait(c), "killed by SIGKILL");
    ck_assert_uint_ge(promise_now(loop) - start, 30);
    promise_child_close(c);
    children_end();
}
END_TEST

START_TEST(K2_one_that_was_halted_is_woken_to_end) {
    promise_child_t *c;
    int status;

    children_start(_i);
    c = ready("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done", OPTIONS(.kill_after_ms = UINT64_MAX));
    ck_assert_int_eq(promise_child_kill(c, SIGSTOP), 0);
    ck_assert_int_eq(waitpid(promise_child_pid(c), &status, WUNTRACED), promise_child_pid(c));
    ck_assert(WIFSTOPPED(status));
    promise_cancel(promise_child_wait(c));
    outcome_is(promise_child_wait(c), "exit status 7");
    promise_child_close(c);
    children_end();
}
END_TEST

START_TEST(K1_the_last_of_several_waits_counts) {
    promise_t *first, *second;
    promise_child_t *c;

    children_start(_i);
    c = ready("echo ready; read x; exit 3", OPTIONS(.in = PROMISE_CHILD_PIPE));
    first = promise_child_wait(c);
    second = promise_child_wait(c);
    promise_cancel(first);
    promise_cancel(promise_shield(promise_child_wait(c)));
    promise_unref(promise_stream_write(promise_child_stdin(c), promise_string("go\n")));
    outcome_is(second, "exit status 3");
    promise_child_close(c);
    children_end();
}
END_TEST

START_TEST(K5_a_timeout_stops_it) {
    promise_child_t *c;
    pid_t pid;

    children_start(_i);
    c = shell("exec sleep 1000", NO_OPTIONS);
    pid = promise_child_pid(c);
    outcome_is(promise_timeout(promise_child_wait(c), 10), "!timed out after 10 ms");
    promise_child_close(c);
    run_out(); /* J3 */
    is_gone(pid);
    children_end();
}
END_TEST

static promise_value_t cancel_it(promise_value_t v, void *p) {
    promise_cancel(p);
    return v;
}

/* Where the end is known, but has not been told. */
START_TEST(cancelled_when_it_has_ended) {
    promise_child_t *c;
    promise_t *p;

    children_start(_i);
    c = shell("exit 3", NO_OPTIONS);
    p = promise_child_wait(c);
    waitid(P_PID, (id_t)promise_child_pid(c), &(siginfo_t){0}, WEXITED | WNOWAIT); /* it is a zombie */
    promise_cancel(p);
    outcome_is(promise_child_wait(c), "exit status 3"); /* nothing is lost (K6) */
    promise_child_close(c);
    c = shell("exit 3", NO_OPTIONS);
    p = promise_then(promise_child_wait(c), cancel_it, NULL);
    outcome_is(p, "exit status 3");
    promise_child_close(c);
    children_end();
}
END_TEST

START_TEST(stopped_twice_is_stopped_once) {
    promise_child_t *c;

    children_start(_i);
    c = ready("trap 'echo term' TERM; echo ready; while :; do sleep 0.01; done", OPTIONS(.kill_after_ms = UINT64_MAX));
    promise_cancel(promise_child_wait(c));
    promise_cancel(promise_child_wait(c));
    line_is(promise_child_stdout(c), "term");
    promise_cancel(promise_child_wait(c));
    ck_assert_int_eq(promise_child_kill(c, SIGKILL), 0);
    outcome_is(promise_stream_read(promise_child_stdout(c), 100), "end"); /* once */
    outcome_is(promise_child_wait(c), "killed by SIGKILL");
    promise_child_close(c);
    children_end();
}
END_TEST

/* ---- close ---- */

START_TEST(close_stops_it_and_leaves_no_zombie) {
    promise_child_t *c;
    promise_t *p;
    pid_t pid;

    children_start(_i);
    c = ready(DEAF, OPTIONS(.kill_after_ms = 20));
    pid = promise_child_pid(c);
    p = promise_child_wait(c);
    promise_child_close(c);
    outcome_is(p, "!sh: the child was closed");
    run_out();
    is_gone(pid);
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
    promise_child_close(NULL);
    children_end();
}
END_TEST

static promise_value_t close_child(promise_value_t v, void *child) {
    promise_child_close(child);
    return v;
}

START_TEST(T4_closed_in_its_own_handlers) {
    promise_child_t *c;

    children_start(_i);
    c = shell("exit 1", NO_OPTIONS);
    outcome_is(promise_then(promise_child_wait(c), close_child, c), "exit status 1");
    c = shell("exit 2", NO_OPTIONS);
    outcome_is(promise_attach(promise_child_wait(c), c, promise_child_close), "exit status 2"); /* O3 */
    c = shell("exec sleep 1000", NO_OPTIONS);
    outcome_is(promise_attach(promise_timeout(promise_child_wait(c), 1), c, promise_child_close), "!timed out after 1 ms");
    children_end();
}
END_TEST

/* ---- groups ---- */

static pid_t read_pid(promise_child_t *c) {
    promise_value_t v = {0};
    pid_t pid;

    ck_assert_int_eq(promise_loop_run(loop, promise_stream_read_line(promise_child_stdout(c), 100), &v), 0);
    pid = (pid_t)strtol(promise_as_string(v), NULL, 10);
    promise_value_clear(&v);
    ck_assert_int_gt(pid, 1);
    return pid;
}

START_TEST(a_new_group_goes_as_a_whole) {
    promise_child_t *c;
    pid_t pid;

    children_start(_i);
    c = shell("sleep 1000 & echo $!; wait", OPTIONS(OUT, .new_group = true));
    pid = read_pid(c);
    promise_cancel(promise_child_wait(c));
    outcome_is(promise_child_wait(c), "killed by SIGTERM");
    outcome_is(promise_stream_read(promise_child_stdout(c), 100), "end"); /* nobody has it any more */
    promise_child_close(c);
    goes(pid);
    children_end();
}
END_TEST

/* The rest of the group has its time too, and no more than that. */
START_TEST(who_outlives_the_leader_gets_sigkill) {
    promise_child_t *c;
    uint64_t start;
    pid_t pid;

    children_start(_i % 2);
    c = ready("(trap '' TERM; echo ready; exec sh -c 'echo $$; exec sleep 1000') & wait",
              OPTIONS(.new_group = true, .kill_after_ms = 60));
    pid = read_pid(c);
    start = promise_now(loop);
    if (_i / 2) {
        promise_child_close(c);
        run_out();
    } else {
        promise_cancel(promise_child_wait(c));
        promise_unref(promise_child_wait(c));
        outcome_is(promise_stream_read(promise_child_stdout(c), 100), "end");
        promise_child_close(c);
    }
    ck_assert_uint_ge(promise_now(loop) - start, 60);
    goes(pid);
    children_end();
}
END_TEST

/* The leader has ended by itself: it stays a zombie, so that its number is nobody else's, until it is closed. */
START_TEST(a_group_without_its_leader_can_be_killed) {
    promise_child_t *c;
    pid_t pid;

    children_start(_i);
    c = shell("sleep 1000 & echo $!; exit 6", OPTIONS(OUT, .new_group = true));
    pid = read_pid(c);
    outcome_is(promise_child_wait(c), "exit status 6");
    ck_assert(is_running(pid));
    ck_assert_int_eq(waitid(P_PID, (id_t)promise_child_pid(c), &(siginfo_t){0}, WEXITED | WNOWAIT | WNOHANG), 0);
    ck_assert_int_eq(promise_child_kill(c, SIGKILL), 0);
    outcome_is(promise_stream_read(promise_child_stdout(c), 100), "end");
    promise_child_close(c);
    goes(pid);
    children_end();
}
END_TEST

START_TEST(stop_reaches_who_has_outlived_the_leader) {
    promise_child_t *c;
    pid_t pid;

    children_start(_i);
    c = ready("(trap '' TERM; echo ready; exec sh -c 'echo $$; exec sleep 1000') & exit 6",
              OPTIONS(.new_group = true, .kill_after_ms = 20));
    pid = read_pid(c);
    outcome_is(promise_child_wait(c), "exit status 6");
    ck_assert(is_running(pid));
    promise_child_stop(c);
    promise_child_stop(c);
    outcome_is(promise_stream_read(promise_child_stdout(c), 100), "end");
    outcome_is(promise_child_wait(c), "exit status 6");
    run_out();
    promise_child_stop(c); /* nobody is left */
    promise_child_close(c);
    goes(pid);
    children_end();
}
END_TEST

/* Daemons that are left behind on purpose stay. */
START_TEST(close_leaves_the_rest_of_an_ended_group_alone) {
    promise_child_t *c;
    pid_t pid;

    children_start(_i);
    c = shell("sleep 1000 >/dev/null & echo $!; exit 6", OPTIONS(OUT, .new_group = true));
    pid = read_pid(c);
    outcome_is(promise_child_wait(c), "exit status 6");
    promise_child_close(c);
    run_out();
    ck_assert(is_running(pid));
    kill(pid, SIGKILL);
    goes(pid);
    children_end();
}
END_TEST

/* ---- J5: the loop is freed ---- */

static promise_value_t is_canceled(promise_value_t v, void *told) {
    ck_assert(promise_is_canceled(v));
    ++*(int *)told;
    return v;
}

enum { RUNS, WAITED_FOR, STOPPING, CLOSED, ENDED, ENDED_UNSEEN, LEADER_ENDED, LEADER_STOPPED, STATES };

START_TEST(J5_freed_in_each_state) {
    int mode = _i % 2, state = _i / 2, told = 0;
    bool group = state >= LEADER_ENDED;
    pid_t pid, other = 0;
    promise_child_t *c;

    children_start(mode);
    if (state == ENDED || state == ENDED_UNSEEN) c = shell("exit 3", NO_OPTIONS);
    else if (group)
        c = ready("(trap '' TERM; echo ready; exec sh -c 'echo $$; exec sleep 1000') & exit 3", OPTIONS(.new_group = true));
    else c = ready(DEAF, OPTIONS(.in = PROMISE_CHILD_PIPE, .err = PROMISE_CHILD_PIPE));
    pid = promise_child_pid(c);
    if (group) other = read_pid(c);
    if (state == WAITED_FOR) {
        promise_unref(promise_catch(promise_child_wait(c), is_canceled, &told));
        promise_unref(promise_catch(promise_stream_read(promise_child_stdout(c), 9), is_canceled, &told));
    }
    if (state == STOPPING) promise_cancel(promise_child_wait(c));
    if (state == CLOSED) {
        promise_stream_t *held = promise_stream_ref(promise_child_stderr(c)); /* by the read, in the end */
        promise_unref(promise_catch(promise_stream_read(held, 9), is_canceled, &told));
        promise_stream_unref(held);
        promise_child_close(c);
    }
    if (state == ENDED || group) outcome_is(promise_child_wait(c), "exit status 3");
    if (state == ENDED_UNSEEN) waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED | WNOWAIT);
    if (state == LEADER_STOPPED) promise_child_stop(c);
    promise_loop_free(loop);
    is_gone(pid);
    ck_assert_int_eq(told, state == WAITED_FOR ? 2 : state == CLOSED);
    children_end_without_loop();
    if (state == LEADER_ENDED) kill(other, SIGKILL);
    while (other && is_running(other)) {}
}
END_TEST

static promise_value_t free_loop(promise_value_t v, void *arg) {
    (void)arg;
    promise_loop_free(loop);
    return v;
}

START_TEST(J5_freed_in_a_handler) {
    promise_child_t *c;

    children_start(_i);
    c = shell("exit 3", NO_OPTIONS);
    promise_unref(promise_child_wait(shell("exec sleep 1000", NO_OPTIONS)));
    outcome_is(promise_then(promise_child_wait(c), free_loop, NULL), "exit status 3");
    children_end_without_loop();
}
END_TEST

static void is_refused(promise_t *p) {
    ck_assert_int_eq(promise_get_state(p), PROMISE_REJECTED);
    ck_assert(promise_is_canceled(promise_peek(p)));
    promise_unref(p);
}

static promise_value_t start_anew(promise_value_t v, void *told) {
    promise_child_t *c = shell("exit 0", NO_OPTIONS);
    const char *const argv[] = {"true", NULL};

    (void)v;
    ck_assert(promise_is_canceled(promise_child_error(c)));
    ck_assert_int_eq(promise_child_pid(c), -1);
    ck_assert_int_eq(promise_child_kill(c, 0), -1);
    is_refused(promise_child_wait(c));
    is_refused(promise_stream_read(promise_child_stdout(c), 1));
    is_refused(promise_stream_write(promise_child_stdin(c), promise_string("x")));
    is_refused(promise_stream_close(promise_child_stderr(c)));
    promise_child_close(c);
    ++*(int *)told;
    return promise_adopt(promise_command(NULL, argv));
}

START_TEST(J5_none_is_started_any_more) {
    promise_child_t *c;
    int told = 0;

    children_start(_i);
    c = shell("exec sleep 1000", NO_OPTIONS);
    promise_unref(promise_finally(promise_child_wait(c), start_anew, &told));
    promise_loop_free(loop);
    ck_assert_int_eq(told, 1);
    children_end_without_loop();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("child_stop");
    TCase *t = tcase_create("child_stop");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, K2_a_cancelled_wait_stops_it, 0, 2);
    tcase_add_loop_test(t, K2_sigkill_when_the_time_is_over, 0, 2);
    tcase_add_loop_test(t, K2_one_that_was_halted_is_woken_to_end, 0, 2);
    tcase_add_loop_test(t, K1_the_last_of_several_waits_counts, 0, 2);
    tcase_add_loop_test(t, K5_a_timeout_stops_it, 0, 2);
    tcase_add_loop_test(t, cancelled_when_it_has_ended, 0, 2);
    tcase_add_loop_test(t, stopped_twice_is_stopped_once, 0, 2);
    tcase_add_loop_test(t, close_stops_it_and_leaves_no_zombie, 0, 2);
    tcase_add_loop_test(t, T4_closed_in_its_own_handlers, 0, 2);
    tcase_add_loop_test(t, a_new_group_goes_as_a_whole, 0, 2);
    tcase_add_loop_test(t, who_outlives_the_leader_gets_sigkill, 0, 4);
    tcase_add_loop_test(t, a_group_without_its_leader_can_be_killed, 0, 2);
    tcase_add_loop_test(t, stop_reaches_who_has_outlived_the_leader, 0, 2);
    tcase_add_loop_test(t, close_leaves_the_rest_of_an_ended_group_alone, 0, 2);
    tcase_add_loop_test(t, J5_freed_in_each_state, 0, 2 * STATES);
    tcase_add_loop_test(t, J5_freed_in_a_handler, 0, 2);
    tcase_add_loop_test(t, J5_none_is_started_any_more, 0, 2);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
