/*
 * Directories: what is in them, one after the other, sorted, or with all that is below.
 *
 *     static promise_value_t visit(promise_value_t entry, void *arg) {
 *         if (promise_dirent_type(entry) == PROMISE_FILE_REGULAR) puts(promise_dirent_path(entry));
 *         return promise_void();
 *     }
 *     promise_t *p = promise_each(promise_directory_walk(loop, "/srv/data"), 8, visit, NULL);
 *
 * They are read on the threads that files have (<promise/file.h>), by many entries at a time, ahead of what is asked for.
 * "." and ".." are left out. Paths begin with that of the directory, as it was given. Links are not followed.
 */
#ifndef PROMISE_DIRECTORY_H
#define PROMISE_DIRECTORY_H

#include <promise/iterator.h>
#include <promise/promise.h>

PROMISE_BEGIN

PROMISE_API extern const struct promise_type promise_type_dirent;

/* ---- read: what cannot be opened rejects ---- */

/* The entries as the directory has them, one by one: memory does not grow with their number. Those that come or go meanwhile
 * may be among them or not. */
PROMISE_API PROMISE_MUST_USE promise_iterator_t *promise_directory_entries(promise_loop_t *loop, const char *path);
/* All of them as a list, in the order of their names' bytes. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_directory_list(promise_loop_t *loop, const char *path);
/* All that is below path, in the order of the names' bytes, a directory before what is in it. path itself is not given.
 * A directory below that cannot be read does not end the walk: its entry says why (promise_dirent_error()), and nothing of
 * what is in it comes. One that is gone by its turn is left out. */
PROMISE_API PROMISE_MUST_USE promise_iterator_t *promise_directory_walk(promise_loop_t *loop, const char *path);

/* ---- an entry, as a value of promise_type_dirent; what is given lives as long as it does ---- */

enum promise_file_type {
    PROMISE_FILE_UNKNOWN, /* gone before it could be asked */
    PROMISE_FILE_REGULAR,
    PROMISE_FILE_DIRECTORY,
    PROMISE_FILE_LINK, /* a symbolic one, wherever it leads */
    PROMISE_FILE_FIFO,
    PROMISE_FILE_SOCKET,
    PROMISE_FILE_DEVICE
};

PROMISE_API const char *promise_dirent_name(promise_value_t entry);
/* That of its directory, "/" and its name. */
PROMISE_API const char *promise_dirent_path(promise_value_t entry);
PROMISE_API enum promise_file_type promise_dirent_type(promise_value_t entry);
/* In a walk: 0 for what is in path itself, 1 for what is one directory below. */
PROMISE_API size_t promise_dirent_depth(promise_value_t entry);
/* In a walk, why the directory could not be read, a rejection, lent; else void. */
PROMISE_API promise_value_t promise_dirent_error(promise_value_t entry);

/* ---- make and remove: void ---- */

/* One directory. mode less the umask. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_directory_make(promise_loop_t *loop, const char *path, unsigned mode);
/* With those above it that are not there; fine when it is there already. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_directory_make_all(promise_loop_t *loop, const char *path, unsigned mode);
/* An empty one. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_directory_remove(promise_loop_t *loop, const char *path);

PROMISE_END

#endif
