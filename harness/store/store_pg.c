// SPDX-License-Identifier: Apache-2.0
// store_pg.c - the history in PostgreSQL, by libpq: URL and environment are libpq's own. Rows in
// bulk go by COPY; samples of a month are a partition. Writers work side by side; migration and
// pruning wait until they are alone.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

#include "harness/base/load/library.h"
#include "harness/base/log.h"
#include "harness/base/thread.h"
#include "harness/store/store_ops.h"

enum {
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    COPY_CHUNK = 64 * 1024,
    COPY_AHEAD = 4,    // chunks that are made while one is sent
    CONNECT_TRIES = 9, // over about ten seconds: a server restarts in less
    QUERY_TRIES = 4,   // a server that goes down may still take a connection and drop it
    CONNECT_PAUSE_FIRST_MS = 40,
    CONNECT_PAUSE_MAX_MS = 2500,
};

// What is used of libpq, which is taken in when it is first needed.
// clang-format off
#define USED(F) \
    F(clear) F(cmdTuples) F(connectdbParams) F(conninfoFree) F(conninfoParse) F(db) \
    F(errorMessage) F(exec) F(finish) F(freemem) F(ftype) F(getResult) F(getisnull) \
    F(getlength) F(getvalue) F(host) F(nfields) F(pingParams) F(port) F(putCopyData) \
    F(putCopyEnd) F(reset) F(resultErrorField) F(resultStatus) F(sendQueryParams) \
    F(setNoticeProcessor) F(setSingleRowMode) F(status) F(user)
// clang-format on

static struct {
#define MEMBER(name) __typeof__(PQ##name) *name;
    USED(MEMBER)
} pq;

static const as_library_name pq_names[] = {
#define NAME(name) {"PQ" #name, &pq.name},
    USED(NAME)};

static as_library libpq = AS_LIBRARY("libpq.so.5", pq_names);

// The advisory lock that writers share and migration and pruning hold alone: "assay" in ASCII.
#define LOCK_KEY "418565087609"

typedef struct pg_state {
    PGconn *conn;
    char *name;
    bool in_transaction, again;
    const as_db_table *copying; // the table of the COPY under way; NULL: none
    as_buf copy;                // rows that are not sent yet
    as_queue *chunks;           // to the sender
    as_thread *sender; // of the COPY under way, once it has a chunk; only it uses the connection
    as_buf staged;     // SQL that moves staged rows into their table at the commit
} pg_state;

// "ERROR: relation ... \nLINE 1: ..." as one line.
static as_str one_line(as_arena *arena, const char *text) {
    as_str line = as_str_copy(arena, as_str_trim(as_str_of(text)));
    char *bytes = (char *)(uintptr_t)line.ptr; // the copy is ours
    for (size_t i = 0; i < line.len; i++)
        if (bytes[i] == '\n' || bytes[i] == '\t') bytes[i] = ' ';
    return line;
}

static bool is_transient(const char *sqlstate) {
    // Connection and rollback classes; the server is going down, starting, or full of clients.
    static const char *const prefixes[] = {"08", "40", "57P", "53300"};
    for (size_t i = 0; sqlstate && i < sizeof prefixes / sizeof *prefixes; i++)
        if (!strncmp(sqlstate, prefixes[i], strlen(prefixes[i]))) return true;
    return false;
}

// Says what is wrong with `result` (NULL: with the connection), and whether it may work again.
static as_rc db_fail(pg_state *s, const PGresult *result, as_err *err) {
    const char *primary = result ? pq.resultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *state = result ? pq.resultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    // An error without a state is libpq's own: it lost the connection, whether it says so or not.
    s->again = pq.status(s->conn) == CONNECTION_BAD || !state || is_transient(state);
    as_arena arena = {0};
    as_str text = one_line(&arena, primary ? primary : pq.errorMessage(s->conn));
    as_fail(err, AS_UNMEASURED, "history '%s': %.*s", s->name, AS_STR_ARG(text));
    as_arena_free(&arena);
    return AS_UNMEASURED;
}

static void pause_ms(long ms) {
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void be_quiet(void *context, const char *notice) {
    (void)context;
    (void)notice;
}

// Makes a dropped connection again, waiting for a server that restarts.
static as_rc reconnect(pg_state *s, as_err *err) {
    long ms = CONNECT_PAUSE_FIRST_MS;
    s->in_transaction = false;
    as_log_debug("history '%s': connecting again", s->name);
    for (int i = 1;; i++) {
        pq.reset(s->conn);
        if (pq.status(s->conn) == CONNECTION_OK) return AS_OK;
        if (i == CONNECT_TRIES) return db_fail(s, NULL, err);
        pause_ms(ms);
        ms = ms * 2 < CONNECT_PAUSE_MAX_MS ? ms * 2 : CONNECT_PAUSE_MAX_MS;
    }
}

// Parameters as libpq wants them: text, NUL-terminated, NULL for null.
typedef struct pg_params {
    as_arena arena;
    Oid types[AS_DB_PARAMS_MAX];
    const char *texts[AS_DB_PARAMS_MAX];
} pg_params;

static void fill_params(pg_params *p, const as_db_value *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char number[32];
        switch (values[i].kind) {
        case AS_DB_NULL:
            p->types[i] = OID_FLOAT8;
            p->texts[i] = NULL;
            break;
        case AS_DB_TEXT:
            p->types[i] = OID_TEXT;
            p->texts[i] = as_str_copy(&p->arena, values[i].text).ptr;
            break;
        case AS_DB_I64:
            p->types[i] = OID_INT8;
            p->texts[i] = as_strf(&p->arena, "%lld", (long long)values[i].i64).ptr;
            break;
        case AS_DB_F64:
            p->types[i] = OID_FLOAT8;
            as_f64_text(values[i].f64, number);
            p->texts[i] = as_strf(&p->arena, "%s", number).ptr;
            break;
        }
    }
}

static as_db_value cell(const PGresult *result, int at) {
    if (pq.getisnull(result, 0, at)) return (as_db_value){.kind = AS_DB_NULL, .text = AS_STR("")};
    as_str text = {pq.getvalue(result, 0, at), (size_t)pq.getlength(result, 0, at)};
    int64_t i64 = 0;
    double f64 = 0;
    switch (pq.ftype(result, at)) {
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
        return as_str_to_i64(text, &i64) ? as_db_i64(i64) : as_db_text(text);
    case OID_FLOAT4:
    case OID_FLOAT8:
        return as_str_to_f64(text, &f64) ? as_db_f64(f64) : as_db_text(text);
    default:
        return as_db_text(text);
    }
}

static as_rc give_row(const PGresult *result, as_db_row *each, void *context, as_err *err) {
    as_db_value cells[AS_DB_COLUMNS_MAX];
    int columns = pq.nfields(result);
    for (int i = 0; i < columns; i++) cells[i] = cell(result, i);
    return each(context, cells, err);
}

// Reads all that the server answers; after a failure too, so that the connection can be used again.
static as_rc take_results(pg_state *s, as_db_row *each, void *context, uint64_t *changed,
                          bool *given, as_err *err) {
    as_rc rc = AS_OK;
    PGresult *result;
    while ((result = pq.getResult(s->conn))) {
        ExecStatusType status = pq.resultStatus(result);
        if (!rc && status == PGRES_SINGLE_TUPLE && each) {
            *given = true;
            rc = give_row(result, each, context, err);
        } else if (!rc && status != PGRES_SINGLE_TUPLE && status != PGRES_TUPLES_OK &&
                   status != PGRES_COMMAND_OK) {
            rc = db_fail(s, result, err);
        } else if (!rc && changed) {
            *changed = strtoull(pq.cmdTuples(result), NULL, 10);
        }
        pq.clear(result);
    }
    if (!rc && pq.status(s->conn) == CONNECTION_BAD) rc = db_fail(s, NULL, err);
    return rc;
}

// A chunk that cannot be sent shows when the COPY ends.
static void send_chunk(pg_state *s, as_buf *chunk) {
    if (pq.putCopyData(s->conn, chunk->ptr, (int)chunk->len) != 1)
        as_log_debug("history '%s': rows cannot be sent", s->name);
    as_buf_free(chunk);
}

static void send_chunks(void *context) {
    pg_state *s = context;
    for (as_buf *chunk; (chunk = as_queue_pop(s->chunks)); free(chunk)) send_chunk(s, chunk);
}

// Sends what there is, beside the caller, who makes the next rows.
static void pass_on(pg_state *s) {
    as_err unused = {0};
    if (!s->sender) {
        s->chunks = as_queue_new(COPY_AHEAD);
        if (as_thread_start(send_chunks, s, &s->sender, &unused)) {
            as_queue_free(s->chunks);
            send_chunk(s, &s->copy);
            return;
        }
    }
    as_buf *chunk = as_mem_new(sizeof *chunk);
    *chunk = s->copy;
    s->copy = (as_buf){0};
    as_queue_push(s->chunks, chunk);
}

static void stop_sender(pg_state *s) {
    if (!s->sender) return;
    as_queue_close(s->chunks);
    as_thread_join(s->sender);
    as_queue_free(s->chunks);
    s->sender = NULL;
}

// Ends the COPY under way, and finds out how it went.
static as_rc end_copy(pg_state *s, as_err *err) {
    if (!s->copying) return AS_OK;
    s->copying = NULL;
    stop_sender(s);
    as_buf_add(&s->copy, "\377\377", 2); // instead of a number of fields
    send_chunk(s, &s->copy);
    if (pq.putCopyEnd(s->conn, NULL) != 1) return db_fail(s, NULL, err);
    bool given = false;
    return take_results(s, NULL, NULL, NULL, &given, err);
}

static as_rc pg_query(void *state, const char *sql, const as_db_value *params, size_t count,
                      as_db_row *each, void *context, uint64_t *changed, as_err *err) {
    pg_state *s = state;
    if (end_copy(s, err)) return AS_UNMEASURED;
    pg_params p = {0};
    fill_params(&p, params, count);
    as_rc rc = AS_OK;
    for (int i = 1;; i++) {
        bool given = false;
        s->again = false;
        if (!pq.sendQueryParams(s->conn, sql, (int)count, p.types, p.texts, NULL, NULL, 0)) {
            rc = db_fail(s, NULL, err);
        } else {
            pq.setSingleRowMode(s->conn);
            rc = take_results(s, each, context, changed, &given, err);
        }
        if (!rc || !s->again || s->in_transaction || given || i == QUERY_TRIES) break;
        if (reconnect(s, err)) break;
    }
    as_arena_free(&p.arena);
    return rc;
}

static as_rc simple(pg_state *s, const char *sql, as_err *err) {
    if (end_copy(s, err)) return AS_UNMEASURED;
    PGresult *result = pq.exec(s->conn, sql);
    ExecStatusType status = pq.resultStatus(result);
    as_rc rc =
        status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? AS_OK : db_fail(s, result, err);
    pq.clear(result);
    return rc;
}

static as_rc pg_script(void *state, const char *sql, as_err *err) {
    as_buf own = {0}, text = {0};
    as_buf_replaced(&own, as_str_of(sql), AS_STR("--pg "), AS_STR(""));
    // Text compares by byte, as in SQLite, whatever the database's locale.
    as_buf_replaced(&text, as_buf_view(&own), AS_STR(" TEXT"), AS_STR(" TEXT COLLATE \"C\""));
    as_rc rc = simple(state, text.ptr, err);
    as_buf_free(&own);
    as_buf_free(&text);
    return rc;
}

// COPY's binary format: big-endian numbers, a length before each field, -1 for null.
static void put_be(as_buf *buf, uint64_t value, size_t bytes) {
    unsigned char be[8];
    for (size_t i = 0; i < bytes; i++) be[i] = (unsigned char)(value >> 8 * (bytes - 1 - i));
    as_buf_add(buf, be, bytes);
}

static void copy_value(as_buf *buf, const as_db_value *value, size_t int_size) {
    uint64_t bits;
    switch (value->kind) {
    case AS_DB_NULL:
        put_be(buf, UINT32_MAX, 4);
        break;
    case AS_DB_TEXT:
        put_be(buf, value->text.len, 4);
        as_buf_str(buf, value->text);
        break;
    case AS_DB_I64:
        put_be(buf, int_size, 4);
        put_be(buf, (uint64_t)value->i64, int_size);
        break;
    case AS_DB_F64:
        memcpy(&bits, &value->f64, sizeof bits);
        put_be(buf, 8, 4);
        put_be(buf, bits, 8);
        break;
    }
}

// Adds the rows to what is sent. What is wrong with them shows when the COPY ends.
static void add_rows(pg_state *s, const as_db_table *table, const as_db_value *cells, size_t rows) {
    for (size_t row = 0; row < rows; row++) {
        put_be(&s->copy, table->column_count, 2);
        for (size_t i = 0; i < table->column_count; i++)
            copy_value(&s->copy, cells++, table->narrow >> i & 1 ? 4 : 8);
        if (s->copy.len >= COPY_CHUNK) pass_on(s);
    }
}

// Rows that may be there already wait in a temporary table. They are moved at the commit, in the
// order of their keys, so that writers of the same keys cannot lock each other out.
static as_rc stage(pg_state *s, const as_db_table *table, as_err *err) {
    as_buf sql = {0};
    as_buff(&sql, "CREATE TEMPORARY TABLE IF NOT EXISTS staged_%s (LIKE %s) ON COMMIT DELETE ROWS",
            table->name, table->name);
    as_rc rc = simple(s, sql.ptr, err);
    as_buf_free(&sql);
    int key = (int)strcspn(table->columns, ",");
    as_buf_clear(&s->staged);
    as_buff(&s->staged,
            "INSERT INTO %s (%s) SELECT DISTINCT ON (%.*s) %s FROM staged_%s ORDER BY %.*s"
            " ON CONFLICT DO NOTHING",
            table->name, table->columns, key, table->columns, table->columns, table->name, key,
            table->columns);
    return rc;
}

static as_rc begin_copy(pg_state *s, const as_db_table *table, as_err *err) {
    if (end_copy(s, err)) return AS_UNMEASURED;
    if (table->once && !s->staged.len && stage(s, table, err)) return AS_UNMEASURED;
    as_buf sql = {0};
    as_buff(&sql, "COPY %s%s (%s) FROM STDIN (FORMAT binary)", table->once ? "staged_" : "",
            table->name, table->columns);
    PGresult *result = pq.exec(s->conn, sql.ptr);
    as_rc rc = pq.resultStatus(result) == PGRES_COPY_IN ? AS_OK : db_fail(s, result, err);
    pq.clear(result);
    as_buf_free(&sql);
    if (rc) return rc;
    s->copying = table;
    as_buf_clear(&s->copy);
    as_buf_add(&s->copy, "PGCOPY\n\377\r\n\0", 11);
    put_be(&s->copy, 0, 8); // no flags, no extension
    return AS_OK;
}

static as_rc pg_load(void *state, const as_db_table *table, const as_db_value *cells, size_t rows,
                     as_err *err) {
    pg_state *s = state;
    s->again = false;
    if (s->copying != table && begin_copy(s, table, err)) return AS_UNMEASURED;
    add_rows(s, table, cells, rows);
    return AS_OK;
}

static void pg_rollback(void *state) {
    pg_state *s = state;
    as_err unused = {0};
    if (end_copy(s, &unused)) as_log_debug("%s", unused.text);
    if (pq.status(s->conn) == CONNECTION_OK) pq.clear(pq.exec(s->conn, "ROLLBACK"));
    s->in_transaction = false;
    as_buf_clear(&s->staged);
}

static as_rc pg_begin(void *state, bool alone, as_err *err) {
    pg_state *s = state;
    // A connection that was dropped while nothing was asked of it shows here, and is made again.
    as_rc rc = AS_OK;
    for (int i = 1;; i++) {
        s->again = false;
        rc = simple(s,
                    alone ? "BEGIN; SELECT pg_advisory_xact_lock(" LOCK_KEY ")"
                          : "BEGIN; SELECT pg_advisory_xact_lock_shared(" LOCK_KEY ")",
                    err);
        if (!rc || !s->again || i == QUERY_TRIES || reconnect(s, err)) break;
    }
    s->in_transaction = !rc;
    as_buf_clear(&s->staged);
    if (rc) pg_rollback(s);
    return rc;
}

static as_rc pg_commit(void *state, as_err *err) {
    pg_state *s = state;
    s->again = false;
    as_rc rc = s->staged.len ? simple(s, s->staged.ptr, err) : AS_OK;
    if (!rc) rc = simple(s, "COMMIT", err);
    if (!rc) s->in_transaction = false;
    return rc;
}

static as_rc take_version(void *context, const as_db_value *cells, as_err *err) {
    (void)err;
    *(int *)context = (int)cells[0].i64;
    return AS_OK;
}

static as_rc pg_version(void *state, int *out, as_err *err) {
    int there = 0;
    *out = 0;
    // Not to_regclass: it may still answer from before the lock was had.
    as_rc rc = pg_query(state,
                        "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
                        " ON n.oid = c.relnamespace WHERE c.relname = 'assay_schema'"
                        " AND n.nspname = ANY (current_schemas(false))",
                        NULL, 0, take_version, &there, NULL, err);
    if (rc || !there) return rc;
    return pg_query(state, "SELECT version FROM assay_schema", NULL, 0, take_version, out, NULL,
                    err);
}

static as_rc pg_set_version(void *state, int version, as_err *err) {
    const as_db_value params[] = {as_db_i64(version)};
    as_rc rc = simple(state,
                      "CREATE TABLE IF NOT EXISTS assay_schema (version INTEGER NOT NULL);"
                      "DELETE FROM assay_schema",
                      err);
    return rc ? rc
              : pg_query(state, "INSERT INTO assay_schema VALUES ($1)", params, 1, NULL, NULL, NULL,
                         err);
}

// "20251231T..." -> "202512" and "202513", which no run reaches: [first, end) of the run's month.
static bool month_of(as_str run, char first[7], char end[7]) {
    if (run.len < 6) return false;
    unsigned value = 0;
    for (size_t i = 0; i < 6; i++) {
        if (run.ptr[i] < '0' || run.ptr[i] > '9') return false;
        value = value * 10 + (unsigned)(run.ptr[i] - '0');
    }
    if (value % 100 < 1 || value % 100 > 12) return false;
    snprintf(first, 7, "%06u", value % 1000000);
    snprintf(end, 7, "%06u", (value + 1) % 1000000);
    return true;
}

static as_rc count_row(void *context, const as_db_value *cells, as_err *err) {
    (void)cells, (void)err;
    ++*(int *)context;
    return AS_OK;
}

// Samples of a month that already are in the rest stay there, and more come to them.
static as_rc make_month(pg_state *s, const char *first, const char *end, as_err *err) {
    as_buf sql = {0};
    int found = 0;
    as_buff(&sql, "SELECT 1 FROM samples_rest WHERE run >= '%s' AND run < '%s' LIMIT 1", first,
            end);
    as_rc rc = pg_query(s, sql.ptr, NULL, 0, count_row, &found, NULL, err);
    as_buf_clear(&sql);
    as_buff(&sql,
            "CREATE TABLE IF NOT EXISTS samples_%s PARTITION OF samples"
            " FOR VALUES FROM ('%s') TO ('%s')",
            first, first, end);
    if (!rc && !found) rc = simple(s, sql.ptr, err);
    as_buf_free(&sql);
    return rc;
}

static as_rc pg_make_room(void *state, as_str run, as_err *err) {
    pg_state *s = state;
    char first[7], end[7];
    if (!month_of(run, first, end)) return AS_OK;
    int there = 0;
    as_buf sql = {0};
    as_buff(&sql,
            "SELECT 1 FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c"
            " ON c.oid = i.inhrelid WHERE i.inhparent = 'samples'::regclass"
            " AND c.relname = 'samples_%s'",
            first);
    as_rc rc = pg_query(s, sql.ptr, NULL, 0, count_row, &there, NULL, err);
    as_buf_free(&sql);
    if (rc || there) return rc;
    rc = pg_begin(s, true, err);
    if (rc) return rc;
    rc = make_month(s, first, end, err);
    if (!rc) rc = pg_commit(s, err);
    if (rc) pg_rollback(s);
    return rc;
}

static as_rc pg_drop_empty(void *state, as_err *err) {
    return simple(state,
                  "DO $$ DECLARE part regclass; used boolean; BEGIN"
                  " FOR part IN SELECT inhrelid FROM pg_catalog.pg_inherits"
                  " WHERE inhparent = 'samples'::regclass AND inhrelid <> 'samples_rest'::regclass"
                  " LOOP EXECUTE format('SELECT EXISTS (SELECT 1 FROM %s)', part) INTO used;"
                  " IF NOT used THEN EXECUTE format('DROP TABLE %s', part); END IF;"
                  " END LOOP; END $$",
                  err);
}

static bool pg_again(const void *state) {
    return ((const pg_state *)state)->again;
}

static const char *pg_name(const void *state) {
    return ((const pg_state *)state)->name;
}

static void pg_close(void *state) {
    pg_state *s = state;
    stop_sender(s);
    pq.finish(s->conn);
    as_buf_free(&s->copy);
    as_buf_free(&s->staged);
    free(s->name);
    free(s);
}

// A URL that libpq understands; its own message would repeat the URL, password and all.
static as_rc check_url(const char *url, as_err *err) {
    char *message = NULL;
    PQconninfoOption *options = pq.conninfoParse(url, &message);
    pq.freemem(message);
    if (!options)
        return as_fail(err, AS_INVALID,
                       "store 'postgres:...' is no URL that libpq understands: "
                       "postgres://USER@HOST:PORT/DATABASE?OPTION=VALUE, with special characters "
                       "as %%XX");
    for (const PQconninfoOption *o = options; o->keyword; o++)
        if (o->val && strstr(o->keyword, "password")) as_log_secret(as_str_of(o->val));
    pq.conninfoFree(options);
    return AS_OK;
}

static char *name_of(PGconn *conn) {
    const char *user = pq.user(conn), *host = pq.host(conn), *port = pq.port(conn),
               *db = pq.db(conn);
    as_buf name = {0};
    bool local = !host || !host[0] || host[0] == '/';
    if (local)
        as_buff(&name, "postgres://%s@/%s?host=%s", user ? user : "", db ? db : "",
                host ? host : "");
    else
        as_buff(&name, "postgres://%s@%s:%s/%s", user ? user : "", host, port ? port : "",
                db ? db : "");
    return name.ptr;
}

// A server that is starting or full is worth waiting for; a wrong name or password is not.
static bool worth_waiting(const PGconn *conn, const char *const *keys, const char *const *values) {
    const char *text = pq.errorMessage(conn);
    return strstr(text, "too many clients") || strstr(text, "remaining connection slots") ||
           pq.pingParams(keys, values, 1) == PQPING_REJECT;
}

static as_rc pg_open(as_str url, void **state, as_err *err) {
    as_arena arena = {0};
    const char *text = as_str_copy(&arena, url).ptr;
    as_rc rc = as_library_take(&libpq, err);
    if (!rc) rc = check_url(text, err);
    if (rc) {
        as_arena_free(&arena);
        return rc;
    }
    // What stands before the URL it may override; what stands after it may not.
    const char *const keys[] = {"connect_timeout", "fallback_application_name", "dbname",
                                "client_encoding", NULL};
    const char *const values[] = {"10", "assay", text, "UTF8", NULL};
    pg_state *s = as_mem_new(sizeof *s);
    long ms = CONNECT_PAUSE_FIRST_MS;
    for (int i = 1;; i++) {
        s->conn = pq.connectdbParams(keys, values, 1);
        if (pq.status(s->conn) == CONNECTION_OK || i == CONNECT_TRIES ||
            !worth_waiting(s->conn, keys, values))
            break;
        pq.finish(s->conn);
        pause_ms(ms);
        ms = ms * 2 < CONNECT_PAUSE_MAX_MS ? ms * 2 : CONNECT_PAUSE_MAX_MS;
    }
    s->name = name_of(s->conn);
    pq.setNoticeProcessor(s->conn, be_quiet, NULL);
    rc = pq.status(s->conn) == CONNECTION_OK ? AS_OK : db_fail(s, NULL, err);
    if (rc)
        pg_close(s);
    else
        *state = s;
    as_arena_free(&arena);
    return rc;
}

const as_db_ops as_store_pg = {
    .scheme = "postgres",
    .long_form = "postgresql",
    .open = pg_open,
    .close = pg_close,
    .name = pg_name,
    .script = pg_script,
    .query = pg_query,
    .load = pg_load,
    .make_room = pg_make_room,
    .drop_empty = pg_drop_empty,
    .begin = pg_begin,
    .commit = pg_commit,
    .rollback = pg_rollback,
    .version = pg_version,
    .set_version = pg_set_version,
    .again = pg_again,
};
