// SPDX-License-Identifier: Apache-2.0
// trajectory.c - checks of the way to an answer (steps.h), under promptfoo's names; the value is
// the share of cases that pass. Names are patterns: * any characters, ? one, in any case.
//
//   trajectory:tool-used       all tools of `value` are called; with min or max: so many calls
//                              match one of them (min 1, with max alone 0). not-: none is called,
//                              or not so many are
//   trajectory:tool-sequence   they are called in this order, others in between (mode: exact: these
//                              and no others)
//   trajectory:tool-args-match some call of a tool of `value` has these args (mode partial: among
//                              others, at any depth; exact: just these). Left out of account:
//                              arguments in `ignore`, and those that are as in `defaults`
//   trajectory:step-count      min to max steps, of those that match `value` and are of a `type`
//   trace-span-count           min to max spans have a name like `pattern`
//   trace-span-duration        those that match took at most `max` ms; with `percentile` (nearest
//                              rank) that one of their times. None matches: passes
//   trace-error-spans          at most max_count (0) of them, or max_percentage, failed: an OTLP
//                              status of 2, an HTTP status from 400, or error, exception, failed,
//                              failure as attribute, or such a word in the message
//   skill-used                 as tool-used, over `skill_calls` of the record, [{name, is_error}];
//                              names as they are, or one `pattern`; what failed is not used
// Without `trace` the trajectories are of the tool calls; trace- metrics are undefined then.
// Source: promptfoo 0.12x, where max alone of tool-used asks for a call too, and trace- types have
// no not- forms (they ignore it).
#include <math.h>

#include "metrics/agents/steps.h"
#include "metrics/families/schema.h"
#include "metrics/num.h"

enum { USED, SEQUENCE, ARGUMENTS, STEPS, COUNT, DURATION, ERRORS, SKILL };
enum { MODE_EXACT = 1 };
enum { USED_VALUE, USED_MIN, USED_MAX, USED_PATTERN };
enum { SEQUENCE_VALUE, SEQUENCE_MODE };
enum { ARGS_VALUE, ARGS_ARGS, ARGS_MODE, ARGS_DEFAULTS, ARGS_IGNORE };
enum { STEPS_VALUE, STEPS_TYPE, STEPS_MIN, STEPS_MAX };
enum { COUNT_PATTERN, COUNT_MIN, COUNT_MAX };
enum { DURATION_PATTERN, DURATION_MAX, DURATION_PERCENTILE };
enum { ERRORS_PATTERN, ERRORS_COUNT, ERRORS_SHARE };

typedef struct trajectory {
    as_step_reader *reader;
    const as_json *args, *defaults;
    as_regex *failed;
} trajectory;

static void release(as_metric *metric) {
    trajectory *own = metric->own;
    if (!own) return;
    as_step_reader_free(own->reader);
    if (own->failed) as_regex_free(own->failed);
}

static as_rc read_tree(as_arena *arena, const as_setting *set, const as_json **out, as_err *err) {
    if (!set->given) return AS_OK;
    return as_json_parse(arena, as_yaml_json(arena, set->tree), out, err);
}

static as_rc prepare(as_arena *arena, as_metric *metric, as_err *err) {
    trajectory *own = metric->own = AS_NEW(arena, trajectory);
    const as_setting *set = metric->settings;
    int what = metric->ops->variant;
    if (what == STEPS && !set[STEPS_MIN].given && !set[STEPS_MAX].given)
        return as_fail(err, AS_INVALID, "metric '%s' needs 'min' or 'max'", metric->ops->name);
    if (what == SKILL && set[USED_VALUE].given == set[USED_PATTERN].given)
        return as_fail(err, AS_INVALID, "metric '%s' needs 'value' or 'pattern'",
                       metric->ops->name);
    as_rc rc = as_step_reader_new(&own->reader, err);
    if (!rc)
        rc = as_regex_new(AS_STR("error|failed|failure|exception|timeout|abort"), AS_REGEX_CASELESS,
                          &own->failed, err);
    if (!rc && what == ARGUMENTS) rc = read_tree(arena, &set[ARGS_ARGS], &own->args, err);
    if (!rc && what == ARGUMENTS) rc = read_tree(arena, &set[ARGS_DEFAULTS], &own->defaults, err);
    if (rc) release(metric);
    return rc;
}

static bool within(const as_setting *least, const as_setting *most, double count) {
    return (!least->given || count >= least->number) && (!most->given || count <= most->number);
}

static bool matches(const as_step *step, as_str pattern) {
    for (size_t i = 0; i < step->alias_count; i++)
        if (as_steps_match(pattern, step->aliases[i])) return true;
    return false;
}

static bool matches_any(const as_step *step, const as_setting *patterns) {
    for (size_t i = 0; i < patterns->text_count; i++)
        if (matches(step, patterns->texts[i])) return true;
    return false;
}

// ---- tools and skills that were used ----

// How many of the names were used at all (*used), and how many uses any of them had.
static size_t count_uses(const as_metric *metric, as_steps steps, size_t *used) {
    const as_setting *value = &metric->settings[USED_VALUE];
    size_t uses = 0;
    *used = 0;
    for (size_t k = 0; k < steps.count; k++) uses += matches_any(&steps.items[k], value);
    for (size_t i = 0; i < value->text_count; i++) {
        bool found = false;
        for (size_t k = 0; k < steps.count && !found; k++)
            found = matches(&steps.items[k], value->texts[i]);
        *used += found;
    }
    return uses;
}

static size_t count_skills(const as_metric *metric, const as_scoring *scoring, size_t *used) {
    const as_setting *value = &metric->settings[USED_VALUE], *p = &metric->settings[USED_PATTERN];
    const as_json *list = as_sample_field(scoring->sample, "skill_calls");
    bool *seen = AS_NEW_ARRAY(scoring->arena, bool, value->text_count + 1);
    size_t uses = 0;
    *used = 0;
    for (const as_json *m = list && list->kind == AS_JSON_ARRAY ? list->child : NULL; m;
         m = m->next) {
        const as_json *name = as_json_get(m, "name");
        bool counts = false;
        if (!name || name->kind != AS_JSON_STRING || as_json_bool(m, "is_error", false)) continue;
        for (size_t i = 0; i < value->text_count; i++) {
            if (!as_str_eq(as_str_trim(value->texts[i]), name->text)) continue;
            counts = seen[i] = true;
        }
        if (p->given) counts = as_steps_match(p->text, name->text);
        uses += counts;
    }
    for (size_t i = 0; i < value->text_count; i++) *used += seen[i];
    if (p->given) *used = uses > 0;
    return uses;
}

static bool is_used(const as_metric *metric, const as_scoring *scoring, as_steps steps) {
    const as_setting *least = &metric->settings[USED_MIN], *most = &metric->settings[USED_MAX];
    bool skill = metric->ops->variant == SKILL;
    size_t used, names = metric->settings[USED_VALUE].text_count;
    size_t uses = skill ? count_skills(metric, scoring, &used) : count_uses(metric, steps, &used);
    if (skill && metric->settings[USED_PATTERN].given) names = 1;
    if (skill && metric->negate && !least->given && most->given && !(most->number > 0))
        return uses == 0; // not-skill-used with max: 0 says the same twice, and means it once
    if (least->given || most->given) return within(least, most, (double)uses) != metric->negate;
    return metric->negate ? used == 0 : used == names;
}

// ---- order and arguments ----

static bool in_sequence(as_steps steps, const as_setting *value, bool exact) {
    size_t at = 0;
    if (exact && steps.count != value->text_count) return false;
    for (size_t i = 0; i < steps.count && at < value->text_count; i++)
        if (matches(&steps.items[i], value->texts[at]))
            at++;
        else if (exact)
            return false;
    return at == value->text_count;
}

static bool is_ignored(const as_setting *ignore, as_str key) {
    for (size_t i = 0; i < ignore->text_count; i++) {
        as_str entry = ignore->texts[i];
        bool pattern = as_str_find(entry, AS_STR("*"), 0) != SIZE_MAX ||
                       as_str_find(entry, AS_STR("?"), 0) != SIZE_MAX;
        if (as_str_eq(entry, key) || (pattern && as_steps_match(entry, key))) return true;
    }
    return false;
}

static const as_json *member(const as_json *object, as_str key) {
    const as_json *m = object && object->kind == AS_JSON_OBJECT ? object->child : NULL;
    while (m && !as_str_eq(m->key, key)) m = m->next;
    return m;
}

// The object without members that are left out of account.
static const as_json *stripped(as_arena *arena, const as_json *value, const as_setting *ignore,
                               const as_json *defaults) {
    if (!value || value->kind != AS_JSON_OBJECT) return value;
    as_json *out = as_json_new(arena, AS_JSON_OBJECT);
    for (const as_json *m = value->child; m; m = m->next) {
        const as_json *usual = member(defaults, m->key);
        if (is_ignored(ignore, m->key) || (usual && as_schema_equal(usual, m))) continue;
        as_json *copy = AS_NEW(arena, as_json);
        *copy = *m;
        copy->next = NULL;
        as_json_append(out, copy);
    }
    return out;
}

static bool holds(const as_json *actual, const as_json *expected) {
    if (expected->kind == AS_JSON_ARRAY) {
        if (actual->kind != AS_JSON_ARRAY || actual->count != expected->count) return false;
        const as_json *a = actual->child;
        for (const as_json *e = expected->child; e; e = e->next, a = a->next)
            if (!holds(a, e)) return false;
        return true;
    }
    if (expected->kind != AS_JSON_OBJECT) return as_schema_equal(actual, expected);
    if (actual->kind != AS_JSON_OBJECT) return false;
    for (const as_json *e = expected->child; e; e = e->next) {
        const as_json *a = member(actual, e->key);
        if (!a || !holds(a, e)) return false;
    }
    return true;
}

static bool has_arguments(const as_metric *metric, as_arena *arena, as_steps steps) {
    const trajectory *own = metric->own;
    const as_setting *set = metric->settings;
    const as_json *wanted = stripped(arena, own->args, &set[ARGS_IGNORE], NULL);
    bool exact = set[ARGS_MODE].number == MODE_EXACT;
    for (size_t i = 0; i < steps.count; i++) {
        const as_step *step = &steps.items[i];
        if (!step->arguments || !matches_any(step, &set[ARGS_VALUE])) continue;
        const as_json *given = stripped(arena, step->arguments, &set[ARGS_IGNORE], own->defaults);
        if (exact ? as_schema_equal(given, wanted) : holds(given, wanted)) return true;
    }
    return false;
}

static bool step_count_held(const as_metric *metric, as_steps steps) {
    const as_setting *set = metric->settings;
    size_t count = 0;
    for (size_t i = 0; i < steps.count; i++) {
        const as_step *step = &steps.items[i];
        bool counts = !set[STEPS_VALUE].given || matches_any(step, &set[STEPS_VALUE]);
        bool kind = !set[STEPS_TYPE].given;
        for (size_t k = 0; k < set[STEPS_TYPE].text_count; k++)
            kind |= as_str_is(set[STEPS_TYPE].texts[k], as_step_kinds[step->kind]);
        count += counts && kind;
    }
    return within(&set[STEPS_MIN], &set[STEPS_MAX], (double)count);
}

static as_steps only_tools(as_steps steps) {
    size_t kept = 0;
    for (size_t i = 0; i < steps.count; i++)
        if (steps.items[i].kind == AS_STEP_TOOL) steps.items[kept++] = steps.items[i];
    steps.count = kept;
    return steps;
}

static as_rc score_trajectory(const as_metric *metric, const as_scoring *scoring, double *score,
                              double *stats, as_err *err) {
    (void)stats, (void)err;
    const trajectory *own = metric->own;
    as_arena *arena = scoring->arena;
    const as_setting *set = metric->settings;
    int what = metric->ops->variant;
    as_steps steps = {0};
    if (what != SKILL) steps = as_steps_of(own->reader, scoring);
    if (what != SKILL && what != STEPS) steps = only_tools(steps);
    if (what == USED || what == SKILL)
        *score = is_used(metric, scoring, steps);
    else if (what == SEQUENCE)
        *score = in_sequence(steps, &set[SEQUENCE_VALUE],
                             set[SEQUENCE_MODE].number == MODE_EXACT) != metric->negate;
    else if (what == ARGUMENTS)
        *score = has_arguments(metric, arena, steps) != metric->negate;
    else
        *score = step_count_held(metric, steps) != metric->negate;
    return AS_OK;
}

// ---- spans ----

static bool is_failed(const trajectory *own, const as_json *span) {
    static const char *const signs[] = {"error", "exception", "failed", "failure"};
    as_str groups[AS_REGEX_GROUPS_MAX];
    const as_json *attributes = as_json_get(span, "attributes");
    double status = as_json_f64(span, "statusCode", 0);
    if (status == 2 || status >= 400) return true;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        const as_json *sign = as_json_get(attributes, signs[i]);
        if (!sign) continue;
        if (sign->kind == AS_JSON_OBJECT || sign->kind == AS_JSON_ARRAY) return true;
        if (sign->kind == AS_JSON_BOOL ? sign->boolean : as_str_is(sign->text, "true")) return true;
    }
    const as_json *http = as_json_get(attributes, "http.status_code");
    double code = http && http->kind == AS_JSON_NUMBER ? http->number : 0;
    if (http && http->kind == AS_JSON_STRING && !as_str_to_f64(as_str_trim(http->text), &code))
        code = 0;
    if (code >= 400) return true;
    if (as_str_is(as_json_str(attributes, "otel.status_code", AS_STR("")), "ERROR") ||
        as_str_is(as_json_str(attributes, "status.code", AS_STR("")), "ERROR"))
        return true;
    as_str message = as_json_str(span, "statusMessage", AS_STR(""));
    return message.len && as_regex_match(own->failed, message, 0, groups) > 0;
}

static bool durations_held(const as_setting *set, double *times, size_t count) {
    if (!count) return true;
    as_num_sort(times, count);
    size_t at = count - 1;
    if (set[DURATION_PERCENTILE].given) {
        double rank = ceil(set[DURATION_PERCENTILE].number / 100 * (double)count) - 1;
        at = rank > 0 ? (size_t)rank : 0;
    }
    return times[at] <= set[DURATION_MAX].number;
}

static bool errors_held(const as_setting *set, double errors, double count) {
    const as_setting *most = &set[ERRORS_COUNT], *share = &set[ERRORS_SHARE];
    if (!(count > 0)) return true;
    if (!most->given && !share->given) return !(errors > 0);
    return (!most->given || errors <= most->number) &&
           (!share->given || errors / count * 100 <= share->number);
}

static as_rc score_spans(const as_metric *metric, const as_scoring *scoring, double *score,
                         double *stats, as_err *err) {
    (void)stats, (void)err;
    const as_setting *set = metric->settings; // the pattern is the first of each
    const as_json *spans = as_steps_spans(scoring);
    int what = metric->ops->variant;
    size_t count = 0, timed = 0, errors = 0;
    if (!spans) return AS_OK;
    double *times = AS_NEW_ARRAY(scoring->arena, double, spans->count + 1);
    for (const as_json *m = spans->child; m; m = m->next) {
        as_str name = as_json_str(m, "name", AS_STR(""));
        if (set[0].given && !as_steps_match(set[0].text, name)) continue;
        double took = as_json_f64(m, "endTime", NAN) - as_json_f64(m, "startTime", NAN);
        count++;
        errors += what == ERRORS && is_failed(metric->own, m);
        if (!isnan(took)) times[timed++] = took;
    }
    bool held = what == COUNT      ? within(&set[COUNT_MIN], &set[COUNT_MAX], (double)count)
                : what == DURATION ? durations_held(set, times, timed)
                                   : errors_held(set, (double)errors, (double)count);
    *score = held != metric->negate;
    return AS_OK;
}

static const char *const modes[] = {"in_order", "exact", NULL};
static const char *const argument_modes[] = {"partial", "exact", NULL};

#define COUNTED(word)                                                                              \
    { .name = word, .kind = AS_SETTING_COUNT, .low = 0, .high = 1e6 }
static const as_setting_spec used_settings[] = {
    {.name = "value", .kind = AS_SETTING_TEXTS, .needed = true},
    COUNTED("min"),
    COUNTED("max"),
    {.name = NULL},
};
static const as_setting_spec skill_settings[] = {
    {.name = "value", .kind = AS_SETTING_TEXTS},  COUNTED("min"), COUNTED("max"),
    {.name = "pattern", .kind = AS_SETTING_TEXT}, {.name = NULL},
};
static const as_setting_spec sequence_settings[] = {
    {.name = "value", .kind = AS_SETTING_TEXTS, .needed = true},
    {.name = "mode", .kind = AS_SETTING_CHOICE, .choices = modes},
    {.name = NULL},
};
static const as_setting_spec argument_settings[] = {
    {.name = "value", .kind = AS_SETTING_TEXTS, .needed = true},
    {.name = "args", .kind = AS_SETTING_TREE, .needed = true},
    {.name = "mode", .kind = AS_SETTING_CHOICE, .choices = argument_modes},
    {.name = "defaults", .kind = AS_SETTING_TREE},
    {.name = "ignore", .kind = AS_SETTING_TEXTS},
    {.name = NULL},
};
static const as_setting_spec step_settings[] = {
    {.name = "value", .kind = AS_SETTING_TEXTS},
    {.name = "type", .kind = AS_SETTING_TEXTS},
    COUNTED("min"),
    COUNTED("max"),
    {.name = NULL},
};
static const as_setting_spec count_settings[] = {
    {.name = "pattern", .kind = AS_SETTING_TEXT, .needed = true},
    COUNTED("min"),
    COUNTED("max"),
    {.name = NULL},
};
static const as_setting_spec duration_settings[] = {
    {.name = "pattern", .kind = AS_SETTING_TEXT},
    {.name = "max", .kind = AS_SETTING_NUMBER, .low = 0, .high = 1e12, .needed = true},
    {.name = "percentile", .kind = AS_SETTING_NUMBER, .low = 0, .high = 100},
    {.name = NULL},
};
static const as_setting_spec error_settings[] = {
    {.name = "pattern", .kind = AS_SETTING_TEXT},
    COUNTED("max_count"),
    {.name = "max_percentage", .kind = AS_SETTING_NUMBER, .low = 0, .high = 100},
    {.name = NULL},
};

#define CHECK(metric_name, number, table, function, line)                                          \
    {                                                                                              \
        .name = metric_name, .text = line, .kind = AS_METRIC_MEAN,                                 \
        .flags = AS_METRIC_UNIT | AS_METRIC_BOUNDED | AS_METRIC_NOT, .settings = table,            \
        .prepare = prepare, .release = release, .score = function, .variant = number               \
    }

const as_metric_ops as_trajectory_metrics[] = {
    CHECK("trajectory:tool-used", USED, used_settings, score_trajectory,
          "share of answers that call these tools, from `min` to `max` times"),
    CHECK("trajectory:tool-sequence", SEQUENCE, sequence_settings, score_trajectory,
          "share of answers that call these tools in this order"),
    CHECK("trajectory:tool-args-match", ARGUMENTS, argument_settings, score_trajectory,
          "share of answers with a call that has these arguments"),
    CHECK("trajectory:step-count", STEPS, step_settings, score_trajectory,
          "share of answers with `min` to `max` steps"),
    CHECK("trace-span-count", COUNT, count_settings, score_spans,
          "share of traces with `min` to `max` such spans"),
    CHECK("trace-span-duration", DURATION, duration_settings, score_spans,
          "share of traces whose spans took at most `max` ms"),
    CHECK("trace-error-spans", ERRORS, error_settings, score_spans,
          "share of traces with no more failed spans than allowed"),
    CHECK("skill-used", SKILL, skill_settings, score_trajectory,
          "share of answers that used these skills, from `min` to `max` times"),
    {.name = NULL},
};
