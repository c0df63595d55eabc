/* The same as promise.c, by coroutines: each waits where it reads. */
#include "../trace.h"
#include "../ways.h"

static promise_fn begin, hash;

int main(int argc, char **argv) {
    promise_loop_t *loop = promise_loop_new(NULL);
    struct tree *tree = tree_open(argc, argv);

    ways_run(loop, promise_each(tree_items(loop, tree), 8, begin, NULL));
    promise_loop_free(loop);
    return tree_report(tree);
}

static promise_value_t begin(promise_value_t file, void *arg) {
    return promise_adopt(promise_then_async(promise_from(NULL, file), hash, arg));
}

static promise_value_t hash(promise_value_t v, void *arg) {
    struct file *file = promise_as_pointer(v);
    promise_value_t content = promise_void();

    (void)arg;
    trace_begin(file->number);
    if (promise_await(promise_file_read(NULL, file->path), &content) < 0) {
        file->error = promise_error_code(content);
    } else {
        size_t size;
        const char *data = promise_as_bytes(content, &size);
        file_digest(file, data, size);
    }
    trace_end(file->number);
    promise_value_clear(&content);
    return promise_void();
}
