/* Channels that cross threads: making and owning them, and waiting for them on threads without a loop. */
#include <promise/shared_channel.h>

#include <errno.h>
#include <string.h>
#include <time.h>

#include "cross.h"
#include "shared.h"

/* ---- the value ---- */

static void retain(void *object) { promise_shared_channel_ref(object); }
static void release(void *object) { promise_shared_channel_unref(object); }

const struct promise_type promise_type_shared_channel = {
    .size = sizeof(struct promise_type), .name = "shared_channel", .retain = retain, .release = release};

promise_value_t promise_shared_channel_value(promise_shared_channel_t *ch) {
    return ch ? promise_object(&promise_type_shared_channel, ch) : promise__nomem();
}
promise_shared_channel_t *promise_as_shared_channel(promise_value_t v) {
    return promise__as_object_of(v, &promise_type_shared_channel, __func__);
}

/* ---- make, own ---- */

promise_shared_channel_t *promise_shared_channel_new(size_t capacity) {
    promise_shared_channel_t *ch = promise__malloc(sizeof *ch);

    if (!ch) return NULL;
    memset(ch, 0, sizeof *ch);
    if (pthread_mutex_init(&ch->lock, NULL) != 0) {
        promise__free(ch);
        return NULL;
    }
    atomic_init(&ch->refs, 1);
    atomic_init(&ch->life, 1);
    ch->capacity = capacity;
    return ch;
}

void promise__shared_drop_life(promise_shared_channel_t *ch) {
    if (atomic_fetch_sub_explicit(&ch->life, 1, memory_order_acq_rel) != 1) return;
    for (; ch->count; ch->count--) {
        promise__release(ch->ring[ch->first]);
        ch->first = (ch->first + 1) & (ch->size - 1);
    }
    pthread_mutex_destroy(&ch->lock);
    promise__free(ch->ring);
    promise__free(ch);
}

promise_shared_channel_t *promise_shared_channel_ref(promise_shared_channel_t *ch) {
    if (ch) atomic_fetch_add_explicit(&ch->refs, 1, memory_order_relaxed);
    return ch;
}

void promise_shared_channel_unref(void *arg) {
    promise_shared_channel_t *ch = arg;

    if (!ch || atomic_fetch_sub_explicit(&ch->refs, 1, memory_order_acq_rel) != 1) return;
    promise_shared_channel_close(ch);
    promise__shared_drop_life(ch);
}

/* ---- what is sent ---- */

promise_value_t promise__shared_closed(const char *function) {
    return promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "%s: the channel is closed", function);
}

bool promise__shared_accepts(promise_value_t *v, const char *function) {
    promise_value_t given = promise__take(*v);

    *v = given;
    if (given.type & MARK_REJECTION) return false;
    if (promise__must_unwrap(given) || promise_is_end(given)) {
        *v = promise_throw_at(NULL, &promise_errno_errors, EINVAL, "%s: expected an item, got %s %s", function,
                              promise_is_end(given) ? "the" : "a", promise_type_name(given));
        promise__release(given);
        return false;
    }
    return promise__cross(v, function);
}

/* ---- waiting on a thread without a loop ---- */

static void check_thread(uint64_t timeout_ms, const char *function) {
    if (timeout_ms && promise__current)
        promise__stop("%s: called in a handler, whose loop it would hold up: use promise_shared_send or _receive", function);
}

static struct timespec time_in(uint64_t ms) {
    struct timespec t;
    uint64_t seconds = ms / 1000 < 1000000000 ? ms / 1000 : 1000000000; /* 30 years will do */

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)seconds;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec < 1000000000) return t;
    t.tv_nsec -= 1000000000;
    t.tv_sec++;
    return t;
}

static void cond_init(pthread_cond_t *cond) {
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* With the lock: until w, which waits, is done. False when it has left, as the time is over. */
static bool sleep_until(promise_shared_channel_t *ch, struct shared_waiter *w, uint64_t timeout_ms, struct shared_news *news) {
    struct timespec end = time_in(timeout_ms);
    int late = 0;

    while (w->state == WAITS || w->state == CALLED) {
        if (w->state == CALLED) {
            if (!promise__shared_serve(ch, w, news)) promise__shared_wait_on(ch, w, NULL);
        } else if (late) {
            promise__shared_leave(ch, w, news);
            return false;
        } else if (news->ports) { /* before we sleep: others wait for what we took away, or brought */
            pthread_mutex_unlock(&ch->lock);
            promise__shared_tell(news);
            news->ports = NULL;
            pthread_mutex_lock(&ch->lock);
        } else if (timeout_ms == UINT64_MAX) {
            pthread_cond_wait(w->wake, &ch->lock);
        } else {
            late = pthread_cond_timedwait(w->wake, &ch->lock, &end) == ETIMEDOUT;
        }
    }
    return true;
}

/* With the lock: waits to send v, or to receive. */
static promise_value_t wait(promise_shared_channel_t *ch, bool sends, promise_value_t v, uint64_t timeout_ms,
                            struct shared_news *news, const char *function) {
    pthread_cond_t wake;
    struct shared_waiter w = {.value = v, .wake = &wake};
    bool done = false;

    if (timeout_ms) {
        cond_init(&wake);
        promise__shared_wait(ch, &w, sends, news);
        done = sleep_until(ch, &w, timeout_ms, news);
        pthread_cond_destroy(&wake);
    }
    if (!done)
        return promise_throw_at(NULL, &promise_errors, PROMISE_ETIMEDOUT, "%s: timed out after %llu ms", function,
                                (unsigned long long)timeout_ms);
    return w.state == REFUSED ? promise__shared_closed(function) : w.value;
}

static int outcome_is(promise_value_t *outcome, promise_value_t v) {
    int status = promise_is_rejection(v) ? -1 : 0;

    if (!outcome) {
        promise__release(v);
        return status;
    }
    promise_value_clear(outcome);
    *outcome = promise__mark(v, MARK_HELD);
    return status;
}

int promise_shared_send_wait(promise_shared_channel_t *ch, promise_value_t v, uint64_t timeout_ms, promise_value_t *outcome) {
    struct shared_news news = {0};
    promise_value_t result = promise_void();
    enum shared_put put;

    check_thread(timeout_ms, __func__);
    if (!promise__shared_accepts(&v, __func__)) return outcome_is(outcome, v);
    if (!ch) {
        promise__release(v);
        return outcome_is(outcome, promise__nomem());
    }
    pthread_mutex_lock(&ch->lock);
    put = promise__shared_put(ch, v, &news);
    if (put == SHARED_FULL) result = wait(ch, true, v, timeout_ms, &news, __func__);
    pthread_mutex_unlock(&ch->lock);
    promise__shared_tell(&news);
    if (put == SHARED_CLOSED) result = promise__shared_closed(__func__);
    if (put == SHARED_NOMEM) result = promise__nomem();
    if (promise_is_rejection(result)) promise__release(v);
    return outcome_is(outcome, result);
}

int promise_shared_receive_wait(promise_shared_channel_t *ch, uint64_t timeout_ms, promise_value_t *item) {
    struct shared_news news = {0};
    promise_value_t v = promise_end();

    check_thread(timeout_ms, __func__);
    if (!item) promise__stop("promise_shared_receive_wait: item is NULL");
    if (!ch) return outcome_is(item, promise__nomem());
    pthread_mutex_lock(&ch->lock);
    if (promise__shared_has_more(ch)) promise__shared_take(ch, &v, &news);
    else if (!promise__shared_is_over(ch)) v = wait(ch, false, promise_void(), timeout_ms, &news, __func__);
    pthread_mutex_unlock(&ch->lock);
    promise__shared_tell(&news);
    return outcome_is(item, v);
}

/* ---- close, query ---- */

void promise_shared_channel_close(void *arg) {
    promise_shared_channel_t *ch = arg;
    struct shared_news news = {0};

    if (!ch) return;
    pthread_mutex_lock(&ch->lock);
    promise__shared_close(ch, &news);
    pthread_mutex_unlock(&ch->lock);
    promise__shared_tell(&news);
}

size_t promise_shared_channel_size(promise_shared_channel_t *ch) {
    size_t size;

    if (!ch) return 0;
    pthread_mutex_lock(&ch->lock);
    size = ch->count;
    pthread_mutex_unlock(&ch->lock);
    return size;
}

size_t promise_shared_channel_capacity(const promise_shared_channel_t *ch) { return ch ? ch->capacity : 0; }

bool promise_shared_channel_is_closed(promise_shared_channel_t *ch) {
    bool closed;

    if (!ch) return true;
    pthread_mutex_lock(&ch->lock);
    closed = ch->closed;
    pthread_mutex_unlock(&ch->lock);
    return closed;
}
