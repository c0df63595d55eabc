/* Loops on threads, as other threads see them: starting, giving work, stopping. */
#include "loops.h"

#include <promise/combine.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cross.h"
#include "thread.h"
#include "waiting.h"

enum { MOST_THREADS = 1024 };

/* ---- what threads tell ---- */

bool promise__loops_report(struct loops_thread *t, int error) {
    promise_loops_t *loops = t->loops;
    bool begins;

    pthread_mutex_lock(&loops->lock);
    loops->starting--;
    if (error && !loops->error) {
        loops->error = error;
        loops->failed_at = t->number;
    }
    pthread_cond_broadcast(&loops->changed);
    while (!loops->decided) pthread_cond_wait(&loops->changed, &loops->lock);
    begins = !loops->error;
    pthread_mutex_unlock(&loops->lock);
    return begins;
}

static void drop(promise_loops_t *loops) {
    if (atomic_fetch_sub_explicit(&loops->refs, 1, memory_order_acq_rel) != 1) return;
    pthread_cond_destroy(&loops->changed);
    pthread_mutex_destroy(&loops->lock);
    promise__free(loops);
}

/* Not on the thread of its loop, which is gone, or may be. */
static void stopper_lost(struct stopper *s) {
    promise_mailbox_unref(s->mailbox);
    drop(s->loops);
    promise__free(s);
}

/* The last one tells those who wait. Nothing of the loops is used after that: they may be freed when it is joined. */
void promise__loops_ended(struct loops_thread *t) {
    promise_loops_t *loops = t->loops;
    struct stopper *s = NULL, *next;

    pthread_mutex_lock(&loops->lock);
    if (!--loops->running) {
        s = loops->stoppers;
        loops->stoppers = NULL;
        pthread_cond_broadcast(&loops->changed);
    }
    pthread_mutex_unlock(&loops->lock);
    for (; s; s = next) {
        next = s->next;
        if (promise__mail_send(s->mailbox, &s->mail) < 0) stopper_lost(s);
    }
}

/* ---- ending ---- */

/* With the lock: the mails of a kind, once. */
static void send_ends(promise_loops_t *loops) {
    if (loops->ending) return;
    loops->ending = true;
    atomic_store(&loops->closed, true);
    for (size_t i = 0; i < loops->count; i++) {
        struct loops_thread *t = &loops->threads[i];
        if (t->mailbox) promise__mail_send(t->mailbox, &t->end); /* or it has ended */
    }
}

static void send_stops(promise_loops_t *loops, uint64_t timeout_ms) {
    if (loops->stopping || loops->ending) return;
    loops->stopping = true;
    loops->timeout_ms = timeout_ms;
    atomic_store(&loops->closed, true);
    for (size_t i = 0; i < loops->count; i++) promise__mail_send(loops->threads[i].mailbox, &loops->threads[i].stop);
}

/* With the lock; the threads have ended, or are about to, without needing it. */
static void join(promise_loops_t *loops) {
    if (loops->joined) return;
    loops->joined = true;
    for (size_t i = 0; i < loops->count; i++) pthread_join(loops->threads[i].thread, NULL);
}

static void end_all(promise_loops_t *loops) {
    pthread_mutex_lock(&loops->lock);
    send_ends(loops);
    while (loops->running) pthread_cond_wait(&loops->changed, &loops->lock);
    join(loops);
    pthread_mutex_unlock(&loops->lock);
    for (size_t i = 0; i < loops->count; i++) promise_mailbox_unref(loops->threads[i].mailbox);
    loops->count = 0;
}

/* ---- make and free ---- */

static promise_loops_t *loops_new(const struct promise_loops_options *options, size_t n) {
    promise_loops_t *loops = promise__malloc(sizeof *loops + n * sizeof *loops->threads);

    if (!loops) return NULL;
    memset(loops, 0, sizeof *loops + n * sizeof *loops->threads);
    if (options) loops->options = *options;
    snprintf(loops->name, sizeof loops->name, "%s", options && options->name ? options->name : "loop");
    loops->options.name = NULL;
    atomic_init(&loops->refs, 1);
    atomic_init(&loops->turn, 0);
    atomic_init(&loops->closed, false);
    atomic_init(&loops->cut_off, 0);
    pthread_mutex_init(&loops->lock, NULL);
    pthread_cond_init(&loops->changed, NULL);
    return loops;
}

static int start_thread(promise_loops_t *loops, size_t i) {
    struct loops_thread *t = &loops->threads[i];

    t->loops = loops;
    t->number = i;
    t->stop.open = promise__loops_open_stop;
    t->end.open = promise__loops_open_end;
    atomic_init(&t->tally.calls, 0);
    atomic_init(&t->gone, false);
    return promise__thread_start(&t->thread, loops->options.stack_size, promise__loops_thread, t);
}

promise_loops_t *promise_loops_new(const struct promise_loops_options *options) {
    size_t n = options && options->threads ? options->threads : promise__processors();
    promise_loops_t *loops;
    int error = 0;

    if (n > MOST_THREADS) n = MOST_THREADS;
    loops = loops_new(options, n);
    if (!loops) return NULL;
    pthread_mutex_lock(&loops->lock);
    for (; loops->count < n; loops->count++, loops->starting++, loops->running++) {
        error = start_thread(loops, loops->count);
        if (error) break;
    }
    while (loops->starting) pthread_cond_wait(&loops->changed, &loops->lock);
    if (error && !loops->error) {
        loops->error = error;
        loops->failed_at = loops->count;
    }
    loops->decided = true;
    pthread_cond_broadcast(&loops->changed);
    pthread_mutex_unlock(&loops->lock);
    if (loops->error) end_all(loops);
    return loops;
}

void promise_loops_free(void *loops) {
    if (!loops) return;
    if (promise_loops_here(loops) != SIZE_MAX)
        promise__stop("promise_loops_free: called on one of their threads, which it would wait for");
    end_all(loops);
    drop(loops);
}

/* ---- give them work ---- */

static promise_value_t why_not(const promise_loops_t *loops, const char *function) {
    if (!loops) return promise__nomem();
    if (loops->error)
        return promise_throw_errno_at(NULL, loops->error,
                                      "%s: the loops were not started, for want of the one on thread %s-%zu", function,
                                      loops->name, loops->failed_at);
    if (atomic_load_explicit(&loops->closed, memory_order_relaxed))
        return promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "%s: the loops were stopped", function);
    return promise_void();
}

promise_value_t promise_loops_error(const promise_loops_t *loops) {
    return loops && !loops->error ? promise_void() : why_not(loops, "promise_loops_new");
}

static promise_t *rejected(promise_loop_t *loop, promise_value_t v, promise_value_t why) {
    promise__release(promise__take(v));
    return promise__settled(loop, why);
}

static promise_t *run_on(promise_loop_t *loop, struct loops_thread *t, promise_fn *fn, promise_value_t v,
                         const char *function) {
    return promise__call_on(loop, t->mailbox, &t->tally, fn, v, function);
}

static promise_loop_t *check(promise_loop_t *loop, promise_fn *fn, const char *function) {
    if (!fn) promise__stop("%s: fn is NULL", function);
    return promise__event_loop_arg(loop, function);
}

/* The one with the fewest calls, in turn among equals; NULL when handlers have freed all. */
static struct loops_thread *choose(promise_loops_t *loops) {
    size_t i = atomic_fetch_add_explicit(&loops->turn, 1, memory_order_relaxed) % loops->count, least = SIZE_MAX;
    struct loops_thread *best = NULL;

    for (size_t n = loops->count; n && least; n--, i = i + 1 < loops->count ? i + 1 : 0) {
        struct loops_thread *t = &loops->threads[i];
        size_t calls = promise__tally_count(&t->tally);
        if (calls >= least || atomic_load_explicit(&t->gone, memory_order_relaxed)) continue;
        least = calls;
        best = t;
    }
    return best;
}

promise_t *promise_loops_run(promise_loop_t *loop, promise_loops_t *loops, promise_fn *fn, promise_value_t v) {
    struct loops_thread *t = NULL;
    promise_value_t why;

    loop = check(loop, fn, __func__);
    why = why_not(loops, __func__);
    if (!promise_is_rejection(why) && !(t = choose(loops)))
        why = promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "%s: each of the loops was freed", __func__);
    if (!t) return rejected(loop, v, why);
    return run_on(loop, t, fn, v, __func__);
}

promise_t *promise_loops_run_on(promise_loop_t *loop, promise_loops_t *loops, size_t number, promise_fn *fn,
                                promise_value_t v) {
    promise_value_t why;

    loop = check(loop, fn, __func__);
    why = why_not(loops, __func__);
    if (!promise_is_rejection(why) && number >= loops->count)
        why = promise_throw_errno_at(NULL, EINVAL, "%s: expected one of %zu loops, got number %zu", __func__, loops->count,
                                     number);
    if (promise_is_rejection(why)) return rejected(loop, v, why);
    return run_on(loop, &loops->threads[number], fn, v, __func__);
}

/* ---- on all of them ---- */

/* v, and copies of it: all of them, or none and the rejection that says why. */
static promise_value_t copy_for_all(promise_value_t *values, size_t n, promise_value_t v, const char *function) {
    values[0] = v;
    if (!promise__cross_argument(&values[0], function)) return values[0];
    for (size_t i = 1; i < n; i++) {
        values[i] = promise__copy(values[0]);
        if (promise__cross(&values[i], function)) continue;
        v = values[i];
        while (i--) promise__release(values[i]);
        return v;
    }
    return promise_void();
}

static promise_t *on_all(promise_loop_t *loop, promise_loops_t *loops, promise_fn *fn, promise_value_t v,
                         const char *function) {
    promise_value_t why = why_not(loops, function), *values;
    promise_t **ps, *all;

    if (promise_is_rejection(why)) return rejected(loop, v, why);
    values = promise__malloc(loops->count * (sizeof *values + sizeof *ps));
    if (!values) return rejected(loop, v, promise__nomem());
    ps = (promise_t **)(values + loops->count);
    why = copy_for_all(values, loops->count, v, function);
    if (promise_is_rejection(why)) {
        promise__free(values);
        return promise__settled(loop, why);
    }
    for (size_t i = 0; i < loops->count; i++) ps[i] = run_on(loop, &loops->threads[i], fn, values[i], function);
    all = promise_all(loop, loops->count, ps);
    promise__free(values);
    return all;
}

promise_t *promise_loops_all(promise_loop_t *loop, promise_loops_t *loops, promise_fn *fn, promise_value_t v) {
    return on_all(check(loop, fn, __func__), loops, fn, v, __func__);
}

promise_t *promise_loops_ready(promise_loop_t *loop, promise_loops_t *loops) {
    return on_all(promise__event_loop_arg(loop, __func__), loops, promise__loops_give_init, promise_void(), __func__);
}

/* ---- stop ---- */

static void open_stopper(struct mail *mail, promise_loop_t *loop) {
    struct stopper *s = (struct stopper *)mail;
    promise_loops_t *loops = s->loops;

    (void)loop;
    pthread_mutex_lock(&loops->lock);
    join(loops);
    pthread_mutex_unlock(&loops->lock);
    if (s->resolver) promise_resolve(s->resolver, promise_int((int64_t)atomic_load(&loops->cut_off)));
    promise__mailbox_release(s->mailbox);
    promise__free(s);
    drop(loops);
}

/* False when its mail is on its way. */
static bool stopper_leaves(struct stopper *s) {
    promise_loops_t *loops = s->loops;
    struct stopper **link = &loops->stoppers;

    pthread_mutex_lock(&loops->lock);
    while (*link && *link != s) link = &(*link)->next;
    if (!*link) s = NULL;
    else *link = s->next;
    pthread_mutex_unlock(&loops->lock);
    return s;
}

static void stop_waiting(void *arg) {
    struct stopper *s = arg;
    promise_resolver_t *resolver = s->resolver;
    promise_loop_t *loop = promise__loop((promise_t *)resolver);

    s->resolver = NULL;
    if (stopper_leaves(s)) {
        promise__mailbox_give_back(loop, s->mailbox);
        drop(s->loops);
        promise__free(s);
    }
    promise_abandon(resolver);
}

/* NULL when out of memory. */
static struct stopper *stopper_new(promise_loop_t *loop, promise_loops_t *loops) {
    struct stopper *s = promise__malloc(sizeof *s);

    if (!s) return NULL;
    *s = (struct stopper){
        .mail.open = open_stopper, .loops = loops, .mailbox = promise__loop_mailbox(loop, "promise_loops_stop")};
    if (s->mailbox) return s;
    promise__free(s);
    return NULL;
}

promise_t *promise_loops_stop(promise_loop_t *loop, promise_loops_t *loops, uint64_t timeout_ms) {
    struct stopper *s;
    promise_t *p;
    bool over;

    loop = promise__event_loop_arg(loop, __func__);
    if (!loops || loops->error) return promise__settled(loop, why_not(loops, __func__));
    if (loop->dying) return promise__settled(loop, promise__canceled());
    s = stopper_new(loop, loops);
    if (!s) return promise__settled(loop, promise__nomem());
    p = promise_new(loop, &s->resolver);
    promise_on_cancel(s->resolver, stop_waiting, s);
    atomic_fetch_add(&loops->refs, 1);
    pthread_mutex_lock(&loops->lock);
    over = !loops->running;
    if (!over) {
        s->next = loops->stoppers;
        loops->stoppers = s;
        send_stops(loops, timeout_ms);
    }
    pthread_mutex_unlock(&loops->lock);
    if (over) promise__mail_send(s->mailbox, &s->mail); /* to ourselves */
    return p;
}

/* ---- query ---- */

size_t promise_loops_count(const promise_loops_t *loops) { return loops ? loops->count : 0; }

size_t promise_loops_here(const promise_loops_t *loops) {
    const struct loops_thread *t = promise__loops_myself();

    return t && t->loops == loops ? t->number : SIZE_MAX;
}

promise_mailbox_t *promise_loops_mailbox(const promise_loops_t *loops, size_t number) {
    return number < promise_loops_count(loops) ? loops->threads[number].mailbox : NULL;
}
