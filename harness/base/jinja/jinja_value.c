// SPDX-License-Identifier: Apache-2.0
// Values of templates: made, tested, compared, put in order. Semantics are Python's.
#include "harness/base/jinja/jinja_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/utf8.h"

as_json *as_jinja_undefined(as_jinja_run *run, as_str name) {
    as_json *value = as_json_new(run->arena, AS_JSON_NULL);
    value->boolean = true;
    value->text = name;
    return value;
}

as_json *as_jinja_none(as_jinja_run *run) {
    return as_json_new(run->arena, AS_JSON_NULL);
}

as_json *as_jinja_bool(as_jinja_run *run, bool value) {
    return as_json_new_bool(run->arena, value);
}

as_json *as_jinja_int(as_jinja_run *run, int64_t value) {
    as_json *number = as_json_new(run->arena, AS_JSON_NUMBER);
    number->number = (double)value;
    number->text = as_strf(run->arena, "%lld", (long long)value);
    return number;
}

// repr() of a float: the shortest text that reads back, with a point or an exponent.
static as_str float_text(as_arena *arena, double value) {
    char text[48];
    if (isnan(value)) return AS_STR("nan");
    if (isinf(value)) return value > 0 ? AS_STR("inf") : AS_STR("-inf");
    size_t len = as_f64_text(value, text);
    as_str shortest = as_str_copy(arena, (as_str){text, len});
    if (memchr(text, 'e', len) && fabs(value) >= 1 && fabs(value) < 1e16)
        return as_strf(arena, "%.1f", value); // Python turns to exponents later
    if (memchr(text, 'e', len) || memchr(text, '.', len)) return shortest;
    return as_strf(arena, "%s.0", shortest.ptr);
}

as_json *as_jinja_float(as_jinja_run *run, double value) {
    as_json *number = as_json_new(run->arena, AS_JSON_NUMBER);
    number->number = value;
    number->text = float_text(run->arena, value);
    return number;
}

as_json *as_jinja_str(as_jinja_run *run, as_str value) {
    if (value.len > AS_JINJA_OUTPUT_MAX)
        return as_jinja_fail(run, "a string grows past %d bytes", AS_JINJA_OUTPUT_MAX);
    // Bytes cost steps, so that doubling a string over and over ends soon.
    if (!as_jinja_charge(run, value.len / 64)) return NULL;
    return as_json_new_str(run->arena, value);
}

as_json *as_jinja_take_buf(as_jinja_run *run, as_buf *buf) {
    bool fits = buf->len <= AS_JINJA_OUTPUT_MAX;
    as_str view = fits ? as_str_copy(run->arena, as_buf_view(buf)) : as_buf_view(buf);
    as_json *value = as_jinja_str(run, view);
    as_buf_free(buf);
    return value;
}

bool as_jinja_is_undefined(const as_json *value) {
    return value->kind == AS_JSON_NULL && value->boolean;
}

bool as_jinja_is_int(const as_json *value) {
    if (value->kind != AS_JSON_NUMBER) return false;
    for (size_t i = 0; i < value->text.len; i++)
        if (!strchr("+-0123456789", value->text.ptr[i])) return false;
    return true;
}

bool as_jinja_int_of(const as_json *value, int64_t *out) {
    if (value->kind == AS_JSON_BOOL) {
        *out = value->boolean;
        return true;
    }
    return as_jinja_is_int(value) && as_str_to_i64(value->text, out);
}

bool as_jinja_is_number(const as_json *value, double *out) {
    if (value->kind != AS_JSON_NUMBER && value->kind != AS_JSON_BOOL) return false;
    *out = value->kind == AS_JSON_BOOL ? (double)value->boolean : value->number;
    return true;
}

bool as_jinja_truth(const as_json *value) {
    switch (value->kind) {
    case AS_JSON_NULL:
        return false;
    case AS_JSON_BOOL:
        return value->boolean;
    case AS_JSON_NUMBER:
        return value->number != 0;
    case AS_JSON_STRING:
        return value->text.len > 0;
    case AS_JSON_ARRAY:
        return value->count > 0;
    case AS_JSON_OBJECT:
        return value->count > 0 || value->boolean; // a namespace is always true
    }
    return false;
}

const char *as_jinja_kind(const as_json *value) {
    if (as_jinja_is_undefined(value)) return "undefined";
    if (value->kind == AS_JSON_NULL) return "none";
    return value->kind == AS_JSON_OBJECT ? "a dict" : as_json_kind_name(value->kind);
}

as_jinja_builder as_jinja_build(as_jinja_run *run, as_json_kind kind) {
    as_json *list = as_json_new(run->arena, kind);
    return (as_jinja_builder){list, &list->child};
}

bool as_jinja_push(as_jinja_run *run, as_jinja_builder *to, const as_json *value) {
    return as_jinja_put(run, to, (as_str){NULL, 0}, value);
}

bool as_jinja_put(as_jinja_run *run, as_jinja_builder *to, as_str key, const as_json *value) {
    if (!as_jinja_charge(run, 1)) return false;
    as_json *copy = AS_NEW(run->arena, as_json);
    *copy = *value;
    copy->key = key;
    copy->next = NULL;
    *to->link = copy;
    to->link = &copy->next;
    to->list->count++;
    return true;
}

bool as_jinja_key(as_jinja_run *run, const as_json *value, as_str *out) {
    int64_t whole;
    *out = value->text;
    if (value->kind == AS_JSON_STRING) return true;
    if (!as_jinja_is_int(value) || !as_jinja_int_of(value, &whole)) return false;
    *out = as_strf(run->arena, "\xff%lld", (long long)whole);
    return true;
}

as_json as_jinja_key_value(as_str key) {
    double number = 0;
    if (!key.len || key.ptr[0] != '\xff') return (as_json){.kind = AS_JSON_STRING, .text = key};
    as_str digits = as_str_sub(key, 1, key.len);
    as_str_to_f64(digits, &number);
    return (as_json){.kind = AS_JSON_NUMBER, .text = digits, .number = number};
}

as_json *as_jinja_elements(as_jinja_run *run, const as_json *value) {
    if (value->kind == AS_JSON_ARRAY) return (as_json *)(uintptr_t)value;
    as_jinja_builder list = as_jinja_build(run, AS_JSON_ARRAY);
    if (value->kind == AS_JSON_OBJECT) {
        for (const as_json *m = value->child; m; m = m->next) {
            as_json key = as_jinja_key_value(m->key);
            if (!as_jinja_push(run, &list, &key)) return NULL;
        }
        return list.list;
    }
    if (value->kind == AS_JSON_STRING) {
        for (size_t at = 0; at < value->text.len;) {
            size_t from = at;
            as_utf8_next(value->text, &at);
            as_json character = {.kind = AS_JSON_STRING, .text = as_str_sub(value->text, from, at)};
            if (!as_jinja_push(run, &list, &character)) return NULL;
        }
        return list.list;
    }
    if (as_jinja_is_undefined(value) && run->lenient) return list.list;
    if (as_jinja_is_undefined(value)) return as_jinja_fail_undefined(run, value);
    return as_jinja_fail(run, "%s has no elements", as_jinja_kind(value));
}

static int equal_numbers(const as_json *a, const as_json *b) {
    int64_t x, y;
    if (as_jinja_int_of(a, &x) && as_jinja_int_of(b, &y)) return x == y;
    double u = 0, v = 0;
    return as_jinja_is_number(a, &u) && as_jinja_is_number(b, &v) && u == v;
}

static bool descend(as_jinja_run *run) {
    if (!as_jinja_charge(run, 1)) return false;
    if (++run->depth <= AS_JINJA_RECURSION_MAX) return true;
    return as_jinja_fail(run, "nested too deeply") != NULL;
}

static int equal_children(as_jinja_run *run, const as_json *a, const as_json *b) {
    if (a->count != b->count) return 0;
    if (a->kind == AS_JSON_ARRAY && a->boolean != b->boolean) return 0; // a tuple is no list
    const as_json *y = b->child;
    for (const as_json *x = a->child; x; x = x->next) {
        const as_json *other = y;
        if (a->kind == AS_JSON_OBJECT) {
            if (!as_jinja_charge(run, b->count / 16)) return -1;
            for (other = b->child; other && !as_str_eq(other->key, x->key);) other = other->next;
            if (!other) return 0;
        } else {
            y = y->next;
        }
        int equal = as_jinja_equal(run, x, other);
        if (equal <= 0) return equal;
    }
    return 1;
}

int as_jinja_equal(as_jinja_run *run, const as_json *a, const as_json *b) {
    double ignored;
    if (as_jinja_is_number(a, &ignored)) return equal_numbers(a, b);
    if (a->kind != b->kind) return 0;
    if (a->kind == AS_JSON_NULL) return a->boolean == b->boolean;
    if (a->kind == AS_JSON_STRING)
        return as_jinja_charge(run, a->text.len / 256) ? as_str_eq(a->text, b->text) : -1;
    if (!descend(run)) return -1;
    int equal = equal_children(run, a, b);
    run->depth--;
    return equal;
}

bool as_jinja_order(as_jinja_run *run, const as_json *a, const as_json *b, int *order) {
    double x, y;
    if (as_jinja_is_number(a, &x) && as_jinja_is_number(b, &y)) {
        int64_t u, v;
        bool whole = as_jinja_int_of(a, &u) && as_jinja_int_of(b, &v);
        *order = whole ? (u > v) - (u < v) : (x > y) - (x < y);
        return as_jinja_charge(run, 1);
    }
    if (a->kind == AS_JSON_STRING && b->kind == AS_JSON_STRING) {
        *order = as_str_cmp(a->text, b->text);
        return as_jinja_charge(run, 1);
    }
    if (a->kind != AS_JSON_ARRAY || b->kind != AS_JSON_ARRAY) {
        as_jinja_fail(run, "cannot compare %s with %s", as_jinja_kind(a), as_jinja_kind(b));
        return false;
    }
    if (!descend(run)) return false;
    const as_json *p = a->child, *q = b->child;
    bool ok = true;
    *order = 0;
    for (; p && q && !*order && ok; p = p->next, q = q->next) ok = as_jinja_order(run, p, q, order);
    if (ok && !*order) *order = (p != NULL) - (q != NULL);
    run->depth--;
    return ok;
}

int as_jinja_contains(as_jinja_run *run, const as_json *inside, const as_json *what) {
    if (inside->kind == AS_JSON_STRING) {
        if (what->kind != AS_JSON_STRING) {
            as_jinja_fail(run, "cannot look for %s in a string", as_jinja_kind(what));
            return -1;
        }
        if (!as_jinja_charge(run, inside->text.len / 256)) return -1;
        return as_str_find(inside->text, what->text, 0) != SIZE_MAX;
    }
    if (inside->kind == AS_JSON_OBJECT) {
        if (!as_jinja_charge(run, inside->count / 16)) return -1;
        as_str key;
        if (!as_jinja_key(run, what, &key)) return 0;
        for (const as_json *m = inside->child; m; m = m->next)
            if (as_str_eq(m->key, key)) return 1;
        return 0;
    }
    if (inside->kind == AS_JSON_ARRAY) {
        for (const as_json *e = inside->child; e; e = e->next) {
            if (!as_jinja_charge(run, 1)) return -1;
            int equal = as_jinja_equal(run, e, what);
            if (equal) return equal;
        }
        return 0;
    }
    if (as_jinja_is_undefined(inside)) return 0; // a way to test for it, as in Jinja
    as_jinja_fail(run, "cannot look for something in %s", as_jinja_kind(inside));
    return -1;
}
