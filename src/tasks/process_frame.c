/* Frames: a head, a name, bytes. What comes from a worker is not believed: its functions may have written over it. */
#include "tasks/process.h"

#include <errno.h>
#include <string.h>

static const uint32_t magic = 0x70726f31; /* "pro1" */

struct frame_head promise__frame_head(enum frame_kind kind, uint64_t id, size_t size, size_t name_size) {
    return (struct frame_head){.magic = magic, .kind = kind, .id = id, .size = size, .name_size = (uint32_t)name_size};
}

void promise__frame_start(struct frame_reader *r, uint64_t most) {
    r->have = 0;
    r->most = most;
    r->name[0] = 0;
    r->bytes = promise_void();
}

void promise__frame_drop(struct frame_reader *r) {
    promise__release(r->bytes);
    promise__frame_start(r, r->most);
}

promise_value_t promise__frame_take(struct frame_reader *r) {
    promise_value_t bytes = r->bytes;

    r->bytes = promise_void();
    return bytes;
}

static size_t size_of(const struct frame_reader *r) { return sizeof r->head + r->head.name_size + (size_t)r->head.size; }

void promise__frame_room(struct frame_reader *r, char block[FRAME_BLOCK], struct iovec room[2]) {
    size_t before = sizeof r->head + (r->have < sizeof r->head ? 0 : r->head.name_size);

    room[0] = (struct iovec){block, 0};
    room[1] = (struct iovec){block, FRAME_BLOCK};
    if (r->have < sizeof r->head) room[0] = (struct iovec){(char *)&r->head + r->have, sizeof r->head - r->have};
    else if (r->have >= before && !promise_is_rejection(r->bytes))
        room[0] = (struct iovec){((struct text *)promise__object(r->bytes))->data + (r->have - before), size_of(r) - r->have};
}

/* The head is there. 0, or errno. */
static int open_frame(struct frame_reader *r) {
    const struct frame_head *h = &r->head;

    if (h->magic != magic || h->kind >= FRAME_KINDS || h->name_size > FRAME_NAME) return EPROTO;
    if (h->size > r->most || h->size > SIZE_MAX / 2) return EMSGSIZE;
    r->name[h->name_size] = 0;
    promise__text_new(&promise_type_bytes, (size_t)h->size, &r->bytes);
    return 0;
}

/* From the block to their places. */
static void sort_in(struct frame_reader *r, const char *block, size_t size) {
    size_t name_end = sizeof r->head + r->head.name_size, part;

    if (r->have < name_end) {
        part = name_end - r->have < size ? name_end - r->have : size;
        memcpy(r->name + (r->have - sizeof r->head), block, part);
        r->have += part;
        block += part;
        size -= part;
    }
    if (size && !promise_is_rejection(r->bytes))
        memcpy(((struct text *)promise__object(r->bytes))->data + (r->have - name_end), block, size);
    r->have += size;
}

int promise__frame_got(struct frame_reader *r, const char block[FRAME_BLOCK], size_t size) {
    struct iovec room[2];
    size_t first;

    promise__frame_room(r, (char *)(uintptr_t)block, room);
    first = size < room[0].iov_len ? size : room[0].iov_len;
    errno = 0;
    if (r->have < sizeof r->head && r->have + first == sizeof r->head) errno = open_frame(r);
    if (errno) return -1;
    r->have += first;
    if (r->have < sizeof r->head) return 0;
    if (size - first > size_of(r) - r->have) {
        errno = EPROTO;
        return -1;
    }
    sort_in(r, block, size - first);
    return r->have == size_of(r);
}
