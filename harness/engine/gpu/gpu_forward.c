// SPDX-License-Identifier: Apache-2.0
// gpu_forward.c - the forward pass as a row of launches. Each is the GPU's form of a stage of
// forward.c and experts.c, with the same bits.
#include <string.h>

#include "harness/engine/gpu/gpu.h"

// One launch after the other; after a failure nothing more is launched.
typedef struct pass {
    as_gpu_lane *lane;
    const as_gpu *gpu;
    const as_hparams *p;
    as_gpu_scratch *s;
    const as_gpu_plan *plan;
    as_rc rc;
    as_err *err;
} pass;

static void launch_shared(pass *f, as_cuda_kernel kernel, const size_t grid[3],
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

static void launch(pass *f, as_cuda_kernel kernel, size_t x, size_t y, size_t z, void *args) {
    launch_shared(f, kernel, (size_t[]){x, y, z}, as_cuda_shared(kernel, 0), args);
}

// --- products -------------------------------------------------------------------------------

// A matrix, what adapts it, and where its product goes.
typedef struct factor {
    const as_matrix *w;
    const as_low_rank *delta; // or NULL
    float *y;
} factor;

static as_cuda_part part_of(const pass *f, const factor *of) {
    const as_matrix *w = of->w;
    return (as_cuda_part){.values = as_gpu_of(f->gpu, w->values),
                          .scales = as_gpu_of(f->gpu, w->scales),
                          .rows = (uint32_t)w->rows,
                          .y = of->y};
}

static void launch_product(pass *f, as_cuda_product *product, as_wtype type, uint32_t count,
                           size_t experts) {
    uint32_t grid[3];
    as_cuda_kernel kernel = as_cuda_plan(product, type, count, (uint32_t)experts, grid);
    launch_shared(f, kernel, (size_t[]){grid[0], grid[1], grid[2]}, as_cuda_shared(kernel, count),
                  product);
}

// y += scale * b (a x)
static void adapt(pass *f, const as_low_rank *delta, const float *x, size_t count, float *y) {
    if (!delta || !delta->rank) return;
    const as_matrix *const matrices[] = {&delta->a, &delta->b};
    float *const out[] = {f->s->low, f->s->added};
    for (size_t i = 0; i < 2; i++) {
        const factor half = {.w = matrices[i], .y = out[i]};
        as_cuda_product product = {.part_count = 1,
                                   .cols = (uint32_t)matrices[i]->cols,
                                   .count = (uint32_t)count,
                                   .x = i ? f->s->low : x};
        product.parts[0] = part_of(f, &half);
        launch_product(f, &product, AS_W_F32, product.count, 1);
    }
    as_cuda_axpy axpy = {
        .y = y, .x = f->s->added, .a = delta->scale, .n = (uint64_t)count * delta->b.rows};
    launch(f, AS_CUDA_K_axpy, (axpy.n + 255) / 256, 1, 1, &axpy);
}

// Products of the same rows; those of one type go together. Rows were quantized if a type wants it.
static void multiply(pass *f, const factor *factors, size_t n, const float *x, size_t count) {
    for (size_t i = 0; i < n;) {
        as_wtype type = factors[i].w->type;
        as_cuda_product product = {.cols = (uint32_t)factors[i].w->cols,
                                   .count = (uint32_t)count,
                                   .quantized = f->s->quantized,
                                   .x = x};
        for (; i < n && factors[i].w->type == type; i++)
            product.parts[product.part_count++] = part_of(f, &factors[i]);
        launch_product(f, &product, type, product.count, 1);
    }
    for (size_t i = 0; i < n; i++) adapt(f, factors[i].delta, x, count, factors[i].y);
}

static bool quantizes(const as_matrix *w) {
    return as_wtype_quantized(w->type);
}

static void quantize(pass *f, const float *x, size_t n, size_t count) {
    as_cuda_quantize args = {.x = x, .per = 1, .n = (uint32_t)n, .quantized = f->s->quantized};
    launch(f, AS_CUDA_K_quantize, count, 1, 1, &args);
}

// --- attention ------------------------------------------------------------------------------

// Ends what is in y, if `ended`, and begins the next with `norm`, if any.
static void finish(pass *f, bool ended, const float *bias, const float *post_norm,
                   const float *norm, bool quantized) {
    const as_hparams *p = f->p;
    as_cuda_finish args = {.y = ended ? f->s->y : NULL,
                           .bias = as_gpu_of(f->gpu, bias),
                           .post_norm = as_gpu_of(f->gpu, post_norm),
                           .scale = p->residual_scale,
                           .x = f->s->x,
                           .norm = as_gpu_of(f->gpu, norm),
                           .h = f->s->h,
                           .eps = p->norm_epsilon,
                           .n = (uint32_t)p->width,
                           .quantize = quantized,
                           .quantized = f->s->quantized};
    launch(f, AS_CUDA_K_finish, f->plan->rows, 1, 1, &args);
}

// Where the keys or values of a layer are.
static void *cache_of(const pass *f, as_gpu_memory cache, size_t layer) {
    size_t size = f->p->kv_heads * f->gpu->slots * f->p->head_width;
    return (void *)(uintptr_t)(cache + layer * size * (f->gpu->half ? 2 : 4));
}

static void place(pass *f, const as_layer *layer, size_t number) {
    const as_hparams *p = f->p;
    size_t which = p->local[number] && f->gpu->rates[1] >= 0;
    as_cuda_place args = {.q = f->s->q,
                          .k = f->s->k,
                          .v = f->s->v,
                          .q_bias = as_gpu_of(f->gpu, layer->query_bias),
                          .k_bias = as_gpu_of(f->gpu, layer->key_bias),
                          .v_bias = as_gpu_of(f->gpu, layer->value_bias),
                          .q_norm = as_gpu_of(f->gpu, layer->query_norm),
                          .k_norm = as_gpu_of(f->gpu, layer->key_norm),
                          .cosines = f->s->cosines[which],
                          .sines = f->s->sines[which],
                          .rows = f->s->rows,
                          .slots = (const uint32_t *)(uintptr_t)f->lane->slots,
                          .keys = cache_of(f, f->gpu->keys, number),
                          .values = cache_of(f, f->gpu->values, number),
                          .slot_count = f->gpu->slots,
                          .heads = (uint32_t)p->heads,
                          .kv_heads = (uint32_t)p->kv_heads,
                          .width = (uint32_t)p->head_width,
                          .pairs = (uint32_t)(p->rope.width / 2),
                          .halves = p->arch->rope_halves,
                          .half = f->gpu->half,
                          .eps = p->norm_epsilon};
    launch(f, AS_CUDA_K_place, f->plan->rows, 1, 1, &args);
}

// Attention of spans first..end-1, whose rows begin at `row`.
static void attend_some(pass *f, size_t number, const as_cuda_span *spans, size_t first, size_t end,
                        bool quantized) {
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
                              .keys = cache_of(f, f->gpu->keys, number),
                              .values = cache_of(f, f->gpu->values, number),
                              .slot_count = f->gpu->slots,
                              .stride = stride,
                              .heads = (uint32_t)p->heads,
                              .kv_heads = (uint32_t)p->kv_heads,
                              .width = (uint32_t)p->head_width,
                              .half = f->gpu->half,
                              .window = p->local[number] ? (uint32_t)p->window : 0,
                              .scale = p->attention_scale,
                              .cap = p->attention_cap,
                              .quantize = quantized,
                              .quantized = f->s->quantized};
    // The kernels count from row 0 of the batch, the room is of these rows alone.
    args.scores = (float *)((uintptr_t)scores - row * p->heads * stride * sizeof(float));
    as_cuda_attention weigh = args;
    weigh.scores = scores;
    weigh.rows = f->s->rows + row;
    launch(f, AS_CUDA_K_scores, (stride + AS_CUDA_SLOTS - 1) / AS_CUDA_SLOTS, parts, end - first,
           &args);
    launch(f, AS_CUDA_K_weigh, rows * p->heads, 1, 1, &weigh);
    launch(f, AS_CUDA_K_mix, (p->head_width + AS_CUDA_DIMS - 1) / AS_CUDA_DIMS, parts, end - first,
           &args);
}

// As many spans at once as there is room for scores.
static void attend(pass *f, size_t number, bool quantized) {
    const as_cuda_span *spans =
        (const as_cuda_span *)(f->lane->in + ((uintptr_t)f->s->spans - f->s->memory));
    size_t room = f->lane->scores_room / (f->p->heads * f->plan->stride), first = 0;
    for (size_t i = 0; i < f->plan->spans; i++) {
        size_t rows = spans[i].first + spans[i].count - spans[first].first;
        if (rows <= room) continue;
        attend_some(f, number, spans, first, i, quantized);
        first = i;
    }
    attend_some(f, number, spans, first, f->plan->spans, quantized);
}

// --- feed-forward ---------------------------------------------------------------------------

// Items of a mixture when there are `places`.
static void activate(pass *f, const as_layer *layer, size_t n, size_t rows, const uint32_t *places,
                     bool quantized) {
    as_cuda_activate args = {.gate = f->s->gate,
                             .up = f->s->up,
                             .gate_bias = layer ? as_gpu_of(f->gpu, layer->gate_bias) : NULL,
                             .up_bias = layer ? as_gpu_of(f->gpu, layer->up_bias) : NULL,
                             .places = places,
                             .n = (uint32_t)n,
                             .gelu = f->p->arch->gelu,
                             .quantize = quantized,
                             .quantized = f->s->quantized};
    launch(f, AS_CUDA_K_activate, rows, 1, 1, &args);
}

static void run_dense(pass *f, const as_layer *layer) {
    const factor both[] = {{&layer->gate, &layer->gate_delta, f->s->gate},
                           {&layer->up, &layer->up_delta, f->s->up}};
    const factor down = {&layer->down, &layer->down_delta, f->s->y};
    multiply(f, both, 2, f->s->h, f->plan->rows);
    activate(f, layer, f->p->ffn_width, f->plan->rows, NULL, quantizes(&layer->down));
    multiply(f, &down, 1, f->s->gate, f->plan->rows);
}

static as_cuda_part experts_part(const pass *f, const as_matrix *all, float *y) {
    const factor first = {.w = all, .y = y};
    as_cuda_part part = part_of(f, &first);
    if (f->p->experts > 1) {
        part.values_stride =
            (uint64_t)((unsigned char *)all[1].values - (unsigned char *)all[0].values);
        if (all[0].scales)
            part.scales_stride =
                (uint64_t)((unsigned char *)all[1].scales - (unsigned char *)all[0].scales);
    }
    return part;
}

static void multiply_all(pass *f, const as_matrix *const *all, float *const *y, size_t n,
                         const float *x) {
    for (size_t i = 0; i < n;) {
        as_wtype type = all[i]->type;
        as_cuda_product product = {.cols = (uint32_t)all[i]->cols,
                                   .starts = f->s->starts,
                                   .counts = f->s->counts,
                                   .quantized = f->s->quantized,
                                   .x = x};
        for (; i < n && all[i]->type == type; i++)
            product.parts[product.part_count++] = experts_part(f, all[i], y[i]);
        launch_product(f, &product, type, f->plan->rows, f->p->experts);
    }
}

static void run_shared(pass *f, const as_mixture *mixture) {
    const factor both[] = {{&mixture->shared_gate, NULL, f->s->gate},
                           {&mixture->shared_up, NULL, f->s->up}};
    const factor down = {&mixture->shared_down, NULL, f->s->y};
    multiply(f, both, 2, f->s->h, f->plan->rows);
    activate(f, NULL, f->p->shared_width, f->plan->rows, NULL, quantizes(&mixture->shared_down));
    multiply(f, &down, 1, f->s->gate, f->plan->rows);
}

static void gather(pass *f, bool quantized) {
    size_t items = f->plan->rows * f->p->experts_used;
    as_cuda_quantize args = {.x = f->s->h,
                             .places = f->s->places,
                             .per = (uint32_t)f->p->experts_used,
                             .n = (uint32_t)f->p->width,
                             .quantized = f->s->quantized};
    if (quantized) launch(f, AS_CUDA_K_quantize, items, 1, 1, &args);
    args.copy = f->s->gathered;
    launch(f, AS_CUDA_K_quantize, items, 1, 1, &args);
}

static void run_mixture(pass *f, const as_mixture *mixture) {
    const as_hparams *p = f->p;
    const factor router = {&mixture->router, NULL, f->s->odds};
    as_cuda_route route = {.odds = f->s->odds,
                           .chosen = f->s->chosen,
                           .weights = f->s->weights,
                           .places = f->s->places,
                           .starts = f->s->starts,
                           .counts = f->s->counts,
                           .experts = (uint32_t)p->experts,
                           .used = (uint32_t)p->experts_used,
                           .normed = p->arch->experts_normed,
                           .count = f->plan->rows,
                           .scale = p->expert_scale};
    multiply(f, &router, 1, f->s->h, f->plan->rows);
    launch(f, AS_CUDA_K_choose, f->plan->rows, 1, 1, &route);
    launch(f, AS_CUDA_K_sort, 1, 1, 1, &route);
    if (p->shared_width) run_shared(f, mixture);
    gather(f, quantizes(mixture->gate) || quantizes(mixture->up));
    const as_matrix *const both[] = {mixture->gate, mixture->up};
    float *const out[] = {f->s->gate, f->s->up};
    multiply_all(f, both, out, 2, f->s->gathered);
    activate(f, NULL, p->expert_width, f->plan->rows * p->experts_used, f->s->places,
             quantizes(mixture->down));
    const as_matrix *const down[] = {mixture->down};
    multiply_all(f, down, &f->s->parts, 1, f->s->gate);
    as_cuda_combine combine = {.h = f->s->h,
                               .parts = f->s->parts,
                               .weights = f->s->weights,
                               .places = f->s->places,
                               .y = f->s->y,
                               .n = (uint32_t)p->width,
                               .used = (uint32_t)p->experts_used};
    if (p->shared_width) combine.shared_router = as_gpu_of(f->gpu, mixture->shared_router);
    launch(f, AS_CUDA_K_combine, f->plan->rows, 1, 1, &combine);
}

// Whether the products that a block begins with take quantized rows.
static bool ffn_quantizes(const pass *f, const as_layer *layer) {
    const as_mixture *m = &layer->mixture;
    if (!f->p->experts) return quantizes(&layer->gate) || quantizes(&layer->up);
    return quantizes(&m->router) ||
           (f->p->shared_width && (quantizes(&m->shared_gate) || quantizes(&m->shared_up)));
}

static bool attention_quantizes(const as_layer *layer) {
    return quantizes(&layer->query) || quantizes(&layer->key) || quantizes(&layer->value);
}

// --- the whole --------------------------------------------------------------------------------

static void begin_rows(pass *f) {
    const as_matrix *w = &f->gpu->model->weights.embedding;
    as_cuda_embed embed = {.values = as_gpu_of(f->gpu, w->values),
                           .scales = as_gpu_of(f->gpu, w->scales),
                           .type = w->type,
                           .cols = (uint32_t)w->cols,
                           .rows = f->s->rows,
                           .x = f->s->x,
                           .scale = f->p->embedding_scale};
    launch(f, AS_CUDA_K_embed, f->plan->rows, 1, 1, &embed);
    for (size_t i = 0; i < 2; i++) {
        if (f->gpu->rates[i] < 0) continue;
        const double *rates = f->gpu->model->weights.rates[f->gpu->rates[i]];
        as_cuda_angles angles = {.rows = f->s->rows,
                                 .rates = as_gpu_of(f->gpu, rates),
                                 .magnitude = i ? 1.0 : f->p->rope.magnitude,
                                 .pairs = (uint32_t)(f->p->rope.width / 2),
                                 .cosines = f->s->cosines[i],
                                 .sines = f->s->sines[i]};
        launch(f, AS_CUDA_K_angles, f->plan->rows, 1, 1, &angles);
    }
}

static void run_layer(pass *f, size_t number) {
    const as_layer *layer = &f->gpu->model->weights.layers[number];
    const as_layer *next = number + 1 < f->p->layers ? layer + 1 : NULL;
    const factor three[] = {{&layer->query, &layer->query_delta, f->s->q},
                            {&layer->key, &layer->key_delta, f->s->k},
                            {&layer->value, &layer->value_delta, f->s->v}};
    const factor output = {&layer->output, &layer->output_delta, f->s->y};
    size_t rows = f->plan->rows;
    multiply(f, three, 3, f->s->h, rows);
    place(f, layer, number);
    if (!next && !f->plan->wants) return; // nobody looks at more than the cache
    bool quantized = quantizes(&layer->output), whole = f->p->head_width % AS_QBLOCK == 0;
    attend(f, number, quantized && whole);
    if (quantized && !whole) quantize(f, f->s->mixed, f->p->heads * f->p->head_width, rows);
    multiply(f, &output, 1, f->s->mixed, rows);
    finish(f, true, layer->output_bias, layer->attention_post_norm, layer->ffn_norm,
           ffn_quantizes(f, layer));
    if (f->p->experts)
        run_mixture(f, &layer->mixture);
    else
        run_dense(f, layer);
    finish(f, true, layer->down_bias, layer->ffn_post_norm, next ? next->attention_norm : NULL,
           next && attention_quantizes(next));
}

static void copy(pass *f, int code) {
    if (!f->rc) f->rc = as_gpu_check(f->gpu, code, "copy", f->err);
}

// Logits of the rows in the list, and what is asked about them.
static void run_wants(pass *f) {
    const as_model *model = f->gpu->model;
    const as_matrix *output = &model->weights.output;
    const as_driver *d = &f->gpu->driver;
    size_t wants = f->plan->wants, vocabulary = output->rows;
    if (!wants) return;
    as_cuda_finish norm = {.x = f->s->x,
                           .list = f->s->list,
                           .norm = as_gpu_of(f->gpu, model->weights.output_norm),
                           .h = f->s->h,
                           .eps = f->p->norm_epsilon,
                           .n = (uint32_t)f->p->width,
                           .quantize = quantizes(output),
                           .quantized = f->s->quantized};
    launch(f, AS_CUDA_K_finish, wants, 1, 1, &norm);
    const factor product = {output, &model->weights.output_delta, f->s->logits};
    multiply(f, &product, 1, f->s->h, wants);
    as_cuda_cap cap = {.x = f->s->logits,
                       .scale = f->p->logit_scale,
                       .cap = f->p->logit_cap,
                       .n = (uint64_t)wants * vocabulary};
    if (cap.scale != 1.0f || cap.cap > 0.0f)
        launch(f, AS_CUDA_K_cap, (cap.n + 255) / 256, 1, 1, &cap);
    as_cuda_facts facts = {.logits = f->s->logits, .facts = f->s->facts, .n = (uint32_t)vocabulary};
    launch(f, AS_CUDA_K_facts, wants, 1, 1, &facts);
    as_cuda_pick pick = {
        .logits = f->s->logits, .at = f->s->at, .out = f->s->picked, .count = f->plan->picks};
    launch(f, AS_CUDA_K_pick, (pick.count + 255u) / 256, 1, 1, &pick);
    as_gpu_memory back = (as_gpu_memory)(uintptr_t)f->s->facts;
    size_t used = (size_t)((uintptr_t)f->s->picked - (uintptr_t)f->s->facts) +
                  f->plan->picks * sizeof *f->s->picked;
    copy(f, d->copy_out(f->lane->out, back, used, f->lane->stream));
    if (f->plan->logits)
        copy(f, d->copy_out(f->lane->logits_out, (as_gpu_memory)(uintptr_t)f->s->logits,
                            wants * vocabulary * sizeof(float), f->lane->stream));
}

static pass pass_of(as_gpu_lane *lane, const as_gpu_plan *plan, as_err *err) {
    return (pass){.lane = lane,
                  .gpu = lane->gpu,
                  .p = &lane->gpu->model->hparams,
                  .s = &lane->scratch,
                  .plan = plan,
                  .err = err};
}

as_rc as_gpu_enqueue(as_gpu_lane *lane, const as_gpu_plan *plan, as_err *err) {
    pass f = pass_of(lane, plan, err);
    const as_driver *d = &f.gpu->driver;
    const as_layer *first = &f.gpu->model->weights.layers[0];
    copy(&f, d->copy_in(f.s->memory, lane->in, lane->in_fixed, lane->stream));
    copy(&f, d->copy_in(lane->slots, lane->slots_in,
                        (size_t)plan->views * plan->stride * sizeof(uint32_t), lane->stream));
    begin_rows(&f);
    finish(&f, false, NULL, NULL, first->attention_norm, attention_quantizes(first));
    for (size_t i = 0; i < f.p->layers; i++) run_layer(&f, i);
    run_wants(&f);
    return f.rc;
}

as_rc as_gpu_enqueue_wants(as_gpu_lane *lane, const as_gpu_plan *plan, as_err *err) {
    pass f = pass_of(lane, plan, err);
    copy(&f, f.gpu->driver.copy_in(f.s->memory, lane->in, lane->in_fixed, lane->stream));
    run_wants(&f);
    return f.rc;
}
