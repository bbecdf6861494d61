// SPDX-License-Identifier: Apache-2.0
// quantile.h - resampling of nearest-rank quantiles of paired times. Both runs' times are sorted
// once; a replicate then only walks along them.
#ifndef AS_QUANTILE_H
#define AS_QUANTILE_H

#include <stdint.h>

#include "harness/base/arena.h"

typedef struct as_quantile_pairs {
    const double *a, *b;      // [count]
    const uint32_t *clusters; // [count]
    size_t count, cluster_count;
} as_quantile_pairs;

void as_quantile_change(as_arena *arena, const as_quantile_pairs *pairs, double q, double *a,
                        double *b);

// Differences b - a: clusters drawn anew, and sides of clusters swapped at random.
void as_quantile_resample(as_arena *arena, const as_quantile_pairs *pairs, double q,
                          size_t replicates, double *drawn, double *swapped);

#endif
