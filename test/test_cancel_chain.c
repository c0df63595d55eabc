/* A cancelled chain stays cancelled (K3): what handlers return there, finally, shields. */
#include "hosted.h"

/* ---- K3: a cancelled chain stays cancelled ---- */

static promise_value_t start_more(promise_value_t v, void *arg) {
    (void)v;
    return promise_adopt(promise_finally(source_open(loop, arg, "more"), see, "more ends"));
}
/* K3: what a catch returns there is cancelled at once. */
START_TEST(K3_returned_is_canceled) {
    struct source w, more;
    promise_t *p = promise_catch(source_open(loop, &w, "w"), start_more, &more);

    promise_cancel(promise_catch(p, see, "tail"));
    hosted_run();
    trace_is("stop:w stop:more more ends=- tail=!canceled");
}
END_TEST

/* K3: but not when others hold it. */
START_TEST(K3_returned_is_shared) {
    struct source w, more;
    promise_t *shared = source_open(loop, &more, "more");
    promise_t *p = promise_catch(source_open(loop, &w, "w"), give, promise_ref(shared));

    promise_cancel(promise_catch(p, see, "tail"));
    hosted_run();
    trace_is("stop:w tail=!canceled");
    ck_assert_str_eq(state_of(shared), "pending");
    source_resolve(&more, promise_int(1));
    promise_unref(shared);
}
END_TEST

/* K3: what finally returns, runs, and is waited for. */
START_TEST(K3_finally_runs) {
    struct source w, more;
    promise_t *p = promise_finally(source_open(loop, &w, "w"), start_more, &more);

    p = promise_catch(p, see, "tail");
    promise_cancel(promise_ref(p));
    hosted_run();
    trace_is("stop:w");
    promise_cancel(p); /* once more, while finally waits */
    hosted_run();
    trace_is("");
    source_resolve(&more, promise_int(1));
    hosted_run();
    trace_is("more ends=- tail=!canceled");
}
END_TEST

/* K3: cancelled while finally waits, after its input was fulfilled: the tail gets ECANCELED, when it has waited. */
START_TEST(K3_canceled_while_finally_waits) {
    struct source more;
    promise_t *p = promise_finally(promise_from(loop, promise_int(1)), start_more, &more);

    p = promise_then_catch(p, see, see_void, "tail");
    hosted_run();
    promise_cancel(p);
    hosted_run();
    trace_is("");
    source_resolve(&more, promise_int(1));
    hosted_run();
    trace_is("more ends=- tail=!canceled");
}
END_TEST

/* K3: an error of the cleanup is not lost. */
START_TEST(K3_finally_rejects) {
    struct source more;
    promise_t *p = promise_finally(promise_from(loop, promise_int(1)), start_more, &more);

    p = promise_catch(p, see_void, "tail");
    hosted_run();
    promise_cancel(p);
    source_resolve(&more, promise_throw_value(promise_string("cannot close")));
    hosted_run();
    trace_is("more ends=- tail=!cannot close");
}
END_TEST

static promise_value_t start_shielded(promise_value_t v, void *arg) {
    (void)v;
    return promise_adopt(promise_shield(promise_then(source_open(loop, arg, "more"), see, "shielded")));
}
/* K3: what is shielded runs, and is waited for. */
START_TEST(K3_returned_shield) {
    struct source w, more;
    promise_t *p = promise_catch(source_open(loop, &w, "w"), start_shielded, &more);

    watch(p, "tail");
    promise_cancel(promise_then(promise_from(loop, promise_void()), see, "other"));
    promise_cancel(promise_finally(promise_from(loop, promise_void()), see, "other"));
    hosted_run();
    trace_is("other=-");
    source_resolve(&w, promise_throw_value(promise_int(1)));
    hosted_run();
    source_resolve(&more, promise_int(2));
    hosted_run();
    trace_is("shielded=2 tail=2");
}
END_TEST

START_TEST(K3_returned_shield_in_a_canceled_chain) {
    struct source w, more;
    promise_t *p = promise_catch(source_open(loop, &w, "w"), start_shielded, &more);

    promise_cancel(promise_then_catch(p, see, see, "tail"));
    hosted_run();
    trace_is("stop:w");
    source_resolve(&more, promise_int(2));
    hosted_run();
    trace_is("shielded=2 tail=2");
}
END_TEST

/* K3: the same when the cancel comes later, whether somebody can reach the promise that adopted the shield or not. */
START_TEST(K3_canceled_while_shielded) {
    for (int held = 0; held < 2; held++) {
        struct source more;
        promise_t *p = promise_then(promise_from(loop, promise_void()), start_shielded, &more);
        promise_t *tail = promise_attach(promise_then_catch(p, see, see_void, "tail"), "data", trace_free);

        if (held) tail = promise_attach(tail, "more data", trace_free);
        hosted_run();
        promise_cancel(tail);
        hosted_run();
        trace_is("");
        source_resolve(&more, promise_int(2));
        hosted_run();
        trace_is(held ? "shielded=2 tail=!canceled free:data free:more data" : "shielded=2 tail=!canceled free:data");
    }
}
END_TEST

/* Shields in each position of a chain: below one everything is stopped at once, above it nothing. */
START_TEST(K3_shield_in_the_chain) {
    struct source w;
    promise_t *p = promise_then(source_open(loop, &w, "w"), see, "above");

    p = promise_catch(promise_shield(p), see_void, "below");
    promise_cancel(p);
    hosted_run();
    trace_is("below=!canceled");
    source_resolve(&w, promise_int(1));
    hosted_run();
    trace_is("above=1");
}
END_TEST

START_TEST(K3_shield_itself) {
    struct source w;
    promise_t *p = promise_shield(source_open(loop, &w, "w"));

    promise_cancel(promise_ref(p));
    hosted_run();
    ck_assert_str_eq(state_of(p), "!canceled");
    promise_unref(p);
    source_resolve(&w, promise_int(1));
    hosted_run();
}
END_TEST

START_TEST(K3_shield_passes_outcomes) {
    struct source w;
    promise_t *p = promise_shield(source_open(loop, &w, "w"));

    watch(p, "p");
    watch(promise_shield(promise_from(loop, promise_throw_value(promise_int(3)))), "rejected");
    source_resolve(&w, promise_int(1));
    hosted_run();
    trace_is("rejected=!3 p=1");
}
END_TEST

static promise_value_t start_in_finally(promise_value_t v, void *arg) {
    promise_t *p;

    (void)v;
    p = promise_then(source_open(loop, arg, "close"), see, "closed");
    return promise_adopt(promise_then(p, see, "flushed"));
}
/* K3: a whole chain in finally runs, not only its first promise. */
START_TEST(K3_chain_in_finally) {
    struct source w, close;
    promise_t *p = promise_finally(source_open(loop, &w, "w"), start_in_finally, &close);

    promise_cancel(promise_attach(p, "data", trace_free));
    hosted_run();
    source_resolve(&close, promise_int(1));
    hosted_run();
    trace_is("stop:w closed=1 flushed=1 free:data");
}
END_TEST

struct thenable {
    bool asked;
};
static void thenable_then(void *object, promise_resolver_t *resolver) {
    ((struct thenable *)object)->asked = true;
    promise_resolve(resolver, promise_int(9));
}
static const struct promise_type type_thenable = {.size = sizeof type_thenable, .name = "thenable", .then = thenable_then};
static promise_value_t give_thenable(promise_value_t v, void *arg) {
    (void)v;
    return promise_object(&type_thenable, arg);
}
/* K3: a thenable that is returned there is a promise as well: it is not even asked; by finally it is. */
START_TEST(K3_returned_thenable) {
    struct source w;
    struct thenable first = {0}, second = {0};
    promise_t *p = promise_catch(source_open(loop, &w, "w"), give_thenable, &first);

    p = promise_catch(p, see, "a");
    p = promise_finally(p, give_thenable, &second);
    promise_cancel(promise_catch(p, see, "b"));
    hosted_run();
    trace_is("stop:w a=!canceled b=!canceled");
    ck_assert(!first.asked);
    ck_assert(second.asked);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cancel_chain");
    TCase *tcase = tcase_create("cancel_chain");

    tcase_add_checked_fixture(tcase, hosted_start, hosted_end);
    tcase_add_test(tcase, K3_returned_is_canceled);
    tcase_add_test(tcase, K3_returned_is_shared);
    tcase_add_test(tcase, K3_finally_runs);
    tcase_add_test(tcase, K3_canceled_while_finally_waits);
    tcase_add_test(tcase, K3_finally_rejects);
    tcase_add_test(tcase, K3_returned_shield);
    tcase_add_test(tcase, K3_returned_shield_in_a_canceled_chain);
    tcase_add_test(tcase, K3_canceled_while_shielded);
    tcase_add_test(tcase, K3_shield_in_the_chain);
    tcase_add_test(tcase, K3_shield_itself);
    tcase_add_test(tcase, K3_shield_passes_outcomes);
    tcase_add_test(tcase, K3_chain_in_finally);
    tcase_add_test(tcase, K3_returned_thenable);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
