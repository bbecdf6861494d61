// SPDX-License-Identifier: Apache-2.0
// Scoring of pairs in memory, beside nothing else: what `assay score` costs without its reading.
//
//   build/bench_score [PAIRS [LABELS]]
//
// Processor time of scoring all pairs by every metric of classes, and of values and intervals.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "harness/base/rng.h"
#include "metrics/scorer.h"

static const char *const names[] = {
    "accuracy",        "balanced_accuracy",  "mcc",          "kappa",        "kappa_linear",
    "kappa_quadratic", "f1_macro",           "f1_micro",     "f1_weighted",  "precision_macro",
    "precision_micro", "precision_weighted", "recall_macro", "recall_micro", "recall_weighted"};
enum { METRICS = sizeof names / sizeof *names };

static double seconds(void) {
    return (double)clock() / CLOCKS_PER_SEC;
}

int main(int argc, char **argv) {
    size_t pairs = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    size_t labels = argc > 2 ? strtoul(argv[2], NULL, 10) : 24;
    as_arena arena = {0}, scratch = {0};
    as_err err = {0};
    as_metric_spec specs[METRICS];
    for (size_t i = 0; i < METRICS; i++) specs[i] = (as_metric_spec){.name = as_str_of(names[i])};
    as_json **golds = AS_NEW_ARRAY(&arena, as_json *, labels);
    for (size_t i = 0; i < labels; i++)
        golds[i] = as_json_new_str(&arena, as_strf(&arena, "intent_%02zu", i));
    as_sample *samples = AS_NEW_ARRAY(&arena, as_sample, pairs);
    as_rng rng = as_rng_of(1, 1);
    for (size_t i = 0; i < pairs; i++) {
        size_t gold = i * 7919 % labels;
        size_t said = as_rng_unit(&rng) < 0.9 ? gold : (size_t)as_rng_below(&rng, labels);
        samples[i] = (as_sample){.id = as_strf(&arena, "c%07zu", i),
                                 .expected = golds[gold],
                                 .prediction = golds[said]->text,
                                 .has_prediction = true,
                                 .latency_ms = NAN, // pairs alone: nobody was waited for
                                 .ttft_ms = NAN,
                                 .weight = 1};
    }
    double start = seconds();
    as_scorer *scorer;
    if (as_scorer_new(specs, METRICS, &scorer, &err)) return 1;
    for (size_t i = 0; i < pairs; i++) {
        if (as_scorer_add(scorer, &scratch, &samples[i], &err)) return 1;
        as_arena_reset(&scratch);
    }
    double scored = seconds();
    as_summary summary = {.wall_s = 1};
    as_scorer_summarize(scorer, &arena, &summary);
    double done = seconds();
    printf(
        "%zu pairs, %d metrics: scored in %.2f s, values and intervals %.2f s, together %.2f s\n",
        pairs, METRICS, scored - start, done - scored, done - start);
    printf("accuracy %.6f [%.6f, %.6f]\n", summary.metrics[0].value, summary.metrics[0].ci.lo,
           summary.metrics[0].ci.hi);
    as_scorer_free(scorer);
    as_arena_free(&scratch);
    as_arena_free(&arena);
    return 0;
}
