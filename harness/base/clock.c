// SPDX-License-Identifier: Apache-2.0
#include "harness/base/clock.h"

#include <stdio.h>
#include <time.h>

uint64_t as_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int64_t as_clock_wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void as_clock_rfc3339(int64_t wall_ms, char out[25]) {
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    char date[32];
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out, 25, "%.19s.%03uZ", date, (unsigned)((uint64_t)wall_ms % 1000));
}
