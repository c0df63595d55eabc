/*
 * What the measurements of servers share: each server runs in a process of its own, pinned to one processor, and a load that
 * knows neither runs on another. What is compared is how many exchanges a second of one get done, and the processor time that
 * the server takes for each.
 */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A server: listens on the socket, which is not blocking, until it is killed. */
typedef void net_server(int listener);

struct net_load {
    unsigned connections;
    size_t request, response; /* bytes each, at least */
    const char *bytes;        /* of the request; NULL: any */
    unsigned exchanges;       /* in all */
    bool wrk;                 /* let wrk(1) make them, as many as it can */
};

struct net_result {
    double per_second;
    double cpu_ns; /* of the server, or the client, for each exchange */
};

/* A client: makes so many requests over so many connections, and returns. */
typedef void net_client(uint16_t port, unsigned connections, unsigned requests);

void net_measure(net_server *server, const struct net_load *load, struct net_result *r);
double net_idle_bytes(net_server *server, const struct net_load *load); /* of its heap, for each connection */
void net_measure_client(net_client *client, const struct net_load *load, struct net_result *r);
_Noreturn void net_fail(const char *what);

/* ---- in pairs ---- */

net_server net_echo_event, net_echo_promise;
net_server net_http_event, net_http_promise;
net_client net_client_event, net_client_promise;
enum { NET_HTTP_RESPONSE = 100 }; /* bytes; either answers more, in one piece */

#endif
