/* Channels that cross threads: order, closing, cancels at each state (K2, K6), loops that go (J5), memory. */
#include "sharing.h"

#include <errno.h>

/* ---- order ---- */

START_TEST(items_wait_in_their_order) {
    promise_t *p[4];

    open_all(3);
    for (int i = 0; i < 3; i++) sent(i);
    p[3] = send_int(loop, 3);
    ck_pending(p[3]);
    ck_assert_uint_eq(promise_shared_channel_size(ch), 3);
    ck_assert_uint_eq(promise_shared_channel_capacity(ch), 3);
    for (int i = 0; i < 4; i++) received(other, i);
    ck_pending(p[3]); /* its loop is told */
    turn(1);
    ck_assert_int_eq(promise_get_state(p[3]), PROMISE_FULFILLED);
    promise_unref(p[3]);
    for (int i = 0; i < 3; i++) p[i] = receive(i < 2 ? loop : other);
    for (int i = 0; i < 3; i++) sent(i);
    turn(1);
    ck_is_int(p[2], 0); /* who comes first takes the first: the other loop's turn */
    ck_is_int(p[0], 1);
    ck_is_int(p[1], 2);
    for (int i = 0; i < 3; i++) promise_unref(p[i]);
    close_all();
}
END_TEST

/* Who asks while others of its loop are about to be served comes after them. */
START_TEST(receivers_of_a_loop_are_served_in_their_order) {
    promise_t *a, *b;

    open_all(4);
    a = receive(other);
    sent(1);
    sent(2);
    sent(3);
    b = receive(other);
    ck_pending(a);
    ck_pending(b);
    received(loop, 1); /* there is one for each: which, is not said before */
    turn(1);
    ck_is_int(a, 2);
    ck_is_int(b, 3);
    promise_unref(a);
    promise_unref(b);
    close_all();
}
END_TEST

START_TEST(without_room_a_send_waits_for_its_receiver) {
    promise_t *s, *r;

    open_all(0);
    s = send_int(loop, 1);
    turn(2);
    ck_pending(s);
    received(other, 1);
    turn(1);
    ck_assert_int_eq(promise_get_state(s), PROMISE_FULFILLED);
    promise_unref(s);
    r = receive(other);
    s = send_int(loop, 2);
    ck_pending(s); /* nobody has it yet */
    turn(2);
    ck_is_int(r, 2);
    ck_assert_int_eq(promise_get_state(s), PROMISE_FULFILLED);
    promise_unref(r);
    promise_unref(s);
    close_all();
}
END_TEST

START_TEST(without_a_limit_sends_do_not_wait) {
    int n = (int)test_scaled(10000);

    open_all(SIZE_MAX);
    for (int i = 0; i < n; i++) {
        sent(2 * i);
        sent(2 * i + 1);
        received(other, i);
    }
    for (int i = n; i < 2 * n; i++) received(other, i);
    close_all();
}
END_TEST

/* ---- what is no item; H3 ---- */

START_TEST(V3_what_is_no_item) {
    const promise_value_t none[] = {promise_end(), promise_adopt(promise_from((open_all(4), loop), promise_void())),
                                    promise_throw_errno(EIO, "item")};
    promise_value_t v = {0}, kept = {0};
    promise_t *p;

    for (int i = 0; i < 3; i++) {
        p = watched(promise_shared_send(loop, ch, none[i]));
        ck_fails(p, promise_errno_errors, i < 2 ? EINVAL : EIO);
        promise_unref(p);
    }
    ck_assert_int_eq(promise_shared_send_wait(ch, promise_end(), 0, &v), -1);
    ck_assert(promise_error_is(v, &promise_errno_errors, EINVAL));
    promise_value_set(&kept, counted());
    ck_assert_int_eq(promise_shared_send_wait(ch, kept, 0, &v), -1);
    ck_assert(promise_error_is(v, &promise_errno_errors, EBUSY)); /* H3 */
    promise_value_set(&kept, promise_string("copied"));
    ck_assert_int_eq(promise_shared_send_wait(ch, kept, 0, &v), 0);
    ck_assert(promise_is_void(v));
    ck_assert_int_eq(promise_shared_receive_wait(ch, 0, &v), 0);
    ck_assert_str_eq(promise_as_string(v), "copied");
    ck_assert_ptr_ne(v.as.pointer, kept.as.pointer);
    promise_value_clear(&kept);
    promise_value_clear(&v);
    close_all();
}
END_TEST

static promise_value_t give_item(promise_value_t v, void *arg) {
    (void)arg;
    return promise_adopt(promise_shared_send(NULL, promise_as_shared_channel(v), promise_string("from there")));
}
START_TEST(H2_a_channel_is_a_value) {
    promise_mailbox_t *mailbox;

    open_all(1);
    mailbox = promise_loop_mailbox(other);
    promise_t *p = promise_call(loop, mailbox, give_item, promise_shared_channel_value(promise_shared_channel_ref(ch)));
    turn(2);
    ck_assert_int_eq(promise_get_state(p), PROMISE_FULFILLED);
    promise_unref(p);
    p = receive(loop);
    ck_assert_str_eq(promise_as_string(promise_peek(p)), "from there");
    promise_unref(p);
    promise_mailbox_unref(mailbox);
    close_all();
}
END_TEST

/* ---- close ---- */

START_TEST(close_tells_all) {
    promise_t *r[3], *s;

    open_all(1);
    sent(1);
    s = watched(promise_shared_send(loop, ch, counted()));
    ck_assert(!promise_shared_channel_is_closed(ch));
    promise_shared_channel_close(ch);
    promise_shared_channel_close(ch);
    ck_assert(promise_shared_channel_is_closed(ch));
    turn(1);
    ck_fails(s, promise_errors, PROMISE_ECLOSED);
    ck_assert_uint_eq(freed, 1);
    promise_unref(s);
    s = watched(promise_shared_send(loop, ch, counted()));
    ck_fails(s, promise_errors, PROMISE_ECLOSED);
    ck_assert_uint_eq(freed, 2);
    promise_unref(s);
    received(other, 1); /* what is in it is still received */
    for (int i = 0; i < 2; i++) {
        r[i] = receive(other);
        ck_is_end(r[i]);
        promise_unref(r[i]);
    }
    promise_shared_channel_unref(ch);

    ch = promise_shared_channel_new(0);
    for (int i = 0; i < 3; i++) r[i] = receive(i ? loop : other);
    promise_shared_channel_close(ch);
    turn(1);
    for (int i = 0; i < 3; i++) {
        ck_is_end(r[i]);
        promise_unref(r[i]);
    }
    close_all();
}
END_TEST

/* Nobody is told of the end while an item may still come back. */
START_TEST(K6_the_end_comes_after_what_comes_back) {
    promise_t *a, *b;

    open_all(1);
    a = receive(other);
    sent(1);
    promise_shared_channel_close(ch);
    b = receive(loop);
    ck_pending(b);
    promise_cancel(a);
    turn(1);
    ck_is_int(b, 1);
    promise_unref(b);
    b = receive(loop);
    ck_is_end(b);
    promise_unref(b);
    close_all();
}
END_TEST

START_TEST(the_last_reference_closes) {
    promise_t *r;

    open_all(2);
    r = receive(loop);
    promise_shared_channel_unref(promise_shared_channel_ref(ch));
    turn(1);
    ck_pending(r);
    promise_shared_channel_unref(ch);
    turn(1);
    ck_is_end(r);
    promise_unref(r);
    ch = promise_shared_channel_new(2);
    promise_unref(promise_shared_send(loop, ch, counted()));
    promise_shared_channel_unref(ch);
    ck_assert_uint_eq(freed, 1); /* what is in it goes */
    ch = NULL;
    close_all();
}
END_TEST

/* ---- cancel ---- */

/* K6: a receive that waits, is called, or has its item; what it did not take is for the next one. */
START_TEST(K6_a_cancelled_receive_takes_nothing) {
    promise_t *a, *b;

    open_all(4);
    a = receive(other);
    promise_cancel(promise_ref(a));
    ck_assert(promise_is_canceled(promise_peek(a)));
    promise_unref(a);
    sent(1);
    received(loop, 1);

    a = receive(other);
    b = receive(loop);
    sent(2); /* a is called */
    promise_cancel(a);
    ck_pending(b);
    turn(1);
    ck_is_int(b, 2); /* then b was */
    promise_unref(b);

    a = receive(other);
    sent(3);
    sent(4);
    promise_cancel(a); /* nobody else waits: it stays, in its place */
    turn(1);
    received(loop, 3);
    received(loop, 4);

    a = receive(other);
    sent(5);
    turn(1);
    promise_cancel(promise_ref(a)); /* too late */
    ck_is_int(a, 5);
    promise_unref(a);
    close_all();
}
END_TEST

/* K2: a send that waits is taken back; one that is in the channel is not, though its loop has not heard of it. */
START_TEST(K2_a_cancelled_send) {
    promise_t *s;

    open_all((size_t)_i);
    if (_i) sent(1);
    s = watched(promise_shared_send(loop, ch, counted()));
    promise_cancel(s);
    ck_assert_uint_eq(freed, 1);
    if (_i) received(other, 1);
    turn(1);
    if (_i) sent(2);
    s = send_int(loop, 3);
    if (_i) received(other, 2);
    else received(other, 3);
    promise_cancel(s);
    turn(1);
    if (_i) received(other, 3);
    s = receive(other);
    ck_pending(s);
    promise_cancel(s);
    close_all();
}
END_TEST

/* Without room: who was called finds that the sender has left, and waits on, before those who came later. */
START_TEST(K6_the_sender_has_left) {
    promise_t *a, *b, *s;

    open_all(0);
    a = receive(other);
    s = send_int(loop, 1); /* a is called */
    b = receive(loop);
    promise_cancel(s);
    turn(2);
    ck_pending(a);
    ck_pending(b);
    s = send_int(loop, 2);
    turn(1);
    ck_is_int(a, 2);
    ck_pending(b);
    promise_cancel(b);
    promise_unref(a);
    turn(1);
    promise_unref(s);
    close_all();
}
END_TEST

/* K4: letting go is no cancel. */
START_TEST(K4_letting_go) {
    open_all(1);
    promise_unref(receive(other));
    sent(1);
    turn(1);
    ck_assert_uint_eq(promise_shared_channel_size(ch), 0);
    sent(2);
    promise_unref(send_int(loop, 3));
    received(other, 2);
    received(other, 3);
    turn(1);
    close_all();
}
END_TEST

static promise_t *victim;
static void cancel_victim(void *arg) {
    (void)arg;
    promise_cancel(victim);
}
/* R8: an item's free function cancels another that was served by the same mail: that one has its item by then. */
START_TEST(R8_a_free_function_cancels_another) {
    open_all(4);
    promise_unref(receive(other)); /* nobody wants its item: it is freed at once */
    victim = receive(other);
    promise_t *p = promise_ref(victim);
    promise_unref(promise_shared_send(loop, ch, promise_box(NULL, cancel_victim)));
    sent(7);
    turn(1);
    ck_is_int(p, 7);
    promise_unref(p);
    close_all();
}
END_TEST

/* ---- loops that go ---- */

/* J5, R15: waiting, called, and done, as the loop goes: what it had not taken is for the others. */
START_TEST(J5_a_loop_goes) {
    promise_t *a, *b, *s;

    open_all(1);
    a = receive(other);
    b = receive(other);
    if (_i > 0) sent(1);
    if (_i > 1) turn(1);
    close_other();
    ck_assert_int_eq(promise_is_canceled(promise_peek(a)), _i < 2);
    ck_assert(promise_is_canceled(promise_peek(b)));
    promise_unref(a);
    promise_unref(b);
    if (_i == 1) received(loop, 1);
    sent(2);
    s = watched(promise_shared_send(loop, ch, counted()));
    if (_i > 0) received(loop, 2); /* it is in the channel, but has not heard of it */
    promise_loop_free(loop);
    loop = NULL;
    ck_assert(promise_is_canceled(promise_peek(s)));
    promise_unref(s);
    ck_assert_uint_eq(freed, _i == 0);
    close_all();
    ck_assert_uint_eq(freed, 1);
}
END_TEST

/* J3: a loop that waits goes on, and then ends. */
START_TEST(J3_a_loop_that_waits_goes_on) {
    promise_value_t v = {0};
    promise_t *a, *b;

    open_all(1);
    a = receive(other);
    b = receive(other);
    ck_assert_int_eq(promise_loop_turn(other), 1);
    promise_cancel(b);
    ck_assert_int_eq(promise_loop_turn(other), 1);
    sent(4);
    ck_assert_int_eq(promise_loop_run(other, a, &v), 0);
    ck_assert_int_eq(promise_as_int(v), 4);
    ck_assert_int_eq(promise_loop_turn(other), 0);
    a = receive(other);
    promise_cancel(a);
    ck_assert_int_eq(promise_loop_turn(other), 0);
    close_all();
}
END_TEST

/* ---- its items ---- */

static int64_t sum;
static promise_value_t add(promise_value_t v, void *arg) {
    (void)arg;
    sum = sum * 10 + promise_as_int(v);
    return promise_void();
}
START_TEST(items_until_the_end) {
    promise_t *p;

    open_all(2);
    p = promise_each(promise_shared_channel_items(other, ch), 1, add, NULL);
    for (int i = 1; i <= 5; i++) {
        promise_unref(promise_shared_send(loop, ch, promise_int(i)));
        turn(1);
    }
    promise_shared_channel_close(ch);
    promise_shared_channel_unref(ch); /* the iterator has it */
    ch = NULL;
    turn(3);
    ck_assert_int_eq(promise_get_state(p), PROMISE_FULFILLED);
    ck_assert_int_eq(sum, 12345);
    promise_unref(p);
    close_all();
}
END_TEST

START_TEST(K6_an_iterator_is_closed) {
    promise_iterator_t *it;
    promise_t *a, *b;

    open_all(2);
    it = promise_shared_channel_items(other, ch);
    a = watched(promise_next(it));
    b = watched(promise_next(it));
    sent(1); /* one of them is called */
    promise_iterator_close(it);
    ck_assert(promise_is_canceled(promise_peek(a)));
    ck_assert(promise_is_canceled(promise_peek(b)));
    promise_unref(a);
    promise_unref(b);
    turn(1);
    received(loop, 1);
    it = promise_shared_channel_items(other, ch);
    a = promise_next(it);
    promise_cancel(promise_next(it));
    sent(2);
    turn(1);
    ck_is_int(a, 2);
    promise_unref(a);
    promise_iterator_close(it);
    close_all();
}
END_TEST

/* ---- memory ---- */

/* O2, V3: whichever allocation fails: the promise settles, an item is with one side or the other, nothing is left. */
START_TEST(O2_out_of_memory) {
    size_t n = 0;
    bool failed;

    open_all(0);
    promise_shared_channel_unref(ch);
    do {
        promise_t *s, *r;
        ch = promise_shared_channel_new((size_t)_i);
        promise_value_t v = counted();
        test_alloc_fail_at(++n);
        s = watched(promise_shared_send(loop, ch, v));
        r = watched(promise_shared_receive(other, ch));
        turn(2);
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        if (promise_get_state(s) == PROMISE_REJECTED) ck_fails(s, promise_errno_errors, ENOMEM);
        if (promise_get_state(r) == PROMISE_REJECTED) ck_fails(r, promise_errno_errors, ENOMEM);
        ck_assert(failed || promise_is(promise_peek(r), &promise_type_box));
        promise_cancel(s);
        promise_cancel(r);
        promise_shared_channel_unref(ch);
        ck_assert_uint_eq(freed, n);
    } while (failed);
    ck_assert_uint_gt(n, 1);
    ch = NULL;
    close_all();
}
END_TEST

START_TEST(O2_no_channel) {
    promise_value_t v = {0};
    promise_t *p;

    open_all(1);
    test_alloc_fail_at(1);
    ck_assert_ptr_null(promise_shared_channel_new(1));
    p = watched(promise_shared_send(loop, NULL, counted()));
    ck_fails(p, promise_errno_errors, ENOMEM);
    promise_unref(p);
    p = watched(promise_shared_receive(loop, NULL));
    ck_fails(p, promise_errno_errors, ENOMEM);
    promise_unref(p);
    promise_iterator_t *it = promise_shared_channel_items(loop, NULL);
    p = watched(promise_next(it));
    ck_fails(p, promise_errno_errors, ENOMEM);
    promise_unref(p);
    promise_iterator_close(it);
    ck_assert_int_eq(promise_shared_send_wait(NULL, counted(), 5, &v), -1);
    ck_assert(promise_error_is(v, &promise_errno_errors, ENOMEM));
    ck_assert_int_eq(promise_shared_receive_wait(NULL, 5, &v), -1);
    ck_assert(promise_is_rejection(promise_shared_channel_value(NULL)));
    ck_assert_uint_eq(freed, 2);
    promise_shared_channel_close(NULL);
    promise_shared_channel_unref(promise_shared_channel_ref(NULL));
    ck_assert(promise_shared_channel_is_closed(NULL));
    ck_assert_uint_eq(promise_shared_channel_size(NULL) + promise_shared_channel_capacity(NULL), 0);
    test_alloc_fail_at(1);
    it = promise_shared_channel_items(loop, ch);
    test_alloc_fail_at(2);
    promise_iterator_close(promise_shared_channel_items(loop, ch));
    test_alloc_fail_at(0);
    promise_iterator_close(it);
    close_all();
}
END_TEST

/* ---- what is refused ---- */

static promise_value_t wait_in_handler(promise_value_t v, void *arg) {
    (void)arg;
    (void)promise_shared_send_wait(ch, promise_void(), 1, NULL);
    return v;
}
static void run_waiting(void *arg) {
    (void)arg;
    promise_loop_run(loop, promise_try(loop, wait_in_handler, NULL), NULL);
}
static void no_item(void *arg) { (void)!promise_shared_receive_wait(ch, 0, arg); }
static void no_wake(void *data, bool again) { (void)data, (void)again; }
static void on_hosted(void *arg) {
    static const struct promise_host host = {.size = sizeof host, .wake = no_wake};
    promise_unref(promise_shared_receive(promise_loop_new_hosted(&host, arg), ch));
}
START_TEST(what_is_refused) {
    open_all(1);
    test_assert_stops(run_waiting, NULL, "promise_shared_send_wait: called in a handler");
    test_assert_stops(no_item, NULL, "promise_shared_receive_wait: item is NULL");
    test_assert_stops(on_hosted, NULL, "promise_shared_receive: expected a loop of promise_loop_new");
    close_all();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("shared_channel");
    TCase *one = tcase_create("one");

    tcase_add_test(one, items_wait_in_their_order);
    tcase_add_test(one, receivers_of_a_loop_are_served_in_their_order);
    tcase_add_test(one, without_room_a_send_waits_for_its_receiver);
    tcase_add_test(one, without_a_limit_sends_do_not_wait);
    tcase_add_test(one, V3_what_is_no_item);
    tcase_add_test(one, H2_a_channel_is_a_value);
    tcase_add_test(one, close_tells_all);
    tcase_add_test(one, K6_the_end_comes_after_what_comes_back);
    tcase_add_test(one, the_last_reference_closes);
    tcase_add_test(one, K6_a_cancelled_receive_takes_nothing);
    tcase_add_loop_test(one, K2_a_cancelled_send, 0, 2);
    tcase_add_test(one, K6_the_sender_has_left);
    tcase_add_test(one, K4_letting_go);
    tcase_add_test(one, R8_a_free_function_cancels_another);
    tcase_add_loop_test(one, J5_a_loop_goes, 0, 3);
    tcase_add_test(one, J3_a_loop_that_waits_goes_on);
    tcase_add_test(one, items_until_the_end);
    tcase_add_test(one, K6_an_iterator_is_closed);
    tcase_add_loop_test(one, O2_out_of_memory, 0, 2);
    tcase_add_test(one, O2_no_channel);
    tcase_add_test(one, what_is_refused);
    suite_add_tcase(suite, one);
    return test_main(suite);
}
