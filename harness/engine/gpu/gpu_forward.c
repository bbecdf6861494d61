// SPDX-License-Identifier: Apache-2.0
// gpu_forward.c - the forward pass as a row of launches. Each is the GPU's form of a stage of
// forward.c and experts.c, with the same bits.
#include <string.h>

#include "harness/engine/gpu/gpu_pass.h"

// --- attention ------------------------------------------------------------------------------

typedef struct norm {
    const float *weights, *bias; // of the model
} norm;

// Ends what is in y, if `ended`, and begins the next with norm `next`, if any.
static void finish(as_gpu_pass *f, bool ended, const float *bias, const float *post_norm, norm next,
                   bool quantized) {
    const as_hparams *p = f->p;
    as_cuda_finish args = {.y = ended ? f->s->y : NULL,
                           .bias = as_gpu_of(f->gpu, bias),
                           .post_norm = as_gpu_of(f->gpu, post_norm),
                           .scale = p->residual_scale,
                           .x = f->s->x,
                           .norm = as_gpu_of(f->gpu, next.weights),
                           .norm_bias = as_gpu_of(f->gpu, next.bias),
                           .h = f->s->h,
                           .eps = p->norm_epsilon,
                           .n = (uint32_t)p->width,
                           .quantize = quantized,
                           .quantized = f->s->quantized};
    as_gpu_kernel(f, AS_CUDA_K_finish, f->plan->rows, 1, 1, &args);
}

// Where the keys or values of a layer are.
static void *cache_of(const as_gpu_pass *f, as_gpu_memory cache, size_t layer) {
    size_t size = as_gpu_cache_size(f->p, f->gpu->kv, f->gpu->slots);
    return (void *)(uintptr_t)(cache + layer * size);
}

// x = norm(x) of rows of n values.
static void norm_whole(as_gpu_pass *f, float *x, const float *weights, size_t n) {
    as_cuda_finish args = {.x = x,
                           .norm = as_gpu_of(f->gpu, weights),
                           .h = x,
                           .eps = f->p->norm_epsilon,
                           .n = (uint32_t)n};
    as_gpu_kernel(f, AS_CUDA_K_finish, f->plan->rows, 1, 1, &args);
}

static void place(as_gpu_pass *f, const as_layer *layer, size_t number) {
    const as_hparams *p = f->p;
    as_head_norms norms = p->arch->head_norms;
    if (norms == AS_HEAD_NORMS_WHOLE) {
        norm_whole(f, f->s->q, layer->query_norm, p->heads * p->head_width);
        norm_whole(f, f->s->k, layer->key_norm, p->kv_heads * p->head_width);
    }
    size_t which = p->local[number] && f->gpu->rates[1] >= 0;
    as_cuda_place args = {.q = f->s->q,
                          .k = f->s->k,
                          .v = f->s->v,
                          .q_bias = as_gpu_of(f->gpu, layer->query_bias),
                          .k_bias = as_gpu_of(f->gpu, layer->key_bias),
                          .v_bias = as_gpu_of(f->gpu, layer->value_bias),
                          .late = norms == AS_HEAD_NORMS_LATE,
                          .temperatures = as_gpu_of(f->gpu, f->gpu->model->weights.temperatures),
                          .temperature_step = (uint32_t)p->rope.original_context,
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
                          .pairs = p->still[number] ? 0 : (uint32_t)(p->rope.width / 2),
                          .halves = p->arch->rope_halves,
                          .kv = f->gpu->kv,
                          .eps = p->norm_epsilon};
    if (norms != AS_HEAD_NORMS_WHOLE) {
        args.q_norm = as_gpu_of(f->gpu, layer->query_norm);
        args.k_norm = as_gpu_of(f->gpu, layer->key_norm);
    }
    as_gpu_kernel(f, AS_CUDA_K_place, f->plan->rows, 1, 1, &args);
}

// --- feed-forward ---------------------------------------------------------------------------

// What the products that a block begins with take: where nothing is normed, the rows as they are.
static const float *block_input(const as_gpu_pass *f) {
    return f->p->arch->bare_blocks ? f->s->x : f->s->h;
}

// Ends what is in y, if `ended`, and begins a block; without a norm it takes what the one before it
// took, or the rows as they are.
static void turn_to(as_gpu_pass *f, bool ended, const float *bias, const float *post_norm,
                    norm next, bool quantized) {
    bool normed = next.weights != NULL;
    if (ended || normed) finish(f, ended, bias, post_norm, next, quantized && normed);
    if (quantized && !normed) as_gpu_quantize(f, block_input(f), f->p->width, f->plan->rows);
}

// Of the products of a layer, or, with a `mixture`, of its experts' items.
static void activate(as_gpu_pass *f, const as_layer *layer, const as_mixture *mixture, size_t n,
                     size_t rows, bool quantized) {
    as_cuda_activate args = {.gate = f->s->gate,
                             .up = f->p->arch->ungated ? NULL : f->s->up,
                             .gate_bias = layer ? as_gpu_of(f->gpu, layer->gate_bias) : NULL,
                             .up_bias = layer ? as_gpu_of(f->gpu, layer->up_bias) : NULL,
                             .n = (uint32_t)n,
                             .gelu = f->p->arch->gelu,
                             .squared = f->p->arch->squared_relu,
                             .quantize = quantized,
                             .quantized = f->s->quantized};
    if (mixture) {
        args.places = f->s->places;
        args.chosen = f->s->chosen;
        args.gate_bias = as_gpu_of(f->gpu, mixture->gate_bias);
        args.up_bias = as_gpu_of(f->gpu, mixture->up_bias);
        args.clamped = f->p->arch->clamped_experts;
    }
    as_gpu_kernel(f, AS_CUDA_K_activate, rows, 1, 1, &args);
}

static void run_dense(as_gpu_pass *f, const as_layer *layer) {
    const as_gpu_factor both[] = {{&layer->gate, &layer->gate_delta, f->s->gate},
                                  {&layer->up, &layer->up_delta, f->s->up}};
    const as_gpu_factor down = {&layer->down, &layer->down_delta, f->s->y};
    as_gpu_multiply(f, both, layer->up.rows ? 2 : 1, block_input(f), f->plan->rows);
    activate(f, layer, NULL, f->p->ffn_width, f->plan->rows, as_gpu_quantizes(&layer->down));
    as_gpu_multiply(f, &down, 1, f->s->gate, f->plan->rows);
}

static as_cuda_part experts_part(const as_gpu_pass *f, const as_matrix *all, float *y) {
    const as_gpu_factor first = {.w = all, .y = y};
    as_cuda_part part = as_gpu_part(f, &first);
    if (f->p->experts > 1) {
        part.values_stride =
            (uint64_t)((unsigned char *)all[1].values - (unsigned char *)all[0].values);
        if (all[0].scales)
            part.scales_stride =
                (uint64_t)((unsigned char *)all[1].scales - (unsigned char *)all[0].scales);
    }
    return part;
}

static void multiply_all(as_gpu_pass *f, const as_matrix *const *all, float *const *y, size_t n,
                         const float *x) {
    for (size_t i = 0; i < n;) {
        as_wtype type = all[i]->type;
        as_cuda_product product = {.cols = (uint32_t)all[i]->cols,
                                   .fast = f->gpu->fast,
                                   .order = f->s->order,
                                   .starts = f->s->starts,
                                   .counts = f->s->counts,
                                   .quantized = f->s->quantized,
                                   .x = x};
        for (; i < n && all[i]->type == type; i++)
            product.parts[product.part_count++] = experts_part(f, all[i], y[i]);
        // No more experts than items have any rows, and those come first.
        size_t items = f->plan->rows * f->p->experts_used;
        as_gpu_launch_product(f, &product, type, f->plan->rows,
                              items < f->p->experts ? items : f->p->experts);
    }
}

static void run_shared(as_gpu_pass *f, const as_mixture *mixture) {
    const as_gpu_factor both[] = {{&mixture->shared_gate, NULL, f->s->gate},
                                  {&mixture->shared_up, NULL, f->s->up}};
    const as_gpu_factor down = {&mixture->shared_down, NULL, f->s->y};
    as_gpu_multiply(f, both, 2, f->s->h, f->plan->rows);
    activate(f, NULL, NULL, f->p->shared_width, f->plan->rows,
             as_gpu_quantizes(&mixture->shared_down));
    as_gpu_multiply(f, &down, 1, f->s->gate, f->plan->rows);
}

static void gather(as_gpu_pass *f, bool quantized) {
    size_t items = f->plan->rows * f->p->experts_used;
    as_cuda_quantize args = {.x = f->s->h,
                             .places = f->s->places,
                             .per = (uint32_t)f->p->experts_used,
                             .n = (uint32_t)f->p->width,
                             .quantized = f->s->quantized};
    if (quantized) as_gpu_kernel(f, AS_CUDA_K_quantize, items, 1, 1, &args);
    args.copy = f->s->gathered;
    as_gpu_kernel(f, AS_CUDA_K_quantize, items, 1, 1, &args);
}

static void run_mixture(as_gpu_pass *f, const as_mixture *mixture) {
    const as_hparams *p = f->p;
    const as_gpu_factor router = {&mixture->router, NULL, f->s->odds};
    as_cuda_route route = {.odds = f->s->odds,
                           .bias = as_gpu_of(f->gpu, mixture->router_bias),
                           .chosen = f->s->chosen,
                           .weights = f->s->weights,
                           .places = f->s->places,
                           .starts = f->s->starts,
                           .counts = f->s->counts,
                           .order = f->s->order,
                           .experts = (uint32_t)p->experts,
                           .used = (uint32_t)p->experts_used,
                           .normed = p->arch->experts_normed,
                           .count = f->plan->rows,
                           .scale = p->expert_scale};
    as_gpu_multiply(f, &router, 1, f->s->h, f->plan->rows);
    as_gpu_kernel(f, AS_CUDA_K_choose, f->plan->rows, 1, 1, &route);
    as_gpu_kernel(f, AS_CUDA_K_sort, 1, 1, 1, &route);
    if (p->shared_width) run_shared(f, mixture);
    gather(f, as_gpu_quantizes(mixture->gate) || as_gpu_quantizes(mixture->up));
    const as_matrix *const both[] = {mixture->gate, mixture->up};
    float *const out[] = {f->s->gate, f->s->up};
    multiply_all(f, both, out, 2, f->s->gathered);
    activate(f, NULL, mixture, p->expert_width, f->plan->rows * p->experts_used,
             as_gpu_quantizes(mixture->down));
    const as_matrix *const down[] = {mixture->down};
    multiply_all(f, down, &f->s->parts, 1, f->s->gate);
    as_cuda_combine combine = {.h = f->s->h,
                               .parts = f->s->parts,
                               .biases = as_gpu_of(f->gpu, mixture->down_bias),
                               .chosen = f->s->chosen,
                               .weights = f->s->weights,
                               .places = f->s->places,
                               .y = f->s->y,
                               .n = (uint32_t)p->width,
                               .used = (uint32_t)p->experts_used};
    if (p->shared_width) combine.shared_router = as_gpu_of(f->gpu, mixture->shared_router);
    as_gpu_kernel(f, AS_CUDA_K_combine, f->plan->rows, 1, 1, &combine);
}

// Whether the products that a block begins with take quantized rows.
static bool ffn_quantizes(const as_gpu_pass *f, const as_layer *layer) {
    const as_mixture *m = &layer->mixture;
    if (!f->p->experts) return as_gpu_quantizes(&layer->gate) || as_gpu_quantizes(&layer->up);
    return as_gpu_quantizes(&m->router) ||
           (f->p->shared_width &&
            (as_gpu_quantizes(&m->shared_gate) || as_gpu_quantizes(&m->shared_up)));
}

static bool attention_quantizes(const as_layer *layer) {
    return as_gpu_quantizes(&layer->query) || as_gpu_quantizes(&layer->key) ||
           as_gpu_quantizes(&layer->value);
}

// --- the whole --------------------------------------------------------------------------------

static void begin_rows(as_gpu_pass *f) {
    const as_matrix *w = &f->gpu->model->weights.embedding;
    as_cuda_embed embed = {.values = as_gpu_of(f->gpu, w->values),
                           .scales = as_gpu_of(f->gpu, w->scales),
                           .type = w->type,
                           .cols = (uint32_t)w->cols,
                           .rows = f->s->rows,
                           .x = f->s->x,
                           .scale = f->p->embedding_scale};
    as_gpu_kernel(f, AS_CUDA_K_embed, f->plan->rows, 1, 1, &embed);
    for (size_t i = 0; i < 2; i++) {
        if (f->gpu->rates[i] < 0) continue;
        const double *rates = f->gpu->model->weights.rates[f->gpu->rates[i]];
        as_cuda_angles angles = {.rows = f->s->rows,
                                 .rates = as_gpu_of(f->gpu, rates),
                                 .magnitude = i ? 1.0 : f->p->rope.magnitude,
                                 .pairs = (uint32_t)(f->p->rope.width / 2),
                                 .cosines = f->s->cosines[i],
                                 .sines = f->s->sines[i]};
        as_gpu_kernel(f, AS_CUDA_K_angles, f->plan->rows, 1, 1, &angles);
    }
}

static void run_layer(as_gpu_pass *f, size_t number) {
    const as_layer *layer = &f->gpu->model->weights.layers[number];
    const as_layer *next = number + 1 < f->p->layers ? layer + 1 : NULL;
    const as_gpu_factor three[] = {{&layer->query, &layer->query_delta, f->s->q},
                                   {&layer->key, &layer->key_delta, f->s->k},
                                   {&layer->value, &layer->value_delta, f->s->v}};
    const as_gpu_factor output = {&layer->output, &layer->output_delta, f->s->y};
    size_t rows = f->plan->rows;
    as_gpu_multiply(f, three, 3, block_input(f), rows);
    place(f, layer, number);
    if (!next && !f->plan->wants) return; // nobody looks at more than the cache
    const as_gpu_sight sight = {.keys = cache_of(f, f->gpu->keys, number),
                                .values = cache_of(f, f->gpu->values, number),
                                .slots = f->gpu->slots,
                                .kv = f->gpu->kv,
                                .window = f->p->local[number] ? (uint32_t)f->p->window : 0,
                                .sinks = layer->sinks};
    as_gpu_attend(f, &sight, &layer->output);
    as_gpu_multiply(f, &output, 1, f->s->mixed, rows);
    turn_to(f, true, layer->output_bias, layer->attention_post_norm,
            (norm){layer->ffn_norm, layer->ffn_norm_bias}, ffn_quantizes(f, layer));
    if (f->p->experts)
        run_mixture(f, &layer->mixture);
    else
        run_dense(f, layer);
    norm after = {NULL, NULL};
    if (next) after = (norm){next->attention_norm, next->attention_norm_bias};
    turn_to(f, true, layer->down_bias, layer->ffn_post_norm, after,
            next && attention_quantizes(next));
}

static void copy(as_gpu_pass *f, int code) {
    if (!f->rc) f->rc = as_gpu_check(f->gpu, code, "copy", f->err);
}

// Logits of the rows in the list, and what is asked about them.
static void run_wants(as_gpu_pass *f) {
    const as_model *model = f->gpu->model;
    const as_matrix *output = &model->weights.output;
    const as_driver *d = &f->gpu->driver;
    size_t wants = f->plan->wants, vocabulary = output->rows;
    if (!wants) return;
    as_cuda_finish last = {.x = f->s->x,
                           .list = f->s->list,
                           .norm = as_gpu_of(f->gpu, model->weights.output_norm),
                           .norm_bias = as_gpu_of(f->gpu, model->weights.output_norm_bias),
                           .h = f->s->h,
                           .eps = f->p->norm_epsilon,
                           .n = (uint32_t)f->p->width,
                           .quantize = as_gpu_quantizes(output),
                           .quantized = f->s->quantized};
    as_gpu_kernel(f, AS_CUDA_K_finish, wants, 1, 1, &last);
    if (f->plan->states)
        copy(f, d->copy_out(f->lane->states_out, (as_gpu_memory)(uintptr_t)f->s->h,
                            wants * f->p->width * sizeof(float), f->lane->stream));
    if (!f->plan->answers) return;
    const as_gpu_factor product = {output, &model->weights.output_delta, f->s->logits};
    as_gpu_multiply(f, &product, 1, f->s->h, wants);
    as_cuda_cap cap = {.x = f->s->logits,
                       .bias = as_gpu_of(f->gpu, model->weights.output_bias),
                       .row = (uint32_t)vocabulary,
                       .scale = f->p->logit_scale,
                       .cap = f->p->logit_cap,
                       .n = (uint64_t)wants * vocabulary};
    if (cap.bias || cap.scale != 1.0f || cap.cap > 0.0f)
        as_gpu_kernel(f, AS_CUDA_K_cap, (cap.n + 255) / 256, 1, 1, &cap);
    as_cuda_facts facts = {.logits = f->s->logits, .facts = f->s->facts, .n = (uint32_t)vocabulary};
    as_gpu_kernel(f, AS_CUDA_K_facts, wants, 1, 1, &facts);
    as_cuda_pick pick = {
        .logits = f->s->logits, .at = f->s->at, .out = f->s->picked, .count = f->plan->picks};
    as_gpu_kernel(f, AS_CUDA_K_pick, (pick.count + 255u) / 256, 1, 1, &pick);
    if (f->plan->logits)
        copy(f, d->copy_out(f->lane->logits_out, (as_gpu_memory)(uintptr_t)f->s->logits,
                            wants * vocabulary * sizeof(float), f->lane->stream));
    as_cuda_draw draw = {.logits = f->s->logits,
                         .facts = f->s->facts,
                         .drawings = f->s->drawings,
                         .runs = f->s->runs,
                         .tokens = f->s->tokens,
                         .n = (uint32_t)vocabulary};
    as_gpu_kernel(f, AS_CUDA_K_draw, f->plan->draws, 1, 1, &draw);
    as_gpu_memory back = (as_gpu_memory)(uintptr_t)f->s->facts;
    size_t used = (size_t)((uintptr_t)f->s->picked - (uintptr_t)f->s->facts) +
                  f->plan->picks * sizeof *f->s->picked;
    copy(f, d->copy_out(f->lane->out, back, used, f->lane->stream));
}

static as_gpu_pass pass_of(as_gpu_lane *lane, const as_gpu_plan *plan, as_err *err) {
    return (as_gpu_pass){.lane = lane,
                         .gpu = lane->gpu,
                         .p = &lane->gpu->model->hparams,
                         .s = &lane->scratch,
                         .plan = plan,
                         .err = err};
}

as_rc as_gpu_enqueue(as_gpu_lane *lane, const as_gpu_plan *plan, as_err *err) {
    as_gpu_pass f = pass_of(lane, plan, err);
    const as_driver *d = &f.gpu->driver;
    const as_layer *first = &f.gpu->model->weights.layers[0];
    copy(&f, d->copy_in(f.s->memory, lane->in, lane->in_fixed, lane->stream));
    copy(&f, d->copy_in(lane->slots, lane->slots_in,
                        (size_t)plan->views * plan->stride * sizeof(uint32_t), lane->stream));
    begin_rows(&f);
    turn_to(&f, false, NULL, NULL, (norm){first->attention_norm, first->attention_norm_bias},
            attention_quantizes(first));
    for (size_t i = 0; i < f.p->layers; i++) run_layer(&f, i);
    run_wants(&f);
    return f.rc;
}

as_rc as_gpu_enqueue_wants(as_gpu_lane *lane, const as_gpu_plan *plan, as_err *err) {
    as_gpu_pass f = pass_of(lane, plan, err);
    copy(&f, f.gpu->driver.copy_in(f.s->memory, lane->in, lane->in_fixed, lane->stream));
    run_wants(&f);
    return f.rc;
}
