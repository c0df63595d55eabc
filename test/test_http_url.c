/* URLs: taken apart, resolved, refused. */
#include "../src/net/http_url.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text, *host, *authority, *target, *whole;
    unsigned port;
    bool secure;
} urls[] = {
    {"http://example", "example", "example", "/", "http://example/", 80, false},
    {"HTTP://Example.ORG:80/A?b#c", "example.org", "example.org", "/A?b", "http://example.org/A?b", 80, false},
    {"https://example:443", "example", "example", "/", "https://example/", 443, true},
    {"https://example:80/", "example", "example:80", "/", "https://example:80/", 80, true},
    {"http://example:/x", "example", "example", "/x", "http://example/x", 80, false},
    {"http://example?q", "example", "example", "/?q", "http://example/?q", 80, false},
    {"http://example#f", "example", "example", "/", "http://example/", 80, false},
    {"http://[::1]:8080/", "::1", "[::1]:8080", "/", "http://[::1]:8080/", 8080, false},
    {"http://127.0.0.1/a//b/./..", "127.0.0.1", "127.0.0.1", "/a//b/./..", "http://127.0.0.1/a//b/./..", 80, false},
    {"http://example/a b|\xff?\"", "example", "example", "/a%20b%7C%FF?%22", "http://example/a%20b%7C%FF?%22", 80, false},
    {"http://[::1]?a[]=[//[1]]", "::1", "[::1]", "/?a%5B%5D=%5B//%5B1%5D%5D", "http://[::1]/?a%5B%5D=%5B//%5B1%5D%5D", 80, false},
    {"http://example/%20%zz", NULL, NULL, NULL, NULL, 0, false},
};

START_TEST(parts_of_urls) {
    const char *wrong = "";
    struct http_url *url = promise__http_url_new(urls[_i].text, &wrong);

    if (!urls[_i].host) {
        ck_assert_ptr_null(url);
        ck_assert_ptr_nonnull(wrong);
        return;
    }
    ck_assert_msg(url != NULL, "%s: %s", urls[_i].text, wrong);
    ck_assert_str_eq(url->host, urls[_i].host);
    ck_assert_str_eq(url->authority, urls[_i].authority);
    ck_assert_str_eq(url->target, urls[_i].target);
    ck_assert_str_eq(url->text, urls[_i].whole);
    ck_assert_uint_eq(url->port, urls[_i].port);
    ck_assert_int_eq(url->secure, urls[_i].secure);
    promise__http_url_free(url);
}
END_TEST

static const struct {
    const char *reference, *result; /* NULL: none of ours */
} references[] = {
    /* RFC 3986, 5.4, with a base of http://a/b/c/d;p?q */
    {"g:h", NULL},
    {"g", "http://a/b/c/g"},
    {"./g", "http://a/b/c/g"},
    {"g/", "http://a/b/c/g/"},
    {"/g", "http://a/g"},
    {"//g", "http://g/"},
    {"?y", "http://a/b/c/d;p?y"},
    {"g?y", "http://a/b/c/g?y"},
    {"#s", "http://a/b/c/d;p?q"},
    {"g#s", "http://a/b/c/g"},
    {"g?y#s", "http://a/b/c/g?y"},
    {";x", "http://a/b/c/;x"},
    {"g;x?y#s", "http://a/b/c/g;x?y"},
    {"", "http://a/b/c/d;p?q"},
    {".", "http://a/b/c/"},
    {"./", "http://a/b/c/"},
    {"..", "http://a/b/"},
    {"../", "http://a/b/"},
    {"../g", "http://a/b/g"},
    {"../..", "http://a/"},
    {"../../", "http://a/"},
    {"../../g", "http://a/g"},
    {"../../../g", "http://a/g"},
    {"../../../../g", "http://a/g"},
    {"/./g", "http://a/g"},
    {"/../g", "http://a/g"},
    {"g.", "http://a/b/c/g."},
    {".g", "http://a/b/c/.g"},
    {"g..", "http://a/b/c/g.."},
    {"..g", "http://a/b/c/..g"},
    {"./../g", "http://a/b/g"},
    {"./g/.", "http://a/b/c/g/"},
    {"g/./h", "http://a/b/c/g/h"},
    {"g/../h", "http://a/b/c/h"},
    {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
    {"g;x=1/../y", "http://a/b/c/y"},
    {"g?y/./x", "http://a/b/c/g?y/./x"},
    {"g?y/../x", "http://a/b/c/g?y/../x"},
    /* and some more */
    {"https://x/../y", "https://x/y"},
    {"http:g", NULL},
    {"http://", NULL},
    {"///x", NULL},
    {"g\th", NULL},
    {"a b", "http://a/b/c/a%20b"},
    {"/..", "http://a/"},
    {"/...", "http://a/..."},
    {"/a/b/../../..", "http://a/"},
    {"a[1]", "http://a/b/c/a%5B1%5D"},
    {"//[::1]/[1]", "http://[::1]/%5B1%5D"},
    {"/x//[1]", "http://a/x//%5B1%5D"},
    {"http://a]/", NULL},
};

START_TEST(references_are_resolved) {
    const char *wrong = NULL;
    struct http_url *base = promise__http_url_new("http://a/b/c/d;p?q", &wrong), *url;

    url = promise__http_url_resolve(base, references[_i].reference, &wrong);
    if (references[_i].result) {
        ck_assert_msg(url != NULL, "%s: %s", references[_i].reference, wrong);
        ck_assert_str_eq(url->text, references[_i].result);
    } else {
        ck_assert_ptr_null(url);
        ck_assert_ptr_nonnull(wrong);
    }
    promise__http_url_free(url);
    promise__http_url_free(base);
}
END_TEST

START_TEST(origins) {
    const char *wrong;
    struct http_url *a = promise__http_url_new("http://a/x", &wrong);
    static const struct {
        const char *text;
        bool same;
    } others[] = {{"http://A:80/y", true},
                  {"https://a/", false},
                  {"http://a:81/", false},
                  {"http://b/", false},
                  {"https://a:80/", false}};

    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct http_url *b = promise__http_url_new(others[i].text, &wrong);
        ck_assert_int_eq(promise__http_url_same_origin(a, b), others[i].same);
        promise__http_url_free(b);
    }
    promise__http_url_free(a);
}
END_TEST

START_TEST(out_of_memory_is_not_the_urls_fault) {
    size_t n = 0, before = test_alloc_live();

    do {
        const char *wrong = "not set";
        struct http_url *base, *url = NULL;
        test_alloc_fail_at(++n);
        base = promise__http_url_new("http://a/b", &wrong);
        if (base) url = promise__http_url_resolve(base, "../c", &wrong);
        ck_assert_ptr_null(wrong);
        ck_assert_int_eq(url == NULL, test_alloc_failed());
        promise__http_url_free(url);
        promise__http_url_free(base);
    } while (test_alloc_failed());
    test_alloc_fail_at(0);
    ck_assert_uint_eq(n, 6);
    ck_assert_uint_eq(test_alloc_live(), before);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof *(table))

int main(void) {
    Suite *suite = suite_create("http_url");
    TCase *tcase = tcase_create("http_url");

    tcase_add_loop_test(tcase, parts_of_urls, 0, COUNT(urls));
    tcase_add_loop_test(tcase, references_are_resolved, 0, COUNT(references));
    tcase_add_test(tcase, origins);
    tcase_add_test(tcase, out_of_memory_is_not_the_urls_fault);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
