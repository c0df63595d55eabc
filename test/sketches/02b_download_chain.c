/* A sketch of what a user writes. Changed: includes the stand-in for files, which the library has not yet. */
/* the same by chain: a hand-made closure, freed by attach */
#include <promise.h>
#include <stdio.h>
#include <stdlib.h>

#include "standin.h"

struct batch { size_t done, failed, total; };
struct one { struct batch *batch; promise_value_t url; };
static void one_free(void *p) { struct one *o = p; promise_value_clear(&o->url); free(o); }
static const char *base_name(const char *url) { const char *b = url; for (; *url; url++) if (*url == '/') b = url + 1; return b; }

static promise_value_t save(promise_value_t v, void *arg) {
    struct one *o = arg;
    return promise_adopt(promise_file_write(NULL, base_name(promise_as_string(o->url)), promise_http_body(v)));
}
static promise_value_t count(promise_value_t v, void *arg) {
    struct one *o = arg;
    if (promise_is_rejection(v)) {
        if (promise_is_canceled(v)) return v;
        o->batch->failed++;
        fprintf(stderr, "\n%s: %s\n", promise_as_string(o->url), promise_error_message(v));
    }
    fprintf(stderr, "\r%zu/%zu, %zu failed", ++o->batch->done, o->batch->total, o->batch->failed);
    return promise_void();
}
static promise_value_t download(promise_value_t url, void *arg) {
    struct one *o = malloc(sizeof *o);
    if (!o) return promise_throw_errno(12, "download");
    *o = (struct one){.batch = arg};
    promise_value_set(&o->url, url);
    promise_t *p = promise_http_get(NULL, promise_as_string(url));
    p = promise_then(p, save, o);
    p = promise_then_catch(p, count, count, o);
    return promise_adopt(promise_attach(p, o, one_free));
}
int main(int argc, char **argv) {
    promise_loop_t *loop = promise_loop_new(NULL);
    struct batch b = {0, 0, (size_t)argc - 1};
    int status = promise_loop_run(loop, promise_each(promise_strings(loop, b.total, argv + 1), 4, download, &b), NULL);
    promise_loop_free(loop);
    return status || b.failed ? 1 : 0;
}
