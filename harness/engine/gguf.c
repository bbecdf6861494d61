// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/utf8.h"

enum { QUOTE_MAX = 100 }; // bytes of a name shown in a message

#define QUOTE(s) (int)((s).len < QUOTE_MAX ? (s).len : QUOTE_MAX), (s).ptr

typedef struct reader {
    as_gguf *file;
    const unsigned char *bytes;
    size_t size, at;
    uint64_t alignment;
    char where[QUOTE_MAX + 40]; // what is being read, for messages
    as_err *err;
} reader;

typedef struct tensor_type {
    const char *name; // NULL: not a type
    uint16_t block;   // elements that are stored together
    uint16_t size;    // bytes of a block
} tensor_type;

static const tensor_type tensor_types[] = {
    [0] = {"F32", 1, 4},         [1] = {"F16", 1, 2},         [2] = {"Q4_0", 32, 18},
    [3] = {"Q4_1", 32, 20},      [6] = {"Q5_0", 32, 22},      [7] = {"Q5_1", 32, 24},
    [8] = {"Q8_0", 32, 34},      [9] = {"Q8_1", 32, 36},      [10] = {"Q2_K", 256, 84},
    [11] = {"Q3_K", 256, 110},   [12] = {"Q4_K", 256, 144},   [13] = {"Q5_K", 256, 176},
    [14] = {"Q6_K", 256, 210},   [15] = {"Q8_K", 256, 292},   [16] = {"IQ2_XXS", 256, 66},
    [17] = {"IQ2_XS", 256, 74},  [18] = {"IQ3_XXS", 256, 98}, [19] = {"IQ1_S", 256, 50},
    [20] = {"IQ4_NL", 32, 18},   [21] = {"IQ3_S", 256, 110},  [22] = {"IQ2_S", 256, 82},
    [23] = {"IQ4_XS", 256, 136}, [24] = {"I8", 1, 1},         [25] = {"I16", 1, 2},
    [26] = {"I32", 1, 4},        [27] = {"I64", 1, 8},        [28] = {"F64", 1, 8},
    [29] = {"IQ1_M", 256, 56},   [30] = {"BF16", 1, 2},       [34] = {"TQ1_0", 256, 54},
    [35] = {"TQ2_0", 256, 66},   [39] = {"MXFP4", 32, 17},    [40] = {"NVFP4", 64, 36},
};

static const tensor_type *tensor_type_of(uint32_t type) {
    if (type >= sizeof tensor_types / sizeof *tensor_types) return NULL;
    return tensor_types[type].name ? &tensor_types[type] : NULL;
}

const char *as_gguf_tensor_type_name(uint32_t type) {
    const tensor_type *known = tensor_type_of(type);
    return known ? known->name : "unknown";
}

// Bytes of one item of a value's type; 0 for those of no fixed size and for unknown types.
static size_t item_size(uint32_t type) {
    static const unsigned char sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return type < sizeof sizes ? sizes[type] : 0;
}

static uint64_t little_endian(const unsigned char *bytes, size_t size) {
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | bytes[i];
    return value;
}

// The next `size` bytes.
static as_rc take(reader *r, uint64_t size, const unsigned char **out) {
    if (size > r->size - r->at) {
        as_gguf_fail(r->file, r->err, "%s ends past the file (offset %zu + %llu > %zu)", r->where,
                     r->at, (unsigned long long)size, r->size);
        return AS_INVALID; // said here so that the compiler sees that *out is set on success
    }
    *out = r->bytes + r->at;
    r->at += (size_t)size;
    return AS_OK;
}

static as_rc take_u32(reader *r, uint32_t *out) {
    const unsigned char *bytes;
    as_rc rc = take(r, 4, &bytes);
    if (!rc) *out = (uint32_t)little_endian(bytes, 4);
    return rc;
}

static as_rc take_u64(reader *r, uint64_t *out) {
    const unsigned char *bytes;
    as_rc rc = take(r, 8, &bytes);
    if (!rc) *out = little_endian(bytes, 8);
    return rc;
}

static as_rc take_string(reader *r, size_t max, as_str *out) {
    size_t offset = r->at;
    uint64_t len;
    const unsigned char *bytes;
    as_rc rc = take_u64(r, &len);
    if (rc) return rc;
    if (len > max && len <= r->size - r->at)
        return as_gguf_fail(r->file, r->err, "%s has %llu bytes, more than %zu (offset %zu)",
                            r->where, (unsigned long long)len, max, offset);
    rc = take(r, len, &bytes);
    if (!rc) *out = (as_str){(const char *)bytes, (size_t)len};
    return rc;
}

// A key or a tensor's name. It goes into messages and indexes, so it has to be plain text.
static as_rc take_name(reader *r, size_t max, as_str *out) {
    size_t offset = r->at;
    as_rc rc = take_string(r, max, out);
    if (rc) return rc;
    bool plain = out->len > 0 && as_utf8_invalid_at(*out) == SIZE_MAX;
    for (size_t i = 0; plain && i < out->len; i++)
        plain = (unsigned char)out->ptr[i] >= ' ' && out->ptr[i] != 0x7f;
    if (plain) return AS_OK;
    return as_gguf_fail(r->file, r->err, "%s has a name that is %s (offset %zu)", r->where,
                        out->len ? "not plain text" : "empty", offset);
}

static as_rc check_bools(reader *r, const as_gguf_value *value) {
    for (size_t i = 0; i < value->count; i++)
        if (value->bytes[i] > 1)
            return as_gguf_fail(r->file, r->err, "%s is %u, not a bool (offset %zu)", r->where,
                                value->bytes[i], value->offset + i);
    return AS_OK;
}

// The items of a value, whose type and count are known.
static as_rc take_items(reader *r, as_gguf_value *value, uint64_t count) {
    size_t size = item_size(value->item);
    size_t least = size ? size : 8; // a string has at least its length
    if (count > (r->size - r->at) / least)
        return as_gguf_fail(r->file, r->err,
                            "%s ends past the file (offset %zu + %llu items of %zu bytes > %zu)",
                            r->where, r->at, (unsigned long long)count, least, r->size);
    value->count = (size_t)count;
    value->offset = r->at;
    value->bytes = r->bytes + r->at;
    if (size) {
        r->at += value->count * size;
        return value->item == AS_GGUF_BOOL ? check_bools(r, value) : AS_OK;
    }
    as_rc rc = AS_OK;
    for (size_t i = 0; !rc && i < value->count; i++) {
        as_str ignored;
        rc = take_string(r, AS_GGUF_STRING_MAX, &ignored);
    }
    return rc;
}

static as_rc take_type(reader *r, const char *what, as_gguf_type *out) {
    size_t offset = r->at;
    uint32_t type;
    as_rc rc = take_u32(r, &type);
    if (rc) return rc;
    if (type > AS_GGUF_F64)
        return as_gguf_fail(r->file, r->err, "%s has unknown %s %u (offset %zu)", r->where, what,
                            type, offset);
    *out = (as_gguf_type)type;
    return AS_OK;
}

static as_rc take_value(reader *r, as_gguf_value *value) {
    size_t offset = r->at;
    as_rc rc = take_name(r, AS_GGUF_KEY_MAX, &value->key);
    if (rc) return rc;
    snprintf(r->where, sizeof r->where, "'%.*s'", QUOTE(value->key));
    if (!as_map_add(&r->file->value_index, value->key, r->file->value_count, NULL))
        return as_gguf_fail(r->file, r->err, "%s stands there twice (offset %zu)", r->where,
                            offset);
    rc = take_type(r, "type", &value->type);
    if (rc) return rc;
    value->item = value->type;
    uint64_t count = 1;
    if (value->type == AS_GGUF_ARRAY) {
        rc = take_type(r, "item type", &value->item);
        if (!rc && value->item == AS_GGUF_ARRAY)
            rc = as_gguf_fail(r->file, r->err, "%s is an array of arrays (offset %zu)", r->where,
                              r->at - 4);
        if (!rc) rc = take_u64(r, &count);
    }
    if (!rc) rc = take_items(r, value, count);
    return rc;
}

// What is known of a type that is not read: whose it is, and what to do.
static const char *about_type(uint32_t type) {
    bool dropped = type == 4 || type == 5 || (type >= 31 && type <= 33) ||
                   (type >= 36 && type <= 38); // Q4_2, Q4_3, and Q4_0 and IQ4_NL of 4 rows
    if (dropped) return ", which GGUF no longer has: convert the model anew";
    if (type == 41 || type == 42) return ", Q1_0 or Q2_0: its values would have to be decoded";
    if (type >= 97 && type < 400)
        return ", one of ik_llama.cpp's own: quantize the model to a type that all programs read";
    return "";
}

// Size in bytes from dimensions and type.
static as_rc measure(reader *r, as_gguf_tensor *tensor, size_t offset) {
    uint64_t elements = 1;
    for (size_t i = 0; i < tensor->dimension_count; i++) {
        uint64_t n = tensor->dimensions[i];
        if (!n || elements > (uint64_t)INT64_MAX / n)
            return as_gguf_fail(r->file, r->err, "%s has an impossible dimension %llu (offset %zu)",
                                r->where, (unsigned long long)n, offset);
        elements *= n;
    }
    const tensor_type *type = tensor_type_of(tensor->type);
    if (!type)
        return as_gguf_fail(r->file, r->err, "%s has unknown type %u%s (offset %zu)", r->where,
                            tensor->type, about_type(tensor->type), offset);
    if (tensor->dimensions[0] % type->block)
        return as_gguf_fail(
            r->file, r->err, "%s has rows of %llu elements, no multiple of %s's %u (offset %zu)",
            r->where, (unsigned long long)tensor->dimensions[0], type->name, type->block, offset);
    uint64_t blocks = elements / type->block;
    if (blocks > (uint64_t)INT64_MAX / type->size || blocks * type->size > r->size)
        return as_gguf_fail(r->file, r->err, "%s is larger than the file (offset %zu)", r->where,
                            offset);
    tensor->elements = elements;
    tensor->size = (size_t)(blocks * type->size);
    return AS_OK;
}

// One tensor's description; `offset` is relative to the data section until place_tensors.
static as_rc take_tensor(reader *r, as_gguf_tensor *tensor) {
    size_t start = r->at, number = r->file->tensor_count;
    as_rc rc = take_name(r, AS_GGUF_NAME_MAX, &tensor->name);
    if (rc) return rc;
    snprintf(r->where, sizeof r->where, "tensor %zu '%.*s'", number, QUOTE(tensor->name));
    if (!as_map_add(&r->file->tensor_index, tensor->name, number, NULL))
        return as_gguf_fail(r->file, r->err, "%s stands there twice (offset %zu)", r->where, start);
    uint32_t dimension_count;
    rc = take_u32(r, &dimension_count);
    if (rc) return rc;
    if (dimension_count < 1 || dimension_count > AS_GGUF_DIMENSIONS_MAX)
        return as_gguf_fail(r->file, r->err, "%s has %u dimensions, not 1 to %d (offset %zu)",
                            r->where, dimension_count, AS_GGUF_DIMENSIONS_MAX, r->at - 4);
    tensor->dimension_count = dimension_count;
    for (size_t i = 0; i < AS_GGUF_DIMENSIONS_MAX; i++) tensor->dimensions[i] = 1;
    for (size_t i = 0; !rc && i < dimension_count; i++) rc = take_u64(r, &tensor->dimensions[i]);
    if (!rc) rc = take_u32(r, &tensor->type);
    if (!rc) rc = measure(r, tensor, start);
    uint64_t offset = 0;
    if (!rc) rc = take_u64(r, &offset);
    if (rc) return rc;
    if (offset % r->alignment)
        return as_gguf_fail(
            r->file, r->err, "%s is not aligned to %llu bytes (data offset %llu, at offset %zu)",
            r->where, (unsigned long long)r->alignment, (unsigned long long)offset, r->at - 8);
    if (offset > r->size)
        return as_gguf_fail(r->file, r->err, "%s begins past the file (data offset %llu > %zu)",
                            r->where, (unsigned long long)offset, r->size);
    tensor->offset = (size_t)offset;
    return AS_OK;
}

static int by_offset(const void *a_in, const void *b_in) {
    const as_gguf_tensor *a = *(const as_gguf_tensor *const *)a_in;
    const as_gguf_tensor *b = *(const as_gguf_tensor *const *)b_in;
    if (a->offset != b->offset) return a->offset < b->offset ? -1 : 1;
    return a < b ? -1 : 1; // neither is empty, so this is an overlap
}

static as_rc check_overlaps(reader *r) {
    as_gguf *file = r->file;
    const as_gguf_tensor **order = as_mem_new(as_size_mul(file->tensor_count, sizeof *order));
    for (size_t i = 0; i < file->tensor_count; i++) order[i] = &file->tensors[i];
    qsort(order, file->tensor_count, sizeof *order, by_offset);
    as_rc rc = AS_OK;
    for (size_t i = 1; !rc && i < file->tensor_count; i++) {
        const as_gguf_tensor *a = order[i - 1], *b = order[i];
        if (a->size > b->offset - a->offset)
            rc = as_gguf_fail(file, r->err,
                              "tensors '%.*s' and '%.*s' overlap (offset %zu + %zu > %zu)",
                              QUOTE(a->name), QUOTE(b->name), a->offset, a->size, b->offset);
    }
    free(order);
    return rc;
}

// Turns offsets in the data section, which begins after the descriptions, into places in the file.
static as_rc place_tensors(reader *r) {
    size_t begin = r->at + (size_t)((r->alignment - r->at % r->alignment) % r->alignment);
    for (size_t i = 0; i < r->file->tensor_count; i++) {
        as_gguf_tensor *tensor = &r->file->tensors[i];
        size_t offset = begin + tensor->offset; // both are at most the file's size and a bit
        if (offset > r->size || tensor->size > r->size - offset)
            return as_gguf_fail(r->file, r->err,
                                "tensor %zu '%.*s' ends past the file (offset %zu + %zu > %zu)", i,
                                QUOTE(tensor->name), offset, tensor->size, r->size);
        tensor->offset = offset;
        tensor->bytes = r->bytes + offset;
    }
    return check_overlaps(r);
}

static as_rc take_header(reader *r, uint64_t *tensor_count, uint64_t *value_count) {
    static const char lfs[] = "version https://git-lfs.github.com/spec/";
    const unsigned char *magic;
    if (r->size >= sizeof lfs - 1 && !memcmp(r->bytes, lfs, sizeof lfs - 1))
        return as_gguf_fail(r->file, r->err,
                            "it is a Git LFS pointer, not the model: fetch it with 'git lfs pull'");
    as_rc rc = take(r, 4, &magic);
    if (rc) return rc;
    if (memcmp(magic, "GGUF", 4))
        return as_gguf_fail(r->file, r->err,
                            "it is not a GGUF file (begins with %02x %02x %02x %02x, not 'GGUF')",
                            magic[0], magic[1], magic[2], magic[3]);
    uint32_t version;
    rc = take_u32(r, &version);
    if (rc) return rc;
    if (version && !(version & 0xffff))
        return as_gguf_fail(r->file, r->err,
                            "it is a big-endian GGUF file, which is not supported (offset 4)");
    if (version < 2 || version > 3)
        return as_gguf_fail(r->file, r->err,
                            "GGUF version %u is not supported, only 2 and 3 "
                            "(offset 4)",
                            version);
    r->file->version = version;
    rc = take_u64(r, tensor_count);
    if (!rc) rc = take_u64(r, value_count);
    return rc;
}

// A count of entries that take at least `least` bytes each: no claim may cost more memory than
// the file has bytes for.
static as_rc check_count(reader *r, const char *what, uint64_t count, size_t max, size_t least,
                         size_t offset) {
    if (count > max)
        return as_gguf_fail(r->file, r->err, "%llu %s are more than %zu (offset %zu)",
                            (unsigned long long)count, what, max, offset);
    if (count > (r->size - r->at) / least)
        return as_gguf_fail(r->file, r->err, "%llu %s end past the file (offset %zu of %zu)",
                            (unsigned long long)count, what, offset, r->size);
    return AS_OK;
}

static as_rc read_alignment(reader *r) {
    uint64_t alignment = AS_GGUF_ALIGNMENT;
    as_rc rc =
        as_gguf_u64(r->file, "general.alignment", 1, AS_GGUF_ALIGNMENT_MAX, &alignment, r->err);
    if (!rc && (alignment & (alignment - 1)))
        rc = as_gguf_fail(r->file, r->err,
                          "'general.alignment' is %llu, no power of two "
                          "(offset %zu)",
                          (unsigned long long)alignment,
                          as_gguf_find(r->file, "general.alignment")->offset);
    r->alignment = alignment;
    return rc;
}

static as_rc read_all(reader *r) {
    enum { VALUE_LEAST = 8 + 1 + 4 + 1, TENSOR_LEAST = 8 + 1 + 4 + 8 + 4 + 8 };
    as_gguf *file = r->file;
    uint64_t tensor_count, value_count;
    snprintf(r->where, sizeof r->where, "the header");
    as_rc rc = take_header(r, &tensor_count, &value_count);
    if (!rc) rc = check_count(r, "keys", value_count, AS_GGUF_VALUES_MAX, VALUE_LEAST, 16);
    if (!rc) rc = check_count(r, "tensors", tensor_count, AS_GGUF_TENSORS_MAX, TENSOR_LEAST, 8);
    if (rc) return rc;
    file->values = as_mem_new(as_size_mul((size_t)value_count, sizeof *file->values));
    file->tensors = as_mem_new(as_size_mul((size_t)tensor_count, sizeof *file->tensors));
    while (!rc && file->value_count < value_count) {
        snprintf(r->where, sizeof r->where, "key %zu", file->value_count);
        rc = take_value(r, &file->values[file->value_count]);
        if (!rc) file->value_count++;
    }
    if (!rc) rc = read_alignment(r);
    while (!rc && file->tensor_count < tensor_count) {
        snprintf(r->where, sizeof r->where, "tensor %zu", file->tensor_count);
        rc = take_tensor(r, &file->tensors[file->tensor_count]);
        if (!rc) file->tensor_count++;
    }
    return rc ? rc : place_tensors(r);
}

as_rc as_gguf_read(as_gguf *out, const char *path, const unsigned char *bytes, size_t size,
                   as_err *err) {
    as_gguf file = {.file_size = size, .path = as_mem_new(strlen(path) + 1)};
    memcpy(file.path, path, strlen(path));
    reader r = {.file = &file, .bytes = bytes, .size = size, .err = err};
    as_rc rc = read_all(&r);
    if (rc)
        as_gguf_free(&file);
    else
        *out = file;
    return rc;
}

void as_gguf_free(as_gguf *file) {
    as_map_free(&file->value_index);
    as_map_free(&file->tensor_index);
    free(file->values);
    free(file->tensors);
    free(file->path);
    *file = (as_gguf){0};
}

const as_gguf_value *as_gguf_find(const as_gguf *file, const char *key) {
    uint64_t at;
    return as_map_get(&file->value_index, as_str_of(key), &at) ? &file->values[at] : NULL;
}

const as_gguf_tensor *as_gguf_tensor_find(const as_gguf *file, const char *name) {
    uint64_t at;
    return as_map_get(&file->tensor_index, as_str_of(name), &at) ? &file->tensors[at] : NULL;
}
