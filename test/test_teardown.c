/* Freeing a loop: J5, also inside of handlers (T4). */
#include "hosted.h"

/* J5: what is pending is cancelled, its handlers and finally run, what is attached is freed, in the order of the chain. */
START_TEST(J5_free_runs_the_chain) {
    struct source w;
    promise_t *p = source_open(loop, &w, "w");

    p = promise_then(p, see, "never");
    p = promise_catch(p, see, "catch");
    p = promise_finally(p, see, "finally");
    p = promise_attach(p, "data", trace_free);
    promise_unref(p);
    hosted_free();
    trace_is("stop:w catch=!canceled finally=- free:data");
}
END_TEST

/* J5: what had settled before is delivered before. */
START_TEST(J5_free_finishes_what_has_settled) {
    watch(promise_from(loop, promise_int(1)), "a");
    promise_unref(promise_attach(promise_from(loop, promise_int(1)), "b", trace_free));
    hosted_free();
    trace_is("a=1 free:b");
}
END_TEST

static promise_value_t more_work(promise_value_t v, void *arg) {
    promise_resolver_t *r;
    promise_t *p = promise_then(promise_from(NULL, promise_int(1)), see, "never");

    see(v, arg);
    watch(p, "new work");
    ck_assert_str_eq(state_of(p = promise_try(NULL, see, "never")), "!canceled");
    promise_unref(p);
    p = promise_catch(promise_new(NULL, &r), see, "never");
    promise_resolve(r, promise_int(2));
    return promise_adopt(p);
}
/* J5: from then on new work does not run. */
START_TEST(J5_new_work_while_it_dies) {
    struct source w;

    promise_unref(promise_catch(source_open(loop, &w, "w"), more_work, "a"));
    hosted_free();
    trace_is("stop:w a=!canceled");
}
END_TEST

/* J5: a loop that goes on for ever ends. */
static promise_value_t for_ever(promise_value_t v, void *arg) {
    promise_resolver_t *r;
    promise_t *p = promise_new(NULL, &r);

    (void)v;
    promise_resolve(r, promise_void());
    return promise_adopt(promise_then_catch(p, for_ever, for_ever, arg));
}
START_TEST(J5_endless_chain_ends) {
    promise_unref(promise_try(loop, for_ever, NULL));
    hosted_drain();
    hosted_free();
    host.wanted = false;
}
END_TEST

/* J5: promises and resolvers that are still held stay valid: dead, rejected. */
START_TEST(J5_references_stay_valid) {
    struct source w;
    promise_resolver_t *more;
    promise_t *p = source_open(loop, &w, "w"), *q = promise_then(promise_ref(p), see, "never");
    promise_t *done = promise_from(loop, promise_string("kept"));

    more = promise_resolver_ref(w.resolver);
    hosted_free();
    trace_is("stop:w");
    ck_assert_str_eq(state_of(p), "!canceled");
    ck_assert_str_eq(state_of(q), "!canceled");
    ck_assert_str_eq(state_of(done), "kept");
    ck_assert(!promise_resolver_is_pending(more));
    promise_resolve(promise_resolver_ref(more), promise_string("too late"));
    promise_reject(more, promise_string("too late"));
    done = promise_then(promise_catch(promise_finally(done, see, "never"), see, "never"), see, "never");
    done = promise_attach(promise_shield(done), "data", trace_free);
    trace_is("free:data"); /* O3: at once, as no drain will come */
    promise_unref(done);
    promise_cancel(q);
    promise_unref(p);
}
END_TEST

static promise_value_t free_loop(promise_value_t v, void *arg) {
    see(v, arg);
    promise_loop_free(loop);
    promise_loop_free(loop); /* the same again */
    trace("freed");
    return promise_void();
}
/* T4, J5: inside a handler it takes effect after the drain. */
START_TEST(T4_free_inside_a_handler) {
    struct source w;

    promise_unref(promise_finally(source_open(loop, &w, "w"), see, "pending"));
    promise_unref(promise_then(promise_from(loop, promise_int(1)), free_loop, "a"));
    watch(promise_from(loop, promise_int(2)), "b");
    ck_assert(!hosted_drain());
    loop = NULL;
    trace_is("a=1 freed b=2 stop:w pending=-");
}
END_TEST

static void free_in_stop(void *arg) {
    promise_abandon(*(promise_resolver_t **)arg);
    promise_loop_free(loop);
    trace("freed");
}
/* The same inside a stop: from the next drain. */
START_TEST(T4_free_inside_a_stop) {
    promise_resolver_t *r;
    promise_t *p = promise_new(loop, &r);

    promise_on_cancel(r, free_in_stop, &r);
    promise_cancel(promise_catch(p, see_void, "a"));
    trace_is("freed");
    hosted_run();
    loop = NULL;
    trace_is("a=!canceled");
}
END_TEST

/* A circle too long to be refused (2.3.1) ends with the loop, and so do those who wait below it. */
START_TEST(J5_long_circle_ends) {
    promise_resolver_t *r;
    promise_t *p = promise_new(loop, &r);

    for (int i = 0; i < 100; i++) p = promise_then(p, see, "never");
    p = promise_catch(p, see, "caught");
    watch(promise_ref(p), "below");
    promise_resolve(r, promise_adopt(p));
    hosted_run();
    trace_is("");
    hosted_free();
    trace_is("caught=!canceled below=!canceled");
}
END_TEST

START_TEST(J5_long_circle_ends_alone) {
    promise_resolver_t *r;
    promise_t *p = promise_new(loop, &r);

    for (int i = 0; i < 100; i++) p = promise_then(p, see, "never");
    promise_resolve(r, promise_adopt(p));
    hosted_free();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("teardown");
    TCase *tcase = tcase_create("teardown");

    tcase_add_checked_fixture(tcase, hosted_start, hosted_end);
    tcase_add_test(tcase, J5_free_runs_the_chain);
    tcase_add_test(tcase, J5_free_finishes_what_has_settled);
    tcase_add_test(tcase, J5_new_work_while_it_dies);
    tcase_add_test(tcase, J5_endless_chain_ends);
    tcase_add_test(tcase, J5_references_stay_valid);
    tcase_add_test(tcase, T4_free_inside_a_handler);
    tcase_add_test(tcase, T4_free_inside_a_stop);
    tcase_add_test(tcase, J5_long_circle_ends);
    tcase_add_test(tcase, J5_long_circle_ends_alone);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
