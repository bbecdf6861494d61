// SPDX-License-Identifier: Apache-2.0
#include "harness/base/utf8.h"

#include <string.h>

// Length of the valid sequence at `at` and its code point, or 0.
static size_t decode(as_str s, size_t at, uint32_t *out) {
    const unsigned char *p = (const unsigned char *)s.ptr + at;
    size_t left = s.len - at;
    if (p[0] < 0x80) {
        *out = p[0];
        return 1;
    }
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < len) return 0;
    uint32_t c = p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
        c = c << 6 | (p[i] & 0x3fu);
    }
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) return 0;
    *out = c;
    return len;
}

size_t as_utf8_invalid_at(as_str s) {
    size_t at = 0;
    while (at < s.len) {
        // Eight ASCII bytes at a time: nearly all text is.
        uint64_t word;
        while (s.len - at >= 8 && (memcpy(&word, s.ptr + at, 8), !(word & 0x8080808080808080u)))
            at += 8;
        if (at == s.len) break;
        uint32_t c;
        size_t len = decode(s, at, &c);
        if (!len) return at;
        at += len;
    }
    return SIZE_MAX;
}

uint32_t as_utf8_next_of_many(as_str s, size_t *at) {
    uint32_t c;
    size_t len = decode(s, *at, &c);
    if (!len) {
        *at += 1;
        return 0xfffd;
    }
    *at += len;
    return c;
}

size_t as_utf8_put(uint32_t c, char out[4]) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[len] | c);
    return len;
}

size_t as_utf8_count(as_str s) {
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++) count += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return count;
}

as_str as_utf8_clean(as_arena *arena, as_str s) {
    if (as_utf8_invalid_at(s) == SIZE_MAX) return s;
    char *out = as_arena_take(arena, as_size_mul(s.len, 3) + 1);
    size_t len = 0;
    for (size_t at = 0; at < s.len;) len += as_utf8_put(as_utf8_next(s, &at), out + len);
    out[len] = '\0';
    return (as_str){out, len};
}
