// SPDX-License-Identifier: Apache-2.0
// BLEU with vocabularies against sacreBLEU's scores: SentencePiece models, MeCab's dictionaries.
// Where MeCab or its Korean fork is not installed, that is said and the rest is tested.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/file.h"
#include "tests/metrics/fixture.h"

static char folder[] = "/tmp/assay-words-XXXXXX", model_path[64];

static int set_up(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(model_path, sizeof model_path, "%s/x.model", folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    unlink(model_path);
    return rmdir(folder);
}

// The model of that name in the tests of harness/base, as a file.
static void put_model(as_str name) {
    as_arena arena = {0};
    as_err err = {0};
    as_lines lines;
    bool more = true;
    as_buf file = {0};
    assert_int_equal(as_lines_open(&lines, "tests/base/sentencepiece.jsonl", 1 << 20, &err), 0);
    while (more && !file.len) {
        as_str line;
        const as_json *value;
        assert_int_equal(as_lines_next(&lines, &line, &more, &err), 0);
        if (!more || as_json_parse(&arena, line, &value, &err)) break;
        if (!as_str_eq(as_json_str(value, "model", AS_STR("")), name)) continue;
        as_str hex = as_json_str(value, "file", AS_STR(""));
        for (size_t i = 0; i + 1 < hex.len; i += 2) {
            char two[] = {hex.ptr[i], hex.ptr[i + 1], '\0'};
            as_buf_char(&file, (char)strtoul(two, NULL, 16));
        }
    }
    as_lines_close(&lines);
    assert_true(file.len > 0);
    assert_int_equal(as_file_replace(model_path, as_buf_view(&file), &err), 0);
    as_buf_free(&file);
    as_arena_free(&arena);
}

static void check_cases(as_arena *arena, as_scorer *scorer, const as_json *row) {
    const as_json *score = as_json_get(row, "sentences")->child;
    size_t number = 0;
    for (const as_json *c = as_json_get(row, "cases")->child; c; c = c->next, score = score->next) {
        char id[32];
        as_err err = {0};
        snprintf(id, sizeof id, "%06zu", number++);
        as_sample sample =
            fixture_sample(arena, id, "null", as_str_copy(arena, c->child->text).ptr);
        sample.expected = c->child->next;
        if (as_scorer_add(scorer, arena, &sample, &err)) fail_msg("%s", err.text);
        fixture_near(sample.scores[0].value, score->number, 1e-11, id);
    }
    assert_null(score);
}

// Says why where what a tokenizer needs is not there.
static bool is_missing(as_str tokenize, const as_err *err) {
    bool mecab = as_str_ends(tokenize, AS_STR("-mecab"));
    if (!mecab) fail_msg("%s", err->text);
    assert_non_null(strstr(err->text, "libmecab.so.2"));
    if (as_str_is(tokenize, "ko-mecab")) assert_non_null(strstr(err->text, "mecab-ko"));
    printf("left out: %s\n", err->text);
    return true;
}

static void check_row(as_arena *arena, const as_json *row) {
    as_str tokenize = as_json_str(row, "tokenize", AS_STR(""));
    as_str model = as_json_str(row, "model", AS_STR("")), tok = as_json_str(row, "tok", AS_STR(""));
    as_str metric = as_strf(arena, "{name: bleu, tokenize: %.*s}", AS_STR_ARG(tokenize));
    if (model.len) {
        put_model(model);
        metric = as_strf(arena, "{name: bleu, tokenize: %.*s, vocabulary: %s}",
                         AS_STR_ARG(tokenize), model_path);
    }
    const char *const metrics[] = {metric.ptr, NULL};
    as_scorer *scorer;
    as_err err = {0};
    if (fixture_scorer_try(arena, metrics, &scorer, &err) && is_missing(tokenize, &err)) return;
    check_cases(arena, scorer, row);
    as_summary summary = {0};
    as_scorer_summarize(scorer, arena, &summary);
    fixture_near(summary.metrics[0].value, as_json_f64(row, "value", NAN), 1e-11, metric.ptr);
    // sacreBLEU's own name for `spm`, which here is any model, is that of its model.
    as_str wanted =
        as_strf(arena, "|tok:%.*s", AS_STR_ARG(as_str_is(tokenize, "spm") ? tokenize : tok));
    assert_true(as_str_find(summary.metrics[0].signature, wanted, 0) != SIZE_MAX);
    if (model.len)
        assert_true(as_str_find(summary.metrics[0].signature, AS_STR("|vocabulary:"), 0) !=
                    SIZE_MAX);
    as_scorer_free(scorer);
}

static void scores_are_those_of_sacrebleu(void **state) {
    (void)state;
    as_arena arena = {0};
    as_err err = {0};
    as_str text;
    size_t checked = 0;
    assert_int_equal(as_file_read(&arena, "tests/metrics/words.jsonl", 1 << 24, &text, &err), 0);
    while (text.len) {
        const as_json *row;
        if (as_json_parse(&arena, as_str_cut(&text, '\n'), &row, &err)) fail_msg("%s", err.text);
        check_row(&arena, row);
        checked++;
    }
    assert_int_equal(checked, 7);
    as_arena_free(&arena);
}

static void refusals_say_what_is_wanted(void **state) {
    (void)state;
    static const struct {
        const char *metric, *says;
    } cases[] = {
        {"{name: bleu, tokenize: flores200}",
         "metric 'bleu': tokenizer 'flores200' needs option 'vocabulary', the path of a "
         "SentencePiece model; sacreBLEU keeps this one in ~/.sacrebleu/models/"
         "flores200sacrebleuspm"},
        {"{name: bleu, tokenize: spm}", "~/.sacrebleu/models/sacrebleu_tokenizer_spm.model"},
        {"{name: bleu, vocabulary: x.model}", "goes with the tokenizers spm, flores101"},
        {"{name: bleu, tokenize: spm, vocabulary: 5}", "must be the path of a file or a folder"},
        {"{name: bleu, tokenize: spm, vocabulary: /nonexistent.model}",
         "cannot read '/nonexistent.model'"},
        {"{name: bleu, tokenize: spm, vocabulary: tests/metrics/words.jsonl}",
         "cannot read 'tests/metrics/words.jsonl': the model has a field"},
        {"{name: bleu, tokenize: ja-mecab, vocabulary: /nonexistent}", "tokenizer 'ja-mecab'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        as_arena arena = {0};
        as_err err = {0};
        as_scorer *scorer;
        const char *const metrics[] = {cases[i].metric, NULL};
        assert_int_equal(fixture_scorer_try(&arena, metrics, &scorer, &err), AS_INVALID);
        if (!strstr(err.text, cases[i].says)) fail_msg("%s; not: %s", err.text, cases[i].says);
        as_arena_free(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_sacrebleu),
        cmocka_unit_test(refusals_say_what_is_wanted),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
