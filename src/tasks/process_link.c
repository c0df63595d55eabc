/* The starter, from here: how it is started, told, heard and buried. */
#include "tasks/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>
#include <promise/coroutine.h>

#include "child.h"

extern char **environ;

enum { HELLO_MS = 60000 }; /* until it must have said so: a program that never calls promise_process_worker() would not */

/* ---- forked ---- */

/* The thread sanitizer has one of its own. */
#if defined __has_feature
#if __has_feature(thread_sanitizer)
#define EXTRA_THREADS 1
#endif
#elif defined __SANITIZE_THREAD__
#define EXTRA_THREADS 1
#endif
#ifndef EXTRA_THREADS
#define EXTRA_THREADS 0
#endif

/* As far as is known. */
static unsigned count_threads(void) {
    struct stat tasks;

    if (stat("/proc/self/task", &tasks) < 0 || tasks.st_nlink < 3 + EXTRA_THREADS) return 1;
    return (unsigned)tasks.st_nlink - 2 - EXTRA_THREADS;
}

/* What was locked by another thread stays locked in the new process; and who runs in a coroutine has a small stack, which the
 * functions would have. */
promise_value_t promise__starter_may_start(const promise_process_pool_t *pool) {
    const char *why = count_threads() > 1 ? "with threads running" : promise_in_coroutine() ? "in a coroutine" : NULL;

    if (pool->options.start != PROMISE_PROCESS_FORK || !why) return promise_void();
    return promise_throw_errno_at(NULL, EBUSY, "%s: to fork, %s (make the pool before, or see PROMISE_PROCESS_EXEC)",
                                  pool->options.name, why);
}

/* All but the standard ones, and fd, which becomes the first of the others. */
static int close_others(int fd) {
    struct dirent *entry;
    DIR *folder;

    if (fd != STARTER_FD) dup2(fd, STARTER_FD);
    fcntl(STARTER_FD, F_SETFD, FD_CLOEXEC);
#if defined SYS_close_range && defined __linux__
    if (syscall(SYS_close_range, STARTER_FD + 1, ~0U, 0) == 0) return STARTER_FD;
#endif
    folder = opendir("/proc/self/fd");
    if (!folder) {
        for (int i = STARTER_FD + 1; i < (int)sysconf(_SC_OPEN_MAX); i++) close(i);
        return STARTER_FD;
    }
    while ((entry = readdir(folder))) {
        int i = atoi(entry->d_name);
        if (i > STARTER_FD && i != dirfd(folder)) close(i);
    }
    closedir(folder);
    return STARTER_FD;
}

/* No handler of the program's may run in the new process: it would write into what both have, such as libevent's own pipe. */
static int fork_starter(promise_process_pool_t *pool, int theirs) {
    const struct promise_function *functions = pool->options.functions;
    sigset_t all, before;
    int error;

    fflush(NULL); /* or what is in the buffers is written by both */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pool->starter.pid = fork();
    error = errno;
    if (pool->starter.pid == 0) promise__starter_run(close_others(theirs), functions);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pool->starter.pid < 0 ? error : 0;
}

/* ---- executed ---- */

/* By its path, as long as there is a file: what runs us, such as valgrind, may know better than /proc/self/exe what we are. */
static const char *own_program(char path[PATH_MAX]) {
    ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - 1);

    if (size > 0) path[size] = 0;
    return size > 0 && access(path, X_OK) == 0 ? path : "/proc/self/exe";
}

static int execute_starter(promise_process_pool_t *pool, int theirs, char detail[PROCESS_DETAIL]) {
    static char mark[] = PROCESS_MARK "=1";
    const char *const argv[] = {pool->options.name, NULL};
    const struct promise_child_fd fds[] = {{theirs, STARTER_FD}};
    struct promise_child_options o = {
        .argv = argv, .out = PROMISE_CHILD_INHERIT, .err = PROMISE_CHILD_INHERIT, .fds = fds, .fd_count = 1};
    char what[CHILD_DETAIL], path[PATH_MAX];
    const char **environment;
    size_t count = 0;
    int pipes[3], error;

    while (environ && environ[count]) count++;
    environment = promise__malloc((count + 2) * sizeof *environment);
    if (!environment) return ENOMEM;
    environment[0] = mark;
    for (size_t i = 0; i < count; i++) environment[i + 1] = environ[i];
    environment[count + 1] = NULL;
    o.environment = environment;
    o.file = pool->options.program ? pool->options.program : own_program(path);
    error = promise__child_start(&o, &pool->starter.pid, pipes, what);
    if (error) snprintf(detail, PROCESS_DETAIL, "%s%s", pool->options.program ? o.file : "the program", what);
    promise__free(environment);
    return error;
}

/* One that another user is to be trusted with does not do what its environment says. */
static bool is_marked(void) { return getenv(PROCESS_MARK) && getuid() == geteuid() && getgid() == getegid(); }

void promise_process_worker(const struct promise_function *functions) {
    int type = 0;
    socklen_t size = sizeof type;

    if (!is_marked()) return;
    unsetenv(PROCESS_MARK);
    if (getsockopt(STARTER_FD, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET) return;
    fcntl(STARTER_FD, F_SETFD, FD_CLOEXEC);
    promise__starter_run(STARTER_FD, functions);
}

/* ---- start and end ---- */

static void on_report(evutil_socket_t fd, short what, void *arg) {
    promise_process_pool_t *pool = arg;
    promise_loop_t *loop = pool->loop;

    (void)fd, (void)what;
    promise_source_enter(loop);
    promise__starter_hear(pool);
    promise__pool_work(pool);
    promise_source_leave(loop);
}

static void on_room(evutil_socket_t fd, short what, void *arg) {
    promise_process_pool_t *pool = arg;

    (void)fd, (void)what;
    event_del(&pool->starter.writing);
    pool->starter.stuffed = false;
    promise__starter_tell(pool);
}

static void no_hello(void *arg) {
    promise_process_pool_t *pool = arg;

    pool->starter.timer = NULL;
    kill(pool->starter.pid, SIGKILL); /* it is ours to wait for, and has not been */
}

int promise__starter_start(promise_process_pool_t *pool, char detail[PROCESS_DETAIL]) {
    struct event_base *base = promise_loop_base(pool->loop);
    struct starter *s = &pool->starter;
    int ends[2], error;

    snprintf(detail, PROCESS_DETAIL, "its processes");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return errno;
    error = pool->options.start == PROMISE_PROCESS_EXEC ? execute_starter(pool, ends[1], detail) : fork_starter(pool, ends[1]);
    close(ends[1]);
    if (error) {
        close(ends[0]);
        s->pid = 0;
        return error;
    }
    s->fd = ends[0];
    s->ready = s->ending = s->watched = s->stuffed = false;
    event_assign(&s->reading, base, s->fd, EV_READ | EV_PERSIST, on_report, pool);
    event_assign(&s->writing, base, s->fd, EV_WRITE | EV_PERSIST, on_room, pool);
    promise__pool_set_timer(pool, &s->timer, HELLO_MS, no_hello, pool);
    return 0;
}

void promise__starter_watch(promise_process_pool_t *pool, bool on) {
    struct starter *s = &pool->starter;

    if (!s->pid || s->watched == on) return;
    if (on) s->watched = event_add(&s->reading, NULL) == 0;
    else {
        event_del(&s->reading);
        s->watched = false;
    }
}

void promise__starter_dismiss(promise_process_pool_t *pool) {
    if (!pool->starter.pid || pool->starter.ending) return;
    pool->starter.ending = true;
    shutdown(pool->starter.fd, SHUT_WR); /* not close: another process may have it, too, by a fork of the program's */
}

promise_value_t promise__starter_bury(promise_process_pool_t *pool) {
    struct starter *s = &pool->starter;
    pid_t pid = s->pid;
    siginfo_t info;
    int status;

    promise__starter_watch(pool, false);
    if (s->stuffed) event_del(&s->writing);
    promise__pool_stop_timer(pool, &s->timer);
    shutdown(s->fd, SHUT_RDWR);
    close(s->fd);
    *s = (struct starter){.fd = -1};
    kill(pid, SIGCONT);
    memset(&info, 0, sizeof info);
    do status = waitid(P_PID, (id_t)pid, &info, WEXITED);
    while (status < 0 && errno == EINTR);
    return status < 0 ? promise_void() : promise__exit_value(&info);
}

/* ---- talk ---- */

/* 0, or errno. */
static int send_order(promise_process_pool_t *pool, const struct order *order, int fd) {
    PROMISE_ALIGNAS(8) char control[CMSG_SPACE(sizeof fd)];
    struct iovec part = {(void *)(uintptr_t)order, sizeof *order};
    struct msghdr message;
    struct cmsghdr *c;
    ssize_t size;

    memset(&message, 0, sizeof message);
    memset(control, 0, sizeof control);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    do size = sendmsg(pool->starter.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (size < 0 && errno == EINTR);
    return size < 0 ? errno : 0;
}

/* What w has to be told of: 0, or errno. */
static int tell_of(promise_process_pool_t *pool, struct worker *w) {
    const struct promise_process_options *o = &pool->options;
    struct order order;
    int error = 0;

    memset(&order, 0, sizeof order);
    if (w->to_reap) {
        order.kind = ORDER_REAP;
        order.pid = w->pid;
        error = send_order(pool, &order, -1);
        if (!error) w->to_reap = false, w->pid = 0;
    } else if (w->their_fd >= 0) {
        order.kind = ORDER_START;
        order.number = w->number;
        order.cpu_seconds = o->cpu_seconds;
        order.memory = o->memory;
        order.most = o->max_size;
        snprintf(order.title, sizeof order.title, "%.9s %u", o->name, w->number);
        error = send_order(pool, &order, w->their_fd);
        if (!error) {
            close(w->their_fd);
            w->their_fd = -1;
        }
    }
    return error;
}

/* That the starter is gone we hear when we read. */
void promise__starter_tell(promise_process_pool_t *pool) {
    struct starter *s = &pool->starter;
    int error;

    if (!s->ready || s->stuffed || s->ending) return;
    for (size_t i = 0; i < pool->options.workers; i++) {
        struct worker *w = &pool->workers[i];
        error = tell_of(pool, w);
        if (!error || error == EPIPE || error == ECONNRESET) continue;
        if (error == EAGAIN && event_add(&s->writing, NULL) == 0) {
            s->stuffed = true;
            return;
        }
        /* Such as ETOOMANYREFS: descriptors on their way count as open ones. */
        if (!w->to_reap)
            promise__worker_reported(pool, &(struct report){.kind = REPORT_FAILED, .number = w->number, .error = error});
    }
}

static void said_hello(promise_process_pool_t *pool, const struct report *r) {
    pool->starter.ready = r->version == PROCESS_VERSION;
    if (!pool->starter.ready) {
        kill(pool->starter.pid, SIGKILL);
        return;
    }
    promise__pool_stop_timer(pool, &pool->starter.timer);
    promise__starter_tell(pool);
}

void promise__starter_hear(promise_process_pool_t *pool) {
    struct report r;
    ssize_t size;

    while (pool->starter.pid) {
        size = recv(pool->starter.fd, &r, sizeof r, MSG_DONTWAIT);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno == EAGAIN) return;
        if (size != (ssize_t)sizeof r) {
            bool ready = pool->starter.ready, asked = pool->starter.ending;
            promise_value_t how = promise__starter_bury(pool);
            promise__starter_ended(pool, how, ready, asked);
            return;
        }
        if (r.kind == REPORT_HELLO) said_hello(pool, &r);
        else promise__worker_reported(pool, &r);
    }
}
