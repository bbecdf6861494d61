// SPDX-License-Identifier: Apache-2.0
#include "harness/net/retry.h"

bool as_retry_status(int status) {
    static const int worth[] = {408, 409, 425, 429, 500, 502, 503, 504, 529};
    for (size_t i = 0; i < sizeof worth / sizeof *worth; i++)
        if (status == worth[i]) return true;
    return false;
}

// Days since 1970-01-01 of a date of the Gregorian calendar (months counted from March, so that
// the leap day is the last of its year).
static int64_t days_of(int64_t year, int64_t month, int64_t day) {
    year -= month <= 2;
    int64_t era = year / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool digits(as_str text, size_t at, size_t count, int64_t *out) {
    int64_t value = 0;
    for (size_t i = at; i < at + count; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
        value = value * 10 + (text.ptr[i] - '0');
    }
    *out = value;
    return true;
}

int64_t as_retry_date_ms(as_str text) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t day, year, hour, minute, second, month = 0;
    // "Sun, 06 Nov 1994 08:49:37 GMT": every field at its place
    if (text.len != 29 || !as_str_is(as_str_sub(text, 25, 29), " GMT")) return -1;
    while (month < 12 &&
           !as_str_is(as_str_sub(text, 8, 11),
                      (char[]){months[month * 3], months[month * 3 + 1], months[month * 3 + 2], 0}))
        month++;
    if (month == 12 || !digits(text, 5, 2, &day) || !digits(text, 12, 4, &year) ||
        !digits(text, 17, 2, &hour) || !digits(text, 20, 2, &minute) ||
        !digits(text, 23, 2, &second))
        return -1;
    if (year < 1970 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return -1;
    return ((days_of(year, month + 1, day) * 24 + hour) * 60 + minute) * 60000 + second * 1000;
}

int64_t as_retry_after_ms(as_str value, as_str date, int64_t wall_ms) {
    double seconds;
    value = as_str_trim(value);
    if (as_str_to_f64(value, &seconds)) {
        if (seconds < 0) return -1;
        return seconds > 1e12 ? INT64_MAX : (int64_t)(seconds * 1000);
    }
    int64_t when = as_retry_date_ms(value);
    if (when < 0) return -1;
    int64_t now = as_retry_date_ms(as_str_trim(date));
    if (now < 0) now = wall_ms;
    return when > now ? when - now : 0;
}

uint64_t as_retry_backoff_ms(unsigned attempt, uint64_t base_ms, uint64_t cap_ms, as_rng *rng) {
    uint64_t most = base_ms;
    while (attempt-- && most < cap_ms) most *= 2;
    if (most > cap_ms) most = cap_ms;
    return most - as_rng_below(rng, most / 2 + 1);
}
