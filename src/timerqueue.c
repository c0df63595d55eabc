#include "timerqueue.h"

#include <string.h>

#include "memory.h"

/* ---- the heap: of four children, which lie side by side ---- */

enum { CHILDREN = 4 };

static bool before(struct timer_entry a, struct timer_entry b) {
    return a.due != b.due ? a.due < b.due : a.timer->sequence < b.timer->sequence;
}

static void put(struct timer_queue *q, uint32_t place, struct timer_entry e) {
    q->heap[place] = e;
    e.timer->place = place;
}

static void sift_up(struct timer_queue *q, uint32_t place, struct timer_entry e) {
    for (uint32_t parent; place; place = parent) {
        parent = (place - 1) / CHILDREN;
        if (!before(e, q->heap[parent])) break;
        put(q, place, q->heap[parent]);
    }
    put(q, place, e);
}

static void sift_down(struct timer_queue *q, uint32_t place, struct timer_entry e) {
    for (uint64_t child; (child = (uint64_t)CHILDREN * place + 1) < q->count;) {
        uint64_t end = child + CHILDREN < q->count ? child + CHILDREN : q->count, least = child;
        while (++child < end)
            if (before(q->heap[child], q->heap[least])) least = child;
        if (before(e, q->heap[least])) break;
        put(q, place, q->heap[least]);
        place = (uint32_t)least;
    }
    put(q, place, e);
}

enum { LEAST_ROOM = 64 };

static int resize(struct timer_queue *q, uint32_t room) {
    struct timer_entry *heap = promise__realloc(q->heap, room * sizeof *heap);

    if (!heap) return -1;
    q->heap = heap;
    q->room = room;
    return 0;
}

static int heap_add(struct timer_queue *q, struct timer *t) {
    if (q->count == q->room) {
        if (q->room > UINT32_MAX / 2 || resize(q, q->room ? 2 * q->room : LEAST_ROOM) < 0) return -1;
    }
    sift_up(q, q->count++, (struct timer_entry){t->due, t});
    return 0;
}

static void heap_remove(struct timer_queue *q, uint32_t place) {
    struct timer_entry last = q->heap[--q->count];

    if (place < q->count) {
        if (place && before(last, q->heap[(place - 1) / CHILDREN])) sift_up(q, place, last);
        else sift_down(q, place, last);
    }
    if (q->room > LEAST_ROOM && q->count < q->room / 4) (void)resize(q, q->room / 2); /* else it stays as large as it is */
}

/* ---- lines ---- */

static uint32_t set_of(uint64_t span) { return (uint32_t)(span * 0x9E3779B97F4A7C15U >> (64 - TIMER_BITS)); }

/* The line of the span, or an unused one, or one that is given up for it: what is in that one stays in its order, but nothing
 * is added. */
static struct timer_line *line_of(struct timer_queue *q, uint32_t set, uint64_t span) {
    struct timer_line *lines = q->lines[set], line = {.span = span};
    unsigned found = TIMER_WAYS - 1;

    for (unsigned i = 0; i < TIMER_WAYS; i++) {
        if (lines[i].last && lines[i].span == span) {
            line = lines[found = i];
            break;
        }
        if (!lines[i].last) found = i;
    }
    memmove(lines + 1, lines, found * sizeof *lines);
    lines[0] = line;
    return lines;
}

/* t is no longer the last of its line. */
static void shorten_line(struct timer_queue *q, const struct timer *t) {
    struct timer_line *lines = q->lines[t->set];

    for (unsigned i = 0; i < TIMER_WAYS; i++)
        if (lines[i].last == t) lines[i].last = t->prev;
}

/* ---- the queue ---- */

static struct timer *timer_new(struct timer_queue *q, uint64_t due, void (*fire)(void *arg), void *arg) {
    struct timer *t = promise__malloc(sizeof *t);

    if (t) *t = (struct timer){.due = due, .sequence = q->sequence, .fire = fire, .arg = arg, .set = TIMER_SETS};
    return t;
}

static struct timer *start_line(struct timer_queue *q, struct timer *t) {
    if (heap_add(q, t) == 0) {
        q->sequence++;
        return t;
    }
    promise__free(t);
    return NULL;
}

struct timer *promise__timer_at(struct timer_queue *q, uint64_t due, void (*fire)(void *arg), void *arg) {
    struct timer *t = timer_new(q, due, fire, arg);

    return t ? start_line(q, t) : NULL;
}

struct timer *promise__timer_after(struct timer_queue *q, uint64_t now, uint64_t span, void (*fire)(void *arg), void *arg) {
    struct timer *t = timer_new(q, now + span, fire, arg);
    struct timer_line *line;

    if (!t) return NULL;
    t->set = set_of(span);
    line = line_of(q, t->set, span);
    if (!line->last) {
        if (!start_line(q, t)) return NULL;
    } else {
        q->sequence++;
        t->prev = line->last;
        line->last->next = t;
    }
    line->last = t;
    return t;
}

void promise__timer_remove(struct timer_queue *q, struct timer *t) {
    if (!t->next && t->set != TIMER_SETS) shorten_line(q, t);
    if (t->next) t->next->prev = t->prev;
    if (t->prev) t->prev->next = t->next;
    else if (t->next)
        sift_down(q, t->place, (struct timer_entry){t->next->due, t->next}); /* is due after t, so that it belongs no higher */
    else heap_remove(q, t->place);
    promise__free(t);
}

void promise__timer_queue_free(struct timer_queue *q) { promise__free(q->heap); }
