/*
 * One interface, the same behaviour: each case runs on every executor: in the loop, on threads, in processes, and on an
 * engine of a few lines that delays, reorders and loses, as one would that has other machines.
 */
#include "working.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <promise/executor.h>

enum { IN_LOOP, IN_PROCESSES, EXECUTED, FAR_AWAY, ON_THREADS, KINDS };

static promise_executor_t *ex;
static promise_pool_t *threads;

/* ---- the engine ---- */

static struct far_away {
    unsigned runs, lost, open; /* lost: of so many runs, one is; 0: none */
    bool closed, freed;
} far_away;

struct message {
    char *name;
    promise_value_t bytes;
    bool lost;
};

static void message_free(void *arg) {
    struct message *m = arg;

    promise_value_clear(&m->bytes);
    free(m->name);
    free(m);
    far_away.open--;
}

/* There: what comes back comes as bytes. */
static promise_value_t deliver(promise_value_t v, void *arg) {
    struct message *m = arg;
    promise_value_t result;

    (void)v;
    if (m->lost) return promise_throw_errno(ECONNRESET, "%s: the line is dead", m->name);
    result = promise_function_call(working_functions, m->name, m->bytes);
    return promise_is_rejection(result) ? promise_error_unpack(promise_error_pack(result), working_domains) : result;
}

static promise_t *far_run(void *data, promise_loop_t *on, const char *name, promise_value_t bytes) {
    struct message *m = calloc(1, sizeof *m);

    ck_assert_ptr_eq(data, &far_away);
    ck_assert_ptr_nonnull(m);
    m->name = strdup(name);
    promise_value_set(&m->bytes, bytes);
    m->lost = far_away.lost && ++far_away.runs % far_away.lost == 0;
    far_away.open++;
    return promise_attach(promise_then(promise_sleep(on, (far_away.runs * 7 + far_away.open) % 3), deliver, m), m,
                          message_free);
}

static promise_value_t far_closed(promise_value_t v, void *arg) {
    (void)arg;
    ck_assert_uint_eq(far_away.open, 0);
    far_away.closed = true;
    return v;
}

static promise_t *far_close(void *data, promise_loop_t *on) {
    (void)data;
    return promise_then(promise_sleep(on, 1), far_closed, NULL);
}

static void far_free(void *data) {
    struct far_away *f = data;

    ck_assert(!f->freed);
    f->freed = true;
}

static const struct promise_engine engine = {.size = sizeof engine, .run = far_run, .close = far_close, .free = far_free};

/* ---- the executor of that kind ---- */

static void make(int kind) {
    pool = NULL;
    threads = NULL;
    far_away = (struct far_away){0};
    if (kind == IN_LOOP) ex = promise_executor_loop(loop, working_functions);
    if (kind == ON_THREADS) ex = promise_executor_threads(loop, threads = promise_pool_new(NULL), working_functions);
    if (kind == FAR_AWAY) ex = promise_executor_new(loop, &engine, &far_away);
    if (kind != IN_PROCESSES && kind != EXECUTED) return;
    pool = promise_process_pool_new(loop, &POOL(.functions = working_functions, .domains = working_domains, .workers = 2,
                                                .start = kind == EXECUTED ? PROMISE_PROCESS_EXEC : PROMISE_PROCESS_FORK));
    ex = promise_executor_processes(pool);
}

static void begin(int kind) {
    children_start(0);
    make(kind);
}

static void finish(int kind) {
    promise_executor_free(ex);
    promise_process_pool_free(pool);
    promise_loop_free(loop);
    promise_pool_free(threads);
    children_end_without_loop();
    ck_assert_uint_eq(far_away.open, 0);
    if (kind == FAR_AWAY) ck_assert(far_away.freed);
}

static promise_t *execute(const char *name, const char *text) { return promise_execute(ex, name, promise_string(text)); }

/* ---- bytes and errors ---- */

START_TEST(bytes_and_errors_are_the_same) {
    promise_value_t v = {0};
    const char *data;
    size_t size;

    begin(_i);
    bytes_are(execute("echo", "what is said"), "what is said");
    bytes_are(execute("nothing", "x"), "");
    bytes_are(promise_execute(ex, "echo", promise_void()), "");
    ck_assert_int_eq(promise_loop_run(loop, promise_execute(ex, "reverse", promise_bytes("x\0y", 3)), &v), 0);
    data = promise_as_bytes(v, &size);
    ck_assert_uint_eq(size, 3);
    ck_assert_mem_eq(data, "y\0x", 3);
    bytes_are(execute("an int", ""), "!an int: expected bytes, got int: Invalid argument");
    bytes_are(promise_execute(ex, "echo", promise_int(3)), "!promise_execute: expected bytes, got int: Invalid argument");
    bytes_are(promise_execute(ex, "echo", promise_throw_errno(EIO, "read")), "!read: Input/output error");
    ck_assert_int_eq(promise_loop_run(loop, execute("odd", "such"), &v), -1);
    ck_assert_str_eq(promise_error_message(v), "no \"such\"");
    ck_assert(promise_error_is(v, &working_errors, WORKING_ODD));
    ck_assert(promise_error_is(v, &promise_errno_errors, ENOENT));
    ck_assert_str_eq(promise_error_message(promise_error_cause(v)), "the file: No such file or directory");
    ck_assert_int_eq(promise_loop_run(loop, execute("nope", "x"), &v), -1);
    ck_assert_str_eq(promise_error_message(v), "there is no function \"nope\"");
    ck_assert(promise_error_is(v, &promise_errno_errors, ENOENT));
    promise_value_clear(&v);
    bytes_are(promise_execute(ex, NULL, promise_string("x")), "!promise_execute: name is NULL: Invalid argument");
    bytes_are(promise_execute(ex, NULL, promise_throw_errno(EIO, "read")), "!read: Input/output error");
    finish(_i);
}
END_TEST

/* ---- the limit ---- */

static promise_value_t note(promise_value_t v, void *arg) {
    strncat(arg, promise_as_bytes(v, NULL), 1);
    return promise_void();
}

START_TEST(one_at_a_time_is_in_order) {
    char order[32] = "", letter[2] = "a";
    promise_t *all[20];

    begin(_i);
    promise_executor_limit(ex, 1, 0);
    for (int i = 0; i < 20; i++, letter[0]++) all[i] = promise_then(execute("echo", letter), note, order);
    ck_assert_uint_eq(promise_executor_running(ex), 1);
    ck_assert_uint_eq(promise_executor_queued(ex), 19);
    ck_assert_int_eq(promise_loop_run(loop, promise_all(loop, 20, all), NULL), 0);
    ck_assert_str_eq(order, "abcdefghijklmnopqrst");
    run_out();
    ck_assert_uint_eq(promise_executor_running(ex), 0);
    finish(_i);
}
END_TEST

START_TEST(no_more_than_the_limit) {
    promise_t *all[5];

    begin(_i);
    promise_executor_limit(ex, 2, 3);
    for (int i = 0; i < 5; i++) all[i] = execute("echo", "x");
    bytes_are(execute("echo", "y"), "!echo: 3 calls wait already");
    ck_assert_uint_le(promise_executor_running(ex), 2);
    ck_assert_int_eq(promise_loop_run(loop, promise_all(loop, 5, all), NULL), 0);
    run_out();
    promise_executor_limit(ex, 1, 1);
    for (int i = 0; i < 2; i++) all[i] = execute("echo", "x");
    ck_assert_uint_eq(promise_executor_queued(ex), 1);
    promise_executor_limit(ex, 0, 0);
    ck_assert_uint_eq(promise_executor_queued(ex), 0);
    bytes_are(execute("echo", "y"), "y");
    ck_assert_int_eq(promise_loop_run(loop, promise_all(loop, 2, all), NULL), 0);
    finish(_i);
}
END_TEST

static promise_value_t none_runs(promise_value_t v, void *arg) {
    (void)arg;
    ck_assert_uint_eq(promise_executor_running(ex), 0);
    ck_assert_uint_eq(promise_executor_queued(ex), 0);
    return v;
}

static promise_value_t two_more(promise_value_t v, void *arg) {
    (void)none_runs(v, arg);
    return promise_adopt(promise_all_of(NULL, execute("echo", "y"), execute("nothing", "z"), NULL)); /* the second waits */
}

/* Whose outcome has been told runs no more: who hears of it finds its place free. */
START_TEST(what_has_settled_does_not_count) {
    begin(_i);
    promise_executor_limit(ex, 1, 1);
    ck_assert_int_eq(promise_loop_run(loop, promise_then(execute("echo", "x"), two_more, NULL), NULL), 0);
    bytes_are(promise_catch(execute("nope", "x"), none_runs, NULL), "!there is no function \"nope\"");
    ck_assert_int_eq(promise_loop_run(loop, promise_catch(execute("odd", "x"), two_more, NULL), NULL), 0);
    finish(_i);
}
END_TEST

/* ---- cancels ---- */

START_TEST(K2_what_waits_is_taken_out_and_what_runs_is_stopped) {
    promise_t *first, *second, *third;

    begin(_i);
    promise_executor_limit(ex, 1, 0);
    first = execute("echo", "1");
    second = execute("echo", "2");
    third = execute("echo", "3");
    promise_cancel(promise_ref(second));
    ck_assert_int_eq(promise_get_state(second), PROMISE_REJECTED);
    ck_assert_uint_eq(promise_executor_queued(ex), 1);
    promise_cancel(promise_ref(first));
    ck_assert_int_eq(promise_get_state(first), PROMISE_REJECTED);
    bytes_are(third, "3");
    bytes_are(first, "!canceled");
    bytes_are(second, "!canceled");
    run_out();
    ck_assert_uint_eq(promise_executor_running(ex), 0);
    finish(_i);
}
END_TEST

/* ---- the end ---- */

static promise_value_t is_closed(promise_value_t v, void *arg) {
    ck_assert(promise_error_is(v, &promise_errors, PROMISE_ECLOSED));
    ++*(int *)arg;
    return promise_void();
}

START_TEST(closing_waits_for_what_there_is) {
    promise_t *all[6];

    begin(_i);
    promise_executor_limit(ex, 2, 0);
    for (int i = 0; i < 6; i++) all[i] = execute("echo", "x");
    ck_assert_int_eq(promise_loop_run(loop, promise_executor_close(ex, UINT64_MAX), NULL), 0);
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(promise_get_state(all[i]), PROMISE_FULFILLED);
        promise_unref(all[i]);
    }
    bytes_are(execute("echo", "x"), "!echo: the executor is closed");
    ck_assert_int_eq(promise_loop_run(loop, promise_executor_close(ex, 10), NULL), 0);
    if (_i == FAR_AWAY) ck_assert(far_away.closed);
    if (pool) bytes_are(run("echo", "the pool is as it was"), "the pool is as it was");
    finish(_i);
}
END_TEST

START_TEST(closing_ends_at_its_deadline) {
    int closed = 0;

    begin(_i);
    promise_executor_limit(ex, 2, 0);
    for (int i = 0; i < 6; i++) promise_unref(promise_catch(execute("echo", "x"), is_closed, &closed));
    ck_assert_int_eq(promise_loop_run(loop, promise_executor_close(ex, 0), NULL), 0);
    run_out();
    ck_assert_int_eq(closed, 6);
    finish(_i);
}
END_TEST

START_TEST(freed_with_work_under_way) {
    int closed = 0;

    begin(_i);
    promise_executor_limit(ex, 2, 0);
    for (int i = 0; i < 4; i++) promise_unref(promise_catch(execute("echo", "x"), is_closed, &closed));
    promise_executor_free(ex);
    ex = NULL;
    run_out();
    ck_assert_int_eq(closed, 4);
    finish(_i);
}
END_TEST

static promise_value_t is_canceled(promise_value_t v, void *arg) {
    ck_assert(promise_is_canceled(v));
    ++*(int *)arg;
    return promise_void();
}

START_TEST(J5_the_loop_goes_first) {
    int canceled = 0;

    begin(_i);
    promise_executor_limit(ex, 2, 0);
    for (int i = 0; i < 4; i++) promise_unref(promise_catch(execute("echo", "x"), is_canceled, &canceled));
    promise_unref(promise_catch(promise_executor_close(ex, 1000), is_canceled, &canceled));
    promise_loop_free(loop);
    promise_pool_free(threads);
    ck_assert_int_ge(canceled, 3);
    children_end_without_loop();
    if (_i == FAR_AWAY) ck_assert(far_away.freed);
}
END_TEST

/* ---- what the far one alone has ---- */

START_TEST(a_line_that_is_dead) {
    unsigned came = 0, lost = 0;
    promise_value_t v = {0};

    begin(FAR_AWAY);
    far_away.lost = 3;
    promise_executor_limit(ex, 4, 0);
    for (int i = 0; i < 12; i++) {
        if (promise_loop_run(loop, execute("echo", "x"), &v) == 0) came++;
        else lost += promise_error_is(v, &promise_errno_errors, ECONNRESET);
    }
    promise_value_clear(&v);
    ck_assert_uint_eq(came, 8);
    ck_assert_uint_eq(lost, 4);
    finish(FAR_AWAY);
}
END_TEST

static promise_value_t seen(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_string("later");
}

static promise_value_t after_a_while(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_then(promise_sleep(NULL, 1), seen, NULL));
}

START_TEST(in_the_loop_a_function_may_give_a_promise) {
    static const struct promise_function functions[] = {{"later", after_a_while}, {NULL, NULL}};

    children_start(0);
    ex = promise_executor_loop(loop, functions);
    bytes_are(execute("later", ""), "later");
    promise_executor_free(ex);
    ex = promise_executor_loop(loop, NULL);
    bytes_are(execute("later", ""), "!there is no function \"later\"");
    promise_executor_free(ex);
    children_end();
}
END_TEST

/* ---- out of memory, and bad arguments ---- */

static promise_value_t take_any(promise_value_t v, void *arg) {
    (void)arg;
    return promise_is_rejection(v) ? promise_void() : v;
}

/* Made, used, freed: whichever allocation fails, it is told, and nothing is left. */
START_TEST(each_allocation_fails_once) {
    size_t n = 0;

    children_start(0);
    ex = NULL;
    pool = NULL;
    do {
        promise_t *first, *second;

        test_alloc_fail_at(++n);
        make(_i);
        promise_executor_limit(ex, 1, 0);
        first = promise_catch(execute("echo", "x"), take_any, NULL);
        second = promise_catch(execute("odd", "x"), take_any, NULL);
        promise_unref(promise_catch(promise_all_of(loop, first, second, NULL), take_any, NULL));
        promise_unref(promise_catch(promise_executor_close(ex, 100), take_any, NULL));
        run_out();
        promise_executor_free(ex);
        promise_process_pool_free(pool);
        run_out();
        promise_pool_free(threads);
    } while (test_alloc_failed());
    test_alloc_fail_at(0);
    ex = NULL;
    pool = NULL;
    promise_loop_free(loop);
    children_end_without_loop();
}
END_TEST

static void execute_on_null(void *arg) {
    (void)arg;
    promise_unref(promise_execute(NULL, "echo", promise_void()));
}

static promise_t *null_run(void *data, promise_loop_t *on, const char *name, promise_value_t bytes) {
    (void)data, (void)on, (void)name, (void)bytes;
    return NULL;
}
static promise_t *null_close(void *data, promise_loop_t *on) {
    (void)data, (void)on;
    return NULL;
}

static const struct promise_engine null_engine = {.size = sizeof null_engine, .run = null_run, .close = null_close};

static void run_gives_null(void *arg) { promise_unref(promise_execute(arg, "echo", promise_void())); }
static void close_gives_null(void *arg) { promise_unref(promise_executor_close(arg, 0)); }

static void new_of_null(void *arg) {
    (void)arg;
    promise_executor_free(promise_executor_new(loop, NULL, NULL));
}
static void processes_of_null(void *arg) {
    (void)arg;
    promise_executor_free(promise_executor_processes(NULL));
}

START_TEST(bugs_of_the_program_stop_it) {
    promise_executor_t *null;

    begin(IN_LOOP);
    null = promise_executor_new(loop, &null_engine, NULL);
    promise_executor_free(NULL);
    test_assert_stops(execute_on_null, NULL, "promise_execute: the executor is NULL");
    test_assert_stops(run_gives_null, null, "promise_executor_t: run of the engine gave NULL, expected a promise, for echo");
    test_assert_stops(close_gives_null, null, "promise_executor_t: close of the engine gave NULL, expected a promise");
    test_assert_stops(new_of_null, NULL, "promise_executor_new: engine is NULL");
    test_assert_stops(processes_of_null, NULL, "promise_executor_processes: the pool is NULL");
    promise_executor_free(null);
    finish(IN_LOOP);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("executor");
    TCase *tcase = tcase_create("executor");
    const TTest *const all[] = {bytes_and_errors_are_the_same,
                                one_at_a_time_is_in_order,
                                no_more_than_the_limit,
                                what_has_settled_does_not_count,
                                K2_what_waits_is_taken_out_and_what_runs_is_stopped,
                                closing_waits_for_what_there_is,
                                closing_ends_at_its_deadline,
                                freed_with_work_under_way,
                                J5_the_loop_goes_first};

    promise_process_worker(working_functions);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) tcase_add_loop_test(tcase, all[i], 0, KINDS);
    tcase_add_loop_test(tcase, each_allocation_fails_once, 0, KINDS);
    tcase_add_test(tcase, a_line_that_is_dead);
    tcase_add_test(tcase, in_the_loop_a_function_may_give_a_promise);
    tcase_add_test(tcase, bugs_of_the_program_stop_it);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
