// SPDX-License-Identifier: Apache-2.0
// The history when things go wrong: many writers, killed writers, a server that dies, a full disk,
// old and new schemas. Nothing half is ever seen, and the journal can be imported again.
#include "tests/store/store_fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/clock.h"
#include "harness/store/store_ops.h"
#include "harness/store/store_schema.h"

static void pause_ms(long ms) {
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

// Puts a run from a process of its own; its exit code is 0 when that worked.
static pid_t fork_put(const fixture *f, const char *run, const char *journal) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid) return pid;
    as_store *store = NULL;
    as_err err = {0};
    as_summary s = summary_of(run, "s", AS_PASS);
    as_rc rc = as_store_open(f->url, &store, &err);
    if (!rc) rc = as_store_put(store, &s, journal, &err);
    if (rc) fprintf(stderr, "writer %s: %s\n", run, err.text);
    as_store_close(store);
    _exit(rc ? 1 : 0);
}

static int wait_for(pid_t pid) {
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

// Long texts that every writer has, in an order of its own: nobody may wait in a circle.
static const char *write_shared_texts(fixture *f, int writer, int cases) {
    const char *path = as_strf(&f->arena, "%s/w%d.jsonl", f->dir, writer).ptr;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < cases; i++)
        fprintf(file, "{\"id\": \"c%d\", \"output\": \"%0300d\"}\n", i,
                (i * 7 + writer * 13) % cases);
    assert_int_equal(fclose(file), 0);
    return path;
}

// Fifty jobs end at once on a history that is not there yet: nobody fails, nothing is lost.
static void fifty_writers(void **state) {
    enum { WRITERS = 50, CASES = 200, WAIT_MAX_S = 60 };
    fixture *f = *state;
    pid_t pids[WRITERS];
    const char *names[WRITERS], *journals[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        names[i] = as_strf(&f->arena, "w%d", i).ptr;
        journals[i] = write_shared_texts(f, i, CASES);
    }
    uint64_t start = as_clock_ns();
    for (int i = 0; i < WRITERS; i++) pids[i] = fork_put(f, names[i], journals[i]);
    int failed = 0;
    for (int i = 0; i < WRITERS; i++) failed += wait_for(pids[i]) != 0;
    assert_int_equal(failed, 0);
    assert_true(as_clock_ns() - start < WAIT_MAX_S * UINT64_C(1000000000));
    as_err err = {0};
    assert_int_equal(as_store_open(f->url, &f->store, &err), AS_OK);
    assert_int_equal(count_runs(f, f->store, "s"), WRITERS);
    for (int i = 0; i < WRITERS; i++) assert_int_equal(count_samples(f->store, names[i]), CASES);
}

// Takes a hundred milliseconds to put; what the killed writers leave behind, too, must find room on
// the small disk of private_pg.py.
enum { MANY = 12000 };

static void a_killed_writer_leaves_nothing(void **state) {
    static const long delays_ms[] = {5, 20, 40, 60};
    fixture *f = *state;
    const char *journal = write_journal(f, "r1", MANY, HOSTILE);
    int killed = 0;
    for (size_t i = 0; i < sizeof delays_ms / sizeof *delays_ms; i++) {
        pid_t pid = fork_put(f, "r1", journal);
        pause_ms(delays_ms[i]);
        kill(pid, SIGKILL);
        if (!WIFSIGNALED(wait_for(pid))) break; // it was faster
        killed++;
        assert_int_equal(count_runs(f, f->store, ""), 0);
        assert_int_equal(count_samples(f->store, "r1"), 0);
    }
    assert_true(killed > 0);
    as_err err = {0};
    as_summary s = summary_of("r1", "s", AS_PASS);
    assert_int_equal(as_store_put(f->store, &s, journal, &err), AS_OK);
    assert_int_equal(count_samples(f->store, "r1"), MANY);
}

// The connection is cut while a run is written, then while nothing is: both go unnoticed.
static void a_dropped_connection_is_made_again(void **state) {
    fixture *f = *state;
    if (!on_postgres) skip();
    static const char cut[] = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                              " WHERE application_name = 'assay' AND pid <> pg_backend_pid()";
    const char *journal = write_journal(f, "r1", MANY, HOSTILE);
    pid_t pid = fork_put(f, "r1", journal);
    pause_ms(120);
    run_sql(f, cut);
    assert_int_equal(wait_for(pid), 0);
    run_sql(f, cut);
    assert_int_equal(count_samples(f->store, "r1"), MANY);
    run_sql(f, cut);
    put(f, "r2", "s", AS_PASS);
    assert_int_equal(count_runs(f, f->store, "s"), 2);
}

static void a_server_that_dies_and_comes_back_loses_nothing(void **state) {
    fixture *f = *state;
    if (!on_postgres) skip();
    put(f, "r0", "s", AS_PASS);
    const char *journal = write_journal(f, "r1", MANY, HOSTILE);
    pid_t pid = fork_put(f, "r1", journal);
    pause_ms(120);
    assert_int_equal(kill((pid_t)atoi(getenv("ASSAY_TEST_PG_PID")), SIGUSR1), 0);
    assert_int_equal(wait_for(pid), 0);
    assert_int_equal(count_samples(f->store, "r0"), 4);
    assert_int_equal(count_samples(f->store, "r1"), MANY);
}

// A journal of 40 MB that cannot be compressed.
static const char *write_large_journal(fixture *f) {
    enum { LINE = 20000, LINES = 2000 };
    const char *path = as_strf(&f->arena, "%s/large.jsonl", f->dir).ptr;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    uint64_t random = 1;
    for (int i = 0; i < LINES; i++) {
        fprintf(file, "{\"id\": \"c%d\", \"output\": \"", i);
        for (int k = 0; k < LINE; k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            fputc((int)('0' + (random >> 58) % 40), file); // no quote, no backslash
        }
        fputs("\"}\n", file);
    }
    assert_int_equal(fclose(file), 0);
    return path;
}

// SQLite: a limit on what this process may write. PostgreSQL: the server runs under such a limit.
static void a_full_disk_is_said_and_leaves_nothing(void **state) {
    fixture *f = *state;
    put(f, "r0", "s", AS_PASS);
    const char *journal = write_large_journal(f);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        as_store *store;
        as_err err = {0};
        as_summary s = summary_of("r1", "s", AS_PASS);
        struct rlimit limit = {8 << 20, 8 << 20};
        signal(SIGXFSZ, SIG_IGN);
        if (!on_postgres) setrlimit(RLIMIT_FSIZE, &limit);
        as_rc rc = as_store_open(f->url, &store, &err);
        if (!rc) rc = as_store_put(store, &s, journal, &err);
        bool said = strstr(err.text, "full") || strstr(err.text, "File too large") ||
                    strstr(err.text, "disk I/O");
        if (!said) fprintf(stderr, "rc %d: %s\n", (int)rc, err.text);
        _exit(rc == AS_UNMEASURED && said ? 0 : 1);
    }
    assert_int_equal(wait_for(pid), 0);
    assert_int_equal(count_samples(f->store, "r1"), 0);
    assert_int_equal(count_samples(f->store, "r0"), 4);
    put(f, "r2", "s", AS_PASS);
    assert_int_equal(count_runs(f, f->store, "s"), 2);
}

// A database as an older assay left it: the first `steps` steps of the schema.
static void make_old(const fixture *f, int steps) {
    const as_db_ops *ops = on_postgres ? &as_store_pg : &as_store_sqlite;
    void *db;
    as_err err = {0};
    assert_int_equal(ops->open(f->url, &db, &err), AS_OK);
    assert_int_equal(ops->begin(db, true, &err), AS_OK);
    for (int i = 0; i < steps; i++)
        assert_int_equal(ops->script(db, as_store_schema_steps[i], &err), AS_OK);
    assert_int_equal(ops->set_version(db, steps, &err), AS_OK);
    assert_int_equal(ops->commit(db, &err), AS_OK);
    ops->close(db);
}

static int count_steps(void) {
    int steps = 0;
    while (as_store_schema_steps[steps]) steps++;
    return steps;
}

// What an assay of the first schema wrote is read by this one, from each step on.
static void every_older_schema_is_migrated(void **state) {
    fixture *f = *state;
    as_err err = {0};
    for (int old = 1; old <= count_steps(); old++) {
        make_old(f, old);
        run_sql(f, "INSERT INTO runs (run, suite, started, wall_s, target, model, model_sha256,"
                   " suite_sha256, dataset_sha256, git_commit, git_branch, git_dirty, cases,"
                   " errors, verdict, scores_digest, summary) VALUES ('old', 's',"
                   " '2026-01-01T00:00:00.000Z', 1, 't', '', '', '', '', '', '', 0, 1, 0, 'pass',"
                   " '', '{\"schema\": 1, \"run\": \"old\", \"suite\": \"s\","
                   " \"gate\": {\"verdict\": \"pass\", \"baseline\": \"older\", \"checks\": []}}');"
                   "INSERT INTO samples (run, case_id, outcome, score, line) VALUES ('old', 'c1',"
                   " 'ok', 1, '{\"id\": \"c1\", \"outcome\": \"ok\"}');"
                   "INSERT INTO tags VALUES ('kept', 'old')");
        assert_int_equal(as_store_open(f->url, &f->store, &err), AS_OK);
        assert_int_equal(count_samples(f->store, "old"), 1);
        assert_true(as_str_is(find(f, "tag:kept", "", ""), "old"));
        put(f, "new", "s", AS_PASS);
        assert_int_equal(count_runs(f, f->store, "s"), 2);
        as_store_close(f->store);
        f->store = NULL;
        void *next = f;
        if (old == count_steps()) break;
        assert_int_equal(tear_down(&next), 0);
        assert_int_equal(set_up_closed(&next), 0);
        *state = f = next;
    }
}

static void a_newer_schema_is_refused(void **state) {
    fixture *f = *state;
    as_err err = {0};
    make_old(f, count_steps());
    if (on_postgres)
        run_sql(f, "UPDATE assay_schema SET version = 99");
    else
        run_sql(f, "PRAGMA user_version = 99");
    assert_int_equal(as_store_open(f->url, &f->store, &err), AS_UNMEASURED);
    assert_non_null(strstr(err.text, "newer assay (schema 99"));
    f->store = NULL;
}

int main(int argc, char **argv) {
    choose_database(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fifty_writers, set_up_closed, tear_down),
        cmocka_unit_test_setup_teardown(a_killed_writer_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dropped_connection_is_made_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_server_that_dies_and_comes_back_loses_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_is_said_and_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_older_schema_is_migrated, set_up_closed, tear_down),
        cmocka_unit_test_setup_teardown(a_newer_schema_is_refused, set_up_closed, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
