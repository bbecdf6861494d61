// SPDX-License-Identifier: Apache-2.0
#include "harness/target/tensor_data.h"

#include <math.h>
#include <string.h>

#include "harness/base/utf8.h"

static void put_le(as_buf *out, uint64_t value, size_t size) {
    for (size_t i = 0; i < size; i++) as_buf_char(out, (char)(value >> (8 * i) & 0xff));
}

static uint64_t get_le(const char *bytes, size_t size) {
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) value |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    return value;
}

static int64_t whole(const as_json *n) {
    int64_t value;
    if (as_str_to_i64(n->text, &value)) return value;
    double number = trunc(n->number);
    if (number >= 0x1p63) return INT64_MAX;
    return number < -0x1p63 ? INT64_MIN : (int64_t)number;
}

void as_tensor_write(as_buf *out, as_str datatype, const as_json *data) {
    for (const as_json *one = data->child; one; one = one->next) {
        uint64_t bits = 0;
        if (as_str_is(datatype, "BYTES")) {
            put_le(out, one->text.len, 4);
            as_buf_str(out, one->text);
        } else if (as_str_is(datatype, "FP32")) {
            float value = (float)one->number;
            memcpy(&bits, &value, sizeof value);
            put_le(out, bits, 4);
        } else if (as_str_is(datatype, "FP64")) {
            memcpy(&bits, &one->number, sizeof bits);
            put_le(out, bits, 8);
        } else {
            put_le(out, (uint64_t)whole(one), as_str_is(datatype, "INT32") ? 4 : 8);
        }
    }
}

static double half(uint64_t bits) {
    int exponent = (int)(bits >> 10 & 31);
    double fraction = (double)(bits & 1023), value;
    if (exponent == 31)
        value = fraction > 0 ? NAN : INFINITY;
    else
        value = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return bits >> 15 ? -value : value;
}

typedef enum number_kind { SIGNED, UNSIGNED, FLOAT } number_kind;

static double number_of(const char *bytes, size_t size, number_kind kind, bool brain) {
    uint64_t bits = get_le(bytes, size);
    float single;
    double value;
    if (kind == UNSIGNED) return (double)bits;
    if (kind == SIGNED) {
        uint64_t sign = UINT64_C(1) << (8 * size - 1);
        return bits & sign ? -(double)((~bits & (sign - 1)) + 1) : (double)bits;
    }
    if (size == 8) {
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    if (size == 2 && !brain) return half(bits);
    uint32_t word = (uint32_t)(brain ? bits << 16 : bits);
    memcpy(&single, &word, sizeof single);
    return single;
}

// Linked by hand: as_json_append walks to the end.
static as_json **add(as_json *list, as_json **link, as_json *one) {
    *link = one;
    list->count++;
    return &one->next;
}

static const as_json *read_texts(as_arena *arena, as_json *list, as_str bytes) {
    as_json **link = &list->child;
    while (bytes.len) {
        if (bytes.len < 4) return NULL;
        size_t len = (size_t)get_le(bytes.ptr, 4);
        if (len > bytes.len - 4) return NULL;
        as_str text = as_str_sub(bytes, 4, 4 + len);
        link = add(list, link, as_json_new_str(arena, as_utf8_clean(arena, text)));
        bytes = as_str_sub(bytes, 4 + len, bytes.len);
    }
    return list;
}

const as_json *as_tensor_read(as_arena *arena, as_str datatype, as_str bytes) {
    static const struct {
        const char *name;
        size_t size;
        number_kind kind;
    } types[] = {{"FP32", 4, FLOAT},     {"FP64", 8, FLOAT},      {"FP16", 2, FLOAT},
                 {"BF16", 2, FLOAT},     {"INT8", 1, SIGNED},     {"INT16", 2, SIGNED},
                 {"INT32", 4, SIGNED},   {"INT64", 8, SIGNED},    {"BOOL", 1, UNSIGNED},
                 {"UINT8", 1, UNSIGNED}, {"UINT16", 2, UNSIGNED}, {"UINT32", 4, UNSIGNED},
                 {"UINT64", 8, UNSIGNED}};
    as_json *list = as_json_new(arena, AS_JSON_ARRAY);
    if (as_str_is(datatype, "BYTES")) return read_texts(arena, list, bytes);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!as_str_is(datatype, types[i].name)) continue;
        size_t size = types[i].size;
        if (bytes.len % size) return NULL;
        as_json **link = &list->child;
        for (size_t at = 0; at < bytes.len; at += size) {
            double value = number_of(bytes.ptr + at, size, types[i].kind, datatype.ptr[0] == 'B');
            link = add(list, link, as_json_new_f64(arena, value));
        }
        return list;
    }
    return NULL;
}

size_t as_tensor_head(as_str body) {
    size_t depth = 0;
    bool text = false;
    for (size_t i = 0; i < body.len; i++) {
        char c = body.ptr[i];
        if (text) {
            if (c == '\\')
                i++;
            else if (c == '"')
                text = false;
        } else if (c == '"') {
            text = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && depth && !--depth) {
            return i + 1;
        }
    }
    return body.len;
}
