// SPDX-License-Identifier: Apache-2.0
// Tokens to statements.
#include "harness/base/jinja/jinja_internal.h"

#include <string.h>

// Parses statements up to a block that starts with one of `ends` (NULL: the end of the template)
// and stops at that word. What came stands in parent->list.
static bool parse_until(as_jinja_parser *p, as_jinja_node *parent, const char *const *ends);

static as_jinja_node *make(as_jinja_parser *p, as_jinja_op op) {
    return as_jinja_expr_node(p, op, NULL, NULL);
}

static bool pass_block_end(as_jinja_parser *p) {
    if (p->token->kind == AS_JINJA_BLOCK_END) {
        p->token++;
        return true;
    }
    as_jinja_expr_fail(p, "'%%}' expected");
    return false;
}

// "%}" body "{% endword %}" onto node->list.
static as_jinja_node *parse_block_body(as_jinja_parser *p, as_jinja_node *node, const char *end) {
    const char *const ends[] = {end, NULL};
    if (!pass_block_end(p) || !parse_until(p, node, ends)) return NULL;
    p->token++;
    // `{% endblock name %}` and `{% endmacro name %}` may repeat the name.
    if (p->token->kind == AS_JINJA_NAME) p->token++;
    return pass_block_end(p) ? node : NULL;
}

static as_jinja_node *parse_if(as_jinja_parser *p) {
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    as_jinja_node *node = make(p, AS_JINJA_IF), **link = &node->list;
    bool last = false;
    for (;;) {
        as_jinja_node *branch = make(p, AS_JINJA_BRANCH);
        p->token++;
        if (!last && !(branch->a = as_jinja_expr_tuple(p))) return NULL;
        if (!pass_block_end(p) || !parse_until(p, branch, ends)) return NULL;
        *link = branch;
        link = &branch->next;
        if (as_jinja_expr_word(p, "endif")) break;
        if (last) return as_jinja_expr_fail(p, "'endif' expected after 'else'");
        last = as_jinja_expr_word(p, "else");
    }
    p->token++;
    return pass_block_end(p) ? node : NULL;
}

static as_jinja_node *parse_target(as_jinja_parser *p, bool with_attribute) {
    if (p->token->kind != AS_JINJA_NAME) return as_jinja_expr_fail(p, "a name is expected");
    as_jinja_node *target = make(p, AS_JINJA_TARGET);
    target->text = p->token->text;
    p->token++;
    if (!with_attribute || !as_jinja_expr_skip(p, ".")) return target;
    if (p->token->kind != AS_JINJA_NAME)
        return as_jinja_expr_fail(p, "a name is expected after '.'");
    target->b = make(p, AS_JINJA_CONST);
    target->b->text = p->token->text;
    p->token++;
    return target;
}

// One name or several with commas between, maybe in parentheses.
static as_jinja_node *parse_targets(as_jinja_parser *p, bool with_attribute) {
    bool closed = as_jinja_expr_skip(p, "(");
    as_jinja_node *first = parse_target(p, with_attribute), *last = first;
    while (last && as_jinja_expr_skip(p, ",")) {
        last->next = parse_target(p, with_attribute);
        last = last->next;
    }
    if (!last || (closed && !as_jinja_expr_expect(p, ")"))) return NULL;
    return first;
}

static as_jinja_node *parse_for(as_jinja_parser *p) {
    static const char *const ends[] = {"else", "endfor", NULL};
    as_jinja_node *node = make(p, AS_JINJA_FOR);
    p->token++;
    if (!(node->c = parse_targets(p, false))) return NULL;
    if (!as_jinja_expr_word(p, "in")) return as_jinja_expr_fail(p, "'in' expected");
    p->token++;
    if (!(node->a = as_jinja_expr_or(p))) return NULL;
    if (as_jinja_expr_word(p, "if")) {
        p->token++;
        if (!(node->b = as_jinja_expr(p))) return NULL;
    }
    if (as_jinja_expr_word(p, "recursive"))
        return as_jinja_expr_fail(p, "recursive loops are not supported");
    bool outer_saw = p->saw_loop;
    p->saw_loop = false;
    p->loops++;
    bool ok = pass_block_end(p) && parse_until(p, node, ends);
    p->loops--;
    if (!ok) return NULL;
    node->uses_loop = p->saw_loop;
    p->saw_loop = outer_saw;
    if (as_jinja_expr_word(p, "endfor")) {
        p->token++;
        return pass_block_end(p) ? node : NULL;
    }
    p->token++;
    node->other = make(p, AS_JINJA_BLOCK);
    return parse_block_body(p, node->other, "endfor") ? node : NULL;
}

static as_jinja_node *parse_set(as_jinja_parser *p) {
    as_jinja_node *node = make(p, AS_JINJA_SET);
    p->token++;
    if (!(node->c = parse_targets(p, true))) return NULL;
    if (as_jinja_expr_skip(p, "=")) {
        if (!(node->a = as_jinja_expr_tuple(p))) return NULL;
        return pass_block_end(p) ? node : NULL;
    }
    // {% set x | filter %}: the filters go over the text of the body.
    if (as_jinja_expr_is(p, "|")) {
        node->other = as_jinja_expr_filters(p, make(p, AS_JINJA_PIPED));
        if (!node->other) return NULL;
    }
    if (node->c->next) return as_jinja_expr_fail(p, "'=' expected");
    return parse_block_body(p, node, "endset");
}

// "(" parameters ")" of a macro.
static bool parse_parameters(as_jinja_parser *p, as_jinja_node *macro) {
    as_jinja_node **link = &macro->c;
    if (!as_jinja_expr_expect(p, "(")) return false;
    bool defaults = false;
    while (!as_jinja_expr_is(p, ")")) {
        if (p->token->kind != AS_JINJA_NAME)
            return as_jinja_expr_fail(p, "a parameter's name is expected") != NULL;
        as_jinja_node *parameter = make(p, AS_JINJA_ARG);
        parameter->text = p->token->text;
        p->token++;
        if (as_jinja_expr_skip(p, "=")) {
            defaults = true;
            if (!(parameter->a = as_jinja_expr(p))) return false;
        } else if (defaults) {
            return as_jinja_expr_fail(p, "a parameter without default after one with") != NULL;
        }
        *link = parameter;
        link = &parameter->next;
        if (!as_jinja_expr_skip(p, ",")) break;
    }
    return as_jinja_expr_expect(p, ")");
}

// `break` does not reach out of a macro, and `loop` inside is not the caller's.
static as_jinja_node *parse_macro_body(as_jinja_parser *p, as_jinja_node *macro, const char *end) {
    size_t loops = p->loops;
    p->loops = 0;
    macro = parse_block_body(p, macro, end);
    p->loops = loops;
    return macro;
}

static as_jinja_node *parse_macro(as_jinja_parser *p) {
    as_jinja_node *node = make(p, AS_JINJA_MACRO);
    p->token++;
    if (p->token->kind != AS_JINJA_NAME) return as_jinja_expr_fail(p, "a macro needs a name");
    node->text = p->token->text;
    p->token++;
    return parse_parameters(p, node) ? parse_macro_body(p, node, "endmacro") : NULL;
}

// {% call(a, b) macro(..) %}: the body is a macro `caller` with such parameters.
static as_jinja_node *parse_call_block(as_jinja_parser *p) {
    as_jinja_node *node = make(p, AS_JINJA_CALL_BLOCK);
    node->b = make(p, AS_JINJA_MACRO);
    node->b->text = AS_STR("caller");
    p->token++;
    if (as_jinja_expr_is(p, "(") && !parse_parameters(p, node->b)) return NULL;
    if (!(node->a = as_jinja_expr(p))) return NULL;
    if (node->a->op != AS_JINJA_CALL) return as_jinja_expr_fail(p, "a call is expected");
    return parse_macro_body(p, node->b, "endcall") ? node : NULL;
}

static as_jinja_node *parse_with(as_jinja_parser *p) {
    as_jinja_node *node = make(p, AS_JINJA_WITH), **link = &node->c;
    p->token++;
    while (p->token->kind != AS_JINJA_BLOCK_END) {
        as_jinja_node *pair = make(p, AS_JINJA_PAIR);
        if (!(pair->a = parse_target(p, false)) || !as_jinja_expr_expect(p, "=")) return NULL;
        if (!(pair->b = as_jinja_expr(p))) return NULL;
        *link = pair;
        link = &pair->next;
        if (!as_jinja_expr_skip(p, ",")) break;
    }
    return parse_block_body(p, node, "endwith");
}

static as_jinja_node *parse_apply(as_jinja_parser *p) {
    as_jinja_node *node = make(p, AS_JINJA_APPLY);
    // The word `filter` stands where "|" would.
    node->a = as_jinja_expr_filters(p, as_jinja_expr_filter(p, make(p, AS_JINJA_PIPED)));
    return node->a ? parse_block_body(p, node, "endfilter") : NULL;
}

static as_jinja_node *parse_generation(as_jinja_parser *p) {
    as_jinja_node *node = make(p, AS_JINJA_BLOCK);
    p->token++;
    return parse_block_body(p, node, "endgeneration");
}

static as_jinja_node *parse_jump(as_jinja_parser *p) {
    bool out = as_jinja_expr_word(p, "break");
    if (!p->loops)
        return as_jinja_expr_fail(p, "'%s' outside of a loop", out ? "break" : "continue");
    as_jinja_node *node = make(p, out ? AS_JINJA_BREAK : AS_JINJA_CONTINUE);
    p->token++;
    return pass_block_end(p) ? node : NULL;
}

static const struct {
    const char *word;
    as_jinja_node *(*parse)(as_jinja_parser *p);
} statements[] = {
    {"if", parse_if},          {"for", parse_for},       {"set", parse_set},
    {"macro", parse_macro},    {"with", parse_with},     {"filter", parse_apply},
    {"break", parse_jump},     {"continue", parse_jump}, {"generation", parse_generation},
    {"call", parse_call_block}};

static as_jinja_node *parse_statement(as_jinja_parser *p) {
    enum { COUNT = sizeof statements / sizeof statements[0] };
    const char *words[COUNT + 1] = {NULL};
    if (p->token->kind != AS_JINJA_NAME)
        return as_jinja_expr_fail(p, "a statement is expected after '{%%'");
    for (size_t i = 0; i < COUNT; i++) {
        if (as_jinja_expr_word(p, statements[i].word)) return statements[i].parse(p);
        words[i] = statements[i].word;
    }
    as_str word = p->token->text;
    if (as_str_starts(word, AS_STR("end")) || as_str_is(word, "else") || as_str_is(word, "elif"))
        return as_jinja_expr_fail(p, "'%.*s' without its beginning", AS_STR_ARG(word));
    const char *nearest = as_str_nearest(word, words);
    if (nearest)
        return as_jinja_expr_fail(p, "unknown statement '%.*s'; did you mean '%s'?",
                                  AS_STR_ARG(as_str_sub(word, 0, 40)), nearest);
    return as_jinja_expr_fail(p, "statement '%.*s' is not supported",
                              AS_STR_ARG(as_str_sub(word, 0, 40)));
}

static bool is_end(const as_jinja_parser *p, const char *const *ends) {
    if (p->token->kind != AS_JINJA_BLOCK_BEGIN || p->token[1].kind != AS_JINJA_NAME) return false;
    for (; ends && *ends; ends++)
        if (as_str_is(p->token[1].text, *ends)) return true;
    return false;
}

static as_jinja_node *parse_print(as_jinja_parser *p) {
    as_jinja_node *node = make(p, AS_JINJA_PRINT);
    p->token++;
    if (!(node->a = as_jinja_expr_tuple(p))) return NULL;
    if (p->token->kind != AS_JINJA_VARIABLE_END)
        return as_jinja_expr_fail(p, "'}}' expected, not '%.*s'",
                                  AS_STR_ARG(as_str_sub(p->token->text, 0, 40)));
    p->token++;
    return node;
}

static as_jinja_node *parse_one(as_jinja_parser *p) {
    if (p->token->kind == AS_JINJA_VARIABLE_BEGIN) return parse_print(p);
    if (p->token->kind == AS_JINJA_BLOCK_BEGIN) {
        p->token++;
        return parse_statement(p);
    }
    as_jinja_node *node = make(p, AS_JINJA_OUTPUT);
    node->text = p->token->text;
    p->token++;
    return node;
}

static bool parse_until(as_jinja_parser *p, as_jinja_node *parent, const char *const *ends) {
    as_jinja_node **link = &parent->list;
    if (++p->depth > AS_JINJA_DEPTH_MAX)
        return as_jinja_expr_fail(p, "nested deeper than %d", AS_JINJA_DEPTH_MAX) != NULL;
    while (p->token->kind != AS_JINJA_END && !is_end(p, ends)) {
        as_jinja_node *node = parse_one(p);
        if (!node) return false;
        *link = node;
        link = &node->next;
    }
    p->depth--;
    if (ends && p->token->kind == AS_JINJA_END) {
        size_t count = 0;
        while (ends[count + 1]) count++;
        return as_jinja_expr_fail(p, "'%s' is missing", ends[count]) != NULL;
    }
    if (ends) p->token++;
    return true;
}

as_jinja_node *as_jinja_parse_body(as_jinja_parser *p) {
    as_jinja_node *body = make(p, AS_JINJA_BLOCK);
    return parse_until(p, body, NULL) ? body : NULL;
}
