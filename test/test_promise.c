/* Promises and resolvers: making, settling, waiting, references, misuse (Promises/A+ 2.1 and 2.2; O1, O5, N5, T4). */
#include "hosted.h"

#include <string.h>

/* ---- states ---- */

/* 2.1: settled once; neither state nor value changes after. */
START_TEST(A2_1_settles_once) {
    promise_resolver_t *r;
    promise_t *p = promise_new(loop, &r);

    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    ck_assert(promise_is_void(promise_peek(p)));
    ck_assert(promise_resolver_is_pending(r));
    promise_resolve(promise_resolver_ref(r), promise_int(1));
    ck_assert_int_eq(promise_get_state(p), PROMISE_FULFILLED);
    ck_assert(!promise_resolver_is_pending(r));
    promise_resolve(promise_resolver_ref(r), promise_string("other"));
    promise_reject(promise_resolver_ref(r), promise_string("other"));
    promise_abandon(r);
    ck_assert_str_eq(state_of(p), "1");
    promise_unref(p);
}
END_TEST

/* resolve rejects with a rejection; reject rejects with anything, marked or not. */
START_TEST(resolve_and_reject) {
    promise_resolver_t *r[3];
    promise_t *p[3];

    for (int i = 0; i < 3; i++) p[i] = promise_new(loop, &r[i]);
    promise_resolve(r[0], promise_throw_value(promise_int(1)));
    promise_reject(r[1], promise_int(2));
    promise_reject(r[2], promise_throw_value(promise_int(3)));
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(promise_get_state(p[i]), PROMISE_REJECTED);
        ck_assert_int_eq(promise_as_int(promise_reason(promise_peek(p[i]))), i + 1);
        watch(p[i], "p");
    }
    hosted_run();
    trace_is("p=!1 p=!2 p=!3");
}
END_TEST

/* reject with a promise or a thenable: that is the reason, and not followed; returned as a reason, it is. */
static promise_value_t reason_of(promise_value_t v, void *arg) {
    (void)arg;
    return promise_reason(v);
}
START_TEST(reject_with_a_promise) {
    struct source w;
    promise_resolver_t *r;
    promise_t *p = promise_new(loop, &r);

    promise_reject(r, promise_adopt(source_open(loop, &w, "w")));
    ck_assert_int_eq(promise_get_state(p), PROMISE_REJECTED);
    watch(promise_catch(p, reason_of, NULL), "followed");
    hosted_run();
    trace_is("");
    source_resolve(&w, promise_int(4));
    hosted_run();
    trace_is("followed=4");
}
END_TEST

START_TEST(from_gives_what_it_got) {
    promise_t *p = promise_from(loop, promise_string("x")), *q;

    ck_assert_str_eq(state_of(p), "x");
    q = promise_from(loop, promise_adopt(p)); /* as Promise.resolve(p) === p */
    ck_assert_ptr_eq(p, q);
    ck_assert_ptr_eq(promise_loop_of(p), loop);
    watch(q, "q");
    watch(promise_from(loop, promise_throw_value(promise_void())), "r");
    hosted_run();
    trace_is("q=x r=!-");
}
END_TEST

/* promise_try: from the drain, and its result is like a handler's. */
START_TEST(try_runs_from_the_drain) {
    watch(promise_try(loop, see, "fn"), "a");
    watch(promise_try(loop, see_throw, "fn"), "b");
    watch(promise_try(loop, give, promise_from(loop, promise_int(3))), "c");
    trace_is("");
    hosted_run();
    trace_is("fn=- fn=- a=- b=!thrown c=3");
}
END_TEST

/* ---- 2.2 ---- */

/* 2.2.4: never inside of the call, also when the promise has settled. */
START_TEST(A2_2_4_clean_stack) {
    struct source w;

    watch(promise_from(loop, promise_int(1)), "settled");
    watch(source_open(loop, &w, "w"), "pending");
    source_resolve(&w, promise_int(2));
    trace_is("");
    hosted_run();
    trace_is("settled=1 pending=2");
}
END_TEST

static promise_value_t add_handlers(promise_value_t v, void *p) {
    watch(promise_ref(p), "late1");
    trace("adding");
    watch(promise_ref(p), "late2");
    return v;
}
/* 2.2.6: in the order of the calls, those that were made while they ran included. */
START_TEST(A2_2_6_order_of_the_calls) {
    struct source w;
    promise_t *p = source_open(loop, &w, "w");

    watch(promise_ref(p), "1");
    promise_unref(promise_then(promise_ref(p), add_handlers, p));
    watch(promise_ref(p), "3");
    source_resolve(&w, promise_int(0));
    watch(promise_ref(p), "4");
    hosted_run();
    trace_is("1=0 adding 3=0 4=0 late1=0 late2=0");
    promise_unref(p);
}
END_TEST

/* 2.2.6: also across adoption, where those of the adopting one are behind. */
START_TEST(A2_2_6_across_adoption) {
    struct source w;
    promise_resolver_t *r;
    promise_t *inner = source_open(loop, &w, "w"), *outer = promise_new(loop, &r);

    watch(promise_ref(inner), "inner1");
    watch(promise_ref(outer), "outer1");
    promise_resolve(r, promise_adopt(promise_ref(inner)));
    watch(outer, "outer2");
    watch(inner, "inner2");
    source_resolve(&w, promise_int(1));
    hosted_run();
    trace_is("inner1=1 inner2=1 outer1=1 outer2=1");
}
END_TEST

/* 2.2.7: a value fulfils, a rejection rejects, `return v` in a catch passes it on, anything else recovers. */
START_TEST(A2_2_7_results) {
    watch(promise_then(promise_from(loop, promise_int(1)), see, "then"), "a");
    watch(promise_then(promise_from(loop, promise_int(1)), see_throw, "then"), "b");
    watch(promise_catch(promise_from(loop, promise_throw_value(promise_int(1))), see, "catch"), "c");
    watch(promise_catch(promise_from(loop, promise_throw_value(promise_int(1))), see_void, "catch"), "d");
    hosted_run();
    trace_is("then=1 then=1 catch=!1 catch=!1 a=1 b=!thrown c=!1 d=-");
}
END_TEST

/* 2.2.7.3, 2.2.7.4: what has no handler passes by, and is shared, never copied. */
START_TEST(A2_2_7_passes_by) {
    promise_t *p = promise_from(loop, promise_string("shared")), *q = promise_catch(promise_ref(p), see, "never");

    q = promise_then_catch(q, NULL, NULL, NULL);
    q = promise_then_catch(q, NULL, see, "never");
    watch(promise_then(promise_from(loop, promise_throw_value(promise_int(1))), see, "never"), "rejected");
    hosted_run();
    trace_is("rejected=!1");
    ck_assert_ptr_eq(promise_as_string(promise_peek(q)), promise_as_string(promise_peek(p)));
    promise_unref(p);
    promise_unref(q);
}
END_TEST

START_TEST(then_catch_runs_one) {
    watch(promise_then_catch(promise_from(loop, promise_int(1)), see_throw, see_void, "ok"), "a");
    watch(promise_then_catch(promise_from(loop, promise_throw_value(promise_int(2))), see_throw, see_void, "bad"), "b");
    hosted_run();
    trace_is("ok=1 bad=!2 a=!thrown b=-");
}
END_TEST

/* ---- resolvers (O5, N5) ---- */

/* O5: the last one that is let go of unsettled rejects, naming the place (N5). */
START_TEST(O5_abandoned) {
    promise_resolver_t *r;
    promise_t *p = promise_new_at("here.c:7", loop, &r);

    promise_resolver_ref(r);
    promise_abandon(r);
    ck_assert_str_eq(state_of(p), "pending");
    promise_abandon(r);
    ck_assert(promise_error_is(promise_peek(p), &promise_errors, PROMISE_EABANDONED));
    ck_assert_ptr_nonnull(strstr(promise_error_message(promise_peek(p)), "here.c:7"));
    ck_assert_str_eq(promise_error_where(promise_peek(p)), "here.c:7");
    watch(p, "p");
    hosted_run();
    trace_is("p=!the last resolver of the promise made at here.c:7 was let go of");
}
END_TEST

/* N5: the macro knows where it stands. */
START_TEST(N5_place) {
    promise_resolver_t *r;
    promise_t *p = promise_new(loop, &r);

    promise_abandon(r);
    ck_assert_ptr_nonnull(strstr(promise_error_where(promise_peek(p)), "test_promise.c:"));
    promise_cancel(p);
    hosted_run();
}
END_TEST

/* O5: once one producer has settled it, or had it follow another promise, the others only let go. */
START_TEST(O5_first_wins) {
    struct source w;
    promise_resolver_t *r;
    promise_t *p = promise_new(loop, &r);

    promise_resolve(promise_resolver_ref(r), promise_adopt(source_open(loop, &w, "w")));
    ck_assert(!promise_resolver_is_pending(r));
    promise_resolve(promise_resolver_ref(r), promise_int(2));
    promise_reject(promise_resolver_ref(r), promise_int(2));
    promise_abandon(r);
    hosted_run();
    ck_assert_str_eq(state_of(p), "pending");
    source_resolve(&w, promise_int(1));
    hosted_run();
    ck_assert_str_eq(state_of(p), "1");
    promise_unref(p);
}
END_TEST

/* ---- references, also inside of handlers (T4) ---- */

START_TEST(ref_and_unref) {
    promise_t *p = promise_from(loop, promise_string("x"));

    promise_unref(NULL);
    ck_assert_ptr_eq(promise_ref(p), p);
    promise_unref(p);
    ck_assert_str_eq(state_of(p), "x");
    promise_unref(p);
}
END_TEST

struct to_drop {
    promise_t *self, *parent, *sibling, *child;
};
static promise_value_t drop_all(promise_value_t v, void *arg) {
    struct to_drop *d = arg;

    promise_unref(d->self);
    promise_unref(d->parent);
    promise_unref(d->sibling);
    promise_unref(d->child);
    return v; /* lent, and valid until we return, although nobody holds the parent */
}
/* T4: dropping the running promise, its parent, sibling and child. */
START_TEST(T4_drop_inside_a_handler) {
    struct source w;
    struct to_drop d;

    d.parent = source_open(loop, &w, "w");
    d.self = promise_then(promise_ref(d.parent), drop_all, &d);
    d.sibling = promise_then(promise_ref(d.parent), see, "sibling");
    d.child = promise_then(promise_ref(d.self), see, "child");
    source_resolve(&w, promise_string("value"));
    hosted_run();
    trace_is("sibling=value child=value");
}
END_TEST

/* ---- misuse ---- */

static void misuse_null(void *arg) { (void)!promise_then(NULL, see, arg); }
static void misuse_no_fn(void *arg) { (void)!promise_catch(promise_from(loop, promise_void()), NULL, arg); }
static void misuse_no_try(void *arg) { (void)!promise_try(loop, NULL, arg); }
static void misuse_no_free(void *arg) { (void)!promise_attach(promise_from(loop, promise_void()), arg, NULL); }
static void misuse_consumed(void *arg) {
    struct source w;
    promise_t *p = source_open(loop, &w, "w");

    (void)!promise_then(p, see, arg);
    (void)!promise_then(p, see, arg);
}
static void misuse_gone(void *arg) {
    promise_t *keep = promise_from(loop, promise_void()), *p = promise_from(loop, promise_void());

    (void)arg;
    promise_unref(p);
    promise_unref(p);
    promise_unref(keep);
}
static void misuse_resolver_null(void *arg) {
    (void)arg;
    promise_resolve(NULL, promise_void());
}
static void misuse_resolver_used(void *arg) {
    promise_resolver_t *r;
    promise_t *p = promise_new(loop, &r);

    (void)arg;
    promise_resolve(r, promise_void());
    promise_abandon(r);
    promise_unref(p);
}
static void misuse_no_resolver(void *arg) {
    (void)arg;
    (void)!promise_new(loop, NULL);
}
START_TEST(misuse_stops) {
    test_assert_stops(misuse_null, NULL, "promise_then: the promise is NULL");
    test_assert_stops(misuse_no_fn, NULL, "promise_catch: fn is NULL");
    test_assert_stops(misuse_no_try, NULL, "promise_try: fn is NULL");
    test_assert_stops(misuse_no_free, NULL, "promise_attach: free_object is NULL");
    test_assert_stops(misuse_consumed, NULL, "promise_then: expected a promise with a reference");
    test_assert_stops(misuse_gone, NULL, "promise_unref: expected a promise, got one that is gone");
    test_assert_stops(misuse_resolver_null, NULL, "promise_resolve: the resolver is NULL");
    test_assert_stops(misuse_resolver_used, NULL, "promise_abandon: expected a resolver, got one that was used before");
    test_assert_stops(misuse_no_resolver, NULL, "promise_new: resolver is NULL");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("promise");
    TCase *tcase = tcase_create("promise");

    tcase_add_checked_fixture(tcase, hosted_start, hosted_end);
    tcase_add_test(tcase, A2_1_settles_once);
    tcase_add_test(tcase, resolve_and_reject);
    tcase_add_test(tcase, reject_with_a_promise);
    tcase_add_test(tcase, from_gives_what_it_got);
    tcase_add_test(tcase, try_runs_from_the_drain);
    tcase_add_test(tcase, A2_2_4_clean_stack);
    tcase_add_test(tcase, A2_2_6_order_of_the_calls);
    tcase_add_test(tcase, A2_2_6_across_adoption);
    tcase_add_test(tcase, A2_2_7_results);
    tcase_add_test(tcase, A2_2_7_passes_by);
    tcase_add_test(tcase, then_catch_runs_one);
    tcase_add_test(tcase, O5_abandoned);
    tcase_add_test(tcase, N5_place);
    tcase_add_test(tcase, O5_first_wins);
    tcase_add_test(tcase, ref_and_unref);
    tcase_add_test(tcase, T4_drop_inside_a_handler);
    tcase_add_test(tcase, misuse_stops);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
