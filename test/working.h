/*
 * A process pool for the case that runs, with the functions below; in the end there must be no process left, no descriptor
 * and no memory. main() begins with promise_process_worker(working_functions).
 *
 *     working_start(_i, POOL(.workers = 2));      // 0: forked, 1: executed
 *     bytes_are(run("echo", "x"), "x");
 *     working_end();
 */
#ifndef TEST_WORKING_H
#define TEST_WORKING_H

#include "children.h"

/* echo: what it is given; reverse; pid; die: by the signal of that number; exit: with that status; hang; spin; garbage; see
 * there. */
extern const struct promise_function working_functions[];
extern const struct promise_domain working_errors, *const working_domains[];
enum { WORKING_ODD = 7 };

extern promise_process_pool_t *pool;

#define POOL(...) ((struct promise_process_options){__VA_ARGS__})
void working_start(int start, struct promise_process_options options);
void working_end(void);

promise_t *run(const char *name, const char *text);
/* Runs the loop until p, consumed, settles: the bytes as text, a rejection with "!" and its message. Good until the next
 * call. */
const char *bytes_of(promise_t *p);
#define bytes_are(p, text) ck_assert_str_eq(bytes_of(p), (text))
/* Runs the loop until there are so many calls that workers have. */
void working_until_running(size_t n);
/* The process of a worker that is idle. */
pid_t working_pid(void);

#endif
