// SPDX-License-Identifier: Apache-2.0
// utf8.h - UTF-8 as Unicode defines it: no overlong forms, no surrogates, nothing past U+10FFFF.
#ifndef AS_UTF8_H
#define AS_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/base/str.h"

// Offset of the first byte that is not valid UTF-8, or SIZE_MAX when all of it is.
size_t as_utf8_invalid_at(as_str s);

// Decodes the code point at *at and moves *at past it. At an invalid byte: U+FFFD, one byte on.
// *at < s.len.
uint32_t as_utf8_next_of_many(as_str s, size_t *at); // the same, where it may be of several bytes
static inline uint32_t as_utf8_next(as_str s, size_t *at) {
    unsigned char c = (unsigned char)s.ptr[*at];
    if (c >= 0x80) return as_utf8_next_of_many(s, at);
    ++*at;
    return c;
}

// Writes the code point; returns its length, 1-4.
size_t as_utf8_put(uint32_t code_point, char out[4]);

size_t as_utf8_count(as_str s); // code points

// A copy in which every invalid byte became U+FFFD; `s` itself when there is none.
as_str as_utf8_clean(as_arena *arena, as_str s);

#endif
