/* Coroutines: what starts them, what await gives, whose the values are, what is deferred, where none may be used. */
#include "hosted.h"

#include <errno.h>
#include <string.h>

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

int main(void) {
    Suite *suite = suite_create("coroutine");
    TCase *basics = tcase_create("basics");

    tcase_add_checked_fixture(basics, hosted_start, hosted_end);
    tcase_add_test(basics, await_gives_what_is_settled_and_what_settles_later);
    suite_add_tcase(suite, basics);
    return test_main(suite);
}
