// SPDX-License-Identifier: Apache-2.0
#include "harness/base/sha256.h"

#include <assert.h>

#include <nettle/sha2.h>

static_assert(sizeof(struct sha256_ctx) <= sizeof(as_sha256), "as_sha256 must hold nettle's state");

static struct sha256_ctx *context(as_sha256 *sha) {
    return (struct sha256_ctx *)(void *)sha->state;
}

void as_sha256_init(as_sha256 *sha) {
    sha256_init(context(sha));
}

void as_sha256_add(as_sha256 *sha, const void *bytes, size_t size) {
    if (size) sha256_update(context(sha), size, bytes);
}

void as_sha256_hex(as_sha256 *sha, char hex[65]) {
    unsigned char digest[SHA256_DIGEST_SIZE];
    sha256_digest(context(sha), sizeof digest, digest);
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof digest; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[64] = '\0';
}

as_str as_sha256_of(as_arena *arena, as_str bytes) {
    as_sha256 sha;
    char hex[65];
    as_sha256_init(&sha);
    as_sha256_add(&sha, bytes.ptr, bytes.len);
    as_sha256_hex(&sha, hex);
    return as_str_copy(arena, (as_str){hex, 64});
}
