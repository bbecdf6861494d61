// SPDX-License-Identifier: Apache-2.0
// within.h - several answers a case: how much of the spread is between cases and how much is the
// model's own dice. Scores of a case are exchangeable; cases are independent.
//
//   within   pooled variance of the answers to one case, sum (K_i - 1) s_i^2 / sum (K_i - 1)
//   between  variance of the cases' true means: that of their observed means less within / K_i each
//            (one-way random effects, method of moments; 0 where sampling explains it all)
// More answers shrink the first only: the error of the mean is sqrt((between + within / K) / n).
// Source: Miller 2024 (arXiv:2411.00640), section 3.
#ifndef AS_WITHIN_H
#define AS_WITHIN_H

#include <stddef.h>
#include <stdint.h>

// What flips between answers of one version so often that it is no must-pass case.
#define AS_WITHIN_FLAKY 0.3

typedef struct as_within {
    uint64_t cases, answers;
    double mean, stderr_;   // of the cases' means
    double within, between; // variances; NaN where nothing tells: no case with two answers
    uint64_t flaky;         // cases whose flake rate is above AS_WITHIN_FLAKY
} as_within;

// scores[case][answer], counts[case] > 0.
as_within as_within_of(const double *const *scores, const size_t *counts, size_t cases);

// The chance that two answers to one case differ, of right ones among `count`; unbiased:
// 2 p (1 - p) K / (K - 1). NaN for less than two.
double as_within_flake(size_t right, size_t count);

// The standard error of the mean with `answers` a case over `cases`.
double as_within_error(const as_within *w, double answers, double cases);

// Cases needed to show a change of `drop` between two such runs 8 times in 10 at one-sided 0.05,
// with ka and kb answers a case; the cases' own change is taken to vary as `between_change`.
double as_within_needed(double between_change, const as_within *a, double ka, const as_within *b,
                        double kb, double drop);

#endif
