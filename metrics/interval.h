// SPDX-License-Identifier: Apache-2.0
// interval.h - intervals of one number: shares, clustered means, bootstraps, quantiles.
#ifndef AS_INTERVAL_H
#define AS_INTERVAL_H

#include <stddef.h>
#include <stdint.h>

#include "harness/record/summary.h"
#include "metrics/kept/column.h"

#define AS_INTERVAL_NONE ((as_interval){NAN, NAN})

// Score interval of a share (Wilson 1927). n > 0.
as_interval as_interval_wilson(double successes, double n, double z);

// Exact interval of a share (Clopper & Pearson 1934), two-sided at 1 - alpha.
as_interval as_interval_clopper_pearson(double successes, double n, double alpha);

// A weighted mean and its cluster-robust standard error (Liang & Zeger 1986; CR1, G/(G-1), so that
// clusters of one case give the usual s/sqrt(n)). NaN stderr_ with less than two clusters.
typedef struct as_mean {
    double value, stderr_;
    double df;      // G - 1
    size_t nonzero; // clusters whose values do not sum to 0
    double skew;    // of the clusters' centred sums; 0 when they are all alike
    double weight;  // sum
} as_mean;
// `sums` gets the weighted sum of each cluster's values (double), in their order; NULL: not asked.
as_mean as_interval_mean(const as_column *column, as_spill *sums);

// value -+ t * stderr at the two-sided level 1 - alpha.
as_interval as_interval_t(const as_mean *mean, double alpha);

// The same, wide enough for skewed values: the quantiles of t go through Hall's transformation
// (1992), which takes the skewness out of a studentised mean; never narrower than as_interval_t.
as_interval as_interval_skewed(const as_mean *mean, double alpha);

// Hall's transformation of a studentised mean: what may be held against t.
double as_interval_unskewed(double t, const as_mean *mean);

// The q quantile of sorted values between the two nearest (Hyndman & Fan's type 7).
double as_interval_quantile(const double *sorted, size_t count, double q);

// Percentile interval of sorted replicates.
as_interval as_interval_percentile(const double *sorted, size_t count, double alpha);

// Bias-corrected and accelerated (Efron 1987). `jackknife` leaves one cluster out each.
as_interval as_interval_bca(const double *sorted, size_t count, double value,
                            const double *jackknife, size_t jackknife_count, double alpha);

#endif
