/* Connecting to an address: the stream that comes, the one error of each fault, cancelling, and nothing left behind. */
#include "net.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <promise/connect.h>
#include <string.h>
#include <unistd.h>

static struct promise_address address;
static int peer;

static void listen_tcp(void) {
    peer = peer_bind(SOCK_STREAM, &address);
    ck_assert_int_eq(listen(peer, 8), 0);
}

static void listen_unix(const char *name, int backlog) {
    ck_assert_int_eq(promise_address_unix(&address, name), 0);
    peer = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(peer, (struct sockaddr *)&address.storage, address.size), 0);
    ck_assert_int_eq(listen(peer, backlog), 0);
}

/* What connects is a stream to the peer: a line goes there and back. */
static void talks(promise_t *p) {
    promise_stream_t *s = promise_stream_ref(promise_as_stream(fulfilled(p)));
    int fd = accept(peer, NULL, NULL);
    char line[3] = "";

    ck_assert_int_ge(fd, 0);
    promise_unref(promise_stream_write(s, promise_string("hi\n")));
    (void)fulfilled(promise_stream_drain(s));
    ck_assert_int_eq(read(fd, line, sizeof line), 3);
    ck_assert_int_eq(memcmp(line, "hi\n", 3), 0);
    ck_assert_int_eq(write(fd, "ho\n", 3), 3);
    ck_assert_str_eq(promise_as_string(fulfilled(promise_stream_read_line(s, 10))), "ho");
    close(fd);
    promise_stream_unref(s);
}

static bool is_no_delay(promise_stream_t *s) {
    int on = 0;
    socklen_t size = sizeof on;

    ck_assert_int_eq(getsockopt(promise_stream_fd(s), IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    return on;
}

/* ---- what comes ---- */

START_TEST(to_an_address) {
    listen_tcp();
    talks(promise_connect_address(loop, &address));
    close(peer);
}
END_TEST

START_TEST(small_writes_are_not_delayed) {
    listen_tcp();
    ck_assert(is_no_delay(promise_as_stream(fulfilled(promise_connect_address(loop, &address)))));
    close(peer);
}
END_TEST

START_TEST(to_a_unix_socket) {
    listen_unix(in_folder("socket"), 8);
    talks(promise_connect_address(loop, &address));
    talks(promise_connect_unix(loop, in_folder("socket")));
    close(peer);
}
END_TEST

START_TEST(to_an_abstract_name) {
    char name[64];

    snprintf(name, sizeof name, "@libpromise-test-%d", (int)getpid());
    listen_unix(name, 8);
    talks(promise_connect_unix(loop, name));
    close(peer);
}
END_TEST

START_TEST(from_an_address_of_ones_own) {
    struct promise_address local, seen;
    char text[PROMISE_ADDRESS_TEXT];
    promise_t *p;
    int fd;

    ck_assert_int_eq(promise_address_parse(&local, "127.0.0.2", 0), 0);
    listen_tcp();
    p = promise_connect_address_from(loop, &address, &local);
    fd = accept(peer, NULL, NULL);
    ck_assert_int_eq(promise_address_peer(&seen, fd), 0);
    promise_address_host(&seen, text, sizeof text);
    ck_assert_str_eq(text, "127.0.0.2");
    (void)fulfilled(p);
    close(fd);
    talks(promise_connect_address_from(loop, &address, NULL));
    close(peer);
}
END_TEST

static promise_value_t connect_here(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_connect_address(NULL, &address)); /* O6 */
}

START_TEST(several_at_once_in_a_handler) {
    promise_t *all[3];

    listen_tcp();
    for (int i = 0; i < 3; i++) all[i] = promise_try(loop, connect_here, NULL);
    ck_assert_uint_eq(promise_list_size(fulfilled(promise_all(loop, 3, all))), 3);
    close(peer);
}
END_TEST

/* A Unix socket's connect does not wait by itself when the queue is full: that is EAGAIN. */
START_TEST(a_full_queue_is_waited_for) {
    promise_t *waiting;
    promise_value_t first = {0}, second = {0};

    listen_unix(in_folder("socket"), 0);
    promise_value_set(&first, fulfilled(promise_connect_address(loop, &address)));
    waiting = promise_connect_address(loop, &address);
    turn(3);
    ck_assert_int_eq(promise_get_state(waiting), PROMISE_PENDING);
    close(accept(peer, NULL, NULL));
    promise_value_set(&second, fulfilled(waiting));
    promise_cancel(promise_connect_address(loop, &address)); /* K2, at this state */
    promise_unref(promise_connect_address(loop, &address));  /* J5, at this one */
    promise_value_clear(&first);
    promise_value_clear(&second);
    close(peer);
}
END_TEST

/* ---- the one error of each fault ---- */

START_TEST(refused) {
    char text[PROMISE_ADDRESS_TEXT + 64];

    peer = peer_bind(SOCK_STREAM, &address); /* and nobody listens there */
    snprintf(text, sizeof text, "connect 127.0.0.1:%u: Connection refused", promise_address_port(&address));
    for (int i = 0; i < 3; i++) rejects_with(promise_connect_address(loop, &address), ECONNREFUSED, text);
    close(peer);
}
END_TEST

START_TEST(unreachable) {
    ck_assert_int_eq(promise_address_parse(&address, "255.255.255.255", 80), 0);
    promise_value_t v =
        rejected(promise_connect_address(loop, &address)); /* a broadcast is none for TCP: which of them is the system's */
    ck_assert(promise_error_is(v, &promise_errno_errors, ENETUNREACH) || promise_error_is(v, &promise_errno_errors, EACCES));
    ck_assert_int_eq(strncmp(promise_error_message(v), "connect 255.255.255.255:80: ", 28), 0);
}
END_TEST

START_TEST(what_is_no_address) {
    memset(&address, 0, sizeof address);
    rejects_with(promise_connect_address(loop, &address), EINVAL, "connect no address: ");
    rejects_with(promise_connect_address(loop, NULL), EINVAL, "promise_connect_address: address is NULL");
    rejects_with(promise_connect_address_from(loop, NULL, NULL), EINVAL, "promise_connect_address_from: address is NULL");
    rejects_with(promise_connect_unix(loop, NULL), EINVAL, "promise_connect_unix: path is NULL");
    rejects_with(promise_connect_unix(loop, ""), EINVAL, "connect unix:: ");
}
END_TEST

START_TEST(unix_paths) {
    char path[200];

    rejects_with(promise_connect_unix(loop, in_folder("nothing")), ENOENT, "connect unix:/tmp/libpromise-test-");
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = 0;
    rejects_with(promise_connect_unix(loop, path), ENAMETOOLONG, "connect unix:xxxxxx");
    listen_unix(in_folder("socket"), 1);
    close(peer); /* the file is there, but nobody listens */
    rejects_with(promise_connect_unix(loop, in_folder("socket")), ECONNREFUSED, "connect unix:/tmp/libpromise-test-");
}
END_TEST

START_TEST(an_address_of_ones_own_that_is_not) {
    struct promise_address local;

    listen_tcp();
    ck_assert_int_eq(promise_address_parse(&local, "192.0.2.1", 0), 0);
    rejects_with(promise_connect_address_from(loop, &address, &local), EADDRNOTAVAIL, "connect 127.0.0.1:");
    close(peer);
}
END_TEST

START_TEST(out_of_descriptors) {
    listen_tcp();
    limit_fds(0);
    rejects_with(promise_connect_address(loop, &address), EMFILE, "connect 127.0.0.1:");
    limit_fds(UINT_MAX);
    talks(promise_connect_address(loop, &address));
    close(peer);
}
END_TEST

/* ---- K2, K5, J5: it stops at once ---- */

START_TEST(K2_a_cancel_closes_the_socket_at_once) {
    size_t before;
    promise_t *p;

    listen_tcp();
    before = open_fds();
    p = promise_connect_address(loop, &address);
    ck_assert_uint_eq(open_fds(), before + 1);
    promise_cancel(promise_ref(p));
    promise_cancel(p);
    ck_assert_uint_eq(open_fds(), before);
    turn(2);
    close(accept(peer, NULL, NULL)); /* it was in the kernel's queue already */
    talks(promise_connect_address(loop, &address));
    close(peer);
}
END_TEST

START_TEST(K5_a_timeout_does_so) {
    size_t before = 0;

    listen_unix(in_folder("socket"), 0);
    promise_value_t first = {0};
    promise_value_set(&first, fulfilled(promise_connect_address(loop, &address)));
    before = open_fds();
    ck_assert(promise_is_timeout(rejected(promise_timeout(promise_connect_address(loop, &address), 20))));
    ck_assert_uint_eq(open_fds(), before);
    promise_value_clear(&first);
    close(peer);
}
END_TEST

START_TEST(K4_J5_the_loop_is_freed_meanwhile) {
    promise_t *held;

    listen_tcp();
    promise_unref(promise_connect_address(loop, &address));
    held = promise_connect_address(loop, &address);
    promise_loop_free(loop);
    ck_assert(promise_is_canceled(promise_peek(held)));
    promise_unref(held);
    loop = NULL;
    close(peer);
}
END_TEST

static promise_value_t try_again(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    promise_unref(promise_connect_address(NULL, &address));
    return promise_void();
}

START_TEST(J5_nothing_starts_while_the_loop_goes) {
    listen_tcp();
    promise_unref(promise_finally(promise_connect_address(loop, &address), try_again, NULL));
    promise_loop_free(loop);
    loop = NULL;
    close(peer);
}
END_TEST

static promise_value_t free_loop(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    promise_loop_free(loop);
    return promise_void();
}

START_TEST(T4_J5_the_loop_is_freed_by_who_is_connected) {
    promise_value_t v = {0};

    listen_tcp();
    promise_loop_run(loop, promise_then(promise_connect_address(loop, &address), free_loop, NULL), &v);
    loop = NULL;
    promise_value_clear(&v);
    close(peer);
}
END_TEST

/* ---- memory ---- */

static promise_value_t connected(promise_value_t v, void *arg) {
    (void)arg;
    return promise_adopt(promise_stream_write(promise_as_stream(v), promise_string("x")));
}
static promise_t *connect_and_write(void) { return promise_then(promise_connect_address(loop, &address), connected, NULL); }
static void accept_it(void) { close(accept(peer, NULL, NULL)); }

START_TEST(O2_each_allocation_fails) {
    listen_tcp();
    ck_assert_int_eq(fcntl(peer, F_SETFL, O_NONBLOCK), 0);
    ck_assert_uint_ge(each_allocation(connect_and_write, accept_it), 3);
    close(peer);
}
END_TEST

static void no_wake(void *data, bool again) { (void)data, (void)again; }
static void hosted(void *arg) {
    (void)arg;
    static const struct promise_host host = {.size = sizeof host, .wake = no_wake};
    promise_unref(promise_connect_address(promise_loop_new_hosted(&host, NULL), &address));
}

START_TEST(on_another_loop_it_stops_the_program) { test_assert_stops(hosted, NULL, "expected a loop of promise_loop_new"); }
END_TEST

int main(void) {
    Suite *suite = suite_create("connect");
    TCase *t = tcase_create("connect");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, net_open, net_close);
    tcase_add_test(t, to_an_address);
    tcase_add_test(t, small_writes_are_not_delayed);
    tcase_add_test(t, to_a_unix_socket);
    tcase_add_test(t, to_an_abstract_name);
    tcase_add_test(t, from_an_address_of_ones_own);
    tcase_add_test(t, several_at_once_in_a_handler);
    tcase_add_test(t, a_full_queue_is_waited_for);
    tcase_add_test(t, refused);
    tcase_add_test(t, unreachable);
    tcase_add_test(t, what_is_no_address);
    tcase_add_test(t, unix_paths);
    tcase_add_test(t, an_address_of_ones_own_that_is_not);
    tcase_add_test(t, out_of_descriptors);
    tcase_add_test(t, K2_a_cancel_closes_the_socket_at_once);
    tcase_add_test(t, K5_a_timeout_does_so);
    tcase_add_test(t, K4_J5_the_loop_is_freed_meanwhile);
    tcase_add_test(t, J5_nothing_starts_while_the_loop_goes);
    tcase_add_test(t, T4_J5_the_loop_is_freed_by_who_is_connected);
    tcase_add_test(t, O2_each_allocation_fails);
    tcase_add_test(t, on_another_loop_it_stops_the_program);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
