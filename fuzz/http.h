/* What the targets for HTTP share. */
#ifndef PROMISE_FUZZ_HTTP_H
#define PROMISE_FUZZ_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Reads data as what a peer sends, through a pair of streams: heads and their bodies one after the other, to the end or the
 * first thing that is wrong. Three times: at once with bodies as wholes, at once with bodies in pieces, and in small pieces. Stops
 * the program unless all three understand the same. Each head that was understood is written, and must be understood to
 * be the same again.
 */
void fuzz_messages(bool request, const uint8_t *data, size_t size);

#endif
