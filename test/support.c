#include "support.h"

#include <promise/memory.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_size_t until_failure; /* allocations up to and with the one that fails; 0: none will */
static atomic_bool failed;          /* it was reached */
static atomic_size_t live;          /* blocks allocated and not yet freed */

static bool fails_now(void) {
    size_t left = atomic_load(&until_failure);

    while (left != 0) {
        if (atomic_compare_exchange_weak(&until_failure, &left, left - 1)) {
            if (left > 1) return false;
            atomic_store(&failed, true);
            return true;
        }
    }
    return false;
}

static void *counted_alloc(size_t size) {
    void *block = fails_now() ? NULL : malloc(size);

    if (block != NULL) atomic_fetch_add(&live, 1);
    return block;
}

static void *counted_resize(void *block, size_t size) {
    if (block == NULL) return counted_alloc(size);
    return fails_now() ? NULL : realloc(block, size);
}

static void counted_release(void *block) {
    if (block != NULL) atomic_fetch_sub(&live, 1);
    free(block);
}

void test_alloc_fail_at(size_t n) {
    atomic_store(&failed, false);
    atomic_store(&until_failure, n);
}

bool test_alloc_failed(void) { return atomic_load(&failed); }

size_t test_alloc_live(void) { return atomic_load(&live); }

size_t test_scaled(size_t n) {
    const char *text = getenv("TEST_DIVIDE");
    size_t divisor = text != NULL ? strtoul(text, NULL, 10) : 0;

    if (divisor <= 1) return n;
    return n > divisor ? n / divisor : 1;
}

int test_main(Suite *suite) {
    SRunner *runner = srunner_create(suite);

    if (promise_set_allocator(counted_alloc, counted_resize, counted_release) != 0) {
        fputs("Bail out! the library refuses the tests' allocator\n", stdout);
        return EXIT_FAILURE;
    }
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
