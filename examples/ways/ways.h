/* What the programs that use promises share. */
#ifndef WAYS_WAYS_H
#define WAYS_WAYS_H

#include <promise.h>

#include "pages.h"
#include "tree.h"

/* The files and the pages as promise_pointer() each, in their order. */
promise_iterator_t *tree_items(promise_loop_t *loop, struct tree *tree);
promise_iterator_t *pages_items(promise_loop_t *loop, struct pages *pages);
/* Runs the loop until p settles; a rejection is printed on standard error. */
void ways_run(promise_loop_t *loop, promise_t *p);

#endif
