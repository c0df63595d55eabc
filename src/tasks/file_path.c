/* What is done by path: one function for each, that blocks, and a table's line. */
#include <promise/directory.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "file_request.h"

/* ---- what stat gives ---- */

static void nothing(void *object) { (void)object; }

const struct promise_type promise_type_stat = {.size = sizeof(struct promise_type), .name = "stat", .free = nothing};

const struct promise_stat *promise_as_stat(promise_value_t v) { return promise__as_object_of(v, &promise_type_stat, __func__); }
static unsigned mode_of(promise_value_t v, const char *function) {
    return ((const struct promise_stat *)promise__as_object_of(v, &promise_type_stat, function))->mode;
}
bool promise_stat_is_file(promise_value_t v) { return S_ISREG(mode_of(v, __func__)); }
bool promise_stat_is_directory(promise_value_t v) { return S_ISDIR(mode_of(v, __func__)); }
bool promise_stat_is_link(promise_value_t v) { return S_ISLNK(mode_of(v, __func__)); }

static int64_t in_ns(struct timespec t) { return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec; }

promise_value_t promise__file_stat_value(const struct stat *s) {
    promise_value_t v;
    struct promise_stat *known = promise__cell_new(&promise_type_stat, sizeof *known, &v);

    if (!known) return v;
    *known = (struct promise_stat){
        .size = (uint64_t)s->st_size,
        .mode = s->st_mode,
        .uid = s->st_uid,
        .gid = s->st_gid,
        .links = s->st_nlink,
        .blocks = (uint64_t)s->st_blocks,
        .device = s->st_dev,
        .inode = s->st_ino,
        .atime_ns = in_ns(s->st_atim),
        .mtime_ns = in_ns(s->st_mtim),
        .ctime_ns = in_ns(s->st_ctim),
    };
    return v;
}

/* ---- on the thread ---- */

static promise_value_t outcome(struct file_request *r, int status) {
    return status < 0 ? promise__file_failed(r, r->ask.action->name, errno) : promise_void();
}

static promise_value_t run_stat(struct file_request *r) {
    struct stat s;
    return stat(r->ask.path, &s) < 0 ? outcome(r, -1) : promise__file_stat_value(&s);
}
static promise_value_t run_lstat(struct file_request *r) {
    struct stat s;
    return lstat(r->ask.path, &s) < 0 ? outcome(r, -1) : promise__file_stat_value(&s);
}
static promise_value_t run_access(struct file_request *r) { return outcome(r, access(r->ask.path, r->ask.flags)); }
static promise_value_t run_rename(struct file_request *r) { return outcome(r, rename(r->ask.path, r->ask.other)); }
static promise_value_t run_unlink(struct file_request *r) { return outcome(r, unlink(r->ask.path)); }
static promise_value_t run_link(struct file_request *r) { return outcome(r, link(r->ask.path, r->ask.other)); }
static promise_value_t run_symlink(struct file_request *r) { return outcome(r, symlink(r->ask.path, r->ask.other)); }
static promise_value_t run_chmod(struct file_request *r) { return outcome(r, chmod(r->ask.path, (mode_t)r->ask.mode)); }
static promise_value_t run_mkdir(struct file_request *r) { return outcome(r, mkdir(r->ask.path, (mode_t)r->ask.mode)); }
static promise_value_t run_rmdir(struct file_request *r) { return outcome(r, rmdir(r->ask.path)); }

static promise_value_t run_readlink(struct file_request *r) {
    char target[PATH_MAX];
    ssize_t size = readlink(r->ask.path, target, sizeof target - 1);

    if (size < 0) return outcome(r, -1);
    target[size] = 0;
    return promise_string(target);
}

static promise_value_t run_realpath(struct file_request *r) {
    char *path = realpath(r->ask.path, NULL);
    return path ? promise_string_take(path) : outcome(r, -1);
}

static struct timespec at_ns(int64_t ns) {
    struct timespec t = {.tv_nsec = UTIME_OMIT};

    if (ns == INT64_MIN) return t;
    t.tv_sec = ns / 1000000000;
    t.tv_nsec = ns % 1000000000;
    if (t.tv_nsec < 0) t.tv_sec--, t.tv_nsec += 1000000000; /* before 1970 */
    return t;
}

static promise_value_t run_utime(struct file_request *r) {
    struct timespec times[2] = {at_ns(r->ask.atime_ns), at_ns(r->ask.mtime_ns)};
    return outcome(r, utimensat(AT_FDCWD, r->ask.path, times, 0));
}

/* 0 when it is a directory now: somebody else may make it at the same time. */
static int make(const char *path, unsigned mode) {
    struct stat s;
    int error;

    if (mkdir(path, (mode_t)mode) == 0) return 0;
    error = errno;
    if (stat(path, &s) == 0 && S_ISDIR(s.st_mode)) return 0;
    errno = error;
    return -1;
}

static promise_value_t run_mkdir_all(struct file_request *r) {
    char *path = (char *)(uintptr_t)r->ask.path; /* ours: it is in the request */
    size_t size = strlen(path);

    while (size > 1 && path[size - 1] == '/') path[--size] = 0;
    for (char *slash = path + strspn(path, "/"); (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        if (make(path, 0777) < 0) return outcome(r, -1); /* naming that one */
        *slash = '/';
    }
    return outcome(r, make(path, r->ask.mode));
}

/* ---- the table ---- */

enum action { ACCESS, CHMOD, LINK, LSTAT, MKDIR, MKDIR_ALL, READLINK, REALPATH, RENAME, RMDIR, STAT, SYMLINK, UNLINK, UTIME };

static const struct file_action actions[] = {
    [ACCESS] = {.name = "access", .run = run_access},
    [CHMOD] = {.name = "chmod", .run = run_chmod},
    [LINK] = {.name = "link", .run = run_link, .two = {"target", "path"}},
    [LSTAT] = {.name = "lstat", .run = run_lstat},
    [MKDIR] = {.name = "mkdir", .run = run_mkdir},
    [MKDIR_ALL] = {.name = "mkdir", .run = run_mkdir_all},
    [READLINK] = {.name = "readlink", .run = run_readlink},
    [REALPATH] = {.name = "realpath", .run = run_realpath},
    [RENAME] = {.name = "rename", .run = run_rename, .two = {"from", "to"}},
    [RMDIR] = {.name = "rmdir", .run = run_rmdir},
    [STAT] = {.name = "stat", .run = run_stat},
    [SYMLINK] = {.name = "symlink", .run = run_symlink, .two = {"target", "path"}},
    [UNLINK] = {.name = "unlink", .run = run_unlink},
    [UTIME] = {.name = "utime", .run = run_utime},
};

#define ASK(which, ...) promise__file_ask(loop, __func__, (struct file_ask){.action = &actions[which], __VA_ARGS__})

promise_t *promise_file_stat(promise_loop_t *loop, const char *path) { return ASK(STAT, .path = path); }
promise_t *promise_file_lstat(promise_loop_t *loop, const char *path) { return ASK(LSTAT, .path = path); }
promise_t *promise_file_access(promise_loop_t *loop, const char *path, int mode) {
    return ASK(ACCESS, .path = path, .flags = mode);
}
promise_t *promise_file_rename(promise_loop_t *loop, const char *from, const char *to) {
    return ASK(RENAME, .path = from, .other = to);
}
promise_t *promise_file_unlink(promise_loop_t *loop, const char *path) { return ASK(UNLINK, .path = path); }
promise_t *promise_file_link(promise_loop_t *loop, const char *target, const char *path) {
    return ASK(LINK, .path = target, .other = path);
}
promise_t *promise_file_symlink(promise_loop_t *loop, const char *target, const char *path) {
    return ASK(SYMLINK, .path = target, .other = path);
}
promise_t *promise_file_readlink(promise_loop_t *loop, const char *path) { return ASK(READLINK, .path = path); }
promise_t *promise_file_realpath(promise_loop_t *loop, const char *path) { return ASK(REALPATH, .path = path); }
promise_t *promise_file_chmod(promise_loop_t *loop, const char *path, unsigned mode) {
    return ASK(CHMOD, .path = path, .mode = mode);
}
promise_t *promise_file_utime(promise_loop_t *loop, const char *path, int64_t atime_ns, int64_t mtime_ns) {
    return ASK(UTIME, .path = path, .atime_ns = atime_ns, .mtime_ns = mtime_ns);
}

promise_t *promise_directory_make(promise_loop_t *loop, const char *path, unsigned mode) {
    return ASK(MKDIR, .path = path, .mode = mode);
}
promise_t *promise_directory_make_all(promise_loop_t *loop, const char *path, unsigned mode) {
    return ASK(MKDIR_ALL, .path = path, .mode = mode);
}
promise_t *promise_directory_remove(promise_loop_t *loop, const char *path) { return ASK(RMDIR, .path = path); }
