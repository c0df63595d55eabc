/* Responses, as a client gets them. */
#include "fuzz.h"
#include "http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_messages(false, data, size);
    return 0;
}
