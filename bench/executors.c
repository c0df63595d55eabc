/* Functions by name in the loop, on threads, in processes: what a call costs, and how much faster many processors are.
 * docs/bench.md tells how to read the table. */
#include <promise.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 9, SHORT = 20000, LONG = 64, LARGE = 64, LARGE_SIZE = 1 << 20 };

_Noreturn static void fail(const char *what) {
    fprintf(stderr, "executors: %s\n", what);
    exit(EXIT_FAILURE);
}

/* ---- the functions ---- */

static promise_value_t echo(promise_value_t v, void *arg) {
    (void)arg;
    return v;
}

/* Some ten milliseconds. */
static promise_value_t busy(promise_value_t v, void *arg) {
    volatile unsigned long long n = 1;
    (void)v, (void)arg;
    for (int i = 0; i < 10000000; i++) n = n * 6364136223846793005U + 1;
    return promise_bytes((const void *)(uintptr_t)&n, sizeof n);
}

static const struct promise_function functions[] = {{"echo", echo}, {"busy", busy}, {NULL, NULL}};

/* ---- the executors ---- */

enum { LOOP, THREADS, PROCESSES, KINDS };
static const char *const names[] = {"loop", "threads", "processes"};

static promise_loop_t *loop;
static promise_executor_t *executors[KINDS];

static promise_value_t next(promise_value_t v, void *arg) {
    size_t *left = arg;
    (void)v;
    return promise_int((int64_t)-- * left);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds for so many calls with so many in flight. */
static double run(int kind, const char *name, promise_value_t bytes, size_t calls, size_t in_flight) {
    size_t left = calls;
    double start = now();

    while (left) {
        size_t n = in_flight < left ? in_flight : left;
        promise_t **all = malloc(n * sizeof(promise_t *));
        if (!all) fail("out of memory");
        for (size_t i = 0; i < n; i++) all[i] = promise_then(promise_execute(executors[kind], name, bytes), next, &left);
        if (promise_loop_run(loop, promise_all(loop, n, all), NULL) < 0) fail(name);
        free(all);
    }
    return now() - start;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Each kind in turn, ROUNDS times: the medians, and those of the ratios to the first. */
static void measure(const char *what, const char *name, promise_value_t bytes, size_t calls, size_t in_flight) {
    double seconds[KINDS][ROUNDS], ratios[KINDS][ROUNDS];

    for (int kind = 0; kind < KINDS; kind++) run(kind, name, bytes, in_flight < calls ? in_flight : calls, in_flight);
    for (int round = 0; round < ROUNDS; round++)
        for (int kind = 0; kind < KINDS; kind++) {
            seconds[kind][round] = run(kind, name, bytes, calls, in_flight);
            ratios[kind][round] = seconds[LOOP][round] / seconds[kind][round];
        }
    for (int kind = 0; kind < KINDS; kind++) {
        qsort(seconds[kind], ROUNDS, sizeof **seconds, compare);
        qsort(ratios[kind], ROUNDS, sizeof **ratios, compare);
        printf("%-32s %-10s %10.2f %12.0f %8.2f\n", what, names[kind], 1e6 * seconds[kind][ROUNDS / 2] / (double)calls,
               (double)calls / seconds[kind][ROUNDS / 2], ratios[kind][ROUNDS / 2]);
    }
}

int main(void) {
    const struct promise_process_options options = {.functions = functions};
    promise_value_t text = {0}, large = {0};
    promise_process_pool_t *processes;
    promise_pool_t *threads;

    loop = promise_loop_new(NULL);
    if (!loop) fail("out of memory");
    processes = promise_process_pool_new(loop, &options); /* before the threads */
    threads = promise_pool_new(&(struct promise_pool_options){.threads = (size_t)sysconf(_SC_NPROCESSORS_ONLN)});
    executors[LOOP] = promise_executor_loop(loop, functions);
    executors[THREADS] = promise_executor_threads(loop, threads, functions);
    executors[PROCESSES] = promise_executor_processes(processes);
    promise_value_set(&text, promise_string("sixty-four bytes of text, that go there and come back, are these"));
    promise_value_set(&large, promise_bytes_take(calloc(1, LARGE_SIZE), LARGE_SIZE));
    printf("%ld processors\n%-32s %-10s %10s %12s %8s\n", sysconf(_SC_NPROCESSORS_ONLN), "", "", "us/call", "calls/s",
           "x loop");
    measure("echo 64 bytes, 1 in flight", "echo", text, SHORT / 4, 1);
    measure("echo 64 bytes, 1,000 in flight", "echo", text, SHORT, 1000);
    measure("echo 1 MiB, 4 in flight", "echo", large, LARGE, 4);
    measure("compute, all at once", "busy", text, LONG, LONG);
    promise_value_clear(&text);
    promise_value_clear(&large);
    for (int kind = 0; kind < KINDS; kind++) promise_executor_free(executors[kind]);
    promise_process_pool_free(processes);
    promise_loop_free(loop);
    promise_pool_free(threads);
    return EXIT_SUCCESS;
}
