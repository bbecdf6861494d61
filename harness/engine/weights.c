// SPDX-License-Identifier: Apache-2.0
// weights.c - tensors of the file into packed matrices (the second half of model.h).
//
// Everything is visited twice: once to check shapes and add up sizes, once to lay it out in the one
// block of memory that holds it all. Packed matrices stand at its front: they are packed last, all
// at once, or come from the cache.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/cache.h"
#include "harness/base/file.h"
#include "harness/base/thread.h"
#include "harness/engine/load/packing.h"
#include "harness/engine/model.h"
#include "harness/engine/tensor_type.h"

enum {
    ALIGNMENT = 64,
    PAGE = 65536,                // what is laid over memory from the cache ends at a multiple of it
    THREADS_MAX = 16,            // that pack
    PACKED_PER_THREAD = 4 << 20, // bytes: a thread for less is not worth its while
};

typedef struct loader {
    const as_gguf *file;
    const as_lora *lora; // NULL without an adapter
    as_weights *weights;
    unsigned char *memory;      // NULL on the first visit
    size_t used, packed, front; // bytes: of all but packed matrices, of those, of the front
    as_packing packing;
    bool *known;         // [tensor_count] tensors that belong to the model
    size_t layer;        // SIZE_MAX outside the layers
    size_t experts_used; // of a mixture, for one token
    bool decoded;        // pack what is only decoded, too
    as_rc rc;
    as_err *err;
} loader;

static size_t round_up(size_t size, size_t to) {
    return (size + to - 1) / to * to;
}

static void *reserve(loader *l, size_t size) {
    void *at = l->memory ? l->memory + l->front + l->used : NULL;
    l->used += round_up(size, ALIGNMENT);
    return at;
}

static void *reserve_packed(loader *l, size_t size) {
    void *at = l->memory ? l->memory + l->packed : NULL;
    l->packed += round_up(size, ALIGNMENT);
    return at;
}

// The tensor `name` (of the current layer) if it is there and has the shape [count][rows][cols].
static const as_gguf_tensor *find(loader *l, const char *name, size_t count, size_t rows,
                                  size_t cols, bool required) {
    char full[AS_GGUF_NAME_MAX + 1];
    if (l->layer == SIZE_MAX)
        snprintf(full, sizeof full, "%s", name);
    else
        snprintf(full, sizeof full, "blk.%zu.%s", l->layer, name);
    const as_gguf_tensor *tensor = as_gguf_tensor_find(l->file, full);
    if (!tensor) {
        if (required) l->rc = as_gguf_fail(l->file, l->err, "tensor '%s' is missing", full);
        return NULL;
    }
    bool *known = &l->known[tensor - l->file->tensors];
    if (!l->memory && !*known) l->weights->parameters += tensor->elements;
    *known = true;
    const uint64_t *n = tensor->dimensions;
    if (n[0] == cols && n[1] == rows && n[2] == count && n[3] == 1) return tensor;
    l->rc = as_gguf_fail(
        l->file, l->err,
        "tensor '%s' is %llu x %llu x %llu x %llu, not %zu x %zu x %zu (offset %zu)", full,
        (unsigned long long)n[0], (unsigned long long)n[1], (unsigned long long)n[2],
        (unsigned long long)n[3], cols, rows, count, tensor->offset);
    return NULL;
}

static bool has(const loader *l, const char *name) {
    char full[AS_GGUF_NAME_MAX + 1];
    snprintf(full, sizeof full, "blk.%zu.%s", l->layer, name);
    return as_gguf_tensor_find(l->file, full) != NULL;
}

static void refuse_type(loader *l, const as_gguf_tensor *tensor, const char *supported) {
    l->rc = as_gguf_fail(l->file, l->err,
                         "tensor '%.*s' is %s, which is not supported, only %s (offset %zu)",
                         AS_STR_ARG(tensor->name), as_gguf_tensor_type_name(tensor->type),
                         supported, tensor->offset);
}

// Part of `rows` vectors: `n` values of `total` from `first` on.
static void load_some(loader *l, const float **out, const char *name, size_t rows, size_t total,
                      size_t first, size_t n, bool required) {
    if (l->rc) return;
    const as_gguf_tensor *tensor = find(l, name, 1, rows, total / rows, required);
    if (!tensor) return;
    if (tensor->type != AS_GGUF_TENSOR_F32) {
        refuse_type(l, tensor, "F32 for norms and biases");
        return;
    }
    float *values = reserve(l, n * sizeof *values);
    if (values) memcpy(values, tensor->bytes + first * sizeof *values, n * sizeof *values);
    *out = values;
}

// Part of a vector: `n` values of `total` from `first` on.
static void load_values(loader *l, const float **out, const char *name, size_t total, size_t first,
                        size_t n, bool required) {
    load_some(l, out, name, 1, total, first, n, required);
}

static void load_vector(loader *l, const float **out, const char *name, size_t n, bool required) {
    load_values(l, out, name, n, 0, n, required);
}

// A norm of what is as wide as the model. LayerNorms without a bias get one of zeros.
static void load_norm(loader *l, const float **out, const float **bias, const char *name,
                      const as_hparams *h, bool required) {
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    const size_t used = l->used;
    load_vector(l, out, full, h->width, required);
    if (!h->arch->layer_norms || l->used == used) return;
    snprintf(full, sizeof full, "%s.bias", name);
    const size_t before = l->used;
    load_vector(l, bias, full, h->width, false);
    if (l->used == before) *bias = reserve(l, h->width * sizeof **bias);
}

// `rows` rows from `first` on of a tensor, whatever its shape: rows lie one after the other.
static bool pack(loader *l, as_matrix *out, const as_gguf_tensor *tensor, size_t first, size_t rows,
                 size_t cols) {
    as_wtype type;
    if (!as_tensor_wtype(tensor->type, &type)) {
        refuse_type(l, tensor, as_tensor_wtype_names());
        return false;
    }
    *out = (as_matrix){.type = type, .rows = rows, .cols = cols};
    if (!l->decoded) out->coded = as_tensor_coded(tensor->type);
    size_t scratch_size = as_matrix_scratch_size(out), scales_size = 0;
    if (out->coded) l->weights->coded = true;
    if (!as_wtype_quantized(type)) l->weights->plain = true;
    if (scratch_size > l->weights->scratch_size) l->weights->scratch_size = scratch_size;
    if (!out->coded) scales_size = as_matrix_scales_size(type, rows, cols);
    out->values = reserve_packed(l, as_matrix_size(out) - scales_size);
    if (scales_size) out->scales = reserve_packed(l, scales_size);
    if (l->memory) as_packing_add(&l->packing, out, tensor, first);
    return true;
}

static void pack_half(loader *l, as_matrix *out, const as_gguf_tensor *tensor, size_t first,
                      size_t rows, size_t cols) {
    *out = (as_matrix){.type = AS_W_F32, .rows = rows, .cols = cols};
    out->values = reserve(l, as_matrix_values_size(AS_W_F32, rows, cols));
    if (!l->memory) return;
    float *values = as_mem_new(as_size_mul(rows * cols, sizeof *values));
    as_lora_values(tensor, first * cols, rows * cols, values);
    as_matrix_pack(out, values);
    free(values);
}

// What the adapter has for part of the tensor `name`.
static void load_delta(loader *l, as_low_rank *out, as_str name, size_t total, size_t first,
                       size_t rows, size_t cols) {
    char full[AS_GGUF_NAME_MAX + 1];
    as_lora_pair pair;
    snprintf(full, sizeof full, "%.*s", AS_STR_ARG(name));
    l->rc = as_lora_find(l->lora, full, total, cols, &pair, l->err);
    if (l->rc || !pair.a) return;
    out->rank = pair.rank;
    out->scale = pair.scale;
    pack_half(l, &out->a, pair.a, 0, pair.rank, cols);
    pack_half(l, &out->b, pair.b, first, rows, pair.rank);
    if (pair.rank > l->weights->rank_max) l->weights->rank_max = pair.rank;
}

// Every token is multiplied with this one.
static void count_product(loader *l, const as_matrix *w) {
    if (l->memory || l->rc) return;
    l->weights->product_parameters += (uint64_t)w->rows * w->cols;
    l->weights->product_size += as_matrix_size(w);
}

// Part of a matrix: `rows` rows of `total` from `first` on. With `delta`, it may be adapted.
static bool load_rows(loader *l, as_matrix *out, as_low_rank *delta, const char *name, size_t total,
                      size_t first, size_t rows, size_t cols, bool required) {
    if (l->rc) return false;
    const as_gguf_tensor *tensor = find(l, name, 1, total, cols, required);
    if (!tensor || !pack(l, out, tensor, first, rows, cols)) return false;
    if (strcmp(name, "token_embd.weight") != 0) count_product(l, out);
    if (l->lora && delta) load_delta(l, delta, tensor->name, total, first, rows, cols);
    return true;
}

static bool load_matrix(loader *l, as_matrix *out, as_low_rank *delta, const char *name,
                        size_t rows, size_t cols, bool required) {
    return load_rows(l, out, delta, name, rows, 0, rows, cols, required);
}

// The matrices of all experts. They lie in one tensor "NAME_exps.weight"; in files of Mixtral that
// are older than April 2024 each is a tensor of its own, "NAME.7.weight".
static void load_experts(loader *l, as_matrix **out, const char *name, size_t count, size_t rows,
                         size_t cols) {
    if (l->rc) return;
    char full[64], first[64];
    snprintf(full, sizeof full, "%s_exps.weight", name);
    snprintf(first, sizeof first, "%s.0.weight", name);
    bool apart = !has(l, full) && has(l, first);
    const as_gguf_tensor *tensor = apart ? NULL : find(l, full, count, rows, cols, true);
    if (!apart && !tensor) return;
    as_matrix unused, *matrices = reserve(l, as_size_mul(count, sizeof *matrices));
    *out = matrices;
    for (size_t i = 0; !l->rc && i < count; i++) {
        as_matrix *matrix = matrices ? &matrices[i] : &unused;
        snprintf(full, sizeof full, "%s.%zu.weight", name, i);
        if (apart) tensor = find(l, full, 1, rows, cols, true);
        if (!tensor) return;
        if (pack(l, matrix, tensor, apart ? 0 : i * rows, rows, cols) && i < l->experts_used)
            count_product(l, matrix);
    }
}

static void load_projections(loader *l, as_layer *layer, const as_hparams *h) {
    size_t q = h->heads * h->head_width, kv = h->kv_heads * h->head_width, all = q + 2 * kv;
    if (has(l, "attn_qkv.weight")) {
        load_rows(l, &layer->query, &layer->query_delta, "attn_qkv.weight", all, 0, q, h->width,
                  true);
        load_rows(l, &layer->key, &layer->key_delta, "attn_qkv.weight", all, q, kv, h->width, true);
        load_rows(l, &layer->value, &layer->value_delta, "attn_qkv.weight", all, q + kv, kv,
                  h->width, true);
        load_values(l, &layer->query_bias, "attn_qkv.bias", all, 0, q, false);
        load_values(l, &layer->key_bias, "attn_qkv.bias", all, q, kv, false);
        load_values(l, &layer->value_bias, "attn_qkv.bias", all, q + kv, kv, false);
    } else {
        load_matrix(l, &layer->query, &layer->query_delta, "attn_q.weight", q, h->width, true);
        load_matrix(l, &layer->key, &layer->key_delta, "attn_k.weight", kv, h->width, true);
        load_matrix(l, &layer->value, &layer->value_delta, "attn_v.weight", kv, h->width, true);
        if (h->arch->head_norms != AS_HEAD_NORMS_WHOLE) {
            load_vector(l, &layer->query_bias, "attn_q.bias", q, false);
            load_vector(l, &layer->key_bias, "attn_k.bias", kv, false);
        }
        load_vector(l, &layer->value_bias, "attn_v.bias", kv, false);
    }
    load_matrix(l, &layer->output, &layer->output_delta, "attn_output.weight", h->width, q, true);
    load_vector(l, &layer->output_bias, "attn_output.bias", h->width, false);
}

static void load_attention(loader *l, as_layer *layer, const as_hparams *h) {
    bool whole = h->arch->head_norms == AS_HEAD_NORMS_WHOLE;
    if (!h->arch->bare_blocks)
        load_norm(l, &layer->attention_norm, &layer->attention_norm_bias, "attn_norm", h, true);
    load_projections(l, layer, h);
    if (h->arch->sinks) load_vector(l, &layer->sinks, "attn_sinks.weight", h->heads, true);
    if (h->arch->head_norms) {
        load_vector(l, &layer->query_norm, "attn_q_norm.weight",
                    whole ? h->heads * h->head_width : h->head_width, true);
        load_vector(l, &layer->key_norm, "attn_k_norm.weight",
                    whole ? h->kv_heads * h->head_width : h->head_width, true);
    }
    if (!h->arch->post_norms) return;
    load_vector(l, &layer->attention_post_norm, "post_attention_norm.weight", h->width, true);
    load_vector(l, &layer->ffn_post_norm, "post_ffw_norm.weight", h->width, true);
}

// A vector an expert.
static void load_biases(loader *l, const float **out, const char *name, size_t count, size_t n) {
    load_some(l, out, name, count, as_size_mul(count, n), 0, count * n, true);
}

static void load_mixture(loader *l, as_mixture *mixture, const as_hparams *h) {
    size_t n = h->experts, width = h->width;
    load_matrix(l, &mixture->router, NULL, "ffn_gate_inp.weight", n, width, true);
    load_experts(l, &mixture->gate, "ffn_gate", n, h->expert_width, width);
    load_experts(l, &mixture->up, "ffn_up", n, h->expert_width, width);
    load_experts(l, &mixture->down, "ffn_down", n, width, h->expert_width);
    if (h->arch->clamped_experts) {
        load_vector(l, &mixture->router_bias, "ffn_gate_inp.bias", n, true);
        load_biases(l, &mixture->gate_bias, "ffn_gate_exps.bias", n, h->expert_width);
        load_biases(l, &mixture->up_bias, "ffn_up_exps.bias", n, h->expert_width);
        load_biases(l, &mixture->down_bias, "ffn_down_exps.bias", n, width);
    }
    if (!h->shared_width) return;
    load_vector(l, &mixture->shared_router, "ffn_gate_inp_shexp.weight", width, true);
    load_matrix(l, &mixture->shared_gate, NULL, "ffn_gate_shexp.weight", h->shared_width, width,
                true);
    load_matrix(l, &mixture->shared_up, NULL, "ffn_up_shexp.weight", h->shared_width, width, true);
    load_matrix(l, &mixture->shared_down, NULL, "ffn_down_shexp.weight", width, h->shared_width,
                true);
}

static void load_ffn(loader *l, as_layer *layer, const as_hparams *h) {
    size_t n = h->ffn_width;
    const char *norm = h->arch->late_ffn_norm ? "post_attention_norm" : "ffn_norm";
    if (!h->arch->bare_blocks)
        load_norm(l, &layer->ffn_norm, &layer->ffn_norm_bias, norm, h, !h->arch->parallel);
    if (h->experts) {
        load_mixture(l, &layer->mixture, h);
        return;
    }
    bool both = h->arch->up_holds_gate, alone = h->arch->ungated;
    if (both)
        load_rows(l, &layer->gate, &layer->gate_delta, "ffn_up.weight", 2 * n, 0, n, h->width,
                  true);
    else
        load_matrix(l, &layer->gate, &layer->gate_delta,
                    alone ? "ffn_up.weight" : "ffn_gate.weight", n, h->width, true);
    if (!alone)
        load_rows(l, &layer->up, &layer->up_delta, "ffn_up.weight", both ? 2 * n : n, both ? n : 0,
                  n, h->width, true);
    load_matrix(l, &layer->down, &layer->down_delta, "ffn_down.weight", h->width, n, true);
    load_vector(l, &layer->gate_bias, alone ? "ffn_up.bias" : "ffn_gate.bias", n, false);
    if (!alone) load_vector(l, &layer->up_bias, "ffn_up.bias", n, false);
    load_vector(l, &layer->down_bias, "ffn_down.bias", h->width, false);
}

static void check_factors(loader *l, const char *name, const float *factors, size_t n) {
    for (size_t i = 0; !l->rc && factors && i < n; i++)
        if (!((double)factors[i] >= AS_ROPE_DIVISOR_MIN &&
              (double)factors[i] <= AS_ROPE_DIVISOR_MAX))
            l->rc =
                as_gguf_fail(l->file, l->err, "'%s' of pair %zu is %g, not in %g..%g (offset %zu)",
                             name, i, (double)factors[i], AS_ROPE_DIVISOR_MIN, AS_ROPE_DIVISOR_MAX,
                             as_gguf_tensor_find(l->file, name)->offset + i * sizeof *factors);
}

static void load_rates(loader *l, const as_hparams *h) {
    static const char *const names[] = {"rope_freqs.weight", "rope_factors_short.weight",
                                        "rope_factors_long.weight"};
    const as_rope *rope = &h->rope;
    size_t pairs = rope->width / 2;
    const float *factors[3] = {NULL, NULL, NULL};
    bool two = rope->longrope || as_gguf_tensor_find(l->file, names[1]) ||
               as_gguf_tensor_find(l->file, names[2]);
    for (size_t i = two ? 1 : 0; i < (two ? 3 : 1); i++) {
        load_vector(l, &factors[i], names[i], pairs, two);
        if (l->memory) check_factors(l, names[i], factors[i], pairs);
    }
    double **rates = l->weights->rates;
    rates[AS_RATES_USUAL] = reserve(l, pairs * sizeof **rates);
    if (two) rates[AS_RATES_LONG] = reserve(l, pairs * sizeof **rates);
    if (h->window && h->arch->local_rope)
        rates[AS_RATES_LOCAL] = reserve(l, pairs * sizeof **rates);
    if (!l->memory || l->rc) return;
    as_rope_rates(rope, two ? factors[1] : factors[0], rates[AS_RATES_USUAL]);
    if (two) as_rope_rates(rope, factors[2], rates[AS_RATES_LONG]);
    as_rope local = {.width = rope->width, .base = h->local_rope_base, .divisor = 1.0};
    if (rates[AS_RATES_LOCAL]) as_rope_rates(&local, NULL, rates[AS_RATES_LOCAL]);
}

static void load_temperatures(loader *l, const as_hparams *h) {
    if (!(h->temperature > 0.0f)) return;
    size_t count = h->context_length / h->rope.original_context + 1;
    float *t = l->weights->temperatures = reserve(l, count * sizeof *t);
    for (size_t i = 0; t && i < count; i++)
        t[i] = (float)(1.0 + (double)h->temperature * as_log_f64(1.0 + (double)i));
}

// Rows that are looked up, not multiplied with.
static void load_table(loader *l, as_matrix *out, const char *name, size_t rows, size_t cols) {
    if (l->rc) return;
    const as_gguf_tensor *tensor = find(l, name, 1, rows, cols, true);
    if (tensor) pack(l, out, tensor, 0, rows, cols);
}

// What embeddings go through. Their length is told by the file alone.
static void load_dense(loader *l, const as_hparams *h) {
    const as_gguf_tensor *tensor = as_gguf_tensor_find(l->file, "dense_2.weight");
    if (!tensor || !h->arch->both_ways) return;
    size_t n = tensor->dimensions[1] < AS_FFN_MAX ? (size_t)tensor->dimensions[1] : AS_FFN_MAX;
    load_table(l, &l->weights->dense[0], "dense_2.weight", n, h->width);
    load_table(l, &l->weights->dense[1], "dense_3.weight", h->width, n);
}

static void load_encoder_layer(loader *l, as_layer *layer, const as_hparams *h) {
    size_t n = h->ffn_width, width = h->width;
    load_projections(l, layer, h);
    load_vector(l, &layer->attention_post_norm, "attn_output_norm.weight", width, true);
    load_vector(l, &layer->attention_post_bias, "attn_output_norm.bias", width, true);
    if (!h->arch->places) load_matrix(l, &layer->gate, NULL, "ffn_gate.weight", n, width, true);
    load_matrix(l, &layer->up, NULL, "ffn_up.weight", n, width, true);
    load_matrix(l, &layer->down, NULL, "ffn_down.weight", width, n, true);
    load_vector(l, &layer->up_bias, "ffn_up.bias", n, false);
    load_vector(l, &layer->down_bias, "ffn_down.bias", width, false);
    load_vector(l, &layer->ffn_post_norm, "layer_output_norm.weight", width, true);
    load_vector(l, &layer->ffn_post_bias, "layer_output_norm.bias", width, true);
}

static void visit_encoder(loader *l, const as_hparams *h, size_t vocabulary) {
    as_weights *w = l->weights;
    if (l->lora && !l->rc)
        l->rc = as_gguf_fail(l->file, l->err, "adapters of encoders ('%s') are not supported",
                             h->arch->name);
    if (!h->arch->places) load_rates(l, h);
    load_table(l, &w->embedding, "token_embd.weight", vocabulary, h->width);
    if (h->arch->places)
        load_table(l, &w->positions, "position_embd.weight", h->context_length, h->width);
    const as_gguf_tensor *types = as_gguf_tensor_find(l->file, "token_types.weight");
    if (types && types->dimensions[1] <= AS_VOCAB_TEXT_MAX)
        load_table(l, &w->types, "token_types.weight", (size_t)types->dimensions[1], h->width);
    load_vector(l, &w->embedding_norm, "token_embd_norm.weight", h->width, true);
    load_vector(l, &w->embedding_bias, "token_embd_norm.bias", h->width, true);
    for (size_t i = 0; !l->rc && i < h->layers; i++) {
        as_layer unused = {0};
        l->layer = i;
        load_encoder_layer(l, l->memory ? &w->layers[i] : &unused, h);
    }
}

static void visit(loader *l, const as_hparams *h, size_t vocabulary) {
    as_weights *w = l->weights;
    w->layers = reserve(l, as_size_mul(h->layers, sizeof *w->layers));
    l->layer = SIZE_MAX;
    l->experts_used = h->experts_used;
    if (h->arch->encoder) {
        visit_encoder(l, h, vocabulary);
        return;
    }
    load_rates(l, h);
    load_temperatures(l, h);
    load_norm(l, &w->output_norm, &w->output_norm_bias, "output_norm", h, true);
    load_vector(l, &w->output_bias, "output.bias", vocabulary, false);
    load_matrix(l, &w->embedding, NULL, "token_embd.weight", vocabulary, h->width, true);
    if (!load_matrix(l, &w->output, &w->output_delta, "output.weight", vocabulary, h->width,
                     false)) {
        w->output = w->embedding;
        count_product(l, &w->output);
    }
    load_dense(l, h);
    for (size_t i = 0; !l->rc && i < h->layers; i++) {
        as_layer unused = {0};
        l->layer = i;
        load_attention(l, l->memory ? &w->layers[i] : &unused, h);
        load_ffn(l, l->memory ? &w->layers[i] : &unused, h);
    }
}

static void refuse_unknown(loader *l) {
    for (size_t i = 0; !l->rc && i < l->file->tensor_count; i++) {
        const as_gguf_tensor *tensor = &l->file->tensors[i];
        if (!l->known[i])
            l->rc = as_gguf_fail(l->file, l->err,
                                 "tensor '%.*s' is not known for this architecture: its weights "
                                 "would be ignored (offset %zu)",
                                 AS_STR_ARG(tensor->name), tensor->offset);
    }
}

struct as_keeper {
    as_thread *thread;
    char *name;
    const void *bytes;
    size_t size;
};

static void keep(void *context) {
    as_keeper *keeper = context;
    as_cache_keep(keeper->name, keeper->bytes, keeper->size);
}

// Puts the packed matrices into the cache while the model is already at work: a disk takes longer
// for them than all the rest of loading.
static void start_keeping(as_weights *weights, const char *name, size_t size) {
    as_keeper *keeper = as_mem_new(sizeof *keeper);
    as_err unused;
    *keeper = (as_keeper){.name = as_mem_new(strlen(name) + 1), .bytes = weights->start};
    keeper->size = size;
    memcpy(keeper->name, name, strlen(name));
    if (as_thread_start(keep, keeper, &keeper->thread, &unused)) keeper->thread = NULL;
    weights->keeper = keeper;
}

static void end_keeping(as_keeper *keeper) {
    if (!keeper) return;
    if (keeper->thread) as_thread_join(keeper->thread);
    free(keeper->name);
    free(keeper);
}

// The packed matrices, from the cache or from the file.
static void fill_packed(loader *l, const char *kept) {
    size_t threads = as_thread_cpus(), most = l->packed / PACKED_PER_THREAD + 1;
    if (threads > most) threads = most;
    if (threads > THREADS_MAX) threads = THREADS_MAX;
    // Around each norm that was read, the system has brought in its neighbours.
    for (size_t i = 0; l->file->mapped && i < l->file->tensor_count; i++)
        as_file_forget(l->file->tensors[i].bytes, l->file->tensors[i].size);
    if (kept && as_cache_lay(kept, l->memory, l->packed, threads)) return;
    l->packing.forget = l->file->mapped;
    as_packing_run(&l->packing, threads);
    if (kept) start_keeping(l->weights, kept, l->packed);
}

as_rc as_weights_load(as_weights *out, const as_gguf *file, const as_lora *lora,
                      const as_hparams *hparams, size_t vocabulary, bool decoded, const char *kept,
                      as_err *err) {
    as_weights weights = {0};
    loader l = {.file = file, .lora = lora, .weights = &weights, .decoded = decoded, .err = err};
    l.known = as_mem_new(file->tensor_count * sizeof *l.known);
    visit(&l, hparams, vocabulary);
    refuse_unknown(&l);
    if (!l.rc && lora) l.rc = as_lora_finish(lora, err);
    free(l.known);
    if (l.rc) return l.rc;

    l.front = round_up(l.packed, PAGE);
    weights.size = l.front + l.used;
    weights.start = weights.memory = l.memory = as_file_pages(weights.size);
    l.used = l.packed = 0;
    l.known = as_mem_new(file->tensor_count * sizeof *l.known);
    visit(&l, hparams, vocabulary);
    free(l.known);
    if (!l.rc) fill_packed(&l, kept);
    as_packing_free(&l.packing);
    if (l.rc)
        as_weights_free(&weights);
    else
        *out = weights;
    return l.rc;
}

void as_weights_free(as_weights *weights) {
    end_keeping(weights->keeper);
    as_file_pages_free(weights->memory, weights->size);
    *weights = (as_weights){0};
}
