/* Coroutines on libevent's loop, many of them, and deeply nested. */
#include "evloop.h"

#include <string.h>

/* ---- running ---- */

static promise_value_t sleeps(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    for (int i = 0; i < 3; i++)
        if (promise_await(promise_sleep(NULL, 1), &got) < 0) return got;
    note_free(arg);
    return v;
}
START_TEST(run_until_it_has_left) {
    promise_value_t got = {0};

    open_loop(_i);
    ck_assert_int_eq(promise_loop_run(loop, promise_then_async(promise_from(loop, promise_int(5)), sleeps, "s"), &got), 0);
    ck_assert_int_eq(promise_as_int(got), 5);
    ck_assert_str_eq(log_text, "s");
    promise_loop_free(loop);
    if (base) event_base_free(base);
}
END_TEST

static promise_value_t awaits(promise_value_t v, void *p) {
    promise_value_t got = {0};

    (void)v;
    promise_await(p, &got);
    return got;
}
/* J3: what a stalled coroutine waits for is named; its own name, where it has one. */
START_TEST(J3_stalled) {
    static const struct promise_coroutine_options named = {.name = "the waiting one"};
    promise_value_t got = {0};
    promise_resolver_t *resolver;
    promise_t *p;

    open_loop(0);
    ck_assert_int_eq(promise_loop_run(loop, promise_async(loop, awaits, promise_new(loop, &resolver)), &got), -1);
    ck_assert(promise_error_is(got, &promise_errors, PROMISE_ESTALLED));
    ck_assert_ptr_nonnull(strstr(promise_error_message(got), "test_coroutine_loop.c:"));
    promise_abandon(resolver);
    p = promise_async_with(loop, &named, awaits, promise_new(loop, &resolver));
    ck_assert_int_eq(promise_loop_run(loop, p, &got), -1);
    ck_assert_ptr_nonnull(strstr(promise_error_message(got), "\"the waiting one\""));
    promise_abandon(resolver);
    promise_value_clear(&got);
    promise_loop_free(loop);
}
END_TEST

static promise_value_t waits_for_its_group(promise_value_t v, void *group) {
    (void)v;
    (void)promise_await(promise_group_wait(group), NULL);
    return promise_void();
}

static promise_value_t asks_for_its_own(promise_value_t v, void *it) {
    (void)v;
    (void)promise_await(promise_next(*(promise_iterator_t **)it), NULL);
    return promise_end();
}

static promise_value_t receives(promise_value_t v, void *channel) {
    (void)v;
    (void)promise_await(promise_receive(channel), NULL);
    return promise_end();
}

static promise_value_t gives_the_group(promise_value_t v, void *group) {
    (void)v;
    return promise_adopt(promise_group_wait(group));
}

static void stalls(promise_t *p, const char *text) {
    promise_value_t got = {0};

    ck_assert_int_eq(promise_loop_run(loop, p, &got), -1);
    ck_assert(promise_error_is(got, &promise_errors, PROMISE_ESTALLED));
    ck_assert_msg(strstr(promise_error_message(got), text), "%s is not in: %s", text, promise_error_message(got));
    promise_value_clear(&got);
}

/* J3: also where that has no place, and where it waits for itself. */
START_TEST(J3_stalled_at_what_has_no_place) {
    static const struct promise_coroutine_options writer = {.name = "writer"};
    promise_iterator_t *it;
    promise_channel_t *c;
    promise_group_t *g;

    open_loop(0);
    g = promise_group_new(loop);
    promise_group_async(g, waits_for_its_group, g);
    stalls(promise_group_wait(g), "it waits for a group");
    stalls(promise_async(loop, waits_for_its_group, g), "it waits for a group");
    stalls(promise_all_of(loop, promise_try(loop, gives_the_group, g), NULL), "it waits for a group");
    promise_group_free(g);
    g = promise_group_new(loop);
    promise_group_add(g, promise_async_with(loop, &writer, waits_for_its_group, g));
    stalls(promise_group_wait(g), "it waits for the coroutine \"writer\"");
    promise_group_free(g);
    it = promise_generator(loop, asks_for_its_own, &it);
    stalls(promise_next(it), "it waits for a generator");
    promise_iterator_close(it);
    c = promise_channel_new(loop, 0);
    it = promise_generator(loop, receives, c);
    stalls(promise_next(it), "it waits for a channel");
    promise_iterator_close(it);
    it = promise_generator_with(loop, &writer, receives, c);
    stalls(promise_next(it), "it waits for the coroutine \"writer\"");
    promise_iterator_close(it);
    promise_channel_unref(c);
    promise_loop_free(loop);
}
END_TEST

static promise_value_t runs(promise_value_t v, void *arg) {
    promise_loop_run(loop, promise_sleep(NULL, 1), NULL);
    return (void)arg, v;
}
static void run_inside(void *arg) { promise_loop_run(loop, promise_async(loop, runs, arg), NULL); }
START_TEST(J6_running_the_loop_inside) {
    open_loop(0);
    test_assert_stops(run_inside, NULL, "promise_loop_run: called inside a handler");
    promise_loop_free(loop);
}
END_TEST

/* J1: one that only awaits what has settled, until a timer says that it is enough. */
static bool enough;
static promise_value_t never_waits(promise_value_t v, void *arg) {
    (void)arg;
    while (!enough) ck_assert_int_eq(promise_await(promise_from(NULL, promise_int(1)), NULL), 0);
    return v;
}
static promise_value_t say_enough(promise_value_t v, void *arg) {
    enough = true;
    return (void)arg, v;
}
START_TEST(J1_awaits_that_are_no_wait_do_not_starve_timers) {
    open_loop(_i);
    promise_unref(promise_then(promise_sleep(loop, 1), say_enough, NULL));
    ck_assert_int_eq(promise_loop_run(loop, promise_async(loop, never_waits, NULL), NULL), 0);
    promise_loop_free(loop);
    if (base) event_base_free(base);
}
END_TEST

/* ---- many ---- */

static size_t left;
static void leaves(void *arg) { left++, (void)arg; }

/* Each awaits another, n deep. */
static promise_value_t nests(promise_value_t v, void *arg) {
    size_t *n = arg;
    promise_value_t got = {0};

    (void)v;
    promise_defer(leaves, NULL);
    if (!(*n)--) return promise_string("the innermost");
    promise_await(promise_async(NULL, nests, n), &got);
    return got;
}
/* The same, and the innermost one waits for ever. */
static promise_value_t nests_for_ever(promise_value_t v, void *arg) {
    size_t *n = arg;
    promise_value_t got = {0};

    (void)v;
    promise_defer(leaves, NULL);
    promise_await((*n)-- ? promise_async(NULL, nests_for_ever, n) : promise_sleep(NULL, 1000000), &got);
    return got;
}
START_TEST(T2_nested) {
    const size_t depth = test_scaled(20000);
    promise_value_t got = {0};
    size_t n = depth;
    promise_t *p;

    open_loop(0);
    ck_assert_int_eq(promise_loop_run(loop, promise_async(loop, nests, &n), &got), 0);
    ck_assert_str_eq(promise_as_string(got), "the innermost");
    ck_assert_uint_eq(left, depth + 1);
    promise_value_clear(&got);
    for (int free_it = 0; free_it < 2; free_it++) {
        left = 0, n = depth;
        p = promise_async(loop, nests_for_ever, &n);
        while (n != SIZE_MAX) promise_loop_turn(loop);
        if (free_it) promise_loop_free(loop), promise_unref(p);
        else promise_cancel(p);
        while (!free_it && left < depth + 1) promise_loop_turn(loop);
        ck_assert_uint_eq(left, depth + 1);
    }
    ck_assert_uint_eq(test_alloc_live(), live);
}
END_TEST

static promise_value_t once(promise_value_t v, void *arg) {
    ++*(size_t *)arg;
    return promise_await(promise_from(NULL, promise_void()), NULL), v;
}
static promise_value_t one_more(promise_value_t v, void *arg) {
    size_t *n = arg;

    (void)v;
    if (!(*n)--) return promise_end();
    return promise_adopt(promise_async(NULL, once, &left));
}
START_TEST(one_after_the_other_without_growth) {
    size_t n = test_scaled(200000), blocks, n_before = n;

    open_loop(0);
    left = 0;
    promise_t *p = promise_repeat(loop, one_more, &n);
    while (n > n_before / 2) promise_loop_turn(loop);
    blocks = test_alloc_live();
    ck_assert_int_eq(promise_loop_run(loop, p, NULL), 0);
    ck_assert_uint_le(test_alloc_live(), blocks);
    ck_assert_uint_eq(left, n_before);
    promise_loop_free(loop);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("coroutine_loop");
    TCase *run = tcase_create("run"), *many = tcase_create("many");

    tcase_add_loop_test(run, run_until_it_has_left, 0, 2);
    tcase_add_test(run, J3_stalled);
    tcase_add_test(run, J3_stalled_at_what_has_no_place);
    tcase_add_test(run, J6_running_the_loop_inside);
    tcase_add_loop_test(run, J1_awaits_that_are_no_wait_do_not_starve_timers, 0, 2);
    suite_add_tcase(suite, run);
    tcase_add_test(many, T2_nested);
    tcase_add_test(many, one_after_the_other_without_growth);
    suite_add_tcase(suite, many);
    return test_main(suite);
}
