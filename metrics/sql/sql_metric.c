// SPDX-License-Identifier: Apache-2.0
// sql_metric.c - is-sql and contains-sql; the value is the share of cases that pass.
//
//   is-sql        the answer is SQL of `databaseType` (sql.h; MySQL unless set)
//   contains-sql  a fenced block (``` or ~~~, marked sql or not at all) is; without such a block
//                 the whole answer
// `allowedTables`: patterns (PCRE2, in any case) of which one must match all of
// "action::database::table" of every table; `allowedColumns` the same of "action::table::column",
// with (.*) for all columns. What was not named is "null"; a pattern that names a table also allows
// null in its place. Actions: select, insert, replace, update, delete, create, drop, alter,
// truncate. The name of a WITH is a table that is selected from.
// Source: promptfoo 0.12x, which asks node-sql-parser. That takes a good deal that no database of
// the name does (MySQL: a::int, FULL JOIN, a subquery in FROM without a name, CREATE TABLE t;
// SQL Server: LIMIT) and refuses some that it does take (EXPLAIN of SQLite, FETCH FIRST of
// PostgreSQL, NATURAL JOIN of MySQL); the databases' manuals decide here. SELECT a b FROM is
// refused as there: the comma is missing more often than the AS.
#include <stdlib.h>

#include "metrics/metric.h"
#include "metrics/sql/sql.h"

enum { IS, CONTAINS };
enum { SET_DATABASE, SET_TABLES, SET_COLUMNS };
enum { FENCE_MIN = 3, INDENT_MAX = 3, PATTERNS_MAX = 200 };

static const char *const databases[] = {"MySQL",  "MariaDB", "PostgreSQL",  "Postgresql",
                                        "SQLite", "Sqlite",  "TransactSQL", NULL};
static const unsigned dialects[] = {AS_SQL_MYSQL,  AS_SQL_MARIADB, AS_SQL_POSTGRES, AS_SQL_POSTGRES,
                                    AS_SQL_SQLITE, AS_SQL_SQLITE,  AS_SQL_TSQL};

typedef struct allowed {
    as_regex **patterns;
    size_t count;
} allowed;

typedef struct sql_check {
    allowed tables, columns;
} sql_check;

static void free_patterns(const allowed *a) {
    for (size_t i = 0; i < a->count; i++) as_regex_free(a->patterns[i]);
}

static void release(as_metric *metric) {
    sql_check *own = metric->own;
    if (!own) return;
    free_patterns(&own->tables);
    free_patterns(&own->columns);
}

static as_rc add_pattern(as_arena *arena, allowed *a, as_str text, as_err *err) {
    as_str whole = as_strf(arena, "\\A(?:%.*s)\\z", AS_STR_ARG(text));
    as_rc rc = as_regex_new(whole, AS_REGEX_CASELESS, &a->patterns[a->count], err);
    if (!rc) a->count++;
    return rc;
}

// "a::b::c" with null for b; empty where that is no such text.
static as_str without_owner(as_arena *arena, as_str text) {
    as_str mark = AS_STR("::");
    size_t first = as_str_find(text, mark, 0);
    size_t second = first == SIZE_MAX ? SIZE_MAX : as_str_find(text, mark, first + 2);
    if (second == SIZE_MAX || as_str_find(text, mark, second + 2) != SIZE_MAX) return AS_STR("");
    if (as_str_is(as_str_sub(text, first + 2, second), "null")) return AS_STR("");
    return as_strf(arena, "%.*s::null%.*s", (int)first, text.ptr, (int)(text.len - second),
                   text.ptr + second);
}

static as_rc read_patterns(as_arena *arena, const as_setting *set, bool columns, allowed *out,
                           as_err *err) {
    out->patterns = AS_NEW_ARRAY(arena, as_regex *, 2 * set->text_count + 1);
    if (set->text_count > PATTERNS_MAX)
        return as_fail(err, AS_INVALID, "at most %d patterns", PATTERNS_MAX);
    as_rc rc = AS_OK;
    for (size_t i = 0; !rc && i < set->text_count; i++) {
        rc = add_pattern(arena, out, set->texts[i], err);
        as_str other = columns ? without_owner(arena, set->texts[i]) : AS_STR("");
        if (!rc && other.len) rc = add_pattern(arena, out, other, err);
    }
    return rc;
}

static as_rc prepare(as_arena *arena, as_metric *metric, as_err *err) {
    sql_check *own = metric->own = AS_NEW(arena, sql_check);
    const as_setting *set = metric->settings;
    as_rc rc = read_patterns(arena, &set[SET_TABLES], false, &own->tables, err);
    if (rc) as_err_prefix(err, "option 'allowedTables' of metric '%s'", metric->ops->name);
    if (rc) return release(metric), rc;
    rc = read_patterns(arena, &set[SET_COLUMNS], true, &own->columns, err);
    if (rc) as_err_prefix(err, "option 'allowedColumns' of metric '%s'", metric->ops->name);
    if (rc) release(metric);
    return rc;
}

static bool all_allowed(as_arena *arena, const allowed *a, const as_sql_touched *touched,
                        size_t count) {
    as_str groups[AS_REGEX_GROUPS_MAX];
    for (size_t i = 0; i < count; i++) {
        const as_sql_touched *t = &touched[i];
        as_str text = as_strf(arena, "%.*s::%.*s::%.*s", AS_STR_ARG(t->action),
                              AS_STR_ARG(t->owner), AS_STR_ARG(t->name));
        bool is = false;
        for (size_t k = 0; k < a->count && !is; k++)
            is = as_regex_match(a->patterns[k], text, 0, groups) > 0;
        if (!is) return false;
    }
    return true;
}

static bool is_sql(const as_metric *metric, as_arena *arena, as_str text) {
    const sql_check *own = metric->own;
    as_sql_facts facts;
    if (!as_sql_read(arena, dialects[(size_t)metric->settings[SET_DATABASE].number], text, &facts))
        return false;
    return (!own->tables.count ||
            all_allowed(arena, &own->tables, facts.tables, facts.table_count)) &&
           (!own->columns.count ||
            all_allowed(arena, &own->columns, facts.columns, facts.column_count));
}

// The length of a fence at the start of the line, 0 without one; *rest is what stands behind it.
static size_t fence_of(as_str line, char *mark, as_str *rest) {
    size_t at = 0, len = 0;
    while (at < line.len && at <= INDENT_MAX && (line.ptr[at] == ' ' || line.ptr[at] == '\t')) at++;
    if (at > INDENT_MAX || at == line.len || (line.ptr[at] != '`' && line.ptr[at] != '~')) return 0;
    *mark = line.ptr[at];
    while (at + len < line.len && line.ptr[at + len] == *mark) len++;
    *rest = as_str_trim(as_str_sub(line, at + len, line.len));
    return len >= FENCE_MIN ? len : 0;
}

static bool is_any_block(const as_metric *metric, as_arena *arena, as_str text) {
    as_str rest = text, after;
    bool any = false, found = false, inside = false, is_ours = false;
    size_t from = 0, open = 0;
    char mark = 0, open_mark = 0;
    while (rest.ptr && !found) {
        as_str line = as_str_cut(&rest, '\n');
        size_t start = (size_t)(line.ptr - text.ptr), len = fence_of(line, &mark, &after);
        if (!inside && len) {
            inside = true;
            open = len;
            open_mark = mark;
            is_ours = !after.len || (after.len == 3 && as_str_holds(after, AS_STR("sql")));
            from = start + line.len + 1;
        } else if (inside && len >= open && mark == open_mark && !after.len) {
            inside = false;
            any |= is_ours;
            as_str body = as_str_sub(text, from, start);
            found = is_ours && as_str_trim(body).len && is_sql(metric, arena, body);
        }
    }
    return any ? found : is_sql(metric, arena, text);
}

static as_rc score(const as_metric *metric, const as_scoring *scoring, double *out, double *stats,
                   as_err *err) {
    (void)stats, (void)err;
    bool held = (metric->ops->variant == IS ? is_sql : is_any_block)(metric, scoring->arena,
                                                                     scoring->prediction);
    *out = scoring->sample->has_prediction && held != metric->negate;
    return AS_OK;
}

static const as_setting_spec settings[] = {
    {.name = "databaseType", .kind = AS_SETTING_CHOICE, .choices = databases},
    {.name = "allowedTables", .kind = AS_SETTING_TEXTS},
    {.name = "allowedColumns", .kind = AS_SETTING_TEXTS},
    {.name = NULL},
};

#define SQL(metric_name, number, line)                                                             \
    {                                                                                              \
        .name = metric_name, .text = line, .kind = AS_METRIC_MEAN,                                 \
        .flags = AS_METRIC_UNIT | AS_METRIC_BOUNDED | AS_METRIC_NOT, .settings = settings,         \
        .prepare = prepare, .release = release, .score = score, .variant = number                  \
    }

const as_metric_ops as_sql_metrics[] = {
    SQL("is-sql", IS, "share of answers that are SQL"),
    SQL("contains-sql", CONTAINS, "share of answers with a block of SQL, or that are SQL"),
    {.name = NULL},
};
