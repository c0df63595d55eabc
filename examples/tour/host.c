/* The core without libevent: a host that only drains, and one with a clock. */
#include <promise.h>
#include <stdio.h>

/* region: queue */
static void wake(void *data, bool again) {
    bool *wanted = data;
    (void)again;
    *wanted = true; /* not from in here: the program drains when it has time */
}

static promise_value_t done(promise_value_t v, void *arg) {
    (void)arg;
    printf("queue: %d\n", (int)promise_as_int(v));
    return promise_void();
}

static int queue(void) {
    static const struct promise_host host = {.size = sizeof host, .wake = wake};
    bool wanted = false;
    promise_loop_t *loop = promise_loop_new_hosted(&host, &wanted);
    if (!loop) return 1;
    promise_unref(promise_then(promise_from(loop, promise_int(42)), done, NULL));
    printf("queue: jobs are %s\n", promise_loop_has_jobs(loop) ? "waiting" : "done");
    while (wanted) {
        wanted = false;
        promise_loop_drain(loop);
    }
    promise_loop_free(loop);
    return 0;
}
/* end: queue */

/* region: clock */
struct ui {
    bool wanted;
    uint64_t now; /* a clock that is set by hand */
    uint64_t due;
    void (*fire)(void *arg); /* one timer is enough here; NULL: it is free */
    void *arg;
};

static void ui_wake(void *data, bool again) {
    struct ui *ui = data;
    (void)again;
    ui->wanted = true;
}

static uint64_t ui_now(void *data) { return ((struct ui *)data)->now; }

static void *ui_after(void *data, uint64_t ms, void (*fire)(void *arg), void *arg) {
    struct ui *ui = data;
    if (ui->fire) return NULL; /* taken: to the library that is out of memory */
    ui->due = ui->now + ms;
    ui->fire = fire;
    ui->arg = arg;
    return ui; /* the handle for ui_cancel_after() */
}

static void ui_cancel_after(void *data, void *timer) {
    (void)data;
    ((struct ui *)timer)->fire = NULL;
}

static void ui_turn(struct ui *ui, promise_loop_t *loop) {
    void (*fire)(void *arg) = ui->fire;
    if (fire && ui->now >= ui->due) {
        ui->fire = NULL; /* before the call, which may set the next one */
        fire(ui->arg);
    }
    if (!ui->wanted) return;
    ui->wanted = false;
    promise_loop_drain(loop);
}

static promise_value_t woke(promise_value_t v, void *arg) {
    printf("clock: awake at %d\n", (int)((struct ui *)arg)->now);
    return v;
}

static int clock_by_hand(void) {
    static const struct promise_host host = {
        .size = sizeof host, .wake = ui_wake, .now = ui_now, .after = ui_after, .cancel_after = ui_cancel_after};
    struct ui ui = {0};
    promise_loop_t *loop = promise_loop_new_hosted(&host, &ui);
    if (!loop) return 1;
    promise_unref(promise_then(promise_sleep(loop, 30), woke, &ui));
    for (; ui.now < 100; ui.now += 10) ui_turn(&ui, loop);
    promise_loop_free(loop);
    return 0;
}
/* end: clock */

int main(void) { return queue() || clock_by_hand(); }
