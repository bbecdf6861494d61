// SPDX-License-Identifier: Apache-2.0
// coded.c - blocks of 256 weights (NVFP4: 64) that no kernel computes with.
//
// An IQ block has eight parts of 32 weights. A part is four runs of eight: an entry of a codebook
// (grids.h), or two of half the length, times signs and a small odd scale.
#include "kernels/coded.h"

#include "kernels/encode.h"
#include "kernels/grids.h"

enum { PARTS = SUPER / 32, RUNS = 4, RUN = 8 };

static const int8_t values_2[4] = {8, 25, 43, 0};
static const int8_t values_3xxs[8] = {4, 12, 20, 28, 36, 44, 52, 62};
static const int8_t values_1[4] = {-1, 0, 1, 0};

static uint16_t u16_at(const unsigned char *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t u32_at(const unsigned char *p) {
    return (uint32_t)u16_at(p) | (uint32_t)u16_at(p + 2) << 16;
}

// Seven signs are written; the eighth makes their number even.
static unsigned even_signs(unsigned seven) {
    unsigned odd = seven ^ seven >> 4;
    odd ^= odd >> 2;
    odd ^= odd >> 1;
    return seven | (odd & 1) << 7;
}

// Eight weights of one entry; of two entries of four.
static void put_run(float scale, unsigned entry, const int8_t *values, unsigned signs, float *x) {
    for (size_t i = 0; i < RUN; i++) {
        float v = scale * (float)values[entry >> 2 * i & 3];
        x[i] = signs >> i & 1 ? -v : v;
    }
}

static void put_halves(float scale, unsigned first, unsigned second, const int8_t *values,
                       unsigned signs, float *x) {
    for (size_t i = 0; i < RUN; i++) {
        unsigned entry = i < 4 ? first : second;
        float v = scale * (float)values[entry >> 3 * (i % 4) & 7];
        x[i] = signs >> i & 1 ? -v : v;
    }
}

// d; then for each part four bytes of entries and 32 bits: four times seven signs, a scale.
static void decode_iq2_xxs(const unsigned char *from, float *x) {
    float d = half_to_float(u16_at(from));
    for (size_t p = 0; p < PARTS; p++) {
        const unsigned char *part = from + 2 + 8 * p;
        uint32_t rest = u32_at(part + 4);
        float scale = d * (0.5f + (float)(rest >> 28)) * 0.25f;
        for (size_t r = 0; r < RUNS; r++, x += RUN)
            put_run(scale, grid_iq2_xxs[part[r]], values_2, even_signs(rest >> 7 * r & 127), x);
    }
}

// d; 32 words of nine bits of entry and seven signs; eight bytes of two scales each.
static void decode_iq2_xs(const unsigned char *from, float *x) {
    float d = half_to_float(u16_at(from));
    for (size_t i = 0; i < PARTS * RUNS; i++, x += RUN) {
        unsigned word = u16_at(from + 2 + 2 * i);
        int code = from[66 + i / RUNS] >> i % RUNS / 2 * 4 & 15;
        put_run(d * (0.5f + (float)code) * 0.25f, grid_iq2_xs[word & 511], values_2,
                even_signs(word >> 9), x);
    }
}

// d; 32 bytes of entries, 32 of signs, eight of the entries' upper pairs, eight of two scales each.
static void decode_iq2_s(const unsigned char *from, float *x) {
    float d = half_to_float(u16_at(from));
    for (size_t i = 0; i < PARTS * RUNS; i++, x += RUN) {
        unsigned high = (unsigned)from[66 + i / RUNS] >> i % RUNS * 2 & 3;
        int code = from[74 + i / RUNS] >> i % RUNS / 2 * 4 & 15;
        put_run(d * (0.5f + (float)code) * 0.25f, grid_iq2_s[from[2 + i] | high << 8], values_2,
                from[34 + i], x);
    }
}

// d; 64 bytes of entries; for each part 32 bits: four times seven signs, a scale.
static void decode_iq3_xxs(const unsigned char *from, float *x) {
    float d = half_to_float(u16_at(from));
    for (size_t p = 0; p < PARTS; p++) {
        const unsigned char *entries = from + 2 + 8 * p;
        uint32_t rest = u32_at(from + 66 + 4 * p);
        float scale = d * (0.5f + (float)(rest >> 28)) * 0.5f;
        for (size_t r = 0; r < RUNS; r++, x += RUN)
            put_halves(scale, grid_iq3_xxs[entries[2 * r]], grid_iq3_xxs[entries[2 * r + 1]],
                       values_3xxs, even_signs(rest >> 7 * r & 127), x);
    }
}

// d; 64 bytes of entries, eight of their ninth bits, 32 of signs, four of two parts' scales each.
// Odd weights of -15..15, times odd scales of 1..31.
static uint16_t take_iq3_s(const unsigned char *from, int8_t *v, int8_t *scales) {
    for (size_t i = 0; i < PARTS * RUNS; i++, v += RUN) {
        size_t p = i / RUNS, r = i % RUNS;
        const unsigned char *entries = from + 2 + 2 * i;
        unsigned ninth = (unsigned)from[66 + p] >> 2 * r, signs = from[74 + i];
        unsigned first = grid_iq3_s[entries[0] | (ninth & 1) << 8];
        unsigned second = grid_iq3_s[entries[1] | (ninth >> 1 & 1) << 8];
        for (size_t k = 0; k < RUN; k++) {
            int value = 2 * (int)((k < 4 ? first : second) >> 3 * (k % 4) & 7) + 1;
            v[k] = (int8_t)(signs >> k & 1 ? -value : value);
        }
        scales[p] = (int8_t)(1 + 2 * (from[106 + p / 2] >> p % 2 * 4 & 15));
    }
    return u16_at(from);
}

static void decode_iq3_s(const unsigned char *from, float *x) {
    int8_t v[SUPER], scales[PARTS];
    float d = half_to_float(take_iq3_s(from, v, scales));
    for (size_t i = 0; i < SUPER; i++) x[i] = d * (float)scales[i / 32] * (float)v[i];
}

static void recode_iq3_s(const unsigned char *from, unsigned char *out) {
    int8_t v[SUPER], scales[PARTS], twice[GROUPS];
    uint8_t codes[SUPER];
    uint16_t d = take_iq3_s(from, v, scales);
    for (size_t i = 0; i < SUPER; i++) codes[i] = (uint8_t)(v[i] + 32);
    for (size_t g = 0; g < GROUPS; g++) twice[g] = scales[g / 2];
    as_encode_q6_k(codes, twice, d, out);
}

// Eight weights of three values, all moved by an eighth up or down.
static void put_moved(float scale, unsigned entry, bool down, float *x) {
    for (size_t i = 0; i < RUN; i++)
        x[i] = scale * ((float)values_1[entry >> 2 * i & 3] + (down ? -0.125f : 0.125f));
}

// d; 32 bytes of entries; for each part 16 bits: four times three upper bits, a scale, down or up.
static void decode_iq1_s(const unsigned char *from, float *x) {
    float d = half_to_float(u16_at(from));
    for (size_t i = 0; i < PARTS * RUNS; i++, x += RUN) {
        unsigned word = u16_at(from + 34 + 2 * (i / RUNS)), high = word >> 3 * (i % RUNS) & 7;
        put_moved(d * (float)(2 * (word >> 12 & 7) + 1), grid_iq1[from[2 + i] | high << 8],
                  word >> 15, x);
    }
}

// 32 bytes of entries, 16 of two upper threes and directions each, four words of four scales each
// whose upper fours are d.
static void decode_iq1_m(const unsigned char *from, float *x) {
    const unsigned char *scales = from + 48;
    unsigned bits = 0;
    for (size_t i = 0; i < 4; i++) bits |= (unsigned)(scales[2 * i + 1] >> 4) << 4 * i;
    float d = half_to_float((uint16_t)bits);
    for (size_t i = 0; i < PARTS * RUNS; i++, x += RUN) {
        unsigned high = (unsigned)from[32 + i / 2] >> i % 2 * 4;
        unsigned word = u16_at(scales + i / 8 * 2), code = word >> i % 8 / 2 * 3 & 7;
        put_moved(d * (float)(2 * code + 1), grid_iq1[from[i] | (high & 7) << 8], high >> 3 & 1, x);
    }
}

// Digits -1, 0 and 1. A byte is five of base 3 as a fraction of 256, rounded up, the first one
// highest: times 3^k, its next digit is what passes 256. Runs go over the bytes.
static void take_thirds(const unsigned char *from, size_t bytes, size_t digits, int8_t *v) {
    unsigned power = 1;
    for (size_t k = 0; k < digits; k++, power *= 3)
        for (size_t i = 0; i < bytes; i++)
            v[k * bytes + i] = (int8_t)((int)((from[i] * power & 255) * 3 >> 8) - 1);
}

static uint16_t take_tq1_0(const unsigned char *from, int8_t *v) {
    take_thirds(from, 32, 5, v);
    take_thirds(from + 32, 16, 5, v + 160);
    take_thirds(from + 48, 4, 4, v + 240);
    return u16_at(from + 52);
}

static uint16_t take_tq2_0(const unsigned char *from, int8_t *v) {
    for (size_t i = 0; i < SUPER; i++)
        v[i] = (int8_t)((from[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3) - 1);
    return u16_at(from + 64);
}

static uint16_t take_thirds_of(as_coded type, const unsigned char *from, int8_t *v) {
    return type == AS_CODED_TQ1_0 ? take_tq1_0(from, v) : take_tq2_0(from, v);
}

static void decode_tq(as_coded type, const unsigned char *from, float *x) {
    int8_t v[SUPER];
    float d = half_to_float(take_thirds_of(type, from, v));
    for (size_t i = 0; i < SUPER; i++) x[i] = (float)v[i] * d;
}

// Eight blocks of Q4_0 that share d.
static void recode_tq(as_coded type, const unsigned char *from, unsigned char *out) {
    enum { ZERO = 8 };
    int8_t v[SUPER];
    uint16_t d = take_thirds_of(type, from, v);
    for (size_t b = 0; b < SUPER; b += AS_QBLOCK, out += 18) {
        put_u16(out, d);
        for (size_t i = 0; i < 16; i++)
            out[2 + i] = (unsigned char)((v[b + i] + ZERO) | (v[b + 16 + i] + ZERO) << 4);
    }
}

// Half of an unsigned float of four bits of exponent and three of mantissa; the table of MXFP4 has
// doubled values. The largest code is no number and stands for 0.
static float half_e4m3(unsigned char code) {
    int exponent = code >> 3 & 15, mantissa = code & 7;
    if (code == 0x7f) return 0.0f;
    if (!exponent) return (float)mantissa * 0x1p-10f;
    return (float)(8 + mantissa) * bits_float((uint32_t)(exponent - 11 + 127) << 23);
}

// Four scales, then four times 16 nibbles.
static void decode_nvfp4(const unsigned char *from, float *x) {
    const int8_t *table = table_of(AS_W_MXFP4);
    for (size_t i = 0; i < 64; i++) {
        unsigned char both = from[4 + i / 16 * 8 + i % 8];
        x[i] = half_e4m3(from[i / 16]) * (float)table[i % 16 < 8 ? both & 15 : both >> 4];
    }
}

static void decode_block(as_coded type, const unsigned char *from, float *x) {
    switch (type) {
    case AS_CODED_IQ1_S:
        decode_iq1_s(from, x);
        break;
    case AS_CODED_IQ1_M:
        decode_iq1_m(from, x);
        break;
    case AS_CODED_IQ2_XXS:
        decode_iq2_xxs(from, x);
        break;
    case AS_CODED_IQ2_XS:
        decode_iq2_xs(from, x);
        break;
    case AS_CODED_IQ2_S:
        decode_iq2_s(from, x);
        break;
    case AS_CODED_IQ3_XXS:
        decode_iq3_xxs(from, x);
        break;
    case AS_CODED_IQ3_S:
        decode_iq3_s(from, x);
        break;
    case AS_CODED_TQ1_0:
    case AS_CODED_TQ2_0:
        decode_tq(type, from, x);
        break;
    case AS_CODED_NVFP4:
        decode_nvfp4(from, x);
        break;
    }
}

size_t as_coded_block(as_coded type) {
    return type == AS_CODED_NVFP4 ? 64 : SUPER;
}

size_t as_coded_size(as_coded type) {
    static const uint8_t sizes[AS_CODED_TYPES] = {
        [AS_CODED_IQ1_S] = 50,  [AS_CODED_IQ1_M] = 56, [AS_CODED_IQ2_XXS] = 66,
        [AS_CODED_IQ2_XS] = 74, [AS_CODED_IQ2_S] = 82, [AS_CODED_IQ3_XXS] = 98,
        [AS_CODED_IQ3_S] = 110, [AS_CODED_TQ1_0] = 54, [AS_CODED_TQ2_0] = 66,
        [AS_CODED_NVFP4] = 36};
    return sizes[type];
}

as_wtype as_coded_held(as_coded type) {
    if (type == AS_CODED_NVFP4) return AS_W_F16;
    if (type == AS_CODED_IQ3_S) return AS_W_Q6_K;
    return type == AS_CODED_TQ1_0 || type == AS_CODED_TQ2_0 ? AS_W_Q4_0 : AS_W_F32;
}

void as_coded_decode(as_coded type, const void *src, size_t n, float *x) {
    const unsigned char *from = src;
    size_t block = as_coded_block(type);
    for (size_t i = 0; i < n; i += block, from += as_coded_size(type))
        decode_block(type, from, x + i);
}

void as_coded_recode(as_coded type, const void *src, size_t n, void *out) {
    const unsigned char *from = src;
    unsigned char *to = out;
    as_wtype held = as_coded_held(type);
    size_t block = as_coded_block(type);
    for (size_t i = 0; i < n; i += block, from += as_coded_size(type)) {
        float x[SUPER];
        if (held == AS_W_Q4_0) {
            recode_tq(type, from, to);
        } else if (held == AS_W_Q6_K) {
            recode_iq3_s(from, to);
        } else {
            decode_block(type, from, x);
            for (size_t k = 0; k < block; k++) {
                if (held == AS_W_F32)
                    memcpy(to + 4 * k, &x[k], sizeof x[k]);
                else
                    put_u16(to + 2 * k, as_float_to_half(x[k]));
            }
        }
        to += as_wtype_size(held, block);
    }
}
