/*
 * Random programs: whatever is made, dropped, cancelled, adopted and settled in whichever order, inside of handlers and
 * outside and in coroutines, nothing is lost, freed twice or left pending when the loop goes (T4, J5, O3). What is attached
 * is freed exactly once, each stop is called at most once.
 */
#include "hosted.h"

#include <stdlib.h>
#include <string.h>

enum { POOL = 24, RESOLVERS = 16, ITERATORS = 4 };

static promise_t *pool[POOL];
static promise_resolver_t *resolvers[RESOLVERS];
static promise_iterator_t *iterators[ITERATORS];
static size_t attached, freed;
static int depth, budget_of_handlers;
static bool with_coroutines; /* in some programs: they take longer */

/* A promise out of the pool, or a new one. */
static promise_t *take(void) {
    unsigned i = draw(POOL);
    promise_t *p = pool[i];

    if (!p) return promise_from(loop, draw(3) ? promise_string("settled") : promise_throw_value(promise_int(1)));
    if (draw(4) == 0) return promise_ref(p);
    pool[i] = NULL;
    return p;
}
static void put(promise_t *p) {
    unsigned i = draw(POOL);

    promise_unref(pool[i]);
    pool[i] = p;
}

static void act(void);
static promise_value_t handler(promise_value_t v, void *arg) {
    (void)arg;
    if (depth || budget_of_handlers-- <= 0) return v;
    depth++;
    for (unsigned n = draw(4); n--;) act();
    depth--;
    switch (draw(6)) {
    case 0: return promise_throw(&promise_errors, PROMISE_ECLOSED, "x");
    case 1: return promise_string("y");
    case 2:
    case 3: return promise_adopt(take());
    default: return v;
    }
}
static void free_attached(void *arg) {
    free(arg);
    freed++;
}
static void stop(void *arg) {
    promise_resolver_t *r = *(promise_resolver_t **)arg;

    *(promise_resolver_t **)arg = NULL;
    ck_assert_ptr_nonnull(r);
    if (!depth && budget_of_handlers-- > 0) {
        depth++;
        act();
        depth--;
    }
    promise_abandon(r);
}

static void start(void) {
    unsigned i = draw(RESOLVERS);
    promise_t *p;

    if (resolvers[i]) return;
    p = promise_new(loop, &resolvers[i]);
    if (draw(2)) promise_on_cancel(resolvers[i], stop, &resolvers[i]);
    put(p);
}
static void settle(void) {
    unsigned i = draw(RESOLVERS);
    promise_resolver_t *r = resolvers[i];

    if (!r) return;
    resolvers[i] = NULL;
    switch (draw(5)) {
    case 0: promise_abandon(r); break;
    case 1: promise_reject(r, promise_string("no")); break;
    case 2: promise_resolve(r, promise_adopt(take())); break;
    default: promise_resolve(r, promise_string("yes"));
    }
}
static void combine(void) {
    promise_t *in[4];
    unsigned n = draw(4) + 1;

    for (unsigned i = 0; i < n; i++) in[i] = take();
    switch (draw(5)) {
    case 0: put(promise_all(loop, n, in)); break;
    case 1: put(promise_all_settled(loop, n, in)); break;
    case 2: put(promise_any(loop, n, in)); break;
    case 3: put(promise_some(loop, draw(n + 1), n, in)); break;
    default: put(promise_race(loop, n, in));
    }
}
static void attach(void) {
    attached++;
    put(promise_attach(take(), malloc(8), free_attached));
}

/* ---- coroutines, and iterators of theirs ---- */

static void act_inside(void) {
    depth++;
    act();
    depth--;
}
static void clean_up(void *arg) {
    if (draw(3) == 0) promise_await(promise_shield(take()), NULL);
    else if (draw(3) == 0) promise_await(take(), NULL);
    free_attached(arg);
}
static void defer(void) {
    attached++;
    promise_defer(clean_up, malloc(8));
}
static promise_value_t coroutine(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    (void)arg;
    if (draw(3) == 0) defer();
    for (unsigned n = draw(5); n-- && budget_of_handlers-- > 0;) {
        promise_t *p = take();
        act_inside();
        if (draw(8) == 0) p = promise_shield(p);
        if (promise_await(p, &got) < 0 && draw(2)) return got;
    }
    switch (draw(4)) {
    case 0: promise_value_clear(&got); return promise_adopt(take());
    case 1: promise_value_clear(&got); return v;
    default: return got;
    }
}
static promise_value_t generator(promise_value_t v, void *arg) {
    (void)arg;
    if (draw(3) == 0) defer();
    for (unsigned n = draw(6); n-- && budget_of_handlers-- > 0;) {
        if (draw(3) == 0) act_inside();
        if (draw(3) == 0) promise_await(draw(4) ? take() : promise_shield(take()), NULL);
        if (promise_yield(draw(4) ? promise_string("item") : promise_adopt(take())) < 0 && draw(4)) return v;
    }
    return draw(4) ? v : promise_adopt(take());
}
static void free_iterated(void *arg) { free_attached(arg); }
/* An iterator out of those that there are, or a new one. */
static promise_iterator_t *take_iterator(void) {
    unsigned i = draw(ITERATORS);
    promise_iterator_t *it = iterators[i];

    iterators[i] = NULL;
    if (it) return it;
    attached++;
    return promise_iterator_attach(promise_generator(loop, generator, NULL), malloc(8), free_iterated);
}
static void put_iterator(promise_iterator_t *it) {
    unsigned i = draw(ITERATORS);
    promise_iterator_t *before = iterators[i];

    iterators[i] = it;
    promise_iterator_close(before);
}
static void use_iterator(void) {
    promise_iterator_t *it = take_iterator();

    switch (draw(6)) {
    case 0: put(promise_map(it, draw(3), handler, NULL)); break;
    case 1: put(promise_each(it, draw(3), handler, NULL)); break;
    case 2: promise_iterator_close(it); break;
    default: put(promise_next(it)); put_iterator(it);
    }
}

static void act(void) {
    switch (draw(with_coroutines ? 21 : 16)) {
    case 0:
    case 1: start(); break;
    case 2: settle(); break;
    case 3:
    case 4: put(promise_then(take(), handler, NULL)); break;
    case 5: put(promise_catch(take(), handler, NULL)); break;
    case 6: put(promise_then_catch(take(), handler, handler, NULL)); break;
    case 7: put(promise_finally(take(), handler, NULL)); break;
    case 8: attach(); break;
    case 9: put(promise_shield(take())); break;
    case 10: combine(); break;
    case 11: put(promise_timeout(take(), 1 + draw(3))); break;
    case 12: put(promise_try(loop, handler, NULL)); break;
    case 13: promise_unref(take()); break;
    case 16: put(promise_async(loop, coroutine, NULL)); break;
    case 17:
    case 18: put(promise_then_async(take(), coroutine, NULL)); break;
    case 19:
    case 20: use_iterator(); break;
    default: promise_cancel(take());
    }
}

static void ignore(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)reason, (void)arg;
    ck_assert_int_eq(promise_get_state(p), PROMISE_REJECTED);
}

static void run_program(uint64_t seed) {
    attached = freed = 0;
    depth = 0;
    budget_of_handlers = 200;
    with_coroutines = seed % 4 == 0;
    memset(pool, 0, sizeof pool);
    memset(resolvers, 0, sizeof resolvers);
    hosted_start();
    promise_loop_on_unhandled(loop, ignore, NULL);
    promise_loop_set_budget(loop, 1 + draw(20));
    for (unsigned n = 50 + draw(200); n--;) {
        act();
        if (draw(4) == 0) hosted_drain();
        if (draw(16) == 0) hosted_advance(1);
    }
    budget_of_handlers = 0; /* the handlers do nothing from here on */
    if (draw(2))
        for (int i = 0; i < ITERATORS; i++) put_iterator(NULL);
    hosted_free();
    for (int i = 0; i < ITERATORS; i++) {
        promise_iterator_close(iterators[i]);
        iterators[i] = NULL;
    }
    ck_assert_msg(freed == attached, "program %llu: %zu of %zu freed", (unsigned long long)seed, freed, attached);
    for (int i = 0; i < POOL; i++) {
        ck_assert(!pool[i] || promise_get_state(pool[i]) != PROMISE_PENDING);
        promise_unref(pool[i]);
    }
    for (int i = 0; i < RESOLVERS; i++)
        if (resolvers[i]) promise_abandon(resolvers[i]);
    hosted_check_clean();
}

START_TEST(random_programs) { test_seeds(run_program, 20000); }
END_TEST

int main(void) {
    Suite *suite = suite_create("random");
    TCase *tcase = tcase_create("random");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, random_programs);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
