// SPDX-License-Identifier: Apache-2.0
// wire_constrain.h - a constraint in the words of the server that is to keep to it. Each server has
// fields of its own; what one has no field for is refused by name.
#ifndef AS_WIRE_CONSTRAIN_H
#define AS_WIRE_CONSTRAIN_H

#include "harness/target/wire.h"

typedef enum as_constrain_dialect {
    AS_CONSTRAIN_OPENAI, // response_format, for JSON Schemas; what hosted models know
    AS_CONSTRAIN_VLLM,   // structured_outputs: {json | regex | choice | grammar}
    AS_CONSTRAIN_GUIDED, // guided_json, ..: vLLM before 0.12 and servers built on it
    AS_CONSTRAIN_LLAMA,  // llama.cpp: response_format, grammar
    AS_CONSTRAIN_SGLANG, // response_format, regex, ebnf
    AS_CONSTRAIN_TGI,    // in `parameters`: grammar: {type: json | regex}
    AS_CONSTRAIN_OLLAMA, // format
} as_constrain_dialect;

// The words of `?constraint=`, in the order above, as far as a URI may choose; ends with NULL.
extern const char *const as_constrain_words[];

as_rc as_constrain_accepts(as_constrain_dialect dialect, const as_constraint_spec *spec,
                           as_err *err) AS_MUST_USE;

// Its members, put into an open object; nothing without a constraint.
void as_constrain_put(as_json_out *out, as_constrain_dialect dialect,
                      const as_constraint_spec *spec);

#endif
