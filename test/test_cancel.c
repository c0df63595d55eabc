/* Cancelling: how far it goes (K1, K4), and the stops at the sources (K2). */
#include "hosted.h"

/* ---- K1: up to the source, and down again ---- */

/* K1: the tail settles last. */
START_TEST(K1_up_and_down) {
    struct source w;
    promise_t *p = source_open(loop, &w, "w");

    p = promise_then(p, see, "never");
    p = promise_finally(p, see, "finally");
    p = promise_catch(p, see, "catch");
    p = promise_attach(p, "data", trace_free);
    promise_cancel(p);
    trace_is("stop:w"); /* handlers never run inside of the call */
    hosted_run();
    trace_is("finally=- catch=!canceled free:data");
}
END_TEST

/* K1: a catch recovers from it as from any rejection, and what follows runs. */
START_TEST(K1_catch_recovers) {
    struct source w;
    promise_t *p = promise_catch(source_open(loop, &w, "w"), see_void, "a");

    p = promise_then(p, see, "b");
    promise_cancel(promise_ref(p));
    hosted_run();
    trace_is("stop:w a=!canceled b=-");
    ck_assert_str_eq(state_of(p), "-");
    promise_unref(p);
}
END_TEST

START_TEST(K1_null_and_settled) {
    promise_t *p = promise_from(loop, promise_int(1)), *q = promise_then(promise_ref(p), see, "q");

    promise_cancel(NULL);
    promise_cancel(promise_ref(p));
    ck_assert_str_eq(state_of(p), "1");
    promise_cancel(p); /* its child is another's */
    promise_unref(q);
    hosted_run();
    trace_is("q=1");
}
END_TEST

/* K1: p itself always, also when others wait for it: they get ECANCELED. */
START_TEST(K1_p_itself_always) {
    struct source w;
    promise_t *p = source_open(loop, &w, "w"), *held = promise_ref(p);

    watch(promise_ref(p), "other");
    promise_cancel(p);
    ck_assert_str_eq(state_of(held), "!canceled");
    hosted_run();
    trace_is("stop:w other=!canceled");
    promise_unref(held);
}
END_TEST

/* K1: no farther than what somebody else wants, by a reference or by a chain of his own. */
START_TEST(K1_shared_parent) {
    struct source w;
    promise_t *source = source_open(loop, &w, "w");
    promise_t *a = promise_catch(promise_ref(source), see, "a"), *b = promise_then(promise_ref(source), see, "b");

    promise_cancel(a);
    hosted_run();
    trace_is("a=!canceled");
    promise_unref(source); /* now b alone wants it */
    promise_cancel(b);
    hosted_run();
    trace_is("stop:w");
}
END_TEST

START_TEST(K1_sibling_without_reference) {
    struct source w;
    promise_t *source = source_open(loop, &w, "w");
    promise_t *a = promise_then(promise_ref(source), see, "a");

    watch(source, "b");
    promise_cancel(a);
    hosted_run();
    trace_is("");
    source_resolve(&w, promise_int(1));
    hosted_run();
    trace_is("b=1");
}
END_TEST

/* K1: a promise that is dropped no longer wants anything, but keeps its handlers (K4): it holds the source. */
START_TEST(K4_dropping_is_no_cancel) {
    struct source w;
    promise_t *p = source_open(loop, &w, "w"), *q = promise_then(promise_ref(p), see, "q");

    promise_unref(promise_then(promise_ref(p), see, "a"));
    promise_unref(p);
    promise_cancel(q);
    hosted_run();
    trace_is("");
    source_resolve(&w, promise_int(1));
    hosted_run();
    trace_is("a=1");
}
END_TEST

START_TEST(K4_last_reference_of_a_source) {
    struct source w;

    promise_unref(source_open(loop, &w, "w"));
    hosted_run();
    ck_assert(promise_resolver_is_pending(w.resolver));
    source_resolve(&w, promise_int(1));
    hosted_run();
}
END_TEST

/* K1: a diamond goes when both its sides go. */
START_TEST(K1_diamond) {
    struct source w;
    promise_t *source = source_open(loop, &w, "w");
    promise_t *sides[2] = {promise_catch(promise_ref(source), see, "a"), promise_catch(source, see, "b")};

    promise_cancel(promise_catch(promise_all(loop, 2, sides), see, "all"));
    hosted_run();
    trace_is("stop:w a=!canceled b=!canceled all=!canceled");
}
END_TEST

/* The same promise twice in one combinator. */
START_TEST(K1_twice_in_one) {
    struct source w;
    promise_t *source = source_open(loop, &w, "w"), *both[2] = {promise_ref(source), source};

    promise_cancel(promise_catch(promise_all(loop, 2, both), see, "all"));
    hosted_run();
    trace_is("stop:w all=!canceled");
}
END_TEST

/* K1: what has settled, but whose children have not run, counts as settled: the child gets ECANCELED. */
START_TEST(K1_between_settling_and_running) {
    struct source w;
    promise_t *p = source_open(loop, &w, "w"), *a = promise_then_catch(promise_ref(p), see, see_void, "a");

    watch(p, "b");
    source_resolve(&w, promise_int(1));
    promise_cancel(a);
    hosted_run();
    trace_is("b=1 a=!canceled");
}
END_TEST

/* The same for one that came after its parent had settled, and for a promise_try that has not begun. */
START_TEST(K1_queued_alone) {
    promise_cancel(promise_then_catch(promise_from(loop, promise_int(1)), see, see_void, "late"));
    promise_cancel(promise_then_catch(promise_try(loop, see, "never"), see, see_void, "try"));
    promise_cancel(
        promise_catch(promise_attach(promise_from(loop, promise_int(1)), "data", trace_free), see, "attach"));
    hosted_run();
    trace_is("late=!canceled free:data try=!canceled attach=!canceled");
}
END_TEST

START_TEST(K1_twice) {
    struct source w;
    promise_t *p = promise_catch(promise_then(source_open(loop, &w, "w"), see, "never"), see, "a");

    p = promise_finally(p, see, "b");
    promise_cancel(promise_ref(p));
    promise_cancel(promise_ref(p));
    promise_cancel(p);
    hosted_run();
    trace_is("stop:w a=!canceled b=-");
}
END_TEST

/* K1 through adoption, by a resolver and by a handler. */
START_TEST(K1_adopted) {
    struct source w;
    promise_resolver_t *r;
    promise_t *p = promise_new(loop, &r);

    promise_resolve(r, promise_adopt(promise_catch(source_open(loop, &w, "w"), see, "inner")));
    promise_cancel(promise_catch(p, see, "outer"));
    hosted_run();
    trace_is("stop:w inner=!canceled outer=!canceled");

    p = promise_then(promise_from(loop, promise_void()), give, source_open(loop, &w, "w"));
    p = promise_catch(p, see, "outer");
    hosted_run();
    promise_cancel(p);
    hosted_run();
    trace_is("stop:w outer=!canceled");
}
END_TEST

START_TEST(K1_adopted_but_shared) {
    struct source w;
    promise_t *inner = source_open(loop, &w, "w");
    promise_t *p = promise_then(promise_from(loop, promise_void()), give, promise_ref(inner));

    p = promise_catch(p, see, "outer");
    hosted_run();
    promise_cancel(p);
    hosted_run();
    trace_is("outer=!canceled");
    source_resolve(&w, promise_int(1));
    ck_assert_str_eq(state_of(inner), "1");
    promise_unref(inner);
}
END_TEST

/* A circle that was too long to be refused. */
START_TEST(K1_in_a_circle) {
    promise_resolver_t *r;
    promise_t *p = promise_new(loop, &r), *held;

    for (int i = 0; i < 100; i++) p = promise_then(p, see, "never");
    held = promise_ref(p);
    promise_resolve(r, promise_adopt(p));
    promise_cancel(held);
    hosted_run();
}
END_TEST

/* ---- K2: stops ---- */

struct stop_case {
    promise_resolver_t *resolver;
    promise_t *promise, *other;
    struct source *work;
};
static void look_and_resolve(void *arg) {
    struct stop_case *c = arg;

    trace("stop:%s", state_of(c->promise));
    ck_assert(!promise_resolver_is_pending(c->resolver));
    promise_on_cancel(c->resolver, trace_free, "too late");
    promise_resolve(c->resolver, promise_string("too late"));
}
/* K2: rejected first, then stopped, once; what the producer does then has no effect. */
START_TEST(K2_rejected_then_stopped) {
    struct stop_case c = {0};

    c.promise = promise_new(loop, &c.resolver);
    promise_on_cancel(c.resolver, trace_free, "replaced");
    promise_on_cancel(c.resolver, look_and_resolve, &c);
    promise_cancel(promise_ref(c.promise));
    promise_cancel(promise_ref(c.promise));
    hosted_run();
    trace_is("stop:!canceled");
    ck_assert_str_eq(state_of(c.promise), "!canceled");
    promise_unref(c.promise);
}
END_TEST

/* K2: without a stop, and with one that was taken away, the producer hears nothing and does no harm. */
START_TEST(K2_without_a_stop) {
    promise_resolver_t *r, *more;
    promise_t *p = promise_new(loop, &r);

    more = promise_resolver_ref(r);
    promise_on_cancel(r, trace_free, "never");
    promise_on_cancel(r, NULL, NULL);
    promise_cancel(promise_catch(p, see, "a"));
    ck_assert(!promise_resolver_is_pending(r));
    promise_resolve(r, promise_string("x"));
    hosted_run();
    promise_reject(more, promise_string("x"));
    hosted_run();
    trace_is("a=!canceled");
}
END_TEST

static void cancel_other(void *arg) {
    struct stop_case *c = arg;

    trace("begin");
    promise_abandon(c->resolver);
    promise_cancel(c->other);
    trace("end");
}
/* K2: stops run from a work list, never nested. */
START_TEST(K2_stops_do_not_nest) {
    struct source w;
    struct stop_case first = {0}, second = {0};

    first.promise = promise_new(loop, &first.resolver);
    second.promise = promise_new(loop, &second.resolver);
    promise_on_cancel(first.resolver, cancel_other, &first);
    promise_on_cancel(second.resolver, cancel_other, &second);
    first.other = second.promise;
    second.other = source_open(loop, &w, "w");
    promise_cancel(first.promise);
    trace_is("begin end begin end stop:w");
    hosted_run();
}
END_TEST

static void resolve_other(void *arg) {
    struct stop_case *c = arg;

    promise_abandon(c->resolver);
    promise_resolve(promise_resolver_ref(c->work->resolver), promise_int(7));
    promise_unref(c->other);
    trace("stopped");
}
/* K2: a stop that resolves and frees others. */
START_TEST(K2_stop_resolves_others) {
    struct source w;
    struct stop_case c = {.work = &w};

    c.promise = promise_new(loop, &c.resolver);
    c.other = source_open(loop, &w, "w");
    watch(promise_ref(c.other), "other");
    promise_on_cancel(c.resolver, resolve_other, &c);
    promise_cancel(promise_finally(c.promise, see, "finally"));
    trace_is("stopped");
    hosted_run();
    trace_is("finally=- other=7");
    promise_abandon(w.resolver);
}
END_TEST

/* K2: when both are on the list, the first to be stopped may settle the second: the cancel has won already, but there is
 * nothing left to stop. */
START_TEST(K2_stop_resolves_the_next) {
    struct source w;
    struct stop_case c = {.work = &w};
    promise_t *both[2];

    both[0] = promise_new(loop, &c.resolver);
    both[1] = source_open(loop, &w, "w");
    c.other = NULL;
    promise_on_cancel(c.resolver, resolve_other, &c);
    promise_cancel(promise_catch(promise_all(loop, 2, both), see, "all"));
    hosted_run();
    trace_is("stopped all=!canceled");
    promise_abandon(w.resolver);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cancel");
    TCase *tcase = tcase_create("cancel");

    tcase_add_checked_fixture(tcase, hosted_start, hosted_end);
    tcase_add_test(tcase, K1_up_and_down);
    tcase_add_test(tcase, K1_catch_recovers);
    tcase_add_test(tcase, K1_null_and_settled);
    tcase_add_test(tcase, K1_p_itself_always);
    tcase_add_test(tcase, K1_shared_parent);
    tcase_add_test(tcase, K1_sibling_without_reference);
    tcase_add_test(tcase, K4_dropping_is_no_cancel);
    tcase_add_test(tcase, K4_last_reference_of_a_source);
    tcase_add_test(tcase, K1_diamond);
    tcase_add_test(tcase, K1_twice_in_one);
    tcase_add_test(tcase, K1_between_settling_and_running);
    tcase_add_test(tcase, K1_queued_alone);
    tcase_add_test(tcase, K1_twice);
    tcase_add_test(tcase, K1_adopted);
    tcase_add_test(tcase, K1_adopted_but_shared);
    tcase_add_test(tcase, K1_in_a_circle);
    tcase_add_test(tcase, K2_rejected_then_stopped);
    tcase_add_test(tcase, K2_without_a_stop);
    tcase_add_test(tcase, K2_stops_do_not_nest);
    tcase_add_test(tcase, K2_stop_resolves_others);
    tcase_add_test(tcase, K2_stop_resolves_the_next);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
