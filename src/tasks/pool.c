/* Pools: making and freeing them, and those that are everybody's. */
#include "pool.h"
#include "thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LEAST_THREADS = 4, FILE_THREADS = 4, NAME_THREADS = 16, MOST_DEFAULT_THREADS = 64, IDLE_MS = 10000 };

static promise_pool_t nomem = {.refs = 1};

bool promise__pool_is_nomem(const promise_pool_t *pool) { return pool == &nomem; }

/* ---- make ---- */

static size_t default_threads(void) {
    size_t n = promise__processors();

    return n < LEAST_THREADS ? LEAST_THREADS : n > MOST_DEFAULT_THREADS ? MOST_DEFAULT_THREADS : n;
}

static void make_condition(pthread_cond_t *condition) {
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

void promise__pool_make_conditions(promise_pool_t *pool) {
    pthread_mutex_init(&pool->lock, NULL);
    make_condition(&pool->left);
    for (size_t i = 0; i < pool->max_threads; i++) make_condition(&pool->workers[i].wake);
}

/* Of a pool that is all zero but for its places for threads. */
static void init(promise_pool_t *pool, const struct promise_pool_options *options, size_t threads) {
    snprintf(pool->name, sizeof pool->name, "%s", options->name ? options->name : "promise");
    pool->max_threads = threads;
    pool->capacity = SIZE_MAX;
    if (options->queue_limit && options->queue_limit < SIZE_MAX - threads) pool->capacity = options->queue_limit + threads;
    pool->idle_ms = options->idle_ms ? options->idle_ms : IDLE_MS;
    pool->stack_size = options->stack_size;
    atomic_init(&pool->refs, 1);
    promise__pool_make_conditions(pool);
    promise__pools_add(pool);
}

promise_pool_t *promise_pool_new(const struct promise_pool_options *options) {
    static const struct promise_pool_options defaults;
    promise_pool_t *pool;
    size_t threads, size;
    void *block;

    if (!options) options = &defaults;
    threads = options->threads ? options->threads : default_threads();
    if (threads > MAX_THREADS) threads = MAX_THREADS;
    size = sizeof *pool + threads * sizeof *pool->workers;
    block = promise__malloc(size + CACHE_LINE);
    if (!block) return &nomem;
    pool = (promise_pool_t *)(((uintptr_t)block + CACHE_LINE - 1) & ~(uintptr_t)(CACHE_LINE - 1));
    memset(pool, 0, size);
    pool->block = block;
    pool->workers = (struct worker *)(pool + 1);
    init(pool, options, threads);
    return pool;
}

/* ---- free ---- */

void promise__pool_ref(promise_pool_t *pool) { atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed); }

void promise__pool_unref(promise_pool_t *pool) {
    if (atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_acq_rel) != 1) return;
    promise__pools_remove(pool);
    for (size_t i = 0; i < pool->max_threads; i++) pthread_cond_destroy(&pool->workers[i].wake);
    pthread_cond_destroy(&pool->left);
    pthread_mutex_destroy(&pool->lock);
    promise__free(pool->block);
}

void promise_pool_free(void *arg) {
    promise_pool_t *pool = arg;

    if (!pool || pool == &nomem || pool->everybodys) return;
    if (promise__pool_is_mine(pool)) promise__stop("promise_pool_free: called on a thread of the pool \"%s\"", pool->name);
    promise__pool_begin_close(pool);
    promise__pool_wait(pool, UINT64_MAX);
    promise__pool_join(pool);
    promise__pool_unref(pool);
}

/* ---- those that are everybody's: never freed, and so in no memory that is counted ---- */

enum { FUNCTIONS, FILES, NAMES, KINDS };

static promise_pool_t pools[KINDS];
static struct worker function_workers[MOST_DEFAULT_THREADS], file_workers[FILE_THREADS], name_workers[NAME_THREADS];

static void at_exit(void) { (void)!promise_pool_shutdown(0); }

static void make_everybodys(void) {
    const struct promise_pool_options functions = {.name = "promise-work"}, files = {.name = "promise-file"},
                                      names = {.name = "promise-name"};

    for (size_t i = 0; i < KINDS; i++) pools[i].everybodys = true;
    pools[FUNCTIONS].workers = function_workers;
    pools[FILES].workers = file_workers;
    pools[NAMES].workers = name_workers;
    init(&pools[FUNCTIONS], &functions, default_threads());
    init(&pools[FILES], &files, FILE_THREADS);
    init(&pools[NAMES], &names, NAME_THREADS);
    atexit(at_exit);
}

static promise_pool_t *everybodys(size_t kind) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_everybodys);
    return &pools[kind];
}

promise_pool_t *promise_pool_default(void) { return everybodys(FUNCTIONS); }
promise_pool_t *promise_pool_for_files(void) { return everybodys(FILES); }
promise_pool_t *promise_pool_for_names(void) { return everybodys(NAMES); }

static pthread_mutex_t ending = PTHREAD_MUTEX_INITIALIZER; /* who ends them: one at a time */

size_t promise_pool_shutdown(uint64_t timeout_ms) {
    uint64_t now = promise__pool_now(), until = timeout_ms < UINT64_MAX - now ? now + timeout_ms : UINT64_MAX;
    size_t abandoned = 0;

    promise_pool_default();
    for (size_t i = 0; i < KINDS; i++)
        if (promise__pool_is_mine(&pools[i])) until = now; /* it cannot wait for itself */
    pthread_mutex_lock(&ending);
    for (size_t i = 0; i < KINDS; i++) promise__pool_begin_close(&pools[i]);
    for (size_t i = 0; i < KINDS; i++) {
        if (promise__pool_wait(&pools[i], until) < 0) abandoned += promise__pool_abandon(&pools[i]);
        promise__pool_wait(&pools[i], UINT64_MAX);
        promise__pool_join(&pools[i]);
        atomic_store(&pools[i].closed, false);
    }
    pthread_mutex_unlock(&ending);
    return abandoned;
}

/* ---- query ---- */

static promise_pool_t *check(promise_pool_t *pool, const char *function) {
    if (!pool) promise__stop("%s: pool is NULL", function);
    return pool;
}

size_t promise_pool_threads(promise_pool_t *pool) { return atomic_load(&check(pool, __func__)->threads); }

size_t promise_pool_running(promise_pool_t *pool) {
    size_t n = 0;

    if (check(pool, __func__) == &nomem) return 0;
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->max_threads; i++) n += pool->workers[i].busy;
    pthread_mutex_unlock(&pool->lock);
    return n;
}

size_t promise_pool_waiting(promise_pool_t *pool) {
    size_t n;

    if (check(pool, __func__) == &nomem) return 0;
    pthread_mutex_lock(&pool->lock);
    n = promise__pool_count_ready(pool);
    pthread_mutex_unlock(&pool->lock);
    return n;
}
