// SPDX-License-Identifier: Apache-2.0
#include "harness/base/sha256.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

as_rc as_sha256_add_file(as_sha256 *sha, const char *path, as_err *err) {
    enum { PIECE = 64 * 1024 };
    unsigned char *piece = as_mem_new(PIECE);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 1;
    while (n > 0) {
        n = read(fd, piece, PIECE);
        if (n > 0) as_sha256_add(sha, piece, (size_t)n);
        if (n < 0 && errno == EINTR) n = 1;
    }
    int why = errno;
    if (fd >= 0) close(fd);
    free(piece);
    if (n < 0) return as_fail(err, AS_INVALID, "cannot read '%s': %s", path, strerror(why));
    return AS_OK;
}
