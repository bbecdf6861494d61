// SPDX-License-Identifier: Apache-2.0
// cache.h - files that save work while they are there, and are missed by nobody: in
// $XDG_CACHE_HOME/assay, or ~/.cache/assay.
//
// A name says everything that the content depends on, so nothing is ever changed: an entry is
// written under another name, whole, and then renamed. What is found is taken only if it and the
// directory belong to this user, nobody else may write to them, and size and sum are right; of
// everything else it is as if it were not there. What has not been used the longest is removed when
// the entries come to more than AS_CACHE_SIZE_MAX, or to more than half of what the disk has left.
// Nothing here can fail: without a cache there is more to do. Any thread, any number of processes.
#ifndef AS_CACHE_H
#define AS_CACHE_H

#include "harness/base/file.h"

#define AS_CACHE_SIZE_MAX ((uint64_t)8 << 30) // bytes

// A name is at most 200 letters, digits, '-' and '.'.
void as_cache_keep(const char *name, const void *bytes, size_t size);

// Lays the entry's `size` bytes over the whole pages at `at`, read-only, with `threads` to add it
// up. False, and zeros there, when there is none of that name and size.
bool as_cache_lay(const char *name, void *at, size_t size, size_t threads);

// The entry's bytes, mapped for reading until as_file_unmap; false when there is none.
bool as_cache_map(const char *name, size_t threads, as_mapped *out);

#endif
