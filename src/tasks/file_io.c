#include "file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_READ = 4096 };

int promise__file_io_open(const char *path, int flags, unsigned mode) {
    int fd;

    do fd = open(path, flags | O_CLOEXEC, (mode_t)mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

int promise__file_io_close(int fd) { return close(fd) < 0 && errno != EINTR ? errno : 0; }

int promise__file_io_write(int fd, uint64_t offset, promise_value_t data) {
    const char *bytes;
    size_t left;

    if (promise_is_void(data)) return 0;
    bytes = promise_as_bytes(data, &left);
    while (left) {
        ssize_t n = offset == IO_NO_OFFSET ? write(fd, bytes, left) : pwrite(fd, bytes, left, (off_t)offset);
        if (n < 0 && errno != EINTR) return errno;
        if (n <= 0) continue;
        bytes += n;
        left -= (size_t)n;
        if (offset != IO_NO_OFFSET) offset += (uint64_t)n;
    }
    return 0;
}

/* ---- reading ---- */

static ssize_t read_once(int fd, uint64_t offset, char *to, size_t size) {
    ssize_t n;

    do n = offset == IO_NO_OFFSET ? read(fd, to, size) : pread(fd, to, size, (off_t)offset);
    while (n < 0 && errno == EINTR);
    return n;
}

/* How many bytes there are, as far as one can know. */
static size_t expected(int fd, uint64_t offset) {
    struct stat s;

    if (offset == IO_NO_OFFSET) offset = 0;
    if (fstat(fd, &s) < 0 || !S_ISREG(s.st_mode) || (uint64_t)s.st_size <= offset) return 0;
    return (uint64_t)s.st_size - offset > SIZE_MAX / 4 ? SIZE_MAX / 4 : (size_t)((uint64_t)s.st_size - offset);
}

/* The same bytes with room for size; or NULL, and *v is ENOMEM's rejection. */
static struct text *resized(promise_value_t *v, size_t size) {
    promise_value_t old = *v;
    const struct text *from = promise__object(old);
    struct text *to = promise__text_new(&promise_type_bytes, size, v);

    if (to) {
        to->size = from->size;
        memcpy(to->data, from->data, from->size < size ? from->size : size);
    }
    promise__release(old);
    return to;
}

/* text->size is how much is there. 0 at the end, else the errno; -1 when there is as much as is wanted. */
static int fill(int fd, uint64_t offset, struct text *text, size_t wanted) {
    while (text->size < wanted) {
        ssize_t n =
            read_once(fd, offset == IO_NO_OFFSET ? offset : offset + text->size, text->data + text->size, wanted - text->size);
        if (n < 0) return errno;
        if (n == 0) return 0;
        text->size += (size_t)n;
    }
    return -1;
}

static promise_value_t read_failed(const struct file_request *r, promise_value_t buffer, int error) {
    promise__release(buffer);
    return promise__file_failed(r, "read", error);
}

/* Cut off at limit, and to its size where that is much less than it has room for. */
static promise_value_t trimmed(promise_value_t v, struct text *text, size_t room, size_t limit) {
    if (text->size > limit) text->size = limit;
    if (text->size < room / 2 && room > FIRST_READ) text = resized(&v, text->size);
    if (text) text->data[text->size] = 0;
    return v;
}

promise_value_t promise__file_io_read(const struct file_request *r, int fd, uint64_t offset, size_t limit, bool *more) {
    size_t room = expected(fd, offset);
    promise_value_t v;
    struct text *text;
    int error = 0;

    if (!room) room = FIRST_READ;
    if (room > limit) room = limit;
    text = promise__text_new(&promise_type_bytes, room, &v);
    if (text) text->size = 0;
    /* one byte more fits in, where the NUL will be: it tells the end */
    while (text && (error = fill(fd, offset, text, room + (room < limit || more))) < 0 && room < limit) {
        room = room > limit / 2 ? limit : room * 2;
        text = resized(&v, room);
    }
    if (!text) return v;
    if (error > 0) return read_failed(r, v, error);
    if (more) *more = text->size > limit;
    return trimmed(v, text, room, limit);
}

promise_value_t promise__file_io_read_some(const struct file_request *r, int fd, size_t limit) {
    enum { MOST = 65536 };
    size_t room = limit < MOST ? limit : MOST;
    promise_value_t v;
    struct text *text = promise__text_new(&promise_type_bytes, room, &v);
    ssize_t n;

    if (!text) return v;
    n = read_once(fd, IO_NO_OFFSET, text->data, room);
    if (n < 0) return read_failed(r, v, errno);
    text->size = (size_t)n;
    return trimmed(v, text, room, room);
}
