/*
 * Random programs over everything that is made of many promises: combinators, iterators, walks, repeat, retry, timeouts, with
 * a clock, and loops freed inside of handlers. What must hold whatever they do:
 *   O3  what is attached is freed exactly once, and after the handlers above it
 *   J5  what is held is settled when the loop is gone, and was settled only once; nothing stays allocated
 *   K2  a stop is called at most once
 *   T4  all of it also when it is done inside of handlers
 * (Chains, adoption and cancels by themselves are in test_random.c.)
 */
#include "trace.h"

#include <string.h>

enum { POOL = 16, SOURCES = 12, ITERATORS = 4 };

/* The arg of a chain's handlers: attached below them. */
struct session {
    bool freed;
};

static promise_t *pool[POOL];
static bool settled[POOL]; /* was so when it was last looked at */
static promise_iterator_t *iterators[ITERATORS];
static struct source sources[SOURCES];
static size_t attached, freed;
static unsigned fuel, depth; /* how much handlers may still do */
static bool loop_freed;

/* ---- the pool ---- */

static promise_t *take(void) {
    promise_t **slot = &pool[draw(POOL)], *p = *slot;

    if (!p) return promise_from(loop, draw(3) ? promise_stringf("%u", draw(100)) : throw_text("no"));
    if (!draw(4)) return promise_ref(p);
    *slot = NULL;
    settled[slot - pool] = false;
    return p;
}

static void put(promise_t *p) {
    promise_t **slot = &pool[draw(POOL)], *old = *slot;

    *slot = p;
    settled[slot - pool] = false;
    if (draw(2)) promise_unref(old);
    else promise_cancel(old);
}

static void start_source(void) {
    struct source *s = &sources[draw(SOURCES)];

    if (!s->resolver) put(source_open(loop, s, "s"));
}

static void settle_source(void) {
    struct source *s = &sources[draw(SOURCES)];

    if (!s->resolver) return;
    if (!draw(3)) source_reject(s, "r");
    else source_resolve(s, draw(3) ? promise_string("v") : promise_adopt(take()));
}

/* ---- handlers ---- */

static void act(void);

static promise_value_t answer(promise_value_t v) {
    switch (draw(7)) {
    case 0: return throw_text("thrown");
    case 1: return promise_string("given");
    case 2: return promise_int(draw(2));
    case 3: return promise_adopt(take());
    case 4: return promise_adopt(promise_sleep(NULL, draw(4)));
    default: return v;
    }
}

static void meddle(void) {
    if (depth) return;
    depth++;
    for (unsigned n = draw(3); n-- && fuel; fuel--) act();
    depth--;
}

static promise_value_t work(promise_value_t v, void *arg) {
    const struct session *s = arg;

    if (s) ck_assert_msg(!s->freed, "a handler ran after what is attached below it was freed");
    if (promise_is(v, &promise_type_string)) ck_assert_uint_lt(strlen(promise_as_string(v)), 10);
    meddle();
    return !fuel || loop_freed ? v : answer(v);
}

static promise_value_t count_out(promise_value_t v, void *arg) { /* ends by itself, sooner or later */
    (void)arg;
    meddle();
    if (!fuel || !draw(6)) return promise_end();
    return loop_freed ? v : answer(promise_int(draw(2)));
}

static void session_free(void *arg) {
    struct session *s = arg;

    ck_assert(!s->freed);
    s->freed = true; /* the block itself goes with the program */
    freed++;
}

static struct session sessions[400];

static struct session *session_new(void) {
    ck_assert_uint_lt(attached, 400);
    sessions[attached].freed = false;
    return &sessions[attached++];
}

/* ---- what a program does ---- */

static void add_chain(void) {
    struct session *s;
    promise_t *p = NULL;

    if (attached >= 390) return;
    s = session_new();
    p = take();
    for (unsigned n = draw(4); n--;) {
        switch (draw(5)) {
        case 0: p = promise_catch(p, work, s); break;
        case 1: p = promise_finally(p, work, s); break;
        case 2: p = promise_timeout(p, draw(8)); break;
        default: p = promise_then(p, work, s);
        }
    }
    put(promise_attach(p, s, session_free));
}

static void add_combined(void) {
    promise_t *in[5];
    unsigned n = draw(5);

    for (unsigned i = 0; i < n; i++) in[i] = i && !draw(8) ? NULL : take();
    switch (draw(5)) {
    case 0: put(promise_all(loop, n, in)); break;
    case 1: put(promise_all_settled(loop, n, in)); break;
    case 2: put(promise_any(loop, n, in)); break;
    case 3: put(promise_some(loop, draw(n + 2), n, in)); break;
    default: put(promise_race(loop, n, in));
    }
}

static promise_iterator_t *make_iterator(void) {
    promise_value_t items[4];
    unsigned n = draw(5);
    promise_iterator_t *it;

    if (n == 4) it = promise_ticks(loop, 1 + draw(3));
    else if (n == 3) it = promise_pull(loop, count_out, NULL);
    else {
        n = draw(5);
        for (unsigned i = 0; i < n; i++) items[i] = draw(3) ? promise_int(draw(2)) : promise_adopt(take());
        it = promise_items(loop, n, items);
    }
    return attached < 390 ? promise_iterator_attach(it, session_new(), session_free) : it;
}

static promise_iterator_t *take_iterator(void) {
    promise_iterator_t **slot = &iterators[draw(ITERATORS)], *it = *slot;

    *slot = NULL;
    return it ? it : make_iterator();
}

static void put_iterator(promise_iterator_t *it) {
    promise_iterator_t **slot = &iterators[draw(ITERATORS)], *old = *slot;

    *slot = it;
    promise_iterator_close(old);
}

static void add_walk(void) {
    promise_iterator_t *it = take_iterator();

    switch (draw(4)) {
    case 0: put(promise_map(it, draw(3), work, NULL)); break;
    case 1: put(promise_each(it, 1 + draw(3), count_out, NULL)); break;
    case 2: put(promise_filter(it, 1, work, NULL)); break;
    default: put(promise_reduce(it, draw(2) ? promise_int(0) : promise_adopt(take()), count_out, NULL));
    }
}

static void add_loop(void) {
    const struct promise_retry_policy policy = {.count = 1 + draw(4), .delay_ms = 1 + draw(3)};

    put(draw(2) ? promise_repeat(loop, count_out, NULL) : promise_retry(loop, &policy, work, NULL));
}

static void use_iterator(void) {
    promise_iterator_t *it = take_iterator();

    for (unsigned n = draw(3); n--;) put(promise_next(it));
    put_iterator(it);
}

static void act(void) {
    if (loop_freed) return;
    switch (draw(17)) {
    case 0:
    case 1:
    case 2: start_source(); break;
    case 3:
    case 4: settle_source(); break;
    case 5:
    case 6: add_chain(); break;
    case 7:
    case 8: add_combined(); break;
    case 9:
    case 10: add_walk(); break;
    case 11: add_loop(); break;
    case 12: use_iterator(); break;
    case 13: put(promise_shield(take())); break;
    case 14: promise_unref(take()); break;
    case 15: promise_cancel(take()); break;
    default:
        if (depth && !draw(30)) { /* a handler ends it all: the rest of the drain runs on */
            promise_loop_free(loop);
            loop_freed = true;
        }
    }
}

/* ---- a program ---- */

/* What has settled stays as it is. */
static void check_settled(void) {
    for (int i = 0; i < POOL; i++) {
        bool now = pool[i] && promise_get_state(pool[i]) != PROMISE_PENDING;
        ck_assert(now || !settled[i]);
        settled[i] = now;
    }
}

static void end_program(uint64_t seed) {
    fuel = 0;
    if (!host.gone && !loop_freed) promise_loop_free(loop);
    fakehost_drain(&host);
    ck_assert(host.gone);
    for (int i = 0; i < ITERATORS; i++) promise_iterator_close(iterators[i]);
    for (int i = 0; i < POOL; i++) {
        ck_assert_msg(!pool[i] || promise_get_state(pool[i]) != PROMISE_PENDING, "program %llu: pending",
                      (unsigned long long)seed);
        promise_unref(pool[i]);
    }
    for (int i = 0; i < SOURCES; i++)
        if (sources[i].resolver) source_resolve(&sources[i], promise_void());
    ck_assert_msg(freed == attached, "program %llu: %zu of %zu freed", (unsigned long long)seed, freed, attached);
    trace_take();
    fakehost_close(&host);
}

static void run_program(uint64_t seed) {
    attached = freed = depth = 0;
    fuel = 100;
    loop_freed = false;
    memset(pool, 0, sizeof pool);
    memset(settled, 0, sizeof settled);
    memset(iterators, 0, sizeof iterators);
    memset(sources, 0, sizeof sources);
    loop = fakehost_open(&host);
    promise_loop_set_budget(loop, 1 + draw(30));
    for (unsigned n = 20 + draw(100); n-- && !loop_freed;) {
        act();
        if (!draw(3)) fakehost_drain(&host);
        if (!draw(8) && !loop_freed) fakehost_advance(&host, draw(5));
        if (!draw(10) && !loop_freed) fakehost_jump(&host, draw(5));
        check_settled();
        trace_take();
    }
    end_program(seed);
}

START_TEST(random_programs) { test_seeds(run_program, 4000); }
END_TEST

int main(void) {
    Suite *suite = suite_create("programs");
    TCase *t = tcase_create("programs");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, random_programs);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
