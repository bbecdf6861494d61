// SPDX-License-Identifier: Apache-2.0
// change.h - how far a metric moved between two runs, and how sure that is.
//
//   shares of independent cases   mid-p McNemar, Tango's score interval
//   other means                   CR1 paired t, Hall's for skewed ones; sign flips for p with few
//                                 clusters or few changes
//   corpus metrics                paired cluster bootstrap; approximate randomisation for p
//   quantiles                     the same two
// Where (nearly) nothing changed, t and bootstrap would claim certainty. A metric in 0..1 or -1..1
// never gets an interval narrower than Tango's for as many flips in as many clusters (fewer than 50
// changed), nor, with fewer than 10, than his for no flips at all, z^2 / (G + z^2).
#ifndef AS_CHANGE_H
#define AS_CHANGE_H

#include "metrics/pair.h"
#include "metrics/tally.h"

typedef struct as_change {
    double a, b, delta;
    as_interval ci90, ci95; // of delta
    double p_drop;          // one-sided, of getting worse
    double p_any;           // two-sided
    double mde;             // smallest drop that would show 8 times in 10
    double variance;        // of one pair's difference: what sample sizes follow from
    uint64_t broke, fixed, n;
    size_t clusters; // that the n cases lie in
    as_str method;
} as_change;

// What stands in for the answers that are missing in one run only.
typedef struct as_change_how {
    as_stand_in a, b;  // AS_STAND_NONE: pairs with a missing answer are left out
    size_t replicates; // of bootstrap and randomisation
    // Times and costs: the change as a share of the baseline, from the logarithms of the cases'
    // ratios (quantiles: of the ratio of both runs' quantiles). NaN where one is 0 and one is not.
    bool relative;
    double fastest, slowest; // times: what AS_STAND_RIGHT and AS_STAND_WRONG stand for
} as_change_how;

// Metrics of both runs with the same operations and options; n == 0 when nothing can be compared.
void as_change_of(const as_pairs *pairs, const as_metric *const *a_metrics,
                  const as_metric *const *b_metrics, size_t count, const as_change_how *how,
                  as_change *out);

bool as_change_is_time(const as_metric *metric); // of the run, and a missing answer has none

// Whether the two can be compared at all.
bool as_change_same(const as_metric *a, const as_metric *b);

#endif
