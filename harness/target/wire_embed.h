// SPDX-License-Identifier: Apache-2.0
// wire_embed.h - embeddings on the wire: what OpenAI's /embeddings, Ollama's /api/embed and Text
// Embeddings Inference's /embed have in common. Texts go out in order, a few a call; servers that
// would cut a long text off are told not to.
#ifndef AS_WIRE_EMBED_H
#define AS_WIRE_EMBED_H

#include "harness/target/wire.h"

enum { AS_WIRE_EMBED_TEXTS = 32 }; // of a call: what Text Embeddings Inference takes by default

// How a dialect asks.
typedef struct as_wire_embed {
    const char *inputs; // the key of the list of texts
    const char *format; // "float" where there is a choice of encodings; or NULL
    bool truncate;      // there is a key `truncate`
    int64_t num_ctx;    // Ollama's; 0: not said
    as_str keep_alive;  // Ollama's; may be empty
} as_wire_embed;

size_t as_wire_embed_calls(const as_request *request);

// The call but for its URL. `model` may be empty.
as_wire_call as_wire_embed_build(as_arena *arena, const as_wire_embed *shape, as_str model,
                                 const as_request *request, size_t call, as_str *prompt_sha256);

// The vectors of a call. `list` names the list of them; NULL: the body is the list. An element is a
// list of numbers, or an object with `embedding` and its place in `index`.
void as_wire_embed_take(as_wire_take *take, as_str body, const char *list);

#endif
