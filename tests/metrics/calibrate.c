// SPDX-License-Identifier: Apache-2.0
// How often verdicts and intervals are wrong, by simulation. Built with the tests, not run by them:
//
//   build/tests/calibrate [RUNS [NAME | sequential]]
//
// A line a scenario. FAIL at no change and PASS at a drop as large as the margin are errors; each
// should stay at or below 5 %. POWER is FAIL at that drop. Seeded: the same counts everywhere.
#include "tests/metrics/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"
#include "metrics/gate.h"
#include "metrics/gates/eprocess.h"
#include "metrics/gates/sequential.h"

typedef struct scenario scenario;
struct scenario {
    const char *name, *metric;
    // Scores of one case in both runs; `drop` is the true change for the worse.
    void (*draw)(const scenario *s, as_rng *rng, double drop, double way, int *a, int *b);
    size_t n, cluster_size;
    double flips, margin, right;
    bool weights;
};

// Independent flips, symmetric when there is no drop.
static void draw_flips(const scenario *s, as_rng *rng, double drop, double way, int *a, int *b) {
    (void)way;
    bool flip = as_rng_unit(rng) < s->flips;
    bool broke = as_rng_unit(rng) < (1 + drop / s->flips) / 2;
    *a = flip ? 4 * broke : 4 * (as_rng_unit(rng) < s->right);
    *b = flip ? 4 - *a : *a;
}

// Flips of one cluster go the same way 9 times in 10; `way` in 0..1 decides which.
static void draw_cluster(const scenario *s, as_rng *rng, double drop, double way, int *a, int *b) {
    bool flip = as_rng_unit(rng) < s->flips;
    double worse = ((1 + drop / s->flips) / 2 - 0.1) / 0.8;
    bool broke = as_rng_unit(rng) < (way < worse ? 0.9 : 0.1);
    *a = flip ? 4 * broke : 4 * (as_rng_unit(rng) < s->right);
    *b = flip ? 4 - *a : *a;
}

// A cluster flips as a whole or not at all.
static void draw_whole(const scenario *s, as_rng *rng, double drop, double way, int *a, int *b) {
    double broke = (s->flips + drop) / 2;
    *a = way < broke ? 4 : way < s->flips ? 0 : 4 * (as_rng_unit(rng) < s->right);
    *b = way < broke ? 0 : way < s->flips ? 4 : *a;
}

// Scores 0, 1/4 .. 1; changes are small for the better and large for the worse.
static void draw_skewed(const scenario *s, as_rng *rng, double drop, double way, int *a, int *b) {
    (void)way;
    double u = as_rng_unit(rng), fall = s->flips / 4 + drop * 4 / 3;
    *a = 3, *b = 3;
    if (u < fall)
        *b = 0; // -3/4
    else if (u < fall + s->flips * 3 / 4)
        *b = 4; // +1/4
}

// The mirror image.
static void draw_skewed_up(const scenario *s, as_rng *rng, double drop, double way, int *a,
                           int *b) {
    (void)way;
    double u = as_rng_unit(rng), rise = s->flips / 4;
    *a = 1, *b = 1;
    if (u < rise)
        *b = 4; // +3/4
    else if (u < s->flips + 4 * drop)
        *b = 0; // -1/4
}

static const char *const words[] = {"z y x w", "k y x w", "k l x w", "k l m w", "k l m n"};

static as_sample sample_of(const scenario *s, as_arena *arena, size_t i, int score, int gold,
                           as_rng *weight) {
    char id[32], cluster[32] = "";
    snprintf(id, sizeof id, "c%06zu", i);
    if (s->cluster_size) snprintf(cluster, sizeof cluster, "g%zu", i / s->cluster_size);
    static const char *const labels[] = {"\"k0\"", "\"k1\"", "\"k2\"", "\"k3\""};
    static const char *const names[] = {"k0", "k1", "k2", "k3"};
    bool text = strcmp(s->metric, "token_f1") == 0;
    as_sample out =
        text ? fixture_sample(arena, id, "\"k l m n\"", words[score])
             : fixture_sample(arena, id, labels[gold], names[score == 4 ? gold : (gold + 1) % 4]);
    out.cluster = as_str_copy(arena, as_str_of(cluster));
    if (s->weights) out.weight = 0.5 + 2.5 * as_rng_unit(weight);
    return out;
}

static as_check simulate(const scenario *s, as_rng *rng, double drop, as_value *value) {
    as_arena arena = {0};
    const char *const metrics[] = {s->metric, NULL};
    as_scorer *a = fixture_scorer(&arena, metrics), *b = fixture_scorer(&arena, metrics);
    double way = 0;
    for (size_t i = 0; i < s->n; i++) {
        int x, y, gold = (int)as_rng_below(rng, 100);
        gold = gold < 60 ? 0 : gold < 85 ? 1 : gold < 95 ? 2 : 3;
        if (!s->cluster_size || i % s->cluster_size == 0) way = as_rng_unit(rng);
        s->draw(s, rng, drop, way, &x, &y);
        as_rng weight = *rng, again = *rng;
        fixture_add(a, &arena, sample_of(s, &arena, i, x, gold, &weight));
        fixture_add(b, &arena, sample_of(s, &arena, i, y, gold, &again));
        as_rng_u64(rng);
    }
    as_gate_spec spec;
    as_err err = {0};
    as_summary summary = {0};
    as_gate gate;
    as_str text = as_strf(&arena, "%s drop <= %g", s->metric, s->margin);
    if (as_gate_parse(&arena, text, &spec, &err)) fail_msg("%s", err.text);
    if (value) {
        as_scorer_summarize(a, &arena, &summary);
        *value = summary.metrics[0];
    }
    as_gate_judge(&arena, &spec, 1, &summary, b, a, AS_STR("a"), &gate);
    as_check out = gate.checks[0];
    as_scorer_free(a);
    as_scorer_free(b);
    as_arena_free(&arena);
    return out;
}

static const scenario scenarios[] = {
    {"flips n=20", "accuracy", draw_flips, 20, 0, 0.20, 0.05, 0.8, false},
    {"flips n=50", "accuracy", draw_flips, 50, 0, 0.10, 0.05, 0.8, false},
    {"flips n=100", "accuracy", draw_flips, 100, 0, 0.05, 0.02, 0.8, false},
    {"flips n=100 .20", "accuracy", draw_flips, 100, 0, 0.20, 0.05, 0.8, false},
    {"flips n=500", "accuracy", draw_flips, 500, 0, 0.10, 0.02, 0.8, false},
    {"flips n=500 near 1", "accuracy", draw_flips, 500, 0, 0.02, 0.015, 0.99, false},
    {"flips n=2000", "accuracy", draw_flips, 2000, 0, 0.10, 0.02, 0.8, false},
    {"weighted n=50", "accuracy", draw_flips, 50, 0, 0.10, 0.05, 0.8, true},
    {"weighted n=200", "accuracy", draw_flips, 200, 0, 0.05, 0.03, 0.8, true},
    {"weighted n=500", "accuracy", draw_flips, 500, 0, 0.04, 0.02, 0.8, true},
    {"clusters 8x40", "accuracy", draw_cluster, 320, 40, 0.20, 0.05, 0.8, false},
    {"clusters 20x5", "accuracy", draw_cluster, 100, 5, 0.10, 0.05, 0.8, false},
    {"clusters 50x10", "accuracy", draw_cluster, 500, 10, 0.10, 0.03, 0.8, false},
    {"clusters 200x5", "accuracy", draw_cluster, 1000, 5, 0.05, 0.02, 0.8, false},
    {"whole 30x4", "accuracy", draw_whole, 120, 4, 0.10, 0.05, 0.8, false},
    {"whole 100x5", "accuracy", draw_whole, 500, 5, 0.05, 0.03, 0.8, false},
    {"whole 200x3", "accuracy", draw_whole, 600, 3, 0.03, 0.02, 0.8, false},
    {"skewed n=20", "token_f1", draw_skewed, 20, 0, 0.40, 0.05, 0, false},
    {"skewed n=50", "token_f1", draw_skewed, 50, 0, 0.20, 0.05, 0, false},
    {"skewed n=200", "token_f1", draw_skewed, 200, 0, 0.20, 0.03, 0, false},
    {"skewed n=1000", "token_f1", draw_skewed, 1000, 0, 0.05, 0.01, 0, false},
    {"skewed up n=20", "token_f1", draw_skewed_up, 20, 0, 0.40, 0.05, 0, false},
    {"skewed up n=50", "token_f1", draw_skewed_up, 50, 0, 0.20, 0.05, 0, false},
    {"skewed up n=200", "token_f1", draw_skewed_up, 200, 0, 0.20, 0.03, 0, false},
    {"skewed up n=1000", "token_f1", draw_skewed_up, 1000, 0, 0.05, 0.01, 0, false},
    {"macro-F1 n=100", "f1_macro", draw_flips, 100, 0, 0.10, 0.05, 0.8, false},
    {"macro-F1 n=500", "f1_macro", draw_flips, 500, 0, 0.10, 0.03, 0.8, false},
    {"macro-F1 near 1", "f1_macro", draw_flips, 300, 0, 0.03, 0.02, 0.99, false},
    {"macro-F1 clusters", "f1_macro", draw_cluster, 300, 10, 0.10, 0.05, 0.8, false},
    {"mcc n=200", "mcc", draw_flips, 200, 0, 0.10, 0.05, 0.8, false},
};

// The value that a metric tends to, from one very large run.
static double truth(const scenario *s, double drop) {
    scenario large = *s;
    large.n = s->cluster_size ? s->cluster_size * 20000 : 40000;
    as_rng rng = as_rng_of(99, 1);
    as_arena arena = {0};
    const char *const metrics[] = {s->metric, NULL};
    as_scorer *a = fixture_scorer(&arena, metrics);
    double way = 0;
    as_summary summary = {0};
    for (size_t i = 0; i < large.n; i++) {
        int x, y, gold = (int)as_rng_below(&rng, 100);
        gold = gold < 60 ? 0 : gold < 85 ? 1 : gold < 95 ? 2 : 3;
        if (!s->cluster_size || i % s->cluster_size == 0) way = as_rng_unit(&rng);
        s->draw(s, &rng, drop, way, &x, &y);
        fixture_add(a, &arena, sample_of(&large, &arena, i, drop > 0 ? y : x, gold, &rng));
    }
    as_scorer_summarize(a, &arena, &summary);
    double out = summary.metrics[0].value;
    as_scorer_free(a);
    as_arena_free(&arena);
    return out;
}

// A drop gate of margin 0.02 under sequential looks: how often each e-process stops it, and after
// what share of the cases.
static void sequences(size_t runs) {
    static const struct {
        size_t n;
        double flips, drop;
    } cases[] = {{5000, 0.05, 0},    {5000, 0.10, 0},    {5000, 0.20, 0},    {2000, 0.10, 0},
                 {5000, 0.05, 0.02}, {5000, 0.10, 0.02}, {5000, 0.06, 0.05}, {2000, 0.10, 0.05}};
    printf("\n%-28s %8s %8s %9s\n", "sequential, margin 0.02", "FAIL", "PASS", "stops at");
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        as_rng rng = as_rng_of(2027, c);
        unsigned fails = 0, passes = 0;
        double used = 0;
        for (size_t r = 0; r < runs; r++) {
            as_eprocess pass = as_eprocess_above(0.49, AS_SEQUENTIAL_ALPHA);
            as_eprocess fail = as_eprocess_below(0.50, AS_SEQUENTIAL_ALPHA);
            size_t t = 0;
            while (t < cases[c].n && !pass.refuted && !fail.refuted) {
                double u = as_rng_unit(&rng), broke = (cases[c].flips + cases[c].drop) / 2;
                double d = u < broke ? -1 : u < cases[c].flips ? 1 : 0;
                as_eprocess_add(&pass, (1 + d) / 2);
                as_eprocess_add(&fail, (1 + d) / 2);
                t++;
            }
            fails += fail.refuted;
            passes += pass.refuted && !fail.refuted;
            used += (double)t / (double)cases[c].n;
        }
        double per = 100.0 / (double)runs;
        printf("n=%zu flips=%.2f drop=%.2f   %8.2f%% %7.2f%% %8.1f%%\n", cases[c].n, cases[c].flips,
               cases[c].drop, fails * per, passes * per, used * per);
        fflush(stdout);
    }
}

int main(int argc, char **argv) {
    size_t runs = argc > 1 ? (size_t)atol(argv[1]) : 1000;
    if (argc > 2 && strcmp(argv[2], "sequential") == 0) {
        sequences(runs);
        return 0;
    }
    printf("%-20s %8s %8s %8s %8s %8s %9s\n", "scenario", "FAIL|0", "PASS|0", "PASS|-d", "FAIL|-d",
           "n/a", "coverage");
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        const scenario *s = &scenarios[i];
        if (argc > 2 && !strstr(s->name, argv[2])) continue;
        bool corpus = strcmp(s->metric, "accuracy") != 0 && strcmp(s->metric, "token_f1") != 0;
        size_t times = corpus ? (runs + 3) / 4 : runs;
        unsigned counts[2][5] = {{0}}, covered = 0, errors = 0;
        double value = truth(s, 0);
        // A corpus metric moves by another amount than the accuracy does.
        double margin = s->margin;
        scenario shifted = *s;
        if (corpus) shifted.margin = value - truth(s, margin);
        for (int worse = 0; worse < 2; worse++) {
            as_rng rng = as_rng_of(2026, i * 2 + (size_t)worse);
            for (size_t r = 0; r < times; r++) {
                as_value estimate;
                as_check check =
                    simulate(&shifted, &rng, worse ? margin : 0, worse ? NULL : &estimate);
                counts[worse][check.verdict]++;
                errors += check.verdict == AS_UNMEASURABLE;
                if (!worse) covered += estimate.ci.lo <= value && value <= estimate.ci.hi;
            }
        }
        double per = 100.0 / (double)times;
        printf("%-20s %7.2f%% %7.2f%% %7.2f%% %7.2f%% %8u", s->name, counts[0][AS_FAIL] * per,
               counts[0][AS_PASS] * per, counts[1][AS_PASS] * per, counts[1][AS_FAIL] * per,
               errors);
        if (s->right > 0) // else all cases of the baseline score the same
            printf(" %8.2f%%\n", covered * per);
        else
            printf(" %9s\n", "-");
        fflush(stdout);
    }
    return 0;
}
