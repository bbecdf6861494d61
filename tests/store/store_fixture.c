// SPDX-License-Identifier: Apache-2.0
#include "tests/store/store_fixture.h"

#include <libpq-fe.h>
#include <math.h>
#include <sqlite3.h>
#include <unistd.h>

bool on_postgres;

void choose_database(int argc, char **argv) {
    on_postgres = argc > 1 && strcmp(argv[1], "postgres") == 0;
    if (on_postgres && !getenv("ASSAY_TEST_PG")) {
        fprintf(stderr, "start it with private_pg.py\n");
        exit(1);
    }
}

static void run_postgres(const char *sql) {
    PGconn *conn = PQconnectdb(getenv("ASSAY_TEST_PG"));
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fprintf(stderr, "%s: %s\n", sql, PQerrorMessage(conn));
    PQclear(result);
    PQfinish(conn);
    assert_true(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK);
}

static const char *schema_of(const fixture *f) {
    return strrchr(f->dir, '-') + 1;
}

void run_sql(const fixture *f, const char *sql) {
    as_arena arena = {0};
    if (on_postgres) {
        run_postgres(as_strf(&arena,
                             "SET client_min_messages = error; SET search_path = \"%s\"; %s",
                             schema_of(f), sql)
                         .ptr);
    } else {
        sqlite3 *db;
        as_str path = as_str_sub(f->url, strlen("sqlite:"), f->url.len);
        assert_int_equal(sqlite3_open(as_str_copy(&arena, path).ptr, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
    }
    as_arena_free(&arena);
}

int set_up_closed(void **state) {
    fixture *f = as_mem_new(sizeof *f);
    strcpy(f->dir, "/tmp/assay-store-XXXXXX");
    if (!mkdtemp(f->dir)) return -1;
    f->url = as_strf(&f->arena, "sqlite:%s/deep/er/history.db", f->dir);
    if (on_postgres) {
        run_postgres(as_strf(&f->arena, "CREATE SCHEMA \"%s\"", schema_of(f)).ptr);
        f->url = as_strf(&f->arena, "%s&options=-csearch_path%%3D%%22%s%%22",
                         getenv("ASSAY_TEST_PG"), schema_of(f));
    }
    *state = f;
    return 0;
}

int set_up(void **state) {
    as_err err = {0};
    if (set_up_closed(state)) return -1;
    fixture *f = *state;
    if (as_store_open(f->url, &f->store, &err) == AS_OK) return 0;
    fprintf(stderr, "%s\n", err.text);
    return -1;
}

int tear_down(void **state) {
    fixture *f = *state;
    char command[64];
    as_store_close(f->store);
    if (on_postgres) run_sql(f, as_strf(&f->arena, "DROP SCHEMA \"%s\" CASCADE", schema_of(f)).ptr);
    as_arena_free(&f->arena);
    snprintf(command, sizeof command, "rm -r %s", f->dir);
    free(f);
    return system(command);
}

const char *write_journal(fixture *f, const char *run, int cases, as_str output) {
    as_journal journal;
    as_err err = {0};
    const char *dir = as_strf(&f->arena, "%s/%s", f->dir, run).ptr;
    as_run_header header = {.run = as_str_of(run)};
    assert_int_equal(as_journal_create(&journal, dir, &header, &err), AS_OK);
    for (int i = 0; i < cases; i++) {
        char id[32];
        snprintf(id, sizeof id, "c-%03d", i);
        as_score score = {AS_STR("accuracy"), i % 2};
        as_sample sample = {.id = as_str_of(id),
                            .output = output,
                            .scores = &score,
                            .score_count = 1,
                            .latency_ms = 1,
                            .ttft_ms = NAN,
                            .attempts = 1,
                            .weight = 1};
        assert_int_equal(as_journal_add(&journal, &sample, &err), AS_OK);
    }
    assert_int_equal(as_journal_close(&journal, &err), AS_OK);
    return as_strf(&f->arena, "%s/results.jsonl", dir).ptr;
}

as_summary summary_of(const char *run, const char *suite, as_verdict verdict) {
    static const as_value value = {
        .name = {"accuracy", 8}, .value = 0.5, .ci = {0.4, NAN}, .stderr_ = NAN, .n = 4};
    return (as_summary){.run = as_str_of(run),
                        .suite = as_str_of(suite),
                        .dataset_sha256 = AS_STR("d1"),
                        .git_branch = AS_STR("main"),
                        .started = AS_STR("2026-11-24T00:00:00.000Z"),
                        .total = 4,
                        .metrics = &value,
                        .metric_count = 1,
                        .gate = {.verdict = verdict}};
}

void put(fixture *f, const char *run, const char *suite, as_verdict verdict) {
    as_err err = {0};
    as_summary s = summary_of(run, suite, verdict);
    as_rc rc = as_store_put(f->store, &s, write_journal(f, run, 4, HOSTILE), &err);
    if (rc) fprintf(stderr, "%s\n", err.text);
    assert_int_equal(rc, AS_OK);
}

as_str find(fixture *f, const char *reference, const char *suite, const char *not_run) {
    as_err err = {0};
    as_str run = AS_STR("?");
    as_rc rc = as_store_find(f->store, &f->arena, as_str_of(reference), as_str_of(suite),
                             AS_STR(""), as_str_of(not_run), &run, &err);
    return rc ? AS_STR("error") : run;
}

static as_rc count_one(void *context, const as_sample *sample, as_err *err) {
    (void)sample;
    (void)err;
    ++*(int *)context;
    return AS_OK;
}

int count_samples(as_store *store, const char *run) {
    as_err err = {0};
    int seen = 0;
    if (as_store_samples(store, as_str_of(run), count_one, &seen, &err) == AS_OK) return seen;
    fprintf(stderr, "%s\n", err.text);
    return -1;
}

size_t count_runs(fixture *f, as_store *store, const char *suite) {
    const as_store_run *runs;
    size_t count;
    as_err err = {0};
    assert_int_equal(
        as_store_list(store, &f->arena, as_str_of(suite), AS_STR(""), 0, &runs, &count, &err),
        AS_OK);
    return count;
}
