// SPDX-License-Identifier: Apache-2.0
// Calls: arguments, macros, global functions, methods of dicts and loops.
#include "harness/base/jinja/jinja_internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

bool as_jinja_args_eval(as_jinja_run *run, const as_jinja_node *list, as_jinja_args *out) {
    size_t count = 0;
    for (const as_jinja_node *arg = list; arg; arg = arg->next) count++;
    *out = (as_jinja_args){.count = count};
    if (!count) return true;
    out->values = AS_NEW_ARRAY(run->arena, as_json *, count);
    out->names = AS_NEW_ARRAY(run->arena, as_str, count);
    size_t i = 0;
    for (const as_jinja_node *arg = list; arg; arg = arg->next, i++) {
        out->names[i] = arg->text;
        if (!(out->values[i] = as_jinja_eval(run, arg->a))) return false;
    }
    return true;
}

// Where `name` stands in "a b c", or SIZE_MAX.
static size_t param_index(const char *params, as_str name) {
    as_str rest = as_str_of(params);
    for (size_t i = 0; rest.ptr; i++)
        if (as_str_eq(as_str_cut(&rest, ' '), name)) return i;
    return SIZE_MAX;
}

bool as_jinja_args_bind(as_jinja_run *run, const char *what, const as_jinja_args *args,
                        const char *params, as_json *out[AS_JINJA_PARAMS_MAX]) {
    size_t count = *params != '\0';
    for (const char *c = params; *c; c++) count += *c == ' ';
    memset(out, 0, AS_JINJA_PARAMS_MAX * sizeof *out);
    for (size_t i = 0; i < args->count; i++) {
        as_str name = args->names[i];
        size_t at = name.len ? param_index(params, name) : i;
        if (name.len && at == SIZE_MAX)
            return as_jinja_fail(run, "%s has no argument '%.*s'", what, AS_STR_ARG(name)) != NULL;
        if (at >= count)
            return as_jinja_fail(run, "%s takes at most %zu arguments", what, count) != NULL;
        if (out[at])
            return as_jinja_fail(run, "%s gets argument '%.*s' twice", what, AS_STR_ARG(name)) !=
                   NULL;
        out[at] = args->values[i];
    }
    return true;
}

bool as_jinja_args_text(as_jinja_run *run, as_json **args, size_t index, as_str otherwise,
                        as_str *out) {
    const as_json *value = args[index];
    *out = otherwise;
    if (!value || (value->kind == AS_JSON_NULL && !value->boolean)) return true;
    *out = value->text;
    return value->kind == AS_JSON_STRING ||
           as_jinja_fail(run, "a string is needed, not %s", as_jinja_kind(value)) != NULL;
}

bool as_jinja_args_int(as_jinja_run *run, as_json **args, size_t index, int64_t otherwise,
                       int64_t *out) {
    const as_json *value = args[index];
    *out = otherwise;
    if (!value || (value->kind == AS_JSON_NULL && !value->boolean)) return true;
    return as_jinja_int_of(value, out) ||
           as_jinja_fail(run, "a whole number is needed, not %s", as_jinja_kind(value)) != NULL;
}

bool as_jinja_args_truth(as_json **args, size_t index, bool otherwise) {
    return args[index] ? as_jinja_truth(args[index]) : otherwise;
}

// Binds one parameter in the macro's scope: positional, keyword, default or undefined.
static bool bind_param(as_jinja_run *run, const as_jinja_node *param, size_t index,
                       const as_jinja_args *args, bool *used) {
    as_json *value = NULL;
    for (size_t i = 0; i < args->count && !value; i++) {
        bool hit = args->names[i].len ? as_str_eq(args->names[i], param->text) : i == index;
        if (!hit) continue;
        used[i] = true;
        value = args->values[i];
    }
    if (!value)
        value = param->a ? as_jinja_eval(run, param->a) : as_jinja_undefined(run, param->text);
    if (!value) return false;
    as_jinja_bind(run, param->text, value, NULL);
    return true;
}

static as_json *call_macro(as_jinja_run *run, const as_jinja_binding *callee,
                           const as_jinja_args *args, const as_jinja_node *caller) {
    const as_jinja_node *macro = callee->macro;
    if (run->macro_depth >= AS_JINJA_DEPTH_MAX)
        return as_jinja_fail(run, "macros call each other deeper than %d", AS_JINJA_DEPTH_MAX);
    as_jinja_scope inner = {.parent = callee->closure ? callee->closure : run->global};
    as_jinja_scope *outer = run->scope;
    bool *used = AS_NEW_ARRAY(run->arena, bool, args->count + 1), ok = true;
    size_t index = 0;
    run->scope = &inner;
    run->macro_depth++;
    if (caller) {
        as_jinja_bind(run, caller->text, NULL, caller);
        inner.first->closure = outer;
    }
    for (const as_jinja_node *p = macro->c; p && ok; p = p->next, index++)
        ok = bind_param(run, p, index, args, used);
    for (size_t i = 0; i < args->count && ok; i++)
        if (!used[i])
            ok = as_jinja_fail(run, "macro '%.*s' takes no argument %zu", AS_STR_ARG(macro->text),
                               i + 1) != NULL;
    as_str text;
    ok = ok && as_jinja_capture(run, macro->list, &text);
    run->macro_depth--;
    run->scope = outer;
    return ok ? as_jinja_str(run, text) : NULL;
}

static as_json *call_range(as_jinja_run *run, const as_jinja_args *args) {
    as_json *bounds[AS_JINJA_PARAMS_MAX];
    int64_t from = 0, to = 0, step = 1;
    if (!as_jinja_args_bind(run, "range", args, "start stop step", bounds)) return NULL;
    if (!bounds[0]) return as_jinja_fail(run, "range needs an argument");
    bool one = !bounds[1];
    if (!as_jinja_args_int(run, bounds, one ? 1 : 0, 0, &from) ||
        !as_jinja_args_int(run, bounds, one ? 0 : 1, 0, &to) ||
        !as_jinja_args_int(run, bounds, 2, 1, &step))
        return NULL;
    if (step == 0) return as_jinja_fail(run, "the step of a range is 0");
    double length = ((double)to - (double)from) / (double)step;
    if (length > AS_JINJA_RANGE_MAX)
        return as_jinja_fail(run, "the range has more than %d elements", AS_JINJA_RANGE_MAX);
    as_jinja_builder list = as_jinja_build(run, AS_JSON_ARRAY);
    for (int64_t i = from; step > 0 ? i < to : i > to; i += step) {
        if (!as_jinja_push(run, &list, as_jinja_int(run, i))) return NULL;
        if (step > 0 ? to - i <= step : i - to <= -step) break; // the next step could overflow
    }
    return list.list;
}

// namespace(a=1), dict(a=1): an object of its own.
static as_json *call_namespace(as_jinja_run *run, const as_jinja_args *args, bool is_namespace) {
    as_jinja_builder object = as_jinja_build(run, AS_JSON_OBJECT);
    object.list->boolean = is_namespace;
    for (size_t i = 0; i < args->count; i++) {
        const as_json *value = args->values[i];
        if (args->names[i].len) {
            if (!as_jinja_put(run, &object, args->names[i], value)) return NULL;
        } else if (value->kind == AS_JSON_OBJECT) {
            for (const as_json *m = value->child; m; m = m->next)
                if (!as_jinja_put(run, &object, m->key, m)) return NULL;
        } else {
            return as_jinja_fail(run, "a dict is needed, not %s", as_jinja_kind(value));
        }
    }
    return object.list;
}

// "2026-01-31" as its midnight.
static bool read_date(as_str text, struct tm *out) {
    char copy[11] = {0};
    int year, month, day, end = 0;
    if (text.len != 10) return false;
    memcpy(copy, text.ptr, 10);
    if (sscanf(copy, "%4d-%2d-%2d%n", &year, &month, &day, &end) != 3 || end != 10) return false;
    struct tm wanted = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    *out = wanted;
    time_t at = timegm(out); // which makes the 30th of February another day
    return at != -1 && out->tm_mon == wanted.tm_mon && out->tm_mday == wanted.tm_mday &&
           year >= 1 && gmtime_r(&at, out);
}

bool as_jinja_is_date(as_str text) {
    struct tm unused;
    return read_date(text, &unused);
}

static as_json *call_strftime(as_jinja_run *run, const as_jinja_args *args) {
    struct tm day;
    char text[512];
    as_str format;
    as_json *bound[AS_JINJA_PARAMS_MAX];
    const as_json *date = as_json_get(run->variables, "strftime_now");
    if (!date || date->kind != AS_JSON_STRING || !read_date(date->text, &day))
        return as_jinja_fail(run, "the template asks what day it is (strftime_now), and a prompt "
                                  "with today's date in it could not be repeated: say which with "
                                  "prompt.date, like 2026-01-31");
    if (!as_jinja_args_bind(run, "strftime_now", args, "format", bound) ||
        !as_jinja_args_text(run, bound, 0, AS_STR(""), &format))
        return NULL;
    const char *copy = as_str_copy(run->arena, format).ptr;
    size_t len = format.len && !memchr(format.ptr, 0, format.len)
                     ? strftime(text, sizeof text, copy, &day)
                     : 0;
    if (format.len && !len) return as_jinja_fail(run, "strftime_now cannot write this");
    return as_jinja_str(run, as_str_copy(run->arena, (as_str){text, len}));
}

static as_json *call_global(as_jinja_run *run, as_str name, const as_jinja_args *args) {
    if (as_str_is(name, "range")) return call_range(run, args);
    if (as_str_is(name, "namespace")) return call_namespace(run, args, true);
    if (as_str_is(name, "dict")) return call_namespace(run, args, false);
    if (as_str_is(name, "raise_exception")) {
        as_str text = AS_STR("raise_exception");
        if (args->count && !as_jinja_text(run, args->values[0], &text)) return NULL;
        return as_jinja_fail(run, "the template refuses this: %.*s",
                             AS_STR_ARG(as_str_sub(text, 0, 400)));
    }
    if (as_str_is(name, "strftime_now")) return call_strftime(run, args);
    return as_jinja_fail(run, "'%.*s' is no function", AS_STR_ARG(name));
}

static as_json *dict_list(as_jinja_run *run, const as_json *dict, bool keys, bool values) {
    as_jinja_builder list = as_jinja_build(run, AS_JSON_ARRAY);
    for (const as_json *m = dict->child; m; m = m->next) {
        as_json key = as_jinja_key_value(m->key);
        if (keys && values) {
            as_jinja_builder pair = as_jinja_build(run, AS_JSON_ARRAY);
            pair.list->boolean = true;
            if (!as_jinja_push(run, &pair, &key) || !as_jinja_push(run, &pair, m) ||
                !as_jinja_push(run, &list, pair.list))
                return NULL;
        } else if (!as_jinja_push(run, &list, keys ? &key : m)) {
            return NULL;
        }
    }
    return list.list;
}

static as_json *dict_method(as_jinja_run *run, as_json *dict, as_str name,
                            const as_jinja_args *args) {
    if (as_str_is(name, "get")) {
        as_json *bound[AS_JINJA_PARAMS_MAX];
        if (!as_jinja_args_bind(run, "get", args, "key default", bound)) return NULL;
        if (!bound[0]) return as_jinja_fail(run, "get needs a key");
        as_json *otherwise = bound[1] ? bound[1] : as_jinja_none(run);
        as_str key;
        if (!as_jinja_key(run, bound[0], &key)) return otherwise;
        as_json *found = as_jinja_eval_attr(run, dict, key);
        return found && as_jinja_is_undefined(found) ? otherwise : found;
    }
    bool keys = as_str_is(name, "keys"), values = as_str_is(name, "values");
    bool items = as_str_is(name, "items");
    if ((keys || values || items) && args->count == 0)
        return dict_list(run, dict, keys || items, values || items);
    return as_jinja_fail(run, "a dict has no method '%.*s' here", AS_STR_ARG(name));
}

static as_json *list_method(as_jinja_run *run, const as_json *list, as_str name,
                            const as_jinja_args *args) {
    bool count = as_str_is(name, "count"), index = as_str_is(name, "index");
    if (!(count || index) || args->count != 1)
        return as_jinja_fail(run,
                             "a list has no method '%.*s' here; values cannot be changed, "
                             "only set anew",
                             AS_STR_ARG(name));
    int64_t at = 0, found = 0;
    for (const as_json *e = list->child; e; e = e->next, at++) {
        int equal = as_jinja_equal(run, e, args->values[0]);
        if (equal < 0 || !as_jinja_charge(run, 1)) return NULL;
        if (equal && index) return as_jinja_int(run, at);
        found += equal;
    }
    if (index) return as_jinja_fail(run, "index: the value is not in the list");
    return as_jinja_int(run, found);
}

static as_json *text_method(as_jinja_run *run, as_json *text, as_str name,
                            const as_jinja_args *args) {
    for (const as_jinja_filter *m = as_jinja_text_methods; m->name; m++) {
        if (!as_str_is(name, m->name)) continue;
        as_json *bound[AS_JINJA_PARAMS_MAX];
        if (!as_jinja_args_bind(run, m->name, args, m->params, bound)) return NULL;
        return m->apply(run, text, bound);
    }
    return as_jinja_fail(run, "a string has no method '%.*s' here", AS_STR_ARG(name));
}

as_json *as_jinja_method(as_jinja_run *run, as_json *object, as_str name,
                         const as_jinja_args *args) {
    if (!as_jinja_charge(run, 1)) return NULL;
    if (object->kind == AS_JSON_STRING) return text_method(run, object, name, args);
    if (object->kind == AS_JSON_OBJECT) return dict_method(run, object, name, args);
    if (object->kind == AS_JSON_ARRAY) return list_method(run, object, name, args);
    if (as_jinja_is_undefined(object)) return as_jinja_fail_undefined(run, object);
    return as_jinja_fail(run, "%s has no method '%.*s'", as_jinja_kind(object), AS_STR_ARG(name));
}

// loop.cycle(a, b): one after the other, by iteration.
static as_json *call_cycle(as_jinja_run *run, const as_json *loop, const as_jinja_args *args) {
    double index = as_json_f64(loop, "index0", 0);
    if (!args->count) return as_jinja_fail(run, "cycle needs arguments");
    return args->values[(size_t)index % args->count];
}

as_json *as_jinja_call(as_jinja_run *run, const as_jinja_node *node, const as_jinja_node *caller) {
    const as_jinja_node *callee = node->a;
    as_json *object = callee->op == AS_JINJA_ATTR ? as_jinja_eval(run, callee->a) : NULL;
    if (callee->op == AS_JINJA_ATTR && !object) return NULL;
    as_jinja_args args;
    if (!as_jinja_args_eval(run, node->list, &args)) return NULL;
    run->node = node;
    if (object && !caller) {
        bool loop = callee->a->op == AS_JINJA_VAR && as_str_is(callee->a->text, "loop") &&
                    as_json_get(object, "index0");
        if (loop && as_str_is(callee->text, "cycle")) return call_cycle(run, object, &args);
        return as_jinja_method(run, object, callee->text, &args);
    }
    if (callee->op != AS_JINJA_VAR) return as_jinja_fail(run, "this cannot be called");
    const as_jinja_binding *bound = as_jinja_lookup(run, callee->text);
    if (bound && bound->macro) return call_macro(run, bound, &args, caller);
    if (caller) return as_jinja_fail(run, "only macros are called with a body");
    bool clock = as_str_is(callee->text, "strftime_now");
    if (bound || (!clock && as_json_at(run->variables, callee->text)))
        return as_jinja_fail(run, "'%.*s' is no function", AS_STR_ARG(callee->text));
    return call_global(run, callee->text, &args);
}
