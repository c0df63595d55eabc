/* What an iterator does with its generator, and the other way round. */
#ifndef PROMISE_SRC_TASKS_GENERATOR_H
#define PROMISE_SRC_TASKS_GENERATOR_H

#include <promise/generator.h>

#include "core.h"

struct generator;

/* ---- iterator.c ---- */

promise_iterator_t *promise__iterator_of_generator(promise_loop_t *loop, struct generator *g); /* g is its from then on */
/* The item that was asked for has come: takes it over, and resolver. */
void promise__iterator_give(promise_iterator_t *it, promise_resolver_t *resolver, promise_value_t item);
bool promise__iterator_is_closed(const promise_iterator_t *it);
void promise__iterator_left(promise_iterator_t *it); /* it is closed, and now its generator has left */

/* ---- tasks/generator.c ---- */

promise_fn promise__generator_body; /* as a coroutine's function it says that the arg is a struct generator */
/* An item is asked for, and none is yet: takes resolver over. */
void promise__generator_ask(struct generator *g, promise_resolver_t *resolver);
void promise__generator_ask_no_more(struct generator *g);                 /* the one that was asked for is not wanted */
void promise__generator_close(struct generator *g);                       /* cancels it, up to promise__cancel_all() */
const promise_t *promise__generator_coroutine(const struct generator *g); /* its promise; NULL when it has left */
bool promise__generator_has_left(const struct generator *g);
/* Its coroutine's promise, with a reference for the caller; NULL when it has left. */
promise_t *promise__generator_leaving(const struct generator *g);
/* It leaves, or will never start, with this result, which is ours: gives what its coroutine's promise is to settle with. */
promise_value_t promise__generator_left(struct generator *g, promise_value_t result);
void promise__generator_free(struct generator *g); /* when it has left */

#endif
