/*
 * A stream from the inside, as its sources share it: stream.c (making, owning, ending), stream_wait.c, stream_event.c,
 * stream_read.c, stream_direct.c, stream_below.c, stream_write.c, stream_close.c and stream_copy.c.
 *
 * Bytes are in the two buffers of a bufferevent and nowhere else, so that whoever goes away takes nothing along (K6). Reading
 * goes on all the time, up to the read-ahead. A plain descriptor, a direct stream, we read and write ourselves: what a drain
 * has added to the output is sent by one writev when the drain has ended, and only what the kernel does not take is left to
 * the bufferevent and its event.
 */
#ifndef PROMISE_SRC_STREAM_H
#define PROMISE_SRC_STREAM_H

#include <promise/stream.h>

#include <promise/source.h>

#include "loop.h"

struct evbuffer;

enum wait_kind {
    READ_SOME,
    READ_EXACTLY,
    READ_LINE,
    READ_UNTIL,
    READ_ALL,
    READ_MOVE,    /* into another's output; gives the number of bytes */
    LAST_READ = READ_MOVE,
    WRITE_BELOW,  /* until little enough waits to be sent */
    WRITE_BROKEN  /* until it is broken or closed: then rejects */
};

struct stream_asks {
    enum wait_kind kind;
    size_t size;     /* a read's limit; WRITE_BELOW: how much may wait */
    size_t searched; /* LINE, UNTIL: there is no delimiter before this */
    union {
        promise_value_t delimiter; /* UNTIL, kept */
        promise_stream_t *to;      /* MOVE, held */
    };
};

/* Somebody waits, and so holds the stream. */
struct stream_wait {
    struct stream_wait *next, **link;
    promise_stream_t *stream;
    promise_resolver_t *resolver;
    struct stream_asks asks;
};

struct stream_waits {
    struct stream_wait *first, **tail;
};

/* Who is to be told when a stream is closed, aborted, released or gone. */
struct stream_watch {
    struct stream_watch *next, **link;
    promise_stream_t *stream;
    void (*closed)(struct stream_watch *watch); /* it is unlinked before, and may be freed */
};

struct promise_stream {
    struct promise_source source;
    promise_loop_t *loop;
    promise_t *anchor; /* a reference of ours: the loop's memory stays as long as the stream */
    size_t refs;
    struct bufferevent *bev; /* NULL once it is closed */
    union {
        struct event *readable;        /* of a direct stream */
        struct evbuffer_cb_entry *sent; /* on the lowest output, of one that is wrapped around another; or NULL */
    };
    struct stream_waits reads, writes;
    struct stream_wait spare; /* for the one read that mostly waits */
    promise_value_t error;    /* a rejection, or void: what broke it; without bev why there is none, or what its close gave */
    size_t ahead, high_water;
    promise_stream_t *next_listed, **listed; /* in the host's list of those to be looked at after the drain */
    struct stream_watch *watches;
    promise_t *closing; /* the close that is under way: not a reference, or a cancel would end at it (K1) */
    const struct promise_stream_layer *layer;
    void *layer_data;
    uint8_t busy;            /* we are in the bufferevent's functions, or serving: its callbacks must not run handlers */
    bool again : 1;          /* a callback came meanwhile */
    bool look : 1;           /* listed for its reads too */
    bool direct : 1;         /* reads and sends by itself */
    bool only_reads : 1;     /* what the descriptor was opened for */
    bool only_writes : 1;
    bool watched : 1;        /* readable is added */
    bool end : 1;            /* the peer's end has come */
    bool shut : 1;           /* no more writing */
    bool told : 1;           /* somebody was given the error */
    bool closed : 1;         /* close, abort or release was called: no more of anything */
    bool spare_used : 1;
};

enum { STREAM_AHEAD = 65536, STREAM_HIGH_WATER = 65536, STREAM_BLOCK = 65536 };

/* stream.c */
promise_stream_t *promise__stream_refusing(promise_loop_t *loop, promise_value_t why); /* takes a rejection over */
promise_stream_t *promise__stream_arg(const promise_stream_t *stream, const char *function); /* stops when it is NULL */
promise_value_t promise__stream_refused(const promise_stream_t *s); /* why nothing can be asked of it, or void */
promise_value_t promise__stream_failed(const promise_stream_t *s, int error, const char *what); /* "what PEER: strerror" */
void promise__stream_fail(promise_stream_t *s, promise_value_t why);  /* takes why over: what has come can still be read */
promise_value_t promise__stream_tell(promise_stream_t *s);            /* the error, or void; it is known then */
void promise__stream_break(promise_stream_t *s, promise_value_t why); /* closes it, now; everything pending rejects with why */
void promise__stream_watch(promise_stream_t *s, struct stream_watch *watch, void (*closed)(struct stream_watch *watch));
void promise__stream_unwatch(struct stream_watch *watch);

/* stream_event.c */
void promise__stream_listen(promise_stream_t *s);
void promise__stream_hold(promise_stream_t *s);   /* around calls of the bufferevent's functions: */
void promise__stream_unhold(promise_stream_t *s); /* its callbacks wait until then */

/* stream_wait.c. wait gives the promise, which holds the stream, and takes over what asks has; the promise is rejected at
 * once out of memory. settle takes w out, and lets go of the stream: who goes on with it has a reference. */
promise_t *promise__stream_wait(promise_stream_t *s, struct stream_asks asks);
void promise__stream_settle(struct stream_wait *w, promise_value_t v);
void promise__stream_reject_all(struct stream_waits *list, promise_value_t why); /* borrows why */
void promise__stream_list(promise_stream_t *s); /* the drain that is running, or will come, ends with a look at it */
void promise__stream_unlist(promise_stream_t *s);
void promise__stream_look_soon(promise_stream_t *s); /* at its reads too */
void promise__streams_look(struct event_host *h); /* the drain has ended */

/* stream_direct.c */
int promise__stream_go_direct(promise_stream_t *s, int flags); /* -1 when out of memory; flags: as open(2) has them */
void promise__stream_leave_direct(promise_stream_t *s);
void promise__stream_watch_input(promise_stream_t *s); /* there is more room, or less, or nothing more to come */

/* stream_below.c: bufferevents that are wrapped around others. */
int promise__stream_watch_below(promise_stream_t *s); /* -1 when out of memory */
void promise__stream_unwatch_below(promise_stream_t *s);

/* stream_read.c, stream_write.c: look whether somebody's wait is over */
void promise__stream_serve_reads(promise_stream_t *s);
void promise__stream_serve_writes(promise_stream_t *s);
promise_t *promise__stream_move(promise_stream_t *from, promise_stream_t *to, size_t max);
promise_t *promise__stream_writable(promise_stream_t *s);
promise_t *promise__stream_drained(promise_stream_t *s);
promise_t *promise__stream_broken(promise_stream_t *s); /* pending until it is broken or closed: then rejects */
void promise__stream_send_soon(promise_stream_t *s);
void promise__stream_send(promise_stream_t *s); /* what waits to be sent, as far as the kernel takes it */

#endif
