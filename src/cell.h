/*
 * Values from the inside: references, and the cells behind the counted ones.
 *
 * Types with `free` are counted by the library, in a cell that the payload word points to:
 *
 *     value {type|marks, ─}──▶ cell {refs, type, object ─}──▶ what as_object gives and type->free frees
 *
 * The built-in ones keep their object in the same block, behind the cell.
 */
#ifndef PROMISE_SRC_CELL_H
#define PROMISE_SRC_CELL_H

#include <stdarg.h>

#include <promise/error.h>
#include <promise/promise.h>
#include <promise/value.h>

#include "memory.h"

enum {
    MARK_REJECTION = 1,
    MARK_LENT = 2,
    MARK_HELD = 4,
    MARK_KEPT = 6,
    MARK_OWNER = 6, /* the two bits that say whose it is */
    MARKS = 7
};

struct cell {
    union {
        size_t refs;       /* CELL_STATIC: never counted */
        struct cell *dead; /* the next to be freed, once refs was 0 */
    };
    const struct promise_type *type;
    void *object;
};
#define CELL_STATIC SIZE_MAX

struct text { /* the object of a string or bytes */
    size_t size;
    char *data; /* ends in a NUL, which size does not count; inline or from malloc(3) */
    char inline_data[];
};

struct list {
    size_t size, capacity;
    promise_value_t *items;
    char **names; /* NULL, or one for each item, each NULL or a copy */
};

struct error {
    const struct promise_domain *domain;
    int code;
    const char *where;
    const char *message;
    promise_value_t cause;   /* with its mark */
    promise_value_t reasons; /* a list, of PROMISE_EAGGREGATE */
    char text[];
};

static inline const struct promise_type *promise__type(promise_value_t v) {
    return (const struct promise_type *)(v.type & ~(uintptr_t)MARKS);
}
static inline promise_value_t promise__mark(promise_value_t v, unsigned owner) {
    v.type = (v.type & ~(uintptr_t)MARK_OWNER) | owner;
    return v;
}
/* The object behind a value that is known to be counted by the library. */
static inline void *promise__object(promise_value_t v) { return ((struct cell *)v.as.pointer)->object; }

void promise__unref_by_value(promise_t *p); /* job.c: a value lets go of its promise */
bool promise__is_releasing(void);        /* is somebody above us on the stack freeing values? */
void promise__retain_slow(promise_value_t v);
void promise__release_slow(promise_value_t v);

static inline bool promise__is_counted(promise_value_t v) {
    const struct promise_type *type = promise__type(v);
    return type && (type->free || type->retain);
}
static inline void promise__retain(promise_value_t v) {
    if (promise__is_counted(v)) promise__retain_slow(v);
}
static inline void promise__release(promise_value_t v) {
    if (promise__is_counted(v)) promise__release_slow(v);
}

/* One reference of our own to a value that came as an argument, or back from a function (V2); the owner bits are cleared. */
static inline promise_value_t promise__take(promise_value_t v) {
    if (v.type & MARK_OWNER) {
        v.type &= ~(uintptr_t)MARK_OWNER;
        promise__retain(v);
    }
    return v;
}
static inline promise_value_t promise__returned(promise_value_t v) {
    unsigned owner = (unsigned)(v.type & MARK_OWNER);
    v.type &= ~(uintptr_t)MARK_OWNER;
    if (owner == MARK_LENT || owner == MARK_KEPT) promise__retain(v);
    return v;
}
static inline promise_value_t promise__copy(promise_value_t v) {
    promise__retain(v);
    return v;
}

/* promise_as_object() for the function that the program has called, which is named when v is of another type. */
void *promise__as_object_of(promise_value_t v, const struct promise_type *type, const char *function);

/* A new block with a cell and an object of that size behind it, or NULL. */
void *promise__cell_new(const struct promise_type *type, size_t object_size, promise_value_t *v);

/* A text of that size whose bytes are still to be written, and its value; or NULL, and the ENOMEM rejection. */
struct text *promise__text_new(const struct promise_type *type, size_t size, promise_value_t *v);

promise_value_t promise__nomem(void);
promise_value_t promise__canceled(void);
bool promise__is_the_canceled(promise_value_t v); /* that very one: from a cancel or a teardown */
/* The EINVAL rejection for a bad argument of a public function. */
promise_value_t promise__bad_argument(const char *function, const char *what);
promise_value_t promise__aggregate_error(promise_value_t reasons); /* takes the list over */

promise_value_t promise__list_of(size_t n);                             /* n void items, or the ENOMEM rejection */
int promise__list_set_name(struct list *l, size_t i, const char *name); /* copies; -1 when out of memory */
int promise__list_add(struct list *l, promise_value_t item);            /* takes item over, also when it gives -1 */

#endif
