// SPDX-License-Identifier: Apache-2.0
// gpu_encoder.c - texts through the layers of an encoder. Keys and values are of one layer at a
// time, in slots that are the rows of the batch; attention is that of decoders, whose rows see all
// of their text.
#include "harness/engine/gpu/gpu_encoder.h"

#include <stdlib.h>

#include "harness/engine/gpu/gpu_pass.h"

enum { ROWS_MIN = 256 };

struct as_gpu_encoder {
    as_gpu *gpu;
    as_gpu_lane *lane;          // made anew when a batch has more rows than any before
    as_gpu_memory keys, values; // [heads][lane->rows][head_width]
    float *out;                 // pinned [lane->rows][width]
};

static void empty(as_gpu_encoder *e) {
    if (!e->lane) return;
    as_gpu_give(e->gpu, e->keys);
    as_gpu_give(e->gpu, e->values);
    if (e->out) e->gpu->driver.pinned_free(e->out);
    as_gpu_lane_free(e->lane);
    e->lane = NULL;
    e->keys = e->values = 0;
    e->out = NULL;
}

static as_rc make_room(as_gpu_encoder *e, size_t rows, as_err *err) {
    const as_hparams *p = &e->gpu->model->hparams;
    if (e->lane && rows <= e->lane->rows) return AS_OK;
    empty(e);
    rows = rows < ROWS_MIN ? ROWS_MIN : (rows + AS_PAGE - 1) / AS_PAGE * AS_PAGE;
    size_t size = as_gpu_cache_size(p, AS_KV_F32, rows);
    void *out = NULL;
    as_rc rc = as_gpu_lane_new(e->gpu, rows, &e->lane, err);
    if (!rc) rc = as_gpu_take(e->gpu, size, "the keys of a batch", &e->keys, err);
    if (!rc) rc = as_gpu_take(e->gpu, size, "the values of a batch", &e->values, err);
    if (!rc)
        rc = as_gpu_check(
            e->gpu, e->gpu->driver.pinned_new(&out, as_size_mul(rows * sizeof(float), p->width)),
            "take host memory", err);
    e->out = out;
    if (rc) empty(e);
    return rc;
}

as_rc as_gpu_encoder_new(const as_model *model, as_gpu_choice choice, as_gpu_encoder **out,
                         as_err *err) {
    as_gpu *gpu;
    as_rc rc = as_gpu_open(model, AS_KV_F32, model->info.context_length, 0, choice, &gpu, err);
    if (rc) return rc;
    as_gpu_encoder *e = as_mem_new(sizeof *e);
    e->gpu = gpu;
    *out = e;
    return AS_OK;
}

void as_gpu_encoder_free(as_gpu_encoder *encoder) {
    if (!encoder) return;
    encoder->gpu->driver.context_set(encoder->gpu->context);
    empty(encoder);
    as_gpu_close(encoder->gpu);
    free(encoder);
}

// --- the batch ------------------------------------------------------------------------------

static void fill(as_gpu_encoder *e, const as_tokens *texts, size_t count, as_gpu_plan *plan) {
    as_cuda_row *rows = as_gpu_in(e->lane, e->lane->scratch.rows);
    as_cuda_span *spans = as_gpu_in(e->lane, e->lane->scratch.spans);
    uint32_t most = (uint32_t)as_gpu_span_rows(&e->gpu->model->hparams), row = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length = (uint32_t)texts[i].count, view = i * plan->stride;
        for (uint32_t j = 0; j < length; j += most)
            spans[plan->spans++] = (as_cuda_span){row + j, length - j < most ? length - j : most};
        for (uint32_t j = 0; j < length; j++, row++) {
            e->lane->slots_in[view + j] = row;
            rows[row] = (as_cuda_row){texts[i].ids[j], j, view, length};
        }
    }
}

// --- the pass -------------------------------------------------------------------------------

static bool heads_quantize(const as_layer *layer) {
    return as_gpu_quantizes(&layer->query) || as_gpu_quantizes(&layer->key) ||
           as_gpu_quantizes(&layer->value);
}

static void embed(as_gpu_pass *f, const as_matrix *w, as_cuda_which which, bool added) {
    as_cuda_embed args = {.values = as_gpu_of(f->gpu, w->values),
                          .scales = as_gpu_of(f->gpu, w->scales),
                          .type = w->type,
                          .cols = (uint32_t)w->cols,
                          .which = which,
                          .added = added,
                          .rows = f->s->rows,
                          .x = f->s->x,
                          .scale = 1.0f};
    as_gpu_kernel(f, AS_CUDA_K_embed, f->plan->rows, 1, 1, &args);
}

static void settle(as_gpu_pass *f, bool ended, const float *bias, const float *norm,
                   const float *norm_bias, bool quantized) {
    as_cuda_settle args = {.y = ended ? f->s->y : NULL,
                           .bias = as_gpu_of(f->gpu, bias),
                           .x = f->s->x,
                           .norm = as_gpu_of(f->gpu, norm),
                           .norm_bias = as_gpu_of(f->gpu, norm_bias),
                           .eps = f->p->norm_epsilon,
                           .n = (uint32_t)f->p->width,
                           .quantize = quantized,
                           .quantized = f->s->quantized};
    as_gpu_kernel(f, AS_CUDA_K_settle, f->plan->rows, 1, 1, &args);
}

static void begin_rows(as_gpu_pass *f) {
    const as_weights *w = &f->gpu->model->weights;
    embed(f, &w->embedding, AS_CUDA_TOKEN, false);
    if (w->types.rows) embed(f, &w->types, AS_CUDA_FIRST, true);
    if (f->p->arch->places) {
        embed(f, &w->positions, AS_CUDA_POSITION, true);
    } else {
        as_cuda_angles angles = {.rows = f->s->rows,
                                 .rates = as_gpu_of(f->gpu, w->rates[AS_RATES_USUAL]),
                                 .magnitude = f->p->rope.magnitude,
                                 .pairs = (uint32_t)(f->p->rope.width / 2),
                                 .cosines = f->s->cosines[0],
                                 .sines = f->s->sines[0]};
        as_gpu_kernel(f, AS_CUDA_K_angles, f->plan->rows, 1, 1, &angles);
    }
    settle(f, false, NULL, w->embedding_norm, w->embedding_bias, heads_quantize(w->layers));
}

static void place(as_gpu_pass *f, const as_layer *layer, const as_gpu_sight *sight) {
    const as_hparams *p = f->p;
    as_cuda_place args = {.q = f->s->q,
                          .k = f->s->k,
                          .v = f->s->v,
                          .q_bias = as_gpu_of(f->gpu, layer->query_bias),
                          .k_bias = as_gpu_of(f->gpu, layer->key_bias),
                          .v_bias = as_gpu_of(f->gpu, layer->value_bias),
                          .cosines = f->s->cosines[0],
                          .sines = f->s->sines[0],
                          .rows = f->s->rows,
                          .slots = (const uint32_t *)(uintptr_t)f->lane->slots,
                          .keys = (void *)(uintptr_t)sight->keys,
                          .values = (void *)(uintptr_t)sight->values,
                          .slot_count = sight->slots,
                          .heads = (uint32_t)p->heads,
                          .kv_heads = (uint32_t)p->heads,
                          .width = (uint32_t)p->head_width,
                          .pairs = p->arch->places ? 0 : (uint32_t)(p->rope.width / 2),
                          .halves = true,
                          .kv = AS_KV_F32,
                          .plain = true};
    as_gpu_kernel(f, AS_CUDA_K_place, f->plan->rows, 1, 1, &args);
}

static void activate(as_gpu_pass *f, const as_layer *layer) {
    bool gated = layer->gate.rows > 0;
    as_cuda_activate args = {.gate = gated ? f->s->gate : f->s->up,
                             .up = gated ? f->s->up : NULL,
                             .gate_bias = gated ? NULL : as_gpu_of(f->gpu, layer->up_bias),
                             .up_bias = gated ? as_gpu_of(f->gpu, layer->up_bias) : NULL,
                             .n = (uint32_t)f->p->ffn_width,
                             .quantize = as_gpu_quantizes(&layer->down),
                             .quantized = f->s->quantized};
    as_gpu_kernel(f, AS_CUDA_K_activate, f->plan->rows, 1, 1, &args);
}

static void run_layer(as_gpu_pass *f, const as_layer *layer, const as_gpu_sight *sight,
                      const as_layer *next) {
    const as_gpu_factor three[] = {{&layer->query, NULL, f->s->q},
                                   {&layer->key, NULL, f->s->k},
                                   {&layer->value, NULL, f->s->v}};
    const as_gpu_factor output = {&layer->output, NULL, f->s->y};
    const as_gpu_factor both[] = {{&layer->up, NULL, f->s->up}, {&layer->gate, NULL, f->s->gate}};
    bool gated = layer->gate.rows > 0;
    const as_gpu_factor down = {&layer->down, NULL, f->s->y};
    size_t rows = f->plan->rows;
    as_gpu_multiply(f, three, 3, f->s->x, rows);
    place(f, layer, sight);
    as_gpu_attend(f, sight, &layer->output);
    as_gpu_multiply(f, &output, 1, f->s->mixed, rows);
    settle(f, true, layer->output_bias, layer->attention_post_norm, layer->attention_post_bias,
           as_gpu_quantizes(&layer->up) || (gated && as_gpu_quantizes(&layer->gate)));
    as_gpu_multiply(f, both, gated ? 2 : 1, f->s->x, rows);
    activate(f, layer);
    as_gpu_multiply(f, &down, 1, gated ? f->s->gate : f->s->up, rows);
    settle(f, true, layer->down_bias, layer->ffn_post_norm, layer->ffn_post_bias,
           next && heads_quantize(next));
}

static as_rc enqueue(as_gpu_encoder *e, const as_gpu_plan *plan, as_err *err) {
    as_gpu_lane *lane = e->lane;
    const as_driver *d = &e->gpu->driver;
    const as_weights *w = &e->gpu->model->weights;
    as_gpu_pass f = {lane, e->gpu, &e->gpu->model->hparams, &lane->scratch, plan, AS_OK, err};
    const as_gpu_sight sight = {.keys = (void *)(uintptr_t)e->keys,
                                .values = (void *)(uintptr_t)e->values,
                                .slots = lane->rows};
    as_rc rc = as_gpu_check(
        e->gpu, d->copy_in(lane->scratch.memory, lane->in, lane->in_fixed, lane->stream), "copy",
        err);
    size_t slots = (size_t)plan->views * plan->stride * sizeof(uint32_t);
    if (!rc)
        rc = as_gpu_check(e->gpu, d->copy_in(lane->slots, lane->slots_in, slots, lane->stream),
                          "copy", err);
    if (rc) return rc;
    begin_rows(&f);
    for (size_t i = 0; i < f.p->layers; i++)
        run_layer(&f, &w->layers[i], &sight, i + 1 < f.p->layers ? &w->layers[i + 1] : NULL);
    if (f.rc) return f.rc;
    return as_gpu_check(e->gpu,
                        d->copy_out(e->out, (as_gpu_memory)(uintptr_t)f.s->x,
                                    plan->rows * f.p->width * sizeof(float), lane->stream),
                        "copy", err);
}

as_rc as_gpu_encoder_run(as_gpu_encoder *encoder, const as_tokens *texts, size_t count,
                         const float **rows, as_err *err) {
    as_gpu_encoder *e = encoder;
    as_gpu_plan plan = {.views = (uint32_t)count};
    uint32_t longest = 0;
    for (size_t i = 0; i < count; i++) {
        plan.rows += (uint32_t)texts[i].count;
        if (texts[i].count > longest) longest = (uint32_t)texts[i].count;
    }
    plan.stride = as_gpu_stride(longest);
    as_rc rc = as_gpu_enter(e->gpu, err);
    if (!rc) rc = make_room(e, plan.rows, err);
    if (!rc) rc = as_gpu_make_room(e->lane, &plan, err);
    if (rc) return rc;
    fill(e, texts, count, &plan);
    rc = enqueue(e, &plan, err);
    if (!rc) rc = as_gpu_lane_wait(e->lane, err);
    if (!rc) *rows = e->out;
    return rc;
}
