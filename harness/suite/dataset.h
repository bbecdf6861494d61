// SPDX-License-Identifier: Apache-2.0
// dataset.h - golden cases out of .jsonl, .json (a list), .csv, .tsv and .yaml files, one at a
// time in constant memory (.json and .yaml are read whole, at most 64 MB). A list of files is read
// as one. Gzip and Git LFS pointers are recognised and refused by name.
#ifndef AS_DATASET_H
#define AS_DATASET_H

#include "harness/record/sample.h"

enum {
    AS_DATASET_LINE_MAX = 16 * 1024 * 1024, // bytes of one case
    AS_DATASET_WHOLE_MAX = 64 * 1024 * 1024,
};

// What a dataset's name may end in. as_dataset_known looks at nothing else.
#define AS_DATASET_ENDINGS ".jsonl, .ndjson, .json, .csv, .tsv, .yaml and .yml"
bool as_dataset_known(as_str path);

typedef struct as_dataset as_dataset;

typedef struct as_dataset_options {
    const as_str *paths;
    size_t path_count;
    as_str expected;      // field that must be there
    const as_str *slices; // fields: scalar -> "channel=chat"; list -> one slice an element.
    size_t slice_count;   // `tags` gives "tag=edge". Missing in a case: no slice.
} as_dataset_options;

// What one pass over everything found. Made before anything runs, so that bad data costs nothing.
typedef struct as_dataset_facts {
    as_str sha256; // over the bytes of the files in order
    uint64_t cases;
    const as_str *labels; // distinct expected values that are strings, in byte order...
    size_t label_count;   // ...0 when there are more than 4096 or some is no string
} as_dataset_facts;

// Reads all, checks all: JSON, UTF-8, ids unique (missing: hash of the content), `expected` and
// every field named in `required` there in each case. One line a problem in `problems`, the first
// 20: "FILE:LINE: ...". Zero cases is a problem.
as_rc as_dataset_check(as_arena *arena, const as_dataset_options *options, const as_str *required,
                       size_t required_count, as_dataset_facts *out, as_buf *problems) AS_MUST_USE;

as_rc as_dataset_open(const as_dataset_options *options, as_dataset **out, as_err *err) AS_MUST_USE;
// The next case, in `arena`; *more false at the end.
as_rc as_dataset_next(as_dataset *dataset, as_arena *arena, as_case *out, bool *more,
                      as_err *err) AS_MUST_USE;
void as_dataset_close(as_dataset *dataset);

#endif
