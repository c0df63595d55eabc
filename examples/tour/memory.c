/* region: count */
#include <promise.h>
#include <stdio.h>
#include <stdlib.h>

static size_t live;

static void *counting_malloc(size_t size) {
    void *block = malloc(size);
    if (block) live++;
    return block;
}

static void *counting_realloc(void *block, size_t size) {
    void *moved = realloc(block, size);
    if (moved && !block) live++;
    return moved;
}

static void counting_free(void *block) {
    if (block) live--;
    free(block);
}

int main(void) {
    if (promise_set_allocator(counting_malloc, counting_realloc, counting_free) < 0) return 1;
    promise_loop_t *loop = promise_loop_new(NULL);
    if (!loop) return 1;
    promise_t *p = promise_from(loop, promise_string("kept in counted memory"));
    printf("with a loop: %s\n", live > 0 ? "some blocks" : "none");
    promise_unref(p);
    promise_loop_free(loop);
    printf("after it: %zu blocks\n", live);
    return 0;
}
/* end: count */
