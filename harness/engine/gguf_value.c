// SPDX-License-Identifier: Apache-2.0
// gguf_value.c - values of a checked file as what a reader wants them to be (the second half of
// gguf.h).
#include <stdio.h>
#include <string.h>

#include "harness/engine/gguf.h"

static uint64_t little_endian(const unsigned char *bytes, size_t size) {
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | bytes[i];
    return value;
}

const char *as_gguf_type_name(as_gguf_type type) {
    static const char *const names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                        "bool", "string", "array", "u64", "i64", "f64"};
    return names[type];
}

as_rc as_gguf_fail(const as_gguf *file, as_err *err, const char *format, ...) {
    char text[AS_ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return as_fail(err, AS_INVALID, "cannot read '%s': %s", file->path, text);
}

as_rc as_gguf_fail_at(const as_gguf *file, as_err *err, const char *key, const char *format, ...) {
    char text[AS_ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const as_gguf_value *value = as_gguf_find(file, key);
    if (!value) return as_gguf_fail(file, err, "%s", text);
    return as_gguf_fail(file, err, "%s (offset %zu)", text, value->offset);
}

as_rc as_gguf_missing(const as_gguf *file, const char *key, as_err *err) {
    return as_gguf_fail(file, err, "'%s' is missing", key);
}

static as_rc wrong_type(const as_gguf *file, const as_gguf_value *value, const char *wanted,
                        as_err *err) {
    bool array = value->type == AS_GGUF_ARRAY;
    return as_gguf_fail(file, err, "'%.*s' is %s%s, not %s (offset %zu)", AS_STR_ARG(value->key),
                        array ? "an array of " : "", as_gguf_type_name(value->item), wanted,
                        value->offset);
}

// Item `at` if it is an integer: its bits and whether they are those of a negative number.
static bool integer_at(const as_gguf_value *value, size_t at, uint64_t *bits, bool *negative) {
    static const unsigned char sizes[] = {1, 1, 2, 2, 4, 4, 0, 0, 0, 0, 8, 8, 0};
    size_t size = sizes[value->item];
    if (!size) return false;
    *bits = little_endian(value->bytes + at * size, size);
    bool is_signed = value->item == AS_GGUF_I8 || value->item == AS_GGUF_I16 ||
                     value->item == AS_GGUF_I32 || value->item == AS_GGUF_I64;
    *negative = is_signed && (*bits >> (8 * size - 1) & 1);
    if (*negative && size < 8) *bits |= UINT64_MAX << (8 * size);
    return true;
}

double as_gguf_number(const as_gguf_value *value, size_t at) {
    uint64_t bits;
    bool negative;
    if (integer_at(value, at, &bits, &negative))
        return negative ? -(double)(0 - bits) : (double)bits;
    if (value->item == AS_GGUF_BOOL) return value->bytes[at];
    if (value->item == AS_GGUF_F32) {
        uint32_t half = (uint32_t)little_endian(value->bytes + at * 4, 4);
        float number;
        memcpy(&number, &half, sizeof number);
        return (double)number;
    }
    bits = little_endian(value->bytes + at * 8, 8);
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

as_rc as_gguf_u64(const as_gguf *file, const char *key, uint64_t min, uint64_t max, uint64_t *out,
                  as_err *err) {
    const as_gguf_value *value = as_gguf_find(file, key);
    if (!value) return AS_OK;
    uint64_t bits;
    bool negative;
    if (value->type == AS_GGUF_ARRAY || !integer_at(value, 0, &bits, &negative))
        return wrong_type(file, value, "one integer", err);
    if (negative || bits < min || bits > max)
        return as_gguf_fail(file, err, "'%s' is %s%llu, not in %llu..%llu (offset %zu)", key,
                            negative ? "-" : "", (unsigned long long)(negative ? 0 - bits : bits),
                            (unsigned long long)min, (unsigned long long)max, value->offset);
    *out = bits;
    return AS_OK;
}

as_rc as_gguf_f64(const as_gguf *file, const char *key, double min, double max, double *out,
                  as_err *err) {
    const as_gguf_value *value = as_gguf_find(file, key);
    if (!value) return AS_OK;
    if (value->type == AS_GGUF_ARRAY || value->type == AS_GGUF_STRING ||
        value->type == AS_GGUF_BOOL)
        return wrong_type(file, value, "one number", err);
    double number = as_gguf_number(value, 0);
    if (!(number >= min && number <= max)) // NaN is outside too
        return as_gguf_fail(file, err, "'%s' is %g, not in %g..%g (offset %zu)", key, number, min,
                            max, value->offset);
    *out = number;
    return AS_OK;
}

as_rc as_gguf_bool(const as_gguf *file, const char *key, bool *out, as_err *err) {
    const as_gguf_value *value = as_gguf_find(file, key);
    if (!value) return AS_OK;
    if (value->type != AS_GGUF_BOOL) return wrong_type(file, value, "a bool", err);
    *out = value->bytes[0] != 0;
    return AS_OK;
}

as_rc as_gguf_text(const as_gguf *file, const char *key, as_str *out, as_err *err) {
    const as_gguf_value *value = as_gguf_find(file, key);
    if (!value) return AS_OK;
    if (value->type != AS_GGUF_STRING) return wrong_type(file, value, "a string", err);
    *out = as_gguf_strings_next(&(as_gguf_strings){value->bytes});
    return AS_OK;
}

as_rc as_gguf_array(const as_gguf *file, const char *key, as_gguf_type kind,
                    const as_gguf_value **out, as_err *err) {
    const as_gguf_value *value = as_gguf_find(file, key);
    if (!value) return AS_OK;
    bool strings = kind == AS_GGUF_STRING;
    bool fits = (value->item == AS_GGUF_STRING) == strings && value->item != AS_GGUF_BOOL;
    if (value->type != AS_GGUF_ARRAY || !fits)
        return wrong_type(file, value, strings ? "an array of strings" : "an array of numbers",
                          err);
    *out = value;
    return AS_OK;
}

as_str as_gguf_strings_next(as_gguf_strings *strings) {
    size_t len = (size_t)little_endian(strings->at, 8);
    as_str text = {(const char *)strings->at + 8, len};
    strings->at += 8 + len;
    return text;
}
