// SPDX-License-Identifier: Apache-2.0
// store_sqlite.c - the history in one file: write-ahead log, synced at every commit.
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sqlite3.h>

#include "harness/store/store_ops.h"

enum {
    BUSY_TIMEOUT_MS = 60000, // how long a writer waits for another one
    WAL_TRIES = 400,         // to switch a new file to its log while others do the same
    WAL_PAUSE_NS = 25 * 1000 * 1000,
    LOADER_COUNT = 4,
};

// Many samples fit a page; the log is moved into the file by the 32 MB.
#define PAGE_BYTES "16384"
#define LOG_PAGES "2048"

typedef struct loader {
    const as_db_table *table;
    sqlite3_stmt *q;
} loader;

typedef struct sqlite_state {
    sqlite3 *db;
    char *path;
    loader loaders[LOADER_COUNT]; // statements of the tables being filled
} sqlite_state;

static as_rc db_fail(const sqlite_state *s, as_err *err) {
    return as_fail(err, AS_UNMEASURED, "history '%s': %s", s->path, sqlite3_errmsg(s->db));
}

static as_rc sqlite_script(void *state, const char *sql, as_err *err) {
    sqlite_state *s = state;
    as_buf own = {0}; // what is a comment to PostgreSQL
    as_buf_replaced(&own, as_str_of(sql), AS_STR("--lite "), AS_STR(""));
    int code = sqlite3_exec(s->db, own.ptr, NULL, NULL, NULL);
    as_buf_free(&own);
    return code == SQLITE_OK ? AS_OK : db_fail(s, err);
}

// Values outlive the step that uses them: every caller keeps them until the reset.
static void bind(sqlite3_stmt *q, int at, const as_db_value *value) {
    switch (value->kind) {
    case AS_DB_NULL:
        sqlite3_bind_null(q, at);
        break;
    case AS_DB_TEXT:
        sqlite3_bind_text64(q, at, value->text.ptr, value->text.len, SQLITE_STATIC, SQLITE_UTF8);
        break;
    case AS_DB_I64:
        sqlite3_bind_int64(q, at, value->i64);
        break;
    case AS_DB_F64:
        sqlite3_bind_double(q, at, value->f64);
        break;
    }
}

static as_db_value cell(sqlite3_stmt *q, int at) {
    switch (sqlite3_column_type(q, at)) {
    case SQLITE_NULL:
        return (as_db_value){.kind = AS_DB_NULL, .text = AS_STR("")};
    case SQLITE_INTEGER:
        return as_db_i64(sqlite3_column_int64(q, at));
    case SQLITE_FLOAT:
        return as_db_f64(sqlite3_column_double(q, at));
    default:
        break;
    }
    const char *text = (const char *)sqlite3_column_text(q, at);
    return as_db_text((as_str){text, (size_t)sqlite3_column_bytes(q, at)});
}

static as_rc sqlite_query(void *state, const char *sql, const as_db_value *params, size_t count,
                          as_db_row *each, void *context, uint64_t *changed, as_err *err) {
    sqlite_state *s = state;
    sqlite3_stmt *q;
    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL)) return db_fail(s, err);
    for (size_t i = 0; i < count; i++) {
        char name[16];
        sqlite3_snprintf(sizeof name, name, "$%d", (int)i + 1);
        int at = sqlite3_bind_parameter_index(q, name);
        if (at) bind(q, at, &params[i]);
    }
    as_db_value cells[AS_DB_COLUMNS_MAX];
    int columns = sqlite3_column_count(q), code;
    as_rc rc = AS_OK;
    while (!rc && (code = sqlite3_step(q)) == SQLITE_ROW) {
        for (int i = 0; i < columns; i++) cells[i] = cell(q, i);
        if (each) rc = each(context, cells, err);
    }
    if (!rc && code != SQLITE_DONE) rc = db_fail(s, err);
    if (!rc && changed) *changed = (uint64_t)sqlite3_changes64(s->db);
    sqlite3_finalize(q);
    return rc;
}

// The prepared INSERT of a table; kept until the transaction ends.
static as_rc find_loader(sqlite_state *s, const as_db_table *table, sqlite3_stmt **out,
                         as_err *err) {
    size_t at = 0;
    while (at < LOADER_COUNT - 1 && s->loaders[at].q && s->loaders[at].table != table) at++;
    loader *l = &s->loaders[at];
    if (l->q && l->table != table) {
        sqlite3_finalize(l->q);
        l->q = NULL;
    }
    if (!l->q) {
        as_buf sql = {0};
        as_buff(&sql, "INSERT INTO %s (%s) VALUES (", table->name, table->columns);
        for (size_t i = 0; i < table->column_count; i++) as_buf_text(&sql, i ? ",?" : "?");
        as_buf_text(&sql, table->once ? ") ON CONFLICT DO NOTHING" : ")");
        int code = sqlite3_prepare_v2(s->db, sql.ptr, -1, &l->q, NULL);
        as_buf_free(&sql);
        if (code) return db_fail(s, err);
        l->table = table;
    }
    *out = l->q;
    return AS_OK;
}

static as_rc sqlite_load(void *state, const as_db_table *table, const as_db_value *cells,
                         size_t rows, as_err *err) {
    sqlite_state *s = state;
    sqlite3_stmt *q = NULL;
    as_rc rc = find_loader(s, table, &q, err);
    for (size_t row = 0; !rc && row < rows; row++) {
        for (size_t i = 0; i < table->column_count; i++) bind(q, (int)i + 1, cells++);
        if (sqlite3_step(q) != SQLITE_DONE) rc = db_fail(s, err);
        sqlite3_reset(q);
    }
    return rc;
}

static void drop_loaders(sqlite_state *s) {
    for (size_t i = 0; i < LOADER_COUNT; i++) sqlite3_finalize(s->loaders[i].q);
    memset(s->loaders, 0, sizeof s->loaders);
}

static as_rc sqlite_begin(void *state, bool alone, as_err *err) {
    (void)alone; // one writer at a time is how SQLite works
    return sqlite_script(state, "BEGIN IMMEDIATE", err);
}

static as_rc sqlite_commit(void *state, as_err *err) {
    drop_loaders(state);
    return sqlite_script(state, "COMMIT", err);
}

static void sqlite_rollback(void *state) {
    sqlite_state *s = state;
    drop_loaders(s);
    sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

static as_rc take_version(void *context, const as_db_value *cells, as_err *err) {
    (void)err;
    *(int *)context = (int)cells[0].i64;
    return AS_OK;
}

static as_rc sqlite_version(void *state, int *out, as_err *err) {
    return sqlite_query(state, "PRAGMA user_version", NULL, 0, take_version, out, NULL, err);
}

static as_rc sqlite_set_version(void *state, int version, as_err *err) {
    char pragma[64];
    sqlite3_snprintf(sizeof pragma, pragma, "PRAGMA user_version = %d", version);
    return sqlite_script(state, pragma, err);
}

static bool sqlite_again(const void *state) {
    (void)state; // the busy timeout has already waited
    return false;
}

static const char *sqlite_name(const void *state) {
    return ((const sqlite_state *)state)->path;
}

static void sqlite_close(void *state) {
    sqlite_state *s = state;
    drop_loaders(s);
    sqlite3_close(s->db);
    free(s->path);
    free(s);
}

// The switch to the write-ahead log does not wait for other connections by itself.
static as_rc use_log(sqlite_state *s, as_err *err) {
    for (int i = 0;; i++) {
        int code = sqlite3_exec(s->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
        if (code == SQLITE_OK) return AS_OK;
        if ((code & 0xff) != SQLITE_BUSY || i == WAL_TRIES) return db_fail(s, err);
        nanosleep(&(struct timespec){.tv_nsec = WAL_PAUSE_NS}, NULL);
    }
}

static as_rc sqlite_open(as_str url, void **state, as_err *err) {
    as_arena arena = {0};
    as_str rest = url;
    as_str_cut(&rest, ':');
    // sqlite:///abs/path and sqlite:path are both in use elsewhere.
    if (as_str_starts(rest, AS_STR("///"))) rest = as_str_sub(rest, 2, rest.len);
    as_str path = as_str_copy(&arena, rest);
    as_rc rc = path.len ? as_dir_make(as_path_dir(&arena, path).ptr, err)
                        : as_fail(err, AS_INVALID, "store 'sqlite:' names no file");
    if (rc) {
        as_arena_free(&arena);
        return rc;
    }
    sqlite_state *s = as_mem_new(sizeof *s);
    s->path = as_mem_new(path.len + 1);
    memcpy(s->path, path.ptr, path.len);
    as_arena_free(&arena);
    if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL))
        rc = db_fail(s, err);
    if (!rc) sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
    if (!rc) rc = sqlite_script(s, "PRAGMA page_size = " PAGE_BYTES, err); // of a new file
    if (!rc) rc = use_log(s, err);
    if (!rc)
        rc = sqlite_script(s,
                           "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                           "PRAGMA cache_size = -2048; PRAGMA wal_autocheckpoint = " LOG_PAGES,
                           err);
    if (rc)
        sqlite_close(s);
    else
        *state = s;
    return rc;
}

const as_db_ops as_store_sqlite = {
    .scheme = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .name = sqlite_name,
    .script = sqlite_script,
    .query = sqlite_query,
    .load = sqlite_load,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .version = sqlite_version,
    .set_version = sqlite_set_version,
    .again = sqlite_again,
};
