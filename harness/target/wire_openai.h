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

// What the model thinks of a text that it was given.
typedef struct as_openai_scored {
    double logprob;  // natural logarithm, summed
    uint64_t tokens; // that were predicted
    uint64_t listed; // of the whole text, by `echo`
    bool greedy;     // each was the likeliest one, as far as the server says which that is
} as_openai_scored;

// Of what stands in `full`, which was sent as the prompt, from the code point `from` on: the tokens
// that end behind it and begin before the end of full. By `echo` (logprobs.token_logprobs and
// text_offset) or by vLLM's prompt_logprobs, whichever the response has. The first token of all has
// no log-probability: it is left out where `first_free`, else it is missing. False, and refused,
// when something is.
bool as_openai_echo(as_wire_take *take, as_str body, size_t from, as_str full, bool first_free,
                    as_openai_scored *out);

#endif
