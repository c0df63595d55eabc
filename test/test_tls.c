/* TLS between two of our own streams: handshakes, what was agreed on, data, the end, sessions. Faults are in
 * test_tls_faults.c. */
#include "tlspair.h"

#include <errno.h>
#include <string.h>

/* ---- the handshake ---- */

START_TEST(a_client_and_a_server_agree) {
    tls_pair("good.test", NULL, NULL);
    ck_assert_str_eq(promise_tls_version(client), "TLSv1.3");
    ck_assert_str_eq(promise_tls_version(server), "TLSv1.3");
    ck_assert_str_eq(promise_tls_cipher(client), promise_tls_cipher(server));
    ck_assert_ptr_null(promise_tls_alpn(client));
    ck_assert(!promise_tls_session_reused(client));
    ck_assert_str_eq(SSL_get_servername(promise_tls_ssl(server), TLSEXT_NAMETYPE_host_name), "good.test");
}
END_TEST

START_TEST(the_peers_subject_is_text) {
    promise_value_t peer;

    tls_pair("good.test", NULL, NULL);
    peer = promise_tls_peer(client);
    ck_assert_str_eq(promise_as_string(peer), "CN=good.test,O=Tests");
    promise_value_clear(&peer);
    ck_assert(promise_is_void(promise_tls_peer(server)));
}
END_TEST

START_TEST(a_plain_or_closed_stream_has_no_tls) {
    promise_stream_t *ends[2];

    promise_stream_pair(loop, ends);
    ck_assert_ptr_null(promise_tls_version(ends[0]));
    ck_assert_ptr_null(promise_tls_cipher(ends[0]));
    ck_assert_ptr_null(promise_tls_alpn(ends[0]));
    ck_assert_ptr_null(promise_tls_ssl(ends[0]));
    ck_assert(!promise_tls_session_reused(ends[0]));
    ck_assert(promise_is_void(promise_tls_peer(ends[0])));
    promise_stream_unref(ends[0]);
    promise_stream_unref(ends[1]);
    tls_pair("good.test", NULL, NULL);
    promise_stream_abort(client);
    ck_assert_ptr_null(promise_tls_version(client));
    ck_assert_ptr_null(promise_tls_ssl(client));
    ck_assert(promise_is_void(promise_tls_peer(client)));
}
END_TEST

/* Each of these names is in one of the certificates; an address is asked for without SNI. */
static const struct {
    const char *host, *certificate, *sni;
} names[] = {
    {"good.test", "good", "good.test"},
    {"GOOD.test.", "good", "GOOD.test"},
    {"a.wild.test", "wild", "a.wild.test"},
    {"127.0.0.1", "good", NULL},
    {"::1", "good", NULL},
    {"[::1]", "good", NULL},
    {"good.test", "locked", "good.test"},
};

START_TEST(the_name_is_checked_and_told) {
    promise_tls_t *s = good_server(
        &(struct promise_tls_options){.certificate_file = certificate(names[_i].certificate), .key_password = "secret"});
    const char *sni;

    tls_pair(names[_i].host, NULL, s);
    sni = SSL_get_servername(promise_tls_ssl(server), TLSEXT_NAMETYPE_host_name);
    if (names[_i].sni) ck_assert_str_eq(sni, names[_i].sni);
    else ck_assert_ptr_null(sni);
    promise_tls_unref(s);
}
END_TEST

START_TEST(insecure_believes_all_even_without_a_host) {
    promise_tls_t *c = promise_tls_client(&(struct promise_tls_options){.insecure = true});
    promise_tls_t *s = good_server(&(struct promise_tls_options){.certificate_file = certificate("self")});

    tls_pair(_i ? NULL : "somewhere.test", c, s);
    promise_tls_unref(c);
    promise_tls_unref(s);
}
END_TEST

START_TEST(the_protocol_is_the_servers_first_choice) {
    static const char *const ours[] = {"h2", "http/1.1", NULL}, *const theirs[] = {"x", "http/1.1", "h2", NULL};
    promise_tls_t *c = good_client(&(struct promise_tls_options){.alpn = theirs});
    promise_tls_t *s = good_server(&(struct promise_tls_options){.alpn = ours});

    tls_pair("good.test", c, s);
    ck_assert_str_eq(promise_tls_alpn(client), "h2");
    ck_assert_str_eq(promise_tls_alpn(server), "h2");
    tls_pair("good.test", NULL, s);
    ck_assert_ptr_null(promise_tls_alpn(server));
    promise_tls_unref(c);
    promise_tls_unref(s);
}
END_TEST

START_TEST(a_client_shows_its_certificate) {
    promise_tls_t *c = good_client(&(struct promise_tls_options){.certificate_file = certificate("client")});
    promise_tls_t *s =
        good_server(&(struct promise_tls_options){.verify_client = true, .authorities_file = certificate("authority")});
    promise_value_t peer;

    for (int i = 0; i < 2; i++) { /* the second time from the session */
        tls_pair("good.test", c, s);
        value_of(promise_stream_write(server, promise_string("x")));
        value_of(promise_stream_read(client, 1));
        ck_assert(promise_tls_session_reused(server) == (i == 1));
        peer = promise_tls_peer(server);
        ck_assert_str_eq(promise_as_string(peer), "CN=client,O=Tests");
        promise_value_clear(&peer);
    }
    promise_tls_unref(c);
    promise_tls_unref(s);
}
END_TEST

START_TEST(versions_and_ciphers_are_what_was_asked_for) {
    promise_tls_t *old = good_server(NULL);
    promise_tls_t *c = good_client(&(struct promise_tls_options){.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384"});

    SSL_CTX_set_max_proto_version(promise_tls_context(old), TLS1_2_VERSION); /* what there is no option for */
    tls_pair("good.test", c, old);
    ck_assert_str_eq(promise_tls_version(client), "TLSv1.2");
    ck_assert_str_eq(promise_tls_cipher(client), "ECDHE-ECDSA-AES256-GCM-SHA384");
    promise_tls_unref(c);
    promise_tls_unref(old);
}
END_TEST

START_TEST(what_the_plain_stream_had_to_send_goes_first) {
    promise_tls_t *c = good_client(NULL), *s = good_server(NULL);
    promise_stream_t *ends[2];
    promise_value_t pair;

    promise_stream_pair(loop, ends);
    promise_unref(promise_stream_write(ends[0], promise_string("STARTTLS\n"))); /* still in the buffer */
    value_of(promise_stream_read_line(ends[1], 100));
    promise_unref(promise_stream_write(ends[1], promise_string("go ahead\n")));
    value_of(promise_stream_read_line(ends[0], 100));
    pair = outcomes_of(promise_tls_secure(ends[0], "good.test", c), promise_tls_secure(ends[1], NULL, s));
    ck_assert(!promise_is_rejection(promise_list_get(pair, 0)));
    ck_assert(!promise_is_rejection(promise_list_get(pair, 1)));
    promise_tls_unref(c);
    promise_tls_unref(s);
}
END_TEST

/* ---- data, and the end ---- */

static const size_t sizes[] = {0, 1, 100, 16384, 16385, 65536, 100000, 3000000};

START_TEST(bytes_go_both_ways_up_to_close_notify) {
    promise_value_t text = promise_void(), v;
    size_t size, got;

    promise_value_set(&text, long_text(sizes[_i]));
    tls_pair("good.test", NULL, NULL);
    for (int way = 0; way < 2; way++) {
        promise_stream_t *from = way ? server : client, *to = way ? client : server;
        promise_unref(promise_stream_write(from, text));
        promise_unref(promise_stream_shutdown(from));
        v = value_of(promise_stream_read_all(to, SIZE_MAX));
        promise_as_bytes(v, &got);
        promise_as_bytes(text, &size);
        ck_assert_uint_eq(got, size);
        ck_assert_mem_eq(promise_as_bytes(v, NULL), promise_as_bytes(text, NULL), size);
        ck_assert_int_ne(SSL_get_shutdown(promise_tls_ssl(to)) & SSL_RECEIVED_SHUTDOWN, 0);
    }
    promise_value_clear(&text);
}
END_TEST

START_TEST(close_sends_close_notify_and_waits_for_it) { /* R17 */
    promise_value_t v;
    size_t size;

    tls_pair("good.test", NULL, NULL);
    promise_unref(promise_stream_write(client, long_text(500000)));
    v = outcomes_of(promise_stream_close(client), promise_stream_read_all(server, SIZE_MAX));
    ck_assert(promise_is_void(promise_list_get(v, 0)));
    promise_as_bytes(promise_list_get(v, 1), &size);
    ck_assert_uint_eq(size, 500000);
    ck_assert_int_eq(SSL_get_shutdown(promise_tls_ssl(server)), SSL_RECEIVED_SHUTDOWN);
    value_of(promise_stream_close(server)); /* nobody is there any more; it may say so all the same */
}
END_TEST

START_TEST(close_after_shutdown_says_it_once) {
    tls_pair("good.test", NULL, NULL);
    value_of(promise_stream_shutdown(client));
    value_of(promise_stream_close(client));
    ck_assert(promise_is_end(value_of(promise_stream_read(server, 10))));
    ck_assert(promise_is_end(value_of(promise_stream_read(server, 10))));
}
END_TEST

START_TEST(close_notify_is_the_end_where_the_rest_of_the_connection_stays_open) {
    tls_pair("good.test", NULL, NULL);
    value_of(promise_stream_shutdown(client));
    ck_assert(promise_is_end(value_of(promise_stream_read(server, 10))));
    value_of(promise_stream_write(server, promise_string("still here\n")));
    ck_assert_str_eq(promise_as_string(value_of(promise_stream_read_line(client, 100))), "still here");
    error_of(promise_stream_write(client, promise_string("x")), &promise_errno_errors, EPIPE);
}
END_TEST

START_TEST(both_may_close_at_the_same_time) {
    promise_value_t v;

    tls_pair("good.test", NULL, NULL);
    v = outcomes_of(promise_stream_close(client), promise_stream_close(server));
    ck_assert(promise_is_void(promise_list_get(v, 0)));
    ck_assert(promise_is_void(promise_list_get(v, 1)));
}
END_TEST

/* ---- sessions ---- */

static void exchange(void) {
    value_of(promise_stream_write(server, promise_string("x"))); /* the tickets of TLS 1.3 come before it */
    value_of(promise_stream_read(client, 1));
    value_of(promise_stream_close(client));
}

START_TEST(sessions_are_resumed) {
    promise_tls_t *c = good_client(NULL), *s = good_server(NULL);

    SSL_CTX_set_max_proto_version(promise_tls_context(s), _i);
    for (int i = 0; i < 4; i++) {
        tls_pair("good.test", c, s);
        ck_assert(promise_tls_session_reused(client) == (i > 0));
        ck_assert(promise_tls_session_reused(server) == (i > 0));
        exchange();
    }
    tls_pair("127.0.0.1", c, s); /* another host has its own */
    ck_assert(!promise_tls_session_reused(client));
    promise_tls_unref(c);
    promise_tls_unref(s);
}
END_TEST

START_TEST(sessions_outlive_an_abort) {
    promise_tls_t *c = good_client(NULL), *s = good_server(NULL);

    SSL_CTX_set_max_proto_version(promise_tls_context(s), _i);
    tls_pair("good.test", c, s);
    value_of(promise_stream_write(server, promise_string("x")));
    value_of(promise_stream_read(client, 1));
    promise_stream_abort(client);
    promise_stream_abort(server);
    tls_pair("good.test", c, s);
    ck_assert(promise_tls_session_reused(client));
    promise_tls_unref(c);
    promise_tls_unref(s);
}
END_TEST

START_TEST(no_sessions_on_either_side_means_none) {
    promise_tls_t *c = good_client(&(struct promise_tls_options){.no_sessions = _i & 1});
    promise_tls_t *s = good_server(&(struct promise_tls_options){.no_sessions = _i & 2});

    if (_i & 4) SSL_CTX_set_max_proto_version(promise_tls_context(s), TLS1_2_VERSION);
    for (int i = 0; i < 2; i++) {
        tls_pair("good.test", c, s);
        ck_assert(promise_tls_session_reused(client) == (i > 0 && !(_i & 3)));
        exchange();
    }
    promise_tls_unref(c);
    promise_tls_unref(s);
}
END_TEST

START_TEST(only_so_many_sessions_are_kept) {
    promise_tls_t *c = good_client(&(struct promise_tls_options){.insecure = true}), *s = good_server(NULL);
    char host[32];

    for (int i = 0; i < 130; i++) { /* two tickets each */
        snprintf(host, sizeof host, "host%d.test", i);
        tls_pair(host, c, s);
        exchange();
    }
    tls_pair("host0.test", c, s);
    ck_assert(!promise_tls_session_reused(client));
    tls_pair("host129.test", c, s);
    ck_assert(promise_tls_session_reused(client));
    promise_tls_unref(c);
    promise_tls_unref(s);
}
END_TEST

/* ---- contexts ---- */

START_TEST(the_loops_own_client_trusts_the_systems_authorities) {
    promise_stream_t *ends[2];
    promise_tls_t *s = good_server(NULL);
    promise_value_t pair;

    for (int i = 0; i < 2; i++) {
        promise_stream_pair(loop, ends);
        pair = outcomes_of(promise_tls_secure(ends[0], "good.test", NULL), promise_tls_secure(ends[1], NULL, s));
        ck_assert(promise_error_is(promise_list_get(pair, 0), &promise_tls_errors, PROMISE_TLS_EVERIFY));
        ck_assert(promise_error_is(promise_list_get(pair, 1), &promise_tls_errors, PROMISE_TLS_EALERT));
    }
    promise_tls_unref(s);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("tls");
    TCase *handshake = tcase_create("handshake"), *data = tcase_create("data"), *sessions = tcase_create("sessions");

    tcase_add_checked_fixture(handshake, tls_setup, tls_teardown);
    tcase_add_test(handshake, a_client_and_a_server_agree);
    tcase_add_test(handshake, the_peers_subject_is_text);
    tcase_add_test(handshake, a_plain_or_closed_stream_has_no_tls);
    tcase_add_loop_test(handshake, the_name_is_checked_and_told, 0, sizeof names / sizeof *names);
    tcase_add_loop_test(handshake, insecure_believes_all_even_without_a_host, 0, 2);
    tcase_add_test(handshake, the_protocol_is_the_servers_first_choice);
    tcase_add_test(handshake, a_client_shows_its_certificate);
    tcase_add_test(handshake, versions_and_ciphers_are_what_was_asked_for);
    tcase_add_test(handshake, what_the_plain_stream_had_to_send_goes_first);
    tcase_add_test(handshake, the_loops_own_client_trusts_the_systems_authorities);
    suite_add_tcase(s, handshake);
    tcase_add_checked_fixture(data, tls_setup, tls_teardown);
    tcase_add_loop_test(data, bytes_go_both_ways_up_to_close_notify, 0, sizeof sizes / sizeof *sizes);
    tcase_add_test(data, close_sends_close_notify_and_waits_for_it);
    tcase_add_test(data, close_after_shutdown_says_it_once);
    tcase_add_test(data, close_notify_is_the_end_where_the_rest_of_the_connection_stays_open);
    tcase_add_test(data, both_may_close_at_the_same_time);
    suite_add_tcase(s, data);
    tcase_add_checked_fixture(sessions, tls_setup, tls_teardown);
    tcase_add_loop_test(sessions, sessions_are_resumed, TLS1_2_VERSION, TLS1_3_VERSION + 1);
    tcase_add_loop_test(sessions, sessions_outlive_an_abort, TLS1_2_VERSION, TLS1_3_VERSION + 1);
    tcase_add_loop_test(sessions, no_sessions_on_either_side_means_none, 0, 8);
    tcase_add_test(sessions, only_so_many_sessions_are_kept);
    suite_add_tcase(s, sessions);
    return s;
}

int main(void) { return tls_test_main(suite()); }
