/* Generators: coroutines that give one thing after the other. */
#include "tour.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* region: yield */
static void close_file(void *file) { fclose(file); }

static promise_value_t words(promise_value_t v, void *text) {
    FILE *file = fmemopen(text, strlen(text), "r"); /* or fopen() */
    char word[64];
    (void)v;
    if (!file) return promise_throw_errno(errno, "cannot open the text");
    promise_defer(close_file, file); /* on every path */
    while (fscanf(file, "%63s", word) == 1)
        if (promise_yield(promise_string(word)) < 0) break; /* nobody wants more */
    return promise_end();
}

static promise_value_t greet(promise_value_t word, void *arg) {
    printf("%s: hello, %s\n", (const char *)arg, promise_as_string(word));
    return promise_adopt(promise_sleep(NULL, 5)); /* an item is asked for when this is over */
}

static promise_t *yield(promise_loop_t *loop) {
    static char text[] = "one two three";
    return promise_each(promise_generator(loop, words, text), 1, greet, "yield");
}
/* end: yield */

/* region: await */
/* One number after the other from something slow: it awaits between two items. */
static promise_value_t squares(promise_value_t v, void *arg) {
    promise_value_t got = {0};
    (void)v, (void)arg;
    for (int i = 1; i <= 5; i++) {
        if (promise_await(promise_sleep(NULL, 2), &got) < 0) return got;
        if (promise_yield(promise_int(i * i)) < 0) break;
    }
    return promise_end();
}

static promise_value_t is_odd(promise_value_t number, void *arg) {
    (void)arg;
    return promise_int(promise_as_int(number) % 2);
}

static promise_t *await(promise_loop_t *loop) {
    promise_t *p = promise_filter(promise_generator(loop, squares, NULL), 0, is_odd, NULL);
    return promise_then(p, show, "await");
}
/* end: await */

/* region: close */
static void say_so(void *text) { printf("close: %s\n", (const char *)text); }

static promise_value_t naturals(promise_value_t v, void *arg) {
    (void)v, (void)arg;
    promise_defer(say_so, "the generator has left");
    for (int i = 1; promise_yield(promise_int(i)) == 0; i++) {}
    return promise_end();
}

static promise_value_t some(promise_value_t v, void *arg) {
    promise_iterator_t *numbers = promise_generator(NULL, naturals, NULL);
    promise_value_t got = {0};
    (void)v, (void)arg;
    for (int i = 0; i < 3 && promise_await(promise_next(numbers), &got) == 0; i++)
        printf("close: %d\n", (int)promise_as_int(got));
    promise_iterator_close(numbers);
    return got;
}

static promise_t *close_it(promise_loop_t *loop) { return promise_then(promise_async(loop, some, NULL), show, "close"); }
/* end: close */

int main(void) {
    static tour_fn *const parts[] = {yield, await, close_it};
    return tour(sizeof parts / sizeof *parts, parts);
}
