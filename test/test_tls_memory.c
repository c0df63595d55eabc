/* OpenSSL's own allocations fail: in making a context, and in a handshake. Something settles, nothing breaks. There are
 * thousands of them: some are tried, others with each step. */
#include "tlspair.h"

#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

static size_t until_failure; /* OpenSSL's allocations up to and with the one that fails; 0: none will */
static bool failed;

static bool fails_now(void) {
    if (until_failure == 0 || --until_failure > 0) return false;
    return failed = true;
}

static void *ssl_malloc(size_t size, const char *file, int line) {
    (void)file, (void)line;
    return fails_now() ? NULL : malloc(size);
}
static void *ssl_realloc(void *block, size_t size, const char *file, int line) {
    (void)file, (void)line;
    return fails_now() ? NULL : realloc(block, size);
}
static void ssl_free(void *block, const char *file, int line) {
    (void)file, (void)line;
    free(block);
}

static void fail_at(size_t n) {
    failed = false;
    until_failure = n;
}

static void say_nothing(enum promise_unhandled_event event, const promise_t *p, promise_value_t reason, void *arg) {
    (void)event, (void)p, (void)reason, (void)arg;
}

/* Larger steps where each one is slow. */
static size_t slower(void) { return test_scaled(100) < 100 ? 8 : 1; }

START_TEST(contexts) {
    struct promise_tls_options o = {.certificate_file = certificate("good"), .authorities_file = certificate("authority")};
    promise_tls_t *tls;
    size_t n = 0, refused = 0;

    do {
        fail_at(n += 11 * slower());
        tls = _i ? promise_tls_server(&o) : promise_tls_client(&o);
        until_failure = 0;
        if (promise_is_void(promise_tls_error(tls))) ck_assert_ptr_nonnull(promise_tls_context(tls));
        else refused++;
        promise_tls_unref(tls);
        ck_assert_uint_eq(ERR_peek_error(), 0);
    } while (failed);
    ck_assert_uint_gt(refused, 3);
}
END_TEST

START_TEST(handshakes) {
    promise_tls_t *c = good_client(NULL), *s = good_server(NULL);
    size_t refused = 0;

    promise_loop_on_unhandled(loop, say_nothing, NULL);
    tls_pair("good.test", c, s); /* what is made once is made */
    for (size_t n = 1;; n += 41 * slower()) {
        promise_stream_t *ends[2];
        promise_t *p[2];
        promise_stream_pair(loop, ends);
        fail_at(n);
        p[0] = promise_tls_secure(ends[0], "good.test", c);
        p[1] = promise_tls_secure(ends[1], NULL, s);
        for (int i = 0; i < 2; i++)
            while (promise_get_state(p[i]) == PROMISE_PENDING) promise_loop_turn(loop);
        until_failure = 0;
        for (int i = 0; i < 2; i++) {
            refused += promise_get_state(p[i]) == PROMISE_REJECTED;
            promise_unref(p[i]);
        }
        run_dry();
        if (!failed) break;
    }
    ck_assert_uint_gt(refused, 3);
    promise_tls_unref(c);
    promise_tls_unref(s);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("tls_memory");
    TCase *t = tcase_create("memory");

    tcase_add_checked_fixture(t, tls_setup, tls_teardown);
    tcase_add_loop_test(t, contexts, 0, 2);
    tcase_add_test(t, handshakes);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    if (CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free) != 1) {
        puts("1..0 # SKIP OpenSSL has allocated already");
        return 0;
    }
    return tls_test_main(suite());
}
