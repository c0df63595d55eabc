/* Concurrent, by promises: files are read on threads of the library's, and hashed on this one. */
#include "../trace.h"
#include "../ways.h"

static promise_fn begin, hash, failed;

int main(int argc, char **argv) {
    promise_loop_t *loop = promise_loop_new(NULL);
    struct tree *tree = tree_open(argc, argv);

    ways_run(loop, promise_each(tree_items(loop, tree), 8, begin, NULL));
    promise_loop_free(loop);
    return tree_report(tree);
}

static promise_value_t begin(promise_value_t v, void *arg) {
    struct file *file = promise_as_pointer(v);

    (void)arg;
    trace_begin(file->number);
    return promise_adopt(promise_then_catch(promise_file_read(NULL, file->path), hash, failed, file));
}

static promise_value_t hash(promise_value_t content, void *arg) {
    struct file *file = arg;
    size_t size;
    const char *data = promise_as_bytes(content, &size);

    file_digest(file, data, size);
    trace_end(file->number);
    return promise_void();
}

static promise_value_t failed(promise_value_t reason, void *arg) {
    struct file *file = arg;

    file->error = promise_error_code(reason);
    return promise_void();
}
