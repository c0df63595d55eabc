#include "http.h"

#include <promise.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/net/http_message.h"

enum { MAX_HEAD = 4096, MAX_BODY = 16 << 10, MAX_MESSAGES = 4, SMALL = 250 };
enum how { WHOLE, PIECES, DRIPPING };

static promise_loop_t *loop;

/* What was understood: a line for each message, and the bodies. No head is longer. */
struct account {
    char text[MAX_MESSAGES * (MAX_BODY + MAX_HEAD) + 100];
    size_t size;
};

static void check(bool holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void add(struct account *a, const char *text, size_t size) {
    check(size <= sizeof a->text - a->size, "an account that is too long");
    memcpy(a->text + a->size, text, size);
    a->size += size;
}

static void add_line(struct account *a, const char *format, const char *text, int number) {
    char line[MAX_HEAD + 64];

    snprintf(line, sizeof line, format, text, number);
    add(a, line, strlen(line));
}

/* ---- heads ---- */

static struct http_message *parse(bool request, const char *head, size_t size) {
    struct http_fault fault;
    struct http_message *m = request ? promise__http_parse_request(loop, head, size, &fault)
                                     : promise__http_parse_response(loop, head, size, &fault);

    check(m || (fault.what && fault.status >= 400), "refused without a reason");
    return m;
}

static bool same(const char *a, const char *b) { return a && b ? !strcmp(a, b) : a == b; }

static void check_same(const struct http_message *m, const struct http_message *n) {
    struct http_framing a = promise__http_framing(m, "GET"), b = promise__http_framing(n, "GET");

    check(m->status == n->status && m->keep_alive == n->keep_alive, "another status, or connection");
    check(a.kind == b.kind && a.size == b.size, "another framing");
    check(same(m->target, n->target) && same(m->path, n->path) && same(m->query, n->query), "another target");
    check(m->count == n->count, "another number of headers");
    for (size_t i = 0; i < m->count; i++) {
        check(same(m->fields[i].name, n->fields[i].name), "another name of a header");
        check(same(m->fields[i].value, n->fields[i].value), "another value of a header");
        check(same(m->fields[i].joined, n->fields[i].joined), "other values of a header");
    }
}

static void check_path(const struct http_message *m) {
    if (!m->path) return;
    check(*m->path == '/' || !strcmp(m->path, "*") || !strcmp(m->method, "CONNECT"), "a path without a slash");
    for (const char *step = m->path; (step = strstr(step, "/..")); step += 3)
        check(step[3] && step[3] != '/', "a path that leads out");
}

static void write_again(const struct http_message *m) {
    struct http_buffer b;
    struct http_message *n;
    promise_value_t v;
    const char *head;
    size_t size;

    promise__http_buffer_init(&b);
    if (m->status) promise__http_puts(&b, m->minor ? "HTTP/1.1 " : "HTTP/1.0 "), promise__http_putf(&b, "%d\r\n", m->status);
    else {
        promise__http_puts(&b, m->method), promise__http_puts(&b, " "), promise__http_puts(&b, m->target);
        promise__http_puts(&b, m->minor ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
    }
    promise__http_put_fields(&b, m);
    v = promise__http_take(&b);
    check(!promise_is_rejection(v), "what was understood cannot be written");
    head = promise_as_bytes(v, &size);
    n = parse(!m->status, head, size - 2);
    check(n != NULL, "what was written cannot be understood");
    check_same(m, n);
    promise__http_message_unref(n);
    promise_value_clear(&v);
}

/* ---- messages ---- */

static void on_done(bool whole, void *arg) {
    (void)whole;
    ++*(int *)arg;
}

/* Adds the outcome of p; true when it was fulfilled. */
static bool settle(struct account *a, promise_t *p) {
    promise_value_t v = promise_void();
    size_t size = 0;
    bool fine = promise_loop_run(loop, p, &v) == 0;

    if (!fine) {
        check(promise_error_domain(v) == &promise_http_errors, promise_error_message(v));
        add(a, "!\n", 2); /* of several things that are wrong, which one is seen first depends */
    } else if (promise_is(v, &promise_type_bytes) || promise_is(v, &promise_type_string)) {
        const char *bytes = promise_as_bytes(v, &size);
        add(a, bytes, size);
    }
    promise_value_clear(&v);
    return fine;
}

static promise_value_t append(promise_value_t pair, void *max) {
    size_t a, b;
    const char *before = promise_as_bytes(promise_list_get(pair, 0), &a);
    const char *piece = promise_as_bytes(promise_list_get(pair, 1), &b);
    char *both;

    if (a + b > *(size_t *)max) return promise_throw(&promise_http_errors, PROMISE_HTTP_ETOOLARGE, "too much");
    both = malloc(a + b + 1);
    if (!both) abort();
    memcpy(both, before, a);
    memcpy(both + a, piece, b);
    return promise_bytes_take(both, a + b);
}

static bool read_body(struct account *a, promise_stream_t *stream, struct http_framing framing, enum how how) {
    static size_t max = MAX_BODY;
    int done = 0;
    struct http_reader *reader;
    bool fine;

    if (framing.kind == HTTP_EMPTY) return true;
    reader = promise__http_reader_new(stream, framing, on_done, &done);
    if (how == PIECES) {
        fine = settle(a, promise_reduce(promise__http_reader_chunks(reader), promise_bytes(NULL, 0), append, &max));
    } else {
        fine = settle(a, promise__http_reader_all(reader, MAX_BODY));
        check(done == 1, "a body that does not end");
        promise__http_reader_free(reader);
    }
    check(done == 1, "a body that ends twice");
    return fine;
}

/* One head and its body: is there perhaps another one? */
static bool read_message(struct account *a, promise_stream_t *stream, bool request, enum how how) {
    struct account *head = malloc(sizeof *head);
    struct http_message *m = NULL;
    bool fine;

    if (!head) abort();
    head->size = 0;
    fine = settle(head, promise__http_read_head(stream, MAX_HEAD));
    if (fine) m = parse(request, head->text, head->size);
    else add(a, head->text, head->size);
    free(head);
    if (!m) return false;
    check_path(m);
    write_again(m);
    add_line(a, "%s %d\n", m->method ? m->method : "status", m->status);
    fine = read_body(a, stream, promise__http_framing(m, "GET"), how);
    promise__http_message_unref(m);
    return fine;
}

/* ---- three times ---- */

struct drip { /* some bytes at a time */
    promise_stream_t *stream;
    const uint8_t *data;
    size_t size, step;
};

static promise_value_t drip(promise_value_t v, void *arg) {
    struct drip *d = arg;
    size_t size = d->step < d->size ? d->step : d->size;

    (void)v;
    if (!size) {
        promise_unref(promise_stream_shutdown(d->stream));
        return promise_end();
    }
    promise_unref(promise_stream_write(d->stream, promise_bytes(d->data, size)));
    d->data += size;
    d->size -= size;
    d->step = d->step % 7 + 1;
    return promise_adopt(promise_sleep(NULL, 0));
}

static void read_messages(struct account *a, bool request, const uint8_t *data, size_t size, enum how how) {
    promise_stream_t *ends[2];
    struct drip d = {.data = data, .size = size, .step = how == DRIPPING ? 1 : size};
    promise_t *said;
    int n = 0;

    promise_stream_pair(loop, ends);
    d.stream = ends[0];
    said = promise_repeat(loop, drip, &d);
    a->size = 0;
    while (n < MAX_MESSAGES && read_message(a, ends[1], request, how)) n++;
    promise_cancel(said);
    promise_stream_unref(ends[0]);
    promise_stream_unref(ends[1]);
    promise_loop_turn(loop);
}

void fuzz_messages(bool request, const uint8_t *data, size_t size) {
    static struct account whole, other;

    if (!loop) loop = promise_loop_new(NULL);
    if (!loop) abort();
    read_messages(&whole, request, data, size, WHOLE);
    read_messages(&other, request, data, size, PIECES);
    check(other.size == whole.size && !memcmp(other.text, whole.text, whole.size), "understood otherwise in pieces");
    if (size > SMALL) return;
    read_messages(&other, request, data, size, DRIPPING);
    check(other.size == whole.size && !memcmp(other.text, whole.text, whole.size), "understood otherwise when it comes slowly");
}
