// SPDX-License-Identifier: Apache-2.0
// chat_turn.h - a message of a request as the JSON that a chat template or an endpoint is given.
#ifndef AS_CHAT_TURN_H
#define AS_CHAT_TURN_H

#include "harness/target/target.h"

typedef enum as_chat_form {
    AS_CHAT_TEMPLATE, // arguments of calls are objects, as Hugging Face's templates want them
    AS_CHAT_OPENAI,   // they are JSON in a text
    AS_CHAT_OLLAMA,   // they are objects, a result is of `tool_name`, and no content is a null
} as_chat_form;

// Strings and values may be shared with the message.
as_json *as_chat_turn(as_arena *arena, const as_message *message, as_chat_form form);

// Whether a message of it holds more than a text and a role: a tool's call, its result, a name.
bool as_chat_turn_rich(const as_request *request);

#endif
