// SPDX-License-Identifier: Apache-2.0
// What is kept of cases on disk gives the same results, to the bit, as what is kept in memory:
// every kind of metric, with weights, clusters, slices, errors and several answers.
#include "tests/metrics/fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/rng.h"
#include "harness/base/spill.h"
#include "metrics/gate.h"
#include "metrics/versus/agreeing.h"
#include "metrics/versus/rank.h"

static const char *const metrics[] = {
    "accuracy", "f1_macro",     "mcc",        "kappa_quadratic", "exact_match", "token_f1",
    "bleu",     "rougeL",       "roc_auc",    "latency.p95",     "ttft.mean",   "cost.per_correct",
    "errors",   "latency.mean", "cost.total", "latency.max",     NULL};

static const char *const gates[] = {
    "accuracy >= 0.1",         "f1_macro drop <= 0.05",   "accuracy[tag=x] drop <= 0.1 prove",
    "latency.p95 rise <= 50%", "exact_match every >= 0",  "cost.per_correct <= 3",
    "latency.mean rise <= 1%", "latency.max rise <= 10%", NULL};

typedef struct shape {
    size_t cases, samples;
    bool weights, clusters, errors;
} shape;

static void fill(as_scorer *scorer, as_agreeing *agreeing, bool base, const shape *s,
                 uint64_t seed) {
    static const char *const labels[] = {"red", "green", "blue"};
    static const as_str choices[] = {{"red", 3}, {"green", 5}, {"blue", 4}};
    as_rng rng = as_rng_of(seed, s->cases);
    as_arena arena = {0};
    for (size_t i = 0; i < s->cases; i++) {
        size_t number = i * 7919 % s->cases; // not in their order
        as_rng of_case = as_rng_of(3, number);
        size_t gold = (size_t)as_rng_below(&of_case, 3);
        uint64_t cluster = as_rng_below(&of_case, s->cases / 3 + 1);
        double weight = (double)(1 + as_rng_below(&of_case, 3)) / 2;
        for (size_t k = 0; k < s->samples; k++) {
            size_t said = as_rng_unit(&rng) < 0.7 ? gold : (size_t)as_rng_below(&rng, 3);
            char id[32], name[32];
            snprintf(id, sizeof id, "case-%zu", number);
            snprintf(name, sizeof name, "doc %llu", (unsigned long long)cluster);
            as_sample sample = fixture_sample(
                &arena, id, as_strf(&arena, "\"%s\"", labels[gold]).ptr, labels[said]);
            double logs[3];
            for (size_t c = 0; c < 3; c++) logs[c] = as_rng_unit(&rng) + (c == said ? 1 : 0);
            as_str slices[] = {AS_STR("tag=x"), AS_STR("tag=y")};
            sample.sample = k;
            sample.samples = s->samples;
            sample.choices = choices;
            sample.choice_logprobs = logs;
            sample.choice_count = 3;
            sample.latency_ms = floor(as_rng_unit(&rng) * 2000) / (number % 5 ? 16 : 1);
            sample.ttft_ms = sample.latency_ms / 2;
            sample.tokens_out = 5;
            sample.cost = as_rng_unit(&rng);
            if (s->weights) sample.weight = weight;
            if (s->clusters && cluster % 4) sample.cluster = as_str_of(name);
            if (s->errors && as_rng_below(&rng, 50) == 0) sample.outcome = AS_OUT_TIMEOUT;
            sample.slices = slices;
            sample.slice_count = number % 3;
            fixture_add(scorer, &arena, sample);
            (base ? as_agreeing_base : as_agreeing_add)(agreeing, &sample);
        }
        as_arena_reset(&arena);
    }
    as_arena_free(&arena);
}

static void write_number(as_buf *out, const char *name, double value) {
    as_buff(out, " %s %a", name, value);
}

static void write_deltas(as_buf *out, const as_delta *deltas, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const as_delta *d = &deltas[i];
        as_buff(out, "\n%.*s[%.*s] %llu %llu %llu %.*s", AS_STR_ARG(d->name), AS_STR_ARG(d->slice),
                (unsigned long long)d->n, (unsigned long long)d->broke,
                (unsigned long long)d->fixed, AS_STR_ARG(d->method));
        const double all[] = {d->a, d->b, d->delta, d->ci.lo, d->ci.hi, d->p, d->p_drop, d->mde};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) write_number(out, "", all[k]);
    }
}

// Everything that can be asked of two runs, as text.
static void run(as_buf *out, const shape *s, size_t room) {
    as_arena arena = {0};
    as_spill_limit(room);
    as_scorer *a = fixture_scorer(&arena, metrics), *b = fixture_scorer(&arena, metrics);
    as_agreeing *agreeing = as_agreeing_new();
    fill(a, agreeing, true, s, 5);
    fill(b, agreeing, false, s, 6);
    as_summary summary = {.wall_s = 1};
    as_scorer_summarize(b, &arena, &summary);
    as_gate_spec specs[sizeof gates / sizeof *gates];
    as_err err = {0};
    size_t count = 0;
    for (; gates[count]; count++)
        if (as_gate_parse(&arena, as_str_of(gates[count]), &specs[count], &err))
            fail_msg("%s", err.text);
    as_gate_judge(&arena, specs, count, &summary, b, a, AS_STR("base"), &summary.gate);
    as_summary_write(out, &summary);
    const as_delta *deltas;
    as_compare(&arena, a, b, true, &deltas, &count);
    write_deltas(out, deltas, count);
    as_delta ratio = as_rank_ratio(&arena, a, b, AS_STR("latency.mean"));
    write_deltas(out, &ratio, 1);
    as_agreement agreement = as_agreeing_result(agreeing, &arena);
    as_buff(out, "\nagree %llu of %llu, worst %.*s", (unsigned long long)agreement.same,
            (unsigned long long)agreement.cases, AS_STR_ARG(agreement.kl_worst));
    write_number(out, "kl", agreement.kl_mean);
    write_number(out, "case-3", as_scorer_case(b, AS_STR("case-3")));
    write_number(out, "no case", as_scorer_case(b, AS_STR("case-none")));
    const double *times;
    as_scorer_latencies(b, &arena, &times, &count);
    for (size_t i = 0; i < count; i += 97) write_number(out, "ms", times[i]);
    as_confusion confusion;
    as_scorer_confusion(b, &arena, &confusion);
    for (size_t i = 0; i < confusion.count * confusion.count; i++)
        as_buff(out, " %llu", (unsigned long long)confusion.cells[i]);
    as_scorer_free(a);
    as_scorer_free(b);
    as_agreeing_free(agreeing);
    as_arena_free(&arena);
}

static void test_same_results(void **state) {
    (void)state;
    static const shape shapes[] = {
        {120, 1, false, false, false}, {100, 1, true, false, true}, {100, 1, true, true, false},
        {50, 3, false, false, true},   {50, 3, true, true, true},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        as_buf memory = {0}, disk = {0};
        run(&memory, &shapes[i], (size_t)1 << 30);
        run(&disk, &shapes[i], 0);
        assert_true(memory.len > 5000 && !strstr(memory.ptr, "no_baseline"));
        if (!as_str_eq(as_buf_view(&memory), as_buf_view(&disk)))
            fail_msg("shape %zu: in memory %s\n\nspilled: %s", i, memory.ptr, disk.ptr);
        as_buf_free(&memory);
        as_buf_free(&disk);
    }
    as_spill_limit(AS_SPILL_BUDGET);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_results)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
