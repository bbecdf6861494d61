// SPDX-License-Identifier: Apache-2.0
// libFuzzer entry of the metrics: whatever a dataset expects and a model answers, a score is in its
// bounds or undefined, and a case is refused with a message or scored.
#include <math.h>
#include <stdlib.h>

#include "harness/base/utf8.h"
#include "metrics/metric.h"

static const char *const specs[] = {
    "accuracy",
    "kappa_quadratic",
    "exact_match",
    "quasi_exact_match",
    "token_f1",
    "levenshtein",
    "wer",
    "cer",
    "mer",
    "wil",
    "bleu",
    "{name: bleu, tokenize: intl}",
    "{name: bleu, tokenize: zh, smooth_method: floor}",
    "{name: bleu, tokenize: char}",
    "chrf",
    "{name: chrf_pp, lowercase: true}",
    "ter",
    "{name: ter, normalized: true, no_punct: true}",
    "rouge1",
    "{name: rouge2, stem: true}",
    "rougeL",
    "{name: rougeLsum, stem: true}",
    "recall@3",
    "precision@3",
    "hit@3",
    "mrr",
    "map",
    "{name: ndcg@3, gain: exp}",
    "acc",
    "acc_norm",
    "perplexity",
    "word_perplexity",
    "bits_per_byte",
    "pass@2",
    "contains-all",
    "regex",
    "starts-with",
    "equals",
    "json_valid",
    "json_schema",
    "contains-json",
    "{name: word-count, max: 3}",
    "tool_call_f1",
    "tool_argument_f1",
    "tool_order",
    "span_f1",
    "is-xml",
    "{name: contains-xml, elements: [a.b, c]}",
    "is-html",
    "is-refusal",
    "assert",
    "assert_score",
    "{name: tool-call-f1, value: [a, b]}",
};
enum { SPEC_COUNT = sizeof specs / sizeof *specs };

static as_scorer *scorer_of(as_arena *arena, size_t which) {
    as_err err = {0};
    as_scorer *out;
    as_metric_spec spec = {.name = as_str_of(specs[which])};
    if (spec.name.ptr[0] == '{') {
        if (as_yaml_parse(arena, spec.name, "fuzz", &spec.options, &err)) abort();
        spec.name = as_yaml_get(spec.options, "name")->text;
    }
    if (as_scorer_new(&spec, 1, &out, &err)) abort();
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size < 1 || size > 4096) return 0;
    as_arena arena = {0};
    as_err err = {0};
    as_str answer = {(const char *)bytes + 1, size - 1};
    as_str expected = as_str_cut(&answer, '\n');
    as_sample sample = {.id = AS_STR("1"), .weight = 1, .ttft_ms = NAN, .attempts = 1};
    if (as_json_parse(&arena, expected, &sample.expected, NULL))
        sample.expected = as_json_new_str(&arena, as_utf8_clean(&arena, expected));
    sample.output = sample.prediction = answer;
    sample.has_prediction = answer.ptr != NULL;
    if (as_json_parse(&arena, answer, &sample.line, NULL)) sample.line = NULL;
    as_scorer *scorer = scorer_of(&arena, bytes[0] % SPEC_COUNT);
    if (!as_scorer_add(scorer, &arena, &sample, &err)) {
        const as_metric_ops *ops;
        as_summary summary = {0};
        as_scorer_summarize(scorer, &arena, &summary);
        if (as_metric_name_check(sample.scores[0].name, &ops, NULL)) abort();
        double value = summary.metrics[0].value, score = sample.scores[0].value;
        bool bounded = ops->flags & AS_METRIC_BOUNDED;
        if (bounded && (value < 0 || value > 1 || score < 0 || score > 1)) abort();
    } else if (err.rc != AS_INVALID || !err.text[0]) {
        abort();
    }
    as_scorer_free(scorer);
    as_arena_free(&arena);
    return 0;
}
