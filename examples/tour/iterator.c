/* Many things, one after the other. */
#include "tour.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* region: map */
static promise_value_t length(promise_value_t v, void *word) {
    (void)v;
    return promise_int((int64_t)strlen(word));
}

static promise_value_t measure(promise_value_t item, void *arg) {
    (void)arg; /* what stands for real work here: a sleep; the item lives until this promise settles */
    return promise_adopt(promise_then(promise_sleep(NULL, 10), length, (void *)(uintptr_t)promise_as_string(item)));
}

static promise_t *map(promise_loop_t *loop) {
    static char *words[] = {"kettle", "pot", "teaspoon"};
    promise_t *p = promise_map(promise_strings(loop, 3, words), 2, measure, NULL); /* two at a time */
    return promise_then(p, show, "map");
}
/* end: map */

/* region: filter */
static promise_value_t is_odd(promise_value_t item, void *arg) {
    (void)arg;
    return promise_int(promise_as_int(item) % 2 != 0);
}

static promise_value_t add(promise_value_t pair, void *arg) {
    (void)arg;
    return promise_int(promise_as_int(promise_list_get(pair, 0)) + promise_as_int(promise_list_get(pair, 1)));
}

static promise_value_t sum(promise_value_t list, void *arg) {
    (void)arg;
    return promise_adopt(promise_reduce(promise_list_items(NULL, list), promise_int(0), add, NULL));
}

static promise_t *filter(promise_loop_t *loop) {
    const promise_value_t numbers[] = {promise_int(1), promise_int(2), promise_int(3)};
    promise_t *p = promise_filter(promise_items(loop, 3, numbers), 0, is_odd, NULL);
    p = promise_then(p, show, "filter");
    return promise_then(promise_then(p, sum, NULL), show, "reduce");
}
/* end: filter */

/* region: pull */
struct countdown {
    int64_t left;
};

static promise_value_t next(promise_value_t v, void *arg) {
    struct countdown *c = arg;
    (void)v;
    return c->left > 0 ? promise_int(c->left--) : promise_end();
}

static promise_iterator_t *count_down(promise_loop_t *loop, int64_t from) {
    struct countdown *c = malloc(sizeof *c);
    if (!c) return promise_list_items(loop, promise_throw_errno(ENOMEM, "countdown")); /* an iterator that rejects */
    c->left = from;
    return promise_iterator_attach(promise_pull(loop, next, c), c, free);
}

static promise_t *pull(promise_loop_t *loop) { return promise_each(count_down(loop, 3), 1, show, "pull"); }
/* end: pull */

/* region: next */
static promise_t *by_hand(promise_loop_t *loop) {
    promise_iterator_t *it = count_down(loop, 3);
    promise_t *first = promise_next(it), *second = promise_next(it); /* two at once: they come in order */
    promise_t *both = promise_all_of(loop, first, second, NULL);
    return promise_attach(promise_then(both, show, "next"), it, promise_iterator_close);
}
/* end: next */

/* region: repeat */
static promise_value_t double_it(promise_value_t before, void *arg) {
    int64_t n = promise_is_void(before) ? 1 : promise_as_int(before); /* void the first time */
    (void)arg;
    return n > 1000 ? promise_end() : promise_int(2 * n);
}

static promise_t *repeat(promise_loop_t *loop) {
    return promise_then(promise_repeat(loop, double_it, NULL), show, "repeat");
}
/* end: repeat */

/* region: coroutine */
static promise_value_t brew(promise_value_t tea, void *arg) { /* a coroutine */
    promise_value_t v = {0};
    (void)arg;
    if (promise_await(promise_sleep(NULL, 2), &v) < 0) return v; /* the water */
    if (promise_await(promise_sleep(NULL, 3), &v) < 0) return v; /* the leaves */
    return promise_stringf("a cup of %s", promise_as_string(tea));
}

static promise_value_t start_brew(promise_value_t tea, void *arg) {
    return promise_adopt(promise_then_async(promise_from(NULL, tea), brew, arg));
}

static promise_t *by_coroutines(promise_loop_t *loop) {
    static char *teas[] = {"Assam", "Sencha", "mint"};
    return promise_then(promise_map(promise_strings(loop, 3, teas), 2, start_brew, NULL), show, "coroutine");
}
/* end: coroutine */

int main(void) {
    static tour_fn *const parts[] = {map, filter, pull, by_hand, repeat, by_coroutines};
    return tour(sizeof parts / sizeof *parts, parts);
}
