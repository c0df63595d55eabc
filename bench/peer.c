/* Others beside the same yardstick: programs that measure themselves, bench/peer_boost.cpp and bench/peer_go.go. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

enum { TIMES = 5 };

/* What `PROGRAM WORKLOAD` prints: nanoseconds, or bytes. */
static double ask(const char *program, const char *workload) {
    char command[512];
    double n = 0;
    FILE *f;

    snprintf(command, sizeof command, "'%s' %s", program, workload);
    f = popen(command, "r");
    if (!f || fscanf(f, "%lf", &n) != 1) bench_fail(command);
    pclose(f);
    return n;
}

bool bench_has_peer(const char *program) { return access(program, X_OK) == 0; }

double bench_peer_bytes(const char *program, const char *workload) { return ask(program, workload); }

void bench_peer(const char *program, const char *workload, struct result *r) {
    double ns[TIMES], yard[TIMES], ratio[TIMES], before = bench_yardstick(), after;

    for (size_t i = 0; i < TIMES; i++, before = after) {
        ns[i] = ask(program, workload);
        after = bench_yardstick();
        yard[i] = (before + after) / 2;
        ratio[i] = ns[i] / yard[i];
    }
    *r = (struct result){.ns = bench_median(ns, TIMES),
                         .yardstick = bench_median(yard, TIMES),
                         .ratio = bench_median(ratio, TIMES),
                         .low = ratio[TIMES / 4],
                         .high = ratio[TIMES - 1 - TIMES / 4]};
}
