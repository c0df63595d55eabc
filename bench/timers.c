/* A million timers of one span: made, fired, freed. Sleeps, and beside them libevent's own, each an event on the heap, which
 * is what they replace. */
#include <stdlib.h>

#include <event2/event.h>

#include "bench.h"

enum { MS = 1 };

void bench_sleep(promise_loop_t *loop, size_t steps) {
    for (size_t i = 0; i < steps; i++) promise_unref(promise_then(promise_sleep(loop, MS), bench_count, NULL));
    bench_settle(loop);
    bench_expect(steps);
}

static void fired(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    event_free(*(struct event **)arg);
    bench_count(promise_void(), NULL);
}

static void events(struct event_base *base, size_t steps, const struct timeval *span) {
    static struct event *all[MILLION];

    for (size_t i = 0; i < steps; i++) {
        all[i] = evtimer_new(base, fired, &all[i]);
        if (!all[i] || event_add(all[i], span) < 0) bench_fail("no memory for an event");
    }
    if (event_base_dispatch(base) < 0) bench_fail("event_base_dispatch");
    bench_expect(steps);
}

static const struct timeval span = {0, 1000 * MS};

void bench_event_timer(promise_loop_t *loop, size_t steps) { events(promise_loop_base(loop), steps, &span); }

void bench_event_common(promise_loop_t *loop, size_t steps) {
    struct event_base *base = promise_loop_base(loop);

    events(base, steps, event_base_init_common_timeout(base, &span));
}
