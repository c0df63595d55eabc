/* Media types by the suffix of a file's name. */
#ifndef PROMISE_NET_HTTP_MIME_H
#define PROMISE_NET_HTTP_MIME_H

/* Never NULL: "application/octet-stream" where the suffix is not known, or there is none. */
const char *promise__http_mime(const char *name);

#endif
