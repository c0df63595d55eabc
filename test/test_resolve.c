/* The resolution procedure (Promises/A+ 2.3): promises, thenables, circles. */
#include "hosted.h"

#include <string.h>

/* ---- 2.3.2: promises ---- */

/* 2.3.2: the same value, whatever state it was in. */
START_TEST(A2_3_2_adopts) {
    struct source w[2];

    watch(promise_then(promise_from(loop, promise_void()), give, promise_from(loop, promise_int(1))), "a");
    watch(promise_then(promise_from(loop, promise_void()), give, promise_from(loop, promise_throw_value(promise_int(2)))), "b");
    watch(promise_then(promise_from(loop, promise_void()), give, source_open(loop, &w[0], "0")), "c");
    watch(promise_then(promise_from(loop, promise_void()), give, source_open(loop, &w[1], "1")), "d");
    hosted_run();
    trace_is("a=1 b=!2");
    source_resolve(&w[0], promise_int(3));
    source_resolve(&w[1], promise_throw_value(promise_int(4)));
    hosted_run();
    trace_is("c=3 d=!4");
}
END_TEST

/* 2.3.2: through several levels. */
START_TEST(A2_3_2_levels) {
    struct source w;
    promise_t *p = source_open(loop, &w, "w");

    for (int i = 0; i < 10; i++) {
        promise_resolver_t *r;
        promise_t *outer = promise_new(loop, &r);
        if (i % 2) p = promise_then(promise_from(loop, promise_void()), give, p);
        promise_resolve(r, promise_adopt(p));
        p = outer;
    }
    hosted_run();
    ck_assert_str_eq(state_of(p), "pending");
    source_resolve(&w, promise_int(1));
    hosted_run();
    ck_assert_str_eq(state_of(p), "1");
    promise_unref(p);
}
END_TEST

/* 2.3.2: adopting takes the reference over (O1), so a promise that is kept has to be referenced. */
START_TEST(A2_3_2_kept) {
    struct source w;
    promise_t *inner = source_open(loop, &w, "w"),
              *p = promise_then(promise_from(loop, promise_void()), give, promise_ref(inner));

    watch(p, "p");
    hosted_run();
    source_resolve(&w, promise_string("x"));
    hosted_run();
    trace_is("p=x");
    ck_assert_str_eq(state_of(inner), "x");
    promise_unref(inner);
}
END_TEST

/* A lent promise value is one more reference (V2). */
static promise_value_t give_element(promise_value_t list, void *arg) {
    (void)arg;
    return promise_list_get(list, 0);
}
START_TEST(V2_lent_promise) {
    promise_value_t item = promise_adopt(promise_from(loop, promise_int(8)));
    promise_value_t list = promise_list(1, &item);

    ck_assert_str_eq(promise_type_name(list), "list");
    watch(promise_then(promise_from(loop, list), give_element, NULL), "p");
    hosted_run();
    trace_is("p=8");
}
END_TEST

/* ---- 2.3.1: circles ---- */

static promise_value_t give_self(promise_value_t v, void *self) {
    (void)v;
    return promise_adopt(*(promise_t **)self);
}
static promise_value_t see_quietly(promise_value_t v, void *arg) { return (void)arg, v; }
#define CYCLE "!the promise was to wait for itself"

/* 2.3.1: a handler, or finally, that returns its own promise. */
START_TEST(A2_3_1_self) {
    promise_t *p = promise_then(promise_from(loop, promise_void()), give_self, &p);
    promise_t *q = promise_finally(promise_from(loop, promise_void()), give_self, &q);

    watch(promise_ref(p), "p");
    watch(promise_ref(q), "q");
    hosted_run();
    trace_is("p=" CYCLE " q=" CYCLE);
}
END_TEST

/* 2.3.1: a resolver that is given its own promise: the error says where that was made (N5). */
START_TEST(A2_3_1_self_by_resolver) {
    promise_resolver_t *r;
    promise_t *p = promise_new(loop, &r);

    promise_resolve(r, promise_adopt(promise_ref(p)));
    ck_assert(promise_error_is(promise_peek(p), &promise_errors, PROMISE_ECYCLE));
    ck_assert_ptr_nonnull(strstr(promise_error_where(promise_peek(p)), "test_resolve.c:"));
    watch(p, "p");
    hosted_run();
    trace_is("p=" CYCLE);
}
END_TEST

/* 2.3.1: each length up to 64 steps, whatever the links are. */
START_TEST(A2_3_1_longer_circles) {
    for (int length = 1; length <= 64; length++) {
        promise_resolver_t *r;
        promise_t *p = promise_new(loop, &r);

        for (int i = 0; i < length; i++) p = i % 2 ? promise_then(p, see, "never") : promise_finally(p, see_quietly, NULL);
        promise_resolve(r, promise_adopt(promise_ref(p)));
        watch(p, "p");
        hosted_run();
        trace_is("p=" CYCLE);
    }
}
END_TEST

/* ---- 2.3.3: thenables ---- */

struct thenable {
    int refs, asked;
    promise_resolver_t *resolver; /* kept, unless there is something to do at once */
    promise_value_t at_once;
    bool drop;
};
static void thenable_then(void *object, promise_resolver_t *resolver) {
    struct thenable *t = object;

    ck_assert_int_gt(t->refs, 0);
    trace("asked");
    t->asked++;
    if (t->drop) promise_abandon(resolver);
    else if (promise_is_void(t->at_once)) t->resolver = resolver;
    else promise_resolve(resolver, t->at_once);
}
static void retain(void *object) { ((struct thenable *)object)->refs++; }
static void release(void *object) { ((struct thenable *)object)->refs--; }
static const struct promise_type type_thenable = {
    .size = sizeof type_thenable, .name = "thenable", .retain = retain, .release = release, .then = thenable_then};
static promise_value_t thenable_value(struct thenable *t) {
    t->refs++;
    return promise_object(&type_thenable, t);
}

/* 2.3.3.3: asked once, from a job, with a resolver; let go of afterwards. */
START_TEST(A2_3_3_asked_from_a_job) {
    struct thenable t = {.at_once = promise_int(1)};
    promise_t *p = promise_from(loop, thenable_value(&t));

    trace_is("");
    ck_assert_str_eq(state_of(p), "pending");
    watch(p, "p");
    hosted_run();
    trace_is("asked p=1");
    ck_assert_int_eq(t.refs, 0);
}
END_TEST

START_TEST(A2_3_3_later) {
    struct thenable t = {0};
    promise_t *p = promise_then(promise_from(loop, thenable_value(&t)), see, "then");

    watch(p, "p");
    hosted_run();
    trace_is("asked");
    promise_reject(t.resolver, promise_int(2));
    hosted_run();
    trace_is("p=!2");
    ck_assert_int_eq(t.refs, 0);
}
END_TEST

/* 2.3.3.3.1: what it gives is resolved in its turn: with promises, and with other thenables. */
START_TEST(A2_3_3_gives_another) {
    struct source w;
    struct thenable last = {.at_once = promise_int(5)}, middle = {0}, first = {0};

    middle.at_once = thenable_value(&last);
    first.at_once = promise_adopt(promise_from(loop, thenable_value(&middle)));
    watch(promise_from(loop, thenable_value(&first)), "p");
    hosted_run();
    trace_is("asked asked asked p=5");
    first = (struct thenable){.at_once = promise_adopt(source_open(loop, &w, "w"))};
    watch(promise_from(loop, thenable_value(&first)), "q");
    hosted_run();
    source_resolve(&w, promise_int(6));
    hosted_run();
    trace_is("asked q=6");
    ck_assert_int_eq(first.refs + middle.refs + last.refs, 0);
}
END_TEST

/* 2.3.3.3.3: the first use of the resolver counts; O5: also against a resolver of before. */
START_TEST(A2_3_3_first_use_counts) {
    struct thenable t = {0};
    promise_resolver_t *r;
    promise_t *p = promise_new(loop, &r);

    promise_resolve(promise_resolver_ref(r), thenable_value(&t));
    ck_assert(!promise_resolver_is_pending(r));
    promise_resolve(promise_resolver_ref(r), promise_int(1));
    hosted_run();
    trace_is("asked");
    ck_assert(!promise_resolver_is_pending(r));
    promise_resolve(promise_resolver_ref(r), promise_int(2));
    hosted_run();
    ck_assert_str_eq(state_of(p), "pending");
    promise_resolve(promise_resolver_ref(t.resolver), promise_int(3));
    promise_reject(t.resolver, promise_int(4));
    promise_abandon(r);
    hosted_run();
    ck_assert_str_eq(state_of(p), "3");
    promise_unref(p);
}
END_TEST

/* O5: a thenable that drops its resolver, although resolvers of before are still held. */
START_TEST(O5_thenable_abandons) {
    for (int held = 0; held < 2; held++) {
        struct thenable t = {.drop = true};
        promise_resolver_t *r;
        promise_t *p = promise_new_at("here.c:7", loop, &r);

        if (held) promise_resolver_ref(r);
        promise_resolve(r, thenable_value(&t));
        watch(promise_ref(p), "p");
        hosted_run();
        ck_assert(promise_error_is(promise_peek(p), &promise_errors, PROMISE_EABANDONED));
        trace_is("asked p=!the last resolver of the promise made at here.c:7 was let go of");
        promise_unref(p);
        if (held) promise_abandon(r);
    }
}
END_TEST

/* N5: the message knows no place then, and says so. */
START_TEST(N5_no_place) {
    struct thenable t = {.drop = true};
    promise_t *p = promise_from(loop, thenable_value(&t));

    watch(p, "p");
    hosted_run();
    trace_is("asked p=!the last resolver of the promise made at an unknown place was let go of");
}
END_TEST

/* K1, K2: a thenable's resolver is one as any other. */
START_TEST(K2_thenable) {
    struct thenable t = {0};
    promise_t *p = promise_from(loop, thenable_value(&t));

    hosted_run();
    promise_on_cancel(t.resolver, trace_free, "thenable");
    promise_cancel(promise_catch(p, see, "p"));
    hosted_run();
    trace_is("asked free:thenable p=!canceled");
    promise_abandon(t.resolver);
}
END_TEST

/* K1: cancelled before it was asked, it is not asked. */
START_TEST(K1_thenable_not_asked) {
    struct thenable t = {0};

    promise_cancel(promise_catch(promise_from(loop, thenable_value(&t)), see, "p"));
    hosted_run();
    trace_is("p=!canceled");
    ck_assert_int_eq(t.refs, 0);
}
END_TEST

/* A rejection with a thenable is not followed. */
START_TEST(rejected_thenable) {
    struct thenable t = {0};

    watch(promise_from(loop, promise_throw_value(thenable_value(&t))), "p");
    hosted_run();
    trace_is("p=!thenable");
    ck_assert_int_eq(t.refs, 0);
}
END_TEST

/* From finally: waited for, and its value dropped. */
static promise_value_t give_thenable(promise_value_t v, void *t) {
    (void)v;
    return thenable_value(t);
}
START_TEST(finally_thenable) {
    struct thenable t = {.at_once = promise_int(1)}, u = {.at_once = promise_throw_value(promise_int(2))};

    watch(promise_finally(promise_from(loop, promise_int(7)), give_thenable, &t), "p");
    watch(promise_finally(promise_from(loop, promise_int(7)), give_thenable, &u), "q");
    hosted_run();
    trace_is("asked asked p=7 q=!2");
}
END_TEST

/* ---- of another loop ---- */

static void quiet(void *data, bool again) { (void)data, (void)again; }
static const struct promise_host quiet_host = {.size = sizeof quiet_host, .wake = quiet};
static void misuse_from(void *other) { (void)!promise_from(loop, promise_adopt(promise_from(other, promise_void()))); }
static void misuse_resolve(void *other) {
    promise_resolver_t *r;
    promise_t *p = promise_new(loop, &r);

    promise_resolve(r, promise_adopt(promise_from(other, promise_void())));
    promise_unref(p);
}
START_TEST(of_another_loop_stops) {
    promise_loop_t *other = promise_loop_new_hosted(&quiet_host, NULL);

    test_assert_stops(misuse_from, other, "promise_from: expected a promise of this loop, got one of another");
    test_assert_stops(misuse_resolve, other, "promise of another loop");
    promise_loop_free(other);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("resolve");
    TCase *tcase = tcase_create("resolve");

    tcase_add_checked_fixture(tcase, hosted_start, hosted_end);
    tcase_add_test(tcase, A2_3_2_adopts);
    tcase_add_test(tcase, A2_3_2_levels);
    tcase_add_test(tcase, A2_3_2_kept);
    tcase_add_test(tcase, V2_lent_promise);
    tcase_add_test(tcase, A2_3_1_self);
    tcase_add_test(tcase, A2_3_1_self_by_resolver);
    tcase_add_test(tcase, A2_3_1_longer_circles);
    tcase_add_test(tcase, A2_3_3_asked_from_a_job);
    tcase_add_test(tcase, A2_3_3_later);
    tcase_add_test(tcase, A2_3_3_gives_another);
    tcase_add_test(tcase, A2_3_3_first_use_counts);
    tcase_add_test(tcase, O5_thenable_abandons);
    tcase_add_test(tcase, N5_no_place);
    tcase_add_test(tcase, K2_thenable);
    tcase_add_test(tcase, K1_thenable_not_asked);
    tcase_add_test(tcase, rejected_thenable);
    tcase_add_test(tcase, finally_thenable);
    tcase_add_test(tcase, of_another_loop_stops);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
