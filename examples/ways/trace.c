#include "trace.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int file = -1;

static void open_file(void) {
    const char *name = getenv("WAYS_TRACE");

    if (name) file = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}

static int is_traced(void) {
    pthread_once(&once, open_file);
    return file >= 0;
}

/* One write for each line, at the end of the file: lines of several processes do not mix. */
static void print(char what, size_t item, long long value) {
    char line[96];
    int length = snprintf(line, sizeof line, "%c %zu %ld %lx %lld\n", what, item, (long)getpid(),
                          (unsigned long)pthread_self(), value);

    if (write(file, line, (size_t)length) < 0) perror("trace");
}

static void trace(char what, size_t item) {
    struct timespec now;

    if (!is_traced()) return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    print(what, item, (long long)now.tv_sec * 1000000000 + now.tv_nsec);
}

void trace_begin(size_t item) { trace('b', item); }
void trace_run(size_t item) { trace('r', item); }
void trace_rest(size_t item) { trace('s', item); }
void trace_end(size_t item) { trace('e', item); }

/* Not getrusage(2), which begins with what the process had before it executed this program. */
void trace_memory(void) {
    char line[128];
    long long kib;
    FILE *status = is_traced() ? fopen("/proc/self/status", "re") : NULL;

    if (!status) return;
    while (fgets(line, sizeof line, status))
        if (sscanf(line, "VmHWM: %lld", &kib) == 1) print('m', 0, kib);
    fclose(status);
}
