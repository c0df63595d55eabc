#include "http_deadline.h"

#include <time.h>

#include <event2/event.h>

uint64_t promise__http_now(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* No matter that libevent reckons from a time that it has cached (R24): who comes early sees it, and waits again. */
static void arm(struct http_deadlines *all, uint64_t due, uint64_t now) {
    uint64_t left = due > now ? due - now : 1, most = INT32_MAX;
    struct timeval tv;

    if (left > most) left = most;
    tv.tv_sec = (time_t)(left / 1000);
    tv.tv_usec = (suseconds_t)(left % 1000 * 1000);
    if (event_add(all->timer, &tv) == 0) all->armed = due;
}

static void take_out(struct http_deadlines *all, struct http_deadline *d) {
    struct http_queue *queue = &all->queues[d->wait];

    *d->link = d->next;
    if (d->next) d->next->link = d->link;
    else queue->last = d->link;
    d->link = NULL;
    d->wait = HTTP_WAIT_NONE;
}

void promise__http_wait(struct http_deadlines *all, struct http_deadline *d, enum http_wait wait) {
    struct http_queue *queue = &all->queues[wait];
    uint64_t now;

    if (d->wait) take_out(all, d);
    if (!wait || queue->ms == UINT64_MAX) return;
    now = promise__http_now();
    d->wait = wait;
    d->due = now > UINT64_MAX - queue->ms - 1 ? UINT64_MAX - 1 : now + queue->ms + 1; /* now is rounded down */
    d->next = NULL;
    d->link = queue->last;
    *queue->last = d;
    queue->last = &d->next;
    if (d->due < all->armed) arm(all, d->due, now);
}

/* What expired() does may put others in, take others out: so one at a time, and from the start. */
static void expire(struct http_deadlines *all, uint64_t now, void (*expired)(struct http_deadline *, enum http_wait)) {
    for (int wait = HTTP_WAIT_NONE + 1; wait < HTTP_WAITS; wait++) {
        struct http_deadline *d;
        while ((d = all->queues[wait].first) && d->due <= now) {
            take_out(all, d);
            expired(d, (enum http_wait)wait);
        }
    }
}

void promise__http_deadlines_due(struct http_deadlines *all, void (*expired)(struct http_deadline *, enum http_wait)) {
    uint64_t now = promise__http_now(), first = UINT64_MAX;

    all->armed = UINT64_MAX;
    expire(all, now, expired);
    for (int wait = HTTP_WAIT_NONE + 1; wait < HTTP_WAITS; wait++) {
        const struct http_deadline *d = all->queues[wait].first;
        if (d && d->due < first) first = d->due;
    }
    if (all->timer && first < all->armed) arm(all, first, now);
}

int promise__http_deadlines_init(struct http_deadlines *all, promise_loop_t *loop, const uint64_t ms[HTTP_WAITS],
                                 void (*timer)(int fd, short what, void *arg), void *arg) {
    *all = (struct http_deadlines){.armed = UINT64_MAX};
    for (int wait = 0; wait < HTTP_WAITS; wait++)
        all->queues[wait] = (struct http_queue){.ms = ms[wait], .last = &all->queues[wait].first};
    all->timer = evtimer_new(promise_loop_base(loop), timer, arg);
    return all->timer ? 0 : -1;
}

void promise__http_deadlines_free(struct http_deadlines *all) {
    if (all->timer) event_free(all->timer);
    all->timer = NULL;
}
