/* Messages: what <promise/http.h> looks at and makes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <promise/memory.h>
#include <promise/source.h>

#include "http_message.h"

/* ---- own ---- */

static void retain_message(void *object) { ((struct http_message *)object)->refs++; }
static void release_message(void *object) { promise__http_message_unref(object); }

static size_t print_message(const void *object, char *buffer, size_t size) {
    const struct http_message *m = object;

    if (m->status) return (size_t)snprintf(buffer, size, "HTTP %d %s", m->status, m->reason);
    return (size_t)snprintf(buffer, size, "%s %s", m->method, m->target);
}

const struct promise_type promise_type_http = {
    sizeof(struct promise_type), "http", NULL, retain_message, release_message, NULL, print_message};

struct http_message *promise__http_message_new(size_t fields, size_t extra) {
    struct http_message *m = promise_memory_alloc(sizeof *m + fields * sizeof *m->fields + extra);

    if (!m) return NULL;
    *m = (struct http_message){.refs = 1, .minor = 1, .keep_alive = true, .reason = "", .capacity = fields};
    m->fields = m->own_fields;
    return m;
}

void promise__http_message_unref(struct http_message *m) {
    struct http_text *text;

    if (--m->refs) return;
    promise_iterator_close(m->stream);
    promise__http_reader_free(m->reader);
    promise_value_clear(&m->body);
    if (m->context_free) m->context_free(m->context);
    while ((text = m->texts)) {
        m->texts = text->next;
        promise_memory_free(text);
    }
    if (m->fields != m->own_fields) promise_memory_free(m->fields);
    promise_memory_free(m);
}

struct http_message *promise__http_message_of(promise_value_t message) {
    return promise_as_object(message, &promise_type_http);
}
promise_value_t promise__http_message_value(struct http_message *message) {
    return promise_object(&promise_type_http, message);
}

static char *text_new(struct http_message *m, size_t size) {
    struct http_text *text = promise_memory_alloc(sizeof *text + size + 1);

    if (!text) return NULL;
    text->next = m->texts;
    m->texts = text;
    text->data[size] = 0;
    return text->data;
}

const char *promise__http_message_text(struct http_message *m, const char *text, size_t size) {
    char *copy = text_new(m, size);

    return copy ? memcpy(copy, text, size) : NULL;
}

/* ---- headers ---- */

static bool is_named(const struct http_field *f, const char *name, uint32_t hash) {
    return f->hash == hash && !strcasecmp(f->name, name);
}

static struct http_field *find(const struct http_message *m, const char *name, uint32_t hash) {
    for (size_t i = 0; i < m->count; i++)
        if (is_named(&m->fields[i], name, hash)) return &m->fields[i];
    return NULL;
}

/* Writes all values of the fields named as first is, and gives their length; or only that, where there is no room yet. */
static size_t join_values(const struct http_message *m, const struct http_field *first, char *text) {
    size_t size = 0;

    for (const struct http_field *f = first; f < m->fields + m->count; f++) {
        size_t length = strlen(f->value);
        if (!is_named(f, first->name, first->hash)) continue;
        if (text) memcpy(text + size, f->value, length), memcpy(text + size + length, ", ", 2);
        size += length + 2;
    }
    return size;
}

static int join_field(struct http_message *m, struct http_field *first) {
    size_t size = join_values(m, first, NULL);
    char *text;

    if (!strcasecmp(first->name, "set-cookie")) return 0; /* RFC 9110, 5.3: its values have commas of their own */
    text = text_new(m, size);
    if (!text) return -1;
    join_values(m, first, text);
    text[size - 2] = 0;
    first->joined = text;
    return 0;
}

int promise__http_message_join(struct http_message *m) {
    for (size_t i = 1; i < m->count; i++) {
        struct http_field *f = &m->fields[i], *first = find(m, f->name, f->hash);
        f->repeated = first != f;
        if (f->repeated && !first->joined && join_field(m, first) != 0) return -1;
    }
    return 0;
}

static int reserve_field(struct http_message *m) {
    size_t capacity = m->capacity * 2 + 8;
    struct http_field *fields;

    if (m->count < m->capacity) return 0;
    fields = promise_memory_resize(m->fields == m->own_fields ? NULL : m->fields, capacity * sizeof *fields);
    if (!fields) return -1;
    if (m->fields == m->own_fields) memcpy(fields, m->own_fields, m->count * sizeof *fields);
    m->fields = fields;
    m->capacity = capacity;
    return 0;
}

int promise__http_message_add(struct http_message *m, const char *name, const char *value) {
    size_t name_size = strlen(name), value_size = strlen(value);
    struct http_field *f, *first = find(m, name, promise__http_hash(name));
    char *text;

    if (!promise__http_is_token(name, name_size) || !promise__http_is_value(value, value_size)) return -1;
    if (reserve_field(m) != 0 || !(text = text_new(m, name_size + 1 + value_size))) return -1;
    memcpy(text, name, name_size + 1);
    memcpy(text + name_size + 1, value, value_size);
    f = &m->fields[m->count++];
    *f = (struct http_field){.name = text, .value = text + name_size + 1, .hash = promise__http_hash(name)};
    if (!first) return 0;
    first = find(m, name, f->hash); /* they may have moved */
    f->repeated = true;
    if (join_field(m, first) == 0) return 0;
    m->count--;
    return -1;
}

/* ---- look ---- */

static struct http_message *message_of(promise_value_t v) { return promise__http_message_of(v); }

int promise_http_status(promise_value_t message) { return message_of(message)->status; }
const char *promise_http_reason_phrase(promise_value_t message) { return message_of(message)->reason; }
const char *promise_http_method(promise_value_t message) { return message_of(message)->method; }
const char *promise_http_target(promise_value_t message) { return message_of(message)->target; }
const char *promise_http_path(promise_value_t message) { return message_of(message)->path; }
const char *promise_http_query(promise_value_t message) { return message_of(message)->query; }
const char *promise_http_url(promise_value_t message) { return message_of(message)->url; }

const char *promise_http_header(promise_value_t message, const char *name) {
    const struct http_message *m = message_of(message);
    const struct http_field *f = name ? find(m, name, promise__http_hash(name)) : NULL;

    if (!f) return NULL;
    return f->joined ? f->joined : f->value;
}

size_t promise_http_header_count(promise_value_t message) { return message_of(message)->count; }

PROMISE_NORETURN static void stop(const char *function, const char *what) {
    fprintf(stderr, "libpromise: %s: %s\n", function, what);
    abort();
}

static const struct http_field *field_at(promise_value_t message, size_t index, const char *function) {
    const struct http_message *m = message_of(message);

    if (index >= m->count) stop(function, "index is too large");
    return &m->fields[index];
}
const char *promise_http_header_name(promise_value_t message, size_t index) { return field_at(message, index, __func__)->name; }
const char *promise_http_header_value(promise_value_t message, size_t index) {
    return field_at(message, index, __func__)->value;
}

/* ---- bodies ---- */

static bool is_streamed(const struct http_message *m) { return m->reader || m->stream || m->taken; }

/* The whole body, lent. The empty one is made when it is asked for. */
static promise_value_t whole_body(struct http_message *m) {
    if (promise_is_void(m->body)) {
        promise_value_t empty = promise_bytes(NULL, 0);
        if (promise_is_rejection(empty)) return empty;
        promise_value_set(&m->body, empty);
    }
    return m->body;
}

promise_value_t promise_http_body(promise_value_t message) {
    struct http_message *m = message_of(message);

    if (is_streamed(m)) stop(__func__, "the body is streamed: promise_http_chunks() or promise_http_read_body() give it");
    return whole_body(m);
}

promise_iterator_t *promise__http_message_take_stream(struct http_message *m) {
    promise_iterator_t *it = m->stream;

    m->stream = NULL;
    if (it) m->taken = true;
    return it;
}

static void release_held(void *message) { promise__http_message_unref(message); }

static struct http_reader *take_reader(struct http_message *m) {
    struct http_reader *reader = m->reader;

    m->reader = NULL;
    m->taken = true;
    return reader;
}

static promise_value_t taken_twice(void) {
    return promise_throw(&promise_errors, PROMISE_ECLOSED, "the body of the message was asked for before");
}

static promise_iterator_t *whole_items(struct http_message *m) {
    promise_value_t body = whole_body(m);

    if (promise_is_rejection(body)) return promise_list_items(m->loop, body);
    return promise_items(m->loop, 1, &body);
}

promise_iterator_t *promise_http_chunks(promise_value_t message) {
    struct http_message *m = message_of(message);
    promise_iterator_t *it;

    if (m->taken) return promise_list_items(m->loop, taken_twice());
    if (m->reader) it = promise__http_reader_chunks(take_reader(m));
    else if (m->stream) it = promise__http_message_take_stream(m);
    else return whole_items(m);
    m->refs++;
    return promise_iterator_attach(it, m, release_held);
}

static void reader_free(void *reader) { promise__http_reader_free(reader); }

promise_t *promise_http_read_body(promise_value_t message, size_t max) {
    struct http_message *m = message_of(message);
    struct http_reader *reader;
    promise_value_t body;
    size_t size = 0;
    promise_t *p;

    if (m->taken) return promise_from(m->loop, taken_twice());
    if (m->stream)
        return promise_from(m->loop, promise_throw_errno(EINVAL, "promise_http_read_body: the message is not one that came"));
    if (m->reader) {
        reader = take_reader(m);
        m->refs++;
        p = promise_attach(promise__http_reader_all(reader, max), reader, reader_free);
        return promise_attach(p, m, release_held);
    }
    body = whole_body(m);
    if (!promise_is_rejection(body)) promise_as_bytes(body, &size);
    if (size <= max) return promise_from(m->loop, body);
    return promise_from(m->loop, promise_throw(&promise_http_errors, PROMISE_HTTP_ETOOLARGE,
                                               "the body: %zu bytes, the limit is %zu", size, max));
}
