/*
 * The head of a message from a stream.
 *
 * A stream that ends without the delimiter gives what came, as if it had been there. A head that was cut off must not pass for
 * one that is shorter: so we ask for all up to "\r\n\r", and the "\n" behind it has to come as well.
 */
#include <errno.h>
#include <string.h>

#include <promise/memory.h>
#include <promise/source.h>

#include "http_message.h"

static promise_value_t cut_off(void) {
    return promise_throw(&promise_http_errors, PROMISE_HTTP_ETRUNCATED, "the connection ended before the end of the head");
}

/* What came for the last character: void when it is right. */
static promise_value_t check_last(promise_value_t v) {
    if (promise_is_rejection(v)) return v;
    if (promise_is_end(v)) return cut_off();
    if (*promise_as_bytes(v, NULL) == '\n') return promise_void();
    return promise_throw(&promise_http_errors, PROMISE_HTTP_EPROTOCOL, "malformed head: a CR alone");
}

/* ---- when the last character has not come with the others ---- */

struct lines {
    promise_stream_t *stream;
    promise_value_t text; /* kept */
};

static void lines_free(void *arg) {
    struct lines *l = arg;

    promise_value_clear(&l->text);
    promise_memory_free(l);
}

static promise_value_t got_last(promise_value_t v, void *arg) {
    struct lines *l = arg;

    v = check_last(v);
    return promise_is_rejection(v) ? v : l->text;
}

static promise_value_t read_failed(promise_value_t v, void *stream) { return promise__http_broken(stream, v, "the head"); }

static promise_value_t wait_for_last(promise_stream_t *stream, promise_value_t text, promise_t *last) {
    struct lines *l = promise_memory_alloc(sizeof *l);

    if (!l) {
        promise_cancel(last);
        return promise_out_of_memory();
    }
    *l = (struct lines){.stream = stream};
    promise_value_set(&l->text, text);
    last = promise_then(promise_catch(last, read_failed, stream), got_last, l);
    return promise_adopt(promise_attach(last, l, lines_free));
}

/* ---- the lines ---- */

static promise_value_t got_lines(promise_value_t text, void *stream) {
    promise_value_t v;
    promise_t *last;

    if (promise_is_end(text)) return text;
    last = promise_stream_read_exactly(stream, 1);
    if (promise_get_state(last) != PROMISE_FULFILLED) return wait_for_last(stream, text, last);
    v = check_last(promise_peek(last));
    promise_unref(last);
    return promise_is_rejection(v) ? v : text;
}

static promise_value_t no_lines(promise_value_t v, void *stream) {
    if (promise_error_is(v, &promise_errno_errors, EMSGSIZE))
        return promise_wrap(v, &promise_http_errors, PROMISE_HTTP_ETOOLARGE, "the head is over the limit");
    return read_failed(v, stream);
}

promise_t *promise__http_read_head(promise_stream_t *stream, size_t max) {
    return promise_then_catch(promise_stream_read_until(stream, promise_string("\r\n\r"), max), got_lines, no_lines, stream);
}
