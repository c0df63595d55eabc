/*
 * Loops on threads for the case that runs; in the end there must be no memory left, and no descriptor.
 *
 *     open_loops(&three);
 *     ck_assert_int_eq(promise_as_int(outcome(promise_loops_run(loop, loops, where, promise_void()))), 0);
 *     close_loops();
 */
#ifndef TEST_LOOPING_H
#define TEST_LOOPING_H

#include <promise.h>
#include <stdatomic.h>

#include "support.h"

enum { N = 3 };

extern promise_loops_t *loops;
extern const struct promise_loops_options three;

void open_loops(const struct promise_loops_options *options);
void close_loops(void);

/* Good until the next one. */
promise_value_t outcome(promise_t *p);
#define ck_error(p, domain, code)                                                                                              \
    do {                                                                                                                       \
        promise_value_t v_ = outcome(p);                                                                                       \
        ck_assert_msg(promise_error_is(v_, &(domain), (code)), "%s", promise_error_message(v_));                               \
    } while (0)

/* A box, and how many of them have been freed. */
promise_value_t counted(void);
extern atomic_size_t freed;

/* On a loop: its number; what it was given; a very long time. */
promise_fn where, give, sleep_long;
/* An init, which fails on number 1, and how often it ran. */
promise_fn init_counted;
extern atomic_int inits;

#endif
