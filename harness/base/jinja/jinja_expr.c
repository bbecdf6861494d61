// SPDX-License-Identifier: Apache-2.0
// Tokens to expressions, by recursive descent: one function a level of precedence, as Jinja has
// them (a filter binds tighter than any operator, `is` as tight as a filter).
#include "harness/base/jinja/jinja_internal.h"

#include <string.h>

void *as_jinja_expr_fail(as_jinja_parser *p, const char *format, ...) {
    va_list args;
    va_start(args, format);
    as_jinja_fail_at(p->source, p->token->at, p->err, format, args);
    va_end(args);
    return NULL;
}

static void *unexpected(as_jinja_parser *p) {
    const as_jinja_token *t = p->token;
    if (t->kind == AS_JINJA_END) return as_jinja_expr_fail(p, "the template ends too early");
    if (t->kind == AS_JINJA_BLOCK_END || t->kind == AS_JINJA_VARIABLE_END)
        return as_jinja_expr_fail(p, "an expression is missing before the end of the tag");
    return as_jinja_expr_fail(p, "unexpected '%.*s'", AS_STR_ARG(as_str_sub(t->text, 0, 40)));
}

bool as_jinja_expr_is(const as_jinja_parser *p, const char *operator_) {
    return p->token->kind == AS_JINJA_OPERATOR && as_str_is(p->token->text, operator_);
}

bool as_jinja_expr_word(const as_jinja_parser *p, const char *name) {
    return p->token->kind == AS_JINJA_NAME && as_str_is(p->token->text, name);
}

bool as_jinja_expr_skip(as_jinja_parser *p, const char *operator_) {
    if (!as_jinja_expr_is(p, operator_)) return false;
    p->token++;
    return true;
}

bool as_jinja_expr_expect(as_jinja_parser *p, const char *operator_) {
    if (as_jinja_expr_skip(p, operator_)) return true;
    as_jinja_expr_fail(p, "'%s' expected", operator_);
    return false;
}

static bool skip_word(as_jinja_parser *p, const char *name) {
    if (!as_jinja_expr_word(p, name)) return false;
    p->token++;
    return true;
}

static unsigned height_of(const as_jinja_node *node) {
    return node ? node->height : 0;
}

static bool set_height(as_jinja_parser *p, as_jinja_node *node, unsigned below) {
    if (below + 1 > node->height) node->height = below + 1;
    if (node->height <= AS_JINJA_HEIGHT_MAX) return true;
    as_jinja_expr_fail(p, "the expression has more than %d steps in a row", AS_JINJA_HEIGHT_MAX);
    return false;
}

as_jinja_node *as_jinja_expr_node(as_jinja_parser *p, as_jinja_op op, as_jinja_node *a,
                                  as_jinja_node *b) {
    as_jinja_node *node = AS_NEW(p->arena, as_jinja_node);
    node->op = op;
    node->at = p->token->at;
    node->a = a;
    node->b = b;
    unsigned below = height_of(a) > height_of(b) ? height_of(a) : height_of(b);
    return set_height(p, node, below) ? node : NULL;
}

bool as_jinja_expr_push(as_jinja_parser *p, as_jinja_node *parent, as_jinja_node ***link,
                        as_jinja_node *child) {
    if (!child || !set_height(p, parent, child->height)) return false;
    **link = child;
    *link = &child->next;
    return true;
}

static bool enter(as_jinja_parser *p) {
    if (++p->depth <= AS_JINJA_DEPTH_MAX) return true;
    as_jinja_expr_fail(p, "nested deeper than %d", AS_JINJA_DEPTH_MAX);
    return false;
}

static as_jinja_node *constant(as_jinja_parser *p, as_json *value) {
    as_jinja_node *node = as_jinja_expr_node(p, AS_JINJA_CONST, NULL, NULL);
    if (node) node->value = value;
    p->token++;
    return node;
}

static as_jinja_node *parse_name(as_jinja_parser *p) {
    as_str name = p->token->text;
    if (as_str_is(name, "true") || as_str_is(name, "True"))
        return constant(p, as_json_new_bool(p->arena, true));
    if (as_str_is(name, "false") || as_str_is(name, "False"))
        return constant(p, as_json_new_bool(p->arena, false));
    if (as_str_is(name, "none") || as_str_is(name, "None"))
        return constant(p, as_json_new(p->arena, AS_JSON_NULL));
    as_jinja_node *node = as_jinja_expr_node(p, AS_JINJA_VAR, NULL, NULL);
    node->text = name;
    if (as_str_is(name, "loop")) p->saw_loop = true;
    p->token++;
    return node;
}

// Adjacent strings are one.
static as_jinja_node *parse_string(as_jinja_parser *p) {
    as_buf joined = {0};
    as_str text = p->token->text;
    while (p->token[1].kind == AS_JINJA_TEXT) {
        as_buf_str(&joined, p->token->text);
        p->token++;
    }
    if (joined.ptr) {
        as_buf_str(&joined, p->token->text);
        text = as_str_copy(p->arena, as_buf_view(&joined));
        as_buf_free(&joined);
    }
    return constant(p, as_json_new_str(p->arena, text));
}

static as_jinja_node *parse_number(as_jinja_parser *p) {
    as_str text = p->token->text;
    double value;
    int64_t whole;
    bool is_whole = memchr(text.ptr, '.', text.len) == NULL &&
                    memchr(text.ptr, 'e', text.len) == NULL &&
                    memchr(text.ptr, 'E', text.len) == NULL;
    if (!as_str_to_f64(text, &value) || (is_whole && !as_str_to_i64(text, &whole)))
        return as_jinja_expr_fail(p, "the number %.*s is too large",
                                  AS_STR_ARG(as_str_sub(text, 0, 40)));
    as_json *number = as_json_new_f64(p->arena, value);
    number->text = is_whole ? as_strf(p->arena, "%lld", (long long)whole) : text;
    return constant(p, number);
}

// Elements up to the closing bracket, which is passed.
static as_jinja_node *parse_elements(as_jinja_parser *p, as_jinja_node *list, const char *end) {
    as_jinja_node **link = &list->list;
    while (!as_jinja_expr_is(p, end)) {
        if (!as_jinja_expr_push(p, list, &link, as_jinja_expr(p))) return NULL;
        if (!as_jinja_expr_skip(p, ",")) break;
    }
    return as_jinja_expr_expect(p, end) ? list : NULL;
}

static as_jinja_node *parse_parentheses(as_jinja_parser *p) {
    as_jinja_node *tuple = as_jinja_expr_node(p, AS_JINJA_TUPLE, NULL, NULL);
    p->token++;
    if (!as_jinja_expr_is(p, ")")) {
        as_jinja_node *first = as_jinja_expr(p), **link = &tuple->list;
        if (!first) return NULL;
        if (as_jinja_expr_skip(p, ")")) return first;
        if (!as_jinja_expr_push(p, tuple, &link, first) || !as_jinja_expr_expect(p, ","))
            return NULL;
        as_jinja_node rest = {.op = AS_JINJA_TUPLE};
        if (!parse_elements(p, &rest, ")")) return NULL;
        *link = rest.list;
        return set_height(p, tuple, rest.height) ? tuple : NULL;
    }
    p->token++;
    return tuple;
}

static as_jinja_node *parse_dict(as_jinja_parser *p) {
    as_jinja_node *dict = as_jinja_expr_node(p, AS_JINJA_DICT, NULL, NULL), **link = &dict->list;
    p->token++;
    while (!as_jinja_expr_is(p, "}")) {
        as_jinja_node *key = as_jinja_expr(p);
        if (!key || !as_jinja_expr_expect(p, ":")) return NULL;
        as_jinja_node *value = as_jinja_expr(p);
        if (!value) return NULL;
        if (!as_jinja_expr_push(p, dict, &link, as_jinja_expr_node(p, AS_JINJA_PAIR, key, value)))
            return NULL;
        if (!as_jinja_expr_skip(p, ",")) break;
    }
    return as_jinja_expr_expect(p, "}") ? dict : NULL;
}

static as_jinja_node *parse_primary(as_jinja_parser *p) {
    as_jinja_node *list;
    switch (p->token->kind) {
    case AS_JINJA_NAME:
        return parse_name(p);
    case AS_JINJA_TEXT:
        return parse_string(p);
    case AS_JINJA_NUMBER:
        return parse_number(p);
    default:
        break;
    }
    if (as_jinja_expr_is(p, "(")) return parse_parentheses(p);
    if (as_jinja_expr_is(p, "{")) return parse_dict(p);
    if (!as_jinja_expr_is(p, "[")) return unexpected(p);
    list = as_jinja_expr_node(p, AS_JINJA_LIST, NULL, NULL);
    p->token++;
    return parse_elements(p, list, "]");
}

// "(" arguments ")" onto `call`.
static bool parse_args(as_jinja_parser *p, as_jinja_node *call) {
    as_jinja_node **link = &call->list;
    bool keyword = false;
    p->token++;
    while (!as_jinja_expr_is(p, ")")) {
        if (as_jinja_expr_is(p, "*") || as_jinja_expr_is(p, "**"))
            return as_jinja_expr_fail(p, "'*' arguments are not supported") != NULL;
        as_jinja_node *arg = as_jinja_expr_node(p, AS_JINJA_ARG, NULL, NULL);
        bool named = p->token->kind == AS_JINJA_NAME && p->token[1].kind == AS_JINJA_OPERATOR &&
                     as_str_is(p->token[1].text, "=");
        if (named) {
            arg->text = p->token->text;
            p->token += 2;
        } else if (keyword) {
            return as_jinja_expr_fail(p, "a positional argument after a keyword") != NULL;
        }
        keyword = named;
        arg->a = as_jinja_expr(p);
        if (!arg->a || !set_height(p, arg, arg->a->height) ||
            !as_jinja_expr_push(p, call, &link, arg))
            return false;
        if (!as_jinja_expr_skip(p, ",")) break;
    }
    return as_jinja_expr_expect(p, ")");
}

static as_jinja_node *parse_call(as_jinja_parser *p, as_jinja_node *callee) {
    as_jinja_node *call = as_jinja_expr_node(p, AS_JINJA_CALL, callee, NULL);
    return call && parse_args(p, call) ? call : NULL;
}

// One part of a slice: NULL in *out when it is left out.
static bool parse_bound(as_jinja_parser *p, as_jinja_node **out) {
    *out = NULL;
    if (as_jinja_expr_is(p, ":") || as_jinja_expr_is(p, "]")) return true;
    *out = as_jinja_expr(p);
    return *out != NULL;
}

static as_jinja_node *parse_subscript(as_jinja_parser *p, as_jinja_node *object) {
    as_jinja_node *node = as_jinja_expr_node(p, AS_JINJA_ITEM, object, NULL);
    p->token++;
    if (!node || !parse_bound(p, &node->b)) return NULL;
    if (as_jinja_expr_skip(p, ":")) {
        node->op = AS_JINJA_SLICE;
        if (!parse_bound(p, &node->c)) return NULL;
        if (as_jinja_expr_skip(p, ":") && !parse_bound(p, &node->d)) return NULL;
    } else if (!node->b) {
        return unexpected(p);
    }
    const as_jinja_node *parts[] = {node->b, node->c, node->d};
    for (size_t i = 0; i < 3; i++)
        if (!set_height(p, node, height_of(parts[i]))) return NULL;
    return as_jinja_expr_expect(p, "]") ? node : NULL;
}

static as_jinja_node *parse_attribute(as_jinja_parser *p, as_jinja_node *object) {
    as_jinja_node *node = as_jinja_expr_node(p, AS_JINJA_ATTR, object, NULL);
    p->token++;
    if (!node) return NULL;
    node->text = p->token->text;
    if (p->token->kind == AS_JINJA_NUMBER) {
        node->op = AS_JINJA_ITEM;
        node->b = parse_number(p);
        return node->b ? node : NULL;
    }
    if (p->token->kind != AS_JINJA_NAME)
        return as_jinja_expr_fail(p, "a name is expected after '.'");
    p->token++;
    return node;
}

static as_jinja_node *parse_postfix(as_jinja_parser *p, as_jinja_node *node) {
    while (node) {
        if (as_jinja_expr_is(p, "."))
            node = parse_attribute(p, node);
        else if (as_jinja_expr_is(p, "["))
            node = parse_subscript(p, node);
        else if (as_jinja_expr_is(p, "("))
            node = parse_call(p, node);
        else
            break;
    }
    return node;
}

as_jinja_node *as_jinja_expr_filter(as_jinja_parser *p, as_jinja_node *operand) {
    p->token++;
    as_jinja_node *node = as_jinja_expr_node(p, AS_JINJA_FILTER, operand, NULL);
    if (!node) return NULL;
    if (p->token->kind != AS_JINJA_NAME)
        return as_jinja_expr_fail(p, "a filter's name is expected after '|'");
    node->text = p->token->text;
    node->filter = as_jinja_filter_find(node->text);
    if (!node->filter) {
        const char *nearest = as_jinja_filter_nearest(node->text);
        return as_jinja_expr_fail(p, "no filter '%.*s'%s%s%s", AS_STR_ARG(node->text),
                                  nearest ? "; did you mean '" : "", nearest ? nearest : "",
                                  nearest ? "'?" : "");
    }
    p->token++;
    return !as_jinja_expr_is(p, "(") || parse_args(p, node) ? node : NULL;
}

// The argument of a test may stand without parentheses: `x is divisibleby 3`.
static bool parse_bare_test_arg(as_jinja_parser *p, as_jinja_node *test) {
    const as_jinja_token *t = p->token;
    bool starts = t->kind == AS_JINJA_TEXT || t->kind == AS_JINJA_NUMBER ||
                  as_jinja_expr_is(p, "[") || as_jinja_expr_is(p, "{");
    static const char *const not_args[] = {"else", "or", "and", "is", "if", "in", "not", NULL};
    bool name = t->kind == AS_JINJA_NAME;
    for (size_t i = 0; not_args[i]; i++) name = name && !as_str_is(t->text, not_args[i]);
    if (!starts && !name) return true;
    as_jinja_node *arg = as_jinja_expr_node(p, AS_JINJA_ARG, NULL, NULL), **link = &test->list;
    arg->a = parse_postfix(p, parse_primary(p));
    return arg->a && set_height(p, arg, arg->a->height) && as_jinja_expr_push(p, test, &link, arg);
}

static as_jinja_node *parse_test(as_jinja_parser *p, as_jinja_node *operand) {
    p->token++;
    bool negated = skip_word(p, "not");
    as_jinja_node *node = as_jinja_expr_node(p, AS_JINJA_TEST, operand, NULL);
    if (!node) return NULL;
    if (p->token->kind != AS_JINJA_NAME)
        return as_jinja_expr_fail(p, "a test's name is expected after 'is'");
    node->text = p->token->text;
    node->test = as_jinja_test_find(node->text);
    if (!node->test) {
        const char *nearest = as_jinja_test_nearest(node->text);
        return as_jinja_expr_fail(p, "no test '%.*s'%s%s%s", AS_STR_ARG(node->text),
                                  nearest ? "; did you mean '" : "", nearest ? nearest : "",
                                  nearest ? "'?" : "");
    }
    p->token++;
    bool ok = as_jinja_expr_is(p, "(") ? parse_args(p, node) : parse_bare_test_arg(p, node);
    if (!ok) return NULL;
    return negated ? as_jinja_expr_node(p, AS_JINJA_NOT, node, NULL) : node;
}

as_jinja_node *as_jinja_expr_filters(as_jinja_parser *p, as_jinja_node *node) {
    while (node) {
        if (as_jinja_expr_is(p, "|"))
            node = as_jinja_expr_filter(p, node);
        else if (as_jinja_expr_word(p, "is"))
            node = parse_test(p, node);
        else if (as_jinja_expr_is(p, "("))
            node = parse_call(p, node);
        else
            break;
    }
    return node;
}

static as_jinja_node *parse_unary(as_jinja_parser *p, bool with_filters) {
    as_jinja_node *node;
    if (as_jinja_expr_is(p, "-") || as_jinja_expr_is(p, "+")) {
        int sign = p->token->text.ptr[0];
        p->token++;
        if (!enter(p)) return NULL;
        as_jinja_node *operand = parse_unary(p, false);
        p->depth--;
        node = operand ? as_jinja_expr_node(p, AS_JINJA_SIGN, operand, NULL) : NULL;
        if (node) node->sub = sign;
    } else {
        node = parse_primary(p);
    }
    node = parse_postfix(p, node);
    return with_filters ? as_jinja_expr_filters(p, node) : node;
}

// Left-associative binary operators of one level: `symbols` are names, `subs` what they mean.
static as_jinja_node *parse_level(as_jinja_parser *p, const char *const *symbols, const char *subs,
                                  as_jinja_node *(*below)(as_jinja_parser *p)) {
    as_jinja_node *left = below(p);
    while (left) {
        size_t hit = 0;
        while (symbols[hit] && !as_jinja_expr_is(p, symbols[hit])) hit++;
        if (!symbols[hit]) break;
        size_t at = p->token->at;
        p->token++;
        as_jinja_node *right = below(p);
        left = right ? as_jinja_expr_node(p, AS_JINJA_ARITH, left, right) : NULL;
        if (!left) break;
        left->sub = subs[hit];
        left->at = at;
    }
    return left;
}

static as_jinja_node *parse_operand(as_jinja_parser *p) {
    return parse_unary(p, true);
}

static as_jinja_node *parse_power(as_jinja_parser *p) {
    static const char *const symbols[] = {"**", NULL};
    return parse_level(p, symbols, "p", parse_operand);
}

static as_jinja_node *parse_product(as_jinja_parser *p) {
    static const char *const symbols[] = {"*", "/", "//", "%", NULL};
    return parse_level(p, symbols, "*/d%", parse_power);
}

static as_jinja_node *parse_concat(as_jinja_parser *p) {
    as_jinja_node *first = parse_product(p);
    if (!first || !as_jinja_expr_is(p, "~")) return first;
    as_jinja_node *concat = as_jinja_expr_node(p, AS_JINJA_CONCAT, NULL, NULL);
    as_jinja_node **link = &concat->list;
    if (!as_jinja_expr_push(p, concat, &link, first)) return NULL;
    while (as_jinja_expr_skip(p, "~"))
        if (!as_jinja_expr_push(p, concat, &link, parse_product(p))) return NULL;
    return concat;
}

static as_jinja_node *parse_sum(as_jinja_parser *p) {
    static const char *const symbols[] = {"+", "-", NULL};
    return parse_level(p, symbols, "+-", parse_concat);
}

// The comparison at the current token, passed; -1 when there is none.
static int take_relation(as_jinja_parser *p) {
    static const char *const symbols[] = {"==", "!=", "<", "<=", ">", ">=", NULL};
    for (int i = 0; symbols[i]; i++)
        if (as_jinja_expr_skip(p, symbols[i])) return i;
    if (skip_word(p, "in")) return AS_JINJA_IN;
    bool not_in = as_jinja_expr_word(p, "not") && p->token[1].kind == AS_JINJA_NAME &&
                  as_str_is(p->token[1].text, "in");
    if (!not_in) return -1;
    p->token += 2;
    return AS_JINJA_NOT_IN;
}

static as_jinja_node *parse_compare(as_jinja_parser *p) {
    as_jinja_node *left = parse_sum(p), *chain = NULL, **link = NULL;
    while (left) {
        size_t at = p->token->at;
        int relation = take_relation(p);
        if (relation < 0) break;
        if (!chain) {
            chain = as_jinja_expr_node(p, AS_JINJA_COMPARE, left, NULL);
            if (!chain) return NULL;
            link = &chain->list;
        }
        as_jinja_node *right = parse_sum(p);
        as_jinja_node *step = right ? as_jinja_expr_node(p, AS_JINJA_RELATION, right, NULL) : NULL;
        if (!as_jinja_expr_push(p, chain, &link, step)) return NULL;
        step->sub = relation;
        step->at = at;
    }
    return chain ? chain : left;
}

static as_jinja_node *parse_not(as_jinja_parser *p) {
    if (!as_jinja_expr_word(p, "not")) return parse_compare(p);
    p->token++;
    if (!enter(p)) return NULL;
    as_jinja_node *operand = parse_not(p);
    p->depth--;
    return operand ? as_jinja_expr_node(p, AS_JINJA_NOT, operand, NULL) : NULL;
}

static as_jinja_node *parse_and(as_jinja_parser *p) {
    as_jinja_node *left = parse_not(p);
    while (left && skip_word(p, "and")) {
        as_jinja_node *right = parse_not(p);
        left = right ? as_jinja_expr_node(p, AS_JINJA_AND, left, right) : NULL;
    }
    return left;
}

as_jinja_node *as_jinja_expr_or(as_jinja_parser *p) {
    as_jinja_node *left = parse_and(p);
    while (left && skip_word(p, "or")) {
        as_jinja_node *right = parse_and(p);
        left = right ? as_jinja_expr_node(p, AS_JINJA_OR, left, right) : NULL;
    }
    return left;
}

as_jinja_node *as_jinja_expr(as_jinja_parser *p) {
    if (!enter(p)) return NULL;
    as_jinja_node *value = as_jinja_expr_or(p);
    while (value && skip_word(p, "if")) {
        as_jinja_node *condition = as_jinja_expr_or(p), *otherwise = NULL;
        if (!condition) return NULL;
        if (skip_word(p, "else") && !(otherwise = as_jinja_expr(p))) return NULL;
        value = as_jinja_expr_node(p, AS_JINJA_IF_ELSE, value, condition);
        if (!value || !set_height(p, value, height_of(otherwise))) return NULL;
        value->c = otherwise;
    }
    p->depth--;
    return value;
}

as_jinja_node *as_jinja_expr_tuple(as_jinja_parser *p) {
    as_jinja_node *first = as_jinja_expr(p);
    if (!first || !as_jinja_expr_is(p, ",")) return first;
    as_jinja_node *tuple = as_jinja_expr_node(p, AS_JINJA_TUPLE, NULL, NULL);
    as_jinja_node **link = &tuple->list;
    if (!as_jinja_expr_push(p, tuple, &link, first)) return NULL;
    while (as_jinja_expr_skip(p, ",")) {
        if (p->token->kind == AS_JINJA_BLOCK_END || p->token->kind == AS_JINJA_VARIABLE_END) break;
        if (!as_jinja_expr_push(p, tuple, &link, as_jinja_expr(p))) return NULL;
    }
    return tuple;
}
