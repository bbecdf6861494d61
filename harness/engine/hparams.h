// SPDX-License-Identifier: Apache-2.0
// hparams.h - the hyperparameters of a model, read from its file's keys and checked: within limits
// and consistent with each other. What the engine does not compute is refused here by name.
#ifndef AS_HPARAMS_H
#define AS_HPARAMS_H

#include "harness/engine/gguf.h"

enum {
    AS_LAYERS_MAX = 512,
    AS_WIDTH_MAX = 65536,
    AS_HEADS_MAX = 1024,
    AS_HEAD_WIDTH_MAX = 1024,
    AS_FFN_MAX = 1024 * 1024,
    AS_CONTEXT_MAX = 16 * 1024 * 1024, // with the least rope divisor, angles stay below 2^30
};

// The least a rope_freqs entry or a rope scaling factor may be.
#define AS_ROPE_DIVISOR_MIN 0.125
#define AS_ROPE_DIVISOR_MAX 1048576.0

typedef struct as_hparams {
    size_t layers, width, ffn_width, context_length;
    size_t heads, kv_heads; // heads is a multiple of kv_heads
    size_t head_width;      // of queries, keys and values
    size_t rope_width;      // leading values of a head that are rotated; even, <= head_width
    float norm_epsilon;
    float attention_scale; // of the dot product of query and key
    double rope_base;
    double rope_divisor; // positions are divided by it (linear scaling); 1 for none
} as_hparams;

as_rc as_hparams_read(as_hparams *out, const as_gguf *file, as_err *err) AS_MUST_USE;

#endif
