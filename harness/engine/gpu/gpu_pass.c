// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/gpu/gpu_pass.h"

static void launch_shared(as_gpu_pass *f, as_cuda_kernel kernel, const size_t grid[3],
                          uint32_t shared_size, void *args) {
    if (f->rc || !grid[0] || !grid[1] || !grid[2]) return;
    void *parameters[] = {args};
    as_gpu_attribute overlap = {.id = AS_GPU_LAUNCH_OVERLAP, .value = {1}};
    as_gpu_launch how = {.grid = {(unsigned)grid[0], (unsigned)grid[1], (unsigned)grid[2]},
                         .block = {as_cuda_threads(kernel), 1, 1},
                         .shared_size = shared_size,
                         .stream = f->lane->stream,
                         .attributes = &overlap,
                         .attribute_count = f->gpu->overlaps};
    int code = f->gpu->driver.launch(&how, f->gpu->functions[kernel], parameters, NULL);
    if (code) f->rc = as_gpu_check(f->gpu, code, "run a kernel", f->err);
}

void as_gpu_kernel(as_gpu_pass *f, as_cuda_kernel kernel, size_t x, size_t y, size_t z,
                   void *args) {
    launch_shared(f, kernel, (size_t[]){x, y, z}, as_cuda_shared(kernel, 0), args);
}

// --- products -------------------------------------------------------------------------------

as_cuda_part as_gpu_part(const as_gpu_pass *f, const as_gpu_factor *of) {
    const as_matrix *w = of->w;
    return (as_cuda_part){.values = as_gpu_of(f->gpu, w->values),
                          .scales = as_gpu_of(f->gpu, w->scales),
                          .rows = (uint32_t)w->rows,
                          .y = of->y};
}

void as_gpu_launch_product(as_gpu_pass *f, as_cuda_product *product, as_wtype type, uint32_t count,
                           size_t experts) {
    uint32_t grid[3];
    as_cuda_kernel kernel = as_cuda_plan(product, type, count, (uint32_t)experts, grid);
    launch_shared(f, kernel, (size_t[]){grid[0], grid[1], grid[2]}, as_cuda_shared(kernel, count),
                  product);
}

// y += scale * b (a x)
static void adapt(as_gpu_pass *f, const as_low_rank *delta, const float *x, size_t count,
                  float *y) {
    if (!delta || !delta->rank) return;
    const as_matrix *const matrices[] = {&delta->a, &delta->b};
    float *const out[] = {f->s->low, f->s->added};
    for (size_t i = 0; i < 2; i++) {
        const as_gpu_factor half = {.w = matrices[i], .y = out[i]};
        as_cuda_product product = {.part_count = 1,
                                   .cols = (uint32_t)matrices[i]->cols,
                                   .count = (uint32_t)count,
                                   .x = i ? f->s->low : x};
        product.parts[0] = as_gpu_part(f, &half);
        as_gpu_launch_product(f, &product, AS_W_F32, product.count, 1);
    }
    as_cuda_axpy axpy = {
        .y = y, .x = f->s->added, .a = delta->scale, .n = (uint64_t)count * delta->b.rows};
    as_gpu_kernel(f, AS_CUDA_K_axpy, (axpy.n + 255) / 256, 1, 1, &axpy);
}

// Products of the same rows; those of one type go together. Rows were quantized if a type wants it.
void as_gpu_multiply(as_gpu_pass *f, const as_gpu_factor *factors, size_t n, const float *x,
                     size_t count) {
    for (size_t i = 0; i < n;) {
        as_wtype type = factors[i].w->type;
        as_cuda_product product = {.cols = (uint32_t)factors[i].w->cols,
                                   .count = (uint32_t)count,
                                   .fast = f->gpu->fast,
                                   .quantized = f->s->quantized,
                                   .x = x};
        for (; i < n && factors[i].w->type == type; i++)
            product.parts[product.part_count++] = as_gpu_part(f, &factors[i]);
        as_gpu_launch_product(f, &product, type, product.count, 1);
    }
    for (size_t i = 0; i < n; i++) adapt(f, factors[i].delta, x, count, factors[i].y);
}

bool as_gpu_quantizes(const as_matrix *w) {
    return as_wtype_quantized(w->type);
}

void as_gpu_quantize(as_gpu_pass *f, const float *x, size_t n, size_t count) {
    as_cuda_quantize args = {.x = x, .per = 1, .n = (uint32_t)n, .quantized = f->s->quantized};
    as_gpu_kernel(f, AS_CUDA_K_quantize, count, 1, 1, &args);
}

// --- attention ------------------------------------------------------------------------------

// Of spans first..end-1, whose rows begin at `row`.
static void attend_some(as_gpu_pass *f, const as_gpu_sight *sight, const as_cuda_span *spans,
                        size_t first, size_t end, bool quantized) {
    const as_hparams *p = f->p;
    size_t row = spans[first].first, rows = spans[end - 1].first + spans[end - 1].count - row;
    size_t group = p->heads / p->kv_heads, stride = f->plan->stride;
    size_t parts = (group + AS_CUDA_QUERIES - 1) / AS_CUDA_QUERIES * p->kv_heads;
    float *scores = (float *)(uintptr_t)f->lane->scores;
    as_cuda_attention args = {.q = f->s->q,
                              .mixed = f->s->mixed,
                              .rows = f->s->rows,
                              .spans = f->s->spans + first,
                              .slots = (const uint32_t *)(uintptr_t)f->lane->slots,
                              .keys = sight->keys,
                              .values = sight->values,
                              .slot_count = sight->slots,
                              .stride = stride,
                              .heads = (uint32_t)p->heads,
                              .kv_heads = (uint32_t)p->kv_heads,
                              .width = (uint32_t)p->head_width,
                              .kv = sight->kv,
                              .window = sight->window,
                              .around = p->arch->both_ways,
                              .scale = p->attention_scale,
                              .cap = p->attention_cap,
                              .sinks = as_gpu_of(f->gpu, sight->sinks),
                              .quantize = quantized,
                              .quantized = f->s->quantized};
    // The kernels count from row 0 of the batch, the room is of these rows alone.
    args.scores = (float *)((uintptr_t)scores - row * p->heads * stride * sizeof(float));
    as_cuda_attention weigh = args;
    weigh.scores = scores;
    weigh.rows = f->s->rows + row;
    as_gpu_kernel(f, AS_CUDA_K_scores, (stride + AS_CUDA_SLOTS - 1) / AS_CUDA_SLOTS, parts,
                  end - first, &args);
    as_gpu_kernel(f, AS_CUDA_K_weigh, rows * p->heads, 1, 1, &weigh);
    as_gpu_kernel(f, AS_CUDA_K_mix, (p->head_width + AS_CUDA_DIMS - 1) / AS_CUDA_DIMS, parts,
                  end - first, &args);
}

void as_gpu_attend(as_gpu_pass *f, const as_gpu_sight *sight, const as_matrix *output) {
    const as_cuda_span *spans = as_gpu_in(f->lane, f->s->spans);
    size_t room = f->lane->scores_room / (f->p->heads * f->plan->stride), first = 0;
    size_t inner = f->p->heads * f->p->head_width;
    bool quantized = as_gpu_quantizes(output), whole = f->p->head_width % AS_QBLOCK == 0;
    for (size_t i = 0; i < f->plan->spans; i++) {
        size_t rows = spans[i].first + spans[i].count - spans[first].first;
        if (rows <= room) continue;
        attend_some(f, sight, spans, first, i, quantized && whole);
        first = i;
    }
    attend_some(f, sight, spans, first, f->plan->spans, quantized && whole);
    if (quantized && !whole) as_gpu_quantize(f, f->s->mixed, inner, f->plan->rows);
}
