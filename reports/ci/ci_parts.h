// SPDX-License-Identifier: Apache-2.0
// ci_parts.h - what the formats for build servers share: the findings as a list, each with its
// place, its sentence and a fingerprint that outlives the run.
#ifndef AS_CI_PARTS_H
#define AS_CI_PARTS_H

#include "harness/record/findings.h"

typedef enum as_ci_kind { AS_CI_GATE, AS_CI_BROKE, AS_CI_FAILS, AS_CI_KINDS } as_ci_kind;

typedef struct as_ci_finding {
    as_ci_kind kind;
    as_verdict verdict; // of a gate's check; AS_FAIL for cases
    as_str file;
    size_t line;        // at least 1
    as_str text;        // a sentence; content in it is clean but not escaped
    as_str fingerprint; // 64 hex digits
} as_ci_finding;

extern const char *const as_ci_kind_names[AS_CI_KINDS]; // "gate", "case-broke", "case-fails"

// A path as part of a URI: all but letters, digits and "-_.~/" by number.
void as_ci_uri(as_buf *out, as_str path);

// The most serious first: failed checks, undecided ones, cases that broke, cases that fail. Without
// the place of a case (no dataset at hand) it stands at the suite.
size_t as_ci_findings(as_arena *arena, const as_summary *run, const as_findings *findings,
                      as_str suite_file, size_t most, as_ci_finding **out);

#endif
