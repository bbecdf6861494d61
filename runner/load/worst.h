// SPDX-License-Identifier: Apache-2.0
// worst.h - how long a run may take at most, said before it starts and kept: what is left then is
// cancelled. Pure functions.
#ifndef AS_WORST_H
#define AS_WORST_H

#include "harness/target/target.h"

// "90s", "10m", "1.5h" in seconds.
as_rc as_worst_parse(as_str text, double *seconds, as_err *err) AS_MUST_USE;

// "42 s", "12 min", "3.5 h", "2.1 days"
as_str as_worst_text(as_arena *arena, double seconds);

// Seconds that `cases` of `calls` requests each may take, so many at once, when each has its last
// attempt's last second: however they fall, no slot works longer than (cases / at_once + 1) cases
// do. 0 where the target sets no limits.
double as_worst_seconds(const as_target_info *info, uint64_t cases, size_t calls, size_t at_once,
                        double per_s);

#endif
