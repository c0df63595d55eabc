/*
 * A loop on libevent for the case that runs, and a log of letters.
 *
 *     open_loop(_i);              // 0: a base of its own, 1: on the caller's
 *     ...
 *     ck_assert_str_eq(log_text, "abC");
 */
#ifndef TEST_EVLOOP_H
#define TEST_EVLOOP_H

#include "support.h"

#include <event2/event.h>

extern struct event_base *base; /* the caller's; NULL where the loop has its own */
extern size_t live;             /* blocks of the library's before the loop was made */

void open_loop(int callers);

/* What happened, in its order: a letter each. */
extern char log_text[64];
void note(char c);
void note_free(void *letter); /* for attach */

#endif
