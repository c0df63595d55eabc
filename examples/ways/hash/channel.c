/* A producer sends the files, and consumers take them: coroutines, which have threads do the hashing. */
#include "../trace.h"
#include "../ways.h"

enum { CONSUMERS = 8 };

struct world {
    struct tree *tree;
    promise_channel_t *files;
};

static promise_fn produce, consume, hash;

int main(int argc, char **argv) {
    promise_loop_t *loop = promise_loop_new(NULL);
    struct world world = {tree_open(argc, argv), promise_channel_new(loop, CONSUMERS)};
    promise_group_t *group = promise_group_new(loop);

    promise_group_async(group, produce, &world);
    for (int i = 0; i < CONSUMERS; i++) promise_group_async(group, consume, &world);
    ways_run(loop, promise_group_wait(group));
    promise_channel_unref(world.files);
    promise_loop_free(loop);
    (void)promise_pool_shutdown(UINT64_MAX); /* what libcrypto has kept for each thread goes with it */
    return tree_report(world.tree);
}

static promise_value_t produce(promise_value_t v, void *arg) {
    struct world *world = arg;

    for (size_t i = 0; i < world->tree->count; i++)
        if (promise_await(promise_send(world->files, promise_pointer(&world->tree->files[i])), &v) < 0) break;
    promise_channel_close(world->files);
    return v;
}

static promise_value_t consume(promise_value_t v, void *arg) {
    struct world *world = arg;

    while (promise_await(promise_receive(world->files), &v) == 0 && !promise_is_end(v))
        if (promise_await(promise_work(NULL, NULL, hash, v), &v) < 0) break;
    return v;
}

static promise_value_t hash(promise_value_t v, void *arg) {
    struct file *file = promise_as_pointer(v);

    (void)arg;
    trace_begin(file->number);
    file_hash(file);
    trace_end(file->number);
    return promise_void();
}
