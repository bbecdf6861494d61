// SPDX-License-Identifier: Apache-2.0
// portable.c - the specification: every other table must return exactly these bits.
#include "kernels/blocks.h"
#include "kernels/kv.h"
#include "kernels/tables.h"
#include "kernels/wide/put_run.h"

#include "kernels/wide/expand.h"

enum {
    LANES = 16, // virtual lanes of a sum over one vector
    TILE = 4,   // activation rows that share 16 widened half weights
};

// The reduction tree: lane j += lane j+8, then +4, +2, +1.
static float sum_lanes(float lanes[LANES]) {
    for (size_t half = LANES / 2; half > 0; half /= 2) {
        for (size_t j = 0; j < half; j++) lanes[j] += lanes[j + half];
    }
    return lanes[0];
}

// --- quantization ---------------------------------------------------------------------------

static void quantize_block(const float *x, int8_t *q, float *d) {
    // Patterns without the sign order as the magnitudes do, with infinity and NaN on top.
    uint32_t amax_bits = 0;
    for (size_t i = 0; i < AS_QBLOCK; i++) {
        uint32_t bits = float_bits(x[i]) & 0x7fffffffu;
        amax_bits = bits > amax_bits ? bits : amax_bits;
    }
    float amax = bits_float(amax_bits);
    if (amax_bits >= 0x7f800000u || amax < 0x1p-100f) {
        memset(q, 0, AS_QBLOCK);
        *d = amax_bits >= 0x7f800000u ? bits_float(0x7fc00000u) : 0.0f;
        return;
    }
    float scale = 127.0f / amax;
    for (size_t i = 0; i < AS_QBLOCK; i++) {
        uint32_t shifted = float_bits(x[i] * scale + AS_ROUND_F32);
        q[i] = (int8_t)(int32_t)(shifted - float_bits(AS_ROUND_F32));
    }
    *d = amax / 127.0f;
}

static int32_t sum_half(const int8_t *q) {
    int32_t sum = 0;
    for (size_t i = 0; i < AS_QBLOCK / 2; i++) sum += q[i];
    return sum;
}

static void quantize_row(as_qrows *out, size_t at, const float *x) {
    size_t blocks = out->cols / AS_QBLOCK;
    for (size_t b = 0; b < blocks; b++) {
        int8_t *q = out->q + at * out->cols + b * AS_QBLOCK;
        size_t i = at * blocks + b;
        quantize_block(x + b * AS_QBLOCK, q, out->d + i);
        int32_t low = sum_half(q), high = sum_half(q + AS_QBLOCK / 2);
        out->sums[i] = out->d[i] * (float)(low + high);
        out->offsets[i] = -128 * (low + high);
        out->halves[2 * i] = -128 * low;
        out->halves[2 * i + 1] = -128 * high;
    }
}

// --- matrix products ------------------------------------------------------------------------

static void store_rows(const as_matrix *w, size_t panel, const float acc[AS_PANEL], float *y) {
    size_t row = panel * AS_PANEL;
    size_t rows = w->rows - row < AS_PANEL ? w->rows - row : AS_PANEL;
    memcpy(y + row, acc, rows * sizeof(float));
}

static void matmul_f32(const as_matrix *w, size_t panel_begin, size_t panel_end, const float *x,
                       size_t x_stride, size_t count, float *y, size_t y_stride) {
    for (size_t panel = panel_begin; panel < panel_end; panel++) {
        const float *values = (const float *)w->values + panel * AS_PANEL * w->cols;
        for (size_t m = 0; m < count; m++) {
            float acc[AS_PANEL] = {0};
            for (size_t k = 0; k < w->cols; k++) {
                const float *weights = values + k * AS_PANEL;
                float xk = x[m * x_stride + k];
                for (size_t r = 0; r < AS_PANEL; r++) acc[r] = fma_f32(weights[r], xk, acc[r]);
            }
            store_rows(w, panel, acc, y + m * y_stride);
        }
    }
}

// Of F16 or BF16, a constant after inlining.
static inline void matmul_16_bits(as_wtype type, const as_matrix *w, size_t panel_begin,
                                  size_t panel_end, const float *x, size_t x_stride, size_t count,
                                  float *y, size_t y_stride) {
    for (size_t panel = panel_begin; panel < panel_end; panel++) {
        const uint16_t *values = (const uint16_t *)w->values + panel * AS_PANEL * w->cols;
        for (size_t m = 0; m < count; m += TILE) {
            size_t tile = count - m < TILE ? count - m : TILE;
            float acc[TILE][AS_PANEL] = {{0}};
            for (size_t k = 0; k < w->cols; k++) {
                float weights[AS_PANEL];
                for (size_t r = 0; r < AS_PANEL; r++) {
                    uint16_t bits = values[k * AS_PANEL + r];
                    weights[r] = type == AS_W_F16 ? half_to_float(bits) : bf16_to_float(bits);
                }
                for (size_t t = 0; t < tile; t++) {
                    float xk = x[(m + t) * x_stride + k];
                    for (size_t r = 0; r < AS_PANEL; r++) {
                        acc[t][r] = fma_f32(weights[r], xk, acc[t][r]);
                    }
                }
            }
            for (size_t t = 0; t < tile; t++) store_rows(w, panel, acc[t], y + (m + t) * y_stride);
        }
    }
}

static void matmul_f16(const as_matrix *w, size_t panel_begin, size_t panel_end, const float *x,
                       size_t x_stride, size_t count, float *y, size_t y_stride) {
    matmul_16_bits(AS_W_F16, w, panel_begin, panel_end, x, x_stride, count, y, y_stride);
}

static void matmul_bf16(const as_matrix *w, size_t panel_begin, size_t panel_end, const float *x,
                        size_t x_stride, size_t count, float *y, size_t y_stride) {
    matmul_16_bits(AS_W_BF16, w, panel_begin, panel_end, x, x_stride, count, y, y_stride);
}

// s and m of every group of a block in all rows of a panel, from what stands beside its planes.
static inline void take_scales(as_wtype type, const uint8_t *beside, float s[GROUPS][AS_PANEL],
                               float m[GROUPS][AS_PANEL]) {
    wfacts facts = wfacts_of(type);
    const uint8_t *groups = beside + (facts.mins ? 4 : 2) * AS_PANEL;
    for (size_t g = 0; g < facts.block / facts.group; g++) {
        for (size_t r = 0; r < AS_PANEL; r++) {
            wblock block;
            unpack_group(facts, beside, groups, r, &block);
            s[g][r] = group_scale(type, block.d, block.scales[0]);
            m[g][r] = facts.mins ? group_min(type, block.m, block.mins[0]) : 0.0f;
        }
        groups += group_size(facts);
    }
}

// The values of 32 weights in all rows of a panel.
static inline void take_values(as_wtype type, const uint8_t *planes, int8_t values[FOURS][PLANE]) {
    wfacts facts = wfacts_of(type);
    uint8_t codes[FOURS][PLANE];
    unpack_planes(facts, planes, codes);
    for (size_t j = 0; j < FOURS; j++)
        for (size_t i = 0; i < PLANE; i++)
            values[j][i] =
                facts.table ? table_of(type)[codes[j][i]] : (int8_t)(codes[j][i] - facts.zero);
}

// Adds the groups of 32 weights to the sums of 16 rows: activation block b of row m.
static inline void add_block(as_wtype type, int8_t values[FOURS][PLANE], float s[][AS_PANEL],
                             float m[][AS_PANEL], const as_qrows *x, size_t b,
                             float acc[AS_PANEL]) {
    wfacts facts = wfacts_of(type);
    const int8_t *q = x->q + b * AS_QBLOCK;
    size_t fours = facts.group / 4u;
    for (size_t g = 0; g < AS_QBLOCK / facts.group; g++, q += facts.group) {
        int32_t sums[AS_PANEL] = {0};
        for (size_t j = 0; j < fours; j++) {
            for (size_t r = 0; r < AS_PANEL; r++) {
                const int8_t *v = values[g * fours + j] + 4 * r;
                sums[r] += v[0] * q[4 * j] + v[1] * q[4 * j + 1] + v[2] * q[4 * j + 2] +
                           v[3] * q[4 * j + 3];
            }
        }
        float d = x->d[b];
        for (size_t r = 0; r < AS_PANEL; r++) acc[r] = fma_f32(s[g][r] * d, (float)sums[r], acc[r]);
        if (!facts.mins) continue;
        float sum = facts.group == 32 ? x->sums[b] : d * (float)(x->halves[2 * b + g] / -128);
        for (size_t r = 0; r < AS_PANEL; r++) acc[r] = fma_f32(m[g][r], sum, acc[r]);
    }
}

static inline void panel_quant(as_wtype type, const as_matrix *w, size_t panel, const as_qrows *x,
                               size_t count, float *y, size_t y_stride) {
    const wfacts facts = wfacts_of(type);
    const size_t blocks = w->cols / facts.block, inner = facts.block / AS_QBLOCK;
    const size_t per_block = AS_QBLOCK / facts.group;
    for (size_t m = 0; m < count; m += TILE) {
        size_t tile = count - m < TILE ? count - m : TILE;
        const uint8_t *planes = (const uint8_t *)w->values;
        const uint8_t *beside = (const uint8_t *)w->scales + panel * blocks * beside_size(facts);
        planes += panel * blocks * inner * planes_size(facts);
        float acc[TILE][AS_PANEL] = {{0}};
        for (size_t b = 0; b < blocks * inner; b++, planes += planes_size(facts)) {
            float s[GROUPS][AS_PANEL], mins[GROUPS][AS_PANEL];
            int8_t values[FOURS][PLANE];
            if (b % inner == 0) {
                take_scales(type, beside, s, mins);
                beside += beside_size(facts);
            }
            take_values(type, planes, values);
            for (size_t t = 0; t < tile; t++)
                add_block(type, values, s + b % inner * per_block, mins + b % inner * per_block, x,
                          (m + t) * blocks * inner + b, acc[t]);
        }
        for (size_t t = 0; t < tile; t++) store_rows(w, panel, acc[t], y + (m + t) * y_stride);
    }
}

static void matmul_quant(const as_matrix *w, size_t panel_begin, size_t panel_end,
                         const as_qrows *x, size_t count, float *y, size_t y_stride) {
    for (size_t panel = panel_begin; panel < panel_end; panel++) {
        if (w->type == AS_W_Q8_0) // the most frequent one; as a constant it is a tenth faster
            panel_quant(AS_W_Q8_0, w, panel, x, count, y, y_stride);
        else
            panel_quant(w->type, w, panel, x, count, y, y_stride);
    }
}

// --- attention ------------------------------------------------------------------------------

static float take_key(as_kv kv, size_t width, const void *head, size_t k, size_t slot) {
    size_t at = k * AS_PANEL + slot;
    if (kv == AS_KV_F32) return ((const float *)head)[at];
    if (kv == AS_KV_F16) return half_to_float(((const uint16_t *)head)[at]);
    const uint8_t *scales = (const uint8_t *)head + kv_key_scales_at(width);
    uint16_t d = ((const uint16_t *)(const void *)scales)[k / AS_QBLOCK * AS_PANEL + slot];
    return half_to_float(d) * (float)((const int8_t *)head)[at];
}

static float take_value(as_kv kv, size_t width, const void *head, size_t i, size_t slot) {
    const uint8_t *values = (const uint8_t *)head + kv_values_at(kv, width);
    size_t at = slot * kv_room(width) + i;
    if (kv == AS_KV_F32) return ((const float *)(const void *)values)[at];
    if (kv == AS_KV_F16) return half_to_float(((const uint16_t *)(const void *)values)[at]);
    const uint8_t *scales = (const uint8_t *)head + kv_value_scales_at(width);
    uint16_t d = ((const uint16_t *)(const void *)scales)[slot * kv_blocks(width) + i / AS_QBLOCK];
    return half_to_float(d) * (float)((const int8_t *)values)[at];
}

static void attend_keys(as_kv kv, size_t width, const as_piece *pieces, size_t piece_count,
                        const float *q, size_t count, float *scores, size_t stride) {
    for (const as_piece *p = pieces; p < pieces + piece_count; p++) {
        for (size_t m = 0; m < count; m += TILE) {
            size_t tile = count - m < TILE ? count - m : TILE;
            float acc[TILE][AS_PANEL] = {{0}};
            for (size_t k = 0; k < width; k++) {
                float key[AS_PANEL];
                for (size_t i = 0; i < p->count; i++)
                    key[i] = take_key(kv, width, p->head, k, p->slot + i);
                for (size_t t = 0; t < tile; t++)
                    for (size_t i = 0; i < p->count; i++)
                        acc[t][i] = fma_f32(key[i], q[(m + t) * width + k], acc[t][i]);
            }
            for (size_t t = 0; t < tile; t++)
                memcpy(scores + (m + t) * stride + p->at, acc[t], p->count * sizeof(float));
        }
    }
}

static void attend_values(as_kv kv, size_t width, const as_piece *pieces, size_t piece_count,
                          size_t panel_begin, size_t panel_end, const float *weights, size_t stride,
                          size_t count, float *y, size_t y_stride) {
    for (const as_piece *p = pieces; p < pieces + piece_count; p++) {
        for (size_t j = 0; j < p->count; j++) {
            for (size_t i = panel_begin * AS_PANEL; i < panel_end * AS_PANEL; i++) {
                float value = i < width ? take_value(kv, width, p->head, i, p->slot + j) : 0.0f;
                for (size_t m = 0; m < count; m++) {
                    float *sum = y + m * y_stride + i;
                    *sum = fma_f32(value, weights[m * stride + p->at + j], *sum);
                }
            }
        }
    }
}

// --- vectors --------------------------------------------------------------------------------

static float dot(const float *x, const float *y, size_t n) {
    float lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t j = 0; j < LANES; j++) lanes[j] = fma_f32(x[i + j], y[i + j], lanes[j]);
    }
    for (; i < n; i++) lanes[i % LANES] = fma_f32(x[i], y[i], lanes[i % LANES]);
    return sum_lanes(lanes);
}

static void rms_norm(float *y, const float *x, const float *w, size_t n, float eps) {
    float scale = 1.0f / sqrtf(dot(x, x, n) / (float)n + eps);
    for (size_t i = 0; i < n; i++) y[i] = x[i] * scale * w[i];
}

static void layer_norm(float *y, const float *x, const float *w, const float *b, size_t n,
                       float eps) {
    float lanes[LANES] = {0};
    for (size_t i = 0; i < n; i++) lanes[i % LANES] += x[i];
    float mean = sum_lanes(lanes) / (float)n;
    for (size_t i = 0; i < n; i++) y[i] = x[i] - mean;
    float scale = 1.0f / sqrtf(dot(y, y, n) / (float)n + eps);
    for (size_t i = 0; i < n; i++) y[i] = fma_f32(y[i] * scale, w[i], b[i]);
}

static void rope_pairs(float *x, const float *cosines, const float *sines, size_t n) {
    for (size_t i = 0; i < n / 2; i++) {
        float a = x[2 * i], b = x[2 * i + 1], c = cosines[i], s = sines[i];
        x[2 * i] = fma_f32(a, c, -(b * s));
        x[2 * i + 1] = fma_f32(a, s, b * c);
    }
}

static void rope_halves(float *x, const float *cosines, const float *sines, size_t n) {
    for (size_t i = 0; i < n / 2; i++) {
        float a = x[i], b = x[n / 2 + i], c = cosines[i], s = sines[i];
        x[i] = fma_f32(a, c, -(b * s));
        x[n / 2 + i] = fma_f32(a, s, b * c);
    }
}

static void axpy(float *y, float a, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = fma_f32(a, x[i], y[i]);
}

static void add(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

static void silu_mul(float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) {
        gate[i] = gate[i] / (1.0f + exp_f32(-gate[i])) * up[i];
    }
}

static void gelu_mul(float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float x = gate[i];
        gate[i] = x / (1.0f + exp_f32(fma_f32(AS_GELU_C3, x * x, AS_GELU_C1) * x)) * up[i];
    }
}

static void gelu_erf(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = gelu_erf_f32(x[i]);
}

static void softcap(float *x, float cap, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = cap * tanh_f32(x[i] / cap);
}

// -inf when all are NaN.
static float largest(const float *x, size_t n) {
    float max = -HUGE_VALF;
    for (size_t i = 0; i < n; i++) max = x[i] > max ? x[i] : max;
    return max;
}

static void softmax(float *x, size_t n) {
    float max = largest(x, n);
    float lanes[LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        x[i] = exp_f32(x[i] - max);
        lanes[i % LANES] += x[i];
    }
    float sum = sum_lanes(lanes);
    for (size_t i = 0; i < n; i++) x[i] /= sum;
}

static void exp_sum(const float *x, size_t n, float *max_out, float *sum_out) {
    float max = largest(x, n);
    float lanes[LANES] = {0};
    for (size_t i = 0; i < n; i++) lanes[i % LANES] += exp_f32(x[i] - max);
    *max_out = max + 0.0f; // whether -0 or +0 was met first must not show
    *sum_out = sum_lanes(lanes);
}

static size_t argmax(const float *x, size_t n) {
    float max = largest(x, n);
    for (size_t i = 0; i < n; i++) {
        if (x[i] == max) return i;
    }
    return 0;
}

const as_kernels as_kernels_portable = {
    .name = "portable",
    .quantize_row = quantize_row,
    .matmul_f32 = matmul_f32,
    .matmul_f16 = matmul_f16,
    .matmul_bf16 = matmul_bf16,
    .matmul_quant = matmul_quant,
    .coded_panel = coded_panel,
    .attend_keys = attend_keys,
    .attend_values = attend_values,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .rope_pairs = rope_pairs,
    .rope_halves = rope_halves,
    .dot = dot,
    .axpy = axpy,
    .add = add,
    .silu_mul = silu_mul,
    .gelu_mul = gelu_mul,
    .gelu_erf = gelu_erf,
    .softcap = softcap,
    .softmax = softmax,
    .exp_sum = exp_sum,
    .argmax = argmax,
};
