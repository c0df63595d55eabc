/* Many promises made one. */
#include "tour.h"

#include <errno.h>
#include <stdio.h>

/* region: answer */
struct mirror {
    const char *name;
    unsigned ms;
    int error; /* 0: it answers */
};

static promise_value_t answer(promise_value_t v, void *arg) {
    const struct mirror *mirror = arg;
    (void)v;
    return mirror->error ? promise_throw_errno(mirror->error, "%s", mirror->name) : promise_string(mirror->name);
}

static promise_t *ask(promise_loop_t *loop, struct mirror *mirror) {
    return promise_then(promise_sleep(loop, mirror->ms), answer, mirror);
}

static struct mirror near = {"near", 10, 0}, far = {"far", 30, 0}, slow = {"slow", 60000, 0};
static struct mirror down = {"down", 20, ECONNREFUSED};
/* end: answer */

/* region: all */
static promise_t *all(promise_loop_t *loop) {
    promise_t *p = promise_all_of(loop, ask(loop, &far), ask(loop, &near), NULL);
    return promise_then(p, show, "all");
}

static promise_value_t tell(promise_value_t reason, void *label) {
    printf("%s: %s\n", (const char *)label, promise_error_message(reason));
    return promise_void();
}

static promise_t *all_fails(promise_loop_t *loop) {
    promise_t *p = promise_all_of(loop, ask(loop, &slow), ask(loop, &down), NULL); /* 20 ms, not a minute */
    return promise_then_catch(p, show, tell, "all");
}
/* end: all */

/* region: keyed */
static promise_value_t greet(promise_value_t v, void *arg) {
    (void)arg;
    printf("keyed: %s and %s\n", promise_as_string(promise_get(v, "home")), promise_as_string(promise_get(v, "away")));
    return promise_void();
}

static promise_t *keyed(promise_loop_t *loop) {
    const struct promise_entry entries[] = {{"home", ask(loop, &near)}, {"away", ask(loop, &far)}};
    return promise_then(promise_all_keyed(loop, 2, entries), greet, NULL);
}
/* end: keyed */

/* region: settled */
static promise_value_t count(promise_value_t outcomes, void *arg) {
    int good = 0, bad = 0;
    (void)arg;
    for (size_t i = 0; i < promise_list_size(outcomes); i++)
        *(promise_is_rejection(promise_list_get(outcomes, i)) ? &bad : &good) += 1;
    return promise_stringf("%d answered, %d did not", good, bad);
}

static promise_t *settled(promise_loop_t *loop) {
    promise_t *promises[] = {ask(loop, &near), ask(loop, &down), ask(loop, &far)};
    promise_t *p = promise_all_settled(loop, 3, promises);
    return promise_then(promise_then(p, count, NULL), show, "settled");
}
/* end: settled */

/* region: any */
static promise_t *any(promise_loop_t *loop) {
    promise_t *p = promise_any_of(loop, ask(loop, &down), ask(loop, &far), ask(loop, &slow), NULL);
    return promise_then(p, show, "any");
}

static promise_t *two_of_three(promise_loop_t *loop) {
    promise_t *p = promise_some_of(loop, 2, ask(loop, &far), ask(loop, &near), ask(loop, &slow), NULL);
    return promise_then(p, show, "some");
}

static promise_t *race(promise_loop_t *loop) {
    promise_t *p = promise_race_of(loop, ask(loop, &down), ask(loop, &far), NULL);
    return promise_then_catch(p, show, tell, "race");
}
/* end: any */

int main(void) {
    static tour_fn *const parts[] = {all, all_fails, keyed, settled, any, two_of_three, race};
    return tour(sizeof parts / sizeof *parts, parts);
}
