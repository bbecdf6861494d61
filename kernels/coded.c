// SPDX-License-Identifier: Apache-2.0
// coded.c - blocks of 256 weights (NVFP4: 64) that no kernel computes with, one block at a time.
// wide/expand.h does the same for 16 rows at once.
//
// An IQ block has eight parts of 32 weights. A part is four runs of eight: an entry of a codebook
// (grids.h), or two of half the length, times signs and a small scale.
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

// A run as a block has it: which entry, or which two, eight signs, the scale in eighths of d. In
// IQ1 the only sign says whether the run is moved down.
typedef struct run {
    unsigned first, second, signs, scale;
} run;

// d; then for each part four bytes of entries and 32 bits: four times seven signs, a scale.
static run run_iq2_xxs(const unsigned char *from, size_t i) {
    const unsigned char *part = from + 2 + 8 * (i / RUNS);
    uint32_t rest = u32_at(part + 4);
    return (run){.first = part[i % RUNS],
                 .signs = even_signs(rest >> 7 * (i % RUNS) & 127),
                 .scale = 2 * (rest >> 28) + 1};
}

// d; 32 words of nine bits of entry and seven signs; eight bytes of two scales each.
static run run_iq2_xs(const unsigned char *from, size_t i) {
    unsigned word = u16_at(from + 2 + 2 * i);
    return (run){.first = word & 511,
                 .signs = even_signs(word >> 9),
                 .scale = 2u * (from[66 + i / RUNS] >> i % RUNS / 2 * 4 & 15) + 1};
}

// d; 32 bytes of entries, 32 of signs, eight of the entries' upper pairs, eight of two scales each.
static run run_iq2_s(const unsigned char *from, size_t i) {
    unsigned high = (unsigned)from[66 + i / RUNS] >> i % RUNS * 2 & 3;
    return (run){.first = from[2 + i] | high << 8,
                 .signs = from[34 + i],
                 .scale = 2u * (from[74 + i / RUNS] >> i % RUNS / 2 * 4 & 15) + 1};
}

// d; 64 bytes of entries; for each part 32 bits: four times seven signs, a scale.
static run run_iq3_xxs(const unsigned char *from, size_t i) {
    const unsigned char *entries = from + 2 + 2 * i;
    uint32_t rest = u32_at(from + 66 + 4 * (i / RUNS));
    return (run){.first = entries[0],
                 .second = entries[1],
                 .signs = even_signs(rest >> 7 * (i % RUNS) & 127),
                 .scale = 4 * (rest >> 28) + 2};
}

// d; 64 bytes of entries, eight of their ninth bits, 32 of signs, four of two parts' scales each.
static run run_iq3_s(const unsigned char *from, size_t i) {
    const unsigned char *entries = from + 2 + 2 * i;
    unsigned ninth = (unsigned)from[66 + i / RUNS] >> i % RUNS * 2;
    return (run){.first = entries[0] | (ninth & 1) << 8,
                 .second = entries[1] | (ninth & 2) << 7,
                 .signs = from[74 + i],
                 .scale = 8 * (2u * (from[106 + i / 8] >> i / RUNS % 2 * 4 & 15) + 1)};
}

// d; 32 bytes of entries; for each part 16 bits: four times three upper bits, a scale, down or up.
static run run_iq1_s(const unsigned char *from, size_t i) {
    unsigned word = u16_at(from + 34 + 2 * (i / RUNS)), high = word >> 3 * (i % RUNS) & 7;
    return (run){
        .first = from[2 + i] | high << 8, .signs = word >> 15, .scale = 2 * (word >> 12 & 7) + 1};
}

// 32 bytes of entries, 16 of two upper threes and directions each, four words of four scales each
// whose upper fours are d.
static run run_iq1_m(const unsigned char *from, size_t i) {
    unsigned high = (unsigned)from[32 + i / 2] >> i % 2 * 4;
    unsigned word = u16_at(from + 48 + i / 8 * 2);
    return (run){.first = from[i] | (high & 7) << 8,
                 .signs = high >> 3 & 1,
                 .scale = 2 * (word >> i % 8 / 2 * 3 & 7) + 1};
}

static uint16_t d_of(as_coded type, const unsigned char *from) {
    unsigned bits = 0;
    if (type != AS_CODED_IQ1_M) return u16_at(from);
    for (size_t i = 0; i < 4; i++) bits |= (unsigned)(from[48 + 2 * i + 1] >> 4) << 4 * i;
    return (uint16_t)bits;
}

static run run_of(as_coded type, const unsigned char *from, size_t i) {
    return type == AS_CODED_IQ2_XXS   ? run_iq2_xxs(from, i)
           : type == AS_CODED_IQ2_XS  ? run_iq2_xs(from, i)
           : type == AS_CODED_IQ2_S   ? run_iq2_s(from, i)
           : type == AS_CODED_IQ3_XXS ? run_iq3_xxs(from, i)
           : type == AS_CODED_IQ3_S   ? run_iq3_s(from, i)
           : type == AS_CODED_IQ1_S   ? run_iq1_s(from, i)
                                      : run_iq1_m(from, i);
}

static const uint16_t *grid_of(as_coded type, size_t *count) {
    bool xxs = type == AS_CODED_IQ2_XXS || type == AS_CODED_IQ3_XXS, two = type == AS_CODED_IQ2_S;
    bool middle = type == AS_CODED_IQ2_XS || type == AS_CODED_IQ3_S;
    *count = xxs ? 256 : middle ? 512 : two ? 1024 : 2048;
    return type == AS_CODED_IQ2_XXS   ? grid_iq2_xxs
           : type == AS_CODED_IQ2_XS  ? grid_iq2_xs
           : type == AS_CODED_IQ2_S   ? grid_iq2_s
           : type == AS_CODED_IQ3_XXS ? grid_iq3_xxs
           : type == AS_CODED_IQ3_S   ? grid_iq3_s
                                      : grid_iq1;
}

static bool is_iq1(as_coded type) {
    return type == AS_CODED_IQ1_S || type == AS_CODED_IQ1_M;
}

static bool is_iq3(as_coded type) {
    return type == AS_CODED_IQ3_XXS || type == AS_CODED_IQ3_S;
}

static bool is_tq(as_coded type) {
    return type == AS_CODED_TQ1_0 || type == AS_CODED_TQ2_0;
}

// The integer of one weight of an entry; of IQ1, eight times it.
static int value_of(as_coded type, unsigned entry, size_t i) {
    if (is_iq1(type)) return 8 * values_1[entry >> 2 * i & 3];
    if (type == AS_CODED_IQ3_S) return 2 * (int)(entry >> 3 * i & 7) + 1;
    return type == AS_CODED_IQ3_XXS ? values_3xxs[entry >> 3 * i & 7]
                                    : values_2[entry >> 2 * i & 3];
}

// A block as Q8_16 has it: scales[GROUPS], values[SUPER]; returns d. All weights of IQ1 are moved
// by an eighth up or down.
static uint16_t take_iq(as_coded type, const unsigned char *from, uint8_t *scales, int8_t *v) {
    size_t count;
    const uint16_t *grid = grid_of(type, &count);
    for (size_t i = 0; i < PARTS * RUNS; i++) {
        run r = run_of(type, from, i);
        scales[i / 2] = (uint8_t)r.scale;
        for (size_t k = 0; k < RUN; k++) {
            bool second = is_iq3(type) && k >= 4;
            int value = value_of(type, grid[second ? r.second : r.first], second ? k - 4 : k);
            if (is_iq1(type))
                value += r.signs ? -1 : 1;
            else if (r.signs >> k & 1)
                value = -value;
            v[i * RUN + k] = (int8_t)value;
        }
    }
    return d_of(type, from);
}

static void decode_iq(as_coded type, const unsigned char *from, float *x) {
    int8_t v[SUPER];
    uint8_t scales[GROUPS];
    float d = half_to_float(take_iq(type, from, scales, v)) * 0.125f;
    for (size_t i = 0; i < SUPER; i++) x[i] = d * (float)scales[i / 16] * (float)v[i];
}

static void recode_iq(as_coded type, const unsigned char *from, unsigned char *out) {
    int8_t v[SUPER];
    put_u16(out, take_iq(type, from, out + 2, v));
    memcpy(out + 2 + GROUPS, v, sizeof v);
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
    if (type == AS_CODED_NVFP4)
        decode_nvfp4(from, x);
    else if (is_tq(type))
        decode_tq(type, from, x);
    else
        decode_iq(type, from, x);
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
    return is_tq(type) ? AS_W_Q4_0 : AS_W_Q8_16;
}

as_wtype as_coded_panel_type(as_coded type) {
    return is_tq(type) ? AS_W_Q8_0 : as_coded_held(type);
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
    size_t block = as_coded_block(type);
    for (size_t i = 0; i < n; i += block, from += as_coded_size(type)) {
        float x[64];
        if (is_tq(type)) {
            recode_tq(type, from, to);
        } else if (type == AS_CODED_NVFP4) {
            decode_nvfp4(from, x);
            for (size_t k = 0; k < block; k++) put_u16(to + 2 * k, as_float_to_half(x[k]));
        } else {
            recode_iq(type, from, to);
        }
        to += as_wtype_size(as_coded_held(type), block);
    }
}

// --- packed -------------------------------------------------------------------------------------

size_t as_coded_row_size(as_coded type, size_t cols) {
    return cols / as_coded_block(type) * as_coded_size(type);
}

size_t as_coded_packed_size(as_coded type, size_t rows, size_t cols) {
    return (rows + AS_PANEL - 1) / AS_PANEL * AS_PANEL * as_coded_row_size(type, cols);
}

void as_coded_pack(as_coded type, size_t rows, size_t cols, const void *src, void *out) {
    const size_t size = as_coded_row_size(type, cols);
    const unsigned char *from = src;
    unsigned char *to = out;
    for (; rows; from += AS_PANEL * size) {
        size_t filled = rows < AS_PANEL ? rows : AS_PANEL;
        for (size_t i = 0; i < size; i += 2, to += 2 * AS_PANEL) {
            for (size_t r = 0; r < filled; r++) memcpy(to + 2 * r, from + r * size + i, 2);
            memset(to + 2 * filled, 0, 2 * (AS_PANEL - filled));
        }
        rows -= filled;
    }
}

void as_coded_row(const as_matrix *w, size_t row, float *x) {
    const as_coded type = (as_coded)(w->coded - 1);
    const size_t block = as_coded_block(type), size = as_coded_size(type);
    const unsigned char *from = w->values;
    from += row / AS_PANEL * AS_PANEL * as_coded_row_size(type, w->cols) + row % AS_PANEL * 2;
    for (size_t k = 0; k < w->cols; k += block) {
        unsigned char bytes[128];
        for (size_t i = 0; i < size; i += 2, from += 2 * AS_PANEL) memcpy(bytes + i, from, 2);
        decode_block(type, bytes, x + k);
    }
}

// A byte for each of eight codes of two bits, or four of three.
static uint64_t spread_pairs(uint64_t codes) {
    codes = (codes | codes << 24) & 0x000000ff000000ffu;
    codes = (codes | codes << 12) & 0x000f000f000f000fu;
    return (codes | codes << 6) & 0x0303030303030303u;
}

static uint32_t spread_threes(uint32_t codes) {
    codes = (codes | codes << 10) & 0x003f003fu;
    return (codes | codes << 5) & 0x07070707u;
}

void as_coded_table(as_coded type, void *table) {
    const uint64_t ones = 0x0101010101010101u;
    uint64_t *eights = table;
    uint32_t *fours = table;
    size_t count;
    if (as_coded_held(type) != AS_W_Q8_16) return;
    const uint16_t *grid = grid_of(type, &count);
    if (!is_iq1(type)) memcpy((char *)table + AS_CODED_GRID_AT, grid, count * sizeof *grid);
    if (type == AS_CODED_IQ3_XXS) { // 4 + 8c, and 2 more where all bits are set
        for (size_t e = 0; e < count; e++) {
            uint32_t c = spread_threes(grid[e]);
            fours[e] = 132 * (uint32_t)ones + 8 * c + 2 * (c & c >> 1 & c >> 2 & (uint32_t)ones);
        }
    } else if (type == AS_CODED_IQ3_S) {
        for (size_t e = 0; e < count; e++)
            fours[e] = 129 * (uint32_t)ones + 2 * spread_threes(grid[e]);
    } else if (is_iq1(type)) {
        for (size_t e = 0; e < count; e++) eights[e] = 121 * ones + 8 * spread_pairs(grid[e]);
    } else { // 8, 25, 43
        for (size_t e = 0; e < count; e++) {
            uint64_t c = spread_pairs(grid[e]);
            eights[e] = 136 * ones + 17 * c + (c >> 1 & ones);
        }
    }
}

void as_coded_nvfp4_panel(const as_matrix *w, size_t panel, const as_matrix *out, size_t at) {
    uint16_t *to = (uint16_t *)out->values + at * AS_PANEL * w->cols;
    const size_t blocks = w->cols / 64, size = as_coded_size(AS_CODED_NVFP4);
    for (size_t r = 0; r < AS_PANEL; r++) {
        const unsigned char *from = w->values;
        from += panel * AS_PANEL * blocks * size + 2 * r;
        for (size_t b = 0; b < blocks; b++) {
            unsigned char bytes[36];
            float x[64];
            for (size_t i = 0; i < size; i += 2, from += 2 * AS_PANEL) memcpy(bytes + i, from, 2);
            decode_nvfp4(bytes, x);
            for (size_t k = 0; k < 64; k++)
                to[(b * 64 + k) * AS_PANEL + r] = as_float_to_half(x[k]);
        }
    }
}
