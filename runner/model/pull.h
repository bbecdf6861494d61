// SPDX-License-Identifier: Apache-2.0
// pull.h - one file of a hub onto this disk: pinned to a commit, resumed where it broke off, and
// only there under its name once its SHA-256 is the one that the hub states.
//
// What is under way is NAME.<start of its hash>.part beside it, locked: of several pulls of one
// file one moves bytes and the others wait for it. Beside a file stands where it is from:
// NAME.source.json. One thread.
#ifndef AS_PULL_H
#define AS_PULL_H

#include "harness/net/http.h"
#include "harness/net/hub.h"

typedef struct as_pull as_pull;

// `endpoint` is the hub's URL. The token comes from $HF_TOKEN.
as_rc as_pull_new(as_str endpoint, as_pull **out, as_err *err) AS_MUST_USE;
void as_pull_free(as_pull *pull);

typedef struct as_pulled {
    as_str path, commit, sha256;
    uint64_t size, moved; // bytes; moved now, over the network
} as_pulled;

// `commit` empty: the file's revision decides. AS_INVALID: there is no such file, or it may not be
// had; AS_UNMEASURED: the network or the disk; AS_INTERRUPTED: after a signal (what is there is
// kept). Strings of `out` in `arena`.
as_rc as_pull_file(as_pull *pull, as_arena *arena, const as_hub_file *file, as_str commit,
                   as_str path, as_pulled *out, as_err *err) AS_MUST_USE;

// The SHA-256 of a file, and its size.
as_rc as_pull_hash(const char *path, char hex[65], uint64_t *size, as_err *err) AS_MUST_USE;

#endif
