/* A source of one's own: a timer of libevent's that goes on by itself, as an object that gives promises. */
#include "tour.h"

#include <stdio.h>
#include <string.h>

#include <event2/event.h>

/* region: object */
struct pulse {
    struct promise_source source; /* so that it goes with its loop */
    struct event *event;
    int beats;
    struct wait *first, **last; /* who waits for the next beat, in the order of the calls */
};

struct wait {
    struct wait *next;
    struct pulse *pulse;
    promise_resolver_t *resolver;
};
/* end: object */

/* region: settle */
/* Takes a wait out of the list, and frees it: what is left of it is the resolver. */
static promise_resolver_t *take_out(struct wait *wait) {
    promise_resolver_t *resolver = wait->resolver;
    struct pulse *pulse = wait->pulse;
    struct wait **link = &pulse->first;

    while (*link != wait) link = &(*link)->next;
    *link = wait->next;
    if (!*link) pulse->last = link;
    promise_memory_free(wait);
    return resolver;
}

/* libevent calls this. The handlers run in leave, and may do anything: free the pulse, or the loop. */
static void on_beat(evutil_socket_t fd, short what, void *arg) {
    struct pulse *pulse = arg;
    promise_loop_t *loop = pulse->source.loop;

    (void)fd, (void)what;
    pulse->beats++;
    promise_source_enter(loop);
    while (pulse->first) promise_resolve(take_out(pulse->first), promise_int(pulse->beats));
    promise_source_leave(loop);
}
/* end: settle */

/* region: make */
static void pulse_gone(struct promise_source *source);

/* Never NULL (O2). */
static struct pulse *pulse_new(promise_loop_t *loop, int ms) {
    struct pulse *pulse = promise_memory_alloc(sizeof *pulse);
    struct timeval period = {ms / 1000, ms % 1000 * 1000};

    if (!pulse) return promise_source_nomem(loop);
    memset(pulse, 0, sizeof *pulse);
    pulse->last = &pulse->first;
    pulse->event = event_new(promise_loop_base(loop), -1, EV_PERSIST, on_beat, pulse);
    if (pulse->event && event_add(pulse->event, &period) == 0 && promise_source_add(loop, &pulse->source, pulse_gone) == 0)
        return pulse;
    if (pulse->event) event_free(pulse->event);
    promise_memory_free(pulse);
    return promise_source_nomem(loop);
}

/* In this order: who waits is told, libevent lets go of the event, the memory goes. */
static void pulse_end(struct pulse *pulse) {
    while (pulse->first) promise_reject(take_out(pulse->first), promise_throw(&promise_errors, PROMISE_ECLOSED, "the pulse has ended"));
    event_free(pulse->event);
    promise_memory_free(pulse);
}

static void pulse_free(struct pulse *pulse) {
    if (!pulse || promise_source_nomem_loop(pulse)) return;
    promise_source_remove(&pulse->source);
    pulse_end(pulse);
}

/* The loop goes, and the program has not freed it. Whoever waited was cancelled by now; the base is still there. */
static void pulse_gone(struct promise_source *source) { pulse_end((struct pulse *)(void *)source); }
/* end: make */

/* region: next */
/* K2: the promise is rejected already. */
static void wait_stop(void *wait) { promise_abandon(take_out(wait)); }

/* The promise of the next beat. */
static promise_t *pulse_next(struct pulse *pulse) {
    promise_loop_t *none = promise_source_nomem_loop(pulse);
    struct wait *wait;
    promise_t *p;

    if (none) return promise_from(none, promise_out_of_memory());
    wait = promise_memory_alloc(sizeof *wait);
    if (!wait) return promise_from(pulse->source.loop, promise_out_of_memory());
    *wait = (struct wait){.pulse = pulse};
    p = promise_new(pulse->source.loop, &wait->resolver);
    promise_on_cancel(wait->resolver, wait_stop, wait); /* before anything can settle it */
    *pulse->last = wait;
    pulse->last = &wait->next;
    return p;
}
/* end: next */

/* region: use */
static promise_value_t once_more(promise_value_t v, void *pulse) {
    printf("pulse: %d\n", (int)promise_as_int(v));
    return promise_adopt(pulse_next(pulse));
}

static void free_pulse(void *pulse) { pulse_free(pulse); }

static promise_t *use(promise_loop_t *loop) {
    struct pulse *pulse = pulse_new(loop, 5);
    promise_t *p = promise_then(pulse_next(pulse), once_more, pulse);
    p = promise_then(p, once_more, pulse);
    promise_cancel(pulse_next(pulse)); /* nothing of it is left */
    p = promise_then(p, show, "pulse: the last");
    return promise_attach(p, pulse, free_pulse);
}
/* end: use */

int main(void) {
    static tour_fn *const parts[] = {use};
    return tour(sizeof parts / sizeof *parts, parts);
}
