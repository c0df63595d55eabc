/*
 * For the tests of the core: a log of what happened, unhandled rejections too, on the host of trace.h.
 *
 *     tcase_add_checked_fixture(tcase, hosted_start, hosted_end);
 *     ...
 *     promise_unref(promise_then(promise_from(loop, promise_int(5)), see, "a"));
 *     hosted_run();
 *     trace_is("a=5");
 *
 * hosted_end() frees the loop, unless the test has, and checks that the log has nothing that was not expected and that
 * nothing stays allocated. Errors are shown by their messages.
 */
#ifndef TEST_HOSTED_H
#define TEST_HOSTED_H

#include "trace.h"

#include <promise/host.h>

void hosted_start(void);
void hosted_end(void);
void hosted_free(void);        /* frees the loop now */
void hosted_check_clean(void); /* what hosted_end() checks, earlier */

bool hosted_drain(void);          /* once, if it is wanted; gives what promise_loop_drain() gave */
void hosted_run(void);            /* until none is wanted */
void hosted_advance(uint64_t ms); /* the clock: fires what is due and runs */

/* Handlers; arg is the name under which they note what they get, as see() does. */
promise_fn see_void;  /* returns void: a catch that recovers */
promise_fn see_throw; /* returns a rejection with the text "thrown" */
promise_fn give;      /* notes nothing, returns promise_adopt((promise_t *)arg) */

/* p's outcome is noted under that name; p is consumed. */
void watch(promise_t *p, const char *name);
/* The same, as text: "pending", "5", "!canceled". Borrows p. Valid until the second call from now. */
const char *state_of(const promise_t *p);

#endif
