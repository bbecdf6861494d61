// SPDX-License-Identifier: Apache-2.0
// pass.c - pass@K: the chance that at least one of K answers drawn from those there are is right.
//
// With n answers, c of them right: 1 - C(n - c, K) / C(n, K), the unbiased estimate; undefined for
// K > n. Answers: `passed` of the line, a list of true and false (of tests that somebody ran); else
// `outputs` of the line, else the one answer, each right when it is an expected text, outer blanks
// aside. The value is the mean over the cases. Source: Chen et al. 2021 (HumanEval).
#include <math.h>

#include "metrics/families/text.h"

static as_rc count_passed(const as_metric *metric, const as_json *list, size_t *right,
                          as_err *err) {
    for (const as_json *m = list->child; m; m = m->next) {
        if (m->kind != AS_JSON_BOOL)
            return as_fail(err, AS_INVALID,
                           "metric '%.*s': 'passed' must be a list of true and false, not of %s",
                           AS_STR_ARG(metric->name), as_json_kind_name(m->kind));
        *right += m->boolean;
    }
    return AS_OK;
}

static bool is_right(const as_scoring *scoring, as_str answer) {
    for (size_t i = 0; i < scoring->gold_count; i++)
        if (as_str_eq(as_text_strip(scoring->golds[i]), as_text_strip(answer))) return true;
    return false;
}

// 1 - product over the K draws of the chance that each is wrong.
static double pass(size_t n, size_t right, size_t k) {
    if (k > n) return NAN;
    if (n - right < k) return 1;
    double all_wrong = 1;
    for (size_t i = n - right + 1; i <= n; i++) all_wrong *= 1 - (double)k / (double)i;
    return 1 - all_wrong;
}

static as_rc score_pass(const as_metric *metric, const as_scoring *scoring, double *score,
                        double *stats, as_err *err) {
    (void)stats;
    const as_sample *sample = scoring->sample;
    const as_json *passed = as_json_get(sample->line, "passed");
    const as_json *outputs = as_json_get(sample->line, "outputs");
    size_t n = 1, right = 0;
    as_rc rc = AS_OK;
    if (passed && passed->kind == AS_JSON_ARRAY) {
        n = passed->count;
        rc = count_passed(metric, passed, &right, err);
    } else if (!(rc = as_text_need(metric, scoring, err)) && outputs &&
               outputs->kind == AS_JSON_ARRAY) {
        n = outputs->count;
        for (const as_json *m = outputs->child; m; m = m->next)
            right += is_right(scoring, as_json_plain(scoring->arena, m));
    } else if (!rc && !sample->line && metric->k > 1) {
        rc = as_fail(err, AS_INVALID,
                     "metric '%.*s' needs %zu answers a case; a run has one, recorded answers can "
                     "have more (assay score)",
                     AS_STR_ARG(metric->name), metric->k);
    } else if (!rc) {
        right = sample->has_prediction && is_right(scoring, scoring->prediction);
    }
    if (!rc) *score = pass(n, right, metric->k);
    return rc;
}

const as_metric_ops as_pass_metrics[] = {
    {.name = "pass@K",
     .text = "mean chance that one of K answers is right (unbiased estimate)",
     .kind = AS_METRIC_MEAN,
     .flags = AS_METRIC_UNIT | AS_METRIC_BOUNDED,
     .score = score_pass},
    {.name = NULL},
};
