/* Files in tests: read and written past the library, and FIFOs that hold a thread for as long as a test wants. */
#ifndef TEST_FILING_H
#define TEST_FILING_H

#include "net.h"

#include <promise/directory.h>
#include <promise/file.h>
#include <promise/pool.h>

/* A copy of in_folder(name), which lives until the end of the case. */
const char *path_of(const char *name);
void put_file(const char *path, const void *bytes, size_t size);
void put_text(const char *path, const char *text);
/* What the file has must be that. */
void file_is(const char *path, const char *text);
bool exists(const char *path);

/* What p gives: these bytes, the end, nothing. */
void reads(promise_t *p, const char *text);
void reads_end(promise_t *p);
void is_done(promise_t *p);
/* The file that p gives; the reference is the caller's. */
promise_file_t *opened(promise_t *p);

/* No file may become larger than LIMIT from now on: much, as what the test reports goes through files too. */
enum { LIMIT = 1 << 20 };
void limit_files(void);
/* A string of so many letters. */
promise_value_t letters(size_t size);

/* A new FIFO. */
const char *fifo(const char *name);
/* Its writing end, as soon as somebody opens it for reading; or its reading end, as soon as somebody writes. */
int fifo_writer(const char *path);

/* All threads that files have wait for FIFOs, and no other request can begin, until they are let go. */
void hold_threads(void);
void let_threads_go(void);

/* Waits until all threads have done what they do. */
void threads_idle(void);
/* Waits until some are at it; all of it on the threads, and nothing of it told to the loop. */
void until_running(size_t count);

/* For tcase_add_checked_fixture: as net_open() and net_close(), with the threads at their end. */
void files_open(void);
void files_close(void);

/* each_allocation() for what goes on threads. */
void each_file_allocation(promise_t *(*work)(void));
/* A handler that gives what it gets. */
promise_fn same;

#endif
