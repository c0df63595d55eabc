#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "trace.h"

/* ---- the tree ---- */

static void *must(void *block) {
    if (!block) {
        perror("tree");
        exit(EXIT_FAILURE);
    }
    return block;
}

static int by_path(const void *a, const void *b) {
    const struct file *x = a, *y = b;

    return strcmp(x->path, y->path);
}

static void add(struct tree *tree, const char *path) {
    if (!(tree->count & (tree->count + 1))) /* 0, 1, 3, 7, …: room for twice as many */
        tree->files = must(realloc(tree->files, (2 * tree->count + 2) * sizeof *tree->files));
    tree->files[tree->count++] = (struct file){.path = must(strdup(path))};
}

struct tree *tree_open(int argc, char **argv) {
    struct tree *tree = must(calloc(1, sizeof *tree));
    char *folders[] = {argv[1], NULL};
    FTS *walk;
    FTSENT *entry;

    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        exit(EXIT_FAILURE);
    }
    walk = must(fts_open(folders, FTS_PHYSICAL | FTS_NOCHDIR, NULL));
    while ((entry = fts_read(walk))) {
        if (entry->fts_info == FTS_F) add(tree, entry->fts_path);
        if (entry->fts_info == FTS_NS || entry->fts_info == FTS_DNR)
            fprintf(stderr, "%s: %s\n", entry->fts_path, strerror(entry->fts_errno));
    }
    fts_close(walk);
    if (tree->count) qsort(tree->files, tree->count, sizeof *tree->files, by_path);
    for (size_t i = 0; i < tree->count; i++) tree->files[i].number = i;
    return tree;
}

int tree_report(struct tree *tree) {
    int status = tree->count ? EXIT_SUCCESS : EXIT_FAILURE;

    trace_memory();
    for (size_t i = 0; i < tree->count; i++) {
        struct file *f = &tree->files[i];
        if (f->error || !*f->sum) {
            fprintf(stderr, "%s: %s\n", f->path, f->error ? strerror(f->error) : "not done");
            status = EXIT_FAILURE;
        } else {
            printf("%s  %s\n", f->sum, f->path);
        }
        free(f->path);
    }
    free(tree->files);
    free(tree);
    return status;
}

/* ---- a file ---- */

void digest_begin(struct digest *digest, struct file *file) {
    *digest = (struct digest){file, EVP_MD_CTX_new()};
    if (!digest->context || !EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL)) file->error = ENOMEM;
}

void digest_add(struct digest *digest, const void *data, size_t size) {
    trace_run(digest->file->number);
    if (!digest->file->error && !EVP_DigestUpdate(digest->context, data, size)) digest->file->error = ENOMEM;
    trace_rest(digest->file->number);
}

void digest_end(struct digest *digest) {
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    if (!digest->file->error && !EVP_DigestFinal_ex(digest->context, sum, &size)) digest->file->error = ENOMEM;
    EVP_MD_CTX_free(digest->context);
    for (unsigned i = 0; i < size; i++) snprintf(digest->file->sum + 2 * i, 3, "%02x", sum[i]);
}

void file_digest(struct file *file, const void *data, size_t size) {
    struct digest digest;

    digest_begin(&digest, file);
    digest_add(&digest, data, size);
    digest_end(&digest);
}

void file_hash(struct file *file) {
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    struct digest digest;
    char piece[FILE_PIECE];
    ssize_t size;

    if (fd < 0) {
        file->error = errno;
        return;
    }
    digest_begin(&digest, file);
    while ((size = read(fd, piece, sizeof piece)) > 0) digest_add(&digest, piece, (size_t)size);
    if (size < 0) file->error = errno;
    close(fd);
    digest_end(&digest);
}

int path_hash(const char *path, size_t number, char *sum) {
    struct file file = {.number = number, .path = (char *)(size_t)path};

    trace_begin(number);
    file_hash(&file);
    trace_end(number);
    trace_memory();
    memcpy(sum, file.sum, sizeof file.sum);
    return file.error;
}
