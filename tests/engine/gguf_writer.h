// SPDX-License-Identifier: Apache-2.0
// gguf_writer.h - writes GGUF files, right ones and wrong ones, into a buffer.
#ifndef AS_GGUF_WRITER_H
#define AS_GGUF_WRITER_H

#include "harness/engine/gguf.h"

// Header; counts are what the header claims.
void as_put_header(as_buf *out, uint32_t version, uint64_t tensors, uint64_t values);
void as_put_int(as_buf *out, uint64_t value, size_t bytes); // little endian
void as_put_string(as_buf *out, const char *text);
void as_put_u32(as_buf *out, const char *key, uint32_t value);
void as_put_f32(as_buf *out, const char *key, float value);
void as_put_bool(as_buf *out, const char *key, uint8_t value);
void as_put_text(as_buf *out, const char *key, const char *value);
// Head of an array: the items follow.
void as_put_array(as_buf *out, const char *key, as_gguf_type item, uint64_t count);
// A tensor's description; dims end with 0.
void as_put_tensor(as_buf *out, const char *name, const uint64_t *dims, uint32_t type,
                   uint64_t offset);
void as_put_padding(as_buf *out, size_t alignment);
void as_put_zeros(as_buf *out, size_t count);

#endif
