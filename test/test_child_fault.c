/* What can go wrong with children: each with the one error that comes out, and with nothing left over. */
#include "../src/child.h"

#include "children.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUT .out = PROMISE_CHILD_PIPE

/* Everything that is asked of c says so (O2), and it can be closed. */
static void is_refused(promise_child_t *c, int error, const char *message) {
    char want[512];

    snprintf(want, sizeof want, "!%s", message);
    ck_assert_str_eq(promise_error_message(promise_child_error(c)), message);
    ck_assert(promise_error_is(promise_child_error(c), &promise_errno_errors, error));
    ck_assert_int_eq(promise_child_pid(c), -1);
    ck_assert_int_eq(promise_child_kill(c, 0), -1);
    ck_assert_int_eq(errno, ESRCH);
    outcome_is(promise_child_wait(c), want);
    outcome_is(promise_stream_write(promise_child_stdin(c), promise_string("x")), want);
    outcome_is(promise_stream_read(promise_child_stdout(c), 1), want);
    outcome_is(promise_stream_read(promise_child_stderr(c), 1), want);
    promise_child_close(c);
}

/* ---- bad input ---- */

START_TEST(bad_options) {
    const char *const argv[] = {"true", NULL}, *const empty[] = {NULL};
    const struct promise_child_fd low[] = {{0, 2}}, twice[] = {{0, 4}, {0, 5}, {1, 4}};
    const struct {
        struct promise_child_options options;
        const char *message;
    } table[] = {
        {{0}, "promise_child_spawn: argv is NULL: Invalid argument"},
        {{.argv = empty}, "promise_child_spawn: argv is empty: Invalid argument"},
        {{.argv = argv, .in = PROMISE_CHILD_STDOUT},
         "promise_child_spawn: in, out or err is not what it may be: Invalid argument"},
        {{.argv = argv, .out = PROMISE_CHILD_STDOUT},
         "promise_child_spawn: in, out or err is not what it may be: Invalid argument"},
        {{.argv = argv, .err = (enum promise_child_io)77},
         "promise_child_spawn: in, out or err is not what it may be: Invalid argument"},
        {{.argv = argv, .fd_count = 1}, "promise_child_spawn: fds is NULL: Invalid argument"},
        {{.argv = argv, .fds = low, .fd_count = 1}, "promise_child_spawn: a number in fds is less than 3: Invalid argument"},
        {{.argv = argv, .fds = twice, .fd_count = 3}, "promise_child_spawn: a number is twice in fds: Invalid argument"},
    };

    children_start(_i);
    is_refused(promise_child_spawn(loop, NULL), EINVAL, "promise_child_spawn: options is NULL: Invalid argument");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        is_refused(promise_child_spawn(loop, &table[i].options), EINVAL, table[i].message);
    children_end();
}
END_TEST

static void wait_for_null(void *arg) {
    (void)arg;
    promise_unref(promise_child_wait(NULL));
}
static void stdin_of_null(void *arg) {
    (void)arg;
    promise_child_stdin(NULL);
}
static void kill_null(void *arg) {
    (void)arg;
    promise_child_kill(NULL, 9);
}
static void status_of_int(void *arg) {
    (void)arg;
    promise_exit_status(promise_int(3));
}
static void out_of_exit(void *arg) {
    (void)arg;
    promise_command_out(promise_void());
}
static void after_close(void *arg) {
    promise_child_t *c = shell("exec sleep 1000", NO_OPTIONS);

    (void)arg;
    promise_child_close(c);
    promise_child_pid(c);
}
static void without_loop(void *arg) {
    (void)arg;
    promise_child_close(promise_child_spawn(NULL, NULL));
}

START_TEST(bugs_of_the_program_stop_it) {
    children_start(0);
    test_assert_stops(wait_for_null, NULL, "promise_child_wait: the child is NULL");
    test_assert_stops(stdin_of_null, NULL, "promise_child_stdin: the child is NULL");
    test_assert_stops(kill_null, NULL, "promise_child_kill: the child is NULL");
    test_assert_stops(status_of_int, NULL, "promise_exit_status: expected exit, got int");
    test_assert_stops(out_of_exit, NULL, "promise_command_out: expected command, got void");
    test_assert_stops(after_close, NULL, "promise_child_pid: the child is closed");
    test_assert_stops(without_loop, NULL, "promise_child_spawn");
    children_end();
}
END_TEST

/* ---- what cannot be run ---- */

static char folder[] = "/tmp/promise-child-XXXXXX";

static const char *file(const char *name, const char *text, mode_t mode) {
    static char path[128];
    int fd;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
    close(fd);
    return path;
}

static promise_child_t *run(const char *name, struct promise_child_options options) {
    const char *const argv[] = {name, NULL};

    options.argv = argv;
    options.in = options.out = options.err = PROMISE_CHILD_PIPE; /* closed again */
    return promise_child_spawn(loop, &options);
}

START_TEST(what_cannot_be_run) {
    const struct promise_child_fd closed = {999, 4}, far = {0, 1 << 30};
    const char *path;
    char want[256], *huge = malloc(4000000);

    ck_assert_ptr_nonnull(mkdtemp(folder));
    children_start(_i);
    is_refused(run("promise-none", NO_OPTIONS), ENOENT, "run promise-none: No such file or directory");
    is_refused(run("", NO_OPTIONS), ENOENT, "run : No such file or directory");
    is_refused(run("/nowhere/x", NO_OPTIONS), ENOENT, "run /nowhere/x: No such file or directory");
    is_refused(run("name", OPTIONS(.file = "/nowhere/x")), ENOENT, "run name: No such file or directory");
    is_refused(run("/dev/null/x", NO_OPTIONS), ENOTDIR, "run /dev/null/x: Not a directory");
    is_refused(run("/", NO_OPTIONS), EACCES, "run /: Permission denied");
    path = file("plain", "#!/bin/sh\n", 0644);
    snprintf(want, sizeof want, "run %s: Permission denied", path);
    is_refused(run(path, NO_OPTIONS), EACCES, want);
    path = file("empty", "no program", 0755); /* and not given to a shell */
    snprintf(want, sizeof want, "run %s: Exec format error", path);
    is_refused(run(path, NO_OPTIONS), ENOEXEC, want);
    path = file("orphan", "#!/nowhere/interpreter\n", 0755);
    snprintf(want, sizeof want, "run %s: No such file or directory", path);
    if (!under_valgrind()) is_refused(run(path, NO_OPTIONS), ENOENT, want); /* which executes scripts by itself */
    is_refused(run("true", OPTIONS(.folder = "/nowhere")), ENOENT, "run true in /nowhere: No such file or directory");
    is_refused(run("true", OPTIONS(.fds = &closed, .fd_count = 1)), EBADF, "run true: descriptor 999: Bad file descriptor");
    is_refused(run("true", OPTIONS(.fds = &far, .fd_count = 1)), EINVAL, "run true: descriptor 1073741824: Invalid argument");
    is_refused(shell("true", OPTIONS(.in = PROMISE_CHILD_FD, .in_fd = -1)), EBADF,
               "run sh: descriptor -1: Bad file descriptor");
    memset(huge, 'x', 3999999);
    huge[3999999] = 0;
    if (!under_valgrind()) is_refused(shell(huge, NO_OPTIONS), E2BIG, "run sh: Argument list too long");
    children_end();
    free(huge);
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"plain", "empty", "orphan"};
        snprintf(want, sizeof want, "%s/%s", folder, names[i]);
        unlink(want);
    }
    rmdir(folder);
}
END_TEST

/* R23 for children: at each descriptor that is lacking. The last ones are those that it can do without. */
START_TEST(out_of_descriptors) {
    struct rlimit before, limit;
    promise_child_t *c = NULL;
    int refused = 0;

    children_start(_i);
    getrlimit(RLIMIT_NOFILE, &before);
    for (int more = 0; more < 30; more++) {
        limit = before;
        limit.rlim_cur = test_open_fds() + (rlim_t)more;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        c = shell("echo out; exit 3", OPTIONS(OUT, .in = PROMISE_CHILD_PIPE));
        setrlimit(RLIMIT_NOFILE, &before);
        if (promise_is_void(promise_child_error(c))) break;
        ck_assert_int_eq(promise_error_code(promise_child_error(c)), EMFILE);
        refused++;
        promise_child_close(c);
    }
    ck_assert_int_gt(refused, 2);
    line_is(promise_child_stdout(c), "out");
    outcome_is(promise_child_wait(c), "exit status 3");
    promise_child_close(c);
    children_end();
}
END_TEST

/* ---- memory that runs out ---- */

/* NULL or text: is it that, or out of memory? */
static bool fine(promise_t *p, const char *text) {
    const char *got = text_of(p);

    if (!strcmp(got, text)) return true;
    ck_assert_str_eq(got, "!out of memory");
    return false;
}

START_TEST(O2_each_allocation_fails_once) {
    const char *const argv[] = {"sh", "-c", "read x; echo $x; exit 3", NULL};
    size_t n = 0;
    int good = 0;

    children_start(_i);
    do {
        promise_child_t *c;
        const char *got;
        test_alloc_fail_at(++n);
        c = promise_child_spawn(loop, &OPTIONS(OUT, .argv = argv, .in = PROMISE_CHILD_PIPE));
        (void)fine(promise_stream_write(promise_child_stdin(c), promise_string("text\n")), "void");
        (void)fine(promise_stream_close(promise_child_stdin(c)), "void");
        (void)fine(promise_stream_read(promise_child_stderr(c), 10), "!sh: standard error is no pipe");
        got = text_of(promise_child_wait(c));
        if (!strcmp(got, "exit status 3")) good++;
        else if (!strcmp(got, "killed by SIGPIPE")) /* there was no memory for its pipe: closed, sooner or later */
            ck_assert(promise_stream_is_closed(promise_child_stdout(c)));
        else ck_assert_str_eq(got, "!out of memory");
        if (!promise_source_nomem_loop(c) && promise_child_pid(c) == -1)
            ck_assert(promise_error_is(promise_child_error(c), &promise_errno_errors, ENOMEM));
        promise_child_close(c);
        run_out();
        ck_assert_uint_lt(n, 200);
    } while (test_alloc_failed());
    test_alloc_fail_at(0);
    ck_assert_int_gt(good, 0);
    children_end();
}
END_TEST

START_TEST(O2_each_allocation_of_a_stop_fails_once) { /* without a timer there is no time */
    size_t n = 0;

    children_start(_i);
    do {
        promise_child_t *c =
            shell("trap '' TERM; echo ready; exec sleep 1000", OPTIONS(OUT, .kill_after_ms = 5, .new_group = n % 2));
        line_is(promise_child_stdout(c), "ready");
        test_alloc_fail_at(++n);
        promise_child_close(c);
        run_out();
        ck_assert_uint_lt(n, 200);
    } while (test_alloc_failed());
    test_alloc_fail_at(0);
    children_end();
}
END_TEST

START_TEST(O2_each_allocation_of_a_command_fails_once) {
    const char *const argv[] = {"sh", "-c", "read x; echo $x >&2; exit 3", NULL};
    bool any = _i / 2;
    size_t n = 0;

    children_start(_i % 2);
    do {
        struct promise_command_options with = {.any_exit = any};
        test_alloc_fail_at(++n);
        with.input = promise_string("text\n");
        (void)fine(promise_command_with(loop, &OPTIONS(.argv = argv), &with),
                   any ? "exit status 3" : "!sh: exit status 3: text");
        run_out();
        ck_assert_uint_lt(n, 300);
    } while (test_alloc_failed());
    test_alloc_fail_at(0);
    children_end();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("child_fault");
    TCase *t = tcase_create("child_fault");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, bad_options, 0, 2);
    tcase_add_test(t, bugs_of_the_program_stop_it);
    tcase_add_loop_test(t, what_cannot_be_run, 0, 2);
    tcase_add_loop_test(t, out_of_descriptors, 0, 2);
    tcase_add_loop_test(t, O2_each_allocation_fails_once, 0, 2);
    tcase_add_loop_test(t, O2_each_allocation_of_a_stop_fails_once, 0, 2);
    tcase_add_loop_test(t, O2_each_allocation_of_a_command_fails_once, 0, 4);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
