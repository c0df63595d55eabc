/* Directories: their entries, batch by batch, and all at once. */
#include <promise/directory.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "directory.h"
#include "waiting.h"

/* ---- entries ---- */

struct entry {
    enum promise_file_type type;
    size_t depth;
    const char *name; /* in path */
    promise_value_t error;
    char path[];
};

static void entry_free(void *object) { promise__release(((struct entry *)object)->error); }

static size_t entry_print(const void *object, char *buffer, size_t size) {
    return (size_t)snprintf(buffer, size, "%s", ((const struct entry *)object)->path);
}

const struct promise_type promise_type_dirent = {
    .size = sizeof(struct promise_type), .name = "dirent", .free = entry_free, .print = entry_print};

static const struct entry *entry_of(promise_value_t v, const char *function) {
    return promise__as_object_of(v, &promise_type_dirent, function);
}

const char *promise_dirent_name(promise_value_t v) { return entry_of(v, __func__)->name; }
const char *promise_dirent_path(promise_value_t v) { return entry_of(v, __func__)->path; }
enum promise_file_type promise_dirent_type(promise_value_t v) { return entry_of(v, __func__)->type; }
size_t promise_dirent_depth(promise_value_t v) { return entry_of(v, __func__)->depth; }
promise_value_t promise_dirent_error(promise_value_t v) { return promise__mark(entry_of(v, __func__)->error, MARK_LENT); }

void promise__dirent_fail(promise_value_t v, promise_value_t error) {
    struct entry *e = promise__object(v);

    promise__release(e->error);
    e->error = error;
}

/* ---- reading: on the thread ---- */

static enum promise_file_type of_mode(mode_t mode) {
    if (S_ISREG(mode)) return PROMISE_FILE_REGULAR;
    if (S_ISDIR(mode)) return PROMISE_FILE_DIRECTORY;
    if (S_ISLNK(mode)) return PROMISE_FILE_LINK;
    if (S_ISFIFO(mode)) return PROMISE_FILE_FIFO;
    return S_ISSOCK(mode) ? PROMISE_FILE_SOCKET : PROMISE_FILE_DEVICE;
}

/* Not every file system tells the type with the name. */
static enum promise_file_type type_of(DIR *dir, const struct dirent *d) {
    struct stat s;

#ifdef DT_UNKNOWN
    if (d->d_type != DT_UNKNOWN) return of_mode((mode_t)DTTOIF(d->d_type));
#endif
    return fstatat(dirfd(dir), d->d_name, &s, AT_SYMLINK_NOFOLLOW) < 0 ? PROMISE_FILE_UNKNOWN : of_mode(s.st_mode);
}

static promise_value_t entry_new(const char *folder, DIR *dir, const struct dirent *d, size_t depth) {
    size_t front = strlen(folder), size = strlen(d->d_name) + 1;
    bool slash = front && folder[front - 1] != '/';
    promise_value_t v;
    struct entry *e = promise__cell_new(&promise_type_dirent, sizeof *e + front + slash + size, &v);

    if (!e) return v;
    *e = (struct entry){.type = type_of(dir, d), .depth = depth, .name = e->path + front + slash};
    memcpy(e->path, folder, front);
    if (slash) e->path[front] = '/';
    memcpy(e->path + front + slash, d->d_name, size);
    return v;
}

DIR *promise__directory_open(const char *path, bool follow) {
    int fd = promise__file_io_open(path, O_RDONLY | O_DIRECTORY | (follow ? 0 : O_NOFOLLOW), 0);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (fd >= 0 && !dir) {
        int error = errno;
        promise__file_io_close(fd);
        errno = error;
    }
    return dir;
}

static bool is_dots(const char *name) { return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])); }

promise_value_t promise__directory_read(DIR *dir, const char *path, size_t depth, size_t most) {
    promise_value_t list = promise__list_of(0);
    struct dirent *d = NULL;

    while (!promise_is_rejection(list) && promise_list_size(list) < most && (errno = 0, d = readdir(dir))) {
        promise_value_t entry = is_dots(d->d_name) ? promise_void() : entry_new(path, dir, d, depth);
        if (promise_is_void(entry)) continue;
        if (!promise_is_rejection(entry) && promise__list_add(promise__object(list), entry) == 0) continue;
        promise__release(list);
        return promise__nomem();
    }
    if (d || !errno || promise_is_rejection(list)) return list;
    promise__release(list);
    return promise_throw_errno_at(NULL, errno, "read %s", path);
}

static int by_name(const void *a, const void *b) {
    return strcmp(promise_dirent_name(*(const promise_value_t *)a), promise_dirent_name(*(const promise_value_t *)b));
}

promise_value_t promise__directory_sorted(const char *path, bool follow, size_t depth) {
    DIR *dir = promise__directory_open(path, follow);
    promise_value_t list;

    if (!dir) return promise_throw_errno_at(NULL, errno, "open %s", path);
    list = promise__directory_read(dir, path, depth, SIZE_MAX);
    closedir(dir);
    if (!promise_is_rejection(list) && promise_list_size(list)) {
        struct list *l = promise__object(list);
        qsort(l->items, l->size, sizeof *l->items, by_name);
    }
    return list;
}

/* ---- all at once ---- */

static promise_value_t run_list(struct file_request *r) { return promise__directory_sorted(r->ask.path, true, 0); }

static const struct file_action list_action = {.name = "list", .run = run_list};

promise_t *promise_directory_list(promise_loop_t *loop, const char *path) {
    return promise__file_ask(loop, __func__, (struct file_ask){.action = &list_action, .path = path});
}

/* ---- batch by batch: on the loop's thread ---- */

struct reader {
    struct file_queue queue; /* the first field */
    const struct file_action *more;
    promise_value_t batch; /* a list, or void */
    size_t index;          /* of the next one in it */
    bool ended;            /* there is nothing behind the batch */
};

static void reader_destroy(struct file_queue *q) {
    promise__release(((struct reader *)q)->batch);
    promise__free(q);
}
static void reader_unref(void *object) { promise__file_queue_unref(&((struct reader *)object)->queue); }

static bool has_entries(const struct reader *r) {
    return promise_is(r->batch, &promise_type_list) && r->index < promise_list_size(r->batch);
}

bool promise__reader_begin(struct file_request *request, promise_value_t *result) {
    const struct reader *r = (struct reader *)request->queue;

    *result = promise_void();
    return has_entries(r) || r->ended; /* what another call had asked for, that was cancelled, has come (K6) */
}

promise_value_t promise__reader_done(struct file_request *request, promise_value_t result) {
    struct reader *r = (struct reader *)request->queue;

    if (!promise_is(result, &promise_type_list)) return result;
    promise__release(r->batch);
    r->batch = result;
    r->index = 0;
    r->ended = !promise_list_size(result);
    return promise_void();
}

static promise_value_t take_entry(promise_value_t v, void *arg) {
    struct reader *r = arg;

    (void)v;
    return has_entries(r) ? promise_list_get(r->batch, r->index++) : promise_end();
}

static promise_value_t next_entry(promise_value_t v, void *arg) {
    struct reader *r = arg;

    if (has_entries(r) || r->ended) return take_entry(v, r);
    return promise_adopt(promise_then(promise__file_queue_ask(&r->queue, (struct file_ask){.action = r->more}), take_entry, r));
}

promise_iterator_t *promise__reader_new(promise_loop_t *loop, struct file_hold *on, const struct file_action *more) {
    struct reader *r = on ? promise__malloc(sizeof *r) : NULL;

    if (!r) {
        promise__file_hold_unref(on);
        return promise_list_items(loop, promise__nomem());
    }
    memset(r, 0, sizeof *r);
    if (promise__file_queue_init(&r->queue, loop, on, promise_void(), reader_destroy) < 0)
        promise__file_queue_end(&r->queue, promise__canceled());
    r->more = more;
    return promise_iterator_attach(promise_pull(loop, next_entry, r), r, reader_unref);
}

/* ---- the entries of one ---- */

enum { BATCH = 256 };

struct listing {
    struct file_hold hold; /* the first field */
    DIR *dir;              /* NULL before it is opened */
    char path[];
};

static void listing_free(struct file_hold *hold) {
    struct listing *l = (struct listing *)hold;

    if (l->dir) closedir(l->dir);
    promise__free(l);
}

static promise_value_t run_more(struct file_request *r) {
    struct listing *l = (struct listing *)r->ask.on;

    if (!l->dir && !(l->dir = promise__directory_open(l->path, true)))
        return promise_throw_errno_at(NULL, errno, "open %s", l->path);
    return promise__directory_read(l->dir, l->path, 0, BATCH);
}

static const struct file_action more_entries = {
    .name = "read", .run = run_more, .begin = promise__reader_begin, .done = promise__reader_done};

promise_iterator_t *promise_directory_entries(promise_loop_t *loop, const char *path) {
    struct listing *l;
    size_t size;

    loop = promise__event_loop_arg(loop, __func__);
    if (!path) return promise_list_items(loop, promise__bad_argument(__func__, "path is NULL"));
    size = strlen(path) + 1;
    l = promise__malloc(sizeof *l + size);
    if (l) {
        promise__file_hold_init(&l->hold, listing_free);
        l->dir = NULL;
        memcpy(l->path, path, size);
    }
    return promise__reader_new(loop, l ? &l->hold : NULL, &more_entries);
}
