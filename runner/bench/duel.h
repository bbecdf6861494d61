// SPDX-License-Identifier: Apache-2.0
// duel.h - two targets under the same load, in turn: blocks in the order A B B A, so that whatever
// else changes with time falls on both alike. Each A block is paired with the B block beside it; a
// measure's ratio B / A is the mean of the logarithms of the pairs' ratios, with Student's 95 %
// interval.
#ifndef AS_DUEL_H
#define AS_DUEL_H

#include "runner/bench/bench.h"

enum { AS_DUEL_PAIRS = 10 };

typedef enum as_duel_measure {
    AS_DUEL_PER_S,
    AS_DUEL_E2E, // of the times: the mean over a block
    AS_DUEL_TTFT,
    AS_DUEL_TPOT,
    AS_DUEL_MEASURES
} as_duel_measure;

extern const char *const as_duel_names[AS_DUEL_MEASURES]; // "requests/s", ...

typedef struct as_duel_ratio {
    double ratio, lo, hi; // B / A; NaN where it is not measured; the interval from two pairs on
    size_t pairs;
} as_duel_ratio;

// Of pairs' logarithms. Pure.
as_duel_ratio as_duel_ratio_of(const double *logs, size_t count);

typedef struct as_duel_side {
    const as_target_ops *ops;
    as_target *target;
    as_bench_result result; // of all blocks
} as_duel_side;

// load->requests to each side, in AS_DUEL_PAIRS blocks of as many (fewer requests: fewer pairs).
as_rc as_duel(as_duel_side sides[2], const as_bench_load *load,
              as_duel_ratio ratios[AS_DUEL_MEASURES], as_err *err) AS_MUST_USE;

#endif
