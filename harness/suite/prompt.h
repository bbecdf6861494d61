// SPDX-License-Identifier: Apache-2.0
// prompt.h - from a case to the messages that a target is sent, and from its answer to a
// prediction. Built once a run from a checked suite; immutable afterwards: any thread may render.
//
// Templates see the fields of the case, and `choices` where the suite lists them (or the runner has
// put the dataset's labels into suite->choices) and the case has no field of that name. Few-shot
// examples answer with their reference: of a list of texts the first, of anything else its JSON.
#ifndef AS_PROMPT_H
#define AS_PROMPT_H

#include "harness/suite/suite.h"

typedef struct as_prompt as_prompt;

// Compiles templates and extractors and reads the few-shot file. Problems as in as_suite_load.
as_rc as_prompt_new(as_arena *arena, const as_suite *suite, const as_prompt **out,
                    as_buf *problems) AS_MUST_USE;
void as_prompt_free(const as_prompt *prompt); // what the arena does not hold (regexes)

// Fields that the templates name at their top level: a dataset must have them all.
void as_prompt_fields(const as_prompt *prompt, const as_str **out, size_t *count);

typedef struct as_prompt_turn {
    as_str role, content;
    const as_json *whole; // the message of the case where it has more members; else NULL
} as_prompt_turn;

// The turns for one case: system, few-shot pairs (user, assistant) or the case's own messages,
// user. In `arena`.
as_rc as_prompt_render(const as_prompt *prompt, as_arena *arena, const as_case *case_,
                       const as_prompt_turn **turns, size_t *count, as_err *err) AS_MUST_USE;

// Runs the suite's extractors over an output. False when one found nothing.
bool as_prompt_extract(const as_prompt *prompt, as_arena *arena, as_str output, as_str *prediction);

#endif
