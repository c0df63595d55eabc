/* What is sent: heads, whole bodies, and bodies that come from an iterator. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <promise/memory.h>
#include <promise/source.h>

#include "http_message.h"

enum { MERGE_BELOW = 1024 }; /* smaller bodies and chunks go into one buffer with what stands before them */

/* ---- a text that grows ---- */

void promise__http_buffer_init(struct http_buffer *b) {
    b->data = b->first;
    b->size = 0;
    b->capacity = sizeof b->first;
    b->wrong = NULL;
    b->nomem = false;
}

void promise__http_buffer_free(struct http_buffer *b) {
    if (b->data != b->first) promise_memory_free(b->data);
    promise__http_buffer_init(b);
}

static int make_room(struct http_buffer *b, size_t size) {
    size_t capacity = b->size + size > 2 * b->capacity ? b->size + size : 2 * b->capacity;
    char *grown;

    if (b->nomem) return -1;
    if (size <= b->capacity - b->size) return 0;
    grown = promise_memory_resize(b->data == b->first ? NULL : b->data, capacity);
    b->nomem = !grown;
    if (!grown) return -1;
    if (b->data == b->first) memcpy(grown, b->first, b->size);
    b->data = grown;
    b->capacity = capacity;
    return 0;
}

void promise__http_put(struct http_buffer *b, const void *data, size_t size) {
    if (!size || make_room(b, size) != 0) return;
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

void promise__http_puts(struct http_buffer *b, const char *text) { promise__http_put(b, text, strlen(text)); }

void promise__http_putf(struct http_buffer *b, const char *format, ...) {
    char text[256];
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (size < 0 || (size_t)size >= sizeof text) b->wrong = "a line that is too long";
    else promise__http_put(b, text, (size_t)size);
}

promise_value_t promise__http_take(struct http_buffer *b) {
    promise_value_t v;

    if (b->nomem) v = promise_out_of_memory();
    else if (b->wrong) v = promise_throw_errno(EINVAL, "%s", b->wrong);
    else v = promise_bytes(b->data, b->size);
    promise__http_buffer_free(b);
    return v;
}

/* ---- heads ---- */

void promise__http_put_field(struct http_buffer *b, const char *name, const char *value) {
    size_t name_size = strlen(name), value_size = strlen(value);

    if (!promise__http_is_token(name, name_size)) b->wrong = "the name of a header is no token";
    else if (!promise__http_is_value(value, value_size)) b->wrong = "a control character in a header";
    promise__http_put(b, name, name_size);
    promise__http_put(b, ": ", 2);
    promise__http_put(b, value, value_size);
    promise__http_put(b, "\r\n", 2);
}

void promise__http_put_status(struct http_buffer *b, int status) {
    promise__http_putf(b, "HTTP/1.1 %d %s\r\n", status, promise__http_reason(status));
}

void promise__http_put_fields(struct http_buffer *b, const struct http_message *m) {
    for (size_t i = 0; i < m->count; i++) promise__http_put_field(b, m->fields[i].name, m->fields[i].value);
}

void promise__http_put_framing(struct http_buffer *b, struct http_framing framing) {
    if (framing.kind == HTTP_CHUNKED) promise__http_puts(b, "Transfer-Encoding: chunked\r\n");
    else if (framing.kind == HTTP_EMPTY) promise__http_puts(b, "Content-Length: 0\r\n");
    else if (framing.kind == HTTP_LENGTH) promise__http_putf(b, "Content-Length: %" PRIu64 "\r\n", framing.size);
}

/* ---- whole bodies ---- */

static promise_value_t ignore(promise_value_t reason, void *arg) {
    (void)reason, (void)arg;
    return promise_void();
}

/* When this write fails, so does the one behind it, which is waited for. */
static void not_waited_for(promise_t *write) { promise_unref(promise_catch(write, ignore, NULL)); }

/* Writes what is in the buffer, and then data behind it. */
static promise_t *write_both(promise_stream_t *stream, struct http_buffer *before, promise_value_t data, size_t size) {
    promise_value_t front;
    promise_t *first;

    if (size <= MERGE_BELOW) {
        if (size) promise__http_put(before, promise_as_bytes(data, NULL), size);
        front = promise__http_take(before);
        if (promise_is_rejection(front)) return promise_from(promise_stream_loop(stream), front);
        return promise_stream_write(stream, front);
    }
    front = promise__http_take(before);
    if (promise_is_rejection(front)) return promise_from(promise_stream_loop(stream), front);
    first = promise_stream_write(stream, front);
    if (promise_get_state(first) == PROMISE_REJECTED) return first;
    not_waited_for(first);
    return promise_stream_write(stream, data);
}

promise_t *promise__http_send(promise_stream_t *stream, struct http_buffer *head, promise_value_t body) {
    size_t size = 0;
    promise_value_t own = promise_void();
    promise_t *p;

    promise_value_set(&own, body);
    if (promise_is_rejection(own)) {
        promise__http_buffer_free(head);
        p = promise_from(promise_stream_loop(stream), own);
    } else {
        if (!promise_is_void(own)) promise_as_bytes(own, &size);
        p = write_both(stream, head, own, size);
    }
    promise_value_clear(&own);
    return p;
}

/* ---- bodies from an iterator ---- */

struct sending {
    promise_stream_t *stream; /* a reference of ours */
    const char *what;
    struct http_framing framing;
    uint64_t sent;
    bool opened; /* a chunk was sent: its "\r\n" goes with the next line */
};

static void sending_free(void *arg) {
    struct sending *s = arg;

    promise_stream_unref(s->stream);
    promise_memory_free(s);
}

static bool is_sized(const struct sending *s) { return s->framing.kind == HTTP_LENGTH || s->framing.kind == HTTP_EMPTY; }

static promise_value_t wrong_size(const struct sending *s, const char *how) {
    return promise_throw_errno(EINVAL, "%s is %s than the %" PRIu64 " bytes it was said to have", s->what, how,
                               s->framing.size);
}

static promise_value_t send_piece(promise_value_t piece, void *arg) {
    struct sending *s = arg;
    struct http_buffer line;
    size_t size;

    if (!promise_is(piece, &promise_type_string) && !promise_is(piece, &promise_type_bytes))
        return promise_throw_errno(EINVAL, "%s: a piece of it is %s", s->what, promise_type_name(piece));
    promise_as_bytes(piece, &size);
    if (!size) return promise_void();
    if (is_sized(s) && size > s->framing.size - s->sent) return wrong_size(s, "longer");
    s->sent += size;
    if (s->framing.kind != HTTP_CHUNKED) return promise_adopt(promise_stream_write(s->stream, piece));
    promise__http_buffer_init(&line);
    promise__http_putf(&line, "%s%zx\r\n", s->opened ? "\r\n" : "", size);
    s->opened = true;
    return promise_adopt(write_both(s->stream, &line, piece, size));
}

static promise_value_t send_end(promise_value_t v, void *arg) {
    struct sending *s = arg;

    (void)v;
    if (is_sized(s) && s->sent < s->framing.size) return wrong_size(s, "shorter");
    if (s->framing.kind != HTTP_CHUNKED) return promise_void();
    return promise_adopt(promise_stream_write(s->stream, promise_string(s->opened ? "\r\n0\r\n\r\n" : "0\r\n\r\n")));
}

static promise_t *send_pieces(promise_stream_t *stream, promise_iterator_t *body, struct http_framing framing,
                              const char *what) {
    struct sending *s = promise_memory_alloc(sizeof *s);
    promise_t *p;

    if (!s) {
        promise_iterator_close(body);
        return promise_from(promise_stream_loop(stream), promise_out_of_memory());
    }
    *s = (struct sending){.stream = promise_stream_ref(stream), .what = what, .framing = framing};
    p = promise_then(promise_each(body, 1, send_piece, s), send_end, s);
    return promise_attach(p, s, sending_free);
}

promise_t *promise__http_send_stream(promise_stream_t *stream, struct http_buffer *head, promise_iterator_t *body,
                                     struct http_framing framing, const char *what) {
    promise_t *p = promise__http_send(stream, head, promise_void());

    if (promise_get_state(p) == PROMISE_REJECTED) {
        promise_iterator_close(body);
        return p;
    }
    not_waited_for(p);
    return send_pieces(stream, body, framing, what);
}
