// SPDX-License-Identifier: Apache-2.0
// WordNet's files: every word of a dictionary made here is found, what is damaged is refused, and
// with Debian's WordNet meteor is promptfoo's. Where that is not installed, that is said.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/file.h"
#include "metrics/overlap/wordnet.h"
#include "tests/metrics/fixture.h"

enum { WORDS = 200 };

static char folder[] = "/tmp/assay-wordnet-XXXXXX";

static void put(const char *name, as_str text) {
    char path[64];
    as_err err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(as_file_replace(path, text, &err), 0);
}

static const char licence[] = "  1 A dictionary made for a test  \n  2 w0100 stands here too  \n";

// Word i of the nouns stands in a synset with each of its multiples.
static void put_nouns(void) {
    as_buf data = {0}, index = {0};
    size_t at[WORDS] = {0};
    as_buf_text(&data, licence);
    as_buf_text(&index, licence);
    for (size_t i = 1; i < WORDS; i++) {
        at[i] = data.len;
        as_buff(&data, "%08zu 03 n %02x", data.len, (unsigned)((WORDS - 1) / i + 1));
        for (size_t j = i; j < WORDS; j += i) as_buff(&data, " w%04zu 0", j);
        as_buff(&data, " two_words 0 001 @ 00000001 n 0000 | a meaning; \"said | so\"  \n");
    }
    for (size_t j = 1; j < WORDS; j++) {
        size_t count = 0;
        for (size_t i = 1; i <= j; i++) count += j % i == 0;
        as_buff(&index, "w%04zu n %zu 2 @ #m %zu 0", j, count, count);
        for (size_t i = 1; i <= j; i++)
            if (j % i == 0) as_buff(&index, " %08zu", at[i]);
        as_buf_text(&index, "  \n");
    }
    put("data.noun", as_buf_view(&data));
    put("index.noun", as_buf_view(&index));
    as_buf_free(&data);
    as_buf_free(&index);
}

static int set_up(void **state) {
    (void)state;
    static const char *const empty[] = {"data.verb", "index.verb", "data.adj",
                                        "index.adj", "data.adv",   "index.adv"};
    if (!mkdtemp(folder)) return -1;
    put_nouns();
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) put(empty[i], AS_STR(""));
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    static const char *const parts[] = {"noun", "verb", "adj", "adv"};
    for (size_t i = 0; i < 8; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/%s.%s", folder, i % 2 ? "data" : "index", parts[i / 2]);
        unlink(path);
    }
    return rmdir(folder);
}

static bool holds(as_tokens words, const char *word) {
    for (size_t i = 0; i < words.count; i++)
        if (as_str_is(words.items[i], word)) return true;
    return false;
}

static void every_word_is_found(void **state) {
    (void)state;
    as_arena arena = {0};
    as_err err = {0};
    as_wordnet *wordnet;
    if (as_wordnet_open(as_str_of(folder), &wordnet, &err)) fail_msg("%s", err.text);
    for (size_t j = 1; j < WORDS; j++) {
        as_tokens got;
        size_t wanted = 0;
        as_str word = as_strf(&arena, "w%04zu", j);
        assert_int_equal(as_wordnet_synonyms(wordnet, &arena, word, &got, &err), 0);
        for (size_t i = 1; i <= j; i++)
            if (j % i == 0) wanted += (WORDS - 1) / i;
        assert_int_equal(got.count, wanted);
        assert_true(holds(got, word.ptr) && holds(got, "w0001") && !holds(got, "two_words"));
    }
    static const char *const missing[] = {"",  "w",  "w00001", "w0000", "w0200",
                                          "a", "zz", "1",      "  1"};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        as_tokens got;
        assert_int_equal(as_wordnet_synonyms(wordnet, &arena, as_str_of(missing[i]), &got, &err),
                         0);
        assert_int_equal(got.count, 0);
    }
    as_wordnet_free(wordnet);
    as_arena_free(&arena);
}

static void damage_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *index, *data;
    } cases[] = {
        {"x n 1 0 1 0 00000099  \n", "00000000 03 n 01 x 0 000 | m\n"},
        {"x n 1 0 1 0 00000001  \n", "00000000 03 n 01 x 0 000 | m\n"},
        {"x n 1 0 1 0 -0000001  \n", "00000000 03 n 01 x 0 000 | m\n"},
        {"x n 1 0 1 0\n", "00000000 03 n 01 x 0 000 | m\n"},
        {"x n 2 0 1 0 00000000\n", "00000000 03 n 01 x 0 000 | m\n"},
        {"x n 1 99999 1 0 00000000\n", "00000000 03 n 01 x 0 000 | m\n"},
        {"x n q 0 1 0 00000000\n", "00000000 03 n 01 x 0 000 | m\n"},
        {"x", "00000000 03 n 01 x 0 000 | m\n"},
        {"x n 1 0 1 0 00000000", "00000000 03 n 02 x"},
        {"x n 1 0 1 0 00000000", "00000000 03 n 00 x 0"},
        {"x n 1 0 1 0 00000000", "00000000"},
        {"x n 1 0 1 0 00000000", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        as_arena arena = {0};
        as_err err = {0};
        as_tokens out = {0};
        assert_int_equal(as_wordnet_look(as_str_of(cases[i].index), as_str_of(cases[i].data),
                                         "d/data.noun", &arena, AS_STR("x"), &out, &err),
                         AS_INVALID);
        assert_non_null(strstr(err.text, "cannot read 'd/data.noun': there is no synset at '"));
        as_arena_free(&arena);
    }
}

static void synonyms_are_paired_where_a_wordnet_is_named(void **state) {
    (void)state;
    char with[96];
    as_arena arena = {0};
    as_err err = {0};
    snprintf(with, sizeof with, "{name: meteor, as: with, wordnet: %s}", folder);
    const char *const metrics[] = {"meteor", with, NULL};
    as_scorer *scorer = fixture_scorer(&arena, metrics);
    as_sample sample = fixture_sample(&arena, "1", "\"w0006 w0005\"", "w0012 w0011");
    assert_int_equal(as_scorer_add(scorer, &arena, &sample, &err), 0);
    fixture_near(sample.scores[0].value, 0, 0, "without");
    fixture_near(sample.scores[1].value, 1 - 0.5 / 8, 1e-15, "with"); // both pairs, one chunk
    as_summary summary = {0};
    as_scorer_summarize(scorer, &arena, &summary);
    assert_true(as_str_find(summary.metrics[0].signature, AS_STR("wordnet"), 0) == SIZE_MAX);
    assert_true(as_str_find(summary.metrics[1].signature, AS_STR("|wordnet:'"), 0) != SIZE_MAX);
    as_scorer_free(scorer);
    const char *const nowhere[] = {"{name: meteor, wordnet: /nonexistent}", NULL};
    assert_int_equal(fixture_scorer_try(&arena, nowhere, &scorer, &err), AS_INVALID);
    assert_non_null(strstr(err.text, "option 'wordnet' of metric 'meteor': cannot read "
                                     "'/nonexistent/index.noun'"));
    as_arena_free(&arena);
}

static void meteor_is_that_of_promptfoo(void **state) {
    (void)state;
    as_arena arena = {0};
    as_err err = {0};
    as_str text;
    size_t checked = 0;
    if (access("/usr/share/wordnet/data.noun", R_OK)) {
        printf("left out: Debian's wordnet-base is not installed\n");
        skip();
    }
    assert_int_equal(as_file_read(&arena, "tests/metrics/wordnet.jsonl", 1 << 20, &text, &err), 0);
    as_str_cut(&text, '\n');
    while (text.len) {
        const as_json *row;
        if (as_json_parse(&arena, as_str_cut(&text, '\n'), &row, &err)) fail_msg("%s", err.text);
        const as_json *set = as_json_get(row, "set")->child;
        as_str metric = as_strf(&arena,
                                "{name: meteor, alpha: %g, beta: %g, gamma: %g, wordnet: "
                                "/usr/share/wordnet}",
                                set->number, set->next->number, set->next->next->number);
        const char *const metrics[] = {metric.ptr, NULL};
        as_scorer *scorer = fixture_scorer(&arena, metrics);
        as_str output = as_str_copy(&arena, as_json_str(row, "output", AS_STR("")));
        as_sample sample = fixture_sample(&arena, "1", "null", output.ptr);
        sample.expected = as_json_get(row, "golds");
        if (as_scorer_add(scorer, &arena, &sample, &err)) fail_msg("%s", err.text);
        fixture_near(sample.scores[0].value, as_json_f64(row, "meteor", NAN), 1e-12, output.ptr);
        as_scorer_free(scorer);
        checked++;
    }
    assert_true(checked >= 100);
    as_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_word_is_found),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(synonyms_are_paired_where_a_wordnet_is_named),
        cmocka_unit_test(meteor_is_that_of_promptfoo),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
