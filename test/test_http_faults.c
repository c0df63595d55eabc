/*
 * What can go wrong with a request, and the one error that comes out of it (R18): docs/http_client.md has the same table.
 * After each, nothing is left: no connection, no descriptor, no memory; and the client serves the next request.
 */
#include "httppeer.h"

#include <errno.h>
#include <promise/dns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BLANKS_64 "                                                                "
#define BLANKS_1K                                                                                                              \
    BLANKS_64 BLANKS_64 BLANKS_64 BLANKS_64 BLANKS_64 BLANKS_64 BLANKS_64 BLANKS_64 BLANKS_64 BLANKS_64 BLANKS_64 BLANKS_64    \
        BLANKS_64 BLANKS_64 BLANKS_64 BLANKS_64

static const struct fault {
    const char *path, *text;
    enum after after;
    int code;         /* of promise_http_errors */
    const char *said; /* in the message */
    int cause;        /* errno; 0: none */
} faults[] = {
    /* the connection ends or breaks */
    {"/end", NULL, CLOSE, PROMISE_HTTP_ETRUNCATED, "the connection ended without a response", 0},
    {"/reset", NULL, RESET, PROMISE_HTTP_ETRUNCATED, "the connection broke before the end of the head", ECONNRESET},
    {"/end-in-head", "HTTP/1.1 200 OK\r\nContent-Le", CLOSE, PROMISE_HTTP_ETRUNCATED, "before the end of the head", 0},
    {"/end-in-last-line", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", CLOSE, PROMISE_HTTP_ETRUNCATED,
     "before the end of the head", 0},
    {"/end-after-cr", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r", CLOSE, PROMISE_HTTP_ETRUNCATED,
     "before the end of the head", 0},
    {"/end-after-100", "HTTP/1.1 100 Continue\r\n\r\n", CLOSE, PROMISE_HTTP_ETRUNCATED,
     "the connection ended without a response", 0},
    {"/shorter", OK_LENGTH("10") "hello", CLOSE, PROMISE_HTTP_ETRUNCATED, "before the end of the body", 0},
    {"/no-body", OK_LENGTH("10"), CLOSE, PROMISE_HTTP_ETRUNCATED, "ended 10 bytes before the end of the body", 0},
    {"/no-last-chunk", OK_CHUNKED "5\r\nhello\r\n", CLOSE, PROMISE_HTTP_ETRUNCATED, "before the last chunk", 0},
    {"/half-a-chunk", OK_CHUNKED "5\r\nhel", CLOSE, PROMISE_HTTP_ETRUNCATED, "before the last chunk", 0},
    {"/half-a-chunk-line", OK_CHUNKED "5", CLOSE, PROMISE_HTTP_ETRUNCATED, "before the last chunk", 0},
    {"/no-trailers-end", OK_CHUNKED "0\r\nA: b\r\n", CLOSE, PROMISE_HTTP_ETRUNCATED, "before the last chunk", 0},
    /* it is not HTTP */
    {"/smtp", "220 mail.example ESMTP\r\n\r\n", STAY, PROMISE_HTTP_EPROTOCOL, "no HTTP version", 0},
    {"/http2", "HTTP/2.0 200 OK\r\n\r\n", STAY, PROMISE_HTTP_EPROTOCOL, "a version that is not HTTP/1", 0},
    {"/0.9", "<html></html>\r\n\r\n", STAY, PROMISE_HTTP_EPROTOCOL, "no HTTP version", 0},
    {"/no-status", "HTTP/1.1 OK OK OK\r\n\r\n", STAY, PROMISE_HTTP_EPROTOCOL, "no status", 0},
    {"/bare-cr", "HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n", STAY, PROMISE_HTTP_EPROTOCOL, "a control character", 0},
    {"/bare-lf", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", STAY, PROMISE_HTTP_EPROTOCOL,
     "a control character in the reason", 0},
    {"/cr-for-end", "HTTP/1.1 200 OK\r\nA: b\r\n\rx", STAY, PROMISE_HTTP_EPROTOCOL, "a CR alone", 0},
    {"/folded", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", STAY, PROMISE_HTTP_EPROTOCOL, "a header on several lines", 0},
    {"/blank-colon", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", STAY, PROMISE_HTTP_EPROTOCOL, "is no token", 0},
    {"/no-colon", "HTTP/1.1 200 OK\r\nA b\r\n\r\n", STAY, PROMISE_HTTP_EPROTOCOL, "without a colon", 0},
    {"/two-lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", STAY, PROMISE_HTTP_EPROTOCOL,
     "several", 0},
    {"/length-and-chunks", OK "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", STAY, PROMISE_HTTP_EPROTOCOL,
     "and a Transfer", 0},
    {"/bad-length", OK_LENGTH("-1"), STAY, PROMISE_HTTP_EPROTOCOL, "no number", 0},
    {"/gzip", OK "Transfer-Encoding: gzip, chunked\r\n\r\n", STAY, PROMISE_HTTP_EPROTOCOL, "other than chunked", 0},
    {"/bad-chunk", OK_CHUNKED "zz\r\nhello\r\n", STAY, PROMISE_HTTP_EPROTOCOL, "a chunk without a size", 0},
    {"/longer-chunk", OK_CHUNKED "5\r\nhello!\r\n0\r\n\r\n", STAY, PROMISE_HTTP_EPROTOCOL,
     "a chunk that is longer than it says", 0},
    {"/huge-chunk", OK_CHUNKED "fffffffffffffffff\r\nhello", STAY, PROMISE_HTTP_EPROTOCOL, "a chunk without a size", 0},
    {"/bad-trailer", OK_CHUNKED "0\r\nA b\r\n\r\n", STAY, PROMISE_HTTP_EPROTOCOL, "without a colon", 0},
    {"/endless-line", OK_CHUNKED "5;" BLANKS_1K, HANG, PROMISE_HTTP_EPROTOCOL, "a line that is too long", 0},
    /* it is too large */
    {"/huge-head", OK "A: " BLANKS_1K BLANKS_1K, HANG, PROMISE_HTTP_ETOOLARGE, "the head is over the limit", EMSGSIZE},
    {"/huge-length", OK_LENGTH("101"), HANG, PROMISE_HTTP_ETOOLARGE, "over the limit of 100 bytes", 0},
    {"/longest-length", OK_LENGTH("9223372036854775799"), HANG, PROMISE_HTTP_ETOOLARGE, "over the limit of 100 bytes", 0},
    {"/huge-chunks", OK_CHUNKED "400\r\n" BLANKS_1K, HANG, PROMISE_HTTP_ETOOLARGE, "over the limit of 100 bytes", 0},
    {"/huge-until-end", OK "\r\n" BLANKS_1K, HANG, PROMISE_HTTP_ETOOLARGE, "over the limit of 100 bytes", 0},
    /* it takes too long */
    {"/silence", NULL, HANG, PROMISE_HTTP_ETIMEDOUT, "no response within 30 ms", 0},
    {"/half-a-head", "HTTP/1.1 200 OK\r\nContent-", HANG, PROMISE_HTTP_ETIMEDOUT, "no response within 30 ms", 0},
    {"/only-100", "HTTP/1.1 100 Continue\r\n\r\n", HANG, PROMISE_HTTP_ETIMEDOUT, "no response within 30 ms", 0},
    /* it leads nowhere */
    {"/moved", "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", STAY, PROMISE_HTTP_EREDIRECT, "by 302, but not to where", 0},
    {"/loop", MOVED("302", "/loop"), STAY, PROMISE_HTTP_EREDIRECT, "more than 3 times", 0},
    {"/to-ftp", MOVED("301", "ftp://127.0.0.1/"), STAY, PROMISE_HTTP_EREDIRECT, "to \"ftp://127.0.0.1/\": the scheme", 0},
    {"/to-nothing", MOVED("308", "http://"), STAY, PROMISE_HTTP_EREDIRECT, "redirected to \"http://\": no", 0},
};
enum { FAULTS = sizeof faults / sizeof *faults };

/* The pages of the table, and one that is fine. */
static const struct page *fault_pages(void) {
    static struct page pages[FAULTS + 2];

    for (size_t i = 0; i < FAULTS; i++) pages[i] = (struct page){faults[i].path, faults[i].text, faults[i].after, NULL};
    pages[FAULTS] = (struct page){"/fine", OK_LENGTH("4") "fine", STAY, NULL};
    return pages;
}

static const struct promise_http_client_options limits = {
    .max_header = 1024, .max_body = 100, .max_redirects = 3, .max_connections = 1};

static int hook_calls;
static void count_unhandled(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
    hook_calls++;
}

static void is_the_one(const struct fault *f) {
    promise_value_t cause = promise_error_cause(outcome);

    error_is(f->code, f->said);
    ck_assert_int_eq(strncmp(promise_error_message(outcome), "GET http://127.0.0.1:", 21), 0);
    if (f->cause) ck_assert_msg(promise_error_is(outcome, &promise_errno_errors, f->cause), "%s", promise_error_message(cause));
}

START_TEST(each_fault_has_its_one_error) {
    const struct fault *f = &faults[_i];
    uint64_t ms = f->code == PROMISE_HTTP_ETIMEDOUT ? 30 : 0; /* the others are noticed at once */

    open_peer_with(fault_pages(), &limits);
    promise_loop_on_unhandled(loop, count_unhandled, NULL);
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = f->path, .first_byte_ms = ms})), -1);
    is_the_one(f);
    ck_assert_uint_eq(promise_http_client_active(client), 0);
    if (f->code != PROMISE_HTTP_EREDIRECT) ck_assert_uint_eq(promise_http_client_idle(client), 0);
    ck_assert_int_eq(fetch("/fine"), 0); /* there is one connection in all: it was given back */
    body_is("fine");
    ck_assert_int_eq(hook_calls, 0);
    close_peer();
}
END_TEST

static promise_value_t count_bytes(promise_value_t piece, void *sum) {
    size_t size;

    promise_as_bytes(piece, &size);
    *(size_t *)sum += size;
    return promise_void();
}
static promise_value_t read_chunks(promise_value_t response, void *sum) {
    return promise_adopt(promise_each(promise_http_chunks(response), 1, count_bytes, sum));
}

/* The same while the body is streamed: the response is fulfilled, then the body rejects. */
START_TEST(each_fault_in_a_streamed_body) {
    const struct fault *f = &faults[_i];
    const struct promise_http_request request = {.url = f->path, .stream = true};
    size_t sum = 0;

    if (!f->text || !strstr(f->text, "\r\n\r\n") || f->code == PROMISE_HTTP_ETOOLARGE || f->code == PROMISE_HTTP_ETIMEDOUT)
        return;
    open_peer_with(fault_pages(), &limits);
    ck_assert_int_eq(settle(promise_then(ask(request), read_chunks, &sum)), -1);
    ck_assert_ptr_eq(promise_error_domain(outcome), &promise_http_errors);
    ck_assert_int_eq(promise_error_code(outcome), f->code);
    ck_assert_uint_eq(promise_http_client_active(client), 0);
    ck_assert_int_eq(fetch("/fine"), 0);
    close_peer();
}
END_TEST

START_TEST(too_many_headers) {
    static char text[2048] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
    static const struct page many[] = {{"/", text, STAY, NULL}, {NULL, NULL, STAY, NULL}};
    size_t size = strlen(text);

    for (int i = 0; i < 256; i++, size += 4) memcpy(text + size, "A:\r\n", 5);
    memcpy(text + size, "\r\n", 3);
    open_peer(many);
    ck_assert_int_eq(fetch("/"), -1);
    error_is(PROMISE_HTTP_ETOOLARGE, "too many headers");
    close_peer();
}
END_TEST

START_TEST(a_reset_in_the_body) {
    static const struct page pages[] = {{"/", OK_LENGTH("10") "hello", HANG, NULL}, {NULL, NULL, STAY, NULL}};
    promise_iterator_t *it;

    open_peer(pages);
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/", .stream = true})), 0);
    it = promise_http_chunks(outcome);
    ck_assert_int_eq(settle(promise_next(it)), 0);
    ck_assert_int_eq(settle(promise_listener_stop(peer.listener, 0)),
                     0); /* aborts: bytes of ours are unread, so it is a reset or an end */
    ck_assert_int_eq(settle(promise_next(it)), -1);
    error_is(PROMISE_HTTP_ETRUNCATED, "before the end of the body");
    promise_iterator_close(it);
    close_peer();
}
END_TEST

/* ---- no connection ---- */

/* A port on which nobody listens. */
static unsigned closed_port(void) {
    promise_listener_t *l = promise_listener_new(loop, "127.0.0.1", 0);
    unsigned port = promise_listener_port(l);

    promise_listener_close(l);
    return port;
}

START_TEST(connection_refused) {
    char url[64];

    open_peer(fault_pages());
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", closed_port());
    ck_assert_int_eq(settle(promise_http_client_request(client, &(struct promise_http_request){.url = url})), -1);
    error_is(PROMISE_HTTP_ECONNECT, "Connection refused");
    ck_assert(promise_error_is(outcome, &promise_errno_errors, ECONNREFUSED));
    ck_assert_uint_eq(promise_http_client_active(client), 0);
    close_peer();
}
END_TEST

START_TEST(a_name_that_is_none) {
    open_peer(fault_pages());
    ck_assert_int_eq(settle(promise_http_client_request(client, &(struct promise_http_request){.url = "http://-..-/"})), -1);
    error_is(PROMISE_HTTP_ERESOLVE, "GET http://-..-/: ");
    ck_assert_ptr_eq(promise_error_domain(promise_error_cause(outcome)), &promise_dns_errors);
    close_peer();
}
END_TEST

/* ---- the limits of time ---- */

START_TEST(the_whole_takes_too_long) {
    static const struct page pages[] = {
        {"/", OK_LENGTH("10") "hello", HANG, NULL}, {"/fine", OK_LENGTH("4") "fine", STAY, NULL}, {NULL, NULL, STAY, NULL}};

    open_peer_with(pages, &(struct promise_http_client_options){.max_connections = 1});
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/", .total_ms = 30})), -1);
    error_is(PROMISE_HTTP_ETIMEDOUT, "not done within 30 ms");
    ck_assert_uint_eq(promise_http_client_active(client), 0);
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/fine", .total_ms = 60000})), 0);
    close_peer();
}
END_TEST

static bool stopped;
static void stop(void *resolver) {
    stopped = true;
    promise_abandon(resolver);
}
static promise_t *secure_never(promise_stream_t *plain, const char *host, void *arg) {
    promise_resolver_t *resolver;
    promise_t *p = promise_new(promise_stream_loop(plain), &resolver);

    ck_assert_str_eq(host, "127.0.0.1");
    ck_assert_ptr_eq(arg, &stopped);
    promise_on_cancel(resolver, stop, resolver);
    return promise_attach(p, plain, promise_stream_unref);
}

static promise_t *ask_https(const char *path) {
    static char url[100];

    snprintf(url, sizeof url, "https%s", url_of(path) + 4);
    return promise_http_client_request(client, &(struct promise_http_request){.url = url});
}

START_TEST(a_handshake_that_takes_too_long) {
    open_peer_with(fault_pages(),
                   &(struct promise_http_client_options){.secure = secure_never, .secure_arg = &stopped, .connect_ms = 500});
    ck_assert_int_eq(settle(ask_https("/")), -1);
    error_is(PROMISE_HTTP_ETIMEDOUT, "no connection within 500 ms");
    ck_assert(stopped);
    wait_until(&peer.open, 0);
    close_peer();
}
END_TEST

static promise_t *secure_no(promise_stream_t *plain, const char *host, void *arg) {
    promise_loop_t *here = promise_stream_loop(plain);

    promise_stream_unref(plain);
    return promise_from(here, promise_throw_errno(EPERM, "%s is not to be trusted%s", host, arg ? "" : ""));
}

START_TEST(a_handshake_that_fails) {
    open_peer(fault_pages());
    promise_http_client_secure(client, secure_no, NULL);
    ck_assert_int_eq(settle(ask_https("/fine")), -1);
    error_is(PROMISE_HTTP_ESECURE, "127.0.0.1 is not to be trusted");
    ck_assert(promise_error_is(outcome, &promise_errno_errors, EPERM));
    ck_assert_uint_eq(promise_http_client_active(client), 0);
    close_peer();
}
END_TEST

START_TEST(https_without_a_secure_function) {
    open_peer(fault_pages());
    ck_assert_int_eq(settle(ask_https("/fine")), -1);
    error_is(PROMISE_HTTP_ESECURE, "the client has no function for https");
    ck_assert_uint_eq(peer.connections, 0);
    close_peer();
}
END_TEST

/* As TLS would, without changing a byte. */
static promise_t *secure_yes(promise_stream_t *plain, const char *host, void *arg) {
    (void)host;
    ++*(int *)arg;
    return promise_from(promise_stream_loop(plain), promise_stream_value(plain));
}

START_TEST(https_and_its_pool) {
    int handshakes = 0;

    open_peer(fault_pages());
    promise_http_client_secure(client, secure_yes, &handshakes);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(settle(ask_https("/fine")), 0);
        body_is("fine");
    }
    ck_assert_int_eq(handshakes, 1);
    ck_assert_int_eq(fetch("/fine"), 0); /* another origin */
    ck_assert_uint_eq(peer.connections, 2);
    close_peer();
}
END_TEST

START_TEST(https_does_not_go_on_to_http) {
    static struct page pages[] = {{"/", NULL, STAY, NULL}, {NULL, NULL, STAY, NULL}};
    char text[200];
    int handshakes = 0;

    open_peer(pages);
    snprintf(text, sizeof text, MOVED("302", "%s"), url_of("/x"));
    pages[0].text = text;
    promise_http_client_secure(client, secure_yes, &handshakes);
    ck_assert_int_eq(settle(ask_https("/")), -1);
    error_is(PROMISE_HTTP_EREDIRECT, "redirected from https to http://127.0.0.1");
    requests_are("GET /\n");
    close_peer();
}
END_TEST

/* ---- the request's own body ---- */

static promise_value_t fail_later(promise_value_t v, void *count) {
    (void)v;
    if (--*(int *)count < 0) return promise_throw_errno(EIO, "no more of it");
    return promise_string("piece");
}

static promise_value_t pull_string(promise_value_t v, void *count) {
    (void)v;
    return --*(int *)count < 0 ? promise_end() : promise_string("piece");
}

static promise_value_t pull_int(promise_value_t v, void *count) {
    (void)v;
    return --*(int *)count < 0 ? promise_int(5) : promise_string("piece");
}

static const struct {
    promise_fn *fn;
    uint64_t size;
    int code;
    const char *said;
} bad_bodies[] = {
    {fail_later, 0, EIO, "no more of it"},
    {fail_later, 100, EIO, "no more of it"},
    {pull_string, 14, EINVAL, "the request's body is longer than the 14 bytes it was said to have"},
    {pull_string, 16, EINVAL, "the request's body is shorter than the 16 bytes it was said to have"},
    {pull_int, 0, EINVAL, "the request's body: a piece of it is int"},
};

START_TEST(a_body_that_is_no_good_breaks_the_request_off) {
    int count = 3;

    open_peer_with(fault_pages(), &(struct promise_http_client_options){.max_connections = 1});
    ck_assert_int_eq(
        settle(ask((struct promise_http_request){
            .url = "/fine", .body_stream = promise_pull(loop, bad_bodies[_i].fn, &count), .body_size = bad_bodies[_i].size})),
        -1);
    ck_assert_msg(promise_error_is(outcome, &promise_errno_errors, bad_bodies[_i].code), "%s", promise_error_message(outcome));
    ck_assert_msg(strstr(promise_error_message(outcome), bad_bodies[_i].said) != NULL, "%s", promise_error_message(outcome));
    ck_assert_uint_eq(promise_http_client_active(client), 0);
    ck_assert_int_eq(fetch("/fine"), 0);
    requests_are("GET /fine\n"); /* the other one never came to its end */
    close_peer();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("http_faults");
    TCase *tcase = tcase_create("http_faults");

    tcase_add_loop_test(tcase, each_fault_has_its_one_error, 0, FAULTS);
    tcase_add_loop_test(tcase, each_fault_in_a_streamed_body, 0, FAULTS);
    tcase_add_test(tcase, too_many_headers);
    tcase_add_test(tcase, a_reset_in_the_body);
    tcase_add_test(tcase, connection_refused);
    tcase_add_test(tcase, a_name_that_is_none);
    tcase_add_test(tcase, the_whole_takes_too_long);
    tcase_add_test(tcase, a_handshake_that_takes_too_long);
    tcase_add_test(tcase, a_handshake_that_fails);
    tcase_add_test(tcase, https_without_a_secure_function);
    tcase_add_test(tcase, https_and_its_pool);
    tcase_add_test(tcase, https_does_not_go_on_to_http);
    tcase_add_loop_test(tcase, a_body_that_is_no_good_breaks_the_request_off, 0, (int)(sizeof bad_bodies / sizeof *bad_bodies));
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
