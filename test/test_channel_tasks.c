/* Channels as tasks use them: iterators over their items, coroutines, and both when they are cancelled. */
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

static bool put(int64_t i) { return promise_channel_try_send(ch, promise_int(i)); }

/* ---- iterators ---- */

START_TEST(items_one_by_one) {
    promise_iterator_t *it = promise_channel_items(ch);

    for (int i = 0; i < 3; i++) watch(promise_next(it), "n"); /* several at once */
    ck_assert(put(1) && put(2));
    promise_channel_close(ch);
    watch(promise_next(it), "n");
    promise_iterator_close(it);
    hosted_run();
    trace_is("n=1 n=2 n=end n=end");
}
END_TEST

START_TEST(items_hold_their_channel) {
    promise_iterator_t *it = promise_channel_items(ch);

    promise_channel_unref(ch);
    watch(promise_next(it), "n");
    ck_assert(put(1));
    promise_iterator_close(it);
    ch = NULL;
    hosted_run();
    trace_is("n=1");
}
END_TEST

START_TEST(closing_items_cancels_theirs) {
    promise_iterator_t *it = promise_channel_items(ch), *other = promise_channel_items(ch);

    watch(promise_receive(ch), "r");
    watch(promise_next(it), "n");
    watch(promise_next(other), "o");
    watch(promise_next(it), "n");
    promise_iterator_close(it);
    ck_assert(!promise_channel_is_closed(ch));
    ck_assert(put(1) && put(2) && !put(3));
    promise_iterator_close(other);
    hosted_run();
    trace_is("n=!canceled n=!canceled r=1 o=2");
}
END_TEST

/* Is being cancelled when the iterator goes. */
static promise_iterator_t *going;
static void close_going(void *resolver) {
    promise_iterator_close(going);
    promise_abandon(resolver);
}

START_TEST(closing_items_while_theirs_are_cancelled) {
    promise_resolver_t *resolver;
    promise_t *all[3] = {promise_new(loop, &resolver)};

    promise_on_cancel(resolver, close_going, resolver);
    going = promise_channel_items(ch);
    all[1] = promise_next(going);
    all[2] = promise_next(going);
    promise_cancel(promise_all(loop, 3, all));
    hosted_run();
    ck_assert(!put(1));
}
END_TEST

static promise_value_t work(promise_value_t v, void *name) {
    trace("%s%lld", (const char *)name, (long long)promise_as_int(v));
    return promise_adopt(promise_sleep(NULL, (uint64_t)promise_as_int(v)));
}

START_TEST(workers) {
    promise_channel_unref(ch);
    ch = promise_channel_new(loop, SIZE_MAX);
    watch(promise_each(promise_channel_items(ch), 2, work, "a"), "A");
    watch(promise_each(promise_channel_items(ch), 1, work, "b"), "B");
    hosted_run();
    ck_assert(put(30) && put(10) && put(20) && put(10) && put(10));
    promise_channel_close(ch);
    hosted_run();
    trace_is("a30 b10 a20");
    hosted_advance(10);
    trace_is("b10");
    hosted_advance(10);
    ck_assert_uint_eq(promise_channel_size(ch), 0);
    trace_is("a10 B=-");
    hosted_advance(30);
    trace_is("A=-");
}
END_TEST

static promise_value_t give_up(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return throw_text("failed");
}

START_TEST(walk_that_fails_leaves_the_rest) {
    promise_channel_unref(ch);
    ch = promise_channel_new(loop, 8);
    ck_assert(put(1) && put(2) && put(3));
    watch(promise_each(promise_channel_items(ch), 1, give_up, NULL), "A");
    hosted_run();
    trace_is("A=!failed");
    ck_assert_uint_eq(promise_channel_size(ch), 2);
    promise_cancel(promise_each(promise_channel_items(ch), 0, work, "a"));
    hosted_run();
    ck_assert_uint_eq(promise_channel_size(ch), 2); /* K6 */
}
END_TEST

START_TEST(iterators_and_the_loop) { /* J5 */
    promise_iterator_t *it = promise_channel_items(ch);
    promise_t *p = promise_next(it);

    watch(promise_each(promise_channel_items(ch), 2, work, "a"), "A");
    hosted_free();
    trace_is("A=!canceled");
    ck_assert_str_eq(state_of(p), "!canceled");
    promise_unref(p);
    p = promise_next(it);
    ck_assert_str_eq(state_of(p), "!canceled");
    promise_unref(p);
    promise_iterator_close(it);
}
END_TEST

/* ---- coroutines ---- */

static promise_value_t produce(promise_value_t v, void *n) {
    promise_value_t got = {0};

    (void)v;
    for (int64_t i = 0; i < *(int *)n; i++)
        if (promise_await(promise_send(ch, promise_int(i)), &got) < 0) return got;
    promise_channel_close(ch);
    return got;
}

static promise_value_t consume(promise_value_t v, void *sum) {
    promise_value_t got = {0};
    int64_t expected = 0;

    (void)v;
    while (promise_await(promise_receive(ch), &got) == 0 && !promise_is_end(got)) {
        ck_assert_int_eq(promise_as_int(got), expected++);
        *(int64_t *)sum += promise_as_int(got);
    }
    return got;
}

START_TEST(two_coroutines) {
    int n = 1000;
    int64_t sum = 0;

    promise_channel_unref(ch);
    ch = promise_channel_new(loop, (size_t)_i);
    watch(promise_async(loop, produce, &n), "p");
    watch(promise_async(loop, consume, &sum), "c");
    hosted_run();
    ck_assert_str_eq(strstr(trace_take(), "c=end") ? "end" : "", "end");
    ck_assert_int_eq(sum, 1000 * 999 / 2);
}
END_TEST

static promise_value_t get_one(promise_value_t v, void *name) {
    promise_value_t got = {0};

    (void)v;
    promise_await(promise_timeout(promise_receive(ch), 100), &got);
    trace("%s:%s", (const char *)name, shown(got));
    return got;
}

/* The item has come, and the coroutine is cancelled before it runs: the next one has it (K6). */
START_TEST(cancelled_coroutine_leaves_the_item) {
    promise_t *p = promise_async(loop, get_one, "a");

    hosted_run();
    ck_assert(put(1));
    promise_cancel(p);
    hosted_run();
    trace_is("a:!canceled");
    watch(promise_async(loop, get_one, "b"), "b");
    hosted_run();
    trace_is("b:1 b=1");
}
END_TEST

static promise_value_t get_while_cancelled(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    (void)v, (void)arg;
    promise_await(promise_sleep(NULL, 1000), &got);
    promise_await(promise_receive(ch), &got); /* there is an item, but not for us (K3) */
    trace("%s", shown(got));
    promise_await(promise_shield(promise_receive(ch)), &got);
    trace("%s", shown(got));
    return got;
}

START_TEST(receiving_in_a_cancelled_coroutine) {
    promise_t *p = promise_async(loop, get_while_cancelled, NULL);

    promise_channel_unref(ch);
    ch = promise_channel_new(loop, 1);
    hosted_run();
    ck_assert(put(1));
    promise_cancel(p);
    hosted_run();
    trace_is("!canceled 1");
    ck_assert_uint_eq(promise_channel_size(ch), 0);
}
END_TEST

START_TEST(await_sees_the_item) {
    int n = 3;

    promise_channel_unref(ch);
    ch = promise_channel_new(loop, 4);
    watch(promise_async(loop, produce, &n), "p");
    hosted_run();
    watch(promise_async(loop, get_one, "a"), "a");
    watch(promise_async(loop, get_one, "b"), "b");
    hosted_run();
    ck_assert_uint_eq(promise_channel_size(ch), 1);
    trace_is("p=- a:0 b:1 a=0 b=1");
}
END_TEST

/* ---- on libevent: what a run sees is seen, and what it says when nothing is left ---- */

START_TEST(run_on_a_loop) {
    promise_loop_t *on = promise_loop_new(NULL);
    promise_channel_t *c = promise_channel_new(on, 2);
    promise_value_t v = {0};

    ck_assert(promise_channel_try_send(c, promise_int(1)));
    ck_assert_int_eq(promise_loop_run(on, promise_receive(c), &v), 0);
    ck_assert_int_eq(promise_as_int(v), 1);
    ck_assert_uint_eq(promise_channel_size(c), 0);
    ck_assert_int_eq(promise_loop_run(on, promise_receive(c), &v), -1); /* J3 */
    ck_assert(promise_error_is(v, &promise_errors, PROMISE_ESTALLED));
    ck_assert_ptr_nonnull(strstr(promise_error_message(v), "it waits for a channel"));
    promise_value_clear(&v);
    promise_channel_unref(c);
    promise_loop_free(on);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("channel_tasks");
    TCase *tcase = tcase_create("channel_tasks");

    tcase_add_checked_fixture(tcase, start, end);
    tcase_add_test(tcase, items_one_by_one);
    tcase_add_test(tcase, items_hold_their_channel);
    tcase_add_test(tcase, closing_items_cancels_theirs);
    tcase_add_test(tcase, closing_items_while_theirs_are_cancelled);
    tcase_add_test(tcase, workers);
    tcase_add_test(tcase, walk_that_fails_leaves_the_rest);
    tcase_add_test(tcase, iterators_and_the_loop);
    tcase_add_loop_test(tcase, two_coroutines, 0, 3);
    tcase_add_test(tcase, cancelled_coroutine_leaves_the_item);
    tcase_add_test(tcase, receiving_in_a_cancelled_coroutine);
    tcase_add_test(tcase, await_sees_the_item);
    tcase_add_test(tcase, run_on_a_loop);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
