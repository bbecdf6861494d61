// SPDX-License-Identifier: Apache-2.0
// findings.h - what a reader wants beside the numbers of the summary: which classes are mixed up,
// which cases failed, what changed since the baseline. Computed by metrics and runner, drawn by
// reports. Plain values; views into the arena of whoever filled them in.
#ifndef AS_FINDINGS_H
#define AS_FINDINGS_H

#include "harness/record/sample.h"
#include "harness/record/summary.h"

// Rows are the expected labels, columns the predicted ones; labels in byte order, over both.
typedef struct as_confusion {
    const as_str *labels;  // [count]
    const uint64_t *cells; // [count][count]
    size_t count;          // 0: the suite is no classification
} as_confusion;

// One metric of two runs over the same cases. delta is b - a; a is the baseline.
typedef struct as_delta {
    as_str name, slice; // slice empty: all cases
    double a, b, delta;
    as_interval ci; // 95 %, of delta
    double p;       // two-sided
    double mde;     // smallest drop these cases would show 8 times in 10
    uint64_t broke, fixed, n;
    as_str method;
    double p_drop; // one-sided, of getting worse
    double q;      // slices: p_drop after Benjamini & Hochberg over all slices; else NaN
} as_delta;

// A case whose score on the first metric went to wrong or to right between two runs.
typedef struct as_flip {
    as_str id;
    as_str input; // what a person needs to see of the case; may be empty
    as_str expected;
    as_str before, after; // predictions
    double before_score, after_score;
    as_str file; // of the golden case, from the top of its repository; empty: not known
    size_t line; // in it, from 1
} as_flip;

// A case that scored below 1 on the first metric, to be read.
typedef struct as_failure {
    as_str id, input, expected, prediction, output, error;
    as_outcome outcome;
    uint64_t sample; // which answer this is, where the case has several; the score is of all
    double score;    // NaN when it could not be scored
    double margin;   // choice: log-probability of the prediction minus that of the reference
    const as_str *slices;
    size_t slice_count;
    as_str file; // of the golden case, as of a flip
    size_t line;
} as_failure;

typedef struct as_findings {
    as_confusion confusion;
    const as_failure *failures; // the first `failure_count` of `failure_total`
    size_t failure_count;
    uint64_t failure_total;
    const as_delta *deltas; // against the baseline
    size_t delta_count;
    const as_flip *flips;
    size_t flip_count;
    const double *latencies_ms; // sorted ascending
    size_t latency_count;
} as_findings;

#endif
