// SPDX-License-Identifier: Apache-2.0
// sql_parse.h - what the parts of the recogniser of SQL share: where it stands among the tokens,
// and what it has seen.
//
// Recursive descent without a tree: a rule returns whether what stands there is as it says, and
// has then moved past it. After a false return the whole text is no SQL, unless the rule says that
// it has not moved.
#ifndef AS_SQL_PARSE_H
#define AS_SQL_PARSE_H

#include "metrics/sql/sql_lex.h"

enum { AS_SQL_DEPTH_MAX = 200 };
enum { AS_SQL_MYSQLS = AS_SQL_MYSQL | AS_SQL_MARIADB };

// A table or a column that is named, and what is done to it.
typedef struct as_sql_use as_sql_use;
struct as_sql_use {
    const char *action; // "select", "insert", ...
    as_str owner, name; // database of a table, table of a column; empty: none was named
    as_sql_use *next;
};

typedef struct as_sql_alias as_sql_alias;
struct as_sql_alias {
    as_str alias, table;
    as_sql_alias *next;
};

typedef struct as_sql_parse {
    as_arena *arena;
    const as_sql_token *tokens;
    size_t at;
    unsigned dialect, depth;
    as_sql_use *tables, *columns; // the last one first
    as_sql_alias *aliases;
} as_sql_parse;

// ---- sql_parse.c: tokens and names ----

bool as_sql_in(const as_sql_parse *p, unsigned dialects);

// Whether the word, or the mark, stands `by` tokens ahead; `take` moves past it.
bool as_sql_is_word(const as_sql_parse *p, size_t by, const char *word);
bool as_sql_is_mark(const as_sql_parse *p, const char *mark);
bool as_sql_word(as_sql_parse *p, const char *word);
bool as_sql_words(as_sql_parse *p, const char *first, const char *second); // both, or not moved
bool as_sql_mark(as_sql_parse *p, const char *mark);
bool as_sql_any_word(as_sql_parse *p, const char *const *words); // ends with NULL

// A name that is no reserved word, or quoted. Not moved when there is none.
bool as_sql_name(as_sql_parse *p, as_str *out);
// The same, any word will do: behind a dot, or where only a name can stand.
bool as_sql_any_name(as_sql_parse *p, as_str *out);
// a, a.b, a.b.c: of the last two, the owner (empty) and the name.
bool as_sql_path(as_sql_parse *p, as_str *owner, as_str *name);
bool as_sql_names(as_sql_parse *p); // (a, b, ..)

bool as_sql_enter(as_sql_parse *p); // false: too deep
void as_sql_leave(as_sql_parse *p);

void as_sql_use_table(as_sql_parse *p, const char *action, as_str owner, as_str name);
void as_sql_use_column(as_sql_parse *p, const char *action, as_str owner, as_str name);

// ---- sql_expr.c ----

bool as_sql_expr(as_sql_parse *p);
bool as_sql_exprs(as_sql_parse *p);       // one or more, commas between
bool as_sql_type(as_sql_parse *p);        // VARCHAR(20), double precision, ..
bool as_sql_order(as_sql_parse *p);       // behind ORDER BY
bool as_sql_in_brackets(as_sql_parse *p); // (expr)

// ---- sql_query.c ----

bool as_sql_starts_query(const as_sql_parse *p, size_t by); // SELECT, WITH, VALUES, ..
bool as_sql_query(as_sql_parse *p);
bool as_sql_with(as_sql_parse *p);            // behind WITH
bool as_sql_table_refs(as_sql_parse *p);      // what may stand behind FROM
bool as_sql_where(as_sql_parse *p);           // WHERE .., or nothing
bool as_sql_order_and_limit(as_sql_parse *p); // each, or nothing
bool as_sql_select_items(as_sql_parse *p);

// ---- sql_change.c, sql_define.c: a statement that begins with this word ----

bool as_sql_change(as_sql_parse *p, bool *known); // INSERT, REPLACE, UPDATE, DELETE
bool as_sql_define(as_sql_parse *p, bool *known); // CREATE, DROP, ALTER, TRUNCATE, and the rest

#endif
