// SPDX-License-Identifier: Apache-2.0
// Filters by name, and those over single values: numbers, defaults, JSON.
#include "harness/base/jinja/jinja_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const as_jinja_filter *const tables[] = {as_jinja_text_filters, as_jinja_list_filters,
                                                as_jinja_value_filters};
enum { TABLE_COUNT = sizeof tables / sizeof tables[0] };

const as_jinja_filter *as_jinja_filter_find(as_str name) {
    for (size_t t = 0; t < TABLE_COUNT; t++)
        for (const as_jinja_filter *f = tables[t]; f->name; f++)
            if (as_str_is(name, f->name)) return f;
    return NULL;
}

const char *as_jinja_filter_nearest(as_str name) {
    const char *names[64] = {NULL};
    size_t count = 0;
    for (size_t t = 0; t < TABLE_COUNT; t++)
        for (const as_jinja_filter *f = tables[t]; f->name && count < 63; f++)
            names[count++] = f->name;
    return as_str_nearest(name, names);
}

as_json *as_jinja_filter_apply(as_jinja_run *run, const as_jinja_filter *filter, as_json *value,
                               const as_jinja_args *args) {
    if (!as_jinja_charge(run, 1)) return NULL;
    if (as_jinja_is_undefined(value) && !filter->takes_undefined && !run->lenient)
        return as_jinja_fail_undefined(run, value);
    if (filter->apply_args) return filter->apply_args(run, value, args);
    as_json *bound[AS_JINJA_PARAMS_MAX];
    if (!as_jinja_args_bind(run, filter->name, args, filter->params, bound)) return NULL;
    return filter->apply(run, value, bound);
}

static as_json *default_filter(as_jinja_run *run, as_json *value, as_json **args) {
    bool falsy_too = as_jinja_args_truth(args, 1, false);
    bool missing = falsy_too ? !as_jinja_truth(value) : as_jinja_is_undefined(value);
    if (!missing) return value;
    return args[0] ? args[0] : as_jinja_str(run, AS_STR(""));
}

// A string as Python's int() and float() take it: white space around, "_" between digits.
static bool parse_number(as_jinja_run *run, as_str text, double *out, int64_t *whole,
                         bool *is_int) {
    text = as_str_trim(text);
    char *plain = as_arena_take(run->arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != '_') plain[len++] = text.ptr[i];
    *is_int = as_str_to_i64((as_str){plain, len}, whole);
    return as_str_to_f64((as_str){plain, len}, out);
}

static as_json *int_filter(as_jinja_run *run, as_json *value, as_json **args) {
    double number = 0;
    int64_t whole = 0, base;
    if (as_jinja_is_undefined(value)) return as_jinja_fail_undefined(run, value);
    bool is_int = as_jinja_int_of(value, &whole), ok = is_int;
    if (!as_jinja_args_int(run, args, 1, 10, &base)) return NULL;
    if (!ok && value->kind == AS_JSON_STRING && base != 10) {
        if (base < 2 || base > 36) return as_jinja_fail(run, "int: the base is from 2 to 36");
        as_str text = as_str_copy(run->arena, as_str_trim(value->text));
        char *end;
        whole = strtoll(text.ptr, &end, (int)base);
        ok = is_int = text.len && end == text.ptr + text.len;
    } else if (!ok && value->kind == AS_JSON_STRING) {
        ok = parse_number(run, value->text, &number, &whole, &is_int);
    } else if (!ok) {
        ok = as_jinja_is_number(value, &number);
    }
    if (ok && !is_int) {
        ok = fabs(number) < 0x1p63; // inf and nan have no integer either
        if (ok) whole = (int64_t)number;
    }
    if (ok) return as_jinja_int(run, whole);
    return args[0] ? args[0] : as_jinja_int(run, 0);
}

static as_json *float_filter(as_jinja_run *run, as_json *value, as_json **args) {
    double number = 0;
    int64_t ignored;
    bool is_int, ok = as_jinja_is_number(value, &number);
    if (as_jinja_is_undefined(value)) return as_jinja_fail_undefined(run, value);
    if (!ok && value->kind == AS_JSON_STRING)
        ok = parse_number(run, value->text, &number, &ignored, &is_int);
    if (ok) return as_jinja_float(run, number);
    return args[0] ? args[0] : as_jinja_float(run, 0);
}

static as_json *abs_filter(as_jinja_run *run, as_json *value, as_json **args) {
    (void)args;
    double number;
    int64_t whole;
    if (as_jinja_int_of(value, &whole)) {
        if (whole == INT64_MIN) return as_jinja_fail(run, "the number is too large");
        return as_jinja_int(run, whole < 0 ? -whole : whole);
    }
    if (!as_jinja_is_number(value, &number))
        return as_jinja_fail(run, "abs needs a number, not %s", as_jinja_kind(value));
    return as_jinja_float(run, fabs(number));
}

// To `digits` behind the point, halves to even, on the exact value: as printf does it.
static double round_common(double number, int64_t digits) {
    char text[400];
    if (digits < 0) {
        double unit = pow(10, (double)-digits);
        return nearbyint(number / unit) * unit;
    }
    snprintf(text, sizeof text, "%.*f", digits > 40 ? 40 : (int)digits, number);
    return strtod(text, NULL);
}

static as_json *round_filter(as_jinja_run *run, as_json *value, as_json **args) {
    double number;
    int64_t digits, whole;
    as_str method;
    if (!as_jinja_is_number(value, &number))
        return as_jinja_fail(run, "round needs a number, not %s", as_jinja_kind(value));
    if (!as_jinja_args_int(run, args, 0, 0, &digits) ||
        !as_jinja_args_text(run, args, 1, AS_STR("common"), &method))
        return NULL;
    if (digits > 300 || digits < -300) return as_jinja_fail(run, "round: too many digits");
    if (as_str_is(method, "common")) {
        if (as_jinja_int_of(value, &whole) && digits >= 0) return as_jinja_int(run, whole);
        double rounded = round_common(number, digits);
        return as_jinja_is_int(value) ? as_jinja_int(run, (int64_t)rounded)
                                      : as_jinja_float(run, rounded);
    }
    double unit = pow(10, (double)digits);
    if (as_str_is(method, "ceil")) return as_jinja_float(run, ceil(number * unit) / unit);
    if (as_str_is(method, "floor")) return as_jinja_float(run, floor(number * unit) / unit);
    return as_jinja_fail(run, "round goes by common, ceil or floor, not by '%.*s'",
                         AS_STR_ARG(method));
}

static as_json *sum(as_jinja_run *run, as_json *value, as_json **args) {
    as_json *list = as_jinja_elements(run, value);
    if (!list) return NULL;
    int64_t whole = 0;
    double total = 0;
    bool is_int = true;
    const as_json *e = args[1];
    for (as_json *next = list->child; e || next;) {
        int64_t i;
        double number;
        if (!e) {
            e = args[0] && args[0]->kind != AS_JSON_NULL
                    ? as_jinja_eval_path(run, next, args[0], NULL)
                    : next;
            next = next->next;
        }
        if (!e || !as_jinja_charge(run, 1)) return NULL;
        if (!as_jinja_is_number(e, &number))
            return as_jinja_fail(run, "sum needs numbers, not %s", as_jinja_kind(e));
        is_int = is_int && as_jinja_int_of(e, &i) && !__builtin_add_overflow(whole, i, &whole);
        total += number;
        e = NULL;
    }
    return is_int ? as_jinja_int(run, whole) : as_jinja_float(run, total);
}

// tojson(ensure_ascii=false, indent=none, separators=none, sort_keys=false), as Hugging Face
// renders chat templates: json.dumps, not the HTML-safe one of Jinja itself.
static as_json *tojson(as_jinja_run *run, as_json *value, as_json **args) {
    as_jinja_dump how = {.ascii = as_jinja_args_truth(args, 0, false),
                         .sort_keys = as_jinja_args_truth(args, 3, false),
                         .item_separator = AS_STR(", "),
                         .key_separator = AS_STR(": ")};
    int64_t width = 0;
    if (args[1] && args[1]->kind == AS_JSON_STRING) {
        how.indent = args[1]->text;
    } else if (args[1] && args[1]->kind != AS_JSON_NULL) {
        if (!as_jinja_args_int(run, args, 1, 0, &width)) return NULL;
        if (width > 100) return as_jinja_fail(run, "tojson: the indent is at most 100");
        how.indent = as_strf(run->arena, "%*s", width > 0 ? (int)width : 0, "");
    }
    if (how.indent.ptr) how.item_separator = AS_STR(",");
    const as_json *separators = args[2];
    if (separators && separators->kind == AS_JSON_ARRAY && separators->count == 2) {
        how.item_separator = separators->child->text;
        how.key_separator = separators->child->next->text;
    }
    as_buf out = {0};
    if (as_jinja_dump_json(run, &out, value, &how, 0)) return as_jinja_take_buf(run, &out);
    as_buf_free(&out);
    return NULL;
}

// A text of JSON as its value, as some chat templates read the arguments of a tool's call.
static as_json *from_json(as_jinja_run *run, as_json *value, as_json **args) {
    (void)args;
    const as_json *parsed;
    as_err err = {0};
    if (value->kind != AS_JSON_STRING)
        return as_jinja_fail(run, "from_json needs a string, not %s", as_jinja_kind(value));
    // As many steps as there may be values in it.
    if (!as_jinja_charge(run, value->text.len / 2)) return NULL;
    if (as_json_parse(run->arena, value->text, &parsed, &err))
        return as_jinja_fail(run, "from_json: %s", err.text);
    return (as_json *)(uintptr_t)parsed;
}

static as_json *attr(as_jinja_run *run, as_json *value, as_json **args) {
    as_str name;
    if (!args[0] || !as_jinja_args_text(run, args, 0, AS_STR(""), &name))
        return as_jinja_fail(run, "attr needs a name");
    return as_jinja_eval_attr(run, value, name);
}

const as_jinja_filter as_jinja_value_filters[] = {
    {"default", "default_value boolean", default_filter, NULL, true},
    {"d", "default_value boolean", default_filter, NULL, true},
    {"int", "default base", int_filter, NULL, false},
    {"float", "default", float_filter, NULL, false},
    {"abs", "", abs_filter, NULL, false},
    {"round", "precision method", round_filter, NULL, false},
    {"sum", "attribute start", sum, NULL, false},
    {"tojson", "ensure_ascii indent separators sort_keys", tojson, NULL, false},
    {"from_json", "", from_json, NULL, false},
    {"attr", "name", attr, NULL, false},
    {NULL, NULL, NULL, NULL, false},
};
