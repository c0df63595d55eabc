/* Select: exactly one case, and the others leave no trace. */
#include "hosted.h"

#include <stdio.h>
#include <string.h>

static promise_channel_t *a, *b;

static void start(void) {
    hosted_start();
    a = promise_channel_new(loop, 0);
    b = promise_channel_new(loop, 0);
}

static void end(void) {
    promise_channel_unref(a);
    promise_channel_unref(b);
    hosted_end();
}

static promise_case_t get(promise_channel_t *ch) { return (promise_case_t){.channel = ch}; }
static promise_case_t put(promise_channel_t *ch, promise_value_t v) {
    return (promise_case_t){.channel = ch, .send = true, .value = v};
}
static promise_t *select_two(promise_case_t first, promise_case_t second) {
    const promise_case_t cases[] = {first, second};
    return promise_select(2, cases);
}

static const char *in(promise_channel_t *ch) {
    static char text[256];
    promise_value_t v = {0};
    size_t n = 0;

    while (promise_channel_try_receive(ch, &v) && !promise_is_end(v))
        n += (size_t)snprintf(text + n, sizeof text - n, "%s ", shown(v));
    snprintf(text + n, sizeof text - n, "%s", shown(v));
    return text;
}

static void count(void *counter) { ++*(int *)counter; }

/* ---- ready at once ---- */

START_TEST(receive_that_is_ready) {
    watch(promise_send(b, promise_int(5)), "s");
    watch(select_two(get(a), get(b)), "select");
    hosted_run();
    trace_is("s=- select=case 1: 5");
    ck_assert_str_eq(in(a), "-");
}
END_TEST

START_TEST(send_that_is_ready) {
    int freed = 0;

    watch(promise_receive(a), "r");
    watch(select_two(put(a, promise_int(5)), put(b, promise_box(&freed, count))), "select");
    ck_assert_int_eq(freed, 1);
    hosted_run();
    trace_is("r=5 select=case 0: void");
}
END_TEST

static promise_value_t check_parts(promise_value_t v, void *arg) {
    (void)arg;
    ck_assert_uint_eq(promise_select_index(v), 1);
    ck_assert_str_eq(promise_as_string(promise_select_value(v)), "text");
    ck_assert_str_eq(promise_type_name(v), "select");
    return promise_select_value(v); /* lent: it outlives v */
}

START_TEST(parts_of_the_value) {
    promise_unref(promise_send(b, promise_stringf("%s", "text")));
    watch(promise_then(select_two(get(a), get(b)), check_parts, NULL), "v");
    hosted_run();
    trace_is("v=text");
}
END_TEST

/* Each that can be done has its turn. */
START_TEST(fair) {
    int seen[3] = {0};

    promise_channel_unref(a);
    promise_channel_unref(b);
    a = promise_channel_new(loop, SIZE_MAX);
    b = promise_channel_new(loop, SIZE_MAX);
    for (int i = 0; i < 3000; i++) {
        const promise_case_t now[] = {get(a), get(b), put(a, promise_int(1))};
        promise_t *p;
        (void)!promise_channel_try_send(a, promise_int(i));
        (void)!promise_channel_try_send(b, promise_int(i));
        p = promise_select(3, now);
        seen[promise_select_index(promise_peek(p))]++;
        promise_unref(p);
    }
    for (int i = 0; i < 3; i++) ck_assert_int_gt(seen[i], 500);
}
END_TEST

/* ---- later ---- */

START_TEST(receive_later) {
    watch(select_two(get(a), get(b)), "select");
    hosted_run();
    trace_is("");
    watch(promise_send(b, promise_int(5)), "s");
    watch(promise_send(a, promise_int(6)), "t");
    hosted_run();
    trace_is("select=case 1: 5 s=-");
    ck_assert_str_eq(in(a), "6 -");
    hosted_run();
    trace_is("t=-");
}
END_TEST

START_TEST(send_later) {
    int freed = 0;

    watch(select_two(put(a, promise_box(&freed, count)), put(b, promise_int(5))), "select");
    watch(promise_receive(b), "r");
    ck_assert_int_eq(freed, 1);
    promise_cancel(promise_receive(a));
    hosted_run();
    trace_is("select=case 1: void r=5");
}
END_TEST

START_TEST(send_comes_into_a_buffer_later) {
    promise_channel_t *c = promise_channel_new(loop, 1);

    ck_assert(promise_channel_try_send(c, promise_int(1)));
    watch(select_two(put(c, promise_int(2)), get(a)), "select");
    hosted_run();
    trace_is("");
    ck_assert_str_eq(in(c), "1 2 -");
    hosted_run();
    trace_is("select=case 0: void");
    promise_channel_unref(c);
}
END_TEST

START_TEST(select_meets_select) {
    watch(select_two(get(a), put(b, promise_int(1))), "x");
    watch(select_two(put(a, promise_int(2)), put(a, promise_int(3))), "y");
    hosted_run();
    ck_assert(strstr(trace_take(), "x=case 0: "));
    ck_assert_str_eq(in(a), "-");
    ck_assert_str_eq(in(b), "-");
}
END_TEST

START_TEST(does_not_meet_itself) {
    watch(select_two(get(a), put(a, promise_int(1))), "x");
    hosted_run();
    trace_is("");
    watch(promise_receive(a), "r");
    hosted_run();
    trace_is("x=case 1: void r=1");
    watch(select_two(get(a), put(a, promise_int(1))), "x");
    watch(promise_send(a, promise_int(2)), "s");
    hosted_run();
    trace_is("x=case 0: 2 s=-");
    watch(select_two(get(a), put(a, promise_int(3))), "x");
    watch(select_two(get(a), put(a, promise_int(4))), "y"); /* these two do meet */
    hosted_run();
    ck_assert_uint_gt(strlen(trace_take()), 20);
    ck_assert_str_eq(in(a), "-");
}
END_TEST

START_TEST(one_channel_many_times) {
    const promise_case_t cases[] = {get(a), get(a), get(a), put(b, promise_int(1)), put(b, promise_int(2))};

    watch(promise_select(5, cases), "x");
    watch(promise_send(a, promise_int(7)), "s");
    watch(promise_send(a, promise_int(8)), "t");
    hosted_run();
    trace_is("x=case 0: 7 s=-");
    ck_assert_str_eq(in(a), "8 -");
    ck_assert_str_eq(in(b), "-");
    hosted_run();
    trace_is("t=-");
}
END_TEST

START_TEST(waits_in_line) { /* first come, first served, among plain ones */
    watch(promise_receive(a), "r");
    watch(select_two(get(a), get(b)), "x");
    watch(promise_receive(a), "q");
    for (int i = 1; i < 4; i++) promise_unref(promise_send(a, promise_int(i)));
    hosted_run();
    trace_is("r=1 x=case 0: 2 q=3");
}
END_TEST

/* ---- closed, switched off, none ---- */

START_TEST(closed_channels) {
    int freed = 0;

    promise_channel_close(b);
    watch(select_two(get(a), get(b)), "r");
    watch(select_two(get(a), put(b, promise_box(&freed, count))), "s");
    ck_assert_int_eq(freed, 1);
    hosted_run();
    trace_is("r=case 1: end s=!promise_select: the channel of case 1 is closed");
}
END_TEST

START_TEST(closed_while_it_waits) {
    int freed = 0;

    watch(select_two(put(b, promise_box(&freed, count)), get(a)), "r");
    promise_channel_close(a);
    ck_assert_int_eq(freed, 1);
    ck_assert_str_eq(in(b), "-");
    watch(select_two(get(NULL), put(b, promise_box(&freed, count))), "s");
    promise_channel_close(b);
    ck_assert_int_eq(freed, 2);
    hosted_run();
    trace_is("r=case 1: end s=!promise_select: the channel of case 1 is closed");
}
END_TEST

static promise_value_t nothing(promise_value_t v, void *arg) {
    const promise_case_t off[] = {get(NULL), put(NULL, promise_stringf("%s", "dropped"))};

    (void)v;
    watch(promise_timeout(promise_select(0, NULL), 10), "none");
    watch(promise_timeout(promise_select(2, off), 10), "off");
    watch(promise_select(1, NULL), "null");
    *(bool *)arg = true;
    return promise_void();
}

START_TEST(nothing_to_wait_for) {
    bool ran = false;

    promise_unref(promise_try(loop, nothing, &ran));
    hosted_run();
    ck_assert(ran);
    trace_is("null=!promise_select: cases is NULL: Invalid argument");
    hosted_advance(10);
    trace_is("none=!timed out after 10 ms off=!timed out after 10 ms");
    watch(select_two(get(NULL), get(a)), "x");
    watch(promise_send(a, promise_int(1)), "s");
    hosted_run();
    trace_is("x=case 1: 1 s=-");
}
END_TEST

START_TEST(values_that_cannot_be_sent) {
    watch(select_two(put(a, promise_end()), put(b, promise_stringf("%s", "dropped"))), "end");
    watch(select_two(put(a, throw_text("thrown")), get(b)), "v3");
    hosted_run();
    trace_is("end=!promise_select: the value is the end: close the channel instead: Invalid argument v3=!thrown");
}
END_TEST

/* ---- cancel ---- */

START_TEST(cancel_takes_everything_back) {
    int freed = 0;
    promise_t *p = select_two(put(a, promise_box(&freed, count)), get(b));

    promise_cancel(p);
    ck_assert_int_eq(freed, 1);
    watch(promise_receive(a), "r");
    watch(promise_send(b, promise_int(1)), "s");
    hosted_run();
    trace_is("");
    ck_assert_str_eq(in(b), "1 -");
    promise_channel_close(a);
    hosted_run();
    trace_is("s=- r=end");
}
END_TEST

START_TEST(unseen_item_goes_back) { /* K6 */
    promise_t *p = promise_then(promise_timeout(select_two(get(a), get(b)), 100), see, "never");

    promise_unref(promise_send(b, promise_stringf("%s", "text")));
    promise_cancel(p);
    hosted_run();
    trace_is("");
    ck_assert_str_eq(in(b), "text -");
    promise_unref(promise_send(a, promise_stringf("%s", "more")));
    p = select_two(get(a), get(b)); /* settled at once */
    ck_assert_int_eq(promise_get_state(p), PROMISE_FULFILLED);
    promise_unref(p);
    ck_assert_str_eq(in(a), "more -");
}
END_TEST

START_TEST(select_that_nobody_has) {
    promise_unref(select_two(get(a), get(b)));
    promise_unref(promise_send(a, promise_int(1)));
    promise_unref(promise_send(b, promise_int(2)));
    ck_assert_str_eq(in(a), "1 -");
    ck_assert_str_eq(in(b), "2 -");
    promise_unref(select_two(get(a), put(b, promise_int(3)))); /* but it sends (K4) */
    promise_unref(promise_send(a, promise_int(1)));
    ck_assert_str_eq(in(a), "1 -");
    ck_assert_str_eq(in(b), "3 -");
}
END_TEST

START_TEST(loop_freed) { /* J5 */
    int freed = 0;
    promise_t *held = promise_ref(select_two(put(a, promise_box(&freed, count)), get(b)));

    watch(held, "x");
    watch(select_two(get(b), get(b)), "y");
    hosted_free();
    trace_is("x=!canceled y=!canceled");
    ck_assert_int_eq(freed, 1);
    promise_unref(held);
    held = select_two(put(a, promise_box(&freed, count)), get(b));
    ck_assert_str_eq(state_of(held), "!canceled");
    promise_unref(held);
    ck_assert_int_eq(freed, 2);
}
END_TEST

static promise_value_t count_one(promise_value_t v, void *counter) {
    (void)v;
    ++*(size_t *)counter;
    return promise_void();
}

START_TEST(many_selects) { /* T2 */
    size_t n = test_scaled(200000), done = 0;

    for (size_t i = 0; i < n; i++) promise_unref(promise_then(select_two(get(a), get(b)), count_one, &done));
    if (_i == 0) promise_channel_close(a);
    else hosted_free();
    if (loop) hosted_run();
    ck_assert_uint_eq(done, _i == 0 ? n : 0);
}
END_TEST

/* ---- bad input ---- */

static void two_loops(void *arg) {
    struct fakehost other;
    promise_channel_t *c;

    (void)arg;
    c = promise_channel_new(fakehost_open(&other), 0);
    promise_unref(select_two(get(a), get(c)));
}
static void outside(void *arg) { promise_unref(promise_select(0, arg)); }
static void index_of_void(void *arg) {
    (void)arg;
    (void)promise_select_index(promise_void());
}

START_TEST(bad_input) {
    test_assert_stops(two_loops, NULL, "promise_select: expected channels of one loop, number 1 is of another");
    test_assert_stops(outside, NULL, "promise_select: loop is NULL outside of a handler");
    test_assert_stops(index_of_void, NULL, "promise_select_index: expected select, got void");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("select");
    TCase *tcase = tcase_create("select");

    tcase_add_checked_fixture(tcase, start, end);
    tcase_add_test(tcase, receive_that_is_ready);
    tcase_add_test(tcase, send_that_is_ready);
    tcase_add_test(tcase, parts_of_the_value);
    tcase_add_test(tcase, fair);
    tcase_add_test(tcase, receive_later);
    tcase_add_test(tcase, send_later);
    tcase_add_test(tcase, send_comes_into_a_buffer_later);
    tcase_add_test(tcase, select_meets_select);
    tcase_add_test(tcase, does_not_meet_itself);
    tcase_add_test(tcase, one_channel_many_times);
    tcase_add_test(tcase, waits_in_line);
    tcase_add_test(tcase, closed_channels);
    tcase_add_test(tcase, closed_while_it_waits);
    tcase_add_test(tcase, nothing_to_wait_for);
    tcase_add_test(tcase, values_that_cannot_be_sent);
    tcase_add_test(tcase, cancel_takes_everything_back);
    tcase_add_test(tcase, unseen_item_goes_back);
    tcase_add_test(tcase, select_that_nobody_has);
    tcase_add_test(tcase, loop_freed);
    tcase_add_loop_test(tcase, many_selects, 0, 2);
    tcase_add_test(tcase, bad_input);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
