/* map, each, filter, reduce: results, order, limit, memory. How they end before the end is in test_walk_cancel.c. */
#include "trace.h"

#include <string.h>

static promise_iterator_t *ints(int n) {
    promise_value_t list = promise_list(0, NULL);

    for (int i = 1; i <= n; i++) ck_assert_int_eq(promise_list_push(list, promise_int(i)), 0);
    return promise_list_items(loop, list);
}

/* ---- results ---- */

static promise_value_t twice(promise_value_t v, void *arg) {
    (void)arg;
    return promise_int(2 * promise_as_int(v));
}

static promise_value_t twice_of(promise_value_t v, void *arg) {
    (void)arg;
    return promise_adopt(promise_then(promise_from(NULL, v), twice, NULL));
}

START_TEST(map_gives_results_in_the_order_of_the_items) {
    expect(promise_map(ints(5), 0, twice, NULL), "[2,4,6,8,10]");
    expect(promise_map(ints(5), 2, twice_of, NULL), "[2,4,6,8,10]");
    expect(promise_map(ints(0), 2, twice, NULL), "[]");
}
END_TEST

static promise_value_t trace_and_wait(promise_value_t v, void *arg) {
    int64_t n = promise_as_int(v);
    promise_t *p = promise_sleep(NULL, (uint64_t)(10 - n));

    (void)arg;
    trace("%d", (int)n);
    return promise_adopt(promise_finally(p, trace_word, n == 1 ? "one" : n == 2 ? "two" : "three"));
}

static promise_value_t pass_after_sleep(promise_value_t v, void *arg) {
    (void)v;
    return promise_int((int64_t)(intptr_t)arg);
}

static promise_value_t sleep_and_give(promise_value_t v, void *arg) {
    int64_t n = promise_as_int(v);

    (void)arg;
    return promise_adopt(promise_then(promise_sleep(NULL, (uint64_t)(10 - n)), pass_after_sleep, (void *)(intptr_t)n));
}

START_TEST(results_that_come_in_another_order) {
    expect(promise_map(ints(3), 0, trace_and_wait, NULL), "[-,-,-]");
    trace_is("1 2 3 three two one");
    expect(promise_map(ints(5), 0, sleep_and_give, NULL), "[1,2,3,4,5]");
    expect(promise_map(ints(5), 3, sleep_and_give, NULL), "[1,2,3,4,5]");
}
END_TEST

START_TEST(each_gives_void) {
    expect(promise_each(ints(3), 1, trace_and_wait, NULL), "-");
    trace_is("1 one 2 two 3 three");
    expect(promise_each(ints(0), 1, trace_and_wait, NULL), "-");
}
END_TEST

static promise_value_t is_odd(promise_value_t v, void *arg) {
    (void)arg;
    return promise_int(promise_as_int(v) % 2);
}

static promise_value_t is_odd_later(promise_value_t v, void *arg) {
    return promise_adopt(promise_then(promise_from(NULL, sleep_and_give(v, arg)), is_odd, arg));
}

START_TEST(filter_gives_items_in_their_order) {
    expect(promise_filter(ints(5), 0, is_odd, NULL), "[1,3,5]");
    expect(promise_filter(ints(6), 0, is_odd_later, NULL), "[1,3,5]");
    expect(promise_filter(ints(1), 0, is_odd, NULL), "[1]");
    expect(promise_filter(ints(0), 0, is_odd, NULL), "[]");
    expect(promise_filter(ints(2), 0, see, "x"), "[1,2]");
}
END_TEST

static promise_value_t give_text(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_string("true");
}

START_TEST(filter_wants_ints) {
    expect(promise_filter(ints(2), 0, give_text, NULL), "!errno22");
    expect(promise_filter(ints(2), 0, trace_word, "x"), "[1,2]");
}
END_TEST

static promise_value_t add(promise_value_t v, void *arg) {
    int64_t sum = promise_as_int(promise_list_get(v, 0)) + promise_as_int(promise_list_get(v, 1));

    ck_assert_uint_eq(promise_list_size(v), 2);
    trace("%s", shown(v));
    if (!arg) return promise_int(sum);
    return promise_adopt(promise_then(promise_sleep(NULL, 1), pass_after_sleep, (void *)(intptr_t)sum));
}

START_TEST(reduce_is_one_by_one) {
    expect(promise_reduce(ints(3), promise_int(10), add, NULL), "16");
    trace_is("[10,1] [11,2] [13,3]");
    expect(promise_reduce(ints(3), promise_int(0), add, "later"), "6");
    trace_is("[0,1] [1,2] [3,3]");
}
END_TEST

static promise_value_t join(promise_value_t v, void *arg) {
    (void)arg;
    return promise_stringf("%s%s", promise_as_string(promise_list_get(v, 0)), promise_as_string(promise_list_get(v, 1)));
}

START_TEST(what_reduce_begins_with) {
    char one[] = "1", two[] = "2", *const texts[] = {one, two};
    promise_value_t kept = {0};

    expect(promise_reduce(ints(0), promise_string("nothing"), add, NULL), "nothing");
    expect(promise_reduce(ints(2), throw_text("r"), add, NULL), "!r");
    expect(promise_reduce(ints(0), promise_adopt(promise_from(loop, promise_int(5))), add, NULL), "5");
    promise_value_set(&kept, promise_string("0"));
    expect(promise_reduce(promise_strings(loop, 2, texts), kept, join, NULL), "012");
    ck_assert_str_eq(promise_as_string(kept), "0");
    promise_value_clear(&kept);
}
END_TEST

/* ---- limit and order ---- */

static unsigned in_flight, most, started;
static uint64_t seed;

static promise_value_t landed(promise_value_t v, void *arg) {
    (void)arg;
    in_flight--;
    return v;
}

static promise_value_t fly(promise_value_t v, void *arg) { /* for a time that has nothing to do with the order */
    ck_assert_int_eq(promise_as_int(v), ++started); /* R10 */
    if (++in_flight > most) most = in_flight;
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return promise_adopt(promise_finally(promise_sleep(NULL, seed >> 60), landed, arg));
}

START_TEST(R10_items_start_in_order_and_at_most_limit_are_in_hand) {
    for (unsigned limit = 0; limit <= 20; limit++) {
        in_flight = most = started = 0;
        expect(promise_each(ints(100), limit, fly, NULL), "-");
        ck_assert_uint_eq(started, 100);
        ck_assert_uint_eq(in_flight, 0);
        ck_assert_uint_eq(most, limit ? limit : 100); /* reached, and not passed */
    }
}
END_TEST

static promise_value_t ask_more(promise_value_t v, void *arg) {
    int *n = arg;

    (void)v;
    return promise_int(++*n);
}

START_TEST(items_are_asked_for_when_there_is_room) { /* not read ahead */
    int n = 0;

    promise_t *p = promise_each(promise_pull(loop, ask_more, &n), 3, trace_slowly, "x");
    fakehost_drain(&host);
    ck_assert_int_eq(n, 3);
    trace_is("x+ x+ x+");
    fakehost_next_timer(&host);
    ck_assert_int_eq(n, 4);
    promise_cancel(p);
}
END_TEST

/* ---- memory ---- */

static size_t turns, live;

static promise_value_t count_down(promise_value_t v, void *arg) {
    if (turns % 1000 == 999) {
        if (!live) live = test_alloc_live();
        ck_assert_uint_le(test_alloc_live(), live + 4); /* a page, and what each of up to three in hand takes */
    }
    if (!--turns) return throw_text("enough");
    return arg ? promise_adopt(promise_sleep(NULL, turns % 7)) : v;
}

START_TEST(N2_endless_input_in_constant_memory) {
    for (unsigned limit = 1; limit <= 3; limit++) {
        int n = 0;
        turns = test_scaled(300000) + 2000, live = 0;
        expect(promise_each(promise_pull(loop, ask_more, &n), limit, count_down, NULL), "!enough");
        turns = test_scaled(100000) + 2000, live = 0;
        expect(promise_each(promise_pull(loop, ask_more, &n), limit, count_down, "later"), "!enough");
    }
}
END_TEST

static promise_value_t give_box(promise_value_t v, void *arg) {
    int *n = arg;

    (void)v;
    return ++*n > 2 ? promise_end() : promise_box(*n == 1 ? "first" : "second", trace_free);
}

static promise_value_t read_box(promise_value_t v, void *arg) {
    (void)v;
    trace("%s", (const char *)arg);
    return promise_void();
}

static promise_value_t box_later(promise_value_t v, void *arg) {
    (void)arg;
    return promise_adopt(promise_then(promise_sleep(NULL, 5), read_box, promise_as_box(v)));
}

START_TEST(N2_an_item_lives_until_what_was_given_for_it_has_settled) {
    int n = 0;

    expect(promise_each(promise_pull(loop, give_box, &n), 1, box_later, NULL), "-");
    trace_is("first free:first second free:second");
    n = 0;
    expect(promise_each(promise_pull(loop, give_box, &n), 0, box_later, NULL), "-");
    trace_is("first free:first second free:second");
    n = 0;
    expect(promise_each(promise_pull(loop, give_box, &n), 0, read_box, "x"), "-");
    trace_is("x free:first x free:second");
}
END_TEST

START_TEST(walks_within_walks) {
    expect(promise_map(ints(2), 0, twice_of, NULL), "[2,4]");
    promise_value_t inner = promise_adopt(promise_map(ints(2), 1, twice, NULL));
    expect(promise_map(promise_items(loop, 2, (promise_value_t[]){promise_int(0), inner}), 1, see, "x"), "[0,[2,4]]");
    trace_is("x=0 x=[2,4]");
}
END_TEST

static void walk_null(void *arg) { promise_unref(promise_map(NULL, 0, twice, arg)); }
static void walk_nothing(void *arg) {
    static promise_iterator_t *volatile it; /* still there when the program stops: no leak */

    it = ints(1);
    promise_unref(promise_each(it, 0, NULL, arg));
}

START_TEST(wrong_use_stops_the_program) {
    test_assert_stops(walk_null, NULL, "promise_map: the iterator is NULL");
    test_assert_stops(walk_nothing, NULL, "promise_each: fn is NULL");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("walk");
    TCase *t = tcase_create("walk");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, map_gives_results_in_the_order_of_the_items);
    tcase_add_test(t, results_that_come_in_another_order);
    tcase_add_test(t, each_gives_void);
    tcase_add_test(t, filter_gives_items_in_their_order);
    tcase_add_test(t, filter_wants_ints);
    tcase_add_test(t, reduce_is_one_by_one);
    tcase_add_test(t, what_reduce_begins_with);
    tcase_add_test(t, R10_items_start_in_order_and_at_most_limit_are_in_hand);
    tcase_add_test(t, items_are_asked_for_when_there_is_room);
    tcase_add_test(t, N2_endless_input_in_constant_memory);
    tcase_add_test(t, N2_an_item_lives_until_what_was_given_for_it_has_settled);
    tcase_add_test(t, walks_within_walks);
    tcase_add_test(t, wrong_use_stops_the_program);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
