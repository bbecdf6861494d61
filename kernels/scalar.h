// SPDX-License-Identifier: Apache-2.0
// scalar.h - the single-number operations that the portable table and numeric.c are made of.
//
// Private to kernels/. They need no libm, so their bits do not depend on one.
#ifndef AS_SCALAR_H
#define AS_SCALAR_H

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#if FLT_EVAL_METHOD != 0
#error "the kernels need float expressions to be rounded to float (on 32-bit x86: -mfpmath=sse)"
#endif

static inline uint32_t float_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float bits_float(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint64_t double_bits(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double bits_double(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

// a * b + c with one rounding, where the target has no such instruction. The product of two floats
// is exact in double, so the sum is the only rounding before the last one, and rounding twice
// goes wrong only when the sum sits halfway between two floats. Those cases, and results below the
// normal floats, are first rounded *to odd* (towards the neighbour with an odd last bit whenever
// inexact): from there a second rounding does no harm, since double has more than 24 + 2 bits.
// TwoSum gives the error of the sum, which tells where to go.
static inline float fma_f32(float a, float b, float c) {
#if defined(FP_FAST_FMAF) || defined(__FMA__) || defined(__aarch64__)
    return fmaf(a, b, c);
#else
    double product = (double)a * (double)b;
    double addend = (double)c;
    double sum = product + addend;
    uint64_t bits = double_bits(sum);
    int halfway = (bits & 0x1fffffffu) == 0x10000000u;
    uint64_t magnitude = bits & 0x7fffffffffffffffu;
    int small = magnitude - 1 < double_bits(0x1p-126) - 1; // and not 0, which is exact
    if (!halfway && !small) return (float)sum;
    double part = sum - product;
    double error = (product - (sum - part)) + (addend - part);
    double outward = sum < 0.0 ? -error : error; // > 0: the true sum is further from zero
    uint64_t step = (uint64_t)(outward > 0.0) - (uint64_t)(outward < 0.0);
    bits += step & ((bits & 1) - 1);
    return (float)bits_double(bits);
#endif
}

// rint for |x| <= 2^22: adding 1.5 * 2^23 leaves no bits below one; the integer is the difference
// of the bit patterns.
#define AS_ROUND_F32 0x1.8p23f

// e^x. n = rint(x / ln 2), r = x - n ln 2 in two steps, then 1 + r + r^2 q(r) with q the minimax
// quartic for |r| <= ln 2 / 2 (its own error is 0.06 ulp), times 2^n by adding to the exponent,
// which neither overflows nor goes denormal between the two limits.
#define AS_EXP_LOW (-87.3f)
#define AS_EXP_HIGH 88.7f
#define AS_EXP_LOG2E 0x1.715476p+0f
#define AS_EXP_LN2_HI 0x1.62e430p-1f
#define AS_EXP_LN2_LO (-0x1.05c610p-29f)
#define AS_EXP_C2 0x1.fffffcp-2f
#define AS_EXP_C3 0x1.555492p-3f
#define AS_EXP_C4 0x1.5558f2p-5f
#define AS_EXP_C5 0x1.123a20p-7f
#define AS_EXP_C6 0x1.6a23d0p-10f

static inline float exp_f32(float x) {
    float t = fma_f32(x, AS_EXP_LOG2E, AS_ROUND_F32);
    float n = t - AS_ROUND_F32;
    float r = fma_f32(-n, AS_EXP_LN2_HI, x);
    r = fma_f32(-n, AS_EXP_LN2_LO, r);
    float q = fma_f32(AS_EXP_C6, r, AS_EXP_C5);
    q = fma_f32(q, r, AS_EXP_C4);
    q = fma_f32(q, r, AS_EXP_C3);
    q = fma_f32(q, r, AS_EXP_C2);
    float p = fma_f32(q, r * r, r) + 1.0f;
    // The low 9 bits of t's pattern are n modulo 512, so the shift leaves n in the exponent.
    float y = bits_float(float_bits(p) + (float_bits(t) << 23));
    y = x < AS_EXP_LOW ? 0.0f : y;
    y = x > AS_EXP_HIGH ? HUGE_VALF : y;
    return x == x ? y : x;
}

// C1 and C3 of gelu_mul.
#define AS_GELU_C1 (-0x1.988454p+0f)
#define AS_GELU_C3 (-0x1.2444f2p-4f)

// GELU, x Phi(x), as max(x, 0) - s Q(s) with s = |x| and Q the upper tail of the normal
// distribution: no difference of like numbers on either side. Q(s) = exp(-s^2/2) R(u), u = 1 / (1 +
// s/4), R a polynomial fitted to 1.4e-8 of itself up to s = 14, beyond which exp is 0 in float.
#define AS_TAIL_LIMIT 16.0f
#define AS_TAIL_C0 (-0x1.6a6348p-16f)
#define AS_TAIL_C1 0x1.9a89b8p-4f
#define AS_TAIL_C2 0x1.846242p-4f
#define AS_TAIL_C3 0x1.f1f124p-4f
#define AS_TAIL_C4 (-0x1.4df7f6p-6f)
#define AS_TAIL_C5 0x1.37cb4ap-2f
#define AS_TAIL_C6 (-0x1.5578d0p-2f)
#define AS_TAIL_C7 0x1.947b24p-2f
#define AS_TAIL_C8 (-0x1.91c550p-3f)
#define AS_TAIL_C9 0x1.16175cp-5f

static inline float gelu_erf_f32(float x) {
    float size = bits_float(float_bits(x) & 0x7fffffffu);
    float s = size < AS_TAIL_LIMIT ? size : AS_TAIL_LIMIT, negated = -s;
    float u = 1.0f / fma_f32(s, 0.25f, 1.0f);
    float r = fma_f32(AS_TAIL_C9, u, AS_TAIL_C8);
    r = fma_f32(r, u, AS_TAIL_C7);
    r = fma_f32(r, u, AS_TAIL_C6);
    r = fma_f32(r, u, AS_TAIL_C5);
    r = fma_f32(r, u, AS_TAIL_C4);
    r = fma_f32(r, u, AS_TAIL_C3);
    r = fma_f32(r, u, AS_TAIL_C2);
    r = fma_f32(r, u, AS_TAIL_C1);
    r = fma_f32(r, u, AS_TAIL_C0);
    float tail = exp_f32(negated * 0.5f * s) * r;
    return fma_f32(negated, tail, 0.0f > x ? 0.0f : x); // a NaN stays one
}

// Near 0 an odd minimax polynomial (its own error is 0.08 ulp), since 1 - 2 / (exp(2x) + 1) cancels
// there.
#define AS_TANH_SMALL 0.625f
#define AS_TANH_C3 (-0x1.555532p-2f)
#define AS_TANH_C5 0x1.110726p-3f
#define AS_TANH_C7 (-0x1.b83c5ap-5f)
#define AS_TANH_C9 0x1.52269cp-6f
#define AS_TANH_C11 (-0x1.75e1ccp-8f)

static inline float tanh_f32(float x) {
    float size = bits_float(float_bits(x) & 0x7fffffffu);
    float z = x * x;
    float q = fma_f32(AS_TANH_C11, z, AS_TANH_C9);
    q = fma_f32(q, z, AS_TANH_C7);
    q = fma_f32(q, z, AS_TANH_C5);
    q = fma_f32(q, z, AS_TANH_C3);
    float small = fma_f32(x * z, q, x);
    float large = 1.0f - 2.0f / (exp_f32(size + size) + 1.0f);
    large = bits_float(float_bits(large) | (float_bits(x) & 0x80000000u));
    return size < AS_TANH_SMALL ? small : large;
}

// Exact: a half's exponent and fraction moved into place are the value times 2^-112, denormals
// included; infinities and NaNs get the full exponent, and signalling NaNs turn quiet as the
// hardware conversions make them.
static inline float half_to_float(uint16_t half) {
    uint32_t magnitude = ((uint32_t)half & 0x7fffu) << 13;
    uint32_t bits = float_bits(bits_float(magnitude) * 0x1p112f);
    uint32_t special = magnitude | 0x7f800000u | (magnitude > 0x0f800000u ? 0x00400000u : 0u);
    bits = magnitude >= 0x0f800000u ? special : bits;
    return bits_float(bits | ((uint32_t)half & 0x8000u) << 16);
}

#endif
