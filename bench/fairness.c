/* Does an endless `return loop()` keep timers from firing (J1)? Both a timer of libevent's and promise_sleep(). */
#include <stdlib.h>

#include <event2/event.h>

#include "bench.h"

enum { TIMES = 200, MS = 10 };

struct watch {
    double due, late[TIMES];
    size_t count;
    struct event *timer; /* libevent's */
    promise_loop_t *loop;
};

static bool stop;
static unsigned long long turns;
static size_t at_work;

static promise_value_t endless(promise_value_t v, void *arg) {
    (void)v;
    turns++;
    return stop ? promise_void() : promise_adopt(promise_try(arg, endless, arg));
}

static void next_due(struct watch *w) { w->due = bench_now() + MS * 1e6; }

/* Gives whether there is more to measure. */
static bool note(struct watch *w) {
    w->late[w->count++] = (bench_now() - w->due) / 1e6;
    if (w->count < TIMES) return true;
    stop = --at_work == 0;
    return false;
}

static void arm(struct watch *w) {
    static const struct timeval tv = {0, MS * 1000};

    next_due(w);
    if (event_add(w->timer, &tv) < 0) bench_fail("event_add");
}

static void fired(evutil_socket_t fd, short what, void *arg) {
    struct watch *w = arg;

    (void)fd, (void)what;
    if (note(w)) arm(w);
}

static promise_t *sleep_on(struct watch *w);

static promise_value_t slept(promise_value_t v, void *arg) {
    struct watch *w = arg;

    return note(w) ? promise_adopt(sleep_on(w)) : v;
}

static promise_t *sleep_on(struct watch *w) {
    next_due(w);
    return promise_then(promise_sleep(w->loop, MS), slept, w);
}

static void give(struct watch *w, struct lateness *l) {
    l->median = bench_median(w->late, TIMES);
    l->nearly_all = w->late[TIMES - 1 - TIMES / 100];
    l->most = w->late[TIMES - 1];
    l->count = TIMES;
    l->turns = turns;
}

void bench_fairness(struct lateness *of_event, struct lateness *of_sleep) {
    static struct watch event, sleeping;
    promise_loop_t *loop = promise_loop_new(NULL);

    event.loop = sleeping.loop = loop;
    event.timer = loop ? evtimer_new(promise_loop_base(loop), fired, &event) : NULL;
    if (!event.timer) bench_fail("no memory for a loop");
    at_work = 2;
    promise_unref(promise_try(loop, endless, loop));
    promise_unref(sleep_on(&sleeping));
    arm(&event);
    if (promise_loop_run(loop, NULL, NULL) < 0) bench_fail("the loop was broken off");
    give(&event, of_event);
    give(&sleeping, of_sleep);
    event_free(event.timer);
    promise_loop_free(loop);
}
