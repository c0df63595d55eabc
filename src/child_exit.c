/* How a child ended, as a value without memory of its own: in place of a pointer it has the status, or above those the signal. */
#include "child.h"

#include <signal.h>
#include <stdio.h>

enum { SIGNALED = 256 };

static const char *signal_name(int signum) {
    static const struct {
        int signum;
        const char *name;
    } names[] = {{SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},   {SIGQUIT, "SIGQUIT"}, {SIGILL, "SIGILL"},   {SIGTRAP, "SIGTRAP"},
                 {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},   {SIGKILL, "SIGKILL"}, {SIGSEGV, "SIGSEGV"},
                 {SIGPIPE, "SIGPIPE"}, {SIGALRM, "SIGALRM"}, {SIGTERM, "SIGTERM"}, {SIGUSR1, "SIGUSR1"}, {SIGUSR2, "SIGUSR2"},
                 {SIGXCPU, "SIGXCPU"}, {SIGSYS, "SIGSYS"}};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].signum == signum) return names[i].name;
    return NULL;
}

static size_t print_exit(const void *object, char *buffer, size_t size) {
    int code = (int)(uintptr_t)object;
    const char *name = code < SIGNALED ? NULL : signal_name(code - SIGNALED);
    int wanted;

    if (name) wanted = snprintf(buffer, size, "killed by %s", name);
    else if (code < SIGNALED) wanted = snprintf(buffer, size, "exit status %d", code);
    else wanted = snprintf(buffer, size, "killed by signal %d", code - SIGNALED);
    return (size_t)wanted;
}

const struct promise_type promise_type_exit = {.size = sizeof(struct promise_type), .name = "exit", .print = print_exit};

promise_value_t promise__exit_value(const siginfo_t *info) {
    promise_value_t v = {(uintptr_t)&promise_type_exit, {0}};
    int code = info->si_code == CLD_EXITED ? info->si_status : SIGNALED + info->si_status;

    v.as.pointer = (void *)(uintptr_t)(unsigned)code;
    return v;
}

static int code_of(promise_value_t v, const char *function) {
    if (promise_is(v, &promise_type_command)) v = promise__command_exit(v);
    return (int)(uintptr_t)promise__as_object_of(v, &promise_type_exit, function);
}

int promise_exit_status(promise_value_t v) {
    int code = code_of(v, __func__);
    return code < SIGNALED ? code : -1;
}

int promise_exit_signal(promise_value_t v) {
    int code = code_of(v, __func__);
    return code < SIGNALED ? 0 : code - SIGNALED;
}

const struct promise_domain promise_exit_errors = {"exit", NULL};

promise_value_t promise__exit_failed(const char *name, promise_value_t exit, const char *said, size_t size) {
    int code = code_of(exit, __func__);
    char how[64];

    print_exit((void *)(uintptr_t)(unsigned)code, how, sizeof how);
    if (code >= SIGNALED) code += 128 - SIGNALED;
    return promise_throw_at(NULL, &promise_exit_errors, code, "%s%s%s%s%.*s", name ? name : "", name ? ": " : "", how,
                            size ? ": " : "", (int)size, said);
}

promise_value_t promise_exit_check(promise_value_t v, void *name) {
    return promise_exit_status(v) == 0 ? v : promise__exit_failed(name, v, "", 0);
}
