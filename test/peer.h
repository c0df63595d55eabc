/*
 * An HTTP server on loopback, and clients that say to it, byte for byte, what the test wants.
 *
 *     peer_open(handler, NULL);
 *     ck_assert_str_eq(ask("GET / HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 OK\r\n...");
 *     peer_close();                    // nothing is left: no memory, no descriptor
 */
#ifndef TEST_PEER_H
#define TEST_PEER_H

#include "evloop.h"

#include <promise/http_server.h>
#include <promise/stream.h>

extern promise_http_server_t *server;

/* A loop, and a server without a Server header; its options may be NULL. Failures of handlers are notes 'R'. */
void peer_open(promise_fn *handler, const struct promise_http_server_options *options);
/* Frees all that is open, and looks. */
void peer_close(void);
/* The same for what a test frees itself. */
void peer_free_server(void);
void peer_free_loop(void);

/* A connection, which is yours. */
promise_stream_t *dial(void);
/* A connected socket, which blocks, and is yours. */
int dial_socket(void);
/* Says text, or what came of printf. */
void say(promise_stream_t *client, const char *text);
/* Ends our side. */
void say_end(promise_stream_t *client);
/* What comes up to and with until, or up to the end; without Date headers. Good until the next call. */
const char *hear(promise_stream_t *client, const char *until);
const char *hear_end(promise_stream_t *client);
/* Resets the connection, and lets go of it. */
void hang_up(promise_stream_t *client);
/* A connection of its own: says text, hears all up to the end. */
const char *ask(const char *text);

/* Turns the loop until the condition holds: it must come to hold by itself. */
#define turn_until(condition)                                                                                                  \
    while (!(condition)) promise_loop_turn(loop)

size_t open_descriptors(void);

#endif
