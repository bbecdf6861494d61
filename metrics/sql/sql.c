// SPDX-License-Identifier: Apache-2.0
#include "metrics/sql/sql.h"

#include "metrics/sql/sql_parse.h"

static bool statement(as_sql_parse *p) {
    bool known;
    if (as_sql_starts_query(p, 0)) {
        // WITH x AS (..) may stand before a change too.
        if (!as_sql_is_word(p, 0, "WITH")) return as_sql_query(p);
        size_t from = p->at;
        as_sql_use *tables = p->tables, *columns = p->columns;
        if (as_sql_query(p)) return true;
        p->at = from + 1;
        p->depth = 0;
        p->tables = tables;
        p->columns = columns;
        return as_sql_with(p) && as_sql_change(p, &known);
    }
    bool good = as_sql_change(p, &known);
    return known ? good : as_sql_define(p, &known);
}

static bool statements(as_sql_parse *p) {
    do {
        while (as_sql_mark(p, ";")) continue;
        if (p->tokens[p->at].kind == AS_SQL_END) break;
        if (!statement(p)) return false;
    } while (as_sql_is_mark(p, ";"));
    return p->tokens[p->at].kind == AS_SQL_END;
}

static as_str resolved(const as_sql_parse *p, as_str owner) {
    for (const as_sql_alias *a = p->aliases; a; a = a->next)
        if (as_str_eq(a->alias, owner)) return a->table;
    return owner;
}

static const as_sql_touched *touched(const as_sql_parse *p, const as_sql_use *uses, bool columns,
                                     size_t *count) {
    *count = 0;
    for (const as_sql_use *u = uses; u; u = u->next) (*count)++;
    as_sql_touched *out = AS_NEW_ARRAY(p->arena, as_sql_touched, *count + 1);
    size_t at = *count;
    for (const as_sql_use *u = uses; u; u = u->next) {
        as_str owner = columns ? resolved(p, u->owner) : u->owner;
        out[--at] =
            (as_sql_touched){as_str_of(u->action), owner.len ? owner : AS_STR("null"), u->name};
    }
    return out;
}

bool as_sql_read(as_arena *arena, unsigned dialect, as_str text, as_sql_facts *out) {
    as_sql_parse p = {.arena = arena, .dialect = dialect};
    as_sql_token *tokens;
    size_t count;
    if (!as_sql_lex(arena, dialect, text, &tokens, &count) || count < 2) return false;
    p.tokens = tokens;
    if (!statements(&p)) return false;
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any |= tokens[i].kind != AS_SQL_END && !as_str_is(tokens[i].text, ";");
    out->tables = touched(&p, p.tables, false, &out->table_count);
    out->columns = touched(&p, p.columns, true, &out->column_count);
    return any;
}
