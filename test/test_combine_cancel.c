/* What becomes of a combinator's branches: nothing outlives it (T5), nothing stays on the losers (T3). */
#include "../src/core.h"
#include "trace.h"

#include <string.h>

static struct source a, b, c;
static promise_t *shared; /* for handlers that cancel it */

/* A source whose promise takes ten milliseconds to clean up after itself. */
static promise_t *slow(struct source *s, const char *name) {
    return promise_finally(source_open(loop, s, name), trace_slowly, (void *)name);
}

/* ---- T5: known, then cancelled, then waited for, then settled ---- */

static void lose(promise_t *combined, const char *trace) {
    promise_unref(traced(combined, "p"));
    while (fakehost_next_timer(&host)) {}
    trace_is(trace);
}

START_TEST(T5_race_waits_for_its_losers) {
    promise_t *p = promise_race_of(loop, slow(&a, "a"), source_open(loop, &b, "b"), slow(&c, "c"), NULL);

    source_resolve(&b, promise_int(1));
    lose(p, "stop:a stop:c a+ c+ a- c- p=1");
}
END_TEST

START_TEST(T5_any_waits_for_its_losers) {
    promise_t *p = promise_any_of(loop, slow(&a, "a"), source_open(loop, &b, "b"), slow(&c, "c"), NULL);

    source_reject(&a, "ignored");
    source_resolve(&b, promise_int(1));
    lose(p, "a+ stop:c c+ a- c- p=1");
}
END_TEST

START_TEST(T5_all_waits_for_those_that_are_under_way) {
    promise_t *p = promise_all_of(loop, slow(&a, "a"), source_open(loop, &b, "b"), slow(&c, "c"), NULL);

    source_resolve(&a, promise_void());
    source_reject(&b, "b");
    lose(p, "a+ stop:c c+ a- c- p=!b");
}
END_TEST

START_TEST(T5_all_settled_has_no_losers) {
    promise_t *p = promise_all_settled_of(loop, slow(&a, "a"), source_open(loop, &b, "b"), NULL);

    source_reject(&b, "b");
    source_resolve(&a, promise_int(1));
    lose(p, "a+ a- p=[1,!b]");
}
END_TEST

START_TEST(T5_some_waits_either_way) {
    promise_t *p = promise_some_of(loop, 1, slow(&a, "a"), source_open(loop, &b, "b"), NULL);

    source_resolve(&b, promise_int(1));
    lose(p, "stop:a a+ a- p=[1]");
    p = promise_some_of(loop, 2, slow(&a, "a"), source_open(loop, &b, "b"), NULL);
    source_reject(&b, "b");
    lose(p, "stop:a a+ a- p=!aggregate[b]");
}
END_TEST

START_TEST(T5_a_bad_argument_waits_too) {
    promise_t *const inputs[] = {slow(&a, "a"), NULL};

    lose(promise_all(loop, 2, inputs), "stop:a a+ a- p=!errno22");
}
END_TEST

START_TEST(T5_combinators_within_combinators) {
    promise_t *inner = promise_finally(promise_all_of(loop, slow(&a, "a"), slow(&b, "b"), NULL), trace_slowly, "inner");
    promise_t *p = promise_race_of(loop, inner, source_open(loop, &c, "c"), NULL);

    source_resolve(&c, promise_int(3));
    lose(p, "stop:a stop:b a+ b+ a- b- inner+ inner- p=3");
}
END_TEST

START_TEST(what_a_loser_comes_to_is_of_no_interest) { /* nor an unhandled rejection: its combinator has handled it (J7) */
    promise_t *fails = promise_finally(source_open(loop, &a, "a"), trace_word, "a");
    promise_t *p = promise_race_of(loop, fails, source_open(loop, &b, "b"), NULL);

    source_reject(&b, "b");
    source_reject(&a, "a");
    lose(p, "a p=!b");
    ck_assert_uint_eq(host.unhandled, 1); /* p's own */
}
END_TEST

START_TEST(losers_that_have_settled_but_not_run_are_let_go_of) {
    promise_t *p = promise_race_of(loop, promise_from(loop, promise_int(1)), promise_from(loop, throw_text("b")),
                                   source_open(loop, &a, "a"), NULL);

    lose(p, "stop:a p=1");
    ck_assert_uint_eq(host.unhandled, 0);
}
END_TEST

/* ---- T5: branches that others hold ---- */

START_TEST(T5_branches_that_others_hold_are_let_go_of_and_not_waited_for) {
    promise_t *held = source_open(loop, &a, "a"), *p;

    p = promise_race_of(loop, promise_ref(held), promise_from(loop, promise_int(1)), NULL);
    lose(p, "p=1");
    p = promise_all_of(loop, promise_ref(held), promise_from(loop, throw_text("r")), NULL);
    lose(p, "p=!r");
    p = promise_any_of(loop, promise_ref(held), promise_from(loop, promise_int(2)), NULL);
    promise_cancel(p);
    ck_assert_int_eq(promise_get_state(held), PROMISE_PENDING);
    ck_assert_ptr_null(held->children);
    source_resolve(&a, promise_int(7));
    expect(held, "7");
    trace_is("");
}
END_TEST

START_TEST(T5_branches_with_another_consumer_are_let_go_of) {
    promise_t *p = source_open(loop, &a, "a");
    promise_t *other = traced(promise_ref(p), "other");

    lose(promise_race_of(loop, p, promise_from(loop, promise_int(1)), NULL), "p=1");
    promise_unref(other);
    source_resolve(&a, promise_int(7));
    fakehost_drain(&host);
    trace_is("other=7");
}
END_TEST

START_TEST(T5_two_combinators_share_a_branch_until_the_last_lets_go) {
    promise_t *p = source_open(loop, &a, "a");
    promise_t *one = promise_all_of(loop, promise_ref(p), NULL), *two = promise_race_of(loop, p, NULL);

    promise_cancel(one);
    trace_is("");
    promise_cancel(two);
    trace_is("stop:a");
}
END_TEST

START_TEST(T3_nothing_stays_on_a_long_lived_loser) {
    promise_t *held = source_open(loop, &a, "a");
    size_t live = 0;

    for (size_t i = 0, n = test_scaled(1000000); i < n; i++) {
        promise_t *fast = promise_from(loop, promise_int((int64_t)i));
        promise_unref(i % 2 ? promise_race_of(loop, promise_ref(held), fast, NULL)
                            : promise_any_of(loop, fast, promise_ref(held), NULL));
        fakehost_drain(&host);
        if (!i) live = test_alloc_live();
        ck_assert_ptr_null(held->children);
    }
    ck_assert_uint_eq(test_alloc_live(), live);
    source_resolve(&a, promise_void());
    promise_unref(held);
}
END_TEST

/* ---- cancelling the promise of a combinator ---- */

START_TEST(T5_cancelling_it_cancels_and_waits) {
    promise_t *p = promise_all_of(loop, slow(&a, "a"), slow(&b, "b"), NULL);

    promise_cancel(traced(p, "p"));
    trace_is("stop:a stop:b");
    while (fakehost_next_timer(&host)) {}
    trace_is("a+ b+ a- b- p=!canceled");
}
END_TEST

START_TEST(a_cancel_wins_while_the_branches_are_waited_for) {
    promise_t *p = promise_race_of(loop, slow(&a, "a"), source_open(loop, &b, "b"), NULL);

    source_resolve(&b, promise_string("lost"));
    fakehost_drain(&host);
    promise_cancel(promise_ref(p));
    promise_cancel(promise_ref(p));
    lose(p, "stop:a a+ a- p=!canceled");
}
END_TEST

START_TEST(K1_one_consumer_of_two_stops_only_itself) {
    promise_t *p = promise_all_of(loop, slow(&a, "a"), NULL), *other = traced(promise_ref(p), "other");

    promise_cancel(traced(p, "p"));
    fakehost_drain(&host);
    trace_is("p=!canceled");
    promise_cancel(other);
    while (fakehost_next_timer(&host)) {}
    trace_is("stop:a a+ a- other=!canceled");
}
END_TEST

START_TEST(K4_dropping_it_is_no_cancel) {
    promise_unref(promise_all_of(loop, slow(&a, "a"), NULL));
    fakehost_drain(&host);
    trace_is("");
    source_resolve(&a, promise_void());
    while (fakehost_next_timer(&host)) {}
    trace_is("a+ a-");
}
END_TEST

static promise_value_t cancel_shared(promise_value_t v, void *arg) {
    promise_cancel(shared);
    trace("canceled");
    return arg ? promise_adopt(promise_finally(promise_sleep(NULL, 1000), trace_slowly, arg)) : v;
}

START_TEST(T5_a_branchs_handler_cancels_the_combined_promise) {
    promise_t *p = promise_all_of(loop, promise_then(source_open(loop, &a, "a"), cancel_shared, "a"), slow(&b, "b"), NULL);

    shared = promise_ref(p);
    promise_unref(traced(p, "p"));
    source_resolve(&a, promise_void());
    while (fakehost_next_timer(&host)) {}
    trace_is("stop:b canceled b+ a+ b- a- p=!canceled");
}
END_TEST

START_TEST(T5_a_handler_further_up_the_branch_cancels_it) { /* the branch has not settled before that handler's promise has */
    promise_t *branch = promise_then(source_open(loop, &a, "a"), cancel_shared, "a");
    promise_t *p = promise_all_of(loop, promise_then(branch, trace_word, "never"), NULL);

    shared = promise_ref(p);
    promise_unref(traced(p, "p"));
    source_resolve(&a, promise_void());
    while (fakehost_next_timer(&host)) {}
    trace_is("canceled a+ a- p=!canceled");
}
END_TEST

START_TEST(a_handler_below_cancels_what_has_settled) {
    promise_t *p = promise_all_of(loop, source_open(loop, &a, "a"), NULL);

    shared = promise_ref(p);
    promise_unref(traced(promise_then(p, cancel_shared, NULL), "p"));
    source_resolve(&a, promise_int(1));
    fakehost_drain(&host);
    trace_is("canceled p=[1]");
}
END_TEST

START_TEST(a_stop_function_cancels_another_combinator) { /* K2: from a work list, never nested */
    promise_t *p = promise_all_of(loop, source_open(loop, &a, "a"), source_open(loop, &b, "b"), NULL);
    promise_t *q = promise_race_of(loop, promise_shield(p), source_open(loop, &c, "c"), NULL);

    promise_cancel(q);
    trace_is("stop:c");
    fakehost_drain(&host);
    promise_unref(promise_shield(promise_from(loop, promise_void())));
    source_resolve(&a, promise_void());
    source_resolve(&b, promise_void()); /* p went on behind its shield */
    fakehost_drain(&host);
    trace_is("");
}
END_TEST

/* ---- the end of the loop ---- */

START_TEST(J5_the_teardown_settles_all_of_them) {
    promise_t *inner = promise_race_of(loop, slow(&a, "a"), NULL);

    promise_unref(traced(promise_all_of(loop, inner, promise_race(loop, 0, NULL), slow(&b, "b"), NULL), "p"));
    promise_unref(traced(promise_any_of(loop, source_open(loop, &c, "c"), NULL), "q"));
    fakehost_drain(&host);
    promise_loop_free(loop);
    ck_assert_ptr_nonnull(strstr(trace_take(), "p=!canceled"));
}
END_TEST

START_TEST(J5_the_teardown_ends_combinators_that_wait_for_themselves) {
    promise_t *p = source_open(loop, &a, "a"), *q;

    q = promise_attach(promise_all_of(loop, p, NULL), "q", trace_free);
    source_resolve(&a, promise_adopt(q));
    fakehost_drain(&host);
    trace_is("");
    promise_loop_free(loop);
    trace_is("free:q");
}
END_TEST

START_TEST(references_outlive_the_loop) { /* J5 */
    promise_t *p = promise_all_of(loop, source_open(loop, &a, "a"), NULL);

    promise_loop_free(loop);
    ck_assert(promise_is_canceled(promise_peek(p)));
    promise_unref(p);
    trace_is("stop:a");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("combine_cancel");
    TCase *t = tcase_create("cancel");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, T5_race_waits_for_its_losers);
    tcase_add_test(t, T5_any_waits_for_its_losers);
    tcase_add_test(t, T5_all_waits_for_those_that_are_under_way);
    tcase_add_test(t, T5_all_settled_has_no_losers);
    tcase_add_test(t, T5_some_waits_either_way);
    tcase_add_test(t, T5_a_bad_argument_waits_too);
    tcase_add_test(t, T5_combinators_within_combinators);
    tcase_add_test(t, what_a_loser_comes_to_is_of_no_interest);
    tcase_add_test(t, losers_that_have_settled_but_not_run_are_let_go_of);
    tcase_add_test(t, T5_branches_that_others_hold_are_let_go_of_and_not_waited_for);
    tcase_add_test(t, T5_branches_with_another_consumer_are_let_go_of);
    tcase_add_test(t, T5_two_combinators_share_a_branch_until_the_last_lets_go);
    tcase_add_test(t, T3_nothing_stays_on_a_long_lived_loser);
    tcase_add_test(t, T5_cancelling_it_cancels_and_waits);
    tcase_add_test(t, a_cancel_wins_while_the_branches_are_waited_for);
    tcase_add_test(t, K1_one_consumer_of_two_stops_only_itself);
    tcase_add_test(t, K4_dropping_it_is_no_cancel);
    tcase_add_test(t, T5_a_branchs_handler_cancels_the_combined_promise);
    tcase_add_test(t, T5_a_handler_further_up_the_branch_cancels_it);
    tcase_add_test(t, a_handler_below_cancels_what_has_settled);
    tcase_add_test(t, a_stop_function_cancels_another_combinator);
    tcase_add_test(t, J5_the_teardown_settles_all_of_them);
    tcase_add_test(t, J5_the_teardown_ends_combinators_that_wait_for_themselves);
    tcase_add_test(t, references_outlive_the_loop);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
