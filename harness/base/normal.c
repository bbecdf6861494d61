// SPDX-License-Identifier: Apache-2.0
#include "harness/base/normal.h"

#include <stdlib.h>
#include <utf8proc.h>

static bool is_ascii(as_str s) {
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] >= 0x80) return false;
    return true;
}

as_str as_normal_str(as_arena *arena, as_normal_form form, as_str s) {
    if (form == AS_NORMAL_NONE || is_ascii(s)) return s;
    utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    if (form == AS_NORMAL_NFKC) options |= UTF8PROC_COMPAT;
    utf8proc_uint8_t *out = NULL;
    utf8proc_ssize_t length =
        utf8proc_map((const utf8proc_uint8_t *)s.ptr, (utf8proc_ssize_t)s.len, &out, options);
    if (length < 0) return s; // not UTF-8 or out of memory: left as it is
    as_str copy = as_str_copy(arena, (as_str){(const char *)out, (size_t)length});
    free(out);
    return copy;
}
