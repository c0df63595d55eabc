/* Directories: entries, lists, walks, making and removing (K6, J5, O2). */
#include "filing.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void make(const char *name) { ck_assert_int_eq(mkdir(path_of(name), 0777), 0); }

/* "name " of each, "d" behind those of directories. */
static promise_value_t note_entry(promise_value_t v, void *text) {
    strcat(text, promise_dirent_path(v) + strlen(path_of("")));
    strcat(text, promise_dirent_type(v) == PROMISE_FILE_DIRECTORY ? "/ " : " ");
    if (!promise_is_void(promise_dirent_error(v))) strcat(text, "(!) ");
    return promise_void();
}

static void walk_is(const char *name, const char *expected) {
    char text[4096] = "";

    is_done(promise_each(promise_directory_walk(loop, path_of(name)), 1, note_entry, text));
    ck_assert_str_eq(text, expected);
}

static void rejects_next(promise_iterator_t *it, int error, const char *text) {
    rejects_with(promise_next(it), error, text);
    reads_end(promise_next(it));
    promise_iterator_close(it);
}

/* ---- one directory ---- */

START_TEST(a_sorted_list) {
    static const char *const names[] = {".hidden", "B", "a", "b", "\xFF"};
    promise_value_t v;
    char path[256];

    for (int i = 4; i >= 0; i--) put_text(path_of(names[i]), "");
    v = fulfilled(promise_directory_list(loop, path_of("")));
    ck_assert_uint_eq(promise_list_size(v), 5);
    for (size_t i = 0; i < 5; i++) {
        promise_value_t entry = promise_list_get(v, i);
        snprintf(path, sizeof path, "%s%s", path_of(""), names[i]);
        ck_assert_str_eq(promise_dirent_name(entry), names[i]);
        ck_assert_str_eq(promise_dirent_path(entry), path);
        ck_assert_uint_eq(promise_dirent_depth(entry), 0);
        ck_assert_int_eq(promise_dirent_type(entry), PROMISE_FILE_REGULAR);
        ck_assert(promise_is_void(promise_dirent_error(entry)));
        promise_print(entry, path, sizeof path);
        ck_assert_str_eq(path, promise_dirent_path(entry));
    }
}
END_TEST

START_TEST(types) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    promise_value_t v;

    make("dir");
    fifo("fifo");
    put_text(path_of("file"), "");
    ck_assert_int_eq(symlink("dir", path_of("link")), 0);
    strcpy(address.sun_path, path_of("socket"));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    v = fulfilled(promise_directory_list(loop, path_of("")));
    ck_assert_int_eq(promise_dirent_type(promise_list_get(v, 0)), PROMISE_FILE_DIRECTORY);
    ck_assert_int_eq(promise_dirent_type(promise_list_get(v, 1)), PROMISE_FILE_FIFO);
    ck_assert_int_eq(promise_dirent_type(promise_list_get(v, 2)), PROMISE_FILE_REGULAR);
    ck_assert_int_eq(promise_dirent_type(promise_list_get(v, 3)), PROMISE_FILE_LINK);
    ck_assert_int_eq(promise_dirent_type(promise_list_get(v, 4)), PROMISE_FILE_SOCKET);
    v = fulfilled(promise_directory_list(loop, "/dev"));
    for (size_t i = 0; i < promise_list_size(v); i++)
        if (strcmp(promise_dirent_path(promise_list_get(v, i)), "/dev/null") == 0)
            ck_assert_int_eq(promise_dirent_type(promise_list_get(v, i)), PROMISE_FILE_DEVICE);
}
END_TEST

static promise_value_t count_entry(promise_value_t v, void *count) {
    ck_assert_str_eq(promise_dirent_name(v), strrchr(promise_dirent_path(v), '/') + 1);
    ++*(size_t *)count;
    return promise_void();
}

START_TEST(entries_of_a_large_one) {
    enum { MANY = 1000 };
    size_t count = 0;
    char name[32];

    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "file-%d", i);
        put_text(path_of(name), "");
    }
    is_done(promise_each(promise_directory_entries(loop, path_of("")), 4, count_entry, &count));
    ck_assert_uint_eq(count, MANY);
    ck_assert_uint_eq(promise_list_size(fulfilled(promise_directory_list(loop, path_of("")))), MANY);
    count = 0;
    is_done(promise_each(promise_directory_walk(loop, path_of("")), 4, count_entry, &count));
    ck_assert_uint_eq(count, MANY);
}
END_TEST

START_TEST(an_empty_one) {
    promise_iterator_t *it;

    make("empty");
    it = promise_directory_entries(loop, path_of("empty"));
    reads_end(promise_next(it));
    reads_end(promise_next(it));
    promise_iterator_close(it);
    ck_assert_uint_eq(promise_list_size(fulfilled(promise_directory_list(loop, path_of("empty")))), 0);
    walk_is("empty", "");
}
END_TEST

START_TEST(what_is_no_directory) {
    rejects_next(promise_directory_entries(loop, "/nowhere"), ENOENT, "open /nowhere: No such file or directory");
    rejects_next(promise_directory_entries(loop, "/dev/null"), ENOTDIR, "open /dev/null: Not a directory");
    rejects_next(promise_directory_walk(loop, "/nowhere"), ENOENT, "open /nowhere: No such file or directory");
    rejects_with(promise_directory_list(loop, "/dev/null"), ENOTDIR, "open /dev/null: Not a directory");
    rejects_next(promise_directory_entries(loop, NULL), EINVAL, "promise_directory_entries: path is NULL");
    rejects_next(promise_directory_walk(loop, NULL), EINVAL, "promise_directory_walk: path is NULL");
    rejects_with(promise_directory_list(loop, NULL), EINVAL, "promise_directory_list: path is NULL");
}
END_TEST

static void name_of_int(void *arg) {
    (void)arg;
    promise_dirent_name(promise_int(1));
}

START_TEST(misused) { test_assert_stops(name_of_int, NULL, "promise_dirent_name: expected dirent, got int"); }
END_TEST

START_TEST(out_of_descriptors) {
    promise_unref(promise_file_read(loop, "/dev/null"));
    promise_loop_run(loop, NULL, NULL); /* what the loop needs it has */
    limit_fds(0);
    rejects_with(promise_directory_list(loop, "/tmp"), EMFILE, "open /tmp: Too many open files");
    rejects_next(promise_directory_entries(loop, "/tmp"), EMFILE, "open /tmp: Too many open files");
    limit_fds(UINT_MAX);
}
END_TEST

/* ---- trees ---- */

START_TEST(a_tree) {
    make("t");
    make("t/b");
    make("t/b/empty");
    make("t/b/x");
    put_text(path_of("t/a"), "");
    put_text(path_of("t/b/x/deep"), "");
    put_text(path_of("t/b-file"), "");
    put_text(path_of("t/c"), "");
    ck_assert_int_eq(symlink("b", path_of("t/loop")), 0); /* not followed */
    ck_assert_int_eq(symlink("t", path_of("link")), 0);
    walk_is("t", "t/a t/b/ t/b/empty/ t/b/x/ t/b/x/deep t/b-file t/c t/loop ");
    walk_is("t/b/", "t/b/empty/ t/b/x/ t/b/x/deep ");
    walk_is("link", "link/a link/b/ link/b/empty/ link/b/x/ link/b/x/deep link/b-file link/c link/loop ");
}
END_TEST

START_TEST(a_deep_tree) { /* until the path is too long: its entry says so, and the walk goes on */
    char path[8192], *end;
    size_t depth = 0;
    promise_iterator_t *it;
    bool too_long = false;

    put_text(path_of("z"), "");
    strcpy(path, path_of(""));
    ck_assert_int_eq(chdir(path), 0);
    for (int i = 0; i < 200; i++) {
        ck_assert_int_eq(mkdir("a-name-of-thirty-letters-so-so", 0777), 0);
        ck_assert_int_eq(chdir("a-name-of-thirty-letters-so-so"), 0);
    }
    ck_assert_int_eq(chdir("/"), 0);
    it = promise_directory_walk(loop, path_of(""));
    for (;;) {
        promise_value_t v = fulfilled(promise_next(it));
        if (promise_dirent_type(v) == PROMISE_FILE_REGULAR) break;
        ck_assert_uint_eq(promise_dirent_depth(v), depth++);
        ck_assert(!too_long);
        too_long = promise_error_is(promise_dirent_error(v), &promise_errno_errors, ENAMETOOLONG);
        end = strstr(promise_dirent_path(v), "letters");
        ck_assert_ptr_nonnull(end);
    }
    ck_assert(too_long);
    reads_end(promise_next(it));
    promise_iterator_close(it);
    ck_assert_uint_gt(depth, 100);
}
END_TEST

START_TEST(what_cannot_be_read_does_not_end_the_walk) {
    if (geteuid() == 0) return; /* who may read all */
    make("t");
    make("t/a");
    put_text(path_of("t/a/x"), "");
    make("t/b");
    put_text(path_of("t/b/y"), "");
    chmod(path_of("t/a"), 0);
    walk_is("t", "t/a/ (!) t/b/ t/b/y ");
    chmod(path_of("t/a"), 0700);
}
END_TEST

/* ---- cancels, and the loop's end ---- */

static promise_value_t stop_at_two(promise_value_t v, void *count) {
    (void)v;
    return ++*(int *)count == 2 ? promise_throw_errno(EINTR, "enough") : promise_void();
}

START_TEST(closed_in_the_middle) {
    int count = 0;

    for (int i = 0; i < 5; i++) put_text(path_of((const char *[]){"a", "b", "c", "d", "e"}[i]), "");
    rejects_with(promise_each(promise_directory_entries(loop, path_of("")), 1, stop_at_two, &count), EINTR, "enough");
    count = 0;
    rejects_with(promise_each(promise_directory_walk(loop, path_of("")), 1, stop_at_two, &count), EINTR, "enough");
}
END_TEST

START_TEST(K6_a_cancel_loses_no_entry) {
    promise_iterator_t *it;
    promise_value_t v;

    make("t");
    for (int i = 0; i < 3; i++) put_text(path_of((const char *[]){"t/a", "t/b", "t/c"}[i]), "");
    it = promise_directory_walk(loop, path_of("t"));
    hold_threads();
    promise_t *waits = promise_next(it);
    promise_loop_turn(loop); /* it waits for a thread */
    promise_cancel(waits);
    let_threads_go();
    waits = promise_next(it);
    promise_loop_turn(loop); /* a thread may be at it */
    promise_cancel(waits);
    for (int i = 0; i < 3; i++) {
        v = fulfilled(promise_next(it));
        ck_assert_int_eq(*promise_dirent_name(v), 'a' + i);
    }
    reads_end(promise_next(it));
    promise_iterator_close(it);
}
END_TEST

START_TEST(J5_the_loop_goes) {
    promise_iterator_t *its[3];
    promise_t *p;

    hold_threads();
    its[0] = promise_directory_walk(loop, "/usr/include");
    its[1] = promise_directory_entries(loop, "/usr/include");
    its[2] = promise_directory_entries(loop, "/usr/include");
    promise_unref(promise_next(its[0]));
    p = promise_next(its[1]);
    promise_unref(promise_directory_list(loop, "/tmp"));
    promise_loop_turn(loop);
    promise_loop_free(loop);
    loop = NULL;
    ck_assert(promise_is_canceled(promise_peek(p)));
    promise_unref(p);
    p = promise_next(its[2]);
    ck_assert(promise_is_canceled(promise_peek(p)));
    promise_unref(p);
    for (int i = 0; i < 3; i++) promise_iterator_close(its[i]);
    let_threads_go();
    threads_idle();
}
END_TEST

START_TEST(J5_the_loop_goes_in_the_middle_of_one) {
    promise_iterator_t *it = promise_directory_entries(loop, "/");

    fulfilled(promise_next(it));
    fulfilled(promise_from(loop, promise_void()));
    promise_loop_free(loop); /* the directory is closed with it */
    loop = NULL;
    promise_iterator_close(it);
}
END_TEST

static promise_t *walk_it(void) { return promise_map(promise_directory_walk(loop, path_of("")), 1, same, NULL); }
static promise_t *entries(void) { return promise_map(promise_directory_entries(loop, path_of("")), 1, same, NULL); }
static promise_t *list_it(void) { return promise_directory_list(loop, path_of("")); }

START_TEST(O2_each_allocation) {
    make("d");
    put_text(path_of("d/a"), "");
    each_file_allocation(walk_it);
    each_file_allocation(list_it);
    each_file_allocation(entries);
}
END_TEST

/* ---- making and removing ---- */

START_TEST(made_and_removed) {
    struct stat s;

    umask(027);
    is_done(promise_directory_make(loop, path_of("a"), 0777));
    ck_assert_int_eq(stat(path_of("a"), &s), 0);
    ck_assert_int_eq(s.st_mode, S_IFDIR | 0750);
    rejects_with(promise_directory_make(loop, path_of("a"), 0777), EEXIST, "mkdir /tmp/");
    rejects_with(promise_directory_make(loop, NULL, 0777), EINVAL, "promise_directory_make: path is NULL");
    is_done(promise_directory_remove(loop, path_of("a")));
    ck_assert(!exists(path_of("a")));
    rejects_with(promise_directory_remove(loop, "/nowhere"), ENOENT, "rmdir /nowhere: No such file or directory");
    make("b");
    put_text(path_of("b/c"), "");
    rejects_with(promise_directory_remove(loop, path_of("b")), ENOTEMPTY, "rmdir /tmp/");
    rejects_with(promise_directory_remove(loop, NULL), EINVAL, "promise_directory_remove: path is NULL");
}
END_TEST

START_TEST(made_with_those_above) {
    struct stat s;
    char text[256];

    umask(022);
    is_done(promise_directory_make_all(loop, path_of("a/b//c"), 0700));
    ck_assert_int_eq(stat(path_of("a/b/c"), &s), 0);
    ck_assert_int_eq(s.st_mode, S_IFDIR | 0700);
    ck_assert_int_eq(stat(path_of("a/b"), &s), 0);
    ck_assert_int_eq(s.st_mode, S_IFDIR | 0755);
    is_done(promise_directory_make_all(loop, path_of("a/b/c/d/"), 0711));
    ck_assert_int_eq(stat(path_of("a/b/c/d"), &s), 0);
    ck_assert_int_eq(s.st_mode, S_IFDIR | 0711);
    is_done(promise_directory_make_all(loop, path_of("a/b"), 0777));
    is_done(promise_directory_make_all(loop, "/", 0777));
    put_text(path_of("f"), "");
    snprintf(text, sizeof text, "mkdir %s: File exists", path_of("f"));
    rejects_with(promise_directory_make_all(loop, path_of("f/x"), 0777), EEXIST, text);
    rejects_with(promise_directory_make_all(loop, path_of("f"), 0777), EEXIST, text);
    rejects_with(promise_directory_make_all(loop, NULL, 0777), EINVAL, "promise_directory_make_all: path is NULL");
    ck_assert_int_eq(chdir(path_of("")), 0);
    is_done(promise_directory_make_all(loop, "x/y", 0777));
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert(exists(path_of("x/y")));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("directory");
    TCase *t = tcase_create("directory");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, files_open, files_close);
    tcase_add_test(t, a_sorted_list);
    tcase_add_test(t, types);
    tcase_add_test(t, entries_of_a_large_one);
    tcase_add_test(t, an_empty_one);
    tcase_add_test(t, what_is_no_directory);
    tcase_add_test(t, misused);
    tcase_add_test(t, out_of_descriptors);
    tcase_add_test(t, a_tree);
    tcase_add_test(t, a_deep_tree);
    tcase_add_test(t, what_cannot_be_read_does_not_end_the_walk);
    tcase_add_test(t, closed_in_the_middle);
    tcase_add_test(t, K6_a_cancel_loses_no_entry);
    tcase_add_test(t, J5_the_loop_goes);
    tcase_add_test(t, J5_the_loop_goes_in_the_middle_of_one);
    tcase_add_test(t, O2_each_allocation);
    tcase_add_test(t, made_and_removed);
    tcase_add_test(t, made_with_those_above);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
