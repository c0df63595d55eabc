/*
 * The deadlines of many connections, by one timer.
 *
 * All that wait equally long stand in one queue, so that its first is due first: to begin a wait is to go to the end of
 * the queue, and the timer needs no setting as long as it comes early enough.
 */
#ifndef PROMISE_NET_HTTP_DEADLINE_H
#define PROMISE_NET_HTTP_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include <promise/loop.h>

struct event;

/* What is waited for: a queue each. */
enum http_wait {
    HTTP_WAIT_NONE,
    HTTP_WAIT_IDLE,   /* a request's first byte */
    HTTP_WAIT_HEAD,   /* the rest of its head, or the TLS handshake */
    HTTP_WAIT_BODY,   /* a piece of a body, either way */
    HTTP_WAIT_LEAVE,  /* the handler's answer to a client that has ended its side */
    HTTP_WAIT_LINGER, /* the client, to see the last answer and leave */
    HTTP_WAITS
};

struct http_deadline { /* all zero: waits for nothing */
    struct http_deadline *next, **link;
    uint64_t due;
    enum http_wait wait;
};

struct http_deadlines {
    struct event *timer; /* calls promise__http_deadlines_due() */
    uint64_t armed;      /* when the timer comes; UINT64_MAX: it does not */
    struct http_queue {
        uint64_t ms;
        struct http_deadline *first, **last;
    } queues[HTTP_WAITS];
};

/* Milliseconds on a monotonic clock, as of now. */
uint64_t promise__http_now(void);

/* ms: how long to wait, by enum http_wait; UINT64_MAX: for ever. timer: called when it is time to look, with arg. 0, or -1 when
 * out of memory. */
int promise__http_deadlines_init(struct http_deadlines *all, promise_loop_t *loop, const uint64_t ms[HTTP_WAITS],
                                 void (*timer)(int fd, short what, void *arg), void *arg);
void promise__http_deadlines_free(struct http_deadlines *all);
/* Calls expired() for each that is due. all must live until it returns. */
void promise__http_deadlines_due(struct http_deadlines *all,
                                 void (*expired)(struct http_deadline *deadline, enum http_wait wait));

/* Waits for that from now on, and no more for what it did. */
void promise__http_wait(struct http_deadlines *all, struct http_deadline *deadline, enum http_wait wait);

#endif
