// SPDX-License-Identifier: Apache-2.0
// retry.h - when to ask again: which statuses are worth it, what Retry-After says, how long to wait
// otherwise. Pure functions.
#ifndef AS_RETRY_H
#define AS_RETRY_H

#include "harness/base/rng.h"
#include "harness/base/str.h"

// 408, 409, 425, 429, 500, 502, 503, 504, 529: the same request may succeed later.
bool as_retry_status(int status);

// Milliseconds that a Retry-After value (RFC 9110, 10.2.3: seconds, decimals allowed, or a date)
// asks to wait; -1 when it says nothing understood. A date counts from `date`, the answer's own
// Date header, so that a wrong clock here does not matter; from `wall_ms` when that is empty.
int64_t as_retry_after_ms(as_str value, as_str date, int64_t wall_ms);

// "Sun, 06 Nov 1994 08:49:37 GMT" as milliseconds since 1970; -1 when it is no such date.
int64_t as_retry_date_ms(as_str text);

// Exponential with jitter: between half and all of base_ms * 2^attempt, at most cap_ms. `attempt`
// counts from 0.
uint64_t as_retry_backoff_ms(unsigned attempt, uint64_t base_ms, uint64_t cap_ms, as_rng *rng);

#endif
