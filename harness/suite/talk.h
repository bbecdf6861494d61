// SPDX-License-Identifier: Apache-2.0
// talk.h - the turns that a case brings itself (prompt.messages): a list of messages as OpenAI's
// chat endpoint has them, tools' calls and their results among them, checked.
#ifndef AS_TALK_H
#define AS_TALK_H

#include "harness/suite/prompt.h"

// The turns of `list`, in `arena`; they share its values. AS_INVALID names the place in it, which
// begins with `field`.
as_rc as_talk_read(as_arena *arena, as_str field, const as_json *list, as_prompt_turn **turns,
                   size_t *count, as_err *err) AS_MUST_USE;

#endif
