/* The client's pool: who gets which connection and when, what is thrown out, and cancels and ends at each state. */
#include "httppeer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct page pages[] = {
    {"/", OK_LENGTH("2") "ok", STAY, NULL},
    {"/a", OK_LENGTH("1") "a", STAY, NULL},
    {"/b", OK_LENGTH("1") "b", STAY, NULL},
    {"/c", OK_LENGTH("1") "c", STAY, NULL},
    {"/d", OK_LENGTH("1") "d", STAY, NULL},
    {"/never", NULL, HANG, NULL},
    {"/half", OK_LENGTH("10") "hello", HANG, NULL},
    {"/stray", OK_LENGTH("2") "ok stray bytes", STAY, NULL},
    {"/pipelined", OK_LENGTH("2") "ok" OK_LENGTH("3") "not", STAY, NULL},
    {"/leaves", OK_LENGTH("2") "ok", CLOSE, NULL},
    {"/stale", OK_LENGTH("5") "again", STAY, ""},
    {"/stale-head", OK_LENGTH("5") "again", STAY, "HTTP/1.1 20"},
    {"/moved", MOVED("302", "/a"), STAY, NULL},
    {NULL, NULL, STAY, NULL},
};

static void open_with(size_t max, size_t per_host) {
    open_peer_with(pages, &(struct promise_http_client_options){.max_connections = max, .max_connections_per_host = per_host});
}

/* ---- who gets one ---- */

START_TEST(they_wait_in_the_order_of_the_calls) {
    promise_t *all[4];

    open_with(0, 1);
    peer.silent = true;
    all[0] = get("/a");
    all[1] = get("/b");
    all[2] = get("/c");
    all[3] = get("/d");
    wait_until(&peer.requested, 1);
    ck_assert_uint_eq(promise_http_client_active(client), 1);
    peer_speaks();
    ck_assert_int_eq(settle(promise_all(loop, 4, all)), 0);
    requests_are("GET /a\nGET /b\nGET /c\nGET /d\n");
    ck_assert_uint_eq(peer.connections, 1);
    close_peer();
}
END_TEST

START_TEST(no_more_than_the_limits) {
    promise_t *all[20];

    open_with(5, 3);
    peer.silent = true;
    for (int i = 0; i < 20; i++) all[i] = get("/a");
    wait_until(&peer.requested, 3);
    ck_assert_uint_eq(promise_http_client_active(client), 3);
    peer_speaks();
    ck_assert_int_eq(settle(promise_all(loop, 20, all)), 0);
    ck_assert_uint_eq(peer.most_open, 3);
    ck_assert_uint_eq(promise_http_client_idle(client), 3);
    close_peer();
}
END_TEST

/* One connection in all: the other origin has its turn as it came, though the first one's is free for its own next request. */
START_TEST(no_origin_starves_behind_another) {
    promise_t *all[4];

    open_with(1, 1);
    peer.silent = true;
    all[0] = get("/a");
    all[1] = get_other("/b");
    all[2] = get("/c");
    all[3] = get_other("/d");
    wait_until(&peer.requested, 1);
    peer_speaks();
    ck_assert_int_eq(settle(promise_all(loop, 4, all)), 0);
    requests_are("GET /a\nGET /b\nGET /c\nGET /d\n");
    ck_assert_uint_eq(peer.connections, 4);
    close_peer();
}
END_TEST

/* Who waits for its own origin does not hold up those of another. */
START_TEST(a_busy_origin_does_not_block_the_others) {
    promise_t *first, *second;

    open_with(3, 1);
    first = get("/never");
    second = get("/a");
    ck_assert_int_eq(settle(get_other("/b")), 0);
    body_is("b");
    promise_cancel(first);
    ck_assert_int_eq(settle(second), 0);
    body_is("a");
    close_peer();
}
END_TEST

START_TEST(idle_ones_make_room) {
    open_with(1, 1);
    ck_assert_int_eq(fetch("/a"), 0);
    ck_assert_uint_eq(promise_http_client_idle(client), 1);
    ck_assert_int_eq(settle(get_other("/b")), 0);
    ck_assert_uint_eq(promise_http_client_idle(client), 1);
    ck_assert_uint_eq(peer.connections, 2);
    close_peer();
}
END_TEST

/* ---- what is thrown out ---- */

static void is_thrown_out(const char *path) {
    ck_assert_int_eq(fetch(path), 0);
    body_is("ok");
    wait_until_idle(0, 0);
    wait_until(&peer.open, 0);
    ck_assert_int_eq(fetch("/a"), 0);
    ck_assert_uint_eq(peer.connections, 2);
}

START_TEST(stray_bytes_behind_a_response) {
    open_peer(pages);
    is_thrown_out(_i ? "/pipelined" : "/stray");
    body_is("a");
    close_peer();
}
END_TEST

START_TEST(an_end_while_it_is_idle) {
    open_peer(pages);
    is_thrown_out("/leaves");
    close_peer();
}
END_TEST

START_TEST(one_that_nobody_needed_for_a_while) {
    open_peer_with(pages, &(struct promise_http_client_options){.idle_ms = 20});
    is_thrown_out("/");
    close_peer();
}
END_TEST

/* ---- once more ---- */

START_TEST(a_stale_connection_is_no_failure) {
    open_peer(pages);
    ck_assert_int_eq(fetch("/"), 0);
    ck_assert_int_eq(fetch("/stale"), 0);
    body_is("again");
    requests_are("GET /\nGET /stale\nGET /stale\n");
    ck_assert_uint_eq(peer.connections, 2);
    close_peer();
}
END_TEST

START_TEST(once_more_needs_room_too) {
    promise_t *waiting;

    open_with(1, 1);
    ck_assert_int_eq(fetch("/"), 0);
    waiting = get("/stale");
    ck_assert_int_eq(settle(promise_all_of(loop, waiting, get("/b"), NULL)), 0);
    ck_assert_uint_eq(peer.connections, 3); /* the one that waited came first; its connection makes room for a new one */
    close_peer();
}
END_TEST

static const struct {
    const char *method, *path;
    bool on_a_fresh_one;
} fatal[] = {
    {"POST", "/stale", false},     /* may have been done */
    {"PATCH", "/stale", false},    /* the same */
    {"GET", "/stale", true},       /* was not stale */
    {"GET", "/stale-head", false}, /* something came */
};

START_TEST(what_is_not_sent_again) {
    open_peer(pages);
    if (!fatal[_i].on_a_fresh_one) ck_assert_int_eq(fetch("/"), 0);
    *peer.requests = 0;
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = fatal[_i].path, .method = fatal[_i].method})), -1);
    error_is(PROMISE_HTTP_ETRUNCATED, "the connection ended");
    ck_assert_ptr_null(strchr(strchr(peer.requests, '\n') + 1, '\n')); /* once */
    ck_assert_uint_eq(promise_http_client_active(client), 0);
    close_peer();
}
END_TEST

static promise_iterator_t *one_piece(void) {
    const promise_value_t piece = promise_string("x");
    return promise_items(loop, 1, &piece);
}

START_TEST(a_streamed_body_is_not_sent_again) {
    open_peer(pages);
    ck_assert_int_eq(fetch("/"), 0);
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/stale", .method = "PUT", .body_stream = one_piece()})),
                     -1);
    error_is(PROMISE_HTTP_ETRUNCATED, "the connection ended");
    close_peer();
}
END_TEST

/* ---- cancels: the next one is served (R18, K2) ---- */

static bool cancelled(promise_t *p) {
    promise_t *other = promise_ref(p);

    promise_cancel(p);
    return settle(other) == -1 && promise_is_canceled(outcome);
}

START_TEST(cancel_while_it_waits) {
    promise_t *first, *second, *third;

    open_with(1, 1);
    peer.silent = true;
    first = get("/a");
    second = get("/b");
    third = get("/c");
    wait_until(&peer.requested, 1);
    ck_assert(cancelled(second));
    peer_speaks();
    ck_assert_int_eq(settle(promise_all_of(loop, first, third, NULL)), 0);
    requests_are("GET /a\nGET /c\n");
    close_peer();
}
END_TEST

START_TEST(cancel_while_it_connects) {
    promise_t *second;

    open_with(1, 1);
    promise_cancel(get("/a"));
    second = get("/b");
    ck_assert_int_eq(settle(second), 0);
    body_is("b");
    close_peer();
}
END_TEST

START_TEST(cancel_before_anything_ran) {
    promise_t *p;

    open_with(1, 1);
    ck_assert_int_eq(fetch("/"), 0);
    p = get("/never"); /* has the idle connection */
    ck_assert(cancelled(p));
    ck_assert_int_eq(fetch("/b"), 0);
    body_is("b");
    close_peer();
}
END_TEST

/* Until the peer has the request, in its answer, and while a streamed body is read. */
START_TEST(cancel_aborts_on_the_wire) {
    promise_t *p, *next;

    open_with(1, 1);
    p = get(_i ? "/half" : "/never");
    next = get("/b");
    wait_until(&peer.requested, 1);
    ck_assert(cancelled(p));
    ck_assert_int_eq(settle(next), 0);
    body_is("b");
    ck_assert_uint_eq(peer.connections, 2);
    wait_until(&peer.open, 1);
    close_peer();
}
END_TEST

static promise_value_t cancel_other(promise_value_t v, void *p) {
    (void)v;
    promise_cancel(*(promise_t **)p);
    return promise_void();
}

/* The one in whose favour a connection was just let go of is cancelled before it could run. */
START_TEST(cancel_together_with_the_connection) {
    promise_t *first, *second, *third;

    open_with(1, 1);
    first = get("/a");
    second = get("/b");
    third = get("/c");
    first = promise_then(first, cancel_other, &second);
    ck_assert_int_eq(settle(first), 0);
    ck_assert_int_eq(settle(third), 0);
    body_is("c");
    ck_assert_uint_eq(promise_http_client_active(client), 0);
    close_peer();
}
END_TEST

START_TEST(cancel_in_a_redirect) {
    promise_t *p;

    open_with(1, 1);
    peer.silent = true;
    p = get("/moved");
    wait_until(&peer.requested, 1);
    ck_assert(cancelled(p));
    ck_assert_uint_eq(promise_http_client_active(client), 0);
    peer_speaks();
    ck_assert_int_eq(fetch("/b"), 0);
    close_peer();
}
END_TEST

/* Programs of random requests and cancels, with little room: in the end every one has settled, and the pool is as it was. */
static unsigned settled;
static promise_value_t count_settled(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    settled++;
    return promise_void();
}

static void random_program(uint64_t seed) {
    static const char *const paths[] = {"/", "/a", "/moved", "/stray", "/leaves", "/never", "/half", "/b"};
    promise_t *running[30];

    (void)seed;
    open_with(1 + draw(3), 1 + draw(2));
    settled = 0;
    for (int i = 0; i < 30; i++) {
        const char *path = paths[draw(8)];
        promise_t *p = draw(2) ? get(path) : get_other(path);
        running[i] = promise_finally(p, count_settled, NULL);
        for (unsigned n = draw(4); n; n--) promise_loop_turn(loop);
        if (!draw(2)) {
            unsigned k = draw((unsigned)i + 1);
            promise_cancel(running[k]);
            running[k] = NULL;
        }
    }
    for (int i = 0; i < 30; i++) promise_cancel(running[i]);
    while (promise_http_client_active(client) || settled < 30) promise_loop_turn(loop);
    ck_assert_uint_eq(settled, 30);
    ck_assert_int_eq(fetch("/a"), 0);
    body_is("a");
    close_peer();
}

START_TEST(random_cancels_never_break_the_pool) { test_seeds(random_program, 30); }
END_TEST

/* ---- the client's end ---- */

START_TEST(close_at_each_state) {
    promise_t *all[2], *both;
    promise_iterator_t *it;

    open_with(2, 1);
    ck_assert_int_eq(settle(get_other("/a")), 0); /* one is idle */
    all[0] = get("/half");
    all[1] = get("/b"); /* waits */
    ck_assert_int_eq(settle(promise_http_client_request(
                         client, &(struct promise_http_request){.url = other_url_of("/half"), .stream = true})),
                     0);
    it = promise_http_chunks(outcome);
    wait_until(&peer.requested, 3);
    both = promise_all_settled(loop, 2, all);
    promise_http_client_close(client);
    ck_assert_int_eq(settle(both), 0);
    for (size_t i = 0; i < 2; i++) ck_assert(promise_error_is(promise_list_get(outcome, i), &promise_errors, PROMISE_ECLOSED));
    while (settle(promise_next(it)) == 0) ck_assert(!promise_is_end(outcome)); /* what had come, perhaps */
    is_closed();
    promise_iterator_close(it);
    client = NULL;
    close_peer();
}
END_TEST

static promise_value_t close_client(promise_value_t v, void *arg) {
    (void)arg;
    promise_http_client_close(client);
    client = NULL;
    return promise_string(promise_as_bytes(promise_http_body(v), NULL)); /* the response is still there */
}

/* T4; and the others are told: evhttp would call nobody back. */
START_TEST(close_in_the_handler_of_a_response) {
    promise_t *all[3];

    open_with(1, 1);
    all[0] = promise_then(get("/a"), close_client, NULL);
    all[1] = get("/b");
    all[2] = get("/c");
    ck_assert_int_eq(settle(promise_all_settled(loop, 3, all)), 0);
    ck_assert_str_eq(promise_as_string(promise_list_get(outcome, 0)), "a");
    for (size_t i = 1; i < 3; i++) ck_assert(promise_error_is(promise_list_get(outcome, i), &promise_errors, PROMISE_ECLOSED));
    close_peer();
}
END_TEST

static promise_value_t ask_again(promise_value_t v, void *path) {
    (void)v;
    return promise_adopt(get(path));
}

START_TEST(another_request_in_the_handler_of_one) {
    open_with(1, 1);
    ck_assert_int_eq(settle(promise_then(get("/a"), ask_again, "/b")), 0);
    body_is("b");
    ck_assert_int_eq(
        settle(promise_catch(ask((struct promise_http_request){.url = "/stale", .method = "POST"}), ask_again, "/c")), 0);
    body_is("c");
    close_peer();
}
END_TEST

/* Whoever closes the client lets go of a body, whose end asks it for more. */
static promise_t *late_request;
static void ask_late(void *arg) {
    (void)arg;
    if (client) late_request = get("/a");
}
static promise_value_t endless_pieces(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_sleep(NULL, 60000));
}

START_TEST(a_request_while_it_is_closed) {
    promise_t *p;

    open_peer(pages);
    p = ask((struct promise_http_request){
        .url = "/", .body_stream = promise_iterator_attach(promise_pull(loop, endless_pieces, NULL), NULL, ask_late)});
    while (!peer.open) promise_loop_turn(loop);
    p = promise_all_settled(loop, 1, &p);
    promise_http_client_close(client);
    client = NULL;
    ck_assert_int_eq(settle(p), 0);
    if (late_request) { /* else it was let go of later */
        ck_assert_int_eq(settle(late_request), -1);
        is_closed();
    }
    close_peer();
}
END_TEST

START_TEST(close_while_it_connects) {
    promise_t *p;

    open_peer(pages);
    p = get("/a");
    promise_http_client_close(client);
    client = NULL;
    ck_assert_int_eq(settle(p), -1);
    is_closed();
    close_peer();
}
END_TEST

/* J5: with a request in each state, a response that is read, and one that is kept. */
START_TEST(J5_the_loop_goes_at_each_state) {
    promise_t *waiting, *reading, *connecting;
    promise_value_t kept = promise_void();
    promise_iterator_t *it;
    size_t descriptors = count_fds();

    open_with(2, 1);
    ck_assert_int_eq(settle(ask((struct promise_http_request){.url = "/half", .stream = true})), 0);
    promise_value_set(&kept, outcome);
    it = promise_http_chunks(kept);
    reading = promise_next(it);
    waiting = get("/b");
    connecting = get_other("/a");
    for (int i = 0; i < _i; i++) promise_loop_turn(loop);
    promise_value_clear(&outcome);
    promise_loop_free(loop);
    ck_assert_int_ne(promise_get_state(waiting), PROMISE_PENDING);
    ck_assert_int_ne(promise_get_state(reading), PROMISE_PENDING);
    ck_assert_int_ne(promise_get_state(connecting), PROMISE_PENDING);
    promise_unref(waiting);
    promise_unref(reading);
    promise_unref(connecting);
    promise_iterator_close(it);
    promise_value_clear(&kept);
    close_gate();
    ck_assert_uint_eq(test_alloc_live(), live);
    ck_assert_uint_eq(count_fds(), descriptors);
}
END_TEST

/* ---- a response before the request's end ---- */

static promise_value_t endless(promise_value_t v, void *arg) {
    static char data[32 << 10];

    (void)v, (void)arg;
    memset(data, 'x', sizeof data);
    return promise_bytes(data, sizeof data);
}

static promise_value_t answer_early(promise_value_t v, void *arg) {
    promise_stream_t *s = promise_as_stream(v);

    (void)arg;
    promise_unref(promise_stream_write(s, promise_string("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!")));
    return promise_adopt(promise_sleep(NULL, 60000)); /* holds the stream; reads nothing */
}

static promise_value_t nothing(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}

START_TEST(a_response_that_comes_before_the_body_is_sent) {
    promise_listener_t *rude;
    promise_t *serving;
    char url[64];

    open_peer(pages);
    rude = promise_listener_new(loop, "127.0.0.1", 0);
    serving = promise_catch(promise_each(promise_listener_accepted(rude), 0, answer_early, NULL), nothing, NULL);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned)promise_listener_port(rude));
    ck_assert_int_eq(settle(promise_http_client_request(
                         client, &(struct promise_http_request){.url = url, .body_stream = promise_pull(loop, endless, NULL)})),
                     0);
    ck_assert_int_eq(promise_http_status(outcome), 413);
    body_is("no!");
    ck_assert_uint_eq(promise_http_client_active(client), 0); /* and it is not kept: the rest of the body is still to come */
    ck_assert_uint_eq(promise_http_client_idle(client), 0);
    promise_cancel(serving);
    promise_listener_close(rude);
    close_peer();
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof *(table))

int main(void) {
    Suite *suite = suite_create("http_pool");
    TCase *tcase = tcase_create("http_pool");

    tcase_add_test(tcase, they_wait_in_the_order_of_the_calls);
    tcase_add_test(tcase, no_more_than_the_limits);
    tcase_add_test(tcase, no_origin_starves_behind_another);
    tcase_add_test(tcase, a_busy_origin_does_not_block_the_others);
    tcase_add_test(tcase, idle_ones_make_room);
    tcase_add_loop_test(tcase, stray_bytes_behind_a_response, 0, 2);
    tcase_add_test(tcase, an_end_while_it_is_idle);
    tcase_add_test(tcase, one_that_nobody_needed_for_a_while);
    tcase_add_test(tcase, a_stale_connection_is_no_failure);
    tcase_add_test(tcase, once_more_needs_room_too);
    tcase_add_loop_test(tcase, what_is_not_sent_again, 0, COUNT(fatal));
    tcase_add_test(tcase, a_streamed_body_is_not_sent_again);
    tcase_add_test(tcase, cancel_while_it_waits);
    tcase_add_test(tcase, cancel_while_it_connects);
    tcase_add_test(tcase, cancel_before_anything_ran);
    tcase_add_loop_test(tcase, cancel_aborts_on_the_wire, 0, 2);
    tcase_add_test(tcase, cancel_together_with_the_connection);
    tcase_add_test(tcase, cancel_in_a_redirect);
    tcase_add_test(tcase, random_cancels_never_break_the_pool);
    tcase_add_test(tcase, close_at_each_state);
    tcase_add_test(tcase, close_in_the_handler_of_a_response);
    tcase_add_test(tcase, another_request_in_the_handler_of_one);
    tcase_add_test(tcase, a_request_while_it_is_closed);
    tcase_add_test(tcase, close_while_it_connects);
    tcase_add_loop_test(tcase, J5_the_loop_goes_at_each_state, 0, 12);
    tcase_add_test(tcase, a_response_that_comes_before_the_body_is_sent);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
