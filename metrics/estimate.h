// SPDX-License-Identifier: Apache-2.0
// estimate.h - the value of a metric on some cases, with its 95 % interval:
//   shares of independent cases   Wilson
//   means, clustered or not       CR1 with t(G - 1)
//   corpus metrics                cluster bootstrap, BCa, 2,000 replicates
//   quantiles                     order statistics
// Where every case agrees, t and bootstrap would claim certainty; then Wilson over the clusters.
#ifndef AS_ESTIMATE_H
#define AS_ESTIMATE_H

#include "metrics/rows.h"

// All of a scorer's metrics on a slice (AS_ROWS_NONE: all cases), [metric_count]. Sealed.
const as_value *as_estimate_all(as_arena *arena, const as_scorer *scorer, uint32_t slice);

// One metric, which need not be among the scorer's.
as_value as_estimate_one(as_arena *arena, const as_scorer *scorer, const as_metric *metric,
                         uint32_t slice);

// The same for a claim that it is at least, or at most, something: the interval is one of 90 %, so
// that each end alone is wrong 1 time in 20; shares of independent cases by Clopper & Pearson.
as_value as_estimate_claim(as_arena *arena, const as_scorer *scorer, const as_metric *metric,
                           uint32_t slice);

// The value if every missing answer had been as bad as it can be: a score of 0 (1 where lower is
// better), no label, a time like the slowest one's. NaN where a metric's worst has no bound.
double as_estimate_worst(as_arena *arena, const as_scorer *scorer, const as_metric *metric,
                         uint32_t slice);

// Drops NaN and sorts; returns how many are left.
size_t as_estimate_sort(double *replicates, size_t count);

#endif
