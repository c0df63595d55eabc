#include <promise/error.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cell.h"

/* ---- domains ---- */

static const char *describe_promise_error(int code) {
    switch (code) {
    case PROMISE_ECANCELED: return "canceled";
    case PROMISE_ETIMEDOUT: return "timed out";
    case PROMISE_EABANDONED: return "abandoned: the last resolver was let go of";
    case PROMISE_ECYCLE: return "the promise was to wait for itself";
    case PROMISE_ECLOSED: return "closed";
    case PROMISE_ESTALLED: return "stalled: nothing is left that could settle it";
    case PROMISE_ESTOPPED: return "the loop was stopped from outside";
    case PROMISE_EAGGREGATE: return "too many promises were rejected";
    case PROMISE_EFULL: return "the queue is full";
    default: return "unknown error";
    }
}
static const char *describe_errno(int code) { return strerror(code); }

const struct promise_domain promise_errors = {"promise", describe_promise_error};
const struct promise_domain promise_errno_errors = {"errno", describe_errno};
const struct promise_domain promise_value_errors = {"value", NULL};

/* ---- errors ---- */

static void error_free(void *object) {
    struct error *e = object;
    promise__release(e->cause);
    promise__release(e->reasons);
}

static size_t error_print(const void *object, char *buffer, size_t size) {
    const struct error *e = object;
    return (size_t)snprintf(buffer, size, "%s[%d]: %s", e->domain->name, e->code, e->message);
}

const struct promise_type promise_type_error = {
    sizeof(struct promise_type), "error", error_free, NULL, NULL, NULL, error_print};

static struct error canceled_error = {.domain = &promise_errors, .code = PROMISE_ECANCELED, .message = "canceled"};
static struct error nomem_error = {.domain = &promise_errno_errors, .code = ENOMEM, .message = "out of memory"};
static struct cell canceled_cell = {{CELL_STATIC}, &promise_type_error, &canceled_error};
static struct cell nomem_cell = {{CELL_STATIC}, &promise_type_error, &nomem_error};

static promise_value_t rejection_of(struct cell *cell) {
    return (promise_value_t){(uintptr_t)&promise_type_error | MARK_REJECTION, {.pointer = cell}};
}
promise_value_t promise__canceled(void) { return rejection_of(&canceled_cell); }
promise_value_t promise__nomem(void) { return rejection_of(&nomem_cell); }
bool promise__is_the_canceled(promise_value_t v) { return v.as.pointer == &canceled_cell; }

static promise_value_t bad_domain(const char *function, promise_value_t cause) {
    promise__release(cause);
    return promise__bad_argument(function, "domain is NULL");
}

/* Takes cause over. tail is added after a colon; format may be NULL: then tail, or the words for the code, are all. */
static promise_value_t error_new(const char *where, promise_value_t cause, const struct promise_domain *domain, int code,
                                 const char *tail, const char *format, va_list args) {
    promise_value_t v;
    struct error *e;
    va_list again;
    int size = 0;
    size_t tail_size;

    if (!format && !tail && domain->describe) tail = domain->describe(code);
    tail_size = tail ? strlen(tail) + 2 : 0;
    va_copy(again, args);
    if (format) size = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (size < 0) size = 0, format = NULL;
    e = promise__cell_new(&promise_type_error, sizeof *e + (size_t)size + tail_size + 1, &v);
    if (!e) {
        promise__release(cause);
        return v;
    }
    *e = (struct error){.domain = domain, .code = code, .where = where, .cause = cause};
    if (format) {
        vsnprintf(e->text, (size_t)size + 1, format, args);
        if (tail) snprintf(e->text + size, tail_size + 1, ": %s", tail);
        e->message = e->text;
    } else if (tail) {
        e->message = strcpy(e->text, tail); /* such words need not last, as strerror's do not */
    } else {
        e->message = domain->name;
    }
    return promise_throw_value(v);
}

promise_value_t promise_throw_at(const char *where, const struct promise_domain *domain, int code, const char *format, ...) {
    promise_value_t v;
    va_list args;

    if (!domain) return bad_domain("promise_throw", promise_void());
    va_start(args, format);
    v = error_new(where, promise_void(), domain, code, NULL, format, args);
    va_end(args);
    return v;
}

promise_value_t promise_throw_errno_at(const char *where, int err, const char *format, ...) {
    promise_value_t v;
    va_list args;

    va_start(args, format);
    v = error_new(where, promise_void(), &promise_errno_errors, err, strerror(err), format, args);
    va_end(args);
    return v;
}

promise_value_t promise_wrap_at(const char *where, promise_value_t cause, const struct promise_domain *domain, int code,
                                const char *format, ...) {
    promise_value_t v;
    va_list args;

    cause = promise__take(cause);
    if (!domain) return bad_domain("promise_wrap", cause);
    va_start(args, format);
    v = error_new(where, cause, domain, code, NULL, format, args);
    va_end(args);
    return v;
}

promise_value_t promise__bad_argument(const char *function, const char *what) {
    return promise_throw_errno_at(NULL, EINVAL, "%s: %s", function, what);
}

promise_value_t promise__aggregate_error(promise_value_t reasons) {
    size_t n = promise_list_size(reasons);
    promise_value_t v;

    if (!n) v = promise_throw_at(NULL, &promise_errors, PROMISE_EAGGREGATE, "there was no promise that could be fulfilled");
    else
        v = promise_throw_at(NULL, &promise_errors, PROMISE_EAGGREGATE, "%zu promise%s rejected, the first: %s", n,
                             n == 1 ? " was" : "s were", promise_error_message(promise_list_get(reasons, 0)));
    if (promise_error_is(v, &promise_errors, PROMISE_EAGGREGATE)) ((struct error *)promise__object(v))->reasons = reasons;
    else promise__release(reasons);
    return v;
}

/* ---- query ---- */

static const struct error *error_of(promise_value_t v) {
    return promise__type(v) == &promise_type_error ? promise__object(v) : NULL;
}

bool promise_error_is(promise_value_t v, const struct promise_domain *domain, int code) {
    for (const struct error *e = error_of(v); e; e = error_of(e->cause))
        if (e->domain == domain && e->code == code) return true;
    return false;
}

bool promise_is_canceled(promise_value_t v) { return promise_error_is(v, &promise_errors, PROMISE_ECANCELED); }
bool promise_is_timeout(promise_value_t v) { return promise_error_is(v, &promise_errors, PROMISE_ETIMEDOUT); }

const struct promise_domain *promise_error_domain(promise_value_t v) {
    const struct error *e = error_of(v);
    return e ? e->domain : &promise_value_errors;
}

int promise_error_code(promise_value_t v) {
    const struct error *e = error_of(v);
    return e ? e->code : 0;
}

const char *promise_error_message(promise_value_t v) {
    const struct error *e = error_of(v);

    if (e) return e->message;
    return promise__type(v) == &promise_type_string ? promise_as_string(promise_reason(v)) : promise_type_name(v);
}

const char *promise_error_where(promise_value_t v) {
    const struct error *e = error_of(v);
    return e ? e->where : NULL;
}

promise_value_t promise_error_cause(promise_value_t v) {
    const struct error *e = error_of(v);
    return e ? promise__mark(e->cause, MARK_LENT) : promise_void();
}

promise_value_t promise_error_reasons(promise_value_t v) {
    const struct error *e = error_of(v);
    return e ? promise__mark(e->reasons, MARK_LENT) : promise_void();
}
