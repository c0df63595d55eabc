/* Redirects: where to, by which method, and what goes along. */
#include "httppeer.h"

#include <stdio.h>
#include <string.h>

static struct page pages[] = {
    {"/", OK_LENGTH("2") "ok", STAY, NULL},
    {"/301", MOVED("301", "/"), STAY, NULL},
    {"/302", MOVED("302", "/"), STAY, NULL},
    {"/303", MOVED("303", "/"), STAY, NULL},
    {"/307", MOVED("307", "/"), STAY, NULL},
    {"/308", MOVED("308", "/"), STAY, NULL},
    {"/304", "HTTP/1.1 304 Not Modified\r\nLocation: /\r\n\r\n", STAY, NULL},
    {"/300", "HTTP/1.1 300 Several\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", STAY, NULL},
    {"/1", MOVED("302", "2?x=y#z"), STAY, NULL},
    {"/2?x=y", MOVED("302", "./a/../3"), STAY, NULL},
    {"/3", MOVED("302", "/"), STAY, NULL},
    {"/body", "HTTP/1.1 302 Moved\r\nLocation: /\r\nContent-Length: 5\r\n\r\nmoved", STAY, NULL},
    {"/chunks", "HTTP/1.1 302 Moved\r\nLocation: /\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", STAY, NULL},
    {"/until-end", "HTTP/1.1 302 Moved\r\nLocation: /\r\n\r\nmoved", CLOSE, NULL},
    {"/endless", "HTTP/1.1 302 Moved\r\nLocation: /\r\nContent-Length: 99999999\r\n\r\nmoved", HANG, NULL},
    {"/short", "HTTP/1.1 302 Moved\r\nLocation: /\r\nContent-Length: 10\r\n\r\nmoved", CLOSE, NULL},
    {"/escaped", MOVED("302", "/a b\xc3\xa4\"?c d"), STAY, NULL},
    {"/a%20b%C3%A4%22?c%20d", OK_LENGTH("4") "here", STAY, NULL},
    {"/away", NULL, STAY, NULL}, /* to another origin */
    {"/away-303", NULL, STAY, NULL},
    {"/back", NULL, STAY, NULL}, /* and from there to the first one */
    {NULL, NULL, STAY, NULL},
};

static struct page *page_of(const char *path) {
    struct page *p = pages;

    while (strcmp(p->path, path) != 0) p++;
    return p;
}

static void open_it(void) {
    static char away[200], see_other[200], back[200];

    open_peer(pages);
    snprintf(away, sizeof away, MOVED("307", "%s"), other_url_of("/"));
    snprintf(see_other, sizeof see_other, MOVED("303", "%s"), other_url_of("/back"));
    snprintf(back, sizeof back, MOVED("302", "%s"), url_of("/"));
    page_of("/away")->text = away;
    page_of("/away-303")->text = see_other;
    page_of("/back")->text = back;
}

/* ---- methods and bodies ---- */

static const struct {
    const char *method, *path, *requests;
    bool with_body;
} methods[] = {
    {"GET", "/301", "GET /301\nGET /\n", false},          {"GET", "/308", "GET /308\nGET /\n", false},
    {"HEAD", "/302", "HEAD /302\nHEAD /\n", false},       {"HEAD", "/303", "HEAD /303\nHEAD /\n", false},
    {"HEAD", "/307", "HEAD /307\nHEAD /\n", false},       {"POST", "/301", "POST /301 body\nGET /\n", true},
    {"POST", "/302", "POST /302 body\nGET /\n", true},    {"PUT", "/303", "PUT /303 body\nGET /\n", true},
    {"DELETE", "/302", "DELETE /302\nGET /\n", false},    {"POST", "/307", "POST /307 body\nPOST / body\n", true},
    {"PUT", "/308", "PUT /308 body\nPUT / body\n", true},
};

START_TEST(methods_and_bodies) {
    static const char *const headers[] = {"Content-Type", "text/plain", "X-Mine", "1", NULL};
    struct promise_http_request request = {.url = methods[_i].path, .method = methods[_i].method, .headers = headers};

    open_it();
    if (methods[_i].with_body) request.body = promise_string("body");
    ck_assert_int_eq(settle(ask(request)), 0);
    ck_assert_int_eq(promise_http_status(outcome), 200);
    ck_assert_str_eq(promise_http_url(outcome), url_of("/"));
    requests_are(methods[_i].requests);
    ck_assert_ptr_nonnull(strstr(peer.head, "X-Mine: 1"));
    if (!strncmp(peer.head, "GET", 3) && methods[_i].with_body) ck_assert_ptr_null(strstr(peer.head, "Content-"));
    ck_assert_uint_eq(peer.connections, 1);
    close_peer();
}
END_TEST

static promise_iterator_t *one_piece(void) {
    const promise_value_t piece = promise_string("x");
    return promise_items(loop, 1, &piece);
}

START_TEST(a_streamed_body_cannot_go_on) {
    open_it();
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/307", .body_stream = one_piece()})), 0);
    ck_assert_int_eq(promise_http_status(outcome), 307);
    ck_assert_str_eq(promise_http_header(outcome, "location"), "/");
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/303", .body_stream = one_piece()})), 0);
    body_is("ok");
    requests_are("POST /307 x\nPOST /303 x\nGET /\n");
    close_peer();
}
END_TEST

/* ---- where to ---- */

START_TEST(step_by_step) {
    open_it();
    ck_assert_int_eq(fetch("/1"), 0);
    requests_are("GET /1\nGET /2?x=y\nGET /3\nGET /\n");
    ck_assert_str_eq(promise_http_url(outcome), url_of("/"));
    ck_assert_uint_eq(peer.connections, 1);
    close_peer();
}
END_TEST

START_TEST(what_is_no_redirect) {
    static const char *const paths[] = {"/304", "/300"};

    open_it();
    for (size_t i = 0; i < 2; i++) ck_assert_int_eq(fetch(paths[i]), 0);
    requests_are("GET /304\nGET /300\n");
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/302", .no_redirects = true})), 0);
    ck_assert_int_eq(promise_http_status(outcome), 302);
    requests_are("GET /302\n");
    close_peer();
}
END_TEST

START_TEST(no_redirects_for_a_whole_client) {
    open_peer_with(pages, &(struct promise_http_client_options){.no_redirects = true});
    ck_assert_int_eq(fetch("/302"), 0);
    ck_assert_int_eq(promise_http_status(outcome), 302);
    close_peer();
}
END_TEST

START_TEST(a_location_that_has_to_be_escaped) {
    open_it();
    ck_assert_int_eq(fetch("/escaped"), 0);
    body_is("here");
    close_peer();
}
END_TEST

START_TEST(the_body_of_a_redirect_is_dropped) {
    static const struct {
        const char *path;
        size_t connections;
    } bodies[] = {{"/body", 1}, {"/chunks", 1}, {"/until-end", 2}, {"/endless", 2}, {"/short", 2}};

    open_it();
    ck_assert_int_eq(fetch(bodies[_i].path), 0);
    body_is("ok");
    ck_assert_uint_eq(peer.connections, bodies[_i].connections);
    close_peer();
}
END_TEST

START_TEST(a_redirect_to_a_stream) {
    open_it();
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/body", .stream = true})), 0);
    ck_assert_int_eq(settle(promise_http_read_body(outcome, 10)), 0);
    ck_assert_str_eq(promise_as_bytes(outcome, NULL), "ok");
    close_peer();
}
END_TEST

/* ---- what goes along ---- */

static const char *const secrets[] = {"Authorization", "Bearer x", "cookie", "a=b", "X-Mine", "1", "Host", "mine", NULL};

START_TEST(secrets_stay_at_their_origin) {
    open_it();
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/302", .headers = secrets})), 0);
    ck_assert_ptr_nonnull(strstr(peer.head, "Authorization: Bearer x"));
    ck_assert_ptr_nonnull(strstr(peer.head, "cookie: a=b"));
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/away", .headers = secrets})), 0);
    body_is("ok");
    ck_assert_str_eq(promise_http_url(outcome), other_url_of("/"));
    ck_assert_ptr_null(strstr(peer.head, "Authorization"));
    ck_assert_ptr_null(strstr(peer.head, "cookie"));
    ck_assert_ptr_null(strstr(peer.head, "mine\r\n"));
    ck_assert_ptr_nonnull(strstr(peer.head, "X-Mine: 1"));
    close_peer();
}
END_TEST

START_TEST(there_and_back) {
    open_it();
    ck_assert_int_eq(
        settle(ask((struct promise_http_request){.url = "/away-303", .body = promise_string("x"), .headers = secrets})), 0);
    body_is("ok");
    requests_are("POST /away-303 x\nGET /back\nGET /\n");
    ck_assert_ptr_nonnull(strstr(peer.head, "Authorization: Bearer x"));
    ck_assert_uint_eq(promise_http_client_idle(client), 2);
    close_peer();
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof *(table))

int main(void) {
    Suite *suite = suite_create("http_redirect");
    TCase *tcase = tcase_create("http_redirect");

    tcase_add_loop_test(tcase, methods_and_bodies, 0, COUNT(methods));
    tcase_add_test(tcase, a_streamed_body_cannot_go_on);
    tcase_add_test(tcase, step_by_step);
    tcase_add_test(tcase, what_is_no_redirect);
    tcase_add_test(tcase, no_redirects_for_a_whole_client);
    tcase_add_test(tcase, a_location_that_has_to_be_escaped);
    tcase_add_loop_test(tcase, the_body_of_a_redirect_is_dropped, 0, 5);
    tcase_add_test(tcase, a_redirect_to_a_stream);
    tcase_add_test(tcase, secrets_stay_at_their_origin);
    tcase_add_test(tcase, there_and_back);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
