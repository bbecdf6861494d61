// SPDX-License-Identifier: Apache-2.0
// program.h - a program that is given a text and answers with one, within a time.
//
// It runs in a folder, in a process group of its own that ends with it; its stderr is ours.
#ifndef AS_PROGRAM_H
#define AS_PROGRAM_H

#include "harness/base/str.h"

enum { AS_PROGRAM_OUT_MAX = 1 << 20 }; // bytes of stdout

typedef struct as_program {
    const char *const *argv; // ends with NULL; found on PATH
    const char *dir;
    double timeout_s;
} as_program;

// *out gets what stood on its stdout. *failed is empty when it ended with 0, else says how not.
// AS_UNMEASURED when it cannot be started at all.
as_rc as_program_run(const as_program *program, as_arena *arena, as_str in, as_str *out,
                     as_str *failed, as_err *err) AS_MUST_USE;

#endif
