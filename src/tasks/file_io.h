/* System calls on files as threads make them: with EINTR, short counts, and errors that name what they are about. */
#ifndef PROMISE_SRC_FILE_IO_H
#define PROMISE_SRC_FILE_IO_H

#include "file_request.h"

#define IO_NO_OFFSET UINT64_MAX /* read(2) and write(2), where the descriptor is */

/* The descriptor, or -1 with errno. It is closed on exec. */
int promise__file_io_open(const char *path, int flags, unsigned mode);
/* 0, or what close(2) has to tell; EINTR is nothing: the descriptor is closed. */
int promise__file_io_close(int fd);
/* All of data, which may be void. 0 or an errno. */
int promise__file_io_write(int fd, uint64_t offset, promise_value_t data);
/* Bytes from offset to the end, at most limit; *more, where it is not NULL: whether there are others behind them. errno's
 * rejection otherwise, naming r's path. */
promise_value_t promise__file_io_read(const struct file_request *r, int fd, uint64_t offset, size_t limit, bool *more);
/* What one read(2) gives, at most limit bytes, or the end. */
promise_value_t promise__file_io_read_some(const struct file_request *r, int fd, size_t limit);

#endif
