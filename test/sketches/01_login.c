/* A sketch of what a user writes. Changed: includes the stand-in for a reader of JSON. */
#include <promise.h>
#include <stdio.h>
#include <stdlib.h>

#include "standin.h"

struct session { char *token, *user_id; };
static void session_free(void *p) { struct session *s = p; free(s->token); free(s->user_id); free(s); }

char *json_get_string(const char *json, size_t size, const char *key);
static char *field(promise_value_t response, const char *key) {
    size_t size;
    const char *body = promise_as_bytes(promise_http_body(response), &size);
    return json_get_string(body, size, key);
}
static const struct promise_domain app = {"app", NULL};
enum { APP_EANSWER = 1 };

static promise_value_t got_login(promise_value_t v, void *arg) {
    struct session *s = arg;
    char url[256];
    if (!(s->token = field(v, "token"))) return promise_throw(&app, APP_EANSWER, "no token in the answer");
    snprintf(url, sizeof url, "http://api.example/profile?token=%s", s->token);
    return promise_adopt(promise_http_get(NULL, url));
}
static promise_value_t got_profile(promise_value_t v, void *arg) {
    struct session *s = arg;
    char url[256];
    if (!(s->user_id = field(v, "id"))) return promise_throw(&app, APP_EANSWER, "no id in the profile");
    snprintf(url, sizeof url, "http://api.example/orders?user=%s", s->user_id);
    return promise_adopt(promise_http_get(NULL, url));
}
static promise_value_t save_orders(promise_value_t v, void *arg) {
    (void)arg;
    return promise_adopt(promise_file_write(NULL, "orders.json", promise_http_body(v)));   /* a borrowed value: the callee keeps its own */
}
static promise_value_t complain(promise_value_t v, void *arg) {
    (void)arg;
    fprintf(stderr, "failed: %s\n", promise_error_message(v));
    return v;                                          /* passes the rejection on */
}
int main(void) {
    promise_loop_t *loop = promise_loop_new(NULL);
    struct session *s = calloc(1, sizeof *s);
    if (!loop || !s) return 1;
    promise_t *p = promise_http_post(loop, "http://api.example/login", promise_string("user=ann&password=secret"));
    p = promise_then(p, got_login, s);
    p = promise_then(p, got_profile, s);
    p = promise_then(p, save_orders, s);
    p = promise_timeout(p, 30000);
    p = promise_catch(p, complain, s);
    p = promise_attach(p, s, session_free);
    int status = promise_loop_run(loop, p, NULL);
    promise_loop_free(loop);
    return status ? 1 : 0;
}
