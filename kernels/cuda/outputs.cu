// SPDX-License-Identifier: Apache-2.0
// outputs.cu - what leaves the device of a row of logits: its largest, the sum of exps, the
// likeliest token, the logits of a few tokens. The row itself stays.
#include "kernels/cuda/dialect.h"

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/lanes.cuh"

AS_KERNEL(cap, as_cuda_cap, 256) {
    uint64_t i = (uint64_t)block_x() * 256 + thread_index();
    if (i >= a.n) return;
    float x = a.x[i];
    if (a.bias) x += a.bias[i % a.row];
    if (a.scale != 1.0f) x *= a.scale;
    a.x[i] = a.cap > 0.0f ? a.cap * tanh_f32(x / a.cap) : x;
}

AS_KERNEL(facts, as_cuda_facts, 512) {
    AS_SHARED(lanes_shared, shared);
    const float *x = a.logits + (uint64_t)block_x() * a.n;
    float max = block_max(shared, x, a.n, 512);
    uint32_t best = block_find(shared, x, a.n, max, 512);
    float sum = block_exps(shared, x, NULL, a.n, max, 512);
    if (thread_index() != 0) return;
    as_cuda_fact *fact = &a.facts[block_x()];
    fact->max = max + 0.0f;
    fact->sum = sum;
    fact->best = best;
    fact->unused = 0;
}

AS_KERNEL(pick, as_cuda_pick, 256) {
    uint32_t i = block_x() * 256 + thread_index();
    if (i < a.count) a.out[i] = a.logits[a.at[i]];
}
