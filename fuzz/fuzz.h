/* What a target defines; clang's fuzzer or driver.c calls it. */
#ifndef PROMISE_FUZZ_FUZZ_H
#define PROMISE_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* One input. Returns 0; nothing of it stays allocated. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
