/*
 * For the tests of the core: a loop on a host of ten lines, and a log of what happened, in its order.
 *
 *     tcase_add_checked_fixture(tcase, hosted_start, hosted_end);
 *     ...
 *     promise_unref(promise_then(promise_from(loop, promise_int(5)), see, "a"));
 *     hosted_run();
 *     expect("a=5");
 *
 * Unhandled rejections are noted too. hosted_end() frees the loop, unless the test has, and checks that the log has nothing
 * that was not expected and that nothing stays allocated.
 */
#ifndef TEST_HOSTED_H
#define TEST_HOSTED_H

#include <promise.h>
#include <promise/host.h>

#include "support.h"

extern promise_loop_t *loop;         /* of the case that runs */
extern unsigned wakes, again_wakes;  /* calls of the host's wake so far, and those of them that said again */
extern bool wanted;                  /* it was called since the last drain */

void hosted_start(void);
void hosted_end(void);
void hosted_free(void);        /* frees the loop now */
void hosted_check_clean(void); /* what hosted_end() checks, earlier */

bool hosted_drain(void);            /* once, if it is wanted; gives what promise_loop_drain() gave */
void hosted_run(void);              /* until none is wanted */
void hosted_advance(uint64_t ms);   /* the clock: fires what is due and runs */

/* ---- the log ---- */

void note(const char *format, ...) PROMISE_FORMAT(1, 2);
/* The log is this text, and is empty from here on. Entries are separated by one space. */
#define expect(text) expect_at(__FILE__, __LINE__, (text))
void expect_at(const char *file, int line, const char *text);

/* Handlers; arg is the name under which they note what they get: "name=5", "name=!canceled" for a rejection. */
promise_fn see;        /* returns what it got */
promise_fn see_void;   /* returns void: a catch that recovers */
promise_fn see_throw;  /* returns a rejection with the text "thrown" */
promise_fn give;       /* notes nothing, returns promise_adopt((promise_t *)arg) */
void see_free(void *name); /* for attach: notes "free:name" */

/* p's outcome is noted under that name; p is consumed. */
void watch(promise_t *p, const char *name);
/* The same, as text: "pending", "5", "!canceled". Borrows p. Valid until the next call. */
const char *state_of(const promise_t *p);

/* ---- something that settles later ---- */

struct work {
    const char *name;
    promise_resolver_t *resolver; /* NULL once it is done or stopped */
};
/* A pending promise; a cancel that reaches it notes "stop:name" and abandons the resolver. */
promise_t *work_start(struct work *work, const char *name);
void work_done(struct work *work, promise_value_t v);

#endif
