// SPDX-License-Identifier: Apache-2.0
// fixture.h - what the tests of this folder share: samples made by hand, scorers fed with them,
// reference values read from .tsv files. Failures end the test.
#ifndef AS_FIXTURE_H
#define AS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "metrics/scorer.h"

// A sample with outcome ok. `expected` is JSON; `prediction` NULL means that there is none.
as_sample fixture_sample(as_arena *arena, const char *id, const char *expected,
                         const char *prediction);

// A scorer of metrics, one a line of text: "accuracy" or YAML such as "{name: span_f1, as: s}".
as_scorer *fixture_scorer(as_arena *arena, const char *const *metrics);
as_rc fixture_scorer_try(as_arena *arena, const char *const *metrics, as_scorer **out, as_err *err);

void fixture_add(as_scorer *scorer, as_arena *arena, as_sample sample);
const as_value *fixture_value(const as_summary *summary, const char *metric, const char *slice);

// One row of a .tsv file, cut at tabs. Comments ("#") are left out.
enum { FIXTURE_CELLS_MAX = 12 };
typedef struct fixture_row {
    as_str cells[FIXTURE_CELLS_MAX];
    size_t count;
} fixture_row;
size_t fixture_read(as_arena *arena, const char *path, fixture_row **out);
double fixture_number(as_str cell);
size_t fixture_numbers(as_arena *arena, as_str cell, double **out); // separated by blanks

// |got - want| <= tolerance * max(1e-300, |want|), or both NaN.
void fixture_near(double got, double want, double tolerance, const char *what);

#endif
