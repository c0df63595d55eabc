/* Streams: what comes is given back; lines that are commands; bytes from one to the other; a writer that is held up. */
#include "tour.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* region: echo */
static promise_value_t echo_chunk(promise_value_t bytes, void *stream) {
    return promise_adopt(promise_stream_write(stream, bytes)); /* the next one is read when this one has found room */
}

static promise_value_t hang_up(promise_value_t v, void *stream) {
    (void)v;
    return promise_adopt(promise_stream_close(stream));
}

static promise_t *echo(promise_stream_t *stream) {
    promise_t *p = promise_each(promise_stream_chunks(stream, 65536), 1, echo_chunk, stream);
    p = promise_finally(p, hang_up, stream); /* whatever happens */
    return promise_attach(p, promise_stream_ref(stream), promise_stream_unref);
}
/* end: echo */

static promise_t *echo_and_client(promise_loop_t *loop) {
    promise_stream_t *ends[2];
    promise_stream_pair(loop, ends);
    promise_unref(echo(ends[1]));
    promise_stream_unref(ends[1]); /* the echo has its own reference */
    promise_unref(promise_stream_write(ends[0], promise_string("is anybody there?")));
    promise_unref(promise_stream_shutdown(ends[0]));
    promise_t *p = promise_then(promise_stream_read_all(ends[0], 1000), show, "echo");
    return promise_attach(p, ends[0], promise_stream_unref);
}

/* region: lines */
static promise_value_t answer(promise_value_t line, void *stream) {
    const char *text = promise_as_string(line);
    if (strcmp(text, "quit") == 0) return promise_throw(&promise_errors, PROMISE_ECLOSED, "bye"); /* ends each */
    if (strncmp(text, "hello ", 6) != 0) return promise_throw_errno(EPROTO, "\"%s\" is no command", text);
    return promise_adopt(promise_stream_write(stream, promise_stringf("nice to meet you, %s\n", text + 6)));
}

static promise_value_t say_why(promise_value_t reason, void *stream) {
    return promise_adopt(promise_stream_write(stream, promise_stringf("%s\n", promise_error_message(reason))));
}

static promise_t *serve(promise_stream_t *stream) {
    promise_t *p = promise_each(promise_stream_lines(stream, 512), 1, answer, stream); /* a longer one rejects: EMSGSIZE */
    p = promise_timeout(p, 60000);
    p = promise_catch(p, say_why, stream);
    p = promise_finally(p, hang_up, stream);
    return promise_attach(p, promise_stream_ref(stream), promise_stream_unref);
}
/* end: lines */

static promise_t *lines(promise_loop_t *loop) {
    promise_stream_t *ends[2];
    promise_stream_pair(loop, ends);
    promise_unref(serve(ends[1]));
    promise_stream_unref(ends[1]);
    promise_unref(promise_stream_write(ends[0], promise_string("hello Ann\r\nhello Bob\nquit\n")));
    promise_t *p = promise_then(promise_each(promise_stream_lines(ends[0], 512), 1, show, "lines"), show, "lines");
    return promise_attach(p, ends[0], promise_stream_unref);
}

/* region: frame */
static promise_value_t got_body(promise_value_t body, void *stream) {
    (void)stream;
    if (promise_is_end(body)) return promise_throw_errno(EPROTO, "the body is missing");
    return body;
}

static promise_value_t got_size(promise_value_t head, void *stream) {
    if (promise_is_end(head)) return head; /* no more frames */
    const unsigned char *b = (const unsigned char *)promise_as_bytes(head, NULL);
    return promise_adopt(promise_then(promise_stream_read_exactly(stream, (size_t)b[0] << 8 | b[1]), got_body, stream));
}

static promise_t *read_frame(promise_stream_t *stream) { /* two bytes with the size, then so many */
    return promise_then(promise_stream_read_exactly(stream, 2), got_size, stream);
}
/* end: frame */

static promise_t *frame(promise_loop_t *loop) {
    promise_stream_t *ends[2];
    promise_stream_pair(loop, ends);
    promise_unref(promise_stream_write(ends[0], promise_bytes("\0\5howdy", 7)));
    promise_t *p = promise_then(read_frame(ends[1]), show, "frame");
    p = promise_attach(p, ends[1], promise_stream_unref);
    return promise_attach(p, ends[0], promise_stream_unref);
}

/* region: copy */
static promise_value_t carry_end_over(promise_value_t bytes, void *to) {
    (void)bytes; /* how many they were */
    return promise_adopt(promise_stream_shutdown(to));
}

static promise_t *connect_both(promise_loop_t *loop, promise_stream_t *a, promise_stream_t *b) {
    promise_t *there = promise_then(promise_stream_copy(a, b), carry_end_over, b);
    promise_t *back = promise_then(promise_stream_copy(b, a), carry_end_over, a);
    promise_t *p = promise_all_of(loop, there, back, NULL);             /* the first error stops the other direction */
    p = promise_attach(p, promise_stream_ref(a), promise_stream_unref); /* for as long as the handlers use them */
    return promise_attach(p, promise_stream_ref(b), promise_stream_unref);
}
/* end: copy */

static promise_t *copy(promise_loop_t *loop) {
    promise_stream_t *client[2], *server[2];
    promise_stream_pair(loop, client);
    promise_stream_pair(loop, server);
    promise_unref(connect_both(loop, client[1], server[1])); /* it has its own references */
    promise_unref(echo(server[0]));
    for (int i = 0; i < 2; i++) promise_stream_unref(server[i]);
    promise_stream_unref(client[1]);
    promise_unref(promise_stream_write(client[0], promise_string("through the middle")));
    promise_unref(promise_stream_shutdown(client[0]));
    promise_t *p = promise_then(promise_stream_read_all(client[0], 1000), show, "copy");
    return promise_attach(p, client[0], promise_stream_unref);
}

/* region: backpressure */
enum { ROWS = 100000 };

struct table {
    promise_stream_t *stream;
    int row;
    size_t most; /* that waited to be sent at any time */
};

static promise_value_t write_row(promise_value_t v, void *arg) {
    struct table *t = arg;
    (void)v;
    if (promise_stream_unsent(t->stream) > t->most) t->most = promise_stream_unsent(t->stream);
    if (t->row++ == ROWS) return promise_end();
    return promise_adopt(promise_stream_write(t->stream, promise_stringf("row %d\n", t->row)));
}

static promise_value_t all_rows(promise_value_t v, void *arg) {
    struct table *t = arg;
    (void)v;
    printf("backpressure: never more than 64 KiB and a row in memory: %s\n", t->most <= 65536 + 16 ? "yes" : "no");
    return promise_adopt(promise_stream_close(t->stream));
}

static promise_t *write_table(promise_loop_t *loop, struct table *t) {
    return promise_then(promise_repeat(loop, write_row, t), all_rows, t);
}
/* end: backpressure */

static promise_value_t count(promise_value_t chunk, void *bytes) {
    size_t size;
    promise_as_bytes(chunk, &size);
    *(size_t *)bytes += size;
    return promise_void();
}

static promise_t *backpressure(promise_loop_t *loop) {
    static struct table table;
    static size_t bytes;
    promise_stream_t *ends[2];
    promise_stream_pair(loop, ends);
    table.stream = ends[0];
    promise_t *writer = promise_attach(write_table(loop, &table), ends[0], promise_stream_unref);
    promise_t *reader = promise_each(promise_stream_chunks(ends[1], 4096), 1, count, &bytes);
    return promise_all_of(loop, writer, promise_attach(reader, ends[1], promise_stream_unref), NULL);
}

int main(void) {
    tour_fn *parts[] = {echo_and_client, lines, frame, copy, backpressure};
    return tour(sizeof parts / sizeof *parts, parts);
}
