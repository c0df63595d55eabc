/* The other side of ask.h, on the loopback interface: users, their tokens, and what they have ordered. */
#ifndef ASK_SERVER_H
#define ASK_SERVER_H

#include <stdint.h>

struct event_base;
struct server;

/* Answers on a free port. fault says how it misbehaves: "refuse" does not know any token, "silent" never tells the
 * orders, "hangup" closes the connection when it is asked for a profile, anything else or NULL: not at all. NULL when
 * that cannot be started. */
struct server *server_new(struct event_base *base, const char *fault);
void server_free(struct server *server);
uint16_t server_port(const struct server *server);

#endif
