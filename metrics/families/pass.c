// SPDX-License-Identifier: Apache-2.0
// pass.c - several answers to a case: what they come to together.
//
//   pass@K       the chance that at least one of K answers drawn from those there are is right: of
//   n
//                answers, c right, 1 - C(n - c, K) / C(n, K), the unbiased estimate
//   pass_all@K   the chance that all K are right: C(c, K) / C(n, K) (pass^K of tau-bench)
//   majority     whether what most answers say is right; of several that are said most, the mean
//   consistency  the chance that two answers say the same: sum m (m - 1) / (n (n - 1)) over what is
//                said m times; an answer without a prediction agrees with none
// Undefined for fewer than K (2) answers. Answers: those of a run with generate.samples; of a
// recorded line `passed`, a list of true and false (of tests that somebody ran), or `outputs`; else
// lines with one id and different `sample`. An answer is right when it is an expected text, outer
// blanks aside. The value is the mean over the cases.
// Sources: Chen et al. 2021 (HumanEval); Yao et al. 2024 (tau-bench); Wang et al. 2023
// (self-consistency).
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/map.h"
#include "metrics/families/text.h"

enum { PASS_ANY, PASS_ALL, MAJORITY, CONSISTENCY };

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

// Product over the K draws of the chance that each is right, given that those before were.
static double pass_all(size_t n, size_t right, size_t k) {
    if (k > n) return NAN;
    double all_right = 1;
    for (size_t i = 0; i < k; i++)
        all_right *= i < right ? (double)(right - i) / (double)(n - i) : 0;
    return all_right;
}

// 1 - product over the K draws of the chance that each is wrong.
static double pass(size_t n, size_t right, size_t k) {
    if (k > n) return NAN;
    if (n - right < k) return 1;
    double all_wrong = 1;
    for (size_t i = n - right + 1; i <= n; i++) all_wrong *= 1 - (double)k / (double)i;
    return 1 - all_wrong;
}

static double of_counts(const as_metric *metric, size_t n, size_t right) {
    return (metric->ops->variant == PASS_ALL ? pass_all : pass)(n, right, metric->k);
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
    } else if (!rc && !sample->line && metric->k > 1 && metric->k > sample->samples) {
        rc = as_fail(err, AS_INVALID,
                     "metric '%.*s' needs %zu answers a case: generate: {samples: %zu}",
                     AS_STR_ARG(metric->name), metric->k, metric->k);
    } else if (!rc) {
        right = sample->has_prediction && is_right(scoring, scoring->prediction);
    }
    // One of several answers: whether it is right; `several` makes the case's score of them.
    bool one = n == 1 && sample->samples > 1;
    if (!rc) *score = one ? (double)right : of_counts(metric, n, right);
    return rc;
}

static double several_passed(const as_metric *metric, const as_answer_score *answers,
                             size_t count) {
    size_t right = 0;
    for (size_t i = 0; i < count; i++) right += answers[i].score >= 1;
    return of_counts(metric, count, right);
}

// Answers that say the same next to each other; those that say nothing are apart.
static int by_words(const void *x, const void *y) {
    const as_answer_score *a = x, *b = y;
    return (a->said > b->said) - (a->said < b->said);
}

// Goes over what is said and how often: the groups of sorted answers.
static size_t group_end(const as_answer_score *sorted, size_t count, size_t from) {
    size_t end = from + 1;
    while (end < count && sorted[end].said != UINT32_MAX && sorted[end].said == sorted[from].said)
        end++;
    return end;
}

static double majority_of(const as_answer_score *sorted, size_t count) {
    size_t most = 0, ties = 0;
    double right = 0;
    for (size_t i = 0, end; i < count; i = end) {
        end = group_end(sorted, count, i);
        if (end - i < most) continue;
        if (end - i > most) most = end - i, ties = 0, right = 0;
        ties++;
        right += sorted[i].score >= 1;
    }
    return ties ? right / (double)ties : NAN;
}

static double consistency_of(const as_answer_score *sorted, size_t count) {
    double same = 0, n = (double)count;
    if (count < 2) return NAN;
    for (size_t i = 0, end; i < count; i = end) {
        end = group_end(sorted, count, i);
        same += (double)(end - i) * (double)(end - i - 1);
    }
    return same / (n * (n - 1));
}

static double several_agreed(const as_metric *metric, const as_answer_score *answers,
                             size_t count) {
    as_arena scratch = {0};
    as_answer_score *sorted = AS_NEW_ARRAY(&scratch, as_answer_score, count + 1);
    if (count) memcpy(sorted, answers, count * sizeof *sorted);
    if (count) qsort(sorted, count, sizeof *sorted, by_words);
    double out = metric->ops->variant == MAJORITY ? majority_of(sorted, count)
                                                  : consistency_of(sorted, count);
    as_arena_free(&scratch);
    return out;
}

// `outputs` of a recorded line, numbered by what they say.
static double of_outputs(const as_metric *metric, const as_scoring *scoring,
                         const as_json *outputs) {
    as_answer_score *answers = AS_NEW_ARRAY(scoring->arena, as_answer_score, outputs->count + 1);
    as_map texts = {0};
    size_t n = 0;
    for (const as_json *m = outputs->child; m; m = m->next) {
        as_str text = as_json_plain(scoring->arena, m);
        uint64_t number = texts.count;
        as_map_add(&texts, text, texts.count, &number);
        answers[n++] = (as_answer_score){is_right(scoring, text), (uint32_t)number};
    }
    as_map_free(&texts);
    return several_agreed(metric, answers, n);
}

static as_rc score_agreed(const as_metric *metric, const as_scoring *scoring, double *score,
                          double *stats, as_err *err) {
    (void)stats;
    const as_sample *sample = scoring->sample;
    const as_json *outputs = as_json_get(sample->line, "outputs");
    bool majority = metric->ops->variant == MAJORITY;
    if (majority && as_text_need(metric, scoring, err)) return AS_INVALID;
    if (outputs && outputs->kind == AS_JSON_ARRAY) {
        *score = of_outputs(metric, scoring, outputs);
    } else if (!sample->line && sample->samples < 2) {
        return as_fail(err, AS_INVALID,
                       "metric '%.*s' needs several answers a case: generate: {samples: 5}",
                       AS_STR_ARG(metric->name));
    } else {
        // Of one answer alone: whether it is right, or that it agrees with itself.
        bool right = sample->has_prediction && is_right(scoring, scoring->prediction);
        *score = majority ? (double)right : sample->samples > 1 ? 1 : NAN;
    }
    return AS_OK;
}

const as_metric_ops as_pass_metrics[] = {
    {.name = "pass@K",
     .text = "mean chance that one of K answers is right (unbiased estimate)",
     .kind = AS_METRIC_MEAN,
     .flags = AS_METRIC_UNIT | AS_METRIC_BOUNDED,
     .score = score_pass,
     .several = several_passed,
     .variant = PASS_ANY},
    {.name = "pass_all@K",
     .text = "mean chance that K answers are all right (unbiased estimate)",
     .kind = AS_METRIC_MEAN,
     .flags = AS_METRIC_UNIT | AS_METRIC_BOUNDED,
     .score = score_pass,
     .several = several_passed,
     .variant = PASS_ALL},
    {.name = "majority",
     .text = "share of the cases where what most answers say is right",
     .kind = AS_METRIC_MEAN,
     .flags = AS_METRIC_UNIT | AS_METRIC_BOUNDED | AS_METRIC_TEXTS,
     .score = score_agreed,
     .several = several_agreed,
     .variant = MAJORITY},
    {.name = "consistency",
     .text = "mean chance that two answers to a case say the same",
     .kind = AS_METRIC_MEAN,
     .flags = AS_METRIC_BOUNDED | AS_METRIC_TEXTS,
     .score = score_agreed,
     .several = several_agreed,
     .variant = CONSISTENCY},
    {.name = NULL},
};
