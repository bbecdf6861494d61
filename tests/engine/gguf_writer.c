// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/gguf_writer.h"

#include <string.h>

void as_put_int(as_buf *out, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) as_buf_char(out, (char)(value >> (8 * i) & 0xff));
}

void as_put_header(as_buf *out, uint32_t version, uint64_t tensors, uint64_t values) {
    as_buf_text(out, "GGUF");
    as_put_int(out, version, 4);
    as_put_int(out, tensors, 8);
    as_put_int(out, values, 8);
}

void as_put_string(as_buf *out, const char *text) {
    as_put_int(out, strlen(text), 8);
    as_buf_text(out, text);
}

static void put_key(as_buf *out, const char *key, as_gguf_type type) {
    as_put_string(out, key);
    as_put_int(out, type, 4);
}

void as_put_u32(as_buf *out, const char *key, uint32_t value) {
    put_key(out, key, AS_GGUF_U32);
    as_put_int(out, value, 4);
}

void as_put_f32(as_buf *out, const char *key, float value) {
    put_key(out, key, AS_GGUF_F32);
    as_buf_add(out, &value, sizeof value);
}

void as_put_bool(as_buf *out, const char *key, uint8_t value) {
    put_key(out, key, AS_GGUF_BOOL);
    as_put_int(out, value, 1);
}

void as_put_text(as_buf *out, const char *key, const char *value) {
    put_key(out, key, AS_GGUF_STRING);
    as_put_string(out, value);
}

void as_put_array(as_buf *out, const char *key, as_gguf_type item, uint64_t count) {
    put_key(out, key, AS_GGUF_ARRAY);
    as_put_int(out, item, 4);
    as_put_int(out, count, 8);
}

void as_put_tensor(as_buf *out, const char *name, const uint64_t *dims, uint32_t type,
                   uint64_t offset) {
    size_t count = 0;
    while (dims[count]) count++;
    as_put_string(out, name);
    as_put_int(out, count, 4);
    for (size_t i = 0; i < count; i++) as_put_int(out, dims[i], 8);
    as_put_int(out, type, 4);
    as_put_int(out, offset, 8);
}

void as_put_padding(as_buf *out, size_t alignment) {
    while (out->len % alignment) as_buf_char(out, '\0');
}

void as_put_zeros(as_buf *out, size_t count) {
    for (size_t i = 0; i < count; i++) as_buf_char(out, '\0');
}
