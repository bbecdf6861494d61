// SPDX-License-Identifier: Apache-2.0
// dataset_source.h - JSON objects out of one file, whatever its format; inside harness/suite only.
// What an object means as a case is dataset_case.c's business.
#ifndef AS_DATASET_SOURCE_H
#define AS_DATASET_SOURCE_H

#include "harness/base/json.h"
#include "harness/base/yaml.h"
#include "harness/suite/csv.h"

typedef enum as_dataset_format {
    AS_DATASET_JSONL,
    AS_DATASET_JSON,
    AS_DATASET_CSV,
    AS_DATASET_TSV,
    AS_DATASET_YAML,
} as_dataset_format;

typedef struct as_dataset_source {
    as_dataset_format format;
    as_arena arena; // path, CSV header, or the whole text of .json and .yaml
    const char *path;
    bool broken;  // after an error past which nothing can be read
    size_t count; // objects given out

    as_lines lines;       // JSONL
    as_csv csv;           // CSV, TSV
    const as_str *header; // [header_count]
    size_t header_count;
    as_str text; // JSON: what is left of the file...
    size_t line; // ...and the line that it begins at
    bool ended;
    const as_yaml *item; // YAML: the next element
} as_dataset_source;

// Looks at the ending and the first bytes: gzip, Git LFS pointers and UTF-16 are refused by name.
as_rc as_dataset_source_open(as_dataset_source *out, as_str path, as_err *err) AS_MUST_USE;

// The next object, in `arena`, and the line where it begins. After an error the next call goes on
// behind it, or says *more false if `broken`.
as_rc as_dataset_source_next(as_dataset_source *source, as_arena *arena, const as_json **out,
                             size_t *line, bool *more, as_err *err) AS_MUST_USE;
void as_dataset_source_close(as_dataset_source *source);

as_str as_dataset_source_skip_bom(as_str text);

// Refuses invalid UTF-8 and NUL bytes: "PATH:LINE:COLUMN: ...", the column in bytes.
as_rc as_dataset_source_check_text(const char *path, size_t line, as_str text,
                                   as_err *err) AS_MUST_USE;

#endif
