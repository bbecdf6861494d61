// SPDX-License-Identifier: Apache-2.0
// redact.h - what of a sample's text must not be kept. A field that is named is replaced by
// "sha256:HEX" of what stood there: equal texts stay equal, so that exact metrics can still be
// computed. What a pattern matches is replaced by "[redacted]". Scores, ids and times stay.
//
// A hash hides long texts; of a short one (a label, a number) the original can be guessed.
#ifndef AS_REDACT_H
#define AS_REDACT_H

#include "harness/record/sample.h"

typedef struct as_redact as_redact;

// Which fields a sample lost something of, as bits.
enum {
    AS_REDACT_OUTPUT = 1,
    AS_REDACT_PREDICTION = 2,
    AS_REDACT_EXPECTED = 4,
    AS_REDACT_ERROR = 8,
};

// Rules: "output", "prediction", "expected", "error", or "/PATTERN/" (PCRE2) over those four.
as_rc as_redact_new(const as_str *rules, size_t count, as_redact **out, as_err *err) AS_MUST_USE;
void as_redact_free(as_redact *redact);

// Replaces in `sample`, whose new texts live in `arena`; returns the fields that changed.
unsigned as_redact_apply(const as_redact *redact, as_arena *arena, as_sample *sample);

// "output, prediction" in `arena`; empty for 0.
as_str as_redact_names(as_arena *arena, unsigned fields);

#endif
