/*
 * An HTTP server that does what its table says, on the loop of the case that runs, and a client beside it.
 *
 *     static const struct page pages[] = {{"/", OK_LENGTH("5") "hello", STAY, NULL}, {NULL}};
 *     open_peer(pages);
 *     fetch("/");
 *     ...
 *     close_peer();       // checks that nothing is left: no connection, no descriptor, no memory
 */
#ifndef TEST_HTTPPEER_H
#define TEST_HTTPPEER_H

#include "evloop.h"

#include <promise/http_client.h>
#include <promise/listener.h>

/* What the server does when it has sent the text. */
enum after {
    STAY,  /* waits for the next request */
    CLOSE, /* ends the connection */
    RESET, /* breaks it */
    HANG   /* nothing more, until the client leaves */
};

struct page {
    const char *path;
    const char *text; /* NULL: nothing */
    enum after after;
    const char *first; /* what is sent the first time instead: then it closes. "" is nothing */
};

#define OK "HTTP/1.1 200 OK\r\n"
#define OK_LENGTH(size) OK "Content-Length: " size "\r\n\r\n"
#define OK_CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"
#define MOVED(status, to) "HTTP/1.1 " status " Moved\r\nLocation: " to "\r\nContent-Length: 0\r\n\r\n"

struct peer {
    promise_listener_t *listener, *other; /* the same server on two ports: two origins */
    const struct page *pages;
    size_t connections;     /* made so far */
    size_t open, most_open; /* now, and at a time */
    size_t requested;       /* requests so far */
    char requests[16384];   /* "GET /a\nPOST /b hello\n": with the bodies; since requests_are() */
    char head[8192];        /* of the last one */
    bool silent;            /* takes requests, and answers them when peer_speaks() */
};
extern struct peer peer;
extern promise_http_client_t *client;
extern promise_value_t outcome; /* kept: of the last request */

void open_peer_with(const struct page *pages, const struct promise_http_client_options *options);
void open_peer(const struct page *pages);
void close_peer(void);
void close_gate(void); /* that alone, when the loop has been freed */
void peer_speaks(void);

const char *url_of(const char *path); /* lives until some calls later */
const char *other_url_of(const char *path);
promise_t *get(const char *path);
promise_t *get_other(const char *path);
promise_t *ask(struct promise_http_request request); /* its url is a path */
int settle(promise_t *p);                            /* the outcome is in outcome */
int fetch(const char *path);

/* Runs the loop until it is so. */
void wait_until(const size_t *number, size_t is);
void wait_until_idle(size_t idle, size_t active); /* connections of the client */

void body_is(const char *expected);
void error_is(int code, const char *said); /* of promise_http_errors, with this in its message */
void is_closed(void);                      /* it is PROMISE_ECLOSED */
void requests_are(const char *expected);   /* since the last time */

size_t count_fds(void);

#endif
