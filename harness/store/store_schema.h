// SPDX-License-Identifier: Apache-2.0
// store_schema.h - the tables of the history, as the steps that made them. Steps are only ever
// appended: a database at step n runs the ones after it. The SQL is the common subset of SQLite
// and PostgreSQL; what stands after "--pg " up to the end of its line is for PostgreSQL alone.
//
//   runs      one row a finished run. `summary` is summary.json; the columns beside it repeat what
//             people search and draw by. `redacted` names the fields that --redact changed.
//   metrics   one row a run, slice and metric: what a dashboard charts. slice '' is all cases;
//             value, lo and hi are NULL when undefined. Written with the run, so that a trend
//             never reads samples; `assay history rebuild` makes it again from them.
//   samples   one row a run and case: `line` is the journal's line, `score` its first metric.
//             Where expected_text, prediction_text or output_text is set, that text is not in the
//             line but in texts: prediction and output as they are, expected as JSON.
//   texts     texts longer than 256 bytes, once each, by the SHA-256 of their bytes.
//   tags      a name for a run.
//   accepted  runs that somebody took as baselines whatever their verdict.
//   audit     what people did to the history, only ever appended: action is accept, tag, prune, or
//             loosen (a suite's gate became weaker than in the run before).
//   assay_schema (PostgreSQL), PRAGMA user_version (SQLite): how many steps have been run.
#ifndef AS_STORE_SCHEMA_H
#define AS_STORE_SCHEMA_H

// Each entry is one migration; NULL ends the list.
extern const char *const as_store_schema_steps[];

#endif
