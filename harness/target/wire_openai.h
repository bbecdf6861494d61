// SPDX-License-Identifier: Apache-2.0
// wire_openai.h - the answers of OpenAI's chat and text endpoints, whole and as a stream. Shared by
// everything that speaks the dialect. Reasoning comes as `reasoning_content` or `reasoning`.
#ifndef AS_WIRE_OPENAI_H
#define AS_WIRE_OPENAI_H

#include "harness/target/wire.h"

typedef enum as_wire_stream {
    AS_WIRE_STREAM_USAGE, // with stream_options.include_usage
    AS_WIRE_STREAM_NO,
    AS_WIRE_STREAM_PLAIN, // without: some servers refuse the option
} as_wire_stream;

// `text`: the text endpoint (choices[0].text), not chat (choices[0].message, .delta).
void as_openai_body(as_wire_take *take, bool text, as_str body);
void as_openai_event(as_wire_take *take, bool text, as_str event, as_str data);

// Log-probability of what follows `prompt` in `full` (both were sent, full as the prompt with
// echo): the sum over the tokens that end behind the prompt and begin before the end of full.
// NaN, and refused, when the server gave none.
double as_openai_echo(as_wire_take *take, as_str body, as_str prompt, as_str full);

#endif
