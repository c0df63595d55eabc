#include "../src/child.h"

#include "children.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static size_t live, fds;

void children_start(int mode) {
    if (mode) promise__child_without |= CHILD_NO_PIDFD;
    live = test_alloc_live();
    fds = test_open_fds();
    loop = promise_loop_new(NULL);
    ck_assert_ptr_nonnull(loop);
}

void children_end_without_loop(void) {
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
    ck_assert_uint_eq(test_open_fds(), fds);
    ck_assert_uint_eq(test_alloc_live(), live);
}

void children_end(void) {
    promise_loop_free(loop);
    children_end_without_loop();
}

promise_child_t *shell(const char *script, struct promise_child_options options) {
    const char *const argv[] = {"sh", "-c", script, NULL};

    options.argv = argv;
    return promise_child_spawn(loop, &options);
}

const char *text_of(promise_t *p) {
    static char text[1024];
    promise_value_t v = {0};
    int status = promise_loop_run(loop, p, &v);

    ck_assert_int_eq(status, promise_is_rejection(v) ? -1 : 0);
    if (promise_is_rejection(v)) snprintf(text, sizeof text, "!%s", promise_error_message(v));
    else promise_print(v, text, sizeof text);
    promise_value_clear(&v);
    return text;
}

void line_is(promise_stream_t *stream, const char *text) {
    promise_value_t v = {0};

    ck_assert_msg(promise_loop_run(loop, promise_stream_read_line(stream, 4096), &v) == 0, "%s", promise_error_message(v));
    ck_assert_msg(promise_is(v, &promise_type_string), "expected \"%s\", got %s", text, promise_type_name(v));
    ck_assert_str_eq(promise_as_string(v), text);
    promise_value_clear(&v);
}

void run_out(void) { ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0); }

bool is_running(pid_t pid) {
    char path[64], state = 'Z';
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    file = fopen(path, "r");
    if (!file) return false;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) state = 'Z';
    fclose(file);
    return state != 'Z' && state != 'X';
}

bool under_valgrind(void) {
    const char *preload = getenv("LD_PRELOAD");
    return preload && strstr(preload, "vgpreload");
}
