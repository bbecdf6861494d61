// SPDX-License-Identifier: Apache-2.0
// The history: a run is there whole or not at all, importing twice is importing once, writers wait
// for each other, references resolve.
#include "tests/store/store_fixture.h"

static as_rc check_output(void *context, const as_sample *sample, as_err *err) {
    (void)err;
    assert_true(as_str_eq(sample->output, HOSTILE));
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
    assert_int_equal(as_store_samples(f->store, AS_STR("r1"), check_output, &seen, &err), AS_OK);
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
    assert_int_equal(as_store_samples(f->store, AS_STR("r1"), check_output, &seen, &err), AS_OK);
    assert_int_equal(seen, 4);
    assert_true(as_str_is(find(f, "latest", "s", ""), "r1")); // still the verdict of the first
}

static void damaged_journal_leaves_nothing(void **state) {
    fixture *f = *state;
    as_err err = {0};
    as_summary s = summary_of("r1", "s", AS_PASS);
    const char *journal = write_journal(f, "r1", 4, HOSTILE);
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
    assert_int_equal(as_store_prune(f->store, 1, AS_STR(""), &deleted, &err), AS_OK);
    assert_int_equal(deleted, 1);
    assert_int_equal(
        as_store_list(f->store, &f->arena, AS_STR(""), AS_STR(""), 0, &runs, &count, &err), AS_OK);
    assert_int_equal(count, 3);
    assert_true(as_str_is(runs[0].summary.run, "r4"));
    assert_true(as_str_is(runs[2].tags, "keep"));
}

static void wrong_urls_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "sqlite",
        "sqlite:",
        "mysql://me:opensesame@h/d",
        "postgres://me:opensesame@127.0.0.1:1/d",
        "postgresql://me:opensesame@127.0.0.1:1/d?sslmode=never",
        "postgres://me:opensesame@[oops/d",
        "postgres://me:open%zzsesame@h/d",
        "sqlite:/dev/null/x/history.db",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        as_store *store;
        as_err err = {0};
        assert_int_not_equal(as_store_open(as_str_of(bad[i]), &store, &err), AS_OK);
        assert_true(err.text[0]);
        assert_null(strstr(err.text, "sesame")); // no password in a message
    }
}

static void a_file_that_is_no_database_is_refused(void **state) {
    fixture *f = *state;
    if (on_postgres) skip();
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

int main(int argc, char **argv) {
    choose_database(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_put_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(twice_is_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_journal_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(references_resolve, set_up, tear_down),
        cmocka_unit_test_setup_teardown(prune_keeps_the_newest_and_the_tagged, set_up, tear_down),
        cmocka_unit_test(wrong_urls_are_refused),
        cmocka_unit_test_setup_teardown(a_file_that_is_no_database_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
