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

typedef struct as_arch {
    const char *name;      // general.architecture, and what its keys begin with
    bool rope_halves;      // pairs are (i, i + n/2), not (2i, 2i + 1)
    bool gelu;             // the gate goes through GELU, not SiLU
    bool embedding_sqrt;   // embeddings are multiplied by sqrt(width)
    bool post_norms;       // what a block adds is normed first
    bool head_norms;       // queries and keys are normed, head by head, before they are rotated
    bool caps;             // has soft caps of scores and logits
    bool multipliers;      // has factors for embeddings, residuals and logits
    bool up_holds_gate;    // ffn_up.weight is the gate's rows, then up's
    bool encoder;          // rows see each other both ways, LayerNorm behind each block (encoder.h)
    bool places;           // a learned vector a position, no rotation; GELU, and no gate before it
    bool local_rope;       // local layers rotate by base 10000, unscaled
    bool experts_normed;   // the weights of the chosen experts are made to add up to 1
    bool shared_expert;    // one more expert that takes every token, behind a gate of its own
    as_experts experts;    // whether it is a mixture
    unsigned local_period; // of so many layers the last one sees everything; 0: no pattern
    size_t window;         // of local layers, when the file does not say
    float attention_cap, logit_cap; // the same of soft caps
    size_t wide_scale; // with so many layers, scores are scaled by width/heads, not head_width
} as_arch;

// AS_INVALID for an architecture that is not there, saying what it would take where that is known.
as_rc as_arch_read(const as_arch **out, const as_gguf *file, as_err *err) AS_MUST_USE;

// The key "NAME.rest" in `out`, which is returned.
enum { AS_ARCH_KEY_MAX = 80 };
const char *as_arch_key(const as_arch *arch, const char *rest, char out[AS_ARCH_KEY_MAX]);

#endif
