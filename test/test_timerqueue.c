/* The queue of timers, against one that is searched from end to end; and that it costs what it should. */
#include "../src/timerqueue.h"
#include "support.h"

#include <stdlib.h>

enum { MOST = 400 };

static struct timer_queue q;
static uint64_t now;

/* ---- the other one: in the order of the calls ---- */

static struct expected {
    uint64_t due;
    struct timer *timer;
} all[MOST];
static size_t count;

static size_t first_of_all(void) {
    size_t first = 0;

    for (size_t i = 1; i < count; i++)
        if (all[i].due < all[first].due) first = i; /* of those that are due together the one that came first */
    return first;
}

static void forget(size_t i) {
    for (count--; i < count; i++) all[i] = all[i + 1];
}

static void nothing(void *arg) { (void)arg; }

static void check_first(void) {
    struct timer *t = promise__timer_first(&q);

    if (!count) ck_assert_ptr_null(t);
    else ck_assert_ptr_eq(t, all[first_of_all()].timer);
}

static void add(uint64_t due, struct timer *t) {
    ck_assert_ptr_nonnull(t);
    ck_assert_uint_eq(t->due, due);
    all[count++] = (struct expected){due, t};
}

/* Spans of which a few are common; times at which several are due. */
static void step(void) {
    static const uint64_t common[] = {0, 1, 10, 10, 10, 500};
    unsigned what = draw(10);
    uint64_t span = draw(3) ? common[draw(6)] : draw(1000);

    if (what < 5 && count < MOST) add(now + span, promise__timer_after(&q, now, span, nothing, NULL));
    else if (what == 5 && count < MOST) add(now + span, promise__timer_at(&q, now + span, nothing, NULL));
    else if (what < 8 && count) {
        size_t i = what == 6 ? draw((unsigned)count) : first_of_all();
        promise__timer_remove(&q, all[i].timer);
        forget(i);
    } else now += draw(40);
    check_first();
}

static void random_steps(uint64_t seed) {
    size_t live = test_alloc_live();

    (void)seed;
    for (int i = 0; i < 3000; i++) step();
    while (count) {
        size_t i = first_of_all();
        promise__timer_remove(&q, all[i].timer);
        forget(i);
        check_first();
    }
    promise__timer_queue_free(&q);
    q = (struct timer_queue){0};
    ck_assert_uint_eq(test_alloc_live(), live);
}

START_TEST(in_order_of_time_and_of_the_calls) { test_seeds(random_steps, 200); }
END_TEST

/* ---- what it takes ---- */

START_TEST(a_span_in_use_needs_no_memory_but_the_timers) {
    size_t n = test_scaled(100000), live;

    ck_assert_ptr_nonnull(promise__timer_after(&q, 0, 7, nothing, NULL));
    live = test_alloc_live();
    for (size_t i = 1; i < n; i++) ck_assert_ptr_nonnull(promise__timer_after(&q, i, 7, nothing, NULL));
    ck_assert_uint_eq(test_alloc_live() - live, n - 1);
    ck_assert_uint_eq(q.count, 1); /* the heap has the first of the line */
    ck_assert_uint_le(q.room, 64);
    while (promise__timer_first(&q)) promise__timer_remove(&q, promise__timer_first(&q));
    promise__timer_queue_free(&q);
}
END_TEST

/* As many as the table's places for a line, all of one set or not: those used last have theirs. */
START_TEST(a_span_that_is_used_again_and_again_keeps_its_line) {
    for (uint64_t i = 0; i < 1000; i++) {
        ck_assert_ptr_nonnull(promise__timer_after(&q, i, 30000, nothing, NULL));
        for (uint64_t k = 0; k < TIMER_WAYS - 1; k++)
            ck_assert_ptr_nonnull(promise__timer_after(&q, i, 100000 + 1000 * i + k, nothing, NULL));
    }
    ck_assert_uint_eq(q.count, 1 + 1000 * (TIMER_WAYS - 1));
    while (promise__timer_first(&q)) promise__timer_remove(&q, promise__timer_first(&q));
    ck_assert_uint_le(q.room, 64); /* the heap gives its memory back */
    promise__timer_queue_free(&q);
}
END_TEST

START_TEST(O2_each_allocation_fails_once) {
    size_t live = test_alloc_live();

    for (unsigned n = 0; n < 200; n++) { /* another span each: the heap grows */
        size_t k = 0;
        struct timer *t;
        do {
            test_alloc_fail_at(++k);
            t = promise__timer_after(&q, 0, n, nothing, NULL);
            ck_assert(!t == test_alloc_failed());
        } while (!t);
        test_alloc_fail_at(0);
        ck_assert_uint_eq(q.count, n + 1);
    }
    test_alloc_fail_from(1); /* which does not keep any from going */
    for (unsigned n = 0; n < 200; n++) {
        ck_assert_uint_eq(promise__timer_first(&q)->due, n);
        promise__timer_remove(&q, promise__timer_first(&q));
    }
    promise__timer_queue_free(&q);
    ck_assert_uint_eq(test_alloc_live(), live);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("timerqueue");
    TCase *t = tcase_create("queue");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, in_order_of_time_and_of_the_calls);
    tcase_add_test(t, a_span_in_use_needs_no_memory_but_the_timers);
    tcase_add_test(t, a_span_that_is_used_again_and_again_keeps_its_line);
    tcase_add_test(t, O2_each_allocation_fails_once);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
