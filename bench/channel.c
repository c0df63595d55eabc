/* Channels: a message from one coroutine to another. */
#include "bench.h"

struct pair {
    promise_channel_t *channel;
    size_t steps, received;
};

static promise_value_t produce(promise_value_t v, void *arg) {
    const struct pair *pair = arg;

    (void)v;
    for (size_t i = 0; i < pair->steps; i++)
        if (promise_await(promise_send(pair->channel, promise_int((int64_t)i)), NULL) < 0) bench_fail("a send was rejected");
    promise_channel_close(pair->channel);
    return promise_void();
}

static promise_value_t consume(promise_value_t v, void *arg) {
    struct pair *pair = arg;
    promise_value_t item = {0};

    (void)v;
    while (promise_await(promise_receive(pair->channel), &item) == 0 && !promise_is_end(item))
        if (promise_as_int(item) != (int64_t)pair->received++) bench_fail("the messages are out of order");
    return promise_void();
}

static void run(promise_loop_t *loop, size_t steps, size_t capacity) {
    struct pair pair = {promise_channel_new(loop, capacity), steps, 0};

    promise_unref(promise_async(loop, produce, &pair));
    promise_unref(promise_async(loop, consume, &pair));
    bench_drain(loop);
    promise_channel_unref(pair.channel);
    if (pair.received != steps) bench_fail("messages are missing");
}

void bench_channel(promise_loop_t *loop, size_t steps) { run(loop, steps, 0); }
void bench_channel_buffered(promise_loop_t *loop, size_t steps) { run(loop, steps, 100); }
