// SPDX-License-Identifier: Apache-2.0
// sql_expr.c - expressions: enough of precedence to tell the AND of BETWEEN from the other, no
// more.
#include "metrics/sql/sql_parse.h"

static bool sum(as_sql_parse *p);

bool as_sql_in_brackets(as_sql_parse *p) {
    return as_sql_mark(p, "(") && as_sql_expr(p) && as_sql_mark(p, ")");
}

bool as_sql_exprs(as_sql_parse *p) {
    do {
        if (!as_sql_expr(p)) return false;
    } while (as_sql_mark(p, ","));
    return true;
}

bool as_sql_order(as_sql_parse *p) {
    do {
        if (!as_sql_expr(p)) return false;
        if (!as_sql_word(p, "ASC")) as_sql_word(p, "DESC");
        if (as_sql_in(p, AS_SQL_POSTGRES | AS_SQL_SQLITE) && as_sql_word(p, "NULLS") &&
            !as_sql_word(p, "FIRST") && !as_sql_word(p, "LAST"))
            return false;
    } while (as_sql_mark(p, ","));
    return true;
}

// ---- types ----

static bool type_arguments(as_sql_parse *p) {
    if (!as_sql_mark(p, "(")) return true;
    do {
        as_sql_token_kind kind = p->tokens[p->at].kind;
        bool literal = kind == AS_SQL_NUMBER || kind == AS_SQL_TEXT || kind == AS_SQL_EITHER;
        if (!literal && !as_sql_is_word(p, 0, "MAX")) return false;
        p->at++;
    } while (as_sql_mark(p, ","));
    return as_sql_mark(p, ")");
}

bool as_sql_type(as_sql_parse *p) {
    static const char *const more[] = {"PRECISION", "VARYING", "UNSIGNED", "SIGNED", "ZEROFILL",
                                       "LARGE",     "OBJECT",  "BINARY",   NULL};
    as_str owner, name;
    if (!as_sql_path(p, &owner, &name)) return false;
    while (as_sql_any_word(p, more)) continue;
    if (!type_arguments(p)) return false;
    while (as_sql_any_word(p, more)) continue;
    if (as_sql_is_word(p, 1, "TIME") && as_sql_is_word(p, 2, "ZONE") &&
        (as_sql_is_word(p, 0, "WITH") || as_sql_is_word(p, 0, "WITHOUT")))
        p->at += 3;
    if (as_sql_words(p, "CHARACTER", "SET") && !as_sql_any_name(p, &name)) return false;
    while (as_sql_in(p, AS_SQL_POSTGRES) && as_sql_mark(p, "[")) {
        if (p->tokens[p->at].kind == AS_SQL_NUMBER) p->at++;
        if (!as_sql_mark(p, "]")) return false;
    }
    return true;
}

// ---- functions ----

// OVER name, OVER (PARTITION BY .. ORDER BY .. ROWS ..)
static bool frame(as_sql_parse *p) {
    static const char *const kinds[] = {"ROWS", "RANGE", "GROUPS", NULL};
    static const char *const ends[] = {"PRECEDING", "FOLLOWING", NULL};
    if (!as_sql_any_word(p, kinds)) return true;
    bool both = as_sql_word(p, "BETWEEN");
    for (size_t i = 0; i < 1 + (size_t)both; i++) {
        if (i && !as_sql_word(p, "AND")) return false;
        if (as_sql_words(p, "CURRENT", "ROW")) continue;
        if (!as_sql_word(p, "UNBOUNDED") && !sum(p)) return false;
        if (!as_sql_any_word(p, ends)) return false;
    }
    return true;
}

static bool window(as_sql_parse *p) {
    as_str name;
    if (!as_sql_mark(p, "(")) return as_sql_name(p, &name);
    bool starts = as_sql_is_word(p, 0, "PARTITION") || as_sql_is_word(p, 0, "ORDER") ||
                  as_sql_is_word(p, 0, "ROWS") || as_sql_is_word(p, 0, "RANGE");
    if (!starts) as_sql_name(p, &name); // of another window
    if (as_sql_words(p, "PARTITION", "BY") && !as_sql_exprs(p)) return false;
    if (as_sql_words(p, "ORDER", "BY") && !as_sql_order(p)) return false;
    return frame(p) && as_sql_mark(p, ")");
}

// What may stand behind the arguments of a function.
static bool after_call(as_sql_parse *p) {
    if (as_sql_words(p, "WITHIN", "GROUP")) {
        if (!as_sql_mark(p, "(") || !as_sql_words(p, "ORDER", "BY") || !as_sql_order(p) ||
            !as_sql_mark(p, ")"))
            return false;
    }
    if (as_sql_in(p, AS_SQL_POSTGRES | AS_SQL_SQLITE) && as_sql_word(p, "FILTER")) {
        if (!as_sql_mark(p, "(") || !as_sql_word(p, "WHERE") || !as_sql_expr(p) ||
            !as_sql_mark(p, ")"))
            return false;
    }
    if (!as_sql_words(p, "IGNORE", "NULLS")) as_sql_words(p, "RESPECT", "NULLS");
    return !as_sql_word(p, "OVER") || window(p);
}

// Behind "name(". EXTRACT(a FROM b), TRIM(BOTH a FROM b), SUBSTRING(a FROM b FOR c), CAST(a AS b),
// POSITION(a IN b) and CONVERT(a USING b) are written as one argument with such words in it.
static bool call(as_sql_parse *p) {
    static const char *const first[] = {"LEADING", "TRAILING", "BOTH", NULL};
    if (as_sql_mark(p, ")")) return after_call(p);
    if (as_sql_mark(p, "*")) return as_sql_mark(p, ")") && after_call(p);
    if (!as_sql_word(p, "DISTINCT")) as_sql_word(p, "ALL");
    bool trims = as_sql_any_word(p, first);
    if (as_sql_starts_query(p, 0)) return as_sql_query(p) && as_sql_mark(p, ")") && after_call(p);
    if (!(trims && as_sql_is_word(p, 0, "FROM"))) {
        do {
            as_str name;
            bool named = as_sql_in(p, AS_SQL_POSTGRES) && p->tokens[p->at].kind == AS_SQL_WORD &&
                         p->tokens[p->at + 1].kind == AS_SQL_MARK &&
                         (as_str_is(p->tokens[p->at + 1].text, ":=") ||
                          (as_str_is(p->tokens[p->at + 1].text, "=") &&
                           as_str_is(p->tokens[p->at + 2].text, ">")));
            if (named && as_sql_any_name(p, &name))
                while (as_sql_mark(p, ":=") || as_sql_mark(p, "=") || as_sql_mark(p, ">")) continue;
            if (!as_sql_expr(p)) return false;
            if (as_sql_word(p, "AS") && !as_sql_type(p)) return false;
        } while (as_sql_mark(p, ","));
    }
    if (as_sql_word(p, "USING") && !as_sql_any_name(p, &(as_str){0})) return false;
    if (!as_sql_in(p, AS_SQL_SQLITE)) {
        if (as_sql_word(p, "FROM") && !as_sql_expr(p)) return false;
        if (as_sql_word(p, "FOR") && !as_sql_expr(p)) return false;
    }
    if (as_sql_words(p, "ORDER", "BY") && !as_sql_order(p)) return false;
    if (as_sql_in(p, AS_SQL_MYSQLS) && as_sql_word(p, "SEPARATOR") && !sum(p)) return false;
    return as_sql_mark(p, ")") && after_call(p);
}

static bool case_of(as_sql_parse *p) {
    if (!as_sql_is_word(p, 0, "WHEN") && !as_sql_expr(p)) return false;
    if (!as_sql_is_word(p, 0, "WHEN")) return false;
    while (as_sql_word(p, "WHEN"))
        if (!as_sql_expr(p) || !as_sql_word(p, "THEN") || !as_sql_expr(p)) return false;
    if (as_sql_word(p, "ELSE") && !as_sql_expr(p)) return false;
    return as_sql_word(p, "END");
}

// INTERVAL 1 DAY, INTERVAL '1 day', INTERVAL '1' DAY
static bool interval(as_sql_parse *p) {
    static const char *const units[] = {
        "MICROSECOND", "SECOND",      "MINUTE",        "HOUR",       "DAY",        "WEEK",
        "MONTH",       "QUARTER",     "YEAR",          "DAY_HOUR",   "DAY_MINUTE", "DAY_SECOND",
        "HOUR_MINUTE", "HOUR_SECOND", "MINUTE_SECOND", "YEAR_MONTH", NULL};
    if (!sum(p)) return false;
    bool unit = as_sql_any_word(p, units);
    return unit || as_sql_in(p, AS_SQL_POSTGRES);
}

// ---- operands ----

// DATE '2020-01-01'; PostgreSQL takes any type.
static bool is_typed(as_sql_parse *p, size_t at) {
    static const char *const types[] = {"DATE", "TIME", "TIMESTAMP", NULL};
    as_sql_parse there = *p;
    there.at = at;
    if (as_sql_in(p, AS_SQL_POSTGRES)) return p->tokens[at].kind == AS_SQL_WORD;
    return as_sql_in(p, AS_SQL_MYSQLS) && as_sql_any_word(&there, types);
}

// MATCH (a, b) AGAINST ('x' IN BOOLEAN MODE), behind MATCH.
static bool match_against(as_sql_parse *p) {
    if (!as_sql_mark(p, "(") || !as_sql_exprs(p) || !as_sql_mark(p, ")")) return false;
    if (!as_sql_word(p, "AGAINST") || !as_sql_mark(p, "(") || !sum(p)) return false;
    if (as_sql_word(p, "IN") && !as_sql_words(p, "BOOLEAN", "MODE") &&
        !(as_sql_words(p, "NATURAL", "LANGUAGE") && as_sql_word(p, "MODE")))
        return false;
    return as_sql_mark(p, ")");
}

// a, a.b, a.b.c and f(..).
static bool reference(as_sql_parse *p) {
    static const char *const constants[] = {
        "CURRENT_DATE",   "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME",
        "LOCALTIMESTAMP", "CURRENT_USER", "SESSION_USER",      NULL};
    static const char *const called[] = {"LEFT", "RIGHT", "IF",     "REPLACE", "MOD",    "VALUES",
                                         "CAST", "USER",  "INSERT", "RANK",    "SCHEMA", NULL};
    size_t from = p->at;
    as_str parts[4];
    size_t count = 0;
    bool niladic = as_sql_in(p, AS_SQL_POSTGRES | AS_SQL_TSQL) && as_sql_word(p, "USER");
    if (niladic) return true;
    bool constant = false, call_only = false;
    for (size_t i = 0; constants[i]; i++) constant |= as_sql_is_word(p, 0, constants[i]);
    for (size_t i = 0; called[i]; i++) call_only |= as_sql_is_word(p, 0, called[i]);
    call_only &=
        p->tokens[p->at + 1].kind == AS_SQL_MARK && as_str_is(p->tokens[p->at + 1].text, "(");
    if (!(call_only ? as_sql_any_name : as_sql_name)(p, &parts[count++])) return false;
    if (p->tokens[p->at].kind == AS_SQL_TEXT && is_typed(p, from)) {
        p->at++;
        return true;
    }
    size_t most = as_sql_in(p, AS_SQL_MYSQLS | AS_SQL_SQLITE) ? 3 : 4;
    bool any = as_sql_in(p, AS_SQL_MYSQLS | AS_SQL_POSTGRES); // a reserved word behind a dot
    while (count < most && as_sql_is_mark(p, ".")) {
        p->at++;
        if (as_sql_mark(p, "*")) return false; // only where a select list has it
        if (!(any ? as_sql_any_name : as_sql_name)(p, &parts[count++])) return false;
    }
    if (as_sql_mark(p, "(")) {
        bool series =
            parts[count - 1].len == 15 && as_str_holds(parts[count - 1], AS_STR("generate_series"));
        return !(series && as_sql_in(p, AS_SQL_MYSQLS)) && call(p);
    }
    if (constant) return true;
    as_str owner = count > 1 ? parts[count - 2] : AS_STR("");
    if (count > 2)
        owner = as_strf(p->arena, "%.*s::%.*s", AS_STR_ARG(parts[count - 3]),
                        AS_STR_ARG(parts[count - 2]));
    as_sql_use_column(p, "select", owner, parts[count - 1]);
    return true;
}

static bool in_parens(as_sql_parse *p) {
    if (as_sql_starts_query(p, 0)) return as_sql_query(p) && as_sql_mark(p, ")");
    return as_sql_exprs(p) && as_sql_mark(p, ")");
}

static bool operand(as_sql_parse *p) {
    static const char *const literals[] = {"NULL", "TRUE", "FALSE", "DEFAULT", NULL};
    as_sql_token_kind kind = p->tokens[p->at].kind;
    if (kind == AS_SQL_TEXT || kind == AS_SQL_NUMBER || kind == AS_SQL_PARAMETER) {
        p->at++;
        // MySQL joins texts that follow one another.
        while (kind == AS_SQL_TEXT && as_sql_in(p, AS_SQL_MYSQLS) &&
               p->tokens[p->at].kind == AS_SQL_TEXT)
            p->at++;
        return true;
    }
    // "a" of MySQL is a text, and a name only where a dot follows.
    const as_sql_token *next = &p->tokens[p->at + 1];
    if (kind == AS_SQL_EITHER && !(next->kind == AS_SQL_MARK && as_str_is(next->text, "."))) {
        p->at++;
        return true;
    }
    if (as_sql_any_word(p, literals)) return true;
    if (as_sql_mark(p, "(")) return in_parens(p);
    if (as_sql_word(p, "CASE")) return case_of(p);
    if (as_sql_in(p, AS_SQL_MYSQLS) && as_sql_word(p, "MATCH")) return match_against(p);
    if (as_sql_word(p, "EXISTS"))
        return as_sql_mark(p, "(") && as_sql_query(p) && as_sql_mark(p, ")");
    bool text = next->kind == AS_SQL_TEXT; // PostgreSQL: INTERVAL '1 day' and nothing else
    if (as_sql_is_word(p, 0, "INTERVAL") &&
        (as_sql_in(p, AS_SQL_MYSQLS) || (text && as_sql_in(p, AS_SQL_POSTGRES)))) {
        p->at++;
        return interval(p);
    }
    if (as_sql_in(p, AS_SQL_POSTGRES) && as_sql_word(p, "ARRAY")) {
        if (as_sql_mark(p, "(")) return as_sql_query(p) && as_sql_mark(p, ")");
        if (!as_sql_mark(p, "[")) return false;
        return as_sql_mark(p, "]") || (as_sql_exprs(p) && as_sql_mark(p, "]"));
    }
    return reference(p);
}

// Signs before an operand and what clings to its end.
static bool unary(as_sql_parse *p) {
    while (as_sql_mark(p, "-") || as_sql_mark(p, "+") || as_sql_mark(p, "~") ||
           (as_sql_in(p, AS_SQL_MYSQLS) && (as_sql_mark(p, "!") || as_sql_word(p, "BINARY"))))
        continue;
    if (!operand(p)) return false;
    for (;;) {
        if (as_sql_in(p, AS_SQL_POSTGRES) && as_sql_mark(p, "::")) {
            if (!as_sql_type(p)) return false;
        } else if (as_sql_in(p, AS_SQL_POSTGRES) && as_sql_mark(p, "[")) {
            if (!as_sql_expr(p) || (as_sql_mark(p, ":") && !as_sql_expr(p)) || !as_sql_mark(p, "]"))
                return false;
        } else if (as_sql_word(p, "COLLATE")) {
            as_str owner, name;
            if (!as_sql_path(p, &owner, &name)) return false;
        } else if (as_sql_is_word(p, 1, "TIME") && as_sql_words(p, "AT", "TIME")) {
            if (!as_sql_word(p, "ZONE") || !operand(p)) return false;
        } else {
            return true;
        }
    }
}

static bool sum_operator(as_sql_parse *p) {
    static const char *const marks[] = {"+", "-", "*", "/",  "%",  "||",
                                        "&", "|", "^", "<<", ">>", NULL};
    static const char *const json[] = {"->", "->>", "#>", "#>>", "@>", "<@", NULL};
    for (size_t i = 0; marks[i]; i++)
        if (as_sql_mark(p, marks[i])) return true;
    for (size_t i = 0; !as_sql_in(p, AS_SQL_TSQL) && json[i]; i++)
        if (as_sql_mark(p, json[i])) return true;
    return as_sql_in(p, AS_SQL_MYSQLS) && (as_sql_word(p, "DIV") || as_sql_word(p, "MOD"));
}

static bool sum(as_sql_parse *p) {
    bool good = as_sql_enter(p);
    do {
        good = good && unary(p);
    } while (good && sum_operator(p));
    as_sql_leave(p);
    return good;
}

// ---- comparisons ----

static bool comparison(as_sql_parse *p) {
    static const char *const marks[] = {"=", "<>", "!=", "<", ">", "<=", ">=", NULL};
    static const char *const own[] = {"~", "~*", "!~", "!~*", "&&", NULL};
    for (size_t i = 0; marks[i]; i++)
        if (as_sql_mark(p, marks[i])) return true;
    if (as_sql_in(p, AS_SQL_SQLITE) && as_sql_mark(p, "==")) return true;
    if (as_sql_in(p, AS_SQL_MYSQLS) && as_sql_mark(p, "<=>")) return true;
    for (size_t i = 0; as_sql_in(p, AS_SQL_POSTGRES) && own[i]; i++)
        if (as_sql_mark(p, own[i])) return true;
    return false;
}

static bool is_what(as_sql_parse *p) {
    static const char *const words[] = {"NULL", "TRUE", "FALSE", "UNKNOWN", NULL};
    as_sql_word(p, "NOT");
    if (as_sql_any_word(p, words)) return true;
    if (as_sql_in(p, AS_SQL_POSTGRES | AS_SQL_SQLITE | AS_SQL_TSQL) &&
        as_sql_words(p, "DISTINCT", "FROM"))
        return sum(p);
    return as_sql_in(p, AS_SQL_SQLITE) && sum(p);
}

static bool among(as_sql_parse *p) {
    if (!as_sql_mark(p, "(")) // a parameter that stands for the list
        return p->tokens[p->at].kind == AS_SQL_PARAMETER && operand(p);
    if (as_sql_in(p, AS_SQL_SQLITE) && as_sql_mark(p, ")")) return true;
    return in_parens(p);
}

static bool like(as_sql_parse *p) {
    static const char *const any[] = {"LIKE", NULL};
    static const char *const mysql[] = {"LIKE", "REGEXP", "RLIKE", NULL};
    static const char *const sqlite[] = {"LIKE", "GLOB", "MATCH", "REGEXP", NULL};
    static const char *const postgres[] = {"LIKE", "ILIKE", NULL};
    if (as_sql_in(p, AS_SQL_POSTGRES) && as_sql_words(p, "SIMILAR", "TO")) return true;
    return as_sql_any_word(p, as_sql_in(p, AS_SQL_MYSQLS)     ? mysql
                              : as_sql_in(p, AS_SQL_SQLITE)   ? sqlite
                              : as_sql_in(p, AS_SQL_POSTGRES) ? postgres
                                                              : any);
}

static bool predicate(as_sql_parse *p) {
    if (!sum(p)) return false;
    for (;;) {
        if (comparison(p)) {
            static const char *const quantifiers[] = {"ANY", "ALL", "SOME", NULL};
            if (!as_sql_in(p, AS_SQL_SQLITE) && as_sql_any_word(p, quantifiers)) {
                if (!as_sql_mark(p, "(") || !in_parens(p)) return false;
            } else if (!sum(p)) {
                return false;
            }
            continue;
        }
        if (as_sql_word(p, "IS")) {
            if (!is_what(p)) return false;
            continue;
        }
        if (as_sql_in(p, AS_SQL_SQLITE | AS_SQL_POSTGRES) &&
            (as_sql_word(p, "ISNULL") || as_sql_word(p, "NOTNULL")))
            continue;
        bool negate = as_sql_word(p, "NOT");
        if (as_sql_word(p, "IN")) {
            if (!among(p)) return false;
        } else if (as_sql_word(p, "BETWEEN")) {
            if (as_sql_in(p, AS_SQL_POSTGRES)) as_sql_word(p, "SYMMETRIC");
            if (!sum(p) || !as_sql_word(p, "AND") || !sum(p)) return false;
        } else if (like(p)) {
            if (!sum(p) || (as_sql_word(p, "ESCAPE") && !sum(p))) return false;
        } else {
            return !negate;
        }
    }
}

bool as_sql_expr(as_sql_parse *p) {
    bool good = as_sql_enter(p);
    while (good) {
        while (as_sql_word(p, "NOT")) continue;
        good = predicate(p);
        bool more =
            as_sql_word(p, "AND") || as_sql_word(p, "OR") ||
            (as_sql_in(p, AS_SQL_MYSQLS) && (as_sql_word(p, "XOR") || as_sql_mark(p, "&&")));
        if (!more) break;
    }
    as_sql_leave(p);
    return good;
}
