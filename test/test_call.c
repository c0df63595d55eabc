/* Functions called on another loop (H2, H3): here both loops are this thread's, so that each step is known. */
#include "support.h"

#include <errno.h>
#include <promise.h>
#include <stdlib.h>
#include <string.h>

static promise_loop_t *there;
static promise_mailbox_t *mailbox;
static size_t live, fds, freed;

static void open_loops(void) {
    live = test_alloc_live();
    fds = test_open_fds();
    loop = promise_loop_new(NULL);
    there = promise_loop_new(NULL);
    mailbox = promise_loop_mailbox(there);
    ck_assert_ptr_nonnull(mailbox);
}

static void close_there(void) {
    promise_loop_free(there);
    there = NULL;
}

static void close_loops(void) {
    promise_mailbox_unref(mailbox);
    if (there) promise_loop_free(there);
    if (loop) promise_loop_free(loop);
    ck_assert_uint_eq(test_alloc_live(), live);
    ck_assert_uint_eq(test_open_fds(), fds);
}

static void count_free(void *arg) { ++*(size_t *)arg; }
static promise_value_t counted(void) { return promise_box(&freed, count_free); }

static void turn(int n) {
    while (n--) {
        if (there) promise_loop_turn(there);
        if (loop) promise_loop_turn(loop);
    }
}

static promise_value_t ignore(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}

/* Runs both until p has settled; gives its outcome, kept. */
static promise_value_t outcome(promise_t *p) {
    promise_value_t v = {0};

    promise_unref(promise_catch(promise_ref(p), ignore, NULL));
    while (promise_get_state(p) == PROMISE_PENDING) turn(1);
    promise_value_set(&v, promise_peek(p));
    promise_unref(p);
    return v;
}
#define ck_error(v, domain, code) ck_assert_msg(promise_error_is((v), &(domain), (code)), "%s", promise_error_message(v))

static promise_value_t give(promise_value_t v, void *arg) {
    ck_assert_ptr_null(arg);
    ck_assert_ptr_eq(promise_loop_current(), there);
    return v;
}

/* ---- what crosses ---- */

static promise_value_t deep(void) {
    static const char *const names[] = {"one", "two", "three"};
    promise_value_t inner[] = {promise_string("text"), promise_throw_errno(EIO, "inner"), promise_end()};
    promise_value_t values[] = {promise_list(3, inner), promise_int(3), promise_bytes("a\0b", 3)};

    return promise_wrap(promise_throw_value(promise_keyed(3, names, values)), &promise_errors, PROMISE_ECLOSED, "outer");
}

static void check_deep(promise_value_t v) {
    size_t size;

    ck_assert(promise_is_rejection(v));
    ck_error(v, promise_errors, PROMISE_ECLOSED);
    ck_assert_str_eq(promise_error_message(v), "outer");
    ck_assert_ptr_nonnull(strstr(promise_error_where(v), "test_call.c:"));
    v = promise_reason(promise_error_cause(v));
    ck_assert_uint_eq(promise_list_size(v), 3);
    ck_assert_str_eq(promise_list_name(v, 2), "three");
    ck_assert_int_eq(memcmp(promise_as_bytes(promise_get(v, "three"), &size), "a\0b", 4), 0);
    ck_assert_uint_eq(size, 3);
    v = promise_get(v, "one");
    ck_assert_str_eq(promise_as_string(promise_list_get(v, 0)), "text");
    ck_error(promise_list_get(v, 1), promise_errno_errors, EIO);
    ck_assert(promise_is_end(promise_list_get(v, 2)));
}

/* Whether it is moved or copied. */
START_TEST(H3_values_and_errors_cross) {
    promise_value_t kept = {0}, v;

    open_loops();
    ck_assert_int_eq(promise_as_int(outcome(promise_call(loop, mailbox, give, promise_int(7)))), 7);
    ck_assert(promise_is_void(outcome(promise_call(loop, mailbox, give, promise_void()))));
    v = outcome(promise_call(loop, mailbox, give, deep()));
    check_deep(v);
    promise_value_clear(&v);
    promise_value_set(&kept, deep()); /* we have it still: the other one gets a copy */
    v = outcome(promise_call(loop, mailbox, give, kept));
    check_deep(v);
    check_deep(kept);
    ck_assert_ptr_ne(v.as.pointer, kept.as.pointer);
    promise_value_clear(&v);
    promise_value_clear(&kept);
    close_loops();
}
END_TEST

static promise_value_t slot;
static promise_value_t give_kept(promise_value_t v, void *arg) {
    (void)arg;
    promise_value_set(&slot, v);
    return slot;
}

/* H3: a box is moved there and back; while somebody else has it, it does not cross: neither in nor out, nor in a list. */
START_TEST(H3_what_is_held_elsewhere_does_not_cross) {
    promise_value_t v, kept = {0};
    void *object;

    open_loops();
    v = counted();
    object = v.as.pointer;
    v = outcome(promise_call(loop, mailbox, give, v));
    ck_assert_ptr_eq(v.as.pointer, object);
    promise_value_clear(&v);
    ck_assert_uint_eq(freed, 1);

    promise_value_set(&kept, counted());
    v = outcome(promise_call(loop, mailbox, give, kept));
    ck_error(v, promise_errno_errors, EBUSY);
    ck_assert_ptr_nonnull(strstr(promise_error_message(v), "promise_call: expected a value that may cross threads, got a box"));
    promise_value_clear(&v);
    v = outcome(promise_call(loop, mailbox, give, promise_list(1, &kept)));
    ck_error(v, promise_errno_errors, EBUSY);
    promise_value_clear(&v);
    promise_value_clear(&kept);
    ck_assert_uint_eq(freed, 2);

    v = outcome(promise_call(loop, mailbox, give_kept, counted()));
    ck_error(v, promise_errno_errors, EBUSY);
    promise_value_clear(&v);
    ck_assert_uint_eq(freed, 2);
    promise_value_clear(&slot);
    v = outcome(promise_call(loop, mailbox, give_kept, promise_string("a copy")));
    ck_assert_str_eq(promise_as_string(v), "a copy");
    ck_assert_ptr_ne(v.as.pointer, slot.as.pointer);
    promise_value_clear(&v);
    promise_value_clear(&slot);

    promise_value_t p = promise_adopt(promise_from(loop, promise_int(1)));
    v = outcome(promise_call(loop, mailbox, give, promise_list(1, &p)));
    ck_error(v, promise_errno_errors, EINVAL);
    promise_value_clear(&v);
    close_loops();
}
END_TEST

static promise_value_t nested(size_t depth) {
    promise_value_t v = promise_int(0);

    while (depth--) {
        promise_value_t both[] = {promise_int(1), v};
        v = promise_list(2, both);
    }
    return v;
}

START_TEST(V4_deep_values_cross) {
    size_t links = test_scaled(200000);
    promise_value_t v, kept = {0};

    open_loops();
    v = promise_throw_errno(EIO, "first");
    for (size_t i = 0; i < links; i++) v = promise_wrap(v, &promise_errors, PROMISE_ECLOSED, NULL);
    promise_value_set(&kept, v);
    v = outcome(promise_call(loop, mailbox, give, kept)); /* copied from end to end */
    ck_error(v, promise_errno_errors, EIO);
    promise_value_clear(&v);
    promise_value_clear(&kept);
    v = outcome(promise_call(loop, mailbox, give, nested(128)));
    ck_assert_uint_eq(promise_list_size(v), 2);
    promise_value_clear(&v);
    v = outcome(promise_call(loop, mailbox, give, nested(129)));
    ck_error(v, promise_errno_errors, E2BIG);
    promise_value_clear(&v);
    close_loops();
}
END_TEST

static int reported;
static void count_report(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason;
    ck_assert_ptr_eq(arg, loop);
    reported++;
}
static promise_value_t later(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_sleep(NULL, 1));
}
static promise_value_t refuse(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_throw_errno(EIO, "there");
}
static promise_value_t fail_later(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_then(promise_sleep(NULL, 1), refuse, NULL));
}

/* What fn gives is waited for, there; a rejection that nobody handles is reported here alone (J7), where it is asked for. */
START_TEST(H2_a_promise_there_is_waited_for) {
    open_loops();
    promise_loop_on_unhandled(there, count_report, NULL);
    promise_loop_on_unhandled(loop, count_report, loop);
    promise_value_t v = outcome(promise_call(loop, mailbox, fail_later, promise_void()));
    ck_error(v, promise_errno_errors, EIO);
    promise_value_clear(&v);
    ck_assert_int_eq(reported, 0);
    promise_t *p = promise_call(loop, mailbox, fail_later, promise_void());
    promise_unref(p);
    while (!reported) turn(1);
    turn(3);
    ck_assert_int_eq(reported, 1);
    close_loops();
}
END_TEST

/* ---- cancel ---- */

static int began, stopped, cleaned;
static promise_resolver_t *working;
static void stop_work(void *arg) {
    (void)arg;
    stopped++;
    promise_abandon(working);
}
static promise_value_t clean(promise_value_t v, void *arg) {
    (void)arg;
    ck_assert(promise_is_canceled(v));
    cleaned++;
    return v;
}
static promise_value_t work(promise_value_t v, void *arg) {
    promise_t *p = promise_new(NULL, &working);

    (void)v, (void)arg;
    began++;
    promise_on_cancel(working, stop_work, NULL);
    return promise_adopt(promise_catch(p, clean, NULL));
}

/* K2, at each state: before it is there, before it begins, while it runs, when its outcome is on its way. */
START_TEST(K2_a_cancel_here_cancels_there) {
    promise_t *p;

    open_loops();
    p = promise_ref(promise_call(loop, mailbox, work, counted()));
    promise_cancel(promise_ref(p));
    ck_assert(promise_is_canceled(promise_peek(p))); /* at once */
    turn(3);
    ck_assert_int_eq(began, 0);
    ck_assert_uint_eq(freed, 1);
    promise_unref(p);
    promise_unref(p);

    p = promise_call(loop, mailbox, work, counted());
    promise_loop_turn(there);
    ck_assert_int_eq(began, 1);
    ck_assert_uint_eq(freed, 2);
    promise_cancel(p);
    ck_assert_int_eq(stopped, 0);
    promise_loop_turn(there);
    ck_assert_int_eq(stopped, 1);
    ck_assert_int_eq(cleaned, 1);
    turn(3);

    p = promise_call(loop, mailbox, give, counted());
    promise_loop_turn(there);
    promise_cancel(p); /* its outcome is on its way: released */
    ck_assert_uint_eq(freed, 2);
    turn(3);
    ck_assert_uint_eq(freed, 3);
    close_loops();
}
END_TEST

/* K1: only when nobody else wants it. */
START_TEST(K1_a_call_that_others_want_goes_on) {
    open_loops();
    promise_t *p = promise_call(loop, mailbox, give, promise_int(1)), *q = promise_then(promise_ref(p), later, NULL);
    promise_cancel(q);
    ck_assert_int_eq(promise_as_int(outcome(p)), 1);
    close_loops();
}
END_TEST

/* ---- loops that go ---- */

/* J5: the loop that is called goes before it hears of it, before it begins, while it works, and when its answer is out. */
START_TEST(J5_the_other_loop_goes) {
    promise_value_t v;
    promise_t *p;

    open_loops();
    if (_i == 0) close_there();
    p = promise_call(loop, mailbox, _i < 3 ? work : give, counted());
    if (_i == 1) close_there();
    if (_i >= 2) promise_loop_turn(there);
    if (_i >= 2) close_there();
    ck_assert_int_eq(began, _i == 2);
    v = outcome(p);
    if (_i < 2) ck_error(v, promise_errors, PROMISE_ECLOSED);
    if (_i == 2) ck_assert(promise_is_canceled(v));
    if (_i == 3) ck_assert(promise_is(v, &promise_type_box));
    promise_value_clear(&v);
    ck_assert_int_eq(stopped, _i == 2);
    ck_assert_uint_eq(freed, 1);
    close_loops();
}
END_TEST

/* J5, R15: the loop that asked goes, at the same points: the work there is cancelled, its outcome released. */
START_TEST(J5_our_loop_goes) {
    promise_t *p;

    open_loops();
    p = promise_call(loop, mailbox, _i < 2 ? work : give, counted());
    if (_i > 0) promise_loop_turn(there);
    promise_loop_free(loop);
    loop = NULL;
    ck_assert(promise_is_canceled(promise_peek(p)));
    promise_unref(p);
    turn(3);
    ck_assert_int_eq(began, _i == 1);
    ck_assert_int_eq(stopped, _i == 1);
    ck_assert_uint_eq(freed, 1);
    close_loops();
}
END_TEST

static promise_t *made_while_dying;
static void call_while_dying(void *arg) {
    (void)arg;
    made_while_dying = promise_call(loop, mailbox, give, counted());
}
START_TEST(J5_new_calls_of_a_loop_that_goes_are_refused) {
    open_loops();
    promise_unref(promise_attach(promise_sleep(loop, 100000), NULL, call_while_dying));
    promise_loop_free(loop);
    loop = NULL;
    ck_assert(promise_is_canceled(promise_peek(made_while_dying)));
    promise_unref(made_while_dying);
    ck_assert_uint_eq(freed, 1);
    close_loops();
}
END_TEST

/* J3: both loops go on until the outcome is there, and no longer. */
START_TEST(J3_both_loops_go_on) {
    open_loops();
    promise_t *p = promise_call(loop, mailbox, work, promise_void());
    promise_mailbox_unref(mailbox);
    mailbox = NULL;
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(promise_loop_turn(there), 1);
        ck_assert_int_eq(promise_loop_turn(loop), 1);
    }
    promise_resolve(working, promise_int(5));
    turn(1);
    ck_assert_int_eq(promise_as_int(promise_peek(p)), 5);
    promise_unref(p);
    ck_assert_int_eq(promise_loop_run(there, NULL, NULL), 0);
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    close_loops();
}
END_TEST

START_TEST(H2_a_loop_calls_itself) {
    open_loops();
    promise_loop_free(there);
    there = loop;
    promise_mailbox_unref(mailbox);
    mailbox = promise_loop_mailbox(loop);
    promise_value_t v = {0};
    ck_assert_int_eq(promise_loop_run(loop, promise_call(loop, mailbox, give, promise_string("me")), &v), 0);
    ck_assert_str_eq(promise_as_string(v), "me");
    promise_value_clear(&v);
    promise_cancel(promise_call(loop, mailbox, give, counted()));
    there = NULL;
    close_loops();
    ck_assert_uint_eq(freed, 1);
}
END_TEST

/* ---- memory ---- */

/* O2: whichever allocation fails, on either side: it settles, and nothing is left. */
START_TEST(O2_a_call_out_of_memory) {
    size_t n = 0, all = 0;
    bool failed;

    do {
        open_loops();
        promise_value_t v = _i == 1 ? deep() : counted(), kept = {0};
        if (_i == 1) promise_value_set(&kept, v);
        if (_i == 2) test_alloc_fail_from(++n);
        else test_alloc_fail_at(++n);
        promise_t *p = promise_call(loop, mailbox, give, _i == 1 ? kept : v);
        if (_i == 2) turn(1);
        failed = test_alloc_failed();
        if (_i == 2) test_alloc_fail_at(0);
        v = outcome(p);
        failed = failed || test_alloc_failed();
        test_alloc_fail_at(0);
        if (failed) all += promise_error_is(v, &promise_errno_errors, ENOMEM);
        else if (_i == 1) check_deep(v);
        promise_value_clear(&v);
        promise_value_clear(&kept);
        turn(2);
        close_loops();
    } while (failed);
    ck_assert_uint_gt(all, 0);
    if (_i != 1) ck_assert_uint_eq(freed, n);
}
END_TEST

/* ---- mailboxes as values ---- */

static promise_value_t call_back(promise_value_t v, void *arg) {
    (void)arg;
    return promise_adopt(promise_call(NULL, promise_as_mailbox(v), later, promise_void()));
}
START_TEST(H2_a_mailbox_is_a_value) {
    open_loops();
    promise_value_t v = outcome(promise_call(loop, mailbox, call_back, promise_mailbox_value(promise_loop_mailbox(loop))));
    ck_assert(promise_is_void(v));
    v = promise_mailbox_value(NULL);
    ck_error(v, promise_errno_errors, ENOMEM);
    close_loops();
}
END_TEST

/* ---- what is refused ---- */

static void no_mailbox(void *arg) { promise_unref(promise_call(loop, arg, give, promise_void())); }
static void no_function(void *arg) {
    (void)arg;
    promise_unref(promise_call(loop, mailbox, NULL, promise_void()));
}
static void a_promise(void *arg) {
    (void)arg;
    promise_unref(promise_call(loop, mailbox, give, promise_adopt(promise_from(loop, promise_void()))));
}
static void not_a_mailbox(void *arg) {
    (void)arg;
    promise_as_mailbox(promise_int(1));
}
START_TEST(what_is_refused) {
    open_loops();
    test_assert_stops(no_mailbox, NULL, "promise_call: the mailbox is NULL");
    test_assert_stops(no_function, NULL, "promise_call: fn is NULL");
    test_assert_stops(a_promise, NULL, "promise_call: expected a value that may cross threads, got a promise");
    test_assert_stops(not_a_mailbox, NULL, "promise_as_mailbox: expected mailbox, got int");
    close_loops();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("call");
    TCase *one = tcase_create("one");

    tcase_set_timeout(one, 60);
    tcase_add_test(one, H3_values_and_errors_cross);
    tcase_add_test(one, H3_what_is_held_elsewhere_does_not_cross);
    tcase_add_test(one, V4_deep_values_cross);
    tcase_add_test(one, H2_a_promise_there_is_waited_for);
    tcase_add_test(one, K2_a_cancel_here_cancels_there);
    tcase_add_test(one, K1_a_call_that_others_want_goes_on);
    tcase_add_loop_test(one, J5_the_other_loop_goes, 0, 4);
    tcase_add_loop_test(one, J5_our_loop_goes, 0, 3);
    tcase_add_test(one, J5_new_calls_of_a_loop_that_goes_are_refused);
    tcase_add_test(one, J3_both_loops_go_on);
    tcase_add_test(one, H2_a_loop_calls_itself);
    tcase_add_loop_test(one, O2_a_call_out_of_memory, 0, 3);
    tcase_add_test(one, H2_a_mailbox_is_a_value);
    tcase_add_test(one, what_is_refused);
    suite_add_tcase(suite, one);
    return test_main(suite);
}
