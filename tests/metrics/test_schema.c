// SPDX-License-Identifier: Apache-2.0
// JSON schemas against the jsonschema package, and what is refused.
#include <string.h>

#include "harness/base/file.h"
#include "metrics/families/schema.h"
#include "tests/metrics/fixture.h"

static const as_json *parsed(as_arena *arena, as_str text) {
    const as_json *out;
    as_err err = {0};
    if (as_json_parse(arena, text, &out, &err)) fail_msg("%s", err.text);
    return out;
}

static void test_reference(void **state) {
    (void)state;
    enum { VALUES_MAX = 500 };
    as_arena arena = {0};
    as_err err = {0};
    as_str text, again;
    const as_json *values[VALUES_MAX];
    size_t count = 0, checked = 0;
    assert_int_equal(as_file_read(&arena, "tests/metrics/schemas.jsonl", 1 << 24, &text, &err), 0);
    again = text;
    while (text.len) {
        const as_json *value = as_json_get(parsed(&arena, as_str_cut(&text, '\n')), "value");
        if (value) values[count++] = value;
        assert_true(count < VALUES_MAX);
    }
    while (again.len) {
        as_str text_of_line = as_str_cut(&again, '\n');
        const as_json *line = parsed(&arena, text_of_line);
        as_str verdicts = as_json_str(line, "verdicts", AS_STR(""));
        as_schema *schema;
        if (!verdicts.len) continue;
        if (as_schema_new(as_json_get(line, "schema"), &schema, &err)) fail_msg("%s", err.text);
        assert_int_equal(verdicts.len, count);
        for (size_t i = 0; i < count; i++, checked++)
            if (as_schema_allows(schema, values[i]) != (verdicts.ptr[i] == '1'))
                fail_msg("value %zu (%.*s) against %.*s", i,
                         AS_STR_ARG(as_json_plain(&arena, values[i])), AS_STR_ARG(text_of_line));
        as_schema_free(schema);
    }
    assert_true(checked > 4000);
    as_arena_free(&arena);
}

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *schema, *message;
    } cases[] = {
        {"[]", "json schema: '#/' must be an object or true or false, not a list"},
        {"{\"typ\": 1}",
         "json schema: keyword 'typ' at '#/' is not supported; did you mean 'type'?"},
        {"{\"properties\": {\"a\": {\"unevaluatedProperties\": false}}}",
         "json schema: keyword 'unevaluatedProperties' at '#/properties/a/' is not supported"},
        {"{\"type\": \"int\"}",
         "json schema: 'type' at '#/' must be null, boolean, number, integer, "
         "string, array or object, or a list of them"},
        {"{\"minimum\": \"1\"}", "json schema: 'minimum' at '#/' must be a number"},
        {"{\"multipleOf\": 0}", "json schema: 'multipleOf' at '#/' must be a number above 0"},
        {"{\"minLength\": 1.5}",
         "json schema: 'minLength' at '#/' must be a whole number of 0 or more"},
        {"{\"required\": \"a\"}", "json schema: 'required' at '#/' must be a list of strings"},
        {"{\"anyOf\": []}", "json schema: 'anyOf' at '#/' must be a list of schemas"},
        {"{\"items\": [{}]}",
         "json schema: '#/items/' must be an object or true or false, not a list"},
        {"{\"$ref\": \"other.json#/x\"}",
         "json schema: '$ref' at '#/' must be '#' and the path of a "
         "schema in this document, not 'other.json#/x'"},
        {"{\"$ref\": \"#/$defs/x\"}", "json schema: '$ref' at '#/' must be '#' and the path of a "
                                      "schema in this document, not '#/$defs/x'"},
        {"{\"pattern\": \"(\"}", "json schema: '#': regular expression '(' is wrong at offset 1: "
                                 "missing closing parenthesis"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        as_arena arena = {0};
        as_err err = {0};
        as_schema *schema;
        const as_json *json = parsed(&arena, as_str_copy(&arena, as_str_of(cases[i].schema)));
        assert_int_equal(as_schema_new(json, &schema, &err), AS_INVALID);
        assert_string_equal(err.text, cases[i].message);
        as_arena_free(&arena);
    }
}

// Schemas that lead nowhere or explode end, and allow nothing.
static void test_endless(void **state) {
    (void)state;
    as_arena arena = {0};
    as_err err = {0};
    as_buf buf = {0};
    as_schema *schema;
    const as_json *loop = parsed(&arena, AS_STR("{\"$ref\": \"#\"}"));
    assert_int_equal(as_schema_new(loop, &schema, &err), AS_OK);
    assert_false(as_schema_allows(schema, loop));
    as_schema_free(schema);
    loop = parsed(&arena, AS_STR("{\"not\": {\"$ref\": \"#\"}}"));
    assert_int_equal(as_schema_new(loop, &schema, &err), AS_OK);
    assert_false(as_schema_allows(schema, loop));
    as_schema_free(schema);
    as_buf_text(&buf, "{\"$ref\": \"#/$defs/0\", \"$defs\": {");
    for (int i = 0; i < 40; i++)
        as_buff(&buf,
                "\"%d\": {\"allOf\": [{\"$ref\": \"#/$defs/%d\"}, {\"$ref\": \"#/$defs/%d\"}]}, ",
                i, i + 1, i + 1);
    as_buf_text(&buf, "\"40\": {}}}");
    const as_json *doubling = parsed(&arena, as_str_copy(&arena, as_buf_view(&buf)));
    if (as_schema_new(doubling, &schema, &err)) fail_msg("%s", err.text);
    assert_false(as_schema_allows(schema, loop));
    as_schema_free(schema);
    as_buf_free(&buf);
    as_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_endless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
