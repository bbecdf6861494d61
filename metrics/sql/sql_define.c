// SPDX-License-Identifier: Apache-2.0
// sql_define.c - CREATE, DROP, ALTER and TRUNCATE, and the short statements beside them.
#include "metrics/sql/sql_parse.h"

static bool name_of(as_sql_parse *p) {
    as_str owner, name;
    return as_sql_path(p, &owner, &name);
}

static bool table_of(as_sql_parse *p, const char *action) {
    as_str owner, name;
    if (!as_sql_path(p, &owner, &name)) return false;
    as_sql_use_table(p, action, owner, name);
    return true;
}

static void column_of(as_sql_parse *p, as_str name) {
    as_sql_use_column(p, "select", AS_STR(""), name);
    as_sql_use_column(p, "create", AS_STR(""), name);
}

static void if_exists(as_sql_parse *p) {
    if (as_sql_is_word(p, 1, "EXISTS")) as_sql_words(p, "IF", "EXISTS");
}

static void if_not_exists(as_sql_parse *p) {
    if (as_sql_is_word(p, 0, "IF") && as_sql_is_word(p, 1, "NOT") && as_sql_is_word(p, 2, "EXISTS"))
        p->at += 3;
}

// (a, b DESC, lower(c), d(10))
static bool key_columns(as_sql_parse *p) {
    return as_sql_mark(p, "(") && as_sql_order(p) && as_sql_mark(p, ")");
}

static bool references(as_sql_parse *p) {
    static const char *const events[] = {"DELETE", "UPDATE", NULL};
    if (!name_of(p) || (as_sql_is_mark(p, "(") && !as_sql_names(p))) return false;
    while (as_sql_is_word(p, 0, "ON") &&
           (as_sql_is_word(p, 1, "DELETE") || as_sql_is_word(p, 1, "UPDATE"))) {
        p->at++;
        as_sql_any_word(p, events);
        if (as_sql_word(p, "CASCADE") || as_sql_word(p, "RESTRICT") ||
            as_sql_words(p, "NO", "ACTION") || as_sql_words(p, "SET", "NULL") ||
            as_sql_words(p, "SET", "DEFAULT"))
            continue;
        return false;
    }
    if (as_sql_word(p, "DEFERRABLE") && as_sql_word(p, "INITIALLY"))
        return as_sql_word(p, "DEFERRED") || as_sql_word(p, "IMMEDIATE");
    return true;
}

static bool generated(as_sql_parse *p) {
    if (!as_sql_word(p, "ALWAYS") && !as_sql_words(p, "BY", "DEFAULT")) return false;
    if (!as_sql_word(p, "AS")) return false;
    if (as_sql_word(p, "IDENTITY")) return true;
    if (!as_sql_in_brackets(p)) return false;
    if (!as_sql_word(p, "STORED")) as_sql_word(p, "VIRTUAL");
    return true;
}

// *more: there was another one.
static bool column_constraint(as_sql_parse *p, bool *more) {
    *more = true;
    if (as_sql_word(p, "CONSTRAINT") && !name_of(p)) return false;
    if (as_sql_words(p, "NOT", "NULL") || as_sql_word(p, "NULL")) return true;
    if (as_sql_words(p, "PRIMARY", "KEY")) {
        if (!as_sql_word(p, "ASC")) as_sql_word(p, "DESC");
        if (as_sql_in(p, AS_SQL_SQLITE)) as_sql_word(p, "AUTOINCREMENT");
        if (as_sql_in(p, AS_SQL_TSQL)) as_sql_word(p, "CLUSTERED");
        return true;
    }
    if (as_sql_word(p, "UNIQUE")) {
        as_sql_word(p, "KEY");
        return true;
    }
    if (as_sql_in(p, AS_SQL_MYSQLS) && (as_sql_word(p, "AUTO_INCREMENT") || as_sql_word(p, "KEY")))
        return true;
    if (as_sql_in(p, AS_SQL_TSQL) && as_sql_word(p, "IDENTITY")) {
        if (!as_sql_mark(p, "(")) return true;
        return as_sql_exprs(p) && as_sql_mark(p, ")");
    }
    if (as_sql_in(p, AS_SQL_MYSQLS) && as_sql_word(p, "COMMENT"))
        return p->tokens[p->at++].kind == AS_SQL_TEXT || p->tokens[p->at - 1].kind == AS_SQL_EITHER;
    if (as_sql_in(p, AS_SQL_MYSQLS) && as_sql_words(p, "ON", "UPDATE")) return as_sql_expr(p);
    if (as_sql_word(p, "DEFAULT")) return as_sql_expr(p);
    if (as_sql_word(p, "COLLATE")) return name_of(p);
    if (as_sql_word(p, "CHECK")) return as_sql_in_brackets(p);
    if (as_sql_word(p, "REFERENCES")) return references(p);
    if (as_sql_word(p, "GENERATED")) return generated(p);
    *more = false;
    return true;
}

static bool column(as_sql_parse *p) {
    as_str name;
    bool more = true;
    if (!as_sql_name(p, &name)) return false;
    column_of(p, name);
    bool typed = p->tokens[p->at].kind == AS_SQL_WORD || p->tokens[p->at].kind == AS_SQL_NAME;
    size_t from = p->at;
    // SQLite needs no type.
    if (typed ? !as_sql_type(p) : !as_sql_in(p, AS_SQL_SQLITE)) {
        if (!as_sql_in(p, AS_SQL_SQLITE)) return false;
        p->at = from;
    }
    while (more)
        if (!column_constraint(p, &more)) return false;
    return true;
}

// *known: it is a constraint of the table and no column.
static bool table_constraint(as_sql_parse *p, bool *known) {
    *known = true;
    bool named = as_sql_word(p, "CONSTRAINT");
    if (named && !as_sql_in(p, AS_SQL_MYSQLS) && !name_of(p)) return false;
    if (named && as_sql_in(p, AS_SQL_MYSQLS) && !as_sql_is_word(p, 0, "PRIMARY") &&
        !as_sql_is_word(p, 0, "UNIQUE") && !as_sql_is_word(p, 0, "FOREIGN") &&
        !as_sql_is_word(p, 0, "CHECK") && !name_of(p))
        return false;
    if (as_sql_words(p, "PRIMARY", "KEY")) {
        as_sql_word(p, "CLUSTERED");
        return key_columns(p);
    }
    if (as_sql_word(p, "UNIQUE")) {
        if (!as_sql_word(p, "KEY")) as_sql_word(p, "INDEX");
        if (!as_sql_is_mark(p, "(") && !name_of(p)) return false;
        return key_columns(p);
    }
    if (as_sql_words(p, "FOREIGN", "KEY")) {
        if (!as_sql_is_mark(p, "(") && !name_of(p)) return false;
        return as_sql_names(p) && as_sql_word(p, "REFERENCES") && references(p);
    }
    if (as_sql_word(p, "CHECK")) return as_sql_in_brackets(p);
    if (as_sql_in(p, AS_SQL_MYSQLS) && (as_sql_word(p, "INDEX") || as_sql_word(p, "KEY"))) {
        if (!as_sql_is_mark(p, "(") && !name_of(p)) return false;
        return key_columns(p);
    }
    *known = false;
    return !named;
}

static bool table_options(as_sql_parse *p) {
    if (as_sql_in(p, AS_SQL_SQLITE)) {
        while (as_sql_words(p, "WITHOUT", "ROWID") || as_sql_word(p, "STRICT") ||
               as_sql_mark(p, ","))
            continue;
        return true;
    }
    while (as_sql_in(p, AS_SQL_MYSQLS) && p->tokens[p->at].kind == AS_SQL_WORD &&
           !as_sql_is_word(p, 0, "AS") && !as_sql_is_word(p, 0, "SELECT")) {
        as_sql_word(p, "DEFAULT");
        if (!as_sql_words(p, "CHARACTER", "SET")) p->at++;
        as_sql_mark(p, "=");
        as_sql_token_kind kind = p->tokens[p->at].kind;
        if (kind == AS_SQL_END || kind == AS_SQL_MARK) return false;
        p->at++;
        as_sql_mark(p, ",");
    }
    return true;
}

static bool create_table(as_sql_parse *p) {
    if_not_exists(p);
    if (!table_of(p, "create")) return false;
    if (as_sql_in(p, AS_SQL_MYSQLS) && as_sql_word(p, "LIKE")) return name_of(p);
    if (!as_sql_is_mark(p, "("))
        return (as_sql_word(p, "AS") ? !as_sql_in(p, AS_SQL_TSQL) : as_sql_in(p, AS_SQL_MYSQLS)) &&
               as_sql_query(p);
    p->at++;
    do {
        bool known;
        if (!table_constraint(p, &known) || (!known && !column(p))) return false;
    } while (as_sql_mark(p, ","));
    if (!as_sql_mark(p, ")") || !table_options(p)) return false;
    return !as_sql_in(p, AS_SQL_MYSQLS) || !as_sql_word(p, "AS") || as_sql_query(p);
}

static bool create_index(as_sql_parse *p) {
    if (as_sql_in(p, AS_SQL_POSTGRES)) as_sql_word(p, "CONCURRENTLY");
    if_not_exists(p);
    bool nameless = as_sql_in(p, AS_SQL_POSTGRES) && as_sql_is_word(p, 0, "ON");
    if (!nameless && !name_of(p)) return false;
    if (!as_sql_word(p, "ON") || !table_of(p, "create")) return false;
    if (as_sql_word(p, "USING") && !name_of(p)) return false;
    return key_columns(p) && as_sql_where(p);
}

static bool create(as_sql_parse *p) {
    if (as_sql_in(p, AS_SQL_MYSQLS | AS_SQL_POSTGRES)) as_sql_words(p, "OR", "REPLACE");
    if (as_sql_in(p, AS_SQL_TSQL)) as_sql_words(p, "OR", "ALTER");
    if (!as_sql_word(p, "TEMPORARY")) as_sql_word(p, "TEMP");
    if (as_sql_in(p, AS_SQL_POSTGRES)) as_sql_word(p, "UNLOGGED");
    if (as_sql_word(p, "TABLE")) return create_table(p);
    if (as_sql_word(p, "UNIQUE") || as_sql_word(p, "FULLTEXT") || as_sql_word(p, "CLUSTERED") ||
        as_sql_word(p, "NONCLUSTERED"))
        return as_sql_word(p, "INDEX") && create_index(p);
    if (as_sql_word(p, "INDEX")) return create_index(p);
    if (as_sql_in(p, AS_SQL_POSTGRES)) as_sql_word(p, "MATERIALIZED");
    if (as_sql_word(p, "VIEW")) {
        if_not_exists(p);
        if (!table_of(p, "create") || (as_sql_is_mark(p, "(") && !as_sql_names(p))) return false;
        return as_sql_word(p, "AS") && as_sql_query(p);
    }
    if (as_sql_in(p, AS_SQL_SQLITE)) return false;
    if (!as_sql_word(p, "DATABASE") && !as_sql_word(p, "SCHEMA")) return false;
    if_not_exists(p);
    return name_of(p);
}

static bool drop(as_sql_parse *p) {
    static const char *const kinds[] = {"TABLE", "VIEW", NULL};
    static const char *const others[] = {"INDEX", "DATABASE", "SCHEMA", NULL};
    if (as_sql_in(p, AS_SQL_MYSQLS)) as_sql_word(p, "TEMPORARY");
    if (as_sql_any_word(p, kinds)) {
        if_exists(p);
        do {
            if (!table_of(p, "drop")) return false;
        } while (!as_sql_in(p, AS_SQL_SQLITE) && as_sql_mark(p, ","));
    } else {
        if (as_sql_is_word(p, 0, "DATABASE") && as_sql_in(p, AS_SQL_SQLITE)) return false;
        if (!as_sql_any_word(p, others)) return false;
        if_exists(p);
        if (!name_of(p)) return false;
        if (as_sql_in(p, AS_SQL_MYSQLS | AS_SQL_TSQL) && as_sql_word(p, "ON") && !name_of(p))
            return false;
    }
    if (as_sql_in(p, AS_SQL_POSTGRES | AS_SQL_MYSQLS) && !as_sql_word(p, "CASCADE"))
        as_sql_word(p, "RESTRICT");
    return true;
}

static bool alter_column(as_sql_parse *p) {
    as_sql_word(p, "COLUMN");
    as_str name;
    if (!as_sql_name(p, &name)) return false;
    if (as_sql_words(p, "SET", "DEFAULT")) return as_sql_expr(p);
    if (as_sql_words(p, "DROP", "DEFAULT") || as_sql_words(p, "DROP", "IDENTITY")) return true;
    if (as_sql_word(p, "SET") || as_sql_word(p, "DROP")) {
        if (as_sql_words(p, "NOT", "NULL")) return true;
        if (!as_sql_words(p, "DATA", "TYPE")) return false;
        return as_sql_type(p);
    }
    if (as_sql_in(p, AS_SQL_MYSQLS) || (as_sql_in(p, AS_SQL_POSTGRES) && !as_sql_word(p, "TYPE")))
        return false;
    if (!as_sql_type(p)) return false;
    if (!as_sql_words(p, "NOT", "NULL")) as_sql_word(p, "NULL");
    return !as_sql_word(p, "USING") || as_sql_expr(p);
}

static bool alteration(as_sql_parse *p) {
    as_str name;
    if (as_sql_word(p, "ADD")) {
        bool known;
        if (!table_constraint(p, &known)) return false;
        if (known) return true;
        if (!as_sql_in(p, AS_SQL_TSQL)) as_sql_word(p, "COLUMN");
        if_not_exists(p);
        if (!column(p)) return false;
        if (as_sql_in(p, AS_SQL_MYSQLS) && as_sql_word(p, "AFTER")) return as_sql_name(p, &name);
        if (as_sql_in(p, AS_SQL_MYSQLS)) as_sql_word(p, "FIRST");
        return true;
    }
    if (as_sql_word(p, "DROP")) {
        if (as_sql_words(p, "PRIMARY", "KEY")) return true;
        if (!as_sql_word(p, "COLUMN") && !as_sql_word(p, "CONSTRAINT") &&
            !as_sql_word(p, "INDEX") && !as_sql_words(p, "FOREIGN", "KEY"))
            as_sql_word(p, "KEY");
        if_exists(p);
        if (!as_sql_name(p, &name)) return false;
        if (!as_sql_word(p, "CASCADE")) as_sql_word(p, "RESTRICT");
        return true;
    }
    if (!as_sql_in(p, AS_SQL_TSQL) && as_sql_word(p, "RENAME")) {
        if (as_sql_word(p, "TO") || (as_sql_in(p, AS_SQL_MYSQLS) && as_sql_word(p, "AS")))
            return as_sql_name(p, &name);
        if (!as_sql_word(p, "COLUMN") && as_sql_in(p, AS_SQL_MYSQLS) && !as_sql_word(p, "INDEX"))
            return false;
        return as_sql_name(p, &name) && as_sql_word(p, "TO") && as_sql_name(p, &name);
    }
    if (as_sql_word(p, "ALTER")) return !as_sql_in(p, AS_SQL_SQLITE) && alter_column(p);
    if (!as_sql_in(p, AS_SQL_MYSQLS)) return false;
    bool changes = as_sql_word(p, "CHANGE");
    if (!changes && !as_sql_word(p, "MODIFY")) return false;
    as_sql_word(p, "COLUMN");
    if (changes && !as_sql_name(p, &name)) return false;
    return column(p);
}

static bool alter(as_sql_parse *p) {
    if (!as_sql_word(p, "TABLE")) return false;
    if (as_sql_in(p, AS_SQL_POSTGRES)) if_exists(p);
    if (!table_of(p, "alter")) return false;
    do {
        if (!alteration(p)) return false;
    } while (!as_sql_in(p, AS_SQL_SQLITE) && as_sql_mark(p, ","));
    return true;
}

// ---- short ones ----

static bool set(as_sql_parse *p) {
    static const char *const scopes[] = {"GLOBAL", "SESSION", "LOCAL", NULL};
    as_sql_any_word(p, scopes);
    do {
        as_str owner, name;
        if (p->tokens[p->at].kind == AS_SQL_PARAMETER)
            p->at++;
        else if (!as_sql_path(p, &owner, &name))
            return false;
        bool to = as_sql_mark(p, "=") || (as_sql_in(p, AS_SQL_MYSQLS) && as_sql_mark(p, ":=")) ||
                  (as_sql_in(p, AS_SQL_POSTGRES) && as_sql_word(p, "TO"));
        if (!to && !as_sql_in(p, AS_SQL_TSQL)) return false;
        if (!to ? !as_sql_word(p, "ON") && !as_sql_word(p, "OFF") : !as_sql_expr(p)) return false;
    } while (as_sql_mark(p, ","));
    return true;
}

// SHOW TABLES FROM d LIKE 'x': words, then what narrows them.
static bool show(as_sql_parse *p) {
    as_str name;
    if (!as_sql_in(p, AS_SQL_MYSQLS | AS_SQL_POSTGRES) || !as_sql_any_name(p, &name)) return false;
    for (size_t i = 0; i < 3 && p->tokens[p->at].kind == AS_SQL_WORD; i++) {
        if (as_sql_is_word(p, 0, "LIKE") || as_sql_is_word(p, 0, "WHERE")) break;
        if (as_sql_word(p, "FROM") || as_sql_word(p, "IN")) {
            if (!name_of(p)) return false;
        } else {
            p->at++;
        }
    }
    if (as_sql_mark(p, ".") && !as_sql_any_name(p, &name)) return false;
    if (as_sql_word(p, "LIKE")) return p->tokens[p->at++].kind == AS_SQL_TEXT;
    return as_sql_where(p);
}

static bool explain(as_sql_parse *p) {
    bool known = false;
    as_sql_word(p, "ANALYZE");
    as_sql_words(p, "QUERY", "PLAN");
    if (as_sql_starts_query(p, 0)) return as_sql_query(p);
    if (as_sql_change(p, &known)) return true;
    return !known && as_sql_in(p, AS_SQL_MYSQLS) && name_of(p);
}

static bool call(as_sql_parse *p) {
    if (!name_of(p)) return false;
    if (!as_sql_mark(p, "(")) return as_sql_in(p, AS_SQL_MYSQLS);
    return as_sql_mark(p, ")") || (as_sql_exprs(p) && as_sql_mark(p, ")"));
}

static bool transaction(as_sql_parse *p) {
    if (!as_sql_word(p, "TRANSACTION")) as_sql_word(p, "WORK");
    return true;
}

bool as_sql_define(as_sql_parse *p, bool *known) {
    const unsigned mysql = AS_SQL_MYSQLS;
    *known = true;
    if (as_sql_word(p, "CREATE")) return create(p);
    if (as_sql_word(p, "DROP")) return drop(p);
    if (as_sql_word(p, "ALTER")) return alter(p);
    if (as_sql_word(p, "TRUNCATE")) {
        bool table = as_sql_word(p, "TABLE");
        if (as_sql_in(p, AS_SQL_SQLITE) || (!table && as_sql_in(p, AS_SQL_TSQL))) return false;
        return table_of(p, "truncate");
    }
    if (as_sql_word(p, "SET")) return !as_sql_in(p, AS_SQL_SQLITE) && set(p);
    if (as_sql_word(p, "USE")) return as_sql_in(p, mysql | AS_SQL_TSQL) && name_of(p);
    if (as_sql_word(p, "SHOW")) return show(p);
    if (as_sql_in(p, mysql) && (as_sql_word(p, "DESCRIBE") || as_sql_word(p, "DESC")))
        return explain(p);
    if (as_sql_word(p, "EXPLAIN")) return !as_sql_in(p, AS_SQL_TSQL) && explain(p);
    if (as_sql_word(p, "CALL")) return as_sql_in(p, mysql | AS_SQL_POSTGRES) && call(p);
    if (as_sql_words(p, "START", "TRANSACTION")) return !as_sql_in(p, AS_SQL_TSQL);
    if (as_sql_word(p, "BEGIN") || as_sql_word(p, "COMMIT") || as_sql_word(p, "ROLLBACK"))
        return transaction(p);
    *known = false;
    return false;
}
