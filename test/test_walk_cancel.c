/* map, each, filter, reduce that end before the end: the first failure, a cancel, the end of the loop (T5). */
#include "trace.h"

#include <string.h>

static promise_t *walk;      /* for handlers that cancel it */
static struct source src[8]; /* by the number of the item */
static const char *const names[] = {"0", "1", "2", "3", "4", "5", "6", "7"};

static void run(void) {
    while (fakehost_next_timer(&host)) {}
}

/* Numbers from 1, without an end; freed under the name of it. */
static promise_value_t number(promise_value_t v, void *arg) {
    (void)v;
    return promise_int(++*(int *)arg);
}

static int last;

static promise_iterator_t *numbers(void) {
    last = 0;
    return promise_iterator_attach(promise_pull(loop, number, &last), "it", trace_free);
}

/* A source by the number of the item, which takes a while to clean up. */
static promise_value_t open_slow(promise_value_t v, void *arg) {
    int64_t n = promise_as_int(v);

    (void)arg;
    return promise_adopt(promise_finally(source_open(NULL, &src[n], names[n]), trace_slowly, (void *)names[n]));
}

START_TEST(T5_the_first_failure_cancels_waits_and_closes) {
    promise_unref(traced(promise_map(numbers(), 3, open_slow, NULL), "p"));
    fakehost_drain(&host);
    source_reject(&src[2], "r");
    fakehost_drain(&host);
    trace_is("2+");
    run();
    trace_is("2- stop:1 stop:3 1+ 3+ 1- 3- free:it p=!r");
    ck_assert_int_eq(last, 3); /* none was asked for afterwards */
}
END_TEST

START_TEST(a_failure_after_the_first_is_of_no_interest) {
    promise_unref(traced(promise_each(numbers(), 2, open_slow, NULL), "p"));
    fakehost_drain(&host);
    source_reject(&src[1], "first");
    source_reject(&src[2], "second");
    run();
    trace_is("1+ 2+ 1- 2- free:it p=!first");
    ck_assert_uint_eq(host.unhandled, 1); /* p's */
}
END_TEST

static promise_value_t two_then_fail(promise_value_t v, void *arg) {
    (void)v;
    return ++*(int *)arg > 2 ? throw_text("r") : promise_int(*(int *)arg);
}

START_TEST(T5_the_iterators_rejection_does_the_same) {
    int n = 0;

    promise_unref(traced(promise_map(promise_pull(loop, two_then_fail, &n), 0, open_slow, NULL), "p"));
    run();
    trace_is("stop:1 stop:2 1+ 2+ 1- 2- p=!r");
}
END_TEST

static promise_value_t throw_at_two(promise_value_t v, void *arg) {
    return promise_as_int(v) == 2 ? throw_text("two") : open_slow(v, arg);
}

START_TEST(T5_a_throw_does_the_same) {
    promise_unref(traced(promise_filter(numbers(), 0, throw_at_two, NULL), "p"));
    run();
    trace_is("stop:1 1+ 1- free:it p=!two");
}
END_TEST

START_TEST(T5_cancelling_the_promise_does_the_same) {
    promise_t *p = traced(promise_map(numbers(), 2, open_slow, NULL), "p");

    fakehost_drain(&host);
    promise_cancel(p);
    trace_is("stop:1 stop:2");
    run();
    trace_is("1+ 2+ 1- 2- free:it p=!canceled");
}
END_TEST

START_TEST(a_cancel_wins_while_the_rest_is_waited_for) {
    promise_t *p = promise_map(numbers(), 2, open_slow, NULL);

    fakehost_drain(&host);
    source_reject(&src[2], "r");
    fakehost_advance(&host, 10);
    promise_cancel(promise_ref(p));
    promise_unref(traced(p, "p"));
    run();
    trace_is("2+ 2- stop:1 1+ 1- free:it p=!canceled");
}
END_TEST

static promise_value_t give_source(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_finally(source_open(NULL, &src[0], "0"), trace_slowly, "0"));
}

START_TEST(T5_an_item_that_was_asked_for_is_waited_for) {
    promise_t *p = traced(promise_map(promise_iterator_attach(promise_pull(loop, give_source, NULL), "it", trace_free), 1,
                                      open_slow, NULL), "p");

    fakehost_drain(&host);
    promise_cancel(p);
    run();
    trace_is("stop:0 0+ 0- free:it p=!canceled");
}
END_TEST

START_TEST(T5_promises_that_others_hold_are_only_let_go_of) {
    promise_t *held = source_open(loop, &src[0], "0");
    promise_value_t items[] = {promise_adopt(promise_ref(held)), promise_int(1)};

    promise_cancel(traced(promise_map(promise_items(loop, 2, items), 1, open_slow, NULL), "p"));
    run();
    trace_is("p=!canceled");
    source_resolve(&src[0], promise_int(5));
    expect(held, "5");
}
END_TEST

static promise_value_t cancel_it(promise_value_t v, void *arg) {
    trace("%d", (int)promise_as_int(v));
    if (promise_as_int(v) == 2) promise_cancel(walk);
    return !arg && promise_as_int(v) == 2 ? v : open_slow(v, arg);
}

static void cancelled_by_its_handler(void *later, bool downstream, const char *text) {
    promise_t *p = promise_map(numbers(), 2, cancel_it, later);

    if (downstream) p = traced(p, "p");
    walk = promise_ref(p);
    promise_unref(downstream ? p : traced(p, "p"));
    run();
    trace_is(text);
}

START_TEST(T4_T5_a_handler_cancels_the_walk_itself) {
    cancelled_by_its_handler(NULL, false, "1 2 stop:1 1+ 1- free:it p=!canceled");
    cancelled_by_its_handler("later", false, "1 2 stop:1 stop:2 1+ 2+ 1- 2- free:it p=!canceled");
}
END_TEST

static promise_value_t cancel_and_give(promise_value_t v, void *arg) {
    promise_cancel(walk);
    return open_slow(v, arg);
}

START_TEST(T5_a_handler_cancels_what_is_below_the_walk) { /* of which the walk is the only one above */
    walk = promise_ref(traced(promise_map(numbers(), 2, cancel_and_give, NULL), "p"));
    promise_unref(walk);
    run();
    trace_is("stop:1 1+ 1- free:it p=!canceled");
}
END_TEST

static promise_value_t give_itself(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_ref(walk));
}

START_TEST(a_walk_that_is_to_wait_for_itself_is_refused) { /* 2.3.1 */
    promise_t *p = promise_map(numbers(), 1, give_itself, NULL);

    walk = promise_ref(p);
    expect(p, "!cycle");
    promise_unref(walk);
    trace_is("free:it");
}
END_TEST

START_TEST(K4_dropping_it_is_no_cancel) {
    promise_unref(promise_each(numbers(), 1, open_slow, NULL));
    fakehost_drain(&host);
    source_resolve(&src[1], promise_void());
    run();
    trace_is("1+ 1-");
    source_reject(&src[2], "enough");
    run();
    trace_is("2+ 2- free:it");
}
END_TEST

static promise_value_t give_box(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_box("item", trace_free);
}

static promise_value_t hold_box(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_finally(source_open(NULL, &src[0], "0"), trace_slowly, promise_as_box(v)));
}

START_TEST(N2_items_live_as_long_as_the_cleanup_after_a_cancel) {
    promise_t *p = traced(promise_each(promise_pull(loop, give_box, NULL), 1, hold_box, NULL), "p");

    fakehost_drain(&host);
    promise_cancel(p);
    run();
    trace_is("stop:0 item+ item- free:item p=!canceled");
}
END_TEST

/* ---- the end of the loop ---- */

START_TEST(J5_the_teardown_ends_endless_walks) {
    promise_unref(traced(promise_map(numbers(), 2, open_slow, NULL), "p"));
    fakehost_drain(&host);
    promise_loop_free(loop);
    trace_is("stop:1 stop:2 1+ 2+ free:it p=!canceled");
}
END_TEST

static promise_value_t walk_again(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(traced(promise_reduce(numbers(), throw_text("counted"), open_slow, NULL), "p"));
}

START_TEST(J5_a_walk_that_begins_in_the_teardown_is_refused) {
    promise_unref(promise_catch(source_open(loop, &src[0], "0"), walk_again, NULL));
    promise_loop_free(loop);
    trace_is("stop:0 free:it");
    ck_assert_int_eq(last, 0);
}
END_TEST

static promise_value_t free_loop(promise_value_t v, void *arg) {
    promise_loop_free(loop);
    return open_slow(v, arg);
}

START_TEST(T4_a_handler_frees_the_loop) {
    promise_unref(traced(promise_map(numbers(), 1, free_loop, NULL), "p"));
    fakehost_drain(&host);
    trace_is("stop:1 1+ free:it p=!canceled"); /* new work, as in 1+, comes back rejected at once */
    ck_assert(host.gone);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("walk_cancel");
    TCase *t = tcase_create("walk_cancel");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, T5_the_first_failure_cancels_waits_and_closes);
    tcase_add_test(t, a_failure_after_the_first_is_of_no_interest);
    tcase_add_test(t, T5_the_iterators_rejection_does_the_same);
    tcase_add_test(t, T5_a_throw_does_the_same);
    tcase_add_test(t, T5_cancelling_the_promise_does_the_same);
    tcase_add_test(t, a_cancel_wins_while_the_rest_is_waited_for);
    tcase_add_test(t, T5_an_item_that_was_asked_for_is_waited_for);
    tcase_add_test(t, T5_promises_that_others_hold_are_only_let_go_of);
    tcase_add_test(t, T4_T5_a_handler_cancels_the_walk_itself);
    tcase_add_test(t, T5_a_handler_cancels_what_is_below_the_walk);
    tcase_add_test(t, a_walk_that_is_to_wait_for_itself_is_refused);
    tcase_add_test(t, K4_dropping_it_is_no_cancel);
    tcase_add_test(t, N2_items_live_as_long_as_the_cleanup_after_a_cancel);
    tcase_add_test(t, J5_the_teardown_ends_endless_walks);
    tcase_add_test(t, J5_a_walk_that_begins_in_the_teardown_is_refused);
    tcase_add_test(t, T4_a_handler_frees_the_loop);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
