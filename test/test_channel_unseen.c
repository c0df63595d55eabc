/*
 * K6: an item that a receive was settled with, but that nobody has seen, goes back to its channel; whatever stands between.
 */
#include "hosted.h"

#include <stdio.h>
#include <string.h>

static promise_channel_t *ch;

static void start(void) {
    hosted_start();
    ch = promise_channel_new(loop, 0);
}

static void end(void) {
    promise_channel_unref(ch);
    hosted_end();
}

static void buffered(size_t capacity) {
    promise_channel_unref(ch);
    ch = promise_channel_new(loop, capacity);
}

static void put(int64_t i, const char *name) { watch(promise_send(ch, promise_int(i)), name); }
static void get(const char *name) { watch(promise_receive(ch), name); }

/* What is in it, and then the end or "-". */
static const char *rest(void) {
    static char text[512];
    promise_value_t v = {0};
    size_t n = 0;

    text[0] = 0;
    while (promise_channel_try_receive(ch, &v) && !promise_is_end(v))
        n += (size_t)snprintf(text + n, sizeof text - n, "%s ", shown(v));
    snprintf(text + n, sizeof text - n, "%s", shown(v));
    return text;
}

static void count(void *counter) { ++*(int *)counter; }

/* p, which is settled or will be with the item, and does not get to whoever waits for it. */
static void dropped(promise_t *p) {
    promise_t *last = promise_then(p, see, "never");

    put(3, "s");
    promise_cancel(last);
}

START_TEST(item_goes_back) {
    promise_t *p = promise_receive(ch);

    put(1, "s");
    ck_assert_int_eq(promise_get_state(p), PROMISE_FULFILLED); /* does not look at the value */
    promise_cancel(p);
    ck_assert_uint_eq(promise_channel_size(ch), 1);
    hosted_run();
    trace_is("s=-");
    put(2, "t");
    get("r");
    get("r");
    hosted_run();
    trace_is("r=1 t=- r=2");
}
END_TEST

START_TEST(item_goes_back_from_below) {
    dropped(promise_receive(ch));
    hosted_run();
    trace_is("s=-");
    ck_assert_str_eq(rest(), "3 -");
    dropped(promise_timeout(promise_receive(ch), 100));
    hosted_run();
    trace_is("s=-");
    ck_assert_str_eq(rest(), "3 -");
    dropped(promise_attach(promise_receive(ch), "a", trace_free));
    hosted_run();
    trace_is("free:a s=-");
    ck_assert_str_eq(rest(), "3 -");
}
END_TEST

START_TEST(item_goes_back_from_a_late_child) {
    promise_t *p;

    buffered(1);
    put(1, "s");
    p = promise_then(promise_receive(ch), see, "never");
    promise_cancel(p);
    hosted_run();
    trace_is("s=-");
    ck_assert_str_eq(rest(), "1 -");
}
END_TEST

/* The item went down by some steps before the cancel came. */
static promise_value_t cancel_that(promise_value_t v, void *arg) {
    promise_t **p = arg;

    promise_cancel(*p);
    *p = NULL;
    return v;
}

static promise_value_t adopt_receive(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_receive(ch));
}

static promise_t *pass(promise_t *p, int how) {
    switch (how) {
    case 0: return p;
    case 1: return promise_timeout(p, 1000);
    case 2: return promise_attach(p, "a", trace_free);
    case 3: return promise_shield(p);
    case 4: return promise_catch(p, see, "never");
    case 5: return promise_finally(p, trace_word, "f");
    case 6: return promise_then_catch(p, NULL, NULL, NULL);
    default: return promise_from(loop, promise_adopt(p));
    }
}

START_TEST(item_goes_back_from_any_depth) {
    for (int steps = 0; steps < 6; steps++) { /* of the drain, before the cancel */
        promise_t *last = NULL, *step;
        last = promise_then(pass(pass(pass(promise_receive(ch), _i), 1), _i), see_void, "r");
        hosted_run();
        step = promise_from(loop, promise_void());
        for (int i = 0; i < steps; i++) step = promise_then(step, trace_word, "");
        put(1, "s");
        promise_unref(promise_then(step, cancel_that, &last));
        hosted_run();
        if (strstr(trace_take(), "r=1")) ck_assert_str_eq(rest(), "-");
        else ck_assert_str_eq(rest(), "1 -");
        promise_unref(last);
    }
}
END_TEST

START_TEST(item_goes_back_through_adoption) {
    promise_t *p = promise_then(promise_from(loop, promise_void()), adopt_receive, NULL), *last = promise_then(p, see, "never");

    hosted_run();
    put(1, "s");
    promise_cancel(last);
    hosted_run();
    trace_is("s=-");
    ck_assert_str_eq(rest(), "1 -");
}
END_TEST

START_TEST(item_that_came_back_goes_to_who_waits) {
    promise_t *p = promise_receive(ch);

    get("r");
    put(1, "s");
    promise_cancel(p);
    hosted_run();
    trace_is("s=- r=1");
}
END_TEST

START_TEST(items_come_back_in_order) {
    promise_t *p[6];

    for (int i = 0; i < 6; i++) p[i] = promise_receive(ch);
    for (int i = 0; i < 6; i++) put(i, "s");
    hosted_run();
    trace_is("s=- s=- s=- s=- s=- s=-");
    promise_cancel(p[3]);
    promise_unref(p[1]);
    promise_cancel(p[2]);
    promise_cancel(p[5]);
    promise_cancel(p[0]);
    promise_unref(p[4]);
    ck_assert_uint_eq(promise_channel_size(ch), 6);
    promise_channel_close(ch);
    ck_assert_str_eq(rest(), "0 1 2 3 4 5 end");
}
END_TEST

START_TEST(item_that_was_seen_is_gone) {
    promise_t *p = promise_receive(ch), *q;

    put(1, "s");
    ck_assert_int_eq(promise_as_int(promise_peek(p)), 1);
    promise_cancel(p);
    ck_assert_str_eq(rest(), "-");
    p = promise_receive(ch); /* waited for twice: one of them has it */
    q = promise_then(promise_ref(p), see_void, "q");
    p = promise_then(p, see, "p");
    put(2, "s");
    hosted_run();
    trace_is("s=- q=2 p=2 s=-");
    promise_unref(p);
    promise_unref(q);
    ck_assert_str_eq(rest(), "-");
}
END_TEST

START_TEST(combinator_leaves_what_it_did_not_get) {
    promise_channel_t *other = promise_channel_new(loop, 1);
    promise_t *both[2];

    buffered(1);
    both[0] = promise_receive(ch);
    both[1] = promise_receive(other);
    watch(promise_race(loop, 2, both), "race");
    put(1, "s");
    ck_assert(promise_channel_try_send(other, promise_int(2)));
    hosted_run();
    trace_is("s=- race=1");
    promise_channel_unref(ch);
    ch = other;
    ck_assert_str_eq(rest(), "2 -");
}
END_TEST

START_TEST(item_of_a_channel_that_is_gone) {
    int freed = 0;
    promise_t *p, *q;

    buffered(2);
    watch(promise_send(ch, promise_box(&freed, count)), "s");
    watch(promise_send(ch, promise_box(&freed, count)), "s");
    p = promise_receive(ch);
    q = promise_receive(ch);
    promise_channel_unref(ch);
    ch = NULL;
    ck_assert_int_eq(freed, 0);
    promise_unref(p);
    ck_assert_int_eq(freed, 1);
    watch(q, "q");
    hosted_run();
    trace_is("s=- s=- q=box");
    ck_assert_int_eq(freed, 2);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("channel_unseen");
    TCase *tcase = tcase_create("channel_unseen");

    tcase_add_checked_fixture(tcase, start, end);
    tcase_add_test(tcase, item_goes_back);
    tcase_add_test(tcase, item_goes_back_from_below);
    tcase_add_test(tcase, item_goes_back_from_a_late_child);
    tcase_add_loop_test(tcase, item_goes_back_from_any_depth, 0, 8);
    tcase_add_test(tcase, item_goes_back_through_adoption);
    tcase_add_test(tcase, item_that_came_back_goes_to_who_waits);
    tcase_add_test(tcase, items_come_back_in_order);
    tcase_add_test(tcase, item_that_was_seen_is_gone);
    tcase_add_test(tcase, combinator_leaves_what_it_did_not_get);
    tcase_add_test(tcase, item_of_a_channel_that_is_gone);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
