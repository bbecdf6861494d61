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
#include "harness/record/redact.h"
#include "harness/record/summary.h"

typedef struct as_store as_store;

// A URL: "sqlite:PATH" or "postgres://USER@HOST:PORT/DATABASE" (libpq's own, with its environment).
// Makes the database file and its directory, migrates it under a lock. Messages never repeat a URL:
// it may hold a password.
as_rc as_store_open(as_str url, as_store **out, as_err *err) AS_MUST_USE;
void as_store_close(as_store *store);

// For the runs put from now on: what of their texts is not kept (rules of redact.h).
as_rc as_store_redact(as_store *store, const as_str *rules, size_t count, as_err *err) AS_MUST_USE;
void as_store_who(as_store *store, as_str who); // who is noted in the audit from now on

as_rc as_store_put(as_store *store, const as_summary *summary, const char *journal_path,
                   as_err *err) AS_MUST_USE;

// Resolves a reference to a run id in `arena`:
//   latest        newest run of `suite` that did not fail its gate or was accepted (dataset_sha256
//                 equal unless that is empty); *out is empty when there is none: not an error
//   accepted      newest accepted run of `suite`
//   commits:A,B,C newest such run at commit A, else at B, ...; *out may be empty
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

// Which texts of the run were changed by --redact: "output, prediction"; empty: none.
as_rc as_store_redacted(as_store *store, as_arena *arena, as_str run, as_str *out,
                        as_err *err) AS_MUST_USE;

// Runs, newest first; `suite` empty: all. Summaries as stored. Tags comma-separated.
typedef struct as_store_run {
    as_summary summary;
    as_str tags;
    bool accepted;
} as_store_run;
as_rc as_store_list(as_store *store, as_arena *arena, as_str suite, as_str since, size_t limit,
                    const as_store_run **out, size_t *count, as_err *err) AS_MUST_USE;

// A tag names one run; setting it again moves it.
as_rc as_store_tag(as_store *store, as_str run, as_str name, as_err *err) AS_MUST_USE;

// One metric of a suite over its runs, oldest first; slice empty: all cases. Reads no samples and
// no summaries.
typedef struct as_store_point {
    as_str run, started, git_commit, git_branch, verdict;
    double value; // NaN: undefined
    as_interval ci;
    uint64_t n;
} as_store_point;
as_rc as_store_trend(as_store *store, as_arena *arena, as_str suite, as_str metric, as_str slice,
                     as_str since, const as_store_point **out, size_t *count,
                     as_err *err) AS_MUST_USE;

// What became of one case in the newest `limit` runs that asked it (0: all), newest first; suite
// empty: all. Views are valid during the call.
typedef struct as_store_past {
    as_str run, suite, started, git_commit;
    const as_sample *sample;
} as_store_past;
typedef as_rc as_case_visit(void *context, const as_store_past *past, as_err *err);
as_rc as_store_case(as_store *store, as_str suite, as_str case_id, size_t limit,
                    as_case_visit *each, void *context, as_err *err) AS_MUST_USE;

// Makes a run a baseline whatever its verdict, and notes who, when, why and which gates it failed.
as_rc as_store_accept(as_store *store, const as_summary *summary, as_str why,
                      as_err *err) AS_MUST_USE;

// The audit, newest first; suite empty: all.
typedef struct as_store_event {
    as_str at, who, action, suite, run, gate, why;
} as_store_event;
as_rc as_store_events(as_store *store, as_arena *arena, as_str suite, size_t limit,
                      const as_store_event **out, size_t *count, as_err *err) AS_MUST_USE;

// Appends to the audit that somebody was told ("alert") or told that it is over ("resolve"): `what`
// stands in its column gate, `whom` in why.
as_rc as_store_told(as_store *store, bool over, const as_summary *summary, as_str what, as_str whom,
                    as_err *err) AS_MUST_USE;

// Deletes runs that are neither among the newest `keep` of their suite nor started at or after
// `before` (empty: of any age), and then the texts that no sample has any more. Never deleted:
// tagged and accepted runs, the run that `latest` names on each dataset that a kept run has, and
// the baselines of kept runs. *deleted counts runs.
as_rc as_store_prune(as_store *store, size_t keep, as_str before, uint64_t *deleted,
                     as_err *err) AS_MUST_USE;

// Puts the metrics of the summary in the place of those that the run's table rows hold.
as_rc as_store_rebuild(as_store *store, const as_summary *summary, as_err *err) AS_MUST_USE;

#endif
