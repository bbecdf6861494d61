// SPDX-License-Identifier: Apache-2.0
// valid_call.c - yes-or-no checks of calls against the tools that a model was given; the value is
// the share of cases that pass. `tools`: a list of {type: function, function: {name, parameters}},
// or of {name, parameters}; parameters is a JSON Schema (schema.h). not-NAME is the opposite.
//
//   is-valid-openai-tools-call     the answer is a list of calls, one at least, {function: {name,
//                                  arguments}} with arguments as a text of JSON; each tool is
//                                  there and takes them. {tool_calls: [..]} is unpacked, and the
//                                  record's own `tool_calls` may be {name, arguments}
//   is-valid-function-call, is-valid-openai-function-call
//                                  the answer is one call, {name, arguments} with arguments as a
//                                  text, or {function_call: ..}, or Google's [{functionCall: {name,
//                                  args}}]
// A tool without `parameters` takes no arguments. A result of MCP ("MCP Tool Result (..)") is a
// valid call, "MCP Tool Error" is none. Source: promptfoo 0.12x, which takes the tools from the
// provider's configuration, has no not- forms (it ignores them) and knows no tool without
// parameters.
#include <stdlib.h>

#include "metrics/agents/tool_call.h"
#include "metrics/families/schema.h"

enum { ONE, SEVERAL };
enum { TOOLS_MAX = 1000 };

typedef struct tool {
    as_str name;
    as_schema *schema; // NULL: no arguments
} tool;

typedef struct tools {
    tool *items;
    size_t count;
} tools;

static void release(as_metric *metric) {
    tools *own = metric->own;
    for (size_t i = 0; own && i < own->count; i++)
        if (own->items[i].schema) as_schema_free(own->items[i].schema);
}

static as_rc add_tool(tools *own, const as_json *value, as_err *err) {
    const as_json *function = as_json_get(value, "function");
    if (function) value = function;
    const as_json *parameters = as_json_get(value, "parameters");
    tool *t = &own->items[own->count];
    t->name = as_json_str(value, "name", AS_STR(""));
    if (!t->name.len)
        return as_fail(err, AS_INVALID,
                       "a tool has no 'name': {type: function, function: {name: x, parameters: "
                       "{..}}}");
    as_rc rc = parameters ? as_schema_new(parameters, &t->schema, err) : AS_OK;
    if (rc) as_err_prefix(err, "parameters of tool '%.*s'", AS_STR_ARG(t->name));
    if (!rc) own->count++;
    return rc;
}

static as_rc prepare(as_arena *arena, as_metric *metric, as_err *err) {
    tools *own = metric->own = AS_NEW(arena, tools);
    const as_json *list;
    as_rc rc = as_json_parse(arena, as_yaml_json(arena, metric->settings[0].tree), &list, err);
    if (!rc && (list->kind != AS_JSON_ARRAY || !list->count || list->count > TOOLS_MAX))
        rc = as_fail(err, AS_INVALID, "it must be a list of 1 to %d tools", TOOLS_MAX);
    if (!rc) own->items = AS_NEW_ARRAY(arena, tool, list->count);
    for (const as_json *m = rc ? NULL : list->child; m && !rc; m = m->next)
        rc = add_tool(own, m, err);
    if (!rc) return rc;
    as_err_prefix(err, "option 'tools' of metric '%s'", metric->ops->name);
    release(metric);
    return rc;
}

static bool takes(const as_metric *metric, as_str name, const as_json *arguments) {
    const tools *own = metric->own;
    for (size_t i = 0; i < own->count; i++) {
        if (!as_str_eq(own->items[i].name, name)) continue;
        if (!own->items[i].schema) return arguments->kind == AS_JSON_OBJECT && !arguments->count;
        return as_schema_allows(own->items[i].schema, arguments);
    }
    return false;
}

// {name, arguments} with arguments as a text; `object`: as an object too.
static bool is_valid(const as_metric *metric, as_arena *arena, const as_json *call, bool object) {
    const as_json *name = as_json_get(call, "name"), *given = as_json_get(call, "arguments");
    if (!name || name->kind != AS_JSON_STRING || !given) return false;
    if (given->kind == AS_JSON_STRING ? as_json_parse(arena, given->text, &given, NULL) : !object)
        return false;
    return takes(metric, name->text, given);
}

static bool all_valid(const as_metric *metric, const as_scoring *scoring, const as_json *value) {
    bool own = value && value == as_sample_field(scoring->sample, "tool_calls");
    const as_json *inner = as_json_get(value, "tool_calls");
    if (inner) value = inner;
    if (!value || value->kind != AS_JSON_ARRAY || !value->count) return false;
    for (const as_json *m = value->child; m; m = m->next) {
        const as_json *function = as_json_get(m, "function");
        if (!is_valid(metric, scoring->arena, function ? function : m, own)) return false;
    }
    return true;
}

static bool one_valid(const as_metric *metric, const as_scoring *scoring, const as_json *value) {
    const as_json *call = as_json_get(value, "function_call"), *google = value;
    if (!value) return false;
    if (value->kind == AS_JSON_ARRAY && value->count) google = value->child;
    if (as_json_get(google, "functionCall")) {
        for (const as_json *m = google; m; m = value == google ? NULL : m->next) {
            const as_json *made = as_json_get(m, "functionCall"), *args = as_json_get(made, "args");
            const as_json *none = as_json_new(scoring->arena, AS_JSON_OBJECT);
            if (!made || !takes(metric, as_json_str(made, "name", AS_STR("")), args ? args : none))
                return false;
        }
        return true;
    }
    return is_valid(metric, scoring->arena, call ? call : value, false);
}

static as_rc score(const as_metric *metric, const as_scoring *scoring, double *out, double *stats,
                   as_err *err) {
    (void)stats, (void)err;
    as_str text = scoring->prediction;
    const as_json *value = as_tool_call_value(scoring);
    bool several = metric->ops->variant == SEVERAL, held;
    if (several && as_str_find(text, AS_STR("MCP Tool Error"), 0) != SIZE_MAX)
        held = false;
    else if (several && as_str_find(text, AS_STR("MCP Tool Result"), 0) != SIZE_MAX)
        held = true;
    else
        held = several ? all_valid(metric, scoring, value) : one_valid(metric, scoring, value);
    *out = scoring->sample->has_prediction && held != metric->negate;
    return AS_OK;
}

static const as_setting_spec settings[] = {
    {.name = "tools", .kind = AS_SETTING_LIST, .needed = true},
    {.name = NULL},
};

#define CALL(metric_name, number, line)                                                            \
    {                                                                                              \
        .name = metric_name, .text = line, .kind = AS_METRIC_MEAN,                                 \
        .flags = AS_METRIC_UNIT | AS_METRIC_BOUNDED | AS_METRIC_NOT, .settings = settings,         \
        .prepare = prepare, .release = release, .score = score, .variant = number                  \
    }

const as_metric_ops as_valid_call_metrics[] = {
    CALL("is-valid-openai-tools-call", SEVERAL, "share of answers that are valid calls of tools"),
    CALL("is-valid-openai-function-call", ONE, "share of answers that are one valid call"),
    CALL("is-valid-function-call", ONE, "the same, under its other name"),
    {.name = NULL},
};
