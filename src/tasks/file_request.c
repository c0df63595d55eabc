/* Requests to files: making them, having them done, and the order of those of one object. */
#include "file_request.h"

#include <errno.h>
#include <string.h>

#include <promise/work.h>

#include "waiting.h"

/* ---- holds ---- */

void promise__file_hold_init(struct file_hold *hold, void (*free)(struct file_hold *hold)) {
    atomic_init(&hold->refs, 1);
    hold->free = free;
}

struct file_hold *promise__file_hold_ref(struct file_hold *hold) {
    atomic_fetch_add_explicit(&hold->refs, 1, memory_order_relaxed);
    return hold;
}

void promise__file_hold_unref(struct file_hold *hold) {
    if (hold && atomic_fetch_sub_explicit(&hold->refs, 1, memory_order_acq_rel) == 1) hold->free(hold);
}

/* ---- requests ---- */

static void request_retain(void *object) {
    atomic_fetch_add_explicit(&((struct file_request *)object)->refs, 1, memory_order_relaxed);
}

static void request_release(void *object) {
    struct file_request *r = object;

    if (atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1) return;
    promise__file_hold_unref(r->ask.on);
    promise__release(r->ask.data);
    promise__release(r->result);
    promise__free(r);
}

static const struct promise_type request_type = {
    .size = sizeof(struct promise_type), .name = "file request", .retain = request_retain, .release = request_release};

promise_value_t promise__file_request_value(struct file_request *r) {
    request_retain(r);
    return promise_object(&request_type, r);
}

struct file_request *promise__file_request_of(promise_value_t v) {
    return promise_as_object(v, &request_type);
}

/* Takes over what ask owns; NULL when out of memory. */
static struct file_request *request_new(const struct file_ask *ask) {
    size_t size = ask->path ? strlen(ask->path) + 1 : 0, other = ask->other ? strlen(ask->other) + 1 : 0;
    struct file_request *r = promise__malloc(sizeof *r + size + other);

    if (!r) {
        promise__file_hold_unref(ask->on);
        promise__release(ask->data);
        return NULL;
    }
    memset(r, 0, sizeof *r);
    atomic_init(&r->refs, 1);
    atomic_init(&r->state, REQUEST_WAITS);
    r->ask = *ask;
    if (size) r->ask.path = memcpy(r->text, ask->path, size);
    if (other) r->ask.other = memcpy(r->text + size, ask->other, other);
    return r;
}

promise_value_t promise__file_data(promise_value_t v, const char *function) {
    promise_value_t own = promise__take(v), copy;
    const char *bytes;
    size_t size;

    if (promise_is_rejection(own)) return own; /* one that could not be made */
    if (!promise_is(own, &promise_type_bytes) && !promise_is(own, &promise_type_string)) {
        promise__release(own);
        return promise__bad_argument(function, "data is neither bytes nor a string");
    }
    if (((struct cell *)own.as.pointer)->refs == 1) return own;
    bytes = promise_as_bytes(own, &size);
    copy = promise_bytes(bytes, size);
    promise__release(own);
    return copy;
}

/* ---- on the thread ---- */

promise_value_t promise__file_failed(const struct file_request *r, const char *what, int error) {
    if (r->ask.other) return promise_throw_errno_at(NULL, error, "%s %s to %s", what, r->ask.path, r->ask.other);
    return promise_throw_errno_at(NULL, error, "%s %s", what, r->ask.path);
}

/* Who is first to say what becomes of it. */
static bool turn(struct file_request *r, int state) {
    int waits = REQUEST_WAITS;
    return atomic_compare_exchange_strong(&r->state, &waits, state);
}

static promise_value_t run(promise_value_t v, void *arg) {
    struct file_request *r = promise__file_request_of(v);
    promise_value_t result;

    (void)arg;
    if (!turn(r, REQUEST_RUNS)) return promise_void();
    result = r->ask.action->run(r);
    if (!r->queue) return result;
    r->result = result;
    return promise_void();
}

static promise_t *start(promise_loop_t *loop, struct file_request *r) {
    return promise_work(loop, promise_pool_for_files(), run, promise__file_request_value(r));
}

/* ---- by path ---- */

/* The name of a path that is missing, or NULL. */
static const char *missing_path(const struct file_ask *ask) {
    const char *const *two = ask->action->two;

    if (!ask->path) return two[0] ? two[0] : "path";
    return two[0] && !ask->other ? two[1] : NULL;
}

promise_t *promise__file_ask(promise_loop_t *loop, const char *function, struct file_ask ask) {
    const char *missing = missing_path(&ask);
    struct file_request *r;
    promise_t *p;

    loop = promise__event_loop_arg(loop, function);
    if (promise_is_rejection(ask.data)) return promise__settled(loop, ask.data);
    if (missing) {
        promise__release(ask.data);
        return promise__settled(loop, promise_throw_errno_at(NULL, EINVAL, "%s: %s is NULL", function, missing));
    }
    r = request_new(&ask);
    if (!r) return promise__settled(loop, promise__nomem());
    p = start(loop, r);
    request_release(r);
    return p;
}

/* ---- the queue of an object ---- */

static void gone(struct promise_source *source) {
    promise__file_queue_end((struct file_queue *)source, promise__canceled()); /* the first field */
}

int promise__file_queue_init(struct file_queue *q, promise_loop_t *loop, struct file_hold *on, promise_value_t refused,
                             void (*destroy)(struct file_queue *q)) {
    *q = (struct file_queue){.loop = loop, .refs = 1, .on = on, .refused = refused, .destroy = destroy};
    q->tail = &q->first;
    q->anchor = promise_ref(loop->nomem);
    return on ? promise_source_add(loop, &q->source, gone) : 0;
}

void promise__file_queue_unref(struct file_queue *q) {
    promise_t *anchor = q->anchor;

    if (--q->refs) return;
    promise__file_queue_end(q, promise_void());
    promise__release(q->refused);
    q->destroy(q);
    promise__drop_ref(anchor);
}

void promise__file_queue_end(struct file_queue *q, promise_value_t why) {
    struct file_hold *on = q->on;

    promise_source_remove(&q->source);
    promise__release(q->refused);
    q->refused = why;
    q->on = NULL;
    promise__file_hold_unref(on);
}

/* It is over: settles what the program waits for. The queue may be gone then. */
static void finish(struct file_request *r, promise_value_t result) {
    struct file_queue *q = r->queue;
    promise_resolver_t *resolver;

    q->running--;
    q->alone = false;
    if (r->ask.action->done) result = r->ask.action->done(r, result);
    resolver = r->resolver;
    r->resolver = NULL;
    if (resolver) promise_resolve(resolver, result);
    else promise__release(result);
    request_release(r);
    promise__file_queue_unref(q);
}

static void begin(struct file_request *r);

/* Begins what may begin now. */
static void go_on(struct file_queue *q) {
    struct file_request *r;

    q->refs++;
    while ((r = q->first) && !q->alone && (!q->running || r->ask.action->shared)) begin(r);
    promise__file_queue_unref(q);
}

/* The thread has come back with it; or it was not there, and the promise of the work tells why. Or it is at it still, and
 * nobody waits for it any more (the loop goes, the pool was shut down): then the object is its own from now on. */
static void finished(void *arg) {
    struct file_request *r = arg;
    struct file_queue *q = r->queue;
    promise_t *work = r->work;
    promise_value_t result;

    q->refs++;
    if (promise_get_state(work) == PROMISE_REJECTED) {
        result = promise__copy(promise__mark(promise_peek(work), 0));
        if (atomic_load(&r->state) == REQUEST_RUNS) promise__file_queue_end(q, promise__copy(result));
    } else {
        result = r->result;
        r->result = promise_void();
    }
    promise_unref(work);
    finish(r, result);
    go_on(q);
    promise__file_queue_unref(q);
}

static void unlink_request(struct file_request *r) {
    *r->link = r->next;
    if (r->next) r->next->link = r->link;
    else r->queue->tail = r->link;
    r->link = NULL;
}

/* attach does not fail: so the end of the work is always heard of. */
static void begin(struct file_request *r) {
    struct file_queue *q = r->queue;
    promise_value_t result;
    promise_t *p;

    unlink_request(r);
    q->running++;
    q->alone = !r->ask.action->shared;
    if (r->ask.action->begin && r->ask.action->begin(r, &result)) {
        finish(r, result);
        return;
    }
    if (!q->on) {
        finish(r, promise__copy(q->refused));
        return;
    }
    r->ask.on = promise__file_hold_ref(q->on);
    p = start(q->loop, r);
    r->work = promise_ref(p);
    p = promise_attach(p, r, finished);
    promise__handled(p);
    promise_unref(p);
}

/* Nobody wants it any more. A thread that is at it goes on. */
static void stop(void *arg) {
    struct file_request *r = arg;
    promise_resolver_t *resolver = r->resolver;

    r->resolver = NULL;
    if (r->ask.action->always) {
    } else if (r->link) {
        struct file_queue *q = r->queue;
        unlink_request(r);
        request_release(r);
        q->refs++;
        promise__file_queue_unref(q);
        go_on(q); /* it may have kept others apart that go together */
        promise__file_queue_unref(q);
    } else if (turn(r, REQUEST_NEVER)) {
        promise_cancel(promise_ref(r->work));
    }
    promise_abandon(resolver);
}

promise_t *promise__file_queue_ask(struct file_queue *q, struct file_ask ask) {
    struct file_request *r;
    promise_t *p;

    if (q->loop->dying || promise_is_rejection(ask.data)) {
        promise_value_t why = promise_is_rejection(ask.data) ? ask.data : promise__canceled();
        if (!promise_is_rejection(ask.data)) promise__release(ask.data);
        return promise__settled(q->loop, why);
    }
    r = request_new(&ask);
    if (!r) return promise__settled(q->loop, promise__nomem());
    p = promise_new(q->loop, &r->resolver);
    if (!promise_resolver_is_pending(r->resolver)) { /* out of memory: it would not hear of a cancel */
        promise_abandon(r->resolver);
        request_release(r);
        return p;
    }
    promise_on_cancel(r->resolver, stop, r);
    q->refs++;
    r->queue = q;
    r->link = q->tail;
    *q->tail = r;
    q->tail = &r->next;
    go_on(q);
    return p;
}
