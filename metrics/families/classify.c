// SPDX-License-Identifier: Apache-2.0
// classify.c - metrics of single-label classification, as scikit-learn defines them.
//
// Labels are those that occur in the expected values or the predictions of the cases looked at, in
// byte order. A case without a prediction is a miss of its class and no hit of any other: it counts
// against recall and accuracy, and is no class of its own in macro averages.
// Source: scikit-learn 1.5, sklearn/metrics/_classification.py.
#include <math.h>

#include "metrics/metric.h"
#include "metrics/num.h"

// Weights that should cancel may leave this much.
#define PRESENT_MIN 1e-9
#define ZERO_SHARE 1e-13

enum { PRECISION = 1, RECALL = 2, F1 = 3, MICRO = 0, MACRO = 16, WEIGHTED = 32 };

static double ratio(double above, double below, double zero_division) {
    return below > PRESENT_MIN ? above / below : zero_division;
}

// One class, or the sums over all of them.
static double prf(const as_metric *metric, double hit, double gold, double pred) {
    static const double undefined[] = {0, 1, NAN};
    double zero_division = undefined[(int)metric->settings[0].number];
    switch (metric->ops->variant & 15) {
    case PRECISION:
        return ratio(hit, pred, zero_division);
    case RECALL:
        return ratio(hit, gold, zero_division);
    default:
        return ratio(2 * hit, gold + pred, zero_division);
    }
}

static double prf_micro(const as_metric *metric, const double *tally, size_t label_count) {
    as_num_sum hit = {0}, gold = {0}, pred = {0};
    for (size_t i = 0; i < label_count; i++, tally += AS_LABEL_WIDTH) {
        as_num_add(&hit, tally[AS_LABEL_HIT]);
        as_num_add(&gold, tally[AS_LABEL_GOLD]);
        as_num_add(&pred, tally[AS_LABEL_PRED]);
    }
    if (!(as_num_total(&gold) > PRESENT_MIN)) return NAN;
    return prf(metric, as_num_total(&hit), as_num_total(&gold), as_num_total(&pred));
}

static double prf_average(const as_metric *metric, const double *tally, size_t label_count) {
    bool weighted = metric->ops->variant & WEIGHTED;
    as_num_sum sum = {0};
    double total = 0;
    for (size_t i = 0; i < label_count; i++, tally += AS_LABEL_WIDTH) {
        double gold = tally[AS_LABEL_GOLD], pred = tally[AS_LABEL_PRED];
        if (gold + pred <= PRESENT_MIN) continue;
        double of_class = prf(metric, tally[AS_LABEL_HIT], gold, pred);
        if (isnan(of_class)) continue; // zero_division: nan leaves the class out
        double weight = weighted ? gold : 1;
        as_num_add(&sum, weight * of_class);
        total += weight;
    }
    return total > PRESENT_MIN ? as_num_total(&sum) / total : NAN;
}

static double balanced_accuracy(const as_metric *metric, const double *tally, size_t label_count) {
    (void)metric;
    as_num_sum sum = {0};
    double classes = 0;
    for (size_t i = 0; i < label_count; i++, tally += AS_LABEL_WIDTH) {
        if (tally[AS_LABEL_GOLD] <= PRESENT_MIN) continue;
        as_num_add(&sum, tally[AS_LABEL_HIT] / tally[AS_LABEL_GOLD]);
        classes++;
    }
    return classes > 0 ? as_num_total(&sum) / classes : NAN;
}

// What MCC and kappa need. Cases without a prediction stand in a column of their own.
typedef struct margins {
    double n, hits, expected; // expected: sum of gold * pred
    double gold2, pred2;      // sums of squares
} margins;

static margins margins_of(const double *tally, size_t label_count) {
    margins m = {0};
    double pred = 0;
    for (size_t i = 0; i < label_count; i++, tally += AS_LABEL_WIDTH) {
        m.n += tally[AS_LABEL_GOLD];
        m.hits += tally[AS_LABEL_HIT];
        m.expected += tally[AS_LABEL_GOLD] * tally[AS_LABEL_PRED];
        m.gold2 += tally[AS_LABEL_GOLD] * tally[AS_LABEL_GOLD];
        m.pred2 += tally[AS_LABEL_PRED] * tally[AS_LABEL_PRED];
        pred += tally[AS_LABEL_PRED];
    }
    m.pred2 += (m.n - pred) * (m.n - pred);
    return m;
}

// Matthews correlation for several classes (Gorodkin 2004, R_K); 0 where it would be 0/0.
static double mcc(const as_metric *metric, const double *tally, size_t label_count) {
    (void)metric;
    margins m = margins_of(tally, label_count);
    double n2 = m.n * m.n, pred = n2 - m.pred2, gold = n2 - m.gold2;
    if (!(m.n > PRESENT_MIN)) return NAN;
    if (pred <= ZERO_SHARE * n2 || gold <= ZERO_SHARE * n2) return 0;
    return (m.n * m.hits - m.expected) / sqrt(pred * gold);
}

// Cohen's kappa (1960); undefined where chance alone explains all.
static double kappa(const as_metric *metric, const double *tally, size_t label_count) {
    (void)metric;
    margins m = margins_of(tally, label_count);
    double n2 = m.n * m.n, room = n2 - m.expected;
    if (!(m.n > PRESENT_MIN)) return NAN;
    return room > ZERO_SHARE * n2 ? (m.n * m.hits - m.expected) / room : NAN;
}

static as_rc score_label(const as_metric *metric, const as_scoring *scoring, double *score,
                         double *stats, as_err *err) {
    (void)stats;
    if (!scoring->gold_count)
        return as_fail(err, AS_INVALID,
                       "metric '%s' needs 'expected' to be a label or a list of labels, not %s",
                       metric->ops->name,
                       scoring->sample->expected
                           ? as_json_kind_name(scoring->sample->expected->kind)
                           : "missing");
    *score = 0;
    if (!scoring->sample->has_prediction) return AS_OK;
    for (size_t i = 0; i < scoring->gold_count; i++)
        if (as_str_eq(scoring->golds[i], scoring->prediction)) *score = 1;
    return AS_OK;
}

// What 0/0 is.
static const char *const zero_divisions[] = {"0", "1", "nan", NULL};
static const as_setting_spec prf_settings[] = {
    {.name = "zero_division", .kind = AS_SETTING_CHOICE, .choices = zero_divisions},
    {.name = NULL},
};

#define LABELS (AS_METRIC_UNIT | AS_METRIC_LABELS | AS_METRIC_CLASSES | AS_METRIC_HIT)
#define PRF(metric_name, what, average, function, line)                                            \
    {                                                                                              \
        .name = metric_name, .text = line, .kind = AS_METRIC_CORPUS,                               \
        .flags = LABELS | AS_METRIC_BOUNDED, .settings = prf_settings, .score = score_label,       \
        .value = function, .variant = what | average                                               \
    }

const as_metric_ops as_classify_metrics[] = {
    {.name = "accuracy",
     .text = "share of cases whose prediction is the expected label",
     .kind = AS_METRIC_MEAN,
     .flags = AS_METRIC_UNIT | AS_METRIC_BOUNDED | AS_METRIC_CLASSES | AS_METRIC_HIT,
     .score = score_label},
    {.name = "balanced_accuracy",
     .text = "mean recall of the classes that are expected anywhere",
     .kind = AS_METRIC_CORPUS,
     .flags = LABELS | AS_METRIC_BOUNDED,
     .score = score_label,
     .value = balanced_accuracy},
    PRF("precision_micro", PRECISION, MICRO, prf_micro, "precision over all answers together"),
    PRF("precision_macro", PRECISION, MACRO, prf_average, "mean of the classes' precisions"),
    PRF("precision_weighted", PRECISION, WEIGHTED, prf_average,
        "mean of the classes' precisions, weighted by how often each is expected"),
    PRF("recall_micro", RECALL, MICRO, prf_micro, "recall over all cases together"),
    PRF("recall_macro", RECALL, MACRO, prf_average, "mean of the classes' recalls"),
    PRF("recall_weighted", RECALL, WEIGHTED, prf_average,
        "mean of the classes' recalls, weighted by how often each is expected"),
    PRF("f1_micro", F1, MICRO, prf_micro, "F1 over all cases together"),
    PRF("f1_macro", F1, MACRO, prf_average, "mean of the classes' F1"),
    PRF("f1_weighted", F1, WEIGHTED, prf_average,
        "mean of the classes' F1, weighted by how often each is expected"),
    {.name = "mcc",
     .text = "Matthews correlation of expected and predicted labels, -1 to 1",
     .kind = AS_METRIC_CORPUS,
     .flags = LABELS | AS_METRIC_SIGNED,
     .score = score_label,
     .value = mcc},
    {.name = "kappa",
     .text = "Cohen's kappa: agreement beyond chance",
     .kind = AS_METRIC_CORPUS,
     .flags = LABELS | AS_METRIC_SIGNED,
     .score = score_label,
     .value = kappa},
    {.name = NULL},
};
