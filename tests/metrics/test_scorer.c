// SPDX-License-Identifier: Apache-2.0
// Scores and summaries: against scikit-learn and SQuAD's script, by hand, and under permutation.
#include "tests/metrics/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/clock.h"
#include "harness/base/rng.h"
#include "metrics/metric.h"

static as_str unquoted(as_arena *arena, as_str json) {
    const as_json *value;
    as_err err = {0};
    if (as_json_parse(arena, json, &value, &err) != AS_OK) fail_msg("%s", err.text);
    return value->text;
}

static const char *const classification[] = {"accuracy",
                                             "balanced_accuracy",
                                             "precision_micro",
                                             "precision_macro",
                                             "precision_weighted",
                                             "recall_micro",
                                             "recall_macro",
                                             "recall_weighted",
                                             "f1_micro",
                                             "f1_macro",
                                             "f1_weighted",
                                             "mcc",
                                             "kappa",
                                             NULL};

// Every set of cases is one run; its values stand after its cases.
static void test_sklearn(void **state) {
    (void)state;
    as_arena arena = {0};
    fixture_row *rows;
    size_t count = fixture_read(&arena, "tests/metrics/classify.tsv", &rows), checked = 0;
    as_scorer *scorer = NULL;
    as_summary summary = {0};
    as_str set = {0};
    for (size_t i = 0; i < count; i++) {
        const as_str *cell = rows[i].cells;
        if (as_str_is(cell[0], "case") && !as_str_eq(cell[1], set)) {
            // The file lists all cases first: one pass a set.
            set = cell[1];
            as_scorer_free(scorer);
            scorer = fixture_scorer(&arena, classification);
            for (size_t k = i; k < count && as_str_eq(rows[k].cells[1], set); k++) {
                if (!as_str_is(rows[k].cells[0], "case")) continue;
                char id[32];
                snprintf(id, sizeof id, "c%zu", k);
                const char *gold = as_strf(&arena, "\"%.*s\"", AS_STR_ARG(rows[k].cells[2])).ptr;
                const char *pred = as_str_copy(&arena, rows[k].cells[3]).ptr;
                as_sample sample = fixture_sample(&arena, id, gold, pred);
                sample.weight = fixture_number(rows[k].cells[4]);
                fixture_add(scorer, &arena, sample);
            }
            as_scorer_summarize(scorer, &arena, &summary);
        } else if (as_str_is(cell[0], "value")) {
            const char *metric = as_str_copy(&arena, cell[2]).ptr;
            assert_true(as_str_eq(cell[1], set));
            double got = fixture_value(&summary, metric, "")->value;
            double want = fixture_number(cell[3]);
            const char *what = as_strf(&arena, "%s of %.*s", metric, AS_STR_ARG(set)).ptr;
            if (!(fabs(got - want) < 1e-15)) fixture_near(got, want, 1e-13, what);
            checked++;
        }
    }
    assert_int_equal(checked, 7 * 13);
    as_scorer_free(scorer);
    as_arena_free(&arena);
}

static void test_texts(void **state) {
    (void)state;
    static const char *const metrics[] = {"exact_match", "quasi_exact_match", "contains",
                                          "token_f1", NULL};
    as_arena arena = {0};
    fixture_row *rows;
    size_t count = fixture_read(&arena, "tests/metrics/text.tsv", &rows);
    as_scorer *scorer = fixture_scorer(&arena, metrics);
    for (size_t i = 0; i < count; i++) {
        const as_str *cell = rows[i].cells;
        char id[32];
        snprintf(id, sizeof id, "c%zu", i);
        as_sample sample = fixture_sample(&arena, id, as_str_copy(&arena, cell[2]).ptr, "");
        sample.prediction = unquoted(&arena, cell[1]);
        as_err err = {0};
        assert_int_equal(as_scorer_add(scorer, &arena, &sample, &err), AS_OK);
        assert_int_equal(sample.score_count, 4);
        for (size_t m = 0; m < 4; m++)
            if (fabs(sample.scores[m].value - fixture_number(cell[3 + m])) > 1e-15)
                fail_msg("%s of %.*s and %.*s: %g", metrics[m], AS_STR_ARG(cell[1]),
                         AS_STR_ARG(cell[2]), sample.scores[m].value);
    }
    as_scorer_free(scorer);
    as_arena_free(&arena);
}

static void test_several_golds(void **state) {
    (void)state;
    static const char *const metrics[] = {"accuracy", "exact_match", "token_f1",
                                          "{name: contains, ignore_case: true}", NULL};
    as_arena arena = {0};
    as_err err = {0};
    as_scorer *scorer = fixture_scorer(&arena, metrics);
    as_sample sample = fixture_sample(&arena, "1", "[\"Big Ben\", \"the tower\", 7]", "tower");
    assert_int_equal(as_scorer_add(scorer, &arena, &sample, &err), AS_OK);
    const double want[] = {0, 0, 1, 0};
    for (int i = 0; i < 4; i++) assert_true(sample.scores[i].value == want[i]);
    sample = fixture_sample(&arena, "2", "[\"Big Ben\", 7]", "7");
    assert_int_equal(as_scorer_add(scorer, &arena, &sample, &err), AS_OK);
    assert_true(sample.scores[0].value == 1);
    sample = fixture_sample(&arena, "3", "\"BEN\"", "see big ben there");
    assert_int_equal(as_scorer_add(scorer, &arena, &sample, &err), AS_OK);
    assert_true(sample.scores[0].value == 0 && sample.scores[3].value == 1);
    sample = fixture_sample(&arena, "4", "\"x\"", NULL); // extraction found nothing: wrong
    assert_int_equal(as_scorer_add(scorer, &arena, &sample, &err), AS_OK);
    for (int i = 0; i < 4; i++) assert_true(sample.scores[i].value == 0);
    sample.outcome = AS_OUT_TIMEOUT;
    sample.id = AS_STR("5"); // an error: missing, neither right nor wrong
    assert_int_equal(as_scorer_add(scorer, &arena, &sample, &err), AS_OK);
    for (int i = 0; i < 4; i++) assert_true(isnan(sample.scores[i].value));
    as_str twice = AS_STR("");
    uint64_t answer = 0;
    assert_false(as_scorer_twice(scorer, &arena, &twice, &answer));
    sample.sample = 7;
    for (int i = 0; i < 2; i++) {
        sample.id = AS_STR("4"); // another answer to it, then that again
        assert_int_equal(as_scorer_add(scorer, &arena, &sample, &err), AS_OK);
        assert_true(as_scorer_twice(scorer, &arena, &twice, &answer) == (i == 1));
    }
    assert_true(as_str_is(twice, "4") && answer == 7);
    as_scorer_free(scorer);
    as_arena_free(&arena);
}

static double score_spans(as_arena *arena, as_scorer *scorer, const char *gold, const char *pred,
                          int metric) {
    static int next;
    char id[16];
    as_err err = {0};
    snprintf(id, sizeof id, "%d", next++);
    as_sample sample = fixture_sample(arena, id, gold, pred);
    if (as_scorer_add(scorer, arena, &sample, &err) != AS_OK) fail_msg("%s", err.text);
    return sample.scores[metric].value;
}

static void test_spans(void **state) {
    (void)state;
    static const char *const metrics[] = {"span_f1", "{name: span_f1, match: partial, as: part}",
                                          "{name: span_f1, match: label, as: label_f1}", NULL};
    static const char *const two =
        "[{\"label\": \"party\", \"text\": \"Acme  Ltd\"}, {\"label\": \"date\", \"text\": \"1 "
        "May 2020\", \"start\": 3, \"end\": 9}]";
    as_arena arena = {0};
    as_scorer *s = fixture_scorer(&arena, metrics);
    assert_true(score_spans(&arena, s, two, "party: Acme Ltd\ndate:  1 May\t2020 \n", 0) == 1);
    assert_true(score_spans(&arena, s, two, "party: Acme Ltd", 0) == 2.0 / 3);
    assert_true(score_spans(&arena, s, two, "date: Acme Ltd\nparty: 1 May 2020", 0) == 0);
    assert_true(score_spans(&arena, s, two, "date: Acme Ltd\nparty: 1 May 2020", 2) == 1);
    assert_true(score_spans(&arena, s, two, "none", 0) == 0);
    assert_true(score_spans(&arena, s, two, "date: May 2020", 0) == 0);
    // Words in common: 2 of 2 and 3, so 4/5; F1 is 2 * 0.8 / 3.
    assert_true(fabs(score_spans(&arena, s, two, "date: May 2020", 1) - 1.6 / 3) < 1e-15);
    // The same span said twice is one hit and one claim too many.
    assert_true(score_spans(&arena, s, two, "party: Acme Ltd\nparty: Acme Ltd", 0) == 0.5);
    assert_true(score_spans(&arena, s, two, "I found two parties", 0) == 0);
    assert_true(score_spans(&arena, s, two, two, 0) == 1); // the same list as JSON
    assert_true(score_spans(&arena, s, "[]", "None", 0) == 1);
    assert_true(score_spans(&arena, s, "[]", "party: X", 0) == 0);
    assert_true(score_spans(&arena, s, "[]", NULL, 0) == 0);
    assert_true(score_spans(&arena, s, two, "[{\"label\": 1}]", 0) == 0);
    as_summary summary = {0};
    as_scorer_summarize(s, &arena, &summary);
    const as_value *f1 = fixture_value(&summary, "span_f1", "");
    // 2 + 1 + 1 + 2 hits, 11 times two expected, 16 claimed.
    fixture_near(f1->value, 2.0 * 6 / (22 + 16), 1e-15, "micro F1");
    as_sample bad = fixture_sample(&arena, "bad", "\"party: X\"", "party: X");
    as_err err = {0};
    assert_int_equal(as_scorer_add(s, &arena, &bad, &err), AS_INVALID);
    assert_string_equal(
        err.text, "metric 'span_f1' needs 'expected' to be a list of {label, text}, not a string");
    as_scorer_free(s);
    as_arena_free(&arena);
}

static void test_calibration(void **state) {
    (void)state;
    static const char *const metrics[] = {"brier", "log_loss", "ece", NULL};
    static const as_str names[] = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}};
    as_arena arena = {0};
    fixture_row *rows;
    size_t count = fixture_read(&arena, "tests/metrics/calibration.tsv", &rows);
    as_scorer *scorer = NULL;
    as_summary summary = {0};
    as_str set = {0};
    for (size_t i = 0; i < count; i++) {
        const as_str *cell = rows[i].cells;
        if (as_str_is(cell[0], "value")) {
            as_scorer_summarize(scorer, &arena, &summary);
            const char *metric = as_str_copy(&arena, cell[2]).ptr;
            fixture_near(fixture_value(&summary, metric, "")->value, fixture_number(cell[3]), 1e-13,
                         metric);
            continue;
        }
        if (!as_str_eq(cell[1], set)) {
            as_scorer_free(scorer);
            scorer = fixture_scorer(&arena, metrics);
            set = cell[1];
        }
        double *logits;
        char id[32], gold[8];
        snprintf(id, sizeof id, "%zu", i);
        snprintf(gold, sizeof gold, "\"%c\"", 'a' + (int)fixture_number(cell[2]));
        as_sample sample = fixture_sample(&arena, id, gold, "a");
        sample.choice_count = fixture_numbers(&arena, cell[3], &logits);
        sample.choices = names;
        sample.choice_logprobs = logits;
        fixture_add(scorer, &arena, sample);
    }
    // A case without log-probabilities has no such score.
    as_sample bare = fixture_sample(&arena, "bare", "\"a\"", "a");
    as_err err = {0};
    assert_int_equal(as_scorer_add(scorer, &arena, &bare, &err), AS_OK);
    assert_true(isnan(bare.scores[0].value) && isnan(bare.scores[2].value));
    as_scorer_free(scorer);
    as_arena_free(&arena);
}

// A run of `n` cases of a 26-class suite with slices, clusters and some errors.
static as_sample *make_run(as_arena *arena, size_t n, size_t classes, bool clustered) {
    as_sample *out = AS_NEW_ARRAY(arena, as_sample, n);
    as_rng rng = as_rng_of(42, 0);
    for (size_t i = 0; i < n; i++) {
        char id[32], gold[32], pred[32];
        size_t label = as_rng_below(&rng, classes);
        size_t said = as_rng_unit(&rng) < 0.85 ? label : as_rng_below(&rng, classes);
        snprintf(id, sizeof id, "case-%05zu", i);
        snprintf(gold, sizeof gold, "\"label%zu\"", label);
        snprintf(pred, sizeof pred, "label%zu", said);
        out[i] = fixture_sample(arena, id, gold, i % 97 == 5 ? NULL : pred);
        if (i % 61 == 3) out[i].outcome = AS_OUT_TIMEOUT;
        if (clustered) out[i].cluster = as_strf(arena, "doc%zu", i / 4);
        out[i].latency_ms = 5 + 20 * as_rng_unit(&rng);
        out[i].ttft_ms = 2;
        out[i].tokens_out = 11;
        out[i].cost = 0.25 * (double)(i % 3);
        as_str *slices = AS_NEW_ARRAY(arena, as_str, 2);
        slices[0] = as_strf(arena, "tag=t%zu", i % 7);
        slices[1] = as_strf(arena, "channel=c%zu", i % 5);
        out[i].slices = slices;
        out[i].slice_count = 2;
    }
    return out;
}

static const char *const many[] = {
    "accuracy",        "f1_macro",      "f1_micro",         "f1_weighted", "mcc",          "kappa",
    "precision_macro", "recall_macro",  "token_f1",         "latency.p95", "latency.mean", "errors",
    "cost.total",      "cost.per_case", "cost.per_correct", NULL};

static as_scorer *score_run(as_arena *arena, const as_sample *run, size_t n, size_t stride) {
    as_scorer *scorer = fixture_scorer(arena, many);
    for (size_t i = 0; i < n; i++) fixture_add(scorer, arena, run[i * stride % n]);
    return scorer;
}

static as_str summary_text(as_arena *arena, as_scorer *scorer) {
    as_summary summary = {.wall_s = 2};
    as_buf text = {0};
    as_scorer_summarize(scorer, arena, &summary);
    as_summary_write(&text, &summary);
    as_str out = as_str_copy(arena, as_buf_view(&text));
    as_buf_free(&text);
    return out;
}

static void test_order(void **state) {
    (void)state;
    as_arena arena = {0};
    for (int clustered = 0; clustered < 2; clustered++) {
        as_sample *run = make_run(&arena, 211, 5, clustered);
        for (size_t i = 0; i < 211; i++) run[i].weight = clustered ? 1 + (double)(i % 3) / 3 : 1;
        as_scorer *a = score_run(&arena, run, 211, 1), *b = score_run(&arena, run, 211, 89);
        as_str one = summary_text(&arena, a), other = summary_text(&arena, b);
        assert_true(one.len > 1000);
        assert_string_equal(one.ptr, other.ptr);
        assert_string_equal(summary_text(&arena, a).ptr, one.ptr); // and again
        as_scorer_free(a);
        as_scorer_free(b);
    }
    as_arena_free(&arena);
}

static void test_methods(void **state) {
    (void)state;
    as_arena arena = {0};
    as_sample *run = make_run(&arena, 300, 4, false), *grouped = make_run(&arena, 300, 4, true);
    as_scorer *a = score_run(&arena, run, 300, 1), *b = score_run(&arena, grouped, 300, 1);
    as_summary plain = {0}, clustered = {0};
    as_scorer_summarize(a, &arena, &plain);
    as_scorer_summarize(b, &arena, &clustered);
    const as_value *accuracy = fixture_value(&plain, "accuracy", "");
    assert_true(as_str_is(accuracy->method, "wilson"));
    assert_int_equal(accuracy->n, 295);
    fixture_near(accuracy->stderr_,
                 sqrt(accuracy->value * (1 - accuracy->value) / (double)(accuracy->n - 1)), 1e-12,
                 "standard error");
    assert_true(as_str_is(fixture_value(&clustered, "accuracy", "")->method, "cluster t"));
    for (size_t i = 0; i < plain.metric_count; i++) {
        const as_value *v = &plain.metrics[i];
        assert_true(v->value == v->value);
        assert_true(v->ci.lo <= v->value && v->value <= v->ci.hi);
        assert_true(v->method.len > 0);
    }
    const as_value *f1 = fixture_value(&plain, "f1_micro", "");
    assert_true(as_str_is(f1->method, "bootstrap bca"));
    // Nearly a share: its bootstrap interval must be nearly Wilson's.
    assert_true(fabs(f1->ci.lo - accuracy->ci.lo) < 0.02);
    assert_int_equal(plain.slice_count, 12);
    assert_true(as_str_is(plain.slices[0].slice, "channel=c0"));
    assert_true(fixture_value(&plain, "accuracy", "tag=t3")->n > 20);
    assert_int_equal(plain.errors, 5);
    assert_int_equal(plain.outcomes[AS_OUT_TIMEOUT], 5);
    fixture_near(fixture_value(&plain, "errors", "")->value, 5.0 / 300, 1e-15, "errors");
    fixture_near(plain.cost_total, 75, 1e-15, "cost");
    fixture_near(fixture_value(&plain, "cost.total", "")->value, 75, 1e-12, "cost.total");
    fixture_near(fixture_value(&plain, "latency.p95", "")->value, plain.latency.p95, 0, "p95");
    assert_true(plain.tpot.max < 3 && plain.tpot.p50 > 0);
    as_confusion confusion;
    as_scorer_confusion(a, &arena, &confusion);
    assert_int_equal(confusion.count, 5); // four labels, and cases without an answer
    uint64_t sum = 0;
    for (size_t i = 0; i < 25; i++) sum += confusion.cells[i];
    assert_int_equal(sum, 295);
    as_scorer_free(a);
    as_scorer_free(b);
    as_arena_free(&arena);
}

// All right or all wrong leaves room for doubt; one case and none say nothing.
static void test_extremes(void **state) {
    (void)state;
    static const char *const metrics[] = {"accuracy", "f1_macro", "mcc", "span_f1", NULL};
    static const char *const labels_only[] = {"accuracy", "f1_macro", "mcc", NULL};
    as_arena arena = {0};
    as_scorer *scorer = fixture_scorer(&arena, labels_only);
    as_summary summary = {0};
    as_scorer_summarize(scorer, &arena, &summary);
    for (size_t i = 0; i < 3; i++) {
        assert_true(isnan(summary.metrics[i].value) && isnan(summary.metrics[i].ci.lo));
        assert_int_equal(summary.metrics[i].n, 0);
    }
    assert_true(isnan(summary.latency.p50));
    for (int i = 0; i < 40; i++) {
        char id[8];
        snprintf(id, sizeof id, "%d", i);
        fixture_add(scorer, &arena,
                    fixture_sample(&arena, id, i % 2 ? "\"a\"" : "\"b\"", i % 2 ? "a" : "b"));
    }
    as_scorer_summarize(scorer, &arena, &summary);
    for (size_t i = 0; i < 3; i++) {
        assert_true(summary.metrics[i].value == 1 && summary.metrics[i].ci.hi == 1);
        assert_true(summary.metrics[i].ci.lo < 0.95 && summary.metrics[i].ci.lo > 0.85);
    }
    as_scorer_free(scorer);
    scorer = fixture_scorer(&arena, metrics);
    as_scorer_free(scorer);
    as_arena_free(&arena);
}

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *metric, *message;
    } cases[] = {
        {"acuracy", "unknown metric 'acuracy'; did you mean 'accuracy'?"},
        {"zzzzzzzzzzzzz", "unknown metric 'zzzzzzzzzzzzz'"},
        {"semantic_similarity", "metric 'semantic_similarity' needs option 'model': {name: "
                                "semantic_similarity, model: ...}"},
        {"{name: bleu, tokenise: intl}",
         "metric 'bleu' has no option 'tokenise'; did you mean 'tokenize'?"},
        {"{name: bleu, tokenize: v13}",
         "option 'tokenize' of metric 'bleu' must be 13a, intl, zh, char, none, ja-mecab, "
         "ko-mecab, spm, flores101, flores200 or spBLEU-1K, not 'v13'"},
        {"{name: bleu, smooth_value: 1}", "option 'smooth_value' of metric 'bleu' goes with "
                                          "smooth_method floor or add-k"},
        {"not-levenshtein", "metric 'not-levenshtein' needs option 'threshold': {name: "
                            "not-levenshtein, threshold: 5}"},
        {"latency", "metric 'latency' needs option 'threshold': {name: latency, threshold: ...}"},
        {"word-count", "metric 'word-count' needs 'value', or one or both of 'min' and 'max'"},
        {"{name: regex, value: '('}",
         "metric 'regex': regular expression '(' is wrong at offset 1: "
         "missing closing parenthesis"},
        {"{name: json_schema, schema: {tpye: object}}",
         "option 'schema' of metric 'json_schema': json schema: keyword 'tpye' at '#/' is not "
         "supported; did you mean 'type'?"},
        {"{name: kappa_linear, labels: [a, b, a]}",
         "option 'labels' of metric 'kappa_linear' has 'a' twice"},
        {"not-bleu", "unknown metric 'not-bleu'"},
        {"pass@", "unknown metric 'pass@'; did you mean 'pass@K'?"},
        {"recall@05", "unknown metric 'recall@05'; did you mean 'recall@K'?"},
        {"{name: span_f1, mach: label}",
         "metric 'span_f1' has no option 'mach'; did you mean 'match'?"},
        {"{name: span_f1, match: fuzzy}",
         "option 'match' of metric 'span_f1' must be exact, partial or label, not 'fuzzy'"},
        {"{name: ece, bins: 0}",
         "option 'bins' of metric 'ece' must be a whole number from 1 to 100, not '0'"},
        {"{name: ece, bins: [1]}",
         "option 'bins' of metric 'ece' must be a whole number from 1 to 100, not a list"},
        {"{name: contains, ignore_case: 3}",
         "option 'ignore_case' of metric 'contains' must be true or false, not '3'"},
        {"{name: f1_macro, zero_division: 2}",
         "option 'zero_division' of metric 'f1_macro' must be 0, 1 or nan, not '2'"},
        {"{name: span_f1, as: accuracy}",
         "metric 'span_f1' cannot be named 'accuracy': that is another metric"},
        {"{name: span_f1, as: 'a b'}", "option 'as' of metric 'span_f1' must be a name of letters, "
                                       "digits, '_', '.' and '-', not 'a b'"},
        {"{name: accuracy, labels: [a]}", "metric 'accuracy' has no option 'labels'; it has 'as'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        as_arena arena = {0};
        as_err err = {0};
        as_scorer *scorer = NULL;
        const char *metrics[] = {cases[i].metric, NULL};
        assert_int_equal(fixture_scorer_try(&arena, metrics, &scorer, &err), AS_INVALID);
        assert_null(scorer);
        assert_string_equal(err.text, cases[i].message);
        as_arena_free(&arena);
    }
    as_arena arena = {0};
    as_err err = {0};
    as_scorer *scorer = NULL;
    static const char *const twice[] = {"accuracy", "accuracy", NULL};
    assert_int_equal(fixture_scorer_try(&arena, twice, &scorer, &err), AS_INVALID);
    assert_string_equal(err.text,
                        "metric 'accuracy' is asked for twice; name one of them with 'as'");
    for (size_t i = 0; as_metric_names()[i]; i++) {
        as_metric_spec spec = {.name = as_str_of(as_metric_names()[i])};
        if (as_str_ends(spec.name, AS_STR("@K")))
            spec.name = as_strf(&arena, "%.*s7", (int)spec.name.len - 1, spec.name.ptr);
        const as_metric_ops *ops;
        assert_int_equal(as_metric_name_check(spec.name, &ops, &err), AS_OK);
        static const char *const one_of[] = {"word-count", "trajectory:step-count", "skill-used"};
        bool needs = false; // one of its options
        for (size_t k = 0; k < sizeof one_of / sizeof *one_of; k++)
            needs |= as_str_is(spec.name, one_of[k]);
        for (const as_setting_spec *o = ops->settings; o && o->name; o++) needs |= o->needed;
        assert_int_equal(as_metric_check(&spec, &err), needs ? AS_INVALID : AS_OK);
        as_buf help = {0};
        assert_true(as_metric_help_one(&help, spec.name) && help.len > 400);
        as_buf_free(&help);
    }
    as_arena_free(&arena);
}

static void test_expected_forms(void **state) {
    (void)state;
    static const char *const accuracy[] = {"accuracy", NULL}, *const exact[] = {"exact_match",
                                                                                NULL};
    static const char *const bad[] = {"{}", "null", "[]", "[[1]]"};
    as_arena arena = {0};
    for (size_t i = 0; i < 4; i++)
        for (int m = 0; m < 2; m++) {
            as_err err = {0};
            as_scorer *scorer = fixture_scorer(&arena, m ? exact : accuracy);
            as_sample sample = fixture_sample(&arena, "1", bad[i], "x");
            assert_int_equal(as_scorer_add(scorer, &arena, &sample, &err), AS_INVALID);
            assert_non_null(strstr(err.text, "needs 'expected' to be"));
            as_scorer_free(scorer);
        }
    as_scorer *scorer = fixture_scorer(&arena, accuracy);
    as_sample number = fixture_sample(&arena, "1", "3", "3");
    as_sample truth = fixture_sample(&arena, "2", "true", "true");
    as_err err = {0};
    assert_int_equal(as_scorer_add(scorer, &arena, &number, &err), AS_OK);
    assert_int_equal(as_scorer_add(scorer, &arena, &truth, &err), AS_OK);
    assert_true(number.scores[0].value == 1 && truth.scores[0].value == 1);
    as_scorer_free(scorer);
    as_arena_free(&arena);
}

static void test_speed(void **state) {
    (void)state;
    as_arena arena = {0};
    as_sample *run = make_run(&arena, 1200, 26, false);
    as_scorer *scorer = score_run(&arena, run, 1200, 1);
    as_summary summary = {0};
    uint64_t start = as_clock_ns();
    as_scorer_summarize(scorer, &arena, &summary);
    double seconds = (double)(as_clock_ns() - start) / 1e9;
    print_message("1,200 cases, 26 classes, 15 metrics, 12 slices: %.2f s\n", seconds);
    assert_true(seconds < 20); // a guard against the order of growth, not a benchmark
    as_scorer_free(scorer);
    as_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sklearn),       cmocka_unit_test(test_texts),
        cmocka_unit_test(test_several_golds), cmocka_unit_test(test_spans),
        cmocka_unit_test(test_calibration),   cmocka_unit_test(test_order),
        cmocka_unit_test(test_methods),       cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_refusals),      cmocka_unit_test(test_expected_forms),
        cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
