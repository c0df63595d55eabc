/* Waiting for file descriptors: ready now, later, never; several at a time; and what libevent does not say. */
#include "evloop.h"
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <promise.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int ends[2]; /* a pipe, or sockets: what is written to ends[1] is read from ends[0] */
static size_t fds;

static void open_pair(int sockets) {
    fds = test_open_fds();
    if (sockets) ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    else ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
}

static void ignore(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
}

static void open_all(void) {
    open_pair(1);
    open_loop(1);
    promise_loop_on_unhandled(loop, ignore, NULL);
}

static int events(void) { return event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED | EVENT_BASE_COUNT_ACTIVE); }

static void close_end(int i) {
    if (ends[i] >= 0) close(ends[i]);
    ends[i] = -1;
}

static void close_all(void) {
    if (loop) promise_loop_free(loop);
    ck_assert_int_eq(events(), 0);
    event_base_free(base);
    close_end(0), close_end(1);
    ck_assert_uint_eq(test_alloc_live(), live);
    ck_assert_uint_eq(test_open_fds(), fds);
}

static void put(const char *text) { ck_assert_int_eq(write(ends[1], text, strlen(text)), (ssize_t)strlen(text)); }

static void run(void) { ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0); }

static void ask(promise_t *p, const char *name) { promise_unref(traced(p, name)); }

static void turn(void) { promise_loop_turn(loop); }

/* ---- ready or not ---- */

START_TEST(what_is_ready_is_so_at_once) {
    promise_t *p;

    open_all();
    p = promise_writable(loop, ends[0]);
    ck_assert_int_eq(promise_get_state(p), PROMISE_FULFILLED);
    ck_assert(promise_is_void(promise_peek(p)));
    promise_unref(p);
    put("x");
    for (int i = 0; i < 2; i++) ask(promise_readable(loop, ends[0]), "r"); /* level-triggered: as long as it is there */
    trace_is(""); /* 2.2.4 */
    run();
    trace_is("r=- r=-");
    close_all();
}
END_TEST

START_TEST(what_is_not_is_waited_for) { /* J3: it keeps the loop going */
    char c;

    open_all();
    ask(promise_readable(loop, ends[0]), "r");
    turn();
    trace_is("");
    ck_assert_int_eq(events(), 1);
    put("x");
    run();
    trace_is("r=-");
    ck_assert_int_eq(read(ends[0], &c, 1), 1);
    ask(promise_readable(loop, ends[0]), "r");
    turn();
    trace_is("");
    put("y");
    run();
    trace_is("r=-");
    close_all();
}
END_TEST

static void fill(int fd) {
    static const char block[4096];

    while (write(fd, block, sizeof block) > 0 || write(fd, block, 1) > 0) {}
}
static void drain(int fd) {
    char block[4096];

    while (read(fd, block, sizeof block) > 0) {}
}

START_TEST(both_directions_of_one_fd) {
    open_all();
    fill(ends[1]);
    ask(promise_writable(loop, ends[1]), "w");
    ask(promise_readable(loop, ends[1]), "r");
    turn();
    trace_is("");
    drain(ends[0]);
    turn();
    trace_is("w=-");
    ck_assert_int_eq(write(ends[0], "x", 1), 1);
    run();
    trace_is("r=-");
    close_all();
}
END_TEST

START_TEST(the_end_and_errors_are_ready) { /* read and write tell */
    open_pair(0);
    open_loop(1);
    ask(promise_readable(loop, ends[0]), "end");
    close_end(1);
    run();
    trace_is("end=-");
    ask(promise_readable(loop, ends[0]), "end");
    close_end(0);
    ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
    fill(ends[1]);
    ask(promise_writable(loop, ends[1]), "broken");
    turn();
    trace_is("end=-");
    close_end(0);
    run();
    trace_is("broken=-");
    ask(promise_writable(loop, ends[1]), "broken");
    run();
    trace_is("broken=-");
    close_all();
}
END_TEST

/* epoll refuses them, and libevent says so on standard error. */
START_TEST(files_are_always_ready) {
    static const char *const paths[] = {"/proc/self/exe", "/", "/dev/null", "/dev/zero"};
    int fd;

    open_all();
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        fd = open(paths[i], O_RDONLY);
        ck_assert_int_ge(fd, 0);
        ask(promise_readable(loop, fd), "r");
        ask(promise_writable(loop, fd), "w");
        run();
        trace_is("r=- w=-");
        close(fd);
    }
    close_all();
}
END_TEST

START_TEST(what_is_not_open_rejects) { /* O2; libevent would wait for -1 for ever */
    static const int numbers[] = {-1, INT32_MIN, INT32_MAX, 1000000};
    int closed;

    open_all();
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        ask(promise_readable(loop, numbers[i]), "r");
        ask(promise_writable(loop, numbers[i]), "w");
        run();
        trace_is("r=!errno9 w=!errno9");
    }
    closed = dup(ends[0]);
    close(closed);
    trace_messages = true;
    ask(promise_readable(loop, closed), "r");
    run();
    ck_assert_ptr_nonnull(strstr(trace_take(), "Bad file descriptor"));
    ck_assert_uint_le(test_alloc_live(), live + 30); /* no table for all those numbers */
    close_all();
}
END_TEST

START_TEST(large_numbers) {
    int high;

    open_all();
    high = fcntl(ends[0], F_DUPFD, 1000);
    ck_assert_int_ge(high, 1000);
    ask(promise_readable(loop, high), "high");
    ask(promise_readable(loop, ends[0]), "low"); /* the same file under two numbers */
    turn();
    trace_is("");
    put("x");
    run();
    ck_assert_uint_eq(strlen(trace_take()), strlen("high=- low=-"));
    close(high);
    close_all();
}
END_TEST

START_TEST(with_every_way_of_libevents_to_wait) {
    static const char *const without[] = {"EVENT_NONE", "EVENT_NOEPOLL", "EVENT_NOPOLL"};
    static const char *const method[] = {"epoll", "poll", "select"};
    promise_t *p;

    for (int i = 0; i <= _i; i++) setenv(without[i], "1", 1);
    open_all();
    ck_assert_str_eq(event_base_get_method(base), method[_i]);
    fill(ends[0]);
    ask(promise_readable(loop, ends[0]), "r");
    ask(promise_writable(loop, ends[0]), "w");
    p = promise_readable(loop, ends[1]); /* data is there */
    ck_assert_int_eq(promise_get_state(p), PROMISE_FULFILLED);
    promise_unref(p);
    turn();
    trace_is("");
    drain(ends[1]);
    turn();
    trace_is("w=-");
    put("x");
    run();
    trace_is("r=-");
    close_all();
}
END_TEST

/* ---- several waiters ---- */

START_TEST(all_are_woken_in_the_order_of_the_calls) {
    open_all();
    ask(promise_readable(loop, ends[0]), "a");
    ask(promise_readable(loop, ends[0]), "b");
    ask(promise_readable(loop, ends[0]), "c");
    turn();
    put("x");
    if (_i) ask(promise_readable(loop, ends[0]), "d"); /* is ready at once: those before it are too */
    run();
    trace_is(_i ? "a=- b=- c=- d=-" : "a=- b=- c=-");
    close_all();
}
END_TEST

static promise_value_t take_one(promise_value_t v, void *arg) {
    char c;

    trace("%s%s", (const char *)arg, read(ends[0], &c, 1) == 1 ? "+" : "-");
    return v;
}

START_TEST(one_may_find_that_others_took_what_was_there) {
    open_all();
    promise_unref(promise_then(promise_readable(loop, ends[0]), take_one, "a"));
    promise_unref(promise_then(promise_readable(loop, ends[0]), take_one, "b"));
    put("x");
    run();
    trace_is("a+ b-");
    close_all();
}
END_TEST

/* ---- K: cancelling ---- */

START_TEST(K1_K2_a_cancelled_wait_leaves_nothing) {
    promise_t *p[3];

    open_all();
    for (int i = 0; i < 3; i++) p[i] = traced(promise_readable(loop, ends[0]), i == 0 ? "a" : i == 1 ? "b" : "c");
    ck_assert_int_eq(events(), 1);
    promise_cancel(p[_i]);
    ck_assert_int_ge(events(), 1);
    put("x");
    run();
    trace_is(_i == 0 ? "a=!canceled b=- c=-" : _i == 1 ? "b=!canceled a=- c=-" : "c=!canceled a=- b=-");
    for (int i = 0; i < 3; i++)
        if (i != _i) promise_unref(p[i]);
    close_all();
}
END_TEST

START_TEST(J3_with_the_last_one_cancelled_the_loop_ends) {
    promise_t *p, *q;

    open_all();
    p = promise_readable(loop, ends[0]);
    q = promise_readable(loop, ends[0]);
    promise_cancel(p);
    promise_cancel(q);
    run();
    ck_assert_int_eq(events(), 0);
    put("x"); /* K6: it is still there */
    ask(promise_readable(loop, ends[0]), "r");
    run();
    trace_is("r=-");
    close_all();
}
END_TEST

START_TEST(K4_a_dropped_wait_goes_on) {
    open_all();
    promise_unref(promise_readable(loop, ends[0]));
    ck_assert_int_eq(events(), 1);
    put("x");
    run();
    close_all();
}
END_TEST

static promise_t *other;

static promise_value_t cancel_other(promise_value_t v, void *arg) {
    (void)trace_word(v, arg);
    promise_cancel(other);
    return v;
}

START_TEST(K2_cancelled_by_one_that_was_woken_before_it) { 
    open_all();
    fill(ends[0]);
    promise_unref(promise_then(promise_readable(loop, ends[0]), cancel_other, "a"));
    other = traced(_i ? promise_writable(loop, ends[0]) : promise_readable(loop, ends[0]), "b");
    put("x");
    run();
    trace_is("a b=!canceled");
    close_all();
}
END_TEST

START_TEST(K5_a_timeout_ends_the_wait) {
    open_all();
    ask(promise_timeout(promise_readable(loop, ends[0]), 1), "r");
    run();
    trace_is("r=!timedout");
    ck_assert_int_eq(events(), 0);
    close_all();
}
END_TEST

/* ---- closed while somebody waits ---- */

/* The system has forgotten it, libevent has not. The next file of that number is watched all the same. */
START_TEST(a_number_that_is_used_again) {
    int old[2];

    open_all();
    memcpy(old, ends, sizeof old);
    ask(promise_readable(loop, old[0]), "old");
    turn();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    ck_assert_int_eq(dup2(ends[0], old[0]), old[0]);
    close(ends[0]);
    ends[0] = old[0];
    if (_i) fill(ends[0]), ask(promise_writable(loop, ends[0]), "new");
    else ask(promise_readable(loop, ends[0]), "new");
    turn();
    trace_is("");
    if (_i) drain(ends[1]);
    else put("x");
    turn();
    trace_is(_i ? "new=-" : "old=- new=-");
    put("x");
    run();
    trace_is(_i ? "old=-" : "");
    close(old[1]);
    close_all();
}
END_TEST

START_TEST(who_asks_for_a_closed_one_ends_the_waits_for_it) {
    int fd;

    open_all();
    fd = dup(ends[0]);
    ask(promise_readable(loop, fd), "r");
    close(fd);
    ask(promise_readable(loop, fd), "again");
    run();
    trace_is("r=!errno9 again=!errno9");
    close_all();
}
END_TEST

static void no_log(int severity, const char *message) { (void)severity, (void)message; }
static void nothing(evutil_socket_t fd, short what, void *arg) { (void)fd, (void)what, (void)arg; }

/* In its debug mode it mixes no edge-triggered events with others, and gives no errno. */
START_TEST(what_libevent_refuses_rejects) {
    struct event *edge;

    event_enable_debug_mode();
    event_set_log_callback(no_log);
    open_all();
    edge = event_new(base, ends[0], EV_READ | EV_ET | EV_PERSIST, nothing, NULL);
    event_add(edge, NULL);
    ask(promise_readable(loop, ends[0]), "r");
    turn();
    trace_is("r=!errno22");
    event_free(edge);
    close_all();
}
END_TEST

/* Somebody else's event on the same base and fd: both are called. */
static void count_up(evutil_socket_t fd, short what, void *arg) {
    (void)fd, (void)what;
    ++*(int *)arg;
}

START_TEST(beside_an_event_of_the_programs_own) {
    int calls = 0;
    struct event *own;

    open_all();
    own = event_new(base, ends[0], EV_READ, count_up, &calls);
    event_add(own, NULL);
    ask(promise_readable(loop, ends[0]), "r");
    put("x");
    run();
    trace_is("r=-");
    ck_assert_int_eq(calls, 1);
    event_free(own);
    close_all();
}
END_TEST

/* ---- J5 and O2 ---- */

static promise_value_t wait_again(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(traced(promise_readable(NULL, ends[0]), "again"));
}

START_TEST(J5_the_waits_go_with_the_loop) {
    open_all();
    ask(promise_readable(loop, ends[0]), "r");
    fill(ends[1]);
    ask(promise_writable(loop, ends[1]), "w");
    if (_i) turn();
    promise_unref(promise_finally(promise_readable(loop, ends[1]), wait_again, NULL));
    promise_loop_free(loop);
    ck_assert_ptr_nonnull(strstr(trace_take(), "!canceled"));
    loop = NULL;
    close_all();
}
END_TEST

static promise_value_t free_it(promise_value_t v, void *arg) {
    (void)arg;
    promise_loop_free(loop);
    return v;
}

START_TEST(T4_the_loop_is_freed_by_one_that_was_woken) {
    open_all();
    promise_unref(promise_then(promise_readable(loop, ends[0]), free_it, NULL));
    ask(promise_readable(loop, ends[0]), "b");
    ask(promise_readable(loop, ends[1]), "c");
    put("x");
    event_base_dispatch(base);
    trace_is("b=- c=!canceled");
    loop = NULL;
    close_all();
}
END_TEST

static void without_a_loop(void *arg) {
    (void)arg;
    promise_unref(promise_readable(NULL, 0));
}

START_TEST(loops_that_cannot) { /* O6 */
    struct fakehost fake;
    promise_loop_t *hosted = fakehost_open(&fake);

    expect_on(&fake, promise_readable(hosted, 0), "!errno38");
    expect_on(&fake, promise_writable(hosted, 0), "!errno38");
    fakehost_close(&fake);
    test_assert_stops(without_a_loop, NULL, "promise_readable: loop is NULL");
}
END_TEST

START_TEST(O2_each_allocation_fails_once) {
    promise_value_t v = {0};
    bool failed = true;
    int status;

    for (size_t n = 1; failed; n++) {
        open_all();
        fill(ends[0]);
        test_alloc_fail_at(n);
        promise_t *p = promise_readable(loop, ends[0]), *q = promise_writable(loop, ends[0]);
        put("x");
        drain(ends[1]);
        status = promise_loop_run(loop, promise_all_of(loop, p, q, NULL), &v);
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        ck_assert(failed || status == 0);
        if (status < 0) ck_assert(promise_error_is(v, &promise_errno_errors, ENOMEM));
        promise_value_clear(&v);
        close_all();
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("fd");
    TCase *t = tcase_create("fd");

    tcase_add_test(t, what_is_ready_is_so_at_once);
    tcase_add_test(t, what_is_not_is_waited_for);
    tcase_add_test(t, both_directions_of_one_fd);
    tcase_add_test(t, the_end_and_errors_are_ready);
    tcase_add_test(t, files_are_always_ready);
    tcase_add_test(t, what_is_not_open_rejects);
    tcase_add_test(t, large_numbers);
    tcase_add_loop_test(t, with_every_way_of_libevents_to_wait, 0, 3);
    tcase_add_loop_test(t, all_are_woken_in_the_order_of_the_calls, 0, 2);
    tcase_add_test(t, one_may_find_that_others_took_what_was_there);
    tcase_add_loop_test(t, K1_K2_a_cancelled_wait_leaves_nothing, 0, 3);
    tcase_add_test(t, J3_with_the_last_one_cancelled_the_loop_ends);
    tcase_add_test(t, K4_a_dropped_wait_goes_on);
    tcase_add_loop_test(t, K2_cancelled_by_one_that_was_woken_before_it, 0, 2);
    tcase_add_test(t, K5_a_timeout_ends_the_wait);
    tcase_add_loop_test(t, a_number_that_is_used_again, 0, 2);
    tcase_add_test(t, who_asks_for_a_closed_one_ends_the_waits_for_it);
    tcase_add_test(t, what_libevent_refuses_rejects);
    tcase_add_test(t, beside_an_event_of_the_programs_own);
    tcase_add_loop_test(t, J5_the_waits_go_with_the_loop, 0, 2);
    tcase_add_test(t, T4_the_loop_is_freed_by_one_that_was_woken);
    tcase_add_test(t, loops_that_cannot);
    tcase_add_test(t, O2_each_allocation_fails_once);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
