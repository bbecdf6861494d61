// SPDX-License-Identifier: Apache-2.0
// weights.c - tensors of the file into packed matrices (the second half of model.h).
//
// Everything is visited twice: once to check shapes and add up sizes, once to fill the one block
// of memory that holds it all.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/engine/model.h"

enum { ALIGNMENT = 64 };

typedef struct loader {
    const as_gguf *file;
    as_weights *weights;
    unsigned char *memory; // NULL on the first visit
    size_t used;           // bytes
    bool *known;           // [tensor_count] tensors that belong to the model
    size_t layer;          // SIZE_MAX outside the layers
    as_rc rc;
    as_err *err;
} loader;

static void *reserve(loader *l, size_t size) {
    void *at = l->memory ? l->memory + l->used : NULL;
    l->used += (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return at;
}

// The tensor `name` (of the current layer) if it is there and has the shape [rows][cols].
static const as_gguf_tensor *find(loader *l, const char *name, size_t rows, size_t cols,
                                  bool required) {
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
    l->known[tensor - l->file->tensors] = true;
    const uint64_t *n = tensor->dimensions;
    if (n[0] != cols || n[1] != rows || n[2] != 1 || n[3] != 1) {
        l->rc = as_gguf_fail(
            l->file, l->err, "tensor '%s' is %llu x %llu x %llu x %llu, not %zu x %zu (offset %zu)",
            full, (unsigned long long)n[0], (unsigned long long)n[1], (unsigned long long)n[2],
            (unsigned long long)n[3], cols, rows, tensor->offset);
        return NULL;
    }
    if (!l->memory) l->weights->parameters += tensor->elements;
    return tensor;
}

static void refuse_type(loader *l, const as_gguf_tensor *tensor, const char *supported) {
    l->rc = as_gguf_fail(l->file, l->err,
                         "tensor '%.*s' is %s, which is not supported, only %s (offset %zu)",
                         AS_STR_ARG(tensor->name), as_gguf_tensor_type_name(tensor->type),
                         supported, tensor->offset);
}

static void load_vector(loader *l, const float **out, const char *name, size_t n, bool required) {
    if (l->rc) return;
    const as_gguf_tensor *tensor = find(l, name, 1, n, required);
    if (!tensor) return;
    if (tensor->type != AS_GGUF_TENSOR_F32) {
        refuse_type(l, tensor, "F32 for norms and biases");
        return;
    }
    float *values = reserve(l, n * sizeof *values);
    if (values) memcpy(values, tensor->bytes, n * sizeof *values);
    *out = values;
}

static bool load_matrix(loader *l, as_matrix *out, const char *name, size_t rows, size_t cols,
                        bool required) {
    if (l->rc) return false;
    const as_gguf_tensor *tensor = find(l, name, rows, cols, required);
    if (!tensor) return false;
    as_wtype type = AS_W_F32;
    if (tensor->type == AS_GGUF_TENSOR_F16)
        type = AS_W_F16;
    else if (tensor->type == AS_GGUF_TENSOR_Q8_0)
        type = AS_W_Q8_0;
    else if (tensor->type != AS_GGUF_TENSOR_F32) {
        refuse_type(l, tensor, "F32, F16 and Q8_0");
        return false;
    }
    *out = (as_matrix){.type = type, .rows = rows, .cols = cols};
    out->values = reserve(l, as_matrix_values_size(type, rows, cols));
    size_t scales_size = as_matrix_scales_size(type, rows, cols);
    if (scales_size) out->scales = reserve(l, scales_size);
    if (l->memory) as_matrix_pack(out, tensor->bytes);
    return true;
}

static void load_layer(loader *l, as_layer *layer, const as_hparams *h) {
    size_t q = h->heads * h->head_width, kv = h->kv_heads * h->head_width;
    load_vector(l, &layer->attention_norm, "attn_norm.weight", h->width, true);
    load_matrix(l, &layer->query, "attn_q.weight", q, h->width, true);
    load_matrix(l, &layer->key, "attn_k.weight", kv, h->width, true);
    load_matrix(l, &layer->value, "attn_v.weight", kv, h->width, true);
    load_matrix(l, &layer->output, "attn_output.weight", h->width, q, true);
    load_vector(l, &layer->query_bias, "attn_q.bias", q, false);
    load_vector(l, &layer->key_bias, "attn_k.bias", kv, false);
    load_vector(l, &layer->value_bias, "attn_v.bias", kv, false);
    load_vector(l, &layer->output_bias, "attn_output.bias", h->width, false);
    load_vector(l, &layer->ffn_norm, "ffn_norm.weight", h->width, true);
    load_matrix(l, &layer->gate, "ffn_gate.weight", h->ffn_width, h->width, true);
    load_matrix(l, &layer->up, "ffn_up.weight", h->ffn_width, h->width, true);
    load_matrix(l, &layer->down, "ffn_down.weight", h->width, h->ffn_width, true);
    load_vector(l, &layer->gate_bias, "ffn_gate.bias", h->ffn_width, false);
    load_vector(l, &layer->up_bias, "ffn_up.bias", h->ffn_width, false);
    load_vector(l, &layer->down_bias, "ffn_down.bias", h->width, false);
}

// angle of pair i at a position = position * base^(-2i/rope_width) / divisor / factors[i]. All in
// double: the angles of long contexts need more than a float has.
static void fill_rope(loader *l, const as_hparams *h, const float *factors, double *rates) {
    double log_base = as_log_f64(h->rope_base);
    for (size_t i = 0; !l->rc && i < h->rope_width / 2; i++) {
        double factor = factors ? (double)factors[i] : 1.0;
        if (!(factor >= AS_ROPE_DIVISOR_MIN && factor <= AS_ROPE_DIVISOR_MAX))
            l->rc = as_gguf_fail(l->file, l->err,
                                 "'rope_freqs.weight' of pair %zu is %g, not in %g..%g", i, factor,
                                 AS_ROPE_DIVISOR_MIN, AS_ROPE_DIVISOR_MAX);
        double rate = as_exp_f64(-(double)(2 * i) / (double)h->rope_width * log_base);
        rates[i] = rate / (h->rope_divisor * factor);
    }
}

static void visit(loader *l, const as_hparams *h, size_t vocabulary) {
    as_weights *w = l->weights;
    w->layers = reserve(l, as_size_mul(h->layers, sizeof *w->layers));
    w->rope_rates = reserve(l, h->rope_width / 2 * sizeof *w->rope_rates);
    l->layer = SIZE_MAX;
    const float *factors = NULL;
    load_vector(l, &factors, "rope_freqs.weight", h->rope_width / 2, false);
    if (l->memory && !l->rc) fill_rope(l, h, factors, w->rope_rates);
    load_vector(l, &w->output_norm, "output_norm.weight", h->width, true);
    load_matrix(l, &w->embedding, "token_embd.weight", vocabulary, h->width, true);
    if (!load_matrix(l, &w->output, "output.weight", vocabulary, h->width, false))
        w->output = w->embedding;
    for (size_t i = 0; !l->rc && i < h->layers; i++) {
        as_layer unused = {0};
        l->layer = i;
        load_layer(l, l->memory ? &w->layers[i] : &unused, h);
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

as_rc as_weights_load(as_weights *out, const as_gguf *file, const as_hparams *hparams,
                      size_t vocabulary, as_err *err) {
    as_weights weights = {0};
    loader l = {.file = file, .weights = &weights, .err = err};
    l.known = as_mem_new(file->tensor_count * sizeof *l.known);
    visit(&l, hparams, vocabulary);
    refuse_unknown(&l);
    free(l.known);
    if (l.rc) return l.rc;

    weights.memory = as_mem_new(l.used + ALIGNMENT);
    uintptr_t start = (uintptr_t)weights.memory;
    l.memory = (unsigned char *)weights.memory + (ALIGNMENT - start % ALIGNMENT) % ALIGNMENT;
    l.used = 0;
    l.known = as_mem_new(file->tensor_count * sizeof *l.known);
    visit(&l, hparams, vocabulary);
    free(l.known);
    if (l.rc)
        as_weights_free(&weights);
    else
        *out = weights;
    return l.rc;
}

void as_weights_free(as_weights *weights) {
    free(weights->memory);
    *weights = (as_weights){0};
}
