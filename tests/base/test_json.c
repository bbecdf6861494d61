// SPDX-License-Identifier: Apache-2.0
// JSON: what is read is what was written, and what is no JSON is refused with its column.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/json.h"

static void expect_back(const char *text, const char *wanted) {
    as_arena arena = {0};
    const as_json *value;
    as_err err = {0};
    as_buf out = {0};
    as_rc rc = as_json_parse(&arena, as_str_of(text), &value, &err);
    if (rc) print_error("%s: %s\n", text, err.text);
    assert_int_equal(rc, AS_OK);
    as_json_write(&out, value);
    assert_string_equal(out.ptr, wanted);
    as_buf_free(&out);
    as_arena_free(&arena);
}

static void test_round_trips(void **state) {
    (void)state;
    expect_back("null", "null");
    expect_back(" [ 1 , true,false , null ] ", "[1,true,false,null]");
    expect_back("{\"b\": {\"a\": []}, \"a\": {}}", "{\"b\":{\"a\":[]},\"a\":{}}");
    expect_back("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude42\"",
                "\"a\\\"\\\\/\\b\\f\\n\\r\\té🙂\"");
    expect_back("\"\\u2028\\u007f\\u0001\"", "\"\\u2028\\u007f\\u0001\"");
    // Numbers stay as they were written.
    expect_back("[9007199254740993, -0, 1.0, 1E+5, 0.10, 18446744073709551615]",
                "[9007199254740993,-0,1.0,1E+5,0.10,18446744073709551615]");
    expect_back("{\"1\": \"2\", \"-3\": [4, \"5\\\"6\", 7], \"8\": 9}",
                "{\"1\":\"2\",\"-3\":[4,\"5\\\"6\",7],\"8\":9}");
}

static void expect_bad(const char *bytes, size_t len, const char *part) {
    as_arena arena = {0};
    const as_json *value;
    as_err err = {0};
    as_rc rc = as_json_parse(&arena, (as_str){bytes, len}, &value, &err);
    if (rc != AS_INVALID || !strstr(err.text, part))
        print_error("%s: wanted '%s', got '%s'\n", bytes, part, err.text);
    assert_int_equal(rc, AS_INVALID);
    assert_non_null(strstr(err.text, part));
    assert_int_equal(as_json_parse(&arena, (as_str){bytes, len}, &value, NULL), AS_INVALID);
    as_arena_free(&arena);
}

static void expect_refused(const char *text, const char *part) {
    expect_bad(text, strlen(text), part);
}

static void test_hostile(void **state) {
    (void)state;
    expect_refused("", "column 1: no JSON here");
    expect_refused("  ", "no JSON here");
    expect_refused("{\"a\": }", "column 7: not JSON");
    expect_refused("[1, 2", "not JSON");
    expect_refused("[1, 2]]", "column 7: more text after");
    expect_refused("{'a': 1}", "not JSON");
    expect_refused("{a: 1}", "not JSON");
    expect_refused("[1,]", "not JSON");
    expect_refused("{\"a\": 1,}", "not JSON");
    expect_refused("nul", "not JSON");
    expect_refused("truex", "more text");
    expect_refused("\"abc", "not JSON");
    expect_refused("\"a\nb\"", "column 3: control character in a string");
    expect_refused("\"\\u0000\"", "\\u0000 in a string");
    expect_refused("\"\\ud800\"", "not JSON");
    expect_refused("\"\\x41\"", "not JSON");
    expect_refused("[\x01]", "column 2: control character");
    expect_refused("[01]", "column 2: not a number: '01]'");
    expect_refused("[1.]", "column 2: not a number");
    expect_refused("[.5]", "not JSON");
    expect_refused("[+1]", "not JSON");
    expect_refused("[-]", "column 2: not a number");
    expect_refused("[1e]", "column 2: not a number");
    expect_refused("[1e999]", "column 2: not a number");
    expect_refused("[0x10]", "not JSON");
    expect_refused("[NaN]", "not JSON");
    expect_refused("[1 2]", "not JSON");
    expect_refused("{\"a\": 1, \"a\": 2}", "key 'a' stands twice");
    expect_refused("[{\"b\": {\"a\": 1, \"\\u0061\": 2}}]", "key 'a' stands twice");
    expect_refused("\"\xff\"", "column 2: invalid UTF-8 (byte 0xff)");
    expect_bad("[1]\0", 4, "column 4: NUL byte");
    expect_bad("\"a\0b\"", 5, "column 3: control character");
}

static void test_depth(void **state) {
    (void)state;
    as_buf text = {0};
    for (int i = 0; i < AS_JSON_DEPTH_MAX; i++) as_buf_char(&text, '[');
    for (int i = 0; i < AS_JSON_DEPTH_MAX; i++) as_buf_char(&text, ']');
    expect_back(text.ptr, text.ptr);
    as_buf_clear(&text);
    for (int i = 0; i < 100000; i++) as_buf_char(&text, '[');
    expect_refused(text.ptr, "nested deeper than 64");
    as_buf_free(&text);
}

static void test_reading(void **state) {
    (void)state;
    as_arena arena = {0};
    const as_json *v;
    as_err err = {0};
    as_str text = AS_STR("{\"s\": \"x\", \"n\": 2.5, \"b\": true, \"z\": null, \"a\": [1, \"y\"], "
                         "\"o\": {\"p\": {\"q\": 7}}, \"o.p\": 8}");
    assert_int_equal(as_json_parse(&arena, text, &v, &err), AS_OK);
    assert_true(as_str_is(as_json_str(v, "s", AS_STR("d")), "x"));
    assert_true(as_str_is(as_json_str(v, "n", AS_STR("d")), "d"));
    assert_true(as_str_is(as_json_str(NULL, "n", AS_STR("d")), "d"));
    assert_true(as_json_f64(v, "n", 0) == 2.5 && as_json_f64(v, "s", 1) == 1);
    assert_true(as_json_bool(v, "b", false) && as_json_bool(v, "z", true));
    assert_true(as_json_at(v, AS_STR("o.p.q"))->number == 7);
    assert_true(as_json_at(v, AS_STR("o.p"))->number == 8); // the whole key goes first
    assert_null(as_json_at(v, AS_STR("o.x.q")));
    assert_null(as_json_at(v, AS_STR("s.x")));
    assert_null(as_json_get(v, "nope"));
    assert_true(as_str_is(as_json_plain(&arena, as_json_get(v, "a")), "[1,\"y\"]"));
    assert_true(as_str_is(as_json_plain(&arena, as_json_get(v, "s")), "x"));
    as_arena_free(&arena);
}

static void test_writing(void **state) {
    (void)state;
    as_arena arena = {0};
    as_buf out = {0};
    as_json *object = as_json_new(&arena, AS_JSON_OBJECT),
            *list = as_json_new(&arena, AS_JSON_ARRAY);
    as_json_append(list, as_json_new_f64(&arena, 0.1));
    as_json_append(list, as_json_new_bool(&arena, true));
    as_json_set(&arena, object, "z", list);
    as_json_set(&arena, object, "a", as_json_new_str(&arena, AS_STR("\xff")));
    as_json_write_sorted(&out, object);
    assert_string_equal(out.ptr, "{\"a\":\"\xef\xbf\xbd\",\"z\":[0.1,true]}");
    as_buf_clear(&out);
    as_json_out jo = {.buf = &out, .indent = 2};
    as_jo_open(&jo, '{');
    as_jo_key(&jo, "a");
    as_jo_open(&jo, '[');
    as_jo_i64(&jo, -5);
    as_jo_f64(&jo, 1e300 * 1e300);
    as_jo_null(&jo);
    as_jo_close(&jo, ']');
    as_jo_key(&jo, "b");
    as_jo_open(&jo, '{');
    as_jo_close(&jo, '}');
    as_jo_key(&jo, "c");
    as_jo_json(&jo, object);
    as_jo_close(&jo, '}');
    assert_string_equal(out.ptr, "{\n  \"a\": [\n    -5,\n    null,\n    null\n  ],\n  \"b\": {},\n"
                                 "  \"c\": {\"z\":[0.1,true],\"a\":\"\xef\xbf\xbd\"}\n}");
    as_buf_free(&out);
    as_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips), cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_depth),       cmocka_unit_test(test_reading),
        cmocka_unit_test(test_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
