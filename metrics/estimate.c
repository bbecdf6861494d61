// SPDX-License-Identifier: Apache-2.0
#include "metrics/estimate.h"

#include <math.h>
#include <string.h>

#include "metrics/latency.h"
#include "metrics/num.h"
#include "metrics/ranked.h"
#include "metrics/tally.h"

#define Z95 1.95996398454005423552

enum { REPLICATES = 2000 };

as_column as_estimate_column(as_arena *arena, const as_scorer *scorer, const as_metric *metric,
                             uint32_t slice) {
    double *values = AS_NEW_ARRAY(arena, double, scorer->row_count + 1);
    double *weights = AS_NEW_ARRAY(arena, double, scorer->row_count + 1);
    uint32_t *clusters = AS_NEW_ARRAY(arena, uint32_t, scorer->row_count + 1);
    size_t n = 0;
    for (size_t i = 0; i < scorer->row_count; i++) {
        const as_row *row = &scorer->rows[i];
        double score = as_rows_in_slice(row, slice) ? as_rows_score(metric, row) : NAN;
        if (isnan(score)) continue;
        values[n] = score;
        weights[n] = as_rows_weight(metric, row);
        clusters[n++] = row->cluster;
    }
    size_t groups = as_rows_renumber(arena, clusters, n, scorer->cluster_count);
    return (as_column){values, weights, clusters, n, groups};
}

static bool all_binary(const as_column *column) {
    for (size_t i = 0; i < column->count; i++)
        if (column->values[i] != 0 && column->values[i] != 1) return false;
    return true;
}

static bool equal_weights(const as_column *column) {
    for (size_t i = 1; i < column->count; i++)
        if (column->weights[i] != column->weights[0]) return false;
    return true;
}

static as_interval clamp(const as_metric *metric, as_interval ci) {
    unsigned flags = metric->ops->flags;
    if (!(flags & (AS_METRIC_BOUNDED | AS_METRIC_SIGNED))) return ci;
    double floor_at = flags & AS_METRIC_SIGNED ? -1 : 0;
    if (ci.lo < floor_at) ci.lo = floor_at;
    if (ci.hi > 1) ci.hi = 1;
    return ci;
}

// An interval of no width at an end of the scale comes from cases that all agree, not from
// knowledge: G clusters without an exception leave room for some (the rule of three).
static void widen(const as_metric *metric, size_t groups, as_value *out) {
    bool bounded = metric->ops->flags & (AS_METRIC_BOUNDED | AS_METRIC_SIGNED);
    if (!bounded || !(out->ci.hi - out->ci.lo <= 0) || (out->value != 0 && out->value != 1)) return;
    out->ci = as_interval_wilson(out->value * (double)groups, (double)groups, Z95);
    out->method = AS_STR("wilson over clusters");
}

static void value_of_mean(as_arena *arena, const as_metric *metric, const as_column *column,
                          as_value *out) {
    as_mean mean = as_interval_mean(arena, column);
    out->value = mean.value;
    out->stderr_ = mean.stderr_;
    bool independent = column->cluster_count == column->count && equal_weights(column);
    if (metric->ops->flags & AS_METRIC_BOUNDED && independent && all_binary(column)) {
        double n = (double)column->count;
        out->ci = as_interval_wilson(floor(mean.value * n + 0.5), n, Z95);
        out->method = AS_STR("wilson");
        return;
    }
    out->ci = clamp(metric, as_interval_t(&mean, 0.05));
    out->method = column->cluster_count == column->count ? AS_STR("t") : AS_STR("cluster t");
    widen(metric, column->cluster_count, out);
}

static void value_of_total(as_arena *arena, const as_column *column, as_value *out) {
    as_mean mean = as_interval_mean(arena, column);
    double n = (double)column->count;
    as_interval ci = as_interval_t(&mean, 0.05);
    out->value = column->count ? mean.value * n : 0;
    out->stderr_ = mean.stderr_ * n;
    out->ci = (as_interval){ci.lo * n, ci.hi * n};
    out->method = AS_STR("t");
}

static void value_of_quantile(as_arena *arena, const as_metric *metric, const as_column *column,
                              as_value *out) {
    double *sorted = AS_NEW_ARRAY(arena, double, column->count + 1);
    if (column->count) memcpy(sorted, column->values, column->count * sizeof *sorted);
    as_num_sort(sorted, column->count);
    out->value = as_latency_rank(sorted, column->count, metric->ops->q);
    out->ci = as_latency_interval(sorted, column->count, metric->ops->q);
    out->method = AS_STR("order statistics");
}

static as_value value_of_column(as_arena *arena, const as_metric *metric, const as_column *column) {
    as_value out = {.name = metric->name,
                    .value = NAN,
                    .ci = {NAN, NAN},
                    .stderr_ = NAN,
                    .n = column->count,
                    .method = AS_STR("none")};
    if (!column->count) return out;
    switch (metric->ops->kind) {
    case AS_METRIC_MEAN:
        value_of_mean(arena, metric, column, &out);
        break;
    case AS_METRIC_TOTAL:
        value_of_total(arena, column, &out);
        break;
    case AS_METRIC_QUANTILE:
        value_of_quantile(arena, metric, column, &out);
        break;
    case AS_METRIC_CORPUS:
    case AS_METRIC_RANKED:
        break;
    }
    return out;
}

size_t as_estimate_sort(double *replicates, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(replicates[i])) replicates[kept++] = replicates[i];
    as_num_sort(replicates, kept);
    return kept;
}

static double deviation(const double *values, size_t count) {
    as_num_sum sum = {0}, squares = {0};
    for (size_t i = 0; i < count; i++) as_num_add(&sum, values[i]);
    double mean = as_num_total(&sum) / (double)count;
    for (size_t i = 0; i < count; i++)
        as_num_add(&squares, (values[i] - mean) * (values[i] - mean));
    return sqrt(as_num_total(&squares) / (double)(count - 1));
}

static size_t finite_only(double *values, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i])) values[kept++] = values[i];
    return kept;
}

static void value_of_corpus(const as_metric *metric, size_t groups, double *replicates,
                            double *jackknife, as_value *out) {
    size_t kept = as_estimate_sort(replicates, REPLICATES);
    out->method = AS_STR("bootstrap bca");
    // Undefined in most resamples: there is no interval to speak of.
    if (groups < 2 || kept < REPLICATES / 2 || isnan(out->value)) return;
    size_t left = finite_only(jackknife, groups);
    out->stderr_ = deviation(replicates, kept);
    out->ci = clamp(metric, as_interval_bca(replicates, kept, out->value, jackknife, left, 0.05));
    widen(metric, groups, out);
}

// The rows of a slice that answer, as units.
static as_units units_of(as_arena *arena, const as_scorer *scorer, const as_layout *layout,
                         const as_metric *const *metrics, uint32_t slice) {
    as_tally_row *rows = AS_NEW_ARRAY(arena, as_tally_row, scorer->row_count + 1);
    uint32_t *clusters = AS_NEW_ARRAY(arena, uint32_t, scorer->row_count + 1);
    size_t n = 0;
    bool with_errors = layout->count == 1 && metrics[0]->ops->flags & AS_METRIC_ERRORS;
    for (size_t i = 0; i < scorer->row_count; i++) {
        const as_row *row = &scorer->rows[i];
        if (!as_rows_in_slice(row, slice) || (row->missing && !with_errors)) continue;
        rows[n] = (as_tally_row){scorer, row, metrics, scorer->labels.ranks, AS_STAND_NONE};
        clusters[n++] = row->cluster;
    }
    size_t groups = as_rows_renumber(arena, clusters, n, scorer->cluster_count);
    return as_tally_units(arena, layout, rows, clusters, n, groups);
}

// Metrics that share one resampling; `values` are filled in except for name and n.
static void estimate_corpus(as_arena *arena, const as_scorer *scorer,
                            const as_metric *const *metrics, size_t count, uint32_t slice,
                            as_value *const *values) {
    if (!count) return;
    as_layout layout = as_tally_layout(arena, metrics, count, scorer->labels.count);
    as_units units = units_of(arena, scorer, &layout, metrics, slice);
    double *tally = AS_NEW_ARRAY(arena, double, layout.width + 1);
    double *replicates = AS_NEW_ARRAY(arena, double, count *REPLICATES);
    double *jackknife = AS_NEW_ARRAY(arena, double, as_size_mul(count, units.count) + 1);
    as_resample_tally(&units, tally);
    if (units.count >= 2) {
        as_resample_bootstrap(&units, layout.functionals, count, REPLICATES, replicates);
        as_resample_jackknife(&units, layout.functionals, count, jackknife);
    }
    for (size_t i = 0; i < count; i++) {
        values[i]->value = as_resample_value(&layout.functionals[i], &units, tally);
        value_of_corpus(metrics[i], units.count, replicates + i * REPLICATES,
                        jackknife + i * units.count, values[i]);
    }
}

static void estimate_ranked(const as_scorer *scorer, const as_metric *metric, uint32_t slice,
                            size_t groups, as_value *out) {
    as_arena scratch = {0};
    double *replicates = AS_NEW_ARRAY(&scratch, double, REPLICATES);
    size_t drawn =
        as_ranked_estimate(&scratch, scorer, metric, slice, REPLICATES, &out->value, replicates);
    size_t kept = as_estimate_sort(replicates, drawn);
    out->method = AS_STR("bootstrap percentile");
    // Undefined in most resamples: there is no interval to speak of.
    if (kept >= 2 && kept >= drawn / 2) {
        out->stderr_ = deviation(replicates, kept);
        out->ci = clamp(metric, as_interval_percentile(replicates, kept, 0.05));
        widen(metric, groups, out);
    }
    as_arena_free(&scratch);
}

// sacreBLEU says how many references there are before everything else.
static as_str signature_of(as_arena *arena, const as_scorer *scorer, const as_metric *metric) {
    as_str text = metric->signature;
    if (!(metric->ops->flags & AS_METRIC_REFS)) return as_str_copy(arena, text);
    if (scorer->gold_least != scorer->gold_most)
        return as_strf(arena, "nrefs:var|%.*s", AS_STR_ARG(text));
    return as_strf(arena, "nrefs:%zu|%.*s", scorer->gold_most, AS_STR_ARG(text));
}

static void estimate(as_arena *arena, const as_scorer *scorer, const as_metric *const *metrics,
                     size_t count, uint32_t slice, as_value *out) {
    as_arena scratch = {0};
    const as_metric **corpus = AS_NEW_ARRAY(&scratch, const as_metric *, count + 1);
    as_value **values = AS_NEW_ARRAY(&scratch, as_value *, count + 1);
    size_t corpus_count = 0;
    for (size_t i = 0; i < count; i++) {
        as_column column = as_estimate_column(&scratch, scorer, metrics[i], slice);
        out[i] = value_of_column(&scratch, metrics[i], &column);
        out[i].name = as_str_copy(arena, metrics[i]->name);
        out[i].spec = as_str_copy(arena, metrics[i]->spec);
        out[i].signature = signature_of(arena, scorer, metrics[i]);
        if (metrics[i]->ops->kind == AS_METRIC_RANKED)
            estimate_ranked(scorer, metrics[i], slice, column.cluster_count, &out[i]);
        if (metrics[i]->ops->kind != AS_METRIC_CORPUS) continue;
        if (metrics[i]->ops->flags & AS_METRIC_ERRORS) { // over other cases: on its own
            as_value *value = &out[i];
            estimate_corpus(&scratch, scorer, &metrics[i], 1, slice, &value);
            continue;
        }
        corpus[corpus_count] = metrics[i];
        values[corpus_count++] = &out[i];
    }
    estimate_corpus(&scratch, scorer, corpus, corpus_count, slice, values);
    as_arena_free(&scratch);
}

const as_value *as_estimate_all(as_arena *arena, const as_scorer *scorer, uint32_t slice) {
    as_value *out = AS_NEW_ARRAY(arena, as_value, scorer->metric_count + 1);
    const as_metric **metrics = AS_NEW_ARRAY(arena, const as_metric *, scorer->metric_count + 1);
    for (size_t i = 0; i < scorer->metric_count; i++) metrics[i] = &scorer->metrics[i];
    estimate(arena, scorer, metrics, scorer->metric_count, slice, out);
    return out;
}

as_value as_estimate_one(as_arena *arena, const as_scorer *scorer, const as_metric *metric,
                         uint32_t slice) {
    as_value out;
    estimate(arena, scorer, &metric, 1, slice, &out);
    return out;
}
