/* A file that is open: what can be asked of it, one after the other. */
#include <promise/file.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "file_io.h"
#include "waiting.h"

struct handle {
    struct file_hold hold; /* the first field */
    int fd;                /* -1 once it is closed */
    bool seekable;
    char name[]; /* for messages */
};

struct promise_file {
    struct file_queue queue; /* the first field */
    uint64_t position;
    promise_value_t kept; /* what was read of what has no position, and was not wanted any more (K6); or void */
    size_t kept_from;     /* the first byte of it that was not given since */
    bool closing;         /* promise_file_close() was called */
};

static struct handle *handle_of(const struct file_request *r) { return (struct handle *)r->ask.on; }
static promise_file_t *file_of(const struct file_request *r) { return (promise_file_t *)r->queue; }

/* ---- handles: on any thread ---- */

static void handle_free(struct file_hold *hold) {
    struct handle *h = (struct handle *)hold;

    if (h->fd >= 0) promise__file_io_close(h->fd);
    promise__free(h);
}

/* Takes fd over; NULL when out of memory. */
static struct handle *handle_new(int fd, const char *name) {
    size_t size = strlen(name) + 1;
    struct handle *h = promise__malloc(sizeof *h + size);

    if (!h) {
        promise__file_io_close(fd);
        return NULL;
    }
    promise__file_hold_init(&h->hold, handle_free);
    h->fd = fd;
    h->seekable = lseek(fd, 0, SEEK_CUR) >= 0;
    memcpy(h->name, name, size);
    return h;
}

/* ---- the value ---- */

static void retain(void *object) { ((promise_file_t *)object)->queue.refs++; }
static void release(void *object) { promise_file_unref(object); }

const struct promise_type promise_type_file = {
    .size = sizeof(struct promise_type), .name = "file", .retain = retain, .release = release};

promise_value_t promise_file_value(promise_file_t *f) {
    if (promise_source_nomem_loop(f)) return promise__nomem();
    return f ? promise_object(&promise_type_file, f) : promise__bad_argument(__func__, "file is NULL");
}

promise_file_t *promise_as_file(promise_value_t v) { return promise__as_object_of(v, &promise_type_file, __func__); }

static promise_file_t *file_arg(const promise_file_t *f, const char *function) {
    if (!f) promise__stop("%s: the file is NULL", function);
    if (!f->queue.refs) promise__stop("%s: expected a file, got one that is gone", function);
    promise__check_thread(f->queue.loop, function);
    return (promise_file_t *)(uintptr_t)f;
}

promise_file_t *promise_file_ref(promise_file_t *f) {
    if (!promise_source_nomem_loop(f)) file_arg(f, __func__)->queue.refs++;
    return f;
}

void promise_file_unref(void *f) {
    if (f && !promise_source_nomem_loop(f)) promise__file_queue_unref(&file_arg(f, __func__)->queue);
}

static void destroy(struct file_queue *q) {
    promise_file_t *f = (promise_file_t *)q;

    promise__release(f->kept);
    promise__free(f);
}

/* ---- make ---- */

/* Takes over the handle, or, where there is none, the rejection why. */
static promise_file_t *file_new(promise_loop_t *loop, struct handle *h, promise_value_t why) {
    promise_file_t *f = promise__malloc(sizeof *f);

    if (!f) {
        if (h) promise__file_hold_unref(&h->hold);
        promise__release(why);
        return promise_source_nomem(loop);
    }
    memset(f, 0, sizeof *f);
    if (promise__file_queue_init(&f->queue, loop, h ? &h->hold : NULL, why, destroy) < 0)
        promise__file_queue_end(&f->queue, promise__canceled());
    return f;
}

promise_file_t *promise_file_new(promise_loop_t *loop, int fd) {
    struct handle *h;
    char name[32];

    loop = promise__event_loop_arg(loop, __func__);
    snprintf(name, sizeof name, "descriptor %d", fd);
    if (fcntl(fd, F_GETFD) < 0) return file_new(loop, NULL, promise_throw_errno_at(NULL, EBADF, "%s: %s", __func__, name));
    h = handle_new(fd, name);
    return h ? file_new(loop, h, promise_void()) : promise_source_nomem(loop);
}

static promise_value_t run_open(struct file_request *r) {
    int fd = promise__file_io_open(r->ask.path, r->ask.flags, r->ask.mode);
    struct handle *h;

    if (fd < 0) return promise__file_failed(r, "open", errno);
    h = handle_new(fd, r->ask.path);
    if (!h) return promise__nomem();
    r->ask.on = &h->hold;
    return promise__file_request_value(r); /* where nobody wants it, the file is closed with it */
}

static const struct file_action open_action = {.name = "open", .run = run_open};

static promise_value_t opened(promise_value_t v, void *loop) {
    struct file_request *r = promise__file_request_of(v);
    struct handle *h = handle_of(r);

    r->ask.on = NULL;
    return promise_file_value(file_new(loop, h, promise_void()));
}

promise_t *promise_file_open(promise_loop_t *loop, const char *path, int flags, unsigned mode) {
    struct file_ask ask = {.action = &open_action, .path = path, .flags = flags, .mode = mode};

    loop = promise__event_loop_arg(loop, __func__);
    return promise_then(promise__file_ask(loop, __func__, ask), opened, loop);
}

/* ---- use ---- */

/* The promise of it; where the file cannot be asked, why. */
static promise_t *ask_file(promise_file_t *f, const char *function, struct file_ask ask) {
    promise_loop_t *nomem = promise_source_nomem_loop(f);
    promise_value_t why = promise_void();

    if (nomem) why = promise__no_object(nomem);
    else if (file_arg(f, function)->queue.loop->dying) why = promise__canceled();
    else if (f->closing)
        why = promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "%s: the file is closed", function);
    if (promise_is_rejection(why)) {
        promise__release(ask.data);
        return promise__settled(nomem ? nomem : f->queue.loop, why);
    }
    return promise__file_queue_ask(&f->queue, ask);
}

static promise_value_t outcome(const struct file_request *r, int error) {
    if (!error) return promise_void();
    return promise_throw_errno_at(NULL, error, "%s %s", r->ask.action->name, handle_of(r)->name);
}

/* Bytes, or the end where there are none. */
static promise_value_t or_end(promise_value_t v) {
    size_t size;

    if (promise_is_rejection(v)) return v;
    promise_as_bytes(v, &size);
    if (size) return v;
    promise__release(v);
    return promise_end();
}

static promise_value_t run_read_at(struct file_request *r) {
    struct handle *h = handle_of(r);

    r->ask.path = h->name;
    return or_end(promise__file_io_read(r, h->fd, r->ask.offset, r->ask.size, NULL));
}

static promise_value_t run_write_at(struct file_request *r) {
    return outcome(r, promise__file_io_write(handle_of(r)->fd, r->ask.offset, r->ask.data));
}

static promise_value_t run_sync(struct file_request *r) { return outcome(r, fsync(handle_of(r)->fd) < 0 ? errno : 0); }
static promise_value_t run_datasync(struct file_request *r) { return outcome(r, fdatasync(handle_of(r)->fd) < 0 ? errno : 0); }
static promise_value_t run_truncate(struct file_request *r) {
    int status;

    do status = ftruncate(handle_of(r)->fd, (off_t)r->ask.offset);
    while (status < 0 && errno == EINTR);
    return outcome(r, status < 0 ? errno : 0);
}

static promise_value_t run_stat(struct file_request *r) {
    struct stat s;
    return fstat(handle_of(r)->fd, &s) < 0 ? outcome(r, errno) : promise__file_stat_value(&s);
}

static const struct file_action read_at = {.name = "read", .run = run_read_at, .shared = true};
static const struct file_action write_at = {.name = "write", .run = run_write_at};
static const struct file_action sync_all = {.name = "sync", .run = run_sync};
static const struct file_action sync_data = {.name = "sync", .run = run_datasync};
static const struct file_action cut_off = {.name = "truncate", .run = run_truncate};
static const struct file_action stat_it = {.name = "stat", .run = run_stat, .shared = true};

/* What off_t cannot hold is no offset. */
static promise_value_t refused(uint64_t offset, size_t size, const char *function) {
    if (!size) return promise__bad_argument(function, "size is 0");
    return offset > INT64_MAX ? promise__bad_argument(function, "offset is too large") : promise_void();
}

promise_t *promise_file_read_at(promise_file_t *f, uint64_t offset, size_t size) {
    struct file_ask ask = {.action = &read_at, .offset = offset, .size = size, .data = refused(offset, size, __func__)};
    return ask_file(f, __func__, ask);
}

promise_t *promise_file_write_at(promise_file_t *f, uint64_t offset, promise_value_t data) {
    struct file_ask ask = {.action = &write_at, .offset = offset, .data = promise__file_data(data, __func__)};

    if (offset > INT64_MAX) {
        promise__release(ask.data);
        ask.data = refused(offset, 1, __func__);
    }
    return ask_file(f, __func__, ask);
}

promise_t *promise_file_sync(promise_file_t *f) { return ask_file(f, __func__, (struct file_ask){.action = &sync_all}); }
promise_t *promise_file_datasync(promise_file_t *f) { return ask_file(f, __func__, (struct file_ask){.action = &sync_data}); }
promise_t *promise_file_fstat(promise_file_t *f) { return ask_file(f, __func__, (struct file_ask){.action = &stat_it}); }
promise_t *promise_file_truncate(promise_file_t *f, uint64_t size) {
    struct file_ask ask = {.action = &cut_off, .offset = size, .data = refused(size, 1, __func__)};
    return ask_file(f, __func__, ask);
}

/* ---- at the position ---- */

static bool begin_here(struct file_request *r) {
    struct handle *h = (struct handle *)r->queue->on;

    r->ask.offset = h && h->seekable ? file_of(r)->position : IO_NO_OFFSET;
    return false;
}

/* Bytes that nobody wanted any more, when they came, come first. */
static bool begin_read(struct file_request *r, promise_value_t *result) {
    promise_file_t *f = file_of(r);
    const char *bytes;
    size_t size;

    if (promise_is_void(f->kept) || !r->queue->on) return begin_here(r);
    bytes = promise_as_bytes(f->kept, &size);
    size -= f->kept_from;
    if (size > r->ask.size) size = r->ask.size;
    *result = promise_bytes(bytes + f->kept_from, size);
    if (promise_is_rejection(*result)) return true;
    f->kept_from += size;
    promise_as_bytes(f->kept, &size);
    if (f->kept_from < size) return true;
    promise__release(f->kept);
    f->kept = promise_void();
    f->kept_from = 0;
    return true;
}
static bool begin_write(struct file_request *r, promise_value_t *result) {
    (void)result;
    return begin_here(r);
}

static promise_value_t run_read_here(struct file_request *r) {
    struct handle *h = handle_of(r);

    r->ask.path = h->name;
    if (r->ask.offset != IO_NO_OFFSET) return run_read_at(r);
    return or_end(promise__file_io_read_some(r, h->fd, r->ask.size));
}

static promise_value_t done_reading(struct file_request *r, promise_value_t result) {
    promise_file_t *f = file_of(r);
    size_t size = 0;

    if (!promise_is(result, &promise_type_bytes)) return result;
    promise_as_bytes(result, &size);
    if (r->ask.offset != IO_NO_OFFSET) {
        if (r->resolver) f->position = r->ask.offset + size;
    } else if (!r->resolver) {
        promise__release(f->kept);
        f->kept = promise__copy(result);
    }
    return result;
}

static promise_value_t done_writing(struct file_request *r, promise_value_t result) {
    size_t size;

    if (promise_is_rejection(result) || !r->resolver || r->ask.offset == IO_NO_OFFSET) return result;
    promise_as_bytes(r->ask.data, &size);
    file_of(r)->position = r->ask.offset + size;
    return result;
}

static const struct file_action read_here = {.name = "read", .run = run_read_here, .begin = begin_read, .done = done_reading};
static const struct file_action write_here = {.name = "write", .run = run_write_at, .begin = begin_write, .done = done_writing};

promise_t *promise_file_read_next(promise_file_t *f, size_t size) {
    return ask_file(f, __func__, (struct file_ask){.action = &read_here, .size = size, .data = refused(0, size, __func__)});
}

promise_t *promise_file_write_next(promise_file_t *f, promise_value_t data) {
    return ask_file(f, __func__, (struct file_ask){.action = &write_here, .data = promise__file_data(data, __func__)});
}

static bool begin_seek(struct file_request *r, promise_value_t *result) {
    struct handle *h = (struct handle *)r->queue->on;

    if (!h) return false;
    if (!h->seekable) *result = promise_throw_errno_at(NULL, ESPIPE, "seek %s", h->name);
    else {
        file_of(r)->position = r->ask.offset;
        *result = promise_void();
    }
    return true;
}

static const struct file_action seek_to = {.name = "seek", .begin = begin_seek};

promise_t *promise_file_seek(promise_file_t *f, uint64_t offset) {
    struct file_ask ask = {.action = &seek_to, .offset = offset, .data = refused(offset, 1, __func__)};
    return ask_file(f, __func__, ask);
}

/* ---- close ---- */

static promise_value_t run_close(struct file_request *r) {
    struct handle *h = handle_of(r);
    int fd = h->fd;

    h->fd = -1;
    return outcome(r, promise__file_io_close(fd));
}

/* The outcome is what a second close gets. A thread that could not come leaves it to the handle's end. */
static promise_value_t done_closing(struct file_request *r, promise_value_t result) {
    promise__file_queue_end(r->queue, promise__copy(result));
    return result;
}

static const struct file_action close_it = {.name = "close", .run = run_close, .always = true, .done = done_closing};

promise_t *promise_file_close(promise_file_t *f) {
    promise_loop_t *nomem = promise_source_nomem_loop(f);
    promise_t *p;

    if (nomem) return promise__settled(nomem, promise__no_object(nomem));
    file_arg(f, __func__)->closing = true;
    p = promise__file_queue_ask(&f->queue, (struct file_ask){.action = &close_it});
    if (f->queue.on && promise_get_state(p) == PROMISE_REJECTED) /* it could not be asked for */
        promise__file_queue_end(&f->queue, promise__copy(promise__mark(promise_peek(p), 0)));
    return p;
}

/* ---- query ---- */

const char *promise__file_name(const promise_file_t *f) {
    return f->queue.on ? ((struct handle *)f->queue.on)->name : "a file";
}

int promise_file_fd(const promise_file_t *f) {
    if (promise_source_nomem_loop(f) || file_arg(f, __func__)->closing || !f->queue.on) return -1;
    return ((struct handle *)f->queue.on)->fd;
}

promise_loop_t *promise_file_loop(const promise_file_t *f) {
    promise_loop_t *loop = promise_source_nomem_loop(f);
    return loop ? loop : file_arg(f, __func__)->queue.loop;
}
