// SPDX-License-Identifier: Apache-2.0
// steps.h - what an agent did on the way to its answer: the spans of a trace, or its tool calls.
//
// A trace is the record's `trace`: {spans: [..]} or the list itself. A span is {name, startTime,
// endTime (ms), statusCode, statusMessage, attributes: {..}}, as promptfoo hands them to
// assertions; steps stand in the order of their times. Without a trace the answer's tool calls
// (tool_call.h) are the steps. What kind of step a span is, is told by its attributes and name, by
// promptfoo's rules: a tool (tool.name, gen_ai.tool.name, ..), a command (a shell tool, or an
// attribute `command`), a search, reasoning, a message, else a span.
#ifndef AS_STEPS_H
#define AS_STEPS_H

#include "metrics/agents/tool_call.h"

typedef enum as_step_kind {
    AS_STEP_SPAN,
    AS_STEP_TOOL,
    AS_STEP_COMMAND,
    AS_STEP_SEARCH,
    AS_STEP_REASONING,
    AS_STEP_MESSAGE,
} as_step_kind;

extern const char *const as_step_kinds[]; // "span", "tool", ...; ends with NULL

enum { AS_STEP_ALIASES_MAX = 4 };

typedef struct as_step {
    as_step_kind kind;
    as_str aliases[AS_STEP_ALIASES_MAX]; // any of which a pattern may match
    size_t alias_count;
    const as_json *arguments; // NULL: none were recorded
    double start, end;        // ms; NaN: not known
    size_t place;             // in the trace
} as_step;

typedef struct as_steps {
    as_step *items;
    size_t count;
} as_steps;

typedef struct as_step_reader as_step_reader; // immutable: any thread may read

as_rc as_step_reader_new(as_step_reader **out, as_err *err) AS_MUST_USE;
void as_step_reader_free(as_step_reader *reader);

as_steps as_steps_of(const as_step_reader *reader, const as_scoring *scoring);

// The spans of the record's trace as a JSON list; NULL: it has none.
const as_json *as_steps_spans(const as_scoring *scoring);

// Whether the whole text (valid UTF-8, as the pattern is) is as the pattern: * any characters, ?
// one; in any case of letters.
bool as_steps_match(as_str pattern, as_str text);

#endif
