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
    AS_THREADS_MAX = 256,
};

// Tokens of the last prompt that were not computed for it.
size_t as_session_reused(const as_session *session);

#endif
