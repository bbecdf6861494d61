// SPDX-License-Identifier: Apache-2.0
// tool.c - did the model call the right tools, with the right arguments, in the right order?
//
// Calls: `tool_calls` of the line, else the prediction as JSON: a list of calls, one call, or an
// object that has `tool_calls`. A call is {name, arguments}, or as in OpenAI's API {function:
// {name, arguments}}; arguments are an object, or that as a string. Expected has the same forms; []
// means that no tool should be called. An answer that holds no calls calls none.
//   tool_call_f1      F1 over calls: tool and arguments are the same, as JSON (match: exact), or
//   the
//                     tool is (match: name); each call counts once; over all cases together
//   tool_argument_f1  F1 over (tool, argument, value), over all cases together; no arguments
//   anywhere:
//                     undefined
//   tool_order        longest common subsequence of the tools called, as a share of the longer
//   list,
//                     mean over the cases; none expected and none called: 1
#include <math.h>

#include "metrics/families/schema.h"
#include "metrics/metric.h"
#include "metrics/overlap/ngram.h"

enum { CALLS_MAX = 1000, MATCH_EXACT = 0 };

typedef struct call {
    as_str name;
    const as_json *arguments; // an object or NULL
    bool taken;
} call;

typedef struct calls {
    call *items;
    size_t count;
} calls;

static bool read_call(as_arena *arena, const as_json *value, call *out) {
    const as_json *function = as_json_get(value, "function");
    if (function) value = function;
    const as_json *name = as_json_get(value, "name"), *given = as_json_get(value, "arguments");
    if (!name || name->kind != AS_JSON_STRING) return false;
    if (given && given->kind == AS_JSON_STRING && given->text.len &&
        as_json_parse(arena, given->text, &given, NULL) != AS_OK)
        return false;
    bool object = given && given->kind == AS_JSON_OBJECT;
    if (given && !object && given->kind != AS_JSON_NULL &&
        !(given->kind == AS_JSON_STRING && !given->text.len))
        return false;
    *out = (call){name->text, object && given->count ? given : NULL, false};
    return true;
}

// False when the value is no list of calls, or holds something else.
static bool read_calls(as_arena *arena, const as_json *value, calls *out) {
    const as_json *inner = as_json_get(value, "tool_calls");
    if (inner) value = inner;
    bool one = value && value->kind == AS_JSON_OBJECT;
    *out = (calls){0};
    if (!value || (!one && value->kind != AS_JSON_ARRAY) || value->count > CALLS_MAX) return false;
    out->items = AS_NEW_ARRAY(arena, call, (one ? 1 : value->count) + 1);
    for (const as_json *m = one ? value : value->child; m; m = one ? NULL : m->next)
        if (!read_call(arena, m, &out->items[out->count++])) return false;
    return true;
}

static calls calls_of(const as_scoring *scoring) {
    const as_sample *sample = scoring->sample;
    const as_json *value = as_json_get(sample->line, "tool_calls");
    calls out = {0};
    if (!value && (!sample->has_prediction ||
                   as_json_parse(scoring->arena, scoring->prediction, &value, NULL) != AS_OK))
        value = NULL;
    if (!value || !read_calls(scoring->arena, value, &out)) out = (calls){0};
    return out;
}

static as_rc read_both(const as_metric *metric, const as_scoring *scoring, calls *gold,
                       calls *answer, as_err *err) {
    const as_sample *sample = scoring->sample;
    if (!read_calls(scoring->arena, sample->expected, gold))
        return as_fail(
            err, AS_INVALID,
            "metric '%s' needs 'expected' to be a list of calls {name, arguments}, not %s",
            metric->ops->name,
            !sample->expected                         ? "missing"
            : sample->expected->kind == AS_JSON_ARRAY ? "a list of something else"
                                                      : as_json_kind_name(sample->expected->kind));
    *answer = calls_of(scoring);
    return AS_OK;
}

static bool same_call(const call *a, const call *b, bool exact) {
    if (!as_str_eq(a->name, b->name)) return false;
    if (!exact) return true;
    if (!a->arguments || !b->arguments) return a->arguments == b->arguments;
    return as_schema_equal(a->arguments, b->arguments);
}

static size_t count_calls(calls gold, calls answer, bool exact) {
    size_t hits = 0;
    for (size_t i = 0; i < gold.count; i++)
        for (size_t k = 0; k < answer.count; k++) {
            if (answer.items[k].taken || !same_call(&gold.items[i], &answer.items[k], exact))
                continue;
            answer.items[k].taken = true;
            hits++;
            break;
        }
    return hits;
}

// Every argument of every call, each with the tool it is for.
typedef struct argument {
    as_str tool;
    const as_json *value; // has its name
    bool taken;
} argument;

static argument *arguments_of(as_arena *arena, calls from, size_t *count) {
    size_t total = 0;
    for (size_t i = 0; i < from.count; i++)
        total += from.items[i].arguments ? from.items[i].arguments->count : 0;
    argument *out = AS_NEW_ARRAY(arena, argument, total + 1);
    *count = 0;
    for (size_t i = 0; i < from.count; i++)
        for (const as_json *m = from.items[i].arguments ? from.items[i].arguments->child : NULL; m;
             m = m->next)
            out[(*count)++] = (argument){from.items[i].name, m, false};
    return out;
}

static size_t count_arguments(const argument *gold, size_t gold_count, argument *answer,
                              size_t answer_count) {
    size_t hits = 0;
    for (size_t i = 0; i < gold_count; i++)
        for (size_t k = 0; k < answer_count; k++) {
            bool same = !answer[k].taken && as_str_eq(gold[i].tool, answer[k].tool) &&
                        as_str_eq(gold[i].value->key, answer[k].value->key) &&
                        as_schema_equal(gold[i].value, answer[k].value);
            if (!same) continue;
            answer[k].taken = true;
            hits++;
            break;
        }
    return hits;
}

static double f1(double hit, double gold, double pred) {
    return gold + pred > 0 ? 2 * hit / (gold + pred) : NAN;
}

static as_rc score_calls(const as_metric *metric, const as_scoring *scoring, double *score,
                         double *stats, as_err *err) {
    calls gold, answer;
    as_rc rc = read_both(metric, scoring, &gold, &answer, err);
    if (rc) return rc;
    bool exact = metric->settings[0].number == MATCH_EXACT;
    stats[AS_LABEL_HIT] = (double)count_calls(gold, answer, exact);
    stats[AS_LABEL_GOLD] = (double)gold.count;
    stats[AS_LABEL_PRED] = (double)answer.count;
    *score = f1(stats[AS_LABEL_HIT], stats[AS_LABEL_GOLD], stats[AS_LABEL_PRED]);
    // No tool to call and none called is right; to say nothing at all is no answer.
    if (isnan(*score)) *score = scoring->sample->has_prediction ? 1 : 0;
    return AS_OK;
}

static as_rc score_arguments(const as_metric *metric, const as_scoring *scoring, double *score,
                             double *stats, as_err *err) {
    calls gold, answer;
    as_rc rc = read_both(metric, scoring, &gold, &answer, err);
    if (rc) return rc;
    size_t golds, answers;
    const argument *wanted = arguments_of(scoring->arena, gold, &golds);
    argument *given = arguments_of(scoring->arena, answer, &answers);
    stats[AS_LABEL_HIT] = (double)count_arguments(wanted, golds, given, answers);
    stats[AS_LABEL_GOLD] = (double)golds;
    stats[AS_LABEL_PRED] = (double)answers;
    *score = f1(stats[AS_LABEL_HIT], stats[AS_LABEL_GOLD], stats[AS_LABEL_PRED]);
    return AS_OK;
}

static as_rc score_order(const as_metric *metric, const as_scoring *scoring, double *score,
                         double *stats, as_err *err) {
    (void)stats;
    calls both[2];
    as_rc rc = read_both(metric, scoring, &both[0], &both[1], err);
    if (rc) return rc;
    as_tokens names[2];
    as_symbols numbers[2];
    for (size_t s = 0; s < 2; s++) {
        names[s] = (as_tokens){AS_NEW_ARRAY(scoring->arena, as_str, both[s].count + 1), 0};
        for (size_t i = 0; i < both[s].count; i++)
            names[s].items[names[s].count++] = both[s].items[i].name;
    }
    as_ngram_number(scoring->arena, names, 2, numbers);
    size_t longer = both[0].count > both[1].count ? both[0].count : both[1].count;
    *score = scoring->sample->has_prediction;
    if (longer)
        *score = (double)as_edit_common(scoring->arena, numbers[0], numbers[1]) / (double)longer;
    return AS_OK;
}

// ---- under promptfoo's names, against `value` ----

enum { NAMES_F1, USED, SEQUENCE, STEPS };
enum { SET_VALUE, SET_MORE }; // MORE: min and max, or mode; without value: min, max
enum { MODE_IN_ORDER, MODE_EXACT };

static bool is_among(const as_str *names, size_t count, as_str name) {
    for (size_t i = 0; i < count; i++)
        if (as_str_eq(names[i], name)) return true;
    return false;
}

// Names of both as sets: each once.
static double f1_of_names(calls made, const as_str *wanted, size_t count) {
    size_t golds = 0, called = 0, hits = 0;
    for (size_t i = 0; i < count; i++) golds += !is_among(wanted, i, wanted[i]);
    for (size_t i = 0; i < made.count; i++) {
        bool again = false;
        for (size_t k = 0; k < i; k++) again |= as_str_eq(made.items[k].name, made.items[i].name);
        called += !again;
        hits += !again && is_among(wanted, count, made.items[i].name);
    }
    return golds + called ? 2 * (double)hits / (double)(golds + called) : 0;
}

static bool in_sequence(calls made, const as_str *wanted, size_t count, bool exact) {
    size_t at = 0;
    if (exact && made.count != count) return false;
    for (size_t i = 0; i < made.count && at < count; i++)
        if (as_str_eq(made.items[i].name, wanted[at]))
            at++;
        else if (exact)
            return false;
    return at == count;
}

static bool within(const as_setting *least, const as_setting *most, size_t count) {
    return (!least->given || (double)count >= least->number) &&
           (!most->given || (double)count <= most->number);
}

// A maximum alone is kept by never calling them.
static bool all_used(calls made, const as_setting *set) {
    const as_setting *least = &set[SET_MORE], *most = &set[SET_MORE + 1];
    size_t count = 0;
    for (size_t i = 0; i < set[SET_VALUE].text_count; i++) {
        bool used = false;
        for (size_t k = 0; k < made.count; k++)
            used |= as_str_eq(made.items[k].name, set[SET_VALUE].texts[i]);
        if (!used && (least->given || !most->given)) return false;
    }
    for (size_t k = 0; k < made.count; k++)
        count += is_among(set[SET_VALUE].texts, set[SET_VALUE].text_count, made.items[k].name);
    return within(least, most, count);
}

static as_rc score_trajectory(const as_metric *metric, const as_scoring *scoring, double *score,
                              double *stats, as_err *err) {
    (void)stats, (void)err;
    calls made = calls_of(scoring);
    const as_setting *set = metric->settings;
    const as_str *names = set[SET_VALUE].texts;
    size_t count = set[SET_VALUE].text_count;
    if (metric->ops->variant == NAMES_F1) {
        *score = f1_of_names(made, names, count);
        return AS_OK;
    }
    bool held = metric->ops->variant == USED ? all_used(made, set)
                : metric->ops->variant == STEPS
                    ? within(&set[0], &set[1], made.count)
                    : in_sequence(made, names, count, set[SET_MORE].number == MODE_EXACT);
    *score = held != metric->negate;
    return AS_OK;
}

static double value_of_f1(const as_metric *metric, const double *tally, size_t label_count) {
    (void)metric, (void)label_count;
    return f1(tally[AS_LABEL_HIT], tally[AS_LABEL_GOLD], tally[AS_LABEL_PRED]);
}

static const char *const matches[] = {"exact", "name", NULL};
static const as_setting_spec call_settings[] = {
    {.name = "match", .kind = AS_SETTING_CHOICE, .choices = matches},
    {.name = NULL},
};

static const char *const modes[] = {"in_order", "exact", NULL};
static const as_setting_spec name_settings[] = {
    {.name = "value", .kind = AS_SETTING_TEXTS, .needed = true},
    {.name = NULL},
};
static const as_setting_spec used_settings[] = {
    {.name = "value", .kind = AS_SETTING_TEXTS, .needed = true},
    {.name = "min", .kind = AS_SETTING_COUNT, .low = 0, .high = 1e6},
    {.name = "max", .kind = AS_SETTING_COUNT, .low = 0, .high = 1e6},
    {.name = NULL},
};
static const as_setting_spec step_settings[] = {
    {.name = "min", .kind = AS_SETTING_COUNT, .low = 0, .high = 1e6},
    {.name = "max", .kind = AS_SETTING_COUNT, .low = 0, .high = 1e6},
    {.name = NULL},
};
static const as_setting_spec sequence_settings[] = {
    {.name = "value", .kind = AS_SETTING_TEXTS, .needed = true},
    {.name = "mode", .kind = AS_SETTING_CHOICE, .choices = modes},
    {.name = NULL},
};

#define FLAGS (AS_METRIC_UNIT | AS_METRIC_BOUNDED)
#define TRAJECTORY(metric_name, number, table, line)                                               \
    {                                                                                              \
        .name = metric_name, .text = line, .kind = AS_METRIC_MEAN, .flags = FLAGS | AS_METRIC_NOT, \
        .settings = table, .score = score_trajectory, .variant = number                            \
    }

const as_metric_ops as_tool_metrics[] = {
    {.name = "tool_call_f1",
     .text = "F1 over tool calls (match: exact or name)",
     .kind = AS_METRIC_CORPUS,
     .flags = FLAGS,
     .width = AS_LABEL_WIDTH,
     .settings = call_settings,
     .score = score_calls,
     .value = value_of_f1},
    {.name = "tool_argument_f1",
     .text = "F1 over the arguments of tool calls",
     .kind = AS_METRIC_CORPUS,
     .flags = FLAGS,
     .width = AS_LABEL_WIDTH,
     .score = score_arguments,
     .value = value_of_f1},
    {.name = "tool_order",
     .text = "mean share of the tools that are called in the expected order",
     .kind = AS_METRIC_MEAN,
     .flags = FLAGS,
     .score = score_order},
    TRAJECTORY("tool-call-f1", NAMES_F1, name_settings,
               "mean F1 over the names of the tools called, as sets"),
    TRAJECTORY("trajectory:tool-used", USED, used_settings,
               "share of answers that call these tools, from `min` to `max` times"),
    TRAJECTORY("trajectory:tool-sequence", SEQUENCE, sequence_settings,
               "share of answers that call these tools in this order"),
    TRAJECTORY("trajectory:step-count", STEPS, step_settings,
               "share of answers with `min` to `max` tool calls"),
    {.name = NULL},
};
