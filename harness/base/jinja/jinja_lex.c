// SPDX-License-Identifier: Apache-2.0
#include "harness/base/jinja/jinja_internal.h"

#include <string.h>

#include "harness/base/utf8.h"

typedef struct lexer {
    as_arena *arena;
    as_str s;
    size_t at;
    bool line_start; // the last thing read ended with a line break (or nothing was read)
    char open[AS_JINJA_DEPTH_MAX]; // brackets not yet closed in this tag
    size_t open_count;
    as_jinja_token *tokens;
    size_t count, cap;
    as_err *err;
} lexer;

as_rc as_jinja_fail_at(as_str source, size_t at, as_err *err, const char *format, va_list args) {
    size_t line = 1, start = 0;
    for (size_t i = 0; i < at && i < source.len; i++)
        if (source.ptr[i] == '\n') line++, start = i + 1;
    as_buf text = {0};
    as_bufv(&text, format, args);
    as_rc rc = as_fail(err, AS_INVALID, "line %zu, column %zu: %s", line, at - start + 1, text.ptr);
    as_buf_free(&text);
    return rc;
}

static as_rc fail(lexer *l, size_t at, const char *format, ...) AS_PRINTF(3, 4);
static as_rc fail(lexer *l, size_t at, const char *format, ...) {
    va_list args;
    va_start(args, format);
    as_rc rc = as_jinja_fail_at(l->s, at, l->err, format, args);
    va_end(args);
    return rc;
}

static char peek(const lexer *l, size_t ahead) {
    return l->at + ahead < l->s.len ? l->s.ptr[l->at + ahead] : '\0';
}

static bool at_text(const lexer *l, const char *text) {
    return as_str_starts(as_str_sub(l->s, l->at, l->s.len), as_str_of(text));
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_space(lexer *l) {
    while (l->at < l->s.len && is_space(l->s.ptr[l->at])) l->at++;
}

static void add(lexer *l, as_jinja_token_kind kind, as_str text, size_t at) {
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        as_jinja_token *grown = AS_NEW_ARRAY(l->arena, as_jinja_token, l->cap);
        if (l->count) memcpy(grown, l->tokens, l->count * sizeof *grown);
        l->tokens = grown;
    }
    l->tokens[l->count++] = (as_jinja_token){kind, text, at};
}

static void add_data(lexer *l, size_t from, size_t to) {
    if (to > from) add(l, AS_JINJA_DATA, as_str_sub(l->s, from, to), from);
}

// Where the text before a tag ends, once the tag's sign and lstrip_blocks took their part: "-"
// takes all white space, a block or comment alone in its line takes its indentation, "+" nothing.
static size_t trimmed_end(const lexer *l, size_t from, size_t tag) {
    char sign = tag + 2 < l->s.len ? l->s.ptr[tag + 2] : '\0';
    size_t end = tag;
    if (sign == '-') {
        while (end > from && is_space(l->s.ptr[end - 1])) end--;
    } else if (sign != '+' && l->s.ptr[tag + 1] != '{') {
        while (end > from && is_space(l->s.ptr[end - 1]) && l->s.ptr[end - 1] != '\n') end--;
        bool line_start = end > from ? l->s.ptr[end - 1] == '\n' : l->line_start;
        if (!line_start) end = tag;
    }
    return end;
}

// Moves past the end of a block or comment, its sign at `at`: "-" takes all white space behind it,
// else trim_blocks takes one line break, "+" nothing.
static void pass_end(lexer *l, bool trim_line) {
    char sign = peek(l, 0);
    l->at += sign == '-' || sign == '+' ? 3 : 2;
    if (sign == '-')
        skip_space(l);
    else if (sign != '+' && trim_line && peek(l, 0) == '\n')
        l->at++;
    l->line_start = l->s.ptr[l->at - 1] == '\n';
}

// True when the tag ends here: "%}", "-%}" or, for blocks, "+%}".
static bool at_end(const lexer *l, const char *end, bool plus) {
    if (at_text(l, end)) return true;
    if (peek(l, 0) != '-' && !(plus && peek(l, 0) == '+')) return false;
    return peek(l, 1) == end[0] && peek(l, 2) == end[1];
}

static as_rc lex_comment(lexer *l) {
    size_t start = l->at;
    l->at += peek(l, 2) == '-' || peek(l, 2) == '+' ? 3 : 2;
    size_t end = as_str_find(l->s, AS_STR("#}"), l->at);
    if (end == SIZE_MAX) return fail(l, start, "the comment is not closed");
    char sign = end > l->at ? l->s.ptr[end - 1] : '\0';
    l->at = sign == '-' || sign == '+' ? end - 1 : end;
    pass_end(l, true);
    return AS_OK;
}

// "{%- word -%}" at `at`; moves past it when it is there, and past a line break if `trim_line`.
static bool pass_word_block(lexer *l, const char *word, bool trim_line) {
    size_t back = l->at;
    l->at += peek(l, 2) == '-' || peek(l, 2) == '+' ? 3 : 2;
    skip_space(l);
    if (at_text(l, word)) {
        l->at += strlen(word);
        skip_space(l);
        if (at_end(l, "%}", trim_line)) {
            pass_end(l, trim_line);
            return true;
        }
    }
    l->at = back;
    return false;
}

static as_rc lex_raw(lexer *l, size_t start) {
    size_t from = l->at;
    for (size_t tag = from;; tag++) {
        tag = as_str_find(l->s, AS_STR("{%"), tag);
        if (tag == SIZE_MAX) return fail(l, start, "'raw' is not closed");
        size_t end = trimmed_end(l, from, tag);
        l->at = tag;
        if (!pass_word_block(l, "endraw", true)) continue;
        add_data(l, from, end);
        return AS_OK;
    }
}

static size_t name_length(as_str s) {
    size_t len = 0;
    for (; len < s.len; len++) {
        unsigned char c = (unsigned char)s.ptr[len];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
        if (!letter && !(len && c >= '0' && c <= '9')) break;
    }
    return len;
}

static size_t digits(as_str s, size_t at) {
    size_t from = at;
    while (at < s.len && ((s.ptr[at] >= '0' && s.ptr[at] <= '9') ||
                          (s.ptr[at] == '_' && at > from && at + 1 < s.len &&
                           s.ptr[at + 1] >= '0' && s.ptr[at + 1] <= '9')))
        at++;
    return at;
}

static void lex_number(lexer *l) {
    as_str s = l->s;
    size_t from = l->at, at = digits(s, from);
    bool after_dot = from && s.ptr[from - 1] == '.'; // a.0.1 is two indices
    if (!after_dot) {
        size_t fraction = at < s.len && s.ptr[at] == '.' ? digits(s, at + 1) : at;
        if (fraction > at + 1) at = fraction;
        if (at < s.len && (s.ptr[at] == 'e' || s.ptr[at] == 'E')) {
            size_t sign = at + 1 < s.len && (s.ptr[at + 1] == '+' || s.ptr[at + 1] == '-');
            size_t exponent = digits(s, at + 1 + sign);
            if (exponent > at + 1 + sign) at = exponent;
        }
    }
    char *text = as_arena_take(l->arena, at - from + 1);
    size_t len = 0;
    for (size_t i = from; i < at; i++)
        if (s.ptr[i] != '_') text[len++] = s.ptr[i];
    add(l, AS_JINJA_NUMBER, (as_str){text, len}, from);
    l->at = at;
}

// \xHH, \uHHHH, \UHHHHHHHH: the digits from *at on. False when they are no code point.
static bool hex_escape(as_str s, size_t *at, size_t count, char *out, size_t *len) {
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++, *at += 1) {
        const char *digit = "0123456789abcdef", *hit;
        char c = *at < s.len ? s.ptr[*at] : '\0';
        if (c >= 'A' && c <= 'F') c = (char)(c + 32);
        if (!c || !(hit = strchr(digit, c))) return false;
        value = value << 4 | (uint32_t)(hit - digit);
    }
    if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return false;
    *len += as_utf8_put(value, out + *len);
    return true;
}

// One escape, `*at` behind the backslash. Unknown ones stay as they are, as in Python.
static bool unescape(as_str s, size_t *at, char *out, size_t *len) {
    static const char from[] = "abfnrtv\\'\"", to[] = "\a\b\f\n\r\t\v\\'\"";
    char c = s.ptr[*at];
    *at += 1;
    const char *hit = c ? strchr(from, c) : NULL;
    if (hit) {
        out[(*len)++] = to[hit - from];
    } else if (c == 'x' || c == 'u' || c == 'U') {
        return hex_escape(s, at, c == 'x' ? 2 : c == 'u' ? 4 : 8, out, len);
    } else if (c >= '0' && c <= '7') {
        uint32_t value = (uint32_t)(c - '0');
        for (int i = 0; i < 2 && *at < s.len && s.ptr[*at] >= '0' && s.ptr[*at] <= '7'; i++)
            value = value * 8 + (uint32_t)(s.ptr[(*at)++] - '0');
        *len += as_utf8_put(value, out + *len);
    } else if (c != '\n') {
        out[(*len)++] = '\\';
        out[(*len)++] = c;
    }
    return true;
}

static as_rc lex_string(lexer *l) {
    size_t start = l->at, at = start + 1;
    char quote = l->s.ptr[start];
    size_t end = at;
    while (end < l->s.len && l->s.ptr[end] != quote) end += l->s.ptr[end] == '\\' ? 2 : 1;
    if (end >= l->s.len) return fail(l, start, "the string is not closed");
    as_str inside = as_str_sub(l->s, 0, end);
    char *text = as_arena_take(l->arena, end - start + 4); // no escape is shorter than its value
    size_t len = 0;
    while (at < end) {
        if (inside.ptr[at] != '\\') {
            text[len++] = inside.ptr[at++];
            continue;
        }
        size_t escape = at++;
        if (!unescape(inside, &at, text, &len)) return fail(l, escape, "not a valid escape");
    }
    add(l, AS_JINJA_TEXT, (as_str){text, len}, start);
    l->at = end + 1;
    return AS_OK;
}

static as_rc lex_operator(lexer *l) {
    static const char *const two[] = {"**", "//", "==", "!=", ">=", "<=", NULL};
    size_t len = 0;
    for (size_t i = 0; two[i] && !len; i++) len = at_text(l, two[i]) ? 2 : 0;
    char c = peek(l, 0);
    if (!len && (!c || !strchr("+-*/%~[](){}<>=.:|,;", c)))
        return fail(l, l->at, "unexpected character '%.*s'", c >= 0x20 && c < 0x7f ? 1 : 0,
                    &l->s.ptr[l->at]);
    if (!len && strchr("([{", c)) {
        if (l->open_count == AS_JINJA_DEPTH_MAX)
            return fail(l, l->at, "brackets nested deeper than %d", AS_JINJA_DEPTH_MAX);
        l->open[l->open_count++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (!len && strchr(")]}", c)) {
        if (!l->open_count || l->open[--l->open_count] != c)
            return fail(l, l->at, "unexpected '%c'", c);
    }
    if (!len) len = 1;
    add(l, AS_JINJA_OPERATOR, as_str_sub(l->s, l->at, l->at + len), l->at);
    l->at += len;
    return AS_OK;
}

// The inside of {{ }} or {% %}, and its end.
static as_rc lex_tag(lexer *l, bool block) {
    size_t start = l->at;
    l->at += peek(l, 2) == '-' || peek(l, 2) == '+' ? 3 : 2;
    add(l, block ? AS_JINJA_BLOCK_BEGIN : AS_JINJA_VARIABLE_BEGIN, (as_str){0}, start);
    l->open_count = 0;
    for (;;) {
        skip_space(l);
        if (l->at == l->s.len) return fail(l, start, "'%s' is not closed", block ? "{%" : "{{");
        if (!l->open_count && at_end(l, block ? "%}" : "}}", block)) break;
        size_t name = name_length(as_str_sub(l->s, l->at, l->s.len));
        char c = peek(l, 0);
        as_rc rc = AS_OK;
        if (name) {
            add(l, AS_JINJA_NAME, as_str_sub(l->s, l->at, l->at + name), l->at);
            l->at += name;
        } else if (c >= '0' && c <= '9') {
            lex_number(l);
        } else if (c == '\'' || c == '"') {
            rc = lex_string(l);
        } else {
            rc = lex_operator(l);
        }
        if (rc) return rc;
    }
    add(l, block ? AS_JINJA_BLOCK_END : AS_JINJA_VARIABLE_END, (as_str){0}, l->at);
    pass_end(l, block);
    return AS_OK;
}

// Offset of the next "{{", "{%" or "{#", or the end.
static size_t next_tag(as_str s, size_t from) {
    for (size_t i = from; i + 1 < s.len; i++) {
        const char *brace = memchr(s.ptr + i, '{', s.len - 1 - i);
        if (!brace) break;
        i = (size_t)(brace - s.ptr);
        if (brace[1] == '{' || brace[1] == '%' || brace[1] == '#') return i;
    }
    return s.len;
}

as_rc as_jinja_lex(as_arena *arena, as_str source, const as_jinja_token **tokens, as_err *err) {
    lexer l = {.arena = arena, .s = source, .line_start = true, .err = err};
    while (l.at < source.len) {
        size_t from = l.at, tag = next_tag(source, from);
        l.at = tag;
        if (tag == source.len) {
            add_data(&l, from, tag);
            break;
        }
        add_data(&l, from, trimmed_end(&l, from, tag));
        as_rc rc = AS_OK;
        if (source.ptr[tag + 1] == '#')
            rc = lex_comment(&l);
        else if (source.ptr[tag + 1] == '{')
            rc = lex_tag(&l, false);
        else if (pass_word_block(&l, "raw", false))
            rc = lex_raw(&l, tag);
        else
            rc = lex_tag(&l, true);
        if (rc) return rc;
    }
    add(&l, AS_JINJA_END, (as_str){0}, source.len);
    *tokens = l.tokens;
    return AS_OK;
}
