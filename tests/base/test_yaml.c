// SPDX-License-Identifier: Apache-2.0
// YAML: kinds by the core schema of 1.2, positions, and what is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/yaml.h"

static const as_yaml *parse(as_arena *arena, const char *text) {
    const as_yaml *root;
    as_err err = {0};
    as_rc rc = as_yaml_parse(arena, as_str_of(text), "f.yaml", &root, &err);
    if (rc) print_error("%s\n", err.text);
    assert_int_equal(rc, AS_OK);
    return root;
}

static void expect_kind(const char *scalar, as_yaml_kind kind) {
    as_arena arena = {0};
    char text[128];
    snprintf(text, sizeof text, "k: %s\n", scalar);
    const as_yaml *value = as_yaml_get(parse(&arena, text), "k");
    if (value->kind != kind) print_error("%s is %s\n", scalar, as_yaml_kind_name(value->kind));
    assert_int_equal(value->kind, kind);
    as_arena_free(&arena);
}

static void test_kinds(void **state) {
    (void)state;
    expect_kind("", AS_YAML_NULL);
    expect_kind("~", AS_YAML_NULL);
    expect_kind("null", AS_YAML_NULL);
    expect_kind("true", AS_YAML_BOOL);
    expect_kind("FALSE", AS_YAML_BOOL);
    expect_kind("yes", AS_YAML_STRING); // 1.2, not 1.1
    expect_kind("no", AS_YAML_STRING);
    expect_kind("off", AS_YAML_STRING);
    expect_kind("1", AS_YAML_NUMBER);
    expect_kind("-1.5e3", AS_YAML_NUMBER);
    expect_kind("0x1F", AS_YAML_STRING);
    expect_kind("1:30", AS_YAML_STRING); // no sexagesimals
    expect_kind("2026-11-24", AS_YAML_STRING);
    expect_kind("1%", AS_YAML_STRING);
    expect_kind("\"1\"", AS_YAML_STRING);
    expect_kind("'true'", AS_YAML_STRING);
    expect_kind("[]", AS_YAML_LIST);
    expect_kind("{}", AS_YAML_MAP);
    expect_kind("{\"json\": [1, null]}", AS_YAML_MAP);
}

static void test_positions(void **state) {
    (void)state;
    as_arena arena = {0};
    const as_yaml *root = parse(&arena, "# c\na: 1\nb:\n  - x\n  -   {c: \"d\\ne\"}\n");
    const as_yaml *a = as_yaml_get(root, "a"), *b = as_yaml_get(root, "b");
    assert_int_equal(a->line, 2);
    assert_int_equal(a->column, 4);
    assert_int_equal(a->key_line, 2);
    assert_int_equal(a->key_column, 1);
    assert_int_equal(b->count, 2);
    const as_yaml *c = as_yaml_get(b->child->next, "c");
    assert_true(as_str_is(c->text, "d\ne"));
    assert_int_equal(c->line, 5);
    assert_int_equal(c->key_column, 8);
    assert_null(as_yaml_get(root, "z"));
    assert_null(as_yaml_get(a, "z"));
    as_arena_free(&arena);
}

static void expect_bad(const char *text, const char *part) {
    as_arena arena = {0};
    const as_yaml *root;
    as_err err = {0};
    as_rc rc = as_yaml_parse(&arena, as_str_of(text), "f.yaml", &root, &err);
    if (rc != AS_INVALID || !strstr(err.text, part))
        print_error("%s: wanted '%s', got '%s'\n", text, part, err.text);
    assert_int_equal(rc, AS_INVALID);
    assert_non_null(strstr(err.text, part));
    as_arena_free(&arena);
}

static void test_refused(void **state) {
    (void)state;
    expect_bad("", "f.yaml:1:1: the file is empty");
    expect_bad("# only\n", "the file is empty");
    expect_bad("a: &x 1\n", "f.yaml:1:4: anchors");
    expect_bad("a: *x\n", "f.yaml:1:4: aliases");
    expect_bad("a: !!str 1\n", "f.yaml:1:4: tags");
    expect_bad("a: 1\na: 2\n", "f.yaml:2:1: key 'a' stands twice (first at line 1)");
    expect_bad("? [a]\n: 1\n", "a key must be a plain word");
    expect_bad("a: 1\n---\nb: 2\n", "a second document");
    expect_bad("a: [1\n", "not YAML");
    expect_bad("a: \"x\n", "not YAML");
    expect_bad("a:\n\t- 1\n", "not YAML");
    expect_bad("a: b: c\n", "f.yaml:1:5: not YAML");
    expect_bad("a: \xff\n", "f.yaml:1:4: invalid UTF-8 (byte 0xff)");
    as_buf deep = {0};
    for (int i = 0; i < 100; i++) as_buf_char(&deep, '[');
    expect_bad(deep.ptr, "nested too deeply");
    as_buf_free(&deep);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
