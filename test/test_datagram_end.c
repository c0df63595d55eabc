/* Datagrams: what cannot be made, sockets of one's own, the end at each state, and memory. */
#include "net.h"

#include <fcntl.h>
#include <limits.h>
#include <promise/datagram.h>
#include <sys/un.h>
#include <unistd.h>

static promise_udp_t *udp;
static struct promise_address address;

static void open_it(void) {
    address = local_address(0);
    udp = promise_udp_new(loop, &address);
    ck_assert_int_eq(promise_udp_address(udp, &address), 0);
}

static void close_it(void) {
    promise_udp_close(udp);
    udp = NULL;
}

/* ---- what cannot be made rejects (O2) ---- */

/* Closes it. */
static void refuses(promise_udp_t *bad, int error, const char *text) {
    promise_iterator_t *it = promise_udp_received(bad, 10);
    struct promise_address to = local_address(9);

    rejects_with(promise_udp_receive(bad, 10), error, text);
    rejects_with(promise_udp_send(bad, &to, promise_string("x")), error, text);
    rejects_with(promise_next(it), error, text);
    ck_assert(promise_error_is(promise_udp_error(bad), &promise_errno_errors, error));
    ck_assert_int_eq(promise_udp_connect(bad, &to), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(promise_udp_address(bad, &to), -1);
    ck_assert_uint_eq(promise_udp_port(bad), 0);
    ck_assert_int_eq(promise_udp_fd(bad), -1);
    promise_iterator_close(it);
    promise_udp_close(bad);
}

START_TEST(address_in_use_and_others) {
    struct promise_address other;
    char text[PROMISE_ADDRESS_TEXT + 64];

    open_it();
    snprintf(text, sizeof text, "udp on 127.0.0.1:%u: Address already in use", promise_udp_port(udp));
    refuses(promise_udp_new(loop, &address), EADDRINUSE, text);
    close_it();
    ck_assert_int_eq(promise_address_parse(&other, "192.0.2.1", 0), 0);
    refuses(promise_udp_new(loop, &other), EADDRNOTAVAIL, "udp on 192.0.2.1:0: ");
    ck_assert_int_eq(promise_address_unix(&other, "/tmp/x"), 0);
    refuses(promise_udp_new(loop, &other), EINVAL, "udp on unix:/tmp/x: ");
    other.size = 0;
    refuses(promise_udp_new(loop, &other), EINVAL, "udp on no address: ");
}
END_TEST

START_TEST(out_of_descriptors) {
    promise_udp_t *bad;

    address = local_address(0);
    limit_fds(0);
    bad = promise_udp_new(loop, &address);
    limit_fds(UINT_MAX);
    refuses(bad, EMFILE, "udp on 127.0.0.1:0: ");
}
END_TEST

START_TEST(adopted) {
    int fd = peer_bind(SOCK_DGRAM, &address), ends[2];
    struct promise_address own = address;

    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address.storage, address.size), 0); /* to itself */
    udp = promise_udp_adopt(loop, fd);
    ck_assert_int_eq(promise_udp_fd(udp), fd);
    ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    (void)fulfilled(promise_udp_send(udp, NULL, promise_string("to myself")));
    ck_assert(promise_address_equal(promise_datagram_from(fulfilled(promise_udp_receive(udp, 10))), &own));
    close_it();
    refuses(promise_udp_adopt(loop, -1), EBADF, "udp on descriptor -1: ");
    refuses(promise_udp_adopt(loop, peer_bind(SOCK_STREAM, &address)), EINVAL, "udp on descriptor ");
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    close(ends[1]);
    refuses(promise_udp_adopt(loop, ends[0]), EINVAL, "udp on descriptor ");
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[1]);
    refuses(promise_udp_adopt(loop, ends[0]), ENOTSOCK, "udp on descriptor ");
}
END_TEST

/* ---- the end ---- */

static promise_t *receive(void) { return promise_udp_receive(udp, 10); }

START_TEST(closed_while_some_wait) {
    promise_t *p, *two;

    open_it();
    p = receive();
    two = receive();
    turn(1);
    close_it();
    rejects_closed(p);
    rejects_closed(two);
    promise_udp_close(NULL);
}
END_TEST

static promise_value_t close_here(promise_value_t v, void *arg) {
    (void)arg;
    close_it();
    return v;
}

START_TEST(T4_closed_by_who_was_served) {
    promise_t *p, *two;

    open_it();
    p = promise_then(receive(), close_here, NULL);
    two = receive();
    (void)fulfilled(promise_udp_send(udp, &address, promise_string("x")));
    ck_assert(promise_is(fulfilled(p), &promise_type_datagram));
    rejects_closed(two);
}
END_TEST

static promise_value_t free_loop(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    promise_loop_free(loop);
    return promise_void();
}

START_TEST(T4_J5_the_loop_is_freed_by_who_was_served) {
    promise_value_t v = {0};

    open_it();
    promise_unref(promise_each(promise_udp_received(udp, 10), 1, free_loop, NULL));
    promise_unref(promise_udp_send(udp, &address, promise_string("x")));
    promise_loop_run(loop, NULL, &v);
    loop = NULL;
}
END_TEST

START_TEST(J5_the_loop_is_freed_at_each_state) {
    promise_iterator_t *it;
    promise_t *held;

    open_it();
    it = promise_udp_received(udp, 10);
    held = _i == 0 ? receive() : _i == 1 ? promise_next(it) : promise_udp_send(udp, &address, promise_string("x"));
    turn(1);
    promise_loop_free(loop);
    loop = NULL;
    ck_assert(_i == 2 || promise_is_canceled(promise_peek(held)));
    promise_unref(held);
    promise_iterator_close(it);
}
END_TEST

static promise_value_t use_it(promise_value_t v, void *arg) {
    promise_udp_t *late;

    (void)v, (void)arg;
    promise_unref(receive());
    promise_unref(promise_udp_send(udp, &address, promise_string("x")));
    late = promise_udp_new(NULL, NULL); /* none is made any more */
    ck_assert(promise_is_canceled(promise_udp_error(late)));
    ck_assert_int_eq(promise_udp_fd(late), -1);
    promise_unref(promise_udp_receive(late, 10));
    promise_unref(promise_udp_send(late, &address, promise_string("x")));
    ck_assert_int_eq(promise_udp_connect(late, &address), -1);
    promise_udp_close(late);
    return promise_void();
}

START_TEST(J5_nothing_starts_while_the_loop_goes) {
    open_it();
    promise_unref(promise_finally(receive(), use_it, NULL));
    promise_loop_free(loop);
    loop = NULL;
}
END_TEST

/* ---- memory, misuse ---- */

static promise_value_t close_iterator(promise_value_t v, void *it) {
    (void)v;
    promise_iterator_close(it);
    return promise_void();
}

static promise_t *send_and_receive(void) {
    promise_iterator_t *it;
    promise_t *sent, *received[2];

    address = local_address(0);
    udp = promise_udp_new(loop, &address);
    it = promise_udp_received(udp, 10);
    if (promise_udp_address(udp, &address) < 0) address = local_address(9);
    sent = promise_udp_send(udp, &address, promise_string("x"));
    (void)sendto(promise_udp_fd(udp), "y", 1, 0, (struct sockaddr *)&address.storage, address.size);
    (void)sendto(promise_udp_fd(udp), "z", 1, 0, (struct sockaddr *)&address.storage, address.size);
    received[0] = promise_finally(promise_next(it), close_iterator, it);
    received[1] = receive();
    return promise_all_of(loop, sent, received[0], received[1], NULL);
}

START_TEST(O2_each_allocation_fails) { ck_assert_uint_ge(each_allocation(send_and_receive, close_it), 10); }
END_TEST

static promise_t *adopt(void) {
    udp = promise_udp_adopt(loop, peer_bind(SOCK_DGRAM, &address));
    return promise_udp_send(udp, &address, promise_string("x"));
}

START_TEST(O2_of_one_that_is_adopted) { ck_assert_uint_ge(each_allocation(adopt, close_it), 2); }
END_TEST

static void misuse(void *arg) {
    switch (*(int *)arg) {
    case 0: promise_unref(promise_udp_receive(NULL, 1)); break;
    case 1: promise_iterator_close(promise_udp_received(NULL, 1)); break;
    case 2: promise_unref(promise_udp_send(NULL, &address, promise_void())); break;
    case 3: promise_udp_connect(NULL, &address); break;
    case 4: promise_udp_error(NULL); break;
    case 5: promise_udp_port(NULL); break;
    default: promise_udp_fd(NULL);
    }
}
static void not_one(void *arg) { promise_datagram_data(promise_int(*(int *)arg)); }

START_TEST(misuse_stops_the_program) {
    for (int i = 0; i < 7; i++) test_assert_stops(misuse, &i, "the promise_udp_t is NULL");
    test_assert_stops(not_one, &(int){1}, "expected datagram, got int");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("datagram_end");
    TCase *t = tcase_create("datagram_end");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, net_open, net_close);
    tcase_add_test(t, address_in_use_and_others);
    tcase_add_test(t, out_of_descriptors);
    tcase_add_test(t, adopted);
    tcase_add_test(t, closed_while_some_wait);
    tcase_add_test(t, T4_closed_by_who_was_served);
    tcase_add_test(t, T4_J5_the_loop_is_freed_by_who_was_served);
    tcase_add_loop_test(t, J5_the_loop_is_freed_at_each_state, 0, 3);
    tcase_add_test(t, J5_nothing_starts_while_the_loop_goes);
    tcase_add_test(t, O2_each_allocation_fails);
    tcase_add_test(t, O2_of_one_that_is_adopted);
    tcase_add_test(t, misuse_stops_the_program);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
