/* What goes wrong, and the one error that comes out of each (R17, R21): nothing leaks, no descriptor is left (see
 * tls_teardown()). */
#include "tlspair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

/* ---- two ends that do not get on ---- */

static const struct {
    const char *what, *host;
    struct promise_tls_options client, server; /* files are names of certificates */
    int server_most, client_error, verdict, server_error;
    const char *words;
} table[] = {
    {"expired",
     "good.test",
     {0},
     {.certificate_file = "expired"},
     0,
     PROMISE_TLS_EVERIFY,
     X509_V_ERR_CERT_HAS_EXPIRED,
     PROMISE_TLS_EALERT,
     "certificate has expired"},
    {"another host",
     "good.test",
     {0},
     {.certificate_file = "other"},
     0,
     PROMISE_TLS_EVERIFY,
     X509_V_ERR_HOSTNAME_MISMATCH,
     PROMISE_TLS_EALERT,
     "hostname mismatch"},
    {"another address",
     "127.0.0.2",
     {0},
     {.certificate_file = "good"},
     0,
     PROMISE_TLS_EVERIFY,
     X509_V_ERR_IP_ADDRESS_MISMATCH,
     PROMISE_TLS_EALERT,
     "IP address mismatch"},
    {"signed by itself",
     "good.test",
     {0},
     {.certificate_file = "self"},
     0,
     PROMISE_TLS_EVERIFY,
     X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
     PROMISE_TLS_EALERT,
     "self-signed certificate"},
    {"an unknown authority",
     "good.test",
     {0},
     {.certificate_file = "stranger"},
     0,
     PROMISE_TLS_EVERIFY,
     X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
     PROMISE_TLS_EALERT,
     "unable to get local issuer"},
    {"a wildcard is for one label",
     "a.b.wild.test",
     {0},
     {.certificate_file = "wild"},
     0,
     PROMISE_TLS_EVERIFY,
     X509_V_ERR_HOSTNAME_MISMATCH,
     PROMISE_TLS_EALERT,
     "hostname mismatch"},
    {"a wildcard is not for none",
     "wild.test",
     {0},
     {.certificate_file = "wild"},
     0,
     PROMISE_TLS_EVERIFY,
     X509_V_ERR_HOSTNAME_MISMATCH,
     PROMISE_TLS_EALERT,
     "hostname mismatch"},
    {"a client's certificate",
     "client",
     {0},
     {.certificate_file = "client"},
     0,
     PROMISE_TLS_EVERIFY,
     X509_V_ERR_INVALID_PURPOSE,
     PROMISE_TLS_EALERT,
     "unsuitable certificate purpose"},
    {"no version in common",
     "good.test",
     {.min_version = PROMISE_TLS_1_3},
     {.certificate_file = "good"},
     PROMISE_TLS_1_2,
     PROMISE_TLS_EALERT,
     0,
     PROMISE_TLS_EHANDSHAKE,
     "alert protocol version"},
    {"no protocol in common",
     "good.test",
     {.alpn = (const char *const[]){"a", NULL}},
     {.certificate_file = "good", .alpn = (const char *const[]){"b", NULL}},
     0,
     PROMISE_TLS_EALERT,
     0,
     PROMISE_TLS_EHANDSHAKE,
     "no application protocol"},
    {"no cipher in common",
     "good.test",
     {.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384"},
     {.certificate_file = "good", .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"},
     PROMISE_TLS_1_2,
     PROMISE_TLS_EALERT,
     0,
     PROMISE_TLS_EHANDSHAKE,
     "handshake failure"},
    {"no certificate of the client",
     "good.test",
     {0},
     {.certificate_file = "good", .verify_client = true, .authorities_file = "authority"},
     PROMISE_TLS_1_2,
     PROMISE_TLS_EALERT,
     0,
     PROMISE_TLS_EVERIFY,
     "handshake failure"},
    {"a client nobody knows",
     "good.test",
     {.certificate_file = "self"},
     {.certificate_file = "good", .verify_client = true, .authorities_file = "authority"},
     PROMISE_TLS_1_2,
     PROMISE_TLS_EALERT,
     0,
     PROMISE_TLS_EVERIFY,
     "unknown ca"},
};

static struct promise_tls_options with_paths(struct promise_tls_options o) {
    if (o.certificate_file) o.certificate_file = certificate(o.certificate_file);
    if (o.authorities_file) o.authorities_file = certificate(o.authorities_file);
    return o;
}

static void check_error(promise_value_t v, int code, const char *what) {
    ck_assert_msg(promise_is_rejection(v) && promise_error_domain(v) == &promise_tls_errors && promise_error_code(v) == code,
                  "%s: %s, expected code %d", what, promise_error_message(v), code);
}

START_TEST(both_ends_hear_why) {
    struct promise_tls_options of_client = with_paths(table[_i].client), of_server = with_paths(table[_i].server);
    promise_tls_t *c = good_client(&of_client), *s = good_server(&of_server);
    promise_stream_t *ends[2];
    promise_value_t v, mine;

    if (table[_i].server_most) SSL_CTX_set_max_proto_version(promise_tls_context(s), table[_i].server_most);
    promise_stream_pair(loop, ends);
    v = outcomes_of(promise_tls_secure(ends[0], table[_i].host, c), promise_tls_secure(ends[1], NULL, s));
    mine = promise_list_get(v, 0);
    check_error(mine, table[_i].client_error, table[_i].what);
    check_error(promise_list_get(v, 1), table[_i].server_error, table[_i].what);
    ck_assert_msg(strstr(promise_error_message(mine), table[_i].words), "%s", promise_error_message(mine));
    ck_assert_msg(strstr(promise_error_message(mine), table[_i].host), "%s", promise_error_message(mine));
    if (table[_i].verdict) ck_assert(promise_error_is(mine, &promise_tls_verify_errors, table[_i].verdict));
    ck_assert_uint_eq(ERR_peek_error(), 0);
    promise_tls_unref(c);
    promise_tls_unref(s);
}
END_TEST

START_TEST(with_tls_1_3_the_client_hears_it_by_a_read) {
    promise_tls_t *s =
        good_server(&(struct promise_tls_options){.verify_client = true, .authorities_file = certificate("authority")});
    promise_tls_t *c = good_client(NULL);
    promise_stream_t *ends[2];
    promise_value_t v;

    promise_stream_pair(loop, ends);
    v = outcomes_of(promise_tls_secure(ends[0], "good.test", c), promise_tls_secure(ends[1], NULL, s));
    client = promise_stream_ref(promise_as_stream(promise_list_get(v, 0)));
    check_error(promise_list_get(v, 1), PROMISE_TLS_EVERIFY, "no certificate");
    ck_assert_ptr_nonnull(
        strstr(error_of(promise_stream_read(client, 1), &promise_tls_errors, PROMISE_TLS_EALERT), "certificate required"));
    promise_tls_unref(c);
    promise_tls_unref(s);
}
END_TEST

/* ---- a peer that does something else; fds[1] is the test's ---- */

static int fds[2];

static promise_stream_t *plain(void) {
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    return promise_stream_new(loop, fds[0]);
}

/* The same by TCP, which can be reset; and has addresses. */
static promise_stream_t *plain_tcp(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fds[0], (struct sockaddr *)&address, size), 0);
    fds[1] = accept(listener, NULL, NULL);
    ck_assert_int_ge(fds[1], 0);
    close(listener);
    return promise_stream_new(loop, fds[0]);
}

static void reset(int fd) {
    const struct linger now = {1, 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

static promise_t *secure(promise_stream_t *stream, bool as_server, const struct promise_tls_options *options) {
    promise_tls_t *tls = as_server ? good_server(options) : good_client(options);
    promise_t *p = promise_tls_secure(stream, as_server ? NULL : "good.test", tls);

    promise_tls_unref(tls); /* it is held as long as it is needed */
    return p;
}

START_TEST(a_peer_that_speaks_no_tls) {
    static const char *const said[] = {"SSH-2.0-OpenSSH_9.2\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"};
    promise_t *p = secure(plain(), _i, NULL);

    ck_assert_int_gt(write(fds[1], said[_i], strlen(said[_i])), 0);
    ck_assert_ptr_nonnull(
        strstr(error_of(p, &promise_tls_errors, PROMISE_TLS_EHANDSHAKE), _i ? "http request" : "wrong version"));
    ck_assert_uint_eq(ERR_peek_error(), 0);
    close(fds[1]);
}
END_TEST

START_TEST(a_peer_that_leaves_in_the_handshake) {
    static const char part[] = {0x16, 3, 1, 2};
    promise_t *p = secure(plain(), _i & 1, NULL);

    if (_i & 2) ck_assert_int_gt(write(fds[1], part, sizeof part), 0);
    if (_i & 4) run_dry();
    shutdown(fds[1], SHUT_WR);
    ck_assert_ptr_nonnull(strstr(error_of(p, &promise_tls_errors, PROMISE_TLS_ETRUNCATED), _i & 1 ? "a client" : "good.test"));
    close(fds[1]);
}
END_TEST

START_TEST(a_peer_that_resets_in_the_handshake) {
    promise_t *p = secure(plain_tcp(), _i, NULL);
    const char *message;

    run_dry();
    reset(fds[1]);
    message = error_of(p, &promise_errno_errors, ECONNRESET);
    ck_assert_ptr_nonnull(strstr(message, _i ? "TLS handshake with 127.0.0.1:" : "TLS handshake with good.test:"));
}
END_TEST

START_TEST(a_peer_that_never_answers) { /* also when it does not even read what was to go first */
    promise_stream_t *stream = plain();
    const char *message;

    if (_i & 2) promise_unref(promise_stream_write(stream, long_text(10000000)));
    message =
        error_of(secure(stream, _i & 1, &(struct promise_tls_options){.handshake_ms = 30}), &promise_errors, PROMISE_ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(message, _i & 1 ? "TLS handshake with a client" : "TLS handshake with good.test"));
    close(fds[1]);
}
END_TEST

/* ---- afterwards ---- */

START_TEST(an_end_without_close_notify) { /* what came before can be read */
    tls_pair("good.test", NULL, NULL);
    value_of(promise_stream_write(server, promise_string("half of it")));
    value_of(promise_stream_drain(server));
    promise_stream_abort(server);
    if (_i) {
        ck_assert_str_eq(promise_as_bytes(value_of(promise_stream_read_exactly(client, 10)), NULL), "half of it");
        error_of(promise_stream_read(client, 1), &promise_tls_errors, PROMISE_TLS_ETRUNCATED);
        error_of(promise_stream_write(client, promise_string("x")), &promise_tls_errors, PROMISE_TLS_ETRUNCATED);
    } else {
        error_of(promise_stream_read_all(client, 100), &promise_tls_errors, PROMISE_TLS_ETRUNCATED);
    }
    ck_assert(promise_stream_is_closed(client));
    ck_assert_uint_eq(ERR_peek_error(), 0);
    value_of(promise_stream_close(client));
}
END_TEST

START_TEST(an_end_without_close_notify_where_that_does_not_matter) {
    promise_tls_t *c = good_client(&(struct promise_tls_options){.ignore_truncation = true});

    tls_pair("good.test", c, NULL);
    value_of(promise_stream_write(server, promise_string("all of it")));
    value_of(promise_stream_drain(server));
    promise_stream_abort(server);
    ck_assert_str_eq(promise_as_bytes(value_of(promise_stream_read_all(client, 100)), NULL), "all of it");
    promise_tls_unref(c);
}
END_TEST

START_TEST(what_was_changed_on_the_way) {
    tls_pair("good.test", NULL, NULL);
    ck_assert_int_gt(write(promise_stream_fd(server), _i ? "\27\3\3\0\24changed on the way!!" : "no TLS at all", _i ? 25 : 13),
                     0);
    error_of(promise_stream_read(client, 1), &promise_tls_errors, PROMISE_TLS_EPROTOCOL);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    ck_assert_ptr_nonnull(strstr(error_of(promise_stream_read(server, 1), &promise_tls_errors, PROMISE_TLS_EALERT), "alert"));
}
END_TEST

START_TEST(a_reset_afterwards) {
    promise_tls_t *c = good_client(NULL), *s = good_server(NULL);
    promise_stream_t *end = plain_tcp();
    promise_value_t v =
        outcomes_of(promise_tls_secure(end, "good.test", c), promise_tls_secure(promise_stream_new(loop, fds[1]), NULL, s));

    client = promise_stream_ref(promise_as_stream(promise_list_get(v, 0)));
    server = promise_stream_ref(promise_as_stream(promise_list_get(v, 1)));
    setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    promise_stream_abort(server);
    ck_assert_ptr_nonnull(strstr(error_of(promise_stream_read(client, 1), &promise_errno_errors, ECONNRESET), "good.test"));
    promise_tls_unref(c);
    promise_tls_unref(s);
}
END_TEST

START_TEST(one_connections_error_is_not_the_next_ones) {
    promise_t *p;

    tls_pair("good.test", NULL, NULL);
    p = secure(plain(), false, NULL);
    ck_assert_int_gt(write(fds[1], "no", 2), 0);
    shutdown(fds[1], SHUT_WR);
    error_of(p, &promise_tls_errors, PROMISE_TLS_ETRUNCATED);
    close(fds[1]);
    ERR_raise(ERR_LIB_USER, 1); /* a complaint that the program has left there */
    value_of(promise_stream_write(server, promise_string("x")));
    value_of(promise_stream_read(client, 1));
    value_of(promise_stream_close(client));
    ck_assert(promise_is_end(value_of(promise_stream_read(server, 1))));
}
END_TEST

/* ---- options that cannot be used ---- */

static const struct {
    struct promise_tls_options options;
    bool server;
    int error; /* of promise_tls_errors; or -errno */
    const char *words;
} bad_options[] = {
    {{.certificate_file = "nowhere"}, true, -ENOENT, "certificate file"},
    {{.certificate_file = "garbage"}, true, PROMISE_TLS_EOPTIONS, "certificate file"},
    {{.certificate_file = "good", .key_file = "nowhere"}, true, -ENOENT, "key file"},
    {{.certificate_file = "good", .key_file = "garbage"}, true, PROMISE_TLS_EOPTIONS, "key file"},
    {{.certificate_file = "good", .key_file = "other"}, true, PROMISE_TLS_EOPTIONS, "key values mismatch"},
    {{.certificate_file = "locked"}, true, PROMISE_TLS_EOPTIONS, "key file"},
    {{.certificate_file = "locked", .key_password = "wrong"}, true, PROMISE_TLS_EOPTIONS, "key file"},
    {{.key_file = "good"}, false, PROMISE_TLS_EOPTIONS, "without a certificate"},
    {{0}, true, PROMISE_TLS_EOPTIONS, "needs a certificate"},
    {{.authorities_file = "nowhere"}, false, -ENOENT, "authorities"},
    {{.authorities_file = "garbage"}, false, PROMISE_TLS_EOPTIONS, "authorities"},
    {{.authorities_path = "/nowhere/at/all"}, false, -ENOENT, "/nowhere/at/all"},
    {{.certificate_file = "good", .verify_client = true}, true, PROMISE_TLS_EOPTIONS, "without authorities"},
    {{.ciphers = "nonsense"}, false, PROMISE_TLS_EOPTIONS, "no cipher match"},
    {{.min_version = 7}, false, PROMISE_TLS_EOPTIONS, "min_version"},
    {{.alpn = (const char *const[]){"h2", "", NULL}}, false, PROMISE_TLS_EOPTIONS, "alpn"},
};

START_TEST(a_context_that_could_not_be_made_rejects) { /* O2 */
    struct promise_tls_options o = with_paths(bad_options[_i].options);
    promise_stream_t *ends[2];
    promise_tls_t *tls;
    int error = bad_options[_i].error;
    promise_value_t why;

    if (o.key_file) o.key_file = certificate(o.key_file);
    tls = bad_options[_i].server ? promise_tls_server(&o) : promise_tls_client(&o);
    why = promise_tls_error(tls);
    ck_assert(promise_is_rejection(why));
    ck_assert_msg(strstr(promise_error_message(why), bad_options[_i].words), "%s", promise_error_message(why));
    ck_assert_ptr_null(promise_tls_context(tls));
    ck_assert_uint_eq(ERR_peek_error(), 0);
    promise_stream_pair(loop, ends);
    promise_stream_unref(ends[1]);
    error_of(promise_tls_secure(ends[0], "good.test", tls), error < 0 ? &promise_errno_errors : &promise_tls_errors,
             abs(error));
    promise_tls_unref(promise_tls_ref(tls));
    promise_tls_unref(tls);
}
END_TEST

START_TEST(what_cannot_be_asked_for) {
    static const char *const hosts[] = {NULL, "", ".", ".test", "[]"}, *const good = "good.test";
    promise_tls_t *c = good_client(NULL), *s = good_server(NULL);
    promise_stream_t *ends[2];

    promise_stream_pair(loop, ends);
    for (size_t i = 0; i < 5; i++)
        error_of(promise_tls_secure(promise_stream_ref(ends[0]), hosts[i], c), &promise_errno_errors, EINVAL);
    error_of(promise_tls_secure(promise_stream_ref(ends[0]), good, s), &promise_errno_errors, EINVAL);
    promise_stream_abort(ends[0]);
    error_of(promise_tls_secure(ends[0], good, c), &promise_errors, PROMISE_ECLOSED);
    error_of(promise_tls_secure(promise_stream_new(loop, -1), good, c), &promise_errno_errors, EBADF);
    promise_stream_unref(ends[1]);
    promise_tls_unref(c);
    promise_tls_unref(s);
    promise_tls_unref(NULL);
}
END_TEST

static void secure_null(void *arg) { promise_unref(promise_tls_secure(NULL, arg, NULL)); }

START_TEST(a_null_stream_stops_the_program) { test_assert_stops(secure_null, "good.test", "the stream is NULL"); }
END_TEST

START_TEST(the_words_for_a_code) {
    promise_value_t v = promise_throw(&promise_tls_errors, _i, NULL);

    ck_assert_int_gt((int)strlen(promise_error_message(v)), 10);
    promise_value_clear(&v);
    v = promise_throw(&promise_tls_verify_errors, X509_V_ERR_CERT_HAS_EXPIRED, NULL);
    ck_assert_str_eq(promise_error_message(v), "certificate has expired");
    promise_value_clear(&v);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("tls_faults");
    TCase *t = tcase_create("faults");

    tcase_add_checked_fixture(t, tls_setup, tls_teardown);
    tcase_add_loop_test(t, both_ends_hear_why, 0, sizeof table / sizeof *table);
    tcase_add_test(t, with_tls_1_3_the_client_hears_it_by_a_read);
    tcase_add_loop_test(t, a_peer_that_speaks_no_tls, 0, 2);
    tcase_add_loop_test(t, a_peer_that_leaves_in_the_handshake, 0, 8);
    tcase_add_loop_test(t, a_peer_that_resets_in_the_handshake, 0, 2);
    tcase_add_loop_test(t, a_peer_that_never_answers, 0, 4);
    tcase_add_loop_test(t, an_end_without_close_notify, 0, 2);
    tcase_add_test(t, an_end_without_close_notify_where_that_does_not_matter);
    tcase_add_loop_test(t, what_was_changed_on_the_way, 0, 2);
    tcase_add_test(t, a_reset_afterwards);
    tcase_add_test(t, one_connections_error_is_not_the_next_ones);
    tcase_add_loop_test(t, a_context_that_could_not_be_made_rejects, 0, sizeof bad_options / sizeof *bad_options);
    tcase_add_test(t, what_cannot_be_asked_for);
    tcase_add_test(t, a_null_stream_stops_the_program);
    tcase_add_loop_test(t, the_words_for_a_code, PROMISE_TLS_EOPTIONS, PROMISE_TLS_ETRUNCATED + 1);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return tls_test_main(suite()); }
