// SPDX-License-Identifier: Apache-2.0
// Suite files: what a right one becomes, and what is said about every kind of mistake.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/suite/suite.h"
#include "tests/suite/scratch.h"

#define HEAD "suite: s\ndataset: cases.jsonl\n"
#define GOOD HEAD "task: generate\nprompt: \"{{ text }}\"\nmetrics: [exact_match]\n"

static as_rc load(as_arena *arena, const char *text, as_suite *suite, as_buf *problems) {
    scratch_file("cases.jsonl", "{\"text\": \"a\", \"expected\": \"b\"}\n");
    return as_suite_load(arena, scratch_file("suite.yaml", text), suite, problems);
}

// The problems must be as many lines as there are parts, each part in its line.
static void expect(const char *text, size_t count, const char *const parts[]) {
    as_arena arena = {0};
    as_suite suite;
    as_buf problems = {0};
    as_rc rc = load(&arena, text, &suite, &problems);
    assert_int_equal(rc, AS_INVALID);
    size_t lines = 0;
    as_str rest = as_buf_view(&problems);
    while (rest.len) {
        as_str line = as_str_cut(&rest, '\n');
        bool hit = lines < count && as_str_find(line, as_str_of(parts[lines]), 0) != SIZE_MAX;
        if (!hit) print_error("%s\n", problems.ptr);
        assert_true(hit);
        lines++;
    }
    assert_int_equal(lines, count);
    as_buf_free(&problems);
    as_arena_free(&arena);
}

static void expect_one(const char *text, const char *part) {
    expect(text, 1, &part);
}

static void test_full(void **state) {
    (void)state;
    as_arena arena = {0};
    as_suite s;
    as_buf problems = {0};
    scratch_file("train.jsonl", "{\"text\": \"x\", \"intent\": \"y\"}\n");
    as_rc rc = load(&arena,
                    "suite: support-intents\n"
                    "description: tier-1 banking support\n"
                    "dataset: [cases.jsonl, cases.jsonl2.csv]\n"
                    "target: gguf:../m.gguf\n"
                    "task: choice\n"
                    "prompt:\n"
                    "  system: You are a desk.\n"
                    "  user: \"{{ text }}\\nIntent:\"\n"
                    "  few_shot: {from: train.jsonl, n: 4, pick: seeded}\n"
                    "  chat: raw\n"
                    "choices: [card_lost, card_fee, 3]\n"
                    "expected: intent\n"
                    "generate: {max_tokens: 16, temperature: 0, stop: [\"\\n\"], seed: 1}\n"
                    "extract: [strip, {regex: \"([a-z_]+)\"}, lower, first_line, {json: a.b}]\n"
                    "metrics: [accuracy, {name: rouge_l, stem: true}]\n"
                    "slices: [tags, channel]\n"
                    "max_errors: 2%\n"
                    "gate:\n"
                    "  - accuracy >= 0.89\n"
                    "  - accuracy drop <= 0.01\n",
                    &s, &problems);
    // One dataset does not exist; everything else is right.
    assert_int_equal(rc, AS_INVALID);
    assert_non_null(strstr(problems.ptr, "suite.yaml:3:24: dataset 'cases.jsonl2.csv' does not"));
    assert_null(strchr(strchr(problems.ptr, '\n') + 1, '\n'));
    as_buf_clear(&problems);

    rc = load(&arena,
              "suite: support-intents\ndataset: cases.jsonl\ntarget: [a:b, c:d]\ntask: choice\n"
              "prompt:\n  system: You are a desk.\n  user: \"{{ text }}\\nIntent:\"\n"
              "  few_shot: {from: train.jsonl, n: 4, pick: seeded}\n  chat: raw\n"
              "choices: [card_lost, card_fee, 3]\nexpected: intent\n"
              "generate: {max_tokens: 16, stop: [\"\\n\"], seed: 9}\n"
              "extract: [strip, {regex: \"([a-z_]+)\"}, {json: a.b}]\n"
              "metrics: [accuracy, {name: rouge_l, stem: true}]\nslices: [tags, channel]\n"
              "max_errors: 2%\ngate:\n  - accuracy >= 0.89\n  - accuracy drop <= 0.01\n",
              &s, &problems);
    assert_int_equal(rc, AS_OK);
    assert_true(as_str_is(s.name, "support-intents"));
    assert_int_equal(s.dataset_count, 1);
    assert_true(as_str_ends(s.datasets[0], AS_STR("/cases.jsonl")));
    assert_int_equal(s.target_count, 2);
    assert_int_equal(s.task, AS_SUITE_CHOICE);
    assert_true(as_str_is(s.user.text, "{{ text }}\nIntent:"));
    assert_int_equal(s.user.line, 7);
    assert_false(s.chat);
    assert_int_equal(s.few_shot_count, 4);
    assert_true(s.few_shot_seeded);
    assert_int_equal(s.choices_from, AS_CHOICES_LIST);
    assert_int_equal(s.choice_count, 3);
    assert_true(as_str_is(s.choices[2], "3"));
    assert_true(as_str_is(s.expected, "intent"));
    assert_int_equal(s.max_tokens, 16);
    assert_int_equal(s.stop_count, 1);
    assert_true(as_str_is(s.stops[0], "\n"));
    assert_int_equal(s.seed, 9);
    assert_int_equal(s.extract_count, 3);
    assert_int_equal(s.extracts[2].kind, AS_EXTRACT_JSON);
    assert_true(as_str_is(s.extracts[2].argument.text, "a.b"));
    assert_int_equal(s.metric_count, 2);
    assert_non_null(s.metrics[1].options);
    assert_true(as_str_is(s.metrics[1].name, "rouge_l"));
    assert_int_equal(s.slice_count, 2);
    assert_true(s.max_errors > 0.0199 && s.max_errors < 0.0201);
    assert_int_equal(s.gate_count, 2);
    assert_true(as_str_is(s.gates[1].text, "accuracy drop <= 0.01"));
    assert_int_equal(s.gates[1].line, 19);
    assert_int_equal(s.gates[1].column, 5);
    assert_int_equal(s.sha256.len, 64);
    as_buf_free(&problems);
    as_arena_free(&arena);
}

static void test_defaults(void **state) {
    (void)state;
    as_arena arena = {0};
    as_suite s;
    as_buf problems = {0};
    assert_int_equal(load(&arena, GOOD, &s, &problems), AS_OK);
    assert_true(as_str_is(s.expected, "expected"));
    assert_true(s.chat);
    assert_int_equal(s.max_tokens, 64);
    assert_true(s.max_errors > 0.0099 && s.max_errors < 0.0101);
    assert_int_equal(s.target_count, 0);
    assert_int_equal(s.system.text.len, 0);
    assert_int_equal(s.few_shot_path.len, 0);
    as_buf_free(&problems);
    as_arena_free(&arena);
}

static void test_one_mistake(void **state) {
    (void)state;
    expect_one(GOOD "gatee: [a]\n", "suite.yaml:6:1: unknown key 'gatee'; did you mean 'gate'?");
    expect_one(GOOD "zzzzzz: 1\n", "unknown key 'zzzzzz'; known are suite, description");
    expect_one(GOOD "generate: {max_token: 3}\n",
               ":6:12: unknown key 'max_token' in generate; did you mean 'max_tokens'?");
    expect_one(GOOD "generate: {max_tokens: many}\n",
               ":6:24: generate.max_tokens must be a number, not a string: 'many'");
    expect_one(GOOD "generate: {max_tokens: 0}\n", "a whole number from 1 to");
    expect_one(GOOD "generate: {max_tokens: 1.5}\n", "not '1.5'");
    expect_one(GOOD "generate: {seed: -1}\n", "generate.seed must be a whole number from 0");
    expect_one(GOOD "generate: {top_p: 0}\n", "generate.top_p must be a number above 0");
    expect_one(GOOD "generate: {top_p: 1.5}\n", "at most 1, not '1.5'");
    expect_one(GOOD "generate: {min_p: 1}\n", "from 0 and below 1, not '1'");
    expect_one(GOOD "generate: {top_k: -1}\n", "generate.top_k");
    expect_one(GOOD "generate: {temperature: 9}\n", "from 0 to 2, not '9'");
    expect_one(GOOD "generate: {samples: 0}\n", "a whole number from 1 to");
    expect_one(GOOD "generate: [1]\n", "generate must be a map, not a list");
    expect_one(GOOD "max_errors: 150%\n", ":6:13: max_errors must be a share");
    expect_one(GOOD "max_errors: lots\n", "not 'lots'");
    expect_one(GOOD "max_errors: -0.1\n", "not '-0.1'");
    expect_one(GOOD "slices: [a, a]\n", ":6:13: slices names 'a' twice (first at line 6)");
    expect_one(GOOD "slices: [[a]]\n", "an element of slices must be a string, not a list");
    expect_one(GOOD "gate: [1]\n", "an element of gate must be a string, not a number: '1'");
    expect_one(GOOD "gate: []\n", "gate is an empty list");
    expect_one(GOOD "extract: [trim]\n", "an element of extract must be strip, lower, regex");
    expect_one(GOOD "extract: [stripe]\n", "not 'stripe'; did you mean 'strip'?");
    expect_one(GOOD "extract: [regex]\n", "extract 'regex' needs an argument: {regex: ...}");
    expect_one(GOOD "extract: [{lower: x}]\n", "extract 'lower' takes no argument");
    expect_one(GOOD "extract: [{regex: a, json: b}]\n", "a map of one key, not of 2");
    expect_one(GOOD "choices: [a, b]\n", "'choices' has no meaning with task 'generate'");
    expect_one(GOOD "target: \"\"\n", "target is empty");
    expect_one(GOOD "suite: t\n", "key 'suite' stands twice (first at line 1)");
    expect_one(GOOD "expected: [a]\n", "expected must be a string, not a list");
    expect_one("- a\n", "a suite must be a map, not a list");
    expect_one("suite: [\n", "not YAML");
    expect_one("", "the file is empty");
    expect_one(
        HEAD "task: generate\nprompt: x\nmetrics: [a, b, a]\n",
        ":5:17: metric 'a' is listed twice (first at line 5); 'as' gives one of them another name");
    expect_one(HEAD "task: generate\nprompt: x\nmetrics: [{stem: true}]\n", "needs 'name'");
    expect_one(HEAD "task: generate\nprompt: x\nmetrics: []\n", "metrics is an empty list");
    expect_one(HEAD "task: generate\nprompt: \"\"\nmetrics: [a]\n", "prompt is empty");
    expect_one(HEAD "task: generate\nprompt: {system: x}\nmetrics: [a]\n",
               ":4:9: 'prompt.user' is missing");
    expect_one(HEAD "task: generate\nprompt: {user: x, chat: no}\nmetrics: [a]\n",
               "prompt.chat must be auto or raw, not 'no'");
    expect_one(HEAD "task: generate\nprompt: {user: x, few_shot: {from: no.jsonl, n: 1}}\n"
                    "metrics: [a]\n",
               ":4:36: prompt.few_shot.from 'no.jsonl' does not exist");
    expect_one(HEAD "task: generate\nprompt: {user: x, few_shot: {from: cases.jsonl}}\n"
                    "metrics: [a]\n",
               "'prompt.few_shot.n' is missing");
    expect_one(HEAD "task: embed\nextract: [strip]\nprompt: x\nmetrics: [a]\n",
               ":4:1: 'extract' has no meaning with task 'embed'");
    expect_one(HEAD "task: embed\nchoices: {from: no.jsonl}\nprompt: x\nmetrics: [a]\n",
               ":4:17: choices.from 'no.jsonl' does not exist");
    expect_one(HEAD "task: choice\nchoices: {from: cases.jsonl}\nprompt: x\nmetrics: [a]\n",
               ":4:1: 'choices: {from: FILE}' names documents; only task 'embed' reads them");
    expect_one(HEAD "task: generat\nprompt: x\nmetrics: [a]\n", "did you mean 'generate'?");
    expect_one(HEAD "task: choice\nprompt: x\nmetrics: [a]\n",
               ":3:7: task 'choice' needs 'choices'");
    expect_one(HEAD "task: choice\nchoices: [a, b, a]\nprompt: x\nmetrics: [a]\n",
               ":4:17: choices names 'a' twice");
    expect_one(HEAD "task: choice\nchoices: [a]\nprompt: x\nmetrics: [a]\n", "at least 2");
    expect_one(HEAD "task: choice\nchoices: {labels: cases}\nprompt: x\nmetrics: [a]\n",
               "choices.labels must be dataset, not 'cases'");
    expect_one(HEAD "task: choice\nchoices: {feld: x}\nprompt: x\nmetrics: [a]\n",
               "did you mean 'field'?");
    expect_one(HEAD "task: choice\nchoices: {}\nprompt: x\nmetrics: [a]\n", "takes one of 'field'");
    expect_one("suite: s\ndataset: cases.txt\ntask: generate\nprompt: x\nmetrics: [a]\n",
               ":2:10: dataset 'cases.txt' does not exist");
}

static void test_missing(void **state) {
    (void)state;
    static const char *const parts[] = {"'suite' is missing", "'dataset' is missing",
                                        "'task' is missing", "'prompt' is missing",
                                        "'metrics' is missing"};
    expect("description: x\n", 5, parts);
}

static void test_all_in_one_go(void **state) {
    (void)state;
    static const char *const parts[] = {
        "suite.yaml:1:1: unknown key 'sute'; did you mean 'suite'?",
        "suite.yaml:3:7: task must be choice",
        "suite.yaml:6:12: unknown key 'max_tokns' in generate; did you mean 'max_tokens'?",
        "suite.yaml:6:39: generate.temperature must be a number, not a string: 'hot'",
        "'suite' is missing",
    };
    expect("sute: s\ndataset: cases.jsonl\ntask: chioce\nprompt: \"{{ text }}\"\n"
           "metrics: [accuracy]\ngenerate: {max_tokns: 5, temperature: hot}\n",
           5, parts);
}

static as_str hash_of(as_arena *arena, const char *text) {
    as_suite suite;
    as_buf problems = {0};
    as_rc rc = load(arena, text, &suite, &problems);
    if (rc) print_error("%s", problems.ptr);
    assert_int_equal(rc, AS_OK);
    as_buf_free(&problems);
    return suite.sha256;
}

// What decides scores changes the hash; what does not, does not.
static void test_hash(void **state) {
    (void)state;
    as_arena arena = {0};
    as_str base = hash_of(&arena, GOOD);
    assert_true(as_str_eq(base, hash_of(&arena, GOOD)));
    assert_true(as_str_eq(base, hash_of(&arena, "# note\nmetrics: [exact_match]\ntask: generate\n"
                                                "prompt: {user: \"{{ text }}\"}\nsuite: other\n"
                                                "dataset: [cases.jsonl]\ntarget: a:b\n"
                                                "slices: [x]\ngate: [a >= 1]\nmax_errors: 0\n")));
    assert_false(as_str_eq(base, hash_of(&arena, GOOD "generate: {max_tokens: 65}\n")));
    assert_false(as_str_eq(base, hash_of(&arena, GOOD "extract: [strip]\n")));
    assert_false(as_str_eq(base, hash_of(&arena, GOOD "expected: other\n")));
    const char *two = HEAD "task: generate\nprompt: x\nmetrics: [a, {name: b, k: 1, j: 2}]\n";
    const char *owt = HEAD "task: generate\nprompt: x\nmetrics: [{j: 2, k: 1.0, name: b}, a]\n";
    assert_true(as_str_eq(hash_of(&arena, two), hash_of(&arena, owt)));
    const char *shot = HEAD "task: generate\nmetrics: [a]\n"
                            "prompt: {user: x, few_shot: {from: shot.jsonl, n: 1}}\n";
    scratch_file("shot.jsonl", "{\"expected\": 1}\n");
    as_str before = hash_of(&arena, shot);
    scratch_file("shot.jsonl", "{\"expected\": 2}\n");
    assert_false(as_str_eq(before, hash_of(&arena, shot)));
    as_arena_free(&arena);
}

static void test_no_file(void **state) {
    (void)state;
    as_arena arena = {0};
    as_suite suite;
    as_buf problems = {0};
    assert_int_equal(as_suite_load(&arena, "/nonexistent.yaml", &suite, &problems), AS_INVALID);
    assert_non_null(strstr(problems.ptr, "cannot read '/nonexistent.yaml'"));
    as_buf_free(&problems);
    as_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full),          cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_one_mistake),   cmocka_unit_test(test_missing),
        cmocka_unit_test(test_all_in_one_go), cmocka_unit_test(test_hash),
        cmocka_unit_test(test_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, scratch_remove);
}
