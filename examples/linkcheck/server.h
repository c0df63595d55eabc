/* A small HTTP server for the files in a folder, on the loopback interface. */
#ifndef LINKCHECK_SERVER_H
#define LINKCHECK_SERVER_H

#include <stdint.h>

struct event_base;
struct server;

/* Serves folder on base, on a free port of 127.0.0.1. NULL and errno when that cannot be done. */
struct server *server_new(struct event_base *base, const char *folder);
void server_free(struct server *server);
uint16_t server_port(const struct server *server);

#endif
