// SPDX-License-Identifier: Apache-2.0
#include "tests/reports/sample_run.h"

#include <math.h>
#include <stdlib.h>

#include "harness/base/clock.h"
#include "harness/base/rng.h"

enum { INTENTS = 26, CASES = 1200, FAILURES_MAX = 200 };

static const char *const intents[INTENTS] = {
    "account_closure",  "address_change", "atm_fault",          "balance_enquiry",
    "card_activation",  "card_fee",       "card_lost",          "card_not_working",
    "cash_withdrawal",  "chargeback",     "cheque_deposit",     "credit_limit",
    "direct_debit",     "exchange_rate",  "fraud_report",       "identity_check",
    "interest_rate",    "loan_status",    "login_problem",      "mortgage_advice",
    "overdraft",        "pin_reset",      "refund_not_arrived", "statement_request",
    "transfer_pending", "transfer_wrong"};

// The intent that each is most easily taken for.
static const unsigned char neighbour[INTENTS] = {1,  0, 8,  23, 7,  20, 14, 4, 2,  22, 24, 20, 24,
                                                 16, 6, 18, 13, 19, 15, 17, 5, 18, 9,  3,  25, 24};

static const char *const texts[] = {
    "I moved to Leeds last month and my post still goes to the old flat.",
    "the machine on the corner ate my card and gave me nothing, can someone look at it",
    "Hi, how much is left in my savings? The app shows two different numbers.",
    "My new card came today. The letter says call this number but it just rings.",
    "why was I charged 3.50 for having a card I never use",
    "Left my purse on the 42 bus. Please stop the card before somebody buys a television.",
    "Card declined at the till twice, there is money in the account, what is going on?",
    "Need to dispute a payment to a gym I left in March, they ignore my mails.",
    "can my limit go up to 4000 for the summer, i get paid on the 28th",
    "There is a payment from last night that I did not make. 212 euros, a shop in another country.",
    "You ask me for a photo of my passport AGAIN. I sent it on Monday and on Wednesday.",
    "What would I pay each month if I borrowed 18,000 over five years?",
    "locked out after three tries, the text with the code never comes",
    "Went over by 12 pounds for one day and you took 15 pounds. Explain.",
    "The shop says they refunded me ten days ago. Where is it?",
    "sent the rent to the wrong account, one digit off. how do i get it back today",
    "Transfer to my sister still says pending since Friday. She needs it for the surgery.",
    "Could you post me the statements of the last tax year, on paper, with a stamp?",
};

static as_str text_of(size_t i) {
    return as_str_of(texts[(i * 7 + i / 18) % (sizeof texts / sizeof *texts)]);
}

static as_str intent_of(size_t i) {
    return as_str_of(intents[i]);
}

// The prediction for a case, and whether it is right: hard cases and weak intents miss more.
static size_t predict(as_rng *rng, size_t intent, bool edge, double skill) {
    double miss = (1 - skill) * (edge ? 2.6 : 0.8) * (intent % 5 == 1 ? 1.7 : 0.85);
    if (as_rng_unit(rng) >= miss) return intent;
    if (as_rng_unit(rng) < 0.7) return neighbour[intent];
    return (size_t)as_rng_below(rng, INTENTS);
}

static as_interval wilson(double p, double n) {
    double z = 1.96, d = 1 + z * z / n, c = p + z * z / (2 * n);
    double h = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    return (as_interval){(c - h) / d, (c + h) / d};
}

static as_value value_of(const char *name, double value, double n, const char *method) {
    return (as_value){.name = as_str_of(name),
                      .value = value,
                      .ci = wilson(value, n),
                      .stderr_ = sqrt(value * (1 - value) / n),
                      .n = (uint64_t)n,
                      .method = as_str_of(method),
                      .spec = AS_STR("")};
}

// ---- the summary ----

typedef struct tally {
    uint64_t hits, count;
} tally;

static const char *const slice_names[] = {
    "tag=common",    "tag=critical", "tag=edge", "channel=chat", "channel=email",
    "channel=phone", "lang=de",      "lang=en",  "lang=fr",      "lang=mixed"};
enum { SLICES = 10 };

static const as_value *metrics_of(as_arena *arena, double accuracy, double n, size_t *count) {
    as_value *v = AS_NEW_ARRAY(arena, as_value, 9);
    v[0] = value_of("accuracy", accuracy, n, "cluster t");
    v[1] = value_of("f1_macro", accuracy - 0.013, n, "bootstrap bca");
    v[2] = value_of("balanced_accuracy", accuracy - 0.008, n, "bootstrap bca");
    v[3] = value_of("mcc", accuracy - 0.005, n, "bootstrap bca");
    v[4] = value_of("ece", 0.034, n, "bootstrap bca");
    v[5] = value_of("brier", 0.121, n, "cluster t");
    v[6] = value_of("b4", 0.41, n, "bootstrap bca");
    v[6].value = 41.3, v[6].ci = (as_interval){39.2, 43.6};
    v[6].spec = AS_STR("{\"name\": \"bleu\", \"as\": \"b4\"}");
    v[7] = value_of("perplexity", 0.5, n, "none");
    v[7].value = 7.182, v[7].ci = (as_interval){NAN, NAN};
    v[8] = value_of("kappa", NAN, n, "none");
    *count = 9;
    return v;
}

static void fill_slices(as_arena *arena, as_summary *s, const tally slices[SLICES]) {
    as_slice_values *out = AS_NEW_ARRAY(arena, as_slice_values, SLICES);
    for (size_t i = 0; i < SLICES; i++) {
        double n = (double)slices[i].count;
        as_value *v = AS_NEW_ARRAY(arena, as_value, 2);
        v[0] = value_of("accuracy", (double)slices[i].hits / n, n, "wilson");
        v[1] = value_of("f1_macro", fmax(v[0].value - 0.02, 0), n, "bootstrap bca");
        out[i] = (as_slice_values){as_str_of(slice_names[i]), v, 2};
    }
    s->slices = out;
    s->slice_count = SLICES;
}

static void fill_identity(as_summary *s) {
    s->suite = AS_STR("support-intents");
    s->suite_sha256 = AS_STR("5be1d7f5a1f0c5e2f3f40ee02d9b5ed6eb0f3a0c4b8f8e61d2a7f0a9a8b1c2d3");
    s->suite_path = AS_STR("suites/support-intents/suite.yaml");
    s->description = AS_STR("Tier-1 banking support: one message, 26 intents");
    s->dataset_sha256 = AS_STR("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
    s->dataset_cases = CASES;
    s->target_uri = AS_STR("gguf:golden/models/support-b.gguf?quant=q4_0&threads=2");
    s->model_sha256 = AS_STR("b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9");
    s->model_name = AS_STR("support-b 14M q4_0");
    s->device = AS_STR("cpu, avx2, 2 threads");
    s->engine = AS_STR("assay 0.1.0");
    s->git_commit = AS_STR("4f2c1e09ab77d0c1f6f1d8c3e2b5a49788776655");
    s->git_branch = AS_STR("quantise-q4");
    s->git_dirty = true;
    s->started = AS_STR("2026-11-24T03:04:05.678Z");
    s->wall_s = 41.7;
    s->cases_per_s = 28.8;
    s->tokens_in = 81234, s->tokens_out = 1200;
    s->tokens_in_per_s = 1948, s->tokens_out_per_s = 28.8;
    s->cost_total = NAN, s->cost_per_case = NAN;
    s->currency = AS_STR("USD");
    s->scores_digest = AS_STR("c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2");
}

static as_check drop_check(const char *gate, const char *slice, double now, double base,
                           double limit) {
    return (as_check){.gate = as_str_of(gate),
                      .metric = AS_STR("accuracy"),
                      .slice = as_str_of(slice),
                      .value = now,
                      .baseline = base,
                      .delta = now - base,
                      .limit = limit,
                      .ci = {now - base - 0.019, now - base + 0.017},
                      .p = 0.004,
                      .mde = 0.018,
                      .n = CASES - 4,
                      .method = AS_STR("mcnemar mid-p"),
                      .note = AS_STR("")};
}

static as_check threshold(const char *gate, const char *metric, double now, double limit,
                          as_verdict verdict) {
    return (as_check){.gate = as_str_of(gate),
                      .metric = as_str_of(metric),
                      .slice = AS_STR(""),
                      .value = now,
                      .baseline = NAN,
                      .delta = NAN,
                      .limit = limit,
                      .ci = {now * 0.98, now * 1.02},
                      .p = NAN,
                      .mde = NAN,
                      .n = CASES - 4,
                      .verdict = verdict,
                      .method = AS_STR("threshold"),
                      .note = AS_STR("")};
}

static void fill_gate(as_arena *arena, as_summary *s, double base, const uint64_t flips[2]) {
    as_check *c = AS_NEW_ARRAY(arena, as_check, 6);
    double now = s->metrics[0].value;
    c[0] = threshold("accuracy >= 0.85", "accuracy", now, 0.85, AS_PASS);
    c[1] = threshold("f1_macro >= 0.90", "f1_macro", s->metrics[1].value, 0.90, AS_FAIL);
    c[2] = drop_check("accuracy drop <= 0.01", "", now, base, 0.01);
    c[2].verdict = AS_FAIL, c[2].broke = flips[0], c[2].fixed = flips[1];
    c[3] = drop_check("accuracy[tag=critical] drop <= 0 prove", "tag=critical", 0.893, 0.911, 0);
    c[3].verdict = AS_UNDECIDED, c[3].p = 0.21, c[3].n = 168, c[3].needed = 940, c[3].prove = true;
    c[3].broke = 7, c[3].fixed = 4, c[3].mde = 0.047, c[3].ci = (as_interval){-0.052, 0.016};
    c[4] = threshold("latency.p95 <= 100 ms", "latency.p95", s->latency.p95, 100, AS_PASS);
    c[5] = threshold("errors <= 0.01", "errors", 4.0 / CASES, 0.01, AS_PASS);
    s->gate = (as_gate){AS_FAIL, AS_STR("20261123-181502-7c1d"), c, 6};
}

// ---- the cases ----

typedef struct simulation {
    as_arena *arena;
    as_sample_run *out;
    uint64_t *cells;
    as_failure *failures;
    as_flip *flips;
    double *latencies;
    tally now[SLICES], before[SLICES];
    uint64_t hits, base_hits;
} simulation;

static void count_slices(simulation *sim, const size_t which[3], bool hit, bool base_hit) {
    for (size_t i = 0; i < 3; i++) {
        sim->now[which[i]].count++, sim->before[which[i]].count++;
        sim->now[which[i]].hits += hit, sim->before[which[i]].hits += base_hit;
    }
}

static void keep_failure(simulation *sim, size_t i, size_t intent, size_t got,
                         const size_t which[3], as_rng *rng) {
    as_findings *f = &sim->out->findings;
    f->failure_total++;
    if (f->failure_count == FAILURES_MAX) return;
    as_str *slices = AS_NEW_ARRAY(sim->arena, as_str, 3);
    for (size_t k = 0; k < 3; k++) slices[k] = as_str_of(slice_names[which[k]]);
    bool lost = i % 307 == 0;
    sim->failures[f->failure_count++] = (as_failure){
        .id = as_strf(sim->arena, "sup-%04zu", i),
        .input = text_of(i),
        .expected = intent_of(intent),
        .prediction = lost ? AS_STR("") : intent_of(got),
        .output = lost ? AS_STR("")
                       : as_strf(sim->arena, "%s%s", intents[got], i % 9 ? "" : "\nBecause it"),
        .error = lost ? AS_STR("no answer within 30 s") : AS_STR(""),
        .outcome = lost ? AS_OUT_TIMEOUT : AS_OUT_OK,
        .score = lost ? NAN : 0,
        .margin = lost ? NAN : -log(0.001 + 0.999 * as_rng_unit(rng)),
        .slices = slices,
        .slice_count = 3,
    };
}

static void simulate(simulation *sim) {
    as_findings *f = &sim->out->findings;
    as_rng rng = as_rng_of(11, 1), base_rng = as_rng_of(11, 2), other = as_rng_of(11, 3);
    for (size_t i = 0; i < CASES; i++) {
        size_t intent = (i * 5 + i / 26) % INTENTS;
        bool edge = i % 6 == 2;
        size_t which[3] = {edge ? 2u : i % 7 == 3, 3 + i % 3, 6 + (i % 11 < 8 ? 1 : i % 4)};
        size_t got = predict(&rng, intent, edge, 0.885);
        bool agree = as_rng_unit(&other) < 0.7;
        size_t before = agree ? got : predict(&base_rng, intent, edge, 0.97);
        bool hit = got == intent, base_hit = before == intent;
        count_slices(sim, which, hit, base_hit);
        sim->hits += hit, sim->base_hits += base_hit;
        sim->cells[intent * INTENTS + got]++;
        sim->latencies[i] = 9 + 14 * exp(2.1 * as_rng_unit(&other)) * as_rng_unit(&other);
        if (i % 97 == 0) sim->latencies[i] *= 6;
        if (!hit) keep_failure(sim, i, intent, got, which, &other);
        if (hit != base_hit)
            sim->flips[f->flip_count++] = (as_flip){.id = as_strf(sim->arena, "sup-%04zu", i),
                                                    .input = text_of(i),
                                                    .expected = intent_of(intent),
                                                    .before = intent_of(before),
                                                    .after = intent_of(got),
                                                    .before_score = base_hit,
                                                    .after_score = hit};
    }
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static as_latency latency_of(const double *sorted, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += sorted[i];
    return (as_latency){sorted[n / 2],        sorted[n * 90 / 100], sorted[n * 95 / 100],
                        sorted[n * 99 / 100], sorted[n - 1],        sum / (double)n};
}

static void fill_deltas(as_arena *arena, as_sample_run *out, const uint64_t flips[2]) {
    const as_summary *b = &out->run, *a = &out->baseline;
    as_delta *d = AS_NEW_ARRAY(arena, as_delta, 6 + SLICES);
    size_t count = 0;
    for (size_t i = 0; i < 6; i++) {
        double delta = b->metrics[i].value - a->metrics[i].value;
        d[count++] = (as_delta){b->metrics[i].name,
                                AS_STR(""),
                                a->metrics[i].value,
                                b->metrics[i].value,
                                delta,
                                {delta - 0.019, delta + 0.02},
                                0.012,
                                0.018,
                                flips[0],
                                flips[1],
                                CASES - 4,
                                AS_STR("mcnemar mid-p"),
                                NAN,
                                NAN};
    }
    for (size_t i = 0; i < SLICES; i++) {
        const as_value *x = &a->slices[i].values[0], *y = &b->slices[i].values[0];
        double delta = y->value - x->value, half = 0.7 / sqrt((double)y->n);
        d[count++] = (as_delta){x->name,  b->slices[i].slice,
                                x->value, y->value,
                                delta,    {delta - half, delta + half},
                                0.3,      half,
                                7,        4,
                                y->n,     AS_STR("mcnemar mid-p"),
                                NAN,      NAN};
    }
    out->findings.deltas = d;
    out->findings.delta_count = count;
}

static void fill_history(as_sample_run *out, size_t count) {
    as_rng rng = as_rng_of(5, 9);
    as_arena *arena = &out->arena;
    as_summary *h = AS_NEW_ARRAY(arena, as_summary, count ? count : 1);
    int64_t at = 1795489445678 - 46131369 * (int64_t)count; // up to the run itself
    for (size_t i = 0; i < count; i++, at += 43200000 + 977123 * (int64_t)(i % 7)) {
        char when[25];
        as_clock_rfc3339(at, when);
        h[i] = out->run;
        h[i].started = as_str_copy(arena, as_str_of(when));
        h[i].run = as_strf(arena, "%.4s%.2s%.2s-%.2s%.2s%.2s-%04x", when, when + 5, when + 8,
                           when + 11, when + 14, when + 17, (unsigned)(i * 7919 % 65536));
        double level =
            0.9 + 0.02 * sin((double)i / 9) + 0.012 * as_rng_unit(&rng) - (i % 23 == 17 ? 0.04 : 0);
        h[i].metrics = metrics_of(arena, level, CASES, &h[i].metric_count);
        h[i].gate.verdict = i == 0         ? AS_NO_BASELINE
                            : i % 23 == 17 ? AS_FAIL
                            : i % 19 == 7  ? AS_UNDECIDED
                            : i % 61 == 40 ? AS_UNMEASURABLE
                                           : AS_PASS;
        if (i > count / 3)
            h[i].model_sha256 = AS_STR("0011"), h[i].model_name = AS_STR("support-c");
        if (i > count * 3 / 4) h[i].dataset_sha256 = AS_STR("2233");
        h[i].git_commit = as_strf(arena, "%08x%032d", (unsigned)(i * 2654435761u), 0);
        h[i].latency.p95 = 80 + 12 * as_rng_unit(&rng);
    }
    if (count) h[count - 1] = out->run;
    out->history = h;
    out->history_count = count;
}

void as_sample_run_make(as_sample_run *out, size_t history_count) {
    *out = (as_sample_run){0};
    as_arena *arena = &out->arena;
    simulation sim = {.arena = arena, .out = out};
    sim.cells = AS_NEW_ARRAY(arena, uint64_t, INTENTS * INTENTS);
    sim.failures = AS_NEW_ARRAY(arena, as_failure, FAILURES_MAX);
    sim.flips = AS_NEW_ARRAY(arena, as_flip, CASES);
    sim.latencies = AS_NEW_ARRAY(arena, double, CASES);
    simulate(&sim);
    qsort(sim.latencies, CASES, sizeof *sim.latencies, by_size);

    as_str *labels = AS_NEW_ARRAY(arena, as_str, INTENTS);
    for (size_t i = 0; i < INTENTS; i++) labels[i] = intent_of(i);
    out->findings.confusion = (as_confusion){labels, sim.cells, INTENTS};
    out->findings.failures = sim.failures;
    out->findings.flips = sim.flips;
    out->findings.latencies_ms = sim.latencies;
    out->findings.latency_count = CASES;

    as_summary *run = &out->run, *base = &out->baseline;
    fill_identity(run);
    run->run = AS_STR("20261124-030405-4f2c");
    run->total = CASES, run->ok = CASES - 4, run->errors = 4;
    run->outcomes[AS_OUT_OK] = CASES - 4, run->outcomes[AS_OUT_TIMEOUT] = 4;
    run->metrics = metrics_of(arena, (double)sim.hits / CASES, CASES - 4, &run->metric_count);
    fill_slices(arena, run, sim.now);
    run->latency = latency_of(sim.latencies, CASES);
    run->ttft = (as_latency){11.2, 19.5, 24.1, 38.9, 120.4, 13.0};
    run->tpot = (as_latency){NAN, NAN, NAN, NAN, NAN, NAN};
    *base = *run;
    base->run = AS_STR("20261123-181502-7c1d");
    base->metrics =
        metrics_of(arena, (double)sim.base_hits / CASES, CASES - 4, &base->metric_count);
    fill_slices(arena, base, sim.before);
    base->gate = (as_gate){.verdict = AS_PASS};
    uint64_t flips[2] = {0, 0};
    for (size_t i = 0; i < out->findings.flip_count; i++) flips[sim.flips[i].after_score > 0]++;
    fill_gate(arena, run, base->metrics[0].value, flips);
    fill_deltas(arena, out, flips);
    fill_history(out, history_count);
}

void as_sample_run_free(as_sample_run *run) {
    as_arena_free(&run->arena);
}
