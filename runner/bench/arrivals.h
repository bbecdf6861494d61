// SPDX-License-Identifier: Apache-2.0
// arrivals.h - an open loop: when requests are meant to start, whether or not earlier ones have
// been answered. Latency then counts from there, so that a server that stalls cannot hide the
// requests it kept waiting (coordinated omission).
#ifndef AS_ARRIVALS_H
#define AS_ARRIVALS_H

#include "harness/base/rng.h"
#include "harness/base/str.h"

typedef struct as_arrivals {
    double per_s; // 0: a closed loop, everything is due at once
    bool poisson; // exponential gaps, else equal ones
    as_rng rng;
    uint64_t start_ns;
    double at_s; // of the next one, since start
} as_arrivals;

// "50", "50/s", "120/min" requests; AS_INVALID for what is no rate above 0.
as_rc as_arrivals_rate(as_str text, double *per_s, as_err *err) AS_MUST_USE;

as_arrivals as_arrivals_of(double per_s, bool poisson, uint64_t seed);

// The intended start of the next request; the first is `now`. 0 in a closed loop.
uint64_t as_arrivals_next(as_arrivals *arrivals, uint64_t now);

#endif
