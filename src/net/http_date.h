/* Dates as HTTP writes them (RFC 9110, section 5.6.7). */
#ifndef PROMISE_NET_HTTP_DATE_H
#define PROMISE_NET_HTTP_DATE_H

#include <stdbool.h>
#include <time.h>

enum { HTTP_DATE_SIZE = 30 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" and the NUL */

/* Writes when; a year that does not fit in four digits is the nearest one that does. */
void promise__http_date(char text[HTTP_DATE_SIZE], time_t when);
/* Reads any of the three forms; false when it is none. */
bool promise__http_date_parse(const char *text, time_t *when);

#endif
