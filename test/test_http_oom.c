/*
 * Memory that runs out (O2, V3): around a whole request of each kind the nth allocation fails, for every n. It gives the right
 * response or one rejection, nothing is left, and the client goes on working.
 *
 * The peer is a process of its own: its allocations do not fail.
 */
#include "httppeer.h"

#include <errno.h>
#include <promise/source.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct page pages[] = {
    {"/", OK_LENGTH("5") "hello", STAY, NULL},
    {"/chunked", OK "A: 1\r\nA: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", STAY, NULL},
    {"/close", OK "Connection: close\r\n\r\nhello", CLOSE, NULL},
    {"/moved", "HTTP/1.1 307 Moved\r\nLocation: /\r\nContent-Length: 4\r\n\r\nbody", STAY, NULL},
    {"/late", "HTTP/1.1 100 Continue\r\n\r\n" OK_LENGTH("5") "hello", STAY, NULL},
    {NULL, NULL, STAY, NULL},
};

static unsigned port;
static pid_t server;

/* Tells its port, and goes with us. */
static void be_the_peer(int to_parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    open_peer(pages);
    port = promise_listener_port(peer.listener);
    if (write(to_parent, &port, sizeof port) != sizeof port) _exit(1);
    event_base_dispatch(promise_loop_base(loop));
    _exit(0);
}

static void open_it(void) {
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    server = fork();
    ck_assert_int_ge(server, 0);
    if (server == 0) be_the_peer(ends[1]);
    ck_assert_int_eq(read(ends[0], &port, sizeof port), sizeof port);
    close(ends[0]);
    close(ends[1]);
}

static void close_it(void) {
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}

static promise_value_t join(promise_value_t pair, void *arg) {
    (void)arg;
    return promise_stringf("%s%s", promise_as_string(promise_list_get(pair, 0)),
                           promise_as_bytes(promise_list_get(pair, 1), NULL));
}

static promise_value_t text_of(promise_value_t response, void *streamed) {
    if (streamed) return promise_adopt(promise_reduce(promise_http_chunks(response), promise_string(""), join, NULL));
    promise_value_t body = promise_http_body(response);
    return promise_is_rejection(body) ? body : promise_string(promise_as_bytes(body, NULL));
}

static const struct {
    const char *path;
    bool streams_request, streams_response;
} kinds[] = {
    {"/", false, false},      {"/chunked", false, false}, {"/chunked", false, true}, {"/close", false, false},
    {"/moved", false, false}, {"/late", false, false},    {"/", true, false},        {"/close", false, true},
};

static promise_t *request(int kind) {
    static int yes;
    static const char *const headers[] = {"X-One", "1", NULL};
    char url[100];
    struct promise_http_request r = {.url = url, .headers = headers, .stream = kinds[kind].streams_response, .total_ms = 60000};
    promise_value_t piece;

    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, kinds[kind].path);
    if (kinds[kind].streams_request) {
        piece = promise_string("piece");
        r.body_stream = promise_items(loop, 1, &piece);
    }
    return promise_then(promise_http_client_request(client, &r), text_of, kinds[kind].streams_response ? &yes : NULL);
}

static void check(int status) {
    if (status == 0) {
        ck_assert_str_eq(promise_as_string(outcome), "hello");
        return;
    }
    /* Out of memory, or what that has led to: a connection that could not be made or kept. */
    ck_assert_msg(promise_error_is(outcome, &promise_errno_errors, ENOMEM) ||
                      promise_error_domain(outcome) == &promise_http_errors,
                  "%s", promise_error_message(outcome));
}

static void ignore_unhandled(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
}

/* Was there an nth allocation? reused: over a connection that was there before. */
static bool once(int kind, bool reused, size_t n) {
    bool failed;

    open_loop(0);
    promise_loop_on_unhandled(loop, ignore_unhandled, NULL);
    if (!reused) test_alloc_fail_at(n);
    client = promise_http_client_new(loop, NULL);
    if (reused) {
        ck_assert_int_eq(settle(request(0)), 0);
        test_alloc_fail_at(n);
    }
    check(settle(request(kind)));
    failed = test_alloc_failed();
    test_alloc_fail_at(0);
    if (!promise_source_nomem_loop(client)) ck_assert_int_eq(settle(request(kind)), 0);
    ck_assert_uint_eq(promise_http_client_active(client), 0);
    promise_http_client_close(client);
    promise_value_clear(&outcome);
    promise_loop_free(loop);
    ck_assert_uint_eq(test_alloc_live(), live);
    return failed;
}

static void each_fails_once(int kind, bool reused) {
    size_t descriptors, n = 0;

    open_it();
    descriptors = count_fds();
    while (once(kind, reused, ++n)) {}
    ck_assert_uint_gt(n, 5);
    ck_assert_uint_eq(count_fds(), descriptors);
    close_it();
}

START_TEST(over_a_new_connection) { each_fails_once(_i, false); }
END_TEST

START_TEST(over_a_connection_of_the_pool) { each_fails_once(_i, true); }
END_TEST

int main(void) {
    Suite *suite = suite_create("http_oom");
    TCase *tcase = tcase_create("http_oom");

    tcase_add_loop_test(tcase, over_a_new_connection, 0, (int)(sizeof kinds / sizeof *kinds));
    tcase_add_loop_test(tcase, over_a_connection_of_the_pool, 0, (int)(sizeof kinds / sizeof *kinds));
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
