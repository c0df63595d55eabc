/* Signals: the next one, all of them counted, whose they are, and what is left of them afterwards. */
#include "evloop.h"
#include "trace.h"

#include <errno.h>
#include <promise.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct sigaction before;

static void ignore(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
}

static void open_all(void) {
    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &before), 0);
    open_loop(1);
    promise_loop_on_unhandled(loop, ignore, NULL);
}

static bool is_handled(int signum) {
    struct sigaction now;

    ck_assert_int_eq(sigaction(signum, NULL, &now), 0);
    return now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN;
}

static int events(void) { return event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED | EVENT_BASE_COUNT_ACTIVE); }

static void close_all(void) {
    if (loop) promise_loop_free(loop);
    ck_assert_int_eq(events(), 0);
    ck_assert(!is_handled(SIGUSR1));
    event_base_free(base);
    ck_assert_uint_eq(test_alloc_live(), live);
}

static void give(int signum, int times) {
    while (times--) ck_assert_int_eq(raise(signum), 0); /* is delivered before it returns: none coincide */
}

static void run(void) { ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0); }
static void turn(void) { promise_loop_turn(loop); }
static void ask(promise_t *p, const char *name) { promise_unref(traced(p, name)); }

/* ---- the next one ---- */

START_TEST(the_next_one) {
    open_all();
    ask(promise_signal(loop, SIGUSR1), "a");
    ck_assert(is_handled(SIGUSR1));
    turn();
    trace_is("");
    give(SIGUSR1, 1);
    trace_is("");
    run(); /* J3: it kept the loop going; now nothing is left */
    trace_is("a=10");
    ck_assert(!is_handled(SIGUSR1)); /* it does again what it did */
    close_all();
}
END_TEST

START_TEST(all_who_wait_get_it_in_the_order_of_the_calls) {
    open_all();
    ask(promise_signal(loop, SIGUSR1), "a");
    ask(promise_signal(loop, SIGUSR2), "other");
    ask(promise_signal(loop, SIGUSR1), "b");
    give(SIGUSR1, 3); /* two of which nobody waits for */
    turn();
    trace_is("a=10 b=10");
    give(SIGUSR2, 1);
    run();
    trace_is("other=12");
    close_all();
}
END_TEST

static promise_value_t ask_again(promise_value_t v, void *arg) {
    int *left = arg;

    if (promise_is_void(v)) return promise_adopt(promise_then(promise_signal(NULL, SIGUSR1), ask_again, arg));
    trace("%d", (int)promise_as_int(v));
    ck_assert(is_handled(SIGUSR1)); /* all the time */
    return --*left ? ask_again(promise_void(), arg) : v;
}

START_TEST(who_asks_again_in_the_handler_misses_none) {
    int left = 3;

    open_all();
    promise_unref(promise_try(loop, ask_again, &left));
    turn();
    give(SIGUSR1, 3);
    run();
    trace_is("10 10 10");
    close_all();
}
END_TEST

START_TEST(what_was_ignored_is_ignored_again) {
    struct sigaction now;

    signal(SIGUSR1, SIG_IGN);
    open_all();
    ask(promise_signal(loop, SIGUSR1), "a");
    give(SIGUSR1, 1);
    run();
    trace_is("a=10");
    sigaction(SIGUSR1, NULL, &now);
    ck_assert(now.sa_handler == SIG_IGN);
    close_all();
}
END_TEST

START_TEST(K2_a_cancelled_wait_leaves_nothing) {
    promise_t *p[3];

    open_all();
    for (int i = 0; i < 3; i++) p[i] = traced(promise_signal(loop, SIGUSR1), i == 0 ? "a" : i == 1 ? "b" : "c");
    promise_cancel(p[_i]);
    give(SIGUSR1, 1);
    run();
    trace_is(_i == 0 ? "a=!canceled b=10 c=10" : _i == 1 ? "b=!canceled a=10 c=10" : "c=!canceled a=10 b=10");
    for (int i = 0; i < 3; i++)
        if (i != _i) promise_unref(p[i]);
    promise_cancel(promise_signal(loop, SIGUSR1));
    ck_assert(!is_handled(SIGUSR1));
    run();
    close_all();
}
END_TEST

static promise_value_t tick(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    give(SIGUSR1, 1);
    return promise_adopt(promise_sleep(NULL, 3600000));
}

START_TEST(T5_a_race_between_work_and_a_signal) {
    promise_value_t v = {0};

    open_all();
    promise_t *work = promise_repeat(loop, tick, NULL), *stop = promise_signal(loop, SIGUSR1);
    ck_assert_int_eq(promise_loop_run(loop, promise_race_of(loop, work, stop, NULL), &v), 0);
    ck_assert_int_eq(promise_as_int(v), SIGUSR1);
    run();
    close_all();
}
END_TEST

/* ---- all of them ---- */

static promise_iterator_t *it;

START_TEST(they_are_counted_also_while_nobody_asks) {
    open_all();
    it = promise_signals(loop, SIGUSR1);
    ck_assert(is_handled(SIGUSR1));
    give(SIGUSR1, 5);
    turn();
    ask(promise_next(it), "n");
    ask(promise_next(it), "n");
    turn();
    trace_is("n=5");
    give(SIGUSR1, 1);
    turn();
    trace_is("n=1");
    promise_iterator_close(it);
    run();
    ck_assert(!is_handled(SIGUSR1));
    close_all();
}
END_TEST

START_TEST(who_waits_gets_each_as_it_comes) {
    open_all();
    it = promise_signals(loop, SIGUSR1);
    ask(promise_next(it), "n");
    ask(promise_next(it), "n");
    turn();
    give(SIGUSR1, 5);
    turn();
    trace_is("n=1 n=1");
    ask(promise_next(it), "n");
    turn();
    trace_is("n=3");
    promise_iterator_close(it);
    close_all();
}
END_TEST

START_TEST(each_iterator_has_its_own_count) {
    promise_iterator_t *other;

    open_all();
    it = promise_signals(loop, SIGUSR1);
    give(SIGUSR1, 2);
    turn();
    other = promise_signals(loop, SIGUSR1);
    ask(promise_signal(loop, SIGUSR1), "s");
    give(SIGUSR1, 1);
    turn();
    ask(promise_next(it), "a");
    ask(promise_next(other), "b");
    turn();
    trace_is("s=10 a=3 b=1");
    promise_iterator_close(_i ? it : other);
    give(SIGUSR1, 1);
    turn();
    ask(promise_next(_i ? other : it), "c");
    turn();
    trace_is("c=1");
    promise_iterator_close(_i ? other : it);
    run();
    close_all();
}
END_TEST

static promise_t *pending;

static promise_value_t cancel_pending(promise_value_t v, void *arg) {
    (void)arg;
    promise_cancel(pending);
    return v;
}

START_TEST(K6_what_came_to_a_cancelled_call_is_still_to_come) {
    open_all();
    it = promise_signals(loop, SIGUSR1);
    promise_unref(promise_then(promise_signal(loop, SIGUSR1), cancel_pending, NULL));
    pending = promise_next(it);
    if (_i == 0) promise_cancel(pending), pending = NULL; /* before its call; else when the signal has come, or just before */
    turn();
    if (_i == 1) promise_cancel(pending), pending = NULL;
    give(SIGUSR1, 2);
    turn();
    turn();
    ask(promise_next(it), "n");
    turn();
    trace_is("n=2");
    promise_iterator_close(it);
    run();
    close_all();
}
END_TEST

static promise_value_t until_three(promise_value_t v, void *arg) {
    int64_t *sum = arg;

    *sum += promise_as_int(v);
    if (*sum < 3) {
        give(SIGUSR1, 1);
        return v;
    }
    return throw_text("three");
}

START_TEST(each_of_them) {
    promise_value_t v = {0};
    int64_t sum = 0;

    open_all();
    it = promise_signals(loop, SIGUSR1);
    give(SIGUSR1, 1);
    ck_assert_int_eq(promise_loop_run(loop, promise_each(it, 1, until_three, &sum), &v), -1);
    ck_assert_str_eq(shown(v), "!three");
    promise_value_clear(&v);
    run(); /* closed by each */
    close_all();
}
END_TEST

START_TEST(J3_an_iterator_keeps_the_loop_going) {
    open_all();
    it = promise_signals(loop, SIGUSR1);
    ck_assert_int_eq(promise_loop_turn(loop), 1);
    promise_iterator_close(it);
    ck_assert_int_eq(promise_loop_turn(loop), 0);
    close_all();
}
END_TEST

/* ---- what cannot be waited for ---- */

START_TEST(what_is_no_signal_rejects) { /* O2 */
    static const int numbers[] = {0, -1, SIGKILL, SIGSTOP, NSIG, 1000, INT32_MAX, INT32_MIN};

    open_all();
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        ask(promise_signal(loop, numbers[i]), "s");
        it = promise_signals(loop, numbers[i]);
        ask(promise_next(it), "n");
        run();
        trace_is("s=!errno22 n=!errno22");
        promise_iterator_close(it);
    }
    trace_messages = true;
    ask(promise_signal(loop, SIGKILL), "s");
    run();
    trace_is("s=!signal 9: Invalid argument");
    close_all();
}
END_TEST

/* The trap: libevent would go on, and take the signals away from the first base. */
START_TEST(another_base_is_refused_while_the_first_waits) {
    promise_loop_t *other, *beside;
    promise_t *p;

    open_all();
    other = promise_loop_new(NULL);
    beside = promise_loop_new(base);
    promise_loop_on_unhandled(other, ignore, NULL);
    ask(promise_signal(loop, SIGUSR1), "a");
    p = promise_signal(beside, SIGUSR2); /* the same base: fine */
    trace_messages = true;
    ask(promise_signal(other, SIGUSR1), "o");
    it = promise_signals(other, SIGUSR2);
    ask(promise_next(it), "o");
    promise_iterator_close(it);
    promise_loop_run(other, NULL, NULL);
    ck_assert_ptr_nonnull(strstr(trace_take(), "o=!signal 10: a loop on another event_base waits for signals: "));
    give(SIGUSR1, 1);
    turn();
    trace_is("a=10");
    ask(promise_signal(other, SIGUSR1), "o"); /* the base has another loop that waits */
    promise_loop_run(other, NULL, NULL);
    trace_take();
    if (_i) promise_cancel(p);
    else promise_loop_free(beside), promise_unref(p);
    ask(promise_signal(other, SIGUSR1), "o");
    give(SIGUSR1, 1);
    promise_loop_run(other, NULL, NULL);
    trace_is("o=10");
    promise_loop_free(other);
    if (_i) promise_loop_free(beside);
    close_all();
}
END_TEST

static void without_a_loop(void *arg) {
    (void)arg;
    promise_unref(promise_signal(NULL, SIGUSR1));
}
static void iterator_without_a_loop(void *arg) {
    (void)arg;
    promise_iterator_close(promise_signals(NULL, SIGUSR1));
}

START_TEST(loops_that_cannot) { /* O6 */
    struct fakehost fake;
    promise_loop_t *hosted = fakehost_open(&fake);

    expect_on(&fake, promise_signal(hosted, SIGUSR1), "!errno38");
    it = promise_signals(hosted, SIGUSR1);
    expect_on(&fake, promise_next(it), "!errno38");
    promise_iterator_close(it);
    fakehost_close(&fake);
    test_assert_stops(without_a_loop, NULL, "promise_signal: loop is NULL");
    test_assert_stops(iterator_without_a_loop, NULL, "promise_signals: loop is NULL");
}
END_TEST

/* ---- J5, T4 ---- */

static promise_value_t wait_again(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(traced(promise_signal(NULL, SIGUSR1), "again"));
}

static void abandon(void *resolver) { promise_abandon(resolver); }

START_TEST(J5_they_go_with_the_loop) {
    promise_resolver_t *resolver;

    open_all();
    promise_unref(promise_finally(promise_new(loop, &resolver), wait_again, NULL));
    promise_on_cancel(resolver, abandon, resolver);
    ask(promise_signal(loop, SIGUSR1), "s");
    it = promise_signals(loop, SIGUSR1);
    if (_i % 2) ask(promise_next(it), "n");
    if (_i / 2) turn();
    promise_loop_free(loop);
    loop = NULL;
    ck_assert_ptr_nonnull(strstr(trace_take(), "s=!canceled"));
    ck_assert(!is_handled(SIGUSR1));
    promise_iterator_close(it); /* outlives it */
    close_all();
    open_all(); /* and the signals are free for others */
    ask(promise_signal(loop, SIGUSR1), "s");
    give(SIGUSR1, 1);
    run();
    trace_is("s=10");
    close_all();
}
END_TEST

static promise_value_t free_it(promise_value_t v, void *arg) {
    (void)arg;
    promise_loop_free(loop);
    return v;
}

START_TEST(T4_the_loop_is_freed_by_one_who_was_waiting) {
    open_all();
    it = promise_signals(loop, SIGUSR1);
    promise_unref(promise_then(promise_signal(loop, SIGUSR1), free_it, NULL));
    ask(promise_signal(loop, SIGUSR1), "b");
    ask(promise_signal(loop, SIGUSR2), "c");
    give(SIGUSR1, 3);
    event_base_dispatch(base);
    trace_is("b=10 c=!canceled");
    loop = NULL;
    promise_iterator_close(it);
    close_all();
}
END_TEST

static promise_value_t close_it(promise_value_t v, void *arg) {
    (void)arg;
    promise_iterator_close(it);
    return v;
}

START_TEST(T4_the_iterator_is_closed_by_a_handler) {
    open_all();
    it = promise_signals(loop, SIGUSR1);
    promise_unref(promise_then(_i ? promise_next(it) : promise_signal(loop, SIGUSR1), close_it, NULL));
    ask(promise_next(it), "n");
    turn();
    give(SIGUSR1, 3);
    run();
    trace_is("n=!canceled");
    close_all();
}
END_TEST

/* ---- O2 ---- */

START_TEST(O2_each_allocation_fails_once) {
    promise_value_t v = {0};
    bool failed = true;

    for (size_t n = 1; failed; n++) {
        open_all();
        signal(SIGUSR1, SIG_IGN);
        test_alloc_fail_at(n);
        promise_t *p = promise_signal(loop, SIGUSR1);
        it = promise_signals(loop, SIGUSR1);
        p = promise_all_of(loop, p, promise_next(it), NULL);
        turn();
        give(SIGUSR1, 1);
        int status = promise_loop_run(loop, p, &v);
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        promise_iterator_close(it);
        ck_assert(failed || status == 0);
        if (status < 0) ck_assert(promise_error_is(v, &promise_errno_errors, ENOMEM));
        promise_value_clear(&v);
        run();
        close_all();
    }
}
END_TEST

static bool none_left;
static void *event_malloc(size_t size) { return none_left ? NULL : malloc(size); }
static void *event_realloc(void *block, size_t size) { return none_left ? NULL : realloc(block, size); }
static void no_log(int severity, const char *message) { (void)severity, (void)message; }

START_TEST(O2_libevent_has_no_memory) {
    event_set_mem_functions(event_malloc, event_realloc, free);
    event_set_log_callback(no_log);
    open_all();
    none_left = true;
    ask(promise_signal(loop, SIGUSR1), "s");
    it = promise_signals(loop, SIGUSR1);
    ask(promise_next(it), "n");
    none_left = false;
    turn();
    trace_is("s=!errno12 n=!errno12");
    promise_iterator_close(it);
    ask(promise_signal(loop, SIGUSR1), "s");
    give(SIGUSR1, 1);
    run();
    trace_is("s=10");
    close_all();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("signal");
    TCase *t = tcase_create("signal");

    tcase_add_test(t, the_next_one);
    tcase_add_test(t, all_who_wait_get_it_in_the_order_of_the_calls);
    tcase_add_test(t, who_asks_again_in_the_handler_misses_none);
    tcase_add_test(t, what_was_ignored_is_ignored_again);
    tcase_add_loop_test(t, K2_a_cancelled_wait_leaves_nothing, 0, 3);
    tcase_add_test(t, T5_a_race_between_work_and_a_signal);
    tcase_add_test(t, they_are_counted_also_while_nobody_asks);
    tcase_add_test(t, who_waits_gets_each_as_it_comes);
    tcase_add_loop_test(t, each_iterator_has_its_own_count, 0, 2);
    tcase_add_loop_test(t, K6_what_came_to_a_cancelled_call_is_still_to_come, 0, 3);
    tcase_add_test(t, each_of_them);
    tcase_add_test(t, J3_an_iterator_keeps_the_loop_going);
    tcase_add_test(t, what_is_no_signal_rejects);
    tcase_add_loop_test(t, another_base_is_refused_while_the_first_waits, 0, 2);
    tcase_add_test(t, loops_that_cannot);
    tcase_add_loop_test(t, J5_they_go_with_the_loop, 0, 4);
    tcase_add_test(t, T4_the_loop_is_freed_by_one_who_was_waiting);
    tcase_add_loop_test(t, T4_the_iterator_is_closed_by_a_handler, 0, 2);
    tcase_add_test(t, O2_each_allocation_fails_once);
    tcase_add_test(t, O2_libevent_has_no_memory);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
