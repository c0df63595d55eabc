/* A sketch of what a user writes. Changed: includes the stand-in for files, which the library has not yet. */
#include <promise.h>
#include <stdio.h>

#include "standin.h"

struct batch { size_t done, failed, total; };
static const char *base_name(const char *url) { const char *b = url; for (; *url; url++) if (*url == '/') b = url + 1; return b; }

static promise_value_t download(promise_value_t url, void *arg) {       /* a coroutine: its locals are the closure */
    struct batch *b = arg;
    promise_value_t v = {0};
    int bad = promise_await(promise_http_get(NULL, promise_as_string(url)), &v) < 0
           || promise_await(promise_file_write(NULL, base_name(promise_as_string(url)), promise_http_body(v)), &v) < 0;
    if (bad && promise_is_canceled(v)) return v;
    if (bad) fprintf(stderr, "\n%s: %s\n", promise_as_string(url), promise_error_message(v));
    b->done++, b->failed += (size_t)bad;
    fprintf(stderr, "\r%zu/%zu, %zu failed", b->done, b->total, b->failed);
    promise_value_clear(&v);
    return promise_void();
}
static promise_value_t start(promise_value_t url, void *arg) {
    return promise_adopt(promise_then_async(promise_from(NULL, url), download, arg));
}
int main(int argc, char **argv) {
    promise_loop_t *loop = promise_loop_new(NULL);
    struct batch b = {0, 0, (size_t)argc - 1};
    promise_iterator_t *urls = promise_strings(loop, b.total, argv + 1);
    int status = promise_loop_run(loop, promise_each(urls, 4, start, &b), NULL);
    promise_loop_free(loop);
    return status || b.failed ? 1 : 0;
}
