// SPDX-License-Identifier: Apache-2.0
// tool.c - did the model call the right tools, with the right arguments, in the right order?
//
// Calls: `tool_calls` of the record, else the prediction as JSON, in the forms of tool_call.h.
// Expected has the same forms; [] means that no tool should be called. An answer that holds no
// calls calls none.
//   tool_call_f1      F1 over calls: tool and arguments are the same, as JSON (match: exact), or
//                     the tool is (match: name); each call counts once; over all cases together
//   tool_argument_f1  F1 over (tool, argument, value), over all cases together; no arguments
//                     anywhere: undefined
//   tool_order        longest common subsequence of the tools called, as a share of the longer
//                     list, mean over the cases; none expected and none called: 1
//   tool-call-f1      F1 over the names of the tools called and those in `value`, each as a set,
//                     mean over the cases. Source: promptfoo 0.12x, whose not- form turns the
//                     verdict round and leaves the score. A lone {name, arguments} is a call
//                     here, and none there
#include <math.h>

#include "metrics/agents/tool_call.h"
#include "metrics/families/schema.h"
#include "metrics/metric.h"
#include "metrics/overlap/ngram.h"

enum { MATCH_EXACT = 0 };

static as_rc read_both(const as_metric *metric, const as_scoring *scoring, as_tool_calls *gold,
                       as_tool_calls *answer, as_err *err) {
    const as_sample *sample = scoring->sample;
    if (!as_tool_call_read(scoring->arena, sample->expected, false, gold))
        return as_fail(
            err, AS_INVALID,
            "metric '%s' needs 'expected' to be a list of calls {name, arguments}, not %s",
            metric->ops->name,
            !sample->expected                         ? "missing"
            : sample->expected->kind == AS_JSON_ARRAY ? "a list of something else"
                                                      : as_json_kind_name(sample->expected->kind));
    *answer = as_tool_call_of(scoring, false);
    return AS_OK;
}

static bool same_call(const as_tool_call *a, const as_tool_call *b, bool exact) {
    if (!as_str_eq(a->name, b->name)) return false;
    if (!exact) return true;
    if (!a->arguments || !b->arguments) return a->arguments == b->arguments;
    return as_schema_equal(a->arguments, b->arguments);
}

static size_t count_calls(as_tool_calls gold, as_tool_calls answer, bool exact) {
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

static argument *arguments_of(as_arena *arena, as_tool_calls from, size_t *count) {
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
    as_tool_calls gold, answer;
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
    as_tool_calls gold, answer;
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
    as_tool_calls both[2];
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

// ---- tool-call-f1, promptfoo's ----

static bool is_among(const as_str *names, size_t count, as_str name) {
    for (size_t i = 0; i < count; i++)
        if (as_str_eq(names[i], name)) return true;
    return false;
}

// Names of both as sets: each once.
static as_rc score_names(const as_metric *metric, const as_scoring *scoring, double *score,
                         double *stats, as_err *err) {
    (void)stats, (void)err;
    as_tool_calls made = as_tool_call_of(scoring, true);
    const as_str *wanted = metric->settings[0].texts;
    size_t count = metric->settings[0].text_count, golds = 0, called = 0, hits = 0;
    for (size_t i = 0; i < count; i++) golds += !is_among(wanted, i, wanted[i]);
    for (size_t i = 0; i < made.count; i++) {
        bool again = false;
        for (size_t k = 0; k < i; k++) again |= as_str_eq(made.items[k].name, made.items[i].name);
        called += !again;
        hits += !again && is_among(wanted, count, made.items[i].name);
    }
    *score = golds + called ? 2 * (double)hits / (double)(golds + called) : 0;
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

static const as_setting_spec name_settings[] = {
    {.name = "value", .kind = AS_SETTING_TEXTS, .needed = true},
    {.name = NULL},
};
#define FLAGS (AS_METRIC_UNIT | AS_METRIC_BOUNDED)

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
    {.name = "tool-call-f1",
     .text = "mean F1 over the names of the tools called, as sets",
     .kind = AS_METRIC_MEAN,
     .flags = FLAGS | AS_METRIC_NOT,
     .settings = name_settings,
     .score = score_names},
    {.name = NULL},
};
