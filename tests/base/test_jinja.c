// SPDX-License-Identifier: Apache-2.0
// The template interpreter against Jinja2 itself (jinja_vectors.jsonl, made by
// make_jinja_vectors.py), its limits, its messages and the names it asks for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "harness/base/clock.h"
#include "harness/base/jinja.h"
#include "tests/base/vectors.h"

// Renders a template over an object; the text or the message comes back in `out`.
static as_rc render_as(as_arena *arena, as_str text, const as_json *variables, bool chat,
                       as_buf *out) {
    const as_jinja *template_;
    as_err err = {0};
    as_rc rc = as_jinja_parse(arena, text, &template_, &err);
    if (!rc)
        rc =
            (chat ? as_jinja_render_chat : as_jinja_render)(template_, arena, variables, out, &err);
    if (rc) as_buf_text(out, err.text);
    return rc;
}

static as_rc render(as_arena *arena, as_str text, const as_json *variables, as_buf *out) {
    return render_as(arena, text, variables, false, out);
}

static size_t check_vector(as_arena *arena, const as_json *vector, unsigned long long line) {
    as_str text = as_json_str(vector, "template", AS_STR(""));
    const as_json *variables = as_json_get(vector, "vars");
    const as_json *expected = as_json_get(vector, "expected");
    as_buf out = {0};
    bool chat = as_json_get(vector, "chat") != NULL;
    as_rc rc = render_as(arena, text, variables, chat, &out);
    bool ok = expected ? !rc && as_str_eq(as_buf_view(&out), expected->text) : rc == AS_INVALID;
    if (!ok)
        print_error("line %llu: %.*s\n  wanted: %.*s\n  given:  %s%s\n", line, AS_STR_ARG(text),
                    AS_STR_ARG(expected ? expected->text
                                        : as_json_str(vector, "error", AS_STR("an error"))),
                    rc ? "error: " : "", out.ptr ? out.ptr : "");
    as_buf_free(&out);
    return !ok;
}

static void test_vectors(void **state) {
    (void)state;
    assert_true(check_vectors("tests/base/jinja_vectors.jsonl", check_vector) >= 400);
}

// Template, JSON variables -> what the message must contain.
static void expect_error(const char *text, const char *variables, const char *part) {
    as_arena arena = {0};
    as_buf out = {0};
    const as_json *object;
    as_err err = {0};
    assert_int_equal(as_json_parse(&arena, as_str_of(variables), &object, &err), 0);
    uint64_t start = as_clock_ns();
    as_rc rc = render(&arena, as_str_of(text), object, &out);
    double seconds = (double)(as_clock_ns() - start) * 1e-9;
    if (rc != AS_INVALID || !strstr(out.ptr, part))
        print_error("%s\n  wanted '%s', got '%s'\n", text, part, out.ptr ? out.ptr : "");
    assert_int_equal(rc, AS_INVALID);
    assert_non_null(strstr(out.ptr, part));
    assert_true(seconds < 10); // also under sanitizers; about 0.1 s without
    as_buf_free(&out);
    as_arena_free(&arena);
}

static void test_messages(void **state) {
    (void)state;
    expect_error("a\n  {{ nme }}", "{\"name\": 1}", "line 2, column 6: 'nme' is undefined");
    expect_error("{{ m.contnt }}", "{\"m\": {}}", "'m.contnt' is undefined");
    expect_error("{{ a | uper }}", "{\"a\": 1}", "no filter 'uper'; did you mean 'upper'?");
    expect_error("{{ a is strin }}", "{}", "did you mean 'string'?");
    expect_error("{% iff a %}", "{}", "did you mean 'if'?");
    expect_error("{% if a %}", "{}", "'endif' is missing");
    expect_error("{{ 'a }}", "{}", "line 1, column 4: the string is not closed");
    expect_error("{{ strftime_now('%d') }}", "{}", "could not be repeated");
    expect_error("{{ raise_exception('roles') }}", "{}", "refuses this: roles");
    expect_error("{% include 'x' %}", "{}", "'include' is not supported");
    expect_error("{{ 9223372036854775807 + 1 }}", "{}", "too large");
    expect_error("{{ 99999999999999999999 }}", "{}", "too large");
    expect_error("{% for x in t recursive %}{% endfor %}", "{}", "recursive loops");
}

static as_str repeated(as_arena *arena, const char *before, const char *part, size_t count,
                       const char *after) {
    as_buf buf = {0};
    as_buf_text(&buf, before);
    for (size_t i = 0; i < count; i++) as_buf_text(&buf, part);
    as_buf_text(&buf, after);
    as_str text = as_str_copy(arena, as_buf_view(&buf));
    as_buf_free(&buf);
    return text;
}

static void test_bombs(void **state) {
    (void)state;
    expect_error("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
                 "{}", "more than 1000000 steps");
    expect_error("{% set ns = namespace(s='aaaaaaaaaaaaaaaa') %}{% for i in range(99) %}"
                 "{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
                 "{}", "");
    expect_error("{% for i in range(99999) %}{{ 'x' * 9999 }}{% endfor %}", "{}", "");
    expect_error("{{ 'x' * 99999999999 }}", "{}", "grows past");
    expect_error("{{ [1] * 99999999999 }}", "{}", "steps");
    expect_error("{{ range(-9223372036854775807, 9223372036854775807) }}", "{}", "range has more");
    expect_error("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{}", "deeper than 64");
    expect_error("{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}", "{}", "deeper");
    expect_error("{% set ns = namespace(x=[1]) %}{% for i in range(300) %}"
                 "{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
                 "{}", "");
    expect_error("{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(60) %}"
                 "{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}"
                 "{{ ns.x == ns.y }}",
                 "{}", "steps");
    expect_error("{% set ns = namespace() %}{% for i in range(5000) %}{% set ns.x = [ns.x] %}"
                 "{% endfor %}{{ ns.x == ns.x }}",
                 "{}", "");
    expect_error("{% set ns = namespace(x={}) %}{% set ns.self = ns %}{% for i in range(300) %}"
                 "{% set ns.self = {'a': ns.self, 'b': ns.self} %}{% endfor %}{{ ns.self|tojson }}",
                 "{}", "");
    expect_error("{{ 2 ** 99999999 }}", "{}", "too large");
    expect_error("{{ 1 | round(9999) }}", "{}", "too many digits");
    expect_error("{{ 'a' | indent(99999999) }}", "{}", "indent");
    expect_error("{{ ('ab' * 1000000) | replace('', 'xxxxxxxxxxxxxxxx') }}", "{}", "");
    expect_error("{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}",
                 "{}", "deeper than 64");
    expect_error("{% macro m() %}{{ caller() }}{{ caller() }}{% endmacro %}{% macro n(i) %}"
                 "{% call m() %}{{ n(i + 1) }}{% endcall %}{% endmacro %}{{ n(0) }}",
                 "{}", "");
    expect_error("{% for i in range(99999) %}{{ ('[' ~ '1,' * 99999 ~ '1]') | from_json }}"
                 "{% endfor %}",
                 "{}", "steps");
    expect_error("{{ ('[' * 99999) | from_json }}", "{}", "from_json");
    expect_error("{{ range(60000) | map('string') | unique | list }}", "{}", "steps");

    as_arena arena = {0};
    expect_error(repeated(&arena, "{{ ", "(", 5000, "1 }}").ptr, "{}", "nested deeper");
    expect_error(repeated(&arena, "{{ ", "not ", 5000, "1 }}").ptr, "{}", "nested deeper");
    expect_error(repeated(&arena, "{{ ", "- ", 5000, "1 }}").ptr, "{}", "nested deeper");
    expect_error(repeated(&arena, "{{ 1", "+1", 5000, " }}").ptr, "{}", "in a row");
    expect_error(repeated(&arena, "{{ 1", "|string", 5000, " }}").ptr, "{}", "in a row");
    expect_error(repeated(&arena, "{{ a", ".b", 5000, " }}").ptr, "{}", "in a row");
    expect_error(repeated(&arena, "{{ 1", " if 1 else 1", 5000, " }}").ptr, "{}", "nested");
    expect_error(repeated(&arena, "", "{% if 1 %}", 5000, "").ptr, "{}", "nested deeper");
    expect_error(repeated(&arena, "{{ ", "[", 5000, "").ptr, "{}", "nested deeper");
    as_arena_free(&arena);
}

// A failed rendering leaves nothing behind, a good one appends.
static void test_output(void **state) {
    (void)state;
    as_arena arena = {0};
    as_buf out = {0};
    as_err err = {0};
    const as_jinja *good, *bad;
    const as_json *none = as_json_new(&arena, AS_JSON_OBJECT);
    as_buf_text(&out, "before ");
    assert_int_equal(as_jinja_parse(&arena, AS_STR("x{{ nope }}"), &bad, &err), 0);
    assert_int_equal(as_jinja_render(bad, &arena, none, &out, &err), AS_INVALID);
    assert_string_equal(out.ptr, "before ");
    assert_int_equal(as_jinja_parse(&arena, AS_STR("x{{ 1 }}"), &good, &err), 0);
    assert_int_equal(as_jinja_render(good, &arena, none, &out, &err), 0);
    assert_string_equal(out.ptr, "before x1");
    as_buf_free(&out);
    as_arena_free(&arena);
}

static void expect_names(const char *text, const char *wanted) {
    as_arena arena = {0};
    as_err err = {0};
    const as_jinja *template_;
    assert_int_equal(as_jinja_parse(&arena, as_str_of(text), &template_, &err), 0);
    const as_str *names;
    size_t count;
    as_jinja_names(template_, &arena, &names, &count);
    as_buf given = {0};
    for (size_t i = 0; i < count; i++)
        as_buff(&given, "%s%.*s", i ? " " : "", AS_STR_ARG(names[i]));
    as_buf_text(&given, "");
    assert_string_equal(given.ptr, wanted);
    as_buf_free(&given);
    as_arena_free(&arena);
}

static void test_names(void **state) {
    (void)state;
    expect_names("plain", "");
    expect_names("{{ text }} {{ text }} {{ b.c }} {{ d['e'] }}", "text b d");
    expect_names("{{ a | default('x') }} {{ b | d }}", "");
    expect_names("{{ a | default(b) }}", "b");
    expect_names("{% if a is defined %}{{ a }}{% endif %}", "");
    expect_names("{% if a %}{{ a.b }}{% else %}{{ c }}{% endif %}", "c");
    expect_names("{{ a if a else b }}", "b");
    expect_names("{{ a or b }} {{ c == 1 }}", "b c");
    expect_names("{% for x in xs %}{{ x }} {{ loop.index }} {{ y }}{% endfor %}{{ x }}", "xs y x");
    expect_names("{% set a = b %}{{ a }}", "b");
    expect_names("{% set a %}{{ c }}{% endset %}{{ a }}", "c");
    expect_names("{% macro m(p, q=r) %}{{ p }}{{ s }}{% endmacro %}{{ m(t) }}", "r s t");
    expect_names("{% with a = b %}{{ a }}{% endwith %}{{ a }}", "b a");
    expect_names("{{ range(n) | list }} {% set ns = namespace(x=1) %}{{ ns.x }}", "n");
    expect_names("{{ xs | map(attribute='a') | join(sep) }}", "xs sep");
    expect_names("{{ a[b] }} {{ c[d:e] }} {{ {'k': f} }} {{ [g, (h,)] }}", "a b c d e f g h");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors), cmocka_unit_test(test_messages),
        cmocka_unit_test(test_bombs),   cmocka_unit_test(test_output),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
