/*
 * The job of examples/ways/hash/: the SHA-256 of every file below a folder, as sha256sum(1) prints it, in the order of the
 * names. How the files are gone through is what the programs differ in; here is the rest.
 */
#ifndef WAYS_TREE_H
#define WAYS_TREE_H

#include <stdbool.h>
#include <stddef.h>

struct evp_md_ctx_st;

struct file {
    size_t number; /* in the tree */
    char *path;
    char sum[65]; /* in hexadecimal, once it is known */
    int error;    /* errno, or 0 */
};

struct tree {
    size_t count;
    struct file *files;
};

/* The files of the folder that the program's only argument names; the program ends with a message when that fails. */
struct tree *tree_open(int argc, char **argv);
/* Prints the sums, frees the tree, and gives main()'s status. */
int tree_report(struct tree *tree);

/* Reads the file in pieces of FILE_PIECE bytes and sets its sum, or its error. Blocks. */
void file_hash(struct file *file);
enum { FILE_PIECE = 65536 };

/* The same piece by piece, for those who do not block. digest_end() sets the sum; each of them sets error on failure. */
struct digest {
    struct file *file;
    struct evp_md_ctx_st *context;
};
void digest_begin(struct digest *digest, struct file *file);
void digest_add(struct digest *digest, const void *data, size_t size);
void digest_end(struct digest *digest);
/* All three for what was read at once. */
void file_digest(struct file *file, const void *data, size_t size);
/* The sum of a file by its path alone, into 65 bytes; 0, or errno: for a process that has no tree. */
int path_hash(const char *path, size_t number, char *sum);

#endif
