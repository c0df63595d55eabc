/*
 * K6 at every step: chains, timeouts, selects and coroutines that receive are cancelled between any two jobs. Each item that
 * was sent is seen exactly once, is still in a channel, or was released by whoever did not send it.
 */
#include "hosted.h"

#include <string.h>

enum { CHANNELS = 2, TASKS = 12, ITEMS = 400 };

static promise_channel_t *channels[CHANNELS];
static promise_t *tasks[TASKS];
static unsigned seen[ITEMS], freed[ITEMS], made;
static bool sent[ITEMS]; /* by promise_send(): nobody takes it back */

static void count(void *n) { ++*(unsigned *)n; }
static promise_value_t item(void) { return promise_box(&freed[made++], count); }

static promise_value_t see_item(promise_value_t v, void *arg) {
    (void)arg;
    if (promise_is_rejection(v)) return promise_void();
    if (promise_is(v, &promise_type_box)) seen[(unsigned *)promise_as_box(v) - freed]++;
    else if (!promise_is_end(v) && !promise_is_void(v)) return see_item(promise_select_value(v), arg);
    return promise_void();
}

static promise_channel_t *any(void) { return channels[draw(CHANNELS)]; }

static promise_t *receive(void) {
    promise_case_t cases[3] = {{.channel = channels[0]}, {.channel = channels[1]}, {.channel = any()}};

    if (draw(2)) return promise_receive(any());
    if (made < ITEMS && draw(2)) cases[2].send = true, cases[2].value = item();
    return promise_select(3, cases);
}

static promise_value_t nothing(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_void();
}
static void free_nothing(void *arg) { (void)arg; }
static promise_value_t adopt_receive(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    return promise_adopt(receive());
}

static promise_t *passed_on(promise_t *p) {
    switch (draw(7)) {
    case 0: return promise_timeout(p, 1 + draw(3));
    case 1: return promise_attach(p, NULL, free_nothing);
    case 2: return promise_finally(p, nothing, NULL);
    case 3: return promise_then_catch(p, NULL, NULL, NULL);
    case 4: return promise_shield(p);
    default: return p;
    }
}

static promise_value_t coroutine(promise_value_t v, void *arg) {
    promise_value_t got = {0};

    (void)v, (void)arg;
    for (int i = 0; i < 3; i++)
        if (promise_await(passed_on(receive()), &got) == 0) see_item(got, NULL);
    promise_value_clear(&got);
    return promise_void();
}

static promise_t *task(void) {
    promise_t *p;

    switch (draw(5)) {
    case 0: return promise_async(loop, coroutine, NULL);
    case 1: return promise_each(promise_channel_items(any()), 1 + draw(3), see_item, NULL);
    case 2: p = promise_then(promise_from(loop, promise_void()), adopt_receive, NULL); break;
    default: p = receive();
    }
    return promise_then_catch(passed_on(passed_on(p)), see_item, see_item, NULL);
}

static void act(void) {
    promise_t **p = &tasks[draw(TASKS)];

    switch (draw(6)) {
    case 0:
    case 1:
        if (made == ITEMS) break;
        sent[made] = true;
        promise_unref(promise_send(any(), item()));
        break;
    case 2:
        promise_cancel(*p);
        *p = NULL;
        break;
    case 3:
        if (!*p) *p = task();
        break;
    case 4:
        if (draw(8) == 0) hosted_advance(1);
        break;
    default: hosted_drain();
    }
}

/* Those in the channels come out, in the order in which they are there. */
static void receive_rest(void) {
    promise_value_t v = {0};

    for (int i = 0; i < CHANNELS; i++)
        while (promise_channel_try_receive(channels[i], &v)) see_item(v, NULL);
}

static void run_program(uint64_t seed) {
    made = 0;
    memset(seen, 0, sizeof seen);
    memset(freed, 0, sizeof freed);
    memset(sent, 0, sizeof sent);
    memset(tasks, 0, sizeof tasks);
    hosted_start();
    promise_loop_set_budget(loop, 1 + draw(2) * draw(6));
    for (int i = 0; i < CHANNELS; i++) channels[i] = promise_channel_new(loop, draw(3));
    for (int i = 0; i < 400; i++) act();
    for (int i = 0; i < TASKS; i++) promise_cancel(tasks[i]);
    hosted_advance(10);
    receive_rest();
    hosted_run();
    receive_rest();
    hosted_free();
    for (int i = 0; i < CHANNELS; i++) promise_channel_unref(channels[i]);
    hosted_end();
    for (unsigned i = 0; i < made; i++)
        if (freed[i] != 1 || seen[i] > 1 || seen[i] < sent[i])
            ck_abort_msg("program %llu: item %u was seen %u times, freed %u times", (unsigned long long)seed, i, seen[i],
                         freed[i]);
}

START_TEST(seen_exactly_once) { test_seeds(run_program, 300); }
END_TEST

int main(void) {
    Suite *suite = suite_create("channel_random");
    TCase *tcase = tcase_create("channel_random");

    tcase_add_test(tcase, seen_exactly_once);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
