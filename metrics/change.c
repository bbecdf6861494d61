// SPDX-License-Identifier: Apache-2.0
#include "metrics/change.h"

#include <math.h>

#include "metrics/estimate.h"
#include "metrics/kept/twins.h"
#include "metrics/num.h"
#include "metrics/paired.h"
#include "metrics/quantile.h"
#include "metrics/ranked.h"
#include "metrics/special.h"

#define Z90 1.64485362695147271 // one-sided 95 %
#define Z95 1.95996398454005423552

// Fewer clusters, or fewer that changed, and t is no longer to be trusted with a p-value.
enum { T_CLUSTERS_MIN = 20, T_CHANGED_MIN = 10 };

// Fewer changed clusters than this, and an interval is at least as wide as Tango's for as many.
enum { FEW_CHANGED = 50 };

// Fewer for the better (or worse), and larger ones may not have been seen.
enum { SIDE_MIN = 4 };

bool as_change_same(const as_metric *a, const as_metric *b) {
    return as_metric_same(a, b);
}

bool as_change_is_time(const as_metric *metric) {
    return metric->ops->flags & AS_METRIC_RUN && !(metric->ops->flags & AS_METRIC_ERRORS);
}

static bool is_bounded(const as_metric *metric) {
    return metric->ops->flags & (AS_METRIC_BOUNDED | AS_METRIC_SIGNED);
}

// 1 where higher is better, else -1: tests look at changes for the better.
static double direction(const as_metric *metric) {
    return metric->ops->flags & AS_METRIC_LOWER ? -1 : 1;
}

// Scores of both sides of the pairs that count, in the order of ids, and their differences.
typedef struct columns {
    as_column a, b, d;
    as_groups groups;
} columns;

static void free_columns(columns *c) {
    as_column_free(&c->a);
    as_column_free(&c->b);
    as_column_free(&c->d);
}

static double score_of(const as_metric *metric, const as_row *row, as_stand_in stand_in,
                       const as_change_how *how) {
    if (stand_in == AS_STAND_NONE || !row->missing) return as_rows_score(metric, row);
    if (metric->ops->flags & AS_METRIC_UNIT) return stand_in == AS_STAND_RIGHT;
    if (as_change_is_time(metric)) return stand_in == AS_STAND_RIGHT ? how->fastest : how->slowest;
    return as_rows_score(metric, row);
}

static void take_pair(columns *c, const as_pair *pair, const as_metric *ma, const as_metric *mb,
                      const as_change_how *how) {
    bool run = mb->ops->flags & AS_METRIC_RUN;
    if (!run && pair->a->expected != pair->b->expected) return;
    // Both unanswered: there is nothing to stand in for.
    bool half = pair->a->missing != pair->b->missing;
    double a = score_of(ma, pair->a, half ? how->a : AS_STAND_NONE, how);
    double b = score_of(mb, pair->b, half ? how->b : AS_STAND_NONE, how);
    if (isnan(a) || isnan(b)) return;
    double weight = as_rows_weight(mb, pair->b);
    uint32_t cluster = as_rows_group(&c->groups, pair->b);
    as_column_add(&c->a, a, weight, cluster);
    as_column_add(&c->b, b, weight, cluster);
    as_column_add(&c->d, b - a, weight, cluster);
}

// Of all metrics, in one pass.
static columns *columns_of(as_arena *arena, const as_pairs *pairs, const as_metric *const *a,
                           const as_metric *const *b, size_t count, const as_change_how *how) {
    columns *out = AS_NEW_ARRAY(arena, columns, count + 1);
    for (size_t m = 0; m < count; m++) out[m].groups = as_rows_groups(arena, pairs->b);
    as_pair_cursor cursor = as_pair_read(pairs);
    as_pair pair;
    while (as_pair_next(&cursor, &pair))
        for (size_t m = 0; m < count; m++) take_pair(&out[m], &pair, a[m], b[m], how);
    return out;
}

// Both sides of the columns in step.
typedef struct both {
    as_column_reader a_reader, b_reader;
    as_column_case a, b;
} both;

static both read_both(const columns *c) {
    return (both){.a_reader = as_column_read(&c->a), .b_reader = as_column_read(&c->b)};
}

static bool next_both(both *r) {
    bool more = as_column_next(&r->a_reader, &r->a);
    return as_column_next(&r->b_reader, &r->b) && more;
}

static void count_flips(const as_metric *metric, const columns *c, as_change *out) {
    bool errors = metric->ops->flags & AS_METRIC_RUN && metric->ops->flags & AS_METRIC_BOUNDED;
    if (!(metric->ops->flags & AS_METRIC_UNIT) && !errors) return;
    both at = read_both(c);
    while (next_both(&at)) {
        bool before = errors ? at.a.value == 0 : at.a.value >= 1;
        bool after = errors ? at.b.value == 0 : at.b.value >= 1;
        out->broke += before && !after;
        out->fixed += !before && after;
    }
}

static bool binary_independent(const as_metric *metric, const columns *c) {
    if (!(metric->ops->flags & AS_METRIC_BOUNDED) || c->d.cluster_count != c->d.count) return false;
    bool out = !c->d.weighted;
    both at = read_both(c);
    while (next_both(&at)) {
        bool a = at.a.value == 0 || at.a.value == 1, b = at.b.value == 0 || at.b.value == 1;
        out &= a && b;
    }
    return out;
}

static as_interval turn(as_interval ci, double sign) {
    return sign > 0 ? ci : (as_interval){-ci.hi, -ci.lo};
}

static void change_of_shares(const as_metric *metric, as_change *out) {
    double n = (double)out->n, gains = (double)out->fixed, losses = (double)out->broke;
    double sign = direction(metric);
    out->method = AS_STR("mcnemar mid-p");
    out->p_drop = as_paired_mcnemar(gains, losses);
    out->p_any = as_paired_mcnemar_two_sided(gains, losses);
    out->ci90 = turn(as_paired_tango(gains, losses, n, Z90), sign);
    out->ci95 = turn(as_paired_tango(gains, losses, n, Z95), sign);
    out->mde = as_paired_mde_binary((gains + losses) / n, n);
    out->variance = (gains + losses) / n - out->delta * out->delta;
}

// How the clusters of a comparison changed.
typedef struct spread {
    size_t clusters, better, worse; // those that got better, and worse
    double size;                    // of a change: root mean square, where G of size 1 are 1 in all
} spread;

// See the head of change.h: no certainty from changes that did not happen, and little from few. As
// many flips of that size, in independent clusters, have Tango's interval.
static void widen(const as_metric *metric, const spread *s, as_change *out) {
    size_t changed = s->better + s->worse;
    if (!is_bounded(metric) || changed >= FEW_CHANGED) return;
    as_interval *const intervals[] = {&out->ci90, &out->ci95};
    static const double z[] = {Z90, Z95};
    double n = (double)s->clusters, gains = (double)s->better, losses = (double)s->worse;
    for (int i = 0; i < 2; i++) {
        as_interval least = as_paired_tango(gains, losses, n, z[i]);
        double at = (gains - losses) / n, size = changed ? s->size : 1;
        double lo = size * (at - least.lo), hi = size * (least.hi - at);
        double unseen = z[i] * z[i] / (n + z[i] * z[i]); // by a whole change that did not happen
        if (changed < T_CHANGED_MIN || s->worse < SIDE_MIN) lo = fmax(lo, unseen);
        if (changed < T_CHANGED_MIN || s->better < SIDE_MIN) hi = fmax(hi, unseen);
        intervals[i]->lo = fmin(intervals[i]->lo, out->delta - lo);
        intervals[i]->hi = fmax(intervals[i]->hi, out->delta + hi);
    }
    if (changed < T_CHANGED_MIN) out->mde = fmax(isnan(out->mde) ? 0 : out->mde, 5.515 / n);
}

static spread spread_of(const as_mean *mean, const as_spill *sums, size_t clusters) {
    spread out = {.clusters = clusters};
    as_num_sum squares = {0};
    as_spill_reader reader = {.spill = sums};
    const double *sum;
    while ((sum = as_spill_next(&reader, sizeof *sum))) {
        double effect = *sum * (double)clusters / mean->weight;
        out.better += effect > 0;
        out.worse += effect < 0;
        as_num_add(&squares, effect * effect);
    }
    as_spill_done(&reader);
    size_t changed = out.better + out.worse;
    out.size = changed ? sqrt(as_num_total(&squares) / (double)changed) : 0;
    return out;
}

// Of few clusters, or few that changed: those that did not change turn no sum.
static as_flip_p flip_signs(const as_metric *metric, const as_spill *sums, size_t clusters) {
    double few[T_CLUSTERS_MIN + T_CHANGED_MIN];
    size_t n = 0;
    as_spill_reader reader = {.spill = sums};
    const double *sum;
    while ((sum = as_spill_next(&reader, sizeof *sum)))
        if (clusters < T_CLUSTERS_MIN || *sum != 0) few[n++] = *sum * direction(metric);
    as_spill_done(&reader);
    return as_paired_sign_flip(few, n);
}

static void t_test(const as_metric *metric, const as_mean *mean, as_change *out) {
    double t = direction(metric) * mean->value / mean->stderr_;
    if (mean->stderr_ == 0) t = mean->value == 0 ? 0 : direction(metric) * mean->value * INFINITY;
    // Skewness may make a drop less sure, never more so.
    double hall = direction(metric) * as_interval_unskewed(direction(metric) * t, mean);
    if (!isfinite(t)) hall = t;
    out->p_drop = as_special_t(fmax(t, hall), mean->df);
    out->p_any = 2 * as_special_t(-fmin(fabs(t), t > 0 ? fmax(hall, 0) : fmax(-hall, 0)), mean->df);
    if (mean->value == 0) out->p_any = 1;
}

static void change_of_means(const as_metric *metric, const as_column *d, as_change *out) {
    as_spill sums = {0};
    as_mean mean = as_interval_mean(d, &sums);
    out->ci90 = as_interval_skewed(&mean, 0.10);
    out->ci95 = as_interval_skewed(&mean, 0.05);
    out->variance = (double)d->count * mean.stderr_ * mean.stderr_;
    if (mean.df >= 1)
        out->mde = (as_special_t_quantile(0.95, mean.df) + as_special_t_quantile(0.8, mean.df)) *
                   mean.stderr_;
    spread changes = spread_of(&mean, &sums, d->cluster_count);
    t_test(metric, &mean, out);
    out->method = d->cluster_count == d->count ? AS_STR("paired t") : AS_STR("cluster paired t");
    if (d->cluster_count < T_CLUSTERS_MIN || mean.nonzero < T_CHANGED_MIN) {
        as_flip_p p = flip_signs(metric, &sums, d->cluster_count);
        // Flips are exact where both signs are alike in size; where single cases are not, t knows
        // better (clusters of several are means, and near enough).
        bool skewed = d->cluster_count == d->count && mean.skew != 0 && isfinite(out->p_drop);
        out->p_drop = skewed ? fmax(p.low, out->p_drop) : p.low;
        out->p_any = skewed ? fmax(p.far, out->p_any) : p.far;
        out->method = AS_STR("sign flip");
    }
    as_spill_free(&sums);
    widen(metric, &changes, out);
    // What the interval does not rule out, p must not. (Clusters of several cases are no such risk:
    // each is a mean, and a rule for whole ones that were not seen would leave no power.)
    if (d->cluster_count != d->count) return;
    double best = direction(metric) > 0 ? out->ci90.hi : -out->ci90.lo;
    if (best >= 0) out->p_drop = fmax(out->p_drop, 0.05);
    if (out->ci95.lo <= 0 && out->ci95.hi >= 0) out->p_any = fmax(out->p_any, 0.05);
}

static double mean_of(const as_column *column) {
    return as_interval_mean(column, NULL).value;
}

static void scale(as_change *out, double by) {
    double *const all[] = {&out->a,       &out->b,       &out->delta,   &out->ci90.lo,
                           &out->ci90.hi, &out->ci95.lo, &out->ci95.hi, &out->mde};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) *all[i] *= by;
    out->variance *= by * by;
}

// Intervals and p from replicates of the difference: drawn anew, and swapped.
static void from_replicates(const as_metric *metric, double *drawn, const double *swapped,
                            size_t replicates, as_change *out) {
    double sign = direction(metric), low = 0, far = 0, slack = 1e-12 * (1 + fabs(out->delta));
    for (size_t i = 0; i < replicates; i++) { // an undefined one counts against the finding
        low += !(sign * swapped[i] > sign * out->delta + slack);
        far += !(fabs(swapped[i]) < fabs(out->delta) - slack);
    }
    out->p_drop = (1 + low) / (1 + (double)replicates);
    out->p_any = (1 + far) / (1 + (double)replicates);
    out->method = AS_STR("randomisation");
    size_t kept = as_estimate_sort(drawn, replicates);
    if (kept < replicates / 2 || kept < 2) return;
    as_num_sum sum = {0}, squares = {0};
    for (size_t i = 0; i < kept; i++) as_num_add(&sum, drawn[i]);
    double mean = as_num_total(&sum) / (double)kept;
    for (size_t i = 0; i < kept; i++) as_num_add(&squares, (drawn[i] - mean) * (drawn[i] - mean));
    double error2 = as_num_total(&squares) / (double)(kept - 1);
    out->ci90 = as_interval_percentile(drawn, kept, 0.10);
    out->ci95 = as_interval_percentile(drawn, kept, 0.05);
    out->mde = AS_PAIRED_POWER * sqrt(error2);
    out->variance = (double)out->n * error2;
}

static void change_of_quantile(as_arena *arena, const as_metric *metric, const columns *c,
                               const as_change_how *how, as_change *out) {
    double *drawn = AS_NEW_ARRAY(arena, double, how->replicates);
    double *swapped = AS_NEW_ARRAY(arena, double, how->replicates);
    as_quantile_pairs pairs = {&c->a, &c->b};
    as_quantile_change(&pairs, metric->ops->q, &out->a, &out->b);
    out->delta = out->b - out->a;
    as_quantile_resample(&pairs, metric->ops->q, how->replicates, drawn, swapped);
    from_replicates(metric, drawn, swapped, how->replicates, out);
}

#define LOG_OF_ZERO (-700.0) // below all others, and exp of it is nothing

// Values on the scale of logarithms; false where one of a pair is not above 0. Two zeros are equal.
static bool take_logs(columns *c) {
    columns logs = {0};
    both at = read_both(c);
    bool ok = true;
    while (next_both(&at)) {
        bool zeros = at.a.value == 0 && at.b.value == 0;
        ok &= zeros || (at.a.value > 0 && at.b.value > 0);
        double a = zeros ? LOG_OF_ZERO : as_num_log(at.a.value);
        double b = zeros ? LOG_OF_ZERO : as_num_log(at.b.value);
        as_column_add(&logs.a, a, at.b.weight, at.b.cluster);
        as_column_add(&logs.b, b, at.b.weight, at.b.cluster);
        as_column_add(&logs.d, b - a, at.b.weight, at.b.cluster);
    }
    free_columns(c);
    *c = logs;
    return ok;
}

static double share_of_log(double log_ratio) {
    return as_num_exp(log_ratio) - 1;
}

// The change as a share of the baseline: the geometric mean of the cases' ratios, or the ratio of
// the quantiles. a and b stay in the metric's own unit.
static void change_of_ratios(as_arena *arena, const as_metric *metric, columns *c,
                             const as_change_how *how, as_change *out) {
    double a = mean_of(&c->a), b = mean_of(&c->b), n = (double)c->d.count;
    bool total = metric->ops->kind == AS_METRIC_TOTAL;
    bool quantile = metric->ops->kind == AS_METRIC_QUANTILE;
    out->a = total ? a * n : a;
    out->b = total ? b * n : b;
    if (!take_logs(c)) return;
    if (quantile) {
        change_of_quantile(arena, metric, c, how, out);
        out->a = as_num_exp(out->a);
        out->b = as_num_exp(out->b);
    } else {
        out->delta = mean_of(&c->d);
        change_of_means(metric, &c->d, out);
    }
    double *const all[] = {&out->delta,   &out->ci90.lo, &out->ci90.hi,
                           &out->ci95.lo, &out->ci95.hi, &out->mde};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) *all[i] = share_of_log(*all[i]);
}

static void change_of_case_scores(as_arena *arena, const as_metric *metric, columns *c,
                                  const as_change_how *how, as_change *out) {
    if (how->relative) {
        change_of_ratios(arena, metric, c, how, out);
        return;
    }
    if (metric->ops->kind == AS_METRIC_QUANTILE) {
        change_of_quantile(arena, metric, c, how, out);
        return;
    }
    out->a = mean_of(&c->a);
    out->b = mean_of(&c->b);
    out->delta = out->b - out->a;
    if (binary_independent(metric, c))
        change_of_shares(metric, out);
    else
        change_of_means(metric, &c->d, out);
    if (metric->ops->kind == AS_METRIC_TOTAL) scale(out, (double)c->d.count);
}

// The labels of both runs in byte order; places[side][number] is where a run's label stands.
static size_t join_labels(as_arena *arena, const as_scorer *a, const as_scorer *b,
                          uint32_t *places[2]) {
    const as_names *names[2] = {&a->labels, &b->labels};
    for (int s = 0; s < 2; s++) places[s] = AS_NEW_ARRAY(arena, uint32_t, names[s]->count + 1);
    size_t at[2] = {0, 0}, count = 0;
    uint32_t *ranks[2] = {AS_NEW_ARRAY(arena, uint32_t, a->labels.count + 1),
                          AS_NEW_ARRAY(arena, uint32_t, b->labels.count + 1)};
    while (at[0] < names[0]->count || at[1] < names[1]->count) {
        bool more[2] = {at[0] < names[0]->count, at[1] < names[1]->count};
        int way = !more[0] ? 1
                  : !more[1]
                      ? -1
                      : as_rows_label_order(names[0]->sorted[at[0]], names[1]->sorted[at[1]]);
        if (way <= 0) ranks[0][at[0]++] = (uint32_t)count;
        if (way >= 0) ranks[1][at[1]++] = (uint32_t)count;
        count++;
    }
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < names[s]->count; i++) places[s][i] = ranks[s][names[s]->ranks[i]];
    return count;
}

typedef struct sides {
    as_layout layout;
    as_unit_list a, b;
} sides;

static as_tally_row tally_row(const as_tally_row *base, const as_row *row, const as_row *other,
                              as_stand_in stand_in) {
    as_tally_row out = *base;
    bool replace = stand_in != AS_STAND_NONE && row->missing;
    out.row = row;
    if (!replace) return out;
    out.row = other; // what was expected is known from the run that has an answer
    out.stand_in = stand_in;
    return out;
}

static sides sides_of(as_arena *arena, const as_pairs *pairs, const as_metric *const *a_metrics,
                      const as_metric *const *b_metrics, size_t count, const as_change_how *how) {
    uint32_t *labels[2];
    size_t label_count = join_labels(arena, pairs->a, pairs->b, labels);
    sides out = {.layout = as_tally_layout(arena, b_metrics, count, label_count)};
    as_tally_row base_a = {pairs->a, NULL, a_metrics, labels[0], AS_STAND_NONE};
    as_tally_row base_b = {pairs->b, NULL, b_metrics, labels[1], AS_STAND_NONE};
    bool all = count == 1 && b_metrics[0]->ops->flags & AS_METRIC_ERRORS;
    as_groups groups = as_rows_groups(arena, pairs->b);
    as_pair_cursor cursor = as_pair_read(pairs);
    as_pair pair;
    out.a = as_tally_begin(&out.layout);
    out.b = as_tally_begin(&out.layout);
    while (as_pair_next(&cursor, &pair)) {
        bool stood_in = how->a != AS_STAND_NONE && as_pair_half(&pair);
        if (!all && !as_pair_answered(&pair) && !stood_in) continue;
        as_tally_row a =
            tally_row(stood_in && pair.a->missing ? &base_b : &base_a, pair.a, pair.b, how->a);
        as_tally_row b =
            tally_row(stood_in && pair.b->missing ? &base_a : &base_b, pair.b, pair.a, how->b);
        uint32_t cluster = as_rows_group(&groups, pair.b);
        as_tally_add(&out.a, &out.layout, &a, cluster);
        as_tally_add(&out.b, &out.layout, &b, cluster);
    }
    as_tally_end(&out.a);
    as_tally_end(&out.b);
    return out;
}

// CORPUS metrics together, over one resampling. Fills all but n and flips.
static void change_of_corpus(as_arena *arena, const as_pairs *pairs,
                             const as_metric *const *a_metrics, const as_metric *const *b_metrics,
                             size_t count, const as_change_how *how, as_change *const *out) {
    if (!count) return;
    sides s = sides_of(arena, pairs, a_metrics, b_metrics, count, how);
    double *tally = AS_NEW_ARRAY(arena, double, s.layout.width + 1);
    size_t size = as_size_mul(count, how->replicates);
    double *drawn = AS_NEW_ARRAY(arena, double, size), *swapped = AS_NEW_ARRAY(arena, double, size);
    as_units shape = {.label_count = s.layout.label_count};
    as_tally_sum(&s.a, tally);
    for (size_t i = 0; i < count; i++)
        out[i]->a = as_resample_value(&s.layout.functionals[i], &shape, tally);
    as_tally_sum(&s.b, tally);
    for (size_t i = 0; i < count; i++)
        out[i]->b = as_resample_value(&s.layout.functionals[i], &shape, tally);
    size_t clusters = s.a.count;
    size_t changed =
        as_twins_resample(&s.a, &s.b, s.layout.functionals, count, how->replicates, drawn, swapped);
    as_tally_free(&s.a);
    as_tally_free(&s.b);
    for (size_t i = 0; i < count; i++) {
        out[i]->delta = out[i]->b - out[i]->a;
        if (isnan(out[i]->delta)) continue;
        from_replicates(b_metrics[i], drawn + i * how->replicates, swapped + i * how->replicates,
                        how->replicates, out[i]);
        // Which way a cluster moved is not told for sums of statistics: all as the value did.
        bool up = out[i]->delta > 0;
        spread changes = {clusters, up ? changed : 0, up ? 0 : changed, 1};
        if (changed) changes.size = fabs(out[i]->delta) * (double)clusters / (double)changed;
        widen(b_metrics[i], &changes, out[i]);
    }
}

static void change_of_ranked(as_arena *arena, const as_pairs *pairs, const as_metric *a,
                             const as_metric *b, const as_change_how *how, as_change *out) {
    double *drawn = AS_NEW_ARRAY(arena, double, how->replicates), values[2];
    double *swapped = AS_NEW_ARRAY(arena, double, how->replicates);
    as_ranked_change(arena, pairs, a, b, how->replicates, values, drawn, swapped);
    out->a = values[0];
    out->b = values[1];
    out->delta = out->b - out->a;
    if (!isnan(out->delta)) from_replicates(b, drawn, swapped, how->replicates, out);
}

static as_change nothing_known(size_t count) {
    return (as_change){.a = NAN,
                       .b = NAN,
                       .delta = NAN,
                       .ci90 = {NAN, NAN},
                       .ci95 = {NAN, NAN},
                       .p_drop = NAN,
                       .p_any = NAN,
                       .mde = NAN,
                       .variance = NAN,
                       .n = count,
                       .method = AS_STR("none")};
}

void as_change_of(const as_pairs *pairs, const as_metric *const *a_metrics,
                  const as_metric *const *b_metrics, size_t count, const as_change_how *how,
                  as_change *out) {
    as_arena scratch = {0};
    const as_metric **corpus_a = AS_NEW_ARRAY(&scratch, const as_metric *, count + 1);
    const as_metric **corpus_b = AS_NEW_ARRAY(&scratch, const as_metric *, count + 1);
    as_change **changes = AS_NEW_ARRAY(&scratch, as_change *, count + 1);
    size_t corpus_count = 0;
    columns *all = columns_of(&scratch, pairs, a_metrics, b_metrics, count, how);
    for (size_t i = 0; i < count; i++) {
        columns *c = &all[i];
        out[i] = nothing_known(c->d.count);
        out[i].clusters = c->d.cluster_count;
        count_flips(b_metrics[i], c, &out[i]);
        if (!c->d.count) continue;
        as_change *change = &out[i];
        if (b_metrics[i]->ops->kind == AS_METRIC_RANKED) {
            change_of_ranked(&scratch, pairs, a_metrics[i], b_metrics[i], how, change);
        } else if (b_metrics[i]->ops->kind != AS_METRIC_CORPUS) {
            change_of_case_scores(&scratch, b_metrics[i], c, how, change);
        } else if (b_metrics[i]->ops->flags & AS_METRIC_ERRORS) {
            change_of_corpus(&scratch, pairs, &a_metrics[i], &b_metrics[i], 1, how, &change);
        } else {
            corpus_a[corpus_count] = a_metrics[i];
            corpus_b[corpus_count] = b_metrics[i];
            changes[corpus_count++] = change;
        }
    }
    for (size_t i = 0; i < count; i++) free_columns(&all[i]);
    change_of_corpus(&scratch, pairs, corpus_a, corpus_b, corpus_count, how, changes);
    as_arena_free(&scratch);
}
