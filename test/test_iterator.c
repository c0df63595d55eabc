/* Iterators one by one: items, strings, list_items, pull, next. */
#include "trace.h"

#include <stdlib.h>

static struct source a, b;
static promise_iterator_t *it;

static void ask(const char *name) { promise_unref(traced(promise_next(it), name)); }

/* ---- over what is there ---- */

START_TEST(items_come_in_order_and_then_the_end) { /* N2 */
    const promise_value_t three[] = {promise_int(1), promise_string("two"), promise_void()};

    it = promise_items(loop, 3, three);
    expect(promise_next(it), "1");
    expect(promise_next(it), "two");
    expect(promise_next(it), "-");
    for (int i = 0; i < 3; i++) expect(promise_next(it), "end");
    promise_iterator_close(it);
}
END_TEST

START_TEST(items_are_arguments) { /* V2: fresh taken over, kept referenced */
    promise_value_t kept = {0}, two[2];

    promise_value_set(&kept, promise_string("kept"));
    two[0] = kept;
    two[1] = promise_string("fresh");
    it = promise_items(loop, 2, two);
    promise_value_clear(&kept);
    expect(promise_next(it), "kept");
    expect(promise_next(it), "fresh");
    promise_iterator_close(it);
}
END_TEST

START_TEST(none_and_wrong_ones) { /* O2: an iterator that rejects, then ends */
    char hello[] = "hello", *const strings[] = {hello, NULL};

    it = promise_items(loop, 0, NULL);
    expect(promise_next(it), "end");
    promise_iterator_close(it);
    promise_iterator_t *const wrong[] = {promise_items(loop, 1, NULL), promise_strings(loop, 1, NULL),
                                         promise_strings(loop, 2, strings),
                                         promise_list_items(loop, promise_string("no list"))};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        expect(promise_next(wrong[i]), "!errno22");
        expect(promise_next(wrong[i]), "end");
        promise_iterator_close(wrong[i]);
    }
    promise_iterator_close(NULL);
}
END_TEST

START_TEST(strings_are_copied) {
    char first[] = "first", second[] = "second", *const strings[] = {first, second};

    it = promise_strings(loop, 2, strings);
    first[0] = second[0] = '?';
    expect(promise_next(it), "first");
    expect(promise_next(it), "second");
    expect(promise_next(it), "end");
    promise_iterator_close(it);
}
END_TEST

START_TEST(what_is_pushed_meanwhile_comes_too) {
    promise_value_t list = {0};

    promise_value_set(&list, promise_list(1, (promise_value_t[]){promise_int(1)}));
    it = promise_list_items(loop, list);
    expect(promise_next(it), "1");
    ck_assert_int_eq(promise_list_push(list, promise_int(2)), 0);
    expect(promise_next(it), "2");
    expect(promise_next(it), "end");
    ck_assert_int_eq(promise_list_push(list, promise_int(3)), 0);
    expect(promise_next(it), "end"); /* it was over */
    promise_iterator_close(it);
    promise_value_clear(&list);
}
END_TEST

START_TEST(a_rejected_list_rejects) {
    it = promise_list_items(loop, throw_text("no list came"));
    expect(promise_next(it), "!no list came");
    expect(promise_next(it), "end");
    promise_iterator_close(it);
}
END_TEST

static void ends_after(promise_value_t last, const char *text) {
    it = promise_items(loop, 3, (promise_value_t[]){promise_int(1), last, promise_int(3)});
    expect(promise_next(it), "1");
    expect(promise_next(it), text);
    expect(promise_next(it), "end");
    promise_iterator_close(it);
}

START_TEST(after_the_end_or_a_rejection_comes_the_end) {
    ends_after(throw_text("r"), "!r");
    ends_after(promise_end(), "end");
    ends_after(promise_adopt(promise_from(loop, throw_text("later"))), "!later");
    ends_after(promise_adopt(promise_from(loop, promise_end())), "end");
}
END_TEST

START_TEST(promises_in_a_list_are_waited_for_in_order) {
    it = promise_items(loop, 2, (promise_value_t[]){promise_adopt(source_open(loop, &a, "a")), promise_int(2)});
    ask("x"), ask("y"), ask("z");
    fakehost_drain(&host);
    trace_is("");
    source_resolve(&a, promise_int(1));
    fakehost_drain(&host);
    trace_is("x=1 y=2 z=end");
    promise_iterator_close(it);
}
END_TEST

START_TEST(K6_cancelling_does_not_lose_an_item_of_a_list) {
    promise_t *p;

    it = promise_items(loop, 2, (promise_value_t[]){promise_adopt(source_open(loop, &a, "a")), promise_int(2)});
    p = promise_next(it);
    fakehost_drain(&host);
    promise_cancel(p);
    fakehost_drain(&host);
    source_resolve(&a, promise_int(1));
    expect(promise_next(it), "1");
    p = promise_next(it);
    promise_iterator_close(it);
    expect(p, "2");
}
END_TEST

/* ---- over what a function gives ---- */

static promise_value_t count(promise_value_t v, void *arg) {
    int *n = arg;

    ck_assert(promise_is_void(v));
    ++*n;
    return *n > 3 ? promise_end() : promise_int(*n);
}

START_TEST(pull_calls_from_the_drain_until_the_end) { /* 2.2.4 */
    int n = 0;
    promise_t *p;

    it = promise_pull(loop, count, &n);
    p = promise_next(it);
    ck_assert_int_eq(n, 0);
    expect(p, "1");
    ask("x"), ask("y"), ask("z"), ask("end");
    fakehost_drain(&host);
    trace_is("x=2 y=3 z=end end=end");
    ck_assert_int_eq(n, 4); /* not called after the end */
    expect(promise_next(it), "end");
    ck_assert_int_eq(n, 4);
    promise_iterator_close(it);
}
END_TEST

/* What give_next gives, one after the other: promises of the sources a and b, then the end. */
static int calls;
static promise_value_t give_next(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    trace("call%d", ++calls);
    if (calls > 2) return promise_end();
    return promise_adopt(source_open(NULL, calls == 1 ? &a : &b, calls == 1 ? "a" : "b"));
}

static void open_pull(void) {
    calls = 0;
    it = promise_iterator_attach(promise_pull(loop, give_next, NULL), "it", trace_free);
}

START_TEST(one_call_at_a_time_and_items_in_order) {
    open_pull();
    ask("x"), ask("y"), ask("z");
    fakehost_drain(&host);
    trace_is("call1");
    source_resolve(&a, promise_int(1));
    fakehost_drain(&host);
    trace_is("call2 x=1"); /* the next one is under way when the item is handled */
    source_resolve(&b, promise_int(2));
    fakehost_drain(&host);
    trace_is("call3 y=2 z=end");
    promise_iterator_close(it);
    trace_is("free:it");
}
END_TEST

START_TEST(a_rejection_is_the_last) {
    open_pull();
    ask("x"), ask("y");
    fakehost_drain(&host);
    source_reject(&a, "r");
    fakehost_drain(&host);
    trace_is("call1 x=!r y=end");
    promise_iterator_close(it);
}
END_TEST

START_TEST(a_rejection_by_somebody_elses_cancel_is_one_too) {
    open_pull();
    ask("x"), ask("y");
    fakehost_drain(&host);
    promise_resolve(a.resolver, promise_adopt(promise_from(loop, promise_throw(&promise_errors, PROMISE_ECANCELED, NULL))));
    fakehost_drain(&host);
    trace_is("call1 x=!canceled y=end");
    promise_iterator_close(it);
}
END_TEST

START_TEST(K6_a_cancelled_call_is_asked_for_again) {
    promise_t *p;

    open_pull();
    p = promise_next(it);
    ask("y");
    fakehost_drain(&host);
    promise_cancel(p);
    trace_is("call1 stop:a");
    fakehost_drain(&host);
    source_resolve(&b, promise_int(2));
    fakehost_drain(&host);
    trace_is("call2 y=2");
    promise_iterator_close(it);
}
END_TEST

START_TEST(K6_one_that_waits_is_cancelled_alone) {
    promise_t *second, *third;

    open_pull();
    ask("x");
    second = promise_next(it);
    third = promise_next(it);
    ask("end");
    fakehost_drain(&host);
    promise_cancel(second);
    source_resolve(&a, promise_int(1));
    fakehost_drain(&host);
    source_resolve(&b, promise_int(2));
    expect(third, "2");
    trace_is("call1 call2 x=1 call3 end=end");
    promise_iterator_close(it);
}
END_TEST

START_TEST(a_promise_that_others_hold_is_only_let_go_of) { /* K1 */
    promise_t *p;

    open_pull();
    p = promise_next(it);
    promise_unref(traced(promise_ref(p), "x"));
    fakehost_drain(&host);
    promise_unref(p);
    source_resolve(&a, promise_int(1));
    fakehost_drain(&host);
    trace_is("call1 x=1");
    promise_iterator_close(it);
}
END_TEST

static promise_value_t count_on(promise_value_t v, void *arg) {
    int *n = arg;

    (void)v;
    return promise_int(++*n);
}

/* A hundred thousand wait, and every other leaves, the last one first: in a time that grows as they do. */
START_TEST(K6_many_that_wait) {
    enum { MANY = 100000 };
    promise_t **all = calloc(MANY, sizeof(promise_t *));
    int n = 0;

    ck_assert_ptr_nonnull(all);
    it = promise_pull(loop, count_on, &n);
    for (size_t i = 0; i < MANY; i++) all[i] = promise_next(it);
    for (size_t i = MANY; i; i -= 2) promise_cancel(all[i - 1]);
    while (promise_get_state(all[MANY - 2]) == PROMISE_PENDING) fakehost_drain(&host);
    ck_assert_int_eq(n, MANY / 2);
    for (size_t i = 0; i < MANY; i += 2) {
        ck_assert_int_eq(promise_as_int(promise_peek(all[i])), (int64_t)i / 2 + 1);
        promise_unref(all[i]);
    }
    promise_iterator_close(it);
    free(all);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("iterator");
    TCase *t = tcase_create("iterator");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, items_come_in_order_and_then_the_end);
    tcase_add_test(t, items_are_arguments);
    tcase_add_test(t, none_and_wrong_ones);
    tcase_add_test(t, strings_are_copied);
    tcase_add_test(t, what_is_pushed_meanwhile_comes_too);
    tcase_add_test(t, a_rejected_list_rejects);
    tcase_add_test(t, after_the_end_or_a_rejection_comes_the_end);
    tcase_add_test(t, promises_in_a_list_are_waited_for_in_order);
    tcase_add_test(t, K6_cancelling_does_not_lose_an_item_of_a_list);
    tcase_add_test(t, pull_calls_from_the_drain_until_the_end);
    tcase_add_test(t, one_call_at_a_time_and_items_in_order);
    tcase_add_test(t, a_rejection_is_the_last);
    tcase_add_test(t, a_rejection_by_somebody_elses_cancel_is_one_too);
    tcase_add_test(t, K6_a_cancelled_call_is_asked_for_again);
    tcase_add_test(t, K6_one_that_waits_is_cancelled_alone);
    tcase_add_test(t, K6_many_that_wait);
    tcase_add_test(t, a_promise_that_others_hold_is_only_let_go_of);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
