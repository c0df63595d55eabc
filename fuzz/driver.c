/*
 * Runs each file of a kept corpus through a target once, where there is no fuzzer: fuzz/fuzz_NAME runs
 * $srcdir/fuzz/corpus/NAME/. Prints TAP.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static void die(const char *what) {
    printf("Bail out! ");
    fflush(stdout);
    perror(what);
    exit(1);
}

static int is_file(const struct dirent *entry) { return entry->d_name[0] != '.'; }

/* An allocation of just the size, so that a step beyond is seen; NULL for an empty file, as the fuzzer may have it. */
static uint8_t *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) < 0) die(path);
    long length = ftell(file);
    if (length < 0) die(path);
    rewind(file);
    *size = (size_t)length;
    uint8_t *data = NULL;
    if (length > 0 && (!(data = malloc(*size)) || fread(data, 1, *size, file) != *size)) die(path);
    fclose(file);
    return data;
}

static void run_file(const char *path) {
    size_t size;
    uint8_t *data = read_file(path, &size);
    printf("# %s\n", path);
    fflush(stdout); /* the last line, should it not come back */
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

int main(int argc, char **argv) {
    const char *name = strstr(argv[0], "fuzz_");
    const char *srcdir = getenv("srcdir");
    char folder[4096], path[8192];
    struct dirent **entries;
    (void)argc;

    for (const char *next = name; next; next = strstr(next + 1, "fuzz_")) name = next;
    if (!name) die(argv[0]);
    snprintf(folder, sizeof folder, "%s/fuzz/corpus/%s", srcdir ? srcdir : ".", name + strlen("fuzz_"));
    int count = scandir(folder, &entries, is_file, alphasort);
    if (count <= 0) die(folder);
    printf("1..%d\n", count);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        run_file(path);
        printf("ok %d - %s\n", i + 1, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return 0;
}
