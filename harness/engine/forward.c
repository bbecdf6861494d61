// SPDX-License-Identifier: Apache-2.0
// The CPU as a backend: a batch of token rows through all layers.
#include <stdlib.h>
#include <string.h>

#include "harness/engine/batch/session.h"
#include "harness/engine/forward_state.h"
#include "harness/engine/memory/layout.h"

enum {
    // Rows whose logits are made at once. The fewer, the more often the output matrix is read; but
    // of a small model, they would be much of what it takes: LOGIT_ROWS_FEW where the others need
    // more than LOGIT_SIZE and a LOGIT_SHARE-th of the weights.
    LOGIT_ROWS = 24,
    LOGIT_ROWS_FEW = 8,
    LOGIT_SHARE = 18,
    LOGIT_SIZE = 1 << 20, // bytes
};

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

static void lay_out_routing(as_routing *r, as_layout *l, const as_hparams *p, size_t chunk) {
    size_t items = chunk * p->experts_used;
    r->odds = as_layout_floats(l, chunk, p->experts);
    r->chosen = as_layout_part(l, items, sizeof *r->chosen);
    r->weights = as_layout_floats(l, items, 1);
    r->places = as_layout_part(l, items, sizeof *r->places);
    r->sources = as_layout_part(l, items, sizeof *r->sources);
    r->starts = as_layout_part(l, p->experts + 1, sizeof *r->starts);
    r->gathered = as_layout_floats(l, items, p->width);
    r->parts = as_layout_floats(l, items, p->width);
}

static size_t logit_rows(const as_forward *f) {
    size_t size = LOGIT_ROWS * f->model->info.vocabulary * sizeof *f->logits;
    bool few = size > larger(f->model->weights.size / LOGIT_SHARE, LOGIT_SIZE);
    size_t rows = few ? LOGIT_ROWS_FEW : LOGIT_ROWS;
    return rows < f->chunk ? rows : f->chunk;
}

// What attention, the rest of a layer, and logits have to themselves while they are worked on lies
// in the same place; logits also over the rows of f->h that they are not made from.
static void lay_out_stages(as_forward *f, as_layout *l, const as_hparams *p, size_t ffn) {
    size_t q = p->heads * p->head_width, kv = p->kv_heads * p->head_width;
    size_t items = f->chunk * larger(1, p->experts_used), first = l->used;
    f->h = as_layout_floats(l, f->chunk, p->width);
    // What a block adds is made when h has been used, but for a mixture's and parallel ones.
    bool stays = p->experts || p->arch->parallel;
    f->y = stays ? as_layout_floats(l, f->chunk, p->width) : f->h;
    // And once it is quantized, nobody looks at h.
    bool plain = f->model->weights.plain || f->model->weights.rank_max || stays;
    size_t begin = plain ? l->used : first;
    l->used = begin;
    f->q = as_layout_floats(l, f->chunk, q);
    f->k = as_layout_floats(l, f->chunk, kv);
    f->v = as_layout_floats(l, f->chunk, kv);
    f->mixed = as_layout_floats(l, f->chunk, q);
    size_t end = l->used;
    l->used = begin;
    f->gate = as_layout_floats(l, items, ffn);
    f->up = as_layout_floats(l, items, ffn);
    end = larger(end, l->used);
    f->logit_rows = logit_rows(f);
    l->used = first;
    as_layout_floats(l, f->logit_rows, p->width);
    f->logits = as_layout_floats(l, f->logit_rows, f->model->info.vocabulary);
    l->used = larger(end, l->used);
}

static void lay_out(as_forward *f, as_layout *l, size_t threads) {
    const as_hparams *p = &f->model->hparams;
    size_t q = p->heads * p->head_width;
    f->rows = as_layout_part(l, f->chunk, sizeof *f->rows);
    f->pages = as_layout_part(l, f->chunk, sizeof *f->pages);
    f->slots = as_layout_part(l, f->chunk, sizeof *f->slots);
    for (size_t i = 0; i < 2; i++) {
        size_t rows = f->device->rates[i] ? f->chunk : 0;
        f->cosines[i] = as_layout_floats(l, rows, p->rope.width / 2);
        f->sines[i] = as_layout_floats(l, rows, p->rope.width / 2);
    }
    f->x = as_layout_floats(l, f->chunk, p->width);
    f->scores = as_layout_floats(l, p->heads, f->score_stride);
    f->sum = as_layout_floats(l, 1, p->width);
    size_t items = f->chunk * larger(1, p->experts_used);
    size_t ffn = larger(larger(p->ffn_width, p->shared_width), p->expert_width);
    lay_out_stages(f, l, p, ffn);
    size_t widest = round_up(larger(larger(p->width, q), ffn), AS_QBLOCK);
    f->quantized = f->joint = as_layout_qrows(l, items, widest);
    if (p->experts) lay_out_routing(&f->routing, l, p, f->chunk);
    as_tile *tiles = f->tiles = as_layout_part(l, threads, sizeof *tiles);
    for (size_t i = 0; i < threads; i++) {
        as_tile t = {.queries = as_layout_floats(l, AS_TILE, p->head_width),
                     .scores = as_layout_floats(l, AS_TILE, f->score_stride),
                     .mixed = as_layout_floats(l, AS_TILE, f->room),
                     .pieces = as_layout_part(l, f->device->context + 1, sizeof *t.pieces),
                     .scratch = as_layout_part(l, f->model->weights.scratch_size, 1),
                     .low = as_layout_floats(l, f->chunk, f->model->weights.rank_max),
                     .added =
                         as_layout_floats(l, f->model->weights.rank_max ? f->chunk : 0, AS_PANEL),
                     .x = as_layout_floats(l, 1, p->width),
                     .h = as_layout_floats(l, 1, p->width)};
        for (size_t set = 0; set < 2; set++) {
            t.cosines[set] = as_layout_floats(l, f->device->rates[set] ? 1 : 0, p->rope.width / 2);
            t.sines[set] = as_layout_floats(l, f->device->rates[set] ? 1 : 0, p->rope.width / 2);
        }
        t.quantized = as_layout_qrows(l, 1, widest);
        if (tiles) tiles[i] = t;
    }
}

// Zeros at a multiple of AS_LAYOUT_ALIGNMENT in *memory, which is to be freed; NULL without memory.
// What is not touched costs nothing, so neither does a long context.
static void *take_memory(size_t size, void **memory) {
    *memory = size <= SIZE_MAX - AS_LAYOUT_ALIGNMENT ? calloc(1, size + AS_LAYOUT_ALIGNMENT) : NULL;
    if (!*memory) return NULL;
    uintptr_t start = (uintptr_t)*memory;
    return (unsigned char *)*memory +
           (AS_LAYOUT_ALIGNMENT - start % AS_LAYOUT_ALIGNMENT) % AS_LAYOUT_ALIGNMENT;
}

static size_t cpu_page_size(const as_model *model, as_kv kv) {
    const as_hparams *p = &model->hparams;
    return as_size_mul(p->layers * p->kv_heads, as_kv_size(kv, p->head_width));
}

static as_rc cpu_open(const as_model *model, as_kv kv, size_t context, size_t pages,
                      as_device **out, as_err *err) {
    double *const *rates = model->weights.rates;
    bool beyond = context > model->hparams.rope.original_context;
    as_device *d = as_mem_new(sizeof *d);
    *d = (as_device){.model = model, .kv = kv, .context = context, .pages = pages};
    d->rates[0] = rates[beyond && rates[AS_RATES_LONG] ? AS_RATES_LONG : AS_RATES_USUAL];
    d->rates[1] = rates[AS_RATES_LOCAL];
    d->head_size = as_kv_size(kv, model->hparams.head_width);
    d->page_size = cpu_page_size(model, kv);
    size_t size = as_size_mul(pages, d->page_size);
    d->store = take_memory(size, &d->memory);
    if (!d->store) {
        free(d);
        return as_fail(err, AS_UNMEASURED, "cannot take %zu MiB of memory for keys and values",
                       size >> 20);
    }
    *out = d;
    return AS_OK;
}

static void cpu_close(as_device *device) {
    if (!device) return;
    free(device->memory);
    free(device);
}

static void cpu_lane_free(as_lane *lane) {
    if (!lane) return;
    for (size_t i = 0; lane->team && i < lane->members; i++)
        if (lane->tiles[i].sampler) {
            as_sampler_free(lane->tiles[i].sampler);
            free(lane->tiles[i].sampler);
        }
    as_team_free(lane->team);
    free(lane->memory);
    free(lane);
}

static as_rc cpu_lane_new(as_device *device, size_t rows, size_t threads, as_lane **out,
                          as_err *err) {
    as_forward *f = as_mem_new(sizeof *f);
    f->device = device;
    f->model = device->model;
    f->chunk = rows;
    f->members = threads;
    f->room = round_up(f->model->hparams.head_width, AS_PANEL);
    // An odd number of cache lines, so that the rows of a tile do not meet in one cache set.
    f->score_stride = (round_up(device->context + 1, AS_PANEL) / AS_PANEL | 1) * AS_PANEL;
    as_layout l = {0};
    lay_out(f, &l, threads);
    size_t size = l.used;
    l = (as_layout){take_memory(size, &f->memory), 0};
    as_rc rc = AS_OK;
    if (!l.memory)
        rc = as_fail(err, AS_UNMEASURED,
                     "cannot take %zu MiB of memory for batches of %zu rows of %zu tokens",
                     size >> 20, rows, device->context);
    if (!rc) {
        lay_out(f, &l, threads);
        rc = as_team_new(threads, &f->team, err);
    }
    if (rc)
        cpu_lane_free(f);
    else
        *out = f;
    return rc;
}

// Between two stages that work on rows, the second on what the first made of the same rows.
static void meet_rows(as_forward *f, size_t index) {
    if (!f->alone) as_team_meet(f->team, index);
}

// The rows that a member works on.
static void own_rows(const as_forward *f, size_t index, size_t members, size_t *begin,
                     size_t *end) {
    if (f->alone)
        *begin = 0, *end = f->count;
    else
        as_forward_share(f->count, index, members, begin, end);
}

void as_forward_share(size_t n, size_t index, size_t members, size_t *begin, size_t *end) {
    *begin = n * index / members;
    *end = n * (index + 1) / members;
}

unsigned char *as_forward_head(const as_device *d, size_t layer, size_t kv_head, size_t page) {
    size_t head = layer * d->model->hparams.kv_heads + kv_head;
    return d->store + page * d->page_size + head * d->head_size;
}

bool as_forward_quantizes(const as_matrix *w) {
    return as_wtype_quantized(w->type);
}

// This member's panels of w. They are shared in pairs, so that of a row alone whole blocks are
// made.
static void own_panels(const as_matrix *w, size_t index, size_t members, size_t *begin,
                       size_t *end) {
    size_t panels = (w->rows + AS_PANEL - 1) / AS_PANEL;
    as_forward_share((panels + 1) / 2, index, members, begin, end);
    *begin *= 2;
    *end = 2 * *end < panels ? 2 * *end : panels;
}

static void multiply_rows(as_forward *f, const as_matrix *w, const float *x, const as_qrows *q,
                          size_t from, size_t count, float *y, size_t index, size_t members) {
    size_t begin, end, at = from * (w->cols / AS_QBLOCK);
    own_panels(w, index, members, &begin, &end);
    as_qrows rows = {.q = q->q + from * w->cols,
                     .d = q->d + at,
                     .sums = q->sums + at,
                     .offsets = q->offsets + at,
                     .halves = q->halves + 2 * at,
                     .cols = w->cols};
    as_matrix_multiply(f->model->kernels, w, begin, end, x + from * w->cols, &rows, count,
                       y + from * w->rows, w->rows, f->tiles[index].scratch);
}

void as_forward_multiply(as_forward *f, const as_matrix *w, const float *x, size_t from,
                         size_t count, float *y, size_t index, size_t members) {
    multiply_rows(f, w, x, &f->quantized, from, count, y, index, members);
}

// Asks memory for the first bytes of this member's panels of w, which is to be multiplied with
// soon: what a single row waits for.
static void ask(const as_forward *f, const as_matrix *w, size_t index, size_t members) {
    enum { CODES = 4096, BESIDE = 512, LINE = 64 };
    if (f->count > 1 || w->coded || !w->values) return;
    size_t begin, end, panels = (w->rows + AS_PANEL - 1) / AS_PANEL;
    own_panels(w, index, members, &begin, &end);
    const char *values = w->values, *scales = w->scales;
    values += as_matrix_values_size(w->type, w->rows, w->cols) / panels * begin;
    for (size_t i = 0; i < CODES; i += LINE) __builtin_prefetch(values + i);
    if (!scales) return;
    scales += as_matrix_scales_size(w->type, w->rows, w->cols) / panels * begin;
    for (size_t i = 0; i < BESIDE; i += LINE) __builtin_prefetch(scales + i);
}

// Adds what an adapter makes of x to this member's panels of y. Every member works out a x alone:
// that is little, and saves a barrier.
static void adapt(as_forward *f, const as_low_rank *delta, const float *x, size_t count, float *y,
                  size_t index, size_t members) {
    const as_kernels *kernels = f->model->kernels;
    const as_matrix *a = &delta->a, *b = &delta->b;
    if (!delta->rank) return;
    as_tile *t = &f->tiles[index];
    size_t begin, end;
    own_panels(b, index, members, &begin, &end);
    kernels->matmul_f32(a, 0, (a->rows + AS_PANEL - 1) / AS_PANEL, x, a->cols, count, t->low,
                        a->rows);
    for (size_t panel = begin; panel < end; panel++) {
        size_t row = panel * AS_PANEL;
        as_matrix part = {.type = AS_W_F32, .cols = b->cols};
        part.rows = b->rows - row < AS_PANEL ? b->rows - row : AS_PANEL;
        part.values = (float *)b->values + row * b->cols;
        kernels->matmul_f32(&part, 0, 1, t->low, b->cols, count, t->added, AS_PANEL);
        for (size_t m = 0; m < count; m++)
            kernels->axpy(y + m * b->rows + row, delta->scale, t->added + m * AS_PANEL, part.rows);
    }
}

// y[count][w->rows] = w x and what adapts it, this member's panels.
static void multiply(as_forward *f, const as_matrix *w, const as_low_rank *delta, const float *x,
                     size_t count, float *y, size_t index, size_t members) {
    as_forward_multiply(f, w, x, 0, count, y, index, members);
    adapt(f, delta, x, count, y, index, members);
}

void as_forward_quantize(as_forward *f, const float *x, size_t m, size_t cols) {
    as_qrows rows = f->quantized;
    rows.cols = cols;
    f->model->kernels->quantize_row(&rows, m, x + m * cols);
}

static void square_positive(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = x[i] > 0.0f ? x[i] * x[i] : 0.0f;
}

void as_forward_clamp(float *gate, float *up, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float g = gate[i] < AS_CLAMP ? gate[i] : AS_CLAMP, u = up[i] < AS_CLAMP ? up[i] : AS_CLAMP;
        u = u > -AS_CLAMP ? u : -AS_CLAMP;
        gate[i] = g * AS_CLAMP_SLOPE;
        up[i] = (u + 1.0f) * (1.0f / AS_CLAMP_SLOPE);
    }
}

void as_forward_activate(as_forward *f, float *gate, const float *up, size_t n) {
    if (f->model->hparams.arch->squared_relu)
        square_positive(gate, n);
    else if (f->model->hparams.arch->gelu)
        f->model->kernels->gelu_mul(gate, up, n);
    else
        f->model->kernels->silu_mul(gate, up, n);
}

static void add_bias(const as_forward *f, float *row, const float *bias, size_t n) {
    if (bias) f->model->kernels->add(row, bias, n);
}

static void scale_row(float *row, float scale, size_t n) {
    for (size_t i = 0; i < n; i++) row[i] *= scale;
}

// Cosines and sines of the angles at a position.
static void fill_angles(float *cosines, float *sines, const double *rates, size_t pairs,
                        double position, double magnitude) {
    for (size_t i = 0; i < pairs; i++) {
        double sine, cosine;
        as_sincos_f64(position * rates[i], &sine, &cosine);
        sines[i] = (float)(sine * magnitude);
        cosines[i] = (float)(cosine * magnitude);
    }
}

// The embedding and the angles of row m.
static void begin_row(as_forward *f, size_t m) {
    const as_model *model = f->model;
    const as_hparams *p = &model->hparams;
    float *x = f->x + m * p->width;
    as_matrix_row(&model->weights.embedding, f->rows[m].token, x);
    if (p->embedding_scale != 1.0f) scale_row(x, p->embedding_scale, p->width);
    size_t pairs = p->rope.width / 2;
    double position = (double)f->rows[m].position;
    const double *const *rates = f->device->rates;
    fill_angles(f->cosines[0] + m * pairs, f->sines[0] + m * pairs, rates[0], pairs, position,
                p->rope.magnitude);
    if (rates[1])
        fill_angles(f->cosines[1] + m * pairs, f->sines[1] + m * pairs, rates[1], pairs, position,
                    1.0);
}

static void norm_to(const as_forward *f, float *h, const float *x, const float *norm,
                    const float *bias) {
    const as_hparams *p = &f->model->hparams;
    const as_kernels *kernels = f->model->kernels;
    if (!norm)
        memcpy(h, x, p->width * sizeof *h);
    else if (p->arch->layer_norms)
        kernels->layer_norm(h, x, norm, bias, p->width, p->norm_epsilon);
    else
        kernels->rms_norm(h, x, norm, p->width, p->norm_epsilon);
}

static void norm_row(as_forward *f, const float *norm, const float *bias, size_t m,
                     bool quantized) {
    size_t width = f->model->hparams.width;
    norm_to(f, f->h + m * width, f->x + m * width, norm, bias);
    if (quantized) as_forward_quantize(f, f->h, m, width);
}

// Quantizes what this member made of a row alone, a product with w: its part of x.
static void quantize_part(as_forward *f, const float *x, size_t begin, size_t end) {
    size_t block = begin / AS_QBLOCK;
    as_qrows part = {.q = f->joint.q + begin,
                     .d = f->joint.d + block,
                     .sums = f->joint.sums + block,
                     .offsets = f->joint.offsets + block,
                     .halves = f->joint.halves + 2 * block,
                     .cols = end - begin};
    f->model->kernels->quantize_row(&part, 0, x + begin);
}

// Puts the key and the value of row m into its slot.
static void store_row(as_forward *f, size_t layer, size_t m) {
    const as_hparams *p = &f->model->hparams;
    const as_device *d = f->device;
    size_t width = p->head_width;
    for (size_t i = 0; i < p->kv_heads; i++) {
        size_t at = (m * p->kv_heads + i) * width;
        as_kv_put(d->kv, width, as_forward_head(d, layer, i, f->pages[m]), f->slots[m], f->k + at,
                  f->v + at);
    }
}

void as_forward_turn(const as_forward *f, size_t layer, size_t m, float *heads, size_t count,
                     const float *bias, const float *norm) {
    const as_hparams *p = &f->model->hparams;
    const as_kernels *kernels = f->model->kernels;
    size_t which = p->local[layer] && f->device->rates[1], at = m * (p->rope.width / 2);
    const float *cosines = f->cosines[which] + at, *sines = f->sines[which] + at;
    add_bias(f, heads, bias, count * p->head_width);
    as_head_norms norms = p->arch->head_norms;
    bool still = p->still[layer];
    if (norms == AS_HEAD_NORMS_WHOLE)
        kernels->rms_norm(heads, heads, norm, count * p->head_width, p->norm_epsilon);
    for (size_t i = 0; i < count; i++) {
        float *head = heads + i * p->head_width;
        if (norms == AS_HEAD_NORMS_EACH)
            kernels->rms_norm(head, head, norm, p->head_width, p->norm_epsilon);
        if (!still && p->arch->rope_halves)
            kernels->rope_halves(head, cosines, sines, p->rope.width);
        if (!still && !p->arch->rope_halves)
            kernels->rope_pairs(head, cosines, sines, p->rope.width);
        if (norms == AS_HEAD_NORMS_LATE)
            kernels->rms_norm(head, head, norm, p->head_width, p->norm_epsilon);
    }
}

// Biases, norms, rotation, and into the cache.
static void place_row(as_forward *f, const as_layer *layer, size_t number, size_t m) {
    const as_hparams *p = &f->model->hparams;
    size_t q = p->heads * p->head_width, kv = p->kv_heads * p->head_width;
    as_forward_turn(f, number, m, f->q + m * q, p->heads, layer->query_bias, layer->query_norm);
    as_forward_turn(f, number, m, f->k + m * kv, p->kv_heads, layer->key_bias, layer->key_norm);
    add_bias(f, f->v + m * kv, layer->value_bias, kv);
    store_row(f, number, m);
}

// Adds f->y of row m to the residual stream.
static void end_row(as_forward *f, const float *bias, const float *post_norm, size_t m) {
    const as_hparams *p = &f->model->hparams;
    float *y = f->y + m * p->width;
    if (f->alone) y = memcpy(f->h, y, p->width * sizeof *y); // all members read it
    add_bias(f, y, bias, p->width);
    if (post_norm) f->model->kernels->rms_norm(y, y, post_norm, p->width, p->norm_epsilon);
    if (p->residual_scale != 1.0f) scale_row(y, p->residual_scale, p->width);
    f->model->kernels->add(f->x + m * p->width, y, p->width);
}

// Of the last layer, all but the wanted rows are needed in the cache alone.
static void keep_wanted(as_forward *f) {
    const as_hparams *p = &f->model->hparams;
    size_t q = p->heads * p->head_width;
    for (size_t i = 0; i < f->batch->want_count; i++) {
        size_t m = f->batch->wants[i].row;
        f->rows[i] = f->rows[m];
        memmove(f->q + i * q, f->q + m * q, q * sizeof *f->q);
        memmove(f->x + i * p->width, f->x + m * p->width, p->width * sizeof *f->x);
        if (p->arch->parallel)
            memmove(f->h + i * p->width, f->h + m * p->width, p->width * sizeof *f->h);
    }
}

// Keys and values go into the cache; then attention.
static void look_back(as_forward *f, size_t number, size_t index, size_t members) {
    const as_layer *layer = &f->model->weights.layers[number];
    bool last = number + 1 == f->model->hparams.layers;
    size_t begin, end;
    own_rows(f, index, members, &begin, &end);
    for (size_t m = begin; m < end; m++) place_row(f, layer, number, m);
    as_team_meet(f->team, index);
    if (last && !f->batch->want_count) return; // nobody looks at more than the cache
    if (last) {
        if (index == 0) keep_wanted(f);
        f->count = f->batch->want_count;
        as_team_meet(f->team, index);
    }
    as_attention_run(f, number, index, members);
}

static void run_attention(as_forward *f, size_t number, size_t index, size_t members) {
    const as_hparams *p = &f->model->hparams;
    const as_layer *layer = &f->model->weights.layers[number];
    size_t q = p->heads * p->head_width, begin, end;
    own_rows(f, index, members, &begin, &end);
    bool quantized = as_forward_quantizes(&layer->query) || as_forward_quantizes(&layer->key) ||
                     as_forward_quantizes(&layer->value);
    ask(f, &layer->query, index, members);
    for (size_t m = begin; m < end; m++)
        norm_row(f, layer->attention_norm, layer->attention_norm_bias, m, quantized);
    meet_rows(f, index);
    ask(f, &layer->key, index, members);
    multiply(f, &layer->query, &layer->query_delta, f->h, f->count, f->q, index, members);
    ask(f, &layer->value, index, members);
    multiply(f, &layer->key, &layer->key_delta, f->h, f->count, f->k, index, members);
    multiply(f, &layer->value, &layer->value_delta, f->h, f->count, f->v, index, members);
    as_team_meet(f->team, index);
    if (f->alone)
        as_attention_alone(f, number, index, members);
    else
        look_back(f, number, index, members);
    if (number + 1 == p->layers && !f->batch->want_count) return;
    own_rows(f, index, members, &begin, &end);
    as_team_meet(f->team, index);
    ask(f, &layer->output, index, members);
    if (as_forward_quantizes(&layer->output)) {
        for (size_t m = begin; m < end; m++) as_forward_quantize(f, f->mixed, m, q);
        meet_rows(f, index);
    }
    multiply(f, &layer->output, &layer->output_delta, f->mixed, f->count, f->y, index, members);
    as_team_meet(f->team, index);
    for (size_t m = begin; m < end; m++)
        end_row(f, layer->output_bias, layer->attention_post_norm, m);
}

// Columns begin..end-1 of row m between the matrices.
static void activate_part(as_forward *f, const as_layer *layer, size_t m, size_t begin,
                          size_t end) {
    size_t at = m * f->model->hparams.ffn_width + begin, n = end - begin;
    add_bias(f, f->gate + at, layer->gate_bias ? layer->gate_bias + begin : NULL, n);
    add_bias(f, f->up + at, layer->up_bias ? layer->up_bias + begin : NULL, n);
    for (size_t i = 0; !layer->up.rows && i < n; i++) f->up[at + i] = 1.0f;
    as_forward_activate(f, f->gate + at, f->up + at, n);
}

static void run_dense(as_forward *f, const as_layer *layer, size_t index, size_t members) {
    size_t n = f->model->hparams.ffn_width, begin, end;
    bool quantized = as_forward_quantizes(&layer->down);
    ask(f, &layer->up, index, members);
    multiply(f, &layer->gate, &layer->gate_delta, f->h, f->count, f->gate, index, members);
    if (layer->up.rows)
        multiply(f, &layer->up, &layer->up_delta, f->h, f->count, f->up, index, members);
    if (f->alone) {
        // What a member has made, it goes on with.
        ask(f, &layer->down, index, members);
        own_panels(&layer->gate, index, members, &begin, &end);
        begin *= AS_PANEL;
        end = end * AS_PANEL < n ? end * AS_PANEL : n;
        if (begin < end) activate_part(f, layer, 0, begin, end);
        if (begin < end && quantized) quantize_part(f, f->gate, begin, end);
    } else {
        own_rows(f, index, members, &begin, &end);
        as_team_meet(f->team, index);
        ask(f, &layer->down, index, members);
        for (size_t m = begin; m < end; m++) {
            activate_part(f, layer, m, 0, n);
            if (quantized) as_forward_quantize(f, f->gate, m, n);
        }
    }
    as_team_meet(f->team, index);
    multiply_rows(f, &layer->down, f->gate, &f->joint, 0, f->count, f->y, index, members);
    adapt(f, &layer->down_delta, f->gate, f->count, f->y, index, members);
    as_team_meet(f->team, index);
}

static void run_ffn(as_forward *f, size_t number, size_t index, size_t members) {
    bool mixture = f->model->hparams.experts > 0;
    const as_layer *layer = &f->model->weights.layers[number];
    size_t begin, end;
    own_rows(f, index, members, &begin, &end);
    bool quantized =
        !mixture && (as_forward_quantizes(&layer->gate) || as_forward_quantizes(&layer->up));
    if (!mixture) ask(f, &layer->gate, index, members);
    bool parallel = f->model->hparams.arch->parallel && !layer->ffn_norm; // f->h stays as it is
    for (size_t m = begin; m < end; m++) {
        if (!parallel)
            norm_row(f, layer->ffn_norm, layer->ffn_norm_bias, m, quantized);
        else if (quantized)
            as_forward_quantize(f, f->h, m, f->model->hparams.width);
    }
    meet_rows(f, index);
    if (mixture)
        as_experts_run(f, &layer->mixture, index, members);
    else
        run_dense(f, layer, index, members);
    for (size_t m = begin; m < end; m++) end_row(f, layer->down_bias, layer->ffn_post_norm, m);
}

// Every member runs all of it and shares each stage. Rows are shared the same way in every stage,
// so two stages that work on rows need no barrier between them.
static void run_layers(as_forward *f, size_t index, size_t members) {
    size_t begin, end, layers = f->model->hparams.layers;
    own_rows(f, index, members, &begin, &end);
    for (size_t m = begin; m < end; m++) begin_row(f, m);
    for (size_t layer = 0; layer < layers; layer++) {
        run_attention(f, layer, index, members);
        if (layer + 1 < layers || f->batch->want_count) run_ffn(f, layer, index, members);
    }
}

static uint32_t drawn(const as_forward *f, as_tile *t, const as_want *want, const float *logits) {
    if (!t->sampler) {
        t->sampler = as_mem_new(sizeof *t->sampler);
        *t->sampler = as_sampler_new(f->model->info.vocabulary);
    }
    return as_sampler_pick(t->sampler, f->model->kernels, want->sampling, want->step, logits);
}

// What is wanted of a row, from its logits.
static void answer(const as_forward *f, as_tile *t, const as_want *want, const float *logits) {
    const as_kernels *kernels = f->model->kernels;
    size_t n = f->model->info.vocabulary;
    if (want->count) {
        float max, sum;
        kernels->exp_sum(logits, n, &max, &sum);
        double log_sum = (double)max + as_log_f64((double)sum);
        for (size_t i = 0; i < want->count; i++)
            want->logprobs[i] = (double)logits[want->tokens[i]] - log_sum;
    }
    if (want->best)
        *want->best =
            want->sampling ? drawn(f, t, want, logits) : (uint32_t)kernels->argmax(logits, n);
    if (want->logits) memcpy(want->logits, logits, n * sizeof *logits);
}

static bool needs_logits(const as_want *want) {
    return want->count || want->best || want->logits;
}

// f->x of the wants want_from.. is normed into f->h, from the front on.
static void run_wants(as_forward *f, size_t index, size_t members) {
    const as_model *model = f->model;
    const as_hparams *p = &model->hparams;
    const as_matrix *output = &model->weights.output;
    const as_want *wants = f->batch->wants + f->want_from;
    size_t width = p->width, begin, end;
    bool needed = false;
    as_forward_share(f->want_count, index, members, &begin, &end);
    ask(f, output, index, members);
    for (size_t i = 0; i < f->want_count; i++) needed = needed || needs_logits(&wants[i]);
    size_t first = f->alone ? 0 : begin, last = f->alone ? f->want_count : end;
    for (size_t i = first; i < last; i++) {
        float *h = f->h + i * width;
        norm_to(f, h, f->x + (f->want_from + i) * width, model->weights.output_norm,
                model->weights.output_norm_bias);
        if (wants[i].state && i >= begin && i < end) memcpy(wants[i].state, h, width * sizeof *h);
        if (as_forward_quantizes(output)) as_forward_quantize(f, f->h, i, width);
    }
    if (!needed) return;
    meet_rows(f, index);
    multiply(f, output, &model->weights.output_delta, f->h, f->want_count, f->logits, index,
             members);
    as_team_meet(f->team, index);
    for (size_t i = begin; i < end; i++) {
        float *logits = f->logits + i * output->rows;
        add_bias(f, logits, model->weights.output_bias, output->rows);
        if (p->logit_scale != 1.0f) scale_row(logits, p->logit_scale, output->rows);
        if (p->logit_cap > 0.0f) model->kernels->softcap(logits, p->logit_cap, output->rows);
        answer(f, &f->tiles[index], &wants[i], logits);
    }
}

// Where position `at` of a view lies.
static void locate(const as_view *view, size_t at, uint32_t *page, uint32_t *slot) {
    const as_span *span = view->spans;
    for (; at >= span->count; span++) at -= span->count;
    *page = span->page;
    *slot = span->slot + (uint32_t)at;
}

// A member's own view of the lane: of a row alone, what it works out for itself is elsewhere.
static as_forward own_view(const as_forward *f, size_t index) {
    as_forward own = *f;
    if (!f->alone) return own;
    const as_tile *t = &f->tiles[index];
    own.x = t->x;
    own.h = t->h;
    own.y = f->sum;
    own.quantized = t->quantized;
    for (size_t i = 0; i < 2; i++) {
        own.cosines[i] = t->cosines[i];
        own.sines[i] = t->sines[i];
    }
    return own;
}

static void run_all(void *lane, size_t index, size_t members) {
    as_forward own = own_view(lane, index), *f = &own;
    const as_batch *batch = f->batch;
    run_layers(f, index, members);
    for (size_t from = 0; from < batch->want_count; from += f->want_count) {
        size_t left = batch->want_count - from;
        f->want_from = from;
        f->want_count = left < f->logit_rows ? left : f->logit_rows;
        meet_rows(f, index);
        run_wants(f, index, members);
    }
}

static as_rc cpu_run(as_lane *lane, const as_batch *batch, as_err *err) {
    (void)err;
    lane->batch = batch;
    lane->count = batch->row_count;
    // Of mixtures, rows are shared all the same; so is a norm of all heads together, and what a
    // block takes that the next one takes, too.
    const as_arch *arch = lane->model->hparams.arch;
    lane->alone = lane->count == 1 && batch->want_count <= 1 && lane->members > 1 &&
                  !lane->model->hparams.experts && !arch->parallel &&
                  arch->head_norms != AS_HEAD_NORMS_WHOLE;
    for (size_t m = 0; m < lane->count; m++) {
        lane->rows[m] = batch->rows[m];
        locate(&batch->views[batch->rows[m].view], batch->rows[m].position, &lane->pages[m],
               &lane->slots[m]);
    }
    as_team_run(lane->team, run_all, lane);
    return AS_OK;
}

const as_backend as_backend_cpu = {
    .name = "cpu",
    .chunk = AS_CHUNK,
    .page_size = cpu_page_size,
    .open = cpu_open,
    .close = cpu_close,
    .lane_new = cpu_lane_new,
    .lane_free = cpu_lane_free,
    .run = cpu_run,
    .encoder_new = as_encoder_new,
    .encoder_run = as_encoder_run,
    .encoder_free = as_encoder_free,
};
