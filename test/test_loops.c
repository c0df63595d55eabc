/* Loops on threads: starting, work, failures to start, the graceful end and the sudden one (H2, J5, R15). */
#include "support.h"

#include <errno.h>
#include <event2/event.h>
#include <promise.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { N = 3 };

static promise_loops_t *loops;
static size_t live, fds;
static atomic_size_t freed;
static promise_value_t last; /* outcome */

static void open_loops(const struct promise_loops_options *options) {
    live = test_alloc_live();
    fds = test_open_fds();
    loop = promise_loop_new(NULL);
    loops = promise_loops_new(options);
    ck_assert_ptr_nonnull(loops);
}

static void close_loops(void) {
    promise_value_clear(&last);
    promise_loops_free(loops);
    if (loop) promise_loop_free(loop);
    ck_assert_uint_eq(test_alloc_live(), live);
    ck_assert_uint_eq(test_open_fds(), fds);
}

static const struct promise_loops_options three = {.threads = N};

static void count_free(void *arg) {
    (void)arg;
    atomic_fetch_add(&freed, 1);
}
static promise_value_t counted(void) { return promise_box(&freed, count_free); }

/* Good until the next one. */
static promise_value_t outcome(promise_t *p) {
    promise_loop_run(loop, p, &last);
    return last;
}
#define ck_error(p, domain, code)                                                                                              \
    do {                                                                                                                       \
        promise_value_t v_ = outcome(p);                                                                                       \
        ck_assert_msg(promise_error_is(v_, &(domain), (code)), "%s", promise_error_message(v_));                               \
    } while (0)

static promise_value_t where(promise_value_t v, void *arg) {
    (void)v;
    ck_assert_ptr_null(arg);
    return promise_int((int64_t)promise_loops_here(loops));
}

/* ---- work ---- */

START_TEST(H2_each_of_them_runs_functions) {
    int seen[N] = {0};
    promise_value_t v;

    open_loops(&three);
    ck_assert_uint_eq(promise_loops_count(loops), N);
    ck_assert_uint_eq(promise_loops_here(loops), SIZE_MAX);
    ck_assert(promise_is_void(promise_loops_error(loops)));
    for (size_t i = 0; i < N; i++)
        ck_assert_int_eq(promise_as_int(outcome(promise_loops_run_on(loop, loops, i, where, promise_void()))), (int64_t)i);
    for (int i = 0; i < N; i++) seen[promise_as_int(outcome(promise_loops_run(loop, loops, where, promise_void())))]++;
    for (int i = 0; i < N; i++) ck_assert_int_eq(seen[i], 1); /* in turn */
    v = outcome(promise_loops_all(loop, loops, where, promise_void()));
    ck_assert_uint_eq(promise_list_size(v), N);
    for (size_t i = 0; i < N; i++) ck_assert_int_eq(promise_as_int(promise_list_get(v, i)), (int64_t)i);
    ck_error(promise_loops_run_on(loop, loops, N, where, promise_void()), promise_errno_errors, EINVAL);
    ck_assert_ptr_null(promise_loops_mailbox(loops, N));
    v = outcome(promise_call(loop, promise_loops_mailbox(loops, 1), where, promise_void()));
    ck_assert_int_eq(promise_as_int(v), 1);
    close_loops();
}
END_TEST

static promise_value_t sleep_long(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_sleep(NULL, 1000000));
}

/* Who is busy is left out. */
START_TEST(the_one_with_the_fewest_calls) {
    promise_t *busy[2];

    open_loops(&three);
    busy[0] = promise_loops_run_on(loop, loops, 0, sleep_long, promise_void());
    busy[1] = promise_loops_run_on(loop, loops, 2, sleep_long, promise_void());
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(promise_as_int(outcome(promise_loops_run(loop, loops, where, promise_void()))), 1);
    promise_cancel(busy[0]);
    promise_cancel(busy[1]);
    close_loops();
}
END_TEST

static promise_value_t give(promise_value_t v, void *arg) {
    (void)arg;
    return v;
}

/* H3: each gets a copy; what cannot be copied starts none of them. */
START_TEST(H3_a_copy_for_each) {
    promise_value_t item, v;

    open_loops(&three);
    item = promise_string("for all");
    v = outcome(promise_loops_all(loop, loops, give, promise_list(1, &item)));
    for (size_t i = 0; i < N; i++) ck_assert_str_eq(promise_as_string(promise_list_get(promise_list_get(v, i), 0)), "for all");
    ck_error(promise_loops_all(loop, loops, give, counted()), promise_errno_errors, EBUSY);
    ck_assert_uint_eq(atomic_load(&freed), 1);
    close_loops();
}
END_TEST

static promise_value_t ask_round(promise_value_t v, void *arg) {
    size_t next = (promise_loops_here(loops) + 1) % N;
    int64_t left = promise_as_int(v);

    (void)arg;
    if (!left) return promise_int((int64_t)promise_loops_here(loops));
    return promise_adopt(promise_loops_run_on(NULL, loops, next, ask_round, promise_int(left - 1)));
}
START_TEST(H2_they_call_each_other) {
    open_loops(&three);
    ck_assert_int_eq(promise_as_int(outcome(promise_loops_run_on(loop, loops, 0, ask_round, promise_int(3001)))), 3001 % N);
    close_loops();
}
END_TEST

/* ---- threads ---- */

static promise_value_t thread_name(promise_value_t v, void *arg) {
    char name[16] = "";

    (void)v, (void)arg;
    pthread_getname_np(pthread_self(), name, sizeof name);
    return promise_string(name);
}
static promise_value_t blocked(promise_value_t v, void *arg) {
    sigset_t set;

    (void)v, (void)arg;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    return promise_int(sigismember(&set, SIGTERM) * 100 + sigismember(&set, SIGCHLD) * 10 + sigismember(&set, SIGSEGV));
}
START_TEST(names_and_signals) {
    promise_value_t v;
    sigset_t set;

    open_loops(&(struct promise_loops_options){.threads = 12, .name = "a-name-too-long", .stack_size = 1 << 20});
    v = outcome(promise_loops_run_on(loop, loops, 11, thread_name, promise_void()));
    ck_assert_str_eq(promise_as_string(v), "a-name-too-11");
    v = outcome(promise_loops_run(loop, loops, blocked, promise_void()));
    ck_assert_int_eq(promise_as_int(v), 110);
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    ck_assert_int_eq(sigismember(&set, SIGTERM), 0);
    close_loops();
    open_loops(NULL); /* one for each processor */
    ck_assert_uint_ge(promise_loops_count(loops), 1);
    v = outcome(promise_loops_run_on(loop, loops, 0, thread_name, promise_void()));
    ck_assert_str_eq(promise_as_string(v), "loop-0");
    close_loops();
}
END_TEST

static promise_value_t processor_time(promise_value_t v, void *arg) { /* of the thread, in microseconds */
    struct timespec t;

    (void)v, (void)arg;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return promise_int((int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000);
}
/* Processor time, not that of the clock: a thread that looks again and again takes most of it, however busy the machine. */
START_TEST(idle_threads_wait) {
    enum { WAIT_MS = 200 };
    int64_t used[N];

    open_loops(&three);
    for (size_t i = 0; i < N; i++)
        used[i] = promise_as_int(outcome(promise_loops_run_on(loop, loops, i, processor_time, promise_void())));
    outcome(promise_sleep(loop, WAIT_MS));
    for (size_t i = 0; i < N; i++) {
        used[i] = promise_as_int(outcome(promise_loops_run_on(loop, loops, i, processor_time, promise_void()))) - used[i];
        ck_assert_int_lt(used[i], WAIT_MS * 1000 / 4);
    }
    close_loops();
}
END_TEST

/* ---- init ---- */

static promise_value_t init(promise_value_t v, void *arg) {
    ck_assert_ptr_eq(arg, &freed);
    ck_assert_ptr_nonnull(promise_loop_current());
    return promise_as_int(v) == 1 ? promise_adopt(promise_then(promise_sleep(NULL, 1), give, NULL)) : v;
}
START_TEST(init_comes_first) {
    promise_value_t v;

    open_loops(&(struct promise_loops_options){.threads = N, .init = init, .arg = &freed});
    v = outcome(promise_loops_ready(loop, loops));
    ck_assert_int_eq(promise_as_int(promise_list_get(v, 0)), 0);
    ck_assert(promise_is_void(promise_list_get(v, 1))); /* it was waited for */
    ck_assert_int_eq(promise_as_int(promise_list_get(v, 2)), 2);
    v = outcome(promise_loops_ready(loop, loops)); /* once more */
    ck_assert_uint_eq(promise_list_size(v), N);
    close_loops();
    open_loops(&three);
    v = outcome(promise_loops_ready(loop, loops));
    ck_assert(promise_is_void(promise_list_get(v, 2)));
    close_loops();
}
END_TEST

static promise_value_t init_fails(promise_value_t v, void *arg) {
    (void)arg;
    return promise_as_int(v) == 1 ? promise_throw_errno(EADDRINUSE, "init") : v;
}
START_TEST(init_fails_on_one) {
    open_loops(&(struct promise_loops_options){.threads = N, .init = init_fails});
    ck_error(promise_loops_ready(loop, loops), promise_errno_errors, EADDRINUSE);
    ck_assert_int_eq(promise_as_int(outcome(promise_loops_run_on(loop, loops, 1, where, promise_void()))), 1);
    close_loops();
}
END_TEST

static atomic_int inits, stops;
static promise_value_t init_counted(promise_value_t v, void *arg) {
    (void)arg;
    atomic_fetch_add(&inits, 1);
    return promise_as_int(v) == 1 ? promise_throw_errno(EIO, "init") : promise_adopt(promise_sleep(NULL, 1));
}
static promise_value_t stop_counted(promise_value_t v, void *arg) {
    (void)arg;
    ck_assert_int_ne(promise_as_int(v), 1);
    atomic_fetch_add(&stops, 1);
    return promise_void();
}
/* Where init has failed there is nothing to stop; elsewhere stop comes after it. */
START_TEST(stop_follows_init) {
    open_loops(&(struct promise_loops_options){.threads = N, .init = init_counted, .stop = stop_counted});
    if (_i) ck_error(promise_loops_ready(loop, loops), promise_errno_errors, EIO);
    ck_assert_int_eq(promise_as_int(outcome(promise_loops_stop(loop, loops, UINT64_MAX))), 0);
    ck_assert_int_eq(atomic_load(&inits), N);
    ck_assert_int_eq(atomic_load(&stops), N - 1);
    close_loops();
}
END_TEST

/* ---- threads that cannot be started ---- */

static void check_rejects(promise_loop_t *l, int code) {
    promise_value_t why = promise_loops_error(loops);

    ck_assert(promise_error_is(why, &promise_errno_errors, code));
    promise_value_clear(&why);
    ck_error(promise_loops_run(l, loops, where, counted()), promise_errno_errors, code);
    ck_error(promise_loops_run_on(l, loops, 0, where, counted()), promise_errno_errors, code);
    ck_error(promise_loops_all(l, loops, where, counted()), promise_errno_errors, code);
    ck_error(promise_loops_ready(l, loops), promise_errno_errors, code);
    ck_error(promise_loops_stop(l, loops, 0), promise_errno_errors, code);
    ck_assert_uint_eq(promise_loops_count(loops), 0);
    ck_assert_ptr_null(promise_loops_mailbox(loops, 0));
    ck_assert_uint_eq(atomic_load(&freed), 3);
    atomic_store(&freed, 0);
}

/* O2: as of a user who may have no more threads (root may have any number, and so becomes somebody else). */
START_TEST(O2_no_more_threads) {
    const struct rlimit limit = {2, 2};

    ck_assert_int_eq(setrlimit(RLIMIT_NPROC, &limit), 0);
    if (getuid() == 0) ck_assert_int_eq(setuid(54321), 0);
    open_loops(&(struct promise_loops_options){.threads = 8, .init = init_counted});
    check_rejects(loop, EAGAIN);
    ck_assert_int_eq(atomic_load(&inits), 0); /* nobody begins */
    close_loops();
}
END_TEST

/* O2: at each descriptor that is lacking. */
START_TEST(O2_no_more_descriptors) {
    struct rlimit before, limit;
    bool failed = true;

    getrlimit(RLIMIT_NOFILE, &before);
    for (rlim_t more = 0; failed; more++) {
        limit = before;
        limit.rlim_cur = test_open_fds() + more;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        loops = promise_loops_new(&(struct promise_loops_options){.threads = 2, .init = init_counted});
        setrlimit(RLIMIT_NOFILE, &before);
        promise_value_t why = promise_loops_error(loops);
        failed = promise_is_rejection(why);
        if (failed) ck_assert_msg(promise_error_is(why, &promise_errno_errors, EMFILE), "%s", promise_error_message(why));
        ck_assert(!failed || atomic_load(&inits) == 0);
        promise_value_clear(&why);
        promise_loops_free(loops);
        ck_assert_uint_lt(more, 100);
    }
}
END_TEST

START_TEST(O2_out_of_memory) {
    size_t n = 0, without = 0;
    bool failed;

    open_loops(&three);
    promise_loops_free(loops);
    do {
        promise_value_t v = {0};
        test_alloc_fail_at(++n);
        loops = promise_loops_new(&(struct promise_loops_options){.threads = 2, .init = init, .arg = &freed});
        without += !loops;
        promise_t *p = promise_loops_all(loop, loops, give, promise_string("text"));
        promise_loop_run(loop, p, &v);
        ck_assert(promise_is_rejection(v) == promise_error_is(v, &promise_errno_errors, ENOMEM));
        p = promise_loops_stop(loop, loops, UINT64_MAX);
        promise_loop_run(loop, p, &v);
        ck_assert(promise_is_rejection(v) == promise_error_is(v, &promise_errno_errors, ENOMEM));
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        promise_value_clear(&v);
        promise_loops_free(loops);
        promise_loop_run(loop, NULL, NULL);
    } while (failed);
    ck_assert_uint_eq(without, 1);
    loops = NULL;
    close_loops();
}
END_TEST

START_TEST(O2_no_loops) {
    open_loops(&three);
    promise_loops_free(loops);
    loops = NULL;
    check_rejects(loop, ENOMEM);
    ck_assert_uint_eq(promise_loops_here(NULL), SIZE_MAX);
    close_loops();
}
END_TEST

/* ---- the graceful end ---- */

static atomic_int began, stopped;
static promise_value_t short_work(promise_value_t v, void *arg) {
    (void)arg;
    atomic_fetch_add(&began, 1);
    return promise_adopt(promise_then(promise_sleep(NULL, (uint64_t)promise_as_int(v)), give, NULL));
}
static promise_value_t stop(promise_value_t v, void *arg) {
    ck_assert_ptr_eq(arg, &stopped);
    ck_assert_int_eq(promise_as_int(v), (int64_t)promise_loops_here(loops));
    atomic_fetch_add(&stopped, 1);
    return promise_adopt(promise_sleep(NULL, 1));
}

START_TEST(stop_waits_for_what_is_under_way) {
    promise_t *calls[20];
    promise_value_t v;

    open_loops(&(struct promise_loops_options){.threads = N, .stop = stop, .arg = &stopped});
    for (int i = 0; i < 20; i++) calls[i] = promise_loops_run(loop, loops, short_work, promise_int(i % 5));
    v = outcome(promise_loops_stop(loop, loops, UINT64_MAX));
    ck_assert_int_eq(promise_as_int(v), 0);
    ck_assert_int_eq(atomic_load(&stopped), N);
    ck_assert_int_eq(atomic_load(&began), 20);
    for (int i = 0; i < 20; i++) ck_assert(promise_is_void(outcome(calls[i])));
    ck_error(promise_loops_run(loop, loops, where, promise_void()), promise_errors, PROMISE_ECLOSED);
    ck_error(promise_loops_all(loop, loops, where, promise_void()), promise_errors, PROMISE_ECLOSED);
    v = outcome(promise_loops_stop(loop, loops, 0)); /* once more */
    ck_assert_int_eq(promise_as_int(v), 0);
    close_loops();
}
END_TEST

static promise_value_t hang_twice(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_finally(promise_sleep(NULL, 1000000), sleep_long, NULL));
}

/* What does not end by the deadline is cut off, and so is a stop that hangs. */
START_TEST(stop_has_a_deadline) {
    promise_t *a, *b, *p, *q;
    promise_value_t v;

    open_loops(&(struct promise_loops_options){.threads = N, .stop = _i ? hang_twice : NULL});
    a = promise_loops_run(loop, loops, sleep_long, counted());
    b = promise_loops_run(loop, loops, hang_twice, counted());
    p = promise_loops_stop(loop, loops, _i == 2 ? 0 : 5);
    q = promise_loops_stop(loop, loops, UINT64_MAX);
    v = outcome(p);
    ck_assert_int_eq(promise_as_int(v), 2);
    ck_assert_int_eq(promise_as_int(outcome(q)), 2);
    v = outcome(a);
    ck_assert(promise_is_canceled(v) || promise_error_is(v, &promise_errors, PROMISE_ECLOSED));
    v = outcome(b);
    ck_assert(promise_is_rejection(v));
    ck_assert_uint_eq(atomic_load(&freed), 2);
    close_loops();
}
END_TEST

static promise_value_t stop_fails(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_throw_errno(EIO, "stop");
}
static void count_report(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p;
    ck_assert(promise_error_is(reason, &promise_errno_errors, EIO));
    atomic_fetch_add((atomic_int *)arg, 1);
}
static promise_value_t set_hook(promise_value_t v, void *arg) {
    (void)arg;
    promise_loop_on_unhandled(promise_loop_current(), count_report, &stopped);
    return v;
}
/* J7 */
START_TEST(stop_that_fails_is_reported) {
    open_loops(&(struct promise_loops_options){.threads = N, .stop = stop_fails, .init = set_hook});
    ck_assert_int_eq(promise_as_int(outcome(promise_loops_stop(loop, loops, UINT64_MAX))), 0);
    ck_assert_int_eq(atomic_load(&stopped), N);
    close_loops();
}
END_TEST

/* The one who waits for the end is cancelled, or goes. */
START_TEST(J5_who_stops_goes) {
    promise_t *p;

    open_loops(&three);
    promise_unref(promise_loops_run(loop, loops, sleep_long, counted()));
    p = promise_loops_stop(loop, loops, _i == 2 ? UINT64_MAX : 1);
    if (_i == 0) promise_cancel(p);
    else {
        promise_loop_free(loop);
        loop = NULL;
        ck_assert(promise_is_canceled(promise_peek(p)));
        promise_unref(p);
    }
    close_loops();
    ck_assert_uint_eq(atomic_load(&freed), 1);
}
END_TEST

/* J3: who does not wait any more does not keep its loop going. */
START_TEST(K2_a_stop_is_cancelled) {
    open_loops(&(struct promise_loops_options){.threads = N, .stop = hang_twice});
    ck_error(promise_timeout(promise_loops_stop(loop, loops, UINT64_MAX), 1), promise_errors, PROMISE_ETIMEDOUT);
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    close_loops();
}
END_TEST

static promise_loops_t *callers;
static promise_value_t go_on(promise_value_t v, void *arg) {
    (void)arg;
    ck_assert_int_eq(promise_as_int(v), 7);
    return promise_void();
}
static promise_value_t end_if_closed(promise_value_t v, void *arg) {
    (void)arg;
    ck_assert_msg(promise_error_is(v, &promise_errors, PROMISE_ECLOSED), "%s", promise_error_message(v));
    return promise_end();
}
static promise_value_t call_once(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_then_catch(promise_loops_run(NULL, loops, give, promise_int(7)), go_on, end_if_closed, NULL));
}
static promise_value_t call_until_closed(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_repeat(NULL, call_once, NULL));
}
/* Without a deadline each call is either refused, or comes back. */
START_TEST(stop_amid_calls_of_others) {
    for (size_t round = 0; round < test_scaled(100); round++) {
        open_loops(&(struct promise_loops_options){.threads = 2});
        callers = promise_loops_new(&(struct promise_loops_options){.threads = 2});
        promise_t *p = promise_loops_all(loop, callers, call_until_closed, promise_void());
        for (size_t i = 0; i < round % 7; i++) outcome(promise_loops_run_on(loop, loops, 0, where, promise_void()));
        ck_assert_int_eq(promise_as_int(outcome(promise_loops_stop(loop, loops, UINT64_MAX))), 0);
        ck_assert(!promise_is_rejection(outcome(p)));
        promise_loops_free(callers);
        close_loops();
    }
}
END_TEST

static promise_value_t stop_all(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_loops_stop(NULL, loops, 1));
}
/* On one of their own threads: it is among what is cut off. */
START_TEST(J5_one_of_them_stops_all) {
    promise_value_t v;

    open_loops(&three);
    v = outcome(promise_loops_run(loop, loops, stop_all, promise_void()));
    ck_assert(promise_is_canceled(v));
    close_loops();
}
END_TEST

/* ---- the sudden end ---- */

/* J5, R15: at any moment of the calls that are under way. */
START_TEST(J5_free_at_any_moment) {
    enum { CALLS = 12 };
    promise_t *p[CALLS];

    for (size_t round = 0; round < test_scaled(100); round++) {
        atomic_store(&freed, 0);
        open_loops(&three);
        for (int i = 0; i < CALLS; i++)
            p[i] = promise_catch(promise_loops_run(loop, loops, i % 2 ? sleep_long : give, counted()), give, NULL);
        for (size_t i = 0; i < round % 5; i++) promise_loop_turn(loop);
        if (round % 3 == 1) promise_cancel(promise_loops_stop(loop, loops, 0));
        promise_loops_free(loops);
        loops = NULL;
        for (int i = 0; i < CALLS; i++) promise_cancel(p[i]);
        promise_loop_run(loop, NULL, NULL);
        close_loops();
        ck_assert_uint_eq(atomic_load(&freed), CALLS);
    }
}
END_TEST

static promise_value_t break_off(promise_value_t v, void *arg) {
    (void)arg;
    event_base_loopbreak(promise_loop_base(promise_loop_current()));
    return v;
}
static promise_value_t free_loop(promise_value_t v, void *arg) {
    (void)arg;
    promise_loop_free(promise_loop_current());
    return v;
}
/* Breaking a loop off does not end it; freeing it does: the others go on. */
START_TEST(a_loop_that_is_broken_off_or_freed) {
    open_loops(&three);
    ck_assert_int_eq(promise_as_int(outcome(promise_loops_run_on(loop, loops, 1, break_off, promise_int(1)))), 1);
    ck_assert_int_eq(promise_as_int(outcome(promise_loops_run_on(loop, loops, 1, where, promise_void()))), 1);
    ck_assert_int_eq(promise_as_int(outcome(promise_loops_run_on(loop, loops, 1, free_loop, promise_int(2)))), 2);
    ck_error(promise_loops_run_on(loop, loops, 1, where, promise_void()), promise_errors, PROMISE_ECLOSED);
    ck_assert_int_eq(promise_as_int(outcome(promise_loops_run_on(loop, loops, 2, where, promise_void()))), 2);
    for (int i = 0; i < 2 * N; i++) ck_assert_int_ne(promise_as_int(outcome(promise_loops_run(loop, loops, where, promise_void()))), 1);
    for (size_t i = 0; i < N; i += 2) outcome(promise_loops_run_on(loop, loops, i, free_loop, promise_void()));
    ck_error(promise_loops_run(loop, loops, where, promise_void()), promise_errors, PROMISE_ECLOSED);
    ck_assert_int_eq(promise_as_int(outcome(promise_loops_stop(loop, loops, UINT64_MAX))), 0);
    close_loops();
}
END_TEST

/* ---- what is refused ---- */

static promise_value_t free_all(promise_value_t v, void *arg) {
    (void)arg;
    promise_loops_free(loops);
    return v;
}
static void free_there(void *arg) {
    (void)arg;
    loops = promise_loops_new(&three);
    outcome(promise_loops_run(loop, loops, free_all, promise_void()));
}
static void no_function(void *arg) {
    (void)arg;
    promise_unref(promise_loops_run(loop, loops, NULL, promise_void()));
}
static void no_wake(void *data, bool again) { (void)data, (void)again; }
static void on_hosted(void *arg) {
    static const struct promise_host host = {.size = sizeof host, .wake = no_wake};
    promise_unref(promise_loops_stop(promise_loop_new_hosted(&host, arg), loops, 0));
}
START_TEST(what_is_refused) {
    loop = promise_loop_new(NULL);
    test_assert_stops(free_there, NULL, "promise_loops_free: called on one of their threads");
    test_assert_stops(no_function, NULL, "promise_loops_run: fn is NULL");
    test_assert_stops(on_hosted, NULL, "promise_loops_stop: expected a loop of promise_loop_new");
    promise_loop_free(loop);
    promise_loops_free(NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loops");
    TCase *threads = tcase_create("threads");

    tcase_set_timeout(threads, 60);
    tcase_add_test(threads, H2_each_of_them_runs_functions);
    tcase_add_test(threads, the_one_with_the_fewest_calls);
    tcase_add_test(threads, H3_a_copy_for_each);
    tcase_add_test(threads, H2_they_call_each_other);
    tcase_add_test(threads, names_and_signals);
    tcase_add_test(threads, idle_threads_wait);
    tcase_add_test(threads, init_comes_first);
    tcase_add_test(threads, init_fails_on_one);
    tcase_add_loop_test(threads, stop_follows_init, 0, 2);
    tcase_add_test(threads, O2_no_more_threads);
    tcase_add_test(threads, O2_no_more_descriptors);
    tcase_add_test(threads, O2_out_of_memory);
    tcase_add_test(threads, O2_no_loops);
    tcase_add_test(threads, stop_waits_for_what_is_under_way);
    tcase_add_loop_test(threads, stop_has_a_deadline, 0, 3);
    tcase_add_test(threads, stop_that_fails_is_reported);
    tcase_add_loop_test(threads, J5_who_stops_goes, 0, 3);
    tcase_add_test(threads, K2_a_stop_is_cancelled);
    tcase_add_test(threads, stop_amid_calls_of_others);
    tcase_add_test(threads, J5_one_of_them_stops_all);
    tcase_add_test(threads, J5_free_at_any_moment);
    tcase_add_test(threads, a_loop_that_is_broken_off_or_freed);
    tcase_add_test(threads, what_is_refused);
    suite_add_tcase(suite, threads);
    return test_main(suite);
}
