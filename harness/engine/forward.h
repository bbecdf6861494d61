// SPDX-License-Identifier: Apache-2.0
// forward.h - the forward pass: a batch of token rows through all layers, over a cache of keys and
// values.
//
// The cache has slots. A batch runs on top of the first `base` slots, which hold positions
// 0..base-1; row m of the batch is put in slot base + m. A row sees the base and its own chain of
// parents in the batch, so a batch can be a piece of a text, or many continuations of one text: a
// tree. What a row computes depends on what it sees alone.
//
// An as_forward belongs to one session: one caller at a time. It takes all its memory when made.
#ifndef AS_FORWARD_H
#define AS_FORWARD_H

#include "harness/base/thread.h"
#include "harness/engine/model.h"

#define AS_ROW_BASE UINT32_MAX

typedef struct as_row {
    uint32_t token;
    uint32_t parent; // an earlier row of the batch, or AS_ROW_BASE
} as_row;

typedef struct as_forward as_forward;

// Room for `slots` positions and `chunk` rows a batch, for texts of at most `context` tokens:
// models with two sets of rope divisors take the one for that. AS_UNMEASURED when memory or threads
// are not to be had.
as_rc as_forward_new(const as_model *model, size_t context, size_t slots, size_t chunk,
                     size_t threads, as_forward **out, as_err *err) AS_MUST_USE;
void as_forward_free(as_forward *forward);

// Runs 1..chunk rows; base + count <= slots. Without `wanted`, only the cache is filled.
void as_forward_run(as_forward *forward, const as_row *rows, size_t count, size_t base,
                    bool wanted);

// Logits after rows from..from+count-1 of the batch just run (`wanted`): out[count][vocabulary].
void as_forward_logits(as_forward *forward, size_t from, size_t count, float *out);

#endif
