/*
 * What a message from thread to thread takes, over a shared channel and over a ring with a mutex and two conditions, as one
 * writes it by hand: with room for one and for 100, on one processor and on all. docs/bench.md tells how to read the table.
 */
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 9, MOST_ROOM = 100 };

static int64_t messages; /* of a run */

static void check_order(promise_value_t v, int64_t wanted) {
    if (promise_as_int(v) != wanted) bench_fail("the messages are out of order");
}

/* ---- by hand ---- */

static struct queue {
    pthread_mutex_t lock;
    pthread_cond_t filled, emptied;
    int64_t items[MOST_ROOM];
    size_t first, count, room;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER, .emptied = PTHREAD_COND_INITIALIZER};

static void *put_all(void *arg) {
    for (int64_t i = 0; i < messages; i++) {
        pthread_mutex_lock(&queue.lock);
        while (queue.count == queue.room) pthread_cond_wait(&queue.emptied, &queue.lock);
        queue.items[(queue.first + queue.count++) % queue.room] = i;
        pthread_cond_signal(&queue.filled);
        pthread_mutex_unlock(&queue.lock);
    }
    return arg;
}

static void take_all(void) {
    for (int64_t i = 0; i < messages; i++) {
        pthread_mutex_lock(&queue.lock);
        while (!queue.count) pthread_cond_wait(&queue.filled, &queue.lock);
        check_order(promise_int(queue.items[queue.first]), i);
        queue.first = (queue.first + 1) % queue.room;
        queue.count--;
        pthread_cond_signal(&queue.emptied);
        pthread_mutex_unlock(&queue.lock);
    }
}

static void start(pthread_t *thread, void *(*fn)(void *arg)) {
    if (pthread_create(thread, NULL, fn, NULL)) bench_fail("no thread");
}

static void run_by_hand(size_t room) {
    pthread_t thread;

    queue.room = room;
    start(&thread, put_all);
    take_all();
    pthread_join(thread, NULL);
}

/* ---- threads without loops ---- */

static promise_shared_channel_t *channel;

static void *send_all(void *arg) {
    for (int64_t i = 0; i < messages; i++)
        if (promise_shared_send_wait(channel, promise_int(i), UINT64_MAX, NULL) < 0) bench_fail("a send was rejected");
    return arg;
}

static void run_on_threads(size_t room) {
    promise_value_t v = {0};
    pthread_t thread;

    channel = promise_shared_channel_new(room);
    start(&thread, send_all);
    for (int64_t i = 0; i < messages; i++) {
        if (promise_shared_receive_wait(channel, UINT64_MAX, &v) < 0) bench_fail("a receive was rejected");
        check_order(v, i);
    }
    pthread_join(thread, NULL);
    promise_shared_channel_unref(channel);
}

/* ---- loops ---- */

static promise_loop_t *loop;
static promise_loops_t *others; /* one */

static promise_value_t send_each(promise_value_t v, void *arg) {
    (void)arg;
    for (int64_t i = 0; i < messages; i++)
        if (promise_await(promise_shared_send(NULL, channel, promise_int(i)), &v) < 0) bench_fail("a send was rejected");
    return promise_void();
}
static promise_value_t begin_to_send(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(promise_async(NULL, send_each, NULL));
}

static promise_value_t receive_each(promise_value_t v, void *arg) {
    (void)arg;
    for (int64_t i = 0; i < messages; i++) {
        if (promise_await(promise_shared_receive(NULL, channel), &v) < 0) bench_fail("a receive was rejected");
        check_order(v, i);
    }
    return promise_void();
}

static void run_on_loops(size_t room) {
    promise_t *sent, *received;

    channel = promise_shared_channel_new(room);
    sent = promise_loops_run(loop, others, begin_to_send, promise_void());
    received = promise_async(loop, receive_each, NULL);
    if (promise_loop_run(loop, promise_all_of(loop, sent, received, NULL), NULL) < 0) bench_fail("the loops have failed");
    promise_shared_channel_unref(channel);
}

/* ---- rounds ---- */

static void (*const runs[])(size_t room) = {run_by_hand, run_on_threads, run_on_loops};
enum { KINDS = sizeof runs / sizeof *runs };

static double one(size_t kind, size_t room) {
    double start_ns = bench_now();

    runs[kind](room);
    return (bench_now() - start_ns) / (double)messages;
}

static void measure(const char *where, size_t room) {
    double ns[KINDS][ROUNDS], ratio[KINDS][ROUNDS];

    messages = room == 1 ? 5000 : 100000; /* with room for one, each waits for a switch */
    for (size_t k = 0; k < KINDS; k++) (void)one(k, room);
    for (size_t i = 0; i < ROUNDS; i++) {
        for (size_t k = 0; k < KINDS; k++) ns[k][i] = one(k, room);
        for (size_t k = 0; k < KINDS; k++) ratio[k][i] = ns[k][i] / ns[0][i];
    }
    printf("| %4zu | %-13s |", room, where);
    for (size_t k = 0; k < KINDS; k++) printf(" %6.0f |", bench_median(ns[k], ROUNDS));
    for (size_t k = 1; k < KINDS; k++) printf(" %5.2f |", bench_median(ratio[k], ROUNDS));
    putchar('\n');
    fflush(stdout);
}

/* In a process of its own: threads inherit the processors. */
static void measure_on(const char *where, const cpu_set_t *processors) {
    int status;
    pid_t child = fork();

    if (child < 0) bench_fail("fork");
    if (child > 0) {
        if (waitpid(child, &status, 0) != child || status) bench_fail("a measurement failed");
        return;
    }
    sched_setaffinity(0, sizeof *processors, processors);
    loop = promise_loop_new(NULL);
    others = promise_loops_new(&(struct promise_loops_options){.threads = 1});
    measure(where, 1);
    measure(where, MOST_ROOM);
    promise_loops_free(others);
    promise_loop_free(loop);
    exit(EXIT_SUCCESS);
}

int main(void) {
    cpu_set_t all, first;

    sched_getaffinity(0, sizeof all, &all);
    CPU_ZERO(&first);
    for (size_t i = 0; i < CPU_SETSIZE && !CPU_COUNT(&first); i++)
        if (CPU_ISSET(i, &all)) CPU_SET(i, &first);
    puts("| room | on | by hand, ns | threads, ns | loops, ns | threads to by hand | loops to by hand |\n"
         "| --: | :-- | --: | --: | --: | --: | --: |");
    fflush(stdout);
    measure_on("one processor", &first);
    measure_on("all", &all);
    return EXIT_SUCCESS;
}
