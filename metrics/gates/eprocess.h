// SPDX-License-Identifier: Apache-2.0
// eprocess.h - tests that may be looked at after every case: betting e-processes on the mean of
// values in 0..1 (Waudby-Smith & Ramdas 2024, arXiv:2010.09686).
//
// A bettor stakes on the mean being above (or below) a bound m and wins or loses with each value:
//   E_t = prod (1 +- lambda_i (x_i - m)),   lambda_i from x_1..x_{i-1} only.
// If m is the truth, E is above 1 / alpha at any time with probability alpha at most (Ville): as
// soon as it is, the bound is refuted. Stakes: lambda_t = sqrt(2 ln(1/alpha) / (t ln(1+t) s^2)),
// at most half of what could ruin the bettor.
#ifndef AS_EPROCESS_H
#define AS_EPROCESS_H

#include <stdbool.h>

#include "harness/record/summary.h"

typedef struct as_eprocess {
    double m, sign; // refutes a mean of at most m (sign 1), or of at least m (sign -1)
    double alpha;
    double t, sum, squares; // of the values, and of what they were off the running mean
    double log_e;
    bool refuted; // once and for all
} as_eprocess;

as_eprocess as_eprocess_above(double m, double alpha); // shows that the mean is above m
as_eprocess as_eprocess_below(double m, double alpha);
void as_eprocess_add(as_eprocess *e, double x); // 0 <= x <= 1

// Where the mean lies, at any time, with probability 1 - alpha: the empirical Bernstein confidence
// sequence with predictable stakes (the same paper, theorem 2).
typedef struct as_sequence {
    double alpha;
    double t, sum, squares;
    double stakes, staked, spent; // sums of lambda, lambda x, v psi(lambda)
} as_sequence;

void as_sequence_add(as_sequence *s, double x);
as_interval as_sequence_interval(const as_sequence *s);

#endif
