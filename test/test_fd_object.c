/* promise_fd_t: its end wakes those who wait, before the fd is closed; whose the fd is. */
#include "evloop.h"
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <promise.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int ends[2];
static size_t fds;
static promise_fd_t *f;

static void ignore(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
}

static void open_all(void) {
    fds = test_open_fds();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    open_loop(1);
    promise_loop_on_unhandled(loop, ignore, NULL);
}

static int events(void) { return event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED | EVENT_BASE_COUNT_ACTIVE); }

static bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

static void close_all(void) {
    if (loop) promise_loop_free(loop);
    ck_assert_int_eq(events(), 0);
    event_base_free(base);
    for (int i = 0; i < 2; i++)
        if (is_open(ends[i])) close(ends[i]);
    ck_assert_uint_eq(test_alloc_live(), live);
    ck_assert_uint_eq(test_open_fds(), fds);
}

static void fill(int fd) {
    static const char block[4096];

    while (write(fd, block, sizeof block) > 0 || write(fd, block, 1) > 0) {}
}

static void run(void) { ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0); }
static void turn(void) { promise_loop_turn(loop); }
static void ask(promise_t *p, const char *name) { promise_unref(traced(p, name)); }

START_TEST(it_waits_as_for_the_number) {
    open_all();
    f = _i ? promise_fd_borrow(loop, ends[0]) : promise_fd_new(loop, ends[0]);
    ck_assert_int_eq(promise_fd_number(f), ends[0]);
    fill(ends[0]);
    ask(promise_fd_readable(f), "r");
    ask(promise_fd_writable(f), "w");
    turn();
    trace_is("");
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    turn();
    trace_is("r=-");
    ask(promise_fd_readable(f), "r");
    turn();
    trace_is("r=-");
    promise_fd_close(f);
    run();
    trace_is("w=!closed");
    ck_assert_int_eq(is_open(ends[0]), _i);
    close_all();
}
END_TEST

START_TEST(closing_wakes_those_who_wait) {
    open_all();
    f = promise_fd_new(loop, ends[0]);
    fill(ends[0]);
    ask(promise_fd_readable(f), "a");
    ask(promise_fd_writable(f), "w");
    ask(promise_fd_readable(f), "b");
    ask(promise_readable(loop, ends[0]), "c"); /* by its number: that is closed too */
    if (_i) turn();
    promise_fd_close(f);
    ck_assert(!is_open(ends[0]));
    trace_is("");
    run();
    trace_is("a=!closed b=!closed c=!closed w=!closed");
    close_all();
}
END_TEST

START_TEST(the_message_names_the_fd) {
    char text[64];

    open_all();
    snprintf(text, sizeof text, "r=!fd %d was closed", ends[0]);
    f = promise_fd_new(loop, ends[0]);
    ask(promise_fd_readable(f), "r");
    promise_fd_close(f);
    trace_messages = true;
    run();
    trace_is(text);
    close_all();
}
END_TEST

START_TEST(what_is_borrowed_ends_its_own_waits_only) {
    promise_fd_t *g;

    open_all();
    f = promise_fd_borrow(loop, ends[0]);
    g = promise_fd_borrow(loop, ends[0]);
    ask(promise_fd_readable(f), "f");
    ask(promise_fd_readable(g), "g");
    ask(promise_readable(loop, ends[0]), "n");
    promise_fd_close(f);
    turn();
    trace_is("f=!closed");
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    run();
    trace_is("g=- n=-");
    promise_fd_close(g);
    ck_assert(is_open(ends[0]));
    close_all();
}
END_TEST

/* The trap: nothing of the closed one is left in libevent, and a new file of its number is watched. */
START_TEST(its_number_can_be_used_again) {
    int number;

    open_all();
    number = ends[0];
    f = promise_fd_new(loop, ends[0]);
    ask(promise_fd_readable(f), "old");
    turn();
    promise_fd_close(f);
    close(ends[1]);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    ck_assert_int_eq(ends[0], number);
    f = promise_fd_new(loop, ends[0]);
    ask(promise_fd_readable(f), "new");
    turn();
    trace_is("old=!closed");
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    turn();
    trace_is("new=-");
    promise_fd_close(f);
    close_all();
}
END_TEST

static promise_value_t close_it(promise_value_t v, void *arg) {
    (void)trace_word(v, arg);
    promise_fd_close(f);
    return v;
}

START_TEST(T4_closed_by_one_who_was_woken) {
    open_all();
    f = promise_fd_new(loop, ends[0]);
    promise_unref(promise_then(promise_fd_readable(f), close_it, "a"));
    ask(promise_fd_readable(f), "b"); /* was woken too */
    fill(ends[0]);
    ask(promise_fd_writable(f), "w");
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    run();
    trace_is("a b=- w=!closed");
    ck_assert(!is_open(ends[0]));
    close_all();
}
END_TEST

START_TEST(K2_cancelled_then_closed) {
    promise_t *p;

    open_all();
    f = promise_fd_new(loop, ends[0]);
    p = promise_fd_readable(f);
    promise_cancel(p);
    promise_fd_close(f);
    run();
    close_all();
}
END_TEST

START_TEST(what_is_not_open_rejects) { /* and closing the object closes nobody else's file */
    int number, later;

    open_all();
    number = dup(ends[0]);
    close(number);
    f = _i ? promise_fd_borrow(loop, number) : promise_fd_new(loop, number);
    ck_assert_int_eq(promise_fd_number(f), -1);
    later = dup(ends[0]);
    ck_assert_int_eq(later, number);
    ask(promise_fd_readable(f), "r");
    ask(promise_fd_writable(f), "w");
    run();
    trace_is("r=!errno9 w=!errno9");
    promise_fd_close(f);
    ck_assert(is_open(later));
    close(later);
    f = promise_fd_new(loop, -1);
    ask(promise_fd_readable(f), "r");
    run();
    trace_is("r=!errno9");
    promise_fd_close(f);
    promise_fd_close(NULL);
    close_all();
}
END_TEST

/* ---- J5 ---- */

START_TEST(J5_it_goes_with_the_loop) {
    open_all();
    f = _i % 2 ? promise_fd_borrow(loop, ends[0]) : promise_fd_new(loop, ends[0]);
    if (_i / 2) ask(promise_fd_readable(f), "r");
    promise_loop_free(loop);
    trace_is(_i / 2 ? "r=!canceled" : "");
    ck_assert_int_eq(is_open(ends[0]), _i % 2);
    loop = NULL;
    close_all();
}
END_TEST

static void close_attached(void *arg) {
    trace("close");
    promise_fd_close(arg);
}

START_TEST(J5_O3_or_before_it_by_what_is_attached) {
    open_all();
    f = promise_fd_new(loop, ends[0]);
    promise_unref(promise_attach(traced(promise_fd_readable(f), "r"), f, close_attached));
    promise_loop_free(loop);
    trace_is("r=!canceled close");
    loop = NULL;
    close_all();
}
END_TEST

static promise_value_t make_anew(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    f = promise_fd_new(NULL, ends[0]);
    return promise_adopt(traced(promise_fd_readable(f), "r"));
}

static void abandon(void *resolver) { promise_abandon(resolver); }

START_TEST(J5_a_new_one_meanwhile_is_closed_at_once) {
    promise_resolver_t *resolver;

    open_all();
    promise_unref(promise_finally(promise_new(loop, &resolver), make_anew, NULL));
    promise_on_cancel(resolver, abandon, resolver);
    promise_loop_free(loop);
    ck_assert(!is_open(ends[0]));
    promise_fd_close(f);
    loop = NULL;
    close_all();
}
END_TEST

/* ---- O1, O2 ---- */

START_TEST(O1_O2_out_of_memory_it_rejects_and_closes) {
    bool failed = true;

    for (size_t n = 1; failed; n++) {
        open_all();
        test_alloc_fail_at(n);
        f = promise_fd_new(loop, ends[0]);
        ask(promise_fd_readable(f), "r");
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        ck_assert_int_eq(is_open(ends[0]), promise_fd_number(f) >= 0);
        turn();
        if (promise_fd_number(f) < 0) trace_is("r=!errno12");
        promise_fd_close(f);
        run();
        if (!failed) trace_is("r=!closed");
        trace_take();
        close_all();
    }
}
END_TEST

static void read_null(void *arg) {
    (void)arg;
    promise_unref(promise_fd_readable(NULL));
}
static void number_of_null(void *arg) {
    (void)arg;
    (void)promise_fd_number(NULL);
}
static void without_a_loop(void *arg) {
    (void)arg;
    promise_fd_close(promise_fd_new(NULL, 0));
}

START_TEST(bugs_of_the_program_stop_it) {
    test_assert_stops(read_null, NULL, "promise_fd_readable: f is NULL");
    test_assert_stops(number_of_null, NULL, "promise_fd_number: f is NULL");
    test_assert_stops(without_a_loop, NULL, "promise_fd_new: loop is NULL");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("fd_object");
    TCase *t = tcase_create("fd_object");

    tcase_add_loop_test(t, it_waits_as_for_the_number, 0, 2);
    tcase_add_loop_test(t, closing_wakes_those_who_wait, 0, 2);
    tcase_add_test(t, the_message_names_the_fd);
    tcase_add_test(t, what_is_borrowed_ends_its_own_waits_only);
    tcase_add_test(t, its_number_can_be_used_again);
    tcase_add_test(t, T4_closed_by_one_who_was_woken);
    tcase_add_test(t, K2_cancelled_then_closed);
    tcase_add_loop_test(t, what_is_not_open_rejects, 0, 2);
    tcase_add_loop_test(t, J5_it_goes_with_the_loop, 0, 4);
    tcase_add_test(t, J5_O3_or_before_it_by_what_is_attached);
    tcase_add_test(t, J5_a_new_one_meanwhile_is_closed_at_once);
    tcase_add_test(t, O1_O2_out_of_memory_it_rejects_and_closes);
    tcase_add_test(t, bugs_of_the_program_stop_it);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
