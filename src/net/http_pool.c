/* The client's connections. */
#include "http_pool.h"

#include <string.h>

#include <promise/error.h>
#include <promise/memory.h>
#include <promise/source.h>
#include <promise/timer.h>

void promise__http_pool_init(struct http_pool *pool, promise_loop_t *loop) { *pool = (struct http_pool){.loop = loop}; }

/* ---- origins ---- */

static uint32_t hash_of(const struct http_url *url) {
    uint32_t hash = 2166136261u;

    for (const char *c = url->host; *c; c++) hash = (hash ^ (unsigned char)*c) * 16777619u;
    return (hash ^ url->port) * 16777619u + url->secure;
}

static struct http_origin **bucket_of(struct http_pool *pool, uint32_t hash) { return &pool->origins[hash % HTTP_BUCKETS]; }

static struct http_origin *find_origin(struct http_pool *pool, const struct http_url *url, uint32_t hash) {
    struct http_origin *o = *bucket_of(pool, hash);

    while (o && (o->hash != hash || o->port != url->port || o->secure != url->secure || strcmp(o->host, url->host) != 0))
        o = o->next;
    return o;
}

static struct http_origin *origin_for(struct http_pool *pool, const struct http_url *url) {
    uint32_t hash = hash_of(url);
    struct http_origin *o = find_origin(pool, url, hash), **bucket = bucket_of(pool, hash);
    size_t size = strlen(url->host) + 1;

    if (o) return o;
    o = promise_memory_alloc(sizeof *o + size);
    if (!o) return NULL;
    *o = (struct http_origin){.next = *bucket, .hash = hash, .port = url->port, .secure = url->secure};
    o->last = &o->first;
    memcpy(o->host, url->host, size);
    return *bucket = o;
}

static void forget_if_unused(struct http_pool *pool, struct http_origin *origin) {
    struct http_origin **link = bucket_of(pool, origin->hash);

    if (origin->connections || origin->first) return;
    while (*link != origin) link = &(*link)->next;
    *link = origin->next;
    promise_memory_free(origin);
}

/* ---- connections ---- */

struct http_conn *promise__http_conn_ref(struct http_conn *c) {
    c->refs++;
    return c;
}

void promise__http_conn_unref(struct http_conn *c) {
    if (!c || --c->refs) return;
    promise_value_clear(&c->failure);
    promise_memory_free(c);
}

static void unref_conn(void *conn) { promise__http_conn_unref(conn); }

/* With a reference for the caller. */
static struct http_conn *conn_new(struct http_pool *pool, struct http_origin *origin) {
    struct http_conn *c = promise_memory_alloc(sizeof *c);

    if (!c) return NULL;
    *c = (struct http_conn){.refs = 1, .pool = pool, .origin = origin, .next = pool->all, .link = &pool->all};
    if (pool->all) pool->all->link = &c->next;
    pool->all = c;
    pool->connections++;
    origin->connections++;
    return c;
}

static void leave_idle(struct http_conn *c) {
    struct http_pool *pool = c->pool;

    *(c->older ? &c->older->newer : &pool->oldest) = c->newer;
    *(c->newer ? &c->newer->older : &pool->newest) = c->older;
    *(c->above ? &c->above->below : &c->origin->idle) = c->below;
    if (c->below) c->below->above = c->above;
    c->older = c->newer = c->above = c->below = NULL;
    c->is_idle = false;
    pool->idle--;
}

/* Nothing of it goes on. */
static void hang_up(struct http_conn *c) {
    promise_stream_t *stream = c->stream;
    promise_t *watch = c->watch, *sending = c->sending;

    c->stream = NULL;
    c->watch = c->sending = NULL;
    promise_cancel(watch);
    promise_cancel(sending);
    if (stream) promise_stream_abort(stream);
    promise_stream_unref(stream);
}

/* Closes it; the caller's reference stays. */
static void throw_out(struct http_conn *c) {
    struct http_pool *pool = c->pool;
    struct http_origin *origin = c->origin;

    if (!pool) return;
    if (c->is_idle) leave_idle(c);
    *c->link = c->next;
    if (c->next) c->next->link = c->link;
    c->pool = NULL;
    c->origin = NULL;
    pool->connections--;
    origin->connections--;
    hang_up(c);
    forget_if_unused(pool, origin);
}

/* An idle one, whose reference is the pool's. */
static void throw_out_idle(struct http_conn *c) {
    throw_out(c);
    promise__http_conn_unref(c);
}

/* ---- who waits ---- */

static void enqueue(struct http_pool *pool, struct http_origin *origin, struct http_waiter *w) {
    w->origin = origin;
    w->next = NULL;
    w->link = origin->last;
    w->turn = pool->turns++;
    *origin->last = w;
    origin->last = &w->next;
    if (origin->asking_link) return;
    origin->next_asking = pool->asking;
    origin->asking_link = &pool->asking;
    if (pool->asking) pool->asking->asking_link = &origin->next_asking;
    pool->asking = origin;
}

/* Gives the resolver. */
static promise_resolver_t *dequeue(struct http_waiter *w) {
    struct http_origin *o = w->origin;
    promise_resolver_t *resolver = w->resolver;

    *w->link = w->next;
    if (w->next) w->next->link = w->link;
    else o->last = w->link;
    w->resolver = NULL;
    w->origin = NULL;
    if (o->first) return resolver;
    *o->asking_link = o->next_asking;
    if (o->next_asking) o->next_asking->asking_link = o->asking_link;
    o->asking_link = NULL;
    return resolver;
}

static promise_resolver_t *leave_queue(struct http_pool *pool, struct http_waiter *w) {
    struct http_origin *origin = w->origin;
    promise_resolver_t *resolver = dequeue(w);

    forget_if_unused(pool, origin);
    return resolver;
}

/* Can it have a connection now, perhaps in place of one that is idle? */
static bool can_have(const struct http_pool *pool, const struct http_origin *origin, bool fresh) {
    if (!fresh && origin->idle) return true;
    if (origin->connections >= pool->max_per_origin && !origin->idle) return false;
    return pool->connections < pool->max || pool->idle;
}

/* An idle connection that is as it should be; others are thrown out. Somebody waits for it, so that the origin stays. */
static struct http_conn *take_idle(struct http_origin *origin) {
    struct http_conn *c;

    while ((c = origin->idle)) {
        promise_t *watch = c->watch;
        if (promise_get_state(watch) != PROMISE_PENDING || promise_stream_is_closed(c->stream)) {
            throw_out_idle(c);
            continue;
        }
        leave_idle(c);
        c->watch = NULL;
        promise_cancel(watch); /* which loses nothing (K6) */
        c->reused = true;
        return c;
    }
    return NULL;
}

static struct http_conn *oldest_of(const struct http_origin *origin) {
    struct http_conn *c = origin->idle;

    while (c && c->below) c = c->below;
    return c;
}

static struct http_conn *make_room(struct http_pool *pool, struct http_origin *origin) {
    if (origin->connections >= pool->max_per_origin) throw_out_idle(oldest_of(origin));
    if (pool->connections >= pool->max) throw_out_idle(pool->oldest);
    return conn_new(pool, origin);
}

static void grant(struct http_pool *pool, struct http_waiter *w) {
    struct http_origin *origin = w->origin;
    promise_resolver_t *resolver;

    w->conn = w->fresh ? NULL : take_idle(origin);
    if (!w->conn) w->conn = make_room(pool, origin);
    resolver = dequeue(w);
    if (!w->conn) forget_if_unused(pool, origin);
    if (resolver) promise_resolve(resolver, w->conn ? promise_void() : promise_out_of_memory());
}

/* One that is cancelled is about to leave. */
static struct http_waiter *first_of(const struct http_origin *origin) {
    struct http_waiter *w = origin->first;

    while (w && w->resolver && !promise_resolver_is_pending(w->resolver)) w = w->next;
    return w;
}

/* Who has waited longest of all that can be served. */
static struct http_waiter *next_waiter(const struct http_pool *pool) {
    struct http_waiter *next = NULL;

    for (const struct http_origin *o = pool->asking; o; o = o->next_asking) {
        struct http_waiter *w = first_of(o);
        if (w && can_have(pool, o, w->fresh) && (!next || w->turn < next->turn)) next = w;
    }
    return next;
}

/* What is thrown out meanwhile may call it again: by a function of the user's that lets go of a body. */
static void serve(struct http_pool *pool) {
    struct http_waiter *w;

    if (pool->serving) return;
    pool->serving = true;
    while ((w = next_waiter(pool))) grant(pool, w);
    pool->serving = false;
}

static void stop_waiting(void *arg) {
    struct http_waiter *w = arg;

    if (w->origin) promise_abandon(leave_queue(w->pool, w));
}

promise_t *promise__http_pool_get(struct http_pool *pool, const struct http_url *url, struct http_waiter *w) {
    struct http_origin *origin = origin_for(pool, url);
    promise_t *p;

    w->pool = pool;
    w->conn = NULL;
    if (!origin) return promise_from(pool->loop, promise_out_of_memory());
    enqueue(pool, origin, w);
    serve(pool);
    if (!w->origin) return w->conn ? NULL : promise_from(pool->loop, promise_out_of_memory());
    p = promise_new(pool->loop, &w->resolver);
    if (promise_resolver_is_pending(w->resolver)) promise_on_cancel(w->resolver, stop_waiting, w);
    else promise_abandon(leave_queue(w->pool, w));
    return p;
}

/* ---- giving back ---- */

/* The end, stray bytes, the time: whatever it is, it is over. */
static promise_value_t leave(promise_value_t v, void *arg) {
    struct http_conn *c = arg;
    struct http_pool *pool = c->pool;

    if (!c->is_idle || promise_is_canceled(v)) return promise_void();
    throw_out_idle(c);
    serve(pool);
    return promise_void();
}

static void watch(struct http_conn *c) {
    promise_t *read = promise_stream_read(c->stream, 1), *p;

    c->watch = promise_ref(read);
    p = promise_then_catch(promise_timeout(read, c->pool->idle_ms), leave, leave, c);
    promise_unref(promise_attach(p, promise__http_conn_ref(c), unref_conn));
}

static void become_idle(struct http_conn *c) {
    struct http_pool *pool = c->pool;

    c->is_idle = true;
    c->older = pool->newest;
    *(c->older ? &c->older->newer : &pool->oldest) = c;
    pool->newest = c;
    c->below = c->origin->idle;
    if (c->below) c->below->above = c;
    c->origin->idle = c;
    pool->idle++;
    watch(c);
}

static bool is_clean(const struct http_conn *c) {
    if (!c->stream || promise_stream_is_closed(c->stream)) return false;
    if (promise_stream_readable(c->stream) || promise_stream_unsent(c->stream)) return false;
    return !c->sending || promise_get_state(c->sending) == PROMISE_FULFILLED;
}

void promise__http_conn_release(struct http_conn *c, bool reusable) {
    struct http_pool *pool = c->pool;

    if (pool && reusable && is_clean(c)) {
        promise_unref(c->sending);
        c->sending = NULL;
        become_idle(c);
    } else {
        throw_out(c);
        promise__http_conn_unref(c);
    }
    if (pool) serve(pool);
}

void promise__http_pool_close(struct http_pool *pool) {
    struct http_conn *c;

    pool->serving = true; /* no more */
    while (pool->asking) {
        promise_resolver_t *resolver = leave_queue(pool, pool->asking->first);
        if (resolver) promise_reject(resolver, promise_throw(&promise_errors, PROMISE_ECLOSED, "the HTTP client was closed"));
    }
    while ((c = pool->all)) {
        if (c->is_idle) throw_out_idle(c);
        else throw_out(c);
    }
}
