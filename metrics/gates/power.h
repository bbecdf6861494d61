// SPDX-License-Identifier: Apache-2.0
// power.h - what a number of cases can show: the smallest drop that is found 8 times in 10 at
// one-sided 0.05, and the cases that a margin takes. The same N shows a drop of the margin and
// rules it out for an unchanged model.
#ifndef AS_POWER_H
#define AS_POWER_H

#include "metrics/gate.h"

typedef struct as_power {
    double mde;      // in the unit of the gate's margin; NaN: not known
    uint64_t needed; // 0: n are enough, or no number is
} as_power;

// Shares: from the share of cases that flip. `n` cases.
as_power as_power_of_flips(double flips, double n, double margin);

// From two runs that were scored before, for a drop gate on `n` cases; *flips is NaN for metrics
// that have none. False when the two cannot be compared on it.
bool as_power_of_runs(as_arena *arena, const as_gate_spec *spec, as_scorer *a, as_scorer *b,
                      double n, as_power *out, double *flips);

// Whether a metric of the scorer is a mean of scores in 0..1, whose flips can be assumed.
bool as_power_is_share(const as_scorer *scorer, as_str metric);

// The slices of a scorer's cases, sorted; and how many cases and clusters one holds (empty: all).
size_t as_power_slices(as_scorer *scorer, const as_str **names);
void as_power_count(as_scorer *scorer, as_str slice, uint64_t *cases, uint64_t *clusters);

// A threshold on a share: the distance from the limit that `n` cases tell.
double as_power_of_limit(double limit, double n);

#endif
