// SPDX-License-Identifier: Apache-2.0
// gguf.h - the GGUF container, versions 2 and 3, little endian: key-value pairs and tensors.
//
// One pass over pointer and length checks everything that the bytes claim: lengths, counts, types,
// alignment, overlaps, duplicates. Afterwards every pointer handed out lies inside the file, so
// accessors cannot fail. It knows nothing of models: what a key means is hparams.h's and vocab.h's.
//
// An as_gguf points into the bytes it was made from, which must outlive it. Immutable after
// as_gguf_read: any thread may use it.
#ifndef AS_GGUF_H
#define AS_GGUF_H

#include "harness/base/map.h"

enum {
    AS_GGUF_KEY_MAX = 65535,               // bytes of a key, by the format's own rule
    AS_GGUF_NAME_MAX = 255,                // bytes of a tensor's name
    AS_GGUF_STRING_MAX = 64 * 1024 * 1024, // bytes of a string value
    AS_GGUF_VALUES_MAX = 65536,            // key-value pairs
    AS_GGUF_TENSORS_MAX = 65536,           // tensors
    AS_GGUF_DIMENSIONS_MAX = 4,            // of a tensor
    AS_GGUF_ALIGNMENT_MAX = 1024 * 1024,   // bytes
    AS_GGUF_ALIGNMENT = 32,                // bytes, when the file does not say
};

// The type of a value, numbered as in the file.
typedef enum as_gguf_type {
    AS_GGUF_U8,
    AS_GGUF_I8,
    AS_GGUF_U16,
    AS_GGUF_I16,
    AS_GGUF_U32,
    AS_GGUF_I32,
    AS_GGUF_F32,
    AS_GGUF_BOOL,
    AS_GGUF_STRING,
    AS_GGUF_ARRAY,
    AS_GGUF_U64,
    AS_GGUF_I64,
    AS_GGUF_F64,
} as_gguf_type;

// Tensor element types that have a name here; tensor_type.h knows which are computed with.
enum { AS_GGUF_TENSOR_F32 = 0, AS_GGUF_TENSOR_F16 = 1, AS_GGUF_TENSOR_Q8_0 = 8 };

typedef struct as_gguf_value {
    as_str key;
    as_gguf_type type;          // AS_GGUF_ARRAY for an array
    as_gguf_type item;          // of an array's items; else the same as `type`
    size_t count;               // items; 1 unless an array
    const unsigned char *bytes; // the first item; a string begins with its u64 length
    size_t offset;              // of `bytes` in the file
} as_gguf_value;

typedef struct as_gguf_tensor {
    as_str name;
    uint32_t type; // as in the file
    size_t dimension_count;
    uint64_t dimensions[AS_GGUF_DIMENSIONS_MAX]; // fastest-varying first; unused ones are 1
    uint64_t elements;
    const unsigned char *bytes;
    size_t size;   // bytes
    size_t offset; // of `bytes` in the file
} as_gguf_tensor;

typedef struct as_gguf {
    char *path;
    uint32_t version;
    size_t file_size; // bytes
    bool mapped;      // the bytes are those of mapped files
    as_gguf_value *values;
    size_t value_count;
    as_gguf_tensor *tensors;
    size_t tensor_count;
    as_map value_index, tensor_index;
} as_gguf;

// Reads and checks `size` bytes. `path` is for messages and is copied. AS_INVALID, naming the
// field and its byte offset, for anything malformed; then nothing is kept.
as_rc as_gguf_read(as_gguf *out, const char *path, const unsigned char *bytes, size_t size,
                   as_err *err) AS_MUST_USE;
void as_gguf_free(as_gguf *file); // also for a zeroed one

// NULL when there is none.
const as_gguf_value *as_gguf_find(const as_gguf *file, const char *key);
const as_gguf_tensor *as_gguf_tensor_find(const as_gguf *file, const char *name);

const char *as_gguf_type_name(as_gguf_type type);    // "u32", "string", ...
const char *as_gguf_tensor_type_name(uint32_t type); // "Q4_K"; "unknown" for what is not known
as_rc as_gguf_fail(const as_gguf *file, as_err *err, const char *format, ...)
    AS_PRINTF(3, 4); // AS_INVALID: "cannot read 'path': " and the message
as_rc as_gguf_fail_at(const as_gguf *file, as_err *err, const char *key, const char *format, ...)
    AS_PRINTF(4, 5); // the same, and behind it the offset of the key's value, where there is one

// One value of a wanted kind. When the key is missing, *out stays as it is and AS_OK comes back.
// AS_INVALID, naming key, offset and value, when it is of another type or outside [min, max]. Any
// integer type will do for u64 if the number is not negative, and any number for f64.
as_rc as_gguf_u64(const as_gguf *file, const char *key, uint64_t min, uint64_t max, uint64_t *out,
                  as_err *err) AS_MUST_USE;
as_rc as_gguf_f64(const as_gguf *file, const char *key, double min, double max, double *out,
                  as_err *err) AS_MUST_USE;
as_rc as_gguf_bool(const as_gguf *file, const char *key, bool *out, as_err *err) AS_MUST_USE;
as_rc as_gguf_text(const as_gguf *file, const char *key, as_str *out, as_err *err) AS_MUST_USE;
// An array of strings (AS_GGUF_STRING), or of numbers of any type (AS_GGUF_F64).
as_rc as_gguf_array(const as_gguf *file, const char *key, as_gguf_type kind,
                    const as_gguf_value **out, as_err *err) AS_MUST_USE;
as_rc as_gguf_missing(const as_gguf *file, const char *key, as_err *err); // AS_INVALID, always

// Item `at` of an array of numbers. Not for strings.
double as_gguf_number(const as_gguf_value *value, size_t at);

// The strings of an array, in order: start with {value->bytes}; at most value->count calls.
typedef struct as_gguf_strings {
    const unsigned char *at;
} as_gguf_strings;
as_str as_gguf_strings_next(as_gguf_strings *strings);

#endif
