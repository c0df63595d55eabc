/* Reading directories, as directory.c and directory_walk.c share it. */
#ifndef PROMISE_SRC_DIRECTORY_H
#define PROMISE_SRC_DIRECTORY_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include <promise/directory.h>

#include "file_io.h"

/* ---- on a thread ---- */

/* NULL with errno. follow: also where path is a link. */
DIR *promise__directory_open(const char *path, bool follow);
/* A list of the next entries, at most so many; empty at the end. Or a rejection. */
promise_value_t promise__directory_read(DIR *dir, const char *path, size_t depth, size_t most);
/* A list of all of them, in the order of their names. */
promise_value_t promise__directory_sorted(const char *path, bool follow, size_t depth);
/* Puts error, which is taken over, into an entry that nobody else has. */
void promise__dirent_fail(promise_value_t entry, promise_value_t error);

/* ---- an iterator of what comes in lists, of which an empty one is the last ---- */

/* Takes the hold over; NULL is out of memory. more runs on it, and has these two as its begin and done. */
promise_iterator_t *promise__reader_new(promise_loop_t *loop, struct file_hold *on, const struct file_action *more);
bool promise__reader_begin(struct file_request *r, promise_value_t *result);
promise_value_t promise__reader_done(struct file_request *r, promise_value_t result);

#endif
