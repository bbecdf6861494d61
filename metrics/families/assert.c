// SPDX-License-Identifier: Apache-2.0
// assert.c - a list of assertions that each case brings, as in promptfoo's tests: the suite says
// `expected: assert` (or the name of the field that has it). An element is {type: NAME, value: ..,
// threshold: .., weight: .., metric: ..} with the name of an assertion, or {type: assert-set,
// assert: [..], threshold: .., weight: ..}.
//
//   assert        1 if all assertions pass; of a set with `threshold`, if its score reaches that
//   assert_score  mean of the assertions' scores, by `weight` (1)
// A weight of 0 is only looked at: it neither counts nor fails. An empty list asserts nothing and
// is undefined (promptfoo: passes). What asks a model, runs a script or needs a file is refused, as
// are templates in values. contains-all and -any split a text at commas; levenshtein allows 5 edits
// unless `threshold` says otherwise. Source: promptfoo 0.12x.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/map.h"
#include "metrics/metric.h"

enum { PASSES, SCORE };
enum { DEPTH_MAX = 4 };

// How `value` and `threshold` of a type become options of the metric.
typedef enum value_form {
    FORM_NONE,
    FORM_TEXTS,  // value: a text or a list
    FORM_COMMAS, // the same, a text is split at commas
    FORM_SCHEMA, // value: a JSON Schema
    FORM_PATHS,  // value: {requiredElements: [..]} or a list of them
    FORM_GOLD,   // value is what is expected
    FORM_LIMIT,  // threshold
    FORM_WORDS,  // value: a number or {min, max}
    FORM_GRADED, // a score held against threshold
} value_form;

static const struct form {
    const char *type;
    value_form form;
    double threshold; // where it is not given
} forms[] = {
    {"contains", FORM_TEXTS, NAN},        {"icontains", FORM_TEXTS, NAN},
    {"starts-with", FORM_TEXTS, NAN},     {"regex", FORM_TEXTS, NAN},
    {"finish-reason", FORM_TEXTS, NAN},   {"contains-all", FORM_COMMAS, NAN},
    {"contains-any", FORM_COMMAS, NAN},   {"icontains-all", FORM_COMMAS, NAN},
    {"icontains-any", FORM_COMMAS, NAN},  {"equals", FORM_GOLD, NAN},
    {"levenshtein", FORM_GOLD, 5},        {"is-json", FORM_SCHEMA, NAN},
    {"contains-json", FORM_SCHEMA, NAN},  {"is-xml", FORM_PATHS, NAN},
    {"contains-xml", FORM_PATHS, NAN},    {"is-html", FORM_NONE, NAN},
    {"contains-html", FORM_NONE, NAN},    {"is-refusal", FORM_NONE, NAN},
    {"latency", FORM_LIMIT, NAN},         {"cost", FORM_LIMIT, NAN},
    {"word-count", FORM_WORDS, NAN},      {"tool-call-f1", FORM_GRADED, 1},
    {"perplexity-score", FORM_GRADED, 0},
};
enum { FORM_COUNT = sizeof forms / sizeof *forms };

typedef struct check {
    as_metric metric;
    const struct form *form;
} check;

// Assertions that were met, by their text, so that each is made once.
typedef struct cache {
    as_arena arena;
    as_map by_text;
    check **checks;
    size_t count, capacity;
} cache;

static as_rc prepare(as_arena *arena, as_metric *metric, as_err *err) {
    (void)err;
    metric->own = AS_NEW(arena, cache);
    return AS_OK;
}

static void release(as_metric *metric) {
    cache *own = metric->own;
    if (!own) return;
    for (size_t i = 0; i < own->count; i++) as_metric_release(&own->checks[i]->metric);
    free(own->checks);
    as_map_free(&own->by_text);
    as_arena_free(&own->arena);
}

typedef struct verdict {
    double score;
    bool pass;
} verdict;

typedef struct judging {
    cache *cache;
    const as_scoring *scoring;
    as_err *err;
} judging;

static const struct form *form_of(as_str type) {
    if (as_str_starts(type, AS_STR("not-"))) type = as_str_sub(type, 4, type.len);
    for (size_t i = 0; i < FORM_COUNT; i++)
        if (as_str_is(type, forms[i].type)) return &forms[i];
    return NULL;
}

static as_rc unknown_type(const judging *j, as_str type) {
    static const char *const models[] = {"llm-rubric",
                                         "g-eval",
                                         "factuality",
                                         "similar",
                                         "answer-relevance",
                                         "context-faithfulness",
                                         "context-recall",
                                         "context-relevance",
                                         "model-graded-closedqa",
                                         "moderation",
                                         "classifier",
                                         "search-rubric",
                                         "model-graded-factuality",
                                         "conversation-relevance",
                                         "pi"};
    const char *names[FORM_COUNT + 1] = {0};
    for (size_t i = 0; i < FORM_COUNT; i++) names[i] = forms[i].type;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (as_str_is(type, models[i]))
            return as_fail(j->err, AS_INVALID,
                           "assertion '%.*s' asks a model: use a metric with a judge (assay help "
                           "rubric)",
                           AS_STR_ARG(type));
    const char *near = as_str_nearest(type, names);
    return as_fail(j->err, AS_INVALID, "assertion '%.*s' is not there%s%s%s", AS_STR_ARG(type),
                   near ? "; did you mean '" : " in a list of a case", near ? near : "",
                   near ? "'?" : "");
}

static as_rc check_keys(const judging *j, const as_json *from, const char *const *known) {
    for (const as_json *m = from->child; m; m = m->next) {
        size_t i = 0;
        while (known[i] && !as_str_is(m->key, known[i])) i++;
        if (!known[i])
            return as_fail(j->err, AS_INVALID, "assertion key '%.*s' is not there; known are %s",
                           AS_STR_ARG(m->key), "type, value, threshold, weight, metric");
    }
    return AS_OK;
}

static void put_commas(as_json_out *out, as_str text) {
    as_jo_open(out, '[');
    while (text.ptr) {
        as_str part = as_str_trim(as_str_cut(&text, ','));
        if (part.len) as_jo_str(out, part);
    }
    as_jo_close(out, ']');
}

static void put_option(as_json_out *out, const char *key, const as_json *value) {
    if (!value || value->kind == AS_JSON_NULL) return;
    as_jo_key(out, key);
    as_jo_json(out, value);
}

static void put_options(as_json_out *out, const struct form *form, const as_json *from) {
    const as_json *value = as_json_get(from, "value"), *limit = as_json_get(from, "threshold");
    const as_json *paths = as_json_get(value, "requiredElements");
    switch (form->form) {
    case FORM_NONE:
        return;
    case FORM_TEXTS:
        put_option(out, "value", value);
        return;
    case FORM_GRADED:
    case FORM_COMMAS:
        if (value && value->kind == AS_JSON_STRING)
            as_jo_key(out, "value"), put_commas(out, value->text);
        else
            put_option(out, "value", value);
        return;
    case FORM_SCHEMA:
        put_option(out, "schema", value);
        return;
    case FORM_PATHS:
        put_option(out, "elements", paths ? paths : value);
        return;
    case FORM_LIMIT:
        put_option(out, "threshold", limit);
        return;
    case FORM_GOLD:
        if (isnan(form->threshold)) return;
        as_jo_key(out, "threshold"),
            as_jo_f64(out, as_json_f64(from, "threshold", form->threshold));
        return;
    case FORM_WORDS:
        if (!value || value->kind != AS_JSON_OBJECT) put_option(out, "value", value);
        put_option(out, "min", as_json_get(value, "min"));
        put_option(out, "max", as_json_get(value, "max"));
        return;
    }
}

static bool holds_template(const as_json *value) {
    if (value->kind == AS_JSON_STRING && (as_str_find(value->text, AS_STR("{{"), 0) != SIZE_MAX ||
                                          as_str_starts(value->text, AS_STR("file://"))))
        return true;
    for (const as_json *m = value->child; m; m = m->next)
        if (holds_template(m)) return true;
    return false;
}

// The metric that the assertion is, as one of a suite would be made.
static as_rc make(const judging *j, const as_json *from, const struct form *form, as_str type,
                  check *out) {
    as_arena *arena = &j->cache->arena;
    const as_json *value = as_json_get(from, "value");
    if (value && holds_template(value))
        return as_fail(j->err, AS_INVALID,
                       "assertion '%.*s': templates and files in 'value' are not there",
                       AS_STR_ARG(type));
    if (form->form == FORM_GOLD && !value)
        return as_fail(j->err, AS_INVALID, "assertion '%.*s' needs 'value'", AS_STR_ARG(type));
    as_buf text = {0};
    as_json_out jo = {.buf = &text};
    as_jo_open(&jo, '{');
    as_jo_key(&jo, "name"), as_jo_str(&jo, type);
    put_options(&jo, form, from);
    as_jo_close(&jo, '}');
    as_metric_spec spec = {.name = as_str_copy(arena, type)};
    as_rc rc = as_yaml_parse(arena, as_buf_view(&text), "assert", &spec.options, j->err);
    if (!rc) rc = as_metric_resolve(arena, &spec, &out->metric, j->err);
    if (rc) as_err_prefix(j->err, "assertion");
    out->form = form;
    as_buf_free(&text);
    return rc;
}

static as_rc find(const judging *j, const as_json *from, as_str type, check **out) {
    cache *c = j->cache;
    const struct form *form = form_of(type);
    if (!form) return unknown_type(j, type);
    as_buf text = {0};
    as_json_write(&text, from);
    uint64_t at;
    as_rc rc = AS_OK;
    if (as_map_get(&c->by_text, as_buf_view(&text), &at)) {
        *out = c->checks[at];
    } else {
        *out = AS_NEW(&c->arena, check);
        rc = make(j, from, form, type, *out);
        if (!rc && c->count == c->capacity) {
            c->capacity = c->capacity ? 2 * c->capacity : 64;
            c->checks = as_mem_grow(c->checks, as_size_mul(c->capacity, sizeof *c->checks));
        }
        if (!rc) {
            as_map_add(&c->by_text, as_str_copy(&c->arena, as_buf_view(&text)), c->count, NULL);
            c->checks[c->count++] = *out;
        }
    }
    as_buf_free(&text);
    return rc;
}

static as_rc run_check(const judging *j, const as_json *from, const check *c, verdict *out) {
    as_scoring scoring = *j->scoring;
    as_sample sample = *scoring.sample;
    const as_json *value = as_json_get(from, "value");
    scoring.sample = &sample;
    if (c->form->form == FORM_GOLD) {
        bool list = value->kind == AS_JSON_ARRAY || value->kind == AS_JSON_OBJECT;
        as_str *gold = AS_NEW(scoring.arena, as_str);
        sample.expected = value;
        if (!list) *gold = as_json_plain(scoring.arena, value);
        scoring.golds = gold;
        scoring.gold_count = list ? 0 : 1;
    }
    double score = NAN, *stats = AS_NEW_ARRAY(scoring.arena, double, c->metric.width + 1);
    as_rc rc = c->metric.ops->score(&c->metric, &scoring, &score, stats, j->err);
    out->score = isnan(score) ? 0 : score;
    out->pass = out->score >= 1;
    if (c->form->form == FORM_GRADED)
        out->pass = !isnan(score) && (score >= as_json_f64(from, "threshold",
                                                           c->form->threshold)) != c->metric.negate;
    return rc;
}

static as_rc run_list(const judging *j, const as_json *list, double threshold, size_t depth,
                      verdict *out);

static as_rc run_one(const judging *j, const as_json *from, size_t depth, verdict *out) {
    static const char *const keys[] = {"type", "value", "threshold", "weight", "metric", NULL};
    static const char *const set_keys[] = {"type", "assert", "threshold", "weight", "metric", NULL};
    as_str type = as_json_str(from, "type", AS_STR(""));
    if (!type.len)
        return as_fail(j->err, AS_INVALID, "an assertion needs 'type': {type: contains, value: x}");
    if (as_str_is(type, "assert-set")) {
        as_rc rc = check_keys(j, from, set_keys);
        if (rc) return rc;
        return run_list(j, as_json_get(from, "assert"), as_json_f64(from, "threshold", NAN),
                        depth + 1, out);
    }
    check *c = NULL;
    as_rc rc = check_keys(j, from, keys);
    if (!rc) rc = find(j, from, type, &c);
    return rc ? rc : run_check(j, from, c, out);
}

static as_rc run_list(const judging *j, const as_json *list, double threshold, size_t depth,
                      verdict *out) {
    bool one = list && list->kind == AS_JSON_OBJECT;
    double sum = 0, weights = 0;
    bool all = true;
    if (!list || (!one && list->kind != AS_JSON_ARRAY) || depth > DEPTH_MAX)
        return as_fail(j->err, AS_INVALID, "assertions must be a list of {type: ..}, not %s",
                       list ? as_json_kind_name(list->kind) : "missing");
    for (const as_json *m = one ? list : list->child; m; m = one ? NULL : m->next) {
        verdict v = {0};
        double weight = as_json_f64(m, "weight", 1);
        as_rc rc =
            weight >= 0 && isfinite(weight)
                ? run_one(j, m, depth, &v)
                : as_fail(j->err, AS_INVALID, "the weight of an assertion must be 0 or more");
        if (rc) return rc;
        sum += weight * v.score;
        weights += weight;
        all &= v.pass || weight == 0;
    }
    *out = (verdict){weights > 0 ? sum / weights : 0, all};
    if (!one && !list->count) out->score = NAN;
    if (!isnan(threshold)) out->pass = out->score >= threshold;
    return AS_OK;
}

static as_rc score(const as_metric *metric, const as_scoring *scoring, double *out, double *stats,
                   as_err *err) {
    (void)stats;
    judging j = {metric->own, scoring, err};
    verdict v = {0};
    as_rc rc = run_list(&j, scoring->sample->expected, NAN, 0, &v);
    if (rc) {
        as_err_prefix(err, "metric '%.*s'", AS_STR_ARG(metric->name));
        return rc;
    }
    *out = isnan(v.score) ? NAN : metric->ops->variant == SCORE ? v.score : (double)v.pass;
    return AS_OK;
}

const as_metric_ops as_assert_metrics[] = {
    {.name = "assert",
     .text = "share of cases whose list of assertions passes",
     .kind = AS_METRIC_MEAN,
     .flags = AS_METRIC_UNIT | AS_METRIC_BOUNDED,
     .prepare = prepare,
     .release = release,
     .score = score,
     .variant = PASSES},
    {.name = "assert_score",
     .text = "mean weighted score of the cases' lists of assertions",
     .kind = AS_METRIC_MEAN,
     .flags = AS_METRIC_UNIT | AS_METRIC_BOUNDED,
     .prepare = prepare,
     .release = release,
     .score = score,
     .variant = SCORE},
    {.name = NULL},
};
