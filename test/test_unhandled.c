/* Rejections without a handler (J7), sentence by sentence. */
#include "hosted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static promise_value_t failure(const char *text) { return promise_throw_value(promise_string(text)); }
static promise_t *rejected(const char *text) { return promise_from(loop, failure(text)); }

/* "reported when the queue runs empty": not before, and whether it was dropped or not. */
START_TEST(J7_when_the_queue_is_empty) {
    promise_t *held = rejected("held");

    promise_unref(rejected("dropped"));
    trace_is("");
    promise_unref(promise_then(promise_from(loop, promise_int(1)), see, "job"));
    hosted_run();
    trace_is("job=1 unhandled=!held unhandled=!dropped");
    promise_unref(held);
}
END_TEST

/* By a resolver, by a handler, at the end of a chain: the last promise only. */
START_TEST(J7_each_way) {
    promise_resolver_t *r;
    promise_t *p = promise_new(loop, &r);

    promise_reject(r, promise_string("resolver"));
    promise_unref(p);
    promise_unref(promise_then(promise_then(promise_then(rejected("chain"), see, "never"), see, "never"), see, "never"));
    promise_unref(promise_then(promise_from(loop, promise_int(1)), see_throw, "fn"));
    hosted_run();
    trace_is("fn=1 unhandled=!resolver unhandled=!thrown unhandled=!chain");
}
END_TEST

/* Handled before the queue runs empty: no alarm. */
START_TEST(J7_handled_in_time) {
    promise_t *p = rejected("a"), *q = rejected("b");

    promise_unref(promise_then(promise_from(loop, promise_int(1)), see, "job"));
    watch(p, "p");
    promise_cancel(q); /* says that nobody is interested */
    hosted_run();
    trace_is("job=1 p=!a");
}
END_TEST

static promise_value_t endless(promise_value_t v, void *turns) {
    if (--*(int *)turns == 0) return v;
    return promise_adopt(promise_then(promise_from(NULL, v), endless, turns));
}
/* "or at the end of the first budget slice that began after the rejection": although the queue never runs empty. */
START_TEST(J7_busy_queue) {
    int turns = 1000;

    promise_loop_set_budget(loop, 10);
    promise_unref(promise_then(promise_from(loop, promise_int(1)), endless, &turns));
    ck_assert(hosted_drain());
    promise_unref(rejected("x"));
    trace_is("");
    ck_assert(hosted_drain());
    trace_is("unhandled=!x");
    hosted_run();
    ck_assert_int_eq(turns, 0);
}
END_TEST

static promise_value_t reject_meanwhile(promise_value_t v, void *arg) {
    promise_unref(rejected(arg));
    return v;
}
/* A rejection inside of a slice waits for the end of the next. */
START_TEST(J7_busy_queue_later) {
    int turns = 1000;

    promise_loop_set_budget(loop, 10);
    promise_unref(promise_then(promise_from(loop, promise_int(1)), endless, &turns));
    promise_unref(promise_try(loop, reject_meanwhile, "y"));
    ck_assert(hosted_drain());
    trace_is("");
    ck_assert(hosted_drain());
    trace_is("unhandled=!y");
    hosted_run();
}
END_TEST

/* "Handled is sticky": what waits for it takes over the duty, also when it is gone. */
START_TEST(J7_handled_is_sticky) {
    struct source w;
    promise_t *p = source_open(loop, &w, "w");

    promise_cancel(promise_then(promise_ref(p), see, "never"));
    source_resolve(&w, failure("x"));
    hosted_run();
    trace_is("");
    promise_unref(p);
}
END_TEST

/* A combinator handles its inputs; those that come too late are no news. */
START_TEST(J7_branches) {
    promise_t *in[3] = {rejected("first"), rejected("second"), rejected("third")};

    watch(promise_all(loop, 3, in), "all");
    hosted_run();
    trace_is("all=!first");
}
END_TEST

/* "An ECANCELED that came from a cancel or a teardown is never reported". */
START_TEST(J7_canceled) {
    struct source w[2];

    promise_cancel(promise_then(source_open(loop, &w[0], "0"), see, "never"));
    hosted_run();
    trace_is("stop:0");
    promise_unref(promise_then(source_open(loop, &w[1], "1"), see, "never"));
    hosted_free();
    trace_is("stop:1");
}
END_TEST

static promise_value_t wrap(promise_value_t v, void *arg) {
    (void)arg;
    return promise_wrap(v, &promise_errors, PROMISE_ECLOSED, "wrapped");
}
/* But one that a program made itself is, and so is what is made of it. */
START_TEST(J7_canceled_by_the_program) {
    struct source w;

    promise_unref(promise_from(loop, promise_throw(&promise_errors, PROMISE_ECANCELED, "mine")));
    promise_cancel(promise_catch(source_open(loop, &w, "w"), wrap, NULL));
    hosted_run();
    trace_is("stop:w unhandled=!mine unhandled=!wrapped");
}
END_TEST

/* "Late handling is reported to the hook too": once. */
START_TEST(J7_late) {
    promise_t *p = rejected("x");

    hosted_run();
    trace_is("unhandled=!x");
    watch(promise_ref(p), "p");
    trace_is("late=!x");
    watch(p, "q");
    hosted_run();
    trace_is("p=!x q=!x");
}
END_TEST

/* The last reference is used for it: nothing is freed twice. */
START_TEST(J7_late_by_cancel) {
    promise_t *p = rejected("x");

    hosted_run();
    promise_cancel(p);
    trace_is("unhandled=!x late=!x");
}
END_TEST

/* A rejection is reported once. */
START_TEST(J7_once) {
    promise_t *p = rejected("x");

    hosted_run();
    promise_unref(promise_from(loop, promise_int(1)));
    watch(promise_from(loop, promise_int(1)), "job");
    hosted_run();
    promise_unref(p);
    hosted_run();
    trace_is("unhandled=!x job=1");
}
END_TEST

/* What adopts a rejected promise is responsible from then on, whether it was shortened away or not. */
START_TEST(J7_adopted) {
    for (int handled = 0; handled < 2; handled++) {
        struct source w;
        promise_t *shared = source_open(loop, &w, "w");

        promise_unref(promise_then(promise_from(loop, promise_void()), give, promise_ref(shared)));
        hosted_run();
        if (handled) watch(promise_ref(shared), "shared");
        promise_unref(shared);
        source_resolve(&w, failure("x"));
        hosted_run();
        trace_is(handled ? "shared=!x unhandled=!x" : "unhandled=!x");
    }
}
END_TEST

START_TEST(J7_adopted_and_caught) {
    struct source w;
    promise_t *p = promise_then(promise_from(loop, promise_void()), give, source_open(loop, &w, "w"));

    watch(p, "p");
    hosted_run();
    source_resolve(&w, failure("x"));
    hosted_run();
    trace_is("p=!x");
}
END_TEST

/* The teardown reports what has no handler. */
START_TEST(J7_at_the_end) {
    promise_t *p = rejected("held");

    promise_unref(rejected("x"));
    hosted_free();
    trace_is("unhandled=!held unhandled=!x");
    promise_cancel(p); /* nobody is there to be told: the hook's arg may be gone with the loop */
}
END_TEST

/* ---- hooks ---- */

static int left;
static void reject_in_hook(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    ck_assert_ptr_eq(arg, &left);
    ck_assert_int_eq(event, PROMISE_UNHANDLED);
    ck_assert_int_eq(promise_get_state(p), PROMISE_REJECTED);
    trace("hook=%s", promise_error_message(reason));
    if (left-- > 0) promise_unref(rejected("again"));
}
/* Rejections that the hook makes are reported as well. */
START_TEST(J7_hook_rejects) {
    left = 2;
    promise_loop_on_unhandled(loop, reject_in_hook, &left);
    promise_unref(rejected("x"));
    hosted_run();
    trace_is("hook=x hook=again hook=again");
    ck_assert(!promise_loop_has_jobs(loop));
}
END_TEST

static void handle_in_hook(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    trace("%s", event == PROMISE_UNHANDLED ? "hook" : "late");
    (void)reason;
    if (event == PROMISE_UNHANDLED) watch(promise_ref((promise_t *)(uintptr_t)p), arg);
}
/* A hook that handles it. */
START_TEST(J7_hook_handles) {
    static char name[] = "p";

    promise_loop_on_unhandled(loop, handle_in_hook, name);
    promise_unref(rejected("x"));
    hosted_run();
    trace_is("hook late p=!x");
}
END_TEST

/* J5: a hook that is called by a then, outside of a drain, frees the loop: that waits for the drain. */
static void free_when_late(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)p, (void)reason, (void)arg;
    if (event == PROMISE_HANDLED_LATE) promise_loop_free(loop);
}
START_TEST(J5_freed_by_the_late_hook) {
    promise_t *p = rejected("x");

    promise_loop_on_unhandled(loop, free_when_late, NULL);
    hosted_run();
    promise_unref(promise_catch(p, see, "p"));
    trace_is("");
    hosted_run();
    loop = NULL;
    trace_is("p=!x");
}
END_TEST

/* The default, and the strict mode: a line with domain, code, message, and where it was thrown. */
static void print_default(void *arg) {
    (void)arg;
    promise_loop_on_unhandled(loop, NULL, NULL);
    promise_unref(promise_from(loop, promise_throw_at("there.c:3", &promise_errors, PROMISE_ECLOSED, "the door is shut")));
    hosted_run();
    abort();
}
static void strict(void *arg) {
    promise_t *p = promise_from(loop, promise_throw_at("there.c:4", &promise_errno_errors, 2, "no file"));

    (void)arg;
    promise_loop_on_unhandled(loop, promise_unhandled_abort, NULL);
    ck_assert_int_eq(promise_set_name(p, "config"), 0);
    hosted_run();
    promise_unref(p);
}
START_TEST(J7_lines) {
    char line[100];

    snprintf(line, sizeof line, "unhandled rejection: promise[%d]: the door is shut, thrown at there.c:3", PROMISE_ECLOSED);
    test_assert_stops(print_default, NULL, line);
    test_assert_stops(strict, NULL, "unhandled rejection: errno[2]: no file, thrown at there.c:4, in \"config\"");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("unhandled");
    TCase *tcase = tcase_create("unhandled");

    tcase_add_checked_fixture(tcase, hosted_start, hosted_end);
    tcase_add_test(tcase, J7_when_the_queue_is_empty);
    tcase_add_test(tcase, J7_each_way);
    tcase_add_test(tcase, J7_handled_in_time);
    tcase_add_test(tcase, J7_busy_queue);
    tcase_add_test(tcase, J7_busy_queue_later);
    tcase_add_test(tcase, J7_handled_is_sticky);
    tcase_add_test(tcase, J7_branches);
    tcase_add_test(tcase, J7_canceled);
    tcase_add_test(tcase, J7_canceled_by_the_program);
    tcase_add_test(tcase, J7_late);
    tcase_add_test(tcase, J7_late_by_cancel);
    tcase_add_test(tcase, J7_once);
    tcase_add_test(tcase, J7_adopted);
    tcase_add_test(tcase, J7_adopted_and_caught);
    tcase_add_test(tcase, J7_at_the_end);
    tcase_add_test(tcase, J7_hook_rejects);
    tcase_add_test(tcase, J7_hook_handles);
    tcase_add_test(tcase, J5_freed_by_the_late_hook);
    tcase_add_test(tcase, J7_lines);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
