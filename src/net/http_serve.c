/*
 * Files below a folder.
 *
 * The path is walked step by step, from one open folder to the next, and no step may be a symbolic link or "..": so nobody
 * can leave, also while somebody else moves things around.
 */
#include "http_connection.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <promise/memory.h>

#include "http_condition.h"
#include "http_mime.h"

enum { SMALL = 16 << 10 }; /* files up to that go out in one write with their head */

#ifndef O_PATH
#define O_PATH O_RDONLY
#endif

/* ---- a file as a response's body ---- */

static void file_free(void *context) {
    struct http_file *file = context;

    if (file->fd >= 0) close(file->fd);
    promise_memory_free(file);
}

struct http_file *promise__http_message_file(const struct http_message *m) {
    return m->context_free == file_free ? m->context : NULL;
}

/* Takes fd over. */
static promise_value_t file_response(int status, int fd, uint64_t offset, uint64_t size) {
    promise_value_t response = promise_http_response(status, promise_void());
    struct http_file *file = promise_is_rejection(response) ? NULL : promise_memory_alloc(sizeof *file);
    struct http_message *m;

    if (!file) {
        close(fd);
        promise_value_clear(&response);
        return promise_out_of_memory();
    }
    *file = (struct http_file){fd, offset, size};
    m = promise__http_message_of(response);
    m->context = file;
    m->context_free = file_free;
    return response;
}

/* The same with the bytes in it. A file that has become shorter meanwhile is what it is now. */
static promise_value_t small_response(int status, int fd, uint64_t offset, size_t size) {
    char *data = malloc(size + 1);
    ssize_t n = data ? pread(fd, data, size, (off_t)offset) : -1;
    int error = data ? errno : ENOMEM;

    close(fd);
    if (n >= 0) return promise_http_response(status, promise_bytes_take(data, (size_t)n));
    free(data);
    return promise_throw_errno(error, "read");
}

/* ---- the walk ---- */

/* The length of the first step of *path, which then begins there. 0: there is none. */
static size_t next_step(const char **path) {
    for (;;) {
        size_t size;
        *path += strspn(*path, "/");
        size = strcspn(*path, "/");
        if (size != 1 || **path != '.') return size;
        *path += size;
    }
}

static int open_step(int folder, const char *step, size_t size, int flags) {
    char name[NAME_MAX + 1];

    if (size > NAME_MAX) errno = ENAMETOOLONG;
    else if (size == 2 && memcmp(step, "..", 2) == 0) errno = ENOENT;
    else {
        memcpy(name, step, size);
        name[size] = '\0';
        return openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC);
    }
    return -1;
}

/* A descriptor of what path names below folder, which is taken over; -1 with errno. O_NONBLOCK: nobody waits for a FIFO. */
static int open_below(int folder, const char *path) {
    size_t size = next_step(&path);

    while (folder >= 0 && size) {
        const char *step = path;
        size_t step_size = size;
        int next, error;
        path += size;
        size = next_step(&path);
        next = open_step(folder, step, step_size, size ? O_PATH | O_DIRECTORY : O_RDONLY | O_NONBLOCK | O_NOCTTY);
        error = errno;
        close(folder);
        errno = error;
        folder = next;
    }
    return folder;
}

static bool ends_in_slash(const char *path) { return *path && path[strlen(path) - 1] == '/'; }

/* The file for the path, or -1 with errno; EISDIR: a folder, asked for without a slash at the end. */
static int open_file(const char *folder, const char *path, struct stat *st) {
    int fd = open_below(open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC), path), error = 0;

    if (fd < 0 || fstat(fd, st) < 0) error = errno;
    else if (S_ISDIR(st->st_mode) && !ends_in_slash(path)) error = EISDIR;
    else if (S_ISDIR(st->st_mode)) {
        fd = open_below(fd, "index.html");
        if (fd < 0 || fstat(fd, st) < 0) error = errno;
    } else if (ends_in_slash(path)) error = ENOTDIR;
    if (!error && !S_ISREG(st->st_mode)) error = EACCES;
    if (!error) return fd;
    if (fd >= 0) close(fd);
    errno = error;
    return -1;
}

/* ---- what is not a file ---- */

static promise_value_t no_file(int error, const char *path) {
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP: /* a symbolic link */
    case ENAMETOOLONG: return promise_throw(&promise_http_errors, 404, "%s", path);
    case EACCES:
    case EPERM:
    case ENXIO: return promise_throw(&promise_http_errors, 403, "%s", path);
    default: return promise_throw_errno(error, "open %s", path);
    }
}

static promise_value_t with_header(promise_value_t response, const char *name, const char *value) {
    if (promise_is_rejection(response) || promise_http_add_header(response, name, value) == 0) return response;
    promise_value_clear(&response);
    return promise_out_of_memory();
}

static bool is_plain(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c && strchr("-._~!$&'()*+,;=:@/", c));
}

/* To the same path with a slash at the end; never to another host, as a "//" in front would be. */
static promise_value_t redirect(promise_value_t request) {
    const char *path = promise_http_path(request), *query = promise_http_query(request);
    size_t most = 3 * strlen(path) + (query ? strlen(query) : 0) + 4;
    char *location = promise_memory_alloc(most), *to = location;
    promise_value_t response;

    if (!location) return promise_out_of_memory();
    *to++ = '/';
    for (path += strspn(path, "/"); *path; path++) {
        if (is_plain(*path)) *to++ = *path;
        else to += sprintf(to, "%%%02X", (unsigned)(unsigned char)*path);
    }
    snprintf(to, most - (size_t)(to - location), "/%s%s", query ? "?" : "", query ? query : "");
    response = with_header(promise_http_response(301, promise_void()), "Location", location);
    promise_memory_free(location);
    return response;
}

/* ---- the response ---- */

static promise_value_t respond(promise_value_t request, int fd, const struct http_wanted *wanted) {
    if (wanted->status == 200 || wanted->status == 206) {
        if (wanted->size > SMALL || strcmp(promise_http_method(request), "HEAD") == 0)
            return file_response(wanted->status, fd, wanted->offset, wanted->size);
        return small_response(wanted->status, fd, wanted->offset, (size_t)wanted->size);
    }
    close(fd);
    return promise_http_response(wanted->status, promise_void());
}

static promise_value_t with_range(promise_value_t response, const struct http_wanted *wanted, uint64_t size) {
    unsigned long long all = size, first = wanted->offset, last = first + wanted->size - 1;
    char text[80];

    if (wanted->status == 206) snprintf(text, sizeof text, "bytes %llu-%llu/%llu", first, last, all);
    else if (wanted->status == 416) snprintf(text, sizeof text, "bytes */%llu", all);
    else return response;
    return with_header(response, "Content-Range", text);
}

static promise_value_t serve(promise_value_t request, int fd, const struct stat *st) {
    struct timespec modified = st->st_mtim;
    char etag[48], date[HTTP_DATE_SIZE];
    struct http_entity entity = {etag, modified.tv_sec, (uint64_t)st->st_size};
    struct http_wanted wanted;
    promise_value_t response;

    snprintf(etag, sizeof etag, "\"%llx.%lx-%llx\"", (unsigned long long)modified.tv_sec, (unsigned long)modified.tv_nsec,
             (unsigned long long)st->st_size);
    promise__http_date(date, modified.tv_sec);
    wanted = promise__http_wanted(request, &entity);
    response = respond(request, fd, &wanted);
    if (wanted.status < 300) response = with_header(response, "Accept-Ranges", "bytes");
    if (wanted.status < 400) response = with_header(with_header(response, "ETag", etag), "Last-Modified", date);
    return with_range(response, &wanted, entity.size);
}

promise_value_t promise_http_serve_file(promise_value_t request, const char *folder) {
    const char *path = promise_http_path(request), *method = promise_http_method(request);
    promise_value_t response;
    struct stat st;
    int fd;

    if (!folder || !method)
        return promise_throw_errno(EINVAL, "promise_http_serve_file: %s", folder ? "no request" : "folder is NULL");
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return with_header(promise_http_response(405, promise_void()), "Allow", "GET, HEAD");
    fd = open_file(folder, path, &st);
    if (fd < 0) return errno == EISDIR ? redirect(request) : no_file(errno, path);
    response = serve(request, fd, &st);
    if (promise_is_rejection(response) || promise_http_status(response) >= 300) return response;
    return with_header(response, "Content-Type", promise__http_mime(ends_in_slash(path) ? ".html" : path));
}
