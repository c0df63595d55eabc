/* all, all_settled, any, race, some: what they give, and when. What becomes of the branches is in test_combine_cancel.c. */
#include "trace.h"

#include <string.h>

static struct source a, b, c;
static promise_t *three[3];

static void open_three(void) {
    three[0] = source_open(loop, &a, "a");
    three[1] = source_open(loop, &b, "b");
    three[2] = source_open(loop, &c, "c");
}

static void setup_three(void) {
    setup();
    open_three();
}

/* Those that a case has no use for. */
static void cancel_from(int first) {
    for (int i = first; i < 3; i++) promise_cancel(three[i]);
}

static promise_t *number(int64_t n) { return promise_from(loop, promise_int(n)); }
static promise_t *rejected(const char *text) { return promise_from(loop, throw_text(text)); }

/* Settles the three in the order c, a, b: with 3, 1, 2, or rejected with their names where reject says so. */
static void settle_three(const char *reject) {
    struct source *const order[] = {&c, &a, &b};
    const int values[] = {3, 1, 2};

    for (int i = 0; i < 3; i++) {
        bool bad = false;
        for (const char *r = reject; *r; r++) bad = bad || *r == *order[i]->name;
        if (bad) source_reject(order[i], order[i]->name);
        else source_resolve(order[i], promise_int(values[i]));
    }
}

START_TEST(all_gives_values_in_the_order_of_the_promises) {
    promise_t *p = promise_all(loop, 3, three);

    source_resolve(&c, promise_int(3));
    source_resolve(&a, promise_int(1));
    fakehost_drain(&host);
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    source_resolve(&b, promise_int(2));
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    expect(p, "[1,2,3]");
}
END_TEST

START_TEST(all_rejects_with_the_first_rejection) {
    promise_t *p = promise_all(loop, 3, three);

    settle_three("ac");
    expect(p, "!c");
}
END_TEST

START_TEST(all_settled_marks_the_rejections) { /* V1 */
    promise_t *p = promise_all_settled(loop, 3, three);

    settle_three("b");
    expect(p, "[1,!b,3]");
}
END_TEST

START_TEST(any_gives_the_first_value) {
    promise_t *p = promise_any(loop, 3, three);

    settle_three("c");
    expect(p, "1");
}
END_TEST

START_TEST(any_rejects_with_all_reasons_in_the_order_of_the_promises) {
    promise_t *p = promise_any(loop, 3, three);

    settle_three("abc");
    expect(p, "!aggregate[a,b,c]");
}
END_TEST

static promise_value_t look_at_aggregate(promise_value_t v, void *arg) {
    promise_value_t reasons = promise_error_reasons(v);

    (void)arg;
    ck_assert(promise_error_is(v, &promise_errors, PROMISE_EAGGREGATE));
    ck_assert_uint_eq(promise_list_size(reasons), 3);
    ck_assert_str_eq(promise_as_string(promise_list_get(reasons, 1)), "b");
    ck_assert_ptr_nonnull(strstr(promise_error_message(v), "a"));
    return promise_list_get(reasons, 2); /* lent: goes on living when the error is gone (V2) */
}

START_TEST(reasons_can_be_read_and_kept) {
    promise_t *p = promise_catch(promise_any(loop, 3, three), look_at_aggregate, NULL);

    settle_three("abc");
    expect(p, "c");
}
END_TEST

START_TEST(race_gives_the_first_outcome) {
    promise_t *value = promise_race(loop, 3, three), *rejection;

    settle_three("ab");
    expect(value, "3");
    open_three();
    rejection = promise_race(loop, 3, three);
    settle_three("c");
    expect(rejection, "!c");
}
END_TEST

START_TEST(some_gives_values_in_the_order_in_which_they_came) {
    promise_t *two = promise_some(loop, 2, 3, three);

    settle_three("");
    expect(two, "[3,1]");
    open_three();
    two = promise_some(loop, 2, 3, three);
    settle_three("a");
    expect(two, "[3,2]");
    open_three();
    two = promise_some(loop, 3, 3, three);
    settle_three("");
    expect(two, "[3,1,2]");
}
END_TEST

START_TEST(some_gives_reasons_in_the_order_in_which_they_came) {
    promise_t *two = promise_some(loop, 2, 3, three);

    settle_three("ac");
    expect(two, "!aggregate[c,a]");
    open_three();
    two = promise_some(loop, 1, 3, three);
    settle_three("abc");
    expect(two, "!aggregate[c,a,b]");
}
END_TEST

START_TEST(some_of_none_and_of_too_many) {
    expect(promise_some(loop, 0, 3, three), "[]");
    trace_is("stop:a stop:b stop:c"); /* T5: nobody wants them */
    open_three();
    expect(promise_some(loop, 4, 3, three), "!aggregate[]");
    trace_is("stop:a stop:b stop:c");
    expect(promise_some(loop, 0, 0, NULL), "[]");
    expect(promise_some(loop, 1, 0, NULL), "!aggregate[]");
}
END_TEST

static enum promise_state at_once(promise_t *p, const char *text) {
    enum promise_state state = promise_get_state(p);

    expect(p, text);
    return state;
}

START_TEST(empty_input_is_as_in_ecmascript) { /* 27.2.4: settled when the call returns, race never */
    ck_assert_int_eq(at_once(promise_all(loop, 0, NULL), "[]"), PROMISE_FULFILLED);
    ck_assert_int_eq(at_once(promise_all_settled(loop, 0, NULL), "[]"), PROMISE_FULFILLED);
    ck_assert_int_eq(at_once(promise_any(loop, 0, NULL), "!aggregate[]"), PROMISE_REJECTED);
    ck_assert_int_eq(at_once(promise_race(loop, 0, NULL), "pending"), PROMISE_PENDING);
    ck_assert_int_eq(at_once(promise_all_keyed(loop, 0, NULL), "[]"), PROMISE_FULFILLED);
    ck_assert_int_eq(at_once(promise_all_of(loop, NULL), "[]"), PROMISE_FULFILLED);
    ck_assert_int_eq(at_once(promise_any_of(loop, NULL), "!aggregate[]"), PROMISE_REJECTED);
    promise_unref(promise_race_of(loop, NULL)); /* K4: the teardown ends it */
}
END_TEST

START_TEST(keyed_forms_give_keyed_lists) {
    const struct promise_entry all[] = {{"x", three[0]}, {"y", three[1]}, {"z", three[2]}};
    promise_t *p = promise_all_keyed(loop, 3, all);

    settle_three("");
    expect(p, "{x:1,y:2,z:3}");
    expect(promise_all_settled_keyed(loop, 2, (struct promise_entry[]){{"x", rejected("no")}, {"y", number(2)}}),
           "{x:!no,y:2}");
    expect(promise_all_keyed(loop, 2, (struct promise_entry[]){{"x", rejected("no")}, {"y", number(2)}}), "!no");
}
END_TEST

START_TEST(variadic_forms_end_in_null) { /* N3 */
    expect(promise_all_of(loop, number(1), number(2), NULL), "[1,2]");
    expect(promise_all_settled_of(loop, number(1), rejected("r"), NULL), "[1,!r]");
    expect(promise_any_of(loop, rejected("r"), number(2), NULL), "2");
    expect(promise_race_of(loop, number(1), number(2), NULL), "1");
    expect(promise_some_of(loop, 2, number(1), rejected("r"), number(3), NULL), "[1,3]");
    expect(promise_some_of(loop, 2, number(1), rejected("r"), NULL), "!aggregate[r]");
}
END_TEST

typedef promise_t *of_array(promise_loop_t *loop, size_t n, promise_t *const *promises);
static promise_t *some_one(promise_loop_t *l, size_t n, promise_t *const *promises) { return promise_some(l, 1, n, promises); }
static of_array *const every[] = {promise_all, promise_all_settled, promise_any, promise_race, some_one};
enum { EVERY = sizeof every / sizeof *every };

START_TEST(null_in_an_array_is_einval_and_stops_the_others) { /* O1, O2 */
    for (int i = 0; i < EVERY; i++) {
        promise_unref(three[1]);
        source_resolve(&b, promise_void());
        three[1] = NULL;
        expect(every[i](loop, 3, three), "!errno22");
        trace_is("stop:a stop:c");
        open_three();
        expect(every[i](loop, 1, NULL), "!errno22");
    }
    cancel_from(0);
    trace_is("stop:a stop:b stop:c");
}
END_TEST

static promise_value_t names_number_one(promise_value_t v, void *arg) {
    ck_assert_ptr_nonnull(strstr(promise_error_message(v), "promise 1"));
    ck_assert_ptr_nonnull(strstr(promise_error_message(v), arg));
    return promise_void();
}

START_TEST(einval_names_the_function_and_the_index) {
    promise_t *const holes[] = {number(1), NULL, NULL};

    expect(promise_catch(promise_any(loop, 3, holes), names_number_one, "promise_any"), "-");
    cancel_from(0);
}
END_TEST

START_TEST(null_in_a_keyed_form_is_einval) {
    const struct promise_entry no_name[] = {{"x", three[0]}, {NULL, three[1]}}, no_promise[] = {{"x", three[2]}, {"y", NULL}};

    expect(promise_all_keyed(loop, 2, no_name), "!errno22");
    trace_is("stop:a stop:b");
    expect(promise_all_settled_keyed(loop, 2, no_promise), "!errno22");
    trace_is("stop:c");
    expect(promise_all_keyed(loop, 1, NULL), "!errno22");
}
END_TEST

START_TEST(settled_inputs_count_in_their_order_but_from_the_drain) { /* 2.2.4 */
    promise_t *const inputs[] = {number(1), rejected("r"), number(3)};
    const char *const outcomes[] = {"!r", "[1,!r,3]", "1", "1", "[1]"};

    for (int i = 0; i < EVERY; i++) {
        promise_t *refs[3], *p;
        for (int k = 0; k < 3; k++) refs[k] = promise_ref(inputs[k]);
        p = every[i](loop, 3, refs);
        ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
        expect(p, outcomes[i]);
    }
    for (int i = 0; i < 3; i++) promise_unref(inputs[i]);
}
END_TEST

START_TEST(the_same_promise_several_times) {
    promise_t *p = three[0], *both, *any;

    both = promise_all_of(loop, promise_ref(p), promise_ref(p), NULL);
    any = promise_any_of(loop, promise_ref(p), promise_ref(p), p, NULL);
    source_reject(&a, "twice");
    expect(both, "!twice");
    expect(any, "!aggregate[twice,twice,twice]");
    both = promise_all_of(loop, promise_ref(three[1]), three[1], NULL);
    promise_cancel(both); /* alone with it twice: the second that lets go stops it */
    trace_is("stop:b");
    cancel_from(2);
}
END_TEST

START_TEST(combinators_of_combinators) {
    promise_t *inner = promise_all_of(loop, three[0], three[1], NULL);
    promise_t *outer = promise_race_of(loop, promise_all_settled_of(loop, inner, number(7), NULL), three[2], NULL);

    source_resolve(&a, promise_int(1));
    source_reject(&b, "b");
    expect(outer, "[!b,7]");
    trace_is("stop:c");
}
END_TEST

START_TEST(handlers_run_in_the_order_of_the_calls_around_a_combinator) { /* J1, 2.2.6: as in ECMAScript, by a counter */
    promise_t *p = three[0];

    promise_unref(promise_then(promise_ref(p), trace_word, "before"));
    promise_unref(promise_then(promise_all_of(loop, promise_ref(p), NULL), trace_word, "all"));
    promise_unref(promise_then(promise_race_of(loop, promise_ref(p), NULL), trace_word, "race"));
    promise_unref(promise_then(promise_then(promise_ref(p), trace_word, "after"), trace_word, "after-that"));
    promise_unref(p);
    source_resolve(&a, promise_void());
    fakehost_drain(&host);
    trace_is("before after all race after-that");
    cancel_from(1);
}
END_TEST

static promise_value_t combine_here(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_all_of(NULL, promise_from(NULL, promise_int(1)), NULL));
}

START_TEST(inside_a_handler_the_loop_may_be_null) { /* O6 */
    expect(promise_try(loop, combine_here, NULL), "[1]");
}
END_TEST

static void with_no_loop(void *arg) { promise_unref(promise_all(NULL, 0, arg)); }

static void with_another_loop(void *arg) {
    struct fakehost other;
    promise_loop_t *second = fakehost_open(&other);

    promise_unref(promise_all(second, 3, arg));
}

START_TEST(wrong_loops_stop_the_program) { /* O6 */
    test_assert_stops(with_no_loop, NULL, "promise_all: loop is NULL");
    test_assert_stops(with_another_loop, three, "promise_all: expected promises of one loop, number 0 is of another");
    cancel_from(0);
}
END_TEST

START_TEST(a_result_lives_as_long_as_somebody_wants_it) { /* V2, V4 */
    promise_t *strings[2] = {promise_from(loop, promise_string("s")), promise_from(loop, promise_string("t"))};
    promise_t *p = promise_all(loop, 2, strings), *again = promise_all_of(loop, promise_ref(p), p, NULL);

    expect(again, "[[s,t],[s,t]]");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("combine");
    TCase *with_three = tcase_create("three"), *t = tcase_create("other");

    tcase_add_checked_fixture(with_three, setup_three, teardown);
    tcase_add_test(with_three, all_gives_values_in_the_order_of_the_promises);
    tcase_add_test(with_three, all_rejects_with_the_first_rejection);
    tcase_add_test(with_three, all_settled_marks_the_rejections);
    tcase_add_test(with_three, any_gives_the_first_value);
    tcase_add_test(with_three, any_rejects_with_all_reasons_in_the_order_of_the_promises);
    tcase_add_test(with_three, reasons_can_be_read_and_kept);
    tcase_add_test(with_three, race_gives_the_first_outcome);
    tcase_add_test(with_three, some_gives_values_in_the_order_in_which_they_came);
    tcase_add_test(with_three, some_gives_reasons_in_the_order_in_which_they_came);
    tcase_add_test(with_three, some_of_none_and_of_too_many);
    tcase_add_test(with_three, keyed_forms_give_keyed_lists);
    tcase_add_test(with_three, null_in_an_array_is_einval_and_stops_the_others);
    tcase_add_test(with_three, einval_names_the_function_and_the_index);
    tcase_add_test(with_three, null_in_a_keyed_form_is_einval);
    tcase_add_test(with_three, the_same_promise_several_times);
    tcase_add_test(with_three, combinators_of_combinators);
    tcase_add_test(with_three, handlers_run_in_the_order_of_the_calls_around_a_combinator);
    tcase_add_test(with_three, wrong_loops_stop_the_program);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, empty_input_is_as_in_ecmascript);
    tcase_add_test(t, variadic_forms_end_in_null);
    tcase_add_test(t, settled_inputs_count_in_their_order_but_from_the_drain);
    tcase_add_test(t, inside_a_handler_the_loop_may_be_null);
    tcase_add_test(t, a_result_lives_as_long_as_somebody_wants_it);
    suite_add_tcase(suite, with_three);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
