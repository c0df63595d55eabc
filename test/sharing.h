/*
 * A channel between threads and two loops, both of this thread, so that each step is known; in the end there must be no memory
 * left, and no descriptor.
 *
 *     open_all(1);
 *     sent(7);
 *     received(other, 7);
 *     close_all();
 */
#ifndef TEST_SHARING_H
#define TEST_SHARING_H

#include <promise.h>

#include "support.h"

extern promise_loop_t *other; /* beside loop */
extern promise_shared_channel_t *ch;
extern size_t freed; /* boxes */

void open_all(size_t capacity);
void close_other(void);
void close_all(void);
void turn(int n);              /* of both loops */
promise_value_t counted(void); /* a box */

/* p, whose rejection is looked at by us. */
promise_t *watched(promise_t *p);
promise_t *send_int(promise_loop_t *l, int n);
promise_t *receive(promise_loop_t *l);
/* At once. */
void sent(int n);
void received(promise_loop_t *l, int n);

#define ck_pending(p) ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING)
#define ck_is_int(p, n) ck_assert_int_eq(promise_as_int(promise_peek(p)), (n))
#define ck_is_end(p) ck_assert(promise_is_end(promise_peek(p)))
#define ck_fails(p, domain, code)                                                                                              \
    ck_assert_msg(promise_error_is(promise_peek(p), &(domain), (code)), "%s", promise_error_message(promise_peek(p)))

#endif
