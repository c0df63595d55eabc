/* Addresses: from text and back, from the system, compared, as values. */
#include "support.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <promise/address.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static struct promise_address a, b;
static char text[PROMISE_ADDRESS_TEXT];

static const char *printed(const struct promise_address *address) {
    size_t size = promise_address_print(address, text, sizeof text);

    ck_assert_uint_eq(size, strlen(text));
    return text;
}

static const char *host(const struct promise_address *address) {
    size_t size = promise_address_host(address, text, sizeof text);

    ck_assert_uint_eq(size, strlen(text));
    return text;
}

/* ---- text ---- */

static const struct {
    const char *text, *printed, *host;
    int family;
} good[] = {
    {"127.0.0.1", "127.0.0.1:80", "127.0.0.1", AF_INET},
    {"0.0.0.0", "0.0.0.0:80", "0.0.0.0", AF_INET},
    {"::1", "[::1]:80", "::1", AF_INET6},
    {"[::1]", "[::1]:80", "::1", AF_INET6},
    {"2001:DB8:0:0::5", "[2001:db8::5]:80", "2001:db8::5", AF_INET6},
    {"::ffff:192.0.2.7", "192.0.2.7:80", "192.0.2.7", AF_INET},
    {"fe80::1%lo", "[fe80::1%lo]:80", "fe80::1%lo", AF_INET6},
    {"[fe80::1%lo]", "[fe80::1%lo]:80", "fe80::1%lo", AF_INET6},
    {"fe80::1%4000000000", "[fe80::1%4000000000]:80", "fe80::1%4000000000", AF_INET6},
};

START_TEST(numeric_text_and_back) {
    ck_assert_int_eq(promise_address_parse(&a, good[_i].text, 80), 0);
    ck_assert_int_eq(a.storage.ss_family, good[_i].family);
    ck_assert_str_eq(printed(&a), good[_i].printed);
    ck_assert_str_eq(host(&a), good[_i].host);
    ck_assert_uint_eq(promise_address_port(&a), 80);
    ck_assert_int_eq(promise_address_parse(&b, host(&a), 80), 0);
    ck_assert(promise_address_equal(&a, &b));
    promise_address_set_port(&a, 65535);
    ck_assert_uint_eq(promise_address_port(&a), 65535);
    ck_assert(!promise_address_equal(&a, &b));
}
END_TEST

static const char *const bad[] = {
    "",
    "localhost",
    "127.0.0",
    "127.0.0.1.2",
    "127.0.0.1:80",
    "127.0.0.256",
    "[127.0.0.1]",
    "[::1",
    "::1]",
    "[::1]:80",
    "[]",
    "[",
    ":::",
    "1::2::3",
    "::1%",
    "fe80::1%4294967296",
    "fe80::1%1x",
    " 127.0.0.1",
    "::1234567890123456789012345678901234567890123456789012345678901234567890",
    "[::1234567890123456789012345678901234567890123456789012345678901234567890]",
};

START_TEST(what_is_no_address_is_einval) {
    memset(&a, 255, sizeof a);
    ck_assert_int_eq(promise_address_parse(&a, bad[_i], 80), -1);
    ck_assert(errno == EINVAL || (errno == ENXIO && strchr(bad[_i], '%')));
    ck_assert_str_eq(printed(&a), "no address");
    ck_assert_uint_eq(a.size, 0);
}
END_TEST

START_TEST(no_text_and_no_such_interface) {
    ck_assert_int_eq(promise_address_parse(&a, NULL, 80), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(promise_address_parse(&a, "fe80::1%nosuch0", 80), -1);
    ck_assert_int_eq(errno, ENXIO);
}
END_TEST

START_TEST(a_buffer_that_is_too_small) {
    char small[6];

    ck_assert_int_eq(promise_address_parse(&a, "127.0.0.1", 80), 0);
    ck_assert_uint_eq(promise_address_print(&a, small, sizeof small), 12);
    ck_assert_str_eq(small, "127.0");
    ck_assert_uint_eq(promise_address_host(&a, NULL, 0), 9);
}
END_TEST

/* ---- Unix sockets ---- */

START_TEST(unix_paths) {
    char path[sizeof((struct sockaddr_un *)0)->sun_path + 1];

    ck_assert_int_eq(promise_address_unix(&a, "/run/x"), 0);
    ck_assert_int_eq(a.storage.ss_family, AF_UNIX);
    ck_assert_str_eq(printed(&a), "unix:/run/x");
    ck_assert_str_eq(host(&a), "/run/x");
    ck_assert_uint_eq(promise_address_port(&a), 0);
    promise_address_set_port(&a, 80);
    ck_assert_str_eq(printed(&a), "unix:/run/x");
    ck_assert_int_eq(promise_address_unix(&b, "/run/y"), 0);
    ck_assert(!promise_address_equal(&a, &b));
    ck_assert_int_eq(promise_address_unix(&b, host(&a)), 0);
    ck_assert(promise_address_equal(&a, &b));
    memset(path, 'p', sizeof path);
    path[sizeof path - 1] = 0; /* the longest has a NUL behind it */
    ck_assert_int_eq(promise_address_unix(&a, path), -1);
    ck_assert_int_eq(errno, ENAMETOOLONG);
    path[sizeof path - 2] = 0;
    ck_assert_int_eq(promise_address_unix(&a, path), 0);
    ck_assert_str_eq(host(&a), path);
    ck_assert_int_eq(promise_address_unix(&a, ""), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(promise_address_unix(&a, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(abstract_names) {
    ck_assert_int_eq(promise_address_unix(&a, "@name"), 0);
    ck_assert_str_eq(printed(&a), "unix:@name");
    ck_assert_str_eq(host(&a), "@name");
    ck_assert_uint_eq(a.size, offsetof(struct sockaddr_un, sun_path) + 5);
    ck_assert_int_eq(promise_address_unix(&b, "@names"), 0);
    ck_assert(!promise_address_equal(&a, &b));
    ck_assert_int_eq(promise_address_unix(&a, "@"), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

/* ---- from the system ---- */

START_TEST(of_sockets) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), pair[2];

    ck_assert_int_eq(promise_address_parse(&a, "127.0.0.1", 0), 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a.storage, a.size), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(promise_address_local(&b, fd), 0);
    ck_assert_str_eq(host(&b), "127.0.0.1");
    ck_assert_uint_ne(promise_address_port(&b), 0);
    ck_assert_int_eq(promise_address_peer(&a, fd), -1);
    ck_assert_int_eq(errno, ENOTCONN);
    ck_assert_str_eq(printed(&a), "no address");
    ck_assert_int_eq(connect(client, (struct sockaddr *)&b.storage, b.size), 0);
    ck_assert_int_eq(promise_address_peer(&a, client), 0);
    ck_assert(promise_address_equal(&a, &b));
    ck_assert_int_eq(close(fd) | close(client), 0);
    ck_assert_int_eq(promise_address_local(&a, fd), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    ck_assert_int_eq(promise_address_peer(&a, pair[0]), 0);
    ck_assert_str_eq(printed(&a), "unix"); /* it has no name */
    ck_assert_str_eq(host(&a), "");
    ck_assert_int_eq(close(pair[0]) | close(pair[1]), 0);
}
END_TEST

START_TEST(ipv4_in_the_shape_of_ipv6_is_ipv4) {
    struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(80)};

    memcpy(sin6.sin6_addr.s6_addr, "\0\0\0\0\0\0\0\0\0\0\377\377\177\0\0\1", 16);
    promise_address_set(&a, (struct sockaddr *)(void *)&sin6, sizeof sin6);
    ck_assert_int_eq(promise_address_parse(&b, "127.0.0.1", 80), 0);
    ck_assert(promise_address_equal(&a, &b));
    ck_assert_int_eq(memcmp(&a, &b, sizeof a), 0);
}
END_TEST

START_TEST(other_families_and_none) {
    struct sockaddr sockaddr = {.sa_family = 99, .sa_data = "x"};

    promise_address_set(&a, &sockaddr, sizeof sockaddr);
    ck_assert_str_eq(printed(&a), "an address of family 99");
    b = a;
    ck_assert(promise_address_equal(&a, &b));
    promise_address_set(&a, &sockaddr, 0);
    ck_assert_str_eq(printed(&a), "no address");
    ck_assert(!promise_address_equal(&a, &b));
    promise_address_set(&b, NULL, 0);
    ck_assert(promise_address_equal(&a, &b));
    ck_assert_uint_eq(promise_address_port(&a), 0);
}
END_TEST

START_TEST(equal_is_about_where_it_is) {
    ck_assert_int_eq(promise_address_parse(&a, "127.0.0.1", 80), 0);
    b = a;
    ((struct sockaddr_in *)&b.storage)->sin_zero[3] = 1;
    ck_assert(promise_address_equal(&a, &b));
    ck_assert_int_eq(promise_address_parse(&a, "fe80::1%lo", 80), 0);
    b = a;
    ((struct sockaddr_in6 *)&b.storage)->sin6_flowinfo = 1;
    ck_assert(promise_address_equal(&a, &b));
    ((struct sockaddr_in6 *)&b.storage)->sin6_scope_id++;
    ck_assert(!promise_address_equal(&a, &b));
    ck_assert(!promise_address_equal(&a, NULL));
    ck_assert(promise_address_equal(NULL, NULL));
}
END_TEST

/* ---- values ---- */

START_TEST(V2_a_value_has_a_copy) {
    size_t live = test_alloc_live();
    promise_value_t v, kept = {0};

    ck_assert_int_eq(promise_address_parse(&a, "::1", 7), 0);
    v = promise_address_value(&a);
    ck_assert(promise_is(v, &promise_type_address));
    promise_value_set(&kept, v);
    ck_assert_ptr_ne(promise_as_address(kept), &a);
    ck_assert(promise_address_equal(promise_as_address(kept), &a));
    ck_assert_uint_eq(promise_print(kept, text, sizeof text), 7);
    ck_assert_str_eq(text, "[::1]:7");
    promise_value_clear(&kept);
    v = promise_address_value(NULL);
    ck_assert(promise_error_is(v, &promise_errno_errors, EINVAL));
    promise_value_clear(&v);
    test_alloc_fail_at(1); /* V3 */
    v = promise_address_value(&a);
    ck_assert(promise_error_is(v, &promise_errno_errors, ENOMEM));
    test_alloc_fail_at(0);
    ck_assert_uint_eq(test_alloc_live(), live);
}
END_TEST

static void no_address(void *arg) {
    switch (*(int *)arg) {
    case 0: promise_address_parse(NULL, "::1", 1); break;
    case 1: promise_address_unix(NULL, "/x"); break;
    case 2: promise_address_set(NULL, NULL, 0); break;
    case 3: promise_address_local(NULL, 0); break;
    case 4: promise_address_peer(NULL, 0); break;
    case 5: promise_address_print(NULL, text, sizeof text); break;
    case 6: promise_address_host(NULL, text, sizeof text); break;
    case 7: promise_address_port(NULL); break;
    default: promise_address_set_port(NULL, 1);
    }
}
static void too_large(void *arg) { promise_address_set(&a, arg, sizeof(struct sockaddr_storage) + 1); }
static void no_sockaddr(void *arg) { promise_address_set(&a, arg, 16); }
static void not_one(void *arg) { promise_as_address(promise_int(*(int *)arg)); }

START_TEST(misuse_stops_the_program) {
    for (int i = 0; i < 9; i++) test_assert_stops(no_address, &i, "address is NULL");
    test_assert_stops(too_large, &b, "promise_address_set: expected a size up to 128, got 129");
    test_assert_stops(no_sockaddr, NULL, "sockaddr is NULL");
    test_assert_stops(not_one, &(int){1}, "expected address, got int");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("address");
    TCase *t = tcase_create("address");

    tcase_add_loop_test(t, numeric_text_and_back, 0, sizeof good / sizeof *good);
    tcase_add_loop_test(t, what_is_no_address_is_einval, 0, sizeof bad / sizeof *bad);
    tcase_add_test(t, no_text_and_no_such_interface);
    tcase_add_test(t, a_buffer_that_is_too_small);
    tcase_add_test(t, unix_paths);
    tcase_add_test(t, abstract_names);
    tcase_add_test(t, of_sockets);
    tcase_add_test(t, ipv4_in_the_shape_of_ipv6_is_ipv4);
    tcase_add_test(t, other_families_and_none);
    tcase_add_test(t, equal_is_about_where_it_is);
    tcase_add_test(t, V2_a_value_has_a_copy);
    tcase_add_test(t, misuse_stops_the_program);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
