// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/forward.h"

#include <float.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "harness/engine/forward_state.h"

enum {
    ALIGNMENT = 64,
    TILE = 16, // rows of attention work taken together: query heads that share keys, times tokens
};

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

// Memory is laid out twice: first to add it up, then to hand it out.
typedef struct layout {
    unsigned char *memory; // NULL: adding up
    size_t used;
} layout;

static void *part(layout *l, size_t count, size_t size) {
    void *at = l->memory ? l->memory + l->used : NULL;
    l->used += round_up(as_size_mul(count, size), ALIGNMENT);
    return at;
}

static float *floats(layout *l, size_t rows, size_t cols) {
    return part(l, as_size_mul(rows, cols), sizeof(float));
}

static void lay_out_routing(as_routing *r, layout *l, const as_hparams *p, size_t chunk) {
    size_t items = chunk * p->experts_used;
    r->odds = floats(l, chunk, p->experts);
    r->chosen = part(l, items, sizeof *r->chosen);
    r->weights = floats(l, items, 1);
    r->places = part(l, items, sizeof *r->places);
    r->sources = part(l, items, sizeof *r->sources);
    r->starts = part(l, p->experts + 1, sizeof *r->starts);
    r->gathered = floats(l, items, p->width);
    r->parts = floats(l, items, p->width);
}

static void lay_out(as_forward *f, layout *l, size_t threads) {
    const as_hparams *p = &f->model->hparams;
    size_t q = p->heads * p->head_width, kv = p->kv_heads * p->head_width;
    size_t heads = as_size_mul(p->layers * p->kv_heads, f->slots);
    f->keys = floats(l, heads, p->head_width);
    f->values = floats(l, heads, f->head_room);
    f->depths = part(l, f->chunk, sizeof *f->depths);
    for (size_t i = 0; i < 2; i++) {
        f->cosines[i] = floats(l, f->rates[i] ? f->chunk : 0, p->rope.width / 2);
        f->sines[i] = floats(l, f->rates[i] ? f->chunk : 0, p->rope.width / 2);
    }
    f->x = floats(l, f->chunk, p->width);
    f->h = floats(l, f->chunk, p->width);
    f->q = floats(l, f->chunk, q);
    f->k = floats(l, f->chunk, kv);
    f->v = floats(l, f->chunk, kv);
    f->mixed = floats(l, f->chunk, q);
    f->y = floats(l, f->chunk, p->width);
    size_t items = f->chunk * larger(1, p->experts_used);
    size_t ffn = larger(larger(p->ffn_width, p->shared_width), p->expert_width);
    f->gate = floats(l, items, ffn);
    f->up = floats(l, items, ffn);
    size_t widest = round_up(larger(larger(p->width, q), ffn), AS_QBLOCK);
    f->quantized.q = part(l, items, widest);
    f->quantized.d = floats(l, items, widest / AS_QBLOCK);
    f->quantized.sums = floats(l, items, widest / AS_QBLOCK);
    f->quantized.offsets = part(l, items * (widest / AS_QBLOCK), sizeof(int32_t));
    f->quantized.halves = part(l, items * (widest / AS_QBLOCK), 2 * sizeof(int32_t));
    if (p->experts) lay_out_routing(&f->routing, l, p, f->chunk);
    as_tile *tiles = f->tiles = part(l, threads, sizeof *tiles);
    for (size_t i = 0; i < threads; i++) {
        as_tile t = {.queries = floats(l, TILE, p->head_width),
                     .scores = floats(l, TILE, f->score_stride),
                     .mixed = floats(l, TILE, f->head_room),
                     .path = part(l, f->chunk, sizeof *t.path),
                     .low = floats(l, f->chunk, f->model->weights.rank_max),
                     .added = floats(l, f->model->weights.rank_max ? f->chunk : 0, AS_PANEL)};
        if (tiles) tiles[i] = t;
    }
}

as_rc as_forward_new(const as_model *model, size_t context, size_t slots, size_t chunk,
                     size_t threads, as_forward **out, as_err *err) {
    as_forward *f = as_mem_new(sizeof *f);
    f->model = model;
    double *const *rates = model->weights.rates;
    bool beyond = context > model->hparams.rope.original_context;
    f->rates[0] = rates[beyond && rates[AS_RATES_LONG] ? AS_RATES_LONG : AS_RATES_USUAL];
    f->rates[1] = rates[AS_RATES_LOCAL];
    f->slots = round_up(slots, AS_PANEL);
    f->chunk = chunk;
    f->head_room = round_up(model->hparams.head_width, AS_PANEL);
    // An odd number of cache lines, so that the rows of a tile do not meet in one cache set.
    f->score_stride = (f->slots / AS_PANEL | 1) * AS_PANEL;
    layout l = {0};
    lay_out(f, &l, threads);
    size_t size = l.used + ALIGNMENT;
    f->memory = calloc(1, size); // not touched before it is needed, so a long context costs little
    as_rc rc = AS_OK;
    if (!f->memory)
        rc =
            as_fail(err, AS_UNMEASURED, "cannot take %zu MiB of memory for a context of %zu tokens",
                    size >> 20, slots);
    if (!rc) {
        uintptr_t start = (uintptr_t)f->memory;
        l.memory = (unsigned char *)f->memory + (ALIGNMENT - start % ALIGNMENT) % ALIGNMENT;
        l.used = 0;
        lay_out(f, &l, threads);
        rc = as_team_new(threads, &f->team, err);
    }
    if (rc)
        as_forward_free(f);
    else
        *out = f;
    return rc;
}

void as_forward_free(as_forward *forward) {
    if (!forward) return;
    as_team_free(forward->team);
    free(forward->memory);
    free(forward);
}

void as_forward_wait(as_forward *f, size_t members) {
    if (members == 1) return;
    unsigned phase = atomic_load_explicit(&f->barrier.phase, memory_order_acquire);
    if (atomic_fetch_add(&f->barrier.arrived, 1) + 1 == members) {
        atomic_store(&f->barrier.arrived, 0);
        atomic_fetch_add(&f->barrier.phase, 1);
        return;
    }
    for (unsigned spins = 0;
         atomic_load_explicit(&f->barrier.phase, memory_order_acquire) == phase;)
        if (++spins > 500) sched_yield();
}

void as_forward_share(size_t n, size_t index, size_t members, size_t *begin, size_t *end) {
    *begin = n * index / members;
    *end = n * (index + 1) / members;
}

bool as_forward_quantizes(const as_matrix *w) {
    return as_wtype_quantized(w->type);
}

void as_forward_multiply(as_forward *f, const as_matrix *w, const float *x, size_t from,
                         size_t count, float *y, size_t index, size_t members) {
    const as_kernels *kernels = f->model->kernels;
    size_t begin, end;
    as_forward_share((w->rows + AS_PANEL - 1) / AS_PANEL, index, members, &begin, &end);
    x += from * w->cols;
    y += from * w->rows;
    if (as_wtype_quantized(w->type)) {
        size_t at = from * (w->cols / AS_QBLOCK);
        as_qrows rows = {.q = f->quantized.q + from * w->cols,
                         .d = f->quantized.d + at,
                         .sums = f->quantized.sums + at,
                         .offsets = f->quantized.offsets + at,
                         .halves = f->quantized.halves + 2 * at,
                         .cols = w->cols};
        kernels->matmul_quant(w, begin, end, &rows, count, y, w->rows);
    } else if (w->type == AS_W_F16) {
        kernels->matmul_f16(w, begin, end, x, w->cols, count, y, w->rows);
    } else if (w->type == AS_W_BF16) {
        kernels->matmul_bf16(w, begin, end, x, w->cols, count, y, w->rows);
    } else {
        kernels->matmul_f32(w, begin, end, x, w->cols, count, y, w->rows);
    }
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
    as_forward_share((b->rows + AS_PANEL - 1) / AS_PANEL, index, members, &begin, &end);
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

void as_forward_activate(as_forward *f, float *gate, const float *up, size_t n) {
    if (f->model->hparams.arch->gelu)
        f->model->kernels->gelu_mul(gate, up, n);
    else
        f->model->kernels->silu_mul(gate, up, n);
}

static void add_bias(as_forward *f, float *row, const float *bias, size_t n) {
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
    double position = (double)(f->base + f->depths[m] - 1);
    fill_angles(f->cosines[0] + m * pairs, f->sines[0] + m * pairs, f->rates[0], pairs, position,
                p->rope.magnitude);
    if (f->rates[1])
        fill_angles(f->cosines[1] + m * pairs, f->sines[1] + m * pairs, f->rates[1], pairs,
                    position, 1.0);
}

static void norm_row(as_forward *f, const float *norm, size_t m, bool quantized) {
    const as_hparams *p = &f->model->hparams;
    float *h = f->h + m * p->width;
    f->model->kernels->rms_norm(h, f->x + m * p->width, norm, p->width, p->norm_epsilon);
    if (quantized) as_forward_quantize(f, f->h, m, p->width);
}

// A masked value is multiplied by 0, which must leave nothing: so nothing infinite gets into the
// cache. What is that large has failed already, in the residual stream of its own row.
static float finite(float x) {
    if (x > FLT_MAX) return FLT_MAX;
    return x >= -FLT_MAX ? x : -FLT_MAX; // NaN too
}

// Puts the key and the value of row m into its slot.
static void store_row(as_forward *f, size_t layer, size_t m) {
    const as_hparams *p = &f->model->hparams;
    size_t slot = f->base + m, width = p->head_width;
    for (size_t head = 0; head < p->kv_heads; head++) {
        const float *k = f->k + (m * p->kv_heads + head) * width;
        const float *v = f->v + (m * p->kv_heads + head) * width;
        size_t at = layer * p->kv_heads + head;
        float *keys = f->keys + at * f->slots * width + slot / AS_PANEL * width * AS_PANEL;
        float *values = f->values + at * f->slots * f->head_room + slot * AS_PANEL;
        for (size_t i = 0; i < width; i++) {
            keys[i * AS_PANEL + slot % AS_PANEL] = k[i];
            values[i / AS_PANEL * f->slots * AS_PANEL + i % AS_PANEL] = finite(v[i]);
        }
    }
}

// Norms and turns the heads of a row.
static void place_heads(as_forward *f, float *heads, size_t count, const float *norm,
                        const float *cosines, const float *sines) {
    const as_hparams *p = &f->model->hparams;
    const as_kernels *kernels = f->model->kernels;
    for (size_t i = 0; i < count; i++) {
        float *head = heads + i * p->head_width;
        if (norm) kernels->rms_norm(head, head, norm, p->head_width, p->norm_epsilon);
        if (p->arch->rope_halves)
            kernels->rope_halves(head, cosines, sines, p->rope.width);
        else
            kernels->rope_pairs(head, cosines, sines, p->rope.width);
    }
}

// Biases, norms, rotation, and into the cache.
static void place_row(as_forward *f, const as_layer *layer, size_t number, size_t m) {
    const as_hparams *p = &f->model->hparams;
    size_t q = p->heads * p->head_width, kv = p->kv_heads * p->head_width;
    size_t which = p->local[number] && f->rates[1], at = m * (p->rope.width / 2);
    const float *cosines = f->cosines[which] + at, *sines = f->sines[which] + at;
    add_bias(f, f->q + m * q, layer->query_bias, q);
    add_bias(f, f->k + m * kv, layer->key_bias, kv);
    add_bias(f, f->v + m * kv, layer->value_bias, kv);
    place_heads(f, f->q + m * q, p->heads, layer->query_norm, cosines, sines);
    place_heads(f, f->k + m * kv, p->kv_heads, layer->key_norm, cosines, sines);
    store_row(f, number, m);
}

// What row m sees of a layer, as a text: positions [*first, the row's own + 1), which is returned.
static size_t sight(const as_forward *f, size_t layer, size_t m, size_t *first) {
    const as_hparams *p = &f->model->hparams;
    size_t end = f->base + f->depths[m];
    *first = p->local[layer] && end > p->window ? end - p->window : 0;
    return end;
}

// Weights from scores: caps and softmax over what row m sees of scores[begin..n), the base and the
// path. The scores are moved together first, so that a path gives the same bits wherever its slots
// lie; what the row does not see becomes 0.
static void weigh_row(const as_forward *f, size_t layer, float *scores, size_t m, size_t begin,
                      size_t n, uint32_t *path) {
    const as_kernels *kernels = f->model->kernels;
    float cap = f->model->hparams.attention_cap, *own = scores + f->base;
    size_t depth = f->depths[m], first, end = sight(f, layer, m, &first);
    bool text = depth == m + 1; // not a tree: what the row sees lies together already
    if (!text) {
        uint32_t at = (uint32_t)m;
        for (size_t i = depth; i-- > 0; at = f->rows[at].parent) path[i] = at;
        for (size_t i = 0; i < depth; i++) own[i] = own[path[i]];
    }
    if (cap > 0.0f) kernels->softcap(scores + first, cap, end - first);
    kernels->softmax(scores + first, end - first);
    if (first > begin) memset(scores + begin, 0, (first - begin) * sizeof *scores);
    if (text) {
        memset(scores + end, 0, (n - end) * sizeof *scores);
        return;
    }
    size_t gap = n - f->base; // where the slots before it are still to be filled
    for (size_t i = depth; i-- > 0; gap = path[i]) {
        float weight = own[i];
        memset(own + path[i] + 1, 0, (gap - path[i] - 1) * sizeof *own);
        own[path[i]] = weight;
    }
    memset(own, 0, gap * sizeof *own);
}

// The first slot that any of `rows` rows from `m` on sees, down to a whole panel.
static size_t first_slot(const as_forward *f, size_t layer, size_t m, size_t rows) {
    size_t least = f->base;
    for (size_t i = m; i < m + rows; i++) {
        size_t first;
        sight(f, layer, i, &first);
        if (first < least) least = first;
    }
    return least / AS_PANEL * AS_PANEL;
}

// Attention of `rows` rows from `m` on, for the query heads that share one head of keys; `first`
// and `heads` say which of those.
static void attend(as_forward *f, as_tile *t, size_t layer, size_t kv_head, size_t m, size_t rows,
                   size_t first, size_t heads) {
    const as_hparams *p = &f->model->hparams;
    const as_kernels *kernels = f->model->kernels;
    size_t width = p->head_width, group = p->heads / p->kv_heads, q = p->heads * width;
    size_t head = kv_head * group + first;
    for (size_t i = 0; i < rows * heads; i++) {
        const float *query = f->q + (m + i / heads) * q + (head + i % heads) * width;
        for (size_t j = 0; j < width; j++)
            t->queries[i * width + j] = query[j] * p->attention_scale;
    }
    size_t begin = first_slot(f, layer, m, rows), n = f->base + m + rows;
    size_t at = layer * p->kv_heads + kv_head;
    as_matrix keys = {.type = AS_W_F32, .rows = n, .cols = width};
    keys.values = f->keys + at * f->slots * width;
    kernels->matmul_f32(&keys, begin / AS_PANEL, (n + AS_PANEL - 1) / AS_PANEL, t->queries, width,
                        rows * heads, t->scores, f->score_stride);
    for (size_t i = 0; i < rows * heads; i++)
        weigh_row(f, layer, t->scores + i * f->score_stride, m + i / heads, begin, n, t->path);
    for (size_t i = 0; i < width; i += AS_PANEL) {
        as_matrix values = {.type = AS_W_F32, .cols = n - begin};
        values.rows = width - i < AS_PANEL ? width - i : AS_PANEL;
        values.values = f->values + at * f->slots * f->head_room + i * f->slots + begin * AS_PANEL;
        kernels->matmul_f32(&values, 0, 1, t->scores + begin, f->score_stride, rows * heads,
                            t->mixed + i, f->head_room);
    }
    for (size_t i = 0; i < rows * heads; i++) {
        float *mixed = f->mixed + (m + i / heads) * q + (head + i % heads) * width;
        // A masked value adds +0, which turns a sum of -0 into +0; so every sum is taken there.
        for (size_t j = 0; j < width; j++) mixed[j] = t->mixed[i * f->head_room + j] + 0.0f;
    }
}

// All attention of a layer, this member's tiles of it.
static void attend_all(as_forward *f, size_t layer, size_t index, size_t members) {
    const as_hparams *p = &f->model->hparams;
    size_t group = p->heads / p->kv_heads;
    size_t heads = group < TILE ? group : TILE, rows = TILE / heads;
    size_t tile_rows = (f->count + rows - 1) / rows, tile_heads = (group + heads - 1) / heads;
    size_t count = tile_rows * tile_heads * p->kv_heads;
    // In turn, not in blocks: later rows see more.
    for (size_t i = index; i < count; i += members) {
        size_t m = i % tile_rows * rows, first = i / tile_rows % tile_heads * heads;
        attend(f, &f->tiles[index], layer, i / tile_rows / tile_heads, m,
               f->count - m < rows ? f->count - m : rows, first,
               group - first < heads ? group - first : heads);
    }
}

// Adds f->y of row m to the residual stream.
static void end_row(as_forward *f, const float *bias, const float *post_norm, size_t m) {
    const as_hparams *p = &f->model->hparams;
    float *y = f->y + m * p->width;
    add_bias(f, y, bias, p->width);
    if (post_norm) f->model->kernels->rms_norm(y, y, post_norm, p->width, p->norm_epsilon);
    if (p->residual_scale != 1.0f) scale_row(y, p->residual_scale, p->width);
    f->model->kernels->add(f->x + m * p->width, y, p->width);
}

static void run_attention(as_forward *f, size_t number, size_t index, size_t members) {
    const as_hparams *p = &f->model->hparams;
    const as_layer *layer = &f->model->weights.layers[number];
    size_t q = p->heads * p->head_width, begin, end;
    as_forward_share(f->count, index, members, &begin, &end);
    bool quantized = as_forward_quantizes(&layer->query) || as_forward_quantizes(&layer->key) ||
                     as_forward_quantizes(&layer->value);
    for (size_t m = begin; m < end; m++) norm_row(f, layer->attention_norm, m, quantized);
    as_forward_wait(f, members);
    multiply(f, &layer->query, &layer->query_delta, f->h, f->count, f->q, index, members);
    multiply(f, &layer->key, &layer->key_delta, f->h, f->count, f->k, index, members);
    multiply(f, &layer->value, &layer->value_delta, f->h, f->count, f->v, index, members);
    as_forward_wait(f, members);
    for (size_t m = begin; m < end; m++) place_row(f, layer, number, m);
    as_forward_wait(f, members);
    if (number + 1 == p->layers && !f->wanted) return; // nobody looks at more than the cache
    attend_all(f, number, index, members);
    as_forward_wait(f, members);
    if (as_forward_quantizes(&layer->output)) {
        for (size_t m = begin; m < end; m++) as_forward_quantize(f, f->mixed, m, q);
        as_forward_wait(f, members);
    }
    multiply(f, &layer->output, &layer->output_delta, f->mixed, f->count, f->y, index, members);
    as_forward_wait(f, members);
    for (size_t m = begin; m < end; m++)
        end_row(f, layer->output_bias, layer->attention_post_norm, m);
}

static void run_dense(as_forward *f, const as_layer *layer, size_t index, size_t members) {
    size_t n = f->model->hparams.ffn_width, begin, end;
    as_forward_share(f->count, index, members, &begin, &end);
    multiply(f, &layer->gate, &layer->gate_delta, f->h, f->count, f->gate, index, members);
    multiply(f, &layer->up, &layer->up_delta, f->h, f->count, f->up, index, members);
    as_forward_wait(f, members);
    for (size_t m = begin; m < end; m++) {
        add_bias(f, f->gate + m * n, layer->gate_bias, n);
        add_bias(f, f->up + m * n, layer->up_bias, n);
        as_forward_activate(f, f->gate + m * n, f->up + m * n, n);
        if (as_forward_quantizes(&layer->down)) as_forward_quantize(f, f->gate, m, n);
    }
    as_forward_wait(f, members);
    multiply(f, &layer->down, &layer->down_delta, f->gate, f->count, f->y, index, members);
    as_forward_wait(f, members);
}

static void run_ffn(as_forward *f, size_t number, size_t index, size_t members) {
    bool mixture = f->model->hparams.experts > 0;
    const as_layer *layer = &f->model->weights.layers[number];
    size_t begin, end;
    as_forward_share(f->count, index, members, &begin, &end);
    bool quantized =
        !mixture && (as_forward_quantizes(&layer->gate) || as_forward_quantizes(&layer->up));
    for (size_t m = begin; m < end; m++) norm_row(f, layer->ffn_norm, m, quantized);
    as_forward_wait(f, members);
    if (mixture)
        as_experts_run(f, &layer->mixture, index, members);
    else
        run_dense(f, layer, index, members);
    for (size_t m = begin; m < end; m++) end_row(f, layer->down_bias, layer->ffn_post_norm, m);
}

// Every member runs all of it and shares each stage. Rows are shared the same way in every stage,
// so two stages that work on rows need no barrier between them.
static void run_layers(void *forward, size_t index, size_t members) {
    as_forward *f = forward;
    size_t begin, end, layers = f->model->hparams.layers;
    as_forward_share(f->count, index, members, &begin, &end);
    for (size_t m = begin; m < end; m++) begin_row(f, m);
    for (size_t layer = 0; layer < layers; layer++) {
        run_attention(f, layer, index, members);
        if (layer + 1 < layers || f->wanted) run_ffn(f, layer, index, members);
    }
}

void as_forward_run(as_forward *forward, const as_row *rows, size_t count, size_t base,
                    bool wanted) {
    forward->rows = rows;
    forward->count = count;
    forward->base = base;
    forward->wanted = wanted;
    for (size_t m = 0; m < count; m++)
        forward->depths[m] =
            rows[m].parent == AS_ROW_BASE ? 1 : forward->depths[rows[m].parent] + 1;
    as_team_run(forward->team, run_layers, forward);
}

static void run_logits(void *forward, size_t index, size_t members) {
    as_forward *f = forward;
    const as_model *model = f->model;
    const as_hparams *p = &model->hparams;
    const as_matrix *output = &model->weights.output;
    size_t width = p->width, begin, end;
    as_forward_share(f->logits_count, index, members, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        model->kernels->rms_norm(f->h + i * width, f->x + (f->from + i) * width,
                                 model->weights.output_norm, width, p->norm_epsilon);
        if (as_forward_quantizes(output)) as_forward_quantize(f, f->h, i, width);
    }
    as_forward_wait(f, members);
    multiply(f, output, &model->weights.output_delta, f->h, f->logits_count, f->logits, index,
             members);
    if (p->logit_scale == 1.0f && !(p->logit_cap > 0.0f)) return;
    as_forward_wait(f, members);
    for (size_t i = begin; i < end; i++) {
        float *logits = f->logits + i * output->rows;
        if (p->logit_scale != 1.0f) scale_row(logits, p->logit_scale, output->rows);
        if (p->logit_cap > 0.0f) model->kernels->softcap(logits, p->logit_cap, output->rows);
    }
}

void as_forward_logits(as_forward *forward, size_t from, size_t count, float *out) {
    forward->from = from;
    forward->logits_count = count;
    forward->logits = out;
    as_team_run(forward->team, run_logits, forward);
}
