// SPDX-License-Identifier: Apache-2.0
// pack.c - from a file's rows to panels of 16, once at load, and back for one row.
#include "kernels/blocks.h"
#include "kernels/coded.h"

static size_t panel_count(size_t rows) {
    return (rows + AS_PANEL - 1) / AS_PANEL;
}

size_t as_matrix_values_size(as_wtype type, size_t rows, size_t cols) {
    wfacts facts = wfacts_of(type);
    if (!facts.group) return panel_count(rows) * AS_PANEL * cols * facts.size;
    return panel_count(rows) * (cols / AS_QBLOCK) * planes_size(facts);
}

size_t as_matrix_scales_size(as_wtype type, size_t rows, size_t cols) {
    wfacts facts = wfacts_of(type);
    return facts.group ? panel_count(rows) * (cols / facts.block) * beside_size(facts) : 0;
}

// Rows of `size`-byte elements into values[panel][cols][16]. A constant `size` makes each memcpy
// one move.
static inline void pack_elements(as_matrix *w, const unsigned char *src, size_t size) {
    unsigned char *values = w->values;
    for (size_t row = 0; row < panel_count(w->rows) * AS_PANEL; row += AS_PANEL) {
        size_t filled = w->rows - row < AS_PANEL ? w->rows - row : AS_PANEL;
        for (size_t k = 0; k < w->cols; k++) {
            unsigned char *to = values + (row * w->cols + k * AS_PANEL) * size;
            const unsigned char *from = src + (row * w->cols + k) * size;
            for (size_t r = 0; r < filled; r++)
                memcpy(to + r * size, from + r * w->cols * size, size);
            memset(to + filled * size, 0, (AS_PANEL - filled) * size);
        }
    }
}

// Codes are moved four at a time: a word is byte 4r..4r+3 of a plane, for a row r. What follows
// makes the words of a row's block, words[32 weights][plane], from those of the file; the layouts
// are told in blocks.c.
enum { WORDS = SUPER / 4 };

static inline uint32_t word_at(const unsigned char *p) {
    uint32_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

// Fours v and v + 4 from the lower or the upper halves of the bytes of a and b.
static inline uint32_t lower_halves(uint32_t a, uint32_t b) {
    return (a & 0x0f0f0f0fu) | (b & 0x0f0f0f0fu) << 4;
}

static inline uint32_t upper_halves(uint32_t a, uint32_t b) {
    return (a >> 4 & 0x0f0f0f0fu) | (b & 0xf0f0f0f0u);
}

// 32 bits, one a weight, as the word of their plane: four j at bit j.
static inline uint32_t spread_bits(uint32_t bits) {
    uint32_t word = 0;
    for (int j = 0; j < FOURS; j++) word |= ((bits >> 4 * j & 15) * 0x00204081u & 0x01010101u) << j;
    return word;
}

// Bit g of 32 bytes, one byte a weight: the same.
static inline uint32_t column_of_bits(const unsigned char *from, size_t g) {
    uint32_t word = 0;
    for (int j = 0; j < FOURS; j++) word |= (word_at(from + 4 * j) >> g & 0x01010101u) << j;
    return word;
}

// Pairs of bits at bit 2s of 32 bytes, one byte a weight, as the two words of their planes.
static inline void columns_of_pairs(const unsigned char *from, size_t s, uint32_t *words) {
    for (int v = 0; v < 2; v++) {
        words[v] = 0;
        for (int i = 0; i < 4; i++)
            words[v] |= (word_at(from + 16 * v + 4 * i) >> 2 * s & 0x03030303u) << 2 * i;
    }
}

// 64 bytes of pairs: each half of 32 bytes holds four runs of 32 weights.
static inline __attribute__((always_inline)) void take_pairs(const unsigned char *from,
                                                             uint32_t *words, size_t step) {
    for (size_t g = 0; g < SUPER / AS_QBLOCK; g++, words += step)
        columns_of_pairs(from + g / 4 * 32, g % 4, words);
}

// 128 bytes of halves, in runs of `run` bytes that hold 2 * run weights.
static inline __attribute__((always_inline)) void take_halves(const unsigned char *from, size_t run,
                                                              uint32_t *words, size_t step) {
    for (size_t g = 0; g < SUPER / AS_QBLOCK; g++, words += step) {
        size_t at = g * AS_QBLOCK % (2 * run);
        const unsigned char *p = from + g * AS_QBLOCK / (2 * run) * run + at % run;
        for (size_t v = 0; v < 4; v++) {
            uint32_t a = word_at(p + 4 * v), b = word_at(p + 16 + 4 * v);
            words[v] = at < run ? lower_halves(a, b) : upper_halves(a, b);
        }
    }
}

static inline __attribute__((always_inline)) void
block_words(as_wtype type, const unsigned char *from, uint32_t *words) {
    const wfacts facts = wfacts_of(type);
    const size_t step = (size_t)facts.low + facts.high;
    if (type == AS_W_Q8_0) {
        for (size_t j = 0; j < FOURS; j++) words[j] = word_at(from + 2 + 4 * j) ^ 0x80808080u;
    } else if (facts.block == AS_QBLOCK) {
        from += type == AS_W_MXFP4 ? 1 : facts.mins ? 4 : 2;
        for (size_t v = 0; v < 4; v++) words[v] = word_at(from + (facts.high ? 4 : 0) + 4 * v);
        if (facts.high) words[4] = spread_bits(word_at(from));
    } else if (type == AS_W_Q8_16) {
        for (size_t i = 0; i < WORDS; i++) words[i] = word_at(from + 18 + 4 * i) ^ 0x80808080u;
    } else if (type == AS_W_IQ4_XS) {
        for (size_t i = 0; i < SUPER / 8; i++) words[i] = word_at(from + 8 + 4 * i);
    } else if (type == AS_W_Q2_K) {
        take_pairs(from + 16, words, step);
    } else if (type == AS_W_Q3_K) {
        take_pairs(from + 32, words, step);
        for (size_t g = 0; g < 8; g++) words[g * step + 2] = column_of_bits(from, g);
    } else if (type == AS_W_Q6_K) {
        take_halves(from, 64, words, step);
        take_pairs(from + 128, words + 4, step);
    } else {
        take_halves(from + (facts.high ? 48 : 16), 32, words, step);
        for (size_t g = 0; facts.high && g < 8; g++)
            words[g * step + 4] = column_of_bits(from + 16, g);
    }
}

static void put_u16(uint8_t *at, uint16_t value) {
    memcpy(at, &value, sizeof value);
}

// What stands beside the planes of a block, of row r.
static void pack_beside(wfacts facts, const wblock *block, uint8_t *beside, size_t r) {
    put_u16(beside + 2 * r, block->d);
    beside += 2 * AS_PANEL;
    if (facts.mins) {
        put_u16(beside + 2 * r, block->m);
        beside += 2 * AS_PANEL;
    }
    if (facts.block != SUPER) return;
    for (size_t g = 0; g < SUPER / facts.group; g++) {
        uint8_t scale = (uint8_t)block->scales[g];
        if (facts.mins && facts.group == 16) scale |= (uint8_t)(block->mins[g] << 4);
        beside[r] = scale;
        beside += AS_PANEL;
        if (!facts.mins || facts.group == 16) continue;
        beside[r] = block->mins[g];
        beside += AS_PANEL;
    }
}

static void unpack_beside(wfacts facts, const uint8_t *beside, size_t r, wblock *block) {
    const uint8_t *groups = beside + (facts.mins ? 4 : 2) * AS_PANEL;
    for (size_t g = 0; g < facts.block / facts.group; g++, groups += group_size(facts)) {
        wblock one;
        unpack_group(facts, beside, groups, r, &one);
        block->d = one.d;
        block->m = one.m;
        block->scales[g] = one.scales[0];
        block->mins[g] = one.mins[0];
    }
}

// One block of the file of all rows of a panel. Rows past the last are a block of scale 0.
static inline __attribute__((always_inline)) void
pack_panel_block(as_wtype type, const unsigned char *src, size_t row_size, size_t rows,
                 uint8_t *planes, uint8_t *beside) {
    const wfacts facts = wfacts_of(type);
    const size_t count = (size_t)(facts.block / AS_QBLOCK) * ((size_t)facts.low + facts.high);
    for (size_t r = 0; r < AS_PANEL; r++) {
        uint32_t words[WORDS];
        wblock block;
        if (r < rows) {
            as_block_scales(type, src + r * row_size, &block);
            block_words(type, src + r * row_size, words);
        } else {
            memset(&block, 0, sizeof block);
            memset(words, 0, sizeof words);
        }
        for (size_t i = 0; i < count; i++) memcpy(planes + i * PLANE + 4 * r, &words[i], 4);
        pack_beside(facts, &block, beside, r);
    }
}

static inline __attribute__((always_inline)) void pack_quantized(as_wtype type, const as_matrix *w,
                                                                 const unsigned char *src) {
    const wfacts facts = wfacts_of(type);
    const size_t row_size = w->cols / facts.block * facts.size;
    uint8_t *planes = w->values, *beside = w->scales;
    for (size_t row = 0; row < w->rows; row += AS_PANEL) {
        size_t rows = w->rows - row < AS_PANEL ? w->rows - row : AS_PANEL;
        for (size_t b = 0; b < w->cols / facts.block; b++) {
            pack_panel_block(type, src + row * row_size + b * facts.size, row_size, rows, planes,
                             beside);
            planes += facts.block / AS_QBLOCK * planes_size(facts);
            beside += beside_size(facts);
        }
    }
}

#define EACH_TYPE(type)                                                                            \
    case type:                                                                                     \
        pack_quantized(type, w, src);                                                              \
        break

void as_matrix_pack(as_matrix *w, const void *src) {
    switch (w->type) {
        EACH_TYPE(AS_W_Q8_0);
        EACH_TYPE(AS_W_Q4_0);
        EACH_TYPE(AS_W_Q4_1);
        EACH_TYPE(AS_W_Q5_0);
        EACH_TYPE(AS_W_Q5_1);
        EACH_TYPE(AS_W_Q2_K);
        EACH_TYPE(AS_W_Q3_K);
        EACH_TYPE(AS_W_Q4_K);
        EACH_TYPE(AS_W_Q5_K);
        EACH_TYPE(AS_W_Q6_K);
        EACH_TYPE(AS_W_IQ4_NL);
        EACH_TYPE(AS_W_IQ4_XS);
        EACH_TYPE(AS_W_MXFP4);
        EACH_TYPE(AS_W_Q8_16);
    case AS_W_F32:
        pack_elements(w, src, sizeof(float));
        break;
    case AS_W_F16:
    case AS_W_BF16:
        pack_elements(w, src, sizeof(uint16_t));
        break;
    }
}

static void row_quantized(const as_matrix *w, size_t panel, size_t r, float *x) {
    wfacts facts = wfacts_of(w->type);
    size_t blocks = w->cols / facts.block, inner = facts.block / AS_QBLOCK;
    const uint8_t *planes = w->values, *beside = w->scales;
    planes += panel * blocks * inner * planes_size(facts);
    beside += panel * blocks * beside_size(facts);
    for (size_t b = 0; b < blocks; b++, beside += beside_size(facts)) {
        wblock block = {0};
        unpack_beside(facts, beside, r, &block);
        for (size_t i = 0; i < inner; i++, planes += planes_size(facts)) {
            uint8_t codes[FOURS][PLANE];
            unpack_planes(facts, planes, codes);
            for (size_t j = 0; j < FOURS; j++)
                memcpy(block.codes + i * AS_QBLOCK + 4 * j, codes[j] + 4 * r, 4);
        }
        as_block_values(w->type, &block, x + b * facts.block);
    }
}

void as_matrix_row(const as_matrix *w, size_t row, float *x) {
    if (w->coded) {
        as_coded_row(w, row, x);
        return;
    }
    size_t panel = row / AS_PANEL, r = row % AS_PANEL;
    size_t start = panel * AS_PANEL * w->cols + r;
    if (wfacts_of(w->type).group) {
        row_quantized(w, panel, r, x);
    } else if (w->type == AS_W_F32) {
        const float *values = (const float *)w->values + start;
        for (size_t k = 0; k < w->cols; k++) x[k] = values[k * AS_PANEL];
    } else {
        const uint16_t *values = (const uint16_t *)w->values + start;
        for (size_t k = 0; k < w->cols; k++) {
            uint16_t bits = values[k * AS_PANEL];
            x[k] = w->type == AS_W_F16 ? half_to_float(bits) : bf16_to_float(bits);
        }
    }
}
