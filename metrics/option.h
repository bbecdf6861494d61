// SPDX-License-Identifier: Apache-2.0
// option.h - the options of a metric: a table says what may be set, one reader checks what a suite
// set. Values stand in the order of the table.
#ifndef AS_OPTION_H
#define AS_OPTION_H

#include "harness/base/yaml.h"

enum { AS_SETTINGS_MAX = 8 };

typedef enum as_setting_kind {
    AS_SETTING_BOOL,
    AS_SETTING_COUNT, // whole number
    AS_SETTING_NUMBER,
    AS_SETTING_CHOICE, // one of some words
    AS_SETTING_TEXT,
    AS_SETTING_TEXTS, // one text, or a list of them
    AS_SETTING_TREE,  // a map
    AS_SETTING_LIST,  // a list of maps
    AS_SETTING_PATH,  // of a file or a folder
} as_setting_kind;

typedef struct as_setting_spec {
    const char *name;
    as_setting_kind kind;
    const char *const *choices; // CHOICE: ends with NULL
    double low, high;           // COUNT, NUMBER
    double otherwise;           // BOOL, COUNT, NUMBER, CHOICE: where it is not set
    bool needed;                // there is no metric without it
} as_setting_spec;

typedef struct as_setting {
    bool given;
    bool on;       // number is not 0
    double number; // BOOL: 0 or 1; CHOICE: place among the choices
    as_str text;   // PATH: as it can be opened
    as_str
        digest; // PATH: of the content, where ops->prepare says it; it decides scores, a path not
    const as_str *texts; // [text_count]
    size_t text_count;
    const as_yaml *tree;
} as_setting;

// Reads the map {name: ..., as: ..., OPTION: ...} (NULL: nothing is set) into settings, in `arena`.
// *label is the value of `as`, untouched without one; `normalize` is the caller's to read. Paths
// are seen from the folder `dir` (empty: the working directory). Errors name the metric and the
// nearest option.
as_rc as_option_read(as_arena *arena, const char *metric, const as_setting_spec *specs,
                     const as_yaml *map, as_str dir, as_setting *out, as_str *label,
                     as_err *err) AS_MUST_USE;

// "tokenize:13a|smooth:exp": every setting, those that are not set too, but for paths; a tree as
// JSON, a path as the digest of what is there.
as_str as_option_text(as_arena *arena, const as_setting_spec *specs, const as_setting *settings);

// The map as one line of JSON, with its paths as they can be opened.
as_str as_option_json(as_arena *arena, const as_setting_spec *specs, const as_setting *settings,
                      const as_yaml *map);

#endif
