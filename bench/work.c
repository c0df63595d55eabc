/*
 * What it takes to have a function run on a thread and its result back, beside libuv where it is installed: with 1 and with
 * 1,000 in flight, on one processor and on all. docs/bench.md tells how to read the table.
 */
#include <promise.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if HAVE_LIBUV
#include <uv.h>
#endif

enum { ROUNDS = 15, THREADS = 4, KINDS = 2 };

_Noreturn static void fail(const char *what) {
    fprintf(stderr, "work: %s\n", what);
    exit(EXIT_FAILURE);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static size_t to_start, to_end; /* of this run */

/* ---- ours ---- */

static promise_pool_t *pool;
static promise_loop_t *loop;

static promise_value_t nothing(promise_value_t v, void *arg) {
    (void)arg;
    return v;
}

static promise_value_t next(promise_value_t v, void *arg) {
    (void)arg;
    if (promise_is_rejection(v)) fail(promise_error_message(v));
    to_end--;
    if (!to_start) return promise_void();
    to_start--;
    promise_unref(promise_then_catch(promise_work(NULL, pool, nothing, promise_int(1)), next, next, NULL));
    return promise_void();
}

static void run_ours(size_t in_flight) {
    for (size_t i = 0; i < in_flight; i++, to_start--)
        promise_unref(promise_then_catch(promise_work(loop, pool, nothing, promise_int(1)), next, next, NULL));
    promise_loop_run(loop, NULL, NULL);
}

/* ---- libuv's: a request of its own for each, as ours has ---- */

#if HAVE_LIBUV
static void uv_nothing(uv_work_t *work) { (void)work; }

static void uv_start(void);
static void uv_next(uv_work_t *work, int status) {
    if (status) fail(uv_strerror(status));
    free(work);
    to_end--;
    if (!to_start) return;
    to_start--;
    uv_start();
}
static void uv_start(void) {
    uv_work_t *work = malloc(sizeof *work);
    if (!work || uv_queue_work(uv_default_loop(), work, uv_nothing, uv_next) < 0) fail("uv_queue_work");
}

static void run_uv(size_t in_flight) {
    for (size_t i = 0; i < in_flight; i++, to_start--) uv_start();
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
#else
static void run_uv(size_t in_flight) {
    (void)in_flight;
    to_end = 0;
}
#endif

/* ---- the yardstick ---- */

static void *seen(void *block) {
    __asm__ volatile("" : "+r"(block) : : "memory");
    return block;
}

static double yardstick(void) {
    double start = now();
    for (int i = 0; i < 200000; i++) free(seen(malloc(64)));
    return (now() - start) / 200000;
}

/* ---- rounds ---- */

static double one(void (*run)(size_t in_flight), size_t n, size_t in_flight) {
    double start = now();
    to_start = to_end = n;
    run(in_flight);
    if (to_end) fail("some did not end");
    return (now() - start) / (double)n;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static double median(double *values) {
    qsort(values, ROUNDS, sizeof *values, compare);
    return values[ROUNDS / 2];
}

static void measure(const char *where, size_t n, size_t in_flight) {
    double ours[ROUNDS], uvs[ROUNDS], ratio[ROUNDS], malloc_ratio[ROUNDS];

    one(run_ours, n, in_flight);
    one(run_uv, n, in_flight);
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = one(run_ours, n, in_flight);
        uvs[i] = one(run_uv, n, in_flight);
        ratio[i] = ours[i] / uvs[i];
        malloc_ratio[i] = ours[i] / yardstick();
    }
    printf("| %5zu | %-13s | %7.0f | %7.1f |", in_flight, where, median(ours), median(malloc_ratio));
    if (HAVE_LIBUV) printf(" %7.0f | %6.2f |\n", median(uvs), median(ratio));
    else printf("       - |      - |\n");
    fflush(stdout);
}

/* In a process of its own: threads inherit the processors, and libuv's stay. */
static void measure_on(const char *where, const cpu_set_t *processors, size_t scale) {
    int status;
    pid_t child = fork();

    if (child < 0) fail("fork");
    if (child > 0) {
        if (waitpid(child, &status, 0) != child || status) fail("a measurement failed");
        return;
    }
    sched_setaffinity(0, sizeof *processors, processors);
    pool = promise_pool_new(&(struct promise_pool_options){.threads = THREADS});
    loop = promise_loop_new(NULL);
    if (!loop) fail("out of memory");
    measure(where, 20000 * scale, 1);
    measure(where, 200000 * scale, 1000);
    promise_loop_free(loop);
    promise_pool_free(pool);
    exit(EXIT_SUCCESS);
}

int main(int argc, char **argv) {
    size_t scale = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
    cpu_set_t all, first;

    setenv("UV_THREADPOOL_SIZE", "4", 1);
    sched_getaffinity(0, sizeof all, &all);
    CPU_ZERO(&first);
    for (size_t i = 0; i < CPU_SETSIZE && !CPU_COUNT(&first); i++)
        if (CPU_ISSET(i, &all)) CPU_SET(i, &first);
    printf("| in flight | on | ns | of malloc+free | libuv, ns | ours to libuv's |\n| --: | :-- | --: | --: | --: | --: |\n");
    fflush(stdout);
    measure_on("one processor", &first, scale);
    measure_on("all", &all, scale);
    return 0;
}
