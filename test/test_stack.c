/* Stacks of coroutines: their pool, what they take of the system's memory, and what it does not give. */
#include "../src/tasks/context.h"
#include "../src/tasks/stack.h"
#include "support.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#if defined PROMISE_ASAN || defined PROMISE_TSAN
#define SANITIZED 1 /* has memory and address space of its own, which count as ours */
#else
#define SANITIZED 0
#endif

enum { KEPT = 256, SLOTS = 64 }; /* as in stack.c */

static void describe(void *arg, char *buffer, size_t size) {
    const char *name = arg;

    snprintf(buffer, size, "%s", name ? name : "a test");
}

static struct promise__stack take(size_t size) {
    struct promise__stack stack;

    if (promise__stack_take(&stack, size, describe, NULL)) ck_abort_msg("no stack"); /* ck_assert() takes its time */
    return stack;
}

static void give(struct promise__stack stack) { promise__stack_give(&stack); }

/* As a coroutine at rest does: something at the end. */
static void touch(struct promise__stack stack) { memset((char *)stack.base + stack.size - 1024, 1, 1024); }

/* ---- what the process has of the system ---- */

struct has {
    size_t mapped, resident; /* bytes */
};

static struct has now(void) {
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long mapped, resident;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%lu %lu", &mapped, &resident), 2);
    fclose(f);
    return (struct has){mapped * page, resident * page};
}

static size_t mappings(void) {
    FILE *f = fopen("/proc/self/maps", "r");
    size_t n = 0;
    int c;

    ck_assert_ptr_nonnull(f);
    while ((c = getc(f)) != EOF) n += c == '\n';
    fclose(f);
    return n;
}

/* ---- one ---- */

START_TEST(sizes) {
    static const size_t wanted[] = {0,      1,      4096, STACK_MIN_SIZE, STACK_MIN_SIZE + 1, 100000, STACK_DEFAULT_SIZE,
                                    300000, 8 << 20};

    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct promise__stack stack = take(wanted[i]);

        ck_assert_uint_ge(stack.size, wanted[i] ? wanted[i] : STACK_DEFAULT_SIZE);
        ck_assert_uint_ge(stack.size, STACK_MIN_SIZE);
        ck_assert_uint_eq(stack.size % (size_t)sysconf(_SC_PAGESIZE), 0);
        ck_assert_uint_eq((uintptr_t)stack.base % (size_t)sysconf(_SC_PAGESIZE), 0);
        memset(stack.base, 0x5a, stack.size);
        promise__stack_give(&stack);
        ck_assert_ptr_null(stack.base);
    }
}
END_TEST

START_TEST(too_large) {
    static const size_t wanted[] = {SIZE_MAX, SIZE_MAX / 2 + 1, SIZE_MAX / 4, SIZE_MAX / 16};

    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct promise__stack stack;
        ck_assert_int_eq(promise__stack_take(&stack, wanted[i], describe, NULL), -1);
    }
}
END_TEST

START_TEST(the_last_given_is_the_next_taken) {
    struct promise__stack a = take(0), b = take(0), c = take(100000);
    void *at_a = a.base, *at_b = b.base, *at_c = c.base;

    give(a), give(b), give(c);
    b = take(0), a = take(0), c = take(100000);
    ck_assert_ptr_eq(b.base, at_b);
    ck_assert_ptr_eq(a.base, at_a);
    ck_assert_ptr_eq(c.base, at_c);
    give(a), give(b), give(c);
}
END_TEST

/* ---- many ---- */

static int by_base(const void *a, const void *b) {
    const struct promise__stack *x = a, *y = b;

    return (x->base > y->base) - (x->base < y->base);
}

START_TEST(apart_from_each_other) {
    enum { MANY = 1000 };
    static struct promise__stack stacks[MANY];

    for (size_t i = 0; i < MANY; i++) stacks[i] = take(i % 3 ? 0 : 20000);
    qsort(stacks, MANY, sizeof *stacks, by_base);
    for (size_t i = 0; i + 1 < MANY; i++) /* with room for a guard */
        ck_assert((char *)stacks[i].base + stacks[i].size + 4096 <= (char *)stacks[i + 1].base);
    for (size_t i = 0; i < MANY; i++) give(stacks[i]);
}
END_TEST

/* DESIGN 12: 100,000 at rest, of which each takes a page, and 64 one of bookkeeping; then all of it goes back but what is
 * kept. */
static void burst(size_t n, size_t (*order)(size_t i, size_t n)) {
    struct promise__stack *stacks = malloc(n * sizeof *stacks);
    struct has before, full, after;

    memset(stacks, 1, n * sizeof *stacks);
    give(take(0));
    before = now();
    for (size_t i = 0; i < n; i++) touch(stacks[i] = take(0));
    full = now();
    if (!SANITIZED && !RUNNING_ON_VALGRIND && promise__guard_way != GUARD_CANARY)
        ck_assert_uint_le((full.resident - before.resident) / n, 4096 + 256);
    if (promise__guard_way == GUARD_BEST) ck_assert_uint_lt(mappings(), 4000);
    for (size_t i = 0; i < n; i++) give(stacks[order(i, n)]);
    after = now();
    if (!SANITIZED && !RUNNING_ON_VALGRIND) {
        ck_assert_uint_le(after.resident, before.resident + KEPT * 3 * 4096 + (1 << 20));
        ck_assert_uint_le(after.mapped, before.mapped + (KEPT + 1) * (size_t)SLOTS * 280 * 1024);
    }
    free(stacks);
}

static size_t in_order(size_t i, size_t n) { return (void)n, i; }
static size_t in_reverse(size_t i, size_t n) { return n - 1 - i; }
static size_t scattered(size_t i, size_t n) { return i * 7919 % n; }

START_TEST(a_hundred_thousand_at_rest) { burst(test_scaled(100000), in_order); }
END_TEST

START_TEST(given_back_in_reverse) { burst(test_scaled(5000), in_reverse); }
END_TEST

START_TEST(given_back_here_and_there) { burst(test_scaled(5000), scattered); }
END_TEST

START_TEST(a_million_one_after_the_other) {
    struct has before;

    give(take(0));
    before = now();
    for (size_t i = 0; i < test_scaled(1000000); i++) {
        struct promise__stack stack = take(i % 2 ? 0 : 50000);
        touch(stack);
        give(stack);
    }
    if (!SANITIZED) ck_assert_uint_le(now().resident, before.resident + (1 << 20));
}
END_TEST

/* More than are kept, again and again: an arena is not mapped and unmapped each time. */
START_TEST(at_the_edge_of_what_is_kept) {
    static struct promise__stack stacks[KEPT + 3 * SLOTS];
    size_t n = sizeof stacks / sizeof *stacks;
    struct has first = {0};

    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < n; i++) touch(stacks[i] = take(0));
        for (size_t i = 0; i < n; i++) give(stacks[round % 2 ? i : n - 1 - i]);
        if (round == 1) first = now();
    }
    if (!SANITIZED && !RUNNING_ON_VALGRIND) ck_assert_uint_le(now().mapped, first.mapped + 4 * (size_t)SLOTS * 280 * 1024);
}
END_TEST

/* ---- no memory ---- */

/* The system gives no more: stacks come one by one in the end; what was there works, and serves again. */
START_TEST(out_of_address_space) {
    static struct promise__stack stacks[4096];
    struct rlimit limit, old;
    size_t n = 0;

    if (SANITIZED || RUNNING_ON_VALGRIND) return; /* which live in address space themselves */
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &old), 0);
    limit = old;
    limit.rlim_cur = now().mapped + ((size_t)100 << 20); /* some hundreds of stacks: no number of whole arenas */
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    while (promise__stack_take(&stacks[n], 0, describe, NULL) == 0) {
        touch(stacks[n]);
        ck_assert_uint_lt(++n, 4096);
    }
    ck_assert_uint_gt(n, 5 * SLOTS);
    ck_assert_uint_gt(n * 272 * 1024, (size_t)99 << 20);
    for (size_t i = 0; i < 100; i++) {
        struct promise__stack more;
        ck_assert_int_eq(promise__stack_take(&more, 0, describe, NULL), -1);
    }
    give(stacks[--n]);
    stacks[n] = take(0);
    touch(stacks[n++]);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &old), 0);
    stacks[n] = take(0);
    n++;
    while (n) give(stacks[--n]);
}
END_TEST

static void *take_first(void *arg) {
    struct promise__stack stack;

    *(int *)arg = promise__stack_take(&stack, 0, describe, NULL);
    return NULL;
}

/* A thread's first stack, and there is nothing to be had for its pool. */
START_TEST(no_memory_for_the_pool) {
    struct rlimit limit, old;
    pthread_t thread;
    pthread_attr_t attributes;
    static char own[1 << 20];
    int status = 7;

    if (SANITIZED || RUNNING_ON_VALGRIND) return;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, own, sizeof own);
    getrlimit(RLIMIT_AS, &old);
    limit = old;
    limit.rlim_cur = 4096;
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    if (pthread_create(&thread, &attributes, take_first, &status) == 0) pthread_join(thread, NULL);
    else status = -1;
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &old), 0);
    pthread_attr_destroy(&attributes);
    ck_assert_int_eq(status, -1);
}
END_TEST

/* ---- threads ---- */

static void *use_many(void *arg) {
    enum { MANY = 200 };
    struct promise__stack stacks[MANY];

    (void)arg;
    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < MANY; i++) touch(stacks[i] = take(0));
        for (size_t i = 0; i < MANY; i++) give(stacks[i]);
    }
    return NULL;
}

static void run_thread(void *(*fn)(void *), void *arg) {
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, fn, arg), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

START_TEST(a_thread_takes_its_pool_with_it) {
    struct has first;

    run_thread(use_many, NULL);
    first = now();
    for (size_t i = 0; i < 20; i++) run_thread(use_many, NULL);
    if (!SANITIZED) ck_assert_uint_le(now().mapped, first.mapped + ((size_t)1 << 20));
}
END_TEST

START_TEST(several_threads_at_once) {
    pthread_t threads[4];

    for (size_t i = 0; i < 4; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, use_many, NULL), 0);
    for (size_t i = 0; i < 4; i++) ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}
END_TEST

enum { LENT = 100 };

static void *take_some(void *arg) {
    struct promise__stack *stacks = arg;

    for (size_t i = 0; i < LENT; i++) touch(stacks[i] = take(0));
    return NULL;
}

/* A loop that is freed by another thread than its own, which has ended. */
START_TEST(given_back_when_its_thread_has_ended) {
    static struct promise__stack stacks[LENT];
    struct has first;

    run_thread(take_some, stacks);
    for (size_t i = 0; i < LENT; i++) give(stacks[i]);
    first = now();
    for (int round = 0; round < 10; round++) {
        run_thread(take_some, stacks);
        for (size_t i = 0; i < LENT; i++) give(stacks[i]);
    }
    if (!SANITIZED) ck_assert_uint_le(now().mapped, first.mapped + ((size_t)1 << 20));
}
END_TEST

struct lender {
    struct promise__stack stacks[LENT];
    pthread_barrier_t taken, given;
    bool same;
};

static void *lend(void *arg) {
    struct lender *lender = arg;
    const void *base[LENT];

    take_some(lender->stacks);
    for (size_t i = 0; i < LENT; i++) base[i] = lender->stacks[i].base;
    pthread_barrier_wait(&lender->taken);
    pthread_barrier_wait(&lender->given);
    lender->same = true;
    for (size_t i = 0; i < LENT; i++) { /* what came back from there serves again */
        bool found = false;
        lender->stacks[i] = take(0);
        for (size_t k = 0; k < LENT; k++) found |= base[k] == lender->stacks[i].base;
        lender->same &= found;
    }
    for (size_t i = 0; i < LENT; i++) give(lender->stacks[i]);
    return NULL;
}

START_TEST(given_back_by_another_thread) {
    static struct lender lender;
    pthread_t thread;

    pthread_barrier_init(&lender.taken, NULL, 2);
    pthread_barrier_init(&lender.given, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, lend, &lender), 0);
    pthread_barrier_wait(&lender.taken);
    for (size_t i = 0; i < LENT; i++) give(lender.stacks[i]);
    pthread_barrier_wait(&lender.given);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert(lender.same);
    pthread_barrier_destroy(&lender.taken);
    pthread_barrier_destroy(&lender.given);
}
END_TEST

/* ---- without the best guard ---- */

static void set_way(enum promise__guard way) { promise__guard_way = way; }

/* A guard by mprotect takes two mappings: they serve a quarter of what the process may have, and then there are canaries. */
START_TEST(mappings_are_left_for_others) {
    size_t n = test_scaled(20000), canaries = 0;
    struct promise__stack *stacks = malloc(n * sizeof *stacks);

    set_way(GUARD_PROTECTED);
    for (size_t i = 0; i < n; i++) {
        stacks[i] = take(0);
        canaries += stacks[i].canary != NULL;
    }
    if (n == 20000) {
        ck_assert_uint_gt(canaries, 1000);
        ck_assert_uint_lt(canaries, 10000);
        ck_assert_uint_lt(mappings(), 50000);
    }
    for (size_t i = 0; i < n; i++) give(stacks[i]);
    ck_assert_uint_lt(mappings(), 10000);
    for (size_t i = 0; i < n; i++) stacks[i] = take(0); /* their guards count no more */
    for (size_t i = 0; i < n; i++) canaries -= stacks[i].canary != NULL;
    ck_assert_uint_eq(canaries, 0);
    for (size_t i = 0; i < n; i++) give(stacks[i]);
    free(stacks);
}
END_TEST

START_TEST(a_burst_with_canaries) {
    set_way(GUARD_CANARY);
    burst(test_scaled(5000), in_order);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stack");
    TCase *one = tcase_create("one"), *many = tcase_create("many"), *memory = tcase_create("memory"),
          *threads = tcase_create("threads"), *ways = tcase_create("guards");

    tcase_add_test(one, sizes);
    tcase_add_test(one, too_large);
    tcase_add_test(one, the_last_given_is_the_next_taken);
    suite_add_tcase(suite, one);
    tcase_add_test(many, apart_from_each_other);
    tcase_add_test(many, a_hundred_thousand_at_rest);
    tcase_add_test(many, given_back_in_reverse);
    tcase_add_test(many, given_back_here_and_there);
    tcase_add_test(many, a_million_one_after_the_other);
    tcase_add_test(many, at_the_edge_of_what_is_kept);
    suite_add_tcase(suite, many);
    tcase_add_test(memory, out_of_address_space);
    tcase_add_test(memory, no_memory_for_the_pool);
    suite_add_tcase(suite, memory);
    tcase_add_test(threads, a_thread_takes_its_pool_with_it);
    tcase_add_test(threads, several_threads_at_once);
    tcase_add_test(threads, given_back_when_its_thread_has_ended);
    tcase_add_test(threads, given_back_by_another_thread);
    suite_add_tcase(suite, threads);
    tcase_add_test(ways, mappings_are_left_for_others);
    tcase_add_test(ways, a_burst_with_canaries);
    suite_add_tcase(suite, ways);
    return test_main(suite);
}
