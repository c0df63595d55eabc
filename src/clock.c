/* The clock of the host on libevent: all its timers by one event, the alarm. */
#include <time.h>

#include <event2/event.h>

#include "loop.h"

#define NEVER UINT64_MAX
#define LONGEST ((uint64_t)INT32_MAX * 1000) /* milliseconds; 68 years: no time_t overflows */

static uint64_t now_us(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Sets the alarm, unless it rings early enough: a timer that was cancelled leaves it as it is, so that a million timeouts that
 * are never reached cost it nothing; it looks again when it rings. Without timers it must be gone (J3).
 * From now, not from the time that the base cached when its callbacks began (R24). */
static void set_alarm(struct event_host *h, uint64_t now) {
    const struct timer *t = promise__timer_first(&h->timers);
    uint64_t left;

    if (h->firing || (t ? h->rings <= t->due : h->rings == NEVER)) return;
    h->rings = t ? t->due : NEVER;
    if (!t) {
        event_del(h->alarm);
        return;
    }
    left = t->due > now ? t->due - now : 0;
    event_base_update_cache_time(h->base);
    if (event_add(h->alarm, &(struct timeval){(time_t)(left / 1000000), (suseconds_t)(left % 1000000)}) == 0) return;
    event_active(h->alarm, EV_TIMEOUT, 0); /* no memory: it looks again and again */
}

/* What is due is what was there when it rang: timers that are made meanwhile come later (R9). They have as much of a turn as
 * jobs have, a budget; then libevent has its own (J1). */
static void alarm_rings(evutil_socket_t fd, short what, void *arg) {
    struct event_host *h = arg;
    uint64_t now = now_us(), sequence = h->timers.sequence;
    unsigned left = h->loop->budget;
    struct timer *t;

    (void)fd, (void)what;
    h->depth++;
    h->firing = true;
    h->rings = NEVER;
    while (h->loop && left-- && (t = promise__timer_first(&h->timers)) && t->due <= now && t->sequence < sequence) {
        void (*fire)(void *) = t->fire;
        void *fire_arg = t->arg;
        promise__timer_remove(&h->timers, t);
        h->loop->woken = true; /* the drain is here (J2) */
        fire(fire_arg);
        if (promise__host_run_jobs(h)) break;
    }
    h->firing = false;
    if (h->loop) set_alarm(h, now_us());
    promise__host_leave(h);
}

static struct timer *started(struct event_host *h, struct timer *t, uint64_t now) {
    if (t) set_alarm(h, now);
    return t;
}

uint64_t promise__clock_now(void *host) {
    (void)host;
    return now_us() / 1000;
}

void *promise__clock_after(void *host, uint64_t ms, void (*fire)(void *arg), void *arg) {
    struct event_host *h = host;
    uint64_t now = now_us(), span = 1000 * (ms < LONGEST ? ms : LONGEST);

    return started(h, promise__timer_after(&h->timers, now, span, fire, arg), now);
}

void *promise__clock_at(void *host, uint64_t ms, void (*fire)(void *arg), void *arg) {
    struct event_host *h = host;
    uint64_t now = now_us(), due = ms > LONGEST ? now + 1000 * LONGEST : ms * 1000;

    return started(h, promise__timer_at(&h->timers, due > now ? due : now, fire, arg), now);
}

void promise__clock_cancel(void *host, void *timer) {
    struct event_host *h = host;

    promise__timer_remove(&h->timers, timer);
    if (!h->timers.count) set_alarm(h, 0);
}

int promise__clock_open(struct event_host *h) {
    h->rings = NEVER;
    h->alarm = evtimer_new(h->base, alarm_rings, h);
    return h->alarm ? 0 : -1;
}

void promise__clock_close(struct event_host *h) {
    event_free(h->alarm);
    promise__timer_queue_free(&h->timers);
}
