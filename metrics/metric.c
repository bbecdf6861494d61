// SPDX-License-Identifier: Apache-2.0
#include "metrics/metric.h"

#include <math.h>
#include <string.h>

enum { METRICS_MAX = 96 };

static const as_metric_ops *const families[] = {as_classify_metrics, as_text_metrics,
                                                as_span_metrics, as_calibration_metrics,
                                                as_latency_metrics};

// Names of the contract that nothing computes yet; "@" stands for "@K".
static const char *const not_yet[] = {"kappa_linear",
                                      "kappa_quadratic",
                                      "roc_auc",
                                      "average_precision",
                                      "ace",
                                      "levenshtein",
                                      "wer",
                                      "cer",
                                      "mer",
                                      "wil",
                                      "bleu",
                                      "chrf",
                                      "chrf_pp",
                                      "ter",
                                      "rouge1",
                                      "rouge2",
                                      "rougeL",
                                      "rougeLsum",
                                      "semantic_similarity",
                                      "json_valid",
                                      "json_schema",
                                      "pass@",
                                      "acc",
                                      "acc_norm",
                                      "acc_bytes",
                                      "acc_mutual_info",
                                      "perplexity",
                                      "word_perplexity",
                                      "byte_perplexity",
                                      "bits_per_byte",
                                      "recall@",
                                      "precision@",
                                      "hit@",
                                      "mrr",
                                      "ndcg@",
                                      "map",
                                      NULL};

static const as_metric_ops *find(as_str name) {
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const as_metric_ops *ops = families[f]; ops->name; ops++)
            if (as_str_is(name, ops->name)) return ops;
    return NULL;
}

const as_metric_ops *as_metric_run_find(as_str name) {
    const as_metric_ops *ops = find(name);
    return ops && ops->flags & AS_METRIC_RUN ? ops : NULL;
}

static bool is_later(as_str name) {
    for (size_t i = 0; not_yet[i]; i++) {
        as_str known = as_str_of(not_yet[i]);
        if (as_str_ends(known, AS_STR("@")) ? as_str_starts(name, known) : as_str_eq(name, known))
            return true;
    }
    return false;
}

// Both lists are written once, on the first call; every call writes the same values.
static const char *all_names[METRICS_MAX], *all_texts[METRICS_MAX];

static void list_all(void) {
    size_t count = 0;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const as_metric_ops *ops = families[f]; ops->name && count + 1 < METRICS_MAX; ops++) {
            all_names[count] = ops->name;
            all_texts[count++] = ops->text;
        }
}

const char *const *as_metric_names(void) {
    list_all();
    return all_names;
}

const char *const *as_metric_texts(void) {
    list_all();
    return all_texts;
}

as_rc as_metric_name_check(as_str name, const as_metric_ops **out, as_err *err) {
    const as_metric_ops *ops = find(name);
    if (ops) {
        if (out) *out = ops;
        return AS_OK;
    }
    if (is_later(name))
        return as_fail(err, AS_INVALID, "metric '%.*s' is known, but not available yet",
                       AS_STR_ARG(name));
    const char *near = as_str_nearest(name, as_metric_names());
    if (near)
        return as_fail(err, AS_INVALID, "unknown metric '%.*s'; did you mean '%s'?",
                       AS_STR_ARG(name), near);
    return as_fail(err, AS_INVALID, "unknown metric '%.*s'", AS_STR_ARG(name));
}

static as_rc bad_option(const as_metric *metric, const as_yaml *option, const char *wanted,
                        as_err *err) {
    return as_fail(err, AS_INVALID, "option '%.*s' of metric '%s' must be %s, not %s%s%.*s%s",
                   AS_STR_ARG(option->key), metric->ops->name, wanted,
                   option->text.len ? "" : as_yaml_kind_name(option->kind),
                   option->text.len ? "'" : "", AS_STR_ARG(option->text),
                   option->text.len ? "'" : "");
}

static as_rc set_match(as_metric *metric, const as_yaml *option, as_err *err) {
    static const char *const names[] = {"exact", "partial", "label"};
    for (unsigned i = 0; i < 3; i++)
        if (as_str_is(option->text, names[i])) {
            metric->match = (as_span_match)i;
            return AS_OK;
        }
    return bad_option(metric, option, "exact, partial or label", err);
}

static as_rc set_bins(as_metric *metric, const as_yaml *option, as_err *err) {
    double n = option->kind == AS_YAML_NUMBER ? option->number : 0;
    if (!(n >= 1 && n <= 100 && n == floor(n)))
        return bad_option(metric, option, "a whole number from 1 to 100", err);
    metric->bins = (size_t)n;
    return AS_OK;
}

static as_rc set_zero_division(as_metric *metric, const as_yaml *option, as_err *err) {
    bool number = option->kind == AS_YAML_NUMBER;
    if (number && (option->number == 0 || option->number == 1))
        metric->zero_division = option->number;
    else if (as_str_is(option->text, "nan") || as_str_is(option->text, ".nan"))
        metric->zero_division = NAN;
    else
        return bad_option(metric, option, "0, 1 or nan", err);
    return AS_OK;
}

static as_rc set_ignore_case(as_metric *metric, const as_yaml *option, as_err *err) {
    if (option->kind != AS_YAML_BOOL) return bad_option(metric, option, "true or false", err);
    metric->ignore_case = option->boolean;
    return AS_OK;
}

static const struct {
    const char *name;
    as_rc (*set)(as_metric *metric, const as_yaml *option, as_err *err);
} setters[] = {
    {"match", set_match},
    {"bins", set_bins},
    {"zero_division", set_zero_division},
    {"ignore_case", set_ignore_case},
};

static as_rc unknown_option(const as_metric *metric, as_str key, as_err *err) {
    const char *names[8] = {"as"};
    size_t count = 1;
    for (const char *const *o = metric->ops->options; o && *o && count < 7; o++)
        names[count++] = *o;
    const char *near = as_str_nearest(key, names);
    return as_fail(err, AS_INVALID, "metric '%s' has no option '%.*s'; %s '%s'%s",
                   metric->ops->name, AS_STR_ARG(key), near ? "did you mean" : "it has",
                   near ? near : names[count - 1], near ? "?" : "");
}

// A name that a gate can be written with.
static bool is_plain_name(as_str name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '_' && c != '.' && c != '-' && c != '@') return false;
    }
    return name.len > 0;
}

static as_rc set_option(as_metric *metric, const as_yaml *option, as_err *err) {
    if (as_str_is(option->key, "name")) return AS_OK;
    if (as_str_is(option->key, "as")) {
        if (option->kind != AS_YAML_STRING || !is_plain_name(option->text))
            return bad_option(metric, option, "a name of letters, digits, '_', '.' and '-'", err);
        metric->name = option->text;
        return AS_OK;
    }
    for (const char *const *o = metric->ops->options; o && *o; o++)
        for (size_t i = 0; i < sizeof setters / sizeof *setters; i++)
            if (as_str_is(option->key, *o) && strcmp(*o, setters[i].name) == 0)
                return setters[i].set(metric, option, err);
    return unknown_option(metric, option->key, err);
}

as_rc as_metric_resolve(as_arena *arena, const as_metric_spec *spec, as_metric *out, as_err *err) {
    as_metric metric = {.name = spec->name, .bins = 15};
    as_rc rc = as_metric_name_check(spec->name, &metric.ops, err);
    if (rc != AS_OK) return rc;
    if (spec->options && spec->options->kind == AS_YAML_MAP)
        for (const as_yaml *option = spec->options->child; option; option = option->next)
            if ((rc = set_option(&metric, option, err)) != AS_OK) return rc;
    const as_metric_ops *same = find(metric.name);
    if (same && same != metric.ops)
        return as_fail(err, AS_INVALID, "metric '%s' cannot be named '%s': that is another metric",
                       metric.ops->name, same->name);
    metric.width = metric.ops->options && strcmp(metric.ops->options[0], "bins") == 0
                       ? 3 * metric.bins
                       : metric.ops->width;
    metric.name = as_str_copy(arena, metric.name);
    *out = metric;
    return AS_OK;
}

as_rc as_metric_check(const as_metric_spec *spec, as_err *err) {
    as_arena arena = {0};
    as_metric metric;
    as_rc rc = as_metric_resolve(&arena, spec, &metric, err);
    as_arena_free(&arena);
    return rc;
}
