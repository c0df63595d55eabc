/* Whole files, and what is done by path. The open file is in test_file_open.c, the ends in test_file_end.c. */
#include "filing.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t in_the_folder(void) { return promise_list_size(fulfilled(promise_directory_list(loop, path_of("")))); }

/* ---- reading ---- */

START_TEST(a_whole_file) {
    put_text(path_of("a"), "hello");
    reads(promise_file_read(loop, path_of("a")), "hello");
    put_text(path_of("a"), "");
    reads(promise_file_read(loop, path_of("a")), "");
}
END_TEST

START_TEST(bytes_as_they_are) {
    static const char bytes[] = {'a', 0, 'b', '\n', (char)0xFF};
    promise_value_t v;
    size_t size;

    put_file(path_of("a"), bytes, sizeof bytes);
    v = fulfilled(promise_file_read(loop, path_of("a")));
    ck_assert(promise_is(v, &promise_type_bytes));
    ck_assert_mem_eq(promise_as_bytes(v, &size), bytes, sizeof bytes);
    ck_assert_uint_eq(size, sizeof bytes);
}
END_TEST

/* Around the sizes at which a buffer grows. */
START_TEST(files_of_many_sizes) {
    static const size_t sizes[] = {1, 4095, 4096, 4097, 65536, 1000003};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *bytes = malloc(sizes[i]);
        promise_value_t v;
        size_t size;
        for (size_t j = 0; j < sizes[i]; j++) bytes[j] = (char)(j * 7 + j / 251);
        put_file(path_of("a"), bytes, sizes[i]);
        v = fulfilled(promise_file_read(loop, path_of("a")));
        promise_as_bytes(v, &size);
        ck_assert_uint_eq(size, sizes[i]);
        ck_assert_int_eq(memcmp(promise_as_bytes(v, NULL), bytes, size), 0);
        free(bytes);
    }
}
END_TEST

START_TEST(a_file_that_says_it_has_no_size) {
    promise_value_t v = fulfilled(promise_file_read(loop, "/proc/self/maps")); /* some pages of text */
    size_t size;

    ck_assert_ptr_nonnull(strstr(promise_as_bytes(v, &size), "[stack]"));
    ck_assert_uint_eq(size, strlen(promise_as_bytes(v, NULL)));
}
END_TEST

START_TEST(no_more_than_a_limit) {
    put_text(path_of("a"), "hello");
    reads(promise_file_read_max(loop, path_of("a"), 5), "hello");
    reads(promise_file_read_max(loop, path_of("a"), 100), "hello");
    rejects_with(promise_file_read_max(loop, path_of("a"), 4), EFBIG, "read /tmp/");
    rejects_with(promise_file_read_max(loop, path_of("a"), 0), EFBIG, "read /tmp/");
    rejects_with(promise_file_read_max(loop, "/dev/zero", 100000), EFBIG, "read /dev/zero: more than 100000 bytes");
    put_text(path_of("a"), "");
    reads(promise_file_read_max(loop, path_of("a"), 0), "");
}
END_TEST

START_TEST(names_of_any_bytes) {
    const char *path = path_of("\001 \n\xFF%s%n");

    is_done(promise_file_write(loop, path, promise_string("x")));
    reads(promise_file_read(loop, path), "x");
    file_is(path, "x");
}
END_TEST

START_TEST(errors_name_the_call_and_the_path) {
    char text[256];

    rejects_with(promise_file_read(loop, "/nowhere/a"), ENOENT, "open /nowhere/a: No such file or directory");
    rejects_with(promise_file_read(loop, "/tmp"), EISDIR, "read /tmp: Is a directory");
    rejects_with(promise_file_write(loop, "/tmp", promise_string("x")), EISDIR, "open /tmp: Is a directory");
    put_text(path_of("a"), "");
    snprintf(text, sizeof text, "open %s/b: Not a directory", path_of("a"));
    rejects_with(promise_file_read(loop, path_of("a/b")), ENOTDIR, text);
}
END_TEST

START_TEST(bad_input) {
    rejects_with(promise_file_read(loop, NULL), EINVAL, "promise_file_read: path is NULL");
    rejects_with(promise_file_read_max(loop, NULL, 1), EINVAL, "promise_file_read_max: ");
    rejects_with(promise_file_write(loop, NULL, promise_string("x")), EINVAL, "promise_file_write: path is NULL");
    rejects_with(promise_file_append(loop, NULL, promise_string("x")), EINVAL, "promise_file_append: ");
    rejects_with(promise_file_replace(loop, NULL, promise_string("x")), EINVAL, "promise_file_replace: ");
    rejects_with(promise_file_write(loop, path_of("a"), promise_int(1)), EINVAL, "promise_file_write: data is neither");
    rejects_with(promise_file_write(loop, path_of("a"), promise_throw_errno(EIO, "what was to be written")), EIO, "what was");
    ck_assert(!exists(path_of("a")));
    rejects_with(promise_file_rename(loop, "a", NULL), EINVAL, "promise_file_rename: to is NULL");
    rejects_with(promise_file_rename(loop, NULL, "a"), EINVAL, "promise_file_rename: from is NULL");
    rejects_with(promise_file_link(loop, NULL, "a"), EINVAL, "promise_file_link: target is NULL");
    rejects_with(promise_file_symlink(loop, "a", NULL), EINVAL, "promise_file_symlink: path is NULL");
    rejects_with(promise_file_stat(loop, NULL), EINVAL, "promise_file_stat: path is NULL");
}
END_TEST

static void read_without_loop(void *arg) {
    (void)arg;
    promise_unref(promise_file_read(NULL, "/dev/null"));
}

START_TEST(O6_outside_of_a_handler_it_needs_a_loop) { test_assert_stops(read_without_loop, NULL, "promise_file_read"); }
END_TEST

static promise_value_t read_inside(promise_value_t v, void *path) {
    (void)v;
    return promise_adopt(promise_file_read(NULL, path));
}

START_TEST(O6_inside_it_is_the_loop_that_runs) {
    put_text(path_of("a"), "hello");
    reads(promise_try(loop, read_inside, (void *)(uintptr_t)path_of("a")), "hello");
}
END_TEST

/* ---- writing ---- */

START_TEST(written_new_and_anew) {
    struct stat s;

    umask(027);
    is_done(promise_file_write(loop, path_of("a"), promise_string("a longer text")));
    file_is(path_of("a"), "a longer text");
    ck_assert_int_eq(stat(path_of("a"), &s), 0);
    ck_assert_int_eq(s.st_mode & 07777, 0640);
    is_done(promise_file_write(loop, path_of("a"), promise_bytes("short", 5)));
    file_is(path_of("a"), "short");
    is_done(promise_file_write(loop, path_of("a"), promise_bytes(NULL, 0)));
    file_is(path_of("a"), "");
}
END_TEST

START_TEST(appended) {
    is_done(promise_file_append(loop, path_of("a"), promise_string("one ")));
    is_done(promise_file_append(loop, path_of("a"), promise_string("two")));
    file_is(path_of("a"), "one two");
}
END_TEST

static promise_value_t write_lent(promise_value_t v, void *path) { return promise_adopt(promise_file_write(NULL, path, v)); }

START_TEST(V2_what_others_have_is_copied) { /* H3: nothing that is counted here may cross */
    promise_value_t kept = promise_void();

    promise_value_set(&kept, promise_string("kept"));
    is_done(promise_file_write(loop, path_of("a"), kept));
    file_is(path_of("a"), "kept");
    is_done(promise_then(promise_from(loop, promise_string("lent")), write_lent, (void *)(uintptr_t)path_of("a")));
    file_is(path_of("a"), "lent");
    ck_assert_str_eq(promise_as_string(kept), "kept");
    promise_value_clear(&kept);
}
END_TEST

START_TEST(a_disk_that_is_full) {
    rejects_with(promise_file_write(loop, "/dev/full", promise_string("x")), ENOSPC, "write /dev/full: No space left");
}
END_TEST

/* Not the signal of it either: threads of a pool have it blocked. */
START_TEST(a_limit_on_the_size_of_files) {
    struct stat is;
    char text[256];

    limit_files();
    is_done(promise_file_write(loop, path_of("a"), letters(LIMIT)));
    snprintf(text, sizeof text, "write %s: File too large", path_of("a"));
    rejects_with(promise_file_write(loop, path_of("a"), letters(LIMIT + 10)), EFBIG, text);
    stat(path_of("a"), &is);
    ck_assert_int_eq(is.st_size, LIMIT); /* what fitted: a short write, then the error */
    put_text(path_of("a"), "old");
    rejects_with(promise_file_replace(loop, path_of("a"), letters(LIMIT + 10)), EFBIG, "write ");
    file_is(path_of("a"), "old");
    ck_assert_uint_eq(in_the_folder(), 1);
}
END_TEST

START_TEST(out_of_descriptors) {
    promise_unref(promise_file_read(loop, "/dev/null"));
    promise_loop_run(loop, NULL, NULL); /* what the loop needs it has */
    limit_fds(0);
    rejects_with(promise_file_read(loop, "/dev/null"), EMFILE, "open /dev/null: Too many open files");
    limit_fds(UINT_MAX);
}
END_TEST

START_TEST(what_may_not_be_read) {
    if (geteuid() == 0) return; /* who may read all */
    put_text(path_of("a"), "x");
    chmod(path_of("a"), 0);
    rejects_with(promise_file_read(loop, path_of("a")), EACCES, "open ");
    rejects_with(promise_file_access(loop, path_of("a"), R_OK), EACCES, "access ");
}
END_TEST

/* ---- replacing ---- */

START_TEST(replaced_with_its_mode) {
    struct stat before, after;
    int old;

    put_text(path_of("a"), "old");
    chmod(path_of("a"), 0604);
    stat(path_of("a"), &before);
    old = open(path_of("a"), O_RDONLY);
    is_done(promise_file_replace(loop, path_of("a"), promise_string("new")));
    file_is(path_of("a"), "new");
    stat(path_of("a"), &after);
    ck_assert_uint_ne(before.st_ino, after.st_ino);
    ck_assert_int_eq(after.st_mode & 07777, 0604);
    ck_assert_int_eq(fstat(old, &before), 0);
    ck_assert_int_eq(before.st_size, 3); /* whoever has it open still has the old one */
    close(old);
    ck_assert_uint_eq(in_the_folder(), 1);
}
END_TEST

START_TEST(replaced_where_there_is_none) {
    struct stat s;

    umask(022);
    is_done(promise_file_replace(loop, path_of("a"), promise_string("new")));
    file_is(path_of("a"), "new");
    stat(path_of("a"), &s);
    ck_assert_int_eq(s.st_mode & 07777, 0644);
    ck_assert_int_eq(chdir(path_of("")), 0);
    is_done(promise_file_replace(loop, "b", promise_string("here")));
    file_is("b", "here");
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_uint_eq(in_the_folder(), 2);
}
END_TEST

START_TEST(replaced_behind_a_link) {
    struct stat s;

    put_text(path_of("a"), "old");
    ck_assert_int_eq(symlink("a", path_of("link")), 0);
    is_done(promise_file_replace(loop, path_of("link"), promise_string("new")));
    file_is(path_of("a"), "new");
    ck_assert_int_eq(lstat(path_of("link"), &s), 0);
    ck_assert(S_ISLNK(s.st_mode));
}
END_TEST

START_TEST(not_replaced) {
    mkdir(path_of("folder"), 0777);
    rejects_with(promise_file_replace(loop, path_of("folder"), promise_string("x")), EISDIR, "rename ");
    rejects_with(promise_file_replace(loop, path_of("none/a"), promise_string("x")), ENOENT, "open ");
    rejects_with(promise_file_replace(loop, path_of("folder/../none/a"), promise_string("x")), ENOENT, "open ");
    ck_assert_uint_eq(in_the_folder(), 1);
}
END_TEST

/* ---- by path ---- */

START_TEST(stat_and_lstat) {
    const struct promise_stat *known;
    struct stat s;
    promise_value_t v;

    put_text(path_of("a"), "hello");
    ck_assert_int_eq(symlink("a", path_of("link")), 0);
    v = fulfilled(promise_file_stat(loop, path_of("link")));
    known = promise_as_stat(v);
    stat(path_of("a"), &s);
    ck_assert_uint_eq(known->size, 5);
    ck_assert_uint_eq(known->mode, s.st_mode);
    ck_assert_uint_eq(known->uid, s.st_uid);
    ck_assert_uint_eq(known->gid, s.st_gid);
    ck_assert_uint_eq(known->links, 1);
    ck_assert_uint_eq(known->blocks, (uint64_t)s.st_blocks);
    ck_assert_uint_eq(known->device, s.st_dev);
    ck_assert_uint_eq(known->inode, s.st_ino);
    ck_assert_int_eq(known->atime_ns, s.st_atim.tv_sec * INT64_C(1000000000) + s.st_atim.tv_nsec);
    ck_assert_int_eq(known->mtime_ns, s.st_mtim.tv_sec * INT64_C(1000000000) + s.st_mtim.tv_nsec);
    ck_assert_int_eq(known->ctime_ns, s.st_ctim.tv_sec * INT64_C(1000000000) + s.st_ctim.tv_nsec);
    ck_assert(promise_stat_is_file(v) && !promise_stat_is_link(v) && !promise_stat_is_directory(v));
    v = fulfilled(promise_file_lstat(loop, path_of("link")));
    ck_assert(promise_stat_is_link(v) && !promise_stat_is_file(v));
    ck_assert(promise_stat_is_directory(fulfilled(promise_file_stat(loop, path_of("")))));
    rejects_with(promise_file_stat(loop, "/nowhere"), ENOENT, "stat /nowhere: No such file or directory");
    rejects_with(promise_file_lstat(loop, "/nowhere"), ENOENT, "lstat /nowhere: No such file or directory");
}
END_TEST

START_TEST(access_to_a_file) {
    put_text(path_of("a"), "");
    chmod(path_of("a"), 0600);
    is_done(promise_file_access(loop, path_of("a"), R_OK | W_OK));
    is_done(promise_file_access(loop, path_of("a"), F_OK));
    rejects_with(promise_file_access(loop, path_of("a"), X_OK), EACCES, "access ");
    rejects_with(promise_file_access(loop, "/nowhere", F_OK), ENOENT, "access /nowhere: No such file or directory");
}
END_TEST

START_TEST(rename_and_unlink) {
    put_text(path_of("a"), "a");
    put_text(path_of("b"), "b");
    is_done(promise_file_rename(loop, path_of("a"), path_of("b")));
    file_is(path_of("b"), "a");
    is_done(promise_file_unlink(loop, path_of("b")));
    ck_assert(!exists(path_of("b")));
    rejects_with(promise_file_unlink(loop, "/nowhere"), ENOENT, "unlink /nowhere: No such file or directory");
    rejects_with(promise_file_rename(loop, "/nowhere", "/elsewhere"), ENOENT,
                 "rename /nowhere to /elsewhere: No such file or directory");
}
END_TEST

START_TEST(links) {
    put_text(path_of("a"), "a");
    is_done(promise_file_link(loop, path_of("a"), path_of("b")));
    file_is(path_of("b"), "a");
    is_done(promise_file_symlink(loop, "a", path_of("c")));
    file_is(path_of("c"), "a");
    reads(promise_file_readlink(loop, path_of("c")), "a");
    reads(promise_file_realpath(loop, path_of("./c")), path_of("a"));
    rejects_with(promise_file_symlink(loop, "x", path_of("c")), EEXIST, "symlink x to ");
    rejects_with(promise_file_link(loop, "/nowhere", path_of("d")), ENOENT, "link /nowhere to ");
    rejects_with(promise_file_readlink(loop, path_of("a")), EINVAL, "readlink ");
    rejects_with(promise_file_realpath(loop, "/nowhere"), ENOENT, "realpath /nowhere: No such file or directory");
}
END_TEST

START_TEST(mode_and_times) {
    const struct promise_stat *known;

    put_text(path_of("a"), "a");
    is_done(promise_file_chmod(loop, path_of("a"), 0700));
    is_done(promise_file_utime(loop, path_of("a"), 1500000000, -1));
    known = promise_as_stat(fulfilled(promise_file_stat(loop, path_of("a"))));
    ck_assert_uint_eq(known->mode & 07777, 0700);
    ck_assert_int_eq(known->atime_ns, 1500000000);
    ck_assert_int_eq(known->mtime_ns, -1);
    is_done(promise_file_utime(loop, path_of("a"), INT64_MIN, 77));
    known = promise_as_stat(fulfilled(promise_file_stat(loop, path_of("a"))));
    ck_assert_int_eq(known->atime_ns, 1500000000);
    ck_assert_int_eq(known->mtime_ns, 77);
    rejects_with(promise_file_chmod(loop, "/nowhere", 0), ENOENT, "chmod /nowhere: ");
    rejects_with(promise_file_utime(loop, "/nowhere", 0, 0), ENOENT, "utime /nowhere: ");
}
END_TEST

START_TEST(many_at_once) {
    enum { MANY = 200 };
    promise_t *all[MANY];
    char path[64], text[16];

    for (int i = 0; i < MANY; i++) {
        snprintf(path, sizeof path, "many-%d", i);
        snprintf(text, sizeof text, "%d", i);
        all[i] = promise_file_write(loop, path_of(path), promise_string(text));
    }
    ck_assert_uint_eq(promise_list_size(fulfilled(promise_all(loop, MANY, all))), MANY);
    for (int i = 0; i < MANY; i++) {
        snprintf(path, sizeof path, "many-%d", i);
        all[i] = promise_file_read(loop, path_of(path));
    }
    promise_value_t v = fulfilled(promise_all(loop, MANY, all));
    for (int i = 0; i < MANY; i++) ck_assert_int_eq(atoi(promise_as_bytes(promise_list_get(v, (size_t)i), NULL)), i);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("file");
    TCase *t = tcase_create("file");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, files_open, files_close);
    tcase_add_test(t, a_whole_file);
    tcase_add_test(t, bytes_as_they_are);
    tcase_add_test(t, files_of_many_sizes);
    tcase_add_test(t, a_file_that_says_it_has_no_size);
    tcase_add_test(t, no_more_than_a_limit);
    tcase_add_test(t, names_of_any_bytes);
    tcase_add_test(t, errors_name_the_call_and_the_path);
    tcase_add_test(t, bad_input);
    tcase_add_test(t, O6_outside_of_a_handler_it_needs_a_loop);
    tcase_add_test(t, O6_inside_it_is_the_loop_that_runs);
    tcase_add_test(t, written_new_and_anew);
    tcase_add_test(t, appended);
    tcase_add_test(t, V2_what_others_have_is_copied);
    tcase_add_test(t, a_disk_that_is_full);
    tcase_add_test(t, a_limit_on_the_size_of_files);
    tcase_add_test(t, out_of_descriptors);
    tcase_add_test(t, what_may_not_be_read);
    tcase_add_test(t, replaced_with_its_mode);
    tcase_add_test(t, replaced_where_there_is_none);
    tcase_add_test(t, replaced_behind_a_link);
    tcase_add_test(t, not_replaced);
    tcase_add_test(t, stat_and_lstat);
    tcase_add_test(t, access_to_a_file);
    tcase_add_test(t, rename_and_unlink);
    tcase_add_test(t, links);
    tcase_add_test(t, mode_and_times);
    tcase_add_test(t, many_at_once);
    suite_add_tcase(suite, t);
    return test_main(suite);
}
