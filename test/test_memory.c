/* The allocator, and the slab on top of it: what is taken is given back. */
#include "hosted.h"

#include <promise/memory.h>
#include <stdlib.h>

static void *own_alloc(size_t size) { return malloc(size); }
static void *own_resize(void *block, size_t size) { return realloc(block, size); }
static void own_release(void *block) { free(block); }

START_TEST(all_or_none) {
    size_t live = test_alloc_live();
    promise_value_t v;

    ck_assert_int_eq(promise_set_allocator(own_alloc, NULL, NULL), -1);
    ck_assert_int_eq(promise_set_allocator(NULL, own_resize, own_release), -1);
    v = promise_string("still counted");
    ck_assert_uint_eq(test_alloc_live(), live + 1);
    promise_value_clear(&v);
    ck_assert_int_eq(promise_set_allocator(own_alloc, own_resize, own_release), 0);
    v = promise_string("not counted");
    ck_assert_uint_eq(test_alloc_live(), live);
    promise_value_clear(&v);
    ck_assert_int_eq(promise_set_allocator(NULL, NULL, NULL), 0);
    v = promise_string("from malloc");
    ck_assert_uint_eq(test_alloc_live(), live);
    promise_value_clear(&v);
}
END_TEST

/* For those who write sources: the same functions. */
START_TEST(blocks_for_sources) {
    size_t live = test_alloc_live();
    char *block = promise_memory_alloc(10);

    ck_assert_uint_eq(test_alloc_live(), live + 1);
    block[9] = 'x';
    block = promise_memory_resize(block, 1000);
    ck_assert_int_eq(block[9], 'x');
    ck_assert_uint_eq(test_alloc_live(), live + 1);
    test_alloc_fail_at(1);
    ck_assert_ptr_null(promise_memory_alloc(1));
    test_alloc_fail_at(1);
    ck_assert_ptr_null(promise_memory_resize(block, 2000)); /* and the block is still there */
    test_alloc_fail_at(0);
    ck_assert_int_eq(block[9], 'x');
    promise_memory_free(block);
    promise_memory_free(NULL);
    promise_memory_free(promise_memory_resize(NULL, 1));
    ck_assert_uint_eq(test_alloc_live(), live);
}
END_TEST

/* A chain of a million takes memory, and gives it back while the loop lives. */
START_TEST(pages_go_back) {
    size_t n = test_scaled(1000000), before, peak;
    promise_resolver_t *r;
    promise_t *p;

    hosted_start();
    before = test_alloc_live();
    p = promise_new(loop, &r);
    for (size_t i = 0; i < n; i++) p = promise_then_catch(p, NULL, NULL, NULL);
    peak = test_alloc_live();
    ck_assert_uint_gt(peak, before);
    promise_resolve(r, promise_void());
    promise_unref(p);
    hosted_run();
    ck_assert_uint_le(test_alloc_live(), before + 4);
    hosted_end();
}
END_TEST

/* Slots that come and go in any order. */
START_TEST(slots_in_any_order) {
    enum { N = 5000 };
    static promise_t *p[N];
    uint32_t random = 1;

    hosted_start();
    for (int round = 0; round < 200000; round++) {
        random = random * 1664525 + 1013904223;
        int i = (int)(random >> 16) % N;
        if (p[i]) {
            ck_assert_int_eq(promise_as_int(promise_peek(p[i])), i);
            promise_unref(p[i]);
            p[i] = NULL;
        } else {
            p[i] = promise_from(loop, promise_int(i));
        }
    }
    for (int i = 0; i < N; i++) promise_unref(p[i]);
    hosted_end();
}
END_TEST

/* A loop lives on until the last of its promises is let go of (J5), in whichever order. */
START_TEST(J5_last_reference_frees_the_loop) {
    enum { N = 1000 };
    static promise_t *p[N];

    hosted_start();
    for (int i = 0; i < N; i++) p[i] = promise_from(loop, promise_stringf("%d", i));
    hosted_free();
    ck_assert_str_eq(promise_as_string(promise_peek(p[N / 2])), "500");
    for (int i = 0; i < N; i += 2) promise_unref(p[i]);
    for (int i = N - 1; i > 0; i -= 2) promise_unref(p[i]);
    hosted_end();
}
END_TEST

/* O2: the loop itself is the one thing that is NULL when memory is out. */
static void no_wake(void *data, bool again) { (void)data, (void)again; }
START_TEST(O2_no_loop) {
    static const struct promise_host quiet = {.size = sizeof quiet, .wake = no_wake};
    size_t live = test_alloc_live(), n = 0;
    promise_loop_t *made;

    do {
        test_alloc_fail_at(++n);
        made = promise_loop_new_hosted(&quiet, NULL);
        ck_assert_int_eq(made == NULL, test_alloc_failed());
        test_alloc_fail_at(0);
        ck_assert(made || test_alloc_live() == live);
    } while (!made);
    ck_assert_uint_gt(n, 2);
    promise_loop_free(made);
    ck_assert_uint_eq(test_alloc_live(), live);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("memory");
    TCase *tcase = tcase_create("memory");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, all_or_none);
    tcase_add_test(tcase, blocks_for_sources);
    tcase_add_test(tcase, pages_go_back);
    tcase_add_test(tcase, slots_in_any_order);
    tcase_add_test(tcase, J5_last_reference_frees_the_loop);
    tcase_add_test(tcase, O2_no_loop);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
