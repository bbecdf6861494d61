// SPDX-License-Identifier: Apache-2.0
#include "metrics/sql/sql_parse.h"

#include "harness/base/letter.h"

// Words that cannot be a name unless they are quoted, in all of the databases; between blanks.
static const char reserved[] =
    " ALL ALTER AND AS ASC BETWEEN BY CASE CHECK CONSTRAINT CREATE CROSS DEFAULT DELETE DESC "
    "DISTINCT DROP ELSE EXCEPT EXISTS FALSE FETCH FOR FOREIGN FROM GROUP HAVING IN INNER INSERT "
    "INTERSECT INTO IS JOIN LEFT LIKE LIMIT NATURAL NOT NULL ON OR ORDER OUTER PRIMARY REFERENCES "
    "RIGHT SELECT SET TABLE THEN TO TRUE UNION UNIQUE UPDATE USING VALUES WHEN WHERE WITH ";
static const char reserved_mysql[] =
    " CONDITION DESCRIBE DIV EXPLAIN FORCE GRANT IF IGNORE INDEX INTERVAL KEY KEYS LOCK MOD OF "
    "RANGE RANK REGEXP RENAME REPLACE RLIKE ROWS SCHEMA SHOW STRAIGHT_JOIN SYSTEM TRIGGER USE "
    "WINDOW XOR ";
static const char reserved_postgres[] = " ANALYSE ANALYZE ARRAY CAST COLLATE COLUMN DO END FULL "
                                        "GRANT ILIKE LATERAL OFFSET ONLY RETURNING USER WINDOW ";
static const char reserved_sqlite[] = " COLLATE COMMIT ESCAPE FULL INDEX ISNULL NOTNULL OFFSET "
                                      "RETURNING ROLLBACK TRANSACTION WINDOW ";
static const char reserved_tsql[] =
    " BEGIN COLLATE COLUMN COMMIT END EXEC FULL GRANT IDENTITY INDEX KEY MERGE OFFSET OPTION OVER "
    "PERCENT PIVOT PROC PROCEDURE READ SCHEMA TOP TRIGGER USE USER VIEW ";

enum { WORD_MAX_BYTES = 32 };

static as_str upper(as_str word, char out[WORD_MAX_BYTES]) {
    size_t len = 0;
    for (; len < word.len && len < WORD_MAX_BYTES; len++) {
        char c = word.ptr[len];
        out[len] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
    }
    return (as_str){out, len};
}

static bool is_in(as_str word, const char *list) {
    char padded[WORD_MAX_BYTES + 2] = {' '};
    if (word.len > WORD_MAX_BYTES - 1) return false;
    for (size_t i = 0; i < word.len; i++) padded[i + 1] = word.ptr[i];
    padded[word.len + 1] = ' ';
    return as_str_find(as_str_of(list), (as_str){padded, word.len + 2}, 0) != SIZE_MAX;
}

static bool is_reserved(const as_sql_parse *p, as_str word) {
    char text[WORD_MAX_BYTES];
    word = upper(word, text);
    return is_in(word, reserved) || (p->dialect & AS_SQL_MYSQLS && is_in(word, reserved_mysql)) ||
           (p->dialect & AS_SQL_POSTGRES && is_in(word, reserved_postgres)) ||
           (p->dialect & AS_SQL_SQLITE && is_in(word, reserved_sqlite)) ||
           (p->dialect & AS_SQL_TSQL && is_in(word, reserved_tsql));
}

bool as_sql_in(const as_sql_parse *p, unsigned dialects) {
    return (p->dialect & dialects) != 0;
}

bool as_sql_is_word(const as_sql_parse *p, size_t by, const char *word) {
    char text[WORD_MAX_BYTES];
    for (size_t i = 0; i < by; i++)
        if (p->tokens[p->at + i].kind == AS_SQL_END) return false;
    const as_sql_token *t = &p->tokens[p->at + by];
    return t->kind == AS_SQL_WORD && t->text.len < WORD_MAX_BYTES &&
           as_str_is(upper(t->text, text), word);
}

bool as_sql_is_mark(const as_sql_parse *p, const char *mark) {
    const as_sql_token *t = &p->tokens[p->at];
    return t->kind == AS_SQL_MARK && as_str_is(t->text, mark);
}

bool as_sql_word(as_sql_parse *p, const char *word) {
    bool is = as_sql_is_word(p, 0, word);
    p->at += is;
    return is;
}

bool as_sql_words(as_sql_parse *p, const char *first, const char *second) {
    bool are = as_sql_is_word(p, 0, first) && as_sql_is_word(p, 1, second);
    if (are) p->at += 2;
    return are;
}

bool as_sql_mark(as_sql_parse *p, const char *mark) {
    bool is = as_sql_is_mark(p, mark);
    p->at += is;
    return is;
}

bool as_sql_any_word(as_sql_parse *p, const char *const *words) {
    for (; *words; words++)
        if (as_sql_word(p, *words)) return true;
    return false;
}

bool as_sql_any_name(as_sql_parse *p, as_str *out) {
    const as_sql_token *t = &p->tokens[p->at];
    if (t->kind != AS_SQL_WORD && t->kind != AS_SQL_NAME && t->kind != AS_SQL_EITHER) return false;
    *out = t->text;
    p->at++;
    return true;
}

bool as_sql_name(as_sql_parse *p, as_str *out) {
    const as_sql_token *t = &p->tokens[p->at];
    return !(t->kind == AS_SQL_WORD && is_reserved(p, t->text)) && as_sql_any_name(p, out);
}

bool as_sql_path(as_sql_parse *p, as_str *owner, as_str *name) {
    *owner = AS_STR("");
    if (!as_sql_name(p, name)) return false;
    for (size_t parts = 1; parts < 4 && as_sql_mark(p, "."); parts++) {
        *owner = *name;
        if (!as_sql_any_name(p, name)) return false;
    }
    return true;
}

bool as_sql_names(as_sql_parse *p) {
    as_str name;
    if (!as_sql_mark(p, "(")) return false;
    do {
        if (!as_sql_name(p, &name)) return false;
    } while (as_sql_mark(p, ","));
    return as_sql_mark(p, ")");
}

bool as_sql_enter(as_sql_parse *p) {
    return ++p->depth <= AS_SQL_DEPTH_MAX;
}

void as_sql_leave(as_sql_parse *p) {
    p->depth--;
}

static void put(as_sql_parse *p, as_sql_use **list, const char *action, as_str owner, as_str name) {
    as_sql_use *use = AS_NEW(p->arena, as_sql_use);
    *use = (as_sql_use){action, owner, name, *list};
    *list = use;
}

void as_sql_use_table(as_sql_parse *p, const char *action, as_str owner, as_str name) {
    put(p, &p->tables, action, owner, name);
}

void as_sql_use_column(as_sql_parse *p, const char *action, as_str owner, as_str name) {
    put(p, &p->columns, action, owner, name);
}
