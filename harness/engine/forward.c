// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/forward.h"

#include <float.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    ALIGNMENT = 64,
    TILE = 16, // rows of attention work taken together: query heads that share keys, times tokens
};

// Where all members of the team wait for each other. They spin, since a stage takes microseconds,
// but give way soon: the machine may have fewer processors than the team has members.
typedef struct barrier {
    atomic_uint arrived, phase;
} barrier;

// Scratch of one member of the team, for one tile of attention.
typedef struct tile {
    float *queries; // [TILE][head_width], scaled
    float *scores;  // [TILE][score_stride]
    float *mixed;   // [TILE][head_room]
    uint32_t *path; // [chunk] a row's chain of parents, oldest first
} tile;

struct as_forward {
    const as_model *model;
    as_team *team;
    barrier barrier;
    void *memory;

    size_t slots, chunk;
    size_t head_room;    // head_width up to a whole panel
    size_t score_stride; // floats between rows of scores

    // The cache. Both are packed as matrices are, so that attention is two matrix products.
    float *keys;   // [layers][kv_heads][slots/16][head_width][16]
    float *values; // [layers][kv_heads][head_room/16][slots][16]

    // The batch. q = heads * head_width, kv = kv_heads * head_width.
    const as_row *rows;
    size_t count, base;
    bool wanted;
    uint32_t *depths;       // [chunk] rows of the batch that a row sees, itself included
    float *cosines, *sines; // [chunk][rope_width/2]
    float *x;               // [chunk][width] the residual stream
    float *h;               // [chunk][width] normed
    float *q, *k, *v;       // [chunk][q], [chunk][kv], [chunk][kv]
    float *mixed;           // [chunk][q] attention's answer
    float *y;               // [chunk][width] what a block adds to x
    float *gate, *up;       // [chunk][ffn_width]
    as_qrows quantized;     // [chunk][widest]
    tile *tiles;            // [team]

    // as_forward_logits
    size_t from, logits_count;
    float *logits;
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

static void lay_out(as_forward *f, layout *l, size_t threads) {
    const as_hparams *p = &f->model->hparams;
    size_t q = p->heads * p->head_width, kv = p->kv_heads * p->head_width;
    size_t heads = as_size_mul(p->layers * p->kv_heads, f->slots);
    f->keys = floats(l, heads, p->head_width);
    f->values = floats(l, heads, f->head_room);
    f->depths = part(l, f->chunk, sizeof *f->depths);
    f->cosines = floats(l, f->chunk, p->rope_width / 2);
    f->sines = floats(l, f->chunk, p->rope_width / 2);
    f->x = floats(l, f->chunk, p->width);
    f->h = floats(l, f->chunk, p->width);
    f->q = floats(l, f->chunk, q);
    f->k = floats(l, f->chunk, kv);
    f->v = floats(l, f->chunk, kv);
    f->mixed = floats(l, f->chunk, q);
    f->y = floats(l, f->chunk, p->width);
    f->gate = floats(l, f->chunk, p->ffn_width);
    f->up = floats(l, f->chunk, p->ffn_width);
    size_t widest = round_up(larger(larger(p->width, q), p->ffn_width), AS_QBLOCK);
    f->quantized.q = part(l, f->chunk, widest);
    f->quantized.d = floats(l, f->chunk, widest / AS_QBLOCK);
    f->quantized.offsets = part(l, f->chunk * (widest / AS_QBLOCK), sizeof(int32_t));
    tile *tiles = f->tiles = part(l, threads, sizeof *tiles);
    for (size_t i = 0; i < threads; i++) {
        tile t = {.queries = floats(l, TILE, p->head_width),
                  .scores = floats(l, TILE, f->score_stride),
                  .mixed = floats(l, TILE, f->head_room),
                  .path = part(l, f->chunk, sizeof *t.path)};
        if (tiles) tiles[i] = t;
    }
}

as_rc as_forward_new(const as_model *model, size_t slots, size_t chunk, size_t threads,
                     as_forward **out, as_err *err) {
    as_forward *f = as_mem_new(sizeof *f);
    f->model = model;
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

static void wait_for_all(as_forward *f, size_t members) {
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

// Member `index`'s share of n things: [*begin, *end).
static void share(size_t n, size_t index, size_t members, size_t *begin, size_t *end) {
    *begin = n * index / members;
    *end = n * (index + 1) / members;
}

// y[count][w->rows] = w x, this member's panels. `x` was quantized if w wants it so.
static void multiply(as_forward *f, const as_matrix *w, const float *x, size_t count, float *y,
                     size_t index, size_t members) {
    const as_kernels *kernels = f->model->kernels;
    size_t begin, end;
    share((w->rows + AS_PANEL - 1) / AS_PANEL, index, members, &begin, &end);
    if (w->type == AS_W_Q8_0) {
        as_qrows rows = f->quantized;
        rows.cols = w->cols;
        kernels->matmul_q8(w, begin, end, &rows, count, y, w->rows);
    } else if (w->type == AS_W_F16) {
        kernels->matmul_f16(w, begin, end, x, w->cols, count, y, w->rows);
    } else {
        kernels->matmul_f32(w, begin, end, x, w->cols, count, y, w->rows);
    }
}

// Quantizes row m for products with matrices of `cols` columns.
static void quantize(as_forward *f, const float *x, size_t m, size_t cols) {
    as_qrows rows = f->quantized;
    rows.cols = cols;
    f->model->kernels->quantize_row(&rows, m, x + m * cols);
}

static void add_bias(as_forward *f, float *row, const float *bias, size_t n) {
    if (bias) f->model->kernels->add(row, bias, n);
}

// The embedding and the angles of row m.
static void begin_row(as_forward *f, size_t m) {
    const as_model *model = f->model;
    as_matrix_row(&model->weights.embedding, f->rows[m].token, f->x + m * model->hparams.width);
    size_t pairs = model->hparams.rope_width / 2;
    double position = (double)(f->base + f->depths[m] - 1);
    for (size_t i = 0; i < pairs; i++) {
        double sine, cosine;
        as_sincos_f64(position * model->weights.rope_rates[i], &sine, &cosine);
        f->sines[m * pairs + i] = (float)sine;
        f->cosines[m * pairs + i] = (float)cosine;
    }
}

static void norm_row(as_forward *f, const float *norm, size_t m, bool quantized) {
    const as_hparams *p = &f->model->hparams;
    float *h = f->h + m * p->width;
    f->model->kernels->rms_norm(h, f->x + m * p->width, norm, p->width, p->norm_epsilon);
    if (quantized) quantize(f, f->h, m, p->width);
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

// Biases, rotation, and into the cache.
static void place_row(as_forward *f, const as_layer *layer, size_t number, size_t m) {
    const as_hparams *p = &f->model->hparams;
    size_t q = p->heads * p->head_width, kv = p->kv_heads * p->head_width;
    size_t pairs = p->rope_width / 2;
    add_bias(f, f->q + m * q, layer->query_bias, q);
    add_bias(f, f->k + m * kv, layer->key_bias, kv);
    add_bias(f, f->v + m * kv, layer->value_bias, kv);
    for (size_t head = 0; head < p->heads; head++)
        f->model->kernels->rope_pairs(f->q + m * q + head * p->head_width, f->cosines + m * pairs,
                                      f->sines + m * pairs, p->rope_width);
    for (size_t head = 0; head < p->kv_heads; head++)
        f->model->kernels->rope_pairs(f->k + m * kv + head * p->head_width, f->cosines + m * pairs,
                                      f->sines + m * pairs, p->rope_width);
    store_row(f, number, m);
}

// Softmax over what row m sees of scores[0..n): the base and the path. The scores are moved
// together first, so that a path gives the same bits wherever its slots lie; what the row does not
// see becomes 0.
static void softmax_row(const as_forward *f, float *scores, size_t m, size_t n, uint32_t *path) {
    size_t depth = f->depths[m];
    if (depth == m + 1) { // a text, not a tree: what it sees lies together already
        f->model->kernels->softmax(scores, f->base + depth);
        memset(scores + f->base + depth, 0, (n - f->base - depth) * sizeof *scores);
        return;
    }
    uint32_t at = (uint32_t)m;
    for (size_t i = depth; i-- > 0; at = f->rows[at].parent) path[i] = at;
    float *own = scores + f->base;
    for (size_t i = 0; i < depth; i++) own[i] = own[path[i]];
    f->model->kernels->softmax(scores, f->base + depth);
    size_t end = n - f->base;
    for (size_t i = depth; i-- > 0; end = path[i]) {
        float weight = own[i];
        memset(own + path[i] + 1, 0, (end - path[i] - 1) * sizeof *own);
        own[path[i]] = weight;
    }
    memset(own, 0, end * sizeof *own);
}

// Attention of `rows` rows from `m` on, for the query heads that share one head of keys; `first`
// and `heads` say which of those.
static void attend(as_forward *f, tile *t, size_t layer, size_t kv_head, size_t m, size_t rows,
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
    size_t n = f->base + m + rows, at = layer * p->kv_heads + kv_head;
    as_matrix keys = {.type = AS_W_F32, .rows = n, .cols = width};
    keys.values = f->keys + at * f->slots * width;
    kernels->matmul_f32(&keys, 0, (n + AS_PANEL - 1) / AS_PANEL, t->queries, width, rows * heads,
                        t->scores, f->score_stride);
    for (size_t i = 0; i < rows * heads; i++)
        softmax_row(f, t->scores + i * f->score_stride, m + i / heads, n, t->path);
    for (size_t i = 0; i < width; i += AS_PANEL) {
        as_matrix values = {.type = AS_W_F32, .cols = n};
        values.rows = width - i < AS_PANEL ? width - i : AS_PANEL;
        values.values = f->values + at * f->slots * f->head_room + i * f->slots;
        kernels->matmul_f32(&values, 0, 1, t->scores, f->score_stride, rows * heads, t->mixed + i,
                            f->head_room);
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

static bool is_q8(const as_matrix *w) {
    return w->type == AS_W_Q8_0;
}

static void run_attention(as_forward *f, size_t number, size_t index, size_t members) {
    const as_hparams *p = &f->model->hparams;
    const as_layer *layer = &f->model->weights.layers[number];
    size_t q = p->heads * p->head_width, begin, end;
    share(f->count, index, members, &begin, &end);
    bool quantized = is_q8(&layer->query) || is_q8(&layer->key) || is_q8(&layer->value);
    for (size_t m = begin; m < end; m++) norm_row(f, layer->attention_norm, m, quantized);
    wait_for_all(f, members);
    multiply(f, &layer->query, f->h, f->count, f->q, index, members);
    multiply(f, &layer->key, f->h, f->count, f->k, index, members);
    multiply(f, &layer->value, f->h, f->count, f->v, index, members);
    wait_for_all(f, members);
    for (size_t m = begin; m < end; m++) place_row(f, layer, number, m);
    wait_for_all(f, members);
    if (number + 1 == p->layers && !f->wanted) return; // nobody looks at more than the cache
    attend_all(f, number, index, members);
    wait_for_all(f, members);
    if (is_q8(&layer->output)) {
        for (size_t m = begin; m < end; m++) quantize(f, f->mixed, m, q);
        wait_for_all(f, members);
    }
    multiply(f, &layer->output, f->mixed, f->count, f->y, index, members);
    wait_for_all(f, members);
    for (size_t m = begin; m < end; m++) {
        add_bias(f, f->y + m * p->width, layer->output_bias, p->width);
        f->model->kernels->add(f->x + m * p->width, f->y + m * p->width, p->width);
    }
}

static void run_ffn(as_forward *f, size_t number, size_t index, size_t members) {
    const as_hparams *p = &f->model->hparams;
    const as_layer *layer = &f->model->weights.layers[number];
    size_t n = p->ffn_width, begin, end;
    share(f->count, index, members, &begin, &end);
    bool quantized = is_q8(&layer->gate) || is_q8(&layer->up);
    for (size_t m = begin; m < end; m++) norm_row(f, layer->ffn_norm, m, quantized);
    wait_for_all(f, members);
    multiply(f, &layer->gate, f->h, f->count, f->gate, index, members);
    multiply(f, &layer->up, f->h, f->count, f->up, index, members);
    wait_for_all(f, members);
    for (size_t m = begin; m < end; m++) {
        add_bias(f, f->gate + m * n, layer->gate_bias, n);
        add_bias(f, f->up + m * n, layer->up_bias, n);
        f->model->kernels->silu_mul(f->gate + m * n, f->up + m * n, n);
        if (is_q8(&layer->down)) quantize(f, f->gate, m, n);
    }
    wait_for_all(f, members);
    multiply(f, &layer->down, f->gate, f->count, f->y, index, members);
    wait_for_all(f, members);
    for (size_t m = begin; m < end; m++) {
        add_bias(f, f->y + m * p->width, layer->down_bias, p->width);
        f->model->kernels->add(f->x + m * p->width, f->y + m * p->width, p->width);
    }
}

// Every member runs all of it and shares each stage. Rows are shared the same way in every stage,
// so two stages that work on rows need no barrier between them.
static void run_layers(void *forward, size_t index, size_t members) {
    as_forward *f = forward;
    size_t begin, end, layers = f->model->hparams.layers;
    share(f->count, index, members, &begin, &end);
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
    const as_matrix *output = &model->weights.output;
    size_t width = model->hparams.width, begin, end;
    share(f->logits_count, index, members, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        model->kernels->rms_norm(f->h + i * width, f->x + (f->from + i) * width,
                                 model->weights.output_norm, width, model->hparams.norm_epsilon);
        if (is_q8(output)) quantize(f, f->h, i, width);
    }
    wait_for_all(f, members);
    multiply(f, output, f->h, f->logits_count, f->logits, index, members);
}

void as_forward_logits(as_forward *forward, size_t from, size_t count, float *out) {
    forward->from = from;
    forward->logits_count = count;
    forward->logits = out;
    as_team_run(forward->team, run_logits, forward);
}
