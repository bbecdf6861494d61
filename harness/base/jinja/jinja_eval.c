// SPDX-License-Identifier: Apache-2.0
// Expressions to values.
#include "harness/base/jinja/jinja_internal.h"

#include <math.h>
#include <string.h>

#include "harness/base/utf8.h"

as_jinja_binding *as_jinja_lookup(const as_jinja_run *run, as_str name) {
    for (const as_jinja_scope *scope = run->scope; scope; scope = scope->parent)
        for (as_jinja_binding *b = scope->first; b; b = b->next)
            if (as_str_eq(b->name, name)) return b;
    return NULL;
}

void as_jinja_bind(as_jinja_run *run, as_str name, as_json *value, const as_jinja_node *macro) {
    as_jinja_binding *b = run->scope->first;
    while (b && !as_str_eq(b->name, name)) b = b->next;
    if (!b) {
        b = AS_NEW(run->arena, as_jinja_binding);
        b->next = run->scope->first;
        run->scope->first = b;
    }
    b->name = name;
    b->value = value;
    b->macro = macro;
    b->closure = NULL;
}

static const as_json *member(const as_json *object, as_str key) {
    for (const as_json *m = object->child; m; m = m->next)
        if (as_str_eq(m->key, key)) return m;
    return NULL;
}

static as_json *eval_name(as_jinja_run *run, as_str name) {
    static const char *const functions[] = {"range", "namespace", "raise_exception", "dict", NULL};
    const as_jinja_binding *b = as_jinja_lookup(run, name);
    if (b && b->value) return b->value;
    const as_json *variable = b ? NULL : member(run->variables, name);
    if (variable) return (as_json *)(uintptr_t)variable;
    bool function = b != NULL;
    for (size_t i = 0; functions[i]; i++) function = function || as_str_is(name, functions[i]);
    if (!function) return as_jinja_undefined(run, name);
    // Functions are no values here; templates only ask whether they are there.
    return as_jinja_str(run, as_strf(run->arena, "<function %.*s>", AS_STR_ARG(name)));
}

as_json *as_jinja_eval_attr(as_jinja_run *run, as_json *object, as_str name) {
    if (as_jinja_is_undefined(object)) return as_jinja_fail_undefined(run, object);
    if (object->kind == AS_JSON_OBJECT) {
        if (!as_jinja_charge(run, object->count / 16)) return NULL;
        const as_json *found = member(object, name);
        if (found) return (as_json *)(uintptr_t)found;
    }
    return as_jinja_undefined(run, name);
}

static as_json *char_at(as_jinja_run *run, as_str s, int64_t index) {
    int64_t count = (int64_t)as_utf8_count(s), passed = 0;
    if (!as_jinja_charge(run, s.len / 256)) return NULL;
    if (index < 0) index += count;
    for (size_t at = 0; index >= 0 && at < s.len; passed++) {
        size_t from = at;
        as_utf8_next(s, &at);
        if (passed == index) return as_jinja_str(run, as_str_sub(s, from, at));
    }
    return as_jinja_undefined(run, AS_STR("character"));
}

static as_json *element_at(as_jinja_run *run, const as_json *list, int64_t index) {
    if (index < 0) index += (int64_t)list->count;
    if (index < 0 || index >= (int64_t)list->count)
        return as_jinja_undefined(run, AS_STR("element"));
    if (!as_jinja_charge(run, (size_t)index / 64)) return NULL;
    as_json *element = list->child;
    while (index--) element = element->next;
    return element;
}

static as_json *item_of(as_jinja_run *run, as_json *object, const as_json *key) {
    int64_t index;
    as_str name;
    bool member_of = key->kind == AS_JSON_STRING || object->kind == AS_JSON_OBJECT;
    if (member_of && as_jinja_key(run, key, &name)) return as_jinja_eval_attr(run, object, name);
    if (as_jinja_is_undefined(object)) return as_jinja_fail_undefined(run, object);
    if (as_jinja_int_of(key, &index)) {
        if (object->kind == AS_JSON_ARRAY) return element_at(run, object, index);
        if (object->kind == AS_JSON_STRING) return char_at(run, object->text, index);
    }
    return as_jinja_undefined(run, AS_STR("element"));
}

as_json *as_jinja_eval_path(as_jinja_run *run, as_json *object, const as_json *path,
                            as_json *otherwise) {
    as_str rest = path->kind == AS_JSON_STRING ? path->text : AS_STR("");
    if (path->kind != AS_JSON_STRING) object = item_of(run, object, path);
    while (path->kind == AS_JSON_STRING && object && rest.ptr) {
        as_str part = as_str_cut(&rest, '.');
        int64_t index;
        as_json key = {.kind = AS_JSON_STRING, .text = part};
        if (as_str_to_i64(part, &index)) key = (as_json){.kind = AS_JSON_NUMBER, .text = part};
        object = item_of(run, object, &key);
        if (object && otherwise && as_jinja_is_undefined(object)) return otherwise;
    }
    return object && otherwise && as_jinja_is_undefined(object) ? otherwise : object;
}

// A bound of a slice: *given false when it is left out or none.
static bool eval_bound(as_jinja_run *run, const as_jinja_node *node, int64_t *out, bool *given) {
    *given = false;
    if (!node) return true;
    const as_json *value = as_jinja_eval(run, node);
    if (!value) return false;
    if (value->kind == AS_JSON_NULL && !value->boolean) return true;
    *given = as_jinja_int_of(value, out);
    return *given ||
           as_jinja_fail(run, "a slice needs whole numbers, not %s", as_jinja_kind(value)) != NULL;
}

// Python's rule: bounds count from the end when negative and are then clamped.
static int64_t clamp_bound(int64_t bound, bool given, int64_t otherwise, int64_t low, int64_t high,
                           int64_t count) {
    if (!given) return otherwise;
    if (bound < 0) bound = bound < -count ? low : bound + count;
    return bound < low ? low : bound > high ? high : bound;
}

// Offset of the `count`th code point at or after `at`.
static size_t advance(as_str s, size_t at, int64_t count) {
    while (count-- > 0 && at < s.len) as_utf8_next(s, &at);
    return at;
}

static as_json *slice_text(as_jinja_run *run, as_str s, int64_t from, int64_t to, int64_t step) {
    if (!as_jinja_charge(run, s.len / 64)) return NULL;
    if (step == 1) {
        size_t start = advance(s, 0, from), end = advance(s, start, to - from);
        return as_jinja_str(run, as_str_sub(s, start, end));
    }
    size_t *starts = AS_NEW_ARRAY(run->arena, size_t, s.len + 1), count = 0;
    for (size_t at = 0; at < s.len; as_utf8_next(s, &at)) starts[count++] = at;
    starts[count] = s.len;
    as_buf text = {0};
    for (int64_t i = from; step > 0 ? i < to : i > to; i += step)
        as_buf_str(&text, as_str_sub(s, starts[i], starts[i + 1]));
    return as_jinja_take_buf(run, &text);
}

static as_json *slice_list(as_jinja_run *run, const as_json *list, int64_t from, int64_t to,
                           int64_t step) {
    const as_json **all = AS_NEW_ARRAY(run->arena, const as_json *, list->count + 1);
    size_t filled = 0;
    for (const as_json *e = list->child; e; e = e->next) all[filled++] = e;
    as_jinja_builder out = as_jinja_build(run, AS_JSON_ARRAY);
    out.list->boolean = list->boolean;
    for (int64_t i = from; step > 0 ? i < to : i > to; i += step)
        if (!as_jinja_push(run, &out, all[i])) return NULL;
    return out.list;
}

static as_json *eval_slice(as_jinja_run *run, const as_jinja_node *node) {
    int64_t from = 0, to = 0, step = 1;
    bool has_from, has_to, has_step;
    as_json *object = as_jinja_eval(run, node->a);
    if (!object || !eval_bound(run, node->b, &from, &has_from) ||
        !eval_bound(run, node->c, &to, &has_to) || !eval_bound(run, node->d, &step, &has_step))
        return NULL;
    if (!has_step) step = 1;
    if (step == 0) return as_jinja_fail(run, "the step of a slice is 0");
    bool string = object->kind == AS_JSON_STRING;
    if (as_jinja_is_undefined(object)) return as_jinja_fail_undefined(run, object);
    if (!string && object->kind != AS_JSON_ARRAY)
        return as_jinja_fail(run, "%s cannot be sliced", as_jinja_kind(object));
    int64_t count = (int64_t)(string ? as_utf8_count(object->text) : object->count);
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? count : count - 1;
    from = clamp_bound(from, has_from, step > 0 ? 0 : count - 1, low, high, count);
    to = clamp_bound(to, has_to, step > 0 ? count : -1, low, high, count);
    // A step past the end is as good as one onto it, and cannot overflow.
    if (step > count) step = count + 1;
    if (step < -count) step = -count - 1;
    if (string) return slice_text(run, object->text, from, to, step);
    return slice_list(run, object, from, to, step);
}

static as_json *eval_list(as_jinja_run *run, const as_jinja_node *node) {
    as_jinja_builder list = as_jinja_build(run, AS_JSON_ARRAY);
    list.list->boolean = node->op == AS_JINJA_TUPLE;
    for (const as_jinja_node *e = node->list; e; e = e->next) {
        const as_json *value = as_jinja_eval(run, e);
        if (!value || !as_jinja_push(run, &list, value)) return NULL;
    }
    return list.list;
}

static as_json *eval_dict(as_jinja_run *run, const as_jinja_node *node) {
    as_jinja_builder dict = as_jinja_build(run, AS_JSON_OBJECT);
    for (const as_jinja_node *pair = node->list; pair; pair = pair->next) {
        const as_json *key = as_jinja_eval(run, pair->a);
        const as_json *value = key ? as_jinja_eval(run, pair->b) : NULL;
        if (!value) return NULL;
        as_str text;
        if (!as_jinja_key(run, key, &text))
            return as_jinja_fail(run, "a dict's key must be a string or a whole number, not %s",
                                 as_jinja_kind(key));
        as_json *old = (as_json *)(uintptr_t)member(dict.list, text);
        if (old) {
            as_json *next = old->next;
            as_str name = old->key;
            *old = *value;
            old->next = next;
            old->key = name;
        } else if (!as_jinja_put(run, &dict, text, value)) {
            return NULL;
        }
    }
    return dict.list;
}

static as_json *repeat(as_jinja_run *run, const as_json *what, int64_t times) {
    if (times < 0) times = 0;
    if (what->kind == AS_JSON_STRING) {
        size_t len = what->text.len;
        if (len && (uint64_t)times > AS_JINJA_OUTPUT_MAX / len)
            return as_jinja_fail(run, "a string grows past %d bytes", AS_JINJA_OUTPUT_MAX);
        as_buf buf = {0};
        for (int64_t i = 0; len && i < times; i++) as_buf_str(&buf, what->text);
        return as_jinja_take_buf(run, &buf);
    }
    as_jinja_builder list = as_jinja_build(run, AS_JSON_ARRAY);
    list.list->boolean = what->boolean;
    for (int64_t i = 0; what->count && i < times; i++)
        for (const as_json *e = what->child; e; e = e->next)
            if (!as_jinja_push(run, &list, e)) return NULL;
    return list.list;
}

static as_json *join_lists(as_jinja_run *run, const as_json *a, const as_json *b) {
    as_jinja_builder list = as_jinja_build(run, AS_JSON_ARRAY);
    list.list->boolean = a->boolean;
    for (const as_json *e = a->child; e; e = e->next)
        if (!as_jinja_push(run, &list, e)) return NULL;
    for (const as_json *e = b->child; e; e = e->next)
        if (!as_jinja_push(run, &list, e)) return NULL;
    return list.list;
}

static as_json *power_of(as_jinja_run *run, int64_t base, int64_t exponent) {
    int64_t result = 1;
    if (base == 0 || base == 1) return as_jinja_int(run, exponent ? base : 1);
    if (base == -1) return as_jinja_int(run, exponent % 2 ? -1 : 1);
    for (int64_t i = 0; i < exponent; i++)
        if (__builtin_mul_overflow(result, base, &result))
            return as_jinja_fail(run, "the number is too large");
    return as_jinja_int(run, result);
}

static as_json *arith_int(as_jinja_run *run, int op, int64_t a, int64_t b) {
    int64_t result = 0;
    bool over = false;
    switch (op) {
    case '+':
        over = __builtin_add_overflow(a, b, &result);
        break;
    case '-':
        over = __builtin_sub_overflow(a, b, &result);
        break;
    case '*':
        over = __builtin_mul_overflow(a, b, &result);
        break;
    case 'p':
        return power_of(run, a, b);
    default: // 'd' and '%' round towards minus infinity
        over = a == INT64_MIN && b == -1;
        if (over) break;
        result = a / b;
        if (a % b != 0 && (a < 0) != (b < 0)) result--;
        if (op == '%') result = a - result * b;
    }
    if (over) return as_jinja_fail(run, "the number is too large");
    return as_jinja_int(run, result);
}

static as_json *arith_float(as_jinja_run *run, int op, double a, double b) {
    double rest;
    switch (op) {
    case '+':
        return as_jinja_float(run, a + b);
    case '-':
        return as_jinja_float(run, a - b);
    case '*':
        return as_jinja_float(run, a * b);
    case '/':
        return as_jinja_float(run, a / b);
    case 'd':
        return as_jinja_float(run, floor(a / b));
    case 'p':
        return as_jinja_float(run, pow(a, b));
    default:
        rest = fmod(a, b);
        if (rest != 0 && (rest < 0) != (b < 0)) rest += b;
        return as_jinja_float(run, rest);
    }
}

static const char *op_text(int op) {
    static const char *const names[] = {"+", "-", "*", "/", "%", "//", "**"};
    const char *codes = "+-*/%dp", *hit = strchr(codes, op);
    return hit ? names[hit - codes] : "?";
}

static as_json *eval_arith(as_jinja_run *run, const as_jinja_node *node) {
    const as_json *a = as_jinja_eval(run, node->a);
    const as_json *b = a ? as_jinja_eval(run, node->b) : NULL;
    if (!b) return NULL;
    run->node = node;
    int op = node->sub;
    double x, y;
    int64_t i, j;
    if (as_jinja_is_undefined(a) || as_jinja_is_undefined(b))
        return as_jinja_fail(run, "'%.*s' is undefined",
                             AS_STR_ARG(as_jinja_is_undefined(a) ? a->text : b->text));
    if (as_jinja_is_number(a, &x) && as_jinja_is_number(b, &y)) {
        if (y == 0 && (op == '/' || op == 'd' || op == '%'))
            return as_jinja_fail(run, "division by zero");
        bool whole = as_jinja_int_of(a, &i) && as_jinja_int_of(b, &j);
        if (whole && op != '/' && !(op == 'p' && j < 0)) return arith_int(run, op, i, j);
        return arith_float(run, op, x, y);
    }
    if (op == '+' && a->kind == AS_JSON_STRING && b->kind == AS_JSON_STRING) {
        as_buf buf = {0};
        as_buf_str(&buf, a->text);
        as_buf_str(&buf, b->text);
        return as_jinja_take_buf(run, &buf);
    }
    if (op == '+' && a->kind == AS_JSON_ARRAY && b->kind == AS_JSON_ARRAY)
        return join_lists(run, a, b);
    bool sequence = a->kind == AS_JSON_STRING || a->kind == AS_JSON_ARRAY;
    if (op == '*' && sequence && as_jinja_int_of(b, &j)) return repeat(run, a, j);
    sequence = b->kind == AS_JSON_STRING || b->kind == AS_JSON_ARRAY;
    if (op == '*' && sequence && as_jinja_int_of(a, &i)) return repeat(run, b, i);
    return as_jinja_fail(run, "'%s' cannot join %s and %s", op_text(op), as_jinja_kind(a),
                         as_jinja_kind(b));
}

static int relation_holds(as_jinja_run *run, int relation, const as_json *a, const as_json *b) {
    int result, order;
    switch (relation) {
    case AS_JINJA_EQ:
        return as_jinja_equal(run, a, b);
    case AS_JINJA_NE:
        result = as_jinja_equal(run, a, b);
        return result < 0 ? result : !result;
    case AS_JINJA_IN:
        return as_jinja_contains(run, b, a);
    case AS_JINJA_NOT_IN:
        result = as_jinja_contains(run, b, a);
        return result < 0 ? result : !result;
    default:
        if (!as_jinja_order(run, a, b, &order)) return -1;
    }
    if (relation == AS_JINJA_LT) return order < 0;
    if (relation == AS_JINJA_LE) return order <= 0;
    return relation == AS_JINJA_GT ? order > 0 : order >= 0;
}

static as_json *eval_compare(as_jinja_run *run, const as_jinja_node *node) {
    const as_json *left = as_jinja_eval(run, node->a);
    if (!left) return NULL;
    for (const as_jinja_node *step = node->list; step; step = step->next) {
        const as_json *right = as_jinja_eval(run, step->a);
        if (!right) return NULL;
        run->node = step;
        int holds = relation_holds(run, step->sub, left, right);
        if (holds < 0) return NULL;
        if (!holds) return as_jinja_bool(run, false);
        left = right;
    }
    return as_jinja_bool(run, true);
}

static as_json *eval_concat(as_jinja_run *run, const as_jinja_node *node) {
    as_buf buf = {0};
    for (const as_jinja_node *part = node->list; part; part = part->next) {
        as_str text;
        const as_json *value = as_jinja_eval(run, part);
        run->node = part;
        if (!value || !as_jinja_text(run, value, &text)) {
            as_buf_free(&buf);
            return NULL;
        }
        as_buf_str(&buf, text);
        if (buf.len > AS_JINJA_OUTPUT_MAX) break; // refused below
    }
    return as_jinja_take_buf(run, &buf);
}

static as_json *eval_sign(as_jinja_run *run, const as_jinja_node *node) {
    const as_json *value = as_jinja_eval(run, node->a);
    if (!value) return NULL;
    double number;
    int64_t whole;
    bool minus = node->sub == '-';
    if (as_jinja_int_of(value, &whole)) return arith_int(run, minus ? '-' : '+', 0, whole);
    if (as_jinja_is_number(value, &number)) return as_jinja_float(run, minus ? -number : number);
    return as_jinja_fail(run, "'%c' needs a number, not %s", node->sub, as_jinja_kind(value));
}

static as_json *eval_filter(as_jinja_run *run, const as_jinja_node *node) {
    as_json *value = as_jinja_eval(run, node->a);
    as_jinja_args args;
    if (!value || !as_jinja_args_eval(run, node->list, &args)) return NULL;
    run->node = node;
    return as_jinja_filter_apply(run, node->filter, value, &args);
}

static as_json *eval_test(as_jinja_run *run, const as_jinja_node *node) {
    const as_json *value = as_jinja_eval(run, node->a);
    as_jinja_args args;
    if (!value || !as_jinja_args_eval(run, node->list, &args)) return NULL;
    run->node = node;
    int holds = as_jinja_test_apply(run, node->test, value, &args);
    return holds < 0 ? NULL : as_jinja_bool(run, holds);
}

// and, or, if-else: only the side that counts is looked at.
static as_json *eval_choice(as_jinja_run *run, const as_jinja_node *node) {
    bool if_else = node->op == AS_JINJA_IF_ELSE;
    as_json *first = as_jinja_eval(run, if_else ? node->b : node->a);
    if (!first) return NULL;
    bool truth = as_jinja_truth(first);
    if (node->op == AS_JINJA_AND) return truth ? as_jinja_eval(run, node->b) : first;
    if (node->op == AS_JINJA_OR) return truth ? first : as_jinja_eval(run, node->b);
    if (truth) return as_jinja_eval(run, node->a);
    if (node->c) return as_jinja_eval(run, node->c);
    if (run->lenient) return as_jinja_undefined(run, AS_STR("a value without else"));
    return as_jinja_str(run, AS_STR("")); // Jinja: Undefined, which prints as nothing
}

// "message.role": how an undefined attribute is named in messages.
static as_json *name_attr(as_jinja_run *run, const as_jinja_node *node, as_json *value) {
    if (!value || !as_jinja_is_undefined(value) || node->a->op != AS_JINJA_VAR) return value;
    as_str name = node->op == AS_JINJA_ATTR ? node->text : value->text;
    value->text = as_strf(run->arena, "%.*s.%.*s", AS_STR_ARG(node->a->text), AS_STR_ARG(name));
    return value;
}

static as_json *eval_access(as_jinja_run *run, const as_jinja_node *node) {
    as_json *object = as_jinja_eval(run, node->a);
    if (!object) return NULL;
    const as_json *key = node->op == AS_JINJA_ITEM ? as_jinja_eval(run, node->b) : NULL;
    run->node = node;
    if (node->op == AS_JINJA_ATTR)
        return name_attr(run, node, as_jinja_eval_attr(run, object, node->text));
    return key ? name_attr(run, node, item_of(run, object, key)) : NULL;
}

static as_json *eval_node(as_jinja_run *run, const as_jinja_node *node) {
    const as_json *operand;
    switch (node->op) {
    case AS_JINJA_CONST:
        return (as_json *)(uintptr_t)node->value;
    case AS_JINJA_VAR:
        return eval_name(run, node->text);
    case AS_JINJA_LIST:
    case AS_JINJA_TUPLE:
        return eval_list(run, node);
    case AS_JINJA_DICT:
        return eval_dict(run, node);
    case AS_JINJA_ATTR:
    case AS_JINJA_ITEM:
        return eval_access(run, node);
    case AS_JINJA_SLICE:
        return eval_slice(run, node);
    case AS_JINJA_CALL:
        return as_jinja_call(run, node, NULL);
    case AS_JINJA_FILTER:
        return eval_filter(run, node);
    case AS_JINJA_TEST:
        return eval_test(run, node);
    case AS_JINJA_NOT:
        operand = as_jinja_eval(run, node->a);
        return operand ? as_jinja_bool(run, !as_jinja_truth(operand)) : NULL;
    case AS_JINJA_SIGN:
        return eval_sign(run, node);
    case AS_JINJA_AND:
    case AS_JINJA_OR:
    case AS_JINJA_IF_ELSE:
        return eval_choice(run, node);
    case AS_JINJA_COMPARE:
        return eval_compare(run, node);
    case AS_JINJA_ARITH:
        return eval_arith(run, node);
    case AS_JINJA_CONCAT:
        return eval_concat(run, node);
    case AS_JINJA_PIPED:
        return as_jinja_str(run, run->piped);
    default:
        return as_jinja_fail(run, "not an expression");
    }
}

as_json *as_jinja_eval(as_jinja_run *run, const as_jinja_node *node) {
    run->node = node;
    if (!as_jinja_charge(run, 1)) return NULL;
    if (run->depth >= AS_JINJA_RECURSION_MAX) return as_jinja_fail(run, "nested too deeply");
    run->depth++;
    as_json *value = eval_node(run, node);
    run->depth--;
    return value;
}
