// SPDX-License-Identifier: Apache-2.0
// scaffold.h - the files that `assay init` writes; they stand in runner/init/files and go into the
// program when it is built.
#ifndef AS_SCAFFOLD_H
#define AS_SCAFFOLD_H

#include "harness/base/str.h"

typedef struct as_scaffold_file {
    const char *path; // below the directory that is set up
    const char *text; // what it is, for a person
    as_str content;
} as_scaffold_file;

extern const as_scaffold_file as_scaffold_files[]; // ends with path NULL

#endif
