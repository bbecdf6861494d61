// SPDX-License-Identifier: Apache-2.0
// figures.h - numbers as people read them: 0.9123 of accuracy is "91.2%", its change "−1.8 pp".
//
// The unit of a metric follows from its name. Undefined numbers are "n/a". Any thread.
#ifndef AS_FIGURES_H
#define AS_FIGURES_H

#include "harness/record/summary.h"

typedef enum as_unit {
    AS_UNIT_SHARE,       // 0..1, shown in percent; changes in percentage points
    AS_UNIT_COEFFICIENT, // -1..1 or small: three decimals
    AS_UNIT_HUNDRED,     // 0..100 as the reference has it (BLEU): one decimal
    AS_UNIT_MS,
    AS_UNIT_MONEY,
    AS_UNIT_NUMBER, // anything else: four significant digits
    AS_UNIT_RATIO,  // a change as a share of what it was, shown in percent
} as_unit;

typedef struct as_measure {
    as_unit unit;
    bool lower; // lower is better
} as_measure;

typedef struct as_figure {
    char text[48]; // UTF-8, NUL-terminated, safe in HTML, XML and Markdown
} as_figure;

// By name; `spec` (may be empty) is the suite's map of a renamed metric, `value` decides for names
// that are not known.
as_measure as_figure_measure(as_str name, as_str spec, double value);
as_measure as_figure_check_measure(const as_summary *run, const as_check *check);
// Bytes as "512 kB", "3.3 MB" or "1.20 GB" (powers of 1000); "" of 0: not known.
as_figure as_figure_bytes(uint64_t bytes);

// The unit of a check's change: its value's, or AS_UNIT_RATIO for one in % of the baseline.
as_unit as_figure_check_change(const as_summary *run, const as_check *check);

as_figure as_figure_of(double value, as_unit unit);                // "91.2%", "0.874", "12.3 ms"
as_figure as_figure_change(double delta, as_unit unit);            // "−1.8 pp", "+0.012"
as_figure as_figure_size(double amount, as_unit unit);             // "1.8 points", "12.3 ms"
as_figure as_figure_interval(as_interval ci, as_unit unit);        // "89.5–92.7%"
as_figure as_figure_change_interval(as_interval ci, as_unit unit); // "−3.1 to −0.4 pp"
as_figure as_figure_p(double p);                                   // "0.004", "< 0.001"
as_figure as_figure_count(uint64_t count);                         // "1,212"
as_figure as_figure_seconds(double seconds);                       // "12.4 s", "3 min 20 s"

#endif
