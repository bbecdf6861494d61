// SPDX-License-Identifier: Apache-2.0
// svg_trend.h - one metric over runs, as a drawing: band, line, verdicts, gates, changes.
#ifndef AS_SVG_TREND_H
#define AS_SVG_TREND_H

#include "reports/svg.h"

typedef struct as_svg_point {
    double value; // NaN: a gap
    as_interval ci;
    as_verdict verdict;
    const char *change; // what is new in this run ("model"): our own words; NULL for nothing
    as_str release;     // the run's tags; content, empty for none
    unsigned event;     // number of the shift that begins here; 0: none
} as_svg_point;

enum { AS_SVG_GATES_MAX = 4 };

typedef struct as_svg_trend {
    as_str name;                // content
    const as_svg_point *points; // oldest first
    size_t count;
    as_unit unit;
    double gates[AS_SVG_GATES_MAX]; // limits of the newest run's threshold gates
    const char *gate_ops[AS_SVG_GATES_MAX];
    size_t gate_count;
    bool small; // a small multiple: no words but the axis
} as_svg_trend;

// The axis that holds all values, intervals and gates.
as_axis as_svg_trend_axis(const as_svg_trend *trend);

// Carries its values as text for page.js (hover, arrow keys).
void as_svg_trend_draw(as_buf *out, const as_svg_trend *trend, const as_axis *axis);

// The past of a case, a run a step to the right: right is a thin line, wrong a bar, an error a
// hollow bar.
void as_svg_strip(as_buf *out, const char *marks, size_t count);

#endif
