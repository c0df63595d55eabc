/* Functions on other threads. */
#include "tour.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* region: job */
struct count_job {
    char *text;
    size_t words;
};
static void count_job_free(struct count_job *j) {
    free(j->text);
    free(j);
}
PROMISE_DECLARE_TYPE(count_job, struct count_job)
PROMISE_DEFINE_TYPE(count_job, struct count_job, count_job_free)

static promise_value_t count(promise_value_t v, void *arg) { /* on a thread of the pool: it has v to itself */
    struct count_job *j = count_job_of(v);
    (void)arg; /* always NULL: what it needs comes in the value */
    for (const char *c = j->text; *c; c++) j->words += !isspace((unsigned char)*c) && (!c[1] || isspace((unsigned char)c[1]));
    return j->words ? v : promise_throw_errno(EINVAL, "no words in \"%s\"", j->text);
}

static promise_value_t print_count(promise_value_t v, void *arg) { /* on the loop's thread again */
    (void)arg;
    printf("job: %zu words\n", count_job_of(v)->words);
    return promise_void();
}

static promise_t *in_the_background(promise_loop_t *loop) {
    struct count_job *j = calloc(1, sizeof *j);
    if (!j || !(j->text = strdup("as many as there are"))) return promise_from(loop, promise_throw_errno(ENOMEM, "count"));
    return promise_then(promise_work(loop, NULL, count, count_job_value(j)), print_count, NULL);
}
/* end: job */

/* region: cancel */
static promise_value_t count_for_ever(promise_value_t v, void *arg) {
    int64_t n = promise_as_int(v);
    (void)arg;
    while (!promise_work_canceled()) n++; /* asked for as often as it may take to stop */
    return promise_int(n);
}

static promise_value_t explain(promise_value_t v, void *arg) {
    (void)arg;
    return promise_is_timeout(v) ? promise_string("it took too long") : v;
}

static promise_t *not_for_ever(promise_loop_t *loop) {
    promise_t *p = promise_timeout(promise_work(loop, NULL, count_for_ever, promise_int(0)), 10);
    return promise_then(promise_catch(p, explain, NULL), show, "cancel");
}
/* end: cancel */

/* region: many */
static promise_value_t upper(promise_value_t v, void *arg) {
    promise_value_t copy = promise_string(promise_as_string(v));
    (void)arg;
    if (!promise_is_rejection(copy))
        for (char *c = (char *)(uintptr_t)promise_as_string(copy); *c; c++) *c = (char)toupper((unsigned char)*c);
    return copy;
}

static promise_value_t offload(promise_value_t word, void *arg) {
    (void)arg;
    return promise_adopt(promise_work(NULL, NULL, upper, word)); /* the iterator has the word as well: it is copied */
}

static promise_t *many(promise_loop_t *loop) {
    static char *words[] = {"one", "two", "three"};
    return promise_then(promise_map(promise_strings(loop, 3, words), 2, offload, NULL), show, "many");
}
/* end: many */

/* region: steps */
static promise_value_t shout(promise_value_t v, void *arg) {
    (void)arg;
    for (char *c = count_job_of(v)->text; *c; c++) *c = (char)toupper((unsigned char)*c);
    return v;
}

static promise_value_t step_by_step(promise_value_t v, void *text) { /* a coroutine */
    struct count_job *j = calloc(1, sizeof *j);
    promise_value_t r = {0};
    (void)v;
    if (!j || !(j->text = strdup(text))) return promise_throw_errno(ENOMEM, "count");
    if (promise_await(promise_work(NULL, NULL, count, count_job_value(j)), &r) < 0) return r;
    if (promise_await(promise_work(NULL, NULL, shout, promise_value_move(&r)), &r) < 0) return r; /* r alone: EBUSY */
    printf("steps: %s, %zu words\n", count_job_of(r)->text, count_job_of(r)->words);
    promise_value_clear(&r);
    return promise_void();
}

static promise_t *in_steps(promise_loop_t *loop) {
    static char text[] = "one after the other";
    return promise_async(loop, step_by_step, text);
}
/* end: steps */

int main(void) {
    static tour_fn *const parts[] = {in_the_background, not_for_ever, many, in_steps};
    return tour(sizeof parts / sizeof *parts, parts);
}
