// SPDX-License-Identifier: Apache-2.0
// What the history keeps and what it lets go: long texts once, redacted texts not at all, baselines
// as long as somebody leans on them; and what it says over many runs.
#include "tests/store/store_fixture.h"

#include <math.h>
#include <unistd.h>

#include "harness/base/sha256.h"
#include "harness/store/store_ops.h"

static as_rc take_number(void *context, const as_db_value *cells, as_err *err) {
    (void)err;
    *(double *)context = cells[0].kind == AS_DB_F64 ? cells[0].f64 : (double)cells[0].i64;
    return AS_OK;
}

static double ask_number(fixture *f, const char *sql) {
    as_err err = {0};
    double number = NAN;
    as_rc rc = as_store_ask(f->store, sql, NULL, 0, take_number, &number, &err);
    if (rc) fprintf(stderr, "%s\n", err.text);
    assert_int_equal(rc, AS_OK);
    return number;
}

static as_rc take_text(void *context, const as_db_value *cells, as_err *err) {
    (void)err;
    as_buf_str(context, cells[0].text);
    as_buf_char(context, '\n');
    return AS_OK;
}

// The first column of all rows, a line each.
static as_str ask_text(fixture *f, const char *sql) {
    as_err err = {0};
    as_buf buf = {0};
    assert_int_equal(as_store_ask(f->store, sql, NULL, 0, take_text, &buf, &err), AS_OK);
    as_str text = as_str_copy(&f->arena, as_buf_view(&buf));
    as_buf_free(&buf);
    return text;
}

// Puts a run of the given journal lines.
static as_rc put_lines(fixture *f, const as_summary *summary, const char *lines, as_err *err) {
    const char *path = as_strf(&f->arena, "%s/%.*s.jsonl", f->dir, AS_STR_ARG(summary->run)).ptr;
    assert_int_equal(as_file_replace(path, as_str_of(lines), err), AS_OK);
    return as_store_put(f->store, summary, path, err);
}

static as_str repeat(fixture *f, char c, size_t count) {
    char *text = as_arena_take(&f->arena, count + 1);
    memset(text, c, count);
    return (as_str){text, count};
}

typedef struct kept_sample {
    as_arena *arena;
    as_sample sample;
} kept_sample;

static as_rc keep_sample(void *context, const as_sample *sample, as_err *err) {
    kept_sample *kept = context;
    (void)err;
    kept->sample = *as_sample_copy(kept->arena, sample);
    return AS_OK;
}

static as_sample only_sample(fixture *f, const char *run) {
    as_err err = {0};
    kept_sample kept = {.arena = &f->arena};
    assert_int_equal(as_store_samples(f->store, as_str_of(run), keep_sample, &kept, &err), AS_OK);
    return kept.sample;
}

static void long_texts_are_stored_once(void **state) {
    fixture *f = *state;
    as_err err = {0};
    as_str answer = repeat(f, 'a', 5000), shorter = repeat(f, 'b', 100);
    as_str lines =
        as_strf(&f->arena,
                "{\"id\":\"c1\",\"output\":\"%.*s\",\"prediction\":\"%.*s\",\"expected\":"
                "[\"%.*s\",\"%.*s\"]}\n",
                AS_STR_ARG(answer), AS_STR_ARG(answer), AS_STR_ARG(answer), AS_STR_ARG(shorter));
    for (int i = 0; i < 3; i++) {
        as_summary s = summary_of(as_strf(&f->arena, "r%d", i).ptr, "s", AS_PASS);
        assert_int_equal(put_lines(f, &s, lines.ptr, &err), AS_OK);
    }
    assert_true(ask_number(f, "SELECT count(*) FROM texts") == 2); // the answer, the list
    assert_true(ask_number(f, "SELECT max(length(line)) FROM samples") < 500);
    as_sample back = only_sample(f, "r2");
    assert_true(as_str_eq(back.output, answer));
    assert_true(as_str_eq(back.prediction, answer));
    assert_int_equal(back.expected->kind, AS_JSON_ARRAY);
    assert_true(as_str_eq(back.expected->child->next->text, shorter));
    assert_true(as_str_eq(as_sha256_of(&f->arena, answer),
                          as_str_trim(ask_text(f, "SELECT DISTINCT output_text FROM samples"))));
    // What nobody needs any more goes with the last run that had it.
    uint64_t deleted;
    as_summary other = summary_of("r9", "s", AS_PASS);
    assert_int_equal(put_lines(f, &other, "{\"id\":\"c1\",\"output\":\"x\"}\n", &err), AS_OK);
    assert_int_equal(as_store_prune(f->store, 1, AS_STR(""), &deleted, &err), AS_OK);
    assert_int_equal(deleted, 3);
    assert_true(ask_number(f, "SELECT count(*) FROM texts") == 0);
}

static void redacted_texts_are_nowhere(void **state) {
    fixture *f = *state;
    as_err err = {0};
    const as_str rules[] = {AS_STR("output"), AS_STR("/[0-9]{4}-[0-9]{4}/")};
    assert_int_equal(as_store_redact(f->store, rules, 2, &err), AS_OK);
    as_summary s = summary_of("r1", "s", AS_PASS);
    as_str secret = repeat(f, 's', 300);
    as_str line =
        as_strf(&f->arena,
                "{\"id\":\"c1\",\"output\":\"%.*s\",\"prediction\":\"card 1234-5678, "
                "1111-2222\",\"expected\":{\"card\":\"1234-5678\"},\"scores\":{\"m\":0.5}}\n",
                AS_STR_ARG(secret));
    assert_int_equal(put_lines(f, &s, line.ptr, &err), AS_OK);
    as_sample back = only_sample(f, "r1");
    as_str hash = as_strf(&f->arena, "sha256:%.*s", AS_STR_ARG(as_sha256_of(&f->arena, secret)));
    assert_true(as_str_eq(back.output, hash));
    assert_true(as_str_is(back.prediction, "card [redacted], [redacted]"));
    assert_true(as_str_is(back.expected->child->text, "[redacted]"));
    assert_true(back.scores[0].value == 0.5);
    as_str fields;
    assert_int_equal(as_store_redacted(f->store, &f->arena, AS_STR("r1"), &fields, &err), AS_OK);
    assert_true(as_str_is(fields, "output, prediction, expected"));
    as_str all = ask_text(f, "SELECT line FROM samples UNION ALL SELECT text FROM texts");
    assert_true(as_str_find(all, AS_STR("sss"), 0) == SIZE_MAX);
    assert_true(as_str_find(all, AS_STR("1234"), 0) == SIZE_MAX);
    const as_str wrong[] = {AS_STR("outputs")}, broken[] = {AS_STR("/(/")};
    assert_int_equal(as_store_redact(f->store, wrong, 1, &err), AS_INVALID);
    assert_non_null(strstr(err.text, "did you mean 'output'"));
    assert_int_equal(as_store_redact(f->store, broken, 1, &err), AS_INVALID);
}

static void put_leaning(fixture *f, const char *run, as_verdict verdict, const char *baseline,
                        const char *started) {
    as_err err = {0};
    as_summary s = summary_of(run, "s", verdict);
    s.gate.baseline = as_str_of(baseline);
    s.started = as_str_of(started);
    assert_int_equal(put_lines(f, &s, "{\"id\":\"c1\"}\n", &err), AS_OK);
}

static void prune_keeps_what_others_lean_on(void **state) {
    fixture *f = *state;
    as_err err = {0};
    uint64_t deleted;
    static const char old[] = "2026-01-01T00:00:00.000Z", young[] = "2026-11-20T00:00:00.000Z";
    put_leaning(f, "r0", AS_PASS, "", old);     // nobody's
    put_leaning(f, "r1", AS_PASS, "", old);     // baseline of r2
    put_leaning(f, "r2", AS_PASS, "r1", old);   // baseline of r8
    put_leaning(f, "r3", AS_FAIL, "", old);     // accepted
    put_leaning(f, "r4", AS_FAIL, "r0", old);   // nobody's: r0 must not stay for its sake
    put_leaning(f, "r5", AS_PASS, "", old);     // `latest`
    put_leaning(f, "r6", AS_FAIL, "", old);     // nobody's
    put_leaning(f, "r7", AS_FAIL, "", young);   // young
    put_leaning(f, "r8", AS_FAIL, "r2", young); // newest
    as_summary accepted = summary_of("r3", "s", AS_FAIL);
    assert_int_equal(as_store_accept(f->store, &accepted, AS_STR("known"), &err), AS_OK);
    assert_int_equal(
        as_store_prune(f->store, 1, AS_STR("2026-10-01T00:00:00.000Z"), &deleted, &err), AS_OK);
    assert_true(
        as_str_is(ask_text(f, "SELECT run FROM runs ORDER BY run"), "r1\nr2\nr3\nr5\nr7\nr8\n"));
    assert_int_equal(deleted, 3);
    assert_true(ask_number(f, "SELECT count(*) FROM samples") == 6);
    assert_true(ask_number(f, "SELECT count(*) FROM metrics") == 6);
    assert_true(ask_number(f, "SELECT count(*) FROM audit WHERE action = 'prune'") == 3);
    // Again is nothing more.
    assert_int_equal(
        as_store_prune(f->store, 1, AS_STR("2026-10-01T00:00:00.000Z"), &deleted, &err), AS_OK);
    assert_int_equal(deleted, 0);
}

// The parts of samples on PostgreSQL, with the runs in each.
static as_str parts(fixture *f) {
    return ask_text(f, "SELECT p.part || ' ' || coalesce(string_agg(DISTINCT s.run, ' '"
                       " ORDER BY s.run), '') FROM (SELECT inhrelid AS id,"
                       " inhrelid::regclass::text AS part FROM pg_inherits"
                       " WHERE inhparent = 'samples'::regclass) p"
                       " LEFT JOIN samples s ON s.tableoid = p.id GROUP BY p.part ORDER BY 1");
}

static void samples_of_a_month_are_together(void **state) {
    fixture *f = *state;
    as_err err = {0};
    uint64_t deleted = 0;
    if (!on_postgres) return; // SQLite has no partitions
    put(f, "20251231T235959Z-aa", "s", AS_PASS);
    put(f, "20260101T000000Z-bb", "s", AS_PASS);
    put(f, "20260131T000000Z-cc", "s", AS_PASS);
    put(f, "20261301T000000Z-dd", "s", AS_PASS); // no month of ours
    put(f, "imported", "s", AS_PASS);
    // A month whose samples were there before there were parts.
    run_sql(f, "INSERT INTO samples (run, case_id, outcome, line)"
               " VALUES ('20250601T000000Z-ee', 'c1', 'ok', '{\"id\":\"c1\"}')");
    put(f, "20250602T000000Z-ff", "s", AS_PASS);
    assert_true(as_str_is(parts(f),
                          "samples_202512 20251231T235959Z-aa\n"
                          "samples_202601 20260101T000000Z-bb 20260131T000000Z-cc\n"
                          "samples_rest 20250601T000000Z-ee 20250602T000000Z-ff 20261301T000000Z-dd"
                          " imported\n"));
    assert_int_equal(count_samples(f->store, "20260131T000000Z-cc"), 4);
    assert_int_equal(as_store_prune(f->store, 3, AS_STR(""), &deleted, &err), AS_OK);
    assert_true(as_str_is(parts(f), "samples_202601 20260131T000000Z-cc\n"
                                    "samples_rest 20250601T000000Z-ee 20261301T000000Z-dd"
                                    " imported\n"));
    put(f, "20251201T000000Z-gg", "s", AS_PASS);
    assert_int_equal(count_samples(f->store, "20251201T000000Z-gg"), 4);
}

static void accepted_runs_are_baselines_and_noted(void **state) {
    fixture *f = *state;
    as_err err = {0};
    const as_check checks[] = {
        {.gate = AS_STR("accuracy >= 0.9"), .metric = AS_STR("accuracy"), .verdict = AS_FAIL},
        {.gate = AS_STR("mcc >= 0.1"), .metric = AS_STR("mcc"), .verdict = AS_PASS}};
    as_summary bad = summary_of("r2", "s", AS_FAIL);
    bad.gate.checks = checks;
    bad.gate.count = 2;
    put(f, "r1", "s", AS_PASS);
    assert_int_equal(put_lines(f, &bad, "{\"id\":\"c1\"}\n", &err), AS_OK);
    assert_true(as_str_is(find(f, "latest", "s", ""), "r1"));
    assert_true(as_str_is(find(f, "accepted", "s", ""), "error"));
    as_store_who(f->store, AS_STR("Ada <ada@example.org>"));
    assert_int_equal(as_store_accept(f->store, &bad, AS_STR("new labels"), &err), AS_OK);
    assert_true(as_str_is(find(f, "latest", "s", ""), "r2"));
    assert_true(as_str_is(find(f, "accepted", "s", ""), "r2"));
    const as_store_event *events;
    size_t count;
    assert_int_equal(as_store_events(f->store, &f->arena, AS_STR("s"), 0, &events, &count, &err),
                     AS_OK);
    assert_int_equal(count, 1);
    assert_true(as_str_is(events[0].who, "Ada <ada@example.org>"));
    assert_true(as_str_is(events[0].action, "accept"));
    assert_true(as_str_is(events[0].gate, "accuracy >= 0.9"));
    assert_true(as_str_is(events[0].why, "new labels"));
    assert_int_equal(events[0].at.len, 24);
    as_summary nowhere = summary_of("r7", "s", AS_FAIL);
    assert_int_not_equal(as_store_accept(f->store, &nowhere, AS_STR("x"), &err), AS_OK);
}

static void who_was_told_is_noted(void **state) {
    fixture *f = *state;
    as_err err = {0};
    const as_store_event *events;
    size_t count;
    as_summary run = summary_of("r1", "s", AS_FAIL), later = summary_of("r2", "s", AS_PASS);
    put(f, "r1", "s", AS_FAIL);
    assert_int_equal(as_store_told(f->store, false, &run, AS_STR("accuracy[tag=edge]"),
                                   AS_STR("slack $URL, 0123"), &err),
                     AS_OK);
    usleep(2000); // the audit is in order by the millisecond
    // Of a run that is not in the history too: it may come later, or never.
    assert_int_equal(as_store_told(f->store, true, &later, AS_STR("accuracy[tag=edge]"),
                                   AS_STR("slack $URL, 0123"), &err),
                     AS_OK);
    assert_int_equal(as_store_events(f->store, &f->arena, AS_STR("s"), 0, &events, &count, &err),
                     AS_OK);
    assert_int_equal(count, 2);
    assert_true(as_str_is(events[0].action, "resolve") && as_str_is(events[0].run, "r2"));
    assert_true(as_str_is(events[1].action, "alert") && as_str_is(events[1].run, "r1"));
    assert_true(as_str_is(events[1].gate, "accuracy[tag=edge]"));
    assert_true(as_str_is(events[1].why, "slack $URL, 0123"));
}

static void put_gates(fixture *f, const char *run, const char *const *gates) {
    as_err err = {0};
    as_check checks[4] = {0};
    as_summary s = summary_of(run, "s", AS_PASS);
    for (; gates[s.gate.count]; s.gate.count++) {
        checks[s.gate.count].gate = as_str_of(gates[s.gate.count]);
        checks[s.gate.count].prove = strstr(gates[s.gate.count], "prove") != NULL;
    }
    s.gate.checks = checks;
    assert_int_equal(put_lines(f, &s, "{\"id\":\"c1\"}\n", &err), AS_OK);
}

static void weaker_gates_are_noted(void **state) {
    fixture *f = *state;
    static const char noted[] =
        "SELECT gate || ' (' || why || ')' FROM audit WHERE action = 'loosen' ORDER BY run, gate";
    const char *const first[] = {"accuracy >= 0.9", "latency.p95 <= 100 ms",
                                 "mcc drop <= 0.01 prove", NULL};
    const char *const stricter[] = {"accuracy >= 0.95", "latency.p95 <= 50 ms",
                                    "mcc drop <= 0.01 prove", "f1_macro >= 0.5", NULL};
    const char *const weaker[] = {"accuracy >= 0.5", "latency.p95 <= 200 ms", "mcc drop <= 0.01",
                                  NULL};
    put_gates(f, "r1", first);
    put_gates(f, "r2", stricter);
    put_gates(f, "r3", stricter);
    assert_int_equal(ask_text(f, noted).len, 0);
    put_gates(f, "r4", weaker);
    assert_true(as_str_is(ask_text(f, noted), " (removed: f1_macro >= 0.5)\n"
                                              "accuracy >= 0.5 (was: accuracy >= 0.95)\n"
                                              "latency.p95 <= 200 ms (was: latency.p95 <= 50 ms)\n"
                                              "mcc drop <= 0.01 (was: mcc drop <= 0.01 prove)\n"));
}

static void commits_are_found_nearest_first(void **state) {
    fixture *f = *state;
    as_err err = {0};
    static const struct {
        const char *run, *commit;
        as_verdict verdict;
        bool dirty;
    } runs[] = {{"r1", "aaa1", AS_PASS, false}, {"r2", "bbb2", AS_PASS, false},
                {"r3", "bbb2", AS_PASS, false}, {"r4", "bbb2", AS_FAIL, false},
                {"r5", "ccc3", AS_FAIL, false}, {"r6", "ccc3", AS_PASS, true},
                {"r7", "", AS_PASS, false}};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        as_summary s = summary_of(runs[i].run, "s", runs[i].verdict);
        s.git_commit = as_str_of(runs[i].commit);
        s.git_dirty = runs[i].dirty;
        assert_int_equal(put_lines(f, &s, "{\"id\":\"c1\"}\n", &err), AS_OK);
    }
    assert_true(as_str_is(find(f, "commits:ccc3,bbb2,aaa1", "s", ""), "r3"));
    assert_true(as_str_is(find(f, "commits:aaa1,bbb2", "s", ""), "r1"));
    assert_true(as_str_is(find(f, "commits:bbb2", "s", "r3"), "r2"));
    assert_int_equal(find(f, "commits:ddd4", "s", "").len, 0);
}

static void trend_reads_what_was_put_bit_for_bit(void **state) {
    fixture *f = *state;
    as_err err = {0};
    static const double values[] = {0.1, 1.0 / 3.0, 5e-324, NAN, 0.7071067811865476};
    enum { COUNT = sizeof values / sizeof *values };
    for (int i = 0; i < COUNT; i++) {
        as_value value = {.name = AS_STR("accuracy"), .value = values[i], .ci = {values[i], NAN}};
        as_slice_values slice = {.slice = AS_STR("tag=x"), .values = &value, .count = 1};
        as_summary s = summary_of(as_strf(&f->arena, "r%d", i).ptr, "s", AS_PASS);
        s.metrics = &value;
        s.slices = &slice;
        s.slice_count = 1;
        assert_int_equal(put_lines(f, &s, "{\"id\":\"c1\"}\n", &err), AS_OK);
        if (i % 2) assert_int_equal(as_store_rebuild(f->store, &s, &err), AS_OK);
    }
    for (int slice = 0; slice < 2; slice++) {
        const as_store_point *points;
        size_t count;
        assert_int_equal(as_store_trend(f->store, &f->arena, AS_STR("s"), AS_STR("accuracy"),
                                        slice ? AS_STR("tag=x") : AS_STR(""), AS_STR(""), &points,
                                        &count, &err),
                         AS_OK);
        assert_int_equal(count, COUNT);
        for (size_t i = 0; i < COUNT; i++) {
            assert_true(isnan(values[i]) ? isnan(points[i].value)
                                         : !memcmp(&values[i], &points[i].value, sizeof(double)));
            assert_true(isnan(points[i].ci.hi));
        }
    }
    const as_store_point *none;
    size_t count;
    assert_int_equal(as_store_trend(f->store, &f->arena, AS_STR("s"), AS_STR("accuracy"),
                                    AS_STR(""), AS_STR("2027"), &none, &count, &err),
                     AS_OK);
    assert_int_equal(count, 0);
}

static as_rc add_case(void *context, const as_store_past *found, as_err *err) {
    (void)err;
    as_buff(context, "%.*s:%.*s ", AS_STR_ARG(found->run), AS_STR_ARG(found->sample->output));
    return AS_OK;
}

static void a_case_has_a_history(void **state) {
    fixture *f = *state;
    as_err err = {0};
    as_buf seen = {0};
    for (int i = 0; i < 3; i++) {
        as_summary s = summary_of(as_strf(&f->arena, "r%d", i).ptr, i ? "s" : "other", AS_PASS);
        as_str lines = as_strf(
            &f->arena, "{\"id\":\"c1\",\"output\":\"o%d\"}\n{\"id\":\"c2\",\"output\":\"x\"}\n", i);
        assert_int_equal(put_lines(f, &s, lines.ptr, &err), AS_OK);
    }
    assert_int_equal(as_store_case(f->store, AS_STR(""), AS_STR("c1"), 0, add_case, &seen, &err),
                     AS_OK);
    assert_string_equal(seen.ptr, "r2:o2 r1:o1 r0:o0 ");
    as_buf_clear(&seen);
    assert_int_equal(as_store_case(f->store, AS_STR("s"), AS_STR("c1"), 1, add_case, &seen, &err),
                     AS_OK);
    assert_string_equal(seen.ptr, "r2:o2 ");
    as_buf_free(&seen);
}

int main(int argc, char **argv) {
    choose_database(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(long_texts_are_stored_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(redacted_texts_are_nowhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(prune_keeps_what_others_lean_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(samples_of_a_month_are_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(accepted_runs_are_baselines_and_noted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_was_told_is_noted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(weaker_gates_are_noted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(commits_are_found_nearest_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(trend_reads_what_was_put_bit_for_bit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_case_has_a_history, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
