#include "sharing.h"

promise_loop_t *other;
promise_shared_channel_t *ch;
size_t freed;

static size_t live, fds;

void open_all(size_t capacity) {
    live = test_alloc_live();
    fds = test_open_fds();
    loop = promise_loop_new(NULL);
    other = promise_loop_new(NULL);
    ch = promise_shared_channel_new(capacity);
    ck_assert_ptr_nonnull(ch);
}

void close_other(void) {
    promise_loop_free(other);
    other = NULL;
}

void close_all(void) {
    promise_shared_channel_unref(ch);
    if (other) promise_loop_free(other);
    if (loop) promise_loop_free(loop);
    ck_assert_uint_eq(test_alloc_live(), live);
    ck_assert_uint_eq(test_open_fds(), fds);
}

void turn(int n) {
    while (n--) {
        if (other) promise_loop_turn(other);
        if (loop) promise_loop_turn(loop);
    }
}

static void count_free(void *arg) { ++*(size_t *)arg; }
promise_value_t counted(void) { return promise_box(&freed, count_free); }


static promise_value_t ignore(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}
promise_t *watched(promise_t *p) {
    promise_unref(promise_catch(promise_ref(p), ignore, NULL));
    return p;
}
promise_t *send_int(promise_loop_t *l, int n) { return watched(promise_shared_send(l, ch, promise_int(n))); }
promise_t *receive(promise_loop_t *l) { return watched(promise_shared_receive(l, ch)); }
void sent(int n) {
    promise_t *p = send_int(loop, n);
    ck_assert_int_eq(promise_get_state(p), PROMISE_FULFILLED);
    promise_unref(p);
}
void received(promise_loop_t *l, int n) {
    promise_t *p = receive(l);
    ck_is_int(p, n);
    promise_unref(p);
}
