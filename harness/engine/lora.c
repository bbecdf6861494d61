// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/lora.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

enum { BF16 = 30 };

static as_rc check_text(const as_gguf *file, const char *key, const char *wanted, as_err *err) {
    as_str text = {NULL, 0};
    as_rc rc = as_gguf_text(file, key, &text, err);
    if (!rc && !text.ptr) rc = as_gguf_missing(file, key, err);
    if (!rc && !as_str_is(text, wanted))
        rc = as_gguf_fail(file, err, "'%s' is '%.*s', not '%s' (offset %zu)", key,
                          text.len < 64 ? (int)text.len : 64, text.ptr, wanted,
                          as_gguf_find(file, key)->offset);
    return rc;
}

as_rc as_lora_read(as_lora *out, const as_arch *arch, const as_gguf *file, as_err *err) {
    as_lora lora = {.file = file};
    as_rc rc = check_text(file, "general.type", "adapter", err);
    if (!rc) rc = check_text(file, "adapter.type", "lora", err);
    if (!rc) rc = check_text(file, "general.architecture", arch->name, err);
    if (!rc) rc = as_gguf_f64(file, "adapter.lora.alpha", 0.0, 1e6, &lora.alpha, err);
    static const char invocation[] = "adapter.alora.invocation_tokens";
    if (!rc && as_gguf_find(file, invocation))
        rc = as_gguf_fail(file, err,
                          "'%s' says that it is active only after some tokens (aLoRA), which is "
                          "not supported (offset %zu)",
                          invocation, as_gguf_find(file, invocation)->offset);
    if (rc) return rc;
    lora.known = as_mem_new(as_size_mul(file->tensor_count, sizeof *lora.known));
    *out = lora;
    return AS_OK;
}

void as_lora_free(as_lora *lora) {
    free(lora->known);
    *lora = (as_lora){0};
}

// Half of a pair: [rows][cols], either of which may be open (0).
static as_rc find_half(const as_lora *lora, const char *name, const char *half, size_t rows,
                       size_t cols, const as_gguf_tensor **out, as_err *err) {
    char full[AS_GGUF_NAME_MAX + 8];
    snprintf(full, sizeof full, "%s.%s", name, half);
    const as_gguf_tensor *t = as_gguf_tensor_find(lora->file, full);
    if (!t) return AS_OK;
    lora->known[t - lora->file->tensors] = true;
    const uint64_t *n = t->dimensions;
    if ((cols && n[0] != cols) || (rows && n[1] != rows) || n[2] != 1 || n[3] != 1) {
        char want[2][24] = {"rank", "rank"};
        if (cols) snprintf(want[0], sizeof want[0], "%zu", cols);
        if (rows) snprintf(want[1], sizeof want[1], "%zu", rows);
        return as_gguf_fail(lora->file, err,
                            "tensor '%s' is %llu x %llu, not %s x %s: it is for another model "
                            "(offset %zu)",
                            full, (unsigned long long)n[0], (unsigned long long)n[1], want[0],
                            want[1], t->offset);
    }
    if (t->type != AS_GGUF_TENSOR_F32 && t->type != AS_GGUF_TENSOR_F16 && t->type != BF16)
        return as_gguf_fail(lora->file, err,
                            "tensor '%s' is %s, which is not supported in adapters, only F32, F16 "
                            "and BF16 (offset %zu)",
                            full, as_gguf_tensor_type_name(t->type), t->offset);
    *out = t;
    return AS_OK;
}

as_rc as_lora_find(const as_lora *lora, const char *name, size_t rows, size_t cols,
                   as_lora_pair *out, as_err *err) {
    as_lora_pair pair = {0};
    as_rc rc = find_half(lora, name, "lora_a", 0, cols, &pair.a, err);
    if (!rc) rc = find_half(lora, name, "lora_b", rows, 0, &pair.b, err);
    if (rc) return rc;
    if (!pair.a != !pair.b)
        return as_gguf_fail(
            lora->file, err,
            "tensor '%s.lora_%s' is missing, and '%s.lora_%s' is there (offset %zu)", name,
            pair.a ? "b" : "a", name, pair.a ? "a" : "b", (pair.a ? pair.a : pair.b)->offset);
    if (pair.a) {
        uint64_t rank = pair.a->dimensions[1];
        if (rank != pair.b->dimensions[0] || rank > AS_LORA_RANK_MAX)
            return as_gguf_fail(
                lora->file, err,
                "tensors '%s.lora_a' and 'lora_b' have ranks %llu and %llu, not one "
                "of at most %d (offset %zu)",
                name, (unsigned long long)rank, (unsigned long long)pair.b->dimensions[0],
                AS_LORA_RANK_MAX, pair.b->offset);
        pair.rank = (size_t)rank;
        pair.scale = lora->alpha > 0.0 ? (float)(lora->alpha / (double)rank) : 1.0f;
    }
    *out = pair;
    return AS_OK;
}

as_rc as_lora_finish(const as_lora *lora, as_err *err) {
    for (size_t i = 0; i < lora->file->tensor_count; i++) {
        const as_gguf_tensor *t = &lora->file->tensors[i];
        if (!lora->known[i])
            return as_gguf_fail(
                lora->file, err,
                "tensor '%.*s' is for nothing that can be adapted in this model: it "
                "would be ignored (offset %zu)",
                AS_STR_ARG(t->name), t->offset);
    }
    return AS_OK;
}

void as_lora_values(const as_gguf_tensor *tensor, size_t first, size_t n, float *out) {
    if (tensor->type == AS_GGUF_TENSOR_F32) {
        memcpy(out, tensor->bytes + first * sizeof *out, n * sizeof *out);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, tensor->bytes + (first + i) * sizeof half, sizeof half);
        uint32_t wide = (uint32_t)half << 16;
        if (tensor->type == BF16)
            memcpy(&out[i], &wide, sizeof wide);
        else
            out[i] = as_half_to_float(half);
    }
}
