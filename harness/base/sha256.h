// SPDX-License-Identifier: Apache-2.0
// sha256.h - SHA-256, by nettle. Identities of datasets, suites, models, prompts and scores.
#ifndef AS_SHA256_H
#define AS_SHA256_H

#include "harness/base/str.h"

typedef struct as_sha256 {
    _Alignas(
        16) unsigned char state[128]; // holds nettle's context; its size is checked in sha256.c
} as_sha256;

void as_sha256_init(as_sha256 *sha);
void as_sha256_add(as_sha256 *sha, const void *bytes, size_t size);
void as_sha256_hex(as_sha256 *sha, char hex[65]); // 64 lower-case digits and NUL; ends the sum

// Adds the bytes of a file, read piece by piece.
as_rc as_sha256_add_file(as_sha256 *sha, const char *path, as_err *err) AS_MUST_USE;

// The hash of one string, in the arena.
as_str as_sha256_of(as_arena *arena, as_str bytes);

#endif
