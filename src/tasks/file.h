/* What the sources of <promise/file.h> share, beside file_request.h and file_io.h. */
#ifndef PROMISE_SRC_FILE_H
#define PROMISE_SRC_FILE_H

#include <promise/file.h>

struct stat;

promise_value_t promise__file_stat_value(const struct stat *s);
/* For messages. */
const char *promise__file_name(const promise_file_t *f);

#endif
