/* The HTTP server: what handlers give, what clients get, keep-alive, pipelines, bodies, HEAD, 100-continue, the graceful end.
 * */
#include "peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HOST "Host: x\r\n"
#define CLOSE "Connection: close\r\n\r\n"
#define TEXT "Content-Type: text/plain; charset=utf-8\r\n"
#define ERROR_TEXT TEXT "X-Content-Type-Options: nosniff\r\n"

/* ---- handlers ---- */

static promise_value_t int_value(promise_value_t v, void *arg) {
    (void)v;
    return promise_int(*(int *)arg);
}

static promise_value_t later(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_string("later");
}

static promise_value_t pieces(promise_value_t v, void *arg) {
    int *n = arg;

    (void)v;
    if (*n == 3) return promise_end();
    return promise_stringf("piece %d\n", ++*n);
}

static promise_iterator_t *three_pieces(void) {
    int *n = malloc(sizeof *n);

    *n = 0;
    return promise_iterator_attach(promise_pull(loop, pieces, n), n, free);
}

static promise_value_t broken_pieces(promise_value_t v, void *arg) {
    int *n = arg;

    (void)v;
    return (*n)++ ? promise_throw_errno(EIO, "the disk") : promise_string("piece");
}

static promise_iterator_t *broken_stream(void) {
    int *n = malloc(sizeof *n);

    *n = 0;
    return promise_iterator_attach(promise_pull(loop, broken_pieces, n), n, free);
}

static promise_value_t with_header(promise_value_t response, const char *name, const char *value) {
    ck_assert_int_eq(promise_http_add_header(response, name, value), 0);
    return response;
}

static bool is(promise_value_t request, const char *path) { return strcmp(promise_http_path(request), path) == 0; }

static promise_value_t handler(promise_value_t r, void *arg) {
    static int seven = 7;

    (void)arg;
    note('H');
    if (is(r, "/string")) return promise_string("text");
    if (is(r, "/bytes")) return promise_bytes("\1\2", 2);
    if (is(r, "/void")) return promise_void();
    if (is(r, "/response")) return with_header(promise_http_response(201, promise_string("made")), "X-Y", "z");
    if (is(r, "/empty")) return promise_http_response(200, promise_void());
    if (is(r, "/304")) return with_header(promise_http_response(304, promise_void()), "ETag", "\"a\"");
    if (is(r, "/later")) return promise_adopt(promise_then(promise_sleep(NULL, 1), later, NULL));
    if (is(r, "/echo")) return promise_http_body(r);
    if (is(r, "/target")) return promise_string(promise_http_target(r));
    if (is(r, "/404")) return promise_throw(&promise_http_errors, 404, "no such page");
    if (is(r, "/403")) return promise_throw(&promise_http_errors, 403, NULL);
    if (is(r, "/503")) return promise_adopt(promise_from(NULL, promise_throw(&promise_http_errors, 503, "later, please")));
    if (is(r, "/reject")) return promise_throw_errno(EIO, "a secret");
    if (is(r, "/econnect")) return promise_throw(&promise_http_errors, PROMISE_HTTP_ECONNECT, "a secret");
    if (is(r, "/int")) return promise_adopt(promise_then(promise_from(NULL, promise_void()), int_value, &seven));
    if (is(r, "/request")) return r;
    if (is(r, "/close")) return with_header(promise_http_response(200, promise_string("bye")), "Connection", "close");
    if (is(r, "/stream")) return promise_http_response_stream(200, three_pieces(), UINT64_MAX);
    if (is(r, "/sized")) return promise_http_response_stream(200, three_pieces(), 24);
    if (is(r, "/short")) return promise_http_response_stream(200, three_pieces(), 25);
    if (is(r, "/long")) return promise_http_response_stream(200, three_pieces(), 23);
    if (is(r, "/broken")) return promise_http_response_stream(200, broken_stream(), UINT64_MAX);
    if (is(r, "/dated"))
        return with_header(with_header(promise_http_response(200, promise_void()), "Date", "now"), "Server", "me");
    return promise_throw(&promise_http_errors, 404, NULL);
}

/* ---- what a handler may give ---- */

static const struct {
    const char *path, *answer, *log;
} outcomes[] = {
    {"/string", "HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 4\r\n" CLOSE "text", "H"},
    {"/bytes", "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 2\r\n" CLOSE "\1\2", "H"},
    {"/void", "HTTP/1.1 204 No Content\r\n" CLOSE, "H"},
    {"/response", "HTTP/1.1 201 Created\r\nX-Y: z\r\nContent-Length: 4\r\n" CLOSE "made", "H"},
    {"/empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" CLOSE, "H"},
    {"/304", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n" CLOSE, "H"},
    {"/later", "HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 5\r\n" CLOSE "later", "H"},
    {"/echo", "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 0\r\n" CLOSE, "H"},
    {"/404", "HTTP/1.1 404 Not Found\r\n" ERROR_TEXT "Content-Length: 28\r\n" CLOSE "404 Not Found: no such page\n", "H"},
    {"/403", "HTTP/1.1 403 Forbidden\r\n" ERROR_TEXT "Content-Length: 14\r\n" CLOSE "403 Forbidden\n", "H"},
    {"/503",
     "HTTP/1.1 503 Service Unavailable\r\n" ERROR_TEXT "Content-Length: 39\r\n" CLOSE
     "503 Service Unavailable: later, please\n",
     "H"},
    {"/reject",
     "HTTP/1.1 500 Internal Server Error\r\n" ERROR_TEXT "Content-Length: 26\r\n" CLOSE "500 Internal Server Error\n", "HR"},
    {"/econnect",
     "HTTP/1.1 500 Internal Server Error\r\n" ERROR_TEXT "Content-Length: 26\r\n" CLOSE "500 Internal Server Error\n", "HR"},
    {"/int", "HTTP/1.1 500 Internal Server Error\r\n" ERROR_TEXT "Content-Length: 26\r\n" CLOSE "500 Internal Server Error\n",
     "HR"},
    {"/request",
     "HTTP/1.1 500 Internal Server Error\r\n" ERROR_TEXT "Content-Length: 26\r\n" CLOSE "500 Internal Server Error\n", "HR"},
    {"/stream",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" CLOSE
     "8\r\npiece 1\n\r\n8\r\npiece 2\n\r\n8\r\npiece 3\n\r\n0\r\n\r\n",
     "H"},
    {"/sized", "HTTP/1.1 200 OK\r\nContent-Length: 24\r\n" CLOSE "piece 1\npiece 2\npiece 3\n", "H"},
};

START_TEST(R18_what_the_handler_gives_is_the_answer) {
    char request[256];

    peer_open(handler, NULL);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST CLOSE, outcomes[_i].path);
    ck_assert_str_eq(ask(request), outcomes[_i].answer);
    ck_assert_str_eq(log_text, outcomes[_i].log);
    peer_close();
}
END_TEST

START_TEST(head_is_get_without_the_body) {
    char request[256], *end, expected[1024];

    peer_open(handler, NULL);
    snprintf(request, sizeof request, "HEAD %s HTTP/1.1\r\n" HOST CLOSE, outcomes[_i].path);
    snprintf(expected, sizeof expected, "%s", outcomes[_i].answer);
    end = strstr(expected, "\r\n\r\n");
    end[4] = '\0';
    ck_assert_str_eq(ask(request), expected);
    peer_close();
}
END_TEST

START_TEST(headers_of_ones_own_win) {
    peer_open(handler, NULL);
    ck_assert_str_eq(ask("GET /dated HTTP/1.1\r\n" HOST CLOSE),
                     "HTTP/1.1 200 OK\r\nServer: me\r\nContent-Length: 0\r\n" CLOSE); /* its Date is left out here too */
    peer_close();
}
END_TEST

/* ---- a streamed body that fails: the client sees that it is not whole ---- */

static const struct {
    const char *path, *answer;
} failures[] = {
    {"/short", "HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n"},
    {"/long", "HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n"},
    {"/broken", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
};

static promise_value_t canned(promise_value_t v, void *arg) {
    (void)arg;
    return promise_is_rejection(v) ? promise_string("reset") : v;
}

START_TEST(R18_a_streamed_body_that_fails_breaks_the_connection) {
    promise_value_t v = promise_void();
    promise_stream_t *client;
    char request[128];

    peer_open(handler, NULL);
    client = dial();
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST "\r\n", failures[_i].path);
    say(client, request);
    ck_assert_int_eq(promise_loop_run(loop, promise_catch(promise_stream_read_all(client, 1 << 20), canned, NULL), &v), 0);
    ck_assert_str_eq(promise_as_bytes(v, NULL), "reset");
    promise_value_clear(&v);
    promise_stream_unref(client);
    ck_assert_str_eq(log_text, "HR");
    peer_close();
}
END_TEST

/* ---- several requests ---- */

START_TEST(keep_alive_until_the_client_says_close) {
    static const char answer[] = "HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 4\r\n\r\n";
    promise_stream_t *client;

    peer_open(handler, NULL);
    client = dial();
    for (int i = 0; i < 3; i++) {
        say(client, "GET /string HTTP/1.1\r\n" HOST "\r\n");
        ck_assert_str_eq(hear(client, "\r\n\r\n"), answer);
        ck_assert_uint_eq(promise_http_server_connections(server), 1);
        (void)hear(client, "text");
    }
    say(client, "GET /string HTTP/1.1\r\n" HOST CLOSE);
    ck_assert_str_eq(hear_end(client), "HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 4\r\n" CLOSE "text");
    turn_until(promise_http_server_connections(server) == 0);
    promise_stream_unref(client);
    peer_close();
}
END_TEST

START_TEST(R18_pipelined_requests_are_answered_in_their_order) {
    peer_open(handler, NULL);
    ck_assert_str_eq(ask("GET /later HTTP/1.1\r\n" HOST "\r\n"
                         "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
                         "GET /void HTTP/1.1\r\n" HOST "\r\n\r\n"
                         "GET /stream HTTP/1.1\r\n" HOST "\r\n"
                         "GET /string HTTP/1.1\r\n" HOST CLOSE "GET /string HTTP/1.1\r\n" HOST "\r\n"),
                     "HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 5\r\n\r\nlater"
                     "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 3\r\n\r\nabc"
                     "HTTP/1.1 204 No Content\r\n\r\n"
                     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "8\r\npiece 1\n\r\n8\r\npiece 2\n\r\n8\r\npiece 3\n\r\n0\r\n\r\n"
                     "HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 4\r\n" CLOSE "text");
    ck_assert_str_eq(log_text, "HHHHH");
    peer_close();
}
END_TEST

static const struct {
    const char *request, *answer;
} versions[] = {
    {"GET /string HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 4\r\n" CLOSE "text"},
    {"GET /string HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /void HTTP/1.0\r\n\r\n",
     "HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 4\r\nConnection: keep-alive\r\n\r\ntextHTTP/1.1 204 No Content\r\n" CLOSE},
    {"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.1 200 OK\r\n" CLOSE "piece 1\npiece 2\npiece 3\n"},
    {"GET /close HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" CLOSE "bye"},
    {"\r\n\r\nGET /void HTTP/1.1\r\n" HOST CLOSE, "HTTP/1.1 204 No Content\r\n" CLOSE},
    {"GET http://x/target?a=b HTTP/1.1\r\n" HOST CLOSE,
     "HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 19\r\n" CLOSE "http://x/target?a=b"},
};

START_TEST(versions_and_their_connections) {
    peer_open(handler, NULL);
    ck_assert_str_eq(ask(versions[_i].request), versions[_i].answer);
    peer_close();
}
END_TEST

/* ---- bodies ---- */

#define ECHO_ABC "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 3\r\n" CLOSE "abc"
static const struct {
    const char *request, *answer;
} bodies[] = {
    {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n" CLOSE "abc", ECHO_ABC},
    {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n" CLOSE "1\r\na\r\n2;x=y\r\nbc\r\n0\r\nT: x\r\n\r\n",
     ECHO_ABC},
    {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0\r\n" CLOSE,
     "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 0\r\n" CLOSE},
};

START_TEST(bodies_come_whole) {
    peer_open(handler, NULL);
    ck_assert_str_eq(ask(bodies[_i].request), bodies[_i].answer);
    peer_close();
}
END_TEST

START_TEST(expect_100_continue_is_answered_before_the_body_comes) {
    promise_stream_t *client;

    peer_open(handler, NULL);
    client = dial();
    say(client, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n" CLOSE);
    ck_assert_str_eq(hear(client, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    say(client, "abc");
    ck_assert_str_eq(hear_end(client), ECHO_ABC);
    promise_stream_unref(client);
    peer_close();
}
END_TEST

/* ---- streamed requests ---- */

static promise_value_t streaming(promise_value_t r, void *arg) {
    (void)arg;
    note('H');
    if (is(r, "/echo")) return promise_http_response_stream(200, promise_http_chunks(r), UINT64_MAX);
    if (is(r, "/all")) return promise_adopt(promise_http_read_body(r, 10));
    if (is(r, "/first")) {
        promise_iterator_t *it = promise_http_chunks(r);
        promise_t *p = promise_next(it);
        return promise_adopt(promise_attach(p, it, promise_iterator_close));
    }
    return promise_string("unread");
}

static const struct promise_http_server_options stream_options = {.stream = true, .max_body = 1 << 20};

START_TEST(R19_a_streamed_body_comes_piece_by_piece) {
    promise_stream_t *client;

    peer_open(streaming, &stream_options);
    client = dial();
    say(client, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    ck_assert_str_eq(hear(client, "\r\n\r\n"), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    say(client, "3\r\nabc\r\n");
    ck_assert_str_eq(hear(client, "abc"), "3\r\nabc");
    say(client, "2\r\nde\r\n0\r\n\r\nPOST /all HTTP/1.1\r\n" HOST "Content-Length: 2\r\n" CLOSE "fg");
    ck_assert_str_eq(hear_end(client), "\r\n2\r\nde\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                                       "Content-Length: 2\r\n" CLOSE "fg");
    promise_stream_unref(client);
    peer_close();
}
END_TEST

START_TEST(R19_100_continue_is_sent_when_the_handler_asks_for_the_body) {
    promise_stream_t *client;

    peer_open(streaming, &stream_options);
    client = dial();
    say(client, "POST /all HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-Continue\r\n\r\n");
    ck_assert_str_eq(hear(client, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    say(client, "abc");
    (void)hear(client, "abc");
    promise_stream_unref(client);
    /* who does not want it says so without: and the client, which may send the body all the same, is not listened to */
    ck_assert_str_eq(ask("POST /unread HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"),
                     "HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 6\r\n\r\nunread");
    peer_close();
}
END_TEST

START_TEST(the_rest_of_a_body_that_nobody_wants_is_drained) {
    peer_open(streaming, &stream_options);
    ck_assert_str_eq(ask("POST /unread HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabcdePOST /unread HTTP/1.1\r\n" HOST CLOSE),
                     "HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 6\r\n\r\nunread"
                     "HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 6\r\n" CLOSE "unread");
    /* the handler has taken it, and given it up */
    ck_assert_str_eq(ask("POST /first HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\n"),
                     "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 3\r\n" CLOSE "abc");
    peer_close();
}
END_TEST

START_TEST(a_rest_that_is_too_large_closes_the_connection) {
    char *much = malloc((512 << 10) + 1);
    promise_stream_t *client;

    memset(much, 'x', 512 << 10);
    much[512 << 10] = '\0';
    peer_open(streaming, &stream_options);
    client = dial();
    say(client, "POST /unread HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n");
    say(client, much);
    ck_assert_str_eq(hear_end(client), "HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 6\r\n\r\nunread");
    promise_stream_unref(client);
    free(much);
    peer_close();
}
END_TEST

/* ---- who asks ---- */

static promise_value_t show_peer(promise_value_t r, void *arg) {
    char text[PROMISE_ADDRESS_TEXT];
    const struct promise_address *peer = promise_http_peer(r);

    (void)arg;
    ck_assert_ptr_nonnull(peer);
    ck_assert_ptr_eq(peer, promise_http_peer(r));
    promise_address_host(peer, text, sizeof text);
    return promise_string(text);
}

START_TEST(the_peer_is_known) {
    promise_value_t own = promise_http_response(200, promise_void());

    peer_open(show_peer, NULL);
    ck_assert_str_eq(ask("GET / HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 9\r\n" CLOSE "127.0.0.1");
    ck_assert_ptr_null(promise_http_peer(own));
    peer_close();
    promise_value_clear(&own);
}
END_TEST

static promise_value_t kept;

static promise_value_t keep(promise_value_t r, void *arg) {
    (void)arg;
    promise_value_set(&kept, r);
    return promise_void();
}

START_TEST(a_request_may_be_kept) {
    peer_open(keep, NULL);
    (void)ask("GET /kept HTTP/1.0\r\n\r\n");
    peer_free_server();
    ck_assert_str_eq(promise_http_path(kept), "/kept");
    ck_assert_ptr_null(promise_http_peer(kept));
    promise_value_clear(&kept);
    peer_free_loop();
}
END_TEST

/* ---- on a listener of one's own ---- */

static void count_reports(promise_value_t request, promise_value_t reason, void *arg) {
    ck_assert_str_eq(promise_http_path(request), "/reject");
    ck_assert(promise_error_is(reason, &promise_errno_errors, EIO));
    ++*(int *)arg;
}

START_TEST(a_listener_of_ones_own_is_taken_over) {
    int reports = 0;
    const struct promise_http_server_options options = {.name = "mine", .report = count_reports, .report_arg = &reports};
    const struct promise_listener_options few = {.backlog = 1};
    struct promise_address address;
    promise_listener_t *listener;

    peer_open(handler, NULL);
    peer_free_server();
    ck_assert_int_eq(promise_address_parse(&address, "127.0.0.1", 0), 0);
    listener = promise_listener_new_with(loop, &address, &few);
    server = promise_http_server_on(listener, handler, NULL, &options);
    ck_assert_ptr_eq(promise_http_server_listener(server), listener);
    ck_assert_ptr_nonnull(strstr(ask("GET /string HTTP/1.0\r\n\r\n"), "\r\nServer: mine\r\n"));
    ck_assert_int_eq(reports, 0);
    ck_assert_ptr_nonnull(strstr(ask("GET /reject HTTP/1.0\r\n\r\n"), " 500 "));
    ck_assert_int_eq(reports, 1);
    peer_close(); /* closes the listener too */
}
END_TEST

START_TEST(O2_a_listener_that_could_not_be_made) {
    promise_http_server_t *second;

    peer_open(handler, NULL);
    second = promise_http_server_on(promise_listener_new_with(loop, NULL, NULL), handler, NULL, NULL);
    ck_assert(promise_error_is(promise_listener_error(promise_http_server_listener(second)), &promise_errno_errors, EINVAL));
    promise_loop_turn(loop);
    promise_http_server_close(second);
    peer_close();
}
END_TEST

/* ---- bad input ---- */

START_TEST(O2_a_server_that_cannot_be_made) {
    promise_http_server_t *second;
    uint16_t port;

    peer_open(handler, NULL);
    port = promise_listener_port(promise_http_server_listener(server));
    second = promise_http_server_new(loop, "127.0.0.1", port, handler, NULL, NULL);
    ck_assert(
        promise_error_is(promise_listener_error(promise_http_server_listener(second)), &promise_errno_errors, EADDRINUSE));
    ck_assert_uint_eq(promise_http_server_connections(second), 0);
    promise_http_server_close(second);
    second = promise_http_server_new(loop, "no address", 0, handler, NULL, NULL);
    ck_assert(promise_is_rejection(promise_listener_error(promise_http_server_listener(second))));
    promise_loop_turn(loop);
    promise_http_server_close(second);
    promise_http_server_close(NULL);
    peer_close();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("http_server");
    TCase *t = tcase_create("http_server");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, R18_what_the_handler_gives_is_the_answer, 0, sizeof outcomes / sizeof *outcomes);
    tcase_add_loop_test(t, head_is_get_without_the_body, 0, sizeof outcomes / sizeof *outcomes);
    tcase_add_test(t, headers_of_ones_own_win);
    tcase_add_loop_test(t, R18_a_streamed_body_that_fails_breaks_the_connection, 0, sizeof failures / sizeof *failures);
    tcase_add_test(t, keep_alive_until_the_client_says_close);
    tcase_add_test(t, R18_pipelined_requests_are_answered_in_their_order);
    tcase_add_loop_test(t, versions_and_their_connections, 0, sizeof versions / sizeof *versions);
    tcase_add_loop_test(t, bodies_come_whole, 0, sizeof bodies / sizeof *bodies);
    tcase_add_test(t, expect_100_continue_is_answered_before_the_body_comes);
    tcase_add_test(t, R19_a_streamed_body_comes_piece_by_piece);
    tcase_add_test(t, R19_100_continue_is_sent_when_the_handler_asks_for_the_body);
    tcase_add_test(t, the_rest_of_a_body_that_nobody_wants_is_drained);
    tcase_add_test(t, a_rest_that_is_too_large_closes_the_connection);
    tcase_add_test(t, the_peer_is_known);
    tcase_add_test(t, a_request_may_be_kept);
    tcase_add_test(t, a_listener_of_ones_own_is_taken_over);
    tcase_add_test(t, O2_a_listener_that_could_not_be_made);
    tcase_add_test(t, O2_a_server_that_cannot_be_made);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
