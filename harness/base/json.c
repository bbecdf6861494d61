// SPDX-License-Identifier: Apache-2.0
#include "harness/base/json.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#include <cjson/cJSON.h>

#include "harness/base/map.h"
#include "harness/base/utf8.h"

enum {
    FEW_MEMBERS = 32, // of an object, among which a search is quicker than a table
    FEW_NUMBERS = 32, // of a document, which need not be looked for again
};

static size_t digits_end(as_str text, size_t at) {
    while (at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9') at++;
    return at;
}

static char char_at(as_str text, size_t at) {
    return at < text.len ? text.ptr[at] : '\0';
}

// End of the number at `at` as JSON's grammar has it, or `at` when it is none.
static size_t number_end(as_str text, size_t at) {
    size_t whole = at + (char_at(text, at) == '-'), end = digits_end(text, whole);
    if (end == whole || (end > whole + 1 && char_at(text, whole) == '0')) return at;
    if (char_at(text, end) == '.') {
        size_t fraction = digits_end(text, end + 1);
        if (fraction == end + 1) return at;
        end = fraction;
    }
    if (char_at(text, end) != 'e' && char_at(text, end) != 'E') return end;
    size_t sign = char_at(text, end + 1) == '+' || char_at(text, end + 1) == '-';
    size_t exponent = digits_end(text, end + 1 + sign);
    return exponent == end + 1 + sign ? at : exponent;
}

// Where the string that goes on at `at` ends: at its closing quote, or at the end of the text.
static size_t string_end(as_str text, size_t at) {
    while (at < text.len) {
        const char *quote = memchr(text.ptr + at, '"', text.len - at);
        if (!quote) return text.len;
        size_t end = (size_t)(quote - text.ptr), from = end;
        while (from > at && text.ptr[from - 1] == '\\') from--;
        if ((end - from) % 2 == 0) return end;
        at = end + 1;
    }
    return at;
}

// Whether a byte below 0x20 is among them: eight are looked at at a time.
static bool has_control(const char *bytes, size_t len) {
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t word, found = 0;
    for (; len >= sizeof word; bytes += sizeof word, len -= sizeof word) {
        memcpy(&word, bytes, sizeof word);
        found |= (word - ones * 0x20) & ~word & tops;
    }
    for (; len; len--) found |= (unsigned char)*bytes++ < 0x20;
    return found != 0;
}

// The same, and what may not stand in a string.
static as_rc scan_string(as_str text, size_t *at, as_err *err) {
    size_t i = *at, end = string_end(text, i);
    *at = end;
    if (!has_control(text.ptr + i, end - i) && !memchr(text.ptr + i, '\\', end - i)) return AS_OK;
    for (; i < end; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20)
            return as_fail(err, AS_INVALID, "column %zu: control character in a string", i + 1);
        if (c != '\\') continue;
        if (as_str_starts(as_str_sub(text, i, i + 6), AS_STR("\\u0000")))
            return as_fail(err, AS_INVALID, "column %zu: \\u0000 in a string", i + 1);
        i++;
    }
    return AS_OK;
}

// A number of few digits and no exponent is finite without being looked at.
static bool is_finite(as_str number) {
    double value;
    return (number.len < 64 && !memchr(number.ptr, 'e', number.len) &&
            !memchr(number.ptr, 'E', number.len)) ||
           as_str_to_f64(number, &value);
}

// The first numbers of a document, as written.
typedef struct numbers {
    as_str at[FEW_NUMBERS];
    size_t count;
} numbers;

// What cJSON lets pass or reports badly is caught before it sees the text: depth, NUL escapes, raw
// control characters and numbers that only C would read ("01", "1.", "1e999").
static as_rc scan(as_str text, numbers *found, as_err *err) {
    size_t depth = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"') {
            i++;
            if (scan_string(text, &i, err)) return AS_INVALID;
            continue;
        }
        if (c == '[' || c == '{') depth++;
        if ((c == ']' || c == '}') && depth) depth--;
        if (depth > AS_JSON_DEPTH_MAX)
            return as_fail(err, AS_INVALID, "column %zu: JSON nested deeper than %d", i + 1,
                           AS_JSON_DEPTH_MAX);
        if (c == '\0') return as_fail(err, AS_INVALID, "column %zu: NUL byte in JSON", i + 1);
        if (c < 0x20 && c != '\t' && c != '\n' && c != '\r')
            return as_fail(err, AS_INVALID, "column %zu: control character in JSON", i + 1);
        if (c != '-' && (c < '0' || c > '9')) continue;
        size_t end = number_end(text, i);
        if (end == i || !is_finite(as_str_sub(text, i, end)))
            return as_fail(err, AS_INVALID, "column %zu: not a number: '%.*s'", i + 1,
                           AS_STR_ARG(as_str_sub(text, i, i + 20)));
        if (found->count < FEW_NUMBERS) found->at[found->count++] = as_str_sub(text, i, end);
        i = end - 1;
    }
    return AS_OK;
}

static as_json_kind kind_of(const cJSON *c) {
    if (cJSON_IsString(c)) return AS_JSON_STRING;
    if (cJSON_IsNumber(c)) return AS_JSON_NUMBER;
    if (cJSON_IsArray(c)) return AS_JSON_ARRAY;
    if (cJSON_IsObject(c)) return AS_JSON_OBJECT;
    if (cJSON_IsBool(c)) return AS_JSON_BOOL;
    return AS_JSON_NULL;
}

static as_str number_text(as_arena *arena, double value) {
    char text[32];
    return as_str_copy(arena, (as_str){text, as_f64_text(value, text)});
}

// Keys of one object mostly differ in length or in how they begin.
static inline bool same(as_str a, as_str b) {
    if (a.len != b.len) return false;
    return !a.len || (a.ptr[0] == b.ptr[0] && !memcmp(a.ptr, b.ptr, a.len));
}

static as_rc twice(as_str key, as_err *err) {
    return as_fail(err, AS_INVALID, "key '%.*s' stands twice in one object", AS_STR_ARG(key));
}

static as_rc check_unique(const as_json *object, as_err *err) {
    if (object->count <= FEW_MEMBERS) {
        for (const as_json *m = object->child; m; m = m->next)
            for (const as_json *other = object->child; other != m; other = other->next)
                if (same(m->key, other->key)) return twice(m->key, err);
        return AS_OK;
    }
    as_map seen = {0};
    as_rc rc = AS_OK;
    for (const as_json *m = object->child; m && !rc; m = m->next)
        if (!as_map_add(&seen, m->key, 0, NULL)) rc = twice(m->key, err);
    as_map_free(&seen);
    return rc;
}

typedef struct converter {
    as_arena *arena;
    as_str text;
    const numbers *found;
    size_t taken;
    size_t at; // behind the last number taken
    as_err *err;
} converter;

// The text of the next number of the document. cJSON keeps only a double, in which a 64-bit id
// does not fit; but the tree is walked in the order of the text, so they can be read off it.
static as_str next_number(converter *c) {
    as_str text = c->text;
    if (c->taken < c->found->count) {
        as_str number = c->found->at[c->taken++];
        c->at = (size_t)(number.ptr - text.ptr) + number.len;
        return as_str_copy(c->arena, number);
    }
    for (; c->at < text.len; c->at++) {
        char byte = text.ptr[c->at];
        if (byte == '"') c->at = string_end(text, c->at + 1);
        if (byte == '-' || (byte >= '0' && byte <= '9')) break;
    }
    size_t from = c->at;
    c->at = number_end(text, from);
    return as_str_copy(c->arena, as_str_sub(text, from, c->at));
}

// The same tree in our own nodes. Depth was bounded by scan(); strings stay where cJSON, too, put
// them in the arena.
static as_rc convert(converter *c, const cJSON *from, as_json **out) {
    as_arena *arena = c->arena;
    as_json *to = as_json_new(arena, kind_of(from));
    to->boolean = cJSON_IsTrue(from);
    if (to->kind == AS_JSON_STRING) to->text = as_str_of(from->valuestring);
    if (to->kind == AS_JSON_NUMBER) {
        to->number = from->valuedouble;
        to->text = next_number(c);
    }
    as_json **link = &to->child;
    if (cJSON_IsArray(from) || cJSON_IsObject(from)) {
        for (const cJSON *child = from->child; child; child = child->next) {
            if (convert(c, child, link)) return AS_INVALID;
            if (child->string) (*link)->key = as_str_of(child->string);
            link = &(*link)->next;
            to->count++;
        }
    }
    *out = to;
    return to->kind == AS_JSON_OBJECT ? check_unique(to, c->err) : AS_OK;
}

// cJSON takes its memory from the arena of the document that the thread is reading.
static _Thread_local as_arena *parsing;

static void *take(size_t size) {
    return as_arena_take(parsing, size);
}

static void leave(void *p) {
    (void)p; // goes with the arena
}

static void install(void) {
    cJSON_InitHooks(&(cJSON_Hooks){take, leave});
}

static const cJSON *parse(as_arena *arena, as_str text, const char **end) {
    static once_flag once = ONCE_FLAG_INIT;
    call_once(&once, install);
    parsing = arena;
    return cJSON_ParseWithLengthOpts(text.ptr, text.len, end, 0);
}

as_rc as_json_parse(as_arena *arena, as_str text, const as_json **out, as_err *err) {
    size_t bad = as_utf8_invalid_at(text);
    if (bad != SIZE_MAX)
        return as_fail(err, AS_INVALID, "column %zu: invalid UTF-8 (byte 0x%02x)", bad + 1,
                       (unsigned char)text.ptr[bad]);
    numbers found;
    found.count = 0;
    if (scan(text, &found, err)) return AS_INVALID;

    const char *end = NULL;
    const cJSON *tree = parse(arena, text, &end);
    size_t stop = end ? (size_t)(end - text.ptr) : 0;
    as_rc rc = AS_OK;
    if (!tree) {
        if (as_str_trim(text).len == 0) return as_fail(err, AS_INVALID, "column 1: no JSON here");
        return as_fail(err, AS_INVALID, "column %zu: not JSON at '%.*s'", stop + 1,
                       AS_STR_ARG(as_str_sub(text, stop, stop + 20)));
    }
    as_str rest = as_str_trim(as_str_sub(text, stop, text.len));
    if (rest.len)
        rc = as_fail(err, AS_INVALID, "column %zu: more text after the JSON value: '%.*s'",
                     (size_t)(rest.ptr - text.ptr) + 1, AS_STR_ARG(as_str_sub(rest, 0, 20)));
    as_json *root = NULL;
    converter c = {.arena = arena, .text = text, .found = &found, .err = err};
    if (!rc) rc = convert(&c, tree, &root);
    if (!rc) *out = root;
    return rc;
}

static const as_json *member(const as_json *object, as_str key) {
    if (!object || object->kind != AS_JSON_OBJECT) return NULL;
    for (const as_json *m = object->child; m; m = m->next)
        if (same(m->key, key)) return m;
    return NULL;
}

// Mostly of a constant name among few: first letters tell nearly all apart.
const as_json *as_json_get(const as_json *object, const char *key) {
    if (!object || object->kind != AS_JSON_OBJECT) return NULL;
    for (const as_json *m = object->child; m; m = m->next)
        if ((m->key.len ? m->key.ptr[0] : '\0') == key[0] && as_str_is(m->key, key)) return m;
    return NULL;
}

const as_json *as_json_at(const as_json *object, as_str dotted_key) {
    const as_json *whole = member(object, dotted_key);
    if (whole) return whole;
    while (object && dotted_key.ptr) object = member(object, as_str_cut(&dotted_key, '.'));
    return object;
}

as_str as_json_str(const as_json *object, const char *key, as_str otherwise) {
    const as_json *m = as_json_get(object, key);
    return m && m->kind == AS_JSON_STRING ? m->text : otherwise;
}

double as_json_f64(const as_json *object, const char *key, double otherwise) {
    const as_json *m = as_json_get(object, key);
    return m && m->kind == AS_JSON_NUMBER ? m->number : otherwise;
}

bool as_json_bool(const as_json *object, const char *key, bool otherwise) {
    const as_json *m = as_json_get(object, key);
    return m && m->kind == AS_JSON_BOOL ? m->boolean : otherwise;
}

as_str as_json_plain(as_arena *arena, const as_json *value) {
    if (value->kind == AS_JSON_STRING) return value->text;
    as_buf buf = {0};
    as_json_write(&buf, value);
    as_str text = as_str_copy(arena, as_buf_view(&buf));
    as_buf_free(&buf);
    return text;
}

const char *as_json_kind_name(as_json_kind kind) {
    static const char *const names[] = {"null",     "true or false", "a number",
                                        "a string", "a list",        "an object"};
    return names[kind];
}

as_json *as_json_new(as_arena *arena, as_json_kind kind) {
    as_json *value = AS_NEW(arena, as_json);
    value->kind = kind;
    return value;
}

as_json *as_json_new_str(as_arena *arena, as_str value) {
    as_json *node = as_json_new(arena, AS_JSON_STRING);
    node->text = value;
    return node;
}

as_json *as_json_new_f64(as_arena *arena, double value) {
    as_json *node = as_json_new(arena, isfinite(value) ? AS_JSON_NUMBER : AS_JSON_NULL);
    node->number = value;
    node->text = number_text(arena, value);
    return node;
}

as_json *as_json_new_bool(as_arena *arena, bool value) {
    as_json *node = as_json_new(arena, AS_JSON_BOOL);
    node->boolean = value;
    return node;
}

as_json *as_json_copy(as_arena *arena, const as_json *value) {
    as_json *copy = AS_NEW(arena, as_json);
    *copy = *value;
    copy->text = as_str_copy(arena, value->text);
    copy->key = as_str_copy(arena, value->key);
    copy->next = NULL;
    as_json **link = &copy->child;
    for (const as_json *c = value->child; c; c = c->next, link = &(*link)->next)
        *link = as_json_copy(arena, c);
    *link = NULL;
    return copy;
}

void as_json_append(as_json *array, as_json *value) {
    as_json **link = &array->child;
    while (*link) link = &(*link)->next;
    *link = value;
    array->count++;
}

void as_json_set(as_arena *arena, as_json *object, const char *key, as_json *value) {
    value->key = as_str_copy(arena, as_str_of(key));
    as_json_append(object, value);
}

// Bytes that stand for themselves inside a JSON string, up to the first that does not.
static size_t plain_run(as_str s, size_t at) {
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    size_t from = at;
    for (uint64_t word; s.len - at >= sizeof word; at += sizeof word) {
        memcpy(&word, s.ptr + at, sizeof word);
        uint64_t quote = word ^ ones * '"', slash = word ^ ones * '\\';
        // A top bit where a byte is below 0x20, one of the two, or at least 0x7f; else all are
        // plain.
        uint64_t low = (word - ones * 0x20) | (quote - ones) | (slash - ones);
        if ((low | word | (word + ones)) & tops) break;
    }
    while (at < s.len) {
        unsigned char c = (unsigned char)s.ptr[at];
        if (c < 0x20 || c == '"' || c == '\\' || c >= 0x7f) break;
        at++;
    }
    return at - from;
}

static void write_escaped(as_buf *buf, uint32_t c) {
    static const char short_from[] = "\"\\\b\f\n\r\t", short_to[] = "\"\\bfnrt";
    const char *hit = c && c < 0x80 ? strchr(short_from, (int)c) : NULL;
    if (hit) {
        as_buf_char(buf, '\\');
        as_buf_char(buf, short_to[hit - short_from]);
    } else if (c < 0x20 || c == 0x7f || c == 0x2028 || c == 0x2029) {
        as_buff(buf, "\\u%04x", (unsigned)c);
    } else {
        char bytes[4];
        as_buf_add(buf, bytes, as_utf8_put(c, bytes));
    }
}

void as_json_write_str(as_buf *buf, as_str s) {
    as_buf_char(buf, '"');
    for (size_t at = 0; at < s.len;) {
        size_t run = plain_run(s, at);
        as_buf_add(buf, s.ptr + at, run);
        at += run;
        if (at < s.len) write_escaped(buf, as_utf8_next(s, &at));
    }
    as_buf_char(buf, '"');
}

static int by_key(const void *a, const void *b) {
    return as_str_cmp((*(const as_json *const *)a)->key, (*(const as_json *const *)b)->key);
}

static void write_value(as_buf *buf, const as_json *value, bool sorted);

static void write_children(as_buf *buf, const as_json *value, bool sorted) {
    const as_json **list = as_mem_new(as_size_mul(value->count, sizeof *list));
    size_t count = 0;
    for (const as_json *c = value->child; c; c = c->next) list[count++] = c;
    bool object = value->kind == AS_JSON_OBJECT;
    if (sorted && object) qsort(list, count, sizeof *list, by_key);
    for (size_t i = 0; i < count; i++) {
        if (i) as_buf_char(buf, ',');
        if (object) {
            as_json_write_str(buf, list[i]->key);
            as_buf_char(buf, ':');
        }
        write_value(buf, list[i], sorted);
    }
    free(list);
}

static void write_value(as_buf *buf, const as_json *value, bool sorted) {
    switch (value->kind) {
    case AS_JSON_NULL:
        as_buf_text(buf, "null");
        break;
    case AS_JSON_BOOL:
        as_buf_text(buf, value->boolean ? "true" : "false");
        break;
    case AS_JSON_NUMBER:
        as_buf_str(buf, value->text);
        break;
    case AS_JSON_STRING:
        as_json_write_str(buf, value->text);
        break;
    case AS_JSON_ARRAY:
    case AS_JSON_OBJECT:
        as_buf_char(buf, value->kind == AS_JSON_ARRAY ? '[' : '{');
        write_children(buf, value, sorted);
        as_buf_char(buf, value->kind == AS_JSON_ARRAY ? ']' : '}');
        break;
    }
}

void as_json_write(as_buf *buf, const as_json *value) {
    write_value(buf, value, false);
}

void as_json_write_sorted(as_buf *buf, const as_json *value) {
    write_value(buf, value, true);
}

static void line_break(as_json_out *out) {
    if (!out->indent) return;
    as_buff(out->buf, "\n%*s", (int)(out->depth * out->indent), "");
}

// What goes before any value: a comma and, in an indented array, a new line.
static void before(as_json_out *out) {
    if (out->after_key) {
        out->after_key = false;
        return;
    }
    if (!out->depth) return;
    if (!out->first) as_buf_char(out->buf, ',');
    line_break(out);
    out->first = false;
}

void as_jo_open(as_json_out *out, char bracket) {
    before(out);
    as_buf_char(out->buf, bracket);
    out->depth++;
    out->first = true;
}

void as_jo_close(as_json_out *out, char bracket) {
    assert(out->depth);
    out->depth--;
    if (!out->first) line_break(out);
    as_buf_char(out->buf, bracket);
    out->first = false;
}

void as_jo_keys(as_json_out *out, as_str key) {
    before(out);
    as_json_write_str(out->buf, key);
    as_buf_text(out->buf, out->indent ? ": " : ":");
    out->after_key = true;
}

void as_jo_key(as_json_out *out, const char *key) {
    as_jo_keys(out, as_str_of(key));
}

void as_jo_str(as_json_out *out, as_str value) {
    before(out);
    as_json_write_str(out->buf, value);
}

void as_jo_f64(as_json_out *out, double value) {
    before(out);
    as_buf_f64(out->buf, value);
}

void as_jo_i64(as_json_out *out, int64_t value) {
    before(out);
    as_buf_i64(out->buf, value);
}

void as_jo_bool(as_json_out *out, bool value) {
    before(out);
    as_buf_text(out->buf, value ? "true" : "false");
}

void as_jo_null(as_json_out *out) {
    before(out);
    as_buf_text(out->buf, "null");
}

void as_jo_json(as_json_out *out, const as_json *value) {
    before(out);
    as_json_write(out->buf, value);
}

void as_jo_put_str(as_json_out *out, const char *key, as_str value) {
    as_jo_key(out, key);
    as_jo_str(out, value);
}

void as_jo_put_f64(as_json_out *out, const char *key, double value) {
    as_jo_key(out, key);
    as_jo_f64(out, value);
}

void as_jo_put_u64(as_json_out *out, const char *key, uint64_t value) {
    as_jo_key(out, key);
    as_jo_i64(out, (int64_t)value);
}

void as_jo_put_bool(as_json_out *out, const char *key, bool value) {
    as_jo_key(out, key);
    as_jo_bool(out, value);
}

void as_jo_put_range(as_json_out *out, const char *key, double lo, double hi) {
    as_jo_key(out, key);
    if (isnan(lo) && isnan(hi)) {
        as_jo_null(out);
        return;
    }
    as_jo_open(out, '[');
    as_jo_f64(out, lo);
    as_jo_f64(out, hi);
    as_jo_close(out, ']');
}

unsigned as_jo_open_flat(as_json_out *out, const char *key) {
    unsigned indent = out->indent;
    if (key) as_jo_key(out, key);
    as_jo_open(out, '{');
    out->indent = 0;
    return indent;
}

void as_jo_close_flat(as_json_out *out, unsigned indent) {
    as_jo_close(out, '}');
    out->indent = indent;
}
