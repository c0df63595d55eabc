/* Loops on threads: work, threads, what begins on each (H2, H3). */
#include "looping.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

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
    tcase_add_test(threads, what_is_refused);
    suite_add_tcase(suite, threads);
    return test_main(suite);
}
