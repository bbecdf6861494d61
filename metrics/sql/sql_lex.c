// SPDX-License-Identifier: Apache-2.0
#include "metrics/sql/sql_lex.h"

enum { MYSQL = AS_SQL_MYSQL | AS_SQL_MARIADB };

// Longest first.
static const char *const marks[] = {"<=>", "->>", "#>>", "!~*", "<=", ">=", "<>", "!=",
                                    "||",  "&&",  "::",  ":=",  "->", "#>", "<<", ">>",
                                    "==",  "~*",  "!~",  "@>",  "<@", "+=", "-=", NULL};

static bool is_first(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_inner(char c) {
    return is_first(c) || is_digit(c) || c == '$';
}

static bool is_blank(char c) {
    return c == ' ' || (c >= 9 && c <= 13);
}

typedef struct reader {
    as_str text;
    size_t at;
    unsigned dialect;
    bool bad;
} reader;

static char ahead(const reader *r, size_t by) {
    return r->at + by < r->text.len ? r->text.ptr[r->at + by] : 0;
}

static void skip_line(reader *r) {
    while (r->at < r->text.len && r->text.ptr[r->at] != '\n' && r->text.ptr[r->at] != '\r') r->at++;
}

// Blanks and comments. Those of PostgreSQL and SQL Server may stand in one another.
static void skip(reader *r) {
    for (;;) {
        while (r->at < r->text.len && is_blank(r->text.ptr[r->at])) r->at++;
        if (ahead(r, 0) == '-' && ahead(r, 1) == '-') {
            skip_line(r);
        } else if (ahead(r, 0) == '#' && r->dialect & MYSQL) {
            skip_line(r);
        } else if (ahead(r, 0) == '/' && ahead(r, 1) == '*') {
            size_t depth = 1;
            for (r->at += 2; depth && r->at < r->text.len;) {
                bool closes = ahead(r, 0) == '*' && ahead(r, 1) == '/';
                bool opens = ahead(r, 0) == '/' && ahead(r, 1) == '*' &&
                             r->dialect & (AS_SQL_POSTGRES | AS_SQL_TSQL);
                depth = closes ? depth - 1 : depth + opens;
                r->at += closes || opens ? 2 : 1;
            }
            r->bad |= depth != 0;
        } else {
            return;
        }
    }
}

// From the quote at `at`: what stands in it, a doubled one standing for one. `escapes`: a backslash
// takes the next character.
static as_str quoted(reader *r, char close, bool escapes) {
    size_t from = ++r->at;
    while (r->at < r->text.len) {
        char c = r->text.ptr[r->at];
        if (escapes && c == '\\') {
            r->at += 2;
        } else if (c != close) {
            r->at++;
        } else if (ahead(r, 1) == close) {
            r->at += 2;
        } else {
            return as_str_sub(r->text, from, r->at++);
        }
    }
    r->at = r->text.len;
    r->bad = true;
    return AS_STR("");
}

// PostgreSQL: $$..$$, $tag$..$tag$. False: no such thing begins here.
static bool dollar_quoted(reader *r, as_sql_token *out) {
    size_t end = r->at + 1;
    while (end < r->text.len && is_inner(r->text.ptr[end]) && r->text.ptr[end] != '$') end++;
    if (end == r->text.len || r->text.ptr[end] != '$' || is_digit(ahead(r, 1))) return false;
    as_str tag = as_str_sub(r->text, r->at, end + 1);
    size_t close = as_str_find(r->text, tag, end + 1);
    r->bad |= close == SIZE_MAX;
    if (r->bad) return true;
    *out = (as_sql_token){AS_SQL_TEXT, as_str_sub(r->text, end + 1, close)};
    r->at = close + tag.len;
    return true;
}

static as_sql_token number(reader *r) {
    size_t from = r->at;
    if (ahead(r, 0) == '0' && (ahead(r, 1) == 'x' || ahead(r, 1) == 'X')) {
        r->at += 2;
        while (is_inner(ahead(r, 0))) r->at++;
        return (as_sql_token){AS_SQL_NUMBER, as_str_sub(r->text, from, r->at)};
    }
    while (is_digit(ahead(r, 0))) r->at++;
    if (ahead(r, 0) == '.') r->at++;
    while (is_digit(ahead(r, 0))) r->at++;
    size_t sign = ahead(r, 1) == '+' || ahead(r, 1) == '-';
    if ((ahead(r, 0) == 'e' || ahead(r, 0) == 'E') && is_digit(ahead(r, 1 + sign))) {
        r->at += 1 + sign;
        while (is_digit(ahead(r, 0))) r->at++;
    }
    r->bad |= is_first(ahead(r, 0)); // 1abc
    return (as_sql_token){AS_SQL_NUMBER, as_str_sub(r->text, from, r->at)};
}

// A word, or a text with letters before its quote: N'..', x'..', E'..'.
static as_sql_token word(reader *r) {
    size_t from = r->at;
    while (r->at < r->text.len && is_inner(r->text.ptr[r->at])) r->at++;
    as_str text = as_str_sub(r->text, from, r->at);
    bool charset = text.ptr[0] == '_' && r->dialect & MYSQL;
    bool letter = text.len == 1 && as_str_find(AS_STR("nNxXbBeE"), text, 0) != SIZE_MAX;
    if (ahead(r, 0) != '\'' || !(letter || charset)) return (as_sql_token){AS_SQL_WORD, text};
    bool escapes = r->dialect & MYSQL || text.ptr[0] == 'e' || text.ptr[0] == 'E';
    return (as_sql_token){AS_SQL_TEXT, quoted(r, '\'', escapes)};
}

// ?, ?1, :name, $1, @name, @@name; false: none begins here.
static bool parameter(reader *r, as_sql_token *out) {
    char c = ahead(r, 0), next = ahead(r, 1);
    size_t from = r->at, skipped = c == '@' && next == '@' ? 2 : 1;
    bool at = c == '@' && r->dialect & (MYSQL | AS_SQL_TSQL | AS_SQL_SQLITE);
    bool marked = c == '?' && r->dialect & (MYSQL | AS_SQL_SQLITE);
    bool named = (c == ':' && is_first(next)) || (at && is_first(ahead(r, skipped)));
    bool numbered = c == '$' && is_inner(next) && r->dialect & (AS_SQL_POSTGRES | AS_SQL_SQLITE);
    if (!marked && !named && !numbered) return false;
    r->at += skipped;
    while (is_inner(ahead(r, 0))) r->at++;
    *out = (as_sql_token){AS_SQL_PARAMETER, as_str_sub(r->text, from, r->at)};
    return true;
}

static as_sql_token mark(reader *r) {
    as_str rest = as_str_sub(r->text, r->at, r->text.len);
    for (size_t i = 0; marks[i]; i++) {
        as_str m = as_str_of(marks[i]);
        if (!as_str_starts(rest, m)) continue;
        r->at += m.len;
        return (as_sql_token){AS_SQL_MARK, m};
    }
    r->bad |=
        as_str_find(AS_STR("()[],;.*/%+-<>=~!^&|?:@#{}"), as_str_sub(rest, 0, 1), 0) == SIZE_MAX;
    r->at++;
    return (as_sql_token){AS_SQL_MARK, as_str_sub(rest, 0, 1)};
}

static as_sql_token next_token(reader *r) {
    char c = ahead(r, 0);
    as_sql_token out = {AS_SQL_END, AS_STR("")};
    bool ticks = r->dialect & (MYSQL | AS_SQL_SQLITE);
    bool brackets = r->dialect & (AS_SQL_TSQL | AS_SQL_SQLITE);
    if (r->at >= r->text.len) return out;
    if (c == '\'') return (as_sql_token){AS_SQL_TEXT, quoted(r, '\'', r->dialect & MYSQL)};
    if (c == '"' && r->dialect & MYSQL) return (as_sql_token){AS_SQL_EITHER, quoted(r, '"', true)};
    if (c == '"' || (c == '`' && ticks)) out = (as_sql_token){AS_SQL_NAME, quoted(r, c, false)};
    if (c == '[' && brackets) out = (as_sql_token){AS_SQL_NAME, quoted(r, ']', false)};
    if (out.kind == AS_SQL_NAME) {
        r->bad |= !out.text.len;
        return out;
    }
    if (is_first(c)) return word(r);
    if (is_digit(c) || (c == '.' && is_digit(ahead(r, 1)))) return number(r);
    if (c == '$' && r->dialect & AS_SQL_POSTGRES && dollar_quoted(r, &out)) return out;
    if (parameter(r, &out)) return out;
    return mark(r);
}

bool as_sql_lex(as_arena *arena, unsigned dialect, as_str text, as_sql_token **out, size_t *count) {
    reader r = {text, 0, dialect, false};
    if (text.len > AS_SQL_SIZE_MAX) return false;
    as_sql_token *tokens = AS_NEW_ARRAY(arena, as_sql_token, text.len + 1 + AS_SQL_AHEAD);
    size_t n = 0;
    do {
        skip(&r);
        tokens[n] = next_token(&r);
    } while (!r.bad && tokens[n++].kind != AS_SQL_END);
    *out = tokens;
    *count = n;
    return !r.bad;
}
