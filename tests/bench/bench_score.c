// SPDX-License-Identifier: Apache-2.0
// Scoring of pairs in memory, beside nothing else: what `assay score` costs without its reading.
//
//   build/bench_score [PAIRS [LABELS]]
//
// Time of scoring all pairs, and of values, intervals and the confusion matrix: by every metric of
// classes, and of pairs of two classes with a probability each by every metric of classification.
// Ids come in the order of the cases, then in none.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "harness/base/rng.h"
#include "metrics/num.h"
#include "metrics/scorer.h"

static const char *const names[] = {"accuracy",
                                    "balanced_accuracy",
                                    "mcc",
                                    "kappa",
                                    "kappa_linear",
                                    "kappa_quadratic",
                                    "f1_macro",
                                    "f1_micro",
                                    "f1_weighted",
                                    "precision_macro",
                                    "precision_micro",
                                    "precision_weighted",
                                    "recall_macro",
                                    "recall_micro",
                                    "recall_weighted",
                                    "roc_auc",
                                    "average_precision",
                                    "brier",
                                    "log_loss",
                                    "ece",
                                    "ace"};
enum { METRICS = sizeof names / sizeof *names, OF_CLASSES = 15 };

typedef struct pairs {
    as_arena arena;
    as_sample *samples;
    size_t count, metrics;
    const char *what;
} pairs;

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// Nine in ten say what is expected, the rest anything.
static pairs make(size_t count, size_t labels, bool sure, bool shuffled) {
    pairs out = {.count = count,
                 .metrics = sure ? METRICS : OF_CLASSES,
                 .what = shuffled ? "ids in no order" : "ids in order"};
    as_json **golds = AS_NEW_ARRAY(&out.arena, as_json *, labels);
    as_str *choices = AS_NEW_ARRAY(&out.arena, as_str, labels);
    out.samples = AS_NEW_ARRAY(&out.arena, as_sample, count);
    for (size_t i = 0; i < labels; i++) {
        choices[i] = as_strf(&out.arena, "intent_%02zu", i);
        golds[i] = as_json_new_str(&out.arena, choices[i]);
    }
    as_rng rng = as_rng_of(1, 1);
    for (size_t i = 0; i < count; i++) {
        size_t gold = i * 7919 % labels;
        size_t said = as_rng_unit(&rng) < 0.9 ? gold : (size_t)as_rng_below(&rng, labels);
        out.samples[i] =
            (as_sample){.id = as_strf(&out.arena, "c%07zu", shuffled ? i * 7368787 % count : i),
                        .expected = golds[gold],
                        .prediction = choices[said],
                        .has_prediction = true,
                        .latency_ms = NAN, // pairs alone: nobody was waited for
                        .ttft_ms = NAN,
                        .weight = 1};
        if (!sure) continue;
        double p = 0.5 + as_rng_unit(&rng) / 2, *logs = AS_NEW_ARRAY(&out.arena, double, 2);
        logs[said] = as_num_log(p);
        logs[!said] = as_num_log(1 - p);
        out.samples[i].choices = choices;
        out.samples[i].choice_logprobs = logs;
        out.samples[i].choice_count = 2;
    }
    return out;
}

static as_rc measure(pairs *p, as_err *err) {
    as_metric_spec specs[METRICS];
    as_scorer *scorer;
    as_summary summary = {.wall_s = 1};
    as_confusion confusion;
    for (size_t i = 0; i < METRICS; i++) specs[i] = (as_metric_spec){.name = as_str_of(names[i])};
    double start = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    as_rc rc = as_scorer_new(specs, p->metrics, &scorer, err);
    if (rc) return rc;
    for (size_t i = 0; !rc && i < p->count; i++)
        rc = as_scorer_add(scorer, NULL, &p->samples[i], err);
    double scored = seconds(CLOCK_MONOTONIC);
    as_scorer_summarize(scorer, &p->arena, &summary);
    as_scorer_confusion(scorer, &p->arena, &confusion);
    double done = seconds(CLOCK_MONOTONIC), spent = seconds(CLOCK_PROCESS_CPUTIME_ID);
    printf("%zu pairs of %zu classes, %s, %zu metrics: scored in %.2f s, values and intervals %.2f "
           "s, together %.2f s (CPU %.2f s); accuracy %.6f [%.6f, %.6f]\n",
           p->count, confusion.count, p->what, p->metrics, scored - start, done - scored,
           done - start, spent - cpu, summary.metrics[0].value, summary.metrics[0].ci.lo,
           summary.metrics[0].ci.hi);
    as_scorer_free(scorer);
    return rc;
}

int main(int argc, char **argv) {
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    size_t labels = argc > 2 ? strtoul(argv[2], NULL, 10) : 24;
    as_err err = {0};
    as_rc rc = AS_OK;
    for (int way = 0; !rc && way < (argc > 3 ? 2 : 4); way++) {
        pairs p = make(count, way < 2 ? labels : 2, way >= 2, way % 2);
        rc = measure(&p, &err);
        as_arena_free(&p.arena);
    }
    if (rc) fprintf(stderr, "bench_score: %s\n", err.text);
    return rc != AS_OK;
}
