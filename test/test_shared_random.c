/* Channels that cross threads, against a simple model: several loops and several threads without one send, receive, cancel, and
 * free their loops at random. What was sent arrives once, what each of them sent in its order (K6, H2). */
#include "support.h"

#include <promise.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { LOOPS = 3, PLAIN = 2, ALL = LOOPS + PLAIN, PENDING = 16 };

struct op {
    promise_t *p;
    int64_t number; /* of the item */
};

struct worker {
    pthread_t thread;
    int id;
    uint64_t draws;
    size_t steps;
    promise_loop_t *loop; /* or NULL */
    promise_shared_channel_t *ch;
    int64_t numbers;                             /* the items that it has made */
    int64_t last[ALL];                           /* that it has got from each */
    struct op sends[PENDING], receives[PENDING]; /* in the order of the calls */
    int sending, receiving;
    size_t got;
};

static struct worker workers[ALL];
static _Atomic(unsigned char) *sent[ALL], *seen[ALL]; /* by number */
static atomic_int at_work;

static unsigned pick(struct worker *w, unsigned n) {
    w->draws ^= w->draws << 13;
    w->draws ^= w->draws >> 7;
    w->draws ^= w->draws << 17;
    return (unsigned)(w->draws >> 33) % n;
}

/* ---- the model ---- */

static promise_value_t item(struct worker *w) {
    const promise_value_t v[] = {promise_int(w->id), promise_int(++w->numbers)};

    return w->numbers % 4 ? promise_int((int64_t)w->id << 40 | w->numbers) : promise_list(2, v);
}

static void has_got(struct worker *w, promise_value_t v) {
    bool is_list = promise_is(v, &promise_type_list);
    int64_t id = is_list ? promise_as_int(promise_list_get(v, 0)) : promise_as_int(v) >> 40;
    int64_t number = is_list ? promise_as_int(promise_list_get(v, 1)) : promise_as_int(v) & (((int64_t)1 << 40) - 1);

    ck_assert_int_gt(number, w->last[id]); /* not reordered */
    w->last[id] = number;
    ck_assert_int_eq(atomic_exchange(&seen[id][number], 1), 0); /* not twice */
    w->got++;
}

static void was_sent(struct worker *w, int64_t number, bool fulfilled) { atomic_store(&sent[w->id][number], fulfilled); }

/* A send that was cancelled may have come too late for that; one that was fulfilled has arrived. */
static void check_all(void) {
    for (int i = 0; i < ALL; i++)
        for (int64_t n = 1; n <= workers[i].numbers; n++)
            if (atomic_load(&sent[i][n])) ck_assert_int_eq(atomic_load(&seen[i][n]), 1); /* not lost */
}

/* ---- on a loop ---- */

static promise_value_t ignore(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}

static void add(struct op *ops, int *n, promise_t *p, int64_t number) {
    ops[(*n)++] = (struct op){p, number};
    promise_unref(promise_catch(promise_ref(p), ignore, NULL));
}

/* Those that have settled, in the order of the calls. */
static void look(struct worker *w) {
    int left = 0;

    for (int i = 0; i < w->receiving; i++) {
        promise_t *p = w->receives[i].p;
        if (promise_get_state(p) == PROMISE_PENDING) w->receives[left++] = w->receives[i];
        else {
            if (promise_get_state(p) == PROMISE_FULFILLED) has_got(w, promise_peek(p));
            promise_unref(p);
        }
    }
    w->receiving = left;
    left = 0;
    for (int i = 0; i < w->sending; i++) {
        promise_t *p = w->sends[i].p;
        if (promise_get_state(p) == PROMISE_PENDING) w->sends[left++] = w->sends[i];
        else {
            was_sent(w, w->sends[i].number, promise_get_state(p) == PROMISE_FULFILLED);
            promise_unref(p);
        }
    }
    w->sending = left;
}

static void open_loop(struct worker *w) {
    w->loop = promise_loop_new(NULL);
    ck_assert_ptr_nonnull(w->loop);
}

static void step_on_loop(struct worker *w) {
    promise_value_t v;

    switch (pick(w, 12)) {
    case 0:
    case 1:
    case 2:
        if (w->sending == PENDING) break;
        v = item(w);
        add(w->sends, &w->sending, promise_shared_send(w->loop, w->ch, v), w->numbers);
        return;
    case 3:
    case 4:
    case 5:
        if (w->receiving == PENDING) break;
        add(w->receives, &w->receiving, promise_shared_receive(w->loop, w->ch), 0);
        return;
    case 6:
        if (w->sending) promise_cancel(promise_ref(w->sends[pick(w, (unsigned)w->sending)].p));
        break;
    case 7:
    case 8:
        if (w->receiving) promise_cancel(promise_ref(w->receives[pick(w, (unsigned)w->receiving)].p));
        break;
    case 9:
        if (pick(w, 100)) break;
        promise_loop_free(w->loop);
        look(w);
        open_loop(w);
        return;
    default: break;
    }
    promise_loop_turn(w->loop);
    look(w);
}

/* ---- on a thread without one ---- */

static void step(struct worker *w) {
    static const uint64_t times[] = {0, 0, 0, 1};
    promise_value_t v = {0};

    if (pick(w, 2)) {
        v = item(w);
        was_sent(w, w->numbers, promise_shared_send_wait(w->ch, v, times[pick(w, 4)], NULL) == 0);
    } else if (promise_shared_receive_wait(w->ch, times[pick(w, 4)], &v) == 0) {
        has_got(w, v);
        promise_value_clear(&v);
    } else {
        promise_value_clear(&v);
    }
}

/* ---- all of it ---- */

/* The last one to send closes; then all receive what is left. */
static void finish(struct worker *w) {
    promise_value_t v = {0};

    if (w->loop) {
        while (w->sending) {
            promise_cancel(promise_ref(w->sends[0].p));
            look(w);
        }
        while (w->receiving) {
            promise_cancel(promise_ref(w->receives[0].p));
            look(w);
        }
    }
    if (atomic_fetch_sub(&at_work, 1) == 1) promise_shared_channel_close(w->ch);
    for (;;) {
        if (w->loop) ck_assert_int_eq(promise_loop_run(w->loop, promise_shared_receive(w->loop, w->ch), &v), 0);
        else ck_assert_int_eq(promise_shared_receive_wait(w->ch, UINT64_MAX, &v), 0);
        if (promise_is_end(v)) break;
        has_got(w, v);
    }
    promise_value_clear(&v);
}

static void *work(void *arg) {
    struct worker *w = arg;

    if (w->id < LOOPS) open_loop(w);
    for (size_t i = 0; i < w->steps; i++) {
        if (w->loop) step_on_loop(w);
        else step(w);
    }
    finish(w);
    promise_loop_free(w->loop);
    promise_shared_channel_unref(w->ch);
    return NULL;
}

static void run(size_t capacity, size_t steps, uint64_t seed) {
    size_t live = test_alloc_live(), fds = test_open_fds();
    promise_shared_channel_t *ch = promise_shared_channel_new(capacity);

    atomic_store(&at_work, ALL);
    for (int i = 0; i < ALL; i++) {
        sent[i] = calloc(steps + 1, 1);
        seen[i] = calloc(steps + 1, 1);
        memset(&workers[i], 0, sizeof workers[i]);
        workers[i].id = i;
        workers[i].draws = (seed * 8 + (uint64_t)i + 1) * 0x9E3779B97F4A7C15U;
        workers[i].steps = i < LOOPS ? steps : steps / 8;
        workers[i].ch = promise_shared_channel_ref(ch);
    }
    promise_shared_channel_unref(ch);
    for (int i = 0; i < ALL; i++) ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (int i = 0; i < ALL; i++) pthread_join(workers[i].thread, NULL);
    check_all();
    for (int i = 0; i < ALL; i++) {
        free((void *)sent[i]);
        free((void *)seen[i]);
    }
    ck_assert_uint_eq(test_alloc_live(), live);
    ck_assert_uint_eq(test_open_fds(), fds);
}

static uint64_t first_seed(void) {
    const char *seed = getenv("SEED");
    return seed ? strtoull(seed, NULL, 10) : 1;
}
/* ROUNDS of the environment for more of it. */
static uint64_t rounds(void) {
    const char *n = getenv("ROUNDS");
    return n ? strtoull(n, NULL, 10) : 1;
}

START_TEST(K6_nothing_is_lost) {
    static const size_t capacities[] = {0, 1, 3, 100};

    for (uint64_t i = 0; i < rounds(); i++) run(capacities[_i], test_scaled(40000), first_seed() + i);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("shared_random");
    TCase *threads = tcase_create("threads");

    tcase_set_timeout(threads, 600);
    tcase_add_loop_test(threads, K6_nothing_is_lost, 0, 4);
    suite_add_tcase(suite, threads);
    return test_main(suite);
}
