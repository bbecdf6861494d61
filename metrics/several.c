// SPDX-License-Identifier: Apache-2.0
#include "metrics/several.h"

#include <math.h>
#include <string.h>

#include "metrics/num.h"

// A mean over the answers that have one; NaN when none has.
static double mean_score(const as_row *row, const as_metric *metric) {
    as_num_sum sum = {0};
    size_t n = 0;
    for (size_t i = 0; i < row->answer_count; i++) {
        double score = as_rows_score(metric, &row->answers[i]);
        if (isnan(score)) continue;
        as_num_add(&sum, score);
        n++;
    }
    return n ? as_num_total(&sum) / (double)n : NAN;
}

static double case_score(as_arena *scratch, const as_row *row, const as_metric *metric) {
    if (!metric->ops->several) return mean_score(row, metric);
    as_answer_score *answers = AS_NEW_ARRAY(scratch, as_answer_score, row->answer_count + 1);
    size_t n = 0;
    for (size_t i = 0; i < row->answer_count; i++)
        if (!row->answers[i].missing)
            answers[n++] =
                (as_answer_score){as_rows_score(metric, &row->answers[i]), row->answers[i].said};
    return n ? metric->ops->several(metric, answers, n) : NAN;
}

// Sums over the answers that came, as if the most that any case has had come.
static void merge_stats(const as_scorer *scorer, as_arena *arena, as_row *row, size_t came) {
    double *sums = AS_NEW_ARRAY(arena, double, scorer->stats_width + 1);
    for (size_t i = 0; i < row->answer_count; i++)
        for (size_t k = 0; k < row->answers[i].stat_count; k++)
            sums[row->answers[i].stats[k].at] += row->answers[i].stats[k].value;
    for (size_t i = 0; i < scorer->metric_count; i++) {
        const as_metric *metric = &scorer->metrics[i];
        if (metric->shares) continue;
        // Means of what cases are ranked by; of a mean's statistics, which count things, the sum.
        double times = (double)scorer->most / (double)came;
        if (metric->ops->kind == AS_METRIC_RANKED) times = 1 / (double)came;
        if (metric->ops->kind == AS_METRIC_MEAN) times = 1;
        for (size_t k = 0; k < metric->width; k++) sums[metric->at + k] *= times;
    }
    size_t n = 0;
    for (size_t at = 0; at < scorer->stats_width; at++) n += sums[at] != 0;
    as_stat *stats = AS_NEW_ARRAY(arena, as_stat, n + 1);
    row->stats = stats;
    row->stat_count = n;
    n = 0;
    for (size_t at = 0; at < scorer->stats_width; at++)
        if (sums[at] != 0) stats[n++] = (as_stat){(uint32_t)at, sums[at]};
}

static double mean_field(const as_row *row, size_t offset) {
    as_num_sum sum = {0};
    size_t n = 0;
    for (size_t i = 0; i < row->answer_count; i++) {
        double value;
        memcpy(&value, (const char *)&row->answers[i] + offset, sizeof value);
        if (row->answers[i].missing || isnan(value)) continue;
        as_num_add(&sum, value);
        n++;
    }
    return n ? as_num_total(&sum) / (double)n : NAN;
}

static void merge_times(as_row *row) {
    row->latency_ms = mean_field(row, offsetof(as_row, latency_ms));
    row->ttft_ms = mean_field(row, offsetof(as_row, ttft_ms));
    row->tpot_ms = mean_field(row, offsetof(as_row, tpot_ms));
    row->cost = 0;
    row->tokens_in = row->tokens_out = 0;
    for (size_t i = 0; i < row->answer_count; i++) {
        row->cost += row->answers[i].cost;
        row->tokens_in += row->answers[i].tokens_in;
        row->tokens_out += row->answers[i].tokens_out;
    }
}

void as_several_merge(const as_scorer *scorer, as_arena *arena, const as_row *answers, size_t count,
                      as_row *out) {
    size_t came = 0;
    const as_row *first = NULL;
    for (size_t i = 0; i < count; i++) {
        came += !answers[i].missing;
        if (!first && !answers[i].missing) first = &answers[i];
    }
    *out = first ? *first : answers[0];
    out->answers = answers;
    out->answer_count = count;
    merge_times(out);
    if (!came) return;
    double *scores = AS_NEW_ARRAY(arena, double, scorer->score_count + 1);
    for (size_t i = 0; i < scorer->metric_count; i++)
        scores[scorer->metrics[i].index] = scorer->metrics[i].ops->flags & AS_METRIC_RUN
                                               ? NAN
                                               : case_score(arena, out, &scorer->metrics[i]);
    out->scores = scores;
    merge_stats(scorer, arena, out, came);
}

as_within as_several_within(as_arena *arena, const as_scorer *scorer, const as_metric *metric,
                            uint32_t slice) {
    if (!scorer->has_several || metric->ops->kind != AS_METRIC_MEAN || metric->ops->several)
        return (as_within){.mean = NAN, .stderr_ = NAN, .within = NAN, .between = NAN};
    const double **scores = AS_NEW_ARRAY(arena, const double *, scorer->row_count + 1);
    size_t *counts = AS_NEW_ARRAY(arena, size_t, scorer->row_count + 1), cases = 0;
    as_rows_cursor cursor = as_rows_cases(scorer);
    const as_row *row;
    while ((row = as_rows_next(&cursor))) {
        if (!as_rows_in_slice(row, slice) || row->missing) continue;
        double *mine = AS_NEW_ARRAY(arena, double, row->answer_count + 1);
        size_t n = 0;
        for (size_t k = 0; k < row->answer_count; k++) {
            double score = as_rows_score(metric, &row->answers[k]);
            if (!isnan(score)) mine[n++] = score;
        }
        if (!n) continue;
        scores[cases] = mine;
        counts[cases++] = n;
    }
    return as_within_of(scores, counts, cases);
}
