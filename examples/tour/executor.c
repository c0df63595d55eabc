/* One interface in front of all that runs functions. */
#include "tour.h"

#include <stdio.h>

/* region: functions */
static promise_value_t shout(promise_value_t text, void *arg) {
    char loud[64];
    size_t size, n = 0;
    const char *data = promise_as_bytes(text, &size);
    (void)arg;
    for (; n < size && n < sizeof loud; n++) loud[n] = (char)(data[n] >= 'a' && data[n] <= 'z' ? data[n] - 32 : data[n]);
    return promise_bytes(loud, n);
}

static const struct promise_function functions[] = {{"shout", shout}, {NULL, NULL}};
/* end: functions */

/* region: execute */
static promise_value_t print(promise_value_t bytes, void *arg) {
    (void)arg;
    printf("execute: %s\n", promise_as_bytes(bytes, NULL));
    return promise_void();
}

static promise_t *shout_it(promise_executor_t *ex) { /* wherever that is */
    return promise_then(promise_execute(ex, "shout", promise_string("hello")), print, NULL);
}

static promise_t *execute(promise_loop_t *loop) {
    const struct promise_process_options options = {.functions = functions, .workers = 1};
    promise_process_pool_t *pool = promise_process_pool_new(loop, &options);
    promise_executor_t *here = promise_executor_loop(loop, functions), *there = promise_executor_processes(pool);
    promise_t *p = promise_all_of(loop, shout_it(here), shout_it(there), NULL);
    p = promise_attach(promise_attach(p, here, promise_executor_free), there, promise_executor_free);
    return promise_attach(p, pool, promise_process_pool_free); /* a pool outlives its executor */
}
/* end: execute */

/* region: limit */
static promise_value_t report(promise_value_t v, void *ex) {
    (void)v;
    printf("limit: %zu run, %zu wait\n", promise_executor_running(ex), promise_executor_queued(ex));
    return promise_void();
}

static promise_value_t refused(promise_value_t reason, void *arg) {
    (void)arg;
    printf("limit: %s\n", promise_error_message(reason));
    return promise_void();
}

static promise_t *limit(promise_loop_t *loop) {
    promise_executor_t *ex = promise_executor_loop(loop, functions);
    promise_executor_limit(ex, 1, 2);
    report(promise_void(), ex);
    for (int i = 0; i < 3; i++) promise_unref(promise_execute(ex, "shout", promise_string("x")));
    report(promise_void(), ex);
    promise_t *fourth = promise_catch(promise_execute(ex, "shout", promise_string("x")), refused, NULL);
    promise_t *p = promise_all_of(loop, fourth, promise_executor_close(ex, 60000), NULL); /* the others end first */
    return promise_attach(promise_then(p, report, ex), ex, promise_executor_free);
}
/* end: limit */

/* region: engine */
/* As if the functions were far away: a real one would send name and bytes, and settle when the answer is there. */
struct answer {
    const struct promise_function *functions;
    promise_value_t name, bytes;
};

static promise_value_t answer(promise_value_t v, void *arg) {
    struct answer *a = arg;
    (void)v;
    return promise_function_call(a->functions, promise_as_string(a->name), a->bytes);
}

static void free_answer(void *arg) {
    struct answer *a = arg;
    promise_value_clear(&a->name);
    promise_value_clear(&a->bytes);
}

static promise_t *run_far_away(void *data, promise_loop_t *loop, const char *name, promise_value_t bytes) {
    static struct answer a; /* for the one call of this example */
    a.functions = data;
    promise_value_set(&a.name, promise_string(name));
    promise_value_set(&a.bytes, bytes);
    return promise_attach(promise_then(promise_sleep(loop, 10), answer, &a), &a, free_answer);
}

static const struct promise_engine far_away = {.size = sizeof far_away, .run = run_far_away};

static promise_t *by_an_engine(promise_loop_t *loop) {
    promise_executor_t *ex = promise_executor_new(loop, &far_away, (void *)(uintptr_t)functions);
    return promise_attach(shout_it(ex), ex, promise_executor_free);
}
/* end: engine */

int main(void) {
    static tour_fn *const parts[] = {execute, limit, by_an_engine};
    return tour(sizeof parts / sizeof *parts, parts);
}
