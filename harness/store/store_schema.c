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
    NULL,
};
