// SPDX-License-Identifier: Apache-2.0
// rank.h - which slices got worse, and which of many runs is worth having.
#ifndef AS_RANK_H
#define AS_RANK_H

#include "harness/record/versus.h"
#include "metrics/scorer.h"

#define AS_RANK_FDR 0.10

// The slices among the deltas whose drop stands after Benjamini & Hochberg's correction (1995) over
// all of them at a false discovery rate of 0.10, surest first. Sets q of every slice's delta.
void as_rank_regressed(as_arena *arena, as_delta *deltas, size_t count, const as_delta *const **out,
                       size_t *out_count);

// Benjamini & Hochberg's adjustment, in place; NaN entries take no part.
void as_rank_bh(double *p, size_t count);

// Time and cost of a case against the baseline, as shares of it, from the paired ratios; n == 0
// where there is nothing to compare.
as_delta as_rank_ratio(as_arena *arena, as_scorer *a, as_scorer *b, as_str run_metric);

// Marks the runs that no other run beats: as good in all of the values, better in one. Values are
// such that more is better, [count][width]; a NaN column (in any run) takes no part.
void as_rank_front(const double *values, size_t count, size_t width, bool *on_front);

#endif
