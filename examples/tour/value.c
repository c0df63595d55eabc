/* Values: making and reading them, whose they are, and types of one's own. */
#include "tour.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* region: make */
static promise_value_t describe(promise_value_t v, void *arg) {
    (void)arg;
    if (promise_is(v, &promise_type_int)) return promise_stringf("%d sheep", (int)promise_as_int(v));
    if (promise_is(v, &promise_type_string)) return promise_stringf("%zu letters", strlen(promise_as_string(v)));
    return promise_string(promise_type_name(v));
}

static promise_t *make(promise_loop_t *loop) {
    promise_t *sheep = promise_then(promise_from(loop, promise_int(3)), describe, NULL);
    promise_t *letters = promise_then(promise_from(loop, promise_string("wool")), describe, NULL);
    promise_t *other = promise_then(promise_from(loop, promise_double(0.5)), describe, NULL);
    return promise_then(promise_all_of(loop, sheep, letters, other, NULL), show, "make");
}
/* end: make */

/* region: keep */
struct page {
    promise_value_t title, body; /* zero: void */
};

static promise_value_t got_title(promise_value_t title, void *arg) {
    struct page *page = arg;
    promise_value_set(&page->title, title); /* the argument lives as long as this call; the page has its own now */
    return promise_string("once upon a time");
}

static promise_value_t got_body(promise_value_t body, void *arg) {
    struct page *page = arg;
    promise_value_set(&page->body, body);
    return promise_stringf("%s: %s", promise_as_string(page->title), promise_as_string(page->body));
}

static void page_free(void *arg) {
    struct page *page = arg;
    promise_value_clear(&page->title);
    promise_value_clear(&page->body);
    free(page);
}

static promise_t *keep(promise_loop_t *loop) {
    struct page *page = calloc(1, sizeof *page);
    if (!page) return promise_from(loop, promise_throw_errno(ENOMEM, "page"));
    promise_t *p = promise_from(loop, promise_string("The Kettle"));
    p = promise_then(p, got_title, page);
    p = promise_then(p, got_body, page);
    p = promise_then(p, show, "keep");
    return promise_attach(p, page, page_free);
}
/* end: keep */

/* region: type */
struct user {
    char *name;
    int age;
};

static void user_free(struct user *user) {
    free(user->name);
    free(user);
}

PROMISE_DECLARE_TYPE(user, struct user)           /* in a header: user_value(u) and user_of(v) */
PROMISE_DEFINE_TYPE(user, struct user, user_free) /* in one source */

static promise_value_t load(promise_value_t name, void *arg) {
    struct user *user = malloc(sizeof *user);
    (void)arg;
    if (!user) return promise_throw_errno(ENOMEM, "user");
    *user = (struct user){strdup(promise_as_string(name)), 41};
    if (user->name) return user_value(user);
    user_free(user);
    return promise_throw_errno(ENOMEM, "user");
}

static promise_value_t birthday(promise_value_t v, void *arg) {
    (void)arg;
    user_of(v)->age++; /* everyone who has the value sees it */
    return v;
}

static promise_value_t introduce(promise_value_t v, void *arg) {
    (void)arg;
    printf("type: %s is %d\n", user_of(v)->name, user_of(v)->age);
    return promise_void(); /* nobody has the user any more: it is freed */
}

static promise_t *type(promise_loop_t *loop) {
    promise_t *p = promise_from(loop, promise_string("Ann"));
    p = promise_then(p, load, NULL);
    p = promise_then(p, birthday, NULL);
    return promise_then(p, introduce, NULL);
}
/* end: type */

/* region: list */
static promise_t *list(promise_loop_t *loop) {
    const char *const names[] = {"name", "tags"};
    promise_value_t tags = promise_list(0, NULL);
    if (promise_is_rejection(tags)) return promise_from(loop, tags);
    int failed = promise_list_push(tags, promise_string("blue")) || promise_list_push(tags, promise_string("steel"));
    promise_value_t kettle = promise_keyed(2, names, (promise_value_t[]){promise_string("kettle"), tags});
    if (failed || promise_is_rejection(kettle)) {
        promise_value_clear(&kettle);
        return promise_from(loop, promise_throw_errno(ENOMEM, "kettle"));
    }
    tags = promise_get(kettle, "tags"); /* lent by the kettle */
    for (size_t i = 0; i < promise_list_size(tags); i++)
        printf("list: %s %zu is %s\n", promise_list_name(kettle, 1), i, promise_as_string(promise_list_get(tags, i)));
    return promise_then(promise_from(loop, kettle), show, "list");
}
/* end: list */

/* region: bytes */
static promise_value_t sum(promise_value_t v, void *arg) {
    size_t size;
    const char *bytes = promise_as_bytes(v, &size);
    int64_t total = 0;
    (void)arg;
    for (size_t i = 0; i < size; i++) total += bytes[i];
    return promise_int(total);
}

static promise_t *bytes(promise_loop_t *loop) {
    char *numbers = malloc(3);
    if (!numbers) return promise_from(loop, promise_throw_errno(ENOMEM, "numbers"));
    memcpy(numbers, "\1\2\3", 3);
    promise_t *p = promise_from(loop, promise_bytes_take(numbers, 3)); /* not copied: freed with the value */
    return promise_then(promise_then(p, sum, NULL), show, "bytes");
}
/* end: bytes */

int main(void) {
    static tour_fn *const parts[] = {make, keep, type, list, bytes};
    return tour(sizeof parts / sizeof *parts, parts);
}
