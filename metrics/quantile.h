// SPDX-License-Identifier: Apache-2.0
// quantile.h - resampling of nearest-rank quantiles of paired times. Both runs' times are sorted
// once; a replicate then only walks along them.
#ifndef AS_QUANTILE_H
#define AS_QUANTILE_H

#include "metrics/kept/column.h"

// The same cases of two runs, in the same order; clusters are those of a.
typedef struct as_quantile_pairs {
    const as_column *a, *b;
} as_quantile_pairs;

void as_quantile_change(const as_quantile_pairs *pairs, double q, double *a, double *b);

// Differences b - a: clusters drawn anew, and sides of clusters swapped at random.
void as_quantile_resample(const as_quantile_pairs *pairs, double q, size_t replicates,
                          double *drawn, double *swapped);

#endif
