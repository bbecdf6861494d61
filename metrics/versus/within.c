// SPDX-License-Identifier: Apache-2.0
#include "metrics/versus/within.h"

#include <math.h>

#include "metrics/num.h"
#include "metrics/paired.h"

double as_within_flake(size_t right, size_t count) {
    if (count < 2) return NAN;
    double k = (double)count, p = (double)right / k;
    return 2 * p * (1 - p) * k / (k - 1);
}

static double mean_of(const double *values, size_t count) {
    as_num_sum sum = {0};
    for (size_t i = 0; i < count; i++) as_num_add(&sum, values[i]);
    return as_num_total(&sum) / (double)count;
}

static double squares_of(const double *values, size_t count, double mean) {
    as_num_sum sum = {0};
    for (size_t i = 0; i < count; i++) as_num_add(&sum, (values[i] - mean) * (values[i] - mean));
    return as_num_total(&sum);
}

static bool is_flaky(const double *scores, size_t count) {
    size_t right = 0;
    for (size_t i = 0; i < count; i++) right += scores[i] >= 1;
    return as_within_flake(right, count) > AS_WITHIN_FLAKY;
}

as_within as_within_of(const double *const *scores, const size_t *counts, size_t cases) {
    as_within out = {.cases = cases, .mean = NAN, .stderr_ = NAN, .within = NAN, .between = NAN};
    as_num_sum means = {0}, squares = {0}, inverse = {0}, spread = {0};
    double free_answers = 0;
    for (size_t i = 0; i < cases; i++) {
        double mean = mean_of(scores[i], counts[i]);
        as_num_add(&means, mean);
        as_num_add(&squares, squares_of(scores[i], counts[i], mean));
        as_num_add(&inverse, 1 / (double)counts[i]);
        free_answers += (double)counts[i] - 1;
        out.answers += counts[i];
        out.flaky += is_flaky(scores[i], counts[i]);
    }
    if (!cases) return out;
    double n = (double)cases;
    out.mean = as_num_total(&means) / n;
    if (free_answers > 0) out.within = as_num_total(&squares) / free_answers;
    if (cases < 2) return out;
    for (size_t i = 0; i < cases; i++) {
        double off = mean_of(scores[i], counts[i]) - out.mean;
        as_num_add(&spread, off * off);
    }
    double variance = as_num_total(&spread) / (n - 1);
    out.stderr_ = sqrt(variance / n);
    out.between = fmax(0, variance - out.within * as_num_total(&inverse) / n);
    if (isnan(out.within)) out.between = NAN;
    return out;
}

double as_within_error(const as_within *w, double answers, double cases) {
    return sqrt((w->between + w->within / answers) / cases);
}

double as_within_needed(double between_change, const as_within *a, double ka, const as_within *b,
                        double kb, double drop) {
    return as_paired_needed(between_change + a->within / ka + b->within / kb, drop);
}
