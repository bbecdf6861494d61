// SPDX-License-Identifier: Apache-2.0
// blocks.h - what the types of kernels.h look like inside: in a file, and packed. Private to
// kernels/.
//
// Every quantized type is one scheme. A weight is a small unsigned code; `group` neighbours share a
// scale s and, in some types, a minimum m:
//
//   weight = s * v + m,  v = code - zero, or the code's entry in a table
//   s = d * scale of the group,  m = the block's m, or -(m * min of the group)
//   (Q8_16: s = d * scale / 8, so that the scales of all IQ types are integers)
//
// d and m are halves of the block (MXFP4's d is a power of two, held as BF16), scale and min small
// integers, so s and m are exact in float, and s * v too where there is a minimum.
//
// Packed, a panel has 16 rows, r, and goes block by block along k. 32 weights of a row are 8 fours,
// j; byte 4r + k % 4 of a plane of 64 bytes belongs to row r:
//
//   8 bits   plane j is four j
//   4 bits   plane v of 4 holds four v below, four v+4 above
//   2 bits   plane v of 2 holds four 4v+i at bit 2i
//   then, where a code has more: 1 bit, one plane with four j at bit j;
//                                2 bits, plane v of 2 holds four 4v+i at bit 2i
//
// and beside them, per block of the file: d[16], m[16] where there are minima; then per group of a
// 256-block scale[16], min[16] (Q2_K: one byte, scale below, min above).
#ifndef AS_BLOCKS_H
#define AS_BLOCKS_H

#include <stdbool.h>

#include "kernels/kernels.h"
#include "kernels/scalar.h"

enum {
    SUPER = 256,           // weights of a K-quant's block
    GROUPS = SUPER / 16,   // at most, of a block
    FOURS = AS_QBLOCK / 4, // in 32 weights of a row
    PLANE = AS_PANEL * 4,  // bytes
};

typedef struct wfacts {
    uint16_t block, size; // weights and bytes of a block in a file
    uint8_t group;        // weights that share a scale: 32 or 16; 0 where nothing is quantized
    uint8_t low, high;    // bits of a code in the first and in the second kind of planes
    uint8_t zero;         // the code of 0; 0 where there is a table or a minimum
    bool mins;            // has minima
    bool table;           // values come from a table
    bool bf16;            // d is BF16
    bool eighths;         // scales are unsigned and count eighths
} wfacts;

// A switch, so that a constant type makes all that follows from it constant.
static inline wfacts wfacts_of(as_wtype type) {
    switch (type) {
    case AS_W_F32:
        return (wfacts){.block = 1, .size = 4};
    case AS_W_F16:
    case AS_W_BF16:
        return (wfacts){.block = 1, .size = 2};
    case AS_W_Q8_0:
        return (wfacts){.block = 32, .size = 34, .group = 32, .low = 8, .zero = 128};
    case AS_W_Q4_0:
        return (wfacts){.block = 32, .size = 18, .group = 32, .low = 4, .zero = 8};
    case AS_W_Q4_1:
        return (wfacts){.block = 32, .size = 20, .group = 32, .low = 4, .mins = true};
    case AS_W_Q5_0:
        return (wfacts){.block = 32, .size = 22, .group = 32, .low = 4, .high = 1, .zero = 16};
    case AS_W_Q5_1:
        return (wfacts){.block = 32, .size = 24, .group = 32, .low = 4, .high = 1, .mins = true};
    case AS_W_IQ4_NL:
        return (wfacts){.block = 32, .size = 18, .group = 32, .low = 4, .table = true};
    case AS_W_MXFP4:
        return (wfacts){
            .block = 32, .size = 17, .group = 32, .low = 4, .table = true, .bf16 = true};
    case AS_W_Q2_K:
        return (wfacts){.block = SUPER, .size = 84, .group = 16, .low = 2, .mins = true};
    case AS_W_Q3_K:
        return (wfacts){.block = SUPER, .size = 110, .group = 16, .low = 2, .high = 1, .zero = 4};
    case AS_W_Q4_K:
        return (wfacts){.block = SUPER, .size = 144, .group = 32, .low = 4, .mins = true};
    case AS_W_Q5_K:
        return (wfacts){
            .block = SUPER, .size = 176, .group = 32, .low = 4, .high = 1, .mins = true};
    case AS_W_Q6_K:
        return (wfacts){.block = SUPER, .size = 210, .group = 16, .low = 4, .high = 2, .zero = 32};
    case AS_W_Q8_16:
        return (wfacts){
            .block = SUPER, .size = 274, .group = 16, .low = 8, .zero = 128, .eighths = true};
    case AS_W_IQ4_XS:
        return (wfacts){.block = SUPER, .size = 136, .group = 32, .low = 4, .table = true};
    }
    return (wfacts){0};
}

// The values of the 16 codes of a type with a table.
static inline const int8_t *table_of(as_wtype type) {
    static const int8_t iq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};
    static const int8_t mxfp4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    return type == AS_W_MXFP4 ? mxfp4 : iq4;
}

static inline int code_value(as_wtype type, uint8_t code) {
    wfacts facts = wfacts_of(type);
    return facts.table ? table_of(type)[code] : code - facts.zero;
}

// Bytes of 32 packed weights in all rows of a panel, and of what stands beside a block of the file.
static inline size_t planes_size(wfacts facts) {
    return (size_t)(facts.low + facts.high) * PLANE;
}

static inline size_t group_size(wfacts facts) { // of those, one group's
    if (facts.block != SUPER) return 0;
    size_t bytes = facts.mins && facts.group == 32 ? 2 : 1;
    return AS_PANEL * bytes;
}

static inline size_t beside_size(wfacts facts) {
    size_t halves = facts.mins ? 2 : 1;
    return AS_PANEL * halves * sizeof(uint16_t) +
           (size_t)(facts.block / facts.group) * group_size(facts);
}

// Bytes of SUPER packed weights of each row of a panel: codes, and what stands beside them.
static inline size_t span_size(wfacts facts) {
    return SUPER / AS_QBLOCK * planes_size(facts) + SUPER / facts.block * beside_size(facts);
}

static inline float bf16_to_float(uint16_t bits) {
    return bits_float((uint32_t)bits << 16);
}

// One block of one row, taken apart.
typedef struct wblock {
    uint8_t codes[SUPER];
    uint16_t d, m; // as the file has them; MXFP4's d as BF16
    int8_t scales[GROUPS];
    uint8_t mins[GROUPS];
} wblock;

void as_block_read(as_wtype type, const unsigned char *from, wblock *out);
void as_block_scales(as_wtype type, const unsigned char *from, wblock *out); // all but the codes
void as_block_values(as_wtype type, const wblock *block, float *x);          // all its weights

// The codes of 32 weights in all rows of a panel: codes[j][4r + i] is weight 4j + i of row r.
static inline void unpack_planes(wfacts facts, const uint8_t *planes, uint8_t codes[FOURS][PLANE]) {
    const uint8_t *high = planes + facts.low * PLANE;
    for (size_t j = 0; j < FOURS; j++) {
        size_t plane = facts.low == 8 ? j : facts.low == 4 ? j % 4 : j / 4;
        int shift = facts.low == 8 ? 0 : facts.low == 4 ? (int)(j / 4 * 4) : (int)(j % 4 * 2);
        const uint8_t *low = planes + plane * PLANE;
        for (size_t i = 0; i < PLANE; i++)
            codes[j][i] = (uint8_t)(low[i] >> shift & ((1 << facts.low) - 1));
        if (!facts.high) continue;
        const uint8_t *upper = facts.high == 1 ? high : high + j / 4 * PLANE;
        int upper_shift = facts.high == 1 ? (int)j : (int)(j % 4 * 2);
        for (size_t i = 0; i < PLANE; i++)
            codes[j][i] |=
                (uint8_t)((upper[i] >> upper_shift & ((1 << facts.high) - 1)) << facts.low);
    }
}

// d, m, and the scale and min of the one group at `groups` of row r, which become out's group 0.
static inline void unpack_group(wfacts facts, const uint8_t *beside, const uint8_t *groups,
                                size_t r, wblock *out) {
    out->m = 0;
    out->scales[0] = 0;
    out->mins[0] = 0;
    memcpy(&out->d, beside + 2 * r, sizeof out->d);
    if (facts.mins) memcpy(&out->m, beside + 2 * AS_PANEL + 2 * r, sizeof out->m);
    if (facts.block != SUPER) return;
    if (facts.mins && facts.group == 16) {
        out->scales[0] = groups[r] & 15;
        out->mins[0] = groups[r] >> 4;
    } else {
        out->scales[0] = (int8_t)groups[r];
        if (facts.mins) out->mins[0] = groups[AS_PANEL + r];
    }
}

// s and m of one group: `scale` and `min` are not looked at in blocks of 32.
static inline float group_scale(as_wtype type, uint16_t d, int8_t scale) {
    wfacts facts = wfacts_of(type);
    float s = facts.bf16 ? bf16_to_float(d) : half_to_float(d);
    if (facts.eighths) return s * 0.125f * (float)(uint8_t)scale;
    return facts.block == SUPER ? s * (float)scale : s;
}

static inline float group_min(as_wtype type, uint16_t m, uint8_t min) {
    return wfacts_of(type).block == SUPER ? -(half_to_float(m) * (float)min) : half_to_float(m);
}

#endif
