/* Directories: what is in one, and in all below. */
#include "tour.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* region: make */
static promise_value_t touch(promise_value_t path, void *arg) {
    (void)arg;
    return promise_adopt(promise_file_write(NULL, promise_as_string(path), promise_string("some text\n")));
}

static promise_value_t fill(promise_value_t v, void *arg) {
    static char *const paths[] = {"tree/b", "tree/a", "tree/deep/er/c"};
    (void)v, (void)arg;
    return promise_adopt(promise_each(promise_strings(NULL, 3, paths), 3, touch, NULL));
}

static promise_t *make(promise_loop_t *loop) {
    return promise_then(promise_directory_make_all(loop, "tree/deep/er", 0777), fill, NULL);
}
/* end: make */

/* region: list */
static promise_t *list(promise_loop_t *loop) {
    return promise_then(promise_directory_list(loop, "tree"), show, "list");
}
/* end: list */

/* region: walk */
static promise_value_t add_size(promise_value_t known, void *total) {
    *(uint64_t *)total += promise_as_stat(known)->size;
    return promise_void();
}

static promise_value_t visit(promise_value_t entry, void *total) {
    if (!promise_is_void(promise_dirent_error(entry))) /* a directory that cannot be read */
        fprintf(stderr, "%s\n", promise_error_message(promise_dirent_error(entry)));
    if (promise_dirent_type(entry) != PROMISE_FILE_REGULAR) return promise_void();
    return promise_adopt(promise_then(promise_file_lstat(NULL, promise_dirent_path(entry)), add_size, total));
}

static promise_value_t print_total(promise_value_t v, void *total) {
    printf("walk: %d bytes\n", (int)*(uint64_t *)total);
    return v;
}

static promise_t *walk(promise_loop_t *loop) {
    static uint64_t total; /* outlives the chain */
    promise_t *p = promise_each(promise_directory_walk(loop, "tree"), 8, visit, &total);
    return promise_then(p, print_total, &total);
}
/* end: walk */

int main(void) {
    static tour_fn *const parts[] = {make, list, walk};
    char folder[] = "/tmp/libpromise-tour-XXXXXX";

    if (!mkdtemp(folder) || chdir(folder) < 0) return 1;
    int status = tour(sizeof parts / sizeof *parts, parts);
    if (system("rm -rf tree")) status = 1;
    rmdir(folder);
    return status;
}
