/* Functions by name, with bytes: calling them, and errors that travel as bytes. */
#include "tour.h"

#include <errno.h>
#include <stdio.h>

/* region: functions */
static promise_value_t count_lines(promise_value_t text, void *arg) {
    size_t size, lines = 0;
    const char *data = promise_as_bytes(text, &size);
    (void)arg; /* always NULL: what it needs comes in the bytes */
    for (size_t i = 0; i < size; i++) lines += data[i] == '\n';
    return promise_stringf("%zu lines", lines);
}

static promise_value_t parse(promise_value_t text, void *arg) {
    (void)arg;
    return promise_throw_errno(EBADMSG, "\"%s\"", promise_as_bytes(text, NULL));
}

static const struct promise_function functions[] = {{"count lines", count_lines}, {"parse", parse}, {NULL, NULL}};
/* end: functions */

/* region: call */
static void print_result(promise_value_t v) {
    if (promise_is_rejection(v)) printf("function: %s\n", promise_error_message(v));
    else printf("function: %s\n", promise_as_bytes(v, NULL));
    promise_value_clear(&v);
}

static promise_t *call(promise_loop_t *loop) {
    print_result(promise_function_call(functions, "count lines", promise_string("one\ntwo\n")));
    print_result(promise_function_call(functions, "count words", promise_string("one\ntwo\n")));
    return promise_from(loop, promise_void());
}
/* end: call */

/* region: travel */
static promise_t *travel(promise_loop_t *loop) {
    /* there */
    promise_value_t error = promise_function_call(functions, "parse", promise_string("x = = 1"));
    promise_value_t bytes = promise_error_pack(error);
    /* here, in another process, or on another machine */
    promise_value_t again = promise_error_unpack(bytes, NULL);
    printf("travel: %s, %s\n", promise_error_message(again),
           promise_error_is(again, &promise_errno_errors, EBADMSG) ? "of the same kind" : "and nobody knows why");
    promise_value_clear(&again);
    return promise_from(loop, promise_void());
}
/* end: travel */

int main(void) {
    static tour_fn *const parts[] = {call, travel};
    if (!promise_function_find(functions, "parse")) return 1;
    return tour(sizeof parts / sizeof *parts, parts);
}
