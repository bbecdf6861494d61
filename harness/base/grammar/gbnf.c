// SPDX-License-Identifier: Apache-2.0
// Grammars in GBNF, as llama.cpp reads them: `name ::= alternatives`, one rule after the other, of
// literals "..", classes [a-z], names, groups ( ), `.` for any character and repetition * + ? {m}
// {m,} {m,n}; # begins a comment. A rule ends with its line, but in brackets and after | and ::=
// lines go on. A text is what the rule `root` says. Tokens by number or name (<[12]>, <think>) are
// refused: what an answer may be is said in characters here.
#include <stdlib.h>

#include "harness/base/grammar/grammar_text.h"
#include "harness/base/utf8.h"

static void skip_space(as_source_text *s, bool lines) {
    for (char c; (c = as_text_peek(s)) &&
                 (c == ' ' || c == '\t' || c == '#' || (lines && (c == '\r' || c == '\n')));) {
        if (c != '#') {
            s->at++;
            continue;
        }
        while ((c = as_text_peek(s)) && c != '\r' && c != '\n') s->at++;
    }
}

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

static as_str read_name(as_source_text *s) {
    size_t from = s->at;
    while (is_word(as_text_peek(s))) s->at++;
    return as_str_sub(s->text, from, s->at);
}

// A character of a literal or a class.
static uint32_t read_char(as_source_text *s) {
    size_t from = s->at;
    if (!as_text_take(s, '\\')) return as_utf8_next(s->text, &s->at);
    char c = as_text_peek(s);
    s->at += s->at < s->text.len;
    switch (c) {
    case 'x':
        return as_text_hex(s, 2);
    case 'u':
        return as_text_hex(s, 4);
    case 'U':
        return as_text_hex(s, 8);
    case 't':
        return '\t';
    case 'r':
        return '\r';
    case 'n':
        return '\n';
    case '\\':
    case '"':
    case '[':
    case ']':
    case '-':
        return (uint32_t)c;
    default:
        break;
    }
    as_text_fail(s, from,
                 "unknown escape '\\%c'; known are \\n \\r \\t \\\\ \\\" \\[ \\] \\- \\xHH \\uHHHH "
                 "\\UHHHHHHHH",
                 c >= ' ' && c < 0x7f ? c : '?');
    return 0;
}

static as_gx read_literal(as_source_text *s) {
    size_t from = s->at++;
    as_buf bytes = {0};
    while (!s->failed && !as_text_take(s, '"')) {
        if (s->at == s->text.len) {
            as_text_fail(s, from, "the literal that begins here has no end: expected '\"'");
            break;
        }
        char out[4];
        as_buf_str(&bytes, (as_str){out, as_utf8_put(read_char(s), out)});
    }
    as_gx made = as_gx_text(s->maker, as_buf_view(&bytes));
    as_buf_free(&bytes);
    return made;
}

static as_gx read_class(as_source_text *s) {
    size_t from = s->at++;
    bool inverted = as_text_take(s, '^');
    as_point_set set = {0};
    while (!s->failed && !as_text_take(s, ']')) {
        if (s->at == s->text.len) {
            as_text_fail(s, from, "the class that begins here has no end: expected ']'");
            break;
        }
        size_t begin = s->at;
        uint32_t first = read_char(s), last = first;
        if (as_text_peek(s) == '-' && s->at + 1 < s->text.len && s->text.ptr[s->at + 1] != ']') {
            s->at++;
            last = read_char(s);
            if (last < first && !s->failed)
                as_text_fail(s, begin, "a range that runs backwards: '%.*s'",
                             AS_STR_ARG(as_str_sub(s->text, begin, s->at)));
        }
        as_points_add(&set, first, last);
    }
    as_points_tidy(&set);
    if (inverted) as_points_invert(&set);
    as_gx made = as_gx_points(s->maker, &set);
    free(set.items);
    return made;
}

static as_gx read_either(as_source_text *s);

static as_gx read_group(as_source_text *s) {
    size_t from = s->at++;
    if (++s->nest > AS_GRAMMAR_NEST_MAX)
        as_text_fail(s, from, "brackets are nested deeper than %d", AS_GRAMMAR_NEST_MAX);
    skip_space(s, true);
    as_gx made = s->failed ? 0 : read_either(s);
    s->nest--;
    if (!s->failed && !as_text_take(s, ')'))
        as_text_fail(s, s->at, "expected ')' for the group that begins at offset %zu", from);
    return made;
}

static as_gx read_call(as_source_text *s) {
    size_t from = s->at, line, column;
    as_str name = read_name(s);
    as_text_place(s->text, from, &line, &column);
    return as_gx_call(s->maker, as_maker_rule_of(s->maker, name, line, column));
}

// {m}, {m,}, {m,n}
static void read_counts(as_source_text *s, int64_t *least, int64_t *most) {
    bool lines = s->nest > 0;
    size_t from = s->at++;
    skip_space(s, lines);
    if (as_text_peek(s) < '0' || as_text_peek(s) > '9') {
        as_text_fail(s, s->at, "expected a number, as in {2}, {2,} or {2,5}");
        return;
    }
    *least = *most = as_text_count(s);
    skip_space(s, lines);
    if (as_text_take(s, ',')) {
        skip_space(s, lines);
        bool has_most = as_text_peek(s) >= '0' && as_text_peek(s) <= '9';
        *most = has_most ? as_text_count(s) : AS_REPEAT_ENDLESS;
        skip_space(s, lines);
    }
    if (!s->failed && !as_text_take(s, '}'))
        as_text_fail(s, s->at, "expected '}', as in {2}, {2,} or {2,5}");
    if (!s->failed && *most >= 0 && *most < *least)
        as_text_fail(s, from, "a repetition from %lld to %lld times", (long long)*least,
                     (long long)*most);
}

// *counted false: there is no repetition here.
static void read_repetition(as_source_text *s, int64_t *least, int64_t *most, bool *counted) {
    char c = as_text_peek(s);
    *counted = true;
    *least = c == '+';
    *most = c == '?' ? 1 : AS_REPEAT_ENDLESS;
    if (c == '{')
        read_counts(s, least, most);
    else if (c && (c == '*' || c == '+' || c == '?'))
        s->at++;
    else
        *counted = false;
}

static as_gx read_sequence(as_source_text *s) {
    as_gx list = as_gx_sequence(s->maker);
    bool lines = s->nest > 0;
    while (!s->failed) {
        char c = as_text_peek(s);
        size_t from = s->at;
        as_gx item = 0;
        if (c == '"')
            item = read_literal(s);
        else if (c == '[')
            item = read_class(s);
        else if (c == '(')
            item = read_group(s);
        else if (is_word(c))
            item = read_call(s);
        else if (c == '.') {
            as_point_set any = {0};
            as_points_invert(&any);
            item = as_gx_points(s->maker, &any);
            free(any.items);
            s->at++;
        } else if (c == '<' || c == '!')
            as_text_fail(s, from,
                         "a token ('%c') cannot be asked for; write what it stands for as "
                         "a literal",
                         c);
        else if (c && (c == '*' || c == '+' || c == '?' || c == '{'))
            as_text_fail(s, from, "'%c' has nothing before it to repeat", c);
        else
            break;
        int64_t least, most;
        bool counted = true;
        size_t times = 0;
        skip_space(s, lines);
        while (!s->failed && counted) {
            read_repetition(s, &least, &most, &counted);
            if (!counted || s->failed) break;
            if (++times > AS_GRAMMAR_NEST_MAX)
                as_text_fail(s, s->at, "more than %d repetitions of one thing",
                             AS_GRAMMAR_NEST_MAX);
            item = as_gx_repeat(s->maker, item, least, most);
            skip_space(s, lines);
        }
        if (!s->failed) as_gx_add(s->maker, list, item);
    }
    return list;
}

static as_gx read_either(as_source_text *s) {
    as_gx list = as_gx_either(s->maker);
    for (;;) {
        as_gx item = read_sequence(s);
        if (s->failed) break;
        as_gx_add(s->maker, list, item);
        if (!as_text_take(s, '|')) break;
        skip_space(s, true);
    }
    return list;
}

static void read_rule(as_source_text *s) {
    size_t from = s->at, line, column;
    as_str name = read_name(s);
    if (!name.len) {
        as_text_fail(s, from, "expected the name of a rule (letters, digits and '-')");
        return;
    }
    skip_space(s, false);
    if (!as_str_starts(as_str_sub(s->text, s->at, s->text.len), AS_STR("::="))) {
        as_text_fail(s, s->at, "expected '::=' after the name '%.*s'", AS_STR_ARG(name));
        return;
    }
    s->at += 3;
    skip_space(s, true);
    as_text_place(s->text, from, &line, &column);
    uint32_t rule = as_maker_rule_of(s->maker, name, line, column);
    if (s->maker->rules[rule].defined)
        as_text_fail(s, from, "rule '%.*s' is there already", AS_STR_ARG(name));
    as_gx body = s->failed ? 0 : read_either(s);
    if (s->failed) return;
    as_maker_define(s->maker, rule, body);
    char c = as_text_peek(s);
    if (s->at < s->text.len && c != '\r' && c != '\n')
        as_text_fail(s, s->at, "expected the end of the rule's line, found '%.*s'",
                     AS_STR_ARG(as_str_sub(s->text, s->at, s->at + 1)));
    skip_space(s, true);
}

static void check_rules(as_source_text *s) {
    const as_maker *m = s->maker;
    for (size_t i = 0; i < m->rule_count && !s->failed; i++) {
        const as_maker_rule *rule = &m->rules[i];
        if (rule->defined) continue;
        const char **names = AS_NEW_ARRAY(&s->maker->arena, const char *, m->rule_count + 1);
        size_t count = 0;
        for (size_t k = 0; k < m->rule_count; k++)
            if (m->rules[k].defined) names[count++] = m->rules[k].name.ptr;
        const char *near = as_str_nearest(rule->name, names);
        s->failed = true;
        as_fail(s->err, AS_INVALID, "line %zu, column %zu: there is no rule '%.*s'%s%s%s",
                rule->line, rule->column, AS_STR_ARG(rule->name), near ? "; did you mean '" : "",
                near ? near : "", near ? "'?" : "");
    }
}

as_rc as_grammar_of_gbnf(as_str text, as_grammar **out, as_err *err) {
    as_maker maker = {0};
    as_source_text s = {.maker = &maker, .text = text, .err = err};
    uint64_t root = 0;
    if (as_text_check(&s)) skip_space(&s, true);
    while (!s.failed && s.at < text.len) read_rule(&s);
    if (!s.failed) check_rules(&s);
    if (!s.failed && !as_map_get(&maker.names, AS_STR("root"), &root))
        as_text_fail(&s, 0, "there is no rule 'root', which says what a text is");
    as_rc rc = s.failed ? AS_INVALID : as_maker_compile(&maker, (uint32_t)root, out, err);
    as_maker_free(&maker);
    return rc;
}
