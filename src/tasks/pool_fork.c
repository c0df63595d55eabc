/*
 * fork(2): a child has a copy of every pool and of none of its threads. Before it, all locks are taken, so that no copy is in
 * the middle of a change; in the child each pool then starts anew. What had been given to it is the parent's: the copies stay
 * where they are, and only a cancel of the loop that gave them, which has a copy as well, finds them again.
 */
#include "pool.h"

#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static promise_pool_t *all;

static void before(void) {
    pthread_mutex_lock(&lock);
    for (promise_pool_t *pool = all; pool; pool = pool->next) pthread_mutex_lock(&pool->lock);
}

static void unlock_all(void) {
    for (promise_pool_t *pool = all; pool; pool = pool->next) pthread_mutex_unlock(&pool->lock);
    pthread_mutex_unlock(&lock);
}

/* Each abandoned thread, and each work, had a reference: those stay. */
static void start_anew(promise_pool_t *pool) {
    pool->generation++;
    atomic_store(&pool->inbox, NULL);
    atomic_store(&pool->accepted, 0);
    atomic_store(&pool->idle, 0);
    atomic_store(&pool->coming, false);
    atomic_store(&pool->threads, 0);
    pool->ready = pool->ready_last = NULL;
    pool->ready_count = 0;
    pool->idle_workers = NULL;
    pool->closings = NULL;
    memset(pool->workers, 0, pool->max_threads * sizeof *pool->workers);
    promise__pool_make_conditions(pool);
}

static void in_child(void) {
    unlock_all();
    for (promise_pool_t *pool = all; pool; pool = pool->next) start_anew(pool);
}

static void watch_forks(void) { pthread_atfork(before, unlock_all, in_child); }

void promise__pools_add(promise_pool_t *pool) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&lock);
    pool->next = all;
    pool->link = &all;
    if (all) all->link = &pool->next;
    all = pool;
    pthread_mutex_unlock(&lock);
}

void promise__pools_remove(promise_pool_t *pool) {
    pthread_mutex_lock(&lock);
    *pool->link = pool->next;
    if (pool->next) pool->next->link = pool->link;
    pthread_mutex_unlock(&lock);
}
