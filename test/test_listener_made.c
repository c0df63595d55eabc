/* Making listeners: what is refused and why, options, sockets that listen already, Unix sockets and their files. */
#include "listening.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- what cannot be made rejects (O2) ---- */

/* Closes it. */
static void refuses(promise_listener_t *bad, int error, const char *text) {
    promise_iterator_t *it = promise_listener_accepted(bad);

    rejects_with(promise_listener_accept(bad), error, text);
    rejects_with(promise_next(it), error, text);
    rejects_with(promise_listener_stop(bad, 10), error, text);
    ck_assert(promise_error_is(promise_listener_error(bad), &promise_errno_errors, error));
    ck_assert_uint_eq(promise_listener_port(bad), 0);
    ck_assert_int_eq(promise_listener_address(bad, &address), -1);
    ck_assert_int_eq(promise_listener_fd(bad), -1);
    ck_assert_uint_eq(promise_listener_connections(bad), 0);
    promise_iterator_close(it);
    promise_listener_close(bad);
}

START_TEST(address_in_use) {
    struct promise_address in_use;
    char text[PROMISE_ADDRESS_TEXT + 64];

    listen_here();
    in_use = address;
    snprintf(text, sizeof text, "listen on 127.0.0.1:%u: Address already in use", promise_address_port(&in_use));
    refuses(promise_listener_new(loop, "127.0.0.1", promise_address_port(&in_use)), EADDRINUSE, text);
    refuses(promise_listener_new_with(loop, &in_use, NULL), EADDRINUSE, text);
    close_it();
    l = promise_listener_new_with(loop, &in_use, NULL); /* at once (SO_REUSEADDR) */
    ck_assert(promise_is_void(promise_listener_error(l)));
    close_it();
}
END_TEST

START_TEST(not_an_address_of_this_machine) {
    struct promise_address none = {.size = 0};

    refuses(promise_listener_new(loop, "192.0.2.1", 0), EADDRNOTAVAIL, "listen on 192.0.2.1:0: ");
    refuses(promise_listener_new(loop, "localhost", 80), EINVAL, "listen on localhost: ");
    refuses(promise_listener_new_with(loop, NULL, NULL), EINVAL, "promise_listener_new_with: address is NULL");
    refuses(promise_listener_new_with(loop, &none, NULL), EINVAL, "listen on no address: ");
}
END_TEST

START_TEST(out_of_descriptors_for_the_listener) {
    limit_fds(0);
    promise_listener_t *bad = promise_listener_new(loop, "127.0.0.1", 0);
    limit_fds(UINT_MAX);
    refuses(bad, EMFILE, "listen on 127.0.0.1:0: ");
}
END_TEST

/* ---- one that listens already ---- */

START_TEST(adopting) {
    int fd = peer_bind(SOCK_STREAM, &address), ends[2];

    ck_assert_int_eq(listen(fd, 5), 0);
    l = promise_listener_adopt(loop, fd, &(struct promise_listener_options){.backoff_ms = 1});
    ck_assert_int_eq(promise_listener_fd(l), fd);
    fd = client();
    ck_assert(is_to(fulfilled(promise_listener_accept(l)), fd));
    close(fd);
    close_it();
    refuses(promise_listener_adopt(loop, -1, NULL), EBADF, "listen on descriptor -1: ");
    refuses(promise_listener_adopt(loop, peer_bind(SOCK_STREAM, &address), NULL), EINVAL, "listen on descriptor ");
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[1]);
    refuses(promise_listener_adopt(loop, ends[0], NULL), ENOTSOCK, "listen on descriptor ");
}
END_TEST

/* ---- options ---- */

START_TEST(several_share_a_port) {
    const struct promise_listener_options options = {.backlog = 3, .reuse_port = true};
    promise_listener_t *two;
    struct promise_address a = local_address(0);

    l = promise_listener_new_with(loop, &a, &options);
    ck_assert_int_eq(promise_listener_address(l, &a), 0);
    two = promise_listener_new_with(loop, &a, &options);
    ck_assert(promise_is_void(promise_listener_error(two)));
    ck_assert_uint_eq(promise_listener_port(two), promise_listener_port(l));
    promise_listener_close(two);
    close_it();
}
END_TEST

static bool has_ipv6(void) {
    struct promise_address a;
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool has;

    ck_assert_int_eq(promise_address_parse(&a, "::1", 0), 0);
    has = fd >= 0 && bind(fd, (struct sockaddr *)&a.storage, a.size) == 0;
    if (fd >= 0) close(fd);
    return has;
}

START_TEST(on_all_addresses) {
    struct promise_address seen;
    int fd;

    l = promise_listener_new(loop, NULL, 0);
    address = local_address(promise_listener_port(l));
    fd = client();
    ck_assert_int_eq(promise_address_peer(&seen, promise_stream_fd(promise_as_stream(fulfilled(promise_listener_accept(l))))),
                     0);
    ck_assert_int_eq(seen.storage.ss_family, AF_INET); /* by IPv4, whatever the listener is */
    close(fd);
    if (has_ipv6()) {
        ck_assert_int_eq(promise_address_parse(&address, "::1", promise_listener_port(l)), 0);
        fd = client();
        ck_assert(is_to(fulfilled(promise_listener_accept(l)), fd));
        close(fd);
    }
    close_it();
}
END_TEST

START_TEST(ipv6_alone) {
    struct promise_address a;

    if (!has_ipv6()) return;
    ck_assert_int_eq(promise_address_parse(&a, "::", 0), 0);
    l = promise_listener_new_with(loop, &a, &(struct promise_listener_options){.v6_only = true});
    address = local_address(promise_listener_port(l));
    ck_assert_int_eq(peer_connect(&address), -1);
    ck_assert_int_eq(errno, ECONNREFUSED);
    close_it();
}
END_TEST

/* ---- Unix sockets ---- */

START_TEST(the_file_of_a_unix_socket_goes_with_it) {
    const char *path = in_folder("socket");
    int fd;

    l = listen_unix(path);
    fd = client();
    (void)fulfilled(promise_listener_accept(l));
    close(fd);
    ck_assert_int_eq(access(path, F_OK), 0);
    close_it();
    ck_assert_int_eq(access(path, F_OK), -1);
    l = listen_unix(path);
    ck_assert_int_eq(promise_as_int(fulfilled(promise_listener_stop(l, 0))), 0);
    ck_assert_int_eq(access(path, F_OK), -1);
    close_it();
    l = listen_unix(path);
    promise_loop_free(loop); /* J5 */
    loop = NULL;
    ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(one_that_was_left_behind_is_replaced) {
    const char *path = in_folder("socket");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    ck_assert_int_eq(promise_address_unix(&address, path), 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address.storage, address.size), 0);
    close(fd); /* as by a program that was killed */
    l = listen_unix(path);
    ck_assert(promise_is_void(promise_listener_error(l)));
    fd = client();
    (void)fulfilled(promise_listener_accept(l));
    close(fd);
    close_it();
}
END_TEST

START_TEST(one_that_is_live_is_in_use) {
    const char *path = in_folder("socket");
    promise_value_t v = {0};
    promise_listener_t *other;

    l = listen_unix(path);
    other = listen_unix(path);
    refuses(other, EADDRINUSE, "listen on unix:/tmp/libpromise-test-");
    ck_assert_int_eq(access(path, F_OK), 0);
    promise_value_set(&v, fulfilled(promise_listener_accept(l))); /* it was asked whether it is there */
    ck_assert(promise_is_end(fulfilled(promise_stream_read(promise_as_stream(v), 1))));
    promise_value_clear(&v);
    close_it();
}
END_TEST

START_TEST(other_files_are_left_alone) {
    const char *path = in_folder("file");
    int fd = open(path, O_CREAT | O_RDWR, 0600);

    close(fd);
    refuses(listen_unix(path), EADDRINUSE, "listen on unix:");
    ck_assert_int_eq(access(path, F_OK), 0);
    refuses(listen_unix(in_folder("no/such/folder")), ENOENT, "listen on unix:");
    path = in_folder("socket");
    l = listen_unix(path);
    ck_assert_int_eq(unlink(path), 0); /* and another one takes its place */
    fd = open(path, O_CREAT | O_RDWR, 0600);
    close(fd);
    close_it();
    ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(an_abstract_name_has_no_file) {
    char name[64];
    int fd;

    snprintf(name, sizeof name, "@libpromise-test-%d", (int)getpid());
    l = listen_unix(name);
    ck_assert(promise_is_void(promise_listener_error(l)));
    fd = client();
    (void)fulfilled(promise_listener_accept(l));
    close(fd);
    refuses(listen_unix(name), EADDRINUSE, "listen on unix:@");
    close_it();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("listener_made");
    TCase *t = tcase_create("listener_made");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, net_open, net_close);
    tcase_add_test(t, address_in_use);
    tcase_add_test(t, not_an_address_of_this_machine);
    tcase_add_test(t, out_of_descriptors_for_the_listener);
    tcase_add_test(t, adopting);
    tcase_add_test(t, several_share_a_port);
    tcase_add_test(t, on_all_addresses);
    tcase_add_test(t, ipv6_alone);
    tcase_add_test(t, the_file_of_a_unix_socket_goes_with_it);
    tcase_add_test(t, one_that_was_left_behind_is_replaced);
    tcase_add_test(t, one_that_is_live_is_in_use);
    tcase_add_test(t, other_files_are_left_alone);
    tcase_add_test(t, an_abstract_name_has_no_file);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
