#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <promise/promise.h>

#include "cell.h"

/* ---- references ---- */

void promise__retain_slow(promise_value_t v) {
    const struct promise_type *type = promise__type(v);
    struct cell *cell = v.as.pointer;

    if (!type->free) type->retain(cell);
    else if (cell->refs != CELL_STATIC) cell->refs++;
}

/* Cells whose last reference went, and whether somebody above us on the stack is freeing them: chains of values are
 * released by a loop, never by recursion (V4). */
static _Thread_local struct cell *dead_cells;
static _Thread_local bool freeing;

bool promise__is_releasing(void) { return freeing; }

static PROMISE_COLD void free_dead_cells(void) {
    freeing = true;
    while (dead_cells) {
        struct cell *cell = dead_cells;
        dead_cells = cell->dead;
        cell->type->free(cell->object);
        promise__free(cell);
    }
    freeing = false;
}

void promise__release_slow(promise_value_t v) {
    const struct promise_type *type = promise__type(v);
    struct cell *cell = v.as.pointer;

    if (!type->free) {
        type->release(cell);
        return;
    }
    if (cell->refs == CELL_STATIC || --cell->refs) return;
    cell->dead = dead_cells;
    dead_cells = cell;
    if (!freeing) free_dead_cells();
}

void promise_value_set(promise_value_t *slot, promise_value_t v) {
    promise_value_t old = *slot;

    *slot = promise__mark(promise__take(v), MARK_KEPT);
    if ((old.type & MARK_OWNER) != MARK_LENT) promise__release(old);
}

void promise_value_clear(promise_value_t *slot) {
    promise_value_t old = *slot;

    *slot = promise_void();
    if ((old.type & MARK_OWNER) != MARK_LENT) promise__release(old);
}

promise_value_t promise_value_move(promise_value_t *slot) {
    promise_value_t v = *slot;

    *slot = promise_void();
    if ((v.type & MARK_OWNER) == MARK_LENT) return promise__take(v);
    return promise__mark(v, 0);
}

/* ---- types ---- */

static void text_free(void *object) {
    struct text *text = object;
    if (text->data != text->inline_data) free(text->data);
}

struct box {
    void *object;
    void (*free_object)(void *object);
};

static void box_free(void *object) {
    struct box *box = object;
    if (box->free_object) box->free_object(box->object);
}

static size_t print_string(const void *object, char *buffer, size_t size) {
    return (size_t)snprintf(buffer, size, "%s", ((const struct text *)object)->data);
}
static size_t print_bytes(const void *object, char *buffer, size_t size) {
    return (size_t)snprintf(buffer, size, "%zu bytes", ((const struct text *)object)->size);
}
static size_t print_pointer(const void *object, char *buffer, size_t size) {
    return (size_t)snprintf(buffer, size, "%p", object);
}

static void retain_promise(void *p) { (void)!promise_ref(p); }
static void release_promise(void *p) { promise__unref_by_value(p); }
/* Never called: a promise is adopted. Not NULL, so that one test finds promises and thenables alike. */
static void then_promise(void *p, promise_resolver_t *resolver) { (void)p, (void)resolver; }

#define TYPE(name, ...) const struct promise_type promise_type_##name = {sizeof(struct promise_type), #name, __VA_ARGS__}
TYPE(end, NULL, NULL, NULL, NULL, NULL);
TYPE(int, NULL, NULL, NULL, NULL, NULL);
TYPE(double, NULL, NULL, NULL, NULL, NULL);
TYPE(pointer, NULL, NULL, NULL, NULL, print_pointer);
TYPE(string, text_free, NULL, NULL, NULL, print_string);
TYPE(bytes, text_free, NULL, NULL, NULL, print_bytes);
TYPE(box, box_free, NULL, NULL, NULL, NULL);
TYPE(promise, NULL, retain_promise, release_promise, then_promise, NULL);

/* ---- make ---- */

void *promise__cell_new(const struct promise_type *type, size_t object_size, promise_value_t *v) {
    struct cell *cell = promise__malloc(sizeof *cell + object_size);

    if (!cell) {
        *v = promise__nomem();
        return NULL;
    }
    cell->refs = 1;
    cell->type = type;
    cell->object = cell + 1;
    *v = (promise_value_t){(uintptr_t)type, {.pointer = cell}};
    return cell->object;
}

struct text *promise__text_new(const struct promise_type *type, size_t size, promise_value_t *v) {
    struct text *text;

    if (size > SIZE_MAX / 2) {
        *v = promise__nomem();
        return NULL;
    }
    text = promise__cell_new(type, sizeof *text + size + 1, v);
    if (!text) return NULL;
    text->size = size;
    text->data = text->inline_data;
    text->data[size] = 0;
    return text;
}

static promise_value_t text_copy(const struct promise_type *type, const void *data, size_t size) {
    promise_value_t v;
    struct text *text = promise__text_new(type, size, &v);

    if (text && size) memcpy(text->data, data, size);
    return v;
}

promise_value_t promise_string(const char *text) {
    if (!text) return promise__bad_argument("promise_string", "text is NULL");
    return text_copy(&promise_type_string, text, strlen(text));
}

promise_value_t promise_string_take(char *text) {
    promise_value_t v;
    struct text *t;

    if (!text) return promise__bad_argument("promise_string_take", "text is NULL");
    t = promise__cell_new(&promise_type_string, sizeof *t, &v);
    if (!t) free(text);
    else t->size = strlen(text), t->data = text;
    return v;
}

promise_value_t promise_stringf(const char *format, ...) {
    promise_value_t v;
    struct text *text;
    va_list args;
    int size;

    if (!format) return promise__bad_argument("promise_stringf", "format is NULL");
    va_start(args, format);
    size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size < 0) return promise__bad_argument("promise_stringf", "format cannot be printed");
    text = promise__text_new(&promise_type_string, (size_t)size, &v);
    if (!text) return v;
    va_start(args, format);
    vsnprintf(text->data, (size_t)size + 1, format, args);
    va_end(args);
    return v;
}

promise_value_t promise_bytes(const void *data, size_t size) {
    if (!data && size) return promise__bad_argument("promise_bytes", "data is NULL");
    return text_copy(&promise_type_bytes, data, size);
}

/* What comes from outside has no NUL behind it, which as_bytes promises: it is made room for, or copied. */
promise_value_t promise_bytes_take(void *data, size_t size) {
    promise_value_t v;
    struct text *text;
    char *grown;

    if (!data && size) return promise__bad_argument("promise_bytes_take", "data is NULL");
    text = promise__cell_new(&promise_type_bytes, sizeof *text, &v);
    if (!text) {
        free(data);
        return v;
    }
    text->size = size;
    text->data = data;
    grown = size < SIZE_MAX ? realloc(data, size + 1) : NULL;
    if (!grown) {
        promise__release(v);
        return promise__nomem();
    }
    text->data = grown;
    text->data[size] = 0;
    return v;
}

promise_value_t promise_box(void *object, void (*free_object)(void *object)) {
    promise_value_t v;
    struct box *box = promise__cell_new(&promise_type_box, sizeof *box, &v);

    if (box) *box = (struct box){object, free_object};
    else if (free_object) free_object(object);
    return v;
}

promise_value_t promise_object(const struct promise_type *type, void *object) {
    promise_value_t v;

    if (!type) return promise__bad_argument("promise_object", "type is NULL");
    if (!object) return promise__bad_argument("promise_object", "object is NULL");
    if (!type->free) return (promise_value_t){(uintptr_t)type, {.pointer = object}};
    if (!promise__cell_new(type, 0, &v)) type->free(object);
    else ((struct cell *)v.as.pointer)->object = object;
    return v;
}

/* ---- read ---- */

const char *promise_type_name(promise_value_t v) {
    const struct promise_type *type = promise__type(v);
    return type ? type->name : "void";
}

static PROMISE_COLD PROMISE_NORETURN void wrong_type(const char *function, promise_value_t v, const char *expected) {
    if (promise_is_rejection(v))
        promise__stop("%s: expected %s, got a rejection: %s (promise_reason() gives what is in it)", function, expected,
                      promise_error_message(v));
    promise__stop("%s: expected %s, got %s", function, expected, promise_type_name(v));
}

int64_t promise_as_int(promise_value_t v) {
    if (!promise_is(v, &promise_type_int)) wrong_type(__func__, v, "int");
    return v.as.integer;
}

double promise_as_double(promise_value_t v) {
    if (!promise_is(v, &promise_type_double)) wrong_type(__func__, v, "double");
    return v.as.number;
}

void *promise_as_pointer(promise_value_t v) {
    if (!promise_is(v, &promise_type_pointer)) wrong_type(__func__, v, "pointer");
    return v.as.pointer;
}

const char *promise_as_string(promise_value_t v) {
    if (!promise_is(v, &promise_type_string)) wrong_type(__func__, v, "string");
    return ((struct text *)promise__object(v))->data;
}

const char *promise_as_bytes(promise_value_t v, size_t *size) {
    const struct text *text;

    if (!promise_is(v, &promise_type_bytes) && !promise_is(v, &promise_type_string)) wrong_type(__func__, v, "bytes");
    text = promise__object(v);
    if (size) *size = text->size;
    return text->data;
}

void *promise_as_box(promise_value_t v) {
    if (!promise_is(v, &promise_type_box)) wrong_type(__func__, v, "box");
    return ((struct box *)promise__object(v))->object;
}

void *promise__as_object_of(promise_value_t v, const struct promise_type *type, const char *function) {
    if (!promise_is(v, type)) wrong_type(function, v, type->name);
    return type->free ? promise__object(v) : v.as.pointer;
}

void *promise_as_object(promise_value_t v, const struct promise_type *type) {
    if (!type) promise__stop("promise_as_object: type is NULL");
    return promise__as_object_of(v, type, __func__);
}

promise_t *promise_as_promise(promise_value_t v) {
    if (!promise_is(v, &promise_type_promise)) wrong_type(__func__, v, "promise");
    return v.as.pointer;
}

size_t promise_print(promise_value_t v, char *buffer, size_t size) {
    const struct promise_type *type = promise__type(v);
    const void *object = v.as.pointer;

    if (type == &promise_type_int) return (size_t)snprintf(buffer, size, "%lld", (long long)v.as.integer);
    if (type == &promise_type_double) return (size_t)snprintf(buffer, size, "%g", v.as.number);
    if (type && type->free) object = promise__object(v);
    if (type && type->print) return type->print(object, buffer, size);
    return (size_t)snprintf(buffer, size, "%s", promise_type_name(v));
}
