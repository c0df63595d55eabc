/*
 * The HTTP server and clients that do it wrong, slowly, or not at all: each with the one thing that comes of it, and nothing
 * left behind. And the server's end, whatever it is doing.
 */
#include "peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "Host: x\r\n"
#define CLOSE "Connection: close\r\n\r\n"
#define ERROR_TEXT "Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"

/* ---- handlers ---- */

static bool is(promise_value_t request, const char *path) { return strcmp(promise_http_path(request), path) == 0; }

static void stopped(void *resolver) {
    note('C');
    promise_abandon(resolver);
}

static promise_resolver_t *waiting;

static promise_value_t wait_for_test(void) {
    promise_t *p = promise_new(loop, &waiting);

    promise_on_cancel(waiting, stopped, waiting);
    return promise_adopt(p);
}

static size_t pulled;

static promise_value_t piece(promise_value_t v, void *arg) {
    static char block[16 << 10];

    (void)v, (void)arg;
    pulled++;
    return promise_bytes(block, sizeof block);
}

static promise_value_t wait_piece(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return wait_for_test();
}

static promise_value_t body_is(promise_value_t v, void *arg) {
    (void)arg;
    note(promise_is_rejection(v) ? '!' : 'B');
    return v;
}

static char freed = 'F';

static promise_value_t handler(promise_value_t r, void *arg) {
    (void)arg;
    note('H');
    if (is(r, "/wait")) return wait_for_test();
    if (is(r, "/endless"))
        return promise_http_response_stream(200, promise_iterator_attach(promise_pull(loop, piece, NULL), &freed, note_free),
                                            UINT64_MAX);
    if (is(r, "/quiet"))
        return promise_http_response_stream(
            200, promise_iterator_attach(promise_pull(loop, wait_piece, NULL), &freed, note_free), UINT64_MAX);
    if (is(r, "/body")) return promise_adopt(promise_then_catch(promise_http_read_body(r, 100), body_is, body_is, NULL));
    if (is(r, "/close")) {
        peer_free_server();
        return promise_string("too late");
    }
    return promise_string("fine");
}

/* ---- what is no request ---- */

#define ERROR(line, size, text) "HTTP/1.1 " line "\r\n" ERROR_TEXT "Content-Length: " #size "\r\n" CLOSE text "\n"

static const struct promise_http_server_options small = {.max_header = 128, .max_body = 10};
static const struct {
    const char *request, *status;
} malformed[] = {
    {"nonsense\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\n\r\n", "400"}, /* no Host */
    {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", "400"},
    {"GET  / HTTP/1.1\r\n" HOST "\r\n", "400"},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", "505"},
    {"GET / HTTQ/1.1\r\n" HOST "\r\n", "400"},
    {"G{T / HTTP/1.1\r\n" HOST "\r\n", "400"},
    {"GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\n" HOST "A: \1\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\n" HOST "A: b\rB: c\r\n\r\n", "400"},
    {"GET /../x HTTP/1.1\r\n" HOST "\r\n", "400"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: x\r\n\r\n", "400"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", "400"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", "501"},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx\r\n", "400"},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "400"},
    {"POST / HTTP/1.1\r\n" HOST "Expect: a miracle\r\n\r\n", "417"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n", "413"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n", "413"},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n", "413"},
    {"GET /1234567890123456789012345678901234567890123456789012345678901234567890"
     "12345678901234567890123456789012345678901234567890123456789012345678901234567890 HTTP/1.1\r\n" HOST "\r\n",
     "414"},
    {"GET / HTTP/1.1\r\n" HOST "A: 1234567890123456789012345678901234567890123456789012345678901234567890"
     "12345678901234567890123456789012345678901234567890123456789012345678901234567890\r\n\r\n",
     "431"},
};

START_TEST(malformed_requests_are_refused_and_closed) {
    const char *answer;

    peer_open(handler, &small);
    answer = ask(malformed[_i].request);
    ck_assert_int_eq(strncmp(answer, "HTTP/1.1 ", 9), 0);
    ck_assert_msg(strncmp(answer + 9, malformed[_i].status, 3) == 0, "%s", answer);
    ck_assert_ptr_nonnull(strstr(answer, "Connection: close\r\n"));
    ck_assert_str_eq(log_text, ""); /* no handler, no report */
    peer_close();
}
END_TEST

START_TEST(a_refused_client_gets_the_answer_though_it_goes_on_sending) {
    enum { MUCH = 1 << 20 };
    char *much = malloc(MUCH + 1);
    promise_stream_t *client;

    memset(much, 'x', MUCH);
    much[MUCH] = '\0';
    peer_open(handler, &small);
    client = dial();
    say(client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 10000000\r\n\r\n");
    say(client, much);
    ck_assert_str_eq(hear_end(client), ERROR("413 Content Too Large", 45, "413 Content Too Large: the body is too large"));
    say_end(client);
    turn_until(promise_http_server_connections(server) == 0);
    promise_stream_unref(client);
    free(much);
    peer_close();
}
END_TEST

/* ---- who is slow ---- */

/* Not with clients that say nothing yet: where all is slow, so are they. */
static const struct promise_http_server_options impatient = {.header_ms = 50, .body_ms = 50, .half_close_ms = 50};

static const struct {
    const char *request, *answer;
} slow[] = {
    {"GET / HTTP/1.1\r\nHo", ERROR("408 Request Timeout", 46, "408 Request Timeout: the request did not come")},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nab",
     ERROR("408 Request Timeout", 43, "408 Request Timeout: the body did not come")},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\n",
     ERROR("408 Request Timeout", 43, "408 Request Timeout: the body did not come")},
};

START_TEST(slow_clients_are_not_waited_for) {
    peer_open(handler, &impatient);
    ck_assert_str_eq(ask(slow[_i].request), slow[_i].answer);
    peer_close();
}
END_TEST

START_TEST(idle_connections_are_closed) {
    const struct promise_http_server_options options = {.idle_ms = 50};

    peer_open(handler, &options);
    ck_assert_str_eq(ask(""), "");
    peer_close();
}
END_TEST

START_TEST(idle_connections_are_closed_after_a_request_too) {
    const struct promise_http_server_options options = {.idle_ms = 2000};
    promise_stream_t *client;

    peer_open(handler, &options);
    client = dial();
    say(client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    (void)hear(client, "fine");
    ck_assert_str_eq(hear_end(client), "");
    promise_stream_unref(client);
    peer_close();
}
END_TEST

static promise_value_t say_byte(promise_value_t v, void *client) {
    (void)v;
    if (promise_stream_is_closed(client)) return promise_end();
    say(client, "x");
    return promise_adopt(promise_sleep(NULL, 5));
}

START_TEST(slow_loris_gets_the_time_of_one_head) {
    promise_stream_t *client;
    promise_t *drip;

    peer_open(handler, &impatient);
    client = dial();
    say(client, "GET / HTTP/1.1\r\nA: ");
    drip = promise_repeat(loop, say_byte, client); /* each byte is another sign of life, and buys nothing */
    ck_assert_str_eq(hear(client, "\r\n\r\n"), "HTTP/1.1 408 Request Timeout\r\n" ERROR_TEXT "Content-Length: 46\r\n" CLOSE);
    promise_cancel(drip);
    promise_stream_unref(client);
    peer_close();
}
END_TEST

START_TEST(a_client_that_does_not_read_is_let_go_of) {
    promise_stream_t *client;
    size_t most;

    peer_open(handler, &impatient);
    client = dial();
    pulled = 0;
    say(client, "GET /endless HTTP/1.1\r\n" HOST "\r\n");
    turn_until(promise_http_server_connections(server) == 1);
    turn_until(promise_http_server_connections(server) == 0);
    most = pulled;
    ck_assert_uint_lt(most, 2048); /* what the kernel takes, and the high-water mark: not endless (R19) */
    ck_assert_str_eq(log_text, "HF");
    promise_stream_unref(client);
    peer_close();
}
END_TEST

START_TEST(a_handler_may_be_slow) {
    promise_stream_t *client;

    peer_open(handler, &impatient);
    client = dial();
    say(client, "GET /wait HTTP/1.1\r\n" HOST CLOSE);
    turn_until(*log_text);
    ck_assert_int_eq(promise_loop_run(loop, promise_sleep(loop, 200), NULL), 0);
    promise_resolve(waiting, promise_void());
    ck_assert_str_eq(hear_end(client), "HTTP/1.1 204 No Content\r\n" CLOSE);
    promise_stream_unref(client);
    peer_close();
}
END_TEST

/* ---- who leaves ---- */

START_TEST(R18_a_client_that_breaks_off_cancels_the_handler) {
    promise_stream_t *client;

    peer_open(handler, NULL);
    client = dial();
    say(client, "GET /wait HTTP/1.1\r\n" HOST "\r\n");
    turn_until(*log_text);
    hang_up(client);
    turn_until(promise_http_server_connections(server) == 0);
    ck_assert_str_eq(log_text, "HC"); /* no report: it is nobody's fault */
    peer_close();
}
END_TEST

START_TEST(a_client_that_closes_one_half_gets_its_answer) {
    promise_stream_t *client;

    peer_open(handler, NULL);
    client = dial();
    say(client, "GET /wait HTTP/1.1\r\n" HOST "\r\n");
    say_end(client);
    turn_until(*log_text);
    for (int i = 0; i < 10; i++) promise_loop_turn(loop); /* the end has come, too */
    promise_resolve(waiting, promise_void());
    ck_assert_str_eq(hear_end(client), "HTTP/1.1 204 No Content\r\n" CLOSE);
    ck_assert_str_eq(log_text, "H");
    promise_stream_unref(client);
    peer_close();
}
END_TEST

START_TEST(a_client_that_closes_is_not_worked_for_for_long) {
    promise_stream_t *client;

    peer_open(handler, &impatient);
    client = dial();
    say(client, "GET /wait HTTP/1.1\r\n" HOST "\r\n");
    turn_until(*log_text);
    promise_stream_unref(client);
    turn_until(promise_http_server_connections(server) == 0);
    ck_assert_str_eq(log_text, "HC");
    peer_close();
}
END_TEST

START_TEST(K6_requests_that_came_before_the_end_are_answered) {
    promise_stream_t *client;

    peer_open(handler, NULL);
    client = dial();
    say(client, "GET /wait HTTP/1.1\r\n" HOST "\r\nGET /a HTTP/1.1\r\n" HOST "\r\nGET /b HTTP/1.1\r\n" HOST "\r\nGET /c HT");
    say_end(client);
    turn_until(*log_text);
    for (int i = 0; i < 10; i++) promise_loop_turn(loop);
    promise_resolve(waiting, promise_void());
    (void)hear(client, "fine");
    (void)hear(client, "fine");
    (void)hear_end(client); /* of the third one there is but a part: 400, or just the end */
    ck_assert_str_eq(log_text, "HHH");
    promise_stream_unref(client);
    peer_close();
}
END_TEST

static const struct {
    const char *request, *log;
} partial[] = {
    {"GET / HT", ""},
    {"GET / HTTP/1.1\r\n" HOST "\r", ""},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nab", ""},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nab", ""},
};

START_TEST(R18_half_a_request_is_none) {
    promise_stream_t *client;

    peer_open(handler, NULL);
    client = dial();
    say(client, partial[_i].request);
    turn_until(promise_http_server_connections(server) == 1);
    say_end(client);
    ck_assert_int_eq(strncmp(hear_end(client), "HTTP/1.1 400 ", 13), 0);
    promise_stream_unref(client);
    client = dial();
    say(client, partial[_i].request);
    turn_until(promise_http_server_connections(server) == 1);
    hang_up(client);
    turn_until(promise_http_server_connections(server) == 0);
    ck_assert_str_eq(log_text, partial[_i].log);
    peer_close();
}
END_TEST

static const struct promise_http_server_options streaming = {.stream = true};

START_TEST(R19_a_streamed_body_that_breaks_off_rejects) {
    promise_stream_t *client;

    peer_open(handler, &streaming);
    client = dial();
    say(client, "POST /body HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nab");
    say_end(client);
    ck_assert_int_eq(strncmp(hear_end(client), "HTTP/1.1 400 ", 13), 0);
    ck_assert_str_eq(log_text, "H!");
    promise_stream_unref(client);
    peer_close();
}
END_TEST

static const char *const bad_bodies[][2] = {
    {"POST /body HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx\r\n", "HTTP/1.1 400 "},
    {"POST /body HTTP/1.1\r\n" HOST "Content-Length: 101\r\n\r\n", "HTTP/1.1 413 "},
};

START_TEST(a_streamed_body_that_is_wrong_is_the_clients_fault) {
    peer_open(handler, &streaming);
    ck_assert_int_eq(strncmp(ask(bad_bodies[_i][0]), bad_bodies[_i][1], 13), 0);
    ck_assert_str_eq(log_text, "H!");
    peer_close();
}
END_TEST

START_TEST(a_streamed_body_that_stalls_cancels_the_handler) {
    struct promise_http_server_options options = impatient;

    options.stream = true;
    peer_open(handler, &options);
    ck_assert_str_eq(ask("POST /wait HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n"), "");
    ck_assert_str_eq(log_text, "HC");
    peer_close();
}
END_TEST

START_TEST(R18_a_client_that_leaves_in_mid_response_closes_the_body) {
    static const char *const requests[] = {"GET /endless HTTP/1.1\r\n" HOST "\r\n", "GET /quiet HTTP/1.1\r\n" HOST "\r\n"};
    promise_stream_t *client;

    peer_open(handler, NULL);
    client = dial();
    say(client, requests[_i]);
    (void)hear(client, "\r\n\r\n");
    hang_up(client);
    turn_until(promise_http_server_connections(server) == 0);
    ck_assert_str_eq(log_text, _i ? "HCF" : "HF");
    peer_close();
}
END_TEST

/* ---- many ---- */

START_TEST(max_connections_are_not_exceeded) {
    const struct promise_http_server_options two = {.max_connections = 2};
    promise_stream_t *clients[3];

    peer_open(handler, &two);
    for (int i = 0; i < 3; i++) {
        clients[i] = dial();
        say(clients[i], "GET / HTTP/1.1\r\n" HOST CLOSE);
        if (i < 2) turn_until(promise_http_server_connections(server) == (size_t)i + 1 || *log_text);
        ck_assert_uint_le(promise_http_server_connections(server), 2);
    }
    for (int i = 0; i < 3; i++) {
        (void)hear(clients[i], "fine");
        promise_stream_unref(clients[i]);
    }
    peer_close();
}
END_TEST

START_TEST(R23_out_of_descriptors_clients_wait_and_are_served) {
    enum { CLIENTS = 8 };
    static const char request[] = "GET / HTTP/1.1\r\n" HOST CLOSE;
    struct rlimit limit, low;
    int clients[CLIENTS];
    char answer[4096];

    peer_open(handler, NULL);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = dial_socket();
        ck_assert_int_gt(send(clients[i], request, strlen(request), 0), 0);
    }
    low = limit;
    low.rlim_cur = (rlim_t)clients[CLIENTS - 1] + 3; /* room for two */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (int i = 0; i < CLIENTS; i++) {
        ssize_t n;
        while ((n = recv(clients[i], answer, sizeof answer, MSG_DONTWAIT)) < 0 && errno == EAGAIN) promise_loop_turn(loop);
        ck_assert_int_gt(n, 0);
    }
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int i = 0; i < CLIENTS; i++) close(clients[i]);
    ck_assert_str_eq(log_text, "HHHHHHHH");
    peer_close();
}
END_TEST

/* ---- the graceful end ---- */

static int64_t stop_outcome(promise_t *p) {
    promise_value_t v = promise_void();
    int64_t aborted;

    ck_assert_int_eq(promise_loop_run(loop, p, &v), 0);
    aborted = promise_as_int(v);
    promise_value_clear(&v);
    return aborted;
}

START_TEST(stop_answers_what_is_under_way) {
    promise_stream_t *busy, *idle;
    promise_t *p;

    peer_open(handler, NULL);
    idle = dial();
    busy = dial();
    say(busy, "GET /wait HTTP/1.1\r\n" HOST "\r\nGET /wait HTTP/1.1\r\n" HOST "\r\n");
    turn_until(*log_text && promise_http_server_connections(server) == 2);
    p = promise_http_server_stop(server, UINT64_MAX);
    ck_assert_str_eq(hear_end(idle), "");
    ck_assert_int_eq(promise_get_state(p), PROMISE_PENDING);
    promise_resolve(waiting, promise_void());
    ck_assert_str_eq(hear_end(busy), "HTTP/1.1 204 No Content\r\n" CLOSE);
    say_end(busy);
    ck_assert_int_eq(stop_outcome(p), 0);
    ck_assert_int_eq(stop_outcome(promise_http_server_stop(server, 0)), 0); /* again */
    promise_stream_unref(busy);
    promise_stream_unref(idle);
    ck_assert_str_eq(log_text, "H");
    peer_close();
}
END_TEST

START_TEST(stop_aborts_what_is_late) {
    promise_stream_t *client;

    peer_open(handler, NULL);
    client = dial();
    say(client, "GET /wait HTTP/1.1\r\n" HOST "\r\n");
    turn_until(*log_text);
    ck_assert_int_eq(stop_outcome(promise_http_server_stop(server, _i ? 20 : 0)), 1);
    ck_assert_str_eq(log_text, "HC");
    promise_stream_unref(client);
    peer_close();
}
END_TEST

START_TEST(stop_may_be_cancelled_and_outlived) {
    promise_value_t v = promise_void();
    promise_stream_t *client;
    promise_t *p;

    peer_open(handler, NULL);
    client = dial();
    say(client, "GET /wait HTTP/1.1\r\n" HOST "\r\n");
    turn_until(*log_text);
    promise_cancel(promise_http_server_stop(server, UINT64_MAX));
    p = promise_http_server_stop(server, UINT64_MAX);
    peer_free_server();
    ck_assert_int_eq(promise_loop_run(loop, p, &v), -1);
    ck_assert(promise_error_is(v, &promise_errors, PROMISE_ECLOSED));
    promise_value_clear(&v);
    promise_stream_unref(client);
    ck_assert_str_eq(log_text, "HC");
    peer_free_loop();
}
END_TEST

START_TEST(T4_a_handler_may_close_its_server) {
    peer_open(handler, NULL);
    ck_assert_str_eq(ask("GET /close HTTP/1.1\r\n" HOST "\r\n"), "");
    ck_assert_str_eq(log_text, "H");
    peer_free_loop();
}
END_TEST

static void close_server(void *resolver) {
    note('C');
    peer_free_server();
    promise_abandon(resolver);
}

START_TEST(T4_a_stop_function_may_close_the_server) {
    promise_stream_t *client;

    peer_open(handler, _i ? &impatient : NULL);
    client = dial();
    say(client, "GET /wait HTTP/1.1\r\n" HOST "\r\n");
    turn_until(*log_text);
    promise_on_cancel(waiting, close_server, waiting);
    if (_i) promise_stream_unref(client); /* from the deadline's event */
    else hang_up(client);
    turn_until(!server);
    ck_assert_str_eq(log_text, "HC");
    peer_free_loop();
}
END_TEST

/* ---- the end in each state ---- */

static const struct {
    const char *request, *log;
    bool stream;
} states[] = {
    {"", "", false},                                                                   /* idle */
    {"GET / HT", "", false},                                                           /* a part of a head */
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\na", "", false},              /* a part of a body */
    {"GET /wait HTTP/1.1\r\n" HOST "\r\n", "HC", false},                               /* the handler */
    {"GET /wait HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n" HOST "\r\n", "HC", false}, /* with another request behind it */
    {"POST /body HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\na", "H!", true},         /* the handler, reading */
    {"GET /endless HTTP/1.1\r\n" HOST "\r\n", "HF", false},                            /* the response, which is not read */
    {"GET /quiet HTTP/1.1\r\n" HOST "\r\n", "HCF", false},                             /* its body, which does not come */
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\na", "H", true},              /* a rest that is drained */
    {"nonsense\r\n\r\nand more", "", false},                                           /* lingering */
};

static void enter_state(int i, promise_stream_t **client) {
    const struct promise_http_server_options options = {.stream = states[i].stream};

    pulled = 0;
    peer_open(handler, &options);
    *client = dial();
    say(*client, states[i].request);
    turn_until(promise_http_server_connections(server) == 1 && (!*states[i].log || *log_text));
    for (int turns = 0; turns < 50; turns++) promise_loop_turn(loop);
}

START_TEST(closed_in_each_state) {
    promise_stream_t *client;

    enter_state(_i, &client);
    peer_free_server();
    promise_loop_turn(loop);
    ck_assert_str_eq(log_text, states[_i].log);
    promise_stream_unref(client);
    peer_free_loop();
}
END_TEST

START_TEST(J5_the_loop_freed_in_each_state) {
    promise_stream_t *client;

    enter_state(_i, &client);
    promise_stream_unref(client);
    peer_free_loop();
    ck_assert_str_eq(log_text, states[_i].log);
}
END_TEST

START_TEST(stopped_in_each_state) {
    promise_stream_t *client;

    enter_state(_i, &client);
    ck_assert_int_ge(stop_outcome(promise_http_server_stop(server, 1)), 0);
    ck_assert_uint_eq(promise_http_server_connections(server), 0);
    promise_stream_unref(client);
    peer_close();
}
END_TEST

/* ---- a layer that makes connections secure ---- */

static promise_t *secure_same(promise_stream_t *plain, const char *host, void *arg) {
    (void)host;
    note(*(char *)arg);
    return promise_from(loop, promise_stream_value(plain));
}

static promise_t *secure_not(promise_stream_t *plain, const char *host, void *arg) {
    (void)host, (void)arg;
    promise_stream_unref(plain);
    return promise_from(loop, promise_throw_errno(EPROTO, "no"));
}

static promise_t *secure_never(promise_stream_t *plain, const char *host, void *arg) {
    promise_t *p = promise_new(loop, &waiting);

    (void)host, (void)arg;
    promise_stream_unref(plain);
    promise_on_cancel(waiting, stopped, waiting);
    return p;
}

START_TEST(connections_are_made_secure) {
    struct promise_http_server_options options = {.secure = secure_same, .secure_arg = "S", .header_ms = 50};

    peer_open(handler, &options);
    ck_assert_ptr_nonnull(strstr(ask("GET / HTTP/1.1\r\n" HOST CLOSE), "fine"));
    ck_assert_str_eq(log_text, "SH");
    peer_close();
    memset(log_text, 0, sizeof log_text);
    options.secure = secure_not;
    peer_open(handler, &options);
    ck_assert_str_eq(ask(""), "");
    peer_close();
    options.secure = secure_never;
    peer_open(handler, &options);
    ck_assert_str_eq(ask(""), "");
    ck_assert_str_eq(log_text, "C");
    peer_close();
}
END_TEST

static TCase *with_states(const char *name, const TTest *test) {
    TCase *t = tcase_create(name);

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, test, 0, sizeof states / sizeof *states);
    return t;
}

int main(void) {
    Suite *suite = suite_create("http_server_faults");
    TCase *t = tcase_create("http_faults");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, malformed_requests_are_refused_and_closed, 0, sizeof malformed / sizeof *malformed);
    tcase_add_test(t, a_refused_client_gets_the_answer_though_it_goes_on_sending);
    tcase_add_loop_test(t, slow_clients_are_not_waited_for, 0, sizeof slow / sizeof *slow);
    tcase_add_test(t, idle_connections_are_closed);
    tcase_add_test(t, idle_connections_are_closed_after_a_request_too);
    tcase_add_test(t, slow_loris_gets_the_time_of_one_head);
    tcase_add_test(t, a_client_that_does_not_read_is_let_go_of);
    tcase_add_test(t, a_handler_may_be_slow);
    tcase_add_test(t, R18_a_client_that_breaks_off_cancels_the_handler);
    tcase_add_test(t, a_client_that_closes_one_half_gets_its_answer);
    tcase_add_test(t, a_client_that_closes_is_not_worked_for_for_long);
    tcase_add_test(t, K6_requests_that_came_before_the_end_are_answered);
    tcase_add_loop_test(t, R18_half_a_request_is_none, 0, sizeof partial / sizeof *partial);
    tcase_add_test(t, R19_a_streamed_body_that_breaks_off_rejects);
    tcase_add_loop_test(t, a_streamed_body_that_is_wrong_is_the_clients_fault, 0, 2);
    tcase_add_test(t, a_streamed_body_that_stalls_cancels_the_handler);
    tcase_add_loop_test(t, R18_a_client_that_leaves_in_mid_response_closes_the_body, 0, 2);
    tcase_add_test(t, max_connections_are_not_exceeded);
    tcase_add_test(t, R23_out_of_descriptors_clients_wait_and_are_served);
    tcase_add_test(t, stop_answers_what_is_under_way);
    tcase_add_loop_test(t, stop_aborts_what_is_late, 0, 2);
    tcase_add_test(t, stop_may_be_cancelled_and_outlived);
    tcase_add_test(t, T4_a_handler_may_close_its_server);
    tcase_add_loop_test(t, T4_a_stop_function_may_close_the_server, 0, 2);
    tcase_add_test(t, connections_are_made_secure);
    suite_add_tcase(suite, t);
    suite_add_tcase(suite, with_states("close", closed_in_each_state));
    suite_add_tcase(suite, with_states("loop_free", J5_the_loop_freed_in_each_state));
    suite_add_tcase(suite, with_states("stop", stopped_in_each_state));
    return test_main(suite);
}
