// SPDX-License-Identifier: Apache-2.0
#include "metrics/agents/tool_call.h"

enum { CALLS_MAX = 1000 };

// The object that has the name, and what its arguments are called.
static const as_json *body_of(const as_json *value, const char **arguments) {
    const as_json *function = as_json_get(value, "function");
    const as_json *google = as_json_get(value, "functionCall");
    *arguments = "arguments";
    if (function && function->kind == AS_JSON_OBJECT) return function;
    if (as_str_is(as_json_str(value, "type", AS_STR("")), "tool_use")) *arguments = "input";
    if (!google || google->kind != AS_JSON_OBJECT) return value;
    *arguments = "args";
    return google;
}

static bool read_call(as_arena *arena, const as_json *value, as_tool_call *out) {
    const char *key;
    value = body_of(value, &key);
    const as_json *name = as_json_get(value, "name"), *given = as_json_get(value, key);
    if (!name || name->kind != AS_JSON_STRING) return false;
    if (given && given->kind == AS_JSON_STRING && given->text.len &&
        as_json_parse(arena, given->text, &given, NULL) != AS_OK)
        return false;
    bool object = given && given->kind == AS_JSON_OBJECT;
    if (given && !object && given->kind != AS_JSON_NULL &&
        !(given->kind == AS_JSON_STRING && !given->text.len))
        return false;
    *out = (as_tool_call){name->text, object && given->count ? given : NULL, false};
    return true;
}

bool as_tool_call_read(as_arena *arena, const as_json *value, bool lenient, as_tool_calls *out) {
    const as_json *inner = as_json_get(value, "tool_calls");
    if (!inner) inner = as_json_get(as_json_get(value, "toolCall"), "functionCalls");
    if (inner) value = inner;
    bool one = value && value->kind == AS_JSON_OBJECT;
    *out = (as_tool_calls){0};
    if (!value || (!one && value->kind != AS_JSON_ARRAY) || value->count > CALLS_MAX) return false;
    out->items = AS_NEW_ARRAY(arena, as_tool_call, (one ? 1 : value->count) + 1);
    for (const as_json *m = one ? value : value->child; m; m = one ? NULL : m->next) {
        if (read_call(arena, m, &out->items[out->count]))
            out->count++;
        else if (!lenient)
            return false;
    }
    return true;
}

const as_json *as_tool_call_value(const as_scoring *scoring) {
    const as_json *value = as_sample_field(scoring->sample, "tool_calls");
    if (!value && (!scoring->sample->has_prediction ||
                   as_json_parse(scoring->arena, scoring->prediction, &value, NULL) != AS_OK))
        value = NULL;
    return value;
}

// Lines of a text that are JSON by themselves.
static as_tool_calls calls_of_lines(as_arena *arena, as_str text) {
    as_tool_calls all = {AS_NEW_ARRAY(arena, as_tool_call, CALLS_MAX + 1), 0};
    while (text.ptr) {
        as_str line = as_str_trim(as_str_cut(&text, '\n'));
        const as_json *value;
        as_tool_calls some;
        if (!line.len || (line.ptr[0] != '{' && line.ptr[0] != '[') ||
            as_json_parse(arena, line, &value, NULL) ||
            !as_tool_call_read(arena, value, true, &some))
            continue;
        for (size_t i = 0; i < some.count && all.count < CALLS_MAX; i++)
            all.items[all.count++] = some.items[i];
    }
    return all;
}

as_tool_calls as_tool_call_of(const as_scoring *scoring, bool lenient) {
    const as_json *value = as_tool_call_value(scoring);
    as_tool_calls out;
    if (!value && lenient && scoring->sample->has_prediction)
        return calls_of_lines(scoring->arena, scoring->prediction);
    if (!value || !as_tool_call_read(scoring->arena, value, lenient, &out))
        out = (as_tool_calls){0};
    return out;
}
