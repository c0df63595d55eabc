/* Files over HTTP: dates, types, conditions, ranges; and that nobody leaves the folder. */
#include "../src/net/http_date.h"
#include "../src/net/http_mime.h"
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOST "Host: x\r\n"
#define CLOSE "Connection: close\r\n\r\n"

/* ---- dates (RFC 9110, section 5.6.7) ---- */

static const struct {
    const char *text;
    time_t when;
} dates[] = {
    {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},    {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
    {"Tue, 29 Feb 2000 23:59:59 GMT", 951868799},    {"Wed, 31 Dec 1969 23:59:59 GMT", -1},
    {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799}, {"Mon, 01 Mar 2100 00:00:00 GMT", 4107542400},
};

START_TEST(dates_are_written_and_read) {
    char text[HTTP_DATE_SIZE];
    time_t when = 1;

    promise__http_date(text, dates[_i].when);
    ck_assert_str_eq(text, dates[_i].text);
    ck_assert(promise__http_date_parse(text, &when));
    ck_assert_int_eq(when, dates[_i].when);
}
END_TEST

START_TEST(the_older_forms_of_dates_are_read) {
    time_t when;

    ck_assert(promise__http_date_parse("Sunday, 06-Nov-94 08:49:37 GMT", &when));
    ck_assert_int_eq(when, 784111777);
    ck_assert(promise__http_date_parse("Sun Nov  6 08:49:37 1994", &when));
    ck_assert_int_eq(when, 784111777);
    ck_assert(promise__http_date_parse("Wed Nov 16 08:49:37 1994", &when));
    ck_assert_int_eq(when, 784111777 + 864000);
}
END_TEST

static const char *const no_dates[] = {
    "",
    "Sun",
    "Sun, ",
    "Sunday",
    "now",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 CET",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun, 32 Nov 1994 08:49:37 GMT",
    "Sun, 00 Nov 1994 08:49:37 GMT",
    "Sun, 06 Non 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 24:49:37 GMT",
    "Sun, 06 Nov 1994 08:60:37 GMT",
    "Sun, 06 Nov 1994 08:49:61 GMT",
    "Sun, 06 Nov 1994 08:49:37 GMT ",
    "Sun, 06 Nov 94 08:49:37 GMT",
    "Sunday, 06-Nov-1994 08:49:37 GMT",
    "Sun Nov 6 08:49:37 1994",
};

START_TEST(what_is_no_date_is_not_read) {
    time_t when = 1;

    ck_assert(!promise__http_date_parse(no_dates[_i], &when));
    ck_assert_int_eq(when, 1);
}
END_TEST

START_TEST(dates_beyond_four_digits_are_clipped) {
    char text[HTTP_DATE_SIZE];

    promise__http_date(text, (time_t)INT64_MAX);
    ck_assert_str_eq(text, "Fri, 31 Dec 9999 23:59:59 GMT");
    promise__http_date(text, (time_t)INT64_MIN);
    ck_assert_str_eq(text, "Sat, 01 Jan 0000 00:00:00 GMT");
}
END_TEST

/* ---- types ---- */

START_TEST(types_by_suffix) {
    ck_assert_str_eq(promise__http_mime("a.html"), "text/html; charset=utf-8");
    ck_assert_str_eq(promise__http_mime("/x.d/A.JPG"), "image/jpeg");
    ck_assert_str_eq(promise__http_mime("a.tar.zst"), "application/zstd");
    ck_assert_str_eq(promise__http_mime("a.7z"), "application/x-7z-compressed");
    ck_assert_str_eq(promise__http_mime("a.woff2"), "font/woff2");
    ck_assert_str_eq(promise__http_mime("a.nothing"), "application/octet-stream");
    ck_assert_str_eq(promise__http_mime("/x.html/a"), "application/octet-stream");
    ck_assert_str_eq(promise__http_mime("html"), "application/octet-stream");
    ck_assert_str_eq(promise__http_mime(""), "application/octet-stream");
    ck_assert_str_eq(promise__http_mime("."), "application/octet-stream");
}
END_TEST

/* ---- a folder with files ---- */

enum { BIG = 3 << 20 };
static char top[64], folder[80];

static void make_file(const char *name, const char *text, size_t size) {
    static const struct timespec times[2] = {{784111777, 0}, {784111777, 0}};
    char path[256];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "w");
    ck_assert_msg(file, "%s: %s", path, strerror(errno));
    ck_assert_uint_eq(fwrite(text, 1, size, file), size);
    fclose(file);
    ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void make_folder(const char *name) {
    char path[256];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_assert_int_eq(mkdir(path, 0755), 0);
}

static void make_link(const char *to, const char *name) {
    char path[256];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_assert_int_eq(symlink(to, path), 0);
}

static char *big;

static promise_value_t serve(promise_value_t request, void *arg) {
    (void)arg;
    return promise_http_serve_file(request, folder);
}

static void open_folder(void) {
    char path[256];

    snprintf(top, sizeof top, "/tmp/test_http_static.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(top));
    snprintf(folder, sizeof folder, "%s/www", top);
    ck_assert_int_eq(mkdir(folder, 0755), 0);
    make_file("../secret", "secret", 6);
    make_file("a.txt", "0123456789", 10);
    make_file("empty", "", 0);
    make_file("a b%.html", "<p>", 3);
    make_folder("sub");
    make_folder("none");
    make_file("sub/index.html", "index", 5);
    make_link("../secret", "link");
    make_link("..", "up");
    make_link("a.txt", "inner");
    make_link("/etc", "etc");
    snprintf(path, sizeof path, "%s/fifo", folder);
    ck_assert_int_eq(mkfifo(path, 0644), 0);
    big = malloc(BIG);
    for (size_t i = 0; i < BIG; i++) big[i] = (char)('a' + i % 23);
    make_file("big.bin", big, BIG);
    peer_open(serve, NULL);
}

static void close_folder(void) {
    char command[128];

    peer_close();
    free(big);
    snprintf(command, sizeof command, "rm -rf %s", top);
    ck_assert_int_eq(system(command), 0);
}

#define MODIFIED "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define ETAG "\"2ebc98a1.0-a\""
#define TAGGED "Accept-Ranges: bytes\r\nETag: " ETAG "\r\n" MODIFIED
#define PLAIN "Content-Type: text/plain; charset=utf-8\r\n"
#define ALL "HTTP/1.1 200 OK\r\n" TAGGED PLAIN "Content-Length: 10\r\n" CLOSE "0123456789"
#define PART(range, size, text)                                                                                                \
    "HTTP/1.1 206 Partial Content\r\n" TAGGED "Content-Range: bytes " range "/10\r\n" PLAIN "Content-Length: " #size           \
    "\r\n" CLOSE text
#define NOT_MODIFIED "HTTP/1.1 304 Not Modified\r\nETag: " ETAG "\r\n" MODIFIED CLOSE
#define FAILED "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n" CLOSE
#define NO_RANGE "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */10\r\nContent-Length: 0\r\n" CLOSE

static const struct {
    const char *headers, *answer;
} conditions[] = {
    {"", ALL},
    /* RFC 9110, section 13.1: the tag goes before the date */
    {"If-None-Match: " ETAG "\r\n", NOT_MODIFIED},
    {"If-None-Match: W/" ETAG "\r\n", NOT_MODIFIED},
    {"If-None-Match: \"x\", " ETAG "\r\n", NOT_MODIFIED},
    {"If-None-Match: \"x\"\r\nIf-None-Match: " ETAG "\r\n", NOT_MODIFIED},
    {"If-None-Match: *\r\n", NOT_MODIFIED},
    {"If-None-Match: \"x\"\r\n", ALL},
    {"If-None-Match: nonsense\r\n", ALL},
    {"If-None-Match: \"x\"\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", ALL},
    {"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", NOT_MODIFIED},
    {"If-Modified-Since: Mon, 07 Nov 1994 08:49:37 GMT\r\n", NOT_MODIFIED},
    {"If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", ALL},
    {"If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT\r\n", ALL}, /* the future is no date */
    {"If-Modified-Since: nonsense\r\n", ALL},
    {"If-Match: " ETAG "\r\n", ALL},
    {"If-Match: *\r\n", ALL},
    {"If-Match: \"x\"\r\n", FAILED},
    {"If-Match: W/" ETAG "\r\n", FAILED}, /* compared strongly */
    {"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", ALL},
    {"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", FAILED},
    {"If-Match: " ETAG "\r\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", ALL},
    {"If-Match: \"x\"\r\nIf-None-Match: " ETAG "\r\n", FAILED},
    /* section 14.2 */
    {"Range: bytes=0-0\r\n", PART("0-0", 1, "0")},
    {"Range: bytes=2-5\r\n", PART("2-5", 4, "2345")},
    {"Range: bytes=7-\r\n", PART("7-9", 3, "789")},
    {"Range: bytes=7-100\r\n", PART("7-9", 3, "789")},
    {"Range: bytes=-3\r\n", PART("7-9", 3, "789")},
    {"Range: bytes=-100\r\n", PART("0-9", 10, "0123456789")},
    {"Range: Bytes=9-99999999999999999999999\r\n", PART("9-9", 1, "9")},
    {"Range: bytes=10-\r\n", NO_RANGE},
    {"Range: bytes=99999999999999999999999-\r\n", NO_RANGE},
    {"Range: bytes=-0\r\n", NO_RANGE},
    {"Range: bytes=5-2\r\n", ALL},
    {"Range: bytes=\r\n", ALL},
    {"Range: bytes=-\r\n", ALL},
    {"Range: bytes=a-b\r\n", ALL},
    {"Range: bytes=0-1,4-5\r\n", ALL},
    {"Range: lines=0-1\r\n", ALL},
    {"Range: bytes=0-0\r\nIf-None-Match: " ETAG "\r\n", NOT_MODIFIED},
    {"Range: bytes=0-0\r\nIf-Range: " ETAG "\r\n", PART("0-0", 1, "0")},
    {"Range: bytes=0-0\r\nIf-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n", PART("0-0", 1, "0")},
    {"Range: bytes=0-0\r\nIf-Range: Sun, 06 Nov 1994 08:49:38 GMT\r\n", ALL},
    {"Range: bytes=0-0\r\nIf-Range: W/" ETAG "\r\n", ALL},
    {"Range: bytes=0-0\r\nIf-Range: \"x\"\r\n", ALL},
};

START_TEST(conditions_and_ranges) {
    char request[512];

    snprintf(request, sizeof request, "GET /a.txt HTTP/1.1\r\n" HOST "%s" CLOSE, conditions[_i].headers);
    ck_assert_str_eq(ask(request), conditions[_i].answer);
}
END_TEST

#define NOT_FOUND(path, size)                                                                                                  \
    "HTTP/1.1 404 Not Found\r\n" PLAIN "X-Content-Type-Options: nosniff\r\nContent-Length: " #size "\r\n" CLOSE                \
    "404 Not Found: " path "\n"
#define FORBIDDEN(path, size)                                                                                                  \
    "HTTP/1.1 403 Forbidden\r\n" PLAIN "X-Content-Type-Options: nosniff\r\nContent-Length: " #size "\r\n" CLOSE                \
    "403 Forbidden: " path "\n"
#define NOWHERE                                                                                                                \
    "HTTP/1.1 400 Bad Request\r\n" PLAIN "X-Content-Type-Options: nosniff\r\nContent-Length: 43\r\n" CLOSE                     \
    "400 Bad Request: a path that leads nowhere\n"

static const struct {
    const char *line, *answer;
} paths[] = {
    {"GET /empty", "HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\nETag: \"2ebc98a1.0-0\"\r\n" MODIFIED
                   "Content-Type: application/octet-stream\r\nContent-Length: 0\r\n" CLOSE},
    {"GET /a%20b%25.html", "HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\nETag: \"2ebc98a1.0-3\"\r\n" MODIFIED
                           "Content-Type: text/html; charset=utf-8\r\nContent-Length: 3\r\n" CLOSE "<p>"},
    {"GET //.//./sub/?x", "HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\nETag: \"2ebc98a1.0-5\"\r\n" MODIFIED
                          "Content-Type: text/html; charset=utf-8\r\nContent-Length: 5\r\n" CLOSE "index"},
    {"HEAD /a.txt", "HTTP/1.1 200 OK\r\n" TAGGED PLAIN "Content-Length: 10\r\n" CLOSE},
    {"GET /sub?x=1", "HTTP/1.1 301 Moved Permanently\r\nLocation: /sub/?x=1\r\nContent-Length: 0\r\n" CLOSE},
    {"GET //sub", "HTTP/1.1 301 Moved Permanently\r\nLocation: /sub/\r\nContent-Length: 0\r\n" CLOSE},
    {"POST /a.txt", "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\nContent-Length: 0\r\n" CLOSE},
    {"OPTIONS *", "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\nContent-Length: 0\r\n" CLOSE},
    {"GET /nothing", NOT_FOUND("/nothing", 24)},
    {"GET /a.txt/", NOT_FOUND("/a.txt/", 23)},
    {"GET /a.txt/b", NOT_FOUND("/a.txt/b", 24)},
    {"GET /none/", NOT_FOUND("/none/", 22)},
    {"GET /", NOT_FOUND("/", 17)},
    {"GET /fifo", FORBIDDEN("/fifo", 21)},
    /* out of the folder: by "..", escaped or not, and by links */
    {"GET /../secret", NOWHERE},
    {"GET /sub/../../secret", NOWHERE},
    {"GET /%2e%2e/secret", NOWHERE},
    {"GET /..%2fsecret", NOWHERE},
    {"GET /a%00", NOWHERE},
    {"GET /link", NOT_FOUND("/link", 21)},
    {"GET /inner", NOT_FOUND("/inner", 22)},
    {"GET /up/secret", NOT_FOUND("/up/secret", 26)},
    {"GET /etc/passwd", NOT_FOUND("/etc/passwd", 27)},
};

START_TEST(paths_stay_in_the_folder) {
    char request[512];

    snprintf(request, sizeof request, "%s HTTP/1.1\r\n" HOST CLOSE, paths[_i].line);
    ck_assert_str_eq(ask(request), paths[_i].answer);
}
END_TEST

START_TEST(long_names_are_not_found) {
    char request[1024], name[512];

    memset(name, 'n', sizeof name);
    name[300] = '\0';
    snprintf(request, sizeof request, "GET /%s HTTP/1.1\r\n" HOST CLOSE, name);
    ck_assert_int_eq(strncmp(ask(request), "HTTP/1.1 404 ", 13), 0);
}
END_TEST

START_TEST(large_files_go_by_sendfile) {
    const char *answer = ask("GET /big.bin HTTP/1.1\r\n" HOST CLOSE), *body = strstr(answer, "\r\n\r\n") + 4;

    ck_assert_uint_eq(strlen(body), BIG);
    ck_assert_mem_eq(body, big, BIG);
    answer = ask("GET /big.bin HTTP/1.1\r\n" HOST "Range: bytes=1000000-1999999\r\n" CLOSE);
    body = strstr(answer, "\r\n\r\n") + 4;
    ck_assert_uint_eq(strlen(body), 1000000);
    ck_assert_mem_eq(body, big + 1000000, 1000000);
}
END_TEST

START_TEST(several_on_one_connection) {
    promise_stream_t *client = dial();
    const char *body;

    for (int i = 0; i < 3; i++) {
        say(client, "GET /big.bin HTTP/1.1\r\n" HOST "\r\nGET /a.txt HTTP/1.1\r\n" HOST "\r\n");
        (void)hear(client, "\r\n\r\n");
        body = hear(client, "HTTP/1.1 ");
        ck_assert_uint_eq(strlen(body), BIG + strlen("HTTP/1.1 "));
        ck_assert_mem_eq(body, big, BIG);
        (void)hear(client, "0123456789");
    }
    promise_stream_unref(client);
}
END_TEST

START_TEST(a_client_that_leaves_in_mid_file) {
    promise_stream_t *client = dial();

    say(client, "GET /big.bin HTTP/1.1\r\n" HOST "\r\n");
    (void)hear(client, "\r\n\r\n");
    hang_up(client);
    turn_until(promise_http_server_connections(server) == 0);
    ck_assert_str_eq(log_text, ""); /* nobody's fault here */
}
END_TEST

START_TEST(bad_arguments) {
    promise_value_t response = promise_http_response(200, promise_void()), v = promise_void();

    promise_value_set(&v, promise_http_serve_file(response, NULL));
    ck_assert(promise_error_is(v, &promise_errno_errors, EINVAL));
    promise_value_set(&v, promise_http_serve_file(response, folder)); /* no request */
    ck_assert(promise_error_is(v, &promise_errno_errors, EINVAL));
    promise_value_clear(&v);
    promise_value_clear(&response);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("http_static");
    TCase *t = tcase_create("parts"), *files = tcase_create("files");

    tcase_add_loop_test(t, dates_are_written_and_read, 0, sizeof dates / sizeof *dates);
    tcase_add_test(t, the_older_forms_of_dates_are_read);
    tcase_add_loop_test(t, what_is_no_date_is_not_read, 0, sizeof no_dates / sizeof *no_dates);
    tcase_add_test(t, dates_beyond_four_digits_are_clipped);
    tcase_add_test(t, types_by_suffix);
    suite_add_tcase(suite, t);
    tcase_set_timeout(files, 60);
    tcase_add_checked_fixture(files, open_folder, close_folder);
    tcase_add_loop_test(files, conditions_and_ranges, 0, sizeof conditions / sizeof *conditions);
    tcase_add_loop_test(files, paths_stay_in_the_folder, 0, sizeof paths / sizeof *paths);
    tcase_add_test(files, long_names_are_not_found);
    tcase_add_test(files, large_files_go_by_sendfile);
    tcase_add_test(files, several_on_one_connection);
    tcase_add_test(files, a_client_that_leaves_in_mid_file);
    tcase_add_test(files, bad_arguments);
    suite_add_tcase(suite, files);
    return test_main(suite);
}
