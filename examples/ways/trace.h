/*
 * Who ran when, for the timelines that `make ways` draws: lines "what item process thread nanoseconds" in the file that the
 * environment's WAYS_TRACE names, and nothing when it names none. May be called on any thread and in any process.
 */
#ifndef WAYS_TRACE_H
#define WAYS_TRACE_H

#include <stddef.h>

void trace_begin(size_t item); /* somebody has begun with it */
void trace_run(size_t item);   /* from here on it has a thread to itself ... */
void trace_rest(size_t item);  /* ... up to here */
void trace_end(size_t item);   /* it is done */
void trace_memory(void);       /* what this process has taken at most, so far */

#endif
