// SPDX-License-Identifier: Apache-2.0
// tool_call.h - tool calls, in the forms that models and recorders write them.
//
// A call is {name, arguments}; OpenAI's {function: {name, arguments}}; Anthropic's {type: tool_use,
// name, input}; Google's {functionCall: {name, args}}. Arguments are an object, or that as a
// string. Several are a list of calls, {tool_calls: [..]} or {toolCall: {functionCalls: [..]}}.
#ifndef AS_TOOL_CALL_H
#define AS_TOOL_CALL_H

#include "metrics/metric.h"

typedef struct as_tool_call {
    as_str name;
    const as_json *arguments; // an object with members, or NULL
    bool taken;               // for whoever pairs calls
} as_tool_call;

typedef struct as_tool_calls {
    as_tool_call *items;
    size_t count;
} as_tool_calls;

// False when the value is no list of calls. What in it is no call is skipped (`lenient`: a text
// beside the calls), or makes it no list of calls.
bool as_tool_call_read(as_arena *arena, const as_json *value, bool lenient, as_tool_calls *out);

// Calls of the answer: `tool_calls` of the record, else the prediction as JSON; `lenient`, else its
// lines that are. None: empty.
as_tool_calls as_tool_call_of(const as_scoring *scoring, bool lenient);

// What as_tool_call_of looks at; NULL: nothing that is JSON.
const as_json *as_tool_call_value(const as_scoring *scoring);

#endif
