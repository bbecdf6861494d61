// SPDX-License-Identifier: Apache-2.0
// curve.c - metrics of the order that probabilities put the cases in.
//
//   roc_auc            P(a positive case is given more than a negative one), ties one half
//   average_precision  sum of (R_n - R_{n-1}) P_n over the thresholds, no interpolation
//   ace                adaptive calibration error: |hits - confidence| in bins of equal mass
// Two choices: the positive one is `positive`, else the one that is last in label order (1 of 0 and
// 1, yes of no and yes). More choices: roc_auc is the mean over classes against the rest (multi:
// ovr) or over pairs (ovo, Hand & Till 2001), average_precision over classes against the rest;
// average: macro, or weighted by how often a class, or pair, is expected. Classes that no case
// expects, or all do, have no curve and are left out; none left: undefined. Probabilities that
// agree to 1e-12 are ties. Cases need log-probabilities of the same choices, in the same order. A
// case's own score is the probability of what was expected; of ace how far confidence and hit are
// apart. Source: scikit-learn 1.9 (roc_auc_score, average_precision_score); Nixon et al. 2019 for
// ace.
#include <math.h>

#include "metrics/num.h"
#include "metrics/ranked.h"

enum { AUC, PRECISION };
enum { SET_POSITIVE, SET_AVERAGE, SET_MULTI };
enum { CLASSES_MAX = 255 };

#define TIE 1e12

static double ranked_probability(double p) {
    return floor(p * TIE + 0.5) / TIE;
}

// The choices of the first case: all others must have them too.
typedef struct choices {
    uint64_t hash;
    bool met;
} choices;

static as_rc check_choices(const as_metric *metric, const as_sample *sample, as_err *err) {
    choices *first = metric->own;
    uint64_t hash = sample->choice_count;
    for (size_t i = 0; i < sample->choice_count; i++)
        hash = hash * 0x100000001b3u + as_str_hash(sample->choices[i]);
    if (!first->met) *first = (choices){hash, true};
    if (first->hash != hash)
        return as_fail(err, AS_INVALID, "metric '%s' needs the same choices in every case",
                       metric->ops->name);
    if (sample->choice_count > CLASSES_MAX)
        return as_fail(err, AS_INVALID, "metric '%s' is for at most %d choices, not %zu",
                       metric->ops->name, CLASSES_MAX, sample->choice_count);
    return AS_OK;
}

// The choice that counts as positive of two.
static as_rc positive_of(const as_metric *metric, const as_sample *sample, size_t *out,
                         as_err *err) {
    const as_setting *positive = &metric->settings[SET_POSITIVE];
    *out = as_rows_label_order(sample->choices[0], sample->choices[1]) < 0;
    if (!positive->given) return AS_OK;
    for (*out = 0; *out < 2; (*out)++)
        if (as_str_eq(sample->choices[*out], positive->text)) return AS_OK;
    return as_fail(err, AS_INVALID,
                   "option 'positive' of metric '%s' is '%.*s', but the choices are '%.*s' and "
                   "'%.*s'",
                   metric->ops->name, AS_STR_ARG(positive->text), AS_STR_ARG(sample->choices[0]),
                   AS_STR_ARG(sample->choices[1]));
}

static as_rc score_curve(const as_metric *metric, const as_scoring *scoring, double *score,
                         double *stats, as_err *err) {
    const as_sample *sample = scoring->sample;
    size_t positive = 0;
    if (!scoring->probabilities || scoring->gold_choice == SIZE_MAX) return AS_OK;
    as_rc rc = check_choices(metric, sample, err);
    if (!rc && sample->choice_count == 2) rc = positive_of(metric, sample, &positive, err);
    if (rc) return rc;
    *score = scoring->probabilities[scoring->gold_choice];
    if (sample->choice_count == 2) { // one column: class 1 is the positive one
        stats[0] = scoring->gold_choice == positive ? 1 : 2;
        stats[1] = ranked_probability(scoring->probabilities[positive]);
        return AS_OK;
    }
    stats[0] = (double)(scoring->gold_choice + 1);
    for (size_t c = 0; c < sample->choice_count; c++)
        stats[c + 1] = ranked_probability(scoring->probabilities[c]);
    return AS_OK;
}

// Weights of the cases that count, by falling score of column `by`, in groups of equal scores.
// `against` SIZE_MAX: class `class` against the rest; else against that class alone.
typedef struct curve {
    const as_ranked *r;
    size_t by, class, against;
    size_t at;
} curve;

static bool next_group(curve *c, double *positive, double *negative) {
    const uint32_t *order = c->r->order + c->by * c->r->count;
    *positive = *negative = 0;
    if (c->at == c->r->count) return false;
    double score = as_ranked_stat(c->r, order[c->at], c->by + 1);
    for (; c->at < c->r->count; c->at++) {
        uint32_t i = order[c->at];
        if (as_ranked_stat(c->r, i, c->by + 1) != score) break;
        size_t gold = (size_t)as_ranked_stat(c->r, i, 0) - 1;
        if (gold == c->class)
            *positive += c->r->weights[i];
        else if (c->against == SIZE_MAX || gold == c->against)
            *negative += c->r->weights[i];
    }
    return true;
}

static double area(const as_ranked *r, size_t by, size_t class, size_t against) {
    curve c = {r, by, class, against, 0};
    double positive, negative, positives = 0, negatives = 0;
    as_num_sum pairs = {0}; // of a positive case above a negative one
    while (next_group(&c, &positive, &negative)) {
        as_num_add(&pairs, negative * (positives + positive / 2));
        positives += positive;
        negatives += negative;
    }
    return as_num_total(&pairs) / (positives * negatives); // 0/0: NaN
}

static double precision(const as_ranked *r, size_t class) {
    curve c = {r, class, class, SIZE_MAX, 0};
    double positive, negative, positives = 0, all = 0;
    as_num_sum sum = {0};
    while (next_group(&c, &positive, &negative)) {
        positives += positive;
        all += positive + negative;
        if (positive > 0) as_num_add(&sum, positive * (positives / all));
    }
    return as_num_total(&sum) / positives;
}

static double weight_of(const as_ranked *r, size_t class) {
    as_num_sum sum = {0};
    for (size_t i = 0; i < r->count; i++)
        if ((size_t)as_ranked_stat(r, i, 0) == class + 1) as_num_add(&sum, r->weights[i]);
    return as_num_total(&sum);
}

typedef struct average {
    as_num_sum sum;
    double weight;
} average;

static void take(average *a, double value, double weight) {
    if (isnan(value) || !(weight > 0)) return;
    as_num_add(&a->sum, weight * value);
    a->weight += weight;
}

static double value_of_curve(const as_metric *metric, const as_ranked *r) {
    bool auc = metric->ops->variant == AUC, weighted = metric->settings[SET_AVERAGE].on;
    bool pairs = auc && metric->settings[SET_MULTI].on;
    if (r->columns == 1) return auc ? area(r, 0, 0, SIZE_MAX) : precision(r, 0);
    average all = {{0}, 0};
    for (size_t c = 0; c < r->columns; c++) {
        double mine = weight_of(r, c);
        for (size_t d = c + 1; pairs && d < r->columns; d++) {
            double both = (area(r, c, c, d) + area(r, d, d, c)) / 2;
            take(&all, both, weighted ? mine + weight_of(r, d) : 1);
        }
        if (!pairs)
            take(&all, auc ? area(r, c, c, SIZE_MAX) : precision(r, c), weighted ? mine : 1);
    }
    return all.weight > 0 ? as_num_total(&all.sum) / all.weight : NAN;
}

// ---- ace ----

static as_rc score_ace(const as_metric *metric, const as_scoring *scoring, double *score,
                       double *stats, as_err *err) {
    (void)metric, (void)err;
    if (!scoring->probabilities || scoring->gold_choice == SIZE_MAX) return AS_OK;
    double sure = scoring->probabilities[scoring->best_choice];
    bool hit = scoring->best_choice == scoring->gold_choice;
    stats[0] = hit ? 1 : 2;
    stats[1] = ranked_probability(sure);
    *score = fabs(sure - hit);
    return AS_OK;
}

// A group of equal confidence lies in the bin of its middle.
static double value_of_ace(const as_metric *metric, const as_ranked *r) {
    double bins = metric->settings[0].number, total = 0, below = 0, bin = 0, gap = 0;
    for (size_t i = 0; i < r->count; i++) total += r->weights[i];
    curve c = {r, 0, 0, SIZE_MAX, 0};
    as_num_sum sum = {0};
    for (size_t from = 0; total > 0; from = c.at) {
        double hits, misses;
        if (!next_group(&c, &hits, &misses)) break;
        double mass = hits + misses, here = floor((below + mass / 2) / total * bins);
        if (here != bin) {
            as_num_add(&sum, fabs(gap));
            gap = 0;
        }
        bin = here;
        gap += hits - mass * as_ranked_stat(r, r->order[from], 1);
        below += mass;
    }
    as_num_add(&sum, fabs(gap));
    return as_num_total(&sum) / total;
}

static as_rc prepare_curve(as_arena *arena, as_metric *metric, as_err *err) {
    (void)err;
    metric->own = AS_NEW(arena, choices);
    return AS_OK;
}

static const char *const averages[] = {"macro", "weighted", NULL};
static const char *const multis[] = {"ovr", "ovo", NULL};
static const as_setting_spec curve_settings[] = {
    {.name = "positive", .kind = AS_SETTING_TEXT},
    {.name = "average", .kind = AS_SETTING_CHOICE, .choices = averages},
    {.name = "multi", .kind = AS_SETTING_CHOICE, .choices = multis},
    {.name = NULL},
};
static const as_setting_spec precision_settings[] = {
    {.name = "positive", .kind = AS_SETTING_TEXT},
    {.name = "average", .kind = AS_SETTING_CHOICE, .choices = averages},
    {.name = NULL},
};
static const as_setting_spec ace_settings[] = {
    {.name = "bins", .kind = AS_SETTING_COUNT, .low = 1, .high = 1000, .otherwise = 15},
    {.name = NULL},
};

const as_metric_ops as_curve_metrics[] = {
    {.name = "roc_auc",
     .text = "area under the ROC curve of the choices' probabilities (multi: ovr or ovo)",
     .kind = AS_METRIC_RANKED,
     .flags = AS_METRIC_BOUNDED | AS_METRIC_CURVE,
     .width = CLASSES_MAX + 1,
     .settings = curve_settings,
     .prepare = prepare_curve,
     .score = score_curve,
     .ranked = value_of_curve,
     .variant = AUC},
    {.name = "average_precision",
     .text = "area under the precision-recall curve as a sum of steps, no interpolation",
     .kind = AS_METRIC_RANKED,
     .flags = AS_METRIC_BOUNDED | AS_METRIC_CURVE,
     .width = CLASSES_MAX + 1,
     .settings = precision_settings,
     .prepare = prepare_curve,
     .score = score_curve,
     .ranked = value_of_curve,
     .variant = PRECISION},
    {.name = "ace",
     .text = "adaptive calibration error, in bins of equally many cases; lower is better",
     .kind = AS_METRIC_RANKED,
     .flags = AS_METRIC_LOWER | AS_METRIC_BOUNDED,
     .width = 2,
     .settings = ace_settings,
     .score = score_ace,
     .ranked = value_of_ace},
    {.name = NULL},
};
