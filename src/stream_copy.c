/* From one stream to another, in constant memory: the bytes move from buffer to buffer. */
#include <promise/combine.h>

#include "stream.h"

enum { MOST_AT_ONCE = 65536 };

struct copy {
    promise_stream_t *from, *to;
    int64_t bytes;
};

static void copy_free(void *arg) {
    struct copy *c = arg;

    promise_stream_unref(c->from);
    promise_stream_unref(c->to);
    promise__free(c);
}

static promise_value_t moved(promise_value_t v, void *arg) {
    struct copy *c = arg;

    if (promise_is_end(v)) return v;
    c->bytes += promise_as_int(v);
    return promise_adopt(promise__stream_writable(c->to));
}

static promise_value_t step(promise_value_t v, void *arg) {
    struct copy *c = arg;

    (void)v;
    return promise_adopt(promise_then(promise__stream_move(c->from, c->to, MOST_AT_ONCE), moved, c));
}

static promise_value_t count(promise_value_t v, void *arg) {
    struct copy *c = arg;

    (void)v;
    return promise_int(c->bytes);
}

/* Whether the other one can be written to is asked first: nothing is read in vain. While nothing comes, it may break too. */
static promise_value_t start(promise_value_t v, void *arg) {
    struct copy *c = arg;
    promise_loop_t *loop = c->from->loop;

    (void)v;
    return promise_adopt(
        promise_then(promise_race_of(loop, promise_repeat(loop, step, c), promise__stream_broken(c->to), NULL), count, c));
}

promise_t *promise_stream_copy(promise_stream_t *from, promise_stream_t *to) {
    promise_loop_t *nomem = promise_source_nomem_loop(from);
    struct copy *c;

    if (!nomem) nomem = promise_source_nomem_loop(to);
    if (nomem) return promise__settled(nomem, promise__no_object(nomem));
    from = promise__stream_arg(from, __func__);
    to = promise__stream_arg(to, __func__);
    if (from->loop != to->loop) promise__stop("promise_stream_copy: expected streams of one loop, got those of two");
    c = promise__malloc(sizeof *c);
    if (!c) return promise__settled(from->loop, promise__nomem());
    *c = (struct copy){promise_stream_ref(from), promise_stream_ref(to), 0};
    return promise_attach(promise_then(promise__stream_writable(to), start, c), c, copy_free);
}
