// SPDX-License-Identifier: Apache-2.0
// encode.c - floats into the blocks of a file.
//
// The 32-blocks follow the reference quantizers of the format operation by operation, so that their
// bytes are the same. The K-quants have no canonical bytes: here each group's scale (and minimum)
// is the least-squares fit of the best of several roundings.
#include "kernels/blocks.h"

static void put_u16(unsigned char *at, uint16_t value) {
    at[0] = (unsigned char)(value & 0xff);
    at[1] = (unsigned char)(value >> 8);
}

static bool is_finite_half(uint16_t half) {
    return (half & 0x7c00u) != 0x7c00u;
}

static float magnitude(float x) {
    return x < 0.0f ? -x : x;
}

// 1 / d, or 0 where there is none.
static float inverse(float d) {
    float id = 1.0f / d;
    return d != 0.0f && id - id == 0.0f ? id : 0.0f;
}

// The first value of the largest magnitude.
static float extreme(const float *x, size_t n) {
    float best = 0.0f;
    for (size_t i = 0; i < n; i++) best = magnitude(x[i]) > magnitude(best) ? x[i] : best;
    return best;
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

// --- K-quants ------------------------------------------------------------------------------

enum { TRIES = 24 }; // scales tried for a group

// The scale and the minimum (weight = s * code - m, m >= 0) that fit n values best in codes of
// 0..top. The tried scales reach from one that uses all codes to one that clips the extremes.
static void fit_offset(const float *x, size_t n, int top, float *scale, float *min) {
    float low = 0.0f, high = x[0];
    for (size_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    *scale = 0.0f;
    *min = -low;
    if (high <= low) return;
    double best = -1.0;
    for (int t = 0; t < TRIES; t++) {
        float id = ((float)top - 0.9f + 0.1f * (float)t) / (high - low);
        double c1 = 0.0, c2 = 0.0, xc = 0.0, x1 = 0.0, count = (double)n;
        for (size_t i = 0; i < n; i++) {
            double code = (double)clip((x[i] - low) * id + 0.5f, top), value = (double)x[i];
            c1 += code, c2 += code * code, xc += value * code, x1 += value;
        }
        double determinant = count * c2 - c1 * c1;
        if (!(determinant > 0.0)) continue;
        double s = (count * xc - c1 * x1) / determinant, m = -(x1 - s * c1) / count;
        if (m < 0.0) {
            m = 0.0;
            s = xc / c2;
        }
        double error = 0.0;
        for (size_t i = 0; i < n; i++) {
            double code = s > 0.0 ? (double)clip((float)(((double)x[i] + m) / s + 0.5), top) : 0.0;
            double off = s * code - m - (double)x[i];
            error += off * off;
        }
        if (s <= 0.0 || (best >= 0.0 && error >= best)) continue;
        best = error;
        *scale = (float)s;
        *min = (float)m;
    }
}

// The scale that fits n values best in codes of -32..31.
static float fit_symmetric(const float *x, size_t n) {
    float top = extreme(x, n), scale = 0.0f;
    double best = -1.0;
    for (int t = 0; t < TRIES && top != 0.0f; t++) {
        float id = inverse(top) * -(30.8f + 0.1f * (float)t);
        double c2 = 0.0, xc = 0.0;
        for (size_t i = 0; i < n; i++) {
            double code = (double)clip(x[i] * id + 32.5f, 63) - 32.0;
            c2 += code * code, xc += (double)x[i] * code;
        }
        // The error of the fit is the sum of x^2 less this.
        double gain = c2 > 0.0 ? xc * xc / c2 : 0.0;
        if (gain <= best) continue;
        best = gain;
        scale = c2 > 0.0 ? (float)(xc / c2) : 0.0f;
    }
    return scale;
}

// 6-bit scales and mins as read_q4_k takes them apart.
static void put_scales(const uint8_t *scales, const uint8_t *mins, unsigned char *out) {
    for (size_t g = 0; g < 4; g++) {
        out[g] = (unsigned char)(scales[g] | scales[4 + g] >> 4 << 6);
        out[4 + g] = (unsigned char)(mins[g] | mins[4 + g] >> 4 << 6);
        out[8 + g] = (unsigned char)((scales[4 + g] & 15) | (mins[4 + g] & 15) << 4);
    }
}

// Q4_K and Q5_K.
static bool encode_k_offset(as_wtype type, const float *x, unsigned char *out) {
    enum { COUNT = SUPER / 32, TOP = 63 };
    wfacts facts = wfacts_of(type);
    int top = (1 << (facts.low + facts.high)) - 1;
    float s[COUNT], m[COUNT];
    uint8_t scales[COUNT], mins[COUNT], codes[SUPER];
    for (size_t g = 0; g < COUNT; g++) fit_offset(x + 32 * g, 32, top, &s[g], &m[g]);
    float d = extreme(s, COUNT) / TOP, dm = extreme(m, COUNT) / TOP;
    uint16_t half = as_float_to_half(d), half_m = as_float_to_half(dm);
    for (size_t g = 0; g < COUNT; g++) {
        scales[g] = clip(s[g] * inverse(d) + 0.5f, TOP);
        mins[g] = clip(m[g] * inverse(dm) + 0.5f, TOP);
        float id = inverse(half_to_float(half) * (float)scales[g]);
        float min = half_to_float(half_m) * (float)mins[g];
        for (size_t i = 32 * g; i < 32 * g + 32; i++)
            codes[i] = id == 0.0f ? 0 : clip((x[i] + min) * id + 0.5f, top);
    }
    put_u16(out, half);
    put_u16(out + 2, half_m);
    put_scales(scales, mins, out + 4);
    out += 16;
    if (facts.high) {
        memset(out, 0, 32);
        for (size_t i = 0; i < SUPER; i++)
            out[i % 32] |= (unsigned char)((codes[i] >> 4) << i / 32);
        out += 32;
    }
    for (size_t i = 0; i < SUPER / 2; i++) {
        const uint8_t *pair = codes + i / 32 * 64 + i % 32;
        out[i] = (unsigned char)((pair[0] & 15) | (pair[32] & 15) << 4);
    }
    return is_finite_half(half) && is_finite_half(half_m);
}

static bool encode_q6_k(const float *x, unsigned char *out) {
    enum { COUNT = SUPER / 16 };
    float s[COUNT];
    uint8_t codes[SUPER];
    for (size_t g = 0; g < COUNT; g++) s[g] = fit_symmetric(x + 16 * g, 16);
    float d = extreme(s, COUNT) / -128.0f;
    uint16_t half = as_float_to_half(d);
    memset(out, 0, 192);
    for (size_t g = 0; g < COUNT; g++) {
        int scale = round_away(s[g] * inverse(d));
        scale = scale > 127 ? 127 : scale;
        out[192 + g] = (unsigned char)(scale & 255);
        float id = inverse(half_to_float(half) * (float)scale);
        for (size_t i = 16 * g; i < 16 * g + 16; i++)
            codes[i] = id == 0.0f ? 32 : clip(x[i] * id + 32.5f, 63);
    }
    for (size_t i = 0; i < SUPER; i++) {
        size_t in = i % 128, base = i / 128;
        out[base * 64 + in % 64] |= (unsigned char)((codes[i] & 15) << in / 64 * 4);
        out[128 + base * 32 + in % 32] |= (unsigned char)((codes[i] >> 4) << in / 32 * 2);
    }
    put_u16(out + 208, half);
    return is_finite_half(half);
}

static bool encode_block(as_wtype type, const float *x, unsigned char *out) {
    switch (type) {
    case AS_W_Q8_0:
        return encode_q8_0(x, out);
    case AS_W_Q4_0:
    case AS_W_Q5_0:
        return encode_symmetric(wfacts_of(type), x, out);
    case AS_W_Q4_1:
    case AS_W_Q5_1:
        return encode_offset(wfacts_of(type), x, out);
    case AS_W_Q4_K:
    case AS_W_Q5_K:
        return encode_k_offset(type, x, out);
    case AS_W_Q6_K:
        return encode_q6_k(x, out);
    default:
        return false;
    }
}

// To nearest even; the values are finite.
static bool encode_16_bits(as_wtype type, float x, unsigned char *out) {
    uint32_t bits = float_bits(x);
    uint16_t value = as_float_to_half(x);
    if (type == AS_W_BF16) value = (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
    put_u16(out, value);
    return type == AS_W_BF16 ? (value & 0x7f80u) != 0x7f80u : is_finite_half(value);
}

bool as_wtype_encodes(as_wtype type) {
    switch (type) {
    case AS_W_Q2_K:
    case AS_W_Q3_K:
    case AS_W_IQ4_NL:
    case AS_W_IQ4_XS:
    case AS_W_MXFP4:
        return false;
    default:
        return true;
    }
}

bool as_wtype_encode(as_wtype type, const float *x, size_t n, void *out) {
    unsigned char *to = out;
    wfacts facts = wfacts_of(type);
    bool fits = as_wtype_encodes(type);
    for (size_t i = 0; fits && i < n; i++) fits = x[i] - x[i] == 0.0f;
    if (type == AS_W_F32) {
        memcpy(out, x, n * sizeof *x);
        return fits;
    }
    for (size_t i = 0; fits && i < n; i += facts.block, to += facts.size)
        fits = facts.group ? encode_block(type, x + i, to) : encode_16_bits(type, x[i], to);
    return fits;
}
