// SPDX-License-Identifier: Apache-2.0
// sql.h - whether a text is SQL of a database, and which tables and columns it touches.
//
// A recogniser of the statements that models are asked for: SELECT with all its parts (joins, set
// operations, WITH, windows, subqueries), INSERT, REPLACE, UPDATE, DELETE, CREATE and DROP TABLE,
// INDEX, VIEW, DATABASE, ALTER TABLE, TRUNCATE, SET, USE, SHOW, DESCRIBE, EXPLAIN, CALL,
// transactions. Parameters of drivers (?, :name, $1, @name) stand for values. Statements stand
// between semicolons; one at least.
//
// It knows the words of MySQL 8, MariaDB 11, PostgreSQL 16, SQLite 3 and SQL Server; it knows no
// types, no tables but those named, and of operators those that come with the database. An empty
// select list, which PostgreSQL takes, is a mistake here. Procedures, triggers, GRANT and MERGE
// are not known and are no SQL to it. Brackets may stand 100 deep, and a text have 1 MiB.
// Source: the databases' manuals.
#ifndef AS_SQL_H
#define AS_SQL_H

#include "metrics/sql/sql_lex.h"

typedef struct as_sql_touched {
    as_str action;      // "select", "insert", "update", "delete", "create", "drop", ...
    as_str owner, name; // owner: database of a table, table of a column; "null": none was named
} as_sql_touched;

typedef struct as_sql_facts {
    const as_sql_touched *tables, *columns; // column "(.*)": all of them
    size_t table_count, column_count;
} as_sql_facts;

// `dialect` is one AS_SQL_ bit; `text` is valid UTF-8. Aliases of tables are resolved. All memory
// from `arena`.
bool as_sql_read(as_arena *arena, unsigned dialect, as_str text, as_sql_facts *out) AS_MUST_USE;

#endif
