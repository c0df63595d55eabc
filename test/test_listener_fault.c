/* Faults of accepting: what is skipped, resting when descriptors are used up, and a listener that breaks. */
#include "listening.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

static bool rests(void *listener) { return promise_is_rejection(promise_listener_error(listener)); }

/* ---- faults of accepting ---- */

static const int skipped[] = {ECONNABORTED, EINTR, EPROTO, EPERM, ENETDOWN, EOPNOTSUPP, EHOSTUNREACH, 0};
static int many_skipped[152];

START_TEST(what_concerns_one_connection_is_skipped) {
    int fd;

    listen_here();
    failures = skipped;
    fd = client();
    ck_assert(is_to(fulfilled(promise_listener_accept(l)), fd));
    ck_assert_uint_eq(accepts, sizeof skipped / sizeof *skipped);
    close(fd);
    for (int i = 0; i < 151; i++) many_skipped[i] = ECONNABORTED;
    failures = many_skipped; /* others have their turn in between */
    accepts = 0;
    fd = client();
    ck_assert(is_to(fulfilled(promise_listener_accept(l)), fd));
    ck_assert_uint_eq(accepts, 152);
    close(fd);
    close_it();
}
END_TEST

START_TEST(nothing_there_after_all) { /* another process was faster, or the client is gone */
    static const int none[] = {EAGAIN, 0};
    int fd;

    listen_here();
    failures = none;
    fd = client();
    ck_assert(is_to(fulfilled(promise_listener_accept(l)), fd));
    close(fd);
    close_it();
}
END_TEST

static promise_listener_t *listen_resting(uint64_t backoff_ms) {
    struct promise_address a = local_address(0);
    promise_listener_t *listener =
        promise_listener_new_with(loop, &a, &(struct promise_listener_options){.backoff_ms = backoff_ms});

    ck_assert_int_eq(promise_listener_address(listener, &address), 0);
    return listener;
}

/* It waits, does not spin, and says why. */
START_TEST(R23_out_of_descriptors_it_rests) {
    static int many[1000];
    promise_listener_t *slow = listen_resting(20);
    promise_t *p, *two;
    uint64_t start;
    int fd = client();

    for (size_t i = 0; i < 999; i++) many[i] = EMFILE;
    failures = many;
    p = promise_listener_accept(slow);
    turn_until(rests, slow);
    ck_assert_uint_eq(accepts, 1);
    ck_assert(promise_error_is(promise_listener_error(slow), &promise_errno_errors, EMFILE));
    ck_assert_int_eq(strncmp(promise_error_message(promise_listener_error(slow)), "accept on 127.0.0.1:", 20), 0);
    start = promise_now(loop);
    while (accepts < 4) (void)fulfilled(promise_sleep(loop, 1)); /* a spin would come here in no time */
    ck_assert_uint_ge(promise_now(loop) - start, 35);
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    two = promise_listener_accept(slow); /* who comes now waits as well */
    turn(1);
    promise_cancel(two);
    failures = NULL;
    ck_assert(is_to(fulfilled(p), fd));
    ck_assert(promise_is_void(promise_listener_error(slow)));
    close(fd);
    promise_listener_close(slow);
}
END_TEST

/* The same with descriptors that are really used up. */
START_TEST(R23_out_of_descriptors_and_served_again) {
    promise_listener_t *quick = listen_resting(1);
    promise_t *p;
    int fd = client(), another;

    limit_fds(0);
    p = promise_listener_accept(quick);
    turn_until(rests, quick);
    ck_assert(promise_error_is(promise_listener_error(quick), &promise_errno_errors, EMFILE));
    limit_fds(UINT_MAX);
    another = client(); /* under valgrind, which takes the first one and drops it, this is who is served */
    (void)fulfilled(p);
    close(fd);
    close(another);
    promise_listener_close(quick);
}
END_TEST

START_TEST(R23_the_others_of_its_kind) {
    static const int used_up[] = {ENFILE, ENOBUFS, ENOMEM, EMFILE, 0};
    promise_listener_t *quick = listen_resting(1);
    int fd = client();

    failures = used_up;
    ck_assert(is_to(fulfilled(promise_listener_accept(quick)), fd));
    ck_assert_uint_eq(accepts, 5);
    close(fd);
    promise_listener_close(quick);
}
END_TEST

START_TEST(K2_J3_cancelled_while_it_rests) {
    static const int used_up[] = {EMFILE, EMFILE, 0};
    promise_t *p;
    int fd;

    listen_here();
    fd = client();
    failures = used_up;
    p = promise_listener_accept(l);
    turn_until(rests, l);
    promise_cancel(p);
    ck_assert_int_eq(promise_loop_run(loop, NULL, NULL), 0); /* no timer keeps it */
    p = promise_listener_accept(l);
    accepts = 0;
    while (!accepts) turn(1);
    ck_assert(is_to(fulfilled(p), fd));
    close(fd);
    close_it();
}
END_TEST

START_TEST(a_client_that_leaves_before_it_is_accepted) {
    struct linger reset = {.l_onoff = 1};
    promise_stream_t *s;
    int fd;

    listen_here();
    fd = client();
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(fd);
    s = promise_stream_ref(promise_as_stream(fulfilled(promise_listener_accept(l))));
    rejects_with(promise_stream_read(s, 10), ECONNRESET, "read"); /* as with one that leaves later */
    promise_stream_unref(s);
    ck_assert_uint_eq(promise_listener_connections(l), 0);
    fd = client();
    close(fd);
    ck_assert(promise_is_end(fulfilled(promise_stream_read(promise_as_stream(fulfilled(promise_listener_accept(l))), 10))));
    close_it();
}
END_TEST

START_TEST(a_socket_that_does_not_listen_any_more) {
    promise_t *p, *two;
    promise_iterator_t *it;
    int fd;

    listen_here();
    fd = client();
    promise_value_t v = {0};
    promise_value_set(&v, fulfilled(promise_listener_accept(l)));
    p = promise_listener_accept(l);
    two = promise_listener_accept(l);
    it = promise_listener_accepted(l);
    ck_assert_int_eq(shutdown(promise_listener_fd(l), SHUT_RDWR), 0);
    rejects_with(p, EINVAL, "accept on ");
    rejects_with(two, EINVAL, "accept on ");
    rejects_with(promise_next(it), EINVAL, "accept on ");
    rejects_with(promise_listener_accept(l), EINVAL, "accept on ");
    ck_assert(promise_error_is(promise_listener_error(l), &promise_errno_errors, EINVAL));
    ck_assert_int_eq(promise_listener_fd(l), -1);
    ck_assert_uint_eq(promise_listener_port(l), 0);
    ck_assert_int_eq(promise_as_int(fulfilled(promise_listener_stop(l, 0))), 1); /* what was accepted went on */
    promise_value_clear(&v);
    promise_iterator_close(it);
    close(fd);
    close_it();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("listener_fault");
    TCase *t = tcase_create("listener_fault");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, net_open, net_close);
    tcase_add_test(t, what_concerns_one_connection_is_skipped);
    tcase_add_test(t, nothing_there_after_all);
    tcase_add_test(t, R23_out_of_descriptors_it_rests);
    tcase_add_test(t, R23_out_of_descriptors_and_served_again);
    tcase_add_test(t, R23_the_others_of_its_kind);
    tcase_add_test(t, K2_J3_cancelled_while_it_rests);
    tcase_add_test(t, a_client_that_leaves_before_it_is_accepted);
    tcase_add_test(t, a_socket_that_does_not_listen_any_more);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
