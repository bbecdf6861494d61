// SPDX-License-Identifier: Apache-2.0
// extract.h - one step from an answer towards a prediction; inside harness/suite only.
#ifndef AS_EXTRACT_H
#define AS_EXTRACT_H

#include "harness/base/regex.h"
#include "harness/suite/suite.h"

typedef struct as_extractor {
    as_extract_kind kind;
    as_regex *regex; // REGEX; owned
    as_str path;     // JSON
} as_extractor;

as_rc as_extract_new(const as_suite_extract *step, as_extractor *out, as_err *err) AS_MUST_USE;
void as_extract_free(as_extractor *extractor);

// `text` is valid UTF-8. False when nothing was found.
bool as_extract_run(const as_extractor *extractor, as_arena *arena, as_str text, as_str *out);

#endif
