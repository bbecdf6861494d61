// SPDX-License-Identifier: Apache-2.0
#include "metrics/interval.h"

#include <math.h>

#include "harness/base/arena.h"
#include "metrics/num.h"
#include "metrics/special.h"

as_interval as_interval_wilson(double successes, double n, double z) {
    if (!(n > 0)) return AS_INTERVAL_NONE;
    double share = successes / n, z2 = z * z;
    double centre = (share + z2 / (2 * n)) / (1 + z2 / n);
    double half = z / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n));
    as_interval out = {centre - half, centre + half};
    if (out.lo < 0 || successes <= 0) out.lo = 0; // the ends are exact there; rounding is not
    if (out.hi > 1 || successes >= n) out.hi = 1;
    return out;
}

as_interval as_interval_clopper_pearson(double k, double n, double alpha) {
    as_interval out = {0, 1};
    if (!(n > 0)) return AS_INTERVAL_NONE;
    if (k > 0) out.lo = as_special_beta_quantile(k, n - k + 1, alpha / 2);
    if (k < n) out.hi = as_special_beta_quantile(k + 1, n - k, 1 - alpha / 2);
    return out;
}

static double weighted_mean(const as_column *column, double *weight_out) {
    as_num_sum sum = {0}, weight = {0};
    as_column_reader reader = as_column_read(column);
    as_column_case at;
    while (as_column_next(&reader, &at)) {
        as_num_add(&sum, at.weight * at.value);
        as_num_add(&weight, at.weight);
    }
    *weight_out = as_num_total(&weight);
    return column->count ? as_num_total(&sum) / *weight_out : NAN;
}

// What clusters add to the moments.
typedef struct moments {
    as_num_sum squares, cubes;
    size_t nonzero;
    as_spill *sums;
} moments;

static void add_cluster(moments *m, double sum, double centred) {
    as_num_add(&m->squares, centred * centred);
    as_num_add(&m->cubes, centred * centred * centred);
    m->nonzero += sum != 0;
    if (m->sums) as_spill_add(m->sums, &sum, sizeof sum);
}

// Clusters of one case each come one after another; others are put together first.
static void add_clusters(moments *m, const as_column *column, double mean) {
    as_column_reader reader = as_column_read(column);
    as_column_case at;
    as_arena arena = {0};
    size_t groups = column->clustered ? column->cluster_count : 0;
    double *sums = AS_NEW_ARRAY(&arena, double, groups + 1);
    double *centred = AS_NEW_ARRAY(&arena, double, groups + 1);
    while (as_column_next(&reader, &at)) {
        double sum = 0 + at.weight * at.value, off = 0 + at.weight * (at.value - mean);
        if (groups) {
            sums[at.cluster] += sum;
            centred[at.cluster] += off;
        } else {
            add_cluster(m, sum, off);
        }
    }
    for (size_t g = 0; g < groups; g++) add_cluster(m, sums[g], centred[g]);
    as_arena_free(&arena);
}

as_mean as_interval_mean(const as_column *column, as_spill *sums) {
    size_t groups = column->cluster_count;
    as_mean out = {.stderr_ = NAN, .df = (double)groups - 1};
    moments m = {.sums = sums};
    out.value = weighted_mean(column, &out.weight);
    add_clusters(&m, column, out.value);
    out.nonzero = m.nonzero;
    if (groups >= 2)
        out.stderr_ =
            sqrt((double)groups / (double)(groups - 1) * as_num_total(&m.squares)) / out.weight;
    double square = as_num_total(&m.squares) / (double)groups;
    if (square > 0) out.skew = as_num_total(&m.cubes) / (double)groups / (square * sqrt(square));
    return out;
}

double as_interval_unskewed(double t, const as_mean *mean) {
    double c = mean->skew / sqrt(mean->df + 1);
    return t + c * t * t / 3 + c * c * t * t * t / 27 + c / 6;
}

// Its inverse.
static double skewed(double y, double c) {
    return fabs(c) < 1e-9 ? y : 3 / c * (cbrt(1 + c * (y - c / 6)) - 1);
}

as_interval as_interval_skewed(const as_mean *mean, double alpha) {
    if (isnan(mean->stderr_)) return AS_INTERVAL_NONE;
    double t = as_special_t_quantile(1 - alpha / 2, mean->df), c = mean->skew / sqrt(mean->df + 1);
    return (as_interval){mean->value - fmax(t, skewed(t, c)) * mean->stderr_,
                         mean->value - fmin(-t, skewed(-t, c)) * mean->stderr_};
}

as_interval as_interval_t(const as_mean *mean, double alpha) {
    if (isnan(mean->stderr_)) return AS_INTERVAL_NONE;
    double half = as_special_t_quantile(1 - alpha / 2, mean->df) * mean->stderr_;
    return (as_interval){mean->value - half, mean->value + half};
}

double as_interval_quantile(const double *sorted, size_t count, double q) {
    if (!count || isnan(q)) return NAN;
    double at = q * (double)(count - 1);
    if (at <= 0) return sorted[0];
    if (at >= (double)(count - 1)) return sorted[count - 1];
    size_t below = (size_t)at;
    double share = at - (double)below;
    return sorted[below] + share * (sorted[below + 1] - sorted[below]);
}

as_interval as_interval_percentile(const double *sorted, size_t count, double alpha) {
    return (as_interval){as_interval_quantile(sorted, count, alpha / 2),
                         as_interval_quantile(sorted, count, 1 - alpha / 2)};
}

// Efron's acceleration: a sixth of the skewness of the jackknife values.
static double acceleration(const double *jackknife, size_t count) {
    as_num_sum sum = {0}, squares = {0}, cubes = {0};
    for (size_t i = 0; i < count; i++) as_num_add(&sum, jackknife[i]);
    double mean = as_num_total(&sum) / (double)count;
    for (size_t i = 0; i < count; i++) {
        double d = mean - jackknife[i];
        as_num_add(&squares, d * d);
        as_num_add(&cubes, d * d * d);
    }
    double square = as_num_total(&squares);
    return square > 0 ? as_num_total(&cubes) / (6 * square * sqrt(square)) : 0;
}

as_interval as_interval_bca(const double *sorted, size_t count, double value,
                            const double *jackknife, size_t jackknife_count, double alpha) {
    if (!count) return AS_INTERVAL_NONE;
    double below = 0;
    for (size_t i = 0; i < count; i++)
        below += sorted[i] < value ? 1 : sorted[i] <= value ? 0.5 : 0;
    double bias = as_special_normal_quantile(below / (double)count);
    // All replicates on one side: no correction can be told from so few.
    if (!isfinite(bias)) return as_interval_percentile(sorted, count, alpha);
    double a = acceleration(jackknife, jackknife_count), ends[2];
    for (int side = 0; side < 2; side++) {
        double z = as_special_normal_quantile(side ? 1 - alpha / 2 : alpha / 2);
        double moved = as_special_normal(bias + (bias + z) / (1 - a * (bias + z)));
        ends[side] = as_interval_quantile(sorted, count, moved);
    }
    return (as_interval){ends[0], ends[1]};
}
