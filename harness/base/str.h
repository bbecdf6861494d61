// SPDX-License-Identifier: Apache-2.0
// str.h - strings with a length, and a buffer that grows.
//
// An as_str is a view: it owns nothing and may hold any byte, NUL included. Those made by
// as_str_copy, as_strf and as_buf_str_copy live in the arena given and have a NUL after the last
// byte, so `.ptr` can be handed to C functions. An as_buf owns its bytes until as_buf_free.
#ifndef AS_STR_H
#define AS_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/arena.h"
#include "harness/base/err.h"

typedef struct as_str {
    const char *ptr;
    size_t len; // bytes
} as_str;

#define AS_STR(literal) ((as_str){"" literal, sizeof(literal) - 1})
#define AS_STR_ARG(s) (int)(s).len, (s).ptr // for "%.*s"; evaluates s twice

as_str as_str_of(const char *text); // NULL gives the empty string
bool as_str_eq(as_str a, as_str b);
bool as_str_is(as_str a, const char *b);
int as_str_cmp(as_str a, as_str b); // memcmp order: code point order for UTF-8
bool as_str_starts(as_str s, as_str prefix);
bool as_str_ends(as_str s, as_str suffix);
as_str as_str_sub(as_str s, size_t from, size_t to); // [from, to), both clamped to the length
as_str as_str_trim(as_str s);                        // ASCII white space at both ends
as_str as_str_copy(as_arena *arena, as_str s);
as_str as_strf(as_arena *arena, const char *format, ...) AS_PRINTF(2, 3);
size_t as_str_find(as_str s, as_str what, size_t from); // index, or SIZE_MAX
bool as_str_holds(as_str s, as_str word);               // anywhere, whatever the case of its ASCII

// Cuts `s` at the first `separator`: returns what stands before it, leaves the rest in *s.
// Without one, returns all and leaves *s empty with ptr NULL.
as_str as_str_cut(as_str *s, char separator);

// Whole string as a number: false when anything else stands in it, or when it does not fit.
bool as_str_to_i64(as_str s, int64_t *out);
bool as_str_to_f64(as_str s, double *out); // finite decimal; no hex, no inf, no locale

// Shortest decimal text that reads back as the same double ("0.1", "1e-07", "3"); "null" when
// not finite. `out` holds at least 32 bytes. Returns the length.
size_t as_f64_text(double value, char out[32]);

// The candidate nearest to `word` by edit distance, if near enough to be what was meant;
// NULL otherwise. `candidates` ends with NULL.
const char *as_str_nearest(as_str word, const char *const *candidates);

uint64_t as_str_hash(as_str s);       // always the same: for seeds. Strings can be made to collide
uint64_t as_str_table_hash(as_str s); // for tables: under as_rng_secret, another in each process

typedef struct as_buf {
    char *ptr; // NUL-terminated when not NULL
    size_t len, cap;
} as_buf; // a zeroed as_buf is empty and ready

void as_buf_add(as_buf *buf, const void *bytes, size_t len);
void as_buf_str(as_buf *buf, as_str s);
void as_buf_text(as_buf *buf, const char *text);
void as_buf_char(as_buf *buf, char c);
char *as_buf_room(as_buf *buf, size_t len); // `len` bytes more, which the caller is to write
void as_bufv(as_buf *buf, const char *format, va_list args);
void as_buff(as_buf *buf, const char *format, ...) AS_PRINTF(2, 3);
void as_buf_i64(as_buf *buf, int64_t value);
void as_buf_f64(as_buf *buf, double value); // as_f64_text
// `text` with every `what` turned into `with`.
void as_buf_replaced(as_buf *buf, as_str text, as_str what, as_str with);
as_str as_buf_view(const as_buf *buf);
void as_buf_clear(as_buf *buf); // keeps the memory
void as_buf_free(as_buf *buf);

#endif
