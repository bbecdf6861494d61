// SPDX-License-Identifier: Apache-2.0
// encode_table.c - floats into the types whose 16 codes stand for the values of a table.
#include "kernels/encode.h"

enum { CODES = 16, HALF = 16 };

// --- IQ4: a float scale --------------------------------------------------------------------

// The code whose value is nearest to x; of two equally near ones, that of the larger value. The
// table ascends.
static uint8_t iq4_code(const int8_t *table, float x) {
    uint8_t above = 1;
    while (above < CODES - 1 && x >= (float)table[above]) above++;
    return x - (float)table[above - 1] < (float)table[above] - x ? (uint8_t)(above - 1) : above;
}

// The scale that fits 32 values best where errors count by the values' squares: of 16, around the
// one that brings the value of the largest magnitude to an end of the table.
static float iq4_fit(const int8_t *table, const float *x) {
    enum { STEPS = 7 };
    float top = extreme(x, AS_QBLOCK), scale = 0.0f, best = 0.0f;
    if (magnitude(top) < AS_ENCODE_TINY) return 0.0f;
    for (int t = -STEPS - 1; t <= STEPS; t++) {
        bool first = t < -STEPS;
        float inverse = ((float)t + (float)table[0]) / top, xc = 0.0f, cc = 0.0f;
        if (first) inverse = 1.0f / (-top / (float)table[0]);
        for (size_t i = 0; i < AS_QBLOCK; i++) {
            float w = x[i] * x[i], value = (float)table[iq4_code(table, inverse * x[i])];
            xc += w * value * x[i];
            cc += w * value * value;
        }
        if (first ? !(cc > 0.0f) : !(cc > 0.0f && xc * xc > best * cc)) continue;
        scale = xc / cc;
        best = scale * xc;
    }
    return scale;
}

static void put_codes(const int8_t *table, const float *x, float scale, unsigned char *out) {
    float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
    for (size_t i = 0; i < HALF; i++)
        out[i] = (unsigned char)(iq4_code(table, inverse * x[i]) |
                                 iq4_code(table, inverse * x[HALF + i]) << 4);
}

static bool encode_iq4_nl(const float *x, unsigned char *out) {
    const int8_t *table = table_of(AS_W_IQ4_NL);
    float scale = iq4_fit(table, x);
    uint16_t half = as_float_to_half(scale);
    put_u16(out, half);
    put_codes(table, x, scale, out + 2);
    return is_finite_half(half);
}

// The groups' scales as read_iq4_xs takes them apart.
static bool encode_iq4_xs(const float *x, unsigned char *out) {
    enum { COUNT = SUPER / AS_QBLOCK, ZERO = 32 };
    const int8_t *table = table_of(AS_W_IQ4_XS);
    float scales[COUNT];
    for (size_t g = 0; g < COUNT; g++) scales[g] = iq4_fit(table, x + AS_QBLOCK * g);
    float d = -extreme(scales, COUNT) / (float)ZERO, inverse = d != 0.0f ? 1.0f / d : 0.0f;
    uint16_t half = as_float_to_half(d);
    unsigned high = 0;
    memset(out + 4, 0, COUNT / 2);
    for (size_t g = 0; g < COUNT; g++) {
        int code = between(-ZERO, nearest(inverse * scales[g]), ZERO - 1);
        put_codes(table, x + AS_QBLOCK * g, d * (float)code, out + 8 + HALF * g);
        code += ZERO;
        out[4 + g / 2] |= (unsigned char)((code & 15) << g % 2 * 4);
        high |= (unsigned)(code >> 4) << 2 * g;
    }
    put_u16(out, half);
    put_u16(out + 2, (uint16_t)high);
    return is_finite_half(half);
}

// --- MXFP4: a power of two -----------------------------------------------------------------

// The exponent under which the largest magnitude is in 4..8, twice the table's half values. It is
// the whole part of the base-2 logarithm *rounded to float*: a magnitude just below a power of two
// counts as that power, and its code is then the largest.
static unsigned char mxfp4_exponent(float top) {
    if (!(top > 0.0f)) return 0;
    float power = (float)(as_log_f64((double)top) * 0x1.71547652b82fep0);
    int whole = (int)power;
    whole -= (float)whole > power;
    return (unsigned char)between(0, whole + 125, 254);
}

// The first code whose value is nearest to x, so 0 before -0.
static uint8_t mxfp4_code(float scale, float x) {
    const int8_t *table = table_of(AS_W_MXFP4);
    uint8_t best = 0;
    for (uint8_t i = 1; i < CODES; i++)
        if (magnitude((float)table[i] * scale - x) < magnitude((float)table[best] * scale - x))
            best = i;
    return best;
}

static bool encode_mxfp4(const float *x, unsigned char *out) {
    unsigned char exponent = mxfp4_exponent(magnitude(extreme(x, AS_QBLOCK)));
    // The table holds doubled values.
    float scale = bits_float(exponent < 2 ? 0x200000u << exponent : (exponent - 1u) << 23);
    out[0] = exponent;
    for (size_t i = 0; i < HALF; i++)
        out[1 + i] = (unsigned char)(mxfp4_code(scale, x[i]) | mxfp4_code(scale, x[HALF + i]) << 4);
    return true;
}

bool as_encode_table(as_wtype type, const float *x, unsigned char *out) {
    switch (type) {
    case AS_W_IQ4_NL:
        return encode_iq4_nl(x, out);
    case AS_W_IQ4_XS:
        return encode_iq4_xs(x, out);
    default:
        return encode_mxfp4(x, out);
    }
}
