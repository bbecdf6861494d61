// SPDX-License-Identifier: Apache-2.0
// shards.h - a model's file or files: mapped, checked and seen as one. A model of N parts lies in
// NAME-00001-of-0000N.gguf and so on; the first one has the keys, each has some of the tensors.
#ifndef AS_SHARDS_H
#define AS_SHARDS_H

#include "harness/base/file.h"
#include "harness/engine/gguf.h"

typedef struct as_shards {
    as_gguf file; // the first part's, with the tensors of all
    as_mapped *maps;
    size_t count;
} as_shards;

// `path` is that of the only or the first part. AS_INVALID names the part that is missing or does
// not belong to the others.
as_rc as_shards_open(as_shards *out, const char *path, as_err *err) AS_MUST_USE;
void as_shards_close(as_shards *parts); // also for a zeroed one

#endif
