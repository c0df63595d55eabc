/* Channels when memory runs out (O2, V3): each allocation fails once, and nothing is lost, leaked, or left waiting. */
#include "../src/core.h"
#include "hosted.h"

#include <errno.h>

static promise_channel_t *ch, *other;

/* ---- a full slab, so that the next promise needs memory ---- */

enum { MOST = 100000 };
static promise_t *held[MOST];
static size_t held_count;

static void fill_slab(void) {
    test_alloc_fail_from(1);
    for (held_count = 0; !test_alloc_failed(); held_count++) {
        ck_assert_uint_lt(held_count, MOST);
        held[held_count] = promise_from(loop, promise_void());
    }
    test_alloc_fail_at(0);
    promise_unref(held[--held_count]); /* of the reserve */
}

static void empty_slab(void) {
    while (held_count) promise_unref(held[--held_count]);
}

/* ---- the calls; each leaves the channels as they were, but for the item that it says it sent or received ---- */

static int freed;
static void count(void *counter) { ++*(int *)counter; }

/* Never fails: it is not what is tested. */
static promise_value_t item(void) {
    promise_value_t v;

    while (promise_is_rejection(v = promise_box(&freed, count))) freed--;
    return v;
}

static bool is_nomem(const promise_t *p) {
    return promise_get_state(p) == PROMISE_REJECTED && promise_error_is(promise_peek(p), &promise_errno_errors, ENOMEM);
}

/* What was sent and not received, or else freed. */
static int sent;

static void send_buffered(void) {
    promise_t *p = promise_send(ch, item());

    if (!is_nomem(p)) ck_assert_int_eq(promise_get_state(p), PROMISE_FULFILLED);
    promise_unref(p);
    sent++;
}

static void send_and_receive(void) {
    promise_t *r = promise_receive(other), *s = promise_send(other, item());

    sent++;
    if (!is_nomem(r) && !is_nomem(s)) ck_assert(promise_is(promise_peek(r), &promise_type_box));
    promise_cancel(s);
    promise_cancel(r);
}

static void select_waiting(void) {
    const promise_case_t cases[] = {{.channel = other}, {.channel = other, .send = true, .value = item()}, {.channel = other}};
    promise_t *p = promise_select(3, cases);

    sent++;
    if (!is_nomem(p)) ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    promise_cancel(p);
}

static void select_ready(void) {
    const promise_case_t cases[] = {{.channel = other}, {.channel = ch, .send = true, .value = item()}};
    promise_t *p = promise_select(2, cases);

    sent++;
    if (!is_nomem(p)) ck_assert_uint_eq(promise_select_index(promise_peek(p)), 1);
    promise_unref(p);
}

static void close_with_waiters(void) {
    promise_channel_t *c = promise_channel_new(loop, 0);
    promise_t *s = promise_send(c, item());
    const promise_case_t cases[] = {{.channel = c, .send = true, .value = item()}};
    promise_t *p = promise_select(1, cases);

    sent += 2;
    promise_channel_close(c);
    ck_assert_int_eq(promise_get_state(s), PROMISE_REJECTED);
    ck_assert_int_eq(promise_get_state(p), PROMISE_REJECTED);
    promise_cancel(s);
    promise_cancel(p);
    promise_channel_unref(c);
}

static promise_value_t nothing(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}

static void use_items(void) {
    promise_iterator_t *it = promise_channel_items(other);
    promise_t *p = promise_next(it);

    if (!is_nomem(p)) ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    promise_cancel(p);
    promise_iterator_close(it);
    promise_cancel(promise_each(promise_channel_items(other), 1, nothing, NULL));
}

static void use_nomem(void) {
    promise_channel_t *c = promise_channel_new(loop, 4);
    const promise_case_t cases[] = {{.channel = c, .send = true, .value = item()}};
    promise_value_t v = promise_channel_value(promise_channel_ref(c));

    sent += 3;
    promise_value_clear(&v);
    promise_cancel(promise_send(c, item()));
    (void)promise_channel_try_send(c, item());
    promise_cancel(promise_select(1, cases));
    promise_cancel(promise_receive(c));
    promise_iterator_close(promise_channel_items(c));
    if (promise_channel_try_receive(c, &v)) promise_value_clear(&v);
    if (promise_channel_capacity(c) == 0) { /* it could not be made */
        ck_assert(promise_channel_is_closed(c));
        ck_assert_uint_eq(promise_channel_size(c), 0);
    }
    promise_channel_close(c);
    promise_channel_unref(c);
}

static void (*const calls[])(void) = {send_buffered,      send_and_receive, select_waiting, select_ready,
                                      close_with_waiters, use_items,        use_nomem};

static void ignore(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
}

static void run_call(void (*call)(void), size_t n, bool full) {
    hosted_start();
    promise_loop_on_unhandled(loop, ignore, NULL);
    freed = sent = 0;
    ch = promise_channel_new(loop, SIZE_MAX);
    other = promise_channel_new(loop, 0);
    for (int i = 0; i < 8; i++) ck_assert(promise_channel_try_send(ch, promise_int(i))); /* the ring is full */
    if (full) fill_slab();
    test_alloc_fail_at(n);
    call();
    hosted_run();
    promise_channel_unref(ch);
    promise_channel_unref(other);
    ck_assert_int_eq(freed, sent);
    empty_slab();
}

START_TEST(each_allocation_fails) {
    bool failed, full = _i & 1;
    size_t n = 0;

    do {
        run_call(calls[_i / 2], ++n, full);
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        hosted_end();
    } while (failed);
    ck_assert_uint_gt(n, full);
}
END_TEST

/* An item is not taken for a receive that could not be made, when the reserve is used up as well. */
START_TEST(nothing_is_lost) {
    promise_value_t v = {0};
    promise_t *p;

    hosted_start();
    ch = promise_channel_new(loop, 1);
    other = promise_channel_new(loop, 0);
    ck_assert(promise_channel_try_send(ch, promise_int(7)));
    fill_slab();
    test_alloc_fail_from(1);
    while (!is_nomem(p = promise_receive(other))) promise_unref(p);
    promise_unref(p);
    p = promise_receive(ch);
    ck_assert(is_nomem(p));
    promise_unref(p);
    p = promise_send(ch, promise_int(8));
    ck_assert(is_nomem(p));
    promise_unref(p);
    test_alloc_fail_at(0);
    ck_assert_uint_eq(promise_channel_size(ch), 1);
    ck_assert(promise_channel_try_receive(ch, &v));
    ck_assert_int_eq(promise_as_int(v), 7);
    promise_channel_unref(ch);
    promise_channel_unref(other);
    empty_slab();
    hosted_end();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("channel_oom");
    TCase *tcase = tcase_create("channel_oom");

    tcase_add_loop_test(tcase, each_allocation_fails, 0, 2 * (int)(sizeof calls / sizeof *calls));
    tcase_add_test(tcase, nothing_is_lost);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
