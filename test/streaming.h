/*
 * A stream for the case that runs, and its peer, a plain blocking socket; or two streams, or a pipe.
 */
#ifndef TEST_STREAMING_H
#define TEST_STREAMING_H

#include "net.h"
#include "trace.h"

#include <promise/stream.h>

extern promise_stream_t *s, *t; /* t: the other end, where it is a stream too */
extern int peer;                /* the other end, where it is a plain descriptor; else -1 */

/* For tcase_add_checked_fixture, as net_open() and net_close(); closing lets go of s, t and peer. */
void stream_open(void); /* s and peer, a Unix socket pair */
void stream_open_tcp(void);
void stream_open_two(void);  /* s and t, of promise_stream_pair() */
void stream_open_none(void); /* the loop alone */
void stream_close(void);
void stream_drop(void); /* what there is of s, t and peer goes; the loop stays */

/* The peer's part. */
void say(const char *text);
void say_bytes(const void *data, size_t size);
void hang_up(void); /* its end: it goes on reading */
void leave(void);   /* closes */
void reset(void);   /* TCP: closes with a reset */
/* Turns the loop until so many bytes have come; gives them. The next call overwrites them. */
const char *hear(size_t size);
void hears(const char *text);
void hears_end(void);

/* What p gives. */
void gives(promise_t *p, const char *text);
void gives_bytes(promise_t *p, const void *data, size_t size);
void gives_end(promise_t *p);
void gives_void(promise_t *p);
void gives_int(promise_t *p, int64_t n);

/* Takes in what has come: turns the loop until so many bytes can be read from stream. */
void arrive(promise_stream_t *stream, size_t size);
/* Writes to stream, without waiting, until the kernel takes no more of it; how much that was. */
size_t stuff(promise_stream_t *stream);
/* size bytes that differ; the same each time. Freed by the end of the case. */
char *noise(size_t size);
/* The same as trace_word and see, for a promise that is let go of. */
void ask(promise_t *p, const char *name);

#endif
