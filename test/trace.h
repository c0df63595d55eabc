/*
 * What happened, in order, as words of a line; values as text; and sources that say when they are stopped.
 *
 *     promise_unref(traced(p, "p"));
 *     ...
 *     trace_is("stop:a p=!canceled");
 */
#ifndef TEST_TRACE_H
#define TEST_TRACE_H

#include "fakehost.h"
#include "support.h"

#include <promise.h>

/* The host of the case that runs; the fixture that opens and closes it and its loop. */
extern struct fakehost host;
void setup(void);
void teardown(void);

/* Adds a word. */
void trace(const char *format, ...) PROMISE_FORMAT(1, 2);
/* The words since the last call. */
const char *trace_take(void);
#define trace_is(text) ck_assert_str_eq(trace_take(), (text))

/* v as text: 5, hello, -, end, [1,2], {a:1}; a rejection as !reason, of which an error is one of: canceled, timedout,
 * abandoned, cycle, aggregate[...], another domain's name and code, as in errno22. Good until the second call from now. */
const char *shown(promise_value_t v);
extern bool trace_messages; /* errors are shown by their messages instead */

/* Handlers that take a word as their arg, and pass on what they get (V1, V2). */
promise_fn trace_word; /* adds arg */
promise_fn see;        /* adds arg=value */
/* A handler that adds arg+, and arg- when the ten milliseconds of the promise that it gives are over. */
promise_fn trace_slowly;
/* p with see() as its handlers under that name; p is consumed. */
promise_t *traced(promise_t *p, const char *name);
/* A free function that adds free:word. */
void trace_free(void *word);
/* A rejection whose reason is this text. */
promise_value_t throw_text(const char *text);

/* Lets time pass until p, consumed, settles; its outcome must be that text, or p must stay pending for the text "pending". */
#define expect(p, text) expect_on(&host, (p), (text))
#define expect_on(host, p, text) ck_assert_str_eq(outcome_of((host), (p)), (text))
const char *outcome_of(struct fakehost *on, promise_t *p);

/* A pending promise, whose stop function adds stop:name and abandons the resolver. */
struct source {
    const char *name;
    promise_resolver_t *resolver; /* NULL once it is used */
};
promise_t *source_open(promise_loop_t *on, struct source *source, const char *name);
/* Only where it is neither stopped nor settled. */
void source_resolve(struct source *source, promise_value_t v);
void source_reject(struct source *source, const char *text);

#endif
