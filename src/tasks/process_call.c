/* A worker and its call: sending that, reading the answer, and what becomes of it when the worker does not live to give one. */
#include "tasks/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "tasks/function.h"

#include "child.h"

enum {
    LINGER_MS = 1000, /* for one whose socket has ended, to end itself: then its signal is told, and not that of ours */
    READS = 16        /* in one callback */
};

static struct task *task_of(struct waiter *waiter) { return (struct task *)waiter; } /* the first field */

/* ---- what it is ---- */

void promise__worker_set_state(struct worker *w, enum worker_state state) {
    w->pool->counts[w->state]--;
    w->pool->counts[state]++;
    w->state = state;
}

void promise__worker_watch(struct worker *w, bool on) {
    if (w->watched == on) return;
    if (on) w->watched = event_add(&w->reading, NULL) == 0;
    else {
        event_del(&w->reading);
        event_del(&w->writing);
        w->watched = false;
    }
}

void promise__worker_gone(struct worker *w) {
    promise__worker_watch(w, false);
    promise__pool_stop_timer(w->pool, &w->timer);
    promise__frame_drop(&w->reader);
    if (w->fd >= 0) close(w->fd);
    if (w->their_fd >= 0) close(w->their_fd);
    w->fd = w->their_fd = -1;
    w->cut_off = w->unread = false;
    w->done = 0;
    promise__worker_set_state(w, WORKER_NONE);
}

/* With all that its function has started. */
void promise__worker_kill(struct worker *w) {
    if (w->pid > 0 && !w->to_reap) kill(-w->pid, SIGKILL);
    promise__worker_watch(w, false);
    promise__pool_stop_timer(w->pool, &w->timer);
    if (w->state != WORKER_STARTING) promise__worker_set_state(w, WORKER_LEAVING);
}

static void describe(const struct worker *w, char *text, size_t size) {
    snprintf(text, size, "%.200s worker %u", w->pool->options.name, w->number);
}

/* ---- its call ---- */

static bool is_sent(const struct worker *w) { return w->sent == sizeof w->head + w->head.name_size + w->head.size; }

static void settle(struct worker *w, promise_value_t v) {
    if (w->task.first) promise_resolve(promise__waiter_take(w->task.first), v);
    else promise__release(v);
}

/* K2 */
static void canceled(struct waiters *list) {
    struct worker *w = (struct worker *)((char *)list - offsetof(struct worker, task));

    if (w->pool->options.finish_canceled && is_sent(w)) return;
    promise__worker_kill(w);
    promise__pool_work(w->pool);
}

static void let_go(struct waiter *waiter) { promise__release(task_of(waiter)->bytes); }

void promise__worker_init(promise_process_pool_t *pool, struct worker *w, unsigned number) {
    *w = (struct worker){.pool = pool, .number = number, .fd = -1, .their_fd = -1};
    promise__waiters_init(&w->task, let_go, canceled);
    promise__frame_start(&w->reader, pool->options.max_size);
    pool->counts[WORKER_NONE]++;
}

/* Its socket has ended, and so should it; then it is known how. unread: it has not read the call to its end, so never begun. */
static void cut_off(struct worker *w, bool unread);

static void linger_ends(void *arg) {
    struct worker *w = arg;
    struct task *t = task_of(w->task.first);
    char who[256];

    w->timer = NULL;
    describe(w, who, sizeof who);
    if (t) settle(w, promise_throw_errno_at(NULL, EPIPE, "%s has closed its connection while it ran %s", who, t->name));
    promise__worker_kill(w);
    promise__pool_work(w->pool);
}

static void cut_off(struct worker *w, bool unread) {
    w->cut_off = true;
    w->unread = unread;
    promise__worker_watch(w, false);
    if (w->state != WORKER_BUSY) promise__worker_kill(w);
    else if (!promise__pool_set_timer(w->pool, &w->timer, LINGER_MS, linger_ends, w)) linger_ends(w);
}

/* ---- sending ---- */

static int parts_left(const struct worker *w, struct iovec parts[3]) {
    struct task *t = task_of(w->task.first);
    const struct iovec all[3] = {{(void *)(uintptr_t)&w->head, sizeof w->head},
                                 {t->name, t->name_size},
                                 {(char *)(uintptr_t)promise_as_bytes(t->bytes, NULL), (size_t)w->head.size}};
    size_t skip = w->sent;
    int count = 0;

    for (int i = 0; i < 3; i++) {
        size_t over = skip < all[i].iov_len ? skip : all[i].iov_len;
        skip -= over;
        if (over < all[i].iov_len) parts[count++] = (struct iovec){(char *)all[i].iov_base + over, all[i].iov_len - over};
    }
    return count;
}

static void send_call(struct worker *w) {
    struct iovec parts[3];
    struct msghdr message;
    ssize_t size;

    while (!is_sent(w)) {
        memset(&message, 0, sizeof message);
        message.msg_iov = parts;
        message.msg_iovlen = (size_t)parts_left(w, parts);
        size = sendmsg(w->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size >= 0) w->sent += (size_t)size;
        else if (errno == EAGAIN && event_add(&w->writing, NULL) == 0) return;
        else if (errno != EINTR) {
            cut_off(w, true);
            return;
        }
    }
    event_del(&w->writing);
}

static void on_room(evutil_socket_t fd, short what, void *arg) {
    struct worker *w = arg;

    (void)fd, (void)what;
    send_call(w);
}

static void timed_out(void *arg) {
    struct worker *w = arg;
    struct task *t = task_of(w->task.first);
    char who[256];

    w->timer = NULL;
    describe(w, who, sizeof who);
    if (t)
        settle(w, promise_throw_at(NULL, &promise_errors, PROMISE_ETIMEDOUT, "%s: %s timed out after %llu ms", who, t->name,
                                   (unsigned long long)w->pool->options.timeout_ms));
    promise__worker_kill(w);
    promise__pool_work(w->pool);
}

static void on_answer(evutil_socket_t fd, short what, void *arg);

void promise__worker_give(struct worker *w) {
    promise_process_pool_t *pool = w->pool;
    struct event_base *base = promise_loop_base(pool->loop);
    struct task *t = task_of(pool->queue.first);
    size_t size;

    promise__waiter_move(&t->waiter, &w->task, false);
    pool->queued--;
    if (pool->options.timeout_ms && !promise__pool_set_timer(pool, &w->timer, pool->options.timeout_ms, timed_out, w)) {
        settle(w, promise__nomem());
        return;
    }
    promise_as_bytes(t->bytes, &size);
    w->head = promise__frame_head(FRAME_CALL, ++pool->next_id, size, t->name_size);
    w->sent = 0;
    if (!w->watched) {
        event_assign(&w->reading, base, w->fd, EV_READ | EV_PERSIST, on_answer, w);
        event_assign(&w->writing, base, w->fd, EV_WRITE | EV_PERSIST, on_room, w);
    }
    promise__worker_set_state(w, WORKER_BUSY);
    send_call(w);
}

/* ---- the answer ---- */

static void misbehaved(struct worker *w, int error) {
    struct task *t = task_of(w->task.first);
    char who[256];

    describe(w, who, sizeof who);
    settle(w, promise_throw_errno_at(NULL, error, "%s: what it sent as the result of %s", who, t ? t->name : "a call"));
    promise__worker_kill(w);
}

static promise_value_t result_in(struct worker *w) {
    promise_value_t bytes = promise__frame_take(&w->reader), v;

    if (promise_is_rejection(bytes) || w->reader.head.kind == FRAME_VALUE) return bytes;
    v = w->reader.head.size ? promise_error_unpack(bytes, w->pool->options.domains) : promise__nomem();
    if (w->reader.head.size == 0) promise__release(bytes);
    return v;
}

static void answered(struct worker *w) {
    const struct promise_process_options *o = &w->pool->options;

    if (w->reader.head.id != w->head.id || w->reader.head.kind == FRAME_CALL || !is_sent(w)) {
        misbehaved(w, EPROTO);
        return;
    }
    promise__pool_stop_timer(w->pool, &w->timer);
    w->pool->failures = 0;
    settle(w, result_in(w));
    promise__frame_start(&w->reader, o->max_size);
    promise__worker_set_state(w, WORKER_IDLE);
    if (++w->done != o->calls_per_worker) return;
    shutdown(w->fd, SHUT_WR); /* it reads the end, and goes */
    promise__worker_watch(w, false);
    promise__worker_set_state(w, WORKER_LEAVING);
}

void promise__worker_read(struct worker *w) {
    char block[FRAME_BLOCK];
    struct iovec room[2];
    struct msghdr message;
    ssize_t size;
    int status;

    for (int i = 0; i < READS && w->state == WORKER_BUSY && !w->cut_off; i++) {
        promise__frame_room(&w->reader, block, room);
        memset(&message, 0, sizeof message);
        message.msg_iov = room;
        message.msg_iovlen = 2;
        size = recvmsg(w->fd, &message, MSG_DONTWAIT);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno == EAGAIN) return;
        if (size <= 0) {
            cut_off(w, size < 0); /* ECONNRESET: it had not read all of ours */
            return;
        }
        status = promise__frame_got(&w->reader, block, (size_t)size);
        if (status < 0) misbehaved(w, errno);
        if (status > 0) answered(w);
    }
}

static void on_answer(evutil_socket_t fd, short what, void *arg) {
    struct worker *w = arg;
    promise_process_pool_t *pool = w->pool;
    promise_loop_t *loop = pool->loop;

    (void)fd, (void)what;
    promise_source_enter(loop);
    promise__worker_read(w);
    promise__pool_work(pool);
    promise_source_leave(loop);
}

/* ---- its end ---- */

static promise_value_t why_lost(const struct task *t, promise_value_t how, const char *who, bool begun) {
    const char *when = begun ? "while it ran" : "before it ran";
    char text[64] = "is gone";
    int code = 0;

    if (!promise_is_void(how)) {
        promise_print(how, text, sizeof text);
        code = promise_exit_signal(how) ? 128 + promise_exit_signal(how) : promise_exit_status(how);
    }
    return promise_throw_at(NULL, &promise_exit_errors, code, "%s: %s %s %s", who, text, when, t->name);
}

void promise__worker_lost(struct worker *w, promise_value_t how, const char *who) {
    struct task *t;
    char text[256];
    bool begun;

    for (uint64_t before = 0; w->state == WORKER_BUSY && !w->cut_off && w->reader.have != before;) {
        before = w->reader.have;
        promise__worker_read(w); /* what it had sent */
    }
    promise__worker_read(w);
    t = task_of(w->task.first);
    if (!t || w->state != WORKER_BUSY) return;
    begun = is_sent(w) && !w->unread;
    if (!begun && !t->again) {
        t->again = true;
        promise__waiter_move(&t->waiter, &w->pool->queue, true);
        w->pool->queued++;
        return;
    }
    if (!who) describe(w, text, sizeof text);
    settle(w, why_lost(t, how, who ? who : text, begun));
}
