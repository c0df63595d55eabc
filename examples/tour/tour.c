#include "tour.h"

#include <stdio.h>

/* region: show */
static void print(promise_value_t v) {
    char text[256];
    if (promise_is(v, &promise_type_list)) {
        for (size_t i = 0; i < promise_list_size(v); i++) {
            if (i > 0) printf(", ");
            if (promise_list_name(v, i)) printf("%s=", promise_list_name(v, i));
            print(promise_list_get(v, i));
        }
    } else {
        promise_print(v, text, sizeof text);
        printf("%s", text);
    }
}

promise_value_t show(promise_value_t v, void *label) {
    printf("%s: ", (const char *)label);
    print(v);
    printf("\n");
    return v;
}
/* end: show */

int tour(size_t n, tour_fn *const *parts) {
    for (size_t i = 0; i < n; i++) {
        promise_loop_t *loop = promise_loop_new(NULL);
        if (!loop) return 1;
        int status = promise_loop_run(loop, parts[i](loop), NULL);
        promise_loop_free(loop);
        if (status < 0) return 1;
    }
    return 0;
}
