/*
 * Children: what they get and what they do not, how they end, and their pipes. Each case runs twice: told of the end by a
 * descriptor of the process, and by SIGCHLD (R25: it coalesces, and each is waited for by its number).
 *
 * Run with an argument, this is a child itself, that tells what it was given.
 */
#include "../src/child.h"

#include "children.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- how they end ---- */

START_TEST(exit_statuses) {
    static const char *const scripts[] = {"exit 0", "exit 3", "exit 255"};
    static const int statuses[] = {0, 3, 255};

    children_start(_i);
    for (int i = 0; i < 3; i++) {
        promise_child_t *c = shell(scripts[i], NO_OPTIONS);
        promise_value_t v = {0};
        ck_assert(promise_is_void(promise_child_error(c)));
        ck_assert_int_gt(promise_child_pid(c), 0);
        ck_assert_int_eq(promise_loop_run(loop, promise_child_wait(c), &v), 0);
        ck_assert(promise_is(v, &promise_type_exit));
        ck_assert_int_eq(promise_exit_status(v), statuses[i]);
        ck_assert_int_eq(promise_exit_signal(v), 0);
        promise_value_clear(&v);
        promise_child_close(c);
    }
    children_end();
}
END_TEST

START_TEST(deaths_by_signal) {
    static const int signals[] = {SIGKILL, SIGTERM, SIGSEGV, SIGINT};

    children_start(_i);
    for (int i = 0; i < 4; i++) {
        promise_child_t *c = shell("exec sleep 1000", NO_OPTIONS);
        promise_value_t v = {0};
        ck_assert_int_eq(promise_child_kill(c, signals[i]), 0);
        ck_assert_int_eq(promise_loop_run(loop, promise_child_wait(c), &v), 0);
        ck_assert_int_eq(promise_exit_status(v), -1);
        ck_assert_int_eq(promise_exit_signal(v), signals[i]);
        promise_value_clear(&v);
        promise_child_close(c);
    }
    children_end();
}
END_TEST

START_TEST(ends_as_text) {
    promise_child_t *c;

    children_start(_i);
    c = shell("exit 3", NO_OPTIONS);
    outcome_is(promise_child_wait(c), "exit status 3");
    outcome_is(promise_child_wait(c), "exit status 3"); /* again, of one that has ended */
    outcome_is(promise_then(promise_child_wait(c), promise_exit_check, NULL), "!exit status 3");
    outcome_is(promise_then(promise_child_wait(c), promise_exit_check, (void *)(uintptr_t) "it"), "!it: exit status 3");
    promise_child_close(c);
    c = shell("kill -9 $$", NO_OPTIONS);
    outcome_is(promise_child_wait(c), "killed by SIGKILL");
    promise_child_close(c);
    c = shell("kill -40 $$", NO_OPTIONS);
    outcome_is(promise_child_wait(c), "killed by signal 40");
    promise_child_close(c);
    c = shell(":", NO_OPTIONS);
    outcome_is(promise_then(promise_child_wait(c), promise_exit_check, NULL), "exit status 0");
    promise_child_close(c);
    children_end();
}
END_TEST

START_TEST(exit_check_has_the_shells_codes) {
    static const char *const scripts[] = {"exit 7", "kill -15 $$"};
    static const int codes[] = {7, 128 + 15};

    children_start(_i);
    for (int i = 0; i < 2; i++) {
        promise_child_t *c = shell(scripts[i], NO_OPTIONS);
        promise_value_t v = {0};
        ck_assert_int_eq(promise_loop_run(loop, promise_then(promise_child_wait(c), promise_exit_check, NULL), &v), -1);
        ck_assert(promise_error_is(v, &promise_exit_errors, codes[i]));
        promise_value_clear(&v);
        promise_child_close(c);
    }
    children_end();
}
END_TEST

/* Several may wait, and are told in the order of the calls. */
static int turn;
static promise_value_t in_turn(promise_value_t v, void *arg) {
    ck_assert_int_eq(turn++, (int)(intptr_t)arg);
    ck_assert_int_eq(promise_exit_status(v), 5);
    return v;
}

START_TEST(several_waits_in_order) {
    promise_child_t *c;

    children_start(_i);
    c = shell("exit 5", NO_OPTIONS);
    for (intptr_t i = 0; i < 10; i++) promise_unref(promise_then(promise_child_wait(c), in_turn, (void *)i));
    run_out();
    ck_assert_int_eq(turn, 10);
    promise_child_close(c);
    children_end();
}
END_TEST

/* J3: the loop ends when they have ended, though nobody waits; and they are reaped without a close. */
START_TEST(J3_the_loop_waits_for_them) {
    promise_child_t *c;

    children_start(_i);
    c = shell("exit 5", NO_OPTIONS);
    run_out();
    ck_assert_int_eq(waitpid(promise_child_pid(c), NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
    ck_assert_int_eq(promise_child_kill(c, 0), -1);
    ck_assert_int_eq(errno, ESRCH);
    children_end();
}
END_TEST

/* R25: many end in one turn of the loop; and others that the program started are left alone. */
START_TEST(R25_two_hundred_at_once) {
    size_t n = test_scaled(200);
    promise_child_t **children = calloc(n, sizeof(promise_child_t *));
    promise_t **waits = calloc(n, sizeof(promise_t *));
    promise_value_t v = {0};
    int status;
    pid_t other;

    children_start(_i);
    other = fork();
    if (other == 0) execlp("sh", "sh", "-c", "exit 77", (char *)NULL);
    for (size_t i = 0; i < n; i++) {
        char script[32];
        snprintf(script, sizeof script, "exit %d", (int)(i % 200));
        children[i] = shell(script, NO_OPTIONS);
        waits[i] = promise_child_wait(children[i]);
    }
    ck_assert_int_eq(promise_loop_run(loop, promise_all(loop, n, waits), &v), 0);
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(promise_exit_status(promise_list_get(v, i)), (int)(i % 200));
        promise_child_close(children[i]);
    }
    promise_value_clear(&v);
    ck_assert_int_eq(waitpid(other, &status, 0), other);
    ck_assert_int_eq(WEXITSTATUS(status), 77);
    children_end();
    free(children);
    free(waits);
}
END_TEST

/* Two loops on two threads, neither of which has all the signals. */
static void *on_a_thread(void *arg) {
    promise_loop_t *mine = promise_loop_new(NULL);
    const char *const argv[] = {"sh", "-c", "exit 9", NULL};

    for (int i = 0; i < 5; i++) {
        promise_child_t *c = promise_child_spawn(mine, &OPTIONS(.argv = argv));
        promise_value_t v = {0};
        if (promise_loop_run(mine, promise_child_wait(c), &v) != 0 || promise_exit_status(v) != 9) ++*(int *)arg;
        promise_value_clear(&v);
        promise_child_close(c);
    }
    promise_loop_free(mine);
    return NULL;
}

START_TEST(on_threads_with_loops_of_their_own) {
    pthread_t threads[4];
    int wrong[4] = {0};

    children_start(_i);
    for (int i = 0; i < 4; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, on_a_thread, &wrong[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(wrong[i], 0);
    }
    children_end();
}
END_TEST

/* What somebody else has waited for is lost, but settles all the same. */
START_TEST(an_exit_that_others_took) {
    promise_child_t *c;
    bool has_pidfd;
    promise_t *p;

    children_start(_i);
    c = shell("exit 5", NO_OPTIONS);
    has_pidfd = c->pidfd >= 0;
    p = promise_child_wait(c);
    ck_assert_int_eq(waitpid(promise_child_pid(c), NULL, 0), promise_child_pid(c));
    outcome_is(p, "!wait for sh: somebody else has: No child processes");
    ck_assert_int_eq(promise_child_kill(c, SIGKILL), -1); /* the number may be anybody's */
    ck_assert_int_eq(errno, ESRCH);
    promise_child_close(c);
    if (has_pidfd) {              /* else libevent sets it */
        signal(SIGCHLD, SIG_IGN); /* the kernel takes them */
        c = shell("exit 5", NO_OPTIONS);
        outcome_is(promise_child_wait(c), "!wait for sh: somebody else has: No child processes");
        promise_child_close(c);
    }
    children_end();
}
END_TEST

/* ---- what they get ---- */

static promise_value_t keep_text(promise_value_t v, void *arg) {
    size_t size;
    const char *text = promise_as_bytes(v, &size);

    ck_assert_uint_lt(size, 1024);
    memcpy(arg, text, size + 1);
    return promise_void();
}

/* What the child writes, and its end. */
static const char *output(promise_child_t *c) {
    static char text[1024];
    promise_t *p = promise_then(promise_stream_read_all(promise_child_stdout(c), 1000), keep_text, text);

    ck_assert_msg(promise_is_void(promise_child_error(c)), "%s", promise_error_message(promise_child_error(c)));
    outcome_is(p, "void");
    promise_child_close(c);
    return text;
}

#define OUT .out = PROMISE_CHILD_PIPE

START_TEST(the_default_is_the_null_device) {
    promise_child_t *c;

    children_start(_i);
    c = shell("cat; echo lost; echo lost >&2; readlink /proc/self/fd/0 /proc/self/fd/2", OPTIONS(OUT));
    ck_assert_str_eq(output(c), "lost\n/dev/null\n/dev/null\n");
    c = shell("x=$(readlink /proc/$$/fd/1); echo $x >&2", OPTIONS(.err = PROMISE_CHILD_PIPE, .out = PROMISE_CHILD_NULL));
    line_is(promise_child_stderr(c), "/dev/null");
    outcome_is(promise_stream_read(promise_child_stdout(c), 10), "!sh: standard output is no pipe");
    outcome_is(promise_stream_write(promise_child_stdin(c), promise_string("x")), "!sh: standard input is no pipe");
    promise_child_close(c);
    children_end();
}
END_TEST

START_TEST(pipes_are_pipes) { /* which can be opened by name, as sockets cannot */
    promise_child_t *c;

    children_start(_i);
    c = shell("cat /dev/stdin; echo out >/dev/stdout; echo err >/dev/stderr",
              OPTIONS(.in = PROMISE_CHILD_PIPE, OUT, .err = PROMISE_CHILD_PIPE));
    outcome_is(promise_stream_write(promise_child_stdin(c), promise_string("in\n")), "void");
    outcome_is(promise_stream_close(promise_child_stdin(c)), "void");
    line_is(promise_child_stdout(c), "in");
    line_is(promise_child_stdout(c), "out");
    line_is(promise_child_stderr(c), "err");
    outcome_is(promise_stream_read(promise_child_stdout(c), 10), "end");
    outcome_is(promise_stream_read(promise_child_stdin(c), 10), "!the stream is closed");
    outcome_is(promise_stream_write(promise_child_stdout(c), promise_string("x")),
               "!the descriptor is for reading alone: Bad file descriptor");
    promise_child_close(c);
    c = shell("cat", OPTIONS(.in = PROMISE_CHILD_PIPE, OUT));
    outcome_is(promise_stream_read(promise_child_stdin(c), 10),
               "!promise_stream_read: the descriptor is for writing alone: Bad file descriptor");
    outcome_is(promise_stream_shutdown(promise_child_stdin(c)), "void"); /* does what it should */
    outcome_is(promise_stream_read(promise_child_stdout(c), 10), "end");
    outcome_is(promise_child_wait(c), "exit status 0");
    promise_child_close(c);
    children_end();
}
END_TEST

START_TEST(streams_outlive_the_child_where_they_are_held) {
    promise_child_t *c;
    promise_stream_t *out;

    children_start(_i);
    c = shell("echo one; echo two", OPTIONS(OUT));
    out = promise_stream_ref(promise_child_stdout(c));
    outcome_is(promise_child_wait(c), "exit status 0");
    promise_child_close(c);
    line_is(out, "one");
    line_is(out, "two");
    outcome_is(promise_stream_read(out, 10), "end");
    promise_stream_unref(out);
    children_end();
}
END_TEST

START_TEST(inherited_given_and_merged) {
    char path[] = "/tmp/promise-child-XXXXXX", text[64];
    int fd = mkstemp(path), out, null;
    promise_child_t *c;

    children_start(_i);
    unlink(path);
    c = shell("echo out; echo err >&2", OPTIONS(.out = PROMISE_CHILD_FD, .out_fd = fd, .err = PROMISE_CHILD_STDOUT));
    outcome_is(promise_child_wait(c), "exit status 0");
    promise_child_close(c);
    ck_assert_int_eq(pread(fd, text, sizeof text, 0), 8);
    ck_assert(memcmp(text, "out\nerr\n", 8) == 0);
    c = shell("echo 1; echo 2 >&2; echo 3", OPTIONS(OUT, .err = PROMISE_CHILD_STDOUT));
    ck_assert_str_eq(output(c), "1\n2\n3\n");
    /* our own, for a while that file */
    lseek(fd, 0, SEEK_SET);
    fflush(stdout);
    out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
    null = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDIN_FILENO);
    c = shell("read x; echo more", OPTIONS(.in = PROMISE_CHILD_INHERIT, .out = PROMISE_CHILD_INHERIT));
    dup2(out, STDOUT_FILENO);
    dup2(null, STDIN_FILENO);
    outcome_is(promise_child_wait(c), "exit status 0");
    promise_child_close(c);
    close(out);
    close(null);
    ck_assert_int_eq(pread(fd, text, sizeof text, 0), 9);
    ck_assert(memcmp(text, "out\nmore\n", 9) == 0);
    children_end();
    close(fd);
}
END_TEST

START_TEST(environment_and_folder) {
    const char *const environment[] = {"A=one", "B=two", NULL}, *const nothing[] = {NULL};
    const char *const argv[] = {"env", NULL};
    promise_child_t *c;

    children_start(_i);
    setenv("PROMISE_TEST", "inherited", 1);
    c = shell("echo $PROMISE_TEST", OPTIONS(OUT));
    ck_assert_str_eq(output(c), "inherited\n");
    c = shell("echo $A $B $PROMISE_TEST", OPTIONS(OUT, .environment = environment));
    ck_assert_str_eq(output(c), "one two\n");
    for (int i = 0; i < 2 && !under_valgrind(); i++) {
        c = promise_child_spawn(loop, &OPTIONS(OUT, .argv = argv, .environment = i ? nothing : environment));
        ck_assert_str_eq(output(c), i ? "" : "A=one\nB=two\n");
    }
    c = shell("pwd", OPTIONS(OUT, .folder = "/usr/bin"));
    ck_assert_str_eq(strrchr(output(c), '/'), "/bin\n");
    c = shell("echo $0; exit", OPTIONS(OUT, .folder = "/usr/bin", .file = "./sh")); /* looked for there */
    ck_assert_str_eq(strstr(output(c), "sh"), "sh\n");
    children_end();
}
END_TEST

START_TEST(looked_for_in_the_path) {
    const char *const argv[] = {"promise-tool", NULL}, *const renamed[] = {"another", NULL};
    char folder[] = "/tmp/promise-child-XXXXXX", path[128], search[5000], long_name[5000];
    char *before = strdup(getenv("PATH"));
    promise_child_t *c;
    FILE *file;

    children_start(_i);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/promise-tool", folder);
    file = fopen(path, "w");
    fputs("#!/bin/sh\necho $0\n", file);
    fclose(file);
    memset(long_name, 'x', sizeof long_name);
    long_name[4999] = 0;
    snprintf(search, sizeof search, "/nowhere:/dev/null:%s:%s", folder, before);
    setenv("PATH", search, 1);
    c = promise_child_spawn(loop, &OPTIONS(OUT, .argv = argv));
    if (getuid() != 0) ck_assert_str_eq(promise_error_message(promise_child_error(c)), "run promise-tool: Permission denied");
    promise_child_close(c);
    chmod(path, 0755);
    c = promise_child_spawn(loop, &OPTIONS(OUT, .argv = argv));
    ck_assert_str_eq(output(c), strcat(strcpy(search, path), "\n"));
    c = promise_child_spawn(loop, &OPTIONS(OUT, .argv = renamed, .file = path));
    ck_assert_str_eq(output(c), search);
    /* the empty one in PATH is where we are: there */
    setenv("PATH", "/nowhere:", 1);
    c = promise_child_spawn(loop, &OPTIONS(OUT, .argv = argv, .folder = folder));
    ck_assert_str_eq(strstr(output(c), "promise-tool"), "promise-tool\n");
    unsetenv("PATH");
    c = shell("echo yes", OPTIONS(OUT));
    ck_assert_str_eq(output(c), "yes\n");
    c = promise_child_spawn(loop, &OPTIONS(.argv = argv, .file = long_name));
    ck_assert(promise_error_is(promise_child_error(c), &promise_errno_errors, ENOENT));
    promise_child_close(c);
    setenv("PATH", before, 1);
    free(before);
    unlink(path);
    rmdir(folder);
    children_end();
}
END_TEST

/* ---- what they do not get ---- */

static char program[4096]; /* our own */

static const char *const *self(const char *what) {
    static const char *argv[3];

    argv[0] = "self";
    argv[1] = what;
    return argv;
}
#define SELF(what) SELF_WITH(what, .folder = NULL)
#define SELF_WITH(what, ...) promise_child_spawn(loop, &OPTIONS(OUT, .file = program, .argv = self(what), __VA_ARGS__))

/* Whatever the way that the others are closed. */
START_TEST(no_descriptor_that_was_not_asked_for) {
    static const unsigned ways[] = {0, CHILD_NO_CLOSE_RANGE, CHILD_NO_CLOSE_RANGE | CHILD_NO_PROC};
    int pipe_ends[2], high;

    ck_assert_int_eq(pipe(pipe_ends), 0); /* without close-on-exec */
    high = fcntl(pipe_ends[0], F_DUPFD, 200);
    children_start(0);
    promise__child_without = ways[_i];
    ck_assert_str_eq(output(SELF_WITH("fds", .in = PROMISE_CHILD_PIPE, .err = PROMISE_CHILD_PIPE)), "0 1 2\n");
    ck_assert_str_eq(output(SELF("fds")), "0 1 2\n");
    children_end();
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    close(high);
}
END_TEST

START_TEST(just_the_descriptors_that_were_asked_for) {
    int fds[4];
    struct promise_child_fd given[4];

    children_start(_i);
    for (int i = 0; i < 4; i++) {
        char name[32];
        fds[i] = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
        if (fds[i] < 0) fds[i] = fileno(tmpfile());
        snprintf(name, sizeof name, "file%d\n", i);
        ck_assert_int_eq(pwrite(fds[i], name, strlen(name), 0), (int)strlen(name));
    }
    /* crosswise, onto the numbers of each other, and far away */
    given[0] = (struct promise_child_fd){fds[0], fds[1]};
    given[1] = (struct promise_child_fd){fds[1], fds[0]};
    given[2] = (struct promise_child_fd){fds[2], 100};
    given[3] = (struct promise_child_fd){fds[2], 3};
    if (fds[0] == 3 || fds[1] == 3) given[3].as = 4;
    if (fds[0] == 4 || fds[1] == 4) given[3].as = 50;
    {
        char script[512], want[128];
        snprintf(script, sizeof script, "cat <&%d; cat <&%d; cat /dev/fd/100 /proc/self/fd/%d", fds[0], fds[1], given[3].as);
        snprintf(want, sizeof want, "file1\nfile0\nfile2\nfile2\n");
        const char *const argv[] = {"bash", "-c", script, NULL};
        if (fds[1] > 9 && access("/bin/bash", X_OK) != 0) goto list; /* dash knows only one digit */
        ck_assert_str_eq(
            output(promise_child_spawn(loop, &OPTIONS(OUT, .argv = argv, .file = access("/bin/bash", X_OK) ? "sh" : "bash",
                                                      .fds = given, .fd_count = 4))),
            want);
    }
list:
    given[0] = (struct promise_child_fd){fds[0], 5};
    given[1] = (struct promise_child_fd){fds[0], 3};
    ck_assert_str_eq(output(SELF_WITH("fds", .fds = given, .fd_count = 2)), "0 1 2 3 5\n");
    for (int i = 0; i < 4; i++) ck_assert_int_eq(fcntl(fds[i], F_GETFD), FD_CLOEXEC); /* ours are as they were */
    for (int i = 0; i < 4; i++) close(fds[i]);
    children_end();
}
END_TEST

static void ignore(int signum) { (void)signum; }

START_TEST(signals_are_as_they_were_made) {
    sigset_t all, before;

    children_start(_i);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, ignore);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    sigdelset(&all, SIGCHLD); /* libevent needs that */
    sigprocmask(SIG_SETMASK, &all, NULL);
    if (!under_valgrind()) ck_assert_str_eq(output(SELF("signals")), "none\n");
    sigprocmask(SIG_SETMASK, NULL, &all);
    ck_assert(sigismember(&all, SIGTERM)); /* ours are as they were */
    ck_assert_ptr_eq((void *)(uintptr_t)signal(SIGUSR1, ignore), (void *)(uintptr_t)ignore);
    sigprocmask(SIG_SETMASK, &before, NULL);
    children_end();
}
END_TEST

START_TEST(a_group_of_its_own) {
    promise_child_t *c;
    char want[64];

    children_start(_i);
    c = SELF_WITH("group", .new_group = true);
    snprintf(want, sizeof want, "%d\n", (int)promise_child_pid(c));
    ck_assert_str_eq(output(c), want);
    c = SELF("group");
    snprintf(want, sizeof want, "%d\n", (int)getpgrp());
    ck_assert_str_eq(output(c), want);
    children_end();
}
END_TEST

/* ---- exit and end of pipe, in any order ---- */

START_TEST(exit_before_the_end_of_the_pipe) { /* held by a child of the child */
    promise_child_t *c;
    promise_t *rest;

    children_start(_i);
    c = shell("exec 3<&0; (read x <&3; echo late) & exit 4", OPTIONS(.in = PROMISE_CHILD_PIPE, OUT));
    rest = promise_stream_read_line(promise_child_stdout(c), 100);
    outcome_is(promise_child_wait(c), "exit status 4");
    ck_assert_int_eq(promise_get_state(rest), PROMISE_PENDING);
    outcome_is(promise_stream_write(promise_child_stdin(c), promise_string("go\n")), "void");
    outcome_is(rest, "late");
    outcome_is(promise_stream_read(promise_child_stdout(c), 100), "end");
    promise_child_close(c);
    children_end();
}
END_TEST

START_TEST(end_of_the_pipe_before_the_exit) {
    promise_child_t *c;
    promise_t *exit;

    children_start(_i);
    c = shell("echo out; exec >&-; read x; exit 4", OPTIONS(.in = PROMISE_CHILD_PIPE, OUT));
    exit = promise_child_wait(c);
    line_is(promise_child_stdout(c), "out");
    outcome_is(promise_stream_read(promise_child_stdout(c), 100), "end");
    ck_assert_int_eq(promise_get_state(exit), PROMISE_PENDING);
    outcome_is(promise_stream_close(promise_child_stdin(c)), "void");
    outcome_is(exit, "exit status 4");
    promise_child_close(c);
    children_end();
}
END_TEST

/* More than a pipe holds, both ways at once. */
START_TEST(no_deadlock) {
    size_t size = test_scaled(4000000), i;
    char *text = malloc(size + 1), *end;
    promise_value_t got = {0};
    promise_child_t *c;
    promise_t *out, *in;

    children_start(_i);
    for (i = 0; i < size; i++) text[i] = (char)('a' + i % 23);
    c = shell("cat", OPTIONS(.in = PROMISE_CHILD_PIPE, OUT));
    out = promise_stream_read_all(promise_child_stdout(c), SIZE_MAX);
    in = promise_stream_write(promise_child_stdin(c), promise_bytes(text, size));
    promise_unref(in);
    promise_unref(promise_stream_close(promise_child_stdin(c)));
    ck_assert_int_eq(promise_loop_run(loop, out, &got), 0);
    end = (char *)(uintptr_t)promise_as_bytes(got, &i);
    ck_assert_uint_eq(i, size);
    ck_assert(memcmp(end, text, size) == 0);
    promise_value_clear(&got);
    outcome_is(promise_child_wait(c), "exit status 0");
    promise_child_close(c);
    children_end();
    free(text);
}
END_TEST

START_TEST(writing_to_who_has_left_is_epipe) {
    promise_child_t *c;
    const char *got;

    children_start(_i);
    c = shell("exec <&-; echo closed; exec sleep 1000", OPTIONS(.in = PROMISE_CHILD_PIPE, OUT));
    line_is(promise_child_stdout(c), "closed");
    got = text_of(promise_stream_write(promise_child_stdin(c), promise_string("x")));
    if (!strcmp(got, "void")) got = text_of(promise_stream_drain(promise_child_stdin(c))); /* not seen before it is tried */
    ck_assert_str_eq(got, "!write to the other end: Broken pipe");
    promise_child_close(c);
    children_end();
}
END_TEST

/* ---- as a child ---- */

static int tell(const char *what) {
    const char *space = "";

    if (!strcmp(what, "fds")) {
        for (int fd = 0; fd < 300; fd++)
            if (fcntl(fd, F_GETFD) >= 0) printf("%s%d", space, fd), space = " ";
        printf("\n");
    } else if (!strcmp(what, "signals")) {
        sigset_t blocked;
        bool any = false;
        sigprocmask(SIG_SETMASK, NULL, &blocked);
        for (int signum = 1; signum < NSIG; signum++) {
            struct sigaction action = {0};
            sigaction(signum, NULL, &action);
            if (action.sa_handler == SIG_IGN) printf("%d ignored\n", signum), any = true;
            if (sigismember(&blocked, signum) == 1) printf("%d blocked\n", signum), any = true;
        }
        if (!any) printf("none\n");
    } else {
        printf("%d\n", (int)getpgrp());
    }
    return 0;
}

int main(int argc, char **argv) {
    Suite *suite;
    TCase *t;

    if (argc > 1) return tell(argv[1]);
    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0) return 1;
    suite = suite_create("child");
    t = tcase_create("child");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, exit_statuses, 0, 2);
    tcase_add_loop_test(t, deaths_by_signal, 0, 2);
    tcase_add_loop_test(t, ends_as_text, 0, 2);
    tcase_add_loop_test(t, exit_check_has_the_shells_codes, 0, 2);
    tcase_add_loop_test(t, several_waits_in_order, 0, 2);
    tcase_add_loop_test(t, J3_the_loop_waits_for_them, 0, 2);
    tcase_add_loop_test(t, R25_two_hundred_at_once, 0, 2);
    tcase_add_loop_test(t, on_threads_with_loops_of_their_own, 0, 2);
    tcase_add_loop_test(t, an_exit_that_others_took, 0, 2);
    tcase_add_loop_test(t, the_default_is_the_null_device, 0, 2);
    tcase_add_loop_test(t, pipes_are_pipes, 0, 2);
    tcase_add_loop_test(t, streams_outlive_the_child_where_they_are_held, 0, 2);
    tcase_add_loop_test(t, inherited_given_and_merged, 0, 2);
    tcase_add_loop_test(t, environment_and_folder, 0, 2);
    tcase_add_loop_test(t, looked_for_in_the_path, 0, 2);
    tcase_add_loop_test(t, no_descriptor_that_was_not_asked_for, 0, 3);
    tcase_add_loop_test(t, just_the_descriptors_that_were_asked_for, 0, 2);
    tcase_add_loop_test(t, signals_are_as_they_were_made, 0, 2);
    tcase_add_loop_test(t, a_group_of_its_own, 0, 2);
    tcase_add_loop_test(t, exit_before_the_end_of_the_pipe, 0, 2);
    tcase_add_loop_test(t, end_of_the_pipe_before_the_exit, 0, 2);
    tcase_add_loop_test(t, no_deadlock, 0, 2);
    tcase_add_loop_test(t, writing_to_who_has_left_is_epipe, 0, 2);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
