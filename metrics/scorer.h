// SPDX-License-Identifier: Apache-2.0
// scorer.h - the metrics of a suite over a stream of samples.
//
// One scorer takes one run's samples in any order, scores each, and keeps only what intervals and
// paired comparisons need: per case one score a metric and the sparse sufficient statistics of the
// corpus metrics (a confusion cell, span counts). The result does not depend on the order.
// One thread at a time; owns all it keeps.
#ifndef AS_SCORER_H
#define AS_SCORER_H

#include "harness/base/yaml.h"
#include "harness/record/findings.h"
#include "harness/record/sample.h"
#include "harness/record/summary.h"

// A metric as a suite asks for it. `options` is the suite's map {name: ..., option: ...} or NULL.
typedef struct as_metric_spec {
    as_str name;            // "f1_macro"
    const as_yaml *options; // also says file position for errors; may be NULL
    as_str dir;             // that paths in the options start from; empty: the working directory
} as_metric_spec;

typedef struct as_scorer as_scorer;

// Resolves every name and option. The error names the nearest metric or option.
as_rc as_scorer_new(const as_metric_spec *specs, size_t count, as_scorer **out,
                    as_err *err) AS_MUST_USE;
void as_scorer_free(as_scorer *scorer);

// Checks one spec without making anything: for reporting all mistakes of a suite in one go.
as_rc as_metric_check(const as_metric_spec *spec, as_err *err) AS_MUST_USE;

// Several answers to a case (sample->sample) count as one case whose score is their mean; the
// confusion matrix, times and outcomes are of answers.
// Scores one sample: sets its scores and score_count (memory from `arena`, names the scorer's;
// NULL: nobody wants them) and keeps what is needed. A sample whose outcome is an error gets null
// scores and is missing from every metric but `errors`. AS_INVALID when the case's `expected` has a
// form that a metric cannot use.
as_rc as_scorer_add(as_scorer *scorer, as_arena *arena, as_sample *sample, as_err *err) AS_MUST_USE;

// The same with what an as_forescorer of the same specs made of the sample (NULL: nothing).
typedef struct as_foretold as_foretold;
as_rc as_scorer_add_foretold(as_scorer *scorer, as_arena *arena, as_sample *sample,
                             const as_foretold *foretold, as_err *err) AS_MUST_USE;

// Works out beforehand, on another thread than the scorer's, what takes long: scores of metrics
// that look at the texts of a sample and nothing else. One thread at a time.
typedef struct as_forescorer as_forescorer;
// `specs` are those that the scorer was made of; *out is NULL where none of them takes long.
as_rc as_forescorer_new(const as_scorer *scorer, const as_metric_spec *specs, as_forescorer **out,
                        as_err *err) AS_MUST_USE;
void as_forescorer_free(as_forescorer *fore); // NULL is fine
// In `arena`; NULL: the sample has no scores. What cannot be scored is left to the scorer, which
// says why.
const as_foretold *as_forescorer_score(as_forescorer *fore, as_arena *arena,
                                       const as_sample *sample);

// Whether some answer to some case was added twice, and which: a mistake of whoever recorded them.
// Seals.
bool as_scorer_twice(as_scorer *scorer, as_arena *arena, as_str *id, uint64_t *sample);

// Looks for where the second of two such answers stands, among the samples in their order: fails
// there, so that whoever reads them can say the place. `met` is false at the start.
typedef struct as_twins {
    as_str id; // empty: none is looked for
    uint64_t sample;
    bool met;
} as_twins;
as_rc as_twins_look(as_twins *twins, const as_sample *sample, as_err *err) AS_MUST_USE;

// Scores one sample and keeps nothing: only to see whether it can be.
as_rc as_scorer_try(as_scorer *scorer, const as_sample *sample, as_err *err) AS_MUST_USE;

// Fills the summary's metrics, slices, latency, ttft, tpot, outcomes, ok, errors, cost and token
// sums from what was added; total too where it is 0. wall_s must be set.
void as_scorer_summarize(as_scorer *scorer, as_arena *arena, as_summary *summary);

// The confusion matrix of a run with a classification metric; count 0 otherwise.
void as_scorer_confusion(as_scorer *scorer, as_arena *arena, as_confusion *out);

// The score of a case by the first metric, over all its answers; NaN: none. Seals.
double as_scorer_case(as_scorer *scorer, as_str id);

// Latencies of the cases that are no errors, ascending; of more than this, as many evenly spaced
// ones, the least and the largest among them.
enum { AS_SCORER_LATENCIES_MAX = 65536 };
void as_scorer_latencies(as_scorer *scorer, as_arena *arena, const double **out, size_t *count);

// The cases that both scorers hold, in the order of their ids, with their scores by the first
// metric of each (over all answers; NaN: none). Seals both.
typedef struct as_scorer_pair {
    as_str id; // valid until the next
    double a, b;
} as_scorer_pair;
typedef struct as_scorer_pairs as_scorer_pairs;
as_scorer_pairs *as_scorer_pairs_open(as_scorer *a, as_scorer *b);
bool as_scorer_pairs_next(as_scorer_pairs *pairs, as_scorer_pair *out); // false at the end
void as_scorer_pairs_close(as_scorer_pairs *pairs);

// All metrics by family with their options, definitions and sources; or one, false when there is
// none of that name.
void as_metric_help(as_buf *out);
bool as_metric_help_one(as_buf *out, as_str name);

// All metric names, NULL-terminated, for nearest-name messages.
const char *const *as_metric_names(void);

#endif
