/* What is still held when the loop is gone stays valid, and calls on it do no harm (J5). */
#include "evloop.h"

#include <errno.h>
#include <promise.h>
#include <string.h>

static void close_base(void) {
    ck_assert_uint_eq(test_alloc_live(), live);
    if (base != NULL) event_base_free(base);
}

static promise_value_t job(promise_value_t v, void *arg) {
    note_free(arg);
    return v;
}
static promise_value_t one_more(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_int(1);
}

START_TEST(J5_what_is_held_stays_valid) {
    promise_resolver_t *resolver, *other;
    promise_remote_t *remote;
    promise_value_t v = {0};

    open_loop(_i);
    promise_t *p = promise_new(loop, &resolver), *q = promise_new(loop, &other);
    promise_t *settled = promise_from(loop, promise_string("settled"));
    remote = promise_remote_new(promise_resolver_ref(other));
    ck_assert_int_eq(promise_set_name(p, "p"), 0);
    promise_loop_free(loop);

    ck_assert_int_eq(promise_get_state(p), PROMISE_REJECTED);
    ck_assert(promise_is_canceled(promise_peek(p)));
    ck_assert_str_eq(promise_get_name(p), "p");
    ck_assert_str_eq(promise_as_string(promise_peek(settled)), "settled");
    ck_assert(!promise_resolver_is_pending(resolver));
    promise_on_cancel(resolver, note_free, "s");
    promise_resolve(promise_resolver_ref(resolver), promise_string("too late"));
    promise_reject(promise_resolver_ref(resolver), promise_throw_errno(EIO, "too late"));
    promise_abandon(resolver);
    promise_remote_resolve(remote, promise_string("too late"));
    remote = promise_remote_new(other);
    promise_remote_resolve(remote, promise_string("too late"));

    /* No handler runs any more; what is attached is freed all the same. */
    p = promise_then_catch(promise_ref(p), job, job, "a");
    p = promise_timeout(promise_shield(promise_finally(p, job, "b")), 10);
    p = promise_attach(p, "x", note_free);
    ck_assert_int_eq(promise_get_state(p), PROMISE_REJECTED);
    promise_value_set(&v, promise_adopt(promise_ref(p)));
    promise_value_clear(&v);
    promise_cancel(p);
    promise_cancel(promise_catch(q, job, "c"));
    promise_unref(settled);
    ck_assert_str_eq(log_text, "x");
    ck_assert_uint_gt(test_alloc_live(), live);
    promise_unref(p);
    close_base();
}
END_TEST

/* Iterators too: the next thing is a rejection, and so is what a walk over one gives. */
START_TEST(J5_iterators_that_are_held_stay_valid) {
    const promise_value_t items[] = {promise_int(1), promise_int(2)};

    open_loop(_i);
    promise_iterator_t *list = promise_items(loop, 2, items), *ticks = promise_ticks(loop, 1000);
    promise_iterator_t *closed = promise_iterator_attach(promise_pull(loop, one_more, NULL), "x", note_free);
    promise_iterator_t *walked = promise_items(loop, 2, items);
    promise_t *tick = promise_next(ticks);
    promise_loop_free(loop);
    ck_assert(promise_is_canceled(promise_peek(tick)));
    promise_unref(tick);
    promise_iterator_close(closed);
    ck_assert_str_eq(log_text, "x");
    tick = promise_next(ticks);
    ck_assert_int_eq(promise_get_state(tick), PROMISE_REJECTED);
    promise_unref(tick);
    tick = promise_next(list);
    ck_assert_int_eq(promise_get_state(tick), PROMISE_REJECTED);
    promise_unref(tick);
    tick = promise_map(walked, 0, job, "n");
    ck_assert_int_eq(promise_get_state(tick), PROMISE_REJECTED);
    promise_unref(tick);
    promise_iterator_close(promise_iterator_attach(list, "y", note_free));
    promise_iterator_close(ticks);
    ck_assert_str_eq(log_text, "xy");
    close_base();
}
END_TEST

/* Values that hold promises, freed when the loop is long gone. */
START_TEST(J5_promises_in_values_stay_valid) {
    promise_resolver_t *resolver;
    promise_value_t v = {0};

    open_loop(_i);
    promise_t *p = promise_new(loop, &resolver);
    const promise_value_t items[] = {promise_adopt(p), promise_string("text")};
    promise_value_set(&v, promise_list(2, items));
    promise_loop_free(loop);
    promise_abandon(resolver);
    ck_assert_int_eq(promise_get_state(promise_as_promise(promise_list_get(v, 0))), PROMISE_REJECTED);
    promise_value_clear(&v);
    close_base();
}
END_TEST

static void use_dead_loop(void *arg) {
    promise_t *p = promise_from(loop, promise_void()); /* held: the loop's memory stays */

    promise_loop_free(loop);
    if (arg) promise_loop_free(loop);
    else promise_unref(promise_sleep(loop, 1));
    promise_unref(p);
}

START_TEST(a_loop_that_was_freed_is_refused) {
    promise_loop_free(NULL);
    open_loop(_i);
    test_assert_stops(use_dead_loop, NULL, "promise_sleep: expected a loop, got one that was freed");
    test_assert_stops(use_dead_loop, &base, "promise_loop_free: expected a loop, got one that was freed");
    promise_loop_free(loop);
    close_base();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("held");
    TCase *held = tcase_create("held");

    tcase_add_loop_test(held, J5_what_is_held_stays_valid, 0, 2);
    tcase_add_loop_test(held, J5_iterators_that_are_held_stay_valid, 0, 2);
    tcase_add_loop_test(held, J5_promises_in_values_stay_valid, 0, 2);
    tcase_add_loop_test(held, a_loop_that_was_freed_is_refused, 0, 2);
    suite_add_tcase(suite, held);
    return test_main(suite);
}
