// SPDX-License-Identifier: Apache-2.0
// unpacked.h - quantized weights times many activation rows. Two panels are unpacked, a stretch of
// k at a time, to what Q8_0 has in memory: bytes with 128 for zero; and scales to floats. Then all
// rows go over them, which share that work, and both panels share what is loaded of a row.
//
// Included by avx512.c alone, after kernels/wide/quant.h.
#ifndef AS_UNPACKED_H
#define AS_UNPACKED_H

enum {
    PAIR = 2,
    PAIR_ROWS = 4, // of a tile: 8 sums, 8 accumulators, and what is loaded
    STRETCH = 768, // weights of a row; with PAIR that is half of the first cache
};

typedef struct stretch {
    __m512i codes[PAIR][STRETCH / 4];
    v16 scales[PAIR][STRETCH / 16], mins[PAIR][STRETCH / 16]; // by group
    const uint8_t *next[PAIR]; // the same stretch of the next pair's planes
    const uint8_t *next_beside[PAIR];
    size_t next_size, next_beside_size;
} stretch;

// Four j as an unsigned byte that is the weight's integer + 128; as the code where there are
// minima.
INLINE __m512i shifted_four(as_wtype type, const uint8_t *planes, int j) {
    const wfacts facts = wfacts_of(type);
    __m512i w = load_four(type, planes, j);
    if (facts.table || facts.mins || facts.zero == 128) return w;
    return _mm512_add_epi8(w, _mm512_set1_epi8((char)(128 - facts.zero)));
}

// Weights from..from+n-1 of a panel's rows.
INLINE void unpack_panel(as_wtype type, const as_matrix *w, size_t panel, size_t from, size_t n,
                         __m512i *codes, v16 *scales, v16 *mins) {
    const wfacts facts = wfacts_of(type);
    const size_t inner = facts.block / AS_QBLOCK, groups = AS_QBLOCK / facts.group;
    size_t block = panel * (w->cols / facts.block) + from / facts.block;
    const uint8_t *planes = (const uint8_t *)w->values + block * inner * planes_size(facts);
    const uint8_t *beside = (const uint8_t *)w->scales + block * beside_size(facts);
    for (size_t b = 0; b < n / facts.block; b++, beside += beside_size(facts)) {
        const uint16_t *halves = (const uint16_t *)(const void *)beside;
        const uint8_t *group = beside + (facts.mins ? 4 : 2) * AS_PANEL;
        v16 d = facts.bf16 ? v_load_bf16(halves) : v_load_half(halves);
        v16 min = facts.mins ? v_load_half(halves + AS_PANEL) : v_zero();
        for (size_t i = 0; i < inner; i++, planes += planes_size(facts)) {
            v16 s[2], m[2];
            group_scales(type, d, min, group, s, m);
            group += groups * group_size(facts);
            for (size_t g = 0; g < groups; g++) {
                *scales++ = s[g];
                if (facts.mins) *mins++ = m[g];
            }
            if (facts.low == 8) continue; // they are in memory as they are to be
            UNROLL
            for (int j = 0; j < FOURS; j++) *codes++ = shifted_four(type, planes, j);
        }
    }
}

// Adds a group of both panels to acc[rows][PAIR]; q is the group's part of the first row.
INLINE void add_group(size_t group, bool mins, const __m512i *codes[PAIR], const v16 s[PAIR],
                      const v16 min[PAIR], const int8_t *q, const float *d, const float *sums,
                      const int32_t *offsets, size_t cols, size_t rows, v16 *acc) {
    const size_t blocks = cols / AS_QBLOCK, apart = cols / group;
    __m512i dots[PAIR_ROWS * PAIR];
    UNROLL
    for (size_t m = 0; m < rows; m++)
        dots[PAIR * m] = dots[PAIR * m + 1] =
            mins ? _mm512_setzero_si512() : _mm512_set1_epi32(offsets[m * apart]);
    UNROLL
    for (size_t j = 0; j < group / 4; j++) {
        __m512i low = codes[0][j], high = codes[1][j];
        UNROLL
        for (size_t m = 0; m < rows; m++) {
            __m512i four = _mm512_set1_epi32(load_dword(q + m * cols + 4 * j));
            dots[PAIR * m] = _mm512_dpbusd_epi32(dots[PAIR * m], low, four);
            dots[PAIR * m + 1] = _mm512_dpbusd_epi32(dots[PAIR * m + 1], high, four);
        }
    }
    UNROLL
    for (size_t m = 0; m < rows; m++) {
        v16 dm = v_set1(d[m * blocks]);
        float part = 0.0f;
        if (mins)
            part =
                group == 32 ? sums[m * blocks] : d[m * blocks] * (float)(offsets[m * apart] / -128);
        UNROLL
        for (size_t p = 0; p < PAIR; p++) {
            v16 *a = acc + PAIR * m + p;
            *a = v_fma(v_mul(s[p], dm), _mm512_cvtepi32_ps(dots[PAIR * m + p]), *a);
            if (mins) *a = v_fma(min[p], v_set1(part), *a);
        }
    }
}

// `rows` activation rows from `row` on, weights from..from+n-1. The sums of a row up to there are
// in y: a chain may be put down and taken up again.
INLINE void pair_tile(size_t group, bool mins, const stretch *u, const __m512i *const codes[PAIR],
                      size_t from, size_t n, const as_qrows *x, size_t row, size_t rows, float *y,
                      size_t y_stride, size_t left) {
    const size_t cols = x->cols, second = left < 2 * AS_PANEL ? left - AS_PANEL : AS_PANEL;
    const __m512i *at[PAIR] = {codes[0], codes[1]};
    const size_t block = (row * cols + from) / AS_QBLOCK, each = AS_QBLOCK / group;
    const int32_t *offsets = group == 32 ? x->offsets + block : x->halves + 2 * block;
    const float *d = x->d + block, *sums = x->sums + block;
    const int8_t *q = x->q + block * AS_QBLOCK;
    v16 acc[PAIR_ROWS * PAIR];
    UNROLL
    for (size_t m = 0; m < rows; m++) {
        const float *in = y + m * y_stride;
        acc[PAIR * m] = from ? v_load(in) : v_zero();
        acc[PAIR * m + 1] = from ? v_load_n(in + AS_PANEL, second) : v_zero();
    }
    for (size_t g = 0; g < n / group; g += each, d++, sums++) {
        UNROLL
        for (size_t i = 0; i < each; i++, q += group, offsets++) {
            const v16 s[PAIR] = {u->scales[0][g + i], u->scales[1][g + i]};
            v16 min[PAIR] = {v_zero(), v_zero()};
            if (mins) {
                min[0] = u->mins[0][g + i];
                min[1] = u->mins[1][g + i];
            }
            add_group(group, mins, at, s, min, q, d, sums, offsets, cols, rows, acc);
            at[0] += group / 4;
            at[1] += group / 4;
        }
    }
    UNROLL
    for (size_t m = 0; m < rows; m++) {
        float *out = y + m * y_stride;
        v_store(out, acc[PAIR * m]);
        v_store_n(out + AS_PANEL, acc[PAIR * m + 1], second);
    }
}

// What the next pair needs comes into the second cache meanwhile, a part with each tile.
INLINE void ask_next(const stretch *u, size_t m, size_t count) {
    size_t part = (u->next_size * PAIR_ROWS / count + 63) / 64 * 64, at = m / PAIR_ROWS * part;
    for (size_t p = 0; p < PAIR; p++)
        for (size_t i = at; i < at + part && i < u->next_size; i += 64)
            __builtin_prefetch(u->next[p] + i, 0, 2);
    if (m) return;
    for (size_t p = 0; p < PAIR; p++)
        for (size_t i = 0; i < u->next_beside_size; i += 64)
            __builtin_prefetch(u->next_beside[p] + i, 0, 2);
}

INLINE void pair_rows(size_t group, bool mins, const stretch *u, const __m512i *const codes[PAIR],
                      size_t from, size_t n, const as_qrows *x, size_t count, float *y,
                      size_t y_stride, size_t left) {
    size_t m = 0;
    for (; m + PAIR_ROWS <= count; m += PAIR_ROWS) {
        ask_next(u, m, count);
        pair_tile(group, mins, u, codes, from, n, x, m, PAIR_ROWS, y + m * y_stride, y_stride,
                  left);
    }
    for (; m < count; m++)
        pair_tile(group, mins, u, codes, from, n, x, m, 1, y + m * y_stride, y_stride, left);
}

#define PAIR_CASE(type)                                                                            \
    case type:                                                                                     \
        for (size_t p = 0; p < PAIR; p++)                                                          \
            unpack_panel(type, w, panel + p, from, n, u->codes[p], u->scales[p], u->mins[p]);      \
        break

// Panels panel and panel+1.
static void unpack_pair(const as_matrix *w, size_t panel, size_t from, size_t n, stretch *u) {
    switch (w->type) {
        PAIR_CASE(AS_W_Q8_0);
        PAIR_CASE(AS_W_Q4_0);
        PAIR_CASE(AS_W_Q4_1);
        PAIR_CASE(AS_W_Q5_0);
        PAIR_CASE(AS_W_Q5_1);
        PAIR_CASE(AS_W_Q2_K);
        PAIR_CASE(AS_W_Q3_K);
        PAIR_CASE(AS_W_Q4_K);
        PAIR_CASE(AS_W_Q5_K);
        PAIR_CASE(AS_W_Q6_K);
        PAIR_CASE(AS_W_IQ4_NL);
        PAIR_CASE(AS_W_IQ4_XS);
        PAIR_CASE(AS_W_MXFP4);
        PAIR_CASE(AS_W_Q8_16);
    case AS_W_F32:
    case AS_W_F16:
    case AS_W_BF16:
        break;
    }
}

static void matmul_pairs(const as_matrix *w, size_t panel_begin, size_t panel_end,
                         const as_qrows *x, size_t count, float *y, size_t y_stride) {
    const wfacts facts = wfacts_of(w->type);
    stretch u;
    for (size_t panel = panel_begin; panel + PAIR <= panel_end; panel += PAIR) {
        const size_t left = w->rows - panel * AS_PANEL;
        float *out = y + panel * AS_PANEL;
        for (size_t from = 0, n; from < w->cols; from += n) {
            n = MIN(w->cols - from, STRETCH);
            unpack_pair(w, panel, from, n, &u);
            size_t block_size = planes_size(facts);
            u.next_size = panel + 2 * PAIR <= panel_end ? n / AS_QBLOCK * block_size : 0;
            u.next_beside_size = u.next_size ? n / facts.block * beside_size(facts) : 0;
            for (size_t p = 0; p < PAIR; p++) {
                size_t ahead = (panel + PAIR + p) * w->cols + from;
                u.next[p] = (const uint8_t *)w->values + ahead / AS_QBLOCK * block_size;
                u.next_beside[p] =
                    (const uint8_t *)w->scales + ahead / facts.block * beside_size(facts);
            }
            const __m512i *codes[PAIR] = {u.codes[0], u.codes[1]};
            for (size_t p = 0; facts.low == 8 && p < PAIR; p++)
                codes[p] = (const __m512i *)w->values + ((panel + p) * w->cols + from) / 4;
            if (facts.group == 16 && facts.mins)
                pair_rows(16, true, &u, codes, from, n, x, count, out, y_stride, left);
            else if (facts.group == 16)
                pair_rows(16, false, &u, codes, from, n, x, count, out, y_stride, left);
            else if (facts.mins)
                pair_rows(32, true, &u, codes, from, n, x, count, out, y_stride, left);
            else
                pair_rows(32, false, &u, codes, from, n, x, count, out, y_stride, left);
        }
    }
}

#endif
