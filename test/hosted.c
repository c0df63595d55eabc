#include "hosted.h"

#include <promise/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

promise_loop_t *loop;
unsigned wakes, again_wakes;
bool wanted;

static size_t live_before;
static char history[8192];
static bool gone;

/* ---- the host ---- */

struct timer {
    struct timer *next;
    uint64_t due;
    void (*fire)(void *arg);
    void *arg;
};
static struct timer *timers;
static uint64_t clock_ms;

static void host_wake(void *data, bool again) {
    (void)data;
    ck_assert_msg(!wanted, "woken twice before a drain");
    wanted = true;
    wakes++;
    again_wakes += again;
}

static uint64_t host_now(void *data) { return (void)data, clock_ms; }

static void *host_after(void *data, uint64_t ms, void (*fire)(void *arg), void *arg) {
    struct timer *t = malloc(sizeof *t);

    (void)data;
    ck_assert_ptr_nonnull(t);
    *t = (struct timer){timers, clock_ms + ms, fire, arg};
    return timers = t;
}

static void host_cancel_after(void *data, void *timer) {
    struct timer **link = &timers, *t = timer;

    (void)data;
    while (*link != t) link = &(*link)->next;
    *link = t->next;
    free(t);
}

static void host_gone(void *data) {
    (void)data;
    ck_assert_msg(!gone, "gone twice");
    gone = true;
}

static const struct promise_host host = {sizeof host, host_wake, host_now, host_after, host_cancel_after, host_gone};

bool hosted_drain(void) {
    if (!wanted) return false;
    wanted = false;
    return promise_loop_drain(loop);
}

void hosted_run(void) {
    while (wanted) hosted_drain();
}

static struct timer *first_due(void) {
    struct timer *t = timers;

    while (t && t->due > clock_ms) t = t->next;
    return t;
}

void hosted_advance(uint64_t ms) {
    struct timer *t;

    clock_ms += ms;
    while ((t = first_due())) { /* one may take others away */
        void (*fire)(void *) = t->fire;
        void *arg = t->arg;
        host_cancel_after(NULL, t);
        fire(arg);
    }
    hosted_run();
}

/* ---- the log ---- */

void note(const char *format, ...) {
    size_t used = strlen(history);
    va_list args;

    if (used && used + 1 < sizeof history) history[used++] = ' ';
    va_start(args, format);
    vsnprintf(history + used, sizeof history - used, format, args);
    va_end(args);
}

void expect_at(const char *file, int line, const char *text) {
    char got[sizeof history];

    memcpy(got, history, sizeof history);
    history[0] = 0;
    if (strcmp(got, text)) ck_abort_msg("%s:%d:\n  expected: %s\n  got:      %s", file, line, text, got);
}

static const char *text_of(promise_value_t v) {
    static char text[256];

    if (!promise_is_rejection(v)) promise_print(v, text, sizeof text);
    else if (promise_error_domain(v) != &promise_value_errors)
        snprintf(text, sizeof text, "!%s", promise_error_message(v));
    else {
        text[0] = '!';
        promise_print(promise_reason(v), text + 1, sizeof text - 1);
    }
    return text;
}

const char *state_of(const promise_t *p) {
    return promise_get_state(p) == PROMISE_PENDING ? "pending" : text_of(promise_peek(p));
}

promise_value_t see(promise_value_t v, void *name) {
    note("%s=%s", (const char *)name, text_of(v));
    return v;
}
promise_value_t see_void(promise_value_t v, void *name) {
    see(v, name);
    return promise_void();
}
promise_value_t see_throw(promise_value_t v, void *name) {
    see(v, name);
    return promise_throw_value(promise_string("thrown"));
}
promise_value_t give(promise_value_t v, void *p) {
    (void)v;
    return promise_adopt(p);
}
void see_free(void *name) { note("free:%s", (const char *)name); }

static promise_value_t watched(promise_value_t v, void *name) {
    see(v, name);
    return promise_void();
}
void watch(promise_t *p, const char *name) {
    promise_unref(promise_then_catch(p, watched, watched, (void *)(uintptr_t)name));
}

static void unhandled(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)p, (void)arg;
    note("%s=%s", event == PROMISE_UNHANDLED ? "unhandled" : "late", text_of(reason));
}

/* ---- something that settles later ---- */

static void work_stop(void *arg) {
    struct work *work = arg;
    promise_resolver_t *resolver = work->resolver;

    note("stop:%s", work->name);
    work->resolver = NULL;
    promise_abandon(resolver);
}

promise_t *work_start(struct work *work, const char *name) {
    promise_t *p = promise_new(loop, &work->resolver);

    work->name = name;
    promise_on_cancel(work->resolver, work_stop, work);
    return p;
}

void work_done(struct work *work, promise_value_t v) {
    promise_resolver_t *resolver = work->resolver;

    work->resolver = NULL;
    promise_resolve(resolver, v);
}

/* ---- the fixture ---- */

void hosted_start(void) {
    live_before = test_alloc_live();
    history[0] = 0;
    wanted = gone = false;
    wakes = again_wakes = 0;
    timers = NULL;
    loop = promise_loop_new_hosted(&host, NULL);
    ck_assert_ptr_nonnull(loop);
    promise_loop_on_unhandled(loop, unhandled, NULL);
}

void hosted_free(void) {
    promise_loop_free(loop);
    loop = NULL;
    ck_assert_msg(gone, "the host was not told that the loop is gone");
}

void hosted_check_clean(void) {
    if (loop) hosted_free();
    expect("");
    ck_assert_ptr_null(timers);
    ck_assert_uint_eq(test_alloc_live(), live_before);
}

void hosted_end(void) { hosted_check_clean(); }
