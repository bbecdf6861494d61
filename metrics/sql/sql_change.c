// SPDX-License-Identifier: Apache-2.0
// sql_change.c - INSERT, REPLACE, UPDATE, DELETE.
#include "metrics/sql/sql_parse.h"

// a = expr, t.b = DEFAULT, (a, b) = (..)
static bool assignments(as_sql_parse *p, const char *action) {
    do {
        as_str owner, name;
        if (as_sql_is_mark(p, "(")) {
            if (!as_sql_names(p)) return false;
        } else {
            if (!as_sql_path(p, &owner, &name)) return false;
            as_sql_use_column(p, action, owner, name);
        }
        bool adds = as_sql_in(p, AS_SQL_TSQL) && (as_sql_mark(p, "+=") || as_sql_mark(p, "-="));
        if (!adds && !as_sql_mark(p, "=") && !(as_sql_in(p, AS_SQL_MYSQLS) && as_sql_mark(p, ":=")))
            return false;
        if (!as_sql_expr(p)) return false;
    } while (as_sql_mark(p, ","));
    return true;
}

static bool returning(as_sql_parse *p, unsigned where) {
    return !as_sql_in(p, where) || !as_sql_word(p, "RETURNING") || as_sql_select_items(p);
}

static bool rows(as_sql_parse *p) {
    do {
        as_sql_word(p, "ROW");
        if (!as_sql_mark(p, "(")) return false;
        bool empty = as_sql_in(p, AS_SQL_MYSQLS) && as_sql_mark(p, ")");
        if (!empty && (!as_sql_exprs(p) || !as_sql_mark(p, ")"))) return false;
    } while (as_sql_mark(p, ","));
    return true;
}

static bool on_conflict(as_sql_parse *p) {
    if (as_sql_mark(p, "(")) {
        if (!as_sql_exprs(p) || !as_sql_mark(p, ")") || !as_sql_where(p)) return false;
    } else if (as_sql_words(p, "ON", "CONSTRAINT")) {
        if (!as_sql_any_name(p, &(as_str){0})) return false;
    }
    if (!as_sql_word(p, "DO")) return false;
    if (as_sql_word(p, "NOTHING")) return true;
    return as_sql_words(p, "UPDATE", "SET") && assignments(p, "update") && as_sql_where(p);
}

static bool columns(as_sql_parse *p, as_str table) {
    if (!as_sql_is_mark(p, "(") || as_sql_starts_query(p, 1)) {
        as_sql_use_column(p, "insert", table, AS_STR("(.*)"));
        return true;
    }
    p->at++;
    do {
        as_str owner, name;
        if (!as_sql_path(p, &owner, &name)) return false;
        as_sql_use_column(p, "insert", table, name);
    } while (as_sql_mark(p, ","));
    return as_sql_mark(p, ")");
}

static bool what_to_insert(as_sql_parse *p) {
    if (as_sql_words(p, "DEFAULT", "VALUES")) return !as_sql_in(p, AS_SQL_MYSQLS);
    if (as_sql_word(p, "VALUES") || (as_sql_in(p, AS_SQL_MYSQLS) && as_sql_word(p, "VALUE")))
        return rows(p);
    return as_sql_query(p);
}

static bool insert(as_sql_parse *p, const char *action) {
    static const char *const speeds[] = {"LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", NULL};
    static const char *const ways[] = {"REPLACE", "IGNORE", "ABORT", "FAIL", "ROLLBACK", NULL};
    as_str owner, name, alias;
    if (as_sql_in(p, AS_SQL_MYSQLS)) {
        as_sql_any_word(p, speeds);
        as_sql_word(p, "IGNORE");
    }
    if (as_sql_in(p, AS_SQL_SQLITE) && as_sql_word(p, "OR") && !as_sql_any_word(p, ways))
        return false;
    bool into = as_sql_word(p, "INTO");
    if (!into && !as_sql_in(p, AS_SQL_MYSQLS | AS_SQL_TSQL)) return false;
    if (!as_sql_path(p, &owner, &name)) return false;
    as_sql_use_table(p, action, owner, name);
    if (as_sql_in(p, AS_SQL_POSTGRES | AS_SQL_SQLITE) && as_sql_word(p, "AS") &&
        !as_sql_name(p, &alias))
        return false;
    if (as_sql_in(p, AS_SQL_MYSQLS) && as_sql_word(p, "SET")) {
        if (!assignments(p, action)) return false;
    } else if (!columns(p, name) || !what_to_insert(p)) {
        return false;
    }
    if (as_sql_in(p, AS_SQL_MYSQLS) && as_sql_words(p, "ON", "DUPLICATE") &&
        (!as_sql_words(p, "KEY", "UPDATE") || !assignments(p, "update")))
        return false;
    while (as_sql_in(p, AS_SQL_POSTGRES | AS_SQL_SQLITE) && as_sql_words(p, "ON", "CONFLICT"))
        if (!on_conflict(p)) return false;
    return returning(p, AS_SQL_POSTGRES | AS_SQL_SQLITE | AS_SQL_MARIADB);
}

// Tables that a statement began with as read are changed by it.
static void set_action(as_sql_parse *p, const as_sql_use *until, const char *action) {
    for (as_sql_use *t = p->tables; t && t != until; t = t->next) t->action = action;
}

static bool update(as_sql_parse *p) {
    const as_sql_use *until = p->tables;
    if (as_sql_in(p, AS_SQL_MYSQLS)) {
        as_sql_word(p, "LOW_PRIORITY");
        as_sql_word(p, "IGNORE");
    }
    if (!as_sql_table_refs(p) || !as_sql_word(p, "SET")) return false;
    set_action(p, until, "update");
    if (!assignments(p, "update")) return false;
    if (!as_sql_in(p, AS_SQL_MYSQLS) && as_sql_word(p, "FROM") && !as_sql_table_refs(p))
        return false;
    if (!as_sql_where(p)) return false;
    if (as_sql_in(p, AS_SQL_MYSQLS) && !as_sql_order_and_limit(p)) return false;
    return returning(p, AS_SQL_POSTGRES | AS_SQL_SQLITE);
}

static bool delete_rows(as_sql_parse *p) {
    const as_sql_use *until = p->tables;
    as_str owner, name;
    bool multi = as_sql_in(p, AS_SQL_MYSQLS | AS_SQL_TSQL);
    if (as_sql_in(p, AS_SQL_MYSQLS)) as_sql_word(p, "IGNORE");
    if (!as_sql_is_word(p, 0, "FROM")) { // DELETE a, b FROM .. JOIN ..
        do {
            if (!multi || !as_sql_path(p, &owner, &name)) return false;
            if (as_sql_mark(p, ".") && !as_sql_mark(p, "*")) return false;
        } while (as_sql_mark(p, ","));
        bool bare = as_sql_in(p, AS_SQL_TSQL) && !as_sql_is_word(p, 0, "FROM");
        if (bare) as_sql_use_table(p, "delete", owner, name);
        if (!bare && (!as_sql_word(p, "FROM") || !as_sql_table_refs(p))) return false;
    } else {
        p->at++;
        if (!as_sql_table_refs(p)) return false;
    }
    set_action(p, until, "delete");
    for (const as_sql_use *t = p->tables; t && t != until; t = t->next)
        as_sql_use_column(p, "delete", t->name, AS_STR("(.*)"));
    if (as_sql_in(p, AS_SQL_POSTGRES | AS_SQL_MYSQLS) && as_sql_word(p, "USING") &&
        !as_sql_table_refs(p))
        return false;
    if (!as_sql_where(p)) return false;
    if (as_sql_in(p, AS_SQL_MYSQLS) && !as_sql_order_and_limit(p)) return false;
    return returning(p, AS_SQL_POSTGRES | AS_SQL_SQLITE | AS_SQL_MARIADB);
}

bool as_sql_change(as_sql_parse *p, bool *known) {
    *known = true;
    if (as_sql_word(p, "INSERT")) return insert(p, "insert");
    if (as_sql_in(p, AS_SQL_MYSQLS | AS_SQL_SQLITE) && as_sql_word(p, "REPLACE"))
        return insert(p, "replace");
    if (as_sql_word(p, "UPDATE")) return update(p);
    if (as_sql_word(p, "DELETE")) return delete_rows(p);
    *known = false;
    return false;
}
