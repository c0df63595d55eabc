/* The end of listeners: closed, stopped, with their loop; and each allocation. */
#include "listening.h"

#include <string.h>
#include <unistd.h>

static bool rests(void *listener) { return promise_is_rejection(promise_listener_error(listener)); }

/* ---- the end ---- */

START_TEST(closed_while_some_wait) {
    promise_t *p, *two;

    listen_here();
    p = promise_listener_accept(l);
    two = promise_listener_accept(l);
    turn(1);
    close_it();
    rejects_closed(p);
    rejects_closed(two);
    promise_listener_close(NULL);
    ck_assert_int_eq(peer_connect(&address), -1);
}
END_TEST

static promise_value_t close_here(promise_value_t v, void *arg) {
    (void)arg;
    close_it();
    return v;
}

START_TEST(T4_closed_by_who_was_served) {
    promise_t *p, *two;
    int fd;

    listen_here();
    fd = client();
    p = promise_then(promise_listener_accept(l), close_here, NULL);
    two = promise_listener_accept(l);
    ck_assert(is_to(fulfilled(p), fd)); /* the stream goes on */
    rejects_closed(two);
    close(fd);
}
END_TEST

static promise_value_t free_loop(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    promise_loop_free(loop);
    return promise_void();
}

START_TEST(T4_J5_the_loop_is_freed_by_who_was_served) {
    promise_value_t v = {0};
    int fd;

    listen_here();
    fd = client();
    promise_unref(promise_each(promise_listener_accepted(l), 1, free_loop, NULL));
    promise_loop_run(loop, NULL, &v);
    loop = NULL;
    close(fd);
}
END_TEST

START_TEST(J5_the_loop_is_freed_at_each_state) {
    static const int used_up[] = {EMFILE, 0};
    promise_iterator_t *it;
    promise_value_t v = {0};
    promise_t *held;
    int fd;

    listen_here();
    fd = client();
    it = promise_listener_accepted(l);
    promise_value_set(&v, fulfilled(promise_next(it)));
    if (_i == 1) held = promise_listener_accept(l);
    else if (_i == 2) held = promise_next(it);
    else if (_i == 3) held = promise_listener_stop(l, 1000);
    else held = promise_from(loop, promise_void());
    if (_i == 4) {
        close(fd);
        fd = client();
        failures = used_up;
        promise_unref(held);
        held = promise_listener_accept(l);
        turn_until(rests, l);
    }
    turn(1);
    promise_loop_free(loop);
    loop = NULL;
    if (_i) ck_assert(promise_is_canceled(promise_peek(held)));
    promise_unref(held);
    promise_iterator_close(it); /* the handles that are counted outlive the loop */
    promise_value_clear(&v);
    close(fd);
}
END_TEST

static promise_value_t use_it(promise_value_t v, void *arg) {
    promise_listener_t *late;

    (void)v, (void)arg;
    promise_unref(promise_listener_accept(l));
    promise_unref(promise_listener_stop(l, 0));
    late = promise_listener_new(NULL, "127.0.0.1", 0); /* none is made any more */
    ck_assert(promise_is_canceled(promise_listener_error(late)));
    ck_assert_int_eq(promise_listener_fd(late), -1);
    promise_unref(promise_listener_accept(late));
    promise_listener_close(late);
    return promise_void();
}

START_TEST(J5_nothing_starts_while_the_loop_goes) {
    listen_here();
    promise_unref(promise_finally(promise_listener_accept(l), use_it, NULL));
    promise_loop_free(loop);
    loop = NULL;
}
END_TEST

/* ---- the graceful end ---- */

enum { SOME = 3 };
static int clients[SOME];
static promise_value_t streams[SOME];

static void accept_some(void) {
    listen_here();
    for (int i = 0; i < SOME; i++) {
        clients[i] = client();
        promise_value_set(&streams[i], fulfilled(promise_listener_accept(l)));
    }
    ck_assert_uint_eq(promise_listener_connections(l), SOME);
}

static void let_go(void) {
    for (int i = 0; i < SOME; i++) {
        promise_value_clear(&streams[i]);
        close(clients[i]);
    }
}

START_TEST(stopped_without_connections) {
    promise_t *p;

    listen_here();
    p = promise_listener_accept(l);
    ck_assert_int_eq(promise_as_int(fulfilled(promise_listener_stop(l, 1000))), 0);
    rejects_closed(p);
    rejects_closed(promise_listener_accept(l));
    ck_assert_int_eq(peer_connect(&address), -1);
    ck_assert_int_eq(errno, ECONNREFUSED);
    ck_assert_int_eq(promise_listener_fd(l), -1);
    ck_assert(promise_is_void(promise_listener_error(l)));
    ck_assert_int_eq(promise_as_int(fulfilled(promise_listener_stop(l, UINT64_MAX))), 0);
    close_it();
}
END_TEST

START_TEST(stop_waits_for_the_streams_to_end) {
    promise_t *p, *two;
    promise_iterator_t *it;

    accept_some();
    it = promise_listener_accepted(l);
    p = promise_listener_stop(l, _i ? 60000 : UINT64_MAX);
    two = promise_listener_stop(l, UINT64_MAX);
    ck_assert(promise_is_end(fulfilled(promise_next(it))));
    (void)fulfilled(promise_stream_close(promise_as_stream(streams[0]))); /* closed by us, */
    promise_value_clear(&streams[1]);                                     /* let go of, */
    ck_assert_uint_eq(promise_listener_connections(l), 1);
    turn(2);
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    promise_stream_abort(promise_as_stream(streams[2])); /* aborted */
    ck_assert_int_eq(promise_as_int(fulfilled(p)), 0);
    ck_assert_int_eq(promise_as_int(fulfilled(two)), 0);
    promise_iterator_close(it);
    let_go();
    close_it();
}
END_TEST

START_TEST(stop_aborts_those_that_are_left_at_the_deadline) {
    promise_t *p, *longer, *read;

    accept_some();
    promise_value_clear(&streams[0]);
    read = promise_stream_read(promise_as_stream(streams[1]), 10);
    longer = promise_listener_stop(l, 60000);
    p = promise_listener_stop(l, 5); /* the shorter of two */
    ck_assert_int_eq(promise_as_int(fulfilled(p)), SOME - 1);
    ck_assert_int_eq(promise_as_int(fulfilled(longer)), SOME - 1);
    rejects_closed(read);
    ck_assert_uint_eq(promise_listener_connections(l), 0);
    ck_assert(promise_stream_is_closed(promise_as_stream(streams[2])));
    let_go();
    close_it();
}
END_TEST

START_TEST(stop_at_once) {
    promise_t *waiting;

    accept_some();
    waiting = promise_listener_stop(l, 60000);
    ck_assert_int_eq(promise_as_int(fulfilled(promise_listener_stop(l, 0))), SOME);
    ck_assert_int_eq(promise_as_int(fulfilled(waiting)), SOME);
    let_go();
    close_it();
}
END_TEST

START_TEST(K2_a_cancelled_stop_leaves_the_streams_alone) {
    accept_some();
    promise_cancel(promise_listener_stop(l, 60000));
    ck_assert_uint_eq(promise_listener_connections(l), SOME);
    ck_assert(!promise_stream_is_closed(promise_as_stream(streams[0])));
    ck_assert(promise_is_timeout(rejected(promise_timeout(promise_listener_stop(l, UINT64_MAX), 5)))); /* K5 */
    let_go();
    ck_assert_int_eq(promise_as_int(fulfilled(promise_listener_stop(l, UINT64_MAX))), 0);
    close_it();
}
END_TEST

START_TEST(closed_while_it_stops) {
    promise_t *p;

    accept_some();
    p = promise_listener_stop(l, 60000);
    close_it();
    rejects_closed(p);
    ck_assert(!promise_stream_is_closed(promise_as_stream(streams[0]))); /* they go on */
    let_go();
}
END_TEST

START_TEST(streams_outlive_the_listener) {
    promise_stream_t *s;
    char byte;

    accept_some();
    close_it();
    s = promise_as_stream(streams[0]);
    promise_unref(promise_stream_write(s, promise_string("x")));
    (void)fulfilled(promise_stream_drain(s));
    ck_assert_int_eq(read(clients[0], &byte, 1), 1);
    let_go();
}
END_TEST

/* ---- memory, misuse ---- */

static int late_client;

static promise_value_t close_iterator(promise_value_t v, void *it) {
    (void)v;
    promise_iterator_close(it);
    return promise_void();
}
static promise_value_t stop_it(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_listener_stop(l, 1));
}
static promise_t *listen_and_accept(void) {
    promise_iterator_t *it;

    l = promise_listener_new_with(loop, &(struct promise_address){0}, NULL);
    promise_listener_close(l);
    l = promise_listener_new(loop, "127.0.0.1", 0);
    late_client = promise_listener_address(l, &address) == 0 ? client() : -1;
    it = promise_listener_accepted(l);
    return promise_then(promise_finally(promise_next(it), close_iterator, it), stop_it, NULL);
}
static void close_both(void) {
    if (late_client >= 0) close(late_client);
    close_it();
}

START_TEST(O2_each_allocation_fails) { ck_assert_uint_ge(each_allocation(listen_and_accept, close_both), 6); }
END_TEST

static promise_t *listen_unix_and_adopt(void) {
    struct promise_address a;
    promise_listener_t *u = listen_unix(in_folder("socket")), *adopted;
    promise_t *both[2];
    int fd = peer_bind(SOCK_STREAM, &a);

    ck_assert_int_eq(listen(fd, 1), 0);
    adopted = promise_listener_adopt(loop, fd, NULL);
    both[0] = promise_listener_stop(u, 10);
    both[1] = promise_listener_stop(adopted, 10);
    promise_listener_close(u);
    promise_listener_close(adopted);
    return promise_all(loop, 2, both);
}

START_TEST(O2_of_a_unix_socket_too) { ck_assert_uint_ge(each_allocation(listen_unix_and_adopt, NULL), 4); }
END_TEST

static void misuse(void *arg) {
    static const struct promise_listener *none;

    switch (*(int *)arg) {
    case 0: promise_unref(promise_listener_accept(NULL)); break;
    case 1: promise_iterator_close(promise_listener_accepted(NULL)); break;
    case 2: promise_unref(promise_listener_stop(NULL, 1)); break;
    case 3: promise_listener_error(none); break;
    case 4: promise_listener_connections(none); break;
    case 5: promise_listener_port(none); break;
    default: promise_listener_fd(none);
    }
}

START_TEST(misuse_stops_the_program) {
    for (int i = 0; i < 7; i++) test_assert_stops(misuse, &i, "the listener is NULL");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("listener_end");
    TCase *t = tcase_create("listener_end");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, net_open, net_close);
    tcase_add_test(t, closed_while_some_wait);
    tcase_add_test(t, T4_closed_by_who_was_served);
    tcase_add_test(t, T4_J5_the_loop_is_freed_by_who_was_served);
    tcase_add_loop_test(t, J5_the_loop_is_freed_at_each_state, 0, 5);
    tcase_add_test(t, J5_nothing_starts_while_the_loop_goes);
    tcase_add_test(t, stopped_without_connections);
    tcase_add_loop_test(t, stop_waits_for_the_streams_to_end, 0, 2);
    tcase_add_test(t, stop_aborts_those_that_are_left_at_the_deadline);
    tcase_add_test(t, stop_at_once);
    tcase_add_test(t, K2_a_cancelled_stop_leaves_the_streams_alone);
    tcase_add_test(t, closed_while_it_stops);
    tcase_add_test(t, streams_outlive_the_listener);
    tcase_add_test(t, O2_each_allocation_fails);
    tcase_add_test(t, O2_of_a_unix_socket_too);
    tcase_add_test(t, misuse_stops_the_program);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
