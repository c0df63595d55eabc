/* Children: what is asked of them, how they end, and how they are stopped. */
#include "child.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stream.h"

enum { KILL_AFTER_MS = 5000, LOOK_AGAIN_MS = 20 };

/* ---- arguments ---- */

static promise_child_t *child_arg(const promise_child_t *c, const char *function) {
    if (!c) promise__stop("%s: the child is NULL", function);
    if (c->closed) promise__stop("%s: the child is closed", function);
    promise__check_thread(c->loop, function);
    return (promise_child_t *)(uintptr_t)c;
}

/* ---- its end ---- */

static bool has_ended(const promise_child_t *c) { return !promise_is_void(c->outcome); }

/* To the group while it is ours: the process is there, as a zombie at least, or others of the group are. */
static int send_signal(promise_child_t *c, int signum) {
    if (!c->over && (c->group || !has_ended(c))) return kill(c->group ? -c->pid : c->pid, signum);
    errno = ESRCH;
    return -1;
}

/* 0 when it has ended, else ECHILD and the like; EAGAIN while it runs. keep: it stays a zombie. */
static int look(pid_t pid, bool keep, siginfo_t *info) {
    int status;

    memset(info, 0, sizeof *info);
    do status = waitid(P_PID, (id_t)pid, info, WEXITED | WNOHANG | (keep ? WNOWAIT : 0));
    while (status < 0 && errno == EINTR);
    if (status < 0) return errno;
    return info->si_pid ? 0 : EAGAIN;
}

static void reap(promise_child_t *c) {
    siginfo_t info;

    if (!c->reaped) look(c->pid, false, &info);
    c->reaped = true;
}

/* Nothing refers to it any more, but its own promises. */
static void destroy(promise_child_t *c) {
    promise_source_remove(&c->source);
    promise__release(c->error);
    promise__release(c->outcome);
    promise__free(c);
}

/* Once it is reaped: the number stays the group's as long as somebody is in it. */
static bool group_is_empty(const promise_child_t *c) { return kill(-c->pid, 0) < 0 && errno == ESRCH; }

static void stop_timer(promise_child_t *c) {
    promise_loop_t *loop = c->loop;

    if (c->timer) loop->host->cancel_after(loop->host_data, c->timer);
    c->timer = NULL;
}

static void timer_rings(void *arg);

/* Replaces one that is set. False when out of memory. */
static bool set_timer(promise_child_t *c, uint64_t ms) {
    stop_timer(c);
    c->timer = c->loop->host->after(c->loop->host_data, ms, timer_rings, c);
    return c->timer;
}

/* The next step of who has ended, when something has changed. May free it. */
static void proceed(promise_child_t *c) {
    if (!c->group || c->closed || c->stopping) reap(c);
    if (!c->reaped) return;
    if (!c->over && c->group && c->stopping && !group_is_empty(c)) {
        if (set_timer(c, LOOK_AGAIN_MS)) return;
        send_signal(c, SIGKILL);
    }
    c->over = true;
    stop_timer(c);
    if (c->closed) destroy(c);
}

/* The time is over, or it is time to look whether all of the group have gone. */
static void timer_rings(void *arg) {
    promise_child_t *c = arg;
    uint64_t now = c->loop->host->now(c->loop->host_data);

    c->timer = NULL;
    if (now >= c->kill_at) {
        send_signal(c, SIGKILL);
        c->over = has_ended(c); /* else it will have, soon */
    } else if (!has_ended(c) && !set_timer(c, c->kill_at - now)) {
        send_signal(c, SIGKILL);
    }
    if (has_ended(c)) proceed(c);
}

static promise_resolver_t *take_out(struct child_wait *w) {
    promise_resolver_t *resolver = w->resolver;

    *w->link = w->next;
    if (w->next) w->next->link = w->link;
    else w->child->waits_tail = w->link;
    promise__free(w);
    return resolver;
}

static void settle_waits(promise_child_t *c, promise_value_t v) {
    while (c->waits) promise_resolve(take_out(c->waits), promise__copy(v));
}

void promise__child_look(promise_child_t *c) {
    bool keep = c->group && !c->closed && !c->stopping;
    siginfo_t info;
    int error = look(c->pid, keep, &info);

    if (error == EAGAIN) return;
    promise__child_unwatch(c);
    c->reaped = error || !keep;
    c->over = error; /* its number may be anybody's */
    if (error) c->outcome = promise_throw_errno_at(NULL, error, "wait for %s: somebody else has", c->name);
    else c->outcome = promise__exit_value(&info);
    settle_waits(c, c->outcome);
    proceed(c);
}

/* ---- stopping ---- */

/* One that was halted (SIGSTOP) gets no other signal before it goes on. */
void promise__child_stop(promise_child_t *c) {
    uint64_t now;

    if (c->stopping || c->over) return;
    now = c->loop->host->now(c->loop->host_data);
    c->stopping = true;
    c->kill_at = c->kill_after_ms < UINT64_MAX - now ? now + c->kill_after_ms : UINT64_MAX;
    send_signal(c, SIGTERM);
    send_signal(c, SIGCONT);
    if (has_ended(c)) proceed(c);
    else if (!set_timer(c, c->kill_after_ms)) send_signal(c, SIGKILL);
}

static void kill_and_reap(promise_child_t *c) {
    if (!has_ended(c) || c->stopping) kill(c->group ? -c->pid : c->pid, SIGKILL);
    while (!c->reaped && waitid(P_PID, (id_t)c->pid, &(siginfo_t){0}, WEXITED) < 0 && errno == EINTR) {}
    c->reaped = true;
}

static void drop_streams(promise_child_t *c) {
    for (int i = 0; i < 3; i++) {
        promise_stream_unref(c->streams[i]);
        c->streams[i] = NULL;
    }
}

/* J5: its promises are cancelled already; it must not outlive the loop, nor stay a zombie. */
static void loop_gone(struct promise_source *source) {
    promise_child_t *c = (promise_child_t *)source; /* the first field */

    stop_timer(c);
    promise__child_unwatch(c);
    if (!c->over) kill_and_reap(c);
    settle_waits(c, promise__canceled());
    drop_streams(c);
    destroy(c);
}

/* ---- start and close ---- */

static promise_value_t check(const struct promise_child_options *o, const char *function) {
    if (!o) return promise__bad_argument(function, "options is NULL");
    if (!o->argv || !o->argv[0]) return promise__bad_argument(function, o->argv ? "argv is empty" : "argv is NULL");
    if ((unsigned)o->in >= PROMISE_CHILD_STDOUT || (unsigned)o->out >= PROMISE_CHILD_STDOUT ||
        (unsigned)o->err > PROMISE_CHILD_STDOUT)
        return promise__bad_argument(function, "in, out or err is not what it may be");
    if (!o->fds && o->fd_count) return promise__bad_argument(function, "fds is NULL");
    for (size_t i = 0; i < o->fd_count; i++) {
        if (o->fds[i].as <= STDERR_FILENO) return promise__bad_argument(function, "a number in fds is less than 3");
        for (size_t j = 0; j < i; j++)
            if (o->fds[i].as == o->fds[j].as) return promise__bad_argument(function, "a number is twice in fds");
    }
    return promise_void();
}

/* Void, or the rejection. */
static promise_value_t start(promise_child_t *c, const struct promise_child_options *o) {
    char detail[CHILD_DETAIL];
    int pipes[3], error = promise__child_start(o, &c->pid, pipes, detail);

    if (error) c->pid = -1;
    if (error == ENOMEM && !*detail) return promise__nomem();
    if (error) return promise_throw_errno_at(NULL, error, "run %s%s", c->name, detail);
    c->over = promise__child_watch(c) < 0;
    if (c->over) kill_and_reap(c);
    for (int i = 0; i < 3; i++) {
        if (pipes[i] >= 0 && c->over) close(pipes[i]);
        else if (pipes[i] >= 0) c->streams[i] = promise_stream_new(c->loop, pipes[i]);
    }
    return c->over ? promise__nomem() : promise_void();
}

promise_child_t *promise__child_spawn(promise_loop_t *loop, const struct promise_child_options *o, const char *function) {
    promise_value_t why = check(o, function);
    const char *name = promise_is_void(why) ? o->argv[0] : "";
    size_t size = strlen(name) + 1;
    promise_child_t *c = promise__malloc(sizeof *c + size);

    if (!c) {
        promise__release(why);
        return promise_source_nomem(loop);
    }
    memset(c, 0, sizeof *c);
    memcpy(c->name, name, size);
    c->loop = loop;
    c->pid = c->pidfd = -1;
    c->over = true;
    c->waits_tail = &c->waits;
    if (promise_source_add(loop, &c->source, loop_gone) < 0) { /* it would outlive the loop */
        promise__release(why);
        destroy(c);
        return promise_source_nomem(loop);
    }
    if (promise_is_void(why)) {
        c->group = o->new_group;
        c->kill_after_ms = o->kill_after_ms ? o->kill_after_ms : KILL_AFTER_MS;
        why = start(c, o);
    }
    c->error = why;
    return c;
}

promise_child_t *promise_child_spawn(promise_loop_t *loop, const struct promise_child_options *options) {
    loop = promise__loop_arg(loop, __func__);
    if (!promise__event_host(loop))
        promise__stop("%s: expected a loop of promise_loop_new, got one of promise_loop_new_hosted", __func__);
    return promise__child_spawn(loop, options, __func__);
}

void promise_child_close(void *arg) {
    promise_child_t *c = arg;
    promise_value_t why;

    if (!c || promise_source_nomem_loop(c)) return;
    c = child_arg(c, __func__);
    c->closed = true;
    drop_streams(c);
    if (c->waits) {
        why = promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "%s: the child was closed", c->name);
        settle_waits(c, why);
        promise__release(why);
    }
    if (!c->over && !has_ended(c)) promise__child_stop(c);
    else if (c->over) destroy(c);
    else proceed(c);
}

/* ---- use ---- */

static void stop_waiting(void *arg) {
    struct child_wait *w = arg;
    promise_child_t *c = w->child;

    promise_abandon(take_out(w));
    if (!c->waits) promise__child_stop(c);
}

promise_t *promise_child_wait(promise_child_t *c) {
    promise_loop_t *nomem = promise_source_nomem_loop(c);
    struct child_wait *w;
    promise_t *p;

    if (nomem) return promise__settled(nomem, promise__no_object(nomem));
    c = child_arg(c, __func__);
    if (!promise_is_void(c->error)) return promise__settled(c->loop, promise__copy(c->error));
    if (has_ended(c)) return promise__settled(c->loop, promise__copy(c->outcome));
    if (c->loop->dying) return promise__settled(c->loop, promise__canceled());
    w = promise__malloc(sizeof *w);
    if (!w) return promise__settled(c->loop, promise__nomem());
    *w = (struct child_wait){.link = c->waits_tail, .child = c};
    *c->waits_tail = w;
    c->waits_tail = &w->next;
    p = promise_new(c->loop, &w->resolver);
    promise_on_cancel(w->resolver, stop_waiting, w);
    return p;
}

void promise_child_stop(promise_child_t *c) {
    if (!promise_source_nomem_loop(c)) promise__child_stop(child_arg(c, __func__));
}

int promise_child_kill(promise_child_t *c, int signum) {
    if (!promise_source_nomem_loop(c)) return send_signal(child_arg(c, __func__), signum);
    errno = ESRCH;
    return -1;
}

static promise_stream_t *stream_of(promise_child_t *c, int i, const char *function) {
    static const char *const names[] = {"input", "output", "error"};
    promise_loop_t *nomem = promise_source_nomem_loop(c);
    promise_value_t why;

    if (nomem) return promise_source_nomem(nomem);
    c = child_arg(c, function);
    if (c->streams[i]) return c->streams[i];
    why = promise__copy(c->error);
    if (promise_is_void(why))
        why = promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "%s: standard %s is no pipe", c->name, names[i]);
    return c->streams[i] = promise__stream_refusing(c->loop, why);
}

promise_stream_t *promise_child_stdin(promise_child_t *c) { return stream_of(c, 0, __func__); }
promise_stream_t *promise_child_stdout(promise_child_t *c) { return stream_of(c, 1, __func__); }
promise_stream_t *promise_child_stderr(promise_child_t *c) { return stream_of(c, 2, __func__); }

/* ---- query ---- */

pid_t promise_child_pid(const promise_child_t *c) { return promise_source_nomem_loop(c) ? -1 : child_arg(c, __func__)->pid; }

promise_value_t promise_child_error(const promise_child_t *c) {
    promise_loop_t *nomem = promise_source_nomem_loop(c);
    return promise__mark(nomem ? promise__no_object(nomem) : child_arg(c, __func__)->error, MARK_LENT);
}
