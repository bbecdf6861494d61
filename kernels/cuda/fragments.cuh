// SPDX-License-Identifier: Apache-2.0
// fragments.cuh - packed weights as fragments of a tensor core, and the scales beside them.
//
// A panel is the 16 rows of a fragment and its fours are the fragment's registers, so a lane reads
// words where they lie: of 8-bit codes one for each register, of 4-bit codes one for two, of 2-bit
// codes one for four lanes.
#ifndef AS_FRAGMENTS_CUH
#define AS_FRAGMENTS_CUH

// What a lane reads of 32 weights of a panel.
typedef struct words {
    uint32_t low[4], high[4];
} words;

AS_DEVICE words read_words(const as_wtype type, const uint8_t *planes, uint32_t lane) {
    const wfacts facts = wfacts_of(type);
    const uint8_t *row = planes + lane / 4 * 4, *high = row + facts.low * PLANE;
    const uint32_t j = lane % 4;
    words w = {{0, 0, 0, 0}, {0, 0, 0, 0}};
    if (facts.low == 8 || facts.low == 4) {
        w.low[0] = read_u32(row + j * PLANE);
        w.low[1] = read_u32(row + j * PLANE + 32);
    }
    if (facts.low == 8) {
        w.low[2] = read_u32(row + (j + 4) * PLANE);
        w.low[3] = read_u32(row + (j + 4) * PLANE + 32);
    }
    if (facts.low == 2) {
        w.low[0] = read_u32(row);
        w.low[1] = read_u32(row + 32);
        w.low[2] = read_u32(row + PLANE);
        w.low[3] = read_u32(row + PLANE + 32);
    }
    if (facts.high) {
        w.high[0] = read_u32(high);
        w.high[1] = read_u32(high + 32);
    }
    if (facts.high == 2) {
        w.high[2] = read_u32(high + PLANE);
        w.high[3] = read_u32(high + PLANE + 32);
    }
    return w;
}

// Four codes of 4 bits, a byte each, as the values of a table.
AS_DEVICE uint32_t look_up(const as_wtype type, uint32_t codes) {
    const bool mx = type == AS_W_MXFP4;
    const uint32_t t0 = mx ? 0x03020100u : 0xbfad9881u, t1 = mx ? 0x0c080604u : 0xf6eaddcfu;
    const uint32_t t2 = mx ? 0xfdfeff00u : 0x26190d01u, t3 = mx ? 0xf4f8fafcu : 0x71594535u;
    uint32_t upper = (codes >> 3 & 0x01010101u) * 0xffu, s = codes & 0x07070707u;
    s |= s >> 4;
    s = (s & 0xffu) | (s >> 8 & 0xff00u);
    return (choose_bytes(t0, t1, s) & ~upper) | (choose_bytes(t2, t3, s) & upper);
}

// The fragment: values of the weights, a signed byte each.
AS_DEVICE void take_fragment(const as_wtype type, const words *w, uint32_t lane, uint32_t a[4]) {
    const wfacts facts = wfacts_of(type);
    const uint32_t j = lane % 4;
    AS_UNROLL
    for (int i = 0; i < 4; i++) {
        uint32_t codes;
        if (facts.low == 8) {
            a[i] = w->low[i] ^ 0x80808080u;
            continue;
        }
        if (facts.low == 4)
            codes = w->low[i % 2] >> (i / 2 * 4) & 0x0f0f0f0fu;
        else
            codes = w->low[i] >> 2 * j & 0x03030303u;
        if (facts.high == 1)
            codes |= (w->high[i % 2] >> (j + (uint32_t)i / 2 * 4) & 0x01010101u) << facts.low;
        if (facts.high == 2) codes |= (w->high[i] >> 2 * j & 0x03030303u) << facts.low;
        if (facts.table)
            codes = look_up(type, codes);
        else if (facts.zero) // no byte borrows of its neighbour
            codes = ((codes | 0x80808080u) - (uint32_t)facts.zero * 0x01010101u) ^ 0x80808080u;
        a[i] = codes;
    }
}

// Where 32 weights of a panel lie, and what stands beside their block of the file.
AS_DEVICE const uint8_t *planes_at(const as_wtype type, const uint8_t *values, uint32_t cols,
                                   uint32_t panel, uint32_t kb) {
    return values + ((uint64_t)panel * (cols / 32) + kb) * planes_size(wfacts_of(type));
}

AS_DEVICE const uint8_t *beside_at(const as_wtype type, const uint8_t *scales, uint32_t cols,
                                   uint32_t panel, uint32_t kb) {
    const wfacts facts = wfacts_of(type);
    const uint32_t inner = facts.block / 32u, blocks = cols / facts.block;
    return scales + ((uint64_t)panel * blocks + kb / inner) * beside_size(facts);
}

// s and m of row r in group `group` of block kb of 32.
AS_DEVICE void read_scales(const as_wtype type, const uint8_t *beside, uint32_t kb, uint32_t group,
                           uint32_t r, float *s, float *m) {
    const wfacts facts = wfacts_of(type);
    const uint32_t inner = facts.block / 32u, per_kb = 32u / facts.group;
    const uint8_t *groups = beside + (facts.mins ? 4 : 2) * AS_PANEL +
                            (kb % inner * per_kb + group) * group_size(facts);
    int8_t scale = 0;
    uint8_t min = 0;
    if (facts.block == SUPER) {
        uint8_t byte = read_u8(groups + r);
        if (facts.mins && facts.group == 16) {
            scale = (int8_t)(byte & 15);
            min = byte >> 4;
        } else {
            scale = (int8_t)byte;
            if (facts.mins) min = read_u8(groups + AS_PANEL + r);
        }
    }
    *s = group_scale(type, read_u16(beside + 2 * r), scale);
    *m = facts.mins ? group_min(type, read_u16(beside + 2 * AS_PANEL + 2 * r), min) : 0.0f;
}

// An integer dot as a float. Sums start at SUM_ZERO, the pattern of 1.5 * 2^23, and stay below
// 2^22: so the pattern is that of the sum of both, and the difference is exact.
#define SUM_ZERO 0x4b400000
AS_DEVICE float float_of_sum(int32_t sum) {
    return bits_float((uint32_t)sum) - 0x1.8p23f;
}

#endif
