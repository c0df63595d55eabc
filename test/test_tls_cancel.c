/* TLS broken off: cancelled at each state (K2), its loop freed at each state (J5), each allocation failed once (O2, R21). */
#include "tlspair.h"

#include <errno.h>
#include <promise/timer.h>
#include <string.h>

/* ---- handshakes in progress ---- */

enum way { SOCKET, FILTER, INSIDE, WAYS }; /* a descriptor's, a filter above what has come early, TLS in TLS */

static promise_stream_t *ends[2];
static promise_tls_t *of_client, *of_server;
static promise_t *handshakes[2];

static void say_nothing(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
}

static void setup(void) {
    tls_setup();
    of_client = good_client(NULL);
    of_server = good_server(NULL);
    promise_loop_on_unhandled(loop, say_nothing, NULL);
}

static void teardown(void) {
    promise_tls_unref(of_client);
    promise_tls_unref(of_server);
    tls_teardown();
}

static void begin(enum way way) {
    if (way == INSIDE) {
        tls_pair("good.test", of_client, of_server);
        ends[0] = client;
        ends[1] = server;
        client = server = NULL;
    } else {
        promise_stream_pair(loop, ends);
    }
    if (way == FILTER) value_of(promise_stream_write(ends[0], promise_string("STARTTLS\n")));
    handshakes[0] = promise_tls_secure(ends[0], "good.test", of_client);
    if (way == FILTER) {
        run_dry();
        value_of(promise_stream_read_line(ends[1], 100));
    }
    handshakes[1] = promise_tls_secure(ends[1], NULL, of_server);
}

static bool pending(void) {
    return promise_get_state(handshakes[0]) == PROMISE_PENDING || promise_get_state(handshakes[1]) == PROMISE_PENDING;
}

static void let_go(void) {
    for (int i = 0; i < 2; i++) promise_unref(handshakes[i]);
}

/* The number of turns that it takes. */
static unsigned turns_of(enum way way) {
    unsigned turns = 0;

    begin(way);
    while (pending()) promise_loop_turn(loop), turns++;
    let_go();
    run_dry();
    return turns;
}

START_TEST(a_handshake_is_cancelled_at_each_state) { /* by the client, by the server */
    enum way way = (enum way)(_i / 2);
    int who = _i % 2;

    for (unsigned turns = turns_of(way); turns-- > 0;) {
        begin(way);
        for (unsigned i = 0; i < turns; i++) promise_loop_turn(loop);
        promise_cancel(promise_ref(handshakes[who]));
        while (pending()) promise_loop_turn(loop);
        if (promise_get_state(handshakes[who]) == PROMISE_REJECTED)
            ck_assert(promise_is_canceled(promise_peek(handshakes[who])));
        let_go();
        run_dry();
    }
}
END_TEST

START_TEST(a_loop_is_freed_at_each_state) {
    enum way way = (enum way)_i;

    for (unsigned turns = turns_of(way) + 2; turns-- > 0;) {
        begin(way);
        for (unsigned i = 0; i < turns; i++) promise_loop_turn(loop);
        promise_loop_free(loop);
        ck_assert(!pending());
        let_go();
        loop = promise_loop_new(NULL);
        promise_loop_on_unhandled(loop, say_nothing, NULL);
    }
}
END_TEST

START_TEST(the_last_reference_goes_in_the_handshake) { /* K4: it goes on without us, and what comes of it is let go of */
    begin((enum way)_i);
    let_go();
    run_dry();
}
END_TEST

START_TEST(a_timeout_around_it_stops_it) {
    promise_stream_pair(loop, ends);
    error_of(promise_timeout(promise_tls_secure(ends[0], "good.test", of_client), 20), &promise_errors, PROMISE_ETIMEDOUT);
    value_of(promise_stream_read_all(ends[1], 10000)); /* what was said, and the end */
    promise_stream_unref(ends[1]);
}
END_TEST

START_TEST(reads_and_writes_are_cancelled_without_loss) { /* K6 */
    promise_t *p;

    tls_pair("good.test", of_client, of_server);
    p = promise_stream_read(client, 10);
    run_dry();
    promise_cancel(p);
    promise_cancel(promise_stream_write(server, promise_string("still there")));
    ck_assert_str_eq(promise_as_bytes(value_of(promise_stream_read_exactly(client, 11)), NULL), "still there");
    promise_stream_set_high_water(server, 0);
    p = promise_stream_write(server, long_text(1000000));
    promise_cancel(p);
    value_of(promise_stream_read_exactly(client, 1000000));
}
END_TEST

START_TEST(a_close_is_cancelled) {
    tls_pair("good.test", of_client, of_server);
    run_dry(); /* the tickets are read: what is not would be answered by a reset */
    promise_unref(promise_stream_write(client, long_text(5000000)));
    promise_cancel(promise_stream_close(client));
    run_dry();
    ck_assert(promise_stream_is_closed(client));
    error_of(promise_stream_read_all(server, SIZE_MAX), &promise_tls_errors, PROMISE_TLS_ETRUNCATED);
}
END_TEST

START_TEST(the_loop_is_freed_with_open_streams) {
    promise_t *p, *q;

    tls_pair("good.test", of_client, of_server);
    p = promise_stream_read(client, 1);
    q = promise_stream_write(server, long_text(5000000));
    promise_loop_free(loop);
    ck_assert(promise_is_canceled(promise_peek(p)));
    ck_assert_ptr_null(promise_tls_ssl(client));
    promise_unref(p);
    promise_unref(q);
    promise_stream_unref(client);
    promise_stream_unref(server);
    client = server = NULL;
    loop = promise_loop_new(NULL);
}
END_TEST

START_TEST(the_context_goes_before_its_streams) {
    promise_tls_t *c = good_client(NULL);

    tls_pair("good.test", c, NULL); /* the server's is gone already */
    promise_tls_unref(c);
    value_of(promise_stream_write(server, promise_string("x")));
    value_of(promise_stream_read(client, 1));
    value_of(promise_stream_close(client));
    value_of(promise_stream_close(server));
}
END_TEST

/* ---- without memory ---- */

static bool is_nomem(promise_value_t v) { return promise_error_is(v, &promise_errno_errors, ENOMEM); }

START_TEST(each_allocation_of_a_handshake_fails_once) {
    size_t n = 0;
    bool failed;

    do {
        begin(SOCKET);
        let_go();
        run_dry(); /* the slab is warm */
        promise_stream_pair(loop, ends);
        test_alloc_fail_at(++n);
        handshakes[0] = promise_tls_secure(ends[0], "good.test", of_client);
        handshakes[1] = promise_tls_secure(ends[1], NULL, of_server);
        while (pending()) promise_loop_turn(loop);
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        for (int i = 0; i < 2; i++) /* the other one hears that its peer is gone */
            if (promise_get_state(handshakes[i]) == PROMISE_REJECTED)
                ck_assert(is_nomem(promise_peek(handshakes[0])) || is_nomem(promise_peek(handshakes[1])));
        let_go();
        run_dry();
    } while (failed);
    ck_assert_uint_gt(n, 3);
}
END_TEST

START_TEST(each_allocation_of_a_conversation_fails_once) {
    size_t n = 0;
    bool failed;

    do {
        promise_t *all[3];
        tls_pair("good.test", of_client, of_server);
        test_alloc_fail_at(++n);
        all[0] = promise_stream_write(server, promise_string("x"));
        all[1] = promise_stream_read(client, 1);
        all[2] = promise_stream_close(server);
        for (int i = 0; i < 3; i++) {
            while (promise_get_state(all[i]) == PROMISE_PENDING) promise_loop_turn(loop);
            promise_unref(all[i]);
        }
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
    } while (failed);
}
END_TEST

START_TEST(each_allocation_of_a_context_fails_once) {
    static const char *const names[] = {"h2", NULL};
    struct promise_tls_options o = {.certificate_file = certificate("good"), .alpn = names};
    size_t n = 0;
    bool failed;

    do {
        promise_tls_t *tls;
        promise_stream_pair(loop, ends);
        test_alloc_fail_at(++n);
        tls = _i ? promise_tls_server(&o) : promise_tls_client(&o);
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        ck_assert(is_nomem(promise_tls_error(tls)) == failed);
        if (failed) {
            ck_assert_ptr_null(promise_tls_context(tls));
            error_of(promise_tls_secure(ends[0], _i ? NULL : "good.test", promise_tls_ref(tls)), &promise_errno_errors, ENOMEM);
            promise_tls_unref(tls);
        } else {
            promise_stream_unref(ends[0]);
        }
        promise_stream_unref(ends[1]);
        promise_tls_unref(tls);
    } while (failed);
    ck_assert_uint_eq(n, 3);
}
END_TEST

START_TEST(each_allocation_of_the_loops_own_client_fails_once) {
    size_t n = 0;
    unsigned nomem = 0;
    bool failed;
    promise_t *p;

    do {
        promise_stream_pair(loop, ends);
        promise_stream_abort(ends[1]);
        test_alloc_fail_at(++n);
        p = promise_tls_secure(ends[0], "good.test", NULL);
        while (promise_get_state(p) == PROMISE_PENDING) promise_loop_turn(loop);
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        ck_assert_int_eq(promise_get_state(p), PROMISE_REJECTED); /* nobody is there, if nothing else */
        nomem += is_nomem(promise_peek(p));
        promise_unref(p);
        promise_stream_unref(ends[1]);
        promise_loop_free(loop); /* it had the client */
        loop = promise_loop_new(NULL);
        promise_loop_on_unhandled(loop, say_nothing, NULL);
    } while (failed);
    ck_assert_uint_gt(nomem, 3);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("tls_cancel");
    TCase *cancel = tcase_create("cancel"), *memory = tcase_create("memory");

    tcase_add_checked_fixture(cancel, setup, teardown);
    tcase_add_loop_test(cancel, a_handshake_is_cancelled_at_each_state, 0, 2 * WAYS);
    tcase_add_loop_test(cancel, a_loop_is_freed_at_each_state, 0, WAYS);
    tcase_add_loop_test(cancel, the_last_reference_goes_in_the_handshake, 0, WAYS);
    tcase_add_test(cancel, a_timeout_around_it_stops_it);
    tcase_add_test(cancel, reads_and_writes_are_cancelled_without_loss);
    tcase_add_test(cancel, a_close_is_cancelled);
    tcase_add_test(cancel, the_loop_is_freed_with_open_streams);
    tcase_add_test(cancel, the_context_goes_before_its_streams);
    suite_add_tcase(s, cancel);
    tcase_add_checked_fixture(memory, setup, teardown);
    tcase_add_test(memory, each_allocation_of_a_handshake_fails_once);
    tcase_add_test(memory, each_allocation_of_a_conversation_fails_once);
    tcase_add_loop_test(memory, each_allocation_of_a_context_fails_once, 0, 2);
    tcase_add_test(memory, each_allocation_of_the_loops_own_client_fails_once);
    suite_add_tcase(s, memory);
    return s;
}

int main(void) { return tls_test_main(suite()); }
