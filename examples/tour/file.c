/* Files: whole ones, atomically replaced ones, and one that is open. */
#include "tour.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* region: whole */
static promise_value_t shout(promise_value_t text, void *path) {
    const char *was = promise_as_bytes(text, NULL);
    return promise_adopt(promise_file_write(NULL, path, promise_stringf("%s AND LOUD", was)));
}

static promise_value_t read_again(promise_value_t v, void *path) {
    (void)v;
    return promise_adopt(promise_file_read(NULL, path));
}

static promise_value_t print(promise_value_t text, void *label) {
    printf("%s: %s\n", (const char *)label, promise_as_bytes(text, NULL));
    return promise_void();
}

static promise_t *whole(promise_loop_t *loop) {
    promise_t *p = promise_file_read(loop, "hello.txt");
    p = promise_then(p, shout, "hello.txt");
    p = promise_then(p, read_again, "hello.txt");
    return promise_then(p, print, "whole");
}
/* end: whole */

/* region: replace */
static promise_t *replace(promise_loop_t *loop) {
    return promise_file_replace(loop, "settings", promise_string("colour=blue\nsize=7\n"));
}
/* end: replace */

/* region: error */
static promise_value_t none_yet(promise_value_t reason, void *label) {
    if (!promise_error_is(reason, &promise_errno_errors, ENOENT)) return reason; /* another error */
    printf("%s: %s\n", (const char *)label, promise_error_message(reason));
    return promise_string("colour=black");
}

static promise_t *with_default(promise_loop_t *loop) {
    return promise_then(promise_catch(promise_file_read(loop, "no/settings"), none_yet, "error"), show, "default");
}
/* end: error */

/* region: open */
static promise_value_t use(promise_value_t v, void *arg) {
    promise_file_t *file = promise_as_file(v);
    (void)arg;
    promise_unref(promise_file_write_at(file, 0, promise_string("0123456789"))); /* none needs to be waited for */
    promise_unref(promise_file_write_at(file, 3, promise_string("---")));
    promise_t *text = promise_file_read_at(file, 2, 6);
    promise_t *closed = promise_file_close(file); /* in statements of their own: arguments are evaluated in any order */
    return promise_adopt(promise_all_of(NULL, text, closed, NULL));
}

static promise_value_t print_first(promise_value_t results, void *label) {
    return print(promise_list_get(results, 0), label);
}

static promise_t *open_and_use(promise_loop_t *loop) {
    promise_t *p = promise_file_open(loop, "numbers", O_RDWR | O_CREAT, 0666);
    return promise_then(promise_then(p, use, NULL), print_first, "open");
}
/* end: open */

/* region: lines */
static promise_value_t by_lines(promise_value_t file, void *arg) {
    promise_iterator_t *lines = promise_file_lines(promise_as_file(file), 1000);
    (void)arg;
    return promise_adopt(promise_each(lines, 1, show, "line"));
}

static promise_t *lines(promise_loop_t *loop) {
    return promise_then(promise_file_open(loop, "settings", O_RDONLY, 0), by_lines, NULL);
}
/* end: lines */

/* region: stat */
static promise_value_t tell(promise_value_t known, void *path) {
    if (promise_stat_is_file(known)) printf("%s: %d bytes\n", (const char *)path, (int)promise_as_stat(known)->size);
    return promise_void();
}

static promise_t *size(promise_loop_t *loop) {
    return promise_then(promise_file_stat(loop, "settings"), tell, "settings");
}
/* end: stat */

int main(void) {
    static tour_fn *const parts[] = {whole, replace, with_default, open_and_use, lines, size};
    static const char *const made[] = {"hello.txt", "settings", "numbers"};
    char folder[] = "/tmp/libpromise-tour-XXXXXX";
    FILE *file;

    if (!mkdtemp(folder) || chdir(folder) < 0 || !(file = fopen("hello.txt", "w"))) return 1;
    fputs("hello", file);
    if (fclose(file)) return 1;
    int status = tour(sizeof parts / sizeof *parts, parts);
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) unlink(made[i]);
    rmdir(folder);
    return status;
}
