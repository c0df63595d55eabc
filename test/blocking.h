/*
 * A function that keeps a thread busy until it is let go.
 *
 *     p = promise_work(loop, pool, block, promise_void());
 *     block_begun();       // now the thread has nothing left for others
 *     block_go();
 */
#ifndef TEST_BLOCKING_H
#define TEST_BLOCKING_H

#include <promise.h>

promise_fn block;       /* gives what it was given */
void block_begun(void); /* waits until one more has begun */
void block_go(void);    /* lets one more go */

#endif
