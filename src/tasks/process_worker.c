/* A worker: reads a call, makes it, writes the answer, with blocking reads and writes, until its socket ends. */
#include "tasks/process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LONGEST_WAIT_S = 60 };

struct answering {
    int fd;
    const struct promise_function *functions;
    const struct order *order;
};

/* ---- limits ---- */

/* Beyond what it has: what it was forked from may be large. */
static void limit_memory(uint64_t memory) {
#ifdef __linux__
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    const int resource = RLIMIT_DATA; /* since Linux 4.7 that of mmap, too; stacks and files do not count */

    if (file) {
        if (fscanf(file, "%*s %*s %*s %*s %*s %llu", &pages) != 1) pages = 0;
        fclose(file);
    }
    memory += pages * (unsigned long long)sysconf(_SC_PAGESIZE);
#else
    const int resource = RLIMIT_AS;
#endif
    setrlimit(resource, &(struct rlimit){(rlim_t)memory, (rlim_t)memory});
}

/* For this call, to the next half second: it counts all that the process has used. The hard limit stays, so that the next
 * call gets its own. */
static void limit_cpu(unsigned seconds) {
    struct rlimit limit;
    struct timespec used;

    if (getrlimit(RLIMIT_CPU, &limit) < 0 || clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) < 0) return;
    limit.rlim_cur = (rlim_t)used.tv_sec + (used.tv_nsec >= 500000000) + seconds;
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_cur > limit.rlim_max) limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_CPU, &limit);
}

/* ---- calls and answers ---- */

/* All of it; false at the end, or when nobody listens any more. */
static bool read_call(const struct answering *a, struct frame_reader *r) {
    static char block[FRAME_BLOCK];
    struct iovec room[2];
    ssize_t size;
    int status = 0;

    while (status == 0) {
        promise__frame_room(r, block, room);
        size = readv(a->fd, room, 2);
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return false;
        status = promise__frame_got(r, block, (size_t)size);
    }
    return status == 1;
}

static bool write_all(int fd, struct iovec *parts, int count) {
    struct msghdr message;
    ssize_t size;

    while (count) {
        memset(&message, 0, sizeof message);
        message.msg_iov = parts;
        message.msg_iovlen = (size_t)count;
        size = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return false;
        for (; count && (size_t)size >= parts->iov_len; count--, parts++) size -= (ssize_t)parts->iov_len;
        if (!count) break;
        parts->iov_base = (char *)parts->iov_base + size;
        parts->iov_len -= (size_t)size;
    }
    return true;
}

/* v is a rejection, or bytes. */
static bool answer(const struct answering *a, uint64_t id, promise_value_t v) {
    enum frame_kind kind = promise_is_rejection(v) ? FRAME_REJECTION : FRAME_VALUE;
    struct frame_head head;
    struct iovec parts[2];
    promise_value_t packed = promise_void();
    size_t size = 0;
    const char *data = "";
    bool written;

    if (kind == FRAME_REJECTION) packed = v = promise_error_pack(promise__copy(v));
    if (!promise_is_rejection(v)) data = promise_as_bytes(v, &size); /* else there is no memory even to say so */
    head = promise__frame_head(kind, id, size, 0);
    parts[0] = (struct iovec){&head, sizeof head};
    parts[1] = (struct iovec){(char *)(uintptr_t)data, size};
    written = write_all(a->fd, parts, 2);
    promise__release(packed);
    return written;
}

static promise_value_t too_large(const struct answering *a, const char *name, size_t size) {
    return promise_throw_errno_at(NULL, EMSGSIZE, "%s: a result of %zu bytes, at most %llu", name, size,
                                  (unsigned long long)a->order->most);
}

/* It has been closed by the function, or the program is gone. In the former case the program sees that and kills us soon, which
 * it could not tell from an end that the function chose if we left by ourselves; in the latter the starter does. */
static void wait_for_the_end(void) {
    for (int i = 0; i < LONGEST_WAIT_S; i++) sleep(1);
}

static bool serve_one(const struct answering *a, struct frame_reader *r) {
    promise_value_t result;
    size_t size;
    bool written;

    promise__frame_start(r, a->order->most);
    if (!read_call(a, r) || r->head.kind != FRAME_CALL) return false;
    if (a->order->cpu_seconds) limit_cpu(a->order->cpu_seconds);
    result = promise_function_call(a->functions, r->name, promise__frame_take(r));
    fflush(stdout); /* where it printed something, that is not for whoever comes next */
    if (!promise_is_rejection(result)) {
        promise_as_bytes(result, &size);
        if (size > a->order->most) {
            promise__release(result);
            result = too_large(a, r->name, size);
        }
    }
    written = answer(a, r->head.id, result);
    promise__release(result);
    if (!written) wait_for_the_end();
    return written;
}

void promise__worker_run(int fd, const struct promise_function *functions, const struct order *order) {
    struct answering a = {fd, functions, order};
    struct frame_reader reader;

    if (order->memory) limit_memory(order->memory);
    while (serve_one(&a, &reader)) {}
    promise__frame_drop(&reader);
    _exit(0);
}
