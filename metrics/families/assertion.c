// SPDX-License-Identifier: Apache-2.0
// assertion.c - yes-or-no checks of an answer, under the names that promptfoo gives them. The value
// is the share of cases that pass. Each may be asked for as not-NAME: the share that does not; a
// case without an answer passes neither.
//
//   equals                     the answer is the value, byte for byte; as JSON where that is an
//   object contains, icontains        the value stands in the answer (i: in any case) contains-all,
//   contains-any all of the values do, or one of them; icontains-all, icontains-any starts-with the
//   answer starts with the value regex                      the pattern matches somewhere (PCRE2)
//   is-json, json_valid        the answer is JSON, and nothing else; with `schema` as it says
//   json_schema                the same, where the schema must be given: as `schema`, or as
//   `expected` contains-json              some object or list in the answer is; at most 1,000
//   brackets are tried word-count                 words between blanks: `value` exactly, or from
//   `min` to `max` latency, cost              at most `threshold` ms, or in the run's currency
// `value` is a text or a list of texts; without it the case's expected ones are taken, for the
// contains- kind without the blanks around them. Of several values one is enough, but for -all.
// `not-contains` of several: none of them stands in it. Source: promptfoo 0.11x (assertions of the
// deterministic kind).
#include <math.h>
#include <string.h>

#include "harness/base/letter.h"
#include "metrics/families/schema.h"
#include "metrics/families/text.h"
#include "metrics/overlap/ngram.h"

enum { BRACKETS_MAX = 1000 };
enum { EQUALS, CONTAINS, STARTS, REGEX, LATENCY, COST };
enum { ANY_CASE = 16, ALL = 32 };
enum { SET_VALUE, SET_IGNORE_CASE };

static bool passes(const as_metric *metric, bool held) {
    return held != metric->negate;
}

// ---- texts ----

static as_str fold(const as_metric *metric, as_arena *arena, as_str text) {
    bool any_case =
        metric->ops->variant & ANY_CASE ||
        ((metric->ops->variant & 15) == CONTAINS && metric->ops->settings[SET_IGNORE_CASE].name &&
         metric->settings[SET_IGNORE_CASE].on);
    return any_case ? as_letter_lower_str(arena, text) : text;
}

static bool holds(const as_metric *metric, as_arena *arena, as_str value, as_str answer) {
    value = fold(metric, arena, value);
    switch (metric->ops->variant & 15) {
    case EQUALS:
        return as_str_eq(answer, value);
    case CONTAINS:
        return !value.len || as_str_find(answer, value, 0) != SIZE_MAX;
    default:
        return as_str_starts(answer, value);
    }
}

// equals of an object or a list of objects: as JSON.
static bool equals_json(const as_scoring *scoring) {
    const as_json *answer;
    if (as_json_parse(scoring->arena, scoring->prediction, &answer, NULL)) return false;
    return as_schema_equal(answer, scoring->sample->expected);
}

static as_rc score_texts(const as_metric *metric, const as_scoring *scoring, double *score,
                         double *stats, as_err *err) {
    (void)stats;
    const as_setting *given = &metric->settings[SET_VALUE];
    const as_str *values = given->given ? given->texts : scoring->golds;
    size_t count = given->given ? given->text_count : scoring->gold_count, held = 0;
    const as_json *expected = scoring->sample->expected;
    bool json = metric->ops->variant == EQUALS && !count && expected;
    as_rc rc = given->given || json ? AS_OK : as_text_need(metric, scoring, err);
    *score = 0;
    if (rc || !scoring->sample->has_prediction) return rc;
    as_str answer = fold(metric, scoring->arena, scoring->prediction);
    bool strip = !given->given && (metric->ops->variant & 15) == CONTAINS;
    for (size_t i = 0; i < count; i++)
        held += holds(metric, scoring->arena, strip ? as_text_strip(values[i]) : values[i], answer);
    bool enough = metric->ops->variant & ALL ? held == count : held > 0;
    *score = passes(metric, json ? equals_json(scoring) : enough);
    return AS_OK;
}

// ---- regex ----

typedef struct patterns {
    as_regex *regexes[64];
    size_t count;
} patterns;

enum { PATTERNS_MAX = sizeof((patterns){0}.regexes) / sizeof(as_regex *) };

static void release_patterns(as_metric *metric) {
    patterns *own = metric->own;
    for (size_t i = 0; own && i < own->count; i++) as_regex_free(own->regexes[i]);
}

static as_rc prepare_patterns(as_arena *arena, as_metric *metric, as_err *err) {
    const as_setting *given = &metric->settings[SET_VALUE];
    patterns *own = metric->own = AS_NEW(arena, patterns);
    if (given->text_count > PATTERNS_MAX)
        return as_fail(err, AS_INVALID, "metric 'regex' takes at most %d patterns", PATTERNS_MAX);
    for (size_t i = 0; i < given->text_count; i++) {
        as_rc rc = as_regex_new(given->texts[i], 0, &own->regexes[own->count], err);
        if (rc) {
            as_err_prefix(err, "metric 'regex'");
            release_patterns(metric);
            return rc;
        }
        own->count++;
    }
    return AS_OK;
}

static as_rc match_one(as_str pattern, as_str answer, bool *held, as_err *err) {
    as_str groups[AS_REGEX_GROUPS_MAX];
    as_regex *regex;
    as_rc rc = as_regex_new(pattern, 0, &regex, err);
    if (rc) return rc;
    *held |= as_regex_match(regex, answer, 0, groups) > 0;
    as_regex_free(regex);
    return AS_OK;
}

static as_rc score_regex(const as_metric *metric, const as_scoring *scoring, double *score,
                         double *stats, as_err *err) {
    (void)stats;
    const patterns *own = metric->own;
    as_str groups[AS_REGEX_GROUPS_MAX];
    bool held = false;
    as_rc rc = own->count ? AS_OK : as_text_need(metric, scoring, err);
    for (size_t i = 0; i < own->count; i++)
        held |= as_regex_match(own->regexes[i], scoring->prediction, 0, groups) > 0;
    // A case's own patterns are compiled even where there is no answer: a wrong one is an error.
    for (size_t i = 0; !rc && !own->count && i < scoring->gold_count; i++)
        rc = match_one(scoring->golds[i], scoring->prediction, &held, err);
    if (!rc) *score = scoring->sample->has_prediction && passes(metric, held);
    return rc;
}

// ---- JSON ----

typedef struct json_check {
    as_schema *schema; // NULL: any JSON
    bool of_case;      // the schema is the case's `expected`
} json_check;

static as_rc prepare_json(as_arena *arena, as_metric *metric, as_err *err) {
    json_check *own = metric->own = AS_NEW(arena, json_check);
    const as_setting *given = &metric->settings[0];
    own->of_case = strcmp(metric->ops->name, "json_schema") == 0 && !given->given;
    if (!given->given) return AS_OK;
    const as_json *schema;
    as_rc rc = as_json_parse(arena, as_yaml_json(arena, given->tree), &schema, err);
    if (!rc) rc = as_schema_new(schema, &own->schema, err);
    if (rc) as_err_prefix(err, "option 'schema' of metric '%s'", metric->ops->name);
    return rc;
}

static void release_json(as_metric *metric) {
    json_check *own = metric->own;
    if (own) as_schema_free(own->schema);
}

static bool is_valid(as_arena *arena, as_schema *schema, as_str text) {
    const as_json *value;
    if (as_json_parse(arena, text, &value, NULL)) return false;
    return !schema || as_schema_allows(schema, value);
}

// The end of the object or list that starts at `from`, by its brackets outside strings.
static size_t bracket_end(as_str text, size_t from) {
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = from; i < text.len; i++) {
        char c = text.ptr[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && (c == '}' || c == ']') && --depth == 0)
            return i + 1;
    }
    return from;
}

static bool any_valid(as_arena *arena, as_schema *schema, as_str text) {
    size_t tried = 0;
    for (size_t i = 0; i < text.len && tried < BRACKETS_MAX; i++) {
        if (text.ptr[i] != '{' && text.ptr[i] != '[') continue;
        tried++;
        size_t end = bracket_end(text, i);
        if (end > i && is_valid(arena, schema, as_str_sub(text, i, end))) return true;
    }
    return false;
}

static as_rc score_json(const as_metric *metric, const as_scoring *scoring, double *score,
                        double *stats, as_err *err) {
    (void)stats;
    const json_check *own = metric->own;
    as_schema *schema = own->schema;
    const as_json *expected = scoring->sample->expected;
    if (own->of_case) {
        if (!expected)
            return as_fail(err, AS_INVALID,
                           "metric 'json_schema' needs option 'schema', or a schema as 'expected'");
        as_rc rc = as_schema_new(expected, &schema, err);
        if (rc) return rc;
    }
    as_str answer = scoring->prediction;
    bool held = metric->ops->variant ? any_valid(scoring->arena, schema, answer)
                                     : is_valid(scoring->arena, schema, answer);
    *score = scoring->sample->has_prediction && passes(metric, held);
    if (own->of_case) as_schema_free(schema);
    return AS_OK;
}

// ---- numbers ----

enum { SET_MIN, SET_MAX, SET_EXACT };

static as_rc prepare_words(as_arena *arena, as_metric *metric, as_err *err) {
    (void)arena;
    const as_setting *s = metric->settings;
    if (s[SET_EXACT].given == (s[SET_MIN].given || s[SET_MAX].given))
        return as_fail(err, AS_INVALID,
                       "metric 'word-count' needs 'value', or one or both of 'min' and 'max'");
    return AS_OK;
}

static as_rc score_words(const as_metric *metric, const as_scoring *scoring, double *score,
                         double *stats, as_err *err) {
    (void)stats, (void)err;
    const as_setting *s = metric->settings;
    double words = (double)as_ngram_split(scoring->arena, scoring->prediction).count;
    bool held = s[SET_EXACT].given ? words == s[SET_EXACT].number
                                   : (!s[SET_MIN].given || words >= s[SET_MIN].number) &&
                                         (!s[SET_MAX].given || words <= s[SET_MAX].number);
    *score = scoring->sample->has_prediction && passes(metric, held);
    return AS_OK;
}

static as_rc score_limit(const as_metric *metric, const as_scoring *scoring, double *score,
                         double *stats, as_err *err) {
    (void)stats, (void)err;
    const as_sample *sample = scoring->sample;
    double value = metric->ops->variant == LATENCY ? sample->latency_ms : sample->cost;
    if (!isnan(value)) *score = passes(metric, value <= metric->settings[0].number);
    return AS_OK;
}

static const as_setting_spec text_settings[] = {
    {.name = "value", .kind = AS_SETTING_TEXTS},
    {.name = NULL},
};
static const as_setting_spec contains_settings[] = {
    {.name = "value", .kind = AS_SETTING_TEXTS},
    {.name = "ignore_case", .kind = AS_SETTING_BOOL},
    {.name = NULL},
};
static const as_setting_spec json_settings[] = {
    {.name = "schema", .kind = AS_SETTING_TREE},
    {.name = NULL},
};
static const as_setting_spec word_settings[] = {
    {.name = "min", .kind = AS_SETTING_COUNT, .low = 0, .high = 1e9},
    {.name = "max", .kind = AS_SETTING_COUNT, .low = 0, .high = 1e9},
    {.name = "value", .kind = AS_SETTING_COUNT, .low = 0, .high = 1e9},
    {.name = NULL},
};
static const as_setting_spec limit_settings[] = {
    {.name = "threshold", .kind = AS_SETTING_NUMBER, .low = 0, .high = 1e12, .needed = true},
    {.name = NULL},
};

#define FLAGS (AS_METRIC_UNIT | AS_METRIC_BOUNDED | AS_METRIC_NOT)
#define TEXTS(metric_name, number, table, line)                                                    \
    {                                                                                              \
        .name = metric_name, .text = line, .kind = AS_METRIC_MEAN, .flags = FLAGS,                 \
        .settings = table, .score = score_texts, .variant = number                                 \
    }
#define JSON(metric_name, number, line)                                                            \
    {                                                                                              \
        .name = metric_name, .text = line, .kind = AS_METRIC_MEAN, .flags = FLAGS,                 \
        .settings = json_settings, .prepare = prepare_json, .release = release_json,               \
        .score = score_json, .variant = number                                                     \
    }
#define LIMIT(metric_name, number, line)                                                           \
    {                                                                                              \
        .name = metric_name, .text = line, .kind = AS_METRIC_MEAN, .flags = FLAGS,                 \
        .settings = limit_settings, .score = score_limit, .variant = number                        \
    }

const as_metric_ops as_assertion_metrics[] = {
    TEXTS("contains", CONTAINS, contains_settings, "share of answers in which a value stands"),
    TEXTS("icontains", CONTAINS | ANY_CASE, text_settings, "the same in any case of letters"),
    TEXTS("contains-all", CONTAINS | ALL, text_settings, "share in which all values stand"),
    TEXTS("contains-any", CONTAINS, text_settings, "share in which one of the values stands"),
    TEXTS("icontains-all", CONTAINS | ALL | ANY_CASE, text_settings,
          "share in which all values stand, in any case"),
    TEXTS("icontains-any", CONTAINS | ANY_CASE, text_settings,
          "share in which one of the values stands, in any case"),
    TEXTS("equals", EQUALS, text_settings, "share of answers that are the value, or the same JSON"),
    TEXTS("starts-with", STARTS, text_settings, "share of answers that start with a value"),
    {.name = "regex",
     .text = "share of answers in which a pattern matches",
     .kind = AS_METRIC_MEAN,
     .flags = FLAGS,
     .settings = text_settings,
     .prepare = prepare_patterns,
     .release = release_patterns,
     .score = score_regex,
     .variant = REGEX},
    JSON("json_valid", 0, "share of answers that are JSON"),
    JSON("is-json", 0, "json_valid under promptfoo's name"),
    JSON("json_schema", 0, "share of answers that are JSON as a schema says (draft 2020-12)"),
    JSON("contains-json", 1, "share of answers in which JSON stands, with schema as that says"),
    {.name = "word-count",
     .text = "share of answers of so many words (value, or min and max)",
     .kind = AS_METRIC_MEAN,
     .flags = FLAGS,
     .settings = word_settings,
     .prepare = prepare_words,
     .score = score_words},
    LIMIT("latency", LATENCY, "share of answers that took at most `threshold` ms"),
    LIMIT("cost", COST, "share of answers that cost at most `threshold`"),
    {.name = NULL},
};
