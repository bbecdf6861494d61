// SPDX-License-Identifier: Apache-2.0
// blocks.c - the blocks of a file, taken apart.
//
// Layouts of the GGUF tensor types, all little endian. "halves" below are IEEE half floats.
#include "kernels/blocks.h"

static uint16_t u16_at(const unsigned char *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}

// 16 bytes are 32 codes of 4 bits: the low halves first, then the high halves.
static void take_nibbles(const unsigned char *from, size_t bytes, uint8_t *codes) {
    for (size_t i = 0; i < bytes; i++) {
        codes[i] = from[i] & 15;
        codes[bytes + i] = from[i] >> 4;
    }
}

// d, then 32 nibbles (Q4_0, IQ4_NL); with m after d in Q4_1; before the nibbles 32 fifth bits in
// Q5_0 and Q5_1. In MXFP4 an exponent stands for d.
static void read_32(as_wtype type, const unsigned char *from, wblock *out) {
    wfacts facts = wfacts_of(type);
    from += type == AS_W_MXFP4 ? 1 : facts.mins ? 4 : 2;
    take_nibbles(from + (facts.high ? 4 : 0), 16, out->codes);
    for (size_t i = 0; facts.high && i < AS_QBLOCK; i++)
        out->codes[i] |= (uint8_t)((from[i / 8] >> i % 8 & 1) << 4);
}

// d, then 32 signed bytes.
static void read_q8_0(const unsigned char *from, wblock *out) {
    for (size_t i = 0; i < AS_QBLOCK; i++) out->codes[i] = from[2 + i] ^ 0x80;
}

// 64 bytes of 2-bit codes: each half of 32 bytes holds four runs of 32 weights, a run at a shift.
static void take_pairs(const unsigned char *from, uint8_t *codes) {
    for (size_t i = 0; i < SUPER; i++)
        codes[i] = from[i / 128 * 32 + i % 32] >> 2 * (i % 128 / 32) & 3;
}

// 16 bytes of scale (low half) and min (high half), 64 of codes, d, m.
static void scales_q2_k(const unsigned char *from, wblock *out) {
    for (size_t g = 0; g < 16; g++) {
        out->scales[g] = from[g] & 15;
        out->mins[g] = from[g] >> 4;
    }
    out->d = u16_at(from + 80);
    out->m = u16_at(from + 82);
}

// 32 bytes of third bits (bit i of byte l: weight 32i + l), 64 of low bits, 12 of 6-bit scales
// biased by 32 (low nibbles of 16 in 8 bytes, then their upper pairs in 4), d.
static void read_q3_k(const unsigned char *from, wblock *out) {
    take_pairs(from + 32, out->codes);
    for (size_t i = 0; i < SUPER; i++)
        out->codes[i] |= (uint8_t)((from[i % 32] >> i / 32 & 1) << 2);
}

static void scales_q3_k(const unsigned char *from, wblock *out) {
    const unsigned char *scales = from + 96;
    for (size_t g = 0; g < 16; g++) {
        int low = scales[g % 8] >> g / 8 * 4 & 15, high = scales[8 + g % 4] >> g / 4 * 2 & 3;
        out->scales[g] = (int8_t)((low | high << 4) - 32);
    }
    out->d = u16_at(from + 108);
}

// d, m, 12 bytes of scales, in Q5_K 32 bytes of fifth bits (bit i of byte l: weight 32i + l), then
// nibbles, 64 weights in 32 bytes.
static void read_q4_k(wfacts facts, const unsigned char *from, wblock *out) {
    const unsigned char *high = from + 16, *low = high + (facts.high ? 32 : 0);
    for (size_t i = 0; i < SUPER; i += 64) take_nibbles(low + i / 2, 32, out->codes + i);
    for (size_t i = 0; facts.high && i < SUPER; i++)
        out->codes[i] |= (uint8_t)((high[i % 32] >> i / 32 & 1) << 4);
}

// 8 scales and 8 mins of 6 bits in 12 bytes: the first four of each whole, the others' upper two
// bits on top of those and their lower four in the last four bytes.
static void scales_q4_k(const unsigned char *from, wblock *out) {
    out->d = u16_at(from);
    out->m = u16_at(from + 2);
    from += 4;
    for (size_t g = 0; g < 4; g++) {
        out->scales[g] = from[g] & 63;
        out->mins[g] = from[4 + g] & 63;
        out->scales[4 + g] = (int8_t)((from[8 + g] & 15) | from[g] >> 6 << 4);
        out->mins[4 + g] = (uint8_t)(from[8 + g] >> 4 | from[4 + g] >> 6 << 4);
    }
}

// 128 bytes of nibbles (128 weights in 64 bytes), 64 of upper pairs, 16 signed scales, d.
static void read_q6_k(const unsigned char *from, wblock *out) {
    uint8_t upper[SUPER];
    take_pairs(from + 128, upper);
    for (size_t i = 0; i < SUPER; i += 128) take_nibbles(from + i / 2, 64, out->codes + i);
    for (size_t i = 0; i < SUPER; i++) out->codes[i] |= (uint8_t)(upper[i] << 4);
}

static void scales_q6_k(const unsigned char *from, wblock *out) {
    memcpy(out->scales, from + 192, 16);
    out->d = u16_at(from + 208);
}

// d, 8 scales of 6 bits biased by 32 (upper pairs in 2 bytes, nibbles in 4), nibbles, 32 weights in
// 16 bytes.
static void read_iq4_xs(const unsigned char *from, wblock *out) {
    for (size_t i = 0; i < SUPER; i += 32) take_nibbles(from + 8 + i / 2, 16, out->codes + i);
}

static void scales_iq4_xs(const unsigned char *from, wblock *out) {
    out->d = u16_at(from);
    unsigned high = u16_at(from + 2);
    for (size_t g = 0; g < 8; g++) {
        int low = from[4 + g / 2] >> g % 2 * 4 & 15;
        out->scales[g] = (int8_t)((low | (int)(high >> 2 * g & 3) << 4) - 32);
    }
}

// d, 16 scales, 256 signed bytes.
static void read_q8_16(const unsigned char *from, wblock *out) {
    for (size_t i = 0; i < SUPER; i++) out->codes[i] = from[18 + i] ^ 0x80;
}

void as_block_scales(as_wtype type, const unsigned char *from, wblock *out) {
    switch (type) {
    case AS_W_F32:
    case AS_W_F16:
    case AS_W_BF16:
        break;
    case AS_W_Q8_0:
    case AS_W_Q4_0:
    case AS_W_Q5_0:
    case AS_W_IQ4_NL:
        out->d = u16_at(from);
        break;
    case AS_W_Q4_1:
    case AS_W_Q5_1:
        out->d = u16_at(from);
        out->m = u16_at(from + 2);
        break;
    case AS_W_MXFP4: // the exponent e stands for 2^(e-128), since the table holds doubled values
        out->d = (uint16_t)(from[0] < 2 ? 0x20 << from[0] : (from[0] - 1) << 7);
        break;
    case AS_W_Q2_K:
        scales_q2_k(from, out);
        break;
    case AS_W_Q3_K:
        scales_q3_k(from, out);
        break;
    case AS_W_Q4_K:
    case AS_W_Q5_K:
        scales_q4_k(from, out);
        break;
    case AS_W_Q6_K:
        scales_q6_k(from, out);
        break;
    case AS_W_IQ4_XS:
        scales_iq4_xs(from, out);
        break;
    case AS_W_Q8_16:
        out->d = u16_at(from);
        memcpy(out->scales, from + 2, 16);
        break;
    }
}

void as_block_read(as_wtype type, const unsigned char *from, wblock *out) {
    as_block_scales(type, from, out);
    switch (type) {
    case AS_W_F32:
    case AS_W_F16:
    case AS_W_BF16:
        break;
    case AS_W_Q8_0:
        read_q8_0(from, out);
        break;
    case AS_W_Q4_0:
    case AS_W_Q4_1:
    case AS_W_Q5_0:
    case AS_W_Q5_1:
    case AS_W_IQ4_NL:
    case AS_W_MXFP4:
        read_32(type, from, out);
        break;
    case AS_W_Q2_K:
        take_pairs(from + 16, out->codes);
        break;
    case AS_W_Q3_K:
        read_q3_k(from, out);
        break;
    case AS_W_Q4_K:
    case AS_W_Q5_K:
        read_q4_k(wfacts_of(type), from, out);
        break;
    case AS_W_Q6_K:
        read_q6_k(from, out);
        break;
    case AS_W_IQ4_XS:
        read_iq4_xs(from, out);
        break;
    case AS_W_Q8_16:
        read_q8_16(from, out);
        break;
    }
}

void as_block_values(as_wtype type, const wblock *block, float *x) {
    wfacts facts = wfacts_of(type);
    for (size_t i = 0; i < facts.block; i++) {
        size_t g = i / facts.group;
        float s = group_scale(type, block->d, block->scales[g]);
        x[i] = s * (float)code_value(type, block->codes[i]);
        if (facts.mins) x[i] += group_min(type, block->m, block->mins[g]);
    }
}

size_t as_wtype_block(as_wtype type) {
    return wfacts_of(type).block;
}

size_t as_wtype_size(as_wtype type, size_t cols) {
    wfacts facts = wfacts_of(type);
    return cols / facts.block * facts.size;
}

bool as_wtype_quantized(as_wtype type) {
    return wfacts_of(type).group != 0;
}

void as_wtype_decode(as_wtype type, const void *src, size_t n, float *x) {
    const unsigned char *from = src;
    wfacts facts = wfacts_of(type);
    if (type == AS_W_F32) {
        memcpy(x, src, n * sizeof *x);
    } else if (!facts.group) {
        for (size_t i = 0; i < n; i++) {
            uint16_t bits = u16_at(from + 2 * i);
            x[i] = type == AS_W_F16 ? half_to_float(bits) : bf16_to_float(bits);
        }
    }
    for (size_t i = 0; facts.group && i < n; i += facts.block, from += facts.size) {
        wblock block;
        as_block_read(type, from, &block);
        as_block_values(type, &block, x + i);
    }
}
