/* Time: sleeping, giving up, ticking, trying again. */
#include "tour.h"

#include <errno.h>
#include <stdio.h>

/* region: timeout */
static promise_value_t too_late(promise_value_t reason, void *arg) {
    (void)arg;
    if (!promise_is_timeout(reason)) return reason; /* another error */
    printf("timeout: %s\n", promise_error_message(reason));
    return promise_void();
}

static promise_t *timeout(promise_loop_t *loop) {
    promise_t *p = promise_sleep(loop, 60000); /* stands for work that takes long; it is stopped */
    return promise_catch(promise_timeout(p, 20), too_late, NULL);
}
/* end: timeout */

/* region: deadline */
static promise_value_t first_step(promise_value_t v, void *deadline) {
    promise_t *p = promise_from(NULL, v); /* stands for work that is quick */
    return promise_adopt(promise_deadline(p, *(uint64_t *)deadline));
}

static promise_value_t second_step(promise_value_t v, void *deadline) {
    promise_t *p = promise_sleep(NULL, 60000); /* and for work that is not: it gets what is left of the time */
    printf("deadline: %s\n", promise_as_string(v));
    return promise_adopt(promise_deadline(p, *(uint64_t *)deadline));
}

static promise_value_t no_time_left(promise_value_t reason, void *arg) {
    (void)arg;
    if (!promise_is_timeout(reason)) return reason;
    printf("deadline: %s\n", promise_error_message(reason));
    return promise_void();
}

static promise_t *deadline(promise_loop_t *loop) {
    static uint64_t deadline; /* outlives the steps */
    deadline = promise_now(loop) + 20;
    promise_t *p = promise_from(loop, promise_string("the second step"));
    p = promise_then(p, first_step, &deadline);
    p = promise_then(p, second_step, &deadline);
    return promise_catch(p, no_time_left, NULL);
}
/* end: deadline */

/* region: ticks */
static promise_value_t tick(promise_value_t number, void *arg) {
    (void)arg;
    if (promise_as_int(number) < 3) return promise_void();
    return promise_throw(&promise_errors, PROMISE_ECLOSED, "enough"); /* ends each: no more ticks */
}

static promise_value_t stopped(promise_value_t reason, void *arg) {
    (void)arg;
    if (!promise_error_is(reason, &promise_errors, PROMISE_ECLOSED)) return reason;
    printf("ticks: %s\n", promise_error_message(reason));
    return promise_void();
}

static promise_t *ticks(promise_loop_t *loop) {
    return promise_catch(promise_each(promise_ticks(loop, 20), 1, tick, NULL), stopped, NULL);
}
/* end: ticks */

/* region: retry */
static promise_value_t try_once(promise_value_t number, void *arg) {
    int64_t n = promise_as_int(number);
    (void)arg;
    printf("retry: try %d\n", (int)n);
    return n < 3 ? promise_throw_errno(EAGAIN, "busy") : promise_string("the third time");
}

static bool is_busy(promise_value_t reason, void *arg) {
    (void)arg;
    return promise_error_is(reason, &promise_errno_errors, EAGAIN);
}

static promise_t *retry(promise_loop_t *loop) {
    static const struct promise_retry_policy policy = {.count = 5, .delay_ms = 10, .again = is_busy};
    return promise_then(promise_retry(loop, &policy, try_once, NULL), show, "retry");
}
/* end: retry */

int main(void) {
    static tour_fn *const parts[] = {timeout, deadline, ticks, retry};
    return tour(sizeof parts / sizeof *parts, parts);
}
