// The same from C++. Prints "sum 42".
#include <iostream>
#include <promise.h>

static promise_value_t add_two(promise_value_t v, void *) {
    return promise_int(promise_as_int(v) + 2);
}

static promise_value_t print(promise_value_t v, void *) {
    std::cout << "sum " << promise_as_int(v) << std::endl;
    return promise_void();
}

int main() {
    promise_loop_t *loop = promise_loop_new(nullptr);
    promise_resolver_t *resolver;

    if (loop == nullptr) return 1;
    promise_t *p = promise_new(loop, &resolver);
    p = promise_then(p, add_two, nullptr);
    p = promise_then(p, print, nullptr);
    promise_resolve(resolver, promise_int(40));
    int status = promise_loop_run(loop, p, nullptr);
    promise_loop_free(loop);
    return status == 0 ? 0 : 1;
}
