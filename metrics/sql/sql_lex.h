// SPDX-License-Identifier: Apache-2.0
// sql_lex.h - a text as the tokens of SQL, by the rules of one database.
//
// Words and quoted names, texts, numbers, parameters, and marks, comments left out. What is never
// closed (a text, a quoted name, a comment) or is no token at all makes it no SQL.
#ifndef AS_SQL_LEX_H
#define AS_SQL_LEX_H

#include "harness/base/str.h"

// Bits, so that a rule can say where it holds.
enum {
    AS_SQL_MYSQL = 1,
    AS_SQL_MARIADB = 2,
    AS_SQL_POSTGRES = 4,
    AS_SQL_SQLITE = 8,
    AS_SQL_TSQL = 16,
};

typedef enum as_sql_token_kind {
    AS_SQL_END,
    AS_SQL_WORD,   // unquoted
    AS_SQL_NAME,   // quoted, without the quotes
    AS_SQL_EITHER, // "..." of MySQL: a text, or a name where one must stand
    AS_SQL_TEXT,
    AS_SQL_NUMBER,
    AS_SQL_PARAMETER,
    AS_SQL_MARK, // ( ) , ; . and operators
} as_sql_token_kind;

typedef struct as_sql_token {
    as_sql_token_kind kind;
    as_str text; // a view into what was read
} as_sql_token;

enum { AS_SQL_AHEAD = 4, AS_SQL_SIZE_MAX = 1 << 20 }; // tokens; bytes: more is no SQL

// Tokens end with AS_SQL_END, and AS_SQL_AHEAD more of it may be looked at; false when it is no
// SQL. `text` is valid UTF-8.
bool as_sql_lex(as_arena *arena, unsigned dialect, as_str text, as_sql_token **out,
                size_t *count) AS_MUST_USE;

#endif
