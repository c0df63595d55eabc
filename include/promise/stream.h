/*
 * promise_stream_t: bytes that come and go: a connection, a pipe, a bufferevent of your own.
 *
 *     static promise_value_t got_line(promise_value_t line, void *stream) {
 *         if (promise_is_end(line)) return line;
 *         return promise_adopt(promise_stream_write(stream, promise_stringf("you said: %s\n", promise_as_string(line))));
 *     }
 *     promise_t *p = promise_then(promise_stream_read_line(stream, 4096), got_line, stream);
 *
 * Streams are counted, and are values: promise_connect() and promise_listener_accept() give them, promise_as_stream() reads
 * them. A pending read, write or close holds the stream. When the last reference goes, an open stream is aborted: its
 * descriptor is closed, what was not sent is dropped. When its loop is freed it is aborted too.
 *
 * Reads are served in the order of the calls. A read that is cancelled takes nothing away: what had come stays for the next
 * one (K6). After the peer's end, reads give promise_end() (read_exactly a rejection, if it wanted more); after an error, the
 * errno rejection, and what came before the error can still be read. After close or abort everything rejects with
 * PROMISE_ECLOSED.
 *
 * The first stream of the program has SIGPIPE ignored, if the program has not said anything else (SIG_DFL): writing to who
 * has left rejects with EPIPE.
 */
#ifndef PROMISE_STREAM_H
#define PROMISE_STREAM_H

#include <promise/iterator.h>
#include <promise/promise.h>

struct bufferevent;

PROMISE_BEGIN

typedef struct promise_stream promise_stream_t;
PROMISE_API extern const struct promise_type promise_type_stream;

/* ---- make: never NULL; what cannot be made is a stream whose operations reject (O2) ---- */

/* Of a connected socket, or of an end of a pipe or a terminal (what it was not opened for rejects with EBADF), which is made
 * non-blocking and taken over, also when it is refused: a file with EINVAL, what is not open with EBADF. */
PROMISE_API PROMISE_MUST_USE promise_stream_t *promise_stream_new(promise_loop_t *loop, int fd);
/* Takes over a connected bufferevent of yours that is on the loop's base: a filter, one with a rate limit, an end of a pair;
 * its callbacks are replaced. NULL: EINVAL. */
PROMISE_API PROMISE_MUST_USE promise_stream_t *promise_stream_wrap(promise_loop_t *loop, struct bufferevent *bufferevent);
/* Two streams that are connected to each other (socketpair(2)). */
PROMISE_API void promise_stream_pair(promise_loop_t *loop, promise_stream_t *ends[2]);

/* ---- own ---- */

/* The value takes one reference to the stream over; as_stream lends it. NULL is an EINVAL rejection. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_stream_value(promise_stream_t *stream);
PROMISE_API promise_stream_t *promise_as_stream(promise_value_t v);
PROMISE_API promise_stream_t *promise_stream_ref(promise_stream_t *stream);
PROMISE_API void promise_stream_unref(void *stream); /* NULL is fine; void *: for promise_attach() */

/* ---- read: max is in bytes, the most that may come; 0 is an EINVAL rejection ---- */

/* 1 to max bytes, as soon as there are any; or the end. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_stream_read(promise_stream_t *stream, size_t max);
/* Just size bytes. When the stream ends before, it rejects with PROMISE_ECLOSED, and what came stays to be read; at once
 * after the end with nothing left, it gives the end. size 0: the empty value, at once. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_stream_read_exactly(promise_stream_t *stream, size_t size);
/* A line without its "\n" or "\r\n", as a string; the last one may lack it; then the end. A line that is longer than max
 * rejects with EMSGSIZE and stays to be read. A NUL in it is kept: promise_as_bytes() gives the size. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_stream_read_line(promise_stream_t *stream, size_t max);
/* The bytes up to the delimiter, a string or bytes, which is taken away and is not in what comes; otherwise as read_line. An
 * empty delimiter is an EINVAL rejection. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_stream_read_until(promise_stream_t *stream, promise_value_t delimiter,
                                                                  size_t max);
/* All bytes up to the end, perhaps none. More than max rejects with EMSGSIZE, and they stay to be read. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_stream_read_all(promise_stream_t *stream, size_t max);
/* The same call by call (N2): what is not asked for stays in the stream, which it holds. */
PROMISE_API PROMISE_MUST_USE promise_iterator_t *promise_stream_chunks(promise_stream_t *stream, size_t max);
PROMISE_API PROMISE_MUST_USE promise_iterator_t *promise_stream_lines(promise_stream_t *stream, size_t max);

/* ---- write ---- */

/* Sends a string or bytes, in the order of the calls. Void as soon as no more than the high-water mark waits to be sent: a
 * writer that waits for it has backpressure. After an error, or when the peer does not read any more, it rejects. Another
 * type is an EINVAL rejection. Cancelling it takes back nothing that was given. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_stream_write(promise_stream_t *stream, promise_value_t data);
/* Sends size bytes of an open regular file, from offset; by sendfile(2) where the stream is a plain socket. Takes the
 * descriptor over. Otherwise as write. size SIZE_MAX: up to the end that the file has now. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_stream_write_file(promise_stream_t *stream, int fd, uint64_t offset,
                                                                  size_t size);
/* Void when all that was written is with the kernel. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_stream_drain(promise_stream_t *stream);
/* The end for the peer when all is sent; reading goes on. Later writes reject with EPIPE. The writing end of a pipe is
 * closed by it. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_stream_shutdown(promise_stream_t *stream);

/* ---- end ---- */

/* Void when all that was written is sent (a TLS stream's close_notify too) and the stream is closed; rejects if not all
 * could be sent, and is closed all the same. Pending reads reject with PROMISE_ECLOSED. A second close gives the outcome of
 * the first. Cancelling it aborts. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_stream_close(promise_stream_t *stream);
/* Closed at once; what was not sent is dropped; what is pending rejects with PROMISE_ECLOSED. Takes a void *, for
 * promise_attach() and promise_defer(). */
PROMISE_API void promise_stream_abort(void *stream);

/* Reads from one and writes to the other until the end, in constant memory, at the pace of the slower one. Fulfilled with the
 * number of bytes, as int. Both stay open: shut the other one down, or close it. Rejects with the error of either; what was
 * read then is written as far as that is possible. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_stream_copy(promise_stream_t *from, promise_stream_t *to);

/* ---- set and query ---- */

/* How many bytes may wait to be sent before write makes its caller wait; 64 KiB at first, 0: none. */
PROMISE_API void promise_stream_set_high_water(promise_stream_t *stream, size_t bytes);
/* Bytes that have come and were not read; bytes that wait to be sent. */
PROMISE_API size_t promise_stream_readable(const promise_stream_t *stream);
PROMISE_API size_t promise_stream_unsent(const promise_stream_t *stream);
/* Has it been closed, aborted, released, or broken by an error? The peer's end alone does not. */
PROMISE_API bool promise_stream_is_closed(const promise_stream_t *stream);
PROMISE_API promise_loop_t *promise_stream_loop(const promise_stream_t *stream);
/* The descriptor, borrowed, or -1. */
PROMISE_API int promise_stream_fd(const promise_stream_t *stream);
/* The bufferevent, borrowed, or NULL: to ask it, and for what libevent's layers need. Not for its callbacks, its watermarks,
 * or reading and writing. That of promise_stream_new() knows no timeouts and no rate limits: wrap one for that. */
PROMISE_API struct bufferevent *promise_stream_bufferevent(const promise_stream_t *stream);
/* Gives the bufferevent back, with what is in its buffers and without callbacks; NULL when the stream is closed. The stream is
 * closed then; what is pending rejects with PROMISE_ECLOSED. The reference stays yours. */
PROMISE_API PROMISE_MUST_USE struct bufferevent *promise_stream_release(promise_stream_t *stream);

/*
 * What a layer above the transport, such as TLS, adds to a stream: each may be NULL.
 *   finish   called when all was sent, on shutdown (closing false) and on close: starts to tell the peer, and returns a
 *   promise; or NULL for nothing to wait for. Instead of shutdown(2).
 *   failed   the rejection for a bufferevent's error, from the layer's own words; void for errno's. what: BEV_EVENT_*.
 *   free     when the stream is gone.
 */
struct promise_stream_layer {
    size_t size; /* sizeof(struct promise_stream_layer) */
    promise_t *(*finish)(promise_stream_t *stream, bool closing, void *data);
    promise_value_t (*failed)(promise_stream_t *stream, short what, void *data);
    void (*free)(void *data);
};
/* layer is borrowed as long as the stream lives; data is taken over. One to a stream. */
PROMISE_API void promise_stream_set_layer(promise_stream_t *stream, const struct promise_stream_layer *layer, void *data);
/* The data of that layer, or NULL where the stream has another or none. */
PROMISE_API void *promise_stream_layer_data(const promise_stream_t *stream, const struct promise_stream_layer *layer);

/* Makes a plain stream secure: consumes a reference to it, and gives the promise of the secure one. host: whom to expect
 * there, or NULL on a server. promise_tls_secure() of libpromise-tls is one; HTTP takes one. */
typedef promise_t *promise_secure_fn(promise_stream_t *plain, const char *host, void *arg);

PROMISE_END

#endif
