// SPDX-License-Identifier: Apache-2.0
// judge.h - from a scored run to its verdict: finds the baseline, judges the gates, gathers the
// findings. Shared by run, gate and report.
#ifndef AS_JUDGE_H
#define AS_JUDGE_H

#include "metrics/gates/sequential.h"
#include "runner/review.h"

typedef struct as_judgement {
    as_source base;        // valid if has_base
    bool has_base, looked; // looked: the search for it is over
    as_scorer *base_scorer;
    as_findings findings;
} as_judgement;

typedef struct as_judge_request {
    as_str baseline;  // REF; empty: the latest comparable run in the store, if any; "none"
    as_str store_url; // empty: no history
    as_store **store; // opened on need
    const as_source *now;
    as_scorer *now_scorer;
    const as_metric_spec *metrics;
    size_t metric_count;
    const as_gate_spec *gates;
    size_t gate_count;
    const as_plan *plan;       // for the inputs of cases; may be NULL
    as_sequential *sequential; // of a sequential run; else NULL
} as_judge_request;

// Finds and scores the baseline before there is anything to judge. `out` starts zeroed.
as_rc as_judge_baseline(as_arena *arena, const as_judge_request *request, const as_summary *now,
                        as_judgement *out, as_err *err) AS_MUST_USE;

// Sets summary->gate and fills `out`, which starts zeroed or from as_judge_baseline.
as_rc as_judge(as_arena *arena, const as_judge_request *request, as_summary *summary,
               as_judgement *out, as_err *err) AS_MUST_USE;
void as_judgement_free(as_judgement *judgement);

#endif
