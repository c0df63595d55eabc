#include "fakehost.h"

#include "support.h"

#include <stdlib.h>
#include <string.h>

struct fakehost_timer {
    struct fakehost_timer *next;
    uint64_t due;
    void (*fire)(void *arg);
    void *arg;
};

/* ---- the host ---- */

static void host_wake(void *data, bool again) {
    struct fakehost *host = data;

    ck_assert_msg(!host->gone, "wake was called after gone");
    ck_assert_msg(!host->wanted, "wake was called twice before the drain");
    host->wanted = true;
    host->wakes++;
    host->again += again;
}

static uint64_t host_now(void *data) { return ((struct fakehost *)data)->now; }

static void *host_after(void *data, uint64_t ms, void (*fire)(void *arg), void *arg) {
    struct fakehost *host = data;
    struct fakehost_timer *timer, **link = &host->first;

    ck_assert_msg(!host->gone, "after was called after gone");
    if (host->no_timers) return NULL;
    timer = malloc(sizeof *timer);
    if (!timer) return NULL;
    *timer = (struct fakehost_timer){.due = host->now + ms < ms ? UINT64_MAX : host->now + ms, .fire = fire, .arg = arg};
    if (host->first && host->last->due <= timer->due) link = &host->last->next;
    while (*link && (*link)->due <= timer->due) link = &(*link)->next;
    timer->next = *link;
    *link = timer;
    if (!timer->next) host->last = timer;
    host->timers++;
    return timer;
}

static void take_out(struct fakehost *host, struct fakehost_timer *timer) {
    struct fakehost_timer **link = &host->first, *before = NULL;

    while (*link && *link != timer) before = *link, link = &before->next;
    ck_assert_msg(*link != NULL, "a timer was cancelled that is not armed");
    *link = timer->next;
    if (host->last == timer) host->last = before;
    host->timers--;
}

static void host_cancel_after(void *data, void *timer) {
    take_out(data, timer);
    free(timer);
}

static void host_gone(void *data) {
    struct fakehost *host = data;

    ck_assert_msg(!host->gone, "gone was called twice");
    host->gone = true;
}

static const struct promise_host with_clock = {
    .size = sizeof with_clock,
    .wake = host_wake,
    .now = host_now,
    .after = host_after,
    .cancel_after = host_cancel_after,
    .gone = host_gone,
};
const struct promise_host *const fakehost_functions = &with_clock;
static const struct promise_host without_clock = {.size = sizeof without_clock, .wake = host_wake, .gone = host_gone};

/* ---- make and free ---- */

static void count_unhandled(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    struct fakehost *host = arg;

    (void)p, (void)reason;
    if (event == PROMISE_UNHANDLED) host->unhandled++;
    else host->late++;
}

promise_loop_t *fakehost_open_with(struct fakehost *host, const struct promise_host *functions) {
    memset(host, 0, sizeof *host);
    host->live_before = test_alloc_live();
    host->loop = promise_loop_new_hosted(functions, host);
    ck_assert_ptr_nonnull(host->loop);
    promise_loop_on_unhandled(host->loop, count_unhandled, host);
    return host->loop;
}

promise_loop_t *fakehost_open(struct fakehost *host) { return fakehost_open_with(host, &with_clock); }
promise_loop_t *fakehost_open_without_clock(struct fakehost *host) { return fakehost_open_with(host, &without_clock); }

void fakehost_close(struct fakehost *host) {
    if (!host->gone) promise_loop_free(host->loop);
    ck_assert_msg(host->gone, "the loop was freed, and gone was not called");
    ck_assert_uint_eq(host->timers, 0);
    ck_assert_uint_eq(test_alloc_live(), host->live_before);
}

/* ---- time ---- */

bool fakehost_drain_once(struct fakehost *host) {
    if (!host->wanted || host->gone) return false;
    host->wanted = false;
    return promise_loop_drain(host->loop);
}

void fakehost_drain(struct fakehost *host) {
    while (host->wanted && !host->gone) fakehost_drain_once(host);
}

static void fire_first(struct fakehost *host) {
    struct fakehost_timer *timer = host->first;

    if (host->now < timer->due) host->now = timer->due;
    take_out(host, timer);
    timer->fire(timer->arg);
    free(timer);
}

void fakehost_advance(struct fakehost *host, uint64_t ms) {
    uint64_t end = host->now + ms;

    fakehost_drain(host);
    while (host->first && host->first->due <= end) {
        fire_first(host);
        fakehost_drain(host);
    }
    host->now = end;
}

void fakehost_jump(struct fakehost *host, uint64_t ms) {
    host->now += ms;
    while (host->first && host->first->due <= host->now) fire_first(host);
}

bool fakehost_next_timer(struct fakehost *host) {
    fakehost_drain(host);
    if (!host->first) return false;
    fire_first(host);
    fakehost_drain(host);
    return true;
}

bool fakehost_settle(struct fakehost *host, const promise_t *p) {
    fakehost_drain(host);
    while (promise_get_state(p) == PROMISE_PENDING)
        if (!fakehost_next_timer(host)) return false;
    return true;
}
