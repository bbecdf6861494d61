// SPDX-License-Identifier: Apache-2.0
// calibration.c - does the model know how sure it is? Needs the log-probabilities of the choices;
// a case without them, or whose expected label is no choice, has no score.
#include <math.h>

#include "metrics/metric.h"
#include "metrics/num.h"

enum { BIN_CASES, BIN_HITS, BIN_SURE, BIN_WIDTH, BINS_MAX = 100 };

// Sum over the choices of (p - y)^2, halved for two choices so that it is the binary score in 0..1
// (Brier 1950; scikit-learn's scale_by_half="auto").
static double brier(const as_scoring *scoring) {
    as_num_sum sum = {0};
    size_t count = scoring->sample->choice_count;
    for (size_t i = 0; i < count; i++) {
        double error = scoring->probabilities[i] - (i == scoring->gold_choice ? 1 : 0);
        as_num_add(&sum, error * error);
    }
    return as_num_total(&sum) / (count == 2 ? 2 : 1);
}

// -ln p of the expected choice; p no smaller than a double's resolution, as scikit-learn clips it.
static double log_loss(const as_scoring *scoring) {
    double p = scoring->probabilities[scoring->gold_choice];
    return -as_num_log(p < 2.220446049250313e-16 ? 2.220446049250313e-16 : p);
}

static as_rc score_proper(const as_metric *metric, const as_scoring *scoring, double *score,
                          double *stats, as_err *err) {
    (void)stats, (void)err;
    if (!scoring->probabilities || scoring->gold_choice == SIZE_MAX) return AS_OK;
    *score = metric->ops->variant ? log_loss(scoring) : brier(scoring);
    return AS_OK;
}

static size_t bin_count(const as_metric *metric) {
    return (size_t)metric->settings[0].number;
}

// Bins (lo, hi] of the best choice's probability (Guo et al. 2017).
static as_rc score_ece(const as_metric *metric, const as_scoring *scoring, double *score,
                       double *stats, as_err *err) {
    (void)err;
    if (!scoring->probabilities || scoring->gold_choice == SIZE_MAX) return AS_OK;
    double sure = scoring->probabilities[scoring->best_choice];
    bool hit = scoring->best_choice == scoring->gold_choice;
    size_t bin = 0;
    while (bin + 1 < bin_count(metric) && sure > (double)(bin + 1) / (double)bin_count(metric))
        bin++;
    stats[bin * BIN_WIDTH + BIN_CASES] = 1;
    stats[bin * BIN_WIDTH + BIN_HITS] = hit;
    stats[bin * BIN_WIDTH + BIN_SURE] = sure;
    *score = fabs(sure - hit);
    return AS_OK;
}

static double value_of_ece(const as_metric *metric, const double *tally, size_t label_count) {
    (void)label_count;
    as_num_sum gap = {0}, cases = {0};
    for (size_t i = 0; i < bin_count(metric); i++, tally += BIN_WIDTH) {
        as_num_add(&gap, fabs(tally[BIN_HITS] - tally[BIN_SURE]));
        as_num_add(&cases, tally[BIN_CASES]);
    }
    return as_num_total(&cases) > 0 ? as_num_total(&gap) / as_num_total(&cases) : NAN;
}

static const as_setting_spec ece_settings[] = {
    {.name = "bins", .kind = AS_SETTING_COUNT, .low = 1, .high = BINS_MAX, .otherwise = 15},
    {.name = NULL},
};

static const as_bin *bins_of_ece(as_arena *arena, const as_metric *metric, const double *tally,
                                 size_t *count) {
    *count = bin_count(metric);
    as_bin *out = AS_NEW_ARRAY(arena, as_bin, *count + 1);
    for (size_t i = 0; i < *count; i++, tally += BIN_WIDTH) {
        double cases = tally[BIN_CASES];
        out[i] = (as_bin){.lo = (double)i / (double)*count,
                          .hi = (double)(i + 1) / (double)*count,
                          .cases = cases,
                          .confidence = tally[BIN_SURE] / cases,
                          .accuracy = tally[BIN_HITS] / cases};
    }
    return out;
}

static as_rc prepare_ece(as_arena *arena, as_metric *metric, as_err *err) {
    (void)arena, (void)err;
    metric->width = BIN_WIDTH * bin_count(metric);
    return AS_OK;
}

const as_metric_ops as_calibration_metrics[] = {
    {.name = "brier",
     .text = "mean squared error of the choices' probabilities; lower is better",
     .kind = AS_METRIC_MEAN,
     .flags = AS_METRIC_LOWER,
     .score = score_proper,
     .variant = 0},
    {.name = "log_loss",
     .text = "mean -ln of the expected choice's probability; lower is better",
     .kind = AS_METRIC_MEAN,
     .flags = AS_METRIC_LOWER,
     .score = score_proper,
     .variant = 1},
    {.name = "ece",
     .text = "expected calibration error in equal bins of probability; lower is better",
     .kind = AS_METRIC_CORPUS,
     .flags = AS_METRIC_LOWER | AS_METRIC_BOUNDED,
     .settings = ece_settings,
     .prepare = prepare_ece,
     .score = score_ece,
     .value = value_of_ece,
     .bins = bins_of_ece},
    {.name = NULL},
};
