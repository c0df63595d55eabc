/*
 * promise_child_t: another program, run beside ours; and promise_command(), which runs one to its end.
 *
 *     const char *const argv[] = {"git", "rev-parse", "HEAD", NULL};
 *     promise_t *p = promise_then(promise_timeout(promise_command(loop, argv), 5000), got_output, NULL);
 *
 * With the streams in one's own hands:
 *
 *     const struct promise_child_options options = {.argv = argv, .out = PROMISE_CHILD_PIPE};
 *     promise_child_t *child = promise_child_spawn(loop, &options);
 *     promise_t *lines = promise_each(promise_stream_lines(promise_child_stdout(child), 4096), 1, got_line, NULL);
 *     promise_t *done = promise_all_of(loop, promise_child_wait(child), lines, NULL);
 *
 * A child inherits what was asked for and nothing else: no descriptor, no blocked or ignored signal; the environment and the
 * folder unless others are given.
 *
 * A child lives until promise_child_close(), or goes with its loop: then one that still runs is killed by SIGKILL, and
 * waited for. What cannot be started (there is no such program) is a child whose functions reject with the reason (O2), an
 * errno that names the program, and so does promise_child_error(). The library waits for the children that it started and for no
 * others; a program that waits for any (waitpid(-1)) or has SIGCHLD ignored takes the exits away: wait rejects with ECHILD.
 */
#ifndef PROMISE_CHILD_H
#define PROMISE_CHILD_H

#include <sys/types.h>

#include <promise/stream.h>

PROMISE_BEGIN

typedef struct promise_child promise_child_t;

/* ---- start and close ---- */

/* What the child has as its standard input, output and error. */
enum promise_child_io {
    PROMISE_CHILD_DEFAULT, /* the null device; in a command, what it collects */
    PROMISE_CHILD_NULL,    /* the null device: nothing to read, and what is written is dropped */
    PROMISE_CHILD_PIPE,    /* a stream here: promise_child_stdin() and so on */
    PROMISE_CHILD_INHERIT, /* our own */
    PROMISE_CHILD_FD,      /* a descriptor of yours, borrowed during the call */
    PROMISE_CHILD_STDOUT   /* for err: the same as out */
};

/* A descriptor, borrowed during the call, and its number in the child, 3 or more. */
struct promise_child_fd {
    int fd, as;
};

/* Zero is the default, but argv is needed. All is read during the call. */
struct promise_child_options {
    const char *const *argv;        /* NULL after the last */
    const char *file;               /* the program; NULL: argv[0]. Without a slash it is looked for in our PATH */
    const char *const *environment; /* "NAME=value", NULL after the last; NULL: ours */
    const char *folder;             /* where it runs, and where a file like "./x" is looked for; NULL: where we are */
    enum promise_child_io in, out, err;
    int in_fd, out_fd, err_fd;      /* for PROMISE_CHILD_FD */
    const struct promise_child_fd *fds; /* further ones that it gets */
    size_t fd_count;
    bool new_group;                 /* a process group of its own: what kills it reaches the children of the child too */
    uint64_t kill_after_ms;         /* stopped by a cancel or close: how long after SIGTERM comes SIGKILL; 0: 5000 */
    void *reserved[4];
};

/* Starts it. The call takes until the program has been found, so that a program that is not there is known by then. */
PROMISE_API PROMISE_MUST_USE promise_child_t *promise_child_spawn(promise_loop_t *loop,
                                                                  const struct promise_child_options *options);
/* Lets go of it; its streams are aborted unless you hold them, waits reject with PROMISE_ECLOSED. One that still runs is stopped:
 * SIGTERM, and SIGKILL when kill_after_ms are over; the loop goes on until it is gone, and leaves no zombie. NULL is fine.
 * Takes a void *, for promise_attach(). */
PROMISE_API void promise_child_close(void *child);

/* ---- use ---- */

/* How it ended: a value of promise_type_exit, whatever the status. It says nothing of the pipes, which may have more to be read,
 * and be held open by children of the child: who wants all output waits for the end of the stream too. Several may wait.
 * Cancelling stops the child, as close does, when nobody else waits; so does a timeout: promise_shield() where it must not. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_child_wait(promise_child_t *child);
/* Stops it, as a cancelled wait does: SIGTERM to it, or to all of its group, and SIGKILL to who is left after kill_after_ms. Once
 * is enough; nothing happens where nobody is left. */
PROMISE_API void promise_child_stop(promise_child_t *child);
/* Sends a signal, to its whole group where that is new. 0, or -1 with errno: ESRCH when it has ended, or never started. A group
 * may have others in it after that, and is there until close. */
PROMISE_API int promise_child_kill(promise_child_t *child, int signum);
/* Our ends of its pipes, lent by the child; promise_stream_ref() to keep one longer. To end its input, promise_stream_close()
 * that. One that is no pipe rejects everything with PROMISE_ECLOSED. Never NULL. */
PROMISE_API promise_stream_t *promise_child_stdin(promise_child_t *child);
PROMISE_API promise_stream_t *promise_child_stdout(promise_child_t *child);
PROMISE_API promise_stream_t *promise_child_stderr(promise_child_t *child);

/* ---- query ---- */

/* The process, also when it has ended; -1 when it was never started. */
PROMISE_API pid_t promise_child_pid(const promise_child_t *child);
/* Why it was not started: a rejection, lent; void when it was. */
PROMISE_API promise_value_t promise_child_error(const promise_child_t *child);

/* ---- how it ended; of a command's result too ---- */

PROMISE_API extern const struct promise_type promise_type_exit;
PROMISE_API extern const struct promise_domain promise_exit_errors; /* codes: the status, or 128 + the signal */

/* 0 to 255, or -1 when a signal killed it. */
PROMISE_API int promise_exit_status(promise_value_t v);
/* The signal, or 0 when it exited. */
PROMISE_API int promise_exit_signal(promise_value_t v);
/* A handler: passes status 0 on, and makes a rejection in promise_exit_errors of anything else; arg: its name, or NULL. */
PROMISE_API promise_fn promise_exit_check;

/* ---- commands ---- */

PROMISE_API extern const struct promise_type promise_type_command;

/* Zero is the default. */
struct promise_command_options {
    promise_value_t input; /* a string or bytes for its standard input; void: none */
    size_t max_output;     /* the most that it may write to each of output and error; 0: 64 MiB. More: stopped, EMSGSIZE */
    bool any_exit;         /* fulfilled however it ends; else only with status 0 */
    void *reserved[4];
};

/* Runs a program to its end, and to the end of its output. Fulfilled with a value of promise_type_command; rejected in
 * promise_exit_errors when it fails: the message names the command, says how it ended, and the last that it wrote to standard
 * error. Cancelling stops it, as promise_child_close() does. Whether it reads its input to the end does not matter. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_command(promise_loop_t *loop, const char *const *argv);
/* The same with options; output and error that are left at their default (or are pipes) are collected. Either may be NULL. */
PROMISE_API PROMISE_MUST_USE promise_t *promise_command_with(promise_loop_t *loop, const struct promise_child_options *child,
                                                             const struct promise_command_options *options);

/* What it wrote to standard output and error, as bytes, lent; void where that was not collected. */
PROMISE_API promise_value_t promise_command_out(promise_value_t v);
PROMISE_API promise_value_t promise_command_err(promise_value_t v);

PROMISE_END

#endif
