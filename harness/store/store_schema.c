// SPDX-License-Identifier: Apache-2.0
#include "harness/store/store_schema.h"

#include <stddef.h>

const char *const as_store_schema_steps[] = {
    // 1
    "CREATE TABLE runs ("
    " run TEXT NOT NULL PRIMARY KEY,"
    " suite TEXT NOT NULL,"
    " started TEXT NOT NULL,"
    " wall_s DOUBLE PRECISION NOT NULL,"
    " target TEXT NOT NULL,"
    " model TEXT NOT NULL,"
    " model_sha256 TEXT NOT NULL,"
    " suite_sha256 TEXT NOT NULL,"
    " dataset_sha256 TEXT NOT NULL,"
    " git_commit TEXT NOT NULL,"
    " git_branch TEXT NOT NULL,"
    " git_dirty INTEGER NOT NULL,"
    " cases BIGINT NOT NULL,"
    " errors BIGINT NOT NULL,"
    " verdict TEXT NOT NULL,"
    " scores_digest TEXT NOT NULL,"
    " summary TEXT NOT NULL);"
    "CREATE INDEX runs_by_suite ON runs (suite, run);"
    "CREATE TABLE metrics ("
    " run TEXT NOT NULL REFERENCES runs (run) ON DELETE CASCADE,"
    " slice TEXT NOT NULL,"
    " metric TEXT NOT NULL,"
    " value DOUBLE PRECISION,"
    " lo DOUBLE PRECISION,"
    " hi DOUBLE PRECISION,"
    " n BIGINT NOT NULL,"
    " PRIMARY KEY (run, slice, metric));"
    "CREATE TABLE samples ("
    " run TEXT NOT NULL REFERENCES runs (run) ON DELETE CASCADE,"
    " case_id TEXT NOT NULL,"
    " outcome TEXT NOT NULL,"
    " score DOUBLE PRECISION,"
    " line TEXT NOT NULL,"
    " PRIMARY KEY (run, case_id));"
    "CREATE INDEX samples_by_case ON samples (case_id, run);"
    "CREATE TABLE tags ("
    " tag TEXT NOT NULL PRIMARY KEY,"
    " run TEXT NOT NULL REFERENCES runs (run) ON DELETE CASCADE);",
    // 2
    "ALTER TABLE runs ADD COLUMN redacted TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE samples ADD COLUMN expected_text TEXT;"
    "ALTER TABLE samples ADD COLUMN prediction_text TEXT;"
    "ALTER TABLE samples ADD COLUMN output_text TEXT;"
    "CREATE TABLE texts ("
    " sha256 TEXT NOT NULL PRIMARY KEY,"
    " text TEXT NOT NULL);"
    "CREATE TABLE accepted ("
    " run TEXT NOT NULL PRIMARY KEY REFERENCES runs (run) ON DELETE CASCADE,"
    " accepted_at TEXT NOT NULL,"
    " who TEXT NOT NULL,"
    " why TEXT NOT NULL);"
    "CREATE TABLE audit ("
    " happened_at TEXT NOT NULL,"
    " who TEXT NOT NULL,"
    " action TEXT NOT NULL,"
    " suite TEXT NOT NULL,"
    " run TEXT NOT NULL,"
    " gate TEXT NOT NULL,"
    " why TEXT NOT NULL);"
    "CREATE INDEX audit_by_suite ON audit (suite, happened_at);",
    // 3: one case over many runs is found run by run, by key; an index by case would put every row
    // of a run on a page of its own.
    // PostgreSQL would look up the run once a row; pruning deletes the samples itself.
    "DROP INDEX samples_by_case;"
    "--pg ALTER TABLE samples DROP CONSTRAINT samples_run_fkey;\n",
    // 4: SQLite keeps a sample once, under its key, not in a table and an index of it. PostgreSQL
    // keeps the samples of a month in a table of their own, which the driver makes when it is
    // needed; what was there, and runs whose names do not begin with a month, are the rest. Several
    // answers to a case are a row each; `sample` counts them from 0.
    "--lite CREATE TABLE samples_new (\n"
    "--lite  run TEXT NOT NULL,\n"
    "--lite  case_id TEXT NOT NULL,\n"
    "--lite  sample INTEGER NOT NULL DEFAULT 0,\n"
    "--lite  outcome TEXT NOT NULL,\n"
    "--lite  score DOUBLE PRECISION,\n"
    "--lite  line TEXT NOT NULL,\n"
    "--lite  expected_text TEXT,\n"
    "--lite  prediction_text TEXT,\n"
    "--lite  output_text TEXT,\n"
    "--lite  PRIMARY KEY (run, case_id, sample)) WITHOUT ROWID;\n"
    "--lite INSERT INTO samples_new SELECT run, case_id, 0, outcome, score, line, expected_text,\n"
    "--lite  prediction_text, output_text FROM samples ORDER BY run, case_id;\n"
    "--lite DROP TABLE samples;\n"
    "--lite ALTER TABLE samples_new RENAME TO samples;\n"
    "--pg ALTER TABLE samples ADD COLUMN sample INTEGER NOT NULL DEFAULT 0;\n"
    "--pg ALTER TABLE samples DROP CONSTRAINT samples_pkey;\n"
    "--pg ALTER TABLE samples ADD CONSTRAINT samples_pkey PRIMARY KEY (run, case_id, sample);\n"
    "--pg ALTER TABLE samples RENAME TO samples_rest;\n"
    "--pg ALTER INDEX samples_pkey RENAME TO samples_rest_pkey;\n"
    "--pg CREATE TABLE samples (LIKE samples_rest INCLUDING INDEXES INCLUDING DEFAULTS)\n"
    "--pg  PARTITION BY RANGE (run);\n"
    "--pg ALTER TABLE samples ATTACH PARTITION samples_rest DEFAULT;\n",
    NULL,
};
