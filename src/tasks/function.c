/* Functions by name, and rejections as bytes: what runs in one place and is told in another. */
#include "tasks/function.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <promise/child.h>

/* ---- calling ---- */

const struct promise_function *promise_function_find(const struct promise_function *functions, const char *name) {
    for (; name && functions && functions->name; functions++)
        if (!strcmp(functions->name, name)) return functions;
    return NULL;
}

promise_value_t promise__function_unknown(const char *name) {
    return promise_throw_at(NULL, &promise_errno_errors, ENOENT, "there is no function \"%s\"", name);
}

promise_value_t promise__function_unnamed(promise_value_t bytes, const char *function) {
    if (promise_is_rejection(bytes)) return bytes;
    promise__release(bytes);
    return promise__bad_argument(function, "name is NULL");
}

promise_value_t promise__function_bytes(promise_value_t v, const char *what) {
    promise_value_t bytes;
    size_t size = 0;
    const char *data = "";

    if (promise_is_rejection(v) || promise_is(v, &promise_type_bytes)) return v;
    if (promise_is(v, &promise_type_string)) data = promise_as_bytes(v, &size);
    else if (!promise_is_void(v)) {
        bytes = promise_throw_errno_at(NULL, EINVAL, "%s: expected bytes, got %s", what, promise_type_name(v));
        promise__release(v);
        return bytes;
    }
    bytes = promise_bytes(data, size);
    promise__release(v);
    return bytes;
}

promise_value_t promise_function_call(const struct promise_function *functions, const char *name, promise_value_t bytes) {
    const struct promise_function *f = promise_function_find(functions, name);
    promise_value_t v = promise__take(bytes), result;

    v = name ? promise__function_bytes(v, __func__) : promise__function_unnamed(v, __func__);
    if (promise_is_rejection(v)) return v;
    result = f ? promise__returned(f->run(promise__mark(v, MARK_LENT), NULL)) : promise__function_unknown(name);
    promise__release(v);
    return promise__function_bytes(result, name);
}

/* ---- domains ---- */

enum { STRANGERS = 64, NAME_SIZE = 64 };

/* Those that only their names are known of. They are never given back: an error may have any of them. */
static struct stranger {
    struct promise_domain domain;
    char name[NAME_SIZE];
} strangers[STRANGERS];
static size_t stranger_count;
static pthread_mutex_t strangers_lock = PTHREAD_MUTEX_INITIALIZER;

/* One that has another name than all others when there is no more room. */
static const struct promise_domain *stranger(const char *name, size_t size) {
    static const struct promise_domain unknown = {"unknown", NULL};
    const struct promise_domain *found = NULL;

    if (size >= NAME_SIZE) return &unknown;
    pthread_mutex_lock(&strangers_lock);
    for (size_t i = 0; i < stranger_count && !found; i++)
        if (strlen(strangers[i].name) == size && !memcmp(strangers[i].name, name, size)) found = &strangers[i].domain;
    if (!found && stranger_count < STRANGERS) {
        struct stranger *s = &strangers[stranger_count++];
        memcpy(s->name, name, size);
        s->domain.name = s->name;
        found = &s->domain;
    }
    pthread_mutex_unlock(&strangers_lock);
    return found ? found : &unknown;
}

static const struct promise_domain *find_domain(const char *name, size_t size, const struct promise_domain *const *given) {
    static const struct promise_domain *const own[] = {&promise_errno_errors, &promise_errors, &promise_exit_errors,
                                                       &promise_value_errors, NULL};
    const struct promise_domain *const *lists[] = {given, own};

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (const struct promise_domain *const *d = lists[i]; d && *d; d++)
            if (strlen((*d)->name) == size && !memcmp((*d)->name, name, size)) return *d;
    return stranger(name, size);
}

/*
 * ---- rejections as bytes ----
 *
 * A byte for the version, then for each error, causes after what they caused: its code and the sizes of three texts, four bytes
 * each, the lowest first; and the texts: domain, message, place.
 */

enum { PACK_VERSION = 1, PACK_HEAD = 16, PACK_DEEPEST = 64 };

struct packed {
    uint32_t code;
    const char *texts[3];
    size_t sizes[3];
};

static struct packed describe(promise_value_t v) {
    const char *where = promise_error_where(v);
    struct packed p = {(uint32_t)promise_error_code(v), {promise_error_domain(v)->name, promise_error_message(v), where}, {0}};

    for (int i = 0; i < 3; i++) p.sizes[i] = p.texts[i] ? strlen(p.texts[i]) : 0;
    return p;
}

static size_t size_of(const struct packed *p) { return PACK_HEAD + p->sizes[0] + p->sizes[1] + p->sizes[2]; }

static unsigned char *put_number(unsigned char *at, uint32_t n) {
    for (int i = 0; i < 4; i++, n >>= 8) *at++ = (unsigned char)n;
    return at;
}

static uint32_t get_number(const unsigned char *at) {
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static unsigned char *put(unsigned char *at, const struct packed *p) {
    at = put_number(at, p->code);
    for (int i = 0; i < 3; i++) at = put_number(at, (uint32_t)p->sizes[i]);
    for (int i = 0; i < 3; i++) {
        if (p->sizes[i]) memcpy(at, p->texts[i], p->sizes[i]);
        at += p->sizes[i];
    }
    return at;
}

promise_value_t promise_error_pack(promise_value_t rejection) {
    promise_value_t v, bytes, given = promise__take(rejection);
    size_t size = 1, deep = 0;
    struct packed p;
    struct text *text;
    unsigned char *at;

    for (v = given; deep < PACK_DEEPEST && (!deep || promise_is_rejection(v)); deep++, v = promise_error_cause(v)) {
        p = describe(v);
        size += size_of(&p);
    }
    text = promise__text_new(&promise_type_bytes, size, &bytes);
    if (text) {
        at = (unsigned char *)text->data;
        *at++ = PACK_VERSION;
        for (v = given; deep--; v = promise_error_cause(v)) {
            p = describe(v);
            at = put(at, &p);
        }
    }
    promise__release(given);
    return bytes;
}

/* The next one, from what is left; false when that is none. */
static bool get(const unsigned char **at, size_t *left, struct packed *p) {
    const unsigned char *text = *at + PACK_HEAD;
    size_t rest;

    if (*left < PACK_HEAD) return false;
    p->code = get_number(*at);
    rest = *left - PACK_HEAD;
    for (int i = 0; i < 3; i++) {
        p->sizes[i] = get_number(*at + 4 + 4 * i);
        if (p->sizes[i] > rest) return false;
        rest -= p->sizes[i];
        p->texts[i] = (const char *)text;
        text += p->sizes[i];
    }
    *at = text;
    *left = rest;
    return true;
}

/* An error that has all its texts behind it. */
static struct error *error_of(const struct packed *p, const struct promise_domain *const *domains, promise_value_t *v) {
    struct error *e = promise__cell_new(&promise_type_error, sizeof *e + p->sizes[1] + 1 + p->sizes[2] + 1, v);

    if (!e) return NULL;
    *e = (struct error){.domain = find_domain(p->texts[0], p->sizes[0], domains), .code = (int)p->code, .message = e->text};
    memcpy(e->text, p->texts[1], p->sizes[1]);
    e->text[p->sizes[1]] = 0;
    if (p->sizes[2]) {
        char *where = e->text + p->sizes[1] + 1;
        memcpy(where, p->texts[2], p->sizes[2]);
        where[p->sizes[2]] = 0;
        e->where = where;
    }
    *v = promise_throw_value(*v);
    return e;
}

static promise_value_t unpack(const unsigned char *at, size_t left, const struct promise_domain *const *domains) {
    promise_value_t first = promise_void(), *place = &first;
    struct error *e;
    struct packed p;

    if (left && *at == PACK_VERSION) at++, left--;
    else left = 0;
    do {
        if (!get(&at, &left, &p)) {
            promise__release(first);
            return promise_throw_errno_at(NULL, EPROTO, "promise_error_unpack: this is no rejection");
        }
        e = error_of(&p, domains, place);
        if (!e) {
            if (place == &first) return first;
            *place = promise_void();
            promise__release(first);
            return promise__nomem();
        }
        place = &e->cause;
    } while (left);
    return first;
}

promise_value_t promise_error_unpack(promise_value_t bytes, const struct promise_domain *const *domains) {
    promise_value_t given = promise__take(bytes), v;
    size_t size;
    const char *data;

    if (promise_is_rejection(given)) return given;
    if (promise_is(given, &promise_type_bytes) || promise_is(given, &promise_type_string)) {
        data = promise_as_bytes(given, &size);
        v = unpack((const unsigned char *)data, size, domains);
    } else {
        v = promise_throw_errno_at(NULL, EPROTO, "promise_error_unpack: expected bytes, got %s", promise_type_name(given));
    }
    promise__release(given);
    return v;
}
