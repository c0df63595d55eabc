/* Where promises live: pages are given back (DESIGN 11, 12), and a reserve is there when memory is out (O2). */
#include "../src/core.h"
#include "fakehost.h"
#include "support.h"

#include <errno.h>
#include <promise.h>
#include <stdlib.h>

static struct fakehost host;

static void open_loop(void) { loop = fakehost_open(&host); }

static promise_value_t pass(promise_value_t v, void *arg) {
    (void)arg;
    return v;
}

/* ---- pages ---- */

/* Blocks that the library holds may grow with pages, never with promises. */
enum { FEW = 8 };

START_TEST(a_million_promises_and_back) {
    size_t n = test_scaled(1000000), empty;
    promise_t **all = malloc(n * sizeof(promise_t *));

    open_loop();
    empty = test_alloc_live();
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < n; i++) all[i] = promise_from(loop, promise_int((int64_t)i));
        ck_assert_uint_le(test_alloc_live() - empty, FEW + 2 * (n / SLOTS_PER_PAGE)); /* chunks, of one page at least */
        for (size_t i = 0; i < n; i++) {
            size_t k = round == 0 ? i : round == 1 ? n - 1 - i : i * 7919 % n; /* in order, in reverse, scattered */
            ck_assert_int_eq(promise_as_int(promise_peek(all[k])), (int64_t)k);
            promise_unref(all[k]);
        }
        ck_assert_uint_le(test_alloc_live() - empty, FEW);
    }
    free(all);
    fakehost_close(&host);
}
END_TEST

/* At the edge of a chunk nothing is given back and taken again with every promise. */
START_TEST(no_thrashing_at_the_edge) {
    promise_t **all = malloc(100000 * sizeof(promise_t *));
    size_t n = 0;

    open_loop();
    for (int chunks = 0; chunks < 4; chunks++)
        for (size_t before = test_alloc_live(); test_alloc_live() == before;) all[n++] = promise_from(loop, promise_void());
    promise_unref(all[--n]); /* the first of a new chunk */
    test_alloc_fail_from(1);
    for (int i = 0; i < 1000; i++) promise_unref(promise_from(loop, promise_void()));
    ck_assert(!test_alloc_failed());
    test_alloc_fail_at(0);
    while (n) promise_unref(all[--n]);
    free(all);
    fakehost_close(&host);
}
END_TEST

/* Most are freed, a few stay here and there: what is asked for next is found in the pages that are there. */
START_TEST(slots_in_between_are_used_again) {
    size_t n = 20 * SLOTS_PER_PAGE, full;
    promise_t **all = malloc(n * sizeof(promise_t *));

    open_loop();
    for (size_t i = 0; i < n; i++) all[i] = promise_from(loop, promise_int((int64_t)i));
    full = test_alloc_live();
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < n; i++)
            if (i % 100) promise_unref(all[i]);
        for (size_t i = 0; i < n; i++)
            if (i % 100) all[i] = promise_from(loop, promise_int((int64_t)i));
        ck_assert_uint_le(test_alloc_live(), full + FEW);
    }
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(promise_as_int(promise_peek(all[i])), (int64_t)i);
        promise_unref(all[i]);
    }
    free(all);
    fakehost_close(&host);
}
END_TEST

/* A promise finds its loop by its address. */
START_TEST(each_promise_finds_its_loop) {
    struct fakehost others[4];
    promise_t *p[4][600];

    for (int i = 0; i < 4; i++) {
        loop = fakehost_open(&others[i]);
        for (int k = 0; k < 600; k++) p[i][k] = promise_from(loop, promise_int(k));
    }
    for (int k = 0; k < 600; k++)
        for (int i = 0; i < 4; i++) {
            ck_assert_ptr_eq(promise_loop_of(p[i][k]), others[i].loop);
            promise_unref(p[i][k]);
        }
    for (int i = 3; i >= 0; i--) fakehost_close(&others[i]);
}
END_TEST

/* ---- the reserve ---- */

static promise_t *held[100000];
static size_t held_count;

/* Memory is out from here on, and the reserve is used up to a number of slots. */
static void use_up(size_t but) {
    test_alloc_fail_from(1);
    do held[held_count++] = promise_from(loop, promise_void());
    while (promise_get_state(held[held_count - 1]) == PROMISE_FULFILLED);
    promise_unref(held[--held_count]); /* the loop's own, rejected */
    while (but--) promise_unref(held[--held_count]);
}

static void give_back(void) {
    test_alloc_fail_at(0);
    while (held_count) promise_unref(held[--held_count]);
}

static void expect_nomem(promise_t *p) {
    ck_assert_int_eq(promise_get_state(p), PROMISE_REJECTED);
    ck_assert(promise_error_is(promise_peek(p), &promise_errno_errors, ENOMEM));
    promise_unref(p);
}

/* O2: nothing returns NULL: what cannot even have a slot rejects with the loop's own promise. */
START_TEST(O2_the_reserve_is_used_up) {
    promise_resolver_t *resolver;
    promise_value_t kept = {0};

    open_loop();
    promise_value_set(&kept, promise_string("a value, released by whoever cannot keep it"));
    promise_t *p = promise_sleep(loop, 1000), *dropped = promise_ref(p);
    promise_iterator_t *it = promise_items(loop, 1, &kept);
    use_up(0);
    expect_nomem(promise_new(loop, &resolver));
    ck_assert(!promise_resolver_is_pending(resolver));
    promise_on_cancel(resolver, free, NULL);
    promise_resolve(promise_resolver_ref(resolver), kept);
    promise_reject(resolver, kept);
    expect_nomem(promise_from(loop, kept));
    expect_nomem(promise_try(loop, pass, NULL));
    expect_nomem(promise_sleep(loop, 1));
    expect_nomem(promise_then(promise_ref(p), pass, NULL));
    expect_nomem(promise_then_catch(promise_ref(p), pass, pass, NULL));
    expect_nomem(promise_finally(promise_ref(p), pass, NULL));
    expect_nomem(promise_shield(promise_ref(p)));
    expect_nomem(promise_catch(promise_new(loop, &resolver), pass, NULL));
    promise_abandon(resolver);
    expect_nomem(promise_all(loop, 1, &dropped));
    expect_nomem(promise_next(promise_strings(loop, 0, NULL))); /* the loop's own iterator */
    expect_nomem(promise_map(it, 1, pass, NULL));
    expect_nomem(promise_repeat(loop, pass, NULL));
    expect_nomem(promise_retry(loop, NULL, pass, NULL));
    expect_nomem(promise_timeout(p, 1));
    give_back();
    promise_value_clear(&kept);
    fakehost_drain(&host);
    promise_unref(promise_then(promise_from(loop, promise_void()), pass, NULL)); /* and it is there again */
    fakehost_close(&host);
}
END_TEST

static void count_up(void *arg) { ++*(int *)arg; }

/* O3: the last slots are enough for what is to be freed; without any the program stops, as there is no way to keep this. */
static void attach_without_a_slot(void *arg) {
    promise_t *p = promise_sleep(loop, 1000);

    use_up(0);
    promise_unref(promise_attach(p, arg, count_up));
}

START_TEST(O3_the_reserve_is_for_what_is_attached) {
    int freed = 0;

    open_loop();
    promise_t *p = promise_sleep(loop, 1000);
    use_up(2);
    promise_t *first = promise_attach(p, &freed, count_up), *second = promise_attach(first, &freed, count_up);
    ck_assert_int_eq(promise_get_state(second), PROMISE_PENDING);
    ck_assert(fakehost_settle(&host, second));
    ck_assert_int_eq(freed, 2);
    promise_unref(second);
    give_back();
    test_assert_stops(attach_without_a_slot, &freed, "promise_attach: out of memory, and so is the reserve");
    fakehost_close(&host);
}
END_TEST

/* O2: a promise from the reserve rejects, and its producer is stopped: it has a drain to hear of it. */
static promise_value_t is_nomem(promise_value_t v, void *arg) {
    ++*(int *)arg;
    return promise_int(promise_error_is(v, &promise_errno_errors, ENOMEM));
}

START_TEST(O2_a_handler_is_told) {
    promise_resolver_t *resolver;
    int calls = 0, stopped = 0;

    open_loop();
    use_up(3);
    promise_t *p = promise_catch(promise_new(loop, &resolver), is_nomem, &calls);
    promise_on_cancel(resolver, count_up, &stopped);
    ck_assert(!promise_resolver_is_pending(resolver));
    ck_assert(fakehost_settle(&host, p));
    ck_assert_int_eq(promise_as_int(promise_peek(p)), 1);
    ck_assert_int_eq(calls, 1);
    ck_assert_int_eq(stopped, 1);
    promise_abandon(resolver);
    promise_unref(p);
    give_back();
    fakehost_close(&host);
}
END_TEST

/* ---- the loop itself ---- */

START_TEST(a_loop_that_cannot_be_made) {
    size_t live = test_alloc_live(), n = 0;

    for (promise_loop_t *made = NULL; !made; promise_loop_free(made)) {
        test_alloc_fail_at(++n);
        made = promise_loop_new(NULL);
        ck_assert_int_eq(test_alloc_failed(), made == NULL);
        test_alloc_fail_at(0);
        if (!made) ck_assert_uint_eq(test_alloc_live(), live);
    }
    ck_assert_uint_gt(n, 3);
    ck_assert_uint_eq(test_alloc_live(), live);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("slab");
    TCase *pages = tcase_create("pages"), *reserve = tcase_create("reserve");

    tcase_set_timeout(pages, 20);
    tcase_add_test(pages, a_million_promises_and_back);
    tcase_add_test(pages, no_thrashing_at_the_edge);
    tcase_add_test(pages, slots_in_between_are_used_again);
    tcase_add_test(pages, each_promise_finds_its_loop);
    tcase_add_test(reserve, O2_the_reserve_is_used_up);
    tcase_add_test(reserve, O3_the_reserve_is_for_what_is_attached);
    tcase_add_test(reserve, O2_a_handler_is_told);
    tcase_add_test(reserve, a_loop_that_cannot_be_made);
    suite_add_tcase(suite, pages);
    suite_add_tcase(suite, reserve);
    return test_main(suite);
}
