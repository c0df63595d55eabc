/* Loops on threads that cannot be started (O2). */
#include "looping.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

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
        loops = promise_loops_new(&(struct promise_loops_options){.threads = 2, .init = give});
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

int main(void) {
    Suite *suite = suite_create("loops_fault");
    TCase *threads = tcase_create("threads");

    tcase_set_timeout(threads, 60);
    tcase_add_test(threads, O2_no_more_threads);
    tcase_add_test(threads, O2_no_more_descriptors);
    tcase_add_test(threads, O2_out_of_memory);
    tcase_add_test(threads, O2_no_loops);
    suite_add_tcase(suite, threads);
    return test_main(suite);
}
