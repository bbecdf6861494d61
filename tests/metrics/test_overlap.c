// SPDX-License-Identifier: Apache-2.0
// Text metrics against sacreBLEU, rouge_score, jiwer, rapidfuzz and NLTK; edit.h against the plain
// matrices.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/clock.h"
#include "harness/base/file.h"
#include "harness/base/rng.h"
#include "metrics/overlap/edit.h"
#include "metrics/overlap/porter.h"
#include "tests/metrics/fixture.h"

static as_scorer *scorer_of(as_arena *arena, as_str metric) {
    const char *const metrics[] = {as_str_copy(arena, metric).ptr, NULL};
    return fixture_scorer(arena, metrics);
}

static void add_cases(as_scorer *scorer, as_arena *arena, const as_json *cases) {
    size_t number = 0;
    for (const as_json *c = cases->child; c; c = c->next) {
        char id[32];
        snprintf(id, sizeof id, "%06zu", number++);
        as_sample sample =
            fixture_sample(arena, id, "null", as_str_copy(arena, c->child->text).ptr);
        sample.expected = c->child->next;
        fixture_add(scorer, arena, sample);
    }
}

static double value_over(as_arena *arena, as_str metric, const as_json *cases) {
    as_scorer *scorer = scorer_of(arena, metric);
    as_summary summary = {0};
    add_cases(scorer, arena, cases);
    as_scorer_summarize(scorer, arena, &summary);
    as_scorer_free(scorer);
    return summary.metrics[0].value;
}

static const as_json *find_set(const as_json *const *sets, size_t count, as_str name) {
    for (size_t i = 0; i < count; i++)
        if (as_str_eq(as_json_str(sets[i], "set", AS_STR("")), name))
            return as_json_get(sets[i], "cases");
    fail_msg("no set '%.*s'", AS_STR_ARG(name));
    return NULL;
}

static void test_references(void **state) {
    (void)state;
    enum { SETS_MAX = 16 };
    as_arena arena = {0};
    as_err err = {0};
    as_str text;
    const as_json *sets[SETS_MAX];
    size_t set_count = 0, checked = 0;
    assert_int_equal(as_file_read(&arena, "tests/metrics/overlap.jsonl", 1 << 24, &text, &err), 0);
    while (text.len) {
        const as_json *line;
        if (as_json_parse(&arena, as_str_cut(&text, '\n'), &line, &err)) fail_msg("%s", err.text);
        if (as_json_get(line, "cases")) {
            assert_true(set_count < SETS_MAX);
            sets[set_count++] = line;
            continue;
        }
        as_buf metric = {0};
        as_json_write(&metric, as_json_get(line, "metric"));
        as_str set = as_json_str(line, "set", AS_STR(""));
        double want = as_json_f64(line, "value", NAN);
        double got = value_over(&arena, as_buf_view(&metric), find_set(sets, set_count, set));
        if (!(fabs(got - want) <= 1e-11 * fmax(1, fabs(want))))
            fail_msg("%s of set %.*s: got %.17g, want %.17g", metric.ptr, AS_STR_ARG(set), got,
                     want);
        as_buf_free(&metric);
        checked++;
    }
    assert_true(checked > 200);
    as_arena_free(&arena);
}

static void test_stems(void **state) {
    (void)state;
    as_arena arena = {0};
    fixture_row *rows;
    size_t count = fixture_read(&arena, "tests/metrics/stems.tsv", &rows);
    assert_true(count > 2500);
    for (size_t i = 0; i < count; i++) {
        as_str got = as_porter_stem(&arena, rows[i].cells[0]);
        if (!as_str_eq(got, rows[i].cells[1]))
            fail_msg("%.*s: got %.*s, want %.*s", AS_STR_ARG(rows[i].cells[0]), AS_STR_ARG(got),
                     AS_STR_ARG(rows[i].cells[1]));
    }
    as_arena_free(&arena);
}

enum { SIDE = 200 };
static int distances[SIDE + 1][SIDE + 1], commons[SIDE + 1][SIDE + 1];

static int least(int a, int b) {
    return a < b ? a : b;
}

static void fill_matrices(const uint32_t *a, size_t n, const uint32_t *b, size_t m) {
    for (size_t i = 0; i <= n; i++)
        for (size_t j = 0; j <= m; j++) {
            if (!i || !j) {
                distances[i][j] = (int)(i + j);
                commons[i][j] = 0;
                continue;
            }
            bool same = a[i - 1] == b[j - 1];
            int beside = least(distances[i - 1][j], distances[i][j - 1]) + 1;
            distances[i][j] = least(distances[i - 1][j - 1] + !same, beside);
            commons[i][j] =
                same ? commons[i - 1][j - 1] + 1 : -least(-commons[i - 1][j], -commons[i][j - 1]);
        }
}

static void check_marks(as_arena *arena, as_symbols a, as_symbols b) {
    bool got[SIDE] = {0}, want[SIDE] = {0};
    as_edit_mark_common(arena, a, b, got);
    size_t i = a.count, j = b.count;
    while (i && j) {
        if (a.items[i - 1] == b.items[j - 1])
            want[--i] = true, j--;
        else if (commons[i][j - 1] > commons[i - 1][j])
            j--;
        else
            i--;
    }
    assert_memory_equal(got, want, sizeof got);
}

// Sides of 0 to 200 symbols: from less than one machine word to four.
static void test_matrices(void **state) {
    (void)state;
    as_arena arena = {0};
    as_rng rng = as_rng_of(3, 1);
    for (int round = 0; round < 3000; round++) {
        uint32_t x[SIDE], y[SIDE];
        size_t n = as_rng_u64(&rng) % SIDE, m = as_rng_u64(&rng) % SIDE;
        uint64_t kinds = 1 + as_rng_u64(&rng) % 6, alike = as_rng_u64(&rng) % 2;
        for (size_t i = 0; i < SIDE; i++) {
            x[i] = (uint32_t)(as_rng_u64(&rng) % kinds);
            y[i] = alike && as_rng_u64(&rng) % 5 ? x[i] : (uint32_t)(as_rng_u64(&rng) % kinds);
        }
        as_symbols a = {x, n}, b = {y, m};
        fill_matrices(x, n, y, m);
        assert_int_equal(as_edit_distance(&arena, a, b), distances[n][m]);
        assert_int_equal(as_edit_common(&arena, a, b), commons[n][m]);
        as_edits e = as_edit_align(&arena, a, b);
        assert_int_equal(e.substitutions + e.deletions + e.insertions, distances[n][m]);
        assert_int_equal(e.hits + e.substitutions + e.deletions, n);
        assert_int_equal(e.hits + e.substitutions + e.insertions, m);
        check_marks(&arena, a, b);
        as_arena_reset(&arena);
    }
    as_arena_free(&arena);
}

// Fifty thousand characters on both sides, with nothing in common but the alphabet.
static void test_long_texts(void **state) {
    (void)state;
    enum { LEN = 50000 };
    static const char *const metrics[] = {"levenshtein", "cer",    "wer",       "wil", "bleu",
                                          "chrf_pp",     "rougeL", "rougeLsum", NULL};
    as_arena arena = {0};
    as_rng rng = as_rng_of(4, 1);
    char *sides[2];
    for (int s = 0; s < 2; s++) {
        sides[s] = as_arena_take(&arena, LEN + 1);
        for (size_t i = 0; i < LEN; i++) {
            uint64_t c = as_rng_u64(&rng) % 32;
            sides[s][i] = (char)(c < 26 ? 'a' + (char)c : ' ');
        }
    }
    uint64_t start = as_clock_ns();
    as_scorer *scorer = fixture_scorer(&arena, metrics);
    as_sample sample = fixture_sample(&arena, "1", "null", sides[0]);
    sample.expected = as_json_new_str(&arena, as_str_of(sides[1]));
    fixture_add(scorer, &arena, sample);
    double seconds = (double)(as_clock_ns() - start) / 1e9;
    print_message("50,000 characters, 8 metrics: %.2f s\n", seconds);
    assert_true(seconds < 200); // a guard against the order of growth, not a benchmark
    as_scorer_free(scorer);
    as_arena_free(&arena);
}

static void check_one(const char *metric, const char *expected, const char *answer, double want) {
    as_arena arena = {0};
    as_scorer *scorer = scorer_of(&arena, as_str_of(metric));
    as_sample sample = fixture_sample(&arena, "1", expected, answer);
    as_err err = {0};
    if (as_scorer_add(scorer, &arena, &sample, &err)) fail_msg("%s", err.text);
    fixture_near(sample.scores[0].value, want, 1e-12, metric);
    as_scorer_free(scorer);
    as_arena_free(&arena);
}

static void test_cases(void **state) {
    (void)state;
    check_one("wer", "\"a b c d\"", NULL, 1); // no answer is an empty one
    check_one("wer", "[\"x y\", \"a b\"]", "a b", 0);
    check_one("{name: wer, ignore_case: true}", "\"Ä b\"", "ä B", 0);
    check_one("wer", "\"a\\tb\"", "a b", 2); // a single tab is no space to jiwer: one word
    check_one("wil", "\"\"", "", 0);
    check_one("levenshtein", "\"\"", "", 1);
    check_one("levenshtein", "\"kitten\"", "sitting", 1 - 3.0 / 7);
    check_one("levenshtein", "\"e\\u0301\"", "\xc3\xa9", 0); // NFC and NFD are not the same
    check_one("{name: levenshtein, threshold: 3}", "\"kitten\"", "sitting", 1);
    check_one("{name: levenshtein, threshold: 2}", "\"kitten\"", "sitting", 0);
    check_one("{name: not-levenshtein, threshold: 2}", "\"kitten\"", "sitting", 1);
    check_one("{name: levenshtein, value: kitten}", "{}", "mitten", 1 - 1.0 / 6);
    check_one("bleu", "\"a b c d\"", "a b c d", 100);
    check_one("bleu", "\"a b\"", "a b", 100); // a case's own BLEU is over the orders it has
    check_one("rouge1", "\"日本\"", "日本", 0);
    check_one("ter", "\"a b c d e\"", "c d e a b", 20);
}

static void test_signatures(void **state) {
    (void)state;
    static const char *const metrics[] = {
        "bleu",   "{name: chrf_pp, lowercase: true}",          "ter",
        "rouge1", "{name: bleu, as: b, smooth_method: floor}", "wer",
        NULL};
    static const char *const wanted[] = {
        "nrefs:2|case:mixed|eff:no|tok:13a|smooth:exp|like:sacrebleu-2.6",
        "nrefs:2|case:lc|eff:yes|nc:6|nw:2|space:no|like:sacrebleu-2.6",
        "nrefs:2|case:lc|tok:tercom|norm:no|punct:yes|asian:no|like:sacrebleu-2.6",
        "stem:no|score:fmeasure",
        "nrefs:2|case:mixed|eff:no|tok:13a|smooth:floor[0.10]|like:sacrebleu-2.6",
        "ignore_case:no"};
    as_arena arena = {0};
    as_scorer *scorer = fixture_scorer(&arena, metrics);
    as_summary summary = {0};
    fixture_add(scorer, &arena, fixture_sample(&arena, "1", "[\"a\", \"b\"]", "a"));
    as_scorer_summarize(scorer, &arena, &summary);
    for (size_t i = 0; i < 6; i++) {
        as_str got = summary.metrics[i].signature;
        if (!as_str_is(got, wanted[i])) fail_msg("%.*s", AS_STR_ARG(got));
    }
    as_scorer_free(scorer);
    as_arena_free(&arena);
}

// No case is undefined, never 0 or 1; and a corpus metric has an interval from its statistics.
static void test_none_and_some(void **state) {
    (void)state;
    static const char *const metrics[] = {"bleu", "chrf", "ter", "wer", "wil", "rougeL", NULL};
    as_arena arena = {0};
    as_scorer *scorer = fixture_scorer(&arena, metrics);
    as_summary summary = {0};
    as_scorer_summarize(scorer, &arena, &summary);
    for (size_t i = 0; i < 6; i++) assert_true(isnan(summary.metrics[i].value));
    for (int i = 0; i < 40; i++) {
        char id[8];
        snprintf(id, sizeof id, "%d", i);
        fixture_add(scorer, &arena,
                    fixture_sample(&arena, id, "\"one two three four five\"",
                                   i % 3 ? "one two three four six" : "two one four three five"));
    }
    as_scorer_summarize(scorer, &arena, &summary);
    for (size_t i = 0; i < 6; i++) {
        const as_value *v = &summary.metrics[i];
        assert_true(v->ci.lo < v->value && v->value < v->ci.hi && v->n == 40);
    }
    as_scorer_free(scorer);
    as_arena_free(&arena);
}

// Many cases are resampled in blocks: the spread must be that of the linearised ratio.
static void test_blocks(void **state) {
    (void)state;
    enum { CASES = 20000 };
    static const char *const metrics[] = {"wer", NULL};
    as_arena arena = {0};
    as_scorer *scorer = fixture_scorer(&arena, metrics);
    as_summary summary = {0};
    as_rng rng = as_rng_of(5, 1);
    static double wrong[CASES], length[CASES];
    double sum_wrong = 0, sum_length = 0, squares = 0;
    for (size_t i = 0; i < CASES; i++) {
        char id[16], gold[64] = "\"", answer[32] = "";
        snprintf(id, sizeof id, "%zu", i);
        length[i] = 1 + (double)(as_rng_u64(&rng) % 10);
        for (int w = 0; w < (int)length[i]; w++) {
            bool miss = as_rng_u64(&rng) % 5 == 0;
            wrong[i] += miss;
            strcat(gold, "a ");
            strcat(answer, miss ? "b " : "a ");
        }
        strcat(gold, "\"");
        sum_wrong += wrong[i];
        sum_length += length[i];
        fixture_add(scorer, &arena, fixture_sample(&arena, id, gold, answer));
    }
    as_scorer_summarize(scorer, &arena, &summary);
    double value = sum_wrong / sum_length;
    for (size_t i = 0; i < CASES; i++)
        squares += (wrong[i] - value * length[i]) * (wrong[i] - value * length[i]);
    fixture_near(summary.metrics[0].value, value, 1e-12, "wer");
    fixture_near(summary.metrics[0].stderr_, sqrt(squares) / sum_length, 0.06, "standard error");
    as_scorer_free(scorer);
    as_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references),    cmocka_unit_test(test_stems),
        cmocka_unit_test(test_matrices),      cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_cases),         cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_none_and_some), cmocka_unit_test(test_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
