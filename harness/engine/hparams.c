// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/hparams.h"

#include <math.h>

static as_rc refuse_text(const as_gguf *file, const char *key, as_str text, const char *supported,
                         as_err *err) {
    return as_gguf_fail(file, err, "'%s' is '%.*s', which is not supported, only %s (offset %zu)",
                        key, text.len < 64 ? (int)text.len : 64, text.ptr, supported,
                        as_gguf_find(file, key)->offset);
}

// Which model this is, and that it is one, whole.
static as_rc check_identity(const as_gguf *file, as_err *err) {
    static const char key[] = "general.architecture";
    as_str architecture = {NULL, 0};
    as_rc rc = as_gguf_text(file, key, &architecture, err);
    if (rc) return rc;
    if (!architecture.ptr) return as_gguf_missing(file, key, err);
    if (!as_str_is(architecture, "llama"))
        return refuse_text(file, key, architecture, "'llama'", err);
    uint64_t parts = 1, experts = 0;
    rc = as_gguf_u64(file, "split.count", 0, UINT16_MAX, &parts, err);
    if (!rc && parts > 1)
        rc = as_gguf_fail(file, err,
                          "it is one of %llu parts of a model ('split.count'): join "
                          "them into one file first",
                          (unsigned long long)parts);
    if (!rc) rc = as_gguf_u64(file, "llama.expert_count", 0, UINT16_MAX, &experts, err);
    if (!rc && experts)
        rc = as_gguf_fail(file, err,
                          "it is a mixture of %llu experts ('llama.expert_count'), which is not "
                          "supported",
                          (unsigned long long)experts);
    return rc;
}

static as_rc read_size(const as_gguf *file, const char *key, size_t max, size_t *out, as_err *err) {
    uint64_t value = *out;
    if (!value && !as_gguf_find(file, key)) return as_gguf_missing(file, key, err);
    as_rc rc = as_gguf_u64(file, key, 1, max, &value, err);
    if (!rc) *out = (size_t)value;
    return rc;
}

static as_rc read_heads(as_hparams *h, const as_gguf *file, as_err *err) {
    as_rc rc = read_size(file, "llama.attention.head_count", AS_HEADS_MAX, &h->heads, err);
    if (rc) return rc;
    h->kv_heads = h->heads;
    rc = read_size(file, "llama.attention.head_count_kv", AS_HEADS_MAX, &h->kv_heads, err);
    if (!rc && h->heads % h->kv_heads)
        rc = as_gguf_fail(file, err,
                          "%zu heads ('llama.attention.head_count') are no multiple of "
                          "%zu ('llama.attention.head_count_kv')",
                          h->heads, h->kv_heads);
    h->head_width = h->width / h->heads;
    if (!rc && h->width % h->heads && !as_gguf_find(file, "llama.attention.key_length"))
        rc = as_gguf_fail(file, err,
                          "'llama.embedding_length' %zu is no multiple of %zu heads, "
                          "and 'llama.attention.key_length' is missing",
                          h->width, h->heads);
    if (!rc)
        rc = read_size(file, "llama.attention.key_length", AS_HEAD_WIDTH_MAX, &h->head_width, err);
    if (!rc && h->head_width > AS_HEAD_WIDTH_MAX)
        rc = as_gguf_fail(file, err, "heads are %zu wide, more than %d", h->head_width,
                          AS_HEAD_WIDTH_MAX);
    size_t value_width = h->head_width;
    if (!rc)
        rc = read_size(file, "llama.attention.value_length", AS_HEAD_WIDTH_MAX, &value_width, err);
    if (!rc && value_width != h->head_width)
        rc = as_gguf_fail(file, err,
                          "'llama.attention.value_length' is %zu and keys have %zu: "
                          "only equal lengths are supported",
                          value_width, h->head_width);
    return rc;
}

static as_rc read_rope(as_hparams *h, const as_gguf *file, as_err *err) {
    h->rope_width = h->head_width;
    as_rc rc = read_size(file, "llama.rope.dimension_count", h->head_width, &h->rope_width, err);
    if (!rc && h->rope_width % 2)
        rc = as_gguf_fail(file, err, "'llama.rope.dimension_count' is %zu, which is odd",
                          h->rope_width);
    h->rope_base = 10000.0;
    if (!rc) rc = as_gguf_f64(file, "llama.rope.freq_base", 1.0, 1e12, &h->rope_base, err);
    static const char type_key[] = "llama.rope.scaling.type";
    as_str type = AS_STR("linear");
    if (!rc) rc = as_gguf_text(file, type_key, &type, err);
    if (rc) return rc;
    h->rope_divisor = 1.0;
    if (as_str_is(type, "none")) return AS_OK;
    if (!as_str_is(type, "linear"))
        return refuse_text(file, type_key, type, "'none' and 'linear'", err);
    double factor = 0.0;
    rc = as_gguf_f64(file, "llama.rope.scale_linear", 0.0, AS_ROPE_DIVISOR_MAX, &factor, err);
    if (!rc)
        rc = as_gguf_f64(file, "llama.rope.scaling.factor", 0.0, AS_ROPE_DIVISOR_MAX, &factor, err);
    if (!rc && factor != 0.0 && factor < AS_ROPE_DIVISOR_MIN)
        rc = as_gguf_fail(file, err, "the rope scaling factor %g is below %g", factor,
                          AS_ROPE_DIVISOR_MIN);
    if (factor != 0.0) h->rope_divisor = factor; // 0 is written for "no scaling"
    return rc;
}

as_rc as_hparams_read(as_hparams *out, const as_gguf *file, as_err *err) {
    as_hparams h = {0};
    as_rc rc = check_identity(file, err);
    if (!rc) rc = read_size(file, "llama.block_count", AS_LAYERS_MAX, &h.layers, err);
    if (!rc) rc = read_size(file, "llama.embedding_length", AS_WIDTH_MAX, &h.width, err);
    if (!rc) rc = read_size(file, "llama.feed_forward_length", AS_FFN_MAX, &h.ffn_width, err);
    if (!rc) rc = read_size(file, "llama.context_length", AS_CONTEXT_MAX, &h.context_length, err);
    if (!rc) rc = read_heads(&h, file, err);
    if (!rc) rc = read_rope(&h, file, err);
    static const char epsilon_key[] = "llama.attention.layer_norm_rms_epsilon";
    double epsilon = 0.0, scale = 1.0 / sqrt((double)h.head_width);
    if (!rc && !as_gguf_find(file, epsilon_key)) rc = as_gguf_missing(file, epsilon_key, err);
    if (!rc) rc = as_gguf_f64(file, epsilon_key, 1e-20, 1.0, &epsilon, err);
    if (!rc) rc = as_gguf_f64(file, "llama.attention.scale", 1e-6, 1e6, &scale, err);
    if (rc) return rc;
    h.norm_epsilon = (float)epsilon;
    h.attention_scale = (float)scale;
    *out = h;
    return AS_OK;
}
