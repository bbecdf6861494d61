// SPDX-License-Identifier: Apache-2.0
#include "metrics/judged/judged_sum.h"

#include <math.h>

#include "metrics/num.h"

#define Z95 1.95996398454005423552

static double mean_of(const double *values, size_t count) {
    as_num_sum sum = {0};
    for (size_t i = 0; i < count; i++) as_num_add(&sum, values[i]);
    return as_num_total(&sum) / (double)count;
}

// Sum of (x - mean(x)) (y - mean(y)).
static double products(const double *x, const double *y, size_t count) {
    double mx = mean_of(x, count), my = mean_of(y, count);
    as_num_sum sum = {0};
    for (size_t i = 0; i < count; i++) as_num_add(&sum, (x[i] - mx) * (y[i] - my));
    return as_num_total(&sum);
}

double as_judged_sum_kappa(const double *a, const double *b, size_t count) {
    if (!count) return NAN;
    double same = 0, chance = 0, n = (double)count;
    for (size_t i = 0; i < count; i++) same += a[i] == b[i];
    as_arena scratch = {0};
    double *left = AS_NEW_ARRAY(&scratch, double, count),
           *right = AS_NEW_ARRAY(&scratch, double, count);
    for (size_t i = 0; i < count; i++) left[i] = a[i], right[i] = b[i];
    as_num_sort(left, count);
    as_num_sort(right, count);
    for (size_t i = 0, j = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && left[end] == left[i];) end++;
        while (j < count && right[j] < left[i]) j++;
        size_t from = j;
        while (j < count && right[j] == left[i]) j++;
        chance += (double)(end - i) * (double)(j - from);
    }
    as_arena_free(&scratch);
    chance /= n * n;
    return chance < 1 ? (same / n - chance) / (1 - chance) : NAN;
}

double as_judged_sum_alpha(const double *a, const double *b, size_t count) {
    if (count < 2) return NAN;
    as_arena scratch = {0};
    double *all = AS_NEW_ARRAY(&scratch, double, 2 * count);
    as_num_sum apart = {0};
    for (size_t i = 0; i < count; i++) {
        all[2 * i] = a[i];
        all[2 * i + 1] = b[i];
        as_num_add(&apart, (a[i] - b[i]) * (a[i] - b[i]));
    }
    double n = 2 * (double)count, spread = products(all, all, 2 * count) / (n - 1);
    as_arena_free(&scratch);
    return spread > 0 ? 1 - as_num_total(&apart) / (double)count / (2 * spread) : NAN;
}

static double tuning(const double *labels, const double *scores, size_t n, const double *rest,
                     size_t rest_count) {
    as_arena scratch = {0};
    size_t all_count = n + rest_count;
    double *all = AS_NEW_ARRAY(&scratch, double, all_count + 1);
    for (size_t i = 0; i < all_count; i++) all[i] = i < n ? scores[i] : rest[i - n];
    double variance = products(all, all, all_count) / (double)(all_count - 1);
    double together = products(labels, scores, n) / (double)n;
    as_arena_free(&scratch);
    double ratio = 1 + (double)n / (double)rest_count;
    return variance > 0 ? fmin(1, fmax(0, together / (ratio * variance))) : 0;
}

double as_judged_sum_corrected(const double *labels, const double *scores, size_t n,
                               const double *rest, size_t rest_count, as_interval *ci) {
    *ci = AS_INTERVAL_NONE;
    if (n < 2) return NAN;
    double tuned = rest_count ? tuning(labels, scores, n, rest, rest_count) : 0;
    as_arena scratch = {0};
    double *off = AS_NEW_ARRAY(&scratch, double, n);
    for (size_t i = 0; i < n; i++) off[i] = labels[i] - tuned * scores[i];
    double value = mean_of(off, n);
    double variance = products(off, off, n) / (double)n / (double)n;
    if (rest_count) {
        double m = (double)rest_count;
        value += tuned * mean_of(rest, rest_count);
        variance += tuned * tuned * products(rest, rest, rest_count) / m / m;
    }
    as_arena_free(&scratch);
    double width = Z95 * sqrt(variance);
    *ci = (as_interval){value - width, value + width};
    return value;
}

static double stat_of(const as_metric *metric, const as_row *row, size_t which) {
    for (size_t i = 0; i < row->stat_count; i++)
        if (row->stats[i].at == metric->at + which) return row->stats[i].value;
    return 0;
}

bool as_judged_sum_lost(const as_metric *metric, const as_row *row) {
    return metric->ops->flags & AS_METRIC_JUDGED &&
           stat_of(metric, row, AS_JUDGED_FAILED) + stat_of(metric, row, AS_JUDGED_UNREAD) > 0;
}

static uint64_t whole(double value) {
    return (uint64_t)(value + 0.5);
}

static void add_counts(const as_metric *metric, const as_row *row, double counts[]) {
    for (size_t k = 0; k < AS_JUDGED_WIDTH; k++) counts[k] += stat_of(metric, row, k);
}

const as_judge_sum *as_judged_sum(as_arena *arena, const as_scorer *scorer, const as_metric *metric,
                                  uint32_t slice) {
    as_arena scratch = {0};
    as_judge_sum *out = AS_NEW(arena, as_judge_sum);
    double counts[AS_JUDGED_WIDTH] = {0};
    double *labels = AS_NEW_ARRAY(&scratch, double, scorer->row_count + 1);
    double *scores = AS_NEW_ARRAY(&scratch, double, scorer->row_count + 1);
    double *rest = AS_NEW_ARRAY(&scratch, double, scorer->row_count + 1);
    size_t n = 0, rest_count = 0, same = 0;
    as_rows_cursor cursor = as_rows_cases(scorer);
    const as_row *row;
    while ((row = as_rows_next(&cursor))) {
        if (!as_rows_in_slice(row, slice)) continue;
        add_counts(metric, row, counts);
        double score = as_rows_score(metric, row), people = stat_of(metric, row, AS_JUDGED_HUMAN);
        if (isnan(score)) continue;
        if (people > 0) {
            labels[n] = stat_of(metric, row, AS_JUDGED_LABEL) / people;
            same += labels[n] == score;
            scores[n++] = score;
        } else {
            rest[rest_count++] = score;
        }
    }
    *out = (as_judge_sum){
        .asked = whole(counts[AS_JUDGED_ASKED]),
        .failed = whole(counts[AS_JUDGED_FAILED]),
        .unread = whole(counts[AS_JUDGED_UNREAD]),
        .empty = whole(counts[AS_JUDGED_EMPTY]),
        .split = whole(counts[AS_JUDGED_SPLIT]),
        .cached = whole(counts[AS_JUDGED_CACHED]),
        .tokens_in = whole(counts[AS_JUDGED_IN]),
        .tokens_out = whole(counts[AS_JUDGED_OUT]),
        .cost = counts[AS_JUDGED_COST],
        .humans = n,
        .agreement = n ? (double)same / (double)n : NAN,
        .kappa = as_judged_sum_kappa(labels, scores, n),
        .alpha = as_judged_sum_alpha(labels, scores, n),
    };
    out->corrected =
        as_judged_sum_corrected(labels, scores, n, rest, rest_count, &out->corrected_ci);
    as_arena_free(&scratch);
    return out;
}
