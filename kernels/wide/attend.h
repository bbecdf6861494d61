// SPDX-License-Identifier: Apache-2.0
// attend.h - attention over pieces of a text, for the wide tables.
//
// Included once by each table, after template.h. Register tiles are those of the float
// products: the 16 slots of a head, or 16 values, are the lanes, so every output keeps its chain.
// Slots outside a piece are not read: another thread may be writing them.
#ifndef AS_ATTEND_H
#define AS_ATTEND_H

#include "kernels/kv.h"

// Queries of a tile, and those whose keys nobody has to ask for: there is enough to do meanwhile.
enum { ATTEND_ROWS = 6, ATTEND_BUSY = 16 };

// There are registers for four pieces beside the queries of a tile.
#define ATTEND_WIDE (ATTEND_SUMS >= 4 * ATTEND_ROWS)

#ifndef V_LOADS_MASKED // else the table has them
INLINE v16 v_load_half_n(const uint16_t *p, size_t n) {
    uint16_t halves[16] = {0};
    memcpy(halves, p, n * sizeof *p);
    return v_load_half(halves);
}

INLINE v16 v_load_i8_n(const uint8_t *p, size_t n) {
    uint8_t bytes[16] = {0};
    memcpy(bytes, p, n);
    return v_load_i8(bytes);
}
#endif

// Scales of the keys' block, slot by slot. Only Q8_0 has any.
INLINE v16 load_key_scales(as_kv kv, bool whole, size_t width, const as_piece *p, size_t block) {
    if (kv != AS_KV_Q8_0) return v_zero();
    const uint8_t *scales = (const uint8_t *)p->head + kv_key_scales_at(width);
    const uint16_t *at = (const uint16_t *)(const void *)scales + block * AS_PANEL + p->slot;
    return whole ? v_load_half(at) : v_load_half_n(at, p->count);
}

INLINE v16 load_keys(as_kv kv, bool whole, const as_piece *p, size_t k, v16 scales) {
    size_t at = k * AS_PANEL + p->slot;
    if (kv == AS_KV_F32) {
        const float *keys = (const float *)p->head + at;
        return whole ? v_load(keys) : v_load_n(keys, p->count);
    }
    if (kv == AS_KV_F16) {
        const uint16_t *keys = (const uint16_t *)p->head + at;
        return whole ? v_load_half(keys) : v_load_half_n(keys, p->count);
    }
    const uint8_t *keys = (const uint8_t *)p->head + at;
    v16 codes = whole ? v_load_i8(keys) : v_load_i8_n(keys, p->count);
    return v_mul(codes, scales);
}

// What comes next of a cache are some KiB that no neighbour in memory announces: they are asked for
// line by line, while as much of what is there is worked on. NULL: nothing more.
INLINE void ask_for(const uint8_t *next, size_t at, size_t size) {
    if (!next) return;
    for (size_t line = (at + 63) / 64 * 64; line < at + size; line += 64)
        __builtin_prefetch(next + line);
}

// `whole` pieces are all 16 slots of their heads. `pieces` and `rows` are constants after inlining.
// The bytes at next[i] are asked for, as many as the keys of a piece.
INLINE void tile_keys(as_kv kv, bool whole, size_t width, const as_piece *p, size_t pieces,
                      const uint8_t *const *next, const float *q, size_t rows, float *scores,
                      size_t stride) {
    v16 acc[ATTEND_SUMS];
    UNROLL
    for (size_t i = 0; i < pieces * rows; i++) acc[i] = v_zero();
    for (size_t begin = 0; begin < width; begin += AS_QBLOCK) {
        size_t end = MIN(begin + AS_QBLOCK, width);
        v16 scales[4], keys[4];
        UNROLL
        for (size_t i = 0; i < pieces; i++)
            scales[i] = load_key_scales(kv, whole, width, p + i, begin / AS_QBLOCK);
        for (size_t k = begin; k < end; k++) {
            UNROLL
            for (size_t i = 0; i < pieces; i++) {
                const size_t size = AS_PANEL * kv_unit(kv);
                if (next) ask_for(next[i], k * size, size);
                keys[i] = load_keys(kv, whole, p + i, k, scales[i]);
            }
            UNROLL
            for (size_t m = 0; m < rows; m++) {
                v16 qk = v_set1(q[m * width + k]);
                UNROLL
                for (size_t i = 0; i < pieces; i++)
                    acc[m * pieces + i] = v_fma(keys[i], qk, acc[m * pieces + i]);
            }
        }
    }
    for (size_t m = 0; m < rows; m++) {
        for (size_t i = 0; i < pieces; i++) {
            float *at = scores + m * stride + p[i].at;
            if (whole)
                v_store(at, acc[m * pieces + i]);
            else
                v_store_n(at, acc[m * pieces + i], p[i].count);
        }
    }
}

// As many pieces, or panels of values, as `rows` rows have accumulators for.
INLINE size_t beside(size_t rows, size_t group) {
    return 4 * rows <= ATTEND_SUMS ? group : 2 * rows <= ATTEND_SUMS ? MIN(group, 2) : 1;
}

// `rows` rows against `group` pieces, 4 at most.
INLINE void row_keys(as_kv kv, bool whole, size_t width, const as_piece *p, size_t group,
                     const uint8_t *const *next, const float *q, size_t rows, float *scores,
                     size_t stride) {
    const size_t wide = beside(rows, group);
    for (size_t i = 0; i < group; i += wide)
        tile_keys(kv, whole, width, p + i, wide, next ? next + i : NULL, q, rows, scores, stride);
}

// All rows.
INLINE void group_keys(as_kv kv, bool whole, size_t width, const as_piece *p, size_t group,
                       const uint8_t *const *next, const float *q, size_t count, float *scores,
                       size_t stride) {
    const size_t twice = 2 * ATTEND_ROWS; // beside a single piece
    while (count) {
        const bool many = group == 1 && ATTEND_WIDE && count >= twice;
        const size_t rows = many ? twice : count >= ATTEND_ROWS ? ATTEND_ROWS : MIN(count, 4);
        if (many)
            row_keys(kv, whole, width, p, group, next, q, twice, scores, stride);
        else if (rows == ATTEND_ROWS)
            row_keys(kv, whole, width, p, group, next, q, ATTEND_ROWS, scores, stride);
        else if (rows == 4)
            row_keys(kv, whole, width, p, group, next, q, 4, scores, stride);
        else if (rows == 3)
            row_keys(kv, whole, width, p, group, next, q, 3, scores, stride);
        else if (rows == 2)
            row_keys(kv, whole, width, p, group, next, q, 2, scores, stride);
        else
            row_keys(kv, whole, width, p, group, next, q, 1, scores, stride);
        q += rows * width;
        scores += rows * stride;
        count -= rows;
        next = NULL;
    }
}

// What is asked for while the keys of a piece are worked on: those of piece `at`, behind the last
// one the values of the first.
INLINE const uint8_t *behind_keys(as_kv kv, size_t width, const as_piece *pieces,
                                  size_t piece_count, size_t at) {
    if (at < piece_count) return pieces[at].head;
    return (const uint8_t *)pieces[(at - piece_count) % piece_count].head + kv_values_at(kv, width);
}

INLINE void all_keys(as_kv kv, size_t width, const as_piece *pieces, size_t piece_count,
                     const float *q, size_t count, float *scores, size_t stride) {
    for (size_t i = 0, n; i < piece_count; i += n) {
        const as_piece *p = pieces + i;
        const uint8_t *next[4];
        size_t whole = 0;
        n = MIN(piece_count - i, 4);
        while (whole < n && p[whole].count == AS_PANEL) whole++;
        if (!ATTEND_WIDE && whole < 4) n = 1;
        for (size_t j = 0; j < 4; j++)
            next[j] = behind_keys(kv, width, pieces, piece_count, i + 4 + j);
        if (whole == 4 && count >= ATTEND_BUSY)
            group_keys(kv, true, width, p, 4, NULL, q, count, scores, stride);
        else if (whole == 4)
            group_keys(kv, true, width, p, 4, next, q, count, scores, stride);
        else if (!ATTEND_WIDE && whole)
            group_keys(kv, true, width, p, 1, next, q, count, scores, stride);
        else if (!ATTEND_WIDE || n == 1)
            group_keys(kv, false, width, p, 1, next, q, count, scores, stride);
        else if (n == 2)
            group_keys(kv, false, width, p, 2, next, q, count, scores, stride);
        else if (n == 3)
            group_keys(kv, false, width, p, 3, next, q, count, scores, stride);
        else
            group_keys(kv, false, width, p, 4, next, q, count, scores, stride);
    }
}

static void attend_keys(as_kv kv, size_t width, const as_piece *pieces, size_t piece_count,
                        const float *q, size_t count, float *scores, size_t stride) {
    if (kv == AS_KV_F32)
        all_keys(AS_KV_F32, width, pieces, piece_count, q, count, scores, stride);
    else if (kv == AS_KV_F16)
        all_keys(AS_KV_F16, width, pieces, piece_count, q, count, scores, stride);
    else
        all_keys(AS_KV_Q8_0, width, pieces, piece_count, q, count, scores, stride);
}

// Values 16 * panel .. of a slot.
INLINE v16 load_values(as_kv kv, size_t width, const uint8_t *values, const uint16_t *scales,
                       size_t slot, size_t panel) {
    size_t at = slot * kv_room(width) + panel * AS_PANEL;
    if (kv == AS_KV_F32) return v_load((const float *)(const void *)values + at);
    if (kv == AS_KV_F16) return v_load_half((const uint16_t *)(const void *)values + at);
    float d = half_to_float(scales[slot * kv_blocks(width) + panel * AS_PANEL / AS_QBLOCK]);
    return v_mul(v_load_i8(values + at), v_set1(d));
}

INLINE void tile_values(as_kv kv, size_t width, const as_piece *pieces, size_t piece_count,
                        size_t panel, size_t panels, const float *weights, size_t stride,
                        size_t rows, bool ask, float *y, size_t y_stride) {
    v16 acc[ATTEND_SUMS];
    UNROLL
    for (size_t m = 0; m < rows; m++) {
        UNROLL
        for (size_t i = 0; i < panels; i++)
            acc[m * panels + i] = v_load(y + m * y_stride + (panel + i) * AS_PANEL);
    }
    for (const as_piece *p = pieces; p < pieces + piece_count; p++) {
        const uint8_t *head = p->head, *values = head + kv_values_at(kv, width), *next = NULL;
        const size_t ahead = 8 / panels;
        if (ask && (size_t)(pieces + piece_count - p) > ahead)
            next = (const uint8_t *)p[ahead].head + kv_values_at(kv, width) +
                   p[ahead].slot * kv_room(width) * kv_unit(kv);
        const uint16_t *scales = NULL;
        if (kv == AS_KV_Q8_0)
            scales = (const uint16_t *)(const void *)(head + kv_value_scales_at(width));
        for (size_t j = 0; j < p->count; j++) {
            v16 v[4];
            UNROLL
            for (size_t i = 0; i < panels; i++)
                v[i] = load_values(kv, width, values, scales, p->slot + j, panel + i);
            const size_t size = AS_PANEL * kv_unit(kv);
            ask_for(next, (j * kv_room(width) / AS_PANEL + panel) * size, panels * size);
            UNROLL
            for (size_t m = 0; m < rows; m++) {
                v16 weight = v_set1(weights[m * stride + p->at + j]);
                UNROLL
                for (size_t i = 0; i < panels; i++)
                    acc[m * panels + i] = v_fma(v[i], weight, acc[m * panels + i]);
            }
        }
    }
    for (size_t m = 0; m < rows; m++)
        for (size_t i = 0; i < panels; i++)
            v_store(y + m * y_stride + (panel + i) * AS_PANEL, acc[m * panels + i]);
}

// `rows` rows, `group` panels of values (4 or 1).
INLINE void row_values(as_kv kv, size_t width, const as_piece *pieces, size_t piece_count,
                       size_t panel, size_t group, const float *weights, size_t stride, size_t rows,
                       bool ask, float *y, size_t y_stride) {
    const size_t wide = beside(rows, group);
    for (size_t i = 0; i < group; i += wide)
        tile_values(kv, width, pieces, piece_count, panel + i, wide, weights, stride, rows, ask, y,
                    y_stride);
}

// All rows.
INLINE void group_values(as_kv kv, size_t width, const as_piece *pieces, size_t piece_count,
                         size_t panel, size_t group, const float *weights, size_t stride,
                         size_t count, float *y, size_t y_stride) {
    bool ask = true;
    while (count) {
        const size_t rows = count >= ATTEND_ROWS ? ATTEND_ROWS : MIN(count, 4);
        if (rows == ATTEND_ROWS)
            row_values(kv, width, pieces, piece_count, panel, group, weights, stride, ATTEND_ROWS,
                       ask, y, y_stride);
        else if (rows == 4)
            row_values(kv, width, pieces, piece_count, panel, group, weights, stride, 4, ask, y,
                       y_stride);
        else if (rows == 3)
            row_values(kv, width, pieces, piece_count, panel, group, weights, stride, 3, ask, y,
                       y_stride);
        else if (rows == 2)
            row_values(kv, width, pieces, piece_count, panel, group, weights, stride, 2, ask, y,
                       y_stride);
        else
            row_values(kv, width, pieces, piece_count, panel, group, weights, stride, 1, ask, y,
                       y_stride);
        weights += rows * stride;
        y += rows * y_stride;
        count -= rows;
        ask = false;
    }
}

INLINE void all_values(as_kv kv, size_t width, const as_piece *pieces, size_t piece_count,
                       size_t panel, size_t panel_end, const float *weights, size_t stride,
                       size_t count, float *y, size_t y_stride) {
    for (; panel + 4 <= panel_end; panel += 4)
        group_values(kv, width, pieces, piece_count, panel, 4, weights, stride, count, y, y_stride);
    for (; panel + 2 <= panel_end; panel += 2)
        group_values(kv, width, pieces, piece_count, panel, 2, weights, stride, count, y, y_stride);
    for (; panel < panel_end; panel++)
        group_values(kv, width, pieces, piece_count, panel, 1, weights, stride, count, y, y_stride);
}

static void attend_values(as_kv kv, size_t width, const as_piece *pieces, size_t piece_count,
                          size_t panel_begin, size_t panel_end, const float *weights, size_t stride,
                          size_t count, float *y, size_t y_stride) {
    if (kv == AS_KV_F32)
        all_values(AS_KV_F32, width, pieces, piece_count, panel_begin, panel_end, weights, stride,
                   count, y, y_stride);
    else if (kv == AS_KV_F16)
        all_values(AS_KV_F16, width, pieces, piece_count, panel_begin, panel_end, weights, stride,
                   count, y, y_stride);
    else
        all_values(AS_KV_Q8_0, width, pieces, piece_count, panel_begin, panel_end, weights, stride,
                   count, y, y_stride);
}

#endif
