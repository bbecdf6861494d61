// SPDX-License-Identifier: Apache-2.0
// session.h - what tests need of a session beyond engine.h.
//
// Rules that engine.h leaves open: a prompt of no tokens predicts nothing, so the first token of a
// choice after it counts 0 and generation ends at once; prompt and max_tokens together must fit
// the context.
#ifndef AS_SESSION_H
#define AS_SESSION_H

#include "harness/engine/engine.h"

enum {
    AS_CHUNK = 128, // token rows that run through the layers together
    AS_CHUNK_MAX = 4096,
    AS_LOGIT_ROWS = 32, // rows whose logits are held at once
    AS_THREADS_MAX = 256,
};

// as_session_new with rows a batch of its own; no answer depends on it.
as_rc as_session_make(const as_model *model, size_t context, size_t threads, size_t chunk,
                      as_session **out, as_err *err) AS_MUST_USE;

// Tokens at the front of the next prompt that would not be computed again if they are these.
size_t as_session_held(const as_session *session, const uint32_t **tokens);

#endif
