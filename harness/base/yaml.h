// SPDX-License-Identifier: Apache-2.0
// yaml.h - YAML 1.2 (core schema) into a tree that knows where everything stands, by libyaml.
// JSON is YAML, so it reads that as well. One document; no anchors, aliases, tags or merge keys
// ("billion laughs" cannot happen). Keys are plain strings, each once a map.
#ifndef AS_YAML_H
#define AS_YAML_H

#include "harness/base/str.h"

enum { AS_YAML_DEPTH_MAX = 32 };

typedef enum as_yaml_kind {
    AS_YAML_NULL,
    AS_YAML_BOOL,
    AS_YAML_NUMBER,
    AS_YAML_STRING,
    AS_YAML_LIST,
    AS_YAML_MAP,
} as_yaml_kind;

typedef struct as_yaml as_yaml;
struct as_yaml {
    as_yaml_kind kind;
    as_str text;         // scalars: as written (NUL-terminated), quotes and escapes resolved
    double number;       // NUMBER
    bool boolean;        // BOOL
    as_str key;          // name inside a map
    size_t line, column; // of the value, from 1
    size_t key_line, key_column; // of the key, from 1; 0 outside maps
    size_t count;
    as_yaml *child, *next;
};

// Errors read "FILE:LINE:COLUMN: what". `name` is the file's name for messages.
as_rc as_yaml_parse(as_arena *arena, as_str text, const char *name, const as_yaml **out,
                    as_err *err) AS_MUST_USE;

const as_yaml *as_yaml_get(const as_yaml *map, const char *key); // NULL when missing

// The tree as one line of JSON, which is YAML again.
as_str as_yaml_json(as_arena *arena, const as_yaml *value);

const char *as_yaml_kind_name(as_yaml_kind kind); // "a string", "a list", "a map", ...

#endif
