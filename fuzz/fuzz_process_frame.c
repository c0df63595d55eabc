/* What comes from a worker whose functions have written over its memory: a byte that says in how large pieces it comes, and the
 * pieces. An answer that is a rejection is unpacked; so is the whole, as if it were one. */
#include "fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/tasks/process.h"

enum { MOST = 4096 };

static void check(bool holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "%s\n", what);
    abort();
}

/* What was unpacked is the same when it has been packed and unpacked again. */
static void unpack(const void *data, size_t size) {
    promise_value_t first = promise_error_unpack(promise_bytes(data, size), NULL), bytes, second;

    check(promise_is_rejection(first), "no rejection");
    bytes = promise_error_pack(first); /* takes it over */
    check(promise_is(bytes, &promise_type_bytes), "not packed");
    first = promise_error_unpack(bytes, NULL);
    bytes = promise_error_pack(first);
    second = promise_error_unpack(bytes, NULL);
    check(promise_error_domain(second) != NULL && promise_error_message(second) != NULL, "no error");
    check(!promise_error_is(second, &promise_errno_errors, EPROTO) || promise_error_code(second) == EPROTO ||
              !promise_is_void(promise_error_cause(second)),
          "it was packed, and is no rejection");
    promise_value_clear(&second);
}

/* One read: 1, 0 or -1. The room must be there. */
static int feed(struct frame_reader *r, const uint8_t *data, size_t size) {
    char block[FRAME_BLOCK];
    struct iovec room[2];
    size_t first;

    promise__frame_room(r, block, room);
    check(room[0].iov_len + room[1].iov_len >= size, "no room");
    first = size < room[0].iov_len ? size : room[0].iov_len;
    memcpy(room[0].iov_base, data, first);
    memcpy(room[1].iov_base, data + first, size - first);
    return promise__frame_got(r, block, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct frame_reader r;
    promise_value_t bytes;
    size_t piece, step;
    int status = 0;

    if (!size) return 0;
    piece = 1 + *data++;
    size--;
    unpack(data, size);
    promise__frame_start(&r, MOST);
    for (; size && status == 0; data += step, size -= step) {
        step = piece < size ? piece : size;
        status = feed(&r, data, step);
    }
    if (status > 0) {
        bytes = promise__frame_take(&r);
        check(promise_is(bytes, &promise_type_bytes), "no bytes");
        promise_as_bytes(bytes, &step);
        check(step == r.head.size && step <= MOST, "another size than it said");
        check(strlen(r.name) <= FRAME_NAME, "a name that does not end");
        unpack(promise_as_bytes(bytes, NULL), step);
        promise_value_clear(&bytes);
    }
    promise__frame_drop(&r);
    return 0;
}
