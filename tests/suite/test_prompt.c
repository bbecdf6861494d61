// SPDX-License-Identifier: Apache-2.0
// Prompts: turns, few-shot examples, fields, extraction.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/suite/dataset.h"
#include "harness/suite/prompt.h"
#include "tests/suite/scratch.h"

typedef struct bench {
    as_arena arena;
    as_suite suite;
    const as_prompt *prompt;
    as_buf problems;
} bench;

// A suite of `head` (prompt, extract, ...) over an empty dataset.
static as_rc make(bench *b, const char *head) {
    *b = (bench){0};
    scratch_file("cases.jsonl", "");
    char text[2048];
    snprintf(text, sizeof text, "suite: s\ndataset: cases.jsonl\nmetrics: [a]\n%s", head);
    as_rc rc = as_suite_load(&b->arena, scratch_file("suite.yaml", text), &b->suite, &b->problems);
    if (rc) print_error("%s", b->problems.ptr);
    assert_int_equal(rc, AS_OK);
    return as_prompt_new(&b->arena, &b->suite, &b->prompt, &b->problems);
}

static void drop(bench *b) {
    as_prompt_free(b->prompt);
    as_buf_free(&b->problems);
    as_arena_free(&b->arena);
}

static as_case case_of(as_arena *arena, const char *id, const char *json) {
    as_case c = {.id = as_str_of(id), .weight = 1};
    as_err err = {0};
    assert_int_equal(as_json_parse(arena, as_str_of(json), &c.fields, &err), AS_OK);
    return c;
}

// "role: content|role: content"
static void expect_turns(bench *b, const char *id, const char *json, const char *wanted) {
    as_case c = case_of(&b->arena, id, json);
    const as_prompt_turn *turns;
    size_t count;
    as_err err = {0};
    as_rc rc = as_prompt_render(b->prompt, &b->arena, &c, &turns, &count, &err);
    if (rc) print_error("%s\n", err.text);
    assert_int_equal(rc, AS_OK);
    as_buf given = {0};
    for (size_t i = 0; i < count; i++)
        as_buff(&given, "%s%.*s: %.*s", i ? "|" : "", AS_STR_ARG(turns[i].role),
                AS_STR_ARG(turns[i].content));
    assert_string_equal(given.ptr, wanted);
    as_buf_free(&given);
}

static void test_turns(void **state) {
    (void)state;
    bench b;
    assert_int_equal(make(&b, "task: generate\nprompt: \"Q: {{ text }}\\n\"\n"), AS_OK);
    expect_turns(&b, "1", "{\"text\": \"hi\"}", "user: Q: hi");
    as_case c = case_of(&b.arena, "c-9", "{\"txt\": 1}");
    const as_prompt_turn *turns;
    size_t count;
    as_err err = {0};
    assert_int_equal(as_prompt_render(b.prompt, &b.arena, &c, &turns, &count, &err), AS_INVALID);
    assert_non_null(strstr(err.text, "case 'c-9': prompt.user: line 1, column 7: 'text' is undef"));
    drop(&b);

    assert_int_equal(make(&b, "task: choice\nchoices: [a, b]\nprompt:\n  system: \"S {{ lang }}\"\n"
                              "  user: \"{{ text }} {{ choices | join('/') }}\"\n"),
                     AS_OK);
    expect_turns(&b, "1", "{\"text\": \"hi\", \"lang\": \"en\"}", "system: S en|user: hi a/b");
    expect_turns(&b, "1", "{\"text\": \"hi\", \"lang\": \"en\", \"choices\": [1]}",
                 "system: S en|user: hi 1");
    drop(&b);
}

static void expect_fields(const char *head, const char *wanted) {
    bench b;
    as_rc rc = make(&b, head);
    if (rc) print_error("%s", b.problems.ptr);
    assert_int_equal(rc, AS_OK);
    const as_str *fields;
    size_t count;
    as_prompt_fields(b.prompt, &fields, &count);
    as_buf given = {0};
    for (size_t i = 0; i < count; i++)
        as_buff(&given, "%s%.*s", i ? " " : "", AS_STR_ARG(fields[i]));
    as_buf_text(&given, "");
    assert_string_equal(given.ptr, wanted);
    as_buf_free(&given);
    drop(&b);
}

static void test_fields(void **state) {
    (void)state;
    expect_fields(
        "task: generate\nprompt: {system: \"{{ a }}{{ b }}\", user: \"{{ b }}{{ c }}\"}\n",
        "a b c");
    expect_fields("task: generate\nprompt: \"{{ a }} {{ opt | default('') }} {{ choices }}\"\n",
                  "a choices");
    expect_fields("task: choice\nchoices: [a, b]\nprompt: \"{{ t }} {{ choices }}\"\n", "t");
    expect_fields("task: choice\nchoices: {field: options}\nprompt: \"{{ t }}\"\n", "t options");
}

static void test_problems(void **state) {
    (void)state;
    bench b;
    scratch_file("train.jsonl", "{\"text\": \"1\", \"expected\": \"a\"}\n");
    assert_int_equal(make(&b, "task: generate\nextract: [{regex: \"(\"}, {regex: \"[\"}]\n"
                              "prompt: {system: \"{{ a\", user: \"{% if %}\"}\n"),
                     AS_INVALID);
    assert_non_null(
        strstr(b.problems.ptr, "suite.yaml:6:18: prompt.system: line 1, column 1: '{{'"));
    assert_non_null(
        strstr(b.problems.ptr, "suite.yaml:6:32: prompt.user: line 1, column 7: an exp"));
    assert_non_null(strstr(b.problems.ptr, "suite.yaml:5:19: extract: regular expression '(' is"));
    assert_non_null(strstr(b.problems.ptr, "suite.yaml:5:33: extract: regular expression '[' is"));
    drop(&b);
    assert_int_equal(make(&b, "task: generate\nprompt: {user: \"{{ text }}\", few_shot: {from: "
                              "train.jsonl, n: 3}}\n"),
                     AS_INVALID);
    assert_non_null(strstr(b.problems.ptr, "n is 3, but"));
    drop(&b);
    scratch_file("train.jsonl", "{\"txt\": \"1\", \"expected\": \"a\"}\n");
    assert_int_equal(make(&b, "task: generate\nprompt: {user: \"{{ text }}\", few_shot: {from: "
                              "train.jsonl, n: 1}}\n"),
                     AS_INVALID);
    assert_non_null(strstr(b.problems.ptr, "train.jsonl:1: line 1, column 4: 'text' is undefined"));
    drop(&b);
}

static void test_few_shot(void **state) {
    (void)state;
    bench b;
    scratch_file("train.jsonl", "{\"id\": 1, \"text\": \"t1\", \"expected\": \"a\"}\n"
                                "{\"id\": 2, \"text\": \"t2\", \"expected\": [\"b\", \"bb\"]}\n"
                                "{\"id\": 3, \"text\": \"t1\", \"expected\": \"c\"}\n"
                                "{\"id\": 4, \"text\": \"t4\", \"expected\": {\"k\": 1}}\n"
                                "{\"id\": 5, \"text\": \"t5\", \"expected\": 7}\n");
    assert_int_equal(make(&b, "task: generate\nprompt: {system: S, user: \"{{ text }}\", few_shot: "
                              "{from: train.jsonl, n: 2}}\n"),
                     AS_OK);
    expect_turns(&b, "x", "{\"text\": \"new\"}",
                 "system: S|user: t1|assistant: a|user: t2|assistant: b|user: new");
    // Neither the case of the same id nor the one with the same text.
    expect_turns(&b, "2", "{\"text\": \"new\"}",
                 "system: S|user: t1|assistant: a|user: t4|assistant: {\"k\":1}|user: new");
    expect_turns(&b, "2", "{\"text\": \"t1\"}",
                 "system: S|user: t4|assistant: {\"k\":1}|user: t5|assistant: 7|user: t1");
    drop(&b);
}

static void test_seeded(void **state) {
    (void)state;
    as_buf train = {0};
    for (int i = 0; i < 50; i++)
        as_buff(&train, "{\"text\": \"t%d\", \"expected\": \"e%d\"}\n", i, i);
    scratch_bytes("train.jsonl", train.ptr, train.len);
    as_buf_free(&train);
    as_str seen[3];
    bench b[3];
    for (int i = 0; i < 3; i++) {
        char head[256];
        snprintf(head, sizeof head,
                 "task: generate\ngenerate: {seed: %d}\nprompt: {user: \"{{ text }}\", few_shot: "
                 "{from: train.jsonl, n: 4, pick: seeded}}\n",
                 i ? 1 : 2);
        assert_int_equal(make(&b[i], head), AS_OK);
        as_case c = case_of(&b[i].arena, "x", "{\"text\": \"new\"}");
        const as_prompt_turn *turns;
        size_t count;
        as_err err = {0};
        assert_int_equal(as_prompt_render(b[i].prompt, &b[i].arena, &c, &turns, &count, &err), 0);
        assert_int_equal(count, 9);
        seen[i] = as_strf(&b[i].arena, "%s %s %s %s", turns[0].content.ptr, turns[2].content.ptr,
                          turns[4].content.ptr, turns[6].content.ptr);
    }
    assert_true(as_str_eq(seen[1], seen[2]));
    assert_false(as_str_eq(seen[0], seen[1]));
    for (int i = 0; i < 3; i++) drop(&b[i]);
}

static void expect_extract(const char *extract, const char *output, const char *wanted) {
    bench b;
    char head[512];
    snprintf(head, sizeof head, "task: generate\nprompt: x\nextract: %s\n", extract);
    assert_int_equal(make(&b, head), AS_OK);
    as_str prediction;
    bool found = as_prompt_extract(b.prompt, &b.arena, as_str_of(output), &prediction);
    assert_int_equal(found, wanted != NULL);
    if (found) {
        if (!as_str_is(prediction, wanted))
            print_error("wanted '%s', got '%.*s'\n", wanted, AS_STR_ARG(prediction));
        assert_true(as_str_is(prediction, wanted));
    }
    drop(&b);
}

static void test_extract(void **state) {
    (void)state;
    expect_extract("strip", "  a b \n", "a b");
    expect_extract("[strip, lower]", " ÀB ß ", "àb ß");
    expect_extract("[{regex: \"answer: *(\\\\w+)\"}]", "The answer:  forty two", "forty");
    expect_extract("[{regex: \"[0-9]+\"}]", "it is 42, not 7", "42");
    expect_extract("[{regex: \"[0-9]+\"}]", "none", NULL);
    expect_extract("[{regex: \"a=(x)|b=(y)\"}]", "b=y", "y");
    expect_extract("[{regex: \"(a)?b\"}]", "b", "b");
    expect_extract("first_line", "\n\n  one \ntwo", "one");
    expect_extract("first_line", " \n ", NULL);
    expect_extract("[{json: label}]", "Sure: {\"label\": \"card_lost\"} ok", "card_lost");
    expect_extract("[{json: a.b}]", "{bad} then {\"a\": {\"b\": [1, 2]}}", "[1,2]");
    expect_extract("[{json: a}]", "{\"b\": 1}", NULL);
    expect_extract("[{json: a}]", "{\"a\": null}", NULL);
    expect_extract("[{json: a}]", "{\"a\": 1", NULL);
    expect_extract("[{json: a}, lower]", "```json\n{\"a\": \"X } \\\" {\"}\n```", "x } \" {");
    expect_extract("strip", "bad \xff byte", "bad \xef\xbf\xbd byte");
    expect_extract("[strip, first_line, lower]", "  YES\nbecause", "yes");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turns),    cmocka_unit_test(test_fields),
        cmocka_unit_test(test_problems), cmocka_unit_test(test_few_shot),
        cmocka_unit_test(test_seeded),   cmocka_unit_test(test_extract),
    };
    return cmocka_run_group_tests(tests, NULL, scratch_remove);
}
