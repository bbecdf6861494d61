// SPDX-License-Identifier: Apache-2.0
// recipe.h - what each tensor of a model becomes when its weights are brought to another type: the
// names that `assay model quantize` and ?quant= take, with the rules that llama-quantize follows
// under the same names where it has no matrix of importance.
//
//   - norms, biases, vectors, routers and position tables stay as they are;
//   - f32, f16 and bf16 are for all others;
//   - output.weight, and token_embd.weight where it serves as the output too, matter most: they get
//     Q6_K, but Q8_0 under q8_0 and mxfp4;
//   - the K-quants' _s, _m and _l, q2_k, iq4_nl and iq4_xs give more bits to values, to some
//   layers'
//     ffn_down and to attn_output; a mixture of 8 experts gets Q8_0 for keys and values under all;
//   - mxfp4 is for experts; the rest gets Q8_0;
//   - rows that are no multiple of the type's block fall back: Q2_K and Q3_K to Q4_0, Q4_K to Q5_0,
//     Q5_K to Q5_1, Q6_K to Q8_0, IQ4_XS to IQ4_NL, and where rows are no multiple of 32 either, to
//     F16.
//
// A table of constants: any thread.
#ifndef AS_RECIPE_H
#define AS_RECIPE_H

#include "harness/engine/gguf.h"
#include "kernels/kernels.h"

typedef struct as_recipe as_recipe;

// "q8_0", "q4_k_m", ... in any case; q3_k, q4_k and q5_k are short for their _m. AS_INVALID names
// those there are.
as_rc as_recipe_find(as_str name, const as_recipe **out, as_err *err) AS_MUST_USE;
const char *as_recipe_names(void); // all of them, for messages

uint32_t as_recipe_file_type(const as_recipe *recipe); // for general.file_type

// What the rules look at besides a tensor itself. Keys that a file lacks count as 0.
typedef struct as_recipe_shape {
    uint64_t layers, experts;
    uint64_t sharing; // heads that share a key: 1 without
    bool wide;        // the 70B shape, whose values are shared by many heads
    bool tied;        // there is no output.weight
} as_recipe_shape;
as_recipe_shape as_recipe_shape_of(const as_gguf *file);

// The tensor's type in the new file, numbered as there.
uint32_t as_recipe_type(const as_recipe *recipe, const as_recipe_shape *shape,
                        const as_gguf_tensor *tensor);

#endif
