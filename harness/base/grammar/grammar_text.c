// SPDX-License-Identifier: Apache-2.0
#include "harness/base/grammar/grammar_text.h"

#include <string.h>

#include "harness/base/utf8.h"

char as_text_peek(const as_source_text *s) {
    return s->at < s->text.len ? s->text.ptr[s->at] : '\0';
}

bool as_text_take(as_source_text *s, char c) {
    if (s->at == s->text.len || s->text.ptr[s->at] != c) return false;
    s->at++;
    return true;
}

void as_text_place(as_str text, size_t at, size_t *line, size_t *column) {
    size_t begin = 0;
    *line = 1;
    for (size_t i = 0; i < at && i < text.len; i++) {
        if (text.ptr[i] != '\n') continue;
        ++*line;
        begin = i + 1;
    }
    *column = 1 + as_utf8_count(as_str_sub(text, begin, at));
}

void as_text_fail(as_source_text *s, size_t at, const char *format, ...) {
    if (s->failed) return;
    s->failed = true;
    size_t line, column;
    as_text_place(s->text, at, &line, &column);
    as_buf message = {0};
    va_list args;
    va_start(args, format);
    as_bufv(&message, format, args);
    va_end(args);
    if (line == 1 && !memchr(s->text.ptr ? s->text.ptr : "", '\n', s->text.len))
        as_fail(s->err, AS_INVALID, "column %zu: %s", column, message.ptr);
    else
        as_fail(s->err, AS_INVALID, "line %zu, column %zu: %s", line, column, message.ptr);
    as_buf_free(&message);
}

bool as_text_check(as_source_text *s) {
    size_t bad = as_utf8_invalid_at(s->text);
    const char *nul = s->text.len ? memchr(s->text.ptr, '\0', s->text.len) : NULL;
    if (s->text.len > AS_GRAMMAR_TEXT_MAX)
        as_text_fail(s, 0, "%zu bytes are more than %d", s->text.len, AS_GRAMMAR_TEXT_MAX);
    else if (bad != SIZE_MAX)
        as_text_fail(s, bad, "a byte that is not UTF-8");
    else if (nul)
        as_text_fail(s, (size_t)(nul - s->text.ptr), "a NUL byte");
    return !s->failed;
}

int64_t as_text_count(as_source_text *s) {
    size_t from = s->at;
    int64_t value = 0;
    for (char c; (c = as_text_peek(s)) >= '0' && c <= '9'; s->at++)
        if (value <= AS_GRAMMAR_REPEAT_MAX) value = 10 * value + (c - '0');
    if (value > AS_GRAMMAR_REPEAT_MAX)
        as_text_fail(s, from, "a repetition of more than %d times", AS_GRAMMAR_REPEAT_MAX);
    return value;
}

uint32_t as_text_hex(as_source_text *s, size_t digits) {
    uint32_t value = 0;
    size_t from = s->at;
    for (size_t i = 0; i < digits; i++, s->at++) {
        char c = as_text_peek(s), low = (char)(c | 0x20);
        bool digit = c >= '0' && c <= '9', letter = low >= 'a' && low <= 'f';
        if (!digit && !letter) {
            as_text_fail(s, from, "expected %zu hexadecimal digits", digits);
            return 0;
        }
        value = value << 4 | (uint32_t)(digit ? c - '0' : low - 'a' + 10);
    }
    if (value > AS_POINT_LAST || (value >= 0xd800 && value <= 0xdfff))
        as_text_fail(s, from, "U+%X is no character", (unsigned)value);
    return value;
}
