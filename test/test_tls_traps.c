/* What libevent and OpenSSL do when nobody looks: each trap of PEERS, and those that were found besides. */
#include "tlspair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>

/* Ends in close_notify on both sides. */
static void send_and_compare(promise_stream_t *from, promise_stream_t *to, size_t size) {
    promise_value_t text = promise_void(), v;
    size_t got;

    promise_value_set(&text, long_text(size));
    promise_unref(promise_stream_write(from, text));
    promise_unref(promise_stream_shutdown(from));
    v = value_of(promise_stream_read_all(to, SIZE_MAX));
    promise_as_bytes(v, &got);
    ck_assert_uint_eq(got, size);
    ck_assert_mem_eq(promise_as_bytes(v, NULL), promise_as_bytes(text, NULL), size);
    promise_value_clear(&text);
}

/* ---- reading ---- */

static const size_t firsts[] = {1, 100, 5000, 16000, 16384};

START_TEST(a_full_input_leaves_half_a_record_with_OpenSSL) {
    size_t rest = firsts[_i] + 4 * 16384;

    tls_pair("good.test", NULL, NULL);
    promise_stream_set_high_water(server, SIZE_MAX);
    value_of(promise_stream_write(server, long_text(firsts[_i])));
    value_of(promise_stream_drain(server)); /* a record of its own */
    value_of(promise_stream_write(server, long_text(4 * 16384)));
    value_of(promise_stream_drain(server));
    run_dry(); /* all has come that will come */
    while (rest > 0) {
        size_t size;
        promise_as_bytes(value_of(promise_stream_read(client, 1000)), &size);
        rest -= size;
    }
}
END_TEST

START_TEST(OpenSSL_reads_ahead_if_the_context_says_so) {
    promise_tls_t *c = good_client(NULL);

    SSL_CTX_set_read_ahead(promise_tls_context(c), 1);
    tls_pair("good.test", c, NULL);
    for (int i = 0; i < 10; i++) {
        promise_unref(promise_stream_write(server, promise_string("one")));
        promise_unref(promise_stream_write(server, promise_string("two")));
        run_dry();
        value_of(promise_stream_read_exactly(client, 6));
    }
    send_and_compare(server, client, 1000000);
    promise_tls_unref(c);
}
END_TEST

/* ---- writing ---- */

START_TEST(libevent_takes_a_part_that_was_written_for_the_whole) {
    promise_tls_t *s = good_server(NULL);

    SSL_CTX_set_mode(promise_tls_context(s), SSL_MODE_ENABLE_PARTIAL_WRITE);
    tls_pair("good.test", NULL, s);
    for (int i = 0; i < 20; i++) promise_unref(promise_stream_write(server, long_text(50000)));
    run_dry(); /* the socket is full */
    value_of(promise_stream_read_exactly(client, 20 * 50000));
    send_and_compare(server, client, 3000000);
    promise_tls_unref(s);
}
END_TEST

START_TEST(the_peers_close_notify_stops_libevents_writing) {
    promise_value_t v;
    size_t size;

    tls_pair("good.test", NULL, NULL);
    promise_unref(promise_stream_write(server, long_text(4000000))); /* more than there is room for */
    run_dry();
    ck_assert_uint_gt(promise_stream_unsent(server), 0);
    value_of(promise_stream_shutdown(client));
    ck_assert(promise_is_end(value_of(promise_stream_read(server, 1))));
    promise_unref(promise_stream_close(server));
    v = value_of(promise_stream_read_all(client, SIZE_MAX));
    promise_as_bytes(v, &size);
    ck_assert_uint_eq(size, 4000000);
}
END_TEST

START_TEST(a_file_goes_through_OpenSSL_not_by_sendfile) {
    char path[] = "/tmp/promise-tls-file-XXXXXX";
    int fd = mkstemp(path);
    promise_value_t v;
    size_t size;

    unlink(path);
    ck_assert_int_eq(ftruncate(fd, 300000), 0);
    ck_assert_int_eq(pwrite(fd, "end", 3, 299997), 3);
    tls_pair("good.test", NULL, NULL);
    promise_unref(promise_stream_write_file(server, fd, 100000, SIZE_MAX));
    promise_unref(promise_stream_close(server));
    v = value_of(promise_stream_read_all(client, SIZE_MAX));
    ck_assert_mem_eq(promise_as_bytes(v, &size) + 199997, "end", 3);
    ck_assert_uint_eq(size, 200000);
}
END_TEST

/* ---- a socket that is full when close_notify is to be sent; raw is the peer's end ---- */

static int raw;
static size_t filler;

static void fill_the_socket(promise_tls_t *c) {
    char junk[4096] = {0};
    ssize_t n;

    tls_pair("good.test", c, NULL);
    raw = dup(promise_stream_fd(server));
    promise_stream_abort(server);
    run_dry();
    for (filler = 0; (n = write(promise_stream_fd(client), junk, sizeof junk)) > 0;) filler += (size_t)n;
    while (write(promise_stream_fd(client), junk, 1) == 1) filler++;
}

/* Reads all that the client has sent until p settles: how much came behind the junk. */
static size_t read_raw(promise_t *p) {
    char bytes[65536];
    size_t sum = 0;
    ssize_t n;

    while (promise_get_state(p) == PROMISE_PENDING || sum < filler) {
        if ((n = read(raw, bytes, sizeof bytes)) > 0) sum += (size_t)n;
        promise_loop_turn(loop);
    }
    while ((n = read(raw, bytes, sizeof bytes)) > 0) sum += (size_t)n;
    return sum - filler;
}

START_TEST(close_notify_waits_until_there_is_room) {
    promise_t *p, *q;

    fill_the_socket(NULL);
    p = promise_stream_shutdown(client);
    run_dry();
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    q = _i ? promise_stream_close(client) : promise_ref(p); /* says nothing more, but waits as well */
    run_dry();
    ck_assert_int_eq(promise_get_state(q), PROMISE_PENDING);
    ck_assert_uint_gt(read_raw(q), 5);
    ck_assert_int_eq(promise_get_state(p), PROMISE_FULFILLED);
    ck_assert_int_eq(promise_get_state(q), PROMISE_FULFILLED);
    promise_unref(p);
    promise_unref(q);
    close(raw);
}
END_TEST

static void say_nothing(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
}

START_TEST(close_notify_that_waits_can_be_given_up) {
    promise_t *p, *q;

    promise_loop_on_unhandled(loop, say_nothing, NULL); /* we look ourselves */
    fill_the_socket(NULL);
    p = promise_stream_shutdown(client);
    q = promise_stream_close(client);
    run_dry();
    switch (_i) {
    case 0: promise_stream_abort(client); break;
    case 1: promise_cancel(promise_ref(q)); break;
    case 2: promise_loop_free(loop); break;
    case 3: close(raw); break;
    default:
        promise_cancel(promise_ref(p));
        promise_stream_abort(client);
        break;
    }
    for (int i = 0; i < 100 && _i != 2; i++) promise_loop_turn(loop);
    ck_assert_int_eq(promise_get_state(p), PROMISE_REJECTED);
    ck_assert_int_eq(promise_get_state(q),
                     _i == 3 ? PROMISE_FULFILLED : PROMISE_REJECTED); /* there is nobody left to be told */
    if (_i == 0) ck_assert(promise_error_is(promise_peek(p), &promise_errors, PROMISE_ECLOSED));
    if (_i == 3)
        ck_assert_msg(promise_error_is(promise_peek(p), &promise_errno_errors, EPIPE), "%s",
                      promise_error_message(promise_peek(p)));
    promise_unref(p);
    promise_unref(q);
    if (_i != 3) close(raw);
    if (_i == 2) {
        promise_stream_unref(client);
        promise_stream_unref(server);
        client = server = NULL;
        loop = promise_loop_new(NULL);
    }
}
END_TEST

/* ---- filters: where a new socket's bufferevent will not do ---- */

START_TEST(what_has_come_early_is_taken_for_TLS) {
    promise_tls_t *c = good_client(NULL), *s = good_server(NULL);
    promise_stream_t *ends[2];
    promise_value_t v;
    promise_t *p;

    promise_stream_pair(loop, ends);
    promise_unref(promise_stream_write(ends[0], promise_string("STARTTLS\n")));
    p = promise_tls_secure(ends[0], "good.test", c); /* does not wait for an answer */
    run_dry();
    ck_assert_str_eq(promise_as_string(value_of(promise_stream_read_line(ends[1], 100))), "STARTTLS");
    ck_assert_uint_gt(promise_stream_readable(ends[1]), 100);
    v = outcomes_of(p, promise_tls_secure(ends[1], NULL, s));
    client = promise_stream_ref(promise_as_stream(promise_list_get(v, 0)));
    server = promise_stream_ref(promise_as_stream(promise_list_get(v, 1)));
    ck_assert_ptr_nonnull(bufferevent_get_underlying(promise_stream_bufferevent(server)));
    if (_i == 0) {
        send_and_compare(client, server, 1000000);
        send_and_compare(server, client, 1000000);
    } else if (_i == 1) {
        promise_unref(promise_stream_write(server, long_text(1000000)));
        promise_unref(promise_stream_close(server)); /* waits until what is below has sent it */
        value_of(promise_stream_read_exactly(client, 1000000));
        ck_assert(promise_is_end(value_of(promise_stream_read(client, 1))));
    } else {
        run_dry(); /* the tickets are sent */
        promise_stream_abort(client);
        error_of(promise_stream_read(server, 1), &promise_tls_errors, PROMISE_TLS_ETRUNCATED);
    }
    promise_tls_unref(c);
    promise_tls_unref(s);
}
END_TEST

static SSL *ssl_below(promise_stream_t *stream) {
    return bufferevent_openssl_get_ssl(bufferevent_get_underlying(promise_stream_bufferevent(stream)));
}

static void tls_in_tls(void) {
    promise_tls_t *c = good_client(NULL), *s = good_server(NULL);
    promise_value_t v;

    tls_pair("good.test", NULL, NULL);
    v = outcomes_of(promise_tls_secure(client, "good.test", c), promise_tls_secure(server, NULL, s));
    client = promise_stream_ref(promise_as_stream(promise_list_get(v, 0)));
    server = promise_stream_ref(promise_as_stream(promise_list_get(v, 1)));
    promise_tls_unref(c);
    promise_tls_unref(s);
}

START_TEST(TLS_goes_through_TLS) { /* as through a proxy that is spoken to by HTTPS */
    tls_in_tls();
    send_and_compare(client, server, 1000000);
    ck_assert_int_eq(SSL_get_shutdown(ssl_below(client)), 0); /* one direction of the inner one only */
    send_and_compare(server, client, 100000);
}
END_TEST

START_TEST(closing_TLS_in_TLS_takes_leave_twice) {
    SSL *below;

    tls_in_tls();
    below = ssl_below(client);
    SSL_up_ref(below);
    promise_unref(promise_stream_write(client, long_text(1000000)));
    promise_unref(promise_stream_close(client));
    value_of(promise_stream_read_exactly(server, 1000000));
    ck_assert(promise_is_end(value_of(promise_stream_read(server, 1))));
    ck_assert_int_eq(SSL_get_shutdown(below), SSL_SENT_SHUTDOWN);
    SSL_free(below);
    value_of(promise_stream_close(server));
}
END_TEST

START_TEST(TLS_in_TLS_that_is_cut_off) {
    tls_in_tls();
    run_dry(); /* all tickets are read: what is not would be answered by a reset */
    if (_i) ck_assert_int_gt(write(promise_stream_fd(client), "no TLS at all", 13), 0);
    else promise_stream_abort(client);
    error_of(promise_stream_read(server, 1), &promise_tls_errors, _i ? PROMISE_TLS_EPROTOCOL : PROMISE_TLS_ETRUNCATED);
}
END_TEST

START_TEST(a_pair_of_bufferevents_does_not_begin_by_itself) {
    promise_tls_t *c = good_client(NULL), *s = good_server(NULL);
    struct bufferevent *pair[2];
    promise_value_t v;

    ck_assert_int_eq(bufferevent_pair_new(promise_loop_base(loop), 0, pair), 0);
    v = outcomes_of(promise_tls_secure(promise_stream_wrap(loop, pair[0]), "good.test", c),
                    promise_tls_secure(promise_stream_wrap(loop, pair[1]), NULL, s));
    client = promise_stream_ref(promise_as_stream(promise_list_get(v, 0)));
    server = promise_stream_ref(promise_as_stream(promise_list_get(v, 1)));
    send_and_compare(client, server, 1000000);
    send_and_compare(server, client, 1000000);
    value_of(promise_stream_close(client));
    value_of(promise_stream_close(server));
    promise_tls_unref(c);
    promise_tls_unref(s);
}
END_TEST

/* ---- giving it back ---- */

START_TEST(a_secure_stream_that_is_released_is_the_callers) {
    struct bufferevent *bev;

    tls_pair("good.test", NULL, NULL);
    bev = promise_stream_release(client);
    ck_assert_ptr_nonnull(bufferevent_openssl_get_ssl(bev));
    ck_assert_ptr_null(promise_tls_ssl(client));
    value_of(promise_stream_write(server, promise_string("x"))); /* and tickets: nobody keeps them */
    value_of(promise_stream_drain(server));
    run_dry();
    bufferevent_free(bev);
    run_dry();
    error_of(promise_stream_read(server, 1), &promise_tls_errors, PROMISE_TLS_ETRUNCATED);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("tls_traps");
    TCase *t = tcase_create("traps");

    tcase_add_checked_fixture(t, tls_setup, tls_teardown);
    tcase_add_loop_test(t, a_full_input_leaves_half_a_record_with_OpenSSL, 0, sizeof firsts / sizeof *firsts);
    tcase_add_test(t, OpenSSL_reads_ahead_if_the_context_says_so);
    tcase_add_test(t, libevent_takes_a_part_that_was_written_for_the_whole);
    tcase_add_test(t, the_peers_close_notify_stops_libevents_writing);
    tcase_add_test(t, a_file_goes_through_OpenSSL_not_by_sendfile);
    tcase_add_loop_test(t, close_notify_waits_until_there_is_room, 0, 2);
    tcase_add_loop_test(t, close_notify_that_waits_can_be_given_up, 0, 5);
    tcase_add_loop_test(t, what_has_come_early_is_taken_for_TLS, 0, 3);
    tcase_add_test(t, TLS_goes_through_TLS);
    tcase_add_test(t, closing_TLS_in_TLS_takes_leave_twice);
    tcase_add_loop_test(t, TLS_in_TLS_that_is_cut_off, 0, 2);
    tcase_add_test(t, a_pair_of_bufferevents_does_not_begin_by_itself);
    tcase_add_test(t, a_secure_stream_that_is_released_is_the_callers);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return tls_test_main(suite()); }
