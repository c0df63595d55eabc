/* Coroutines: what starts them, what await gives, whose the values are, what is deferred, where none may be used. */
#include "../src/core.h"
#include "hosted.h"

#include <errno.h>
#include <string.h>

/* ---- starting ---- */

static promise_value_t two_awaits(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    see(v, "start");
    ck_assert(promise_in_coroutine());
    ck_assert_int_eq(promise_await(promise_from(NULL, promise_string("at once")), &got), 0);
    see(got, "a");
    ck_assert_int_eq(promise_await(arg, &got), 0);
    see(got, "b");
    return got;
}

START_TEST(await_gives_what_is_settled_and_what_settles_later) {
    promise_resolver_t *resolver;
    promise_t *later = promise_new(loop, &resolver);

    watch(promise_async(loop, two_awaits, later), "end");
    trace_is("");
    hosted_run();
    trace_is("start=- a=at once");
    promise_resolve(resolver, promise_string("later"));
    hosted_run();
    trace_is("b=later end=later");
    ck_assert(!promise_in_coroutine());
}
END_TEST

/* As a handler: the value is its argument, lent until it has left; a rejection passes by. */
static promise_value_t uses_its_argument(promise_value_t v, void *arg) {
    ck_assert_int_eq(promise_await(promise_sleep(NULL, 10), NULL), 0);
    see(v, arg);
    return v;
}
START_TEST(then_async_is_a_handler) {
    watch(promise_then_async(promise_from(loop, promise_string("text")), uses_its_argument, "in"), "out");
    watch(promise_then_async(promise_from(loop, throw_text("no")), uses_its_argument, "in"), "rejected");
    hosted_run();
    trace_is("rejected=!no");
    fakehost_advance(&host, 10);
    trace_is("in=text out=text");
}
END_TEST

static promise_value_t name_of_it(promise_value_t v, void *arg) {
    char room[100000];

    (void)v, (void)arg;
    memset(room, 'x', sizeof room - 1);
    room[sizeof room - 1] = 0;
    return promise_int((int64_t)strlen(room));
}
START_TEST(options_are_a_stack_and_a_name) {
    struct promise_coroutine_options large = {.stack_size = 300000, .name = "large"};
    promise_t *p = promise_async_with(loop, &large, name_of_it, NULL);

    ck_assert_str_eq(promise_get_name(p), "large");
    watch(p, "large");
    watch(promise_async_with(loop, NULL, name_of_it, NULL), "default");
    hosted_run();
    p = promise_then_async_with(promise_from(loop, promise_void()), &large, name_of_it, NULL);
    ck_assert_str_eq(promise_get_name(p), "large");
    watch(p, "then");
    watch(promise_then_async_with(promise_from(loop, promise_void()), NULL, name_of_it, NULL), "then");
    hosted_run();
    trace_is("large=99999 default=99999 then=99999 then=99999");
}
END_TEST

START_TEST(O2_no_room_for_a_stack) {
    struct promise_coroutine_options huge = {.stack_size = SIZE_MAX / 2};

    watch(promise_async_with(loop, &huge, name_of_it, NULL), "huge");
    hosted_run();
    trace_is("huge=!out of memory");
}
END_TEST

static const void *identity;
static promise_value_t who(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    ck_assert_ptr_eq(promise__coroutine_current(), identity);
    return promise_void();
}
static promise_value_t nobody(promise_value_t v, void *arg) {
    (void)arg;
    ck_assert_ptr_null(promise__coroutine_current());
    ck_assert(!promise_in_coroutine());
    return v;
}
START_TEST(a_task_has_an_identity) {
    promise_t *p = promise_async(loop, who, NULL);

    identity = p;
    ck_assert_ptr_null(promise__coroutine_current());
    watch(promise_then(p, nobody, NULL), "p");
    hosted_run();
    trace_is("p=-");
}
END_TEST

/* ---- what await gives ---- */

static promise_value_t sees_a_rejection(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    (void)v;
    ck_assert_int_eq(promise_await(arg, &got), -1);
    return see(got, "got"); /* V1: passes it on */
}
START_TEST(V1_a_rejection_is_given_and_passed_on) {
    promise_resolver_t *resolver;

    watch(promise_async(loop, sees_a_rejection, promise_from(loop, throw_text("at once"))), "a");
    watch(promise_async(loop, sees_a_rejection, promise_new(loop, &resolver)), "b");
    hosted_run();
    trace_is("got=!at once a=!at once");
    promise_abandon(resolver);
    hosted_run();
    ck_assert_ptr_nonnull(strstr(trace_take(), "b=!the last resolver of the promise made at"));
}
END_TEST

/* O4: what the variable held is let go of, whatever it was; what it holds is an argument like any other. */
static promise_value_t one_variable(promise_value_t v, void *arg) {
    promise_value_t got = v; /* lent: not let go of */

    (void)arg;
    ck_assert_int_eq(promise_await(promise_from(NULL, promise_string("a")), &got), 0);
    ck_assert_int_eq(promise_await(promise_from(NULL, got), &got), 0); /* of itself */
    ck_assert_str_eq(promise_as_string(got), "a");
    promise_value_t items[] = {got, got};
    ck_assert_int_eq(promise_await(promise_from(NULL, promise_list(2, items)), &got), 0);
    promise_value_set(&got, promise_string("kept"));
    ck_assert_int_eq(promise_await(promise_sleep(NULL, 5), &got), 0);
    ck_assert(promise_is_void(got));
    got = promise_string("fresh");
    ck_assert_int_eq(promise_await(promise_from(NULL, promise_list(0, NULL)), &got), 0);
    ck_assert_int_eq(promise_await(promise_from(NULL, promise_string("dropped")), NULL), 0);
    ck_assert_int_eq(promise_await(promise_from(NULL, throw_text("dropped")), NULL), -1);
    promise_value_clear(&got);
    return v;
}
START_TEST(O4_one_variable_serves_them_all) {
    watch(promise_then_async(promise_from(loop, promise_string("lent")), one_variable, NULL), "end");
    fakehost_advance(&host, 5);
    trace_is("end=lent");
}
END_TEST

/* V2: a value that is still somebody else's is referenced, what is held is taken over. */
static promise_value_t a_kept_value;
static promise_value_t returns_kept(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    promise_value_set(&a_kept_value, promise_string("kept"));
    return a_kept_value;
}
static promise_value_t returns_a_promise(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_then(promise_sleep(NULL, 10), nobody, NULL));
}
static promise_value_t held_twice(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    (void)v;
    ck_assert_int_eq(promise_await(promise_ref(arg), &got), 0);
    return got;
}
START_TEST(V2_results) {
    promise_t *shared = promise_from(loop, promise_string("shared"));

    watch(promise_async(loop, returns_kept, NULL), "kept");
    watch(promise_async(loop, returns_a_promise, NULL), "promise");
    watch(promise_async(loop, held_twice, shared), "held");
    watch(promise_async(loop, held_twice, shared), "again");
    hosted_run();
    promise_unref(shared);
    promise_value_clear(&a_kept_value);
    trace_is("kept=kept held=shared again=shared");
    fakehost_advance(&host, 10);
    trace_is("promise=-");
}
END_TEST

/* Several wait for one promise: in the order of the calls, handlers and coroutines alike (2.2.6). */
static promise_value_t awaits_shared(promise_value_t v, void *p) {
    promise_value_t got = {0};

    (void)v;
    ck_assert_int_eq(promise_await(promise_ref(p), &got), 0);
    return see(got, "coroutine");
}
START_TEST(in_the_order_of_the_calls) {
    promise_resolver_t *resolver;
    promise_t *p = promise_new(loop, &resolver);

    promise_unref(promise_then(promise_ref(p), see, "first"));
    promise_unref(promise_async(loop, awaits_shared, p));
    hosted_run();
    promise_unref(promise_then(promise_ref(p), see, "last"));
    promise_resolve(resolver, promise_int(1));
    trace_is("");
    hosted_run();
    trace_is("first=1 coroutine=1 last=1");
    promise_unref(p);
}
END_TEST

/* Whatever it calls may await. */
static int64_t sum_to(int n) {
    promise_value_t v = {0};

    if (!n) return 0;
    ck_assert_int_eq(promise_await(promise_sleep(NULL, 1), &v), 0);
    return n + sum_to(n - 1);
}
static promise_value_t sums(promise_value_t v, void *arg) {
    (void)v;
    return promise_int(sum_to(*(int *)arg));
}
START_TEST(at_any_depth) {
    int n[] = {10, 20};

    watch(promise_async(loop, sums, &n[0]), "ten");
    watch(promise_async(loop, sums, &n[1]), "twenty");
    fakehost_advance(&host, 20);
    trace_is("ten=55 twenty=210");
}
END_TEST

/* A coroutine's promise is awaited like any other, and adopted. */
static promise_value_t awaits_another(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    (void)v;
    if (promise_await(promise_async(NULL, sums, arg), &got) < 0) return got;
    return promise_adopt(promise_async(NULL, sums, arg));
}
START_TEST(coroutines_of_coroutines) {
    int n = 3;

    watch(promise_async(loop, awaits_another, &n), "sum");
    fakehost_advance(&host, 6);
    trace_is("sum=6");
}
END_TEST

/* 2.3.1 */
static promise_t *self;
static promise_value_t awaits_itself(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    (void)v, (void)arg;
    ck_assert_int_eq(promise_await(promise_ref(self), &got), -1);
    ck_assert(promise_error_is(got, &promise_errors, PROMISE_ECYCLE));
    ck_assert_int_eq(promise_await(promise_then_catch(promise_ref(self), see_void, see_void, "below"), &got), -1);
    return got;
}
START_TEST(a_coroutine_that_awaits_itself) {
    self = promise_async(loop, awaits_itself, NULL);
    watch(promise_ref(self), "self");
    hosted_run();
    trace_is("self=!a coroutine was to wait for itself below=!a coroutine was to wait for itself");
    promise_unref(self);
}
END_TEST

/* ---- defer ---- */

static void awaits_too(void *arg) {
    ck_assert_int_eq(promise_await(promise_sleep(NULL, 10), NULL), 0);
    trace("%s", (const char *)arg);
}
static void defers_more(void *arg) {
    trace("%s", (const char *)arg);
    promise_defer(trace_free, "more");
}
static promise_value_t defers(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    (void)v;
    promise_defer(trace_free, "a");
    promise_defer(awaits_too, "b");
    if (promise_await(arg, &got) < 0) return got;
    promise_defer(defers_more, "c");
    return got;
}
START_TEST(defer_runs_last_first_before_the_promise_settles) {
    promise_t *p = promise_async(loop, defers, promise_from(loop, promise_int(5)));

    watch(promise_ref(p), "p");
    hosted_run();
    trace_is("c free:more");
    ck_assert_str_eq(state_of(p), "pending");
    fakehost_advance(&host, 10);
    trace_is("b free:a p=5");
    promise_unref(p);
    watch(promise_async(loop, defers, promise_from(loop, throw_text("no"))), "p");
    fakehost_advance(&host, 10);
    trace_is("b free:a p=!no");
}
END_TEST

/* ---- where none may be used ---- */

static promise_value_t await_it(promise_value_t v, void *arg) {
    promise_await(arg ? arg : promise_from(NULL, promise_void()), NULL);
    return v;
}
static void await_now(void *arg) { (void)await_it(promise_void(), arg ? arg : promise_from(loop, promise_void())); }
static void await_in_handler(void *arg) {
    promise_unref(promise_try(loop, await_it, arg));
    hosted_run();
}
static void await_null(void *arg) { promise_await(NULL, arg); }
static void defer_now(void *arg) { promise_defer(trace_free, arg); }
static void (*inside)(void *arg);
static promise_value_t call_inside(promise_value_t v, void *arg) {
    inside(arg);
    return v;
}
static void in_coroutine(void *arg) {
    promise_unref(promise_async(loop, call_inside, arg));
    hosted_run();
}
#define assert_stops_inside(fn, text)                                                                                          \
    do {                                                                                                                       \
        inside = (fn);                                                                                                         \
        test_assert_stops(in_coroutine, NULL, (text));                                                                         \
    } while (0)
static void await_other_loop(void *arg) {
    static struct fakehost another;
    promise_loop_t *other = fakehost_open(&another);

    promise_await(promise_from(other, promise_void()), arg);
}
static void defer_null(void *arg) { promise_defer(NULL, arg); }
static void stop_awaits(void *resolver) {
    promise_await(promise_sleep(NULL, 1), NULL);
    promise_abandon(resolver);
}
static void await_in_stop(void *arg) {
    promise_resolver_t *resolver;
    promise_t *p = promise_new(NULL, &resolver);

    (void)arg;
    promise_on_cancel(resolver, stop_awaits, resolver);
    promise_cancel(p);
}
static void await_in_free(void *arg) {
    promise_value_t v = {0};

    promise_value_set(&v, promise_box(arg, await_now));
    promise_value_clear(&v);
}
static void frees_and_awaits(void *arg) { await_in_free(promise_sleep(NULL, 1)), (void)arg; }
static void drain_now(void *arg) { promise_loop_drain(loop), (void)arg; }
static void async_null(void *arg) { promise_unref(promise_async(loop, NULL, arg)); }
static void then_async_null(void *arg) { promise_unref(promise_then_async(promise_from(loop, promise_void()), NULL, arg)); }
static void then_async_no_promise(void *arg) { promise_unref(promise_then_async(NULL, await_it, arg)); }
static void async_no_loop(void *arg) { promise_unref(promise_async(NULL, await_it, arg)); }

START_TEST(where_it_makes_no_sense_it_stops) {
    static const char outside[] =
        "promise_await: expected a coroutine (promise_async, promise_then_async), called outside of one";

    test_assert_stops(await_now, NULL, outside);
    test_assert_stops(await_null, NULL, outside);
    test_assert_stops(await_in_handler, NULL, outside);
    test_assert_stops(defer_now, NULL, "promise_defer: expected a coroutine");
    assert_stops_inside(await_null, "promise_await: the promise is NULL");
    assert_stops_inside(await_other_loop, "promise_await: expected a promise of this loop, got one of another");
    assert_stops_inside(await_in_stop, "promise_await: called inside a stop function");
    assert_stops_inside(frees_and_awaits, "promise_await: called while a value is freed");
    assert_stops_inside(defer_null, "promise_defer: fn is NULL");
    assert_stops_inside(drain_now, "promise_loop_drain: called inside a handler");
    test_assert_stops(async_null, NULL, "promise_async: fn is NULL");
    test_assert_stops(then_async_null, NULL, "promise_then_async: fn is NULL");
    test_assert_stops(then_async_no_promise, NULL, "promise_then_async: the promise is NULL");
    test_assert_stops(async_no_loop, NULL, "promise_async: loop is NULL outside of a handler");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("coroutine");
    TCase *basics = tcase_create("basics");

    tcase_add_checked_fixture(basics, hosted_start, hosted_end);
    tcase_add_test(basics, await_gives_what_is_settled_and_what_settles_later);
    tcase_add_test(basics, then_async_is_a_handler);
    tcase_add_test(basics, options_are_a_stack_and_a_name);
    tcase_add_test(basics, O2_no_room_for_a_stack);
    tcase_add_test(basics, a_task_has_an_identity);
    tcase_add_test(basics, V1_a_rejection_is_given_and_passed_on);
    tcase_add_test(basics, O4_one_variable_serves_them_all);
    tcase_add_test(basics, V2_results);
    tcase_add_test(basics, in_the_order_of_the_calls);
    tcase_add_test(basics, at_any_depth);
    tcase_add_test(basics, coroutines_of_coroutines);
    tcase_add_test(basics, a_coroutine_that_awaits_itself);
    tcase_add_test(basics, defer_runs_last_first_before_the_promise_settles);
    tcase_add_test(basics, where_it_makes_no_sense_it_stops);
    suite_add_tcase(suite, basics);
    return test_main(suite);
}
