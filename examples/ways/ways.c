#include "ways.h"

#include <stdio.h>

struct items {
    char *first;
    size_t size, left;
};

static promise_value_t next(promise_value_t v, void *arg) {
    struct items *items = arg;
    void *item = items->first;

    (void)v;
    if (!items->left) return promise_end();
    items->first += items->size;
    items->left--;
    return promise_pointer(item);
}

static promise_iterator_t *items_of(promise_loop_t *loop, void *first, size_t size, size_t count) {
    struct items *items = promise_memory_alloc(sizeof *items);

    if (!items) return promise_list_items(loop, promise_out_of_memory());
    *items = (struct items){first, size, count};
    return promise_iterator_attach(promise_pull(loop, next, items), items, promise_memory_free);
}

promise_iterator_t *tree_items(promise_loop_t *loop, struct tree *tree) {
    return items_of(loop, tree->files, sizeof *tree->files, tree->count);
}

promise_iterator_t *pages_items(promise_loop_t *loop, struct pages *pages) {
    return items_of(loop, pages->pages, sizeof *pages->pages, pages->count);
}

void ways_run(promise_loop_t *loop, promise_t *p) {
    promise_value_t outcome = {0};

    if (promise_loop_run(loop, p, &outcome) < 0) fprintf(stderr, "%s\n", promise_error_message(outcome));
    promise_value_clear(&outcome);
}
