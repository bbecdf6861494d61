// SPDX-License-Identifier: Apache-2.0
// Values of templates as text: str() and repr() of Python, and json.dumps with its spacing.
#include "harness/base/jinja/jinja_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/utf8.h"

// What is written must end soon even if a template shares subtrees until they are endless.
static bool may_write(as_jinja_run *run, const as_buf *buf, size_t depth) {
    if (!as_jinja_charge(run, 1)) return false;
    if (depth > AS_JINJA_DEPTH_MAX * 2) return as_jinja_fail(run, "nested too deeply") != NULL;
    if (buf->len > AS_JINJA_OUTPUT_MAX)
        return as_jinja_fail(run, "a string grows past %d bytes", AS_JINJA_OUTPUT_MAX) != NULL;
    return true;
}

// Integers as they were read ("-0" is 0), floats as Python writes them.
static as_str number_text(as_jinja_run *run, const as_json *value) {
    if (as_jinja_is_int(value)) return as_str_is(value->text, "-0") ? AS_STR("0") : value->text;
    return as_jinja_float(run, value->number)->text;
}

// "\\" and a letter, and so many hexadecimal digits of `number`.
static void put_escape(as_buf *buf, char letter, uint32_t number, unsigned digits) {
    char text[6] = {'\\', letter};
    for (unsigned i = digits; i > 0; i--, number >>= 4)
        text[1 + i] = "0123456789abcdef"[number & 15];
    as_buf_add(buf, text, 2 + digits);
}

static void repr_str(as_buf *buf, as_str s) {
    bool single = s.len && memchr(s.ptr, '\'', s.len), twice = s.len && memchr(s.ptr, '"', s.len);
    char quote = single && !twice ? '"' : '\'';
    as_buf_char(buf, quote);
    for (size_t at = 0; at < s.len;) {
        size_t from = at;
        uint32_t c = as_utf8_next(s, &at);
        if (c == '\\' || c == (uint32_t)quote)
            put_escape(buf, (char)c, 0, 0);
        else if (c == '\n' || c == '\r' || c == '\t')
            put_escape(buf, c == '\n' ? 'n' : c == '\r' ? 'r' : 't', 0, 0);
        else if (c < 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad)
            put_escape(buf, 'x', c, 2);
        else if ((c >= 0x2000 && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f))
            put_escape(buf, 'u', c, 4); // unprintable: spaces and direction marks
        else
            as_buf_add(buf, s.ptr + from, at - from);
    }
    as_buf_char(buf, quote);
}

static bool repr(as_jinja_run *run, as_buf *buf, const as_json *value, size_t depth) {
    if (!may_write(run, buf, depth)) return false;
    bool object = value->kind == AS_JSON_OBJECT, tuple = value->boolean;
    switch (value->kind) {
    case AS_JSON_NULL:
        as_buf_text(buf, value->boolean ? "Undefined" : "None");
        return true;
    case AS_JSON_BOOL:
        as_buf_text(buf, value->boolean ? "True" : "False");
        return true;
    case AS_JSON_NUMBER:
        as_buf_str(buf, number_text(run, value));
        return true;
    case AS_JSON_STRING:
        repr_str(buf, value->text);
        return true;
    case AS_JSON_ARRAY:
    case AS_JSON_OBJECT:
        break;
    }
    as_buf_char(buf, object ? '{' : tuple ? '(' : '[');
    for (const as_json *child = value->child; child; child = child->next) {
        if (child != value->child) as_buf_text(buf, ", ");
        if (object) {
            as_json key = as_jinja_key_value(child->key);
            if (!repr(run, buf, &key, depth + 1)) return false;
            as_buf_text(buf, ": ");
        }
        if (!repr(run, buf, child, depth + 1)) return false;
    }
    if (!object && tuple && value->count == 1) as_buf_char(buf, ',');
    as_buf_char(buf, object ? '}' : tuple ? ')' : ']');
    return true;
}

bool as_jinja_text(as_jinja_run *run, const as_json *value, as_str *out) {
    if (value->kind == AS_JSON_STRING) {
        *out = value->text;
        return true;
    }
    if (as_jinja_is_undefined(value)) {
        *out = AS_STR("");
        return run->lenient || as_jinja_fail_undefined(run, value) != NULL;
    }
    as_buf buf = {0};
    bool ok = repr(run, &buf, value, 0);
    if (ok) *out = as_str_copy(run->arena, as_buf_view(&buf));
    as_buf_free(&buf);
    return ok;
}

static void dump_str(as_buf *buf, as_str s, bool ascii) {
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    as_buf_char(buf, '"');
    for (size_t at = 0; at < s.len;) {
        size_t start = at;
        uint32_t c = as_utf8_next(s, &at);
        const char *hit = c && c < 0x80 ? strchr(from, (int)c) : NULL;
        if (hit)
            as_buff(buf, "\\%c", to[hit - from]);
        else if (c < 0x20 || (ascii && c >= 0x7f && c < 0x10000))
            as_buff(buf, c == 0x7f ? "\x7f" : "\\u%04x", (unsigned)c);
        else if (ascii && c >= 0x10000)
            as_buff(buf, "\\u%04x\\u%04x", 0xd800 + (unsigned)((c - 0x10000) >> 10),
                    0xdc00 + (unsigned)((c - 0x10000) & 0x3ff));
        else
            as_buf_add(buf, s.ptr + start, at - start);
    }
    as_buf_char(buf, '"');
}

static void dump_break(as_buf *buf, const as_jinja_dump *how, size_t depth) {
    if (!how->indent.ptr) return;
    as_buf_char(buf, '\n');
    for (size_t i = 0; i < depth; i++) as_buf_str(buf, how->indent);
}

static int by_key(const void *a, const void *b) {
    return as_str_cmp((*(const as_json *const *)a)->key, (*(const as_json *const *)b)->key);
}

static bool dump_children(as_jinja_run *run, as_buf *buf, const as_json *value,
                          const as_jinja_dump *how, size_t depth) {
    bool object = value->kind == AS_JSON_OBJECT;
    const as_json **list = AS_NEW_ARRAY(run->arena, const as_json *, value->count + 1);
    size_t count = 0;
    for (const as_json *child = value->child; child; child = child->next) list[count++] = child;
    if (object && how->sort_keys) qsort(list, count, sizeof *list, by_key);
    as_buf_char(buf, object ? '{' : '[');
    for (size_t i = 0; i < count; i++) {
        if (i) as_buf_str(buf, how->item_separator);
        dump_break(buf, how, depth + 1);
        if (object) {
            dump_str(buf, as_jinja_key_value(list[i]->key).text, how->ascii);
            as_buf_str(buf, how->key_separator);
        }
        if (!as_jinja_dump_json(run, buf, list[i], how, depth + 1)) return false;
    }
    if (count) dump_break(buf, how, depth);
    as_buf_char(buf, object ? '}' : ']');
    return true;
}

bool as_jinja_dump_json(as_jinja_run *run, as_buf *buf, const as_json *value,
                        const as_jinja_dump *how, size_t depth) {
    if (!may_write(run, buf, depth)) return false;
    switch (value->kind) {
    case AS_JSON_NULL:
        if (value->boolean) return as_jinja_fail_undefined(run, value) != NULL;
        as_buf_text(buf, "null");
        return true;
    case AS_JSON_BOOL:
        as_buf_text(buf, value->boolean ? "true" : "false");
        return true;
    case AS_JSON_NUMBER:
        if (!isfinite(value->number))
            as_buf_text(buf, isnan(value->number) ? "NaN"
                             : value->number > 0  ? "Infinity"
                                                  : "-Infinity");
        else
            as_buf_str(buf, number_text(run, value));
        return true;
    case AS_JSON_STRING:
        dump_str(buf, value->text, how->ascii);
        return true;
    case AS_JSON_ARRAY:
    case AS_JSON_OBJECT:
        break;
    }
    return dump_children(run, buf, value, how, depth);
}
