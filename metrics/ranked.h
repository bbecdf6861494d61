// SPDX-License-Identifier: Apache-2.0
// ranked.h - metrics of how cases are ordered by a score: areas under curves, bins of equal mass.
//
// They have no sums to keep: the value needs all cases. So a case keeps its statistics (the place
// of its expected class, and a score for each class), the cases are sorted once, and a resample is
// the same order with other weights.
#ifndef AS_RANKED_H
#define AS_RANKED_H

#include "metrics/pair.h"

// Statistic 0 of a case is the number of its expected class, from 1; statistic c + 1 its score of
// class c, from 0.
struct as_ranked {
    size_t count, columns; // cases; classes
    const double *stats;   // [count][columns + 1]
    const uint32_t *order; // [columns][count] cases by falling score of the class
    const double *weights; // [count] as often as drawn; 0: not drawn
};
typedef struct as_ranked as_ranked;

static inline double as_ranked_stat(const as_ranked *r, size_t at, size_t stat) {
    return r->stats[at * (r->columns + 1) + stat];
}

enum { AS_RANKED_SEED = 0xa55a, AS_RANKED_STREAM = 5 }; // what draws of one run come from

// Values over a slice of metrics that share what they rank, and replicates of them (fewer than
// `most` where there are many cases): [metric][most]; returns how many. With one column and very
// many clusters they are blocks' (kept/segments.h).
size_t as_ranked_estimate(as_arena *arena, const as_scorer *scorer, const as_metric *const *metrics,
                          size_t metric_count, uint32_t slice, size_t most, double *values,
                          double *replicates);

// Values of both runs over the pairs that both answered; replicates of the difference, drawn anew
// and swapped.
void as_ranked_change(as_arena *arena, const as_pairs *pairs, const as_metric *a,
                      const as_metric *b, size_t replicates, double values[2], double *drawn,
                      double *swapped);

#endif
