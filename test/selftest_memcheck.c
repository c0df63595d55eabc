/* Wrong on purpose: memcheck-selftest.sh proves that `make memcheck` finds what is wrong here, and nothing else. */
#include "support.h"

#include <promise.h>
#include <stdlib.h>

static void *volatile sink;

START_TEST(clean) {
    sink = malloc(16);
    ck_assert_ptr_nonnull(sink);
    free(sink);
}
END_TEST

START_TEST(leak) {
    sink = malloc(16);
    ck_assert_ptr_nonnull(sink);
    sink = NULL;
}
END_TEST

START_TEST(leaked_value) {
    promise_value_t v = promise_string("nobody clears this one");
    ck_assert_str_eq(promise_as_string(v), "nobody clears this one");
}
END_TEST

START_TEST(uninitialized) {
    int *n = malloc(sizeof *n);
    sink = n;
    ck_assert_ptr_nonnull(n);
    ck_assert_int_ne(*n, 12345);
    free(n);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("selftest");
    TCase *tcase = tcase_create("memcheck");

    tcase_add_test(tcase, clean);
    tcase_add_test(tcase, leak);
    tcase_add_test(tcase, leaked_value);
    tcase_add_test(tcase, uninitialized);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
