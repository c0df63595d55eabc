/*
 * Files: whole ones in one call, by path, and open ones that are read and written at any place.
 *
 *     promise_t *p = promise_file_read(loop, "settings");
 *     p = promise_then(p, change, NULL);                      // gets the bytes, gives others
 *     p = promise_then(p, save, NULL);                        // promise_adopt(promise_file_replace(NULL, "settings", v))
 *
 * A file on a disk is always ready, and blocks all the same: so each call here is done on a thread, of a pool that is for
 * files alone, and slow disks keep neither the loop nor other work waiting. A FIFO, a terminal or a device may block such a
 * thread for as long as it likes: streams are for those, or O_NONBLOCK.
 *
 * Paths are copied; so is what is written, unless it is fresh: then it is moved. Descriptors are closed on exec. What
 * fails rejects in the errno domain, naming the call and the path: "open /x/y: No such file or directory". A path that is
 * NULL is an EINVAL rejection; a file that is NULL stops the program. Cancelling: what has not begun is not done; what has begun
 * is done to its end, but nobody hears of it, and what it opened is closed.
 */
#ifndef PROMISE_FILE_H
#define PROMISE_FILE_H

#include <promise/iterator.h>
#include <promise/promise.h>

PROMISE_BEGIN

typedef struct promise_file promise_file_t;
PROMISE_API extern const struct promise_type promise_type_file;
PROMISE_API extern const struct promise_type promise_type_stat;

/* ---- whole files ---- */

/* All its bytes, perhaps none, also of one that says it has none (/proc), or that grows meanwhile. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_read(promise_loop_t *loop, const char *path);
/* The same, but a file of more than max bytes rejects with EFBIG. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_read_max(promise_loop_t *loop, const char *path, size_t max);
/* Makes the file, or empties the one that is there, and writes a string or bytes. Void. A failure in the middle leaves what
 * was written. Another type of value is an EINVAL rejection. A new file gets the mode 0666 less the umask. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_write(promise_loop_t *loop, const char *path, promise_value_t data);
/* The same, behind what is there. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_append(promise_loop_t *loop, const char *path, promise_value_t data);
/* The same, but all at once: others see the old file or the new one, whatever happens in between, a crash of the system
 * included: it writes a file beside it, has it on the disk (fsync), and renames it. The mode is that of the old file; a link
 * is followed to the file that it leads to. On failure the old file stays, and nothing beside it. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_replace(promise_loop_t *loop, const char *path, promise_value_t data);

/* ---- open ---- */

/* A file, as a value. flags and mode are those of open(2). When the last reference goes it is closed; its loop's end closes
 * it too. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_open(promise_loop_t *loop, const char *path, int flags, unsigned mode);
/* Of a descriptor that is open, which is taken over, also when out of memory. Never NULL: what is not open, or for which there
 * is no memory, is a file whose operations reject with the reason. */
PROMISE_API PROMISE_MUST_USE promise_file_t *promise_file_new(promise_loop_t *loop, int fd);

/* The value takes one reference to the file over; as_file lends it. NULL is an EINVAL rejection. */
PROMISE_API PROMISE_MUST_USE promise_value_t promise_file_value(promise_file_t *file);
PROMISE_API promise_file_t *promise_as_file(promise_value_t v);
PROMISE_API promise_file_t *promise_file_ref(promise_file_t *file);
PROMISE_API void promise_file_unref(void *file); /* NULL is fine; void *: for promise_attach() */

/*
 * ---- use one that is open ----
 * What is asked of one file is done in the order of the calls: a read after a write sees it, a sync has it on the disk.
 * Reads at offsets, and stat, with nothing else between them are done at the same time, on several threads. A pending
 * operation holds the file. After promise_file_close() all reject with PROMISE_ECLOSED.
 */

/* size bytes from offset, fewer only where the file ends before; the end where there are none. size 0: EINVAL. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_read_at(promise_file_t *file, uint64_t offset, size_t size);
/* Writes all of a string or bytes from offset (behind the end, in a file that was opened with O_APPEND). Void. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_write_at(promise_file_t *file, uint64_t offset, promise_value_t data);
/* The same at the file's position, 0 at first, which moves behind what was read or written. One that is cancelled, or fails,
 * does not move it: its bytes come again (K6). What has no position, as a FIFO or a terminal, gives what comes, at most size
 * bytes. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_read_next(promise_file_t *file, size_t size);
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_write_next(promise_file_t *file, promise_value_t data);
/* Moves the position for those that are asked for from now on. Void; ESPIPE where there is none. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_seek(promise_file_t *file, uint64_t offset);
/* All that is left from the position, call by call, by size bytes; they hold the file. */
PROMISE_API PROMISE_MUST_USE promise_iterator_t *promise_file_chunks(promise_file_t *file, size_t size);
/* The same by lines, as strings without their "\n" or "\r\n"; the last one may lack it. One of more than max bytes rejects
 * with EMSGSIZE. A NUL in it is kept: promise_as_bytes() gives the size. It reads ahead of what it gives:
 * once it is closed, the position is behind what was read, not behind the last line given. */
PROMISE_API PROMISE_MUST_USE promise_iterator_t *promise_file_lines(promise_file_t *file, size_t max);

/* Void when all that was written is on the disk; datasync: but perhaps not its times. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_sync(promise_file_t *file);
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_datasync(promise_file_t *file);
/* Cuts it off at size, or fills it up with zeros. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_truncate(promise_file_t *file, uint64_t size);
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_fstat(promise_file_t *file);
/* Void when what was asked for before is done and the file is closed; rejects when close(2) tells that something could not be
 * written; it is closed all the same, also where this is cancelled. A second close gives the outcome of the first. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_close(promise_file_t *file);

/* The descriptor, borrowed, or -1. */
PROMISE_API int promise_file_fd(const promise_file_t *file);
PROMISE_API promise_loop_t *promise_file_loop(const promise_file_t *file);

/* ---- by path: void, or as said ---- */

/* What is known of a file, as a value: promise_as_stat(). lstat: of a link itself. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_stat(promise_loop_t *loop, const char *path);
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_lstat(promise_loop_t *loop, const char *path);
/* May it be accessed so? mode is that of access(2): F_OK, or R_OK, W_OK, X_OK together. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_access(promise_loop_t *loop, const char *path, int mode);
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_rename(promise_loop_t *loop, const char *from, const char *to);
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_unlink(promise_loop_t *loop, const char *path);
/* path becomes another name of target, or a symbolic link with that text; readlink gives it, as a string. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_link(promise_loop_t *loop, const char *target, const char *path);
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_symlink(promise_loop_t *loop, const char *target, const char *path);
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_readlink(promise_loop_t *loop, const char *path);
/* The path from the root, without links, "." and "..", as a string. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_realpath(promise_loop_t *loop, const char *path);
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_chmod(promise_loop_t *loop, const char *path, unsigned mode);
/* Sets the times of access and change, in nanoseconds since 1970; INT64_MIN: as it is. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_file_utime(promise_loop_t *loop, const char *path, int64_t atime_ns,
                                                           int64_t mtime_ns);

/* ---- what stat gives ---- */

/* Fields may be added at the end in later versions. Times are in nanoseconds since 1970. */
struct promise_stat {
    uint64_t size;
    unsigned mode; /* as <sys/stat.h> has it, with the type */
    unsigned uid, gid;
    uint64_t links, blocks; /* blocks of 512 bytes on the disk */
    uint64_t device, inode;
    int64_t atime_ns, mtime_ns, ctime_ns;
};

/* Lives as long as v. */
PROMISE_API const struct promise_stat *promise_as_stat(promise_value_t v);
/* Of its type: a regular file, a directory, a symbolic link (lstat only). */
PROMISE_API bool promise_stat_is_file(promise_value_t v);
PROMISE_API bool promise_stat_is_directory(promise_value_t v);
PROMISE_API bool promise_stat_is_link(promise_value_t v);

PROMISE_END

#endif
