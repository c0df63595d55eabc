/* Coroutines that are cancelled: at each state, from each side (K1-K5), and what combinators wait for (T5). */
#include "hosted.h"

#include <string.h>

static struct source a, b;

static promise_t *open_a(void) { return source_open(loop, &a, "a"); }
static void advance(uint64_t ms) { fakehost_advance(&host, ms); }

/* Awaits what it is given, and says what came; what it gives is that. */
static promise_value_t awaits(promise_value_t v, void *p) {
    promise_value_t got = {0};

    (void)v;
    promise_defer(trace_free, "deferred");
    promise_await(p, &got);
    return see(got, "got");
}

/* ---- K1: at each state ---- */

START_TEST(K1_before_it_starts) {
    promise_t *p = promise_async(loop, awaits, NULL), *q = promise_then_async(open_a(), awaits, NULL);

    watch(promise_ref(p), "p");
    promise_cancel(p);
    promise_cancel(promise_then_catch(q, see, see_void, "q"));
    hosted_run();
    trace_is("stop:a p=!canceled q=!canceled");
}
END_TEST

START_TEST(K1_suspended_the_walk_goes_up_through_it) {
    promise_t *p = promise_async(loop, awaits, promise_then(open_a(), see, "never"));

    p = promise_then_catch(p, see, see_void, "below");
    hosted_run();
    promise_cancel(p);
    trace_is("stop:a");
    hosted_run();
    trace_is("got=!canceled free:deferred below=!canceled");
}
END_TEST

START_TEST(K1_suspended_where_others_want_it_too) {
    promise_t *shared = open_a(), *p = promise_async(loop, awaits, promise_ref(shared));

    hosted_run();
    promise_cancel(p);
    trace_is("");
    hosted_run();
    trace_is("got=!canceled free:deferred");
    watch(shared, "shared");
    source_resolve(&a, promise_int(1));
    hosted_run();
    trace_is("shared=1");
}
END_TEST

START_TEST(K1_suspended_beside_other_children) {
    promise_t *shared = open_a(), *p = promise_async(loop, awaits, promise_ref(shared));

    hosted_run();
    watch(shared, "other");
    promise_cancel(p);
    hosted_run();
    trace_is("got=!canceled free:deferred");
    source_resolve(&a, promise_int(1));
    hosted_run();
    trace_is("other=1");
}
END_TEST

/* What it awaits has settled, and its turn has not come. */
START_TEST(K1_about_to_go_on) {
    promise_t *p = promise_async(loop, awaits, open_a());

    hosted_run();
    source_resolve(&a, promise_int(1));
    promise_cancel(p);
    hosted_run();
    trace_is("got=!canceled free:deferred");
}
END_TEST

static promise_t *own;
static promise_value_t cancels_itself(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    (void)v;
    promise_cancel(own);
    promise_await(source_open(NULL, &b, "b"), &got);
    see(got, "got");
    promise_await(promise_from(NULL, promise_int(1)), &got);
    see(got, "settled");
    promise_await(promise_shield(promise_from(NULL, promise_int(2))), &got);
    see(got, "shield");
    return arg ? got : promise_adopt(source_open(NULL, &a, "a"));
}
START_TEST(K3_running) {
    own = promise_async(loop, cancels_itself, "value");
    watch(promise_ref(own), "end");
    hosted_run();
    trace_is("stop:b got=!canceled settled=!canceled shield=2 end=2");
    own = promise_async(loop, cancels_itself, NULL);
    watch(promise_ref(own), "end");
    hosted_run();
    trace_is("stop:b got=!canceled settled=!canceled shield=2 stop:a end=!canceled");
}
END_TEST

/* K1: what is below is stopped, although it gives a value; but that waits until it has left. */
START_TEST(K3_running_and_cancelled_from_below) {
    own = promise_then_catch(promise_async(loop, cancels_itself, "value"), see, see_void, "below");
    hosted_run();
    trace_is("stop:b got=!canceled settled=!canceled shield=2 below=!canceled");
}
END_TEST

START_TEST(K1_when_it_has_left) {
    promise_t *p = promise_async(loop, awaits, promise_from(loop, promise_int(1)));

    hosted_run();
    trace_is("got=1 free:deferred");
    promise_cancel(p);
    hosted_run();
}
END_TEST

START_TEST(K4_to_let_go_is_not_to_cancel) {
    promise_unref(promise_async(loop, awaits, open_a()));
    hosted_run();
    source_resolve(&a, promise_int(1));
    hosted_run();
    trace_is("got=1 free:deferred");
}
END_TEST

/* ---- K3: later awaits ---- */

static promise_value_t recovers(promise_value_t v, void *arg) {
    see(v, arg);
    return promise_string("recovered");
}
/* Goes on after the first -1, with everything there is to await. */
static promise_value_t goes_on(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    (void)v, (void)arg;
    promise_await(open_a(), &got);
    see(got, "1");
    promise_await(source_open(NULL, &b, "b"), &got);
    see(got, "2");
    promise_await(promise_catch(source_open(NULL, &b, "b"), recovers, "caught"), &got);
    see(got, "3");
    promise_await(promise_finally(source_open(NULL, &b, "b"), trace_slowly, "f"), &got);
    see(got, "4");
    promise_await(promise_from(NULL, promise_int(1)), &got);
    see(got, "5");
    promise_await(promise_sleep(NULL, 60000), &got);
    see(got, "6");
    promise_await(promise_async(NULL, awaits, NULL), &got);
    see(got, "7");
    promise_await(promise_shield(promise_then(promise_sleep(NULL, 10), see, "shielded")), &got);
    return see(got, "8");
}
START_TEST(K3_later_awaits_give_canceled_but_shields) {
    promise_t *p = promise_async(loop, goes_on, NULL);

    watch(promise_ref(p), "end");
    hosted_run();
    promise_cancel(p);
    hosted_run();
    trace_is("stop:a 1=!canceled stop:b 2=!canceled stop:b caught=!canceled 3=!canceled stop:b f+");
    advance(10); /* T5: what finally gave is waited for */
    trace_is("f- 4=!canceled 5=!canceled 6=!canceled 7=!canceled");
    advance(10);
    trace_is("shielded=- 8=- end=-");
}
END_TEST

/* A shield that it awaits when the cancel comes is awaited as before; what is below is cancelled all the same. */
static promise_value_t behind_a_shield(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    (void)v;
    promise_await(promise_shield(arg), &got);
    see(got, "shielded");
    promise_await(source_open(NULL, &b, "b"), &got);
    return see(got, "later");
}
START_TEST(K3_behind_a_shield) {
    promise_t *p = promise_async(loop, behind_a_shield, open_a());

    watch(promise_ref(p), "p");
    p = promise_then_catch(p, see, see_void, "below");
    hosted_run();
    promise_cancel(p);
    hosted_run();
    trace_is("below=!canceled"); /* p has another consumer: not cancelled */
    source_resolve(&a, promise_int(1));
    hosted_run();
    trace_is("shielded=1");
    source_resolve(&b, promise_int(2));
    hosted_run();
    trace_is("later=2 p=2");

    p = promise_then_catch(promise_async(loop, behind_a_shield, open_a()), see, see_void, "below");
    hosted_run();
    promise_cancel(p);
    hosted_run();
    trace_is("");
    source_resolve(&a, promise_int(1));
    hosted_run();
    trace_is("shielded=1 stop:b later=!canceled below=!canceled");
}
END_TEST

/* Below it, another coroutine: it hears of it when the shielded one has left, although that gives a value. */
static promise_value_t only_a_shield(promise_value_t v, void *p) {
    promise_value_t got = {0};

    (void)v;
    promise_await(promise_shield(p), &got);
    return see(got, "shielded");
}
START_TEST(K3_a_coroutine_below_a_shielded_one) {
    promise_t *inner = promise_async(loop, only_a_shield, open_a()), *p = promise_async(loop, awaits, inner);

    hosted_run();
    promise_cancel(p);
    hosted_run();
    trace_is("");
    source_resolve(&a, promise_int(1));
    hosted_run();
    trace_is("shielded=1 got=!canceled free:deferred");
}
END_TEST

/* A handler of a cancelled chain that recovers starts what is below it, as it does with a handler. */
START_TEST(K3_below_a_catch_that_recovers) {
    promise_t *p = promise_then_async(promise_catch(open_a(), recovers, "caught"), goes_on, NULL);

    promise_cancel(p);
    hosted_run();
    trace_is("stop:a caught=!canceled stop:a 1=!canceled stop:b 2=!canceled stop:b caught=!canceled 3=!canceled stop:b f+");
    advance(20);
    trace_is("f- 4=!canceled 5=!canceled 6=!canceled 7=!canceled shielded=- 8=-");
}
END_TEST

/* One that never looks spins, but gives others their turn (J1). */
static bool enough;
static promise_value_t spins(promise_value_t v, void *arg) {
    (void)arg;
    while (!enough) (void)promise_await(promise_sleep(NULL, 1000), NULL);
    return v;
}
static promise_value_t stop_spinning(promise_value_t v, void *arg) {
    enough = true;
    return (void)arg, v;
}
START_TEST(J1_a_cancelled_one_that_does_not_look) {
    promise_t *p = promise_async(loop, spins, NULL);

    hosted_run();
    promise_cancel(p);
    promise_unref(promise_then(promise_sleep(loop, 1), stop_spinning, NULL));
    for (unsigned drains = 0; drains < 10; drains++) hosted_drain();
    ck_assert(host.wanted);
    fakehost_jump(&host, 1);
    hosted_run();
}
END_TEST

/* ---- T5: who waits until it has left ---- */

/* Takes ten milliseconds to clean up, and uses what is attached below. */
static void slow_cleanup(void *arg) {
    promise_await(promise_shield(promise_sleep(NULL, 10)), NULL);
    trace("%s", (const char *)arg);
}
static promise_value_t slow_to_leave(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    (void)v;
    promise_defer(slow_cleanup, arg);
    promise_await(promise_sleep(NULL, 60000), &got);
    return got;
}
START_TEST(T5_what_it_uses_is_freed_when_it_has_left) {
    promise_t *p = promise_attach(promise_async(loop, slow_to_leave, "clean"), "data", trace_free);

    hosted_run();
    promise_cancel(p);
    hosted_run();
    trace_is("");
    advance(10);
    trace_is("clean free:data");
}
END_TEST

START_TEST(K5_a_timeout_waits_for_it) {
    watch(promise_timeout(promise_async(loop, slow_to_leave, "clean"), 5), "timeout");
    advance(5);
    trace_is("");
    advance(10);
    trace_is("clean timeout=!timed out after 5 ms");
}
END_TEST

START_TEST(T5_combinators_wait_for_it) {
    promise_t *slow = promise_async(loop, slow_to_leave, "clean");

    watch(promise_all_of(loop, slow, promise_from(loop, throw_text("no")), NULL), "all");
    advance(9);
    trace_is("");
    advance(1);
    trace_is("clean all=!no");
    slow = promise_async(loop, slow_to_leave, "clean");
    watch(promise_race_of(loop, slow, promise_sleep(loop, 5), NULL), "race");
    advance(15);
    trace_is("clean race=-");
}
END_TEST

static promise_value_t start_slow(promise_value_t v, void *arg) {
    (void)v;
    return promise_adopt(promise_async(NULL, slow_to_leave, arg));
}
START_TEST(T5_each_waits_for_it) {
    const promise_value_t items[] = {promise_int(1), promise_int(2)};
    promise_t *p = promise_each(promise_items(loop, 2, items), 0, start_slow, "clean");

    watch(promise_ref(p), "each");
    hosted_run();
    promise_cancel(p);
    advance(9);
    trace_is("");
    advance(1);
    trace_is("clean clean each=!canceled");
}
END_TEST

/* K2: awaits that are cancelled by stop functions, and stop functions that cancel coroutines. */
static void stop_cancels(void *p) {
    trace("stop");
    promise_cancel(p);
}
START_TEST(K2_a_stop_function_cancels_one) {
    promise_resolver_t *resolver;
    promise_t *victim = promise_async(loop, awaits, open_a()), *p = promise_new(loop, &resolver);

    promise_on_cancel(resolver, stop_cancels, victim);
    hosted_run();
    promise_cancel(p);
    trace_is("stop stop:a");
    hosted_run();
    trace_is("got=!canceled free:deferred");
    promise_abandon(resolver);
}
END_TEST

/* T4: it cancels what it does not await, and its sibling. */
static promise_value_t cancels_another(promise_value_t v, void *arg) {
    (void)v;
    promise_cancel(arg);
    return promise_void();
}
START_TEST(T4_siblings) {
    promise_t *shared = open_a();
    promise_t *first = promise_async(loop, awaits, promise_ref(shared)), *second;

    hosted_run();
    second = promise_async(loop, awaits, promise_ref(shared));
    hosted_run();
    watch(promise_then(shared, cancels_another, second), "handler");
    promise_unref(promise_async(loop, cancels_another, first));
    hosted_run();
    trace_is("got=!canceled free:deferred");
    source_resolve(&a, promise_int(1));
    hosted_run();
    trace_is("got=1 free:deferred handler=-");
}
END_TEST

/* ---- J5: the loop goes ---- */

START_TEST(J5_each_state) {
    promise_t *shared = open_a();

    promise_unref(promise_async(loop, awaits, promise_ref(shared)));
    promise_unref(promise_async(loop, only_a_shield, source_open(loop, &b, "b")));
    promise_unref(promise_async(loop, slow_to_leave, "clean"));
    hosted_run();
    promise_unref(promise_async(loop, awaits, promise_ref(shared)));      /* is to start */
    promise_unref(promise_then_async(promise_ref(shared), awaits, NULL)); /* will not */
    hosted_free();
    trace_is("got=!canceled free:deferred stop:a stop:b got=!canceled free:deferred shielded=!canceled clean");
    promise_unref(shared);
}
END_TEST

static promise_value_t starts_more(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    (void)v;
    ck_assert_int_eq(promise_await(promise_sleep(NULL, 1000), &got), -1);
    ck_assert_int_eq(promise_await(promise_async(NULL, starts_more, arg), &got), -1);
    ck_assert_int_eq(promise_await(promise_then_async(promise_from(NULL, promise_void()), starts_more, arg), &got), -1);
    return see(got, arg);
}
START_TEST(J5_what_is_new_comes_back_cancelled) {
    promise_unref(promise_async(loop, starts_more, "end"));
    hosted_run();
    hosted_free();
    trace_is("end=!canceled");
}
END_TEST

static promise_value_t frees_the_loop(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    (void)v, (void)arg;
    promise_loop_free(loop);
    ck_assert_int_eq(promise_await(promise_from(NULL, promise_int(1)), &got), 0);
    see(got, "same drain");
    ck_assert_int_eq(promise_await(promise_sleep(NULL, 10), &got), -1);
    see(got, "later");
    return got;
}
START_TEST(J5_freed_by_a_coroutine) {
    promise_unref(promise_async(loop, frees_the_loop, NULL));
    hosted_run();
    loop = NULL;
    trace_is("same drain=1 later=!canceled");
}
END_TEST

/* A circle, which no source keeps: two that await each other. */
static promise_t *circle[2];
static promise_value_t awaits_the_other(promise_value_t v, void *which) {
    promise_value_t got = {0};

    (void)v;
    promise_await(promise_sleep(NULL, 1), NULL);
    promise_await(promise_ref(*(promise_t **)which), &got);
    return see(got, "got");
}
START_TEST(two_that_await_each_other) {
    circle[0] = promise_async(loop, awaits_the_other, &circle[1]);
    circle[1] = promise_async(loop, awaits_the_other, &circle[0]);
    advance(1);
    promise_unref(circle[0]);
    promise_unref(circle[1]);
    trace_is("got=!a coroutine was to wait for itself got=!a coroutine was to wait for itself "
             "unhandled=!a coroutine was to wait for itself");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("coroutine_cancel");
    TCase *states = tcase_create("states"), *later = tcase_create("later"), *waited = tcase_create("waited"),
          *teardown = tcase_create("teardown");

    tcase_add_checked_fixture(states, hosted_start, hosted_end);
    tcase_add_test(states, K1_before_it_starts);
    tcase_add_test(states, K1_suspended_the_walk_goes_up_through_it);
    tcase_add_test(states, K1_suspended_where_others_want_it_too);
    tcase_add_test(states, K1_suspended_beside_other_children);
    tcase_add_test(states, K1_about_to_go_on);
    tcase_add_test(states, K3_running);
    tcase_add_test(states, K3_running_and_cancelled_from_below);
    tcase_add_test(states, K1_when_it_has_left);
    tcase_add_test(states, K4_to_let_go_is_not_to_cancel);
    suite_add_tcase(suite, states);
    tcase_add_checked_fixture(later, hosted_start, hosted_end);
    tcase_add_test(later, K3_later_awaits_give_canceled_but_shields);
    tcase_add_test(later, K3_behind_a_shield);
    tcase_add_test(later, K3_a_coroutine_below_a_shielded_one);
    tcase_add_test(later, K3_below_a_catch_that_recovers);
    tcase_add_test(later, J1_a_cancelled_one_that_does_not_look);
    suite_add_tcase(suite, later);
    tcase_add_checked_fixture(waited, hosted_start, hosted_end);
    tcase_add_test(waited, T5_what_it_uses_is_freed_when_it_has_left);
    tcase_add_test(waited, K5_a_timeout_waits_for_it);
    tcase_add_test(waited, T5_combinators_wait_for_it);
    tcase_add_test(waited, T5_each_waits_for_it);
    tcase_add_test(waited, K2_a_stop_function_cancels_one);
    tcase_add_test(waited, T4_siblings);
    suite_add_tcase(suite, waited);
    tcase_add_checked_fixture(teardown, hosted_start, hosted_end);
    tcase_add_test(teardown, J5_each_state);
    tcase_add_test(teardown, J5_what_is_new_comes_back_cancelled);
    tcase_add_test(teardown, J5_freed_by_a_coroutine);
    tcase_add_test(teardown, two_that_await_each_other);
    suite_add_tcase(suite, teardown);
    return test_main(suite);
}
