// SPDX-License-Identifier: Apache-2.0
// svg.h - drawings made on the server side: they need no script and print as they look.
//
// Where it can be, x is in percent and sizes in pixels, so that a drawing is as wide as its place
// while text and strokes keep their size. Colours are classes of page.css. Every drawing that
// says something has a text alternative; one that repeats numbers beside it is hidden from readers.
#ifndef AS_SVG_H
#define AS_SVG_H

#include "harness/record/findings.h"
#include "reports/figures.h"

typedef struct as_axis {
    double lo, hi; // lo < hi
    double step;   // between ticks
    as_unit unit;
    bool change; // differences: ticks carry a sign, zero is marked
} as_axis;

// Round ends and a step for the values lo..hi; zero is on an axis of changes. Shares do not go past
// 100% because of rounding.
as_axis as_axis_over(double lo, double hi, as_unit unit, bool change);

size_t as_axis_count(const as_axis *axis); // of ticks
as_figure as_axis_tick(const as_axis *axis, double value);

double as_axis_percent(const as_axis *axis, double value); // 0..100, clamped

void as_svg_ticks(as_buf *out, const as_axis *axis); // the scale above a column of intervals

// A dot and its interval. `mark` is a hollow diamond for the baseline's value, NaN for none;
// `line` a thin upright for a value all rows share, NaN for none. `style` is a class for the dot.
void as_svg_interval(as_buf *out, const as_axis *axis, double value, as_interval ci, double mark,
                     double line, const char *style);

// Confusion counts, coloured by their share of the row: right ones on the diagonal in one hue,
// wrong ones in another. At most AS_SVG_HEAT_MAX labels.
enum { AS_SVG_HEAT_MAX = 40 };
void as_svg_heat(as_buf *out, const as_confusion *confusion);

// Latencies, ascending; logarithmic when they span much. Percentiles are marked.
void as_svg_histogram(as_buf *out, const double *ms, size_t count, const as_latency *latency);

#endif
