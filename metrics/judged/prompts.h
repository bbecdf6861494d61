// SPDX-License-Identifier: Apache-2.0
// prompts.h - what judges are told. A prompt that is changed gets the next number in its name, so
// that verdicts of two wordings are never taken for the same; results hold its SHA-256.
#ifndef AS_PROMPTS_H
#define AS_PROMPTS_H

#include "harness/base/str.h"

typedef enum as_prompt_kind {
    AS_PROMPT_PASS,  // rubric: pass or fail
    AS_PROMPT_GRADE, // rubric: a grade
    AS_PROMPT_PAIR,
    AS_PROMPT_FAITHFUL,
    AS_PROMPT_RELEVANT,
    AS_PROMPT_PRECISION,
    AS_PROMPT_RECALL,
    AS_PROMPT_COUNT
} as_prompt_kind;

const char *as_prompts_name(as_prompt_kind kind); // "rubric/1"
const char *as_prompts_text(as_prompt_kind kind); // the system message

#endif
