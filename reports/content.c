// SPDX-License-Identifier: Apache-2.0
#include "reports/content.h"

#include <stdio.h>
#include <string.h>

#include "harness/base/utf8.h"
#include "reports/figures.h"

typedef struct code_range {
    uint32_t from, to;
} code_range;

static bool in_ranges(uint32_t c, const code_range *ranges, size_t count) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c > ranges[middle].to)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && c >= ranges[low].from;
}

#define IN(c, ranges) in_ranges((c), (ranges), sizeof(ranges) / sizeof *(ranges))

// Shown by number: they print nothing, or change the order of what stands around them. The joiners
// U+200C and U+200D stay (Persian and emoji need them), as do the marks U+200E and U+200F.
static const code_range hidden[] = {{0x80, 0x9f},     {0xad, 0xad},     {0x115f, 0x1160},
                                    {0x180e, 0x180e}, {0x200b, 0x200b}, {0x2028, 0x202e},
                                    {0x2060, 0x206f}, {0x3164, 0x3164}, {0xfeff, 0xfeff},
                                    {0xffa0, 0xffa0}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f}};

// Columns on a terminal. Combining marks and variation selectors take none; East Asian wide
// characters and emoji take two (Unicode's EastAsianWidth and emoji presentation, by block).
static const code_range zero_wide[] = {
    {0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},   {0x64b, 0x65f},
    {0x6d6, 0x6dc},   {0x900, 0x902},   {0x93c, 0x93c},   {0x941, 0x948},   {0xe31, 0xe31},
    {0xe34, 0xe3a},   {0xe47, 0xe4e},   {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200c, 0x200f},
    {0x20d0, 0x20ff}, {0x302a, 0x302d}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xe0100, 0xe01ef}};
static const code_range two_wide[] = {
    {0x1100, 0x115e},   {0x231a, 0x231b},   {0x23e9, 0x23ec},   {0x25fd, 0x25fe},
    {0x2614, 0x2615},   {0x2648, 0x2653},   {0x26a1, 0x26a1},   {0x26bd, 0x26be},
    {0x2705, 0x2705},   {0x270a, 0x270b},   {0x2728, 0x2728},   {0x274c, 0x274c},
    {0x2753, 0x2757},   {0x2795, 0x2797},   {0x2b50, 0x2b55},   {0x2e80, 0x303e},
    {0x3041, 0x3247},   {0x3250, 0x4dbf},   {0x4e00, 0xa4cf},   {0xa960, 0xa97c},
    {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff01, 0xff60},
    {0xffe0, 0xffe6},   {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f7e0, 0x1f7eb},
    {0x1f900, 0x1f9ff}, {0x1fa70, 0x1faff}, {0x20000, 0x3fffd}};

static size_t char_width(uint32_t c) {
    if (c < 0x300) return 1;
    return IN(c, zero_wide) ? 0 : IN(c, two_wide) ? 2 : 1;
}

// What stands for one code point, in UTF-8; returns its length and gives its width.
static size_t shown(uint32_t c, char out[16], size_t *width) {
    *width = 1;
    if (c < 0x20 || c == 0x7f) return as_utf8_put(c == 0x7f ? 0x2421 : 0x2400 + c, out);
    if (IN(c, hidden)) {
        int len = snprintf(out, 16, "<U+%04X>", (unsigned)c);
        *width = (size_t)len;
        return (size_t)len;
    }
    if ((c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef)) c = 0xfffd; // noncharacters
    *width = char_width(c);
    return as_utf8_put(c, out);
}

as_str as_content_clip(as_str text, size_t most) {
    size_t at = 0;
    for (size_t count = 0; at < text.len && count < most; count++) as_utf8_next(text, &at);
    return as_str_sub(text, 0, at);
}

static void put_markup(as_buf *out, const char *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) switch (bytes[i]) {
        case '&':
            as_buf_text(out, "&amp;");
            break;
        case '<':
            as_buf_text(out, "&lt;");
            break;
        case '>':
            as_buf_text(out, "&gt;");
            break;
        case '"':
            as_buf_text(out, "&quot;");
            break;
        case '\'':
            as_buf_text(out, "&#39;");
            break;
        default:
            as_buf_char(out, bytes[i]);
        }
}

void as_content_markup(as_buf *out, as_str text, size_t most) {
    as_str clip = as_content_clip(text, most);
    for (size_t at = 0; at < clip.len;) {
        char bytes[16];
        size_t width;
        uint32_t c = as_utf8_next(clip, &at);
        if (c == '\n' || c == '\t')
            as_buf_char(out, (char)c);
        else if (c == '\r' && at < clip.len && clip.ptr[at] == '\n')
            continue;
        else
            put_markup(out, bytes, shown(c, bytes, &width));
    }
    if (clip.len < text.len)
        as_buff(out, "\xe2\x80\xa6 [clipped: %s bytes in all]", as_figure_count(text.len).text);
}

void as_content_plain(as_buf *out, as_str text, size_t most) {
    as_str clip = as_content_clip(text, most);
    for (size_t at = 0; at < clip.len;) {
        char bytes[16];
        size_t width, len = shown(as_utf8_next(clip, &at), bytes, &width);
        as_buf_add(out, bytes, len);
    }
    if (clip.len < text.len) as_buf_text(out, "\xe2\x80\xa6");
}

void as_content_json(as_buf *out, as_str text, size_t most) {
    as_str clip = as_content_clip(text, most);
    as_buf_char(out, '"');
    for (size_t at = 0; at < clip.len;) {
        char bytes[16];
        size_t width, len = shown(as_utf8_next(clip, &at), bytes, &width);
        for (size_t i = 0; i < len; i++) {
            char c = bytes[i];
            if (c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c == '\'')
                as_buff(out, "\\u%04x", (unsigned)c);
            else
                as_buf_char(out, c);
        }
    }
    if (clip.len < text.len) as_buf_text(out, "\xe2\x80\xa6");
    as_buf_char(out, '"');
}

static size_t longest_backticks(as_str text) {
    size_t longest = 0, run = 0;
    for (size_t i = 0; i < text.len; i++) {
        run = text.ptr[i] == '`' ? run + 1 : 0;
        if (run > longest) longest = run;
    }
    return longest;
}

// A bar would end a table's cell, and renderers disagree on how to escape it inside a code span.
static void put_code(as_buf *out, uint32_t c) {
    char bytes[16];
    size_t width;
    if (c == '|')
        as_buf_text(out, "\xc2\xa6"); // broken bar
    else if (c == '\n' || c == '\r')
        as_buf_text(out, "\xe2\x8f\x8e"); // return symbol
    else
        as_buf_add(out, bytes, shown(c == '\t' ? ' ' : c, bytes, &width));
}

void as_content_code(as_buf *out, as_str text, size_t most) {
    as_str clip = as_content_clip(text, most);
    size_t fence = longest_backticks(clip) + 1;
    if (!clip.len) {
        as_buf_text(out, "*empty*");
        return;
    }
    for (size_t i = 0; i < fence; i++) as_buf_char(out, '`');
    bool pad = fence > 1 || clip.ptr[0] == ' ' || clip.ptr[clip.len - 1] == ' ';
    if (pad) as_buf_char(out, ' ');
    for (size_t at = 0; at < clip.len;) {
        uint32_t c = as_utf8_next(clip, &at);
        if (c != '\r' || at == clip.len || clip.ptr[at] != '\n') put_code(out, c);
    }
    if (clip.len < text.len) as_buf_text(out, "\xe2\x80\xa6");
    if (pad) as_buf_char(out, ' ');
    for (size_t i = 0; i < fence; i++) as_buf_char(out, '`');
}

size_t as_content_width(as_str text) {
    size_t total = 0;
    for (size_t at = 0; at < text.len;) {
        char bytes[16];
        size_t width;
        shown(as_utf8_next(text, &at), bytes, &width);
        total += width;
    }
    return total;
}

size_t as_content_terminal(as_buf *out, as_str text, size_t columns) {
    // What is wider than the line is known from its first part: a column holds few bytes.
    as_str clip = as_content_clip(text, columns * 4 + 16);
    bool whole = clip.len == text.len && as_content_width(clip) <= columns;
    size_t room = whole ? columns : columns ? columns - 1 : 0, used = 0;
    for (size_t at = 0; at < clip.len;) {
        char bytes[16];
        size_t width, len;
        uint32_t c = as_utf8_next(clip, &at);
        bool mark = c == 0x200e || c == 0x200f || c == 0x61c; // would move what stands beside it
        if (mark) continue;
        len = shown(c, bytes, &width);
        if (used + width > room) break;
        as_buf_add(out, bytes, len);
        used += width;
    }
    if (whole || !columns) return used;
    as_buf_text(out, "\xe2\x80\xa6");
    return used + 1;
}
