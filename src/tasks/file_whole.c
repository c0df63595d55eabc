/* Whole files, by path: each in one trip to a thread. */
#include <promise/file.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_io.h"

/* ---- reading ---- */

static promise_value_t run_read(struct file_request *r) {
    bool more = false;
    promise_value_t v;
    int fd = promise__file_io_open(r->ask.path, O_RDONLY, 0);

    if (fd < 0) return promise__file_failed(r, "open", errno);
    v = promise__file_io_read(r, fd, IO_NO_OFFSET, r->ask.size, r->ask.size < SIZE_MAX ? &more : NULL);
    promise__file_io_close(fd);
    if (!more) return v;
    promise__release(v);
    return promise_throw_errno_at(NULL, EFBIG, "read %s: more than %zu bytes", r->ask.path, r->ask.size);
}

static const struct file_action read_action = {.name = "read", .run = run_read};

promise_t *promise_file_read(promise_loop_t *loop, const char *path) {
    return promise__file_ask(loop, __func__, (struct file_ask){.action = &read_action, .path = path, .size = SIZE_MAX});
}

promise_t *promise_file_read_max(promise_loop_t *loop, const char *path, size_t max) {
    return promise__file_ask(loop, __func__, (struct file_ask){.action = &read_action, .path = path, .size = max});
}

/* ---- writing ---- */

static promise_value_t run_write(struct file_request *r) {
    int fd = promise__file_io_open(r->ask.path, r->ask.flags, 0666), error, closed;

    if (fd < 0) return promise__file_failed(r, "open", errno);
    error = promise__file_io_write(fd, IO_NO_OFFSET, r->ask.data);
    closed = promise__file_io_close(fd);
    if (error) return promise__file_failed(r, "write", error);
    return closed ? promise__file_failed(r, "close", closed) : promise_void();
}

static const struct file_action write_action = {.name = "write", .run = run_write};

static promise_t *write_whole(promise_loop_t *loop, const char *function, const char *path, promise_value_t data, int flags) {
    struct file_ask ask = {.action = &write_action, .path = path, .flags = flags | O_WRONLY | O_CREAT};

    ask.data = promise__file_data(data, function);
    return promise__file_ask(loop, function, ask);
}

promise_t *promise_file_write(promise_loop_t *loop, const char *path, promise_value_t data) {
    return write_whole(loop, __func__, path, data, O_TRUNC);
}

promise_t *promise_file_append(promise_loop_t *loop, const char *path, promise_value_t data) {
    return write_whole(loop, __func__, path, data, O_APPEND);
}

/* ---- replacing ---- */

struct replacement {
    const struct file_request *r;
    char *target; /* from malloc(3): the file that a link leads to */
    char *path;   /* the new file, beside it */
    int fd;
    promise_value_t error; /* or void */
};

/* Beside the target, by a name that nobody has. As in open(2) the mode is less the umask, which no thread can ask for. */
static void open_beside(struct replacement *n) {
    static atomic_uint count;
    size_t size = strlen(n->target) + 48;

    n->path = promise__malloc(size);
    if (!n->path) {
        n->error = promise__nomem();
        return;
    }
    do {
        snprintf(n->path, size, "%s.%ld-%u.new", n->target, (long)getpid(), atomic_fetch_add(&count, 1));
        n->fd = promise__file_io_open(n->path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    } while (n->fd < 0 && errno == EEXIST);
    if (n->fd < 0) n->error = promise_throw_errno_at(NULL, errno, "open %s", n->path);
}

/* The new file on the disk, with the mode of the old one. */
static void fill_in(struct replacement *n) {
    struct stat old;
    const char *what = NULL;
    int error;

    if (stat(n->target, &old) == 0 && fchmod(n->fd, old.st_mode & 07777) < 0) what = "change the mode of", error = errno;
    else if ((error = promise__file_io_write(n->fd, IO_NO_OFFSET, n->r->ask.data))) what = "write";
    else if (fsync(n->fd) < 0) what = "sync", error = errno;
    if (what) promise__file_io_close(n->fd);
    else if ((error = promise__file_io_close(n->fd))) what = "close";
    if (what) n->error = promise_throw_errno_at(NULL, error, "%s %s", what, n->path);
}

/* The name too is to survive a crash. Not every file system can do that with a folder. */
static void sync_folder(const char *path) {
    char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
    int fd;

    if (slash) slash[slash == folder] = 0;
    fd = folder ? promise__file_io_open(slash ? folder : ".", O_RDONLY | O_DIRECTORY, 0) : -1;
    if (fd >= 0) {
        fsync(fd);
        promise__file_io_close(fd);
    }
    free(folder);
}

static promise_value_t run_replace(struct file_request *r) {
    struct replacement n = {.r = r, .fd = -1, .error = promise_void()};

    n.target = realpath(r->ask.path, NULL);
    if (!n.target && errno == ENOENT) n.target = strdup(r->ask.path);
    if (!n.target) return promise__file_failed(r, "replace", errno);
    open_beside(&n);
    if (n.fd >= 0) fill_in(&n);
    if (n.fd >= 0 && promise_is_void(n.error) && rename(n.path, n.target) < 0)
        n.error = promise_throw_errno_at(NULL, errno, "rename %s to %s", n.path, n.target);
    if (n.fd >= 0 && promise_is_void(n.error)) sync_folder(n.target);
    else if (n.fd >= 0) unlink(n.path);
    promise__free(n.path);
    free(n.target);
    return n.error;
}

static const struct file_action replace_action = {.name = "replace", .run = run_replace};

promise_t *promise_file_replace(promise_loop_t *loop, const char *path, promise_value_t data) {
    struct file_ask ask = {.action = &replace_action, .path = path};

    ask.data = promise__file_data(data, __func__);
    return promise__file_ask(loop, __func__, ask);
}
