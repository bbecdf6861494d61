// SPDX-License-Identifier: Apache-2.0
#include "harness/net/secret.h"

#include <stdlib.h>

#include "harness/base/file.h"
#include "harness/base/log.h"

enum { KEY_MAX = 16 * 1024 };

as_str as_secret_base64(as_arena *arena, as_str bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = (bytes.len + 2) / 3 * 4;
    char *out = as_arena_take(arena, len + 1);
    for (size_t i = 0, at = 0; i < bytes.len; i += 3, at += 4) {
        unsigned word = 0, have = 0;
        for (size_t j = 0; j < 3; j++) {
            word <<= 8;
            if (i + j < bytes.len) word |= (unsigned char)bytes.ptr[i + j], have++;
        }
        for (unsigned j = 0; j < 4; j++)
            out[at + j] = j <= have ? digits[word >> (18 - 6 * j) & 63] : '=';
    }
    return (as_str){out, len};
}

static as_str percent_encoded(as_arena *arena, as_str bytes) {
    static const char hex[] = "0123456789ABCDEF";
    char *out = as_arena_take(arena, as_size_mul(bytes.len, 3) + 1);
    size_t len = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        if (plain) {
            out[len++] = (char)c;
            continue;
        }
        out[len++] = '%';
        out[len++] = hex[c >> 4];
        out[len++] = hex[c & 15];
    }
    return (as_str){out, len};
}

void as_secret_hide(as_str value) {
    as_arena arena = {0};
    as_str encoded = percent_encoded(&arena, value);
    as_str coded = as_secret_base64(&arena, value);
    while (coded.len && coded.ptr[coded.len - 1] == '=') coded.len--;
    as_log_secret(value);
    as_log_secret(coded);
    if (!as_str_eq(encoded, value)) as_log_secret(encoded);
    as_arena_free(&arena);
}

as_rc as_secret_load(as_arena *arena, as_str env, as_str file, as_str *out, as_err *err) {
    as_str key = {0};
    if (file.len) {
        as_str text;
        as_rc rc = as_file_read(arena, as_str_copy(arena, file).ptr, KEY_MAX, &text, err);
        if (rc) return rc;
        key = as_str_trim(as_str_cut(&text, '\n'));
        if (!key.len)
            return as_fail(err, AS_INVALID, "key_file '%.*s' has no key in its first line",
                           AS_STR_ARG(file));
    } else if (env.len) {
        key = as_str_trim(as_str_of(getenv(as_str_copy(arena, env).ptr)));
        if (!key.len) key = (as_str){0};
    }
    for (size_t i = 0; i < key.len; i++)
        if ((unsigned char)key.ptr[i] < ' ' || (unsigned char)key.ptr[i] >= 0x7f)
            return as_fail(err, AS_INVALID, "the key in %s'%.*s' holds bytes that no key has",
                           file.len ? "key_file " : "$", AS_STR_ARG(file.len ? file : env));
    if (key.ptr) {
        key = as_str_copy(arena, key);
        as_secret_hide(key);
    }
    *out = key;
    return AS_OK;
}
