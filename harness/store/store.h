// SPDX-License-Identifier: Apache-2.0
// store.h - the history: finished runs and their samples. One contract for every database.
//
// A run is visible entirely or not at all: as_store_put writes it in one transaction, from the
// summary and the journal, and does nothing if the run is already there (so a journal can be
// imported twice). A dropped connection is made again, and what it broke off is done again, where
// nothing was given out yet. One thread at a time; a visitor must not ask the same store anything.
// Failures are AS_UNMEASURED; a reference that names nothing is AS_INVALID.
#ifndef AS_STORE_H
#define AS_STORE_H

#include "harness/record/journal.h"
#include "harness/record/summary.h"

typedef struct as_store as_store;

// A URL: "sqlite:PATH" or "postgres://USER@HOST:PORT/DATABASE" (libpq's own, with its environment).
// Makes the database file and its directory, migrates it under a lock. Messages never repeat a URL:
// it may hold a password.
as_rc as_store_open(as_str url, as_store **out, as_err *err) AS_MUST_USE;
void as_store_close(as_store *store);

as_rc as_store_put(as_store *store, const as_summary *summary, const char *journal_path,
                   as_err *err) AS_MUST_USE;

// Resolves a reference to a run id in `arena`:
//   latest        newest run of `suite` that did not fail its gate (dataset_sha256 equal unless
//                 that is empty); *out is empty when there is none: not an error
//   tag:NAME, branch:NAME (newest of that branch and suite), run:ID, or a bare run id or a unique
//   prefix of one. `suite` empty: any. `not_run` is never chosen.
as_rc as_store_find(as_store *store, as_arena *arena, as_str reference, as_str suite,
                    as_str dataset_sha256, as_str not_run, as_str *out, as_err *err) AS_MUST_USE;

as_rc as_store_summary(as_store *store, as_arena *arena, as_str run, as_summary *out,
                       as_err *err) AS_MUST_USE;
as_rc as_store_samples(as_store *store, as_str run, as_sample_visit *each, void *context,
                       as_err *err) AS_MUST_USE;

// How each case of a run fared, without its text, in byte order of the ids: for many runs at once.
// NaN: no score.
typedef as_rc as_score_visit(void *context, as_str case_id, as_outcome outcome, double score,
                             as_err *err);
as_rc as_store_scores(as_store *store, as_str run, as_score_visit *each, void *context,
                      as_err *err) AS_MUST_USE;

// One case in the newest `limit` runs of a suite that have it, newest first.
typedef as_rc as_case_visit(void *context, as_str run, const as_sample *sample, as_err *err);
as_rc as_store_case(as_store *store, as_str suite, as_str case_id, size_t limit,
                    as_case_visit *each, void *context, as_err *err) AS_MUST_USE;

// Runs, newest first; `suite` empty: all. Summaries as stored. Tags comma-separated.
typedef struct as_store_run {
    as_summary summary;
    as_str tags;
} as_store_run;
as_rc as_store_list(as_store *store, as_arena *arena, as_str suite, as_str since, size_t limit,
                    const as_store_run **out, size_t *count, as_err *err) AS_MUST_USE;

// A tag names one run; setting it again moves it.
as_rc as_store_tag(as_store *store, as_str run, as_str name, as_err *err) AS_MUST_USE;

// Deletes the oldest runs of each suite but the newest `keep`; tagged runs stay. *deleted counts.
as_rc as_store_prune(as_store *store, size_t keep, uint64_t *deleted, as_err *err) AS_MUST_USE;

#endif
