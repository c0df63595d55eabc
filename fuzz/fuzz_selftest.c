/* With a wrong read on purpose, which no file of the corpus reaches: run.sh proves that the fuzzer finds it. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3 || memcmp(data, "bug", 3) != 0) return 0;
    volatile size_t beyond = size; /* or else the compiler warns */
    char *bytes = calloc(1, 1);
    if (!bytes) return 0;
    volatile char read = bytes[beyond];
    (void)read;
    free(bytes);
    return 0;
}
