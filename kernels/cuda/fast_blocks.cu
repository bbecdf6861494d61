// SPDX-License-Identifier: Apache-2.0
// fast_blocks.cu - products with quantized weights on the tensor cores, in halves: the other form
// of products.cu, as fast.cu is that of floats.cu. Weights stay quantized in memory and in shared
// memory; a warp makes halves of them in registers, v * s + m each, rounded once. Rows are halves,
// too. 256 columns are summed up from 0 in steps of 16, and their sums in order, k ascending: so it
// is however many rows there are, and a row's bits do not depend on the others.
//
// With w = s v + m as in blocks.h and the exact sum S of w x, where |x| <= 65504,
//   |y - S| <= (2^-10 + cols 2^-21) sum |w x| + 2^-25 sum |w|
// for types whose s and m are a half each: Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, IQ4_NL. Those of the
// others are rounded to halves, 64 times as large so that small ones do not lose bits. With
// W = |s v| + |m|
//   |y - S| <= (3 2^-11 + cols 2^-21) sum W |x| + 2^-25 sum W + 2^-24 sum |x|
// |w| is at most 65504, or 1023 where it is 64 times as large: what is larger is infinite.
#include "kernels/cuda/dialect.h"

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/fragments.cuh"
#include "kernels/cuda/grid.cuh"

enum {
    SEGMENT = SUPER / 32, // blocks of 32 columns that are summed up on their own
    CODED_WARPS = 8,      // of a block
    CODED_RING = 2,       // segments that a warp has under way
    CODED_SUMS = 8 * 20,  // floats: 16 of each of 8 rows, 20 apart for the banks
    CODED_PANELS = 2,     // of a warp
    CODED_TILES = AS_CUDA_FAST_CODED_ROWS / AS_CUDA_TILE,
    CODED_OUT = AS_CUDA_FAST_CODED_PANELS * AS_PANEL,
    CODED_THREADS = 256,
    CODED_DEEP = 2, // blocks of 32 columns of a stage
    CODED_STAGES = 3,
};

// --- halves -----------------------------------------------------------------------------------

AS_DEVICE bool larger_scales(const as_wtype type) {
    const wfacts facts = wfacts_of(type);
    return facts.block == SUPER || facts.bf16;
}

// s below and m above of row r: `group` is where its group's bytes are, if it has some.
AS_DEVICE uint32_t half_scales(const as_wtype type, const uint8_t *beside, const uint8_t *group,
                               uint32_t r) {
    const wfacts facts = wfacts_of(type);
    const uint16_t *halves = (const uint16_t *)(const void *)beside;
    const uint16_t d = halves[r], m = facts.mins ? halves[AS_PANEL + r] : (uint16_t)0;
    if (!larger_scales(type)) return d | (uint32_t)m << 16;
    uint8_t scale = 0, min = 0;
    group_bytes(type, group, r, &scale, &min);
    // As group_scale and group_min, by the instruction that widens a half.
    float s = facts.bf16 ? bf16_to_float(d) * 64.0f : widen_half(d) * 64.0f;
    if (facts.eighths)
        s *= 0.125f * (float)scale;
    else if (facts.block == SUPER)
        s *= (float)(int8_t)scale;
    if (!facts.mins) return narrow_half(s);
    return narrow_half(s) | (uint32_t)narrow_half(widen_half(m) * -64.0f * (float)min) << 16;
}

// Of a lane's four columns of a step the pairs of row i, or of row i + 8: codes as the last bits of
// halves between 1024 and 2048.
AS_DEVICE void code_pairs(const as_wtype type, const words *w, uint32_t lane, uint32_t step,
                          uint32_t half, uint32_t pairs[2]) {
    const uint32_t above = 0x64646464u;
    if (!wfacts_of(type).table) {
        const uint32_t codes = take_codes(type, w, lane, 2 * step + half);
        pairs[0] = choose_bytes(codes, above, 0x4140u);
        pairs[1] = choose_bytes(codes, above, 0x4342u);
        return;
    }
    // A word's codes, of one step and the other in turn, choose their values themselves: of either
    // half of the table, and then of both. 128 more than those are no longer signed.
    uint32_t which = w->low[half] & 0x77777777u;
    uint32_t side = (w->low[half] & 0x88888888u) >> 1 | 0x32103210u;
    AS_UNROLL
    for (uint32_t i = 0; i < 2; i++, which >>= 16, side >>= 16) {
        const uint32_t below = choose_bytes(table_word(type, 0) ^ 0x80808080u,
                                            table_word(type, 1) ^ 0x80808080u, which);
        const uint32_t upper = choose_bytes(table_word(type, 2) ^ 0x80808080u,
                                            table_word(type, 3) ^ 0x80808080u, which);
        pairs[i] = choose_bytes(choose_bytes(below, upper, side), above, step ? 0x4341u : 0x4240u);
    }
}

// The fragment of columns 16 step .. of 32. Of those 16 a lane's four are not the ones that the
// instruction calls so, but the same for weights and rows: so no code has to change its lane.
AS_DEVICE void half_fragment(const as_wtype type, const words *w, uint32_t lane, uint32_t step,
                             const uint32_t scales[2], uint32_t a[4]) {
    const wfacts facts = wfacts_of(type);
    const uint32_t zero = facts.table ? 128u : facts.zero;
    AS_UNROLL
    for (uint32_t half = 0; half < 2; half++) { // rows i and i + 8
        uint32_t pairs[2];
        code_pairs(type, w, lane, step, half, pairs);
        AS_UNROLL
        for (uint32_t i = 0; i < 2; i++) {
            // Less what stands for 0 they are exact.
            const uint32_t v = add_halves(pairs[i], (0xe400u + zero) * 0x10001u);
            a[2 * i + half] =
                facts.mins ? scale_halves_above(v, scales[half]) : scale_halves(v, scales[half]);
        }
    }
}

// --- some rows --------------------------------------------------------------------------------

// A panel and 8 rows a block, a segment a warp at a time.
AS_DEVICE void segment_copy(const as_wtype type, const as_cuda_product *a, const uint8_t *values,
                            const uint8_t *scales, uint32_t panel, uint32_t segment, uint8_t *to) {
    const wfacts facts = wfacts_of(type);
    const uint32_t lane = thread_index() % 32, grains = (uint32_t)planes_size(facts) / GRAIN;
    const uint32_t first = segment * SEGMENT, blocks = a->cols / 32;
    if (first < blocks) {
        const uint32_t n =
            facts.block == SUPER || blocks - first > SEGMENT ? (uint32_t)SEGMENT : blocks - first;
        const uint32_t inner = facts.block / 32u;
        const uint8_t *planes = planes_at(type, values, a->cols, panel, first);
        const uint8_t *beside = beside_at(type, scales, a->cols, panel, first);
        AS_UNROLL
        for (uint32_t i = 0; i < SEGMENT * grains; i += 32) {
            const uint32_t g = i + lane;
            if (g < n * grains)
                copy_16(to + g / grains * grains * GRAIN + grain_of(g % grains),
                        planes + g * GRAIN);
        }
        to += SEGMENT * planes_size(facts);
        for (uint32_t g = lane; g < n / inner * beside_size(facts) / GRAIN; g += 32)
            copy_16(to + g * GRAIN, beside + g * GRAIN);
    }
    commit_copies();
}

// The scales of n staged blocks of 32, a row and group each: [group][row]. Those of what is not
// there are 0, and so are its weights.
AS_DEVICE void segment_scales(const as_wtype type, const uint8_t *beside, uint32_t n,
                              uint32_t *out) {
    const wfacts facts = wfacts_of(type);
    const uint32_t groups = 32u / facts.group, inner = facts.block / 32u;
    AS_UNROLL
    for (uint32_t i = 0; i < SEGMENT * groups * AS_PANEL; i += 32) {
        const uint32_t item = i + thread_index() % 32, g = item / AS_PANEL;
        if (facts.block != SUPER && g >= n * groups) {
            out[item] = 0;
            continue;
        }
        const uint8_t *block = beside + g / groups / inner * beside_size(facts);
        const uint8_t *group = block + (size_t)(facts.mins ? 4 : 2) * AS_PANEL +
                               g % (groups * inner) * group_size(facts);
        out[item] = half_scales(type, block, group, item % AS_PANEL);
    }
}

// The sums of a staged segment; its rows are in x.
AS_DEVICE void segment_work(const as_wtype type, const uint8_t *planes, const uint32_t *scales,
                            const words4 x[SEGMENT], float c[4]) {
    const wfacts facts = wfacts_of(type);
    const uint32_t groups = 32u / facts.group, lane = thread_index() % 32;
    AS_UNROLL
    for (uint32_t kb = 0; kb < SEGMENT; kb++) {
        const words w = staged_words(type, planes + kb * planes_size(facts), lane);
        AS_UNROLL
        for (uint32_t step = 0; step < 2; step++) {
            const uint32_t *row =
                scales + (kb * groups + step * (groups - 1)) * AS_PANEL + lane / 4;
            const uint32_t two[2] = {row[0], row[8]};
            uint32_t fragment[4];
            half_fragment(type, &w, lane, step, two, fragment);
            mma_halves(c, fragment, step ? x[kb].z : x[kb].x, step ? x[kb].w : x[kb].y);
        }
    }
}

AS_DEVICE void coded_few(const as_wtype type, const as_cuda_product *a) {
    AS_SHARED(uint8_t, shared);
    const wfacts facts = wfacts_of(type);
    const uint32_t size = (uint32_t)span_size(facts);
    const uint32_t words_size = SUPER / (uint32_t)facts.group * AS_PANEL;
    const uint32_t warp = thread_index() / 32, lane = thread_index() % 32;
    uint8_t *ring = shared + warp * CODED_RING * size;
    uint32_t *scales_of = (uint32_t *)(void *)(shared + CODED_WARPS * CODED_RING * size);
    float(*sums)[CODED_WARPS][CODED_SUMS] =
        (float(*)[CODED_WARPS][CODED_SUMS])(void *)(scales_of + CODED_WARPS * words_size);
    uint32_t panel, from, count;
    const as_cuda_part *part = part_of(a, &panel);
    const uint32_t blocks = a->cols / 32, segments = (blocks + SEGMENT - 1) / SEGMENT;
    const uint32_t first = rows_unit(a) * AS_CUDA_TILE;
    const uint8_t *values = part->values, *scales = part->scales;
    // Weights were there before; but of experts only those that are asked are read.
    for (uint32_t i = 0; !a->order && i < CODED_RING; i++)
        segment_copy(type, a, values, scales, panel, i * CODED_WARPS + warp, ring + i * size);
    wait_for_earlier();
    const uint32_t expert = expert_of(a, &from, &count);
    if (first >= count) return; // of experts: nothing was asked for yet
    values += expert * part->values_stride;
    scales += expert * part->scales_stride;
    for (uint32_t i = 0; a->order && i < CODED_RING; i++)
        segment_copy(type, a, values, scales, panel, i * CODED_WARPS + warp, ring + i * size);
    from += first;
    count -= first;
    if (count > AS_CUDA_TILE) count = AS_CUDA_TILE;
    scales_of += warp * words_size;
    const uint16_t *x = a->quantized.x + (uint64_t)(from / AS_CUDA_TILE) * blocks * 256 + lane * 8;
    const uint32_t row = thread_index() % AS_PANEL, column = thread_index() / AS_PANEL;
    float acc = 0.0f;
    for (uint32_t begin = 0, turn = 0; begin < segments; begin += CODED_WARPS, turn ^= 1) {
        const uint32_t segment = begin + warp, kb = segment * SEGMENT;
        uint8_t *slot = ring + turn * size;
        float c[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        if (segment < segments) {
            const uint32_t n =
                facts.block == SUPER || blocks - kb > SEGMENT ? (uint32_t)SEGMENT : blocks - kb;
            const uint16_t *at = x + (uint64_t)kb * 256;
            words4 next[SEGMENT];
            AS_UNROLL
            for (uint32_t i = 0; i < SEGMENT; i++) {
                next[i] = (words4){0, 0, 0, 0};
                if (i < n && lane / 4 < count) next[i] = load_words4(at + i * 256);
            }
            wait_copies(CODED_RING - 1);
            sync_warp(); // the other lanes' are there, too
            segment_scales(type, slot + SEGMENT * planes_size(facts), n, scales_of);
            sync_warp();
            segment_work(type, slot, scales_of, next, c);
        }
        sync_warp(); // nobody reads the slot any more
        segment_copy(type, a, values, scales, panel, segment + CODED_RING * CODED_WARPS, slot);
        AS_UNROLL
        for (uint32_t i = 0; i < 4; i++)
            sums[turn][warp][(lane % 4 * 2 + i % 2) * 20 + lane / 4 + i / 2 * 8] = c[i];
        sync_block();
        const uint32_t left = segments - begin < CODED_WARPS ? segments - begin : CODED_WARPS;
        for (uint32_t i = 0; column < count && i < left; i++)
            acc += sums[turn][i][column * 20 + row];
    }
    const uint32_t out = panel * AS_PANEL + row;
    if (column < count && out < part->rows)
        part->y[(uint64_t)(from + column) * part->rows + out] =
            larger_scales(type) ? acc * 0x1p-6f : acc;
}

// --- many rows --------------------------------------------------------------------------------

// 16 panels and 80 rows a block, 2 panels and all the rows a warp, so that each weight is made a
// half once a block. CODED_STAGES - 2 stages are on their way while one is worked on and the scales
// of the next are made. The first sums of a segment and those of all before it are in registers.
typedef struct coded_slice {
    uint8_t planes[AS_CUDA_FAST_CODED_PANELS][8 * PLANE];
    uint8_t x[CODED_TILES][512];
    uint8_t beside[AS_CUDA_FAST_CODED_PANELS][6 * GRAIN]; // as of many_slice
} coded_slice;

typedef struct coded_shared {
    coded_slice slices[CODED_STAGES][CODED_DEEP];
    uint32_t scales[2][CODED_DEEP][2][CODED_OUT]; // of each group and row
} coded_shared;

enum {
    CODED_X_AT = AS_CUDA_FAST_CODED_PANELS * 8 * PLANE,
    CODED_BESIDE_AT = CODED_X_AT + CODED_TILES * 512,
};

// What a thread copies of every slice: a grain or two of weights and of rows, and one of what
// stands beside the weights. Addresses are of columns 0.
typedef struct coded_copies {
    const uint8_t *planes[2], *x[2], *beside; // NULL: none
    uint32_t planes_to[2], beside_to;         // bytes into the slice
    uint32_t beside_step;                     // from one slice to the next
} coded_copies;

// Whether grain i of a thread is one of so many bytes.
AS_DEVICE bool copies_grain(const uint32_t bytes, uint32_t i) {
    return (i + 1) * CODED_THREADS * GRAIN <= bytes ||
           (i * CODED_THREADS + thread_index()) * GRAIN < bytes;
}

AS_DEVICE uint32_t coded_planes(const as_wtype type) { // bytes of a slice
    return AS_CUDA_FAST_CODED_PANELS * (uint32_t)planes_size(wfacts_of(type));
}

// Of the panels from `panel` and the tiles from `tile` on; what is past the last one is the last
// one: nothing comes of it.
AS_DEVICE coded_copies coded_plan(const as_wtype type, const as_cuda_product *a,
                                  const uint8_t *values, const uint8_t *scales, uint32_t panel,
                                  uint32_t last_panel, uint32_t tile, uint32_t last_tile) {
    const wfacts facts = wfacts_of(type);
    const uint32_t thread = thread_index(), blocks = a->cols / 32;
    const uint32_t grains = (uint32_t)planes_size(facts) / GRAIN;
    coded_copies c = {{NULL, NULL}, {NULL, NULL}, NULL, {0, 0}, 0, 0};
    AS_UNROLL
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t item = i * CODED_THREADS + thread, p = panel + item / grains;
        if (!copies_grain(coded_planes(type), i)) continue;
        c.planes[i] = planes_at(type, values, a->cols, p < last_panel ? p : last_panel, 0) +
                      item % grains * GRAIN;
        c.planes_to[i] = item / grains * 8 * PLANE + grain_of(item % grains);
    }
    AS_UNROLL
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t t = tile + i * CODED_WARPS + thread / 32;
        c.x[i] = (const uint8_t *)a->quantized.x +
                 (uint64_t)(t < last_tile ? t : last_tile) * blocks * 512 + thread % 32 * GRAIN;
    }
    const uint32_t p = thread / 8, place = thread % 8, heads = facts.mins ? 4 : 2;
    const uint32_t more = 32u / facts.group * (uint32_t)group_size(facts);
    if (p < AS_CUDA_FAST_CODED_PANELS &&
        (place < heads || (place >= 4 && place < 4 + more / GRAIN))) {
        c.beside =
            beside_at(type, scales, a->cols, panel + p < last_panel ? panel + p : last_panel, 0) +
            (place < heads ? place : heads + place - 4) * GRAIN;
        c.beside_to = (uint32_t)CODED_BESIDE_AT + p * 6 * GRAIN + place * GRAIN;
        c.beside_step = facts.block != SUPER ? (uint32_t)beside_size(facts)
                        : place < heads      ? 0
                                             : more;
    }
    return c;
}

// Whether slice kb + u is there, when kb, the first of a stage, is.
AS_DEVICE bool slice_there(const as_wtype type, uint32_t kb, uint32_t u, uint32_t blocks) {
    return !u || wfacts_of(type).block == SUPER || kb + u < blocks;
}

// The slices of a stage from kb on, those there are, into stage `which`; a group of copies in any
// case.
AS_DEVICE void coded_copy(const as_wtype type, const coded_copies *c, uint32_t kb, uint32_t blocks,
                          coded_shared *shared, uint32_t which) {
    const wfacts facts = wfacts_of(type);
    const uint32_t inner = facts.block / 32u;
    if (kb < blocks) {
        uint8_t *to = (uint8_t *)shared->slices[which];
        const uintptr_t beside = (uintptr_t)c->beside +
                                 (uint64_t)(kb / inner) * beside_size(facts) +
                                 kb % inner * c->beside_step; // NULL or not
        AS_UNROLL
        for (uint32_t u = 0; u < CODED_DEEP; u++, to += sizeof(coded_slice)) {
            if (!slice_there(type, kb, u, blocks)) continue;
            AS_UNROLL
            for (uint32_t i = 0; i < 2; i++)
                if (copies_grain(coded_planes(type), i))
                    copy_16(to + c->planes_to[i],
                            c->planes[i] + (uint64_t)(kb + u) * planes_size(facts));
            AS_UNROLL
            for (uint32_t i = 0; i < 2; i++)
                if (copies_grain(CODED_TILES * 512, i))
                    copy_16(to + CODED_X_AT + (i * CODED_THREADS + thread_index()) * GRAIN,
                            c->x[i] + (uint64_t)(kb + u) * 512);
            if (c->beside)
                copy_16(to + c->beside_to, (const uint8_t *)(beside + u * c->beside_step));
        }
    }
    commit_copies();
}

// The scales of the stage that begins at kb: a thread a row.
AS_DEVICE void coded_scales(const as_wtype type, uint32_t kb, uint32_t blocks, coded_shared *shared,
                            uint32_t which, uint32_t turn) {
    const wfacts facts = wfacts_of(type);
    const uint32_t row = thread_index(), groups = 32u / facts.group;
    if (kb >= blocks) return;
    AS_UNROLL
    for (uint32_t u = 0; u < CODED_DEEP; u++) {
        if (!slice_there(type, kb, u, blocks)) continue;
        const uint8_t *beside = shared->slices[which][u].beside[row / AS_PANEL];
        AS_UNROLL
        for (uint32_t g = 0; g < groups; g++)
            shared->scales[turn][u][g][row] = half_scales(
                type, beside, beside + 4 * GRAIN + g * group_size(facts), row % AS_PANEL);
    }
}

// A warp's share of a slice: its panels, from `panel` of the block on.
AS_DEVICE void coded_work(const as_wtype type, const coded_slice *slice, const uint32_t *scales,
                          uint32_t panel, float c[CODED_PANELS][CODED_TILES][4]) {
    enum { AT_ONCE = 5 }; // tiles: between two products of one sum lie nine others
    const uint32_t groups = 32u / wfacts_of(type).group, lane = thread_index() % 32;
    uint32_t fragments[2][CODED_PANELS][4];
    AS_UNROLL
    for (uint32_t p = 0; p < CODED_PANELS; p++) {
        const words w = staged_words(type, slice->planes[panel + p], lane);
        const uint32_t row = (panel + p) * AS_PANEL + lane / 4;
        AS_UNROLL
        for (uint32_t step = 0; step < 2; step++) {
            const uint32_t *of = scales + step * (groups - 1) * CODED_OUT;
            const uint32_t two[2] = {of[row], of[row + 8]};
            half_fragment(type, &w, lane, step, two, fragments[step][p]);
        }
    }
    AS_UNROLL
    for (uint32_t t = 0; t < CODED_TILES; t += AT_ONCE) {
        words4 x[AT_ONCE];
        AS_UNROLL
        for (uint32_t i = 0; i < AT_ONCE; i++) x[i] = load_words4(slice->x[t + i] + lane * GRAIN);
        AS_UNROLL
        for (uint32_t step = 0; step < 2; step++) AS_UNROLL
        for (uint32_t i = 0; i < AT_ONCE; i++) AS_UNROLL
        for (uint32_t p = 0; p < CODED_PANELS; p++)
            mma_halves(c[p][t + i], fragments[step][p], step ? x[i].z : x[i].x,
                       step ? x[i].w : x[i].y);
    }
}

AS_DEVICE void coded_many(const as_wtype type, const as_cuda_product *a) {
    AS_SHARED(coded_shared, shared);
    uint32_t unit, first, count;
    const as_cuda_part *part = part_of(a, &unit);
    const uint32_t expert = expert_of(a, &first, &count);
    const uint32_t warp = thread_index() / 32, lane = thread_index() % 32;
    const uint32_t panels = (part->rows + AS_PANEL - 1) / AS_PANEL, blocks = a->cols / 32;
    const uint32_t rows = rows_unit(a) * AS_CUDA_FAST_CODED_ROWS;
    if (rows >= count) return;
    const uint32_t from = unit * AS_CUDA_FAST_CODED_PANELS, panel = warp * CODED_PANELS;
    const coded_copies copies =
        coded_plan(type, a, part->values + expert * part->values_stride,
                   part->scales + expert * part->scales_stride, from, panels - 1,
                   (first + rows) / AS_CUDA_TILE, (first + count - 1) / AS_CUDA_TILE);
    const bool works = from + panel < panels;
    float c[CODED_PANELS][CODED_TILES][4], acc[CODED_PANELS][CODED_TILES][4];
    AS_UNROLL
    for (uint32_t p = 0; p < CODED_PANELS; p++) AS_UNROLL
    for (uint32_t t = 0; t < CODED_TILES; t++) AS_UNROLL
    for (uint32_t i = 0; i < 4; i++) c[p][t][i] = acc[p][t][i] = 0.0f;
    for (uint32_t i = 0; i < CODED_STAGES - 1; i++)
        coded_copy(type, &copies, i * CODED_DEEP, blocks, shared, i);
    wait_copies(CODED_STAGES - 2);
    sync_block();
    coded_scales(type, 0, blocks, shared, 0, 0);
    uint32_t stage = 0, turn = 0;
    for (uint32_t kb = 0; kb < blocks; kb += CODED_DEEP, turn ^= 1) {
        const uint32_t next = (stage + 1) % CODED_STAGES;
        wait_copies(CODED_STAGES - 3); // the next stage is there
        sync_block(); // and everybody's, and the scales; nobody works on the one before any more
        coded_copy(type, &copies, kb + (CODED_STAGES - 1) * CODED_DEEP, blocks, shared,
                   (stage + CODED_STAGES - 1) % CODED_STAGES);
        coded_scales(type, kb + CODED_DEEP, blocks, shared, next, turn ^ 1);
        AS_UNROLL
        for (uint32_t u = 0; u < CODED_DEEP; u++)
            if (works && slice_there(type, kb, u, blocks))
                coded_work(type, &shared->slices[stage][u], shared->scales[turn][u][0], panel, c);
        stage = next;
        if ((kb + CODED_DEEP) % SEGMENT && kb + CODED_DEEP < blocks) continue;
        AS_UNROLL
        for (uint32_t p = 0; p < CODED_PANELS; p++) AS_UNROLL
        for (uint32_t t = 0; t < CODED_TILES; t++) AS_UNROLL
        for (uint32_t i = 0; i < 4; i++) {
            acc[p][t][i] += c[p][t][i];
            c[p][t][i] = 0.0f;
        }
    }
    if (!works) return;
    AS_UNROLL
    for (uint32_t p = 0; p < CODED_PANELS; p++) AS_UNROLL
    for (uint32_t t = 0; t < CODED_TILES; t++) AS_UNROLL
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t out = (from + panel + p) * AS_PANEL + lane / 4 + i / 2 * 8;
        const uint32_t m = rows + t * AS_CUDA_TILE + lane % 4 * 2 + i % 2;
        if (out < part->rows && m < count)
            part->y[(uint64_t)(first + m) * part->rows + out] =
                larger_scales(type) ? acc[p][t][i] * 0x1p-6f : acc[p][t][i];
    }
}

#define FAST_CODED(name, type)                                                                     \
    AS_KERNEL_EAGER(fast_few_##name, as_cuda_product, 256) {                                       \
        coded_few(type, &a);                                                                       \
    }                                                                                              \
    AS_KERNEL(fast_many_##name, as_cuda_product, 256) {                                            \
        coded_many(type, &a);                                                                      \
    }

FAST_CODED(q8_0, AS_W_Q8_0)
FAST_CODED(q4_0, AS_W_Q4_0)
FAST_CODED(q4_1, AS_W_Q4_1)
FAST_CODED(q5_0, AS_W_Q5_0)
FAST_CODED(q5_1, AS_W_Q5_1)
FAST_CODED(q2_k, AS_W_Q2_K)
FAST_CODED(q3_k, AS_W_Q3_K)
FAST_CODED(q4_k, AS_W_Q4_K)
FAST_CODED(q5_k, AS_W_Q5_K)
FAST_CODED(q6_k, AS_W_Q6_K)
FAST_CODED(iq4_nl, AS_W_IQ4_NL)
FAST_CODED(iq4_xs, AS_W_IQ4_XS)
FAST_CODED(mxfp4, AS_W_MXFP4)
FAST_CODED(q8_16, AS_W_Q8_16)
