/* Lists, with and without names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cell.h"

static void list_free(void *object) {
    struct list *l = object;

    for (size_t i = 0; i < l->size; i++) promise__release(l->items[i]);
    for (size_t i = 0; l->names && i < l->size; i++) promise__free(l->names[i]);
    promise__free(l->names);
    promise__free(l->items);
}

static size_t list_print(const void *object, char *buffer, size_t size) {
    return (size_t)snprintf(buffer, size, "a list of %zu", ((const struct list *)object)->size);
}

const struct promise_type promise_type_list = {sizeof(struct promise_type), "list", list_free, NULL, NULL, NULL, list_print};

static struct list *list_new(size_t capacity, promise_value_t *v) {
    struct list *l = promise__cell_new(&promise_type_list, sizeof *l, v);

    if (!l) return NULL;
    *l = (struct list){.capacity = capacity};
    if (!capacity) return l;
    l->items = capacity > SIZE_MAX / sizeof *l->items ? NULL : promise__malloc(capacity * sizeof *l->items);
    if (l->items) return l;
    promise__release(*v);
    *v = promise__nomem();
    return NULL;
}

promise_value_t promise__list_of(size_t n) {
    promise_value_t v;
    struct list *l = list_new(n, &v);

    if (!l) return v;
    for (size_t i = 0; i < n; i++) l->items[i] = promise_void();
    l->size = n;
    return v;
}

static promise_value_t release_all(size_t n, const promise_value_t *values, promise_value_t outcome) {
    for (size_t i = 0; i < n; i++)
        if (!(values[i].type & MARK_OWNER)) promise__release(values[i]);
    return outcome;
}

promise_value_t promise_list(size_t n, const promise_value_t *values) {
    promise_value_t v;
    struct list *l;

    if (n && !values) return promise__bad_argument("promise_list", "values is NULL");
    l = list_new(n, &v);
    if (!l) return release_all(n, values, v);
    for (; l->size < n; l->size++) l->items[l->size] = promise__take(values[l->size]);
    return v;
}

int promise__list_set_name(struct list *l, size_t i, const char *name) {
    size_t size = strlen(name) + 1;
    char *copy = promise__malloc(size);

    if (!copy) return -1;
    if (!l->names) {
        l->names = promise__malloc(l->capacity * sizeof *l->names);
        if (!l->names) {
            promise__free(copy);
            return -1;
        }
        memset(l->names, 0, l->capacity * sizeof *l->names);
    }
    memcpy(copy, name, size);
    l->names[i] = copy;
    return 0;
}

promise_value_t promise_keyed(size_t n, const char *const *names, const promise_value_t *values) {
    promise_value_t v = promise_void();

    if (n && !values) return promise__bad_argument("promise_keyed", "values is NULL");
    if (n && !names) v = promise__bad_argument("promise_keyed", "names is NULL");
    for (size_t i = 0; n && names && i < n; i++)
        if (!names[i]) v = promise__bad_argument("promise_keyed", "a name is NULL");
    if (promise_is_rejection(v)) return release_all(n, values, v);
    v = promise_list(n, values);
    for (size_t i = 0; !promise_is_rejection(v) && i < n; i++)
        if (promise__list_set_name(promise__object(v), i, names[i]) < 0) promise__release(v), v = promise__nomem();
    return v;
}

static struct list *list_of_value(const char *function, promise_value_t v) {
    if (promise_is(v, &promise_type_list)) return promise__object(v);
    if (promise_is_rejection(v)) promise__stop("%s: expected list, got a rejection: %s", function, promise_error_message(v));
    promise__stop("%s: expected list, got %s", function, promise_type_name(v));
}

size_t promise_list_size(promise_value_t list) { return list_of_value(__func__, list)->size; }

promise_value_t promise_list_get(promise_value_t list, size_t index) {
    const struct list *l = list_of_value(__func__, list);

    if (index >= l->size) promise__stop("promise_list_get: index %zu of a list of %zu", index, l->size);
    return promise__mark(l->items[index], MARK_LENT);
}

const char *promise_list_name(promise_value_t list, size_t index) {
    const struct list *l = list_of_value(__func__, list);

    if (index >= l->size) promise__stop("promise_list_name: index %zu of a list of %zu", index, l->size);
    return l->names ? l->names[index] : NULL;
}

promise_value_t promise_get(promise_value_t keyed, const char *name) {
    const struct list *l = list_of_value(__func__, keyed);

    if (!name) promise__stop("promise_get: name is NULL");
    for (size_t i = 0; l->names && i < l->size; i++)
        if (l->names[i] && !strcmp(l->names[i], name)) return promise__mark(l->items[i], MARK_LENT);
    return promise_void();
}

/* Makes room for one more: both arrays or neither, so that their capacities stay the same. */
static int grow(struct list *l) {
    size_t capacity = l->capacity ? 2 * l->capacity : 8;
    promise_value_t *items;

    if (l->names) {
        char **names = promise__realloc(l->names, capacity * sizeof *names);
        if (!names) return -1;
        memset(names + l->capacity, 0, (capacity - l->capacity) * sizeof *names);
        l->names = names;
    }
    items = promise__realloc(l->items, capacity * sizeof *items);
    if (!items) return -1;
    l->items = items;
    l->capacity = capacity;
    return 0;
}

int promise__list_add(struct list *l, promise_value_t item) {
    if (l->size == l->capacity && grow(l) < 0) {
        promise__release(item);
        return -1;
    }
    l->items[l->size++] = item;
    return 0;
}

int promise_list_push(promise_value_t list, promise_value_t item) {
    item = promise__take(item);
    if (!promise_is_rejection(list)) return promise__list_add(list_of_value(__func__, list), item);
    promise__release(item); /* the list could not be made (V3) */
    return -1;
}
