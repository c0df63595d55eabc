/* Datagrams: sent and received, whole, in order, when somebody asks; and the one error of each fault. */
#include "net.h"

#include <limits.h>
#include <poll.h>
#include <promise/datagram.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- the system calls, counted, and made to fail ---- */

static unsigned sends, receives;                    /* calls */
static const int *send_failures, *receive_failures; /* what the next ones fail with, up to a 0 */

static bool fails(const int **failures) {
    if (!*failures || !**failures) return false;
    errno = *(*failures)++;
    return true;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic" /* the header's type of to is a union */
ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t to_size) {
    sends++;
    return fails(&send_failures) ? -1 : syscall(SYS_sendto, fd, data, size, flags, to, to_size);
}
#pragma GCC diagnostic pop
ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    receives++;
    return fails(&receive_failures) ? -1 : syscall(SYS_recvmsg, fd, message, flags);
}

/* ---- two of them ---- */

static promise_udp_t *here, *there;
static struct promise_address address; /* where there is */

static promise_udp_t *udp_new(const char *host) {
    struct promise_address local;
    promise_udp_t *udp;

    ck_assert_int_eq(promise_address_parse(&local, host, 0), 0);
    udp = promise_udp_new(loop, &local);
    ck_assert(promise_is_void(promise_udp_error(udp)));
    return udp;
}

static void open_both(void) {
    here = udp_new("127.0.0.1");
    there = udp_new("127.0.0.1");
    ck_assert_int_eq(promise_udp_address(there, &address), 0);
    ck_assert_uint_eq(promise_udp_port(there), promise_address_port(&address));
}

static void close_both(void) {
    promise_udp_close(here);
    promise_udp_close(there);
}

static void send_text(const char *text) {
    ck_assert(promise_is_void(fulfilled(promise_udp_send(here, &address, promise_string(text)))));
}

static const char *text_in(promise_value_t datagram) { return promise_as_bytes(promise_datagram_data(datagram), NULL); }

static const char *next_text(void) { return text_in(fulfilled(promise_udp_receive(there, 100))); }

/* ---- there and back ---- */

START_TEST(a_datagram_comes_as_it_was_sent) {
    struct promise_address from;
    promise_value_t v, bytes;
    char text[128], expected[128];
    size_t size;

    open_both();
    ck_assert_int_eq(promise_udp_address(here, &from), 0);
    ck_assert(promise_is_void(fulfilled(promise_udp_send(here, &address, promise_bytes("a\0b", 3)))));
    v = fulfilled(promise_udp_receive(there, 100));
    ck_assert(promise_is(v, &promise_type_datagram));
    bytes = promise_datagram_data(v);
    ck_assert(promise_is(bytes, &promise_type_bytes));
    ck_assert_int_eq(memcmp(promise_as_bytes(bytes, &size), "a\0b", 4), 0);
    ck_assert_uint_eq(size, 3);
    ck_assert(promise_address_equal(promise_datagram_from(v), &from));
    ck_assert(!promise_datagram_truncated(v));
    ck_assert_uint_lt(promise_print(v, text, sizeof text), sizeof text);
    snprintf(expected, sizeof expected, "3 bytes from 127.0.0.1:%u", promise_address_port(&from));
    ck_assert_str_eq(text, expected);
    close_both();
}
END_TEST

START_TEST(V2_what_is_in_it_outlives_it) {
    promise_value_t kept = {0};

    open_both();
    send_text("one");
    send_text("two");
    promise_value_set(&kept, promise_datagram_data(fulfilled(promise_udp_receive(there, 100))));
    ck_assert_str_eq(next_text(), "two");
    ck_assert_str_eq(promise_as_bytes(kept, NULL), "one");
    promise_value_clear(&kept);
    close_both();
}
END_TEST

START_TEST(one_that_is_empty_is_no_end) {
    open_both();
    send_text("");
    promise_value_t v = fulfilled(promise_udp_receive(there, 1));
    size_t size;
    (void)promise_as_bytes(promise_datagram_data(v), &size);
    ck_assert_uint_eq(size, 0);
    ck_assert(!promise_datagram_truncated(v));
    close_both();
}
END_TEST

START_TEST(what_is_longer_is_cut_off) {
    promise_value_t v;

    open_both();
    send_text("12345");
    send_text("1234");
    v = fulfilled(promise_udp_receive(there, 4));
    ck_assert_str_eq(text_in(v), "1234");
    ck_assert(promise_datagram_truncated(v));
    v = fulfilled(promise_udp_receive(there, 4));
    ck_assert_str_eq(text_in(v), "1234");
    ck_assert(!promise_datagram_truncated(v));
    close_both();
}
END_TEST

START_TEST(the_largest) {
    static char data[65508];
    promise_value_t v;
    size_t size;

    open_both();
    memset(data, 'x', sizeof data);
    (void)fulfilled(promise_udp_send(here, &address, promise_bytes(data, sizeof data - 1)));
    v = fulfilled(promise_udp_receive(there, SIZE_MAX));
    ck_assert_int_eq(memcmp(promise_as_bytes(promise_datagram_data(v), &size), data, sizeof data - 1), 0);
    ck_assert_uint_eq(size, sizeof data - 1);
    rejects_with(promise_udp_send(here, &address, promise_bytes(data, sizeof data)), EMSGSIZE, "send to 127.0.0.1:");
    close_both();
}
END_TEST

START_TEST(several_wait_and_are_served_in_order) {
    promise_t *p[3];
    const char *const texts[] = {"a", "bb", "ccc"};

    open_both();
    for (size_t i = 0; i < 3; i++) p[i] = promise_udp_receive(there, i + 1);
    for (size_t i = 0; i < 3; i++) send_text(texts[i]);
    for (size_t i = 0; i < 3; i++) ck_assert_str_eq(text_in(fulfilled(p[i])), texts[i]);
    close_both();
}
END_TEST

START_TEST(it_receives_only_while_somebody_asks) { /* J3: and is nothing that a loop waits for */
    open_both();
    send_text("one");
    send_text("two");
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    ck_assert_uint_eq(receives, 0);
    ck_assert_str_eq(next_text(), "one");
    ck_assert_uint_eq(receives, 1);
    promise_cancel(promise_udp_receive(there, 1));
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0);
    close_both();
}
END_TEST

START_TEST(K6_a_cancelled_receive_leaves_it_to_the_next) {
    promise_t *first, *second;

    open_both();
    first = promise_udp_receive(there, 100);
    second = promise_udp_receive(there, 100);
    send_text("one"); /* it is in the queue */
    promise_cancel(first);
    ck_assert_str_eq(text_in(fulfilled(second)), "one");
    send_text("two");
    promise_cancel(promise_udp_receive(there, 100));
    ck_assert_str_eq(text_in(fulfilled(promise_timeout(promise_udp_receive(there, 100), 60000))), "two"); /* K5 */
    ck_assert(promise_is_timeout(rejected(promise_timeout(promise_udp_receive(there, 100), 1))));
    close_both();
}
END_TEST

static promise_value_t collect(promise_value_t v, void *text) {
    strcat(text, text_in(v));
    return strlen(text) < 6 ? promise_void() : promise_throw(&promise_value_errors, 1, "enough");
}

START_TEST(all_of_them) {
    char text[8] = "";

    open_both();
    for (int i = 0; i < 6; i++) send_text((char[]){(char)('a' + i), 0});
    (void)rejected(promise_each(promise_udp_received(there, 100), 1, collect, text));
    ck_assert_str_eq(text, "abcdef");
    close_both();
}
END_TEST

START_TEST(the_iterator_ends_with_it) {
    promise_iterator_t *it, *idle;
    promise_t *pending;

    open_both();
    it = promise_udp_received(there, 100);
    idle = promise_udp_received(there, 100);
    pending = promise_next(it);
    turn(1);
    close_both();
    ck_assert(promise_is_end(fulfilled(pending)));
    ck_assert(promise_is_end(fulfilled(promise_next(it))));
    ck_assert(promise_is_end(fulfilled(promise_next(idle)))); /* which outlives it */
    promise_iterator_close(it);
    promise_iterator_close(idle);
}
END_TEST

/* ---- IPv6 and IPv4 ---- */

START_TEST(on_all_addresses) {
    promise_value_t v;

    here = promise_udp_new(loop, NULL);
    ck_assert(promise_is_void(promise_udp_error(here)));
    ck_assert_uint_ne(promise_udp_port(here), 0);
    there = promise_udp_new(loop, NULL);
    address = local_address(promise_udp_port(there));
    send_text("by IPv4");
    v = fulfilled(promise_udp_receive(there, 100));
    ck_assert_str_eq(text_in(v), "by IPv4");
    ck_assert_int_eq(promise_datagram_from(v)->storage.ss_family, AF_INET);
    ck_assert_int_eq(promise_udp_connect(here, &address), 0);
    (void)fulfilled(promise_udp_send(here, NULL, promise_string("connected")));
    ck_assert_str_eq(next_text(), "connected");
    close_both();
}
END_TEST

START_TEST(by_ipv6) {
    struct promise_address any;

    ck_assert_int_eq(promise_address_parse(&any, "::1", 0), 0);
    there = promise_udp_new(loop, &any);
    if (!promise_is_void(promise_udp_error(there))) { /* a machine without it */
        promise_udp_close(there);
        return;
    }
    here = promise_udp_new(loop, NULL);
    ck_assert_int_eq(promise_udp_address(there, &address), 0);
    send_text("by IPv6");
    ck_assert_str_eq(next_text(), "by IPv6");
    close_both();
}
END_TEST

/* ---- sending ---- */

START_TEST(when_the_kernel_has_no_room_it_waits_in_order) {
    static const int full[] = {EAGAIN, EWOULDBLOCK, EAGAIN, 0};
    promise_t *p[3];

    open_both();
    send_failures = full;
    p[0] = promise_udp_send(here, &address, promise_string("a"));
    p[1] = promise_udp_send(here, &address, promise_string("b"));
    p[2] = promise_udp_send(here, &address, promise_string("c"));
    ck_assert_uint_eq(sends, 1);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(promise_get_state(p[i]), PROMISE_PENDING);
    promise_cancel(p[1]); /* K2: it is not sent */
    ck_assert(promise_is_void(fulfilled(p[2])));
    ck_assert(promise_is_void(fulfilled(p[0])));
    ck_assert_str_eq(next_text(), "a");
    ck_assert_str_eq(next_text(), "c");
    ck_assert_uint_eq(sends, 5);
    send_failures = full;
    promise_cancel(promise_udp_send(here, &address, promise_string("d")));
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0); /* J3 */
    close_both();
}
END_TEST

static const int full_once[] = {EAGAIN, 0};

START_TEST(J5_the_end_while_it_waits_to_send) {
    promise_t *p;

    open_both();
    send_failures = full_once;
    p = promise_udp_send(here, &address, promise_string("a"));
    if (_i) {
        promise_loop_free(loop);
        loop = NULL;
        ck_assert(promise_is_canceled(promise_peek(p)));
        promise_unref(p);
        return;
    }
    close_both();
    rejects_closed(p);
}
END_TEST

static promise_t *wait_to_send(void) {
    address = local_address(9);
    here = promise_udp_new(loop, NULL);
    send_failures = full_once;
    return promise_udp_send(here, &address, promise_string("a"));
}
static void close_here(void) { promise_udp_close(here); }

START_TEST(O2_each_allocation_fails_while_it_waits_to_send) { ck_assert_uint_ge(each_allocation(wait_to_send, close_here), 3); }
END_TEST

START_TEST(what_fails_concerns_one_of_them) {
    static const int faults[] = {EINTR, EAGAIN, ENETUNREACH, ENOBUFS, 0};
    promise_t *p[3];

    open_both();
    send_failures = faults;
    for (int i = 0; i < 3; i++) p[i] = promise_udp_send(here, &address, promise_string("x"));
    rejects_with(p[0], ENETUNREACH, "send to 127.0.0.1:");
    rejects_with(p[1], ENOBUFS, "send to 127.0.0.1:");
    (void)fulfilled(p[2]);
    ck_assert_str_eq(next_text(), "x");
    close_both();
}
END_TEST

START_TEST(bad_input) {
    struct promise_address none = {.size = 0};

    open_both();
    rejects_with(promise_udp_send(here, NULL, promise_string("x")), EDESTADDRREQ, "send: ");
    rejects_with(promise_udp_send(here, &none, promise_string("x")), EDESTADDRREQ, "send: ");
    rejects_with(promise_udp_send(here, &address, promise_int(1)), EINVAL, "promise_udp_send: data");
    rejects_with(promise_udp_send(here, &address, promise_throw_errno(ENOENT, "no data")), ENOENT, "no data");
    rejects_with(promise_udp_receive(here, 0), EINVAL, "promise_udp_receive: max is 0");
    ck_assert_int_eq(promise_udp_connect(here, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(promise_udp_connect(here, &none), -1);
    ck_assert_int_eq(errno, EINVAL);
    close_both();
}
END_TEST

/* ---- connected ---- */

START_TEST(connected_to_one) {
    promise_udp_t *stranger;
    struct promise_address to;

    open_both();
    stranger = udp_new("127.0.0.1");
    ck_assert_int_eq(promise_udp_connect(here, &address), 0);
    (void)fulfilled(promise_udp_send(here, NULL, promise_string("hello")));
    ck_assert_str_eq(next_text(), "hello");
    ck_assert_int_eq(promise_udp_address(here, &to), 0);
    (void)fulfilled(promise_udp_send(stranger, &to, promise_string("not for you")));
    (void)fulfilled(promise_udp_send(there, &to, promise_string("for you")));
    ck_assert_str_eq(text_in(fulfilled(promise_udp_receive(here, 100))), "for you");
    promise_udp_close(stranger);
    close_both();
}
END_TEST

/* That nobody listens comes back by ICMP, some time: whoever asks next is told, once. */
START_TEST(refused_is_not_lost) {
    char text[128];
    int fd = peer_bind(SOCK_DGRAM, &address);

    here = udp_new("127.0.0.1");
    ck_assert_int_eq(promise_udp_connect(here, &address), 0);
    close(fd);
    snprintf(text, sizeof text, "receive from 127.0.0.1:%u: Connection refused", promise_address_port(&address));
    (void)fulfilled(promise_udp_send(here, NULL, promise_string("x")));
    if (_i == 0) rejects_with(promise_udp_receive(here, 10), ECONNREFUSED, text); /* it comes while one waits, or came before */
    if (_i == 1) {
        promise_t *p = promise_udp_receive(here, 10);
        turn(3);
        rejects_with(p, ECONNREFUSED, text);
    }
    if (_i == 2) {
        struct pollfd it_came = {.fd = promise_udp_fd(here)};
        ck_assert_int_eq(poll(&it_came, 1, -1), 1);
        rejects_with(promise_udp_send(here, NULL, promise_string("y")), ECONNREFUSED, "send to 127.0.0.1:");
    }
    if (_i == 3) {
        promise_iterator_t *it = promise_udp_received(here, 10);
        rejects_with(promise_next(it), ECONNREFUSED, text);
        promise_iterator_close(it);
    }
    (void)fulfilled(promise_udp_send(here, NULL, promise_string("z"))); /* and it goes on */
    promise_udp_close(here);
}
END_TEST

START_TEST(an_error_of_receiving) {
    static const int faults[] = {EINTR, EAGAIN, ENOMEM, 0};
    promise_t *p;

    open_both();
    receive_failures = faults;
    p = promise_udp_receive(there, 100);
    send_text("x");
    rejects_with(p, ENOMEM, "receive: ");
    ck_assert_str_eq(next_text(), "x");
    close_both();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("datagram");
    TCase *t = tcase_create("datagram");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, net_open, net_close);
    tcase_add_test(t, a_datagram_comes_as_it_was_sent);
    tcase_add_test(t, V2_what_is_in_it_outlives_it);
    tcase_add_test(t, one_that_is_empty_is_no_end);
    tcase_add_test(t, what_is_longer_is_cut_off);
    tcase_add_test(t, the_largest);
    tcase_add_test(t, several_wait_and_are_served_in_order);
    tcase_add_test(t, it_receives_only_while_somebody_asks);
    tcase_add_test(t, K6_a_cancelled_receive_leaves_it_to_the_next);
    tcase_add_test(t, all_of_them);
    tcase_add_test(t, the_iterator_ends_with_it);
    tcase_add_test(t, on_all_addresses);
    tcase_add_test(t, by_ipv6);
    tcase_add_test(t, when_the_kernel_has_no_room_it_waits_in_order);
    tcase_add_loop_test(t, J5_the_end_while_it_waits_to_send, 0, 2);
    tcase_add_test(t, O2_each_allocation_fails_while_it_waits_to_send);
    tcase_add_test(t, what_fails_concerns_one_of_them);
    tcase_add_test(t, bad_input);
    tcase_add_test(t, connected_to_one);
    tcase_add_loop_test(t, refused_is_not_lost, 0, 4);
    tcase_add_test(t, an_error_of_receiving);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
