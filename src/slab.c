/*
 * Where promises live: pages of 16 KiB, each with a header in its first slot, so that a promise finds its loop by masking
 * its address, and teardown finds every promise. Pages come in chunks from malloc and go back with them.
 *
 * Each page has its own free list: one for all would scatter neighbours over memory, and cost ten times as much at a million.
 */
#include <string.h>

#include "core.h"

struct chunk {
    struct chunk *next, **link; /* link: what points to it */
    void *block;                /* as malloc gave it */
    struct page *first;         /* the first page in it */
    size_t pages, made;         /* how many fit; how many were ever used */
    size_t busy;                /* pages that are not spare */
};

enum { FIRST_BLOCK = 65536, MOST_PAGES = 64, FEW_SLOTS = 16 };

static struct page *page_at(const struct chunk *chunk, size_t i) {
    return (struct page *)(void *)((char *)chunk->first + i * PAGE_SIZE_BYTES);
}

static void push_page(struct page **list, struct page *page) {
    page->prev = NULL;
    page->next = *list;
    if (*list) (*list)->prev = page;
    *list = page;
}

static void unlink_page(struct page **list, struct page *page) {
    if (page->prev) page->prev->next = page->next;
    else *list = page->next;
    if (page->next) page->next->prev = page->prev;
}

static struct chunk *chunk_new(promise_loop_t *loop, size_t size) {
    struct chunk *chunk = promise__malloc(sizeof *chunk);
    uintptr_t start, aligned;

    if (!chunk) return NULL;
    chunk->block = promise__malloc(size);
    if (!chunk->block) {
        promise__free(chunk);
        return NULL;
    }
    start = (uintptr_t)chunk->block;
    aligned = (start + PAGE_SIZE_BYTES - 1) & ~(uintptr_t)(PAGE_SIZE_BYTES - 1);
    chunk->first = (struct page *)aligned;
    chunk->pages = (start + size - aligned) / PAGE_SIZE_BYTES;
    chunk->made = chunk->busy = 0;
    chunk->link = &loop->chunks;
    chunk->next = loop->chunks;
    if (chunk->next) chunk->next->link = &chunk->next;
    loop->chunks = chunk;
    return chunk;
}

static void chunk_free(struct chunk *chunk) {
    *chunk->link = chunk->next;
    if (chunk->next) chunk->next->link = chunk->link;
    PROMISE_UNPOISON(chunk->first, chunk->pages * PAGE_SIZE_BYTES);
    promise__free(chunk->block);
    promise__free(chunk);
}

static struct page *chunk_page(promise_loop_t *loop, struct chunk *chunk) {
    struct page *page = page_at(chunk, chunk->made++);

    memset(page, 0, sizeof *page);
    page->loop = loop;
    page->chunk = chunk;
    chunk->busy++;
    return page;
}

int promise__slab_init(promise_loop_t *loop) {
    struct chunk *chunk = chunk_new(loop, FIRST_BLOCK);

    if (!chunk) return -1;
    loop->next_pages = 8;
    loop->reserve = chunk_page(loop, chunk);
    loop->current = chunk_page(loop, chunk);
    return 0;
}

void promise__slab_free(promise_loop_t *loop) {
    while (loop->chunks) chunk_free(loop->chunks);
}

/* An empty page: a spare one, one that was never used, or the first of a new chunk. */
static struct page *empty_page(promise_loop_t *loop) {
    struct page *page = loop->spare;
    struct chunk *chunk = loop->chunks;

    if (page) {
        unlink_page(&loop->spare, page);
        if (!page->chunk->busy++) loop->idle_chunks--;
        return page;
    }
    if (chunk->made == chunk->pages) {
        chunk = chunk_new(loop, (loop->next_pages + 1) * PAGE_SIZE_BYTES);
        if (!chunk) return NULL;
        if (loop->next_pages < MOST_PAGES) loop->next_pages *= 2;
    } else if (!chunk->busy) {
        loop->idle_chunks--;
    }
    return chunk_page(loop, chunk);
}

/* Takes all free slots of a page over into the loop's list, or else makes some of those that were never used; false when it
 * is full. */
static bool take_free(promise_loop_t *loop, struct page *page) {
    promise_t *first = (promise_t *)(void *)page + 1 + page->fresh;
    size_t n = SLOTS_PER_PAGE - page->fresh < FEW_SLOTS ? SLOTS_PER_PAGE - page->fresh : FEW_SLOTS;

    loop->free = page->free;
    page->free = NULL;
    if (!loop->free && n) {
        for (promise_t *p = first; p < first + n; p++) {
            p->flags = 0;
            p->next = p + 1;
        }
        first[n - 1].next = NULL;
        loop->free = first;
        page->fresh += (uint32_t)n;
    }
    page->used = page->fresh;
    return loop->free;
}

static promise_t *take_slot(struct page *page) {
    promise_t *p = page->free;

    if (page->used == SLOTS_PER_PAGE) return NULL;
    if (p) page->free = p->next;
    else p = (promise_t *)(void *)page + 1 + page->fresh++;
    page->used++;
    PROMISE_UNPOISON(&p->prev, SLOT_IN_USE);
    return p;
}

/* A dead loop counts each slot, to know when the last one goes: none of its pages is current. */
static promise_t *take_when_dead(promise_loop_t *loop) {
    struct page *page = loop->partial;
    promise_t *p;

    if (!page) {
        page = empty_page(loop);
        if (!page) return NULL;
        push_page(&loop->partial, page);
    }
    p = take_slot(page);
    if (page->used == SLOTS_PER_PAGE) unlink_page(&loop->partial, page);
    return p;
}

PROMISE_NOINLINE promise_t *promise__slab_refill(promise_loop_t *loop) {
    if (loop->dead) return take_when_dead(loop);
    if (!loop->current || !take_free(loop, loop->current)) {
        struct page *page = loop->partial;

        if (page) unlink_page(&loop->partial, page);
        else page = empty_page(loop);
        if (!page) return NULL;
        loop->current = page;
        take_free(loop, page);
    }
    return promise__slab_alloc(loop);
}

void promise__slab_flush(promise_loop_t *loop) {
    struct page *page = loop->current;
    promise_t *p;

    if (!page) return;
    while ((p = loop->free)) {
        loop->free = p->next;
        p->next = page->free;
        page->free = p;
        page->used--;
    }
    loop->current = NULL;
    if (page->used < SLOTS_PER_PAGE) push_page(&loop->partial, page);
}

PROMISE_COLD promise_t *promise__slab_reserve(promise_loop_t *loop) { return take_slot(loop->reserve); }

/* Gives a chunk back whose pages are all empty, but for one, which is kept: a program at the edge would thrash. */
static void chunk_is_idle(promise_loop_t *loop, struct chunk *chunk) {
    if (!loop->idle_chunks++) return;
    loop->idle_chunks--;
    for (size_t i = 0; i < chunk->made; i++) unlink_page(&loop->spare, page_at(chunk, i));
    chunk_free(chunk);
}

static bool all_empty(const promise_loop_t *loop) {
    for (const struct chunk *chunk = loop->chunks; chunk; chunk = chunk->next)
        for (size_t i = 0; i < chunk->made; i++)
            if (page_at(chunk, i)->used) return false;
    return true;
}

/* A page is no longer full, or became empty. */
PROMISE_NOINLINE void promise__slab_page_changed(promise_loop_t *loop, struct page *page, bool was_full) {
    bool is_reserve = page == loop->reserve;

    if (page == loop->current) return;
    if (was_full && !is_reserve && page->fresh == SLOTS_PER_PAGE) push_page(&loop->partial, page);
    if (page->used) return;
    page->free = NULL; /* from the start again, in order */
    page->fresh = 0;
    if (loop->dead) {
        if (all_empty(loop)) promise__loop_destroy(loop);
        return;
    }
    if (is_reserve) return;
    unlink_page(&loop->partial, page);
    push_page(&loop->spare, page);
    if (!--page->chunk->busy) chunk_is_idle(loop, page->chunk);
}

void promise__slab_each(promise_loop_t *loop, void (*fn)(promise_loop_t *loop, promise_t *p)) {
    for (struct chunk *chunk = loop->chunks; chunk; chunk = chunk->next)
        for (size_t i = 0; i < chunk->made; i++) {
            promise_t *slots = (promise_t *)(void *)page_at(chunk, i) + 1;
            for (size_t k = 0; k < page_at(chunk, i)->fresh; k++)
                if (slots[k].flags & FLAG_LIVE) fn(loop, &slots[k]);
        }
}
