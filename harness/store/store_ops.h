// SPDX-License-Identifier: Apache-2.0
// store_ops.h - what a database must do for a store; the contract of a driver. A driver knows its
// wire and its locks; which tables there are and which queries are asked is written once, in
// store*.c, in the SQL that SQLite and PostgreSQL share: parameters are $1, $2, ...
//
// Failures say "history 'NAME': ..." and are AS_UNMEASURED. NAME never holds a password.
#ifndef AS_STORE_OPS_H
#define AS_STORE_OPS_H

#include "harness/store/store.h"

typedef enum as_db_kind { AS_DB_NULL, AS_DB_TEXT, AS_DB_I64, AS_DB_F64 } as_db_kind;

// A parameter or a cell of a row. Text is a view: of a parameter until the call returns, of a cell
// until the row's visitor returns.
typedef struct as_db_value {
    as_db_kind kind;
    as_str text;
    int64_t i64;
    double f64;
} as_db_value;

static inline as_db_value as_db_text(as_str text) {
    return (as_db_value){.kind = AS_DB_TEXT, .text = text.ptr ? text : AS_STR("")};
}
static inline as_db_value as_db_i64(int64_t value) {
    return (as_db_value){.kind = AS_DB_I64, .i64 = value};
}
as_db_value as_db_f64(double value); // NULL unless it is finite

// One row of a result. The visitor must not ask the same store anything.
typedef as_rc as_db_row(void *context, const as_db_value *cells, as_err *err);

// A table that is filled by the thousand.
typedef struct as_db_table {
    const char *name, *columns; // "metrics", "run, slice, metric, ..."
    size_t column_count;
    unsigned narrow; // bit i: column i holds integers of four bytes, not of eight
    bool once;       // a row whose first column (the key) is there already is left out
} as_db_table;

enum { AS_DB_PARAMS_MAX = 32, AS_DB_COLUMNS_MAX = 32 };

typedef struct as_db_ops {
    const char *scheme;    // "sqlite"
    const char *long_form; // another name for it, or NULL
    as_rc (*open)(as_str url, void **state, as_err *err);
    void (*close)(void *state);
    const char *(*name)(const void *state); // for messages

    // Several statements, no result: migrations. May translate what the dialects do not share.
    as_rc (*script)(void *state, const char *sql, as_err *err);
    // One statement. `each` (may be NULL) sees every row; *changed (may be NULL) counts the rows
    // that it inserted, updated or deleted. Outside a transaction a dropped connection is made
    // again and the statement asked again, unless a row was already given out.
    as_rc (*query)(void *state, const char *sql, const as_db_value *params, size_t count,
                   as_db_row *each, void *context, uint64_t *changed, as_err *err);
    // Adds rows: cells is [rows][table->column_count]. Only inside a transaction. What is wrong
    // with them may be said by the next call only.
    as_rc (*load)(void *state, const as_db_table *table, const as_db_value *cells, size_t rows,
                  as_err *err);

    // A place for the samples of a run, before the transaction that puts them; and inside one that
    // is alone and deleted runs, what has become empty is given up. NULL: nothing to do.
    as_rc (*make_room)(void *state, as_str run, as_err *err);
    as_rc (*drop_empty)(void *state, as_err *err);

    // A transaction that writes. `alone`: no other writer is at work until it ends.
    as_rc (*begin)(void *state, bool alone, as_err *err);
    as_rc (*commit)(void *state, as_err *err);
    void (*rollback)(void *state);

    as_rc (*version)(void *state, int *out, as_err *err); // of the schema; 0: nothing there yet
    as_rc (*set_version)(void *state, int version, as_err *err);
    // After a failure: was it the connection or another writer, so that the same may work again?
    bool (*again)(const void *state);
} as_db_ops;

extern const as_db_ops as_store_sqlite;
extern const as_db_ops as_store_pg;

// What store*.c share.
struct as_store {
    const as_db_ops *ops;
    void *state;
    as_redact *redact; // for runs that are put; may be NULL
    as_arena arena;
    as_str who; // for the audit
};

static inline as_rc as_store_ask(as_store *store, const char *sql, const as_db_value *params,
                                 size_t count, as_db_row *each, void *context, as_err *err) {
    return store->ops->query(store->state, sql, params, count, each, context, NULL, err);
}

// Whether a run may be a baseline without being named; for a WHERE over runs.
#define AS_STORE_SOUND                                                                             \
    "(verdict NOT IN ('fail', 'unmeasurable') OR run IN (SELECT run FROM accepted))"

// The cells of a sample, for SELECT ... FROM samples s; and the sample of such a row.
#define AS_STORE_SAMPLE                                                                            \
    "s.line, (SELECT text FROM texts WHERE sha256 = s.expected_text),"                             \
    " (SELECT text FROM texts WHERE sha256 = s.prediction_text),"                                  \
    " (SELECT text FROM texts WHERE sha256 = s.output_text)"
as_rc as_store_read_sample(as_arena *arena, const as_db_value *cells, as_sample *out, as_err *err);

// Removes the metrics of a run and puts those of the summary. Inside a transaction.
as_rc as_store_put_metrics(as_store *store, const as_summary *summary, as_err *err);

// Appends to the audit. Inside a transaction or not.
as_rc as_store_note(as_store *store, const char *action, as_str suite, as_str run, as_str gate,
                    as_str why, as_err *err);

#endif
