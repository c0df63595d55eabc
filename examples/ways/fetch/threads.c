/* Blocking calls, each on a thread of a pool: as many at a time as the pool has threads. */
#include "../ways.h"

static promise_fn begin, fetch;

int main(int argc, char **argv) {
    promise_loop_t *loop = promise_loop_new(NULL);
    const struct promise_pool_options options = {.threads = 16};
    promise_pool_t *pool = promise_pool_new(&options);
    struct pages *pages = pages_open(argc, argv);

    ways_run(loop, promise_each(pages_items(loop, pages), 0, begin, pool));
    promise_pool_free(pool);
    promise_loop_free(loop);
    return pages_report(pages);
}

static promise_value_t begin(promise_value_t page, void *pool) { return promise_adopt(promise_work(NULL, pool, fetch, page)); }

static promise_value_t fetch(promise_value_t page, void *arg) {
    (void)arg;
    page_fetch(promise_as_pointer(page));
    return promise_void();
}
