/* Starting threads. */
#include "thread.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

size_t promise__processors(void) {
    long n;
#if HAVE_SCHED_GETAFFINITY
    cpu_set_t ours;

    if (sched_getaffinity(0, sizeof ours, &ours) == 0) return (size_t)CPU_COUNT(&ours);
#endif
    n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (size_t)n : 1;
}

void promise__thread_name(const char *name) {
#if HAVE_PTHREAD_SETNAME_NP
    pthread_setname_np(pthread_self(), name);
#else
    (void)name;
#endif
}

/* Those that tell of a fault of the thread itself stay; SIGPROF is for profilers. */
int promise__thread_start(pthread_t *thread, size_t stack_size, void *(*run)(void *arg), void *arg) {
    static const int kept[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGPROF};
    sigset_t blocked, before;
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);

    if (error) return error;
    if (stack_size) pthread_attr_setstacksize(&attributes, stack_size);
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) sigdelset(&blocked, kept[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    error = pthread_create(thread, &attributes, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}
