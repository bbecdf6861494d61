// SPDX-License-Identifier: Apache-2.0
// dataset_case.h - from a JSON object to a golden case; inside harness/suite only.
#ifndef AS_DATASET_CASE_H
#define AS_DATASET_CASE_H

#include "harness/suite/dataset.h"

// Fills all but `index`. `line` is the object's and `path` its file's, for messages. `cells` says
// that numbers come as strings (CSV) and that an empty string is no value.
as_rc as_dataset_case_make(as_arena *arena, const as_dataset_options *options,
                           const as_json *object, const char *path, size_t line, bool cells,
                           as_case *out, as_err *err) AS_MUST_USE;

// "PATH:LINE: the case has no field 'x'; did you mean 'y'?"
as_rc as_dataset_case_missing(const as_json *object, const char *path, size_t line, as_str field,
                              as_err *err);

#endif
