// SPDX-License-Identifier: Apache-2.0
// harmony.h - answers of gpt-oss: messages behind each other, each on a channel and maybe to a
// tool,
//
//     <|channel|>analysis<|message|>Add them.<|end|><|start|>assistant<|channel|>final<|message|>5
//     <|channel|>commentary to=functions.sum <|constrain|>json<|message|>{"a": 2}
//
// What is said on the channel "final" is the answer, what is said to a tool is its call, the rest
// was thought aloud. (openai/harmony, docs/format.md.)
#ifndef AS_HARMONY_H
#define AS_HARMONY_H

#include "harness/engine/engine.h"

// Control tokens of a vocabulary.
typedef struct as_harmony {
    uint32_t start, channel, constrain, message, end;
} as_harmony;

// False: the model has not all of them, and answers in its own way.
bool as_harmony_find(const as_model *model, as_harmony *out);

// A zeroed one with `names` is ready; as_harmony_free gives its memory back.
typedef struct as_harmony_reader {
    const as_harmony *names;
    bool in_header, thinks, calls;
    as_buf header; // of the message at hand
    as_buf answer, thoughts;
    as_buf tool, arguments; // of the last call
} as_harmony_reader;

// The next token and its text, of the prompt (whose texts but headers are left out), then of the
// answer. True: the text went to the answer.
bool as_harmony_take(as_harmony_reader *reader, uint32_t token, as_str text, bool of_prompt);

// The answer: what was said, or else the call as [{"name": .., "arguments": ".."}].
as_str as_harmony_answer(const as_harmony_reader *reader, as_arena *arena);

void as_harmony_free(as_harmony_reader *reader);

#endif
