/* Commands: fed, read to the end and waited for; what they give, what they reject with, and how they are stopped. */
#include "../src/child.h"

#include "children.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static promise_t *command_with(const char *script, struct promise_child_options child, struct promise_command_options options) {
    const char *const argv[] = {"sh", "-c", script, NULL};

    child.argv = argv;
    return promise_command_with(loop, &child, &options);
}
static promise_t *command(const char *script) {
    const char *const argv[] = {"sh", "-c", script, NULL};
    return promise_command(loop, argv);
}
#define WITH(...) ((struct promise_command_options){__VA_ARGS__})

static promise_value_t out_of(promise_value_t v, void *arg) {
    (void)arg;
    return promise_command_out(v);
}
static promise_value_t err_of(promise_value_t v, void *arg) {
    (void)arg;
    return promise_command_err(v);
}
static promise_value_t as_text(promise_value_t v, void *arg) {
    (void)arg;
    return promise_is_void(v) ? v : promise_string(promise_as_bytes(v, NULL));
}
static promise_t *out(promise_t *p) { return promise_then(promise_then(p, out_of, NULL), as_text, NULL); }
static promise_t *err(promise_t *p) { return promise_then(promise_then(p, err_of, NULL), as_text, NULL); }

START_TEST(gives_what_it_wrote) {
    promise_value_t v = {0};
    size_t size;

    children_start(_i);
    outcome_is(out(command("echo out; echo err >&2")), "out\n");
    outcome_is(err(command("echo out; echo err >&2")), "err\n");
    outcome_is(command("echo out"), "exit status 0");
    ck_assert_int_eq(promise_loop_run(loop, command("printf 'a\\000b'"), &v), 0);
    ck_assert(promise_is(v, &promise_type_command));
    ck_assert_int_eq(promise_exit_status(v), 0);
    ck_assert_int_eq(promise_exit_signal(v), 0);
    ck_assert(memcmp(promise_as_bytes(promise_command_out(v), &size), "a\0b", 3) == 0);
    ck_assert_uint_eq(size, 3);
    promise_as_bytes(promise_command_err(v), &size);
    ck_assert_uint_eq(size, 0);
    promise_value_clear(&v);
    children_end();
}
END_TEST

START_TEST(collects_what_is_left_at_its_default) {
    int fd;

    children_start(_i);
    fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    outcome_is(out(command_with("echo out", OPTIONS(.out = PROMISE_CHILD_NULL), WITH(0))), "void");
    outcome_is(out(command_with("echo out", OPTIONS(.out = PROMISE_CHILD_FD, .out_fd = fd), WITH(0))), "void");
    outcome_is(err(command_with("echo err >&2", OPTIONS(.out = PROMISE_CHILD_PIPE, .err = PROMISE_CHILD_NULL), WITH(0))),
               "void");
    outcome_is(out(command_with("echo 1; echo 2 >&2", OPTIONS(.err = PROMISE_CHILD_STDOUT), WITH(0))), "1\n2\n");
    outcome_is(out(command("cat; echo end")), "end\n"); /* there is no input */
    outcome_is(out(command_with("cat; echo end", OPTIONS(.in = PROMISE_CHILD_PIPE), WITH(0))), "end\n");
    close(fd);
    children_end();
}
END_TEST

START_TEST(input_of_any_size) {
    size_t size = test_scaled(2000000), got;
    char *text = malloc(size);
    promise_value_t v = {0}, kept = {0};

    children_start(_i);
    memset(text, 'x', size);
    outcome_is(out(command_with("cat", NO_OPTIONS, WITH(.input = promise_string("some\n")))), "some\n");
    outcome_is(out(command_with("cat; echo end", NO_OPTIONS, WITH(.input = promise_string("")))), "end\n");
    promise_value_set(&kept, promise_bytes(text, size)); /* V2: kept, and so still ours */
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(promise_loop_run(loop, command_with("cat", NO_OPTIONS, WITH(.input = kept)), &v), 0);
        ck_assert(memcmp(promise_as_bytes(promise_command_out(v), &got), text, size) == 0);
        ck_assert_uint_eq(got, size);
    }
    promise_value_clear(&kept);
    promise_value_clear(&v);
    outcome_is(command_with("cat", NO_OPTIONS, WITH(.input = promise_int(3))),
               "!promise_command_with: input is neither a string nor bytes: Invalid argument");
    outcome_is(command_with("cat", NO_OPTIONS, WITH(.input = promise_throw_errno(EIO, "no input"))),
               "!no input: Input/output error");
    children_end();
    free(text);
}
END_TEST

/* Who does not read it may be content. */
START_TEST(input_that_is_not_read) {
    static const char *const scripts[] = {
        "exit 0", "exec <&-; echo closed", "head -c 10 >/dev/null",
        "exec 3<&0; sleep 1000 <&3 >/dev/null 2>&1 & exit 0", /* and somebody else has it still */
    };
    size_t size = 1000000;
    char *text = calloc(1, size);

    children_start(_i);
    for (int i = 0; i < 4; i++)
        outcome_is(command_with(scripts[i], NO_OPTIONS, WITH(.input = promise_bytes(text, size))), "exit status 0");
    outcome_is(command_with("exit 3", NO_OPTIONS, WITH(.input = promise_bytes(text, size))), "!sh: exit status 3");
    children_end();
    free(text);
}
END_TEST

static void rejects(promise_t *p, const struct promise_domain *domain, int code, const char *message) {
    promise_value_t v = {0};

    ck_assert_int_eq(promise_loop_run(loop, p, &v), -1);
    ck_assert_str_eq(promise_error_message(v), message);
    ck_assert(promise_error_is(v, domain, code));
    promise_value_clear(&v);
}

START_TEST(failures_say_which_how_and_why) {
    char want[600] = "sh: exit status 1: ";

    children_start(_i);
    rejects(command("exit 3"), &promise_exit_errors, 3, "sh: exit status 3");
    rejects(command("echo out; echo no such thing >&2; exit 1"), &promise_exit_errors, 1, "sh: exit status 1: no such thing");
    rejects(command("kill -9 $$"), &promise_exit_errors, 128 + 9, "sh: killed by SIGKILL");
    rejects(command("echo; echo a; echo b; echo; echo >&2; exit 2"), &promise_exit_errors, 2, "sh: exit status 2");
    rejects(command("(echo a; echo b) >&2; exit 2"), &promise_exit_errors, 2, "sh: exit status 2: a\nb");
    /* of much the last lines only, and of a long line its end */
    for (int i = 92; i <= 100; i++) sprintf(want + strlen(want), "%sthis is the line number %d", i == 92 ? "" : "\n", i);
    rejects(command("for i in $(seq 100); do echo this is the line number $i; done >&2; exit 1"), &promise_exit_errors, 1,
            want);
    ck_assert_uint_eq(strlen(text_of(command("printf '%01000d' 7 >&2; exit 1"))), strlen("!sh: exit status 1: ") + 256);
    rejects(command_with("echo no >&2; exit 1", OPTIONS(.err = PROMISE_CHILD_NULL), WITH(0)), &promise_exit_errors, 1,
            "sh: exit status 1");
    children_end();
}
END_TEST

START_TEST(any_exit_will_do) {
    promise_value_t v = {0};

    children_start(_i);
    outcome_is(out(command_with("echo out; exit 1", NO_OPTIONS, WITH(.any_exit = true))), "out\n");
    ck_assert_int_eq(promise_loop_run(loop, command_with("kill $$", NO_OPTIONS, WITH(.any_exit = true)), &v), 0);
    ck_assert_int_eq(promise_exit_status(v), -1);
    ck_assert_int_eq(promise_exit_signal(v), SIGTERM);
    promise_value_clear(&v);
    outcome_is(promise_then(command_with("exit 4", NO_OPTIONS, WITH(.any_exit = true)), promise_exit_check, NULL),
               "!exit status 4");
    children_end();
}
END_TEST

START_TEST(what_cannot_be_run) {
    const char *const nothing[] = {NULL}, *const none[] = {"/nowhere/none", NULL};

    children_start(_i);
    rejects(promise_command(loop, none), &promise_errno_errors, ENOENT, "run /nowhere/none: No such file or directory");
    rejects(promise_command_with(loop, &OPTIONS(.argv = none), &WITH(.any_exit = true, .input = promise_string("x"))),
            &promise_errno_errors, ENOENT, "run /nowhere/none: No such file or directory");
    outcome_is(promise_command(loop, NULL), "!promise_command: argv is NULL: Invalid argument");
    outcome_is(promise_command(loop, nothing), "!promise_command: argv is empty: Invalid argument");
    outcome_is(promise_command_with(loop, NULL, NULL), "!promise_command: argv is NULL: Invalid argument");
    children_end();
}
END_TEST

START_TEST(too_much_output_stops_it) {
    children_start(_i);
    outcome_is(out(command_with("printf 12345", NO_OPTIONS, WITH(.max_output = 5))), "12345");
    rejects(command_with("printf 123456; exec sleep 1000", NO_OPTIONS, WITH(.max_output = 5)), &promise_errno_errors, EMSGSIZE,
            "sh: more than 5 bytes of output: Message too long");
    rejects(command_with("exec yes >&2", NO_OPTIONS, WITH(.max_output = 100000)), &promise_errno_errors, EMSGSIZE,
            "sh: more than 100000 bytes of output: Message too long");
    run_out();
    children_end();
}
END_TEST

/* ---- stopping ---- */

START_TEST(K2_a_cancel_stops_it) {
    promise_t *p;

    children_start(_i);
    outcome_is(promise_timeout(command("exec sleep 1000"), 5), "!timed out after 5 ms");
    run_out();
    p = command_with("trap '' TERM; exec sleep 1000", OPTIONS(.kill_after_ms = 10), WITH(.input = promise_string("x")));
    promise_cancel(p); /* before anything */
    run_out();
    children_end();
}
END_TEST

/* Where the command itself has ended, but not who has its pipes: whoever is left has ours open, too. */
START_TEST(K2_a_cancel_stops_the_group) {
    struct promise_child_fd fd = {.as = 5};
    char byte;
    int ends[2];

    children_start(_i);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    fd.fd = ends[1];
    outcome_is(promise_timeout(
                   command_with("sleep 1000 & exit 0", OPTIONS(.new_group = true, .fds = &fd, .fd_count = 1), WITH(0)), 20),
               "!timed out after 20 ms");
    run_out();
    close(ends[1]);
    ck_assert_int_eq(read(ends[0], &byte, 1), 0); /* nobody: the end comes */
    close(ends[0]);
    children_end();
}
END_TEST

START_TEST(J5_freed_while_it_runs) {
    children_start(_i);
    promise_unref(command("exec sleep 1000"));
    promise_unref(command("sleep 1000"));
    promise_unref(command_with("exec cat", NO_OPTIONS, WITH(.input = promise_string("x"))));
    promise_unref(command("exit 0"));
    promise_loop_run(loop, promise_sleep(loop, (uint64_t)_i), NULL);
    promise_loop_free(loop);
    children_end_without_loop();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("child_command");
    TCase *t = tcase_create("child_command");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, gives_what_it_wrote, 0, 2);
    tcase_add_loop_test(t, collects_what_is_left_at_its_default, 0, 2);
    tcase_add_loop_test(t, input_of_any_size, 0, 2);
    tcase_add_loop_test(t, input_that_is_not_read, 0, 2);
    tcase_add_loop_test(t, failures_say_which_how_and_why, 0, 2);
    tcase_add_loop_test(t, any_exit_will_do, 0, 2);
    tcase_add_loop_test(t, what_cannot_be_run, 0, 2);
    tcase_add_loop_test(t, too_much_output_stops_it, 0, 2);
    tcase_add_loop_test(t, K2_a_cancel_stops_it, 0, 2);
    tcase_add_loop_test(t, K2_a_cancel_stops_the_group, 0, 2);
    tcase_add_loop_test(t, J5_freed_while_it_runs, 0, 2);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
