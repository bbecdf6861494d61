// SPDX-License-Identifier: Apache-2.0
// encode.h - what the files that write blocks share: encode.c blocks of 32 codes of a range,
// encode_k.c K-quants, encode_table.c types whose codes stand for values of a table. Private to
// kernels/.
//
// All follow the format's reference quantizers operation by operation, where rounding decides: the
// same floats give the same bytes. Inputs are finite.
#ifndef AS_ENCODE_H
#define AS_ENCODE_H

#include "kernels/blocks.h"

// Groups whose largest magnitude is below this count as zeros.
#define AS_ENCODE_TINY 1e-15f
// No half times the scales and codes of any type comes near this, and sums of squares stay finite.
#define AS_ENCODE_HUGE 0x1p30f

static inline void put_u16(unsigned char *at, uint16_t value) {
    at[0] = (unsigned char)(value & 0xff);
    at[1] = (unsigned char)(value >> 8);
}

static inline bool is_finite_half(uint16_t half) {
    return (half & 0x7c00u) != 0x7c00u;
}

static inline float magnitude(float x) {
    return x < 0.0f ? -x : x;
}

// The first value of the largest magnitude.
static inline float extreme(const float *x, size_t n) {
    float best = 0.0f;
    for (size_t i = 0; i < n; i++) best = magnitude(x[i]) > magnitude(best) ? x[i] : best;
    return best;
}

// The nearest whole number, halves to even, where |x| <= 2^22; some number otherwise, always the
// same.
static inline int nearest(float x) {
    return (int)(float_bits(x + AS_ROUND_F32) & 0x7fffffu) - 0x400000;
}

static inline int between(int low, int x, int high) {
    return x < low ? low : x > high ? high : x;
}

// One block each; false when a scale is too large for a half.
bool as_encode_k(as_wtype type, const float *x, unsigned char *out);     // Q2_K to Q6_K
bool as_encode_table(as_wtype type, const float *x, unsigned char *out); // IQ4_NL, IQ4_XS, MXFP4

// A block of Q6_K: codes[256] of weights, 32 for 0; scales[16].
void as_encode_q6_k(const uint8_t *codes, const int8_t *scales, uint16_t d, unsigned char *out);

#endif
