/* Counts the bytes that the library holds. Each block carries its size in front. */
#include <stdalign.h>
#include <stdlib.h>

#include "bench.h"

#define HEADER alignof(max_align_t)

static long long held, most;

static void *keep_count(char *block, size_t size) {
    if (!block) return NULL;
    *(size_t *)(void *)block = size;
    held += (long long)size;
    if (held > most) most = held;
    return block + HEADER;
}

static char *block_of(void *memory) {
    char *block = (char *)memory - HEADER;

    held -= (long long)*(size_t *)(void *)block;
    return block;
}

static void *counted_alloc(size_t size) { return keep_count(malloc(HEADER + size), size); }
static void counted_free(void *memory) { free(block_of(memory)); }
static void *counted_resize(void *memory, size_t size) {
    return keep_count(realloc(memory ? block_of(memory) : NULL, HEADER + size), size);
}

void bench_memory(const struct workload *w, struct result *r) {
    promise_loop_t *loop;
    long long at_start;

    if (promise_set_allocator(counted_alloc, counted_resize, counted_free) < 0) bench_fail("promise_set_allocator");
    loop = bench_open(w);
    at_start = most = held;
    w->run(loop, MILLION);
    r->peak = (double)(most - at_start) / MILLION;
    r->left = -held;
    w->run(loop, MILLION);
    r->left += held;
    promise_loop_free(loop);
    if (held) bench_fail("the loop was freed, and holds memory");
    promise_set_allocator(NULL, NULL, NULL);
}
