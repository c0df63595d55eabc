/*
 * Starting a process: what can fail is done before it exists, as far as that is possible, and what fails in it comes back
 * through a pipe that a successful exec closes.
 *
 * vfork, because fork copies the page tables of a large program while its loop stands still; and not posix_spawn, which knows
 * neither folders nor which step has failed, nor how to close what nobody asked for, on all systems that we run on. The child
 * borrows our memory until it executes, and one of our threads: so all signals are blocked meanwhile, and it calls nothing
 * but what is safe in a signal handler, as it must after fork in a program with threads as well.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

unsigned promise__child_without;

extern char **environ;

enum step { STEP_DESCRIPTOR, STEP_GROUP, STEP_FOLDER, STEP_EXEC };

struct report { /* of what failed in the child */
    int error;
    enum step step;
    int fd;
};

struct moved_fd {
    int from, to;
};

/* All that the child needs to know. */
struct plan {
    const char *file, *search; /* search: PATH, or NULL where file has a slash */
    char *const *argv, *const *environment;
    const char *folder;
    bool new_group;
    struct moved_fd *fds; /* the three standard ones first */
    size_t fd_count;
    int top;    /* the highest number that it is to have */
    int report; /* where to write a struct report */
    char path[PATH_MAX];
};

/* ---- in the child: only what is safe in a signal handler ---- */

PROMISE_NORETURN static void fail(const struct plan *plan, enum step step, int fd) {
    struct report report = {errno, step, fd};

    while (write(plan->report, &report, sizeof report) < 0 && errno == EINTR) {}
    _exit(127);
}

/* From number first on, as far as nothing is known about which there are. */
static void close_all_later(int first) {
    struct rlimit limit = {0};

    getrlimit(RLIMIT_NOFILE, &limit);
    for (rlim_t fd = (rlim_t)first; fd < limit.rlim_cur && fd < INT_MAX; fd++) fcntl((int)fd, F_SETFD, FD_CLOEXEC);
}

static int number(const char *text) {
    int n = 0;

    if (!*text) return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return -1;
        n = 10 * n + (*text - '0');
    }
    return n;
}

#ifdef SYS_getdents64
/* Those in /proc/self/fd; opendir(3) would allocate. */
static bool close_listed_later(int first) {
    struct entry {
        uint64_t inode;
        int64_t offset;
        unsigned short size;
        unsigned char type;
        char name[];
    };
    PROMISE_ALIGNAS(8) char buffer[2048];
    int fd = promise__child_without & CHILD_NO_PROC ? -1 : open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    long size, at;

    if (fd < 0) return false;
    while ((size = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0) {
        for (at = 0; at < size; at += ((struct entry *)(void *)(buffer + at))->size) {
            int n = number(((struct entry *)(void *)(buffer + at))->name);
            if (n >= first) fcntl(n, F_SETFD, FD_CLOEXEC);
        }
    }
    close(fd);
    return size == 0;
}
#else
static bool close_listed_later(int first) {
    (void)first;
    return false;
}
#endif

/* Whatever is open from that number on goes with exec; the pipe for the report has to stay until then. */
static void close_later(int first) {
#if defined SYS_close_range && defined __linux__
    enum { CLOEXEC = 4 }; /* CLOSE_RANGE_CLOEXEC, which older headers do not have */
    if (!(promise__child_without & CHILD_NO_CLOSE_RANGE) && syscall(SYS_close_range, first, ~0U, CLOEXEC) == 0) return;
#endif
    if (!close_listed_later(first)) close_all_later(first);
}

/* First all out of the way, then each to its place: so it does not matter which numbers they have. */
static void place_fds(struct plan *plan) {
    int report = fcntl(plan->report, F_DUPFD_CLOEXEC, plan->top + 1);

    if (report < 0) fail(plan, STEP_DESCRIPTOR, plan->top);
    plan->report = report;
    for (size_t i = 0; i < plan->fd_count; i++) {
        int fd = fcntl(plan->fds[i].from, F_DUPFD_CLOEXEC, plan->top + 1);
        if (fd < 0) fail(plan, STEP_DESCRIPTOR, plan->fds[i].from);
        plan->fds[i].from = fd;
    }
    close_later(STDERR_FILENO + 1);
    for (size_t i = 0; i < plan->fd_count; i++)
        if (dup2(plan->fds[i].from, plan->fds[i].to) < 0) fail(plan, STEP_DESCRIPTOR, plan->fds[i].to);
}

/* No handler of ours may run in the child, nor a program find signals ignored or blocked that it did not ask for. */
static void reset_signals(void) {
    struct sigaction action;
    sigset_t none;

    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    for (int signum = 1; signum < NSIG; signum++) sigaction(signum, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The next of the folders in search, with the file's name behind it, in path; false when it does not fit. */
static bool join(struct plan *plan, const char *folder, size_t size) {
    size_t file_size = strlen(plan->file) + 1;

    if (size + 1 + file_size > sizeof plan->path) return false;
    memcpy(plan->path, folder, size);
    if (size) plan->path[size++] = '/'; /* none: where we are */
    memcpy(plan->path + size, plan->file, file_size);
    return true;
}

/* As execvp(3), which is not safe here; but a file without a format is not given to a shell. */
static void execute(struct plan *plan) {
    const char *folder = plan->search, *end;
    bool denied = false;

    if (!folder) {
        execve(plan->file, plan->argv, plan->environment);
        return;
    }
    for (errno = ENOENT; folder; folder = *end ? end + 1 : NULL) {
        for (end = folder; *end && *end != ':';) end++;
        if (!join(plan, folder, (size_t)(end - folder))) continue;
        execve(plan->path, plan->argv, plan->environment);
        if (errno == EACCES) denied = true;
        else if (errno != ENOENT && errno != ENOTDIR) return;
    }
    if (denied) errno = EACCES;
}

PROMISE_NORETURN static void run(struct plan *plan) {
    place_fds(plan);
    if (plan->new_group && setpgid(0, 0) < 0) fail(plan, STEP_GROUP, -1);
    if (plan->folder && chdir(plan->folder) < 0) fail(plan, STEP_FOLDER, -1);
    reset_signals();
    execute(plan);
    fail(plan, STEP_EXEC, -1);
}

/* ---- in the parent ---- */

/* A function of its own: nothing else in it may live across vfork. */
PROMISE_NOINLINE static pid_t fork_and_run(struct plan *plan) {
    pid_t pid = vfork();

    if (pid == 0) run(plan);
    return pid;
}

/* 0 and the process that executes the program, or errno. */
static int start(struct plan *plan, pid_t *pid, struct report *report) {
    sigset_t all, before;
    int ends[2], error;
    ssize_t size;

    if (pipe2(ends, O_CLOEXEC) < 0) return errno;
    plan->report = ends[1];
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    *pid = fork_and_run(plan);
    error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(ends[1]);
    if (*pid < 0) {
        close(ends[0]);
        return error;
    }
    do size = read(ends[0], report, sizeof *report);
    while (size < 0 && errno == EINTR);
    close(ends[0]);
    if (size != (ssize_t)sizeof *report) return 0;
    while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR) {}
    return report->error;
}

static void close_fd(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* The child's standard descriptor i: 0, or errno. Of pipes our end is in ours, and theirs is to be closed afterwards. */
static int standard_fd(const struct promise_child_options *o, int i, struct moved_fd *fds, int *ours, int *theirs) {
    const enum promise_child_io how[3] = {o->in, o->out, o->err};
    const int given[3] = {o->in_fd, o->out_fd, o->err_fd};
    int ends[2];

    *ours = *theirs = -1;
    fds[i].to = i;
    switch (how[i]) {
    case PROMISE_CHILD_INHERIT: fds[i].from = i; return 0;
    case PROMISE_CHILD_FD: fds[i].from = given[i]; return 0;
    case PROMISE_CHILD_STDOUT: fds[i].from = fds[1].from; return 0;
    case PROMISE_CHILD_PIPE:
        if (pipe2(ends, O_CLOEXEC) < 0) return errno;
        *ours = ends[i == 0];
        *theirs = ends[i != 0];
        break;
    default:
        *theirs = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (*theirs < 0) return errno;
    }
    fds[i].from = *theirs;
    return 0;
}

static void make_plan(struct plan *plan, const struct promise_child_options *o, struct moved_fd *fds) {
    const char *path = getenv("PATH");

    plan->file = o->file ? o->file : o->argv[0];
    plan->search = strchr(plan->file, '/') || !*plan->file ? NULL : path ? path : "/bin:/usr/bin";
    plan->argv = (char *const *)(uintptr_t)o->argv;
    plan->environment = o->environment ? (char *const *)(uintptr_t)o->environment : environ;
    plan->folder = o->folder;
    plan->new_group = o->new_group;
    plan->fds = fds;
    plan->fd_count = 3 + o->fd_count;
    plan->top = STDERR_FILENO;
    for (size_t i = 0; i < o->fd_count; i++) {
        fds[3 + i] = (struct moved_fd){o->fds[i].fd, o->fds[i].as};
        if (o->fds[i].as > plan->top) plan->top = o->fds[i].as;
    }
}

static void describe(const struct report *report, const struct plan *plan, char detail[CHILD_DETAIL]) {
    if (report->step == STEP_DESCRIPTOR) snprintf(detail, CHILD_DETAIL, ": descriptor %d", report->fd);
    if (report->step == STEP_GROUP) snprintf(detail, CHILD_DETAIL, ": a group of its own");
    if (report->step == STEP_FOLDER) snprintf(detail, CHILD_DETAIL, " in %s", plan->folder);
}

int promise__child_start(const struct promise_child_options *o, pid_t *pid, int pipes[3], char detail[CHILD_DETAIL]) {
    struct moved_fd *fds = promise__malloc((3 + o->fd_count) * sizeof *fds);
    struct report report = {.step = STEP_EXEC};
    int theirs[3] = {-1, -1, -1}, error = 0;
    struct plan plan;

    *detail = 0;
    for (int i = 0; i < 3; i++) pipes[i] = -1;
    if (!fds) return ENOMEM;
    for (int i = 0; i < 3 && !error; i++) error = standard_fd(o, i, fds, &pipes[i], &theirs[i]);
    make_plan(&plan, o, fds);
    if (!error) error = start(&plan, pid, &report);
    if (error) describe(&report, &plan, detail);
    for (int i = 0; i < 3; i++) {
        close_fd(&theirs[i]);
        if (error) close_fd(&pipes[i]);
    }
    promise__free(fds);
    return error;
}
