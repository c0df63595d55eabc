/* Parallel, by threads: an ordinary blocking function, run by as many threads as there are processors. */
#include "../trace.h"
#include "../ways.h"

static promise_fn begin, hash;

int main(int argc, char **argv) {
    promise_loop_t *loop = promise_loop_new(NULL);
    struct tree *tree = tree_open(argc, argv);

    ways_run(loop, promise_each(tree_items(loop, tree), 64, begin, NULL));
    promise_loop_free(loop);
    (void)promise_pool_shutdown(UINT64_MAX); /* what libcrypto has kept for each thread goes with it */
    return tree_report(tree);
}

static promise_value_t begin(promise_value_t file, void *arg) {
    (void)arg;
    return promise_adopt(promise_work(NULL, NULL, hash, file));
}

static promise_value_t hash(promise_value_t v, void *arg) {
    struct file *file = promise_as_pointer(v);

    (void)arg;
    trace_begin(file->number);
    file_hash(file);
    trace_end(file->number);
    return promise_void();
}
