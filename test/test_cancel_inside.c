/* Cancels inside of handlers (K3, T4), of combinators (T5), and of what has data attached (O3). */
#include "hosted.h"

static promise_value_t start_more(promise_value_t v, void *arg) {
    (void)v;
    return promise_adopt(promise_finally(source_open(loop, arg, "more"), see, "more ends"));
}

/* ---- handlers that cancel ---- */

struct inside {
    promise_t *victim;
    struct source *work;
    char *uses;
};
/* Cancels, and returns something that still uses what is attached below. */
static promise_value_t cancel_and_go_on(promise_value_t v, void *arg) {
    struct inside *i = arg;
    promise_t *p = promise_finally(source_open(loop, i->work, "more"), see, i->uses);

    see(v, "handler");
    promise_cancel(i->victim);
    return promise_adopt(p);
}
/* K3: a running handler finishes; what it returns is cancelled; O3: what is below waits for that. */
START_TEST(K3_tail_of_the_running_handler) {
    struct source w, more;
    struct inside i = {.work = &more, .uses = "uses the data"};
    promise_t *p = promise_then(source_open(loop, &w, "w"), cancel_and_go_on, &i);

    p = promise_then_catch(p, see, see_void, "next");
    p = promise_attach(p, "data", trace_free);
    i.victim = p;
    source_resolve(&w, promise_int(1));
    hosted_run();
    trace_is("handler=1 stop:more uses the data=- next=!canceled free:data");
}
END_TEST

/* The same, but the cleanup of what it returned takes a while. */
static promise_value_t cancel_and_clean(promise_value_t v, void *arg) {
    struct inside *i = arg;
    promise_resolver_t *r;
    promise_t *p = promise_finally(promise_new(NULL, &r), start_more, i->work);

    see(v, "handler");
    promise_abandon(promise_resolver_ref(r));
    promise_cancel(i->victim);
    promise_cancel(promise_ref(p));
    promise_abandon(r);
    return promise_adopt(p);
}
START_TEST(K3_cleanup_of_the_running_handler) {
    struct source w, more;
    struct inside i = {.work = &more};
    promise_t *p = promise_then(source_open(loop, &w, "w"), cancel_and_clean, &i);

    p = promise_then_catch(p, see, see_void, "next");
    p = promise_attach(p, "data", trace_free);
    i.victim = p;
    source_resolve(&w, promise_int(1));
    hosted_run();
    trace_is("handler=1");
    source_resolve(&more, promise_void());
    hosted_run();
    trace_is("more ends=- next=!canceled free:data");
}
END_TEST

static promise_value_t cancel_victim(promise_value_t v, void *arg) {
    struct inside *i = arg;

    see(v, i->uses ? i->uses : "handler");
    promise_cancel(i->victim);
    return promise_int(5);
}
/* K1: the child of the running promise is stopped, although the handler returns a value. */
START_TEST(K1_child_of_the_running) {
    struct inside i = {0};
    promise_t *p = promise_then(promise_from(loop, promise_int(1)), cancel_victim, &i);

    i.victim = promise_then_catch(p, see, see_void, "child");
    hosted_run();
    trace_is("handler=1 child=!canceled");
}
END_TEST

/* T4: the running promise itself: its handler finishes, and its outcome stands. */
START_TEST(T4_cancel_itself) {
    struct inside i = {0};
    promise_t *p = promise_then(promise_from(loop, promise_int(1)), cancel_victim, &i);

    i.victim = promise_ref(p);
    watch(p, "child");
    hosted_run();
    trace_is("handler=1 child=5");
}
END_TEST

/* T4: and when nobody else has it. */
START_TEST(T4_cancel_itself_alone) {
    struct inside i = {0};

    i.victim = promise_then(promise_from(loop, promise_int(1)), cancel_victim, &i);
    hosted_run();
    trace_is("handler=1");
}
END_TEST

/* T4: the parent, which has settled, and siblings, before and behind. */
START_TEST(T4_cancel_parent_and_siblings) {
    struct source w;
    struct inside a = {.uses = "a"}, b = {.uses = "b"};
    promise_t *p = source_open(loop, &w, "w");
    promise_t *first = promise_then(promise_ref(p), cancel_victim, &a);
    promise_t *second = promise_then(promise_ref(p), cancel_victim, &b);
    promise_t *third = promise_then_catch(promise_ref(p), see, see_void, "third");

    a.victim = p;
    b.victim = promise_then_catch(third, see, see_void, "behind");
    source_resolve(&w, promise_int(1));
    promise_unref(second);
    watch(first, "first");
    hosted_run();
    trace_is("a=1 b=1 first=5 third=!canceled behind=-");
}
END_TEST

/* T4: cancelled by the free function of what was attached. */
static void cancel_from_free(void *arg) {
    struct inside *i = arg;

    trace("free");
    promise_cancel(i->victim);
}
START_TEST(T4_cancel_inside_free) {
    struct inside i = {0};
    promise_t *p = promise_attach(promise_from(loop, promise_int(1)), &i, cancel_from_free);

    i.victim = promise_then_catch(p, see, see_void, "below");
    hosted_run();
    trace_is("free below=!canceled");
}
END_TEST

/* ---- combinators (T5) ---- */

/* Nested: from the outermost to every source, and the outermost settles last. */
START_TEST(T5_nested_combinators) {
    struct source w[4];
    promise_t *in[2], *out[3];

    in[0] = promise_finally(source_open(loop, &w[0], "0"), see, "f0");
    in[1] = source_open(loop, &w[1], "1");
    out[0] = promise_finally(promise_race(loop, 2, in), see, "race");
    in[0] = source_open(loop, &w[2], "2");
    in[1] = source_open(loop, &w[3], "3");
    out[1] = promise_finally(promise_any(loop, 2, in), see, "any");
    out[2] = promise_from(loop, promise_int(1));
    promise_cancel(promise_catch(promise_all(loop, 3, out), see, "all"));
    trace_is("stop:0 stop:1 stop:2 stop:3");
    hosted_run();
    trace_is("f0=- any=- race=- all=!canceled");
}
END_TEST

/* T5: settles when the branches have, finally and all. */
START_TEST(T5_waits_for_its_branches) {
    struct source w, more;
    promise_t *in[2] = {promise_finally(source_open(loop, &w, "w"), start_more, &more),
                        promise_from(loop, promise_int(1))};
    promise_t *p = promise_attach(promise_race(loop, 2, in), "data", trace_free);

    watch(p, "race");
    hosted_run();
    trace_is("stop:w");
    source_resolve(&more, promise_void());
    hosted_run();
    trace_is("more ends=- free:data race=1");
}
END_TEST

/* T5: decided, but waiting, and then cancelled: ECANCELED, and it waits as before. */
START_TEST(T5_canceled_while_it_waits) {
    struct source w, more;
    promise_t *in[2] = {promise_finally(source_open(loop, &w, "w"), start_more, &more),
                        promise_from(loop, promise_int(1))};
    promise_t *p = promise_then_catch(promise_race(loop, 2, in), see, see_void, "race");

    hosted_run();
    promise_cancel(p);
    hosted_run();
    trace_is("stop:w");
    source_resolve(&more, promise_void());
    hosted_run();
    trace_is("more ends=- race=!canceled");
}
END_TEST

/* K1 for a timeout that has expired and waits: the user has gone, and an ETIMEDOUT would be a false alarm. */
START_TEST(K1_timeout_that_waits) {
    struct source w, more;
    promise_t *p = promise_finally(source_open(loop, &w, "w"), start_more, &more);

    p = promise_timeout(p, 10);
    hosted_advance(10);
    trace_is("stop:w");
    promise_cancel(p);
    hosted_run();
    source_resolve(&more, promise_void());
    hosted_run();
    trace_is("more ends=-");
}
END_TEST

/* T5: a branch whose handler is running and cancels the combinator is waited for. */
START_TEST(T5_branch_cancels_its_combinator) {
    struct source w, more, other;
    struct inside i = {.work = &more, .uses = "uses"};
    promise_t *in[2] = {promise_then(source_open(loop, &w, "w"), cancel_and_go_on, &i),
                        source_open(loop, &other, "other")};

    i.victim = promise_attach(promise_all(loop, 2, in), "data", trace_free);
    source_resolve(&w, promise_int(1));
    hosted_run();
    trace_is("handler=1 stop:other stop:more uses=- free:data");
}
END_TEST

/* T5: what others hold is only let go of. */
START_TEST(T5_held_branches_go_on) {
    struct source w;
    promise_t *held = source_open(loop, &w, "w"), *in[2] = {promise_ref(held), promise_from(loop, promise_int(1))};

    watch(promise_race(loop, 2, in), "race");
    hosted_run();
    trace_is("race=1");
    source_resolve(&w, promise_int(2));
    ck_assert_str_eq(state_of(held), "2");
    promise_unref(held);
}
END_TEST

/* ---- O3 ---- */

/* O3: attached data is freed once, after the links above and before those below, also where a cancel ends halfway. */
START_TEST(O3_attached_under_a_shared_parent) {
    struct source w;
    promise_t *shared = source_open(loop, &w, "w");
    promise_t *p = promise_attach(promise_catch(promise_ref(shared), see, "above"), "data", trace_free);

    promise_cancel(promise_catch(p, see, "below"));
    hosted_run();
    trace_is("above=!canceled free:data below=!canceled");
    source_resolve(&w, promise_void());
    promise_unref(shared);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cancel_inside");
    TCase *tcase = tcase_create("cancel_inside");

    tcase_add_checked_fixture(tcase, hosted_start, hosted_end);
    tcase_add_test(tcase, K3_tail_of_the_running_handler);
    tcase_add_test(tcase, K3_cleanup_of_the_running_handler);
    tcase_add_test(tcase, K1_child_of_the_running);
    tcase_add_test(tcase, T4_cancel_itself);
    tcase_add_test(tcase, T4_cancel_itself_alone);
    tcase_add_test(tcase, T4_cancel_parent_and_siblings);
    tcase_add_test(tcase, T4_cancel_inside_free);
    tcase_add_test(tcase, T5_nested_combinators);
    tcase_add_test(tcase, T5_waits_for_its_branches);
    tcase_add_test(tcase, T5_canceled_while_it_waits);
    tcase_add_test(tcase, K1_timeout_that_waits);
    tcase_add_test(tcase, T5_branch_cancels_its_combinator);
    tcase_add_test(tcase, T5_held_branches_go_on);
    tcase_add_test(tcase, O3_attached_under_a_shared_parent);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
