#include "blocking.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static size_t begun, let_go;

static void add(size_t *count) {
    pthread_mutex_lock(&lock);
    ++*count;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void take(size_t *count) {
    pthread_mutex_lock(&lock);
    while (!*count) pthread_cond_wait(&changed, &lock);
    --*count;
    pthread_mutex_unlock(&lock);
}

promise_value_t block(promise_value_t v, void *arg) {
    (void)arg;
    add(&begun);
    take(&let_go);
    return v;
}

void block_begun(void) { take(&begun); }
void block_go(void) { add(&let_go); }
