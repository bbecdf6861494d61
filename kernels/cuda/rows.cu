// SPDX-License-Identifier: Apache-2.0
// rows.cu - what is done with one row of the batch, by a block each: embeddings, norms, rotation,
// activations, and quantizing for the products.
#include "kernels/cuda/dialect.h"

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/lanes.cuh"

// --- embeddings -----------------------------------------------------------------------------

// Weight k of row r of a panel of a quantized matrix, as as_block_values has it.
AS_DEVICE float weight_of(as_wtype type, const uint8_t *values, const uint8_t *scales,
                          uint32_t cols, uint32_t panel, uint32_t r, uint32_t k) {
    wfacts facts = wfacts_of(type);
    const uint32_t inner = facts.block / 32u, kb = k / 32, j = k % 32 / 4, byte = 4 * r + k % 4;
    const uint8_t *planes = values + ((uint64_t)panel * (cols / 32) + kb) * planes_size(facts);
    const uint8_t *high = planes + facts.low * PLANE;
    const uint8_t *beside =
        scales + ((uint64_t)panel * (cols / facts.block) + kb / inner) * beside_size(facts);
    const uint8_t *groups = beside + (facts.mins ? 4 : 2) * AS_PANEL +
                            k % facts.block / facts.group * group_size(facts);
    uint32_t code;
    if (facts.low == 8)
        code = planes[j * PLANE + byte];
    else if (facts.low == 4)
        code = planes[j % 4 * PLANE + byte] >> j / 4 * 4 & 15u;
    else
        code = planes[j / 4 * PLANE + byte] >> j % 4 * 2 & 3u;
    if (facts.high == 1) code |= (high[byte] >> j & 1u) << facts.low;
    if (facts.high == 2) code |= (high[j / 4 * PLANE + byte] >> j % 4 * 2 & 3u) << facts.low;
    uint32_t scale = 0, min = 0;
    if (facts.block == SUPER) {
        scale = groups[r];
        if (facts.mins && facts.group == 16) {
            min = scale >> 4;
            scale &= 15u;
        } else if (facts.mins) {
            min = groups[AS_PANEL + r];
        }
    }
    const uint16_t *halves = (const uint16_t *)beside;
    float w = group_scale(type, halves[r], (int8_t)scale) * (float)code_value(type, (uint8_t)code);
    return facts.mins ? w + group_min(type, halves[AS_PANEL + r], (uint8_t)min) : w;
}

AS_KERNEL(embed, as_cuda_embed, 128) {
    const as_wtype type = (as_wtype)a.type;
    const as_cuda_row *row = &a.rows[block_x()];
    const uint32_t which = a.which == AS_CUDA_TOKEN      ? row->token
                           : a.which == AS_CUDA_POSITION ? row->position
                                                         : 0;
    const uint32_t panel = which / AS_PANEL, r = which % AS_PANEL;
    float *x = a.x + (uint64_t)block_x() * a.cols;
    for (uint32_t k = thread_index(); k < a.cols; k += 128) {
        uint64_t at = ((uint64_t)panel * a.cols + k) * AS_PANEL + r;
        float value;
        if (type == AS_W_F32)
            value = ((const float *)a.values)[at];
        else if (type == AS_W_F16)
            value = widen_half(((const uint16_t *)a.values)[at]);
        else if (type == AS_W_BF16)
            value = bf16_to_float(((const uint16_t *)a.values)[at]);
        else
            value = weight_of(type, a.values, a.scales, a.cols, panel, r, k);
        if (a.scale != 1.0f) value *= a.scale;
        x[k] = a.added ? x[k] + value : value;
    }
}

AS_KERNEL(angles, as_cuda_angles, 64) {
    const double position = (double)a.rows[block_x()].position;
    for (uint32_t i = thread_index(); i < a.pairs; i += 64) {
        double sine, cosine;
        sincos_f64(position * a.rates[i], &sine, &cosine);
        a.sines[block_x() * a.pairs + i] = (float)(sine * a.magnitude);
        a.cosines[block_x() * a.pairs + i] = (float)(cosine * a.magnitude);
    }
}

// --- norms ----------------------------------------------------------------------------------

AS_DEVICE float norm_scale(float square, uint32_t n, float eps) {
    return 1.0f / sqrtf(square / (float)n + eps);
}

AS_KERNEL(finish, as_cuda_finish, 256) {
    AS_SHARED(lanes_shared, shared);
    const uint32_t m = block_x(), n = a.n, source = a.list ? a.list[m] : m;
    float *x = a.x + (uint64_t)source * n;
    if (a.y) {
        float *y = a.y + (uint64_t)m * n, scale = 1.0f;
        if (a.bias)
            for (uint32_t i = thread_index(); i < n; i += 256) y[i] += a.bias[i];
        sync_block();
        if (a.post_norm) scale = norm_scale(block_lanes(shared, y, n, 256, true), n, a.eps);
        for (uint32_t i = thread_index(); i < n; i += 256) {
            float value = y[i];
            if (a.post_norm) value = value * scale * a.post_norm[i];
            if (a.scale != 1.0f) value *= a.scale;
            x[i] += value;
        }
        sync_block();
    }
    if (!a.norm) return;
    float *h = a.h + (uint64_t)m * n;
    if (a.norm_bias) {
        const float mean = block_lanes(shared, x, n, 256, false) / (float)n;
        sync_block(); // shared->result was read
        for (uint32_t i = thread_index(); i < n; i += 256) h[i] = x[i] - mean;
        sync_block();
        const float scale = norm_scale(block_lanes(shared, h, n, 256, true), n, a.eps);
        for (uint32_t i = thread_index(); i < n; i += 256) {
            float value = fma_f32(h[i] * scale, a.norm[i], a.norm_bias[i]);
            h[i] = value;
            if (a.quantize) quantize_warp(&a.quantized, m, n, i / 32, value);
        }
        return;
    }
    const float scale = norm_scale(block_lanes(shared, x, n, 256, true), n, a.eps);
    for (uint32_t i = thread_index(); i < n; i += 256) {
        float value = x[i] * scale * a.norm[i];
        h[i] = value;
        if (a.quantize) quantize_warp(&a.quantized, m, n, i / 32, value);
    }
}

AS_KERNEL(settle, as_cuda_settle, 256) {
    AS_SHARED(lanes_shared, shared);
    const uint32_t m = block_x(), n = a.n;
    float *x = a.x + (uint64_t)m * n;
    for (uint32_t i = thread_index(); a.y && i < n; i += 256) {
        float y = a.y[(uint64_t)m * n + i];
        if (a.bias) y += a.bias[i];
        x[i] += y;
    }
    sync_block();
    float mean = block_lanes(shared, x, n, 256, false) / (float)n;
    sync_block(); // shared->result was read
    for (uint32_t i = thread_index(); i < n; i += 256) x[i] -= mean;
    sync_block();
    float scale = norm_scale(block_lanes(shared, x, n, 256, true), n, a.eps);
    for (uint32_t i = thread_index(); i < n; i += 256) {
        float value = fma_f32(x[i] * scale, a.norm[i], a.norm_bias[i]);
        x[i] = value;
        if (a.quantize) quantize_warp(&a.quantized, m, n, i / 32, value);
    }
}

AS_KERNEL(quantize, as_cuda_quantize, 256) {
    const uint32_t m = block_x(), n = a.n, to = a.places ? a.places[m] : m;
    const float *x = a.x + (uint64_t)(a.sources ? a.sources[m] : m / a.per) * n;
    if (!a.copy) {
        quantize_block(&a.quantized, to, x, n, 256);
        return;
    }
    for (uint32_t i = thread_index(); i < n; i += 256) a.copy[(uint64_t)to * n + i] = x[i];
}

// --- heads ----------------------------------------------------------------------------------

enum { HEAD_WARPS = 4, HEAD_MAX = 1024 };

typedef struct place_shared {
    float head[HEAD_WARPS][HEAD_MAX];
} place_shared;

// As in the cache of the CPU: what a weight of 0 masks must not be infinite.
AS_DEVICE float within(float x, float limit) {
    if (x > limit) return limit;
    return x >= -limit ? x : -limit;
}

AS_DEVICE void rotate(const as_cuda_place *a, float *head, uint32_t lane) {
    const float *cosines = a->cosines + block_x() * a->pairs;
    const float *sines = a->sines + block_x() * a->pairs;
    for (uint32_t i = lane; i < a->pairs; i += 32) {
        uint32_t first = a->halves ? i : 2 * i, second = a->halves ? i + a->pairs : 2 * i + 1;
        float x = head[first], y = head[second], c = cosines[i], s = sines[i];
        head[first] = fma_f32(x, c, -(y * s));
        head[second] = fma_f32(x, s, y * c);
    }
    sync_warp();
}

AS_DEVICE void norm_head(const as_cuda_place *a, float *head, const float *norm, uint32_t lane) {
    float sum = 0.0f;
    if (lane < 16)
        for (uint32_t i = lane; i < a->width; i += 16) sum = fma_f32(head[i], head[i], sum);
    float scale = norm_scale(shuffle_f32(warp_tree(sum), 0), a->width, a->eps);
    sync_warp();
    for (uint32_t i = lane; i < a->width; i += 32) head[i] = head[i] * scale * norm[i];
    sync_warp();
}

// A block of at most 32 values as Q8_0, as kv.c has it: a value a lane.
AS_DEVICE void store_codes(float x, int8_t *code, uint16_t *scale, bool there) {
    const uint32_t lane = thread_index() % 32;
    x = there ? within(x, 65504.0f * 127.0f) : 0.0f;
    uint32_t most = float_bits(x) & 0x7fffffffu;
    AS_UNROLL
    for (uint32_t mask = 16; mask > 0; mask /= 2) {
        uint32_t other = shuffle_xor_u32(most, mask);
        most = other > most ? other : most;
    }
    float d = bits_float(most) / 127.0f, id = 1.0f / d;
    if (d == 0.0f || id - id != 0.0f) id = 0.0f;
    float size = x * id < 0.0f ? -(x * id) : x * id, whole = (float)(int32_t)size;
    int32_t n = (int32_t)whole + (int32_t)(2.0f * (size - whole)); // halves away from zero
    if (there) *code = (int8_t)(x * id < 0.0f ? -n : n);
    if (lane == 0) *scale = narrow_half(d);
}

AS_DEVICE void store_head(const as_cuda_place *a, void *cache, uint32_t head, const float *values,
                          bool limited, uint32_t lane) {
    const as_cuda_row *row = &a->rows[block_x()];
    uint64_t slot = (uint64_t)head * a->slot_count + a->slots[row->view + row->position];
    uint64_t at = slot * a->width;
    if (a->kv == AS_KV_Q8_0) {
        const uint32_t blocks = (a->width + 31) / 32;
        int8_t *codes = (int8_t *)cache;
        uint16_t *scales = (uint16_t *)(void *)(codes + a->kv_heads * a->slot_count * a->width);
        for (uint32_t b = 0; b < blocks; b++) {
            bool there = b * 32 + lane < a->width;
            store_codes(there ? values[b * 32 + lane] : 0.0f, codes + at + b * 32 + lane,
                        scales + slot * blocks + b, there);
        }
        return;
    }
    for (uint32_t i = lane; i < a->width; i += 32) {
        float x = values[i];
        if (limited) x = within(x, a->kv == AS_KV_F16 ? 65504.0f : FLT_MAX);
        if (a->kv == AS_KV_F16)
            ((uint16_t *)cache)[at + i] = narrow_half(x);
        else
            ((float *)cache)[at + i] = x;
    }
}

// A warp a head: those of queries, then of keys, then of values.
AS_KERNEL(place, as_cuda_place, 128) {
    AS_SHARED(place_shared, shared);
    const uint32_t warp = thread_index() / 32, lane = thread_index() % 32, width = a.width;
    float *head = shared->head[warp];
    for (uint32_t i = warp; i < a.heads + 2 * a.kv_heads; i += HEAD_WARPS) {
        bool query = i < a.heads, key = !query && i < a.heads + a.kv_heads;
        uint32_t which = query ? i : key ? i - a.heads : i - a.heads - a.kv_heads;
        float *from = query ? a.q : key ? a.k : a.v;
        const float *bias = query ? a.q_bias : key ? a.k_bias : a.v_bias;
        const float *norm = query ? a.q_norm : a.k_norm;
        from += ((uint64_t)block_x() * (query ? a.heads : a.kv_heads) + which) * width;
        for (uint32_t j = lane; j < width; j += 32)
            head[j] = bias ? from[j] + bias[which * width + j] : from[j];
        sync_warp();
        if (query || key) {
            if (norm && !a.late) norm_head(&a, head, norm, lane);
            rotate(&a, head, lane);
            if (norm && a.late) norm_head(&a, head, norm, lane);
        }
        if (query) {
            float t = 1.0f;
            if (a.temperatures)
                t = a.temperatures[a.rows[block_x()].position / a.temperature_step];
            for (uint32_t j = lane; j < width; j += 32) from[j] = head[j] * t;
        } else {
            store_head(&a, key ? a.keys : a.values, which, head, !key && !a.plain, lane);
        }
        sync_warp();
    }
}

// --- feed-forward ---------------------------------------------------------------------------

AS_KERNEL(activate, as_cuda_activate, 256) {
    const uint32_t m = a.places ? a.places[block_x()] : block_x(), n = a.n;
    float *gate = a.gate + (uint64_t)m * n;
    const float *up = a.up ? a.up + (uint64_t)m * n : NULL;
    const uint64_t biases = a.chosen ? (uint64_t)a.chosen[block_x()] * n : 0;
    for (uint32_t i = thread_index(); i < n; i += 256) {
        float x = gate[i];
        if (a.gate_bias) x += a.gate_bias[biases + i];
        if (up) {
            float u = up[i];
            if (a.up_bias) u += a.up_bias[biases + i];
            if (a.clamped) {
                x = (x < AS_CLAMP ? x : AS_CLAMP) * AS_CLAMP_SLOPE;
                u = u < AS_CLAMP ? u : AS_CLAMP;
                u = ((u > -AS_CLAMP ? u : -AS_CLAMP) + 1.0f) * (1.0f / AS_CLAMP_SLOPE);
            }
            float e = exp_f32(a.gelu ? fma_f32(AS_GELU_C3, x * x, AS_GELU_C1) * x : -x);
            x = x / (1.0f + e) * u;
        } else if (a.squared) {
            x = x > 0.0f ? x * x : 0.0f;
        } else if (a.gelu) {
            x = x / (1.0f + exp_f32(fma_f32(AS_GELU_C3, x * x, AS_GELU_C1) * x));
        } else {
            x = gelu_erf_f32(x);
        }
        gate[i] = x;
        if (a.quantize) quantize_warp(&a.quantized, m, n, i / 32, x);
    }
}

AS_KERNEL(axpy, as_cuda_axpy, 256) {
    uint64_t i = (uint64_t)block_x() * 256 + thread_index();
    if (i < a.n) a.y[i] = fma_f32(a.a, a.x[i], a.y[i]);
}
