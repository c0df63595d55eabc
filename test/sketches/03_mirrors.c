/* A sketch of what a user writes, as it was written. */
#include <promise.h>
#include <stdio.h>

static const char path[] = "/dists/stable/Release";

static promise_value_t try_once(promise_value_t v, void *host) {
    char url[512];
    (void)v;
    snprintf(url, sizeof url, "http://%s%s", (const char *)host, path);
    return promise_adopt(promise_timeout(promise_http_get(NULL, url), 2000));
}
static promise_t *fetch_from(promise_loop_t *loop, const char *host) {
    static const struct promise_retry_policy policy = {.count = 3, .delay_ms = 200, .max_delay_ms = 2000};
    return promise_retry(loop, &policy, try_once, (void *)(uintptr_t)host);
}
static promise_value_t use_archive(promise_value_t v, void *host) {
    (void)v;                                         /* in a cancelled chain what this starts is cancelled too */
    return promise_adopt(fetch_from(NULL, host));
}
static promise_value_t show(promise_value_t v, void *arg) {
    size_t size;
    (void)arg;
    promise_as_bytes(promise_http_body(v), &size);
    printf("%zu bytes\n", size);
    return promise_void();
}
int main(void) {
    promise_loop_t *loop = promise_loop_new(NULL);
    static char archive[] = "archive.example";
    promise_t *p = promise_any_of(loop, fetch_from(loop, "mirror-a.example"), fetch_from(loop, "mirror-b.example"), NULL);
    p = promise_catch(p, use_archive, archive);
    p = promise_timeout(p, 15000);
    p = promise_then(p, show, NULL);
    int status = promise_loop_run(loop, p, NULL);
    promise_loop_free(loop);
    return status ? 1 : 0;
}
