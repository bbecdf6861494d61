// SPDX-License-Identifier: Apache-2.0
// hparams.h - the hyperparameters of a model, read from its file's keys and checked: within limits
// and consistent with each other. What the engine does not compute is refused here by name.
#ifndef AS_HPARAMS_H
#define AS_HPARAMS_H

#include "harness/engine/rope.h"

enum {
    AS_LAYERS_MAX = 512,
    AS_WIDTH_MAX = 65536,
    AS_HEADS_MAX = 1024,
    AS_HEAD_WIDTH_MAX = 1024,
    AS_FFN_MAX = 1024 * 1024,
    AS_EXPERTS_MAX = 1024,
    AS_CONTEXT_MAX = 16 * 1024 * 1024,
    AS_TEMPERATURES_MAX = 65536, // lengths of the original context
};

// What becomes of the rows of a text in its embedding; numbered as in the file.
typedef enum as_pooling {
    AS_POOLING_NONE,  // the file says nothing, or that there is none
    AS_POOLING_MEAN,  // of all rows
    AS_POOLING_FIRST, // the row of the first token, [CLS]
    AS_POOLING_LAST,
    AS_POOLING_RANK, // a score of a pair of texts, no embedding
} as_pooling;

typedef struct as_hparams {
    const as_arch *arch;
    size_t layers, width, ffn_width, context_length;
    size_t heads, kv_heads; // heads is a multiple of kv_heads
    size_t head_width;      // of queries, keys and values
    float norm_epsilon;
    float attention_scale; // of the dot product of query and key
    as_rope rope;
    double local_rope_base;    // of the local layers that rotate in their own way
    size_t window;             // positions a row of a local layer sees, its own included; 0: all
    bool local[AS_LAYERS_MAX]; // the layer looks through the window
    bool still[AS_LAYERS_MAX]; // the layer does not rotate
    float temperature;         // at position p scores are multiplied by
                               // 1 + temperature * log(1 + floor(p / rope.original_context))
    float attention_cap, logit_cap; // soft caps; 0: none
    float embedding_scale;          // embeddings are multiplied by it
    float residual_scale;           // so is what a block adds
    float logit_scale;              // and the logits
    size_t experts, experts_used;   // 0: no mixture; experts_used <= experts
    size_t expert_width;            // ffn_width of an expert
    size_t shared_width;            // of the expert that takes every token; 0: none
    float expert_scale;             // of the chosen experts' weights
    as_pooling pooling;
} as_hparams;

as_rc as_hparams_read(as_hparams *out, const as_gguf *file, as_err *err) AS_MUST_USE;

#endif
