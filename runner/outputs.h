// SPDX-License-Identifier: Apache-2.0
// outputs.h - the files of a finished run, beside its journal.
#ifndef AS_OUTPUTS_H
#define AS_OUTPUTS_H

#include "harness/record/findings.h"
#include "harness/record/summary.h"

// The names of all files that as_outputs_write leaves; ends with NULL.
extern const char *const as_output_names[];

// Each of them in `dir`, written whole or not at all. Under GitHub Actions also the annotations, on
// stderr, and the step's summary; in a job of GitLab the job's annotations.
as_rc as_outputs_write(const char *dir, const as_summary *summary, const as_summary *baseline,
                       const as_findings *findings, as_err *err) AS_MUST_USE;

// Result text on stdout; AS_UNMEASURED when it cannot be written.
as_rc as_outputs_print(as_str text, as_err *err) AS_MUST_USE;

bool as_outputs_color(bool no_color); // stdout is a terminal and colours are wanted
size_t as_outputs_columns(void);      // width of the terminal on stdout, 80 if it is none

#endif
