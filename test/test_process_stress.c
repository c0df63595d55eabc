/*
 * A thousand calls at random: those that crash, exit, hang, send garbage; cancelled, timed out, their workers and the starter
 * killed from outside; and pools that are closed, freed, or go with their loop with all of that under way. Each call settles
 * once, and nothing is left: no process, no zombie, no descriptor, no memory.
 */
#include "../src/tasks/process.h"

#include "working.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALLS = 50, RUNS = 20 };

static size_t settled; /* calls whose handlers have run */

static promise_value_t came(promise_value_t v, void *arg) {
    size_t size;

    promise_as_bytes(v, &size);
    ck_assert_uint_eq(size, (size_t)(uintptr_t)arg);
    settled++;
    return promise_void();
}

static promise_value_t failed(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    settled++;
    return promise_void();
}

static promise_value_t ignore(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}

static promise_t *call_at_random(void) {
    static const char *const names[] = {"hang", "die", "exit", "garbage", "fail"};
    static const int signals[] = {SIGSEGV, SIGABRT, SIGKILL, SIGTERM, SIGBUS};
    size_t size = draw(8) ? draw(1000) : draw(1000000);
    const char *name = names[draw(5)];
    char text[16];
    promise_t *p;

    if (draw(3)) {
        p = promise_process_run(pool, "echo", promise_bytes_take(calloc(1, size + 1), size));
        return promise_then_catch(p, came, failed, (void *)(uintptr_t)size);
    }
    snprintf(text, sizeof text, "%d", strcmp(name, "die") ? (int)draw(100) : signals[draw(5)]);
    return promise_then_catch(run(name, text), failed, failed, NULL);
}

static void kill_at_random(void) {
    struct worker *w = &pool->workers[draw((unsigned)pool->options.workers)];

    if (!draw(10) && pool->starter.pid > 0) kill(pool->starter.pid, SIGKILL);
    else if (w->pid > 0 && !w->to_reap && pool->starter.pid > 0) kill(w->pid, SIGKILL);
}

static void end_at_random(void) {
    switch (draw(4)) {
    case 0: promise_process_pool_free(pool); break;
    case 1: promise_loop_free(loop); return;
    default: promise_unref(promise_catch(promise_process_pool_close(pool, 1 + draw(60)), ignore, NULL));
    }
    if (draw(4)) run_out();
    promise_loop_free(loop);
}

static void run_one(uint64_t seed) {
    promise_t *calls[CALLS];
    size_t n = CALLS;

    working_start((int)(seed & 1), POOL(.workers = 1 + draw(3), .timeout_ms = 1 + draw(60),
                                        .calls_per_worker = draw(3) * draw(10), .finish_canceled = draw(2)));
    settled = 0;
    for (size_t i = 0; i < n; i++) {
        calls[i] = call_at_random();
        if (!draw(6)) promise_cancel(promise_ref(calls[draw((unsigned)i + 1)]));
        if (!draw(8)) kill_at_random();
        for (unsigned turns = draw(6); turns; turns--) promise_loop_turn(loop);
    }
    end_at_random();
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_ne(promise_get_state(calls[i]), PROMISE_PENDING);
        promise_unref(calls[i]);
    }
    ck_assert_uint_le(settled, n); /* less by those that were cancelled below them */
    children_end_without_loop();
}

START_TEST(a_thousand_at_random) { test_seeds(run_one, RUNS); }
END_TEST

int main(void) {
    Suite *suite = suite_create("process_stress");
    TCase *tcase = tcase_create("process_stress");

    promise_process_worker(working_functions);
    tcase_add_test(tcase, a_thousand_at_random);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
