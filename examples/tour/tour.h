/* What the programs of the tour share. */
#ifndef TOUR_H
#define TOUR_H

#include <promise.h>
#include <stddef.h>

/* A handler that prints "arg: value" and passes the value on. */
promise_fn show;

typedef promise_t *tour_fn(promise_loop_t *loop);

/* For main(): runs the parts one after the other, each on a loop of its own. */
int tour(size_t n, tour_fn *const *parts);

#endif
