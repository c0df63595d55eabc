/* Heads of messages: what is understood, and what is refused. Each head is in a block of just its size, for the sanitizers. */
#include "../src/net/http_message.h"
#include "evloop.h"

#include <stdlib.h>
#include <string.h>

static struct http_fault fault;

/* lines: without the empty one at the end. */
static struct http_message *parse_bytes(bool request, const char *lines, size_t size) {
    char *head = malloc(size ? size : 1);
    struct http_message *m;

    memcpy(head, lines, size);
    m = request ? promise__http_parse_request(NULL, head, size, &fault)
                : promise__http_parse_response(NULL, head, size, &fault);
    free(head);
    return m;
}
static struct http_message *request(const char *lines) { return parse_bytes(true, lines, strlen(lines)); }
static struct http_message *response(const char *lines) { return parse_bytes(false, lines, strlen(lines)); }

#define REQUEST(headers) "GET / HTTP/1.1\r\nHost: a\r\n" headers
#define RESPONSE(headers) "HTTP/1.1 200 OK\r\n" headers

/* ---- what is understood ---- */

START_TEST(a_request) {
    struct http_message *m =
        request("GET /a%20b/c?d=%20&e HTTP/1.1\r\nHost: example:80\r\nAccept:*/*\r\nX-Empty:\r\nAgent: \t a b\t ");
    promise_value_t v;

    ck_assert_ptr_nonnull(m);
    v = promise__http_message_value(m);
    ck_assert(promise_is(v, &promise_type_http));
    ck_assert_str_eq(promise_http_method(v), "GET");
    ck_assert_str_eq(promise_http_target(v), "/a%20b/c?d=%20&e");
    ck_assert_str_eq(promise_http_path(v), "/a b/c");
    ck_assert_str_eq(promise_http_query(v), "d=%20&e");
    ck_assert_int_eq(promise_http_status(v), 0);
    ck_assert_str_eq(promise_http_reason_phrase(v), "");
    ck_assert_ptr_null(promise_http_url(v));
    ck_assert_uint_eq(promise_http_header_count(v), 4);
    ck_assert_str_eq(promise_http_header_name(v, 1), "Accept");
    ck_assert_str_eq(promise_http_header_value(v, 1), "*/*");
    ck_assert_str_eq(promise_http_header(v, "x-EMPTY"), "");
    ck_assert_str_eq(promise_http_header(v, "agent"), "a b");
    ck_assert_ptr_null(promise_http_header(v, "agen"));
    ck_assert_ptr_null(promise_http_header(v, NULL));
    promise_value_clear(&v);
}
END_TEST

START_TEST(a_response) {
    struct http_message *m = response("HTTP/1.1 404 Not here\r\nContent-Length: 12\r\nServer: x");
    promise_value_t v;
    size_t size;

    ck_assert_ptr_nonnull(m);
    ck_assert_int_eq(promise__http_framing(m, "GET").kind, HTTP_LENGTH);
    ck_assert_uint_eq(promise__http_framing(m, "GET").size, 12);
    v = promise__http_message_value(m);
    ck_assert_int_eq(promise_http_status(v), 404);
    ck_assert_str_eq(promise_http_reason_phrase(v), "Not here");
    ck_assert_ptr_null(promise_http_method(v));
    ck_assert_ptr_null(promise_http_target(v));
    ck_assert_ptr_null(promise_http_path(v));
    ck_assert_ptr_null(promise_http_query(v));
    promise_as_bytes(promise_http_body(v), &size);
    ck_assert_uint_eq(size, 0);
    promise_value_clear(&v);
}
END_TEST

static const struct {
    const char *target, *path, *query;
} targets[] = {
    {"/", "/", NULL},
    {"/?", "/", ""},
    {"/a//b/", "/a//b/", NULL},
    {"/a..b/...", "/a..b/...", NULL},
    {"/%41%2fb?%", "/A/b", "%"},
    {"http://a", "/", NULL},
    {"HTTPS://a:1/x%20?y", "/x ", "y"},
    {"http://a?y", "/", "y"},
};

START_TEST(paths_are_decoded) {
    char lines[200];
    struct http_message *m;

    snprintf(lines, sizeof lines, "GET %s HTTP/1.1\r\nHost: a", targets[_i].target);
    m = request(lines);
    ck_assert_msg(m != NULL, "%s: %s", targets[_i].target, fault.what);
    ck_assert_str_eq(m->path, targets[_i].path);
    if (targets[_i].query) ck_assert_str_eq(m->query, targets[_i].query);
    else ck_assert_ptr_null(m->query);
    promise__http_message_unref(m);
}
END_TEST

START_TEST(targets_that_are_no_paths) {
    struct http_message *m = request("OPTIONS * HTTP/1.1\r\nHost: a");

    ck_assert_ptr_nonnull(m);
    ck_assert_str_eq(m->path, "*");
    promise__http_message_unref(m);
    m = request("CONNECT a:443 HTTP/1.1\r\nHost: a");
    ck_assert_ptr_nonnull(m);
    ck_assert_str_eq(m->path, "");
    promise__http_message_unref(m);
}
END_TEST

static const struct {
    bool request;
    const char *head;
    enum http_framing_kind kind;
    uint64_t size;
    bool keep_alive;
    const char *method; /* of the request that a response is for */
} framings[] = {
    {true, "GET / HTTP/1.1\r\nHost: a", HTTP_EMPTY, 0, true, NULL},
    {true, "\r\n\r\n" REQUEST("A: b"), HTTP_EMPTY, 0, true, NULL}, /* empty lines before it */
    {true, "GET / HTTP/1.0", HTTP_EMPTY, 0, false, NULL},
    {true, "GET / HTTP/1.0\r\nConnection: Keep-Alive", HTTP_EMPTY, 0, true, NULL},
    {true, "GET / HTTP/1.2\r\nHost: a", HTTP_EMPTY, 0, true, NULL},
    {true, REQUEST("connection: x , CLOSE,"), HTTP_EMPTY, 0, false, NULL},
    {true, REQUEST("Connection: x\r\nConnection: close"), HTTP_EMPTY, 0, false, NULL},
    {true, REQUEST("Connection: close, keep-alive"), HTTP_EMPTY, 0, false, NULL},
    {true, REQUEST("Connection: closed"), HTTP_EMPTY, 0, true, NULL},
    {true, REQUEST("Content-Length: 0"), HTTP_EMPTY, 0, true, NULL},
    {true, REQUEST("content-length:007"), HTTP_LENGTH, 7, true, NULL},
    {true, REQUEST("Transfer-Encoding: Chunked"), HTTP_CHUNKED, 0, true, NULL},
    {false, RESPONSE("A: b"), HTTP_UNTIL_END, 0, true, "GET"},
    {false, "HTTP/1.1 200", HTTP_UNTIL_END, 0, true, "GET"},
    {false, "HTTP/1.0 200 OK", HTTP_UNTIL_END, 0, false, "GET"},
    {false, RESPONSE("Content-Length: 9223372036854775799"), HTTP_LENGTH, 9223372036854775799u, true, "GET"},
    {false, RESPONSE("Content-Length: 5"), HTTP_EMPTY, 0, true, "HEAD"},
    {false, RESPONSE("Transfer-Encoding: chunked"), HTTP_EMPTY, 0, true, "HEAD"},
    {false, RESPONSE("Transfer-Encoding: chunked"), HTTP_CHUNKED, 0, true, "GET"},
    {false, "HTTP/1.1 204 No\r\nContent-Length: 5", HTTP_EMPTY, 0, true, "GET"},
    {false, "HTTP/1.1 304 No\r\nContent-Length: 5", HTTP_EMPTY, 0, true, "GET"},
    {false, "HTTP/1.1 100 Continue", HTTP_EMPTY, 0, true, "POST"},
    {false, "HTTP/1.1 999 \x80", HTTP_UNTIL_END, 0, true, "POST"},
};

START_TEST(how_long_a_body_is) { /* RFC 9112, 6.3 and 9.3 */
    const char *head = framings[_i].head;
    struct http_message *m = framings[_i].request ? request(head) : response(head);
    struct http_framing framing;

    ck_assert_msg(m != NULL, "%s: %s", head, fault.what);
    framing = promise__http_framing(m, framings[_i].method);
    ck_assert_int_eq(framing.kind, framings[_i].kind);
    ck_assert_uint_eq(framing.size, framings[_i].size);
    ck_assert_int_eq(m->keep_alive, framings[_i].keep_alive);
    promise__http_message_unref(m);
}
END_TEST

START_TEST(headers_that_come_several_times) {
    struct http_message *m = response(RESPONSE("A: 1\r\nb: x\r\na: 2\r\nSet-Cookie: c=1\r\nset-cookie: d=2\r\nA:\r\nB: y"));
    promise_value_t v;

    ck_assert_ptr_nonnull(m);
    v = promise__http_message_value(m);
    ck_assert_str_eq(promise_http_header(v, "A"), "1, 2, ");
    ck_assert_str_eq(promise_http_header(v, "B"), "x, y");
    ck_assert_str_eq(promise_http_header(v, "Set-Cookie"), "c=1");
    ck_assert_uint_eq(promise_http_header_count(v), 7);
    ck_assert_str_eq(promise_http_header_value(v, 0), "1");
    ck_assert_str_eq(promise_http_header_name(v, 4), "set-cookie");
    ck_assert_str_eq(promise_http_header_value(v, 4), "d=2");
    promise_value_clear(&v);
}
END_TEST

/* ---- what is refused ---- */

static const struct {
    const char *head;
    int status;
    const char *what;
} bad_requests[] = {
    {"", 400, "no request line"},
    {"\r\n", 400, "no request line"},
    {"GET", 400, "no request line"},
    {"GET /", 400, "no request line"},
    {"GET  HTTP/1.1", 400, "no target"},
    {"GET  / HTTP/1.1\r\nHost: a", 400, "no HTTP version"},
    {"GET / HTTP/1.1 \r\nHost: a", 400, "no HTTP version"},
    {"GET / http/1.1\r\nHost: a", 400, "no HTTP version"},
    {"GET / HTTP/11\r\nHost: a", 400, "no HTTP version"},
    {"GET / HTTP/2.0\r\nHost: a", 505, "a version that is not HTTP/1"},
    {"PRI * HTTP/2.0", 505, "a version that is not HTTP/1"},
    {"G{T / HTTP/1.1\r\nHost: a", 400, "the method is no token"},
    {" / HTTP/1.1\r\nHost: a", 400, "the method is no token"},
    {"\nGET / HTTP/1.1\r\nHost: a", 400, "the method is no token"},
    {"GET x HTTP/1.1\r\nHost: a", 400, "the target is no path"},
    {"GET * HTTP/1.1\r\nHost: a", 400, "the target is no path"},
    {"GET ftp://a/ HTTP/1.1\r\nHost: a", 400, "the target is no path"},
    {"GET http:///x HTTP/1.1\r\nHost: a", 400, "the target is no path"},
    {"GET /#x HTTP/1.1\r\nHost: a", 400, "a character in the target that must not be there"},
    {"GET /\x80 HTTP/1.1\r\nHost: a", 400, "a character in the target that must not be there"},
    {"GET /\t HTTP/1.1\r\nHost: a", 400, "a character in the target that must not be there"},
    {"GET /\n HTTP/1.1\r\nHost: a", 400, "a character in the target that must not be there"},
    {"GET /a\r/ HTTP/1.1\r\nHost: a", 400, "a character in the target that must not be there"},
    {"GET /% HTTP/1.1\r\nHost: a", 400, "a path that leads nowhere"},
    {"GET /%4 HTTP/1.1\r\nHost: a", 400, "a path that leads nowhere"},
    {"GET /%4g HTTP/1.1\r\nHost: a", 400, "a path that leads nowhere"},
    {"GET /a%00b HTTP/1.1\r\nHost: a", 400, "a path that leads nowhere"},
    {"GET /.. HTTP/1.1\r\nHost: a", 400, "a path that leads nowhere"},
    {"GET /a/../b HTTP/1.1\r\nHost: a", 400, "a path that leads nowhere"},
    {"GET /a/%2e%2E HTTP/1.1\r\nHost: a", 400, "a path that leads nowhere"},
    {"GET /a%2f..%2fb HTTP/1.1\r\nHost: a", 400, "a path that leads nowhere"},
    {"GET / HTTP/1.1", 400, "no Host"},
    {"GET / HTTP/1.1\r\nX: y", 400, "no Host"},
    {REQUEST("Host: a"), 400, "several Hosts"},
    {"GET / HTTP/1.1\r\nHost: a/b", 400, "a Host that is none"},
    {"GET / HTTP/1.1\r\nHost: u@b", 400, "a Host that is none"},
    {"GET / HTTP/1.1\r\nHost: a b", 400, "a Host that is none"},
    {REQUEST(" folded"), 400, "a header on several lines"},
    {REQUEST("A: b\r\n\tfolded: x"), 400, "a header on several lines"},
    {REQUEST("A : b"), 400, "the name of a header is no token"},
    {REQUEST(": b"), 400, "the name of a header is no token"},
    {REQUEST("A\x80: b"), 400, "the name of a header is no token"},
    {REQUEST("A(: b"), 400, "the name of a header is no token"},
    {REQUEST("no colon"), 400, "a header without a colon"},
    {REQUEST("A: b\r\n"), 400, "a header without a colon"},
    {REQUEST("A: b\rC: d"), 400, "a control character in a header"},
    {REQUEST("A: b\nC: d"), 400, "a control character in a header"},
    {REQUEST("A: b\r"), 400, "a control character in a header"},
    {REQUEST("A: \x7f"), 400, "a control character in a header"},
    {REQUEST("A: \x01"), 400, "a control character in a header"},
    {REQUEST("A\n: b"), 400, "the name of a header is no token"},
    {REQUEST("Content-Length: "), 400, "a Content-Length that is no number"},
    {REQUEST("Content-Length: -1"), 400, "a Content-Length that is no number"},
    {REQUEST("Content-Length: +1"), 400, "a Content-Length that is no number"},
    {REQUEST("Content-Length: 1 2"), 400, "a Content-Length that is no number"},
    {REQUEST("Content-Length: 0x1"), 400, "a Content-Length that is no number"},
    {REQUEST("Content-Length: 1, 1"), 400, "a Content-Length that is no number"},
    {REQUEST("Content-Length: 9223372036854775808"), 400, "a Content-Length that is no number"},
    {REQUEST("Content-Length: 99999999999999999999999"), 400, "a Content-Length that is no number"},
    {REQUEST("Content-Length: 1\r\nContent-Length: 1"), 400, "several Content-Lengths"},
    {REQUEST("Content-Length: 1\r\nCONTENT-LENGTH: 2"), 400, "several Content-Lengths"},
    {REQUEST("Content-Length: 1\r\nTransfer-Encoding: chunked"), 400, "a Content-Length and a Transfer-Encoding"},
    {REQUEST("Transfer-Encoding: chunked\r\nContent-Length: 0"), 400, "a Content-Length and a Transfer-Encoding"},
    {REQUEST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400, "several Transfer-Encodings"},
    {REQUEST("Transfer-Encoding: gzip, chunked"), 501, "a Transfer-Encoding other than chunked"},
    {REQUEST("Transfer-Encoding: chunked, identity"), 501, "a Transfer-Encoding other than chunked"},
    {REQUEST("Transfer-Encoding: xchunked"), 501, "a Transfer-Encoding other than chunked"},
    {REQUEST("Transfer-Encoding: \x0b"
             "chunked"),
     400, "a control character in a header"},
    {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked", 400, "a Transfer-Encoding in HTTP/1.0"},
};

static void assert_refused(struct http_message *m, const char *head, int status, const char *what) {
    ck_assert_msg(m == NULL, "understood: %s", head);
    ck_assert_msg(fault.what != NULL, "no reason: %s", head);
    ck_assert_str_eq(fault.what, what);
    ck_assert_int_eq(fault.status, status);
}

START_TEST(requests_that_are_refused) {
    const char *head = bad_requests[_i].head;
    assert_refused(request(head), head, bad_requests[_i].status, bad_requests[_i].what);
}
END_TEST

static const struct {
    const char *head, *what;
} bad_responses[] = {
    {"", "no status line"},
    {"HTTP/1.1", "no status line"},
    {"220 mail.example ESMTP", "no HTTP version"},
    {"HTTP/1.1 20", "no status line"},
    {"HTTP/1.1  200 OK", "no status"},
    {"HTTP/1.1 2000", "no status"},
    {"HTTP/1.1 20x OK", "no status"},
    {"HTTP/1.1 099 OK", "no status"},
    {"HTTP/1.1 -20 OK", "no status"},
    {"HTTP/1.1\t200 OK", "no status line"},
    {"HTTP/2.0 200 OK", "a version that is not HTTP/1"},
    {"ICY 200 OK at all", "no HTTP version"},
    {"HTTP/1.1 200 O\nK", "a control character in the reason"},
    {"\r\nHTTP/1.1 200 OK", "no status line"},
    {RESPONSE(" A: b"), "a header on several lines"},
    {RESPONSE("A b"), "a header without a colon"},
    {RESPONSE("Content-Length: 1\r\nContent-Length: 2"), "several Content-Lengths"},
    {RESPONSE("Content-Length: 1\r\nTransfer-Encoding: chunked"), "a Content-Length and a Transfer-Encoding"},
    {RESPONSE("Transfer-Encoding: identity"), "a Transfer-Encoding other than chunked"},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked", "a Transfer-Encoding in HTTP/1.0"},
};

START_TEST(responses_that_are_refused) {
    const char *head = bad_responses[_i].head;
    struct http_message *m = response(head);

    assert_refused(m, head, fault.status, bad_responses[_i].what);
}
END_TEST

START_TEST(a_nul_is_refused_wherever_it_is) {
    static const char head[] = "GET /abc HTTP/1.1\r\nHost: a\r\nAccept: b";
    char bytes[sizeof head];

    for (size_t i = 0; i < sizeof head - 1; i++) {
        memcpy(bytes, head, sizeof head);
        bytes[i] = 0;
        ck_assert_msg(parse_bytes(true, bytes, sizeof head - 1) == NULL, "at %zu", i);
        ck_assert_int_eq(fault.status, 400);
    }
}
END_TEST

START_TEST(too_many_headers_are_refused) {
    char head[64 + 4 * (HTTP_MAX_FIELDS + 1)];
    size_t size = (size_t)snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost:");

    for (int i = 1; i < HTTP_MAX_FIELDS; i++, size += 4) memcpy(head + size, "\r\na:", 4);
    promise__http_message_unref(parse_bytes(true, head, size));
    memcpy(head + size, "\r\na:", 4);
    ck_assert_ptr_null(parse_bytes(true, head, size + 4));
    ck_assert_int_eq(fault.status, 431);
}
END_TEST

START_TEST(out_of_memory_is_no_fault_of_the_peer) {
    size_t n = 0, before = test_alloc_live();

    do {
        struct http_message *m;
        test_alloc_fail_at(++n);
        m = request(REQUEST("A: 1\r\nA: 2"));
        if (m) promise__http_message_unref(m);
        else {
            ck_assert_int_eq(fault.status, 0);
            ck_assert_ptr_null(fault.what);
        }
    } while (test_alloc_failed());
    test_alloc_fail_at(0);
    ck_assert_uint_eq(n, 3);
    ck_assert_uint_eq(test_alloc_live(), before);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof *(table))

int main(void) {
    Suite *suite = suite_create("http_parse");
    TCase *tcase = tcase_create("http_parse");

    tcase_add_test(tcase, a_request);
    tcase_add_test(tcase, a_response);
    tcase_add_loop_test(tcase, paths_are_decoded, 0, COUNT(targets));
    tcase_add_test(tcase, targets_that_are_no_paths);
    tcase_add_loop_test(tcase, how_long_a_body_is, 0, COUNT(framings));
    tcase_add_test(tcase, headers_that_come_several_times);
    tcase_add_loop_test(tcase, requests_that_are_refused, 0, COUNT(bad_requests));
    tcase_add_loop_test(tcase, responses_that_are_refused, 0, COUNT(bad_responses));
    tcase_add_test(tcase, a_nul_is_refused_wherever_it_is);
    tcase_add_test(tcase, too_many_headers_are_refused);
    tcase_add_test(tcase, out_of_memory_is_no_fault_of_the_peer);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
