// SPDX-License-Identifier: Apache-2.0
// store_fixture.h - an empty history for a test, in the database that the program was started for:
// SQLite, or with "postgres" as first argument the server of private_pg.py, each test in a schema
// of its own.
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/store/store.h"

typedef struct fixture {
    as_arena arena;
    char dir[32];
    as_str url;
    as_store *store;
} fixture;

extern bool on_postgres;

void choose_database(int argc, char **argv);

int set_up(void **state);        // opens the store
int set_up_closed(void **state); // leaves it to the test
int tear_down(void **state);

// SQL as an outsider would run it; ends the test when it fails.
void run_sql(const fixture *f, const char *sql);

// results.jsonl of `cases` samples whose outputs are `output`; returns its path.
const char *write_journal(fixture *f, const char *run, int cases, as_str output);
#define HOSTILE AS_STR("x'; DROP TABLE runs; --\t\\.\n\\N")

as_summary summary_of(const char *run, const char *suite, as_verdict verdict);
void put(fixture *f, const char *run, const char *suite, as_verdict verdict); // 4 hostile samples

// The run id that a reference resolves to; "error" when it is refused.
as_str find(fixture *f, const char *reference, const char *suite, const char *not_run);
int count_samples(as_store *store, const char *run); // -1 when that fails
size_t count_runs(fixture *f, as_store *store, const char *suite);

#endif
