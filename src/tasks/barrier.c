/* Barriers. What a turn wants is the number of its round. */
#include <promise/barrier.h>

#include "tasks/turn.h"

struct promise_barrier {
    struct turns turns;
    size_t n;
    uintptr_t round; /* from 1 */
    uintptr_t told;  /* the last one of which somebody was told to be the one */
    bool open;       /* the round ends */
};

static bool take(struct turns *t, uintptr_t want) {
    const promise_barrier_t *b = (promise_barrier_t *)t;

    (void)want;
    return b->open || b->n == 1;
}

/* Who was cancelled after its round has ended takes nothing along. */
static void give(struct turns *t, uintptr_t want) { (void)t, (void)want; }

/* Rounds are told one after the other. */
static promise_value_t told(struct turns *t, uintptr_t want) {
    promise_barrier_t *b = (promise_barrier_t *)t;
    bool first = b->told != want;

    b->told = want;
    return promise_int(first);
}

static const struct turns_type type = {.name = "barrier", .take = take, .give = give, .told = told};

static promise_barrier_t *check(const void *b, const char *function) { return promise__turns_check(b, &type, function); }

/* ---- make and free ---- */

promise_barrier_t *promise_barrier_new(promise_loop_t *loop, size_t n) {
    promise_barrier_t *b = promise__turns_new(loop, &type, sizeof *b, __func__);

    if (promise_source_nomem_loop(b)) return b;
    b->n = n;
    b->round = 1;
    return b;
}

void promise_barrier_free(void *b) { promise__turns_free(b, &type, __func__); }

/* ---- use ---- */

/* Without those that are being cancelled. */
static bool all_have_come(const promise_barrier_t *b) {
    if (b->turns.waiting.count < b->n) return false;
    for (const promise_t *p = b->turns.waiting.first; p; p = p->turn_next)
        if (p->flags & FLAG_LISTED) return false;
    return true;
}

static promise_t *wait_for_all(promise_barrier_t *b) {
    promise_t *p;

    if (!b->n) return promise__settled(b->turns.loop, promise__bad_argument("promise_barrier_new", "n is 0"));
    p = promise__turn(&b->turns, b->round);
    if (b->n == 1) b->round++;
    if (!all_have_come(b)) return p;
    b->open = true;
    promise__turns_serve(&b->turns);
    b->open = false;
    b->round++;
    return p;
}

promise_t *promise_barrier_wait(promise_barrier_t *b) {
    promise_t *refused = promise__turns_refuse(b);

    return refused ? refused : wait_for_all(check(b, __func__));
}

size_t promise_barrier_waiting(const promise_barrier_t *b) {
    return promise_source_nomem_loop(b) ? 0 : check(b, __func__)->turns.waiting.count;
}
