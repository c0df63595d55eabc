/*
 * A listener for the case that runs, its clients, and accept4(2), which is counted and fails on demand.
 */
#ifndef TEST_LISTENING_H
#define TEST_LISTENING_H

#include "net.h"

#include <promise/listener.h>

extern promise_listener_t *l;
extern struct promise_address address; /* where it listens */

extern unsigned accepts;    /* calls of accept4 */
extern const int *failures; /* what the next ones fail with, up to a 0; NULL: they work */

void listen_here(void); /* l, on a free port of 127.0.0.1 */
promise_listener_t *listen_unix(const char *path);
void close_it(void);
int client(void);                      /* a plain socket that is connected to address */
bool is_to(promise_value_t v, int fd); /* is the stream in v connected to that client? */

#endif
