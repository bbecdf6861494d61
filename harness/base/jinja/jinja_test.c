// SPDX-License-Identifier: Apache-2.0
// What may stand behind `is`.
#include "harness/base/jinja/jinja_internal.h"

#include "harness/base/letter.h"

static int is_defined(as_jinja_run *run, const as_json *value, as_json *arg) {
    (void)run, (void)arg;
    return !as_jinja_is_undefined(value);
}

static int is_undefined(as_jinja_run *run, const as_json *value, as_json *arg) {
    return !is_defined(run, value, arg);
}

static int is_none(as_jinja_run *run, const as_json *value, as_json *arg) {
    (void)run, (void)arg;
    return value->kind == AS_JSON_NULL && !value->boolean;
}

static int is_string(as_jinja_run *run, const as_json *value, as_json *arg) {
    (void)run, (void)arg;
    return value->kind == AS_JSON_STRING;
}

static int is_number(as_jinja_run *run, const as_json *value, as_json *arg) {
    (void)run, (void)arg;
    double ignored;
    return as_jinja_is_number(value, &ignored);
}

static int is_integer(as_jinja_run *run, const as_json *value, as_json *arg) {
    (void)run, (void)arg;
    return as_jinja_is_int(value);
}

static int is_float(as_jinja_run *run, const as_json *value, as_json *arg) {
    (void)run, (void)arg;
    return value->kind == AS_JSON_NUMBER && !as_jinja_is_int(value);
}

static int is_boolean(as_jinja_run *run, const as_json *value, as_json *arg) {
    (void)run, (void)arg;
    return value->kind == AS_JSON_BOOL;
}

static int is_true(as_jinja_run *run, const as_json *value, as_json *arg) {
    (void)run, (void)arg;
    return value->kind == AS_JSON_BOOL && value->boolean;
}

static int is_false(as_jinja_run *run, const as_json *value, as_json *arg) {
    (void)run, (void)arg;
    return value->kind == AS_JSON_BOOL && !value->boolean;
}

static int is_mapping(as_jinja_run *run, const as_json *value, as_json *arg) {
    (void)run, (void)arg;
    return value->kind == AS_JSON_OBJECT;
}

// Strings and dicts count, and so does Undefined: it is an empty sequence to Jinja.
static int is_sequence(as_jinja_run *run, const as_json *value, as_json *arg) {
    (void)run, (void)arg;
    return value->kind == AS_JSON_STRING || value->kind == AS_JSON_ARRAY ||
           value->kind == AS_JSON_OBJECT || as_jinja_is_undefined(value);
}

static int remainder_is(as_jinja_run *run, const as_json *value, int64_t divisor, int64_t rest) {
    int64_t whole;
    double number;
    if (as_jinja_is_number(value, &number) && !as_jinja_int_of(value, &whole)) return 0;
    if (!as_jinja_int_of(value, &whole)) {
        as_jinja_fail(run, "a whole number is needed, not %s", as_jinja_kind(value));
        return -1;
    }
    int64_t left = divisor == -1 ? 0 : whole % divisor;
    return (left < 0 ? -left : left) == rest;
}

static int is_odd(as_jinja_run *run, const as_json *value, as_json *arg) {
    (void)arg;
    return remainder_is(run, value, 2, 1);
}

static int is_even(as_jinja_run *run, const as_json *value, as_json *arg) {
    (void)arg;
    return remainder_is(run, value, 2, 0);
}

static int is_divisible(as_jinja_run *run, const as_json *value, as_json *arg) {
    int64_t divisor;
    if (as_jinja_int_of(arg, &divisor) && divisor) return remainder_is(run, value, divisor, 0);
    as_jinja_fail(run, "divisibleby needs a whole number that is not 0");
    return -1;
}

static int is_equal(as_jinja_run *run, const as_json *value, as_json *arg) {
    return as_jinja_equal(run, value, arg);
}

static int is_unequal(as_jinja_run *run, const as_json *value, as_json *arg) {
    int equal = as_jinja_equal(run, value, arg);
    return equal < 0 ? equal : !equal;
}

static int is_same(as_jinja_run *run, const as_json *value, as_json *arg) {
    return value == arg || (value->kind == arg->kind && as_jinja_equal(run, value, arg) == 1);
}

static int is_less(as_jinja_run *run, const as_json *value, as_json *arg) {
    int order;
    return as_jinja_order(run, value, arg, &order) ? order < 0 : -1;
}

static int is_less_or_equal(as_jinja_run *run, const as_json *value, as_json *arg) {
    int order;
    return as_jinja_order(run, value, arg, &order) ? order <= 0 : -1;
}

static int is_greater(as_jinja_run *run, const as_json *value, as_json *arg) {
    int order;
    return as_jinja_order(run, value, arg, &order) ? order > 0 : -1;
}

static int is_greater_or_equal(as_jinja_run *run, const as_json *value, as_json *arg) {
    int order;
    return as_jinja_order(run, value, arg, &order) ? order >= 0 : -1;
}

static int is_in(as_jinja_run *run, const as_json *value, as_json *arg) {
    return as_jinja_contains(run, arg, value);
}

// As str.isupper() and str.islower(): all letters are, and there is one.
static int is_case(as_jinja_run *run, const as_json *value, as_str (*map)(as_arena *, as_str),
                   as_str (*other)(as_arena *, as_str)) {
    as_str text;
    if (!as_jinja_text(run, value, &text) || !as_jinja_charge(run, text.len / 32)) return -1;
    return as_str_eq(text, map(run->arena, text)) && !as_str_eq(text, other(run->arena, text));
}

static int is_lower(as_jinja_run *run, const as_json *value, as_json *arg) {
    (void)arg;
    return is_case(run, value, as_letter_lower_str, as_letter_upper_str);
}

static int is_upper(as_jinja_run *run, const as_json *value, as_json *arg) {
    (void)arg;
    return is_case(run, value, as_letter_upper_str, as_letter_lower_str);
}

static const as_jinja_test tests[] = {
    {"defined", is_defined, false},
    {"undefined", is_undefined, false},
    {"none", is_none, false},
    {"string", is_string, false},
    {"number", is_number, false},
    {"integer", is_integer, false},
    {"float", is_float, false},
    {"boolean", is_boolean, false},
    {"true", is_true, false},
    {"false", is_false, false},
    {"mapping", is_mapping, false},
    {"iterable", is_sequence, false},
    {"sequence", is_sequence, false},
    {"odd", is_odd, false},
    {"even", is_even, false},
    {"lower", is_lower, false},
    {"upper", is_upper, false},
    {"divisibleby", is_divisible, true},
    {"in", is_in, true},
    {"equalto", is_equal, true},
    {"eq", is_equal, true},
    {"==", is_equal, true},
    {"ne", is_unequal, true},
    {"!=", is_unequal, true},
    {"sameas", is_same, true},
    {"lt", is_less, true},
    {"lessthan", is_less, true},
    {"<", is_less, true},
    {"le", is_less_or_equal, true},
    {"<=", is_less_or_equal, true},
    {"gt", is_greater, true},
    {"greaterthan", is_greater, true},
    {">", is_greater, true},
    {"ge", is_greater_or_equal, true},
    {">=", is_greater_or_equal, true},
};
enum { TEST_COUNT = sizeof tests / sizeof tests[0] };

const as_jinja_test *as_jinja_test_find(as_str name) {
    for (size_t i = 0; i < TEST_COUNT; i++)
        if (as_str_is(name, tests[i].name)) return &tests[i];
    return NULL;
}

const char *as_jinja_test_nearest(as_str name) {
    const char *names[TEST_COUNT + 1] = {NULL};
    for (size_t i = 0; i < TEST_COUNT; i++) names[i] = tests[i].name;
    return as_str_nearest(name, names);
}

int as_jinja_test_apply(as_jinja_run *run, const as_jinja_test *test, const as_json *value,
                        const as_jinja_args *args) {
    if (args->count == (test->needs_arg ? 1u : 0u))
        return test->holds(run, value, args->count ? args->values[0] : NULL);
    as_jinja_fail(run, "test '%s' takes %s argument", test->name, test->needs_arg ? "one" : "no");
    return -1;
}
