/* One page after the other. */
#include "../pages.h"

int main(int argc, char **argv) {
    struct pages *pages = pages_open(argc, argv);

    for (size_t i = 0; i < pages->count; i++) page_fetch(&pages->pages[i]);
    return pages_report(pages);
}
