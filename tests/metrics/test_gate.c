// SPDX-License-Identifier: Apache-2.0
// Verdicts: by hand, at the edges, and by simulation (how often an unchanged model fails, how often
// a worse one is caught). Every simulation is seeded: the same counts on every machine.
#include "tests/metrics/fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/rng.h"
#include "metrics/gate.h"

static const char *const accuracy_only[] = {"accuracy", NULL};
static const char *const three[] = {"accuracy", "f1_macro", "{name: contains, as: c}", NULL};

// Two runs over the same cases, case by case.
typedef struct duel {
    as_arena arena;
    as_scorer *a, *b;
    size_t count;
} duel;

static duel duel_new(const char *const *metrics) {
    duel out = {0};
    out.a = fixture_scorer(&out.arena, metrics);
    out.b = fixture_scorer(&out.arena, metrics);
    return out;
}

static void duel_free(duel *d) {
    as_scorer_free(d->a);
    as_scorer_free(d->b);
    as_arena_free(&d->arena);
}

enum { WRONG, RIGHT, ERROR };

static as_sample answer(duel *d, int how, const char *cluster) {
    char id[32];
    snprintf(id, sizeof id, "c%06zu", d->count);
    as_sample out = fixture_sample(&d->arena, id, "\"y\"", how == RIGHT ? "y" : "n");
    out.cluster = as_str_of(cluster);
    out.latency_ms = 10;
    if (how == ERROR) out.outcome = AS_OUT_HTTP_ERROR;
    return out;
}

static void duel_add(duel *d, int a, int b, const char *cluster) {
    fixture_add(d->a, &d->arena, answer(d, a, cluster));
    fixture_add(d->b, &d->arena, answer(d, b, cluster));
    d->count++;
}

// `n` cases of which some broke and some were fixed; the rest is right in both.
static void duel_fill(duel *d, size_t n, size_t broke, size_t fixed) {
    for (size_t i = 0; i < n; i++)
        duel_add(d, i >= broke && i < broke + fixed ? WRONG : RIGHT, i < broke ? WRONG : RIGHT, "");
}

static as_gate judge(duel *d, const char *const *gates, bool baseline) {
    as_gate_spec specs[8];
    size_t count = 0;
    as_err err = {0};
    as_summary summary = {0};
    as_gate out;
    for (; gates[count]; count++)
        if (as_gate_parse(&d->arena, as_str_of(gates[count]), &specs[count], &err) != AS_OK)
            fail_msg("%s", err.text);
    as_scorer_summarize(d->b, &d->arena, &summary);
    as_gate_judge(&d->arena, specs, count, &summary, d->b, baseline ? d->a : NULL, AS_STR("run-1"),
                  &out);
    return out;
}

static as_check judge_one(duel *d, const char *gate) {
    const char *gates[] = {gate, NULL};
    return judge(d, gates, true).checks[0];
}

static as_verdict verdict_of(size_t n, size_t broke, size_t fixed, const char *gate) {
    duel d = duel_new(accuracy_only);
    duel_fill(&d, n, broke, fixed);
    as_verdict out = judge_one(&d, gate).verdict;
    duel_free(&d);
    return out;
}

static void test_verdicts(void **state) {
    (void)state;
    assert_int_equal(verdict_of(1000, 40, 10, "accuracy drop <= 0.02"), AS_FAIL);
    assert_int_equal(verdict_of(1000, 12, 10, "accuracy drop <= 0.02"), AS_PASS);
    assert_int_equal(verdict_of(1000, 30, 20, "accuracy drop <= 0.01"), AS_UNDECIDED);
    assert_int_equal(verdict_of(1000, 10, 40, "accuracy drop <= 0"), AS_PASS);
    assert_int_equal(verdict_of(1000, 20, 5, "accuracy drop <= 0.05"), AS_PASS); // but worse
    // Nothing changed: proves little when there is little.
    assert_int_equal(verdict_of(5, 0, 0, "accuracy drop <= 0.02"), AS_UNDECIDED);
    assert_int_equal(verdict_of(20, 0, 0, "accuracy drop <= 0.02"), AS_UNDECIDED);
    assert_int_equal(verdict_of(132, 0, 0, "accuracy drop <= 0.02"), AS_UNDECIDED);
    assert_int_equal(verdict_of(133, 0, 0, "accuracy drop <= 0.02"), AS_PASS);
    assert_int_equal(verdict_of(2000, 0, 0, "accuracy drop <= 0"), AS_UNDECIDED);
    assert_int_equal(verdict_of(100, 0, 0, "f1_macro drop <= 0"), AS_UNMEASURABLE); // not asked for
}

static void test_numbers(void **state) {
    (void)state;
    duel d = duel_new(accuracy_only);
    duel_fill(&d, 1000, 40, 10);
    as_check c = judge_one(&d, "accuracy drop <= 0.02");
    assert_int_equal(c.broke, 40);
    assert_int_equal(c.fixed, 10);
    assert_int_equal(c.n, 1000);
    fixture_near(c.value, 0.96, 1e-15, "value");
    fixture_near(c.baseline, 0.99, 1e-15, "baseline");
    fixture_near(c.delta, -0.03, 1e-12, "delta");
    // tests/metrics/paired.tsv has the mirror image: 40 gains, 10 losses.
    fixture_near(c.ci.lo, -0.0424080920241799, 1e-9, "Tango, low");
    fixture_near(c.ci.hi, -0.018939059576764457, 1e-9, "Tango, high");
    assert_true(c.p < 1e-4 && as_str_is(c.method, "mcnemar mid-p"));
    assert_string_equal(c.note.ptr, "40 cases broke, 10 were fixed");
    assert_int_equal(c.needed, 0);
    duel_free(&d);
    d = duel_new(accuracy_only);
    duel_fill(&d, 200, 6, 4);
    c = judge_one(&d, "accuracy drop <= 0.01 prove");
    assert_int_equal(c.verdict, AS_UNDECIDED);
    // 6.183 (0.05 - 0.0001) / 0.0001
    assert_in_range(c.needed, 3080, 3092);
    assert_true(fabs(c.mde - 0.0390) < 5e-4 && c.prove);
    assert_non_null(strstr(c.note.ptr, "cannot tell: the change lies between -0.03"));
    assert_non_null(strstr(c.note.ptr, "cases would decide it; these 200 show a drop of 0.038"));
    duel_free(&d);
    d = duel_new(accuracy_only);
    duel_fill(&d, 20, 0, 0);
    assert_int_equal(judge_one(&d, "accuracy drop <= 0.02").needed, 133);
    duel_free(&d);
}

static void test_holm(void **state) {
    (void)state;
    static const char *const gates[] = {"accuracy drop <= 0", "c drop <= 0", NULL};
    duel d = duel_new(three);
    duel_fill(&d, 400, 11, 3); // p = 0.0176 each, 0.0352 after Holm over two
    as_gate_spec specs[3];
    as_metric_spec named = {.name = AS_STR("contains")};
    as_err err = {0};
    assert_int_equal(
        as_yaml_parse(&d.arena, AS_STR("{name: contains, as: c}"), "t", &named.options, &err),
        AS_OK);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(
            as_gate_parse_in(&d.arena, as_str_of(gates[i]), &named, 1, &specs[i], &err), AS_OK);
    specs[2] = specs[0];
    as_summary summary = {0};
    as_gate out;
    as_gate_judge(&d.arena, specs, 1, &summary, d.b, d.a, AS_STR("r"), &out);
    double alone = out.checks[0].p;
    assert_true(alone > 0.01 && alone < 0.025);
    as_gate_judge(&d.arena, specs, 2, &summary, d.b, d.a, AS_STR("r"), &out);
    fixture_near(out.checks[0].p, 2 * alone, 1e-12, "Holm over two");
    assert_int_equal(out.verdict, AS_FAIL);
    as_gate_judge(&d.arena, specs, 3, &summary, d.b, d.a, AS_STR("r"), &out);
    fixture_near(out.checks[2].p, 3 * alone, 1e-12, "Holm over three");
    assert_int_equal(out.verdict, AS_UNDECIDED);
    duel_free(&d);
}

static void test_thresholds(void **state) {
    (void)state;
    static const struct {
        const char *gate;
        as_verdict verdict;
    } cases[] = {
        {"accuracy >= 0.9", AS_PASS},
        {"accuracy > 0.9", AS_FAIL},
        {"accuracy <= 0.9", AS_PASS},
        {"accuracy < 0.9", AS_FAIL},
        {"accuracy == 0.9", AS_PASS},
        {"accuracy >= 0.91", AS_FAIL},
        {"accuracy >= 90%", AS_PASS},
        {"latency.p95 <= 10 ms", AS_PASS},
        {"latency.p95 <= 0.009 s", AS_FAIL},
        {"latency.max < 10", AS_FAIL},
        {"errors <= 0", AS_PASS},
        {"cost.per_case <= 0", AS_PASS},
        {"ttft.p95 <= 9", AS_UNMEASURABLE},
        {"accuracy[tag=none] >= 0", AS_UNMEASURABLE},
        {"mcc >= 0", AS_UNMEASURABLE},
    };
    duel d = duel_new(accuracy_only);
    duel_fill(&d, 1000, 100, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        as_check c = judge_one(&d, cases[i].gate);
        if (c.verdict != cases[i].verdict)
            fail_msg("%s: %s (%.*s)", cases[i].gate, as_verdict_name(c.verdict),
                     AS_STR_ARG(c.note));
        assert_true(isnan(c.p) && isnan(c.baseline));
        assert_true((c.note.len == 0) == (c.verdict == AS_PASS));
    }
    duel_free(&d);
}

static void test_overall(void **state) {
    (void)state;
    static const char *const fails[] = {"accuracy >= 0.99", "accuracy drop <= 0.01", NULL};
    static const char *const holds[] = {"accuracy >= 0.5", "accuracy drop <= 0.01", NULL};
    static const char *const proves[] = {"accuracy drop <= 0.01 prove", NULL};
    static const char *const unknown[] = {"accuracy >= 0.99", "kappa >= 0", NULL};
    static const char *const none[] = {NULL};
    duel d = duel_new(accuracy_only);
    duel_fill(&d, 100, 3, 2);
    as_gate gate = judge(&d, fails, true);
    assert_int_equal(gate.verdict, AS_FAIL);
    assert_int_equal(as_gate_exit_code(&gate, false), 1);
    gate = judge(&d, holds, true);
    assert_int_equal(gate.verdict, AS_UNDECIDED);
    assert_true(as_str_is(gate.baseline, "run-1"));
    assert_int_equal(as_gate_exit_code(&gate, false), 0);
    assert_int_equal(as_gate_exit_code(&gate, true), 4);
    gate = judge(&d, proves, true);
    assert_int_equal(as_gate_exit_code(&gate, false), 4);
    gate = judge(&d, holds, false);
    assert_int_equal(gate.verdict, AS_NO_BASELINE);
    assert_int_equal(as_gate_exit_code(&gate, false), 0);
    assert_int_equal(gate.baseline.len, 0);
    gate = judge(&d, unknown, true);
    assert_int_equal(gate.verdict, AS_UNMEASURABLE);
    assert_int_equal(as_gate_exit_code(&gate, false), 3);
    gate = judge(&d, none, true);
    assert_int_equal(gate.verdict, AS_PASS);
    assert_int_equal(as_gate_exit_code(&gate, true), 0);
    duel_free(&d);
}

static void test_missing(void **state) {
    (void)state;
    // Few errors do not matter, more could turn the verdict, and many end all comparison.
    static const struct {
        size_t errors;
        as_verdict verdict;
    } cases[] = {{0, AS_PASS}, {3, AS_PASS}, {20, AS_UNMEASURABLE}, {80, AS_UNMEASURABLE}};
    for (size_t i = 0; i < 4; i++) {
        duel d = duel_new(three);
        duel_fill(&d, 1000 - cases[i].errors, 10, 12);
        for (size_t e = 0; e < cases[i].errors; e++) duel_add(&d, RIGHT, ERROR, "");
        as_check c = judge_one(&d, "accuracy drop <= 0.02");
        assert_int_equal(c.verdict, cases[i].verdict);
        assert_int_equal(c.n, 1000 - cases[i].errors);
        if (i == 2) assert_non_null(strstr(c.note.ptr, "could turn the verdict (pass)"));
        if (i == 3) assert_non_null(strstr(c.note.ptr, "only 920 of 1000 cases can be compared"));
        as_pairing pairing = as_pair_count(d.a, d.b);
        assert_int_equal(pairing.shared, 1000 - cases[i].errors);
        assert_int_equal(pairing.missing, cases[i].errors);
        duel_free(&d);
    }
}

// A gate must not hold because the answers that would break it are missing.
static void test_missing_for_thresholds(void **state) {
    (void)state;
    static const struct {
        const char *gate;
        as_verdict verdict;
    } cases[] = {
        {"accuracy >= 0.94", AS_PASS},
        {"accuracy >= 0.95", AS_UNMEASURABLE}, // 1 without the 60, 0.943 with them as wrong
        {"accuracy > 1", AS_FAIL},
        {"f1_macro >= 0.98", AS_UNMEASURABLE},
        {"f1_macro >= 0.95", AS_PASS},
        {"latency.p95 <= 10", AS_UNMEASURABLE}, // the slowest are those that never came
        {"latency.p90 <= 10", AS_PASS},
        {"errors <= 6%", AS_PASS},
    };
    duel d = duel_new(three);
    for (size_t i = 0; i < 1000; i++) {
        as_sample b = answer(&d, RIGHT, "");
        b.latency_ms = i == 0 ? 60 : 10;
        fixture_add(d.b, &d.arena, b);
        d.count++;
    }
    for (size_t i = 0; i < 60; i++) {
        fixture_add(d.b, &d.arena, answer(&d, ERROR, ""));
        d.count++;
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *gates[] = {cases[i].gate, NULL};
        as_check c = judge(&d, gates, false).checks[0];
        if (c.verdict != cases[i].verdict)
            fail_msg("%s: %s (%.*s)", cases[i].gate, as_verdict_name(c.verdict),
                     AS_STR_ARG(c.note));
    }
    duel_free(&d);
}

static void test_every(void **state) {
    (void)state;
    duel d = duel_new(accuracy_only);
    static const char *const gates[] = {"accuracy[tag=canary] every >= 1",
                                        "accuracy[tag=other] every >= 1", "accuracy every >= 0",
                                        "accuracy[tag=none] every >= 1", NULL};
    static const as_str canary[] = {{"tag=canary", 10}}, other[] = {{"tag=other", 9}};
    for (size_t i = 0; i < 20; i++) {
        as_sample b = answer(&d, i == 7 ? WRONG : RIGHT, "");
        b.slices = i < 10 ? canary : other;
        b.slice_count = 1;
        if (i == 15) b.outcome = AS_OUT_TIMEOUT;
        fixture_add(d.b, &d.arena, b);
        d.count++;
    }
    as_gate gate = judge(&d, gates, false);
    assert_int_equal(gate.checks[0].verdict, AS_FAIL);
    assert_string_equal(gate.checks[0].note.ptr, "1 of 10 cases miss the limit: c000007");
    assert_int_equal(gate.checks[1].verdict, AS_UNMEASURABLE);
    assert_string_equal(gate.checks[1].note.ptr, "1 of 10 cases have no score: c000015");
    assert_int_equal(gate.checks[2].verdict, AS_UNMEASURABLE);
    assert_int_equal(gate.checks[3].verdict, AS_UNMEASURABLE);
    assert_int_equal(as_gate_exit_code(&gate, false), 3);
    duel_free(&d);
}

static void test_every_slice(void **state) {
    (void)state;
    duel d = duel_new(accuracy_only);
    static const as_str slices[3][1] = {{{"tag=a", 5}}, {{"tag=b", 5}}, {{"lang=a", 6}}};
    for (size_t i = 0; i < 900; i++) {
        as_sample a = answer(&d, RIGHT, ""),
                  b = answer(&d, i % 3 == 1 && i < 90 ? WRONG : RIGHT, "");
        a.slices = b.slices = slices[i % 3];
        a.slice_count = b.slice_count = 1;
        fixture_add(d.a, &d.arena, a);
        fixture_add(d.b, &d.arena, b);
        d.count++;
    }
    static const char *const gates[] = {"accuracy[tag=*] drop <= 0.02", "accuracy[x=*] >= 0", NULL};
    as_gate gate = judge(&d, gates, true);
    assert_int_equal(gate.count, 3);
    assert_string_equal(gate.checks[0].gate.ptr, "accuracy[tag=a] drop <= 0.02");
    assert_int_equal(gate.checks[0].verdict, AS_PASS);
    assert_string_equal(gate.checks[1].gate.ptr, "accuracy[tag=b] drop <= 0.02");
    assert_int_equal(gate.checks[1].verdict, AS_FAIL);
    assert_int_equal(gate.checks[1].n, 300);
    assert_int_equal(gate.checks[2].verdict, AS_UNMEASURABLE);
    duel_free(&d);
}

static void test_proven_thresholds(void **state) {
    (void)state;
    static const struct {
        size_t n, wrong;
        const char *gate;
        as_verdict verdict;
        uint64_t needed;
    } cases[] = {
        // No failure in 59 says "below 5 %" and in 299 "below 1 %"; not in one fewer.
        {59, 0, "accuracy >= 0.95 prove", AS_PASS, 0},
        {58, 0, "accuracy >= 0.95 prove", AS_UNDECIDED, 59},
        {299, 0, "accuracy >= 0.99 prove", AS_PASS, 0},
        {298, 0, "accuracy >= 0.99 prove", AS_UNDECIDED, 299},
        {1000, 100, "accuracy >= 0.88 prove", AS_PASS, 0},
        {1000, 100, "accuracy >= 0.89 prove", AS_UNDECIDED, 5570}, // 6.183 0.09 / 0.01^2
        {1000, 100, "accuracy >= 0.93 prove", AS_FAIL, 0},
        {1000, 100, "accuracy <= 0.92 prove", AS_PASS, 0},
        {1000, 0, "latency.p95 <= 11 prove", AS_PASS, 0},
        {20, 0, "latency.p95 <= 11 prove", AS_UNDECIDED, 0}, // no 20 times hold that bound
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        duel d = duel_new(accuracy_only);
        for (size_t k = 0; k < cases[i].n; k++)
            duel_add(&d, RIGHT, k < cases[i].wrong ? WRONG : RIGHT, "");
        const char *gates[] = {cases[i].gate, NULL};
        as_gate gate = judge(&d, gates, false);
        as_check c = gate.checks[0];
        if (c.verdict != cases[i].verdict)
            fail_msg("%s: %s (%.*s)", cases[i].gate, as_verdict_name(c.verdict),
                     AS_STR_ARG(c.note));
        assert_in_range(c.needed, cases[i].needed, cases[i].needed + 5);
        assert_int_equal(as_gate_exit_code(&gate, false), c.verdict == AS_PASS   ? 0
                                                          : c.verdict == AS_FAIL ? 1
                                                                                 : 4);
        duel_free(&d);
    }
}

static void test_ratios(void **state) {
    (void)state;
    static const char *const metrics[] = {"accuracy", NULL};
    duel d = duel_new(metrics);
    as_rng rng = as_rng_of(5, 1);
    double logs = 0;
    for (int i = 0; i < 300; i++) {
        as_sample a = answer(&d, RIGHT, ""), b = a;
        double ratio = 1.02 + 0.06 * as_rng_unit(&rng);
        a.latency_ms = 20 * exp(3 * as_rng_unit(&rng)); // from 20 to 400 ms
        b.latency_ms = a.latency_ms * ratio;
        a.cost = i < 100 ? 0 : 0.01;
        b.cost = a.cost * 1.2;
        logs += log(ratio);
        fixture_add(d.a, &d.arena, a);
        fixture_add(d.b, &d.arena, b);
        d.count++;
    }
    as_check c = judge_one(&d, "latency.mean rise <= 3%");
    assert_int_equal(c.verdict, AS_FAIL);
    assert_true(c.relative && as_str_is(c.method, "paired t"));
    fixture_near(c.delta, exp(logs / 300) - 1, 1e-9, "geometric mean of the ratios");
    assert_true(c.ci.lo > 0.047 && c.ci.hi < 0.053 && c.value > 100);
    assert_int_equal(judge_one(&d, "latency.mean rise <= 6% prove").verdict, AS_PASS);
    c = judge_one(&d, "latency.p95 rise <= 10%");
    assert_int_equal(c.verdict, AS_PASS);
    fixture_near(c.delta, c.value / c.baseline - 1, 1e-9, "ratio of quantiles");
    c = judge_one(&d, "cost.per_case rise <= 10%"); // 100 pairs cost nothing: ratio 1
    fixture_near(c.delta, pow(1.2, 2.0 / 3) - 1, 1e-9, "cost");
    assert_int_equal(c.verdict, AS_FAIL);
    duel_free(&d);
}

static void test_changed_expectation(void **state) {
    (void)state;
    duel d = duel_new(accuracy_only);
    duel_fill(&d, 200, 0, 0);
    for (size_t i = 0; i < 4; i++) {
        as_sample a = answer(&d, RIGHT, ""), b = fixture_sample(&d.arena, "x", "\"z\"", "y");
        b.id = a.id;
        fixture_add(d.a, &d.arena, a);
        fixture_add(d.b, &d.arena, b);
        d.count++;
    }
    as_check c = judge_one(&d, "accuracy drop <= 0.02");
    assert_int_equal(c.n, 200);
    assert_int_equal(c.broke, 0);
    assert_int_equal(c.verdict, AS_PASS);
    duel_free(&d);
}

static void test_lower_is_better(void **state) {
    (void)state;
    static const char *const metrics[] = {"accuracy", "latency.p95", NULL};
    duel d = duel_new(metrics);
    as_rng rng = as_rng_of(1, 1);
    for (int i = 0; i < 300; i++) {
        as_sample a = answer(&d, RIGHT, ""), b = a;
        a.latency_ms = 50 + 20 * as_rng_unit(&rng);
        b.latency_ms = a.latency_ms + 10 + as_rng_unit(&rng);
        fixture_add(d.a, &d.arena, a);
        fixture_add(d.b, &d.arena, b);
        d.count++;
    }
    as_check c = judge_one(&d, "latency.mean drop <= 2 ms");
    assert_int_equal(c.verdict, AS_FAIL);
    assert_true(c.delta > 10 && c.delta < 11 && c.ci.lo > 10 && as_str_is(c.method, "paired t"));
    assert_int_equal(judge_one(&d, "latency.mean drop <= 12 ms").verdict, AS_PASS);
    c = judge_one(&d, "latency.p95 drop <= 2 ms");
    assert_int_equal(c.verdict, AS_FAIL);
    assert_true(as_str_is(c.method, "randomisation") && c.p < 0.001 && c.ci.lo > 2);
    assert_int_equal(judge_one(&d, "errors drop <= 5%").verdict, AS_PASS);
    duel_free(&d);
}

static void test_corpus_gate(void **state) {
    (void)state;
    duel d = duel_new(three);
    duel_fill(&d, 600, 40, 5);
    as_check c = judge_one(&d, "f1_macro drop <= 0.01");
    assert_true(as_str_is(c.method, "randomisation"));
    assert_int_equal(c.broke, 40);
    duel_free(&d);
    d = duel_new(three);
    duel_fill(&d, 5, 0, 0); // the bootstrap of no change has no width, but is no proof
    assert_int_equal(judge_one(&d, "f1_macro drop <= 0.02").verdict, AS_UNDECIDED);
    duel_free(&d);
}

// One simulated pair of runs: `flips` of the cases turn, the share `worse` of them to wrong. In
// clusters all flips of a cluster tend to go the same way.
static as_verdict simulate(as_rng *rng, size_t n, double flips, double worse, size_t cluster_size,
                           const char *gate) {
    duel d = duel_new(accuracy_only);
    double way = 0;
    char cluster[32] = "";
    for (size_t i = 0; i < n; i++) {
        if (cluster_size && i % cluster_size == 0) {
            snprintf(cluster, sizeof cluster, "g%zu", i / cluster_size);
            way = as_rng_unit(rng) < worse ? 1 : 0;
        }
        bool flip = as_rng_unit(rng) < flips;
        double tend = cluster_size ? 0.2 + 0.6 * way : worse;
        bool broke = flip && as_rng_unit(rng) < tend, right = as_rng_unit(rng) < 0.8;
        int a = flip ? (broke ? RIGHT : WRONG) : right, b = flip ? !a : a;
        duel_add(&d, a, b, cluster);
    }
    as_verdict out = judge_one(&d, gate).verdict;
    duel_free(&d);
    return out;
}

static unsigned count_fails(size_t runs, size_t n, double flips, double worse, size_t cluster_size,
                            const char *gate) {
    as_rng rng = as_rng_of(2024, n + cluster_size);
    unsigned fails = 0;
    for (size_t i = 0; i < runs; i++)
        fails += simulate(&rng, n, flips, worse, cluster_size, gate) == AS_FAIL;
    return fails;
}

static void test_false_alarms(void **state) {
    (void)state;
    // At most 5 % of 400, and three standard errors of that.
    assert_in_range(count_fails(400, 100, 0.20, 0.5, 0, "accuracy drop <= 0"), 0, 33);
    assert_in_range(count_fails(400, 200, 0.10, 0.5, 0, "accuracy drop <= 0.005"), 0, 33);
    assert_in_range(count_fails(400, 240, 0.40, 0.5, 8, "accuracy drop <= 0"), 0, 33);
    assert_in_range(count_fails(400, 80, 0.40, 0.5, 10, "accuracy drop <= 0"), 0, 33);
}

static void test_power(void **state) {
    (void)state;
    // n = 1,000, one case in ten flips, a true drop of 3 points: caught 9 times in 10.
    assert_in_range(count_fails(60, 1000, 0.10, 0.65, 0, "accuracy drop <= 0.005"), 52, 60);
}

static void test_compare(void **state) {
    (void)state;
    duel d = duel_new(three);
    duel_fill(&d, 300, 25, 5);
    const as_delta *deltas;
    size_t count;
    as_compare(&d.arena, d.a, d.b, true, &deltas, &count);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(deltas[i].n, 300);
        assert_int_equal(deltas[i].broke, 25);
        assert_int_equal(deltas[i].fixed, 5);
        assert_true(deltas[i].delta < 0 && deltas[i].ci.hi < 0 && deltas[i].p < 0.001);
        assert_true(deltas[i].ci.lo < deltas[i].delta && deltas[i].mde > 0);
    }
    as_compare(&d.arena, d.a, d.a, true, &deltas, &count);
    for (size_t i = 0; i < count; i++)
        assert_true(deltas[i].delta == 0 && deltas[i].p == 1 && deltas[i].ci.lo < 0);
    duel_free(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_holm),
        cmocka_unit_test(test_thresholds),
        cmocka_unit_test(test_overall),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_missing_for_thresholds),
        cmocka_unit_test(test_every),
        cmocka_unit_test(test_every_slice),
        cmocka_unit_test(test_proven_thresholds),
        cmocka_unit_test(test_ratios),
        cmocka_unit_test(test_changed_expectation),
        cmocka_unit_test(test_lower_is_better),
        cmocka_unit_test(test_corpus_gate),
        cmocka_unit_test(test_false_alarms),
        cmocka_unit_test(test_power),
        cmocka_unit_test(test_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
