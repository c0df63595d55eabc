/* Coroutines: waiting where one stands. */
#include "tour.h"

#include <stdio.h>
#include <stdlib.h>

/* region: await */
/* Stands for whatever gives a promise: here the number, some milliseconds later. */
static promise_value_t number(promise_value_t v, void *n) {
    (void)v;
    return promise_int(*(const int *)n);
}
static promise_t *fetch(const int *n) { return promise_then(promise_sleep(NULL, 5), number, (void *)(uintptr_t)n); }

static promise_value_t add(promise_value_t numbers, void *arg) {
    const int *n = promise_as_pointer(numbers);
    promise_value_t v = {0}; /* one for all awaits */
    int64_t sum = 0;
    (void)arg;
    for (int i = 0; i < 3; i++) {
        if (promise_await(fetch(&n[i]), &v) < 0) return v;
        sum += promise_as_int(v);
    }
    return promise_int(sum);
}

static promise_t *await(promise_loop_t *loop) {
    static int numbers[] = {20, 20, 2};
    promise_t *p = promise_then_async(promise_from(loop, promise_pointer(numbers)), add, NULL);
    return promise_then(p, show, "await");
}
/* end: await */

/* region: concurrent */
static promise_value_t both(promise_value_t v, void *arg) {
    static const int three = 3, four = 4;
    promise_value_t got = {0};
    (void)v, (void)arg;
    /* Each works from here on; the await is for all of them. */
    promise_t *all = promise_all_of(NULL, fetch(&three), fetch(&four), NULL);
    promise_await(all, &got); /* a list of two, or the first rejection */
    return got;
}

static promise_t *concurrent(promise_loop_t *loop) { return promise_then(promise_async(loop, both, NULL), show, "concurrent"); }
/* end: concurrent */

/* region: errors */
static promise_value_t fails(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_throw(&promise_errors, PROMISE_ECLOSED, "it has closed");
}

static promise_value_t careful(promise_value_t v, void *arg) {
    promise_value_t got = {0};
    (void)v, (void)arg;
    if (promise_await(promise_async(NULL, fails, NULL), &got) < 0) {
        if (!promise_error_is(got, &promise_errors, PROMISE_ECLOSED)) return got; /* passes it on */
        printf("errors: %s\n", promise_error_message(got));
    }
    promise_value_clear(&got);
    return promise_string("went on");
}

static promise_t *errors(promise_loop_t *loop) { return promise_then(promise_async(loop, careful, NULL), show, "errors"); }
/* end: errors */

/* region: defer */
static void say(void *text) { printf("defer: %s\n", (const char *)text); }

static promise_value_t cleans_up(promise_value_t v, void *arg) {
    char *buffer = malloc(1000);
    promise_value_t got = {0};
    (void)v, (void)arg;
    if (!buffer) return promise_out_of_memory();
    promise_defer(free, buffer);
    promise_defer(say, "before that"); /* last first */
    if (promise_await(promise_sleep(NULL, 60000), &got) < 0) return got;
    return promise_void();
}

static promise_value_t too_late(promise_value_t reason, void *arg) {
    (void)arg;
    if (!promise_is_timeout(reason)) return reason;
    printf("defer: %s\n", promise_error_message(reason));
    return promise_void();
}

static promise_t *defer(promise_loop_t *loop) {
    return promise_catch(promise_timeout(promise_async(loop, cleans_up, NULL), 20), too_late, NULL);
}
/* end: defer */

/* region: shield */
static promise_value_t closes(promise_value_t v, void *arg) {
    promise_value_t got = {0};
    (void)v, (void)arg;
    int status = promise_await(promise_sleep(NULL, 60000), &got);
    printf("shield: %s\n", status < 0 ? promise_error_message(got) : "slept well");
    /* Stands for the closing of a connection, which takes its time: a cancelled coroutine awaits this all the same. */
    status = promise_await(promise_shield(promise_sleep(NULL, 5)), &got);
    printf("shield: %s\n", status < 0 ? promise_error_message(got) : "closed");
    return got;
}

static promise_value_t stop(promise_value_t v, void *p) {
    (void)v;
    promise_cancel(p);
    return promise_void();
}

static promise_t *shield(promise_loop_t *loop) {
    promise_t *p = promise_async(loop, closes, NULL), *later = promise_then(promise_sleep(loop, 5), stop, promise_ref(p));
    return promise_all_settled_of(loop, later, p, NULL);
}
/* end: shield */

/* region: options */
static promise_value_t deep(promise_value_t v, void *arg) {
    char room[500000];
    (void)v, (void)arg;
    snprintf(room, sizeof room, "%s", promise_in_coroutine() ? "in a coroutine" : "elsewhere");
    return promise_string(room);
}

static promise_t *options(promise_loop_t *loop) {
    static const struct promise_coroutine_options large = {.stack_size = 1 << 20, .name = "deep"};
    return promise_then(promise_async_with(loop, &large, deep, NULL), show, "options");
}
/* end: options */

int main(void) {
    static tour_fn *const parts[] = {await, concurrent, errors, defer, shield, options};
    return tour(sizeof parts / sizeof *parts, parts);
}
