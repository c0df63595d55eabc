/*
 * Memory that runs out (O2, V3, O3): around each public call the nth allocation fails, for every n; or all from the nth on.
 * Whatever happens, nothing leaks, nothing hangs, what is attached is freed exactly once, and the result is either the right
 * one or a rejection that says so.
 *
 * Promises come from pages: the slab is filled first, so that the next one needs memory.
 */
#include "../src/core.h"
#include "fakehost.h"
#include "support.h"

#include <errno.h>
#include <promise.h>
#include <stdlib.h>
#include <string.h>

static struct fakehost host;

/* ---- a full slab ---- */

enum { MOST = 100000 };
static promise_t *held[MOST];
static size_t held_count;

/* Holds promises until another one needs memory. */
static void fill_slab(void) {
    test_alloc_fail_from(1);
    for (held_count = 0; !test_alloc_failed(); held_count++) {
        ck_assert_uint_lt(held_count, MOST);
        held[held_count] = promise_from(loop, promise_void());
    }
    test_alloc_fail_at(0);
    promise_unref(held[--held_count]); /* of the reserve */
}

static void empty_slab(void) {
    while (held_count) promise_unref(held[--held_count]);
}

/* ---- what is used, and checked: an object that handlers read and attach frees ---- */

static size_t made, freed;

static int *object_new(void) {
    int *object = malloc(sizeof *object); /* not the library's: never fails here */

    made++;
    *object = 1;
    return object;
}
static void object_free(void *arg) {
    ck_assert_int_eq(*(int *)arg, 1); /* the sanitizers see more */
    *(int *)arg = 0;
    free(arg);
    freed++;
}

static promise_value_t pass(promise_value_t v, void *arg) {
    ck_assert_int_eq(*(int *)arg, 1);
    return v;
}
static promise_value_t text(promise_value_t v, void *arg) {
    (void)pass(v, arg);
    return promise_stringf("%s", "text");
}
static promise_value_t adopt_one(promise_value_t v, void *arg) {
    (void)pass(v, arg);
    return promise_adopt(promise_then(promise_from(NULL, promise_string("inner")), text, arg));
}
static promise_value_t throw_io(promise_value_t v, void *arg) {
    (void)pass(v, arg);
    return promise_throw(&promise_errno_errors, EIO, "oops %d", 1);
}
static promise_value_t throw_nomem(promise_value_t v, void *arg) {
    (void)pass(v, arg);
    return promise_throw_errno(ENOMEM, "the name");
}
static promise_value_t recover(promise_value_t v, void *arg) {
    (void)pass(v, arg);
    if (!promise_error_is(v, &promise_errno_errors, EIO)) return v;
    return promise_string(promise_error_message(v));
}
static promise_value_t wait_a_bit(promise_value_t v, void *arg) {
    (void)pass(v, arg);
    return promise_adopt(promise_then(promise_sleep(NULL, 5), text, arg));
}
static promise_value_t is_one(promise_value_t v, void *arg) {
    (void)pass(v, arg);
    return promise_int(promise_as_int(v) == 1);
}
static promise_value_t add(promise_value_t pair, void *arg) {
    (void)pass(pair, arg);
    return promise_int(promise_as_int(promise_list_get(pair, 0)) + promise_as_int(promise_list_get(pair, 1)));
}
static promise_value_t three_turns(promise_value_t v, void *arg) {
    (void)pass(v, arg);
    if (promise_is_void(v)) return promise_int(1);
    if (promise_as_int(v) == 3) return promise_end();
    return promise_adopt(promise_from(NULL, promise_int(promise_as_int(v) + 1)));
}
static promise_value_t second_try(promise_value_t v, void *arg) {
    (void)pass(v, arg);
    return promise_as_int(v) == 1 ? throw_io(v, arg) : text(v, arg);
}
static promise_value_t pull_two(promise_value_t v, void *arg) {
    static int one = 1;
    int *pulled = arg;

    (void)v;
    if (++*pulled > 2) return promise_end();
    return *pulled == 1 ? promise_int(1) : promise_adopt(promise_then(promise_sleep(NULL, 1), text, &one));
}

/* ---- the calls ---- */

typedef promise_t *make_fn(int *object);

static promise_value_t int_1(void) { return promise_int(1); }

static promise_t *make_new(int *o) {
    promise_resolver_t *resolver, *more;
    promise_t *p = promise_new(loop, &resolver);

    more = promise_resolver_ref(resolver);
    p = promise_then(p, text, o);
    promise_resolve(resolver, promise_string("value"));
    promise_reject(more, promise_string("too late"));
    return p;
}
static promise_t *make_abandoned(int *o) {
    promise_resolver_t *resolver;
    promise_t *p = promise_catch(promise_new(loop, &resolver), pass, o);

    promise_abandon(resolver);
    return p;
}
static promise_t *make_chain(int *o) {
    promise_t *p = promise_try(loop, throw_io, o);

    p = promise_then_catch(promise_then(p, text, o), text, recover, o);
    p = promise_shield(promise_finally(p, wait_a_bit, o));
    return promise_then(promise_attach(p, object_new(), object_free), adopt_one, o);
}
static promise_t *make_wrapped(int *o) {
    promise_value_t v = promise_wrap(throw_io(promise_void(), o), &promise_errno_errors, ENOENT, "no %s", "entry");
    return promise_catch(promise_from(loop, v), recover, o);
}
static promise_t *make_values(int *o) {
    static const char *const names[] = {"a", "b"};
    promise_value_t values[] = {promise_string("x"), promise_box(object_new(), object_free)};
    promise_value_t v = promise_keyed(2, names, values);

    if (!promise_is_rejection(v) && promise_list_push(v, promise_bytes("bytes", 5)) < 0) {
        promise_value_clear(&v);
        v = promise__nomem();
    }
    return promise_then(promise_from(loop, v), pass, o);
}
static promise_t *make_named(int *o) {
    promise_t *p = promise_try(loop, text, o);
    return promise_set_name(p, "name") < 0 ? promise_then(p, throw_nomem, o) : p;
}
static void then_resolve(void *object, promise_resolver_t *resolver) { promise_resolve(resolver, promise_pointer(object)); }
static const struct promise_type thenable = {sizeof thenable, "thenable", object_free, NULL, NULL, then_resolve, NULL};
static promise_t *make_thenable(int *o) {
    (void)o;
    return promise_from(loop, promise_object(&thenable, object_new()));
}
static promise_t *make_sleep(int *o) { return promise_then(promise_timeout(promise_sleep(loop, 10), 20), text, o); }
static promise_t *make_timeout(int *o) { return promise_timeout(promise_then(promise_sleep(loop, 20), text, o), 10); }
static promise_t *make_deadline(int *o) {
    return promise_deadline(promise_then(promise_sleep_until(loop, promise_now(loop) + 20), text, o), promise_now(loop) + 10);
}

#define THREE(o)                                                                                                               \
    promise_then(promise_sleep(loop, 1), text, (o)), promise_try(loop, throw_io, (o)), promise_try(loop, adopt_one, (o))

static promise_t *make_all(int *o) { return promise_all_of(loop, THREE(o), NULL); }
static promise_t *make_all_settled(int *o) { return promise_all_settled_of(loop, THREE(o), NULL); }
static promise_t *make_any(int *o) { return promise_any_of(loop, THREE(o), NULL); }
static promise_t *make_no_any(int *o) {
    return promise_any_of(loop, promise_try(loop, throw_io, o), promise_try(loop, throw_io, o), NULL);
}
static promise_t *make_race(int *o) { return promise_race_of(loop, THREE(o), NULL); }
static promise_t *make_some(int *o) { return promise_some_of(loop, 2, THREE(o), NULL); }
static promise_t *make_keyed(int *o) {
    const struct promise_entry entries[] = {{"a", promise_try(loop, text, o)}, {"b", promise_try(loop, adopt_one, o)}};
    return promise_all_keyed(loop, 2, entries);
}

static promise_iterator_t *items(void) {
    const promise_value_t three[] = {promise_int(1), promise_int(2), promise_int(3)};
    return promise_iterator_attach(promise_items(loop, 3, three), object_new(), object_free);
}
static promise_iterator_t *strings(void) {
    static char *const texts[] = {"a", "b", "c"};
    return promise_strings(loop, 3, texts);
}
static promise_t *make_map(int *o) { return promise_map(items(), 2, wait_a_bit, o); }
static promise_t *make_each(int *o) { return promise_each(strings(), 0, adopt_one, o); }
static promise_t *make_filter(int *o) { return promise_filter(items(), 1, is_one, o); }
static promise_t *make_reduce(int *o) { return promise_reduce(items(), int_1(), add, o); }
static promise_t *make_pull(int *o) {
    int *pulled = malloc(sizeof *pulled);

    *pulled = 0;
    return promise_map(promise_iterator_attach(promise_pull(loop, pull_two, pulled), pulled, free), 3, pass, o);
}
static promise_t *make_next(int *o) {
    promise_iterator_t *it = promise_ticks(loop, 10);
    promise_t *one = promise_next(it), *two = promise_next(it), *three = promise_next(it);

    promise_cancel(two);
    return promise_attach(promise_then(promise_all_of(loop, one, three, NULL), pass, o), it, promise_iterator_close);
}
static promise_t *make_repeat(int *o) { return promise_repeat(loop, three_turns, o); }
static promise_t *make_retry(int *o) { return promise_retry(loop, NULL, second_try, o); }

static promise_value_t awaits(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    (void)pass(v, arg);
    promise_defer(object_free, object_new());
    if (promise_await(promise_then(promise_sleep(NULL, 1), text, arg), &got) < 0) return got;
    promise_defer(object_free, object_new());
    (void)promise_await(promise_from(NULL, got), &got);
    return got;
}
static promise_t *make_async(int *o) {
    static const struct promise_coroutine_options named = {.name = "name"};
    return promise_then_async(promise_async_with(loop, &named, awaits, o), awaits, o);
}
static promise_value_t yields(promise_value_t v, void *arg) {
    (void)pass(v, arg);
    promise_defer(object_free, object_new());
    for (int i = 0; i < 3; i++)
        if (promise_yield(i == 1 ? promise_adopt(promise_then(promise_sleep(NULL, 1), text, arg)) : text(v, arg)) < 0) break;
    return promise_end();
}
static promise_t *make_generator(int *o) {
    return promise_map(promise_iterator_attach(promise_generator(loop, yields, o), object_new(), object_free), 2, pass, o);
}
static promise_t *make_generator_next(int *o) {
    promise_iterator_t *it = promise_generator(loop, yields, o);
    promise_t *one = promise_next(it), *two = promise_next(it), *three = promise_next(it);

    promise_cancel(two);
    return promise_attach(promise_then(promise_all_of(loop, one, three, NULL), pass, o), it, promise_iterator_close);
}

static promise_t *make_locks(int *o) {
    promise_mutex_t *m = promise_mutex_new(loop);
    promise_semaphore_t *s = promise_semaphore_new(loop, 1);
    promise_rwlock_t *lock = promise_rwlock_new(loop);
    promise_t *p[5];

    p[0] = promise_mutex_with(m, wait_a_bit, o);
    p[1] = promise_timeout(promise_mutex_with(m, text, o), 1000);
    p[2] = promise_semaphore_with(s, wait_a_bit, o);
    p[3] = promise_semaphore_with(s, text, o);
    p[4] = promise_rwlock_with_write(lock, text, o);
    return promise_attach(promise_attach(promise_all(loop, 5, p), m, promise_mutex_free), s, promise_semaphore_free);
}
static promise_t *make_condition(int *o) {
    promise_mutex_t *m = promise_mutex_new(loop);
    promise_condition_t *c = promise_condition_new(loop);
    promise_t *p;

    if (!promise_mutex_try_lock(m)) return promise_mutex_lock(m); /* it is not there */
    p = promise_condition_wait(c, m);
    promise_condition_signal(c);
    p = promise_attach(promise_then(p, text, o), c, promise_condition_free);
    return promise_attach(p, m, promise_mutex_unlock);
}
static promise_t *make_group(int *o) {
    promise_group_t *g = promise_group_new_with(loop, &(struct promise_group_options){.limit = 1});

    (void)promise_group_add(g, promise_sleep(loop, 3));
    (void)promise_group_try(g, wait_a_bit, o);
    (void)promise_group_try(g, text, o);
    return promise_attach(promise_group_wait(g), g, promise_group_free);
}

static const struct call {
    const char *name;
    make_fn *make;
    bool rejects; /* also with memory enough */
} calls[] = {
    {"new", make_new, false},
    {"abandon", make_abandoned, true},
    {"chain", make_chain, false},
    {"wrap", make_wrapped, false},
    {"values", make_values, false},
    {"set_name", make_named, false},
    {"thenable", make_thenable, false},
    {"sleep", make_sleep, false},
    {"timeout", make_timeout, true},
    {"deadline", make_deadline, true},
    {"all", make_all, true},
    {"all_settled", make_all_settled, false},
    {"any", make_any, false},
    {"any of none", make_no_any, true},
    {"race", make_race, true},
    {"some", make_some, false},
    {"keyed", make_keyed, false},
    {"map", make_map, false},
    {"each", make_each, false},
    {"filter", make_filter, false},
    {"reduce", make_reduce, false},
    {"pull", make_pull, false},
    {"next", make_next, false},
    {"repeat", make_repeat, false},
    {"retry", make_retry, false},
    {"async", make_async, false},
    {"generator", make_generator, false},
    {"generator's next", make_generator_next, false},
    {"locks", make_locks, false},
    {"condition", make_condition, false},
    {"group", make_group, false},
};
enum { CALLS = sizeof calls / sizeof *calls };

/* ---- around each call ---- */

/* The nth failed: does the outcome say so? An error of ours that could not be made is ENOMEM instead; what was thrown and
 * what came of cancelling the rest are legitimate too where the call rejects anyway. */
static bool tells(promise_value_t v) {
    return promise_error_is(v, &promise_errno_errors, ENOMEM) ||
           (promise_error_is(v, &promise_errors, PROMISE_EAGGREGATE) && !promise_is_void(promise_error_reasons(v)));
}

/* Makes the call, with the nth allocation failing, or all from then on, or none (n 0); true when it did fail. */
static bool around(const struct call *call, size_t n, bool for_good) {
    int *object = object_new();
    promise_value_t outcome = {0};
    bool failed;

    if (for_good) test_alloc_fail_from(n);
    else test_alloc_fail_at(n);
    promise_t *p = promise_attach(call->make(object), object, object_free);
    ck_assert_msg(fakehost_settle(&host, p), "%s, %zu: hangs", call->name, n);
    failed = test_alloc_failed();
    test_alloc_fail_at(0);
    promise_value_set(&outcome, promise_peek(p));
    if (!promise_is_rejection(outcome)) ck_assert_msg(!call->rejects, "%s, %zu: was to reject", call->name, n);
    else
        ck_assert_msg(call->rejects || (failed && tells(outcome)), "%s, %zu: %s", call->name, n,
                      promise_error_message(outcome));
    promise_value_clear(&outcome);
    promise_cancel(p);
    fakehost_drain(&host);
    while (fakehost_next_timer(&host)) {}
    return failed;
}

static void ignore(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
}

static void each_allocation(const struct call *call, bool full, bool for_good) {
    bool failed = true;
    size_t n = 0;

    for (; failed || n <= 1; n++) {
        loop = fakehost_open(&host);
        promise_loop_on_unhandled(loop, ignore, NULL);
        if (full) fill_slab();
        made = freed = 0;
        failed = around(call, n, for_good);
        ck_assert_msg(n || !failed, "%s: fails by itself", call->name);
        empty_slab();
        fakehost_close(&host);
        ck_assert_msg(made == freed, "%s, %zu: made %zu, freed %zu", call->name, n, made, freed);
    }
    if (full) ck_assert_msg(n > 2, "%s: did not allocate", call->name);
}

START_TEST(O2_V3_O3_one_allocation_fails) { each_allocation(&calls[_i], false, false); }
END_TEST
START_TEST(O2_V3_O3_one_allocation_fails_with_a_full_slab) { each_allocation(&calls[_i], true, false); }
END_TEST
START_TEST(O2_V3_O3_memory_stays_out) { each_allocation(&calls[_i], false, true); }
END_TEST
START_TEST(O2_V3_O3_memory_stays_out_with_a_full_slab) { each_allocation(&calls[_i], true, true); }
END_TEST

/* The same, but the loop goes while memory is out: O3 and J5 together. */
START_TEST(J5_the_loop_is_freed_without_memory) {
    const struct call *call = &calls[_i];

    for (size_t n = 0; n < 24; n++) {
        int *object = (made = freed = 0, object_new());
        loop = fakehost_open(&host);
        promise_loop_on_unhandled(loop, ignore, NULL);
        fill_slab();
        test_alloc_fail_from(n);
        promise_unref(promise_attach(call->make(object), object, object_free));
        if (n % 2) fakehost_drain(&host);
        promise_loop_free(loop);
        test_alloc_fail_at(0);
        empty_slab();
        fakehost_close(&host);
        ck_assert_msg(made == freed, "%s, %zu: made %zu, freed %zu", call->name, n, made, freed);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oom");
    TCase *tcase = tcase_create("calls");

    tcase_set_timeout(tcase, 20);
    tcase_add_loop_test(tcase, O2_V3_O3_one_allocation_fails, 0, CALLS);
    tcase_add_loop_test(tcase, O2_V3_O3_one_allocation_fails_with_a_full_slab, 0, CALLS);
    tcase_add_loop_test(tcase, O2_V3_O3_memory_stays_out, 0, CALLS);
    tcase_add_loop_test(tcase, O2_V3_O3_memory_stays_out_with_a_full_slab, 0, CALLS);
    tcase_add_loop_test(tcase, J5_the_loop_is_freed_without_memory, 0, CALLS);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
