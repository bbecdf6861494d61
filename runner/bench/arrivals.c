// SPDX-License-Identifier: Apache-2.0
#include "runner/bench/arrivals.h"

#include <math.h>

as_rc as_arrivals_rate(as_str text, double *per_s, as_err *err) {
    as_str number = text;
    double each = 1;
    if (as_str_ends(text, AS_STR("/s"))) {
        number.len -= 2;
    } else if (as_str_ends(text, AS_STR("/min"))) {
        number.len -= 4;
        each = 60;
    }
    double value;
    if (!as_str_to_f64(number, &value) || !(value > 0) || value / each > 1e6)
        return as_fail(err, AS_INVALID,
                       "--rate wants requests as in 50, 50/s or 120/min, not '%.*s'",
                       AS_STR_ARG(text));
    *per_s = value / each;
    return AS_OK;
}

as_arrivals as_arrivals_of(double per_s, bool poisson, uint64_t seed) {
    return (as_arrivals){.per_s = per_s, .poisson = poisson, .rng = as_rng_of(seed, 0)};
}

uint64_t as_arrivals_next(as_arrivals *a, uint64_t now) {
    if (a->per_s <= 0) return 0;
    if (!a->start_ns) a->start_ns = now;
    uint64_t due = a->start_ns + (uint64_t)(a->at_s * 1e9);
    a->at_s += a->poisson ? -log1p(-as_rng_unit(&a->rng)) / a->per_s : 1 / a->per_s;
    return due;
}
