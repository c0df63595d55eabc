/* Reading from a stream: what is in the bufferevent's input goes to who waits, in the order of the calls. */
#include "stream.h"

#include <errno.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

/* ---- what there is for one read; void: it has to wait ---- */

/* size bytes as a value; the delimiter behind them is dropped. Without memory they stay (K6). */
static promise_value_t take(struct evbuffer *in, const struct promise_type *type, size_t size, size_t delimiter) {
    promise_value_t v;
    struct text *text = promise__text_new(type, size, &v);

    if (!text) return v;
    evbuffer_remove(in, text->data, size);
    if (delimiter) evbuffer_drain(in, delimiter);
    return v;
}

static promise_value_t too_long(const char *what, size_t max) {
    return promise_throw_at(NULL, &promise_errno_errors, EMSGSIZE, "%s is longer than %zu bytes", what, max);
}

/* When nothing more will come: what a read gets that is not content with what is there. An error that nobody knows of, of
 * writing too, goes before the end. */
static promise_value_t at_end(promise_stream_t *s, size_t left) {
    if (!promise_is_void(s->error) && !(s->end && s->told)) return promise__stream_tell(s);
    return s->end && !left ? promise_end() : promise_void();
}

static promise_value_t read_some(promise_stream_t *s, const struct stream_asks *r, struct evbuffer *in, size_t left) {
    if (left) return take(in, &promise_type_bytes, left < r->size ? left : r->size, 0);
    return at_end(s, 0);
}

static promise_value_t read_exactly(promise_stream_t *s, const struct stream_asks *r, struct evbuffer *in, size_t left) {
    promise_value_t v;

    if (left >= r->size) return take(in, &promise_type_bytes, r->size, 0);
    v = at_end(s, left);
    if (!s->end || !promise_is_void(v)) return v;
    return promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "the stream ended after %zu of %zu bytes", left, r->size);
}

static promise_value_t read_all(promise_stream_t *s, const struct stream_asks *r, struct evbuffer *in, size_t left) {
    if (left > r->size) return too_long("what came", r->size);
    if (!promise_is_void(s->error) && !(s->end && s->told)) return promise__stream_tell(s);
    return s->end ? take(in, &promise_type_bytes, left, 0) : promise_void();
}

/* Where the delimiter begins, or -1; what was searched once is not searched again. */
static ssize_t find(struct evbuffer *in, struct stream_asks *r, size_t left, const char *delimiter, size_t size) {
    struct evbuffer_ptr start, found;

    if (left < size || r->searched > left) return -1;
    evbuffer_ptr_set(in, &start, r->searched, EVBUFFER_PTR_SET);
    found = evbuffer_search(in, delimiter, size, &start);
    if (found.pos < 0) r->searched = left - size + 1;
    return found.pos;
}

static bool ends_in_cr(struct evbuffer *in, size_t size) {
    struct evbuffer_ptr last;
    char c = 0;

    if (!size || evbuffer_ptr_set(in, &last, size - 1, EVBUFFER_PTR_SET) < 0) return false;
    return evbuffer_copyout_from(in, &last, &c, 1) == 1 && c == '\r';
}

static promise_value_t read_line(promise_stream_t *s, struct stream_asks *r, struct evbuffer *in, size_t left) {
    ssize_t found = find(in, r, left, "\n", 1);
    size_t size = found < 0 ? left : (size_t)found;
    promise_value_t v;
    bool cr = size && (found >= 0 || size == r->size + 1) && ends_in_cr(in, size);

    if (size - cr > r->size) return too_long("the line", r->size);
    if (found >= 0) return take(in, &promise_type_string, size - cr, cr + 1u);
    v = at_end(s, left);
    if (!promise_is_void(v) || !s->end) return v;
    if (size > r->size) return too_long("the line", r->size);
    return take(in, &promise_type_string, size, 0);
}

static promise_value_t read_until(promise_stream_t *s, struct stream_asks *r, struct evbuffer *in, size_t left) {
    size_t length;
    const char *delimiter = promise_as_bytes(r->delimiter, &length);
    ssize_t found = find(in, r, left, delimiter, length);
    promise_value_t v;

    if (found >= 0 && (size_t)found <= r->size) return take(in, &promise_type_bytes, (size_t)found, length);
    if (found >= 0 || (left >= length && left - length >= r->size)) return too_long("what comes before the delimiter", r->size);
    v = at_end(s, left);
    if (!promise_is_void(v) || !s->end) return v;
    if (left > r->size) return too_long("what comes before the delimiter", r->size);
    return take(in, &promise_type_bytes, left, 0);
}

/* From buffer to buffer, without a copy. */
static promise_value_t move(promise_stream_t *s, const struct stream_asks *r, struct evbuffer *in, size_t left) {
    promise_stream_t *to = r->to;
    size_t size = left < r->size ? left : r->size;
    int failed;

    if (!left) return at_end(s, 0);
    if (!to->bev || !promise_is_void(to->error)) return promise_int(0); /* nothing is taken: who writes will see why */
    promise__stream_hold(to);
    failed = evbuffer_remove_buffer(in, bufferevent_get_output(to->bev), size) < 0;
    promise__stream_send_soon(to);
    promise__stream_unhold(to);
    return failed ? promise__nomem() : promise_int((int64_t)size);
}

static promise_value_t look(promise_stream_t *s, struct stream_asks *r) {
    struct evbuffer *in = bufferevent_get_input(s->bev);
    size_t left = evbuffer_get_length(in);

    switch (r->kind) {
    case READ_SOME: return read_some(s, r, in, left);
    case READ_EXACTLY: return read_exactly(s, r, in, left);
    case READ_LINE: return read_line(s, r, in, left);
    case READ_UNTIL: return read_until(s, r, in, left);
    case READ_ALL: return read_all(s, r, in, left);
    default: return move(s, r, in, left);
    }
}

/* ---- serving ---- */

/* How much must fit into the input for this read to be decided. */
static size_t needs(const struct stream_asks *r) {
    size_t more = 2; /* "\r\n", or one byte too many */

    if (r->kind == READ_SOME || r->kind == READ_MOVE) return 1;
    if (r->kind == READ_UNTIL) promise_as_bytes(r->delimiter, &more);
    return r->size < SIZE_MAX - more ? r->size + more : SIZE_MAX;
}

/* Lets the input grow as far as the first read needs it. */
static void set_ahead(promise_stream_t *s) {
    size_t ahead = STREAM_AHEAD;

    if (s->reads.first && needs(&s->reads.first->asks) > ahead) ahead = needs(&s->reads.first->asks);
    s->ahead = ahead;
}

void promise__stream_serve_reads(promise_stream_t *s) {
    if (s->busy) {
        s->again = true;
        return;
    }
    promise__stream_hold(s);
    while (s->bev && s->reads.first) {
        struct stream_wait *w = s->reads.first;
        promise_value_t v = look(s, &w->asks);
        if (promise_is_void(v)) break;
        promise__stream_settle(w, v);
    }
    set_ahead(s);
    promise__stream_watch_input(s);
    promise__stream_unhold(s);
}

/* ---- the calls ---- */

/* Why this cannot be read, or void. */
static promise_value_t refused(promise_stream_t *s, const struct stream_asks *asks, const char *function) {
    promise_value_t why = promise__stream_refused(s);

    if (!promise_is_void(why)) return why;
    if (!asks->size && asks->kind != READ_EXACTLY) return promise__bad_argument(function, "max is 0");
    return s->only_writes ? promise_throw_errno_at(NULL, EBADF, "%s: the descriptor is for writing alone", function) : why;
}

static promise_t *start_read(promise_stream_t *s, struct stream_asks asks, const char *function) {
    promise_loop_t *nomem = promise_source_nomem_loop(s);
    promise_value_t v;
    promise_t *p;

    if (!nomem) s = promise__stream_arg(s, function);
    v = nomem ? promise__no_object(nomem) : refused(s, &asks, function);
    if (promise_is_void(v) && !s->reads.first && !s->busy) {
        promise__stream_hold(s);
        v = look(s, &asks);
        promise__stream_watch_input(s);
        promise__stream_unhold(s);
    }
    if (!promise_is_void(v)) {
        if (asks.kind == READ_UNTIL) promise__release(asks.delimiter);
        return promise__settled(nomem ? nomem : s->loop, v);
    }
    p = promise__stream_wait(s, asks);
    promise__stream_hold(s);
    set_ahead(s);
    promise__stream_watch_input(s);
    promise__stream_unhold(s);
    return p;
}

promise_t *promise_stream_read(promise_stream_t *s, size_t max) {
    return start_read(s, (struct stream_asks){.kind = READ_SOME, .size = max}, __func__);
}
promise_t *promise_stream_read_exactly(promise_stream_t *s, size_t size) {
    return start_read(s, (struct stream_asks){.kind = READ_EXACTLY, .size = size}, __func__);
}
promise_t *promise_stream_read_line(promise_stream_t *s, size_t max) {
    return start_read(s, (struct stream_asks){.kind = READ_LINE, .size = max}, __func__);
}
promise_t *promise_stream_read_all(promise_stream_t *s, size_t max) {
    return start_read(s, (struct stream_asks){.kind = READ_ALL, .size = max}, __func__);
}
promise_t *promise__stream_move(promise_stream_t *from, promise_stream_t *to, size_t max) {
    return start_read(from, (struct stream_asks){.kind = READ_MOVE, .size = max, .to = to}, "promise_stream_copy");
}

promise_t *promise_stream_read_until(promise_stream_t *s, promise_value_t delimiter, size_t max) {
    size_t length = 0;
    bool text = promise_is(delimiter, &promise_type_string) || promise_is(delimiter, &promise_type_bytes);
    promise_value_t why = promise_void();

    delimiter = promise__take(delimiter);
    if (text) promise_as_bytes(delimiter, &length);
    if (promise_is_rejection(delimiter)) why = promise__copy(delimiter);
    else if (!text) why = promise__bad_argument(__func__, "delimiter is neither a string nor bytes");
    else if (!length) why = promise__bad_argument(__func__, "delimiter is empty");
    if (promise_is_void(why))
        return start_read(s, (struct stream_asks){.kind = READ_UNTIL, .size = max, .delimiter = delimiter}, __func__);
    promise__release(delimiter);
    return promise__settled(promise_stream_loop(s), why);
}

/* ---- call by call ---- */

struct reader {
    promise_stream_t *stream;
    size_t max;
    promise_t *(*read)(promise_stream_t *stream, size_t max);
};

static promise_value_t read_next(promise_value_t v, void *arg) {
    struct reader *r = arg;

    (void)v;
    return promise_adopt(r->read(r->stream, r->max));
}

static void reader_free(void *arg) {
    struct reader *r = arg;

    promise_stream_unref(r->stream);
    promise__free(r);
}

static promise_iterator_t *iterate(promise_stream_t *s, size_t max, promise_t *(*read)(promise_stream_t *stream, size_t max)) {
    promise_loop_t *loop = promise_stream_loop(s);
    struct reader *r = promise__malloc(sizeof *r);

    if (!r || promise_source_nomem_loop(s)) {
        promise__free(r);
        return promise_list_items(loop, promise__nomem());
    }
    *r = (struct reader){promise_stream_ref(s), max, read};
    return promise_iterator_attach(promise_pull(loop, read_next, r), r, reader_free);
}

promise_iterator_t *promise_stream_chunks(promise_stream_t *s, size_t max) { return iterate(s, max, promise_stream_read); }
promise_iterator_t *promise_stream_lines(promise_stream_t *s, size_t max) { return iterate(s, max, promise_stream_read_line); }
