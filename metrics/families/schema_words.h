// SPDX-License-Identifier: Apache-2.0
// schema_words.h - what schema.c, which loads schemas, and schema_check.c, which holds values
// against them, share.
#ifndef AS_SCHEMA_WORDS_H
#define AS_SCHEMA_WORDS_H

#include "harness/base/regex.h"
#include "metrics/families/schema.h"

enum { AS_SCHEMA_DEPTH_MAX = 400, AS_SCHEMA_REFS_MAX = 1000 };

typedef enum as_schema_word {
    W_NOTE, // says nothing about a value
    W_TYPE,
    W_ENUM,
    W_CONST,
    W_MULTIPLE,
    W_MIN,
    W_MAX,
    W_ABOVE,
    W_BELOW,
    W_MIN_LENGTH,
    W_MAX_LENGTH,
    W_PATTERN,
    W_PREFIX,
    W_ITEMS,
    W_CONTAINS,
    W_MIN_ITEMS,
    W_MAX_ITEMS,
    W_UNIQUE,
    W_PROPERTIES,
    W_PATTERNS,
    W_ADDITIONAL,
    W_NAMES,
    W_REQUIRED,
    W_MIN_PROPERTIES,
    W_MAX_PROPERTIES,
    W_NEEDS,
    W_NEEDS_SCHEMA,
    W_ALL,
    W_ANY,
    W_ONE,
    W_NOT,
    W_IF,
    W_REF,
} as_schema_word;

// What a keyword's own value must be.
typedef enum as_schema_form {
    F_ANYTHING,
    F_SCHEMA,
    F_SCHEMA_LIST,
    F_SCHEMA_MAP,
    F_PATTERN_MAP,
    F_COUNT,
    F_NUMBER,
    F_POSITIVE,
    F_BOOL,
    F_LIST,
    F_STRINGS,
    F_STRINGS_MAP,
    F_TYPES,
    F_PATTERN,
    F_REF,
} as_schema_form;

typedef struct as_schema_keyword {
    const char *name;
    as_schema_word word;
    as_schema_form form;
} as_schema_keyword;

typedef struct as_schema_pattern {
    as_str pattern;
    as_regex *regex;
} as_schema_pattern;

struct as_schema {
    const as_json *root;
    as_arena arena; // of messages and of values while they are compared
    as_schema_pattern *patterns;
    size_t pattern_count, pattern_room, steps;
    const as_json *refs[AS_SCHEMA_REFS_MAX]; // targets that were checked
    size_t ref_count;
};

const as_schema_keyword *as_schema_find(as_str name); // NULL: unknown

// Where "#/a/b" points to; NULL when there is nothing.
const as_json *as_schema_resolve(const as_schema *schema, as_str ref);

// Names of the types, in the order of as_json_kind, then "integer"; ends with NULL.
extern const char *const as_schema_types[];

#endif
