// SPDX-License-Identifier: Apache-2.0
// gpu_lane.c - the memory of a lane: laid out twice, first to add it up, then to hand it out.
#include <stdlib.h>

#include "harness/engine/gpu/gpu.h"

enum { ALIGNMENT = 256 };

typedef struct layout {
    as_gpu_memory memory; // 0: adding up
    size_t used;
} layout;

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

static void *part(layout *l, size_t count, size_t size) {
    void *at = (void *)(uintptr_t)(l->memory + l->used);
    l->used += (as_size_mul(count, size) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return at;
}

static float *floats(layout *l, size_t rows, size_t cols) {
    return part(l, as_size_mul(rows, cols), sizeof(float));
}

// What the host fills comes first, then what it reads.
static void lay_out_ends(as_gpu_lane *lane, layout *l) {
    as_gpu_scratch *s = &lane->scratch;
    s->rows = part(l, lane->rows, sizeof *s->rows);
    s->spans = part(l, lane->rows, sizeof *s->spans);
    s->list = part(l, AS_GPU_WANTS, sizeof *s->list);
    s->at = part(l, AS_GPU_PICKS, sizeof *s->at);
    s->drawings = part(l, AS_GPU_WANTS, sizeof *s->drawings);
    lane->in_fixed = l->used;
    s->facts = part(l, AS_GPU_WANTS, sizeof *s->facts);
    s->tokens = part(l, AS_GPU_WANTS, sizeof *s->tokens);
    s->picked = part(l, AS_GPU_PICKS, sizeof *s->picked);
    lane->out_size = l->used - lane->in_fixed;
}

static void lay_out_mixture(as_gpu_lane *lane, layout *l, const as_hparams *p) {
    as_gpu_scratch *s = &lane->scratch;
    size_t items = lane->rows * p->experts_used;
    s->odds = floats(l, lane->rows, p->experts);
    s->weights = floats(l, items, 1);
    s->chosen = part(l, items, sizeof *s->chosen);
    s->places = part(l, items, sizeof *s->places);
    s->starts = part(l, p->experts, sizeof *s->starts);
    s->counts = part(l, p->experts, sizeof *s->counts);
    s->order = part(l, p->experts, sizeof *s->order);
    s->gathered = floats(l, lane->places_max, p->width);
    s->parts = floats(l, lane->places_max, p->width);
}

// Of so many blocks of 32 columns of a tile.
static void lay_out_quantized(as_gpu_lane *lane, layout *l, size_t blocks) {
    as_cuda_qrows *q = &lane->scratch.quantized;
    if (lane->gpu->fast) {
        q->x = part(l, blocks, AS_CUDA_TILE * AS_QBLOCK * sizeof *q->x);
        return;
    }
    q->q = part(l, blocks, AS_CUDA_TILE * AS_QBLOCK);
    q->d = floats(l, blocks, AS_CUDA_TILE);
    q->sums = floats(l, blocks, AS_CUDA_TILE);
    q->halves = part(l, blocks, 2 * AS_CUDA_TILE * sizeof *q->halves);
}

static void lay_out(as_gpu_lane *lane, layout *l) {
    as_gpu_scratch *s = &lane->scratch;
    const as_model *model = lane->gpu->model;
    const as_hparams *p = &model->hparams;
    size_t rows = lane->rows, vocabulary = model->info.vocabulary;
    size_t q = p->heads * p->head_width, kv = p->kv_heads * p->head_width;
    size_t ffn = larger(larger(p->ffn_width, p->shared_width), p->expert_width);
    size_t widest = (larger(larger(p->width, q), ffn) + AS_QBLOCK - 1) / AS_QBLOCK;
    size_t places = larger(lane->places_max, AS_GPU_WANTS), rank = model->weights.rank_max;
    size_t tiles = (places + AS_CUDA_TILE - 1) / AS_CUDA_TILE;
    lay_out_ends(lane, l);
    for (size_t i = 0; i < 2; i++) {
        size_t pairs = lane->gpu->rates[i] < 0 ? 0 : p->rope.width / 2;
        s->cosines[i] = floats(l, rows, pairs);
        s->sines[i] = floats(l, rows, pairs);
    }
    s->x = floats(l, rows, p->width);
    s->h = floats(l, larger(rows, AS_GPU_WANTS), p->width);
    s->q = floats(l, rows, q);
    s->k = floats(l, rows, kv);
    s->v = floats(l, rows, kv);
    s->mixed = floats(l, rows, q);
    s->y = floats(l, rows, p->width);
    s->gate = floats(l, places, ffn);
    s->up = floats(l, places, ffn);
    lay_out_quantized(lane, l, tiles * widest);
    s->logits = floats(l, AS_GPU_WANTS, vocabulary);
    s->runs =
        part(l, AS_GPU_WANTS * ((vocabulary + AS_CUDA_RUN - 1) / AS_CUDA_RUN), sizeof *s->runs);
    if (p->experts) lay_out_mixture(lane, l, p);
    s->low = floats(l, larger(rows, AS_GPU_WANTS), rank);
    s->added = floats(l, rank ? 1 : 0,
                      larger(rows * larger(larger(p->width, q), ffn), AS_GPU_WANTS * vocabulary));
}

as_rc as_gpu_lane_new(as_gpu *gpu, size_t rows, as_gpu_lane **out, as_err *err) {
    const as_hparams *p = &gpu->model->hparams;
    as_gpu_lane *lane = as_mem_new(sizeof *lane);
    *lane = (as_gpu_lane){.gpu = gpu, .rows = rows};
    size_t room = AS_CUDA_TILE - 1; // of an expert's last tile
    lane->places_max = p->experts ? rows * p->experts_used + p->experts * room : rows;
    layout l = {0};
    lay_out(lane, &l);
    as_rc rc = as_gpu_enter(gpu, err);
    if (!rc) rc = as_gpu_take(gpu, l.used, "the memory of a batch", &lane->scratch.memory, err);
    void *in = NULL, *back = NULL;
    const as_driver *d = &gpu->driver;
    if (!rc) rc = as_gpu_check(gpu, d->pinned_new(&in, lane->in_fixed), "take host memory", err);
    lane->in = in;
    if (!rc) rc = as_gpu_check(gpu, d->pinned_new(&back, lane->out_size), "take host memory", err);
    lane->out = back;
    if (!rc) rc = as_gpu_check(gpu, d->stream_new(&lane->stream, 0), "begin a stream", err);
    l = (layout){.memory = lane->scratch.memory};
    if (!rc) lay_out(lane, &l);
    // The last tile's unused columns are read, though nothing comes of them.
    if (!rc)
        rc = as_gpu_check(gpu, d->fill(lane->scratch.memory, 0, l.used, lane->stream),
                          "clear memory", err);
    if (rc)
        as_gpu_lane_free(lane);
    else
        *out = lane;
    return rc;
}

void as_gpu_lane_free(as_gpu_lane *lane) {
    if (!lane) return;
    const as_gpu *gpu = lane->gpu;
    const as_driver *d = &gpu->driver;
    d->context_set(gpu->context);
    for (size_t i = 0; i < lane->replay_count; i++)
        if (lane->replays[i].exec) d->graph_exec_free(lane->replays[i].exec);
    if (lane->stream) d->stream_free(lane->stream);
    as_gpu_give(gpu, lane->scratch.memory);
    as_gpu_give(gpu, lane->slots);
    as_gpu_give(gpu, lane->scores);
    if (lane->in) d->pinned_free(lane->in);
    if (lane->out) d->pinned_free(lane->out);
    if (lane->slots_in) d->pinned_free(lane->slots_in);
    if (lane->logits_out) d->pinned_free(lane->logits_out);
    if (lane->states_out) d->pinned_free(lane->states_out);
    if (lane->odds_out) d->pinned_free(lane->odds_out);
    as_sampler_free(&lane->sampler);
    free(lane->view_ends);
    free(lane);
}
