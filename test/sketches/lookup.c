/* The library that the sketch 04 wraps, besides hiredis: it is only linked, and never asked. */
#include <stdlib.h>

void *lib_start(const char *name, void (*cb)(void *priv, int status, const char *text), void *priv);
void lib_cancel(void *query);

void *lib_start(const char *name, void (*cb)(void *priv, int status, const char *text), void *priv) {
    (void)name, (void)cb, (void)priv;
    abort();
}

void lib_cancel(void *query) {
    (void)query;
    abort();
}
