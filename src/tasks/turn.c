/* The queue of a lock; what waits, has its turn, and gives it up. */
#include "tasks/turn.h"

#include <string.h>

/* ---- lists ---- */

static void append(struct turn_list *list, promise_t *p) {
    p->turn_next = NULL;
    p->turn_link = list->tail;
    *list->tail = p;
    list->tail = &p->turn_next;
    list->count++;
}

static void take_out(struct turn_list *list, promise_t *p) {
    *p->turn_link = p->turn_next;
    if (p->turn_next) p->turn_next->turn_link = p->turn_link;
    else list->tail = p->turn_link;
    list->count--;
}

/* p leaves the lock. */
static struct turns *leave(promise_t *p) {
    struct turns *t = p->turns;

    take_out(p->flags & FLAG_LATE ? &t->granted : &t->waiting, p);
    p->turns = NULL;
    return t;
}

/* ---- make and free ---- */

static promise_value_t closed_error(const struct turns *t) {
    return promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "the %s was freed", t->type->name);
}

static void free_if_unused(struct turns *t) {
    if (!t->closed || t->held || t->refs) return;
    promise_source_remove(&t->source);
    promise__free(t);
}

/* Who waits is rejected with why, which is taken over; who was to be told of the lock too. */
static void close_lock(struct turns *t, promise_value_t why) {
    promise_t *p;

    t->closed = true;
    while ((p = t->waiting.first)) {
        (void)leave(p);
        if (!(p->flags & FLAG_LISTED)) promise__settle(p, promise__copy(why)); /* else the cancel does */
    }
    while ((p = t->granted.first)) { /* its job finds it without a lock */
        uintptr_t want = p->want;
        (void)leave(p);
        t->type->give(t, want);
    }
    promise__release(why);
}

/* J5: nobody waits any more; who holds it will not give it back. */
static void loop_gone(struct promise_source *source) {
    struct turns *t = (struct turns *)(void *)source;

    close_lock(t, promise__canceled());
    t->held = 0;
    free_if_unused(t);
}

void *promise__turns_new(promise_loop_t *loop, const struct turns_type *type, size_t size, const char *function) {
    struct turns *t;

    loop = promise__loop_arg(loop, function);
    t = promise__malloc(size);
    if (!t) return promise_source_nomem(loop);
    memset(t, 0, size);
    t->loop = loop;
    t->type = type;
    t->waiting.tail = &t->waiting.first;
    t->granted.tail = &t->granted.first;
    if (promise_source_add(loop, &t->source, loop_gone) == 0) return t;
    promise__free(t);
    return promise_source_nomem(loop);
}

void *promise__turns_check(const void *lock, const struct turns_type *type, const char *function) {
    const struct turns *t = lock;

    if (!t) promise__stop("%s: the %s is NULL", function, type->name);
    if (t->type != type) promise__stop("%s: expected a %s, got something else", function, type->name);
    promise__check_thread(t->loop, function);
    return (void *)(uintptr_t)lock;
}

void promise__turns_free(void *lock, const struct turns_type *type, const char *function) {
    struct turns *t;

    if (!lock || promise_source_nomem_loop(lock)) return;
    t = promise__turns_check(lock, type, function);
    if (t->closed) promise__stop("%s: expected a %s, got one that was freed", function, type->name);
    close_lock(t, closed_error(t));
    free_if_unused(t);
}

void promise__turns_unref(struct turns *t) {
    t->refs--;
    free_if_unused(t);
}

promise_t *promise__turns_refuse(const void *lock) {
    promise_loop_t *loop = promise_source_nomem_loop(lock);

    return loop ? promise__settled(loop, promise__no_object(loop)) : NULL;
}

/* ---- waiting, and having one's turn ---- */

static void grant(struct turns *t, promise_t *p) {
    append(&t->granted, p);
    promise__run_late(p, NULL);
}

promise_t *promise__turn(struct turns *t, uintptr_t want) {
    promise_loop_t *loop = t->loop;
    promise_t *p;

    if (loop->dying) return promise__settled(loop, promise__canceled());
    if (t->closed) return promise__settled(loop, closed_error(t));
    p = promise__alloc(loop, KIND_TURN);
    if (!p) return promise_ref(loop->nomem);
    p->turns = t;
    p->want = want;
    if (!t->waiting.first && t->type->take(t, want)) grant(t, p);
    else append(&t->waiting, p);
    return p;
}

bool promise__turn_try(struct turns *t, uintptr_t want) {
    return !t->loop->dying && !t->closed && !t->waiting.first && t->type->take(t, want);
}

/* One that is on the work list of cancels gets nothing any more. */
void promise__turns_serve(struct turns *t) {
    promise_t *p;

    while ((p = t->waiting.first)) {
        bool gone = p->flags & FLAG_LISTED;
        if (!gone && !t->type->take(t, p->want)) return;
        take_out(&t->waiting, p);
        if (gone) p->turns = NULL;
        else grant(t, p);
    }
}

void promise__turn_end(struct turns *t, uintptr_t want) {
    t->type->give(t, want);
    promise__turns_serve(t);
    free_if_unused(t);
}

/* Behind one that was too big there may be others that fit. */
void promise__turn_cancel(promise_t *p) {
    struct turns *t = p->turns ? leave(p) : NULL;

    promise__settle(p, promise__canceled());
    if (t) promise__turns_serve(t);
}

void promise__turn_run(promise_loop_t *loop, promise_t *p, promise_value_t input) {
    struct turns *t = p->turns;
    bool canceled = input.type & MARK_REJECTION;
    uintptr_t want = p->want;

    if (!t) { /* freed meanwhile */
        promise__settle(p, canceled ? input : promise_throw_at(NULL, &promise_errors, PROMISE_ECLOSED, "the lock was freed"));
        return;
    }
    take_out(&t->granted, p);
    if (!canceled && (p->children || p->refs)) {
        promise__settle_at_once(loop, p, t->type->told ? t->type->told(t, want) : promise_void());
        return;
    }
    promise__settle(p, input);
    promise__turn_end(t, want);
}

/* It stays in the queue of jobs, where there will be nothing to do for it. What is told in order is told by the jobs. */
void promise__turn_tell(promise_t *p) {
    uint32_t late = FLAG_LATE, not_so = FLAG_SETTLED | FLAG_NO_INPUT;

    if ((p->flags & (late | not_so)) != late || p->children || !p->turns || p->turns->type->told) return;
    (void)leave(p);
    p->flags = (p->flags & ~late) | FLAG_SETTLED | FLAG_QUEUED;
    p->value = promise_void();
}

const char *promise__turn_at(const promise_t *p) {
    return !(p->flags & FLAG_SETTLED) && p->turns ? p->turns->type->name : NULL;
}

/* ---- with ---- */

struct with {
    struct turns *turns;
    uintptr_t want;
    promise_fn *fn;
    void *arg;
    bool held; /* it had its turn */
};

static promise_value_t with_run(promise_value_t v, void *arg) {
    struct with *w = arg;

    (void)v;
    w->held = true;
    return w->fn(promise_void(), w->arg);
}

static void with_end(void *arg) {
    struct with *w = arg;

    if (w->held) promise__turn_end(w->turns, w->want);
    promise__turns_unref(w->turns);
    promise__free(w);
}

promise_t *promise__turn_with(struct turns *t, uintptr_t want, promise_fn *fn, void *arg) {
    struct with *w;
    promise_t *p;

    if (t->loop->dying) return promise__settled(t->loop, promise__canceled());
    w = promise__malloc(sizeof *w);
    if (!w) return promise__settled(t->loop, promise__nomem());
    if (t->type->owned) want |= (uintptr_t)w | TURN_WITH;
    *w = (struct with){.turns = t, .want = want, .fn = fn, .arg = arg};
    promise__turns_ref(t); /* a condition may let go of a mutex meanwhile, and that be freed */
    p = promise_then(promise__turn(t, want), with_run, w);
    return promise_attach(p, w, with_end);
}
