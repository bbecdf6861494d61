// SPDX-License-Identifier: Apache-2.0
// expand.h - panels of coded matrices (coded.h) as bytes with 128 for zero, 16 rows at once.
//
// A block of a panel is words of 16 bits, w[word][row]. First the entries, signs and scales of all
// its runs of eight weights are taken apart, a lane a row; then a run's entries are looked up; then
// signs are put on and the run's two planes (blocks.h) are written.
//
// Included once by each table, after
//
//   void put_run(const uint64_t entries[16], const uint8_t signs[16], bool shift, uint8_t *planes)
//   void put_halves(uint32_t entries[2][16], const uint8_t signs[16], uint8_t *planes)
//
// which write two planes: byte i of entry r, negated where bit i of signs[r] is set; of IQ1
// (`shift`) less 2 there instead. In halves, entries[1] has bytes 4 to 7. No byte is zero. Or
// after, with AS_LOOK_UP_WIDE, put_run and
//
//   void look_up_pair(type, grid, first, second, signs, planes)
//
// which does all that for two runs of IQ2 or IQ3, whose codebook is `grid` (grids.h).
#ifndef AS_EXPAND_H
#define AS_EXPAND_H

#include "kernels/blocks.h"
#include "kernels/coded.h"
#include "kernels/wide/inline.h"

enum { RUNS = SUPER / 8, PARTS = SUPER / 32, EACH = RUNS / PARTS };

// A lane a row. Vectors of the compilers: what is a register, two or four of the table's.
typedef uint16_t w16 __attribute__((vector_size(2 * AS_PANEL)));
typedef uint32_t w32 __attribute__((vector_size(4 * AS_PANEL)));
typedef uint8_t w8 __attribute__((vector_size(AS_PANEL)));

typedef struct runs {
    w16 first[RUNS], second[RUNS]; // entries of the codebook; second: of IQ3
    w8 signs[RUNS];
} runs;

#define EACH_ROW for (size_t r = 0; r < AS_PANEL; r++)
#define NARROW(words) __builtin_convertvector(words, w8)
#define LOW_BYTE(word) ((word)&255)
#define HIGH_BYTE(word) ((word) >> 8)

INLINE uint16_t number_at(const w16 *w, size_t r) {
    return (*w)[r];
}

// Byte `at` of the block; what of two words is at bit `bit` of the first one.
#define BYTE_AT(w, at) ((at) % 2 ? HIGH_BYTE((w)[(at) / 2]) : LOW_BYTE((w)[(at) / 2]))

// Pairs of bytes of seven signs; the eighth makes their number even.
INLINE void put_even(const w16 *pairs, w8 *signs) {
    w16 odd = *pairs ^ *pairs >> 4;
    odd ^= odd >> 2;
    odd ^= odd >> 1;
    const w16 all = *pairs | (odd & 0x0101) << 7;
    signs[0] = NARROW(LOW_BYTE(all));
    signs[1] = NARROW(HIGH_BYTE(all));
}

// Four times seven signs and a scale of four bits in two words of a part.
INLINE void take_28(const w16 *w, uint16_t step, w8 *signs, w8 *scales) {
    const w16 low = w[0], high = w[1];
    const w16 first = (low & 127) | (low << 1 & 127 << 8);
    const w16 second = (low >> 14 | high << 2) & 127, third = high >> 5 & 127;
    const w16 last = second | third << 8;
    put_even(&first, signs);
    put_even(&last, signs + 2);
    scales[0] = scales[1] = NARROW((2 * (high >> 12) + 1) * step);
}

INLINE void take_iq2_xxs(const w16 *w, runs *out, w8 *scales) {
    UNROLL
    for (size_t p = 0; p < PARTS; p++) {
        const w16 *part = w + 1 + 4 * p;
        for (size_t i = 0; i < EACH; i++) out->first[p * EACH + i] = BYTE_AT(part, i);
        take_28(part + 2, 1, out->signs + p * EACH, scales + 2 * p);
    }
}

// Two scales of four bits in each of eight bytes.
INLINE void take_16_scales(const w16 *w, w8 *scales) {
    for (size_t g = 0; g < GROUPS; g++)
        scales[g] = NARROW(2 * (w[g / 4] >> (uint16_t)(g % 4 * 4) & 15) + 1);
}

INLINE void take_iq2_xs(const w16 *w, runs *out, w8 *scales) {
    for (size_t i = 0; i < RUNS; i += 2) {
        const w16 a = w[1 + i], b = w[2 + i], pair = a >> 9 | (b >> 1 & 127 << 8);
        out->first[i] = a & 511;
        out->first[i + 1] = b & 511;
        put_even(&pair, out->signs + i);
    }
    take_16_scales(w + 33, scales);
}

INLINE void take_iq2_s(const w16 *w, runs *out, w8 *scales) {
    UNROLL
    for (size_t i = 0; i < RUNS; i++) {
        const w16 high = w[33 + i / 8] >> (uint16_t)(i % 8 * 2) & 3;
        out->first[i] = BYTE_AT(w + 1, i) | high << 8;
        out->signs[i] = NARROW(BYTE_AT(w + 17, i));
    }
    take_16_scales(w + 37, scales);
}

INLINE void take_iq3_xxs(const w16 *w, runs *out, w8 *scales) {
    for (size_t i = 0; i < RUNS; i++) {
        out->first[i] = LOW_BYTE(w[1 + i]);
        out->second[i] = HIGH_BYTE(w[1 + i]);
    }
    for (size_t p = 0; p < PARTS; p++)
        take_28(w + 33 + 2 * p, 2, out->signs + p * EACH, scales + 2 * p);
}

INLINE void take_iq3_s(const w16 *w, runs *out, w8 *scales) {
    UNROLL
    for (size_t i = 0; i < RUNS; i++) {
        const w16 ninth = w[33 + i / 8] >> (uint16_t)(i % 8 * 2);
        out->first[i] = LOW_BYTE(w[1 + i]) | (ninth & 1) << 8;
        out->second[i] = HIGH_BYTE(w[1 + i]) | (ninth & 2) << 7;
        out->signs[i] = NARROW(BYTE_AT(w + 37, i));
    }
    for (size_t g = 0; g < GROUPS; g++)
        scales[g] = NARROW(16 * (w[53 + g / 8] >> (uint16_t)(g % 8 / 2 * 4) & 15) + 8);
}

INLINE void take_iq1_s(const w16 *w, runs *out, w8 *scales) {
    UNROLL
    for (size_t i = 0; i < RUNS; i++) {
        const w16 rest = w[17 + i / EACH], high = rest >> (uint16_t)(i % EACH * 3) & 7;
        out->first[i] = BYTE_AT(w + 1, i) | high << 8;
        out->signs[i] = NARROW((rest >> 15) * 255);
        scales[i / 2] = NARROW(2 * (rest >> 12 & 7) + 1);
    }
}

INLINE void take_iq1_m(const w16 *w, runs *out, w8 *scales) {
    UNROLL
    for (size_t i = 0; i < RUNS; i++) {
        const w16 high = w[16 + i / 4] >> (uint16_t)(i % 4 * 4);
        out->first[i] = BYTE_AT(w, i) | (high & 7) << 8;
        out->signs[i] = NARROW((high >> 3 & 1) * 255);
    }
    for (size_t g = 0; g < GROUPS; g++)
        scales[g] = NARROW(2 * (w[24 + g / 4] >> (uint16_t)(g % 4 * 3) & 7) + 1);
}

// Entries are looked up row by row: one load each is the fastest way, of which compilers would
// rather make vectors. First all of a block, then signs: what was just written in parts is not read
// at once as a whole.
INLINE void put_eights(const uint64_t *table, const runs *all, bool shift, uint8_t *planes) {
    _Alignas(64) uint64_t entries[RUNS][AS_PANEL];
    ROLL for (size_t i = 0; i < RUNS; i++) {
        UNROLL
        EACH_ROW {
            uint64_t entry = table[number_at(&all->first[i], r)];
            __asm__("" : "+r"(entry));
            entries[i][r] = entry;
        }
    }
    for (size_t i = 0; i < RUNS; i++, planes += 2 * PLANE)
        put_run(entries[i], (const uint8_t *)&all->signs[i], shift, planes);
}

#ifdef AS_LOOK_UP_WIDE
INLINE void put_pairs(as_coded type, const void *table, const runs *all, uint8_t *planes) {
    const uint16_t *grid = (const uint16_t *)table + AS_CODED_GRID_AT / sizeof *grid;
    for (size_t i = 0; i < RUNS; i += 2, planes += 4 * PLANE)
        look_up_pair(type, grid, &all->first[i], &all->second[i], (const uint8_t *)&all->signs[i],
                     planes);
}
#else
INLINE void put_fours(const uint32_t *table, const runs *all, uint8_t *planes) {
    _Alignas(64) uint32_t entries[RUNS][2][AS_PANEL];
    ROLL for (size_t i = 0; i < RUNS; i++) {
        UNROLL
        EACH_ROW {
            uint32_t lower = table[number_at(&all->first[i], r)];
            uint32_t upper = table[number_at(&all->second[i], r)];
            __asm__("" : "+r"(lower), "+r"(upper));
            entries[i][0][r] = lower;
            entries[i][1][r] = upper;
        }
    }
    for (size_t i = 0; i < RUNS; i++, planes += 2 * PLANE)
        put_halves(entries[i], (const uint8_t *)&all->signs[i], planes);
}
#endif

// A block of an IQ type.
INLINE void expand_iq(as_coded type, const void *table, const w16 *w, uint8_t *planes, w8 *beside) {
    const bool iq1 = type == AS_CODED_IQ1_S || type == AS_CODED_IQ1_M;
    w8 *scales = beside + 2;
    runs all;
    w16 d = w[0];
    if (type == AS_CODED_IQ1_M)
        d = w[24] >> 12 | (w[25] >> 8 & 0xf0) | (w[26] >> 4 & 0xf00) | (w[27] & 0xf000);
    memcpy(beside, &d, sizeof d);
    if (type == AS_CODED_IQ2_XXS) take_iq2_xxs(w, &all, scales);
    if (type == AS_CODED_IQ2_XS) take_iq2_xs(w, &all, scales);
    if (type == AS_CODED_IQ2_S) take_iq2_s(w, &all, scales);
    if (type == AS_CODED_IQ3_XXS) take_iq3_xxs(w, &all, scales);
    if (type == AS_CODED_IQ3_S) take_iq3_s(w, &all, scales);
    if (type == AS_CODED_IQ1_S) take_iq1_s(w, &all, scales);
    if (type == AS_CODED_IQ1_M) take_iq1_m(w, &all, scales);
#ifdef AS_LOOK_UP_WIDE
    if (!iq1) {
        put_pairs(type, table, &all, planes);
        return;
    }
#else
    if (type == AS_CODED_IQ3_XXS || type == AS_CODED_IQ3_S) {
        put_fours(table, &all, planes);
        return;
    }
#endif
    put_eights(table, &all, iq1, planes);
}

// Words 2j and 2j + 1: four bytes a lane.
INLINE void join(const w16 *w, size_t j, w32 *out) {
    *out = __builtin_convertvector(w[2 * j], w32) | __builtin_convertvector(w[2 * j + 1], w32)
                                                        << 16;
}

// Digits of base 3, -1 to 1. A byte is five of them as a fraction of 256, rounded up, the first one
// highest: times 3, its next digit is what passes 256. Runs go over the bytes.
INLINE void expand_thirds(const w16 *w, size_t fours, size_t digits, uint8_t *planes) {
    for (size_t j = 0; j < fours; j++) {
        w32 all;
        join(w, j, &all);
        w32 even = all & 0x00ff00ffu, odd = all >> 8 & 0x00ff00ffu;
        UNROLL
        for (size_t k = 0; k < digits; k++) {
            even *= 3, odd *= 3;
            all = (even >> 8 & 0x00030003u) + (odd & 0x03000300u) + 0x7f7f7f7fu;
            memcpy(planes + (k * fours + j) * PLANE, &all, PLANE);
            even &= 0x00ff00ffu;
            odd &= 0x00ff00ffu;
        }
    }
}

INLINE void expand_tq2_0(const w16 *w, uint8_t *planes) {
    for (size_t j = 0; j < 2 * FOURS; j++) {
        uint8_t *half = planes + (j / FOURS * 4 * FOURS + j % FOURS) * PLANE;
        w32 all;
        join(w, j, &all);
        UNROLL
        for (uint32_t k = 0; k < 4; k++) {
            w32 four = (all >> 2 * k & 0x03030303u) + 0x7f7f7f7fu;
            memcpy(half + k * FOURS * PLANE, &four, PLANE);
        }
    }
}

// A block of TQ as eight blocks of Q8_0.
INLINE void expand_tq(as_coded type, const w16 *w, uint8_t *planes, w8 *beside) {
    const w16 *d = type == AS_CODED_TQ1_0 ? w + 26 : w + 32;
    for (size_t p = 0; p < PARTS; p++) memcpy(beside + 2 * p, d, sizeof *d);
    if (type == AS_CODED_TQ2_0) {
        expand_tq2_0(w, planes);
        return;
    }
    expand_thirds(w, 8, 5, planes);
    expand_thirds(w + 16, 4, 5, planes + 40 * PLANE);
    expand_thirds(w + 24, 1, 4, planes + 60 * PLANE);
}

// A block's bytes some way ahead are asked of memory beforehand.
INLINE void ask(const w16 *words, size_t size) {
    enum { FAR = 8192 };
    for (size_t at = 0; at < size; at += 64) __builtin_prefetch((const char *)words + FAR + at);
}

#define EXPAND(type, block)                                                                        \
    case type:                                                                                     \
        for (size_t b = 0; b < blocks; b++, words += as_coded_size(type) / 2) {                    \
            ask(words, as_coded_size(type) * AS_PANEL);                                            \
            block;                                                                                 \
            planes += SUPER * AS_PANEL;                                                            \
            beside += beside_size / sizeof *beside;                                                \
        }                                                                                          \
        break
#define EXPAND_IQ(type) EXPAND(type, expand_iq(type, table, words, planes, beside))
#define EXPAND_TQ(type) EXPAND(type, expand_tq(type, words, planes, beside))

static void coded_panel(const as_matrix *w, size_t panel, const void *table, const as_matrix *out,
                        size_t at) {
    const as_coded type = (as_coded)(w->coded - 1);
    const size_t blocks = w->cols / SUPER;
    const w16 *words = (const w16 *)w->values + panel * as_coded_row_size(type, w->cols) / 2;
    if (type == AS_CODED_NVFP4) {
        as_coded_nvfp4_panel(w, panel, out, at);
        return;
    }
    const size_t beside_size = as_matrix_scales_size(out->type, AS_PANEL, SUPER);
    uint8_t *planes = (uint8_t *)out->values + at * AS_PANEL * w->cols;
    w8 *beside = (w8 *)out->scales + at * blocks * beside_size / sizeof *beside;
    switch (type) {
        EXPAND_IQ(AS_CODED_IQ1_S);
        EXPAND_IQ(AS_CODED_IQ1_M);
        EXPAND_IQ(AS_CODED_IQ2_XXS);
        EXPAND_IQ(AS_CODED_IQ2_XS);
        EXPAND_IQ(AS_CODED_IQ2_S);
        EXPAND_IQ(AS_CODED_IQ3_XXS);
        EXPAND_IQ(AS_CODED_IQ3_S);
        EXPAND_TQ(AS_CODED_TQ1_0);
        EXPAND_TQ(AS_CODED_TQ2_0);
    case AS_CODED_NVFP4:
        break;
    }
}

#endif
