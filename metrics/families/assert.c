// SPDX-License-Identifier: Apache-2.0
// assert.c - a list of assertions that each case brings, as in promptfoo's tests: the suite says
// `expected: assert` (or the name of the field that has it). An element is {type: NAME, value: ..,
// threshold: .., weight: .., metric: ..} with the name of an assertion, or {type: assert-set,
// assert: [..], threshold: .., weight: ..}.
//
//   assert        1 if all assertions pass; of a set with `threshold`, if its score reaches that
//   assert_score  mean of the assertions' scores, by `weight` (1)
// A weight of 0 is only looked at: it neither counts nor fails. An empty list asserts nothing and
// is undefined (promptfoo: passes). What asks a model, runs code or needs a file is refused, as are
// templates in values. contains-all and -any split a text at commas; levenshtein allows 5 edits
// unless `threshold` says otherwise (assert_form.h). A score (gleu, meteor, tool-call-f1, ..) is
// held against `threshold`; not- turns the verdict round, and the score where promptfoo does. What
// is undefined (a check of a trace without one) fails. Source: promptfoo 0.12x.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/map.h"
#include "metrics/families/assert_form.h"
#include "metrics/metric.h"

enum { PASSES, SCORE };
enum { DEPTH_MAX = 4 };

typedef struct check {
    as_metric metric;
    const as_assert_form *form;
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

static bool holds_template(const as_json *value) {
    if (value->kind == AS_JSON_STRING && (as_str_find(value->text, AS_STR("{{"), 0) != SIZE_MAX ||
                                          as_str_starts(value->text, AS_STR("file://"))))
        return true;
    for (const as_json *m = value->child; m; m = m->next)
        if (holds_template(m)) return true;
    return false;
}

// The metric that the assertion is, as one of a suite would be made.
static as_rc make(const judging *j, const as_json *from, as_str type, check *out) {
    as_arena *arena = &j->cache->arena;
    const as_json *value = as_json_get(from, "value");
    if (value && holds_template(value))
        return as_fail(j->err, AS_INVALID,
                       "assertion '%.*s': templates and files in 'value' are not there",
                       AS_STR_ARG(type));
    if ((out->form->kind == AS_ASSERT_GOLD || out->form->kind == AS_ASSERT_REFERENCES) && !value)
        return as_fail(j->err, AS_INVALID, "assertion '%.*s' needs 'value'", AS_STR_ARG(type));
    as_metric_spec spec = {0};
    as_str text = as_assert_form_spec(arena, out->form, type, from);
    as_rc rc = as_yaml_parse(arena, text, "assert", &spec.options, j->err);
    if (!rc) spec.name = as_yaml_get(spec.options, "name")->text;
    if (!rc) rc = as_metric_resolve(arena, &spec, &out->metric, j->err);
    if (rc) as_err_prefix(j->err, "assertion");
    return rc;
}

static as_rc find(const judging *j, const as_json *from, as_str type, check **out) {
    cache *c = j->cache;
    as_buf text = {0};
    as_json_write(&text, from);
    uint64_t at;
    as_rc rc = AS_OK;
    if (as_map_get(&c->by_text, as_buf_view(&text), &at)) {
        *out = c->checks[at];
    } else {
        *out = AS_NEW(&c->arena, check);
        rc = as_assert_form_find(type, &(*out)->form, j->err);
        if (!rc) rc = make(j, from, type, *out);
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

// The value of an assertion as what is expected.
static void set_golds(const as_json *value, bool several, as_scoring *scoring) {
    bool list = value->kind == AS_JSON_ARRAY || value->kind == AS_JSON_OBJECT;
    size_t count = !list ? 1 : several && value->kind == AS_JSON_ARRAY ? value->count : 0;
    as_str *golds = AS_NEW_ARRAY(scoring->arena, as_str, count + 1);
    const as_json *item = list ? value->child : value;
    for (size_t i = 0; i < count; i++, item = item->next)
        golds[i] = as_json_plain(scoring->arena, item);
    scoring->golds = golds;
    scoring->gold_count = count;
}

static as_rc run_check(const judging *j, const as_json *from, const check *c, verdict *out) {
    as_scoring scoring = *j->scoring;
    as_sample sample = *scoring.sample;
    const as_json *value = as_json_get(from, "value");
    bool several = c->form->kind == AS_ASSERT_REFERENCES;
    bool graded = !isnan(c->form->threshold);
    as_metric metric = c->metric;
    scoring.sample = &sample;
    if (several || c->form->kind == AS_ASSERT_GOLD) {
        sample.expected = value;
        set_golds(value, several, &scoring);
    }
    // A score is held against its threshold as it is, and turned round afterwards.
    if (graded) metric.negate = false;
    double score = NAN, *stats = AS_NEW_ARRAY(scoring.arena, double, metric.width + 1);
    as_rc rc = metric.ops->score(&metric, &scoring, &score, stats, j->err);
    out->score = isnan(score) ? 0 : score;
    out->pass = out->score >= 1;
    if (!graded || isnan(score)) return rc;
    double least = as_json_f64(from, "threshold", c->form->threshold);
    out->pass = isinf(least) || (score >= least) != c->metric.negate;
    if (!sample.has_prediction) out->pass = false;
    if (c->metric.negate && metric.ops->flags & AS_METRIC_TURNS)
        out->score = sample.has_prediction ? 1 - score : 0;
    return rc;
}

static as_rc run_list(const judging *j, const as_json *list, double threshold, size_t depth,
                      verdict *out);

static as_rc run_one(const judging *j, const as_json *from, size_t depth, verdict *out) {
    as_str type = as_json_str(from, "type", AS_STR(""));
    if (!type.len)
        return as_fail(j->err, AS_INVALID, "an assertion needs 'type': {type: contains, value: x}");
    if (as_str_is(type, "assert-set")) {
        as_rc rc = as_assert_form_keys(from, j->err);
        if (rc) return rc;
        return run_list(j, as_json_get(from, "assert"), as_json_f64(from, "threshold", NAN),
                        depth + 1, out);
    }
    check *c = NULL;
    as_rc rc = as_assert_form_keys(from, j->err);
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
