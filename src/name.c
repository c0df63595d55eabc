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

/* Does it wait for a ring of elements? */
static bool is_ring(const promise_t *p) {
    enum kind kind = promise__kind(p);

    return kind == KIND_AGGREGATE || kind == KIND_WALK || kind == KIND_GROUP;
}

const char *promise__describe_source(const promise_t *p, char *buffer, size_t size) {
    const char *name = NULL, *place = "an unknown place", *lock = NULL;
    int steps = 1000000;
    bool channel = false;

    while (p && !(name = promise__name_of(p))) {
        if (p->flags & FLAG_RESOLVERS && p->place) place = p->place;
        channel = promise__kind(p) == KIND_CHANNEL;
        lock = promise__kind(p) == KIND_TURN ? promise__turn_at(p) : NULL;
        if (is_ring(p)) p = p->ring;
        p = p && promise__is_child(p) && steps-- > 0 ? promise__parent(p, &steps) : NULL;
    }
    if (name) snprintf(buffer, size, "\"%s\"", name);
    else if (channel) snprintf(buffer, size, "a channel");
    else if (lock) snprintf(buffer, size, "its turn at a %s", lock);
    else snprintf(buffer, size, "the one made at %s", place);
    return buffer;
}
