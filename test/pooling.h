/*
 * A pool and a loop for the case that runs, and functions for its threads; in the end there must be no memory left.
 *
 *     open_all(&(struct promise_pool_options){.threads = 1});
 *     p = promise_work(loop, pool, block, counted());
 *     wait_for(&started);
 *     sem_post(&go);
 *     close_all();
 */
#ifndef TEST_POOLING_H
#define TEST_POOLING_H

#include <semaphore.h>
#include <stdatomic.h>

#include "evloop.h"

extern promise_pool_t *pool;
extern atomic_size_t calls, freed; /* of functions; of boxes */
extern sem_t started, go;
extern promise_value_t outcome; /* of the last run */

void open_all(const struct promise_pool_options *options);
void close_all(void);
void wait_for(sem_t *s);
promise_value_t counted(void);     /* a box */
promise_value_t run(promise_t *p); /* until it settles */
promise_fn block;                  /* on a thread: started, then waits for go */

#endif
