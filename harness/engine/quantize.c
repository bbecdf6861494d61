// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/quantize.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "harness/base/thread.h"
#include "harness/engine/tensor_type.h"

enum {
    QUANTIZATION_VERSION = 2,
    ROWS_SIZE = 256 << 10, // bytes of floats that are converted before somebody else may go on
    PER_THREAD = 1 << 20,  // bytes of a file: a thread for less is not worth its while
};

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

// The values that are written anew, and those of parts, which the new file is not in.
static const char *const file_type_key = "general.file_type";
static const char *const version_key = "general.quantization_version";

static bool is_dropped(as_str key) {
    return as_str_is(key, file_type_key) || as_str_is(key, version_key) ||
           as_str_starts(key, AS_STR("split."));
}

// Where an entry of the header begins: with the length of its name.
static const char *begin_of(const as_gguf_value *value) {
    return value->key.ptr - 8;
}

static const char *end_of(const as_gguf_value *value) {
    static const uint8_t sizes[] = {
        [AS_GGUF_U8] = 1,  [AS_GGUF_I8] = 1,  [AS_GGUF_U16] = 2, [AS_GGUF_I16] = 2,
        [AS_GGUF_U32] = 4, [AS_GGUF_I32] = 4, [AS_GGUF_F32] = 4, [AS_GGUF_BOOL] = 1,
        [AS_GGUF_U64] = 8, [AS_GGUF_I64] = 8, [AS_GGUF_F64] = 8};
    if (value->item != AS_GGUF_STRING)
        return (const char *)value->bytes + value->count * sizes[value->item];
    as_gguf_strings strings = {value->bytes};
    for (size_t i = 0; i < value->count; i++) (void)as_gguf_strings_next(&strings);
    return (const char *)strings.at;
}

// The values as they stand in the file, but for those that are dropped; the new ones come last.
static void put_values(const as_gguf *file, const as_recipe *recipe, as_buf *out) {
    for (size_t i = 0; i < file->value_count; i++) {
        const as_gguf_value *value = &file->values[i];
        const char *begin = begin_of(value);
        if (!is_dropped(value->key)) as_buf_add(out, begin, (size_t)(end_of(value) - begin));
    }
    put_u32_value(out, file_type_key, as_recipe_file_type(recipe));
    put_u32_value(out, version_key, QUANTIZATION_VERSION);
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

// A tensor's rows on the way into the new file.
typedef struct conversion {
    const as_gguf_tensor *tensor;
    as_wtype to;
    size_t cols, rows, row_size, new_size; // bytes of a row, before and after
    unsigned char *out;                    // [rows][new_size]
    atomic_size_t next;                    // row that nobody has taken
    atomic_size_t bad;                     // the first row that the type cannot hold, or rows
} conversion;

static void convert_rows(conversion *c, size_t begin, size_t end, float *row) {
    for (size_t r = begin; r < end; r++) {
        as_tensor_decode(c->tensor->type, c->tensor->bytes + r * c->row_size, c->cols, row);
        if (as_wtype_encode(c->to, row, c->cols, c->out + r * c->new_size)) continue;
        size_t bad = atomic_load(&c->bad);
        while (r < bad && !atomic_compare_exchange_weak(&c->bad, &bad, r)) continue;
        return;
    }
}

// Every row is made from itself alone: who makes it does not show.
static void convert(void *conversion_in, size_t index, size_t members) {
    conversion *c = conversion_in;
    size_t step = ROWS_SIZE / (c->cols * sizeof(float)) + 1, row;
    (void)index;
    (void)members;
    float *floats = as_mem_new(as_size_mul(c->cols, sizeof *floats));
    while ((row = atomic_fetch_add(&c->next, step)) < c->rows)
        convert_rows(c, row, row + step < c->rows ? row + step : c->rows, floats);
    free(floats);
}

static as_rc put_tensor(const as_gguf *file, const as_gguf_tensor *tensor, uint32_t type,
                        as_team *team, as_buf *out, as_err *err) {
    if (type == tensor->type) {
        as_buf_add(out, tensor->bytes, tensor->size);
        return AS_OK;
    }
    conversion c = {.tensor = tensor, .cols = (size_t)tensor->dimensions[0]};
    if (!as_tensor_wtype(type, &c.to)) abort(); // size_of
    c.rows = (size_t)tensor->elements / c.cols;
    c.row_size = tensor->size / c.rows;
    c.new_size = as_wtype_size(c.to, c.cols);
    c.out = (unsigned char *)as_buf_room(out, as_size_mul(c.rows, c.new_size));
    atomic_init(&c.bad, c.rows);
    as_team_run(team, convert, &c);
    size_t bad = atomic_load(&c.bad);
    if (bad == c.rows) return AS_OK;
    return as_gguf_fail(file, err, "tensor '%.*s' has values in row %zu that %s cannot hold",
                        AS_STR_ARG(tensor->name), bad, as_gguf_tensor_type_name(type));
}

as_rc as_quantize_file(const as_gguf *file, const as_recipe *recipe, size_t threads, as_buf *out,
                       as_err *err) {
    as_team *team = NULL;
    uint64_t alignment = AS_GGUF_ALIGNMENT, offset = 0;
    as_rc rc = AS_OK;
    if (!file->tensor_count) rc = as_gguf_fail(file, err, "it has no tensors");
    if (!rc) rc = as_gguf_u64(file, "general.alignment", 1, AS_GGUF_ALIGNMENT_MAX, &alignment, err);
    if (rc) return rc;
    as_recipe_shape shape = as_recipe_shape_of(file);
    size_t start = out->len, values = 2;
    for (size_t i = 0; i < file->value_count; i++) values += !is_dropped(file->values[i].key);
    as_buf_text(out, "GGUF");
    put_int(out, file->version, 4);
    put_int(out, file->tensor_count, 8);
    put_int(out, values, 8);
    put_values(file, recipe, out);
    for (size_t i = 0; !rc && i < file->tensor_count; i++) {
        const as_gguf_tensor *tensor = &file->tensors[i];
        uint32_t number = as_recipe_type(recipe, &shape, tensor);
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
    size_t most = file->file_size / PER_THREAD + 1;
    if (!rc) rc = as_team_new(threads < most ? threads : most, &team, err);
    for (size_t i = 0; !rc && i < file->tensor_count; i++) {
        const as_gguf_tensor *tensor = &file->tensors[i];
        rc = put_tensor(file, tensor, as_recipe_type(recipe, &shape, tensor), team, out, err);
        put_padding(out, start, alignment);
    }
    as_team_free(team);
    return rc;
}
