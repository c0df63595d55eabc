#include "working.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* All of this is in another process: what Check offers does not work there. What a function that does not return was given is
 * kept where valgrind finds it, which else would say so, and have a status of its own. */
static promise_value_t held;

static long number(promise_value_t v) { return strtol(promise_as_bytes(v, NULL), NULL, 10); }

/* ---- what they give ---- */

static promise_value_t echo(promise_value_t v, void *arg) { return arg ? promise_throw_errno(EINVAL, "an argument") : v; }

static promise_value_t reverse(promise_value_t v, void *arg) {
    size_t size;
    const char *data = promise_as_bytes(v, &size);
    char *copy = malloc(size + 1);

    (void)arg;
    if (!copy) return promise_throw_errno(ENOMEM, "reverse");
    for (size_t i = 0; i < size; i++) copy[i] = data[size - 1 - i];
    return promise_bytes_take(copy, size);
}

static promise_value_t many(promise_value_t v, void *arg) {
    size_t size = (size_t)number(v);

    (void)arg;
    return promise_bytes_take(calloc(1, size + 1), size);
}

static promise_value_t nothing(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}

static promise_value_t an_int(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_int(3);
}

static promise_value_t pid(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_stringf("%d", (int)getpid());
}

/* ---- how they fail ---- */

static promise_value_t give_error(promise_value_t v, void *arg) {
    (void)arg;
    return promise_throw_errno((int)number(v), "what fails");
}

static promise_value_t odd(promise_value_t v, void *arg) {
    promise_value_t cause = promise_throw_errno(ENOENT, "the file");

    (void)v, (void)arg;
    return promise_wrap(cause, &working_errors, WORKING_ODD, "no \"%s\"", promise_as_bytes(v, NULL));
}

static promise_value_t plain(promise_value_t v, void *arg) {
    (void)arg;
    return promise_throw_value(promise_string(promise_as_bytes(v, NULL)));
}

static promise_value_t wait_for_ever(promise_value_t v) {
    while (getpid()) pause();
    return v;
}

/* Not a crash itself: a sanitizer would report that. */
static promise_value_t die(promise_value_t v, void *arg) {
    (void)arg;
    held = v;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    kill(getpid(), (int)number(v));
    return wait_for_ever(v);
}

static promise_value_t leave(promise_value_t v, void *arg) {
    (void)arg;
    held = v;
    _exit((int)number(held));
}

static promise_value_t hang(promise_value_t v, void *arg) {
    (void)arg;
    return wait_for_ever(v);
}

static promise_value_t spin(promise_value_t v, void *arg) {
    volatile unsigned n = 0;

    (void)arg;
    held = v;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    while (n < 2) n = !n;
    return v;
}

/* What it prints to the wrong descriptor. */
static void write_everywhere(promise_value_t v) {
    size_t size;
    const char *data = promise_as_bytes(v, &size);

    for (int fd = 3; fd < 20; fd++)
        if (fcntl(fd, F_GETFD) >= 0 && write(fd, data, size) < 0) break;
}

static promise_value_t garbage(promise_value_t v, void *arg) {
    (void)arg;
    write_everywhere(v);
    return promise_string("after the garbage");
}

/* What it is given is written to all that is open, and then it dies. */
static promise_value_t half(promise_value_t v, void *arg) {
    (void)arg;
    held = v;
    write_everywhere(v);
    kill(getpid(), SIGKILL);
    return v;
}

/* As daemons do it. */
static promise_value_t close_all(promise_value_t v, void *arg) {
    (void)arg;
    for (int fd = 3; fd < 100; fd++) close(fd);
    return wait_for_ever(v);
}

static promise_value_t close_and_return(promise_value_t v, void *arg) {
    (void)arg;
    for (int fd = 3; fd < 100; fd++) close(fd);
    return v;
}

/* ---- where they are ---- */

static promise_value_t descriptors(promise_value_t v, void *arg) {
    int n = 0;

    (void)v, (void)arg;
    for (int fd = 0; fd < 1000; fd++) n += fcntl(fd, F_GETFD) >= 0; /* valgrind has its own, behind */
    return promise_stringf("%d", n);
}

static promise_value_t signals(promise_value_t v, void *arg) {
    struct sigaction action;
    sigset_t blocked;

    (void)v, (void)arg;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    for (int signum = 1; signum < SIGRTMIN; signum++) {
        if (sigismember(&blocked, signum) == 1) return promise_stringf("%d is blocked", signum);
        if (sigaction(signum, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
            return promise_stringf("%d is caught", signum);
    }
    return promise_stringf("%s, input ends: %d", getpgrp() == getpid() ? "leads" : "follows", read(0, &blocked, 1) == 0);
}

static promise_value_t allocate(promise_value_t v, void *arg) {
    size_t size = (size_t)number(v);
    char *block = malloc(size);

    (void)arg;
    if (!block) return promise_throw_errno(ENOMEM, "%zu bytes", size);
    memset(block, 1, size);
    size = (size_t)block[size / 2];
    free(block);
    return promise_stringf("%zu", size);
}

static promise_value_t a_loop(promise_value_t v, void *arg) {
    promise_loop_t *own = promise_loop_new(NULL);
    promise_value_t got = {0};

    (void)arg;
    if (promise_loop_current()) return promise_throw_errno(EBUSY, "another loop");
    promise_loop_run(own, promise_then(promise_from(own, v), echo, NULL), &got);
    promise_loop_free(own);
    return got;
}

/* One that its function has started, and that outlives the call: it says which. */
static promise_value_t child(promise_value_t v, void *arg) {
    pid_t process = fork();

    (void)v, (void)arg;
    if (process == 0)
        for (;;) pause();
    return promise_stringf("%d", (int)process);
}

const struct promise_function working_functions[] = {{"echo", echo},       {"reverse", reverse},
                                                     {"many", many},       {"nothing", nothing},
                                                     {"an int", an_int},   {"pid", pid},
                                                     {"fail", give_error}, {"odd", odd},
                                                     {"plain", plain},     {"die", die},
                                                     {"exit", leave},      {"hang", hang},
                                                     {"spin", spin},       {"garbage", garbage},
                                                     {"close", close_all}, {"descriptors", descriptors},
                                                     {"signals", signals}, {"allocate", allocate},
                                                     {"loop", a_loop},     {"child", child},
                                                     {"half", half},       {"close and return", close_and_return},
                                                     {NULL, NULL}};

static const char *describe(int code) { return code == WORKING_ODD ? "odd" : "unknown"; }
const struct promise_domain working_errors = {"working", describe}, *const working_domains[] = {&working_errors, NULL};

/* ---- the pool ---- */

promise_process_pool_t *pool;

void working_start(int start, struct promise_process_options options) {
    children_start(0);
    if (!options.functions) options.functions = working_functions;
    if (!options.domains) options.domains = working_domains;
    options.start = start ? PROMISE_PROCESS_EXEC : PROMISE_PROCESS_FORK;
    pool = promise_process_pool_new(loop, &options);
}

void working_end(void) {
    promise_process_pool_free(pool);
    children_end();
}

promise_t *run(const char *name, const char *text) { return promise_process_run(pool, name, promise_string(text)); }

const char *bytes_of(promise_t *p) {
    static char text[1024];
    promise_value_t v = {0};

    if (promise_loop_run(loop, p, &v) < 0) snprintf(text, sizeof text, "!%s", promise_error_message(v));
    else if (promise_is(v, &promise_type_bytes)) snprintf(text, sizeof text, "%s", promise_as_bytes(v, NULL));
    else snprintf(text, sizeof text, "%s", promise_type_name(v));
    promise_value_clear(&v);
    return text;
}

void working_until_running(size_t n) {
    while (promise_process_pool_running(pool) != n) promise_loop_turn(loop);
}

pid_t working_pid(void) { return (pid_t)strtol(bytes_of(run("pid", "")), NULL, 10); }
