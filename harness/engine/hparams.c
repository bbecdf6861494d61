// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/hparams.h"

#include <math.h>

// What is read, and where what goes wrong is kept: once something has, the rest does nothing.
typedef struct reader {
    const as_gguf *file;
    const as_arch *arch;
    as_rc rc;
    as_err *err;
    char key[AS_ARCH_KEY_MAX]; // of the last value looked for
} reader;

static const as_gguf_value *find(reader *r, const char *rest) {
    return as_gguf_find(r->file, as_arch_key(r->arch, rest, r->key));
}

// A key that is missing leaves *out as it is, unless that is 0: then it is required.
static void read_size(reader *r, const char *rest, size_t max, size_t *out) {
    if (r->rc) return;
    uint64_t value = *out;
    if (!find(r, rest) && !value)
        r->rc = as_gguf_missing(r->file, r->key, r->err);
    else
        r->rc = as_gguf_u64(r->file, r->key, 1, max, &value, r->err);
    if (!r->rc) *out = (size_t)value;
}

// Optional, and may be 0.
static void read_count(reader *r, const char *rest, size_t max, size_t *out) {
    if (r->rc) return;
    uint64_t value = *out;
    r->rc = as_gguf_u64(r->file, as_arch_key(r->arch, rest, r->key), 0, max, &value, r->err);
    if (!r->rc) *out = (size_t)value;
}

static void read_float(reader *r, const char *rest, double min, double max, float *out) {
    if (r->rc) return;
    double value = (double)*out;
    r->rc = as_gguf_f64(r->file, as_arch_key(r->arch, rest, r->key), min, max, &value, r->err);
    if (!r->rc) *out = (float)value;
}

static void read_heads(reader *r, as_hparams *h) {
    const char *name = r->arch->name;
    read_size(r, "attention.head_count", AS_HEADS_MAX, &h->heads);
    if (r->rc) return;
    h->kv_heads = h->heads;
    read_size(r, "attention.head_count_kv", AS_HEADS_MAX, &h->kv_heads);
    if (!r->rc && h->heads % h->kv_heads)
        r->rc = as_gguf_fail_at(r->file, r->err, r->key,
                                "%zu heads ('%s.attention.head_count') are no multiple of %zu "
                                "('%s.attention.head_count_kv')",
                                h->heads, name, h->kv_heads, name);
    h->head_width = h->width / h->heads;
    if (!r->rc && h->width % h->heads && !find(r, "attention.key_length"))
        r->rc = as_gguf_fail_at(r->file, r->err, as_arch_key(r->arch, "embedding_length", r->key),
                                "'%s.embedding_length' %zu is no multiple of %zu heads, "
                                "and '%s.attention.key_length' is missing",
                                name, h->width, h->heads, name);
    read_size(r, "attention.key_length", AS_HEAD_WIDTH_MAX, &h->head_width);
    if (!r->rc && h->head_width > AS_HEAD_WIDTH_MAX)
        r->rc = as_gguf_fail_at(r->file, r->err, as_arch_key(r->arch, "embedding_length", r->key),
                                "heads are %zu wide ('%s' over %zu heads), more than %d",
                                h->head_width, r->key, h->heads, AS_HEAD_WIDTH_MAX);
    size_t value_width = h->head_width;
    read_size(r, "attention.value_length", AS_HEAD_WIDTH_MAX, &value_width);
    if (!r->rc && value_width != h->head_width)
        r->rc = as_gguf_fail_at(r->file, r->err, r->key,
                                "'%s.attention.value_length' is %zu and keys have %zu: "
                                "only equal lengths are supported",
                                name, value_width, h->head_width);
    double scaled = h->layers == r->arch->wide_scale ? (double)h->width / (double)h->heads
                                                     : (double)h->head_width;
    h->attention_scale = (float)(1.0 / sqrt(scaled));
    read_float(r, "attention.scale", 0.0, 1e6, &h->attention_scale);
    // 0 is written for "not said".
    if (!(h->attention_scale > 0.0f)) h->attention_scale = (float)(1.0 / sqrt(scaled));
}

// Which layers see a window alone: those that the file lists, else all but the last of a period.
static void read_window(reader *r, as_hparams *h) {
    h->local_rope_base = r->arch->local_base > 0.0f ? (double)r->arch->local_base : h->rope.base;
    if (!r->rc)
        r->rc = as_gguf_f64(r->file, as_arch_key(r->arch, "rope.freq_base_swa", r->key), 1.0, 1e12,
                            &h->local_rope_base, r->err);
    h->window = r->arch->window;
    read_count(r, "attention.sliding_window", AS_CONTEXT_MAX, &h->window);
    if (r->rc || !h->window) return;
    uint64_t period = r->arch->local_period;
    const as_gguf_value *pattern = find(r, "attention.sliding_window_pattern");
    bool listed = pattern && pattern->type == AS_GGUF_ARRAY;
    if (listed && (pattern->item != AS_GGUF_BOOL || pattern->count != h->layers)) {
        r->rc = as_gguf_fail(r->file, r->err,
                             "'%s' is an array of %zu %s, not of a bool for each of %zu layers "
                             "(offset %zu)",
                             r->key, pattern->count, as_gguf_type_name(pattern->item), h->layers,
                             pattern->offset);
        return;
    }
    if (!listed) r->rc = as_gguf_u64(r->file, r->key, 0, AS_LAYERS_MAX, &period, r->err);
    for (size_t i = 0; i < h->layers; i++)
        h->local[i] = listed ? pattern->bytes[i] != 0 : !period || i % period < period - 1;
}

// What positions do beyond rotation, and where they do not rotate. After read_window.
static void read_positions(reader *r, as_hparams *h) {
    unsigned period = r->arch->still_period;
    for (size_t i = 0; i < h->layers; i++)
        h->still[i] = (period && i % period == period - 1) ||
                      (r->arch->still_globals && h->window && !h->local[i]);
    if (r->rc || !r->arch->log_temperature) return;
    read_float(r, "attention.temperature_scale", 0.0, 1e3, &h->temperature);
    if (r->rc || h->context_length / h->rope.original_context <= AS_TEMPERATURES_MAX) return;
    as_arch_key(r->arch, "context_length", r->key);
    r->rc = as_gguf_fail_at(r->file, r->err, r->key,
                            "'%s' is %zu, more than %d times the original context of %zu", r->key,
                            h->context_length, AS_TEMPERATURES_MAX, h->rope.original_context);
}

static void read_experts(reader *r, as_hparams *h) {
    as_experts has = r->arch->experts;
    read_count(r, "expert_count", AS_EXPERTS_MAX, &h->experts);
    if (!r->rc && h->experts && has == AS_EXPERTS_NONE)
        r->rc = as_gguf_fail_at(r->file, r->err, r->key,
                                "it is a mixture of %zu experts ('%s'), which '%s' has none of",
                                h->experts, r->key, r->arch->name);
    if (!r->rc && !h->experts && has == AS_EXPERTS_ALWAYS)
        r->rc = as_gguf_missing(r->file, r->key, r->err);
    if (r->rc || !h->experts) return;
    read_size(r, "expert_used_count", h->experts, &h->experts_used);
    size_t gating = 1;
    read_count(r, "expert_gating_func", 255, &gating);
    if (!r->rc && gating > 1)
        r->rc = as_gguf_fail(r->file, r->err,
                             "'%s' is %zu, which is not supported, only 1 (softmax) (offset %zu)",
                             r->key, gating, as_gguf_find(r->file, r->key)->offset);
    if (r->rc) return;
    h->expert_width = h->ffn_width;
    if (r->arch->experts_share) h->expert_width /= h->experts_used;
    read_size(r, "expert_feed_forward_length", AS_FFN_MAX, &h->expert_width);
    read_float(r, "expert_weights_scale", 0.0, 1e6, &h->expert_scale);
    if (!(h->expert_scale > 0.0f)) h->expert_scale = 1.0f; // 0 is written for "not said"
    if (!r->arch->shared_expert) return;
    h->shared_width = h->ffn_width;
    read_size(r, "expert_shared_feed_forward_length", AS_FFN_MAX, &h->shared_width);
}

static void read_scales(reader *r, as_hparams *h) {
    h->embedding_scale = r->arch->embedding_sqrt ? (float)sqrt((double)h->width) : 1.0f;
    h->residual_scale = h->logit_scale = 1.0f;
    if (r->arch->multipliers) {
        const as_arch *a = r->arch;
        float divisor = a->logit_width > 0.0f ? (float)h->width / a->logit_width : 1.0f;
        if (a->embedding_factor > 0.0f) h->embedding_scale = a->embedding_factor;
        if (a->residual_depth > 0.0f)
            h->residual_scale = a->residual_depth / sqrtf((float)h->layers);
        read_float(r, "embedding_scale", 1e-6, 1e6, &h->embedding_scale);
        read_float(r, "residual_scale", 1e-6, 1e6, &h->residual_scale);
        read_float(r, "logit_scale", 1e-6, 1e6, &divisor);
        h->logit_scale = 1.0f / divisor;
    }
    if (r->arch->logit_factor) read_float(r, "logit_scale", 0.0, 1e6, &h->logit_scale);
    if (!(h->logit_scale > 0.0f)) h->logit_scale = 1.0f; // 0 is written for "not said"
    if (!r->arch->caps) return;
    h->attention_cap = r->arch->attention_cap;
    h->logit_cap = r->arch->logit_cap;
    read_float(r, "attn_logit_softcapping", 0.0, 1e6, &h->attention_cap);
    read_float(r, "final_logit_softcapping", 0.0, 1e6, &h->logit_cap);
}

// Pooling, and whether rows see what comes after them.
static void read_direction(reader *r, as_hparams *h) {
    size_t pooling = AS_POOLING_NONE;
    read_count(r, "pooling_type", AS_POOLING_RANK, &pooling);
    h->pooling = (as_pooling)pooling;
    bool both = r->arch->encoder || r->arch->both_ways, causal = !both;
    const as_gguf_value *value = r->rc ? NULL : find(r, "attention.causal");
    if (value) r->rc = as_gguf_bool(r->file, r->key, &causal, r->err);
    if (!r->rc && causal == both)
        r->rc = as_gguf_fail(r->file, r->err,
                             "'%s' is %s, which is not supported for '%s' (offset %zu)", r->key,
                             causal ? "true" : "false", r->arch->name, value->offset);
    if (!r->rc && r->arch->encoder && h->kv_heads != h->heads)
        r->rc = as_gguf_fail_at(
            r->file, r->err, as_arch_key(r->arch, "attention.head_count_kv", r->key),
            "'%s.attention.head_count_kv' is %zu and there are %zu heads: in an "
            "encoder only equal counts are supported",
            r->arch->name, h->kv_heads, h->heads);
    if (!r->rc && r->arch->encoder && h->window)
        r->rc = as_gguf_fail_at(
            r->file, r->err, as_arch_key(r->arch, "attention.sliding_window", r->key),
            "'%s.attention.sliding_window' is %zu: windows are not supported in "
            "an encoder",
            r->arch->name, h->window);
}

as_rc as_hparams_read(as_hparams *out, const as_gguf *file, as_err *err) {
    as_hparams h = {0};
    reader r = {.file = file, .err = err};
    r.rc = as_arch_read(&r.arch, file, err);
    if (r.rc) return r.rc;
    h.arch = r.arch;
    read_size(&r, "block_count", AS_LAYERS_MAX, &h.layers);
    read_size(&r, "embedding_length", AS_WIDTH_MAX, &h.width);
    read_size(&r, "context_length", AS_CONTEXT_MAX, &h.context_length);
    if (r.arch->experts == AS_EXPERTS_ALWAYS)
        read_count(&r, "feed_forward_length", AS_FFN_MAX, &h.ffn_width);
    else
        read_size(&r, "feed_forward_length", AS_FFN_MAX, &h.ffn_width);
    read_heads(&r, &h);
    if (!r.rc && !r.arch->places)
        r.rc = as_rope_read(&h.rope, r.arch, file, h.head_width, h.context_length, err);
    read_window(&r, &h);
    read_positions(&r, &h);
    read_experts(&r, &h);
    read_scales(&r, &h);
    read_direction(&r, &h);
    const char *epsilon = r.arch->encoder || r.arch->layer_norms
                              ? "attention.layer_norm_epsilon"
                              : "attention.layer_norm_rms_epsilon";
    if (!r.rc && !find(&r, epsilon)) r.rc = as_gguf_missing(file, r.key, err);
    read_float(&r, epsilon, 1e-20, 1.0, &h.norm_epsilon);
    if (r.rc) return r.rc;
    *out = h;
    return AS_OK;
}
