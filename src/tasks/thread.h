/* Threads of the library's own: pools and loops have them. */
#ifndef PROMISE_SRC_TASKS_THREAD_H
#define PROMISE_SRC_TASKS_THREAD_H

#include <pthread.h>

/* As pthread_create, with the signals blocked that are not the thread's own fault. stack_size 0: the system's default. */
int promise__thread_start(pthread_t *thread, size_t stack_size, void *(*run)(void *arg), void *arg);
/* Of the calling thread, as far as the system has names. */
void promise__thread_name(const char *name);
/* That we may use; never 0. */
size_t promise__processors(void);

#endif
