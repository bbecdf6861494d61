// SPDX-License-Identifier: Apache-2.0
// remote_open.h - what a target behind HTTP is once its URI is read, for the two files that make it
// (remote_open.c) and ask it (remote.c). Everybody else includes remote.h.
#ifndef AS_REMOTE_OPEN_H
#define AS_REMOTE_OPEN_H

#include "harness/target/remote.h"
#include "harness/target/replica.h"

enum { AS_REMOTE_BACKOFF_MAX_S = 8 };

struct as_target {
    as_arena arena;
    const as_wire_ops *ops;
    as_wire_setup setup;
    as_target_info info;
    as_target_uri parsed;
    as_str *bases; // [base_count] URLs of its servers; the wire knows the first
    size_t base_count;
    const as_serving_replica *facts; // [base_count] after its worker has ended
    int64_t twice;                   // percent of the cases that a second server is asked too
    int64_t timeout_s, connect_s, first_byte_s, retries, max_wait_s, patience_s, rpm, tpm, max_mb;
    const char *ca_file;
};

// The first call of a case, as as_remote_prepare leaves it in a request.
typedef struct as_remote_built {
    as_wire_call call;
    as_str prompt_sha256;
} as_remote_built;

#endif
