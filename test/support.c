#include "support.h"

#include <dirent.h>
#include <promise/memory.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

promise_loop_t *loop;

static atomic_size_t until_failure; /* allocations up to and with the one that fails; 0: none will */
static atomic_bool for_good;        /* all after that one fail too */
static atomic_bool failed;          /* it was reached */
static atomic_size_t live;          /* blocks allocated and not yet freed */

static bool fails_now(void) {
    size_t left = atomic_load(&until_failure);

    while (left != 0) {
        size_t rest = left == 1 && atomic_load(&for_good) ? 1 : left - 1;
        if (atomic_compare_exchange_weak(&until_failure, &left, rest)) {
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

static void arm(size_t n, bool later_ones) {
    atomic_store(&failed, false);
    atomic_store(&for_good, later_ones);
    atomic_store(&until_failure, n);
}

void test_alloc_fail_at(size_t n) { arm(n, false); }
void test_alloc_fail_from(size_t n) { arm(n, true); }

bool test_alloc_failed(void) { return atomic_load(&failed); }

size_t test_alloc_live(void) { return atomic_load(&live); }

size_t test_open_fds(void) {
    DIR *dir = opendir("/proc/self/fd");
    size_t n = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir)) n++;
    closedir(dir);
    return n - 3; /* ., .. and its own */
}

/* In the child, whose standard error is a pipe. */
static void stop_here(int error, void (*fn)(void *arg), void *arg) {
    const struct rlimit no_core = {0, 0};

    setrlimit(RLIMIT_CORE, &no_core);
    dup2(error, STDERR_FILENO);
    fn(arg);
    _exit(0);
}

void test_assert_stops_at(const char *file, int line, void (*fn)(void *arg), void *arg, const char *text) {
    char said[2048];
    size_t size = 0;
    ssize_t n;
    int ends[2], status;
    pid_t child;

    ck_assert_int_eq(pipe(ends), 0);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) stop_here(ends[1], fn, arg);
    close(ends[1]);
    while (size < sizeof said - 1 && (n = read(ends[0], said + size, sizeof said - 1 - size)) > 0) size += (size_t)n;
    said[size] = 0;
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%s:%d: did not stop the program; it said: %s", file,
                  line, said);
    ck_assert_msg(strstr(said, text) != NULL, "%s:%d: expected \"%s\", it said: %s", file, line, text, said);
}

size_t test_scaled(size_t n) {
    const char *text = getenv("TEST_DIVIDE");
    size_t divisor = text != NULL ? strtoul(text, NULL, 10) : 0;

    if (divisor <= 1) return n;
    return n > divisor ? n / divisor : 1;
}

static uint64_t draws;

unsigned draw(unsigned n) {
    draws ^= draws << 13;
    draws ^= draws >> 7;
    draws ^= draws << 17;
    return (unsigned)(draws >> 33) % n;
}

void test_seeds(void (*run)(uint64_t seed), size_t n) {
    const char *one = getenv("SEED");
    uint64_t seed = one ? strtoull(one, NULL, 10) : 1;

    for (n = one ? 1 : test_scaled(n); n--; seed++) {
        draws = seed * 0x9E3779B97F4A7C15U + 1;
        run(seed);
    }
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
