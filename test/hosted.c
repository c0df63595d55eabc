#include "hosted.h"

/* ---- the host ---- */

bool hosted_drain(void) { return fakehost_drain_once(&host); }
void hosted_run(void) { fakehost_drain(&host); }

void hosted_advance(uint64_t ms) {
    fakehost_jump(&host, ms);
    fakehost_drain(&host);
}

/* ---- the log ---- */

const char *state_of(const promise_t *p) {
    return promise_get_state(p) == PROMISE_PENDING ? "pending" : shown(promise_peek(p));
}

promise_value_t see_void(promise_value_t v, void *name) {
    see(v, name);
    return promise_void();
}
promise_value_t see_throw(promise_value_t v, void *name) {
    see(v, name);
    return throw_text("thrown");
}
promise_value_t give(promise_value_t v, void *p) {
    (void)v;
    return promise_adopt(p);
}

void watch(promise_t *p, const char *name) {
    promise_unref(promise_then_catch(p, see_void, see_void, (void *)(uintptr_t)name));
}

static void unhandled(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)p, (void)arg;
    see(reason, event == PROMISE_UNHANDLED ? "unhandled" : "late");
}

/* ---- the fixture ---- */

void hosted_start(void) {
    setup();
    trace_take();
    trace_messages = true;
    promise_loop_on_unhandled(loop, unhandled, NULL);
}

void hosted_free(void) {
    promise_loop_free(loop);
    loop = NULL;
    ck_assert_msg(host.gone, "the host was not told that the loop is gone");
}

void hosted_check_clean(void) {
    if (loop) hosted_free();
    trace_is("");
    teardown();
}

void hosted_end(void) { hosted_check_clean(); }
