// SPDX-License-Identifier: Apache-2.0
#include "harness/base/str.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"

as_str as_str_of(const char *text) {
    return text ? (as_str){text, strlen(text)} : (as_str){"", 0};
}

bool as_str_eq(as_str a, as_str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool as_str_is(as_str a, const char *b) {
    return as_str_eq(a, as_str_of(b));
}

int as_str_cmp(as_str a, as_str b) {
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.ptr, b.ptr, common) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

bool as_str_starts(as_str s, as_str prefix) {
    return s.len >= prefix.len && as_str_eq(as_str_sub(s, 0, prefix.len), prefix);
}

bool as_str_ends(as_str s, as_str suffix) {
    return s.len >= suffix.len && as_str_eq(as_str_sub(s, s.len - suffix.len, s.len), suffix);
}

as_str as_str_sub(as_str s, size_t from, size_t to) {
    if (to > s.len) to = s.len;
    if (from > to) from = to;
    return (as_str){s.ptr ? s.ptr + from : "", to - from};
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

as_str as_str_trim(as_str s) {
    size_t from = 0, to = s.len;
    while (from < to && is_space(s.ptr[from])) from++;
    while (to > from && is_space(s.ptr[to - 1])) to--;
    return as_str_sub(s, from, to);
}

as_str as_str_copy(as_arena *arena, as_str s) {
    char *copy = as_arena_take(arena, s.len + 1);
    if (s.len) memcpy(copy, s.ptr, s.len);
    return (as_str){copy, s.len};
}

as_str as_strf(as_arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(len >= 0);
    char *text = as_arena_take(arena, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return (as_str){text, (size_t)len};
}

size_t as_str_find(as_str s, as_str what, size_t from) {
    if (from > s.len || what.len > s.len - from) return SIZE_MAX;
    if (what.len == 0) return from;
    const char *hit = memmem(s.ptr + from, s.len - from, what.ptr, what.len);
    return hit ? (size_t)(hit - s.ptr) : SIZE_MAX;
}

static char lower(char c) {
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool as_str_holds(as_str s, as_str word) {
    for (size_t i = 0; i + word.len <= s.len; i++) {
        size_t k = 0;
        while (k < word.len && lower(s.ptr[i + k]) == lower(word.ptr[k])) k++;
        if (k == word.len) return true;
    }
    return false;
}

as_str as_str_cut(as_str *s, char separator) {
    const char *at = s->len ? memchr(s->ptr, separator, s->len) : NULL;
    as_str head = *s;
    if (!at) {
        *s = (as_str){NULL, 0};
        return head;
    }
    head.len = (size_t)(at - s->ptr);
    *s = (as_str){at + 1, s->len - head.len - 1};
    return head;
}

bool as_str_to_i64(as_str s, int64_t *out) {
    char text[24];
    if (s.len == 0 || s.len >= sizeof text || is_space(s.ptr[0])) return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end != text + s.len) return false;
    *out = value;
    return true;
}

bool as_str_to_f64(as_str s, double *out) {
    char text[64];
    if (s.len == 0 || s.len >= sizeof text) return false;
    for (size_t i = 0; i < s.len; i++)
        if (!strchr("0123456789+-.eE", s.ptr[i]) || !s.ptr[i]) return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    char *end;
    double value = strtod(text, &end);
    if (end != text + s.len || !isfinite(value)) return false;
    *out = value;
    return true;
}

// Decimal digits of a number, without a zero in front. Returns how many.
static size_t put_digits(uint64_t value, char out[20]) {
    char back[20];
    size_t count = 0;
    do back[count++] = (char)('0' + value % 10);
    while (value /= 10);
    for (size_t i = 0; i < count; i++) out[i] = back[count - 1 - i];
    return count;
}

// What has at most six decimals (times, counts, most scores), as "%.15g" writes it: a decimal
// number of so few digits is the only one of 15 digits that reads as this double. 0: it has more.
static size_t put_short(double value, char out[32]) {
    static const double most = 1e9, least = 1e-4, millionths = 1e6;
    double size = fabs(value);
    if (!(size < most) || (size < least && (size != 0 || signbit(value)))) return 0;
    double scaled = nearbyint(size * millionths);
    if (scaled / millionths != size) return 0;
    uint64_t whole = (uint64_t)scaled / 1000000, rest = (uint64_t)scaled % 1000000;
    size_t len = 0;
    if (value < 0) out[len++] = '-';
    len += put_digits(whole, out + len);
    if (rest) out[len++] = '.';
    for (uint64_t unit = 100000; rest; rest %= unit, unit /= 10)
        out[len++] = (char)('0' + rest / unit);
    out[len] = '\0';
    return len;
}

size_t as_f64_text(double value, char out[32]) {
    if (!isfinite(value)) return (size_t)snprintf(out, 32, "null");
    size_t len = put_short(value, out);
    if (len) return len;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, 32, "%.*g", digits, value);
        if (digits == 17 || strtod(out, NULL) == value) break;
    }
    return strlen(out);
}

// Edit distance in which swapping two neighbours is one step; at most 64 characters each side.
static size_t edit_distance(as_str a, as_str b) {
    enum { WIDTH = 64 };
    if (a.len >= WIDTH || b.len >= WIDTH) return SIZE_MAX;
    size_t rows[3][WIDTH + 1]; // of a: this one, the one before, the one before that
    for (size_t j = 0; j <= b.len; j++) rows[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t best = above[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]);
            if (above[j] + 1 < best) best = above[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            bool swapped =
                i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1];
            if (swapped && above2[j - 2] + 1 < best) best = above2[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[a.len % 3][b.len];
}

const char *as_str_nearest(as_str word, const char *const *candidates) {
    const char *best = NULL;
    size_t limit = word.len / 2 + 1, best_distance = limit < 4 ? limit : 4;
    for (; *candidates; candidates++) {
        as_str candidate = as_str_of(*candidates);
        size_t distance = edit_distance(word, candidate);
        // A name that was cut short is as good as one slip.
        if (word.len >= 3 && as_str_starts(candidate, word)) distance = 1;
        if (distance < best_distance) {
            best_distance = distance;
            best = *candidates;
        }
    }
    return best;
}

uint64_t as_str_hash(as_str s) {
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.len; i++) h = (h ^ (unsigned char)s.ptr[i]) * 0x100000001b3u;
    return h ^ (h >> 29);
}

static uint64_t mix_word(uint64_t h, uint64_t word, const uint64_t secret[2]) {
    h = (h ^ word) * secret[1];
    h = (h ^ h >> 32 ^ secret[0]) * 0xd1b54a32d192ed03u;
    return h ^ h >> 29;
}

uint64_t as_str_table_hash(as_str s) {
    const uint64_t *secret = as_rng_secret();
    const char *at = s.ptr;
    uint64_t h = secret[0] + s.len, word = 0;
    size_t left = s.len;
    for (; left >= sizeof word; at += sizeof word, left -= sizeof word) {
        memcpy(&word, at, sizeof word);
        h = mix_word(h, word, secret);
    }
    word = 0;
    if (left) memcpy(&word, at, left);
    return mix_word(h, word, secret);
}

static void buf_reserve(as_buf *buf, size_t extra) {
    if (buf->cap - buf->len > extra) return;
    size_t cap = buf->cap ? buf->cap : 256;
    while (cap - buf->len <= extra) cap = as_size_mul(cap, 2);
    buf->ptr = as_mem_grow(buf->ptr, cap);
    buf->cap = cap;
}

void as_buf_add(as_buf *buf, const void *bytes, size_t len) {
    buf_reserve(buf, len);
    if (len) memcpy(buf->ptr + buf->len, bytes, len);
    buf->len += len;
    buf->ptr[buf->len] = '\0';
}

char *as_buf_room(as_buf *buf, size_t len) {
    buf_reserve(buf, len);
    char *at = buf->ptr + buf->len;
    buf->len += len;
    buf->ptr[buf->len] = '\0';
    return at;
}

void as_buf_str(as_buf *buf, as_str s) {
    as_buf_add(buf, s.ptr, s.len);
}

void as_buf_text(as_buf *buf, const char *text) {
    as_buf_add(buf, text, strlen(text));
}

void as_buf_char(as_buf *buf, char c) {
    as_buf_add(buf, &c, 1);
}

void as_bufv(as_buf *buf, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    assert(len >= 0);
    buf_reserve(buf, (size_t)len);
    vsnprintf(buf->ptr + buf->len, (size_t)len + 1, format, args);
    buf->len += (size_t)len;
}

void as_buff(as_buf *buf, const char *format, ...) {
    va_list args;
    va_start(args, format);
    as_bufv(buf, format, args);
    va_end(args);
}

void as_buf_f64(as_buf *buf, double value) {
    char text[32];
    as_buf_add(buf, text, as_f64_text(value, text));
}

void as_buf_i64(as_buf *buf, int64_t value) {
    char text[21];
    text[0] = '-';
    size_t len = put_digits(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, text + 1);
    as_buf_add(buf, value < 0 ? text : text + 1, len + (value < 0));
}

void as_buf_replaced(as_buf *buf, as_str text, as_str what, as_str with) {
    size_t at;
    while ((at = as_str_find(text, what, 0)) != SIZE_MAX) {
        as_buf_str(buf, as_str_sub(text, 0, at));
        as_buf_str(buf, with);
        text = as_str_sub(text, at + what.len, text.len);
    }
    as_buf_str(buf, text);
}

as_str as_buf_view(const as_buf *buf) {
    return (as_str){buf->ptr ? buf->ptr : "", buf->len};
}

void as_buf_clear(as_buf *buf) {
    buf->len = 0;
    if (buf->ptr) buf->ptr[0] = '\0';
}

void as_buf_free(as_buf *buf) {
    free(buf->ptr);
    *buf = (as_buf){0};
}
