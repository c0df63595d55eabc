/* The names of promises, in a table beside them: most have none. */
#include <stdio.h>
#include <string.h>

#include "core.h"

struct name {
    struct name *next;
    const promise_t *promise;
    char text[];
};

static size_t slot_of(const promise_loop_t *loop, const promise_t *p) {
    return ((uintptr_t)p / sizeof *p * 0x9E3779B1u >> 7) & (loop->name_slots - 1);
}

static struct name **find(promise_loop_t *loop, const promise_t *p) {
    struct name **link = &loop->names[slot_of(loop, p)];

    while (*link && (*link)->promise != p) link = &(*link)->next;
    return link;
}

void promise__name_forget(promise_t *p) {
    promise_loop_t *loop = promise__loop(p);
    struct name **link = find(loop, p), *name = *link;

    p->flags &= ~(uint32_t)FLAG_NAMED;
    loop->name_count--;
    *link = name->next;
    promise__free(name);
}

/* Twice as many slots, or the first 64. */
static int grow(promise_loop_t *loop) {
    size_t old_slots = loop->name_slots, slots = old_slots ? 2 * old_slots : 64;
    struct name **old = loop->names, **table = promise__malloc(slots * sizeof *table), *name, *next;

    if (!table) return -1;
    memset(table, 0, slots * sizeof *table);
    loop->names = table;
    loop->name_slots = slots;
    for (size_t i = 0; i < old_slots; i++)
        for (name = old[i]; name; name = next) {
            struct name **link = &table[slot_of(loop, name->promise)];
            next = name->next;
            name->next = *link;
            *link = name;
        }
    promise__free(old);
    return 0;
}

void promise__names_free(promise_loop_t *loop) { promise__free(loop->names); }

int promise_set_name(promise_t *p, const char *text) {
    promise_loop_t *loop;
    struct name *name = NULL;

    promise__check(p, __func__);
    loop = promise__loop(p);
    if (text) {
        size_t size = strlen(text) + 1;
        if (loop->name_count == loop->name_slots && grow(loop) < 0) return -1;
        name = promise__malloc(sizeof *name + size);
        if (!name) return -1;
        memcpy(name->text, text, size);
        name->promise = p;
    }
    if (p->flags & FLAG_NAMED) promise__name_forget(p); /* not before: text may be in it */
    if (!name) return 0;
    name->next = loop->names[slot_of(loop, p)];
    loop->names[slot_of(loop, p)] = name;
    loop->name_count++;
    p->flags |= FLAG_NAMED;
    return 0;
}

const char *promise__name_of(const promise_t *p) { return p->flags & FLAG_NAMED ? (*find(promise__loop(p), p))->text : NULL; }

const char *promise_get_name(const promise_t *p) {
    promise__check(p, __func__);
    return promise__name_of(p);
}

/* ---- what it is that a promise waits for ---- */

/* Of several that wait for each other the last one here is named. */
enum what_kind { NOTHING, COMBINATOR, COROUTINE, PLACE, ITERATOR, GROUP, ROOT };

struct what {
    enum what_kind kind;
    const char *before, *text;
};

static struct what what_is(const promise_t *p) {
    const char *text;

    switch (promise__kind(p)) {
    case KIND_CHANNEL: return (struct what){ROOT, "", "a channel"};
    case KIND_TURN:
        text = promise__turn_at(p);
        if (text) return (struct what){ROOT, "its turn at a ", text};
        break;
    case KIND_GROUP: return (struct what){GROUP, "", "a group"};
    case KIND_AGGREGATE: return (struct what){COMBINATOR, "", "a combinator"};
    case KIND_WALK: return (struct what){COMBINATOR, "", "an iteration"};
    case KIND_COROUTINE: return (struct what){COROUTINE, "", "a coroutine"};
    default:
        if (promise__iterator_asked(p, &text)) return (struct what){ITERATOR, "", text};
        if (p->flags & FLAG_RESOLVERS && p->place) return (struct what){PLACE, "the one made at ", p->place};
    }
    return (struct what){NOTHING, NULL, NULL};
}

/* What p waits for, or NULL. */
static const promise_t *above(const promise_t *p, int *steps) {
    const promise_t *asked = promise__iterator_asked(p, NULL);
    enum kind kind = promise__kind(p);

    if (asked) return asked;
    if (kind == KIND_AGGREGATE || kind == KIND_WALK || kind == KIND_GROUP) p = p->ring;
    return p && promise__is_child(p) && (*steps)-- > 0 ? promise__parent(p, steps) : NULL;
}

/* They wait for each other, p being one of them. */
static struct what what_of_circle(const promise_t *p) {
    struct what what = what_is(p), other;
    int steps = 1000000;

    for (const promise_t *q = above(p, &steps); q && q != p; q = above(q, &steps)) {
        other = what_is(q);
        if (other.kind > what.kind) what = other;
    }
    return what;
}

const char *promise__describe_source(const promise_t *p, char *buffer, size_t size) {
    struct what what = {PLACE, "the one made at ", "an unknown place"}, next;
    const promise_t *mark = NULL; /* one that we came by: the last whose number is a power of two */
    const char *name = NULL;
    int steps = 1000000;

    for (unsigned n = 1; p && p != mark && !(name = promise__name_of(p)); p = above(p, &steps), n++) {
        next = what_is(p);
        if (next.kind != NOTHING) what = next;
        if (!(n & (n - 1))) mark = p;
    }
    if (p && !name) what = what_of_circle(p);
    if (name) snprintf(buffer, size, "%s\"%s\"", promise__kind(p) == KIND_COROUTINE ? "the coroutine " : "", name);
    else snprintf(buffer, size, "%s%s", what.before, what.text);
    return buffer;
}
