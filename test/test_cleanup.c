/* finally, and what is attached (O3). */
#include "hosted.h"

/* ---- finally ---- */

static promise_value_t give_int(promise_value_t v, void *arg) {
    (void)arg;
    ck_assert(promise_is_void(v));
    return promise_int(99);
}
/* finally gets void; what it returns is dropped, but a rejection overrides. */
START_TEST(finally_passes_the_outcome) {
    watch(promise_finally(promise_from(loop, promise_int(1)), give_int, NULL), "a");
    watch(promise_finally(promise_from(loop, promise_throw_value(promise_int(2))), give_int, NULL), "b");
    watch(promise_finally(promise_from(loop, promise_int(3)), see_throw, "f"), "c");
    watch(promise_finally(promise_from(loop, promise_throw_value(promise_int(4))), see_throw, "f"), "d");
    hosted_run();
    trace_is("f=- f=- a=1 b=!2 c=!thrown d=!thrown");
}
END_TEST

/* A promise that it gives is waited for: dropped when it is fulfilled, and overriding when it rejects. */
START_TEST(finally_waits) {
    for (int input = 0; input < 2; input++)
        for (int inner = 0; inner < 2; inner++) {
            struct source w;
            promise_value_t v = promise_int(1);
            promise_t *p = promise_from(loop, input ? promise_throw_value(v) : v);

            watch(promise_finally(p, give, source_open(loop, &w, "w")), "p");
            hosted_run();
            trace_is("");
            source_resolve(&w, inner ? promise_throw_value(promise_int(2)) : promise_int(2));
            hosted_run();
            trace_is(inner ? "p=!2" : input ? "p=!1" : "p=1");
        }
}
END_TEST

/* ---- attach (O3) ---- */

/* O3: from the drain, after the links above and before those below, on every path, exactly once; never inside resolve. */
START_TEST(O3_order) {
    struct source w;
    promise_t *p = promise_then(source_open(loop, &w, "w"), see, "above");

    p = promise_attach(p, "data", trace_free);
    watch(p, "below");
    source_resolve(&w, promise_int(1));
    trace_is("");
    hosted_run();
    trace_is("above=1 free:data below=1");
}
END_TEST

START_TEST(O3_every_path) {
    struct source w[4];
    promise_t *p;

    watch(promise_attach(promise_then(source_open(loop, &w[0], "0"), see_throw, "fn"), "0", trace_free), "handled");
    p = promise_attach(promise_then(source_open(loop, &w[1], "1"), see, "never"), "1", trace_free);
    promise_unref(promise_catch(p, see_void, "skipped"));
    promise_unref(promise_attach(source_open(loop, &w[2], "2"), "2", trace_free));
    promise_cancel(promise_attach(source_open(loop, &w[3], "3"), "3", trace_free));
    promise_unref(promise_attach(promise_from(loop, promise_int(1)), "4", trace_free));
    promise_unref(promise_attach(promise_attach(promise_from(loop, promise_int(1)), "5", trace_free), "6", trace_free));
    source_resolve(&w[0], promise_int(1));
    source_resolve(&w[1], promise_throw_value(promise_int(1)));
    hosted_run();
    trace_is("stop:3 free:3 free:4 free:5 fn=1 free:6 free:0 free:1 handled=!thrown skipped=!1");
    hosted_free();
    trace_is("stop:2 free:2");
}
END_TEST

/* O3: with everything that it adopted. */
START_TEST(O3_waits_for_what_is_adopted) {
    struct source w;

    watch(promise_attach(promise_then(promise_from(loop, promise_void()), give, source_open(loop, &w, "w")), "data",
                         trace_free),
          "p");
    hosted_run();
    trace_is("");
    source_resolve(&w, promise_int(1));
    hosted_run();
    trace_is("free:data p=1");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cleanup");
    TCase *tcase = tcase_create("cleanup");

    tcase_add_checked_fixture(tcase, hosted_start, hosted_end);
    tcase_add_test(tcase, finally_passes_the_outcome);
    tcase_add_test(tcase, finally_waits);
    tcase_add_test(tcase, O3_order);
    tcase_add_test(tcase, O3_every_path);
    tcase_add_test(tcase, O3_waits_for_what_is_adopted);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
