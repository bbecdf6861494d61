// SPDX-License-Identifier: Apache-2.0
// source.h - a finished run, wherever it is: in the history, or as files. What a REF on the command
// line resolves to.
#ifndef AS_SOURCE_H
#define AS_SOURCE_H

#include "harness/store/store.h"
#include "metrics/scorer.h"
#include "runner/judging/failing.h"

typedef struct as_source {
    as_summary summary; // a bare results.jsonl has only what can be counted from it
    bool has_summary;
    const char *journal;       // results.jsonl; NULL: the samples are in the store
    as_store *store;           // not owned
    const as_failing *failing; // of all its samples, where they were looked at already; or NULL
} as_source;

// REF: a path to results.jsonl, to summary.json or to a run's directory, else a reference of the
// store (see store.h), which is opened only then, into *store if that is NULL.
as_rc as_source_find(as_arena *arena, as_str reference, as_str store_url, as_store **store,
                     as_str suite, as_source *out, as_err *err) AS_MUST_USE;

// The run that a reference of the store names: those of store.h, merge-base and merge-base:BRANCH
// (the newest run of the commit where HEAD left the branch, or of the nearest one before it).
// *run is empty when latest or merge-base find none: that is no error.
as_rc as_source_run(as_arena *arena, as_str reference, as_store *store, as_str suite,
                    as_str not_run, as_str *run, as_err *err) AS_MUST_USE;

bool as_source_is_merge_base(as_str reference);

as_rc as_source_visit(const as_source *source, as_sample_visit *each, void *context,
                      as_err *err) AS_MUST_USE;

// A new scorer filled with the source's samples. AS_INVALID for a run whose texts were redacted so
// that scoring it again does not give what its summary says.
as_rc as_source_score(const as_source *source, const as_metric_spec *specs, size_t count,
                      as_scorer **out, as_err *err) AS_MUST_USE;

// The metrics that the run was scored with, from its summary; without one, those that its first
// sample has scores for.
as_rc as_source_metrics(const as_source *source, as_arena *arena, const as_metric_spec **out,
                        size_t *count, as_err *err) AS_MUST_USE;

#endif
