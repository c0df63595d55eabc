#include "looping.h"

#include <errno.h>

promise_loops_t *loops;
const struct promise_loops_options three = {.threads = N};
atomic_size_t freed;
atomic_int inits;

static size_t live, fds;
static promise_value_t last; /* outcome */

void open_loops(const struct promise_loops_options *options) {
    live = test_alloc_live();
    fds = test_open_fds();
    loop = promise_loop_new(NULL);
    loops = promise_loops_new(options);
    ck_assert_ptr_nonnull(loops);
}

void close_loops(void) {
    promise_value_clear(&last);
    promise_loops_free(loops);
    if (loop) promise_loop_free(loop);
    ck_assert_uint_eq(test_alloc_live(), live);
    ck_assert_uint_eq(test_open_fds(), fds);
}

static void count_free(void *arg) {
    (void)arg;
    atomic_fetch_add(&freed, 1);
}
promise_value_t counted(void) { return promise_box(&freed, count_free); }

promise_value_t outcome(promise_t *p) {
    promise_loop_run(loop, p, &last);
    return last;
}

promise_value_t where(promise_value_t v, void *arg) {
    (void)v;
    ck_assert_ptr_null(arg);
    return promise_int((int64_t)promise_loops_here(loops));
}

promise_value_t give(promise_value_t v, void *arg) {
    (void)arg;
    return v;
}

/* H3: each gets a copy; what cannot be copied starts none of them. */

promise_value_t sleep_long(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_sleep(NULL, 1000000));
}

promise_value_t init_counted(promise_value_t v, void *arg) {
    (void)arg;
    atomic_fetch_add(&inits, 1);
    return promise_as_int(v) == 1 ? promise_throw_errno(EIO, "init") : promise_adopt(promise_sleep(NULL, 1));
}
