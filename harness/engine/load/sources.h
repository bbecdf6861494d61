// SPDX-License-Identifier: Apache-2.0
// sources.h - the files that a model is made of: found, mapped, brought to another type if that is
// asked for, and named by their SHA-256.
//
// What costs time is kept in the cache (cache.h) for large files: the digest of files that have not
// changed, by their inode, size and times; what was quantized, by the digest it was made from. The
// third thing kept, packed matrices, is weights.c's.
#ifndef AS_SOURCES_H
#define AS_SOURCES_H

#include "harness/engine/engine.h"
#include "harness/engine/shards.h"

typedef struct as_sources {
    as_arena arena;
    as_shards parts, adapter;
    as_mapped quantized; // what takes the place of the parts; zeros without `quant`
    as_buf bytes;        // holds `quantized` if it was made now
    as_gguf file;        // of `quantized`
    bool cached;         // large enough for the cache

    const as_gguf *model, *lora; // NULL without an adapter
    char sha256[65];             // of the parts or `quantized`, then of the adapter
    const char *kept;            // name of the packed matrices in the cache; NULL: not to be kept
} as_sources;

as_rc as_sources_open(as_sources *out, const char *path, const as_model_options *options,
                      as_err *err) AS_MUST_USE;
void as_sources_close(as_sources *sources);

#endif
