// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/encoder.h"

#include <stdlib.h>

#include "harness/base/thread.h"
#include "harness/engine/memory/layout.h"

enum {
    TILE = 16, // rows of attention work taken together
};

// Scratch of one member of the team: one head of one text.
typedef struct desk {
    float *keys;    // packed [rows][head_width]
    float *values;  // packed [head_width][rows]
    float *queries; // [TILE][head_width], scaled
    float *scores;  // [TILE][rows]
    float *mixed;   // [TILE][head_room]
    void *scratch;  // of as_matrix_multiply
} desk;

struct as_encoder {
    const as_model *model;
    as_team *team;
    size_t threads;
    void *memory;     // everything below; made anew when a batch has more rows than any before
    size_t room;      // rows
    size_t head_room; // head_width up to a whole panel

    const as_tokens *texts;
    size_t text_count, count; // texts and rows of the batch
    size_t *starts;           // [room + 1] first row of each text, and `count` behind
    uint32_t *tokens;         // [room]
    float *x, *y;             // [room][width]
    float *q, *k, *v, *mixed; // [room][width]
    float *gate, *up;         // [room][ffn_width]
    float *cosines, *sines;   // [room][rope.width/2], by position
    as_qrows quantized;       // [room][widest]
    desk *desks;              // [threads]

    void (*stage)(as_encoder *e, const as_layer *layer, size_t index, size_t members);
    const as_layer *layer;
};

// --- memory -------------------------------------------------------------------------------

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

static void lay_out(as_encoder *e, as_layout *l, size_t rows) {
    const as_hparams *p = &e->model->hparams;
    size_t pairs = p->arch->places ? 0 : p->rope.width / 2, inner = p->heads * p->head_width;
    e->starts = as_layout_part(l, rows + 1, sizeof *e->starts);
    e->tokens = as_layout_part(l, rows, sizeof *e->tokens);
    float **wide[] = {&e->x, &e->y};
    for (size_t i = 0; i < 2; i++) *wide[i] = as_layout_floats(l, rows, p->width);
    float **heads[] = {&e->q, &e->k, &e->v, &e->mixed};
    for (size_t i = 0; i < 4; i++) *heads[i] = as_layout_floats(l, rows, inner);
    e->up = as_layout_floats(l, rows, p->ffn_width);
    e->gate = p->arch->places ? e->up : as_layout_floats(l, rows, p->ffn_width);
    e->cosines = as_layout_floats(l, rows, pairs);
    e->sines = as_layout_floats(l, rows, pairs);
    size_t widest = p->width > inner ? p->width : inner;
    widest = round_up(widest > p->ffn_width ? widest : p->ffn_width, AS_QBLOCK);
    e->quantized = as_layout_qrows(l, rows, widest);
    desk *desks = e->desks = as_layout_part(l, e->threads, sizeof *desks);
    size_t panels = round_up(rows, AS_PANEL);
    for (size_t i = 0; i < e->threads; i++) {
        desk d = {.keys = as_layout_floats(l, panels, p->head_width),
                  .values = as_layout_floats(l, rows, e->head_room),
                  .queries = as_layout_floats(l, TILE, p->head_width),
                  .scratch = as_layout_part(l, e->model->weights.scratch_size, 1),
                  .scores = as_layout_floats(l, TILE, panels),
                  .mixed = as_layout_floats(l, TILE, e->head_room)};
        if (desks) desks[i] = d;
    }
}

static void make_room(as_encoder *e, size_t rows) {
    if (rows <= e->room) return;
    free(e->memory);
    as_layout l = {0};
    lay_out(e, &l, rows);
    e->memory = as_mem_new(l.used + AS_LAYOUT_ALIGNMENT);
    uintptr_t start = (uintptr_t)e->memory;
    l = (as_layout){(unsigned char *)e->memory +
                        (AS_LAYOUT_ALIGNMENT - start % AS_LAYOUT_ALIGNMENT) % AS_LAYOUT_ALIGNMENT,
                    0};
    lay_out(e, &l, rows);
    e->room = rows;
}

as_rc as_encoder_new(const as_model *model, size_t threads, as_encoder **out, as_err *err) {
    as_encoder *e = as_mem_new(sizeof *e);
    *e = (as_encoder){.model = model, .threads = threads};
    e->head_room = round_up(model->hparams.head_width, AS_PANEL);
    as_rc rc = as_team_new(threads, &e->team, err);
    if (rc)
        free(e);
    else
        *out = e;
    return rc;
}

void as_encoder_free(as_encoder *encoder) {
    if (!encoder) return;
    as_team_free(encoder->team);
    free(encoder->memory);
    free(encoder);
}

// --- stages: each member of the team does its share, and all wait for each other behind ------

static void share(size_t n, size_t index, size_t members, size_t *begin, size_t *end) {
    *begin = n * index / members;
    *end = n * (index + 1) / members;
}

static void quantize_row(as_encoder *e, const as_matrix *w, const float *x, size_t m) {
    if (!as_wtype_quantized(w->type)) return;
    as_qrows rows = e->quantized;
    rows.cols = w->cols;
    e->model->kernels->quantize_row(&rows, m, x + m * w->cols);
}

// y[count][w->rows] = w x, this member's panels.
static void multiply(as_encoder *e, const as_matrix *w, const float *x, float *y, size_t index,
                     size_t members) {
    const as_kernels *kernels = e->model->kernels;
    size_t begin, end;
    share((w->rows + AS_PANEL - 1) / AS_PANEL, index, members, &begin, &end);
    as_qrows rows = e->quantized;
    rows.cols = w->cols;
    as_matrix_multiply(kernels, w, begin, end, x, &rows, e->count, y, w->rows,
                       e->desks[index].scratch);
}

static void add_bias(const as_encoder *e, float *row, const float *bias, size_t n) {
    if (bias) e->model->kernels->add(row, bias, n);
}

// Queries, keys and values take the same rows, in the one form that all types of weights need.
static void quantize_for_heads(as_encoder *e, const as_layer *layer, size_t m) {
    const as_matrix *all[] = {&layer->query, &layer->key, &layer->value};
    for (size_t i = 0; i < 3; i++) {
        if (!as_wtype_quantized(all[i]->type)) continue;
        quantize_row(e, all[i], e->x, m);
        return;
    }
}

static size_t position_of(const as_encoder *e, size_t m) {
    size_t low = 0, high = e->text_count; // starts[low] <= m < starts[high]
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (e->starts[middle] <= m)
            low = middle;
        else
            high = middle;
    }
    return m - e->starts[low];
}

static void embed(as_encoder *e, const as_layer *layer, size_t index, size_t members) {
    const as_hparams *p = &e->model->hparams;
    const as_weights *w = &e->model->weights;
    const as_kernels *kernels = e->model->kernels;
    size_t begin, end, pairs = p->rope.width / 2;
    share(e->count, index, members, &begin, &end);
    for (size_t m = begin; m < end; m++) {
        float *x = e->x + m * p->width, *more = e->y + m * p->width;
        size_t position = position_of(e, m);
        as_matrix_row(&w->embedding, e->tokens[m], x);
        if (w->types.rows) {
            as_matrix_row(&w->types, 0, more);
            kernels->add(x, more, p->width);
        }
        if (p->arch->places) {
            as_matrix_row(&w->positions, position, more);
            kernels->add(x, more, p->width);
        }
        for (size_t i = 0; !p->arch->places && i < pairs; i++) {
            double sine, cosine;
            as_sincos_f64((double)position * w->rates[AS_RATES_USUAL][i], &sine, &cosine);
            e->sines[m * pairs + i] = (float)(sine * p->rope.magnitude);
            e->cosines[m * pairs + i] = (float)(cosine * p->rope.magnitude);
        }
        kernels->layer_norm(x, x, w->embedding_norm, w->embedding_bias, p->width, p->norm_epsilon);
        quantize_for_heads(e, layer, m);
    }
}

static void project(as_encoder *e, const as_layer *layer, size_t index, size_t members) {
    multiply(e, &layer->query, e->x, e->q, index, members);
    multiply(e, &layer->key, e->x, e->k, index, members);
    multiply(e, &layer->value, e->x, e->v, index, members);
}

static void place(as_encoder *e, const as_layer *layer, size_t index, size_t members) {
    const as_hparams *p = &e->model->hparams;
    size_t begin, end, inner = p->heads * p->head_width, pairs = p->rope.width / 2;
    share(e->count, index, members, &begin, &end);
    for (size_t m = begin; m < end; m++) {
        add_bias(e, e->q + m * inner, layer->query_bias, inner);
        add_bias(e, e->k + m * inner, layer->key_bias, inner);
        add_bias(e, e->v + m * inner, layer->value_bias, inner);
        for (size_t head = 0; !p->arch->places && head < 2 * p->heads; head++) {
            float *row = (head < p->heads ? e->q : e->k) + m * inner;
            e->model->kernels->rope_halves(row + head % p->heads * p->head_width,
                                           e->cosines + m * pairs, e->sines + m * pairs,
                                           p->rope.width);
        }
    }
}

// Keys and values of one head of a text, packed as matrices are: attention is two products.
static void pack_head(const as_encoder *e, const desk *d, size_t head, size_t first, size_t n) {
    const as_hparams *p = &e->model->hparams;
    size_t width = p->head_width, inner = p->heads * width;
    for (size_t m = 0; m < n; m++) {
        const float *k = e->k + (first + m) * inner + head * width;
        const float *v = e->v + (first + m) * inner + head * width;
        float *keys = d->keys + m / AS_PANEL * width * AS_PANEL + m % AS_PANEL;
        for (size_t i = 0; i < width; i++) keys[i * AS_PANEL] = k[i];
        for (size_t i = 0; i < width; i++)
            d->values[(i / AS_PANEL * n + m) * AS_PANEL + i % AS_PANEL] = v[i];
    }
}

static void attend_head(as_encoder *e, const desk *d, size_t head, size_t first, size_t n) {
    const as_hparams *p = &e->model->hparams;
    const as_kernels *kernels = e->model->kernels;
    size_t width = p->head_width, inner = p->heads * width, stride = round_up(n, AS_PANEL);
    as_matrix keys = {.type = AS_W_F32, .rows = n, .cols = width, .values = d->keys};
    as_matrix values = {.type = AS_W_F32, .rows = width, .cols = n, .values = d->values};
    pack_head(e, d, head, first, n);
    for (size_t m = 0; m < n; m += TILE) {
        size_t rows = n - m < TILE ? n - m : TILE, at = (first + m) * inner + head * width;
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < width; j++)
                d->queries[i * width + j] = e->q[at + i * inner + j] * p->attention_scale;
        kernels->matmul_f32(&keys, 0, stride / AS_PANEL, d->queries, width, rows, d->scores,
                            stride);
        for (size_t i = 0; i < rows; i++) kernels->softmax(d->scores + i * stride, n);
        kernels->matmul_f32(&values, 0, e->head_room / AS_PANEL, d->scores, stride, rows, d->mixed,
                            e->head_room);
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < width; j++)
                // +0: a sum of -0 counts as +0, as in decoders.
                e->mixed[at + i * inner + j] = d->mixed[i * e->head_room + j] + 0.0f;
    }
}

static void attend(as_encoder *e, const as_layer *layer, size_t index, size_t members) {
    (void)layer;
    size_t heads = e->model->hparams.heads;
    for (size_t i = index; i < e->text_count * heads; i += members) {
        size_t text = i / heads;
        attend_head(e, &e->desks[index], i % heads, e->starts[text],
                    e->starts[text + 1] - e->starts[text]);
    }
}

static void quantize_mixed(as_encoder *e, const as_layer *layer, size_t index, size_t members) {
    size_t begin, end;
    share(e->count, index, members, &begin, &end);
    for (size_t m = begin; m < end; m++) quantize_row(e, &layer->output, e->mixed, m);
}

static void project_back(as_encoder *e, const as_layer *layer, size_t index, size_t members) {
    multiply(e, &layer->output, e->mixed, e->y, index, members);
}

// x = LayerNorm(x + y + bias) of row m.
static void close_row(as_encoder *e, size_t m, const float *bias, const float *norm,
                      const float *norm_bias) {
    const as_hparams *p = &e->model->hparams;
    float *x = e->x + m * p->width, *y = e->y + m * p->width;
    add_bias(e, y, bias, p->width);
    e->model->kernels->add(x, y, p->width);
    e->model->kernels->layer_norm(x, x, norm, norm_bias, p->width, p->norm_epsilon);
}

static void close_attention(as_encoder *e, const as_layer *layer, size_t index, size_t members) {
    size_t begin, end;
    share(e->count, index, members, &begin, &end);
    const as_matrix *next =
        layer->gate.rows && as_wtype_quantized(layer->gate.type) ? &layer->gate : &layer->up;
    for (size_t m = begin; m < end; m++) {
        close_row(e, m, layer->output_bias, layer->attention_post_norm, layer->attention_post_bias);
        quantize_row(e, next, e->x, m);
    }
}

static void widen(as_encoder *e, const as_layer *layer, size_t index, size_t members) {
    multiply(e, &layer->up, e->x, e->up, index, members);
    if (layer->gate.rows) multiply(e, &layer->gate, e->x, e->gate, index, members);
}

static void activate(as_encoder *e, const as_layer *layer, size_t index, size_t members) {
    size_t begin, end, n = e->model->hparams.ffn_width;
    share(e->count, index, members, &begin, &end);
    for (size_t m = begin; m < end; m++) {
        float *gate = e->gate + m * n, *up = e->up + m * n;
        add_bias(e, up, layer->up_bias, n);
        if (layer->gate.rows)
            e->model->kernels->silu_mul(gate, up, n);
        else
            e->model->kernels->gelu_erf(up, n); // `gate` is `up`
        quantize_row(e, &layer->down, e->gate, m);
    }
}

static void narrow(as_encoder *e, const as_layer *layer, size_t index, size_t members) {
    multiply(e, &layer->down, e->gate, e->y, index, members);
}

static void close_layer(as_encoder *e, const as_layer *layer, size_t index, size_t members) {
    const as_layer *end_of_layers = e->model->weights.layers + e->model->hparams.layers;
    size_t begin, end;
    share(e->count, index, members, &begin, &end);
    for (size_t m = begin; m < end; m++) {
        close_row(e, m, layer->down_bias, layer->ffn_post_norm, layer->ffn_post_bias);
        if (layer + 1 < end_of_layers) quantize_for_heads(e, layer + 1, m);
    }
}

// --- the pass -----------------------------------------------------------------------------

static void run_member(void *encoder, size_t index, size_t members) {
    as_encoder *e = encoder;
    e->stage(e, e->layer, index, members);
}

as_rc as_encoder_run(as_encoder *e, const as_tokens *texts, size_t count, const float **out,
                     as_err *err) {
    (void)err;
    static void (*const stages[])(as_encoder *, const as_layer *, size_t, size_t) = {
        project,         place, attend,   quantize_mixed, project_back,
        close_attention, widen, activate, narrow,         close_layer};
    size_t rows = 0;
    for (size_t i = 0; i < count; i++) rows += texts[i].count;
    make_room(e, rows);
    e->texts = texts;
    e->text_count = count;
    e->count = 0;
    for (size_t i = 0; i < count; i++) {
        e->starts[i] = e->count;
        for (size_t j = 0; j < texts[i].count; j++) e->tokens[e->count++] = texts[i].ids[j];
    }
    e->starts[count] = e->count;
    e->layer = e->model->weights.layers;
    e->stage = embed;
    as_team_run(e->team, run_member, e);
    for (size_t i = 0; i < e->model->hparams.layers; i++) {
        e->layer = &e->model->weights.layers[i];
        for (size_t s = 0; s < sizeof stages / sizeof *stages; s++) {
            e->stage = stages[s];
            as_team_run(e->team, run_member, e);
        }
    }
    *out = e->x;
    return AS_OK;
}
