// SPDX-License-Identifier: Apache-2.0
// store_schema.h - the tables of the history, as the steps that made them. Steps are only ever
// appended: a database at step n runs the ones after it. The SQL is the common subset of SQLite
// and PostgreSQL.
//
//   runs      one row a finished run. `summary` is summary.json; the columns beside it repeat what
//             people search and draw by.
//   metrics   one row a run, slice and metric: what a dashboard charts. slice '' is all cases;
//             value, lo and hi are NULL when undefined.
//   samples   one row a run and case: `line` is the journal's line, `score` its first metric.
//   tags      a name for a run.
#ifndef AS_STORE_SCHEMA_H
#define AS_STORE_SCHEMA_H

// Each entry is one migration; NULL ends the list.
extern const char *const as_store_schema_steps[];

#endif
