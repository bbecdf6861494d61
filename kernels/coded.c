// SPDX-License-Identifier: Apache-2.0
// coded.c - blocks of 256 weights (NVFP4: 64) that no kernel computes with.
//
// An IQ block has eight parts of 32 weights. A part is four runs of eight: an entry of a codebook
// (grids.h), or two of half the length, times signs and a small odd scale.
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

// A run as a block has it: which entry, or which two, eight signs, a scale. In IQ1 the only sign
// says whether the run is moved down.
typedef struct run {
    unsigned first, second, signs;
    float scale;
} run;

// d; then for each part four bytes of entries and 32 bits: four times seven signs, a scale.
static inline run run_iq2_xxs(const unsigned char *from, float d, size_t i) {
    const unsigned char *part = from + 2 + 8 * (i / RUNS);
    uint32_t rest = u32_at(part + 4);
    return (run){.first = part[i % RUNS],
                 .signs = even_signs(rest >> 7 * (i % RUNS) & 127),
                 .scale = d * (0.5f + (float)(rest >> 28)) * 0.25f};
}

// d; 32 words of nine bits of entry and seven signs; eight bytes of two scales each.
static inline run run_iq2_xs(const unsigned char *from, float d, size_t i) {
    unsigned word = u16_at(from + 2 + 2 * i);
    int code = from[66 + i / RUNS] >> i % RUNS / 2 * 4 & 15;
    return (run){.first = word & 511,
                 .signs = even_signs(word >> 9),
                 .scale = d * (0.5f + (float)code) * 0.25f};
}

// d; 32 bytes of entries, 32 of signs, eight of the entries' upper pairs, eight of two scales each.
static inline run run_iq2_s(const unsigned char *from, float d, size_t i) {
    unsigned high = (unsigned)from[66 + i / RUNS] >> i % RUNS * 2 & 3;
    int code = from[74 + i / RUNS] >> i % RUNS / 2 * 4 & 15;
    return (run){.first = from[2 + i] | high << 8,
                 .signs = from[34 + i],
                 .scale = d * (0.5f + (float)code) * 0.25f};
}

// d; 64 bytes of entries; for each part 32 bits: four times seven signs, a scale.
static inline run run_iq3_xxs(const unsigned char *from, float d, size_t i) {
    const unsigned char *entries = from + 2 + 2 * i;
    uint32_t rest = u32_at(from + 66 + 4 * (i / RUNS));
    return (run){.first = entries[0],
                 .second = entries[1],
                 .signs = even_signs(rest >> 7 * (i % RUNS) & 127),
                 .scale = d * (0.5f + (float)(rest >> 28)) * 0.5f};
}

// d; 32 bytes of entries; for each part 16 bits: four times three upper bits, a scale, down or up.
static inline run run_iq1_s(const unsigned char *from, float d, size_t i) {
    unsigned word = u16_at(from + 34 + 2 * (i / RUNS)), high = word >> 3 * (i % RUNS) & 7;
    return (run){.first = from[2 + i] | high << 8,
                 .signs = word >> 15,
                 .scale = d * (float)(2 * (word >> 12 & 7) + 1)};
}

// 32 bytes of entries, 16 of two upper threes and directions each, four words of four scales each
// whose upper fours are d.
static inline run run_iq1_m(const unsigned char *from, float d, size_t i) {
    unsigned high = (unsigned)from[32 + i / 2] >> i % 2 * 4;
    unsigned word = u16_at(from + 48 + i / 8 * 2), code = word >> i % 8 / 2 * 3 & 7;
    return (run){.first = from[i] | (high & 7) << 8,
                 .signs = high >> 3 & 1,
                 .scale = d * (float)(2 * code + 1)};
}

static inline float scale_of(as_coded type, const unsigned char *from) {
    unsigned bits = 0;
    if (type != AS_CODED_IQ1_M) return half_to_float(u16_at(from));
    for (size_t i = 0; i < 4; i++) bits |= (unsigned)(from[48 + 2 * i + 1] >> 4) << 4 * i;
    return half_to_float((uint16_t)bits);
}

static inline run run_of(as_coded type, const unsigned char *from, float d, size_t i) {
    return type == AS_CODED_IQ2_XXS   ? run_iq2_xxs(from, d, i)
           : type == AS_CODED_IQ2_XS  ? run_iq2_xs(from, d, i)
           : type == AS_CODED_IQ2_S   ? run_iq2_s(from, d, i)
           : type == AS_CODED_IQ3_XXS ? run_iq3_xxs(from, d, i)
           : type == AS_CODED_IQ1_S   ? run_iq1_s(from, d, i)
                                      : run_iq1_m(from, d, i);
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

static inline bool is_iq1(as_coded type) {
    return type == AS_CODED_IQ1_S || type == AS_CODED_IQ1_M;
}

// The integer of one weight of an entry; of IQ1, eight times it.
static int value_of(as_coded type, unsigned entry, size_t i) {
    if (is_iq1(type)) return 8 * values_1[entry >> 2 * i & 3];
    if (type == AS_CODED_IQ3_S) return 2 * (int)(entry >> 3 * i & 7) + 1;
    return type == AS_CODED_IQ3_XXS ? values_3xxs[entry >> 3 * i & 7]
                                    : values_2[entry >> 2 * i & 3];
}

// All weights of IQ1 are moved by an eighth up or down.
static void decode_runs(as_coded type, const unsigned char *from, float *x) {
    size_t count;
    const uint16_t *grid = grid_of(type, &count);
    float d = scale_of(type, from);
    for (size_t i = 0; i < PARTS * RUNS; i++) {
        run r = run_of(type, from, d, i);
        for (size_t k = 0; k < RUN; k++, x++) {
            bool second = type == AS_CODED_IQ3_XXS && k >= 4;
            float v = (float)value_of(type, grid[second ? r.second : r.first], second ? k - 4 : k);
            if (is_iq1(type))
                *x = r.scale * ((v + (r.signs ? -1.0f : 1.0f)) * 0.125f);
            else
                *x = r.signs >> k & 1 ? -(r.scale * v) : r.scale * v;
        }
    }
}

// d; 64 bytes of entries, eight of their ninth bits, 32 of signs, four of two parts' scales each.
// Odd weights of -15..15, times odd scales of 1..31.
static uint16_t take_iq3_s(const unsigned char *from, int8_t *v, int8_t *scales) {
    for (size_t i = 0; i < PARTS * RUNS; i++, v += RUN) {
        size_t p = i / RUNS, r = i % RUNS;
        const unsigned char *entries = from + 2 + 2 * i;
        unsigned ninth = (unsigned)from[66 + p] >> 2 * r, signs = from[74 + i];
        unsigned first = grid_iq3_s[entries[0] | (ninth & 1) << 8];
        unsigned second = grid_iq3_s[entries[1] | (ninth >> 1 & 1) << 8];
        for (size_t k = 0; k < RUN; k++) {
            int value = 2 * (int)((k < 4 ? first : second) >> 3 * (k % 4) & 7) + 1;
            v[k] = (int8_t)(signs >> k & 1 ? -value : value);
        }
        scales[p] = (int8_t)(1 + 2 * (from[106 + p / 2] >> p % 2 * 4 & 15));
    }
    return u16_at(from);
}

static void decode_iq3_s(const unsigned char *from, float *x) {
    int8_t v[SUPER], scales[PARTS];
    float d = half_to_float(take_iq3_s(from, v, scales));
    for (size_t i = 0; i < SUPER; i++) x[i] = d * (float)scales[i / 32] * (float)v[i];
}

static void recode_iq3_s(const unsigned char *from, unsigned char *out) {
    int8_t v[SUPER], scales[PARTS], twice[GROUPS];
    uint8_t codes[SUPER];
    uint16_t d = take_iq3_s(from, v, scales);
    for (size_t i = 0; i < SUPER; i++) codes[i] = (uint8_t)(v[i] + 32);
    for (size_t g = 0; g < GROUPS; g++) twice[g] = scales[g / 2];
    as_encode_q6_k(codes, twice, d, out);
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
    switch (type) {
    case AS_CODED_IQ1_S:
    case AS_CODED_IQ1_M:
    case AS_CODED_IQ2_XXS:
    case AS_CODED_IQ2_XS:
    case AS_CODED_IQ2_S:
    case AS_CODED_IQ3_XXS:
        decode_runs(type, from, x);
        break;
    case AS_CODED_IQ3_S:
        decode_iq3_s(from, x);
        break;
    case AS_CODED_TQ1_0:
    case AS_CODED_TQ2_0:
        decode_tq(type, from, x);
        break;
    case AS_CODED_NVFP4:
        decode_nvfp4(from, x);
        break;
    }
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
    if (type == AS_CODED_IQ3_S) return AS_W_Q6_K;
    return type == AS_CODED_TQ1_0 || type == AS_CODED_TQ2_0 ? AS_W_Q4_0 : AS_W_F32;
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
    as_wtype held = as_coded_held(type);
    size_t block = as_coded_block(type);
    for (size_t i = 0; i < n; i += block, from += as_coded_size(type)) {
        float x[SUPER];
        if (held == AS_W_Q4_0) {
            recode_tq(type, from, to);
        } else if (held == AS_W_Q6_K) {
            recode_iq3_s(from, to);
        } else {
            decode_block(type, from, x);
            for (size_t k = 0; k < block; k++) {
                if (held == AS_W_F32)
                    memcpy(to + 4 * k, &x[k], sizeof x[k]);
                else
                    put_u16(to + 2 * k, as_float_to_half(x[k]));
            }
        }
        to += as_wtype_size(held, block);
    }
}

// --- on the way into a product ------------------------------------------------------------------

// A byte a weight: its integer, which is above zero, so that signs can be put on all eight at once;
// of IQ1, 17 more, so that all eight can be moved up or down.
void as_coded_table(as_coded type, uint64_t *table) {
    size_t count;
    bool halves = type == AS_CODED_IQ3_XXS || type == AS_CODED_IQ3_S;
    if (as_coded_held(type) != AS_W_F32 && !halves) return;
    const uint16_t *grid = grid_of(type, &count);
    for (size_t e = 0; e < count; e++) {
        table[e] = 0;
        for (size_t i = 0; i < (halves ? RUN / 2 : RUN); i++)
            table[e] |= (uint64_t)(value_of(type, grid[e], i) + (is_iq1(type) ? 17 : 0)) << 8 * i;
    }
}

// Byte i is all ones where bit i is set.
static inline uint64_t spread_signs(unsigned signs) {
    uint64_t bits = (signs * 0x0101010101010101u & 0x8040201008040201u) + 0x7f7f7f7f7f7f7f7fu;
    return (bits >> 7 & 0x0101010101010101u) * 0xff;
}

static inline __attribute__((always_inline)) void
block_into_panel(as_coded type, const uint64_t *table, const unsigned char *from, float *out) {
    const float d = scale_of(type, from);
    for (size_t i = 0; i < PARTS * RUNS; i++, out += RUN * AS_PANEL) {
        const run r = run_of(type, from, d, i);
        uint64_t all = table[r.first];
        int8_t v[RUN];
        float x[RUN];
        if (type == AS_CODED_IQ3_XXS) all |= table[r.second] << 32;
        if (is_iq1(type)) {
            all -= r.signs * 0x0202020202020202u;
        } else {
            uint64_t mask = spread_signs(r.signs);
            all = (all ^ mask) + (mask & 0x0101010101010101u);
        }
        memcpy(v, &all, sizeof v);
        for (size_t k = 0; k < RUN; k++)
            x[k] = r.scale * (is_iq1(type) ? (float)(v[k] - 16) * 0.125f : (float)v[k]);
        for (size_t k = 0; k < RUN; k++) out[k * AS_PANEL] = x[k];
    }
}

// The codes of 256 weights of row r into planes (blocks.h): four bits, and with `high` two more.
static inline __attribute__((always_inline)) void put_codes(const uint64_t *codes, bool high,
                                                            size_t r, uint8_t *planes) {
    for (size_t part = 0; part < PARTS; part++, codes += RUNS) {
        uint32_t c[FOURS], word;
        memcpy(c, codes, sizeof c);
        for (size_t v = 0; v < 4; v++, planes += PLANE) {
            word = (c[v] & 0x0f0f0f0fu) | (c[v + 4] & 0x0f0f0f0fu) << 4;
            memcpy(planes + 4 * r, &word, sizeof word);
        }
        for (size_t v = 0; high && v < 2; v++, planes += PLANE) {
            word = 0;
            for (size_t i = 0; i < 4; i++) word |= (c[4 * v + i] >> 4 & 0x03030303u) << 2 * i;
            memcpy(planes + 4 * r, &word, sizeof word);
        }
    }
}

// IQ3_S as Q6_K: codes are 32 plus or minus the table's.
static void put_iq3_s(const uint64_t *table, const unsigned char *from, size_t r, uint8_t *planes,
                      uint8_t *beside) {
    uint64_t codes[PARTS * RUNS], middle = 0x2020202020202020u;
    for (size_t i = 0; i < PARTS * RUNS; i++) {
        const unsigned char *entries = from + 2 + 2 * i;
        unsigned ninth = (unsigned)from[66 + i / RUNS] >> 2 * (i % RUNS);
        uint64_t v = table[entries[0] | (ninth & 1) << 8];
        v |= table[entries[1] | (ninth >> 1 & 1) << 8] << 32;
        uint64_t mask = spread_signs(from[74 + i]);
        codes[i] = ((middle + v) & ~mask) | ((middle - v) & mask);
    }
    put_codes(codes, true, r, planes);
    memcpy(beside + 2 * r, from, 2);
    beside += 2 * AS_PANEL;
    for (size_t g = 0; g < GROUPS; g++)
        beside[g * AS_PANEL + r] = (uint8_t)(1 + 2 * (from[106 + g / 4] >> g / 2 % 2 * 4 & 15));
}

// TQ as eight blocks of Q4_0 that share d.
static void put_tq(as_coded type, const unsigned char *from, size_t r, uint8_t *planes,
                   uint8_t *beside) {
    int8_t v[SUPER];
    uint64_t codes[SUPER / RUN];
    uint16_t d = take_thirds_of(type, from, v);
    for (size_t i = 0; i < SUPER; i++) v[i] = (int8_t)(v[i] + 8);
    memcpy(codes, v, sizeof codes);
    put_codes(codes, false, r, planes);
    for (size_t p = 0; p < PARTS; p++) memcpy(beside + (p * AS_PANEL + r) * 2, &d, sizeof d);
}

#define EACH_TYPE(type)                                                                            \
    case type:                                                                                     \
        for (size_t k = 0; k < blocks; k++)                                                        \
            for (size_t r = 0; r < out->rows; r++)                                                 \
                block_into_panel(type, table, from + r * row_size + k * size,                      \
                                 (float *)out->values + k * SUPER * AS_PANEL + r);                 \
        return true

bool as_coded_panel(as_coded type, const uint64_t *table, const void *src, size_t row_size,
                    const as_matrix *out) {
    const unsigned char *from = src;
    size_t size = as_coded_size(type), blocks = out->cols / SUPER;
    size_t values = as_matrix_values_size(out->type, AS_PANEL, out->cols);
    size_t scales = as_matrix_scales_size(out->type, AS_PANEL, out->cols);
    if (out->rows < AS_PANEL) {
        memset(out->values, 0, values);
        if (scales) memset(out->scales, 0, scales);
    }
    switch (type) {
        EACH_TYPE(AS_CODED_IQ1_S);
        EACH_TYPE(AS_CODED_IQ1_M);
        EACH_TYPE(AS_CODED_IQ2_XXS);
        EACH_TYPE(AS_CODED_IQ2_XS);
        EACH_TYPE(AS_CODED_IQ2_S);
        EACH_TYPE(AS_CODED_IQ3_XXS);
    case AS_CODED_IQ3_S:
    case AS_CODED_TQ1_0:
    case AS_CODED_TQ2_0:
        for (size_t i = 0; i < blocks * out->rows; i++) {
            size_t k = i / out->rows, r = i % out->rows;
            const unsigned char *block = from + r * row_size + k * size;
            uint8_t *planes = (uint8_t *)out->values + k * (values / blocks);
            uint8_t *beside = (uint8_t *)out->scales + k * (scales / blocks);
            if (type == AS_CODED_IQ3_S)
                put_iq3_s(table, block, r, planes, beside);
            else
                put_tq(type, block, r, planes, beside);
        }
        return true;
    case AS_CODED_NVFP4:
        break;
    }
    return false;
}
