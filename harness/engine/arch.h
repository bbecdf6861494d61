// SPDX-License-Identifier: Apache-2.0
// arch.h - the architectures that the engine computes, told apart by flags alone: there is one
// forward pass. What a file's own keys and tensors say (biases, fused projections, tied output,
// scaling) is not here.
//
// A table of constants: any thread.
#ifndef AS_ARCH_H
#define AS_ARCH_H

#include "harness/engine/gguf.h"

typedef enum as_experts { AS_EXPERTS_NONE, AS_EXPERTS_MAYBE, AS_EXPERTS_ALWAYS } as_experts;

// Norms of queries and keys.
typedef enum as_head_norms {
    AS_HEAD_NORMS_NONE,
    AS_HEAD_NORMS_EACH,  // of each head, before it is rotated
    AS_HEAD_NORMS_LATE,  // of each head, after that
    AS_HEAD_NORMS_WHOLE, // of all heads as one vector, before
} as_head_norms;

typedef struct as_arch {
    const char *name;    // general.architecture, and what its keys begin with
    bool rope_halves;    // pairs are (i, i + n/2), not (2i, 2i + 1)
    bool gelu;           // the gate goes through GELU, not SiLU
    bool embedding_sqrt; // embeddings are multiplied by sqrt(width)
    bool post_norms;     // what a block adds is normed first
    bool bare_blocks;    // what a block takes is not normed
    bool late_ffn_norm;  // what the feed-forward takes is, by post_attention_norm.weight
    bool ungated;        // there is no up: ffn_up holds the gate
    bool squared_relu;   // the gate goes through the square of ReLU; there is no up then
    bool layer_norms;    // norms are LayerNorm, of epsilon layer_norm_epsilon
    bool parallel;       // the feed-forward takes what attention takes, unless it has a norm
    bool logit_factor;   // logits are multiplied by logit_scale
    bool caps;           // has soft caps of scores and logits
    bool multipliers;    // has factors for embeddings, residuals and logits
    bool up_holds_gate;  // ffn_up.weight is the gate's rows, then up's
    bool encoder;        // rows see each other both ways, LayerNorm behind each block (encoder.h)
    bool both_ways;      // rows see each other both ways in a decoder: it embeds texts and predicts
                         // no tokens; windows reach to both sides
    bool places;         // a learned vector a position, no rotation; GELU, and no gate before it
    bool local_rope;     // local layers rotate unscaled, by a base of their own
    bool sections;       // heads turn by time, height and width: alike where there are texts alone
    bool still_globals;  // layers that see everything do not rotate, if others see a window
    bool log_temperature; // scores may grow by the log of the position, and yarn's magnitude
                          // may be cut back
    bool experts_normed;  // the weights of the chosen experts are made to add up to 1
    bool experts_share;   // feed_forward_length is that of all chosen ones, unless one's is given
    bool clamped_experts; // their products have biases, the router's too, and they go through a
                          // clamped SwiGLU
    bool sinks;           // each head has a score that takes its part of the weights
    bool shared_expert;   // one more expert that takes every token, behind a gate of its own
    as_experts experts;   // whether it is a mixture
    as_head_norms head_norms;
    unsigned local_period;          // of so many layers the last one sees everything; 0: no pattern
    unsigned still_period;          // of so many layers the last one does not rotate; 0: all do
    float local_base;               // of local layers that rotate unscaled; 0: that of the others
    float embedding_factor;         // multipliers when the file has none: of embeddings,
    float residual_depth;           // of residuals, over sqrt(layers),
    float logit_width;              // of logits, over the width
    size_t window;                  // of local layers, when the file does not say
    float attention_cap, logit_cap; // the same of soft caps
    size_t wide_scale; // with so many layers, scores are scaled by width/heads, not head_width
} as_arch;

// AS_INVALID for an architecture that is not there, saying what it would take where that is known.
as_rc as_arch_read(const as_arch **out, const as_gguf *file, as_err *err) AS_MUST_USE;

// The key "NAME.rest" in `out`, which is returned.
enum { AS_ARCH_KEY_MAX = 80 };
const char *as_arch_key(const as_arch *arch, const char *rest, char out[AS_ARCH_KEY_MAX]);

#endif
