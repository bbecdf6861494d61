// SPDX-License-Identifier: Apache-2.0
// Filters over lists and dicts.
#include "harness/base/jinja/jinja_internal.h"

#include <string.h>

#include "harness/base/letter.h"
#include "harness/base/utf8.h"

static as_json *length(as_jinja_run *run, as_json *value, as_json **args) {
    (void)args;
    if (value->kind == AS_JSON_STRING)
        return as_jinja_int(run, (int64_t)as_utf8_count(value->text));
    if (value->kind == AS_JSON_ARRAY || value->kind == AS_JSON_OBJECT)
        return as_jinja_int(run, (int64_t)value->count);
    if (as_jinja_is_undefined(value)) return as_jinja_int(run, 0);
    return as_jinja_fail(run, "%s has no length", as_jinja_kind(value));
}

static as_json *first(as_jinja_run *run, as_json *value, as_json **args) {
    (void)args;
    const as_json *list = as_jinja_elements(run, value);
    if (!list) return NULL;
    return list->child ? list->child : as_jinja_undefined(run, AS_STR("first element"));
}

static as_json *last(as_jinja_run *run, as_json *value, as_json **args) {
    (void)args;
    const as_json *list = as_jinja_elements(run, value);
    if (!list) return NULL;
    as_json *element = list->child;
    while (element && element->next) element = element->next;
    return element ? element : as_jinja_undefined(run, AS_STR("last element"));
}

static as_json *list_filter(as_jinja_run *run, as_json *value, as_json **args) {
    (void)args;
    const as_json *elements = as_jinja_elements(run, value);
    if (!elements) return NULL;
    as_json *list = AS_NEW(run->arena, as_json);
    *list = *elements;
    list->boolean = false; // a tuple becomes a list
    return list;
}

static as_json *items(as_jinja_run *run, as_json *value, as_json **args) {
    (void)args;
    as_jinja_args none = {0};
    if (as_jinja_is_undefined(value)) return as_jinja_build(run, AS_JSON_ARRAY).list;
    if (value->kind != AS_JSON_OBJECT)
        return as_jinja_fail(run, "items needs a dict, not %s", as_jinja_kind(value));
    return as_jinja_method(run, value, AS_STR("items"), &none);
}

static as_json *join(as_jinja_run *run, as_json *value, as_json **args) {
    as_str between;
    const as_json *list = as_jinja_elements(run, value);
    if (!list || !as_jinja_args_text(run, args, 0, AS_STR(""), &between)) return NULL;
    as_buf out = {0};
    for (as_json *e = list->child; e && out.len <= AS_JINJA_OUTPUT_MAX; e = e->next) {
        as_str text;
        const as_json *part = args[1] ? as_jinja_eval_path(run, e, args[1], NULL) : e;
        if (!part || !as_jinja_charge(run, 1) || !as_jinja_text(run, part, &text)) {
            as_buf_free(&out);
            return NULL;
        }
        if (e != list->child) as_buf_str(&out, between);
        as_buf_str(&out, text);
    }
    return as_jinja_take_buf(run, &out);
}

static as_json *reverse(as_jinja_run *run, as_json *value, as_json **args) {
    (void)args;
    const as_json *elements = as_jinja_elements(run, value);
    if (!elements) return NULL;
    as_json *list = as_json_new(run->arena, AS_JSON_ARRAY);
    for (const as_json *e = elements->child; e; e = e->next) {
        as_json *copy = AS_NEW(run->arena, as_json);
        *copy = *e;
        copy->next = list->child;
        list->child = copy;
        list->count++;
        if (!as_jinja_charge(run, 1)) return NULL;
    }
    if (value->kind != AS_JSON_STRING) return list;
    as_buf text = {0};
    for (const as_json *e = list->child; e; e = e->next) as_buf_str(&text, e->text);
    return as_jinja_take_buf(run, &text);
}

// Elements with the keys that they are sorted, compared or made unique by.
typedef struct keyed {
    const as_json *element;
    as_json *key;
} keyed;

// What an element is compared by: itself or an attribute, strings in lower case unless asked not.
static as_json *key_of(as_jinja_run *run, as_json *element, const as_json *attribute,
                       bool case_sensitive) {
    bool by_attribute = attribute && attribute->kind != AS_JSON_NULL;
    as_json *key = by_attribute ? as_jinja_eval_path(run, element, attribute, NULL) : element;
    if (!key || key->kind != AS_JSON_STRING || case_sensitive) return key;
    return as_jinja_str(run, as_letter_lower_str(run->arena, key->text));
}

static keyed *keys_of(as_jinja_run *run, const as_json *list, const as_json *attribute,
                      bool case_sensitive) {
    keyed *all = AS_NEW_ARRAY(run->arena, keyed, list->count + 1);
    size_t count = 0;
    for (as_json *e = list->child; e; e = e->next, count++) {
        all[count] = (keyed){e, key_of(run, e, attribute, case_sensitive)};
        if (!all[count].key) return NULL;
    }
    return all;
}

// Merges two sorted runs; equal keys keep their order, reversed or not.
static bool merge(as_jinja_run *run, const keyed *from, keyed *to, size_t low, size_t middle,
                  size_t high, bool reversed) {
    size_t a = low, b = middle;
    for (size_t out = low; out < high; out++) {
        int order = 0;
        bool both = a < middle && b < high;
        if (both && !as_jinja_order(run, from[a].key, from[b].key, &order)) return false;
        if (reversed) order = -order;
        bool left = both ? order <= 0 : a < middle;
        to[out] = left ? from[a++] : from[b++];
    }
    return true;
}

// Sorts by merging ever longer runs; returns the sorted array or NULL after an error.
static keyed *sort_keyed(as_jinja_run *run, keyed *all, size_t count, bool reversed) {
    keyed *other = AS_NEW_ARRAY(run->arena, keyed, count + 1);
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t low = 0; low < count; low += 2 * width) {
            size_t middle = low + width < count ? low + width : count;
            size_t high = low + 2 * width < count ? low + 2 * width : count;
            if (!merge(run, all, other, low, middle, high, reversed)) return NULL;
        }
        keyed *swap = all;
        all = other;
        other = swap;
    }
    return all;
}

static as_json *sorted_list(as_jinja_run *run, const as_json *list, const as_json *attribute,
                            bool case_sensitive, bool reversed) {
    keyed *all = keys_of(run, list, attribute, case_sensitive);
    if (all) all = sort_keyed(run, all, list->count, reversed);
    if (!all) return NULL;
    as_jinja_builder out = as_jinja_build(run, AS_JSON_ARRAY);
    for (size_t i = 0; i < list->count; i++)
        if (!as_jinja_push(run, &out, all[i].element)) return NULL;
    return out.list;
}

static as_json *sort(as_jinja_run *run, as_json *value, as_json **args) {
    const as_json *list = as_jinja_elements(run, value);
    if (!list) return NULL;
    return sorted_list(run, list, args[2], as_jinja_args_truth(args, 1, false),
                       as_jinja_args_truth(args, 0, false));
}

static as_json *dictsort(as_jinja_run *run, as_json *value, as_json **args) {
    as_str by;
    if (value->kind != AS_JSON_OBJECT)
        return as_jinja_fail(run, "dictsort needs a dict, not %s", as_jinja_kind(value));
    if (!as_jinja_args_text(run, args, 1, AS_STR("key"), &by)) return NULL;
    bool by_value = as_str_is(by, "value");
    if (!by_value && !as_str_is(by, "key"))
        return as_jinja_fail(run, "dictsort goes by key or by value, not by '%.*s'",
                             AS_STR_ARG(by));
    const as_json *pairs = items(run, value, args);
    if (!pairs) return NULL;
    as_json *index = as_jinja_int(run, by_value);
    return sorted_list(run, pairs, index, as_jinja_args_truth(args, 0, false),
                       as_jinja_args_truth(args, 2, false));
}

static as_json *unique(as_jinja_run *run, as_json *value, as_json **args) {
    const as_json *list = as_jinja_elements(run, value);
    keyed *all = list ? keys_of(run, list, args[1], as_jinja_args_truth(args, 0, false)) : NULL;
    if (!all) return NULL;
    as_jinja_builder out = as_jinja_build(run, AS_JSON_ARRAY);
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        int seen = 0;
        if (!as_jinja_charge(run, 1 + kept / 16)) return NULL;
        for (size_t j = 0; j < kept && !seen; j++)
            seen = as_jinja_equal(run, all[i].key, all[j].key);
        if (seen < 0) return NULL;
        if (seen) continue;
        all[kept++] = all[i];
        if (!as_jinja_push(run, &out, all[i].element)) return NULL;
    }
    return out.list;
}

static as_json *extreme(as_jinja_run *run, as_json *value, as_json **args, int sign) {
    as_json *list = as_jinja_elements(run, value);
    keyed *all = list ? keys_of(run, list, args[1], as_jinja_args_truth(args, 0, false)) : NULL;
    if (!all) return NULL;
    if (!list->count) return as_jinja_undefined(run, AS_STR("element"));
    as_json *best = list->child, *e = best->next;
    size_t best_index = 0;
    for (size_t i = 1; i < list->count; i++, e = e->next) {
        int order;
        if (!as_jinja_order(run, all[i].key, all[best_index].key, &order)) return NULL;
        if (order * sign <= 0) continue;
        best = e;
        best_index = i;
    }
    return best;
}

static as_json *min(as_jinja_run *run, as_json *value, as_json **args) {
    return extreme(run, value, args, -1);
}

static as_json *max(as_jinja_run *run, as_json *value, as_json **args) {
    return extreme(run, value, args, 1);
}

// For map, select and so on none, false and 0 are lists without elements, as in Jinja2.
static as_json *elements(as_jinja_run *run, as_json *value) {
    return as_jinja_truth(value) ? as_jinja_elements(run, value)
                                 : as_jinja_build(run, AS_JSON_ARRAY).list;
}

// map(attribute='a.b', default=x) or map('filter', arguments...).
static as_json *map(as_jinja_run *run, as_json *value, const as_jinja_args *args) {
    as_jinja_builder out = as_jinja_build(run, AS_JSON_ARRAY);
    as_json *list = elements(run, value);
    if (!list) return NULL;
    bool by_attribute = args->count && args->names[0].len;
    as_json *bound[AS_JINJA_PARAMS_MAX];
    const as_jinja_filter *filter = NULL;
    as_jinja_args rest = {0};
    if (!args->count) return as_jinja_fail(run, "map needs an attribute or a filter");
    if (by_attribute) {
        if (!as_jinja_args_bind(run, "map", args, "attribute default", bound)) return NULL;
        if (!bound[0]) return as_jinja_fail(run, "map needs an attribute or a filter");
    } else {
        const as_json *name = args->values[0];
        if (name->kind == AS_JSON_STRING) filter = as_jinja_filter_find(name->text);
        if (!filter) return as_jinja_fail(run, "map: no such filter");
        rest = (as_jinja_args){args->values + 1, args->names + 1, args->count - 1};
    }
    for (as_json *e = list->child; e; e = e->next) {
        as_json *to = by_attribute ? as_jinja_eval_path(run, e, bound[0], bound[1])
                                   : as_jinja_filter_apply(run, filter, e, &rest);
        if (!to || !as_jinja_push(run, &out, to)) return NULL;
    }
    return out.list;
}

// select, reject ('test', arguments...) and the same over an attribute, which comes first.
static as_json *choose(as_jinja_run *run, as_json *value, const as_jinja_args *args, bool attribute,
                       bool keep) {
    as_jinja_builder out = as_jinja_build(run, AS_JSON_ARRAY);
    as_json *list = elements(run, value);
    if (!list) return NULL;
    size_t skip = attribute ? 1 : 0;
    const as_jinja_test *test = NULL;
    as_jinja_args rest = {0};
    if (args->count < skip) return as_jinja_fail(run, "the name of an attribute is missing");
    if (args->count > skip) {
        const as_json *name = args->values[skip];
        if (name->kind == AS_JSON_STRING) test = as_jinja_test_find(name->text);
        if (!test) return as_jinja_fail(run, "no such test");
        rest = (as_jinja_args){args->values + skip + 1, args->names + skip + 1,
                               args->count - skip - 1};
    }
    for (as_json *e = list->child; e; e = e->next) {
        const as_json *what = attribute ? as_jinja_eval_path(run, e, args->values[0], NULL) : e;
        if (!what) return NULL;
        int holds = test ? as_jinja_test_apply(run, test, what, &rest) : as_jinja_truth(what);
        if (holds < 0 || !as_jinja_charge(run, 1)) return NULL;
        if ((holds != 0) == keep && !as_jinja_push(run, &out, e)) return NULL;
    }
    return out.list;
}

static as_json *select_filter(as_jinja_run *run, as_json *value, const as_jinja_args *args) {
    return choose(run, value, args, false, true);
}

static as_json *reject(as_jinja_run *run, as_json *value, const as_jinja_args *args) {
    return choose(run, value, args, false, false);
}

static as_json *selectattr(as_jinja_run *run, as_json *value, const as_jinja_args *args) {
    return choose(run, value, args, true, true);
}

static as_json *rejectattr(as_jinja_run *run, as_json *value, const as_jinja_args *args) {
    return choose(run, value, args, true, false);
}

const as_jinja_filter as_jinja_list_filters[] = {
    {"length", "", length, NULL, false},
    {"count", "", length, NULL, false},
    {"first", "", first, NULL, false},
    {"last", "", last, NULL, false},
    {"list", "", list_filter, NULL, false},
    {"items", "", items, NULL, true},
    {"join", "d attribute", join, NULL, false},
    {"reverse", "", reverse, NULL, false},
    {"sort", "reverse case_sensitive attribute", sort, NULL, false},
    {"dictsort", "case_sensitive by reverse", dictsort, NULL, false},
    {"unique", "case_sensitive attribute", unique, NULL, false},
    {"min", "case_sensitive attribute", min, NULL, false},
    {"max", "case_sensitive attribute", max, NULL, false},
    {"map", NULL, NULL, map, false},
    {"select", NULL, NULL, select_filter, false},
    {"reject", NULL, NULL, reject, false},
    {"selectattr", NULL, NULL, selectattr, false},
    {"rejectattr", NULL, NULL, rejectattr, false},
    {NULL, NULL, NULL, NULL, false},
};
