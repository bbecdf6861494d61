// SPDX-License-Identifier: Apache-2.0
// judged_sum.h - what the verdicts of a judge come to beside their mean: how many there are and
// what they cost, how far they agree with people, and what the mean would be had people judged all.
//
//   kappa    Cohen's, unweighted, over the values as they are
//   alpha    Krippendorff's, two raters, distance of an interval scale
//   corrected  prediction-powered (PPI++, Angelopoulos et al. 2023): the mean of the labels of the
//            cases that have one, and of the judge's scores of those that have none, weighted by
//            how well they agree:  L mean(f_rest) + mean(y - L f_labelled), with
//            L = cov(y, f) / ((1 + n/N) var(f)) kept in 0..1; normal interval. Cases count alike.
#ifndef AS_JUDGED_SUM_H
#define AS_JUDGED_SUM_H

#include "metrics/rows.h"

// The statistics that a judged metric keeps of a case.
enum {
    AS_JUDGED_HUMAN, // 1: a person has judged it
    AS_JUDGED_LABEL,
    AS_JUDGED_ASKED,
    AS_JUDGED_FAILED,
    AS_JUDGED_UNREAD,
    AS_JUDGED_EMPTY,
    AS_JUDGED_SPLIT,
    AS_JUDGED_CACHED,
    AS_JUDGED_IN,
    AS_JUDGED_OUT,
    AS_JUDGED_COST,
    AS_JUDGED_WIDTH
};

const as_judge_sum *as_judged_sum(as_arena *arena, const as_scorer *scorer, const as_metric *metric,
                                  uint32_t slice);

// The judge was asked about the case and gave no verdict.
bool as_judged_sum_lost(const as_metric *metric, const as_row *row);

double as_judged_sum_kappa(const double *a, const double *b, size_t count);
double as_judged_sum_alpha(const double *a, const double *b, size_t count);

// `labels` and `scores` of n cases, `rest` of N others. NaN with n < 2.
double as_judged_sum_corrected(const double *labels, const double *scores, size_t n,
                               const double *rest, size_t rest_count, as_interval *ci);

#endif
