/* The HTTP client: requests and responses of all kinds, against a server that does as it should. */
#include "httppeer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- responses ---- */

static const struct page kinds[] = {
    {"/", OK_LENGTH("5") "hello", STAY, NULL},
    {"/query?a=%20b", OK_LENGTH("1") "q", STAY, NULL},
    {"/empty", OK_LENGTH("0"), STAY, NULL},
    {"/close", OK "Connection: close\r\n\r\nuntil the end", CLOSE, NULL},
    {"/length-and-close", OK "Connection: close\r\nContent-Length: 3\r\n\r\nabc", CLOSE, NULL},
    {"/1.0", "HTTP/1.0 200 OK\r\n\r\nold", CLOSE, NULL},
    {"/1.0-length", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold", CLOSE, NULL},
    {"/1.0-keep", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nold", STAY, NULL},
    {"/chunked", OK_CHUNKED "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", STAY, NULL},
    {"/trailers", OK_CHUNKED "3\r\nabc\r\n0\r\nA: b\r\nC: d\r\n\r\n", STAY, NULL},
    {"/204", "HTTP/1.1 204 No Content\r\n\r\n", STAY, NULL},
    {"/304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", STAY, NULL},
    {"/100", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK_LENGTH("2") "ok", STAY, NULL},
    {"/404", "HTTP/1.1 404 Not here\r\nContent-Length: 3\r\n\r\n404", STAY, NULL},
    {"/500", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", STAY, NULL},
    {"/pieces", OK_CHUNKED "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n", STAY, NULL},
    {"/slow", OK_LENGTH("10") "hello", HANG, NULL},
    {NULL, NULL, STAY, NULL},
};

static const struct {
    const char *path;
    int status;
    const char *body;
    size_t idle; /* connections that are kept */
} responses[] = {
    {"/", 200, "hello", 1},
    {"/query?a= b", 200, "q", 1},
    {"/query?a=%20b#fragment", 200, "q", 1},
    {"", 200, "hello", 1},
    {"/empty", 200, "", 1},
    {"/close", 200, "until the end", 0},
    {"/length-and-close", 200, "abc", 0},
    {"/1.0", 200, "old", 0},
    {"/1.0-length", 200, "old", 0},
    {"/1.0-keep", 200, "old", 1},
    {"/chunked", 200, "abcde", 1},
    {"/trailers", 200, "abc", 1},
    {"/204", 204, "", 1},
    {"/304", 304, "", 1},
    {"/100", 200, "ok", 1},
    {"/404", 404, "404", 1},
    {"/500", 500, "", 1},
};

START_TEST(a_response_of_each_kind) {
    const char *path = responses[_i].path;

    open_peer(kinds);
    for (int n = 0; n < 2; n++) {
        ck_assert_msg(fetch(path) == 0, "%s: %s", path, promise_error_message(outcome));
        ck_assert_int_eq(promise_http_status(outcome), responses[_i].status);
        body_is(responses[_i].body);
        ck_assert_uint_eq(promise_http_client_active(client), 0);
        ck_assert_uint_eq(promise_http_client_idle(client), responses[_i].idle);
    }
    ck_assert_uint_eq(peer.connections, responses[_i].idle ? 1 : 2);
    close_peer();
}
END_TEST

START_TEST(what_a_response_tells) {
    open_peer(kinds);
    ck_assert_int_eq(fetch("/404"), 0);
    ck_assert_str_eq(promise_http_url(outcome), url_of("/404"));
    ck_assert_str_eq(promise_http_reason_phrase(outcome), "Not here");
    ck_assert_str_eq(promise_http_header(outcome, "CONTENT-length"), "3");
    ck_assert_ptr_null(promise_http_method(outcome));
    close_peer();
}
END_TEST

START_TEST(HEAD_has_no_body) {
    open_peer(kinds);
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/", .method = "HEAD"})), 0);
    body_is("");
    ck_assert_str_eq(promise_http_header(outcome, "Content-Length"), "5");
    close_peer(); /* the peer sent a body all the same: stray bytes */
}
END_TEST

/* ---- requests ---- */

static void head_has(const char *line) {
    char with_end[300];

    snprintf(with_end, sizeof with_end, "\r\n%s", line);
    ck_assert_msg(strstr(peer.head, with_end) != NULL, "%s", peer.head);
}

START_TEST(what_a_request_says) {
    const char *const headers[] = {"X-One", "1", "accept", "text/html", NULL};
    char host[64];

    open_peer(kinds);
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/", .headers = headers})), 0);
    ck_assert_int_eq(strncmp(peer.head, "GET / HTTP/1.1\r\n", 16), 0);
    snprintf(host, sizeof host, "Host: 127.0.0.1:%u\r\n", (unsigned)promise_listener_port(peer.listener));
    head_has(host);
    head_has("User-Agent: libpromise/");
    head_has("X-One: 1");
    head_has("accept: text/html");
    ck_assert_ptr_null(strstr(peer.head, "*/*"));
    ck_assert_ptr_null(strstr(peer.head, "Content-Length"));
    close_peer();
}
END_TEST

START_TEST(headers_of_ones_own) {
    const char *const headers[] = {"Host", "other", "User-Agent", "me", "Connection", "close", NULL};
    const struct promise_http_client_options options = {.user_agent = "they"};

    open_peer_with(kinds, &options);
    ck_assert_int_eq(fetch("/"), 0);
    head_has("User-Agent: they");
    ck_assert_uint_eq(promise_http_client_idle(client), 1);
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/", .headers = headers})), 0);
    head_has("Host: other");
    head_has("User-Agent: me");
    head_has("Connection: close");
    ck_assert_uint_eq(promise_http_client_idle(client), 0); /* it was told to */
    close_peer();
}
END_TEST

START_TEST(bodies_that_are_sent) {
    promise_value_t kept = promise_void();

    open_peer(kinds);
    promise_value_set(&kept, promise_string("kept"));
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/", .body = promise_string("text")})), 0);
    head_has("Content-Length: 4");
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/", .body = kept, .method = "PUT"})), 0);
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/", .body = promise_bytes("a\0b", 3)})), 0);
    head_has("Content-Length: 3");
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/", .body = promise_string("")})), 0);
    head_has("Content-Length: 0");
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/", .method = "POST"})), 0);
    head_has("Content-Length: 0");
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/", .method = "DELETE"})), 0);
    ck_assert_ptr_null(strstr(peer.head, "Content-Length"));
    requests_are("POST / text\nPUT / kept\nPOST / a\nPOST /\nPOST /\nDELETE /\n");
    promise_value_clear(&kept);
    close_peer();
}
END_TEST

static promise_iterator_t *pieces(void) {
    const promise_value_t items[] = {promise_string("one "), promise_bytes("", 0), promise_bytes("two ", 4),
                                     promise_string("three")};

    return promise_items(loop, 4, items);
}

START_TEST(a_body_that_is_streamed) {
    open_peer(kinds);
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/", .body_stream = pieces()})), 0);
    head_has("Transfer-Encoding: chunked");
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/", .body_stream = pieces(), .body_size = 13})), 0);
    head_has("Content-Length: 13");
    requests_are("POST / one two three\nPOST / one two three\n");
    ck_assert_uint_eq(peer.connections, 1);
    close_peer();
}
END_TEST

START_TEST(a_large_body_waits_for_the_server) { /* backpressure */
    enum { SIZE = 8 << 20 };
    char *data = malloc(SIZE);

    memset(data, 'x', SIZE);
    open_peer(kinds);
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/", .body = promise_bytes_take(data, SIZE)})), 0);
    body_is("hello");
    requests_are("POST / (much)\n");
    ck_assert_uint_eq(promise_http_client_idle(client), 1);
    close_peer();
}
END_TEST

/* ---- responses that are streamed ---- */

static promise_value_t join(promise_value_t pair, void *arg) {
    (void)arg;
    return promise_stringf("%s[%s]", promise_as_string(promise_list_get(pair, 0)),
                           promise_as_bytes(promise_list_get(pair, 1), NULL));
}

static promise_value_t join_chunks(promise_value_t response, void *arg) {
    (void)arg;
    return promise_adopt(promise_reduce(promise_http_chunks(response), promise_string(""), join, NULL));
}

static promise_t *stream(const char *path) { return ask((struct promise_http_request){.url = path, .stream = true}); }

START_TEST(a_response_piece_by_piece) {
    open_peer(kinds);
    ck_assert_int_eq(settle(promise_then(stream("/pieces"), join_chunks, NULL)), 0);
    ck_assert_str_eq(promise_as_string(outcome), "[a][b][c]");
    ck_assert_uint_eq(promise_http_client_idle(client), 1);
    ck_assert_int_eq(settle(promise_then(stream("/close"), join_chunks, NULL)), 0);
    ck_assert_str_eq(promise_as_string(outcome), "[until the end]");
    ck_assert_int_eq(settle(promise_then(stream("/empty"), join_chunks, NULL)), 0);
    ck_assert_str_eq(promise_as_string(outcome), "[]");
    ck_assert_int_eq(settle(promise_then(get("/"), join_chunks, NULL)), 0); /* was not asked to be streamed */
    ck_assert_str_eq(promise_as_string(outcome), "[hello]");
    close_peer();
}
END_TEST

static promise_value_t read_all(promise_value_t response, void *max) {
    return promise_adopt(promise_http_read_body(response, *(size_t *)max));
}

START_TEST(a_streamed_response_as_a_whole_after_all) {
    static size_t two = 2, three = 3;

    open_peer(kinds);
    ck_assert_int_eq(settle(promise_then(stream("/pieces"), read_all, &three)), 0);
    ck_assert_str_eq(promise_as_bytes(outcome, NULL), "abc");
    ck_assert_uint_eq(promise_http_client_idle(client), 1);
    ck_assert_int_eq(settle(promise_then(stream("/pieces"), read_all, &two)), -1);
    error_is(PROMISE_HTTP_ETOOLARGE, "the body is over the limit of 2 bytes");
    ck_assert_int_eq(settle(promise_then(get("/"), read_all, &two)), -1);
    error_is(PROMISE_HTTP_ETOOLARGE, "the body: 5 bytes, the limit is 2");
    ck_assert_uint_eq(promise_http_client_active(client), 0);
    close_peer();
}
END_TEST

static promise_value_t read_twice(promise_value_t response, void *arg) {
    promise_iterator_close(promise_http_chunks(response));
    return arg ? promise_adopt(promise_http_read_body(response, 10)) : join_chunks(response, NULL);
}

START_TEST(a_streamed_body_is_given_once) {
    static int any;

    open_peer(kinds);
    ck_assert_int_eq(settle(promise_then(stream("/"), read_twice, NULL)), -1);
    is_closed();
    ck_assert_int_eq(settle(promise_then(stream("/"), read_twice, &any)), -1);
    is_closed();
    close_peer();
}
END_TEST

START_TEST(closing_a_body_early_lets_go_of_the_connection) {
    promise_iterator_t *it;

    open_peer(kinds);
    ck_assert_int_eq(settle(stream("/slow")), 0);
    ck_assert_uint_eq(promise_http_client_active(client), 1);
    it = promise_http_chunks(outcome);
    ck_assert_int_eq(settle(promise_next(it)), 0); /* the response itself is gone: the iterator holds it */
    ck_assert_str_eq(promise_as_bytes(outcome, NULL), "hello");
    promise_unref(promise_next(it));
    promise_iterator_close(it);
    wait_until_idle(0, 0);
    wait_until(&peer.open, 0);
    close_peer();
}
END_TEST

START_TEST(a_streamed_response_that_nobody_reads_lets_go_too) {
    open_peer(kinds);
    ck_assert_int_eq(settle(stream("/slow")), 0);
    promise_value_clear(&outcome);
    ck_assert_uint_eq(promise_http_client_active(client), 0);
    wait_until(&peer.open, 0);
    close_peer();
}
END_TEST

static void body_of_streamed(void *response) { (void)promise_http_body(*(promise_value_t *)response); }

START_TEST(a_streamed_body_is_not_there_as_a_whole) {
    open_peer(kinds);
    ck_assert_int_eq(settle(stream("/pieces")), 0);
    test_assert_stops(body_of_streamed, &outcome, "the body is streamed");
    close_peer();
}
END_TEST

/* ---- in one line ---- */

START_TEST(get_and_post_reject_on_400_and_above) {
    promise_value_t cause;

    open_peer(kinds);
    ck_assert_int_eq(settle(promise_http_get(loop, url_of("/"))), 0);
    body_is("hello");
    ck_assert_int_eq(settle(promise_http_get(loop, url_of("/404"))), -1);
    error_is(404, "GET http://127.0.0.1:");
    error_is(404, "/404: 404 Not Found");
    cause = promise_error_cause(outcome);
    ck_assert_str_eq(promise_as_bytes(promise_http_body(cause), NULL), "404");
    ck_assert_int_eq(settle(promise_http_post(loop, url_of("/"), promise_string("a=b"))), 0);
    head_has("Content-Type: application/x-www-form-urlencoded");
    ck_assert_int_eq(settle(promise_http_post(loop, url_of("/500"), promise_bytes("x", 1))), -1);
    error_is(500, "POST http://127.0.0.1:");
    ck_assert_ptr_null(strstr(peer.head, "Content-Type"));
    requests_are("GET /\nGET /404\nPOST / a=b\nPOST /500 x\n");
    ck_assert_uint_eq(peer.connections, 1);
    ck_assert_ptr_eq(promise_http_client_default(loop), promise_http_client_default(loop));
    promise_http_client_close(promise_http_client_default(loop));
    close_peer();
}
END_TEST

/* ---- bad input ---- */

static const char *const bad_headers[][3] = {
    {"A", NULL, NULL},     {"A b", "c", NULL},
    {"", "c", NULL},       {"A", "b\r\nC: d", NULL},
    {"A:", "b", NULL},     {"Content-Length", "5", NULL},
    {"A", "\x7f", NULL},   {"transfer-encoding", "chunked", NULL},
    {"A\r\nB", "b", NULL}, {"Connection", "keep-alive", NULL},
};

static void refused(struct promise_http_request request, const char *why) {
    ck_assert_int_eq(settle(promise_http_client_request(client, &request)), -1);
    ck_assert_msg(promise_error_is(outcome, &promise_errno_errors, EINVAL), "%s", promise_error_message(outcome));
    ck_assert_msg(strstr(promise_error_message(outcome), why) != NULL, "%s", promise_error_message(outcome));
}

START_TEST(requests_that_are_no_good) {
    const char *url = "http://127.0.0.1/";
    promise_value_t v;

    open_peer(kinds);
    ck_assert_int_eq(settle(promise_http_client_request(client, NULL)), -1);
    ck_assert(promise_error_is(outcome, &promise_errno_errors, EINVAL));
    refused((struct promise_http_request){.url = NULL, .body_stream = pieces()}, "url is NULL");
    refused((struct promise_http_request){.url = url, .method = ""}, "the method is no token");
    refused((struct promise_http_request){.url = url, .method = "GET /\r\n"}, "the method is no token");
    refused((struct promise_http_request){.url = url, .method = "CONNECT"}, "CONNECT");
    refused((struct promise_http_request){.url = url, .body = promise_int(1)}, "neither a string nor bytes");
    refused((struct promise_http_request){.url = url, .body = promise_string("x"), .body_stream = pieces()}, "two bodies");
    for (size_t i = 0; i < sizeof bad_headers / sizeof *bad_headers; i++)
        refused((struct promise_http_request){.url = url, .headers = bad_headers[i]}, "header");
    v = promise_throw_errno(EIO, "no body");
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/", .body = v})), -1);
    ck_assert(promise_error_is(outcome, &promise_errno_errors, EIO));
    ck_assert_uint_eq(peer.connections, 0);
    close_peer();
}
END_TEST

static const char *const bad_urls[] = {
    "",
    "x",
    "/x",
    "127.0.0.1/",
    "ftp://127.0.0.1/",
    "http:/127.0.0.1/",
    "http:///x",
    "http://u:p@127.0.0.1/",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:65536/",
    "http://127.0.0.1:x/",
    "http://[::1/",
    "http://127.0.0.1/\r\nA: b",
    "http://a b/",
};

START_TEST(urls_that_are_none_of_ours) {
    open_peer(kinds);
    ck_assert_int_eq(settle(promise_http_get(loop, bad_urls[_i])), -1);
    error_is(PROMISE_HTTP_EURL, "GET ");
    close_peer();
}
END_TEST

/* An address of one's own, which one cannot connect from to one of the other family. */
START_TEST(it_connects_as_it_was_told) {
    struct promise_address local;
    const struct promise_connect_options how = {.local = &local};
    const struct promise_http_client_options options = {.connect = &how};

    ck_assert_int_eq(promise_address_parse(&local, "127.0.0.1", 0), 0);
    open_peer_with(kinds, &options);
    ck_assert_int_eq(fetch("/"), 0);
    close_peer();
    ck_assert_int_eq(promise_address_parse(&local, "::1", 0), 0);
    open_peer_with(kinds, &options);
    ck_assert_int_eq(fetch("/"), -1);
    ck_assert_ptr_eq(promise_error_domain(outcome), &promise_http_errors);
    ck_assert_uint_eq(peer.connections, 0);
    close_peer();
}
END_TEST

static void no_client(void *arg) { (void)promise_http_client_idle(arg); }
static void no_client_request(void *arg) {
    const struct promise_http_request request = {.url = "http://a/"};
    promise_unref(promise_http_client_request(arg, &request));
}
static void no_loop(void *arg) { (void)promise_http_client_default(arg); }

START_TEST(no_client_stops_the_program) {
    test_assert_stops(no_client, NULL, "promise_http_client_idle: client is NULL");
    test_assert_stops(no_client_request, NULL, "promise_http_client_request: client is NULL");
    test_assert_stops(no_loop, NULL, "promise_http_client_default: loop is NULL");
    promise_http_client_close(NULL);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof *(table))

int main(void) {
    Suite *suite = suite_create("http_client");
    TCase *tcase = tcase_create("http_client");

    tcase_add_loop_test(tcase, a_response_of_each_kind, 0, COUNT(responses));
    tcase_add_test(tcase, what_a_response_tells);
    tcase_add_test(tcase, HEAD_has_no_body);
    tcase_add_test(tcase, what_a_request_says);
    tcase_add_test(tcase, headers_of_ones_own);
    tcase_add_test(tcase, bodies_that_are_sent);
    tcase_add_test(tcase, a_body_that_is_streamed);
    tcase_add_test(tcase, a_large_body_waits_for_the_server);
    tcase_add_test(tcase, a_response_piece_by_piece);
    tcase_add_test(tcase, a_streamed_response_as_a_whole_after_all);
    tcase_add_test(tcase, a_streamed_body_is_given_once);
    tcase_add_test(tcase, closing_a_body_early_lets_go_of_the_connection);
    tcase_add_test(tcase, a_streamed_response_that_nobody_reads_lets_go_too);
    tcase_add_test(tcase, a_streamed_body_is_not_there_as_a_whole);
    tcase_add_test(tcase, get_and_post_reject_on_400_and_above);
    tcase_add_test(tcase, requests_that_are_no_good);
    tcase_add_loop_test(tcase, urls_that_are_none_of_ours, 0, COUNT(bad_urls));
    tcase_add_test(tcase, it_connects_as_it_was_told);
    tcase_add_test(tcase, no_client_stops_the_program);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
