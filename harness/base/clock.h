// SPDX-License-Identifier: Apache-2.0
// clock.h - durations come from the monotonic clock, dates from the wall clock. Never mixed.
#ifndef AS_CLOCK_H
#define AS_CLOCK_H

#include <stdint.h>

uint64_t as_clock_ns(void);     // monotonic; only differences mean anything
int64_t as_clock_wall_ms(void); // since 1970-01-01 UTC

// "2026-11-24T03:04:05.678Z" and NUL.
void as_clock_rfc3339(int64_t wall_ms, char out[25]);

#endif
