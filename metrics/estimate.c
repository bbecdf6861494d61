// SPDX-License-Identifier: Apache-2.0
#include "metrics/estimate.h"

#include <math.h>

#include "harness/base/thread.h"
#include "metrics/judged/judged_sum.h"
#include "metrics/kept/segments.h"
#include "metrics/latency.h"
#include "metrics/num.h"
#include "metrics/ranked.h"
#include "metrics/several.h"
#include "metrics/tally.h"

// How sure an interval is.
typedef struct level {
    double alpha, z; // two-sided
    bool exact;      // shares by Clopper-Pearson, not Wilson
} level;

static const level shown = {0.05, 1.95996398454005423552, false};
static const level claimed = {0.10, 1.64485362695147271, true};

// More units than four times as many blocks are resampled as blocks.
enum { REPLICATES = 2000, BLOCKS = 4096 };

// What a metric's interval is made from.
typedef struct subject {
    const struct subject *like; // another CORPUS metric of the same score; NULL: none
    as_column column;           // of a CORPUS metric empty
    as_groups groups;
    size_t count; // cases that have a score
} subject;

static void take_row(subject *s, const as_metric *metric, const as_row *row) {
    if (s->like) return;
    double score = as_rows_score(metric, row);
    if (isnan(score)) return;
    s->count++;
    if (metric->ops->kind == AS_METRIC_CORPUS) return;
    as_column_add(&s->column, score, as_rows_weight(metric, row), as_rows_group(&s->groups, row));
}

// All metrics in one pass: rows are what costs time. (Two where cases have several answers and some
// metrics are about those.)
static subject *subjects_of(as_arena *arena, const as_scorer *scorer,
                            const as_metric *const *metrics, size_t count, uint32_t slice) {
    subject *out = AS_NEW_ARRAY(arena, subject, count + 1);
    for (size_t m = 0; m < count; m++) {
        bool corpus = metrics[m]->ops->kind == AS_METRIC_CORPUS;
        if (!corpus) out[m].groups = as_rows_groups(arena, scorer);
        for (size_t k = 0; corpus && !out[m].like && k < m; k++)
            if (metrics[k]->index == metrics[m]->index) out[m].like = &out[k];
    }
    for (int answers = 0; answers <= scorer->has_several; answers++) {
        as_rows_cursor cursor = answers ? as_rows_answers(scorer) : as_rows_cases(scorer);
        const as_row *row;
        while ((row = as_rows_next(&cursor))) {
            if (!as_rows_in_slice(row, slice)) continue;
            for (size_t m = 0; m < count; m++)
                if (!scorer->has_several || as_rows_of_answers(metrics[m]) == (answers == 1))
                    take_row(&out[m], metrics[m], row);
        }
    }
    for (size_t m = 0; m < count; m++)
        if (out[m].like) out[m].count = out[m].like->count;
    return out;
}

static bool all_binary(const as_column *column) {
    as_column_reader reader = as_column_read(column);
    as_column_case at;
    bool binary = true;
    while (binary && as_column_next(&reader, &at)) binary = at.value == 0 || at.value == 1;
    as_column_done(&reader);
    return binary;
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
static void widen(const as_metric *metric, const level *how, size_t groups, as_value *out) {
    bool bounded = metric->ops->flags & (AS_METRIC_BOUNDED | AS_METRIC_SIGNED);
    if (!bounded || !(out->ci.hi - out->ci.lo <= 0) || (out->value != 0 && out->value != 1)) return;
    double n = (double)groups;
    out->ci = how->exact ? as_interval_clopper_pearson(out->value * n, n, how->alpha)
                         : as_interval_wilson(out->value * n, n, how->z);
    out->method = AS_STR("wilson over clusters");
    if (how->exact) out->method = AS_STR("clopper-pearson over clusters");
}

static void value_of_mean(const as_metric *metric, const as_column *column, const level *how,
                          as_value *out) {
    as_mean mean = as_interval_mean(column, NULL);
    out->value = mean.value;
    out->stderr_ = mean.stderr_;
    bool independent = column->cluster_count == column->count && !column->weighted;
    if (metric->ops->flags & AS_METRIC_BOUNDED && independent && all_binary(column)) {
        double n = (double)column->count;
        double hits = floor(mean.value * n + 0.5);
        out->ci = how->exact ? as_interval_clopper_pearson(hits, n, how->alpha)
                             : as_interval_wilson(hits, n, how->z);
        out->method = how->exact ? AS_STR("clopper-pearson") : AS_STR("wilson");
        return;
    }
    out->ci = clamp(metric, as_interval_t(&mean, how->alpha));
    out->method = column->cluster_count == column->count ? AS_STR("t") : AS_STR("cluster t");
    widen(metric, how, column->cluster_count, out);
}

static void value_of_total(const as_column *column, const level *how, as_value *out) {
    as_mean mean = as_interval_mean(column, NULL);
    double n = (double)column->count;
    as_interval ci = as_interval_t(&mean, how->alpha);
    out->value = column->count ? mean.value * n : 0;
    out->stderr_ = mean.stderr_ * n;
    out->ci = (as_interval){ci.lo * n, ci.hi * n};
    out->method = AS_STR("t");
}

static void value_of_quantile(const as_metric *metric, const as_column *column, const level *how,
                              as_value *out) {
    as_sorted sorted = {0};
    as_column_reader reader = as_column_read(column);
    as_column_case at;
    while (as_column_next(&reader, &at)) as_sorted_add(&sorted, at.value);
    as_sorted_seal(&sorted);
    out->value = as_latency_quantile_sorted(&sorted, metric->ops->q);
    out->ci = as_latency_interval_sorted(&sorted, metric->ops->q, how->alpha / 2);
    out->method = AS_STR("order statistics");
    as_sorted_free(&sorted);
}

static as_value value_of_column(const as_metric *metric, const subject *from, const level *how) {
    const as_column *column = &from->column;
    as_value out = {.name = metric->name,
                    .value = NAN,
                    .ci = {NAN, NAN},
                    .stderr_ = NAN,
                    .n = from->count,
                    .method = AS_STR("none")};
    if (!from->count) return out;
    switch (metric->ops->kind) {
    case AS_METRIC_MEAN:
        value_of_mean(metric, column, how, &out);
        break;
    case AS_METRIC_TOTAL:
        value_of_total(column, how, &out);
        break;
    case AS_METRIC_QUANTILE:
        value_of_quantile(metric, column, how, &out);
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

static void value_of_corpus(const as_metric *metric, const level *how, size_t groups,
                            double *replicates, double *jackknife, size_t jackknife_count,
                            as_value *out) {
    size_t kept = as_estimate_sort(replicates, REPLICATES);
    out->method = AS_STR("bootstrap bca");
    // Undefined in most resamples: there is no interval to speak of.
    if (groups < 2 || kept < REPLICATES / 2 || isnan(out->value)) return;
    size_t left = finite_only(jackknife, jackknife_count);
    out->stderr_ = deviation(replicates, kept);
    out->ci =
        clamp(metric, as_interval_bca(replicates, kept, out->value, jackknife, left, how->alpha));
    widen(metric, how, groups, out);
}

// The rows of a slice that answer, as units; the others too if something stands in for them.
static as_unit_list units_of(as_arena *arena, const as_scorer *scorer, const as_layout *layout,
                             const as_metric *const *metrics, uint32_t slice, as_stand_in missing) {
    as_unit_list out = as_tally_begin(layout);
    as_groups groups = as_rows_groups(arena, scorer);
    as_rows_cursor cursor = as_rows_cases(scorer);
    const as_row *row;
    bool with_errors = layout->count == 1 && metrics[0]->ops->flags & AS_METRIC_ERRORS;
    while ((row = as_rows_next(&cursor))) {
        bool counts = !row->missing || with_errors || missing != AS_STAND_NONE;
        if (!as_rows_in_slice(row, slice) || !counts) continue;
        as_stand_in stand_in = row->missing && !with_errors ? missing : AS_STAND_NONE;
        as_tally_row in = {scorer, row, metrics, scorer->labels.ranks, stand_in};
        as_tally_add(&out, layout, &in, as_rows_group(&groups, row));
    }
    as_tally_end(&out);
    return out;
}

// Metrics that share one resampling; `values` are filled in except for name and n. What they hold
// lives in `kept`.
static void estimate_corpus(as_arena *kept, as_arena *arena, const as_scorer *scorer,
                            const as_metric *const *metrics, size_t count, uint32_t slice,
                            const level *how, as_value *const *values) {
    if (!count) return;
    as_layout layout = as_tally_layout(arena, metrics, count, scorer->labels.count);
    as_unit_list list = units_of(arena, scorer, &layout, metrics, slice, AS_STAND_NONE);
    double *tally = AS_NEW_ARRAY(arena, double, layout.width + 1);
    double *replicates = AS_NEW_ARRAY(arena, double, count *REPLICATES);
    size_t groups = list.count;
    as_tally_sum(&list, tally);
    as_units units = groups > (size_t)4 * BLOCKS ? as_tally_blocks(arena, &list, BLOCKS)
                                                 : as_tally_load(arena, &list);
    as_tally_free(&list);
    double *jackknife = AS_NEW_ARRAY(arena, double, as_size_mul(count, units.count) + 1);
    if (units.count >= 2) {
        as_resample_bootstrap(&units, layout.functionals, count, REPLICATES, replicates);
        as_resample_jackknife(&units, layout.functionals, count, jackknife);
    }
    for (size_t i = 0; i < count; i++) {
        values[i]->value = as_resample_value(&layout.functionals[i], &units, tally);
        if (metrics[i]->ops->bins && slice == AS_ROWS_NONE)
            values[i]->bins = metrics[i]->ops->bins(
                kept, metrics[i], tally + layout.functionals[i].at, &values[i]->bin_count);
        value_of_corpus(metrics[i], how, groups, replicates + i * REPLICATES,
                        jackknife + i * units.count, units.count, values[i]);
    }
}

static void value_of_ranked(const as_metric *metric, const level *how, size_t groups,
                            double *replicates, size_t drawn, as_value *out) {
    size_t kept = isnan(out->value) ? 0 : as_estimate_sort(replicates, drawn);
    out->method = AS_STR("bootstrap percentile");
    // Undefined in most resamples: there is no interval to speak of.
    if (kept >= 2 && kept >= drawn / 2) {
        out->stderr_ = deviation(replicates, kept);
        out->ci = clamp(metric, as_interval_percentile(replicates, kept, how->alpha));
        widen(metric, how, groups, out);
    }
}

// What the ranked metrics come to, which takes a thread of its own beside the others.
typedef struct ranked_work {
    as_arena arena; // of what the arrays point to
    const as_scorer *scorer;
    const as_metric *const *metrics;
    size_t count;
    uint32_t slice;
    double *values, **replicates; // [count], those of ranked metrics
    size_t *drawn;                // [count] replicates
} ranked_work;

// The metrics from `first` on that share what they rank with it.
static void estimate_ranked(ranked_work *w, size_t first) {
    const as_metric **alike = AS_NEW_ARRAY(&w->arena, const as_metric *, w->count);
    size_t *places = AS_NEW_ARRAY(&w->arena, size_t, w->count), n = 0;
    for (size_t i = first; i < w->count; i++) {
        if (w->metrics[i]->index != w->metrics[first]->index) continue;
        places[n] = i;
        alike[n++] = w->metrics[i];
    }
    as_arena scratch = {0};
    double *values = AS_NEW_ARRAY(&w->arena, double, n);
    double *replicates = AS_NEW_ARRAY(&w->arena, double, n *REPLICATES);
    size_t drawn =
        as_ranked_estimate(&scratch, w->scorer, alike, n, w->slice, REPLICATES, values, replicates);
    as_arena_free(&scratch);
    for (size_t i = 0; i < n; i++) {
        w->values[places[i]] = values[i];
        w->replicates[places[i]] = replicates + i * REPLICATES;
        w->drawn[places[i]] = drawn;
    }
}

static void run_ranked(void *context) {
    ranked_work *w = context;
    for (size_t i = 0; i < w->count; i++)
        if (w->metrics[i]->ops->kind == AS_METRIC_RANKED && !w->replicates[i])
            estimate_ranked(w, i);
}

static ranked_work ranked_work_of(as_arena *arena, const as_scorer *scorer,
                                  const as_metric *const *metrics, size_t count, uint32_t slice) {
    return (ranked_work){.scorer = scorer,
                         .metrics = metrics,
                         .count = count,
                         .slice = slice,
                         .values = AS_NEW_ARRAY(arena, double, count + 1),
                         .replicates = AS_NEW_ARRAY(arena, double *, count + 1),
                         .drawn = AS_NEW_ARRAY(arena, size_t, count + 1)};
}

// sacreBLEU says how many references there are before everything else.
static as_str signature_of(as_arena *arena, const as_scorer *scorer, const as_metric *metric) {
    as_str text = metric->signature;
    if (!(metric->ops->flags & AS_METRIC_REFS)) return as_str_copy(arena, text);
    if (scorer->gold_least != scorer->gold_most)
        return as_strf(arena, "nrefs:var|%.*s", AS_STR_ARG(text));
    return as_strf(arena, "nrefs:%zu|%.*s", scorer->gold_most, AS_STR_ARG(text));
}

static void note_spread(as_arena *arena, const as_scorer *scorer, const as_metric *metric,
                        uint32_t slice, as_value *out) {
    if (!scorer->has_several) return;
    as_within spread = as_several_within(arena, scorer, metric, slice);
    out->answers = spread.answers;
    out->flaky = spread.flaky;
    out->within = spread.within;
    out->between = spread.between;
}

// Everything but what ranked metrics come to.
static void estimate_others(as_arena *arena, as_arena *scratch, const as_scorer *scorer,
                            const as_metric *const *metrics, size_t count, uint32_t slice,
                            const level *how, size_t *group_counts, as_value *out) {
    const as_metric **corpus = AS_NEW_ARRAY(scratch, const as_metric *, count + 1);
    as_value **values = AS_NEW_ARRAY(scratch, as_value *, count + 1);
    size_t corpus_count = 0;
    subject *subjects = subjects_of(scratch, scorer, metrics, count, slice);
    for (size_t i = 0; i < count; i++) {
        as_column *column = &subjects[i].column;
        out[i] = value_of_column(metrics[i], &subjects[i], how);
        group_counts[i] = column->cluster_count;
        as_column_free(column);
        out[i].name = as_str_copy(arena, metrics[i]->name);
        out[i].spec = as_str_copy(arena, metrics[i]->spec);
        out[i].signature = signature_of(arena, scorer, metrics[i]);
        if (metrics[i]->ops->flags & AS_METRIC_JUDGED)
            out[i].judge = as_judged_sum(arena, scorer, metrics[i], slice);
        note_spread(scratch, scorer, metrics[i], slice, &out[i]);
        if (metrics[i]->ops->kind != AS_METRIC_CORPUS) continue;
        if (metrics[i]->ops->flags & AS_METRIC_ERRORS) { // over other cases: on its own
            as_value *value = &out[i];
            estimate_corpus(arena, scratch, scorer, &metrics[i], 1, slice, how, &value);
            continue;
        }
        corpus[corpus_count] = metrics[i];
        values[corpus_count++] = &out[i];
    }
    estimate_corpus(arena, scratch, scorer, corpus, corpus_count, slice, how, values);
}

static void estimate(as_arena *arena, const as_scorer *scorer, const as_metric *const *metrics,
                     size_t count, uint32_t slice, const level *how, as_value *out) {
    as_arena scratch = {0};
    size_t *group_counts = AS_NEW_ARRAY(&scratch, size_t, count + 1), ranked_count = 0;
    for (size_t i = 0; i < count; i++) ranked_count += metrics[i]->ops->kind == AS_METRIC_RANKED;
    ranked_work ranked = ranked_work_of(&scratch, scorer, metrics, count, slice);
    as_thread *beside = NULL;
    bool long_work = ranked_count && ranked_count < count && scorer->row_count > AS_SEGMENTS_FEW;
    // Where no thread is to be had, one after the other.
    if (long_work && as_thread_start(run_ranked, &ranked, &beside, NULL)) beside = NULL;
    estimate_others(arena, &scratch, scorer, metrics, count, slice, how, group_counts, out);
    if (beside)
        as_thread_join(beside);
    else
        run_ranked(&ranked);
    for (size_t i = 0; i < count; i++) {
        if (metrics[i]->ops->kind != AS_METRIC_RANKED) continue;
        out[i].value = ranked.values[i];
        value_of_ranked(metrics[i], how, group_counts[i], ranked.replicates[i], ranked.drawn[i],
                        &out[i]);
    }
    as_arena_free(&ranked.arena);
    as_arena_free(&scratch);
}

const as_value *as_estimate_all(as_arena *arena, const as_scorer *scorer, uint32_t slice) {
    as_value *out = AS_NEW_ARRAY(arena, as_value, scorer->metric_count + 1);
    const as_metric **metrics = AS_NEW_ARRAY(arena, const as_metric *, scorer->metric_count + 1);
    for (size_t i = 0; i < scorer->metric_count; i++) metrics[i] = &scorer->metrics[i];
    estimate(arena, scorer, metrics, scorer->metric_count, slice, &shown, out);
    return out;
}

as_value as_estimate_one(as_arena *arena, const as_scorer *scorer, const as_metric *metric,
                         uint32_t slice) {
    as_value out;
    estimate(arena, scorer, &metric, 1, slice, &shown, &out);
    return out;
}

as_value as_estimate_claim(as_arena *arena, const as_scorer *scorer, const as_metric *metric,
                           uint32_t slice) {
    as_value out;
    estimate(arena, scorer, &metric, 1, slice, &claimed, &out);
    return out;
}

// Sums of labels know what was expected of a missing answer; other sums of statistics do not, and
// are taken to lose as large a share as there are cases missing.
static double worst_of_corpus(as_arena *arena, const as_scorer *scorer, const as_metric *metric,
                              uint32_t slice, double missing_share) {
    bool lower = metric->ops->flags & AS_METRIC_LOWER;
    as_layout layout = as_tally_layout(arena, &metric, 1, scorer->labels.count);
    bool labels = metric->ops->flags & AS_METRIC_LABELS;
    as_unit_list list =
        units_of(arena, scorer, &layout, &metric, slice, labels ? AS_STAND_WRONG : AS_STAND_NONE);
    double *tally = AS_NEW_ARRAY(arena, double, layout.width + 1);
    as_tally_sum(&list, tally);
    as_tally_free(&list);
    as_units units = {.label_count = layout.label_count};
    double value = as_resample_value(&layout.functionals[0], &units, tally);
    if (labels) return value;
    if (!lower) return value >= 0 ? value * (1 - missing_share) : NAN;
    return metric->ops->flags & AS_METRIC_BOUNDED ? value + (1 - value) * missing_share : NAN;
}

static double worst_score(const as_metric *metric) {
    unsigned flags = metric->ops->flags;
    if (flags & AS_METRIC_LOWER) return flags & AS_METRIC_BOUNDED ? 1 : NAN;
    return flags & AS_METRIC_BOUNDED ? 0 : flags & AS_METRIC_SIGNED ? -1 : NAN;
}

// Of several answers to a case some never came.
static double with_missing(const as_metric *metric, const as_row *row, double score) {
    size_t missing = 0;
    for (size_t i = 0; i < row->answer_count; i++) missing += row->answers[i].missing;
    if (!missing) return score;
    double share = (double)missing / (double)row->answer_count;
    return score * (1 - share) + worst_score(metric) * share;
}

// Of times: those that never came (NaN) are taken to be as slow as the slowest.
static double worst_of_times(const as_metric *metric, const as_column *times, double slowest) {
    as_num_sum sum = {0};
    as_sorted sorted = {0};
    as_column_reader reader = as_column_read(times);
    as_column_case at;
    while (as_column_next(&reader, &at)) {
        double time = isnan(at.value) ? slowest : at.value;
        as_num_add(&sum, time);
        as_sorted_add(&sorted, time);
    }
    as_sorted_seal(&sorted);
    double out = as_latency_rank_sorted(&sorted, metric->ops->q);
    as_sorted_free(&sorted);
    if (metric->ops->kind == AS_METRIC_QUANTILE) return out;
    return as_num_total(&sum) / (double)times->count;
}

double as_estimate_worst(as_arena *arena, const as_scorer *scorer, const as_metric *metric,
                         uint32_t slice) {
    bool time = metric->ops->flags & AS_METRIC_RUN;
    size_t missing = 0, all = 0;
    double slowest = -INFINITY;
    as_column times = {0};
    as_num_sum sum = {0}, weights = {0};
    as_rows_cursor cursor = as_rows_of(scorer, metric);
    const as_row *row;
    while ((row = as_rows_next(&cursor))) {
        if (!as_rows_in_slice(row, slice)) continue;
        double score = as_rows_score(metric, row), weight = as_rows_weight(metric, row);
        all++;
        missing += row->missing;
        if (row->missing && !time) score = worst_score(metric);
        if (!row->missing && !time) score = with_missing(metric, row, score);
        if (isnan(score) && as_judged_sum_lost(metric, row)) score = worst_score(metric);
        if (isnan(score) && !row->missing) continue; // has no such score, missing or not
        bool waited = row->missing && metric->ops->variant == AS_RUN_LATENCY;
        slowest = fmax(slowest, waited ? row->latency_ms : score);
        if (time) as_column_add(&times, score, 1, (uint32_t)times.count);
        as_num_add(&sum, weight * score);
        as_num_add(&weights, weight);
    }
    double missing_share = (double)missing / (double)all, out;
    if (metric->ops->kind == AS_METRIC_CORPUS)
        out = worst_of_corpus(arena, scorer, metric, slice, missing_share);
    else if (metric->ops->kind == AS_METRIC_RANKED)
        out = as_estimate_one(arena, scorer, metric, slice).value * (1 - missing_share);
    else if (!time)
        out = as_num_total(&sum) / as_num_total(&weights);
    else
        out = worst_of_times(metric, &times, slowest);
    as_column_free(&times);
    return out;
}
