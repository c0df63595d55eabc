/* Listeners: who gets which connection, one by one and as a server. */
#include "listening.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <promise/connect.h>
#include <unistd.h>

static bool none_left(void *listener) { return !promise_listener_connections(listener); }

/* ---- accept ---- */

START_TEST(the_next_connection) {
    promise_t *p;
    int fd;

    listen_here();
    ck_assert_uint_eq(promise_listener_port(l), promise_address_port(&address));
    ck_assert_uint_ne(promise_listener_port(l), 0);
    p = promise_listener_accept(l);
    turn(2);
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    fd = client();
    ck_assert(is_to(fulfilled(p), fd));
    ck_assert_uint_eq(promise_listener_connections(l), 1);
    close(fd);
    close_it();
}
END_TEST

START_TEST(several_wait_and_are_served_in_order) {
    promise_t *p[3];
    int fds[3];

    listen_here();
    for (int i = 0; i < 3; i++) p[i] = promise_listener_accept(l);
    for (int i = 0; i < 3; i++) fds[i] = client();
    for (int i = 0; i < 3; i++) {
        promise_value_t v = promise_list_get(fulfilled(promise_all(loop, 1, &p[i])), 0);
        ck_assert(is_to(v, fds[i]));
        close(fds[i]);
    }
    close_it();
}
END_TEST

START_TEST(it_accepts_only_while_somebody_asks) { /* J3: and is nothing that a loop waits for */
    int fds[2];
    promise_value_t v = {0};

    listen_here();
    for (int i = 0; i < 2; i++) fds[i] = client();
    while (promise_loop_turn(loop)) {}
    ck_assert_uint_eq(accepts, 0);
    promise_value_set(&v, fulfilled(promise_listener_accept(l)));
    ck_assert(is_to(v, fds[0]));
    turn(3);
    ck_assert_uint_eq(accepts, 1); /* just as many as there were asked for */
    ck_assert(is_to(fulfilled(promise_listener_accept(l)), fds[1]));
    ck_assert_uint_eq(accepts, 2);
    promise_value_clear(&v);
    turn(3);
    for (int i = 0; i < 2; i++) close(fds[i]);
    close_it();
}
END_TEST

START_TEST(J3_nothing_left_is_told) {
    listen_here();
    promise_cancel(promise_listener_accept(l));
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    close_it();
}
END_TEST

START_TEST(K6_a_cancelled_accept_leaves_the_connection_to_the_next) {
    promise_t *first, *second;
    int fd;

    listen_here();
    first = promise_listener_accept(l);
    second = promise_listener_accept(l);
    fd = client(); /* it is in the queue */
    promise_cancel(first);
    ck_assert(is_to(fulfilled(second), fd));
    close(fd);
    promise_cancel(promise_listener_accept(l));
    fd = client();
    turn(2);
    ck_assert_uint_eq(accepts, 1);
    ck_assert(is_to(fulfilled(promise_timeout(promise_listener_accept(l), 60000)), fd)); /* K5 */
    ck_assert(promise_is_timeout(rejected(promise_timeout(promise_listener_accept(l), 1))));
    close(fd);
    close_it();
}
END_TEST

static promise_value_t first_is_cancelled(promise_value_t v, void *second) {
    promise_cancel(*(promise_t **)second);
    return v;
}

START_TEST(K2_one_is_cancelled_by_the_handler_of_another) {
    promise_t *first, *second;
    int fd;

    listen_here();
    first = promise_listener_accept(l);
    second = promise_listener_accept(l);
    fd = client();
    ck_assert(is_to(fulfilled(promise_then(first, first_is_cancelled, &second)), fd));
    close(fd);
    close_it();
}
END_TEST

START_TEST(small_writes_are_not_delayed) {
    promise_listener_t *adopted;
    int fd, on = 0;
    socklen_t size = sizeof on;
    promise_stream_t *s;

    listen_here();
    fd = client();
    s = promise_as_stream(fulfilled(promise_listener_accept(l)));
    ck_assert_int_eq(getsockopt(promise_stream_fd(s), IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    ck_assert_int_eq(on, 1);
    ck_assert(fcntl(promise_stream_fd(s), F_GETFD) & FD_CLOEXEC);
    ck_assert(fcntl(promise_listener_fd(l), F_GETFD) & FD_CLOEXEC);
    close(fd);
    close_it();
    fd = peer_bind(SOCK_STREAM, &address);
    ck_assert_int_eq(listen(fd, 3), 0);
    adopted = promise_listener_adopt(loop, fd, NULL);
    fd = client();
    s = promise_as_stream(fulfilled(promise_listener_accept(adopted)));
    on = 0;
    ck_assert_int_eq(getsockopt(promise_stream_fd(s), IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    ck_assert_int_eq(on, 1);
    ck_assert(fcntl(promise_listener_fd(adopted), F_GETFD) & FD_CLOEXEC);
    close(fd);
    promise_listener_close(adopted);
}
END_TEST

/* ---- all of them: a server ---- */

static promise_value_t shout(promise_value_t line, void *stream) {
    return promise_adopt(promise_stream_write(stream, promise_stringf("%s!\n", promise_as_string(line))));
}

static promise_value_t serve(promise_value_t v, void *arg) {
    promise_stream_t *s = promise_as_stream(v);

    (void)arg;
    return promise_adopt(promise_each(promise_stream_lines(s, 100), 1, shout, s));
}

static promise_value_t one_client(promise_value_t v, void *arg) {
    promise_stream_t *s = promise_stream_ref(promise_as_stream(v));
    promise_t *p = promise_stream_read_line(s, 100);

    (void)arg;
    promise_unref(promise_stream_write(s, promise_string("hello\n")));
    return promise_adopt(promise_attach(p, s, promise_stream_unref));
}

static promise_value_t connect_here(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_then(promise_connect_address(NULL, &address), one_client, NULL));
}

START_TEST(R10_each_with_a_limit_is_a_server) {
    enum { CLIENTS = 40 };
    promise_value_t clients[CLIENTS], list;
    promise_t *server, *p;

    for (int i = 0; i < CLIENTS; i++) clients[i] = promise_int(i);
    listen_here();
    server = promise_each(promise_listener_accepted(l), 3, serve, NULL);
    p = promise_map(promise_items(loop, CLIENTS, clients), 7, connect_here, NULL);
    list = fulfilled(p);
    for (size_t i = 0; i < CLIENTS; i++) ck_assert_str_eq(promise_as_string(promise_list_get(list, i)), "hello!");
    turn_until(none_left, l);
    promise_listener_close(l); /* each ends */
    ck_assert(promise_is_void(fulfilled(server)));
}
END_TEST

START_TEST(the_iterator_ends_with_the_listener) {
    promise_iterator_t *it, *idle, *closed;
    promise_t *pending;
    int fd;

    listen_here();
    it = promise_listener_accepted(l);
    idle = promise_listener_accepted(l);
    closed = promise_listener_accepted(l);
    promise_iterator_close(closed);
    fd = client();
    ck_assert(is_to(fulfilled(promise_next(it)), fd));
    pending = promise_next(it);
    turn(2);
    close_it();
    ck_assert(promise_is_end(fulfilled(pending)));
    ck_assert(promise_is_end(fulfilled(promise_next(it))));
    ck_assert(promise_is_end(fulfilled(promise_next(idle)))); /* which outlives it */
    promise_iterator_close(idle);
    promise_iterator_close(it);
    close(fd);
}
END_TEST

START_TEST(K6_a_cancelled_next_leaves_the_connection_to_the_next) {
    promise_iterator_t *it;
    promise_t *p;
    int fd;

    listen_here();
    it = promise_listener_accepted(l);
    p = promise_next(it);
    turn(2);
    fd = client();
    promise_cancel(p);
    turn(2);
    ck_assert_uint_eq(accepts, 0);
    ck_assert(is_to(fulfilled(promise_next(it)), fd));
    p = promise_next(it);
    turn(2);
    promise_iterator_close(it); /* while it waits */
    ck_assert(promise_is_canceled(rejected(p)));
    close(fd);
    close_it();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("listener");
    TCase *t = tcase_create("listener");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, net_open, net_close);
    tcase_add_test(t, the_next_connection);
    tcase_add_test(t, several_wait_and_are_served_in_order);
    tcase_add_test(t, it_accepts_only_while_somebody_asks);
    tcase_add_test(t, J3_nothing_left_is_told);
    tcase_add_test(t, K6_a_cancelled_accept_leaves_the_connection_to_the_next);
    tcase_add_test(t, K2_one_is_cancelled_by_the_handler_of_another);
    tcase_add_test(t, small_writes_are_not_delayed);
    tcase_add_test(t, R10_each_with_a_limit_is_a_server);
    tcase_add_test(t, the_iterator_ends_with_the_listener);
    tcase_add_test(t, K6_a_cancelled_next_leaves_the_connection_to_the_next);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
