/* Letting go of iterators: close with calls under way, by their own functions, and after the loop. */
#include "trace.h"

static struct source a, b;
static promise_iterator_t *it; /* for handlers that close it */

static void ask(const char *name) { promise_unref(traced(promise_next(it), name)); }

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

static promise_value_t count(promise_value_t v, void *arg) {
    (void)v;
    return promise_int(++*(int *)arg);
}

/* ---- close ---- */

START_TEST(close_cancels_what_was_asked_for) {
    open_pull();
    ask("x"), ask("y"), ask("z");
    fakehost_drain(&host);
    trace_is("call1");
    promise_iterator_close(it);
    trace_is("stop:a");
    fakehost_drain(&host);
    trace_is("y=!canceled z=!canceled free:it x=!canceled");
}
END_TEST

START_TEST(close_before_the_first_call) {
    open_pull();
    ask("x");
    promise_iterator_close(it);
    fakehost_drain(&host);
    trace_is("free:it x=!canceled"); /* fn was not called */
}
END_TEST

static promise_value_t give_slowly(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_finally(source_open(NULL, &a, "a"), trace_slowly, "a"));
}

START_TEST(T5_attached_objects_live_until_the_call_is_over) {
    it = promise_iterator_attach(promise_pull(loop, give_slowly, NULL), "one", trace_free);
    it = promise_iterator_attach(it, "two", trace_free);
    ask("x");
    fakehost_drain(&host);
    promise_iterator_close(it);
    while (fakehost_next_timer(&host)) {}
    trace_is("stop:a a+ a- free:two free:one x=!canceled");
}
END_TEST

static promise_value_t close_it(promise_value_t v, void *arg) {
    promise_iterator_close(it);
    return arg ? give_slowly(v, arg) : promise_int(1);
}

START_TEST(T4_closed_by_its_own_function) {
    it = promise_iterator_attach(promise_pull(loop, close_it, NULL), "it", trace_free);
    ask("x"), ask("y");
    fakehost_drain(&host);
    trace_is("y=!canceled free:it x=!canceled");
    it = promise_iterator_attach(promise_pull(loop, close_it, "slow"), "it", trace_free);
    ask("x");
    while (fakehost_next_timer(&host)) {}
    trace_is("stop:a a+ a- free:it x=!canceled");
}
END_TEST

START_TEST(T4_closed_by_the_handler_of_an_item) {
    int n = 0;

    it = promise_iterator_attach(promise_pull(loop, count, &n), "it", trace_free);
    promise_unref(traced(promise_then(promise_next(it), close_it, NULL), "x"));
    ask("y");
    fakehost_drain(&host);
    trace_is("x=1 free:it y=!canceled");
}
END_TEST

static void close_by_stop(void *arg) {
    promise_iterator_close(it);
    promise_abandon(*(promise_resolver_t **)arg);
}

START_TEST(K2_closed_by_a_stop_while_its_waiters_are_being_cancelled) { /* in the teardown all are on one work list */
    promise_resolver_t *resolver;

    promise_unref(promise_new(loop, &resolver));
    promise_on_cancel(resolver, close_by_stop, &resolver);
    open_pull();
    ask("x"), ask("y"), ask("z");
    fakehost_drain(&host);
    promise_loop_free(loop);
    ck_assert_ptr_nonnull(trace_take());
}
END_TEST

/* ---- the end of the loop ---- */

START_TEST(J5_an_iterator_outlives_its_loop) {
    promise_t *p;

    open_pull();
    ask("x"), ask("y");
    fakehost_drain(&host);
    promise_loop_free(loop);
    trace_is("call1 stop:a y=!canceled x=!canceled");
    p = promise_next(it);
    ck_assert(promise_is_canceled(promise_peek(p)));
    promise_unref(p);
    promise_iterator_close(it);
    trace_is("free:it");
}
END_TEST

static void attach_nothing(void *arg) { it = promise_iterator_attach(promise_items(loop, 0, NULL), arg, NULL); }
static void next_of_null(void *arg) { promise_unref(promise_next(arg)); }
static void pull_nothing(void *arg) { it = promise_pull(loop, NULL, arg); }

static void close_twice(void *arg) {
    open_pull();
    ask(arg);
    fakehost_drain(&host);
    promise_iterator_close(it);
    promise_iterator_close(it);
}

START_TEST(wrong_use_stops_the_program) {
    test_assert_stops(attach_nothing, NULL, "free_object is NULL");
    test_assert_stops(next_of_null, NULL, "promise_next: the iterator is NULL");
    test_assert_stops(pull_nothing, NULL, "promise_pull: fn is NULL");
    test_assert_stops(close_twice, "x", "one that was closed");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("iterator_close");
    TCase *t = tcase_create("iterator_close");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, close_cancels_what_was_asked_for);
    tcase_add_test(t, close_before_the_first_call);
    tcase_add_test(t, T5_attached_objects_live_until_the_call_is_over);
    tcase_add_test(t, T4_closed_by_its_own_function);
    tcase_add_test(t, T4_closed_by_the_handler_of_an_item);
    tcase_add_test(t, K2_closed_by_a_stop_while_its_waiters_are_being_cancelled);
    tcase_add_test(t, J5_an_iterator_outlives_its_loop);
    tcase_add_test(t, wrong_use_stops_the_program);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
