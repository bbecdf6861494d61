// SPDX-License-Identifier: Apache-2.0
// gate.h - verdicts: worse, not worse, or cannot tell.
//
//   METRIC[FIELD=VALUE] OP NUMBER [UNIT] [prove]   threshold; OP is >= > <= < ==
//   METRIC[FIELD=VALUE] every OP NUMBER [UNIT]     must-pass cases (canaries): each by itself
//   METRIC[FIELD=VALUE] drop <= NUMBER [UNIT] [prove]   paired with the baseline, margin NUMBER
//   METRIC[FIELD=*] ...                            one gate for every value of the field
//
// A threshold holds the value itself against the limit; with `prove` its one-sided 95 % bound
// (shares: Clopper-Pearson): pass if the bound keeps the limit, fail if the other bound misses it,
// else undecided.
//
// A drop gate (margin d, one-sided alpha 0.05): pass if the lower bound of the change is above -d;
// fail if the drop is proven (Holm over the suite's drop gates); else undecided. With `prove` an
// undecided gate is exit code 4. For metrics where lower is better a drop is a rise, and may be
// written so: `latency.p95 rise <= 10%`. Times and costs in % are compared as ratios, case by case
// on the logarithm (quantiles: the ratio of both runs' quantiles).
//
// Missing answers: a gate that holds is unmeasurable if it would not hold had every missing answer
// been the worst; a drop gate also if it would turn had they been the best.
//
// Error rates in simulation (tests/metrics/calibrate.c, 4,000 pairs of runs a scenario, nominal 5
// %):
//   unchanged model fails          shares of 20 to 2,000 cases 2.6-5.1 %; weighted 2.5-4.9 %; 8 to
//                                  200 clusters 0.6-5.4 %; skewed scores 1.0-5.8 %; macro-F1 and
//                                  MCC 3.1-5.4 % (1,000 pairs)
//   a drop of the margin passes    3.5-5.5 %; 4.5-4.9 %; 0.0-5.5 %; 1.5-4.9 %; 0.0-3.3 %
// Above nominal by more than chance: skewed scores whose rare gains outweigh many small losses, 5.8
// % at 200 cases. Below it: whole clusters that flip, and fewer than 10 changes, which is the price
// of never taking few changes for knowledge.
//
// Sources: McNemar mid-p: Fagerland, Lydersen, Laake 2013;
// Tango 1998; cluster-robust: Liang & Zeger 1986, CR1 with t(G-1).
#ifndef AS_GATE_H
#define AS_GATE_H

#include "metrics/scorer.h"

typedef enum as_gate_op { AS_GE, AS_GT, AS_LE, AS_LT, AS_EQ, AS_DROP } as_gate_op;

typedef struct as_gate_spec {
    as_str text;   // as written
    as_str metric; // "accuracy", "latency.p95", "cost.per_case", "errors"
    as_str slice;  // "tag=critical"; empty for all. The list field `tags` gives slices tag=x;
                   // [tags=x] is read as that too; "channel=*" for every value
    as_str rest;   // of the text, after the slice
    as_gate_op op;
    double limit; // in the metric's own unit: ms for latencies, share for errors
    bool prove, every;
    bool relative; // a drop as a share of the baseline
} as_gate_spec;

// The error says what was expected and where in the text (column from 1). The metric's name is
// checked too (nearest one named); whether the run has it is as_gate_judge's business.
as_rc as_gate_parse(as_arena *arena, as_str text, as_gate_spec *out, as_err *err) AS_MUST_USE;

// The same, where the names that a suite gives its metrics with `as` are valid too.
as_rc as_gate_parse_in(as_arena *arena, as_str text, const as_metric_spec *metrics,
                       size_t metric_count, as_gate_spec *out, as_err *err) AS_MUST_USE;

// The gates with those on every slice of a field written out, a gate a slice; one whose field no
// slice has stays as it is. *count becomes their number.
const as_gate_spec *as_gate_expand(as_arena *arena, const as_gate_spec *specs, size_t *count,
                                   const as_str *slices, size_t slice_count);

// Judges all gates. `base` is NULL without a baseline (drop gates are then AS_NO_BASELINE).
// A metric that is undefined or missing is AS_UNMEASURABLE. The overall verdict is the worst:
// unmeasurable, fail, undecided, no_baseline, pass.
void as_gate_judge(as_arena *arena, const as_gate_spec *specs, size_t count,
                   const as_summary *summary, as_scorer *now, as_scorer *base, as_str baseline_run,
                   as_gate *out);

// The same at the end of a sequential run that was not stopped: drops fail at 0.04, and pass by the
// 97.5 % bound, so that what was spent on looking is paid for.
void as_gate_judge_rest(as_arena *arena, const as_gate_spec *specs, size_t count,
                        const as_summary *summary, as_scorer *now, as_scorer *base,
                        as_str baseline_run, as_gate *out);

// The exit code of a judged gate: 0, 1, 3 or 4; `strict` makes an undecided drop gate 4. Without a
// baseline nothing can be proven and nothing fails: 0.
int as_gate_exit_code(const as_gate *gate, bool strict);

// The most serious of some verdicts: unmeasurable, fail, undecided, no baseline, pass.
as_verdict as_gate_worst(const as_check *checks, size_t count);

// False for a metric that the scorer does not have.
bool as_gate_lower_is_better(const as_scorer *scorer, as_str metric);

// Every metric of both scorers over the cases they share; all slices too when `slices` is true.
void as_compare(as_arena *arena, as_scorer *a, as_scorer *b, bool slices, const as_delta **out,
                size_t *count);

// Cases that both hold, that neither errs on, and how many stand only in one.
typedef struct as_pairing {
    uint64_t shared, only_a, only_b, missing; // missing: in both, an error in one
} as_pairing;
as_pairing as_pair_count(as_scorer *a, as_scorer *b);

#endif
