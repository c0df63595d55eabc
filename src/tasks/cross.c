/*
 * Values that leave for another thread: moved, where nobody else has them, else copied.
 *
 * What is in lists and errors is gone through without recursion. A place on the stack is kept for each list in a list; an
 * error's cause is the last thing that is looked at in it, so that chains of causes take none (V4).
 */
#include "cross.h"

#include <errno.h>
#include <string.h>

enum { DEPTH = 128 };

struct rest { /* of a list or an error: the values that are still to be looked at, from the last to the first */
    promise_value_t *values;
    size_t left;
};

struct way {
    const char *function;
    promise_value_t why; /* the rejection, once there is one */
    size_t depth;
    struct rest rest[DEPTH];
};

static struct cell *cell_of(promise_value_t v) { return v.as.pointer; }

/* ---- copies, whose values are references of their own ---- */

static promise_value_t copy_text(promise_value_t v) {
    const struct text *from = promise__object(v);
    promise_value_t copy;
    struct text *text = promise__text_new(promise__type(v), from->size, &copy);

    if (text && from->size) memcpy(text->data, from->data, from->size);
    return copy;
}

static promise_value_t copy_list(promise_value_t v) {
    const struct list *from = promise__object(v);
    promise_value_t copy = promise__list_of(from->size);
    struct list *l;

    if (promise_is_rejection(copy)) return copy;
    l = promise__object(copy);
    for (size_t i = 0; i < from->size; i++) {
        l->items[i] = promise__copy(from->items[i]);
        if (from->names && from->names[i] && promise__list_set_name(l, i, from->names[i]) < 0) {
            promise__release(copy);
            return promise__nomem();
        }
    }
    return copy;
}

static promise_value_t copy_error(promise_value_t v) {
    const struct error *from = promise__object(v);
    size_t size = strlen(from->message) + 1;
    promise_value_t copy;
    struct error *e = promise__cell_new(&promise_type_error, sizeof *e + size, &copy);

    if (!e) return copy;
    *e = (struct error){.domain = from->domain, .code = from->code, .where = from->where};
    e->message = memcpy(e->text, from->message, size);
    e->cause = promise__copy(from->cause);
    e->reasons = promise__copy(from->reasons);
    return copy;
}

/* Or a rejection. */
static promise_value_t copy_of(promise_value_t v, const char *function) {
    const struct promise_type *type = promise__type(v);

    if (type == &promise_type_string || type == &promise_type_bytes) return copy_text(v);
    if (type == &promise_type_list) return copy_list(v);
    if (type == &promise_type_error) return copy_error(v);
    return promise_throw_at(NULL, &promise_errno_errors, EBUSY,
                            "%s: expected a value that may cross threads, got a %s that is held elsewhere", function,
                            type->name);
}

/* ---- all the way down ---- */

/* What is in *v is still to be looked at. */
static bool descend(struct way *way, promise_value_t v) {
    struct rest *rest = &way->rest[way->depth];
    const struct promise_type *type = promise__type(v);

    if (type != &promise_type_list && type != &promise_type_error) return true;
    if (way->depth == DEPTH) {
        way->why = promise_throw_at(NULL, &promise_errno_errors, E2BIG,
                                    "%s: expected a value that may cross threads, got lists in lists more than %d deep",
                                    way->function, DEPTH);
        return false;
    }
    if (type == &promise_type_list) {
        struct list *l = promise__object(v);
        *rest = (struct rest){l->items, l->size};
    } else {
        struct error *e = promise__object(v);
        static_assert(offsetof(struct error, reasons) == offsetof(struct error, cause) + sizeof(promise_value_t),
                      "the two are an array, of which the cause is looked at last");
        *rest = (struct rest){&e->cause, 2};
    }
    if (rest->left) way->depth++;
    return true;
}

static bool detach(struct way *way, promise_value_t *v) {
    const struct promise_type *type = promise__type(*v);
    uintptr_t marks = v->type & MARKS;

    if (type == &promise_type_promise) {
        way->why = promise_throw_at(NULL, &promise_errno_errors, EINVAL,
                                    "%s: expected a value that may cross threads, got one with a promise in it", way->function);
        return false;
    }
    if (!type || !type->free || cell_of(*v)->refs == CELL_STATIC) return true;
    if (cell_of(*v)->refs > 1) {
        promise_value_t copy = copy_of(*v, way->function);
        if (promise_is_rejection(copy)) {
            way->why = copy;
            return false;
        }
        promise__release(*v);
        *v = copy;
        v->type |= marks;
    }
    return descend(way, *v);
}

bool promise__cross(promise_value_t *v, const char *function) {
    struct way way;
    bool fine;

    way.function = function;
    way.depth = 0;
    fine = detach(&way, v);
    while (fine && way.depth) {
        struct rest *rest = &way.rest[way.depth - 1];
        promise_value_t *next = &rest->values[--rest->left];
        if (!rest->left) way.depth--;
        fine = detach(&way, next);
    }
    if (fine) return true;
    promise__release(*v);
    *v = way.why;
    return false;
}

bool promise__cross_argument(promise_value_t *v, const char *function) {
    if (promise__type(*v) == &promise_type_promise)
        promise__stop("%s: expected a value that may cross threads, got a promise", function);
    *v = promise__take(*v);
    return promise__cross(v, function);
}
