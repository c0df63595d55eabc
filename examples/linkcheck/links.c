#include "links.h"

#include <gumbo.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Where HTML has links that a browser fetches or a reader can follow. */
static const struct {
    GumboTag tag;
    const char *attribute;
} places[] = {
    {GUMBO_TAG_A, "href"},     {GUMBO_TAG_AREA, "href"},  {GUMBO_TAG_LINK, "href"},   {GUMBO_TAG_IMG, "src"},
    {GUMBO_TAG_SCRIPT, "src"}, {GUMBO_TAG_IFRAME, "src"}, {GUMBO_TAG_FRAME, "src"},   {GUMBO_TAG_EMBED, "src"},
    {GUMBO_TAG_SOURCE, "src"}, {GUMBO_TAG_AUDIO, "src"},  {GUMBO_TAG_VIDEO, "src"},   {GUMBO_TAG_VIDEO, "poster"},
    {GUMBO_TAG_TRACK, "src"},  {GUMBO_TAG_INPUT, "src"},  {GUMBO_TAG_OBJECT, "data"}, {GUMBO_TAG_IMAGE, "href"},
};

struct search {
    const char *base; /* what links are relative to */
    char *own_base;   /* base, when the page has a <base> */
    links_fn *found;
    void *arg;
};

/* The node after this one in the order of the text, without recursion: pages may be nested deeper than the stack. */
static const GumboNode *next_node(const GumboNode *node, const GumboNode *root) {
    if (node->type == GUMBO_NODE_ELEMENT && node->v.element.children.length) return node->v.element.children.data[0];
    while (node != root) {
        const GumboVector *siblings = &node->parent->v.element.children;
        if (node->index_within_parent + 1 < siblings->length) return siblings->data[node->index_within_parent + 1];
        node = node->parent;
    }
    return NULL;
}

static const char *attribute(const GumboNode *node, const char *name) {
    const GumboAttribute *found = gumbo_get_attribute(&node->v.element.attributes, name);
    return found ? found->value : NULL;
}

/* The first <base> with an href counts. */
static int find_base(struct search *search, const GumboNode *root) {
    for (const GumboNode *node = root; node; node = next_node(node, root)) {
        if (node->type != GUMBO_NODE_ELEMENT || node->v.element.tag != GUMBO_TAG_BASE) continue;
        const char *href = attribute(node, "href");
        if (!href) continue;
        enum url_kind kind = url_resolve(search->base, href, &search->own_base);
        if (kind == URL_NO_MEMORY) return -1;
        if (kind == URL_HTTP) search->base = search->own_base;
        return 0;
    }
    return 0;
}

/* <link rel=preconnect> names a host, not something to fetch. */
static bool is_only_a_hint(const GumboNode *node) {
    const char *rel = node->v.element.tag == GUMBO_TAG_LINK ? attribute(node, "rel") : NULL;
    return rel && (!strcasecmp(rel, "preconnect") || !strcasecmp(rel, "dns-prefetch"));
}

static int take_link(const struct search *search, const char *ref) {
    char *url = NULL;
    enum url_kind kind = url_resolve(search->base, ref, &url);
    int result = kind == URL_NO_MEMORY ? -1 : search->found(kind, url ? url : ref, search->arg);
    free(url);
    return result;
}

static int take_links(const struct search *search, const GumboNode *node) {
    if (is_only_a_hint(node)) return 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (places[i].tag != node->v.element.tag) continue;
        const char *ref = attribute(node, places[i].attribute);
        int result = ref ? take_link(search, ref) : 0;
        if (result) return result;
    }
    return 0;
}

static int find_links(struct search *search, const GumboNode *root) {
    int result = find_base(search, root);
    for (const GumboNode *node = root; node && !result; node = next_node(node, root))
        if (node->type == GUMBO_NODE_ELEMENT) result = take_links(search, node);
    return result;
}

int links_find(const char *url, const char *html, size_t size, links_fn *found, void *arg) {
    struct search search = {.base = url, .found = found, .arg = arg};
    GumboOptions options = kGumboDefaultOptions;
    options.max_errors = 0; /* each of them would keep a copy of all open tags */
    GumboOutput *page = gumbo_parse_with_options(&options, html, size);
    if (!page) return -1;
    int result = find_links(&search, page->root);
    gumbo_destroy_output(&options, page);
    free(search.own_base);
    return result;
}
