/* What is in a channel: the ring, and what came back; what is rare of them. */
#include <string.h>

#include "channel_move.h"

enum { FIRST_SIZE = 8 };

int promise__ring_grow(promise_channel_t *ch) {
    size_t size = ch->size ? 2 * ch->size : FIRST_SIZE, to_end = ch->size - ch->first;
    promise_value_t *ring;

    if (size > SIZE_MAX / sizeof *ring) return -1;
    ring = promise__malloc(size * sizeof *ring);
    if (!ring) return -1;
    if (ch->size) {
        memcpy(ring, ch->ring + ch->first, to_end * sizeof *ring);
        memcpy(ring + to_end, ch->ring, ch->first * sizeof *ring);
    }
    promise__free(ch->ring);
    ch->ring = ring;
    ch->size = size;
    ch->first = 0;
    return 0;
}

void promise__ring_free(promise_channel_t *ch) {
    promise__free(ch->ring);
    ch->ring = NULL;
    ch->size = ch->first = 0;
}

promise_value_t promise__returned_shift(promise_channel_t *ch, uint64_t *number) {
    promise_t *p = ch->returned.first;
    promise_value_t v = p->value;

    *number = p->number;
    ch->returned.first = p->next;
    *(p->next ? &p->next->prev : &ch->returned.last) = NULL;
    ch->returned_count--;
    promise__slab_release(ch->loop, p);
    return v;
}

void promise__channel_empty(promise_channel_t *ch) {
    uint64_t number;

    while (ch->returned.first) promise__release(promise__returned_shift(ch, &number));
    while (ch->count) promise__release(promise__ring_shift(ch));
    promise__ring_free(ch);
}
