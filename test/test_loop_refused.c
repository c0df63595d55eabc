/* Running and freeing where that cannot be: refused with a message (J6, O6). */
#include "support.h"

#include <event2/event.h>
#include <promise.h>
#include <pthread.h>

static struct event_base *base;

static promise_value_t run_inside(promise_value_t v, void *arg) {
    (void)arg;
    promise_loop_run(loop, NULL, NULL);
    return v;
}
static void run_in_handler(void *arg) {
    (void)arg;
    promise_loop_run(loop, promise_try(loop, run_inside, NULL), NULL);
}
static promise_value_t drain_inside(promise_value_t v, void *arg) {
    (void)arg;
    promise_loop_drain(loop);
    return v;
}
static void drain_in_handler(void *arg) {
    (void)arg;
    promise_loop_run(loop, promise_try(loop, drain_inside, NULL), NULL);
}
static void run_now(void *arg) {
    (void)arg;
    promise_loop_run(loop, NULL, NULL);
}
static void drain_now(void *arg) {
    (void)arg;
    promise_loop_drain(loop);
}
static void cancel_with(void (*stop)(void *arg)) {
    promise_resolver_t *resolver;
    promise_t *p = promise_new(loop, &resolver);

    promise_on_cancel(resolver, stop, NULL);
    promise_cancel(p);
}
static void run_in_stop(void *arg) { (void)arg, cancel_with(run_now); }
static void drain_in_stop(void *arg) { (void)arg, cancel_with(drain_now); }
static void run_event(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what, (void)arg;
    promise_loop_run(loop, NULL, NULL);
}
static void run_in_callback(void *arg) {
    event_base_once(promise_loop_base(loop), -1, EV_TIMEOUT, run_event, NULL, NULL);
    if (arg) promise_loop_run(loop, NULL, NULL);
    else event_base_dispatch(promise_loop_base(loop));
}
static void *run_thread(void *arg) {
    promise_loop_run(loop, NULL, NULL);
    return arg;
}
static void *free_thread(void *arg) {
    promise_loop_free(loop);
    return arg;
}
static void run_on_thread(void *arg) {
    pthread_t thread;
    pthread_create(&thread, NULL, arg ? free_thread : run_thread, NULL);
    pthread_join(thread, NULL);
}
static void run_of_another(void *arg) {
    promise_loop_t *other = promise_loop_new(NULL);
    promise_loop_run(other, promise_from(loop, promise_void()), arg);
}
static void no_loop(void *arg) {
    (void)arg;
    promise_unref(promise_sleep(NULL, 1));
}

START_TEST(J6_what_is_refused) {
    size_t live = test_alloc_live();

    base = _i ? event_base_new() : NULL; /* the caller's, or the loop's own */
    loop = promise_loop_new(base);
    ck_assert_ptr_nonnull(loop);
    test_assert_stops(run_in_handler, NULL, "promise_loop_run: called inside a handler");
    test_assert_stops(drain_in_handler, NULL, "promise_loop_drain: called inside a handler");
    test_assert_stops(run_in_stop, NULL, "promise_loop_run: called inside a stop function");
    test_assert_stops(drain_in_stop, NULL, "promise_loop_drain: called inside a stop function");
    test_assert_stops(run_in_callback, &base, "promise_loop_run: the loop is running already");
    test_assert_stops(run_in_callback, NULL, "promise_loop_run: the event_base is running already");
    test_assert_stops(run_on_thread, NULL, "promise_loop_run: expected the thread of the loop");
    test_assert_stops(run_on_thread, &base, "promise_loop_free: expected the thread of the loop");
    test_assert_stops(run_of_another, NULL, "promise_loop_run: expected a promise of this loop");
    test_assert_stops(no_loop, NULL, "promise_sleep: loop is NULL outside of a handler"); /* O6 */
    promise_loop_free(loop);
    if (base != NULL) event_base_free(base);
    ck_assert_uint_eq(test_alloc_live(), live);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loop_refused");
    TCase *refused = tcase_create("refused");

    tcase_add_loop_test(refused, J6_what_is_refused, 0, 2);
    suite_add_tcase(suite, refused);
    return test_main(suite);
}
