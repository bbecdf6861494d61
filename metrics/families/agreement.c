// SPDX-License-Identifier: Apache-2.0
// agreement.c - Cohen's weighted kappa (1968): agreement beyond chance, where labels are grades and
// a near miss is no full miss.
//
//   1 - sum of |i - j|^p observed / sum of |i - j|^p expected of independent raters; p is 1
//   (linear) or 2 (quadratic), i and j are places in the order of labels
// The order is that of `labels`, low to high; without it that of numbers, else of bytes, over the
// labels of the whole run. A case without an answer counts as far off as its label can be missed;
// so does, with `labels`, an answer that is none of them. Undefined where chance alone gives no
// distance (0/0). Source: scikit-learn 1.9 (cohen_kappa_score, weights="linear", "quadratic").
#include <math.h>

#include "metrics/families/text.h"
#include "metrics/num.h"

enum { LABELS_MAX = 500, APART_LINEAR = 0, APART_QUADRATIC = 1 };

static double power(const as_metric *metric, double apart) {
    return metric->ops->variant == APART_QUADRATIC ? apart * apart : apart;
}

static double farthest(size_t label, size_t count) {
    return fmax((double)label, (double)(count - 1 - label));
}

// `step` places lie between the margins of one label and those of the next.
static double kappa(const as_metric *metric, const double *gold, const double *pred, size_t step,
                    size_t count, double observed) {
    as_num_sum expected = {0}, all = {0}, answered = {0};
    for (size_t j = 0; j < count; j++) {
        as_num_add(&all, gold[j * step]);
        as_num_add(&answered, pred[j * step]);
    }
    double n = as_num_total(&all), silent = fmax(0, n - as_num_total(&answered));
    for (size_t i = 0; i < count; i++) {
        if (gold[i * step] == 0) continue;
        as_num_add(&expected, gold[i * step] * silent * power(metric, farthest(i, count)));
        for (size_t j = 0; j < count; j++)
            as_num_add(&expected, gold[i * step] * pred[j * step] *
                                      power(metric, fabs((double)i - (double)j)));
    }
    double chance = as_num_total(&expected);
    return chance > 0 && n > 0 ? 1 - n * observed / chance : NAN;
}

static double value_of_ranks(const as_metric *metric, const double *tally, size_t label_count) {
    double observed = tally[AS_LABEL_WIDTH * label_count + (size_t)metric->ops->variant];
    return kappa(metric, tally + AS_LABEL_GOLD, tally + AS_LABEL_PRED, AS_LABEL_WIDTH, label_count,
                 observed);
}

static as_rc score_ranks(const as_metric *metric, const as_scoring *scoring, double *score,
                         double *stats, as_err *err) {
    (void)stats;
    as_rc rc = as_text_need(metric, scoring, err);
    if (rc) return rc;
    *score = 0;
    for (size_t i = 0; scoring->sample->has_prediction && i < scoring->gold_count; i++)
        if (as_str_eq(scoring->golds[i], scoring->prediction)) *score = 1;
    return AS_OK;
}

// ---- with `labels`: margins and observed distance are the metric's own statistics ----

static size_t place_of(const as_setting *labels, as_str label) {
    for (size_t i = 0; i < labels->text_count; i++)
        if (as_str_eq(labels->texts[i], label)) return i;
    return SIZE_MAX;
}

// Of several expected labels the one that was answered, else the first.
static as_str expected_label(const as_scoring *scoring) {
    for (size_t i = 0; scoring->sample->has_prediction && i < scoring->gold_count; i++)
        if (as_str_eq(scoring->golds[i], scoring->prediction)) return scoring->golds[i];
    return scoring->golds[0];
}

static as_rc score_listed(const as_metric *metric, const as_scoring *scoring, double *score,
                          double *stats, as_err *err) {
    as_rc rc = score_ranks(metric, scoring, score, stats, err);
    if (rc) return rc;
    const as_setting *labels = &metric->settings[0];
    as_str expected = expected_label(scoring);
    size_t count = labels->text_count, gold = place_of(labels, expected), pred = SIZE_MAX;
    if (gold == SIZE_MAX)
        return as_fail(err, AS_INVALID, "metric '%s': '%.*s' is none of its labels",
                       metric->ops->name, AS_STR_ARG(expected));
    if (scoring->sample->has_prediction) pred = place_of(labels, scoring->prediction);
    double apart = pred == SIZE_MAX ? farthest(gold, count) : fabs((double)gold - (double)pred);
    stats[0] = power(metric, apart);
    stats[1 + 2 * gold] = 1;
    if (pred != SIZE_MAX) stats[2 + 2 * pred] = 1;
    return AS_OK;
}

static double value_of_listed(const as_metric *metric, const double *tally, size_t label_count) {
    (void)label_count;
    return kappa(metric, tally + 1, tally + 2, 2, metric->settings[0].text_count, tally[0]);
}

static as_rc prepare(as_arena *arena, as_metric *metric, as_err *err);

static const as_setting_spec settings[] = {
    {.name = "labels", .kind = AS_SETTING_TEXTS},
    {.name = NULL},
};

#define LINE_LINEAR "Cohen's kappa over grades, a miss weighted by how far off it is"
#define LINE_QUADRATIC "the same, weighted by the square of how far off it is"
#define RANKS(metric_name, number, line)                                                           \
    {                                                                                              \
        .name = metric_name, .text = line, .kind = AS_METRIC_CORPUS,                               \
        .flags = AS_METRIC_UNIT | AS_METRIC_LABELS | AS_METRIC_CLASSES | AS_METRIC_SIGNED |        \
                 AS_METRIC_RANKS | AS_METRIC_HIT,                                                  \
        .settings = settings, .prepare = prepare, .score = score_ranks, .value = value_of_ranks,   \
        .variant = number                                                                          \
    }
#define LISTED(metric_name, number, line)                                                          \
    {                                                                                              \
        .name = metric_name, .text = line, .kind = AS_METRIC_CORPUS,                               \
        .flags = AS_METRIC_CLASSES | AS_METRIC_SIGNED, .settings = settings,                       \
        .score = score_listed, .value = value_of_listed, .variant = number                         \
    }

static const as_metric_ops listed[] = {
    [APART_LINEAR] = LISTED("kappa_linear", APART_LINEAR, LINE_LINEAR),
    [APART_QUADRATIC] = LISTED("kappa_quadratic", APART_QUADRATIC, LINE_QUADRATIC),
};

const as_metric_ops as_agreement_metrics[] = {
    RANKS("kappa_linear", APART_LINEAR, LINE_LINEAR),
    RANKS("kappa_quadratic", APART_QUADRATIC, LINE_QUADRATIC),
    {.name = NULL},
};

static as_rc prepare(as_arena *arena, as_metric *metric, as_err *err) {
    (void)arena;
    const as_setting *labels = &metric->settings[0];
    if (!labels->given) return AS_OK;
    if (labels->text_count < 2 || labels->text_count > LABELS_MAX)
        return as_fail(err, AS_INVALID, "option 'labels' of metric '%s' wants 2 to %d labels",
                       metric->ops->name, LABELS_MAX);
    for (size_t i = 0; i < labels->text_count; i++)
        if (place_of(labels, labels->texts[i]) != i)
            return as_fail(err, AS_INVALID, "option 'labels' of metric '%s' has '%.*s' twice",
                           metric->ops->name, AS_STR_ARG(labels->texts[i]));
    metric->ops = &listed[metric->ops->variant];
    metric->width = 1 + 2 * labels->text_count;
    return AS_OK;
}
