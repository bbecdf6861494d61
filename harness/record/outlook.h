// SPDX-License-Identifier: Apache-2.0
// outlook.h - what a run of a suite would take, and what it could and could not show: worked out
// before anything is spent. Values only; runner fills them in, reports draw them.
#ifndef AS_OUTLOOK_H
#define AS_OUTLOOK_H

#include "harness/base/str.h"

// What one gate, or one slice, can tell with the cases there are.
typedef struct as_outlook_row {
    as_str gate;          // as written; empty for a slice without a gate of its own
    as_str metric, slice; // slice empty: all cases
    uint64_t cases, clusters;
    double margin;   // of a drop; NaN for thresholds
    double mde;      // drops from this on show 8 times in 10; thresholds: distances from the limit
    uint64_t needed; // cases to show or rule out a drop of `margin`; 0: these are enough
    bool drop, relative;
    bool known;    // mde is; else there is nothing to go by before two runs are in the history
    bool measured; // the spread is that of earlier runs, not assumed
} as_outlook_row;

typedef struct as_outlook {
    as_str suite, target;
    uint64_t cases, skipped, clusters;
    double tokens_in, tokens_out, time_s, cost; // of the whole run; NaN: not known
    as_str currency;
    as_str basis; // what these are taken from: "run ...", "8 rehearsed cases", "the prompts' sizes"
    double flips; // share of cases that turn between two runs
    as_str spread; // what that is taken from
    const as_outlook_row *rows;
    size_t count;
} as_outlook;

#endif
