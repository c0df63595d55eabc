/*
 * Dates of HTTP. Done by hand: strftime and strptime speak the program's language, and timegm is not everywhere.
 */
#include "http_date.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char days[7][10] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct date {
    int year, month, day, hour, minute, second; /* month from 0 */
};

/* Days since 1970-01-01 in the Gregorian calendar, with years that begin in March. */
static int64_t days_of(int year, int month, int day) {
    int64_t y = month < 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int64_t of_year = (153 * ((month + 10) % 12) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void promise__http_date(char text[HTTP_DATE_SIZE], time_t when) {
    const int64_t first = days_of(0, 0, 1) * 86400, last = days_of(10000, 0, 1) * 86400 - 1;
    time_t clipped = (time_t)((int64_t)when < first ? first : (int64_t)when > last ? last : (int64_t)when);
    struct tm t;
    char buffer[64]; /* as much as the compiler thinks that the numbers may need */

    memset(&t, 0, sizeof t);
    gmtime_r(&clipped, &t);
    snprintf(buffer, sizeof buffer, "%.3s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday], t.tm_mday, months[t.tm_mon],
             t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    memcpy(text, buffer, HTTP_DATE_SIZE - 1);
    text[HTTP_DATE_SIZE - 1] = '\0';
}

/* ---- parse: each takes its part away from the front of *at ---- */

static bool take_text(const char **at, const char *text) {
    size_t size = strlen(text);

    if (strncmp(*at, text, size) != 0) return false;
    *at += size;
    return true;
}

static bool take_number(const char **at, int digits, int *number) {
    for (*number = 0; digits; digits--, ++*at) {
        if (**at < '0' || **at > '9') return false;
        *number = *number * 10 + (**at - '0');
    }
    return true;
}

static bool take_month(const char **at, int *month) {
    for (*month = 0; *month < 12; ++*month)
        if (take_text(at, months[*month])) return true;
    return false;
}

static bool take_clock(const char **at, struct date *d) {
    return take_number(at, 2, &d->hour) && take_text(at, ":") && take_number(at, 2, &d->minute) && take_text(at, ":") &&
           take_number(at, 2, &d->second);
}

/* "06 Nov 1994 08:49:37 GMT" */
static bool take_fixed(const char **at, struct date *d) {
    return take_number(at, 2, &d->day) && take_text(at, " ") && take_month(at, &d->month) && take_text(at, " ") &&
           take_number(at, 4, &d->year) && take_text(at, " ") && take_clock(at, d) && take_text(at, " GMT");
}

/* "06-Nov-94 08:49:37 GMT": a year that would be more than 50 years ahead is of the century before. */
static bool take_rfc850(const char **at, struct date *d) {
    time_t now = time(NULL);
    struct tm t;

    if (!(take_number(at, 2, &d->day) && take_text(at, "-") && take_month(at, &d->month) && take_text(at, "-") &&
          take_number(at, 2, &d->year) && take_text(at, " ") && take_clock(at, d) && take_text(at, " GMT")))
        return false;
    memset(&t, 0, sizeof t);
    gmtime_r(&now, &t);
    d->year += (t.tm_year + 1900) / 100 * 100;
    if (d->year > t.tm_year + 1900 + 50) d->year -= 100;
    return true;
}

/* "Nov  6 08:49:37 1994" */
static bool take_asctime(const char **at, struct date *d) {
    if (!take_month(at, &d->month) || !take_text(at, " ")) return false;
    if (!take_number(at, take_text(at, " ") ? 1 : 2, &d->day)) return false;
    return take_text(at, " ") && take_clock(at, d) && take_text(at, " ") && take_number(at, 4, &d->year);
}

static bool is_possible(const struct date *d) {
    static const int lengths[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return d->day >= 1 && d->day <= lengths[d->month] && d->hour < 24 && d->minute < 60 && d->second <= 60;
}

bool promise__http_date_parse(const char *text, time_t *when) {
    struct date d;
    bool ok = false;

    for (int i = 0; i < 7 && !ok; i++) {
        const char *at = text;
        if (strncmp(text, days[i], 3) != 0) continue;
        if (take_text(&at, days[i])) ok = take_text(&at, ", ") && take_rfc850(&at, &d);
        else if ((at = text + 3, take_text(&at, ", "))) ok = take_fixed(&at, &d);
        else ok = take_text(&at, " ") && take_asctime(&at, &d);
        ok = ok && !*at && is_possible(&d);
    }
    if (ok) *when = (time_t)(days_of(d.year, d.month, d.day) * 86400 + d.hour * 3600 + d.minute * 60 + d.second);
    return ok;
}
