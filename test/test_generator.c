/* Generators: when they run, what is an item, how they end, who waits until they have left (N2, K6, T5, J5). */
#include "../src/core.h"
#include "hosted.h"

#include <string.h>

static struct source a, b;
static promise_iterator_t *it;

static void ask(const char *name) { watch(promise_next(it), name); }
static void advance(uint64_t ms) { fakehost_advance(&host, ms); }
static void open_generator(promise_fn *fn, void *arg) {
    it = promise_iterator_attach(promise_generator(loop, fn, arg), "it", trace_free);
}

/* ---- items ---- */

/* 1, 2, ... up to the number that arg points to. */
static promise_value_t counts(promise_value_t v, void *arg) {
    see(v, "begins");
    promise_defer(trace_free, "deferred");
    for (int i = 1; i <= *(int *)arg; i++) {
        trace("give%d", i);
        if (promise_yield(promise_int(i)) < 0) {
            trace("no more");
            return promise_was_canceled();
        }
    }
    return promise_string("dropped");
}

START_TEST(it_runs_while_an_item_is_asked_for) {
    int n = 2;

    open_generator(counts, &n);
    hosted_run();
    trace_is("");
    ask("x");
    hosted_run();
    trace_is("begins=- give1 x=1");
    ask("y");
    hosted_run();
    trace_is("give2 y=2");
    ask("z");
    hosted_run();
    trace_is("free:deferred z=end");
    ask("z");
    hosted_run();
    trace_is("z=end");
    promise_iterator_close(it);
    trace_is("free:it");
}
END_TEST

START_TEST(several_are_asked_for_at_once) {
    int n = 2;

    open_generator(counts, &n);
    ask("w"), ask("x"), ask("y"), ask("z");
    hosted_run();
    trace_is("begins=- give1 give2 free:deferred w=1 x=2 y=end z=end");
    promise_iterator_close(it);
    trace_is("free:it");
}
END_TEST

static promise_value_t awaits_between(promise_value_t v, void *arg) {
    (void)arg;
    for (int i = 1; i <= 2; i++) {
        if (promise_await(promise_sleep(NULL, 10), NULL) < 0) return v;
        if (promise_yield(promise_int(i)) < 0) return v;
    }
    return promise_await(promise_sleep(NULL, 10), NULL) < 0 ? v : promise_end();
}
START_TEST(it_may_await_between_items) {
    open_generator(awaits_between, NULL);
    ask("x"), ask("y"), ask("z");
    advance(9);
    trace_is("");
    advance(1);
    trace_is("x=1");
    advance(10);
    trace_is("y=2");
    advance(10);
    trace_is("z=end");
    promise_iterator_close(it);
    trace_is("free:it");
}
END_TEST

/* V2: fresh ones are taken over, others referenced; a promise is an item when it is fulfilled. */
static promise_value_t all_kinds(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    (void)arg;
    promise_await(promise_from(NULL, promise_string("held")), &got);
    promise_yield(got);
    promise_yield(promise_string("fresh"));
    promise_yield(v);
    promise_yield(promise_adopt(source_open(NULL, &a, "a")));
    trace("went on");
    promise_yield(promise_adopt(promise_from(NULL, promise_string("settled"))));
    return got;
}
START_TEST(items_of_all_kinds) {
    open_generator(all_kinds, NULL);
    ask("1"), ask("2"), ask("3"), ask("4"), ask("5"), ask("6");
    hosted_run();
    trace_is("1=held 2=fresh 3=-");
    source_resolve(&a, promise_string("later"));
    hosted_run();
    trace_is("went on 4=later 5=settled 6=end");
    promise_iterator_close(it);
    trace_is("free:it");
}
END_TEST

/* ---- the end ---- */

static promise_value_t throws(promise_value_t v, void *arg) {
    if (promise_yield(promise_int(1)) < 0) return v;
    return throw_text(arg);
}
static promise_value_t adopts(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    promise_yield(promise_int(1));
    return promise_adopt(source_open(NULL, &a, "a"));
}
START_TEST(what_it_returns) {
    open_generator(throws, "thrown");
    ask("1"), ask("2"), ask("3");
    hosted_run();
    trace_is("1=1 2=!thrown 3=end");
    promise_iterator_close(it);
    trace_is("free:it");

    open_generator(adopts, NULL);
    ask("1"), ask("2"), ask("3");
    hosted_run();
    trace_is("1=1");
    source_resolve(&a, promise_int(5));
    hosted_run();
    trace_is("2=end 3=end");
    promise_iterator_close(it);
    trace_is("free:it");

    open_generator(adopts, NULL);
    ask("1"), ask("2"), ask("3");
    hosted_run();
    source_reject(&a, "no");
    hosted_run();
    trace_is("1=1 2=!no 3=end");
    promise_iterator_close(it);
    trace_is("free:it");
}
END_TEST

static promise_value_t rejected_item(promise_value_t v, void *arg) {
    promise_defer(trace_free, "deferred");
    promise_yield(arg ? promise_adopt(promise_from(NULL, throw_text("item"))) : throw_text("item"));
    trace("after");
    return v;
}
START_TEST(a_rejected_item_is_the_last) {
    for (int i = 0; i < 2; i++) {
        open_generator(rejected_item, i ? &a : NULL);
        ask("1"), ask("2");
        hosted_run();
        trace_is("1=!item 2=end");
        promise_iterator_close(it);
        hosted_run();
        trace_is("after free:deferred free:it");
    }
}
END_TEST

/* ---- close ---- */

START_TEST(close_before_it_starts) {
    int n = 2;

    open_generator(counts, &n);
    promise_iterator_close(it);
    hosted_run();
    trace_is("free:it");
    open_generator(counts, &n);
    ask("x"), ask("y");
    promise_iterator_close(it);
    hosted_run();
    trace_is("free:it y=!canceled x=!canceled");
}
END_TEST

START_TEST(close_between_two_items) {
    int n = 5;

    open_generator(counts, &n);
    ask("x");
    hosted_run();
    promise_iterator_close(it);
    trace_is("begins=- give1 x=1");
    hosted_run();
    trace_is("no more free:deferred free:it");
}
END_TEST

static promise_value_t gives_a_slow_one(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    (void)v;
    promise_defer(trace_free, "deferred");
    if (arg) promise_yield(promise_adopt(source_open(NULL, &a, "a")));
    else promise_await(source_open(NULL, &a, "a"), &got);
    see(got, "then");
    trace("yield:%d", promise_yield(promise_int(1)));
    promise_await(promise_shield(promise_sleep(NULL, 10)), NULL);
    trace("cleaned");
    return got;
}
START_TEST(close_while_an_item_is_under_way) {
    open_generator(gives_a_slow_one, NULL); /* it awaits */
    ask("x"), ask("y");
    hosted_run();
    promise_iterator_close(it);
    advance(9);
    trace_is("stop:a y=!canceled then=!canceled yield:-1 x=!canceled");
    advance(1);
    trace_is("cleaned free:deferred free:it");
    open_generator(gives_a_slow_one, &a); /* the promise that it gave is awaited */
    ask("x"), ask("y");
    hosted_run();
    promise_iterator_close(it);
    advance(9);
    trace_is("stop:a y=!canceled then=- yield:-1 x=!canceled");
    advance(1);
    trace_is("cleaned free:deferred free:it");
}
END_TEST

static promise_value_t closes_itself(promise_value_t v, void *arg) {
    promise_iterator_close(it);
    trace("yield:%d", promise_yield(promise_string("nobody's")));
    return arg ? throw_text("error") : v;
}
START_TEST(T4_closed_by_itself) {
    open_generator(closes_itself, NULL);
    ask("x");
    hosted_run();
    trace_is("yield:-1 free:it x=!canceled");
    open_generator(closes_itself, "error"); /* no error is lost */
    ask("x");
    hosted_run();
    trace_is("yield:-1 free:it x=!canceled unhandled=!error");
}
END_TEST

/* ---- K6: to cancel an item is not to lose one ---- */

START_TEST(K6_an_item_that_is_cancelled_comes_to_who_asks_next) {
    promise_t *p;

    open_generator(awaits_between, NULL);
    p = promise_next(it);
    hosted_run();
    promise_cancel(p);
    ask("x");
    advance(10);
    trace_is("x=1");
    p = promise_next(it);
    advance(5);
    promise_cancel(p);
    advance(5); /* it comes, and is kept */
    trace_is("");
    ask("y");
    hosted_run();
    trace_is("y=2");
    promise_cancel(promise_next(it));
    advance(10); /* so is the end */
    ask("z"), ask("z");
    hosted_run();
    trace_is("z=end z=end");
    promise_iterator_close(it);
    trace_is("free:it");
}
END_TEST

START_TEST(K6_those_that_wait_come_in_their_order) {
    promise_t *first, *second;

    open_generator(awaits_between, NULL);
    first = promise_next(it), second = promise_next(it);
    ask("x");
    hosted_run();
    promise_cancel(first);
    promise_cancel(second);
    ask("y");
    advance(20);
    trace_is("x=1 y=2");
    promise_cancel(promise_next(it)); /* an item that is kept is freed */
    advance(10);
    promise_iterator_close(it);
    hosted_run();
    trace_is("free:it");
}
END_TEST

/* ---- walks ---- */

static promise_value_t tens(promise_value_t v, void *arg) {
    (void)arg;
    return promise_int(10 * promise_as_int(v));
}
static promise_value_t is_even(promise_value_t v, void *arg) {
    (void)arg;
    return promise_int(promise_as_int(v) % 2 == 0);
}
static promise_value_t add(promise_value_t v, void *arg) {
    (void)arg;
    return promise_int(promise_as_int(promise_list_get(v, 0)) + promise_as_int(promise_list_get(v, 1)));
}
static promise_value_t quiet(promise_value_t v, void *arg) {
    for (int i = 1; i <= *(int *)arg; i++)
        if (promise_yield(promise_int(i)) < 0) return v;
    return promise_end();
}
START_TEST(N2_walks_take_it_like_any_other) {
    int n = 5;

    watch(promise_map(promise_generator(loop, quiet, &n), 2, tens, NULL), "map");
    watch(promise_each(promise_generator(loop, quiet, &n), 0, see, "each"), "all");
    watch(promise_filter(promise_generator(loop, quiet, &n), 1, is_even, NULL), "filter");
    watch(promise_reduce(promise_generator(loop, quiet, &n), promise_int(0), add, NULL), "sum");
    hosted_run();
    trace_is("each=1 each=2 each=3 each=4 each=5 map=[10,20,30,40,50] all=- filter=[2,4] sum=15");
}
END_TEST

static promise_value_t fails_at_two(promise_value_t v, void *arg) {
    (void)arg;
    see(v, "item");
    return promise_as_int(v) == 2 ? throw_text("two") : v;
}
/* Cleans up for ten milliseconds. */
static promise_value_t slow_to_leave(promise_value_t v, void *arg) {
    for (int i = 1; promise_yield(promise_int(i)) == 0; i++) {}
    promise_await(promise_shield(promise_sleep(NULL, 10)), NULL);
    trace("left");
    return arg ? throw_text(arg) : v;
}
START_TEST(T5_a_walk_settles_when_it_has_left) {
    promise_t *p = promise_each(promise_generator(loop, slow_to_leave, NULL), 1, fails_at_two, NULL);

    watch(promise_attach(p, "data", trace_free), "each");
    advance(9);
    trace_is("item=1 item=2");
    advance(1);
    trace_is("left free:data each=!two");
    p = promise_each(promise_generator(loop, slow_to_leave, "cleanup"), 1, fails_at_two, NULL); /* as a finally */
    watch(promise_attach(p, "data", trace_free), "each");
    advance(10);
    trace_is("item=1 item=2 left free:data each=!cleanup");
}
END_TEST

static promise_value_t never(promise_value_t v, void *arg) {
    (void)v;
    return promise_adopt(source_open(NULL, arg, ((struct source *)arg)->name));
}
START_TEST(K1_a_walk_that_is_cancelled) {
    promise_t *p;

    a.name = "a";
    p = promise_attach(promise_each(promise_generator(loop, slow_to_leave, NULL), 1, never, &a), "data", trace_free);
    hosted_run();
    promise_cancel(p);
    trace_is("stop:a");
    advance(9);
    trace_is("");
    advance(1);
    trace_is("left free:data");
    p = promise_each(promise_generator(loop, slow_to_leave, NULL), 1, never, &a); /* once more while it leaves */
    watch(promise_ref(p), "each");
    p = promise_then_catch(p, see_void, see_void, "below");
    advance(1);
    promise_cancel(p);
    source_reject(&a, "no");
    advance(5);
    trace_is("below=!canceled");
    advance(5);
    trace_is("left each=!no");
}
END_TEST

/* One that waits for the walk over itself. */
static promise_t *walk;
static promise_value_t awaits_the_walk(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    (void)arg;
    if (promise_yield(promise_int(1)) < 0) return v;
    promise_await(promise_ref(walk), &got);
    return see(got, "got");
}
START_TEST(one_that_waits_for_its_own_walk) {
    walk = promise_each(promise_generator(loop, awaits_the_walk, NULL), 1, see, "item");
    hosted_run();
    trace_is("item=1");
    watch(promise_ref(walk), "walk");
    promise_cancel(walk);
    hosted_run();
    trace_is("got=!canceled walk=!canceled");
}
END_TEST

/* ---- J1, J5 ---- */

static promise_value_t endless(promise_value_t v, void *arg) {
    (void)arg;
    while (promise_yield(promise_int(1)) == 0) {}
    return v;
}
static promise_value_t ignore(promise_value_t v, void *arg) {
    ++*(size_t *)arg;
    return v;
}
START_TEST(J1_an_endless_one_gives_others_their_turn) {
    size_t n = 0;
    promise_t *p = promise_each(promise_generator(loop, endless, NULL), 0, ignore, &n);

    watch(promise_sleep(loop, 1), "slept");
    while (n < 10000) hosted_drain();
    ck_assert(host.wanted);
    fakehost_jump(&host, 1);
    for (int i = 0; i < 3; i++) hosted_drain();
    trace_is("slept=-");
    promise_cancel(p);
    hosted_run();
}
END_TEST

START_TEST(J5_the_loop_goes_at_each_state) {
    int n = 2;
    promise_iterator_t *unused = promise_generator(loop, counts, &n), *resting, *awaiting, *finished, *starting, *keeping;

    resting = it = promise_generator(loop, counts, &n);
    ask("resting");
    awaiting = it = promise_generator(loop, gives_a_slow_one, NULL);
    ask("awaiting");
    finished = it = promise_generator(loop, throws, "thrown");
    ask("1"), ask("2");
    promise_unref(promise_each(promise_generator(loop, slow_to_leave, NULL), 1, never, &b));
    b.name = "b";
    hosted_run();
    trace_is("begins=- give1 resting=1 1=1 2=!thrown");
    keeping = it = promise_generator(loop, quiet, &n);
    promise_cancel(promise_next(it));
    hosted_run();
    starting = it = promise_generator(loop, counts, &n);
    ask("started");
    hosted_free();
    ck_assert_ptr_nonnull(strstr(trace_take(), "no more"));
    it = resting;
    promise_t *p = promise_next(it);
    ck_assert_int_eq(promise_get_state(p), PROMISE_REJECTED);
    promise_unref(p);
    promise_iterator_close(unused);
    promise_iterator_close(resting);
    promise_iterator_close(awaiting);
    promise_iterator_close(finished);
    promise_iterator_close(starting);
    promise_iterator_close(keeping); /* with the item that nobody got */
}
END_TEST

/* ---- memory, misuse ---- */

START_TEST(options_are_those_of_a_coroutine) {
    struct promise_coroutine_options options = {.stack_size = 100000, .name = "gen"};
    int n = 1;

    watch(promise_map(promise_generator_with(loop, &options, quiet, &n), 0, tens, NULL), "map");
    watch(promise_map(promise_generator_with(loop, NULL, quiet, &n), 0, tens, NULL), "map");
    options.stack_size = SIZE_MAX / 2;
    watch(promise_map(promise_generator_with(loop, &options, quiet, &n), 0, tens, NULL), "huge");
    hosted_run();
    trace_is("huge=!out of memory map=[10] map=[10]");
}
END_TEST

START_TEST(a_million_items_in_constant_memory) {
    int n = (int)test_scaled(1000000);
    size_t seen = 0, live_before;

    promise_unref(promise_each(promise_generator(loop, quiet, &n), 0, ignore, &seen));
    while (seen < (size_t)n / 2) hosted_drain();
    live_before = test_alloc_live();
    while (seen < (size_t)n) hosted_drain();
    hosted_run();
    ck_assert_uint_le(test_alloc_live(), live_before);
}
END_TEST

static void no_fn(void *arg) { promise_iterator_close(promise_generator(loop, NULL, arg)); }
static void yield_outside(void *arg) { promise_yield(promise_void()), (void)arg; }
static promise_value_t yields(promise_value_t v, void *arg) { return yield_outside(arg), v; }
static void yield_in_coroutine(void *arg) {
    promise_unref(promise_async(loop, yields, arg));
    hosted_run();
}
START_TEST(where_it_makes_no_sense_it_stops) {
    test_assert_stops(no_fn, NULL, "promise_generator: fn is NULL");
    test_assert_stops(yield_outside, NULL, "promise_yield: expected a coroutine");
    test_assert_stops(yield_in_coroutine, NULL, "promise_yield: expected a generator (promise_generator), called in another");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("generator");
    TCase *items = tcase_create("items"), *close = tcase_create("close"), *walks = tcase_create("walks"),
          *rest = tcase_create("rest");

    tcase_add_checked_fixture(items, hosted_start, hosted_end);
    tcase_add_test(items, it_runs_while_an_item_is_asked_for);
    tcase_add_test(items, several_are_asked_for_at_once);
    tcase_add_test(items, it_may_await_between_items);
    tcase_add_test(items, items_of_all_kinds);
    tcase_add_test(items, what_it_returns);
    tcase_add_test(items, a_rejected_item_is_the_last);
    suite_add_tcase(suite, items);
    tcase_add_checked_fixture(close, hosted_start, hosted_end);
    tcase_add_test(close, close_before_it_starts);
    tcase_add_test(close, close_between_two_items);
    tcase_add_test(close, close_while_an_item_is_under_way);
    tcase_add_test(close, T4_closed_by_itself);
    tcase_add_test(close, K6_an_item_that_is_cancelled_comes_to_who_asks_next);
    tcase_add_test(close, K6_those_that_wait_come_in_their_order);
    suite_add_tcase(suite, close);
    tcase_add_checked_fixture(walks, hosted_start, hosted_end);
    tcase_add_test(walks, N2_walks_take_it_like_any_other);
    tcase_add_test(walks, T5_a_walk_settles_when_it_has_left);
    tcase_add_test(walks, K1_a_walk_that_is_cancelled);
    tcase_add_test(walks, one_that_waits_for_its_own_walk);
    suite_add_tcase(suite, walks);
    tcase_add_checked_fixture(rest, hosted_start, hosted_end);
    tcase_add_test(rest, J1_an_endless_one_gives_others_their_turn);
    tcase_add_test(rest, J5_the_loop_goes_at_each_state);
    tcase_add_test(rest, options_are_those_of_a_coroutine);
    tcase_add_test(rest, a_million_items_in_constant_memory);
    tcase_add_test(rest, where_it_makes_no_sense_it_stops);
    suite_add_tcase(suite, rest);
    return test_main(suite);
}
