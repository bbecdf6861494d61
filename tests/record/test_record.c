// SPDX-License-Identifier: Apache-2.0
// Samples, journal, digest and summary: what is written is read back, and a killed writer loses
// nothing that was finished.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/record/digest.h"
#include "harness/record/journal.h"
#include "harness/record/summary.h"

static char dir[] = "/tmp/assay-record-XXXXXX";

static int make_dir(void **state) {
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state) {
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static as_sample full_sample(as_arena *arena, const char *id) {
    static const as_score scores[] = {{{"accuracy", 8}, 1}, {{"ece", 3}, NAN}};
    static const double logprobs[] = {-0.125, -3.5};
    static const as_str choices[] = {{"yes", 3}, {"n\"o", 3}}, slices[] = {{"tag=edge", 8}};
    return (as_sample){.id = as_str_copy(arena, as_str_of(id)),
                       .prompt_sha256 = AS_STR("ab"),
                       .expected = as_json_new_str(arena, AS_STR("yes")),
                       .output = AS_STR("line one\nline \"two\" \x01"),
                       .prediction = AS_STR("yes"),
                       .has_prediction = true,
                       .scores = scores,
                       .score_count = 2,
                       .outcome = AS_OUT_OK,
                       .latency_ms = 1.5,
                       .ttft_ms = NAN,
                       .tokens_in = 12,
                       .tokens_out = 3,
                       .attempts = 1,
                       .target = AS_STR("mock:first"),
                       .choice_logprobs = logprobs,
                       .choices = choices,
                       .choice_count = 2,
                       .has_logprob = true,
                       .logprob = -7.25,
                       .logprob_tokens = 5,
                       .greedy = true,
                       .cluster = AS_STR("doc-1"),
                       .weight = 2,
                       .slices = slices,
                       .slice_count = 1};
}

static void sample_survives_a_round_trip(void **state) {
    (void)state;
    as_arena arena = {0};
    as_buf line = {0}, again = {0};
    as_sample sample = full_sample(&arena, "c-1"), back;
    as_err err = {0};
    as_sample_write(&line, &sample);
    assert_int_equal(line.ptr[line.len - 1], '\n');
    assert_null(memchr(line.ptr, '\n', line.len - 1));
    assert_int_equal(as_sample_read(&arena, as_buf_view(&line), &back, &err), AS_OK);
    as_sample_write(&again, &back);
    assert_string_equal(line.ptr, again.ptr);
    assert_true(isnan(back.scores[1].value));
    assert_float_equal(back.choice_logprobs[1], -3.5, 0);
    assert_true(back.has_logprob && back.greedy && back.logprob == -7.25);
    assert_int_equal(back.logprob_tokens, 5);
    as_sample *copy = as_sample_copy(&arena, &back);
    as_buf_clear(&again);
    as_sample_write(&again, copy);
    assert_string_equal(line.ptr, again.ptr);
    as_buf_free(&line);
    as_buf_free(&again);
    as_arena_free(&arena);
}

static void damaged_lines_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "{\"id\":3}",
                                      "{\"id\":\"\"}",
                                      "{\"id\":\"a\",\"outcome\":\"fine\"}",
                                      "{\"id\":\"a\",\"id\":\"b\"}"};
    as_arena arena = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        as_sample sample;
        as_err err = {0};
        assert_int_equal(as_sample_read(&arena, as_str_of(bad[i]), &sample, &err), AS_INVALID);
        assert_true(err.text[0]);
    }
    as_arena_free(&arena);
}

static as_rc count_one(void *context, const as_sample *sample, as_err *err) {
    (void)err;
    (void)sample;
    ++*(int *)context;
    return AS_OK;
}

static const as_run_header header = {{"r1", 2}, {"s", 1}, {"h1", 2},  {"h2", 2},
                                     {"t", 1},  {"m", 1}, {"2026", 4}};

static void journal_of(as_arena *arena, const char *where, int cases) {
    as_journal journal;
    as_err err = {0};
    assert_int_equal(as_journal_create(&journal, where, &header, &err), AS_OK);
    for (int i = 0; i < cases; i++) {
        as_sample sample = full_sample(arena, as_strf(arena, "c-%d", i).ptr);
        assert_int_equal(as_journal_add(&journal, &sample, &err), AS_OK);
    }
    assert_int_equal(as_journal_close(&journal, &err), AS_OK);
}

// Cut at every byte: all whole lines are there, the torn one is dropped, and writing goes on.
static void torn_journal_resumes_at_every_byte(void **state) {
    (void)state;
    as_arena arena = {0};
    as_err err = {0};
    const char *where = as_strf(&arena, "%s/torn", dir).ptr;
    const char *path = as_strf(&arena, "%s/results.jsonl", where).ptr;
    journal_of(&arena, where, 3);
    as_str whole;
    assert_int_equal(as_file_read(&arena, path, 1 << 20, &whole, &err), AS_OK);
    for (size_t cut = 0; cut <= whole.len; cut++) {
        int lines = 0, seen = 0, after = 0;
        for (size_t i = 0; i < cut; i++) lines += whole.ptr[i] == '\n';
        assert_int_equal(as_file_replace(path, as_str_sub(whole, 0, cut), &err), AS_OK);
        as_journal journal;
        assert_int_equal(as_journal_resume(&journal, where, count_one, &seen, &err), AS_OK);
        assert_int_equal(seen, lines);
        as_sample sample = full_sample(&arena, "new");
        assert_int_equal(as_journal_add(&journal, &sample, &err), AS_OK);
        assert_int_equal(as_journal_close(&journal, &err), AS_OK);
        assert_int_equal(as_journal_read(path, count_one, &after, &err), AS_OK);
        assert_int_equal(after, lines + 1);
    }
    as_arena_free(&arena);
}

static void damage_in_the_middle_is_an_error(void **state) {
    (void)state;
    as_arena arena = {0};
    as_err err = {0};
    const char *where = as_strf(&arena, "%s/middle", dir).ptr;
    const char *path = as_strf(&arena, "%s/results.jsonl", where).ptr;
    journal_of(&arena, where, 1);
    as_str text;
    int seen = 0;
    as_journal journal;
    assert_int_equal(as_file_read(&arena, path, 1 << 20, &text, &err), AS_OK);
    text = as_strf(&arena, "%.*sgarbage\n%.*s", AS_STR_ARG(text), AS_STR_ARG(text));
    assert_int_equal(as_file_replace(path, text, &err), AS_OK);
    assert_int_equal(as_journal_resume(&journal, where, count_one, &seen, &err), AS_INVALID);
    assert_non_null(strstr(err.text, "results.jsonl:2"));
    as_arena_free(&arena);
}

static void header_is_read_back(void **state) {
    (void)state;
    as_arena arena = {0};
    as_err err = {0};
    as_run_header back;
    const char *where = as_strf(&arena, "%s/header", dir).ptr;
    journal_of(&arena, where, 0);
    assert_int_equal(as_run_header_read(&arena, where, &back, &err), AS_OK);
    assert_true(as_str_eq(back.run, header.run) && as_str_eq(back.started, header.started));
    assert_true(as_str_eq(back.model_sha256, header.model_sha256));
    assert_int_equal(as_run_header_read(&arena, "/nonexistent", &back, &err), AS_INVALID);
    as_arena_free(&arena);
}

static as_str digest_of(as_arena *arena, const int *order, int count, double score) {
    as_digest *digest = as_digest_new();
    for (int i = 0; i < count; i++) {
        as_sample sample = full_sample(arena, as_strf(arena, "c-%d", order[i]).ptr);
        as_score *scores = AS_NEW_ARRAY(arena, as_score, 1);
        scores[0] = (as_score){AS_STR("accuracy"), score};
        sample.scores = scores;
        sample.score_count = 1;
        as_digest_add(digest, &sample);
    }
    return as_digest_end(digest, arena);
}

static void digest_ignores_order_and_nothing_else(void **state) {
    (void)state;
    as_arena arena = {0};
    const int up[] = {0, 1, 2, 10}, down[] = {10, 2, 1, 0};
    as_str one = digest_of(&arena, up, 4, 1);
    assert_int_equal(one.len, 64);
    assert_true(as_str_eq(one, digest_of(&arena, down, 4, 1)));
    assert_false(as_str_eq(one, digest_of(&arena, up, 3, 1)));
    assert_false(as_str_eq(one, digest_of(&arena, up, 4, 0x1.fffffffffffffp-1)));
    as_arena_free(&arena);
}

static void summary_survives_a_round_trip(void **state) {
    (void)state;
    as_arena arena = {0};
    as_value values[] = {{.name = AS_STR("accuracy"),
                          .value = 0.9,
                          .ci = {0.88, 0.92},
                          .stderr_ = 0.01,
                          .n = 100,
                          .method = AS_STR("wilson")},
                         {.name = AS_STR("mcc"),
                          .value = NAN,
                          .ci = {NAN, NAN},
                          .stderr_ = NAN,
                          .method = AS_STR(""),
                          .spec = AS_STR("{\"name\":\"mcc\"}")}};
    as_slice_values slices[] = {{AS_STR("tag=edge"), values, 1}};
    as_check checks[] = {{.gate = AS_STR("accuracy drop <= 0.01"),
                          .metric = AS_STR("accuracy"),
                          .value = 0.9,
                          .baseline = 0.93,
                          .delta = -0.03,
                          .ci = {-0.05, -0.01},
                          .p = 0.004,
                          .mde = NAN,
                          .broke = 40,
                          .fixed = 10,
                          .needed = 500,
                          .verdict = AS_FAIL,
                          .note = AS_STR("worse")}};
    as_summary s = {.run = AS_STR("r"),
                    .suite = AS_STR("x"),
                    .started = AS_STR("2026-11-24T00:00:00.000Z"),
                    .wall_s = 1.25,
                    .total = 100,
                    .ok = 100,
                    .outcomes = {99, 1},
                    .metrics = values,
                    .metric_count = 2,
                    .slices = slices,
                    .slice_count = 1,
                    .latency = {1, 2, 3, 4, 5, 2.5},
                    .ttft = {NAN, NAN, NAN, NAN, NAN, NAN},
                    .tpot = {NAN, NAN, NAN, NAN, NAN, NAN},
                    .gate = {AS_FAIL, AS_STR("base"), checks, 1}};
    as_buf text = {0}, again = {0};
    as_summary back;
    as_err err = {0};
    as_summary_write(&text, &s);
    assert_int_equal(as_summary_read(&arena, as_buf_view(&text), &back, &err), AS_OK);
    as_summary_write(&again, &back);
    assert_string_equal(text.ptr, again.ptr);
    assert_int_equal(back.gate.checks[0].broke, 40);
    assert_true(isnan(as_summary_value(&back, AS_STR("mcc"), AS_STR(""))->value));
    assert_non_null(as_summary_value(&back, AS_STR("accuracy"), AS_STR("tag=edge")));
    assert_null(as_summary_value(&back, AS_STR("mcc"), AS_STR("tag=edge")));
    assert_int_equal(as_summary_read(&arena, AS_STR("{\"schema\":9}"), &back, &err), AS_INVALID);
    as_buf_free(&text);
    as_buf_free(&again);
    as_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sample_survives_a_round_trip),
        cmocka_unit_test(damaged_lines_are_refused),
        cmocka_unit_test(torn_journal_resumes_at_every_byte),
        cmocka_unit_test(damage_in_the_middle_is_an_error),
        cmocka_unit_test(header_is_read_back),
        cmocka_unit_test(digest_ignores_order_and_nothing_else),
        cmocka_unit_test(summary_survives_a_round_trip),
    };
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
