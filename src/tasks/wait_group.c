/* Wait groups: what is held is the count. */
#include <promise/wait_group.h>

#include "tasks/turn.h"

struct promise_wait_group {
    struct turns turns;
};

static bool take(struct turns *t, uintptr_t want) {
    (void)want;
    return !t->held;
}

static void give(struct turns *t, uintptr_t want) { (void)t, (void)want; }

static const struct turns_type type = {.name = "wait group", .take = take, .give = give};

static struct turns *check(const void *g, const char *function) { return promise__turns_check(g, &type, function); }

promise_wait_group_t *promise_wait_group_new(promise_loop_t *loop) {
    return promise__turns_new(loop, &type, sizeof(promise_wait_group_t), __func__);
}

void promise_wait_group_free(void *g) { promise__turns_free(g, &type, __func__); }

void promise_wait_group_add(promise_wait_group_t *g, size_t n) {
    struct turns *t;

    if (promise_source_nomem_loop(g)) return;
    t = check(g, __func__);
    if (t->held > SIZE_MAX - n) promise__stop("promise_wait_group_add: more than SIZE_MAX");
    t->held += n;
}

void promise_wait_group_done(void *g) {
    struct turns *t;

    if (promise_source_nomem_loop(g)) return;
    t = check(g, __func__);
    if (!t->held) promise__stop("promise_wait_group_done: expected a wait group with something to be done, got one with none");
    t->held--;
    promise__turn_end(t, 0);
}

promise_t *promise_wait_group_wait(promise_wait_group_t *g) {
    promise_t *refused = promise__turns_refuse(g);

    return refused ? refused : promise__turn(check(g, __func__), 0);
}

size_t promise_wait_group_count(const promise_wait_group_t *g) {
    return promise_source_nomem_loop(g) ? 0 : check(g, __func__)->held;
}
