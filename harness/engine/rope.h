// SPDX-License-Identifier: Apache-2.0
// rope.h - rotary positions: how fast each pair of a head turns, with every scaling that stretches
// a context beyond the one a model was trained on.
//
//   linear    positions are divided by a factor
//   yarn      slow pairs are, fast ones are not, with a ramp between (arXiv:2309.00071)
//   llama3    the file holds a divisor a pair (rope_freqs.weight)
//   longrope  the file holds two sets of them, one for contexts beyond the original one
//
// Pure functions over values: any thread.
#ifndef AS_ROPE_H
#define AS_ROPE_H

#include "harness/engine/arch.h"

// The least and the most a divisor may be: with AS_CONTEXT_MAX, angles stay below 2^30.
#define AS_ROPE_DIVISOR_MIN 0.125
#define AS_ROPE_DIVISOR_MAX 1048576.0

typedef struct as_rope {
    size_t width; // leading values of a head that are rotated; even
    double base;
    double divisor;              // of positions; 1 for none
    double extrapolation;        // yarn: how far fast pairs escape the divisor, 0 (no yarn) to 1
    double beta_fast, beta_slow; // yarn: turns over the original context that bound the ramp
    size_t original_context;     // tokens
    double magnitude;            // cosines and sines are multiplied by it
    bool longrope;               // says the file: its two sets of divisors must be there
} as_rope;

// `head_width` is the default of `width`, `context` that of `original_context`.
as_rc as_rope_read(as_rope *out, const as_arch *arch, const as_gguf *file, size_t head_width,
                   size_t context, as_err *err) AS_MUST_USE;

// rates[width/2]: the angle a position turns pair i by, base^(-2i/width) scaled. factors[width/2]
// divide; NULL for none. In double: the angles of long contexts need more than a float has.
void as_rope_rates(const as_rope *rope, const float *factors, double *rates);

#endif
