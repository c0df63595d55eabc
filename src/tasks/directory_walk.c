/* All that is below a directory: a stack of sorted lists, of which a thread takes so many entries at a time. */
#include <errno.h>
#include <string.h>

#include "directory.h"
#include "waiting.h"

enum { BATCH = 128 };

struct level {
    promise_value_t entries; /* a list; those before next are void */
    size_t next;
};

struct walk {
    struct file_hold hold; /* the first field */
    struct level *levels;  /* from the top down to where we are */
    size_t depth, room;
    bool begun;
    char path[];
};

static void walk_free(struct file_hold *hold) {
    struct walk *w = (struct walk *)hold;

    while (w->depth) promise__release(w->levels[--w->depth].entries);
    promise__free(w->levels);
    promise__free(w);
}

/* Takes the list over; -1 when out of memory. */
static int push(struct walk *w, promise_value_t entries) {
    if (w->depth == w->room) {
        size_t room = w->room ? w->room * 2 : 16;
        struct level *grown = promise__realloc(w->levels, room * sizeof *grown);
        if (!grown) {
            promise__release(entries);
            return -1;
        }
        w->levels = grown;
        w->room = room;
    }
    w->levels[w->depth++] = (struct level){entries, 0};
    return 0;
}

/* The next entry is ours then; void when there is none left. */
static promise_value_t pop(struct walk *w) {
    while (w->depth) {
        struct level *top = &w->levels[w->depth - 1];
        struct list *l = promise__object(top->entries);
        if (top->next < l->size) {
            promise_value_t entry = l->items[top->next];
            l->items[top->next++] = promise_void();
            return entry;
        }
        promise__release(top->entries);
        w->depth--;
    }
    return promise_void();
}

/* Goes down into a directory, unless it cannot be read: then its entry says why. False when it is not there any more, or no
 * directory now. */
static bool go_down(struct walk *w, promise_value_t entry, bool *nomem) {
    promise_value_t list = promise__directory_sorted(promise_dirent_path(entry), false, promise_dirent_depth(entry) + 1);

    if (!promise_is_rejection(list)) {
        *nomem = push(w, list) < 0;
        return true;
    }
    *nomem = promise_error_code(list) == ENOMEM;
    if (promise_error_code(list) == ENOENT || promise_error_code(list) == ENOTDIR) {
        promise__release(list);
        return false;
    }
    promise__dirent_fail(entry, list);
    return true;
}

static promise_value_t run_walk(struct file_request *r) {
    struct walk *w = (struct walk *)r->ask.on;
    promise_value_t batch = promise__list_of(0), entry;
    bool nomem = promise_is_rejection(batch);

    if (!nomem && !w->begun) {
        promise_value_t top = promise__directory_sorted(w->path, true, 0);
        if (promise_is_rejection(top)) {
            promise__release(batch);
            return top;
        }
        nomem = push(w, top) < 0;
        w->begun = true;
    }
    while (!nomem && promise_list_size(batch) < BATCH && !promise_is_void(entry = pop(w))) {
        if (promise_dirent_type(entry) == PROMISE_FILE_DIRECTORY && !go_down(w, entry, &nomem)) promise__release(entry);
        else if (promise__list_add(promise__object(batch), entry) < 0) nomem = true;
    }
    if (!nomem) return batch;
    promise__release(batch);
    return promise__nomem();
}

static const struct file_action walk_on = {
    .name = "walk", .run = run_walk, .begin = promise__reader_begin, .done = promise__reader_done};

promise_iterator_t *promise_directory_walk(promise_loop_t *loop, const char *path) {
    struct walk *w;
    size_t size;

    loop = promise__event_loop_arg(loop, __func__);
    if (!path) return promise_list_items(loop, promise__bad_argument(__func__, "path is NULL"));
    size = strlen(path) + 1;
    w = promise__malloc(sizeof *w + size);
    if (w) {
        memset(w, 0, sizeof *w);
        promise__file_hold_init(&w->hold, walk_free);
        memcpy(w->path, path, size);
    }
    return promise__reader_new(loop, w ? &w->hold : NULL, &walk_on);
}
