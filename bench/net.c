/* Servers on libpromise beside the same on plain libevent: docs/bench.md tells what is measured. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

enum { MOST_ROUNDS = 101 };

static const char get[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

static const struct pair {
    const char *name;
    net_server *event, *promise;
    net_client *event_client, *promise_client; /* or these */
    struct net_load load;
    bool idle; /* measure what an idle connection takes */
} pairs[] = {
    {"echo 64 B", net_echo_event, net_echo_promise, NULL, NULL, {50, 64, 64, NULL, 100000, false}, true},
    {"echo 4 KiB", net_echo_event, net_echo_promise, NULL, NULL, {50, 4096, 4096, NULL, 50000, false}, false},
    {"echo 64 KiB", net_echo_event, net_echo_promise, NULL, NULL, {50, 65536, 65536, NULL, 5000, false}, false},
    {"http server",
     net_http_event,
     net_http_promise,
     NULL,
     NULL,
     {50, sizeof get - 1, NET_HTTP_RESPONSE, get, 50000, true},
     true},
    {"http client", NULL, NULL, net_client_event, net_client_promise, {50, 0, 0, NULL, 50000, false}, false},
};

struct ratios {
    double speed[MOST_ROUNDS], cpu[MOST_ROUNDS];
};

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n) {
    qsort(values, n, sizeof *values, compare);
    return values[n / 2];
}

static void measure(net_server *server, net_client *client, const struct net_load *load, struct net_result *r) {
    if (server) net_measure(server, load, r);
    else net_measure_client(client, load, r);
}

/* The two take turns, each first in every other round. */
static void one_round(const struct pair *p, unsigned round, struct ratios *all) {
    struct net_result event, promise;

    if (round % 2) measure(p->promise, p->promise_client, &p->load, &promise);
    measure(p->event, p->event_client, &p->load, &event);
    if (round % 2 == 0) measure(p->promise, p->promise_client, &p->load, &promise);
    all->speed[round] = promise.per_second / event.per_second;
    all->cpu[round] = promise.cpu_ns / event.cpu_ns;
}

static void run(const struct pair *p, unsigned rounds) {
    struct ratios all;

    for (unsigned i = 0; i < rounds; i++) one_round(p, i, &all);
    printf("%-12s %17.2f %22.2f", p->name, median(all.speed, rounds), median(all.cpu, rounds));
    if (p->idle) printf(" %22.0f", net_idle_bytes(p->promise, &p->load) - net_idle_bytes(p->event, &p->load));
    putchar('\n');
    fflush(stdout);
}

int main(int argc, char **argv) {
    unsigned rounds = argc > 1 && !strcmp(argv[1], "--rounds") && argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 9;

    if (!rounds || rounds > MOST_ROUNDS || (argc > 1 && argc != 3)) {
        fprintf(stderr, "usage: net [--rounds N]    (N at most %d)\n", MOST_ROUNDS);
        return EXIT_FAILURE;
    }
    puts("to libevent:  exchanges a second  processor time for each  bytes more, when idle");
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) run(&pairs[i], rounds);
    return EXIT_SUCCESS;
}
