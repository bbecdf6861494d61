// SPDX-License-Identifier: Apache-2.0
// model_bench.h - how fast the engine runs a model here, beside what this machine can do.
#ifndef AS_MODEL_BENCH_H
#define AS_MODEL_BENCH_H

#include "harness/engine/engine.h"

typedef struct as_model_speed {
    size_t prompt_tokens, decode_tokens, threads;
    double prompt_per_s, decode_per_s; // tokens; the best of several runs
    double read_gb_per_s;              // of memory, by a sum, with as many threads; NaN: GPU
    double decode_gb_per_s;            // of weights, keys and values, while decoding
    double peak_gop_per_s;             // of the instruction that the kernels live on; NaN: unknown
    double prompt_gop_per_s;           // a multiplication and an addition are two
    // Many at once: `cases` questions after the same prefix, with four choices each; and as many
    // texts that go on from there.
    size_t cases, prefix_tokens;
    uint64_t choice_rows, choice_reused; // rows computed; tokens of prompts that were not
    double choices_per_s;                // cases
    double batch_decode_per_s;           // tokens of all texts together
} as_model_speed;

// `context` 0: the model's own. AS_INVALID when the context is too short to measure in.
as_rc as_model_bench(const as_model *model, size_t context, size_t threads, as_str kv,
                     as_str device, as_model_speed *out, as_err *err) AS_MUST_USE;

#endif
