/* One file after the other. */
#include "../trace.h"
#include "../tree.h"

int main(int argc, char **argv) {
    struct tree *tree = tree_open(argc, argv);

    for (size_t i = 0; i < tree->count; i++) {
        trace_begin(i);
        file_hash(&tree->files[i]);
        trace_end(i);
    }
    return tree_report(tree);
}
