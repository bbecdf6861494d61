// SPDX-License-Identifier: Apache-2.0
// jinja.h - Jinja templates for prompts and chat templates: a sandboxed interpreter over JSON
// values. No I/O, no attributes of host objects, bounded steps, depth and output. Semantics of
// Jinja2 with trim_blocks, lstrip_blocks and no trailing newline, as Hugging Face renders chat
// templates. Undefined variables are an error with the name, unless tested or given a default, or
// where a chat template is rendered.
#ifndef AS_JINJA_H
#define AS_JINJA_H

#include "harness/base/json.h"

enum {
    AS_JINJA_STEPS_MAX = 1000000,
    AS_JINJA_OUTPUT_MAX = 16 * 1024 * 1024,
    AS_JINJA_DEPTH_MAX = 64,
};

typedef struct as_jinja as_jinja; // lives in its arena; immutable: any thread may render it

// The error names line and column in the template and what is not understood.
as_rc as_jinja_parse(as_arena *arena, as_str text, const as_jinja **out, as_err *err) AS_MUST_USE;

// Appends the rendered text. `variables` is an object; temporary values come from `arena`.
as_rc as_jinja_render(const as_jinja *template_, as_arena *arena, const as_json *variables,
                      as_buf *out, as_err *err) AS_MUST_USE;

// The same for a chat template: what is undefined is an empty text and a list without elements, as
// Jinja2 itself has it. Templates of models rely on that.
as_rc as_jinja_render_chat(const as_jinja *template_, as_arena *arena, const as_json *variables,
                           as_buf *out, as_err *err) AS_MUST_USE;

// A variable "strftime_now" that is such a day ("2026-01-31") makes the function of that name tell
// its midnight; without one there is no such function: what is rendered depends on no clock.
bool as_jinja_is_date(as_str text);

// The variables that the template needs, each once, in order of first use. One that is only
// looked at behind a test (`is defined`, `if name`) or has a `default` is not needed.
void as_jinja_names(const as_jinja *template_, as_arena *arena, const as_str **out, size_t *count);

#endif
