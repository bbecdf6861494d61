// SPDX-License-Identifier: Apache-2.0
// sql_query.c - SELECT, with all that may stand in one.
#include "metrics/sql/sql_parse.h"

bool as_sql_starts_query(const as_sql_parse *p, size_t by) {
    const as_sql_token *t = &p->tokens[p->at + by];
    if (as_sql_is_word(p, by, "SELECT") || as_sql_is_word(p, by, "WITH")) return true;
    if (as_sql_is_word(p, by, "VALUES") && p->dialect & (AS_SQL_POSTGRES | AS_SQL_SQLITE))
        return true;
    if (as_sql_is_word(p, by, "TABLE") && p->dialect & (AS_SQL_POSTGRES | AS_SQL_MYSQL))
        return true;
    // ((SELECT ..) UNION ..): brackets around a query, however many
    size_t k = by;
    while (t->kind == AS_SQL_MARK && as_str_is(t->text, "(")) t = &p->tokens[p->at + ++k];
    return k > by && (as_sql_is_word(p, k, "SELECT") || as_sql_is_word(p, k, "WITH"));
}

// ---- the select list ----

static bool alias(as_sql_parse *p, bool quoted, as_str *out) {
    as_sql_token_kind kind = p->tokens[p->at].kind;
    *out = AS_STR("");
    if (as_sql_word(p, "AS")) {
        if (quoted && p->tokens[p->at].kind == AS_SQL_TEXT && !as_sql_in(p, AS_SQL_POSTGRES)) {
            p->at++;
            return true;
        }
        // PostgreSQL takes any word behind AS.
        return (as_sql_in(p, AS_SQL_POSTGRES) && quoted ? as_sql_any_name : as_sql_name)(p, out);
    }
    if (quoted && kind == AS_SQL_TEXT && as_sql_in(p, AS_SQL_MYSQLS | AS_SQL_SQLITE))
        p->at++;
    else
        as_sql_name(p, out);
    return true;
}

// *, t.*, a.t.*
static bool star(as_sql_parse *p) {
    size_t from = p->at;
    as_str owner = AS_STR(""), name;
    for (size_t parts = 0; parts < 3; parts++) {
        if (as_sql_mark(p, "*")) {
            as_sql_use_column(p, "select", owner, AS_STR("(.*)"));
            return true;
        }
        if (!as_sql_name(p, &name) || !as_sql_mark(p, ".")) break;
        owner = name;
    }
    p->at = from;
    return false;
}

bool as_sql_select_items(as_sql_parse *p) {
    do {
        as_str name;
        if (star(p)) continue;
        if (!as_sql_expr(p) || !alias(p, true, &name)) return false;
    } while (as_sql_mark(p, ","));
    return true;
}

// ---- tables ----

static bool hints(as_sql_parse *p) {
    static const char *const verbs[] = {"USE", "FORCE", "IGNORE", NULL};
    while (as_sql_in(p, AS_SQL_MYSQLS) && as_sql_any_word(p, verbs)) {
        if (!as_sql_word(p, "INDEX") && !as_sql_word(p, "KEY")) return false;
        if (!as_sql_names(p)) return false;
    }
    if (as_sql_in(p, AS_SQL_TSQL) && as_sql_word(p, "WITH")) return as_sql_names(p);
    return true;
}

// The alias of a table, with names for its columns.
static bool table_alias(as_sql_parse *p, as_str table, bool needed) {
    as_str name;
    if (!alias(p, false, &name) || (needed && !name.len)) return false;
    if (!name.len) return true;
    if (table.len) {
        as_sql_alias *a = AS_NEW(p->arena, as_sql_alias);
        *a = (as_sql_alias){name, table, p->aliases};
        p->aliases = a;
    }
    bool columns =
        as_sql_in(p, AS_SQL_POSTGRES | AS_SQL_TSQL) || (as_sql_in(p, AS_SQL_MYSQLS) && !table.len);
    return !(columns && as_sql_is_mark(p, "(")) || as_sql_names(p);
}

static bool table_function(as_sql_parse *p, as_str name) {
    if (as_sql_in(p, AS_SQL_MYSQLS) && !as_str_holds(name, AS_STR("json_table"))) return false;
    if (as_sql_mark(p, ")")) return table_alias(p, AS_STR(""), false);
    if (!as_sql_exprs(p) || !as_sql_mark(p, ")")) return false;
    if (as_sql_words(p, "WITH", "ORDINALITY") && !as_sql_in(p, AS_SQL_POSTGRES)) return false;
    return table_alias(p, AS_STR(""), false);
}

static bool values(as_sql_parse *p);

static bool table(as_sql_parse *p) {
    as_str owner, name;
    if (as_sql_in(p, AS_SQL_POSTGRES | AS_SQL_MYSQLS)) as_sql_word(p, "LATERAL");
    if (as_sql_mark(p, "(")) {
        if (as_sql_in(p, AS_SQL_TSQL) && as_sql_word(p, "VALUES"))
            return values(p) && as_sql_mark(p, ")") && table_alias(p, AS_STR(""), true);
        if (as_sql_starts_query(p, 0)) {
            bool needed = as_sql_in(p, AS_SQL_MYSQLS | AS_SQL_TSQL);
            return as_sql_query(p) && as_sql_mark(p, ")") && table_alias(p, AS_STR(""), needed);
        }
        return as_sql_table_refs(p) && as_sql_mark(p, ")");
    }
    if (as_sql_in(p, AS_SQL_POSTGRES)) as_sql_word(p, "ONLY");
    if (!as_sql_path(p, &owner, &name)) return false;
    if (as_sql_mark(p, "(")) return table_function(p, name);
    as_sql_use_table(p, "select", owner, name);
    return hints(p) && table_alias(p, name, false) && hints(p);
}

// Moves past JOIN and what stands before it; *bare: no condition need follow.
static bool join(as_sql_parse *p, bool *bare) {
    size_t from = p->at;
    *bare = false;
    bool natural = !as_sql_in(p, AS_SQL_TSQL) && as_sql_word(p, "NATURAL");
    bool full = !as_sql_in(p, AS_SQL_MYSQLS) && as_sql_word(p, "FULL");
    if (as_sql_word(p, "LEFT") || as_sql_word(p, "RIGHT") || full) {
        as_sql_word(p, "OUTER");
        if (as_sql_word(p, "JOIN")) {
            *bare = natural || as_sql_in(p, AS_SQL_SQLITE);
            return true;
        }
    } else if (as_sql_word(p, "CROSS")) {
        *bare = true;
        if (as_sql_in(p, AS_SQL_TSQL) && as_sql_word(p, "APPLY")) return true;
    } else if (as_sql_in(p, AS_SQL_TSQL) && as_sql_words(p, "OUTER", "APPLY")) {
        *bare = true;
        return true;
    } else {
        as_sql_word(p, "INNER");
    }
    *bare |= natural || as_sql_in(p, AS_SQL_MYSQLS | AS_SQL_SQLITE);
    if (as_sql_word(p, "JOIN")) return true;
    if (p->at == from && as_sql_in(p, AS_SQL_MYSQLS) && as_sql_word(p, "STRAIGHT_JOIN"))
        return true;
    p->at = from;
    return false;
}

static bool joined(as_sql_parse *p) {
    bool bare;
    if (!table(p)) return false;
    while (join(p, &bare)) {
        if (!table(p)) return false;
        if (as_sql_word(p, "ON")) {
            if (!as_sql_expr(p)) return false;
        } else if (!as_sql_in(p, AS_SQL_TSQL) && as_sql_word(p, "USING")) {
            if (!as_sql_names(p)) return false;
        } else if (!bare) {
            return false;
        }
    }
    return true;
}

bool as_sql_table_refs(as_sql_parse *p) {
    bool good = as_sql_enter(p);
    do {
        good = good && joined(p);
    } while (good && as_sql_mark(p, ","));
    as_sql_leave(p);
    return good;
}

// ---- the parts behind FROM ----

bool as_sql_where(as_sql_parse *p) {
    return !as_sql_word(p, "WHERE") || as_sql_expr(p);
}

static bool group(as_sql_parse *p) {
    if (as_sql_words(p, "GROUP", "BY")) {
        if (as_sql_words(p, "GROUPING", "SETS")) {
            if (!as_sql_mark(p, "(")) return false;
            do {
                if (!as_sql_mark(p, "(")) return false;
                if (!as_sql_mark(p, ")") && !(as_sql_exprs(p) && as_sql_mark(p, ")"))) return false;
            } while (as_sql_mark(p, ","));
            if (!as_sql_mark(p, ")")) return false;
        } else if (!as_sql_exprs(p)) {
            return false;
        }
        if (as_sql_in(p, AS_SQL_MYSQLS | AS_SQL_TSQL)) as_sql_words(p, "WITH", "ROLLUP");
    }
    return !as_sql_word(p, "HAVING") || as_sql_expr(p);
}

static bool windows(as_sql_parse *p) {
    as_str name;
    if (as_sql_in(p, AS_SQL_TSQL) || !as_sql_word(p, "WINDOW")) return true;
    do {
        if (!as_sql_name(p, &name) || !as_sql_word(p, "AS") || !as_sql_mark(p, "(")) return false;
        if (as_sql_words(p, "PARTITION", "BY") && !as_sql_exprs(p)) return false;
        if (as_sql_words(p, "ORDER", "BY") && !as_sql_order(p)) return false;
        if (!as_sql_mark(p, ")")) return false;
    } while (as_sql_mark(p, ","));
    return true;
}

// MySQL takes no expressions here.
static bool count(as_sql_parse *p) {
    as_sql_token_kind kind = p->tokens[p->at].kind;
    if (!as_sql_in(p, AS_SQL_MYSQLS)) return as_sql_expr(p);
    if (kind != AS_SQL_NUMBER && kind != AS_SQL_PARAMETER) return false;
    p->at++;
    return true;
}

static bool limit(as_sql_parse *p) {
    if (!as_sql_in(p, AS_SQL_TSQL) && as_sql_word(p, "LIMIT")) {
        if (!(as_sql_in(p, AS_SQL_POSTGRES) && as_sql_word(p, "ALL")) && !count(p)) return false;
        if (!as_sql_in(p, AS_SQL_POSTGRES) && as_sql_mark(p, ",") && !count(p)) return false;
    }
    bool offset = as_sql_word(p, "OFFSET");
    if (offset) {
        if (!count(p)) return false;
        if (!as_sql_word(p, "ROWS")) as_sql_word(p, "ROW");
    }
    if (as_sql_in(p, AS_SQL_MYSQL | AS_SQL_SQLITE) || !as_sql_word(p, "FETCH")) return true;
    if (!offset && as_sql_in(p, AS_SQL_TSQL)) return false;
    if (!as_sql_word(p, "FIRST") && !as_sql_word(p, "NEXT")) return false;
    if (p->tokens[p->at].kind == AS_SQL_NUMBER || p->tokens[p->at].kind == AS_SQL_PARAMETER)
        p->at++;
    if (!as_sql_word(p, "ROWS") && !as_sql_word(p, "ROW")) return false;
    return as_sql_word(p, "ONLY") || as_sql_words(p, "WITH", "TIES");
}

bool as_sql_order_and_limit(as_sql_parse *p) {
    if (as_sql_words(p, "ORDER", "BY") && !as_sql_order(p)) return false;
    return limit(p);
}

static bool locks(as_sql_parse *p) {
    if (as_sql_in(p, AS_SQL_SQLITE | AS_SQL_TSQL)) return true;
    if (as_sql_in(p, AS_SQL_MYSQLS) && as_sql_words(p, "LOCK", "IN"))
        return as_sql_words(p, "SHARE", "MODE");
    if (!as_sql_word(p, "FOR")) return true;
    if (!as_sql_word(p, "UPDATE") && !as_sql_word(p, "SHARE")) return false;
    if (as_sql_words(p, "SKIP", "LOCKED")) return true;
    as_sql_word(p, "NOWAIT");
    return true;
}

// ---- SELECT ----

static bool modifiers(as_sql_parse *p) {
    static const char *const mysql[] = {
        "DISTINCTROW", "HIGH_PRIORITY",  "STRAIGHT_JOIN",    "SQL_CALC_FOUND_ROWS", "SQL_NO_CACHE",
        "SQL_CACHE",   "SQL_BIG_RESULT", "SQL_SMALL_RESULT", "SQL_BUFFER_RESULT",   NULL};
    while (as_sql_in(p, AS_SQL_MYSQLS) && as_sql_any_word(p, mysql)) continue;
    if (as_sql_word(p, "DISTINCT")) {
        if (as_sql_in(p, AS_SQL_POSTGRES) && as_sql_word(p, "ON"))
            return as_sql_mark(p, "(") && as_sql_exprs(p) && as_sql_mark(p, ")");
    } else {
        as_sql_word(p, "ALL");
    }
    while (as_sql_in(p, AS_SQL_MYSQLS) && as_sql_any_word(p, mysql)) continue;
    if (!as_sql_in(p, AS_SQL_TSQL) || !as_sql_word(p, "TOP")) return true;
    bool number =
        p->tokens[p->at].kind == AS_SQL_NUMBER || p->tokens[p->at].kind == AS_SQL_PARAMETER;
    if (number)
        p->at++;
    else if (!as_sql_in_brackets(p))
        return false;
    as_sql_word(p, "PERCENT");
    as_sql_words(p, "WITH", "TIES");
    return true;
}

// promptfoo takes SELECT a b FROM for a comma that is missing, whatever SQL says of AS.
static bool lacks_comma(const as_sql_parse *p) {
    const as_sql_token *t = &p->tokens[p->at];
    return t[0].kind == AS_SQL_WORD && t[1].kind == AS_SQL_WORD && as_sql_is_word(p, 2, "FROM") &&
           !as_sql_is_word(p, 0, "DISTINCT") && !as_sql_is_word(p, 0, "ALL") &&
           !as_sql_is_word(p, 0, "CASE");
}

static bool select(as_sql_parse *p) {
    as_str owner, name;
    if (!modifiers(p) || lacks_comma(p)) return false;
    if (!as_sql_select_items(p)) return false;
    if (as_sql_in(p, AS_SQL_TSQL | AS_SQL_POSTGRES) && as_sql_word(p, "INTO")) {
        if (!as_sql_path(p, &owner, &name)) return false;
        as_sql_use_table(p, "create", owner, name);
    }
    if (as_sql_word(p, "FROM") && !as_sql_table_refs(p)) return false;
    return as_sql_where(p) && group(p) && windows(p);
}

static bool values(as_sql_parse *p) {
    do {
        if (!as_sql_mark(p, "(") || !as_sql_exprs(p) || !as_sql_mark(p, ")")) return false;
    } while (as_sql_mark(p, ","));
    return true;
}

static bool term(as_sql_parse *p) {
    as_str owner, name;
    if (!as_sql_in(p, AS_SQL_SQLITE) && as_sql_mark(p, "("))
        return as_sql_query(p) && as_sql_mark(p, ")");
    if (as_sql_in(p, AS_SQL_POSTGRES | AS_SQL_SQLITE) && as_sql_word(p, "VALUES")) return values(p);
    if (as_sql_in(p, AS_SQL_POSTGRES | AS_SQL_MYSQL) && as_sql_word(p, "TABLE")) {
        if (!as_sql_path(p, &owner, &name)) return false;
        as_sql_use_table(p, "select", owner, name);
        as_sql_use_column(p, "select", name, AS_STR("(.*)"));
        return true;
    }
    return as_sql_word(p, "SELECT") && select(p);
}

bool as_sql_with(as_sql_parse *p) {
    as_str name;
    if (!as_sql_in(p, AS_SQL_TSQL)) as_sql_word(p, "RECURSIVE");
    do {
        if (!as_sql_name(p, &name)) return false;
        if (as_sql_is_mark(p, "(") && !as_sql_names(p)) return false;
        if (!as_sql_word(p, "AS")) return false;
        if (as_sql_in(p, AS_SQL_POSTGRES | AS_SQL_SQLITE)) {
            as_sql_word(p, "NOT");
            as_sql_word(p, "MATERIALIZED");
        }
        bool known = false;
        if (!as_sql_mark(p, "(")) return false;
        if (as_sql_starts_query(p, 0)
                ? !as_sql_query(p)
                : !(as_sql_in(p, AS_SQL_POSTGRES) && as_sql_change(p, &known) && known))
            return false;
        if (!as_sql_mark(p, ")")) return false;
    } while (as_sql_mark(p, ","));
    return true;
}

bool as_sql_query(as_sql_parse *p) {
    static const char *const sets[] = {"UNION", "INTERSECT", "EXCEPT", NULL};
    bool good = as_sql_enter(p);
    if (good && as_sql_word(p, "WITH")) good = as_sql_with(p);
    good = good && term(p);
    while (good && as_sql_any_word(p, sets)) {
        if (!as_sql_word(p, "ALL")) as_sql_word(p, "DISTINCT");
        good = term(p);
    }
    good = good && as_sql_order_and_limit(p) && locks(p);
    as_sql_leave(p);
    return good;
}
