// SPDX-License-Identifier: Apache-2.0
// The history: a run is there whole or not at all, importing twice is importing once, writers wait
// for each other, references resolve.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/store/store.h"

typedef struct fixture {
    as_arena arena;
    char dir[32];
    as_str url;
    as_store *store;
} fixture;

static int set_up(void **state) {
    fixture *f = as_mem_new(sizeof *f);
    as_err err = {0};
    strcpy(f->dir, "/tmp/assay-store-XXXXXX");
    if (!mkdtemp(f->dir)) return -1;
    f->url = as_strf(&f->arena, "sqlite:%s/deep/er/history.db", f->dir);
    *state = f;
    return as_store_open(f->url, &f->store, &err);
}

static int tear_down(void **state) {
    fixture *f = *state;
    char command[64];
    as_store_close(f->store);
    as_arena_free(&f->arena);
    snprintf(command, sizeof command, "rm -r %s", f->dir);
    free(f);
    return system(command);
}

static const char *write_journal(fixture *f, const char *run, int cases) {
    as_journal journal;
    as_err err = {0};
    const char *dir = as_strf(&f->arena, "%s/%s", f->dir, run).ptr;
    as_run_header header = {.run = as_str_of(run)};
    assert_int_equal(as_journal_create(&journal, dir, &header, &err), AS_OK);
    for (int i = 0; i < cases; i++) {
        as_score score = {AS_STR("accuracy"), i % 2};
        as_sample sample = {.id = as_strf(&f->arena, "c-%03d", i),
                            .output = AS_STR("x'; DROP TABLE runs; --"),
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

static as_summary summary_of(const char *run, const char *suite, as_verdict verdict) {
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

static void put(fixture *f, const char *run, const char *suite, as_verdict verdict) {
    as_err err = {0};
    as_summary s = summary_of(run, suite, verdict);
    assert_int_equal(as_store_put(f->store, &s, write_journal(f, run, 4), &err), AS_OK);
}

static as_str find(fixture *f, const char *reference, const char *suite, const char *not_run) {
    as_err err = {0};
    as_str run = AS_STR("?");
    as_rc rc = as_store_find(f->store, &f->arena, as_str_of(reference), as_str_of(suite),
                             AS_STR(""), as_str_of(not_run), &run, &err);
    return rc ? AS_STR("error") : run;
}

static as_rc count_one(void *context, const as_sample *sample, as_err *err) {
    (void)err;
    assert_true(as_str_is(sample->output, "x'; DROP TABLE runs; --"));
    ++*(int *)context;
    return AS_OK;
}

static void what_is_put_is_there(void **state) {
    fixture *f = *state;
    as_err err = {0};
    as_summary back;
    int seen = 0;
    put(f, "r1", "s", AS_PASS);
    assert_int_equal(as_store_summary(f->store, &f->arena, AS_STR("r1"), &back, &err), AS_OK);
    assert_true(as_str_is(back.suite, "s"));
    assert_int_equal(as_store_samples(f->store, AS_STR("r1"), count_one, &seen, &err), AS_OK);
    assert_int_equal(seen, 4);
}

static void twice_is_once(void **state) {
    fixture *f = *state;
    as_err err = {0};
    int seen = 0;
    put(f, "r1", "s", AS_PASS);
    as_summary s = summary_of("r1", "s", AS_FAIL);
    const char *journal = as_strf(&f->arena, "%s/r1/results.jsonl", f->dir).ptr;
    assert_int_equal(as_store_put(f->store, &s, journal, &err), AS_OK);
    assert_int_equal(as_store_samples(f->store, AS_STR("r1"), count_one, &seen, &err), AS_OK);
    assert_int_equal(seen, 4);
    assert_true(as_str_is(find(f, "latest", "s", ""), "r1")); // still the verdict of the first
}

static void damaged_journal_leaves_nothing(void **state) {
    fixture *f = *state;
    as_err err = {0};
    as_summary s = summary_of("r1", "s", AS_PASS);
    const char *journal = write_journal(f, "r1", 4);
    FILE *file = fopen(journal, "a");
    fputs("broken\n", file);
    fclose(file);
    assert_int_not_equal(as_store_put(f->store, &s, journal, &err), AS_OK);
    assert_non_null(strstr(err.text, "results.jsonl:5"));
    assert_true(as_str_is(find(f, "run:r1", "", ""), "error"));
    as_summary back;
    assert_int_equal(as_store_summary(f->store, &f->arena, AS_STR("r1"), &back, &err), AS_INVALID);
}

static void references_resolve(void **state) {
    fixture *f = *state;
    as_err err = {0};
    assert_int_equal(find(f, "latest", "s", "").len, 0);
    put(f, "20260101-aa", "s", AS_PASS);
    put(f, "20260102-bb", "s", AS_FAIL);
    put(f, "20260103-cc", "other", AS_PASS);
    assert_true(
        as_str_is(find(f, "latest", "s", ""), "20260101-aa")); // a failed run is no baseline
    assert_true(as_str_is(find(f, "latest", "", ""), "20260103-cc"));
    assert_true(as_str_is(find(f, "latest", "", "20260103-cc"), "20260101-aa"));
    assert_true(as_str_is(find(f, "branch:main", "s", ""), "20260102-bb"));
    assert_true(as_str_is(find(f, "run:20260102-bb", "", ""), "20260102-bb"));
    assert_true(as_str_is(find(f, "20260102", "", ""), "20260102-bb"));
    assert_true(as_str_is(find(f, "202601", "", ""), "error")); // ambiguous
    assert_true(as_str_is(find(f, "tag:v1", "", ""), "error"));
    assert_int_equal(as_store_tag(f->store, AS_STR("20260101-aa"), AS_STR("v1"), &err), AS_OK);
    assert_true(as_str_is(find(f, "tag:v1", "", ""), "20260101-aa"));
    assert_true(as_str_is(find(f, "v1", "", ""), "20260101-aa"));
    assert_int_equal(as_store_tag(f->store, AS_STR("20260103-cc"), AS_STR("v1"), &err), AS_OK);
    assert_true(as_str_is(find(f, "tag:v1", "", ""), "20260103-cc"));
    assert_int_not_equal(as_store_tag(f->store, AS_STR("nowhere"), AS_STR("v2"), &err), AS_OK);
}

static void prune_keeps_the_newest_and_the_tagged(void **state) {
    fixture *f = *state;
    as_err err = {0};
    uint64_t deleted;
    const as_store_run *runs;
    size_t count;
    put(f, "r1", "s", AS_PASS);
    put(f, "r2", "s", AS_PASS);
    put(f, "r3", "s", AS_PASS);
    put(f, "r4", "other", AS_PASS);
    assert_int_equal(as_store_tag(f->store, AS_STR("r1"), AS_STR("keep"), &err), AS_OK);
    assert_int_equal(as_store_prune(f->store, 1, &deleted, &err), AS_OK);
    assert_int_equal(deleted, 1);
    assert_int_equal(
        as_store_list(f->store, &f->arena, AS_STR(""), AS_STR(""), 0, &runs, &count, &err), AS_OK);
    assert_int_equal(count, 3);
    assert_true(as_str_is(runs[0].summary.run, "r4"));
    assert_true(as_str_is(runs[2].tags, "keep"));
}

// Eight processes write at once; none fails and none is lost.
static void writers_wait_for_each_other(void **state) {
    fixture *f = *state;
    enum { WRITERS = 8 };
    pid_t pids[WRITERS];
    const char *journals[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        journals[i] = write_journal(f, as_strf(&f->arena, "w%d", i).ptr, 50);
    for (int i = 0; i < WRITERS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i]) continue;
        as_store *store;
        as_err err = {0};
        as_summary s = summary_of(as_strf(&f->arena, "w%d", i).ptr, "s", AS_PASS);
        as_rc rc = as_store_open(f->url, &store, &err);
        if (!rc) rc = as_store_put(store, &s, journals[i], &err);
        if (rc) fprintf(stderr, "writer %d: %s\n", i, err.text);
        as_store_close(rc ? NULL : store);
        _exit(rc ? 1 : 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    const as_store_run *runs;
    size_t count;
    as_err err = {0};
    assert_int_equal(
        as_store_list(f->store, &f->arena, AS_STR("s"), AS_STR(""), 0, &runs, &count, &err), AS_OK);
    assert_int_equal(count, WRITERS);
}

static void wrong_urls_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "", "sqlite", "sqlite:", "mysql:x", "postgres://h/d", "sqlite:/dev/null/x/history.db"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        as_store *store;
        as_err err = {0};
        assert_int_not_equal(as_store_open(as_str_of(bad[i]), &store, &err), AS_OK);
        assert_true(err.text[0]);
    }
}

static void a_file_that_is_no_database_is_refused(void **state) {
    fixture *f = *state;
    as_err err = {0};
    as_store *store;
    const char *path = as_strf(&f->arena, "%s/not.db", f->dir).ptr;
    as_str garbage = AS_STR("this is text and has been for a long time, believe me, it has");
    assert_int_equal(as_file_replace(path, garbage, &err), AS_OK);
    as_str url = as_strf(&f->arena, "sqlite:%s", path);
    assert_int_equal(as_store_open(url, &store, &err), AS_UNMEASURED);
    as_str after;
    assert_int_equal(as_file_read(&f->arena, path, 1000, &after, &err), AS_OK);
    assert_true(as_str_eq(after, garbage));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_put_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(twice_is_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_journal_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(references_resolve, set_up, tear_down),
        cmocka_unit_test_setup_teardown(prune_keeps_the_newest_and_the_tagged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writers_wait_for_each_other, set_up, tear_down),
        cmocka_unit_test(wrong_urls_are_refused),
        cmocka_unit_test_setup_teardown(a_file_that_is_no_database_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
