// SPDX-License-Identifier: Apache-2.0
// json.h - JSON in and out. Reading uses cJSON behind one validating pass (UTF-8, depth, size,
// duplicate keys); the tree it gives lives in an arena and cannot fail afterwards. Writing appends
// to a buffer. Numbers keep their text, so that 64-bit ids survive a round trip.
#ifndef AS_JSON_H
#define AS_JSON_H

#include "harness/base/str.h"

enum { AS_JSON_DEPTH_MAX = 64 };

typedef enum as_json_kind {
    AS_JSON_NULL,
    AS_JSON_BOOL,
    AS_JSON_NUMBER,
    AS_JSON_STRING,
    AS_JSON_ARRAY,
    AS_JSON_OBJECT,
} as_json_kind;

typedef struct as_json as_json;
struct as_json {
    as_json_kind kind;
    bool boolean;
    double number;
    as_str text;    // STRING: the value; NUMBER: as written
    as_str key;     // name inside an object
    size_t count;   // children
    as_json *child; // first child of an ARRAY or OBJECT
    as_json *next;  // next sibling
};

// Parses one value; only white space may follow. The error names the byte column (from 1).
as_rc as_json_parse(as_arena *arena, as_str text, const as_json **out, as_err *err) AS_MUST_USE;

// The member `key` of an object; NULL if it is no object or has none. A dotted key walks down.
const as_json *as_json_get(const as_json *object, const char *key);
const as_json *as_json_at(const as_json *object, as_str dotted_key);

// A member as a plain value, or the given one when it is missing, null or of another kind.
as_str as_json_str(const as_json *object, const char *key, as_str otherwise);
double as_json_f64(const as_json *object, const char *key, double otherwise);
bool as_json_bool(const as_json *object, const char *key, bool otherwise);

// Any value as the text a person would write for it: a string bare, the rest as JSON.
as_str as_json_plain(as_arena *arena, const as_json *value);

const char *as_json_kind_name(as_json_kind kind); // "a string", "a list", ...

// Nodes made by hand (prompt variables, reports).
as_json *as_json_new(as_arena *arena, as_json_kind kind);
as_json *as_json_new_str(as_arena *arena, as_str value);
as_json *as_json_new_f64(as_arena *arena, double value);
as_json *as_json_new_bool(as_arena *arena, bool value);
as_json *as_json_copy(as_arena *arena, const as_json *value);                        // of all of it
void as_json_append(as_json *array, as_json *value);                                 // array
void as_json_set(as_arena *arena, as_json *object, const char *key, as_json *value); // at the end

// Writing. Invalid UTF-8 becomes U+FFFD; control characters, U+2028 and U+2029 are escaped.
void as_json_write_str(as_buf *buf, as_str s); // with quotes
void as_json_write(as_buf *buf, const as_json *value);
void as_json_write_sorted(as_buf *buf, const as_json *value); // keys in byte order: for hashes

// Writer of nested values: puts the commas. `indent` 0 writes one line.
typedef struct as_json_out {
    as_buf *buf;
    unsigned depth, indent;
    bool first; // nothing yet inside the current container
    bool after_key;
} as_json_out;

void as_jo_open(as_json_out *out, char bracket);  // '{' or '['
void as_jo_close(as_json_out *out, char bracket); // '}' or ']'
void as_jo_key(as_json_out *out, const char *key);
void as_jo_keys(as_json_out *out, as_str key);
void as_jo_str(as_json_out *out, as_str value);
void as_jo_f64(as_json_out *out, double value); // null when not finite
void as_jo_i64(as_json_out *out, int64_t value);
void as_jo_bool(as_json_out *out, bool value);
void as_jo_null(as_json_out *out);
void as_jo_json(as_json_out *out, const as_json *value);

// A key and its value.
void as_jo_put_str(as_json_out *out, const char *key, as_str value);
void as_jo_put_f64(as_json_out *out, const char *key, double value); // null when not finite
void as_jo_put_u64(as_json_out *out, const char *key, uint64_t value);
void as_jo_put_bool(as_json_out *out, const char *key, bool value);
void as_jo_put_range(as_json_out *out, const char *key, double lo, double hi); // null: both NaN

// A short object on one line, whatever stands around it: people read these files too. What
// as_jo_open_flat returns is as_jo_close_flat's. `key` NULL: none, or it is written already.
unsigned as_jo_open_flat(as_json_out *out, const char *key);
void as_jo_close_flat(as_json_out *out, unsigned indent);

#endif
