/* Other programs: run to the end, talked with, stopped. */
#include "tour.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* region: command */
static promise_value_t print_output(promise_value_t result, void *arg) {
    (void)arg;
    printf("command: %s", promise_as_bytes(promise_command_out(result), NULL));
    return promise_void();
}

static promise_t *command(promise_loop_t *loop) {
    static const char *const argv[] = {"echo", "what it wrote", NULL};
    return promise_then(promise_timeout(promise_command(loop, argv), 60000), print_output, NULL);
}
/* end: command */

/* region: input */
static promise_t *input(promise_loop_t *loop) {
    static const char *const argv[] = {"sort", "-r", NULL}, *const environment[] = {"LC_ALL=C", NULL};
    const struct promise_child_options child = {.argv = argv, .environment = environment, .folder = "/"};
    const struct promise_command_options options = {.input = promise_string("a\nc\nb\n"), .max_output = 1000};
    return promise_then(promise_command_with(loop, &child, &options), print_output, NULL);
}
/* end: input */

/* region: failure */
static promise_value_t explain(promise_value_t reason, void *arg) {
    (void)arg;
    if (promise_error_domain(reason) == &promise_exit_errors)
        printf("failed with %d: %s\n", promise_error_code(reason), promise_error_message(reason));
    else printf("did not start: %s\n", promise_error_message(reason));
    return promise_void();
}

static promise_t *failure(promise_loop_t *loop) {
    static const char *const fails[] = {"sh", "-c", "echo 'disk is full' >&2; exit 4", NULL};
    static const char *const none[] = {"no-such-program", NULL};
    promise_t *p = promise_catch(promise_command(loop, fails), explain, NULL);
    return promise_all_of(loop, p, promise_catch(promise_command(loop, none), explain, NULL), NULL);
}
/* end: failure */

/* region: talk */
struct talk {
    promise_child_t *child;
    int questions;
};

static promise_value_t ask(promise_value_t v, void *arg) {
    struct talk *talk = arg;
    (void)v;
    if (talk->questions++ == 2) return promise_adopt(promise_stream_close(promise_child_stdin(talk->child)));
    return promise_adopt(promise_stream_write(promise_child_stdin(talk->child), promise_stringf("%d\n", talk->questions)));
}

static promise_value_t answer(promise_value_t line, void *arg) {
    printf("talk: %s\n", promise_as_string(line));
    return ask(line, arg);
}

static promise_value_t ended(promise_value_t list, void *arg) {
    (void)arg;
    printf("talk: exit status %d\n", promise_exit_status(promise_list_get(list, 0)));
    return promise_void();
}

static void hang_up(void *arg) {
    struct talk *talk = arg;
    promise_child_close(talk->child);
    free(talk);
}

static promise_t *talk(promise_loop_t *loop) {
    static const char *const argv[] = {"sh", "-c", "while read n; do echo twice $n is $((2 * n)); done; exit 3", NULL};
    const struct promise_child_options options = {.argv = argv, .in = PROMISE_CHILD_PIPE, .out = PROMISE_CHILD_PIPE};
    struct talk *talk = calloc(1, sizeof *talk);
    if (!talk) return promise_from(loop, promise_throw_errno(ENOMEM, "talk"));
    talk->child = promise_child_spawn(loop, &options);
    promise_t *first = promise_then(promise_from(loop, promise_void()), ask, talk);
    promise_t *lines = promise_each(promise_stream_lines(promise_child_stdout(talk->child), 1000), 1, answer, talk);
    promise_t *p = promise_all_of(loop, promise_child_wait(talk->child), lines, first, NULL); /* in any order */
    return promise_attach(promise_then(p, ended, NULL), talk, hang_up);
}
/* end: talk */

/* region: stop */
static promise_value_t stopped(promise_value_t reason, void *child) {
    if (!promise_is_timeout(reason)) return reason;
    printf("stop: %s\n", promise_error_message(reason));
    return promise_adopt(promise_child_wait(child)); /* it has got its SIGTERM: how does it end? */
}

static promise_t *stop(promise_loop_t *loop) {
    static const char *const argv[] = {"sleep", "1000", NULL};
    const struct promise_child_options options = {.argv = argv, .new_group = true, .kill_after_ms = 60000};
    promise_child_t *child = promise_child_spawn(loop, &options);
    promise_t *p = promise_catch(promise_timeout(promise_child_wait(child), 20), stopped, child);
    return promise_attach(promise_then(p, show, "stop"), child, promise_child_close);
}
/* end: stop */

int main(void) {
    static tour_fn *const parts[] = {command, input, failure, talk, stop};
    return tour(sizeof parts / sizeof *parts, parts);
}
