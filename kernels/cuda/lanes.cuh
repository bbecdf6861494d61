// SPDX-License-Identifier: Apache-2.0
// lanes.cuh - sums over one vector in the 16 lanes of kernels.h, by a block: what is added is put
// into shared memory by all threads, and 16 of them add it up, each one lane's in order.
#ifndef AS_LANES_CUH
#define AS_LANES_CUH

enum { LANES = 16, RUN = 2048 }; // values that are in shared memory at once

typedef struct lanes_shared {
    float run[RUN];
    float result;
    float most[32];
    uint32_t where[32];
} lanes_shared;

// The tree over the 16 lanes that the first lanes of a warp hold; lane 0 has the result.
AS_DEVICE float warp_tree(float sum) {
    const uint32_t lane = thread_index() % 32;
    AS_UNROLL
    for (uint32_t half = LANES / 2; half > 0; half /= 2) {
        float upper = shuffle_f32(sum, (lane + half) % 32);
        if (lane < half) sum += upper;
    }
    return sum;
}

// What all threads of the block get: the tree over lanes that the first 16 threads hold.
AS_DEVICE float block_tree(lanes_shared *shared, float lane) {
    if (thread_index() < 32) {
        lane = warp_tree(lane);
        if (thread_index() == 0) shared->result = lane;
    }
    sync_block();
    return shared->result;
}

// The sum of x, or dot(x, x), for all threads. x was written by the block before a sync_block.
AS_DEVICE float block_lanes(lanes_shared *shared, const float *x, uint32_t n, uint32_t threads,
                            const bool squared) {
    float lane = 0.0f;
    for (uint32_t from = 0; from < n; from += RUN) {
        uint32_t count = n - from < RUN ? n - from : RUN;
        for (uint32_t i = thread_index(); i < count; i += threads) shared->run[i] = x[from + i];
        sync_block();
        if (thread_index() < LANES) {
            AS_UNROLL_BY(16)
            for (uint32_t i = thread_index(); i < count; i += LANES) {
                float value = shared->run[i];
                lane = squared ? fma_f32(value, value, lane) : lane + value;
            }
        }
        sync_block();
    }
    return block_tree(shared, lane);
}

// dot(x, y), likewise.
AS_DEVICE float block_dot(lanes_shared *shared, const float *x, const float *y, uint32_t n,
                          uint32_t threads) {
    float lane = 0.0f;
    const uint32_t half = RUN / 2;
    for (uint32_t from = 0; from < n; from += half) {
        uint32_t count = n - from < half ? n - from : half;
        for (uint32_t i = thread_index(); i < count; i += threads) {
            shared->run[i] = x[from + i];
            shared->run[half + i] = y[from + i];
        }
        sync_block();
        if (thread_index() < LANES) {
            AS_UNROLL_BY(16)
            for (uint32_t i = thread_index(); i < count; i += LANES)
                lane = fma_f32(shared->run[i], shared->run[half + i], lane);
        }
        sync_block();
    }
    return block_tree(shared, lane);
}

AS_DEVICE float larger(float a, float b) {
    return b > a ? b : a;
}

// The largest value of x, -infinity when all are NaN; for all threads.
AS_DEVICE float block_max(lanes_shared *shared, const float *x, uint32_t n, uint32_t threads) {
    float most = -HUGE_VALF;
    for (uint32_t i = thread_index(); i < n; i += threads) most = larger(most, x[i]);
    AS_UNROLL
    for (uint32_t mask = 16; mask > 0; mask /= 2) most = larger(most, shuffle_xor_f32(most, mask));
    sync_block(); // whoever still reads the last one's
    if (thread_index() % 32 == 0) shared->most[thread_index() / 32] = most;
    sync_block();
    most = shared->most[0];
    for (uint32_t i = 1; i < threads / 32; i++) most = larger(most, shared->most[i]);
    return most;
}

// The first place of `most` in x; 0 when it is nowhere. For all threads.
AS_DEVICE uint32_t block_find(lanes_shared *shared, const float *x, uint32_t n, float most,
                              uint32_t threads) {
    uint32_t where = UINT32_MAX;
    for (uint32_t i = thread_index(); i < n && where == UINT32_MAX; i += threads)
        if (x[i] == most) where = i;
    AS_UNROLL
    for (uint32_t mask = 16; mask > 0; mask /= 2) {
        uint32_t other = shuffle_xor_u32(where, mask);
        where = other < where ? other : where;
    }
    sync_block();
    if (thread_index() % 32 == 0) shared->where[thread_index() / 32] = where;
    sync_block();
    where = shared->where[0];
    for (uint32_t i = 1; i < threads / 32; i++)
        where = shared->where[i] < where ? shared->where[i] : where;
    return where == UINT32_MAX ? 0 : where;
}

// exp(x - max) of values from.. into half `which` of the run, and into `out`, if any.
AS_DEVICE void fill_exps(lanes_shared *shared, const float *x, float *out, uint32_t from,
                         uint32_t n, float max, uint32_t which, uint32_t threads) {
    uint32_t count = n - from < RUN / 2 ? n - from : RUN / 2;
    for (uint32_t i = thread_index(); i < count; i += threads) {
        float e = exp_f32(x[from + i] - max);
        shared->run[which * (RUN / 2) + i] = e;
        if (out) out[from + i] = e;
    }
}

// The sum in lanes of exp(x - max), for all threads. With `out`, those go there; it may be x. While
// the lanes add up one half of the run the other warps fill the other one.
AS_DEVICE float block_exps(lanes_shared *shared, const float *x, float *out, uint32_t n, float max,
                           uint32_t threads) {
    float lane = 0.0f;
    fill_exps(shared, x, out, 0, n, max, 0, threads);
    for (uint32_t from = 0, which = 0; from < n; from += RUN / 2, which ^= 1) {
        uint32_t count = n - from < RUN / 2 ? n - from : RUN / 2;
        const float *run = shared->run + which * (RUN / 2);
        sync_block();
        if (from + count < n) fill_exps(shared, x, out, from + count, n, max, which ^ 1, threads);
        if (thread_index() < LANES) {
            AS_UNROLL_BY(16)
            for (uint32_t i = thread_index(); i < count; i += LANES) lane += run[i];
        }
    }
    return block_tree(shared, lane);
}

// softmax of x[n], in place.
AS_DEVICE void block_softmax(lanes_shared *shared, float *x, uint32_t n, uint32_t threads) {
    float max = block_max(shared, x, n, threads);
    float sum = block_exps(shared, x, x, n, max, threads);
    for (uint32_t i = thread_index(); i < n; i += threads) x[i] /= sum;
    sync_block();
}

// --- quantizing -----------------------------------------------------------------------------

// Block kb of a row of n, by a warp: its values into place m.
AS_DEVICE void quantize_warp(const as_cuda_qrows *out, uint32_t m, uint32_t n, uint32_t kb,
                             float x) {
    const uint32_t lane = thread_index() % 32, tile = m / AS_CUDA_TILE, column = m % AS_CUDA_TILE;
    const uint64_t block = (uint64_t)tile * (n / 32) + kb;
    const uint64_t at = block * 256 + column * 32 + lane % 16 / 4 * 8 + lane / 16 * 4 + lane % 4;
    if (out->x) { // what is infinite makes no number of all products, as it does below
        out->x[at] = narrow_half(x - x == 0.0f ? half_range(x) : bits_float(0x7fc00000u));
        return;
    }
    uint32_t most = float_bits(x) & 0x7fffffffu;
    AS_UNROLL
    for (uint32_t mask = 16; mask > 0; mask /= 2) {
        uint32_t other = shuffle_xor_u32(most, mask);
        most = other > most ? other : most;
    }
    float amax = bits_float(most), d = 0.0f;
    int32_t q = 0;
    if (most >= 0x7f800000u) {
        d = bits_float(0x7fc00000u);
    } else if (amax >= 0x1p-100f) {
        float scale = 127.0f / amax;
        q = (int32_t)(float_bits(x * scale + AS_ROUND_F32) - float_bits(AS_ROUND_F32));
        d = amax / 127.0f;
    }
    int32_t half = q;
    AS_UNROLL
    for (uint32_t mask = 8; mask > 0; mask /= 2)
        half += (int32_t)shuffle_xor_u32((uint32_t)half, mask);
    int32_t other = (int32_t)shuffle_xor_u32((uint32_t)half, 16);
    out->q[at] = (int8_t)q;
    if (lane % 16 == 0) out->halves[block * 16 + lane / 16 * 8 + column] = half;
    if (lane == 0) {
        out->d[block * 8 + column] = d;
        out->sums[block * 8 + column] = d * (float)(half + other);
    }
}

// Row x[n] into place m, by a block.
AS_DEVICE void quantize_block(const as_cuda_qrows *out, uint32_t m, const float *x, uint32_t n,
                              uint32_t threads) {
    for (uint32_t i = thread_index(); i < n; i += threads) quantize_warp(out, m, n, i / 32, x[i]);
}

#endif
