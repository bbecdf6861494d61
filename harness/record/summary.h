// SPDX-License-Identifier: Apache-2.0
// summary.h - what a run came to: the record behind summary.json, the history and every report.
// Values only; metrics computes them, reports draws them. Undefined numbers are NaN here and null
// in JSON. Strings and arrays are views into the arena of whoever filled them in.
#ifndef AS_SUMMARY_H
#define AS_SUMMARY_H

#include "harness/base/json.h"
#include "harness/record/serving.h"

enum { AS_SUMMARY_SCHEMA = 1 };

typedef struct as_interval {
    double lo, hi; // 95 %; NaN when undefined
} as_interval;

// Cases whose confidence lies in (lo, hi]: how sure their answers were, and how often right.
typedef struct as_bin {
    double lo, hi, cases, confidence, accuracy; // the last two NaN without cases
} as_bin;

// What a judge's verdicts come to beside their mean (metrics/judged).
typedef struct as_judge_sum {
    uint64_t asked;          // answers that the judge was asked for
    uint64_t failed, unread; // that did not come, or were not what was asked for
    uint64_t empty, split;   // nothing to judge; two orders of a pair disagree
    uint64_t cached;         // taken from the cache
    uint64_t tokens_in, tokens_out;
    double cost;                    // not part of the run's
    uint64_t humans;                // cases that a person has judged too
    double agreement, kappa, alpha; // of judge and person; NaN: undefined
    double corrected;               // the mean had people judged all
    as_interval corrected_ci;
} as_judge_sum;

typedef struct as_value {
    as_str name; // "accuracy", "f1_macro", "latency.p95"
    double value;
    as_interval ci;
    double stderr_;   // NaN where the method gives none
    uint64_t n;       // cases behind it
    as_str method;    // how the interval was made: "wilson", "cluster t", "bootstrap bca", ...
    as_str spec;      // JSON of the suite's map when the metric has options; empty for a bare name
    as_str signature; // what else decides it: "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|..."
    const as_bin *bins; // [bin_count] of a reliability diagram; 0 for most metrics
    size_t bin_count;
    // Several answers a case: variance of the score among the answers to one case and among cases,
    // and cases that flip more than they should. answers 0: one each.
    uint64_t answers, flaky;
    double within, between;
    const as_judge_sum *judge; // NULL: no judge was asked
} as_value;

typedef struct as_slice_values {
    as_str slice; // "tag=edge"
    const as_value *values;
    size_t count;
} as_slice_values;

typedef enum as_verdict {
    AS_PASS,
    AS_FAIL,
    AS_UNDECIDED,
    AS_NO_BASELINE,
    AS_UNMEASURABLE, // metric undefined, baseline not comparable: exit code 3
} as_verdict;

const char *as_verdict_name(as_verdict verdict); // "pass", "fail", "undecided", ...

typedef struct as_check {
    as_str gate;           // as written in the suite
    as_str metric;         // "accuracy"
    as_str slice;          // "tag=critical"; empty for all cases
    double value;          // now
    double baseline;       // NaN for thresholds
    double delta;          // value - baseline
    double limit;          // the number in the gate
    as_interval ci;        // of delta (90 %, so its ends are one-sided 95 % bounds), or of value
    double p;              // of the drop, one-sided, Holm-adjusted; NaN for thresholds
    double mde;            // smallest drop that this many cases would show 8 times in 10
    uint64_t broke, fixed; // flips: right to wrong, wrong to right
    uint64_t n;            // paired cases, or cases
    uint64_t needed;       // cases that would decide it; 0 when decided or not known
    bool prove;            // a `prove` gate: undecided is exit code 4
    bool relative;         // delta, ci, limit and mde are shares of the baseline
    as_verdict verdict;
    as_str method; // "mcnemar mid-p", "cluster t", "sign flip", "randomisation", "threshold"
    as_str note;   // one sentence for a person, for example why it is undecided
} as_check;

typedef struct as_gate {
    as_verdict verdict;
    as_str baseline; // run id; empty without one
    const as_check *checks;
    size_t count;
} as_gate;

typedef struct as_latency {
    double p50, p90, p95, p99, max, mean; // ms; nearest rank; NaN: none, p99 of under 100
} as_latency;

typedef struct as_summary {
    as_str run;          // id: sorts by start time
    as_str suite;        // name
    as_str suite_sha256; // of the suite as it was resolved
    as_str suite_path;
    as_str description;
    as_str dataset_sha256;
    uint64_t dataset_cases;
    as_str target_uri, model_sha256, model_name, device, engine;
    as_str chat_template_sha256;   // of the model's own; empty: not known
    uint64_t memory_bytes;         // of the model's weights; 0: not known
    as_str git_commit, git_branch; // empty outside a repository
    bool git_dirty;
    as_str started; // RFC 3339
    double wall_s;
    uint64_t total, ok, errors, skipped; // cases; ok: every answer to it came
    uint64_t answers, answer_errors;     // where cases have several; answers 0: one each
    uint64_t outcomes[8];                // of answers, by as_outcome
    const as_value *metrics;
    size_t metric_count;
    const as_slice_values *slices;
    size_t slice_count;
    as_latency latency, ttft, tpot;
    as_str p99_withheld; // why there is none; empty where there is
    double cases_per_s, tokens_in_per_s, tokens_out_per_s;
    uint64_t tokens_in, tokens_out;
    double cost_total, cost_per_case;
    as_str currency;
    as_str scores_digest;
    bool sequential; // cases came in a drawn order, and the run could be stopped early
    bool stopped;    // and was
    uint64_t order_seed, planned;
    as_serving serving;
    as_gate gate;
} as_summary;

// The JSON of contract.md; indented, newline at the end.
void as_summary_write(as_buf *buf, const as_summary *summary);
as_rc as_summary_read(as_arena *arena, as_str text, as_summary *out, as_err *err) AS_MUST_USE;

// The object of metrics alone, for `assay score`.
void as_values_write(as_json_out *out, const as_value *values, size_t count);

// The gate object alone, for `assay gate` and `assay compare`.
void as_gate_write(as_json_out *out, const as_gate *gate);

// The value of a metric, on a slice unless that is empty; NULL when there is none.
const as_value *as_summary_value(const as_summary *summary, as_str metric, as_str slice);

#endif
