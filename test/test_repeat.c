/* promise_repeat: an endless loop in constant memory, and its ends. */
#include "trace.h"

static struct source a;
static promise_t *repeated; /* for handlers that cancel it */

static promise_value_t up_to_three(promise_value_t v, void *arg) {
    int64_t n = promise_is_void(v) ? 0 : promise_as_int(v);

    trace("%s", shown(v));
    if (n == 3) return *(promise_value_t *)arg;
    return promise_int(n + 1);
}

START_TEST(each_turn_gets_what_the_one_before_gave) {
    promise_value_t last = promise_end();

    expect(promise_repeat(loop, up_to_three, &last), "3"); /* the value before the end (N2) */
    trace_is("- 1 2 3");
    last = throw_text("r");
    expect(promise_repeat(loop, up_to_three, &last), "!r");
    trace_is("- 1 2 3");
}
END_TEST

static promise_value_t later(promise_value_t v, void *arg) {
    (void)v;
    return *(promise_value_t *)arg;
}

static promise_value_t up_to_three_by_promises(promise_value_t v, void *arg) {
    static promise_value_t next;

    next = up_to_three(v, arg);
    return promise_adopt(promise_then(promise_sleep(NULL, 1), later, &next));
}

START_TEST(a_turn_waits_for_the_promise_of_the_one_before) {
    promise_value_t last = promise_end();

    expect(promise_repeat(loop, up_to_three_by_promises, &last), "3");
    trace_is("- 1 2 3");
    ck_assert_uint_eq(host.now, 4);
    last = throw_text("r");
    expect(promise_repeat(loop, up_to_three_by_promises, &last), "!r");
}
END_TEST

static promise_value_t end_at_once(promise_value_t v, void *arg) {
    (void)v;
    return arg ? promise_adopt(promise_from(NULL, promise_end())) : promise_end();
}

START_TEST(an_end_at_the_beginning_gives_void) {
    expect(promise_repeat(loop, end_at_once, NULL), "-");
    expect(promise_repeat(loop, end_at_once, "promise"), "-");
}
END_TEST

static promise_value_t give_texts(promise_value_t v, void *arg) {
    int *n = arg;

    if (++*n == 4) return promise_end();
    return *n == 3 ? v : promise_stringf("%s%d", promise_is_void(v) ? "" : promise_as_string(v), *n);
}

START_TEST(values_are_kept_as_long_as_they_are_needed) { /* V2: lent, then given back */
    int n = 0;

    expect(promise_repeat(loop, give_texts, &n), "12");
}
END_TEST

/* ---- memory ---- */

static size_t turns, live;

static promise_value_t count_down(promise_value_t v, void *arg) {
    (void)v;
    if (turns % 1000 == 0) {
        if (!live) live = test_alloc_live();
        ck_assert_uint_eq(test_alloc_live(), live);
    }
    if (!--turns) return promise_end();
    if (!arg) return promise_int((int64_t)turns);
    return promise_adopt(*(int *)arg ? promise_sleep(NULL, turns % 3) : promise_from(NULL, promise_int(1)));
}

START_TEST(T2_R1_a_million_turns_in_constant_memory) {
    int sleeps[] = {0, 1};

    turns = test_scaled(1000000) + 1000, live = 0;
    expect(promise_repeat(loop, count_down, NULL), "1");
    for (int i = 0; i < 2; i++) { /* with a finally outside, too */
        turns = test_scaled(300000) + 1000, live = 0;
        expect(promise_finally(promise_repeat(loop, count_down, &sleeps[i]), trace_word, "finally"), i ? "-" : "1");
        trace_is("finally");
    }
}
END_TEST

static promise_value_t beside(promise_value_t v, void *arg) {
    trace("%s", (const char *)arg);
    return v;
}

static promise_value_t twice_then_end(promise_value_t v, void *arg) {
    int *n = arg;

    (void)v;
    trace("turn%d", ++*n);
    return *n == 3 ? promise_end() : promise_int(*n);
}

START_TEST(J1_others_have_their_turn_in_between) {
    int n = 0;

    promise_unref(promise_repeat(loop, twice_then_end, &n));
    promise_unref(promise_then(promise_try(loop, beside, "one"), beside, "two"));
    fakehost_drain(&host);
    trace_is("turn1 one turn2 two turn3");
}
END_TEST

START_TEST(J1_an_endless_one_lets_the_host_have_its_turn) {
    promise_t *p;

    promise_loop_set_budget(loop, 100);
    turns = 100000, live = 0;
    p = promise_repeat(loop, count_down, NULL);
    for (int i = 1; i <= 10; i++) {
        host.wanted = false;
        ck_assert(promise_loop_drain(loop));
        ck_assert(host.wanted);
        ck_assert_uint_eq(host.again, (unsigned)i);
    }
    ck_assert_uint_ge(turns, 99000);
    promise_cancel(p);
}
END_TEST

/* ---- cancel ---- */

static promise_value_t wait_slowly(promise_value_t v, void *arg) {
    (void)v;
    return promise_adopt(promise_finally(source_open(NULL, &a, "a"), trace_slowly, arg));
}

START_TEST(K1_a_cancel_reaches_what_the_turn_waits_for) {
    promise_t *p = traced(promise_repeat(loop, wait_slowly, "x"), "p");

    fakehost_drain(&host);
    source_resolve(&a, promise_int(1));
    fakehost_advance(&host, 20);
    trace_is("x+ x-");
    promise_cancel(p);
    fakehost_advance(&host, 20);
    trace_is("stop:a x+ x- p=!canceled");
}
END_TEST

START_TEST(a_cancel_before_the_first_turn) {
    promise_cancel(traced(promise_repeat(loop, wait_slowly, "x"), "p"));
    fakehost_drain(&host);
    trace_is("p=!canceled");
}
END_TEST

static promise_value_t cancel_in_turn(promise_value_t v, void *arg) {
    int *n = arg;

    (void)v;
    trace("turn%d", ++*n);
    if (*n == 2) promise_cancel(repeated);
    return *n == 2 && n[1] ? wait_slowly(v, "x") : promise_int(*n);
}

START_TEST(K3_a_turn_cancels_the_loop_itself) {
    for (int later_too = 0; later_too < 2; later_too++) {
        int n[] = {0, later_too};
        promise_t *p = traced(promise_repeat(loop, cancel_in_turn, n), "p");
        repeated = promise_ref(p);
        promise_unref(p);
        while (fakehost_next_timer(&host)) {}
        trace_is(later_too ? "turn1 turn2 stop:a x+ x- p=!canceled" : "turn1 turn2 p=!canceled");
    }
}
END_TEST

START_TEST(K4_dropped_it_goes_on) {
    promise_unref(promise_repeat(loop, wait_slowly, "x"));
    for (int i = 0; i < 3; i++) {
        fakehost_drain(&host);
        source_resolve(&a, promise_void());
        fakehost_advance(&host, 10);
        trace_is("x+ x-");
    }
}
END_TEST

static promise_value_t give_itself(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_ref(repeated));
}

START_TEST(a_turn_that_waits_for_its_own_loop_is_refused) { /* 2.3.1 */
    const struct promise_retry_policy policy = {.count = 2};

    repeated = traced(promise_repeat(loop, give_itself, NULL), "p");
    fakehost_drain(&host);
    promise_unref(repeated);
    repeated = traced(promise_retry(loop, &policy, give_itself, NULL), "p");
    while (fakehost_next_timer(&host)) {}
    promise_unref(repeated);
    trace_is("p=!cycle p=!cycle");
}
END_TEST

/* ---- the end of the loop ---- */

START_TEST(J5_the_teardown_ends_an_endless_one) { /* pending, and ready to run */
    promise_unref(traced(promise_repeat(loop, wait_slowly, "x"), "p"));
    fakehost_drain(&host);
    promise_loop_free(loop);
    trace_is("stop:a x+ p=!canceled");
    setup();
    turns = SIZE_MAX;
    promise_unref(traced(promise_repeat(loop, count_down, NULL), "p"));
    promise_loop_free(loop);
    trace_is("p=!canceled");
}
END_TEST

static promise_value_t give_settled(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_from(NULL, promise_int(1)));
}

START_TEST(J5_what_the_teardown_ends_is_not_fulfilled) {
    promise_unref(traced(promise_repeat(loop, give_settled, NULL), "p"));
    promise_loop_free(loop);
    trace_is("p=!canceled");
}
END_TEST

static promise_value_t say(promise_value_t v, void *arg) {
    trace("%s:%s", (const char *)arg, shown(v));
    return promise_end();
}

START_TEST(N1_one_type_of_function) {
    char *texts[] = {"x"};

    promise_unref(promise_try(loop, say, "try"));
    promise_unref(promise_then(promise_from(loop, promise_int(5)), say, "then"));
    promise_unref(promise_repeat(loop, say, "repeat"));
    promise_unref(promise_retry(loop, NULL, say, "retry"));
    promise_unref(promise_each(promise_pull(loop, say, "pull"), 1, say, "never"));
    promise_unref(promise_each(promise_strings(loop, 1, texts), 1, say, "each"));
    fakehost_drain(&host);
    trace_is("try:- then:5 repeat:- retry:1 pull:- each:x");
}
END_TEST

static void repeat_nothing(void *arg) { promise_unref(promise_repeat(loop, NULL, arg)); }

START_TEST(wrong_use_stops_the_program) {
    test_assert_stops(repeat_nothing, NULL, "promise_repeat: fn is NULL");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("repeat");
    TCase *t = tcase_create("repeat");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, each_turn_gets_what_the_one_before_gave);
    tcase_add_test(t, a_turn_waits_for_the_promise_of_the_one_before);
    tcase_add_test(t, an_end_at_the_beginning_gives_void);
    tcase_add_test(t, values_are_kept_as_long_as_they_are_needed);
    tcase_add_test(t, T2_R1_a_million_turns_in_constant_memory);
    tcase_add_test(t, J1_others_have_their_turn_in_between);
    tcase_add_test(t, J1_an_endless_one_lets_the_host_have_its_turn);
    tcase_add_test(t, K1_a_cancel_reaches_what_the_turn_waits_for);
    tcase_add_test(t, a_cancel_before_the_first_turn);
    tcase_add_test(t, K3_a_turn_cancels_the_loop_itself);
    tcase_add_test(t, K4_dropped_it_goes_on);
    tcase_add_test(t, a_turn_that_waits_for_its_own_loop_is_refused);
    tcase_add_test(t, J5_the_teardown_ends_an_endless_one);
    tcase_add_test(t, J5_what_the_teardown_ends_is_not_fulfilled);
    tcase_add_test(t, N1_one_type_of_function);
    tcase_add_test(t, wrong_use_stops_the_program);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
