/* Channels: sending, receiving, closing, owning; who comes first, and what a cancel leaves behind. */
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

/* ---- one after the other ---- */

START_TEST(unbuffered_send_first) {
    put(1, "s");
    hosted_run();
    trace_is("");
    get("r");
    hosted_run();
    trace_is("s=- r=1");
}
END_TEST

START_TEST(unbuffered_receive_first) {
    get("r");
    hosted_run();
    trace_is("");
    put(1, "s");
    hosted_run();
    trace_is("r=1 s=-");
}
END_TEST

START_TEST(fifo_on_both_sides) {
    for (int i = 0; i < 3; i++) get("r");
    for (int i = 0; i < 5; i++) put(i, "s");
    hosted_run();
    trace_is("r=0 s=- r=1 s=- r=2 s=-");
    for (int i = 0; i < 3; i++) get("q");
    hosted_run();
    trace_is("s=- q=3 s=- q=4");
    put(9, "t");
    hosted_run();
    trace_is("q=9 t=-");
}
END_TEST

START_TEST(buffer_holds_capacity) {
    buffered(2);
    ck_assert_uint_eq(promise_channel_capacity(ch), 2);
    for (int i = 0; i < 4; i++) put(i, "s");
    hosted_run();
    trace_is("s=- s=-");
    ck_assert_uint_eq(promise_channel_size(ch), 2);
    get("r"); /* and the first that waits comes in */
    hosted_run();
    trace_is("s=- r=0");
    ck_assert_uint_eq(promise_channel_size(ch), 2);
    for (int i = 0; i < 4; i++) get("r");
    hosted_run();
    trace_is("s=- r=1 r=2 r=3");
    put(4, "s");
    hosted_run();
    trace_is("r=4 s=-");
    ck_assert_uint_eq(promise_channel_size(ch), 0);
}
END_TEST

START_TEST(buffer_grows_round_its_end) {
    buffered(SIZE_MAX);
    for (int i = 0; i < 6; i++) ck_assert(promise_channel_try_send(ch, promise_int(i)));
    for (int i = 0; i < 4; i++) get("r");
    for (int i = 6; i < 40; i++) ck_assert(promise_channel_try_send(ch, promise_int(i)));
    hosted_run();
    trace_is("r=0 r=1 r=2 r=3");
    for (int64_t i = 4; i < 40; i++) {
        promise_value_t v = {0};
        ck_assert(promise_channel_try_receive(ch, &v));
        ck_assert_int_eq(promise_as_int(v), i);
    }
    ck_assert_str_eq(rest(), "-");
}
END_TEST

START_TEST(large_buffer_is_given_back) {
    size_t before = test_alloc_live();

    buffered(SIZE_MAX);
    for (int i = 0; i < 5000; i++) ck_assert(promise_channel_try_send(ch, promise_int(i)));
    for (int i = 0; i < 5000; i++) {
        promise_value_t v = {0};
        ck_assert(promise_channel_try_receive(ch, &v));
    }
    ck_assert_uint_eq(test_alloc_live(), before);
    ck_assert(promise_channel_try_send(ch, promise_int(1)));
    ck_assert_str_eq(rest(), "1 -");
}
END_TEST

START_TEST(values_keep_to_v2) {
    promise_value_t kept = {0};

    promise_value_set(&kept, promise_stringf("%s", "kept"));
    buffered(4);
    watch(promise_send(ch, kept), "s");
    watch(promise_send(ch, kept), "s");
    watch(promise_send(ch, promise_stringf("%s", "fresh")), "s");
    promise_value_clear(&kept);
    ck_assert_str_eq(rest(), "kept kept fresh -");
    hosted_run();
    trace_is("s=- s=- s=-");
}
END_TEST

START_TEST(what_is_no_item) {
    watch(promise_send(ch, promise_end()), "end");
    watch(promise_send(ch, promise_adopt(promise_from(loop, promise_int(1)))), "promise");
    watch(promise_send(ch, throw_text("thrown")), "v3");
    ck_assert(!promise_channel_try_send(ch, promise_end()));
    ck_assert(!promise_channel_try_send(ch, throw_text("thrown")));
    hosted_run();
    trace_is("end=!promise_send: the value is the end: close the channel instead: Invalid argument "
             "promise=!promise_send: the value is a promise or a thenable: wait for it first: Invalid argument v3=!thrown");
    ck_assert_str_eq(rest(), "-");
}
END_TEST

/* ---- without waiting ---- */

START_TEST(try_without_waiting) {
    promise_value_t v = {0};

    ck_assert(!promise_channel_try_send(ch, promise_stringf("%s", "nobody waits")));
    ck_assert(!promise_channel_try_receive(ch, &v));
    ck_assert(promise_is_void(v));
    get("r");
    ck_assert(promise_channel_try_send(ch, promise_int(1)));
    put(2, "s");
    ck_assert(promise_channel_try_receive(ch, &v));
    ck_assert_int_eq(promise_as_int(v), 2);
    watch(promise_send(ch, promise_stringf("%s", "text")), "s");
    ck_assert(promise_channel_try_receive(ch, &v));
    ck_assert(!promise_channel_try_receive(ch, &v)); /* lets go of it */
    promise_channel_close(ch);
    ck_assert(!promise_channel_try_send(ch, promise_int(3)));
    ck_assert(promise_channel_try_receive(ch, &v));
    ck_assert(promise_is_end(v));
    hosted_run();
    trace_is("r=1 s=- s=-");
}
END_TEST

/* ---- close ---- */

START_TEST(close_ends_all_receives) {
    for (int i = 0; i < 3; i++) get("r");
    ck_assert(!promise_channel_is_closed(ch));
    promise_channel_close(ch);
    promise_channel_close(ch);
    ck_assert(promise_channel_is_closed(ch));
    get("q");
    hosted_run();
    trace_is("r=end r=end r=end q=end");
}
END_TEST

START_TEST(close_delivers_what_is_buffered) {
    buffered(2);
    for (int i = 0; i < 4; i++) put(i, "s");
    promise_channel_close(ch);
    put(9, "t");
    hosted_run();
    trace_is("s=- s=- s=!promise_send: the channel is closed s=!promise_send: the channel is closed "
             "t=!promise_send: the channel is closed");
    for (int i = 0; i < 3; i++) get("r");
    hosted_run();
    trace_is("r=0 r=1 r=end");
}
END_TEST

static void count(void *counter) { ++*(int *)counter; }

START_TEST(close_releases_what_waits) {
    int freed = 0;

    watch(promise_send(ch, promise_box(&freed, count)), "s");
    promise_channel_close(ch);
    ck_assert_int_eq(freed, 1);
    watch(promise_send(ch, promise_box(&freed, count)), "s");
    ck_assert_int_eq(freed, 2);
    hosted_run();
    trace_is("s=!promise_send: the channel is closed s=!promise_send: the channel is closed");
}
END_TEST

/* ---- own ---- */

START_TEST(last_unref_closes) {
    int freed = 0;

    get("r");
    ck_assert_ptr_eq(promise_channel_ref(ch), ch);
    promise_channel_unref(ch);
    hosted_run();
    trace_is("");
    promise_channel_unref(ch);
    hosted_run();
    trace_is("r=end");
    ch = promise_channel_new(loop, 1);
    watch(promise_send(ch, promise_box(&freed, count)), "in");
    watch(promise_send(ch, promise_box(&freed, count)), "waits");
    promise_channel_unref(ch);
    ck_assert_int_eq(freed, 2);
    ch = NULL;
    hosted_run();
    trace_is("in=- waits=!promise_send: the channel is closed");
    promise_channel_close(NULL);
}
END_TEST

START_TEST(channel_through_a_channel) {
    promise_channel_t *other = promise_channel_new(loop, 1);
    promise_value_t v = {0};

    watch(promise_send(ch, promise_channel_value(promise_channel_ref(other))), "s");
    ck_assert(promise_channel_try_receive(ch, &v));
    ck_assert_ptr_eq(promise_as_channel(v), other);
    ck_assert(promise_is(v, &promise_type_channel));
    promise_channel_unref(other);
    ck_assert(promise_channel_try_send(promise_as_channel(v), promise_int(1)));
    promise_value_clear(&v);
    hosted_run();
    trace_is("s=-");
}
END_TEST

/* V4, T2: each is the only item of the one before. */
START_TEST(million_channels_in_each_other) {
    promise_channel_t *inner = promise_channel_new(loop, 1);

    for (size_t i = test_scaled(1000000); i--;) {
        promise_channel_t *outer = promise_channel_new(loop, 1);
        ck_assert(promise_channel_try_send(outer, promise_channel_value(inner)));
        inner = outer;
    }
    promise_channel_unref(inner);
}
END_TEST

/* ---- cancel ---- */

START_TEST(cancelled_send_takes_its_value_back) {
    int freed = 0;
    promise_t *p = promise_send(ch, promise_box(&freed, count));

    put(2, "s");
    promise_cancel(p);
    ck_assert_int_eq(freed, 1);
    get("r");
    hosted_run();
    trace_is("s=- r=2");
}
END_TEST

START_TEST(cancelled_receive_leaves_the_queue) {
    promise_t *p;

    get("a");
    p = promise_receive(ch);
    get("b");
    promise_cancel(p);
    put(1, "s");
    put(2, "s");
    hosted_run();
    trace_is("a=1 s=- b=2 s=-");
}
END_TEST

START_TEST(unref_is_no_cancel_of_a_send) { /* K4 */
    promise_unref(promise_send(ch, promise_int(1)));
    get("r");
    hosted_run();
    trace_is("r=1");
}
END_TEST

START_TEST(receive_that_nobody_has_takes_nothing) {
    promise_unref(promise_receive(ch));
    get("r");
    promise_unref(promise_receive(ch));
    put(1, "s");
    put(2, "t");
    hosted_run();
    trace_is("r=1 s=-");
    promise_unref(promise_receive(ch));
    ck_assert_str_eq(rest(), "2 -");
    hosted_run();
    trace_is("t=-");
}
END_TEST

START_TEST(timeouts) {
    watch(promise_timeout(promise_receive(ch), 10), "r");
    hosted_advance(10);
    trace_is("r=!timed out after 10 ms");
    watch(promise_timeout(promise_send(ch, promise_stringf("%s", "late")), 10), "s");
    hosted_advance(10);
    trace_is("s=!timed out after 10 ms");
    ck_assert_str_eq(rest(), "-");
    watch(promise_timeout(promise_receive(ch), 10), "r");
    put(1, "s");
    hosted_run();
    trace_is("s=- r=1");
}
END_TEST

/* ---- J5 ---- */

START_TEST(loop_freed_with_all_pending) {
    int freed = 0;
    promise_t *held, *unseen = promise_receive(ch);

    put(7, "s");
    for (int i = 0; i < 3; i++) get("r");
    held = promise_receive(ch);
    watch(promise_ref(held), "held");
    buffered(1);
    for (int i = 0; i < 3; i++) watch(promise_send(ch, promise_box(&freed, count)), "t");
    hosted_free();
    trace_is("s=- r=end r=end r=end held=end t=- t=!canceled t=!canceled");
    ck_assert_int_eq(freed, 3);
    ck_assert_int_eq(promise_get_state(unseen), PROMISE_FULFILLED);
    promise_unref(unseen);
    promise_unref(held);
    ck_assert(promise_channel_is_closed(ch));
    held = promise_receive(ch);
    ck_assert_str_eq(state_of(held), "!canceled");
    promise_unref(held);
    promise_unref(promise_send(ch, promise_box(&freed, count)));
    ck_assert_int_eq(freed, 4);
    ck_assert(!promise_channel_try_send(ch, promise_int(1)));
    ck_assert_str_eq(rest(), "end");
}
END_TEST

static void note(promise_t *p) {
    trace("%s", state_of(p));
    promise_unref(p);
}

static promise_value_t work_while_dying(promise_value_t v, void *arg) {
    promise_channel_t *late = promise_channel_new(NULL, 1);
    promise_iterator_t *items = promise_channel_items(late);
    const promise_case_t cases[] = {{.channel = ch}, {.channel = ch, .send = true, .value = promise_int(1)}};

    (void)arg;
    note(promise_send(ch, promise_int(1)));
    note(promise_receive(ch));
    note(promise_receive(late));
    note(promise_send(late, promise_int(1)));
    note(promise_select(2, cases));
    note(promise_next(items));
    promise_iterator_close(items);
    promise_channel_unref(late);
    return v;
}

START_TEST(work_while_the_loop_goes) {
    promise_unref(promise_catch(promise_receive(ch), work_while_dying, NULL));
    hosted_free();
    trace_is("!canceled !canceled !canceled !canceled !canceled !canceled");
}
END_TEST

/* ---- T2 ---- */

static promise_value_t count_one(promise_value_t v, void *counter) {
    (void)v;
    ++*(size_t *)counter;
    return promise_void();
}

START_TEST(million_waiters) {
    size_t n = test_scaled(1000000), seen = 0;

    for (size_t i = 0; i < n; i++) promise_unref(promise_then(promise_receive(ch), count_one, &seen));
    if (_i == 0) promise_channel_close(ch);
    else if (_i == 1) hosted_free();
    else
        for (size_t i = 0; i < n; i++) ck_assert(promise_channel_try_send(ch, promise_void()));
    if (loop) hosted_run();
    ck_assert_uint_eq(seen, _i == 1 ? 0 : n);
}
END_TEST

START_TEST(million_senders) {
    size_t n = test_scaled(1000000), seen = 0;

    for (size_t i = 0; i < n; i++)
        promise_unref(promise_then_catch(promise_send(ch, promise_int(1)), count_one, count_one, &seen));
    if (_i == 0) promise_channel_close(ch);
    else if (_i == 1) hosted_free();
    else {
        promise_value_t v = {0};
        while (promise_channel_try_receive(ch, &v)) continue;
    }
    if (loop) hosted_run();
    ck_assert_uint_eq(seen, n);
}
END_TEST

START_TEST(million_cancelled) {
    size_t n = test_scaled(1000000);

    for (size_t i = 0; i < n; i++) promise_unref(promise_receive(ch)); /* nobody has them */
    put(1, "s");
    ck_assert_str_eq(rest(), "1 -");
    hosted_run();
    trace_is("s=-");
}
END_TEST

/* ---- bad input ---- */

static void send_null(void *arg) { promise_unref(promise_send(arg, promise_int(1))); }
static void receive_null(void *arg) { promise_unref(promise_receive(arg)); }
static void items_null(void *arg) { promise_iterator_close(promise_channel_items(arg)); }
static void ref_null(void *arg) { promise_channel_ref(arg); }
static void size_null(void *arg) { (void)promise_channel_size(arg); }
static void try_null(void *arg) { (void)!promise_channel_try_receive(arg, NULL); }
static void new_null(void *arg) { promise_channel_unref(promise_channel_new(arg, 0)); }

static void as_channel(void *arg) { (void)promise_as_channel(promise_pointer(arg)); }

START_TEST(bad_input) {
    promise_value_t v = promise_channel_value(NULL);

    ck_assert_str_eq(promise_error_message(v), "promise_channel_value: ch is NULL: Invalid argument");
    promise_value_clear(&v);
    test_assert_stops(as_channel, NULL, "promise_as_channel: expected channel, got pointer");
    promise_channel_unref(NULL);
    test_assert_stops(send_null, NULL, "promise_send: the channel is NULL");
    test_assert_stops(receive_null, NULL, "promise_receive: the channel is NULL");
    test_assert_stops(items_null, NULL, "promise_channel_items: the channel is NULL");
    test_assert_stops(ref_null, NULL, "promise_channel_ref: the channel is NULL");
    test_assert_stops(size_null, NULL, "promise_channel_size: the channel is NULL");
    test_assert_stops(try_null, ch, "promise_channel_try_receive: v is NULL");
    test_assert_stops(new_null, NULL, "promise_channel_new: loop is NULL outside of a handler");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("channel");
    TCase *tcase = tcase_create("channel");

    tcase_add_checked_fixture(tcase, start, end);
    tcase_add_test(tcase, unbuffered_send_first);
    tcase_add_test(tcase, unbuffered_receive_first);
    tcase_add_test(tcase, fifo_on_both_sides);
    tcase_add_test(tcase, buffer_holds_capacity);
    tcase_add_test(tcase, buffer_grows_round_its_end);
    tcase_add_test(tcase, large_buffer_is_given_back);
    tcase_add_test(tcase, values_keep_to_v2);
    tcase_add_test(tcase, what_is_no_item);
    tcase_add_test(tcase, try_without_waiting);
    tcase_add_test(tcase, close_ends_all_receives);
    tcase_add_test(tcase, close_delivers_what_is_buffered);
    tcase_add_test(tcase, close_releases_what_waits);
    tcase_add_test(tcase, last_unref_closes);
    tcase_add_test(tcase, channel_through_a_channel);
    tcase_add_test(tcase, million_channels_in_each_other);
    tcase_add_test(tcase, cancelled_send_takes_its_value_back);
    tcase_add_test(tcase, cancelled_receive_leaves_the_queue);
    tcase_add_test(tcase, unref_is_no_cancel_of_a_send);
    tcase_add_test(tcase, receive_that_nobody_has_takes_nothing);
    tcase_add_test(tcase, timeouts);
    tcase_add_test(tcase, loop_freed_with_all_pending);
    tcase_add_test(tcase, work_while_the_loop_goes);
    tcase_add_loop_test(tcase, million_waiters, 0, 3);
    tcase_add_loop_test(tcase, million_senders, 0, 3);
    tcase_add_test(tcase, million_cancelled);
    tcase_add_test(tcase, bad_input);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
