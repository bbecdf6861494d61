// SPDX-License-Identifier: Apache-2.0
// encode.c - floats into the blocks of a file: those of 32 codes from a range, those of 16 bits,
// and the way to the rest.
#include "kernels/encode.h"

// 1 / d, or 0 where there is none.
static float inverse(float d) {
    float id = 1.0f / d;
    return d != 0.0f && id - id == 0.0f ? id : 0.0f;
}

// x cut to a whole number of 0..max; NaN is 0.
static uint8_t clip(float x, int max) {
    if (!(x > 0.0f)) return 0;
    return (uint8_t)(x < (float)max ? (int)x : max);
}

// Halves away from zero, as roundf. |x| < 2^22.
static int round_away(float x) {
    float a = magnitude(x), whole = (float)(int)a;
    int n = (int)whole + (int)(2.0f * (a - whole));
    return x < 0.0f ? -n : n;
}

static bool encode_q8_0(const float *x, unsigned char *out) {
    float d = magnitude(extreme(x, AS_QBLOCK)) / 127.0f, id = inverse(d);
    uint16_t half = as_float_to_half(d);
    put_u16(out, half);
    for (size_t i = 0; i < AS_QBLOCK; i++)
        out[2 + i] = (unsigned char)(round_away(x[i] * id) & 255);
    return is_finite_half(half);
}

// Nibbles of codes, and their fifth bits before them in Q5_0 and Q5_1.
static void put_codes(wfacts facts, const uint8_t *codes, unsigned char *out) {
    if (facts.high) {
        memset(out, 0, 4);
        for (size_t i = 0; i < AS_QBLOCK; i++)
            out[i / 8] |= (unsigned char)((codes[i] >> 4) << i % 8);
        out += 4;
    }
    for (size_t i = 0; i < 16; i++)
        out[i] = (unsigned char)((codes[i] & 15) | (codes[16 + i] & 15) << 4);
}

// Q4_0 and Q5_0: the value of the largest magnitude becomes code 0.
static bool encode_symmetric(wfacts facts, const float *x, unsigned char *out) {
    uint8_t codes[AS_QBLOCK];
    float zero = (float)facts.zero, d = extreme(x, AS_QBLOCK) / -zero, id = inverse(d);
    uint16_t half = as_float_to_half(d);
    for (size_t i = 0; i < AS_QBLOCK; i++)
        codes[i] = clip(x[i] * id + (zero + 0.5f), 2 * facts.zero - 1);
    put_u16(out, half);
    put_codes(facts, codes, out + 2);
    return is_finite_half(half);
}

// Q4_1 and Q5_1: from the least value to the largest.
static bool encode_offset(wfacts facts, const float *x, unsigned char *out) {
    uint8_t codes[AS_QBLOCK];
    int top = (1 << (facts.low + facts.high)) - 1;
    float min = x[0], max = x[0];
    for (size_t i = 1; i < AS_QBLOCK; i++) {
        min = x[i] < min ? x[i] : min;
        max = x[i] > max ? x[i] : max;
    }
    float d = (max - min) / (float)top, id = inverse(d);
    uint16_t half = as_float_to_half(d), low = as_float_to_half(min);
    for (size_t i = 0; i < AS_QBLOCK; i++) codes[i] = clip((x[i] - min) * id + 0.5f, top);
    put_u16(out, half);
    put_u16(out + 2, low);
    put_codes(facts, codes, out + 4);
    return is_finite_half(half) && is_finite_half(low);
}

static bool encode_block(as_wtype type, const float *x, unsigned char *out) {
    wfacts facts = wfacts_of(type);
    if (type != AS_W_MXFP4 && magnitude(extreme(x, facts.block)) > AS_ENCODE_HUGE) return false;
    if (facts.table) return as_encode_table(type, x, out);
    if (facts.block == SUPER) return as_encode_k(type, x, out);
    if (facts.mins) return encode_offset(facts, x, out);
    return facts.low == 8 ? encode_q8_0(x, out) : encode_symmetric(facts, x, out);
}

// To nearest even; the values are finite.
static bool encode_16_bits(as_wtype type, float x, unsigned char *out) {
    uint32_t bits = float_bits(x);
    uint16_t value = as_float_to_half(x);
    if (type == AS_W_BF16) value = (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
    put_u16(out, value);
    return type == AS_W_BF16 ? (value & 0x7f80u) != 0x7f80u : is_finite_half(value);
}

bool as_wtype_encode(as_wtype type, const float *x, size_t n, void *out) {
    unsigned char *to = out;
    wfacts facts = wfacts_of(type);
    bool fits = true;
    for (size_t i = 0; fits && i < n; i++) fits = x[i] - x[i] == 0.0f;
    if (type == AS_W_F32) {
        memcpy(out, x, n * sizeof *x);
        return fits;
    }
    for (size_t i = 0; fits && i < n; i += facts.block, to += facts.size)
        fits = facts.group ? encode_block(type, x + i, to) : encode_16_bits(type, x[i], to);
    return fits;
}
