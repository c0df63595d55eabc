/* Parallel, by processes: each has a call at a time, a path, and gives its sum back. Nothing is shared. */
#include <stdlib.h>
#include <string.h>

#include "../ways.h"

static promise_fn begin, hash, got, failed;
static const struct promise_function functions[] = {{"hash", hash}, {NULL, NULL}};

int main(int argc, char **argv) {
    promise_loop_t *loop = promise_loop_new(NULL);
    const struct promise_process_options options = {.functions = functions, .name = "hash"};
    promise_process_pool_t *pool = promise_process_pool_new(loop, &options);
    struct tree *tree = tree_open(argc, argv);

    ways_run(loop, promise_each(tree_items(loop, tree), 64, begin, pool));
    ways_run(loop, promise_process_pool_close(pool, 1000));
    promise_loop_free(loop);
    return tree_report(tree);
}

static promise_value_t begin(promise_value_t v, void *pool) {
    struct file *file = promise_as_pointer(v);
    promise_t *p = promise_process_run(pool, "hash", promise_stringf("%zu %s", file->number, file->path));

    return promise_adopt(promise_then_catch(p, got, failed, file));
}

/* In a worker: a number for the timeline, and a path. */
static promise_value_t hash(promise_value_t v, void *arg) {
    char *path, sum[65];
    size_t number = strtoul(promise_as_bytes(v, NULL), &path, 10);
    int error = path_hash(path + 1, number, sum);

    (void)arg;
    return error ? promise_throw_errno(error, NULL) : promise_string(sum);
}

static promise_value_t got(promise_value_t sum, void *arg) {
    struct file *file = arg;

    memcpy(file->sum, promise_as_bytes(sum, NULL), sizeof file->sum);
    return promise_void();
}

static promise_value_t failed(promise_value_t reason, void *arg) {
    struct file *file = arg;

    file->error = promise_error_code(reason);
    return promise_void();
}
