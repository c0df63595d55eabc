#include "trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct fakehost host;

void setup(void) { loop = fakehost_open(&host); }
void teardown(void) { fakehost_close(&host); }

/* ---- the words ---- */

static char words[2][8192];
static size_t used;
static unsigned side; /* the one that is being written */

void trace(const char *format, ...) {
    va_list args;
    size_t size = sizeof words[0] - used;
    int n;

    ck_assert_uint_gt(size, 128);
    if (used) words[side][used++] = ' ';
    va_start(args, format);
    n = vsnprintf(words[side] + used, size - 1, format, args);
    va_end(args);
    ck_assert(n >= 0 && (size_t)n < size - 1);
    used += (size_t)n;
}

const char *trace_take(void) {
    const char *text = words[side];

    words[side][used] = 0;
    used = 0;
    side = !side;
    words[side][0] = 0;
    return text;
}

/* ---- values as text ---- */

bool trace_messages;

static size_t show(char *to, size_t size, promise_value_t v);

static size_t show_list(char *to, size_t size, promise_value_t list) {
    size_t n = promise_list_size(list);
    bool keyed = n && promise_list_name(list, 0);
    size_t length = (size_t)snprintf(to, size, keyed ? "{" : "[");

    for (size_t i = 0; i < n; i++) {
        if (i) length += (size_t)snprintf(to + length, size - length, ",");
        if (keyed) length += (size_t)snprintf(to + length, size - length, "%s:", promise_list_name(list, i));
        length += show(to + length, size - length, promise_list_get(list, i));
        ck_assert_uint_lt(length, size);
    }
    return length + (size_t)snprintf(to + length, size - length, keyed ? "}" : "]");
}

static size_t show_error(char *to, size_t size, promise_value_t v) {
    static const char *const names[] = {"?",       "canceled", "timedout", "abandoned", "cycle",
                                        "closed",  "stalled",  "stopped",  "aggregate"};
    int code = promise_error_code(v);
    size_t length;

    if (trace_messages) return (size_t)snprintf(to, size, "%s", promise_error_message(v));
    if (promise_error_domain(v) != &promise_errors)
        return (size_t)snprintf(to, size, "%s%d", promise_error_domain(v)->name, code);
    length = (size_t)snprintf(to, size, "%s", names[code]);
    return code == PROMISE_EAGGREGATE ? length + show(to + length, size - length, promise_error_reasons(v)) : length;
}

static size_t show(char *to, size_t size, promise_value_t v) {
    if (promise_is_rejection(v)) {
        size_t length = (size_t)snprintf(to, size, "!");
        return length + show(to + length, size - length, promise_reason(v));
    }
    if (promise_is_void(v)) return (size_t)snprintf(to, size, "-");
    if (promise_is(v, &promise_type_list)) return show_list(to, size, v);
    if (promise_is(v, &promise_type_error)) return show_error(to, size, v);
    return promise_print(v, to, size);
}

const char *shown(promise_value_t v) {
    static char texts[2][1024];
    static unsigned last;

    last = !last;
    show(texts[last], sizeof texts[last], v);
    return texts[last];
}

/* ---- handlers ---- */

promise_value_t trace_word(promise_value_t v, void *arg) {
    trace("%s", (const char *)arg);
    return v;
}

promise_value_t see(promise_value_t v, void *arg) {
    trace("%s=%s", (const char *)arg, shown(v));
    return v;
}

promise_t *traced(promise_t *p, const char *name) {
    return promise_then_catch(p, see, see, (void *)(uintptr_t)name);
}

static promise_value_t slow_end(promise_value_t v, void *arg) {
    trace("%s-", (const char *)arg);
    return v;
}

promise_value_t trace_slowly(promise_value_t v, void *arg) {
    (void)v;
    trace("%s+", (const char *)arg);
    return promise_adopt(promise_finally(promise_sleep(NULL, 10), slow_end, arg));
}

void trace_free(void *word) { trace("free:%s", (const char *)word); }

promise_value_t throw_text(const char *text) { return promise_throw_value(promise_string(text)); }

/* ---- outcomes ---- */

static promise_value_t keep(promise_value_t v, void *slot) {
    promise_value_set(slot, v);
    return promise_void();
}

const char *outcome_of(struct fakehost *on, promise_t *p) {
    promise_value_t outcome = {0};
    promise_t *kept = promise_then_catch(p, keep, keep, &outcome);
    bool settled = fakehost_settle(on, kept);
    const char *text = settled ? shown(outcome) : "pending";

    promise_value_clear(&outcome);
    if (settled) promise_unref(kept);
    else promise_cancel(kept);
    fakehost_drain(on);
    promise_value_clear(&outcome);
    return text;
}

/* ---- sources ---- */

static promise_resolver_t *take_resolver(struct source *source) {
    promise_resolver_t *resolver = source->resolver;

    source->resolver = NULL;
    return resolver;
}

static void source_stop(void *arg) {
    struct source *source = arg;

    trace("stop:%s", source->name);
    promise_abandon(take_resolver(source));
}

promise_t *source_open(promise_loop_t *on, struct source *source, const char *name) {
    promise_t *p = promise_new(on, &source->resolver);

    source->name = name;
    promise_on_cancel(source->resolver, source_stop, source);
    return p;
}

void source_resolve(struct source *source, promise_value_t v) { promise_resolve(take_resolver(source), v); }

void source_reject(struct source *source, const char *text) {
    promise_reject(take_resolver(source), promise_string(text));
}
