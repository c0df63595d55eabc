/*
 * The body of a message that comes (RFC 9112, sections 6 and 7): pieces from a stream, until its end.
 *
 * Each step is one read of the stream. The reader keeps a reference to it until its handler has run: so a cancel stops what
 * waits for the piece, but never takes away a piece that has come (K6).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <promise/memory.h>
#include <promise/source.h>

#include "http_message.h"

enum state { DATA, DATA_END, CHUNK_LINE, TRAILERS, ENDED, FAILED };

struct http_reader {
    promise_stream_t *stream; /* a reference of ours */
    promise_t *reading;       /* the read that is under way, or whose outcome was not looked at; a reference of ours */
    promise_fn *got;          /* its handler */
    promise_value_t failure;  /* kept: the rejection that ended it */
    uint64_t left;            /* bytes of the chunk, or of the body */
    size_t trailers;          /* bytes of them */
    enum http_framing_kind kind;
    enum state state;
    bool done_called;
    http_done_fn *done;
    void *arg;
    void (*wanted)(void *arg); /* or NULL */
    void *wanted_arg;
};

/* ---- make and free ---- */

struct http_reader *promise__http_reader_new(promise_stream_t *stream, struct http_framing framing, http_done_fn *done,
                                             void *arg) {
    struct http_reader *r = promise_memory_alloc(sizeof *r);

    if (!r) return NULL;
    *r = (struct http_reader){.stream = promise_stream_ref(stream), .kind = framing.kind, .done = done, .arg = arg};
    r->left = framing.kind == HTTP_LENGTH ? framing.size : framing.kind == HTTP_UNTIL_END ? UINT64_MAX : 0;
    r->state = framing.kind == HTTP_CHUNKED ? CHUNK_LINE : DATA;
    return r;
}

void promise__http_reader_on_read(struct http_reader *r, void (*wanted)(void *arg), void *arg) {
    r->wanted = wanted;
    r->wanted_arg = arg;
}

static void tell_wanted(const struct http_reader *r) {
    if (r->wanted) r->wanted(r->wanted_arg);
}

static void tell_done(struct http_reader *r, bool whole) {
    if (r->done_called) return;
    r->done_called = true;
    r->done(whole, r->arg);
}

void promise__http_reader_free(struct http_reader *r) {
    if (!r) return;
    promise_cancel(r->reading);
    tell_done(r, false);
    promise_value_clear(&r->failure);
    promise_stream_unref(r->stream);
    promise_memory_free(r);
}

/* ---- how it fails ---- */

static promise_value_t fail(struct http_reader *r, promise_value_t reason) {
    promise_value_set(&r->failure, reason);
    r->state = FAILED;
    tell_done(r, false);
    return r->failure;
}

static promise_value_t malformed(struct http_reader *r, const char *what) {
    return fail(r, promise_throw(&promise_http_errors, PROMISE_HTTP_EPROTOCOL, "malformed body: %s", what));
}

static promise_value_t truncated(struct http_reader *r) {
    if (r->kind == HTTP_CHUNKED)
        return fail(r,
                    promise_throw(&promise_http_errors, PROMISE_HTTP_ETRUNCATED, "the connection ended before the last chunk"));
    return fail(r, promise_throw(&promise_http_errors, PROMISE_HTTP_ETRUNCATED,
                                 "the connection ended %llu bytes before the end of the body", (unsigned long long)r->left));
}

promise_value_t promise__http_broken(promise_stream_t *stream, promise_value_t v, const char *what) {
    if (promise_is_canceled(v) || promise_error_is(v, &promise_errno_errors, ENOMEM)) return v;
    if (!promise_error_is(v, &promise_errors, PROMISE_ECLOSED))
        return promise_wrap(v, &promise_http_errors, PROMISE_HTTP_ETRUNCATED, "the connection broke before the end of %s",
                            what);
    if (promise_stream_is_closed(stream)) return v; /* by us; the peer's end does not do that */
    return promise_wrap(v, &promise_http_errors, PROMISE_HTTP_ETRUNCATED, "the connection ended before the end of %s", what);
}

/* ---- steps: reads, and what they gave ---- */

/* A handler has the outcome: the read is over. */
static void read_is_over(struct http_reader *r) {
    promise_unref(r->reading);
    r->reading = NULL;
}

static promise_value_t failed(promise_value_t v, void *arg) {
    struct http_reader *r = arg;

    if (promise_get_state(r->reading) == PROMISE_PENDING || promise_is_canceled(v))
        return v; /* we were cancelled, it goes on */
    read_is_over(r);
    if (promise_error_is(v, &promise_errno_errors, EMSGSIZE)) return malformed(r, "a line that is too long");
    return fail(r, promise__http_broken(r->stream, v, "the body"));
}

static promise_t *step(struct http_reader *r);
static promise_value_t next_step(struct http_reader *r) { return promise_adopt(step(r)); }

static promise_value_t got_data(promise_value_t v, void *arg) {
    struct http_reader *r = arg;
    size_t size;

    read_is_over(r);
    if (promise_is_end(v) && r->kind != HTTP_UNTIL_END) return truncated(r);
    if (promise_is_end(v)) {
        r->state = ENDED;
        tell_done(r, true);
        return v;
    }
    promise_as_bytes(v, &size);
    if (r->kind == HTTP_UNTIL_END) return v;
    r->left -= size;
    if (r->left) return v;
    r->state = r->kind == HTTP_CHUNKED ? DATA_END : ENDED;
    if (r->state == ENDED) tell_done(r, true);
    return v;
}

static promise_value_t got_data_end(promise_value_t v, void *arg) {
    struct http_reader *r = arg;

    read_is_over(r);
    if (promise_is_end(v)) return truncated(r);
    if (memcmp(promise_as_bytes(v, NULL), "\r\n", 2) != 0) return malformed(r, "a chunk that is longer than it says");
    r->state = CHUNK_LINE;
    return next_step(r);
}

/* "1f;extension=x": 0, or -1. Extensions mean nothing to us; blanks may stand before them. */
static int parse_chunk_line(const char *line, size_t size, uint64_t *left) {
    size_t digits = 0;
    int digit;

    for (*left = 0; (digit = promise__http_hex_digit(line[digits])) >= 0; digits++) {
        if (*left >> 58) return -1; /* over 2^62 */
        *left = *left << 4 | (uint64_t)digit;
    }
    if (!digits || !promise__http_is_value(line, size)) return -1;
    line += digits;
    return !*line || *line == ';' || *line == ' ' || *line == '\t' ? 0 : -1;
}

static promise_value_t got_chunk_line(promise_value_t v, void *arg) {
    struct http_reader *r = arg;
    const char *line;
    size_t size;

    read_is_over(r);
    if (promise_is_end(v)) return truncated(r);
    line = promise_as_bytes(v, &size);
    if (parse_chunk_line(line, size, &r->left) != 0) return malformed(r, "a chunk without a size");
    r->state = r->left ? DATA : TRAILERS;
    return next_step(r);
}

/* Trailers are read, looked at, and dropped: nothing that came behind the body may change what its head said. */
static promise_value_t got_trailer(promise_value_t v, void *arg) {
    struct http_reader *r = arg;
    struct http_field field;
    const char *line, *wrong;
    char copy[HTTP_MAX_CHUNK_LINE + 1];
    size_t size;

    read_is_over(r);
    if (promise_is_end(v)) return truncated(r);
    line = promise_as_bytes(v, &size);
    if (!size) {
        r->state = ENDED;
        tell_done(r, true);
        return promise_end();
    }
    r->trailers += size;
    if (r->trailers > HTTP_MAX_TRAILERS) return malformed(r, "too many trailers");
    memcpy(copy, line, size);
    wrong = promise__http_parse_field(copy, copy + size, &field);
    return wrong ? malformed(r, wrong) : next_step(r);
}

/* ---- one step ---- */

static promise_t *read_line(struct http_reader *r) {
    return promise_stream_read_until(r->stream, promise_string("\r\n"), HTTP_MAX_CHUNK_LINE);
}

static promise_t *start_read(struct http_reader *r) {
    tell_wanted(r);
    switch (r->state) {
    case DATA_END: r->got = got_data_end; return promise_stream_read_exactly(r->stream, 2);
    case CHUNK_LINE: r->got = got_chunk_line; return read_line(r);
    case TRAILERS: r->got = got_trailer; return read_line(r);
    default:
        r->got = got_data;
        return promise_stream_read(r->stream, r->left < HTTP_PIECE ? (size_t)r->left : (size_t)HTTP_PIECE);
    }
}

static promise_t *step(struct http_reader *r) {
    if (!r->reading) r->reading = start_read(r);
    return promise_then_catch(promise_ref(r->reading), r->got, failed, r);
}

promise_t *promise__http_reader_next(struct http_reader *r) {
    if (r->state == ENDED) return promise_from(promise_stream_loop(r->stream), promise_end());
    if (r->state == FAILED) return promise_from(promise_stream_loop(r->stream), r->failure);
    return step(r);
}

static promise_value_t pull(promise_value_t v, void *arg) {
    (void)v;
    return promise_adopt(promise__http_reader_next(arg));
}
static void free_reader(void *reader) { promise__http_reader_free(reader); }

promise_iterator_t *promise__http_reader_chunks(struct http_reader *r) {
    return promise_iterator_attach(promise_pull(promise_stream_loop(r->stream), pull, r), r, free_reader);
}

/* ---- all of it ---- */

struct whole { /* a body that is being put together */
    struct http_reader *reader;
    char *data; /* from malloc(3): a value takes it over */
    size_t size, capacity, max;
};

static void whole_free(void *arg) {
    struct whole *w = arg;

    free(w->data);
    promise_memory_free(w);
}

static promise_value_t too_large(struct http_reader *r, size_t max) {
    return fail(r, promise_throw(&promise_http_errors, PROMISE_HTTP_ETOOLARGE, "the body is over the limit of %zu bytes", max));
}

static promise_value_t append(struct whole *w, promise_value_t piece) {
    size_t size;
    const char *data = promise_as_bytes(piece, &size);

    if (size > w->max - w->size) return too_large(w->reader, w->max);
    if (size > w->capacity - w->size) {
        size_t capacity = w->size + size > 2 * w->capacity ? w->size + size : 2 * w->capacity;
        char *grown = realloc(w->data, capacity + 1); /* a NUL comes behind it */
        if (!grown) return fail(w->reader, promise_out_of_memory());
        w->data = grown;
        w->capacity = capacity;
    }
    memcpy(w->data + w->size, data, size);
    w->size += size;
    return promise_void();
}

static promise_value_t next_piece(promise_value_t piece, void *arg) {
    struct whole *w = arg;
    promise_value_t v = promise_is(piece, &promise_type_bytes) ? append(w, piece) : promise_void();

    return promise_is_rejection(v) ? v : promise_adopt(promise__http_reader_next(w->reader));
}

static promise_value_t make_whole(promise_value_t v, void *arg) {
    struct whole *w = arg;
    char *data = w->data;

    (void)v;
    w->data = NULL;
    return data ? promise_bytes_take(data, w->size) : promise_bytes(NULL, 0);
}

promise_t *promise__http_reader_all(struct http_reader *r, size_t max) {
    promise_loop_t *loop = promise_stream_loop(r->stream);
    struct whole *w;
    promise_t *p;

    if (r->kind == HTTP_LENGTH && r->left > max) return promise_from(loop, too_large(r, max));
    /* What is in one piece is not put together. */
    if (r->kind == HTTP_LENGTH && r->left && r->left <= HTTP_PIECE && !r->reading) {
        tell_wanted(r);
        r->reading = promise_stream_read_exactly(r->stream, (size_t)r->left);
        r->got = got_data;
        return promise_then_catch(promise_ref(r->reading), got_data, failed, r);
    }
    w = promise_memory_alloc(sizeof *w);
    if (!w) return promise_from(loop, fail(r, promise_out_of_memory()));
    *w = (struct whole){.reader = r, .max = max};
    p = promise_then(promise_repeat(loop, next_piece, w), make_whole, w);
    return promise_attach(p, w, whole_free);
}
