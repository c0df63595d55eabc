/*
 * The HTTP server without memory (O2): each allocation fails once, around whole conversations. Whatever happens, the client
 * gets an answer or the end of its connection, the server goes on, and nothing is left.
 */
#include "peer.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "Host: x\r\n"
#define CLOSE "Connection: close\r\n\r\n"

static promise_value_t later(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_string("later");
}

static promise_value_t piece(promise_value_t v, void *arg) {
    (void)v;
    return *(int *)arg ? ((*(int *)arg)--, promise_string("piece")) : promise_end();
}

static promise_value_t handler(promise_value_t r, void *arg) {
    static int left;
    const char *path = promise_http_path(r);
    promise_value_t response;

    (void)arg;
    (void)promise_http_peer(r);
    if (!strcmp(path, "/later")) return promise_adopt(promise_then(promise_sleep(NULL, 0), later, NULL));
    if (!strcmp(path, "/stream")) {
        left = 3;
        return promise_http_response_stream(200, promise_pull(NULL, piece, &left), UINT64_MAX);
    }
    if (!strcmp(path, "/body")) return promise_adopt(promise_http_read_body(r, 1000));
    if (!strcmp(path, "/throw")) return promise_throw(&promise_http_errors, 404, "nothing");
    if (!strcmp(path, "/file")) return promise_http_serve_file(r, "/");
    response = promise_http_response(200, promise_string("fine"));
    (void)promise_http_add_header(response, "A", "b");
    return response;
}

static void no_report(promise_value_t request, promise_value_t reason, void *arg) { (void)request, (void)reason, (void)arg; }

/* Until the server has ended the connection, with or without an answer. */
static void hear_socket(int fd) {
    char answer[4096];
    ssize_t n;

    while ((n = recv(fd, answer, sizeof answer, MSG_DONTWAIT)) != 0) {
        if (n < 0 && errno != EAGAIN) break; /* reset */
        if (n < 0) promise_loop_turn(loop);
    }
    close(fd);
}

static void converse(const char *request) {
    int fd = dial_socket();

    ck_assert_int_gt(send(fd, request, strlen(request), MSG_NOSIGNAL), 0);
    shutdown(fd, SHUT_WR);
    hear_socket(fd);
}

static const struct {
    const char *request;
    bool stream;
} conversations[] = {
    {"GET / HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n" HOST CLOSE, false},
    {"GET /later HTTP/1.1\r\n" HOST CLOSE, false},
    {"GET /stream HTTP/1.1\r\n" HOST CLOSE, false},
    {"GET /throw HTTP/1.0\r\n\r\n", false},
    {"GET /file HTTP/1.0\r\n\r\n", false},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n" CLOSE "abc", false},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n" CLOSE "3\r\nabc\r\n0\r\n\r\n", false},
    {"POST /body HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n" CLOSE "3\r\nabc\r\n0\r\n\r\n", true},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n" HOST CLOSE, true},
    {"nonsense\r\n\r\n", false},
};

START_TEST(O2_each_allocation_fails_once) {
    const struct promise_http_server_options options = {.stream = conversations[_i].stream, .report = no_report};
    size_t n = 0;
    bool failed;

    do {
        peer_open(handler, &options);
        test_alloc_fail_at(++n);
        converse(conversations[_i].request);
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        converse("GET / HTTP/1.0\r\n\r\n"); /* the next one is served */
        turn_until(promise_http_server_connections(server) == 0);
        peer_close();
    } while (failed);
}
END_TEST

START_TEST(O2_a_server_without_memory) {
    struct promise_http_server_options options = {.name = "me"};
    promise_http_server_t *s;
    size_t n = 0;
    bool failed;

    open_loop(0);
    do {
        test_alloc_fail_at(++n);
        s = promise_http_server_new(loop, "127.0.0.1", 0, handler, NULL, &options);
        failed = test_alloc_failed();
        test_alloc_fail_at(0);
        ck_assert_ptr_nonnull(s);
        (void)promise_http_server_listener(s);
        ck_assert_uint_eq(promise_http_server_connections(s), 0);
        promise_unref(promise_catch(promise_http_server_stop(s, 0), later, NULL));
        promise_http_server_close(s);
        promise_loop_turn(loop);
    } while (failed);
    promise_loop_free(loop);
    ck_assert_uint_eq(test_alloc_live(), live);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("http_server_oom");
    TCase *t = tcase_create("http_server_oom");

    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, O2_each_allocation_fails_once, 0, sizeof conversations / sizeof *conversations);
    tcase_add_test(t, O2_a_server_without_memory);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
