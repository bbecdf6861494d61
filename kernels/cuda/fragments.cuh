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

// --- staged in shared memory ------------------------------------------------------------------

enum { GRAIN = 16 }; // bytes of a copy

// Where grain g of the 32 weights lies, in bytes: 4 grains a plane, of which every other two planes
// change places, so that the words that a warp reads at once are in different banks.
AS_DEVICE uint32_t grain_of(uint32_t g) {
    return (g ^ g / 8 % 2 * 2) * GRAIN;
}

// What read_words reads.
AS_DEVICE words staged_words(const as_wtype type, const uint8_t *planes, uint32_t lane) {
    const wfacts facts = wfacts_of(type);
    const uint32_t i = lane / 4, j = lane % 4, low = facts.low;
    words w = {{0, 0, 0, 0}, {0, 0, 0, 0}};
    AS_UNROLL
    for (uint32_t half = 0; half < 2; half++) { // rows i and i + 8
        const uint32_t u = i / 4 + half * 2;
        const uint8_t *at = planes + i % 4 * 4;
        if (low == 8 || low == 4) w.low[half] = load_u32(at + grain_of(j * 4 + u));
        if (low == 8) w.low[2 + half] = load_u32(at + grain_of(j * 4 + u) + 4 * PLANE);
        if (low == 2) {
            w.low[half] = load_u32(at + grain_of(u));
            w.low[2 + half] = load_u32(at + grain_of(4 + u));
        }
        if (facts.high) w.high[half] = load_u32(at + grain_of(low * 4u + u));
        if (facts.high == 2) w.high[2 + half] = load_u32(at + grain_of(low * 4u + 4 + u));
    }
    return w;
}

// The bytes of row r in a group of a SUPER block.
AS_DEVICE void group_bytes(const as_wtype type, const uint8_t *group, uint32_t r, uint8_t *scale,
                           uint8_t *min) {
    const wfacts facts = wfacts_of(type);
    if (facts.block != SUPER) return;
    *scale = group[r];
    if (facts.mins && facts.group == 16) {
        *min = *scale >> 4;
        *scale &= 15;
    } else if (facts.mins) {
        *min = group[AS_PANEL + r];
    }
}

// --- codes ------------------------------------------------------------------------------------

// Values 4 i .. of a type's table.
AS_DEVICE uint32_t table_word(const as_wtype type, const uint32_t i) {
    const bool mx = type == AS_W_MXFP4;
    return i == 0   ? mx ? 0x03020100u : 0xbfad9881u
           : i == 1 ? mx ? 0x0c080604u : 0xf6eaddcfu
           : i == 2 ? mx ? 0xfdfeff00u : 0x26190d01u
           : mx     ? 0xf4f8fafcu
                    : 0x71594535u;
}

// Four codes of 4 bits, a byte each, as the values of a table.
AS_DEVICE uint32_t look_up(const as_wtype type, uint32_t codes) {
    const uint32_t t0 = table_word(type, 0), t1 = table_word(type, 1);
    const uint32_t t2 = table_word(type, 2), t3 = table_word(type, 3);
    uint32_t upper = (codes >> 3 & 0x01010101u) * 0xffu, s = codes & 0x07070707u;
    s |= s >> 4;
    s = (s & 0xffu) | (s >> 8 & 0xff00u);
    return (choose_bytes(t0, t1, s) & ~upper) | (choose_bytes(t2, t3, s) & upper);
}

// Register i of a fragment as codes, a byte each.
AS_DEVICE uint32_t take_codes(const as_wtype type, const words *w, uint32_t lane, uint32_t i) {
    const wfacts facts = wfacts_of(type);
    const uint32_t j = lane % 4;
    if (facts.low == 8) return w->low[i];
    uint32_t codes;
    if (facts.low == 4)
        codes = w->low[i % 2] >> (i / 2 * 4) & 0x0f0f0f0fu;
    else
        codes = w->low[i] >> 2 * j & 0x03030303u;
    if (facts.high == 1) codes |= (w->high[i % 2] >> (j + i / 2 * 4) & 0x01010101u) << facts.low;
    if (facts.high == 2) codes |= (w->high[i] >> 2 * j & 0x03030303u) << facts.low;
    return codes;
}

// The fragment: values of the weights, a signed byte each.
AS_DEVICE void take_fragment(const as_wtype type, const words *w, uint32_t lane, uint32_t a[4]) {
    const wfacts facts = wfacts_of(type);
    AS_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t codes = take_codes(type, w, lane, i);
        if (facts.table)
            codes = look_up(type, codes);
        else if (facts.low == 8)
            codes ^= 0x80808080u;
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
