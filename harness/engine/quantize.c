// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/quantize.h"

#include <stdlib.h>
#include <string.h>

#include "harness/engine/tensor_type.h"

// What general.file_type says about a file of mostly this type.
static const struct choice {
    const char *name;
    as_wtype type;
    uint32_t file_type;
} choices[] = {
    {"f32", AS_W_F32, 0},    {"f16", AS_W_F16, 1},    {"bf16", AS_W_BF16, 32},
    {"q8_0", AS_W_Q8_0, 7},  {"q4_0", AS_W_Q4_0, 2},  {"q4_1", AS_W_Q4_1, 3},
    {"q5_0", AS_W_Q5_0, 8},  {"q5_1", AS_W_Q5_1, 9},  {"q4_k", AS_W_Q4_K, 14},
    {"q5_k", AS_W_Q5_K, 16}, {"q6_k", AS_W_Q6_K, 18},
};
enum { CHOICES = sizeof choices / sizeof *choices, QUANTIZATION_VERSION = 2 };

as_rc as_quantize_type(as_str name, as_wtype *out, as_err *err) {
    const char *names[CHOICES + 1] = {0};
    char lower[16] = {0};
    for (size_t i = 0; i < name.len && i + 1 < sizeof lower; i++)
        lower[i] =
            name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? (char)(name.ptr[i] + 32) : name.ptr[i];
    for (size_t i = 0; i < CHOICES; i++) {
        names[i] = choices[i].name;
        if (name.len >= sizeof lower || strcmp(lower, choices[i].name) != 0) continue;
        *out = choices[i].type;
        return AS_OK;
    }
    const char *near = as_str_nearest(as_str_of(lower), names);
    return as_fail(err, AS_INVALID,
                   "weights cannot be brought to '%.*s'%s%s%s; there are f32, f16, bf16, q8_0, "
                   "q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k",
                   AS_STR_ARG(name), near ? " (did you mean '" : "", near ? near : "",
                   near ? "'?)" : "");
}

// --- which type a tensor gets --------------------------------------------------------------

static bool is_weight(const as_gguf_tensor *tensor) {
    static const char *const kept[] = {"_norm.weight", "ffn_gate_inp.weight",
                                       "position_embd.weight", "token_types.weight"};
    if (tensor->dimensions[1] < 2 || !as_str_ends(tensor->name, AS_STR(".weight"))) return false;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (as_str_ends(tensor->name, as_str_of(kept[i]))) return false;
    return true;
}

static bool is_output(const as_gguf *file, const as_gguf_tensor *tensor) {
    if (as_str_is(tensor->name, "output.weight")) return true;
    return as_str_is(tensor->name, "token_embd.weight") &&
           !as_gguf_tensor_find(file, "output.weight");
}

static as_wtype fitting(as_wtype type, uint64_t cols) {
    static const as_wtype fallbacks[AS_WTYPES] = {
        [AS_W_Q4_K] = AS_W_Q5_0, [AS_W_Q5_K] = AS_W_Q5_1, [AS_W_Q6_K] = AS_W_Q8_0};
    if (cols % as_wtype_block(type) && as_wtype_block(type) > AS_QBLOCK) type = fallbacks[type];
    return cols % as_wtype_block(type) ? AS_W_F16 : type;
}

// The tensor's type in the new file, numbered as there.
static uint32_t new_type(const as_gguf *file, const as_gguf_tensor *tensor, as_wtype type) {
    if (!is_weight(tensor)) return tensor->type;
    if (is_output(file, tensor) && as_wtype_quantized(type) && type != AS_W_Q8_0) type = AS_W_Q6_K;
    return as_tensor_type_of(fitting(type, tensor->dimensions[0]));
}

// --- writing -------------------------------------------------------------------------------

static void put_int(as_buf *out, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) as_buf_char(out, (char)(value >> 8 * i & 0xff));
}

static void put_name(as_buf *out, as_str name) {
    put_int(out, name.len, 8);
    as_buf_str(out, name);
}

static void put_u32_value(as_buf *out, const char *key, uint32_t value) {
    put_name(out, as_str_of(key));
    put_int(out, AS_GGUF_U32, 4);
    put_int(out, value, 4);
}

// The values that are not kept, and what becomes of them.
typedef struct replaced {
    const char *key;
    uint32_t value;
} replaced;
enum { REPLACED = 2 };

static void replaced_for(as_wtype type, replaced out[REPLACED]) {
    out[0] = (replaced){"general.quantization_version", QUANTIZATION_VERSION};
    out[1] = (replaced){"general.file_type", 0};
    for (size_t i = 0; i < CHOICES; i++)
        if (choices[i].type == type) out[1].value = choices[i].file_type;
}

// Where an entry of the header begins: with the length of its name.
static const char *begin_of(as_str name) {
    return name.ptr - 8;
}

// The values as they stand in the file, but for those that are replaced; what was not there comes
// last. Entries follow each other without gaps, so each ends where the next begins.
static void put_values(const as_gguf *file, const replaced news[REPLACED], as_buf *out) {
    bool done[REPLACED] = {false};
    for (size_t i = 0; i < file->value_count; i++) {
        as_str key = file->values[i].key;
        const char *end = i + 1 < file->value_count ? begin_of(file->values[i + 1].key)
                                                    : begin_of(file->tensors[0].name);
        size_t at = 0;
        while (at < REPLACED && !as_str_is(key, news[at].key)) at++;
        if (at == REPLACED) {
            as_buf_add(out, begin_of(key), (size_t)(end - begin_of(key)));
        } else {
            put_u32_value(out, news[at].key, news[at].value);
            done[at] = true;
        }
    }
    for (size_t i = 0; i < REPLACED; i++)
        if (!done[i]) put_u32_value(out, news[i].key, news[i].value);
}

static void put_padding(as_buf *out, size_t start, uint64_t alignment) {
    while ((out->len - start) % alignment) as_buf_char(out, 0);
}

static as_rc size_of(const as_gguf *file, const as_gguf_tensor *tensor, uint32_t type, size_t *out,
                     as_err *err) {
    *out = tensor->size;
    if (type == tensor->type) return AS_OK;
    as_wtype from, to;
    if (!as_tensor_wtype(tensor->type, &from) || !as_tensor_wtype(type, &to))
        return as_gguf_fail(file, err,
                            "tensor '%.*s' is %s, which cannot be read, only %s (offset %zu)",
                            AS_STR_ARG(tensor->name), as_gguf_tensor_type_name(tensor->type),
                            as_tensor_wtype_names(), tensor->offset);
    *out = as_size_mul(as_wtype_size(to, (size_t)tensor->dimensions[0]),
                       (size_t)(tensor->elements / tensor->dimensions[0]));
    return AS_OK;
}

static as_rc put_tensor(const as_gguf *file, const as_gguf_tensor *tensor, uint32_t type,
                        as_buf *out, as_err *err) {
    if (type == tensor->type) {
        as_buf_add(out, tensor->bytes, tensor->size);
        return AS_OK;
    }
    as_wtype from, to;
    if (!as_tensor_wtype(tensor->type, &from) || !as_tensor_wtype(type, &to)) abort(); // size_of
    size_t cols = (size_t)tensor->dimensions[0], rows = (size_t)tensor->elements / cols;
    size_t row_size = as_wtype_size(from, cols), new_size = as_wtype_size(to, cols);
    float *row = as_mem_new(as_size_mul(cols, sizeof *row));
    unsigned char *coded = as_mem_new(new_size);
    as_rc rc = AS_OK;
    for (size_t r = 0; !rc && r < rows; r++) {
        as_wtype_decode(from, tensor->bytes + r * row_size, cols, row);
        if (!as_wtype_encode(to, row, cols, coded))
            rc = as_gguf_fail(file, err, "tensor '%.*s' has values in row %zu that %s cannot hold",
                              AS_STR_ARG(tensor->name), r, as_gguf_tensor_type_name(type));
        as_buf_add(out, coded, new_size);
    }
    free(row);
    free(coded);
    return rc;
}

static as_rc refuse(const as_gguf *file, as_err *err) {
    uint64_t parts = 1;
    as_rc rc = as_gguf_u64(file, "split.count", 0, UINT16_MAX, &parts, err);
    if (rc) return rc;
    if (parts > 1)
        return as_gguf_fail(file, err, "it is one of %llu parts of a model ('split.count')",
                            (unsigned long long)parts);
    if (!file->tensor_count) return as_gguf_fail(file, err, "it has no tensors");
    return AS_OK;
}

as_rc as_quantize_file(const as_gguf *file, as_wtype type, as_buf *out, as_err *err) {
    uint64_t alignment = AS_GGUF_ALIGNMENT, offset = 0;
    as_rc rc = refuse(file, err);
    if (!rc) rc = as_gguf_u64(file, "general.alignment", 1, AS_GGUF_ALIGNMENT_MAX, &alignment, err);
    if (rc) return rc;
    size_t start = out->len, values = file->value_count;
    replaced news[REPLACED];
    replaced_for(type, news);
    for (size_t i = 0; i < REPLACED; i++) values += !as_gguf_find(file, news[i].key);
    as_buf_text(out, "GGUF");
    put_int(out, file->version, 4);
    put_int(out, file->tensor_count, 8);
    put_int(out, values, 8);
    put_values(file, news, out);
    for (size_t i = 0; !rc && i < file->tensor_count; i++) {
        const as_gguf_tensor *tensor = &file->tensors[i];
        uint32_t number = new_type(file, tensor, type);
        size_t size = 0;
        rc = size_of(file, tensor, number, &size, err);
        put_name(out, tensor->name);
        put_int(out, tensor->dimension_count, 4);
        for (size_t d = 0; d < tensor->dimension_count; d++) put_int(out, tensor->dimensions[d], 8);
        put_int(out, number, 4);
        put_int(out, offset, 8);
        offset += (size + alignment - 1) / alignment * alignment;
    }
    put_padding(out, start, alignment);
    for (size_t i = 0; !rc && i < file->tensor_count; i++) {
        const as_gguf_tensor *tensor = &file->tensors[i];
        rc = put_tensor(file, tensor, new_type(file, tensor, type), out, err);
        put_padding(out, start, alignment);
    }
    return rc;
}
