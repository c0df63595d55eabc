/* Pools: sizes, limits, idle threads, the end with and without a deadline, fork(2) (R13, R14, J5, O2). */
#include "pooling.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static sem_t stopped;

/* Rejections are seen later than they come. */
static void quiet(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
}

static void open_quietly(const struct promise_pool_options *options) {
    open_all(options);
    promise_loop_on_unhandled(loop, quiet, NULL);
    sem_init(&stopped, 0, 0);
}

static promise_value_t echo(promise_value_t v, void *arg) {
    (void)arg;
    atomic_fetch_add(&calls, 1);
    return v;
}

static promise_value_t until_canceled(promise_value_t v, void *arg) {
    (void)arg;
    sem_post(&started);
    while (!promise_work_canceled()) {}
    sem_post(&stopped);
    return v;
}

/* For those that were abandoned, which then have let go of all. */
static void wait_for_threads(void) {
    for (size_t n = 2; n > 1;) {
        DIR *dir = opendir("/proc/self/task");
        for (n = 0; readdir(dir);) n++;
        closedir(dir);
        n -= 2; /* . and .. */
        usleep(100);
    }
}

static bool is(promise_value_t v, int code) { return promise_error_is(v, &promise_errors, code); }

/* ---- how many ---- */

START_TEST(threads_start_on_demand_up_to_the_size) {
    promise_t *p[5];

    open_quietly(&(struct promise_pool_options){.threads = 3});
    ck_assert_uint_eq(promise_pool_threads(pool), 0);
    for (int i = 0; i < 5; i++) p[i] = promise_work(loop, pool, block, promise_void());
    for (int i = 0; i < 3; i++) wait_for(&started);
    ck_assert_uint_eq(promise_pool_threads(pool), 3);
    ck_assert_uint_eq(promise_pool_running(pool), 3);
    ck_assert_uint_eq(promise_pool_waiting(pool), 2);
    for (int i = 0; i < 5; i++) sem_post(&go);
    run(promise_all(loop, 5, p));
    ck_assert_uint_eq(promise_pool_threads(pool), 3);
    close_all();
}
END_TEST

/* The one that came last among the idle ones is the first to go on: the others leave. */
START_TEST(idle_threads_leave) {
    promise_t *p[3];

    open_quietly(&(struct promise_pool_options){.threads = 3, .idle_ms = 1});
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++) p[i] = promise_work(loop, pool, block, promise_void());
        for (int i = 0; i < 3; i++) wait_for(&started);
        for (int i = 0; i < 3; i++) sem_post(&go);
        run(promise_all(loop, 3, p));
        while (promise_pool_threads(pool)) run(promise_sleep(loop, 1));
    }
    close_all();
}
END_TEST

static promise_value_t look_at_the_thread(promise_value_t v, void *arg) {
    pthread_attr_t attributes;
    sigset_t blocked;
    size_t size;
    char name[16];

    (void)v, (void)arg;
    pthread_getname_np(pthread_self(), name, sizeof name);
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    ck_assert(sigismember(&blocked, SIGINT) && sigismember(&blocked, SIGCHLD));
    ck_assert(!sigismember(&blocked, SIGSEGV));
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstacksize(&attributes, &size);
    pthread_attr_destroy(&attributes);
    return promise_stringf("%s%s", name, size >= 512 * 1024 ? ", 512K" : ""); /* sanitizers add to it */
}

START_TEST(threads_are_as_the_options_say) {
    open_quietly(&(struct promise_pool_options){.name = "a name that is too long", .stack_size = 512 * 1024});
    ck_assert_str_eq(promise_as_string(run(promise_work(loop, pool, look_at_the_thread, promise_void()))),
                     "a name that is , 512K");
    close_all();
    open_quietly(&(struct promise_pool_options){.stack_size = 1}); /* as far as the system allows */
    run(promise_work(loop, pool, look_at_the_thread, promise_void()));
    ck_assert_ptr_nonnull(strstr(promise_as_string(outcome), "promise"));
    close_all();
}
END_TEST

/* ---- limits (R14) ---- */

START_TEST(R14_a_full_queue_rejects_at_once) {
    promise_t *p[4];

    open_quietly(&(struct promise_pool_options){.name = "two", .threads = 2, .queue_limit = 1});
    for (int i = 0; i < 4; i++) p[i] = promise_work(loop, pool, block, counted());
    ck_assert_int_eq(promise_get_state(p[2]), PROMISE_PENDING);
    ck_assert(is(promise_peek(p[3]), PROMISE_EFULL));
    ck_assert_ptr_nonnull(strstr(promise_error_message(promise_peek(p[3])), "\"two\""));
    ck_assert_uint_eq(atomic_load(&freed), 1);
    wait_for(&started);
    wait_for(&started);
    promise_cancel(p[2]); /* makes room */
    promise_unref(promise_catch(p[3], echo, NULL));
    p[2] = promise_work(loop, pool, echo, counted());
    promise_cancel(p[1]); /* its thread is still taken */
    p[3] = promise_work(loop, pool, echo, counted());
    ck_assert(is(run(p[3]), PROMISE_EFULL));
    for (int i = 0; i < 2; i++) sem_post(&go);
    run(p[0]);
    run(p[2]);
    for (int i = 0; i < 20; i++) run(promise_work(loop, pool, echo, promise_void())); /* there is room again */
    close_all();
}
END_TEST

START_TEST(R14_a_full_pool_holds_up_no_other) {
    promise_pool_t *other = promise_pool_new(NULL);
    promise_t *p;

    open_quietly(&(struct promise_pool_options){.threads = 1, .queue_limit = 1});
    p = promise_work(loop, pool, block, promise_void());
    wait_for(&started);
    promise_t *q = promise_work(loop, pool, echo, promise_void());
    ck_assert_int_eq(promise_as_int(run(promise_work(loop, other, echo, promise_int(1)))), 1);
    ck_assert_int_eq(promise_as_int(run(promise_work(loop, NULL, echo, promise_int(2)))), 2);
    ck_assert_int_eq(promise_as_int(run(promise_work(loop, promise_pool_for_files(), echo, promise_int(3)))), 3);
    ck_assert_int_eq(promise_as_int(run(promise_work(loop, promise_pool_for_names(), echo, promise_int(4)))), 4);
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    sem_post(&go);
    run(p);
    run(q);
    promise_loop_free(loop);
    promise_pool_free(other);
    loop = NULL;
    promise_pool_free(pool);
}
END_TEST

/* ---- the end ---- */

static void *go_when_nothing_waits(void *arg) {
    (void)arg;
    while (promise_pool_waiting(pool)) {}
    sem_post(&go);
    return NULL;
}

START_TEST(J5_free_rejects_what_waits_and_waits_for_what_runs) {
    pthread_t thread;
    promise_t *p[3];

    open_quietly(&(struct promise_pool_options){.threads = 1});
    for (int i = 0; i < 3; i++) p[i] = promise_work(loop, pool, i ? echo : block, counted());
    wait_for(&started);
    pthread_create(&thread, NULL, go_when_nothing_waits, NULL);
    promise_pool_free(pool);
    pthread_join(thread, NULL);
    pool = NULL;
    ck_assert(promise_is(run(p[0]), &promise_type_box));
    ck_assert(is(run(p[1]), PROMISE_ECLOSED));
    ck_assert(is(run(p[2]), PROMISE_ECLOSED));
    ck_assert_uint_eq(atomic_load(&calls), 1);
    promise_pool_free(NULL);
    close_all();
    ck_assert_uint_eq(atomic_load(&freed), 3);
}
END_TEST

START_TEST(close_in_time) {
    open_quietly(&(struct promise_pool_options){.threads = 2});
    ck_assert(promise_is_void(run(promise_pool_close(loop, pool, UINT64_MAX)))); /* nothing was ever running */
    ck_assert(is(run(promise_work(loop, pool, echo, counted())), PROMISE_ECLOSED));
    promise_pool_free(pool);

    pool = promise_pool_new(&(struct promise_pool_options){.name = "pool", .threads = 1});
    promise_t *p = promise_work(loop, pool, block, counted()), *q = promise_work(loop, pool, echo, counted());
    wait_for(&started);
    promise_t *closed = promise_pool_close(loop, pool, UINT64_MAX), *again = promise_pool_close(loop, pool, 1000000);
    ck_assert(is(run(q), PROMISE_ECLOSED)); /* at once */
    ck_assert_int_eq(promise_get_state(closed), PROMISE_PENDING);
    sem_post(&go);
    ck_assert(promise_is_void(run(closed)));
    ck_assert(promise_is_void(run(again)));
    ck_assert(promise_is(run(p), &promise_type_box));
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    close_all();
    ck_assert_uint_eq(atomic_load(&freed), 3);
}
END_TEST

/* What runs too long is abandoned, by the deadline or by a cancel: its promise is rejected now, its value freed later, and the
 * pool does not wait for it. */
START_TEST(close_with_a_deadline) {
    open_quietly(&(struct promise_pool_options){.name = "slow", .threads = 2});
    promise_t *p = promise_work(loop, pool, block, counted()), *q = promise_work(loop, pool, until_canceled, counted());
    wait_for(&started);
    wait_for(&started);
    promise_t *closed = promise_pool_close(loop, pool, _i ? UINT64_MAX : 1);
    if (_i) {
        promise_cancel(promise_ref(closed));
        ck_assert(promise_is_canceled(run(closed)));
    } else {
        ck_assert(promise_is_timeout(run(closed)));
        ck_assert_str_eq(promise_error_message(outcome),
                         "promise_pool_close: the pool \"slow\" was still running 2 functions after 1 ms");
    }
    ck_assert(is(run(p), PROMISE_ECLOSED));
    ck_assert(is(run(q), PROMISE_ECLOSED));
    ck_assert_uint_eq(promise_pool_threads(pool), 0);
    wait_for(&stopped); /* until_canceled has seen it */
    promise_value_clear(&outcome);
    promise_loop_free(loop);
    promise_pool_free(pool);
    ck_assert_uint_gt(test_alloc_live(), live); /* what the other one needs */
    sem_post(&go);
    wait_for_threads();
    ck_assert_uint_eq(atomic_load(&freed), 2);
    ck_assert_uint_eq(test_alloc_live(), live);
}
END_TEST

/* K2 and a deadline: cancelled before, its thread is abandoned all the same. */
START_TEST(close_after_a_cancel) {
    open_quietly(&(struct promise_pool_options){.threads = 1});
    promise_t *p = promise_work(loop, pool, block, counted());
    wait_for(&started);
    promise_cancel(p);
    ck_assert(promise_is_timeout(run(promise_pool_close(loop, pool, 1))));
    promise_value_clear(&outcome);
    promise_loop_free(loop);
    promise_pool_free(pool);
    sem_post(&go);
    wait_for_threads();
    ck_assert_uint_eq(test_alloc_live(), live);
    ck_assert_uint_eq(atomic_load(&freed), 1);
}
END_TEST

START_TEST(J5_the_loop_goes_while_a_pool_closes) {
    open_quietly(&(struct promise_pool_options){.threads = 1});
    promise_t *p = promise_work(loop, pool, block, counted());
    wait_for(&started);
    promise_t *closed = promise_pool_close(loop, pool, _i ? UINT64_MAX : 1000000);
    promise_loop_free(loop); /* cancels the close: what runs is abandoned */
    ck_assert(promise_is_canceled(promise_peek(closed)));
    ck_assert(promise_is_canceled(promise_peek(p)));
    promise_unref(closed);
    promise_unref(p);
    promise_pool_free(pool);
    sem_post(&go);
    wait_for_threads();
    ck_assert_uint_eq(test_alloc_live(), live);
    ck_assert_uint_eq(atomic_load(&freed), 1);
}
END_TEST

/* ---- those that are everybody's ---- */

START_TEST(everybodys_pools) {
    open_quietly(NULL);
    ck_assert_ptr_eq(promise_pool_default(), promise_pool_default());
    ck_assert_ptr_ne(promise_pool_default(), promise_pool_for_files());
    ck_assert_ptr_ne(promise_pool_for_names(), promise_pool_for_files());
    promise_pool_free(promise_pool_default()); /* nothing happens */
    ck_assert(promise_error_is(run(promise_pool_close(loop, promise_pool_for_files(), 0)), &promise_errno_errors, EINVAL));
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(promise_as_int(run(promise_work(loop, NULL, echo, promise_int(1)))), 1);
        ck_assert_uint_gt(promise_pool_threads(promise_pool_default()), 0);
        ck_assert_uint_eq(promise_pool_shutdown(UINT64_MAX), 0);
        ck_assert_uint_eq(promise_pool_threads(promise_pool_default()), 0);
    }
    promise_t *p = promise_work(loop, NULL, block, counted());
    wait_for(&started);
    ck_assert_uint_eq(promise_pool_shutdown(1), 1);
    ck_assert(is(run(p), PROMISE_ECLOSED));
    ck_assert_int_eq(promise_as_int(run(promise_work(loop, NULL, echo, promise_int(2)))), 2);
    sem_post(&go);
    ck_assert_uint_eq(promise_pool_shutdown(UINT64_MAX), 0);
    wait_for_threads();
    close_all();
    ck_assert_uint_eq(atomic_load(&freed), 1);
}
END_TEST

/* At the end of the program one still runs, others wait: it ends all the same. Here it then has a moment to look for leaks. */
static void after_the_pools(void) {
    if (promise_pool_threads(promise_pool_default()) || promise_pool_waiting(promise_pool_default())) _exit(8);
    for (int i = 0; i < 100; i++) sem_post(&go);
    wait_for_threads();
}

START_TEST(the_program_ends) {
    pid_t child = fork();
    int status;

    if (child == 0) {
        atexit(after_the_pools); /* handlers run last in, first out */
        open_quietly(NULL);
        for (int i = 0; i < 100; i++) promise_unref(promise_work(loop, NULL, block, promise_void()));
        wait_for(&started);
        promise_pool_free(pool); /* which only a pointer into its memory would tell of */
        exit(7);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 7);
}
END_TEST

/* ---- fork(2) ---- */

static void in_child(promise_t *waiting, promise_t *running) {
    promise_loop_t *mine = promise_loop_new(NULL);

    event_reinit(promise_loop_base(loop));
    loop = mine;
    if (promise_pool_threads(pool) || promise_pool_waiting(pool) || promise_pool_running(pool)) _exit(1);
    if (promise_as_int(run(promise_work(mine, pool, echo, promise_int(3)))) != 3) _exit(2);
    if (promise_as_int(run(promise_work(mine, NULL, echo, promise_int(4)))) != 4) _exit(3);
    if (promise_work_cancel(waiting) != 0 || promise_work_cancel(running) != -1) _exit(4); /* of the copy of a loop */
    promise_pool_free(pool);
    if (promise_pool_shutdown(UINT64_MAX)) _exit(5);
    raise(SIGKILL); /* all is well; with no end that valgrind could look for leaks at: the stacks of the parent's threads */
}

START_TEST(fork_leaves_pools_that_are_as_new) {
    pid_t child;
    int status;

    open_quietly(&(struct promise_pool_options){.threads = 1});
    run(promise_work(loop, NULL, echo, promise_void()));
    promise_t *p = promise_work(loop, pool, block, promise_void()), *q = promise_work(loop, pool, echo, promise_int(5));
    wait_for(&started);
    child = fork();
    if (child == 0) in_child(q, p);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %x", (unsigned)status);
    sem_post(&go);
    ck_assert_int_eq(promise_as_int(run(q)), 5);
    run(p);
    close_all();
}
END_TEST

/* ---- out of memory, and what stops the program ---- */

START_TEST(O2_a_pool_out_of_memory) {
    open_quietly(NULL);
    test_alloc_fail_at(1);
    promise_pool_t *none = promise_pool_new(NULL);
    test_alloc_fail_at(0);
    ck_assert_ptr_nonnull(none);
    ck_assert(promise_error_is(run(promise_work(loop, none, echo, counted())), &promise_errno_errors, ENOMEM));
    ck_assert(promise_error_is(run(promise_pool_close(loop, none, 0)), &promise_errno_errors, ENOMEM));
    ck_assert_uint_eq(promise_pool_threads(none) + promise_pool_running(none) + promise_pool_waiting(none), 0);
    promise_pool_free(none);
    ck_assert_uint_eq(atomic_load(&freed), 1);
    close_all();
}
END_TEST

/* As somebody who may have no more threads than there are: without any, work is rejected; one that is there does it all. (Root
 * may have any number, and so becomes somebody else.) */
START_TEST(O2_no_more_threads) {
    promise_t *p[8];
    struct rlimit limit;

    open_quietly(&(struct promise_pool_options){.threads = 4, .idle_ms = UINT64_MAX});
    if (_i) run(promise_work(loop, pool, echo, promise_void()));
    getrlimit(RLIMIT_NPROC, &limit);
    ck_assert_int_eq(setrlimit(RLIMIT_NPROC, &(struct rlimit){1, limit.rlim_max}), 0);
    if (getuid() == 0) ck_assert_int_eq(setuid(54323), 0);
    for (int i = 0; i < 8; i++) p[i] = promise_work(loop, pool, echo, counted());
    for (int i = 0; i < 8; i++) {
        run(p[i]);
        if (_i) ck_assert(promise_is(outcome, &promise_type_box));
        else ck_assert(promise_error_is(outcome, &promise_errno_errors, EAGAIN));
    }
    ck_assert_uint_eq(promise_pool_threads(pool), _i ? 1 : 0);
    close_all();
    ck_assert_uint_eq(atomic_load(&freed), 8);
    setrlimit(RLIMIT_NPROC, &(struct rlimit){limit.rlim_max, limit.rlim_max}); /* sanitizers look for leaks from another one */
}
END_TEST

START_TEST(O2_a_close_out_of_memory) {
    size_t n = 0, failures = 0;
    bool failed;

    do {
        open_quietly(&(struct promise_pool_options){.threads = 1});
        promise_t *p = promise_work(loop, pool, block, counted());
        wait_for(&started);
        test_alloc_fail_at(++n);
        promise_t *closed = promise_pool_close(loop, pool, 1000000);
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        failures += failed;
        sem_post(&go);
        run(closed);
        ck_assert(failed ? promise_error_is(outcome, &promise_errno_errors, ENOMEM) : promise_is_void(outcome));
        run(p); /* or it was abandoned, where the close could not be waited for */
        promise_value_clear(&outcome);
        promise_loop_free(loop);
        promise_pool_free(pool);
        wait_for_threads();
        ck_assert_uint_eq(test_alloc_live(), live);
        ck_assert_uint_eq(atomic_load(&freed), 1);
    } while (failed);
    ck_assert_uint_gt(failures, 2);
}
END_TEST

static promise_value_t free_my_pool(promise_value_t v, void *arg) {
    (void)arg;
    promise_pool_free(pool);
    return v;
}
static void from_within(void *arg) {
    (void)arg;
    run(promise_work(loop, pool, free_my_pool, promise_void()));
}
static void close_null(void *arg) {
    (void)arg;
    promise_unref(promise_pool_close(loop, NULL, 0));
}
static void ask_null(void *arg) {
    (void)arg;
    (void)!promise_pool_waiting(NULL);
}

START_TEST(what_stops_the_program) {
    open_quietly(&(struct promise_pool_options){.name = "mine"});
    test_assert_stops(from_within, NULL, "promise_pool_free: called on a thread of the pool \"mine\"");
    test_assert_stops(close_null, NULL, "promise_pool_close: pool is NULL");
    test_assert_stops(ask_null, NULL, "promise_pool_waiting: pool is NULL");
    close_all();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("pool");
    TCase *size = tcase_create("size"), *end = tcase_create("end"), *rest = tcase_create("rest");

    tcase_add_test(size, threads_start_on_demand_up_to_the_size);
    tcase_add_test(size, idle_threads_leave);
    tcase_add_test(size, threads_are_as_the_options_say);
    tcase_add_test(size, R14_a_full_queue_rejects_at_once);
    tcase_add_test(size, R14_a_full_pool_holds_up_no_other);
    suite_add_tcase(suite, size);
    tcase_add_test(end, J5_free_rejects_what_waits_and_waits_for_what_runs);
    tcase_add_test(end, close_in_time);
    tcase_add_loop_test(end, close_with_a_deadline, 0, 2);
    tcase_add_test(end, close_after_a_cancel);
    tcase_add_loop_test(end, J5_the_loop_goes_while_a_pool_closes, 0, 2);
    tcase_add_test(end, everybodys_pools);
    tcase_add_test(end, the_program_ends);
    suite_add_tcase(suite, end);
    tcase_add_test(rest, fork_leaves_pools_that_are_as_new);
    tcase_add_test(rest, O2_a_pool_out_of_memory);
    tcase_add_loop_test(rest, O2_no_more_threads, 0, 2);
    tcase_add_test(rest, O2_a_close_out_of_memory);
    tcase_add_test(rest, what_stops_the_program);
    suite_add_tcase(suite, rest);
    return test_main(suite);
}
