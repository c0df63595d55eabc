/* A file call by call: chunks and lines. */
#include <errno.h>
#include <string.h>

#include <promise/source.h>

#include "core.h"
#include "file.h"

enum { READ_AHEAD = 65536 };

/* ---- chunks ---- */

struct chunks {
    promise_file_t *file;
    size_t size;
};

static void chunks_free(void *object) {
    struct chunks *c = object;

    promise_file_unref(c->file);
    promise__free(c);
}

static promise_value_t next_chunk(promise_value_t v, void *arg) {
    const struct chunks *c = arg;

    (void)v;
    return promise_adopt(promise_file_read_next(c->file, c->size));
}

promise_iterator_t *promise_file_chunks(promise_file_t *f, size_t size) {
    promise_loop_t *loop = promise_file_loop(f);
    struct chunks *c;

    if (promise_source_nomem_loop(f)) return promise_list_items(loop, promise__no_object(loop));
    if (!size) return promise_list_items(loop, promise__bad_argument(__func__, "size is 0"));
    c = promise__malloc(sizeof *c);
    if (!c) return promise_list_items(loop, promise__nomem());
    *c = (struct chunks){promise_file_ref(f), size};
    return promise_iterator_attach(promise_pull(loop, next_chunk, c), c, chunks_free);
}

/* ---- lines ---- */

struct lines {
    promise_file_t *file;
    size_t max;
    char *buffer;
    size_t start, searched, end, room; /* what was read is from start to end; up to searched there is no newline */
    bool ended;
};

static void lines_free(void *object) {
    struct lines *l = object;

    promise_file_unref(l->file);
    promise__free(l->buffer);
    promise__free(l);
}

/* The line of that size at the start, of which so many bytes more are the newline's. */
static promise_value_t take_line(struct lines *l, size_t size, size_t newline) {
    promise_value_t v;
    struct text *text;
    const char *from = l->buffer + l->start;

    if (newline && size && from[size - 1] == '\r') size--, newline++;
    if (size > l->max)
        return promise_throw_errno_at(NULL, EMSGSIZE, "read %s: a line is longer than %zu bytes", promise__file_name(l->file),
                                      l->max);
    text = promise__text_new(&promise_type_string, size, &v);
    if (!text) return v;
    text->size = size;
    memcpy(text->data, from, size);
    text->data[size] = 0;
    l->start = l->searched = l->start + size + newline;
    return v;
}

static int make_room(struct lines *l, size_t size) {
    char *grown;

    if (l->start) memmove(l->buffer, l->buffer + l->start, l->end - l->start);
    l->end -= l->start;
    l->searched -= l->start;
    l->start = 0;
    if (l->end + size <= l->room) return 0;
    grown = promise__realloc(l->buffer, l->end + size);
    if (!grown) return -1;
    l->buffer = grown;
    l->room = l->end + size;
    return 0;
}

static promise_value_t next_line(promise_value_t v, void *arg);

static promise_value_t got_more(promise_value_t v, void *arg) {
    struct lines *l = arg;
    const char *bytes;
    size_t size;

    if (promise_is_end(v)) l->ended = true;
    else {
        bytes = promise_as_bytes(v, &size);
        if (make_room(l, size) < 0) return promise__nomem();
        memcpy(l->buffer + l->end, bytes, size);
        l->end += size;
    }
    return next_line(promise_void(), l);
}

static promise_value_t next_line(promise_value_t v, void *arg) {
    struct lines *l = arg;
    const char *newline = l->buffer ? memchr(l->buffer + l->searched, '\n', l->end - l->searched) : NULL;

    (void)v;
    if (newline) return take_line(l, (size_t)(newline - (l->buffer + l->start)), 1);
    l->searched = l->end;
    if (l->ended) return l->start < l->end ? take_line(l, l->end - l->start, 0) : promise_end();
    if (l->end - l->start > l->max && l->end - l->start - l->max > 1) return take_line(l, l->end - l->start, 0); /* refuses */
    return promise_adopt(promise_then(promise_file_read_next(l->file, READ_AHEAD), got_more, l));
}

promise_iterator_t *promise_file_lines(promise_file_t *f, size_t max) {
    promise_loop_t *loop = promise_file_loop(f);
    struct lines *l;

    if (promise_source_nomem_loop(f)) return promise_list_items(loop, promise__no_object(loop));
    if (!max) return promise_list_items(loop, promise__bad_argument(__func__, "max is 0"));
    l = promise__malloc(sizeof *l);
    if (!l) return promise_list_items(loop, promise__nomem());
    memset(l, 0, sizeof *l);
    l->file = promise_file_ref(f);
    l->max = max;
    return promise_iterator_attach(promise_pull(loop, next_line, l), l, lines_free);
}
