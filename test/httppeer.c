#include "httppeer.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../src/net/http_message.h"

struct peer peer;
promise_http_client_t *client;
promise_value_t outcome;

static size_t fds;
static promise_t *speaking; /* what silent answers wait for */
static promise_resolver_t *speak;

/* ---- one connection ---- */

struct visit {
    promise_stream_t *stream;
    struct http_reader *reader;
    const struct page *page;
    bool is_first; /* to ask for this page */
};

static void drop_reader(struct visit *v) {
    promise__http_reader_free(v->reader);
    v->reader = NULL;
}

static void visit_free(void *arg) {
    struct visit *v = arg;

    drop_reader(v);
    promise_stream_unref(v->stream);
    peer.open--;
    free(v);
}

static const struct page *find_page(const char *path) {
    static const struct page none = {"", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone", STAY, NULL};
    const struct page *p = peer.pages;

    while (p->path && strcmp(p->path, path) != 0) p++;
    return p->path ? p : &none;
}

static promise_value_t end(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_end();
}

static promise_value_t after(promise_value_t v, void *arg) {
    struct visit *visit = arg;
    const struct linger reset = {1, 0};
    enum after what = visit->is_first && visit->page->first ? CLOSE : visit->page->after;

    (void)v;
    if (what == STAY) return promise_void();
    if (what == HANG) return promise_adopt(promise_then(promise_stream_read(visit->stream, 1), end, NULL));
    if (what == CLOSE) return promise_adopt(promise_then(promise_stream_close(visit->stream), end, NULL));
    setsockopt(promise_stream_fd(visit->stream), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    promise_stream_abort(visit->stream);
    return promise_end();
}

static promise_value_t answer(promise_value_t v, void *arg) {
    struct visit *visit = arg;
    const char *text = visit->is_first && visit->page->first ? visit->page->first : visit->page->text;

    (void)v;
    return promise_adopt(promise_then(promise_stream_write(visit->stream, promise_string(text ? text : "")), after, visit));
}

static promise_value_t answer_in_time(struct visit *visit) {
    peer.requested++;
    return peer.silent ? promise_adopt(promise_then(promise_ref(speaking), answer, visit)) : answer(promise_void(), visit);
}

static void note_request(const char *text) {
    size_t size = strlen(peer.requests);

    snprintf(peer.requests + size, sizeof peer.requests - size, "%s", text);
}

static promise_value_t got_body(promise_value_t body, void *arg) {
    struct visit *visit = arg;
    size_t size;
    const char *text = promise_as_bytes(body, &size);

    drop_reader(visit);
    peer.requests[strlen(peer.requests) - 1] = ' ';
    note_request(size < 100 ? text : "(much)");
    note_request("\n");
    return answer_in_time(visit);
}

static void nothing(bool whole, void *arg) { (void)whole, (void)arg; }

static promise_value_t got_request(promise_value_t head, void *arg) {
    struct visit *visit = arg;
    struct http_fault fault;
    struct http_framing framing;
    struct http_message *m;
    char line[512];
    size_t size;

    if (promise_is_end(head)) return head;
    snprintf(peer.head, sizeof peer.head, "%s", promise_as_bytes(head, &size));
    m = promise__http_parse_request(loop, peer.head, size, &fault);
    ck_assert_msg(m != NULL, "the client said %s: %s", peer.head, fault.what);
    framing = promise__http_framing(m, "GET");
    visit->page = find_page(m->target);
    snprintf(line, sizeof line, " %s", m->target);
    visit->is_first = !strstr(peer.requests, line);
    snprintf(line, sizeof line, "%s %s\n", m->method, m->target);
    note_request(line);
    promise__http_message_unref(m);
    if (framing.kind == HTTP_EMPTY) return answer_in_time(visit);
    visit->reader = promise__http_reader_new(visit->stream, framing, nothing, NULL);
    return promise_adopt(promise_then(promise__http_reader_all(visit->reader, 64 << 20), got_body, visit));
}

static promise_value_t next_request(promise_value_t v, void *arg) {
    struct visit *visit = arg;

    (void)v;
    return promise_adopt(promise_then(promise__http_read_head(visit->stream, 1 << 20), got_request, visit));
}

static promise_value_t ignore(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}

static promise_value_t on_client(promise_value_t v, void *arg) {
    struct visit *visit = calloc(1, sizeof *visit);

    (void)arg;
    visit->stream = promise_stream_ref(promise_as_stream(v));
    peer.connections++;
    if (++peer.open > peer.most_open) peer.most_open = peer.open;
    return promise_adopt(
        promise_attach(promise_catch(promise_repeat(NULL, next_request, visit), ignore, NULL), visit, visit_free));
}

/* ---- open and close ---- */

size_t count_fds(void) {
    DIR *folder = opendir("/proc/self/fd");
    size_t n = 0;

    if (!folder) return 0;
    while (readdir(folder)) n++;
    closedir(folder);
    return n;
}

static promise_listener_t *listen_here(void) {
    promise_listener_t *l = promise_listener_new(loop, "127.0.0.1", 0);

    ck_assert_uint_ne(promise_listener_port(l), 0);
    promise_unref(promise_catch(promise_each(promise_listener_accepted(l), 0, on_client, NULL), ignore, NULL));
    return l;
}

static void stop_listening(promise_listener_t *l) {
    ck_assert_int_eq(settle(promise_listener_stop(l, UINT64_MAX)), 0); /* when all have left */
    promise_listener_close(l);
}

void open_peer_with(const struct page *pages, const struct promise_http_client_options *options) {
    peer = (struct peer){.pages = pages};
    fds = count_fds();
    open_loop(0);
    peer.listener = listen_here();
    peer.other = listen_here();
    speaking = promise_new(loop, &speak);
    client = promise_http_client_new(loop, options);
}

void open_peer(const struct page *pages) { open_peer_with(pages, NULL); }

void close_gate(void) {
    promise_resolve(speak, promise_void());
    promise_unref(speaking);
}

void close_peer(void) {
    promise_value_clear(&outcome);
    promise_http_client_close(client);
    stop_listening(peer.listener);
    stop_listening(peer.other);
    promise_value_clear(&outcome);
    close_gate();
    while (peer.open) promise_loop_turn(loop);
    promise_loop_free(loop);
    ck_assert_uint_eq(test_alloc_live(), live);
    ck_assert_uint_eq(count_fds(), fds);
}

void peer_speaks(void) {
    peer.silent = false;
    promise_resolve(promise_resolver_ref(speak), promise_void());
}

/* ---- asking ---- */

static const char *url_at(const promise_listener_t *l, const char *path) {
    static char urls[8][1024];
    static unsigned n;
    char *url = urls[n++ % 8];

    snprintf(url, sizeof urls[0], "http://127.0.0.1:%u%s", (unsigned)promise_listener_port(l), path);
    return url;
}

const char *url_of(const char *path) { return url_at(peer.listener, path); }
const char *other_url_of(const char *path) { return url_at(peer.other, path); }

promise_t *ask(struct promise_http_request request) {
    request.url = url_of(request.url);
    return promise_http_client_request(client, &request);
}

promise_t *get(const char *path) { return ask((struct promise_http_request){.url = path}); }

promise_t *get_other(const char *path) {
    const struct promise_http_request request = {.url = other_url_of(path)};
    return promise_http_client_request(client, &request);
}

int settle(promise_t *p) {
    promise_value_clear(&outcome);
    return promise_loop_run(loop, p, &outcome);
}

int fetch(const char *path) { return settle(get(path)); }

void wait_until(const size_t *number, size_t is) {
    while (*number != is) event_base_loop(promise_loop_base(loop), EVLOOP_ONCE);
}

void wait_until_idle(size_t idle, size_t active) {
    while (promise_http_client_idle(client) != idle || promise_http_client_active(client) != active)
        event_base_loop(promise_loop_base(loop), EVLOOP_ONCE);
}

/* ---- what came ---- */

void body_is(const char *expected) {
    size_t size;
    const char *bytes;

    ck_assert_msg(promise_is(outcome, &promise_type_http), "%s", promise_error_message(outcome));
    bytes = promise_as_bytes(promise_http_body(outcome), &size);
    ck_assert_str_eq(bytes, expected);
    ck_assert_uint_eq(size, strlen(expected));
}

void error_is(int code, const char *said) {
    ck_assert(promise_is_rejection(outcome));
    ck_assert_msg(promise_error_domain(outcome) == &promise_http_errors, "%s", promise_error_message(outcome));
    ck_assert_msg(promise_error_code(outcome) == code, "%d: %s", promise_error_code(outcome), promise_error_message(outcome));
    ck_assert_msg(strstr(promise_error_message(outcome), said) != NULL, "%s", promise_error_message(outcome));
}

void is_closed(void) {
    ck_assert(promise_is_rejection(outcome));
    ck_assert_msg(promise_error_domain(outcome) == &promise_errors, "%s", promise_error_message(outcome));
    ck_assert_int_eq(promise_error_code(outcome), PROMISE_ECLOSED);
}

void requests_are(const char *expected) {
    ck_assert_str_eq(peer.requests, expected);
    *peer.requests = 0;
}
