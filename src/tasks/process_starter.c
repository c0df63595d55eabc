/*
 * The starter: forks workers as it is told to, and waits for them. It has one thread and does nothing else, so that what it
 * forks is as clean as it is itself; its own end, and that of all workers, is the end of its socket.
 */
#include "tasks/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

struct forked {
    pid_t pid;
    uint32_t number;
    bool reported; /* a zombie, until it is to be reaped */
};

struct starting {
    int fd;
    const struct promise_function *functions;
    struct forked *forked;
    size_t count, room;
};

/* ---- a process of its own ---- */

static void on_sigchld(int signum) { (void)signum; }

/* As a program finds them that is executed. */
static void reset_signals(void) {
    struct sigaction action;
    sigset_t none;

    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    for (int signum = 1; signum < NSIG; signum++) sigaction(signum, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* It comes while we wait for something to read, and at no other time. */
static void expect_sigchld(void) {
    struct sigaction action;
    sigset_t set;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_sigchld;
    sigaction(SIGCHLD, &action, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

/* What a function reads is not what the program was to read. */
static void null_input(void) {
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (fd > STDIN_FILENO) {
        dup2(fd, STDIN_FILENO);
        close(fd);
    }
}

static void set_title(const char *title) {
#ifdef __linux__
    prctl(PR_SET_NAME, title);
#else
    (void)title;
#endif
}

/* ---- reports ---- */

PROMISE_NORETURN static void leave(struct starting *s) {
    for (size_t i = 0; i < s->count; i++) kill(-s->forked[i].pid, SIGKILL);
    for (size_t i = 0; i < s->count; i++)
        while (waitpid(s->forked[i].pid, NULL, 0) < 0 && errno == EINTR) {}
    free(s->forked);
    _exit(0);
}

static void report(struct starting *s, const struct report *r) {
    ssize_t size;

    do size = send(s->fd, r, sizeof *r, MSG_NOSIGNAL);
    while (size < 0 && errno == EINTR);
    if (size < 0) leave(s);
}

static void look_at_workers(struct starting *s) {
    for (size_t i = 0; i < s->count; i++) {
        struct forked *f = &s->forked[i];
        siginfo_t info;

        memset(&info, 0, sizeof info);
        if (f->reported || waitid(P_PID, (id_t)f->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid) continue;
        f->reported = true;
        report(s,
               &(struct report){
                   .kind = REPORT_ENDED, .number = f->number, .pid = f->pid, .code = info.si_code, .status = info.si_status});
    }
}

/* ---- orders ---- */

static void reap(struct starting *s, pid_t pid) {
    for (size_t i = 0; i < s->count; i++) {
        if (s->forked[i].pid != pid) continue;
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
        s->forked[i] = s->forked[--s->count];
        return;
    }
}

static int make_room(struct starting *s) {
    struct forked *more;

    if (s->count < s->room) return 0;
    more = realloc(s->forked, (s->room + 16) * sizeof *more);
    if (!more) return -1;
    s->forked = more;
    s->room += 16;
    return 0;
}

PROMISE_NORETURN static void become_worker(struct starting *s, int fd, const struct order *order, pid_t starter) {
    setpgid(0, 0);
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != starter) _exit(0); /* it has gone already */
#else
    (void)starter;
#endif
    close(s->fd);
    free(s->forked);
    reset_signals();
    set_title(order->title);
    promise__worker_run(fd, s->functions, order);
}

static void start_worker(struct starting *s, int fd, const struct order *order) {
    struct report r = {.kind = REPORT_FAILED, .number = order->number, .error = ENOMEM};
    pid_t self = getpid(), pid = -1;

    if (make_room(s) == 0) {
        pid = fork();
        r.error = errno;
    }
    if (pid == 0) become_worker(s, fd, order, self);
    if (pid > 0) {
        setpgid(pid, pid); /* so that it is done when we say so, too */
        s->forked[s->count++] = (struct forked){.pid = pid, .number = order->number};
        r = (struct report){.kind = REPORT_STARTED, .number = order->number, .pid = pid};
    }
    close(fd); /* the worker alone has it: so its end is seen (and that of ours, by the worker) */
    report(s, &r);
}

/* The descriptor that came with it, or -1. */
static int fd_in(struct msghdr *message) {
    struct cmsghdr *c = CMSG_FIRSTHDR(message);
    int fd = -1;

    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

static void hear(struct starting *s) {
    PROMISE_ALIGNAS(8) char control[CMSG_SPACE(sizeof(int))];
    struct order order;
    struct iovec part = {&order, sizeof order};
    struct msghdr message;
    ssize_t size;
    int fd;

    memset(&message, 0, sizeof message);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    size = recvmsg(s->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (size != (ssize_t)sizeof order) leave(s);
    fd = fd_in(&message);
    if (order.kind == ORDER_REAP) reap(s, order.pid);
    else if (fd >= 0) start_worker(s, fd, &order);
    else report(s, &(struct report){.kind = REPORT_FAILED, .number = order.number, .error = EMFILE});
}

void promise__starter_run(int fd, const struct promise_function *functions) {
    struct starting s = {.fd = fd, .functions = functions};
    struct pollfd poll = {.fd = fd, .events = POLLIN};
    sigset_t none;

    promise__current = NULL;
    reset_signals();
    setpgid(0, 0);
    null_input();
    expect_sigchld();
    sigemptyset(&none);
    report(&s, &(struct report){.kind = REPORT_HELLO, .version = PROCESS_VERSION});
    for (;;) {
        int ready = ppoll(&poll, 1, NULL, &none);
        look_at_workers(&s);
        if (ready > 0) hear(&s);
    }
}
