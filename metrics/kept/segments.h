// SPDX-License-Identifier: Apache-2.0
// segments.h - resamples of a ranked metric with one column for very many cases, at a price that
// hardly depends on how many there are.
//
// Clusters are dealt into blocks at random, which are resampled (tally.h says what that costs), and
// the order is cut into segments, between cases of different scores: at most one in SHARE of the
// positive or of the negative weight each, so that the rare class is cut case by case. A replicate
// is the metric over segments, whose cases count as tied, moved by what the tie makes of the cases
// as they are.
#ifndef AS_SEGMENTS_H
#define AS_SEGMENTS_H

#include "metrics/ranked.h"

// Blocks, and how many clusters are few enough to be resampled one by one.
enum { AS_SEGMENTS_BLOCKS = 4096, AS_SEGMENTS_FEW = 4 * AS_SEGMENTS_BLOCKS };

typedef struct as_segments {
    const as_ranked *cases;   // with their own weights
    const uint32_t *clusters; // [cases->count] below `groups`
    size_t groups;
} as_segments;

// out: [metric][stride], of which `replicates` are set; NaN where a class was not drawn. `values`
// are those of the cases.
void as_segments_resample(const as_segments *of, const as_metric *const *metrics,
                          size_t metric_count, const double *values, size_t replicates,
                          size_t stride, double *out);

#endif
