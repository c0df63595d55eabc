/* Channels: workers, pipelines, and waiting for whichever comes first. */
#include "tour.h"

#include <stdio.h>

/* region: workers */
static promise_value_t handle(promise_value_t item, void *worker) {
    printf("workers: %s takes %lld\n", (const char *)worker, (long long)promise_as_int(item));
    return promise_adopt(promise_sleep(NULL, 5)); /* stands for the work; the next item is asked for when it is done */
}

static promise_t *workers(promise_loop_t *loop) {
    static char ann[] = "ann", bob[] = "bob";
    promise_channel_t *jobs = promise_channel_new(loop, 10);
    promise_t *first = promise_each(promise_channel_items(jobs), 1, handle, ann);
    promise_t *second = promise_each(promise_channel_items(jobs), 1, handle, bob);
    for (int i = 1; i <= 4; i++) promise_unref(promise_send(jobs, promise_int(i)));
    promise_channel_close(jobs); /* what is in it is still received; then both workers end */
    promise_channel_unref(jobs); /* the iterators hold it */
    return promise_all_of(loop, first, second, NULL);
}
/* end: workers */

/* region: pipeline */
struct stages {
    promise_channel_t *numbers, *squares;
};

static promise_value_t count(promise_value_t v, void *arg) {
    struct stages *s = arg;
    (void)v;
    promise_defer(promise_channel_close, s->numbers); /* on every path, so that the next stage ends, too */
    for (int i = 1; i <= 3; i++)
        if (promise_await(promise_send(s->numbers, promise_int(i)), &v) < 0) return v;
    return promise_void();
}

static promise_value_t square(promise_value_t v, void *arg) {
    struct stages *s = arg;
    promise_value_t got = {0};
    (void)v;
    promise_defer(promise_channel_close, s->squares);
    while (promise_await(promise_receive(s->numbers), &got) == 0 && !promise_is_end(got)) {
        int64_t n = promise_as_int(got);
        if (promise_await(promise_send(s->squares, promise_int(n * n)), &got) < 0) return got;
    }
    return got; /* the end, or why not */
}

static void stages_free(void *arg) {
    struct stages *s = arg;
    promise_channel_unref(s->numbers);
    promise_channel_unref(s->squares);
}

static promise_value_t print(promise_value_t item, void *arg) {
    (void)arg;
    printf("pipeline: %lld\n", (long long)promise_as_int(item));
    return promise_void();
}

static promise_t *pipeline(promise_loop_t *loop) {
    static struct stages s;
    s = (struct stages){promise_channel_new(loop, 0), promise_channel_new(loop, 0)};
    promise_t *all = promise_all_of(loop, promise_async(loop, count, &s), promise_async(loop, square, &s),
                                    promise_each(promise_channel_items(s.squares), 1, print, NULL), NULL);
    return promise_attach(all, &s, stages_free); /* the first that fails cancels the others, and all are waited for */
}
/* end: pipeline */

/* region: select */
struct reader {
    promise_channel_t *lines, *quit;
};

static promise_value_t read_lines(promise_value_t v, void *arg) {
    struct reader *r = arg;
    const promise_case_t cases[] = {{.channel = r->lines}, {.channel = r->quit}};
    promise_value_t got = {0};
    (void)v;
    for (;;) {
        if (promise_await(promise_timeout(promise_select(2, cases), 20), &got) < 0) {
            if (!promise_is_timeout(got)) return got;
            printf("select: nothing for 20 ms\n");
            promise_channel_close(r->quit); /* a closed channel is ready for all who wait, now and later */
        } else if (promise_select_index(got) == 1) {
            printf("select: quit\n");
            break;
        } else {
            printf("select: %s\n", promise_as_string(promise_select_value(got)));
        }
    }
    promise_value_clear(&got);
    return promise_void();
}

static void reader_free(void *arg) {
    struct reader *r = arg;
    promise_channel_unref(r->lines);
    promise_channel_unref(r->quit);
}

static promise_t *select_one(promise_loop_t *loop) {
    static struct reader r;
    r = (struct reader){promise_channel_new(loop, 2), promise_channel_new(loop, 0)};
    promise_unref(promise_send(r.lines, promise_string("one line")));
    promise_unref(promise_send(r.lines, promise_string("another line")));
    return promise_attach(promise_async(loop, read_lines, &r), &r, reader_free);
}
/* end: select */

/* region: try */
static promise_t *without_waiting(promise_loop_t *loop) {
    promise_channel_t *ch = promise_channel_new(loop, 1);
    promise_value_t got = {0};
    bool first = promise_channel_try_send(ch, promise_string("first")); /* there is room */
    bool second = promise_channel_try_send(ch, promise_string("second"));
    printf("try: first %d, second %d\n", first, second);
    while (promise_channel_try_receive(ch, &got) && !promise_is_end(got)) printf("try: %s\n", promise_as_string(got));
    promise_channel_unref(ch);
    return promise_from(loop, promise_void());
}
/* end: try */

int main(void) {
    static tour_fn *const parts[] = {workers, pipeline, select_one, without_waiting};
    return tour(sizeof parts / sizeof *parts, parts);
}
