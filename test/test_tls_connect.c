/* Connecting by name or numeric address, and securely at once. */
#include "tlspair.h"

#include <errno.h>
#include <promise/listener.h>
#include <string.h>

static promise_listener_t *listener;
static promise_tls_t *trusting, *serving;
static uint16_t port;

static void say_nothing(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
}

static void setup(void) {
    tls_setup();
    promise_loop_on_unhandled(loop, say_nothing, NULL);
    trusting = good_client(NULL);
    serving = good_server(NULL);
    listener = promise_listener_new(loop, "127.0.0.1", 0);
    port = promise_listener_port(listener);
}

static void teardown(void) {
    promise_listener_close(listener);
    promise_tls_unref(trusting);
    promise_tls_unref(serving);
    tls_teardown();
}

static promise_value_t accepted(promise_value_t v, void *arg) {
    (void)arg;
    return promise_adopt(promise_tls_secure(promise_stream_ref(promise_as_stream(v)), NULL, serving));
}

static promise_t *next_client(void) { return promise_then(promise_listener_accept(listener), accepted, NULL); }

START_TEST(it_connects_and_is_secure) {
    for (int i = 0; i < 2; i++) {
        promise_value_t v = outcomes_of(promise_tls_connect(loop, trusting, "127.0.0.1", port), next_client());
        promise_stream_unref(client);
        promise_stream_unref(server);
        client = promise_stream_ref(promise_as_stream(promise_list_get(v, 0)));
        server = promise_stream_ref(promise_as_stream(promise_list_get(v, 1)));
        ck_assert(promise_tls_session_reused(client) == (i == 1)); /* by host and port */
        value_of(promise_stream_write(server, promise_string("x")));
        value_of(promise_stream_read(client, 1));
        value_of(promise_stream_close(client));
    }
}
END_TEST

START_TEST(each_thing_that_goes_wrong_has_its_error) {
    promise_tls_t *broken = promise_tls_client(&(struct promise_tls_options){.ciphers = "nonsense"});
    promise_value_t v;
    char where[64];

    error_of(promise_tls_connect(loop, trusting, NULL, port), &promise_errno_errors, EINVAL);
    error_of(promise_tls_connect(loop, serving, "127.0.0.1", port), &promise_errno_errors, EINVAL);
    error_of(promise_tls_connect(loop, broken, "127.0.0.1", port), &promise_tls_errors, PROMISE_TLS_EOPTIONS);
    v = outcomes_of(promise_tls_connect(loop, NULL, "127.0.0.1", port), next_client()); /* the system does not know us */
    ck_assert(promise_error_is(promise_list_get(v, 0), &promise_tls_errors, PROMISE_TLS_EVERIFY));
    snprintf(where, sizeof where, "127.0.0.1:%u", (unsigned)port);
    ck_assert_ptr_nonnull(strstr(promise_error_message(promise_list_get(v, 0)), where));
    promise_listener_close(listener);
    listener = NULL;
    error_of(promise_tls_connect(loop, trusting, "127.0.0.1", port), &promise_errno_errors, ECONNREFUSED);
    promise_tls_unref(broken);
}
END_TEST

START_TEST(it_is_cancelled_at_each_state) { /* K2: the other side hears it, or was never connected */
    for (unsigned turns = 0; turns < 12; turns++) {
        promise_t *p = promise_tls_connect(loop, trusting, "127.0.0.1", port), *q = next_client();
        for (unsigned i = 0; i < turns; i++) promise_loop_turn(loop);
        promise_cancel(p);
        run_dry();
        promise_cancel(q);
        run_dry();
    }
}
END_TEST

START_TEST(each_allocation_fails_once) {
    size_t n = 0;
    bool failed;

    promise_listener_close(listener); /* refused, if nothing else */
    listener = NULL;
    do {
        promise_t *p;
        test_alloc_fail_at(++n);
        p = promise_tls_connect(loop, trusting, "127.0.0.1", port);
        while (promise_get_state(p) == PROMISE_PENDING) promise_loop_turn(loop);
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        ck_assert_int_eq(promise_get_state(p), PROMISE_REJECTED);
        promise_unref(p);
    } while (failed);
    ck_assert_uint_gt(n, 2);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("tls_connect");
    TCase *t = tcase_create("connect");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, it_connects_and_is_secure);
    tcase_add_test(t, each_thing_that_goes_wrong_has_its_error);
    tcase_add_test(t, it_is_cancelled_at_each_state);
    tcase_add_test(t, each_allocation_fails_once);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return tls_test_main(suite()); }
