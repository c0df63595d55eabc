/* What the test programs share. */
#ifndef TEST_SUPPORT_H
#define TEST_SUPPORT_H

#include <check.h>
#include <promise.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern promise_loop_t *loop; /* of the case that runs */

/* Runs the suite, each case in a process of its own, and prints TAP on standard output; frees the suite; what main() is to
 * return. The library's memory comes from the functions counted below. */
int test_main(Suite *suite);

/* n, or a fraction of it where every step is slow: under valgrind and the sanitizers, by TEST_DIVIDE in the environment.
 * Never less than 1. */
size_t test_scaled(size_t n);

/* Runs a program of random steps for each seed from 1 to test_scaled(n), or for SEED of the environment alone. */
void test_seeds(void (*run)(uint64_t seed), size_t n);
/* Less than n; the same numbers for the same seed. */
unsigned draw(unsigned n);

/* Makes the nth allocation of the library from now on fail, once: 1 is the next one, 0 none. Around a call, for every n:
 *
 *     size_t n = 0;
 *     do {
 *         test_alloc_fail_at(++n);
 *         ...the call, and what it made freed again...
 *     } while (test_alloc_failed());
 *     test_alloc_fail_at(0);
 */
void test_alloc_fail_at(size_t n);
void test_alloc_fail_from(size_t n); /* the same, but all later ones fail too, until one of these two is called */
bool test_alloc_failed(void);        /* whether that allocation was reached */
size_t test_alloc_live(void);        /* blocks that the library holds now */

/* File descriptors that are open now. */
size_t test_open_fds(void);

/* Calls fn(arg) in a process of its own: it must stop the program (SIGABRT) after a line that contains text. Use the macro:
 * a failure names the line of the test. */
#define test_assert_stops(fn, arg, text) test_assert_stops_at(__FILE__, __LINE__, (fn), (arg), (text))
void test_assert_stops_at(const char *file, int line, void (*fn)(void *arg), void *arg, const char *text);

#endif
