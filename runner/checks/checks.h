// SPDX-License-Identifier: Apache-2.0
// checks.h - the verdicts of command, javascript, python, ruby and webhook, which metrics cannot
// get themselves (metrics/families/checked.c): runs the suite's programs, and asks its services.
//
// One after the other on the calling thread. Programs are refused without --allow-commands, a
// service of another machine without --allow-host.
#ifndef AS_CHECKS_H
#define AS_CHECKS_H

#include "metrics/scorer.h"
#include "runner/args.h"

typedef struct as_checks as_checks;

// Paths and programs are relative to base_dir. *out is NULL when no metric needs one.
as_rc as_checks_new(const as_metric_spec *specs, size_t count, as_str base_dir, const as_args *args,
                    as_checks **out, as_err *err) AS_MUST_USE;
void as_checks_free(as_checks *checks);

// Sets `checks` of a sample that is no error; memory from `arena`. `vars` is the case, or NULL.
// AS_UNMEASURED when a program cannot be started.
as_rc as_checks_fill(as_checks *checks, as_arena *arena, as_sample *sample, const as_json *vars,
                     as_str prompt, as_err *err) AS_MUST_USE;

#endif
